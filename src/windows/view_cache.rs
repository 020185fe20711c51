//! A cache of the views that queries read lately. A dashboard asks the same queries every few seconds, and the
//! windows of a past day do not change: their views need not be read, checked and cut again.
//!
//! Input: a wanted view, and the present state of its window, in memory or in a file. Output: the view, if it was
//! made from that state. Never: the view of a window that changed since; more than `max_bytes`; a look at the disk:
//! only this process writes windows, and [`WriteCounts`] tells of each write.

use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use super::view::{Wanted, WindowView};
use super::window::Window;
use crate::base::sync::lock;
use crate::model::{CustomerId, WindowId};

/// One view takes at most this share of the cache.
const LARGEST_SHARE: usize = 16;

/// The window and the part of it that a view shows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ViewKey {
    pub customer: CustomerId,
    pub window: WindowId,
    pub wanted: Wanted,
}

/// The state that a window was in.
#[derive(Clone, Debug)]
pub enum ViewedState {
    /// In a file, when files had been written so often.
    File(WriteCount),
    /// In memory. A window that is looked at is never changed: its owner goes on with another allocation.
    Memory(Weak<Window>),
}

impl ViewedState {
    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::File(one), Self::File(other)) => one == other,
            (Self::Memory(one), Self::Memory(other)) => one.ptr_eq(other),
            _ => false,
        }
    }
}

/// A view, and the state it was made from.
#[derive(Debug)]
pub struct CachedView {
    state: ViewedState,
    pub view: WindowView<'static>,
    /// Bytes that were read for it.
    pub read_bytes: u64,
}

#[derive(Debug)]
pub struct ViewCache {
    max_bytes: usize,
    views: Mutex<Generations>,
}

/// A number of writes: see [`WriteCounts::of`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteCount(u64);

/// Numbers that all windows share. Where two windows share one, a write of one makes the view of the other be read
/// again.
const WRITE_COUNTS: usize = 4_096;

/// How often this process has written the files of windows. Packing is not counted: a pack holds what the files of its
/// windows held. Neither is a removal: a query knows by itself what is expired or deleted.
#[derive(Debug)]
pub struct WriteCounts {
    hasher: RandomState,
    counts: Box<[AtomicU64]>,
}

impl Default for WriteCounts {
    fn default() -> Self {
        Self {
            hasher: RandomState::default(),
            counts: (0..WRITE_COUNTS).map(|_| AtomicU64::new(0)).collect(),
        }
    }
}

impl WriteCounts {
    /// The count of a window. Its file, if read after this call, has the content of this moment or a newer one. As long
    /// as the count stays the same, so does the content.
    pub fn of(&self, customer: &CustomerId, window: WindowId) -> WriteCount {
        WriteCount(self.count(customer, window).load(Ordering::Acquire))
    }

    /// Notes that a window's file was replaced. Call this after that, and before the window may leave memory.
    pub fn note(&self, customer: &CustomerId, window: WindowId) {
        self.count(customer, window).fetch_add(1, Ordering::Release);
    }

    fn count(&self, customer: &CustomerId, window: WindowId) -> &AtomicU64 {
        &self.counts[self.hasher.hash_one((customer, window)) as usize % WRITE_COUNTS]
    }
}

type Views = HashMap<ViewKey, Arc<CachedView>, RandomState>;

/// The views that were used since the last change of generations, and those used before: the older generation is
/// dropped whole.
#[derive(Debug, Default)]
struct Generations {
    young: Views,
    young_bytes: usize,
    old: Views,
    old_bytes: usize,
}

impl ViewCache {
    pub fn new(max_bytes: usize) -> Self {
        Self { max_bytes, views: Mutex::default() }
    }

    /// The cached view of a window in this state.
    pub fn get(&self, key: &ViewKey, state: &ViewedState) -> Option<Arc<CachedView>> {
        let mut views = lock(&self.views);
        let found = match views.young.get(key) {
            Some(found) => Arc::clone(found),
            None => {
                let found = views.old.remove(key)?;
                views.old_bytes = views.old_bytes.saturating_sub(bytes_of(&found.view));
                self.insert_young(&mut views, key.clone(), Arc::clone(&found));
                found
            }
        };
        found.state.is(state).then_some(found)
    }

