//! The one-way switch that stops the server from promising anything more.
//!
//! Input: the first failure after which nothing can be promised. Output: whether there was one. Never: opens again.
//!
//! After a failed sync nobody knows what is on disk, and asking again proves nothing: the page cache may drop
//! what it could not write and report success. So the first such failure is kept, every batch is refused from
//! then on, `/readyz` says so, and only a restart (whose recovery rewrites what was not known durable) helps.

use std::path::Path;
use std::sync::{Arc, OnceLock};

/// Shared by everything that syncs and everything that must know.
#[derive(Clone, Debug, Default)]
pub struct Latch(Arc<OnceLock<Closed>>);

#[derive(Debug)]
struct Closed {
    reason: String,
    /// Whether the reason is that the data directory is gone.
    is_gone: bool,
}

impl Latch {
    /// A latch that is open.
    pub fn new() -> Self {
        Self::default()
    }

    /// Closes it for good. The first reason is kept and logged.
    pub fn close(&self, reason: impl Into<String>) {
        if self.keep(Closed { reason: reason.into(), is_gone: false })
            && let Some(reason) = self.reason()
        {
            log::error!(
                "the journal stopped after a disk error: {reason}; check the disk, then restart the server"
            );
        }
    }

    /// Closes it for good because the data directory is gone.
    pub fn close_gone(&self, dir: &Path) {
        let reason = format!(
            "the data directory {} was removed or moved while the server ran, and batches answered 202 are lost with it",
            dir.display()
        );
        if self.keep(Closed { reason, is_gone: true })
            && let Some(reason) = self.reason()
        {
            log::error!("{reason}; the process ends");
        }
    }

    /// Returns whether this was the first reason.
    fn keep(&self, closed: Closed) -> bool {
        self.0.set(closed).is_ok()
    }

    /// The reason for which it closed, if it has.
    pub fn reason(&self) -> Option<&str> {
        self.0.get().map(|closed| closed.reason.as_str())
    }

    pub fn is_closed(&self) -> bool {
        self.0.get().is_some()
    }

    /// Whether it is closed because the data directory is gone.
    pub fn is_gone(&self) -> bool {
        self.0.get().is_some_and(|closed| closed.is_gone)
    }
}
