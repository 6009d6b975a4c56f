//! Records in the link, and for people, what a plan noted without a write.

use itop_bridge_core::Side;
use itop_bridge_core::link::{ConflictKind, CopyState, LogNote};
use itop_bridge_core::plan::{Note, Plan};

use crate::pass::ending::how_it_goes_on;
use crate::pass::fields::edit_overwritten;
use crate::pass::identity::start_corrected;
use crate::pass::missing::watch_what_is_missing;
use crate::pass::parents::are_kept;
use crate::pass::reworded::are_reworded;
use crate::pass::work::Work;
use crate::side::instants::note_waiting_for_date;
use crate::side::snapshot::Snapshot;
use crate::wording::AfterResume;
use crate::wording::count::counted;

/// Applies the plan's notes to the link; returns whether the link changed.
pub(crate) fn take_notes(work: &mut Work<'_>, plan: &Plan) -> bool {
    let before = work.link.clone();
    for note in &plan.notes {
        match note {
            Note::Adopt(copy) => work.did(format!("found the copy of attachment {} by its mark", copy.original)),
            Note::CopyRemovedByPerson { original, .. } => {
                work.did(format!("the copy of attachment {original} was deleted by a person; it stays deleted"));
            }
            Note::Log { from, log, what: LogNote::FilesRemoved(files) } => {
                let files = counted(files.len(), "file", "files");
                work.did(format!("{files} with the {} log {} deleted by a person", log.word(), from.place()));
            }
            Note::Log { from, log, what: LogNote::Kept(kept) } => are_kept(work, *from, *log, kept),
            Note::Log { from, log, what: LogNote::Reworded(entries) } => are_reworded(work, *from, *log, entries),
            Note::Log { what: LogNote::Halted(halt), .. } => {
                let step = how_it_goes_on(work, AfterResume::of(None));
                tracing::error!(ticket = %work.name(), reason = %halt.text, "halted: nothing more of this log is sent; to do: {step}");
                work.did(format!("halted: {}", halt.text));
            }
            Note::Enclosure(enclosure) if enclosure.state == Some(CopyState::RemovedByPerson) => {
                work.did(format!("the file {:?} was deleted by a person", enclosure.name));
            }
            Note::EditOverwritten(edit) => edit_overwritten(work, edit),
            Note::Made { of, at } => start_corrected(work, *of, at),
            Note::ExternalReference(reference) => {
                work.did(format!("{} is {reference} from now on", work.link.external.reference));
            }
            _ => {}
        }
        watch_what_is_missing(work, note);
        work.link.remember(note);
    }
    for conflict in &plan.conflicts {
        let is_a_halt = conflict.kind == Some(ConflictKind::LogHalted);
        if !is_a_halt && !work.link.conflicts.iter().any(|known| known.says_the_same(conflict)) {
            tracing::warn!(ticket = %work.name(), conflict = %conflict.text, "conflict");
            work.did(format!("conflict: {}", conflict.text));
        }
    }
    work.link.set_conflicts(plan.conflicts.clone());
    work.link.waits_for_date = plan.waits_for_date;
    note_waiting_for_date(work.shared, &work.claim.lease.of, plan.waits_for_date);
    // Keys of entries compare equal whether settled or not, so a settled entry does not show in the comparison.
    let settles = |note: &Note| matches!(note, Note::Log { what: LogNote::Settled(_), .. });
    work.link != before || plan.notes.iter().any(settles)
}

/// Records both tickets' states for display; returns whether one changed and the pair is in the store.
pub(crate) fn saw(work: &mut Work<'_>, snapshot: &Snapshot) -> bool {
    let mut is_news = false;
    for side in Side::BOTH {
        let (Some(ticket), seen) = (snapshot.ticket(side), &mut work.link.ancestor.side_mut(side).seen) else {
            continue;
        };
        is_news |= ticket.status != *seen;
        seen.clone_from(&ticket.status);
    }
    is_news && work.link_id.is_some()
}
