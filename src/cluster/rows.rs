//! Rows of ClickHouse as windows, and back: the columns of `deploy/clickhouse/schema.sql`.
//!
//! Input: lines of JSON, or a window. Output: totals and keys of a window, or rows for an insert.
//! Never: I/O, or a dimension's name of its own: rows carry the names of [`DIMENSIONS`].

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::dimension::{DIMENSIONS, dimension_named};
use crate::measures::{Cell, CellKind, MAX_SUM, Measures, Totals, Visitors};
use crate::model::{CustomerId, Seq, WindowId, WindowSize, WindowStart};
use crate::time;
use crate::windows::table::KeyTotals;
use crate::windows::view::{KeyView, WindowView};

/// The columns of a [`TotalsRow`].
pub const TOTALS_COLUMNS: &str = "intDiv(toUnixTimestamp(window_start), 60) AS start, version, requests, \
    tuple(response_bytes, duration_micros, status, zero_durations, buckets), robots, \
    tuple(robot_response_bytes, robot_duration_micros, robot_status, robot_zero_durations, robot_buckets), \
    visitors, folded";
/// The columns of a [`KeyRow`] without its measures.
pub const KEY_COLUMNS: &str =
    "intDiv(toUnixTimestamp(window_start), 60) AS start, toString(dimension), key, requests, robots";
/// The last column of a [`KeyRow`].
pub const KEY_MEASURES: &str = ", tuple(response_bytes, duration_micros, status, zero_durations, buckets)";
pub const ROW_FORMAT: &str = "SETTINGS output_format_json_quote_64bit_integers = 0, \
    output_format_json_named_tuples_as_objects = 0 FORMAT JSONCompactEachRow";

/// Bytes, microseconds, requests by status, durations in the zero bucket, durations by bucket.
#[derive(Default, Deserialize)]
pub struct MeasureColumns(u64, u64, BTreeMap<u16, u64>, u64, BTreeMap<i16, u64>);

impl MeasureColumns {
    /// `None` for an impossible status or bucket, or a sum above 2^63-1.
    fn read(self) -> Option<Measures> {
        let Self(bytes, micros, statuses, zeros, buckets) = self;
        let statuses = statuses.into_iter().map(|(code, count)| Some((Cell::status(code)?, count)));
        let zeros = (zeros > 0).then_some(Some((Cell::zero_duration(), zeros)));
        let buckets = buckets.into_iter().map(|(index, count)| Some((Cell::bucket(index)?, count)));
        let cells: Vec<(Cell, u64)> = statuses.chain(zeros).chain(buckets).collect::<Option<_>>()?;
        let sums = cells.iter().map(|(_, count)| *count).chain([bytes, micros]);
        if sums.max() > Some(MAX_SUM) {
            return None;
        }
        Measures::with_cells(bytes, micros, cells)
    }
}

/// A window as a whole.
#[derive(Deserialize)]
pub struct TotalsRow {
    pub start: u32,
    version: u64,
    requests: u64,
    measures: MeasureColumns,
    robots: u64,
    robot_measures: MeasureColumns,
    visitors: BTreeMap<u16, u8>,
    folded: BTreeMap<String, u64>,
}

impl TotalsRow {
    /// The window without keys; `None` for an impossible row.
    pub fn read(self, size: WindowSize) -> Option<WindowView<'static>> {
        let id = WindowId { size, start: WindowStart(self.start) };
        let mut view = WindowView {
            all: Totals { requests: self.requests, measures: self.measures.read()? },
            robots: Totals { requests: self.robots, measures: self.robot_measures.read()? },
            visitors: Visitors::from_registers(self.visitors.into_iter().collect())?,
            applied_through: Seq(self.version),
            ..WindowView::empty(id)
        };
        for (name, most) in self.folded {
            if let Some(dimension) = dimension_named(&name) {
                view.folded[dimension] = most;
            }
        }
        Some(view)
    }
}

/// One key of a window.
#[derive(Deserialize)]
pub struct KeyRow {
    pub start: u32,
    dimension: String,
    key: String,
    requests: u64,
    robots: u64,
    #[serde(default)]
    measures: MeasureColumns,
}

impl KeyRow {
    /// Its dimension, as an index, and its counts; `None` for an impossible row.
    pub fn read(self) -> Option<(usize, KeyView<'static>)> {
        let tally = KeyTotals { requests: self.requests, robots: self.robots };
        let measures = Some(self.measures.read()?).filter(|measures| !measures.is_empty());
        let key = KeyView { key: self.key.into(), tally, measures: measures.map(Cow::Owned) };
        Some((dimension_named(&self.dimension)?, key))
    }
}

