//! The real binary, started on a free port with a data directory of its own, and stopped. What only `tests/process` does with it
//! is in its own `support/running.rs`.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::client::Client;

/// A running server. Killed when dropped.
pub struct Server {
    pub child: Child,
    pub addr: SocketAddr,
    log: PathBuf,
}

/// The program itself.
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_log-analytics"));
    // Settings in the developer's environment must not reach the server under test.
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

    /// Starts a server. The error is its log, if it ended before it was ready.
    pub fn try_start(dir: &Path, flags: &[&str]) -> Result<Server, String> {
        Self::try_start_as(program(), dir, flags)
    }

    /// The same with a command that becomes the program.
    pub fn try_start_as(mut program: Command, dir: &Path, flags: &[&str]) -> Result<Server, String> {
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

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id() as i32).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Waits for the process to end by itself.
    pub fn wait(mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    /// Sends SIGTERM and waits for the end.
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
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
