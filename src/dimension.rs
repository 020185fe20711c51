//! The dimensions that windows count requests by. This is the only place that names them: batches, summaries, windows,
//! files, checks and queries go through [`DIMENSIONS`], so that another dimension is another line of that table.
//!
//! Input: the text of an entry's field. Output: the key it is counted under, and how many keys a window names.
//! Never: counts, or anything of how entries are read.

use std::borrow::Cow;
use std::net::Ipv6Addr;

/// The key that counts those keys which a window does not name. No dimension makes a key that begins with a
/// parenthesis: a path begins with a method, a family with a letter, and hosts contain none.
pub const OTHER: &str = "(other)";

/// The memory that the keys of one window may take together, see [`Dimension::max_bytes`].
const WINDOW_KEY_BYTES: usize = 16 << 20;

/// One way of dividing the requests of a window.
#[derive(Debug)]
pub struct Dimension {
    /// Its name in queries, and in a window's `folded`.
    pub name: &'static str,
    /// What follows `requestsBy`, `robotsBy` and `measuresBy` in a window.
    pub suffix: &'static str,
    pub source: KeySource,
    /// Keys that a window names. A full table is folded, see `windows::fold`.
    pub max_keys: usize,
    /// Bytes that its keys may take in a window: their text, and 8 for each cell of their measures.
    pub max_bytes: usize,
    /// Whether measures (status, bytes, durations) are kept for each key.
    pub is_measured: bool,
}

/// Where the keys of a dimension come from.
#[derive(Debug)]
pub enum KeySource {
    /// Method and route, or method and path; every entry has one.
    Path,
    /// The family of the user agent; every entry has one.
    Family,
    /// An optional text of the entry.
    Text(TextField),
}

impl KeySource {
    /// Whether every entry has a key, so that the counts by key sum to the requests.
    pub fn is_in_every_entry(&self) -> bool {
        !matches!(self, Self::Text(_))
    }
}

/// An optional text field of an entry that a dimension counts.
#[derive(Debug)]
pub struct TextField {
    /// The entry's field.
    pub name: &'static str,
    /// The longest text that is read, in bytes after trimming.
    pub max_bytes: usize,
    /// Makes the key from the trimmed text; `None` if the text cannot be read as what the field should hold.
    pub key: fn(&str) -> Option<Cow<'_, str>>,
    /// Whether the text is a URL and the key its host: the part behind the slash that ends the host does not change
    /// the key, and entries are shown with the whole text.
    pub is_url: bool,
    /// A key equal to that of this text (an index into [`TEXTS`]) counts as absent.
    pub unless_equal_to: Option<usize>,
}

pub const DIMENSION_COUNT: usize = 5;

/// The place of the path in [`DIMENSIONS`].
pub const PATH: usize = 0;
/// The place of the user agent's family in [`DIMENSIONS`].
pub const USER_AGENT: usize = 1;

/// All dimensions, in the order in which windows show them. The numbers of keys are what a busy site has of each, and
/// what a person still reads; the bytes divide 16 MiB.
pub const DIMENSIONS: [Dimension; DIMENSION_COUNT] = [
    Dimension {
        name: "path",
        suffix: "Path",
        source: KeySource::Path,
        max_keys: 50_000,
        max_bytes: WINDOW_KEY_BYTES / 2,
        is_measured: true,
    },
    Dimension {
        name: "userAgent",
        suffix: "UserAgent",
        source: KeySource::Family,
        max_keys: 2_000,
        max_bytes: WINDOW_KEY_BYTES / 8,
        is_measured: false,
    },
    Dimension {
        name: "host",
        suffix: "Host",
        source: KeySource::Text(TextField {
            name: "host",
            max_bytes: 253,
            key: host_key,
            is_url: false,
            unless_equal_to: None,
        }),
        max_keys: 2_000,
        max_bytes: WINDOW_KEY_BYTES / 8,
        is_measured: true,
    },
    Dimension {
        name: "referrer",
        suffix: "Referrer",
        source: KeySource::Text(TextField {
            name: "referrer",
            max_bytes: 2_048,
            key: referrer_key,
            is_url: true,
            unless_equal_to: Some(0),
        }),
        max_keys: 10_000,
        max_bytes: WINDOW_KEY_BYTES / 4,
        is_measured: false,
    },
    Dimension {
        name: "country",
        suffix: "Country",
        source: KeySource::Text(TextField {
            name: "country",
            max_bytes: 2,
            key: country_key,
            is_url: false,
            unless_equal_to: None,
        }),
        // More than there are pairs of letters in use.
        max_keys: 700,
        max_bytes: 700 * 2,
        is_measured: false,
    },
];

