//! What becomes of every form of every field.

use std::borrow::Cow;

use super::*;
use crate::dimension::{DIMENSIONS, TEXTS};

const NOW_MS: u64 = 1_766_944_980_000;

fn entry() -> RawEntry<'static> {
    let mut entry = RawEntry::default();
    for (field, text) in [
        (Field::RECEIVED_AT, "2025-12-28T18:03:07Z"),
        (Field::METHOD, "GET"),
        (Field::PATH, "/p"),
        (Field::USER_AGENT, "curl/8"),
    ] {
        entry.set(field, RawValue::text(text));
    }
    entry
}

fn with(field: Field, value: RawValue<'static>) -> RawEntry<'static> {
    let mut entry = entry();
    entry.set(field, value);
    entry
}

fn number(text: &str) -> RawValue<'static> {
    RawValue::Number(Number::parse(text).unwrap())
}

/// Checks an entry, and says what was altered.
#[track_caller]
fn check<T>(raw: &RawEntry<'_>, read: impl FnOnce(&Entry<'_>) -> T) -> (T, Vec<&'static str>) {
    let limits = Limits::default();
    let checked = Rules::new(&limits, NOW_MS).check(raw).unwrap();
    let altered = Field::all().filter(|field| checked.altered.contains(*field)).map(Field::name).collect();
    (read(&checked.entry()), altered)
}

fn refusal(raw: &RawEntry<'_>) -> ItemError {
    Rules::new(&Limits::default(), NOW_MS).check(raw).unwrap_err()
}

/// The text field whose dimension has this name.
fn text_named(name: &str) -> usize {
    TEXTS.iter().position(|dimension| DIMENSIONS[*dimension].name == name).unwrap()
}

#[test]
fn methods_are_trimmed_upper_cased_tokens() {
    for (text, want) in [
        ("GET", "GET"),
        (" get\t", "GET"),
        ("m-search", "M-SEARCH"),
        ("x!#$%&'*+-.^_`|~9", "X!#$%&'*+-.^_`|~9"),
    ] {
        assert_eq!(method(text).unwrap(), want);
    }
    assert_eq!(method(&"a".repeat(32)).unwrap(), "A".repeat(32));
    for bad in ["", "  ", "G ET", "GÉT", "GET/", "a\u{0}b", &"a".repeat(33)] {
        assert_eq!(method(bad), Err(ItemError::NotAMethod), "{bad:?}");
    }
}

#[test]
fn times_are_texts_or_numbers_up_to_a_day_ahead() {
    let at =
        |value: RawValue<'static>| check(&with(Field::RECEIVED_AT, value), |entry| entry.received_at_ms).0;
    assert_eq!(at(RawValue::text("2025-12-28T19:03:07.25+01:00")), 1_766_944_987_250);
    for text in ["1766944987.25", "1766944987250", "1766944987250000", "1766944987250000000"] {
        assert_eq!(at(number(text)), 1_766_944_987_250, "{text}");
    }
    let refused = |value: RawValue<'static>| refusal(&with(Field::RECEIVED_AT, value));
    assert_eq!(at(number("1767031380")), NOW_MS + MAX_FUTURE_MS);
    assert_eq!(refused(number("1767031380.001")), ItemError::TooFarAhead { now_ms: NOW_MS });
    assert_eq!(refused(number("-1")), ItemError::TimeOutOfRange);
    assert_eq!(refused(number("1e30")), ItemError::TimeOutOfRange);
    assert_eq!(refused(RawValue::text("1766944987")), ItemError::NotATime);
    assert_eq!(refused(RawValue::text("1969-12-31T23:59:59Z")), ItemError::TimeOutOfRange);
    assert_eq!(refused(RawValue::Null), ItemError::WrongType(Field::RECEIVED_AT));
}

#[test]
fn required_fields_refuse_what_they_cannot_be() {
    for field in Field::all().take(Field::REQUIRED) {
        assert_eq!(refusal(&with(field, RawValue::Missing)), ItemError::Missing(field));
        for value in [RawValue::Null, RawValue::Other] {
            assert_eq!(refusal(&with(field, value)), ItemError::WrongType(field));
        }
        if field != Field::RECEIVED_AT {
            assert_eq!(refusal(&with(field, number("7"))), ItemError::WrongType(field));
        }
    }
    assert_eq!(refusal(&with(Field::PATH, RawValue::text(" \u{a0}"))), ItemError::EmptyPath);
}

