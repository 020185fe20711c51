//! Properties of summarizing that must hold for every body: all ways through it give the same answer, word for
//! word, and where they accept, an independent reading of the same bytes counts the same.
//!
//! Bodies are made from a description of their structure (field order, white space, escapes, unknown fields,
//! mistakes) and then, for half of the cases, changed in a few bytes. proptest prints the seed of a failure.

mod bodies;

use std::collections::BTreeMap;

use bodies::{ODD_VALUES, body, changed, limits};
use jiff::Timestamp;
use log_analytics::batch::{Format, Limits, Summarized, agent, insights, reference, summarize};
use log_analytics::dimension::{PATH, USER_AGENT};
use log_analytics::model::{CustomerId, WindowSize};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value;

/// 2025-12-28T18:03:00Z.
const NOW_MS: u64 = 1_766_944_980_000;

/// Requests by window (size, start in minutes) and by key, paths and families apart.
type Plain = BTreeMap<(WindowSize, u32), (u32, BTreeMap<String, u32>, BTreeMap<String, u32>)>;

fn config() -> ProptestConfig {
    // A failing seed is printed and then turned into a test; nothing is written beside the sources.
    ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() }
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

/// Checks that all parsers give the same answer, and that it is right where they accept.
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

/// Checks a body of three items, the one in question between two usual ones: the layout cached from the first is used for it,
/// and the third shows where the parser believed that it ended.
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
