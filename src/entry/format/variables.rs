//! What the variables of nginx's `log_format` mean, and those that our own table of formats adds.
//!
//! Input: a variable's name. Output: its field, its rank among the variables of that field, and what its text may be.
//! Never: a variable that holds what an upstream said; only what the client got counts.

use crate::entry::field::{LogField, Unit};
use crate::entry::template::{FieldStep, TextClass};

/// A variable: name, field, rank, class.
type Variable = (&'static str, LogField, u8, TextClass);

/// nginx's variables (`ngx_http_core_module`, `ngx_http_log_module`, `ngx_http_realip_module` and headers).
const NGINX: [Variable; 43] = [
    ("time_local", LogField::Time, 3, TextClass::Time),
    ("time_iso8601", LogField::Time, 2, TextClass::Time),
    ("msec", LogField::Time, 1, TextClass::UnixTime),
    ("request", LogField::Request, 0, TextClass::Request),
    ("request_method", LogField::Method, 0, TextClass::Text),
    ("request_uri", LogField::Target, 0, TextClass::Text),
    ("uri", LogField::Rewritten, 0, TextClass::Text),
    ("document_uri", LogField::Rewritten, 1, TextClass::Text),
    ("args", LogField::Query, 0, TextClass::Text),
    ("query_string", LogField::Query, 0, TextClass::Text),
    ("status", LogField::Status, 0, TextClass::Status),
    ("body_bytes_sent", LogField::Bytes, 0, TextClass::Number),
    ("bytes_sent", LogField::Bytes, 1, TextClass::Number),
    ("request_time", LogField::Duration(Unit::Seconds), 0, TextClass::Number),
    ("http_x_forwarded_host", LogField::Host, 0, TextClass::Text),
    ("http_host", LogField::Host, 1, TextClass::Text),
    ("host", LogField::Host, 2, TextClass::Text),
    ("ssl_server_name", LogField::Host, 3, TextClass::Text),
    ("server_name", LogField::Host, 4, TextClass::Text),
    ("http_referer", LogField::Referrer, 0, TextClass::Text),
    ("http_user_agent", LogField::Agent, 0, TextClass::Text),
    ("http_cf_connecting_ip", LogField::Forwarded, 0, TextClass::Text),
    ("http_true_client_ip", LogField::Forwarded, 1, TextClass::Text),
    ("http_x_real_ip", LogField::Forwarded, 2, TextClass::Text),
    ("http_x_client_ip", LogField::Forwarded, 2, TextClass::Text),
    ("http_x_forwarded_for", LogField::Forwarded, 3, TextClass::Text),
    ("proxy_add_x_forwarded_for", LogField::Forwarded, 4, TextClass::Text),
    ("remote_addr", LogField::Client, 0, TextClass::Text),
    ("proxy_protocol_addr", LogField::Client, 1, TextClass::Text),
    ("realip_remote_addr", LogField::Client, 2, TextClass::Text),
    ("connection", LogField::Ignored, 0, TextClass::Number),
    ("connection_requests", LogField::Ignored, 0, TextClass::Number),
    ("pid", LogField::Ignored, 0, TextClass::Number),
    ("request_length", LogField::Ignored, 0, TextClass::Number),
    ("server_port", LogField::Ignored, 0, TextClass::Number),
    ("remote_port", LogField::Ignored, 0, TextClass::Number),
    ("gzip_ratio", LogField::Ignored, 0, TextClass::Number),
    ("server_protocol", LogField::Ignored, 0, TextClass::Protocol),
    ("scheme", LogField::Ignored, 0, TextClass::Text),
    ("is_args", LogField::Ignored, 0, TextClass::Text),
    ("pipe", LogField::Ignored, 0, TextClass::Text),
    ("request_completion", LogField::Ignored, 0, TextClass::Text),
    ("remote_user", LogField::Ignored, 0, TextClass::Text),
];

/// Schemes and the like, which no client chooses.
const LOAD_BALANCERS: &[&str] = &["http", "https", "h2", "grpcs", "ws", "wss"];
const STREAMS: &[&str] = &["stdout", "stderr"];
const COMPLETE: &[&str] = &["F", "P"];
const LETTERS: &[&str] = &["D", "I", "W", "E", "C", "F", "A"];
const LEVELS: &[&str] = &["TRACE", "DEBUG", "INFO", "WARN", "WARNING", "ERROR", "CRITICAL", "FATAL"];
const WEEKDAYS: &[&str] = &["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// What the table of known formats says beyond nginx's variables.
const OURS: [Variable; 42] = [
    ("_", LogField::Ignored, 0, TextClass::Word),
    ("text", LogField::Ignored, 0, TextClass::Text),
    ("number", LogField::Ignored, 0, TextClass::Number),
    ("blanks", LogField::Ignored, 0, TextClass::Blanks),
    ("rest", LogField::Ignored, 0, TextClass::Rest),
    ("more", LogField::Extras, 0, TextClass::More),
    ("more_words", LogField::Ignored, 0, TextClass::MoreWords),
    ("hex_id", LogField::Ignored, 0, TextClass::Hex(32)),
    ("lb_type", LogField::Ignored, 0, TextClass::OneOf(LOAD_BALANCERS)),
    ("who", LogField::Who, 0, TextClass::Text),
    ("between", LogField::Ignored, 0, TextClass::Between),
    ("who_after_time", LogField::WhoAfterTime, 0, TextClass::Between),
    ("time", LogField::Time, 0, TextClass::Time),
    ("docker_time", LogField::Time, 0, TextClass::DockerTime),
    ("wall_time", LogField::Time, 0, TextClass::WallTime),
    ("unix_time", LogField::Time, 0, TextClass::UnixTime),
    ("client", LogField::Client, 0, TextClass::Word),
    ("forwarded", LogField::Forwarded, 0, TextClass::Text),
    ("authority", LogField::Host, 0, TextClass::Word),
    ("bytes", LogField::Bytes, 0, TextClass::Number),
    ("method", LogField::Method, 0, TextClass::Word),
    ("target", LogField::Target, 0, TextClass::Text),
    ("url", LogField::Target, 0, TextClass::Word),
    ("seconds", LogField::Duration(Unit::Seconds), 0, TextClass::Number),
    ("millis", LogField::Duration(Unit::Millis), 0, TextClass::Number),
    ("micros", LogField::Duration(Unit::Micros), 0, TextClass::Number),
    ("part_seconds", LogField::DurationPart(Unit::Seconds), 0, TextClass::Number),
    ("priority", LogField::Ignored, 0, TextClass::Priority),
    ("stamp", LogField::Time, 0, TextClass::SyslogTime),
    ("version", LogField::Ignored, 0, TextClass::Count),
    ("weekday", LogField::Ignored, 0, TextClass::OneOf(WEEKDAYS)),
    ("structured", LogField::Ignored, 0, TextClass::Structured),
    ("stream", LogField::Stream, 0, TextClass::OneOf(STREAMS)),
    ("completeness", LogField::Completeness, 0, TextClass::OneOf(COMPLETE)),
    ("inner", LogField::Inner, 0, TextClass::Rest),
    ("text_line", LogField::Inner, 0, TextClass::Text),
    ("leveled", LogField::Inner, 0, TextClass::RestBehind(LEVELS)),
    ("count", LogField::Ignored, 0, TextClass::Count),
    ("elapsed", LogField::Duration(Unit::Seconds), 0, TextClass::Word),
    ("seconds4", LogField::Duration(Unit::Seconds), 0, TextClass::FourDecimals),
    ("letter", LogField::Ignored, 0, TextClass::OneOf(LETTERS)),
    ("level", LogField::Ignored, 0, TextClass::OneOf(LEVELS)),
];

fn lookup(table: &[Variable], name: &str) -> Option<FieldStep> {
    let (_, field, rank, class) = table.iter().find(|(known, ..)| *known == name)?;
    Some(FieldStep::new(*field, *rank, class.clone()))
}

/// The step of a variable in a format string that somebody wrote; one that is not known may hold anything.
pub(super) fn of_nginx(name: &str) -> FieldStep {
    lookup(&NGINX, name).unwrap_or_else(|| FieldStep::new(LogField::Ignored, 0, TextClass::Text))
}

/// The step of a variable in the table of known formats.
pub(super) fn of_known(name: &str) -> Option<FieldStep> {
    lookup(&OURS, name).or_else(|| lookup(&NGINX, name))
}
