//! What both front ends share with the program: where to listen, the limits, the counters, and how to start
//! and stop.
//!
//! In: an address, limits and a handler. Out: a running [`Front`]. It knows no HTTP; the two front ends must
//! not differ in anything defined here.

use std::fmt;
use std::io;
use std::mem;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::guarded::head::MAX_HEADERS;
use super::{Handler, guarded, tiny};
use crate::clock::monotonic;

/// Where a front end listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// A TCP address, v4 or v6. Port 0 takes a free one.
    Tcp(SocketAddr),
    /// A Unix socket of this path, mode 0660.
    Unix(PathBuf),
}

impl Listen {
    /// Whether only this machine can reach it: a loopback address or a Unix socket.
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

/// Every bound of the front ends. `Default` is what DESIGN asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrontLimits {
    /// Connections open at once, each with a thread of its own. At this many, the one that has waited longest
    /// without a complete head makes room.
    pub max_connections: usize,
    /// Bytes of request line and headers together, with their line ends; more is 431.
    pub max_head_bytes: usize,
    /// Bytes of the request target; more is 414.
    pub max_target_bytes: usize,
    /// Header lines of one request, at most [`MAX_HEADERS`]; more is 431.
    pub max_headers: usize,
    /// From the first byte of a request to the end of its head; later is 408.
    pub head_timeout: Duration,
    /// From the first byte of a request to the end of its body; later is 408.
    pub request_timeout: Duration,
    /// Bytes a second a body must come with on average, counted on the wire from the moment it is waited for,
    /// once `body_grace` is over. A body that has brought `n` bytes is cut off with 408 when `body_grace +
    /// n / min_body_rate` have passed.
    pub min_body_rate: u64,
    /// Time a body has before its rate counts.
    pub body_grace: Duration,
    /// From the first to the last byte of an answer being taken by the client; later the connection closes.
    pub response_timeout: Duration,
    /// How long a connection may stay open without a byte of a new request.
    pub idle_timeout: Duration,
    /// Bytes still read and thrown away after an answer that closes, so that the client sees the answer.
    pub linger_bytes: usize,
    /// Time spent on that.
    pub linger_timeout: Duration,
    /// Bytes of an unread body that are skipped to keep a connection alive; with more left it closes.
    pub max_skipped_body_bytes: usize,
    /// Largest buffer in bytes that a connection keeps from one request to the next.
    pub kept_buffer_bytes: usize,
    /// Stack of a connection thread, in bytes.
    pub thread_stack_bytes: usize,
    /// How long a connection thread without a connection stays for the next one.
    pub thread_idle_timeout: Duration,
    /// Time between two log lines about the same trouble (no file descriptors, no threads, cap reached).
    pub log_interval: Duration,
    /// Threads that answer requests in the tiny_http front end.
    pub tiny_workers: usize,
    /// Unread bytes of a body above which the tiny_http front end leaks a request instead of dropping it.
    pub tiny_leak_bytes: usize,
}

impl Default for FrontLimits {
    fn default() -> Self {
        Self {
            max_connections: 512,
            max_head_bytes: 16 * 1024,
            max_target_bytes: 8 * 1024,
            max_headers: 100,
            head_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(10),
            min_body_rate: 64 * 1024,
            body_grace: Duration::from_secs(1),
            response_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
            linger_bytes: 4 * 1024 * 1024,
            linger_timeout: Duration::from_secs(1),
            max_skipped_body_bytes: 64 * 1024,
            kept_buffer_bytes: 64 * 1024,
            thread_stack_bytes: 512 * 1024,
            thread_idle_timeout: Duration::from_secs(5),
            log_interval: Duration::from_secs(30),
            tiny_workers: 64,
            tiny_leak_bytes: 64 * 1024 * 1024,
        }
    }
}

impl FrontLimits {
    /// Checks that the bounds make sense together.
    ///
    /// # Errors
    /// The relation that does not hold, in words.
    pub fn check(&self) -> Result<(), String> {
        let rules = [
            (self.max_connections >= 1, "max_connections must be at least 1"),
            (self.tiny_workers >= 1, "tiny_workers must be at least 1"),
            (self.max_target_bytes >= 1, "max_target_bytes must be at least 1"),
            (self.max_target_bytes < self.max_head_bytes, "max_target_bytes must be below max_head_bytes"),
            (self.max_head_bytes <= 1024 * 1024, "max_head_bytes must be at most 1 MiB"),
            ((1..=MAX_HEADERS).contains(&self.max_headers), "max_headers must be between 1 and 256"),
            (self.head_timeout <= self.request_timeout, "head_timeout must not be above request_timeout"),
            (self.min_body_rate >= 1, "min_body_rate must be at least 1 byte a second"),
            (self.thread_stack_bytes >= 128 * 1024, "thread_stack_bytes must be at least 128 KiB"),
        ];
        match rules.iter().find(|(holds, _)| !holds) {
            Some((_, rule)) => Err((*rule).to_owned()),
            None => Ok(()),
        }
    }
}

