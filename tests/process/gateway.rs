//! The gateway that ships with the server: Debian's real nginx with `deploy/gateway/nginx.conf` before the real binary
//! on a Unix socket. Who has no key stays outside, nobody can pass for somebody else, what passes is counted once.
//!
//! Needs nginx (`apt-get install nginx-light`); fails with that advice where it is missing. The configuration is used
//! as it is but for paths, the listening address and TLS, which each must be there to be replaced.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::support::raw::{Answer, Client, End, batch, once};
use crate::support::server::program;
use crate::support::stored::{assert_verified, window};
use crate::support::wait::eventually;

pub(super) const TOKEN: &str = "replace-this-token-by-your-own";
pub(super) const ACME: &str = "00000000000000000000000000000000000000000000000000000000example1";
const GLOBEX: &str = "00000000000000000000000000000000000000000000000000000000example2";

/// A process that is killed when the test ends in any way.
pub(super) struct Process(pub(super) Child);

impl Process {
    pub(super) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).unwrap();
    }

    /// Sends a signal and waits for the end; whether it was a success.
    fn end(mut self, signal: Signal) -> bool {
        self.signal(signal);
        self.0.wait().unwrap().success()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Not SIGKILL, which would leave nginx's workers behind.
        let _ = kill_process(Pid::from_child(&self.0), Signal::TERM);
        drop(self.0.wait());
    }
}

/// The server and the gateway, in a directory of their own.
pub(super) struct Gateway {
    dir: tempfile::TempDir,
    pub(super) server: Option<Process>,
    pub(super) nginx: Option<Process>,
    pub(super) addr: SocketAddr,
    /// The server's port beside its socket.
    pub(super) port: SocketAddr,
}

impl Gateway {
    pub(super) fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("token"), TOKEN).unwrap();
        let nowhere = ([127, 0, 0, 1], 0).into();
        let mut gateway = Self { dir, server: None, nginx: None, addr: nowhere, port: nowhere };
        gateway.start_server();
        gateway.start_nginx();
        gateway
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn start_server(&mut self) {
        let mut child = program()
            .arg("serve")
            .arg(format!("--listen=unix:{},127.0.0.1:0", self.path("http.sock").display()))
            .arg("--data-dir")
            .arg(self.path("store"))
            .arg("--gateway-token-file")
            .arg(self.path("token"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.contains("is ready on unix:"), "{line}");
        self.port = line.trim().rsplit("http://").next().unwrap().parse().unwrap();
        self.server = Some(Process(child));
    }

    fn start_nginx(&mut self) {
        for _ in 0..5 {
            // nginx cannot choose a free port by itself. If another process takes the port first, try again.
            self.addr = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
            if self.start_nginx_there() {
                return;
            }
        }
        panic!("nginx does not start:\n{}", fs::read_to_string(self.path("nginx.log")).unwrap());
    }

    /// Starts nginx on `self.addr`; `false` where it ended at once.
    fn start_nginx_there(&mut self) -> bool {
        self.configure();
        let mut nginx = Process(
            Command::new(nginx())
                .arg("-p")
                .arg(self.dir.path())
                .args(["-c", "nginx.conf", "-e", "nginx.log", "-g", "daemon off;"])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap(),
        );
        let mut ended = false;
        eventually("nginx listens or has ended", || {
            ended = nginx.0.try_wait().unwrap().is_some();
            ended || TcpStream::connect(self.addr).is_ok()
        });
        if !ended {
            self.nginx = Some(nginx);
        }
        !ended
    }

    /// Writes the shipped configuration, changed only where this machine is not the one it is meant for.
    fn configure(&self) {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/gateway");
        for name in ["api-keys.map", "gateway-token.conf"] {
            fs::copy(shipped.join(name), self.path(name)).unwrap();
        }
        let mut conf = fs::read_to_string(shipped.join("nginx.conf")).unwrap();
        let here = |name: &str| self.path(name).display().to_string();
        let temp = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {};", here(&format!("{kind}-temp"))));
        for (from, to) in [
            (
                "user www-data;",
                if rustix::process::geteuid().is_root() { "user root;" } else { "" }.to_owned(),
            ),
            ("worker_processes auto;", "worker_processes 2;".to_owned()),
            ("worker_rlimit_nofile 16384;", String::new()),
            ("/run/nginx.pid", here("nginx.pid")),
            ("/var/log/nginx/error.log", here("nginx.log")),
            ("\nhttp {\n", format!("\nhttp {{\n{}\n", temp.join("\n"))),
            ("unix:/run/log-analytics/http.sock", format!("unix:{}", here("http.sock"))),
            ("listen 443 ssl http2;", format!("listen {};", self.addr)),
            ("listen [::]:443 ssl http2;", String::new()),
            ("ssl_certificate /etc/ssl/certs/logs.example.org.pem;", String::new()),
            ("ssl_certificate_key /etc/ssl/private/logs.example.org.key;", String::new()),
        ] {
            // The first is what is configured; the comment above it may name it as well.
            let found = conf
                .lines()
                .filter(|line| !line.trim_start().starts_with('#'))
                .collect::<Vec<_>>()
                .join("\n");
            assert_eq!(found.matches(from).count(), 1, "{from:?} is not in nginx.conf exactly once");
            conf = found.replacen(from, &to, 1);
        }
        fs::write(self.path("nginx.conf"), conf).unwrap();
    }

    /// Stops both and returns what was counted for a customer on the day of the test's entries.
    pub(super) fn stop_and_count(&mut self, customers: &[&str]) -> Vec<u64> {
        assert!(self.nginx.take().unwrap().end(Signal::QUIT));
        assert!(self.server.take().unwrap().end(Signal::TERM));
        assert_verified(self.dir.path());
        let day = |customer: &&str| window(self.dir.path(), customer, "20251228Z");
        customers
            .iter()
            .map(|customer| day(customer).map_or(0, |day| day["requests"].as_u64().unwrap()))
            .collect()
    }
}

