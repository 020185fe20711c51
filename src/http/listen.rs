//! An address to listen on.
//!
//! Input: the text of `--listen`. Output: a [`Listen`]. Never: a socket.

use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::str::FromStr;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// A TCP address, v4 or v6. Port 0 takes a free one.
    Tcp(SocketAddr),
    /// A Unix socket of this path, mode 0660.
    Unix(PathBuf),
}

impl Listen {
    /// Whether only this machine can connect: a loopback address or a Unix socket.
    pub fn is_loopback(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().to_canonical().is_loopback(),
            Self::Unix(_) => true,
        }
    }
}

impl FromStr for Listen {
    type Err = String;

    /// `127.0.0.1:8080`, `[::1]:0`, `localhost:8080` (the first address the name has) or `unix:/path`.
    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            if path.is_empty() {
                return Err("unix: needs a path after it".to_owned());
            }
            return Ok(Self::Unix(PathBuf::from(path)));
        }
        if let Ok(address) = text.parse() {
            return Ok(Self::Tcp(address));
        }
        let mut found =
            text.to_socket_addrs().map_err(|e| format!("{text:?} is not HOST:PORT or unix:PATH: {e}"))?;
        found.next().map(Self::Tcp).ok_or_else(|| format!("{text:?} has no address"))
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_every_kind_are_understood() {
        for (text, loopback) in [
            ("127.0.0.1:8080", true),
            ("[::1]:0", true),
            ("localhost:8080", true),
            ("[::ffff:127.0.0.1]:80", true),
            ("unix:/run/x.sock", true),
            ("0.0.0.0:80", false),
            ("[::]:80", false),
            ("192.0.2.1:80", false),
        ] {
            assert_eq!(text.parse::<Listen>().unwrap().is_loopback(), loopback, "{text}");
        }
        for text in ["", "unix:", "127.0.0.1", "8080", "127.0.0.1:99999"] {
            assert!(text.parse::<Listen>().is_err(), "{text:?}");
        }
        let unix: Listen = "unix:/run/x.sock".parse().unwrap();
        assert_eq!(unix.to_string().parse::<Listen>().unwrap(), unix);
    }
}
