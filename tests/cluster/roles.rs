//! The roles of a cluster as processes without engines: which settings they refuse, what they do with few descriptors, and how
//! they end.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::client::Client;
use crate::support::server::program;

/// The settings that each role requires, naming addresses at which nothing listens.
const ROLES: [(&str, &[&str]); 4] = [
    ("ingest", &["--listen", "127.0.0.1:0", "--s3", "http://127.0.0.1:1/bucket", "--kafka", "127.0.0.1:1"]),
    (
        "summarize-worker",
        // A Kafka client that finds no broker gives up after its timeout, which a clean stop waits for.
        &[
            "--listen",
            "127.0.0.1:0",
            "--s3",
            "http://127.0.0.1:1/bucket",
            "--kafka",
            "127.0.0.1:1",
            "--tune",
            "kafka_timeout=2s",
        ],
    ),
    (
        "query",
        &[
            "--listen",
            "127.0.0.1:0",
            "--clickhouse",
            "http://127.0.0.1:1",
            "--s3",
            "http://127.0.0.1:1/bucket",
        ],
    ),
    (
        "reconcile",
        &[
            "--s3",
            "http://127.0.0.1:1/bucket",
            "--kafka",
            "127.0.0.1:1",
            "--clickhouse",
            "http://127.0.0.1:1",
        ],
    ),
];

/// A secret of sixteen bytes.
const SECRET_FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/formats/v2/store/secret");

fn with_keys(mut command: Command) -> Command {
    command.env("AWS_ACCESS_KEY_ID", "key").env("AWS_SECRET_ACCESS_KEY", "secret");
    command.env("LOG_ANALYTICS_SECRET_FILE", SECRET_FILE);
    command
}

/// A role, killed when this is dropped.
struct Running {
    child: Child,
    addr: SocketAddr,
}

impl Running {
    /// Starts a role with this limit of open files, and waits until it answers.
    fn start(role: &str, flags: &[&str], descriptors: u32, log: &Path) -> Running {
        let program = program();
        let mut shell = with_keys(Command::new("sh"));
        shell.args(["-c", "ulimit -n $0 && exec \"$@\"", &descriptors.to_string()]);
        shell.arg(program.get_program()).arg(role).args(flags);
        for (name, _) in program.get_envs() {
            shell.env_remove(name);
        }
        shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(File::create(log).unwrap());
        let mut child = shell.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let addr = line.trim().strip_prefix(&format!("log-analytics {role} is ready on http://"));
        let addr = addr.unwrap_or_else(|| panic!("{role}: {}", fs::read_to_string(log).unwrap()));
        Running { addr: addr.parse().unwrap(), child }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn few_descriptors_leave_enough_for_what_is_behind_each_role() {
    let temp = tempfile::tempdir().unwrap();
    // Half of 64 are kept, and 8 for clients that are turned away; each request to the ingest takes another one.
    for ((role, flags), left) in ROLES.iter().zip([12, 24, 24]) {
        let log = temp.path().join(role);
        let mut running = Running::start(role, flags, 64, &log);
        let said = fs::read_to_string(&log).unwrap();
        assert!(said.contains(&format!("--max-connections is cut from 512 to {left}")), "{role}: {said}");
        // It is alive but not ready.
        let get = |path: &str| Client::new(running.addr).get(path, &[]).unwrap().status;
        assert_eq!(["/healthz", "/readyz", "/metrics"].map(get), [200, 503, 200], "{role}");
        kill_process(Pid::from_child(&running.child), Signal::TERM).unwrap();
        let ended = running.child.wait().unwrap();
        assert!(ended.success(), "{role}: {ended}, {}", fs::read_to_string(&log).unwrap());
    }
}

#[test]
fn bad_settings_and_their_files_are_wrong_usage_of_every_role() {
    let temp = tempfile::tempdir().unwrap();
    let (empty, none) = (temp.path().join("empty"), temp.path().join("none"));
    fs::write(&empty, "\n").unwrap();
    let (empty, none) = (empty.to_str().unwrap(), none.to_str().unwrap());
    let mut seen = 0;
    for (role, flags) in ROLES {
        let has = |flag: &str| flags.contains(&flag);
        let has_secret = role != "reconcile";
        for (flag, value, says, applies) in [
            ("--gateway-token-file", none, "No such file", has("--listen")),
            ("--gateway-token-file", empty, "no token in it", has("--listen")),
            ("--operator-token-file", none, "No such file", has("--listen")),
            ("--max-connections", "0", "between 1 and 65536", has("--listen")),
            ("--s3-credentials-file", none, "No such file", has("--s3")),
            ("--secret-file", none, "No such file", has_secret),
            ("--secret-file", empty, "exactly 16 bytes", has_secret),
            ("--customers", none, "No such file", ["ingest", "query"].contains(&role)),
            ("--kafka-options-file", none, "No such file", has("--kafka")),
            ("--clickhouse-credentials-file", none, "No such file", has("--clickhouse")),
            ("--worker-id", "", "a value is required", role == "summarize-worker"),
            ("--kafka-max-record-bytes", "8", "8MiB", has("--kafka")),
        ] {
            if !applies {
                continue;
            }
            let output = with_keys(program()).arg(role).args(flags).args([flag, value]).output().unwrap();
            let told = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(2), "{role} {flag} {value}: {told}");
            assert!(told.contains(flag) && told.contains(says), "{role} {flag} {value}: {told}");
            assert!(output.stdout.is_empty(), "{role} {flag} {value}");
            seen += 1;
        }
    }
    assert_eq!(seen, 3 * 4 + 4 + 3 * 2 + 3 + 2 + 1 + 3 + 2);
}
