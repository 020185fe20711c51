//! Slow and silent clients: every wait has a deadline, and what is refused early reaches a client that is still
//! sending.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use log_analytics::http::server::{FrontKind, FrontLimits};

use crate::support::front::{
    MAX_BODY_BYTES, TestFront, all_gone, guarded, ms, patient, refused_in_good_order,
};
use crate::support::raw::{Answer, Client, End, batch, once, post, post_start};

/// Sends this over and over, a little apart, until the server answers or closes.
fn dribble(client: &mut Client, piece: &[u8]) -> Result<Answer, End> {
    client.stream.set_read_timeout(Some(ms(20))).unwrap();
    for _ in 0..500 {
        client.send(piece);
        match client.answer(false) {
            Err(End::Silent) => {}
            done => return done,
        }
    }
    Err(End::Silent)
}

#[test]
fn a_head_that_dribbles_in_is_408_although_bytes_keep_coming() {
    let front = guarded(FrontLimits { head_timeout: ms(300), ..patient() });
    let mut client = Client::connect(front.addr());
    client.send("GET /healthz HTTP/1.1\r\nHost: x\r\n");
    let answer = dribble(&mut client, b"X-A: b\r\n");
    refused_in_good_order(&mut client, answer, 408);
    front.stop();
}

#[test]
fn a_head_that_stops_is_408() {
    let front = guarded(FrontLimits { head_timeout: ms(100), ..patient() });
    let mut client = Client::connect(front.addr());
    client.send("GET /hea");
    let answer = client.answer(false);
    refused_in_good_order(&mut client, answer, 408);
    front.stop();
}

#[test]
fn the_head_deadline_counts_from_the_first_byte_of_each_request() {
    let front = guarded(FrontLimits { head_timeout: ms(300), ..patient() });
    let mut client = Client::connect(front.addr());
    // Longer than the deadline in sum, but neither waiting nor any one head is.
    for _ in 0..4 {
        client.stream.set_read_timeout(Some(ms(150))).unwrap();
        assert_eq!(client.end(), End::Silent);
        client.stream.set_read_timeout(Some(ms(10_000))).unwrap();
        assert!(client.is_alive());
    }
    front.stop();
}

#[test]
fn a_body_below_the_minimum_rate_is_408() {
    let limits = FrontLimits { grace: ms(100), min_body_rate: 64 * 1024, ..patient() };
    let front = guarded(limits);
    let mut client = Client::connect(front.addr());
    client.send(format!("{}Content-Length: 1000000\r\n\r\n", post_start()));
    let answer = dribble(&mut client, b"0123456789");
    refused_in_good_order(&mut client, answer, 408);
    front.stop();
}

#[test]
fn a_slow_body_above_the_minimum_rate_is_taken() {
    // 100 bytes every 20 ms or so are above 100 bytes a second, on any machine that is alive.
    let limits = FrontLimits { grace: ms(1_000), min_body_rate: 100, ..patient() };
    let front = guarded(limits);
    let body = batch(30);
    let mut client = Client::connect(front.addr());
    client.send(format!("{}Content-Length: {}\r\n\r\n", post_start(), body.len()));
    client.stream.set_read_timeout(Some(ms(20))).unwrap();
    for piece in body.as_bytes().chunks(100) {
        assert_eq!(client.end(), End::Silent);
        client.send(piece);
    }
    client.stream.set_read_timeout(Some(ms(10_000))).unwrap();
    assert_eq!(client.answer(false).unwrap().status, 202);
    front.stop();
}

#[test]
fn chunks_that_stop_or_dribble_are_408() {
    let front = guarded(FrontLimits { grace: ms(200), ..patient() });
    for piece in ["", "1\r\n[\r\n"] {
        let mut client = Client::connect(front.addr());
        client.send(format!("{}Transfer-Encoding: chunked\r\n\r\n5\r\n[", post_start()));
        client.send("    \r\n");
        let answer = dribble(&mut client, piece.as_bytes());
        refused_in_good_order(&mut client, answer, 408);
    }
    front.stop();
}

#[test]
fn a_connection_that_says_nothing_is_closed_without_a_word() {
    let front = guarded(FrontLimits { idle_timeout: ms(200), ..patient() });
    let mut fresh = Client::connect(front.addr());
    let mut used = Client::connect(front.addr());
    assert!(used.is_alive());
    assert_eq!(fresh.end(), End::Closed);
    assert_eq!(used.end(), End::Closed);
    front.stop();
}

