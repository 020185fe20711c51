//! Settings of the cluster's roles: where the object store, Kafka and ClickHouse are.
//!
//! Secrets come from files or the environment, never from flags: everybody on the machine can read those.

use std::path::PathBuf;

use clap::Args;

use super::{Bytes, within};
use crate::cluster::clickhouse::ClickHouseOptions;
use crate::cluster::kafka::{KafkaOptions, Topics};
use crate::cluster::s3::StoreOptions;

#[derive(Clone, Debug, Args)]
pub struct StoreArgs {
    /// Bucket of batches and summaries: http(s)://HOST:PORT/BUCKET
    #[arg(long, env = "LOG_ANALYTICS_S3", value_name = "URL")]
    pub s3: String,
    /// Region of the bucket
    #[arg(long, env = "LOG_ANALYTICS_S3_REGION", value_name = "NAME", default_value = "us-east-1")]
    pub s3_region: String,
    /// Address the bucket as BUCKET.HOST, as AWS prefers, instead of HOST/BUCKET
    #[arg(long, env = "LOG_ANALYTICS_S3_VIRTUAL_HOST")]
    pub s3_virtual_host: bool,
    /// File with aws_access_key_id, aws_secret_access_key and perhaps aws_session_token, each NAME = VALUE on a line;
    /// SIGHUP reads it again. Without it the variables of these names are used
    #[arg(long, env = "LOG_ANALYTICS_S3_CREDENTIALS_FILE", value_name = "FILE")]
    pub s3_credentials_file: Option<PathBuf>,
}

impl StoreArgs {
    pub(crate) fn options(&self) -> StoreOptions {
        StoreOptions {
            url: self.s3.clone(),
            region: self.s3_region.clone(),
            virtual_host: self.s3_virtual_host,
            credentials_file: self.s3_credentials_file.clone(),
        }
    }
}

#[derive(Clone, Debug, Args)]
pub struct SecretArgs {
    /// File with the cluster's secret of 16 bytes, the same for every process: clients are hashed under it. A process whose
    /// secret is not the one that the bucket was written under does not start
    #[arg(long, env = "LOG_ANALYTICS_SECRET_FILE", value_name = "FILE")]
    pub secret_file: PathBuf,
}

#[derive(Clone, Debug, Args)]
pub struct KafkaArgs {
    /// Kafka brokers to connect to first: HOST:PORT,…
    #[arg(long, env = "LOG_ANALYTICS_KAFKA", value_name = "BROKERS")]
    pub kafka: String,
    /// File with further options of librdkafka, NAME=VALUE on a line: security.protocol, sasl.username, …
    #[arg(long, env = "LOG_ANALYTICS_KAFKA_OPTIONS_FILE", value_name = "FILE")]
    pub kafka_options_file: Option<PathBuf>,
    /// Largest record; the topics must allow it (max.message.bytes)
    #[arg(
        long,
        env = "LOG_ANALYTICS_KAFKA_MAX_RECORD_BYTES",
        value_name = "BYTES",
        default_value = "8MiB",
        value_parser = within(Bytes(1 << 10), Bytes(1 << 29))
    )]
    pub kafka_max_record_bytes: Bytes,
    /// Topic of batches that were taken
    #[arg(long, env = "LOG_ANALYTICS_TOPIC_BATCHES", value_name = "NAME", default_value = "batch-ingested")]
    pub topic_batches: String,
    /// Topic of the windows that batches were reduced to
    #[arg(long, env = "LOG_ANALYTICS_TOPIC_INSIGHTS", value_name = "NAME", default_value = "insight-events")]
    pub topic_insights: String,
    /// Topic of insights that came too late for the window job
    #[arg(long, env = "LOG_ANALYTICS_TOPIC_LATE", value_name = "NAME", default_value = "late-insights")]
    pub topic_late: String,
    /// Topic of records that cannot be processed
    #[arg(long, env = "LOG_ANALYTICS_TOPIC_DEAD", value_name = "NAME", default_value = "dead-letters")]
    pub topic_dead: String,
}

impl KafkaArgs {
    pub(crate) fn options(&self) -> KafkaOptions {
        KafkaOptions {
            brokers: self.kafka.clone(),
            options_file: self.kafka_options_file.clone(),
            max_record_bytes: self.kafka_max_record_bytes.size(),
            topics: Topics {
                batches: self.topic_batches.clone(),
                insights: self.topic_insights.clone(),
                late: self.topic_late.clone(),
                dead: self.topic_dead.clone(),
            },
        }
    }
}

#[derive(Clone, Debug, Args)]
pub struct ClickHouseArgs {
    /// ClickHouse's HTTP interface: http(s)://HOST:PORT
    #[arg(long, env = "LOG_ANALYTICS_CLICKHOUSE", value_name = "URL")]
    pub clickhouse: String,
    /// Database that deploy/clickhouse/schema.sql was applied to
    #[arg(
        long,
        env = "LOG_ANALYTICS_CLICKHOUSE_DATABASE",
        value_name = "NAME",
        default_value = "log_analytics"
    )]
    pub clickhouse_database: String,
    /// File with the user's name on the first line and the password on the second; SIGHUP reads it again
    #[arg(long, env = "LOG_ANALYTICS_CLICKHOUSE_CREDENTIALS_FILE", value_name = "FILE")]
    pub clickhouse_credentials_file: Option<PathBuf>,
}

impl ClickHouseArgs {
    pub(crate) fn options(&self) -> ClickHouseOptions {
        ClickHouseOptions {
            url: self.clickhouse.clone(),
            database: self.clickhouse_database.clone(),
            credentials_file: self.clickhouse_credentials_file.clone(),
        }
    }
}
