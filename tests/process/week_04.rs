//! A week of running the server, row 4: the pieces in `deploy/` and what they need of the server.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::support::raw::{batch, post};
use crate::support::server::Server;
use crate::support::stored::{assert_verified, window};

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
