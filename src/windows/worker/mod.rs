//! A window worker: owns its partition's windows alone, merges insights into them and keeps their files.
//!
//! Input: insights in sequence order, checkpoint markers, queries. Output: window files; acknowledged markers. Never: merges a
//! record twice, drops a dirty window, or acknowledges a marker before every window that was dirty when it came is in a synced
//! file in a synced directory. A state machine without thread, channel or clock; its thread in `engine` gives it messages and
//! time.

mod late;
mod load;
mod packed;
mod writing;

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use self::late::LateEntries;
use self::packed::LastMerges;
pub(crate) use self::writing::MAX_GROUP_FILES;
use self::writing::WriteGroup;
use super::fold::WindowLimits;
use super::shelf::OpenPack;
use super::view_cache::WriteCounts;
use super::window::Window;
use crate::base::clock::UnixMs;
use crate::base::disk::{Disk, if_exists};
use crate::base::inflight::Charge;
use crate::base::latch::Latch;
use crate::data_dir::{DataDir, at};
use crate::metrics::WindowMetrics;
use crate::model::{CustomerId, Insight, Question, Seq, WindowId, WindowSize, WindowStart};

/// How long a worker waits after a file could not be written before it tries the next.
pub const RETRY_MS: u64 = 1_000;

/// One insight on its way to its window.
#[derive(Clone, Debug)]
pub struct Routed {
    /// The record it belongs to.
    pub seq: Seq,
    pub insight: Insight,
    /// The memory its batch holds, given back with the last insight.
    pub charge: Option<Arc<Charge>>,
}

/// How long a minute window may be dirty before it is written: people who read the files see them a second late.
pub const FLUSH_INTERVAL_MS: u64 = 1_000;

/// A worker's limits.
#[derive(Clone, Copy, Debug)]
pub struct WorkerLimits {
    /// What one window may remember.
    pub window: WindowLimits,
    /// This worker's share of `--max-resident-bytes`.
    pub max_resident_bytes: usize,
    /// How long a minute window may be dirty before it is written.
    pub flush_interval_ms: u64,
    /// How far ahead of the clock entries were accepted.
    pub max_future_ms: u64,
}

/// An error the process cannot continue after: it ends, and the next start says what to do.
#[derive(Debug)]
pub struct Fatal(pub String);

/// The number of a checkpoint marker.
pub type MarkerId = u64;

pub(crate) type WindowKey = (CustomerId, WindowId);

struct Resident {
    /// Shared with queries that read it; a merge then copies it first.
    window: Arc<Window>,
    dirty: bool,
    /// Touched since the eviction hand last passed.
    referenced: bool,
}

struct Marker {
    id: MarkerId,
    /// Windows that were dirty when the marker came and may still be.
    unwritten: VecDeque<WindowKey>,
}

pub struct Worker {
    disk: Arc<dyn Disk>,
    dir: Arc<DataDir>,
    limits: WorkerLimits,
    latch: Latch,
    metrics: WindowMetrics,
    windows: HashMap<WindowKey, Resident, RandomState>,
    resident_bytes: usize,
    resident_keys: usize,
    /// Resident windows in the order the eviction hand passes them (second-chance replacement).
    hand: VecDeque<WindowKey>,
    /// Dirty minute windows and when they are due.
    due: VecDeque<(UnixMs, WindowKey)>,
    marker: Option<Marker>,
    /// Whether the marker was served last, rather than the windows that are due.
    served_marker_last: bool,
    /// Files that are written, and not in their places yet.
    group: WriteGroup,
    /// Customers whose directories have had renames, or held files that replay found, since the last acknowledged
    /// marker.
    unsynced: BTreeSet<CustomerId>,
    /// After a failure nothing is written before this time.
    retry_at: UnixMs,
    /// The file that could not be written last, and why.
    write_error: Option<String>,
    /// Whether a directory could not be synced. Then no marker is ever acknowledged again, because a later success of
    /// the same sync would prove nothing.
    dirs_in_doubt: bool,
    /// The last record of the journal when it was opened: no window held a later one then.
    journal_end: Seq,
    /// For those who read files while this worker goes on writing.
    written: Arc<WriteCounts>,
    /// The last record of which this worker merged a part.
    through: Seq,
    late: LateEntries,
    last_merges: LastMerges,
    /// The pack that was searched last: late and replayed entries come day by day.
    last_pack: Option<OpenPack>,
}

