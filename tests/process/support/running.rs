//! What only the tests of this binary do with a running server: few descriptors, `kill -9`, metrics, clients that retry.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::client::{Answer, Client};
use super::server::{Server, program};

impl Server {
    /// Starts a server with this limit of open files.
    pub fn start_with_descriptors(count: u32, dir: &Path, flags: &[&str]) -> Server {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", "ulimit -n $0 && exec \"$@\"", &count.to_string()]);
        let program = program();
        shell.arg(program.get_program());
        for (name, _) in program.get_envs() {
            shell.env_remove(name);
        }
        Self::try_start_as(shell, dir, flags).unwrap_or_else(|log| panic!("the server did not start:\n{log}"))
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// `kill -9`, at once.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits until a metric has this value. Insights are merged shortly after the answer, so metrics lag behind it.
    pub fn await_metric(&self, name: &str, value: f64) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while self.metric(name) != value {
            assert!(Instant::now() < deadline, "{name} is {}, not {value}", self.metric(name));
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The value of a metric; `name` may include its labels.
    pub fn metric(&self, name: &str) -> f64 {
        let text = self.client().get("/metrics", &[]).unwrap().text();
        let line =
            text.lines().find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ')));
        line.and_then(|line| line.rsplit(' ').next()).map_or(0.0, |value| value.parse().unwrap())
    }
}

impl Client {
    /// POSTs until the answer is not 503, reconnecting as needed. `None` after `tries` attempts.
    pub fn post_until_answered(
        &mut self,
        customer: &str,
        key: &str,
        body: &[u8],
        tries: u32,
    ) -> Option<Answer> {
        for _ in 0..tries {
            match self.post(customer, key, body) {
                Ok(answer) if answer.status != 503 => return Some(answer),
                Ok(_) => {}
                // Refused or broken: the server may be starting again.
                Err(_) => std::thread::yield_now(),
            }
        }
        None
    }
}
