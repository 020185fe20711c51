//! The promises of queries besides right numbers: refusals, tokens, caching, limits, damaged files, and that a query sent
//! after a 202 sees the batch.

use std::fs;
use std::io::Read;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::client::{Answer, Client};
use crate::support::server::Server;
use crate::support::stored::window;

const ACME: &[(&str, &str)] = &[("x-customer-id", "acme")];
const RANGE: &str = "from=2025-12-28T18:00:00Z&to=2025-12-28T19:00:00Z";

fn entry(minute: u32, path: &str, agent: &str) -> Value {
    json!({"receivedAt": format!("2025-12-28T18:{minute:02}:07Z"), "method": "GET", "path": path, "userAgent": agent})
}

fn post(client: &mut Client, customer: &str, key: &str, entries: &[Value]) {
    let answer = client.post(customer, key, &serde_json::to_vec(entries).unwrap()).unwrap();
    assert_eq!(answer.status, 202, "{}", answer.text());
}

fn get(client: &mut Client, target: &str) -> Answer {
    client.get(target, ACME).unwrap()
}

fn refused(answer: &Answer, status: u16, code: &str, says: &str) {
    assert_eq!(answer.status, status, "{}", answer.text());
    let body = answer.json();
    assert_eq!(body["errorCode"], code);
    assert!(body["errorDescription"].as_str().unwrap().contains(says), "{body} should say {says}");
    assert_eq!(body["requestId"].as_str(), answer.header("x-request-id"));
}

