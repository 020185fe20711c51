//! A small blocking HTTP/1.1 client for the commands that talk to a server: import, report, health.
//!
//! In come a base address, headers and a body; out comes the whole answer. One connection, kept alive; no redirects, no
//! proxies, no TLS (a server is reached over loopback, a Unix socket or the gateway's inner side). It exists because
//! what it needs is little and particular: Unix sockets, bodies sent from where they lie, and to know of every failure
//! whether the connection was an old one. Nothing here retries.

use std::fmt;
use std::io::{self, IoSlice, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longer than a server takes for anything: its own limit on a request is 10 seconds.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
const MAX_HEAD_BYTES: usize = 64 * 1024;
const MAX_HEADERS: usize = 100;
/// A page of windows can be large.
const MAX_BODY_BYTES: usize = 256 << 20;
const READ_BYTES: usize = 16 * 1024;

/// Where a server is: `http://HOST[:PORT][/PREFIX]` or `unix:PATH`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    place: Place,
    /// What the `host` header says.
    host: String,
    /// Put before every path; without a slash at its end.
    prefix: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Tcp(String),
    Unix(PathBuf),
}

impl FromStr for Base {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:").filter(|path| !path.is_empty()) {
            let place = Place::Unix(PathBuf::from(path));
            return Ok(Self { place, host: "localhost".to_owned(), prefix: String::new() });
        }
        if text.starts_with("https://") {
            return Err(
                "https is not spoken here: go through the gateway's inner address, a tunnel or a Unix socket"
                    .to_owned(),
            );
        }
        let rest = text.strip_prefix("http://").ok_or("neither http://HOST:PORT nor unix:PATH")?;
        let (host, prefix) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
        let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        if host.is_empty() || !visible || prefix.contains(['?', '#']) || host.contains('@') {
            return Err(format!("{text:?} is no address of a server"));
        }
        let has_port =
            host.rsplit_once(':').is_some_and(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()));
        let address = if has_port { host.to_owned() } else { format!("{host}:80") };
        let prefix = prefix.trim_end_matches('/').to_owned();
        Ok(Self { place: Place::Tcp(address), host: host.to_owned(), prefix })
    }
}

impl fmt::Display for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Tcp(_) => write!(f, "http://{}{}", self.host, self.prefix),
            Place::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// An answer, read to its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// `retry-after` in seconds, where it has that form.
    pub retry_after: Option<u64>,
    /// The path of the next page, where `link` names one.
    pub next: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// What the server says is wrong: `errorDescription` of its error shape, or the beginning of whatever came.
    pub fn description(&self) -> String {
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Problem {
            error_description: String,
        }
        match serde_json::from_slice::<Problem>(&self.body) {
            Ok(problem) => problem.error_description,
            Err(_) => String::from_utf8_lossy(&self.body).chars().take(200).collect(),
        }
    }
}

/// A client of one server.
#[derive(Debug)]
pub struct Client {
    base: Base,
    connection: Option<Connection>,
    head: Vec<u8>,
}

#[derive(Debug)]
enum Connection {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Read for &Connection {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        match self {
            Connection::Tcp(stream) => (&mut &*stream).read(space),
            Connection::Unix(stream) => (&mut &*stream).read(space),
        }
    }
}

impl Connection {
    fn open(place: &Place) -> io::Result<Self> {
        match place {
            Place::Unix(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
                stream.set_write_timeout(Some(ANSWER_TIMEOUT))?;
                Ok(Self::Unix(stream))
            }
            Place::Tcp(address) => {
                let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
                for address in address.to_socket_addrs()? {
                    match TcpStream::connect_timeout(&address, CONNECT_TIMEOUT) {
                        Err(error) => last = error,
                        Ok(stream) => {
                            stream.set_nodelay(true)?;
                            stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
                            stream.set_write_timeout(Some(ANSWER_TIMEOUT))?;
                            return Ok(Self::Tcp(stream));
                        }
                    }
                }
                Err(last)
            }
        }
    }

