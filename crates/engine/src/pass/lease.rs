//! Renews a ticket's lease while the bridge waits for an iTop: over a slow line a read or a file takes minutes. A pass
//! that lost its lease writes nothing more.

use std::future::Future;

use itop_bridge_store::{Claim, Lease};
use itop_client::Error;

use crate::Shared;
use crate::pass::Pass;
use crate::side::failure::Failure;
use crate::side::itop::Itop;

impl Pass<'_> {
    /// Makes a call while renewing the lease, and notes how the call ended.
    pub(crate) async fn leased<T>(
        &mut self,
        itop: &Itop,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<Result<T, Error>, Failure> {
        let answer = self.shared.calling(&mut self.claim, itop, call).await?;
        self.shared.heard(itop, &answer);
        Ok(answer)
    }

    /// Waits for reads that themselves note how they ended.
    pub(crate) async fn reading<T>(&mut self, reads: impl Future<Output = T>) -> Result<T, Failure> {
        self.shared.keep_lease(&mut self.claim, reads).await
    }
}

impl Shared {
    /// Starts a call only if the lease outlives the call's time-out, and renews the lease while it runs: a large file
    /// over a slow line takes minutes.
    pub(crate) async fn calling<T>(
        &self,
        claim: &mut Claim,
        itop: &Itop,
        call: impl Future<Output = T>,
    ) -> Result<T, Failure> {
        self.wait_with_lease(claim, itop.timeout_ms + self.timing.call_margin_ms, call).await
    }

    /// Waits for something other than a call, or for several calls that themselves note how they ended.
    pub(crate) async fn keep_lease<T>(&self, claim: &mut Claim, wait: impl Future<Output = T>) -> Result<T, Failure> {
        self.wait_with_lease(claim, 0, wait).await
    }

    /// Waits while renewing the lease: at once if less than `least_ms` of it is left.
    async fn wait_with_lease<T>(
        &self,
        claim: &mut Claim,
        least_ms: i64,
        wait: impl Future<Output = T>,
    ) -> Result<T, Failure> {
        let period_ms = self.timing.lease_ms / 3;
        if claim.lease.until_ms - self.now_ms() < least_ms.max(period_ms + period_ms / 2) {
            self.renew(claim).await?;
        }
        tokio::pin!(wait);
        loop {
            tokio::select! {
                biased;
                done = &mut wait => return Ok(done),
                () = self.clock.sleep(period_ms) => self.renew(claim).await?,
            }
        }
    }

    /// Waits on behalf of many tickets. If a lease is lost meanwhile, its ticket's pass notices.
    pub(crate) async fn keep_leases<T>(
        &self,
        mut leases: Vec<Lease>,
        wait: impl Future<Output = T>,
    ) -> (T, Vec<Lease>) {
        tokio::pin!(wait);
        loop {
            tokio::select! {
                biased;
                done = &mut wait => return (done, leases),
                () = self.clock.sleep(self.timing.lease_ms / 3) => {}
            }
            for lease in &mut leases {
                let (until_ms, renewed) = (self.now_ms() + self.timing.lease_ms, lease.clone());
                if self.store.call(move |store| store.renew(&renewed, until_ms)).await.is_ok() {
                    lease.until_ms = until_ms;
                }
            }
        }
    }

    async fn renew(&self, claim: &mut Claim) -> Result<(), Failure> {
        let until_ms = self.now_ms() + self.timing.lease_ms;
        let lease = claim.lease.clone();
        self.store.call(move |store| store.renew(&lease, until_ms)).await?;
        claim.lease.until_ms = until_ms;
        Ok(())
    }
}
