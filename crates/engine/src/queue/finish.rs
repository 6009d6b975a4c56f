//! The end of a claim: in the queue, and for the suspensions.

use itop_bridge_store::{Claim, Next, StoreError};

use crate::Shared;
use crate::suspension::say_over;

pub(crate) async fn finish(shared: &Shared, claim: &Claim, next: Next) {
    match next {
        Next::Done | Next::Look { .. } => end_waiting(shared, claim),
        Next::Wait { .. } | Next::Held { .. } | Next::Retry { .. } => hand_back(shared, claim),
    }
    let now = shared.now_ms();
    // A full disk may prevent the record for a while: without retries the ticket would wait until its lease ends.
    let record = async || loop {
        let (owned, next) = (claim.clone(), next.clone());
        match shared.store.call(move |store| store.finish(&owned, &next, now)).await {
            Err(StoreError::Unavailable(_)) if shared.now_ms() + shared.timing.poll_ms < claim.lease.until_ms => {
                shared.clock.sleep(shared.timing.poll_ms).await;
            }
            ended => return ended,
        }
    };
    if let Err(error) = record().await {
        tracing::warn!(ticket = %format!("{}:{}", claim.lease.of.external, claim.lease.of.ticket), %error, "the end of a pass was not recorded; the ticket is looked at again");
    }
}

/// The ticket has no work left, so it waits for nothing that was refused.
pub(crate) fn end_waiting(shared: &Shared, claim: &Claim) {
    hand_back(shared, claim);
    let of = &claim.lease.of;
    say_over(&shared.suspensions().record_well(&of.external, of.ticket));
}

/// The ticket's pass has ended: if it was a probe and proved nothing, the next one may go.
pub(crate) fn hand_back(shared: &Shared, claim: &Claim) {
    let of = &claim.lease.of;
    shared.suspensions().hand_back(&of.external, of.ticket, shared.now_ms());
}