#[test]
fn paths_lose_their_query_and_what_is_too_long() {
    let path = |text: &str| {
        let raw = with(
            Field::PATH,
            RawValue::Text(RawText { text: Cow::Owned(text.to_owned()), is_replaced: false }),
        );
        let (path, altered) = check(&raw, |entry| entry.path.to_owned());
        (path, !altered.is_empty())
    };
    for (text, want) in [
        (" /a ", "/a"),
        ("/a?b=c?d", "/a"),
        ("/a ?b", "/a"),
        ("?b", "/"),
        ("/?", "/"),
        ("a", "a"),
        ("-", "-"),
    ] {
        assert_eq!(path(text), (want.to_owned(), false), "{text}");
    }
    let long = "/".to_owned() + &"x".repeat(MAX_PATH_BYTES - 2);
    assert_eq!(path(&format!("{long}y")), (format!("{long}y"), false));
    assert_eq!(path(&format!("{long}yz")), (format!("{long}y"), true));
    assert_eq!(path(&format!("{long}é")), (long.clone(), true), "no character is cut in two");
    assert_eq!(path(&format!("{long}?{}", "q".repeat(MAX_PATH_BYTES))), (long, false));

    let limits = Limits { keep_query: true, ..Limits::default() };
    assert_eq!(Rules::new(&limits, NOW_MS).path(" /a?b ").unwrap(), ("/a?b", false));
}

#[test]
fn user_agents_are_cut_and_may_be_empty() {
    assert_eq!(user_agent("  "), ("", false));
    let long = "x".repeat(MAX_AGENT_BYTES - 1);
    assert_eq!(user_agent(&format!(" {long}é")), (&*long, true));
    assert_eq!(user_agent(&format!("{long}y ")), (&*format!("{long}y"), false));
}

#[test]
fn a_route_stands_for_the_path() {
    let path = |route: RawValue<'static>| {
        let (path, altered) = check(&with(Field::ROUTE, route), |entry| entry.path.to_owned());
        (path, altered)
    };
    assert_eq!(path(RawValue::text(" /users/{id}?x ")), ("/users/{id}".to_owned(), vec![]));
    for absent in [RawValue::Missing, RawValue::Null, RawValue::text(""), RawValue::text(" - ")] {
        assert_eq!(path(absent), ("/p".to_owned(), vec![]));
    }
    for unreadable in [RawValue::Other, number("1")] {
        assert_eq!(path(unreadable), ("/p".to_owned(), vec!["route"]));
    }
    let long = "/".repeat(MAX_PATH_BYTES + 1);
    let long = RawValue::Text(RawText { text: Cow::Owned(long), is_replaced: false });
    assert_eq!(path(long), ("/".repeat(MAX_PATH_BYTES), vec!["route"]));
}

