//! One window: its counts in memory. Pure: no disk, clock or channel.
//!
//! Input: insights in sequence order, or the file. Output: the counts, and the bytes of the file.
//! Never: more keys than its limits allow: a full table is folded (see [`super::fold`]).

use std::borrow::Cow;

use super::file::{self, Damaged};
use super::fold::{Folded, WindowLimits, fold};
use super::table::CountTable;
use super::view::{KeyView, Wanted, WindowView};
use crate::dimension::{DIMENSION_COUNT, DIMENSIONS, OTHER};
use crate::measures::{Cell, Measures, Totals, Visitors, saturating_sum};
use crate::model::{Counts, CustomerId, Keys, Seq, WindowId};

/// One window's counts.
#[derive(Clone, Debug)]
pub struct Window {
    customer: CustomerId,
    id: WindowId,
    all: Totals,
    robots: Totals,
    visitors: Visitors,
    tables: [CountTable; DIMENSION_COUNT],
    folded: [u64; DIMENSION_COUNT],
    applied_through: Seq,
    incomplete: bool,
}

impl Window {
    /// An empty window.
    pub fn new(customer: CustomerId, id: WindowId) -> Self {
        Self {
            customer,
            id,
            all: Totals::default(),
            robots: Totals::default(),
            visitors: Visitors::default(),
            tables: Default::default(),
            folded: [0; DIMENSION_COUNT],
            applied_through: Seq::ZERO,
            incomplete: false,
        }
    }

    pub fn customer(&self) -> &CustomerId {
        &self.customer
    }

    pub fn id(&self) -> WindowId {
        self.id
    }

    pub fn all(&self) -> &Totals {
        &self.all
    }

    pub fn robots(&self) -> &Totals {
        &self.robots
    }

    /// The visitors among the other requests.
    pub fn visitors(&self) -> &Visitors {
        &self.visitors
    }

    /// Entries counted.
    pub fn requests(&self) -> u64 {
        self.all.requests
    }

    /// Counts by key, for each dimension.
    pub fn tables(&self) -> &[CountTable; DIMENSION_COUNT] {
        &self.tables
    }

    /// How much a key's true count may be above the one shown, by dimension.
    pub fn folded(&self) -> [u64; DIMENSION_COUNT] {
        self.folded
    }

    /// The last record merged into it.
    pub fn applied_through(&self) -> Seq {
        self.applied_through
    }

    /// Whether it counts nothing.
    pub fn is_nothing(&self) -> bool {
        self.applied_through == Seq::ZERO && !self.incomplete
    }

    /// Whether earlier counts were lost.
    pub fn is_incomplete(&self) -> bool {
        self.incomplete
    }

    /// Says that earlier counts were lost.
    pub fn mark_incomplete(&mut self) {
        self.incomplete = true;
    }

    /// How many keys it holds.
    pub fn keys(&self) -> usize {
        self.tables.iter().map(CountTable::len).sum()
    }

    /// Roughly how much memory it takes.
    pub fn resident_bytes(&self) -> usize {
        let totals = self.all.measures.bytes() + self.robots.measures.bytes() + self.visitors.bytes();
        size_of::<Self>() + totals + self.tables.iter().map(CountTable::resident_bytes).sum::<usize>()
    }

    /// Adds one insight whole, then folds what is over its limits. Returns what was folded.
    pub fn merge(&mut self, seq: Seq, keys: &Keys, counts: &Counts, limits: &WindowLimits) -> Folded {
        assert!(seq > self.applied_through, "insights reach a window in sequence order, each once");
        self.applied_through = seq;
        self.all.merge(&counts.all);
        self.robots.merge(&counts.robots);
        self.visitors.merge(&counts.visitors);
        for (dimension, table) in self.tables.iter_mut().enumerate() {
            table.merge(&keys.tables[dimension], &counts.by[dimension]);
        }
        self.fold(limits)
    }

    /// Adds all that a view shows, then folds what is over its limits. Returns what was folded.
    pub fn merge_view(&mut self, view: &WindowView<'_>, limits: &WindowLimits) -> Folded {
        self.all.merge(&view.all);
        self.robots.merge(&view.robots);
        self.visitors.merge(&view.visitors);
        for (folded, more) in self.folded.iter_mut().zip(view.folded) {
            *folded = saturating_sum(*folded, more);
        }
        for (table, rows) in self.tables.iter_mut().zip(&view.by) {
            rows.iter().for_each(|row| merge_row(table, row));
        }
        self.fold(limits)
    }

