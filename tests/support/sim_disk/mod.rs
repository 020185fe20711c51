//! A disk behind the program's own seam that loses what was not synced, fails when told to, and stops after any
//! operation.
//!
//! Operations that change or sync something are counted. A crash is set for after the n-th: the next operation is the
//! one the crash meets (it may still have happened, or half of it), and everything later fails. Then the machines are dropped
//! and the disk goes on after [`SimDisk::power_cut`] (what was not synced is lost as [`Survival`] says) or
//! [`SimDisk::kill`] (the page cache survives).
//!
//! A failing `sync_data` lies afterwards, as Linux does: its pages count as clean, reads return them until the power is
//! cut, and no later sync writes them. A failing `sync_dir` leaves the entries as they were: not durable.

mod faults;
pub mod files;
mod handle;

use std::io;
use std::path::{Component, Path};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use log_analytics::base::disk::{DirEntry, Disk, DiskFile, FileIdentity, FreeSpace};

use super::rng::Rng;
pub use faults::{Chance, EIO, ENOSPC, Fault, Op};
pub use files::Survival;
use files::{DirNode, FileNode, Node, NodeId, Odds};

#[derive(Clone, Debug)]
pub struct State {
    /// Tells the directories of one disk from those of another, as a device number does.
    pub device: u64,
    nodes: Vec<Node>,
    pub ops: u64,
    crash_after: Option<u64>,
    off: bool,
    epoch: u64,
    pub free: FreeSpace,
    full: bool,
    pub faults: Vec<Fault>,
    pub chance: Option<Chance>,
    faults_met: u64,
    rng: Rng,
    pub trace: Option<Vec<String>>,
}

/// See the module. Clones are the same disk.
#[derive(Clone)]
pub struct SimDisk(pub Arc<Mutex<State>>);

/// Metadata of a file or directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    pub node: NodeId,
    pub is_dir: bool,
    pub bytes: u64,
}

/// Decides an operation's outcome.
enum Verdict {
    /// Perform it.
    Do,
    /// The crash comes here; `done` says whether the operation is still performed.
    Die { done: bool },
    /// Fail with this error.
    Fail(io::Error),
}

impl SimDisk {
    /// An empty disk. The seed decides how far torn operations got.
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            device: next_device(),
            nodes: vec![Node::Dir(DirNode::default())],
            ops: 0,
            crash_after: None,
            off: false,
            epoch: 0,
            free: FreeSpace { bytes: u64::MAX, inodes: u64::MAX },
            full: false,
            faults: Vec::new(),
            chance: None,
            faults_met: 0,
            rng: Rng::new(seed),
            trace: None,
        })))
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Counts from zero again.
    pub fn restart_count(&self) {
        self.state().ops = 0;
    }

    /// Makes the disk stop after this many operations, counted from the last crash.
    pub fn crash_after(&self, ops: Option<u64>) {
        let mut state = self.state();
        state.crash_after = ops;
        // Each crash draws anew how far its last operation gets.
        state.rng = Rng::new(state.rng.next() ^ ops.unwrap_or(0));
    }

    /// Whether the crash has come.
    pub fn is_off(&self) -> bool {
        self.state().off
    }

    /// Ends the process. Everything it wrote stays in the page cache.
    pub fn kill(&self) {
        let mut state = self.state();
        (state.off, state.ops, state.crash_after) = (false, 0, None);
        state.epoch += 1;
        state.note(|| "==== kill".into());
    }

    /// Cuts the power. Of what was not synced only `survival` is left.
    pub fn power_cut(&self, survival: Survival) {
        self.kill();
        let mut odds = Odds::new(survival);
        let mut state = self.state();
        state.nodes.iter_mut().for_each(|node| node.power_cut(&mut odds));
        state.note(|| format!("==== power cut, {survival:?}"));
    }

    /// Makes everything durable.
    pub fn sync_all(&self) {
        self.state().nodes.iter_mut().for_each(Node::sync);
    }

    /// Adds operations that will fail.
    pub fn fail(&self, fault: Fault) {
        self.state().faults.push(fault);
    }

    /// How many operations failed because they were told to.
    pub fn faults_met(&self) -> u64 {
        self.state().faults_met
    }

    /// Fills the disk, or gives the space back. A full disk takes no byte and no name.
    pub fn set_full(&self, full: bool) {
        self.state().full = full;
    }
}

