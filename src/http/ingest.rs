//! `POST /logs`: from a request to a checked batch, and from its outcome to an answer.
//!
//! Input: head, body and an [`Intake`]. Output: an answer. Checks come in this order: headers, the customer's rate, then the
//! body's length and coding, then every entry. Never: a read of a body whose headers are refused.

use serde::Serialize;
use xxhash_rust::xxh3::xxh3_128;

use super::errors::Problem;
use super::params::Params;
use super::{Body, BodyError, Head, Response, remedy};
use crate::base::clock;
use crate::base::inflight::{Budget, Charge};
use crate::base::labelled::labelled;
use crate::base::random;
use crate::batch::{self, Altered, BatchError, DecodeError, Encoding, Format};
use crate::customers::Customers;
use crate::customers::labels::BatchCounts;
use crate::intake::{CheckedBatch, Intake, Outcome, Reason};
use crate::measures::Cell;
use crate::metrics::Metrics;
use crate::model::{BatchId, CustomerId, Summary};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Options of `POST /logs`.
pub(crate) struct Ingest {
    pub limits: batch::Limits,
    /// The largest body, both as sent and decoded.
    pub max_body_bytes: usize,
    pub budget: Arc<Budget>,
    pub customers: Arc<Customers>,
    pub metrics: Arc<Metrics>,
}

labelled! {
    /// Why a batch is not taken, besides every [`Reason`] of a 503.
    pub(crate) enum RejectReason {
        Invalid "invalid"
        TooSlow "too_slow"
        NoLength "no_length"
        TooLarge "too_large"
        Unsupported "unsupported"
        Duplicate "duplicate"
        Conflict "conflict"
        /// The customer is over its rate.
        OverRate "over_rate"
        /// The client's upload stood still while others needed its memory.
        Stalled "stalled"
        /// The client went away before its body had come.
        Aborted "aborted"
        Other "other"
    }
}

/// An answer other than 202.
pub(crate) struct Refused {
    pub problem: Problem,
    /// The batch that was counted under the same key.
    pub batch_id: Option<BatchId>,
    /// The label of `log_analytics_ingestion_rejects_total`.
    pub reason: &'static str,
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        let reason = match problem.status {
            400 => RejectReason::Invalid,
            408 => RejectReason::TooSlow,
            411 => RejectReason::NoLength,
            413 => RejectReason::TooLarge,
            415 => RejectReason::Unsupported,
            429 => RejectReason::OverRate,
            _ => RejectReason::Other,
        };
        Self { problem, batch_id: None, reason: reason.label() }
    }
}

impl From<Reason> for Refused {
    fn from(reason: Reason) -> Self {
        Self { problem: Problem::unavailable(reason.description()), batch_id: None, reason: reason.label() }
    }
}

/// The time that a batch is received at.
struct Now {
    /// That of the clock, or of the last batch, whichever is later: records do not go back in time.
    latest_ms: u64,
    /// The clock is before the last batch, so that it must be wrong.
    clock_is_behind: bool,
}

impl Now {
    fn of(intake: &dyn Intake) -> Self {
        let (clock_ms, last_ms) = (clock::now_ms(), intake.last_received_at_ms());
        Self { latest_ms: clock_ms.max(last_ms), clock_is_behind: clock_ms < last_ms }
    }
}

/// The headers of a batch, checked.
struct Labels {
    customer: CustomerId,
    batch_id: BatchId,
    server_made_id: bool,
    /// `?dedup=body`: the batch is named after its body once that is decoded.
    dedup_by_body: bool,
    format: Format,
    encoding: Encoding,
}

impl Ingest {
    /// Takes one batch.
    ///
    /// # Errors
    /// Everything that is not 202.
    pub(crate) fn handle(
        &self,
        head: &Head,
        body: &mut dyn Body,
        intake: &dyn Intake,
        request_id: &str,
    ) -> Result<Response, Refused> {
        let mut labels = labels(head)?;
        let customers = self.customers.in_force();
        let settings = customers.of(&labels.customer);
        if let (Some(rate), Err(seconds)) = (settings.entries_per_second, customers.admit(&labels.customer)) {
            return Err(Problem::over_rate(rate, seconds).into());
        }
        let mut charge = Charge::of(&self.budget, labels.customer.as_str());
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
        if labels.dedup_by_body {
            labels.batch_id = body_id(&decoded);
        }
        let now = Now::of(intake);
        let limits = batch::Limits {
            visitors: intake.visitor_key(),
            path_rules: settings.path_rules.clone(),
            ..self.limits.clone()
        };
        let summarized = match batch::summarize(&decoded, labels.format, &limits, now.latest_ms) {
            Ok(summarized) => summarized,
            Err(error) => return Err(self.content_refused(labels, &decoded, intake, &error, &now)),
        };
        let counted = Counted {
            entries: summarized.summary.entries,
            windows: summarized.summary.minutes.len(),
            altered: summarized.altered,
        };
        let sent = batch_counts(&summarized.summary);
        let outcome = intake.take(CheckedBatch {
            customer: &labels.customer,
            batch_id: &labels.batch_id,
            server_made_id: labels.server_made_id,
            format: labels.format,
            body: &decoded,
            coded: (labels.encoding != Encoding::Identity).then_some((labels.encoding, raw)),
            summary: summarized.summary,
            received_at_ms: now.latest_ms,
            charge,
        });
        match outcome {
            Outcome::Counted => {
                customers.charge(&labels.customer, counted.entries);
                self.customers.accepted(&labels.customer, sent);
                let fields = counted.altered.counts().map(|(field, entries)| (field.name(), entries));
                self.customers.activity().altered(&labels.customer, fields, now.latest_ms);
                for (field, entries) in counted.altered.counts() {
                    let altered = &self.metrics.altered_fields;
                    altered.with_label_values(&[field.name()]).inc_by(u64::from(entries));
                }
                Ok(accepted(request_id, &labels.batch_id, &counted))
            }
            outcome => Err(self.not_counted(outcome, labels.batch_id)),
        }
    }