/// What the front ends count. Totals only grow; the others are the state now.
#[derive(Debug, Default)]
pub struct ConnectionStats {
    /// Connections open now.
    pub open: AtomicU64,
    /// Threads that serve connections now, busy or waiting for one.
    pub threads: AtomicU64,
    /// Connections accepted.
    pub accepted_total: AtomicU64,
    /// Connections answered 503 because the cap was reached and every request was being served.
    pub rejected_total: AtomicU64,
    /// Connections closed to make room for newer ones.
    pub evicted_total: AtomicU64,
    /// Failures to accept a connection or to start a thread for it.
    pub accept_errors_total: AtomicU64,
    /// Panics in the handler, each answered 500.
    pub handler_panics_total: AtomicU64,
    /// Requests that the tiny_http front end leaked, because dropping them would have been worse.
    pub leaked_requests_total: AtomicU64,
}

/// One more in a counter.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// A gauge that counts its own copies: up when made, down when dropped.
pub(crate) struct Held(Arc<ConnectionStats>, fn(&ConnectionStats) -> &AtomicU64);

impl Held {
    pub(crate) fn new(stats: &Arc<ConnectionStats>, gauge: fn(&ConnectionStats) -> &AtomicU64) -> Self {
        count(gauge(stats));
        Self(Arc::clone(stats), gauge)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.1(&self.0).fetch_sub(1, Ordering::Relaxed);
    }
}

/// Which front end serves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FrontKind {
    /// Ours, with every rule of the HTTP contract.
    #[default]
    Guarded,
    /// tiny_http: the functional contract only, for a trusted loopback.
    Tiny,
}

impl FromStr for FrontKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "guarded" => Ok(Self::Guarded),
            "tiny_http" => Ok(Self::Tiny),
            other => Err(format!("{other:?} is neither guarded nor tiny_http")),
        }
    }
}

/// A running front end.
pub trait Front: Send + Sync {
    /// The address it listens on, with the real port; `None` for a Unix socket.
    fn local_addr(&self) -> Option<SocketAddr>;

    /// Stops accepting and closes idle connections. Requests in flight go on, and each is answered with
    /// `connection: close`. Returns at once; calling it again does nothing.
    fn stop(&self);

    /// Stops, and waits until every thread has ended: `true`, or `false` where `within` was too short (what is
    /// still running then ends with the process).
    fn join(&self, within: Duration) -> bool;
}

/// Starts a front end of this kind.
///
/// # Errors
/// Limits that contradict each other (`InvalidInput`), an address that cannot be bound, a Unix socket that
/// another server answers on (`AddrInUse`), no thread for the acceptor.
pub fn start(
    kind: FrontKind,
    listen: &Listen,
    limits: FrontLimits,
    handler: Arc<dyn Handler>,
    stats: Arc<ConnectionStats>,
) -> io::Result<Box<dyn Front>> {
    limits.check().map_err(|rule| io::Error::new(io::ErrorKind::InvalidInput, rule))?;
    Ok(match kind {
        FrontKind::Guarded => Box::new(guarded::Guarded::start(listen, limits, handler, stats)?),
        FrontKind::Tiny => Box::new(tiny::Tiny::start(listen, limits, handler, stats)?),
    })
}

/// Log lines about trouble that clients can cause at will: the first at once, then one per interval.
#[derive(Default)]
pub(crate) struct Trouble {
    last: Option<Instant>,
    suppressed: u64,
}

impl Trouble {
    pub(crate) fn report(&mut self, text: &str, interval: Duration) {
        let now = monotonic();
        if self.last.is_some_and(|last| now.saturating_duration_since(last) < interval) {
            self.suppressed += 1;
            return;
        }
        self.last = Some(now);
        match mem::take(&mut self.suppressed) {
            0 => log::warn!("{text}"),
            more => log::warn!("{text} (and {more} more such events since the last line)"),
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

    #[test]
    fn default_limits_hold_together_and_bad_ones_are_named() {
        FrontLimits::default().check().unwrap();
        let bad = FrontLimits { max_target_bytes: 1 << 20, ..FrontLimits::default() };
        assert!(bad.check().unwrap_err().contains("max_target_bytes"));
    }
}
