//! A log cut into regions gives the same entries as the whole, if each region begins with the state of the one before it.

use super::cases::{cases, text};
use super::{read, told};
use crate::entry::Reader;

#[test]
fn a_log_read_in_two_regions_gives_what_the_whole_gives() {
    for case in cases() {
        for input in &case.inputs {
            let Ok(body) = text(input) else { continue };
            let lines: Vec<&[u8]> = body.split_inclusive(|byte| *byte == b'\n').collect();
            if lines.len() > 50 {
                continue;
            }
            let want = read(&case.options, &body);
            for cut in 0..=lines.len() {
                let mut all = Vec::new();
                let mut first = Reader::new(case.options.clone());
                first.body(&lines[..cut].concat(), &mut |outcome| all.push(told(&outcome)));
                let state = first.state();
                let state = state.iter().map(|(name, value)| (*name, value.as_str()));
                let mut second = Reader::resume(case.options.clone(), state).unwrap();
                assert_eq!(second.is_within_line(), first.is_within_line());
                second.body(&lines[cut..].concat(), &mut |outcome| all.push(told(&outcome)));
                second.finish(&mut |outcome| all.push(told(&outcome)));
                assert_eq!(all, want, "{}, cut before line {}", case.name, cut + 1);
            }
        }
    }
}
