//! `POST /logs`: from a request to a checked batch, and from its outcome to an answer.
//!
//! Input: head, body and an [`Intake`]. Output: an answer. Checks come in this order: headers, the customer's rate, then the
//! body's length and coding, then every entry. Never: a read of a body whose headers are refused.

use super::counted::{BatchNumbers, RepeatedNumbers};
use super::errors::Problem;
use super::params::Params;
use super::{Body, BodyError, Head, Response, remedy};
use crate::base::clock;
use crate::base::inflight::{Budget, Charge};
use crate::base::labelled::labelled;
use crate::base::random;
use crate::batch::{self, BatchError, Content, DecodeError, Encoding, Format};
use crate::customers::Customers;
use crate::customers::labels::BatchCounts;
use crate::entry::{LineParameters, Skip};
use crate::intake::{CheckedBatch, Intake, Outcome, Reason};
use crate::measures::Cell;
use crate::metrics::Metrics;
use crate::model::{BatchId, CustomerId, Summary};
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
    /// Why a batch is refused: these, and every [`Reason`] of a 503.
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
    /// The id of the batch that was counted under the same key.
    pub batch_id: Option<BatchId>,
    /// The numbers that a 409 repeats, if the batch was log lines.
    pub numbers: Option<Box<RepeatedNumbers>>,
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
        Self { problem, batch_id: None, numbers: None, reason: reason.label() }
    }
}

impl From<Reason> for Refused {
    fn from(reason: Reason) -> Self {
        let problem = Problem::unavailable(reason.description());
        Self { problem, batch_id: None, numbers: None, reason: reason.label() }
    }
}

/// The time of receipt of a batch.
struct Now {
    /// The time of the clock or of the last batch, whichever is later: times of receipt never fall.
    latest_ms: u64,
    /// The clock is before the last batch, so it must be wrong.
    clock_is_behind: bool,
}

impl Now {
    fn of(intake: &dyn Intake) -> Self {
        let (clock_ms, last_ms) = (clock::now_ms(), intake.last_received_at_ms());
        Self { latest_ms: clock_ms.max(last_ms), clock_is_behind: clock_ms < last_ms }
    }
}

/// The headers of a batch, checked.
struct BatchHeaders {
    customer: CustomerId,
    batch_id: BatchId,
    server_made_id: bool,
    /// `?dedup=body`: the batch's id is made from its body once that is decoded.
    dedup_by_body: bool,
    /// `?known=beginning`: also answer 409 if the batch under the key begins with these lines.
    beginning_is_known: bool,
    content: Content,
    encoding: Encoding,
}

