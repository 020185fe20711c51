//! Lines that can be read in one way only, straight from a template's steps to an entry.
//!
//! Input: a template of the commonest fields and a message. Output: the entry that [`super::template::matching`] and
//! [`super::build`] make of it, or `None`: then these have to look. Never: a guess, a second try, or a copied text.
//!
//! # Why it is the same entry
//!
//! Each field ends at the first place where it can end, and what stands there is never given up: the walk that `matching`
//! begins with, too. If all of the line fits in that way, `matching` ends here as well; if anything does not, or a text is
//! escaped, or would become another one on its way into the entry, this gives up. Values are read by the same functions.

use memchr::{memchr, memchr3};

use super::build::{self, EntryRules};
use super::field::{LogField, is_absent};
use super::template::shapes;
use super::template::{FieldStep, Template, TemplateStep, TextClass};
use super::time::LastTime;
use super::time::zone::LocalTimes;
use super::{LogEntry, client, number, request};

/// Whether all steps of a template are of the kinds that are read here, each field at most once.
pub(super) fn can_read(steps: &[TemplateStep]) -> bool {
    let mut seen = 0_u32;
    let is_readable = |(place, step): (usize, &TemplateStep)| {
        let TemplateStep::Field(step) = step else { return true };
        if let Some(slot) = step.field.slot() {
            let bit = 1 << slot;
            if seen & bit != 0 {
                return false;
            }
            seen |= bit;
        }
        is_read_here(step) && (step.is_quoted || !is_text(step) || is_followed(steps, place))
    };
    steps.iter().enumerate().all(is_readable) && has(steps, LogField::Time) && has(steps, LogField::Request)
}

fn has(steps: &[TemplateStep], field: LogField) -> bool {
    steps.iter().any(|step| matches!(step, TemplateStep::Field(step) if step.field == field))
}

fn is_text(step: &FieldStep) -> bool {
    matches!(step.class, TextClass::Text | TextClass::Word | TextClass::Request)
}

/// Whether a text outside of quotes has a literal behind it, which says where it ends.
fn is_followed(steps: &[TemplateStep], place: usize) -> bool {
    matches!(steps.get(place + 1), Some(TemplateStep::Literal(_)))
}

fn is_read_here(step: &FieldStep) -> bool {
    let text_fields = || {
        matches!(
            step.field,
            LogField::Ignored
                | LogField::Who
                | LogField::Client
                | LogField::Forwarded
                | LogField::Request
                | LogField::Host
                | LogField::Referrer
                | LogField::Agent
        )
    };
    match step.class {
        TextClass::Text | TextClass::Word | TextClass::Request => text_fields(),
        TextClass::Time => step.field == LogField::Time,
        TextClass::Status => step.field == LogField::Status,
        TextClass::Number => {
            matches!(step.field, LogField::Ignored | LogField::Bytes | LogField::Duration(_))
        }
        TextClass::Between => step.field == LogField::Ignored,
        TextClass::More => step.field == LogField::Extras,
        _ => false,
    }
}

/// What a line's fields become an entry with.
pub(super) struct QuickRead<'r> {
    pub(super) last_time: &'r mut LastTime,
    pub(super) times: &'r mut LocalTimes,
    pub(super) rules: EntryRules,
    /// Whether something may follow the fields (see [`TextClass::More`]).
    pub(super) may_have_more: bool,
}

