//! Making a lost window again from the journal.
//!
//! Comes in: whose window, and up to which record. Goes out: what the journal still knows of it, and whether that is
//! everything. Reads every retained record once: damage is rare, and exactness is worth the wait.

use std::io;

use super::window::{Window, WindowLimits};
use crate::batch::{insights, time};
use crate::data_dir::DataDir;
use crate::disk::Disk;
use crate::journal::recovery::segments;
use crate::journal::replay::{Replay, ReplaySegment};
use crate::journal::segment::{SegmentReader, Step};
use crate::journal::summary;
use crate::model::{CustomerId, Seq, WindowId};

/// Recounts the window from all records up to `through`. It is marked incomplete where the journal does not reach
/// back to the first batch that may have counted in it: one received `max_future_ms` before the window began.
///
/// # Errors
/// What the disk says, a damaged journal included.
pub fn rebuild(
    disk: &dyn Disk,
    dir: &DataDir,
    customer: &CustomerId,
    id: WindowId,
    through: Seq,
    limits: &WindowLimits,
    max_future_ms: u64,
) -> io::Result<Window> {
    let mut window = Window::new(customer.clone(), id);
    let firsts = segments(disk, dir)?;
    let Some(oldest) = firsts.first().copied() else {
        window.mark_incomplete();
        return Ok(window);
    };
    if !reaches_back(disk, dir, oldest, time::start_ms(id.start).saturating_sub(max_future_ms))? {
        window.mark_incomplete();
    }
    let ends = firsts.iter().skip(1).map(|next| Seq(next.0 - 1)).chain([through]);
    let segments =
        firsts.iter().zip(ends).map(|(first, last)| ReplaySegment { first: *first, last }).collect();
    Replay::new(segments, Seq(oldest.0 - 1), through).visit(disk, dir, |record| {
        if record.names()?.0 == *customer {
            for insight in insights(customer, &summary::decode(record.summary())?) {
                if insight.window == id {
                    window.merge(record.header.seq, &insight.keys, &insight.counts, limits);
                }
            }
        }
        Ok(true)
    })?;
    Ok(window)
}

/// Whether every batch received at `ms` or later is in the journal. Times of receipt never fall in it, so its first
/// record tells.
fn reaches_back(disk: &dyn Disk, dir: &DataDir, oldest: Seq, ms: u64) -> io::Result<bool> {
    if oldest == Seq(1) {
        return Ok(true);
    }
    let mut reader = SegmentReader::open(disk, &dir.segment(oldest))?;
    Ok(matches!(reader.next_step()?, Step::Record { record, .. } if record.header.received_at_ms < ms))
}
