//! Windows as a table for people: totals, requests over time, top paths, families by class, each with a bar.
//!
//! Input: answers of the query API ([`asked`]), of a server or of files ([`stored`]), or windows from `summarize`. Output: text
//! for a terminal. Never: a control character, or one that changes the direction of text; log data may hold anything.

pub mod asked;
pub mod stored;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::batch::agent::{Class, class_of};
use crate::dimension::{OTHER, PATH, USER_AGENT};
use crate::model::{CustomerId, WindowId, WindowSize, WindowStart};
use crate::query::range::TimeRange;
use crate::time;
use crate::windows::window::Window;

/// How a report looks.
#[derive(Clone, Copy, Debug)]
pub struct ReportLayout {
    /// Paths and families shown; the rest is summed.
    pub top: usize,
    /// Columns of the terminal.
    pub columns: usize,
}

/// Counts of a customer over a range, added up from windows of one size.
#[derive(Clone, Debug, Default)]
pub struct Report {
    requests: u64,
    incomplete: u64,
    over_time: BTreeMap<u32, u64>,
    size: Option<WindowSize>,
    paths: BTreeMap<String, u64>,
    agents: BTreeMap<String, u64>,
    distinct_paths: Option<u64>,
    step: Option<WindowSize>,
}

impl Report {
    /// Adds a window. All windows of a report have one size, or entries would be counted twice.
    pub fn add_window(&mut self, window: &Window) {
        self.add(window.id(), window.requests(), window.is_incomplete());
        let [paths, agents] = [PATH, USER_AGENT].map(|dimension| &window.tables()[dimension]);
        paths.iter().chain(paths.rest()).for_each(|row| self.add_path(row.key, row.tally.requests));
        agents.iter().chain(agents.rest()).for_each(|row| self.add_agent(row.key, row.tally.requests));
    }

    /// Adds a window's total; its keys follow.
    pub fn add(&mut self, id: WindowId, requests: u64, incomplete: bool) {
        assert_eq!(*self.size.get_or_insert(id.size), id.size, "a report is made of windows of one size");
        self.requests += requests;
        self.incomplete += u64::from(incomplete);
        *self.over_time.entry(id.start.0).or_insert(0) += requests;
    }

    pub fn add_path(&mut self, key: &str, count: u64) {
        add(&mut self.paths, key, count);
    }

    /// Adds to a family.
    pub fn add_agent(&mut self, key: &str, count: u64) {
        add(&mut self.agents, key, count);
    }

    /// Says how many paths there are, where only the largest are added.
    pub fn set_distinct_paths(&mut self, count: u64) {
        self.distinct_paths = Some(count);
    }

    /// Asks for a row for each window of this size; without that, the finest that fits a screen is chosen.
    pub fn set_step(&mut self, step: WindowSize) {
        self.step = Some(step);
    }

    pub fn requests(&self) -> u64 {
        self.requests
    }

    /// The report as text, each line ended.
    pub fn render(&self, customer: &str, look: ReportLayout) -> String {
        let mut out = String::new();
        let name = printable(customer);
        let (Some(size), Some(first), Some(last)) =
            (self.size, self.over_time.keys().next(), self.over_time.keys().last())
        else {
            return format!("{name}: no requests in this range\n");
        };
        let end = WindowStart(last + size.minutes());
        let _ = writeln!(
            out,
            "{name}: {} from {} to {} UTC, in {}",
            counted(self.requests, "request"),
            minute(WindowStart(*first)),
            minute(end),
            counted(self.over_time.len() as u64, size.as_str()),
        );
        if self.incomplete > 0 {
            let _ = writeln!(
                out,
                "{} incomplete: earlier counts were lost to damage",
                counted(self.incomplete, size.as_str())
            );
        }
        self.render_over_time(&mut out, size, look);
        let paths = self.distinct_paths.unwrap_or_else(|| distinct(&self.paths));
        let title = format!("Top paths ({} in all)", grouped(paths));
        table(&mut out, &title, &top(&self.paths, look.top), self.requests, look);
        self.render_families(&mut out, look);
        out
    }

    fn render_over_time(&self, out: &mut String, size: WindowSize, look: ReportLayout) {
        // The finest step that fits a screen, but none finer than the windows.
        let span = self.over_time.keys().last().unwrap_or(&0) - self.over_time.keys().next().unwrap_or(&0);
        let fitting = WindowSize::ALL.into_iter().find(|step| *step >= size && fits(span, *step));
        let step = self.step.or(fitting).unwrap_or(WindowSize::Day).max(size);
        let mut steps: BTreeMap<u32, u64> = BTreeMap::new();
        for (start, count) in &self.over_time {
            *steps.entry(WindowStart(*start).floor(step).0).or_insert(0) += count;
        }
        // The last that fit; days over many years would fill the screen.
        let skipped = steps.len().saturating_sub(MAX_ROWS as usize);
        let rows: Vec<(String, u64)> = steps
            .into_iter()
            .skip(skipped)
            .map(|(start, count)| {
                let text = minute(WindowStart(start));
                (if step == WindowSize::Day { text[..10].to_owned() } else { text }, count)
            })
            .collect();
        let mut title = format!("Requests per {} (UTC)", step.as_str());
        if skipped > 0 {
            let _ = write!(title, ", the last {MAX_ROWS}");
        }
        table(out, &title, &rows, self.requests, look);
    }

