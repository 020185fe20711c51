//! Flags of the front ends, and how they become [`FrontLimits`].

use clap::Args;

use super::units::{Bytes, Span};
use crate::http::limits::FrontLimits;

/// Limits on connections and requests. What is rarely changed is told by `--help` only, not by `-h`.
#[derive(Clone, Debug, Args)]
pub struct FrontArgs {
    /// Connections open at once
    #[arg(long, env = "LOG_ANALYTICS_MAX_CONNECTIONS", value_name = "N", default_value_t = 512)]
    pub max_connections: usize,
    /// Request line and headers together (431 beyond)
    #[arg(long, env = "LOG_ANALYTICS_MAX_HEAD_BYTES", value_name = "BYTES", default_value = "16KiB")]
    pub max_head_bytes: Bytes,
    /// Request target (414 beyond)
    #[arg(long, env = "LOG_ANALYTICS_MAX_TARGET_BYTES", value_name = "BYTES", default_value = "8KiB")]
    pub max_target_bytes: Bytes,
    /// Headers of one request (431 beyond)
    #[arg(long, env = "LOG_ANALYTICS_MAX_HEADERS", value_name = "N", default_value_t = 100)]
    pub max_headers: usize,
    /// Time for a request's head (408 beyond)
    #[arg(long, env = "LOG_ANALYTICS_HEAD_TIMEOUT", value_name = "TIME", default_value = "5s")]
    pub head_timeout: Span,
    /// Bytes a second that a body must come with (408 below)
    #[arg(long, env = "LOG_ANALYTICS_MIN_BODY_RATE", value_name = "BYTES", default_value = "64KiB")]
    pub min_body_rate: Bytes,
    /// Time a connection may wait for its next request
    #[arg(long, env = "LOG_ANALYTICS_IDLE_TIMEOUT", value_name = "TIME", default_value = "60s")]
    pub idle_timeout: Span,
    /// Bytes of a refused body that are read and thrown away so that the client sees the answer
    #[arg(long, env = "LOG_ANALYTICS_LINGER_BYTES", value_name = "BYTES", default_value = "4MiB")]
    pub linger_bytes: Bytes,
    /// Time spent on that
    #[arg(long, env = "LOG_ANALYTICS_LINGER_TIMEOUT", value_name = "TIME", default_value = "1s")]
    pub linger_timeout: Span,
    /// Time a body has before --min-body-rate counts
    #[arg(
        long,
        env = "LOG_ANALYTICS_BODY_GRACE",
        value_name = "TIME",
        default_value = "2s",
        hide_short_help = true
    )]
    pub body_grace: Span,
    /// A body that nobody asked for is read and thrown away up to this size, so that the connection can go on
    #[arg(
        long,
        env = "LOG_ANALYTICS_MAX_SKIPPED_BODY_BYTES",
        value_name = "BYTES",
        default_value = "64KiB",
        hide_short_help = true
    )]
    pub max_skipped_body_bytes: Bytes,
    /// A chunk-size line, extensions included (400 beyond)
    #[arg(
        long,
        env = "LOG_ANALYTICS_MAX_CHUNK_LINE_BYTES",
        value_name = "BYTES",
        default_value = "4KiB",
        hide_short_help = true
    )]
    pub max_chunk_line_bytes: Bytes,
    /// All trailers of a chunked body (400 beyond)
    #[arg(
        long,
        env = "LOG_ANALYTICS_MAX_TRAILER_BYTES",
        value_name = "BYTES",
        default_value = "8KiB",
        hide_short_help = true
    )]
    pub max_trailer_bytes: Bytes,
    /// Chunk framing a body may have before it is measured against the data: eight bytes a byte (400 beyond)
    #[arg(
        long,
        env = "LOG_ANALYTICS_FREE_FRAMING_BYTES",
        value_name = "BYTES",
        default_value = "64KiB",
        hide_short_help = true
    )]
    pub free_framing_bytes: Bytes,
    /// The largest buffer that a connection keeps while it waits for its next request
    #[arg(
        long,
        env = "LOG_ANALYTICS_KEPT_BUFFER_BYTES",
        value_name = "BYTES",
        default_value = "64KiB",
        hide_short_help = true
    )]
    pub kept_buffer_bytes: Bytes,
    /// Stack of a connection thread
    #[arg(
        long,
        env = "LOG_ANALYTICS_THREAD_STACK_BYTES",
        value_name = "BYTES",
        default_value = "512KiB",
        hide_short_help = true
    )]
    pub thread_stack_bytes: Bytes,
    /// How long a thread without a connection stays for the next one
    #[arg(
        long,
        env = "LOG_ANALYTICS_THREAD_IDLE_TIMEOUT",
        value_name = "TIME",
        default_value = "5s",
        hide_short_help = true
    )]
    pub thread_idle_timeout: Span,
    /// Connections that the kernel holds ready until they are accepted (cut to net.core.somaxconn)
    #[arg(
        long,
        env = "LOG_ANALYTICS_BACKLOG",
        value_name = "N",
        default_value_t = 4096,
        hide_short_help = true
    )]
    pub backlog: u32,
    /// Clients turned away at --max-connections that are given a moment to read their 503; more are just closed
    #[arg(
        long,
        env = "LOG_ANALYTICS_MAX_TURNED_AWAY",
        value_name = "N",
        default_value_t = 128,
        hide_short_help = true
    )]
    pub max_turned_away: usize,
    /// Time between two log lines about trouble that clients can cause at will
    #[arg(
        long,
        env = "LOG_ANALYTICS_LOG_INTERVAL",
        value_name = "TIME",
        default_value = "30s",
        hide_short_help = true
    )]
    pub log_interval: Span,
}

