//! Path rules in a batch: the fast parser, the reference, a body in pieces and entries one by one count alike; an entry's
//! route wins; what is counted is what a plain rewriting of the paths before would count; and a condition on `key` chooses by
//! what is counted.

use std::sync::Arc;

use log_analytics::batch::path_rules::{PathRules, counted_path};
use log_analytics::batch::{
    Content, Counter, Filter, Finder, Format, Limits, Summarized, reference, summarize,
};
use log_analytics::dimension::PATH;
use log_analytics::model::WindowStart;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::properties::cases;

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
    let keys: Vec<&str> = summary.keys.tables[PATH].iter().collect();
    assert_eq!(keys, ["POST /users/8"]);
}

/// The key that a body of one entry counts under.
fn key(body: &str, content: &Content, limits: &Limits) -> String {
    let summary = match content {
        Content::Json(format) => reference(body.as_bytes(), *format, limits, NOW_MS).unwrap().summary,
        Content::Lines(_) => content.summarize(body.as_bytes(), limits, NOW_MS).unwrap().summary,
    };
    summary.keys.tables[PATH].iter().next().unwrap().to_owned()
}

/// Whether a key meets a condition.
type IsMet = Box<dyn Fn(&str) -> bool>;

/// The conditions that single out what counts under a key, and whether another key meets each.
fn conditions(key: &str) -> [(String, IsMet); 4] {
    let (method, path) = key.split_once(' ').unwrap();
    let written = |text: &str| text.replace('\\', r"\\").replace(',', r"\,");
    let begin = written(&key[..key.floor_char_boundary(key.len() - 1)]).trim_end().to_owned();
    let begins = begin.replace(r"\\", r"\").replace(r"\,", ",");
    let (equal, other, lower) = (key.to_owned(), key.to_owned(), key.to_owned());
    [
        (format!("key={}", written(key)), Box::new(move |found| found == equal)),
        (format!("key!={}", written(key)), Box::new(move |found| found != other)),
        (format!("key^={begin}"), Box::new(move |found| found.starts_with(&begins))),
        (format!("key={} {}", method.to_lowercase(), written(path)), Box::new(move |found| found == lower)),
    ]
}

/// Whether each condition on a key chooses just the items that count under it, by their places and by what they sum to.
fn check_keys(items: &[String], content: &Content, limits: &Limits) -> Result<(), TestCaseError> {
    let (open, close, between) = match content {
        Content::Json(Format::JsonArray) => ("[", "]", ","),
        _ => ("", "", "\n"),
    };
    let alone = |item: &String| format!("{open}{item}{close}");
    let whole = format!("{open}{}{close}", items.join(between));
    let keys: Vec<String> = items.iter().map(|item| key(&alone(item), content, limits)).collect();
    for (condition, is_met) in conditions(&keys[0]) {
        let filter = Filter::parse(&condition).unwrap();
        let mut finder = Finder::new(Some(&filter), limits);
        let (all, mut found) = (WindowStart(0)..WindowStart(u32::MAX), Vec::new());
        finder.find(whole.as_bytes(), content, &all, &mut |place, _| found.push(place as usize));
        let met: Vec<usize> = (0..items.len()).filter(|place| is_met(&keys[*place])).collect();
        prop_assert_eq!(&found, &met, "{} of {:?}", condition, keys);
        let counter = || Counter::new(limits, NOW_MS, 1 << 12);
        let (mut chosen, mut expected) = (counter(), counter());
        chosen.add_found(whole.as_bytes(), content, &all, &mut finder);
        let mut every = Finder::new(None, limits);
        for place in met {
            expected.add_found(alone(&items[place]).as_bytes(), content, &all, &mut every);
        }
        prop_assert_eq!(chosen.take().summary, expected.take().summary, "{}", condition);
    }
    Ok(())
}

/// Targets of requests, some with queries, commas and backslashes.
fn targets() -> impl Strategy<Value = String> {
    let path = prop_oneof![
        "/(users|orders|files)/(me|7|8|a,b|é|x)",
        "(/(users|7|a|shop)){1,6}/?",
        Just("*".to_owned()),
        Just(r"/a\".to_owned()),
    ];
    (path, prop_oneof![Just(""), Just("?"), Just("?q=/5")]).prop_map(|(path, query)| path + query)
}

fn path_rules() -> impl Strategy<Value = Option<Arc<PathRules>>> {
    let some = prop::sample::subsequence(RULES.to_vec(), 0..=RULES.len());
    prop::option::of(some.prop_map(|some| Arc::new(PathRules::new(some).unwrap())))
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn a_condition_on_a_key_chooses_what_counts_under_it(
        entries in prop::collection::vec(
            (targets(), "GET|get|post| PUT ", prop::option::of(prop_oneof![targets(), Just("-".to_owned())]), any::<bool>()),
            1..30,
        ),
        path_rules in path_rules(),
        keep_query in any::<bool>(),
    ) {
        let limits = Limits { path_rules, keep_query, ..Limits::default() };
        let json: Vec<String> = entries.iter().map(|(path, method, route, comes_first)| {
            let route = route.as_ref().map_or(String::new(), |route| format!(r#","route":{}"#, json!(route)));
            let (before, behind) = if *comes_first { (route.as_str(), "") } else { ("", route.as_str()) };
            format!(r#"{{"receivedAt":"2025-12-28T18:00:00Z"{before},"method":"{method}","path":{}{behind},"userAgent":"curl/8"}}"#, json!(path))
        }).collect();
        for format in [Format::Ndjson, Format::JsonArray] {
            check_keys(&json, &Content::Json(format), &limits)?;
        }
        let lines: Vec<String> = entries.iter().map(|(path, method, ..)| format!(
            r#"192.0.2.7 - - [28/Dec/2025:18:00:00 +0000] "{} {path} HTTP/1.1" 200 7 "-" "curl/8""#,
            method.trim().to_uppercase(),
        )).collect();
        for query in ["", "keep-query=true"] {
            check_keys(&lines, &Content::named("log-lines", Some(query)).unwrap(), &limits)?;
        }
    }
}
