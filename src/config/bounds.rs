//! Every bound of a process, in the types of the modules that keep them.
//!
//! Input: [`Config`]. Output: options for each module: the settings, and the module's own constants. Never: a number.

use super::{Config, RawBatches};
use crate::batch;
#[cfg(feature = "cluster")]
use crate::cluster::ClusterLimits;
use crate::engine::keeper::KeptFor;
use crate::engine::{self, EngineOptions, PackOptions};
use crate::http::server::FrontLimits;
use crate::journal::committer::{CommitLimits, MAX_UNCHECKPOINTED_BYTES, SEGMENT_BYTES};
use crate::journal::retention::Retention;
use crate::query::QueryLimits;
use crate::windows::fold::WindowLimits;
use crate::windows::worker::{FLUSH_INTERVAL_MS, WorkerLimits};

#[derive(Clone, Debug)]
pub struct Bounds {
    pub front: FrontLimits,
    pub batch: batch::Limits,
    /// The largest body of a batch, decoded.
    pub max_body_bytes: usize,
    /// The memory of all batches between arrival and merge.
    pub max_inflight_bytes: usize,
    pub query: QueryLimits,
    pub engine: EngineOptions,
    #[cfg(feature = "cluster")]
    pub cluster: ClusterLimits,
}

impl Bounds {
    pub(super) fn new(config: &Config) -> Self {
        let Config { server, batch, .. } = config;
        let batch_limits = batch::Limits {
            max_entries: batch.max_entries,
            keep_query: batch.keep_query.keep_query,
            ..batch::Limits::default()
        };
        Self {
            front: FrontLimits {
                max_connections: server.max_connections,
                idle_timeout: server.idle_timeout.0,
                ..FrontLimits::default()
            },
            max_body_bytes: batch.max_body_bytes.size(),
            max_inflight_bytes: batch.max_inflight_bytes.size(),
            query: QueryLimits::default(),
            engine: engine_options(config),
            batch: batch_limits,
            #[cfg(feature = "cluster")]
            cluster: ClusterLimits::default(),
        }
    }

    /// Checks relations between bounds.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.max_inflight_bytes < self.max_body_bytes.saturating_mul(4) {
            let reason =
                "must be at least four times --max-body-bytes, or no large batch could ever be taken";
            return Err(format!("--max-inflight-bytes {reason}"));
        }
        if self.engine.checkpoint_bytes >= self.engine.commit.max_uncheckpointed_bytes {
            let reason = "or batches would be refused before a checkpoint is made";
            return Err(format!("--tune: checkpoint_bytes must be below max_uncheckpointed_bytes, {reason}"));
        }
        self.front.check().map_err(|rule| format!("--tune: {rule}"))
    }
}

fn engine_options(config: &Config) -> EngineOptions {
    let Config { journal, windows, retain, .. } = config;
    EngineOptions {
        partitions: windows.partitions,
        queue_length: engine::QUEUE_LENGTH,
        max_group_batches: engine::MAX_GROUP_BATCHES,
        max_group_bytes: engine::MAX_GROUP_BYTES,
        commit: CommitLimits {
            segment_bytes: SEGMENT_BYTES,
            min_free_bytes: journal.min_free_bytes.0,
            max_uncheckpointed_bytes: MAX_UNCHECKPOINTED_BYTES,
        },
        worker: WorkerLimits {
            window: WindowLimits::default(),
            max_resident_bytes: windows.max_resident_bytes.size() / windows.partitions,
            flush_interval_ms: FLUSH_INTERVAL_MS,
            max_future_ms: batch::MAX_FUTURE_MS,
        },
        dedup_keys: journal.dedup_keys,
        kept_for: KeptFor {
            journal: Retention {
                max_age_ms: journal.retain_journal.ms(),
                max_bytes: journal.retain_journal_bytes.0,
            },
            windows_days: retain.retain_windows_days.0,
        },
        pack: PackOptions {
            after: windows.pack_after.0,
            quiet: engine::PACK_QUIET,
            interval: engine::PACK_INTERVAL,
        },
        checkpoint_interval: engine::CHECKPOINT_INTERVAL,
        checkpoint_bytes: engine::CHECKPOINT_BYTES,
        keep_bodies: journal.raw_batches == RawBatches::Keep,
    }
}
