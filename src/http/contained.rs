//! The handler, with its panics contained: one request's bug is one request's 500.
//!
//! In: a handler and what it is asked. Out: always an answer. Used by both front ends.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::stats::{ConnectionStats, count};
use super::{Handler, Head, Request, Response};

/// The handler's answer; where it panics, its refusal with 500, and the connection closes.
pub(crate) fn handle(handler: &dyn Handler, stats: &ConnectionStats, request: Request<'_>) -> Response {
    let head = request.head;
    catch_unwind(AssertUnwindSafe(|| handler.handle(request))).unwrap_or_else(|_| {
        count(&stats.handler_panics_total);
        let mut response = refuse(handler, stats, Some(head), 500, "the request met a bug in the server");
        response.close = true;
        response
    })
}

/// The handler's words for a refusal; bare ones where it panics over that too.
pub(crate) fn refuse(
    handler: &dyn Handler,
    stats: &ConnectionStats,
    head: Option<&Head>,
    status: u16,
    description: &str,
) -> Response {
    catch_unwind(AssertUnwindSafe(|| handler.refuse(head, status, description))).unwrap_or_else(|_| {
        count(&stats.handler_panics_total);
        Response::new(status, "text/plain", description)
    })
}
