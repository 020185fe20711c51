//! Who asked: the text of `clientIp` as an address or a name.
//!
//! Input: the trimmed text. Output: 16 address bytes, or a name in lower case. Never: a look at the network; and what
//! comes out is only ever hashed, not kept.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::borrow::Cow;

/// A client, in the one form that all ways of writing its address have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientAddress<'a> {
    /// An IPv6 address; an IPv4 address as the IPv6 address that stands for it (`::ffff:192.0.2.1`).
    Ip([u8; 16]),
    /// A name in lower case.
    Name(Cow<'a, str>),
}

impl ClientAddress<'_> {
    /// What is hashed.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            ClientAddress::Ip(address) => address,
            ClientAddress::Name(name) => name.as_bytes(),
        }
    }
}

impl std::fmt::Display for ClientAddress<'_> {
    /// The usual form of an address.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ClientAddress::Ip(address) => Ipv6Addr::from(*address).to_canonical().fmt(f),
            ClientAddress::Name(name) => name.fmt(f),
        }
    }
}

/// Reads an address with or without port, brackets and zone id, or a name with or without port. `None` for anything
/// else, such as a list.
pub(super) fn read_client(text: &str) -> Option<ClientAddress<'_>> {
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        return Some(ip(address.into()));
    }
    if let Some(inside) = text.strip_prefix('[') {
        let (address, rest) = inside.split_once(']')?;
        let is_end = rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port);
        return if is_end {
            without_zone(address).parse::<Ipv6Addr>().ok().map(|v6| ip(v6.into()))
        } else {
            None
        };
    }
    if let Ok(address) = without_zone(text).parse::<Ipv6Addr>() {
        return Some(ip(address.into()));
    }
    let name = match text.split_once(':') {
        Some((name, port)) if is_port(port) => name,
        Some(_) => return None,
        None => text,
    };
    if let Ok(address) = name.parse::<Ipv4Addr>() {
        return Some(ip(address.into()));
    }
    let is_name = !name.is_empty()
        && !name.contains(|c: char| c.is_control() || c.is_whitespace() || ",;\"[]".contains(c));
    let is_lower = name.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase());
    is_name.then(|| {
        ClientAddress::Name(if is_lower { Cow::Borrowed(name) } else { Cow::Owned(name.to_lowercase()) })
    })
}

fn ip(address: IpAddr) -> ClientAddress<'static> {
    ClientAddress::Ip(match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    })
}

fn without_zone(text: &str) -> &str {
    text.split_once('%').map_or(text, |(address, _)| address)
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_ways_to_write_an_address_are_one_client() {
        let v4 = read_client("192.0.2.7").unwrap();
        assert_eq!(v4.as_bytes(), [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 192, 0, 2, 7]);
        for text in [
            "192.0.2.7:443",
            "::ffff:192.0.2.7",
            "[::FFFF:c000:207]:80",
            "::ffff:192.0.2.7%eth0",
            "192.0.2.7:",
        ] {
            assert_eq!(read_client(text).as_ref(), Some(&v4), "{text}");
        }
        let v6 = read_client("fe80::1").unwrap();
        assert!(matches!(v6, ClientAddress::Ip(_)));
        for text in ["FE80:0:0:0:0:0:0:1", "fe80::1%eth0", "[fe80::1]", "[fe80::1%25eth0]:443"] {
            assert_eq!(read_client(text).as_ref(), Some(&v6), "{text}");
        }
    }

    #[test]
    fn names_are_lower_case_without_port() {
        for text in ["Host.Example", "host.example:8080", "HOST.example"] {
            assert_eq!(read_client(text), Some(ClientAddress::Name("host.example".into())), "{text}");
        }
        assert_eq!(read_client("256.1.1.1"), Some(ClientAddress::Name("256.1.1.1".into())));
        assert_eq!(read_client("MÜLLER").unwrap().as_bytes(), "müller".as_bytes());
        for text in
            ["192.0.2.1, 192.0.2.2", "a b", ":80", "[x]", "[::1", "[::1]x", "a:b", "1:2:3", "\"a\"", "a\u{7}"]
        {
            assert_eq!(read_client(text), None, "{text}");
        }
    }
}
