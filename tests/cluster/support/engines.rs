//! A cluster of real engines (`deploy/cluster`) and the roles of the real binary on top, each of which can be killed.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::client::Client;
pub use super::role::{Role, wait_for};
use super::role::{Variables, run_to_end_with};

/// Engines of one test, in a folder of their own. They end, and the folder goes, when this is dropped.
pub struct Engines {
    dir: PathBuf,
    secret_file: PathBuf,
    endpoints: HashMap<String, String>,
}

/// The state of the window job's checkpoints.
#[derive(Clone, Copy, Debug)]
pub struct Checkpoints {
    /// How often the job continued from a checkpoint.
    pub times_restored: u64,
    /// The newest.
    pub completed: Option<u64>,
    /// The checkpoint that the job continued from last.
    pub restored: Option<u64>,
}

fn command(name: &str) -> Command {
    Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/cluster").join(name))
}

impl Engines {
    /// Starts all of them and waits until they can be used. Roles get the secret in this file.
    pub fn up(dir: &Path, secret_file: PathBuf) -> Engines {
        let mut engines = Engines { dir: dir.to_owned(), secret_file, endpoints: HashMap::new() };
        engines.run("up", &[]);
        let text = std::fs::read_to_string(dir.join("endpoints.env")).unwrap();
        let pairs = text.lines().filter_map(|line| line.split_once('='));
        engines.endpoints = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        engines
    }

    fn run(&self, name: &str, more: &[&str]) {
        let output = command(name).arg(&self.dir).args(more).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "deploy/cluster/{name} {more:?}: {said}");
    }

    /// `kill -9`.
    pub fn kill(&self, component: &str) {
        self.run("kill", &[component]);
    }

    /// Starts a killed component with the data it had, and waits until it can be used.
    pub fn start(&self, component: &str) {
        self.run("start", &[component]);
    }

    /// An endpoint by its name in `endpoints.env`.
    pub fn endpoint(&self, name: &str) -> &str {
        &self.endpoints[name]
    }

    /// The log of a component so far.
    pub fn log(&self, component: &str) -> String {
        let bytes = std::fs::read(self.dir.join("log").join(format!("{component}.log"))).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Flink's REST API; `None` where it does not answer.
    fn flink(&self, target: &str) -> Option<Value> {
        let addr = self.endpoint("FLINK_URL").trim_start_matches("http://").parse().unwrap();
        let answer = Client::new(addr).get(target, &[]).ok()?;
        (answer.status == 200).then(|| answer.json())
    }

    /// The window job, of which there is one, as the overview tells it.
    fn job(&self) -> Option<Value> {
        Some(self.flink("/jobs/overview")?["jobs"].as_array()?.first()?.clone())
    }

    /// Whether every task of the window job runs.
    pub fn job_runs(&self) -> bool {
        self.job().is_some_and(|job| {
            let tasks = &job["tasks"];
            job["state"] == "RUNNING" && tasks["running"] == tasks["total"] && tasks["total"] != 0
        })
    }

    /// The window job's checkpoints, since its JobManager began, as Flink's REST API tells them (some seconds late).
    pub fn checkpoints(&self) -> Option<Checkpoints> {
        let job = self.job()?;
        let found = self.flink(&format!("/jobs/{}/checkpoints", job["jid"].as_str()?))?;
        Some(Checkpoints {
            times_restored: found["counts"]["restored"].as_u64()?,
            completed: found["latest"]["completed"]["id"].as_u64(),
            restored: found["latest"]["restored"]["id"].as_u64(),
        })
    }

    /// How far the window job's event time has come, in milliseconds since 1970, as Flink's REST API tells it (some
    /// seconds late): the least of all tasks that have an input.
    pub fn watermark_ms(&self) -> Option<i64> {
        let job = self.job().filter(|job| job["state"] == "RUNNING")?;
        let job = job["jid"].as_str()?;
        let mut least = None;
        for vertex in self.flink(&format!("/jobs/{job}"))?["vertices"].as_array()? {
            let vertex = vertex["id"].as_str()?;
            for task in self.flink(&format!("/jobs/{job}/vertices/{vertex}/watermarks"))?.as_array()? {
                let at_ms: i64 = task["value"].as_str()?.parse().ok()?;
                least = Some(least.map_or(at_ms, |least: i64| least.min(at_ms)));
            }
        }
        least
    }

    /// The settings of the roles, as variables.
    pub fn variables(&self) -> Variables {
        let of = |name: &str| self.endpoint(name).to_owned();
        vec![
            ("LOG_ANALYTICS_S3", format!("{}/{}", of("S3_ENDPOINT"), of("S3_BUCKET"))),
            ("LOG_ANALYTICS_S3_REGION", of("S3_REGION")),
            ("AWS_ACCESS_KEY_ID", of("S3_ACCESS_KEY")),
            ("AWS_SECRET_ACCESS_KEY", of("S3_SECRET_KEY")),
            ("LOG_ANALYTICS_SECRET_FILE", self.secret_file.display().to_string()),
            ("LOG_ANALYTICS_KAFKA", of("KAFKA")),
            ("LOG_ANALYTICS_CLICKHOUSE", of("CLICKHOUSE_URL")),
            ("LOG_ANALYTICS_CLICKHOUSE_DATABASE", of("CLICKHOUSE_DATABASE")),
            ("LOG_ANALYTICS_LISTEN", "127.0.0.1:0".to_owned()),
        ]
    }
}

impl Drop for Engines {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("logs of the engines and roles:");
            for log in std::fs::read_dir(self.dir.join("log")).into_iter().flatten().flatten() {
                let text = std::fs::read_to_string(log.path()).unwrap_or_default();
                let last: Vec<&str> = text.lines().rev().take(15).collect();
                eprintln!("--- {}", log.path().display());
                last.into_iter().rev().for_each(|line| eprintln!("{line}"));
            }
        }
        let _ = command("down").arg(&self.dir).arg("--purge").output();
    }
}

impl Role {
    /// Starts a role on these engines and waits until it answers.
    pub fn start(engines: &Engines, name: &str, flags: &[&str]) -> Role {
        Role::start_with(&engines.variables(), &engines.dir.join("log"), name, flags)
    }
}

/// Runs a command of the program to its end; what it printed.
pub fn run_to_end(engines: &Engines, args: &[&str]) -> String {
    run_to_end_with(&engines.variables(), args)
}
