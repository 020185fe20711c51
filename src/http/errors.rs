//! Error answers: one shape for all of them, and what each code means.
//!
//! `{"requestId","errorCategory","errorCode","errorDescription"}`, plus `batchId` where the batch is known, and the
//! numbers of log lines that were counted before.

use std::borrow::Cow;

use serde::Serialize;

use super::Response;
use super::counted::RepeatedNumbers;
use crate::model::BatchId;

/// An error answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub status: u16,
    /// `ING_…`, `SYS_…`, `QUO_…` or `HTTP_<status>`.
    pub code: Cow<'static, str>,
    pub description: Cow<'static, str>,
    /// Seconds that the client should wait before it tries again; only in a 429 and a 503.
    pub retry_after_seconds: Option<u64>,
}

/// Seconds a client should wait after a 503.
const UNAVAILABLE_SECONDS: u64 = 1;

impl Problem {
    /// 400: the batch or its headers are invalid.
    pub fn bad_batch(description: impl Into<Cow<'static, str>>) -> Self {
        Self::new(400, "ING_1000", description)
    }

    /// 409: the batch was counted before.
    pub fn duplicate() -> Self {
        Self::new(409, "ING_1001", "this batch was counted already")
    }

    /// 422: another batch was counted under the same key.
    pub fn conflict() -> Self {
        Self::new(422, "ING_1002", "another batch was counted under this idempotency key")
    }

    /// 503: try again later.
    pub fn unavailable(description: impl Into<Cow<'static, str>>) -> Self {
        Self { retry_after_seconds: Some(UNAVAILABLE_SECONDS), ..Self::new(503, "SYS_9002", description) }
    }

    /// 429: the customer sends more entries than its rate.
    pub fn over_rate(entries_per_second: u64, retry_after_seconds: u64) -> Self {
        let description = format!(
            "the customer is over its rate of {entries_per_second} entries a second: try again in \
             {retry_after_seconds} s"
        );
        Self { retry_after_seconds: Some(retry_after_seconds), ..Self::new(429, "QUO_1000", description) }
    }

    fn new(
        status: u16,
        code: impl Into<Cow<'static, str>>,
        description: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { status, code: code.into(), description: description.into(), retry_after_seconds: None }
    }

    /// 500: a bug in the server.
    pub fn internal() -> Self {
        Self::new(500, "SYS_9000", "internal error; see the server's log")
    }

    /// The error code follows from the status.
    pub fn http(status: u16, description: impl Into<Cow<'static, str>>) -> Self {
        match status {
            400 => Self::bad_batch(description),
            500 => Self::internal(),
            503 => Self::unavailable(description),
            _ => Self::new(status, format!("HTTP_{status}"), description),
        }
    }

    fn category(&self) -> &'static str {
        match self.status {
            401 => "unauthenticated",
            409 | 422 => "resource_conflict",
            429 | 503 => "unavailable",
            500 => "internal",
            _ => "invalid_argument",
        }
    }

    /// The answer; `numbers` are those that a 409 of log lines repeats.
    pub(crate) fn response(
        &self,
        request_id: &str,
        batch_id: Option<&BatchId>,
        numbers: Option<&RepeatedNumbers>,
    ) -> Response {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct ErrorBody<'a> {
            request_id: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            batch_id: Option<&'a str>,
            error_category: &'a str,
            error_code: &'a str,
            error_description: &'a str,
            #[serde(flatten)]
            numbers: Option<&'a RepeatedNumbers>,
        }
        let body = ErrorBody {
            request_id,
            batch_id: batch_id.map(BatchId::as_str),
            error_category: self.category(),
            error_code: &self.code,
            error_description: &self.description,
            numbers,
        };
        let body = serde_json::to_vec(&body).expect("plain strings are written into memory");
        let mut response = Response::new(self.status, "application/json", body);
        if let Some(seconds) = self.retry_after_seconds {
            response = response.with("retry-after", seconds.to_string());
        }
        if self.status == 409 {
            response = response.with("idempotent-replayed", "true");
        }
        if self.status == 415 {
            response = response.with("accept-encoding", "gzip, zstd");
        }
        if self.status == 401 {
            response = response.with("www-authenticate", "Bearer");
        }
        response
    }
}
