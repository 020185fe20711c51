//! Kills with -9 in the middle of a process's own work: `reconcile` between the two tables that it writes, `query`
//! while it answers.

use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::batches::DAY_MS;
use super::{Both, WEEK_MS};
use crate::support::client::Client;
use crate::support::engines::{Role, wait_for};
use crate::support::server::program;

/// Kills `reconcile` when the totals of the only window that it counts again are in ClickHouse, where they are `after` requests
/// then, and the keys, which are still `before`, are on their way.
pub(crate) fn kill_reconcile_between_its_tables(both: &Both, at_ms: u64, before: u64, after: u64) {
    let front = tiny_http::Server::http("127.0.0.1:0").unwrap();
    let mut reconcile = program()
        .arg("reconcile")
        .envs(both.engines.variables())
        .env("LOG_ANALYTICS_CLICKHOUSE", format!("http://{}", front.server_addr().to_ip().unwrap()))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    loop {
        let mut request =
            front.recv_timeout(Duration::from_secs(120)).unwrap().expect("reconcile writes both tables");
        let mut statement = Vec::new();
        request.as_reader().read_to_end(&mut statement).unwrap();
        if statement.starts_with(b"INSERT INTO minute_keys ") {
            break;
        }
        let answer = send(both, request.url(), &statement);
        request.respond(tiny_http::Response::from_string(&answer)).unwrap();
    }
    reconcile.kill().unwrap();
    reconcile.wait().unwrap();
    let of_window = format!("FINAL WHERE customer = 'north' AND window_start = {}", at_ms / 1_000);
    let requests = ["totals", "keys"].map(|rows| {
        let only = if rows == "keys" { " AND dimension = 'path'" } else { "" };
        let sql = format!("SELECT sum(requests) FROM minute_{rows} {of_window}{only}");
        clickhouse(both, &sql).trim().to_owned()
    });
    assert_eq!(requests, [after.to_string(), before.to_string()], "it died half way");
    eprintln!("reconcile killed between its tables");
}

/// Sends a statement to ClickHouse; its answer.
pub(crate) fn clickhouse(both: &Both, statement: &str) -> String {
    let target = format!("/?database={}", both.engines.endpoint("CLICKHOUSE_DATABASE"));
    send(both, &target, statement.as_bytes())
}

fn send(both: &Both, target: &str, statement: &[u8]) -> String {
    let addr = both.engines.endpoint("CLICKHOUSE_URL").trim_start_matches("http://").parse().unwrap();
    let answer = Client::new(addr).send("POST", target, &[], Some(statement)).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.text()
}

/// Kills `query` while somebody asks it one thing after another, and starts another one.
pub(crate) fn kill_query_while_it_answers(both: &Both) {
    let (addr, answered) = (*both.query_addr.read().unwrap(), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            // Until the answer is cut off or refused.
            while Both::answers(addr, "north", WEEK_MS, WEEK_MS + 40 * DAY_MS).is_some() {
                answered.fetch_add(1, Ordering::SeqCst);
            }
        });
        wait_for("answers", || answered.load(Ordering::SeqCst) > 0 || asking.is_finished());
        both.query.lock().unwrap().take().unwrap().kill();
        asking.join().unwrap();
    });
    assert!(answered.into_inner() > 0, "it answered before it was killed");
    let query = Role::start(&both.engines, "query", super::QUERY);
    *both.query_addr.write().unwrap() = query.addr;
    *both.query.lock().unwrap() = Some(query);
    eprintln!("query killed while it answered");
}