impl Worker {
    /// A worker without resident windows. `journal_end` is the last record of the opened journal.
    pub fn new(
        disk: Arc<dyn Disk>,
        dir: Arc<DataDir>,
        limits: WorkerLimits,
        latch: Latch,
        metrics: WindowMetrics,
        journal_end: Seq,
        written: Arc<WriteCounts>,
    ) -> Self {
        Self {
            disk,
            dir,
            limits,
            latch,
            metrics,
            windows: HashMap::default(),
            resident_bytes: 0,
            resident_keys: 0,
            hand: VecDeque::new(),
            due: VecDeque::new(),
            marker: None,
            served_marker_last: false,
            group: WriteGroup::default(),
            unsynced: BTreeSet::new(),
            retry_at: 0,
            write_error: None,
            dirs_in_doubt: false,
            journal_end,
            written,
            through: Seq::ZERO,
            late: LateEntries::default(),
            last_merges: LastMerges::default(),
            last_pack: None,
        }
    }

    /// The windows that do not exist any more, and the late entries for them.
    pub fn late_entries(&mut self) -> &mut LateEntries {
        &mut self.late
    }

    /// Merges one insight, loading its window if it is not resident.
    ///
    /// # Errors
    /// [`Fatal`] where the window holds what the journal does not, or cannot be read.
    pub fn merge(&mut self, routed: &Routed, now: UnixMs) -> Result<(), Fatal> {
        let Routed { seq, insight, .. } = routed;
        let key = (insight.customer.clone(), insight.window);
        // A replay may read records that a later record deletes.
        if self.late.is_deleted(&insight.customer, *seq) || self.late.takes(*seq, insight) {
            return Ok(());
        }
        if !self.windows.contains_key(&key) {
            if *seq <= self.journal_end && self.is_packed(&key, *seq)? {
                return Ok(());
            }
            self.load(&key, *seq, now)?;
        }
        let resident = self.windows.get_mut(&key).expect("the window was just made resident");
        self.through = self.through.max(*seq);
        resident.referenced = true;
        if *seq <= resident.window.applied_through() {
            // In a replay: the file holds this record already.
            self.check_replay(*seq, &key)?;
            self.make_room(now);
            return Ok(());
        }
        self.last_merges.note(&key.0, key.1, now);
        let window = Arc::make_mut(&mut resident.window);
        let (bytes, keys) = (window.resident_bytes(), window.keys());
        let folded = window.merge(*seq, &insight.keys, &insight.counts, &self.limits.window);
        // A fold makes a window smaller.
        self.resident_bytes = self.resident_bytes + window.resident_bytes() - bytes;
        self.resident_keys = self.resident_keys + window.keys() - keys;
        self.metrics.count_folded(&key.0, folded.keys);
        if !resident.dirty {
            resident.dirty = true;
            if key.1.size == WindowSize::Minute {
                self.due.push_back((now + self.limits.flush_interval_ms, key));
            }
        }
        self.make_room(now);
        Ok(())
    }

    /// Forgets everything of a customer that was deleted by this record. What is left in files is removed later.
    pub fn delete(&mut self, customer: &CustomerId, through: Seq) {
        self.late.delete(customer, through);
        self.forget_files(customer);
        let is_deleted = |key: &WindowKey, resident: &mut Resident| {
            key.0 == *customer && resident.window.applied_through() <= through
        };
        for (_, resident) in self.windows.extract_if(is_deleted) {
            self.resident_bytes -= resident.window.resident_bytes();
            self.resident_keys -= resident.window.keys();
        }
    }

    fn check_replay(&self, seq: Seq, key: &WindowKey) -> Result<(), Fatal> {
        if seq <= self.journal_end {
            return Ok(());
        }
        let path = self.dir.window(&key.0, key.1);
        Err(Fatal(format!("{} holds record {seq}, which was only now written", path.display())))
    }

