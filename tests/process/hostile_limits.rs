//! The most that clients can make the real server use, and the settings that it refuses at start: memory,
//! descriptors, tokens, flags.

use std::fs;

use rustix::process::Signal;

use crate::support::proc::status;
use crate::support::raw::{Client, batch, once, post, post_start};
use crate::support::server::{Server, program, run};
use crate::support::stored::{assert_verified, window};
use crate::support::wait::eventually;

#[test]
fn memory_has_a_ceiling_whatever_is_announced_and_is_given_back() {
    let dir = tempfile::tempdir().unwrap();
    let patient = ["--tune", "grace=120s"];
    let server = Server::start(dir.path(), &patient);
    let at_start_kib = status(server.pid(), "VmRSS");
    let body = batch(20_000);
    let body = [body.as_bytes(), &vec![b' '; 2 * 1024 * 1024 - body.len()]].concat();
    let mut accepted = 0;
    // The second crowd meets a server that has already held such bodies once.
    for _ in 0..2 {
        let head = format!("{}Content-Length: {}\r\n\r\n", post_start(), body.len());
        let mut crowd: Vec<_> = (0..512).map(|_| Client::connect(server.addr)).collect();
        for client in &mut crowd {
            client.send(&head);
        }
        // All of them bring a little, again and again; most are refused when the bytes in flight are used up.
        for piece in body.chunks(160 * 1024) {
            for client in &mut crowd {
                client.send(piece);
            }
        }
        let answers: Vec<_> = crowd.iter_mut().map(|client| client.answer(false)).collect();
        let count = |status| answers.iter().flatten().filter(|answer| answer.status == status).count() as u64;
        assert_eq!(count(202) + count(503), 512, "{:?}", answers.iter().find(|answer| answer.is_err()));
        assert!(count(202) > 0 && count(503) > 0);
        accepted += count(202);
        drop(crowd);
        eventually("all bytes are given back", || server.metric("log_analytics_inflight_bytes") == 0.0);
    }
    let peak_kib = status(server.pid(), "VmHWM");
    assert!(peak_kib < 200 * 1024, "{peak_kib} KiB resident at the peak");
    eventually("memory is given back", || status(server.pid(), "VmRSS") < at_start_kib + 40 * 1024);
    eprintln!("{at_start_kib} KiB at start, {peak_kib} at the peak, {} now", status(server.pid(), "VmRSS"));
    assert!(server.stop().success());
    assert_eq!(window(dir.path(), "c", "20251228Z").unwrap()["requests"], accepted * 20_000);
}

#[test]
fn few_descriptors_leave_enough_for_journal_and_windows() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start_with_descriptors(96, dir.path(), &[]);
    assert!(server.log().contains("--max-connections is cut from 512 to "), "{}", server.log());
    let mut crowd: Vec<_> = (0..300).map(|_| Client::connect(server.addr)).collect();
    for client in &mut crowd {
        client.send("POST /logs HTTP/1.1\r\nHost:");
    }
    for number in 0..50 {
        let batch = post(&format!("Idempotency-Key: k{number}\r\n"), &batch(1));
        assert_eq!(once(server.addr, batch).unwrap().status, 202);
    }
    eventually("windows are written while the crowd is there", || {
        window(dir.path(), "c", "20251228T1803Z").is_some_and(|window| window["requests"] == 50)
    });
    assert!(!server.log().contains("ERROR"), "{}", server.log());
    drop(crowd);
    assert!(server.stop().success());
    assert_verified(dir.path());
}

#[test]
fn tokens_change_on_sighup_and_a_bad_file_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tokens");
    fs::write(&file, "first-token-0123456789").unwrap();
    let server = Server::start(dir.path(), &["--gateway-token-file", file.to_str().unwrap()]);
    let status = |token: &str| {
        let batch = post(&format!("Authorization: Bearer {token}\r\n"), &batch(1));
        once(server.addr, batch).unwrap().status
    };
    assert_eq!((status("first-token-0123456789"), status("second-token-0123456789")), (202, 401));
    fs::write(&file, "second-token-0123456789\n").unwrap();
    server.signal(Signal::HUP);
    eventually("the new token is valid", || status("second-token-0123456789") == 202);
    let reloaded = format!("reloaded token file {} (1 token)", file.display());
    eventually("the log says which file was read", || server.log().contains(&reloaded));
    assert_eq!(status("first-token-0123456789"), 401);
    fs::write(&file, "short").unwrap();
    server.signal(Signal::HUP);
    eventually("the bad file is told of", || server.log().contains("the old tokens stay valid"));
    assert_eq!((status("second-token-0123456789"), status("short")), (202, 401));
    // Tokens guard batches and windows; health and metrics need none.
    let get = |path: &str| once(server.addr, format!("GET {path} HTTP/1.0\r\n\r\n")).unwrap().status;
    assert_eq!(
        ["/logs", "/aggregates", "/healthz", "/readyz", "/metrics"].map(get),
        [405, 401, 200, 200, 200]
    );
    assert!(server.stop().success());
}

