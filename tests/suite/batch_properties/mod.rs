//! Properties of summarizing that must hold for every body: all ways through it give the same answer, word for
//! word, and where they accept, an independent reading of the same bytes counts the same.
//!
//! Bodies are made from a description of their structure (field order, white space, escapes, unknown fields,
//! mistakes) and then, for half of the cases, changed in a few bytes. proptest prints the seed of a failure.

mod bodies;
mod independent;
mod values;

use bodies::{body, changed, limits};
use independent::{independent, plain};
use log_analytics::batch::{
    BatchError, Counter, Field, Filter, Finder, Format, Limits, reference, summarize,
};
use proptest::collection::vec;
use proptest::prelude::*;
use values::{ODD_VALUES, all_fields};

use crate::support::properties::cases;

/// 2025-12-28T18:03:00Z.
const NOW_MS: u64 = 1_766_944_980_000;

/// Whether all ways give one answer, and whether that answer is right if it accepts.
fn check(body: &[u8], format: Format, limits: &Limits) -> Result<(), TestCaseError> {
    let want = reference(body, format, limits, NOW_MS);
    for parallel_from_bytes in [usize::MAX, 0] {
        let limits = Limits { parallel_from_bytes, ..limits.clone() };
        let got = summarize(body, format, &limits, NOW_MS);
        prop_assert_eq!(&got, &want, "{}", String::from_utf8_lossy(body));
    }
    if format == Format::Ndjson {
        // A counter has no second way, so this also shows that the fast one takes all that the reference takes.
        let mut counter = Counter::new(limits, NOW_MS, 1 << 10);
        match (counter.add_lines(body), &want) {
            (Ok(_), Err(BatchError::NoEntries)) => {}
            (Ok(_), want) => prop_assert_eq!(&Ok(counter.take()), want),
            (Err(error), want) => prop_assert_eq!(Some(&error), want.as_ref().err()),
        }
    }
    if let Ok(want) = want {
        match independent(body, format, limits) {
            Some(independent) => {
                prop_assert_eq!(plain(&want), independent, "{}", String::from_utf8_lossy(body))
            }
            None => prop_assert!(is_beyond_values(body), "{}", String::from_utf8_lossy(body)),
        }
    }
    Ok(())
}

/// Whether what a filter chooses and what it does not are together the whole, and each line is judged as it is alone.
fn check_chosen(body: &[u8], format: Format, limits: &Limits) -> Result<(), TestCaseError> {
    let want = reference(body, format, limits, NOW_MS);
    if let Err(BatchError::NoEntries | BatchError::TooManyMinutes { .. }) = want {
        // A filter may choose nothing, or few minutes of many.
        return Ok(());
    }
    const FIELDS: [&str; 9] = [
        "status{}404",
        "method{}GET",
        "path{}/a",
        "route{}",
        "host{}",
        "class{}bot",
        "family{}curl",
        "clientIp{}",
        "key{}GET /a",
    ];
    // One for each body: there are many.
    let condition = FIELDS[body.len() % FIELDS.len()];
    let mut whole = Counter::new(limits, NOW_MS, 1 << 10);
    for op in ["=", "!="] {
        let filter = Filter::parse(&condition.replace("{}", op)).expect("the conditions are well formed");
        let (mut chosen, mut finder) =
            (Counter::new(limits, NOW_MS, 1 << 10), Finder::new(Some(&filter), limits));
        let added = chosen.add_where(body, format, &mut finder);
        prop_assert_eq!(added.as_ref().err(), want.as_ref().err(), "{}", String::from_utf8_lossy(body));
        if added.is_err() {
            continue;
        }
        prop_assert_eq!(whole.add_where(body, format, &mut finder), added);
        if format == Format::Ndjson {
            let mut alone = Counter::new(limits, NOW_MS, 1 << 10);
            for line in body.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()) {
                let added = alone.add_where(line, format, &mut Finder::new(Some(&filter), limits));
                prop_assert_eq!(added, Ok(0));
            }
            prop_assert_eq!(chosen.take(), alone.take(), "{}", String::from_utf8_lossy(body));
        }
    }
    if let Ok(want) = want {
        prop_assert_eq!(whole.take(), want, "{}", String::from_utf8_lossy(body));
    }
    Ok(())
}

/// Whether a body may hold what serde_json's values cannot: numbers that no float holds, halves of surrogate pairs, deep
/// nesting.
fn is_beyond_values(body: &[u8]) -> bool {
    let body = String::from_utf8_lossy(body).to_ascii_lowercase();
    body.contains('e') && body.contains(|c: char| c.is_ascii_digit())
        || body.contains("\\ud")
        || body.contains(&"[".repeat(100))
}

