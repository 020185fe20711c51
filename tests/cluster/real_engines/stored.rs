//! What is stored, compared as a whole: rows that are written twice change nothing, and every window in ClickHouse is the one
//! in the single machine's file.

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use log_analytics::base::disk::RealDisk;
use log_analytics::cluster::clickhouse::{ClickHouse, ClickHouseOptions};
use log_analytics::cluster::metrics::database_seconds;
use log_analytics::cluster::probe::Probe;
use log_analytics::cluster::source::ClickHouseSource;
use log_analytics::metrics::Metrics;
use log_analytics::model::{CustomerId, WindowSize, WindowStart};
use log_analytics::query::{KnownCustomer, Meter, QueryLimits, Question, StoredSource, WindowSource};
use log_analytics::windows::file;
use log_analytics::windows::json::{Form, push_window};
use log_analytics::windows::view::{Wanted, WindowView};

use super::Both;
use super::halfway::clickhouse;
use crate::support::engines::Engines;

/// Writes every row of both tables again, older versions included.
pub(crate) fn write_every_row_twice(both: &Both) {
    for table in ["minute_totals", "minute_keys"] {
        clickhouse(both, &format!("INSERT INTO {table} SELECT * FROM {table}"));
    }
    eprintln!("every row written twice");
}

/// The JSON of windows by customer, size and start.
type Stored = BTreeMap<(CustomerId, WindowSize, WindowStart), String>;

fn add(stored: &mut Stored, customer: &CustomerId, view: &WindowView<'_>) {
    let mut json = String::new();
    push_window(&mut json, customer, view, Form::File);
    let known = stored.insert((customer.clone(), view.id.size, view.id.start), json);
    assert_eq!(known, None, "a window twice");
}

/// Compares everything that windows hold, for all customers and sizes, with the files of a server that has ended.
pub(crate) fn assert_same_windows(engines: &Engines, windows: &Path) {
    let mut expected = Stored::new();
    for dir in fs::read_dir(windows).unwrap() {
        for path in fs::read_dir(dir.unwrap().path()).unwrap() {
            let bytes = fs::read(path.unwrap().path()).unwrap();
            let (customer, view) = file::decode_any(&bytes, &Wanted::ALL).unwrap();
            add(&mut expected, &customer, &view);
        }
    }
    for part in ["\"robots\":{", "\"visitors\":", "\"requestsByCountry\":", "\"measuresByHost\":"] {
        assert!(expected.values().any(|json| json.contains(part)), "nothing has {part}");
    }
    let found = of_clickhouse(engines);
    for (window, expected) in &expected {
        assert_eq!(found.get(window), Some(expected), "{window:?}");
    }
    assert_eq!(found.len(), expected.len());
    eprintln!("{} windows: the same in ClickHouse as in files", expected.len());
}

fn of_clickhouse(engines: &Engines) -> Stored {
    let options = ClickHouseOptions {
        url: engines.endpoint("CLICKHOUSE_URL").to_owned(),
        database: engines.endpoint("CLICKHOUSE_DATABASE").to_owned(),
        credentials_file: None,
    };
    let client = ClickHouse::new(&options, &*RealDisk::shared(), database_seconds(&Metrics::new())).unwrap();
    let (probe, _probing) = Probe::start(Vec::new()).unwrap();
    let limits = QueryLimits {
        max_windows: usize::MAX,
        max_bytes: u64::MAX,
        max_time: Duration::from_secs(600),
        ..QueryLimits::default()
    };
    let source = ClickHouseSource::new(Arc::new(client), probe, u64::MAX >> 1);
    let mut found = Stored::new();
    for KnownCustomer { id: customer, .. } in source.customers().unwrap() {
        for size in WindowSize::ALL {
            // 2000 to 2100.
            let range = WindowStart(15_778_080)..WindowStart(68_374_080);
            let question = Question { customer: customer.clone(), size, range };
            let mut visit = |view: &WindowView<'_>| {
                add(&mut found, &customer, view);
                Ok(ControlFlow::Continue(()))
            };
            source.visit(&question, &Wanted::ALL, &mut Meter::new(limits), &mut visit).unwrap();
        }
    }
    found
}
