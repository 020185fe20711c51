//! Two ingest processes behind one address: a client's next request may reach either.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, RwLock};

use crate::support::engines::{Engines, Role};

pub(crate) const INGEST_COUNT: usize = 2;
/// The ingests that are there when engines are killed: clients are told soon.
const SOON: &[&str] = &["--tune", "store_timeout=3s", "--tune", "kafka_timeout=3s"];

pub(crate) struct Ingests {
    roles: [Mutex<Option<Role>>; INGEST_COUNT],
    addresses: RwLock<[SocketAddr; INGEST_COUNT]>,
    turn: AtomicUsize,
}

impl Ingests {
    pub(crate) fn start(engines: &Engines) -> Self {
        let roles: [Role; INGEST_COUNT] = std::array::from_fn(|_| Role::start(engines, "ingest", &[]));
        Self {
            addresses: RwLock::new(roles.each_ref().map(|role| role.addr)),
            roles: roles.map(|role| Mutex::new(Some(role))),
            turn: AtomicUsize::new(0),
        }
    }

    /// Where the next request goes.
    pub(crate) fn next(&self) -> SocketAddr {
        self.all()[self.turn.fetch_add(1, Ordering::Relaxed) % INGEST_COUNT]
    }

    pub(crate) fn all(&self) -> [SocketAddr; INGEST_COUNT] {
        *self.addresses.read().unwrap()
    }

    pub(crate) fn kill(&self, number: usize) {
        self.roles[number].lock().unwrap().take().unwrap().kill();
    }

    /// Starts it again, at another address.
    pub(crate) fn restart(&self, number: usize, engines: &Engines) {
        let role = Role::start(engines, "ingest", SOON);
        self.addresses.write().unwrap()[number] = role.addr;
        *self.roles[number].lock().unwrap() = Some(role);
    }

    /// Whether all of them end in peace.
    pub(crate) fn stop(self) -> bool {
        self.roles.into_iter().all(|role| role.into_inner().unwrap().unwrap().stop())
    }
}
