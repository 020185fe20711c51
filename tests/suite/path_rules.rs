//! Path rules in a batch: the fast parser, the reference, a body in pieces and entries one by one count alike; an entry's
//! route wins; what is counted is what a plain rewriting of the paths before would count.

use std::sync::Arc;

use log_analytics::batch::path_rules::{PathRules, counted_path};
use log_analytics::batch::{Format, Limits, Summarized, reference, summarize};
use serde_json::{Value, json};

/// 2025-12-28T18:03:00Z.
const NOW_MS: u64 = 1_766_944_980_000;

const RULES: [&str; 5] = [
    "GET /users/me",
    "* /users/{id}",
    "GET /files/{*rest}",
    "ids",
    "* /{shop}/very/long/path/that/is/not/short/{id}",
];

fn rules() -> Arc<PathRules> {
    Arc::new(PathRules::new(RULES).unwrap())
}

/// An entry of many kinds: short and long paths, escapes, methods of any case, routes before and behind the path.
fn entry(number: usize) -> Value {
    let paths = [
        "/users/me",
        "/users/7",
        "/files/a/b",
        "/orders/12",
        "/a/very/long/path/that/is/not/short/x",
        "/é/1",
        "*",
    ];
    let path =
        format!("{}{}", paths[number % paths.len()], if number.is_multiple_of(11) { "?q=/5" } else { "" });
    let method = ["GET", "post", "PUT"][number % 3];
    let mut entry = json!({"receivedAt": format!("2025-12-28T18:0{}:00Z", number % 5), "method": method, "path": path,
                           "userAgent": format!("curl/{}", number % 9)});
    match number % 13 {
        0 => entry["route"] = json!("/users/8"),
        1 => entry["aroute"] = json!("/unknown/field"),
        2 => entry["route"] = json!("-"),
        _ => {}
    }
    entry
}

fn counted(entries: &[Value], rules: Option<Arc<PathRules>>) -> Summarized {
    let lines: Vec<String> = entries.iter().map(Value::to_string).collect();
    let (body, limits) = (lines.join("\n"), Limits { path_rules: rules, ..Limits::default() });
    let want = reference(body.as_bytes(), Format::Ndjson, &limits, NOW_MS).unwrap();
    for parallel_from_bytes in [0, usize::MAX] {
        let limits = Limits { parallel_from_bytes, ..limits.clone() };
        assert_eq!(summarize(body.as_bytes(), Format::Ndjson, &limits, NOW_MS).unwrap(), want);
    }
    want
}

#[test]
fn rules_count_what_rewritten_paths_would_count() {
    for entries in [1, 40, 5_000] {
        let sent: Vec<Value> = (0..entries).map(entry).collect();
        let mut rewritten = sent.clone();
        for entry in &mut rewritten {
            let has_route = entry["route"].as_str().is_some_and(|route| route != "-");
            let (method, path) = (entry["method"].as_str().unwrap(), entry["path"].as_str().unwrap());
            if !has_route {
                entry["path"] = json!(counted_path(&rules(), method, path).unwrap());
            }
        }
        let by_rules = counted(&sent, Some(rules()));
        assert_eq!(by_rules.summary, counted(&rewritten, None).summary, "{entries} entries");
        if entries > 100 {
            assert_ne!(by_rules.summary, counted(&sent, None).summary);
        }
    }
}

#[test]
fn a_route_is_counted_as_it_is() {
    let mut entry = entry(1);
    entry["path"] = json!("/users/7");
    entry["route"] = json!("/users/8");
    let summary = counted(&[entry], Some(rules())).summary;
    let keys: Vec<&str> = summary.keys.tables[log_analytics::dimension::PATH].iter().collect();
    assert_eq!(keys, ["POST /users/8"]);
}
