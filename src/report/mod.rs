//! Windows as tables for people: totals, requests over time, top paths, families by class, each with a bar.
//!
//! Input: answers of the query API ([`asked`]), of a server or of files ([`stored`]), or windows from `summarize`. Output: text
//! for a terminal. Never: a control character, or one that changes the direction of text; log data may hold anything.

pub mod asked;
pub mod stored;
mod table;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::batch::agent::{Class, class_of};
use crate::dimension::{OTHER, PATH, USER_AGENT};
use crate::measures::{Cell, Visitors};
use crate::model::{CustomerId, WindowId, WindowSize, WindowStart};
use crate::query::range::TimeRange;
use crate::time;
use crate::windows::table::TableRow;
use crate::windows::window::Window;

pub use table::{ReportSums, printable};
use table::{bytes, grouped, grouped_count, percent, seconds, table};

/// The form of a report.
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
    total: ReportSums,
    /// The visitors of windows that were added whole.
    visitors: Visitors,
    told_visitors: Option<u64>,
    incomplete: u64,
    over_time: BTreeMap<u32, ReportSums>,
    size: Option<WindowSize>,
    paths: BTreeMap<String, ReportSums>,
    agents: BTreeMap<String, ReportSums>,
    distinct_paths: Option<u64>,
    step: Option<WindowSize>,
}

impl Report {
    /// Adds a window. All windows of a report have one size, or entries would be counted twice.
    pub fn add_window(&mut self, window: &Window) {
        let (requests, robots) = (window.requests(), window.robots().requests);
        let sums = ReportSums { requests, robots, measures: window.all().measures.clone() };
        self.add(window.id(), &sums, window.is_incomplete());
        self.visitors.merge(window.visitors());
        let [paths, agents] = [PATH, USER_AGENT].map(|dimension| &window.tables()[dimension]);
        paths.iter().chain(paths.rest()).for_each(|row| self.add_path(row.key, &sums_of(&row)));
        agents.iter().chain(agents.rest()).for_each(|row| self.add_agent(row.key, row.tally.requests));
    }

    /// Adds a window's total; its keys follow.
    pub fn add(&mut self, id: WindowId, sums: &ReportSums, incomplete: bool) {
        assert_eq!(*self.size.get_or_insert(id.size), id.size, "a report is made of windows of one size");
        self.total.merge(sums);
        self.incomplete += u64::from(incomplete);
        self.over_time.entry(id.start.0).or_default().merge(sums);
    }

    pub fn add_path(&mut self, key: &str, sums: &ReportSums) {
        add(&mut self.paths, key, sums);
    }

    /// Adds to a family.
    pub fn add_agent(&mut self, key: &str, requests: u64) {
        add(&mut self.agents, key, &ReportSums::of_requests(requests));
    }

    /// Sets the number of visitors, if windows were not added whole: visitors do not add up.
    pub fn set_visitors(&mut self, visitors: u64) {
        self.told_visitors = Some(visitors);
    }

    /// Sets the number of paths, if only the largest are added.
    pub fn set_distinct_paths(&mut self, count: u64) {
        self.distinct_paths = Some(count);
    }

    /// Sets the size of the rows over time; by default the finest that fits a screen.
    pub fn set_step(&mut self, step: WindowSize) {
        self.step = Some(step);
    }

