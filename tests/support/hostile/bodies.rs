//! Rows about bodies: lengths, chunks, expectations.

use super::After::{Alive, Closed};
use super::{Case, case};
use crate::support::raw::{batch, post, post_start};

/// A GET that can stand behind anything.
const GET: &str = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";

/// A batch with this `Content-Length` value.
fn length(value: &str) -> String {
    format!("{}Content-Length: {value}\r\n\r\n{}", post_start(), batch(1))
}

/// A chunked batch with these bytes for a body.
fn raw_chunks(bytes: &str) -> String {
    format!("{}Transfer-Encoding: chunked\r\n\r\n{bytes}", post_start())
}

/// A chunked batch: its size line made by `size`, then the data, then `end`.
fn chunks(size: impl Fn(usize) -> String, end: &str) -> String {
    let body = batch(1);
    raw_chunks(&format!("{}\r\n{body}\r\n{end}", size(body.len())))
}

fn hex(bytes: usize) -> String {
    format!("{bytes:x}")
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = lengths();
    cases.extend(good_chunks());
    cases.extend(bad_chunks());
    cases.extend(expectations());
    cases
}

fn lengths() -> Vec<Case> {
    let body = batch(1);
    let n = body.len();
    let get = |bytes: usize, sent: usize| {
        format!("GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: {bytes}\r\n\r\n{}", "b".repeat(sent))
    };
    vec![
        case("a batch", post("", &body), &[202], Alive),
        case("a batch in HTTP/1.0", post("", &body).replace("HTTP/1.1", "HTTP/1.0"), &[202], Closed),
        case("white space around the length", length(&format!(" \t{n}\t ")), &[202], Alive),
        case("leading zeros in the length", length(&format!("000{n}")), &[202], Alive),
        case("an empty length", length(""), &[400], Closed),
        case("a length with a plus", length(&format!("+{n}")), &[400], Closed),
        case("a negative length", length("-1"), &[400], Closed),
        case("a hexadecimal length", length(&format!("0x{n:x}")), &[400], Closed),
        case("a decimal fraction as length", length(&format!("{n}.0")), &[400], Closed),
        case("a length with an exponent", length("1e2"), &[400], Closed),
        case("a length with a space in it", length("1 02"), &[400], Closed),
        case("a length of other digits", length("\u{661}\u{660}\u{662}"), &[400], Closed),
        case("a listed length", length(&format!("{n}, {n}")), &[400], Closed),
        case("a length with a comma", length(&format!("{n},")), &[400], Closed),
        case("a quoted length", length(&format!("\"{n}\"")), &[400], Closed),
        case("a length with NUL", length(&format!("{n}\0")), &[400], Closed),
        case("the same length twice", post(&format!("Content-Length: {n}\r\n"), &body), &[400], Closed),
        case("two lengths", post("Content-Length: 0\r\n", &body), &[400], Closed),
        case("a length of 64 TiB", length("70368744177664"), &[413], Closed),
        case("a length of 2 MiB and a byte", length("2097153"), &[413], Closed),
        case("a length of 2^63", length("9223372036854775808"), &[413], Closed),
        case("a length of 2^64 - 1", length("18446744073709551615"), &[413], Closed),
        case("a length of 2^64 and a batch", length("18446744073709551616"), &[413], Closed),
        case("a length of two thousand digits", length(&"9".repeat(2_000)), &[413], Closed),
        case("no length", format!("{}\r\n", post_start()), &[411], Closed),
        case("no length but a body", format!("{}\r\n{body}", post_start()), &[411], Closed),
        case(
            "a length with underscores",
            format!("{}Content_Length: {n}\r\n\r\n", post_start()),
            &[411],
            Closed,
        ),
        case("an empty body", post("", ""), &[400], Alive),
        case("a body cut short", &post("", &body)[..post("", &body).len() - 5], &[400], Closed)
            .then_half_close(),
        case(
            "a body that never begins",
            format!("{}Content-Length: 5\r\n\r\n", post_start()),
            &[400],
            Closed,
        )
        .then_half_close(),
        case("a body and then the end", post("", &body), &[202], Closed).then_half_close(),
        case("batches at once", post("", &body).repeat(20), &[202; 20], Alive),
        case("a GET with a body", get(5, 5), &[200], Alive),
        case("a GET with a large body", get(64 * 1024, 64 * 1024), &[200], Alive),
        case("a GET with a body too large to skip", get(300_000, 300_000), &[200], Closed),
        case("a GET that announces 64 TiB", get(70_368_744_177_664, 10), &[200], Closed),
        case("a GET whose body is cut short", get(500, 5), &[200], Closed).then_half_close(),
        case(
            "a batch without a customer",
            post("", &body).replace("X-Customer-Id", "X-Other"),
            &[400],
            Alive,
        ),
        case(
            "a batch of another type",
            post("", &body).replace("application/json", "text/csv"),
            &[415],
            Alive,
        ),
        case("a batch of two customers", post("X-Customer-Id: d\r\n", &body), &[400], Alive),
        case("something else than a batch", post("", "{\"a\":1}"), &[400], Alive),
        case("a batch to the wrong path", post("", &body).replace("/logs", "/log"), &[404], Alive),
    ]
}

