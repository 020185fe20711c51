//! The JSON of windows: of their files, of `summarize`, and of the API.
//!
//! Input: a [`WindowView`] sorted by key. Output: its JSON.
//! Never: two shapes: the API shows what the file holds, and a few numbers that follow from it.
//!
//! The canonical form, on one line (a window file adds `appliedThrough` and `checksum`):
//!
//! `{"customerId":…,"windowStart":…,"windowSize":…,"requests":6,"responseBytes":63486,"status":{"200":4,…},"duration":{"micros":1290000,"zeroCount":1,"buckets":{"-22":5,…}},"robots":{"requests":1,…},"visitors":"…","requestsByPath":{…},…,"robotsByPath":{…},…,"folded":{"path":1},"measuresByPath":{"GET /":{"responseBytes":…},…},…,"incomplete":true}`
//!
//! Fields stand in this order, those of dimensions in the order of [`DIMENSIONS`]; keys of maps ascend by bytes;
//! fields that are zero or empty are left out, except `requests`. Totals come first and measures by key last, so that
//! a reader of totals need not read further.

use std::sync::LazyLock;

use super::view::{KeyView, WindowView};
use crate::dimension::{DIMENSION_COUNT, DIMENSIONS};
use crate::measures::{CELL_COUNT, Cell, CellKind, Measures, Totals, percentile_cells, saturating_sum};
use crate::model::{CustomerId, WindowStart};
use crate::time;

/// The place where the JSON is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// In a file: only the counts.
    File,
    /// In an answer: also numbers that follow from them: errors, visitors, quantiles.
    Answer,
}

/// The fields of each dimension, each with the comma before it and the brace behind it.
pub(super) struct FieldNames {
    pub(super) requests: [String; DIMENSION_COUNT],
    pub(super) robots: [String; DIMENSION_COUNT],
    pub(super) measures: [String; DIMENSION_COUNT],
}

pub(super) static FIELD_NAMES: LazyLock<FieldNames> = LazyLock::new(|| {
    let named =
        |what: &str| DIMENSIONS.each_ref().map(|dimension| format!(",\"{what}By{}\":{{", dimension.suffix));
    FieldNames { requests: named("requests"), robots: named("robots"), measures: named("measures") }
});

/// Appends a window without its closing brace.
pub fn push_window(out: &mut String, customer: &CustomerId, view: &WindowView<'_>, form: Form) {
    push_name(out, customer, view.id.size.as_str(), view.id.start);
    push_counted(out, view, form);
}

/// Appends the opening brace and the name of a window. Answers have sizes that files do not have.
pub fn push_name(out: &mut String, customer: &CustomerId, size: &str, start: WindowStart) {
    out.push_str("{\"customerId\":");
    push_quoted(out, customer.as_str());
    out.push_str(",\"windowStart\":\"");
    out.push_str(&time::format_start(start));
    out.push_str("\",\"windowSize\":\"");
    out.push_str(size);
    out.push('"');
}

/// Appends what a window counts, behind its name.
pub fn push_counted(out: &mut String, view: &WindowView<'_>, form: Form) {
    out.push(',');
    push_totals(out, &view.all, form);
    if view.robots.requests > 0 {
        out.push_str(",\"robots\":{");
        push_totals(out, &view.robots, form);
        out.push('}');
    }
    if !view.visitors.is_empty() {
        out.push_str(",\"visitors\":");
        match form {
            Form::File => {
                out.push('"');
                view.visitors.push_text(out);
                out.push('"');
            }
            Form::Answer => push_number(out, view.visitors.estimate()),
        }
    }
    push_dimensions(out, view, form);
    if view.incomplete {
        out.push_str(",\"incomplete\":true");
    }
}

