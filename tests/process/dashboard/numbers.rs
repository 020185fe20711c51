//! Scenario 001, counted by the server, looked at by a reader: totals, chart, lists, zoom, address, export.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{cells, page};
use crate::support::browser::{Browser, DARK, LIGHT, PHONE};
use crate::support::scenario;
use crate::support::server::Server;

const SHIFT: char = '\u{E008}';
const END: char = '\u{E010}';
const HOME: char = '\u{E011}';
const LEFT: char = '\u{E012}';
const ENTER: char = '\u{E007}';

fn deliver(server: &Server) {
    let deliveries = scenario::deliveries();
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                let mut client = server.client();
                while let Some(batch) = deliveries.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let answer =
                        client.post("scenario", &scenario::key(*batch), &scenario::body(*batch)).unwrap();
                    assert!(matches!(answer.status, 202 | 409), "{}", answer.text());
                }
            });
        }
    });
}

fn hash(browser: &Browser) -> String {
    browser.run("return location.hash", &[]).as_str().unwrap().to_owned()
}

fn downloaded(dir: &Path, name: &str) -> String {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Ok(text) = fs::read_to_string(dir.join(name)) {
            return text;
        }
        assert!(
            Instant::now() < deadline,
            "{name} is not among {:?}",
            fs::read_dir(dir).unwrap().collect::<Vec<_>>()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
#[ignore = "needs chromium: .ci/tools installs it"]
fn it_shows_the_numbers_of_scenario_001_and_they_can_be_explored() {
    let browser = Browser::start(LIGHT);
    let temp = tempfile::tempdir().unwrap();
    let server = Server::start(temp.path(), &[]);
    deliver(&server);

    // A newcomer looks at today, where nothing is, and is led to where something is.
    browser.open(&page(&server, "customer=scenario"));
    browser.await_text("#message", "The newest are of 28 Dec 2025");
    browser.shoot("empty-range");
    browser.click("#message button");
    browser.await_text("#total", "64,000");
    assert_eq!(hash(&browser), "#customer=scenario&from=2025-12-28T00:00:00Z&to=2025-12-29T00:00:00Z");

    browser.await_text("#path", "GET /contact");
    let paths = cells(&browser, "#path");
    let expected = ["GET /", "GET /about", "GET /careers", "GET /contact"];
    assert_eq!(paths.iter().map(|row| row[0].as_str()).collect::<Vec<_>>(), expected);
    assert!(
        paths.iter().all(|row| row[1] == "16,000" && row[2] == "25%" && row.last().unwrap() == "new"),
        "{paths:?}"
    );
    browser.await_text("#userAgent", "curl");
    let families = cells(&browser, "#userAgent");
    for family in ["Chrome", "Googlebot", "curl"] {
        assert!(families.iter().any(|row| row[0] == family && row[1] == "16,000"), "{families:?}");
    }
    for (class, text) in [("browser", "32,000 · 50%"), ("bot", "16,000 · 25%"), ("tool", "16,000 · 25%")] {
        assert!(browser.text(&format!("[data-series={class}]")).contains(text), "{class}");
    }
    assert_eq!(browser.text("[data-series=ai]"), "", "no crawler, no switch");
    browser.click("#as-table summary");
    browser.await_true("document.querySelectorAll('#series tbody tr').length === 1");
    assert_eq!(cells(&browser, "#series"), [["28 Dec, 18:00", "64,000", "0", "32,000", "16,000", "16,000"]]);

    // Zoom with the mouse: the bar of the scenario's hour, 18 of 24 on, in minutes.
    browser.drag("#chart", 0.765, 0.79);
    browser.await_true("location.hash.includes('T18:00:00Z')");
    browser.await_text("#window", "auto (minute)");
    browser.await_text("#total", "64,000");
    browser.await_true("document.querySelectorAll('#series tbody tr').length === 4");
    let minutes = cells(&browser, "#series");
    assert_eq!(
        minutes.iter().map(|row| row[0].as_str()).collect::<Vec<_>>(),
        ["18:03", "18:04", "18:05", "18:06"].map(|time| format!("28 Dec, {time}"))
    );
    assert!(minutes.iter().all(|row| row[1] == "16,000" && row[3] == "8,000"), "{minutes:?}");
    let zoomed = hash(&browser);

    // And with the keyboard: the first minutes of that range. Then back, twice.
    browser.run("document.getElementById('chart').focus()", &[]);
    browser.press(&format!("{END}{LEFT}{HOME}"));
    browser.await_true("document.getElementById('chart').getAttribute('aria-valuetext').startsWith('28 Dec, 18:00: 0 requests')");
    browser.press("\u{E00F}");
    browser.press(&format!("{HOME}{SHIFT}\u{E014}\u{E014}\u{E014}\u{E014}"));
    browser.await_true(
        "document.getElementById('chart').getAttribute('aria-valuetext').includes('32,000 requests')",
    );
    browser.press(&ENTER.to_string());
    browser.await_true("location.hash.includes('to=2025-12-28T18:05:00Z')");
    browser.await_text("#total", "32,000");
    browser.shoot("zoomed");
    browser.back();
    browser.await_text("#total", "64,000");
    assert_eq!(hash(&browser), zoomed);
    browser.click("#out");
    browser.await_true("!location.hash.includes('from=2025-12-28T18:00:00Z')");
    browser.await_text("#total", "64,000");

    // The address is all there is to share.
    let shared = format!("http://{}/{}", server.addr, hash(&browser));
    browser.open("about:blank");
    browser.open(&shared);
    browser.await_text("#total", "64,000");
    browser.assert_quiet();
}

#[test]
#[ignore = "needs chromium: .ci/tools installs it"]
fn what_is_shown_can_be_saved() {
    let browser = Browser::start(LIGHT);
    let temp = tempfile::tempdir().unwrap();
    let server = Server::start(temp.path(), &[]);
    let at = 1_766_944_980_000;
    let entries = [
        super::entry(at, "/a,\"b\"", super::CHROME),
        json!({"receivedAt": "2025-12-28T18:03:00Z", "method": "+cmd", "path": "/", "userAgent": super::CHROME}),
        super::entry(at + 60_000, "/c", super::GPTBOT),
    ];
    super::post(&mut server.client(), "acme", "one", &entries);
    browser.open(&page(&server, "customer=acme&from=2025-12-28T18:03:00Z&to=2025-12-28T18:05:00Z"));
    browser.await_text("#total", "3");
    let save = |what: &str| {
        browser.click("#export summary");
        browser.click(&format!("[data-export={what}]"));
    };
    let dir = browser.downloads.path();
    save("series");
    let series = downloaded(dir, "acme-series-2025-12-28.csv");
    let rows: Vec<&str> = series.lines().map(|line| line.trim_end()).collect();
    assert!(rows[0].starts_with("windowStart,requests"), "{series}");
    assert!(
        rows[1].starts_with("2025-12-28T18:03:00Z,2") && rows[2].starts_with("2025-12-28T18:04:00Z,1"),
        "{series}"
    );
    save("path");
    let paths = downloaded(dir, "acme-path-2025-12-28.csv");
    assert!(paths.contains("\"GET /a,\"\"b\"\"\",1") && paths.contains("\nGET /c,1"), "{paths}");
    save("userAgent");
    let families = downloaded(dir, "acme-userAgent-2025-12-28.csv");
    assert!(families.contains("\nChrome,2") && families.contains("\nGPTBot,1"), "{families}");
    save("json");
    let all: Value = serde_json::from_str(&downloaded(dir, "acme-all-2025-12-28.json")).unwrap();
    assert_eq!((&all["total"]["requests"], &all["windows"][1]["requests"]), (&json!(3), &json!(1)));
    assert_eq!(all["top"]["path"]["keys"], 3);
    browser.assert_quiet();
}

#[test]
#[ignore = "needs chromium: .ci/tools installs it"]
fn it_is_good_to_look_at_in_light_and_dark_and_on_a_telephone() {
    let temp = tempfile::tempdir().unwrap();
    let server = Server::start(temp.path(), &[]);
    deliver(&server);
    for look in [LIGHT, DARK, PHONE] {
        let browser = Browser::start(look);
        browser.open(&page(&server, "customer=scenario&from=2025-12-28T18:00:00Z&to=2025-12-28T18:10:00Z"));
        browser.await_text("#total", "64,000");
        // A telephone widens `innerWidth` with what does not fit.
        let beyond = "const page = document.documentElement; return page.scrollWidth - page.clientWidth";
        let is_within = || {
            let wide = browser.run(beyond, &[]);
            assert!(wide.as_i64().unwrap() <= 0, "{}: {wide} px beyond the right edge", look.name);
        };
        is_within();
        let file = browser.shoot("scenario");
        assert!(fs::metadata(&file).unwrap().len() > 20_000, "{} is an empty picture", file.display());
        let ground = browser.run("return getComputedStyle(document.body).backgroundColor", &[]);
        assert_eq!(ground == json!("rgb(14, 16, 20)"), look.dark, "{ground}");
        // With a range before, tables have a column more, and words in it that are only heard.
        browser.open(&page(&server, "customer=scenario&from=2025-12-28T18:05:00Z&to=2025-12-28T18:10:00Z"));
        browser.await_true("document.querySelector('#path td .unseen') !== null");
        is_within();
        browser.assert_quiet();
    }
}