/// Above this a bound is a slip of the pen.
const MAX_BYTES: u64 = 1 << 30;

impl FrontArgs {
    /// The limits in the front end's own types.
    pub fn limits(&self) -> FrontLimits {
        FrontLimits {
            max_connections: self.max_connections,
            max_head_bytes: self.max_head_bytes.size(),
            max_target_bytes: self.max_target_bytes.size(),
            max_headers: self.max_headers,
            head_timeout: self.head_timeout.0,
            min_body_rate: self.min_body_rate.0,
            idle_timeout: self.idle_timeout.0,
            linger_bytes: self.linger_bytes.size(),
            linger_timeout: self.linger_timeout.0,
            grace: self.body_grace.0,
            max_skipped_body_bytes: self.max_skipped_body_bytes.size(),
            max_chunk_line_bytes: self.max_chunk_line_bytes.size(),
            max_trailer_bytes: self.max_trailer_bytes.size(),
            free_framing_bytes: self.free_framing_bytes.size(),
            kept_buffer_bytes: self.kept_buffer_bytes.size(),
            thread_stack_bytes: self.thread_stack_bytes.size(),
            thread_idle_timeout: self.thread_idle_timeout.0,
            backlog: self.backlog,
            max_turned_away: self.max_turned_away,
            log_interval: self.log_interval.0,
            ..FrontLimits::default()
        }
    }

    /// Checks the flags one by one and together.
    ///
    /// # Errors
    /// The flag and what is wrong with it.
    pub(super) fn check(&self) -> Result<(), String> {
        for (flag, bytes) in [
            ("--linger-bytes", self.linger_bytes),
            ("--max-skipped-body-bytes", self.max_skipped_body_bytes),
            ("--free-framing-bytes", self.free_framing_bytes),
            ("--thread-stack-bytes", self.thread_stack_bytes),
        ] {
            if bytes.0 > MAX_BYTES {
                return Err(format!("{flag} must be at most 1GiB"));
            }
        }
        // A rule begins with a field's name; others in it are known by their underscores. A field is named as its flag.
        let flag = |(number, word): (usize, &str)| {
            let is_field = number == 0 || (word.contains('_'));
            if is_field { format!("--{}", word.replace('_', "-")) } else { word.to_owned() }
        };
        let with_flags = |rule: String| rule.split(' ').enumerate().map(flag).collect::<Vec<_>>().join(" ");
        self.limits().check().map_err(with_flags)
    }
}
