//! The questions that anybody asks of an access log, each answered by clicking, and checked against the raw log.

use std::collections::{BTreeMap, HashSet};

use log_analytics::time::format_rfc3339;
use serde_json::json;
use tempfile::TempDir;

use super::{CHROME, GPTBOT, cells, page};
use crate::support::browser::{Browser, LIGHT};
use crate::support::server::Server;

/// 2025-12-10T12:00:00Z, the middle of the log: a deployment after which `/checkout` fails more often.
const DEPLOYED_MS: u64 = 1_765_368_000_000;
const MINUTE_MS: u64 = 60_000;
const HOUR_MINUTES: i64 = 60;
const CURL: &str = "curl/8.5";
const PATHS: [(&str, u64); 6] = [
    ("/", 20),
    ("/products", 45),
    ("/checkout", 320),
    ("/search", 700),
    ("/style.css", 3),
    ("/wp-login.php", 8),
];

#[derive(Clone)]
struct Line {
    at_ms: u64,
    path: &'static str,
    agent: &'static str,
    status: u16,
    bytes: u64,
    millis: u64,
    host: &'static str,
    referrer: &'static str,
    ip: String,
}

impl Line {
    fn new(number: u64, minutes: i64) -> Line {
        let (path, slowness) = PATHS[(number % 13 % 6) as usize];
        let deployed = minutes >= 0;
        let status = match path {
            "/wp-login.php" => 404,
            "/checkout" if number.is_multiple_of(if deployed { 3 } else { 20 }) => 503,
            "/products" if number.is_multiple_of(9) => 404,
            _ => 200,
        };
        Line {
            at_ms: DEPLOYED_MS.checked_add_signed(minutes * MINUTE_MS as i64).unwrap(),
            path,
            agent: [CHROME, CHROME, GPTBOT, CURL][(number % 4) as usize],
            status,
            bytes: 1_000 + number % 997,
            millis: slowness * (1 + number % 5),
            host: ["shop.example", "shop.example", "api.example"][(number % 3) as usize],
            referrer: [
                "",
                "https://news.example/item",
                "https://search.example/?q=x",
                "https://news.example/",
            ][(number / 2 % 4) as usize],
            ip: format!("10.0.0.{}", number * 7 % 60),
        }
    }

    fn is_people(&self) -> bool {
        self.agent != GPTBOT
    }

    fn key(&self) -> String {
        format!("GET {}", self.path)
    }

    fn referring_host(&self) -> &'static str {
        self.referrer.strip_prefix("https://").map_or("", |rest| rest.split('/').next().unwrap())
    }
}

/// A line a minute for two days around the deployment, and some of the month before.
fn raw_log() -> Vec<Line> {
    let days = 24 * HOUR_MINUTES;
    let around = (-days..days).map(|minute| Line::new((minute + days) as u64, minute));
    let earlier = (0..90).map(|number| Line::new(number, (number as i64 - 1_000) * 30));
    earlier.chain(around).collect()
}

fn deliver(server: &Server, log: &[Line]) {
    let mut client = server.client();
    for (number, lines) in log.chunks(1_000).enumerate() {
        let entries: Vec<_> = lines
            .iter()
            .map(|line| {
                json!({"receivedAt": format_rfc3339(line.at_ms), "method": "GET", "path": line.path, "userAgent": line.agent,
                    "status": line.status, "responseBytes": line.bytes, "durationSeconds": line.millis as f64 / 1e3,
                    "host": line.host, "referrer": line.referrer, "clientIp": line.ip})
            })
            .collect();
        super::post(&mut client, "shop", &format!("log-{number}"), &entries);
    }
}

/// The keys with the greatest counts, ties by key.
fn biggest(keys: impl Iterator<Item = String>) -> Vec<(String, u64)> {
    let mut counts = BTreeMap::new();
    keys.filter(|key| !key.is_empty()).for_each(|key| *counts.entry(key).or_insert(0) += 1);
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    counts
}

/// The first two cells of a table's rows, the second as a number.
fn rows(browser: &Browser, css: &str) -> Vec<(String, u64)> {
    let all = cells(browser, css);
    let named =
        all.into_iter().filter_map(|row| Some((row[0].clone(), row[1].replace(',', "").parse().ok()?)));
    named.collect()
}

/// Clicks the row of a table whose key is this.
fn click_row(browser: &Browser, css: &str, key: &str) {
    let mark = "for (const e of document.querySelectorAll('[data-mark]')) delete e.dataset.mark;
        const all = [...document.querySelectorAll(arguments[0] + ' button.key')];
        all.find((e) => e.querySelector('bdi').textContent === arguments[1]).dataset.mark = 'yes'";
    browser.run(mark, &[json!(css), json!(key)]);
    browser.click("[data-mark]");
}

