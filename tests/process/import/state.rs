//! What an import remembers in its state directory, what rotation does meanwhile, and what travels with the lines.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::{
    assert_each_once, end, entries, eventually, gzip, import, import_with_state, imported, lines, text, url,
};
use crate::support::server::{Server, program};
use crate::support::stored::window;

#[test]
fn logs_03_rotation_loses_nothing_while_the_importer_is_down_and_by_copytruncate() {
    let temp = tempfile::tempdir().unwrap();
    let server = Server::start(temp.path(), &[]);
    let state = temp.path().join("state");
    let log = temp.path().join("access.log");
    let append = |from: usize, to: usize| {
        let mut file = OpenOptions::new().create(true).append(true).open(&log).unwrap();
        file.write_all(lines(from, to).as_bytes()).unwrap();
    };
    let follow = || {
        let args =
            ["--follow", "--poll-interval", "20ms", "--rotate-wait", "200ms", "--state-dir", text(&state)];
        let mut command = program();
        command.args(["import", "--customer", "acme", "--url", &url(&server)]).args(args).arg(&log);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    append(0, 5_000);
    let follower = follow();
    eventually("the first lines", || entries(&server) == 5_000);
    // Down over two rotations by create, the older of which is compressed.
    end(follower);
    append(5_000, 5_100);
    let (first, second) = (temp.path().join("access.log.1"), temp.path().join("access.log.2.gz"));
    fs::write(&second, gzip(&fs::read_to_string(&log).unwrap())).unwrap();
    fs::remove_file(&log).unwrap();
    std::thread::sleep(Duration::from_millis(20));
    append(5_100, 5_200);
    fs::rename(&log, &first).unwrap();
    append(5_200, 5_300);
    let follower = follow();
    eventually("all rotated files", || entries(&server) == 5_300);
    // Lines between the last look and the copy are in the copy alone.
    kill_process(Pid::from_raw(follower.id() as i32).unwrap(), Signal::STOP).unwrap();
    append(5_300, 5_400);
    fs::copy(&log, temp.path().join("access.log.3")).unwrap();
    OpenOptions::new().write(true).open(&log).unwrap().set_len(0).unwrap();
    append(5_400, 5_450);
    kill_process(Pid::from_raw(follower.id() as i32).unwrap(), Signal::CONT).unwrap();
    eventually("the copy and the file", || entries(&server) == 5_450);
    let says = end(follower);
    assert!(says.contains("5450 lines") || says.contains("450 lines"), "{says}");
    assert_each_once(server, temp.path(), 5_450);
}

#[test]
fn logs_03_what_cannot_be_had_is_said_with_the_setting_that_avoids_it() {
    let temp = tempfile::tempdir().unwrap();
    let server = Server::start(temp.path(), &[]);
    let (state, log) = (temp.path().join("state"), temp.path().join("access.log"));
    fs::write(&log, lines(0, 50)).unwrap();
    assert!(import_with_state(&url(&server), &state, &[text(&log)]).status.success());
    fs::write(&log, lines(100, 150)).unwrap();
    let output = import_with_state(&url(&server), &state, &[text(&log)]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(told.matches("copytruncate").count(), 1, "{told}");
    assert_eq!(entries(&server), 100);
}

#[test]
fn logs_04_a_position_outlives_what_the_server_remembers() {
    let temp = tempfile::tempdir().unwrap();
    // It remembers one key.
    let server = Server::start(temp.path(), &["--dedup-keys", "1"]);
    let (state, log, other) =
        (temp.path().join("state"), temp.path().join("access.log"), temp.path().join("other.log"));
    fs::write(&log, lines(0, 300)).unwrap();
    fs::write(&other, lines(300, 5_000)).unwrap();
    for log in [&log, &other, &log] {
        assert!(import_with_state(&url(&server), &state, &[text(log)]).status.success());
    }
    assert_eq!(entries(&server), 5_000);
    let mut file = OpenOptions::new().append(true).open(&log).unwrap();
    file.write_all(lines(5_000, 5_010).as_bytes()).unwrap();
    assert!(import_with_state(&url(&server), &state, &[text(&log)]).status.success());
    assert_each_once(server, temp.path(), 5_010);
}

#[test]
fn logs_05_a_file_of_which_nothing_can_be_read_fails_and_shows_its_first_lines() {
    let temp = tempfile::tempdir().unwrap();
    let server = Server::start(temp.path(), &[]);
    let log = temp.path().join("access.log");
    fs::write(&log, "192.0.2.1 - - [28/Foo/2025:18:03:07 +0000] \"GET / HTTP/1.1\" 200 5\n".repeat(20))
        .unwrap();
    let output = import(&url(&server), &[text(&log)]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(
        told.contains("access.log:1: the time cannot be read") && told.contains("nothing was counted"),
        "{told}"
    );
    assert_eq!(entries(&server), 0);
}

#[test]
fn formats_zones_and_headers_travel_with_the_lines() {
    let temp = tempfile::tempdir().unwrap();
    let server = Server::start(temp.path(), &[]);
    let (log, headers) = (temp.path().join("access.log"), temp.path().join("headers"));
    // The columns stand in the first region alone.
    let mut w3c = "#Fields: date time cs-method cs-uri-stem sc-status\n".to_owned();
    w3c.push_str(&"2025-12-28 19:03:07 GET /a 200\n".repeat(10_000));
    fs::write(&log, w3c).unwrap();
    fs::write(&headers, "x-api-key: abc\n").unwrap();
    let says = imported(&url(&server), &["--header-file", text(&headers), text(&log)]);
    assert!(says.contains(": 10000 counted, 0 counted before, 0 skipped"), "{says}");
    fs::write(&log, "19:03:07 28.12.2025|GET|/b\n").unwrap();
    let format = "%{%H:%M:%S %d.%m.%Y}t|%m|%U";
    let says = imported(&url(&server), &["--format", format, "--timezone", "Europe/Berlin", text(&log)]);
    assert!(says.contains(": 1 counted"), "{says}");
    fs::write(&headers, "host: x\n").unwrap();
    assert_eq!(import(&url(&server), &["--header-file", text(&headers), text(&log)]).status.code(), Some(2));
    assert!(server.stop().success());
    let hour = window(temp.path(), "acme", "20251228T18Z").unwrap();
    assert_eq!(hour["requestsByPath"], serde_json::json!({ "GET /b": 1 }));
}
