//! Tests that start the real binary: the contracts, crashes, damage, import, report, the dashboard, the gateway.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests stop at the unexpected")]
#![allow(unreachable_pub, reason = "helpers are shared by several test binaries")]

mod crash;
mod customers_file;
mod dashboard;
mod deletion;
mod deploy;
mod dry_run;
mod failing_disk;
mod forged_records;
mod formats;
mod full_disk;
mod gateway;
mod help;
mod hostile_http;
mod hostile_limits;
mod https;
mod import;
mod ingest_contract;
mod known_batches;
mod log_lines;
mod lost_and_damaged;
mod openapi;
mod overload;
mod packing;
mod power_cut;
mod query_again;
mod query_contract;
mod query_model;
mod real_curl;
mod report;
mod scenarios;
mod summarize;
mod support;
mod ten_questions;
mod week_04;
mod week_05;
mod week_08;
mod week_data;
mod window_retention;
