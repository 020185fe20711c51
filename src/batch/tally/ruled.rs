//! Paths under a customer's rules: each distinct path of a batch is matched once, and found by its number from then on.
//!
//! Input: methods and paths as they were sent. Output: numbers of what they count under. Never: a rule applied to a route.

use std::sync::Arc;

use super::super::intern::{BLOCK, Interner};
use super::super::path_rules::PathRules;
use super::{Numbered, Pending};

/// The tag of a route has this bit beside the number of the method.
const IS_ROUTE: u32 = 1 << 31;

pub(super) struct RuledPaths {
    rules: Arc<PathRules>,
    /// As they were sent, tagged with the number of the method.
    sent: Interner,
    /// By number in `sent`, up to the last that was counted: the number of what it counts under.
    counted: Vec<u32>,
    /// Kept for its memory.
    template: String,
}

fn tag(entry: &Numbered) -> u32 {
    entry.method | if entry.is_route { IS_ROUTE } else { 0 }
}

impl RuledPaths {
    pub(super) fn new(rules: &Arc<PathRules>, keys: usize) -> Self {
        let sent = Interner::with_capacity(keys, 40);
        Self { rules: Arc::clone(rules), sent, counted: Vec::new(), template: String::new() }
    }

    /// About how much memory it takes.
    pub(super) fn bytes(&self) -> usize {
        self.sent.memory_bytes() + self.counted.capacity() * size_of::<u32>()
    }

    /// The number of what a path counts under.
    pub(super) fn number(
        &mut self,
        path: &str,
        entry: &Numbered,
        methods: &Interner,
        paths: &mut Interner,
    ) -> u32 {
        let sent = self.sent.intern(path, tag(entry));
        self.match_new(methods, paths);
        self.counted[sent as usize]
    }

    /// The numbers of what short paths, at most [`BLOCK`], count under.
    pub(super) fn number_short(
        &mut self,
        entries: &[Pending],
        methods: &Interner,
        paths: &mut Interner,
        ids: &mut [u32; BLOCK],
    ) {
        self.sent.intern_short(entries.iter().map(|entry| (&entry.path, tag(&entry.rest))), ids);
        self.match_new(methods, paths);
        ids[..entries.len()].iter_mut().for_each(|id| *id = self.counted[*id as usize]);
    }

    /// Finds what all new paths count under.
    fn match_new(&mut self, methods: &Interner, paths: &mut Interner) {
        for new in self.counted.len()..self.sent.len() {
            let (path, tag) = self.sent.get(new as u32);
            let method = tag & !IS_ROUTE;
            let sent = (path, tag & IS_ROUTE != 0);
            let counted = self.rules.counted(methods.get(method).0, sent, &mut self.template);
            self.counted.push(paths.intern(counted, method));
        }
    }
}