    pub fn requests(&self) -> u64 {
        self.total.requests
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
            grouped_count(self.total.requests, "request"),
            minute(WindowStart(*first)),
            minute(end),
            grouped_count(self.over_time.len() as u64, size.as_str()),
        );
        self.render_total(&mut out, look);
        if self.incomplete > 0 {
            let _ = writeln!(
                out,
                "{} incomplete: earlier counts were lost to damage",
                grouped_count(self.incomplete, size.as_str())
            );
        }
        self.render_over_time(&mut out, size, look);
        let paths = self.distinct_paths.unwrap_or_else(|| named_keys(&self.paths));
        let title = format!("Top paths ({} in all)", grouped(paths));
        table(&mut out, &title, &top(&self.paths, look.top), self.total.requests, look);
        self.render_families(&mut out, look);
        out
    }

    /// The other sums of all requests, in as few lines as possible.
    fn render_total(&self, out: &mut String, look: ReportLayout) {
        let ReportSums { requests, robots, measures } = &self.total;
        let mut parts = vec![format!("robots {} ({})", grouped(*robots), percent(*robots, *requests))];
        match self.told_visitors.unwrap_or_else(|| self.visitors.estimate()) {
            0 => {}
            visitors => parts.push(format!("visitors {}", grouped(visitors))),
        }
        // The requests with a status.
        let answered = measures.sum_of(|cell| !cell.is_duration());
        if answered > 0 {
            for (name, of) in
                [("4xx", Cell::is_client_error as fn(Cell) -> bool), ("5xx", Cell::is_server_error)]
            {
                let errors = measures.sum_of(of);
                parts.push(format!("{name} {} ({})", grouped(errors), percent(errors, answered)));
            }
        }
        if measures.response_bytes > 0 {
            parts.push(bytes(measures.response_bytes));
        }
        let percentile = |percent| Some(format!("p{percent} {}", seconds(self.total.percentile(percent)?)));
        let percentiles: Vec<String> = [50, 95, 99].into_iter().filter_map(percentile).collect();
        if !percentiles.is_empty() {
            parts.push(percentiles.join(", "));
        }
        let mut line = String::new();
        for part in parts {
            if !line.is_empty() && 4 + line.chars().count() + part.chars().count() > look.columns {
                let _ = writeln!(out, " {line}");
                line.clear();
            }
            line.push_str(if line.is_empty() { " " } else { " · " });
            line.push_str(&part);
        }
        let _ = writeln!(out, " {line}");
    }

    fn render_over_time(&self, out: &mut String, size: WindowSize, look: ReportLayout) {
        // The finest step that fits a screen, but not finer than the windows.
        let span = self.over_time.keys().last().unwrap_or(&0) - self.over_time.keys().next().unwrap_or(&0);
        let fitting = WindowSize::ALL.into_iter().find(|step| *step >= size && fits(span, *step));
        let step = self.step.or(fitting).unwrap_or(WindowSize::Day).max(size);
        let mut steps: BTreeMap<u32, ReportSums> = BTreeMap::new();
        for (start, sums) in &self.over_time {
            steps.entry(WindowStart(*start).floor(step).0).or_default().merge(sums);
        }
        // The last steps that fit; days over many years would fill the screen.
        let skipped = steps.len().saturating_sub(MAX_ROWS as usize);
        let rows: Vec<(String, ReportSums)> = steps
            .into_iter()
            .skip(skipped)
            .map(|(start, sums)| {
                let text = minute(WindowStart(start));
                (if step == WindowSize::Day { text[..10].to_owned() } else { text }, sums)
            })
            .collect();
        let mut title = format!("Requests per {} (UTC)", step.as_str());
        if skipped > 0 {
            let _ = write!(title, ", the last {MAX_ROWS}");
        }
        table(out, &title, &rows, self.total.requests, look);
    }

    fn render_families(&self, out: &mut String, look: ReportLayout) {
        let mut classes: BTreeMap<&str, ReportSums> = BTreeMap::new();
        for (family, sums) in &self.agents {
            classes.entry(class_name(family)).or_default().merge(sums);
        }
        let mut rows: Vec<(String, ReportSums)> =
            classes.into_iter().map(|(class, sums)| (class.to_owned(), sums)).collect();
        rows.sort_unstable_by_key(|row| std::cmp::Reverse(row.1.requests));
        table(out, "Clients by class", &rows, self.total.requests, look);
        let families =
            top(&self.agents, look.top).into_iter().map(|(family, sums)| match class_name(&family) {
                OTHER => (family, sums),
                class => (format!("{family} ({class})"), sums),
            });
        let title = format!("Clients ({} in all)", grouped(named_keys(&self.agents)));
        table(out, &title, &families.collect::<Vec<_>>(), self.total.requests, look);
    }
}

fn sums_of(row: &TableRow<'_>) -> ReportSums {
    let measures = row.measures.cloned().unwrap_or_default();
    ReportSums { requests: row.tally.requests, robots: row.tally.robots, measures }
}

/// Rows of requests over time on one screen.
const MAX_ROWS: u32 = 62;

/// Whether windows whose starts lie up to `span` minutes apart are few enough for a screen.
fn fits(span: u32, size: WindowSize) -> bool {
    span / size.minutes() < MAX_ROWS
}

/// The requests of all customers, one beside the other.
pub fn render_customers(customers: &[(String, u64)], look: ReportLayout) -> String {
    let of = |(id, requests): &(String, u64)| (id.clone(), ReportSums::of_requests(*requests));
    let all: BTreeMap<String, ReportSums> = customers.iter().map(of).collect();
    let total = customers.iter().map(|(_, requests)| requests).sum();
    let mut out =
        format!("{} of {}\n", grouped_count(total, "request"), grouped_count(all.len() as u64, "customer"));
    table(&mut out, "Customers", &top(&all, look.top), total, look);
    out
}

/// The subject of a report.
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
    /// The range; without a bound it is as wide as times go.
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

fn add(map: &mut BTreeMap<String, ReportSums>, key: &str, sums: &ReportSums) {
    match map.get_mut(key) {
        Some(known) => known.merge(sums),
        None => drop(map.insert(key.to_owned(), sums.clone())),
    }
}

/// `2025-12-28 18:03`.
fn minute(start: WindowStart) -> String {
    time::format_start(start)[..16].replace('T', " ")
}

