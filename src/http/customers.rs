//! `GET /customers`: for operators, what each customer sent and what went wrong with it.
//!
//! Input: parameters, the counted sums, and [`Customers`]. Output: a page of customers, sorted by id. Operators are
//! those with a token of `--operator-token-file`. On a loopback server without any tokens everybody is one, because
//! everybody can name any customer there. Never: counts older than the last 202.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use serde::Serialize;

use super::errors::Problem;
use super::params::{Params, bad};
use super::reading::Reading;
use super::{Head, Response};
use crate::base::clock;
use crate::base::sync::lock;
use crate::customers::Customers;
use crate::customers::activity::{Refusal, RefusalKind};
use crate::metrics::Metrics;
use crate::model::CustomerId;
use crate::query::{CountedEntries, KnownCustomer, QueryAnswer, QueryError, QueryForm, StoredSource};
use crate::time;

/// Customers in a page where `limit` does not say, and at most.
const PAGE: (usize, usize) = (1_000, 10_000);
/// How long the size of a customer's directory is remembered.
const SIZE_AGE: Duration = Duration::from_secs(60);
/// The time that one request may spend on adding up sizes: a directory of a million files takes a second. Later
/// requests add up the rest.
const SIZES_TIME: Duration = Duration::from_millis(500);
/// Sizes that are remembered.
const MAX_SIZES: usize = 20_000;

#[derive(Serialize)]
struct CustomersPage {
    customers: Vec<CustomerRow>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// One customer. Refused batches, altered fields and folded keys are counted since the start of the process.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CustomerRow {
    customer_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    entries: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_seen: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_seen: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    refused: BTreeMap<&'static str, u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    last_refusals: Vec<RefusalRow>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    refusals: Vec<RefusalKindRow>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    altered: BTreeMap<&'static str, u64>,
    #[serde(skip_serializing_if = "is_zero")]
    folded_keys: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes_on_disk: Option<u64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RefusalRow {
    at: String,
    status: u16,
    reason: &'static str,
    error_description: String,
}

/// Refusals that differ in their time only; the time is that of the last one.
#[derive(Serialize)]
struct RefusalKindRow {
    batches: u64,
    #[serde(flatten)]
    last: RefusalRow,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl From<Refusal> for RefusalRow {
    fn from(refusal: Refusal) -> Self {
        let Refusal { at_ms, status, reason, description } = refusal;
        Self { at: time::format_rfc3339(at_ms), status, reason, error_description: description }
    }
}

impl From<RefusalKind> for RefusalKindRow {
    fn from(kind: RefusalKind) -> Self {
        Self { batches: kind.batches, last: kind.last.into() }
    }
}

impl Reading {
    /// Whether customers may be listed and deleted.
    ///
    /// # Errors
    /// 404 on a server that has other tokens than operators', 401 for anybody else.
    pub(super) fn authorize_operator(&self, head: &Head) -> Result<(), Problem> {
        match (self.is_open, self.operators().exist()) {
            (true, false) => Ok(()),
            (_, true) if self.operators().allow(head) => Ok(()),
            (_, true) => Err(Problem::http(401, "authorization: Bearer with an operator's token is needed")),
            (false, false) => Err(Problem::http(404, "the server was started without --operator-token-file")),
        }
    }

    /// `GET /customers`.
    ///
    /// # Errors
    /// 401 and 404 where the list may not be seen, then as for any query.
    pub fn customers(
        &self,
        head: &Head,
        source: &dyn StoredSource,
        customers: &Customers,
    ) -> Result<Response, Problem> {
        self.authorize_operator(head)?;
        let params = Params::of(head, &["limit", "next"])?;
        let limit = params.number("limit", PAGE.0, (1, PAGE.1), "")?;
        let first = match params.get("next") {
            None => None,
            Some(next) => {
                Some(CustomerId::new(next).ok_or_else(|| bad("next must be that of the page before"))?)
            }
        };
        self.run("/customers", head, QueryForm::Json, |_| {
            let known = all_customers(source.customers()?, customers);
            let from = first.map_or(0, |first| known.partition_point(|known| known.id < first));
            let (shown, rest) = known[from..].split_at(limit.min(known.len() - from));
            let until = clock::monotonic() + SIZES_TIME;
            let row = |known: &KnownCustomer| {
                let bytes_on_disk = self.sizes.of(&known.id, source, until)?;
                Ok(row(known, customers, &self.metrics, bytes_on_disk))
            };
            let customers = shown.iter().map(row).collect::<Result<_, QueryError>>()?;
            let page = CustomersPage { customers, next: rest.first().map(|next| next.id.to_string()) };
            let body = serde_json::to_vec(&page).expect("text is written into memory");
            Ok(QueryAnswer { body, next: None, covered: None })
        })
    }
}

/// Customers with counted entries, and customers that have only refused batches.
fn all_customers(mut known: Vec<KnownCustomer>, customers: &Customers) -> Vec<KnownCustomer> {
    let is_counted = |id: &CustomerId| known.binary_search_by(|known| known.id.cmp(id)).is_ok();
    let refused = customers.activity().customers().into_iter().filter(|id| !is_counted(id));
    let refused: Vec<_> = refused.map(|id| KnownCustomer { id, counted: None }).collect();
    known.extend(refused);
    known.sort_unstable_by(|a, b| a.id.cmp(&b.id));
    known
}

fn row(
    KnownCustomer { id, counted }: &KnownCustomer,
    customers: &Customers,
    metrics: &Metrics,
    bytes_on_disk: Option<u64>,
) -> CustomerRow {
    let activity = customers.activity().of(id);
    let seen =
        |of: fn(&CountedEntries) -> u64| counted.as_ref().map(|counted| time::format_rfc3339(of(counted)));
    CustomerRow {
        customer_id: id.to_string(),
        entries: counted.map(|counted| counted.entries),
        first_seen: seen(|counted| counted.first_seen_ms),
        last_seen: seen(|counted| counted.last_seen_ms),
        refused: activity.refused.iter().map(|refused| (refused.reason, refused.batches)).collect(),
        last_refusals: activity.last_refusals.into_iter().map(RefusalRow::from).collect(),
        refusals: activity.kinds.into_iter().map(RefusalKindRow::from).collect(),
        altered: activity.altered.into_iter().collect(),
        folded_keys: metrics.folded_keys_of(id),
        bytes_on_disk,
    }
}

/// The sizes of customers' directories, remembered for a while: adding up all files takes time.
#[derive(Debug, Default)]
pub(super) struct DiskSizes(Mutex<HashMap<CustomerId, (Instant, Option<u64>), RandomState>>);

impl DiskSizes {
    /// The size of a customer's directory; `None` if it is not known, or could not be added up before `until`.
    fn of(
        &self,
        customer: &CustomerId,
        source: &dyn StoredSource,
        until: Instant,
    ) -> Result<Option<u64>, QueryError> {
        let now = clock::monotonic();
        let known = lock(&self.0).get(customer).copied();
        let known = known.filter(|(at, _)| now.saturating_duration_since(*at) < SIZE_AGE);
        if let Some((_, bytes)) = known {
            return Ok(bytes);
        }
        if now >= until {
            return Ok(None);
        }
        let bytes = source.bytes_on_disk(customer)?;
        let mut sizes = lock(&self.0);
        if sizes.len() >= MAX_SIZES {
            sizes.clear();
        }
        sizes.insert(customer.clone(), (now, bytes));
        Ok(bytes)
    }
}