fn wait_for(what: &str, mut ready: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !ready() {
        assert!(Instant::now() < deadline, "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn bad_questions_are_refused_with_what_is_wrong() {
    let temp = tempfile::tempdir().unwrap();
    let server = Server::start(temp.path(), &[]);
    let mut client = server.client();
    for (query, says) in [
        ("", "from is missing"),
        ("from=2025-12-28T18:00:00Z", "to is missing"),
        ("from=yesterday&to=2025-12-28T18:00:00Z", "from must be an RFC 3339 time"),
        ("from=2025-12-28T18:00:00Z&to=2025-12-28", "to must be an RFC 3339 time"),
        ("from=1969-12-31T00:00:00Z&to=2025-12-28T18:00:00Z", "years 1970 to 9999"),
        ("from=2025-12-28T18:00:00Z&to=2025-12-28T18:00:00Z", "from must be before to"),
        ("from=2025-12-28T18:00:01Z&to=2025-12-28T18:00:00Z", "from must be before to"),
        (&format!("{RANGE}&window=week"), "minute, hour, day, month or all"),
        (&format!("{RANGE}&by=paths"), "by must be empty or some of path, userAgent, host"),
        (&format!("{RANGE}&by=path,"), "by must be empty or some of"),
        (&format!("{RANGE}&tz=Mars/Olympus"), "tz must be the name of a time zone"),
        (&format!("{RANGE}&window=month&next=20251228Z"), "next must be"),
        (&format!("{RANGE}&window=day&tz=Europe/Vienna&next=20251228T0000Z"), "next must be"),
        (&format!("{RANGE}&top=-1"), "top must be a number"),
        (&format!("{RANGE}&top=10001"), "from 0 to 10000"),
        (&format!("{RANGE}&limit=0"), "limit must be a number"),
        (&format!("{RANGE}&limit=10001"), "10000 (max_query_windows)"),
        (&format!("{RANGE}&classes=yes"), "classes must be true or false"),
        (&format!("{RANGE}&widow=day"), "unknown parameter \"widow\""),
        (&format!("{RANGE}&from=2025-12-28T18:00:00Z"), "more than once"),
        (&format!("{RANGE}&window=minute&next=20251228T18Z"), "next must be"),
        (&format!("{RANGE}&window=minute&next=20251228T1900Z"), "next must be"),
        ("from=%zz", "percent-encoded"),
        (&format!("{RANGE}&where=satus=1"), "where: unknown field \"satus\""),
        (&format!("{RANGE}&where="), "where must hold conditions"),
    ] {
        refused(&get(&mut client, &format!("/aggregates?{query}")), 400, "ING_1000", says);
    }
    for (query, says) in [
        (RANGE.to_owned(), "dimension must be path, userAgent, host"),
        (format!("{RANGE}&dimension=hosts"), "dimension must be path, userAgent, host"),
        (format!("{RANGE}&dimension=path&by=errors"), "by must be requests, people, robots, clientErrors"),
        (format!("{RANGE}&dimension=agent&by=p95"), "by=p95 needs dimension=path or host: of userAgent only"),
        (format!("{RANGE}&dimension=agent&status=404"), "status=404 needs dimension=path or host"),
        (format!("{RANGE}&dimension=path&status=40"), "status must be a status such as 404"),
        (format!("{RANGE}&dimension=path&status=xx"), "status must be a status such as 404"),
        (format!("{RANGE}&dimension=path&status=404&by=requests"), "by and status exclude one another"),
        (format!("{RANGE}&dimension=path&tz=Nowhere"), "tz must be the name of a time zone"),
        (format!("{RANGE}&dimension=path&n=10001"), "n must be a number"),
        (format!("{RANGE}&dimension=path&window=day"), "unknown parameter"),
    ] {
        refused(&get(&mut client, &format!("/aggregates/top?{query}")), 400, "ING_1000", says);
    }
    let target = format!("/aggregates?{RANGE}");
    for (query, says) in [
        ("from=2025-12-28T18:00:00Z".to_owned(), "to is missing"),
        (format!("{RANGE}&limit=10001"), "limit must be a number from 1 to 10000"),
        (format!("{RANGE}&next=1"), "next must be that of the page before"),
        (format!("{RANGE}&where=path>1"), "where: path takes =, != and ^="),
        (format!("{RANGE}&window=day"), "unknown parameter"),
    ] {
        refused(&get(&mut client, &format!("/entries?{query}")), 400, "ING_1000", says);
    }
    for headers in [&[][..], &[("x-customer-id", "a"), ("x-customer-id", "b")], &[("x-customer-id", "a b")]] {
        refused(&client.get(&target, headers).unwrap(), 400, "ING_1000", "x-customer-id");
    }
    let answer = client.send("POST", &target, ACME, Some(b"{}")).unwrap();
    refused(&answer, 405, "HTTP_405", "GET, HEAD");
    assert_eq!(answer.header("allow"), Some("GET, HEAD"));
    refused(&get(&mut client, "/aggregates/"), 404, "HTTP_404", "no such URL");
}

#[test]
fn an_answer_has_windows_in_the_shape_of_their_files() {
    let temp = tempfile::tempdir().unwrap();
    let server = Server::start(temp.path(), &[]);
    let mut client = server.client();
    post(
        &mut client,
        "acme",
        "one",
        &[entry(3, "/", "curl/8"), entry(3, "/a", "curl/8"), entry(4, "/", "Wget/1")],
    );
    let answer = get(&mut client, &format!("/aggregates?{RANGE}&top=1"));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("private, no-cache"));
    let window = |start: &str, requests: u32, paths: Value, agents: Value| {
        json!({"customerId": "acme", "windowStart": start, "windowSize": "minute", "requests": requests,
            "requestsByPath": paths, "requestsByUserAgent": agents})
    };
    let expected = json!({
        "customerId": "acme", "windowSize": "minute",
        "from": "2025-12-28T18:00:00Z", "to": "2025-12-28T19:00:00Z",
        "windows": [
            window("2025-12-28T18:03:00Z", 2, json!({"GET /": 1, "(other)": 1}), json!({"curl": 2})),
            window("2025-12-28T18:04:00Z", 1, json!({"GET /": 1}), json!({"Wget": 1})),
        ],
    });
    assert_eq!(answer.json(), expected);
    // The size follows from the range; offsets need not be encoded.
    let day = get(&mut client, "/aggregates?from=2025-12-28T01:00:00+01:00&to=2025-12-29T00:00:00Z").json();
    assert_eq!((&day["windowSize"], &day["windows"][0]["requests"]), (&json!("hour"), &json!(3)));
    let none = client.get(&format!("/aggregates?{RANGE}"), &[("x-customer-id", "other")]).unwrap();
    assert_eq!(none.json()["windows"], json!([]));
}

#[test]
fn spreadsheets_get_lines_whose_cells_are_never_formulas() {
    let temp = tempfile::tempdir().unwrap();
    let server = Server::start(temp.path(), &[]);
    let mut client = server.client();
    let mut entries: Vec<Value> = (0..3).map(|minute| entry(minute, "/a,\"b\"", "curl/8")).collect();
    let more = [("status", json!(404)), ("responseBytes", json!(7)), ("durationSeconds", json!(0))];
    more.into_iter().for_each(|(name, value)| entries[0][name] = value);
    entries[2]["method"] = json!("+1");
    post(&mut client, "acme", "one", &entries);
    let csv = [ACME[0], ("accept", "text/csv")];
    let measures = "responseBytes,clientErrors,serverErrors,durationCount,durationSumSeconds,p50,p90,p95,p99";
    let (first, other) = ("7,1,0,1,0,0,0,0,0", "0,0,0,0,0,,,,");
    let page = client.get(&format!("/aggregates?{RANGE}&limit=2"), &csv).unwrap();
    assert_eq!(page.header("content-type"), Some("text/csv; charset=utf-8; header=present"));
    assert_eq!(
        page.text(),
        format!(
            "windowStart,requests,robots,visitors,{measures}\r\n2025-12-28T18:00:00Z,1,0,0,{first}\r\n\
             2025-12-28T18:01:00Z,1,0,0,{other}\r\n"
        )
    );
    let link = page.header("link").unwrap();
    let next = link.strip_prefix('<').unwrap().strip_suffix(">; rel=\"next\"").unwrap();
    let rest = client.get(next, &csv).unwrap();
    assert!(rest.text().ends_with(&format!("2025-12-28T18:02:00Z,1,0,0,{other}\r\n")), "{}", rest.text());
    assert_eq!((rest.text().lines().count(), rest.header("link")), (2, None));

    let top = client.get(&format!("/aggregates/top?dimension=path&status=404&{RANGE}"), &csv).unwrap();
    assert_eq!(
        top.text(),
        format!(
            "key,requests,robots,{measures},status404\r\n\"GET /a,\"\"b\"\"\",2,0,{first},1\r\n\
             \"'+1 /a,\"\"b\"\"\",1,0,{other},0\r\n"
        )
    );
    let families = client.get(&format!("/aggregates/top?dimension=userAgent&{RANGE}"), &csv).unwrap();
    assert_eq!(families.text(), "key,requests,robots\r\ncurl,3,0\r\n");
}

#[test]
fn totals_come_first_and_measures_by_key_last() {
    let temp = tempfile::tempdir().unwrap();
    let server = Server::start(temp.path(), &[]);
    let mut client = server.client();
    let mut entry = entry(3, "/", "GPTBot/1.2");
    let more = [("status", json!(503)), ("responseBytes", json!(7)), ("durationSeconds", json!(0.5))];
    more.into_iter().for_each(|(name, value)| entry[name] = value);
    post(&mut client, "acme", "one", &[entry]);
    let target = format!("/aggregates?{RANGE}&window=all&by=path,agent");
    let text = get(&mut client, &target).text();
    let text = text.split_once("\"windows\":[").unwrap().1;
    let order = [
        "windowStart\":\"2025-12-28T18:00:00Z\"",
        "windowSize\":\"all\"",
        "requests\":1",
        "responseBytes\":7",
        "status\":{",
        "serverErrors\":1",
        "duration\":{\"count\":1,\"sumSeconds\":0.5,\"p50\":",
        "robots\":{",
        "requestsByPath\":{",
        "requestsByUserAgent\":{",
        "robotsByPath\":{",
        "robotsByUserAgent\":{",
        "measuresByPath\":{",
    ];
    let places = order.map(|field| text.find(field).unwrap_or_else(|| panic!("{field} is not in {text}")));
    assert!(places.is_sorted(), "{places:?} in {text}");
    let timeline = get(&mut client, &format!("/aggregates?{RANGE}&by=")).text();
    assert!(!timeline.contains("ByPath") && timeline.contains("\"robots\":{"), "{timeline}");
}

#[test]
fn what_did_not_change_is_not_sent_again_and_gzip_is_spoken() {
    let temp = tempfile::tempdir().unwrap();
    let server = Server::start(temp.path(), &[]);
    let mut client = server.client();
    let many: Vec<Value> = (0..500).map(|i| entry(i % 60, &format!("/{i}"), "curl/8")).collect();
    post(&mut client, "acme", "one", &many);
    let target = format!("/aggregates?{RANGE}");
    let first = get(&mut client, &target);
    let tag = first.header("etag").unwrap().to_owned();
    let again = [ACME[0], ("if-none-match", tag.as_str())];
    let not_modified = client.get(&target, &again).unwrap();
    assert_eq!((not_modified.status, not_modified.header("etag")), (304, Some(tag.as_str())));

    let head = client.send("HEAD", &target, ACME, None).unwrap();
    assert_eq!((head.status, head.header("etag"), head.body.len()), (200, Some(tag.as_str()), 0));
    assert_eq!(head.header("content-length"), first.header("content-length"));

    let zipped = client.get(&target, &[ACME[0], ("accept-encoding", "gzip, br")]).unwrap();
    assert_eq!(zipped.header("content-encoding"), Some("gzip"));
    assert_eq!(zipped.header("etag"), Some(tag.as_str()));
    assert!(zipped.header("vary").unwrap().contains("accept-encoding"));
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(&zipped.body[..]).read_to_end(&mut plain).unwrap();
    assert_eq!(plain, first.body);

    post(&mut client, "acme", "two", &[entry(3, "/", "curl/8")]);
    let changed = client.get(&target, &again).unwrap();
    assert!(changed.status == 200 && changed.header("etag") != Some(tag.as_str()));
}

#[test]
fn every_limit_is_named_in_the_refusal() {
    let temp = tempfile::tempdir().unwrap();
    let fill = Server::start(temp.path(), &[]);
    let many: Vec<Value> =
        (0..600).map(|i| entry(i % 60, &format!("/{}", "x".repeat(i as usize)), "curl/8")).collect();
    post(&mut fill.client(), "acme", "one", &many);
    assert!(fill.stop().success());

    let top = "/aggregates/top?dimension=path&from=2025-12-28T18:00:01Z&to=2025-12-28T18:59:00Z";
    for (limit, reason, value) in [
        ("max_query_windows", "windows", "20"),
        ("max_query_bytes", "bytes", "10KiB"),
        ("max_query_memory", "memory", "10KiB"),
    ] {
        let server = Server::start(temp.path(), &["--tune", &format!("{limit}={value}")]);
        let mut client = server.client();
        refused(&get(&mut client, top), 400, "ING_1000", limit);
        let refusals = format!("log_analytics_query_refused_total{{reason=\"{reason}\"}}");
        assert_eq!(server.metric(&refusals), 1.0);
    }
    let server = Server::start(temp.path(), &["--tune", "max_query_body_bytes=10KiB"]);
    let mut client = server.client();
    for target in [format!("{top}&where=status="), format!("/entries?{RANGE}")] {
        refused(&get(&mut client, &target), 400, "ING_1000", "max_query_body_bytes");
    }
    drop(server);
    // A page ends before the memory does.
    let server =
        Server::start(temp.path(), &["--tune", "max_query_memory=10KiB", "--tune", "max_query_windows=20"]);
    let mut client = server.client();
    let page = get(&mut client, &format!("/aggregates?{RANGE}")).json();
    let windows = page["windows"].as_array().unwrap().len();
    assert!((1..20).contains(&windows) && page["next"].is_string(), "{windows}");
    let whole = get(&mut client, &format!("/aggregates?{RANGE}&top=0&limit=10")).json();
    assert_eq!(whole["windows"].as_array().unwrap().len(), 10);
    drop(server);

    let server = Server::start(temp.path(), &["--tune", "max_query_time=1ms"]);
    let mut client = server.client();
    let wide = "/aggregates?from=1970-01-01T00:00:00Z&to=1970-01-07T00:00:00Z&window=minute";
    wait_for("a query that takes more than 1 ms", || get(&mut client, wide).status == 400);
    wait_for("its refusal", || {
        let answer = get(&mut client, wide);
        answer.status == 400 && answer.text().contains("max_query_time")
    });
}

#[test]
fn a_server_that_keeps_no_bodies_says_so() {
    let temp = tempfile::tempdir().unwrap();
    let server = Server::start(temp.path(), &["--raw-batches", "drop"]);
    let mut client = server.client();
    post(&mut client, "acme", "one", &[entry(3, "/", "curl/8")]);
    for target in [format!("/entries?{RANGE}"), format!("/aggregates?{RANGE}&where=status=200")] {
        refused(&get(&mut client, &target), 400, "ING_1000", "--raw-batches drop");
    }
    assert_eq!(get(&mut client, &format!("/aggregates?{RANGE}")).json()["windows"][0]["requests"], 1);
}

#[test]
fn tokens_decide_who_may_read_and_operators_see_all_customers() {
    let temp = tempfile::tempdir().unwrap();
    let (gateway, operator) = (temp.path().join("gateway"), temp.path().join("operator"));
    fs::write(&gateway, "gateway-token-0123456789\n").unwrap();
    fs::write(&operator, "operator-token-0123456789\n").unwrap();
    let flags = [
        "--gateway-token-file",
        gateway.to_str().unwrap(),
        "--operator-token-file",
        operator.to_str().unwrap(),
    ];
    let server = Server::start(temp.path(), &flags);
    let mut client = server.client();
    let as_gateway = ("authorization", "Bearer gateway-token-0123456789");
    let as_operator = ("authorization", "Bearer operator-token-0123456789");
    let names = ["acme", "../x", "b", &"/".repeat(128), "z"];
    for name in names {
        let body = serde_json::to_vec(&[entry(3, "/", "curl/8")]).unwrap();
        let headers = [as_gateway, ("x-customer-id", name), ("content-type", "application/json")];
        assert_eq!(client.send("POST", "/logs", &headers, Some(&body)).unwrap().status, 202);
        let headers = [as_operator, ("x-customer-id", name), ("content-type", "application/json")];
        assert_eq!(
            client.send("POST", "/logs", &headers, Some(&body)).unwrap().status,
            401,
            "operators read only"
        );
    }
    for target in [format!("/aggregates?{RANGE}"), format!("/aggregates/top?dimension=agent&{RANGE}")] {
        assert_eq!(client.get(&target, ACME).unwrap().status, 401);
        assert_eq!(client.get(&target, &[ACME[0], as_gateway]).unwrap().status, 200);
        assert_eq!(client.get(&target, &[ACME[0], as_operator]).unwrap().status, 200);
    }
    assert_eq!(client.get("/customers", &[]).unwrap().status, 401);
    assert_eq!(client.get("/customers", &[as_gateway]).unwrap().status, 401);
    let mut sorted: Vec<&str> = names.to_vec();
    sorted.sort_unstable();
    wait_for("every customer's directory", || {
        client.get("/customers", &[as_operator]).unwrap().json() == json!({"customers": sorted})
    });
    let page = client.get("/customers?limit=2", &[as_operator]).unwrap().json();
    assert_eq!(page, json!({"customers": sorted[..2], "next": sorted[2]}));
    let next = sorted[2].replace('/', "%2F");
    let page = client.get(&format!("/customers?limit=3&next={next}"), &[as_operator]).unwrap().json();
    assert_eq!(page, json!({"customers": sorted[2..]}));

    let plain = tempfile::tempdir().unwrap();
    let server = Server::start(plain.path(), &["--gateway-token-file", gateway.to_str().unwrap()]);
    refused(&server.client().get("/customers", &[]).unwrap(), 404, "HTTP_404", "--operator-token-file");
    drop(server);
    // Without any tokens every customer can be named anyhow.
    let server = Server::start(plain.path(), &[]);
    assert_eq!(server.client().get("/customers", &[]).unwrap().status, 200);
}

#[test]
fn a_damaged_window_met_by_a_query_is_counted_again_and_answered() {
    let temp = tempfile::tempdir().unwrap();
    let server = Server::start(temp.path(), &[]);
    let mut client = server.client();
    for batch in 0..5 {
        let entries: Vec<Value> = (0..20).map(|i| entry(i % 3, &format!("/{i}"), "curl/8")).collect();
        post(&mut client, "acme", &format!("b{batch}"), &entries);
    }
    let target = format!("/aggregates?{RANGE}&window=minute");
    let before = get(&mut client, &target).json();
    assert!(server.stop().success());

    let file = temp.path().join("store/aggregate-results/acme/20251228T1801Z.json");
    let good = fs::read(&file).unwrap();
    let mut bad = good.clone();
    bad[100] ^= 1;
    fs::write(&file, &bad).unwrap();
    let server = Server::start(temp.path(), &[]);
    let mut client = server.client();
    assert_eq!(get(&mut client, &target).json(), before);
    assert_eq!(server.metric("log_analytics_windows_quarantined_total"), 1.0);
    assert_eq!(fs::read_dir(temp.path().join("store/quarantine")).unwrap().count(), 1);
    wait_for("a good file", || fs::read(&file).unwrap() == good);
    // It counts on from there, each batch once.
    post(&mut client, "acme", "more", &[entry(1, "/0", "curl/8")]);
    let after = get(&mut client, &target).json();
    let requests = |answer: &Value| answer["windows"][1]["requests"].as_u64().unwrap();
    assert_eq!(requests(&after), requests(&before) + 1);
    assert!(server.stop().success());
    crate::support::stored::assert_verified(temp.path());
}

#[test]
fn whoever_was_answered_202_sees_the_batch_whatever_is_evicted_meanwhile() {
    let temp = tempfile::tempdir().unwrap();
    let flags = [
        "--max-resident-bytes",
        "32KiB",
        "--partitions",
        "2",
        "--tune",
        "flush_interval=1ms",
        "--tune",
        "max_queries=16",
    ];
    let server = Server::start(temp.path(), &flags);
    std::thread::scope(|scope| {
        for thread in 0..8u32 {
            let addr = server.addr;
            scope.spawn(move || {
                let mut client = Client::new(addr);
                let customer = format!("c{}", thread % 4);
                for round in 1..=40u32 {
                    let minute = thread * 7 % 60;
                    let own = format!("/{thread}");
                    post(
                        &mut client,
                        &customer,
                        &format!("{thread}-{round}"),
                        &[entry(minute, &own, "curl/8")],
                    );
                    for size in ["minute", "hour", "day"] {
                        let target = format!(
                            "/aggregates?from=2025-12-28T00:00:00Z&to=2025-12-29T00:00:00Z&window={size}"
                        );
                        let answer = client.get(&target, &[("x-customer-id", &customer)]).unwrap().json();
                        let windows = answer["windows"].as_array().unwrap();
                        let key = format!("GET {own}");
                        let seen: u64 =
                            windows.iter().filter_map(|window| window["requestsByPath"][&key].as_u64()).sum();
                        assert_eq!(seen, u64::from(round), "{customer} {size}");
                    }
                }
            });
        }
    });
    assert!(window(temp.path(), "c0", "20251228T1800Z").is_some());
}
