//! Properties of summarizing that must hold for every body: all ways through it give the same answer, word for
//! word, and where they accept, an independent reading of the same bytes counts the same.
//!
//! Bodies are made from a description of their structure (field order, white space, escapes, unknown fields,
//! mistakes) and then, for half of the cases, changed in a few bytes. proptest prints the seed of a failure.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests stop at the unexpected")]

use std::collections::BTreeMap;

use jiff::Timestamp;
use log_analytics::batch::{Format, Limits, Overlong, Summarized, agent, insights, reference, summarize};
use log_analytics::dimension::{PATH, USER_AGENT};
use log_analytics::model::{CustomerId, WindowSize};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select, subsequence};
use serde_json::Value;

/// 2025-12-28T18:03:00Z.
const NOW_MS: u64 = 1_766_944_980_000;

/// Requests by window (size, start in minutes) and by key, paths and families apart.
type Plain = BTreeMap<(WindowSize, u32), (u32, BTreeMap<String, u32>, BTreeMap<String, u32>)>;

fn config() -> ProptestConfig {
    // A failing seed is printed and then turned into a test; nothing is written beside the sources.
    ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() }
}

/// Something that stands for white space between tokens.
fn space() -> impl Strategy<Value = String> {
    prop_oneof![8 => Just(String::new()), 1 => Just(String::from(" ")), 1 => "[ \t\r\n]{0,3}"]
}

/// A JSON string of this text, some of its characters escaped in one of the possible ways.
fn quoted(text: &str, escapes: &[u8]) -> String {
    let mut json = String::from("\"");
    for (index, c) in text.chars().enumerate() {
        let escape = escapes.get(index % escapes.len().max(1)).copied().unwrap_or(0);
        match (c, escape) {
            ('"' | '\\', _) => json.extend(['\\', c]),
            ('/', 1) => json.push_str("\\/"),
            ('\n', _) => json.push_str("\\n"),
            (c, 1..=2) | (c @ '\0'..='\x1F', _) => {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    json.push_str(&if escape == 2 {
                        format!("\\u{unit:04X}")
                    } else {
                        format!("\\u{unit:04x}")
                    });
                }
            }
            (c, _) => json.push(c),
        }
    }
    json.push('"');
    json
}

fn json_string(text: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    let escapes = prop_oneof![6 => Just(vec![]), 1 => vec(0..4_u8, 1..5)];
    (text, escapes).prop_map(|(text, escapes)| quoted(&text, &escapes))
}

/// Values for any place: scalars in odd forms, nested ones, and things that are no JSON.
const ODD_VALUES: &[&str] = &[
    "null",
    "true",
    "false",
    "0",
    "-0",
    "-1",
    "12.50",
    "1e5",
    "-1.5E-3",
    "1e999",
    "99999999999999999999",
    "{}",
    "[]",
    r#"{"method":"POST","a":[1,{"b":"\"}"}]}"#,
    r#"["},{",[[]]]"#,
    r#""},{\"receivedAt\":\"""#,
    "00",
    "01",
    "-01",
    "1.",
    "1.e1",
    "1.5.2",
    "1e",
    ".5",
    "+1",
    "-",
    "-.5",
    "--1",
    "1-",
    "0x1",
    "tru",
    "truex",
    "nul",
    "falsy",
    "NaN",
    "'x'",
    "[1,]",
    "{\"a\"}",
    "[",
    "}",
    "\"\\x\"",
    "\"\\u12g4\"",
    "\"\\ud800\"",
    "\"\\udc00 \"",
    "\"\\ud83d\\ude00\"",
    "[\"\\ud800\"]",
    "\"a\tb\"",
    "\"a\nb\"",
    "\"a\u{7f}b\"",
    "\"a\0b\"",
    "\"open",
    "\"\"",
    "\" \"",
    "",
    "\u{feff}1",
    "\u{a0}1",
    "1 2",
    "\"a\"\"b\"",
    "\"a\":1",
    ",",
    ":",
];

fn odd_value() -> impl Strategy<Value = String> {
    let nested = (120..132_usize).prop_map(|levels| "[".repeat(levels) + &"]".repeat(levels));
    prop_oneof![8 => select(ODD_VALUES).prop_map(String::from), 1 => nested]
}

