//! `DELETE /customers/{id}`: from a request to a deletion, and from its outcome to an answer.
//!
//! Input: a request of an operator. Output: 204 once nothing of the customer is seen any more. Never: decides who is an
//! operator.

use super::errors::Problem;
use super::params::{Params, bad};
use super::{Head, Response};
use crate::base::hex::percent_decoded;
use crate::intake::{DeletionOutcome, Intake};
use crate::model::CustomerId;

/// The beginning of a customer's path.
pub(super) const CUSTOMERS: &str = "/customers/";

/// Deletes the customer that the path names. Without an `intake` the process has no journal.
///
/// # Errors
/// 400 for what is not a customer id, 404 for a customer that was never counted, 501 without a journal, 503 where it could not be
/// deleted.
pub(super) fn delete(head: &Head, intake: Option<&dyn Intake>) -> Result<Response, Problem> {
    Params::of(head, &[])?;
    let id = head.path.strip_prefix(CUSTOMERS).and_then(|id| percent_decoded(id.as_bytes()));
    let customer = id.and_then(|id| CustomerId::new(std::str::from_utf8(&id).ok()?));
    let customer = customer.ok_or_else(|| {
        bad("the path must end with a percent-encoded customer id of 1 to 128 visible characters")
    })?;
    match intake.map_or(DeletionOutcome::NotImplemented, |intake| intake.delete(&customer)) {
        DeletionOutcome::Deleted => {
            Ok(Response { status: 204, headers: Vec::new(), body: Vec::new(), close: false })
        }
        DeletionOutcome::NeverSeen => Err(Problem::http(404, "no batch of this customer was ever counted")),
        DeletionOutcome::Unavailable(reason) => Err(Problem::unavailable(reason.description())),
        DeletionOutcome::NotImplemented => Err(Problem::http(
            501,
            "a cluster cannot delete a customer by itself: see \"Deleting a customer\" in deploy/README.md",
        )),
    }
}
