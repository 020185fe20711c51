//! Servers in a process of their own: a test starts its own program again, so that a server that aborts or runs out of
//! descriptors does not take the test with it.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};

use log_analytics::http::server::FrontLimits;
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, setrlimit};
use tempfile::NamedTempFile;

use super::front::TestFront;
use crate::support::wait::eventually;

/// Environment variable of a child: the server it must be.
const ROLE: &str = "TINY_HTTP_LIMITS_ROLE";

/// A server in a process of its own.
pub struct Server {
    child: Child,
    pub addr: SocketAddr,
    stderr: NamedTempFile,
}

impl Server {
    /// Starts this test program once more for the test of this name, which calls [`be_the_server`]. `role` is `guarded`,
    /// `tiny_http` or `plain` (tiny_http without any code of ours), a space, and its limit of descriptors or `-`.
    pub fn start(test: &str, role: &str) -> Self {
        let stderr = NamedTempFile::new().unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test, "--nocapture"])
            .env(ROLE, role)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(stderr.reopen().unwrap())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let addr = lines.map(Result::unwrap).find_map(|line| line.strip_prefix("listening ")?.parse().ok());
        Self { child, addr: addr.unwrap(), stderr }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Stops it, and waits until all its threads stand still: the signal alone does not.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
        let tasks = format!("/proc/{}/task", self.pid());
        let is_stopped = |task: std::io::Result<std::fs::DirEntry>| {
            std::fs::read_to_string(task.unwrap().path().join("stat")).unwrap().contains(") T ")
        };
        eventually("it stands still", || std::fs::read_dir(&tasks).unwrap().all(is_stopped));
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    /// What it wrote to standard error.
    pub fn said(&self) -> String {
        std::fs::read_to_string(self.stderr.path()).unwrap()
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// In a child: serves until it is killed. Elsewhere: returns at once.
pub fn be_the_server() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let (kind, descriptors) = role.split_once(' ').unwrap();
    let announce = |addr: SocketAddr| {
        // Set after the start, which needs a few descriptors itself.
        if let Ok(count) = descriptors.parse() {
            setrlimit(Resource::Nofile, Rlimit { current: Some(count), maximum: Some(count) }).unwrap();
        }
        println!("\nlistening {addr}");
    };
    let logs = simplelog::Config::default();
    simplelog::WriteLogger::init(simplelog::LevelFilter::Warn, logs, std::io::stderr()).unwrap();
    if let Ok(kind) = kind.parse() {
        let front = TestFront::start(kind, FrontLimits::default());
        announce(front.addr());
        loop {
            std::thread::park();
        }
    }
    let server = tiny_http::Server::http("127.0.0.1:0").unwrap();
    announce(server.server_addr().to_ip().unwrap());
    loop {
        if let Ok(request) = server.recv() {
            drop(request.respond(tiny_http::Response::from_string("ok\n")));
        }
    }
}
