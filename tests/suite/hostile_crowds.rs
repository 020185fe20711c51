//! Crowds, floods, resets, and resources that run out: the server goes on serving honest clients and is as it was
//! before when it is over.

use std::io::Read;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use log_analytics::base::inflight::{Charge, STEP_BYTES};
use log_analytics::http::server::FrontLimits;

use crate::support::child::{Server, be_the_server};
use crate::support::front::{
    MAX_BODY_BYTES, MAX_INFLIGHT_BYTES, guarded, ms, patient, refused_in_good_order,
};
use crate::support::raw::{Client, End, batch, once, post, post_start};
use crate::support::wait::eventually;

const GET: &str = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
const GATE: &str = "GET /gate HTTP/1.1\r\nHost: x\r\n\r\n";

#[test]
fn bytes_in_flight_are_bounded_and_given_back() {
    let front = guarded(patient());
    let body = " ".repeat(MAX_BODY_BYTES - 1);
    let fitting = MAX_INFLIGHT_BYTES / MAX_BODY_BYTES;
    // All but the last byte of as many bodies as fit, so that all of them are held.
    let clients: Vec<_> = (0..fitting)
        .map(|_| {
            let mut client = Client::connect(front.addr());
            client.send(format!("{}Content-Length: {MAX_BODY_BYTES}\r\n\r\n{body}", post_start()));
            client
        })
        .collect();
    eventually("all bodies are held", || front.handler.budget.used_bytes() == MAX_INFLIGHT_BYTES);
    for mut client in clients {
        client.send(" ");
        assert_eq!(client.answer(false).unwrap().status, 400);
    }
    eventually("all is given back", || front.handler.budget.used_bytes() == 0);
    // Batches that are being worked on give way to nobody.
    let mut worked_on = Charge::new(&front.handler.budget);
    worked_on.grow_to(MAX_INFLIGHT_BYTES).unwrap();
    let refused = once(front.addr(), post("", &batch(1))).unwrap();
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
    // A client that asks before it sends is not told to go on.
    for framing in ["Content-Length: 100", "Transfer-Encoding: chunked"] {
        let asks = format!("{}{framing}\r\nExpect: 100-continue\r\n\r\n", post_start());
        assert_eq!(once(front.addr(), asks).unwrap().status, 503);
    }
    assert!(Client::connect(front.addr()).is_alive());
    drop(worked_on);
    assert_eq!(once(front.addr(), post("", &batch(1))).unwrap().status, 202);
    front.stop();
}

#[test]
fn uploads_that_stand_still_give_way_and_those_that_move_do_not() {
    let front = guarded(patient());
    let fitting = MAX_INFLIGHT_BYTES / MAX_BODY_BYTES;
    let begin = || {
        let mut client = Client::connect(front.addr());
        let body = " ".repeat(MAX_BODY_BYTES - 1_000);
        client.send(format!("{}Content-Length: {MAX_BODY_BYTES}\r\n\r\n{body}", post_start()));
        client
    };
    let mut moving = begin();
    let mut still: Vec<_> = (1..fitting).map(|_| begin()).collect();
    eventually("all bodies are held", || front.handler.budget.used_bytes() == MAX_INFLIGHT_BYTES);
    for _ in 0..fitting {
        moving.send(" ");
        // A body of one step needs one of them to end, and uses a part of what that gives back.
        assert_eq!(once(front.addr(), post("", &batch(1))).unwrap().status, 202);
        assert_eq!(once(front.addr(), post("", &batch(20_000))).unwrap().status, 202);
    }
    moving.send(" ".repeat(1_000 - fitting));
    assert_eq!(moving.answer(false).unwrap().status, 400, "it was read to its end");
    let mut gave_way = 0;
    for client in &mut still {
        client.stream.set_nonblocking(true).unwrap();
        gave_way += usize::from(client.answer(false).is_ok_and(|answer| answer.status == 503));
    }
    assert!((1..=2).contains(&gave_way), "{gave_way} gave way to one batch at a time");
    drop(still);
    front.stop();
}

