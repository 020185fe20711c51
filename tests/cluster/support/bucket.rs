//! A bucket in memory, over HTTP: as much of S3 as the roles use. Listings come in pages of three, so that every longer one is
//! paged.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

const PAGE: usize = 3;
/// The most user metadata of an object, as in S3.
const MAX_METADATA_BYTES: usize = 2_048;
const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

#[derive(Clone)]
struct Object {
    bytes: Vec<u8>,
    metadata: Vec<(String, String)>,
}

#[derive(Default)]
struct Shared {
    objects: Mutex<BTreeMap<String, Object>>,
    listed: AtomicUsize,
    read: AtomicUsize,
}

/// An answer: status, headers and body.
struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// The bucket. It is there as long as the process of the tests.
#[derive(Clone)]
pub struct Bucket {
    addr: SocketAddr,
    shared: Arc<Shared>,
}

impl Bucket {
    pub fn start() -> Bucket {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let of_connections = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, shared) = (stream.unwrap(), Arc::clone(&of_connections));
                // A role that is killed cuts its connections off.
                std::thread::spawn(move || shared.serve(&stream));
            }
        });
        Bucket { addr, shared }
    }

    pub fn url(&self) -> String {
        format!("http://{}/bucket", self.addr)
    }

    /// The keys that begin like this.
    pub fn keys(&self, prefix: &str) -> Vec<String> {
        let objects = self.shared.objects.lock().unwrap();
        objects.keys().filter(|key| key.starts_with(prefix)).cloned().collect()
    }

    /// Removes an object; its bytes.
    pub fn remove(&self, key: &str) -> Vec<u8> {
        let removed = self.shared.objects.lock().unwrap().remove(key);
        removed.unwrap_or_else(|| panic!("there is no {key}")).bytes
    }

    /// Objects that were listed so far, and bodies that were read.
    pub fn costs(&self) -> (usize, usize) {
        (self.shared.listed.load(Ordering::SeqCst), self.shared.read.load(Ordering::SeqCst))
    }
}

impl Shared {
    /// Answers the requests of a connection until it ends.
    fn serve(&self, stream: &TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let mut words = line.split(' ');
            let (method, target) = (words.next().unwrap().to_owned(), words.next().unwrap().to_owned());
            let mut headers = Vec::new();
            loop {
                line.clear();
                reader.read_line(&mut line)?;
                let Some((name, value)) = line.trim_end().split_once(':') else { break };
                headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
            }
            let length = headers.iter().find(|(name, _)| name == "content-length");
            let mut body = vec![0; length.map_or(0, |(_, length)| length.parse().unwrap())];
            reader.read_exact(&mut body)?;
            let reply = self.answer(&method, &target, &headers, body);
            let mut head = format!("HTTP/1.1 {} x\r\ncontent-length: {}\r\n", reply.status, reply.body.len());
            for (name, value) in &reply.headers {
                head.push_str(&format!("{name}: {value}\r\n"));
            }
            head.push_str("\r\n");
            let mut bytes = head.into_bytes();
            if method != "HEAD" {
                bytes.extend(reply.body);
            }
            (&mut &*stream).write_all(&bytes)?;
        }
    }

    fn answer(&self, method: &str, target: &str, headers: &[(String, String)], body: Vec<u8>) -> Reply {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let key = decoded(path.strip_prefix("/bucket").unwrap().trim_start_matches('/'));
        match method {
            "PUT" => self.put(key, body, headers),
            "GET" if key.is_empty() => self.list(query),
            "HEAD" if key.is_empty() => status(200),
            "GET" | "HEAD" => self.get(&key, method == "GET"),
            "DELETE" => {
                self.objects.lock().unwrap().remove(&key);
                status(204)
            }
            _ => status(405),
        }
    }

    fn put(&self, key: String, bytes: Vec<u8>, headers: &[(String, String)]) -> Reply {
        let is_metadata = |(name, _): &&(String, String)| name.starts_with("x-amz-meta-");
        let metadata: Vec<_> = headers.iter().filter(is_metadata).cloned().collect();
        if metadata.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() > MAX_METADATA_BYTES {
            return error(400, "MetadataTooLarge");
        }
        let mut objects = self.objects.lock().unwrap();
        let is_conditional = headers.iter().any(|(name, value)| name == "if-none-match" && value == "*");
        if is_conditional && objects.contains_key(&key) {
            return error(412, "PreconditionFailed");
        }
        objects.insert(key, Object { bytes, metadata });
        status(200)
    }

    fn get(&self, key: &str, reads: bool) -> Reply {
        let Some(object) = self.objects.lock().unwrap().get(key).cloned() else {
            return error(404, "NoSuchKey");
        };
        if reads && key.starts_with("raw/") {
            self.read.fetch_add(1, Ordering::SeqCst);
        }
        Reply { status: 200, headers: object.metadata, body: object.bytes }
    }

    fn list(&self, query: &str) -> Reply {
        let value = |name: &str| {
            let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.filter(|(key, _)| *key == name).map(|(_, value)| decoded(value)).next().unwrap_or_default()
        };
        let (prefix, after) = (value("prefix"), value("start-after"));
        let objects = self.objects.lock().unwrap();
        let found: Vec<&String> =
            objects.keys().filter(|key| key.starts_with(&prefix) && **key > after).take(PAGE + 1).collect();
        self.listed.fetch_add(found.len().min(PAGE), Ordering::SeqCst);
        let contents = found.iter().take(PAGE).map(|key| {
            let key = key.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
            format!(
                "<Contents><Key>{key}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>"
            )
        });
        let contents: String = contents.collect();
        let (is_truncated, next) = match found.len() > PAGE {
            true => (true, "<NextContinuationToken>more</NextContinuationToken>"),
            false => (false, ""),
        };
        text(
            200,
            format!(
                "<?xml version=\"1.0\"?><ListBucketResult xmlns=\"{NAMESPACE}\"><EncodingType>url</EncodingType>\
             <IsTruncated>{is_truncated}</IsTruncated>{next}{contents}</ListBucketResult>"
            ),
        )
    }
}

fn status(status: u16) -> Reply {
    Reply { status, headers: Vec::new(), body: Vec::new() }
}

fn text(status: u16, text: String) -> Reply {
    Reply { status, headers: Vec::new(), body: text.into_bytes() }
}

fn error(status: u16, code: &str) -> Reply {
    text(status, format!("<Error><Code>{code}</Code></Error>"))
}

/// Percent-decoded.
fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut decoded, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        if bytes[at] == b'%' {
            decoded.push(u8::from_str_radix(&text[at + 1..at + 3], 16).unwrap());
            at += 3;
        } else {
            decoded.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8(decoded).unwrap()
}
