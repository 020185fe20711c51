//! One connection's incoming bytes: a single reusable buffer that heads and bodies are read into.
//!
//! Input: a [`ByteSource`] with deadlines. Output: heads and bodies, or why there are none. A body lies right behind its
//! head in the same buffer, is read by length or decoded in place, and is never copied; what a client sent ahead of time
//! stays behind it for the next request. The buffer grows only with what is charged, and is small again before the
//! connection waits. Never: a read past the end of a body of known length.

use std::io::{self, ErrorKind};
use std::ops::Range;
use std::time::Instant;

use super::chunked::{ChunkDecoder, ChunkError};
use super::head::{self, BodyFraming, Framing, HeadScan, RefusedHead};
use super::pace::Pace;
use crate::base::clock::monotonic;
use crate::base::inflight::{Charge, STEP_BYTES};
use crate::http::limits::FrontLimits;
use crate::http::{BodyError, Head};

/// The first read of a request asks for this many bytes: a head and a small batch.
const FIRST_READ_BYTES: usize = 8 * 1024;
/// The largest buffer that a connection keeps while it waits for its next request.
const KEPT_BUFFER_BYTES: usize = 64 * 1024;
/// Empty lines that are skipped before a request (RFC 9112, section 2.2): old clients end a body with one, people at a
/// terminal type some.
const MAX_EMPTY_LINES: usize = 16;

/// Where bytes come from, and where `100 Continue` goes.
pub trait ByteSource {
    /// Reads what is there, waiting no longer than `until`. Zero bytes: the client sends no more.
    ///
    /// # Errors
    /// `WouldBlock` or `TimedOut` where nothing came in time; anything else means that the client is gone.
    fn read(&mut self, into: &mut [u8], until: Instant) -> io::Result<usize>;

    /// The same for bytes of a body, which may be told to give way to other bodies: that is a timeout as well.
    fn read_body(&mut self, into: &mut [u8], until: Instant) -> io::Result<usize> {
        self.read(into, until)
    }

    fn send_continue(&mut self) -> io::Result<()>;
}

/// Why there is no next request.
#[derive(Debug)]
pub enum NoRequest {
    /// The client closed the connection or was silent for too long: close without an answer.
    Closed,
    /// Answer this and close.
    Refused(RefusedHead),
}

#[derive(Debug)]
pub struct ReceivedHead {
    pub head: Head,
    pub framing: Framing,
}

/// The buffer. Its bytes up to `filled` are: the head (`head_bytes`), then the body as far as it has arrived, then the
/// beginning of the next request.
#[derive(Debug)]
pub struct RequestReader<'l> {
    limits: &'l FrontLimits,
    bytes: Vec<u8>,
    filled: usize,
    head_bytes: usize,
    /// Where the request ends in the buffer, once its body was read.
    end: usize,
}

impl<'l> RequestReader<'l> {
    pub fn new(limits: &'l FrontLimits) -> Self {
        Self { limits, bytes: Vec::new(), filled: 0, head_bytes: 0, end: 0 }
    }

    /// Reads until a head is complete. `idle_since` is when the connection began to wait; `begun` is called once,
    /// when the first byte has arrived.
    pub fn head(
        &mut self,
        source: &mut dyn ByteSource,
        idle_since: Instant,
        begun: &mut dyn FnMut(),
    ) -> Result<ReceivedHead, NoRequest> {
        let limits = self.limits;
        let mut scan = HeadScan::default();
        let mut first_byte = None;
        let mut empty_lines = 0;
        loop {
            if self.request_begins(&mut empty_lines) {
                if first_byte.is_none() {
                    first_byte = Some(monotonic());
                    begun();
                }
                let found = scan.advance(&self.bytes[..self.filled], limits);
                if let Some(length) = found.map_err(NoRequest::Refused)? {
                    self.head_bytes = length;
                    self.end = length;
                    break;
                }
            }
            let until =
                first_byte.map_or(idle_since + limits.idle_timeout, |first| first + limits.head_timeout);
            let room = self.filled + FIRST_READ_BYTES.min(limits.max_head_bytes);
            let refused = |status, text| Err(NoRequest::Refused(RefusedHead::new(status, text)));
            match self.fill(room, until, |space| source.read(space, until)) {
                Ok(1..) => {}
                Ok(0) if first_byte.is_some() => {
                    return refused(400, "the connection ended before the head did");
                }
                Err(error) if is_timeout(&error) && first_byte.is_some() => {
                    return refused(408, "the head did not arrive in time");
                }
                Ok(0) | Err(_) => return Err(NoRequest::Closed),
            }
        }
        let (head, framing) = head::parse(&self.bytes[..self.head_bytes]).map_err(NoRequest::Refused)?;
        Ok(ReceivedHead { head, framing })
    }

