//! The metrics, flags and variables that the files of `deploy/` name exist, metrics from the start. `promtool test rules`
//! (`.ci/run`) tests that alerts fire when they should.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::server::Server;

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The names of our metrics in a text.
fn names(text: &str) -> BTreeSet<&str> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.split(|c| !is_name(c)).filter(|word| word.starts_with("log_analytics_")).collect()
}

/// All expressions of a dashboard.
fn expressions(json: &Value, found: &mut Vec<String>) {
    match json {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value.as_str().filter(|_| ["expr", "query", "definition"].contains(&name.as_str())) {
                    Some(text) => found.push(text.to_owned()),
                    None => expressions(value, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| expressions(item, found)),
        _ => {}
    }
}

#[test]
fn every_metric_of_alerts_and_dashboard_is_there_after_the_first_batches() {
    let temp = tempfile::tempdir().unwrap();
    let server = Server::start(temp.path(), &[]);
    let batch = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("data/samples/batch.json")).unwrap();
    assert_eq!(server.client().post("demo", "1", &batch).unwrap().status, 202);
    // What is counted by field, reason or customer is there when it first happens: a line skipped, a status that cannot be
    // read, a batch and a question refused.
    let as_lines = [("x-customer-id", "demo"), ("content-type", "text/plain")];
    let answer = server.client().send("POST", "/logs", &as_lines, Some(b"nonsense\n")).unwrap();
    assert_eq!((answer.status, &answer.json()["skipped"]), (202, &1.into()), "{}", answer.text());
    let odd = String::from_utf8(batch).unwrap().replacen("\"path\"", "\"status\":\"odd\",\"path\"", 1);
    let answer = server.client().post("demo", "3", odd.as_bytes()).unwrap();
    assert_eq!((answer.status, &answer.json()["altered"]["status"]), (202, &1.into()), "{}", answer.text());
    assert_eq!(server.client().post("demo", "2", b"{").unwrap().status, 400);
    for (window, status) in [("day", 200), ("minute&next=nowhere", 400)] {
        let question = "/aggregates?from=2025-12-01T00:00:00Z&to=2025-12-31T00:00:00Z&window=";
        let answer = server.client().get(&format!("{question}{window}"), &as_lines).unwrap();
        assert_eq!(answer.status, status, "{}", answer.text());
    }
    let metrics = server.client().get("/metrics", &[]).unwrap().text();
    let have: BTreeSet<&str> = metrics
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split(['{', ' ']).next())
        .collect();
    let dashboard: Value = serde_json::from_str(&read("deploy/grafana/dashboard.json")).unwrap();
    let mut asked = Vec::new();
    expressions(&dashboard, &mut asked);
    assert!(asked.len() > 20, "{asked:?}");
    let alerts = read("deploy/prometheus/alerts.yml");
    let expressions = asked.join(" ");
    for (place, text) in [("the dashboard", &expressions), ("alerts.yml", &alerts)] {
        for name in names(text) {
            assert!(have.contains(name), "{place} asks for {name}, which is not in /metrics");
        }
    }
    // A counter that alerts compare with an earlier value must exist before its first event.
    let full = "log_analytics_ingestion_rejects_total{reason=\"disk_full\"} 0";
    assert!(alerts.contains("reason=\"disk_full\"") && metrics.contains(full), "{metrics}");
}

#[test]
fn units_and_shippers_name_flags_and_subcommands_that_exist() {
    let help = |args: &[&str]| {
        let help = crate::support::server::run(&[args, &["--help"]].concat()).stdout;
        // A name may stand on the next line of what announces it.
        String::from_utf8(help).unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let serve = help(&["serve"]);
    let import = help(&["import"]);
    let mut checked = 0;
    for (path, help) in [
        ("deploy/systemd/log-analytics.service", &serve),
        ("deploy/container/Dockerfile", &serve),
        ("deploy/container/compose.yml", &serve),
        ("deploy/shippers/log-analytics-import.service", &import),
    ] {
        let text = read(path);
        let is_name = |c: char| c.is_ascii_uppercase() || c == '_';
        for variable in text.split(|c| !is_name(c)).filter(|word| word.starts_with("LOG_ANALYTICS_")) {
            // `LOG_ANALYTICS_…` in a comment stands for all of them.
            if variable != "LOG_ANALYTICS_" {
                assert!(help.contains(&format!("[env: {variable}")), "{path}: {variable}");
                checked += 1;
            }
        }
    }
    assert!(checked >= 8, "only {checked} variables were found");
}
