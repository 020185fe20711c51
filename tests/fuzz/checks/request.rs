//! What must hold of the request reader for every stream of bytes: it never panics, and how the network cuts the stream
//! into reads never changes what is understood. Called by the fuzzer and by `tests/suite/request_reader.rs`.

use std::io;
use std::time::Instant;

use log_analytics::base::clock::monotonic;
use log_analytics::base::inflight::{Budget, Charge};
use log_analytics::http::BodyError;
use log_analytics::http::guarded::head::BodyFraming;
use log_analytics::http::guarded::reader::{ByteSource, NoRequest, ReceivedHead, RequestReader};
use log_analytics::http::server::FrontLimits;

/// Bodies above this are refused.
pub(crate) const LIMIT_BYTES: usize = 1_000;

/// A client whose bytes arrive in given portions.
struct Scripted<'a> {
    bytes: &'a [u8],
    /// Sizes of the next reads, over and over.
    portions: &'a [usize],
    reads: usize,
}

impl ByteSource for Scripted<'_> {
    fn read(&mut self, into: &mut [u8], _until: Instant) -> io::Result<usize> {
        let portion = self.portions[self.reads % self.portions.len()];
        self.reads += 1;
        let count = portion.max(1).min(into.len()).min(self.bytes.len());
        into[..count].copy_from_slice(&self.bytes[..count]);
        self.bytes = &self.bytes[count..];
        Ok(count)
    }

    fn send_continue(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Everything a server understands of this stream, in words.
pub(crate) fn understood(bytes: &[u8], portions: &[usize]) -> Vec<String> {
    let limits = FrontLimits { max_head_bytes: 2_048, max_target_bytes: 512, ..FrontLimits::default() };
    let budget = Budget::new(64 << 20);
    let mut source = Scripted { bytes, portions, reads: 0 };
    let mut reader = RequestReader::new(&limits);
    let mut events = Vec::new();
    loop {
        let mut begun = 0;
        let started = match reader.head(&mut source, monotonic(), &mut || begun += 1) {
            Ok(started) => started,
            Err(NoRequest::Closed) => {
                events.push("closed".to_owned());
                return events;
            }
            Err(NoRequest::Refused(refusal)) => {
                events.push(format!("refused {} {}", refusal.status, refusal.description));
                return events;
            }
        };
        assert_eq!(begun, 1, "the first byte is told once");
        obeys_the_rules(&started);
        events.push(format!("{:?} {:?}", started.head, started.framing));
        let mut charge = Charge::new(&budget);
        match reader.body(&mut source, started.framing, LIMIT_BYTES, &mut charge) {
            Ok(body) => {
                assert!(body.len() <= LIMIT_BYTES && charge.bytes() >= body.len());
                events.push(format!("body {body:?}"));
            }
            Err(BodyError::LengthRequired) => events.push("no body".to_owned()),
            Err(error) => {
                events.push(format!("{error:?}"));
                return events;
            }
        }
        reader.finish();
    }
}

/// What must hold of every head that is not refused, told from the header lines alone.
fn obeys_the_rules(started: &ReceivedHead) {
    let ReceivedHead { head, framing, .. } = started;
    let hosts: Vec<_> = head.all("host").collect();
    assert!(hosts.len() == 1 || (hosts.is_empty() && !framing.http_1_1), "{hosts:?}");
    for host in hosts {
        let port = host.rsplit_once(']').map_or(host, |(_, port)| port).split_once(':').map(|(_, port)| port);
        assert!(port.is_none_or(|port| port.bytes().all(|byte| byte.is_ascii_digit())), "{host}");
        assert!(!host.is_empty() && !host.starts_with(':') && !host.contains(['/', '@', ' ']), "{host}");
        assert_eq!(host.contains('['), host.contains(']'), "{host}");
    }
    let lengths: Vec<_> = head.all("content-length").collect();
    let codings: Vec<_> = head.all("transfer-encoding").collect();
    match framing.body {
        BodyFraming::None => assert!(lengths.is_empty() && codings.is_empty()),
        BodyFraming::Length(_) => assert!(lengths.len() == 1 && codings.is_empty()),
        BodyFraming::Chunked => {
            assert!(lengths.is_empty() && codings.len() == 1 && codings[0].eq_ignore_ascii_case("chunked"));
        }
    }
    assert!(head.path.starts_with('/') || head.path == "*", "{}", head.path);
}

/// Panics where something does not hold.
pub(crate) fn check(bytes: &[u8]) {
    let whole = understood(bytes, &[usize::MAX]);
    for portions in [&[1][..], &[7], &[64, 3], &[bytes.len() / 2 + 1, usize::MAX]] {
        assert_eq!(understood(bytes, portions), whole, "in reads of {portions:?}");
    }
}
