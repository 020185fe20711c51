//! From a region to batches that are counted once, however often and in whatever states of the file it is imported.
//!
//! Input: a region. Output: batches of its lines with their keys, and what the server said of them. The scheme and the argument
//! why it is right stand in the [parent module](super). Never: HTTP, files or time, so that tests put a model of the server
//! behind [`Post`].

use std::borrow::Cow;

use super::customers::CustomerLines;
use super::region::{REGION_LINES, Region};
use crate::entry::{LineOutcome, Reader, SkipTally};
use crate::model::CustomerId;

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
    Counted,
    /// It was counted before, line for line.
    AlreadyCounted,
    /// Another batch was counted under its key.
    OtherBatch,
}

/// A batch to send.
#[derive(Clone, Copy, Debug)]
pub struct OutgoingBatch<'b> {
    /// Whose it is, where the lines say so.
    pub customer: Option<&'b CustomerId>,
    pub key: &'b str,
    /// The reader's state before its first line, as parameters.
    pub state: &'b [(&'static str, String)],
    pub lines: &'b [u8],
}

/// An answer, with the numbers that it gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PostAnswer {
    pub fate: BatchFate,
    pub entries: u64,
    /// Its lines that are not entries.
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
    /// Bytes of the line behind them that has no end yet and is no entry so far, if it was told of.
    pub cut_bytes: usize,
}

/// What became of a region's lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Walked {
    /// Entries counted now.
    pub counted: u64,
    /// Entries that had been counted before.
    pub already: u64,
    /// Lines that are not entries, by their numbers in the file.
    pub skipped: SkipTally,
    /// The first line whose key belongs to another batch than any that could be made of it; what follows in the region was not
    /// sent.
    pub conflict: Option<Conflict>,
}

/// Lines that are not sent, because a key of theirs belongs to another batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The first of them.
    pub line: usize,
    /// How many there are.
    pub lines: usize,
}

/// The lines of a region that are walked: all, or those of one customer.
#[derive(Clone, Copy)]
pub(super) struct View<'r> {
    pub(super) region: &'r Region,
    /// See [`finished_lines`].
    pub(super) lines: usize,
    /// The region will not get more lines while this import runs.
    pub(super) is_last_look: bool,
    pub(super) customer: Option<CustomerLines<'r>>,
}

impl<'r> View<'r> {
    /// Whose the lines are, where they say so.
    fn customer(self) -> Option<&'r CustomerId> {
        self.customer.and_then(CustomerLines::id)
    }

    /// The key of the block that begins with this entry.
    fn key(self, first: usize) -> String {
        let name = self.region.start.chain.name(without_end(self.region.slice(0, first + 1)));
        format!("import2-{name:032x}")
    }

    fn has(self, line: usize) -> bool {
        self.customer.is_none_or(|customer| customer.has(line))
    }

    fn slice(self, from: usize, to: usize) -> Cow<'r, [u8]> {
        let Some(customer) = self.customer else { return self.region.slice(from, to).into() };
        let lines = (from..to).filter(|line| customer.has(*line));
        lines.map(|line| self.region.slice(line, line + 1)).collect::<Vec<_>>().concat().into()
    }

    /// The last entry before a line. It stands for [`RegionProgress::last_block`]: blocks that hold it belong to it, or to an
    /// earlier one.
    pub(super) fn last_entry(self, before: usize) -> Option<usize> {
        let mut reader = self.region.start.reader.clone();
        let mut last = None;
        for line in (0..before).filter(|line| self.has(*line)) {
            reader.body(self.region.slice(line, line + 1), &mut |outcome| {
                if matches!(outcome, LineOutcome::Entry { .. }) {
                    last = Some(line);
                }
            });
        }
        last
    }
}

/// Sends the lines of a region that `progress` does not have yet. At the last look a conflict is final.
///
/// # Errors
/// The first that [`Post`] says.
pub fn walk<P: Post>(
    region: &Region,
    is_last_look: bool,
    progress: &mut RegionProgress,
    post: &mut P,
) -> Result<Walked, P::Error> {
    let lines = finished_lines(region);
    walk_view(View { region, lines, is_last_look, customer: None }, progress, post)
}

/// As [`walk`], of the lines of a view.
pub(super) fn walk_view<P: Post>(
    view: View<'_>,
    progress: &mut RegionProgress,
    post: &mut P,
) -> Result<Walked, P::Error> {
    let region = view.region;
    let mut walked = Walked::default();
    // A file may have lost the line without end that was imported last.
    progress.lines = progress.lines.min(region.lines());
    let mut reader = reader_before(region, progress.lines);
    while progress.lines < view.lines {
        let first = first_entry(view, progress.lines, &reader, &mut walked.skipped);
        if first > progress.lines {
            pass_over(&mut reader, region.slice(progress.lines, first));
            (progress.lines, progress.cut_bytes) = (first, 0);
        }
        if first == view.lines {
            break;
        }
        let Some((end, answer)) = settle(view, first, progress.last_block, &reader.state(), post)? else {
            // No progress is made in either case: the block is found again once the file has all of it.
            if let Some(answer) = beginning(view, first, reader.state(), post)? {
                walked.already += answer.entries;
                tally(view, first, view.lines, &reader, &mut walked.skipped);
            } else {
                let lines = (first..view.lines).filter(|line| view.has(*line)).count();
                walked.conflict = Some(Conflict { line: first, lines });
            }
            break;
        };
        match answer.fate {
            BatchFate::Counted => walked.counted += answer.entries,
            BatchFate::AlreadyCounted | BatchFate::OtherBatch => walked.already += answer.entries,
        }
        if answer.skipped > 0 {
            tally(view, first, end, &reader, &mut walked.skipped);
        }
        pass_over(&mut reader, region.slice(first, end));
        *progress = RegionProgress { lines: end, last_block: Some(first), cut_bytes: 0 };
    }
    if progress.lines <= view.lines && view.lines < region.lines() && walked.conflict.is_none() {
        // It is told of as it is, once, and read again when there is more of it.
        let cut = region.slice(view.lines, region.lines());
        if progress.cut_bytes != cut.len() {
            pass_over(&mut reader, region.slice(progress.lines, view.lines));
            tally(view, view.lines, region.lines(), &reader, &mut walked.skipped);
            progress.cut_bytes = cut.len();
        }
    }
    Ok(walked)
}

