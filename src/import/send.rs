//! Batches over HTTP, each until it is answered: retries, backoff, and what each answer means.
//!
//! Input: batches with their keys. Output: what the server made of them. Because every batch has a key, sending one again is
//! always safe, so every failure that time can heal is tried again: refused and broken connections, 408, 429 and all of
//! 5xx, after `retry-after` where it is given. Never: knowledge of files.

use std::borrow::Cow;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::walk::{BatchFate, OutgoingBatch, Post, PostAnswer};
use crate::base::clock;
use crate::base::retry::{Backoff, pause};
use crate::client::{ServerAnswer, ServerClient, ServerUrl};
use crate::entry::LineParameters;
use crate::model::CustomerId;

/// The longest pause before the second try; doubled for each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause, and the most that `retry-after` is obeyed for.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// For how long a batch may fail before that is said: a server that starts again is back sooner.
const PATIENCE: Duration = Duration::from_secs(2);

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
    pub server: ServerUrl,
    /// Whose batches they are.
    pub customer: CustomerId,
    /// How the server is to read the lines.
    pub parameters: LineParameters,
    /// Sent as `authorization: Bearer …`.
    pub token: Option<String>,
    /// Further headers.
    pub headers: Vec<(String, String)>,
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
        status: u16,
        /// What the server says.
        description: String,
    },
    /// No answer in all the time there was.
    GaveUp {
        /// The last thing that went wrong.
        last: String,
        /// For how long it was tried.
        after: Duration,
    },
    /// The import was asked to stop.
    Stopped,
}

impl std::fmt::Display for Undelivered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused { status, description } => write!(f, "the server answered {status}: {description}"),
            Self::GaveUp { last, after } => {
                write!(f, "gave up: the server could not be reached for {} s: {last}", after.as_secs())
            }
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
    /// Whether it was said that batches fail: set by the first of all senders, reset by the next answer.
    is_trouble_told: Arc<AtomicBool>,
}

impl Sender {
    /// Connects when the first batch is sent. All senders of an import share `stop` and `is_trouble_told`.
    pub fn new(delivery: Arc<Delivery>, stop: Arc<AtomicBool>, is_trouble_told: Arc<AtomicBool>) -> Self {
        let client = ServerClient::new(delivery.server.clone());
        let authorization = delivery.token.as_ref().map(|token| format!("Bearer {token}"));
        Self { delivery, client, authorization, stop, is_trouble_told }
    }

    /// Says once for all senders why nothing is counted, so that nobody waits without knowing for what.
    fn tell_trouble(&self, since: Instant, last: &str) {
        if clock::monotonic().duration_since(since) < PATIENCE
            || self.is_trouble_told.swap(true, Ordering::Relaxed)
        {
            return;
        }
        let how_long = match self.delivery.retry_for {
            Some(limit) => format!("for up to {} s (--retry-for)", limit.as_secs()),
            None => "until it is counted".to_owned(),
        };
        log::warn!("{}: {last}; trying again {how_long}", self.delivery.server);
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
            // Fall back to sending it uncompressed.
            Err(_) => (None, body.into()),
        }
    }

    fn must_stop(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn gives_up(&self, since: Instant) -> bool {
        self.delivery.retry_for.is_some_and(|limit| clock::monotonic().duration_since(since) >= limit)
    }
}

/// What an answer means.
enum AnswerMeaning {
    Done(PostAnswer),
    Never,
    /// Not now.
    Later,
}

fn meaning(answer: &ServerAnswer) -> AnswerMeaning {
    /// The numbers of a 202 or 409.
    #[derive(Default, Deserialize)]
    struct Numbers {
        #[serde(default)]
        entries: u64,
        #[serde(default)]
        skipped: u64,
    }
    let fate = match answer.status {
        200..=299 => BatchFate::Counted,
        409 => BatchFate::AlreadyCounted,
        422 => BatchFate::OtherBatch,
        408 | 429 | 500..=599 => return AnswerMeaning::Later,
        _ => return AnswerMeaning::Never,
    };
    let Numbers { entries, skipped } = serde_json::from_slice(&answer.body).unwrap_or_default();
    AnswerMeaning::Done(PostAnswer { fate, entries, skipped })
}