proptest! {
    #![proptest_config(cases(2_000))]

    #[test]
    fn all_ways_agree_on_generated_bodies((format, body) in body(), limits in limits()) {
        check(&body, format, &limits)?;
        check_chosen(&body, format, &limits)?;
    }

    #[test]
    fn all_ways_agree_on_changed_bodies((format, body) in changed(), limits in limits()) {
        check(&body, format, &limits)?;
        check_chosen(&body, format, &limits)?;
    }

    #[test]
    fn all_ways_agree_on_any_bytes(bytes in vec(any::<u8>(), 0..200)) {
        for format in [Format::JsonArray, Format::Ndjson] {
            check(&bytes, format, &Limits::default())?;
        }
    }
}

/// One item with something of everything that the fast way knows.
const ITEM: &str = concat!(
    r#"{"id" :-10.5,"receivedAt":"2025-12-28T18:03:07.250+01:00", "method":"GET","ok":true,"path":"/a b","x":"é","#,
    r#""status":404,"responseBytes":"512","durationSeconds":0.25,"route":"/{a}?b","host":"a.example:80","#,
    r#""referrer":"https://b.example/c","clientIp":"192.0.2.7","o":{"a":[1,{}]},"n":null,"#,
    r#""userAgent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36"}"#
);

/// Bytes of each kind that a reader may tell apart.
const OF_EACH_KIND: &[u8] = b"\"\\/\0\n\t\r {}[],:?#%@+-.019aeuxEZ_~\x7f\x80\xa0\xbf\xc3\xe2\xf0\xff";

/// Checks a body of four items, the one in question behind two usual ones: the first is read token by token and makes the
/// layout, the second fills the caches. The last shows where the one in question was thought to end.
fn check_item(item: &[u8]) {
    let usual = ITEM.as_bytes();
    let array = [b"[", &[usual, usual, item, usual].join(&b","[..])[..], b"]"].concat();
    let lines = [usual, usual, item, usual].join(&b"\n"[..]);
    for (format, body) in [(Format::JsonArray, array), (Format::Ndjson, lines)] {
        if let Err(error) = check(&body, format, &Limits::default()) {
            panic!("{error}: {}", String::from_utf8_lossy(item));
        }
    }
}

#[test]
fn any_byte_anywhere_in_an_item_is_treated_alike() {
    // On a thread of the pool that divided bodies are counted on: to go there for each body would take most of the time.
    rayon::scope(|_| {
        for place in 0..=ITEM.len() {
            let (before, after) = ITEM.as_bytes().split_at(place);
            check_item(before);
            // Every byte at every sixteenth place: it is tried in words, numbers and between values.
            let is_tried = |byte: &u8| OF_EACH_KIND.contains(byte) || usize::from(*byte) % 16 == place % 16;
            for byte in (0..=u8::MAX).filter(is_tried) {
                check_item(&[before, &[byte], after].concat());
                if !after.is_empty() {
                    check_item(&[before, &[byte], &after[1..]].concat());
                }
            }
            if !after.is_empty() {
                check_item(&[before, &after[1..]].concat());
            }
        }
    });
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
        "404",
        "\"512\"",
        "0.25",
        "\"/{a}?b\"",
        "\"a.example:80\"",
        "\"192.0.2.7\"",
        "{\"a\":[1,{}]}",
        "null",
    ];
    for value in ODD_VALUES {
        check_item(value.as_bytes());
        for part in parts {
            check_item(ITEM.replace(part, value).as_bytes());
            check_item(ITEM.replace(part, &format!("{part}{value}")).as_bytes());
            check_item(ITEM.replace(part, &format!("{value}{part}")).as_bytes());
        }
    }
    for name in all_fields().into_iter().map(Field::name) {
        for other in all_fields().into_iter().map(Field::name) {
            check_item(ITEM.replace(name, other).as_bytes());
        }
        check_item(ITEM.replace("\"x\"", &format!("\"{name}\"")).as_bytes());
    }
}

/// A body that is really cut: many times the shortest piece.
fn large(format: Format, mut change: impl FnMut(usize, String) -> String) -> Vec<u8> {
    let item = |i: usize| {
        let (minute, second, path) = (i / 500 % 10, i % 60, i * i % 701);
        format!(
            r#"{{"receivedAt":"2025-12-28T18:0{minute}:{second:02}.{:03}Z","method":"GET","path":"/p/{path}","userAgent":"agent {}","status":{},"host":"h{}.example"}}"#,
            i % 1_000,
            i % 37,
            200 + i % 5,
            i % 3
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

fn bad_item(format: Format, index: usize, why: &str) -> String {
    match format {
        Format::JsonArray => format!("item at index {index}: {why}"),
        Format::Ndjson => format!("line {}: {why}", index + 1),
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
            assert_eq!(error.to_string(), bad_item(format, first, "missing method"));
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
