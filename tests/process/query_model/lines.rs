//! `where` and `/entries` against the plain model: windows of chosen entries alone, and those entries as lines.

use log_analytics::batch::agent;
use log_analytics::dimension::{TEXT_COUNT, text_field};
use serde_json::{Value, json};

use super::plain::{AGENTS, Entry, STATUSES, path, text};
use super::{BASE_MS, Query};
use crate::support::client::{Answer, Client};

/// Conditions, and the entries that meet them.
type Choice = (&'static str, fn(&Entry) -> bool);

const CHOICES: [Choice; 12] = [
    ("status>=400", |entry| STATUSES[entry.status] >= 400),
    ("status=", |entry| entry.status == 0),
    ("path^=/p,class!=tool", |entry| entry.path > 2 && class(entry) != "tool"),
    ("family=GPTBot", |entry| AGENTS[entry.agent].contains("GPTBot")),
    ("durationSeconds>0.001,durationSeconds<=50", |entry| {
        entry.micros.is_some_and(|micros| (1_001..=50_000_000).contains(&micros))
    }),
    ("responseBytes!=", |entry| entry.bytes.is_some()),
    ("clientIp=192.0.2.3", |entry| entry.client == Some(3)),
    ("path=/a\"b\\\\,method=GET", |entry| entry.path == 1),
    ("receivedAt>=2025-10-25T20:05:00Z,status!=200", |entry| {
        entry.minute >= 5 && STATUSES[entry.status] != 200
    }),
    ("method=POST", |_| false),
    ("key=GET /p5", |entry| entry.path == 5),
    ("key^=get /p,key!=GET /p4,status!=404", |entry| {
        entry.path > 2 && entry.path != 4 && STATUSES[entry.status] != 404
    }),
];

fn class(entry: &Entry) -> &'static str {
    agent::family(AGENTS[entry.agent]).class().as_str()
}

/// The condition that a query is asked with besides.
pub(super) fn choice(query: &Query) -> Choice {
    CHOICES[(query.limit + query.step + query.zone) % CHOICES.len()]
}

/// A condition in a query part.
pub(super) fn encoded(condition: &str) -> String {
    let mut encoded = String::new();
    for byte in condition.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b',' | b'/' | b'.' | b':' | b'!' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// The line of an entry.
fn line(entry: &Entry) -> Value {
    let mut line = entry.body(BASE_MS);
    if let Some(micros) = entry.micros {
        line["durationSeconds"] = json!(micros as f64 / 1e6);
    }
    line["path"] = json!(path(entry.path));
    for (field, value) in entry.texts.iter().enumerate() {
        if let Some(second) = value {
            let field_text = text_field(field);
            let sent = text(field, *second);
            let key = (field_text.key)(&sent).unwrap().into_owned();
            line[field_text.name] = json!(if field_text.is_url { sent } else { key });
        }
    }
    assert!(entry.texts.len() == TEXT_COUNT);
    line
}

/// Follows the pages of the lines that a query chooses, and compares them with all entries.
pub(super) fn check(client: &mut Client, customer: &str, entries: &[Entry], query: &Query) {
    let (condition, is_met) = choice(query);
    let at = |entry: &Entry| BASE_MS + entry.minute * 60_000 + entry.second * 1_000;
    let is_inside = |entry: &&Entry| (query.from_ms..query.to_ms).contains(&at(entry)) && is_met(entry);
    let mut expected: Vec<(u64, String)> =
        entries.iter().filter(is_inside).map(|entry| (at(entry), line(entry).to_string())).collect();
    let mut found: Vec<(u64, String)> = Vec::new();
    let mut target =
        format!("/entries?{}&where={}&limit={}", query.range(), encoded(condition), query.limit * 7);
    loop {
        let answer: Answer = client.get(&target, &[("x-customer-id", customer)]).unwrap();
        assert_eq!(answer.status, 200, "{target}: {}", answer.text());
        let covered = answer.header("x-bodies").unwrap();
        assert!(covered.starts_with(&log_analytics::time::format_rfc3339(query.from_ms)[..19]), "{covered}");
        let text = answer.text();
        for line in text.lines() {
            let mut line: Value = serde_json::from_str(line).unwrap();
            if let Some(seconds) = line.get("durationSeconds").and_then(Value::as_f64) {
                // Whole seconds have no point.
                line["durationSeconds"] = json!(seconds);
            }
            let at = log_analytics::time::parse_rfc3339(line["receivedAt"].as_str().unwrap()).unwrap();
            found.push((at, line.to_string()));
        }
        let Some(link) = answer.header("link") else { break };
        assert_eq!(text.lines().count(), query.limit * 7, "only a full page has a next one");
        target = link.strip_prefix('<').unwrap().strip_suffix(">; rel=\"next\"").unwrap().to_owned();
    }
    assert!(found.is_sorted_by(|a, b| a.0 >= b.0), "{target}: not newest first");
    found.sort();
    expected.sort();
    assert_eq!(found, expected, "{target}");
}