    fn render_families(&self, out: &mut String, look: ReportLayout) {
        let mut classes: BTreeMap<&str, u64> = BTreeMap::new();
        for (family, count) in &self.agents {
            *classes.entry(class_name(family)).or_insert(0) += count;
        }
        let mut rows: Vec<(String, u64)> =
            classes.into_iter().map(|(class, count)| (class.to_owned(), count)).collect();
        rows.sort_unstable_by_key(|row| std::cmp::Reverse(row.1));
        table(out, "Clients by class", &rows, self.requests, look);
        let families =
            top(&self.agents, look.top).into_iter().map(|(family, count)| match class_name(&family) {
                OTHER => (family, count),
                class => (format!("{family} ({class})"), count),
            });
        let title = format!("Clients ({} in all)", grouped(distinct(&self.agents)));
        table(out, &title, &families.collect::<Vec<_>>(), self.requests, look);
    }
}

/// Rows of requests over time on one screen.
const MAX_ROWS: u32 = 62;

/// Whether windows whose starts lie up to `span` minutes apart are few enough for a screen.
fn fits(span: u32, size: WindowSize) -> bool {
    span / size.minutes() < MAX_ROWS
}

/// A customer's requests beside those of the others.
pub fn render_customers(customers: &[(String, u64)], look: ReportLayout) -> String {
    let all: BTreeMap<String, u64> = customers.iter().cloned().collect();
    let total = all.values().sum();
    let mut out = format!("{} of {}\n", counted(total, "request"), counted(all.len() as u64, "customer"));
    table(&mut out, "Customers", &top(&all, look.top), total, look);
    out
}

/// What a report is about.
#[derive(Clone, Debug)]
pub struct ReportRequest {
    pub customer: CustomerId,
    /// From this instant on, in milliseconds; `None` for all there is.
    pub from_ms: Option<u64>,
    /// Before this instant.
    pub to_ms: Option<u64>,
    /// Windows of this size; `None` for the finest that fits a screen.
    pub size: Option<WindowSize>,
}

impl ReportRequest {
    /// The range, as wide as times go where it has no bound.
    pub fn range(&self) -> TimeRange {
        TimeRange { from_ms: self.from_ms.unwrap_or(0), to_ms: self.to_ms.unwrap_or(time::LAST_MS) }
    }

    /// The sizes whose windows add up to exactly what is asked for, the finest first.
    fn sizes(&self) -> Vec<WindowSize> {
        if let Some(size) = self.size {
            return vec![size];
        }
        let bounds = [self.from_ms, self.to_ms].into_iter().flatten();
        let is_aligned = |size: WindowSize| {
            let mut bounds = bounds.clone();
            bounds.all(|ms| ms.is_multiple_of(u64::from(size.minutes()) * 60_000))
        };
        let aligned = |size: &WindowSize| *size == WindowSize::Minute || is_aligned(*size);
        WindowSize::ALL.into_iter().filter(aligned).collect()
    }
}

fn add(map: &mut BTreeMap<String, u64>, key: &str, count: u64) {
    match map.get_mut(key) {
        Some(known) => *known += count,
        None => drop(map.insert(key.to_owned(), count)),
    }
}

/// `2025-12-28 18:03`.
fn minute(start: WindowStart) -> String {
    time::format_start(start)[..16].replace('T', " ")
}

fn distinct(map: &BTreeMap<String, u64>) -> u64 {
    map.keys().filter(|key| *key != OTHER).count() as u64
}

fn class_name(family: &str) -> &'static str {
    match class_of(family) {
        _ if family == OTHER => OTHER,
        Class::Browser => "browser",
        Class::Mobile => "mobile browser",
        Class::App => "app",
        Class::Tool => "tool",
        Class::Bot => "bot",
        Class::Ai => "AI",
    }
}

/// The largest keys, the rest summed under [`OTHER`] at the end.
fn top(map: &BTreeMap<String, u64>, top: usize) -> Vec<(String, u64)> {
    let mut all: Vec<(&str, u64)> =
        map.iter().filter(|(key, _)| *key != OTHER).map(|(key, count)| (key.as_str(), *count)).collect();
    all.sort_unstable_by(|(a, count_a), (b, count_b)| count_b.cmp(count_a).then_with(|| a.cmp(b)));
    let beyond: u64 = all.iter().skip(top).map(|(_, count)| count).sum();
    let other = beyond + map.get(OTHER).copied().unwrap_or(0);
    let mut rows: Vec<(String, u64)> =
        all.into_iter().take(top).map(|(key, count)| (key.to_owned(), count)).collect();
    if other > 0 {
        rows.push((OTHER.to_owned(), other));
    }
    rows
}