fn good_chunks() -> Vec<Case> {
    let body = batch(1);
    let dribble: String = body.chars().map(|byte| format!("1\r\n{byte}\r\n")).collect();
    let end = "0\r\n\r\n";
    vec![
        case("a chunk", chunks(hex, end), &[202], Alive),
        case("a chunk and a request behind it", chunks(hex, end) + GET, &[202, 200], Alive),
        case("chunked batches at once", chunks(hex, end).repeat(20), &[202; 20], Alive),
        case("chunks of one byte", raw_chunks(&format!("{dribble}{end}")), &[202], Alive),
        case("a size in capitals", chunks(|n| format!("{n:X}"), end), &[202], Alive),
        case("a size with zeros before it", chunks(|n| format!("{n:0>40x}"), end), &[202], Alive),
        case("a last chunk of many zeros", chunks(hex, "00000000000000000000\r\n\r\n"), &[202], Alive),
        case("an extension", chunks(|n| format!("{n:x};a=b"), end), &[202], Alive),
        case("a quoted extension", chunks(|n| format!("{n:x};a=\"b;c\""), end), &[202], Alive),
        case(
            "an extension with white space and a quoted pair",
            chunks(|n| format!("{n:x} ; a = \"\\\"\""), end),
            &[202],
            Alive,
        ),
        case("a trailer without a value", chunks(hex, "0\r\nX-A:\r\n\r\n"), &[202], Alive),
        case("white space before an extension", chunks(|n| format!("{n:x} \t;a"), end), &[202], Alive),
        case("an extension on the last chunk", chunks(hex, "0;a=b\r\n\r\n"), &[202], Alive),
        case("trailers", chunks(hex, "0\r\nX-A: b\r\nX-B: c\r\n\r\n"), &[202], Alive),
        case(
            "a trailer that frames",
            chunks(hex, "0\r\nContent-Length: 9999\r\n\r\n") + GET,
            &[202, 200],
            Alive,
        ),
        case("an empty chunked body", raw_chunks(end), &[400], Alive),
        case("a chunked body and then the end", chunks(hex, end), &[202], Closed).then_half_close(),
    ]
}

