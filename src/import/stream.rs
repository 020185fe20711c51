//! Standard input, which may be a program that writes a line now and then: its lines are sent within about a second.
//!
//! Input: an open stream. Output: complete regions for the sending threads; in between, the lines that are there, sent by this
//! thread. Never: a wait for a full buffer.

use std::io::{self, ErrorKind, Read};
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender as Channel, bounded};

use super::position::Tracker;
use super::region::Splitter;
use super::run::{Import, ImportFailure, OpenFile, Planned};
use super::worker::{ImportWorker, Task};
use crate::base::clock;
use crate::input::{Opened, READ_BYTES};

/// How long lines may wait for more of their region.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

impl Import {
    /// Imports a stream to its end.
    pub(super) fn read_stream(
        &self,
        planned: &Planned,
        work: &Channel<Task>,
        spares: &Receiver<Vec<u8>>,
    ) -> Result<(), ImportFailure> {
        let named = |error: io::Error| {
            ImportFailure::Read(io::Error::new(error.kind(), format!("{}: {error}", planned.input.name())))
        };
        let opened = planned.input.open(Arc::clone(&self.progress)).map_err(ImportFailure::Read)?;
        let pieces = pieces(opened).map_err(named)?;
        let name: Arc<str> = planned.input.name().into();
        // What cannot be read again has no position.
        let tracker = Arc::new(Tracker::of_stream(planned.start.clone()));
        let mut splitter = Splitter::new(planned.start.clone());
        let (mut progress, mut worker) = (planned.progress, ImportWorker::new(self));
        let mut sent = clock::monotonic();
        while !self.is_over() {
            match pieces.recv_timeout(LONGEST_WAIT.saturating_sub(sent.elapsed())) {
                Ok(piece) => splitter.push(&piece.map_err(named)?),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    let region = splitter.open(true);
                    // A refused task means that all workers are gone, and why is known.
                    let _ = work.send(Task::new((&name, &tracker), region, progress, true));
                    return Ok(());
                }
            }
            let open = OpenFile { name: &name, tracker: &tracker, progress: &mut progress };
            if !self.dispatch(open, &mut splitter, work, spares) {
                return Ok(());
            }
            if sent.elapsed() < LONGEST_WAIT {
                continue;
            }
            if splitter.open_lines() > progress.lines {
                let mut task = Task::new((&name, &tracker), splitter.open(false), progress, false);
                if worker.region(&mut task).is_none() {
                    return Ok(());
                }
                progress = task.progress;
            }
            sent = clock::monotonic();
        }
        Ok(())
    }
}

/// What a stream gives, as it comes. The thread that waits for it ends with the stream, or with the process.
fn pieces(mut opened: Opened) -> io::Result<Receiver<io::Result<Vec<u8>>>> {
    let (pieces, received) = bounded(4);
    let read = move || {
        let mut space = vec![0; READ_BYTES];
        loop {
            let piece = match opened.read(&mut space) {
                Ok(0) => return,
                Ok(bytes) => Ok(space[..bytes].to_vec()),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => Err(error),
            };
            let is_end = piece.is_err();
            if pieces.send(piece).is_err() || is_end {
                return;
            }
        }
    };
    std::thread::Builder::new().name("import-stdin".to_owned()).spawn(read)?;
    Ok(received)
}