/// Measures as columns of an insert.
#[derive(Default, Serialize)]
struct MeasuredRow {
    response_bytes: u64,
    duration_micros: u64,
    status: BTreeMap<u16, u64>,
    zero_durations: u64,
    buckets: BTreeMap<i16, u64>,
}

impl MeasuredRow {
    fn of(measures: &Measures) -> Self {
        let mut row = Self {
            response_bytes: measures.response_bytes,
            duration_micros: measures.duration_micros,
            ..Self::default()
        };
        for (cell, count) in measures.cells() {
            match cell.kind() {
                CellKind::Status(code) => drop(row.status.insert(code, count)),
                CellKind::ZeroDuration => row.zero_durations = count,
                CellKind::Bucket(index) => drop(row.buckets.insert(index, count)),
            }
        }
        row
    }
}

/// Measures of robots as columns of an insert.
#[derive(Serialize)]
struct RobotsRow {
    robots: u64,
    robot_response_bytes: u64,
    robot_duration_micros: u64,
    robot_status: BTreeMap<u16, u64>,
    robot_zero_durations: u64,
    robot_buckets: BTreeMap<i16, u64>,
}

impl RobotsRow {
    fn of(robots: &Totals) -> Self {
        let row = MeasuredRow::of(&robots.measures);
        Self {
            robots: robots.requests,
            robot_response_bytes: row.response_bytes,
            robot_duration_micros: row.duration_micros,
            robot_status: row.status,
            robot_zero_durations: row.zero_durations,
            robot_buckets: row.buckets,
        }
    }
}

/// The columns that all rows of a window share.
#[derive(Clone, Copy, Serialize)]
pub struct RowHead<'a> {
    customer: &'a str,
    window_start: u64,
    version: u64,
    r#final: u8,
}

impl<'a> RowHead<'a> {
    /// Rows of a complete window.
    pub fn new(customer: &'a CustomerId, start: WindowStart, version: u64) -> Self {
        Self { customer: customer.as_str(), window_start: time::start_ms(start) / 1_000, version, r#final: 1 }
    }

    /// The line of `minute_totals`.
    pub fn totals(self, view: &WindowView<'_>) -> Vec<u8> {
        #[derive(Serialize)]
        struct TotalsLine<'a> {
            #[serde(flatten)]
            head: RowHead<'a>,
            requests: u64,
            #[serde(flatten)]
            measures: MeasuredRow,
            #[serde(flatten)]
            robots: RobotsRow,
            visitors: BTreeMap<u16, u8>,
            folded: BTreeMap<&'static str, u64>,
        }
        let folded = DIMENSIONS.iter().zip(view.folded).filter(|(_, most)| *most > 0);
        line(&TotalsLine {
            head: self,
            requests: view.all.requests,
            measures: MeasuredRow::of(&view.all.measures),
            robots: RobotsRow::of(&view.robots),
            visitors: view.visitors.registers().into_iter().collect(),
            folded: folded.map(|(dimension, most)| (dimension.name, most)).collect(),
        })
    }

    /// A line of `minute_keys`.
    pub fn key(self, dimension: &str, row: &KeyView<'_>) -> Vec<u8> {
        let measures = row.measures.as_deref().map(MeasuredRow::of).unwrap_or_default();
        self.key_line(dimension, &row.key, row.tally, measures)
    }

    /// The line of a key that the window does not name: it counts nothing under the key.
    pub fn folded_key(self, dimension: &str, key: &str) -> Vec<u8> {
        self.key_line(dimension, key, KeyTotals::default(), MeasuredRow::default())
    }

    fn key_line(self, dimension: &str, key: &str, tally: KeyTotals, measures: MeasuredRow) -> Vec<u8> {
        #[derive(Serialize)]
        struct KeyLine<'a> {
            #[serde(flatten)]
            head: RowHead<'a>,
            dimension: &'a str,
            key: &'a str,
            requests: u64,
            robots: u64,
            #[serde(flatten)]
            measures: MeasuredRow,
        }
        let KeyTotals { requests, robots } = tally;
        line(&KeyLine { head: self, dimension, key, requests, robots, measures })
    }
}

fn line(row: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(row).expect("text and numbers are written into memory");
    line.push(b'\n');
    line
}
