//! Flags of the roles: where the object store, Kafka and ClickHouse are, and every limit towards them.
//!
//! Secrets come from files or the environment, never from flags, which everybody on the machine can read; nothing here
//! is ever logged as a whole.

use std::path::PathBuf;

use clap::Args;

use crate::config::{Bytes, Span};

/// Where batches and summaries are kept.
#[derive(Clone, Debug, Args)]
pub struct StoreArgs {
    /// The bucket: http(s)://HOST:PORT/BUCKET
    #[arg(long, env = "LOG_ANALYTICS_S3", value_name = "URL")]
    pub s3: String,
    /// The bucket's region
    #[arg(long, env = "LOG_ANALYTICS_S3_REGION", value_name = "NAME", default_value = "us-east-1")]
    pub s3_region: String,
    /// Name the bucket in the host (BUCKET.HOST), as AWS prefers, instead of in the path
    #[arg(long, env = "LOG_ANALYTICS_S3_VIRTUAL_HOST")]
    pub s3_virtual_host: bool,
    /// File with aws_access_key_id, aws_secret_access_key and perhaps aws_session_token, each NAME = VALUE on a line;
    /// read again on SIGHUP. Without it the variables of these names count
    #[arg(long, env = "LOG_ANALYTICS_S3_CREDENTIALS_FILE", value_name = "FILE")]
    pub s3_credentials_file: Option<PathBuf>,
    /// Time for one request to the object store
    #[arg(long, env = "LOG_ANALYTICS_S3_TIMEOUT", value_name = "TIME", default_value = "5s")]
    pub s3_timeout: Span,
    /// Idle connections to the object store that are kept
    #[arg(long, env = "LOG_ANALYTICS_S3_CONNECTIONS", value_name = "N", default_value_t = 64)]
    pub s3_connections: usize,
}

/// Where events go and come from.
#[derive(Clone, Debug, Args)]
pub struct KafkaArgs {
    /// Brokers to begin with: HOST:PORT,…
    #[arg(long, env = "LOG_ANALYTICS_KAFKA", value_name = "BROKERS")]
    pub kafka: String,
    /// File with further options of librdkafka, NAME=VALUE on a line: security.protocol, sasl.username, …
    #[arg(long, env = "LOG_ANALYTICS_KAFKA_OPTIONS_FILE", value_name = "FILE")]
    pub kafka_options_file: Option<PathBuf>,
    /// Time for a record to be taken by all replicas, and for every other request
    #[arg(long, env = "LOG_ANALYTICS_KAFKA_TIMEOUT", value_name = "TIME", default_value = "10s")]
    pub kafka_timeout: Span,
    /// The largest record; topics must allow it (max.message.bytes)
    #[arg(long, env = "LOG_ANALYTICS_KAFKA_MAX_RECORD_BYTES", value_name = "BYTES", default_value = "8MiB")]
    pub kafka_max_record_bytes: Bytes,
    /// Topic of batches that were taken
    #[arg(long, env = "LOG_ANALYTICS_TOPIC_BATCHES", value_name = "NAME", default_value = "batch-ingested")]
    pub topic_batches: String,
    /// Topic of what they were reduced to
    #[arg(long, env = "LOG_ANALYTICS_TOPIC_INSIGHTS", value_name = "NAME", default_value = "insight-events")]
    pub topic_insights: String,
    /// Topic of insights that came too late for the window job
    #[arg(long, env = "LOG_ANALYTICS_TOPIC_LATE", value_name = "NAME", default_value = "late-insights")]
    pub topic_late: String,
    /// Topic of records that cannot be worked on
    #[arg(long, env = "LOG_ANALYTICS_TOPIC_DEAD", value_name = "NAME", default_value = "dead-letters")]
    pub topic_dead: String,
}

/// Where windows are.
#[derive(Clone, Debug, Args)]
pub struct ClickHouseArgs {
    /// ClickHouse's HTTP interface: http(s)://HOST:PORT
    #[arg(long, env = "LOG_ANALYTICS_CLICKHOUSE", value_name = "URL")]
    pub clickhouse: String,
    /// The database that deploy/clickhouse/schema.sql was applied to
    #[arg(
        long,
        env = "LOG_ANALYTICS_CLICKHOUSE_DATABASE",
        value_name = "NAME",
        default_value = "log_analytics"
    )]
    pub clickhouse_database: String,
    /// File with the user's name on the first line and the password on the second; read again on SIGHUP
    #[arg(long, env = "LOG_ANALYTICS_CLICKHOUSE_CREDENTIALS_FILE", value_name = "FILE")]
    pub clickhouse_credentials_file: Option<PathBuf>,
    /// Time for one request to ClickHouse
    #[arg(long, env = "LOG_ANALYTICS_CLICKHOUSE_TIMEOUT", value_name = "TIME", default_value = "10s")]
    pub clickhouse_timeout: Span,
}
