//! Batches over HTTP, each until it is answered: retries, backoff, and what each answer means.
//!
//! In come keys and bodies; out comes what the server made of them. Because every batch has a key, sending one again is
//! always safe, so every failure that time can heal is tried again: refused and broken connections, 408, 429 and all of
//! 5xx, after `retry-after` where it is given. Nothing here knows files.

use std::borrow::Cow;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::walk::{Answer, Post};
use crate::base::clock;
use crate::client::{ServerAnswer, ServerClient, ServerUrl};
use crate::model::CustomerId;

/// The pause before the second try; doubled for each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause, and the most that `retry-after` is obeyed for.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How often a pause looks whether it should end.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// How bodies are coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compress {
    /// Not at all: right for a server on the same machine.
    None,
    /// Twelve times smaller at little cost: right for a network.
    Zstd,
    /// For gateways that know nothing else.
    Gzip,
}

/// Where batches go and how.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The server.
    pub server: ServerUrl,
    /// Whose batches they are.
    pub customer: CustomerId,
    /// Sent as `authorization: Bearer …`.
    pub token: Option<String>,
    /// How bodies are coded.
    pub compress: Compress,
    /// For how long a batch is tried again; `None` for ever.
    pub retry_for: Option<Duration>,
}

/// Why a batch was not delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undelivered {
    /// The server refuses it, and would again.
    Refused {
        /// The status.
        status: u16,
        /// What the server says.
        description: String,
    },
    /// No answer in all the time there was.
    GaveUp {
        /// The last thing that went wrong.
        last: String,
    },
    /// Somebody asked to stop.
    Stopped,
}

impl std::fmt::Display for Undelivered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused { status, description } => write!(f, "the server answered {status}: {description}"),
            Self::GaveUp { last } => write!(f, "no batch could be delivered any more: {last}"),
            Self::Stopped => f.write_str("stopped"),
        }
    }
}

/// Delivers over one connection.
pub struct Sender {
    delivery: Arc<Delivery>,
    client: ServerClient,
    authorization: Option<String>,
    /// Ends pauses, and with them the batch.
    stop: Arc<AtomicBool>,
}

impl Sender {
    /// Connects when the first batch is sent.
    pub fn new(delivery: Arc<Delivery>, stop: Arc<AtomicBool>) -> Self {
        let client = ServerClient::new(delivery.server.clone());
        let authorization = delivery.token.as_ref().map(|token| format!("Bearer {token}"));
        Self { delivery, client, authorization, stop }
    }

    fn encode<'b>(&self, body: &'b [u8]) -> (Option<&'static str>, Cow<'b, [u8]>) {
        let encoded = match self.delivery.compress {
            Compress::None => return (None, body.into()),
            Compress::Zstd => zstd::bulk::compress(body, 1).map(|encoded| ("zstd", encoded)),
            Compress::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(body).and_then(|()| encoder.finish()).map(|encoded| ("gzip", encoded))
            }
        };
        match encoded {
            Ok((name, encoded)) => (Some(name), encoded.into()),
            // As it is, it is right as well.
            Err(_) => (None, body.into()),
        }
    }

    /// Waits, unless somebody asks to stop.
    fn pause(&self, pause: Duration) -> Result<(), Undelivered> {
        let until = clock::monotonic() + pause;
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return Err(Undelivered::Stopped);
            }
            let left = until.saturating_duration_since(clock::monotonic());
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(LOOK_INTERVAL));
        }
    }

    fn gives_up(&self, since: Instant) -> bool {
        self.delivery.retry_for.is_some_and(|limit| clock::monotonic().duration_since(since) >= limit)
    }
}

/// What an answer means.
enum Meaning {
    Done(Answer),
    Never,
    /// Not now.
    Later,
}

fn meaning(answer: &ServerAnswer) -> Meaning {
    match answer.status {
        200..=299 => Meaning::Done(Answer::Counted),
        409 => Meaning::Done(Answer::AlreadyCounted),
        422 => Meaning::Done(Answer::OtherBatch),
        408 | 429 | 500..=599 => Meaning::Later,
        _ => Meaning::Never,
    }
}

impl Post for Sender {
    type Error = Undelivered;

    fn post(&mut self, key: &str, body: &[u8]) -> Result<Answer, Undelivered> {
        let (encoding, encoded) = self.encode(body);
        let delivery = Arc::clone(&self.delivery);
        let authorization = self.authorization.clone();
        let mut headers = vec![
            ("x-customer-id", delivery.customer.as_str()),
            ("content-type", "application/x-ndjson"),
            ("idempotency-key", key),
        ];
        headers.extend(encoding.map(|name| ("content-encoding", name)));
        headers.extend(authorization.as_deref().map(|value| ("authorization", value)));
        let (since, mut pause) = (clock::monotonic(), FIRST_PAUSE);
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return Err(Undelivered::Stopped);
            }
            let was_connected = self.client.is_connected();
            let (wait, last) = match self.client.post("/logs", &headers, &encoded) {
                // The server may close a connection that was idle: that is no sign of trouble.
                Err(_) if was_connected => continue,
                Err(error) => (pause, error.to_string()),
                Ok(answer) => match meaning(&answer) {
                    Meaning::Done(done) => return Ok(done),
                    Meaning::Never => {
                        return Err(Undelivered::Refused {
                            status: answer.status,
                            description: answer.description(),
                        });
                    }
                    Meaning::Later => {
                        let asked = answer.retry_after.map_or(pause, Duration::from_secs);
                        let said = format!("the server answered {}: {}", answer.status, answer.description());
                        (asked.min(LONGEST_PAUSE).max(pause), said)
                    }
                },
            };
            if self.gives_up(since) {
                return Err(Undelivered::GaveUp { last });
            }
            self.pause(wait)?;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}
