//! What an import remembers in its state directory, what rotation does meanwhile, and what travels with the lines.

use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};
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
    // The copy is being compressed.
    let compressed = gzip(&fs::read_to_string(temp.path().join("access.log.3")).unwrap());
    fs::write(temp.path().join("access.log.3.gz"), &compressed[..compressed.len() / 2]).unwrap();
    append(5_400, 5_450);
    kill_process(Pid::from_raw(follower.id() as i32).unwrap(), Signal::CONT).unwrap();
    eventually("the copy and the file", || entries(&server) == 5_450);
    let says = end(follower);
    assert!(says.contains("5450 lines") || says.contains("450 lines"), "{says}");
    assert_eq!(says.matches("use create, not copytruncate").count(), 1, "{says}");
    assert_each_once(server, temp.path(), 5_450);
}

#[test]
fn a_file_rotated_after_an_import_that_got_no_answer_is_read_first() {
    let temp = tempfile::tempdir().unwrap();
    let (state, log) = (temp.path().join("state"), temp.path().join("access.log"));
    fs::write(&log, lines(0, 3_000)).unwrap();
    // It takes the lines and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let args = ["--url", &format!("http://{address}"), "--state-dir", text(&state), text(&log)];
    let mut command = program();
    command.args(["import", "--customer", "acme"]).args(args);
    let mut importer =
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let (asked, _) = silent.accept().unwrap();
    importer.kill().unwrap();
    importer.wait().unwrap();
    drop((asked, silent));
    fs::rename(&log, temp.path().join("access.log.1")).unwrap();
    fs::write(&log, lines(3_000, 3_100)).unwrap();

    let server = Server::start(temp.path(), &["--listen", &address.to_string()]);
    let output = import_with_state(&url(&server), &state, &[text(&log)]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_each_once(server, temp.path(), 3_100);
}

/// The body of the next request on a connection.
fn batch(stream: &TcpStream) -> String {
    let mut reader = BufReader::new(stream);
    let (mut line, mut length) = (String::new(), 0);
    while reader.read_line(&mut line).unwrap() > 2 {
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        line.clear();
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    String::from_utf8(body).unwrap()
}

fn answer(mut stream: &TcpStream, status: &str) {
    stream.write_all(format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\n\r\n{{}}").as_bytes()).unwrap();
}

/// Two connections, each with its first batch; the one whose batch has this page comes first.
fn connections(listener: &TcpListener, page: &str) -> (TcpStream, TcpStream) {
    let [(one, is_first), (other, _)] = [(); 2].map(|()| {
        let (stream, _) = listener.accept().unwrap();
        let is_first = batch(&stream).contains(page);
        (stream, is_first)
    });
    if is_first { (one, other) } else { (other, one) }
}

fn begin(args: &[&str]) -> Child {
    let mut command = program();
    command.args(["import", "--customer", "acme"]).args(args);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn the_rest_of_a_rotated_file_is_found_though_its_successor_was_answered_first() {
    for is_killed in [true, false] {
        let temp = tempfile::tempdir().unwrap();
        let (state, log) = (temp.path().join("state"), temp.path().join("access.log"));
        let server = Server::start(temp.path(), &[]);
        let (address, url) = (server.addr, url(&server));
        fs::write(&log, lines(0, 3_000)).unwrap();
        assert!(import_with_state(&url, &state, &[text(&log)]).status.success());
        assert!(server.stop().success());
        fs::write(&log, lines(0, 3_100)).unwrap();
        fs::rename(&log, temp.path().join("access.log.1")).unwrap();
        fs::write(&log, lines(3_100, 8_000)).unwrap();

        let stub = TcpListener::bind(address).unwrap();
        let mut importer =
            begin(&["--connections", "2", "--url", &url, "--state-dir", text(&state), text(&log)]);
        let (rest, successor) = connections(&stub, "/page/3000?");
        // It notes that the first region is answered before it sends the second.
        answer(&successor, "202 Accepted");
        assert!(batch(&successor).contains("/page/7500?"));
        if is_killed {
            importer.kill().unwrap();
        } else {
            answer(&rest, "403 Forbidden");
            answer(&successor, "403 Forbidden");
        }
        assert!(!importer.wait().unwrap().success());
        drop((stub, rest, successor));

        let server = Server::start(temp.path(), &["--listen", &address.to_string()]);
        assert!(import_with_state(&url, &state, &[text(&log)]).status.success());
        assert_each_once(server, temp.path(), 8_000);
        let again = Server::start(temp.path(), &["--listen", &address.to_string()]);
        let output = import_with_state(&url, &state, &[text(&log)]);
        let says = String::from_utf8(output.stdout).unwrap();
        assert!(says.contains("nothing new since the last import"), "{says}");
        assert!(again.stop().success());
    }
}

#[test]
fn a_follower_killed_after_a_rotation_leaves_the_position_of_what_was_not_answered() {
    let temp = tempfile::tempdir().unwrap();
    let (state, log) = (temp.path().join("state"), temp.path().join("access.log"));
    fs::write(&log, lines(0, 5_000)).unwrap();
    let stub = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = stub.local_addr().unwrap();
    let url = format!("http://{address}");
    let follow = ["--follow", "--poll-interval", "20ms", "--rotate-wait", "100ms"];
    let args = ["--connections", "1", "--url", &url, "--state-dir", text(&state), text(&log)];
    let mut follower = begin(&[&follow[..], &args[..]].concat());
    // A whole region, which is not answered, and what follows it.
    let (held, growing) = connections(&stub, "/page/0?");
    answer(&growing, "202 Accepted");
    while !batch(&growing).contains("/page/4999?") {
        answer(&growing, "202 Accepted");
    }
    answer(&growing, "202 Accepted");
    fs::rename(&log, temp.path().join("access.log.1")).unwrap();
    fs::write(&log, lines(5_000, 5_001)).unwrap();
    assert!(batch(&growing).contains("/page/5000?"));
    answer(&growing, "202 Accepted");
    OpenOptions::new().append(true).open(&log).unwrap().write_all(lines(5_001, 5_002).as_bytes()).unwrap();
    // That the line before is answered was noted by now.
    assert!(batch(&growing).contains("/page/5001?"));
    follower.kill().unwrap();
    follower.wait().unwrap();
    drop((stub, held, growing));

    let server = Server::start(temp.path(), &["--listen", &address.to_string()]);
    assert!(import_with_state(&url, &state, &[text(&log)]).status.success());
    assert_each_once(server, temp.path(), 5_002);
}

#[test]
fn a_file_that_was_empty_when_it_was_imported_is_found_after_its_rotation() {
    let temp = tempfile::tempdir().unwrap();
    let server = Server::start(temp.path(), &[]);
    let (state, log) = (temp.path().join("state"), temp.path().join("access.log"));
    fs::write(&log, "").unwrap();
    assert!(import_with_state(&url(&server), &state, &[text(&log)]).status.success());
    fs::write(&log, lines(0, 10)).unwrap();
    fs::rename(&log, temp.path().join("access.log.1")).unwrap();
    fs::write(&log, lines(10, 30)).unwrap();
    assert!(import_with_state(&url(&server), &state, &[text(&log)]).status.success());
    assert_each_once(server, temp.path(), 30);
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
    for (log, is_old) in [(&log, false), (&other, false), (&log, true)] {
        let output = import_with_state(&url(&server), &state, &[text(log)]);
        assert!(output.status.success());
        let says = String::from_utf8(output.stdout).unwrap();
        assert_eq!(says.contains("nothing new since the last import"), is_old, "{says}");
    }
    assert_eq!(entries(&server), 5_000);
    let mut file = OpenOptions::new().append(true).open(&log).unwrap();
    file.write_all(lines(5_000, 5_010).as_bytes()).unwrap();
    assert!(import_with_state(&url(&server), &state, &[text(&log)]).status.success());
    assert_each_once(server, temp.path(), 5_010);
}

#[test]
fn logs_04_an_import_without_a_position_says_how_far_back_the_server_remembers() {
    let temp = tempfile::tempdir().unwrap();
    let log = temp.path().join("access.log");
    let from_stdin = |server: &Server| {
        let output = program()
            .args(["import", "--customer", "acme", "--url", &url(server), "-"])
            .stdin(fs::File::open(&log).unwrap())
            .output()
            .unwrap();
        String::from_utf8(output.stderr).unwrap()
    };
    let server = Server::start(temp.path(), &["--dedup-keys", "1"]);
    for (from, says) in [(0, "remembers all that it counted"), (300, "remembers what it counted since 20")] {
        fs::write(&log, lines(from, from + 5_000)).unwrap();
        let told = from_stdin(&server);
        assert!(told.contains("no position is kept") && told.contains(says), "{told}");
    }
    // A file has a position.
    let output = import(&url(&server), &[text(&log)]);
    assert!(!String::from_utf8(output.stderr).unwrap().contains("no position"));
}

#[test]
fn a_slow_pipe_is_counted_while_it_goes_on() {
    let temp = tempfile::tempdir().unwrap();
    let server = Server::start(temp.path(), &[]);
    let mut child = program()
        .args(["import", "--customer", "acme", "--url", &url(&server), "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    let mut written = 0;
    for step in [1, 10, 1, 5_000, 3] {
        pipe.write_all(lines(written, written + step).as_bytes()).unwrap();
        written += step;
        eventually("what the pipe gave", || entries(&server) == written as u64);
    }
    // A line without end counts at the end.
    pipe.write_all(lines(written, written + 1).trim_end().as_bytes()).unwrap();
    drop(pipe);
    let output = child.wait_with_output().unwrap();
    let says = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && says.contains(&format!("{} counted", written + 1)), "{says}");
    assert_each_once(server, temp.path(), written + 1);
}

#[test]
fn one_log_of_several_customers_counts_each_line_once_for_its_own() {
    let temp = tempfile::tempdir().unwrap();
    let server = Server::start(temp.path(), &[]);
    let (state, log) = (temp.path().join("state"), temp.path().join("access.log"));
    let line = |number: usize| {
        let tenant = ["\"one\"", "\"Two:2\"", "\"no customer\"", "null"][number * number / 3 % 4];
        match number % 11 {
            5 => format!("no entry {number}\n"),
            _ => format!(
                "{{\"time\":\"2025-12-28T18:03:07Z\",\"method\":\"GET\",\"path\":\"/{number}\",\"status\":200,\"tenant\":{tenant}}}\n"
            ),
        }
    };
    let lines = |from: usize, to: usize| (from..to).map(line).collect::<String>();
    let args = ["--customer-from", "tenant", text(&log)];
    let mut written = 0;
    for to in [1, 2, 9, 70, 600, 5_000, 9_000] {
        let mut file = OpenOptions::new().create(true).append(true).open(&log).unwrap();
        file.write_all(lines(written, to).as_bytes()).unwrap();
        written = to;
        // With a position; then by one that knows nothing.
        assert!(import_with_state(&url(&server), &state, &args).status.success());
        let says = imported(&url(&server), &args);
        let skipped = (0..to).filter(|number| number % 11 == 5).count();
        assert!(
            says.contains(&format!(": 0 counted, {} counted before, {skipped} skipped", to - skipped)),
            "{says}"
        );
    }
    assert!(server.stop().success());
    let (mut all, mut requests) = (std::collections::BTreeSet::new(), 0);
    for customer in ["one", "Two:2", "acme"] {
        let folder = customer.replace(':', "%3A");
        let day = window(temp.path(), &folder, "20251228Z").unwrap();
        requests += day["requests"].as_u64().unwrap() as usize;
        for (path, count) in day["requestsByPath"].as_object().unwrap() {
            let number: usize = path.trim_start_matches("GET /").parse().unwrap();
            let want = ["one", "Two:2", "acme", "acme"][number * number / 3 % 4];
            assert_eq!((customer, count.as_u64()), (want, Some(1)), "{path}");
            all.insert(number);
        }
    }
    assert_eq!((all.len(), requests), ((0..9_000).filter(|number| number % 11 != 5).count(), all.len()));
}

#[test]
fn virtual_hosts_may_be_customers_under_the_columns_of_a_header() {
    let temp = tempfile::tempdir().unwrap();
    let server = Server::start(temp.path(), &[]);
    let log = temp.path().join("access.log");
    let mut w3c = "#Fields: date time cs-method cs-uri-stem sc-status cs-host\n".to_owned();
    for number in 0..5_000 {
        w3c.push_str(&format!("2025-12-28 19:03:07 GET /a 200 {}.example.com\n", ["a", "b"][number % 2]));
    }
    w3c.push_str(
        "#Fields: date time cs-uri-stem cs-method cs-host\n2025-12-28 19:03:07 /late GET b.example.com\n",
    );
    fs::write(&log, w3c).unwrap();
    for counted in [5_001, 0] {
        let says = imported(&url(&server), &["--customer-from", "host", text(&log)]);
        assert!(says.contains(&format!(": {counted} counted")), "{says}");
    }
    // No name of a field.
    assert_eq!(import(&url(&server), &["--customer-from", "a,b=c", text(&log)]).status.code(), Some(2));
    assert!(server.stop().success());
    let paths = |host: &str| window(temp.path(), host, "20251228Z").unwrap()["requestsByPath"].clone();
    assert_eq!(paths("a.example.com"), serde_json::json!({ "GET /a": 2_500 }));
    assert_eq!(paths("b.example.com"), serde_json::json!({ "GET /a": 2_500, "GET /late": 1 }));
    assert_eq!(window(temp.path(), "acme", "20251228Z"), None);
}

#[test]
fn logs_05_a_file_of_which_nothing_can_be_read_fails_and_shows_its_first_lines() {
    let temp = tempfile::tempdir().unwrap();
    let server = Server::start(temp.path(), &[]);
    let log = temp.path().join("access.log");
    let bad_time = r#"192.0.2.1 - - [28/Foo/2025:18:03:07 +0000] "GET / HTTP/1.1" 200 5"#;
    let cut =
        "http 2018-07-02T22:23:00.186641Z app/lb/5 192.0.2.1:2 10.0.0.1:80 0.000 0.001 0.000 200 200 34";
    for (line, reason, hint) in [
        (bad_time, "the time cannot be read", "nothing was counted; the first line is most like common"),
        (cut, "not a line of an access log", "nothing was counted; the first line is most like alb"),
    ] {
        fs::write(&log, format!("{line}\n").repeat(20)).unwrap();
        let output = import(&url(&server), &[text(&log)]);
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(told.contains(&format!("access.log:1: {reason}")) && told.contains(hint), "{told}");
        assert_eq!(told.matches(&line[..40]).count(), 3, "{told}");
    }
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

#[test]
fn a_last_line_that_is_being_written_is_left_until_it_is_whole() {
    let temp = tempfile::tempdir().unwrap();
    let server = Server::start(temp.path(), &[]);
    let (log, state) = (temp.path().join("access.log"), temp.path().join("state"));
    let whole = lines(0, 12);
    // A writer that flushes whenever its buffer is full stops in the middle of a line.
    fs::write(&log, &whole[..whole.len() - 10]).unwrap();
    let import = |state: &Path| {
        String::from_utf8(import_with_state(&url(&server), state, &[text(&log)]).stdout).unwrap()
    };
    let says = import(&state);
    assert!(
        says.contains("12 lines read") && says.contains("11 counted, 0 counted before, 1 skipped"),
        "{says}"
    );
    let says = import(&state);
    assert!(says.contains("0 lines read") && says.contains("0 counted before, 0 skipped"), "{says}");
    fs::write(&log, whole + &lines(12, 13)).unwrap();
    let says = import(&state);
    assert!(
        says.contains("2 lines read") && says.contains("2 counted, 0 counted before, 0 skipped"),
        "{says}"
    );
    // Nor does a new state directory make more of it, or less.
    let says = import(&temp.path().join("other"));
    assert!(says.contains("0 counted, 13 counted before, 0 skipped"), "{says}");
    assert_eq!(entries(&server), 13);
}
