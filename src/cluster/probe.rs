//! Whether the services are available that a role depends on. They are checked in the background, so that `/readyz`
//! answers at once.
//!
//! Input: checks. Output: the result of the last round. Never: work for a client.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::names;
use super::s3::{ObjectStore, Put, StoreError};
use super::shared_secret::SharedSecret;
use crate::base::random;
use crate::base::shutdown::{self, Joined};
use crate::base::sync::lock;
use crate::intake::Reason;

/// Time between two rounds of checks.
pub const INTERVAL: Duration = Duration::from_secs(2);

pub struct ServiceCheck {
    /// The reason that `/readyz` gives if the check fails.
    pub reason: Reason,
    /// Runs the check. The error says what is wrong.
    pub run: Box<dyn FnMut() -> Result<(), String> + Send>,
}

/// The result of the last round of checks.
#[derive(Clone)]
pub struct Probe {
    last: Arc<Mutex<Result<(), Reason>>>,
}

/// The thread of the checks. Dropping it ends them.
pub struct ProbeThread {
    _stop: Sender<()>,
    _thread: Joined,
}

impl Probe {
    /// Starts the checks: the first round at once, then one every two seconds.
    pub fn start(checks: Vec<ServiceCheck>) -> std::io::Result<(Self, ProbeThread)> {
        let probe = Self { last: Arc::new(Mutex::new(Err(Reason::Starting))) };
        let (stop, stopped) = bounded(0);
        let checked = probe.clone();
        let thread = shutdown::spawn("probe", move || checked.run(checks, &stopped))?;
        Ok((probe, ProbeThread { _stop: stop, _thread: thread }))
    }

    /// The result of the last round.
    ///
    /// # Errors
    /// The reason of the first check that failed.
    pub fn ready(&self) -> Result<(), Reason> {
        *lock(&self.last)
    }

    fn run(&self, mut checks: Vec<ServiceCheck>, stopped: &Receiver<()>) {
        loop {
            let mut found = Ok(());
            for check in &mut checks {
                if let Err(why) = (check.run)() {
                    found = Err(check.reason);
                    if self.ready() != found {
                        log::warn!("{}: {why}", check.reason.label());
                    }
                    break;
                }
            }
            if found.is_ok() && self.ready().is_err() {
                log::info!("all services that this role needs are available");
            }
            *lock(&self.last) = found;
            if stopped.recv_timeout(INTERVAL) != Err(RecvTimeoutError::Timeout) {
                return;
            }
        }
    }
}

/// Checks that the bucket exists and, once, that it belongs to this `secret` and that the store honours `If-None-Match: *`. A
/// store that ignores the condition would let a second body replace the first, so a role that writes batches must not use it.
pub fn store_check(store: Arc<ObjectStore>, secret: Arc<SharedSecret>) -> ServiceCheck {
    let mut is_proven = false;
    let run = move || {
        if is_proven {
            return store.check().map_err(|error| error.to_string());
        }
        secret.prove(&store).map_err(|error| error.to_string())?;
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
    ServiceCheck { reason: Reason::ObjectStore, run: Box::new(run) }
}

/// Writes an object of a fresh name twice, on condition that there is none.
fn honours_conditions(store: &ObjectStore) -> Result<bool, StoreError> {
    let key = format!("probe/{}", random::ulid());
    assert!(!key.starts_with(names::RAW), "a probe is not a batch");
    store.put_if_absent(&key, b"probe", &[])?;
    let second = store.put_if_absent(&key, b"probe", &[]);
    store.delete(&key)?;
    Ok(second? == Put::Exists)
}
