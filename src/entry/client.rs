//! Clients and virtual hosts: what stands before the time of an NCSA line, lists of addresses, ports and zones.
//!
//! Input: texts of the log. Output: the part of them that is the address or name of a client or host. Never: a lookup.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Range;

use memchr::{memchr, memchr2};

use super::time;

/// Client and virtual host of an NCSA line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Who {
    pub(super) client: Option<Range<usize>>,
    pub(super) host: Option<Range<usize>>,
}

/// Reads what stands before the time: `client ident user`, after a virtual host (Apache) or with one in place of the ident
/// (OVH, lighttpd). Users may hold blanks.
#[inline]
pub(super) fn before_time(text: &[u8]) -> Who {
    if let Some(blank) = memchr2(b' ', b'\t', text)
        && blank > 0
        && text[blank..].starts_with(b" - ")
        && !text[blank + 3..].starts_with(b"- ")
        && !matches!(text[blank - 1], b',' | b'Z' | b'|' | b']')
        && !has_name_before_colon(&text[..blank])
    {
        return Who { client: Some(0..blank), host: None };
    }
    of_words(&words(text), text)
}

/// Whether what stands before a colon cannot be of an address: then it may be the name of a file, or of a host with a port.
#[inline]
fn has_name_before_colon(word: &[u8]) -> bool {
    let is_of_address = |byte: &u8| byte.is_ascii_hexdigit() || matches!(byte, b'.' | b'[');
    // Nearly all clients are addresses of IPv4, which this costs one comparison.
    !word[0].is_ascii_digit()
        && memchr(b':', word).is_some_and(|colon| !word[..colon].iter().all(is_of_address))
}

/// Reads what stands between the time and the request where nothing stands before the time; what it is may be anything.
pub(super) fn after_time(text: &[u8]) -> Who {
    if text.trim_ascii_start().first() == Some(&b'[') {
        return in_brackets(text);
    }
    let words = words(text);
    let is_who = |word: &Range<usize>| {
        let word = &text[word.clone()];
        word == b"-" || is_address(word) || can_be_host(word)
    };
    if words.first().is_some_and(is_who) { of_words(&words, text) } else { Who::default() }
}

/// Words beyond these are part of a user's name. Loggers put up to nine before the client, such as a time and a program.
const MAX_WORDS: usize = 12;

/// The first words of a text; addresses with commas between are one. What `docker logs -t` (a time), `docker compose logs`
/// (a name with a bar) and `kubectl logs --prefix` (a name in brackets) put in front is left out.
fn words(text: &[u8]) -> Vec<Range<usize>> {
    let mut words: Vec<Range<usize>> = Vec::with_capacity(MAX_WORDS);
    let mut at = 0;
    while at < text.len() && words.len() < MAX_WORDS {
        let end = memchr2(b' ', b'\t', &text[at..]).map_or(text.len(), |blank| at + blank);
        let word = &text[at..end];
        let is_first = words.is_empty();
        match words.last_mut() {
            Some(last) if text[last.end - 1] == b',' && !word.is_empty() => last.end = end,
            _ if word == b"|" => words.clear(),
            _ if word.is_empty() || (is_first && (is_time(word) || is_pod(word))) => {}
            _ => words.push(at..end),
        }
        at = end + 1;
    }
    words
}

/// Whether a word is what `kubectl logs --prefix` puts in front: `[pod/web-1/nginx]`.
pub(super) fn is_pod(word: &[u8]) -> bool {
    word.starts_with(b"[pod/") && word.ends_with(b"]")
}

fn is_time(word: &[u8]) -> bool {
    time::at_start(word).is_some_and(|(_, end)| end == word.len())
}

