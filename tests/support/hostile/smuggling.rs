//! Rows about requests hidden in requests. Each hides a batch, so that one that got through would be counted.

use super::After::{Alive, Closed};
use super::{Case, case};
use crate::support::raw::{batch, post, post_start};

/// A batch with these framing headers (each with its line end) and this body.
fn framed(headers: &str, body: &str) -> String {
    format!("{}{headers}\r\n{body}", post_start())
}

pub(super) fn cases() -> Vec<Case> {
    let hidden = post("", &batch(1));
    let mut cases = transfer_codings(&hidden);
    cases.extend(disagreements(&hidden));
    cases
}

/// A chunked batch whose transfer coding is written in an odd way, with a batch hidden behind it.
fn transfer_codings(hidden: &str) -> Vec<Case> {
    let body = batch(1);
    let chunked = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let coding = |lines: &str| framed(&format!("{lines}\r\n"), &format!("{chunked}{hidden}"));
    let te = |value: &str| coding(&format!("Transfer-Encoding: {value}"));
    let refused = |name, bytes: String| case(name, bytes, &[400], Closed);
    let unknown = |name, bytes: String| case(name, bytes, &[501], Closed);
    vec![
        case("chunked", te("chunked"), &[202, 202], Alive),
        case("chunked in capitals", te("CHUNKED"), &[202, 202], Alive),
        case("chunked between tabs", te("\tchunked\t"), &[202, 202], Alive),
        case("chunked under a header in capitals", coding("TRANSFER-ENCODING: chunked"), &[202, 202], Alive),
        refused("chunked twice", te("chunked, chunked")),
        refused("chunked in two headers", coding("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked")),
        unknown(
            "chunked and identity in two headers",
            coding("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity"),
        ),
        unknown("identity", te("identity")),
        unknown("identity before chunked", te("identity, chunked")),
        unknown("gzip before chunked", te("gzip, chunked")),
        unknown("gzip after chunked", te("chunked, gzip")),
        unknown("gzip alone", te("gzip")),
        refused("no coding", te("")),
        refused("a comma before chunked", te(", chunked")),
        refused("a comma after chunked", te("chunked,")),
        refused("a parameter", te("chunked;q=1")),
        refused("quotes", te("\"chunked\"")),
        refused("chunked in two words", te("chunk ed")),
        refused("a vertical tab before chunked", te("\x0bchunked")),
        refused("NUL after chunked", te("chunked\0")),
        refused("chunked folded", te("\r\n chunked")),
        refused("chunked after CR", te("\rchunked")),
        refused("chunked after LF in another header", coding("X-A: b\nTransfer-Encoding: chunked")),
        refused("a space before the colon of the coding", coding("Transfer-Encoding : chunked")),
        refused("a space before the coding's header", coding("X-A: b\r\n Transfer-Encoding: chunked")),
        refused("a line end before the colon", coding("Transfer-Encoding\r\n: chunked")),
        refused("a control byte in the coding's name", coding("\x0bTransfer-Encoding: chunked")),
        refused("chunked in HTTP/1.0", te("chunked").replacen("HTTP/1.1", "HTTP/1.0", 1)),
        unknown("an unknown coding", te("xchunked")),
        unknown("an unknown coding before chunked", te("cow, chunked")),
        unknown("an unknown coding after chunked", te("chunked, cow")),
        unknown("a coding of one letter", te("x")),
        case("a coding with underscores", coding("Transfer_Encoding: chunked"), &[411], Closed),
    ]
}

/// Two ways to read where a body ends.
fn disagreements(hidden: &str) -> Vec<Case> {
    let body = batch(1);
    let n = body.len();
    let refused = |name, bytes: String| case(name, bytes, &[400], Closed);
    let both = |headers: &str, body: &str| framed(headers, body);
    let empty = "0\r\n\r\n";
    vec![
        refused(
            "length and then chunks",
            both("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", &format!("{empty}{hidden}")),
        ),
        refused(
            "chunks and then a length",
            both("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", &format!("{empty}{hidden}")),
        ),
        refused(
            "a length that covers the hidden batch",
            both(
                &format!("Transfer-Encoding: chunked\r\nContent-Length: {}\r\n", empty.len() + hidden.len()),
                &format!("{empty}{hidden}"),
            ),
        ),
        refused(
            "a length of zero and chunks",
            both("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", &format!("{empty}{hidden}")),
        ),
        refused(
            "a length and an unknown coding",
            both("Content-Length: 0\r\nTransfer-Encoding: cow\r\n", hidden),
        ),
        refused(
            "two lengths, the first covers the hidden batch",
            both(&format!("Content-Length: {}\r\nContent-Length: 0\r\n", hidden.len()), hidden),
        ),
        refused(
            "two lengths, the last covers the hidden batch",
            both(&format!("Content-Length: 0\r\nContent-Length: {}\r\n", hidden.len()), hidden),
        ),
        refused(
            "a length before a bad header",
            both(&format!("Content-Length: {n}\r\nX A: b\r\n"), &format!("{body}{hidden}")),
        ),
        refused(
            "a length with a space before its colon",
            both(&format!("Content-Length : {n}\r\n"), &format!("{body}{hidden}")),
        ),
        refused(
            "a length after LF in another header",
            both(&format!("X-A: b\nContent-Length: {n}\r\n"), &format!("{body}{hidden}")),
        ),
        refused("a folded length", both(&format!("Content-Length:\r\n {n}\r\n"), &format!("{body}{hidden}"))),
        case(
            "a batch in the body of a GET",
            format!("GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{hidden}", hidden.len()),
            &[200],
            Alive,
        ),
        case(
            "a batch in the body of a refused batch",
            post("", hidden).replacen("X-Customer-Id", "X-Other", 1),
            &[400],
            Alive,
        ),
        case("a batch in the body of a batch", post("", hidden), &[400], Alive),
        case(
            "a batch in a chunk",
            framed("Transfer-Encoding: chunked\r\n", &format!("{:x}\r\n{hidden}\r\n{empty}", hidden.len())),
            &[400],
            Alive,
        ),
        case(
            "a batch in a chunk extension",
            framed("Transfer-Encoding: chunked\r\n", &format!("1;{}\r\n", hidden.replace("\r\n", "\n"))),
            &[400],
            Closed,
        ),
        case("a batch behind 417", format!("{}{hidden}", post("Expect: cow\r\n", &body)), &[417], Closed),
        case(
            "a batch behind 413",
            format!("{}{hidden}", framed("Content-Length: 99999999\r\n", "")),
            &[413],
            Closed,
        ),
        case("a batch behind 411", format!("{}{hidden}", framed("", "")), &[411], Closed),
        case("a batch behind 505", format!("GET / HTTP/3.0\r\nHost: x\r\n\r\n{hidden}"), &[505], Closed),
        case(
            "a batch behind a GET without length",
            format!("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n{hidden}"),
            &[200, 202],
            Alive,
        ),
    ]
}