fn received_at() -> impl Strategy<Value = String> {
    let fraction = prop_oneof![3 => Just(String::new()), 3 => "\\.[0-9]{3}", 1 => "\\.[0-9]{1,9}"];
    let offset =
        prop_oneof![6 => Just(String::from("Z")), 1 => Just(String::from("z")), 2 => "[+-]0[0-9]:[0-5][0-9]"];
    let usual = (0..4_u32, 0..60_u32, fraction, offset).prop_map(|(minute, second, fraction, offset)| {
        format!("2025-12-28T18:0{minute}:{second:02}{fraction}{offset}")
    });
    let odd = select(vec![
        "2025-12-28T18:03:60Z",
        "2025-12-28 18:03:07z",
        "2025-12-29T18:03:00Z",
        "2025-12-29T18:03:00.001Z",
        "2025-12-29T18:02:59Z",
        "2025-12-28T18:03:61Z",
        "2025-12-28T18:03:07",
        "2025-12-28T18:03:7Z",
        "2025-12-28T18:03:07.Z",
        "1970-01-01T00:00:00Z",
        "1969-12-31T23:59:59Z",
        "9999-12-31T23:59:59Z",
        "2025-12-28T18:03:07.1Z5",
        "2025-12-28T18:03:0:Z",
        "2025-12-28T18:03:07.12:4Z",
        "2024-02-29T00:00:00+23:59",
        "2025-02-29T00:00:00Z",
        "",
        "x",
    ]);
    prop_oneof![150 => usual, 1 => odd.prop_map(String::from)]
}

fn method() -> impl Strategy<Value = String> {
    let usual = select(vec![
        "GET",
        "POST",
        "DELETE",
        "get",
        " PUT ",
        "OPTIONS",
        "PROPPATCH",
        "X",
        "aB",
        "VERSION-CONTROL",
    ]);
    prop_oneof![300 => usual.prop_map(String::from), 1 => select(vec!["", " ", "G T", "GÉT", "G\0", "a\"b"]).prop_map(String::from), 1 => "[A-Z]{30,34}"]
}

fn path() -> impl Strategy<Value = String> {
    prop_oneof![10 => "/[a-c]{0,2}", 3 => "/[a-z/?=&]{0,30}", 1 => "[ \u{a0}]?/[é€😀\"\\\\/\n]{0,9} ?", 1 => "x[ x]{0,24}"]
}

fn user_agent() -> impl Strategy<Value = String> {
    prop_oneof![10 => "[ab]", 3 => "Mozilla/5\\.0 \\(X11; Linux [a-z0-9_]{2,12}\\)", 1 => "\\PC{0,12}", 1 => Just(String::new())]
}

/// An item: the four fields in any order, maybe one too few, too many or of the wrong kind, among others.
fn item() -> impl Strategy<Value = String> {
    let name = |name: &'static str| prop_oneof![300 => Just(format!("\"{name}\"")), 1 => Just(quoted(name, &[2, 0, 0])), 1 => Just(format!("\"{name}s\""))];
    let field = |key: &'static str, text: BoxedStrategy<String>| {
        let value = prop_oneof![500 => json_string(text), 1 => odd_value()];
        (name(key), value).boxed()
    };
    let known = (
        field("receivedAt", received_at().boxed()),
        field("method", method().boxed()),
        field("path", path().boxed()),
        field("userAgent", user_agent().boxed()),
    )
        .prop_map(|(a, b, c, d)| vec![a, b, c, d]);
    let known = prop_oneof![
        140 => known.clone(),
        70 => known.clone().prop_shuffle(),
        1 => known.clone().prop_flat_map(|fields| subsequence(fields, 3)),
        1 => known.prop_map(|mut fields| { fields.push(fields[1].clone()); fields }),
    ];
    let plain = select(vec!["1", "-20.5", "true", "null", "\"x y\"", "\"é\"", "0.25"]).prop_map(String::from);
    let unknown_key = prop_oneof![60 => Just(String::from("\"id\"")), 10 => json_string("[a-zé\"]{0,6}"), 1 => Just(String::from("id"))];
    let unknown = vec((unknown_key, prop_oneof![20 => plain, 1 => odd_value()], any::<Index>()), 0..2);
    let fields = (known, prop_oneof![3 => Just(vec![]), 1 => unknown]).prop_map(|(mut fields, unknown)| {
        for (key, value, place) in unknown {
            fields.insert(place.index(fields.len() + 1), (key, value));
        }
        fields
    });
    let object = (fields, vec(space(), 4)).prop_map(|(fields, spaces)| {
        let fields: Vec<_> = fields
            .iter()
            .map(|(key, value)| format!("{}{key}{}:{}{value}{}", spaces[0], spaces[1], spaces[2], spaces[3]))
            .collect();
        format!("{{{}}}", fields.join(","))
    });
    prop_oneof![400 => object, 1 => odd_value()]
}

