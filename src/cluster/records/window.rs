//! One minute window of one batch, in the canonical JSON that window files have.
//!
//! Input: counts, or JSON from anyone. Output: the JSON, and what it counts.
//! Never: another form of the same window: its bytes are copied from the summary into the insight as they are.

use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

use super::RecordError;
use crate::model::{Counts, CustomerId, Keys, WindowId, WindowSize, WindowStart};
use crate::windows::file;
use crate::windows::json::{Form, push_window};
use crate::windows::view::{Wanted, WindowView};

/// What a batch counts in one of its minutes.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "Box<RawValue>")]
pub struct BatchWindow {
    pub customer: CustomerId,
    pub start: WindowStart,
    pub requests: u64,
    json: Box<RawValue>,
}

impl BatchWindow {
    /// The window of a summary.
    pub(super) fn of(customer: &CustomerId, start: WindowStart, keys: &Keys, counts: &Counts) -> Self {
        let id = WindowId { size: WindowSize::Minute, start };
        let mut json = String::new();
        push_window(&mut json, customer, &WindowView::of_counts(id, keys, counts), Form::File);
        json.push('}');
        let json = RawValue::from_string(json).expect("a window is written as JSON");
        Self { customer: customer.clone(), start, requests: u64::from(counts.requests()), json }
    }

    /// Everything it counts.
    pub fn view(&self) -> WindowView<'_> {
        let (_, view) = file::decode_record(self.json.get(), &Wanted::ALL)
            .expect("the JSON was written by this program or read before");
        view
    }
}

/// The JSON says everything else.
impl PartialEq for BatchWindow {
    fn eq(&self, other: &Self) -> bool {
        self.json.get() == other.json.get()
    }
}

impl Eq for BatchWindow {}

impl Serialize for BatchWindow {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.json.serialize(serializer)
    }
}

impl TryFrom<Box<RawValue>> for BatchWindow {
    type Error = RecordError;

    fn try_from(json: Box<RawValue>) -> Result<Self, RecordError> {
        let (customer, view) = file::decode_record(json.get(), &Wanted::ALL)
            .map_err(|damaged| RecordError::Window(damaged.to_string()))?;
        if view.id.size != WindowSize::Minute {
            return Err(RecordError::Window("windowSize is not minute".to_owned()));
        }
        if view.all.requests == 0 {
            return Err(RecordError::Window("it counts no requests".to_owned()));
        }
        let (start, requests) = (view.id.start, view.all.requests);
        Ok(Self { customer, start, requests, json })
    }
}
