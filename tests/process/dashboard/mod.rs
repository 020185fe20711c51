//! The dashboard in a real headless Chromium against the real binary: it shows what was counted, live; log data is
//! text whatever it holds; it says what to do where there is nothing to show; nobody is kept out. No test leaves a
//! console error or a violation of the page's policy behind. Pictures land in `target/tmp/dashboard/`.
//!
//! Needs Debian's `chromium` and `chromium-driver`, and for `accessibility` the npm package `axe-core` below
//! `target/tools` (`.ci/tools` installs it, `.ci/run` all). They fail with that advice where it is missing.

mod accessibility;
mod hostile;
mod live;
mod numbers;
mod picture;
mod questions;
mod trouble;

use std::time::{SystemTime, UNIX_EPOCH};

use log_analytics::time::format_rfc3339;
use serde_json::{Value, json};

use crate::support::browser::Browser;
use crate::support::client::Client;
use crate::support::server::Server;

/// Now, as the browser on the same machine has it.
fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64
}

fn entry(at_ms: u64, path: &str, agent: &str) -> Value {
    json!({"receivedAt": format_rfc3339(at_ms), "method": "GET", "path": path, "userAgent": agent})
}

fn post(client: &mut Client, customer: &str, key: &str, entries: &[Value]) {
    let answer = client.post(customer, key, &serde_json::to_vec(entries).unwrap()).unwrap();
    assert_eq!(answer.status, 202, "{}", answer.text());
}

/// The address of the page with what follows the `#`.
fn page(server: &Server, state: &str) -> String {
    format!("http://{}/#{state}", server.addr)
}

/// The cells of a table, row by row; of a key its text.
fn cells(browser: &Browser, css: &str) -> Vec<Vec<String>> {
    let script = "return [...document.querySelectorAll(arguments[0] + ' tbody tr')].map(
        (row) => [...row.cells].map((cell) => (cell.querySelector('bdi') || cell).textContent))";
    serde_json::from_value(browser.run(script, &[json!(css)])).unwrap()
}

const CHROME: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36";
const GPTBOT: &str =
    "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)";
