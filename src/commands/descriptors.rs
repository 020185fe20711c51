//! The process's limit of open files, and what it leaves for connections.
//!
//! In: how many connections are wanted. Out: how many there may be, so that a crowd of clients can never take the
//! descriptors that journal and windows need. It must never refuse a start: fewer connections are still a server.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::http::limits::FrontLimits;

/// Descriptors kept for everything else, besides two for each worker: standard streams, lock, journal, listener,
/// signals, and the files that checkpointer and queries have open at one moment. Where half of all is less, half.
const RESERVED: u64 = 64;

/// Raises the soft limit as far as it may go, and cuts the connections to what it then bears.
pub(super) fn fit(limits: FrontLimits, partitions: usize) -> FrontLimits {
    let found = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: found.maximum, maximum: found.maximum };
    let limit = setrlimit(Resource::Nofile, raised).map_or(found.current, |()| found.maximum);
    // No limit at all.
    let Some(limit) = limit else { return limits };
    let reserved = (RESERVED + 2 * partitions as u64).min(limit / 2);
    let fitted = fitted(&limits, limit - reserved);
    if fitted != limits {
        log::warn!(
            "at most {limit} files may be open (ulimit -n): --max-connections is cut from {} to {}, \
             --max-turned-away from {} to {}",
            limits.max_connections,
            fitted.max_connections,
            limits.max_turned_away,
            fitted.max_turned_away
        );
    }
    fitted
}

/// Shares these descriptors out: clients that are turned away may have up to an eighth, twice over, because as many
/// wait to be seen out as are being seen out.
fn fitted(limits: &FrontLimits, descriptors: u64) -> FrontLimits {
    let descriptors = usize::try_from(descriptors).unwrap_or(usize::MAX);
    let max_turned_away = limits.max_turned_away.min((descriptors / 8).max(1));
    let max_connections = limits.max_connections.min(descriptors.saturating_sub(2 * max_turned_away).max(1));
    FrontLimits { max_connections, max_turned_away, ..limits.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_descriptors_cut_connections_and_many_do_not() {
        let limits = FrontLimits { max_connections: 512, max_turned_away: 128, ..FrontLimits::default() };
        for (descriptors, expected) in
            [(1_024, (512, 128)), (768, (576 - 64, 96)), (400, (300, 50)), (8, (6, 1)), (0, (1, 1))]
        {
            let fitted = fitted(&limits, descriptors);
            assert_eq!((fitted.max_connections, fitted.max_turned_away), expected, "{descriptors}");
        }
    }
}
