//! A week of running the server, row 4: the pieces in `deploy/` and what they need of the server.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::gateway::{self, Gateway, Process, TOKEN};
use crate::support::client::Client;
use crate::support::raw::{batch, once, post};
use crate::support::server::Server;
use crate::support::stored::{assert_verified, window};
use crate::support::wait::eventually;

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(path)).unwrap()
}

#[test]
fn week_04_metrics_are_scraped_beside_the_unix_socket_of_the_gateway() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("http.sock");
    let listen = format!("unix:{}", socket.display());
    let server = Server::start(dir.path(), &["--listen", "127.0.0.1:0", "--listen", &listen]);
    let mut gateway = UnixStream::connect(&socket).unwrap();
    gateway.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    gateway.write_all(post("Connection: close\r\n", &batch(3)).as_bytes()).unwrap();
    let mut answer = String::new();
    gateway.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
    assert_eq!(server.metric("log_analytics_ingestion_entries_total"), 3.0);
    assert!(server.stop().success());
    assert!(!socket.exists());
    assert_eq!(window(dir.path(), "c", "20251228Z").unwrap()["requests"], 3);
    assert_verified(dir.path());
}

/// The values of a key in a unit.
fn values<'u>(unit: &'u str, key: &str) -> Vec<&'u str> {
    unit.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('=')).collect()
}

