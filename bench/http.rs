//! How many requests a second the two front ends answer, and how long honest clients wait in a crowd.
//!
//! `cargo bench --bench http`. Both front ends run in this process with the same handler, one after the other,
//! several times, against the same clients; what counts is the ratio, because absolute figures depend on the machine
//! and on its neighbours. Clients keep their connections where the server does: tiny_http has to say
//! `connection: close` after every answer. A third figure is tiny_http without that, which is what it could do where
//! nobody waits behind an idle connection.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a benchmark")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use log_analytics::http::server::{self, ConnectionStats, Front, FrontKind, FrontLimits, Listen};
use log_analytics::http::{Handler, Head, Request, Response};

const GET: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
const CLIENTS: usize = 64;
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(2);

struct Healthz;

impl Handler for Healthz {
    fn handle(&self, _: Request<'_>) -> Response {
        Response::new(200, "text/plain", "ok\n")
    }

    fn refuse(&self, _: Option<&Head>, status: u16, description: &str) -> Response {
        Response::new(status, "text/plain", description)
    }
}

fn start(kind: FrontKind) -> Front {
    let stats = Arc::new(ConnectionStats::default());
    let listen = ["127.0.0.1:0".parse().unwrap()];
    server::start(kind, &listen, FrontLimits::default(), Arc::new(Healthz), stats).unwrap()
}

fn address(front: &Front) -> SocketAddr {
    match front.addresses() {
        [Listen::Tcp(address)] => *address,
        other => panic!("not one TCP address: {other:?}"),
    }
}

/// One client: a connection that is renewed whenever the server closes it, or says that it does.
struct Client {
    addr: SocketAddr,
    stream: Option<TcpStream>,
    heed_close: bool,
}

impl Client {
    fn new(addr: SocketAddr, heed_close: bool) -> Self {
        Self { addr, stream: None, heed_close }
    }

    fn request(&mut self) {
        let stream = self.stream.get_or_insert_with(|| {
            let stream = TcpStream::connect(self.addr).unwrap();
            stream.set_nodelay(true).unwrap();
            stream
        });
        stream.write_all(GET).unwrap();
        let mut buffer = [0; 1024];
        let mut filled = 0;
        // The answer is known to end like this.
        while !buffer[..filled].ends_with(b"ok\n") {
            let count = stream.read(&mut buffer[filled..]).unwrap();
            assert!(count > 0, "the server closed instead of answering");
            filled += count;
        }
        assert!(buffer.starts_with(b"HTTP/1.1 200"));
        let closes = buffer[..filled].windows(17).any(|text| text.eq_ignore_ascii_case(b"connection: close"));
        if closes && self.heed_close {
            self.stream = None;
        }
    }
}

/// Requests a second that this many clients get answered.
fn rate(addr: SocketAddr, clients: usize, heed_close: bool) -> f64 {
    let begin = Instant::now();
    let total: u64 = thread::scope(|scope| {
        let run = || {
            let mut client = Client::new(addr, heed_close);
            let mut count = 0;
            while begin.elapsed() < ROUND {
                client.request();
                count += 1;
            }
            count
        };
        let threads: Vec<_> =
            (0..clients).map(|_| thread::Builder::new().spawn_scoped(scope, run).unwrap()).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    total as f64 / begin.elapsed().as_secs_f64()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Latency of one honest client, a new connection each, while others sit there.
fn latency_in_a_crowd(addr: SocketAddr, idle: usize) -> Histogram<u64> {
    let crowd: Vec<_> = (0..idle).map(|_| TcpStream::connect(addr).unwrap()).collect();
    let mut latency = Histogram::new(3).unwrap();
    for _ in 0..5_000 {
        let begin = Instant::now();
        Client::new(addr, true).request();
        latency.record(begin.elapsed().as_micros() as u64).unwrap();
    }
    drop(crowd);
    latency
}

/// How long it takes until a burst of connections, all kept open, is answered.
fn burst(addr: SocketAddr, connections: usize) -> Duration {
    let begin = Instant::now();
    let mut burst: Vec<_> = (0..connections).map(|_| TcpStream::connect(addr).unwrap()).collect();
    burst.iter_mut().for_each(|stream| stream.write_all(GET).unwrap());
    burst.iter_mut().for_each(|stream| assert!(stream.read(&mut [0; 1024]).unwrap() > 0));
    begin.elapsed()
}

fn main() {
    let mut ratios = Vec::new();
    let mut ratios_kept = Vec::new();
    for round in 1..=ROUNDS {
        let guarded = start(FrontKind::Guarded);
        let ours = rate(address(&guarded), CLIENTS, true);
        guarded.join(Duration::from_secs(10));
        let tiny = start(FrontKind::Tiny);
        let theirs = rate(address(&tiny), CLIENTS, true);
        let theirs_kept = rate(address(&tiny), CLIENTS, false);
        tiny.join(Duration::from_secs(10));
        println!(
            "round {round}: guarded {ours:.0}/s, tiny_http {theirs:.0}/s (kept alive against its word: {theirs_kept:.0}/s)"
        );
        ratios.push(ours / theirs);
        ratios_kept.push(ours / theirs_kept);
    }
    println!("guarded : tiny_http = {:.1} (median of {ROUNDS})", median(ratios));
    println!("guarded : tiny_http kept alive = {:.1}", median(ratios_kept));

    let guarded = start(FrontKind::Guarded);
    let addr = address(&guarded);
    for idle in [0, 1_000] {
        let latency = latency_in_a_crowd(addr, idle);
        println!(
            "{idle} idle connections: p50 {} µs, p99 {} µs, max {} µs",
            latency.value_at_quantile(0.5),
            latency.value_at_quantile(0.99),
            latency.max()
        );
    }
    println!("a burst of 200 connections: all answered after {:?}", burst(addr, 200));
    guarded.join(Duration::from_secs(10));
}
