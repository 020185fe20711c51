//! A log cut into regions gives the same entries as the whole, if each region begins with the state of the one before it.

use super::cases::{cases, text};
use super::{headers, in_utc, read, told};
use crate::entry::{Reader, ReaderOptions};

/// Of longer logs not every place is tried.
const MAX_LINES: usize = 50;

fn check(name: &str, options: &ReaderOptions, body: &[u8]) {
    let lines: Vec<&[u8]> = body.split_inclusive(|byte| *byte == b'\n').collect();
    if lines.len() > MAX_LINES {
        return;
    }
    let want = read(options, body);
    for cut in 0..=lines.len() {
        let mut all = Vec::new();
        let mut first = Reader::new(options.clone());
        first.body(&lines[..cut].concat(), &mut |outcome| all.push(told(&outcome)));
        let state = first.state();
        let state = state.iter().map(|(name, value)| (*name, value.as_str()));
        let mut second = Reader::resume(options.clone(), state).unwrap();
        assert_eq!(second.is_within_line(), first.is_within_line());
        second.body(&lines[cut..].concat(), &mut |outcome| all.push(told(&outcome)));
        second.finish(&mut |outcome| all.push(told(&outcome)));
        assert_eq!(all, want, "{name}, cut before line {}", cut + 1);
        let is_state = !lines[..cut].iter().all(|line| !Reader::may_carry(line));
        assert!(is_state || first.state().is_empty(), "{name}, state before line {}", cut + 1);
    }
}

#[test]
fn a_log_read_in_two_regions_gives_what_the_whole_gives() {
    for case in cases() {
        for input in &case.inputs {
            let Ok(body) = text(input) else { continue };
            check(&case.name, &case.options, &body);
        }
    }
    for log in [headers::TIME_ALONE, headers::EXPORT] {
        check(log, &in_utc(), log.as_bytes());
    }
}
