//! Log lines on standard error: a server's as text or as JSON, a command's warnings as its own words.
//!
//! Input: what the program logs. Output: one line for each event, written at once.

use std::io::{self, Write};

use log::{Log, Metadata, Record};
use serde::Serialize;

use super::Failure;
use crate::base::clock;
use crate::config::{LogArgs, LogFormat};
use crate::time;

/// Starts logging, once for a process.
pub(super) fn start(args: &LogArgs) -> Result<(), Failure> {
    let level = args.log_level.into();
    let started = match args.log_format {
        LogFormat::Text => {
            let format = simplelog::ConfigBuilder::new()
                .set_time_format_rfc3339()
                .set_thread_level(log::LevelFilter::Off)
                .set_target_level(log::LevelFilter::Off)
                .build();
            simplelog::WriteLogger::init(level, format, io::stderr())
        }
        LogFormat::Json => log::set_logger(&JsonLog).map(|()| log::set_max_level(level)),
    };
    started.map_err(|error| Failure::Failed(error.to_string()))
}

/// Shows our warnings as a command's own words on standard error, without time and level. Once for a process.
pub(super) fn start_plain() {
    if log::set_logger(&PlainLog).is_ok() {
        log::set_max_level(log::LevelFilter::Warn);
    }
}

struct PlainLog;

impl Log for PlainLog {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level() && metadata.target().starts_with("log_analytics")
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            // One write, so that lines of several threads do not mix. A line that cannot be written is lost.
            let _ = io::stderr().lock().write_all(format!("log-analytics: {}\n", record.args()).as_bytes());
        }
    }

    fn flush(&self) {}
}

struct JsonLog;

#[derive(Serialize)]
struct JsonLine<'a> {
    time: String,
    level: &'a str,
    message: String,
}

impl Log for JsonLog {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        // A line that cannot be written is lost: the error has no other place to go.
        let _ = io::stderr().lock().write_all(&json_line(record, clock::now_ms()));
    }

    fn flush(&self) {}
}

fn json_line(record: &Record<'_>, now_ms: u64) -> Vec<u8> {
    let line = JsonLine {
        time: time::format_instant(now_ms),
        level: record.level().as_str(),
        message: record.args().to_string(),
    };
    let mut bytes = serde_json::to_vec(&line).expect("text is written into memory");
    bytes.push(b'\n');
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line_of_json_whatever_it_holds() {
        let record =
            Record::builder().level(log::Level::Warn).args(format_args!("two\nlines, \"a\"")).build();
        assert_eq!(
            String::from_utf8(json_line(&record, 1_766_944_980_007)).unwrap(),
            "{\"time\":\"2025-12-28T18:03:00.007Z\",\"level\":\"WARN\",\"message\":\"two\\nlines, \\\"a\\\"\"}\n"
        );
    }
}