/// A body and how to read it.
fn body() -> impl Strategy<Value = (Format, Vec<u8>)> {
    let items = prop_oneof![12 => vec(item(), 1..4), 1 => vec(item(), 0..2), 9 => vec(item(), 4..12), 3 => vec(usual_item(), 20..60)];
    let array = (
        items.clone(),
        space(),
        space(),
        select(vec![
            "[]", "[]", "[]", "[]", "[]", "[]", "[]", "[]", "[]", "[]", "[]", "[]", "[]", "[]", "[]", "[]",
            "[", "[],", "[] x", "]", "{}",
        ]),
    )
        .prop_map(|(items, before, after, ends)| {
            let (open, close) = ends.split_at(1);
            let body = format!(
                "{before}{open}{before}{}{after}{close}{before}",
                items.join(&format!("{before},{after}"))
            );
            (Format::JsonArray, body.into_bytes())
        });
    let lines = (items, select(vec!["\n", "\r\n", "\n\n", " \n\t", "\r\n \r\n", " "]), any::<bool>())
        .prop_map(|(items, between, ends)| {
            let body = items.join(between) + if ends { between } else { "" };
            (Format::Ndjson, body.into_bytes())
        });
    prop_oneof![array, lines]
}

fn usual_item() -> impl Strategy<Value = String> {
    (
        received_at(),
        path(),
        user_agent(),
        prop_oneof![5 => Just("x"), 1 => Just("},{"), 1 => Just("},{\"receivedAt\":")],
    )
        .prop_map(|(time, path, agent, other)| {
            format!(
                r#"{{"receivedAt":{},"method":"GET","path":{},"userAgent":{},"x":{}}}"#,
                quoted(&time, &[]),
                quoted(&path, &[]),
                quoted(&agent, &[]),
                quoted(other, &[])
            )
        })
}

/// A few changes of bytes: put in, left out, or another instead.
fn changed() -> impl Strategy<Value = (Format, Vec<u8>)> {
    let byte = prop_oneof![5 => select(b"\"\\{}[],:.-+eE019 \n\r\tZzu/dDtf\x00\x1f\x7f\xc3\xa9\xff\xef".to_vec()), 1 => any::<u8>()];
    let changes = vec((any::<Index>(), 0..3_u8, byte), 1..4);
    (body(), changes).prop_map(|((format, mut body), changes)| {
        for (place, what, byte) in changes {
            let place = place.index(body.len() + 1);
            if what == 0 || place == body.len() {
                body.insert(place, byte);
            } else if what == 1 {
                body.remove(place);
            } else {
                body[place] = byte;
            }
        }
        (format, body)
    })
}

fn limits() -> impl Strategy<Value = Limits> {
    let small = (1..12_usize, 1..4_usize, 1..20_usize, 0..20_usize, any::<bool>(), 0..200_000_u64);
    let small = small.prop_map(
        |(max_entries, max_minutes, max_path_bytes, max_agent_bytes, truncate, max_future_ms)| Limits {
            max_entries,
            max_minutes,
            max_path_bytes,
            max_agent_bytes,
            max_future_ms,
            overlong: if truncate { Overlong::Truncate } else { Overlong::Refuse },
            ..Limits::default()
        },
    );
    prop_oneof![3 => Just(Limits::default()), 1 => small]
}

/// All windows of a summary, by names instead of numbers.
fn plain(got: &Summarized) -> Plain {
    let customer = CustomerId::new("acme").expect("a valid id");
    insights(&customer, &got.summary)
        .into_iter()
        .map(|insight| {
            let (keys, counts) = (&insight.keys, &insight.counts);
            let [paths, agents] = [PATH, USER_AGENT].map(|dimension| {
                let rows = counts.by[dimension].rows.iter();
                rows.map(|row| (keys.tables[dimension].get(row.index).to_owned(), row.requests)).collect()
            });
            ((insight.window.size, insight.window.start.0), (counts.requests(), paths, agents))
        })
        .collect()
}

