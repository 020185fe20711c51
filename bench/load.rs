//! An open-loop load generator: sends batches when they are due, whether or not earlier ones were answered.
//!
//! `cargo run --release --example load -- --url http://127.0.0.1:8080 --connections 64 --entries 20 --rate 6000`
//!
//! With `--rate R` batch number i is due at i/R seconds, and its latency counts from that moment, also where no
//! connection was free to send it: a server that stalls does not hide the batches that were held back meanwhile
//! (coordinated omission). With `--rate 0` every connection sends as soon as it was answered, and latency counts
//! from there: that measures capacity, not waiting.
//!
//! The results and latencies in the report are those of the batches that were due within the measured time, whenever
//! they were answered: `due` is the sum of all possible results. Only the rate counts the answers that came within
//! the measured time, whenever their batch was sent.
//!
//! Few threads with many connections each (epoll), bodies made beforehand, so that it leaves the processor to the
//! server. Every request has an idempotency key of its own; entries carry the current minute. It starts no server
//! and retries nothing.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a benchmark")]

#[path = "common/batches.rs"]
mod batches;
#[allow(dead_code, reason = "each program uses its own part of it")]
mod common;
#[path = "common/tally.rs"]
mod tally;

use std::io::{ErrorKind, IoSlice, Read, Write};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::thread;
use std::time::{Duration, Instant};

use batches::{Answer, Template, current_minute, write_head};
use clap::Parser;
use common::Fields;
use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use tally::Tally;

#[derive(Parser, Clone, Debug)]
#[command(about = "Sends batches to a log-analytics server and reports rates and latencies")]
struct Options {
    /// Where the server listens.
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    url: String,
    /// Connections that send batches.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Connections that are opened beside them and send nothing.
    #[arg(long, default_value_t = 0)]
    idle_connections: usize,
    /// Entries in a batch.
    #[arg(long, default_value_t = 20)]
    entries: usize,
    /// Batches a second; 0: as fast as answers come.
    #[arg(long, default_value_t = 0.0)]
    rate: f64,
    /// For how long, after the warm-up.
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// Seconds of load before anything is counted.
    #[arg(long, default_value_t = 2.0)]
    warmup: f64,
    /// Customers that batches are spread over.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    customers: u64,
    /// Number of the first of them: two generators can send for different ones.
    #[arg(long, default_value_t = 0)]
    first_customer: u64,
    /// Distinct minutes that batches are spread over, back from the current one.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    minutes: u32,
    /// Distinct paths, by Zipf's law.
    #[arg(long, default_value_t = 4_000)]
    paths: usize,
    /// Distinct user agents, by Zipf's law.
    #[arg(long, default_value_t = 300)]
    agents: usize,
    /// Which fields entries have: bare, full or wide.
    #[arg(long, default_value = "bare", value_parser = Fields::from_name)]
    fields: Fields,
    /// Sending threads.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Options {
    fn authority(&self) -> &str {
        self.url.strip_prefix("http://").unwrap_or(&self.url).trim_end_matches('/')
    }
}

/// How long the last answers are waited for.
const PATIENCE: Duration = Duration::from_secs(15);

/// The time that is measured.
#[derive(Clone, Copy)]
struct Measured {
    begin: Instant,
    end: Instant,
}

impl Measured {
    fn holds(self, moment: Instant) -> bool {
        (self.begin..self.end).contains(&moment)
    }
}

struct Connection {
    stream: TcpStream,
    head: Vec<u8>,
    /// The body being sent, and how much of head and body is out.
    body: usize,
    sent_bytes: usize,
    wants_out: bool,
    answer: Vec<u8>,
    due: Instant,
    busy: bool,
}

/// One thread's share of the load.
struct Sender {
    options: Options,
    number: u64,
    poll: OwnedFd,
    connections: Vec<Connection>,
    free: Vec<usize>,
    bodies: Vec<Template>,
    minute: u32,
    requests: u64,
    tally: Tally,
    measured: Measured,
}

impl Sender {
    fn new(options: &Options, number: u64, connections: usize) -> Self {
        let poll = epoll::create(CreateFlags::CLOEXEC).unwrap();
        let now = Instant::now();
        let mut sender = Sender {
            options: options.clone(),
            number,
            poll,
            connections: Vec::new(),
            free: (0..connections).collect(),
            bodies: Template::all(options.entries, options.paths, options.agents, options.fields),
            minute: 0,
            requests: 0,
            tally: Tally::new(),
            measured: Measured { begin: now, end: now },
        };
        for index in 0..connections {
            let connection = sender.connect(index);
            sender.connections.push(connection);
        }
        sender
    }