impl QuickRead<'_> {
    /// The entry of a message of this template, which [`can_read`] let through, and whose escapes all begin with a backslash.
    pub(super) fn entry<'m>(self, template: &Template, message: &'m [u8]) -> Option<LogEntry<'m>> {
        if memchr(b'\\', message).is_some() {
            return None;
        }
        let text = simdutf8::basic::from_utf8(message).ok()?;
        let mut draft = QuickDraft { entry: LogEntry::default(), client: None, forwarded: None };
        let (mut steps, mut at) = (template.steps().iter().peekable(), 0);
        while let Some(step) = steps.next() {
            match step {
                TemplateStep::Literal(literal) => {
                    message[at..].starts_with(literal).then_some(())?;
                    at += literal.len();
                }
                TemplateStep::Field(step) => {
                    let rest = &message[at..];
                    if matches!(step.class, TextClass::Time) {
                        let (moment, length) = self.last_time.at_start(rest)?;
                        draft.entry.received_at_micros =
                            self.times.instant(moment, self.rules.is_utc).ok()?;
                        at += length;
                        continue;
                    }
                    let start = at + usize::from(step.is_quoted);
                    let end = at + self.length(step, steps.peek().copied(), rest)?;
                    draft.take(step.field, text.get(start..end)?, self.rules)?;
                    at = end + usize::from(step.is_quoted);
                }
            }
        }
        (at == message.len()).then(|| draft.finish())
    }

    /// Where the text of a field ends first in what begins with it; a closing quote stands behind that.
    #[inline]
    fn length(&self, step: &FieldStep, next: Option<&TemplateStep>, rest: &[u8]) -> Option<usize> {
        if step.is_quoted {
            let text = rest.strip_prefix(b"\"")?;
            let length = memchr(b'"', text)?;
            let is_word = || length > 0 && memchr(b' ', &text[..length]).is_none();
            return (!matches!(step.class, TextClass::Word) || is_word()).then_some(length + 1);
        }
        match (&step.class, next) {
            // A `-` may be the next field, without its quotes.
            (TextClass::Number, _) if step.field == LogField::Ignored && rest.first() == Some(&b'-') => None,
            (TextClass::Number, _) => shapes::number(rest),
            (TextClass::Status, _) => shapes::status(rest),
            (TextClass::Between, _) => (rest.first() == Some(&b'"')).then_some(0),
            (TextClass::More, _) if rest.is_empty() => Some(0),
            (TextClass::More, _) => (self.may_have_more && shapes::is_balanced(rest)).then_some(rest.len()),
            (TextClass::Word, Some(TemplateStep::Literal(literal))) => {
                let length = memchr3(literal[0], b' ', b'"', rest)?;
                (length > 0 && rest[length..].starts_with(literal)).then_some(length)
            }
            (_, Some(TemplateStep::Literal(literal))) => shapes::before_literal(rest, literal),
            _ => None,
        }
    }
}

/// An entry whose fields are found one after the other.
struct QuickDraft<'m> {
    entry: LogEntry<'m>,
    client: Option<&'m str>,
    /// The list of addresses that a proxy made.
    forwarded: Option<&'m str>,
}

impl<'m> QuickDraft<'m> {
    /// Takes the text of a field. `None` where that is more than taking a part of it.
    #[inline]
    fn take(&mut self, field: LogField, text: &'m str, rules: EntryRules) -> Option<()> {
        if field == LogField::Ignored || is_absent(text.as_bytes()) {
            // A line that does not say who or what was asked for is read with more care.
            return (!matches!(field, LogField::Who | LogField::Request)).then_some(());
        }
        let (entry, trimmed) = (&mut self.entry, text.trim_ascii());
        match field {
            LogField::Who => {
                let who = client::before_time(text.as_bytes());
                self.client = who.client.map(|client| &text[client]);
                entry.host = who.host.map(|host| &text[host]).and_then(named_host);
                if has_capitals(entry.host) {
                    return None;
                }
            }
            LogField::Client => self.client = Some(trimmed),
            LogField::Forwarded => self.forwarded = Some(trimmed),
            LogField::Request => (entry.method, entry.path) = requested(trimmed, rules)?,
            LogField::Host => {
                entry.host = named_host(trimmed);
                if has_capitals(entry.host) {
                    return None;
                }
            }
            LogField::Referrer => entry.referrer = Some(trimmed),
            LogField::Agent => entry.user_agent = trimmed,
            LogField::Status => entry.status = number::status(text.as_bytes()),
            LogField::Bytes => entry.response_bytes = number::count(text.as_bytes()),
            LogField::Duration(unit) => entry.duration_micros = number::micros(text.as_bytes(), unit),
            LogField::Extras => {
                let named = || build::named_duration(text.as_bytes());
                entry.duration_micros = entry.duration_micros.or_else(named);
            }
            _ => return None,
        }
        Some(())
    }

