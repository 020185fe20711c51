//! New counts appear by themselves, and a page in the background sends no queries.

use std::time::Duration;

use serde_json::json;

use super::{CHROME, entry, now_ms, page, post};
use crate::support::browser::{Browser, LIGHT};
use crate::support::server::Server;

/// Pretends that the tab is in the background, or in front again.
fn set_hidden(browser: &Browser, hidden: bool) {
    let script = "Object.defineProperty(document, 'hidden', {configurable: true, get: () => arguments[0]});
        document.dispatchEvent(new Event('visibilitychange'))";
    browser.run(&script.replace("arguments[0]", &hidden.to_string()), &[]);
}

fn questions(browser: &Browser) -> i64 {
    let script = "return performance.getEntriesByType('resource').filter((e) => e.name.includes('/aggregates')).length";
    browser.run(script, &[]).as_i64().unwrap()
}

#[test]
#[ignore = "needs chromium: .ci/tools installs it"]
fn updates_arrive_by_themselves_and_stop_while_nobody_looks() {
    let browser = Browser::start(LIGHT);
    let temp = tempfile::tempdir().unwrap();
    let server = Server::start(temp.path(), &[]);
    let mut client = server.client();
    post(&mut client, "acme", "first", &[entry(now_ms(), "/first", CHROME)]);
    browser.open(&page(&server, "customer=acme&range=1h"));
    browser.await_text("#total", "1");
    let announced = browser.text("#said");

    post(
        &mut client,
        "acme",
        "second",
        &[entry(now_ms(), "/second", CHROME), entry(now_ms(), "/second", CHROME)],
    );
    browser.await_text("#total", "3");
    browser.await_text("#path", "GET /second");
    assert_eq!(browser.text("#said"), announced, "what comes by itself is not announced");

    set_hidden(&browser, true);
    browser.await_text("#updated", "paused");
    post(&mut client, "acme", "third", &[entry(now_ms(), "/third", CHROME)]);
    let asked = questions(&browser);
    // Longer than the 5 s between two updates.
    std::thread::sleep(Duration::from_secs(6));
    assert_eq!(questions(&browser), asked, "nobody looks, nobody asks");
    assert_eq!(browser.text("#total"), "3");

    set_hidden(&browser, false);
    browser.await_text("#total", "4");
    browser.click("#live");
    browser.await_true("document.getElementById('live').getAttribute('aria-pressed') === 'false'");
    // The button changes at once, this after the answer that is then asked for.
    browser.await_true("!document.getElementById('updated').textContent.includes('every')");
    browser.assert_quiet();
}

#[test]
#[ignore = "needs chromium: .ci/tools installs it"]
fn thirty_days_are_compared_with_the_same_days_of_the_week() {
    const DAY_MS: u64 = 24 * 60 * 60_000;
    let browser = Browser::start(LIGHT);
    let temp = tempfile::tempdir().unwrap();
    let server = Server::start(temp.path(), &[]);
    let of = |days: u64, count: usize| vec![entry(now_ms() - days * DAY_MS, "/", CHROME); count];
    let entries = [of(0, 2), of(10, 1), of(40, 4), of(58, 5)].concat();
    post(&mut server.client(), "acme", "one", &entries);
    browser.open(&page(&server, "customer=acme&range=30d"));
    browser.await_text("#total", "3");
    browser.await_text("#legend", "28 days before");
    assert!(browser.text("[data-metric=requests]").contains("was 4"), "{}", browser.text("#cards"));
    // What is equal as it is shown is not told twice.
    assert!(!browser.text("[data-metric=robots]").contains("was"), "{}", browser.text("#cards"));
    browser.open(&page(&server, "customer=acme&range=7d"));
    browser.await_text("#legend", "range before");
    browser.assert_quiet();
}

#[test]
#[ignore = "needs chromium: .ci/tools installs it"]
fn the_focus_and_the_filter_of_a_table_stay_when_numbers_change() {
    let browser = Browser::start(LIGHT);
    let temp = tempfile::tempdir().unwrap();
    let server = Server::start(temp.path(), &[]);
    let mut client = server.client();
    post(
        &mut client,
        "acme",
        "first",
        &[entry(now_ms(), "/first", CHROME), entry(now_ms(), "/mine", CHROME)],
    );
    browser.open(&page(&server, "customer=acme&range=1h"));
    browser.await_text("#path", "GET /first");
    browser.click("#path input");
    browser.press("min");
    browser.await_true("document.querySelectorAll('#path tbody tr').length === 1");
    browser.run("document.querySelector('#path button.key').focus()", &[]);
    post(
        &mut client,
        "acme",
        "second",
        &[entry(now_ms(), "/other", CHROME), entry(now_ms(), "/mine/too", CHROME)],
    );
    browser.await_text("#total", "4");
    browser.await_text("#path", "GET /mine/too");
    let text = browser.run("return document.activeElement.querySelector('bdi').textContent", &[]);
    assert_eq!(text, json!("GET /mine"));
    assert!(!browser.text("#path").contains("GET /other"));
    browser.assert_quiet();
}
