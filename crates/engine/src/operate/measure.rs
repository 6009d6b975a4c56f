//! The values of the metrics: the counters, and the bridge's state when they are requested.

use itop_bridge_store::{MAX_ROWS, Result};

use crate::metrics::gauge;
use crate::operate::health::{self, LaneStanding};
use crate::{Shared, refused};

/// Stores the recent webhooks, so that `check` can tell which kinds arrive.
pub(crate) async fn store_hooks(shared: &Shared) -> Result<()> {
    let came = shared.metrics.take_hooks();
    for some in came.chunks(MAX_ROWS) {
        let counted = some.to_vec();
        if let Err(error) = shared.store.call(move |store| store.count_hooks(&counted)).await {
            shared.metrics.put_back(some);
            return Err(error);
        }
    }
    let refused = shared.metrics.take_refused();
    if !refused.is_empty() {
        let lately = refused.clone();
        if let Err(error) = shared.store.call(move |store| refused::keep(store, lately)).await {
            shared.metrics.put_refused_back(refused);
            return Err(error);
        }
    }
    Ok(())
}

/// The metrics in Prometheus' format. If the store does not answer, a gauge says so, and the counters are still
/// shown.
pub(crate) async fn show_metrics(shared: &Shared) -> String {
    match measure(shared).await {
        Ok(()) => shared.metrics.set(gauge::STORE_UP, &[], 1.0),
        Err(error) => {
            tracing::warn!(%error, "the metrics are shown without what the store knows");
            shared.metrics.set(gauge::STORE_UP, &[], 0.0);
        }
    }
    shared.metrics.render()
}

async fn measure(shared: &Shared) -> Result<()> {
    store_hooks(shared).await?;
    let standing = health::standing(shared).await?;
    let hooks = shared.store.call(|store| store.hooks()).await?;
    let metrics = &shared.metrics;
    for side in &standing.sides {
        let labels = [("side", side.name.as_str())];
        metrics.set(gauge::UP, &labels, if side.down.is_none() { 1.0 } else { 0.0 });
        metrics.set(gauge::STOPPED, &labels, if side.stopped.is_some() { 1.0 } else { 0.0 });
        let of_side = hooks.iter().filter(|hooks| hooks.side == side.name);
        let last_ms = of_side.map(|hooks| hooks.last_ms).max().unwrap_or(0);
        metrics.set(gauge::LAST_HOOK, &labels, seconds(last_ms));
    }
    for lane in &standing.lanes {
        measure_lane(shared, lane);
    }
    metrics.set(gauge::SUSPENDED, &[], standing.suspended.len() as f64);
    Ok(())
}

fn measure_lane(shared: &Shared, lane: &LaneStanding) {
    let external = ("external", lane.external.as_str());
    let oldest_ms = lane.tally.oldest_ms.map_or(0, |since_ms| (shared.now_ms() - since_ms).max(0));
    let metrics = &shared.metrics;
    metrics.set(gauge::WAITING, &[external], lane.tally.waiting as f64);
    metrics.set(gauge::OLDEST, &[external], seconds(oldest_ms));
    for (class, tickets) in &lane.uncarried {
        metrics.set(gauge::UNCARRIED, &[external, ("class", class)], *tickets as f64);
    }
    metrics.set(gauge::PARKED, &[external], lane.tally.parked as f64);
    metrics.set(gauge::LINKS, &[external, ("state", "live")], lane.tally.live as f64);
    metrics.set(gauge::LINKS, &[external, ("state", "ended")], lane.tally.ended as f64);
    metrics.set(gauge::HALTED, &[external], lane.tally.halted as f64);
    metrics.set(gauge::CONFLICTS, &[external], lane.tally.conflicts as f64);
    metrics.set(gauge::THROUGH, &[external], seconds(lane.through_ms.unwrap_or(shared.started_ms)));
}

fn seconds(ms: i64) -> f64 {
    ms as f64 / 1000.0
}
