//! Which batches are accepted and why others are refused, item by item of the contract, by every parser: the reference, the
//! fast one on the whole body, and the fast one on pieces of it on several threads.

use std::collections::BTreeMap;

use log_analytics::batch::{Format, Limits, Overlong, Summarized, insights, reference, summarize};
use log_analytics::dimension::{PATH, USER_AGENT};
use log_analytics::model::{CustomerId, KeyCount, WindowSize};

/// 2025-12-28T18:03:00Z.
const NOW_MS: u64 = 1_766_944_980_000;

fn entry(time: &str, method: &str, path: &str, agent: &str) -> String {
    format!(r#"{{"receivedAt":"{time}","method":"{method}","path":"{path}","userAgent":"{agent}"}}"#)
}

fn good() -> String {
    entry("2025-12-28T18:03:07.250Z", "GET", "/", "curl/8.0")
}

/// The answer, after asserting that all parsers give the same.
#[track_caller]
fn run_with(body: &[u8], format: Format, limits: &Limits) -> Result<Summarized, String> {
    let want = reference(body, format, limits, NOW_MS);
    for parallel_from_bytes in [usize::MAX, 0] {
        let limits = Limits { parallel_from_bytes, ..limits.clone() };
        let got = summarize(body, format, &limits, NOW_MS);
        assert_eq!(got, want, "{}", String::from_utf8_lossy(body));
    }
    want.map_err(|error| error.to_string())
}

#[track_caller]
fn run(body: &str) -> Result<Summarized, String> {
    run_with(body.as_bytes(), Format::JsonArray, &Limits::default())
}

#[track_caller]
fn lines(body: &str) -> Result<Summarized, String> {
    run_with(body.as_bytes(), Format::Ndjson, &Limits::default())
}

/// The paths and their counts over all minutes.
fn paths(got: &Summarized) -> BTreeMap<&str, u32> {
    let mut paths = BTreeMap::new();
    for (_, counts) in &got.summary.minutes {
        for row in &counts.by[PATH].rows {
            *paths.entry(got.summary.keys.tables[PATH].get(row.index)).or_insert(0) += row.requests;
        }
    }
    paths
}

#[track_caller]
fn refused(item: &str, why: &str) {
    let body = format!("[{},{item},{}]", good(), good());
    assert_eq!(run(&body).expect_err("one item is bad"), format!("item at index 1: {why}"), "{item}");
}

#[test]
fn a_plain_batch_is_counted_by_minute_path_and_family() {
    let body = format!(
        "[{},{},{}]",
        good(),
        entry("2025-12-28T17:02:59Z", "post", " /b ", ""),
        entry("2025-12-28T19:03:59.999+01:00", "GET", "/", "x")
    );
    let got = run(&body).unwrap();
    assert_eq!((got.summary.entries, got.truncated), (3, 0));
    assert_eq!(paths(&got), BTreeMap::from([("GET /", 2), ("POST /b", 1)]));
    let starts: Vec<_> =
        got.summary.minutes.iter().map(|(start, counts)| (start.0, counts.requests())).collect();
    assert_eq!(starts, [(29_449_022, 1), (29_449_083, 2)]);
    for (_, counts) in &got.summary.minutes {
        assert_eq!(counts.by[USER_AGENT].requests(), counts.all.requests);
    }
}

#[test]
fn insights_cover_minutes_hours_and_days_and_share_counts() {
    let body = format!(
        "[{},{},{}]",
        good(),
        entry("2025-12-28T18:59:00Z", "GET", "/", "x"),
        entry("2025-12-27T00:00:00Z", "GET", "/old", "x")
    );
    let summary = run(&body).unwrap().summary;
    let customer = CustomerId::new("acme").unwrap();
    let all = insights(&customer, &summary);
    let seen: Vec<_> = all.iter().map(|i| (i.window.size, i.window.start.0, i.counts.requests())).collect();
    let (minute, hour, day) = (29_449_083, 29_449_080, 29_448_000);
    assert_eq!(
        seen,
        [
            (WindowSize::Minute, day - 1_440, 1),
            (WindowSize::Minute, minute, 1),
            (WindowSize::Minute, minute + 56, 1),
            (WindowSize::Hour, day - 1_440, 1),
            (WindowSize::Hour, hour, 2),
            (WindowSize::Day, day - 1_440, 1),
            (WindowSize::Day, day, 2),
        ]
    );
    assert!(std::sync::Arc::ptr_eq(&all[0].counts, &all[5].counts));
    assert!(std::sync::Arc::ptr_eq(&all[4].counts, &all[6].counts));
    assert_eq!(all[4].counts.by[PATH].rows, [KeyCount { index: 0, requests: 2, robots: 0 }]);
}

#[test]
fn any_order_space_escape_and_unknown_field_is_taken() {
    for item in [
        r#"{"userAgent":"a","path":"/p","method":"GET","receivedAt":"2025-12-28T18:03:07Z"}"#,
        "\r\n{\t\"userAgent\" :\n\"a\" , \"path\": \"/p\" ,\"method\":\"GET\",\"receivedAt\":\"2025-12-28T18:03:07Z\" } ",
        r#"{"userAgent":"\u0061","\u0070ath":"\/p","method":"\tGET\n","receivedAt":"2025-12-28T18:03:07\u005a"}"#,
        r#"{"x":null,"userAgent":"a","n":-1.5e+3,"big":1e999,"path":"/p","o":{"method":[1,{"path":"no"}]},"method":"GET","receivedAt":"2025-12-28T18:03:07Z","x":true,"":"😀 \ud83d\ude00"}"#,
    ] {
        assert_eq!(paths(&run(&format!("[{item}]")).unwrap()), BTreeMap::from([("GET /p", 1)]), "{item}");
    }
}

#[test]
fn every_bad_item_is_named() {
    let field = |name: &str, value: &str| {
        let texts = [
            ("receivedAt", "\"2025-12-28T18:03:07Z\""),
            ("method", "\"GET\""),
            ("path", "\"/\""),
            ("userAgent", "\"\""),
        ];
        let texts = texts.map(|(n, v)| format!("\"{n}\":{}", if n == name { value } else { v }));
        format!("{{{}}}", texts.join(","))
    };
    let without = |name: &str| good().replace(&format!("\"{name}\""), "\"other\"");
    for name in ["receivedAt", "method", "path", "userAgent"] {
        refused(&without(name), &format!("missing {name}"));
        for value in ["null", "1", "-1", "1.5", "true", "[\"GET\"]", "{\"a\":\"b\"}"] {
            refused(&field(name, value), &format!("{name} must be a string"));
        }
        let repeated = good().replace('}', &format!(",\"{name}\":\"x\"}}"));
        refused(&repeated, &format!("repeated {name}"));
    }
    for item in ["1", "null", "\"x\"", "[]", "[{}]", "true"] {
        refused(item, "not an object");
    }
    refused("{}", "missing receivedAt");
    refused(&field("receivedAt", "\"yesterday\""), "receivedAt is not an RFC 3339 date-time");
    refused(&field("receivedAt", "\"1969-12-31T23:59:59Z\""), "receivedAt is outside the years 1970 to 9999");
    refused(
        &field("receivedAt", "\"2025-12-29T18:03:00.001Z\""),
        "receivedAt is more than 24 h ahead of the clock",
    );
    refused(&field("method", "\" \""), "method must be 1 to 32 token characters");
    refused(&field("method", "\"G T\""), "method must be 1 to 32 token characters");
    refused(&field("path", "\" \""), "path is empty");
    refused(&field("path", &format!("\"/{}\"", "x".repeat(2_048))), "path is longer than 2048 bytes");
    refused(
        &field("userAgent", &format!("\"{}\"", "x".repeat(1_025))),
        "userAgent is longer than 1024 bytes",
    );
    assert!(run(&format!("[{}]", field("receivedAt", "\"2025-12-29T18:03:00.000Z\""))).is_ok());
    assert!(run(&format!("[{}]", field("path", &format!("\"  {}\"", "x".repeat(2_048))))).is_ok());
}

#[test]
fn half_a_surrogate_pair_is_refused_wherever_it_stands() {
    let lone = "invalid JSON: lone surrogate in a string";
    for bad in
        [r"\ud800", r"\udc00", r"\ud800\ud800", r"\udbff\n", r"\uD83Dx\uDE00", r"\ud83d\u0041", r"\\\ud800"]
    {
        refused(&format!(r#"{{"x":"{bad}"}}"#), lone);
        refused(&format!(r#"{{"x":[{{"{bad}":1}}]}}"#), lone);
        assert!(run(&format!("[{}]", good().replace("curl", bad))).is_err());
        assert!(run(&format!("[{}]", good().replace("path", bad))).is_err());
    }
    let fine = good().replace("{", r#"{"x":["\\ud800","\ud83d\ude00\uffff"],"#);
    assert!(run(&format!("[{fine}]")).is_ok());
}

#[test]
fn depth_is_bounded_in_ignored_values_too() {
    // The batch and the item are two levels.
    let nested = |levels: usize| {
        good().replace('{', &format!("{{\"x\":{}{},", "[".repeat(levels), "]".repeat(levels)))
    };
    assert!(run(&format!("[{}]", nested(125))).is_ok());
    refused(&nested(126), "nested 128 levels or deeper");
    refused(&nested(60_000), "nested 128 levels or deeper");
    assert!(lines(&nested(126)).is_ok());
    assert!(lines(&nested(127)).is_err());
}

#[test]
fn bodies_that_are_no_batch_are_named() {
    let (one, bytes) = (good(), good().len());
    for (body, why) in [
        (String::new(), String::from("body is not a JSON array")),
        (one.clone(), String::from("body is not a JSON array")),
        (String::from(" [ ] "), String::from("batch has no entries")),
        (String::from("[] x"), String::from("text after the array at byte 3")),
        (format!("[{one}] ,"), format!("text after the array at byte {}", bytes + 3)),
        (format!("[{one}"), format!("expected `,` or `]` at byte {}", bytes + 1)),
        (format!("[{one} {one}]"), format!("expected `,` or `]` at byte {}", bytes + 2)),
        (format!("[{one},"), String::from("item at index 1: invalid JSON: body ends here")),
        (
            format!("[{one}, ]"),
            String::from("item at index 1: invalid JSON: expected value at line 1 column 1 of the item"),
        ),
        (String::from("["), String::from("item at index 0: invalid JSON: body ends here")),
        (format!("\u{feff}[{one}]"), String::from("body begins with a byte order mark")),
    ] {
        assert_eq!(run(&body).unwrap_err(), why, "{body}");
    }
    let bad_utf8 = [b"[{}, \"", &b"\xFF"[..], b"\"]"].concat();
    let got = run_with(&bad_utf8, Format::JsonArray, &Limits::default());
    assert_eq!(got.unwrap_err(), "body is not UTF-8 at byte 6");
}

#[test]
fn lines_end_in_either_way_and_blank_ones_do_not_count() {
    let one = good();
    let got = lines(&format!("\n{one}\r\n \t \r\n\n {one} \n{one}")).unwrap();
    assert_eq!(got.summary.entries, 3);
    for (body, why) in [
        (String::new(), "batch has no entries"),
        (String::from(" \n\r\n"), "batch has no entries"),
        (format!("{one}\n\n{one} {one}\n"), "item at index 1: text after the object on the same line"),
        (format!("{one}\n[{one}]\n"), "item at index 1: not an object"),
        (format!("{one},\n{one}"), "item at index 0: text after the object on the same line"),
        (format!("\u{feff}{one}"), "body begins with a byte order mark"),
    ] {
        assert_eq!(lines(&body).unwrap_err(), why, "{body:?}");
    }
    let broken = one.replacen(',', ",\n", 1);
    assert!(lines(&broken).unwrap_err().starts_with("item at index 0: invalid JSON: EOF while parsing"));
}

#[test]
fn limits_are_named_with_their_number() {
    let limits = Limits { max_entries: 3, max_minutes: 2, ..Limits::default() };
    let minute = |minute: u32| entry(&format!("2025-12-28T18:{minute:02}:00Z"), "GET", "/", "");
    let run = |items: &[String]| {
        let lines = run_with(items.join("\n").as_bytes(), Format::Ndjson, &limits);
        let array = run_with(format!("[{}]", items.join(",")).as_bytes(), Format::JsonArray, &limits);
        assert_eq!(lines, array);
        array.map(|got| got.summary.entries)
    };
    assert_eq!(run(&[minute(1), minute(2), minute(1)]), Ok(3));
    assert_eq!(
        run(&[minute(1), minute(2), minute(3)]).unwrap_err(),
        "batch has more than 2 distinct minutes"
    );
    assert_eq!(
        run(&[minute(1), minute(2), minute(1), minute(1)]).unwrap_err(),
        "batch has more than 3 entries"
    );
    // The first mistake in the body is the one reported.
    assert_eq!(
        run(&[minute(1), minute(2), minute(3), minute(1)]).unwrap_err(),
        "batch has more than 2 distinct minutes"
    );
    assert_eq!(
        run(&[minute(1), String::from("{}"), minute(2), minute(3)]).unwrap_err(),
        "item at index 1: missing receivedAt"
    );
    assert_eq!(
        run(&[minute(1), minute(1), minute(1), String::from("oops")]).unwrap_err(),
        "batch has more than 3 entries"
    );
}

#[test]
fn overlong_texts_can_be_cut_and_are_counted() {
    let limits =
        Limits { max_path_bytes: 4, max_agent_bytes: 3, overlong: Overlong::Truncate, ..Limits::default() };
    let body = [
        entry("2025-12-28T18:03:07Z", "GET", " /aéb", "abcd"),
        entry("2025-12-28T18:03:07Z", "GET", "/aé", "abc"),
    ];
    let got = run_with(body.join("\n").as_bytes(), Format::Ndjson, &limits).unwrap();
    assert_eq!((paths(&got), got.truncated), (BTreeMap::from([("GET /aé", 2)]), 2));
    let body = entry("2025-12-28T18:03:07Z", "G".repeat(33).as_str(), "/", "");
    assert!(run_with(body.as_bytes(), Format::Ndjson, &limits).is_err());
}

#[test]
fn formats_follow_the_content_type() {
    for (content_type, format) in [
        ("application/json", Some(Format::JsonArray)),
        ("application/problem+JSON; charset=utf-8", Some(Format::JsonArray)),
        ("application/x-ndjson", Some(Format::Ndjson)),
        ("application/jsonl", Some(Format::Ndjson)),
        ("application/json-seq", None),
        ("text/plain", None),
    ] {
        assert_eq!(Format::from_content_type(content_type), format, "{content_type}");
    }
}
