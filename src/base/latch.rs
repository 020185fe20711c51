//! The one-way switch that stops the server from promising anything more.
//!
//! After a failed sync nobody knows what is on disk, and asking again proves nothing: the page cache may drop
//! what it could not write and report success. So the first such failure is kept, every batch is refused from
//! then on, `/readyz` says so, and only a restart (whose recovery rewrites what was not known durable) helps.

use std::sync::{Arc, OnceLock};

/// Shared by everything that syncs and everything that must know.
#[derive(Clone, Debug, Default)]
pub struct Latch(Arc<OnceLock<String>>);

impl Latch {
    /// A latch that is open.
    pub fn new() -> Self {
        Self::default()
    }

    /// Closes it for good. The first reason is kept and logged.
    pub fn close(&self, reason: impl Into<String>) {
        let mut first = false;
        let reason = self.0.get_or_init(|| {
            first = true;
            reason.into()
        });
        if first {
            log::error!(
                "latched: {reason}; no batch is taken any more: check the disk, then restart the server"
            );
        }
    }

    /// Why it is closed, if it is.
    pub fn reason(&self) -> Option<&str> {
        self.0.get().map(String::as_str)
    }

    /// Whether it is closed.
    pub fn is_closed(&self) -> bool {
        self.0.get().is_some()
    }
}