fn bad_chunks() -> Vec<Case> {
    let body = batch(1);
    let bad = |name, bytes: String| case(name, bytes, &[400], Closed);
    let sized = |size: &str| chunks(|_| size.to_owned(), "0\r\n\r\n");
    let n = body.len();
    vec![
        bad("a size with 0x", sized(&format!("0x{n:x}"))),
        bad("a size with a plus", sized(&format!("+{n:x}"))),
        bad("a negative size", sized("-1")),
        bad("a size after a space", sized(&format!(" {n:x}"))),
        bad("a size before a space", sized(&format!("{n:x} "))),
        bad("a size of other letters", sized("xyz")),
        bad("a size with an underscore", sized("5_9")),
        bad("no size", sized("")),
        bad("only an extension", sized(";a=b")),
        bad("a size line ended by LF", raw_chunks(&format!("{n:x}\n{body}\r\n0\r\n\r\n"))),
        bad("a size line ended by CR", raw_chunks(&format!("{n:x}\r{body}\r\n0\r\n\r\n"))),
        bad("data without a line end", raw_chunks(&format!("{n:x}\r\n{body}0\r\n\r\n"))),
        bad("data ended by LF", raw_chunks(&format!("{n:x}\r\n{body}\n0\r\n\r\n"))),
        bad("data longer than its size", raw_chunks(&format!("{:x}\r\n{body}\r\n0\r\n\r\n", n - 1))),
        bad("data shorter than its size", raw_chunks(&format!("{:x}\r\n{body}\r\n0\r\n\r\n", n + 1))),
        bad("LF in an extension", sized(&format!("{n:x};a\nb"))),
        bad("CR in an extension", sized(&format!("{n:x};a\rb"))),
        bad("NUL in an extension", sized(&format!("{n:x};a\0b"))),
        bad("an extension of 8 KiB", sized(&format!("{n:x};{}", "e".repeat(8 * 1024)))),
        bad("8 KiB of zeros as size", sized(&"0".repeat(8 * 1024))),
        bad("a trailer ended by LF", chunks(hex, "0\r\nX-A: b\n\r\n")),
        bad("a trailer with NUL", chunks(hex, "0\r\nX-A: \0\r\n\r\n")),
        bad("a folded trailer", chunks(hex, "0\r\n X-A: b\r\n\r\n")),
        bad("a trailer with a space before the colon", chunks(hex, "0\r\nX : a\r\n\r\n")),
        bad("a trailer without a name", chunks(hex, "0\r\n:\r\n\r\n")),
        bad("a trailer without a colon", chunks(hex, "0\r\nX-A\r\n\r\n")),
        bad("a request for a trailer", chunks(hex, "0\r\nGET /secret HTTP/1.1\r\n\r\n")),
        bad("a trailer name of UTF-8", chunks(hex, "0\r\nX-\u{e9}: a\r\n\r\n")),
        bad("an extension without a name", sized(&format!("{n:x};=b"))),
        bad("an extension of nothing", sized(&format!("{n:x};"))),
        bad("an extension of two words", sized(&format!("{n:x};a b"))),
        bad("an extension with an open quote", sized(&format!("{n:x};a=\"b"))),
        bad("the empty line as LF", chunks(hex, "0\r\n\n")),
        bad("trailers of a megabyte", chunks(hex, &format!("0\r\n{}\r\n", "X-A: b\r\n".repeat(120_000)))),
        bad(
            "far more framing than data",
            raw_chunks(&format!("1;{}\r\n[\r\n", "e".repeat(3_000)).repeat(100)),
        ),
        case("a chunk above the limit", sized("200001"), &[413], Closed),
        case("a chunk of 2^64 - 1", sized("ffffffffffffffff"), &[413], Closed),
        case("a chunk of 2^64 and a batch", sized(&format!("1{n:016x}")), &[413], Closed),
        case("a chunk size of a thousand digits", sized(&"f".repeat(1_000)), &[413], Closed),
        bad("a chunk cut short", raw_chunks(&format!("{n:x}\r\n{}", &body[..9]))).then_half_close(),
        bad("a size cut short", raw_chunks("5")).then_half_close(),
        bad("no last chunk", raw_chunks(&format!("{n:x}\r\n{body}\r\n"))).then_half_close(),
        bad("no empty line after the last chunk", chunks(hex, "0\r\n")).then_half_close(),
        case(
            "a GET with chunks",
            "GET /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
            &[200],
            Closed,
        ),
    ]
}

fn expectations() -> Vec<Case> {
    let body = batch(1);
    let expect = |value: &str| post(&format!("Expect: {value}\r\n"), &body);
    vec![
        case("an expectation whose body comes at once", expect("100-continue"), &[202], Alive).in_one_piece(),
        case("an expectation in another case", expect("100-Continue"), &[202], Alive).in_one_piece(),
        case(
            "an expectation in HTTP/1.0",
            expect("100-continue").replace("HTTP/1.1", "HTTP/1.0"),
            &[202],
            Closed,
        ),
        case(
            "an expectation of a batch too large",
            format!("{}Content-Length: 2097153\r\nExpect: 100-continue\r\n\r\n", post_start()),
            &[413],
            Closed,
        ),
        case(
            "an expectation and the end",
            format!("{}Content-Length: 5\r\nExpect: 100-continue\r\n\r\n", post_start()),
            &[100, 400],
            Closed,
        )
        .then_half_close(),
        case(
            "an expectation of chunks and the end",
            format!("{}Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n", post_start()),
            &[100, 400],
            Closed,
        )
        .then_half_close(),
        case(
            "an expectation without a body",
            "GET /healthz HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\r\n",
            &[200],
            Alive,
        ),
        case(
            "an expectation where no body is wanted",
            expect("100-continue").replace("POST", "PUT"),
            &[405],
            Alive,
        )
        .in_one_piece(),
        case("another expectation", expect("200-ok"), &[417], Closed),
        case("an empty expectation", expect(""), &[417], Closed),
        case("two expectations", expect("100-continue\r\nExpect: 100-continue"), &[417], Closed),
        case("an expectation in a list", expect("100-continue, x"), &[417], Closed),
    ]
}
