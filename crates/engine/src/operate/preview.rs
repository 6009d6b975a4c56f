//! What a pass would write, without a pass: both sides are read, the core decides, and nothing is written,
//! neither to an iTop nor to the store.

use itop_bridge_core::plan::Plan;
use itop_bridge_core::{FileContent, Link, Side, Sight, TicketMark};
use itop_bridge_store::{Claim, Lease, Look, Stop, TicketOf};
use itop_client::oql_quote;

use crate::lane::worker::{self, NoClass};
use crate::operate::foresee::Contents;
use crate::side::failure::Failure;
use crate::side::sights::Sights;
use crate::{Engine, Lane, Shared};

/// What both sides show of a ticket, and what a pass would make of it.
#[derive(Debug)]
pub struct Preview {
    pub of: TicketOf,
    /// With its number where the pair is known already.
    pub link: Link,
    pub number: Option<i64>,
    pub external: Sight,
    pub internal: Sight,
    /// A pass that has something to wait for, or a ticket that is not carried, makes no plan.
    pub planned: Result<Plan, NoPlan>,
    /// Where the plan makes the counterpart: what the same pass would write next, and the link that it would go by.
    pub once_made: Option<(Link, Plan)>,
    /// What the files hold that would be copied or rewritten.
    pub contents: Vec<(Side, u64, FileContent)>,
    /// The day on which iTop says that the external ticket was made, where it was read.
    pub made: Option<String>,
}

impl Preview {
    pub fn is_lost(&self) -> bool {
        matches!(self.planned, Err(NoPlan::Lost(_)))
    }
}

/// Why a pass would not come to a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoPlan {
    /// Its counterpart may stand inside under a mark: the store knows no pair of the external, as after its loss.
    Lost(Stop),
    NotCarried(NotCarried),
    /// What was sent for the internal ticket that is gone may still land; the new one is made after that.
    OldMayLand {
        until_ms: i64,
    },
    /// A create without an answer may have made the counterpart, which is looked for first.
    IsLookedFor,
}

/// Why a ticket without a pair is not carried inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotCarried {
    Gone,
    /// It does not fit `only`, or, where a date is set, was made before `since`.
    DoesNotFit {
        class: String,
        or_before_since: bool,
    },
    /// Somebody's copy.
    Copy,
    /// Older than the connection: why it stays, in the engine's words.
    Older(&'static str),
}

/// A side could not be read, or the bridge knows too little: in iTop's words where it has some.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct CannotTell(String);

impl From<Failure> for CannotTell {
    fn from(failure: Failure) -> CannotTell {
        CannotTell(failure.text)
    }
}

impl Engine {
    /// An external ticket by its reference, and its class.
    pub async fn external_ticket(
        &self,
        external: &str,
        reference: &str,
    ) -> Result<Option<(TicketOf, String)>, CannotTell> {
        let itop = &self.shared.lane(external)?.external;
        let found = self.shared.ticket_where(itop, &format!("ref = {}", oql_quote(reference))).await?;
        Ok(found.map(|(ticket, class)| (TicketOf { external: external.to_owned(), ticket }, class)))
    }

    /// Why the internal side does not answer now, where it does not.
    pub async fn why_no_answer_inside(&self) -> Option<String> {
        self.shared.internal.client.check_login().await.err().map(|error| error.to_string())
    }

    /// Why a ticket without a pair is not carried, where it is not. Reads the external alone.
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
        let sights = read.into_iter().next().expect("one ticket was asked for")?;
        Ok(shared.why_not_taken_up(lane, &claim, &sights).await?)
    }

    /// The plan of a pass over everything of this ticket, as if a hint had named each of its files.
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
        let sights = read.into_iter().next().expect("one ticket was asked for")?;
        // Where the internal does not answer, that is told, and whether its pairs are lost is open.
        let lost = match claim.link.is_none() {
            true => shared.has_pairs_to_find(lane).await.unwrap_or_default(),
            false => None,
        };
        let why_not = match lost {
            Some(lost) => Some(NoPlan::Lost(lost)),
            None => shared.why_not(lane, &claim, &sights).await?,
        };
        Ok(shared.foresee(lane, &policy, &claim, sights, (why_not, Contents::All)).await?)
    }
}

fn no_class(of: &TicketOf, none: &NoClass) -> CannotTell {
    CannotTell(match none {
        NoClass::Gone => format!("{} has no ticket with the id {}", of.external, of.ticket),
        none => format!("{}:{}: {none}", of.external, of.ticket),
    })
}

/// What a worker would claim; there is no lease behind it.
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
    /// Why a pass would not come to a plan.
    pub(crate) async fn why_not(&self, lane: &Lane, claim: &Claim, sights: &Sights) -> Result<Option<NoPlan>, Failure> {
        let Some((_, link)) = &claim.link else {
            return Ok(self.why_not_taken_up(lane, claim, sights).await?.map(NoPlan::NotCarried));
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
        sights: &Sights,
    ) -> Result<Option<NotCarried>, Failure> {
        let why = self.why_not_carried(lane, sights, &claim.look).await?;
        let is_copy = sights.first_entry.as_deref().is_some_and(|entry| TicketMark::find(entry).is_some());
        Ok(match (&sights.external, why) {
            (_, None) => None,
            (Sight::Gone | Sight::Unborn, Some(_)) => Some(self.why_not_read(lane, claim.lease.of.ticket).await?),
            (Sight::Here(_), Some(_)) if is_copy => Some(NotCarried::Copy),
            (Sight::Here(_), Some(why)) => Some(NotCarried::Older(why)),
        })
    }

    /// A pass reads what fits alone: here one more call tells whether there is such a ticket at all.
    async fn why_not_read(&self, lane: &Lane, ticket: u64) -> Result<NotCarried, Failure> {
        let found = self.ticket_where(&lane.external, &format!("id = {ticket}")).await?;
        Ok(match found {
            None => NotCarried::Gone,
            Some((_, class)) => NotCarried::DoesNotFit { class, or_before_since: lane.settings.sync.since.is_some() },
        })
    }
}
