//! The picture of the page that README shows, made from two weeks of a shop.

use std::fs;
use std::path::Path;

use log_analytics::time::format_rfc3339;
use serde_json::{Value, json};

use super::{CHROME, GPTBOT, page, post};
use crate::support::browser::{Browser, Look};
use crate::support::rng::Rng;
use crate::support::server::Server;

/// Two weeks of a shop, more by day than by night and more in the second, with bursts of errors.
fn weeks_of_a_shop() -> Vec<Value> {
    let mut rng = Rng::new(17);
    let paths = [
        "/",
        "/products",
        "/products/{id}",
        "/cart",
        "/checkout",
        "/search",
        "/api/orders",
        "/feed.xml",
        "/wp-login.php",
    ];
    let agents = [CHROME, CHROME, SAFARI, SAFARI, GPTBOT, "Googlebot/2.1", "curl/8.5", "okhttp/4.9"];
    let hour_ms = 3_600_000;
    let entries = (0..14 * 24_u64).flat_map(|hour| {
        let daily = 1.0 - (std::f64::consts::TAU * ((hour + 9) % 24) as f64 / 24.0).sin();
        let many = 12 + (daily * (30.0 + hour as f64 / 30.0)) as u64 + rng.below(20);
        let bad = matches!(hour, 220..224 | 251);
        (0..many).map(|_| {
            let path = paths[(rng.below(9) * rng.below(9) / 9) as usize];
            let status = match path {
                "/wp-login.php" => 404,
                "/checkout" | "/api/orders" if bad && rng.below(3) == 0 => 503,
                _ => rng.pick(&[200, 200, 200, 200, 200, 200, 304, 301, 404]),
            };
            let millis = (20 + 30 * path.len() as u64) * (1 + rng.below(8)) / (1 + rng.below(3)) * if bad { 3 } else { 1 };
            let host = rng.pick(&["shop.example", "shop.example", "api.example"]);
            let referrer = rng.pick(&["", "", "https://news.example/", "https://search.example/", "https://social.example/"]);
            let country = rng.pick(&["DE", "FR", "GB", "US", "US", "JP"]);
            json!({"receivedAt": format_rfc3339(FIRST_WEEK_MS + hour * hour_ms + rng.below(hour_ms)), "method": "GET", "route": path,
                "path": path, "userAgent": rng.pick(&agents), "status": status, "responseBytes": 800 + rng.below(60_000),
                "durationSeconds": millis as f64 / 1e3, "host": host, "referrer": referrer, "country": country,
                "clientIp": format!("203.0.113.{}", rng.below(250))})
        }).collect::<Vec<_>>()
    });
    entries.collect()
}

const README: Look = Look { name: "readme", width: 1_280, height: 880, dark: false };
/// 2025-12-01T00:00:00Z.
const FIRST_WEEK_MS: u64 = 1_764_547_200_000;
const SAFARI: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1";

#[test]
#[ignore = "needs chromium: .ci/tools installs it"]
fn the_picture_in_the_readme_is_small_and_of_this_page() {
    let temp = tempfile::tempdir().unwrap();
    let server = Server::start(temp.path(), &[]);
    let mut client = server.client();
    for (number, entries) in weeks_of_a_shop().chunks(3_000).enumerate() {
        post(&mut client, "shop", &format!("weeks-{number}"), entries);
    }
    let browser = Browser::start(README);
    browser.open(&page(&server, "customer=shop&from=2025-12-08T00:00:00Z&to=2025-12-15T00:00:00Z"));
    browser.await_true("document.querySelectorAll('#country tbody tr').length > 0");
    // It is copied to `data/pictures/dashboard.png` when the page has changed.
    let made = browser.shoot_first_screen("picture");
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/pictures/dashboard.png");
    for file in [made, kept] {
        let bytes = fs::metadata(&file).unwrap().len();
        assert!((20_000..180_000).contains(&bytes), "{}: {bytes} bytes", file.display());
    }
    browser.assert_quiet();
}
