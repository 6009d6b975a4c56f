//! Reads of one side; the end of each is reported to the side's breaker and to the suspensions.

use itop_client::{Error, Found, Query};

use crate::Shared;
use crate::side::failure::Failure;
use crate::side::heard;
use crate::side::itop::Itop;

/// Gets objects of a class, with these attributes.
pub(crate) async fn get(
    shared: &Shared,
    itop: &Itop,
    class: &str,
    query: &Query,
    attributes: &[&str],
) -> Result<Found, Failure> {
    asked(shared, itop, class, query, attributes).await.map_err(|error| Failure::of(itop, &error))
}

/// The same for a caller that needs iTop's own error.
pub(crate) async fn asked(
    shared: &Shared,
    itop: &Itop,
    class: &str,
    query: &Query,
    attributes: &[&str],
) -> Result<Found, Error> {
    let answer = itop.client.get(class, query, attributes).await;
    heard::noted(shared, itop, class, answer)
}

/// The highest ticket id of the side.
pub(crate) async fn highest_ticket(shared: &Shared, itop: &Itop) -> Result<u64, Failure> {
    let answer = itop.find_highest_ticket().await;
    heard::noted(shared, itop, "Ticket", answer).map_err(|error| Failure::of(itop, &error))
}

/// The highest attachment id of the side.
pub(crate) async fn highest_attachment(shared: &Shared, itop: &Itop) -> Result<u64, Failure> {
    let answer = itop.find_highest_attachment().await;
    heard::noted(shared, itop, "Attachment", answer).map_err(|error| Failure::of(itop, &error))
}
