//! What the clients of a run send, and what each batch adds to which window: worked out here entry by entry, without
//! the program's own counting.

use std::collections::BTreeMap;
use std::sync::Arc;

use log_analytics::base::inflight::{Budget, Charge};
use log_analytics::batch::{Content, Format, insights};
use log_analytics::journal::committer::Submission;
use log_analytics::journal::dedup::DedupHasher;
use log_analytics::journal::format::{BodyCoding, Parts, RecordDraft};
use log_analytics::journal::summary;
use log_analytics::model::{BatchId, CustomerId, Summary, WindowId, WindowSize, WindowStart};
use xxhash_rust::xxh3::xxh3_128;

use super::lines::{Counted, Line, Measured, summarize};
use super::rng::Rng;

/// 2025-12-28T18:03:00Z in minutes: where simulated time begins.
pub const FIRST_MINUTE: u32 = 29_449_083;

/// One batch, as often as it is sent.
#[derive(Clone, Debug)]
pub struct Batch {
    pub customer: CustomerId,
    pub id: BatchId,
    /// Whether the client gave the id, so that the batch can be deduplicated.
    pub keyed: bool,
    pub lines: Vec<Line>,
    pub body: Vec<u8>,
    pub fingerprint: u128,
    pub summary: Summary,
    /// Another batch with the same key.
    pub twin: Option<usize>,
}

/// How batches look.
#[derive(Clone, Debug)]
pub struct Traffic {
    pub batches: usize,
    pub customers: usize,
    /// Lines in a batch, at most.
    pub lines: u64,
    /// Bytes of body, at most.
    pub body_bytes: u64,
    /// Batches without a key, in percent.
    pub keyless_percent: u64,
    /// Batches that take the key of an earlier one, in percent.
    pub twin_percent: u64,
    /// Lines that are hours or days late, in percent.
    pub late_percent: u64,
}

const AGENTS: [&str; 4] = ["Chrome", "Firefox", "Googlebot", "curl"];

/// The batches of a run.
pub fn generate(traffic: &Traffic, rng: &mut Rng) -> Vec<Arc<Batch>> {
    let mut batches: Vec<Arc<Batch>> = Vec::new();
    for number in 0..traffic.batches {
        let twin = (rng.percent(traffic.twin_percent) && number > 0)
            .then(|| rng.index(number))
            .filter(|earlier| batches[*earlier].keyed && batches[*earlier].twin.is_none());
        let customer = match twin {
            Some(earlier) => batches[earlier].customer.clone(),
            None => customer(rng.index(traffic.customers)),
        };
        let id = twin.map_or_else(
            || BatchId::new(&format!("key-{number}")).unwrap(),
            |earlier| batches[earlier].id.clone(),
        );
        let lines: Vec<Line> = (0..rng.between(1, traffic.lines))
            .map(|line| {
                let late = if rng.percent(traffic.late_percent) { rng.below(3) * 700 } else { 0 };
                Line {
                    minute: FIRST_MINUTE + rng.below(3) as u32 - late as u32,
                    // The first line tells batches apart.
                    path: if line == 0 { own_path(number) } else { format!("GET /{}", rng.below(3)) },
                    agent: rng.pick(&AGENTS),
                    measured: Measured::of_line(number, line),
                }
            })
            .collect();
        let mut body: Vec<u8> = (0..rng.below(traffic.body_bytes + 1)).map(|_| rng.next() as u8).collect();
        body.extend_from_slice(format!("{number}").as_bytes());
        batches.push(Arc::new(Batch {
            customer,
            id,
            keyed: twin.is_some() || !rng.percent(traffic.keyless_percent),
            summary: summarize(&lines),
            lines,
            fingerprint: xxh3_128(&body),
            body,
            twin,
        }));
    }
    batches
}

/// A batch with one line in each of so many minutes.
pub fn batch_of_minutes(number: usize, minutes: u32) -> Arc<Batch> {
    let measured = Measured::default();
    let line = |minute| {
        let path = if minute == FIRST_MINUTE { own_path(number) } else { "GET /".to_owned() };
        Line { minute, path, agent: AGENTS[0], measured }
    };
    let lines: Vec<Line> = (FIRST_MINUTE..FIRST_MINUTE + minutes).map(line).collect();
    let body = format!("{minutes} minutes").into_bytes();
    Arc::new(Batch {
        customer: customer(0),
        id: BatchId::new(&format!("minutes-{number}")).unwrap(),
        keyed: true,
        summary: summarize(&lines),
        lines,
        fingerprint: xxh3_128(&body),
        body,
        twin: None,
    })
}

/// The n-th customer; some have names that are no file names.
pub fn customer(number: usize) -> CustomerId {
    CustomerId::new(&if number.is_multiple_of(2) {
        format!("customer-{number}")
    } else {
        format!("../{number}")
    })
    .unwrap()
}

/// The path only this batch has.
pub fn own_path(number: usize) -> String {
    format!("POST /batch/{number}")
}

impl Batch {
    /// What the committer gets of it.
    pub fn submission(&self, hasher: &DedupHasher, budget: &Arc<Budget>, now_ms: u64) -> Submission {
        let parts = Parts {
            customer: &self.customer,
            batch_id: &self.id,
            server_made_id: !self.keyed,
            content: &Content::Json(Format::JsonArray),
            entries: self.summary.entries,
            fingerprint: self.fingerprint,
            body_bytes: self.body.len() as u32,
        };
        let draft = RecordDraft::new(
            parts,
            self.body.len(),
            |bytes| summary::encode(&self.summary, bytes),
            |bytes| {
                bytes.extend_from_slice(&self.body);
                BodyCoding::Plain
            },
        );
        Submission {
            customer: self.customer.clone(),
            entries: self.summary.entries,
            key: self.keyed.then(|| hasher.key(&self.customer, &self.id)),
            fingerprint: self.fingerprint,
            draft,
            received_at_ms: now_ms,
            insights: insights(&self.customer, &self.summary),
            charge: Charge::new(budget),
        }
    }
}

/// All windows of all customers.
pub type Windows = BTreeMap<(CustomerId, WindowId), Counted>;

/// Adds a batch to the windows so many times.
pub fn count_batch(windows: &mut Windows, batch: &Batch, times: u64) {
    if times == 0 {
        return;
    }
    for line in &batch.lines {
        for size in WindowSize::ALL {
            let id = WindowId { size, start: WindowStart(line.minute).floor(size) };
            windows.entry((batch.customer.clone(), id)).or_default().add(line, times);
        }
    }
}
