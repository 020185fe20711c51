//! `POST /logs`: from a request to a checked batch, and from what became of it to an answer.
//!
//! Checks come in this order: headers, then the body's length and coding, then every entry. Nothing is read of a
//! body whose headers refuse it.

use serde::Serialize;

use super::errors::Problem;
use super::{Body, BodyError, Head, Response, remedy};
use crate::base::clock;
use crate::base::inflight::{Budget, Charge};
use crate::base::random;
use crate::batch::{self, Altered, DecodeError, Encoding, Format};
use crate::intake::{CheckedBatch, Intake, Outcome, Reason};
use crate::metrics::Metrics;
use crate::model::{BatchId, CustomerId};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What ingestion goes by, from `Config`.
pub struct Ingest {
    /// What a batch may be.
    pub limits: batch::Limits,
    /// The largest body, as it comes and decoded.
    pub max_body_bytes: usize,
    /// The budget of bytes in flight.
    pub budget: Arc<Budget>,
    /// Where outcomes are counted.
    pub metrics: Arc<Metrics>,
}

/// An answer other than 202, and the batch it is about where that is known.
pub struct Refused {
    /// What is wrong.
    pub problem: Problem,
    /// Named in the answer.
    pub batch_id: Option<BatchId>,
    /// The label in `rejects`.
    pub reason: &'static str,
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        let reason = match problem.status {
            400 => "invalid",
            408 => "too_slow",
            411 => "no_length",
            413 => "too_large",
            415 => "unsupported",
            _ => "other",
        };
        Self { problem, batch_id: None, reason }
    }
}

impl From<Reason> for Refused {
    fn from(reason: Reason) -> Self {
        Self { problem: Problem::unavailable(reason.description()), batch_id: None, reason: reason.label() }
    }
}

/// What the headers say.
struct Labels {
    customer: CustomerId,
    batch_id: BatchId,
    server_made_id: bool,
    format: Format,
    encoding: Encoding,
}

impl Ingest {
    /// Takes one batch.
    ///
    /// # Errors
    /// Everything that is not 202.
    pub fn handle(
        &self,
        head: &Head,
        body: &mut dyn Body,
        intake: &dyn Intake,
        request_id: &str,
    ) -> Result<Response, Refused> {
        let labels = labels(head)?;
        let mut charge = Charge::new(&self.budget);
        let raw = body.read(self.max_body_bytes, &mut charge).map_err(|error| self.body_refused(&error))?;
        let decoded = batch::decode(labels.encoding, raw, self.max_body_bytes, &mut charge).map_err(
            |error| match error {
                DecodeError::TooLarge { .. } => Refused::from(Problem::http(413, error.to_string())),
                DecodeError::Undecodable { .. } => {
                    let remedy = remedy::for_encoding(raw, labels.encoding);
                    Problem::bad_batch(with_remedy(error.to_string(), remedy)).into()
                }
                DecodeError::Busy => Refused::from(Reason::Busy),
            },
        )?;
        let received_at_ms = clock::now_ms();
        // A clock that is behind the last batch is wrong.
        let last_received_at_ms = intake.last_received_at_ms();
        let now_ms = received_at_ms.max(last_received_at_ms);
        let summarized =
            batch::summarize(&decoded, labels.format, &self.limits, now_ms).map_err(|error| {
                if error.is_too_far_ahead() && received_at_ms < last_received_at_ms {
                    return Refused::from(Reason::ClockBehind);
                }
                let remedy = remedy::for_batch(&decoded, labels.format);
                Problem::bad_batch(with_remedy(error.to_string(), remedy)).into()
            })?;
        let counted = Counted {
            entries: summarized.summary.entries,
            windows: summarized.summary.minutes.len(),
            altered: summarized.altered,
        };
        let outcome = intake.take(CheckedBatch {
            customer: &labels.customer,
            batch_id: &labels.batch_id,
            server_made_id: labels.server_made_id,
            format: labels.format,
            body: &decoded,
            coded: (labels.encoding != Encoding::Identity).then_some((labels.encoding, raw)),
            summary: summarized.summary,
            received_at_ms,
            charge,
        });
        match outcome {
            Outcome::Counted => {
                for (field, entries) in counted.altered.counts() {
                    let altered = &self.metrics.altered_fields;
                    altered.with_label_values(&[field.name()]).inc_by(u64::from(entries));
                }
                Ok(accepted(request_id, &labels.batch_id, &counted))
            }
            Outcome::Duplicate => {
                self.metrics.duplicates.inc();
                let batch_id = Some(labels.batch_id);
                Err(Refused { problem: Problem::duplicate(), batch_id, reason: "duplicate" })
            }
            Outcome::Conflict => {
                let batch_id = Some(labels.batch_id);
                Err(Refused { problem: Problem::conflict(), batch_id, reason: "conflict" })
            }
            Outcome::Unavailable(reason) => Err(reason.into()),
        }
    }

