//! Error answers: one shape for all of them, and what each code means.
//!
//! `{"requestId","errorCategory","errorCode","errorDescription"}`, plus `batchId` where the batch is known, and the numbers of log lines
//! that were counted before.

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
}

/// Seconds a client should wait after a 503.
pub(crate) const RETRY_AFTER_SECONDS: &str = "1";

impl Problem {
    /// 400: the batch or its headers are invalid.
    pub fn bad_batch(description: impl Into<Cow<'static, str>>) -> Self {
        Self { status: 400, code: "ING_1000".into(), description: description.into() }
    }

    /// 409: the batch was counted before.
    pub fn duplicate() -> Self {
        Self { status: 409, code: "ING_1001".into(), description: "this batch was counted already".into() }
    }

    /// 422: another batch was counted under the same key.
    pub fn conflict() -> Self {
        let description = "another batch was counted under this idempotency key";
        Self { status: 422, code: "ING_1002".into(), description: description.into() }
    }

    /// 503: try again later.
    pub fn unavailable(description: impl Into<Cow<'static, str>>) -> Self {
        Self { status: 503, code: "SYS_9002".into(), description: description.into() }
    }

    /// 500: a bug in the server.
    pub fn internal() -> Self {
        Self {
            status: 500,
            code: "SYS_9000".into(),
            description: "internal error; see the server's log".into(),
        }
    }

    /// The error code follows from the status.
    pub fn http(status: u16, description: impl Into<Cow<'static, str>>) -> Self {
        match status {
            400 => Self::bad_batch(description),
            500 => Self::internal(),
            503 => Self::unavailable(description),
            _ => Self { status, code: format!("HTTP_{status}").into(), description: description.into() },
        }
    }

    fn category(&self) -> &'static str {
        match self.status {
            401 => "unauthenticated",
            409 | 422 => "resource_conflict",
            503 => "unavailable",
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
        if self.status == 503 {
            response = response.with("retry-after", RETRY_AFTER_SECONDS);
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