fn nginx() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut dirs: Vec<_> = std::env::split_paths(&path).collect();
    dirs.push("/usr/sbin".into());
    let found = dirs.into_iter().map(|dir| dir.join("nginx")).find(|file| file.exists());
    found.unwrap_or_else(|| {
        panic!("this test drives the real gateway and needs nginx: apt-get install nginx-light")
    })
}

/// A batch for `/logs` with these header lines, each with its line end.
pub(super) fn post(headers: &str, body: &str) -> String {
    format!(
        "POST /logs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{headers}\r\n{body}",
        body.len()
    )
}

pub(super) fn key(key: &str) -> String {
    format!("X-Api-Key: {key}\r\n")
}

fn json(answer: &Answer) -> serde_json::Value {
    serde_json::from_slice(&answer.body).unwrap_or_else(|_| panic!("not JSON: {answer:?}"))
}

#[test]
#[ignore = "needs nginx: .ci/tools installs it"]
fn only_keys_get_in_and_nobody_passes_for_somebody_else() {
    let mut gateway = Gateway::start();
    let addr = gateway.addr;
    let body = batch(1);

    for headers in [
        String::new(),
        key("wrong"),
        key(""),
        key(&ACME[1..]),
        "X-Customer-Id: acme\r\n".to_owned(),
        format!("X-Customer-Id: acme\r\nAuthorization: Bearer {TOKEN}\r\n"),
        format!("X-Customer-Id: acme\r\n{}", key("acme")),
    ] {
        let answer = once(addr, post(&headers, &body)).unwrap();
        assert_eq!(answer.status, 401, "{headers:?}");
        assert_eq!(json(&answer)["errorCode"], "HTTP_401");
        assert_eq!(answer.header("content-type"), Some("application/json"));
    }

    // With acme's key every one of these is acme's.
    let forged = [
        "",
        "X-Customer-Id: globex\r\n",
        "x-customer-id: globex\r\nX-CUSTOMER-ID: initech\r\n",
        "X_Customer_Id: globex\r\n",
        "X-Customer-Id: globex\r\nConnection: x-customer-id\r\n",
        "Authorization: Bearer something-else-altogether\r\n",
    ];
    for headers in forged {
        let answer = once(addr, post(&format!("{headers}{}", key(ACME)), &body)).unwrap();
        assert_eq!(answer.status, 202, "{headers:?}: {}", json(&answer));
    }
    assert_eq!(once(addr, post(&key(GLOBEX), &batch(3))).unwrap().status, 202);

    let twice = post(&format!("Authorization: a\r\nAuthorization: b\r\n{}", key(ACME)), &body);
    assert_eq!(once(addr, twice).unwrap().status, 400);

    // Without the gateway, a client needs the token.
    let mut direct = UnixStream::connect(gateway.path("http.sock")).unwrap();
    direct.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    direct.write_all(post("X-Customer-Id: acme\r\n", &body).as_bytes()).unwrap();
    let mut line = String::new();
    BufReader::new(direct).read_line(&mut line).unwrap();
    assert!(line.starts_with("HTTP/1.1 401 "), "{line}");

    assert_eq!(gateway.stop_and_count(&["acme", "globex", "initech"]), [forged.len() as u64, 3, 0]);
}

