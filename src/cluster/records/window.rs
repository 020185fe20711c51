//! One minute window of one batch, in the canonical JSON that window files have.
//!
//! Input: counts, or JSON from anyone. Output: the JSON, and what it counts.
//! Never: another form of the same window: its bytes are copied from the summary into the insight as they are.

use super::RecordError;
use crate::model::{Counts, CustomerId, Keys, WindowId, WindowSize, WindowStart};
use crate::windows::file;
use crate::windows::json::{Form, push_window};
use crate::windows::view::{Wanted, WindowView};

/// What a batch counts in one of its minutes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchWindow {
    pub customer: CustomerId,
    pub start: WindowStart,
    pub requests: u64,
    json: Box<str>,
}

impl BatchWindow {
    /// The window of a summary.
    pub(super) fn of(customer: &CustomerId, start: WindowStart, keys: &Keys, counts: &Counts) -> Self {
        let id = WindowId { size: WindowSize::Minute, start };
        let mut json = String::new();
        push_window(&mut json, customer, &WindowView::of_counts(id, keys, counts), Form::File);
        json.push('}');
        Self { customer: customer.clone(), start, requests: u64::from(counts.requests()), json: json.into() }
    }

    pub(super) fn read(json: &str) -> Result<Self, RecordError> {
        let (customer, view) = file::decode_record(json, &Wanted::ALL)
            .map_err(|damaged| RecordError::Window(damaged.to_string()))?;
        if view.id.size != WindowSize::Minute {
            return Err(RecordError::Window("windowSize is not minute".to_owned()));
        }
        if view.all.requests == 0 {
            return Err(RecordError::Window("it counts no requests".to_owned()));
        }
        Ok(Self { customer, start: view.id.start, requests: view.all.requests, json: json.into() })
    }

    /// Everything it counts.
    pub fn view(&self) -> WindowView<'_> {
        let (_, view) = file::decode_record(&self.json, &Wanted::ALL)
            .expect("the JSON was written by this program or read before");
        view
    }

    pub(super) fn json(&self) -> &str {
        &self.json
    }
}
