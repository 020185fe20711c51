//! The simulated disk as a file system that the real binary can run on: it loses what was not synced, fails when told
//! to, and stops after any operation, under real system calls of a real process.
//!
//! A FUSE file system over a [`SimDisk`]. The kernel caches nothing of it: every write, sync, rename and look reaches
//! the simulated disk, and what fails there fails in the system call. Mounting needs `/dev/fuse` and root (or
//! `fusermount3`).

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fuser::{
    BackgroundSession, BsdFileFlags, Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags,
    Generation, INodeNo, KernelConfig, LockOwner, MountOption, OpenFlags, RenameFlags, ReplyAttr,
    ReplyCreate, ReplyData, ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyOpen, ReplyStatfs, ReplyWrite,
    Request, TimeOrNow, WriteFlags,
};
use log_analytics::base::disk::{Disk, DiskFile};

use crate::support::sim_disk::files::NodeId;
use crate::support::sim_disk::{SimDisk, Stat};

/// The mounted directory on the simulated disk. It is the first one created there, so its number is 1, the number that
/// FUSE expects of a root.
const ROOT: &str = "/store";
const ROOT_NODE: u64 = 1;
/// Nothing is remembered by the kernel.
const TTL: Duration = Duration::ZERO;
const BLOCK_BYTES: u32 = 4096;

impl SimDisk {
    /// Metadata of the file or directory at this path.
    pub fn stat(&self, path: &Path) -> Option<Stat> {
        let state = self.state();
        state.find(path).ok().map(|node| state.stat(node))
    }

    /// Metadata of a node that may have been removed from its directory.
    pub fn stat_node(&self, node: NodeId) -> Stat {
        self.state().stat(node)
    }

    /// Begins to record the operations, to print them if the test fails.
    pub fn start_trace(&self) {
        self.state().trace = Some(Vec::new());
    }

    /// The operations since [`SimDisk::start_trace`].
    pub fn trace(&self) -> Vec<String> {
        self.state().trace.clone().unwrap_or_default()
    }
}

/// A mounted simulated disk. Unmounted when dropped.
pub(crate) struct MountedDisk {
    pub(crate) sim: SimDisk,
    path: PathBuf,
    _session: BackgroundSession,
}

impl MountedDisk {
    /// Mounts an empty disk on `<dir>/store`.
    pub(crate) fn mount(dir: &Path, seed: u64) -> MountedDisk {
        let sim = SimDisk::new(seed);
        sim.create_dir(Path::new(ROOT)).unwrap();
        sim.sync_all();
        sim.restart_count();
        let path = dir.join("store");
        std::fs::create_dir(&path).unwrap();
        let view = View {
            sim: sim.clone(),
            paths: Mutex::new(HashMap::from([(ROOT_NODE, PathBuf::from(ROOT))])),
            files: Mutex::default(),
            next_handle: AtomicU64::new(1),
        };
        let mut config = Config::default();
        config.mount_options = vec![MountOption::FSName("simulated".to_owned())];
        let session = fuser::spawn_mount(view, &path, &config)
            .unwrap_or_else(|error| panic!("cannot mount a file system of our own: {error}"));
        MountedDisk { sim, path, _session: session }
    }
}

impl Drop for MountedDisk {
    fn drop(&mut self) {
        // Lazily: a failed test may have left a process on it.
        let _ = Command::new("umount").arg("-l").arg(&self.path).output();
    }
}

/// The FUSE file system: translates the kernel's requests to the simulated disk.
struct View {
    sim: SimDisk,
    /// The last known path of each node number.
    paths: Mutex<HashMap<u64, PathBuf>>,
    files: Mutex<HashMap<u64, Box<dyn DiskFile>>>,
    next_handle: AtomicU64,
}

impl View {
    fn path(&self, number: INodeNo) -> PathBuf {
        self.paths.lock().unwrap()[&u64::from(number)].clone()
    }

    fn child(&self, parent: INodeNo, name: &OsStr) -> PathBuf {
        self.path(parent).join(name)
    }

