//! `--retain-windows-days`: old window files go, by size; late entries for them count in the sizes that are kept, and
//! `verify` finds nothing wrong with that.

use std::path::Path;

use serde_json::json;

use crate::support::server::Server;
use crate::support::stored::{assert_verified, verify, window};
use crate::support::wait::eventually;

fn body(path: &str) -> Vec<u8> {
    let entry =
        json!({"receivedAt": "2025-12-28T18:03:00Z", "method": "GET", "path": path, "userAgent": "curl/8"});
    serde_json::to_vec(&[entry]).unwrap()
}

/// Starts a server that keeps minutes for a day; it looks for old ones at its first checkpoint.
fn start(dir: &Path) -> Server {
    let server =
        Server::start(dir, &["--retain-windows-days", "1,0,0", "--tune", "checkpoint_interval=20ms"]);
    eventually("a first checkpoint", || server.metric("log_analytics_checkpoint_seconds_count") > 0.0);
    server
}

#[test]
fn late_entries_for_a_removed_window_count_in_the_sizes_that_are_kept() {
    let temp = tempfile::tempdir().unwrap();
    for number in 0..3 {
        let server = start(temp.path());
        // The minute of the first run is gone now; its hour and day are kept.
        assert_eq!(window(temp.path(), "acme", "20251228T1803Z"), None);
        assert_eq!(window(temp.path(), "acme", "20251228T18Z").is_some(), number > 0);
        let path = format!("/{number}");
        assert_eq!(server.client().post("acme", &path, &body(&path)).unwrap().status, 202);
        assert!(server.stop().success());
        let report = assert_verified(temp.path());
        assert_eq!(
            (&report["provenCustomers"], &report["requests"]),
            (&json!(1), &json!(u64::from(number == 0)))
        );
    }
    assert_eq!(window(temp.path(), "acme", "20251228T18Z").unwrap()["requests"], 3);
    assert_eq!(window(temp.path(), "acme", "20251228Z").unwrap()["requests"], 3);
    let customers = std::fs::read_to_string(temp.path().join("store/customers.json")).unwrap();
    let customers: serde_json::Value = serde_json::from_str(&customers).unwrap();
    let acme = &customers["customers"]["acme"];
    assert_eq!((&acme["entries"], &acme["expired"]["minute"]), (&json!(3), &json!(3)));
    assert_eq!(acme["cutoff"], json!({"minute": "2025-12-29T00:00:00Z"}));
    // An hour that lost a request is still found.
    let path = temp.path().join("store/aggregate-results/acme/20251228T18Z.json");
    let text = std::fs::read_to_string(&path).unwrap();
    let text = text.split(",\"checksum\"").next().unwrap().replace("\"requests\":3", "\"requests\":2");
    let text = text.replace(",\"GET /1\":1", "").replace("\"curl\":3", "\"curl\":2");
    std::fs::write(&path, log_analytics::base::sealed::seal_json(text)).unwrap();
    let (clean, report) = verify(temp.path());
    assert!(!clean, "{report}");
}

#[test]
fn an_edge_whose_minutes_are_gone_is_moved_to_its_hour_and_told() {
    let temp = tempfile::tempdir().unwrap();
    let server = start(temp.path());
    assert_eq!(server.client().post("acme", "1", &body("/")).unwrap().status, 202);
    assert!(server.stop().success());
    let server = start(temp.path());
    eventually("the removal of the minute", || window(temp.path(), "acme", "20251228T1803Z").is_none());
    let mut client = server.client();
    let mut get = |range: &str, more: &str| {
        let target = format!("/aggregates?{range}&by={more}");
        let answer = client.get(&target, &[("x-customer-id", "acme")]).unwrap();
        (answer.status, answer.json())
    };
    let range = "from=2025-12-28T17:30:00Z&to=2025-12-28T19:30:00Z";
    let (_, all) = get(range, "&window=all");
    let edges = (&all["from"], &all["to"], &all["rounded"]);
    assert_eq!(edges, (&json!("2025-12-28T17:00:00Z"), &json!("2025-12-28T19:00:00Z"), &json!(true)));
    assert_eq!(all["windows"][0]["requests"], 1);
    let (_, hours) = get(range, "&window=hour");
    assert_eq!((&hours["windows"][0]["requests"], hours.get("rounded")), (&json!(1), None));
    let (_, next) = get("from=2025-12-28T19:30:00Z&to=2025-12-28T23:00:00Z", "&window=all");
    assert_eq!(
        (&next["from"], &next["to"]),
        (&json!("2025-12-28T19:00:00Z"), &json!("2025-12-28T23:00:00Z"))
    );
    for more in ["&window=minute", "&window=minute&tz=Asia/Tokyo"] {
        let (status, problem) = get(range, more);
        assert_eq!(status, 400, "{problem}");
        assert!(problem["errorDescription"].as_str().unwrap().contains("retention has removed"), "{problem}");
    }
}

#[test]
fn a_customers_own_days_stand_instead_of_the_flags_and_queries_tell_what_is_left() {
    let temp = tempfile::tempdir().unwrap();
    let file = temp.path().join("customers");
    let days = |minute: u32| json!({"minute": minute, "hour": 0, "day": 0});
    let own = json!({"customers": {"short": {"retainDays": days(1)}, "kept": {"retainDays": days(0)}}});
    std::fs::write(&file, own.to_string()).unwrap();
    let flags = [
        "--customers",
        file.to_str().unwrap(),
        "--retain-windows-days",
        "100000,0,0",
        "--tune",
        "checkpoint_interval=20ms",
    ];
    let server = Server::start(temp.path(), &flags);
    for customer in ["short", "kept", "other"] {
        assert_eq!(server.client().post(customer, "1", &body("/")).unwrap().status, 202);
    }
    assert!(server.stop().success());
    let server = Server::start(temp.path(), &flags);
    eventually("the minute is removed", || window(temp.path(), "short", "20251228T1803Z").is_none());
    assert!(["kept", "other"].iter().all(|whose| window(temp.path(), whose, "20251228T1803Z").is_some()));
    let ask = |customer: &str| {
        let range = "/aggregates?from=2025-12-28T17:30:00Z&to=2025-12-28T19:30:00Z&window=all";
        server.client().get(range, &[("x-customer-id", customer)]).unwrap().json()
    };
    assert_eq!(
        (&ask("short")["rounded"], &ask("short")["to"]),
        (&json!(true), &json!("2025-12-28T19:00:00Z"))
    );
    assert_eq!(ask("short")["windows"][0]["requests"], 1);
    assert_eq!(ask("kept")["rounded"], json!(null));
    assert!(server.stop().success());
    assert_verified(temp.path());
}
