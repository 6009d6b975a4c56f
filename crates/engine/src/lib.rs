//! The engine: takes dirty tickets from the store, reads both sides, lets the core decide, writes, and records.
//!
//! Each external has a lane of its own, so that a slow or dead one delays nobody. A lane runs a worker, a sweep, an
//! audit and a prober; the internal side has a sweep and a prober. None of them acts on a webhook's contents: a webhook
//! only says where to look.

mod adopt;
pub mod clock;
mod context;
mod foresee;
mod halt;
mod issue;
mod lane;
pub mod metrics;
mod operate;
mod pass;
mod queue;
pub mod random;
pub mod refused;
mod scope;
pub mod settings;
mod side;
mod suspension;
pub mod timing;
mod watch;
pub mod wording;

use std::sync::{Arc, Mutex};

use foresee::dry_run::DryRun;
use itop_bridge_store::StoreHandle;
use pass::missing::Missing;
use scope::policies::Policies;
use side::breaker::Down;
use suspension::Suspensions;
use tokio::sync::Notify;
use tokio::sync::watch::Receiver;

use crate::clock::Clock;
use crate::context::{Lane, Shared};
use crate::metrics::Metrics;
use crate::operate::measure::{show_metrics, store_hooks};
use crate::random::Random;
use crate::side::dates::remember_date_formats;
use crate::side::room::remember_room;
use crate::side::zone::remember_offsets;
use crate::timing::Timing;

pub use adopt::backfill::{BackfillRequest, Older, Requested, TellClass, TitleAdopted, TitlePair, Titled, Unclear};
pub use adopt::rebuild::{Duplicate, FoundBy, FoundPair, Left, Rebuilt, Stopped};
pub use adopt::{CannotAdopt, PairOf, ReadyPair};
pub use foresee::dry_run::Summary;
pub use foresee::plan::Preview;
pub use foresee::why_not::{NoPlan, NotCarried};
pub use issue::{Access, Cause, Issue};
pub use operate::alerts::Alerts;
pub use operate::preview::CannotTell;
pub use operate::told::{Since, Slowed, Suspended, Told};
pub use pass::barred::{name_of as part_name, told as kept_back};
pub use pass::heavy::told as too_heavy;
pub use pass::parents::words_of;
pub use pass::reworded::where_they_stand;
pub use scope::connection::connection_began_after;
pub use scope::name_in_marks::{NAME_IN_MARKS, keep_name_in_marks};
pub use scope::policies::target_of;
pub use settings::LaneSettings;
pub use side::dates::{kept_date_format, unread_date};
pub use side::instants::{Offsets, agree_for_a_year};
pub use side::itop::Itop;
pub use side::login::LoginSource;
pub use side::refused_size::RefusedSize;
pub use side::room::LearntRoom;
pub use side::zone::Learnt;
pub use wording::AfterResume;

/// The engine's inputs.
pub struct Parts {
    pub store: StoreHandle,
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
    pub timing: Timing,
    /// `server.id`, part of every mark.
    pub server: String,
    pub internal: Itop,
    pub lanes: Vec<(Itop, LaneSettings)>,
    pub metrics: Arc<Metrics>,
    /// Where alerts go, if anywhere.
    pub alerts: Option<Alerts>,
    /// Writes nothing to an iTop, and logs what would be written.
    pub dry_run: bool,
}

/// The engine, ready to run. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

/// A part of the bridge panicked, or the store's thread is gone.
#[derive(Debug, thiserror::Error)]
#[error("a part of the bridge broke: {0}; please report this. At the next start it takes up again what it had in hand")]
pub struct Broken(pub String);

impl Engine {
    pub fn new(parts: Parts) -> Engine {
        let lane = |(external, settings): (Itop, LaneSettings)| {
            let newer_pairs_taken_in = tokio::sync::Mutex::new(false);
            Arc::new(Lane {
                name: external.name.clone(),
                external,
                settings,
                policies: Policies::default(),
                newer_pairs_taken_in,
            })
        };
        Engine {
            shared: Arc::new(Shared {
                highest_at_start: tokio::sync::OnceCell::new(),
                waits_for_date: Mutex::default(),
                sides_changed: Notify::new(),
                told_as_copies: Mutex::default(),
                started_ms: parts.clock.now_ms(),
                suspensions: Mutex::new(Suspensions::new(&parts.timing)),
                missing: Missing::new(),
                store: parts.store,
                clock: parts.clock,
                random: parts.random,
                timing: parts.timing,
                server: parts.server,
                internal: parts.internal,
                metrics: parts.metrics,
                alerts: parts.alerts,
                dry_run: parts.dry_run.then(DryRun::default),
                heavy: Mutex::default(),
                lanes: parts.lanes.into_iter().map(lane).collect(),
            }),
        }
    }