fn named_keys(map: &BTreeMap<String, ReportSums>) -> u64 {
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
fn top(map: &BTreeMap<String, ReportSums>, top: usize) -> Vec<(String, ReportSums)> {
    let mut all: Vec<(&String, &ReportSums)> = map.iter().filter(|(key, _)| *key != OTHER).collect();
    all.sort_unstable_by(|(a, sums_a), (b, sums_b)| {
        sums_b.requests.cmp(&sums_a.requests).then_with(|| a.cmp(b))
    });
    let beyond: u64 = all.iter().skip(top).map(|(_, sums)| sums.requests).sum();
    let other = beyond + map.get(OTHER).map_or(0, |sums| sums.requests);
    let mut rows: Vec<(String, ReportSums)> =
        all.into_iter().take(top).map(|(key, sums)| (key.clone(), sums.clone())).collect();
    if other > 0 {
        rows.push((OTHER.to_owned(), ReportSums::of_requests(other)));
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measures::Measures;

    const LOOK: ReportLayout = ReportLayout { top: 2, columns: 80 };

    fn id(size: WindowSize, start: u32) -> WindowId {
        WindowId { size, start: WindowStart(start).floor(size) }
    }

    fn report() -> Report {
        let mut report = Report::default();
        for (hour, requests) in [(0, 10), (1, 5), (3, 20)] {
            let sums = ReportSums::of_requests(requests);
            report.add(id(WindowSize::Hour, 29_448_000 + hour * 60), &sums, false);
        }
        for (key, count) in [("GET /", 20), ("GET /b", 8), ("GET /c", 4), (OTHER, 3)] {
            report.add_path(key, &ReportSums::of_requests(count));
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
        report.add_path("GET /\u{1b}[31mred\u{7}\u{202e}", &ReportSums::of_requests(100));
        let text = report.render("a\u{1b}]0;x", LOOK);
        assert!(!text.contains('\u{1b}') && !text.contains('\u{7}') && !text.contains('\u{202e}'), "{text}");
        let wide = "GET /".to_owned() + &"é".repeat(2_000);
        report.add_path(&wide, &ReportSums::of_requests(1_000));
        assert!(report.render("a", LOOK).lines().all(|line| line.chars().count() <= 80));
    }

    #[test]
    fn an_empty_range_says_so() {
        assert_eq!(Report::default().render("acme", LOOK), "acme: no requests in this range\n");
    }

    /// So many requests, of which a quarter are robots' and some failed, of a hundred bytes each.
    fn measured(requests: u64, status: &[(u16, u64)], micros: u64) -> ReportSums {
        let mut measures = Measures::new(100 * requests, micros * requests);
        status.iter().for_each(|(code, count)| measures.add_cell(Cell::status(*code).unwrap(), *count));
        measures.add_cell(Cell::duration(micros), requests);
        ReportSums { requests, robots: requests / 4, measures }
    }

    #[test]
    fn what_was_measured_is_shown_in_total_and_by_key() {
        let mut report = Report::default();
        let sums = measured(4_000, &[(200, 3_960), (404, 39), (503, 1)], 45_000);
        report.add(id(WindowSize::Hour, 29_448_000), &sums, false);
        report.set_visitors(1_234);
        report.add_path("GET /", &measured(3_000, &[(200, 3_000)], 45_000));
        report.add_path("GET /gone", &measured(900, &[(404, 39), (503, 1)], 2_000_000));
        report.add_path("GET /rare", &measured(100, &[], 1));
        report.add_agent("Chrome", 4_000);
        for columns in [80, 100] {
            let text = report.render("acme", ReportLayout { top: 2, columns });
            let lines: Vec<&str> = text.lines().collect();
            assert!(
                lines[1]
                    .starts_with("  robots 1,000 (25.0%) · visitors 1,234 · 4xx 39 (1.0%) · 5xx 1 (<0.1%)"),
                "{text}"
            );
            assert!(text.contains("400 kB") && text.contains("p50 46 ms, p95 46 ms, p99 46 ms\n"), "{text}");
            assert!(lines.iter().all(|line| line.chars().count() <= columns), "{text}");
            let paths = lines.iter().position(|line| line.starts_with("Top paths")).unwrap();
            let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            assert_eq!(
                words(lines[paths])[5..],
                ["requests", "robots", "4xx", "5xx", "bytes", "p95"],
                "{text}"
            );
            let row = words(lines[paths + 2]);
            assert_eq!(row[..9], ["GET", "/gone", "900", "22.5%", "225", "39", "1", "90.0", "kB"], "{text}");
            assert!(words(lines[paths + 1]).contains(&"–".to_owned()), "{text}");
            assert_eq!(words(lines[paths + 3]), ["(other)", "100", "2.5%"], "{text}");
            // A head ends where its numbers end.
            let end =
                |line: &str, text: &str| line.find(text).map(|at| line[..at].chars().count() + text.len());
            assert_eq!(end(lines[paths], "requests"), end(lines[paths + 1], "3,000"), "{text}");
            assert_eq!(end(lines[paths], "robots"), end(lines[paths + 1], "  750"), "{text}");
            // Clients show their class instead of such columns.
            assert!(text.contains("Clients (1 in all)\n  Chrome (browser)  4,000  100.0%"), "{text}");
        }
        let narrow = report.render("acme", ReportLayout { top: 2, columns: 50 });
        assert!(
            narrow.lines().skip(1).all(|line| line.chars().count() <= 50) && !narrow.contains("p95\n"),
            "{narrow}"
        );
    }
}
