//! One connection's incoming bytes: a single reusable buffer that heads and bodies are read into.
//!
//! In: a [`Source`] of bytes with deadlines. Out: heads, bodies, and how reading ended. A body lies right behind
//! its head in the same buffer, read by length or decoded in place, and is never copied; what a client sent
//! ahead of time stays behind it for the next request. The buffer grows only with what is charged, and is small
//! again before the connection waits. It must never read past the end of a body of known length.

use std::io::{self, ErrorKind};
use std::ops::Range;
use std::time::Instant;

use super::chunked::{ChunkError, Decoder};
use super::head::{self, Framed, Framing, HeadScan, Refusal};
use super::pace::Pace;
use crate::base::clock::monotonic;
use crate::base::inflight::{Charge, STEP_BYTES};
use crate::http::limits::FrontLimits;
use crate::http::{BodyError, Head};

/// The first read of a request asks for this many bytes: a head and a small batch.
const FIRST_READ_BYTES: usize = 8 * 1024;

/// Empty lines that are skipped before a request (RFC 9112, section 2.2): old clients end a body with one, people at a
/// terminal type some.
const MAX_EMPTY_LINES: usize = 16;

/// Where bytes come from, and where `100 Continue` goes.
pub trait Source {
    /// Reads what is there, waiting no longer than `until`. Zero bytes: the client sends no more.
    ///
    /// # Errors
    /// `WouldBlock` or `TimedOut` where nothing came in time; anything else means that the client is gone.
    fn read(&mut self, into: &mut [u8], until: Instant) -> io::Result<usize>;

    /// The same for bytes of a body, which may be told to give way to other bodies: that is a timeout as well.
    ///
    /// # Errors
    /// As for `read`.
    fn read_body(&mut self, into: &mut [u8], until: Instant) -> io::Result<usize> {
        self.read(into, until)
    }

    /// Sends `100 Continue`.
    ///
    /// # Errors
    /// As for `read`.
    fn send_continue(&mut self) -> io::Result<()>;
}

/// Why there is no next request.
#[derive(Debug)]
pub enum NoHead {
    /// The client closed or said nothing for too long: close without an answer.
    Closed,
    /// Answer this and close.
    Refused(Refusal),
}

/// A head and what belongs to it.
#[derive(Debug)]
pub struct Started {
    /// Request line and headers.
    pub head: Head,
    /// What they say about body and connection.
    pub framing: Framing,
}

/// The buffer. Its bytes up to `filled` are: the head (`head_bytes`), then the body or what has come of it, then
/// what belongs to the next request.
#[derive(Debug, Default)]
pub struct Reader {
    bytes: Vec<u8>,
    filled: usize,
    head_bytes: usize,
    /// Where the request ends in the buffer, once its body was read.
    end: usize,
}

impl Reader {
    /// Reads until a head is complete. `idle_since` is when the connection began to wait; `begun` is called once
    /// when the first byte is there.
    ///
    /// # Errors
    /// See [`NoHead`].
    pub fn head(
        &mut self,
        source: &mut dyn Source,
        limits: &FrontLimits,
        idle_since: Instant,
        begun: &mut dyn FnMut(),
    ) -> Result<Started, NoHead> {
        let mut scan = HeadScan::default();
        let mut first_byte = None;
        let mut empty_lines = 0;
        loop {
            while empty_lines < MAX_EMPTY_LINES && self.bytes[..self.filled].starts_with(b"\r\n") {
                self.skip(2);
                empty_lines += 1;
            }
            // Half an empty line does not begin a request.
            let half = empty_lines < MAX_EMPTY_LINES && self.bytes[..self.filled] == *b"\r";
            if self.filled > 0 && !half {
                // No empty line may follow: it would end the head.
                empty_lines = MAX_EMPTY_LINES;
                if first_byte.is_none() {
                    first_byte = Some(monotonic());
                    begun();
                }
                let found = scan.advance(&self.bytes[..self.filled], limits);
                if let Some(length) = found.map_err(NoHead::Refused)? {
                    self.head_bytes = length;
                    self.end = length;
                    break;
                }
            }
            let until =
                first_byte.map_or(idle_since + limits.idle_timeout, |first| first + limits.head_timeout);
            let room = self.filled + FIRST_READ_BYTES.min(limits.max_head_bytes);
            let late = || match first_byte {
                Some(_) => NoHead::Refused(Refusal::new(408, "the head did not come in time")),
                None => NoHead::Closed,
            };
            match self.fill(room, until, |space| source.read(space, until)) {
                Ok(0) if first_byte.is_some() => {
                    return Err(NoHead::Refused(Refusal::new(400, "the head is not complete")));
                }
                Ok(0) => return Err(NoHead::Closed),
                Ok(_) => {}
                Err(error) if is_timeout(&error) => return Err(late()),
                Err(_) => return Err(NoHead::Closed),
            }
        }
        let (head, framing) = head::parse(&self.bytes[..self.head_bytes]).map_err(NoHead::Refused)?;
        Ok(Started { head, framing })
    }