/// The target of a batch: the parameters that all have, and the reader's state before it.
fn target(parameters: &LineParameters, state: &[(&'static str, String)]) -> String {
    let mut target = String::from("/logs");
    let state = state.iter().map(|(name, value)| format!("{name}={value}"));
    let pairs = std::iter::once(parameters.text().to_owned()).chain(state).filter(|pair| !pair.is_empty());
    for (number, pair) in pairs.enumerate() {
        target.push(if number == 0 { '?' } else { '&' });
        target.push_str(&pair);
    }
    target
}

impl Post for Sender {
    type Error = Undelivered;

    fn post(&mut self, batch: OutgoingBatch<'_>) -> Result<PostAnswer, Undelivered> {
        let (encoding, encoded) = self.encode(batch.lines);
        let delivery = Arc::clone(&self.delivery);
        let authorization = self.authorization.clone();
        let target = target(&delivery.parameters, batch.state);
        let mut headers = vec![
            ("x-customer-id", batch.customer.unwrap_or(&delivery.customer).as_str()),
            ("content-type", "text/plain"),
            ("idempotency-key", batch.key),
        ];
        headers.extend(encoding.map(|name| ("content-encoding", name)));
        headers.extend(authorization.as_deref().map(|value| ("authorization", value)));
        headers.extend(delivery.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let since = clock::monotonic();
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE, None);
        loop {
            if self.must_stop() {
                return Err(Undelivered::Stopped);
            }
            let was_connected = self.client.is_connected();
            let (asked, last) = match self.client.post(&target, &headers, &encoded) {
                // The server may close a connection that was idle: that is not trouble.
                Err(_) if was_connected => continue,
                Err(error) => (None, error.to_string()),
                Ok(answer) => match meaning(&answer) {
                    AnswerMeaning::Done(done) => {
                        self.is_trouble_told.store(false, Ordering::Relaxed);
                        return Ok(done);
                    }
                    AnswerMeaning::Never => {
                        return Err(Undelivered::Refused {
                            status: answer.status,
                            description: answer.description(),
                        });
                    }
                    AnswerMeaning::Later => {
                        let said = format!("the server answered {}: {}", answer.status, answer.description());
                        (answer.retry_after, said)
                    }
                },
            };
            if self.gives_up(since) {
                return Err(Undelivered::GaveUp { last, after: clock::monotonic().duration_since(since) });
            }
            self.tell_trouble(since, &last);
            let asked = asked.map_or(Duration::ZERO, Duration::from_secs).min(LONGEST_PAUSE);
            pause(backoff.next_wait().expect("there is no deadline").max(asked), || self.must_stop());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_have_the_parameters_and_the_state() {
        let parameters = |text: &str| LineParameters::from_text(text).unwrap();
        let state = [("fields", "%20date".to_owned())];
        for (text, state, want) in [
            ("", &[][..], "/logs"),
            ("timezone=UTC", &[], "/logs?timezone=UTC"),
            ("", &state, "/logs?fields=%20date"),
            ("timezone=UTC", &state, "/logs?timezone=UTC&fields=%20date"),
        ] {
            assert_eq!(target(&parameters(text), state), want);
        }
    }

    #[test]
    fn answers_give_their_numbers_where_they_have_them() {
        let answer = |status: u16, body: &str| match meaning(&ServerAnswer {
            status,
            retry_after: None,
            next: None,
            body: body.into(),
        }) {
            AnswerMeaning::Done(answer) => Some(answer),
            AnswerMeaning::Never | AnswerMeaning::Later => None,
        };
        let counted = PostAnswer { fate: BatchFate::Counted, entries: 3, skipped: 1 };
        assert_eq!(answer(202, r#"{"entries":3,"skipped":1,"windows":1}"#), Some(counted));
        let known = PostAnswer { fate: BatchFate::AlreadyCounted, entries: 0, skipped: 0 };
        assert_eq!(answer(409, "{}"), Some(known));
        assert_eq!((answer(503, ""), answer(400, "")), (None, None));
    }
}
