//! What keeps a pass from making a plan for a ticket.

use itop_bridge_store::{Claim, Stop};

use crate::scope::connection::{LeftAlone, why_not_carried};
use crate::side::failure::Failure;
use crate::side::read::ticket_where;
use crate::side::snapshot::Snapshot;
use crate::{Lane, Shared};

/// `None`: a pass would make a plan.
pub(crate) async fn why_not(
    shared: &Shared,
    lane: &Lane,
    claim: &Claim,
    snapshot: &Snapshot,
) -> Result<Option<NoPlan>, Failure> {
    let Some((_, link)) = &claim.link else {
        return Ok(why_not_taken_up(shared, lane, claim, snapshot).await?.map(NoPlan::NotCarried));
    };
    if let Some(until_ms) = link.course.anew_from_ms.filter(|from_ms| shared.now_ms() < *from_ms) {
        return Ok(Some(NoPlan::OldMayLand { until_ms }));
    }
    let is_looked_for = link.in_flight.creation.is_some() && link.internal.is_none();
    Ok(is_looked_for.then_some(NoPlan::IsLookedFor))
}

pub(crate) async fn why_not_taken_up(
    shared: &Shared,
    lane: &Lane,
    claim: &Claim,
    snapshot: &Snapshot,
) -> Result<Option<NotCarried>, Failure> {
    let why = why_not_carried(shared, lane, snapshot, &claim.look).await?;
    Ok(match why {
        None => None,
        Some(LeftAlone::NotRead(_)) => Some(why_not_read(shared, lane, claim.lease.of.ticket).await?),
        Some(LeftAlone::Copy) => Some(NotCarried::Copy),
        Some(LeftAlone::Older(why)) => Some(NotCarried::Older(why)),
    })
}

/// A pass reads only what fits: one more call tells whether the ticket exists at all.
async fn why_not_read(shared: &Shared, lane: &Lane, ticket: u64) -> Result<NotCarried, Failure> {
    let found = ticket_where(shared, &lane.external, &format!("id = {ticket}")).await?;
    Ok(match found {
        None => NotCarried::Gone,
        Some((_, class)) => NotCarried::DoesNotFit { class, or_before_since: lane.settings.sync.since.is_some() },
    })
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
