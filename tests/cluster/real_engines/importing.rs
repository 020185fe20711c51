//! A log is imported into the cluster, twice, and counts as on one machine. No role deletes its customer.

use std::fmt::Write;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use super::batches::DAY_MS;
use super::{Both, WEEK_MS};
use crate::support::client::Client;
use crate::support::server::program;

const CUSTOMER: &str = "imported";
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

pub(crate) fn import_a_log(both: &Both, dir: &Path) {
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
    eprintln!("a log: imported; its customer is deleted by the runbook alone");
}
