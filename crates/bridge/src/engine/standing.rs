//! How the bridge stands at this moment: for the metrics and for the alerts.

use super::breaker::Down;
use super::itop::Itop;
use super::{Shared, Trouble};
use crate::metrics::gauge;
use crate::store::{MAX_ROWS, Result, Tally};

/// One side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SideStanding {
    pub name: String,
    pub down: Option<Down>,
    /// It has answered a call since the process began.
    pub answers: bool,
    /// Why it stands still: paused by an operator, or halted.
    pub stopped: Option<String>,
}

/// One external's tickets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneStanding {
    pub external: String,
    pub tally: Tally,
    /// When a pass last went through in this process.
    pub through_ms: Option<i64>,
}

#[derive(Debug, Clone)]
pub struct Standing {
    pub sides: Vec<SideStanding>,
    pub lanes: Vec<LaneStanding>,
    pub suspended: Vec<Trouble>,
}

impl Shared {
    pub(super) async fn standing(&self) -> Result<Standing> {
        let itops: Vec<&Itop> = self.lanes.iter().map(|lane| &lane.external).chain([&self.internal]).collect();
        let instances: Vec<_> = itops.iter().map(|itop| itop.instance.clone()).collect();
        let externals: Vec<String> = self.lanes.iter().map(|lane| lane.name.clone()).collect();
        let read = self.store.call(move |store| {
            let stopped = instances.iter().map(|instance| store.stopped(instance)).collect::<Result<Vec<_>>>()?;
            let tallies = externals.iter().map(|external| store.tally(external)).collect::<Result<Vec<_>>>()?;
            Ok((stopped, tallies))
        });
        let (stopped, tallies) = read.await?;
        let side = |(itop, stopped): (&&Itop, Option<String>)| {
            let breaker = itop.breaker();
            let (down, answers) = (breaker.down().cloned(), breaker.has_answered());
            SideStanding { name: itop.name.clone(), down, answers, stopped }
        };
        let lane = |(lane, tally): (&std::sync::Arc<super::Lane>, Tally)| LaneStanding {
            external: lane.name.clone(),
            tally,
            through_ms: self.metrics.last_through_ms(&lane.name),
        };
        Ok(Standing {
            sides: itops.iter().zip(stopped).map(side).collect(),
            lanes: self.lanes.iter().zip(tallies).map(lane).collect(),
            suspended: self.suspensions().troubles(),
        })
    }

    /// The webhooks that came lately go into the store, so that `check` can say which kinds come.
    pub(super) async fn store_hooks(&self) -> Result<()> {
        let came = self.metrics.take_hooks();
        for some in came.chunks(MAX_ROWS) {
            let counted = some.to_vec();
            if let Err(error) = self.store.call(move |store| store.count_hooks(&counted)).await {
                self.metrics.put_back(some);
                return Err(error);
            }
        }
        Ok(())
    }

    /// The metrics as Prometheus reads them. Where the store does not answer, they say so and the counters
    /// are shown all the same.
    pub(super) async fn show_metrics(&self) -> String {
        match self.measure().await {
            Ok(()) => self.metrics.set(gauge::STORE_UP, &[], 1.0),
            Err(error) => {
                tracing::warn!(%error, "the metrics are shown without what the store knows");
                self.metrics.set(gauge::STORE_UP, &[], 0.0);
            }
        }
        self.metrics.render()
    }

    async fn measure(&self) -> Result<()> {
        self.store_hooks().await?;
        let standing = self.standing().await?;
        let hooks = self.store.call(|store| store.hooks()).await?;
        let metrics = &self.metrics;
        for side in &standing.sides {
            let labels = [("side", side.name.as_str())];
            metrics.set(gauge::UP, &labels, if side.down.is_none() { 1.0 } else { 0.0 });
            metrics.set(gauge::STOPPED, &labels, if side.stopped.is_some() { 1.0 } else { 0.0 });
            let of_side = hooks.iter().filter(|hooks| hooks.side == side.name);
            let last_ms = of_side.map(|hooks| hooks.last_ms).max().unwrap_or(0);
            metrics.set(gauge::LAST_HOOK, &labels, seconds(last_ms));
        }
        for lane in &standing.lanes {
            self.measure_lane(lane);
        }
        metrics.set(gauge::SUSPENDED, &[], standing.suspended.len() as f64);
        Ok(())
    }

    fn measure_lane(&self, lane: &LaneStanding) {
        let external = ("external", lane.external.as_str());
        let oldest_ms = lane.tally.oldest_ms.map_or(0, |since_ms| (self.now_ms() - since_ms).max(0));
        let metrics = &self.metrics;
        metrics.set(gauge::WAITING, &[external], lane.tally.waiting as f64);
        metrics.set(gauge::OLDEST, &[external], seconds(oldest_ms));
        metrics.set(gauge::PARKED, &[external], lane.tally.parked as f64);
        metrics.set(gauge::LINKS, &[external, ("state", "live")], lane.tally.live as f64);
        metrics.set(gauge::LINKS, &[external, ("state", "ended")], lane.tally.ended as f64);
        metrics.set(gauge::HALTED, &[external], lane.tally.halted as f64);
        metrics.set(gauge::CONFLICTS, &[external], lane.tally.conflicts as f64);
        metrics.set(gauge::THROUGH, &[external], seconds(lane.through_ms.unwrap_or(self.started_ms)));
    }
}

fn seconds(ms: i64) -> f64 {
    ms as f64 / 1000.0
}

/// Minutes or hours, for people.
pub(super) fn long(ms: i64) -> String {
    let minutes = ms / 60_000;
    if minutes < 120 { format!("{minutes} minutes") } else { format!("{} hours", minutes / 60) }
}