#[test]
fn week_04_the_pieces_name_the_same_socket_port_group_and_job() {
    let (unit, users, nginx) = (
        read("systemd/log-analytics.service"),
        read("systemd/log-analytics.sysusers"),
        read("gateway/nginx.conf"),
    );
    let variable = |name: &str| {
        let set = values(&unit, "Environment").into_iter().filter_map(|value| value.split_once('='));
        set.filter(|(known, _)| *known == name).map(|(_, value)| value.to_owned()).next().unwrap()
    };
    let listen = variable("LOG_ANALYTICS_LISTEN");
    let (socket, port) = listen.split_once(',').unwrap();
    // The unit makes the directories that its settings name.
    let runtime = format!("unix:/run/{}/", values(&unit, "RuntimeDirectory")[0]);
    assert!(socket.starts_with(&runtime), "{socket} is not in {runtime}");
    let state = format!("/var/lib/{}", values(&unit, "StateDirectory")[0]);
    assert_eq!(variable("LOG_ANALYTICS_DATA_DIR"), state);
    // nginx's user is in the group of the socket, and may enter its directory.
    assert!(nginx.contains(&format!("server {socket} ")), "nginx.conf does not speak to {socket}");
    let user = nginx.lines().find_map(|line| line.strip_prefix("user ")?.strip_suffix(';')).unwrap();
    let group = values(&unit, "Group")[0];
    assert!(users.lines().any(|line| line == format!("m {user} {group}")), "{users}");
    assert!(
        users.lines().any(|line| line.starts_with(&format!("u {} ", values(&unit, "User")[0]))),
        "{users}"
    );
    assert_eq!(values(&unit, "RuntimeDirectoryMode"), ["0750"]);
    // Prometheus scrapes the port, under the job's name that the alerts go by.
    let prometheus = read("prometheus/prometheus.yml");
    assert!(prometheus.contains(&format!("targets: [\"{port}\"]")), "{prometheus}");
    assert!(prometheus.contains("rule_files: [alerts.yml]"), "{prometheus}");
    let job = prometheus.lines().find_map(|line| line.trim().strip_prefix("- job_name: ")).unwrap();
    let alerts = read("prometheus/alerts.yml");
    let jobs: Vec<&str> = alerts.split("job=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert!(!jobs.is_empty() && jobs.iter().all(|named| *named == job), "{jobs:?}");
}

#[test]
#[ignore = "needs systemd-analyze: .ci/tools installs it"]
fn week_04_systemd_finds_nothing_wrong_with_the_units() {
    let dir = tempfile::tempdir().unwrap();
    for unit in ["systemd/log-analytics.service", "shippers/log-analytics-import.service"] {
        // The binary is not installed here.
        let text = read(unit).replace("/usr/local/bin/log-analytics", env!("CARGO_BIN_EXE_log-analytics"));
        let file = dir.path().join(Path::new(unit).file_name().unwrap());
        fs::write(&file, text).unwrap();
        let told = Command::new("systemd-analyze").arg("verify").arg(&file).output().unwrap();
        assert!(told.status.success(), "{unit}: {}", String::from_utf8_lossy(&told.stderr));
    }
}

/// Prometheus with the shipped files, scraping this address.
struct Prometheus {
    _process: Process,
    addr: SocketAddr,
    client: Client,
}

impl Prometheus {
    fn start(dir: &Path, target: SocketAddr) -> Self {
        let config = read("prometheus/prometheus.yml").replace("127.0.0.1:8080", &target.to_string());
        assert!(config.contains(&target.to_string()));
        let config = config.replace("_interval: 15s", "_interval: 1s");
        fs::write(dir.join("prometheus.yml"), config).unwrap();
        fs::write(dir.join("alerts.yml"), read("prometheus/alerts.yml")).unwrap();
        let addr = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", dir.join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", dir.join("tsdb").display()))
            .arg(format!("--web.listen-address={addr}"))
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("this test needs Prometheus: .ci/tools installs it");
        Self { _process: Process(child), addr, client: Client::new(addr) }
    }

    /// The rules that it has loaded. By HTTP/1.0, so that the answer does not come in chunks.
    fn rules(&self) -> String {
        let mut stream = TcpStream::connect(self.addr).unwrap();
        stream.write_all(b"GET /api/v1/rules HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// The value of a query with one result.
    fn value(&mut self, query: &str) -> Option<String> {
        let answer = self.client.get(&format!("/api/v1/query?query={query}"), &[]).ok()?;
        let answer: Value = serde_json::from_slice(&answer.body).ok()?;
        Some(answer["data"]["result"][0]["value"][1].as_str()?.to_owned())
    }
}

#[test]
#[ignore = "needs nginx and prometheus: .ci/tools installs them"]
fn week_04_gateway_server_and_prometheus_work_together_and_tokens_are_rotated_without_a_gap() {
    let mut gateway = Gateway::start();
    let mut prometheus = Prometheus::start(&gateway.path(""), gateway.port);
    let mut sent = 0;
    let mut send = |gateway: &Gateway| {
        let answer = once(gateway.addr, gateway::post(&gateway::key(gateway::ACME), &batch(3))).unwrap();
        assert_eq!(answer.status, 202);
        sent += 3;
    };
    send(&gateway);
    // The token is rotated as deploy/systemd/README.md says.
    let (token, new) = (gateway.path("token"), "another-token-of-the-gateway");
    let server = gateway.server.as_ref().unwrap();
    fs::write(&token, format!("{TOKEN}\n{new}\n")).unwrap();
    server.signal(Signal::HUP);
    send(&gateway);
    let conf = gateway.path("gateway-token.conf");
    fs::write(&conf, fs::read_to_string(&conf).unwrap().replace(TOKEN, new)).unwrap();
    gateway.nginx.as_ref().unwrap().signal(Signal::HUP);
    send(&gateway);
    eventually("nginx sends the new token alone", || {
        fs::write(&token, format!("{new}\n")).unwrap();
        server.signal(Signal::HUP);
        std::thread::sleep(Duration::from_millis(200));
        let answer = once(gateway.addr, gateway::post(&gateway::key(gateway::ACME), &batch(1))).unwrap();
        sent += u64::from(answer.status == 202);
        answer.status == 202
    });
    eventually("Prometheus scrapes the server", || {
        prometheus.value("up{job=\"log-analytics\"}").as_deref() == Some("1")
            && prometheus.value("log_analytics_ingestion_entries_total") == Some(sent.to_string())
    });
    let rules = prometheus.rules();
    assert!(rules.contains("LogAnalyticsCustomerSilent") && !rules.contains("\"health\":\"err\""), "{rules}");
    assert_eq!(gateway.stop_and_count(&["acme"]), [sent]);
}
