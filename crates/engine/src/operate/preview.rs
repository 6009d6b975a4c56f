//! Previews a pass: reads both sides and lets the core decide, but writes nothing, neither to an iTop nor to the store.

use itop_bridge_core::plan::Plan;
use itop_bridge_core::{FileContent, Link, Side, Sight, TicketMark};
use itop_bridge_store::{Claim, Lease, Look, Stop, TicketOf};
use itop_client::oql_quote;

use crate::lane::worker::{self, NoClass};
use crate::operate::foresee::Contents;
use crate::side::failure::Failure;
use crate::side::snapshot::Snapshot;
use crate::{Engine, Lane, Shared};

/// A ticket's snapshot, and what a pass would do with it.
#[derive(Debug)]
pub struct Preview {
    pub of: TicketOf,
    /// With its number if the pair is known already.
    pub link: Link,
    pub number: Option<i64>,
    pub external: Sight,
    pub internal: Sight,
    /// There is no plan if a pass would wait for something, or if the ticket is not carried.
    pub planned: Result<Plan, NoPlan>,
    /// If the plan creates the counterpart: the same pass's next writes, and the link that they use.
    pub once_made: Option<(Link, Plan)>,
    /// The contents of the files that would be copied or rewritten.
    pub contents: Vec<(Side, u64, FileContent)>,
    /// The day on which the external ticket was created according to iTop, if known.
    pub made: Option<String>,
}

impl Preview {
    pub fn is_lost(&self) -> bool {
        matches!(self.planned, Err(NoPlan::Lost(_)))
    }
}

/// Why a pass would make no plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoPlan {
    /// The counterpart may exist under a mark: the store knows no pair of the external, as after its loss.
    Lost(Stop),
    NotCarried(NotCarried),
    /// Calls for the internal ticket that is gone may still take effect; the new one is created after that.
    OldMayLand {
        until_ms: i64,
    },
    /// A create without an answer may have made the counterpart; a pass looks for it first.
    IsLookedFor,
}

/// Why a ticket without a pair does not cross.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotCarried {
    Gone,
    /// It does not fit `only`, or was made before `since`, if that is set.
    DoesNotFit {
        class: String,
        or_before_since: bool,
    },
    /// It is a bridge's copy.
    Copy,
    /// It is older than the connection: why it stays, in the engine's words.
    Older(&'static str),
}

/// A side could not be read, or the bridge knows too little; in iTop's words if there are any.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct CannotTell(String);

impl From<Failure> for CannotTell {
    fn from(failure: Failure) -> CannotTell {
        CannotTell(failure.text)
    }
}

impl Engine {
    /// Finds an external ticket by its reference, with its class.
    pub async fn external_ticket(
        &self,
        external: &str,
        reference: &str,
    ) -> Result<Option<(TicketOf, String)>, CannotTell> {
        let itop = &self.shared.lane(external)?.external;
        let found = self.shared.ticket_where(itop, &format!("ref = {}", oql_quote(reference))).await?;
        Ok(found.map(|(ticket, class)| (TicketOf { external: external.to_owned(), ticket }, class)))
    }

    /// Why the internal side does not answer now; `None` if it does.
    pub async fn why_no_answer_inside(&self) -> Option<String> {
        self.shared.internal.client.check_login().await.err().map(|error| error.to_string())
    }

    /// Why a ticket without a pair is not carried; `None` if it is. Reads only the external.
    pub async fn why_not_carried(
        &self,
        of: &TicketOf,
        class: Option<String>,
    ) -> Result<Option<NotCarried>, CannotTell> {
        let (shared, lane) = (&*self.shared, &**self.shared.lane(&of.external)?);
        shared.remember_date_formats().await?;
        let claim = everything(of, class, None);
        let class = shared.class_of(lane, &claim).await?.map_err(|none| no_class(of, &none))?;
        let policy = shared.policy_without_defaults(lane, &class)?;
        let read = worker::read_both(shared, lane, &class, &policy, std::slice::from_ref(&claim)).await;
        let snapshot = read.into_iter().next().expect("one ticket was asked for")?;
        Ok(shared.why_not_taken_up(lane, &claim, &snapshot).await?)
    }

