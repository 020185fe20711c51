//! How a body of log lines is read, as parameters: of a request, of a journal record, of an object in a cluster.
//!
//! Input: names and values. Output: a [`Reader`], and one canonical text that gives the same reader again. Never: a parameter
//! that is ignored.

use std::fmt;

use super::carry::encoded;
use super::{FormatError, InvalidState, Reader, ReaderOptions, UnknownZone};
use crate::base::hex::percent_decoded;

/// The text may not be longer: it stands in journal records and in headers.
const MAX_TEXT_BYTES: usize = 16 * 1024;

/// How log lines are read, checked.
#[derive(Clone, Debug)]
pub struct LineParameters {
    options: ReaderOptions,
    /// `NAME=VALUE&…` in the order of [`LineParameters::NAMES`]; bytes that are not visible ASCII, `%` and `&` are
    /// percent-encoded.
    text: String,
}

/// Why parameters are refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParameterError {
    /// The format is not understood.
    Format(FormatError),
    /// The zone does not exist.
    Zone(UnknownZone),
    /// A part of a reader's state is wrong.
    State(InvalidState),
    /// A flag is neither true nor false.
    Flag(&'static str),
    /// All parameters together are too long.
    TooLong,
    /// The stored text of the parameters is not canonical.
    Text,
}

impl fmt::Display for ParameterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Format(error) => write!(f, "format: {error}"),
            Self::Zone(error) => write!(f, "timezone: {error}"),
            Self::State(error) => error.fmt(f),
            Self::Flag(name) => write!(f, "{name} must be true or false"),
            Self::TooLong => write!(f, "the parameters are longer than {} KiB", MAX_TEXT_BYTES >> 10),
            Self::Text => f.write_str("not the parameters of log lines"),
        }
    }
}

impl std::error::Error for ParameterError {}

impl PartialEq for LineParameters {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for LineParameters {}

impl LineParameters {
    /// The names of all parameters: the options, then the reader's state (see [`Reader::state`]).
    pub const NAMES: [&str; 9] =
        ["format", "timezone", "keep-query", "fields", "time-taken", "date", "stdout", "stderr", "export"];
    /// How many of the names are options.
    const OPTIONS: usize = 3;

    /// Checks the values that `value` has for the names.
    pub fn new<'v>(value: impl Fn(&'static str) -> Option<&'v str>) -> Result<Self, ParameterError> {
        let mut options = ReaderOptions::default();
        if let Some(format) = value("format") {
            options.format = format.parse().map_err(ParameterError::Format)?;
        }
        if let Some(zone) = value("timezone") {
            options.timezone = Some(zone.parse().map_err(ParameterError::Zone)?);
        }
        options.keep_query = match value("keep-query") {
            None | Some("false") => false,
            Some("true" | "") => true,
            Some(_) => return Err(ParameterError::Flag("keep-query")),
        };
        let is_said = |name: &&'static str| match *name {
            "format" => !options.format.is_auto(),
            "keep-query" => options.keep_query,
            _ => true,
        };
        let said = Self::NAMES.into_iter().filter(is_said).filter_map(|name| Some((name, value(name)?)));
        let pairs: Vec<String> = said.map(|(name, value)| format!("{name}={}", plain(name, value))).collect();
        let text = pairs.join("&");
        if text.len() > MAX_TEXT_BYTES {
            return Err(ParameterError::TooLong);
        }
        let parameters = Self { options, text };
        parameters.resumed(&parameters.options).map_err(ParameterError::State)?;
        Ok(parameters)
    }

    /// Reads what [`text`](Self::text) gave.
    pub fn from_text(text: &str) -> Result<Self, ParameterError> {
        let mut values: Vec<(&'static str, String)> = Vec::new();
        for (name, value) in pairs(text) {
            let name = Self::NAMES.into_iter().find(|known| *known == name).ok_or(ParameterError::Text)?;
            let value = percent_decoded(value.as_bytes()).and_then(|value| String::from_utf8(value).ok());
            values.push((name, value.ok_or(ParameterError::Text)?));
        }
        Self::new(|name| values.iter().find(|(other, _)| *other == name).map(|(_, value)| value.as_str()))
    }

    /// The canonical text: equal for equal meanings, empty where nothing is said.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The reader of a body. `keep_query`: keep query strings whatever the parameters say.
    #[must_use]
    pub fn reader(&self, keep_query: bool) -> Reader {
        let options = ReaderOptions { keep_query: self.keeps_query() || keep_query, ..self.options.clone() };
        self.resumed(&options).expect("the state was checked")
    }

    /// Whether query strings stay part of paths.
    #[must_use]
    pub fn keeps_query(&self) -> bool {
        self.options.keep_query
    }

    fn resumed(&self, options: &ReaderOptions) -> Result<Reader, InvalidState> {
        let state = pairs(&self.text).filter(|(name, _)| Self::NAMES[Self::OPTIONS..].contains(name));
        Reader::resume(options.clone(), state)
    }
}

/// A value as it stands in the text: a flag by its meaning, anything else percent-encoded where it must be.
fn plain(name: &str, value: &str) -> String {
    match name {
        "keep-query" => "true".to_owned(),
        _ => encoded(value.as_bytes()),
    }
}

fn pairs(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[(&'static str, &'static str)]) -> Result<LineParameters, ParameterError> {
        LineParameters::new(|name| values.iter().find(|(other, _)| *other == name).map(|(_, value)| *value))
    }

    #[test]
    fn the_text_gives_the_same_parameters_again() {
        for values in [
            &[][..],
            &[("format", "auto"), ("keep-query", "false")],
            &[("format", "$remote_addr [$time_local] \"$request\" 100%&"), ("timezone", "Europe/Berlin")],
            &[
                ("keep-query", "true"),
                ("fields", " date time cs-uri-stem é"),
                ("date", "2024-12-28 00:00:01"),
            ],
            &[("timezone", "+02:00"), ("stdout", "half a line & 50%"), ("export", "yes")],
        ] {
            let parameters = of(values).unwrap();
            assert_eq!(LineParameters::from_text(parameters.text()), Ok(parameters.clone()), "{values:?}");
            assert!(parameters.text().bytes().all(|byte| byte.is_ascii_graphic()), "{}", parameters.text());
        }
        assert_eq!(of(&[("format", "auto"), ("keep-query", "false")]).unwrap().text(), "");
        assert_eq!(of(&[("keep-query", "")]).unwrap().text(), "keep-query=true");
        let state = of(&[("stdout", "half a line & 50%")]).unwrap().reader(false).state();
        assert_eq!(state, [("stdout", "half%20a%20line%20%26%2050%25".to_owned())]);
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_its_name() {
        for (values, word) in [
            (&[("format", "combind")][..], "format"),
            (&[("timezone", "Mars/Olympus")], "timezone"),
            (&[("keep-query", "maybe")], "keep-query"),
            (&[("time-taken", "minutes")], "time-taken"),
        ] {
            let error = of(values).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
        assert_eq!(LineParameters::from_text("dedup=body"), Err(ParameterError::Text));
        assert_eq!(LineParameters::from_text("format=%zz"), Err(ParameterError::Text));
        let long: &'static str = "x".repeat(MAX_TEXT_BYTES).leak();
        assert_eq!(of(&[("stdout", long)]), Err(ParameterError::TooLong));
    }
}