    /// The answer to a batch that was not counted now.
    fn not_counted(&self, outcome: Outcome, batch_id: BatchId) -> Refused {
        let (problem, reason) = match outcome {
            Outcome::Duplicate => {
                self.metrics.duplicates.inc();
                (Problem::duplicate(), RejectReason::Duplicate)
            }
            Outcome::Conflict => (Problem::conflict(), RejectReason::Conflict),
            Outcome::Unavailable(reason) => return reason.into(),
            Outcome::Counted => unreachable!("a counted batch is answered 202"),
        };
        Refused { problem, batch_id: Some(batch_id), reason: reason.label() }
    }

    /// The answer to a batch whose content is refused: if it was counted before, that, whatever today's limits say.
    fn content_refused(
        &self,
        labels: Labels,
        body: &[u8],
        intake: &dyn Intake,
        error: &BatchError,
        now: &Now,
    ) -> Refused {
        let known =
            if labels.server_made_id { None } else { intake.known(&labels.customer, &labels.batch_id, body) };
        let format = labels.format;
        if let Some(outcome) = known {
            return self.not_counted(outcome, labels.batch_id);
        }
        if now.clock_is_behind && error.is_ahead_of_the_clock() {
            return Reason::ClockBehind.into();
        }
        let remedy = remedy::for_batch(body, format);
        Problem::bad_batch(with_remedy(error.to_string(), remedy)).into()
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
                reason: RejectReason::Stalled.label(),
            },
            BodyError::TooSlow => Problem::http(408, "the body came too slowly").into(),
            BodyError::Malformed(what) => Problem::bad_batch(*what).into(),
            // The client is gone, or has ended its sending side: then it reads the answer.
            BodyError::Disconnected(error) => {
                let problem =
                    Problem::bad_batch(format!("the connection ended before the body did: {error}"));
                Refused { problem, batch_id: None, reason: RejectReason::Aborted.label() }
            }
        }
    }
}

fn batch_counts(summary: &Summary) -> BatchCounts {
    let mut sent = BatchCounts { entries: u64::from(summary.entries), ..BatchCounts::default() };
    for (_, counts) in &summary.minutes {
        let measures = &counts.all.measures;
        sent.with_status += measures.sum_of(|cell| !cell.is_duration());
        sent.server_errors += measures.sum_of(Cell::is_server_error);
    }
    sent
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
    let params = Params::of(head, &["dedup"])?;
    let dedup_by_body = match params.get("dedup") {
        None => false,
        Some("body") => true,
        Some(_) => return Err(Problem::bad_batch("dedup must be body")),
    };
    let (batch_id, server_made_id) = match only(head, "idempotency-key")? {
        Some(_) if dedup_by_body => {
            return Err(Problem::bad_batch("idempotency-key and dedup=body exclude each other"));
        }
        Some(key) => (batch_id(key)?, false),
        None => (BatchId::new(&random::ulid()).expect("a ULID is visible ASCII"), !dedup_by_body),
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
    Ok(Labels { customer, batch_id, server_made_id, dedup_by_body, format, encoding })
}

/// The customer a request is for.
///
/// # Errors
/// 400 where the header is missing, repeated or not a customer id.
pub(crate) fn customer(head: &Head) -> Result<CustomerId, Problem> {
    let value = only(head, "x-customer-id")?.ok_or_else(|| Problem::bad_batch("x-customer-id is missing"))?;
    CustomerId::new(value)
        .ok_or_else(|| Problem::bad_batch("x-customer-id must be 1 to 128 visible ASCII characters"))
}

/// The value of a header that may occur once.
fn only<'a>(head: &'a Head, name: &'static str) -> Result<Option<&'a str>, Problem> {
    let mut values = head.all(name);
    match (values.next(), values.next()) {
        (value, None) => Ok(value),
        (_, Some(_)) => Err(Problem::bad_batch(format!("{name} is given more than once"))),
    }
}

/// The name of a batch that is told from others by its body alone.
fn body_id(body: &[u8]) -> BatchId {
    BatchId::new(&format!("{:032x}", xxh3_128(body))).expect("hexadecimal digits are visible ASCII")
}

/// Reads a key: a bare token, or a string of structured field values (RFC 9651, section 3.3.3).
fn batch_id(value: &str) -> Result<BatchId, Problem> {
    let unquoted = match value.strip_prefix('"') {
        None => Some(value.to_owned()),
        Some(rest) => unquote(rest),
    };
    unquoted
        .and_then(|key| BatchId::new(&key))
        .ok_or_else(|| Problem::bad_batch("idempotency-key must be 1 to 255 visible ASCII characters"))
}

/// The text between the quotes; `rest` begins behind the first one.
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
