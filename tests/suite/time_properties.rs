//! Properties of reading and writing times, against jiff as an independent calendar. proptest prints the seed of
//! a failure.

use jiff::Timestamp;
use log_analytics::model::{WindowId, WindowSize};
use log_analytics::time::{self, TimeError};
use proptest::prelude::*;
use proptest::sample::select;

use crate::support::properties::cases;

proptest! {
    #![proptest_config(cases(4_000))]

    #[test]
    fn every_rfc_3339_text_is_read_as_jiff_reads_it(
        (year, month, day) in (1969..2035_u32, 1..=12_u32, 1..=31_u32),
        (hour, minute, second) in (0..25_u32, 0..61_u32, 0..61_u32),
        fraction in "(\\.[0-9]{1,9})?",
        separator in select(vec!['T', 't', ' ']),
        offset in "(Z|z|[+-][0-2][0-9]:[0-6][0-9])",
    ) {
        let text = format!("{year:04}-{month:02}-{day:02}{separator}{hour:02}:{minute:02}:{second:02}{fraction}{offset}");
        let got = time::parse_rfc3339(&text);
        // jiff takes offsets of more than a day; the RFC's hours end at 23.
        let is_offset = offset.len() == 1 || &offset[1..3] < "24";
        match text.parse::<Timestamp>() {
            Ok(_) if !is_offset => prop_assert_eq!(got, Err(TimeError::Malformed), "{}", text),
            Ok(want) if want.as_nanosecond() < 0 => prop_assert_eq!(got, Err(TimeError::OutOfRange)),
            Ok(want) => prop_assert_eq!(got, Ok(want.as_millisecond() as u64)),
            Err(_) => prop_assert_eq!(got, Err(TimeError::Malformed), "{}", text),
        }
    }

    #[test]
    fn formatted_times_are_what_jiff_prints(ms in 0..=253_402_207_200_999_u64) {
        let want = Timestamp::from_second((ms / 1_000) as i64).unwrap().to_string();
        prop_assert_eq!(time::format_rfc3339(ms), want);
        for size in WindowSize::ALL {
            let start = time::minute_of(ms).floor(size);
            let window = WindowId { size, start };
            prop_assert_eq!(time::parse_stamp(&time::format_stamp(window)), Some(window));
            prop_assert_eq!(time::parse_rfc3339(&time::format_start(start)), Ok(time::start_ms(start)));
        }
    }

    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,40}") {
        let (parsed, stamp) = (time::parse_rfc3339(&text), time::parse_stamp(&text));
        prop_assert!(parsed.is_err() || text.len() >= 20);
        prop_assert!(stamp.is_none_or(|window| time::format_stamp(window) == text));
    }
}