    /// Evicts windows until this worker is within its share of memory, writing dirty ones first.
    fn make_room(&mut self, now: UnixMs) {
        let mut passes = self.hand.len() * 2;
        while self.resident_bytes > self.limits.max_resident_bytes && passes > 0 {
            passes -= 1;
            let Some(key) = self.hand.pop_front() else { return };
            let only_one = self.windows.len() == 1;
            let Some(resident) = self.windows.get_mut(&key) else { continue };
            if resident.referenced && !only_one {
                resident.referenced = false;
                self.hand.push_back(key);
                continue;
            }
            if resident.dirty && (now < self.retry_at || !self.write(&key, now)) {
                self.hand.push_back(key);
                return;
            }
            let evicted = self.windows.remove(&key).expect("it was just looked at");
            self.resident_bytes -= evicted.window.resident_bytes();
            self.resident_keys -= evicted.window.keys();
            self.metrics.evicted.inc();
        }
    }

    /// Whether so much is dirty and cannot be written that no batch may be admitted.
    pub fn is_overfull(&self) -> bool {
        self.resident_bytes > self.limits.max_resident_bytes.saturating_mul(2)
    }

    /// Takes a checkpoint marker: everything before it in the channel was merged.
    pub fn mark(&mut self, id: MarkerId) {
        assert!(self.marker.is_none(), "one marker is outstanding at a time");
        // A pack that was replaced or removed takes space on the disk as long as it is open.
        self.last_pack = None;
        let dirty = self.windows.iter().filter(|(_, resident)| resident.dirty);
        let mut unwritten: Vec<WindowKey> = dirty.map(|(key, _)| key.clone()).collect();
        // Sorted by customer and time, so that a directory is written in one go and a simulated run can be repeated.
        unwritten.sort_unstable();
        self.late.mark();
        self.marker = Some(Marker { id, unwritten: unwritten.into() });
    }

    /// When there will be something to write; `None` where nothing is dirty that has a time.
    pub fn next_work_at(&self) -> Option<UnixMs> {
        let at_once = self.resident_bytes > self.limits.max_resident_bytes
            || !self.group.is_empty()
            || (self.marker.is_some() && !self.dirs_in_doubt);
        let wanted = if at_once { Some(0) } else { self.due.front().map(|(due, _)| *due) };
        wanted.map(|at| at.max(self.retry_at))
    }

    /// Takes one step: writes the file of a window, makes the written files durable, renames one of them to its place, or
    /// finishes the marker. Returns the marker that is done.
    pub fn work(&mut self, now: UnixMs) -> Option<MarkerId> {
        if now < self.retry_at {
            return None;
        }
        // While no batch is admitted, no merge makes room: windows that could not be written before are evicted here.
        self.make_room(now);
        if now < self.retry_at {
            return None;
        }
        if self.group.is_durable() {
            self.place_file(now);
            return None;
        }
        // Under a steady load some window is always due, and a checkpoint that waited until none is would never finish.
        let is_marker_done = self.is_marker_drained();
        if is_marker_done && self.group.is_empty() {
            return self.finish_marker();
        }
        let next = if is_marker_done { None } else { self.next_to_write(now) };
        match next {
            Some(key) => self.add_to_group(&key, now),
            None => self.sync_group(now),
        }
        None
    }

    /// Whether none of the marker's windows is left to write.
    fn is_marker_drained(&mut self) -> bool {
        if self.dirs_in_doubt {
            return false;
        }
        let windows = &self.windows;
        let Some(marker) = &mut self.marker else { return false };
        let is_clean = |key: &mut WindowKey| windows.get(key).is_none_or(|resident| !resident.dirty);
        while marker.unwritten.pop_front_if(is_clean).is_some() {}
        marker.unwritten.is_empty()
    }

    /// The next window that is due or that the marker waits for; they take turns.
    fn next_to_write(&mut self, now: UnixMs) -> Option<WindowKey> {
        self.served_marker_last = !self.served_marker_last;
        if self.served_marker_last {
            self.next_of_marker().or_else(|| self.next_due(now))
        } else {
            self.next_due(now).or_else(|| self.next_of_marker())
        }
    }