#[test]
fn bytes_are_charged_as_they_arrive_not_as_they_are_announced() {
    let front = guarded(patient());
    let mut client = Client::connect(front.addr());
    client.send(format!("{}Content-Length: {MAX_BODY_BYTES}\r\n\r\n   ", post_start()));
    eventually("one step is charged", || front.handler.budget.used_bytes() == STEP_BYTES);
    drop(client);
    eventually("it is given back", || front.handler.budget.used_bytes() == 0);
    front.stop();
}

/// Closes with a reset instead of in good order.
fn reset(client: Client) {
    rustix::net::sockopt::set_socket_linger(&client.stream, Some(Duration::ZERO)).unwrap();
}

#[test]
fn resets_at_any_moment_leave_nothing_behind() {
    let front = guarded(FrontLimits::default());
    let whole = post("", &batch(100));
    for cut in (0..whole.len()).step_by(whole.len() / 150) {
        let mut client = Client::connect(front.addr());
        client.send(&whole[..cut]);
        reset(client);
        let mut client = Client::connect(front.addr());
        client.send(format!("{GET}{}", &whole[..cut]));
        assert_eq!(client.answer(false).unwrap().status, 200);
        reset(client);
    }
    eventually("no connection is open", || front.stats.open.load(Ordering::SeqCst) == 0);
    assert_eq!(front.entries(), 0);
    assert_eq!(once(front.addr(), &whole).unwrap().status, 202);
    front.stop();
}

#[test]
fn a_burst_of_two_hundred_connections_is_answered_and_all_stay_open() {
    let front = guarded(FrontLimits { thread_idle_timeout: ms(100), ..FrontLimits::default() });
    let mut clients: Vec<_> = (0..200).map(|_| Client::connect(front.addr())).collect();
    for _ in 0..3 {
        for client in &mut clients {
            client.send(GET);
        }
        for client in &mut clients {
            assert_eq!(client.answer(false).unwrap().status, 200);
        }
    }
    assert_eq!(front.stats.open.load(Ordering::SeqCst), 200);
    drop(clients);
    eventually("threads are back to none", || front.stats.threads.load(Ordering::SeqCst) == 0);
    assert_eq!(front.stats.evicted_total.load(Ordering::SeqCst), 0);
    front.stop();
}

#[test]
fn at_the_cap_whoever_has_waited_longest_makes_room() {
    let front = guarded(FrontLimits { max_connections: 4, ..patient() });
    let mut clients: Vec<_> = (0..4)
        .map(|_| {
            let mut client = Client::connect(front.addr());
            assert!(client.is_alive());
            // Waiting is measured in milliseconds.
            std::thread::sleep(ms(3));
            client
        })
        .collect();
    // The first one has been served again, so the second has waited longest; then a half head does not help the third.
    assert!(clients[0].is_alive());
    clients[2].send("GET /hea");
    let mut newcomer = Client::connect(front.addr());
    assert!(newcomer.is_alive());
    assert_eq!(clients[1].end(), End::Closed);
    let mut second = Client::connect(front.addr());
    assert!(second.is_alive());
    assert_eq!(clients[2].end(), End::Closed);
    for alive in [&mut newcomer, &mut second] {
        assert!(alive.is_alive());
    }
    assert!(clients[0].is_alive() && clients[3].is_alive());
    assert_eq!(front.stats.evicted_total.load(Ordering::SeqCst), 2);
    front.stop();
}

