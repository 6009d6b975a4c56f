//! The prober, one per side. Only it calls a side that is down, once per `probe_ms` and with the lightest call, so that
//! the side is left in peace and its return is still noticed soon, whatever work waits.

use std::sync::Arc;

use itop_client::ErrorClass;

use crate::halt::went_back::halt_if_restored;
use crate::side::call;
use crate::side::heard::{self, answered};
use crate::side::itop::Itop;
use crate::side::login::read_login_again;
use crate::side::throttle::slow_down;
use crate::{Lane, Shared};

/// Probes the lane's external, or the internal side.
pub async fn run(shared: Arc<Shared>, lane: Option<Arc<Lane>>) {
    probe_when_needed(&shared, lane.as_ref().map_or(&shared.internal, |lane| &lane.external)).await;
}

async fn probe_when_needed(shared: &Shared, itop: &Itop) {
    loop {
        let wait_ms = itop.breaker().next_probe_ms(shared.timing.probe_ms);
        tokio::select! {
            biased;
            () = itop.trouble.notified() => {}
            () = shared.clock.sleep(wait_ms.unwrap_or_default()), if wait_ms.is_some() => probe(shared, itop).await,
        }
    }
}

async fn probe(shared: &Shared, itop: &Itop) {
    read_login_again(shared, itop).await;
    match call::is_there(itop).await {
        Ok(_) => {
            // The side may have been restored while it was down: check before any work is done with it.
            if let Err(failure) = halt_if_restored(shared, itop).await {
                tracing::debug!(itop = %itop.name, error = %failure.text, "whether it was restored is asked by the next sweep");
            }
            answered(shared, itop);
        }
        Err(error) if matches!(error.class, ErrorClass::Throttled { .. }) => {
            itop.breaker().is_slowed();
            slow_down(shared, itop, &error);
        }
        Err(error) => heard::goes_down(shared, itop, &error),
    }
}
