//! If there is nothing to show, the page says why and what to do: no customer, no key, no server, a limit reached.

use std::fs;

use serde_json::json;

use super::{CHROME, entry, now_ms, page};
use crate::support::browser::{Browser, LIGHT};
use crate::support::server::Server;

const GATEWAY: &str = "gateway-token-0123456789";
const OPERATOR: &str = "operator-token-0123456789";

/// Asserts that the console complains about answers with these statuses and about nothing else.
fn assert_only(browser: &Browser, status: &[&str]) {
    for line in browser.complaints() {
        assert!(status.iter().any(|status| line.contains(status)), "the console says {line}");
    }
}

#[test]
#[ignore = "needs chromium: .ci/tools installs it"]
fn whoever_has_no_customer_or_key_is_told_and_led_on() {
    let browser = Browser::start(LIGHT);
    let temp = tempfile::tempdir().unwrap();
    let (gateway, operator) = (temp.path().join("gateway"), temp.path().join("operator"));
    fs::write(&gateway, GATEWAY).unwrap();
    fs::write(&operator, OPERATOR).unwrap();
    let flags = [
        "--gateway-token-file",
        gateway.to_str().unwrap(),
        "--operator-token-file",
        operator.to_str().unwrap(),
    ];
    let server = Server::start(temp.path(), &flags);
    let body = serde_json::to_vec(&[entry(now_ms(), "/", CHROME)]).unwrap();
    let bearer = format!("Bearer {GATEWAY}");
    for customer in ["acme", "globex"] {
        let headers = [
            ("authorization", bearer.as_str()),
            ("x-customer-id", customer),
            ("content-type", "application/json"),
        ];
        assert_eq!(server.client().send("POST", "/logs", &headers, Some(&body)).unwrap().status, 202);
    }

    // Past the gateway, without a key; then with a wrong one.
    browser.open(&page(&server, "range=1h"));
    browser.await_text("#message", "A key is needed");
    browser.shoot("key-needed");
    for (given, next) in [("of-nobody", "This key is wrong"), (OPERATOR, "")] {
        browser.click("#message button");
        browser.run("document.getElementById('key-value').value = arguments[0]", &[json!(given)]);
        browser.click("#key-form .strong");
        browser.await_text("#message", next);
    }
    // An operator belongs to no customer, but may choose among all.
    browser.await_text("#listing", "globex");
    browser.click("#customer");
    browser.await_true("document.querySelectorAll('#customers option').length === 2");
    browser.shoot("whose");
    browser.press("globex\u{E007}");
    browser.await_text("#total", "1");
    browser.await_true("location.hash.includes('customer=globex')");
    let kept = browser.run("return location.href.includes(arguments[0])", &[json!(OPERATOR)]);
    assert_eq!(kept, json!(false), "a key never gets into the address");
    // The key is kept in this tab, until it is forgotten.
    browser.run("location.reload()", &[]);
    browser.await_text("#total", "1");
    browser.click("#key");
    browser.click("#forget");
    browser.await_text("#message", "A key is needed");
    assert_only(&browser, &["401", "400"]);

    // Behind a gateway that sets both headers, a reader need not enter anything.
    let headers = json!({"authorization": bearer, "x-customer-id": "acme"});
    browser.cdp("Network.enable", &json!({}));
    browser.cdp("Network.setExtraHTTPHeaders", &json!({ "headers": headers }));
    browser.open("about:blank");
    browser.open(&page(&server, "range=1h"));
    browser.await_text("#total", "1");
    assert_eq!(browser.run("return document.getElementById('customer').value", &[]), json!("acme"));
    browser.assert_quiet();
}

#[test]
#[ignore = "needs chromium: .ci/tools installs it"]
fn a_server_that_goes_away_is_missed_and_found_again() {
    let browser = Browser::start(LIGHT);
    let temp = tempfile::tempdir().unwrap();
    let server = Server::start(temp.path(), &[]);
    let addr = server.addr.to_string();
    super::post(&mut server.client(), "acme", "one", &[entry(now_ms(), "/", CHROME)]);
    browser.open(&page(&server, "customer=acme&range=1h"));
    browser.await_text("#total", "1");
    browser.assert_quiet();
    assert!(server.stop().success());
    browser.await_text("#banner", "cannot be reached");
    assert_eq!(browser.text("#total"), "1", "old numbers stay");
    browser.shoot("gone");
    let server = Server::start(temp.path(), &["--listen", &addr]);
    super::post(&mut server.client(), "acme", "two", &[entry(now_ms(), "/", CHROME)]);
    browser.await_text("#total", "2");
    browser.await_true("document.getElementById('banner').hidden");
    assert_only(&browser, &["ERR_CONNECTION_REFUSED", "ERR_EMPTY_RESPONSE", "ERR_CONNECTION_RESET", "503"]);
}

#[test]
#[ignore = "needs chromium: .ci/tools installs it"]
fn a_limit_that_was_reached_is_named() {
    let browser = Browser::start(LIGHT);
    let temp = tempfile::tempdir().unwrap();
    let server = Server::start(temp.path(), &["--tune", "max_query_windows=30"]);
    let entries: Vec<_> = (0..50).map(|i| entry(now_ms() - i * 60_000, "/", CHROME)).collect();
    super::post(&mut server.client(), "acme", "one", &entries);
    browser.open(&page(&server, "customer=acme&range=1h"));
    browser.await_text("#message", "more than 30 windows (max_query_windows)");
    browser.shoot("limit");
    browser.click("#message button");
    browser.await_true("(document.getElementById('total') || {}).innerText > 0");
    assert_only(&browser, &["400"]);
}
