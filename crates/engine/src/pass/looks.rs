//! Decides what to read for a claim: the ticket, the lists of its files, or only the files that hints named.

use std::collections::BTreeSet;

use itop_bridge_core::link::CopyState;
use itop_bridge_core::{Link, Side};
use itop_bridge_store::{Claim, Look};

/// Whether the claim names only known attachments, on a link with nothing open: then only these are read at first.
pub fn only_at_named_files(claim: &Claim) -> bool {
    let Some((_, link)) = &claim.link else { return false };
    let look = &claim.look;
    let names_any = !look.external_attachments.is_empty() || !look.internal_attachments.is_empty();
    let open = Side::BOTH.iter().any(|side| link.has_open_files_on(*side))
        || link.in_flight.creation.is_some()
        || link.course.halt.is_some()
        || link.files.copies.iter().any(|copy| copy.original_due);
    let known = |side, id: &u64| link.copy_of(side, *id).is_some_and(|copy| copy.missing_since_ms.is_none());
    let all_known = |side| foreign(link, look, side).iter().all(|id| known(side, id));
    !look.ticket
        && !look.files
        && names_any
        && !open
        && link.internal.is_some()
        && Side::BOTH.into_iter().all(all_known)
}

/// The look at a ticket that could not be read for a while. The hints of that time led to nothing, so each of its files
/// counts as named by a hint.
pub fn after_an_absence(link: &Link) -> Look {
    let mut look = Look::everything();
    for copy in &link.files.copies {
        match copy.from {
            Side::External => look.external_attachments.insert(copy.original),
            Side::Internal => look.internal_attachments.insert(copy.original),
        };
    }
    look
}

/// The named attachments of one side that the bridge did not make: its own writes come back as hooks.
pub fn foreign(link: &Link, look: &Look, side: Side) -> BTreeSet<u64> {
    let own: BTreeSet<u64> = link.made_on(side).collect();
    look.named(side).difference(&own).copied().collect()
}

/// Whether this side's files must be listed.
pub fn needs_files(claim: &Claim, side: Side) -> bool {
    let Some((_, link)) = &claim.link else { return side == Side::External };
    if link.internal.is_none() {
        return side == Side::External;
    }
    let of_this_side = link.files.copies.iter().filter(|copy| copy.from == side);
    // A copy that seemed to be removed may be there: then it goes with its original.
    let is_lost = |copy: &itop_bridge_core::Copy| {
        copy.from == side.other() && copy.state == CopyState::RemovedByPerson && copy.missing_since_ms.is_some()
    };
    let doubtful = |copy: &itop_bridge_core::Copy| {
        copy.original_due || copy.missing_since_ms.is_some() || matches!(copy.state, CopyState::InDoubt { .. })
    };
    claim.look.files
        || !foreign(link, &claim.look, side).is_empty()
        || link.has_open_files_on(side)
        || of_this_side.into_iter().any(doubtful)
        || link.files.copies.iter().any(is_lost)
        || rewritten_late(link, side)
}

/// A copy of this side's file may have been rewritten by a late write: it is judged together with its original.
fn rewritten_late(link: &Link, side: Side) -> bool {
    use itop_bridge_core::link::Late;
    link.in_flight.late.iter().any(|late| matches!(late.what, Late::File { from, .. } if from == side))
}
