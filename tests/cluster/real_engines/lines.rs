//! What is answered from bodies: `/entries`, and whatever has a `where`. Asked of a few hundred batches, not of all: each question
//! reads every body of its range, and the object store of this harness gives about 160 a second.

use std::net::SocketAddr;

use log_analytics::time;
use serde_json::{Value, json};

use super::Both;
use crate::support::client::Client;
use crate::support::engines::wait_for;
use crate::support::questions::{LINE_QUESTIONS, TOP_WHERE_QUESTIONS, WHERE_QUESTIONS};

/// The questions of a range, as targets.
fn targets(from_ms: u64, to_ms: u64) -> Vec<String> {
    let range = format!("from={}&to={}", time::format_rfc3339(from_ms), time::format_rfc3339(to_ms));
    let questions: [(&str, &'static [&'static str]); 3] = [
        ("/aggregates", &WHERE_QUESTIONS),
        ("/aggregates/top", &TOP_WHERE_QUESTIONS),
        ("/entries", &LINE_QUESTIONS),
    ];
    let of = |(path, questions): (&str, &'static [&'static str])| {
        let path = path.to_owned();
        let range = range.clone();
        questions.iter().map(move |question| format!("{path}?{range}&{question}")).collect::<Vec<_>>()
    };
    questions.into_iter().flat_map(of).collect()
}

fn answer(addr: SocketAddr, customer: &str, target: &str) -> Option<Value> {
    let answer = Client::new(addr).get(target, &[("x-customer-id", customer)]).ok()?;
    if answer.status != 200 {
        eprintln!("{target}: {}", answer.text());
        return None;
    }
    if !target.starts_with("/entries") {
        return Some(answer.json());
    }
    // Lines of one millisecond from several batches stand in the order of records, of which a cluster has none.
    let text = answer.text();
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    Some(json!({"lines": lines, "bodies": answer.header("x-bodies")}))
}

/// Waits until the cluster answers as the single machine does.
pub(crate) fn assert_same(stage: &str, both: &Both, customers: &[&str], from_ms: u64, to_ms: u64) {
    for customer in customers {
        for target in targets(from_ms, to_ms) {
            let expected = answer(both.single.addr, customer, &target).expect("the one machine answers");
            let what = format!("{stage}: {customer}, {target}: {expected}");
            wait_for(&what, || {
                answer(*both.query_addr.read().unwrap(), customer, &target).as_ref() == Some(&expected)
            });
        }
    }
    eprintln!("{stage}: the same lines");
}
