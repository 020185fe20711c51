//! `log-analytics import` against the real server: every line of every kind of file is counted once, whatever is
//! imported twice, killed, rotated, truncated or growing meanwhile.

mod state;

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::server::{Server, program};
use crate::support::stored::{assert_verified, window};

/// A line of combined log; the path tells it apart.
fn line(number: usize) -> String {
    let (minute, second) = (number / 600 % 60, number / 10 % 60);
    format!(
        "203.0.113.{} - - [28/Dec/2025:19:{minute:02}:{second:02} +0100] \"GET /page/{number}?q={number} HTTP/1.1\" 200 {} \
         \"https://example.com/\" \"Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0\"\n",
        number % 250,
        number * 7
    )
}

fn lines(from: usize, to: usize) -> String {
    (from..to).map(line).collect()
}

/// An import without positions: only the server knows what was counted.
fn import(url: &str, args: &[&str]) -> Output {
    let state = tempfile::tempdir().unwrap();
    import_with_state(url, state.path(), args)
}

fn import_with_state(url: &str, state: &Path, args: &[&str]) -> Output {
    let command = ["import", "--customer", "acme", "--url", url, "--state-dir", text(state)];
    program().args(command).args(args).output().unwrap()
}

#[track_caller]
fn imported(url: &str, args: &[&str]) -> String {
    let output = import(url, args);
    let says = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{says}{}", String::from_utf8_lossy(&output.stderr));
    says
}

fn url(server: &Server) -> String {
    format!("http://{}", server.addr)
}

/// Waits until `holds` returns true.
#[track_caller]
fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < deadline, "not within a minute: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn entries(server: &Server) -> u64 {
    server.metric("log_analytics_ingestion_entries_total") as u64
}