fn push_dimensions(out: &mut String, view: &WindowView<'_>, form: Form) {
    for (name, rows) in FIELD_NAMES.requests.iter().zip(&view.by) {
        push_counts(out, name, rows, |row| row.tally.requests);
    }
    for (name, rows) in FIELD_NAMES.robots.iter().zip(&view.by) {
        push_counts(out, name, rows, |row| row.tally.robots);
    }
    let mut opening = ",\"folded\":{";
    for (dimension, folded) in DIMENSIONS.iter().zip(view.folded).filter(|(_, folded)| *folded > 0) {
        out.push_str(opening);
        push_quoted(out, dimension.name);
        out.push(':');
        push_number(out, folded);
        opening = ",";
    }
    if opening == "," {
        out.push('}');
    }
    let mut cells = Vec::new();
    for (name, rows) in FIELD_NAMES.measures.iter().zip(&view.by) {
        let mut opening = name.as_str();
        for row in rows {
            let Some(measures) = &row.measures else { continue };
            out.push_str(opening);
            push_quoted(out, &row.key);
            out.push_str(":{");
            push_measures_with(out, "", measures, form, &mut cells);
            out.push('}');
            opening = ",";
        }
        if opening == "," {
            out.push('}');
        }
    }
}

/// Appends requests and measures.
pub fn push_totals(out: &mut String, totals: &Totals, form: Form) {
    out.push_str("\"requests\":");
    push_number(out, totals.requests);
    push_measures(out, ",", &totals.measures, form);
}

/// Appends the fields of measures; `opening` stands before the first of them.
pub fn push_measures(out: &mut String, opening: &str, measures: &Measures, form: Form) {
    push_measures_with(out, opening, measures, form, &mut Vec::new());
}

/// The same with memory for cells that is used again and again.
fn push_measures_with(
    out: &mut String,
    opening: &str,
    measures: &Measures,
    form: Form,
    cells: &mut Vec<(Cell, u64)>,
) {
    let mut opening = opening;
    let mut field = |out: &mut String, name: &str| {
        out.push_str(opening);
        out.push_str(name);
        opening = ",";
    };
    if measures.response_bytes > 0 {
        field(out, "\"responseBytes\":");
        push_number(out, measures.response_bytes);
    }
    cells.clear();
    cells.reserve(measures.cell_words());
    cells.extend(measures.cells());
    let statuses = cells.partition_point(|(cell, _)| !cell.is_duration());
    let (statuses, durations) = cells.split_at_mut(statuses);
    if !statuses.is_empty() {
        field(out, "\"status\":");
        push_cells(out, statuses);
    }
    if form == Form::Answer {
        let errors = [Cell::is_client_error, Cell::is_server_error].map(|of| sum_of(statuses, of));
        for (name, count) in ["\"clientErrors\":", "\"serverErrors\":"].into_iter().zip(errors) {
            if count > 0 {
                field(out, name);
                push_number(out, count);
            }
        }
    }
    if !durations.is_empty() || measures.duration_micros > 0 {
        field(out, "\"duration\":{");
        push_duration(out, measures, durations, form);
        out.push('}');
    }
}

fn push_duration(out: &mut String, measures: &Measures, durations: &mut [(Cell, u64)], form: Form) {
    let mut opening = "";
    let mut field = |out: &mut String, name: &str| {
        out.push_str(opening);
        out.push_str(name);
        opening = ",";
    };
    if form == Form::Answer {
        field(out, "\"count\":");
        push_number(out, sum_of(durations, Cell::is_duration));
        field(out, "\"sumSeconds\":");
        push_seconds(out, measures.duration_micros);
        if let Some(cells) = percentile_cells(durations.iter().copied(), [50, 90, 95, 99]) {
            for (name, cell) in ["\"p50\":", "\"p90\":", "\"p95\":", "\"p99\":"].into_iter().zip(cells) {
                field(out, name);
                out.push_str(&CELL_TEXTS[usize::from(cell.number())].seconds);
            }
        }
    }
    if measures.duration_micros > 0 {
        field(out, "\"micros\":");
        push_number(out, measures.duration_micros);
    }
    // The zero bucket is the first.
    let zeros = usize::from(durations.first().is_some_and(|(cell, _)| *cell == Cell::zero_duration()));
    let (zeros, buckets) = durations.split_at_mut(zeros);
    if let [(_, count)] = zeros {
        field(out, "\"zeroCount\":");
        push_number(out, *count);
    }
    if !buckets.is_empty() {
        field(out, "\"buckets\":");
        push_cells(out, buckets);
    }
}

