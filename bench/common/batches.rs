//! Batches for the load generators: bodies made beforehand, heads of requests, and the reading of answers. Opens no
//! connection.

use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use log_analytics::model::WindowStart;
use log_analytics::time::format_start;

use crate::common::{Fields, Shape};

/// Bodies that one thread sends in turn.
const BODIES: usize = 16;

const MARK: &[u8] = b"\"receivedAt\":\"";

/// A body made beforehand, and where in it the times are.
#[derive(Clone)]
pub(crate) struct Template {
    pub(crate) bytes: Vec<u8>,
    minutes_at: Vec<usize>,
}

impl Template {
    /// Bodies of so many entries, from this many paths and user agents.
    pub(crate) fn all(entries: usize, paths: usize, agents: usize, fields: Fields) -> Vec<Template> {
        let lines = Shape { entries: BODIES * entries, minutes: 1, paths, agents, fields }.ndjson();
        let lines: Vec<&[u8]> = lines.trim_ascii_end().split(|byte| *byte == b'\n').collect();
        let template = |lines: &[&[u8]]| {
            let mut bytes = vec![b'['];
            bytes.extend_from_slice(&lines.join(&b','));
            bytes.push(b']');
            let minutes_at =
                memchr::memmem::find_iter(&bytes, MARK).map(|position| position + MARK.len()).collect();
            Template { bytes, minutes_at }
        };
        lines.chunks(entries).map(template).collect()
    }

    /// Puts all entries into this minute; seconds stay. If a body is just being sent, the rest of it changes too.
    pub(crate) fn set_minute(&mut self, minute: u32) {
        let stamp = format_start(WindowStart(minute));
        for at in &self.minutes_at {
            self.bytes[*at..*at + 16].copy_from_slice(&stamp.as_bytes()[..16]);
        }
    }
}

pub(crate) fn current_minute() -> u32 {
    (SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() / 60) as u32
}

/// Makes `head` that of a batch.
pub(crate) fn write_head(head: &mut Vec<u8>, host: &str, customer: &str, key: &str, body_bytes: usize) {
    head.clear();
    write!(
        head,
        "POST /logs HTTP/1.1\r\nhost: {host}\r\nx-customer-id: {customer}\r\nidempotency-key: {key}\r\n\
         content-type: application/json\r\ncontent-length: {body_bytes}\r\n\r\n",
    )
    .unwrap();
}

/// An answer that has arrived in full.
pub(crate) struct Answer<'b> {
    pub(crate) status: &'b str,
    pub(crate) closes: bool,
}

impl<'b> Answer<'b> {
    /// `None` while parts of it are missing.
    pub(crate) fn of(bytes: &'b [u8]) -> Option<Self> {
        let head_bytes = memchr::memmem::find(bytes, b"\r\n\r\n")?;
        let head = std::str::from_utf8(&bytes[..head_bytes]).unwrap();
        let body_bytes: usize = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .map_or(0, |length| length.parse().unwrap());
        let is_whole = bytes.len() >= head_bytes + 4 + body_bytes;
        is_whole.then(|| Self { status: &head[9..12], closes: head.contains("connection: close") })
    }
}
