//! The request reader under any bytes, cut in any way: it never panics, and how the network cuts a stream into reads
//! never changes what is understood.
//!
//! The seeds in `data/fuzz/request/` are whole client streams, hostile ones included; every input that ever failed
//! belongs there. They are replayed, cut and mutated here on stable Rust; the same function is what the
//! coverage-guided fuzzer in `tests/fuzz/` calls.

#[path = "../fuzz/checks/request.rs"]
mod request;

use proptest::prelude::*;
use request::{LIMIT_BYTES, check, understood};

use crate::support::properties::cases;

fn seeds() -> Vec<(String, Vec<u8>)> {
    crate::seeds::seeds("request")
}

#[test]
fn every_seed_is_understood_alike_however_it_is_cut() {
    let seeds = seeds();
    for (name, bytes) in seeds {
        check(&bytes);
        let whole = understood(&bytes, &[usize::MAX]);
        for portion in [1, 2, 3, 7, 64, 1000] {
            assert_eq!(understood(&bytes, &[portion]), whole, "{name} in reads of {portion}");
        }
        for cut in 1..bytes.len().min(400) {
            assert_eq!(understood(&bytes, &[cut, usize::MAX]), whole, "{name} cut at {cut}");
        }
    }
}

/// Pieces that requests are made of, right and wrong.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    const PIECES: [&str; 44] = [
        "GET / HTTP/1.1\r\n",
        "POST /logs HTTP/1.1\r\n",
        "POST /logs?a=b HTTP/1.0\r\n",
        "Host: x\r\n",
        "\r\n",
        "\r",
        "\n",
        "Content-Length: 5\r\n",
        "Content-Length: 0\r\n",
        "Content-Length: 1001\r\n",
        "Content-Length: \r\n",
        "12345",
        "Transfer-Encoding: chunked\r\n",
        "Transfer-Encoding: gzip\r\n",
        "Transfer-Encoding: x\r\n",
        "Expect: 100-continue\r\n",
        "Connection: close\r\n",
        "X-A: b\r\n",
        " folded\r\n",
        "X : y\r\n",
        "5\r\nabcde\r\n",
        "0\r\n\r\n",
        "0\r\n",
        "5;x=y\r\n",
        "3e8\r\n",
        "3e9\r\n",
        "ffffffffffffffff\r\n",
        "A: b\r\n\r\n",
        "\0",
        "\u{e9}",
        " ",
        ":",
        "HTTP/2.0\r\n",
        "GET / HTTP/1.2\r\n",
        "Host: a:8x\r\n",
        "Host: [::1]:80\r\n",
        "Host:\r\n",
        "\r\n\r\n\r\n",
        "5 ; a = \"\\\"\"\r\n",
        "GET http://u@x/ HTTP/1.1\r\n",
        "A : b\r\n\r\n",
        "GET http://x/y HTTP/1.1\r\nHost: x\r\n\r\n",
        ";",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc",
    ];
    prop_oneof![
        12 => proptest::sample::select(PIECES.to_vec()).prop_map(|text| text.as_bytes().to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 0..20),
        1 => (any::<u8>(), 0..3_000_usize).prop_map(|(byte, count)| vec![byte; count]),
    ]
}

fn portions() -> impl Strategy<Value = Vec<usize>> {
    proptest::collection::vec(prop_oneof![1..20_usize, 1..3_000_usize], 1..12)
}

/// A seed with a few bytes changed, taken out, put in or repeated.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let change = (any::<prop::sample::Index>(), any::<u8>(), 0..4_u8, 1..9_usize);
    (proptest::sample::select(seeds()), proptest::collection::vec(change, 1..6)).prop_map(
        |((_, mut bytes), changes)| {
            for (at, byte, kind, count) in changes {
                let at = at.index(bytes.len().max(1)).min(bytes.len());
                let end = (at + count).min(bytes.len());
                match kind {
                    0 => bytes.splice(at..end, [byte]).for_each(drop),
                    1 => bytes.splice(at..end, []).for_each(drop),
                    2 => bytes.insert(at, byte),
                    _ => {
                        let again = bytes[at..end].to_vec();
                        bytes.splice(at..at, again).for_each(drop);
                    }
                }
            }
            bytes
        },
    )
}

proptest! {
    #![proptest_config(cases(3_000))]

    #[test]
    fn no_bytes_make_it_panic_and_no_cut_changes_what_is_understood(
        pieces in proptest::collection::vec(piece(), 0..16),
        portions in portions(),
    ) {
        let bytes = pieces.concat();
        prop_assert_eq!(understood(&bytes, &portions), understood(&bytes, &[usize::MAX]));
    }

    #[test]
    fn mutated_seeds_are_understood_alike_however_they_are_cut(bytes in mutated(), portions in portions()) {
        prop_assert_eq!(understood(&bytes, &portions), understood(&bytes, &[usize::MAX]));
    }

    #[test]
    fn chunked_and_sized_bodies_carry_the_same_bytes(
        chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..200), 0..5),
        portions in portions(),
    ) {
        let body = chunks.concat();
        let head = b"POST / HTTP/1.1\r\nHost: x\r\n".to_vec();
        let mut coded = [&head[..], b"Transfer-Encoding: chunked\r\n\r\n"].concat();
        for chunk in &chunks {
            coded.extend(format!("{:X}\r\n", chunk.len()).bytes());
            coded.extend(chunk);
            coded.extend(b"\r\n");
        }
        coded.extend(b"0\r\n\r\n");
        let sized = [&head[..], format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes(), &body].concat();
        let expected = if body.len() <= LIMIT_BYTES {
            vec![format!("body {body:?}"), "closed".to_owned()]
        } else {
            vec![format!("TooLarge {{ limit_bytes: {LIMIT_BYTES} }}")]
        };
        prop_assert_eq!(&understood(&coded, &portions)[1..], &expected[..]);
        prop_assert_eq!(&understood(&sized, &portions)[1..], &expected[..]);
    }
}
