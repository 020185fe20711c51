//! The journal's part of a check: every record's checksums and order, the checkpoint, the index files.

use std::io;

use super::{Known, Progress, Report};
use crate::base::disk::Disk;
use crate::data_dir::{DataDir, seq_in_name};
use crate::journal::checkpoint::Checkpoint;
use crate::journal::recovery::segments;
use crate::journal::replay::ReplaySegment;
use crate::journal::segment::{SegmentReader, Step};
use crate::journal::summary;
use crate::model::Seq;

pub(super) fn check(
    disk: &dyn Disk,
    dir: &DataDir,
    report: &mut Report,
    progress: Progress<'_>,
) -> io::Result<Known> {
    let checkpoint = match Checkpoint::load(disk, dir)? {
        Checkpoint::Through(seq) => seq,
        Checkpoint::Missing => {
            report.notes.push("there is no checkpoint yet".to_owned());
            Seq::ZERO
        }
        Checkpoint::Damaged => {
            report.problem(&dir.checkpoint(), None, "the checkpoint is damaged");
            Seq::ZERO
        }
    };
    report.checkpoint = checkpoint.0;
    let firsts = segments(disk, dir)?;
    let total: u64 = disk
        .list(&dir.journal())?
        .iter()
        .filter(|e| seq_in_name(&e.name, "log").is_some())
        .map(|e| e.bytes)
        .sum();

    let mut known = Known {
        contiguous: Vec::new(),
        after: Seq::ZERO,
        since_ms: 0,
        end: Seq::ZERO,
        checkpoint,
        is_readable: true,
    };
    for (position, first) in firsts.iter().enumerate() {
        let next_first = firsts.get(position + 1).copied();
        check_segment(disk, dir, *first, next_first, &mut known, report, &mut |bytes| {
            progress(bytes, total)
        })?;
    }
    report.segments = firsts.len() as u64;
    report.first_seq = firsts.first().map_or(0, |first| first.0);
    report.last_seq = known.end.0;
    if known.end < checkpoint {
        let what = format!("the journal ends at record {}, before the checkpoint at {checkpoint}", known.end);
        report.problem(&dir.journal(), None, what);
    }
    Ok(known)
}

fn check_segment(
    disk: &dyn Disk,
    dir: &DataDir,
    first: Seq,
    next_first: Option<Seq>,
    known: &mut Known,
    report: &mut Report,
    progress: &mut dyn FnMut(u64),
) -> io::Result<()> {
    let path = dir.segment(first);
    if known.end.next() != first {
        if known.end != Seq::ZERO {
            let what = format!("records {} to {} are missing before it", known.end.next(), first.0 - 1);
            if first.0 - 1 <= known.checkpoint.0 {
                // Windows have them: a power cut brought a removed segment back, or a repair went on after a loss.
                report.notes.push(format!("{}: {what}; the checkpoint covers them", path.display()));
            } else {
                report.problem(&path, None, what);
            }
        }
        known.contiguous.clear();
        known.after = Seq(first.0 - 1);
        known.end = Seq(first.0 - 1);
        known.since_ms = 0;
    }
    let mut reader = SegmentReader::open(disk, &path)?;
    let mut done = 0;
    loop {
        match reader.next_step()? {
            Step::End { .. } => break,
            Step::Invalid { offset, why } => {
                if next_first == Some(known.end.next()) {
                    report.notes.push(format!("{}: bytes after the last record", path.display()));
                } else if next_first.is_none() && is_torn_tail(&reader, known)? {
                    let what = "a torn tail, which the next start cuts off";
                    report.notes.push(format!("{}: offset {offset}: {what}", path.display()));
                } else {
                    report.problem(&path, Some(offset), why.to_string());
                    known.is_readable = false;
                }
                break;
            }
            Step::Record { offset, record } => {
                let header = record.header;
                if next_first == Some(header.seq) {
                    report.notes.push(format!("{}: ends with records that were moved", path.display()));
                    break;
                }
                if header.seq != known.end.next() {
                    let what = format!("record {} stands where {} should", header.seq, known.end.next());
                    report.problem(&path, Some(offset), what);
                    known.is_readable = false;
                    break;
                }
                if let Err(why) = record.names().and_then(|_| summary::decode(record.summary())) {
                    report.problem(&path, Some(offset), why.to_string());
                    known.is_readable = false;
                    break;
                }
                if known.end == known.after {
                    known.since_ms = header.received_at_ms;
                }
                known.end = header.seq;
                report.records += 1;
                done += u64::from(header.record_bytes);
                if done >= 1 << 20 {
                    progress(std::mem::take(&mut done));
                }
            }
        }
    }
    progress(done);
    known.contiguous.push(ReplaySegment { first, last: known.end });
    Ok(())
}

/// Whether nothing proves that the bad bytes were ever durable.
fn is_torn_tail(reader: &SegmentReader, known: &Known) -> io::Result<bool> {
    let missing = known.end.next();
    Ok(known.checkpoint < missing
        && reader.records_behind_damage()?.iter().all(|header| header.durable_through < missing))
}
