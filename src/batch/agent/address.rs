//! Recognizes web addresses, mail addresses and host names in an agent.
//!
//! Input: one word, or a segment. Output: whether it is such an address. Never: a look-up of the name.

/// Endings that make a word with a dot a host name.
const HOST_ENDINGS: [&[u8]; 16] = [
    b"com", b"org", b"net", b"io", b"de", b"ru", b"jp", b"fr", b"uk", b"eu", b"ai", b"info", b"html", b"php",
    b"nu", b"co",
];

/// A web address, with or without its scheme.
pub(super) fn is_link(word: &[u8]) -> bool {
    let word = word.strip_prefix(b"+").unwrap_or(word);
    let starts = |start: &[u8]| word.len() >= start.len() && word[..start.len()].eq_ignore_ascii_case(start);
    starts(b"http://") || starts(b"https://") || starts(b"www.") || starts(b"//") || starts(b"mailto:")
}

/// A mail address: `bot@example.org`, but not `android@150.0.0.0`.
pub(super) fn is_mail(word: &[u8]) -> bool {
    let Some(at) = memchr::memchr(b'@', word) else { return false };
    let Some(dot) = memchr::memrchr(b'.', &word[at..]) else { return false };
    at > 0 && word.get(at + dot + 1).is_some_and(u8::is_ascii_alphabetic)
}

/// A host name: `rivaliq.com`, `example.org/bot.html`.
pub(super) fn is_host_name(word: &[u8]) -> bool {
    let host = word.split(|&byte| byte == b'/').next().unwrap_or(word);
    let Some(dot) = memchr::memrchr(b'.', host) else {
        return false;
    };
    dot > 1
        && host[0].is_ascii_alphabetic()
        && HOST_ENDINGS.iter().any(|ending| host[dot + 1..].eq_ignore_ascii_case(ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_from_names_and_versions() {
        for link in
            ["http://a.example", "+https://a.example/b", "www.a.example", "//a.example", "mailto:a@b.example"]
        {
            assert!(is_link(link.as_bytes()), "{link}");
        }
        for word in ["httpx/0.27", "wwwoffle", "a/b", ""] {
            assert!(!is_link(word.as_bytes()), "{word}");
        }
        assert!(is_mail(b"bot@a.example"));
        for word in ["android@150.0.0.0", "@a.example", "a@b", "ios@8.1.3.72", ""] {
            assert!(!is_mail(word.as_bytes()), "{word}");
        }
        assert!(is_host_name(b"rivaliq.com") && is_host_name(b"ab.org/bot.html"));
        assert!(!is_host_name(b"1.2.3") && !is_host_name(b"Node.js") && !is_host_name(b".com"));
    }
}