#[test]
#[ignore = "needs nginx: .ci/tools installs it"]
fn the_dashboard_comes_without_a_key_and_its_answers_with_one() {
    let gateway = Gateway::start();
    let get = |target: &str, headers: &str| {
        once(gateway.addr, format!("GET {target} HTTP/1.1\r\nHost: test\r\n{headers}\r\n")).unwrap()
    };
    let page = get("/", "");
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(
        page.header("content-security-policy")
            .unwrap()
            .starts_with("default-src 'none'; script-src 'sha256-")
    );
    assert_eq!(get("/openapi.json", "").status, 200);
    assert_eq!(once(gateway.addr, post(&key(ACME), &batch(1))).unwrap().status, 202);
    let range = "from=1970-01-01T00:00:00Z&to=2030-01-01T00:00:00Z";
    for target in [format!("/aggregates?{range}"), format!("/aggregates/top?dimension=path&{range}")] {
        assert_eq!(get(&target, "").status, 401);
        // What the page sends: the key both ways, and a customer whom the gateway does not believe.
        let headers = format!("{}authorization: Bearer {ACME}\r\nx-customer-id: globex\r\n", key(ACME));
        let answer = get(&target, &headers);
        assert_eq!(
            (answer.status, &json(&answer)["customerId"]),
            (200, &serde_json::json!("acme")),
            "{target}"
        );
    }
    for target in ["/customers", "/metrics", "/readyz"] {
        assert_eq!(get(target, &key(ACME)).status, 404, "{target}");
    }
}

