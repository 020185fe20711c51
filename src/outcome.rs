//! The outcome of a batch, or of a deletion, in the words that journal, engine, cluster and HTTP share.
//!
//! Input: nothing. Output: [`Outcome`], [`DeletionOutcome`] and [`Reason`]. Never: knows about HTTP or files.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Durable and counted: 202.
    Counted,
    /// Counted before: 409.
    Duplicate,
    /// Another batch was counted under its key: 422.
    Conflict,
    /// Not counted: 503.
    Unavailable(Reason),
}

/// The outcome of deleting a customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeletionOutcome {
    /// No query sees anything of it any more: 204.
    Deleted,
    /// It was never counted: 404.
    NeverSeen,
    /// It was not deleted: 503.
    Unavailable(Reason),
    /// It cannot be deleted here: a cluster has no journal: 501.
    NotImplemented,
}

/// Defines [`Reason`] from one table: variant, name in metrics, words for the client.
macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident $label:literal $description:literal)*) => {
        /// Why no batch is taken at the moment.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Reason {
            $($(#[$doc])* $variant,)*
        }

        impl Reason {
            pub const ALL: &[Reason] = &[$(Reason::$variant),*];

            /// The name in metrics.
            pub fn label(self) -> &'static str {
                match self {
                    $(Reason::$variant => $label,)*
                }
            }

            /// In words, for the client.
            pub fn description(self) -> &'static str {
                match self {
                    $(Reason::$variant => $description,)*
                }
            }
        }
    };
}

reasons! {
    /// The bytes in flight are used up.
    Busy "busy" "too many bytes are in flight (--max-inflight-bytes): try again"
    /// The disk has less than `--min-free-bytes` or [`crate::base::disk::MIN_FREE_INODES`], or a write failed and was taken back.
    DiskFull "disk_full" "the disk is full (below --min-free-bytes, or 1,000 free inodes): try again when there is space"
    /// More than 2 GiB of journal, or twice `--max-resident-bytes` of windows, wait to be written to window files.
    Backlog "backlog" "too much waits to be written to window files: try again"
    /// A sync failed: see [`crate::base::latch`].
    Latched "latched" "the journal stopped after a disk error: the server must be restarted"
    /// The data directory was removed or moved while the server ran; the process ends.
    DataDirGone "data_dir_gone" "the data directory is gone: the server ends"
    Starting "starting" "the server is starting: try again"
    Stopping "stopping" "the server is stopping: try again"
    /// An entry is ahead of the clock, and the clock is before the last batch that was received.
    ClockBehind "clock_behind" "the server's clock is behind the time of its last batch: it must be set, then try again"
    /// The object store of a cluster cannot be reached.
    ObjectStore "object_store" "the object store cannot be reached: try again"
    /// The event stream of a cluster cannot be reached.
    Stream "stream" "the event stream cannot be reached: try again"
    /// The database of a cluster's windows cannot be reached.
    Database "database" "the database of windows cannot be reached: try again"
}
