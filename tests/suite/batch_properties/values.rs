//! Values for the fields of entries: mostly such as programs write, and some of every form that is accepted, altered or
//! refused.

use log_analytics::batch::{Field, MAX_AGENT_BYTES, MAX_PATH_BYTES};
use log_analytics::dimension::TEXT_COUNT;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// A JSON string of this text, some of its characters escaped in one of the possible ways.
pub(super) fn quoted(text: &str, escapes: &[u8]) -> String {
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

pub(super) fn json_string(text: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    let escapes = prop_oneof![6 => Just(vec![]), 1 => vec(0..4_u8, 1..5)];
    (text, escapes).prop_map(|(text, escapes)| quoted(&text, &escapes))
}

/// Values for any place: scalars in odd forms, nested ones, and things that are no JSON.
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

pub(super) fn odd_value() -> impl Strategy<Value = String> {
    let nested = (120..132_usize).prop_map(|levels| "[".repeat(levels) + &"]".repeat(levels));
    prop_oneof![8 => select(ODD_VALUES).prop_map(String::from), 1 => nested]
}

/// JSON values of `receivedAt`.
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
    let text = prop_oneof![150 => usual, 1 => odd.prop_map(String::from)];
    let unix = (1_766_944_700_u64..1_766_944_990, 0..1_000_u32).prop_flat_map(|(seconds, millis)| {
        select(vec![
            format!("{seconds}"),
            format!("{seconds}.{millis}"),
            format!("{seconds}{millis:03}"),
            format!("{seconds}{millis:03}.5"),
            format!("{seconds}{millis:03}000"),
            format!("{seconds}{millis:03}000000"),
        ])
    });
    let odd = select(vec![
        "0",
        "-0",
        "-1",
        "1e9",
        "1.7669447e9",
        "99999999999",
        "100000000000",
        "1767031380",
        "1767031380.001",
        "1e30",
        "00",
        "0.5",
        "99999999999999999",
        "253402300800000000000",
    ]);
    prop_oneof![
        30 => json_string(text),
        4 => unix,
        1 => prop_oneof![3 => odd.prop_map(String::from), 1 => odd_value()],
    ]
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
    let long = (MAX_PATH_BYTES - 4..MAX_PATH_BYTES + 4, select(vec!["", "é", "?q", " "]))
        .prop_map(|(bytes, end)| format!("/{}{end}", "x".repeat(bytes - 1)));
    prop_oneof![
        100 => "/[a-c]{0,2}",
        30 => "/[a-z/?=&]{0,30}",
        5 => "/[a-z]{1,12}\\?[a-z=&]{0,90}",
        5 => "/[a-z]{40,70}",
        10 => "[ \u{a0}]?/[é€😀\"\\\\/\n?]{0,9} ?",
        10 => "x[ x]{0,24}",
        1 => long,
    ]
}

fn user_agent() -> impl Strategy<Value = String> {
    let long = (MAX_AGENT_BYTES - 3..MAX_AGENT_BYTES + 3).prop_map(|bytes| "a".repeat(bytes - 1) + "é");
    prop_oneof![
        100 => "[ab]",
        20 => select(vec!["Googlebot/2.1 (+http://www.google.com/bot.html)", "GPTBot/1.0", "-", " curl/8.0 "]).prop_map(String::from),
        30 => "Mozilla/5\\.0 \\(X11; Linux [a-z0-9_]{2,12}\\)",
        10 => "\\PC{0,12}",
        10 => Just(String::new()),
        1 => long,
    ]
}

/// Numbers as programs write them, in numbers or texts, and others.
fn number(usual: impl Strategy<Value = String> + Clone) -> impl Strategy<Value = String> {
    let quoted = usual.clone().prop_map(|number| format!("\"{number}\""));
    let odd = select(vec![
        "-1",
        "1e2",
        "2.0E+2",
        "1000",
        "999",
        "1099511627776",
        "1099511627777",
        "1000000",
        "1000000.0000001",
        "0.0000005",
        "\"\"",
        "\"-\"",
        "\" 7 \"",
        "\"007\"",
        "\"0.5s\"",
        "\"1.\"",
        "\"\\u0037\"",
        "1e-300",
        "123456789012345678901234567890",
        "0.00000000000000000000000000001",
        "true",
        "[200]",
    ]);
    prop_oneof![40 => usual, 5 => quoted, 3 => Just(String::from("null")), 2 => odd.prop_map(String::from), 1 => odd_value()]
}

fn client() -> impl Strategy<Value = String> {
    prop_oneof![
        20 => "192\\.0\\.2\\.[0-9]{1,2}",
        4 => "2001:db8::[0-9a-f]{1,4}",
        1 => "(192|256)\\.0\\.2\\.[0-9]{1,3}(:[0-9]{0,5})?",
        1 => "\\[?(::ffff:192\\.0\\.2\\.1|fe80::1)(%eth0)?\\]?(:80)?",
        1 => "[A-Za-z.-]{0,12}(:80)?",
        1 => "[a-z]{60,68}",
        1 => Just(String::from("192.0.2.1, 192.0.2.2")),
    ]
}

/// Hosts, URLs and short words: something of each for whatever text dimension.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        20 => select(vec!["example.com", "shop.example.com", "api.example.com"]).prop_map(String::from),
        10 => "https://(www|shop)\\.example\\.(com|net)/[a-z?=]{0,40}",
        4 => select(vec!["de", "DE", "usa", "-", "", " fr "]).prop_map(String::from),
        2 => "(HTTP|https)?(://)?[A-Za-z.]{1,12}(:[0-9]{1,4})?/?",
        1 => "\\PC{0,12}",
        1 => "[a-z]{250,256}",
    ]
}

/// JSON values of a field.
pub(super) fn value(field: Field) -> BoxedStrategy<String> {
    let absent = || select(vec!["null", "\"\"", "\"-\""]).prop_map(String::from);
    let optional = |text: BoxedStrategy<String>| {
        prop_oneof![40 => json_string(text), 4 => absent(), 1 => odd_value()].boxed()
    };
    let required =
        |text: BoxedStrategy<String>| prop_oneof![500 => json_string(text), 1 => odd_value()].boxed();
    match field {
        Field::RECEIVED_AT => received_at().boxed(),
        Field::METHOD => required(method().boxed()),
        Field::PATH => required(path().boxed()),
        Field::USER_AGENT => required(user_agent().boxed()),
        Field::ROUTE => optional(path().boxed()),
        Field::STATUS => number(select(vec!["200", "304", "404", "503"]).prop_map(String::from)).boxed(),
        Field::RESPONSE_BYTES => number("(0|[1-9][0-9]{0,6})").boxed(),
        Field::DURATION => number("(0|[1-9][0-9]{0,2})(\\.[0-9]{1,6})?").boxed(),
        Field::CLIENT_IP => optional(client().boxed()),
        _ => optional(text().boxed()),
    }
}

/// All fields.
pub(super) fn all_fields() -> Vec<Field> {
    let fields: Vec<Field> = Field::all().collect();
    assert_eq!(fields.len(), Field::CLIENT_IP.index() + 1 + TEXT_COUNT, "each has a strategy");
    fields
}
