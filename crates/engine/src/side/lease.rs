//! Renews a ticket's lease while the bridge waits for an iTop: over a slow line a read or a file takes minutes. A pass
//! that lost its lease writes nothing more.

use std::future::Future;

use itop_bridge_store::{Claim, Lease};

use crate::Shared;
use crate::side::failure::Failure;
use crate::side::itop::Itop;

/// Makes a call under the lease: renews it before, if it would not outlive the call's time-out, and while the call
/// runs. Every write goes through here.
pub(crate) async fn call_under_lease<T>(
    shared: &Shared,
    claim: &mut Claim,
    itop: &Itop,
    call: impl Future<Output = T>,
) -> Result<T, Failure> {
    wait_with_lease(shared, claim, itop.timeout_ms + shared.timing.call_margin_ms, call).await
}

/// Waits for reads, or for memory: nothing that could change an iTop after the lease is lost.
pub(crate) async fn wait_under_lease<T>(
    shared: &Shared,
    claim: &mut Claim,
    wait: impl Future<Output = T>,
) -> Result<T, Failure> {
    wait_with_lease(shared, claim, 0, wait).await
}

/// Waits while renewing the lease: at once if less than `least_ms` of it is left.
async fn wait_with_lease<T>(
    shared: &Shared,
    claim: &mut Claim,
    least_ms: i64,
    wait: impl Future<Output = T>,
) -> Result<T, Failure> {
    let period_ms = shared.timing.lease_ms / 3;
    if claim.lease.until_ms - shared.now_ms() < least_ms.max(period_ms + period_ms / 2) {
        renew(shared, claim).await?;
    }
    tokio::pin!(wait);
    loop {
        tokio::select! {
            biased;
            done = &mut wait => return Ok(done),
            () = shared.clock.sleep(period_ms) => renew(shared, claim).await?,
        }
    }
}

/// Waits on behalf of many tickets. If a lease is lost meanwhile, its ticket's pass notices.
pub(crate) async fn keep_leases<T>(
    shared: &Shared,
    mut leases: Vec<Lease>,
    wait: impl Future<Output = T>,
) -> (T, Vec<Lease>) {
    tokio::pin!(wait);
    loop {
        tokio::select! {
            biased;
            done = &mut wait => return (done, leases),
            () = shared.clock.sleep(shared.timing.lease_ms / 3) => {}
        }
        for lease in &mut leases {
            let (until_ms, renewed) = (shared.now_ms() + shared.timing.lease_ms, lease.clone());
            if shared.store.call(move |store| store.renew(&renewed, until_ms)).await.is_ok() {
                lease.until_ms = until_ms;
            }
        }
    }
}

async fn renew(shared: &Shared, claim: &mut Claim) -> Result<(), Failure> {
    let until_ms = shared.now_ms() + shared.timing.lease_ms;
    let lease = claim.lease.clone();
    shared.store.call(move |store| store.renew(&lease, until_ms)).await?;
    claim.lease.until_ms = until_ms;
    Ok(())
}
