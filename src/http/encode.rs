//! Answers as bytes: status line, the headers every answer has, and the body.
//!
//! Input: a [`Response`], and how to send it. Output: bytes for the socket. Never: a header value with a line end in
//! it; such a header is left out.

use super::Response;
use crate::base::clock::{UnixMs, now_ms};
use crate::time;

/// How to send an answer; depends on the request and the connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AnswerForm {
    /// The request was HEAD: the body is counted, not sent.
    pub(crate) head_only: bool,
    /// The connection closes after this answer.
    pub(crate) close: bool,
    /// The client speaks HTTP/1.0 and must be told that the connection stays open.
    pub(crate) say_keep_alive: bool,
    /// The time for the `Date` header.
    pub(crate) now: UnixMs,
}

/// Status line and headers with the empty line after them, and whether the body follows.
pub(crate) fn head(response: &Response, form: AnswerForm) -> (Vec<u8>, bool) {
    let mut out = Vec::with_capacity(256);
    let mut line = |parts: &[&str]| {
        for part in parts {
            out.extend_from_slice(part.as_bytes());
        }
        out.extend_from_slice(b"\r\n");
    };
    let status = response.status;
    line(&["HTTP/1.1 ", &status.to_string(), " ", reason(status)]);
    line(&["date: ", &time::format_http_date(form.now)]);
    for (name, value) in &response.headers {
        if value.bytes().all(|byte| byte == b'\t' || (byte >= b' ' && byte != 0x7F)) {
            line(&[name, ": ", value]);
        } else {
            log::error!("answer {status} without its header {name}: the value holds control characters");
        }
    }
    let bodyless = status < 200 || status == 204 || status == 304;
    if !bodyless {
        line(&["content-length: ", &response.body.len().to_string()]);
    }
    if form.close {
        line(&["connection: close"]);
    } else if form.say_keep_alive {
        line(&["connection: keep-alive"]);
    }
    line(&[]);
    (out, !bodyless && !form.head_only && !response.body.is_empty())
}

/// The whole answer, after which the connection closes. `head_only`: the request was HEAD.
pub(crate) fn closing(response: &Response, head_only: bool) -> Vec<u8> {
    let form = AnswerForm { head_only, close: true, say_keep_alive: false, now: now_ms() };
    let (mut answer, sends_body) = head(response, form);
    if sends_body {
        answer.extend_from_slice(&response.body);
    }
    answer
}

/// The reason phrase.
fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        202 => "Accepted",
        204 => "No Content",
        304 => "Not Modified",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        411 => "Length Required",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        417 => "Expectation Failed",
        422 => "Unprocessable Content",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "Status",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_cannot_end_its_line() {
        let response = Response::new(200, "text/plain", "x").with("x-request-id", "a\r\nset-cookie: b");
        let form = AnswerForm { head_only: false, close: true, say_keep_alive: false, now: 0 };
        let (bytes, body) = head(&response, form);
        let text = String::from_utf8(bytes).unwrap();
        assert!(
            body && !text.contains("set-cookie") && text.ends_with("connection: close\r\n\r\n"),
            "{text}"
        );
    }

    #[test]
    fn answers_without_a_body_say_no_length() {
        let form = AnswerForm { head_only: false, close: false, say_keep_alive: true, now: 0 };
        let (bytes, body) = head(&Response::new(304, "text/plain", "x"), form);
        let text = String::from_utf8(bytes).unwrap();
        assert!(
            !body && !text.contains("content-length") && text.contains("connection: keep-alive"),
            "{text}"
        );
    }
}
