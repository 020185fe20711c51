//! The ten questions of the README: each of its commands is asked of the real binary as it stands there, and the answer is
//! compared with what the raw log says.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use log_analytics::dimension::text_field;
use serde_json::{Value, json};

use crate::support::client::{Answer, Client};
use crate::support::server::Server;

const SERVER: &str = "http://127.0.0.1:8080";
/// The place of the host among the texts of entries, and that of the page before.
const HOST: usize = 0;
const PAGE_BEFORE: usize = 1;

/// The targets of the commands, in their order; one may have several.
fn questions() -> Vec<Vec<String>> {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let block = readme.split("### Ten questions").nth(1).unwrap().split("```").nth(1).unwrap();
    let targets = block.lines().filter(|line| line.starts_with("curl ")).map(|line| {
        assert!(line.contains("-H 'x-customer-id: demo'"), "{line}");
        let target = line.split(SERVER).nth(1).unwrap().trim_end_matches('\'');
        // As curl does: {a,b} stands for two.
        match target.split_once('{').map(|(before, rest)| (before, rest.split_once('}').unwrap())) {
            None => vec![target.to_owned()],
            Some((before, (list, after))) => {
                list.split(',').map(|one| format!("{before}{one}{after}")).collect()
            }
        }
    });
    targets.collect()
}

fn get(client: &mut Client, target: &str) -> Answer {
    let answer = client.get(target, &[("x-customer-id", "demo")]).unwrap();
    assert_eq!(answer.status, 200, "{target}: {}", answer.text());
    answer
}

/// A log of three days, a request every two minutes.
fn log() -> Vec<Value> {
    let agents = ["Mozilla/5.0 (compatible; GPTBot/1.2)", "curl/8.5.0", "Mozilla/5.0 Firefox/132.0"];
    let paths = ["/", "/checkout", "/old", "/api/items", "/gone"];
    let entry = |number: usize| {
        let minute = number * 2;
        let (day, hour) = (26 + minute / 1_440, minute / 60 % 24);
        let path = paths[number * 7 % paths.len()];
        let status = match path {
            "/old" | "/gone" if !number.is_multiple_of(3) => 404,
            "/checkout" if number.is_multiple_of(4) => 503,
            _ => 200,
        };
        let mut entry = json!({
            "receivedAt": format!("2025-12-{day}T{hour:02}:{:02}:{:02}Z", minute % 60, number % 60),
            "method": "GET", "path": path, "userAgent": agents[number * 5 % agents.len()], "status": status,
            "responseBytes": number % 900, "durationSeconds": (number % 5 + 1) as f64 / 100.0,
            "clientIp": format!("192.0.2.{}", number % 40 + number / 720 * 50),
        });
        entry[text_field(HOST).name] = json!(["a.example", "b.example"][number % 2]);
        if number.is_multiple_of(3) {
            entry[text_field(PAGE_BEFORE).name] =
                json!(["https://news.example/x", "https://search.example/"][number % 2]);
        }
        entry
    };
    (0..2_160).map(entry).collect()
}

fn count<'e>(
    entries: impl Iterator<Item = &'e Value>,
    key: impl Fn(&Value) -> String,
) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    entries.for_each(|entry| *counts.entry(key(entry)).or_insert(0) += 1);
    counts
}

fn path(entry: &Value) -> String {
    format!("GET {}", entry["path"].as_str().unwrap())
}

fn is_robot(entry: &Value) -> bool {
    entry["userAgent"].as_str().unwrap().contains("GPTBot")
}

/// The rows of a top, each with one of its numbers, but for those where it is zero.
fn rows(answer: &Value, number: impl Fn(&Value) -> u64) -> BTreeMap<String, u64> {
    let rows = answer["top"].as_array().unwrap().iter();
    rows.map(|row| (row["key"].as_str().unwrap().to_owned(), number(row)))
        .filter(|(_, count)| *count > 0)
        .collect()
}