/// Stops the server and asserts that the day holds each of these pages once, and nothing else.
#[track_caller]
fn assert_each_once(server: Server, dir: &Path, pages: usize) {
    assert!(server.stop().success());
    let day = window(dir, "acme", "20251228Z").unwrap();
    let paths: BTreeMap<String, u64> = serde_json::from_value(day["requestsByPath"].clone()).unwrap();
    let want: BTreeMap<String, u64> = (0..pages).map(|page| (format!("GET /page/{page}"), 1)).collect();
    let differs = paths.iter().find(|(path, count)| want.get(*path) != Some(count));
    assert!(differs.is_none(), "{differs:?}");
    assert_eq!(paths.len(), pages, "lines are missing");
    assert_eq!(day["requestsByUserAgent"], serde_json::json!({ "Firefox": pages }));
    assert_verified(dir);
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn the_same_lines_twice_compressed_renamed_and_from_a_pipe_count_once() {
    let temp = tempfile::tempdir().unwrap();
    let server = Server::start(temp.path(), &[]);
    let log = temp.path().join("access.log");
    let content = lines(0, 10_000);
    fs::write(&log, &content).unwrap();
    let says = imported(&url(&server), &[text(&log)]);
    assert!(
        says.contains("10000 lines read") && says.contains("10000 counted, 0 counted before, 0 skipped"),
        "{says}"
    );
    let renamed = temp.path().join("access.log.1");
    fs::rename(&log, &renamed).unwrap();
    let gz = temp.path().join("access.log.2.gz");
    fs::write(&gz, gzip(&content)).unwrap();
    let zst = temp.path().join("access.log.3.zst");
    fs::write(&zst, zstd::encode_all(content.as_bytes(), 1).unwrap()).unwrap();
    for args in [
        &[text(&renamed)][..],
        &[text(&gz), text(&zst)],
        &["--compress", "zstd", "--connections", "1", text(&gz)],
    ] {
        let says = imported(&url(&server), args);
        assert!(says.contains(": 0 counted,"), "{args:?}: {says}");
    }
    let mut child = program()
        .args(["import", "--customer", "acme", "--compress", "gzip", "--url", &url(&server), "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(content.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(String::from_utf8(output.stdout).unwrap().contains(": 0 counted, 10000 counted before"));
    assert_each_once(server, temp.path(), 10_000);
}

#[test]
fn a_growing_file_imported_at_many_sizes_counts_once() {
    let temp = tempfile::tempdir().unwrap();
    let server = Server::start(temp.path(), &[]);
    let log = temp.path().join("access.log");
    let mut file = File::create(&log).unwrap();
    let mut written = 0;
    for to in [1, 7, 8, 64, 65, 700, 4_095, 4_097, 5_000, 9_001] {
        file.write_all(lines(written, to).as_bytes()).unwrap();
        let says = imported(&url(&server), &[text(&log)]);
        assert!(says.contains(&format!(": {} counted, {written} counted before", to - written)), "{says}");
        written = to;
    }
    assert_each_once(server, temp.path(), written);
}

#[test]
fn an_import_killed_in_the_middle_goes_on_where_it_was() {
    let temp = tempfile::tempdir().unwrap();
    let server = Server::start(temp.path(), &[]);
    let log = temp.path().join("access.log");
    // Long enough to be killed in the middle, at any place.
    let pages = 45_000;
    fs::write(&log, lines(0, pages)).unwrap();
    for kill in 1..=3 {
        let mut child = spawn(&url(&server), &["--connections", "2", text(&log)]);
        eventually("batches", || entries(&server) >= 8_192 * kill || child.try_wait().unwrap().is_some());
        child.kill().unwrap();
        child.wait().unwrap();
    }
    imported(&url(&server), &[text(&log)]);
    assert_each_once(server, temp.path(), pages);
}

fn spawn(url: &str, args: &[&str]) -> Child {
    let mut command = program();
    // Each has a state directory of its own, so that only the server knows what was counted.
    let state = tempfile::tempdir().unwrap().keep();
    command.args(["import", "--customer", "acme", "--url", url, "--state-dir", text(&state)]).args(args);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn follow(url: &str, log: &Path, interval: &str) -> Child {
    spawn(url, &["--follow", "--poll-interval", interval, "--rotate-wait", "300ms", text(log)])
}

/// Sends SIGTERM, waits for the end, and returns the standard output.
#[track_caller]
fn end(child: Child) -> String {
    kill_process(Pid::from_raw(child.id() as i32).unwrap(), Signal::TERM).unwrap();
    let output = child.wait_with_output().unwrap();
    let says = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success(), "{says}");
    says
}

#[test]
fn a_followed_file_counts_once_through_kills_whatever_the_interval() {
    let temp = tempfile::tempdir().unwrap();
    let server = Server::start(temp.path(), &[]);
    let log = temp.path().join("access.log");
    // The file does not exist yet.
    let mut follower = follow(&url(&server), &log, "1ms");
    let mut file = OpenOptions::new().create(true).append(true).open(&log).unwrap();
    let mut written = 0;
    for (round, interval) in ["1ms", "3ms", "50ms"].into_iter().enumerate() {
        if round > 0 {
            follower.kill().unwrap();
            follower.wait().unwrap();
            follower = follow(&url(&server), &log, interval);
        }
        for step in [1, 2, 30, 500, 1_000, 1] {
            let new = lines(written, written + step);
            // In two writes, the first of which ends within a line.
            let (first, second) = new.split_at(new.len() - 50);
            file.write_all(first.as_bytes()).unwrap();
            file.flush().unwrap();
            file.write_all(second.as_bytes()).unwrap();
            written += step;
            if step < 500 {
                eventually("the lines to be counted", || entries(&server) == written as u64);
            }
        }
        if round == 1 {
            // Another import of what is there now, at the same time.
            imported(&url(&server), &[text(&log)]);
        }
    }
    let says = end(follower);
    assert!(says.contains("0 skipped"), "{says}");
    let says = imported(&url(&server), &[text(&log)]);
    assert!(says.contains(": 0 counted,"), "{says}");
    assert_each_once(server, temp.path(), written);
}

#[test]
fn rotation_by_rename_and_by_truncation_loses_and_doubles_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let server = Server::start(temp.path(), &[]);
    let log = temp.path().join("access.log");
    let append = |path: &PathBuf, from: usize, to: usize| {
        let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
        file.write_all(lines(from, to).as_bytes()).unwrap();
        file
    };
    append(&log, 0, 100);
    let follower = follow(&url(&server), &log, "20ms");
    eventually("the first lines", || entries(&server) == 100);
    // By rename: the server still writes to the old file for a while, and its last line has no end.
    let mut old = append(&log, 100, 150);
    fs::rename(&log, temp.path().join("access.log.1")).unwrap();
    append(&log, 200, 300);
    old.write_all(lines(150, 200).trim_end().as_bytes()).unwrap();
    eventually("both files", || entries(&server) == 300);
    // By truncation, as copytruncate does it.
    let copy = temp.path().join("access.log.2");
    fs::copy(&log, &copy).unwrap();
    let file = OpenOptions::new().write(true).open(&log).unwrap();
    file.set_len(0).unwrap();
    append(&log, 300, 350);
    eventually("the truncated file", || entries(&server) == 350);
    // Truncated and at once longer than it was.
    file.set_len(0).unwrap();
    append(&log, 350, 900);
    eventually("the file written anew", || entries(&server) == 900);
    end(follower);
    // Lines of rotated files are recognized; so is the line without end.
    for name in ["access.log.1", "access.log.2", "access.log"] {
        let says = imported(&url(&server), &[text(&temp.path().join(name))]);
        assert!(says.contains(": 0 counted,"), "{name}: {says}");
    }
    assert_each_once(server, temp.path(), 900);
}

#[test]
fn every_format_lands_in_the_same_window_and_bad_lines_are_told() {
    let temp = tempfile::tempdir().unwrap();
    let server = Server::start(temp.path(), &[]);
    let log = temp.path().join("mixed.log");
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/samples/logs");
    let mut mixed = String::new();
    let mut files: Vec<PathBuf> = fs::read_dir(samples).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    for file in &files {
        mixed.push_str(&fs::read_to_string(file).unwrap());
    }
    assert!(files.len() >= 6, "{files:?}");
    mixed.push_str("no line of a log \u{1b}[31m\n");
    fs::write(&log, &mixed).unwrap();
    let output = import(&url(&server), &[text(&log)]);
    let (says, told) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{told}");
    assert!(
        says.contains(&format!("{} counted, 0 counted before, 1 skipped", 5 * files.len() + 4)),
        "{says}{told}"
    );
    assert!(told.contains("mixed.log:") && told.contains("not a line of an access log"), "{told}");
    assert!(!told.contains('\u{1b}'), "what attackers send must not reach the terminal: {told}");
    assert!(server.stop().success());
    let hour = window(temp.path(), "acme", "20251228T18Z").unwrap();
    let n = files.len();
    assert_eq!(
        hour["requestsByPath"],
        serde_json::json!({ "GET /": 2 * n, "GET /search": n, "POST /login": n, "GET /\"quoted\"": n, "- (invalid)": 4 })
    );
    // The common format has no agent.
    assert_eq!(hour["requestsByUserAgent"]["curl"], 2 * (n - 1));
    assert_eq!(hour["requestsByUserAgent"]["Unknown"], 9);

    let server = Server::start(temp.path(), &[]);
    let output = import(&url(&server), &["--strict", "--source", "again", text(&log)]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("mixed.log:"));
}

#[test]
fn other_options_and_files_that_begin_alike_are_conflicts_not_double_counts() {
    let temp = tempfile::tempdir().unwrap();
    let server = Server::start(temp.path(), &[]);
    let (log, other) = (temp.path().join("a.log"), temp.path().join("b.log"));
    fs::write(&log, lines(0, 100)).unwrap();
    fs::write(&other, lines(0, 1) + &lines(500, 600)).unwrap();
    imported(&url(&server), &[text(&log)]);
    for args in [&["--keep-query", text(&log)][..], &[text(&other)]] {
        let output = import(&url(&server), args);
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(told.contains("overlap an earlier import") && told.contains("--source"), "{told}");
    }
    assert_eq!(entries(&server), 100);
    imported(&url(&server), &["--source", "b", text(&other)]);
    assert_eq!(entries(&server), 201);
}

#[test]
fn logs_06_a_shorter_copy_of_an_imported_log_is_known() {
    let temp = tempfile::tempdir().unwrap();
    let server = Server::start(temp.path(), &[]);
    let whole = lines(0, 5_000);
    let copy = temp.path().join("copy.log");
    fs::write(temp.path().join("whole.log"), &whole).unwrap();
    imported(&url(&server), &[text(&temp.path().join("whole.log"))]);
    // In the last region and in the first; at the end of a line and within one.
    for cut in [whole.len() / 2, whole.len() - 40, lines(0, 4_500).len(), lines(0, 1).len()] {
        fs::write(&copy, &whole[..cut]).unwrap();
        let says = imported(&url(&server), &["--compress", "zstd", text(&copy)]);
        assert!(says.contains(" 0 counted, "), "{cut}: {says}");
    }
    assert_eq!(entries(&server), 5_000);
    // The copy is completed and continued.
    let more = whole + &lines(5_000, 5_500);
    fs::write(&copy, more).unwrap();
    imported(&url(&server), &[text(&copy)]);
    assert_each_once(server, temp.path(), 5_500);
}

#[test]
fn a_server_that_refuses_and_breaks_connections_is_asked_again() {
    let temp = tempfile::tempdir().unwrap();
    let log = temp.path().join("a.log");
    fs::write(&log, lines(0, 5_000)).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let child = spawn(&format!("http://{address}"), &["--connections", "1", text(&log)]);
    // Refused with Retry-After, cut off, cut off in the middle of the answer, and at last a real server.
    let answers = [
        "HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
        "",
        "HTTP/1.1 202 Accepted\r\ncontent-le",
    ];
    let mut asked = Vec::new();
    for answer in answers {
        let (mut stream, _) = listener.accept().unwrap();
        asked.push(Instant::now());
        // The whole request: a client whose request is cut off need not read the answer.
        stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
        stream.write_all(answer.as_bytes()).unwrap();
    }
    assert!(asked[1] - asked[0] >= Duration::from_millis(950), "Retry-After is honoured");
    drop(listener);
    let server = Server::start(temp.path(), &["--listen", &address.to_string()]);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_each_once(server, temp.path(), 5_000);
}

#[test]
fn what_an_import_waits_for_and_cannot_keep_is_said() {
    let temp = tempfile::tempdir().unwrap();
    let log = temp.path().join("a.log");
    fs::write(&log, lines(0, 50_000)).unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let output = import(&format!("http://{free}"), &["--retry-for", "3s", text(&log)]);
    let told = String::from_utf8(output.stderr).unwrap();
    let waits = "trying again for up to 3 s (--retry-for)";
    assert!(told.matches(waits).count() == 1 && told.contains("Connection refused"), "{told}");
    assert!(told.find(waits) < told.find("gave up"), "{told}");

    // No directory for positions: the import counts, and says that it remembers nothing.
    let server = Server::start(temp.path(), &[]);
    let output = import_with_state(&url(&server), &log, &[text(&log)]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && told.contains("is not kept; choose another --state-dir"), "{told}");
    assert_each_once(server, temp.path(), 50_000);
}

#[test]
fn nobody_there_and_a_wrong_token_end_with_a_clear_message() {
    let temp = tempfile::tempdir().unwrap();
    let log = temp.path().join("a.log");
    fs::write(&log, lines(0, 10)).unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let output = import(&format!("http://{free}"), &["--retry-for", "300ms", text(&log)]);
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(
        told.contains("gave up: the server could not be reached") && told.contains("Connection refused"),
        "{told}"
    );
    assert!(told.contains("run the same import again"), "{told}");

    // One of the files is not there: nothing is sent.
    let server = Server::start(temp.path(), &[]);
    for (path, why) in [(temp.path().join("nope"), "No such file"), (temp.path().to_owned(), "a directory")] {
        let output = import(&url(&server), &[text(&log), text(&path)]);
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(1) && told.contains(why), "{told}");
        assert!(told.contains("nothing was imported") && output.stdout.is_empty(), "{told}");
    }
    assert_eq!(entries(&server), 0);
    assert!(server.stop().success());

    let (good, bad) = (temp.path().join("token"), temp.path().join("bad"));
    fs::write(&good, "0123456789abcdef-token\n").unwrap();
    fs::write(&bad, "0123456789abcdef-other\n").unwrap();
    let empty = temp.path().join("empty");
    fs::write(&empty, "\n").unwrap();
    let server = Server::start(temp.path(), &["--gateway-token-file", text(&good)]);
    let output = import(&url(&server), &["--token-file", text(&bad), text(&log)]);
    assert!(String::from_utf8(output.stderr).unwrap().contains("the server answered 401"));
    for (token, why) in [(temp.path().join("no-token"), "No such file"), (empty, "no token in it")] {
        let output = import(&url(&server), &["--token-file", text(&token), text(&log)]);
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(
            output.status.code() == Some(2) && told.contains("--token-file") && told.contains(why),
            "{told}"
        );
    }
    imported(&url(&server), &["--token-file", text(&good), text(&log)]);
    assert_each_once(server, temp.path(), 10);
}

#[test]
fn a_unix_socket_is_reached_and_health_tells_ready() {
    let temp = tempfile::tempdir().unwrap();
    let log = temp.path().join("a.log");
    fs::write(&log, lines(0, 10)).unwrap();
    let socket = format!("unix:{}", temp.path().join("socket").display());
    let mut server = program()
        .args(["serve", "--log-level", "off", "--listen", &socket, "--data-dir"])
        .arg(temp.path().join("store"))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let health = |more: &[&str]| program().args(["health", "--url", &socket]).args(more).output().unwrap();
    eventually("readiness", || health(&[]).status.success());
    assert_eq!(health(&["--live"]).stdout, b"ok\n");
    imported(&socket, &[text(&log)]);
    kill_process(Pid::from_raw(server.id() as i32).unwrap(), Signal::TERM).unwrap();
    assert!(server.wait().unwrap().success());
    assert_eq!(health(&[]).status.code(), Some(1));
    let day: Value = window(temp.path(), "acme", "20251228Z").unwrap();
    assert_eq!(day["requests"], 10);
}
