//! What the text of each field must be. One copy of the rules, used by the reference path and the fast path.
//!
//! In come field texts without JSON escapes and the limits of the batch; out go trimmed texts and minutes.
//! "Trimmed" means Unicode white space, as `str::trim` sees it.

use std::borrow::Cow;

use super::error::{Field, ItemError};
use super::{Limits, Overlong};
use crate::base::token;
use crate::time::{self, TimeError};

/// The limits of one batch, with the clock already applied.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules<'l> {
    /// The limits as configured.
    pub(super) limits: &'l Limits,
    /// The latest `receivedAt` that is not too far ahead.
    pub(super) latest_ms: u64,
}

impl<'l> Rules<'l> {
    pub(super) fn new(limits: &'l Limits, now_ms: u64) -> Self {
        Self { limits, latest_ms: now_ms.saturating_add(limits.max_future_ms) }
    }

    /// Milliseconds since 1970 of a `receivedAt`.
    pub(super) fn received_at_ms(&self, text: &str) -> Result<u64, ItemError> {
        match time::parse_rfc3339(text) {
            Ok(ms) if ms > self.latest_ms => {
                Err(ItemError::TooFarAhead { max_future_ms: self.limits.max_future_ms })
            }
            Ok(ms) => Ok(ms),
            Err(TimeError::Malformed) => Err(ItemError::NotATime),
            Err(TimeError::OutOfRange) => Err(ItemError::TimeOutOfRange),
        }
    }

    /// The trimmed path, and whether it was cut.
    #[inline(always)]
    pub(super) fn path<'t>(&self, text: &'t str) -> Result<(&'t str, bool), ItemError> {
        let path = trim(text);
        if path.is_empty() {
            return Err(ItemError::EmptyPath);
        }
        self.fit(path, Field::Path, self.limits.max_path_bytes)
    }

    /// The trimmed user agent, and whether it was cut.
    #[inline(always)]
    pub(super) fn user_agent<'t>(&self, text: &'t str) -> Result<(&'t str, bool), ItemError> {
        self.fit(trim(text), Field::UserAgent, self.limits.max_agent_bytes)
    }

    #[inline(always)]
    fn fit<'t>(&self, text: &'t str, field: Field, max_bytes: usize) -> Result<(&'t str, bool), ItemError> {
        if text.len() <= max_bytes {
            return Ok((text, false));
        }
        match self.limits.overlong {
            Overlong::Refuse => Err(ItemError::TooLong { field, max_bytes }),
            Overlong::Truncate => Ok((&text[..text.floor_char_boundary(max_bytes)], true)),
        }
    }
}

/// The trimmed, upper-cased method.
pub(super) fn method(text: &str) -> Result<Cow<'_, str>, ItemError> {
    let method = text.trim();
    if !token::is_method(method.as_bytes()) {
        return Err(ItemError::NotAMethod);
    }
    if method.bytes().any(|b| b.is_ascii_lowercase()) {
        Ok(Cow::Owned(method.to_ascii_uppercase()))
    } else {
        Ok(Cow::Borrowed(method))
    }
}

/// `str::trim`, with a short cut for the usual text that begins and ends with a visible ASCII character.
#[inline(always)]
fn trim(text: &str) -> &str {
    match text.as_bytes() {
        [] => text,
        [only] if only.is_ascii_graphic() => text,
        [first, .., last] if first.is_ascii_graphic() && last.is_ascii_graphic() => text,
        _ => text.trim(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn overlong_texts_are_refused_or_cut_at_a_character() {
        let mut limits = Limits { max_path_bytes: 5, max_agent_bytes: 2, ..Limits::default() };
        let long = ItemError::TooLong { field: Field::Path, max_bytes: 5 };
        assert_eq!(Rules::new(&limits, 0).path("/abcde"), Err(long));
        assert_eq!(Rules::new(&limits, 0).path("  /abcd  "), Ok(("/abcd", false)));
        assert_eq!(Rules::new(&limits, 0).path(" \u{a0} "), Err(ItemError::EmptyPath));
        limits.overlong = Overlong::Truncate;
        assert_eq!(Rules::new(&limits, 0).path("/abéé"), Ok(("/abé", true)));
        assert_eq!(
            Rules::new(&limits, 0).path("/abcéé"),
            Ok(("/abc", true)).map(|_| ("/abcé".split_at(4).0, true))
        );
        assert_eq!(Rules::new(&limits, 0).user_agent("€"), Ok(("", true)));
        assert_eq!(Rules::new(&limits, 0).user_agent("  "), Ok(("", false)));
    }

    #[test]
    fn short_cut_trims_like_trim() {
        for text in ["", "a", " ", "ab", " a", "a ", "\u{85}a\u{2003}", "é", "é a", "\u{0}a\u{1f}"] {
            assert_eq!(trim(text), text.trim(), "{text:?}");
        }
    }
}