#[test]
fn a_request_being_served_is_never_sent_away_and_the_newcomer_is_told() {
    let front = guarded(FrontLimits { max_connections: 2, ..patient() });
    let mut served: Vec<_> = (0..2).map(|_| Client::connect(front.addr())).collect();
    served.iter_mut().for_each(|client| assert!(client.send(GATE)));
    eventually("both are being served", || front.handler.waiting.load(Ordering::SeqCst) == 2);
    for bytes in [GET.to_owned(), post("", &batch(10_000))] {
        let mut newcomer = Client::connect(front.addr());
        newcomer.send(bytes);
        let answer = newcomer.answer(false).unwrap();
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
        assert_eq!(newcomer.end(), End::Closed);
    }
    assert_eq!(front.stats.rejected_total.load(Ordering::SeqCst), 2);
    front.handler.open_gate();
    for client in &mut served {
        assert_eq!(client.answer(false).unwrap().body, b"through");
        assert!(client.is_alive());
    }
    assert!(Client::connect(front.addr()).is_alive());
    front.stop();
}

#[test]
fn a_crowd_that_is_turned_away_does_not_hold_up_the_acceptor() {
    let front = guarded(FrontLimits { max_connections: 1, ..patient() });
    let mut served = Client::connect(front.addr());
    served.send(GATE);
    eventually("it is being served", || front.handler.waiting.load(Ordering::SeqCst) == 1);
    // More than are seen out one by one; none of them closes. The rest is closed at once.
    let crowd: Vec<_> = (0..600).map(|_| Client::connect(front.addr())).collect();
    eventually("all are turned away", || front.stats.rejected_total.load(Ordering::SeqCst) == 600);
    front.handler.open_gate();
    assert_eq!(served.answer(false).unwrap().status, 200);
    assert!(served.is_alive());
    drop(crowd);
    front.stop();
}

/// Requests of honest clients, each on its own connection and on one that is kept.
fn honest_clients_are_served(addr: SocketAddr, rounds: usize) {
    for _ in 0..rounds {
        let mut client = Client::connect(addr);
        assert!(client.is_alive());
        client.send(post("", &batch(1)));
        assert_eq!(client.answer(false).unwrap().status, 202);
    }
}

#[test]
fn honest_clients_are_served_while_a_thousand_are_idle() {
    let front = guarded(FrontLimits { idle_timeout: Duration::from_secs(60), ..FrontLimits::default() });
    let mut idle = Vec::new();
    for round in 0..10 {
        for number in 0..100 {
            let mut client = Client::connect(front.addr());
            // Some have been served, some have said half a head, some nothing.
            match number % 3 {
                0 => assert!(client.is_alive()),
                1 => assert!(client.send("POST /logs HTTP/1.1\r\nHost:")),
                _ => {}
            }
            idle.push(client);
        }
        honest_clients_are_served(front.addr(), 10);
        assert_eq!(front.entries(), (round + 1) * 10);
    }
    assert!(front.stats.open.load(Ordering::SeqCst) <= 512);
    assert!(front.stats.threads.load(Ordering::SeqCst) <= 512);
    assert!(front.stats.evicted_total.load(Ordering::SeqCst) >= 488);
    // Those that were sent away see the end of the stream, the others are still there.
    let still_there = idle
        .iter_mut()
        .filter(|client| {
            client.stream.set_nonblocking(true).unwrap();
            (&client.stream).read(&mut [0; 1]).is_err()
        })
        .count();
    assert!((100..=512).contains(&still_there), "{still_there}");
    drop(idle);
    front.stop();
}

#[test]
fn a_pipelining_flood_is_answered_or_throttled_by_its_own_reader() {
    let front = guarded(FrontLimits { grace: ms(400), min_answer_rate: 1 << 30, ..patient() });
    // The flood does not read: at some point the server can write no more, stops reading, and gives up.
    let flood = GET.repeat(2_000);
    let mut client = Client::connect(front.addr());
    client.stream.set_write_timeout(Some(ms(5_000))).unwrap();
    for _ in 0..10_000 {
        if !client.send(&flood) {
            break;
        }
        assert!(Client::connect(front.addr()).is_alive());
    }
    eventually("only honest clients are left", || front.stats.open.load(Ordering::SeqCst) <= 1);
    drop(client);
    front.stop();
}