fn of_words(words: &[Range<usize>], text: &[u8]) -> Who {
    let word = |place: usize| words.get(place).map_or(&b""[..], |word| &text[word.clone()]);
    let (first, second, third) = (word(0), word(1), word(2));
    let client_at = |place: usize| words.get(place).cloned();
    let vhost = Who { client: client_at(1), host: client_at(0) };
    if words.len() > 1 && is_address(&second[first_of_list(second)]) {
        return Who { host: vhost.host.filter(|_| is_name(first)), ..vhost };
    }
    if second != b"-"
        && !is_address(first)
        && let Some(client) = behind_words(words, text)
    {
        return Who { client: Some(client), host: None };
    }
    if let Some(client) = behind_file_name(first) {
        let start = words.first().map_or(0, |word| word.start);
        return Who { client: Some(start + client.start..start + client.end), host: None };
    }
    // `host - - -`: a virtual host before a client that is not known.
    let is_unknown_client = second == b"-" && third == b"-" && words.len() > 3;
    // `host client-name - user`.
    let is_named_client = second != b"-" && third == b"-" && words.len() > 3;
    if (is_unknown_client || is_named_client) && !is_bare_address(first) {
        return vhost;
    }
    if second != b"-" && can_be_host(second) {
        return Who { client: client_at(0), host: client_at(1) };
    }
    Who { client: client_at(0), host: None }
}

/// The client behind words that a logger put in front: the address before the first ident which is not known. What follows
/// that, a client may have chosen.
fn behind_words(words: &[Range<usize>], text: &[u8]) -> Option<Range<usize>> {
    let ident = words.iter().position(|word| &text[word.clone()] == b"-")?;
    let place = words[ident.checked_sub(1)?].clone();
    let client = &text[place.clone()];
    is_address(&client[first_of_list(client)]).then_some(place)
}

/// The address behind what `grep` puts in front of a line: the name of a file, its number, or both.
fn behind_file_name(word: &[u8]) -> Option<Range<usize>> {
    if is_address(word) || can_be_host(word) {
        return None;
    }
    let starts = memchr::memchr_iter(b':', word).take(2).map(|colon| colon + 1);
    starts.map(|start| start..word.len()).find(|part| is_address(&word[part.clone()]))
}

/// Whether a word can be the name of a host, which may have no dots, or its address. Numbers and `DEBUG:` are neither.
fn is_name(word: &[u8]) -> bool {
    let name = &word[without_port(word)];
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b".-_".contains(byte);
    let has_letter = name.iter().any(u8::is_ascii_alphabetic);
    is_address(word) || (has_letter && name.iter().all(is_part) && word.last() != Some(&b':'))
}

/// `[www.example.org:443] [client 192.0.2.62]`.
fn in_brackets(text: &[u8]) -> Who {
    let mut who = Who::default();
    let mut at = 0;
    while let Some(open) = memchr(b'[', &text[at..]) {
        let start = at + open + 1;
        let Some(length) = memchr(b']', &text[start..]) else { break };
        let group = start..start + length;
        let inside = &text[group.clone()];
        if let Some(client) = inside.strip_prefix(b"client ") {
            who.client.get_or_insert(group.end - client.len()..group.end);
        } else if can_be_host(inside) || is_address(inside) {
            who.host.get_or_insert(group);
        }
        at = start + length;
    }
    who
}

/// The first element of a list that says something.
fn first_of_list(text: &[u8]) -> Range<usize> {
    let mut start = 0;
    while let Some(comma) = memchr(b',', &text[start..]) {
        if !matches!(text[start..start + comma].trim_ascii(), b"" | b"-") {
            return start..start + comma;
        }
        start += comma + 1;
    }
    start..text.len()
}

/// Whether a word can be a host: a name with dots, or `localhost`; with or without a port.
fn can_be_host(word: &[u8]) -> bool {
    let name = &word[without_port(word)];
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b".-_".contains(byte);
    let has_letter = name.iter().any(u8::is_ascii_alphabetic);
    name == b"localhost"
        || (has_letter && name.contains(&b'.') && name.iter().all(is_part) && name[0] != b'.')
}

/// Whether a word is an address, perhaps with brackets, zone or port.
pub(super) fn is_address(word: &[u8]) -> bool {
    let (first, last) = (word.first(), word.last());
    if !first.is_some_and(|byte| byte.is_ascii_hexdigit() || matches!(byte, b'[' | b':'))
        || !last.is_some_and(u8::is_ascii_alphanumeric) && last != Some(&b']') && last != Some(&b':')
    {
        return false;
    }
    is_bare_address(&word[address(word)])
}

fn is_bare_address(word: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(word) else { return false };
    text.parse::<Ipv4Addr>().is_ok() || text.parse::<Ipv6Addr>().is_ok()
}