/// The counts of all cells of which `of` is true.
fn sum_of(cells: &[(Cell, u64)], of: impl Fn(Cell) -> bool) -> u64 {
    cells.iter().filter(|(cell, _)| of(*cell)).fold(0, |sum, (_, count)| saturating_sum(sum, *count))
}

/// Appends a map of cells by their numbers as text, which ascend by bytes: `-1` before `-10` before `0`.
fn push_cells(out: &mut String, cells: &mut [(Cell, u64)]) {
    let texts = &*CELL_TEXTS;
    let text = |cell: Cell| &texts[usize::from(cell.number())];
    cells.sort_unstable_by_key(|(cell, _)| text(*cell).place);
    let mut opening = '{';
    for (cell, count) in cells.iter() {
        out.push(opening);
        out.push_str(&text(*cell).name);
        push_number(out, *count);
        opening = ',';
    }
    out.push('}');
}

/// The text of a cell: an answer about a day of minutes writes a million of them.
struct CellText {
    /// Its number in quotes, with a colon behind it.
    name: String,
    /// Its place among all statuses and buckets, in the order of the numbers' texts.
    place: u16,
    /// The duration that it is read as.
    seconds: String,
}

/// By the number of the cell.
static CELL_TEXTS: LazyLock<Vec<CellText>> = LazyLock::new(|| {
    let cells = (0..CELL_COUNT as u16).map(|number| Cell::from_number(number).expect("there are as many"));
    let numbered = cells.map(|cell| {
        let number = match cell.kind() {
            CellKind::Status(code) => i32::from(code),
            // It has a field of its own.
            CellKind::ZeroDuration => 0,
            CellKind::Bucket(index) => i32::from(index),
        };
        (number.to_string(), cell)
    });
    let numbered: Vec<(String, Cell)> = numbered.collect();
    let mut sorted: Vec<&(String, Cell)> = numbered.iter().collect();
    sorted.sort_unstable();
    let mut places = [0; CELL_COUNT];
    sorted.iter().zip(0..).for_each(|((_, cell), place)| places[usize::from(cell.number())] = place);
    let texts = numbered.iter().zip(places).map(|((number, cell), place)| CellText {
        name: format!("\"{number}\":"),
        place,
        seconds: cell.seconds().to_string(),
    });
    texts.collect()
});

/// Appends the map of a dimension, if a key has a count that is not zero. `name` opens it.
fn push_counts(out: &mut String, name: &str, rows: &[KeyView<'_>], count: impl Fn(&KeyView<'_>) -> u64) {
    let mut opening = name;
    for row in rows {
        let count = count(row);
        if count > 0 {
            out.push_str(opening);
            push_quoted(out, &row.key);
            out.push(':');
            push_number(out, count);
            opening = ",";
        }
    }
    if opening == "," {
        out.push('}');
    }
}

/// Microseconds as seconds, exactly.
pub fn push_seconds(out: &mut String, micros: u64) {
    push_number(out, micros / 1_000_000);
    let places = micros % 1_000_000;
    if places == 0 {
        return;
    }
    out.push('.');
    [places / 10_000, places / 100 % 100, places % 100].into_iter().for_each(|pair| push_pair(out, pair));
    out.truncate(out.trim_end_matches('0').len());
}

/// A JSON string; nearly all keys need no escapes.
pub fn push_quoted(text: &mut String, key: &str) {
    let escapes = key.bytes().fold(false, |any, byte| any | matches!(byte, b'"' | b'\\' | 0..=0x1F));
    if escapes {
        text.push_str(&serde_json::Value::from(key).to_string());
    } else {
        text.push('"');
        text.push_str(key);
        text.push('"');
    }
}

