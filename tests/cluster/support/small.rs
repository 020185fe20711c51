//! A cluster of real roles on a bucket in memory and librdkafka's own mock of Kafka, in this process: everything up to the
//! insights. There is no window job and no ClickHouse.

use std::path::{Path, PathBuf};

use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;

use super::bucket::Bucket;
use super::client::Client;
use super::role::{Role, Variables, run_to_end_with, wait_for};

/// A secret of sixteen zero bytes: that of the examples.
const SECRET: [u8; 16] = [0; 16];

pub struct SmallCluster {
    pub bucket: Bucket,
    pub kafka: MockCluster<'static, DefaultProducerContext>,
    dir: PathBuf,
}

impl SmallCluster {
    /// In this folder, with a secret file.
    pub fn start(dir: &Path) -> SmallCluster {
        let kafka = MockCluster::new(1).unwrap();
        for topic in ["batch-ingested", "insight-events", "late-insights", "dead-letters"] {
            kafka.create_topic(topic, 1, 1).unwrap();
        }
        std::fs::write(dir.join("secret"), SECRET).unwrap();
        SmallCluster { bucket: Bucket::start(), kafka, dir: dir.to_owned() }
    }

    pub fn variables(&self) -> Variables {
        vec![
            ("LOG_ANALYTICS_S3", self.bucket.url()),
            ("AWS_ACCESS_KEY_ID", "key".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "secret".to_owned()),
            ("LOG_ANALYTICS_SECRET_FILE", self.dir.join("secret").display().to_string()),
            ("LOG_ANALYTICS_KAFKA", self.kafka.bootstrap_servers()),
            ("LOG_ANALYTICS_CLICKHOUSE", "http://127.0.0.1:1".to_owned()),
            ("LOG_ANALYTICS_LISTEN", "127.0.0.1:0".to_owned()),
        ]
    }

    pub fn role(&self, name: &str, flags: &[&str]) -> Role {
        Role::start_with(&self.variables(), &self.dir, name, flags)
    }

    pub fn run_to_end(&self, args: &[&str]) -> String {
        run_to_end_with(&self.variables(), args)
    }

    /// What a role has logged.
    pub fn log(&self, role: &str) -> String {
        std::fs::read_to_string(self.dir.join(format!("role-{role}.log"))).unwrap()
    }

    /// Waits until so many batches have a summary.
    pub fn wait_for_summaries(&self, count: usize) {
        wait_for("summaries", || self.bucket.keys("summaries/").len() >= count);
        assert_eq!(self.bucket.keys("summaries/").len(), count);
    }
}

/// The lines or the document that a query answers.
pub fn ask(addr: std::net::SocketAddr, customer: &str, target: &str) -> super::client::Answer {
    Client::new(addr).get(target, &[("x-customer-id", customer)]).unwrap()
}