    fn write_all(&self, mut parts: &mut [IoSlice<'_>]) -> io::Result<()> {
        while !parts.is_empty() {
            let written = match self {
                Self::Tcp(stream) => (&mut &*stream).write_vectored(parts),
                Self::Unix(stream) => (&mut &*stream).write_vectored(parts),
            };
            match written {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => IoSlice::advance_slices(&mut parts, written),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl Client {
    /// Connects when the first request is sent.
    pub fn new(base: Base) -> Self {
        Self { base, connection: None, head: Vec::new() }
    }

    /// Whether the next request goes over a connection that was used before, and may have been closed meanwhile.
    pub fn is_connected(&self) -> bool {
        self.connection.is_some()
    }

    /// Sends a GET and reads the answer.
    ///
    /// # Errors
    /// What the network says; the connection is then given up.
    pub fn get(&mut self, path: &str, headers: &[(&str, &str)]) -> io::Result<Answer> {
        self.send("GET", path, headers, None)
    }

    /// Sends a POST and reads the answer.
    ///
    /// # Errors
    /// What the network says; the connection is then given up. The server may have taken the request nevertheless.
    pub fn post(&mut self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> io::Result<Answer> {
        self.send("POST", path, headers, Some(body))
    }

    fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> io::Result<Answer> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => Connection::open(&self.base.place)?,
        };
        let head = &mut self.head;
        head.clear();
        for part in [method, " ", &self.base.prefix, path, " HTTP/1.1\r\nhost: ", &self.base.host, "\r\n"] {
            head.extend_from_slice(part.as_bytes());
        }
        for (name, value) in headers {
            for part in [name, ": ", value, "\r\n"] {
                head.extend_from_slice(part.as_bytes());
            }
        }
        if let Some(body) = body {
            head.extend_from_slice(format!("content-length: {}\r\n", body.len()).as_bytes());
        }
        head.extend_from_slice(b"\r\n");
        let sent = connection.write_all(&mut [IoSlice::new(head), IoSlice::new(body.unwrap_or_default())]);
        // A server that refuses a body answers before it closes: the answer says more than the broken pipe.
        let (answer, stays_open) = match (sent, read_answer(&mut &connection)) {
            (_, Ok(answer)) => answer,
            (Err(error), Err(_)) | (Ok(()), Err(error)) => return Err(error),
        };
        if stays_open {
            self.connection = Some(connection);
        }
        Ok(answer)
    }
}

/// What the head of an answer says.
struct HeadOf {
    status: u16,
    retry_after: Option<u64>,
    next: Option<String>,
    length: Option<usize>,
    is_chunked: bool,
    stays_open: bool,
}

fn read_answer(input: &mut impl Read) -> io::Result<(Answer, bool)> {
    let mut unread = Vec::with_capacity(READ_BYTES);
    let head = loop {
        let (head, end) = read_head(input, &mut unread)?;
        unread.drain(..end);
        // Interim answers (100, 103) come before the one that counts.
        if head.status >= 200 {
            break head;
        }
    };
    let mut stays_open = head.stays_open;
    let body = if matches!(head.status, 204 | 304) {
        Vec::new()
    } else if head.is_chunked {
        read_chunks(input, unread)?
    } else if let Some(length) = head.length {
        while unread.len() < length {
            let missing = length - unread.len();
            more(input, &mut unread, missing)?;
        }
        unread.truncate(length);
        unread
    } else {
        stays_open = false;
        input.take(MAX_BODY_BYTES as u64).read_to_end(&mut unread)?;
        unread
    };
    Ok((Answer { status: head.status, retry_after: head.retry_after, next: head.next, body }, stays_open))
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// Reads at least one byte and at most `bytes`, which must be there.
fn more(input: &mut impl Read, unread: &mut Vec<u8>, bytes: usize) -> io::Result<()> {
    let before = unread.len();
    unread.resize(before + bytes.min(READ_BYTES), 0);
    let read = loop {
        match input.read(&mut unread[before..]) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => break read,
        }
    };
    unread.truncate(before + *read.as_ref().unwrap_or(&0));
    match read? {
        0 => Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "the server closed the connection without an answer",
        )),
        _ => Ok(()),
    }
}

/// Reads a head; says where it ends in `unread`.
fn read_head(input: &mut impl Read, unread: &mut Vec<u8>) -> io::Result<(HeadOf, usize)> {
    loop {
        if unread.len() > MAX_HEAD_BYTES {
            return Err(invalid("the answer's head is too long"));
        }
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        match response.parse(unread).map_err(|_| invalid("the answer is not HTTP/1"))? {
            httparse::Status::Partial => more(input, unread, READ_BYTES)?,
            httparse::Status::Complete(end) => return Ok((head_of(&response)?, end)),
        }
    }
}

fn head_of(response: &httparse::Response<'_, '_>) -> io::Result<HeadOf> {
    let text = |name: &str| {
        let header = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(header.value).ok().map(str::trim)
    };
    let has =
        |name: &str, word: &str| text(name).is_some_and(|value| value.to_ascii_lowercase().contains(word));
    let length = match text("content-length") {
        None => None,
        Some(length) => {
            let length: usize = length.parse().map_err(|_| invalid("the answer's length is no number"))?;
            Some(length)
                .filter(|length| *length <= MAX_BODY_BYTES)
                .ok_or(invalid("the answer is too long"))?
                .into()
        }
    };
    Ok(HeadOf {
        status: response.code.unwrap_or(0),
        retry_after: text("retry-after").and_then(|seconds| seconds.parse().ok()),
        next: text("link").and_then(next_page).map(str::to_owned),
        length,
        is_chunked: has("transfer-encoding", "chunked"),
        stays_open: response.version == Some(1) && !has("connection", "close"),
    })
}

/// The path of `<PATH>; rel="next"`.
fn next_page(link: &str) -> Option<&str> {
    link.strip_prefix('<')?.strip_suffix(">; rel=\"next\"").filter(|path| path.starts_with('/'))
}

fn read_chunks(input: &mut impl Read, mut unread: Vec<u8>) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let (start, size) = loop {
            match httparse::parse_chunk_size(&unread)
                .map_err(|_| invalid("a chunk of the answer is malformed"))?
            {
                httparse::Status::Complete((start, size)) => break (start, size as usize),
                httparse::Status::Partial => more(input, &mut unread, READ_BYTES)?,
            }
        };
        if size > MAX_BODY_BYTES - body.len() {
            return Err(invalid("the answer is too long"));
        }
        if size == 0 {
            // Trailers end with an empty line, like a head.
            let mut trailers = unread.split_off(start);
            while !trailers.starts_with(b"\r\n") && memchr::memmem::find(&trailers, b"\r\n\r\n").is_none() {
                if trailers.len() > MAX_HEAD_BYTES {
                    return Err(invalid("the answer's trailers are too long"));
                }
                more(input, &mut trailers, READ_BYTES)?;
            }
            return Ok(body);
        }
        while unread.len() < start + size + 2 {
            let missing = start + size + 2 - unread.len();
            more(input, &mut unread, missing)?;
        }
        body.extend_from_slice(&unread[start..start + size]);
        unread.drain(..start + size + 2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives a few bytes at a time.
    struct Slow<'t>(&'t [u8]);

    impl Read for Slow<'_> {
        fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
            let count = space.len().min(self.0.len()).min(3);
            space[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    #[test]
    fn answers_of_every_framing_are_read_to_their_end() {
        for (text, status, body, stays_open) in [
            ("HTTP/1.1 202 Accepted\r\ncontent-length: 5\r\n\r\nhello", 202, "hello", true),
            (
                "HTTP/1.1 503 X\r\nretry-after: 7\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
                503,
                "",
                false,
            ),
            (
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n2\r\n, \r\n0\r\na: b\r\n\r\n",
                200,
                "hello, ",
                true,
            ),
            ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 200, "", true),
            ("HTTP/1.0 200 OK\r\n\r\nto the end", 200, "to the end", false),
            ("HTTP/1.1 304 Not Modified\r\n\r\n", 304, "", true),
        ] {
            let (answer, open) = read_answer(&mut Slow(text.as_bytes())).unwrap();
            assert_eq!((answer.status, &*answer.body, open), (status, body.as_bytes(), stays_open), "{text}");
            assert_eq!(answer.retry_after, (status == 503).then_some(7));
        }
    }

    #[test]
    fn broken_answers_are_errors() {
        for text in [
            "",
            "HTTP/1.1 200",
            "SSH-2.0-x\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhell",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhel",
        ] {
            assert!(read_answer(&mut Slow(text.as_bytes())).is_err(), "{text}");
        }
    }

    #[test]
    fn addresses_are_read() {
        for (text, shown) in [
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("http://[::1]:8080/", "http://[::1]:8080"),
            ("http://logs.example/in/", "http://logs.example/in"),
            ("unix:/run/x.sock", "unix:/run/x.sock"),
        ] {
            assert_eq!(text.parse::<Base>().unwrap().to_string(), shown);
        }
        let base: Base = "http://logs.example/in/".parse().unwrap();
        assert_eq!(base.place, Place::Tcp("logs.example:80".to_owned()));
        for text in
            ["https://x", "127.0.0.1:8080", "http://", "unix:", "http://a b", "http://u@h", "http://h/?q"]
        {
            assert!(text.parse::<Base>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_error_is_told_in_the_servers_words() {
        let answer = |body: &str| {
            Answer { status: 400, retry_after: None, next: None, body: body.into() }.description()
        };
        assert_eq!(answer(r#"{"requestId":"1","errorDescription":"no entries"}"#), "no entries");
        assert_eq!(answer("<html>"), "<html>");
    }
}
