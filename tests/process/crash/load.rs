//! Clients that never stop: each batch is sent until an answer says that it is counted, across restarts of the server. Some
//! clients repeat batches, some send another body under a used key, some send invalid batches, and some hang up without
//! waiting for the answer.

use std::collections::BTreeSet;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, RwLock};
use std::time::Duration;

use super::batches::{Batch, encoded};
use crate::support::client::{Answer, Client};
use crate::support::rng::Rng;

/// State shared by the clients and the thread that kills the server.
pub(crate) struct Load {
    pub(crate) seed: u64,
    /// Where the server is; `None` while there is none.
    pub(crate) addr: RwLock<Option<SocketAddr>>,
    /// Batches up to this number may be sent.
    pub(crate) quota: AtomicUsize,
    pub(crate) acknowledged: AtomicUsize,
    pub(crate) replayed: AtomicUsize,
    pub(crate) done: AtomicBool,
    /// The campaign failed: no server will be started any more.
    pub(crate) hopeless: AtomicBool,
    next: AtomicUsize,
    fates: Mutex<Fates>,
}

/// What became of the batches.
#[derive(Default)]
pub(crate) struct Fates {
    /// Answered 202: never twice.
    pub(crate) accepted: BTreeSet<usize>,
    /// Answered 202 or 409.
    pub(crate) counted: BTreeSet<usize>,
    /// Sent once, and nobody waited for the answer.
    pub(crate) abandoned: BTreeSet<usize>,
}

impl Load {
    pub(crate) fn new(seed: u64) -> Load {
        Load {
            seed,
            addr: RwLock::new(None),
            quota: AtomicUsize::new(0),
            acknowledged: AtomicUsize::new(0),
            replayed: AtomicUsize::new(0),
            done: AtomicBool::new(false),
            hopeless: AtomicBool::new(false),
            next: AtomicUsize::new(0),
            fates: Mutex::default(),
        }
    }

    pub(crate) fn into_fates(self) -> Fates {
        self.fates.into_inner().unwrap()
    }

    /// One client, until the load is done.
    pub(crate) fn run(&self) {
        let mut connection = None;
        while let Some(number) = self.next_number() {
            let mut rng = Rng::new(self.seed.wrapping_add(number as u64).wrapping_mul(0x9FB2_1C65_1E98_DF25));
            let batch = Batch::new(self.seed, number);
            if is_abandoned(self.seed, number) {
                self.abandon(number, &batch, &mut rng);
                continue;
            }
            self.deliver(&mut connection, number, &batch, &mut rng);
            if rng.percent(25) {
                // Repeat this batch, or one that another client may be sending at this moment.
                let earlier = number - rng.index(number.min(20) + 1);
                if !is_abandoned(self.seed, earlier) {
                    self.deliver(&mut connection, earlier, &Batch::new(self.seed, earlier), &mut rng);
                }
            }
            if rng.percent(5) {
                let other = Batch {
                    key: batch.key.clone(),
                    customer: batch.customer,
                    ..Batch::new(self.seed, number + 1)
                };
                let answer = self.until_answered(&mut connection, &other, &other.body(), &mut rng);
                assert_eq!(answer.status, 422, "another body under {}: {}", batch.key, answer.text());
            }
            if rng.percent(5) {
                let bad = Batch { key: format!("bad-{number}"), ..batch };
                let body = [bad.body(), b"nonsense".to_vec()].concat();
                let answer = self.until_answered(&mut connection, &bad, &body, &mut rng);
                assert_eq!(answer.status, 400, "{}", answer.text());
            }
        }
    }

    /// The next batch to send, once it may be sent; `None` at the end.
    fn next_number(&self) -> Option<usize> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        while number >= self.quota.load(Ordering::Relaxed) {
            if self.done.load(Ordering::Relaxed) {
                return None;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Some(number)
    }

    fn deliver(&self, connection: &mut Connection, number: usize, batch: &Batch, rng: &mut Rng) {
        let answer = self.until_answered(connection, batch, &batch.body(), rng);
        let mut fates = self.fates.lock().unwrap();
        match answer.status {
            202 => assert!(fates.accepted.insert(number), "batch {number} was answered 202 twice"),
            409 => _ = self.replayed.fetch_add(1, Ordering::Relaxed),
            other => panic!("batch {number} was answered {other}: {}", answer.text()),
        }
        fates.counted.insert(number);
        self.acknowledged.fetch_add(1, Ordering::Relaxed);
    }

    /// Sends until there is an answer other than 503.
    fn until_answered(
        &self,
        connection: &mut Connection,
        batch: &Batch,
        body: &[u8],
        rng: &mut Rng,
    ) -> Answer {
        loop {
            assert!(!self.hopeless.load(Ordering::Relaxed), "the server failed");
            let addr = *self.addr.read().unwrap();
            if let Some(addr) = addr {
                if connection.as_ref().is_none_or(|(to, _)| *to != addr) {
                    *connection = Some((addr, Client::new(addr)));
                }
                let (_, client) = connection.as_mut().unwrap();
                // The same bytes may come in another coding the next time.
                let (coding, body) = encoded(body, rng);
                let mut headers = vec![
                    ("x-customer-id", batch.customer),
                    ("idempotency-key", batch.key.as_str()),
                    ("content-type", batch.content_type()),
                ];
                headers.extend(coding.map(|coding| ("content-encoding", coding)));
                match client.send("POST", "/logs", &headers, Some(&body)) {
                    Ok(answer) if answer.status != 503 => return answer,
                    Ok(answer) => assert!(answer.header("retry-after").is_some(), "503 says when"),
                    Err(_) => *connection = None,
                }
            }
            std::thread::sleep(Duration::from_millis(rng.between(1, 5)));
        }
    }

    /// Sends a part or all of the batch and hangs up.
    fn abandon(&self, number: usize, batch: &Batch, rng: &mut Rng) {
        self.fates.lock().unwrap().abandoned.insert(number);
        let Some(stream) = (*self.addr.read().unwrap()).map(TcpStream::connect) else { return };
        let Ok(mut stream) = stream else { return };
        let body = batch.body();
        let mut request = format!(
            "POST /logs HTTP/1.1\r\nhost: test\r\nx-customer-id: {}\r\nidempotency-key: {}\r\ncontent-type: {}\r\n\
             content-length: {}\r\n\r\n",
            batch.customer,
            batch.key,
            batch.content_type(),
            body.len()
        )
        .into_bytes();
        request.extend(body);
        if rng.percent(30) {
            request.truncate(rng.index(request.len()));
        }
        let _ = stream.write_all(&request);
    }
}

type Connection = Option<(SocketAddr, Client)>;

/// Whether the client of this batch hangs up without waiting for the answer.
fn is_abandoned(seed: u64, number: usize) -> bool {
    Rng::new(seed ^ !(number as u64)).percent(6)
}