    /// Skips empty lines; returns whether a byte of a request follows them.
    fn request_begins(&mut self, empty_lines: &mut usize) -> bool {
        while *empty_lines < MAX_EMPTY_LINES && self.bytes[..self.filled].starts_with(b"\r\n") {
            self.skip(2);
            *empty_lines += 1;
        }
        let half_a_line = *empty_lines < MAX_EMPTY_LINES && self.bytes[..self.filled] == *b"\r";
        let begins = self.filled > 0 && !half_a_line;
        if begins {
            // From now on an empty line ends the head.
            *empty_lines = MAX_EMPTY_LINES;
        }
        begins
    }

    /// Reads the body of the request whose head was read last.
    pub fn body(
        &mut self,
        source: &mut dyn ByteSource,
        framing: Framing,
        limit_bytes: usize,
        charge: &mut Charge,
    ) -> Result<&[u8], BodyError> {
        // A first step is charged before the client is told to continue, so that it is not refused afterwards.
        let range = match framing.body {
            BodyFraming::None => return Err(BodyError::LengthRequired),
            BodyFraming::Length(bytes) => {
                let bytes = usize::try_from(bytes).ok().filter(|bytes| *bytes <= limit_bytes);
                let bytes = bytes.ok_or(BodyError::TooLarge { limit_bytes })?;
                charge.grow_to(bytes.min(STEP_BYTES)).map_err(|_| BodyError::Busy)?;
                if framing.expect_continue && self.filled - self.head_bytes < bytes {
                    source.send_continue().map_err(BodyError::Disconnected)?;
                }
                self.sized_body(source, bytes, charge)?
            }
            BodyFraming::Chunked => {
                charge.grow_to(STEP_BYTES).map_err(|_| BodyError::Busy)?;
                if framing.expect_continue && self.filled == self.head_bytes {
                    source.send_continue().map_err(BodyError::Disconnected)?;
                }
                self.chunked_body(source, limit_bytes, charge)?
            }
        };
        Ok(&self.bytes[range])
    }

    fn sized_body(
        &mut self,
        source: &mut dyn ByteSource,
        body_bytes: usize,
        charge: &mut Charge,
    ) -> Result<Range<usize>, BodyError> {
        let pace = Pace::of_body(self.limits);
        let end = self.head_bytes + body_bytes;
        // Reserves address space for the whole body, so that growing never moves it. Memory is used only as bytes
        // arrive, and was charged before.
        self.bytes.reserve_exact(end.saturating_sub(self.bytes.len()));
        while self.filled < end {
            let have = self.filled - self.head_bytes;
            let step = body_bytes.min(next_step(have));
            charge.grow_to(step).map_err(|_| BodyError::Busy)?;
            self.fill_body(source, self.head_bytes + step, pace.until(have))?;
        }
        charge.grow_to(body_bytes).map_err(|_| BodyError::Busy)?;
        self.end = end;
        Ok(self.head_bytes..end)
    }

    fn chunked_body(
        &mut self,
        source: &mut dyn ByteSource,
        limit_bytes: usize,
        charge: &mut Charge,
    ) -> Result<Range<usize>, BodyError> {
        let pace = Pace::of_body(self.limits);
        let mut decoder = ChunkDecoder::default();
        let start = self.head_bytes;
        let mut written = start;
        let mut read = start;
        let mut wire_bytes = 0;
        loop {
            wire_bytes += self.filled - read;
            let buffer = &mut self.bytes[..self.filled];
            let progress =
                decoder.decode(buffer, read, written, limit_bytes).map_err(|error| match error {
                    ChunkError::Malformed(text) => BodyError::Malformed(text),
                    ChunkError::TooLarge => BodyError::TooLarge { limit_bytes },
                })?;
            written = progress.written;
            charge.grow_to(written - start).map_err(|_| BodyError::Busy)?;
            if progress.done {
                self.end = progress.read;
                return Ok(start..written);
            }
            // All raw bytes were decoded, so the next ones go right behind the data.
            self.filled = written;
            read = written;
            let step = next_step(written - start);
            charge.grow_to(step).map_err(|_| BodyError::Busy)?;
            self.fill_body(source, start + step, pace.until(wire_bytes))?;
        }
    }

