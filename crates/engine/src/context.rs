//! What all parts of the engine share, and what the parts of one lane share. Plain data: the functions that work on it
//! stand in the layer that they belong to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use itop_bridge_core::{Side, TicketMark};
use itop_bridge_store::{StoreHandle, TicketOf};
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::foresee::dry_run::DryRun;
use crate::metrics::Metrics;
use crate::operate::alerts::Alerts;
use crate::pass::missing::Missing;
use crate::random::Random;
use crate::scope::policies::Policies;
use crate::settings::LaneSettings;
use crate::side::failure::Failure;
use crate::side::itop::Itop;
use crate::suspension::Suspensions;
use crate::timing::Timing;

pub(crate) struct Shared {
    pub store: StoreHandle,
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
    pub timing: Timing,
    pub server: String,
    pub internal: Itop,
    pub lanes: Vec<Arc<Lane>>,
    pub suspensions: Mutex<Suspensions>,
    pub missing: Missing,
    pub metrics: Arc<Metrics>,
    pub alerts: Option<Alerts>,
    pub dry_run: Option<DryRun>,
    /// Tickets with a date that waits until a server's zone or date format is known.
    pub waits_for_date: Mutex<BTreeSet<TicketOf>>,
    /// Wakes the task that stores the sides' state: a side went down, or answers again.
    pub sides_changed: Notify,
    /// Tickets that bear a bridge's mark and are left alone for it, once that was logged.
    pub told_as_copies: Mutex<BTreeSet<TicketOf>>,
    /// For the pairs whose files exceed PHP's memory, as this process has seen: the alert's text, by the link's number.
    pub heavy: Mutex<BTreeMap<i64, String>>,
    /// The highest id of a counterpart in the store when this process began.
    pub highest_at_start: tokio::sync::OnceCell<Option<u64>>,
    /// When this process started: an earlier one sent its last call before.
    pub started_ms: i64,
}

/// One external with its settings and policies.
pub(crate) struct Lane {
    pub name: String,
    pub external: Itop,
    pub settings: LaneSettings,
    pub policies: Policies,
    /// Whether the pairs that were made after the store's backup, if it was restored from one, were taken in.
    pub newer_pairs_taken_in: tokio::sync::Mutex<bool>,
}

impl Lane {
    pub fn mark(&self, server: &str, class: &str, ticket: u64) -> TicketMark {
        let external = self.settings.name_in_marks.clone();
        TicketMark { server: server.to_owned(), external, class: class.to_owned(), ticket }
    }
}

impl Shared {
    /// All sides, the internal last.
    pub fn itops(&self) -> impl Iterator<Item = &Itop> {
        self.lanes.iter().map(|lane| &lane.external).chain([&self.internal])
    }

    pub fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    pub fn lane(&self, external: &str) -> Result<&Arc<Lane>, Failure> {
        let lane = self.lanes.iter().find(|lane| lane.name == external);
        lane.ok_or_else(|| Failure::setup(format!("there is no external {external:?}")))
    }

    /// The present name of the external that has this name in marks; the given name if there is none.
    pub fn marked_external<'a>(&'a self, name_in_marks: &'a str) -> &'a str {
        let lane = self.lanes.iter().find(|lane| lane.settings.name_in_marks == name_in_marks);
        lane.map_or(name_in_marks, |lane| &lane.name)
    }

    pub fn itop<'a>(&'a self, lane: &'a Lane, side: Side) -> &'a Itop {
        match side {
            Side::External => &lane.external,
            Side::Internal => &self.internal,
        }
    }

    pub fn waits_for_date(&self) -> MutexGuard<'_, BTreeSet<TicketOf>> {
        self.waits_for_date.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn suspensions(&self) -> MutexGuard<'_, Suspensions> {
        self.suspensions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