impl Ingest {
    /// Takes one batch.
    ///
    /// # Errors
    /// Every answer other than 202.
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
        if let Content::Lines(_) = labels.content
            && let Some(remedy) = remedy::for_lines(&decoded)
        {
            return Err(Problem::bad_batch(remedy).into());
        }
        if labels.dedup_by_body {
            labels.batch_id = body_id(labels.content.fingerprint(&decoded));
        }
        let now = Now::of(intake);
        let limits = batch::Limits {
            visitors: intake.visitor_key(),
            path_rules: settings.path_rules.clone(),
            ..self.limits.clone()
        };
        let summarized = match labels.content.summarize(&decoded, &limits, now.latest_ms) {
            Ok(summarized) => summarized,
            Err(error) => return Err(self.content_refused(labels, &decoded, intake, &error, &now)),
        };
        let numbers = BatchNumbers::of(&labels.content, &summarized);
        if now.clock_is_behind && summarized.skips.count(Skip::TooFarAhead) > 0 {
            return Err(Reason::ClockBehind.into());
        }
        if numbers.entries == 0 {
            // The batch is not kept, and is answered 202: a shipper that sends a start-up message must be able to
            // continue.
            numbers.count(&self.metrics);
            return Ok(numbers.accepted(request_id, &labels.batch_id));
        }
        let sent = batch_counts(&summarized.summary);
        let outcome = intake.take(CheckedBatch {
            customer: &labels.customer,
            batch_id: &labels.batch_id,
            server_made_id: labels.server_made_id,
            content: &labels.content,
            body: &decoded,
            coded: (labels.encoding != Encoding::Identity).then_some((labels.encoding, raw)),
            summary: summarized.summary,
            limits: &limits,
            received_at_ms: now.latest_ms,
            charge,
        });
        match self.also_known(outcome, &labels, &decoded, intake) {
            Outcome::Counted => {
                customers.charge(&labels.customer, numbers.entries);
                self.customers.accepted(&labels.customer, sent);
                self.customers.activity().altered(&labels.customer, numbers.altered(), now.latest_ms);
                numbers.count(&self.metrics);
                Ok(numbers.accepted(request_id, &labels.batch_id))
            }
            outcome => Err(Refused {
                numbers: numbers.repeated().filter(|_| outcome == Outcome::Duplicate).map(Box::new),
                ..self.not_counted(outcome, labels.batch_id)
            }),
        }
    }

    /// The outcome, checked again if the client asked whether the counted batch begins with its lines.
    fn also_known(
        &self,
        outcome: Outcome,
        labels: &BatchHeaders,
        body: &[u8],
        intake: &dyn Intake,
    ) -> Outcome {
        let BatchHeaders { customer, batch_id, content, .. } = labels;
        let is_known = labels.beginning_is_known
            && outcome == Outcome::Conflict
            && intake.begins_with(customer, batch_id, content, body);
        if is_known { Outcome::Duplicate } else { outcome }
    }

    /// The answer to a batch that this request did not count.
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
        Refused { problem, batch_id: Some(batch_id), numbers: None, reason: reason.label() }
    }

    /// The answer to a batch with refused content: if it was counted before, 409 or 422, whatever today's limits are.
    fn content_refused(
        &self,
        labels: BatchHeaders,
        body: &[u8],
        intake: &dyn Intake,
        error: &BatchError,
        now: &Now,
    ) -> Refused {
        let fingerprint = labels.content.fingerprint(body);
        let known = match labels.server_made_id {
            true => None,
            false => intake.known(&labels.customer, &labels.batch_id, fingerprint),
        };
        if let Some(outcome) = known {
            return self.not_counted(outcome, labels.batch_id);
        }
        if now.clock_is_behind && error.is_ahead_of_the_clock() {
            return Reason::ClockBehind.into();
        }
        let remedy = remedy::for_batch(body, &labels.content);
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
                numbers: None,
                reason: RejectReason::Stalled.label(),
            },
            BodyError::TooSlow => Problem::http(408, "the body came too slowly").into(),
            BodyError::Malformed(what) => Problem::bad_batch(*what).into(),
            // The client is gone, or has only ended its sending side; then it reads the answer.
            BodyError::Disconnected(error) => {
                let problem =
                    Problem::bad_batch(format!("the connection ended before the body did: {error}"));
                Refused { problem, batch_id: None, numbers: None, reason: RejectReason::Aborted.label() }
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

/// Reads and checks the headers of a batch.
fn labels(head: &Head) -> Result<BatchHeaders, Problem> {
    let customer = customer(head)?;
    let content_type = only(head, "content-type")?.unwrap_or_default();
    let is_lines = is_log_lines(content_type);
    let mut known = vec!["dedup"];
    if is_lines {
        known.push("known");
        known.extend(LineParameters::NAMES);
    }
    let params = Params::of(head, &known)?;
    let dedup_by_body = match params.get("dedup") {
        None => false,
        Some("body") => true,
        Some(_) => return Err(Problem::bad_batch("dedup must be body")),
    };
    let beginning_is_known = match params.get("known") {
        None => false,
        Some("beginning") => true,
        Some(_) => return Err(Problem::bad_batch("known must be beginning")),
    };
    let (batch_id, server_made_id) = match only(head, "idempotency-key")? {
        Some(_) if dedup_by_body => {
            return Err(Problem::bad_batch("idempotency-key and dedup=body exclude each other"));
        }
        Some(key) => (batch_id(key)?, false),
        None => (BatchId::new(&random::ulid()).expect("a ULID is visible ASCII"), !dedup_by_body),
    };
    let content = if is_lines {
        let parameters = LineParameters::new(|name| params.get(name));
        Content::Lines(parameters.map_err(|error| Problem::bad_batch(error.to_string()))?)
    } else {
        Content::Json(Format::from_content_type(content_type).ok_or_else(|| {
            let known = "content-type must be application/json (an array), application/x-ndjson (one entry a line) or \
                         text/plain (log lines)";
            Problem::http(415, with_remedy(known.to_owned(), remedy::for_content_type(content_type)))
        })?)
    };
    let encoding = only(head, "content-encoding")?.unwrap_or("identity");
    let encoding = Encoding::from_name(encoding)
        .ok_or_else(|| Problem::http(415, "content-encoding must be identity, gzip or zstd"))?;
    Ok(BatchHeaders {
        customer,
        batch_id,
        server_made_id,
        dedup_by_body,
        beginning_is_known,
        content,
        encoding,
    })
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

/// Whether a content type means log lines. If it contains ndjson or jsonl, it means those.
fn is_log_lines(content_type: &str) -> bool {
    let media_type = content_type.split(';').next().unwrap_or_default();
    media_type.trim().eq_ignore_ascii_case("text/plain")
        && Format::from_content_type(content_type) != Some(Format::Ndjson)
}

/// The id of a batch that is deduplicated by its fingerprint alone.
fn body_id(fingerprint: u128) -> BatchId {
    BatchId::new(&format!("{fingerprint:032x}")).expect("hexadecimal digits are visible ASCII")
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
