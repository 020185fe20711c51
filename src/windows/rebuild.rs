//! Counts a lost window again from the journal.
//!
//! Input: a window, and the last record to count. Output: the window with everything that the journal still holds of
//! it after the customer's last deletion, marked incomplete if that is not everything. Never: writes a file. Reads
//! every retained record once: damage is rare, and exactness is worth the wait.

use std::io;

use super::fold::WindowLimits;
use super::window::Window;
use crate::base::disk::Disk;
use crate::batch::insights;
use crate::data_dir::DataDir;
use crate::journal::format::Invalid;
use crate::journal::reader::JournalReader;
use crate::journal::summary;
use crate::model::{CustomerId, Seq, WindowId};
use crate::time;

/// A window to count again.
#[derive(Debug)]
pub struct LostWindow<'a> {
    pub customer: &'a CustomerId,
    pub id: WindowId,
    /// The last record to count.
    pub through: Seq,
    /// The customer's last deletion that is known already; zero where there is none.
    pub deleted_through: Seq,
}

/// Recounts the window. It is marked incomplete where the journal does not reach back to a deletion of the customer, nor to the
/// first batch that may have counted in it: one received `max_future_ms` before the window began.
///
/// # Errors
/// What the disk says, a damaged journal included.
pub fn rebuild(
    disk: &dyn Disk,
    dir: &DataDir,
    lost: &LostWindow<'_>,
    limits: &WindowLimits,
    max_future_ms: u64,
) -> io::Result<Window> {
    let LostWindow { customer, id, through, mut deleted_through } = *lost;
    let mut window = Window::new(customer.clone(), id);
    // The first record behind the last gap, and when it was received. A gap is legal: a power cut brought a removed
    // segment back, a repair went on after a loss, an old segment is damaged, or retention removed one just now.
    let mut begins: Option<(Seq, u64)> = None;
    let mut next = Seq(1);
    let mut reader = JournalReader::open(disk, dir)?;
    while let Some(mut segment) = reader.next_segment()? {
        if segment.first > through {
            break;
        }
        if segment.first != next {
            begins = None;
            window = Window::new(customer.clone(), id);
        }
        let path = segment.path.clone();
        while segment.last < through
            && let Some(found) = segment.next_record()?
        {
            let header = found.record.header;
            begins = begins.or(Some((header.seq, header.received_at_ms)));
            if found.customer == *customer && header.is_deletion {
                deleted_through = deleted_through.max(header.seq);
                window = Window::new(customer.clone(), id);
            } else if found.customer == *customer && header.seq > deleted_through {
                let summary =
                    summary::decode(found.record.summary()).map_err(|why| why.at(&path, found.offset))?;
                for insight in insights(customer, &summary).iter().filter(|insight| insight.window == id) {
                    window.merge(header.seq, &insight.keys, &insight.counts, limits);
                }
            }
        }
        next = segment.last.next();
        if segment.last < through && segment.next_first.is_none_or(|first| first > through) {
            let (offset, why) = segment.damage().unwrap_or((segment.tail().0, Invalid::Truncated));
            return Err(segment.invalid_data(offset, why));
        }
    }
    let since_ms = time::start_ms(id.start).saturating_sub(max_future_ms);
    // Times of receipt never fall in the journal.
    let is_whole = |(first, received_at_ms): (Seq, u64)| {
        first == Seq(1)
            || received_at_ms < since_ms
            || Seq::ZERO < deleted_through && first <= deleted_through.next()
    };
    if !begins.is_some_and(is_whole) {
        window.mark_incomplete();
    }
    Ok(window)
}
