//! Taking the notes of a plan into the link.

use super::{CopyState, Late, Link};
use crate::caselog::{EntryKey, LogHalt, LogName};
use crate::parents::{Kept, KeptBack, Waiting};
use crate::plan::Note;
use crate::ticket::Side;

impl Link {
    /// Remembers a plan's note.
    pub fn remember(&mut self, note: &Note) {
        match note {
            Note::Field { code, external, internal } => self.field_agreed(code, external, internal),
            Note::NoLongerRefused { on, code } => self.forget_refusal(*on, code),
            Note::Status { external, internal } => {
                self.ancestor.external.status.clone_from(external);
                self.ancestor.internal.status.clone_from(internal);
                self.in_flight.path = None;
                self.in_flight.owed.retain(|late| !matches!(late, Late::Status { .. }));
            }
            Note::Made { of, at } => self.ancestor.side_mut(*of).was_made(at),
            Note::Adopt(copy) => self.keep_copy(copy.clone()),
            Note::CopyRemovedByPerson { from, original } => {
                self.change_copy(*from, *original, |copy| {
                    (copy.state, copy.original_due) = (CopyState::RemovedByPerson, false);
                });
                self.in_flight.owed.retain(|late| !late.is_of_file(*from, *original));
            }
            Note::OriginalMissing { from, original, since_ms } => {
                self.change_copy(*from, *original, |copy| copy.missing_since_ms = *since_ms);
            }
            Note::ForgetCopy { from, original } => self.forget_copy(*from, *original),
            Note::SameContent { from, original, content } => {
                self.change_copy(*from, *original, |copy| {
                    (copy.content, copy.original_due) = (content.clone(), false);
                });
            }
            Note::ExternalReference(reference) => {
                self.external.reference.clone_from(reference);
                // The internal title carries the reference: it is written again.
                self.ancestor.external.fields.remove("title");
                self.ancestor.external.made.clear();
                self.ancestor.external.made_before.clear();
                self.course.resumed = false;
            }
            Note::ResumeIsOver => self.course.resumed = false,
            Note::ThereAgain(_) => self.course.halt = None,
            Note::Parents { of, are } => {
                self.parents.retain(|(side, _)| side != of);
                self.parents.extend(are.iter().map(|parent| (*of, parent.clone())));
            }
            Note::Restored(link) => self.clone_from(link),
            Note::LeftBehind(files) => {
                self.leave_behind(files.clone());
                // Until the new ticket stands, its create may be refused or go unanswered.
                self.course.anew_from_ms.take_if(|_| self.internal.is_some());
            }
            Note::LateSettled(settled) => self.in_flight.late.retain(|late| late != settled),
            Note::Owed(late) => self.in_flight.owed.push(late.clone()),
            Note::NoLongerOwed(gone) => self.in_flight.owed.retain(|late| late != gone),
            Note::EditContested(edit) => self.in_flight.contested_edits.push(edit.clone()),
            Note::EditOverwritten(edit) | Note::EditStands(edit) => {
                self.in_flight.contested_edits.retain(|known| known != edit)
            }
            Note::NoLongerHeld(part) => self.release(part),
            Note::Document(document) => self.keep_document(document.clone()),
            Note::Enclosure(enclosure) => self.keep_enclosure(enclosure.clone()),
            Note::Log { from, log, what } => self.remember_of_log(*from, *log, what),
        }
    }

