//! Rows with a bar each, and the columns of what was measured.
//!
//! Input: keys with what was counted under each. Output: lines of text that fit the terminal. Never: a column that would be empty, a
//! control character, or one that changes the direction of text; log data may hold anything.

use std::fmt::Write as _;

use super::ReportLayout;
use crate::base::plural::plural_s;
use crate::dimension::OTHER;
use crate::measures::{Cell, Measures, percentile_seconds, saturating_sum};

/// The counts of a key, of a window, or of a whole report.
#[derive(Clone, Debug, Default)]
pub struct ReportSums {
    pub requests: u64,
    pub robots: u64,
    pub measures: Measures,
}

impl ReportSums {
    /// A number of requests without further measures.
    pub(super) fn of_requests(requests: u64) -> Self {
        Self { requests, ..Self::default() }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.requests = saturating_sum(self.requests, other.requests);
        self.robots = saturating_sum(self.robots, other.robots);
        self.measures.merge(&other.measures);
    }

    pub(super) fn percentile(&self, percent: u64) -> Option<f64> {
        percentile_seconds(self.measures.cells(), percent)
    }
}

/// A column behind requests and share: its head and its text, `None` for an empty cell.
struct TableColumn {
    head: &'static str,
    text: fn(&ReportSums) -> Option<String>,
}

const COLUMNS: [TableColumn; 5] = [
    TableColumn { head: "robots", text: |sums| count(sums.robots) },
    TableColumn { head: "4xx", text: |sums| count(sums.measures.sum_of(Cell::is_client_error)) },
    TableColumn { head: "5xx", text: |sums| count(sums.measures.sum_of(Cell::is_server_error)) },
    TableColumn {
        head: "bytes",
        text: |sums| (sums.measures.response_bytes > 0).then(|| bytes(sums.measures.response_bytes)),
    },
    TableColumn { head: "p95", text: |sums| sums.percentile(95).map(seconds) },
];

impl TableColumn {
    /// Its head and its texts; `None` where no row has anything in it.
    fn of(&self, rows: &[(String, ReportSums)]) -> Option<(&'static str, Vec<String>)> {
        // Of summed keys usually only the requests are known.
        let texts: Vec<_> = rows
            .iter()
            .map(|(key, sums)| if key == OTHER { None } else { Some((self.text)(sums)) })
            .collect();
        let is_filled = texts.iter().flatten().any(Option::is_some);
        let shown = |text: Option<Option<String>>| match text {
            None => String::new(),
            Some(text) => text.unwrap_or_else(|| NOTHING.to_owned()),
        };
        is_filled.then(|| (self.head, texts.into_iter().map(shown).collect()))
    }
}

fn count(count: u64) -> Option<String> {
    (count > 0).then(|| grouped(count))
}

/// Shown in an empty cell of a column that is not empty.
const NOTHING: &str = "–";
/// The share of the columns that is for keys.
const KEY_SHARE: usize = 2;
/// The least columns of the terminal for a bar, and for a key; if fewer are left, numbers are left out.
const MIN_BAR: usize = 4;
const MIN_KEY: usize = 14;

/// Appends a table. Empty columns are left out; if all are empty, the heads are too.
pub(super) fn table(
    out: &mut String,
    title: &str,
    rows: &[(String, ReportSums)],
    total: u64,
    look: ReportLayout,
) {
    let requests: Vec<String> = rows.iter().map(|(_, sums)| grouped(sums.requests)).collect();
    let mut columns: Vec<(&str, Vec<String>)> = COLUMNS.iter().filter_map(|column| column.of(rows)).collect();
    let titled = title.chars().count().saturating_sub(2);
    let taken = |(head, texts): &(&str, Vec<String>)| 2 + width(texts).max(head.len());
    // Two spaces before the row, between columns, and before the bar; the share takes six.
    let (numbers, number_width) = loop {
        let number_width = width(&requests).max(if columns.is_empty() { 1 } else { "requests".len() });
        let numbers = 2 + 2 + number_width + 2 + 6 + columns.iter().map(taken).sum::<usize>();
        if numbers + MIN_KEY.max(titled) <= look.columns || columns.pop().is_none() {
            break (numbers, number_width);
        }
    };
    let is_headed = !columns.is_empty();
    let widest_key = (look.columns / KEY_SHARE).min(look.columns.saturating_sub(numbers)).max(MIN_KEY);
    let keys: Vec<String> = rows.iter().map(|(key, _)| fit(&printable(key), widest_key)).collect();
    let key_width = width(&keys).max(if is_headed { titled } else { 0 });
    let bar_width = look.columns.saturating_sub(numbers + key_width + 2).min(60);
    let bar_width = if bar_width < MIN_BAR { 0 } else { bar_width };
    // The sum of the others has no bar: it would be the longest and say nothing.
    let named = rows.iter().filter(|(key, _)| key != OTHER);
    let largest = named.map(|(_, sums)| sums.requests).max().unwrap_or(0).max(1);

    let _ = write!(out, "\n{title}");
    if is_headed {
        let padding = " ".repeat((2 + key_width).saturating_sub(title.chars().count()));
        let _ = write!(out, "{padding}  {:>number_width$}        ", "requests");
        for column in &columns {
            let _ = write!(out, "{:>1$}", column.0, taken(column));
        }
    }
    out.push('\n');
    for (place, (key, (_, sums))) in keys.iter().zip(rows).enumerate() {
        // No row is larger than the whole, even if the windows of a foreign server say so.
        let share = (100.0 * sums.requests as f64 / total.max(1) as f64).min(100.0);
        let padding = " ".repeat(key_width - key.chars().count());
        let mut line = format!("  {key}{padding}  {:>number_width$}  {share:5.1}%", requests[place]);
        for column in &columns {
            let _ = write!(line, "{:>1$}", column.1[place], taken(column));
        }
        let bar_width = if *key == OTHER { 0 } else { bar_width };
        let _ = write!(line, "  {}", bar(sums.requests as f64 / largest as f64, bar_width));
        out.push_str(line.trim_end());
        out.push('\n');
    }
}