/// Opens a range of the log and waits until its tables are there.
fn open(browser: &Browser, server: &Server, state: &str) {
    browser.open("about:blank");
    browser.open(&page(server, &format!("customer=shop&{state}")));
    browser.await_true("document.querySelectorAll('#host tbody tr').length > 0");
}

const TWO_DAYS: &str = "from=2025-12-09T12:00:00Z&to=2025-12-11T12:00:00Z";

fn two_days(log: &[Line]) -> Vec<Line> {
    let length = 24 * 60 * MINUTE_MS;
    log.iter().filter(|line| line.at_ms.abs_diff(DEPLOYED_MS) <= length).cloned().collect()
}

/// A server that has counted the raw log.
struct Shop {
    _temp: TempDir,
    server: Server,
    log: Vec<Line>,
}

fn shop() -> Shop {
    let temp = tempfile::tempdir().unwrap();
    let server = Server::start(temp.path(), &[]);
    let log = raw_log();
    deliver(&server, &log);
    Shop { _temp: temp, server, log }
}

/// The page of its two days, and their lines.
fn opened(shop: &Shop) -> (Browser, Vec<Line>) {
    let browser = Browser::start(LIGHT);
    open(&browser, &shop.server, TWO_DAYS);
    (browser, two_days(&shop.log))
}

#[test]
#[ignore = "needs chromium: .ci/tools installs it"]
fn tables_tell_the_top_404s_the_slowest_paths_referrers_and_hosts() {
    let shop = shop();
    let (browser, seen) = opened(&shop);

    let referrers = biggest(seen.iter().map(|line| line.referring_host().to_owned()));
    assert_eq!(rows(&browser, "#referrer")[..referrers.len()], referrers);
    assert_eq!(rows(&browser, "#host"), biggest(seen.iter().map(|line| line.host.to_owned())));

    // The first screen says what goes wrong: which paths fail, in order of the column that they are sorted by.
    let failing = biggest(seen.iter().filter(|line| line.status >= 500).map(Line::key));
    let shown = cells(&browser, "#failing");
    let expected: Vec<_> =
        failing.iter().take(5).map(|(key, count)| (key.clone(), count.to_string())).collect();
    let shown: Vec<_> =
        shown.into_iter().map(|row| (row[0].clone(), row.last().unwrap().replace(',', ""))).collect();
    assert_eq!(shown, expected);
    let top = |css: &str| {
        browser
            .run("return document.querySelector(arguments[0]).getBoundingClientRect().top", &[json!(css)])
            .as_f64()
            .unwrap()
    };
    for row in ["#path tbody tr", "#failing tbody tr", "#referrer tbody tr", "#status tbody tr"] {
        assert!(top(row) < f64::from(LIGHT.height) - 30.0, "{row} begins at {}", top(row));
    }

    browser.click("#path select option[value='p99']");
    browser.await_true("document.querySelector('#path [aria-sort] [data-sort=p99]')");
    // Buckets of 9% have no third figure.
    for row in cells(&browser, "#path") {
        let figures: String = row[5].chars().filter(char::is_ascii_digit).collect();
        assert!((1..=2).contains(&figures.trim_matches('0').len()), "{row:?}");
    }
    browser.click("#path select option[value='404']");
    browser.await_true("document.querySelector('#path [data-sort=status]')");
    let missing = biggest(seen.iter().filter(|line| line.status == 404).map(Line::key));
    assert_eq!(rows(&browser, "#path")[..missing.len()], missing);

    browser.click("#path [data-sort=p95]");
    browser.await_true("document.querySelector('#path [aria-sort] [data-sort=p95]')");
    let slowest: Vec<_> = cells(&browser, "#path").into_iter().map(|row| row[0].clone()).collect();
    assert_eq!(slowest[..3], ["GET /search", "GET /checkout", "GET /products"]);

    browser.click("#path input");
    browser.press("css");
    browser.await_true("document.querySelectorAll('#path tbody tr').length === 1");
    assert_eq!(rows(&browser, "#path")[0].0, "GET /style.css");
    browser.assert_quiet();
}

