//! A claimed ticket while its pass works on it.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use itop_bridge_core::document::report_attributes;
use itop_bridge_core::event::{Event, Written};
use itop_bridge_core::policy::StatusToExternal;
use itop_bridge_core::{Link, Policy, Side, Ticket, TicketKey, TicketMark};
use itop_bridge_store::{Activity, Claim};
use itop_client::Reservation;

use crate::pass::file_budget::FileBudget;
use crate::pass::identity::with_iso_dates;
use crate::side::failure::Failure;
use crate::side::lease::wait_under_lease;
use crate::{Lane, Shared};

/// A claimed ticket with its link, while its pass works on it. All parts of a pass share it: the writers send under its
/// claim, change its link, and save both.
pub(crate) struct Work<'a> {
    pub shared: &'a Shared,
    pub lane: &'a Lane,
    pub policy: Arc<Policy>,
    pub claim: Claim,
    pub link_id: Option<i64>,
    pub link: Link,
    /// The activity entries that the next save stores.
    pub did: Vec<Activity>,
    /// The names of the writes, for the log.
    pub wrote: Vec<String>,
    pub failures: Vec<Failure>,
    /// The planned writes of the present round that failed. A later round plans afresh.
    pub failed_writes: Vec<Failure>,
    /// Why there was nothing to plan, for the log.
    pub idle_because: Option<Cow<'static, str>>,
    /// The pair has ended: its row in the queue is gone already.
    pub ended: bool,
    pub files: FileBudget,
    /// The files whose contents this pass requested and did not get: the next pass requests them again.
    pub unread: BTreeSet<(Side, u64)>,
    /// When another pass must follow, because of something that no plan of this pass knew.
    pub look_again_at_ms: Option<i64>,
    /// This pass has changed the internal ticket's state: the report must still be updated.
    pub is_to_be_told: bool,
}

/// The direction of a write with its two tickets, and the write's reason for people.
#[derive(Clone, Copy)]
pub(crate) struct Route<'t> {
    pub from: Side,
    pub source: &'t Ticket,
    pub target: &'t Ticket,
    pub reason: &'t str,
}

impl<'a> Work<'a> {
    pub fn new(shared: &'a Shared, lane: &'a Lane, policy: Arc<Policy>, claim: Claim, files: FileBudget) -> Work<'a> {
        let (link_id, mut link) = match &claim.link {
            Some((id, link)) => (Some(*id), with_iso_dates(link, &shared.internal, &lane.external)),
            None => {
                (None, Link::without_counterpart(TicketKey { class: String::new(), id: 0, reference: String::new() }))
            }
        };
        // An older link has no time for its removed files: count them as removed long ago.
        link.takes_down_removed(0);
        Work {
            shared,
            lane,
            policy,
            claim,
            link_id,
            link,
            did: Vec::new(),
            wrote: Vec::new(),
            failures: Vec::new(),
            failed_writes: Vec::new(),
            idle_because: None,
            ended: false,
            files,
            unread: BTreeSet::new(),
            look_again_at_ms: None,
            is_to_be_told: false,
        }
    }

    pub(crate) fn mark(&self) -> TicketMark {
        self.policy.mark(&self.link)
    }

    /// This pass's memory for one file.
    pub(crate) async fn file_memory(&mut self) -> Result<Reservation, Failure> {
        self.files.reserve(self.shared, self.lane, &mut self.claim).await
    }

    /// The ticket's name for people.
    pub(crate) fn name(&self) -> String {
        let reference = &self.link.external.reference;
        let id = self.claim.lease.of.ticket;
        if reference.is_empty() {
            format!("{}:{id}", self.lane.name)
        } else {
            format!("{}:{reference}", self.lane.name)
        }
    }

    /// Keeps a failure and goes on, unless it ends the pass (a side that is down, a lost lease).
    pub(crate) fn go_on_after(&mut self, outcome: Result<(), Failure>) -> Result<(), Failure> {
        match outcome {
            Err(failure) if !failure.ends_the_pass() => self.failures.push(failure),
            outcome => return outcome,
        }
        Ok(())
    }

    /// Requests another look at that time; the earliest request counts.
    pub(crate) fn look_again(&mut self, at_ms: i64) {
        self.look_again_at_ms = Some(self.look_again_at_ms.map_or(at_ms, |known| known.min(at_ms)));
    }

    pub(crate) fn made(&self, side: Side, ticket: &Ticket) -> String {
        self.policy.made(side, ticket).unwrap_or_default().to_owned()
    }

    /// Call after a write of this attribute: if the report shows it, the report must be updated.
    pub(crate) fn note_write_for_report(&mut self, on: Side, code: &str) {
        let reports = on == Side::Internal && self.policy.status_to_external == StatusToExternal::Report;
        let told = self.policy.internal_lifecycle.iter().filter(|_| reports).flat_map(report_attributes);
        self.is_to_be_told |= told.into_iter().any(|told| told == code);
    }

    pub(crate) fn did(&mut self, event: Event) {
        self.did.push(Activity::of(self.shared.now_ms(), event));
    }

    pub(crate) fn wrote(&mut self, what: Written, why: &str) {
        self.wrote.push(what.to_string());
        self.did(Event::Wrote { what, why: why.to_owned() });
    }

    /// A written file, for the log and the activity.
    pub(crate) fn file_to(&self, on: Side, name: &str) -> Written {
        Written::File { name: name.to_owned(), instance: self.instance(on) }
    }

    /// The side's name in the configuration.
    pub(crate) fn instance(&self, on: Side) -> String {
        self.shared.itop(self.lane, on).name.clone()
    }

    /// Stores the link as it is now.
    pub(crate) async fn save(&mut self) -> Result<(), Failure> {
        self.link.takes_down_removed(self.shared.now_ms());
        let (lease, link, did) = (self.claim.lease.clone(), self.link.clone(), std::mem::take(&mut self.did));
        match self.link_id {
            Some(id) => self.shared.store.call(move |store| store.save_link(&lease, id, &link, &did)).await?,
            None => {
                let insert = self.shared.store.call(move |store| store.insert_link(&lease, &link, &did));
                self.link_id = Some(insert.await?);
            }
        }
        Ok(())
    }

    /// Waits for reads while renewing the ticket's lease.
    pub(crate) async fn reading<T>(&mut self, reads: impl Future<Output = T>) -> Result<T, Failure> {
        wait_under_lease(self.shared, &mut self.claim, reads).await
    }

    /// The comment that iTop's history shows with each of the bridge's changes.
    pub(crate) fn comment(&self) -> String {
        format!("itop-bridge: {} of {}", self.link.external.reference, self.lane.name)
    }
}
