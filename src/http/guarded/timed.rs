//! A connected socket on which every wait has a deadline.
//!
//! Input: a stream and deadlines. Output: bytes, or why there are none. While it reads a body, it also checks at
//! intervals whether the upload must give way to others (`crate::base::inflight`). Never: waits beyond a deadline.

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::pace::Pace;
use super::reader::ByteSource;
use crate::base::clock::monotonic;
use crate::base::inflight::{GIVE_WAY_INTERVAL, Upload};
use crate::http::limits::FrontLimits;
use crate::http::socket::Stream;

/// The largest write: a blocking write does not report its progress before it ends.
pub(super) const MAX_WRITE_BYTES: usize = 64 * 1024;

/// A timeout is set again only if it changes by this much. No timeout is shorter, because zero would mean none.
const TIMEOUT_STEP: Duration = Duration::from_millis(1);

/// A stream with deadlines. It remembers the timeouts that it has set, because a busy connection needs the same ones
/// again and again.
pub(super) struct TimedStream<'a> {
    stream: &'a Stream,
    limits: &'a FrontLimits,
    upload: Arc<Upload>,
    read_timeout: Duration,
    write_timeout: Duration,
}

impl<'a> TimedStream<'a> {
    pub(super) fn new(stream: &'a Stream, limits: &'a FrontLimits) -> Self {
        let (read_timeout, write_timeout) = (Duration::ZERO, Duration::ZERO);
        Self { stream, limits, upload: Upload::new(), read_timeout, write_timeout }
    }

    pub(super) fn stream(&self) -> &Stream {
        self.stream
    }

    pub(super) fn upload(&self) -> &Arc<Upload> {
        &self.upload
    }

    /// Writes all of it, at the pace of an answer.
    pub(super) fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let pace = Pace::of_answer(self.limits);
        let mut written = 0;
        while written < bytes.len() {
            let left = left(pace.until(written))?;
            if left.abs_diff(self.write_timeout) >= TIMEOUT_STEP {
                self.stream.set_write_timeout(left)?;
                self.write_timeout = left;
            }
            let end = bytes.len().min(written + MAX_WRITE_BYTES);
            match self.stream.write(&bytes[written..end]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => written += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads once, waiting no longer than this.
    fn read_within(&mut self, into: &mut [u8], wait: Duration) -> io::Result<usize> {
        if wait.abs_diff(self.read_timeout) >= TIMEOUT_STEP {
            self.stream.set_read_timeout(wait)?;
            self.read_timeout = wait;
        }
        self.stream.read(into)
    }
}

fn left(until: Instant) -> io::Result<Duration> {
    let left = until.saturating_duration_since(monotonic());
    if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left.max(TIMEOUT_STEP)) }
}

impl ByteSource for TimedStream<'_> {
    fn read(&mut self, into: &mut [u8], until: Instant) -> io::Result<usize> {
        loop {
            let wait = left(until)?;
            match self.read_within(into, wait) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                done => return done,
            }
        }
    }

    fn read_body(&mut self, into: &mut [u8], until: Instant) -> io::Result<usize> {
        self.upload.wait();
        loop {
            let wait = left(until)?.min(GIVE_WAY_INTERVAL);
            match self.read_within(into, wait) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    if self.upload.gives_way() {
                        return Err(error);
                    }
                }
                done => {
                    self.upload.resume();
                    return done;
                }
            }
        }
    }

    fn send_continue(&mut self) -> io::Result<()> {
        self.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")
    }
}