pub fn push_number(text: &mut String, number: u64) {
    if number >= 100 {
        push_number(text, number / 100);
        push_pair(text, number % 100);
    } else if number >= 10 {
        push_pair(text, number);
    } else {
        text.push(char::from(b'0' + number as u8));
    }
}

/// Appends two digits.
fn push_pair(text: &mut String, pair: u64) {
    /// From `00` to `99`.
    static PAIRS: LazyLock<String> = LazyLock::new(|| (0..100).map(|pair| format!("{pair:02}")).collect());
    let start = 2 * pair as usize;
    text.push_str(&PAIRS[start..start + 2]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_stand_in_the_order_of_their_texts() {
        let mut measures = Measures::default();
        for code in [1, 10, 100, 99, 2, 404] {
            measures.add_cell(Cell::status(code).unwrap(), u64::from(code) + 1);
        }
        for index in [-159, -2, -15, -1, 0, 1, 10, 100, 2] {
            measures.add_cell(Cell::bucket(index).unwrap(), 1);
        }
        let mut text = String::new();
        push_measures(&mut text, "", &measures, Form::File);
        assert_eq!(
            text,
            "\"status\":{\"1\":2,\"10\":11,\"100\":101,\"2\":3,\"404\":405,\"99\":100},\
             \"duration\":{\"buckets\":{\"-1\":1,\"-15\":1,\"-159\":1,\"-2\":1,\"0\":1,\"1\":1,\"10\":1,\"100\":1,\"2\":1}}"
        );
    }

    #[test]
    fn an_answer_adds_errors_and_quantiles_to_what_the_file_holds() {
        let mut measures = Measures::new(0, 1_290_000);
        for (code, count) in [(200, 4), (404, 1), (499, 2), (503, 1)] {
            measures.add_cell(Cell::status(code).unwrap(), count);
        }
        for (micros, count) in [(0, 1), (150_000, 5), (500_000, 1)] {
            measures.add_cell(Cell::duration(micros), count);
        }
        let answer = |form| {
            let mut text = "{".to_owned();
            push_measures(&mut text, "", &measures, form);
            serde_json::from_str::<serde_json::Value>(&(text + "}")).unwrap()
        };
        let (file, mut answered) = (answer(Form::File), answer(Form::Answer));
        assert_eq!(file["duration"]["zeroCount"], 1);
        assert_eq!((&answered["clientErrors"], &answered["serverErrors"]), (&3.into(), &1.into()));
        let duration = answered["duration"].as_object_mut().unwrap();
        assert_eq!((&duration["count"], duration["sumSeconds"].as_f64()), (&7.into(), Some(1.29)));
        let (p50, p99) = (duration["p50"].as_f64().unwrap(), duration["p99"].as_f64().unwrap());
        assert!((p50 / 0.15 - 1.0).abs() < 0.0443 && (p99 / 0.5 - 1.0).abs() < 0.0443, "{p50} {p99}");
        for name in ["count", "sumSeconds", "p50", "p90", "p95", "p99"] {
            assert!(duration.remove(name).is_some(), "{name}");
        }
        for name in ["clientErrors", "serverErrors"] {
            answered.as_object_mut().unwrap().remove(name);
        }
        assert_eq!(answered, file);
    }

    #[test]
    fn numbers_and_seconds_are_written_exactly() {
        for number in [0, 9, 10, 99, 100, 101, 1_000, 1_234_567_890, u64::MAX] {
            let mut text = String::new();
            push_number(&mut text, number);
            assert_eq!(text, number.to_string());
        }
        for (micros, seconds) in
            [(0, "0"), (1, "0.000001"), (1_290_000, "1.29"), (60_000_000, "60"), (100_203_040, "100.20304")]
        {
            let mut text = String::new();
            push_seconds(&mut text, micros);
            assert_eq!(text, seconds);
        }
    }
}
