//! JSON log lines: the fields of nginx (as people name them), Caddy, Traefik and of our own entries.
//!
//! In comes a line; out go the texts an entry is made of, borrowed where JSON allows. Of several fields that could be
//! the same thing the most specific one counts, wherever it stands: the order of fields is nobody's to rely on.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::line::Bad;
use super::ncsa;

/// What a line says.
#[derive(Debug, PartialEq)]
pub(super) struct Fields<'l> {
    pub(super) time: Time<'l>,
    pub(super) method: Cow<'l, str>,
    pub(super) target: Cow<'l, str>,
    /// The target is the `path` of an entry of ours.
    pub(super) is_native: bool,
    pub(super) agent: Cow<'l, str>,
}

/// A time as it was written.
#[derive(Debug, PartialEq)]
pub(super) enum Time<'l> {
    Text(Cow<'l, str>),
    /// Seconds since 1970.
    Seconds(f64),
}

/// Names of times, the most specific first.
const TIMES: [&str; 10] = [
    "receivedAt",
    "time_iso8601",
    "StartUTC",
    "ts",
    "msec",
    "@timestamp",
    "timestamp",
    "time",
    "time_local",
    "StartLocal",
];
const METHODS: [&str; 4] = ["method", "request_method", "RequestMethod", "http_method"];
const TARGETS: [&str; 5] = ["path", "request_uri", "RequestPath", "uri", "url"];
const AGENTS: [&str; 5] = ["userAgent", "http_user_agent", "user_agent", "agent", "request_User-Agent"];

/// Finds the fields of a line.
pub(super) fn fields(line: &str) -> Result<Fields<'_>, Bad> {
    let Found { time, method, target, agent, request } =
        serde_json::from_str(line).map_err(|_| Bad::NotJson)?;
    let is_native = [&time, &target].into_iter().all(|found| matches!(found, Some((0, _))));
    let time = match time.map(|(_, value)| value).ok_or(Bad::Missing("time"))? {
        Value::Text(text) => Time::Text(text),
        Value::Number(seconds) => Time::Seconds(seconds),
        Value::Other => return Err(Bad::NoTime),
    };
    let (mut method, mut target, mut agent) = (text(method), text(target), text(agent));
    match request {
        Some(Request::Line(line)) if method.is_none() || target.is_none() => {
            let (m, t) = ncsa::method_and_target(line.as_bytes())?;
            let owned = |bytes| Cow::Owned(String::from_utf8_lossy(bytes).into_owned());
            method = method.or_else(|| Some(owned(m)));
            target = target.or_else(|| Some(owned(t)));
        }
        None | Some(Request::Line(_)) => {}
        Some(Request::Object(inner)) => {
            method = method.or(inner.method);
            target = target.or(inner.uri);
            agent = agent.or(inner.agent);
        }
    }
    Ok(Fields {
        time,
        method: method.ok_or(Bad::Missing("method"))?,
        target: target.ok_or(Bad::Missing("path"))?,
        is_native,
        agent: agent.unwrap_or_default(),
    })
}

fn text<'l>(found: Option<(usize, Value<'l>)>) -> Option<Cow<'l, str>> {
    match found {
        Some((_, Value::Text(text))) => Some(text),
        _ => None,
    }
}

/// What is known of an object so far; each with its place in its list of names.
#[derive(Default)]
struct Found<'l> {
    time: Option<(usize, Value<'l>)>,
    method: Option<(usize, Value<'l>)>,
    target: Option<(usize, Value<'l>)>,
    agent: Option<(usize, Value<'l>)>,
    request: Option<Request<'l>>,
}

enum Value<'l> {
    Text(Cow<'l, str>),
    Number(f64),
    Other,
}

/// nginx's `$request`, or Caddy's object of that name.
enum Request<'l> {
    Line(Cow<'l, str>),
    Object(Inner<'l>),
}

#[derive(Default)]
struct Inner<'l> {
    method: Option<Cow<'l, str>>,
    uri: Option<Cow<'l, str>>,
    agent: Option<Cow<'l, str>>,
}

/// A key, so far as it is of use.
struct Key<'l>(Cow<'l, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor).map(Key)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}

impl<'de> Deserialize<'de> for Found<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FoundVisitor)
    }
}

struct FoundVisitor;

impl<'de> Visitor<'de> for FoundVisitor {
    type Value = Found<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Found<'de>, A::Error> {
        let mut found = Found::default();
        while let Some(Key(key)) = map.next_key()? {
            let place = |names: &[&str]| names.iter().position(|name| *name == key);
            let (slot, rank) = if let Some(rank) = place(&TIMES) {
                (&mut found.time, rank)
            } else if let Some(rank) = place(&METHODS) {
                (&mut found.method, rank)
            } else if let Some(rank) = place(&TARGETS) {
                (&mut found.target, rank)
            } else if let Some(rank) = place(&AGENTS) {
                (&mut found.agent, rank)
            } else if key == "request" {
                if let RequestValue(Some(request)) = map.next_value()? {
                    found.request = Some(request);
                }
                continue;
            } else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let value = map.next_value()?;
            if slot.as_ref().is_none_or(|(other, _)| rank < *other) {
                *slot = Some((rank, value));
            }
        }
        Ok(found)
    }
}

impl<'de> Deserialize<'de> for Value<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Value<'de>, E> {
        Ok(Value::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value<'de>, E> {
        Ok(Value::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value<'de>, E> {
        Ok(Value::Number(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value<'de>, E> {
        Ok(Value::Number(number as f64))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value<'de>, E> {
        Ok(Value::Number(number as f64))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Value<'de>, E> {
        Ok(Value::Other)
    }

    fn visit_unit<E>(self) -> Result<Value<'de>, E> {
        Ok(Value::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value<'de>, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value<'de>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Value::Other)
    }
}

/// `request`, where it is one of the two things it can be.
struct RequestValue<'l>(Option<Request<'l>>);

impl<'de> Deserialize<'de> for RequestValue<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RequestVisitor)
    }
}

struct RequestVisitor;

impl<'de> Visitor<'de> for RequestVisitor {
    type Value = RequestValue<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a request")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(RequestValue(Some(Request::Line(Cow::Borrowed(text)))))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(RequestValue(Some(Request::Line(Cow::Owned(text.to_owned())))))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(RequestValue(None))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut inner = Inner::default();
        while let Some(Key(key)) = map.next_key()? {
            match &*key {
                "method" => inner.method = text(Some((0, map.next_value()?))),
                "uri" | "url" => inner.uri = text(Some((0, map.next_value()?))),
                "headers" => inner.agent = map.next_value::<Headers<'de>>()?.0,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(RequestValue(Some(Request::Object(inner))))
    }
}

/// The user agent among headers, each a list of texts.
struct Headers<'l>(Option<Cow<'l, str>>);

impl<'de> Deserialize<'de> for Headers<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(HeadersVisitor)
    }
}

struct HeadersVisitor;

impl<'de> Visitor<'de> for HeadersVisitor {
    type Value = Headers<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("headers")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Headers<'de>, A::Error> {
        let mut agent = None;
        while let Some(Key(key)) = map.next_key()? {
            if key.eq_ignore_ascii_case("user-agent") {
                let values: Vec<Key<'de>> = map.next_value()?;
                agent = values.into_iter().next().map(|Key(text)| text);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(Headers(agent))
    }
}