    fn connect(&self, index: usize) -> Connection {
        let stream = connect(&self.options);
        stream.set_nodelay(true).unwrap();
        stream.set_nonblocking(true).unwrap();
        epoll::add(&self.poll, &stream, EventData::new_u64(index as u64), EventFlags::IN).unwrap();
        Connection {
            stream,
            head: Vec::with_capacity(512),
            body: 0,
            sent_bytes: 0,
            wants_out: false,
            answer: Vec::with_capacity(1024),
            due: Instant::now(),
            busy: false,
        }
    }

    /// Sends for the warm-up and the measured time; returns the tally of the latter.
    fn run(mut self, begin: Instant) -> Tally {
        let measured_from = begin + Duration::from_secs_f64(self.options.warmup);
        let end = measured_from + Duration::from_secs_f64(self.options.seconds);
        self.measured = Measured { begin: measured_from, end };
        let share = self.options.rate / self.options.threads as f64;
        let mut next = 0u64;
        let due_at = |number: u64| begin + Duration::from_secs_f64(number as f64 / share);
        let mut events = Vec::with_capacity(self.connections.len() + 1);
        loop {
            let now = Instant::now();
            if now >= end {
                break;
            }
            let mut wait = end - now;
            while !self.free.is_empty() {
                let due = if share > 0.0 { due_at(next) } else { now };
                if due > now {
                    wait = wait.min(due - now);
                    break;
                }
                next += 1;
                self.send(due);
            }
            self.poll(&mut events, wait);
        }
        // Batches that were due and found no free connection are part of the result.
        if share > 0.0 {
            while due_at(next) < end {
                if self.measured.holds(due_at(next)) {
                    self.tally.due += 1;
                    self.tally.never_sent += 1;
                    self.tally.waited(due_at(next));
                }
                next += 1;
            }
        }
        let patience = Instant::now() + PATIENCE;
        while self.free.len() < self.connections.len() && Instant::now() < patience {
            self.poll(&mut events, Duration::from_millis(100));
        }
        let waiting =
            self.connections.iter().filter(|connection| connection.busy).map(|connection| connection.due);
        for due in waiting.filter(|due| self.measured.holds(*due)) {
            self.tally.unanswered += 1;
            self.tally.waited(due);
        }
        self.tally
    }

