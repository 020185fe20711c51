//! axe-core, in every look and every state, finds no serious fault; and everything can be done without a mouse.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::{CHROME, GPTBOT, entry, now_ms, page, post};
use crate::support::browser::{Browser, DARK, LIGHT, PHONE};
use crate::support::server::Server;

fn axe() -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/node_modules/axe-core/axe.min.js");
    fs::read_to_string(file).expect("axe-core is missing: .ci/tools installs it")
}

/// Runs axe in the page as it is now.
fn assert_no_fault(browser: &Browser, axe: &str, state: &str) {
    browser.run(axe, &[]);
    let script = "const done = arguments[arguments.length - 1];
        axe.run(document, {resultTypes: ['violations']}).then(
            (found) => done(found.violations.map((v) => [v.impact, v.id, v.nodes.map((n) => n.html + ' — ' + n.failureSummary)])),
            (error) => done(String(error)))";
    let found = browser.run_async(script, &[]);
    let found = found.as_array().unwrap_or_else(|| panic!("axe: {found}"));
    let serious: Vec<&Value> = found.iter().filter(|v| v[0] == "serious" || v[0] == "critical").collect();
    assert!(serious.is_empty(), "{state}: {serious:#?}");
    for minor in found {
        eprintln!("axe, {state}: {minor}");
    }
}

#[test]
#[ignore = "needs chromium and axe-core: .ci/tools installs them"]
fn axe_finds_no_serious_fault_in_any_look_or_state() {
    let axe = axe();
    let temp = tempfile::tempdir().unwrap();
    let server = Server::start(temp.path(), &[]);
    let long = format!("/{}", "x".repeat(300));
    let mut entries = vec![entry(now_ms(), &long, CHROME), entry(now_ms(), "/\u{202E}", GPTBOT)];
    entries.extend((0..40).map(|i| {
        entry(
            now_ms() - i * 60_000,
            &format!("/p/{}", i % 25),
            ["curl/8.5", "Googlebot/2.1", CHROME][i as usize % 3],
        )
    }));
    entries.extend((0..9).map(|i| entry(now_ms() - 3_700_000, &format!("/p/{i}"), CHROME)));
    post(&mut server.client(), "acme", "one", &entries);
    for look in [LIGHT, DARK, PHONE] {
        let browser = Browser::start(look);
        browser.open(&page(&server, "customer=acme&range=1h"));
        browser.await_text("#path", "GET /p/1");
        assert_no_fault(&browser, &axe, &format!("{}: numbers", look.name));
        browser.click("#as-table summary");
        browser.click("#path .more");
        browser.click("[data-series=tool]");
        browser.run("document.getElementById('chart').focus()", &[]);
        browser.press("\u{E012}\u{E012}");
        browser.await_true("!document.querySelector('.tip').hidden");
        assert_no_fault(&browser, &axe, &format!("{}: all opened", look.name));
        browser.shoot("opened");
        browser.run("scrollTo(0, 0); document.getElementById('live').focus()", &[]);
        for menu in ["custom", "export"] {
            browser.click(&format!("#{menu} summary"));
            assert_no_fault(&browser, &axe, &format!("{}: {menu}", look.name));
            browser.shoot(menu);
        }
        browser.press("\u{E00C}");
        browser.click("#key");
        assert_no_fault(&browser, &axe, &format!("{}: key", look.name));
        browser.shoot("key");
        browser.click("#cancel");
        browser.click("#out");
        browser.await_true("location.hash.includes('from=') && !document.body.classList.contains('loading')");
        assert_no_fault(&browser, &axe, &format!("{}: a chosen range", look.name));
        browser.open(&page(&server, "customer=nobody&range=1h"));
        browser.await_text("#message", "No requests yet");
        assert_no_fault(&browser, &axe, &format!("{}: nothing", look.name));
        browser.shoot("nothing");
        browser.assert_quiet();
    }
}

#[test]
#[ignore = "needs chromium: .ci/tools installs it"]
fn everything_is_reached_and_done_with_the_keyboard() {
    let browser = Browser::start(LIGHT);
    let temp = tempfile::tempdir().unwrap();
    let server = Server::start(temp.path(), &[]);
    post(&mut server.client(), "acme", "one", &[entry(now_ms(), "/", CHROME)]);
    browser.open(&page(&server, "customer=acme&range=1h"));
    browser.await_text("#total", "1");
    // Tab after tab: every control comes by, each with a visible focus.
    let mut seen = Vec::new();
    for _ in 0..40 {
        browser.press("\u{E004}");
        let script = "const e = document.activeElement; const s = getComputedStyle(e);
            return [e.id || e.dataset.metric || e.dataset.series || e.dataset.sort || e.value || e.innerText, s.outlineStyle !== 'none' && s.outlineWidth !== '0px', e === document.body]";
        let focus = browser.run(script, &[]);
        if focus[2] == json!(true) {
            break;
        }
        assert_eq!(focus[1], json!(true), "no visible focus on {}", focus[0]);
        seen.push(focus[0].as_str().unwrap().to_owned());
    }
    for id in [
        "skip", "customer", "live", "key", "theme", "1h", "1y", "out", "window", "people", "zone",
        "requests", "robots", "browser", "chart",
    ] {
        assert!(seen.iter().any(|one| one == id), "{id} is not among {seen:?}");
    }
    // Another range, from the keyboard alone.
    browser.run("document.querySelector('#presets [value=\"6h\"]').focus()", &[]);
    browser.press("\u{E007}");
    browser.await_true("location.hash.includes('range=6h')");
    browser.await_true(
        "document.querySelector('#presets [value=\"6h\"]').getAttribute('aria-pressed') === 'true'",
    );
    browser.assert_quiet();
}