#[test]
fn numbers_are_read_from_numbers_and_texts_or_left_out() {
    type Read = fn(&Entry<'_>) -> Option<u64>;
    let status: Read = |entry| entry.status.map(u64::from);
    let bytes: Read = |entry| entry.response_bytes;
    let micros: Read = |entry| entry.duration_micros;
    for (field, read, value, want) in [
        (Field::STATUS, status, number("404"), Some(404)),
        (Field::STATUS, status, number("0"), Some(0)),
        (Field::STATUS, status, number("2.00e2"), Some(200)),
        (Field::STATUS, status, RawValue::text(" 0200 "), Some(200)),
        (Field::STATUS, status, number("1000"), None),
        (Field::STATUS, status, number("-1"), None),
        (Field::STATUS, status, number("200.5"), None),
        (Field::STATUS, status, RawValue::text("200.0"), None),
        (Field::STATUS, status, RawValue::text("OK"), None),
        (Field::STATUS, status, RawValue::Other, None),
        (Field::RESPONSE_BYTES, bytes, number("1099511627776"), Some(1 << 40)),
        (Field::RESPONSE_BYTES, bytes, number("1099511627777"), None),
        (Field::RESPONSE_BYTES, bytes, RawValue::text("5"), Some(5)),
        (Field::RESPONSE_BYTES, bytes, RawValue::text("-5"), None),
        (Field::DURATION, micros, number("0.0000015"), Some(2)),
        (Field::DURATION, micros, RawValue::text("1.5"), Some(1_500_000)),
        (Field::DURATION, micros, RawValue::text("1e-3"), Some(1_000)),
        (Field::DURATION, micros, number("1000000"), Some(1_000_000_000_000)),
        (Field::DURATION, micros, number("1000000.1"), None),
        (Field::DURATION, micros, RawValue::text("1s"), None),
        (Field::DURATION, micros, RawValue::text("0.1, 0.2"), None),
    ] {
        let altered = if want.is_some() { vec![] } else { vec![field.name()] };
        assert_eq!(check(&with(field, value.clone()), read), (want, altered), "{value:?}");
    }
    for field in [Field::STATUS, Field::RESPONSE_BYTES, Field::DURATION] {
        for absent in [RawValue::Missing, RawValue::Null, RawValue::text(""), RawValue::text(" - ")] {
            let (found, altered) =
                check(&with(field, absent), |entry| (status(entry), bytes(entry), micros(entry)));
            assert_eq!((found, altered), ((None, None, None), vec![]));
        }
    }
}

#[test]
fn clients_are_read_from_texts_of_up_to_64_bytes() {
    let client = |value: RawValue<'static>| {
        check(&with(Field::CLIENT_IP, value), |entry| entry.client.map(|client| client.as_bytes().to_vec()))
    };
    let name = "x".repeat(64);
    let text = |text: &str| RawValue::Text(RawText { text: Cow::Owned(text.to_owned()), is_replaced: false });
    assert_eq!(client(text(&format!(" {name} "))), (Some(name.clone().into_bytes()), vec![]));
    assert_eq!(client(text(&format!("{name}x"))), (None, vec!["clientIp"]));
    assert_eq!(client(RawValue::text("::1")).0, Some([&[0; 15][..], &[1]].concat()));
    assert_eq!(client(RawValue::text("-")), (None, vec![]));
    assert_eq!(client(RawValue::text("1.1.1.1, 2.2.2.2")), (None, vec!["clientIp"]));
    assert_eq!(client(number("16843009")), (None, vec!["clientIp"]));
}

#[test]
fn text_dimensions_are_counted_by_their_key() {
    let (host, other) =
        (text_named("host"), (0..TEXT_COUNT).find(|text| text_field(*text).unless_equal_to.is_some()));
    let other = other.unwrap();
    let mut entry = with(Field::of_text(host), RawValue::text(" Example.COM:443 "));
    entry.set(Field::of_text(other), RawValue::text("https://other.example/x?y"));
    let texts = |entry: &Entry<'_>| entry.texts.map(|text| text.map(str::to_owned));
    let (found, altered) = check(&entry, texts);
    assert_eq!(
        (found[host].as_deref(), found[other].as_deref()),
        (Some("example.com"), Some("other.example"))
    );
    assert!(altered.is_empty());

    entry.set(Field::of_text(other), RawValue::text("http://EXAMPLE.com:8080/"));
    let (found, altered) = check(&entry, texts);
    assert_eq!((found[host].as_deref(), found[other].as_deref()), (Some("example.com"), None));
    assert!(altered.is_empty(), "what says nothing new is absent, not altered");

    let long = "x".repeat(text_field(host).max_bytes + 1);
    for unreadable in [RawValue::text("a b"), number("1"), RawValue::text(long.leak())] {
        let (found, altered) = check(&with(Field::of_text(host), unreadable), texts);
        assert_eq!((found[host].as_deref(), altered), (None, vec![text_field(host).name]));
    }
}

#[test]
fn replaced_bytes_count_as_altered_wherever_a_field_is_read() {
    let replaced =
        |text: &str| RawValue::Text(RawText { text: Cow::Owned(text.to_owned()), is_replaced: true });
    for field in Field::all().skip(2) {
        let (_, altered) = check(&with(field, replaced("x\u{fffd}")), |_| ());
        assert_eq!(altered, [field.name()]);
    }
    assert_eq!(refusal(&with(Field::METHOD, replaced("G\u{fffd}T"))), ItemError::NotAMethod);
    assert_eq!(refusal(&with(Field::RECEIVED_AT, replaced("\u{fffd}"))), ItemError::NotATime);
}

#[test]
fn the_short_cut_trims_as_trim_does() {
    for text in ["", "a", " ", "ab", " a", "a ", "\u{85}a\u{2003}", "é", "é a", "\u{0}a\u{1f}"] {
        assert_eq!(trim(text), text.trim(), "{text:?}");
    }
}