#[test]
fn what_cannot_be_started_is_refused_with_flag_and_reason() {
    let dir = tempfile::tempdir().unwrap();
    let here = |name: &str| dir.path().join(name).display().to_string();
    fs::write(here("file"), "x").unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    // 2 is wrong usage, by flags or the files that they name; 1 is what the machine refuses.
    for (code, flag, value, reason) in [
        (2, "--listen", "0.0.0.0:0", "--gateway-token-file (or --trust-network)"),
        (2, "--listen", "[::]:0", "--gateway-token-file (or --trust-network)"),
        (1, "--listen", &taken, "in use"),
        (2, "--listen", "unix:", "a path"),
        (1, "--listen", &format!("unix:{}", here("file")), "is not a socket"),
        (1, "--listen", &format!("unix:{}", here("no/such")), "No such file"),
        (2, "--listen", "8080", "HOST:PORT"),
        (2, "--http-server", "apache", "neither guarded nor tiny_http"),
        (2, "--gateway-token-file", &here("none"), "No such file"),
        (2, "--gateway-token-file", &here("file"), "shorter than 16"),
        (2, "--operator-token-file", &here("none"), "No such file"),
        (1, "--data-dir", &here("file/store"), "Not a directory"),
        (2, "--max-connections", "0", "between 1 and 65536"),
        (2, "--max-connections", "many", "invalid digit"),
        (2, "--idle-timeout", "0s", "between 1ms and 1d"),
        (2, "--shutdown-timeout", "10", "10s, 10m, 10h or 10d"),
        (2, "--max-inflight-bytes", "2MiB", "four times --max-body-bytes"),
        (2, "--summarize-threads", "100000", "between 0 and 1024"),
        (2, "--max-body-bytes", "2MB5", "not a unit of size"),
    ] {
        let mut command = program();
        if flag != "--listen" {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        if flag != "--data-dir" {
            command.args(["--data-dir", &here("store")]);
        }
        let output = command.args([flag, value]).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{flag} {value}: {said}");
        assert!(output.stdout.is_empty(), "{flag} {value}");
        assert!(said.contains(flag) && said.contains(reason), "{flag} {value}: {said}");
        // Its variable is refused in the same way.
        if !["--listen", "--data-dir"].contains(&flag) {
            let variable = format!("LOG_ANALYTICS_{}", flag[2..].to_uppercase().replace('-', "_"));
            let args = ["serve", "--listen", "127.0.0.1:0", "--data-dir", &here("store")];
            let output = program().args(args).env(variable, value).output().unwrap();
            assert_eq!(reason_of(&String::from_utf8(output.stderr).unwrap()), reason_of(&said));
        }
    }
}

/// The line that says why the program did not start.
fn reason_of(said: &str) -> &str {
    said.lines().find(|line| line.starts_with("log-analytics: ") || line.starts_with("error: ")).unwrap()
}

#[test]
fn variables_that_no_command_knows_are_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("store");
    let output = program()
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir", store.to_str().unwrap()])
        .env("LOG_ANALYTICS_RETAIN_WINDOW_DAYS", "30")
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("LOG_ANALYTICS_RETAIN_WINDOW_DAYS: did you mean LOG_ANALYTICS_RETAIN_WINDOWS_DAYS?")
    );
    assert!(!store.exists());
    // One of another command, and what Kubernetes sets for a service of this name.
    let output = program()
        .arg("agent")
        .env("LOG_ANALYTICS_MAX_ENTRIES", "30")
        .env("LOG_ANALYTICS_PORT", "tcp://10.0.0.1:80")
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_server_listens_on_every_address_and_logs_its_settings() {
    let dir = tempfile::tempdir().unwrap();
    let socket = format!("unix:{}", dir.path().join("socket").display());
    let flags = ["--listen", "127.0.0.1:0", "--listen", &socket, "--log-format", "json", "--partitions", "3"];
    let server = Server::start(dir.path(), &flags);
    for url in [&format!("http://{}", server.addr), &socket] {
        let output = run(&["health", "--url", url]);
        assert!(output.status.success(), "{url}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let log = server.log();
    let messages: Vec<String> = log
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|line| line["message"].as_str().unwrap().to_owned())
        .collect();
    assert!(messages[0].contains(" partitions=3 ") && messages[0].contains(" idle-timeout=60s "), "{log}");
    assert!(messages.iter().any(|message| message.starts_with("ready on http://")), "{log}");
    assert!(server.stop().success());
    assert!(!dir.path().join("socket").exists(), "the socket is removed");
}