/// A device number that no disk has yet.
pub fn next_device() -> u64 {
    static DEVICES: AtomicU64 = AtomicU64::new(1);
    DEVICES.fetch_add(1, Ordering::Relaxed)
}

fn power_is_off() -> io::Error {
    io::Error::other("the power is off")
}

fn errno(number: i32) -> io::Error {
    io::Error::from_raw_os_error(number)
}

impl State {
    fn note(&mut self, text: impl FnOnce() -> String) {
        let number = self.ops;
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{number}: {}", text()));
        }
    }

    /// Counts an operation and decides about it.
    fn begin(&mut self, op: Op, path: &str) -> io::Result<Verdict> {
        if self.off {
            return Err(power_is_off());
        }
        self.ops += 1;
        let verdict = self.judge(op, path);
        self.note(|| {
            let end = match &verdict {
                Verdict::Do => String::new(),
                Verdict::Die { done } => format!(" CRASH (done: {done})"),
                Verdict::Fail(error) => format!(" FAILS: {error}"),
            };
            format!("{op:?} {path}{end}")
        });
        Ok(verdict)
    }

    fn judge(&mut self, op: Op, path: &str) -> Verdict {
        if self.crash_after.is_some_and(|last| self.ops > last) {
            self.off = true;
            return Verdict::Die { done: self.rng.percent(50) };
        }
        if self.full && matches!(op, Op::Create | Op::Write | Op::CreateDir) {
            self.faults_met += 1;
            return Verdict::Fail(errno(ENOSPC));
        }
        let matching = |fault: &&mut Fault| fault.op == op && fault.times > 0 && path.contains(fault.path);
        if let Some(fault) = self.faults.iter_mut().find(matching) {
            if fault.skip > 0 {
                fault.skip -= 1;
            } else {
                fault.times -= 1;
                self.faults_met += 1;
                return Verdict::Fail(errno(fault.errno));
            }
        }
        if let Some(chance) = &mut self.chance
            && chance.ops.contains(&op)
            && chance.rng.below(10_000) < chance.per_10_000
        {
            self.faults_met += 1;
            let number = chance.rng.pick(&[EIO, ENOSPC]);
            return Verdict::Fail(errno(number));
        }
        Verdict::Do
    }

    pub fn add(&mut self, node: Node) -> NodeId {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    fn dir(&self, id: NodeId) -> io::Result<&DirNode> {
        match &self.nodes[id] {
            Node::Dir(dir) => Ok(dir),
            Node::File(_) => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    pub fn dir_mut(&mut self, id: NodeId) -> io::Result<&mut DirNode> {
        match &mut self.nodes[id] {
            Node::Dir(dir) => Ok(dir),
            Node::File(_) => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    fn file_mut(&mut self, id: NodeId) -> io::Result<&mut FileNode> {
        match &mut self.nodes[id] {
            Node::File(file) => Ok(file),
            Node::Dir(_) => Err(io::ErrorKind::IsADirectory.into()),
        }
    }

    pub fn stat(&self, node: NodeId) -> Stat {
        let (is_dir, bytes) = match &self.nodes[node] {
            Node::Dir(_) => (true, 0),
            Node::File(file) => (false, file.live.len() as u64),
        };
        Stat { node, is_dir, bytes }
    }

    pub fn find(&self, path: &Path) -> io::Result<NodeId> {
        let mut id = 0;
        for component in path.components() {
            if let Component::Normal(name) = component {
                let name = name.to_str().ok_or(io::ErrorKind::InvalidInput)?;
                id = *self.dir(id)?.live.get(name).ok_or(io::ErrorKind::NotFound)?;
            }
        }
        Ok(id)
    }

    /// The directory a path lies in, and its name there.
    pub fn parent(&self, path: &Path) -> io::Result<(NodeId, String)> {
        let name = path.file_name().and_then(|name| name.to_str()).ok_or(io::ErrorKind::InvalidInput)?;
        let parent = self.find(path.parent().unwrap_or(Path::new("")))?;
        self.dir(parent)?;
        Ok((parent, name.to_owned()))
    }

    /// Performs an operation that happens wholly or not at all.
    fn whole<T>(
        &mut self,
        op: Op,
        path: &Path,
        act: impl FnOnce(&mut Self) -> io::Result<T>,
    ) -> io::Result<T> {
        match self.begin(op, &path.display().to_string())? {
            Verdict::Do => act(self),
            Verdict::Die { done: true } => act(self).and(Err(power_is_off())),
            Verdict::Die { done: false } => Err(power_is_off()),
            Verdict::Fail(error) => Err(error),
        }
    }

    fn reading(&self) -> io::Result<()> {
        if self.off { Err(power_is_off()) } else { Ok(()) }
    }
}

impl Disk for SimDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.state();
        let node = state.whole(Op::Create, path, |state| {
            let (dir, name) = state.parent(path)?;
            if state.dir(dir)?.live.contains_key(&name) {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            let node = state.add(Node::File(FileNode::default()));
            state.dir_mut(dir)?.change(&name, Some(node));
            Ok(node)
        })?;
        Ok(Box::new(self.handle(&state, node, path)))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.state();
        state.reading()?;
        let node = state.find(path)?;
        state.file_mut(node)?;
        Ok(Box::new(self.handle(&state, node, path)))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let mut state = self.state();
        state.reading()?;
        let node = state.find(path)?;
        Ok(state.file_mut(node)?.live.clone())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.state().whole(Op::Rename, to, |state| {
            let (from_dir, from_name) = state.parent(from)?;
            let (to_dir, to_name) = state.parent(to)?;
            let node = *state.dir(from_dir)?.live.get(&from_name).ok_or(io::ErrorKind::NotFound)?;
            state.dir_mut(to_dir)?.change(&to_name, Some(node));
            state.dir_mut(from_dir)?.change(&from_name, None);
            Ok(())
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.reading()?;
        let node = state.find(path)?;
        state.file_mut(node)?;
        state.whole(Op::Remove, path, |state| {
            let (dir, name) = state.parent(path)?;
            state.dir_mut(dir)?.change(&name, None);
            Ok(())
        })
    }

    fn create_dir(&self, path: &Path) -> io::Result<bool> {
        let mut state = self.state();
        state.reading()?;
        if let Ok(found) = state.find(path) {
            return state.dir(found).map(|_| false);
        }
        state.parent(path)?;
        state.whole(Op::CreateDir, path, |state| {
            let (dir, name) = state.parent(path)?;
            let node = state.add(Node::Dir(DirNode::default()));
            state.dir_mut(dir)?.change(&name, Some(node));
            Ok(true)
        })
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.reading()?;
        let node = state.find(path)?;
        state.whole(Op::SyncDir, path, |state| {
            state.dir_mut(node)?.sync();
            Ok(())
        })
    }

    fn sync_file_system(&self, path: &Path) -> io::Result<()> {
        self.state().whole(Op::SyncDir, path, |state| {
            state.nodes.iter_mut().for_each(Node::sync);
            Ok(())
        })
    }

    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let state = self.state();
        state.reading()?;
        let Ok(node) = state.find(path) else { return Ok(Vec::new()) };
        let entry = |(name, id): (&String, &NodeId)| {
            let Stat { is_dir, bytes, .. } = state.stat(*id);
            DirEntry { name: name.clone(), is_dir, bytes }
        };
        Ok(state.dir(node)?.live.iter().map(entry).collect())
    }

    fn free_space(&self, path: &Path) -> io::Result<FreeSpace> {
        let state = self.state();
        state.reading()?;
        state.find(path)?;
        Ok(state.free)
    }

    fn identity(&self, path: &Path) -> io::Result<FileIdentity> {
        let state = self.state();
        state.reading()?;
        let node = state.find(path)? as u64;
        // Inodes are given again; when a file was born tells it from the one before.
        Ok(FileIdentity { device: state.device, inode: node % 64, born: node })
    }
}
