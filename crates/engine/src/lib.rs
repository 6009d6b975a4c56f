//! The engine: takes dirty tickets from the store, reads both sides, lets the core decide, writes, and records.
//!
//! Each external has a lane of its own, so that a slow or dead one delays nobody. A lane runs a worker, a sweep, an
//! audit and a prober; the internal side has a sweep and a prober. None of them acts on a webhook's contents: a webhook
//! only says where to look.

mod adopt;
pub mod clock;
mod halt;
mod issue;
mod lane;
pub mod metrics;
mod operate;
mod pass;
pub mod random;
pub mod refused;
mod scope;
pub mod settings;
mod side;
mod suspension;
pub mod timing;
mod watch;
pub mod wording;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use itop_bridge_core::{Side, TicketMark};
use tokio::sync::Notify;
use tokio::sync::watch::Receiver;

pub use adopt::backfill::{Older, TellClass, TitleAdopted, TitlePair, Titled, Unclear, Wish, Wished};
pub use adopt::rebuild::{Duplicate, FoundBy, FoundPair, Left, Rebuilt, Stopped};
pub use adopt::{CannotAdopt, PairOf, ReadyPair};
pub use issue::{Access, Cause, Trouble};
pub use operate::alerts::Alerts;
pub use operate::dry_run::Summary;
pub use operate::preview::{CannotTell, NoPlan, NotCarried, Preview};
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

use itop_bridge_store::{StoreHandle, TicketOf};
use operate::dry_run::DryRun;
use pass::missing::Missing;
use scope::policies::Policies;
use side::breaker::Down;
use side::failure::Failure;
use suspension::Suspensions;

use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::random::Random;
use crate::timing::Timing;

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

struct Shared {
    store: StoreHandle,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    timing: Timing,
    server: String,
    internal: Itop,
    lanes: Vec<Arc<Lane>>,
    suspensions: Mutex<Suspensions>,
    missing: Missing,
    metrics: Arc<Metrics>,
    alerts: Option<Alerts>,
    dry_run: Option<DryRun>,
    /// Tickets with a date that waits until a server's zone or date format is known.
    waits_for_date: Mutex<BTreeSet<TicketOf>>,
    /// Wakes the task that stores the sides' state: a side went down, or answers again.
    sides_changed: Notify,
    /// Tickets that bear a bridge's mark and are left alone for it, once that was logged.
    told_as_copies: Mutex<BTreeSet<TicketOf>>,
    /// The pairs, by number, whose files exceed PHP's memory, as this process has seen.
    heavy: Mutex<BTreeMap<i64, String>>,
    /// The highest counterpart that the store knew when this process began.
    highest_known: tokio::sync::OnceCell<Option<u64>>,
    /// When this process started: an earlier one sent its last call before.
    started_ms: i64,
}

/// One external with its settings and policies.
struct Lane {
    name: String,
    external: Itop,
    settings: LaneSettings,
    policies: Policies,
    /// Whether the pairs made since the store's backup, if any, were taken in.
    newer_known: tokio::sync::Mutex<bool>,
}

impl Lane {
    fn mark(&self, server: &str, class: &str, ticket: u64) -> TicketMark {
        let external = self.settings.name_in_marks.clone();
        TicketMark { server: server.to_owned(), external, class: class.to_owned(), ticket }
    }
}

impl Engine {
    pub fn new(parts: Parts) -> Engine {
        let lane = |(external, settings): (Itop, LaneSettings)| {
            let newer_known = tokio::sync::Mutex::new(false);
            Arc::new(Lane {
                name: external.name.clone(),
                external,
                settings,
                policies: Policies::default(),
                newer_known,
            })
        };
        Engine {
            shared: Arc::new(Shared {
                highest_known: tokio::sync::OnceCell::new(),
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
        if let Err(failure) = self.shared.remember_offsets().await {
            tracing::warn!(error = %failure.text, "times are printed without their zone until it is learnt again");
        }
        if let Err(failure) = self.shared.remember_room().await {
            tracing::warn!(error = %failure.text, "what the iTops have no room for is learnt again");
        }
        if let Err(failure) = self.shared.remember_date_formats().await {
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
        if let Err(error) = self.shared.store_hooks().await {
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
        parts.spawn(until_stop(stop.clone(), operate::dry_run::run(self.shared.clone())));
        parts.spawn(until_stop(stop, operate::alerts::run(self.shared.clone())));
        parts
    }

    /// The time by the engine's clock.
    pub fn now_ms(&self) -> i64 {
        self.shared.now_ms()
    }

    /// The metrics in Prometheus' text format.
    pub async fn show_metrics(&self) -> String {
        self.shared.show_metrics().await
    }

    /// The causes that keep tickets waiting without being a ticket's own fault.
    pub fn troubles(&self) -> Vec<Trouble> {
        let shared = &self.shared;
        let throttled = shared.itops().filter_map(|itop| Some(itop.throttled()?.trouble(&itop.name)));
        let throttled: Vec<Trouble> = throttled.collect();
        let down = shared.itops().filter_map(|itop| {
            let Down { since_ms, reason } = itop.breaker().down()?.clone();
            Some(Trouble { cause: Cause::Down { instance: itop.name.clone() }, since_ms, reason })
        });
        down.chain(throttled).chain(shared.suspensions().troubles()).collect()
    }
}

impl Shared {
    /// All sides, the internal last.
    fn itops(&self) -> impl Iterator<Item = &Itop> {
        self.lanes.iter().map(|lane| &lane.external).chain([&self.internal])
    }

    /// How often each side of the lane has halted; pass it to [`Shared::go_on`].
    fn halts_so_far(&self, lane: &Lane) -> [u64; 2] {
        [&lane.external, &self.internal].map(|itop| itop.halts.so_far())
    }

    /// The store said that neither side has halted; the counts are from before that question.
    fn go_on(&self, lane: &Lane, halts: [u64; 2]) {
        for (itop, halts) in [&lane.external, &self.internal].into_iter().zip(halts) {
            itop.halts.go_on_unless_halted_since(halts);
        }
    }

    fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    fn lane(&self, external: &str) -> Result<&Arc<Lane>, Failure> {
        let lane = self.lanes.iter().find(|lane| lane.name == external);
        lane.ok_or_else(|| Failure::setup(format!("there is no external {external:?}")))
    }

    /// The name of the external that marks call so; the mark's own word if there is none.
    fn marked_external<'a>(&'a self, name_in_marks: &'a str) -> &'a str {
        let lane = self.lanes.iter().find(|lane| lane.settings.name_in_marks == name_in_marks);
        lane.map_or(name_in_marks, |lane| &lane.name)
    }

    fn itop<'a>(&'a self, lane: &'a Lane, side: Side) -> &'a Itop {
        match side {
            Side::External => &lane.external,
            Side::Internal => &self.internal,
        }
    }

    fn waits_for_date(&self) -> MutexGuard<'_, BTreeSet<TicketOf>> {
        self.waits_for_date.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn suspensions(&self) -> MutexGuard<'_, Suspensions> {
        self.suspensions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call on this side was answered by iTop itself.
    fn answered(&self, itop: &Itop) {
        itop.login_is_refused.store(false, Ordering::Relaxed);
        itop.count_answer();
        self.end_throttling(itop);
        let (is_first, was_down) = {
            let mut breaker = itop.breaker();
            (!breaker.has_answered(), breaker.succeeded())
        };
        if was_down {
            tracing::warn!(itop = %itop.name, "the side is back");
        }
        if was_down || is_first {
            self.sides_changed.notify_one();
        }
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
