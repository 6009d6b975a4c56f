//! Reads of one side; the end of each is reported to the side's breaker and to the suspensions.

use itop_client::{Error, Found, Query};

use crate::Shared;
use crate::side::failure::Failure;
use crate::side::itop::Itop;

impl Shared {
    /// Gets objects of a class, with these attributes.
    pub(crate) async fn get(
        &self,
        itop: &Itop,
        class: &str,
        query: &Query,
        attributes: &[&str],
    ) -> Result<Found, Failure> {
        self.asked(itop, class, query, attributes).await.map_err(|error| Failure::of(itop, &error))
    }

    /// The same for a caller that needs iTop's own error.
    pub(crate) async fn asked(
        &self,
        itop: &Itop,
        class: &str,
        query: &Query,
        attributes: &[&str],
    ) -> Result<Found, Error> {
        let answer = itop.client.get(class, query, attributes).await;
        self.noted(itop, class, answer)
    }

    /// The highest ticket id of the side.
    pub(crate) async fn highest_ticket(&self, itop: &Itop) -> Result<u64, Failure> {
        let answer = itop.find_highest_ticket().await;
        self.noted(itop, "Ticket", answer).map_err(|error| Failure::of(itop, &error))
    }

    /// The highest attachment id of the side.
    pub(crate) async fn highest_attachment(&self, itop: &Itop) -> Result<u64, Failure> {
        let answer = itop.find_highest_attachment().await;
        self.noted(itop, "Attachment", answer).map_err(|error| Failure::of(itop, &error))
    }
}
