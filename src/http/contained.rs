//! Calls the handler and contains its panics: a bug that one request meets is a 500 for that request.
//!
//! Input: a handler and a request. Output: an answer. Never: a panic. Used by both front ends.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::stats::{ConnectionStats, count};
use super::{Handler, Head, Request, Response};

/// The handler's answer; 500 if it panics, and then the connection closes.
pub(crate) fn handle(handler: &dyn Handler, stats: &ConnectionStats, request: Request<'_>) -> Response {
    let head = request.head;
    catch_unwind(AssertUnwindSafe(|| handler.handle(request))).unwrap_or_else(|_| {
        count(&stats.handler_panics_total);
        let mut response =
            refuse(handler, stats, Some(head), 500, "internal error while handling the request");
        response.close = true;
        response
    })
}

/// The handler's answer to a refused request; plain text if the handler panics.
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
