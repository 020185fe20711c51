//! Which batches are accepted and why others are refused, item by item of the contract, by every parser: the reference, the
//! fast one on the whole body, and the fast one on pieces of it on several threads.

use std::collections::BTreeMap;

use log_analytics::batch::{
    Format, Limits, MAX_AGENT_BYTES, MAX_MINUTES, MAX_PATH_BYTES, Summarized, insights, reference, summarize,
};
use log_analytics::dimension::{PATH, USER_AGENT};
use log_analytics::measures::CellKind;
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

/// The altered fields, and in how many entries each was.
fn altered(got: &Summarized) -> Vec<(&str, u32)> {
    got.altered.counts().map(|(field, entries)| (field.name(), entries)).collect()
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
    assert_eq!((got.summary.entries, altered(&got)), (3, vec![]));
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
        let kinds = if name == "receivedAt" { "a string or a number" } else { "a string" };
        for value in ["null", "true", "[\"GET\"]", "{\"a\":\"b\"}"] {
            refused(&field(name, value), &format!("{name} must be {kinds}"));
        }
        for value in ["1", "-1", "1.5"] {
            if name != "receivedAt" {
                refused(&field(name, value), &format!("{name} must be {kinds}"));
            }
        }
        let repeated = good().replace('}', &format!(",\"{name}\":\"x\"}}"));
        refused(&repeated, &format!("repeated {name}"));
    }
    for name in ["route", "status", "responseBytes", "durationSeconds", "clientIp", "host"] {
        let repeated = good().replace('}', &format!(",\"{name}\":null,\"{name}\":1}}"));
        refused(&repeated, &format!("repeated {name}"));
    }
    for item in ["1", "null", "\"x\"", "[]", "[{}]", "true"] {
        refused(item, "not an object");
    }
    refused("{}", "missing receivedAt");
    refused(&field("receivedAt", "\"yesterday\""), "receivedAt is not an RFC 3339 date-time");
    refused(&field("receivedAt", "\"1766944987\""), "receivedAt is not an RFC 3339 date-time");
    refused(&field("receivedAt", "\"1969-12-31T23:59:59Z\""), "receivedAt is outside the years 1970 to 9999");
    refused(&field("receivedAt", "-1"), "receivedAt is outside the years 1970 to 9999");
    let ahead = "receivedAt is more than 24 h ahead of the server's clock (now 2025-12-28T18:03:00Z)";
    refused(&field("receivedAt", "\"2025-12-29T18:03:00.001Z\""), ahead);
    refused(&field("receivedAt", "1767031380001"), ahead);
    refused(&field("method", "\" \""), "method must be 1 to 32 token characters");
    refused(&field("method", "\"G T\""), "method must be 1 to 32 token characters");
    refused(&field("path", "\" \""), "path is empty");
    refused("{\"a\":01}", "not a JSON entry: invalid number at byte 7");
    assert!(run(&format!("[{}]", field("receivedAt", "\"2025-12-29T18:03:00.000Z\""))).is_ok());
    assert!(run(&format!("[{}]", field("receivedAt", "1767031380"))).is_ok());
}

/// A batch of one entry like [`good`], with these fields before its end.
#[track_caller]
fn with(fields: &str) -> Summarized {
    let item = good().replace('}', &format!(",{fields}}}"));
    lines(&item).unwrap()
}

