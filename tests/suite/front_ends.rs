//! What both front ends do alike: the functional contract of the seam between them and the handler.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use log_analytics::http::server::{self, FrontKind, FrontLimits, Listen};

use crate::support::front::{CountingHandler, MAX_BODY_BYTES, TestFront};
use crate::support::raw::{Client, batch, once, post, post_start};
use crate::support::wait::eventually;

const BOTH: [FrontKind; 2] = [FrontKind::Guarded, FrontKind::Tiny];

/// Runs a test against each front end, which must then stop cleanly.
fn on_both(test: impl Fn(&TestFront)) {
    for kind in BOTH {
        eprintln!("{kind:?}");
        let front = TestFront::start(kind, FrontLimits::default());
        test(&front);
        front.stop();
    }
}

#[test]
fn batches_by_length_and_by_chunks_are_counted() {
    on_both(|front| {
        let answer = once(front.addr(), post("", &batch(3))).unwrap();
        assert_eq!((answer.status, answer.body.as_slice()), (202, br#"{"entries":3}"#.as_slice()));
        let body = batch(2);
        let chunked = format!(
            "{}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
            post_start(),
            body.len()
        );
        assert_eq!(once(front.addr(), chunked).unwrap().status, 202);
        let large = batch(20_000);
        assert!(large.len() > 1_500_000 && large.len() < MAX_BODY_BYTES);
        assert_eq!(once(front.addr(), post("", &large)).unwrap().status, 202);
        assert_eq!(front.entries(), 20_005);
    });
}

#[test]
fn answers_have_date_length_and_their_own_headers() {
    on_both(|front| {
        let answer =
            once(front.addr(), "PUT /logs HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n").unwrap();
        assert_eq!(answer.status, 405);
        assert_eq!(answer.header("allow"), Some("POST"));
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert!(answer.header("date").is_some_and(|date| date.ends_with(" GMT") && date.len() == 29));
        assert!(answer.header("content-length").is_some());
    });
}

#[test]
fn head_is_answered_with_the_length_and_without_the_body() {
    on_both(|front| {
        let mut client = Client::connect(front.addr());
        client.send("HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
        let answer = client.answer(true).unwrap();
        assert_eq!((answer.status, answer.header("content-length")), (200, Some("3")));
        assert_eq!(client.answer(false).unwrap().body, b"ok\n");
    });
}

#[test]
fn a_body_that_is_waited_for_is_asked_for() {
    on_both(|front| {
        let body = batch(1);
        let mut client = Client::connect(front.addr());
        client.send(format!(
            "{}Content-Length: {}\r\nExpect: 100-continue\r\n\r\n",
            post_start(),
            body.len()
        ));
        assert_eq!(client.answer(true).unwrap().status, 100);
        client.send(body);
        assert_eq!(client.answer(false).unwrap().status, 202);
    });
}

#[test]
fn a_refusal_by_header_comes_instead_of_100() {
    on_both(|front| {
        let mut client = Client::connect(front.addr());
        client.send(format!("{}Content-Length: 3000000\r\nExpect: 100-continue\r\n\r\n", post_start()));
        assert_eq!(client.answer(false).unwrap().status, 413);
    });
}

#[test]
fn a_bug_in_one_request_costs_that_request_alone() {
    on_both(|front| {
        assert_eq!(once(front.addr(), "GET /panic HTTP/1.1\r\nHost: x\r\n\r\n").unwrap().status, 500);
        assert_eq!(front.stats.handler_panics_total.load(Ordering::SeqCst), 1);
        assert_eq!(once(front.addr(), post("", &batch(1))).unwrap().status, 202);
    });
}

#[test]
fn a_unix_socket_serves_and_goes_with_the_server() {
    let dir = tempfile::tempdir().unwrap();
    for kind in BOTH {
        let path = dir.path().join("http.sock");
        let front = TestFront::start_unix(kind, path.clone(), FrontLimits::default());
        let mut stream = UnixStream::connect(&path).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        assert!(text.starts_with("HTTP/1.1 200 OK\r\n") && text.ends_with("\r\n\r\nok\n"), "{text}");
        front.stop();
        eventually("the socket's file is gone", || !path.exists());
    }
}

#[test]
fn several_addresses_are_served_as_one() {
    let dir = tempfile::tempdir().unwrap();
    for kind in BOTH {
        let path = dir.path().join("http.sock");
        let any: Listen = "127.0.0.1:0".parse().unwrap();
        let listen = [Listen::Unix(path.clone()), any.clone(), any.clone()];
        let front = TestFront::start_on(kind, &listen, FrontLimits::default());
        let addresses = front.front.addresses().to_vec();
        assert_eq!(addresses.len(), 3);
        assert!(addresses[0] == listen[0] && addresses[1] != addresses[2] && addresses[1] != any);
        let mut statuses = Vec::new();
        for address in addresses {
            match address {
                Listen::Tcp(address) => statuses.push(once(address, post("", &batch(1))).unwrap().status),
                Listen::Unix(path) => {
                    let mut stream = UnixStream::connect(path).unwrap();
                    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
                    stream.write_all(post("Connection: close\r\n", &batch(1)).as_bytes()).unwrap();
                    let mut text = String::new();
                    stream.read_to_string(&mut text).unwrap();
                    statuses.push(text[9..12].parse().unwrap());
                }
            }
        }
        assert_eq!((statuses, front.entries()), (vec![202, 202, 202], 3));
        front.stop();
        eventually("the socket's file is gone", || !path.exists());
    }
}

#[test]
fn an_address_that_is_taken_is_named_and_the_others_are_free_again() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let held = std::net::TcpListener::bind(taken).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let free = Listen::Unix(dir.path().join("http.sock"));
    for kind in BOTH {
        let handler = CountingHandler::new(1 << 20);
        let listen = [free.clone(), Listen::Tcp(taken)];
        let error = server::start(kind, &listen, FrontLimits::default(), handler, Arc::default());
        let error = error.err().unwrap().to_string();
        assert!(error.starts_with(&format!("{taken}: ")), "{error}");
        TestFront::start_on(kind, std::slice::from_ref(&free), FrontLimits::default()).stop();
    }
    drop(held);
}

#[test]
fn ipv6_is_served() {
    for kind in BOTH {
        let listen: Listen = "[::1]:0".parse().unwrap();
        let front = TestFront::start_on(kind, &[listen], FrontLimits::default());
        assert!(front.addr().is_ipv6());
        assert_eq!(once(front.addr(), "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").unwrap().status, 200);
        front.stop();
    }
}

#[test]
fn a_request_in_flight_is_answered_before_the_server_stops() {
    on_both(|front| {
        let mut client = Client::connect(front.addr());
        client.send("GET /gate HTTP/1.1\r\nHost: x\r\n\r\n");
        eventually("the request is at the gate", || front.handler.waiting.load(Ordering::SeqCst) == 1);
        front.front.stop();
        assert!(!front.front.join(Duration::from_millis(50)), "it must not end before the request");
        front.handler.open_gate();
        assert_eq!(client.answer(false).unwrap().status, 200);
    });
}