#[test]
#[ignore = "needs nginx: .ci/tools installs it"]
fn bodies_of_every_kind_pass_and_answers_come_back_in_the_servers_words() {
    let mut gateway = Gateway::start();
    let mut client = Client::connect(gateway.addr);
    let mut ask = |bytes: String| {
        client.send(bytes);
        client.answer(false).unwrap()
    };
    let acme = key(ACME);
    let body = batch(2);

    let answer = ask(post(&format!("{acme}Idempotency-Key: k\r\nX-Request-Id: mine\r\n"), &body));
    assert_eq!((answer.status, answer.header("x-request-id")), (202, Some("mine")));
    assert_eq!(json(&answer)["entries"], 2);
    let answer = ask(post(&format!("{acme}Idempotency-Key: k\r\n"), &body));
    assert_eq!((answer.status, json(&answer)["errorCode"].as_str()), (409, Some("ING_1001")));
    assert_eq!(answer.header("idempotent-replayed"), Some("true"));
    let answer = ask(post(&acme, "[]"));
    assert_eq!((answer.status, json(&answer)["errorCode"].as_str()), (400, Some("ING_1000")));
    let chunked = format!(
        "POST /logs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{acme}Transfer-Encoding: chunked\r\n\r\n\
         {:x}\r\n{body}\r\n0\r\n\r\n",
        body.len()
    );
    assert_eq!(ask(chunked).status, 202);
    let large = batch(20_000);
    assert!(large.len() > 1_700_000);
    assert_eq!(ask(post(&acme, &large)).status, 202);
    assert_eq!(ask("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n".to_owned()).status, 200);
    let day = "from=2025-12-28T00:00:00Z&to=2025-12-29T00:00:00Z";
    for open in [format!("/aggregates?{day}"), format!("/aggregates/top?dimension=path&n=3&{day}")] {
        let answer = ask(format!("GET {open} HTTP/1.1\r\nHost: x\r\n{acme}\r\n"));
        assert_eq!(answer.status, 200, "{open}: {}", json(&answer));
    }
    for inside in ["/metrics", "/readyz", "/customers", "/anything"] {
        let answer = ask(format!("GET {inside} HTTP/1.1\r\nHost: x\r\n{acme}\r\n"));
        assert_eq!((answer.status, json(&answer)["errorCode"].as_str()), (404, Some("HTTP_404")), "{inside}");
    }
    let too_large = post(&acme, &" ".repeat(2 * 1024 * 1024 + 1));
    let answer = once(gateway.addr, too_large).unwrap();
    assert_eq!((answer.status, json(&answer)["errorCode"].as_str()), (413, Some("HTTP_413")));

    assert_eq!(gateway.stop_and_count(&["acme"]), [20_004]);
}

#[test]
#[ignore = "needs nginx: .ci/tools installs it"]
fn week_08_what_nginx_refuses_itself_is_json_with_the_right_code() {
    let gateway = Gateway::start();
    let get = |line: &str, headers: &str| format!("{line}\r\nHost: x\r\n{headers}\r\n");
    let post = |headers: &str| format!("POST /logs HTTP/1.1\r\nHost: x\r\n{}{headers}\r\n\r\n", key(ACME));
    let long = "a".repeat(9_000);
    let bad = (400, "ING_1000");
    for (request, expected) in [
        (get("get / HTTP/1.1", ""), bad),
        (get(" GET / HTTP/1.1", ""), bad),
        (get("G\0T / HTTP/1.1", ""), bad),
        (get("GET /a\0b HTTP/1.1", ""), bad),
        (get("GET /a b HTTP/1.1", ""), bad),
        (get("GET http://a:80x/ HTTP/1.1", ""), bad),
        ("\x16\x03\x01\x02\0\x01\0\x01\r\n\r\n".to_owned(), bad),
        ("junk\r\n\r\n".to_owned(), bad),
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), bad),
        ("GET / HTTP/1.1\r\nHost: a:8x\r\n\r\n".to_owned(), bad),
        (get("GET / HTTP/1.1", "X A: b\r\n"), bad),
        (post("Transfer-Encoding: chunked\r\nContent-Length: 3"), bad),
        (get("TRACE / HTTP/1.1", ""), (405, "HTTP_405")),
        (get("PUT / HTTP/1.1", ""), (405, "HTTP_405")),
        (get("BREW / HTTP/1.1", ""), (501, "HTTP_501")),
        (get(&format!("GET /{long} HTTP/1.1"), ""), (414, "HTTP_414")),
        (get("GET / HTTP/1.1", &format!("X-A: {long}\r\n")), (431, "HTTP_431")),
        (post("Transfer-Encoding: gzip"), (501, "HTTP_501")),
        (get("GET / HTTP/2.0", ""), (505, "HTTP_505")),
        (get("GET / HTTP/3.0", ""), (505, "HTTP_505")),
        (get("GET /errors/malformed HTTP/1.1", ""), (404, "HTTP_404")),
    ] {
        let answer = once(gateway.addr, &request).unwrap();
        let shown: String = request.chars().take(60).collect();
        assert_eq!(answer.header("content-type"), Some("application/json"), "{shown:?}: {answer:?}");
        let body = json(&answer);
        assert_eq!((answer.status, body["errorCode"].as_str()), (expected.0, Some(expected.1)), "{shown:?}");
        assert!(body["requestId"].as_str().is_some_and(|id| !id.is_empty()), "{shown:?}: {body}");
        assert_eq!(answer.header("allow").is_some(), answer.status == 405, "{shown:?}");
    }
    let log = fs::read_to_string(gateway.path("nginx.log")).unwrap();
    assert!(!log.contains("[error]") && !log.contains("[crit]") && !log.contains("[alert]"), "{log}");
}

