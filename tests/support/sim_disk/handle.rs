//! An open file of a simulated disk.

use std::io;
use std::path::Path;
use std::sync::MutexGuard;

use log_analytics::base::disk::DiskFile;

use super::files::{Change, NodeId, Odds};
use super::{Op, SimDisk, State, Survival, Verdict, power_is_off};

pub(super) struct SimFile {
    disk: SimDisk,
    node: NodeId,
    path: String,
    epoch: u64,
}

impl SimDisk {
    pub(super) fn handle(&self, state: &State, node: NodeId, path: &Path) -> SimFile {
        SimFile { disk: self.clone(), node, path: path.display().to_string(), epoch: state.epoch }
    }
}

impl SimFile {
    fn state(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.disk.state();
        assert_eq!(state.epoch, self.epoch, "{}: used after the crash", self.path);
        state.reading()?;
        Ok(state)
    }
}

impl DiskFile for SimFile {
    fn write_at(&mut self, offset: u64, parts: &[&[u8]]) -> io::Result<()> {
        let mut state = self.state()?;
        let mut bytes = parts.concat();
        let end = match state.begin(Op::Write, &self.path)? {
            Verdict::Do => Ok(()),
            Verdict::Die { done: true } => Err(power_is_off()),
            Verdict::Die { done: false } => {
                bytes.truncate(state.rng.index(bytes.len() + 1));
                Err(power_is_off())
            }
            Verdict::Fail(error) => {
                // A failed write may have written any part of what it was given, all of it included.
                bytes.truncate(state.rng.index(bytes.len() + 1));
                Err(error)
            }
        };
        if !bytes.is_empty() {
            state.file_mut(self.node)?.change(Change::Write(offset, bytes));
        }
        end
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut state = self.state()?;
        let live = &state.file_mut(self.node)?.live;
        let from = live.get(usize::try_from(offset).unwrap()..).unwrap_or_default();
        let read = from.len().min(buffer.len());
        buffer[..read].copy_from_slice(&from[..read]);
        Ok(read)
    }

    fn sync_data(&mut self) -> io::Result<()> {
        let mut state = self.state()?;
        match state.begin(Op::SyncData, &self.path)? {
            Verdict::Do | Verdict::Die { done: true } => state.file_mut(self.node)?.sync(),
            // What is pending meets the power cut as it is, or stays in the page cache.
            Verdict::Die { done: false } => {}
            Verdict::Fail(error) => {
                let mut odds = Odds::new(Survival::Random(state.rng.next()));
                state.file_mut(self.node)?.drop_pending(&mut odds);
                return Err(error);
            }
        }
        if state.off { Err(power_is_off()) } else { Ok(()) }
    }

    fn set_len(&mut self, bytes: u64) -> io::Result<()> {
        let (node, path) = (self.node, self.path.clone());
        self.state()?.whole(Op::SetLen, Path::new(&path), |state| {
            state.file_mut(node)?.change(Change::Length(bytes));
            Ok(())
        })
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.state()?.file_mut(self.node)?.live.len() as u64)
    }
}
