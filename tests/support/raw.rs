//! A client that sends what it is told and reports exactly what comes back.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Once;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

/// How a connection ended, if it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The server closed it in good order.
    Closed,
    Reset,
    /// Nothing came before the client's read timeout.
    Silent,
    /// There was more to read.
    Data,
}

static RAISE_LIMIT: Once = Once::new();

/// A crowd of clients needs more descriptors than the 1,024 that most systems give a process at first.
fn raise_descriptor_limit() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
}

/// A connection.
pub struct Client {
    pub stream: TcpStream,
    unread: Vec<u8>,
}

impl Client {
    pub fn connect(addr: SocketAddr) -> Self {
        RAISE_LIMIT.call_once(raise_descriptor_limit);
        Self::new(TcpStream::connect(addr).unwrap())
    }

    pub fn new(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(15))).unwrap();
        stream.set_write_timeout(Some(Duration::from_secs(15))).unwrap();
        Self { stream, unread: Vec::new() }
    }

    /// Sends; `false` where the server has stopped taking bytes.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).is_ok()
    }

    pub fn half_close(&self) {
        drop(self.stream.shutdown(Shutdown::Write));
    }

    /// The next answer, interim ones included; `Err` says how the connection ended before one was complete.
    pub fn answer(&mut self, head_only: bool) -> Result<Answer, End> {
        let end = loop {
            if let Some(at) = self.unread.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            self.more()?;
        };
        let head = String::from_utf8(self.unread.drain(..end).collect()).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let status_line = lines.next().unwrap_or_default();
        assert!(status_line.starts_with("HTTP/1."), "not an answer: {head:?}");
        let status = status_line[9..12].parse().unwrap();
        let headers: Vec<(String, String)> = lines
            .map(|line| line.split_once(':').unwrap_or_else(|| panic!("not a header: {line:?}")))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let mut answer = Answer { status, headers, body: Vec::new() };
        let length: usize = answer.header("content-length").map_or(0, |value| value.parse().unwrap());
        if !head_only {
            while self.unread.len() < length {
                self.more()?;
            }
            answer.body = self.unread.drain(..length).collect();
        }
        Ok(answer)
    }

    fn more(&mut self) -> Result<(), End> {
        let mut chunk = [0; 16 * 1024];
        match self.stream.read(&mut chunk) {
            Ok(0) => Err(End::Closed),
            Ok(count) => {
                self.unread.extend_from_slice(&chunk[..count]);
                Ok(())
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                Err(End::Silent)
            }
            Err(_) => Err(End::Reset),
        }
    }

    /// What follows the answers read so far.
    pub fn end(&mut self) -> End {
        if !self.unread.is_empty() {
            return End::Data;
        }
        match self.more() {
            Ok(()) => End::Data,
            Err(end) => end,
        }
    }

    /// Whether a request on this connection is still answered.
    pub fn is_alive(&mut self) -> bool {
        self.send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            && self.answer(false).is_ok_and(|answer| answer.status == 200)
    }
}

/// One request on a connection of its own.
pub fn once(addr: SocketAddr, bytes: impl AsRef<[u8]>) -> Result<Answer, End> {
    let mut client = Client::connect(addr);
    client.send(bytes);
    client.answer(false)
}

/// A batch of this many entries.
pub fn batch(entries: usize) -> String {
    let entry = r#"{"receivedAt":"2025-12-28T18:03:00Z","method":"GET","path":"/","userAgent":"curl/8.0"}"#;
    format!("[{}]", vec![entry; entries].join(","))
}

/// `POST /logs` as a well-behaved client sends it, with more header lines in between.
pub fn post(more: &str, body: &str) -> String {
    format!("{}Content-Length: {}\r\n{more}\r\n{body}", post_start(), body.len())
}

/// `POST /logs` without anything that frames a body, and without the empty line.
pub fn post_start() -> String {
    post_start_of("c")
}

/// The same for this customer.
pub fn post_start_of(customer: &str) -> String {
    format!(
        "POST /logs HTTP/1.1\r\nHost: x\r\nX-Customer-Id: {customer}\r\nContent-Type: application/json\r\n"
    )
}
