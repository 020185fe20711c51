//! What must hold of the batch parser for every input: the quick ways answer what the reference answers, word for word,
//! and decoding respects its limit. Called by the fuzzer and, on stable Rust, by `tests/suite/fuzz_corpus.rs`.

use log_analytics::base::inflight::{Budget, Charge};
use log_analytics::batch::{
    BatchError, Counter, DecodeError, Encoding, Format, Limits, decode, reference, summarize,
};

/// 2025-12-28T18:03:00Z.
const NOW_MS: u64 = 1_766_944_980_000;

/// Small, so that small inputs reach them.
fn limits(keep_query: bool, parallel_from_bytes: usize) -> Limits {
    Limits { max_entries: 40, max_minutes: 6, keep_query, parallel_from_bytes, ..Limits::default() }
}

/// Panics where something does not hold.
pub(crate) fn check(bytes: &[u8]) {
    summarized_alike(bytes);
    for encoding in [Encoding::Identity, Encoding::Gzip, Encoding::Zstd] {
        if let Some(decoded) = decoded_within_limit(encoding, bytes)
            && encoding != Encoding::Identity
        {
            summarized_alike(&decoded);
        }
    }
}

fn summarized_alike(body: &[u8]) {
    for format in [Format::JsonArray, Format::Ndjson] {
        for keep_query in [false, true] {
            let expected = reference(body, format, &limits(keep_query, usize::MAX), NOW_MS);
            // In one piece, and divided among cores.
            for parallel_from_bytes in [usize::MAX, 0] {
                let found = summarize(body, format, &limits(keep_query, parallel_from_bytes), NOW_MS);
                assert_eq!(found, expected, "{format:?}, parallel from {parallel_from_bytes}");
                if let (Err(found), Err(expected)) = (&found, &expected) {
                    assert_eq!(found.to_string(), expected.to_string());
                }
            }
            if format == Format::Ndjson {
                // Panics where the fast way stops at what the reference takes.
                let mut counter = Counter::new(&limits(keep_query, usize::MAX), NOW_MS, 1 << 10);
                match counter.add_lines(body) {
                    Ok(_) if expected == Err(BatchError::NoEntries) => {}
                    Ok(_) => assert_eq!(Ok(counter.take()), expected),
                    Err(error) => assert_eq!(Some(&error), expected.as_ref().err()),
                }
            }
        }
    }
}

/// What the bytes decode to, if to anything; the limit decides, and nothing else, how much may come out.
fn decoded_within_limit(encoding: Encoding, bytes: &[u8]) -> Option<Vec<u8>> {
    let budget = Budget::new(256 << 20);
    let with_limit = |limit_bytes: usize| {
        let mut charge = Charge::new(&budget);
        let decoded = decode(encoding, bytes, limit_bytes, &mut charge).map(std::borrow::Cow::into_owned);
        if let Ok(decoded) = &decoded {
            assert!(decoded.len() <= limit_bytes, "{encoding:?}: {} bytes", decoded.len());
            assert!(encoding == Encoding::Identity || charge.bytes() >= decoded.len());
        }
        decoded
    };
    let decoded = with_limit(64 << 10).ok()?;
    // Exactly at the limit it comes out, below it does not.
    assert_eq!(with_limit(decoded.len()).as_deref(), Ok(&decoded[..]));
    if let Some(less) = decoded.len().checked_sub(1) {
        assert_eq!(with_limit(less), Err(DecodeError::TooLarge { limit_bytes: less }));
    }
    Some(decoded)
}