fn width(texts: &[String]) -> usize {
    texts.iter().map(|text| text.chars().count()).max().unwrap_or(0)
}

/// A bar, drawn in eighths of a column.
fn bar(share: f64, width: usize) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = (share * (width * 8) as f64).round() as usize;
    let mut bar = "█".repeat(eighths / 8);
    bar.push_str(EIGHTHS[eighths % 8]);
    bar
}

/// `1 request`, `1,234 requests`.
pub(super) fn grouped_count(number: u64, what: &str) -> String {
    format!("{} {what}{}", grouped(number), plural_s(number))
}

/// 1234567 as `1,234,567`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A share of a whole, in percent.
pub(super) fn percent(part: u64, whole: u64) -> String {
    let share = 100.0 * part as f64 / whole.max(1) as f64;
    if part > 0 && share < 0.1 { "<0.1%".to_owned() } else { format!("{share:.1}%") }
}

/// Bytes in three figures at most, `63.5 kB`.
pub(super) fn bytes(bytes: u64) -> String {
    if bytes < 1_000 {
        return format!("{bytes} B");
    }
    let units = [(1e3, "kB"), (1e6, "MB"), (1e9, "GB"), (1e12, "TB"), (1e15, "PB"), (1e18, "EB")];
    in_unit(bytes as f64, &units, 3)
}

/// A duration in two figures, because its bucket is not more exact: `45 ms`, `1.2 s`.
pub(super) fn seconds(seconds: f64) -> String {
    if seconds == 0.0 {
        return "0 s".to_owned();
    }
    in_unit(seconds, &[(1e-6, "µs"), (1e-3, "ms"), (1.0, "s"), (60.0, "min"), (3_600.0, "h")], 2)
}

/// A number in the largest unit that does not make it smaller than one, in this many figures.
fn in_unit(number: f64, units: &[(f64, &str)], figures: i32) -> String {
    let unit = units.iter().rev().find(|(unit, _)| number >= *unit).unwrap_or(&units[0]);
    let value = number / unit.0;
    // Digits of a whole number beyond the figures become zeros.
    let places = |value: f64| figures - 1 - value.log10().floor() as i32;
    let scale = 10f64.powi(places(value));
    let rounded = (value * scale).round() / scale;
    format!("{rounded:.*} {}", places(rounded).max(0) as usize, unit.1)
}

/// The text without characters that control a terminal: escapes, controls, and changes of direction.
pub fn printable(text: &str) -> String {
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}')
    };
    text.chars().map(|c| if hidden(c) { '\u{FFFD}' } else { c }).collect()
}

/// The beginning of a text that is too wide, with an ellipsis.
fn fit(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!([0, 12, 123, 1_234, 1_234_567].map(grouped), ["0", "12", "123", "1,234", "1,234,567"]);
    }

    #[test]
    fn bytes_have_three_figures_durations_two_and_small_shares_are_not_none() {
        assert_eq!(
            [0, 999, 1_000, 63_486, 999_960, 1_234_567].map(bytes),
            ["0 B", "999 B", "1.00 kB", "63.5 kB", "1000 kB", "1.23 MB"]
        );
        assert_eq!(
            [0.0, 0.000_05, 0.0453, 0.3408, 1.234, 9.96, 75.0].map(seconds),
            ["0 s", "50 µs", "45 ms", "340 ms", "1.2 s", "10 s", "1.3 min"]
        );
        assert_eq!(
            [(0, 9), (1, 3), (1, 9_999), (9, 9)].map(|(part, of)| percent(part, of)),
            ["0.0%", "33.3%", "<0.1%", "100.0%"]
        );
    }
}
