//! Records in the link, and for people, what a plan noted without a write.

use itop_bridge_core::Side;
use itop_bridge_core::event::Event;
use itop_bridge_core::link::{ConflictKind, CopyState, LogNote};
use itop_bridge_core::plan::{Note, Plan};

use crate::pass::ending::how_it_goes_on;
use crate::pass::fields::record_edit_overwritten;
use crate::pass::identity::record_start_corrected;
use crate::pass::missing::watch_what_is_missing;
use crate::pass::parents::record_kept;
use crate::pass::reworded::record_reworded;
use crate::pass::work::Work;
use crate::side::instants::note_waiting_for_date;
use crate::side::snapshot::Snapshot;
use crate::wording::AfterResume;

/// Applies the plan's notes to the link; returns whether the link changed.
pub(crate) fn take_notes(work: &mut Work<'_>, plan: &Plan) -> bool {
    let before = work.link.clone();
    for note in &plan.notes {
        match note {
            Note::Adopt(copy) => work.did(Event::CopyFound { attachment: copy.original }),
            Note::CopyRemovedByPerson { original, .. } => {
                work.did(Event::CopyDeleted { attachment: *original });
            }
            Note::Log { from, log, what: LogNote::FilesRemoved(files) } => {
                work.did(Event::LogFilesDeleted { files: files.len(), from: *from, log: *log });
            }
            Note::Log { from, log, what: LogNote::Kept(kept) } => record_kept(work, *from, *log, kept),
            Note::Log { from, log, what: LogNote::Reworded(entries) } => record_reworded(work, *from, *log, entries),
            Note::Log { from, log, what: LogNote::Halted(halt) } => {
                let step = how_it_goes_on(work, AfterResume::of(None));
                tracing::error!(ticket = %work.name(), reason = %halt.text, "halted: nothing more of this log is sent; to do: {step}");
                work.did(Event::Halted { kind: None, log: Some((*from, *log)), text: halt.text.clone() });
            }
            Note::Enclosure(enclosure) if enclosure.state == Some(CopyState::RemovedByPerson) => {
                work.did(Event::FileDeleted { name: enclosure.name.clone() });
            }
            Note::EditOverwritten(edit) => record_edit_overwritten(work, edit),
            Note::Made { of, at } => record_start_corrected(work, *of, at),
            Note::ExternalReference(reference) => {
                let before = work.link.external.reference.clone();
                work.did(Event::ReferenceChanged { before, now: reference.clone() });
            }
            _ => {}
        }
        watch_what_is_missing(work, note);
        work.link.remember(note);
    }
    for conflict in &plan.conflicts {
        let is_a_halt = conflict.kind == Some(ConflictKind::LogHalted);
        if !is_a_halt && !work.link.open.conflicts.iter().any(|known| known.says_the_same(conflict)) {
            tracing::warn!(ticket = %work.name(), conflict = %conflict.text, "conflict");
            work.did(Event::Conflict { code: None, text: conflict.text.clone() });
        }
    }
    work.link.set_conflicts(plan.conflicts.clone());
    work.link.open.waits_for_date = plan.waits_for_date;
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