#[test]
fn the_ten_questions_of_the_readme_are_answered_as_the_raw_log_says() {
    let temp = tempfile::tempdir().unwrap();
    let server = Server::start(temp.path(), &[]);
    let mut client = server.client();
    let log = log();
    for (number, batch) in log.chunks(500).enumerate() {
        let answer = client.post("demo", &format!("b{number}"), &serde_json::to_vec(batch).unwrap()).unwrap();
        assert_eq!(answer.status, 202, "{}", answer.text());
    }
    let questions = questions();
    assert_eq!(questions.len(), 10);
    let mut json = |question: usize| get(&mut client, &questions[question][0]).json();
    let status = |entry: &Value, status: u64| entry["status"] == status;

    let not_found = count(log.iter().filter(|entry| status(entry, 404)), path);
    assert_eq!(rows(&json(0), |row| row["status"]["404"].as_u64().unwrap_or(0)), not_found);

    let slow = json(1);
    let slow: Vec<f64> =
        slow["top"].as_array().unwrap().iter().map(|row| row["duration"]["p95"].as_f64().unwrap()).collect();
    assert!(
        slow.len() == 5 && slow.is_sorted_by(|a, b| a >= b) && (slow[0] / 0.05 - 1.0).abs() < 0.05,
        "{slow:?}"
    );

    let all = json(2)["windows"][0].clone();
    let robots = log.iter().filter(|entry| is_robot(entry)).count();
    assert_eq!((&all["requests"], &all["robots"]["requests"]), (&json!(log.len()), &json!(robots)));

    let hosts = count(log.iter(), |entry| entry[text_field(HOST).name].as_str().unwrap().to_owned());
    assert_eq!(rows(&json(5), |row| row["requests"].as_u64().unwrap()), hosts);
    let linked = log.iter().filter_map(|entry| entry.get(text_field(PAGE_BEFORE).name));
    let linking = count(linked, |url| url.as_str().unwrap().split('/').nth(2).unwrap().to_owned());
    assert_eq!(rows(&json(4), |row| row["requests"].as_u64().unwrap()), linking);

    let bytes: u64 = log.iter().map(|entry| entry["responseBytes"].as_u64().unwrap()).sum();
    let month = json(6);
    assert_eq!(month["windows"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&month["windows"][0]["responseBytes"], &month["windowSize"]),
        (&json!(bytes), &json!("month"))
    );

    let hours = json(7);
    for (window, hour) in hours["windows"].as_array().unwrap().iter().zip(["17", "18"]) {
        let within =
            |entry: &&Value| entry["receivedAt"].as_str().unwrap().starts_with(&format!("2025-12-28T{hour}"));
        let errors = log.iter().filter(within).filter(|entry| status(entry, 503)).count();
        assert_eq!(window["requests"], log.iter().filter(within).count());
        assert_eq!(
            window.get("serverErrors").and_then(Value::as_u64).unwrap_or(0),
            errors as u64,
            "{window}"
        );
    }

    let read = json(8);
    let gptbot: Vec<&Value> = log.iter().filter(|entry| is_robot(entry)).collect();
    assert_eq!(rows(&read, |row| row["requests"].as_u64().unwrap()), count(gptbot.iter().copied(), path));
    for row in read["top"].as_array().unwrap() {
        let these = gptbot.iter().filter(|entry| path(entry) == row["key"].as_str().unwrap());
        assert_eq!(row["status"], json!(count(these.copied(), |entry| entry["status"].to_string())));
    }

    let days = get(&mut client, &questions[3][0]).json();
    let month = get(&mut client, &questions[3][1]).json();
    let visitors = |day: &str| {
        let people = log.iter().filter(|entry| !is_robot(entry));
        let of_day = people.filter(|entry| entry["receivedAt"].as_str().unwrap().starts_with(day));
        count(of_day, |entry| format!("{} {}", entry["clientIp"], entry["userAgent"])).len() as f64
    };
    let is_near = |found: &Value, day: &str| (found.as_f64().unwrap() / visitors(day) - 1.0).abs() < 0.05;
    assert_eq!(days["windows"].as_array().unwrap().len(), 3);
    for window in days["windows"].as_array().unwrap() {
        assert!(is_near(&window["visitors"], &window["windowStart"].as_str().unwrap()[..10]), "{window}");
    }
    assert!(is_near(&month["windows"][0]["visitors"], "2025-12"), "{month}");

    let lines = get(&mut client, &questions[9][0]).text();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let is_asked = |entry: &&Value| entry["path"] == "/checkout" && status(entry, 503);
    let mut expected: Vec<Value> = log.iter().filter(is_asked).cloned().collect();
    expected.reverse();
    expected.truncate(100);
    assert_eq!(lines, expected);
}