    /// Looks up a path and remembers it for its node number.
    fn look(&self, path: PathBuf) -> Result<FileAttr, Errno> {
        let stat = self.sim.stat(&path).ok_or(Errno::ENOENT)?;
        self.paths.lock().unwrap().insert(stat.node as u64, path);
        Ok(attributes(stat))
    }

    fn keep(&self, file: Box<dyn DiskFile>) -> FileHandle {
        let handle = self.next_handle.fetch_add(1, Ordering::Relaxed);
        self.files.lock().unwrap().insert(handle, file);
        FileHandle(handle)
    }

    fn with<T>(
        &self,
        handle: FileHandle,
        act: impl FnOnce(&mut dyn DiskFile) -> io::Result<T>,
    ) -> Result<T, Errno> {
        let mut files = self.files.lock().unwrap();
        act(&mut **files.get_mut(&u64::from(handle)).ok_or(Errno::EBADF)?).map_err(errno)
    }

    fn create_file(&self, path: PathBuf) -> Result<(FileAttr, FileHandle), Errno> {
        let file = self.sim.create(&path).map_err(errno)?;
        let attributes = self.look(path)?;
        Ok((attributes, self.keep(file)))
    }

    fn set_size(&self, number: INodeNo, handle: Option<FileHandle>, bytes: u64) -> Result<(), Errno> {
        match handle {
            Some(handle) => self.with(handle, |file| file.set_len(bytes)),
            None => self.sim.open(&self.path(number)).and_then(|mut file| file.set_len(bytes)).map_err(errno),
        }
    }
}

/// An error of the simulated disk as an errno.
fn errno(error: io::Error) -> Errno {
    match error.kind() {
        io::ErrorKind::NotFound => Errno::ENOENT,
        io::ErrorKind::AlreadyExists => Errno::EEXIST,
        io::ErrorKind::NotADirectory => Errno::ENOTDIR,
        io::ErrorKind::IsADirectory => Errno::EISDIR,
        // A disk that is off answers EIO, as a real one does.
        _ => error.raw_os_error().map_or(Errno::EIO, Errno::from_i32),
    }
}

fn attributes(stat: Stat) -> FileAttr {
    let (kind, perm) =
        if stat.is_dir { (FileType::Directory, 0o750) } else { (FileType::RegularFile, 0o640) };
    FileAttr {
        ino: INodeNo(stat.node as u64),
        size: stat.bytes,
        blocks: stat.bytes.div_ceil(512),
        atime: UNIX_EPOCH,
        mtime: UNIX_EPOCH,
        ctime: UNIX_EPOCH,
        crtime: UNIX_EPOCH,
        kind,
        perm,
        nlink: 1,
        uid: rustix::process::getuid().as_raw(),
        gid: rustix::process::getgid().as_raw(),
        rdev: 0,
        blksize: BLOCK_BYTES,
        flags: 0,
    }
}

fn answer(reply: ReplyEmpty, done: Result<(), Errno>) {
    match done {
        Ok(()) => reply.ok(),
        Err(error) => reply.error(error),
    }
}

fn entry(reply: ReplyEntry, found: Result<FileAttr, Errno>) {
    match found {
        Ok(attributes) => reply.entry(&TTL, &attributes, Generation(0)),
        Err(error) => reply.error(error),
    }
}