/// The logical lines of a region, without a last one that has no end yet and is no entry so far. A program may be in the middle of
/// writing it: in a block it would be skipped, and never be counted once it is whole.
pub(super) fn finished_lines(region: &Region) -> usize {
    let Some(last) = region.lines().checked_sub(1).filter(|_| region.next.is_none()) else {
        return region.lines();
    };
    let text = region.slice(last, last + 1);
    let mut reader = reader_before(region, last);
    let mut is_entry = false;
    let mut each = |outcome: LineOutcome<'_>| is_entry |= matches!(outcome, LineOutcome::Entry { .. });
    reader.body(text, &mut each);
    let has_end = text.ends_with(b"\n") && !reader.is_within_line();
    reader.finish(&mut each);
    if has_end || is_entry { region.lines() } else { last }
}

/// The reader as it stands before a line of a region.
fn reader_before(region: &Region, line: usize) -> Reader {
    let mut reader = region.start.reader.clone();
    pass_over(&mut reader, region.slice(0, line));
    reader
}

/// Has the reader take note of lines without reading more of them than it must.
fn pass_over(reader: &mut Reader, lines: &[u8]) {
    if reader.is_within_line() || Reader::may_carry(lines) {
        reader.body(lines, &mut |_| {});
    }
}

/// The first logical line from `from` on that is an entry; the lines before it are tallied.
fn first_entry(view: View<'_>, from: usize, reader: &Reader, skipped: &mut SkipTally) -> usize {
    let region = view.region;
    let mut reader = reader.clone();
    let mut number = region.number(from);
    for line in from..view.lines {
        let mut is_entry = false;
        let mut found = SkipTally::default();
        let mut each = |outcome: LineOutcome<'_>| match outcome {
            LineOutcome::Entry { .. } => is_entry = true,
            LineOutcome::Skipped { reason, line } => found.add(reason, number, line),
        };
        let text = region.slice(line, line + 1);
        if view.has(line) {
            reader.body(text, &mut each);
        }
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
    view.lines
}

/// Tallies what the server skipped of the lines from `from` up to `to`.
fn tally(view: View<'_>, from: usize, to: usize, reader: &Reader, skipped: &mut SkipTally) {
    let region = view.region;
    let mut reader = reader.clone();
    let mut number = region.number(from);
    for logical in from..to {
        for line in without_end(region.slice(logical, logical + 1)).split(|byte| *byte == b'\n') {
            if view.has(logical) {
                reader.line(line, &mut |outcome| {
                    if let LineOutcome::Skipped { reason, line } = outcome {
                        skipped.add(reason, number, line);
                    }
                });
            }
            number += 1;
        }
    }
    reader.finish(&mut |outcome| {
        if let LineOutcome::Skipped { reason, line } = outcome {
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
    view: View<'_>,
    first: usize,
    last_block: Option<usize>,
    state: &[(&'static str, String)],
    post: &mut P,
) -> Result<Option<(usize, PostAnswer)>, P::Error> {
    let region = view.region;
    let lines = view.lines;
    let key = view.key(first);
    let mut tried_bytes = usize::MAX;
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
        let body = view.slice(first, end);
        let body = without_end(&body);
        // Of the same length from the same line on: the same lines.
        if body.len() == tried_bytes || (body.len() > MAX_BODY_BYTES && size > 1) {
            continue;
        }
        let answer = post.post(OutgoingBatch { customer: view.customer(), key: &key, state, lines: body })?;
        match answer.fate {
            BatchFate::OtherBatch => tried_bytes = body.len(),
            BatchFate::Counted | BatchFate::AlreadyCounted => return Ok(Some((end, answer))),
        }
    }
    Ok(None)
}

/// What is said of the last lines of a copy that ends within a block which was counted. `None` where that block does not
/// begin with them.
fn beginning<P: Post>(
    view: View<'_>,
    first: usize,
    mut state: Vec<(&'static str, String)>,
    post: &mut P,
) -> Result<Option<PostAnswer>, P::Error> {
    let body = view.slice(first, view.lines);
    let lines = without_end(&body);
    if !view.is_last_look || view.region.next.is_some() || lines.len() > MAX_BODY_BYTES {
        return Ok(None);
    }
    state.push(("known", "beginning".to_owned()));
    let key = view.key(first);
    let answer = post.post(OutgoingBatch { customer: view.customer(), key: &key, state: &state, lines })?;
    Ok((answer.fate == BatchFate::AlreadyCounted).then_some(answer))
}

#[cfg(test)]
mod tests;
