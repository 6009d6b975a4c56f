//! Before a plan treats a file or a ticket as gone, asks iTop again: a restored iTop, a lost disk and a hidden ticket look
//! the same.

use std::collections::BTreeSet;

use itop_bridge_core::document::Document;
use itop_bridge_core::link::{CopyState, LogNote};
use itop_bridge_core::plan::{Note, Plan, Write};
use itop_bridge_core::{Reading, Side};

use crate::halt::losses::halt_if_files_of_the_side_are_gone;
use crate::halt::went_back::halt_if_restored;
use crate::pass::ending::ticket_stands;
use crate::pass::work::Work;
use crate::side::failure::Failure;
use crate::side::snapshot::Snapshot;

/// If this plan treats a file as deleted, original or copy, asks whether that whole side was restored or lost its
/// files. Returns whether the side has halted over it.
pub(crate) async fn halt_if_files_are_lost(work: &Work<'_>, plan: &Plan) -> Result<bool, Failure> {
    let sides = sides_without_a_file(work, plan);
    let Some(link) = work.link_id else { return Ok(false) };
    for side in sides {
        if halt_if_restored(work.shared, work.shared.itop(work.lane, side)).await?
            || halt_if_files_of_the_side_are_gone(work.shared, work.lane, side, link).await?
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Once the account loses sight of a ticket, its files look deleted too. So if this plan treats a file as gone, the
/// ticket itself is read once more. Returns whether it is gone; then the pass plans again.
pub(crate) async fn reread_tickets_of_lost_files(
    work: &mut Work<'_>,
    plan: &Plan,
    snapshot: &mut Snapshot,
) -> Result<bool, Failure> {
    let mut lost = false;
    for side in sides_without_a_file(work, plan) {
        if !ticket_stands(work, side).await? {
            match side {
                Side::External => snapshot.external = Reading::Gone,
                Side::Internal => snapshot.internal = Reading::Gone,
            }
            lost = true;
        }
    }
    Ok(lost)
}

/// The sides on which this plan treats a file as gone, original or copy.
fn sides_without_a_file(work: &Work<'_>, plan: &Plan) -> BTreeSet<Side> {
    let deleted = plan.writes.iter().filter_map(|step| match step.write {
        Write::DeleteCopy { from, .. } => Some(from),
        _ => None,
    });
    let removed = plan.notes.iter().filter_map(|note| match note {
        Note::CopyRemovedByPerson { from, .. } | Note::Log { from, what: LogNote::FilesRemoved(_), .. } => {
            Some(from.other())
        }
        Note::Document(document) if is_taken_for_removed(work, document) => Some(document.kind.on()),
        Note::Enclosure(enclosure) if enclosure.state == Some(CopyState::RemovedByPerson) => {
            Some(enclosure.from.other())
        }
        _ => None,
    });
    deleted.chain(removed).collect()
}

fn is_taken_for_removed(work: &Work<'_>, document: &Document) -> bool {
    let known = work.link.document(document.kind).and_then(|known| known.state.as_ref());
    known.is_some_and(|state| state.standing().is_some()) && document.state.as_ref() != known
}
