//! A customer's log is imported into the cluster, and the customer deleted from it as `deploy/README.md` says.

use std::fmt::Write;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use log_analytics::time;

use super::batches::{DAY_MS, one_entry};
use super::halfway::clickhouse;
use super::{Both, WEEK_MS, object_store};
use crate::support::client::Client;
use crate::support::engines::{run_to_end, wait_for};
use crate::support::server::program;

/// The customer who leaves.
pub(crate) const CUSTOMER: &str = "leaving";
/// 2026-02-01, after all other stages.
const FROM_MS: u64 = WEEK_MS + 31 * DAY_MS;

/// A line in each minute of two hours, some of them errors.
fn log() -> String {
    let mut log = String::new();
    for minute in 0..120 {
        writeln!(
            log,
            "192.0.2.{} - - [01/Feb/2026:{:02}:{:02}:07 +0000] \"GET /page-{} HTTP/1.1\" {} {} \"https://news.example/\" \"curl/8.5.0\"",
            minute % 40,
            10 + minute / 60,
            minute % 60,
            minute % 7,
            if minute % 9 == 0 { 404 } else { 200 },
            100 + minute,
        )
        .unwrap();
    }
    log
}

/// What the command says of the log that it sent there.
fn import(addr: SocketAddr, log: &Path, state_dir: &Path) -> String {
    let mut command = program();
    command.args(["import", "--customer", CUSTOMER, "--url", &format!("http://{addr}")]);
    let output = command.arg("--state-dir").arg(state_dir).arg(log).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8(said).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    said
}

/// Everything that there is to ask about the customer's days: status and text.
fn asked(addr: SocketAddr) -> Vec<(u16, String)> {
    let (from, to) = (time::format_rfc3339(FROM_MS), time::format_rfc3339(FROM_MS + 2 * DAY_MS));
    let targets = [
        "/aggregates?window=minute&",
        "/aggregates?window=day&",
        "/aggregates/top?dimension=path&",
        "/entries?",
    ];
    let mut client = Client::new(addr);
    let answers = targets.map(|target| {
        let target = format!("{target}from={from}&to={to}");
        client.get(&target, &[("x-customer-id", CUSTOMER)]).unwrap()
    });
    answers.iter().map(|answer| (answer.status, answer.text())).collect()
}

pub(crate) fn import_a_log_and_delete_its_customer(both: &Both, dir: &Path) {
    let log_file = dir.join("access.log");
    fs::write(&log_file, log()).unwrap();
    import(both.single.addr, &log_file, &dir.join("import-single"));
    import(both.ingests.next(), &log_file, &dir.join("import-cluster"));
    // Another machine imports it once more.
    import(both.ingests.next(), &log_file, &dir.join("import-again"));
    both.assert_same("an import", &[CUSTOMER], FROM_MS, FROM_MS + DAY_MS);

    let path = format!("/customers/{CUSTOMER}");
    let query_addr = || *both.query_addr.read().unwrap();
    for addr in [both.ingests.next(), query_addr()] {
        let answer = Client::new(addr).send("DELETE", &path, &[], None).unwrap();
        assert_eq!(answer.status, 501, "{}", answer.text());
        assert!(answer.text().contains("deploy/README.md"), "{}", answer.text());
    }
    assert_eq!(Client::new(both.single.addr).send("DELETE", &path, &[], None).unwrap().status, 204);

    run_to_end(&both.engines, &["reconcile"]);
    let store = object_store(both);
    for prefix in ["raw", "summaries", "texts"] {
        let prefix = format!("{prefix}/{CUSTOMER}/");
        let mut listing = store.list(&prefix, "");
        let mut keys = Vec::new();
        while let Some(object) = listing.next_object().unwrap() {
            keys.push(object.key);
        }
        assert!(!keys.is_empty() || prefix.starts_with("texts"), "nothing under {prefix}");
        keys.iter().for_each(|key| store.delete(key).unwrap());
    }
    for table in ["minute_totals", "minute_keys"] {
        clickhouse(both, &format!("DELETE FROM {table} WHERE customer = '{CUSTOMER}'"));
    }
    let expected = asked(both.single.addr);
    wait_for("the customer to be gone", || asked(query_addr()) == expected);
    run_to_end(&both.engines, &["reconcile"]);
    assert_eq!(asked(query_addr()), expected, "nothing is counted again");

    // The customer goes on.
    both.deliver(&[one_entry(CUSTOMER, "again", FROM_MS + DAY_MS)]);
    both.assert_same("a customer who was deleted, and goes on", &[CUSTOMER], FROM_MS, FROM_MS + 2 * DAY_MS);
    eprintln!("a customer: imported, deleted and back");
}
