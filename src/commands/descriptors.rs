//! The process's limit of open files, and what it leaves for connections.
//!
//! Input: how many connections are wanted, and what else opens files and sockets. Output: how many connections there
//! may be, so that a crowd of clients cannot take the descriptors that everything else needs. Never: refuses a start;
//! fewer connections are still a server.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::http::limits::FrontLimits;

/// Descriptors kept in every process: standard streams, lock, journal, listener, signals, and the files that checkpointer
/// and queries have open at one moment.
const RESERVED: u64 = 64;

/// What a process opens besides its clients' connections.
#[derive(Clone, Copy, Debug)]
pub(super) struct Needs {
    /// Kept whatever clients do, in addition to `RESERVED`. If half of all descriptors is less, half is kept.
    pub(super) reserved: usize,
    /// Needed to answer one client's request.
    pub(super) per_request: usize,
}

/// Raises the soft limit as far as possible, and cuts the number of connections to what the limit then allows.
pub(super) fn fit(limits: FrontLimits, needs: Needs) -> FrontLimits {
    let found = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: found.maximum, maximum: found.maximum };
    let limit = setrlimit(Resource::Nofile, raised).map_or(found.current, |()| found.maximum);
    // The process has no limit.
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

/// Divides these descriptors: rejected connections may take up to an eighth, twice over, because as many wait in the
/// queue of rejections as are being answered.
fn fitted(limits: &FrontLimits, descriptors: u64, per_request: usize) -> FrontLimits {
    let descriptors = usize::try_from(descriptors).unwrap_or(usize::MAX);
    let max_rejections = limits.max_rejections.min((descriptors / 8).max(1));
    let left = descriptors.saturating_sub(2 * max_rejections) / (1 + per_request);
    let max_connections = limits.max_connections.min(left.max(1));
    FrontLimits { max_connections, max_rejections, ..limits.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_descriptors_cut_connections_and_many_do_not() {
        let limits = FrontLimits { max_connections: 512, max_rejections: 128, ..FrontLimits::default() };
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
            assert_eq!((fitted.max_connections, fitted.max_rejections), expected, "{descriptors}");
        }
    }
}