#[test]
fn running_out_of_descriptors_is_survived_while_the_crowd_is_still_there() {
    be_the_server();
    let test = "hostile_crowds::running_out_of_descriptors_is_survived_while_the_crowd_is_still_there";
    let mut server = Server::start(test, "guarded 60");
    // Each is accepted in its turn, because one that has waited longest gives up its descriptor for it.
    let mut crowd: Vec<_> = (0..200).map(|_| Client::connect(server.addr)).collect();
    for client in &mut crowd {
        client.send(GET);
    }
    honest_clients_are_served(server.addr, 20);
    assert!(server.is_running());
    drop(crowd);
    honest_clients_are_served(server.addr, 20);
}

#[test]
fn without_threads_clients_are_told_and_the_server_lives() {
    // No operating system gives a stack of this size.
    let front = guarded(FrontLimits { thread_stack_bytes: 1 << 46, ..patient() });
    for _ in 0..3 {
        let answer = once(front.addr(), GET).unwrap();
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
    }
    assert_eq!(front.stats.accept_errors_total.load(Ordering::SeqCst), 3);
    assert_eq!(front.stats.rejected_total.load(Ordering::SeqCst), 3);
    front.stop();
}

#[test]
fn stopping_closes_idle_connections_and_refuses_new_ones() {
    let front = guarded(patient());
    let addr = front.addr();
    let mut fresh = Client::connect(addr);
    let mut used = Client::connect(addr);
    assert!(used.is_alive());
    eventually("both are accepted", || front.stats.open.load(Ordering::SeqCst) == 2);
    let mut last = Client::connect(addr);
    last.send(GATE);
    eventually("the last is being served", || front.handler.waiting.load(Ordering::SeqCst) == 1);
    front.front.stop();
    assert_eq!(fresh.end(), End::Closed);
    assert_eq!(used.end(), End::Closed);
    eventually("new connections are refused", || std::net::TcpStream::connect(addr).is_err());
    // A request behind the one being served is not taken any more.
    last.send(GET);
    front.handler.open_gate();
    let answer = last.answer(false);
    refused_in_good_order(&mut last, answer, 200);
    front.stop();
}

#[test]
fn a_stopped_server_answers_what_had_already_arrived() {
    for _ in 0..30 {
        let front = guarded(patient());
        let mut clients: Vec<_> = (0..8).map(|_| Client::connect(front.addr())).collect();
        eventually("all are accepted", || front.stats.open.load(Ordering::SeqCst) == 8);
        for client in &mut clients {
            client.send(GET);
        }
        front.front.stop();
        for client in &mut clients {
            assert_eq!(client.answer(false).unwrap().status, 200);
        }
        drop(clients);
        front.stop();
    }
}

#[test]
fn a_stop_does_not_wait_for_clients_that_dribble_and_blames_itself() {
    let front = guarded(patient());
    let mut body = Client::connect(front.addr());
    body.send(format!("{}Content-Length: 1000\r\n\r\n[", post_start()));
    let mut head = Client::connect(front.addr());
    head.send("POST /logs HTTP/1.1\r\nHost:");
    let mut gate = Client::connect(front.addr());
    gate.send(GATE);
    eventually("one is being served, one has been charged", || {
        front.handler.waiting.load(Ordering::SeqCst) == 1 && front.handler.budget.used_bytes() > 0
    });
    eventually("all are accepted", || front.stats.open.load(Ordering::SeqCst) == 3);
    // The one that is being served is what it still waits for.
    assert!(!front.front.join(ms(200)));
    for client in [&mut body, &mut head] {
        let answer = client.answer(false);
        refused_in_good_order(client, answer, 503);
    }
    front.handler.open_gate();
    assert_eq!(gate.answer(false).unwrap().status, 200);
    front.stop();
}
