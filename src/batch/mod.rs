//! From the bytes of a body to a [`Summary`](crate::model::Summary): parse, check, window and count. Pure: no clock, disk or
//! channel; equal bytes, limits and time give equal results.
//!
//! [`decode`] undoes the content coding, [`summarize`] makes the summary, [`insights`] cuts it into what the window workers
//! merge. [`reference()`] defines what [`summarize`] must answer, error for error. [`Counter`] is for input without end,
//! and for entries that were read elsewhere.
//! The way of the data: `walk` goes from item to item; `reference`, or `json` and `fast`, read one item; `rules`
//! check its fields; `tally` counts it, its path by the customer's `path_rules`; `summarize` brings the counts into
//! their canonical form.

pub mod agent;
mod cache;
mod client;
mod content;
mod counter;
mod decode;
mod entry;
mod error;
mod fast;
mod field;
mod filter;
mod finder;
mod intern;
mod json;
mod layout;
mod limits;
mod lines;
mod number;
pub mod path_rules;
mod raw;
mod reference;
mod repair;
mod rules;
mod scan;
mod split;
mod summarize;
mod tally;
mod walk;
mod whole;

pub use client::ClientAddress;
pub use content::Content;
pub use counter::Counter;
pub use decode::{DecodeError, Encoding, decode};
pub use entry::Entry;
pub use error::{BatchError, ItemError, ItemPlace};
pub use field::{Altered, Field};
pub use filter::{Filter, FilterError};
pub use finder::{Finder, FoundEntry, ReadEntry};
pub use limits::{
    Format, LARGEST_BODY_BYTES, Limits, MAX_AGENT_BYTES, MAX_FUTURE_MS, MAX_MINUTES, MAX_PATH_BYTES,
    fixed_visitor_key, visitor_key,
};
pub use number::Number;
pub use raw::{RawEntry, RawText, RawValue};
pub use summarize::{insights, windows};
pub use whole::{Summarized, reference, summarize};
