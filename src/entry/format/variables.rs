//! What the variables of nginx's `log_format` mean, and those that our own table of formats adds.
//!
//! Input: a variable's name. Output: its field, its rank among the variables of that field, and what its text may be.
//! Never: a variable that holds what an upstream said; only what the client got counts.

use crate::entry::field::{Field, Unit};
use crate::entry::template::{Class, FieldStep};

/// A variable: name, field, rank, class.
type Variable = (&'static str, Field, u8, Class);

/// nginx's variables (`ngx_http_core_module`, `ngx_http_log_module`, `ngx_http_realip_module` and headers).
const NGINX: [Variable; 43] = [
    ("time_local", Field::Time, 3, Class::Time),
    ("time_iso8601", Field::Time, 2, Class::Time),
    ("msec", Field::Time, 1, Class::UnixTime),
    ("request", Field::Request, 0, Class::Request),
    ("request_method", Field::Method, 0, Class::Text),
    ("request_uri", Field::Target, 0, Class::Text),
    ("uri", Field::Rewritten, 0, Class::Text),
    ("document_uri", Field::Rewritten, 1, Class::Text),
    ("args", Field::Query, 0, Class::Text),
    ("query_string", Field::Query, 0, Class::Text),
    ("status", Field::Status, 0, Class::Status),
    ("body_bytes_sent", Field::Bytes, 0, Class::Number),
    ("bytes_sent", Field::Bytes, 1, Class::Number),
    ("request_time", Field::Duration(Unit::Seconds), 0, Class::Number),
    ("http_x_forwarded_host", Field::Host, 0, Class::Text),
    ("http_host", Field::Host, 1, Class::Text),
    ("host", Field::Host, 2, Class::Text),
    ("ssl_server_name", Field::Host, 3, Class::Text),
    ("server_name", Field::Host, 4, Class::Text),
    ("http_referer", Field::Referrer, 0, Class::Text),
    ("http_user_agent", Field::Agent, 0, Class::Text),
    ("http_cf_connecting_ip", Field::Forwarded, 0, Class::Text),
    ("http_true_client_ip", Field::Forwarded, 1, Class::Text),
    ("http_x_real_ip", Field::Forwarded, 2, Class::Text),
    ("http_x_client_ip", Field::Forwarded, 2, Class::Text),
    ("http_x_forwarded_for", Field::Forwarded, 3, Class::Text),
    ("proxy_add_x_forwarded_for", Field::Forwarded, 4, Class::Text),
    ("remote_addr", Field::Client, 0, Class::Text),
    ("proxy_protocol_addr", Field::Client, 1, Class::Text),
    ("realip_remote_addr", Field::Client, 2, Class::Text),
    ("connection", Field::Ignored, 0, Class::Number),
    ("connection_requests", Field::Ignored, 0, Class::Number),
    ("pid", Field::Ignored, 0, Class::Number),
    ("request_length", Field::Ignored, 0, Class::Number),
    ("server_port", Field::Ignored, 0, Class::Number),
    ("remote_port", Field::Ignored, 0, Class::Number),
    ("gzip_ratio", Field::Ignored, 0, Class::Number),
    ("server_protocol", Field::Ignored, 0, Class::Text),
    ("scheme", Field::Ignored, 0, Class::Text),
    ("is_args", Field::Ignored, 0, Class::Text),
    ("pipe", Field::Ignored, 0, Class::Text),
    ("request_completion", Field::Ignored, 0, Class::Text),
    ("remote_user", Field::Ignored, 0, Class::Text),
];

/// Schemes and the like, which no client chooses.
const LOAD_BALANCERS: &[&str] = &["http", "https", "h2", "grpcs", "ws", "wss"];
const STREAMS: &[&str] = &["stdout", "stderr"];
const COMPLETE: &[&str] = &["F", "P"];

/// What the table of known formats says beyond nginx's variables.
const OURS: [Variable; 34] = [
    ("_", Field::Ignored, 0, Class::Word),
    ("text", Field::Ignored, 0, Class::Text),
    ("number", Field::Ignored, 0, Class::Number),
    ("blanks", Field::Ignored, 0, Class::Blanks),
    ("rest", Field::Ignored, 0, Class::Rest),
    ("more", Field::Extras, 0, Class::More),
    ("more_words", Field::Ignored, 0, Class::MoreWords),
    ("hex_id", Field::Ignored, 0, Class::Hex(32)),
    ("lb_type", Field::Ignored, 0, Class::OneOf(LOAD_BALANCERS)),
    ("who", Field::Who, 0, Class::Text),
    ("between", Field::Ignored, 0, Class::Between),
    ("who_after_time", Field::WhoAfterTime, 0, Class::Between),
    ("time", Field::Time, 0, Class::Time),
    ("wall_time", Field::TimePiece, 0, Class::WallTime),
    ("unix_time", Field::Time, 0, Class::UnixTime),
    ("client", Field::Client, 0, Class::Word),
    ("forwarded", Field::Forwarded, 0, Class::Text),
    ("authority", Field::Host, 0, Class::Word),
    ("bytes", Field::Bytes, 0, Class::Number),
    ("method", Field::Method, 0, Class::Word),
    ("target", Field::Target, 0, Class::Text),
    ("url", Field::Target, 0, Class::Word),
    ("seconds", Field::Duration(Unit::Seconds), 0, Class::Number),
    ("millis", Field::Duration(Unit::Millis), 0, Class::Number),
    ("micros", Field::Duration(Unit::Micros), 0, Class::Number),
    ("part_seconds", Field::DurationPart(Unit::Seconds), 0, Class::Number),
    ("priority", Field::Ignored, 0, Class::Priority),
    ("stamp", Field::Ignored, 0, Class::SyslogTime),
    ("version", Field::Ignored, 0, Class::Count),
    ("structured", Field::Ignored, 0, Class::Structured),
    ("stream", Field::Stream, 0, Class::OneOf(STREAMS)),
    ("completeness", Field::Completeness, 0, Class::OneOf(COMPLETE)),
    ("inner", Field::Inner, 0, Class::Rest),
    ("count", Field::Ignored, 0, Class::Count),
];

/// The step of a variable of a table.
fn lookup(table: &[Variable], name: &str) -> Option<FieldStep> {
    let (_, field, rank, class) = table.iter().find(|(known, ..)| *known == name)?;
    Some(FieldStep::new(*field, *rank, class.clone()))
}

/// The step of a variable in a format string that somebody wrote; one that is not known may hold anything.
pub(super) fn of_nginx(name: &str) -> FieldStep {
    lookup(&NGINX, name).unwrap_or_else(|| FieldStep::new(Field::Ignored, 0, Class::Text))
}

/// The step of a variable in the table of known formats.
pub(super) fn of_known(name: &str) -> Option<FieldStep> {
    lookup(&OURS, name).or_else(|| lookup(&NGINX, name))
}