    /// Keeps a view of a window that was in this state before it was read, unless the view takes a large share of the cache.
    pub fn insert(&self, key: ViewKey, state: ViewedState, view: &WindowView<'_>, read_bytes: u64) {
        if bytes_of(view) <= self.max_bytes / LARGEST_SHARE {
            let cached = CachedView { state, view: view.clone().into_owned(), read_bytes };
            self.insert_young(&mut lock(&self.views), key, Arc::new(cached));
        }
    }

    /// The memory that it takes, roughly.
    pub fn bytes(&self) -> usize {
        let views = lock(&self.views);
        views.young_bytes + views.old_bytes
    }

    fn insert_young(&self, views: &mut Generations, key: ViewKey, cached: Arc<CachedView>) {
        let bytes = bytes_of(&cached.view);
        if views.young_bytes + bytes > self.max_bytes / 2 {
            views.old = std::mem::take(&mut views.young);
            views.old_bytes = std::mem::take(&mut views.young_bytes);
        }
        // One that is replaced is counted until the generation is dropped.
        views.young_bytes += bytes;
        views.young.insert(key, cached);
    }
}

/// The memory that a view takes in the cache. A window in memory that is gone keeps its allocation, without its
/// content, while a weak reference to it exists.
fn bytes_of(view: &WindowView<'_>) -> usize {
    size_of::<ViewKey>() + size_of::<CachedView>() + size_of::<Window>() + view.heap_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{WindowSize, WindowStart};

    fn key(minute: u32) -> ViewKey {
        let window = WindowId { size: WindowSize::Minute, start: WindowStart(minute) };
        ViewKey { customer: CustomerId::new("a").unwrap(), window, wanted: Wanted::TOTALS }
    }

    fn written(count: u64) -> ViewedState {
        ViewedState::File(WriteCount(count))
    }

    #[test]
    fn a_written_file_has_another_count_and_nearly_all_others_the_same() {
        let counts = WriteCounts::default();
        let of = |minute| counts.of(&key(minute).customer, key(minute).window);
        let before: Vec<WriteCount> = (0..1_000).map(of).collect();
        counts.note(&key(7).customer, key(7).window);
        assert_ne!(of(7), before[7]);
        let changed = (0..1_000).filter(|minute| of(*minute) != before[*minute as usize]).count();
        assert!(changed < 10, "{changed} changed");
    }

    #[test]
    fn a_view_is_found_for_the_same_wants_of_the_same_file() {
        let cache = ViewCache::new(1 << 20);
        let mut view = WindowView::empty(key(7).window);
        view.all.requests = 9;
        cache.insert(key(7), written(1), &view, 100);
        let found = cache.get(&key(7), &written(1)).unwrap();
        assert_eq!((&found.view, found.read_bytes), (&view, 100));
        assert!(cache.get(&key(8), &written(1)).is_none());
        assert!(cache.get(&ViewKey { wanted: Wanted::ALL, ..key(7) }, &written(1)).is_none());
        assert!(cache.get(&key(7), &written(2)).is_none(), "written since");
        let mut window = Arc::new(Window::new(key(7).customer, key(7).window));
        let in_memory = ViewedState::Memory(Arc::downgrade(&window));
        assert!(cache.get(&key(7), &in_memory).is_none(), "no file");
        cache.insert(key(7), in_memory.clone(), &view, 100);
        assert!(cache.get(&key(7), &in_memory).is_some());
        Arc::make_mut(&mut window);
        assert!(cache.get(&key(7), &ViewedState::Memory(Arc::downgrade(&window))).is_none(), "changed");
        // What is too large is not kept.
        let small = ViewCache::new(1_000);
        small.insert(key(7), written(1), &view, 100);
        assert!(small.get(&key(7), &written(1)).is_none());
    }

    #[test]
    fn what_is_wanted_again_and_again_stays_and_the_rest_goes() {
        let cache = ViewCache::new(64 << 10);
        for minute in 0..10_000 {
            cache.insert(key(minute), written(1), &WindowView::empty(key(minute).window), 1);
            assert!(cache.get(&key(0), &written(1)).is_some(), "{minute}");
            assert!(cache.bytes() <= 64 << 10, "{minute}");
        }
        assert!(cache.bytes() > 32 << 10);
        assert!(cache.get(&key(1), &written(1)).is_none());
        let views = lock(&cache.views);
        let kept = views.young.len() + views.old.len();
        assert!(kept * (size_of::<CachedView>() + size_of::<Window>()) <= 64 << 10 && kept > 10, "{kept}");
    }
}
