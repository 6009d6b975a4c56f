//! When a pass without failures wants the next look at its ticket.

use std::collections::BTreeSet;

use itop_bridge_core::Side;
use itop_bridge_store::{Look, Next};

use crate::pass::hinted::next_second_look;
use crate::pass::rounds::RoundsEnd;
use crate::pass::work::Work;

/// When to look again even without a new hint.
pub(crate) fn next_look(work: &Work<'_>, ended: RoundsEnd) -> Next {
    let now = work.shared.now_ms();
    if !ended.is_carried_out {
        let look = Look { ticket: true, files: true, unwritten: true, ..still_to_be_seen_twice(work) };
        return Next::Look { due_ms: now, look };
    }
    let next = asked_or_seen_twice(work, ended.look_again_at_ms, now);
    if !work.is_to_be_told {
        return next;
    }
    // Not every state has a webhook that would trigger the report.
    let soon = soonest(work, now);
    match next {
        Next::Look { due_ms, look } => Next::Look { due_ms: due_ms.min(soon), look: Look { ticket: true, ..look } },
        _ => Next::Look { due_ms: soon, look: Look::ticket() },
    }
}

fn asked_or_seen_twice(work: &Work<'_>, plan_ms: Option<i64>, now: i64) -> Next {
    let second = next_second_look(work.shared, &still_to_be_seen_twice(work), now);
    match (asked_for(work, plan_ms, now), second) {
        (None, None) => Next::Done,
        (Some(due), None) => Next::Look { due_ms: due, look: Look::everything() },
        (None, Some((due_ms, look))) => Next::Look { due_ms, look },
        (Some(asked), Some((due_ms, look))) => {
            // Either order is fine: the resulting look covers both.
            Next::Look { due_ms: due_ms.min(asked), look: Look { ticket: true, files: true, ..look } }
        }
    }
}

/// The next look requested by the plan or by this pass's own writes, or needed because a second internal ticket may
/// still appear. Open intents alone never schedule a pass: one that no plan resolves would re-queue itself forever.
fn asked_for(work: &Work<'_>, plan_ms: Option<i64>, now_ms: i64) -> Option<i64> {
    let twin = work.link.in_flight.creation.iter().map(|creation| creation.until_ms);
    let asked = plan_ms.into_iter().chain(work.look_again_at_ms).chain(twin);
    asked.min().map(|due| due.max(soonest(work, now_ms)))
}

/// Never at once: the next pass would know no more than this one did.
fn soonest(work: &Work<'_>, now_ms: i64) -> i64 {
    now_ms + work.shared.timing.backoff_first_ms
}

/// The named attachments to recheck, since a delete hook comes before the deletion. The bridge's own are left out,
/// and so are those already missing: for these the plan says when to look again.
fn still_to_be_seen_twice(work: &Work<'_>) -> Look {
    let mut look = work.claim.look.clone();
    for (side, named) in
        [(Side::External, &mut look.external_attachments), (Side::Internal, &mut look.internal_attachments)]
    {
        let own = work.link.made_on(side).collect::<BTreeSet<u64>>();
        let missing = |id| work.link.copy_of(side, id).is_some_and(|copy| copy.missing_since_ms.is_some());
        named.retain(|id| !missing(*id) && !own.contains(id));
    }
    look
}