    fn remember_of_log(&mut self, from: Side, log: LogName, what: &LogNote) {
        let state = self.log_mut(from, log);
        match what {
            LogNote::Delivered(entries) => state.delivered.extend(entries.iter().cloned()),
            LogNote::Found { entries, files } => {
                state.delivered.extend(entries.iter().cloned());
                state.files.extend(files);
                state.removed.retain(|id| !files.contains(id));
            }
            LogNote::FilesRemoved(files) => {
                state.files.retain(|id| !files.contains(id));
                state.removed.extend(files);
            }
            LogNote::Vanished(keys) => {
                state.delivered.retain(|key| !keys.contains(key));
                state.vanished.extend(keys.iter().cloned());
            }
            LogNote::Back(keys) => state.record_back(keys),
            LogNote::Moved { before, now } => state.record_moved(before, now),
            LogNote::Reworded(entries) => entries.iter().for_each(|(before, now)| state.record_reworded(before, now)),
            LogNote::Settled(keys) => state.record_settled(keys),
            LogNote::Ordered(keys) => state.record_order(keys),
            LogNote::Kept(kept) => {
                state.delivered.extend(kept.iter().map(|kept| kept.key.clone()));
                state.kept.retain(|known| !kept.iter().any(|kept| kept.key == known.key));
                state.kept.extend(kept.iter().cloned());
            }
            LogNote::OfUnknownOrigin { held, waiting, own } => {
                (state.held, state.waiting, state.own) = (held.clone(), waiting.clone(), own.clone());
                state.forget_first_words();
            }
            LogNote::OwnEntry(key) => state.own_entry = Some(key.clone()),
            LogNote::Halted(halt) => state.halt = Some(halt.clone()),
            LogNote::ResumeIsOver => state.resumed_after = None,
            LogNote::FileArrived { key, id } => {
                for file in state.batches_mut().flat_map(|batch| &mut batch.files).filter(|file| file.key == *key) {
                    file.state = Some(CopyState::Stands(*id));
                }
            }
            LogNote::BatchIsOver => state.finish_batch(),
            LogNote::BatchGivenUp => state.give_up_batch(),
            LogNote::AsideIsOver { key } => state.finish_aside(key),
            LogNote::AsideGivenUp { key } => state.give_up_aside(key),
        }
    }
}

/// Something to remember about a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogNote {
    /// Entries that an operator wants to count as delivered.
    Delivered(Vec<EntryKey>),
    /// Entries that the other side has, as the marks of these files say; the store did not know of them.
    Found {
        entries: Vec<EntryKey>,
        files: Vec<u64>,
    },
    /// Files of the log that a person deleted; their entries count as delivered all the same.
    FilesRemoved(Vec<u64>),
    /// Entries that iTop lost, or a person removed.
    Vanished(Vec<EntryKey>),
    /// Vanished entries that are there again, unchanged: they count as delivered.
    Back(Vec<EntryKey>),
    /// The same entry under another date.
    Moved {
        before: EntryKey,
        now: EntryKey,
    },
    /// Entries, as they were, with other words or another author's name now: the copies that were sent keep the old
    /// ones.
    Reworded(Vec<(EntryKey, EntryKey)>),
    /// Entries that were seen after iTop could no longer lose them to another save.
    Settled(Vec<EntryKey>),
    /// Entries of one author and second, in the order in which they stand in the log.
    Ordered(Vec<EntryKey>),
    /// Entries that stay on their side, and count as handled.
    Kept(Vec<Kept>),
    /// Entries kept back until it is known whether iTop copied them from a parent: `held` until the parent can be
    /// read, `waiting` until it must have been saved. An operator lets those in `own` cross.
    OfUnknownOrigin {
        held: Vec<KeptBack>,
        waiting: Vec<Waiting>,
        own: Vec<EntryKey>,
    },
    /// The entry that the bridge wrote when it created the internal ticket, as it stands now.
    OwnEntry(EntryKey),
    Halted(LogHalt),
    ResumeIsOver,
    /// A file of a batch that an unanswered create made after all, found by its mark.
    FileArrived {
        key: String,
        id: u64,
    },
    /// All files of the batch are there.
    BatchIsOver,
    /// All files of a set-aside batch are there.
    AsideIsOver {
        key: String,
    },
    /// The log was switched off, and the text of a set-aside batch is not there.
    AsideGivenUp {
        key: String,
    },
    /// The log was switched off, and the text of the batch is not there: its entries are not delivered.
    BatchGivenUp,
}