    /// Runs until `stop`; then ends the passes in hand, within `timing.shutdown_ms`. A panic of one part ends all of it
    /// the same way: otherwise the bridge would look well and leave work undone.
    pub async fn run(&self, mut stop: Receiver<bool>) -> Result<(), Broken> {
        if let Err(failure) = remember_offsets(&self.shared).await {
            tracing::warn!(error = %failure.text, "times are printed without their zone until it is learnt again");
        }
        if let Err(failure) = remember_room(&self.shared).await {
            tracing::warn!(error = %failure.text, "what the iTops have no room for is learnt again");
        }
        if let Err(failure) = remember_date_formats(&self.shared).await {
            tracing::warn!(error = %failure.text, "how the sides print dates is learnt again");
        }
        let (end, ending) = tokio::sync::watch::channel(false);
        let mut parts = self.spawn_parts(ending);
        let mut outcome = Ok(());
        loop {
            tokio::select! {
                biased;
                ended = parts.join_next() => match ended {
                    None => break,
                    Some(Err(error)) if error.is_panic() => {
                        let broken = Broken(error.to_string());
                        tracing::error!(error = %broken, "the bridge ends");
                        outcome = outcome.and(Err(broken));
                        let _ = end.send(true);
                    }
                    Some(_) => {}
                },
                _ = stop.wait_for(|stopped| *stopped), if !*end.borrow() => {
                    let _ = end.send(true);
                }
            }
        }
        if let Err(error) = store_hooks(&self.shared).await {
            tracing::warn!(%error, "which webhooks came last was not stored");
        }
        outcome
    }

    fn spawn_parts(&self, stop: Receiver<bool>) -> tokio::task::JoinSet<()> {
        let mut parts = tokio::task::JoinSet::new();
        for lane in &self.shared.lanes {
            parts.spawn(lane::worker::run(self.shared.clone(), lane.clone(), stop.clone()));
            parts.spawn(until_stop(stop.clone(), watch::sweep::run_external(self.shared.clone(), lane.clone())));
            parts.spawn(until_stop(stop.clone(), watch::audit::run(self.shared.clone(), lane.clone())));
            parts.spawn(until_stop(stop.clone(), lane::probe::run(self.shared.clone(), Some(lane.clone()))));
        }
        parts.spawn(until_stop(stop.clone(), watch::sweep::run_internal(self.shared.clone())));
        parts.spawn(until_stop(stop.clone(), lane::probe::run(self.shared.clone(), None)));
        parts.spawn(until_stop(stop.clone(), operate::told::run(self.shared.clone())));
        parts.spawn(until_stop(stop.clone(), foresee::dry_run::run(self.shared.clone())));
        parts.spawn(until_stop(stop, operate::alerts::run(self.shared.clone())));
        parts
    }

    /// The time by the engine's clock.
    pub fn now_ms(&self) -> i64 {
        self.shared.now_ms()
    }

    /// The metrics in Prometheus' text format.
    pub async fn show_metrics(&self) -> String {
        show_metrics(&self.shared).await
    }

    /// The causes that keep tickets waiting without being a ticket's own fault.
    pub fn issues(&self) -> Vec<Issue> {
        let shared = &self.shared;
        let throttled = shared.itops().filter_map(|itop| Some(itop.throttled().as_ref()?.issue(&itop.name)));
        let throttled: Vec<Issue> = throttled.collect();
        let down = shared.itops().filter_map(|itop| {
            let Down { since_ms, reason } = itop.breaker().down()?.clone();
            Some(Issue { cause: Cause::Down { instance: itop.name.clone() }, since_ms, reason })
        });
        down.chain(throttled).chain(shared.suspensions().issues()).collect()
    }
}

/// A part that writes to no iTop may be dropped at any point, so a stop need not wait for an iTop's answer.
async fn until_stop(mut stop: Receiver<bool>, part: impl Future<Output = ()>) {
    tokio::select! {
        biased;
        () = part => {}
        _ = stop.wait_for(|stopped| *stopped) => {}
    }
}