    /// Reads the body of the request whose head was read last.
    ///
    /// # Errors
    /// See [`BodyError`].
    pub fn body(
        &mut self,
        source: &mut dyn Source,
        started: &Started,
        limits: &FrontLimits,
        limit_bytes: usize,
        charge: &mut Charge,
    ) -> Result<&[u8], BodyError> {
        let range = match started.framing.body {
            Framed::None => return Err(BodyError::LengthRequired),
            Framed::Length(bytes) => {
                let bytes = usize::try_from(bytes).ok().filter(|bytes| *bytes <= limit_bytes);
                let bytes = bytes.ok_or(BodyError::TooLarge { limit_bytes })?;
                // Nobody is told to go on who would then be refused.
                charge.grow_to(bytes.min(STEP_BYTES)).map_err(|_| BodyError::Busy)?;
                self.consent(source, started, self.filled - self.head_bytes < bytes)?;
                self.sized_body(source, bytes, Pace::of_body(limits), charge)?
            }
            Framed::Chunked => {
                charge.grow_to(STEP_BYTES).map_err(|_| BodyError::Busy)?;
                self.consent(source, started, self.filled == self.head_bytes)?;
                let decoder = Decoder::new(limits);
                self.chunked_body(source, decoder, limit_bytes, Pace::of_body(limits), charge)?
            }
        };
        Ok(&self.bytes[range])
    }

    fn sized_body(
        &mut self,
        source: &mut dyn Source,
        body_bytes: usize,
        pace: Pace,
        charge: &mut Charge,
    ) -> Result<Range<usize>, BodyError> {
        let end = self.head_bytes + body_bytes;
        // The room is set aside at once, so that growing never moves the body; memory is only used, and was
        // charged before, where bytes arrive (see `crate::base::allocator` for why that is so again and again).
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
        source: &mut dyn Source,
        mut decoder: Decoder<'_>,
        limit_bytes: usize,
        pace: Pace,
        charge: &mut Charge,
    ) -> Result<Range<usize>, BodyError> {
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
            // Everything raw was used up, so the next bytes go right behind the data.
            self.filled = written;
            read = written;
            let step = next_step(written - start);
            charge.grow_to(step).map_err(|_| BodyError::Busy)?;
            self.fill_body(source, start + step, pace.until(wire_bytes))?;
        }
    }

    /// Tells a client that waits for it to go on, unless part of the body is here already.
    fn consent(
        &mut self,
        source: &mut dyn Source,
        started: &Started,
        body_is_missing: bool,
    ) -> Result<(), BodyError> {
        if started.framing.expect_continue && body_is_missing {
            source.send_continue().map_err(BodyError::Disconnected)?;
        }
        Ok(())
    }

    fn fill_body(&mut self, source: &mut dyn Source, room: usize, until: Instant) -> Result<(), BodyError> {
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
        // Also where bytes keep coming: a deadline is for the whole, not for a read.
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

    /// Bytes of the body still in the socket: `None` where nobody can know.
    pub fn unread_body(&self, framing: Framing) -> Option<u64> {
        match framing.body {
            Framed::None => Some(0),
            Framed::Length(bytes) => Some(bytes.saturating_sub((self.filled - self.head_bytes) as u64)),
            Framed::Chunked => None,
        }
    }

    /// Skips a body of known length that nobody asked for, so that the next request can be read.
    ///
    /// # Errors
    /// It did not come in time, or the client is gone.
    pub fn skip_body(&mut self, source: &mut dyn Source, framing: Framing, until: Instant) -> io::Result<()> {
        let Framed::Length(bytes) = framing.body else { return Ok(()) };
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

    /// Forgets the request, keeps what was sent ahead, and gives back a large buffer.
    pub fn finish(&mut self, limits: &FrontLimits) {
        self.skip(self.end);
        (self.head_bytes, self.end) = (0, 0);
        if self.bytes.capacity() > limits.kept_buffer_bytes {
            let mut small = Vec::with_capacity(self.filled.max(FIRST_READ_BYTES));
            small.extend_from_slice(&self.bytes[..self.filled]);
            self.bytes = small;
        }
    }

    /// A small buffer for reading what is to be thrown away. What was read is forgotten and its memory given back: it
    /// is charged no more.
    pub(super) fn scratch(&mut self) -> &mut [u8] {
        *self = Self { bytes: vec![0; FIRST_READ_BYTES], ..Self::default() };
        &mut self.bytes
    }

    fn skip(&mut self, count: usize) {
        self.bytes.copy_within(count..self.filled, 0);
        self.filled -= count;
    }
}

/// Where the charging step ends that the byte after `have` is in.
fn next_step(have: usize) -> usize {
    (have / STEP_BYTES + 1) * STEP_BYTES
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