    fn next_of_marker(&mut self) -> Option<WindowKey> {
        if self.dirs_in_doubt {
            return None;
        }
        self.marker.as_mut()?.unwritten.pop_front()
    }

    /// Acknowledges the marker: all it waited for is in place.
    fn finish_marker(&mut self) -> Option<MarkerId> {
        if let Err(error) = self.sync_dirs() {
            self.latch.close(format!("the windows' directories could not be synced: {error}"));
            self.dirs_in_doubt = true;
            return None;
        }
        self.drop_excluded();
        self.marker.take().map(|marker| marker.id)
    }

    /// Forgets windows before their cutoff. They were written: if they were dirty, then before the marker.
    fn drop_excluded(&mut self) {
        let late = &self.late;
        for (_, resident) in self.windows.extract_if(|key, _| late.excludes(&key.0, key.1)) {
            assert!(!resident.dirty, "a window before its cutoff is written with the marker");
            self.resident_bytes -= resident.window.resident_bytes();
            self.resident_keys -= resident.window.keys();
        }
    }

    /// The next minute window that is due and still dirty.
    fn next_due(&mut self, now: UnixMs) -> Option<WindowKey> {
        while let Some((_, key)) = self.due.pop_front_if(|(due, _)| *due <= now) {
            if self.is_dirty(&key) {
                return Some(key);
            }
        }
        None
    }

    fn is_dirty(&self, key: &WindowKey) -> bool {
        self.windows.get(key).is_some_and(|resident| resident.dirty)
    }

    /// Makes every rename since the last marker durable, and the customers' directories themselves: another worker
    /// may have created one and not synced it yet.
    fn sync_dirs(&mut self) -> io::Result<()> {
        if self.unsynced.is_empty() {
            return Ok(());
        }
        for customer in &self.unsynced {
            let path = self.dir.customer(customer);
            // The directory does not exist if replay found no file of the customer.
            if_exists(self.disk.sync_dir(&path)).map_err(at(&path))?;
        }
        self.disk.sync_dir(&self.dir.windows()).map_err(at(&self.dir.windows()))?;
        self.unsynced.clear();
        Ok(())
    }

    /// The resident windows somebody asked for, by start.
    pub fn answer(&self, question: &Question) -> Vec<Arc<Window>> {
        let Question { customer, size, range } = question;
        let wanted = range.end.0.saturating_sub(range.start.0) / size.minutes();
        let mut found: Vec<Arc<Window>> = if wanted as usize <= self.windows.len() {
            let first = range.start.0.next_multiple_of(size.minutes());
            (first..range.end.0)
                .step_by(size.minutes() as usize)
                .filter_map(|start| {
                    let id = WindowId { size: *size, start: WindowStart(start) };
                    self.windows.get(&(customer.clone(), id)).map(|resident| Arc::clone(&resident.window))
                })
                .collect()
        } else {
            self.windows
                .iter()
                .filter(|((whose, id), _)| whose == customer && id.size == *size && range.contains(&id.start))
                .map(|(_, resident)| Arc::clone(&resident.window))
                .collect()
        };
        // A damaged window of a deleted customer was counted again, and nothing was left in it.
        found.retain(|window| !window.is_nothing());
        found.sort_unstable_by_key(|window| window.id().start);
        found
    }

    /// The window file that could not be written last, and why.
    pub fn write_error(&self) -> Option<&str> {
        self.write_error.as_deref()
    }

    /// How many windows are resident, and how many of them are dirty.
    pub fn resident(&self) -> (usize, usize) {
        (self.windows.len(), self.windows.values().filter(|resident| resident.dirty).count())
    }

    /// Sets the gauges of resident windows.
    pub fn report(&self) {
        self.metrics.resident_windows.set(self.windows.len() as u64);
        self.metrics.resident_keys.set(self.resident_keys as u64);
        self.metrics.resident_bytes.set(self.resident_bytes as u64);
    }
}
