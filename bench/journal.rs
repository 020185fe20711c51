//! The cost of durability: a group of batches through the committer beside its floor in the same run, which is one
//! write and one `fdatasync` of as many bytes at the end of a file.
//!
//! `cargo bench --bench journal`

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a benchmark")]

#[allow(dead_code, reason = "each program uses its own part of it")]
mod common;

use std::fs::{self, File};
use std::io::Write;
use std::sync::Arc;

use common::Shape;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use log_analytics::base::disk::RealDisk;
use log_analytics::base::inflight::{Budget, Charge};
use log_analytics::base::latch::Latch;
use log_analytics::base::secret::Secret;
use log_analytics::batch::{Content, Format};
use log_analytics::data_dir::DataDir;
use log_analytics::journal::committer::{
    ActiveSegment, CommitLimits, Committer, CommitterState, Pressure, Submission,
};
use log_analytics::journal::dedup::{DedupHasher, DedupIndex};
use log_analytics::journal::format::{BodyCoding, Parts, RecordDraft};
use log_analytics::metrics::Metrics;
use log_analytics::model::{BatchId, CustomerId, Seq};
use log_analytics::outcome::Outcome;

const SEGMENT_BYTES: u64 = 64 << 20;

fn committer(dir: DataDir) -> Committer {
    let disk = RealDisk::shared();
    dir.prepare(&*disk).unwrap();
    let file = disk.create(&dir.segment(Seq(1))).unwrap();
    let limits =
        CommitLimits { segment_bytes: SEGMENT_BYTES, min_free_bytes: 0, max_uncheckpointed_bytes: u64::MAX };
    let state = CommitterState {
        segment: ActiveSegment { first: Seq(1), file, bytes: 0 },
        durable: Seq(0),
        received_at_ms: 0,
        uncheckpointed_bytes: 0,
        dedup: DedupIndex::new(1 << 20),
    };
    Committer::new(disk, Arc::new(dir), limits, Latch::new(), Metrics::new().journal, state)
}

/// A batch with a key of its own.
fn submission(number: u64, body: &[u8], budget: &Arc<Budget>) -> Submission {
    let (customer, batch_id) =
        (CustomerId::new("bench").unwrap(), BatchId::new(&format!("batch-{number}")).unwrap());
    let parts = Parts {
        customer: &customer,
        batch_id: &batch_id,
        server_made_id: false,
        content: &Content::Json(Format::Ndjson),
        entries: 1,
        fingerprint: u128::from(number),
        body_bytes: body.len() as u32,
    };
    let draft = RecordDraft::new(
        parts,
        body.len() + 512,
        |_| {},
        |bytes| {
            bytes.extend_from_slice(body);
            BodyCoding::Plain
        },
    );
    Submission {
        customer: customer.clone(),
        entries: 1,
        key: Some(DedupHasher::new(&Secret::from_file(&[7; 16]).unwrap()).key(&customer, &batch_id)),
        fingerprint: u128::from(number),
        draft,
        received_at_ms: 1,
        insights: Vec::new(),
        charge: Charge::new(budget),
    }
}

fn commit(c: &mut Criterion) {
    let budget = Budget::new(1 << 30);
    for (batches, entries) in [(1, 20), (10, 20), (64, 20), (16, 1_000)] {
        let body = Shape { minutes: 1, ..Shape::standard(entries) }.ndjson();
        let dir = tempfile::tempdir().unwrap();
        let mut group = c.benchmark_group(format!("a group of {batches} batches of {entries}"));
        group.throughput(Throughput::Elements(batches));
        group.sample_size(30);
        let (flat, path) = (body.repeat(batches as usize), dir.path().join("floor"));
        let (mut file, mut written) = (File::create(&path).unwrap(), 0);
        group.bench_function("floor: write and sync", |b| {
            b.iter(|| {
                // As long as segments get.
                if written > SEGMENT_BYTES {
                    (file, written) = (File::create(&path).unwrap(), 0);
                }
                file.write_all(&flat).unwrap();
                file.sync_data().unwrap();
                written += flat.len() as u64;
            });
        });
        drop(file);
        fs::remove_file(&path).unwrap();
        let mut committer = committer(DataDir::new(dir.path()));
        let mut number = 0;
        group.bench_function("commit", |b| {
            b.iter_batched_ref(
                || -> Vec<Submission> {
                    (0..batches)
                        .map(|_| {
                            number += 1;
                            submission(number, &body, &budget)
                        })
                        .collect()
                },
                |group| {
                    let fates = committer.commit(group, Pressure::default());
                    assert!(fates.iter().all(|fate| *fate == Outcome::Counted));
                },
                BatchSize::PerIteration,
            );
        });
        group.finish();
    }
}

criterion_group!(benches, commit);
criterion_main!(benches);
