//! Answers to GET: an entity tag, so that unchanged content is not sent again, and gzip where the client accepts it.
//!
//! Input: the request's head and the content. Output: the answer, 304 where the client has the content. Never: a change
//! to the content.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use xxhash_rust::xxh3::xxh3_128;

use super::{Head, Response};

/// Smaller bodies are sent as they are.
const MIN_GZIP_BYTES: usize = 1_024;

/// Makes the answer to a GET or HEAD with this body: 304 where the client has it already.
///
/// The tag is weak: it stands for the same content, whether compressed or not.
pub(super) fn answer(head: &Head, content_type: &str, body: Vec<u8>, speed: Compression) -> Response {
    let tag = format!("W/\"{:032x}\"", xxh3_128(&body));
    let known = head.all("if-none-match").flat_map(|value| value.split(',')).map(str::trim);
    let opaque = |tag: &str| tag.strip_prefix("W/").unwrap_or(tag).to_owned();
    if known.into_iter().any(|known| known == "*" || opaque(known) == opaque(&tag)) {
        let mut response = Response::new(304, content_type, Vec::new());
        response.headers.clear();
        return response.with("etag", tag).with("vary", VARY);
    }
    let zip = body.len() >= MIN_GZIP_BYTES && takes_gzip(head);
    let body = if zip { gzip(&body, speed) } else { body };
    // A browser must not guess another type from log data.
    let response = Response::new(200, content_type, body)
        .with("etag", tag)
        .with("vary", VARY)
        .with("x-content-type-options", "nosniff");
    if zip { response.with("content-encoding", "gzip") } else { response }
}

/// The request headers that change an answer.
const VARY: &str = "accept, accept-encoding, authorization, x-customer-id";

fn gzip(body: &[u8], speed: Compression) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), speed);
    encoder.write_all(body).and_then(|()| encoder.finish()).expect("bytes are compressed into memory")
}

/// Whether `accept` asks for CSV rather than JSON.
pub(super) fn wants_csv(head: &Head) -> bool {
    let (mut csv, mut json) = (0.0_f32, 0.0_f32);
    for item in head.all("accept").flat_map(|value| value.split(',')) {
        let mut parts = item.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default();
        let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        let weight = weight.map_or(1.0, |weight| weight.parse().unwrap_or(0.0));
        match kind.to_ascii_lowercase().as_str() {
            "text/csv" => csv = weight,
            "application/json" => json = weight,
            _ => {}
        }
    }
    csv > 0.0 && csv >= json
}

/// Whether `accept-encoding` names gzip, or everything, with a weight above zero.
fn takes_gzip(head: &Head) -> bool {
    let mut any = false;
    for item in head.all("accept-encoding").flat_map(|value| value.split(',')) {
        let mut parts = item.split(';').map(str::trim);
        let coding = parts.next().unwrap_or_default();
        let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        let wanted = weight.is_none_or(|weight| weight.parse::<f32>().is_ok_and(|weight| weight > 0.0));
        if coding.eq_ignore_ascii_case("gzip") || coding.eq_ignore_ascii_case("x-gzip") {
            return wanted;
        }
        any |= coding == "*" && wanted;
    }
    any
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn head(headers: &[(&str, &str)]) -> Head {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Head { headers: headers.collect(), ..Head::default() }
    }

    #[test]
    fn gzip_is_sent_to_those_who_take_it() {
        for (value, takes) in [
            ("gzip", true),
            ("deflate, GZIP;q=0.5", true),
            ("br, *", true),
            ("*;q=0", false),
            ("gzip;q=0, *", false),
            ("gzip; q=0.000", false),
            ("identity", false),
            ("", false),
        ] {
            assert_eq!(takes_gzip(&head(&[("accept-encoding", value)])), takes, "{value}");
        }
        let body = b"window ".repeat(1_000);
        let response =
            answer(&head(&[("accept-encoding", "gzip")]), "text/plain", body.clone(), Compression::fast());
        assert!(response.body.len() < body.len() / 10);
        let mut plain = Vec::new();
        flate2::read::GzDecoder::new(&response.body[..]).read_to_end(&mut plain).unwrap();
        assert_eq!(plain, body);
    }

    #[test]
    fn csv_is_sent_to_those_who_prefer_it() {
        for (value, wanted) in [
            ("text/csv", true),
            ("Text/CSV; header=present, */*;q=0.1", true),
            ("application/json, text/csv;q=0.9", false),
            ("application/json;q=0.5, text/csv;q=0.9", true),
            ("text/csv;q=0", false),
            ("*/*", false),
            ("text/html", false),
        ] {
            assert_eq!(wants_csv(&head(&[("accept", value)])), wanted, "{value}");
        }
        assert!(!wants_csv(&head(&[])));
    }

    #[test]
    fn what_the_client_has_is_not_sent_again() {
        let first = answer(&head(&[]), "text/plain", b"one".to_vec(), Compression::fast());
        let tag = first.headers.iter().find(|(name, _)| *name == "etag").unwrap().1.clone();
        let strong = tag.trim_start_matches("W/").to_owned();
        for known in [tag.clone(), format!("\"x\", {tag}"), strong, "*".to_owned()] {
            let again = answer(
                &head(&[("if-none-match", &known)]),
                "text/plain",
                b"one".to_vec(),
                Compression::fast(),
            );
            assert_eq!((again.status, again.body.len()), (304, 0), "{known}");
        }
        let other =
            answer(&head(&[("if-none-match", &tag)]), "text/plain", b"two".to_vec(), Compression::fast());
        assert_eq!(other.status, 200);
    }
}
