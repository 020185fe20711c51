//! What hostile clients send: every row of the table against the real server, and a crowd that stays.

use crate::support::hostile::{Cut, run};
use crate::support::proc::status;
use crate::support::raw::{Client, batch, once, post};
use crate::support::server::Server;
use crate::support::stored::{assert_verified, window};
use crate::support::wait::eventually;

#[test]
fn the_real_server_answers_every_row_counts_exactly_and_is_as_before() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &[]);
    let accepted = run(server.addr, Cut::Whole) + run(server.addr, Cut::Bytes);

    // A crowd that stays: half of what it takes to reach the cap again and again, then honest clients.
    let idle: Vec<_> = (0..1_000)
        .map(|number| {
            let mut client = Client::connect(server.addr);
            match number % 3 {
                0 => assert!(client.is_alive()),
                1 => assert!(client.send("POST /logs HTTP/1.1\r\nHost:")),
                _ => {}
            }
            client
        })
        .collect();
    for _ in 0..100 {
        assert_eq!(once(server.addr, post("", &batch(1))).unwrap().status, 202);
    }
    let resident_kib = status(server.pid(), "VmRSS");
    assert!(resident_kib < 200 * 1024, "{resident_kib} KiB resident");
    drop(idle);
    // Connection threads without a connection stay for some seconds.
    eventually("threads are back to normal", || status(server.pid(), "Threads") < 40);
    eventually("only the connection that asks is open", || {
        server.metric("log_analytics_http_connections") == 1.0
    });

    let expected = accepted + 100;
    assert!(server.stop().success());
    let window = window(dir.path(), "c", "20251228Z").unwrap();
    assert_eq!(window["requests"], expected);
    assert_verified(dir.path());
}
