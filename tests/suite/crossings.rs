//! What was built apart must hold together: the test for each crossing of packing, deletion and rates with everything else.
//!
//! | | packing | deletion | rates |
//! |---|---|---|---|
//! | query | `process::packing::a_packed_day_answers_takes_late_entries_and_survives_kills` | `process::deletion::a_deleted_customer_is_gone_from_everything_and_stays_gone` | `process::customers_file::a_customer_over_its_rate_gets_429_and_others_do_not` |
//! | `where` | `process::packing::a_packed_day_answers_takes_late_entries_and_survives_kills` | `process::deletion::a_deleted_customer_is_gone_from_everything_and_stays_gone` | `process::customers_file::a_customer_over_its_rate_gets_429_and_others_do_not` |
//! | late entry | `process::packing::a_packed_day_answers_takes_late_entries_and_survives_kills` | `suite::simulate::crashes::acked_batches_survive_a_kill_after_every_operation` | costs what any entry costs |
//! | kill | `process::packing::a_packed_day_answers_takes_late_entries_and_survives_kills` | `process::deletion::batches_under_load_are_on_one_side_of_a_deletion_whatever_kills_the_server` | `process::customers_file::a_customer_over_its_rate_gets_429_and_others_do_not` |
//! | power cut | `suite::simulate::crashes::acked_batches_survive_a_power_cut_after_every_operation` | `suite::simulate::crashes::acked_batches_survive_a_power_cut_after_every_operation` | nothing on disk |
//! | copy | `suite::copies::week_01_no_copy_file_by_file_starts_with_wrong_counts` | `suite::copies::week_01_no_copy_file_by_file_starts_with_wrong_counts` | nothing on disk |
//! | `verify` | `process::packing::a_damaged_pack_is_found_and_counted_again_as_far_as_the_journal_reaches` | `suite::deletions::deleted_windows_that_are_put_back_do_not_exist` | `process::customers_file::a_customer_over_its_rate_gets_429_and_others_do_not` |
//! | `repair` | `process::packing::a_damaged_pack_is_found_and_counted_again_as_far_as_the_journal_reaches` | `suite::deletions::a_repair_keeps_to_deletions` | nothing on disk |
//! | backup | `process::packing::a_backup_holds_packs_and_retention_removes_them` | `process::deletion::a_backup_of_a_deleted_customer_does_not_bring_it_back` | nothing on disk |
//! | retention | `process::packing::a_backup_holds_packs_and_retention_removes_them` | `suite::simulate::crashes::acked_batches_survive_a_kill_after_every_operation` | nothing on disk |
//! | packing | | `suite::simulate::crashes::acked_batches_survive_a_kill_after_every_operation` | nothing on disk |
//!
//! The crashes of `simulate` run the workloads `packing`, `deleting` and `deleting_packed`, whose days are packed, deleted and
//! expire while entries for them come.

use std::path::Path;

use crate::support::test_names::tests_below;

#[test]
fn the_table_names_tests_that_exist() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut names = Vec::new();
    tests_below(&tests, "", &mut names);
    let rows = include_str!("crossings.rs").lines().filter(|line| line.starts_with("//! |"));
    let named: Vec<&str> = rows.flat_map(|row| row.split('`')).filter(|word| word.contains("::")).collect();
    assert!(named.len() > 20, "{named:?}");
    for name in named {
        assert!(names.iter().any(|test| test == name), "{name}");
    }
}
