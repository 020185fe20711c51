//! Rows about request lines and headers.

use super::After::{Alive, Closed};
use super::{Case, case};

/// A GET with this in place of the header lines (each with its line end).
fn get(headers: &str) -> String {
    format!("GET /healthz HTTP/1.1\r\n{headers}\r\n")
}

/// A GET with this request line.
fn line(line: &str) -> String {
    format!("{line}\r\nHost: x\r\n\r\n")
}

/// A GET with one more header line, as bytes.
fn header(bytes: &[u8]) -> Vec<u8> {
    [b"GET /healthz HTTP/1.1\r\nHost: x\r\n", bytes, b"\r\n\r\n"].concat()
}

/// A GET whose head has exactly this many bytes.
fn head_of(bytes: usize) -> String {
    let around = get("Host: x\r\nX-Pad: \r\n").len();
    get(&format!("Host: x\r\nX-Pad: {}\r\n", "p".repeat(bytes - around)))
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = request_lines();
    cases.extend(headers());
    cases.extend(limits());
    cases.extend(connections());
    cases
}

fn request_lines() -> Vec<Case> {
    let target = |target: &str| line(&format!("GET {target} HTTP/1.1"));
    vec![
        case("a plain GET", get("Host: x\r\n"), &[200], Alive),
        case("an empty line before the request", format!("\r\n{}", get("Host: x\r\n")), &[200], Alive),
        case(
            "sixteen empty lines before the request",
            format!("{}{}", "\r\n".repeat(16), get("Host: x\r\n")),
            &[200],
            Alive,
        ),
        case(
            "seventeen empty lines before the request",
            format!("{}{}", "\r\n".repeat(17), get("Host: x\r\n")),
            &[400],
            Closed,
        ),
        case(
            "empty lines between requests",
            format!("{0}\r\n\r\n\r\n{0}", get("Host: x\r\n")),
            &[200, 200],
            Alive,
        ),
        case(
            "half an empty line before the request",
            format!("\r\n\r{}", get("Host: x\r\n")),
            &[400],
            Closed,
        ),
        case("an empty LF line before the request", format!("\n{}", get("Host: x\r\n")), &[400], Closed),
        case("line ends of LF alone", "GET /healthz HTTP/1.1\nHost: x\n\n", &[400], Closed),
        case("request line ended by LF", "GET /healthz HTTP/1.1\nHost: x\r\n\r\n", &[400], Closed),
        case("request line ended by CR", "GET /healthz HTTP/1.1\rHost: x\r\n\r\n", &[400], Closed),
        case("request line ended by CR CR LF", "GET /healthz HTTP/1.1\r\r\nHost: x\r\n\r\n", &[400], Closed),
        case("CR in the target", target("/heal\rthz"), &[400], Closed),
        case("NUL in the target", target("/heal\0thz"), &[400], Closed),
        case("DEL in the target", target("/heal\x7fthz"), &[400], Closed),
        case("UTF-8 in the target", target("/h\u{e9}"), &[400], Closed),
        case("a space in the target", target("/health z"), &[400], Closed),
        case("a tab in the target", target("/heal\tthz"), &[400], Closed),
        case("a fragment in the target", target("/healthz#top"), &[400], Closed),
        case("a query in the target", target("/healthz?a=b?c"), &[200], Alive),
        case("dots in the target", target("/../../etc/passwd"), &[404], Alive),
        case("an absolute target", target("http://x/healthz"), &[200], Alive),
        case("an absolute target of another case", target("HTTP://x/healthz"), &[200], Alive),
        case("an absolute target without a host", target("http:///healthz"), &[400], Closed),
        case("an absolute target with a port", target("http://x:80/healthz"), &[200], Alive),
        case("an absolute target with a bad port", target("http://a:80x/"), &[400], Closed),
        case("an absolute target with a user", target("http://u:p@a/"), &[400], Closed),
        case("an absolute target with half an address", target("http://[::1/"), &[400], Closed),
        case("an absolute target of bad percents", target("http://%zz/"), &[400], Closed),
        case("a target of another scheme", target("ftp://x/healthz"), &[400], Closed),
        case("a target without a slash", target("healthz"), &[400], Closed),
        case("no target", "GET  HTTP/1.1\r\nHost: x\r\n\r\n", &[400], Closed),
        case("two spaces before the target", "GET  /healthz HTTP/1.1\r\nHost: x\r\n\r\n", &[400], Closed),
        case("two spaces after the target", "GET /healthz  HTTP/1.1\r\nHost: x\r\n\r\n", &[400], Closed),
        case("tabs between the parts", "GET\t/healthz\tHTTP/1.1\r\nHost: x\r\n\r\n", &[400], Closed),
        case("a space before the method", line(" GET /healthz HTTP/1.1"), &[400], Closed),
        case("a space after the version", line("GET /healthz HTTP/1.1 "), &[400], Closed),
        case("two versions", line("GET /healthz HTTP/1.1 HTTP/1.1"), &[400], Closed),
        case("CONNECT", line("CONNECT x:443 HTTP/1.1"), &[400], Closed),
        case("a method in lower case", line("get /healthz HTTP/1.1"), &[501], Alive),
        case("a method nobody knows", line("BREW /healthz HTTP/1.1"), &[501], Alive),
        case("a method with a parenthesis", line("G(T /healthz HTTP/1.1"), &[400], Closed),
        case("a method of 33 bytes", line(&format!("{} /healthz HTTP/1.1", "M".repeat(33))), &[501], Closed),
        case("no version", "GET /healthz\r\n\r\n", &[400], Closed),
        case("no version but a space", "GET /healthz \r\n\r\n", &[400], Closed),
        case("HTTP/0.9 by name", line("GET /healthz HTTP/0.9"), &[505], Closed),
        case("HTTP/1.2", line("GET /healthz HTTP/1.2"), &[200], Alive),
        case("HTTP/1.9", line("GET /healthz HTTP/1.9"), &[200], Alive),
        case("HTTP/1.2 without a host", "GET /healthz HTTP/1.2\r\n\r\n", &[400], Closed),
        case("HTTP/3.0", line("GET /healthz HTTP/3.0"), &[505], Closed),
        case("HTTP/2.0", line("GET /healthz HTTP/2.0"), &[505], Closed),
        case("the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &[505], Closed),
        case("a version in lower case", line("GET /healthz http/1.1"), &[400], Closed),
        case("a version of two digits", line("GET /healthz HTTP/1.10"), &[400], Closed),
        case("a version without a dot", line("GET /healthz HTTP/11"), &[400], Closed),
        case("another protocol", line("GET /healthz ICAP/1.0"), &[400], Closed),
        case("the start of TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(), &[400], Closed),
        case("the start of SOCKS", b"\x05\x01\x00".to_vec(), &[400], Closed),
        case("an SMTP client", "EHLO example.org\r\n", &[400], Closed),
        case("random bytes", b"\xde\xad\xbe\xef\xff\xfe\x00\x01".to_vec(), &[400], Closed),
    ]
}

fn headers() -> Vec<Case> {
    vec![
        case("no host", get(""), &[400], Closed),
        case("two hosts", get("Host: x\r\nHost: y\r\n"), &[400], Closed),
        case("the same host twice", get("Host: x\r\nhost: x\r\n"), &[400], Closed),
        case("an empty host", get("Host:\r\n"), &[400], Closed),
        case("an empty host in HTTP/1.0", "GET /healthz HTTP/1.0\r\nHost:\r\n\r\n", &[400], Closed),
        case("only a port for a host", get("Host: :80\r\n"), &[400], Closed),
        case("a host with a bad port", get("Host: a:8x\r\n"), &[400], Closed),
        case("a host with two ports", get("Host: a:80:80\r\n"), &[400], Closed),
        case("a host that is half an address", get("Host: [::1\r\n"), &[400], Closed),
        case("a host that is a bare IPv6 address", get("Host: ::1\r\n"), &[400], Closed),
        case("a host of bad percents", get("Host: %zz\r\n"), &[400], Closed),
        case("a host of good percents", get("Host: %41%2d.example\r\n"), &[200], Alive),
        case("a host with an empty port", get("Host: a:\r\n"), &[200], Alive),
        case("a host of UTF-8", get("Host: \u{e9}.example\r\n"), &[400], Closed),
        case("a host with a port", get("Host: example.org:8080\r\n"), &[200], Alive),
        case("an IPv6 host", get("Host: [::1]:8080\r\n"), &[200], Alive),
        case("a host with a space", get("Host: x y\r\n"), &[400], Closed),
        case("a host with a path", get("Host: x/y\r\n"), &[400], Closed),
        case("a host with a user", get("Host: a@x\r\n"), &[400], Closed),
        case("two hosts in one header", get("Host: x, y\r\n"), &[400], Closed),
        case("a space before the colon", header(b"X-A : b"), &[400], Closed),
        case("a tab before the colon", header(b"X-A\t: b"), &[400], Closed),
        case("a header folded with a space", header(b"X-A: b\r\n c"), &[400], Closed),
        case("a header folded with a tab", header(b"X-A: b\r\n\tc"), &[400], Closed),
        case("the first header folded", get(" Host: x\r\n"), &[400], Closed),
        case("a header without a colon", header(b"X-A b"), &[400], Closed),
        case("a header without a name", header(b": b"), &[400], Closed),
        case("a space in a header name", header(b"X A: b"), &[400], Closed),
        case("a header name of UTF-8", header("X-\u{e9}: b".as_bytes()), &[400], Closed),
        case("a header name with a slash", header(b"X/A: b"), &[400], Closed),
        case("NUL in a header name", header(b"X-\0A: b"), &[400], Closed),
        case("NUL in a header value", header(b"X-A: b\0c"), &[400], Closed),
        case("NUL after a header value", header(b"X-A: b\0"), &[400], Closed),
        case("CR in a header value", header(b"X-A: b\rc"), &[400], Closed),
        case("LF in a header value", header(b"X-A: b\nX-B: c"), &[400], Closed),
        case("LF before the empty line", get("Host: x\r\nX-A: b\n"), &[400], Closed),
        case("an empty line of LF", "GET /healthz HTTP/1.1\r\nHost: x\r\n\n", &[400], Closed),
        case("an empty line of CR", "GET /healthz HTTP/1.1\r\nHost: x\r\n\rX", &[400], Closed),
        case("a control byte in a header value", header(b"X-A: b\x01c"), &[400], Closed),
        case("DEL in a header value", header(b"X-A: b\x7fc"), &[400], Closed),
        case("a vertical tab in a header value", header(b"X-A: \x0bb"), &[400], Closed),
        case("a tab in a header value", header(b"X-A: b\tc"), &[200], Alive),
        case("a header value that is not UTF-8", header(b"X-A: \xff\xfe"), &[200], Alive),
        case("a header value of UTF-8", header("X-A: \u{e9}".as_bytes()), &[200], Alive),
        case("an empty header value", header(b"X-A:"), &[200], Alive),
        case("an odd but legal header name", header(b"!#$%&'*+-.^_`|~: b"), &[200], Alive),
    ]
}

fn limits() -> Vec<Case> {
    let many = |count: usize| get(&format!("Host: x\r\n{}", "X-A: b\r\n".repeat(count - 1)));
    let target = |bytes: usize| line(&format!("GET /{} HTTP/1.1", "t".repeat(bytes - 1)));
    vec![
        case("a hundred headers", many(100), &[200], Alive),
        case("a hundred and one headers", many(101), &[431], Closed),
        case("ten thousand headers", many(10_000), &[431], Closed),
        case(
            "a header flood without end",
            format!("GET /healthz HTTP/1.1\r\n{}", "A: b\r\n".repeat(150_000)),
            &[431],
            Closed,
        ),
        case("a head as long as allowed", head_of(16 * 1024), &[200], Alive),
        case("a head one byte too long", head_of(16 * 1024 + 1), &[431], Closed),
        case("a header of a megabyte", head_of(1024 * 1024), &[431], Closed),
        case(
            "a header name of a megabyte",
            format!("GET /healthz HTTP/1.1\r\n{}", "N".repeat(1 << 20)),
            &[431],
            Closed,
        ),
        case("a target as long as allowed", target(8 * 1024), &[404], Alive),
        case("a target one byte too long", target(8 * 1024 + 1), &[414], Closed),
        case("a target of a megabyte", target(1024 * 1024), &[414], Closed),
        case("a target without end", format!("GET /{}", "t".repeat(1 << 20)), &[414], Closed),
        case("a method without end", "M".repeat(1 << 20), &[501], Closed),
        case("three megabytes of NUL", vec![0; 3 << 20], &[400], Closed),
    ]
}

fn connections() -> Vec<Case> {
    let get = |more: &str| get(&format!("Host: x\r\n{more}"));
    let old = |more: &str| format!("GET /healthz HTTP/1.0\r\n{more}\r\n");
    let plain = get("");
    vec![
        case("connection: close", get("Connection: close\r\n"), &[200], Closed),
        case("connection: Close", get("Connection: Close\r\n"), &[200], Closed),
        case("close among others", get("Connection: keep-alive, close\r\n"), &[200], Closed),
        case(
            "close in a second header",
            get("Connection: keep-alive\r\nConnection: close\r\n"),
            &[200],
            Closed,
        ),
        case("a request after close", get("Connection: close\r\n") + &plain, &[200], Closed),
        case("an upgrade nobody wants", get("Connection: upgrade\r\nUpgrade: h2c\r\n"), &[200], Alive),
        case("HTTP/1.0", old(""), &[200], Closed),
        case("HTTP/1.0 with a host", old("Host: x\r\n"), &[200], Closed),
        case("HTTP/1.0 with two hosts", old("Host: x\r\nHost: x\r\n"), &[400], Closed),
        case("HTTP/1.0 that wants to go on", old("Connection: keep-alive\r\n"), &[200], Alive),
        case("HTTP/1.0 that wants both", old("Connection: keep-alive, close\r\n"), &[200], Closed),
        case("ten requests at once", plain.repeat(10), &[200; 10], Alive),
        case("a thousand requests at once", plain.repeat(1_000), &[200; 1_000], Alive),
        case("requests and then the end", plain.repeat(3), &[200; 3], Closed).then_half_close(),
        case("one request and then the end", plain.as_str(), &[200], Closed).then_half_close(),
        case("nothing and then the end", "", &[], Closed).then_half_close(),
        case("an empty line and then the end", "\r\n", &[], Closed).then_half_close(),
        case("half a request line and then the end", "GET /hea", &[400], Closed).then_half_close(),
        case("half a head and then the end", "GET /healthz HTTP/1.1\r\nHost: x\r\n", &[400], Closed)
            .then_half_close(),
        case(
            "a good request, a bad one and a good one",
            format!("{plain}BAD\r\n\r\n{plain}"),
            &[200, 400],
            Closed,
        ),
        case(
            "good requests behind an unknown path",
            format!("{}{plain}", line("GET /no HTTP/1.1")),
            &[404, 200],
            Alive,
        ),
    ]
}