#[test]
#[ignore = "needs nginx: .ci/tools installs it"]
fn a_customer_who_asks_too_much_is_told_and_the_others_are_served() {
    let mut gateway = Gateway::start();
    // More requests at once than the burst allows; the server refuses each of them cheaply.
    let request = post(&key(ACME), "");
    let mut client = Client::connect(gateway.addr);
    let mut statuses = Vec::new();
    for _ in 0..60 {
        client.send(request.repeat(50));
        statuses.extend((0..50).map(|_| client.answer(false).unwrap().status));
        if statuses.contains(&429) {
            break;
        }
    }
    assert!(statuses.contains(&400) && statuses.contains(&429));
    assert!(statuses.iter().all(|status| [400, 429].contains(status)), "{statuses:?}");
    assert_eq!(once(gateway.addr, post(&key(GLOBEX), &batch(1))).unwrap().status, 202);
    assert_eq!(gateway.stop_and_count(&["globex"]), [1]);
}

/// Sends a batch until it is answered; how often that took more than one try.
fn send_until_answered(addr: SocketAddr, number: u64) -> u64 {
    let request = post(&format!("{}Idempotency-Key: batch-{number}\r\n", key(ACME)), &batch(1));
    for tries in 0..1_000_u64 {
        let answer = TcpStream::connect(addr).ok().map(Client::new).map_or(Err(End::Closed), |mut client| {
            client.send(&request);
            client.answer(false)
        });
        match answer.map(|answer| answer.status) {
            Ok(202 | 409) => return tries,
            Ok(503) | Err(_) => std::thread::sleep(Duration::from_millis(10)),
            Ok(status) => panic!("batch {number} was answered {status}"),
        }
    }
    panic!("batch {number} was not answered");
}

#[test]
#[ignore = "needs nginx: .ci/tools installs it"]
fn restarts_of_gateway_and_server_lose_and_double_nothing() {
    let mut gateway = Gateway::start();
    let addr = gateway.addr;
    let over = Arc::new(AtomicBool::new(false));
    let sent = Arc::new(AtomicU64::new(0));
    let (over_too, sent_too) = (Arc::clone(&over), Arc::clone(&sent));
    let send = move || {
        let mut retries = 0;
        while !over_too.load(Ordering::SeqCst) {
            retries += send_until_answered(addr, sent_too.fetch_add(1, Ordering::SeqCst));
        }
        retries
    };
    let sender = std::thread::Builder::new().spawn(send).unwrap();
    for round in 1..=6 {
        eventually("more batches were answered", || sent.load(Ordering::SeqCst) > round * 30);
        if round % 3 == 0 {
            assert!(gateway.server.take().unwrap().end(Signal::TERM));
            gateway.start_server();
        } else {
            // Not a clean stop: connections break in the middle of batches.
            assert!(gateway.nginx.take().unwrap().end(Signal::TERM));
            assert!(gateway.start_nginx_there(), "nginx starts where it was");
        }
    }
    over.store(true, Ordering::SeqCst);
    let retries = sender.join().unwrap();
    assert!(retries > 0, "the restarts were not noticed");
    let sent = sent.load(Ordering::SeqCst);
    assert_eq!(gateway.stop_and_count(&["acme"]), [sent]);
}
