//! The process's limit of open files, and what it leaves for connections.
//!
//! In: how many connections are wanted, and what else opens files and sockets. Out: how many connections there may be, so
//! that a crowd of clients can never take the descriptors that everything else needs. It must never refuse a start: fewer
//! connections are still a server.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::http::limits::FrontLimits;

/// Descriptors kept in every process: standard streams, lock, journal, listener, signals, and the files that checkpointer
/// and queries have open at one moment.
const RESERVED: u64 = 64;

/// What a process opens besides its clients' connections.
#[derive(Clone, Copy, Debug)]
pub(super) struct Needs {
    /// Whatever its clients do, beyond what every process has. Where half of all descriptors is less, half is kept.
    pub(super) reserved: usize,
    /// To answer one client's request.
    pub(super) per_request: usize,
}

/// Raises the soft limit as far as it may go, and cuts the connections to what it then bears.
pub(super) fn fit(limits: FrontLimits, needs: Needs) -> FrontLimits {
    let found = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: found.maximum, maximum: found.maximum };
    let limit = setrlimit(Resource::Nofile, raised).map_or(found.current, |()| found.maximum);
    // No limit at all.
    let Some(limit) = limit else { return limits };
    let reserved = (RESERVED + needs.reserved as u64).min(limit / 2);
    let fitted = fitted(&limits, limit - reserved, needs.per_request);
    if fitted != limits {
        log::warn!(
            "at most {limit} files may be open (ulimit -n): --max-connections is cut from {} to {}",
            limits.max_connections,
            fitted.max_connections,
        );
    }
    fitted
}

/// Shares these descriptors out: clients that are turned away may have up to an eighth, twice over, because as many
/// wait to be seen out as are being seen out.
fn fitted(limits: &FrontLimits, descriptors: u64, per_request: usize) -> FrontLimits {
    let descriptors = usize::try_from(descriptors).unwrap_or(usize::MAX);
    let max_turned_away = limits.max_turned_away.min((descriptors / 8).max(1));
    let left = descriptors.saturating_sub(2 * max_turned_away) / (1 + per_request);
    let max_connections = limits.max_connections.min(left.max(1));
    FrontLimits { max_connections, max_turned_away, ..limits.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_descriptors_cut_connections_and_many_do_not() {
        let limits = FrontLimits { max_connections: 512, max_turned_away: 128, ..FrontLimits::default() };
        for (descriptors, per_request, expected) in [
            (1_024, 0, (512, 128)),
            (768, 0, (576 - 64, 96)),
            (400, 0, (300, 50)),
            (400, 1, (150, 50)),
            (8, 0, (6, 1)),
            (0, 0, (1, 1)),
            (0, 1, (1, 1)),
        ] {
            let fitted = fitted(&limits, descriptors, per_request);
            assert_eq!((fitted.max_connections, fitted.max_turned_away), expected, "{descriptors}");
        }
    }
}
