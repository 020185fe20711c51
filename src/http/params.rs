//! The query part of a request target as named parameters.
//!
//! Input: the query part. Output: values by name, or 400. `%XX` is decoded; `+` stays as it is, so that an offset like
//! `+01:00` need not be encoded. Never: a parameter that is ignored. An unknown or repeated one is refused, so that a
//! mistyped name is noticed.

use super::Head;
use super::errors::Problem;
use crate::base::hex::percent_decoded;
use crate::time;

/// The parameters of one request.
pub(super) struct Params(Vec<(&'static str, String)>);

impl Params {
    /// Reads the parameters, which must be among `known`.
    pub(super) fn of(head: &Head, known: &[&'static str]) -> Result<Self, Problem> {
        let mut params: Vec<(&'static str, String)> = Vec::new();
        for pair in head.query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decode(name)?;
            let Some(name) = known.iter().find(|known| **known == name) else {
                let list = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                return Err(bad(format!("unknown parameter {name:?}; known here: {list}")));
            };
            if params.iter().any(|(other, _)| other == name) {
                return Err(bad(format!("parameter {name} is given more than once")));
            }
            params.push((name, decode(value)?));
        }
        Ok(Self(params))
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(other, _)| *other == name).map(|(_, value)| value.as_str())
    }

    /// A required instant, in milliseconds.
    pub(super) fn instant(&self, name: &str) -> Result<u64, Problem> {
        let text = self.get(name).ok_or_else(|| bad(format!("parameter {name} is missing")))?;
        // HTML forms encode the blank, which may replace the T, as a plus.
        let text = match text.as_bytes().get(10) {
            Some(b'+') => format!("{} {}", &text[..10], &text[11..]),
            _ => text.to_owned(),
        };
        time::parse_rfc3339(&text).map_err(|error| {
            bad(match error {
                time::TimeError::Malformed => {
                    format!("{name} must be an RFC 3339 time like 2025-12-28T18:00:00Z")
                }
                time::TimeError::OutOfRange => format!("{name} must lie in the years 1970 to 9999"),
            })
        })
    }

    /// `true` or `false`; false where the parameter is missing.
    pub(super) fn flag(&self, name: &str) -> Result<bool, Problem> {
        match self.get(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(bad(format!("{name} must be true or false"))),
        }
    }

    /// A number from `least` to `most`, or the default where the parameter is missing. `most_is` explains `most`.
    pub(super) fn number(
        &self,
        name: &str,
        default: usize,
        (least, most): (usize, usize),
        most_is: &str,
    ) -> Result<usize, Problem> {
        let Some(text) = self.get(name) else { return Ok(default) };
        let number = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
        number
            .filter(|number| (least..=most).contains(number))
            .ok_or_else(|| bad(format!("{name} must be a number from {least} to {most}{most_is}")))
    }
}

pub(super) fn bad(description: impl Into<String>) -> Problem {
    Problem::http(400, description.into())
}

fn decode(text: &str) -> Result<String, Problem> {
    let broken = || bad("the query part of the target is not percent-encoded UTF-8");
    percent_decoded(text.as_bytes()).and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(broken)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(query: &str) -> Result<Params, Problem> {
        let head = Head { query: query.to_owned(), ..Head::default() };
        Params::of(&head, &["from", "n"])
    }

    #[test]
    fn instants_come_with_any_offset_encoded_or_not() {
        for query in [
            "from=2025-12-28T18:03:00Z",
            "n=1&from=2025-12-28T19:33:00+01:30&",
            "from=2025-12-28T19%3A33%3A00%2B01%3A30",
            "from=2025-12-28+18:03:00Z",
            "from=2025-12-28%2018:03:00.0Z",
        ] {
            assert_eq!(params(query).unwrap().instant("from"), Ok(1_766_944_980_000), "{query}");
        }
        for query in ["", "from", "from=", "from=now", "from=2025-12-28", "from=1969-12-31T00:00:00Z"] {
            assert_eq!(params(query).unwrap().instant("from").unwrap_err().status, 400, "{query}");
        }
    }

    #[test]
    fn what_is_unknown_doubled_or_badly_encoded_is_refused() {
        for query in ["form=1", "n=1&n=1", "n=%", "n=%4", "n=%zz", "n=%+1", "n=%FF", "%6E=1&n=2", "N=1"] {
            assert!(params(query).is_err(), "{query}");
        }
        let number = |query: &str| params(query).unwrap().number("n", 10, (1, 20), "").ok();
        for (query, expected) in [
            ("", Some(10)),
            ("n=1", Some(1)),
            ("n=020", Some(20)),
            ("n=21", None),
            ("n=0", None),
            ("n=", None),
        ] {
            assert_eq!(number(query), expected, "{query}");
        }
        for query in ["n=-1", "n=+1", "n=1.0", "n=99999999999999999999999", "n=é"] {
            assert_eq!(number(query), None, "{query}");
        }
    }
}
