//! The table of hostile and odd requests: what is sent, what must come back, and in what state the connection is
//! left. It knows nothing of the server behind the address, so it runs against a front end in this process and
//! against the real binary alike.

mod bodies;
mod heads;
mod smuggling;

use std::net::SocketAddr;

use crate::support::raw::{Client, End};

/// One thing a client does.
pub enum Step {
    Send(Vec<u8>),
    HalfClose,
}

/// The state of the connection after the last answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// One more request is answered.
    Alive,
    /// The server closes in good order: the client sees the end of the stream, not a reset.
    Closed,
}

/// One row.
pub struct Case {
    pub name: &'static str,
    pub steps: Vec<Step>,
    /// Status codes in order, interim ones included.
    pub answers: Vec<u16>,
    pub after: After,
    /// Whether it may also be sent byte by byte: not where it is large, or where the server may or may not say
    /// `100` depending on what has arrived.
    pub any_split: bool,
}

/// A row of one send.
pub fn case(name: &'static str, bytes: impl Into<Vec<u8>>, answers: &[u16], after: After) -> Case {
    let bytes = bytes.into();
    let any_split = bytes.len() <= 4096;
    Case { name, steps: vec![Step::Send(bytes)], answers: answers.to_vec(), after, any_split }
}

impl Case {
    /// The client shuts its sending side afterwards.
    fn then_half_close(mut self) -> Self {
        self.steps.push(Step::HalfClose);
        self
    }

    fn in_one_piece(mut self) -> Self {
        self.any_split = false;
        self
    }
}

/// Every row.
pub fn table() -> Vec<Case> {
    let mut cases = heads::cases();
    cases.extend(bodies::cases());
    cases.extend(smuggling::cases());
    cases
}

/// How the bytes of a row are cut into packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    Whole,
    Bytes,
}

/// Runs every row, collects what is wrong, and returns how many batches (of one entry each) were accepted.
pub fn run(addr: SocketAddr, cut: Cut) -> u64 {
    let mut wrong = Vec::new();
    let mut accepted = 0;
    for case in table().iter().filter(|case| cut == Cut::Whole || case.any_split) {
        accepted += case.answers.iter().filter(|status| **status == 202).count() as u64;
        if let Err(text) = run_case(addr, case, cut) {
            wrong.push(format!("{} ({cut:?}): {text}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{} rows failed:\n{}", wrong.len(), wrong.join("\n"));
    accepted
}

fn run_case(addr: SocketAddr, case: &Case, cut: Cut) -> Result<(), String> {
    let mut client = Client::connect(addr);
    for step in &case.steps {
        // A server that has answered and closed takes no more; what it answered is what counts.
        match step {
            Step::Send(bytes) if cut == Cut::Whole => drop(client.send(bytes)),
            Step::Send(bytes) => drop(bytes.iter().all(|byte| client.send([*byte]))),
            Step::HalfClose => client.half_close(),
        }
    }
    for (number, expected) in case.answers.iter().enumerate() {
        match client.answer(false) {
            Ok(answer) if answer.status == *expected => {}
            Ok(answer) => {
                let body = String::from_utf8_lossy(&answer.body);
                return Err(format!("answer {number} is {} {body}, not {expected}", answer.status));
            }
            Err(end) => return Err(format!("{end:?} instead of answer {number}, {expected}")),
        }
    }
    match case.after {
        After::Alive if client.is_alive() => Ok(()),
        After::Alive => Err("the connection does not go on".to_owned()),
        After::Closed => match client.end() {
            End::Closed => Ok(()),
            end => Err(format!("{end:?} instead of the end of the stream")),
        },
    }
}