/// The part of a client field that is the address or the name: the first of a list, without brackets, port and zone.
#[inline]
pub(super) fn address(text: &[u8]) -> Range<usize> {
    // IPv4 addresses and names alone.
    if text.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'.') {
        return 0..text.len();
    }
    let first = first_of_list(text);
    let item = &text[first.clone()];
    let start = first.start + item.len() - item.trim_ascii_start().len();
    let inner = item.trim_ascii();
    if inner.first() == Some(&b'[') {
        let close = memchr(b']', inner).unwrap_or(inner.len());
        let zone = memchr(b'%', &inner[..close]).unwrap_or(close);
        return start + 1..start + zone.max(1);
    }
    let length = without_port(inner).end;
    let zone = if inner.contains(&b':') { memchr(b'%', &inner[..length]) } else { None };
    start..start + zone.unwrap_or(length)
}

/// The address or name that a client field gives. Of a socket there is none; HAProxy names it without its path.
#[inline]
pub(super) fn of_field(text: &[u8]) -> Option<Range<usize>> {
    if text == b"-" || text == b"unix" || text.starts_with(b"unix:") {
        return None;
    }
    Some(address(text)).filter(|address| !address.is_empty())
}

/// The name that a host field gives, without its port. nginx's name for a server without one is `_`.
#[inline]
pub(super) fn host_name(text: &[u8]) -> Option<Range<usize>> {
    let name = without_port(text);
    (!matches!(&text[name.clone()], b"" | b"-" | b"_")).then_some(name)
}

/// A host or an IPv4 address without its port; an IPv6 address without brackets has none.
#[inline]
pub(super) fn without_port(text: &[u8]) -> Range<usize> {
    if text.first() == Some(&b'[') {
        return 0..memchr(b']', text).map_or(text.len(), |close| close + 1);
    }
    match memchr(b':', text) {
        Some(colon) if text[colon + 1..].iter().all(u8::is_ascii_digit) => 0..colon,
        _ => 0..text.len(),
    }
}

