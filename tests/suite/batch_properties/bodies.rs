//! Bodies for the properties: made from a description of their structure, with mistakes, and changed in a few bytes.

use log_analytics::batch::{Format, Limits, Overlong};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select, subsequence};

/// White space between tokens, mostly none.
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

/// Values for any place: scalars in odd forms, nested ones, and invalid JSON.
pub(super) const ODD_VALUES: &[&str] = &[
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
pub(super) fn body() -> impl Strategy<Value = (Format, Vec<u8>)> {
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
pub(super) fn changed() -> impl Strategy<Value = (Format, Vec<u8>)> {
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

pub(super) fn limits() -> impl Strategy<Value = Limits> {
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
