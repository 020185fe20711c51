//! `where`: conditions that choose entries, such as `status>=500,path=/checkout`.
//!
//! Input: the text of a `where`, and entries. Output: whether an entry meets all conditions. Both sides are compared after the
//! rules of [`super::rules`], so that a condition is written as the field is. A field that an entry lacks equals the empty
//! value alone: `route=` chooses entries without a route, `route!=` those with one. `key` is what an entry counts under by the
//! path rules of these [`Rules`]. Never: a condition that is ignored.

mod parse;

use std::borrow::Cow;
use std::cmp::Ordering;

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use super::agent::{Class, family};
use super::field::Field;
use super::raw::RawValue;
use super::rules::{self, Optional, Rules};

pub use parse::FilterError;

/// Agents whose family is remembered.
const MAX_REMEMBERED: usize = 10_000;

#[derive(Clone, Debug, PartialEq)]
pub struct Filter {
    conditions: Vec<Condition>,
}

/// How a value is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FilterOp {
    Equal,
    NotEqual,
    StartsWith,
    AtMost,
    AtLeast,
    Less,
    Greater,
}

#[derive(Clone, Debug, PartialEq)]
struct Condition {
    op: FilterOp,
    wanted: Comparand,
}

/// What is compared with what; `None` for the empty value.
#[derive(Clone, Debug, PartialEq)]
enum Comparand {
    ReceivedAt(u64),
    /// Of the three fields that hold numbers; a duration in microseconds.
    Number(Field, Option<u64>),
    Text(Field, Option<String>),
    Family(String),
    Class(Class),
    /// Of the dimension of paths.
    Key(String),
}

impl Filter {
    /// Whether an entry meets all conditions. `value` gives what stands in a field of it.
    pub(super) fn matches<'v>(
        &self,
        value: impl Fn(Field) -> RawValue<'v>,
        rules: &Rules<'_>,
        agents: &mut AgentNames,
    ) -> bool {
        self.conditions.iter().all(|condition| condition.is_met(&value, rules, agents))
    }
}

/// The text of a field after its rules; `None` where the entry has none.
fn text_of<'v>(field: Field, value: RawValue<'v>, rules: &Rules<'_>) -> Option<Cow<'v, str>> {
    let RawValue::Text(raw) = value else { return None };
    match raw.text {
        Cow::Borrowed(text) => read_text(field, text, rules),
        Cow::Owned(text) => read_text(field, &text, rules).map(|text| Cow::Owned(text.into_owned())),
    }
}

fn read_text<'v>(field: Field, text: &'v str, rules: &Rules<'_>) -> Option<Cow<'v, str>> {
    let text = rules::trim(text);
    match field {
        Field::METHOD => rules::method(text).ok(),
        Field::PATH => rules.path(text).ok().map(|(path, _)| path.into()),
        Field::USER_AGENT => Some(rules::user_agent(text).0.into()),
        _ if rules::is_absent(text) => None,
        Field::ROUTE => Some(rules.target(text).0.into()),
        Field::CLIENT_IP => read(rules::client(text)).map(|client| client.to_string().into()),
        field => read(rules::key_of_text(field.text()?, text)),
    }
}

fn read<T>(optional: Optional<T>) -> Option<T> {
    match optional {
        Optional::Read(value) => Some(value),
        Optional::Absent | Optional::Unreadable => None,
    }
}

impl Condition {
    fn is_met<'v>(
        &self,
        value: &impl Fn(Field) -> RawValue<'v>,
        rules: &Rules<'_>,
        agents: &mut AgentNames,
    ) -> bool {
        match &self.wanted {
            Comparand::ReceivedAt(wanted) => {
                let found = rules.received_at(&value(Field::RECEIVED_AT));
                found.is_ok_and(|found| self.op.holds(found.cmp(wanted)))
            }
            Comparand::Number(field, wanted) => {
                let found = rules::optional_number(*field, &value(*field));
                match (found, wanted) {
                    (Some(found), Some(wanted)) => self.op.holds(found.cmp(wanted)),
                    (found, wanted) => self.op.holds_of_absent(found == *wanted),
                }
            }
            Comparand::Text(field, wanted) => {
                let found = visible_text(*field, value, rules);
                self.op.holds_of_text(found.as_deref(), wanted.as_deref())
            }
            Comparand::Family(wanted) => agents
                .with(&value(Field::USER_AGENT), |name, _| self.op.holds_of_text(Some(name), Some(wanted))),
            Comparand::Class(wanted) => {
                agents.with(&value(Field::USER_AGENT), |_, class| self.op.holds_of_absent(class == *wanted))
            }
            Comparand::Key(wanted) => self.op.holds_of_text(key(value, rules).as_deref(), Some(wanted)),
        }
    }
}

/// `METHOD route`, or `METHOD path` by the path rules; `None` of what would not be accepted.
fn key<'v>(value: &impl Fn(Field) -> RawValue<'v>, rules: &Rules<'_>) -> Option<String> {
    let text = |field: Field| text_of(field, value(field), rules);
    let (method, path, route) = (text(Field::METHOD)?, text(Field::PATH)?, text(Field::ROUTE));
    let sent = (route.as_deref().unwrap_or(&path), route.is_some());
    let mut buffer = String::new();
    let counted = match &rules.limits.path_rules {
        Some(path_rules) => path_rules.counted(&method, sent, &mut buffer),
        None => sent.0,
    };
    Some(format!("{method} {counted}"))
}