/// The share of the columns that is for keys.
const KEY_SHARE: usize = 2;

fn table(out: &mut String, title: &str, rows: &[(String, u64)], total: u64, look: ReportLayout) {
    let _ = writeln!(out, "\n{title}");
    let number_width = rows.iter().map(|(_, count)| grouped(*count).len()).max().unwrap_or(1);
    let keys: Vec<String> =
        rows.iter().map(|(key, _)| fit(&printable(key), look.columns / KEY_SHARE)).collect();
    let key_width = keys.iter().map(|key| key.chars().count()).max().unwrap_or(0);
    // Two spaces before the row, between columns, and before the bar; the share takes six.
    let used = 2 + key_width + 2 + number_width + 2 + 6 + 2;
    let bar_width = look.columns.saturating_sub(used).min(60);
    // What is summed has no bar: it would be the longest and say nothing.
    let named = rows.iter().filter(|(key, _)| key != OTHER);
    let largest = named.map(|(_, count)| *count).max().unwrap_or(0).max(1);
    for (key, (_, count)) in keys.iter().zip(rows) {
        let padding = " ".repeat(key_width - key.chars().count());
        // No row is more than all, whatever the windows of somebody else's server say.
        let share = (100.0 * *count as f64 / total.max(1) as f64).min(100.0);
        let bar_width = if *key == OTHER { 0 } else { bar_width };
        let bar = bar(*count as f64 / largest as f64, bar_width);
        let line = format!("  {key}{padding}  {:>number_width$}  {share:5.1}%  {bar}", grouped(*count));
        out.push_str(line.trim_end());
        out.push('\n');
    }
}

/// A bar in eighths of a column.
fn bar(share: f64, width: usize) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = (share * (width * 8) as f64).round() as usize;
    let mut bar = "█".repeat(eighths / 8);
    bar.push_str(EIGHTHS[eighths % 8]);
    bar
}

/// `1 request`, `1,234 requests`.
fn counted(number: u64, what: &str) -> String {
    format!("{} {what}{}", grouped(number), if number == 1 { "" } else { "s" })
}

/// 1234567 as `1,234,567`.
fn grouped(number: u64) -> String {
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

/// The text without what a terminal would obey: escapes, controls, and changes of direction.
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

    const LOOK: ReportLayout = ReportLayout { top: 2, columns: 80 };

    fn id(size: WindowSize, start: u32) -> WindowId {
        WindowId { size, start: WindowStart(start).floor(size) }
    }

    fn report() -> Report {
        let mut report = Report::default();
        for (hour, requests) in [(0, 10), (1, 5), (3, 20)] {
            report.add(id(WindowSize::Hour, 29_448_000 + hour * 60), requests, false);
        }
        for (key, count) in [("GET /", 20), ("GET /b", 8), ("GET /c", 4), (OTHER, 3)] {
            report.add_path(key, count);
        }
        for (key, count) in [("Chrome", 30), ("Googlebot", 5)] {
            report.add_agent(key, count);
        }
        report
    }

    #[test]
    fn totals_bars_and_the_rest_are_shown() {
        let text = report().render("acme", LOOK);
        assert!(
            text.starts_with("acme: 35 requests from 2025-12-28 00:00 to 2025-12-28 04:00 UTC, in 3 hours"),
            "{text}"
        );
        assert!(text.contains("Requests per hour (UTC)\n  2025-12-28 00:00  10   28.6%  █"), "{text}");
        assert!(text.contains("Top paths (3 in all)\n  GET /    20   57.1%  █"), "{text}");
        assert!(text.contains("  GET /b    8   22.9%") && text.contains("  (other)   7   20.0%"), "{text}");
        assert!(text.contains("  browser  30") && text.contains("Googlebot (bot)"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    }

    #[test]
    fn nothing_a_terminal_obeys_gets_through() {
        let mut report = report();
        report.add_path("GET /\u{1b}[31mred\u{7}\u{202e}", 100);
        let text = report.render("a\u{1b}]0;x", LOOK);
        assert!(!text.contains('\u{1b}') && !text.contains('\u{7}') && !text.contains('\u{202e}'), "{text}");
        let wide = "GET /".to_owned() + &"é".repeat(2_000);
        report.add_path(&wide, 1_000);
        assert!(report.render("a", LOOK).lines().all(|line| line.chars().count() <= 80));
    }

    #[test]
    fn an_empty_range_says_so() {
        assert_eq!(Report::default().render("acme", LOOK), "acme: no requests in this range\n");
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!([0, 12, 123, 1_234, 1_234_567].map(grouped), ["0", "12", "123", "1,234", "1,234,567"]);
    }
}