#[test]
fn a_client_that_does_not_read_is_given_up() {
    let front = guarded(FrontLimits { grace: ms(300), min_answer_rate: 1 << 30, ..patient() });
    let mut client = Client::connect(front.addr());
    client.send("GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
    all_gone(&front, 1);
    // What was in the kernel's buffers can still be read; then it ends before its time.
    assert!(client.answer(false).is_err());
    assert!(Client::connect(front.addr()).is_alive());
    front.stop();
}

#[test]
fn an_early_refusal_reaches_a_client_that_is_still_sending() {
    let front = guarded(FrontLimits::default());
    // All of it is on its way before the client looks for an answer, as with a client that cannot do both.
    for (head, status) in [
        (format!("{}Content-Length: 3500000\r\n\r\n", post_start()), 413),
        (
            format!(
                "{}Content-Length: 3500000\r\n\r\n",
                post_start().replace("application/json", "text/css")
            ),
            415,
        ),
        (format!("{}Content-Length: 3500000\r\nExpect: cow\r\n\r\n", post_start()), 417),
        (format!("{}\r\n", post_start()), 411),
        ("POST /logs HTTP/1.1\r\nHost: x\r\nBad Header: x\r\n\r\n".to_owned(), 400),
        (format!("{}Transfer-Encoding: chunked\r\n\r\nffffff\r\n", post_start()), 413),
    ] {
        let mut client = Client::connect(front.addr());
        let sent = client.send([head.as_bytes(), &vec![b'x'; 3_500_000]].concat());
        assert!(sent, "{status}: the server did not take what was being sent");
        let answer = client.answer(false);
        refused_in_good_order(&mut client, answer, status);
    }
    front.stop();
}

#[test]
fn lingering_ends_when_a_client_never_stops() {
    let front = guarded(FrontLimits { linger_bytes: 256 * 1024, ..patient() });
    let mut client = Client::connect(front.addr());
    client.send("BAD\r\n");
    let piece = vec![b'x'; 64 * 1024];
    for _ in 0..10_000 {
        if !client.send(&piece) {
            break;
        }
    }
    all_gone(&front, 1);
    let front_b = guarded(FrontLimits { linger_timeout: ms(100), ..patient() });
    let mut client = Client::connect(front_b.addr());
    client.send("BAD\r\n");
    assert_eq!(client.answer(false).unwrap().status, 400);
    // The client keeps its side open and silent.
    all_gone(&front_b, 1);
    front.stop();
    front_b.stop();
}

#[test]
fn bodies_of_exactly_the_limit_are_taken_and_one_byte_more_is_not() {
    let front = guarded(FrontLimits::default());
    let exact = format!("{}[1]", " ".repeat(MAX_BODY_BYTES - 3));
    let chunked = |body: &str| {
        let chunks: String = body
            .as_bytes()
            .chunks(100_000)
            .map(|part| format!("{:x}\r\n{}\r\n", part.len(), String::from_utf8_lossy(part)))
            .collect();
        format!("{}Transfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n", post_start())
    };
    for (bytes, status) in [
        (post("", &exact), 202),
        (chunked(&exact), 202),
        (post("", &format!(" {exact}")), 413),
        (chunked(&format!(" {exact}")), 413),
    ] {
        assert_eq!(once(front.addr(), bytes).unwrap().status, status);
    }
    assert_eq!(front.entries(), 2);
    front.stop();
}

#[test]
fn week_08_an_answer_that_is_read_steadily_is_sent_to_its_end() {
    // On a Unix socket, where the kernel holds little on its way.
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("http.sock");
    let front = TestFront::start_unix(FrontKind::Guarded, path.clone(), FrontLimits::default());
    let mut stream = UnixStream::connect(&path).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    stream.write_all(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    // 100,000 bytes a second, for longer than any fixed time that an answer had.
    let mut piece = vec![0; 10_000];
    for number in 0..125 {
        std::thread::sleep(Duration::from_millis(100));
        stream.read_exact(&mut piece).unwrap_or_else(|error| panic!("piece {number}: {error}"));
    }
    // The rest at once: nothing was lost.
    let mut rest = Vec::new();
    stream.shutdown(Shutdown::Write).unwrap();
    stream.read_to_end(&mut rest).unwrap();
    assert!(1_250_000 + rest.len() > 32 * 1024 * 1024);
    front.stop();
}
