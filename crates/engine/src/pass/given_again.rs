//! Ids that an iTop gave out again after a restore: finds the ticket that now has the id.

use itop_bridge_core::plan::{Halt, HaltKind};
use itop_bridge_core::{Link, LogName, Policy, Side, Ticket, TicketMark, is_another};
use itop_bridge_store::{LinkState, Next, Stored, TicketOf};

use crate::pass::ending::{end_pair, stop};
use crate::pass::work::Work;
use crate::side::failure::Failure;

/// The other pair to which this internal ticket belongs, or may belong: the ticket bears that pair's mark, and that
/// pair links it or has a create without an answer. An iTop restored from a backup may give the other ticket the id
/// and reference of this pair's; where a default sets `start_date`, even their times agree.
pub(crate) async fn other_pair_of(work: &Work<'_>, ticket: &Ticket) -> Result<Option<Stored>, Failure> {
    let first = ticket.logs.get(&LogName::Private).and_then(|entries| entries.first());
    let (own, mark) = (work.mark(), first.and_then(|entry| TicketMark::find(&entry.html)));
    let Some(mark) = mark.filter(|mark| mark.server == own.server && *mark != own) else { return Ok(None) };
    let external = work.shared.marked_external(&mark.external).to_owned();
    let of = TicketOf { external, ticket: mark.ticket };
    let other = work.shared.store.call(move |store| store.link_of_external(&of)).await?;
    let has_it = |other: &Stored| match &other.link.internal {
        Some(key) => key.id == ticket.id,
        None => other.link.in_flight.creation.is_some(),
    };
    Ok(other.filter(|other| other.state == LinkState::Live && has_it(other)))
}

/// The counterpart's id now belongs to the copy of another pair's ticket.
pub(crate) async fn give_way_to(work: &mut Work<'_>, other: &Stored, internal: &Ticket) -> Result<Next, Failure> {
    if other.link.internal.is_none() {
        work.idle_because =
            Some("another pair's create may have made the ticket that stands for the counterpart".into());
        let due_ms = work.shared.now_ms() + work.policy.waits.doubt_look_ms;
        return Ok(Next::Look { due_ms, look: work.claim.look.clone() });
    }
    let text = format!(
        "{} (id {}) of the internal side is the copy of {} now: was this iTop restored from a backup, or cloned?",
        internal.reference, internal.id, other.link.external.reference
    );
    let halt = Halt { kind: HaltKind::InternalReferenceChanged, text };
    if work.link.course.resumed {
        end_pair(work, &halt).await?;
    } else {
        stop(work, halt).await?;
    }
    Ok(Next::Done)
}

/// Whether this internal ticket is still the one that was linked, and not another with its id.
pub(crate) fn is_still_of(policy: &Policy, link: &Link, ticket: &Ticket) -> bool {
    let is_lost = link.may_have_lost_its_counterpart();
    link.internal.is_some() && !is_lost && is_another(policy, link, Side::Internal, ticket).is_none()
}
