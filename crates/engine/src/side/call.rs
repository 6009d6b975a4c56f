//! Reads of one side, each with its end told to the side's breaker and to the suspensions.

use itop_client::{Error, Found, Query};

use crate::Shared;
use crate::side::failure::Failure;
use crate::side::itop::Itop;

impl Shared {
    /// Objects of a class, with these attributes.
    pub(crate) async fn get(
        &self,
        itop: &Itop,
        class: &str,
        query: &Query,
        attributes: &[&str],
    ) -> Result<Found, Failure> {
        self.asked(itop, class, query, attributes).await.map_err(|error| Failure::of(itop, &error))
    }

    /// The same for a caller that decides by iTop's error.
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
}
