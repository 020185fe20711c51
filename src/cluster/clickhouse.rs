//! ClickHouse over HTTP: queries with parameters, and inserts. Requests block; each has a time limit.
//!
//! Input: SQL, parameters, rows. Output: the lines of the answer, or whether another try may help.
//! Never: a client's text inside a statement. Values are sent as parameters (`{name:Type}`).

use std::fmt;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::sync::RwLock;
use std::time::Duration;

use prometheus::HistogramVec;
use ureq::Agent;

use super::{credentials, http_agent};
use crate::base::disk::Disk;
use crate::base::sync;

/// For one request; no query may run for longer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
const MAX_ERROR_BYTES: u64 = 2 * 1024;

/// The database's address and credentials.
#[derive(Clone, Debug)]
pub struct ClickHouseOptions {
    /// `http(s)://HOST:PORT`.
    pub url: String,
    pub database: String,
    pub credentials_file: Option<PathBuf>,
}

/// Why a request failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatabaseError {
    /// ClickHouse is unreachable, overloaded or slow: try again.
    Unavailable(String),
    /// ClickHouse refuses the statement.
    Refused {
        status: u16,
        /// ClickHouse's message.
        message: String,
    },
}

impl fmt::Display for DatabaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable(why) => write!(f, "ClickHouse is unavailable: {why}"),
            Self::Refused { status, message } => {
                write!(f, "ClickHouse refuses the statement: {status} {message}")
            }
        }
    }
}

impl std::error::Error for DatabaseError {}

/// A client of one database.
pub struct ClickHouse {
    agent: Agent,
    url: String,
    database: String,
    user: RwLock<Option<(String, String)>>,
    credentials_file: Option<PathBuf>,
    seconds: HistogramVec,
}

impl ClickHouse {
    /// A client; connects when it is first used.
    ///
    /// # Errors
    /// The flag and what is wrong with it.
    pub fn new(options: &ClickHouseOptions, disk: &dyn Disk, seconds: HistogramVec) -> Result<Self, String> {
        let url = &options.url;
        let is_http = url.starts_with("http://") || url.starts_with("https://");
        if !is_http || url.contains(['?', '#', '@']) {
            return Err("--clickhouse is not http(s)://HOST:PORT".to_owned());
        }
        let clickhouse = Self {
            agent: http_agent(REQUEST_TIMEOUT),
            url: url.trim_end_matches('/').to_owned(),
            database: options.database.clone(),
            user: RwLock::new(None),
            credentials_file: options.credentials_file.clone(),
            seconds,
        };
        clickhouse.reload(disk)?;
        Ok(clickhouse)
    }

    /// Reads the credentials again.
    ///
    /// # Errors
    /// What is wrong with the file; the credentials then stay as they are.
    pub fn reload(&self, disk: &dyn Disk) -> Result<(), String> {
        if let Some(file) = &self.credentials_file {
            let user = credentials::user(disk, file)
                .map_err(|error| format!("--clickhouse-credentials-file: {error}"))?;
            *sync::write(&self.user) = Some(user);
        }
        Ok(())
    }

    /// Runs a query. The lines of its answer have at most `limit_bytes` together.
    pub fn select(
        &self,
        sql: &str,
        parameters: &[(&str, &str)],
        limit_bytes: u64,
    ) -> Result<AnswerLines, DatabaseError> {
        let body = self.send("select", sql, parameters, &[])?;
        Ok(AnswerLines {
            reader: BufReader::new(body.take(limit_bytes.saturating_add(1))),
            left_bytes: limit_bytes,
        })
    }

    /// Inserts rows, one JSON object a line.
    ///
    /// # Errors
    /// See [`DatabaseError`]; after [`DatabaseError::Unavailable`] the rows may be there.
    pub fn insert(&self, table: &str, rows: &[u8]) -> Result<(), DatabaseError> {
        let sql = format!("INSERT INTO {table} FORMAT JSONEachRow\n");
        self.send("insert", &sql, &[], rows).map(drop)
    }

    /// Whether the database answers.
    pub fn check(&self) -> Result<(), DatabaseError> {
        let sql = "SELECT 1 FROM minute_totals LIMIT 0";
        self.send("check", sql, &[], &[]).map(drop)
    }

    fn send(
        &self,
        operation: &str,
        sql: &str,
        parameters: &[(&str, &str)],
        rows: &[u8],
    ) -> Result<Box<dyn Read>, DatabaseError> {
        let _timer = self.seconds.with_label_values(&[operation]).start_timer();
        let mut request = self.agent.post(format!("{}/", self.url)).query("database", &self.database);
        for (name, value) in parameters {
            request = request.query(format!("param_{name}"), escaped(value));
        }
        let user = sync::read(&self.user).clone();
        if let Some((user, password)) = user {
            request = request.header("x-clickhouse-user", user).header("x-clickhouse-key", password);
        }
        let mut body = Vec::with_capacity(sql.len() + rows.len());
        body.extend_from_slice(sql.as_bytes());
        body.extend_from_slice(rows);
        let response =
            request.send(&body[..]).map_err(|error| DatabaseError::Unavailable(error.to_string()))?;
        let status = response.status().as_u16();
        let mut answer = response.into_body().into_with_config().limit(u64::MAX).reader();
        if status == 200 {
            return Ok(Box::new(answer));
        }
        let mut message = String::new();
        // An unreadable answer leaves the message empty; the status is enough.
        let _ = answer.by_ref().take(MAX_ERROR_BYTES).read_to_string(&mut message);
        let message = message.trim_end().to_owned();
        Err(match status {
            400..=499 => DatabaseError::Refused { status, message },
            _ => DatabaseError::Unavailable(format!("{status} {message}")),
        })
    }
}

/// A parameter's value with the escapes of TSV, as ClickHouse reads parameters.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n")
}

pub struct AnswerLines {
    reader: BufReader<std::io::Take<Box<dyn Read>>>,
    left_bytes: u64,
}

/// Why a line cannot be read.
#[derive(Debug)]
pub enum LineError {
    /// The answer is larger than its limit.
    TooLarge,
    /// The answer ended early or was too slow.
    Database(DatabaseError),
}

impl AnswerLines {
    /// Reads the next line into `line`, without its line feed; `false` at the end.
    pub fn next(&mut self, line: &mut Vec<u8>) -> Result<bool, LineError> {
        line.clear();
        let read = self.reader.read_until(b'\n', line);
        let read =
            read.map_err(|error| LineError::Database(DatabaseError::Unavailable(error.to_string())))? as u64;
        if read > self.left_bytes {
            return Err(LineError::TooLarge);
        }
        self.left_bytes -= read;
        if line.last() == Some(&b'\n') {
            line.pop();
        }
        Ok(read > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_escaped_as_the_server_reads_them() {
        assert_eq!(escaped("a'b\\c\td"), "a'b\\\\c\\td");
    }
}