    fn body_refused(&self, error: &BodyError) -> Refused {
        match error {
            BodyError::LengthRequired => {
                Problem::http(411, "a body needs content-length or transfer-encoding: chunked").into()
            }
            BodyError::TooLarge { limit_bytes } => {
                Problem::http(413, format!("the body is larger than {limit_bytes} bytes")).into()
            }
            BodyError::Busy => Reason::Busy.into(),
            BodyError::Stopping => Reason::Stopping.into(),
            BodyError::GaveWay => Refused {
                problem: Problem::unavailable(
                    "the upload stood still while others needed its memory (--max-inflight-bytes): try again",
                ),
                batch_id: None,
                reason: "stalled",
            },
            BodyError::TooSlow => Problem::http(408, "the body came too slowly").into(),
            BodyError::Malformed(what) => Problem::bad_batch(*what).into(),
            // The client is gone, or has ended its sending side: then it reads the answer.
            BodyError::Disconnected(error) => {
                let problem =
                    Problem::bad_batch(format!("the connection ended before the body did: {error}"));
                Refused { problem, batch_id: None, reason: "aborted" }
            }
        }
    }
}

fn with_remedy(error: String, remedy: Option<&str>) -> String {
    match remedy {
        Some(remedy) => format!("{error}; {remedy}"),
        None => error,
    }
}

/// What the answer says of a counted batch.
struct Counted {
    entries: u32,
    /// Distinct minutes.
    windows: usize,
    altered: Altered,
}

fn accepted(request_id: &str, batch_id: &BatchId, counted: &Counted) -> Response {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Accepted<'a> {
        request_id: &'a str,
        batch_id: &'a str,
        entries: u32,
        windows: usize,
        #[serde(skip_serializing_if = "BTreeMap::is_empty")]
        altered: BTreeMap<&'static str, u32>,
    }
    let Counted { entries, windows, altered } = counted;
    let altered = altered.counts().map(|(field, entries)| (field.name(), entries)).collect();
    let body =
        Accepted { request_id, batch_id: batch_id.as_str(), entries: *entries, windows: *windows, altered };
    let body = serde_json::to_vec(&body).expect("plain strings are written into memory");
    Response::new(202, "application/json", body)
}

/// Reads and checks the headers of a batch.
fn labels(head: &Head) -> Result<Labels, Problem> {
    let customer = customer(head)?;
    let (batch_id, server_made_id) = match only(head, "idempotency-key")? {
        Some(key) => (batch_id(key)?, false),
        None => (BatchId::new(&random::ulid()).expect("a ULID is visible ASCII"), true),
    };
    let content_type = only(head, "content-type")?.unwrap_or_default();
    let format = Format::from_content_type(content_type).ok_or_else(|| {
        let known =
            "content-type must be application/json (an array) or application/x-ndjson (one entry a line)";
        Problem::http(415, with_remedy(known.to_owned(), remedy::for_content_type(content_type)))
    })?;
    let encoding = only(head, "content-encoding")?.unwrap_or("identity");
    let encoding = Encoding::from_name(encoding)
        .ok_or_else(|| Problem::http(415, "content-encoding must be identity, gzip or zstd"))?;
    Ok(Labels { customer, batch_id, server_made_id, format, encoding })
}

/// The customer a request is for.
///
/// # Errors
/// 400 where the header is missing, repeated or not a customer id.
pub fn customer(head: &Head) -> Result<CustomerId, Problem> {
    let value = only(head, "x-customer-id")?.ok_or_else(|| Problem::bad_batch("x-customer-id is missing"))?;
    CustomerId::new(value)
        .ok_or_else(|| Problem::bad_batch("x-customer-id must be 1 to 128 visible ASCII characters"))
}

/// The value of a header that may come once.
fn only<'a>(head: &'a Head, name: &'static str) -> Result<Option<&'a str>, Problem> {
    let mut values = head.all(name);
    match (values.next(), values.next()) {
        (value, None) => Ok(value),
        (_, Some(_)) => Err(Problem::bad_batch(format!("{name} comes more than once"))),
    }
}

/// A key as a bare token, or as the string of structured field values (RFC 9651, section 3.3.3).
fn batch_id(value: &str) -> Result<BatchId, Problem> {
    let unquoted = match value.strip_prefix('"') {
        None => Some(value.to_owned()),
        Some(rest) => unquote(rest),
    };
    unquoted
        .and_then(|key| BatchId::new(&key))
        .ok_or_else(|| Problem::bad_batch("idempotency-key must be 1 to 255 visible ASCII characters"))
}

/// What stands between the quotes; `rest` begins behind the first one.
fn unquote(rest: &str) -> Option<String> {
    let mut key = String::with_capacity(rest.len());
    let mut chars = rest.chars();
    loop {
        match chars.next()? {
            '"' => return chars.as_str().is_empty().then_some(key),
            '\\' => key.push(chars.next().filter(|c| matches!(c, '"' | '\\'))?),
            other => key.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_bare_or_quoted_and_mean_the_same() {
        let key = |value: &str| batch_id(value).ok().map(|id| id.as_str().to_owned());
        assert_eq!(key("abc-1"), Some("abc-1".into()));
        assert_eq!(key("\"abc-1\""), Some("abc-1".into()));
        assert_eq!(key("\"a\\\"b\\\\c\""), Some("a\"b\\c".into()));
        assert_eq!(key(&"k".repeat(255)), Some("k".repeat(255)));
        for bad in ["", "\"\"", "\"open", "\"a\"b", "\"a\\x\"", "a b", "é", &"k".repeat(256)] {
            assert_eq!(key(bad), None, "{bad}");
        }
    }
}