/// How many dimensions count an optional text.
pub const TEXT_COUNT: usize = {
    let (mut texts, mut index) = (0, 0);
    while index < DIMENSION_COUNT {
        if matches!(DIMENSIONS[index].source, KeySource::Text(_)) {
            texts += 1;
        }
        index += 1;
    }
    texts
};

/// The places in [`DIMENSIONS`] of those that count an optional text, ascending.
pub const TEXTS: [usize; TEXT_COUNT] = {
    let (mut texts, mut text, mut index) = ([0; TEXT_COUNT], 0, 0);
    while index < DIMENSION_COUNT {
        if matches!(DIMENSIONS[index].source, KeySource::Text(_)) {
            texts[text] = index;
            text += 1;
        }
        index += 1;
    }
    texts
};

const _: () = assert!(matches!(DIMENSIONS[PATH].source, KeySource::Path));
const _: () = assert!(matches!(DIMENSIONS[USER_AGENT].source, KeySource::Family));

/// The text field at this place of [`TEXTS`].
pub const fn text_field(text: usize) -> &'static TextField {
    const ALL: &[Dimension; DIMENSION_COUNT] = &DIMENSIONS;
    match &ALL[TEXTS[text]].source {
        KeySource::Text(field) => field,
        KeySource::Path | KeySource::Family => panic!("TEXTS holds the places of texts"),
    }
}

/// The place in [`DIMENSIONS`] of the one with this name.
pub fn dimension_named(name: &str) -> Option<usize> {
    DIMENSIONS.iter().position(|dimension| dimension.name == name)
}

/// A host in lower case, without its port.
fn host_key(text: &str) -> Option<Cow<'_, str>> {
    // Nearly all hosts are written in the form in which they are counted.
    let is_plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_');
    if text.bytes().all(is_plain) {
        return (!text.is_empty()).then_some(Cow::Borrowed(text));
    }
    unusual_host_key(text)
}

fn unusual_host_key(text: &str) -> Option<Cow<'_, str>> {
    let host = cut_port(text)?;
    // The "forbidden host code points" of the URL standard (a percent sign may be an escape), and parentheses: see OTHER.
    let is_forbidden = |c: char| c.is_ascii_control() || " #/<>?@\\^|()".contains(c);
    if host.is_empty() || host.contains(is_forbidden) {
        return None;
    }
    let is_lower = host.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase());
    Some(if is_lower { Cow::Borrowed(host) } else { Cow::Owned(host.to_lowercase()) })
}

/// Cuts `:443` off. An IPv6 address contains colons: `[::1]:443`, `[::1]` and `::1` are understood.
fn cut_port(text: &str) -> Option<&str> {
    let is_port = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if let Some(inside) = text.strip_prefix('[') {
        let (address, rest) = inside.split_once(']')?;
        address.parse::<Ipv6Addr>().ok()?;
        let is_end = rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port);
        return is_end.then(|| &text[..address.len() + 2]);
    }
    match text.split_once(':') {
        None => Some(text),
        Some((host, port)) if is_port(port) => Some(host),
        Some(_) => text.parse::<Ipv6Addr>().is_ok().then_some(text),
    }
}

