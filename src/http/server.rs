//! Starts a front end of either kind.
//!
//! Input: addresses, limits and a handler. Output: a running [`Front`]. Never: anything that only one of the front
//! ends needs. The only file that knows both.

use std::io;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

pub use super::limits::FrontLimits;
pub use super::listen::Listen;
pub use super::stats::ConnectionStats;

use super::guarded::GuardedFront;
use super::socket::Listener;
use super::tiny::TinyFront;
use super::{FrontEnd, Handler};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FrontKind {
    /// Our own, with every rule of the HTTP contract.
    #[default]
    Guarded,
    /// tiny_http: for a trusted loopback.
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

/// A running front end. Dropping it stops it.
pub struct Front {
    addresses: Vec<Listen>,
    front_end: Box<dyn FrontEnd>,
}

impl Front {
    /// The addresses it listens on, in the order they were given, with their real ports.
    pub fn addresses(&self) -> &[Listen] {
        &self.addresses
    }

    /// Stops accepting and closes idle connections. Requests in flight are still answered, with `connection: close`.
    /// Returns at once; a second call does nothing.
    pub fn stop(&self) {
        self.front_end.stop();
    }

    /// Stops, and waits until every thread has ended; `false` if that takes longer than `within`.
    pub fn join(&self, within: Duration) -> bool {
        self.stop();
        self.front_end.join(within)
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Starts a front end of this kind on these addresses, which share its limits.
///
/// # Errors
/// Limits that contradict each other (`InvalidInput`), an address that cannot be bound, which is named, a Unix socket
/// that another server answers on (`AddrInUse`), no thread for the acceptor.
pub fn start(
    kind: FrontKind,
    listen: &[Listen],
    limits: FrontLimits,
    handler: Arc<dyn Handler>,
    stats: Arc<ConnectionStats>,
) -> io::Result<Front> {
    limits.check().map_err(|rule| io::Error::new(io::ErrorKind::InvalidInput, rule))?;
    let bind = |listen: &Listen| {
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{listen}: {error}"));
        Listener::bind(listen).map_err(named)
    };
    let listeners = listen.iter().map(bind).collect::<io::Result<Vec<_>>>()?;
    let addresses = listeners.iter().map(Listener::address).collect::<io::Result<_>>()?;
    let front_end: Box<dyn FrontEnd> = match kind {
        FrontKind::Guarded => Box::new(GuardedFront::start(listeners, limits, handler, stats)?),
        FrontKind::Tiny => Box::new(TinyFront::start(listeners, &limits, &handler, &stats)?),
    };
    Ok(Front { addresses, front_end })
}