    fn fold(&mut self, limits: &WindowLimits) -> Folded {
        let mut folded_now = Folded::default();
        for (dimension, table) in self.tables.iter_mut().enumerate() {
            if let Some(folded) = fold(table, limits.by[dimension]) {
                self.folded[dimension] = saturating_sum(self.folded[dimension], folded.most);
                folded_now.keys += folded.keys;
                folded_now.requests = saturating_sum(folded_now.requests, folded.requests);
                folded_now.most = folded_now.most.max(folded.most);
            }
        }
        folded_now
    }

    /// An empty window that names no other keys in the dimensions where this one has folded some.
    pub fn naming_the_same(&self) -> Self {
        let mut window = Self::new(self.customer.clone(), self.id);
        for dimension in (0..DIMENSION_COUNT).filter(|dimension| self.folded[*dimension] > 0) {
            window.tables[dimension] = self.tables[dimension].naming_the_same();
        }
        window
    }

    /// The bytes of its file.
    pub fn encode(&self) -> Vec<u8> {
        file::encode(&self.customer, &WindowView::of(self, &Wanted::ALL))
    }

    /// Reads a file that should be the window `id` of `customer`.
    pub fn decode(bytes: &[u8], customer: &CustomerId, id: WindowId) -> Result<Window, Damaged> {
        let view = file::decode(bytes, customer, id, &Wanted::ALL)?;
        Ok(Self::from_view(customer.clone(), view))
    }

    /// Reads a file, whosever window it is.
    ///
    /// # Errors
    /// [`Damaged::Checksum`] and [`Damaged::Content`].
    pub fn decode_any(bytes: &[u8]) -> Result<Window, Damaged> {
        let (customer, view) = file::decode_any(bytes, &Wanted::ALL)?;
        Ok(Self::from_view(customer, view))
    }

    /// A window with everything that a view shows.
    fn from_view(customer: CustomerId, view: WindowView<'_>) -> Self {
        let mut window = Self {
            all: view.all,
            robots: view.robots,
            visitors: view.visitors,
            folded: view.folded,
            applied_through: view.applied_through,
            incomplete: view.incomplete,
            ..Self::new(customer, view.id)
        };
        for (table, rows) in window.tables.iter_mut().zip(view.by) {
            table.reserve(rows.len(), rows.iter().map(|row| row.key.len()).sum());
            rows.into_iter().for_each(|row| add_row(table, row));
        }
        window
    }

    /// The first sum or bound that does not hold. A file that was read has right sums of requests; here everything is
    /// looked at.
    pub fn wrong_sum(&self) -> Option<String> {
        if !self.robots.is_part_of(&self.all) {
            return Some("robots are not among the requests".to_owned());
        }
        if !is_possible(self.all.requests, &self.all.measures) {
            return Some("more responses or durations than requests".to_owned());
        }
        (0..DIMENSION_COUNT).find_map(|dimension| {
            let wrong = self.wrong_sum_of(dimension)?;
            Some(format!("by {}: {wrong}", DIMENSIONS[dimension].name))
        })
    }

    fn wrong_sum_of(&self, dimension: usize) -> Option<String> {
        let table = &self.tables[dimension];
        let (mut all, mut robots) = (Totals::default(), 0);
        for row in table.iter().chain(table.rest()) {
            let nothing = Measures::default();
            let measures = row.measures.unwrap_or(&nothing);
            if row.tally.robots > row.tally.requests || !is_possible(row.tally.requests, measures) {
                return Some(format!("{:?} counts more parts than requests", row.key));
            }
            all.requests = saturating_sum(all.requests, row.tally.requests);
            all.measures.merge(measures);
            robots = saturating_sum(robots, row.tally.robots);
        }
        let is_whole = DIMENSIONS[dimension].source.is_in_every_entry();
        let is_measured = DIMENSIONS[dimension].is_measured;
        let measures = if is_measured { self.all.measures.clone() } else { Measures::default() };
        let bounds = Totals { requests: self.all.requests, measures };
        if !all.is_part_of(&bounds) || robots > self.robots.requests {
            return Some("the keys count more than the totals".to_owned());
        }
        if is_whole && (all != bounds || robots != self.robots.requests) {
            return Some("the keys do not sum to the totals".to_owned());
        }
        if table.rest().is_some() != (self.folded[dimension] > 0) {
            return Some(format!("folded and {OTHER} do not belong together"));
        }
        None
    }
}