    fn poll(&mut self, events: &mut Vec<epoll::Event>, wait: Duration) {
        events.clear();
        let wait = Timespec { tv_sec: wait.as_secs() as i64, tv_nsec: i64::from(wait.subsec_nanos()) };
        match epoll::wait(&self.poll, spare_capacity(events), Some(&wait)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => panic!("epoll: {error}"),
        }
        for event in events.iter() {
            let (index, flags) = (event.data.u64() as usize, event.flags);
            if flags.contains(EventFlags::OUT) {
                self.write(index);
            }
            if flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR) {
                self.read(index);
            }
        }
    }

    fn send(&mut self, due: Instant) {
        // Batches of one minute follow each other; with more minutes they take turns.
        let minute = current_minute() - (self.requests % u64::from(self.options.minutes)) as u32;
        let body = self.requests as usize % self.bodies.len();
        if self.options.minutes > 1 {
            self.bodies[body].set_minute(minute);
        } else if minute != self.minute {
            self.minute = minute;
            self.bodies.iter_mut().for_each(|body| body.set_minute(minute));
        }
        self.requests += 1;
        let index = self.free.pop().unwrap();
        // Multiplying by an odd number spreads customers without a pattern that partitions could share.
        let customer = self.requests.wrapping_mul(0x9E37_79B9_7F4A_7C15) % self.options.customers;
        let customer = format!("customer-{:05}", self.options.first_customer + customer);
        let key = format!("{:08x}-{:02x}-{:012x}", std::process::id(), self.number, self.requests);
        let connection = &mut self.connections[index];
        let body_bytes = self.bodies[body].bytes.len();
        write_head(&mut connection.head, self.options.authority(), &customer, &key, body_bytes);
        connection.body = body;
        connection.sent_bytes = 0;
        connection.due = due;
        connection.busy = true;
        self.tally.due += u64::from(self.measured.holds(due));
        self.write(index);
    }

    fn write(&mut self, index: usize) {
        let connection = &mut self.connections[index];
        let body = &self.bodies[connection.body].bytes;
        let total = connection.head.len() + body.len();
        let mut blocked = false;
        while connection.sent_bytes < total {
            let in_head = connection.sent_bytes.min(connection.head.len());
            let in_body = connection.sent_bytes - in_head;
            let slices = [IoSlice::new(&connection.head[in_head..]), IoSlice::new(&body[in_body..])];
            match (&connection.stream).write_vectored(&slices) {
                Ok(written) => connection.sent_bytes += written,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    blocked = true;
                    break;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Reading shows why.
                Err(_) => break,
            }
        }
        if blocked != connection.wants_out {
            connection.wants_out = blocked;
            let flags = if blocked { EventFlags::IN | EventFlags::OUT } else { EventFlags::IN };
            epoll::modify(&self.poll, &connection.stream, EventData::new_u64(index as u64), flags).unwrap();
        }
    }

    fn read(&mut self, index: usize) {
        let connection = &mut self.connections[index];
        let mut buffer = [0; 4096];
        match (&connection.stream).read(&mut buffer) {
            Ok(0) => return self.lost(index),
            Ok(count) => connection.answer.extend_from_slice(&buffer[..count]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => return,
            Err(_) => return self.lost(index),
        }
        let Some(Answer { status, closes }) = Answer::of(&connection.answer) else { return };
        let tally = &mut self.tally;
        if self.measured.holds(connection.due) {
            match status {
                "202" => tally.accepted += 1,
                "409" => tally.duplicates += 1,
                "503" => tally.unavailable += 1,
                _ => tally.other += 1,
            }
            tally.waited(connection.due);
        }
        if status == "202" && self.measured.holds(Instant::now()) {
            tally.accepted_in_time += 1;
        }
        connection.answer.clear();
        connection.busy = false;
        if closes {
            self.connections[index] = self.connect(index);
        }
        self.free.push(index);
    }

    fn lost(&mut self, index: usize) {
        if self.connections[index].busy {
            let due = self.connections[index].due;
            if self.measured.holds(due) {
                self.tally.errors += 1;
                self.tally.waited(due);
            }
            self.free.push(index);
        }
        self.connections[index] = self.connect(index);
    }
}

/// Connects to the server, or ends the process where nobody listens.
fn connect(options: &Options) -> TcpStream {
    TcpStream::connect(options.authority()).unwrap_or_else(|error| {
        eprintln!("load: cannot connect to {}: {error}", options.authority());
        std::process::exit(1)
    })
}

fn main() {
    let options = Options::parse();
    assert!(options.connections >= options.threads && options.threads > 0 && options.entries > 0);
    let idle: Vec<TcpStream> = (0..options.idle_connections).map(|_| connect(&options)).collect();
    let share = |number: usize| (options.connections + number) / options.threads;
    let senders: Vec<Sender> =
        (0..options.threads).map(|number| Sender::new(&options, number as u64, share(number))).collect();
    let begin = Instant::now();
    let done: Vec<Tally> = thread::scope(|scope| {
        let threads: Vec<_> = senders
            .into_iter()
            .map(|sender| thread::Builder::new().spawn_scoped(scope, move || sender.run(begin)).unwrap())
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    drop(idle);
    let mut tally = Tally::new();
    done.iter().for_each(|one| tally.add(one));
    report(&options, &tally);
}

fn report(options: &Options, tally: &Tally) {
    let ms = |us: u64| us as f64 / 1000.0;
    let quantile = |q: f64| ms(tally.latency_us.value_at_quantile(q));
    let batches_per_second = (tally.accepted_in_time as f64 / options.seconds).round();
    let report = serde_json::json!({
        "connections": options.connections,
        "entriesPerBatch": options.entries,
        "rate": options.rate,
        "seconds": options.seconds,
        "due": tally.due,
        "accepted": tally.accepted,
        "duplicates": tally.duplicates,
        "unavailable": tally.unavailable,
        "otherAnswers": tally.other,
        "errors": tally.errors,
        "unanswered": tally.unanswered,
        "neverSent": tally.never_sent,
        "batchesPerSecond": batches_per_second,
        "entriesPerSecond": batches_per_second * options.entries as f64,
        "latencyMs": {
            "p50": quantile(0.5),
            "p90": quantile(0.9),
            "p99": quantile(0.99),
            "p99.9": quantile(0.999),
            "max": ms(tally.latency_us.max()),
        },
    });
    if options.json {
        println!("{report}");
    } else {
        println!("{report:#}");
    }
}