    fn fill_body(
        &mut self,
        source: &mut dyn ByteSource,
        room: usize,
        until: Instant,
    ) -> Result<(), BodyError> {
        let filled = self.fill(room, until, |space| source.read_body(space, until));
        match filled {
            Ok(0) => Err(BodyError::Disconnected(ErrorKind::UnexpectedEof.into())),
            Ok(_) => Ok(()),
            Err(error) if is_timeout(&error) => Err(BodyError::TooSlow),
            Err(error) => Err(BodyError::Disconnected(error)),
        }
    }

    /// Reads once, so that at most the first `room` bytes of the buffer are filled.
    fn fill(
        &mut self,
        room: usize,
        until: Instant,
        read: impl FnOnce(&mut [u8]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        // Checked even while bytes keep arriving: the deadline is for all of them together.
        if monotonic() >= until {
            return Err(ErrorKind::TimedOut.into());
        }
        if self.bytes.len() < room {
            self.bytes.resize(room, 0);
        }
        let count = read(&mut self.bytes[self.filled..room])?;
        self.filled += count;
        Ok(count)
    }

    /// Bytes of the body that are not in the buffer; `None` where its length is not known.
    pub(super) fn unread_body(&self, framing: Framing) -> Option<u64> {
        match framing.body {
            BodyFraming::None => Some(0),
            BodyFraming::Length(bytes) => Some(bytes.saturating_sub((self.filled - self.head_bytes) as u64)),
            BodyFraming::Chunked => None,
        }
    }

    /// Skips a body of known length that was not read, so that the next request can be read.
    ///
    /// # Errors
    /// It did not arrive in time, or the client is gone.
    pub(super) fn skip_body(
        &mut self,
        source: &mut dyn ByteSource,
        framing: Framing,
        until: Instant,
    ) -> io::Result<()> {
        let BodyFraming::Length(bytes) = framing.body else { return Ok(()) };
        let mut unread = self.unread_body(framing).unwrap_or(0);
        if unread == 0 {
            self.end = self.head_bytes + usize::try_from(bytes).unwrap_or(self.filled);
            return Ok(());
        }
        while unread > 0 {
            self.filled = 0;
            let step = usize::try_from(unread).unwrap_or(FIRST_READ_BYTES).min(FIRST_READ_BYTES);
            match self.fill(step, until, |space| source.read(space, until))? {
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                count => unread -= count as u64,
            }
        }
        self.end = self.filled;
        Ok(())
    }

    /// Removes the request from the buffer, keeps what was sent ahead, and frees a large buffer.
    pub fn finish(&mut self) {
        self.skip(self.end);
        (self.head_bytes, self.end) = (0, 0);
        if self.bytes.capacity() > KEPT_BUFFER_BYTES {
            let mut small = Vec::with_capacity(self.filled.max(FIRST_READ_BYTES));
            small.extend_from_slice(&self.bytes[..self.filled]);
            self.bytes = small;
        }
    }

    /// A small buffer for bytes that are thrown away. The request's buffer is freed, because it is not charged any
    /// more.
    pub(super) fn scratch(&mut self) -> &mut [u8] {
        *self = Self { bytes: vec![0; FIRST_READ_BYTES], ..Self::new(self.limits) };
        &mut self.bytes
    }

    fn skip(&mut self, count: usize) {
        self.bytes.copy_within(count..self.filled, 0);
        self.filled -= count;
    }
}

/// The end of the charging step that contains the byte after `have`.
fn next_step(have: usize) -> usize {
    (have / STEP_BYTES + 1) * STEP_BYTES
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
