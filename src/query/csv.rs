//! Answers as CSV (RFC 4180): for spreadsheets and data frames.
//!
//! Input: texts and counts. Output: lines that end in CR LF. Never: a cell that a spreadsheet takes for a formula: log data
//! is what clients send. Such a text gets an apostrophe in front, as on the dashboard.

use crate::measures::{Cell, Measures, percentile_seconds};
use crate::windows::json::{push_number, push_seconds};

/// The columns of [`push_measures`].
pub(super) const MEASURES: &str =
    "responseBytes,clientErrors,serverErrors,durationCount,durationSumSeconds,p50,p90,p95,p99";

/// The percentiles of answers.
const PERCENTS: [u64; 4] = [50, 90, 95, 99];

/// Appends a text as a cell.
pub(super) fn push_text(out: &mut String, text: &str) {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let is_quoted = text.contains(['"', ',', '\r', '\n']);
    if is_quoted {
        out.push('"');
    }
    if is_formula {
        out.push('\'');
    }
    text.split('"').enumerate().for_each(|(place, part)| {
        out.push_str(if place > 0 { "\"\"" } else { "" });
        out.push_str(part);
    });
    if is_quoted {
        out.push('"');
    }
}

/// Appends a number as a cell behind another one.
pub(super) fn push_next(out: &mut String, number: u64) {
    out.push(',');
    push_number(out, number);
}

/// Appends the cells of measures behind others. Without a duration the cells of percentiles are empty.
pub(super) fn push_measures(out: &mut String, measures: &Measures) {
    push_next(out, measures.response_bytes);
    push_next(out, measures.sum_of(Cell::is_client_error));
    push_next(out, measures.sum_of(Cell::is_server_error));
    push_next(out, measures.sum_of(Cell::is_duration));
    out.push(',');
    push_seconds(out, measures.duration_micros);
    for percent in PERCENTS {
        let percentile = percentile_seconds(measures.cells(), percent);
        out.push(',');
        out.push_str(&percentile.map_or_else(String::new, |seconds| seconds.to_string()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_and_never_formulas() {
        for (text, cell) in [
            ("GET /", "GET /"),
            ("GET /a,b", "\"GET /a,b\""),
            ("GET /\"é\n", "\"GET /\"\"é\n\""),
            ("=1+1", "'=1+1"),
            ("- (invalid)", "'- (invalid)"),
            ("@a,\"", "\"'@a,\"\"\""),
            ("", ""),
        ] {
            let mut out = String::new();
            push_text(&mut out, text);
            assert_eq!(out, cell);
        }
    }

    #[test]
    fn measures_fill_their_columns() {
        let mut measures = Measures::new(7, 1_500_000);
        measures.add_cell(Cell::status(404).unwrap(), 2);
        measures.add_cell(Cell::duration(0), 1);
        let mut out = String::new();
        push_measures(&mut out, &measures);
        assert_eq!(out, ",7,2,0,1,1.5,0,0,0,0");
        out.clear();
        push_measures(&mut out, &Measures::default());
        assert_eq!(out, ",0,0,0,0,0,,,,");
        assert_eq!(out.matches(',').count(), MEASURES.matches(',').count() + 1);
    }
}