/// The text of a field, unless it says nothing beside another one.
fn visible_text<'v>(
    field: Field,
    value: &impl Fn(Field) -> RawValue<'v>,
    rules: &Rules<'_>,
) -> Option<Cow<'v, str>> {
    let found = text_of(field, value(field), rules)?;
    let other = field.text().and_then(|text| rules::UNLESS_EQUAL_TO[text]).map(Field::of_text);
    let is_said = other.is_some_and(|other| text_of(other, value(other), rules).as_deref() == Some(&*found));
    (!is_said).then_some(found)
}

impl FilterOp {
    fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::NotEqual => order.is_ne(),
            Self::AtMost => order.is_le(),
            Self::AtLeast => order.is_ge(),
            Self::Less => order.is_lt(),
            Self::Greater => order.is_gt(),
            Self::StartsWith => false,
        }
    }

    /// The same of values of which one may be absent, and which are equal or not.
    fn holds_of_absent(self, is_equal: bool) -> bool {
        match self {
            Self::Equal => is_equal,
            Self::NotEqual => !is_equal,
            _ => false,
        }
    }

    fn holds_of_text(self, found: Option<&str>, wanted: Option<&str>) -> bool {
        match (self, found, wanted) {
            (Self::StartsWith, Some(found), Some(wanted)) => found.starts_with(wanted),
            _ => self.holds_of_absent(found == wanted),
        }
    }
}

/// Families and classes by agent: finding them costs more than all other work for an entry.
#[derive(Debug, Default)]
pub(super) struct AgentNames(HashMap<Box<str>, (Box<str>, Class), RandomState>);

impl AgentNames {
    fn with(&mut self, value: &RawValue<'_>, is_met: impl FnOnce(&str, Class) -> bool) -> bool {
        let RawValue::Text(raw) = value else { return false };
        let (agent, _) = rules::user_agent(&raw.text);
        if let Some((name, class)) = self.0.get(agent) {
            return is_met(name, *class);
        }
        let family = family(agent);
        if self.0.len() < MAX_REMEMBERED {
            self.0.insert(agent.into(), (family.name().into(), family.class()));
        }
        is_met(family.name(), family.class())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::limits::Limits;
    use crate::batch::number::Number;
    use crate::batch::raw::RawEntry;
    use crate::dimension::text_field;

    fn entry() -> RawEntry<'static> {
        let mut entry = RawEntry::default();
        for (field, value) in [
            (Field::RECEIVED_AT, RawValue::text("2025-12-28T18:03:07.250Z")),
            (Field::METHOD, RawValue::text("get")),
            (Field::PATH, RawValue::text(" /api/a,b?x=1 ")),
            (Field::ROUTE, RawValue::text("/api/{id}")),
            (Field::USER_AGENT, RawValue::text("Mozilla/5.0 (compatible; GPTBot/1.2)")),
            (Field::STATUS, RawValue::text("503")),
            (Field::DURATION, RawValue::Number(Number::from_units(25, 1))),
            (Field::CLIENT_IP, RawValue::text("[2001:DB8::1]:443")),
            (Field::of_text(0), RawValue::text("Example.COM:8080")),
            (Field::of_text(1), RawValue::text("https://example.com/x")),
        ] {
            entry.set(field, value);
        }
        entry
    }

    fn meets(text: &str) -> bool {
        let limits = Limits::default();
        let filter = Filter::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let entry = entry();
        filter.matches(
            |field| entry.get(field).clone(),
            &Rules::without_clock(&limits),
            &mut AgentNames::default(),
        )
    }

    #[test]
    fn an_entry_meets_what_is_true_of_it() {
        let host = text_field(0).name;
        for text in [
            "status>=500",
            "status=503,method=GET",
            "status!=200",
            "path=/api/a\\,b",
            "path^=/api/",
            "route=/api/{id}",
            "route!=",
            "durationSeconds>2,durationSeconds<=2.5",
            "responseBytes=",
            "responseBytes!=7",
            "clientIp=2001:db8::1",
            "clientIp^=2001:DB8:",
            "family=GPTBot",
            "family^=GPT,class=ai",
            "class!=browser",
            "key=GET /api/{id}",
            "key=get /api/{id},key!=GET /api/a\\,b,key^=G,key!=",
            "userAgent^=Mozilla/",
            "receivedAt>=2025-12-28T18:03:07.25Z,receivedAt<1766944988",
            &format!("{host}=EXAMPLE.com:443"),
            &format!("{host}^=Exa"),
            // It is the host.
            &format!("{}=", text_field(1).name),
        ] {
            assert!(meets(text), "{text}");
        }
    }

    #[test]
    fn a_backslash_before_a_comma_or_a_backslash_takes_its_meaning_away() {
        let limits = Limits::default();
        let path = |condition: &str, path: &'static str| {
            let filter = Filter::parse(condition).unwrap();
            let value = |field| if field == Field::PATH { RawValue::text(path) } else { RawValue::Missing };
            filter.matches(value, &Rules::without_clock(&limits), &mut AgentNames::default())
        };
        assert!(
            path(r"path=/a\\,path!=/b", r"/a\")
                && path(r"path=/a\b\,c", r"/a\b,c")
                && !path(r"path=/a\\\,", r"/a\")
        );
        assert!(path(r"path=/a\\\,", r"/a\,"));
    }

    #[test]
    fn an_entry_does_not_meet_what_is_false_of_it() {
        for text in [
            "status<500",
            "status=",
            "status=503,method=POST",
            "path=/api/{id}",
            "path=/api/a\\,b?x=1",
            "route=",
            "responseBytes<7",
            "responseBytes>=0",
            "durationSeconds=2",
            "clientIp=192.0.2.1",
            "family=gptbot",
            "class=bot",
            "key=GET /api/a\\,b",
            "key^=GET /API/",
            "key=",
            "receivedAt<2025-12-28T18:03:07Z",
        ] {
            assert!(!meets(text), "{text}");
        }
    }
}
