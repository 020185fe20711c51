//! Making a lost window again from the journal.
//!
//! Comes in: whose window, and up to which record. Goes out: what the journal still knows of it, and whether that is
//! everything. Reads every retained record once: damage is rare, and exactness is worth the wait.

use std::io;

use super::fold::WindowLimits;
use super::window::Window;
use crate::base::disk::Disk;
use crate::batch::insights;
use crate::data_dir::DataDir;
use crate::journal::recovery::segments;
use crate::journal::replay::{Replay, ReplaySegment};
use crate::journal::segment::{SegmentReader, Step};
use crate::journal::summary;
use crate::model::{CustomerId, Seq, WindowId};
use crate::time;

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
    let mut oldest = None;
    for (position, first) in firsts.iter().copied().enumerate().take_while(|(_, first)| *first <= through) {
        oldest = oldest.or(Some(first));
        let next_first = firsts.get(position + 1).copied().filter(|next| *next <= through);
        let last = next_first.map_or(through, |next| Seq(next.0 - 1));
        let replay = Replay::new(vec![ReplaySegment { first, last }], Seq(first.0 - 1), last);
        let visited = replay.visit(disk, dir, |record| {
            if record.names()?.0 == *customer {
                for insight in insights(customer, &summary::decode(record.summary())?) {
                    if insight.window == id {
                        window.merge(record.header.seq, &insight.keys, &insight.counts, limits);
                    }
                }
            }
            Ok(true)
        });
        match visited {
            // A gap (a power cut brought a removed segment back, a repair went on after a loss), a damaged old segment,
            // or one that upkeep removed just now: the journal reaches back to what follows it.
            Err(error)
                if next_first.is_some()
                    && matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::NotFound) =>
            {
                oldest = None;
                window = Window::new(customer.clone(), id);
            }
            visited => visited?,
        }
    }
    let since_ms = time::start_ms(id.start).saturating_sub(max_future_ms);
    match oldest {
        Some(oldest) if reaches_back(disk, dir, oldest, since_ms)? => {}
        _ => window.mark_incomplete(),
    }
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