/// The first address of a forwarded-for list; what stands there may be anything.
pub(super) fn first_address(list: &[u8]) -> Option<Range<usize>> {
    let mut at = 0;
    for item in list.split(|byte| *byte == b',') {
        let found = address(item);
        if is_bare_address(&item[found.clone()]) {
            return Some(at + found.start..at + found.end);
        }
        at += item.len() + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, who: Who) -> (Option<&str>, Option<&str>) {
        (who.client.map(|client| &text[client]), who.host.map(|host| &text[host]))
    }

    #[test]
    fn client_and_virtual_host_are_told_apart() {
        for (text, client, host) in [
            ("192.0.2.1 - -", Some("192.0.2.1"), None),
            ("192.0.2.1 - team lead", Some("192.0.2.1"), None),
            ("192.0.2.1 - - x", Some("192.0.2.1"), None),
            ("ns7.example.net - -", Some("ns7.example.net"), None),
            ("www.example.com:80 192.0.2.41 - -", Some("192.0.2.41"), Some("www.example.com:80")),
            ("203.0.113.80:8443 192.0.2.45 - -", Some("192.0.2.45"), Some("203.0.113.80:8443")),
            ("api.example.com 2001:db8::a5 - -", Some("2001:db8::a5"), Some("api.example.com")),
            ("blog.example.net - - -", Some("-"), Some("blog.example.net")),
            ("www.example.com:443 ns7.example.net - -", Some("ns7.example.net"), Some("www.example.com:443")),
            ("192.0.2.44 cdn.example.org someuser", Some("192.0.2.44"), Some("cdn.example.org")),
            ("127.0.0.1 localhost -", Some("127.0.0.1"), Some("localhost")),
            ("192.0.2.1 ident.x frank the first", Some("192.0.2.1"), Some("ident.x")),
            ("192.0.2.1 frank -", Some("192.0.2.1"), None),
            ("198.51.100.21, 2001:db8::9 - -", Some("198.51.100.21, 2001:db8::9"), None),
            (
                "www.example.com 198.51.100.21, 10.0.0.1 - -",
                Some("198.51.100.21, 10.0.0.1"),
                Some("www.example.com"),
            ),
            ("2024-12-28T18:03:07.1Z 192.0.2.1 - -", Some("192.0.2.1"), None),
            ("web-1  | 192.0.2.1 - -", Some("192.0.2.1"), None),
            ("[pod/web-1/nginx] 192.0.2.1 - -", Some("192.0.2.1"), None),
            ("[pod/web-1/nginx] 2024-12-28T18:03:07.1Z 192.0.2.1 - -", Some("192.0.2.1"), None),
            ("web-5d4 nginx 192.0.2.1 - -", Some("192.0.2.1"), None),
            (
                "www.example.com ns7.example.net - 9.9.9.9 - x",
                Some("ns7.example.net"),
                Some("www.example.com"),
            ),
            ("Dec 28 18:03:07 web1 apache 2001:db8::1 - x", Some("2001:db8::1"), None),
            ("Sat Dec 28 18:03:07 2024 daemon.info uhttpd[123]: 192.0.2.1 - -", Some("192.0.2.1"), None),
            ("stream/name/abc 192.0.2.1 - -", Some("192.0.2.1"), None),
            ("intranet 192.0.2.1 - -", Some("192.0.2.1"), Some("intranet")),
            ("DEBUG: 192.0.2.1 - -", Some("192.0.2.1"), None),
            ("1735408989 192.0.2.1 - -", Some("192.0.2.1"), None),
            ("2024-12-28T18:03:07.1Z\t192.0.2.1 - -", Some("192.0.2.1"), None),
            // Papertrail's archives.
            (
                "7\t2024-12-28T18:03:09Z\t2024-12-28T18:03:09Z\t1\tweb1\t192.0.2.77\tLocal7\tInfo\tnginx\t192.0.2.1 - frank",
                Some("192.0.2.1"),
                None,
            ),
            ("/var/log/access.log:192.0.2.1 - -", Some("192.0.2.1"), None),
            ("access.log.1:12:192.0.2.1 - frank", Some("192.0.2.1"), None),
            ("access.log:2001:db8::1 - -", Some("2001:db8::1"), None),
            ("192.0.2.1", Some("192.0.2.1"), None),
            ("", None, None),
        ] {
            assert_eq!(shown(text, before_time(text.as_bytes())), (client, host), "{text}");
        }
        for (text, client, host) in [
            ("192.0.2.61 - - ", Some("192.0.2.61"), None),
            ("[www.example.org:443] [client 192.0.2.62] ", Some("192.0.2.62"), Some("www.example.org:443")),
            ("[pid 812:tid 140] ", None, None),
            ("2044 ", None, None),
            ("0.003 192.0.2.1 ", None, None),
            ("(17 of 20) ", None, None),
            ("", None, None),
        ] {
            assert_eq!(shown(text, after_time(text.as_bytes())), (client, host), "{text}");
        }
    }

    #[test]
    fn addresses_lose_brackets_ports_and_zones() {
        for (text, want) in [
            ("192.0.2.1", "192.0.2.1"),
            ("192.0.2.1:40512", "192.0.2.1"),
            ("2001:db8::5%eth0", "2001:db8::5"),
            ("[2001:db8::7]", "2001:db8::7"),
            ("[2001:db8::8]:51512", "2001:db8::8"),
            ("[fe80::1%eth0]:80", "fe80::1"),
            ("::ffff:192.0.2.51", "::ffff:192.0.2.51"),
            ("198.51.100.21, 2001:db8::9", "198.51.100.21"),
            ("-, 203.0.113.7", "203.0.113.7"),
            ("-,", ""),
            ("client.example.net:1234", "client.example.net"),
            ("[", ""),
            ("", ""),
        ] {
            assert_eq!(&text[address(text.as_bytes())], want, "{text}");
        }
        for (text, want) in [
            ("203.0.113.41, 192.0.2.1", Some("203.0.113.41")),
            ("unknown, 2001:db8::42", Some("2001:db8::42")),
            ("[2001:db8::1]:80", Some("2001:db8::1")),
            ("-", None),
            ("<script>", None),
        ] {
            assert_eq!(first_address(text.as_bytes()).map(|found| &text[found]), want, "{text}");
        }
    }
}
