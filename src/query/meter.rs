//! What a query has cost so far, held against its limits.

use std::time::Instant;

use super::{QueryError, QueryLimits};
use crate::base::clock;

/// The costs of one query.
#[derive(Debug)]
pub struct Meter {
    limits: QueryLimits,
    /// Windows that may be looked at besides, to know whether there is another page.
    lookahead: usize,
    began: Instant,
    windows: usize,
    bytes: u64,
    body_bytes: u64,
    objects: usize,
}

impl Meter {
    /// Starts the clock of a query.
    pub fn new(limits: QueryLimits) -> Self {
        Self {
            limits,
            lookahead: 0,
            began: clock::monotonic(),
            windows: 0,
            bytes: 0,
            body_bytes: 0,
            objects: 0,
        }
    }

    /// The same for a query that answers in pages: one window more than a page holds is looked at, to know whether
    /// there is another page.
    pub fn of_pages(limits: QueryLimits) -> Self {
        Self { lookahead: 1, ..Self::new(limits) }
    }

    /// When the query must be done.
    pub fn deadline(&self) -> Instant {
        self.began + self.limits.max_time
    }

    /// One window of so many bytes is about to be looked at.
    ///
    /// # Errors
    /// The first limit that is passed.
    pub fn charge(&mut self, bytes: u64) -> Result<(), QueryError> {
        self.windows += 1;
        self.bytes += bytes;
        if self.windows > self.most() {
            return Err(QueryError::Windows(self.limits.max_windows));
        }
        if self.bytes > self.limits.max_bytes {
            return Err(QueryError::Bytes(self.limits.max_bytes));
        }
        self.check_time()
    }

    /// A body of so many bytes is about to be read.
    ///
    /// # Errors
    /// The first limit that is passed.
    pub fn charge_body(&mut self, bytes: u64) -> Result<(), QueryError> {
        self.body_bytes += bytes;
        if self.body_bytes > self.limits.max_body_bytes {
            return Err(QueryError::BodyBytes(self.limits.max_body_bytes));
        }
        self.check_time()
    }

    /// One object of a bucket is listed, or about to be read.
    ///
    /// # Errors
    /// The first limit that is passed.
    pub fn charge_object(&mut self) -> Result<(), QueryError> {
        self.objects += 1;
        if self.objects > self.limits.max_objects {
            return Err(QueryError::Objects(self.limits.max_objects));
        }
        self.check_time()
    }

    /// Whether there is time left.
    ///
    /// # Errors
    /// [`QueryError::Time`].
    pub fn check_time(&self) -> Result<(), QueryError> {
        if clock::monotonic() > self.deadline() {
            return Err(QueryError::Time(self.limits.max_time));
        }
        Ok(())
    }

    /// Windows that may still be looked at.
    pub fn left(&self) -> usize {
        self.most().saturating_sub(self.windows)
    }

    /// Windows that may be looked at.
    fn most(&self) -> usize {
        self.limits.max_windows.saturating_add(self.lookahead)
    }
}