/// The host of an absolute URL, or a host as it is.
fn referrer_key(text: &str) -> Option<Cow<'_, str>> {
    let bytes = text.as_bytes();
    // A scheme contains no colon, so the first colon of a URL is followed by two slashes.
    let Some(colon) = memchr::memchr(b':', bytes).filter(|colon| bytes[*colon..].starts_with(b"://")) else {
        return if text.contains("://") { None } else { host_key(text) };
    };
    let (scheme, rest) = (&bytes[..colon], &text[colon + 3..]);
    let is_scheme = scheme.first().is_some_and(u8::is_ascii_alphabetic)
        && scheme.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte));
    if !is_scheme {
        return None;
    }
    let end = rest.bytes().position(|byte| matches!(byte, b'/' | b'?' | b'#' | b'\\'));
    let authority = &rest[..end.unwrap_or(rest.len())];
    let host = memchr::memrchr(b'@', authority.as_bytes()).map_or(authority, |at| &authority[at + 1..]);
    host_key(host)
}

/// Two letters in upper case.
fn country_key(text: &str) -> Option<Cow<'_, str>> {
    let is_code = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_alphabetic());
    is_code.then(|| match text.bytes().all(|byte| byte.is_ascii_uppercase()) {
        true => Cow::Borrowed(text),
        false => Cow::Owned(text.to_ascii_uppercase()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_the_dimensions_with_a_text_and_names_are_found() {
        for (index, dimension) in DIMENSIONS.iter().enumerate() {
            assert_eq!(dimension_named(dimension.name), Some(index));
            assert_eq!(TEXTS.contains(&index), !dimension.source.is_in_every_entry());
            let (first, rest) = dimension.name.split_at(1);
            assert_eq!(dimension.suffix, first.to_ascii_uppercase() + rest);
        }
        for text in 0..TEXT_COUNT {
            assert!(
                text_field(text).unless_equal_to.is_none_or(|other| other < text),
                "that key is made first"
            );
        }
        assert_eq!(dimension_named("agent"), None);
        assert!(
            DIMENSIONS.iter().map(|dimension| dimension.max_bytes).sum::<usize>() <= WINDOW_KEY_BYTES + 4096
        );
    }

    #[test]
    fn hosts_lose_their_port_and_case_and_nothing_else() {
        for (text, host) in [
            ("example.com", "example.com"),
            ("Example.COM:8080", "example.com"),
            ("example.com:", "example.com"),
            ("münchen.DE", "münchen.de"),
            ("[2001:DB8::1]:443", "[2001:db8::1]"),
            ("[::1]", "[::1]"),
            ("::1", "::1"),
            ("192.0.2.1:80", "192.0.2.1"),
            ("a_b.test", "a_b.test"),
        ] {
            assert_eq!(host_key(text).as_deref(), Some(host), "{text}");
        }
        for text in
            ["", ":80", "a b", "a/b", "(other)", "a:b", "a:1:2", "[::1", "[x]", "[::1]x", "a\u{7}", "u@h"]
        {
            assert_eq!(host_key(text), None, "{text}");
        }
    }

    #[test]
    fn countries_are_two_letters() {
        for (text, country) in [("DE", Some("DE")), ("us", Some("US")), ("gB", Some("GB"))] {
            assert_eq!(country_key(text).as_deref(), country, "{text}");
        }
        for text in ["", "D", "DEU", "T1", "ä", "D "] {
            assert_eq!(country_key(text), None, "{text}");
        }
    }

    #[test]
    fn referrers_count_by_the_host_of_their_url() {
        for (text, host) in [
            ("https://www.Google.com/search?q=a://b", "www.google.com"),
            ("http://user:pass@example.com:8080", "example.com"),
            ("android-app://com.google.android.gm/", "com.google.android.gm"),
            ("https://[::1]:8443/x", "[::1]"),
            ("https://example.com?x", "example.com"),
            ("news.example", "news.example"),
            ("news.example:443", "news.example"),
        ] {
            assert_eq!(referrer_key(text).as_deref(), Some(host), "{text}");
        }
        for text in
            ["/relative", "example.com/path", "https://", "https:///x", "about:blank", "1x://host", "a b"]
        {
            assert_eq!(referrer_key(text), None, "{text}");
        }
    }
}
