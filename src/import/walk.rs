//! From a region to batches that are counted once, however often and in whatever states of the file it is imported.
//!
//! Input: a region. Output: batches of its lines with their keys, and what the server said of them. The scheme and the argument
//! why it is right stand in the [parent module](super). Never: HTTP, files or time, so that tests put a model of the server
//! behind [`Post`].

use super::region::{REGION_LINES, Region};
use crate::entry::{Outcome, Reader, SkipTally};

/// Lines of a block grow by this factor from level to level.
const FAN: usize = 8;
/// The highest level: one line, 8, 64, 512, and a whole region.
const TOP_LEVEL: u32 = 4;
/// A batch's body; the server's limit, below which a block is sent in smaller ones.
pub const MAX_BODY_BYTES: usize = 2 << 20;

const _: () = assert!(FAN.pow(TOP_LEVEL) == REGION_LINES, "the largest block is a region");

/// What the server said of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchFate {
    /// It is counted now.
    Counted,
    /// It was counted before, line for line.
    AlreadyCounted,
    /// Another batch was counted under its key.
    OtherBatch,
}

/// A batch to send.
#[derive(Clone, Copy, Debug)]
pub struct OutgoingBatch<'b> {
    /// Its key.
    pub key: &'b str,
    /// The reader's state before its first line, as parameters.
    pub state: &'b [(&'static str, String)],
    /// Its lines.
    pub lines: &'b [u8],
}

/// An answer, with the numbers that it gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PostAnswer {
    /// What became of the batch.
    pub fate: BatchFate,
    /// Its entries.
    pub entries: u64,
    /// Its lines that are no entries.
    pub skipped: u64,
}

/// Who takes batches.
pub trait Post {
    /// Why a batch could not be delivered, in the end.
    type Error;

    /// Delivers a batch, as often as it takes to get an answer.
    ///
    /// # Errors
    /// Where there is none, or one that no other try can change.
    fn post(&mut self, batch: OutgoingBatch<'_>) -> Result<PostAnswer, Self::Error>;
}

/// How far a region is imported. By default: not at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RegionProgress {
    /// Logical lines done.
    pub lines: usize,
    /// The first line of the block that was sent last.
    pub last_block: Option<usize>,
}

/// What became of a region's lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Walked {
    /// Entries counted now.
    pub counted: u64,
    /// Entries that had been counted before.
    pub already: u64,
    /// Lines that are no entries, by their numbers in the file.
    pub skipped: SkipTally,
    /// The first line whose key belongs to another batch than any that could be made of it; what follows in the region was not
    /// sent.
    pub conflict: Option<usize>,
}

/// Sends the lines of a region that `progress` does not have yet.
///
/// # Errors
/// The first that [`Post`] says.
pub fn walk<P: Post>(
    region: &Region,
    progress: &mut RegionProgress,
    post: &mut P,
) -> Result<Walked, P::Error> {
    let mut walked = Walked::default();
    let mut reader = region.start.reader.clone();
    // A file may have lost the line without end that was imported last.
    progress.lines = progress.lines.min(region.lines());
    pass_over(&mut reader, region.slice(0, progress.lines));
    while progress.lines < region.lines() {
        let first = first_entry(region, progress.lines, &reader, &mut walked.skipped);
        pass_over(&mut reader, region.slice(progress.lines, first));
        progress.lines = first;
        if first == region.lines() {
            break;
        }
        let Some((end, answer)) = settle(region, first, progress.last_block, &reader.state(), post)? else {
            walked.conflict = Some(first);
            break;
        };
        match answer.fate {
            BatchFate::Counted => walked.counted += answer.entries,
            BatchFate::AlreadyCounted | BatchFate::OtherBatch => walked.already += answer.entries,
        }
        if answer.skipped > 0 {
            tally(region, first, end, &reader, &mut walked.skipped);
        }
        pass_over(&mut reader, region.slice(first, end));
        *progress = RegionProgress { lines: end, last_block: Some(first) };
    }
    Ok(walked)
}

/// Has the reader take note of lines without reading more of them than it must.
fn pass_over(reader: &mut Reader, lines: &[u8]) {
    if reader.is_within_line() || Reader::may_carry(lines) {
        reader.body(lines, &mut |_| {});
    }
}

/// The first logical line from `from` on that is an entry; the lines before it are tallied.
fn first_entry(region: &Region, from: usize, reader: &Reader, skipped: &mut SkipTally) -> usize {
    let mut reader = reader.clone();
    let mut number = region.number(from);
    for line in from..region.lines() {
        let mut is_entry = false;
        let mut found = SkipTally::default();
        let mut each = |outcome: Outcome<'_>| match outcome {
            Outcome::Entry { .. } => is_entry = true,
            Outcome::Skipped { reason, line } => found.add(reason, number, line),
        };
        let text = region.slice(line, line + 1);
        reader.body(text, &mut each);
        if line + 1 == region.lines() {
            // A logical line without an end, at the end of all.
            reader.finish(&mut each);
        }
        if is_entry {
            return line;
        }
        skipped.merge(found);
        number += memchr::memchr_iter(b'\n', text).count() as u64;
    }
    region.lines()
}

/// Tallies what the server skipped of the lines from `from` up to `to`.
fn tally(region: &Region, from: usize, to: usize, reader: &Reader, skipped: &mut SkipTally) {
    let mut reader = reader.clone();
    let mut number = region.number(from);
    for line in without_end(region.slice(from, to)).split(|byte| *byte == b'\n') {
        reader.line(line, &mut |outcome| {
            if let Outcome::Skipped { reason, line } = outcome {
                skipped.add(reason, number, line);
            }
        });
        number += 1;
    }
    reader.finish(&mut |outcome| {
        if let Outcome::Skipped { reason, line } = outcome {
            skipped.add(reason, number - 1, line);
        }
    });
}

/// Lines without the end of the last one, which may not be there yet.
fn without_end(lines: &[u8]) -> &[u8] {
    lines.strip_suffix(b"\n").unwrap_or(lines)
}

/// Finds the block that holds the key of its first line, or makes the largest one hold it: where it ends, and what was
/// said of it. `None` where none of them is the one that does.
fn settle<P: Post>(
    region: &Region,
    first: usize,
    last_block: Option<usize>,
    state: &[(&'static str, String)],
    post: &mut P,
) -> Result<Option<(usize, PostAnswer)>, P::Error> {
    let lines = region.lines();
    let name = region.start.chain.name(without_end(region.slice(0, first + 1)));
    let key = format!("import2-{name:032x}");
    let mut tried_end = usize::MAX;
    for level in (0..=TOP_LEVEL).rev() {
        let size = FAN.pow(level);
        let start = first - first % size;
        if region.next.is_none() && start + size > lines {
            continue;
        }
        // Where there is an entry before it, the block is that entry's.
        if last_block.is_some_and(|block| block >= start) {
            continue;
        }
        let end = (start + size).min(lines);
        let body = without_end(region.slice(first, end));
        if end == tried_end || (body.len() > MAX_BODY_BYTES && size > 1) {
            continue;
        }
        let answer = post.post(OutgoingBatch { key: &key, state, lines: body })?;
        match answer.fate {
            BatchFate::OtherBatch => tried_end = end,
            BatchFate::Counted | BatchFate::AlreadyCounted => return Ok(Some((end, answer))),
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests;
