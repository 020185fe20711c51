//! Request targets and hosts: which are valid (RFC 3986, RFC 9112), and which parts of them are used.
//!
//! Input: the request target, or the value of `host`. Output: path and query, or what is wrong with it. Never: a
//! look-up of a name.

use std::net::Ipv6Addr;

use crate::base::hex::hex_byte;

/// Path and query of a target in origin form (`/a?b`), absolute form (`http://host/a?b`) or `*`.
pub(crate) fn split_target(target: &str) -> Result<(&str, &str), &'static str> {
    let scheme = ["http://", "https://"]
        .into_iter()
        .find(|scheme| target.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)));
    let origin = match scheme {
        Some(scheme) => {
            let rest = &target[scheme.len()..];
            let (authority, origin) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
            if !is_host(authority) {
                return Err("the request target does not name a valid host");
            }
            origin
        }
        None if target.starts_with('/') || target == "*" => target,
        None => return Err("the request target is neither a path nor an http URL"),
    };
    if origin.contains('#') {
        return Err("the request target holds a fragment");
    }
    let (path, query) = origin.split_once('?').unwrap_or((origin, ""));
    Ok((if path.is_empty() { "/" } else { path }, query))
}

/// Whether this is `uri-host [ ":" port ]` (RFC 9110, section 7.2) with a host that is not empty.
pub(crate) fn is_host(text: &str) -> bool {
    let (valid, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let Some((literal, port)) = rest.split_once(']') else { return false };
            (is_ip_literal(literal), port)
        }
        None => {
            let (name, port) = text.split_at(text.find(':').unwrap_or(text.len()));
            (is_registered_name(name), port)
        }
    };
    valid && (port.is_empty() || port.strip_prefix(':').is_some_and(all_digits))
}

fn all_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// An IPv6 address, or what a later version of IP may look like: `v1.x` (RFC 3986, section 3.2.2).
fn is_ip_literal(text: &str) -> bool {
    let future = || {
        let (version, address) = text.strip_prefix(['v', 'V'])?.split_once('.')?;
        let hexadecimal = !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_hexdigit());
        (hexadecimal && !address.is_empty() && address.bytes().all(|b| b == b':' || is_name_byte(b)))
            .then_some(())
    };
    text.parse::<Ipv6Addr>().is_ok() || future().is_some()
}

/// `reg-name` of RFC 3986, section 3.2.2, which an IPv4 address is as well; not empty.
fn is_registered_name(text: &str) -> bool {
    let mut parts = text.split('%');
    let plain = |part: &str| part.bytes().all(is_name_byte);
    let encoded = |part: &str| hex_byte(part.as_bytes()).is_some() && plain(&part[2..]);
    !text.is_empty() && parts.next().is_some_and(plain) && parts.all(encoded)
}

/// `unreserved` or `sub-delims` of RFC 3986.
fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_lose_scheme_host_and_query() {
        for (target, expected) in [
            ("/logs", Some(("/logs", ""))),
            ("/a?b=c?d", Some(("/a", "b=c?d"))),
            ("*", Some(("*", ""))),
            ("http://h/logs?x", Some(("/logs", "x"))),
            ("HTTPS://h:1", Some(("/", ""))),
            ("http://h?q", Some(("/", "q"))),
            ("http://[::1]:80/logs", Some(("/logs", ""))),
            ("http:///logs", None),
            ("http://", None),
            ("http://a:80x/", None),
            ("http://u:p@a/", None),
            ("http://a#b", None),
            ("logs", None),
            ("/a#b", None),
            ("h:443", None),
        ] {
            assert_eq!(split_target(target).ok(), expected, "{target}");
        }
    }

    #[test]
    fn hosts_are_names_or_addresses_with_or_without_a_port() {
        for host in [
            "a",
            "a.example",
            "a_b",
            "a:80",
            "a:",
            "127.0.0.1:8080",
            "%41b",
            "a%2e",
            "[::1]",
            "[::1]:80",
            "[::ffff:1.2.3.4]",
            "[v1.a:b]",
        ] {
            assert!(is_host(host), "{host}");
        }
        for text in [
            "",
            ":",
            ":80",
            "a:8x",
            "a:80:80",
            "a:-1",
            "[::1",
            "::1",
            "[]",
            "[a]",
            "[::1]80",
            "[::1]x",
            "[v.a]",
            "[v1.]",
            "[fe80::1%25eth0]",
            "%zz",
            "%",
            "%4",
            "a b",
            "a/b",
            "a@b",
            "a\\b",
            "\u{fffd}",
            "a%\u{e9}",
        ] {
            assert!(!is_host(text), "{text}");
        }
    }
}