    fn finish(self) -> LogEntry<'m> {
        let first = |list: &'m str| client::first_address(list.as_bytes()).map(|first| &list[first]);
        let client =
            || self.client.and_then(|text| client::of_field(text.as_bytes()).map(|client| &text[client]));
        LogEntry { client_ip: self.forwarded.and_then(first).or_else(client), ..self.entry }
    }
}

fn named_host(text: &str) -> Option<&str> {
    client::host_name(text.as_bytes()).map(|name| &text[name])
}

fn has_capitals(host: Option<&str>) -> bool {
    host.is_some_and(|host| host.bytes().any(|byte| byte.is_ascii_uppercase()))
}

/// Method and path of a request line that says both as most do.
#[inline]
fn requested(line: &str, rules: EntryRules) -> Option<(&str, &str)> {
    if !request::has_protocol(line.as_bytes()) {
        return None;
    }
    let (method, target) = request::split_line(line)?;
    let (method, target) = (&line[method], &line[target]);
    let is_method = request::can_be_method(method) && !method.bytes().any(|byte| byte.is_ascii_lowercase());
    if !is_method || !target.starts_with('/') || target.ends_with(|last: char| last.is_ascii_whitespace()) {
        return None;
    }
    let query = if rules.keep_query { None } else { memchr(b'?', target.as_bytes()) };
    Some((method, query.map_or(target, |query| &target[..query])))
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;
    use crate::entry::carry::Carry;
    use crate::entry::format::{Kind, LineFormat};
    use crate::entry::known;
    use crate::entry::message::{MessageReader, OpenedMessage};
    use crate::entry::{LineOutcome, ReaderOptions};

    /// Texts for a field, the usual ones first; some of them try to be taken for more than one.
    fn texts(step: &FieldStep) -> &'static [&'static str] {
        match (&step.class, step.field) {
            (_, LogField::Who) => &[
                "192.0.2.1 - -",
                "192.0.2.1 - frank",
                "2001:db8::1 - -",
                "192.0.2.1 - team lead",
                "192.0.2.1 - - x",
                "192.0.2.1 - a\"b",
                "192.0.2.1 - [28/Dec/2025:18:03:07 +0000]",
                "www.example.com 192.0.2.1 - -",
                "www.example.com:80 192.0.2.1 - -",
                "info.example:80 192.0.2.1 - frank",
                "debug 192.0.2.1 - -",
                "a.b 192.0.2.1:80 - -",
                "a.b - - -",
                "a.b 192.0.2.1 - -",
                "A.b 192.0.2.1 - -",
                "192.0.2.1:80 - -",
                "host - -",
                "- - -",
                "1 - -",
                "192.0.2.1, 192.0.2.2 - -",
                "192.0.2.1 - ",
                "",
            ],
            (_, LogField::Client) => {
                &["192.0.2.1", "2001:db8::1", "192.0.2.1:80", "[::1]:80", "unix:", "-", "", "a b"]
            }
            (_, LogField::Forwarded) => &["-", "192.0.2.9", "unknown, 192.0.2.8", "", "x"],
            (_, LogField::Request) => &[
                "GET /a HTTP/1.1",
                "GET /a?b=c HTTP/2.0",
                "POST / HTTP/2",
                "-",
                "",
                "get / HTTP/1.1",
                "GET /a b HTTP/1.1",
                "GET /a",
                "GET http://www.example.com/x HTTP/1.1",
                "CONNECT www.example.com:443 HTTP/1.1",
                "GET * HTTP/1.1",
                "GET  / HTTP/1.1",
                "GET /a\t HTTP/1.1",
                "GET /\u{e9}[b]|=: HTTP/1.1",
                "GET / HTTP/1.1\" 200 5 \"-\" \"x",
                " GET / HTTP/1.1",
                "\\x16\\x03",
                "G\"T / HTTP/1.1",
            ],
            (_, LogField::Host) => {
                &["www.example.com", "www.example.com:80", "WWW.example.com", "_", "-", ""]
            }
            (TextClass::Time, _) => &[
                "28/Dec/2025:18:03:07 +0000",
                "2025-12-28T18:03:07.125+01:00",
                "28/Dec/2025:18:03:07 -0230",
                "28/Dec/2025:18:03:07",
                "28/Dec/2025:18:03:07 CET",
                "Sun, 28 Dec 2025 18:03:07 GMT",
                "Sun Dec 28 18:03:07 2025",
                "28/Dec/1969:18:03:07 +0000",
                "31/Feb/2025:18:03:07 +0000",
            ],
            (TextClass::Status, _) => &["200", "404", "-", "0", "1000", "-1"],
            (TextClass::Number, _) => &["5", "0.005", "-", "0", "12.5", "-1", "+3", ""],
            (TextClass::Between, _) => &["", "x ", "0.004 "],
            (TextClass::More, _) => &[
                "",
                " \"-\"",
                " \"192.0.2.7, 192.0.2.8\"",
                " rt=0.005",
                " rt=\"0.5\"",
                " \"https://e.example/\" \"x\"",
                " 12 \"r\" \"b\" 5ms",
                " 123 0.4 [u] [] 192.0.2.3:80 5 0.1 200 0123456789abcdef0123456789abcdef",
                " 0.0123",
                " [x]",
                " \"GET /b HTTP/1.1\" 200 5 0.1 \"-\" \"x\" y \"z\"",
                "\"",
            ],
            _ => &[
                "-",
                "https://e.example/x?y",
                "Mozilla/5.0 (X11; Linux) Gecko",
                "",
                " a ",
                "a\" \"b",
                "a\" 200 5",
                "\u{e9}",
                "a [28/Dec/2025:18:03:07 +0000] h ",
                "[28/Dec/2025:18:03:07 +0000] \"GET / HTTP/1.1\" 200 5",
                "a|b=c",
                " HTTP/1.1",
                "x HTTP/1.1\" 200 5 \"-\" \"y",
                "a\\\"b",
                "a\\tb",
                "] h",
            ],
        }
    }

    fn line(steps: &[TemplateStep], choices: &[usize]) -> String {
        let mut choices = choices.iter().cycle();
        let of_step = |step: &TemplateStep| match step {
            TemplateStep::Literal(text) => String::from_utf8_lossy(text).into_owned(),
            TemplateStep::Field(step) => {
                let (texts, choice) = (texts(step), choices.next().copied().unwrap_or(0));
                let text = texts[choice % texts.len()];
                if step.is_quoted { format!("\"{text}\"") } else { text.to_owned() }
            }
        };
        steps.iter().map(of_step).collect()
    }

    fn quick<'m>(
        template: &Template,
        may_have_more: bool,
        message: &'m [u8],
        keep_query: bool,
    ) -> Option<LogEntry<'m>> {
        let (mut last_time, mut times) = (LastTime::default(), LocalTimes::new(None));
        let rules = EntryRules { keep_query, ..EntryRules::default() };
        QuickRead { last_time: &mut last_time, times: &mut times, rules, may_have_more }
            .entry(template, message)
    }

    /// What the reader makes of a message that was not read here.
    fn with_care(options: &ReaderOptions, message: &[u8]) -> Option<(String, &'static str)> {
        let mut reader = MessageReader::new(options.clone());
        let carry = Carry::default();
        let reading = match reader.given(&carry, message) {
            Some(given) => given.ok()?,
            None => match reader.open(message).ok()? {
                OpenedMessage::Text => reader.text(&carry, message).ok()?,
                _ => return None,
            },
        };
        let mut read = None;
        let each = &mut |outcome: LineOutcome<'_>| {
            if let LineOutcome::Entry { entry, format } = outcome {
                read = Some((format!("{entry:?}"), format));
            }
        };
        reader.emit(message, &reading, each).ok()?;
        read
    }

    /// Formats that people give their servers.
    const GIVEN: [&str; 6] = [
        r#"$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" "$http_x_forwarded_for" $request_time"#,
        r#"$host $remote_addr [$time_iso8601] $scheme "$request" $status $bytes_sent rt=$request_time ua="$http_user_agent" up=$upstream_addr;"#,
        r#"$http_x_real_ip|$time_local|$request|$status|$body_bytes_sent|$http_user_agent|"#,
        "%h %l %u %t \"%r\" %>s %b \"%{Referer}i\" \"%{User-Agent}i\" %D",
        "%V %a %t \"%r\" %>s %O \"%{User-Agent}i\" \"%{X-Forwarded-For}i\"",
        "[$time_local] \"$request\" $status",
    ];

    fn changes() -> impl Strategy<Value = Vec<(usize, &'static str, bool)>> {
        const TEXTS: &[&str] =
            &["\"", "[", "]", "|", "\\", " ", "=", ":", "-", "\u{e9}", "\t", "0", "<", "", "\" \""];
        vec((any::<usize>(), select(TEXTS), any::<bool>()), 0..3)
    }

    /// Puts texts into a line, before a character or in its place.
    fn changed(mut line: String, changes: &[(usize, &str, bool)]) -> String {
        for (at, text, replaces) in changes {
            let places: Vec<(usize, char)> = line.char_indices().collect();
            if let Some((start, old)) = places.get(at % places.len().max(1)) {
                let end = if *replaces { start + old.len_utf8() } else { *start };
                line.replace_range(*start..end, text);
            }
        }
        line
    }

    #[test]
    fn usual_lines_are_read_here() {
        for (row, want) in [("combined", 3), ("common", 1), ("apisix", 1), ("traefik", 0)] {
            let is_quick = |format: &&known::KnownFormat| {
                let line = line(format.steps(), &[0]);
                let template = format.quick_template(line.as_bytes());
                template
                    .is_some_and(|(template, more)| quick(template, more, line.as_bytes(), false).is_some())
            };
            assert_eq!(known::formats(Some(row)).filter(is_quick).count(), want, "{row}");
        }
        let vhost = r#"www.example.com:443 192.0.2.1 - - [28/Dec/2025:18:03:07 +0000] "GET /a HTTP/1.1" 200 5 "-" "x""#;
        let combined = known::formats(Some("combined")).next().unwrap();
        let (template, _) = combined.quick_template(vhost.as_bytes()).unwrap();
        let entry = quick(template, false, vhost.as_bytes(), false);
        assert_eq!(entry.and_then(|entry| entry.host), Some("www.example.com"));
        for given in GIVEN {
            let Kind::Given(line_of) = &*given.parse::<LineFormat>().unwrap().kind else { panic!("{given}") };
            let usual = line(line_of.template.steps(), &[0]);
            assert!(line_of.is_quick, "{given}");
            assert!(quick(&line_of.template, false, usual.as_bytes(), false).is_some(), "{usual}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 40_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_read_here_is_what_is_read_with_care(
            row in any::<usize>(),
            odd in any::<u16>(),
            choices in vec(0_usize..22, 12),
            changes in changes(),
            keep_query in any::<bool>(),
        ) {
            // Most fields are usual, so that many lines are read here.
            let choices: Vec<usize> =
                choices.iter().enumerate().map(|(at, choice)| choice * usize::from(odd >> at & 9 == 9)).collect();
            let rows: Vec<_> = known::formats(None).filter(|format| format.is_quick()).collect();
            let row = row % (rows.len() + GIVEN.len());
            let mut options = ReaderOptions { keep_query, ..ReaderOptions::default() };
            if let Some(row) = rows.get(row) {
                let line = changed(line(row.steps(), &choices), &changes);
                // Any row may have read the line before.
                for row in rows {
                    if let Some((template, more)) = (!line.is_empty()).then(|| row.quick_template(line.as_bytes())).flatten()
                        && let Some(entry) = quick(template, more, line.as_bytes(), keep_query)
                    {
                        let want = with_care(&options, line.as_bytes());
                        prop_assert_eq!(Some((format!("{entry:?}"), row.name)), want, "{}", line);
                    }
                }
            } else {
                options.format = GIVEN[row - rows.len()].parse().unwrap();
                let kind = std::sync::Arc::clone(&options.format.kind);
                let Kind::Given(given) = &*kind else { unreachable!("these are format strings") };
                let line = changed(line(given.template.steps(), &choices), &changes);
                if let Some(entry) = quick(&given.template, false, line.as_bytes(), keep_query) {
                    let want = with_care(&options, line.as_bytes());
                    prop_assert_eq!(Some((format!("{entry:?}"), "--format")), want, "{}", line);
                }
            }
        }
    }
}