impl Filesystem for View {
    fn init(&mut self, _: &Request, config: &mut KernelConfig) -> io::Result<()> {
        // A group of batches is one write here as it is on a disk.
        let _ = config.set_max_write(1 << 20);
        Ok(())
    }

    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        entry(reply, self.look(self.child(parent, name)));
    }

    fn getattr(&self, _: &Request, number: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        reply.attr(&TTL, &attributes(self.sim.stat_node(u64::from(number) as usize)));
    }

    fn setattr(
        &self,
        _: &Request,
        number: INodeNo,
        _: Option<u32>,
        _: Option<u32>,
        _: Option<u32>,
        bytes: Option<u64>,
        _: Option<TimeOrNow>,
        _: Option<TimeOrNow>,
        _: Option<SystemTime>,
        handle: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        match bytes.map_or(Ok(()), |bytes| self.set_size(number, handle, bytes)) {
            Ok(()) => reply.attr(&TTL, &attributes(self.sim.stat_node(u64::from(number) as usize))),
            Err(error) => reply.error(error),
        }
    }

    fn mkdir(&self, _: &Request, parent: INodeNo, name: &OsStr, _: u32, _: u32, reply: ReplyEntry) {
        let path = self.child(parent, name);
        let made = match self.sim.create_dir(&path) {
            Ok(true) => self.look(path),
            Ok(false) => Err(Errno::EEXIST),
            Err(error) => Err(errno(error)),
        };
        entry(reply, made);
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        answer(reply, self.sim.remove(&self.child(parent, name)).map_err(errno));
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        new_parent: INodeNo,
        new_name: &OsStr,
        _: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let to = self.child(new_parent, new_name);
        let renamed = self.sim.rename(&self.child(parent, name), &to).map_err(errno);
        answer(reply, renamed.and_then(|()| self.look(to).map(drop)));
    }

    fn create(&self, _: &Request, parent: INodeNo, name: &OsStr, _: u32, _: u32, _: i32, reply: ReplyCreate) {
        match self.create_file(self.child(parent, name)) {
            Ok((attributes, handle)) => {
                reply.created(&TTL, &attributes, Generation(0), handle, FopenFlags::FOPEN_DIRECT_IO);
            }
            Err(error) => reply.error(error),
        }
    }

    fn open(&self, _: &Request, number: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        match self.sim.open(&self.path(number)) {
            Ok(file) => reply.opened(self.keep(file), FopenFlags::FOPEN_DIRECT_IO),
            Err(error) => reply.error(errno(error)),
        }
    }

    fn release(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        _: OpenFlags,
        _: Option<LockOwner>,
        _: bool,
        reply: ReplyEmpty,
    ) {
        self.files.lock().unwrap().remove(&u64::from(handle));
        reply.ok();
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }

    fn read(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        offset: u64,
        bytes: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let mut buffer = vec![0; bytes as usize];
        match self.with(handle, |file| file.read_at(offset.min(file.len()?), &mut buffer)) {
            Ok(read) => reply.data(&buffer[..read]),
            Err(error) => reply.error(error),
        }
    }

    fn write(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        offset: u64,
        bytes: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        match self.with(handle, |file| file.write_at(offset, &[bytes])) {
            Ok(()) => reply.written(bytes.len() as u32),
            Err(error) => reply.error(error),
        }
    }

    fn fsync(&self, _: &Request, _: INodeNo, handle: FileHandle, _: bool, reply: ReplyEmpty) {
        answer(reply, self.with(handle, |file| file.sync_data()));
    }

    fn fsyncdir(&self, _: &Request, number: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        answer(reply, self.sim.sync_dir(&self.path(number)).map_err(errno));
    }

    fn readdir(&self, _: &Request, number: INodeNo, _: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        let dir = self.path(number);
        let listed = match self.sim.list(&dir) {
            Ok(listed) => listed,
            Err(error) => return reply.error(errno(error)),
        };
        let dots = [".", ".."].map(|name| (name.to_owned(), u64::from(number), FileType::Directory));
        let files = listed.into_iter().filter_map(|entry| {
            let stat = self.sim.stat(&dir.join(&entry.name))?;
            Some((entry.name, stat.node as u64, attributes(stat).kind))
        });
        for (position, (name, number, kind)) in (1..).zip(dots.into_iter().chain(files)).skip(offset as usize)
        {
            if reply.add(INodeNo(number), position, kind, name) {
                break;
            }
        }
        reply.ok();
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        match self.sim.free_space(Path::new(ROOT)) {
            Ok(free) => {
                let (blocks, inodes) = (free.bytes / u64::from(BLOCK_BYTES), free.inodes.min(1 << 29));
                reply.statfs(1 << 40, blocks, blocks, 1 << 30, inodes, BLOCK_BYTES, 255, BLOCK_BYTES);
            }
            Err(error) => reply.error(errno(error)),
        }
    }
}