#[test]
#[ignore = "needs chromium: .ci/tools installs it"]
fn cards_tell_people_visitors_and_the_error_rate_around_a_deployment() {
    let shop = shop();
    let (browser, seen) = opened(&shop);

    let people = seen.iter().filter(|line| line.is_people()).count();
    browser.click("#people");
    browser.await_true("document.getElementById('people').getAttribute('aria-pressed') === 'true'");
    let expected = format!("{},{:03}", people / 1_000, people % 1_000);
    browser.await_text("#total", &expected);
    browser.await_text("#notes", "Without robots");
    browser.click("#people");
    browser.await_true("document.getElementById('notes').textContent === ''");

    // Visitors of each day, and of the month.
    browser.click("[data-metric=visitors]");
    browser.click("#as-table summary");
    let visitors = |from_ms: u64, to_ms: u64| {
        let inside =
            shop.log.iter().filter(|line| line.is_people() && (from_ms..to_ms).contains(&line.at_ms));
        inside.map(|line| (&line.ip, line.agent)).collect::<HashSet<_>>().len()
    };
    let midnight = DEPLOYED_MS - 12 * 60 * MINUTE_MS;
    let day = 24 * 60 * MINUTE_MS;
    browser.click("#window option[value=day]");
    browser.await_text("#series", "10 Dec 2025");
    let days = cells(&browser, "#series");
    for (row, from_ms) in days.iter().zip([midnight - day, midnight, midnight + day]) {
        let shown: usize = row[3].parse().unwrap();
        assert!(shown.abs_diff(visitors(from_ms, from_ms + day)) <= 2, "{row:?}");
    }
    browser.click("#window option[value=month]");
    browser.await_true("document.querySelector('#series tbody td').textContent === 'Dec 2025'");
    let shown: usize = cells(&browser, "#series")[0][3].parse().unwrap();
    assert!(shown.abs_diff(visitors(midnight - 9 * day, midnight + 22 * day)) <= 2, "{shown}");

    // An hour after the deployment, and the hour before it.
    open(&browser, &shop.server, "from=2025-12-10T12:00:00Z&to=2025-12-10T13:00:00Z");
    let rate = |from_ms: u64| {
        let hour: Vec<_> = shop
            .log
            .iter()
            .filter(|line| (from_ms..from_ms + 60 * MINUTE_MS).contains(&line.at_ms))
            .collect();
        let share = hour.iter().filter(|line| line.status >= 500).count() as f64 / hour.len() as f64;
        if share == 0.0 {
            "0%".to_owned()
        } else {
            format!("{:.*}%", usize::from(share < 0.0995), 100.0 * share)
        }
    };
    let (after, before) = (rate(DEPLOYED_MS), rate(DEPLOYED_MS - 60 * MINUTE_MS));
    let card = browser.text("[data-metric=errors]");
    assert!(
        after != before && card.contains(&after) && card.contains(&format!("was {before}")),
        "{card}: {after}, {before}"
    );
    browser.assert_quiet();
}

#[test]
#[ignore = "needs chromium: .ci/tools installs it"]
fn a_row_leads_to_its_timeline_and_its_lines() {
    let shop = shop();
    let (browser, seen) = opened(&shop);

    // What GPTBot read, and with which status.
    click_row(&browser, "#userAgent", "GPTBot");
    browser.await_true(
        "location.hash.includes('where=family%3DGPTBot') && !document.body.classList.contains('loading')",
    );
    let read: Vec<_> = seen.iter().filter(|line| !line.is_people()).collect();
    browser.await_true(&format!("document.getElementById('total').textContent === '{}'", read.len()));
    browser.await_true("document.querySelectorAll('#host tbody tr').length > 0");
    assert_eq!(rows(&browser, "#path"), biggest(read.iter().map(|line| line.key())));
    assert_eq!(rows(&browser, "#statuses"), biggest(read.iter().map(|line| line.status.to_string())));

    // The 503s of one path, as lines.
    browser.click("#clear");
    browser.await_true("!location.hash.includes('where') && !document.body.classList.contains('loading')");
    click_row(&browser, "#path", "GET /checkout");
    browser.await_true(
        "location.hash.includes('key%3DGET+/checkout') && !document.body.classList.contains('loading')",
    );
    click_row(&browser, "#statuses", "503");
    browser.await_true("document.querySelectorAll('#path tbody tr').length === 1 && location.hash.includes('503') && !document.body.classList.contains('loading')");
    browser.await_true("!document.querySelector('#path [data-sort=serverErrors]')");
    // Until then the lines of the filter before are shown, and there are as many.
    browser.await_true("location.hash.includes('503') && !document.body.classList.contains('loading')");
    let failed: Vec<_> = seen.iter().filter(|line| line.path == "/checkout" && line.status == 503).collect();
    browser.await_true(&format!("document.getElementById('total').textContent === '{}'", failed.len()));
    let wanted = failed.len().min(50);
    browser.await_true(&format!("document.querySelectorAll('#lines-body tbody tr').length === {wanted}"));
    let lines = cells(&browser, "#lines-body");
    assert!(lines.iter().all(|row| row[1] == "503" && row[3] == "/checkout"), "{lines:?}");
    browser.shoot("lines");
    // One after the other the conditions are taken away.
    browser.click("#terms button:nth-child(2)");
    browser.await_true("!location.hash.includes('status') && location.hash.includes('checkout')");
    browser.assert_quiet();
}

