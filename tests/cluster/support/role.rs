//! One role of the real binary, which can be killed, and commands of it that end.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::server::program;

/// Settings of roles, as variables.
pub type Variables = Vec<(&'static str, String)>;

/// A process that is killed when this is dropped.
pub struct Role {
    child: Child,
    pub addr: SocketAddr,
}

impl Role {
    /// Starts a role, which logs into this folder, and waits until it answers.
    pub fn start_with(variables: &Variables, logs: &Path, name: &str, flags: &[&str]) -> Role {
        let log = logs.join(format!("role-{name}.log"));
        let mut child = program()
            .arg(name)
            .args(flags)
            .envs(variables.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::options().create(true).append(true).open(&log).unwrap())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let addr = line.trim().rsplit("http://").next().and_then(|addr| addr.parse().ok());
        let said = || std::fs::read_to_string(&log).unwrap();
        Role { addr: addr.unwrap_or_else(|| panic!("{name} did not start: {line}{}", said())), child }
    }

    /// Stops it by SIGSTOP.
    pub fn pause(&self) {
        kill_process(Pid::from_child(&self.child), Signal::STOP).unwrap();
    }

    /// `kill -9`, at once.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGHUP.
    pub fn reload(&self) {
        kill_process(Pid::from_child(&self.child), Signal::HUP).unwrap();
    }

    /// Sends SIGTERM; returns whether it ended with exit code 0.
    pub fn stop(mut self) -> bool {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        self.child.wait().unwrap().success()
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a command of the program to its end; what it printed.
pub fn run_to_end_with(variables: &Variables, args: &[&str]) -> String {
    let output = program().args(args).envs(variables.iter().cloned()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{args:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// Waits until `ready`, without depending on how long anything takes.
pub fn wait_for(what: &str, mut ready: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(120);
    while !ready() {
        assert!(Instant::now() < deadline, "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
