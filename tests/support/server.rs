//! The real binary, started on a free port with a data directory of its own, and stopped in every way there is.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::client::Client;

/// A running server. Killed when dropped.
pub struct Server {
    child: Child,
    pub addr: SocketAddr,
    log: PathBuf,
}

/// The program itself.
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_log-analytics"));
    // The environment of whoever runs the tests must not set limits.
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("LOG_ANALYTICS_")) {
        command.env_remove(name);
    }
    command
}

/// Runs the program to its end.
pub fn run(args: &[&str]) -> Output {
    program().args(args).output().unwrap()
}

impl Server {
    /// Starts a server on `<dir>/store` and waits until it is ready.
    pub fn start(dir: &Path, flags: &[&str]) -> Server {
        Self::try_start(dir, flags).unwrap_or_else(|log| panic!("the server did not start:\n{log}"))
    }

    /// Starts a server that may have this many files open.
    pub fn start_with_descriptors(count: u32, dir: &Path, flags: &[&str]) -> Server {
        let mut shell = Command::new("sh");
        shell.args(["-c", "ulimit -n $0 && exec \"$@\"", &count.to_string()]);
        let program = program();
        shell.arg(program.get_program());
        for (name, _) in program.get_envs() {
            shell.env_remove(name);
        }
        Self::try_start_as(shell, dir, flags).unwrap_or_else(|log| panic!("the server did not start:\n{log}"))
    }

    /// Starts a server; what it logged where it ended instead of getting ready.
    pub fn try_start(dir: &Path, flags: &[&str]) -> Result<Server, String> {
        Self::try_start_as(program(), dir, flags)
    }

    fn try_start_as(mut program: Command, dir: &Path, flags: &[&str]) -> Result<Server, String> {
        let log = dir.join(format!("log-{}", fs::read_dir(dir).unwrap().count()));
        let anywhere = if flags.contains(&"--listen") { &[][..] } else { &["--listen", "127.0.0.1:0"] };
        let mut child = program
            .args(["serve", "--data-dir"])
            .arg(dir.join("store"))
            .args(anywhere)
            .args(flags)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        match line.trim().strip_prefix("log-analytics is ready on http://") {
            // The first of several addresses.
            Some(addr) => Ok(Server { child, addr: addr.split(',').next().unwrap().parse().unwrap(), log }),
            None => {
                child.wait().unwrap();
                Err(fs::read_to_string(log).unwrap())
            }
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id() as i32).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// `kill -9`, at once.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for the process to end by itself.
    pub fn wait(mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    /// SIGTERM, and the end.
    pub fn stop(self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.wait()
    }

    /// What it logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    pub fn client(&self) -> Client {
        Client::new(self.addr)
    }

    /// Waits until a metric has this value: insights are merged just after the answer.
    pub fn await_metric(&self, name: &str, value: f64) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while self.metric(name) != value {
            assert!(Instant::now() < deadline, "{name} is {}, not {value}", self.metric(name));
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The value of a metric without labels, or with exactly these.
    pub fn metric(&self, name: &str) -> f64 {
        let text = self.client().get("/metrics", &[]).unwrap().text();
        let line =
            text.lines().find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ')));
        line.and_then(|line| line.rsplit(' ').next()).map_or(0.0, |value| value.parse().unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A window file of `<dir>/store`, parsed; `None` where it does not exist.
pub fn window(dir: &Path, customer: &str, stamp: &str) -> Option<Value> {
    let path = dir.join("store/aggregate-results").join(customer).join(format!("{stamp}.json"));
    let mut text = String::new();
    File::open(path).ok()?.read_to_string(&mut text).unwrap();
    Some(serde_json::from_str(&text).unwrap())
}

/// Runs `verify --json` on `<dir>/store`: whether it is clean, and the report.
pub fn verify(dir: &Path) -> (bool, Value) {
    let store = dir.join("store");
    let output = run(&["verify", "--json", "--data-dir", store.to_str().unwrap()]);
    let text = String::from_utf8(output.stdout).unwrap();
    let report = serde_json::from_str(&text)
        .unwrap_or_else(|_| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)));
    (output.status.success(), report)
}

/// Asserts that `verify` finds nothing wrong.
pub fn assert_verified(dir: &Path) -> Value {
    let (clean, report) = verify(dir);
    assert!(clean, "verify: {report:#}");
    report
}
