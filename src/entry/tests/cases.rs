//! The cases in `data/cases`: lines as servers write them, with the entries that a right reader makes of them. Compared as
//! `data/cases/README.md` says.
#![allow(clippy::disallowed_methods, reason = "tests read files")]

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::{Told, read};
use crate::entry::ReaderOptions;
use crate::input::Input;
use crate::time::parse_rfc3339;

/// A folder of `data/cases`.
pub(super) struct Case {
    pub(super) name: String,
    pub(super) options: ReaderOptions,
    pub(super) inputs: Vec<PathBuf>,
    folder: PathBuf,
    about: Value,
}

/// All cases, by their names.
pub(super) fn cases() -> Vec<Case> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/cases");
    let folders = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path());
    let mut folders: Vec<PathBuf> = folders.filter(|path| path.is_dir()).collect();
    folders.sort();
    assert!(folders.len() >= 56, "{} cases", folders.len());
    folders.into_iter().map(case).collect()
}

fn case(folder: PathBuf) -> Case {
    let about: Value = serde_json::from_slice(&fs::read(folder.join("case.json")).unwrap()).unwrap();
    let mut options = ReaderOptions::default();
    let mut flags = about["flags"].as_array().unwrap().iter().map(|flag| flag.as_str().unwrap());
    while let Some(flag) = flags.next() {
        match flag {
            "--format" => options.format = flags.next().unwrap().parse().unwrap(),
            "--timezone" => options.timezone = Some(flags.next().unwrap().parse().unwrap()),
            "--keep-query" => options.keep_query = true,
            other => panic!("{other} in {}", folder.display()),
        }
    }
    let files = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let is_input = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with("input");
    let mut inputs: Vec<PathBuf> = files.filter(is_input).collect();
    inputs.sort();
    let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
    Case { name, options, inputs, folder, about }
}

/// An input without its coding; the reason if it is refused.
pub(super) fn text(path: &Path) -> Result<Vec<u8>, String> {
    let mut text = Vec::new();
    let opened = Input::File(path.to_owned()).open(Default::default());
    opened.and_then(|mut opened| opened.read_to_end(&mut text)).map_err(|error| error.to_string())?;
    Ok(text)
}

impl Case {
    fn wanted(&self) -> Vec<Map<String, Value>> {
        let plain = self.folder.join("entries.ndjson");
        let path = if plain.exists() { plain } else { self.folder.join("entries.ndjson.gz") };
        let text = String::from_utf8(text(&path).unwrap()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Values that count as well as the wanted one.
    fn others(&self, number: usize, field: &str) -> Vec<Option<Value>> {
        let all = self.about["or"].as_array().cloned().unwrap_or_default();
        let mut others: Vec<Option<Value>> = all
            .into_iter()
            .filter(|other| other["entry"] == number && other["field"] == field)
            .map(|other| Some(other["value"].clone()).filter(|value| !value.is_null()))
            .collect();
        let may_lack = self.about["mayLack"].as_array().cloned().unwrap_or_default();
        if may_lack.iter().any(|lacking| lacking == field) {
            others.push(None);
        }
        others
    }

    #[track_caller]
    fn compare(&self, number: usize, want: &Map<String, Value>, got: &Map<String, Value>) {
        for field in want.keys().chain(got.keys()) {
            let (want, got) = (want.get(field).cloned(), got.get(field).cloned());
            let accepted = self.others(number, field).iter().any(|other| is_same(field, other, &got));
            assert!(
                accepted || is_same(field, &want, &got),
                "{}, entry {number}, {field}: wanted {want:?}, got {got:?}",
                self.name
            );
        }
    }
}

fn is_same(field: &str, want: &Option<Value>, got: &Option<Value>) -> bool {
    let (Some(want), Some(got)) = (want, got) else { return want.is_none() && got.is_none() };
    match (field, want, got) {
        ("receivedAt", Value::String(want), Value::String(got)) => micros(want).abs_diff(micros(got)) <= 1,
        ("durationSeconds", Value::Number(want), Value::Number(got)) => {
            (want.as_f64().unwrap() - got.as_f64().unwrap()).abs() <= 1.000_001e-6
        }
        (_, Value::String(want), Value::String(got)) => one_replacement(want) == one_replacement(got),
        _ => want == got,
    }
}

/// A run of U+FFFD counts as one.
fn one_replacement(text: &str) -> String {
    let mut text = text.to_owned();
    while text.contains("\u{FFFD}\u{FFFD}") {
        text = text.replace("\u{FFFD}\u{FFFD}", "\u{FFFD}");
    }
    text
}

fn micros(time: &str) -> u64 {
    let seconds = parse_rfc3339(time).unwrap() / 1_000;
    let fraction = time.split_once('.').map_or("", |(_, rest)| rest.trim_end_matches('Z'));
    seconds * 1_000_000 + format!("{fraction:0<6}").parse::<u64>().unwrap()
}

#[test]
fn every_case_is_read_as_it_is_meant() {
    for case in cases() {
        let texts: Result<Vec<_>, _> = case.inputs.iter().map(|input| text(input)).collect();
        if let Some(names) = case.about["refused"].as_array() {
            let reason = texts.expect_err("a case that is refused").to_lowercase();
            assert!(
                names.iter().any(|name| reason.contains(name.as_str().unwrap())),
                "{}: {reason}",
                case.name
            );
            continue;
        }
        let told: Vec<Told> = texts.unwrap().iter().flat_map(|text| read(&case.options, text)).collect();
        let entries: Vec<Map<String, Value>> = told
            .iter()
            .filter_map(|told| match told {
                Told::Entry(entry) => Some(serde_json::from_str(entry).unwrap()),
                Told::Skipped(_) => None,
            })
            .collect();
        let wanted = case.wanted();
        wanted
            .iter()
            .zip(&entries)
            .enumerate()
            .for_each(|(place, (want, got))| case.compare(place + 1, want, got));
        let skipped = told.len() - entries.len();
        let numbers = (entries.len(), skipped as u64);
        assert_eq!(numbers, (wanted.len(), case.about["skipped"].as_u64().unwrap()), "{}", case.name);
        let reasons: String = told
            .iter()
            .filter_map(|told| match told {
                Told::Skipped(reason) => Some(reason.to_string().to_lowercase()),
                Told::Entry(_) => None,
            })
            .collect();
        for word in case.about["skippedReasons"].as_array().into_iter().flatten() {
            assert!(reasons.contains(&word.as_str().unwrap().to_lowercase()), "{}: {reasons}", case.name);
        }
    }
}
