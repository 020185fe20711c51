//! Entries as lines of JSON, as `POST /logs` takes them.
//!
//! Input: an entry. Output: one line, appended. Never: a field that the log did not give.

use super::LogEntry;
use crate::time;

/// Appends an entry and a line end.
pub fn write_ndjson(entry: &LogEntry<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"receivedAt\":\"");
    out.extend_from_slice(format_micros(entry.received_at_micros).as_bytes());
    out.push(b'"');
    text("method", Some(entry.method), out);
    text("path", Some(entry.path), out);
    text("userAgent", Some(entry.user_agent), out);
    number("status", entry.status.map(|status| status.to_string()), out);
    number("responseBytes", entry.response_bytes.map(|bytes| bytes.to_string()), out);
    number("durationSeconds", entry.duration_micros.map(seconds), out);
    text("host", entry.host, out);
    text("referrer", entry.referrer, out);
    text("clientIp", entry.client_ip, out);
    text("route", entry.route, out);
    text("country", entry.country, out);
    out.extend_from_slice(b"}\n");
}

fn text(name: &str, value: Option<&str>, out: &mut Vec<u8>) {
    let Some(value) = value else { return };
    out.extend_from_slice(format!(",\"{name}\":").as_bytes());
    serde_json::to_writer(out, value).expect("a vector takes all, and a text is always JSON");
}

fn number(name: &str, value: Option<String>, out: &mut Vec<u8>) {
    let Some(value) = value else { return };
    out.extend_from_slice(format!(",\"{name}\":{value}").as_bytes());
}

/// Microseconds as seconds, without zeros at the end.
fn seconds(micros: u64) -> String {
    let (whole, rest) = (micros / 1_000_000, micros % 1_000_000);
    match rest {
        0 => whole.to_string(),
        _ => format!("{whole}.{rest:06}").trim_end_matches('0').to_owned(),
    }
}

/// An instant in UTC; with a fraction only if it has one.
#[must_use]
pub fn format_micros(micros: u64) -> String {
    let whole = time::format_rfc3339(micros / 1_000);
    let rest = micros % 1_000_000;
    let digits =
        if rest.is_multiple_of(1_000) { format!("{:03}", rest / 1_000) } else { format!("{rest:06}") };
    match rest {
        0 => whole,
        _ => format!("{}.{digits}Z", whole.trim_end_matches('Z')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_written_as_they_are_posted() {
        let entry = LogEntry {
            received_at_micros: 1_717_236_000_123_456,
            method: "GET",
            path: "/a\"b\u{1}",
            user_agent: "é",
            status: Some(200),
            duration_micros: Some(1_500_021),
            ..LogEntry::default()
        };
        let mut out = Vec::new();
        write_ndjson(&entry, &mut out);
        let want = "{\"receivedAt\":\"2024-06-01T10:00:00.123456Z\",\"method\":\"GET\",\"path\":\"/a\\\"b\\u0001\",\
                    \"userAgent\":\"é\",\"status\":200,\"durationSeconds\":1.500021}\n";
        assert_eq!(String::from_utf8(out).unwrap(), want);
        assert_eq!(
            (seconds(0), seconds(400_000), seconds(21)),
            ("0".into(), "0.4".into(), "0.000021".into())
        );
        assert_eq!(format_micros(1_717_236_000_250_000), "2024-06-01T10:00:00.250Z");
        assert_eq!(format_micros(1_717_236_000_000_000), "2024-06-01T10:00:00Z");
    }
}
