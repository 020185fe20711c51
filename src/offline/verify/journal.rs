//! The journal's part of a check: every record's checksums and order, and the checkpoint.
//!
//! Input: a locked data directory. Output: the known content of the journal; problems and notes. Never: changes a
//! file.

use std::io;

use super::touched::TouchedWindows;
use super::{KnownJournal, VerifyProgress, VerifyReport};
use crate::base::disk::Disk;
use crate::data_dir::DataDir;
use crate::journal::checkpoint::{Checkpoint, StoredCheckpoint};
use crate::journal::reader::{JournalFiles, JournalReader, JournalSegment, SegmentTail};
use crate::journal::stored::StoredState;
use crate::journal::summary;
use crate::model::Seq;

pub(super) fn check(
    disk: &dyn Disk,
    dir: &DataDir,
    report: &mut VerifyReport,
    progress: VerifyProgress<'_>,
) -> io::Result<KnownJournal> {
    match Checkpoint::load(disk, dir)? {
        StoredCheckpoint::Valid(_) => {}
        StoredCheckpoint::Missing => report.notes.push("there is no checkpoint yet".to_owned()),
        StoredCheckpoint::Damaged | StoredCheckpoint::OtherVersion(_) => {
            report.problem(&dir.checkpoint(), None, "the checkpoint is damaged");
        }
    }
    let stored = StoredState::load(disk, dir)?;
    report.checkpoint = stored.checkpoint.0;
    let total = JournalFiles::list(disk, dir)?.bytes();
    let deletions = stored.ledger.deletions();
    let mut known = KnownJournal {
        after: Seq::ZERO,
        since_ms: 0,
        end: Seq::ZERO,
        stored,
        deletions,
        touched: TouchedWindows::default(),
        is_readable: true,
    };
    let mut reader = JournalReader::open(disk, dir)?;
    while let Some(mut segment) = reader.next_segment()? {
        if report.segments == 0 {
            report.first_seq = segment.first.0;
        }
        report.segments += 1;
        check_beginning(&segment, &mut known, report);
        check_records(&mut segment, &mut known, report, &mut |bytes| progress(bytes, total))?;
        check_end(&segment, &mut known, report)?;
    }
    report.last_seq = known.end.0;
    let known_through = known.stored.known_through();
    if known.end < known_through {
        let what =
            format!("the journal ends at record {}, before the checkpoint at {known_through}", known.end);
        report.problem(&dir.journal(), None, what);
    }
    Ok(known)
}

/// Reports the records that are missing between the segments read so far and this one.
fn check_beginning(segment: &JournalSegment, known: &mut KnownJournal, report: &mut VerifyReport) {
    let JournalSegment { first, path, .. } = segment;
    if known.end.next() == *first {
        return;
    }
    if known.end != Seq::ZERO {
        let what = format!("records {} to {} are missing before it", known.end.next(), first.0 - 1);
        if first.0 - 1 <= known.stored.known_through().0 {
            // The checkpoint covers them, so windows hold them: a power cut brought a removed segment back, or a
            // repair accepted a loss.
            report.notes.push(format!("{}: {what}; the checkpoint covers them", path.display()));
        } else {
            report.problem(path, None, what);
        }
    }
    known.after = Seq(first.0 - 1);
    known.end = known.after;
    known.since_ms = 0;
    known.touched.forget_all();
}

fn check_records(
    segment: &mut JournalSegment,
    known: &mut KnownJournal,
    report: &mut VerifyReport,
    progress: &mut dyn FnMut(u64),
) -> io::Result<()> {
    let path = segment.path.clone();
    let mut done = 0;
    while let Some(found) = segment.next_record()? {
        let header = found.record.header;
        match summary::decode(found.record.summary()) {
            Ok(summary) => known.touched.touch(&found.customer, &summary),
            Err(why) => {
                report.problem(&path, Some(found.offset), why.to_string());
                known.is_readable = false;
            }
        }
        if known.end == known.after {
            known.since_ms = header.received_at_ms;
        }
        known.end = header.seq;
        if header.is_deletion {
            known.deletions.add(&found.customer, header.seq);
            known.touched.forget(&found.customer);
        }
        report.records += 1;
        done += u64::from(header.record_bytes);
        if done >= 1 << 20 {
            progress(std::mem::take(&mut done));
        }
    }
    progress(done);
    Ok(())
}

fn check_end(
    segment: &JournalSegment,
    known: &mut KnownJournal,
    report: &mut VerifyReport,
) -> io::Result<()> {
    let path = segment.path.display();
    match segment.tail() {
        (_, SegmentTail::Nothing) => {}
        (_, SegmentTail::Moved) => report.notes.push(format!("{path}: ends with records that were moved")),
        (_, SegmentTail::Leftover) => report.notes.push(format!("{path}: bytes after the last record")),
        (offset, SegmentTail::Damage(why)) => {
            if segment.is_torn_tail(known.stored.known_through())? {
                let what = "a torn tail, which the next start cuts off";
                report.notes.push(format!("{path}: offset {offset}: {what}"));
            } else {
                report.problem(&segment.path, Some(offset), why.to_string());
                known.is_readable = false;
            }
        }
    }
    Ok(())
}