#[test]
fn optional_fields_are_counted() {
    let got = with(
        &[
            r#""status":404,"responseBytes":"512","durationSeconds":0.0000015,"route":" /{id}?x ""#,
            r#""host":"Shop.example:443","referrer":"https://News.example/a?b","clientIp":"[2001:db8::1]:443""#,
        ]
        .join(","),
    );
    assert_eq!(altered(&got), []);
    assert_eq!(paths(&got), BTreeMap::from([("GET /{id}", 1)]));
    let (_, counts) = &got.summary.minutes[0];
    let measures = &counts.all.measures;
    assert_eq!((measures.response_bytes, measures.duration_micros), (512, 2));
    let cells: Vec<_> = measures.cells().map(|(cell, count)| (cell.kind(), count)).collect();
    assert_eq!(cells[0], (CellKind::Status(404), 1));
    assert!(matches!(cells[1], (CellKind::Bucket(_), 1)) && cells.len() == 2);
    assert_eq!(counts.visitors.estimate(), 1);
    let keys: Vec<Vec<&str>> = got.summary.keys.tables.iter().map(|table| table.iter().collect()).collect();
    assert!(keys.contains(&vec!["shop.example"]) && keys.contains(&vec!["news.example"]));
}

#[test]
fn robots_are_counted_once_more_and_are_no_visitors() {
    let item = |agent: &str, client: &str| {
        let entry = entry("2025-12-28T18:03:07Z", "GET", "/", agent);
        entry.replace('}', &format!(r#","status":200,"responseBytes":7,"clientIp":"{client}"}}"#))
    };
    let body = [item("curl/8", "192.0.2.1"), item("curl/8", "192.0.2.2"), item("Googlebot/2.1", "192.0.2.3")];
    let got = lines(&body.join("\n")).unwrap();
    let (_, counts) = &got.summary.minutes[0];
    assert_eq!((counts.all.requests, counts.robots.requests, counts.visitors.estimate()), (3, 1, 2));
    assert_eq!((counts.all.measures.response_bytes, counts.robots.measures.response_bytes), (21, 7));
    assert_eq!(counts.by[PATH].rows, [KeyCount { index: 0, requests: 3, robots: 1 }]);
}

#[test]
fn what_cannot_be_read_of_an_optional_field_is_absent_and_said() {
    for (fields, field) in [
        (r#""status":"OK""#, "status"),
        (r#""status":1000"#, "status"),
        (r#""status":[200]"#, "status"),
        (r#""responseBytes":-1"#, "responseBytes"),
        (r#""responseBytes":1099511627777"#, "responseBytes"),
        (r#""durationSeconds":1000000.5"#, "durationSeconds"),
        (r#""durationSeconds":"1s""#, "durationSeconds"),
        (r#""route":7"#, "route"),
        (r#""host":"a b""#, "host"),
        (r#""clientIp":"192.0.2.1, 192.0.2.2""#, "clientIp"),
    ] {
        let got = with(fields);
        assert_eq!(altered(&got), [(field, 1)], "{fields}");
        assert_eq!(got.summary, lines(&good()).unwrap().summary, "{fields}");
    }
    for fields in
        [r#""status":null,"host":"","clientIp":"-","route":" - ","durationSeconds":"-""#, r#""status":"""#]
    {
        let got = with(fields);
        assert_eq!(got, lines(&good()).unwrap(), "{fields}");
    }
}

#[test]
fn texts_too_long_are_cut_at_a_character_and_said() {
    let long = format!("/{}", "x".repeat(MAX_PATH_BYTES - 2));
    let agent = "a".repeat(MAX_AGENT_BYTES);
    let body = [
        entry("2025-12-28T18:03:07Z", "GET", &format!(" {long}é?q"), &agent),
        entry("2025-12-28T18:03:07Z", "GET", &long, &format!("{agent}b")),
        entry("2025-12-28T18:03:07Z", "GET", &format!("{long}?{long}"), ""),
    ];
    let got = lines(&body.join("\n")).unwrap();
    assert_eq!(paths(&got), BTreeMap::from([(&*format!("GET {long}"), 3)]));
    assert_eq!(altered(&got), [("path", 1), ("userAgent", 1)]);
    let body = entry("2025-12-28T18:03:07Z", &"G".repeat(33), "/", "");
    assert!(lines(&body).is_err());
}

#[test]
fn query_strings_are_cut_unless_they_are_kept() {
    let body = [
        entry("2025-12-28T18:03:07Z", "GET", "/a?token=1", ""),
        entry("2025-12-28T18:03:07Z", "GET", "/a ?token=2", ""),
        entry("2025-12-28T18:03:07Z", "GET", "?x", ""),
    ];
    let run = |keep_query| {
        let limits = Limits { keep_query, ..Limits::default() };
        run_with(body.join("\n").as_bytes(), Format::Ndjson, &limits).unwrap()
    };
    assert_eq!(paths(&run(false)), BTreeMap::from([("GET /a", 2), ("GET /", 1)]));
    assert_eq!(
        paths(&run(true)),
        BTreeMap::from([("GET /a?token=1", 1), ("GET /a ?token=2", 1), ("GET ?x", 1)])
    );
    assert!(run(false).altered.is_empty());
}

#[test]
fn times_may_be_unix_times() {
    for time in
        ["1766944987.25", "1766944987250", "1766944987250000", "1766944987250000000", "1.76694498725e9"]
    {
        let item = good().replace("\"2025-12-28T18:03:07.250Z\"", time);
        assert_eq!(lines(&item).unwrap(), lines(&good()).unwrap(), "{time}");
    }
}

#[test]
fn half_a_surrogate_pair_is_replaced_wherever_it_stands() {
    for (odd, read) in [
        (r"\ud800", "\u{fffd}"),
        (r"\udc00", "\u{fffd}"),
        (r"\ud800\ud800", "\u{fffd}\u{fffd}"),
        (r"\uD83Dx\uDE00", "\u{fffd}x\u{fffd}"),
        (r"\ud83d\u0041", "\u{fffd}A"),
    ] {
        for ignored in [format!(r#"{{"x":"{odd}","#), format!(r#"{{"x":[{{"{odd}":1}}],"#)] {
            let got = run(&format!("[{}]", good().replace('{', &ignored))).unwrap();
            assert_eq!((altered(&got), paths(&got)), (vec![], BTreeMap::from([("GET /", 1)])), "{odd}");
        }
        let got = run(&format!("[{}]", good().replace("\"/\"", &format!("\"/{odd}\"")))).unwrap();
        assert_eq!(paths(&got), BTreeMap::from([(&*format!("GET /{read}"), 1)]));
        assert_eq!(altered(&got), [("path", 1)]);
        assert_eq!(
            run(&format!("[{}]", good().replace("path", odd))).unwrap_err(),
            "item at index 0: missing path"
        );
    }
    let fine = good().replace('{', r#"{"x":["\\ud800","\ud83d\ude00\uffff"],"#);
    assert!(run(&format!("[{fine}]")).unwrap().altered.is_empty());
}

#[test]
fn bytes_that_are_no_text_cost_nobody_the_batch() {
    let odd = |from: &str, to: &[u8]| {
        let item = good().into_bytes();
        let place = memchr::memmem::find(&item, from.as_bytes()).unwrap();
        let item = [&item[..place], to, &item[place + from.len()..]].concat();
        run_with(&[&item, good().as_bytes()].join(&b'\n'), Format::Ndjson, &Limits::default())
    };
    let got = odd("\"/\"", b"\"/caf\xE9/\xE2\x82\"").unwrap();
    assert_eq!(paths(&got), BTreeMap::from([("GET /caf\u{fffd}/\u{fffd}", 1), ("GET /", 1)]));
    assert_eq!(altered(&got), [("path", 1)]);
    assert_eq!(altered(&odd("curl", b"c\xFFrl").unwrap()), [("userAgent", 1)]);
    assert!(odd("{", b"{\"\xFF\":\"\xFF\",").unwrap().altered.is_empty(), "unknown fields are ignored");
    assert_eq!(odd("GET", b"G\xFFT").unwrap_err(), "line 1: method must be 1 to 32 token characters");
    assert!(odd("{", b"{\xFF").unwrap_err().starts_with("line 1: not a JSON entry"));
    // An escape is told from what only begins like one.
    assert!(odd("curl", b"c\\\xFFrl").unwrap_err().starts_with("line 1: not a JSON entry: invalid escape"));
}

#[test]
fn nesting_in_ignored_values_has_no_limit() {
    for levels in [125, 200, 60_000] {
        let nested = good().replace('{', &format!("{{\"x\":{}{},", "[".repeat(levels), "]".repeat(levels)));
        assert!(run(&format!("[{nested}]")).is_ok() && lines(&nested).is_ok());
        let open = nested.replacen("]]", "]", 1);
        assert!(run(&format!("[{open}]")).is_err() && lines(&open).is_err());
    }
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
        (format!("[{one},"), String::from("item at index 1: not a JSON entry: the body ends here")),
        (format!("[{one}, ]"), String::from("item at index 1: not a JSON entry: expected value at byte 1")),
        (String::from("["), String::from("item at index 0: not a JSON entry: the body ends here")),
        (format!("\u{feff}[{one}]"), String::from("body begins with a byte order mark")),
    ] {
        assert_eq!(run(&body).unwrap_err(), why, "{body}");
    }
    // Offsets are those of the body, not of the text that odd bytes were replaced in.
    let odd =
        [b"[", one.as_bytes().split_at(1).0, b"\"x\":\"\xFF\",", one.as_bytes().split_at(1).1, b"}"].concat();
    let got = run_with(&odd, Format::JsonArray, &Limits::default());
    assert_eq!(got.unwrap_err(), format!("expected `,` or `]` at byte {}", odd.len() - 1));
}

#[test]
fn lines_end_in_either_way_and_blank_ones_do_not_count() {
    let one = good();
    let got = lines(&format!("\n{one}\r\n \t \r\n\n {one} \n{one}")).unwrap();
    assert_eq!(got.summary.entries, 3);
    for (body, why) in [
        (String::new(), "batch has no entries"),
        (String::from(" \n\r\n"), "batch has no entries"),
        (format!("{one}\n\n{one} {one}\n"), "line 3: text after the object on the same line"),
        (format!("{one}\n[{one}]\n"), "line 2: not an object"),
        (format!("{one},\n{one}"), "line 1: text after the object on the same line"),
        (format!("\u{feff}{one}"), "body begins with a byte order mark"),
    ] {
        assert_eq!(lines(&body).unwrap_err(), why, "{body:?}");
    }
    let broken = one.replacen(',', ",\n", 1);
    assert!(lines(&broken).unwrap_err().starts_with("line 1: not a JSON entry: EOF while parsing"));
}

#[test]
fn limits_are_named_with_their_number() {
    let limits = Limits { max_entries: 3, max_minutes: 2, ..Limits::default() };
    let minute = |minute: u32| entry(&format!("2025-12-28T18:{minute:02}:00Z"), "GET", "/", "");
    let run = |items: &[String]| {
        let lines = run_with(items.join("\n").as_bytes(), Format::Ndjson, &limits);
        let array = run_with(format!("[{}]", items.join(",")).as_bytes(), Format::JsonArray, &limits);
        // Places of items are told in words of their own.
        assert_eq!(lines.as_ref().ok(), array.as_ref().ok());
        let line = lines.map_err(|error| error.replace("line 2", "item at index 1"));
        assert_eq!(line, array);
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
fn a_batch_may_have_ten_thousand_minutes_and_no_more() {
    let minute = |minute: usize| {
        let (day, hour) = (1 + minute / 1_440, minute / 60 % 24);
        entry(&format!("2025-12-{day:02}T{hour:02}:{:02}:00Z", minute % 60), "GET", "/", "")
    };
    let items: Vec<String> = (0..=MAX_MINUTES).map(minute).collect();
    assert_eq!(lines(&items[1..].join("\n")).unwrap().summary.minutes.len(), 10_000);
    assert_eq!(lines(&items.join("\n")).unwrap_err(), "batch has more than 10000 distinct minutes");
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
