//! Clients in a closed loop: the connections of some threads to one server, each of which sends as soon as it was
//! answered. Reports unexpected answers. Measures nothing and retries nothing.

use std::io::{IoSlice, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use crate::batches::{Answer, Template, current_minute, write_head};

/// The customer that batches are sent for.
pub(crate) const CUSTOMER: &str = "bench";
const GET: &[u8] = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";

/// The requests to send.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    Batches,
    Health,
}

struct Connection {
    stream: TcpStream,
    head: Vec<u8>,
    answer: Vec<u8>,
    is_busy: bool,
}

impl Connection {
    fn open(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        Self { stream, head: Vec::new(), answer: Vec::new(), is_busy: false }
    }

    /// Sends the head that was made, and this body.
    fn send(&mut self, body: &[u8]) {
        let mut unsent = &mut [IoSlice::new(&self.head), IoSlice::new(body)][..];
        while !unsent.is_empty() {
            let bytes = self.stream.write_vectored(unsent).unwrap();
            IoSlice::advance_slices(&mut unsent, bytes);
        }
    }

    /// Waits for the answer; counts it if it has another status.
    fn receive(&mut self, status: &str, refused: &mut Refused) {
        self.answer.clear();
        let mut buffer = [0; 4096];
        while Answer::of(&self.answer).is_none() {
            let count = self.stream.read(&mut buffer).unwrap();
            assert!(count > 0, "the server closed instead of answering");
            self.answer.extend_from_slice(&buffer[..count]);
        }
        let answer = Answer::of(&self.answer).unwrap();
        if answer.status != status || answer.closes {
            refused.count += 1;
            refused.example = String::from_utf8_lossy(&self.answer).into_owned();
        }
        self.is_busy = false;
    }
}

/// Unexpected answers.
#[derive(Default)]
pub(crate) struct Refused {
    pub(crate) count: u64,
    pub(crate) example: String,
}

/// One thread's connections, and the bodies it sends.
pub(crate) struct Sender {
    connections: Vec<Connection>,
    bodies: Vec<Template>,
    minute: u32,
}

impl Sender {
    /// Opens so many connections.
    pub(crate) fn connect(addr: SocketAddr, connections: usize, bodies: &[Template]) -> Self {
        let connections = (0..connections).map(|_| Connection::open(addr)).collect();
        Self { connections, bodies: bodies.to_vec(), minute: 0 }
    }

    /// Lets these threads send `count` requests together. Keys of batches are numbered from `first`.
    pub(crate) fn run_all(senders: &mut [Sender], asked: Asked, first: u64, count: u64) -> Refused {
        let sent = &AtomicU64::new(0);
        thread::scope(|scope| {
            let run = |sender: &mut Sender| sender.run(asked, first, count, sent);
            let spawn = |sender| thread::Builder::new().spawn_scoped(scope, move || run(sender)).unwrap();
            let threads: Vec<_> = senders.iter_mut().map(spawn).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).fold(Refused::default(), |sum, one| {
                let example = if one.count > 0 { one.example } else { sum.example };
                Refused { count: sum.count + one.count, example }
            })
        })
    }

    /// Sends in turn, on each connection as soon as it was answered, until the threads have sent `count` together.
    fn run(&mut self, asked: Asked, first: u64, count: u64, sent: &AtomicU64) -> Refused {
        let status = if asked == Asked::Batches { "202" } else { "200" };
        let mut refused = Refused::default();
        for index in (0..self.connections.len()).cycle() {
            let connection = &mut self.connections[index];
            if connection.is_busy {
                connection.receive(status, &mut refused);
            }
            let number = sent.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                break;
            }
            match asked {
                Asked::Health => connection.stream.write_all(GET).unwrap(),
                Asked::Batches => {
                    let minute = current_minute();
                    if minute != self.minute {
                        self.minute = minute;
                        self.bodies.iter_mut().for_each(|body| body.set_minute(minute));
                    }
                    let body = &self.bodies[number as usize % self.bodies.len()].bytes;
                    let key = format!("batch-{:012}", first + number);
                    write_head(&mut connection.head, "x", CUSTOMER, &key, body.len());
                    connection.send(body);
                }
            }
            connection.is_busy = true;
        }
        for connection in self.connections.iter_mut().filter(|connection| connection.is_busy) {
            connection.receive(status, &mut refused);
        }
        refused
    }
}