/// An independent reading: the body as serde_json values, times by jiff.
fn independent(body: &[u8], format: Format, limits: &Limits) -> Option<Plain> {
    let body = std::str::from_utf8(body).ok()?;
    let items: Vec<Value> = match format {
        Format::JsonArray => serde_json::from_str(body).ok()?,
        Format::Ndjson => body
            .split('\n')
            .filter(|line| !line.trim().is_empty())
            .map(|line| serde_json::from_str(line).ok())
            .collect::<Option<_>>()?,
    };
    let cut = |text: &str, max_bytes: usize| {
        let end = (0..=max_bytes.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text[..end].to_owned()
    };
    let mut windows = Plain::new();
    for item in &items {
        let text = |field: &str| item.get(field)?.as_str();
        let minute = text("receivedAt")?.parse::<Timestamp>().ok()?.as_millisecond() / 60_000;
        let path = cut(text("path")?.trim(), limits.max_path_bytes);
        let key = format!("{} {path}", text("method")?.trim().to_ascii_uppercase());
        let family = agent::family(&cut(text("userAgent")?.trim(), limits.max_agent_bytes));
        for size in WindowSize::ALL {
            let start = minute as u32 / size.minutes() * size.minutes();
            let (requests, paths, agents) = windows.entry((size, start)).or_default();
            *requests += 1;
            *paths.entry(key.clone()).or_default() += 1;
            *agents.entry(family.to_string()).or_default() += 1;
        }
    }
    Some(windows)
}

/// Whether all ways give one answer, and whether that answer is right if it accepts.
fn check(body: &[u8], format: Format, limits: &Limits) -> Result<(), TestCaseError> {
    let want = reference(body, format, limits, NOW_MS);
    for parallel_from_bytes in [usize::MAX, 0] {
        let limits = Limits { parallel_from_bytes, ..limits.clone() };
        let got = summarize(body, format, &limits, NOW_MS);
        prop_assert_eq!(&got, &want, "{}", String::from_utf8_lossy(body));
    }
    if let Ok(want) = want {
        // Numbers that no f64 holds are ignored by us and refused by serde_json's values.
        if let Some(independent) = independent(body, format, limits) {
            prop_assert_eq!(plain(&want), independent);
        } else {
            prop_assert!(String::from_utf8_lossy(body).to_ascii_lowercase().contains('e'));
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn all_ways_agree_on_generated_bodies((format, body) in body(), limits in limits()) {
        check(&body, format, &limits)?;
    }

    #[test]
    fn all_ways_agree_on_changed_bodies((format, body) in changed(), limits in limits()) {
        check(&body, format, &limits)?;
    }

    #[test]
    fn all_ways_agree_on_any_bytes(bytes in vec(any::<u8>(), 0..200)) {
        for format in [Format::JsonArray, Format::Ndjson] {
            check(&bytes, format, &Limits::default())?;
        }
    }
}

/// One item with something of everything that the quick way knows.
const ITEM: &str = concat!(
    r#"{"id" :-10.5,"receivedAt":"2025-12-28T18:03:07.250+01:00", "method":"GET","ok":true,"path":"/a b","x":"é","#,
    r#""userAgent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36"}"#
);

/// Checks a body of three items, the one in question between two usual ones, so that what was learnt from the
/// first is used and the third shows where the second was thought to end.
fn check_item(item: &[u8]) {
    let array = [b"[", ITEM.as_bytes(), b",", item, b",", ITEM.as_bytes(), b"]"].concat();
    let lines = [ITEM.as_bytes(), b"\n", item, b"\n", ITEM.as_bytes()].concat();
    for (format, body) in [(Format::JsonArray, array), (Format::Ndjson, lines)] {
        if let Err(error) = check(&body, format, &Limits::default()) {
            panic!("{error}: {}", String::from_utf8_lossy(item));
        }
    }
}

#[test]
fn any_byte_anywhere_in_an_item_is_treated_alike() {
    for place in 0..=ITEM.len() {
        let (before, after) = ITEM.as_bytes().split_at(place);
        check_item(before);
        // The many bytes of the user agent are all alike.
        let is_agent = (ITEM.len() - 100..ITEM.len() - 4).contains(&place);
        for byte in (0..=u8::MAX).filter(|byte| !is_agent || b"\"\\\0 x,}\x7f\xc3".contains(byte)) {
            check_item(&[before, &[byte], after].concat());
            if !after.is_empty() {
                check_item(&[before, &[byte], &after[1..]].concat());
            }
        }
        if !after.is_empty() {
            check_item(&[before, &after[1..]].concat());
        }
    }
}

#[test]
fn any_odd_value_in_any_place_of_an_item_is_treated_alike() {
    let parts = [
        "\"id\" :-10.5",
        "-10.5",
        "true",
        "\"2025-12-28T18:03:07.250+01:00\"",
        "\"GET\"",
        "\"/a b\"",
        "\"é\"",
        "\"Mozilla/5.0",
        "\"id\"",
        "\"path\"",
    ];
    for value in ODD_VALUES {
        check_item(value.as_bytes());
        for part in parts {
            check_item(ITEM.replace(part, value).as_bytes());
            check_item(ITEM.replace(part, &format!("{part}{value}")).as_bytes());
            check_item(ITEM.replace(part, &format!("{value}{part}")).as_bytes());
        }
    }
    for (name, other) in ["receivedAt", "method", "path", "userAgent"]
        .iter()
        .flat_map(|a| ["receivedAt", "method", "path", "userAgent"].map(|b| (a, b)))
    {
        check_item(ITEM.replace(name, other).as_bytes());
        check_item(ITEM.replace("\"x\"", &format!("\"{other}\"")).as_bytes());
    }
}

/// A body that is really cut: many times the shortest piece.
fn large(format: Format, mut change: impl FnMut(usize, String) -> String) -> Vec<u8> {
    let item = |i: usize| {
        let (minute, second, path) = (i / 500 % 10, i % 60, i * i % 701);
        format!(
            r#"{{"receivedAt":"2025-12-28T18:0{minute}:{second:02}.{:03}Z","method":"GET","path":"/p/{path}","userAgent":"agent {}"}}"#,
            i % 1_000,
            i % 37
        )
    };
    let items: Vec<_> = (0..4_000).map(|i| change(i, item(i))).collect();
    match format {
        Format::JsonArray => format!("[{}]", items.join(",\n")).into_bytes(),
        Format::Ndjson => items.join("\n").into_bytes(),
    }
}

#[test]
fn bodies_in_pieces_are_counted_as_in_one() {
    for format in [Format::JsonArray, Format::Ndjson] {
        check(&large(format, |_, item| item), format, &Limits::default()).unwrap();
        // What looks like the beginning of an item within a string, a nested value, or all over the place.
        let in_string = |_, item: String| item.replace("agent", r#"},{\"receivedAt\":"#);
        check(&large(format, in_string), format, &Limits::default()).unwrap();
        let nested = |_, item: String| item.replacen('{', r#"{"x":[{},{"receivedAt":"no"},{"x":{}}],"#, 1);
        check(&large(format, nested), format, &Limits::default()).unwrap();
    }
}

#[test]
fn the_first_mistake_of_a_body_in_pieces_is_named() {
    for format in [Format::JsonArray, Format::Ndjson] {
        for (first, second) in [(0, 3_999), (1, 2), (1_700, 3_000), (3_998, 3_999)] {
            let body = large(format, |i, item| match i {
                i if i == first => item.replace("method", "m"),
                i if i == second => item.replace('}', "!"),
                _ => item,
            });
            let limits = Limits { parallel_from_bytes: 0, ..Limits::default() };
            let error = summarize(&body, format, &limits, NOW_MS).unwrap_err();
            assert_eq!(error.to_string(), format!("item at index {first}: missing method"));
            check(&body, format, &limits).unwrap();
        }
        for limits in [
            Limits { max_entries: 3_000, ..Limits::default() },
            Limits { max_minutes: 7, ..Limits::default() },
        ] {
            check(&large(format, |_, item| item), format, &limits).unwrap();
        }
    }
}

#[test]
fn the_order_of_entries_leaves_no_trace() {
    let body = large(Format::Ndjson, |_, item| item);
    let mut lines: Vec<_> = body.split(|byte| *byte == b'\n').collect();
    let want = summarize(&body, Format::Ndjson, &Limits::default(), NOW_MS).unwrap();
    lines.reverse();
    assert_eq!(summarize(&lines.join(&b'\n'), Format::Ndjson, &Limits::default(), NOW_MS).unwrap(), want);
    lines.sort_unstable_by_key(|line| line.iter().rev().copied().collect::<Vec<_>>());
    assert_eq!(summarize(&lines.join(&b'\n'), Format::Ndjson, &Limits::default(), NOW_MS).unwrap(), want);
}
