//! Logs contain what attackers send. The page shows it as text, keeps it in its row, and makes invisible characters
//! visible.

use serde_json::json;

use super::{CHROME, entry, now_ms, page, post};
use crate::support::browser::{Browser, LIGHT, PHONE};
use crate::support::server::Server;

const PATHS: [&str; 9] = [
    "/<script>window.pwned=1</script>",
    "/\"onerror=\"window.pwned=1",
    "/'><img src=x onerror=window.pwned=1>",
    "/<svg/onload=window.pwned=1>",
    "/${window.pwned=1}{{window.pwned=1}}",
    "/</td></tr></table><h1>gone</h1>",
    "/invoice\u{202E}fdp.exe",
    "/\u{200F}\u{2067}عربي\u{2069}/\u{0}\u{7}",
    "/=cmd|'/C calc'!A0",
];

#[test]
#[ignore = "needs chromium: .ci/tools installs it"]
fn hostile_paths_and_agents_are_text_and_break_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let server = Server::start(temp.path(), &[]);
    let long = format!("/{}", "x".repeat(2_047));
    let customer = "<b>acme</b>&\"'";
    let mut entries: Vec<_> = PATHS.iter().map(|path| entry(now_ms(), path, "<img/src=x>bot/1.0")).collect();
    entries.push(entry(now_ms(), &long, CHROME));
    post(&mut server.client(), customer, "one", &entries);

    for look in [LIGHT, PHONE] {
        let browser = Browser::start(look);
        browser.open(&page(&server, "customer=%3Cb%3Eacme%3C/b%3E%26%22'&range=1h"));
        browser.await_text("#total", "10");
        browser.await_true("document.querySelectorAll('#path tbody tr').length >= 10");
        let texts =
            browser.run("return [...document.querySelectorAll('#path bdi')].map((e) => e.textContent)", &[]);
        let texts: Vec<String> = serde_json::from_value(texts).unwrap();
        for path in &PATHS[..6] {
            assert!(texts.contains(&format!("GET {path}")), "{path} is not among {texts:?}");
        }
        assert!(texts.contains(&"GET /invoiceU+202Efdp.exe".to_owned()), "{texts:?}");
        assert!(
            texts.iter().any(|text| text.contains("U+200FU+2067") && text.contains("U+0000U+0007")),
            "{texts:?}"
        );
        assert!(texts.contains(&format!("GET {long}")));
        // Nothing became markup, here or in the families.
        let foreign = "return document.querySelectorAll('main script, main img, main h1, main svg svg, main b b').length";
        assert_eq!(browser.run(foreign, &[]), json!(0));
        assert_eq!(browser.run("return window.pwned === undefined", &[]), json!(true));
        assert_eq!(browser.run("return document.title", &[]), json!(format!("{customer} · Log analytics")));
        // Nothing leaves its row: all rows of the list are as high as one another, and nothing is wider than the page.
        let same = "const h = [...document.querySelectorAll('#path tbody tr')].map((e) => e.offsetHeight);
            return Math.max(...h) - Math.min(...h)";
        assert!(browser.run(same, &[]).as_f64().unwrap() <= 2.0);
        let inside = "return document.documentElement.scrollWidth <= document.documentElement.clientWidth";
        assert_eq!(browser.run(inside, &[]), json!(true));
        browser.shoot("hostile");
        // The long one can be read to its end: a filter by it shows all of it.
        let target = "const all = [...document.querySelectorAll('#path button.key')];
            all.find((e) => e.textContent.length > 2000).dataset.mark = 'yes'";
        browser.run(target, &[]);
        browser.click("[data-mark]");
        browser.await_true("document.querySelector('#terms button:last-child').offsetHeight > 100");
        assert_eq!(browser.run(inside, &[]), json!(true));
        browser.shoot("hostile-open");
        browser.assert_quiet();
    }
}
