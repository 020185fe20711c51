//! Whether what a role depends on is there: looked at in the background, so that `/readyz` answers at once.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::names;
use super::s3::{ObjectStore, Put, StoreError};
use crate::base::random;
use crate::base::shutdown::{self, Joined};
use crate::base::sync::lock;
use crate::intake::Reason;

/// Time between two looks.
pub const INTERVAL: Duration = Duration::from_secs(2);

/// One thing to look at: what it means if it is away, and how to see.
pub struct Check {
    /// The reason that `/readyz` gives.
    pub reason: Reason,
    /// Looks; says what is wrong.
    pub look: Box<dyn FnMut() -> Result<(), String> + Send>,
}

/// The outcome of the last look.
#[derive(Clone)]
pub struct Probe {
    last: Arc<Mutex<Result<(), Reason>>>,
}

/// Ends the looking when it is dropped.
pub struct Looking {
    _stop: Sender<()>,
    _thread: Joined,
}

impl Probe {
    /// Starts looking, at once and then every two seconds.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn start(checks: Vec<Check>) -> std::io::Result<(Self, Looking)> {
        let probe = Self { last: Arc::new(Mutex::new(Err(Reason::Starting))) };
        let (stop, stopped) = bounded(0);
        let looking = probe.clone();
        let thread = shutdown::spawn("probe", move || looking.run(checks, &stopped))?;
        Ok((probe, Looking { _stop: stop, _thread: thread }))
    }

    /// What the last look found.
    ///
    /// # Errors
    /// Why the role cannot do its work.
    pub fn ready(&self) -> Result<(), Reason> {
        *lock(&self.last)
    }

    fn run(&self, mut checks: Vec<Check>, stopped: &Receiver<()>) {
        loop {
            let mut found = Ok(());
            for check in &mut checks {
                if let Err(why) = (check.look)() {
                    found = Err(check.reason);
                    if self.ready() != found {
                        log::warn!("{}: {why}", check.reason.label());
                    }
                    break;
                }
            }
            if found.is_ok() && self.ready().is_err() {
                log::info!("everything this role depends on is there");
            }
            *lock(&self.last) = found;
            if stopped.recv_timeout(INTERVAL) != Err(RecvTimeoutError::Timeout) {
                return;
            }
        }
    }
}

/// Sees whether the bucket is there and, once, whether the store honours `If-None-Match: *`. One that ignores it would
/// let a second body take the place of the first, so a role that writes batches must not work with it.
pub fn store_check(store: Arc<ObjectStore>) -> Check {
    let mut is_proven = false;
    let look = move || {
        if is_proven {
            return store.check().map_err(|error| error.to_string());
        }
        is_proven = honours_conditions(&store).map_err(|error| error.to_string())?;
        if is_proven {
            Ok(())
        } else {
            shutdown::end_process(
                "the object store ignores If-None-Match: * (a second PUT of a key succeeded); with it batches could be \
                 replaced after they were counted, so it cannot be used",
            )
        }
    };
    Check { reason: Reason::ObjectStore, look: Box::new(look) }
}

/// Writes an object of a name nobody uses twice, on condition that it is not there.
fn honours_conditions(store: &ObjectStore) -> Result<bool, StoreError> {
    let key = format!("probe/{}", random::ulid());
    assert!(!key.starts_with(names::RAW), "a probe is no batch");
    store.put_if_absent(&key, b"probe", &[])?;
    let second = store.put_if_absent(&key, b"probe", &[]);
    store.delete(&key)?;
    Ok(second? == Put::Exists)
}
