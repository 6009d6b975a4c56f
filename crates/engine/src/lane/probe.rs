//! The prober, one per side. Only it calls a side that is down, once per `probe_ms` and with the lightest call, so that
//! the side is left in peace and its return is still noticed soon, whatever work waits.

use std::sync::Arc;

use itop_client::ErrorClass;

use crate::side::itop::Itop;
use crate::{Lane, Shared};

/// Probes the lane's external, or the internal side.
pub async fn run(shared: Arc<Shared>, lane: Option<Arc<Lane>>) {
    shared.probe_when_needed(lane.as_ref().map_or(&shared.internal, |lane| &lane.external)).await;
}

impl Shared {
    async fn probe_when_needed(&self, itop: &Itop) {
        loop {
            let wait_ms = itop.breaker().next_probe_ms(self.timing.probe_ms);
            tokio::select! {
                biased;
                () = itop.trouble.notified() => {}
                () = self.clock.sleep(wait_ms.unwrap_or_default()), if wait_ms.is_some() => self.probe(itop).await,
            }
        }
    }

    async fn probe(&self, itop: &Itop) {
        self.read_login_again(itop).await;
        match itop.client.check_login().await {
            Ok(_) => {
                // The side may have been restored while it was down: check before any work is done with it.
                if let Err(failure) = self.halt_if_restored(itop).await {
                    tracing::debug!(itop = %itop.name, error = %failure.text, "whether it was restored is asked by the next sweep");
                }
                self.answered(itop);
            }
            Err(error) if matches!(error.class, ErrorClass::Throttled { .. }) => {
                itop.breaker().is_slowed();
                self.slow_down(itop, &error);
            }
            Err(error) => self.goes_down(itop, &error),
        }
    }
}
