//! The bytes of a summary inside a journal record: what replay applies, so that a later agent table, limit or
//! clock cannot change what a batch counted.
//!
//! All integers are little-endian:
//!
//! ```text
//! u32 paths   u32 agents   u32 minutes   u32 entries
//! paths  × { u32 bytes, text }       sorted, distinct
//! agents × { u32 bytes, text }       sorted, distinct
//! minutes × { u32 minute since 1970-01-01T00:00Z, u32 requests, u32 path counts, u32 agent counts,
//!             path counts × { u32 index, u32 count }, agent counts × { u32 index, u32 count } }
//! ```
//!
//! Minutes ascend, indices ascend within a minute, and the counts of each kind sum to the minute's requests.

use std::sync::Arc;

use super::format::Invalid;
use crate::model::{Counts, KeyTable, Keys, Summary, WindowStart};

/// Appends a summary.
pub fn encode(summary: &Summary, out: &mut Vec<u8>) {
    let mut put = |value: usize| out.extend_from_slice(&to_u32(value).to_le_bytes());
    put(summary.keys.paths.len());
    put(summary.keys.agents.len());
    put(summary.minutes.len());
    put(summary.entries as usize);
    for table in [&summary.keys.paths, &summary.keys.agents] {
        for key in table.iter() {
            out.extend_from_slice(&to_u32(key.len()).to_le_bytes());
            out.extend_from_slice(key.as_bytes());
        }
    }
    for (start, counts) in &summary.minutes {
        let mut put = |value: u32| out.extend_from_slice(&value.to_le_bytes());
        put(start.0);
        put(counts.requests);
        put(to_u32(counts.by_path.len()));
        put(to_u32(counts.by_agent.len()));
        for (index, count) in counts.by_path.iter().chain(&counts.by_agent) {
            put(*index);
            put(*count);
        }
    }
}

fn to_u32(value: usize) -> u32 {
    u32::try_from(value).expect("a batch's parts are counted in 32 bits")
}

/// Reads a summary back and checks that its sums hold.
///
/// # Errors
/// [`Invalid::Content`] for anything [`encode`] would not have written. The checksums around it make that a bug
/// or a forgery, not damage.
pub fn decode(bytes: &[u8]) -> Result<Summary, Invalid> {
    let mut reader = Reader { bytes };
    let [paths, agents, minutes, entries] = [reader.u32()?, reader.u32()?, reader.u32()?, reader.u32()?];
    let keys = Keys { paths: reader.key_table(paths)?, agents: reader.key_table(agents)? };
    let mut windows = Vec::new();
    let mut total = 0u64;
    for _ in 0..minutes {
        let start = WindowStart(reader.u32()?);
        let requests = reader.u32()?;
        let (path_counts, agent_counts) = (reader.u32()?, reader.u32()?);
        let counts = Counts {
            requests,
            by_path: reader.counts(path_counts, paths, requests)?,
            by_agent: reader.counts(agent_counts, agents, requests)?,
        };
        if windows.last().is_some_and(|(previous, _)| *previous >= start) {
            return Err(Invalid::Content("the summary's minutes do not ascend"));
        }
        total += u64::from(requests);
        windows.push((start, Arc::new(counts)));
    }
    if total != u64::from(entries) || !reader.bytes.is_empty() {
        return Err(Invalid::Content("the summary does not sum up"));
    }
    Ok(Summary { entries, keys: Arc::new(keys), minutes: windows })
}

struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, bytes: usize) -> Result<&'a [u8], Invalid> {
        let (taken, rest) =
            self.bytes.split_at_checked(bytes).ok_or(Invalid::Content("the summary is cut short"))?;
        self.bytes = rest;
        Ok(taken)
    }

    fn u32(&mut self) -> Result<u32, Invalid> {
        Ok(u32::from_le_bytes(self.take(4)?.try_into().expect("four bytes")))
    }

    fn key_table(&mut self, keys: u32) -> Result<KeyTable, Invalid> {
        let mut table = KeyTable::default();
        for _ in 0..keys {
            let bytes = self.u32()? as usize;
            let text = std::str::from_utf8(self.take(bytes)?);
            table.push(text.map_err(|_| Invalid::Content("the summary's keys are not UTF-8"))?);
        }
        Ok(table)
    }

    fn counts(&mut self, pairs: u32, keys: u32, requests: u32) -> Result<Vec<(u32, u32)>, Invalid> {
        let mut counts: Vec<(u32, u32)> = Vec::new();
        let mut total = 0u64;
        for _ in 0..pairs {
            let (index, count) = (self.u32()?, self.u32()?);
            if index >= keys || counts.last().is_some_and(|(previous, _)| *previous >= index) {
                return Err(Invalid::Content("the summary's counts name no key, or one twice"));
            }
            total += u64::from(count);
            counts.push((index, count));
        }
        if total == u64::from(requests) {
            Ok(counts)
        } else {
            Err(Invalid::Content("the summary's counts do not sum to its requests"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary() -> Summary {
        let mut keys = Keys::default();
        keys.paths.push("GET /");
        keys.paths.push("GET /é");
        keys.agents.push("Chrome");
        let first = Counts { requests: 3, by_path: vec![(0, 1), (1, 2)], by_agent: vec![(0, 3)] };
        let second = Counts { requests: 1, by_path: vec![(1, 1)], by_agent: vec![(0, 1)] };
        Summary {
            entries: 4,
            keys: Arc::new(keys),
            minutes: vec![(WindowStart(10), Arc::new(first)), (WindowStart(70), Arc::new(second))],
        }
    }

    #[test]
    fn summaries_are_read_back_as_they_were() {
        for summary in [Summary::default(), summary()] {
            let mut bytes = Vec::new();
            encode(&summary, &mut bytes);
            assert_eq!(decode(&bytes).unwrap(), summary);
        }
    }

    #[test]
    fn no_cut_or_changed_summary_panics_or_sums_wrong() {
        let mut bytes = Vec::new();
        encode(&summary(), &mut bytes);
        for cut in 0..bytes.len() {
            assert!(decode(&bytes[..cut]).is_err(), "cut at {cut}");
        }
        for position in 0..bytes.len() {
            for value in [0, 1, 0x7F, 0xFF] {
                let mut changed = bytes.clone();
                changed[position] = value;
                if let Ok(read) = decode(&changed) {
                    let sum: u32 = read.minutes.iter().map(|(_, counts)| counts.requests).sum();
                    assert_eq!(sum, read.entries);
                }
            }
        }
    }
}
