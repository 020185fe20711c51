//! A week of running the server, row 5: refused batches are seen in the log, in `/metrics` and in `GET /customers`, with
//! the customer's name.

use std::fs;

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::server::Server;
use crate::support::wait::eventually;

const ENTRY: &str =
    r#"{"receivedAt":"2025-12-28T18:03:00Z","method":"GET","path":"/","userAgent":"curl/8","status":"odd"}"#;

fn refuse(client: &mut Client, customer: &str, times: usize) {
    for number in 0..times {
        let body = format!("[{ENTRY},{{\"method\":\"GET\"}}]");
        assert_eq!(client.post(customer, &number.to_string(), body.as_bytes()).unwrap().status, 400);
    }
}

fn customers(client: &mut Client, query: &str) -> Value {
    let answer = client.get(&format!("/customers{query}"), &[]).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// The row without what differs from run to run.
fn row(client: &mut Client, customer: &str) -> Value {
    let mut page = customers(client, "");
    let rows = page["customers"].as_array_mut().unwrap();
    rows.iter_mut().find(|row| row["customerId"] == customer).unwrap_or(&mut Value::Null).take()
}

#[test]
fn week_05_refused_batches_are_logged_once_with_their_customer() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &[]);
    let mut client = server.client();
    refuse(&mut client, "acme", 500);
    refuse(&mut client, "globex", 1);
    let nobody = client.send("POST", "/logs", &[("content-type", "application/json")], Some(b"[]")).unwrap();
    assert_eq!(nobody.status, 400);
    let log = server.log();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("refused")).collect();
    assert_eq!(lines.len(), 3, "{log}");
    for (line, customer) in lines.iter().zip(["customer acme", "customer globex", "no valid customer"]) {
        assert!(line.contains(customer) && line.contains("batch refused with 400 (invalid): "), "{line}");
    }
    assert!(lines[0].contains("item at index 1: missing receivedAt"), "{log}");
    let refused = |customer: &str| {
        let labels = format!("{{customer=\"{customer}\",reason=\"invalid\"}}");
        server.metric(&format!("log_analytics_customer_batches_refused_total{labels}"))
    };
    assert_eq!((refused("acme"), refused("globex")), (500.0, 1.0));
    assert!(server.stop().success());
}

#[test]
fn week_05_customers_are_listed_right_after_their_batch_with_what_went_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &[]);
    let mut client = server.client();
    assert_eq!(customers(&mut client, ""), json!({"customers": []}));
    let body = format!("[{ENTRY},{ENTRY}]");
    assert_eq!(client.post("acme", "a", body.as_bytes()).unwrap().status, 202);
    let mut acme = row(&mut client, "acme");
    assert_eq!((&acme["entries"], &acme["altered"]), (&json!(2), &json!({"status": 2})));
    assert!(acme["firstSeen"].is_string() && acme["firstSeen"] == acme["lastSeen"], "{acme}");
    assert!(acme["bytesOnDisk"].is_u64() && acme.get("refused").is_none(), "{acme}");
    // A duplicate is not refused. A customer of whom nothing was counted is listed too.
    assert_eq!(client.post("acme", "a", body.as_bytes()).unwrap().status, 409);
    refuse(&mut client, "globex", 7);
    assert_eq!(client.post("acme", "b", b"nothing").unwrap().status, 400);
    acme = row(&mut client, "acme");
    assert_eq!((&acme["refused"], &acme["entries"]), (&json!({"invalid": 1}), &json!(2)));
    let mut globex = row(&mut client, "globex");
    let last = globex["lastRefusals"].take();
    assert_eq!(last.as_array().unwrap().len(), 5);
    assert_eq!((&last[4]["status"], &last[4]["reason"]), (&json!(400), &json!("invalid")));
    assert!(last[4]["errorDescription"].as_str().unwrap().contains("missing receivedAt"), "{last}");
    assert!(last[4]["at"].is_string() && globex.get("entries").is_none(), "{globex}");
    assert_eq!(globex["refused"], json!({"invalid": 7}));
    // Told the same seven times: once, with the number and the last time.
    let told = globex["refusals"].as_array().unwrap();
    assert_eq!((told.len(), &told[0]["batches"], &told[0]["at"]), (1, &json!(7), &last[4]["at"]), "{globex}");
    assert_eq!(told[0]["errorDescription"], last[4]["errorDescription"]);
    // Pages.
    let page = customers(&mut client, "?limit=1");
    assert_eq!((&page["customers"][0]["customerId"], &page["next"]), (&json!("acme"), &json!("globex")));
    assert_eq!(customers(&mut client, "?next=globex")["customers"].as_array().unwrap().len(), 1);
    // What was counted outlives the process, what went wrong does not. The busy of before have series from the start.
    assert!(server.stop().success());
    let server = Server::start(dir.path(), &[]);
    let mut client = server.client();
    let again = row(&mut client, "acme");
    assert_eq!((&again["entries"], again.get("refused")), (&json!(2), None));
    assert_eq!(row(&mut client, "globex"), Value::Null);
    let metrics = client.get("/metrics", &[]).unwrap().text();
    assert!(metrics.contains("log_analytics_customer_entries_total{customer=\"acme\"} 0"), "{metrics}");
    eventually("the windows' bytes are looked at", || row(&mut client, "acme")["bytesOnDisk"] != json!(0));
    assert!(server.stop().success());
}

#[test]
fn week_05_the_list_of_customers_is_for_operators_where_there_are_tokens() {
    let dir = tempfile::tempdir().unwrap();
    let (gateway, operator) = (dir.path().join("gateway"), dir.path().join("operator"));
    fs::write(&gateway, "gateway-token-0123456789").unwrap();
    fs::write(&operator, "operator-token-0123456789").unwrap();
    let (gateway, operator) = (gateway.to_str().unwrap(), operator.to_str().unwrap());
    for (flags, without, as_gateway, as_operator) in [
        (&["--gateway-token-file", gateway][..], 404, 404, 404),
        (&["--operator-token-file", operator], 401, 401, 200),
        (&["--gateway-token-file", gateway, "--operator-token-file", operator], 401, 401, 200),
        (&["--listen", "0.0.0.0:0", "--trust-network"], 404, 404, 404),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let server = Server::start(dir.path(), flags);
        let mut client = server.client();
        let mut status = |token: Option<&str>| {
            let token = token.map(|token| format!("Bearer {token}-token-0123456789"));
            let headers: Vec<_> = token.iter().map(|token| ("authorization", token.as_str())).collect();
            client.get("/customers", &headers).unwrap().status
        };
        let got = (status(None), status(Some("gateway")), status(Some("operator")));
        assert_eq!(got, (without, as_gateway, as_operator), "{flags:?}");
    }
}