#[test]
#[ignore = "needs chromium: .ci/tools installs it"]
fn a_row_that_path_rules_made_leads_to_its_lines() {
    let temp = tempfile::tempdir().unwrap();
    let customers = temp.path().join("customers.json");
    let rules = json!({"customers": {"shop": {"pathRules": ["GET /users/{id}", "ids"]}}});
    std::fs::write(&customers, rules.to_string()).unwrap();
    let server = Server::start(temp.path(), &["--customers", customers.to_str().unwrap()]);
    let paths = ["/users/7", "/users/me", "/users/7/posts", r"/odd\,{x}/9", "/"];
    let mut entries: Vec<_> =
        paths.iter().map(|path| super::entry(DEPLOYED_MS - MINUTE_MS, path, CHROME)).collect();
    entries[2]["route"] = json!("/users/{id}/posts");
    entries.iter_mut().for_each(|entry| entry["host"] = json!("shop.example"));
    super::post(&mut server.client(), "shop", "one", &entries);
    let browser = Browser::start(LIGHT);
    open(&browser, &server, TWO_DAYS);
    for (key, lines) in [
        ("GET /users/{id}", &["/users/7", "/users/me"][..]),
        ("GET /users/{id}/posts", &["/users/7/posts"]),
        (r"GET /odd\,{x}/{id}", &[r"/odd\,{x}/9"]),
        ("GET /", &["/"]),
    ] {
        click_row(&browser, "#path", key);
        browser.await_true(
            "location.hash.includes('where=key%3DGET+/') && !document.body.classList.contains('loading')",
        );
        browser.await_true(&format!("document.getElementById('total').textContent === '{}'", lines.len()));
        browser.await_true(&format!(
            "document.querySelectorAll('#lines-body tbody tr').length === {}",
            lines.len()
        ));
        let mut shown: Vec<String> =
            cells(&browser, "#lines-body").into_iter().map(|row| row[2].clone()).collect();
        shown.sort();
        assert_eq!(shown, lines, "{key}");
        // The same row takes the filter away.
        click_row(&browser, "#path", key);
        browser
            .await_true("!location.hash.includes('where') && !document.body.classList.contains('loading')");
        browser.await_true("document.getElementById('total').textContent === '5'");
    }
    browser.assert_quiet();
}

#[test]
#[ignore = "needs chromium: .ci/tools installs it"]
fn operators_go_from_all_customers_to_the_bytes_of_one_in_a_month() {
    let Shop { server, log, _temp } = shop();
    super::post(&mut server.client(), "small", "one", &[super::entry(DEPLOYED_MS, "/", CHROME)]);
    let browser = Browser::start(LIGHT);
    browser.open(&page(&server, "from=2025-11-01T00:00:00Z&to=2026-01-01T00:00:00Z&window=month"));
    browser.await_text("#listing", "2 customers");
    // The page asked once whether a gateway names the customer, and none does.
    let asked = browser.complaints();
    assert!(asked.len() == 1 && asked[0].contains("400 (Bad Request)"), "{asked:?}");
    let customers = cells(&browser, "#listing");
    assert_eq!((customers[0][0].as_str(), customers[0][1].as_str()), ("shop", "2,970"), "{customers:?}");
    browser.shoot("customers");
    browser.click("#listing-filter");
    browser.press("sho");
    browser.await_text("#listing", "1 customer");
    click_row(&browser, "#listing", "shop");
    browser.await_true("document.querySelector('[data-metric=bytes]')");
    browser.click("[data-metric=bytes]");
    browser.click("#as-table summary");
    browser.await_true("document.querySelectorAll('#series tbody tr').length === 2");
    let december = DEPLOYED_MS - (9 * 24 + 12) * 60 * MINUTE_MS;
    let sent = |is_in: fn(u64, u64) -> bool| {
        log.iter().filter(|line| is_in(line.at_ms, december)).map(|line| line.bytes).sum::<u64>()
    };
    let text = |bytes: u64| match bytes {
        0..1_000_000 => format!("{} kB", (bytes + 500) / 1_000),
        _ => format!("{} MB", ((bytes + 5_000) / 10_000) as f64 / 100.0),
    };
    let months = cells(&browser, "#series");
    assert_eq!(
        months.iter().map(|row| row[3].clone()).collect::<Vec<_>>(),
        [text(sent(|at, start| at < start)), text(sent(|at, start| at >= start))]
    );
    browser.assert_quiet();
}
