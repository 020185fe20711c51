//! The content of a simulated disk: files and directories, each with its live state, its durable state, and the pending
//! changes between the two.
//!
//! Changes that were not synced are kept or lost each for itself, in any combination: writes by the 512-byte sector
//! and torn inside a sector, directory entries one by one. A rename is two entries: the new name shows the old content or the
//! new, and the old name may come back.

use std::collections::BTreeMap;

use super::super::rng::Rng;

/// The largest write that a disk does as a whole or not at all.
const SECTOR_BYTES: u64 = 512;

/// The number of a file or directory, whatever it is called.
pub type NodeId = usize;

/// A change of a file's content that is not durable yet.
#[derive(Clone, Debug)]
pub enum Change {
    /// These bytes at this offset.
    Write(u64, Vec<u8>),
    /// This length.
    Length(u64),
}

/// A file's content.
#[derive(Clone, Debug, Default)]
pub struct FileNode {
    /// What reads return.
    pub live: Vec<u8>,
    /// What is left after a power cut, besides what is kept of `pending`.
    pub durable: Vec<u8>,
    /// What was done since the last sync.
    pub pending: Vec<Change>,
}

/// A directory's entries.
#[derive(Clone, Debug, Default)]
pub struct DirNode {
    /// What is listed.
    pub live: BTreeMap<String, NodeId>,
    /// What is left after a power cut, besides what is kept of `pending`.
    pub durable: BTreeMap<String, NodeId>,
    /// Names set or removed since the last sync.
    pub pending: Vec<(String, Option<NodeId>)>,
}

/// A file or a directory.
#[derive(Clone, Debug)]
pub enum Node {
    /// A file.
    File(FileNode),
    /// A directory.
    Dir(DirNode),
}

/// What is left of changes that were not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Survival {
    /// Nothing.
    Nothing,
    /// Everything.
    Everything,
    /// Content, but no directory entry.
    OnlyContent,
    /// Directory entries, but no content.
    OnlyEntries,
    /// Chosen by this seed, change by change and sector by sector.
    Random(u64),
}

/// How much of the pending changes survives, in percent, and whether sectors may be torn.
pub struct Odds {
    rng: Rng,
    content_percent: u64,
    entries_percent: u64,
    torn: bool,
}

impl Odds {
    /// The odds of one power cut.
    pub fn new(survival: Survival) -> Self {
        let fixed = |content_percent, entries_percent| Self {
            rng: Rng::new(0),
            content_percent,
            entries_percent,
            torn: false,
        };
        match survival {
            Survival::Nothing => fixed(0, 0),
            Survival::Everything => fixed(100, 100),
            Survival::OnlyContent => fixed(100, 0),
            Survival::OnlyEntries => fixed(0, 100),
            Survival::Random(seed) => {
                let mut rng = Rng::new(seed);
                let content_percent = rng.pick(&[10, 50, 90, 100]);
                let entries_percent = rng.pick(&[0, 30, 70, 100]);
                let torn = rng.percent(70);
                Self { rng, content_percent, entries_percent, torn }
            }
        }
    }
}

impl FileNode {
    /// Takes a change as it is seen by readers.
    pub fn change(&mut self, change: Change) {
        apply(&mut self.live, &change);
        self.pending.push(change);
    }

    /// A sync that worked.
    pub fn sync(&mut self) {
        for change in self.pending.drain(..) {
            apply(&mut self.durable, &change);
        }
    }

    /// Drops the pending changes, after a power cut or a failed sync; some of them may have become durable.
    pub fn drop_pending(&mut self, odds: &mut Odds) {
        for change in std::mem::take(&mut self.pending) {
            match change {
                Change::Length(_) => {
                    if odds.rng.percent(odds.content_percent) {
                        apply(&mut self.durable, &change);
                    }
                }
                Change::Write(offset, bytes) => self.keep_some(offset, &bytes, odds),
            }
        }
    }

    fn keep_some(&mut self, offset: u64, bytes: &[u8], odds: &mut Odds) {
        let end = offset + bytes.len() as u64;
        let mut at = offset;
        while at < end {
            let mut until = (at / SECTOR_BYTES + 1) * SECTOR_BYTES;
            until = until.min(end);
            if odds.rng.percent(odds.content_percent) {
                let piece = &bytes[(at - offset) as usize..(until - offset) as usize];
                // The disk was writing this sector when the power went.
                let torn = odds.torn && odds.rng.percent(20);
                let kept = if torn { odds.rng.index(piece.len() + 1) } else { piece.len() };
                apply(&mut self.durable, &Change::Write(at, piece[..kept].to_vec()));
            }
            at = until;
        }
        // The length may be written before the content is.
        if odds.rng.percent(odds.content_percent / 3) && (self.durable.len() as u64) < end {
            apply(&mut self.durable, &Change::Length(end));
        }
    }
}

fn apply(content: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Write(_, bytes) if bytes.is_empty() => {}
        Change::Write(offset, bytes) => {
            let (start, end) = (*offset as usize, *offset as usize + bytes.len());
            if content.len() < end {
                content.resize(end, 0);
            }
            content[start..end].copy_from_slice(bytes);
        }
        Change::Length(bytes) => content.resize(*bytes as usize, 0),
    }
}

impl DirNode {
    /// Sets or removes a name as it is seen by readers.
    pub fn change(&mut self, name: &str, node: Option<NodeId>) {
        set(&mut self.live, name, node);
        self.pending.push((name.to_owned(), node));
    }

    /// A sync that worked.
    pub fn sync(&mut self) {
        for (name, node) in self.pending.drain(..) {
            set(&mut self.durable, &name, node);
        }
    }

    /// Drops the pending changes at a power cut; some of them may have become durable.
    pub fn drop_pending(&mut self, odds: &mut Odds) {
        for (name, node) in std::mem::take(&mut self.pending) {
            if odds.rng.percent(odds.entries_percent) {
                set(&mut self.durable, &name, node);
            }
        }
    }
}

fn set(entries: &mut BTreeMap<String, NodeId>, name: &str, node: Option<NodeId>) {
    match node {
        Some(node) => entries.insert(name.to_owned(), node),
        None => entries.remove(name),
    };
}

impl Node {
    /// A power cut: what was not synced is dropped, and what is left is what is seen.
    pub fn power_cut(&mut self, odds: &mut Odds) {
        match self {
            Node::File(file) => {
                file.drop_pending(odds);
                file.live = file.durable.clone();
            }
            Node::Dir(dir) => {
                dir.drop_pending(odds);
                dir.live = dir.durable.clone();
            }
        }
    }

    /// Makes everything durable.
    pub fn sync(&mut self) {
        match self {
            Node::File(file) => file.sync(),
            Node::Dir(dir) => dir.sync(),
        }
    }
}