    /// Previews a full pass over this ticket, as if a hint had named each of its files.
    pub async fn preview(&self, of: &TicketOf, class: Option<String>) -> Result<Preview, CannotTell> {
        let (shared, lane) = (&*self.shared, &**self.shared.lane(&of.external)?);
        shared.remember_offsets().await?;
        shared.remember_date_formats().await?;
        let key = of.clone();
        let stored = shared.store.call(move |store| store.link_of_external(&key)).await.map_err(Failure::from)?;
        let link = stored.map(|stored| (stored.id, stored.link));
        let claim = everything(of, class, link);
        let class = shared.class_of(lane, &claim).await?.map_err(|none| no_class(of, &none))?;
        let policy = shared.policy(lane, &class).await?;
        let read = worker::read_both(shared, lane, &class, &policy, std::slice::from_ref(&claim)).await;
        let snapshot = read.into_iter().next().expect("one ticket was asked for")?;
        // If the internal side does not answer, that is reported; whether its pairs are lost stays open.
        let lost = match claim.link.is_none() {
            true => shared.has_pairs_to_find(lane).await.unwrap_or_default(),
            false => None,
        };
        let why_not = match lost {
            Some(lost) => Some(NoPlan::Lost(lost)),
            None => shared.why_not(lane, &claim, &snapshot).await?,
        };
        Ok(shared.foresee(lane, &policy, &claim, snapshot, (why_not, Contents::All)).await?)
    }
}

fn no_class(of: &TicketOf, none: &NoClass) -> CannotTell {
    CannotTell(match none {
        NoClass::Gone => format!("{} has no ticket with the id {}", of.external, of.ticket),
        none => format!("{}:{}: {none}", of.external, of.ticket),
    })
}

/// The claim that a worker would make, without a lease.
fn everything(of: &TicketOf, class: Option<String>, link: Option<(i64, Link)>) -> Claim {
    Claim {
        lease: Lease { of: of.clone(), token: 0, until_ms: 0 },
        generation: 0,
        class,
        look: Look::everything(),
        dirty_since_ms: 0,
        attempts: 0,
        failing_since_ms: None,
        error: None,
        parked: false,
        link,
    }
}

impl Shared {
    /// Why a pass would make no plan.
    pub(crate) async fn why_not(
        &self,
        lane: &Lane,
        claim: &Claim,
        snapshot: &Snapshot,
    ) -> Result<Option<NoPlan>, Failure> {
        let Some((_, link)) = &claim.link else {
            return Ok(self.why_not_taken_up(lane, claim, snapshot).await?.map(NoPlan::NotCarried));
        };
        if let Some(until_ms) = link.anew_from_ms.filter(|from_ms| self.now_ms() < *from_ms) {
            return Ok(Some(NoPlan::OldMayLand { until_ms }));
        }
        let is_looked_for = link.creation.is_some() && link.internal.is_none();
        Ok(is_looked_for.then_some(NoPlan::IsLookedFor))
    }

    async fn why_not_taken_up(
        &self,
        lane: &Lane,
        claim: &Claim,
        snapshot: &Snapshot,
    ) -> Result<Option<NotCarried>, Failure> {
        let why = self.why_not_carried(lane, snapshot, &claim.look).await?;
        let is_copy = snapshot.first_entry.as_deref().is_some_and(|entry| TicketMark::find(entry).is_some());
        Ok(match (&snapshot.external, why) {
            (_, None) => None,
            (Sight::Gone | Sight::Unborn, Some(_)) => Some(self.why_not_read(lane, claim.lease.of.ticket).await?),
            (Sight::Here(_), Some(_)) if is_copy => Some(NotCarried::Copy),
            (Sight::Here(_), Some(why)) => Some(NotCarried::Older(why)),
        })
    }

    /// A pass reads only what fits: one more call tells whether the ticket exists at all.
    async fn why_not_read(&self, lane: &Lane, ticket: u64) -> Result<NotCarried, Failure> {
        let found = self.ticket_where(&lane.external, &format!("id = {ticket}")).await?;
        Ok(match found {
            None => NotCarried::Gone,
            Some((_, class)) => NotCarried::DoesNotFit { class, or_before_since: lane.settings.sync.since.is_some() },
        })
    }
}