fn add_row(table: &mut CountTable, row: KeyView<'_>) {
    if row.key == OTHER {
        table.add_rest(row.tally, row.measures.as_deref());
        return;
    }
    let place = table.add(&row.key, row.tally);
    if let Some(measures) = row.measures {
        table.set_measures(place, Cow::into_owned(measures));
    }
}

fn merge_row(table: &mut CountTable, row: &KeyView<'_>) {
    if row.key == OTHER {
        table.add_rest(row.tally, row.measures.as_deref());
        return;
    }
    let place = table.add(&row.key, row.tally);
    if let Some(measures) = &row.measures {
        table.merge_measures(place, measures);
    }
}

/// Whether no request is counted by status or duration twice.
fn is_possible(requests: u64, measures: &Measures) -> bool {
    measures.sum_of(|cell| !cell.is_duration()) <= requests && measures.sum_of(Cell::is_duration) <= requests
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::sealed::seal_json;
    use crate::dimension::{PATH, USER_AGENT};
    use crate::windows::json::{Form, push_window};
    use crate::windows::samples::{bare, customer, full, minute, shown, window};

    const THREE: WindowLimits = WindowLimits::same(3, 1_000);

    #[test]
    fn a_full_window_folds_its_smallest_keys_and_says_by_how_much_counts_may_be_low() {
        let mut window = window(&bare(&[("GET /", 4), ("GET /a", 2), ("GET /b", 3)], "Chrome"), &THREE);
        assert_eq!(window.folded(), [0; DIMENSION_COUNT]);
        // A fourth path: seven eighths of three are two.
        let (keys, counts) = bare(&[("GET /", 1), ("GET /new", 3)], "Firefox");
        let folded = window.merge(Seq(9), &keys, &counts, &THREE);
        assert_eq!((folded.keys, folded.requests, folded.most), (2, 5, 3));
        assert_eq!(shown(&window, PATH), [("(other)", 5), ("GET /", 5), ("GET /b", 3)]);
        assert_eq!(shown(&window, USER_AGENT), [("Chrome", 9), ("Firefox", 4)]);
        assert_eq!((window.folded()[PATH], window.folded()[USER_AGENT]), (3, 0));
        // The key comes back and is folded again; its lost count is still below the bound.
        let (keys, counts) = bare(&[("GET /a", 1), ("GET /new", 1)], "Chrome");
        window.merge(Seq(10), &keys, &counts, &THREE);
        assert_eq!((window.folded()[PATH], window.requests()), (4, 15));
        assert_eq!(shown(&window, PATH), [("(other)", 7), ("GET /", 5), ("GET /b", 3)]);
        assert_eq!(window.wrong_sum(), None);
    }

    #[test]
    fn folding_is_the_same_whether_or_not_the_window_was_written_in_between() {
        let mut kept = Window::new(customer(), minute());
        let mut reloaded = kept.clone();
        for seq in 1..60u32 {
            let path = |number: u32| format!("GET /{}", number.wrapping_mul(2_654_435_761) % 40);
            let paths =
                [(&*path(seq), seq % 5 + 2, 1, 200 + seq as u16 % 3 * 102), (&*path(seq + 1), 1, 0, 404)];
            let (keys, counts) = full(if paths[0].0 == paths[1].0 { &paths[..1] } else { &paths });
            let limits = WindowLimits::same(8, 300);
            let left = kept.merge(Seq(u64::from(seq)), &keys, &counts, &limits);
            let right = reloaded.merge(Seq(u64::from(seq)), &keys, &counts, &limits);
            assert_eq!(left, right, "record {seq}");
            reloaded = Window::decode(&reloaded.encode(), &customer(), minute()).unwrap();
        }
        assert!(kept.folded()[PATH] > 0);
        assert_eq!(kept.encode(), reloaded.encode());
        assert_eq!(kept.wrong_sum(), None);
    }

    #[test]
    fn insights_merge_to_the_same_window_in_any_order() {
        let insights = [
            full(&[("GET /", 5, 2, 200), ("GET /a", 1, 1, 404)]),
            bare(&[("GET /", 3), ("PUT /x", 2)], "curl"),
            full(&[("GET /a", 3, 0, 503), ("GET /é", 4, 4, 200)]),
        ];
        let merged = |order: [usize; 3]| {
            let mut window = Window::new(customer(), minute());
            for (seq, place) in (1..).zip(order) {
                window.merge(Seq(seq), &insights[place].0, &insights[place].1, &WindowLimits::default());
            }
            window
        };
        let expected = merged([0, 1, 2]);
        // As records, in two windows that are merged.
        let mut from_records = Window::new(customer(), minute());
        for (keys, counts) in [&insights[2], &insights[0], &insights[1]] {
            let mut json = String::new();
            push_window(&mut json, &customer(), &WindowView::of_counts(minute(), keys, counts), Form::File);
            json.push('}');
            let (_, view) = file::decode_record(&json, &Wanted::ALL).unwrap();
            from_records.merge_view(&view, &WindowLimits::default());
        }
        assert_eq!(
            WindowView { applied_through: Seq(3), ..WindowView::of(&from_records, &Wanted::ALL) },
            WindowView::of(&expected, &Wanted::ALL)
        );
        assert_eq!((expected.requests(), expected.robots().requests, expected.wrong_sum()), (18, 7, None));
        for order in [[0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            assert_eq!(merged(order).encode(), expected.encode(), "{order:?}");
        }
    }

    #[test]
    fn the_file_of_bare_entries_is_as_it_always_was() {
        let sample = bare(&[("GET /", 1), ("GET /\"é\\\u{1}", 2), ("PUT /x", 3)], "Chrome");
        let mut window = window(&sample, &WindowLimits::default());
        let text = String::from_utf8(window.encode()).unwrap();
        let start = "{\"customerId\":\"a\\\"b\",\"windowStart\":\"2025-12-28T18:03:00Z\",\"windowSize\":\"minute\",\
                     \"requests\":6,\"requestsByPath\":{\"GET /\":1,\"GET /\\\"é\\\\\\u0001\":2,\"PUT /x\":3},\
                     \"requestsByUserAgent\":{\"Chrome\":6},\"appliedThrough\":4,\"checksum\":\"";
        assert!(text.starts_with(start), "{text}");
        assert!(text.ends_with("\"}\n") && text.lines().count() == 1);
        window.mark_incomplete();
        let read = Window::decode(&window.encode(), window.customer(), minute()).unwrap();
        assert!(read.is_incomplete());
    }

    #[test]
    fn the_file_shows_totals_first_and_measures_by_key_last_and_is_read_back() {
        let sample = full(&[("GET /", 3, 1, 200), ("GET /a", 1, 1, 404), ("GET /b", 2, 0, 503)]);
        let window = window(&sample, &WindowLimits::same(3, 75));
        let text = String::from_utf8(window.encode()).unwrap();
        let (counts, _) = text.split_once(",\"appliedThrough\"").unwrap();
        // 18 bytes of keys and six cells are 66; the limit folds nothing of paths, and all hosts are one.
        assert_eq!(
            counts.replace("\"visitors\":\"", "\u{0}").split('\u{0}').next().unwrap(),
            "{\"customerId\":\"a\\\"b\",\"windowStart\":\"2025-12-28T18:03:00Z\",\"windowSize\":\"minute\",\"requests\":6,\
             \"responseBytes\":6000,\"status\":{\"200\":3,\"404\":1,\"503\":2},\"duration\":{\"micros\":1500000,\
             \"zeroCount\":3,\"buckets\":{\"-16\":1,\"-8\":2}},\"robots\":{\"requests\":2,\"responseBytes\":2000,\
             \"status\":{\"200\":1,\"404\":1},\"duration\":{\"micros\":500000,\"zeroCount\":1,\"buckets\":{\"-16\":1}}},"
        );
        // Beside path and family each dimension has one key, which the first request lacks.
        let others = &DIMENSIONS[USER_AGENT + 1..];
        let requests =
            others.iter().map(|other| format!(",\"requestsBy{}\":{{\"example.com\":5}}", other.suffix));
        let measures = others.iter().filter(|other| other.is_measured);
        let measures = measures.map(|other| {
            let of_key = "{\"example.com\":{\"responseBytes\":7,\"status\":{\"200\":1}}}";
            format!(",\"measuresBy{}\":{of_key}", other.suffix)
        });
        let expected = [
            ",\"requestsByPath\":{\"GET /\":3,\"GET /a\":1,\"GET /b\":2},\"requestsByUserAgent\":{\"Chrome\":6}",
            &requests.collect::<String>(),
            ",\"robotsByPath\":{\"GET /\":1,\"GET /a\":1},\"robotsByUserAgent\":{\"Chrome\":2},\
             \"measuresByPath\":{\"GET /\":{\"responseBytes\":3000,\"status\":{\"200\":3},\"duration\":{\"micros\":750000,\
             \"zeroCount\":3}},\"GET /a\":{\"responseBytes\":1000,\"status\":{\"404\":1},\"duration\":{\"micros\":250000,\
             \"buckets\":{\"-16\":1}}},\"GET /b\":{\"responseBytes\":2000,\"status\":{\"503\":2},\
             \"duration\":{\"micros\":500000,\"buckets\":{\"-8\":2}}}}",
            &measures.collect::<String>(),
        ];
        assert!(counts.ends_with(&expected.concat()), "{counts}");
        let read = Window::decode(text.as_bytes(), window.customer(), minute()).unwrap();
        assert_eq!(read.encode(), text.as_bytes());
        assert_eq!((read.wrong_sum(), read.visitors()), (None, window.visitors()));
    }

    #[test]
    fn wrong_sums_and_bounds_are_found() {
        let sample = full(&[("GET /", 3, 1, 200), ("GET /a", 2, 1, 404)]);
        let text = String::from_utf8(window(&sample, &WindowLimits::default()).encode()).unwrap();
        let changed = |from: &str, to: &str| {
            assert!(text.contains(from), "{from} is not in {text}");
            let counts = text.replacen(from, to, 1);
            let counts = counts.split(",\"checksum\"").next().unwrap().to_owned();
            Window::decode_any(seal_json(counts).as_bytes()).map(|window| window.wrong_sum())
        };
        assert_eq!(changed("\"requests\":5", "\"requests\":5"), Ok(None));
        for (from, to, wrong) in [
            (
                "\"robotsByPath\":{\"GET /\":1",
                "\"robotsByPath\":{\"GET /\":2",
                "by path: the keys count more",
            ),
            ("\"robotsByPath\":{\"GET /\":1,", "\"robotsByPath\":{", "by path: the keys do not sum"),
            ("\"responseBytes\":3000", "\"responseBytes\":2999", "by path: the keys do not sum"),
            ("\"responseBytes\":3000", "\"responseBytes\":3001", "by path: the keys count more"),
            (
                "\"robots\":{\"requests\":2,\"responseBytes\":2000",
                "\"robots\":{\"requests\":2,\"responseBytes\":9000",
                "robots",
            ),
            (
                "\"responseBytes\":7,\"status\":{\"200\":1}",
                "\"responseBytes\":7,\"status\":{\"200\":4}",
                "by host: the keys count more",
            ),
            (
                "\"responseBytes\":7,\"status\":{\"200\":1}",
                "\"responseBytes\":7,\"status\":{\"301\":1}",
                "by host: the keys count more",
            ),
            ("\"status\":{\"200\":3,\"404\":2}", "\"status\":{\"200\":3,\"404\":3}", "more responses"),
            (
                "\"GET /\":{\"responseBytes\":3000,\"status\":{\"200\":3}",
                "\"GET /\":{\"responseBytes\":3000,\"status\":{\"200\":4}",
                "counts more parts",
            ),
            (",\"measuresByPath\":", ",\"folded\":{\"path\":1},\"measuresByPath\":", "by path: folded"),
        ] {
            let found = changed(from, to).unwrap().unwrap_or_default();
            assert!(found.contains(wrong), "{from} → {to}: {found}");
        }
        for (from, to) in [
            ("\"requests\":5", "\"requests\":6"),
            ("\"requestsByHost\":{\"example.com\":4}", "\"requestsByHost\":{\"example.com\":6}"),
            ("\"robotsByPath\":{\"GET /\":1", "\"robotsByPath\":{\"GET /\":4"),
        ] {
            assert!(matches!(changed(from, to), Err(Damaged::Content(_))), "{from} → {to}");
        }
    }
}
