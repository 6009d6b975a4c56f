//! The files that the bridge made: copies of attachments, documents, and the files of log batches being sent.

use serde::{Deserialize, Serialize};

use super::{Enclosure, Late, Link};
use crate::document::Document;
use crate::ticket::{FileContent, Side};

impl Link {
    pub fn copy_of(&self, from: Side, original: u64) -> Option<&Copy> {
        self.files.copies.iter().find(|copy| (copy.from, copy.original) == (from, original))
    }

    /// Stores a copy, replacing the one of the same original.
    pub fn keep_copy(&mut self, copy: Copy) {
        self.forget_copy(copy.from, copy.original);
        self.files.copies.push(copy);
    }

    pub fn forget_copy(&mut self, from: Side, original: u64) {
        self.files.copies.retain(|copy| (copy.from, copy.original) != (from, original));
        self.in_flight.owed.retain(|late| !late.is_of_file(from, original));
    }

    /// A copy on the other side was deleted, because its original went.
    pub fn copy_deleted(&mut self, from: Side, original: u64, copy: u64) {
        self.forget_copy(from, original);
        self.files.deleted.push((from.other(), copy));
        let all = self.files.deleted.len();
        self.files.deleted.drain(..all.saturating_sub(MAX_DELETED));
    }

    /// The files that the bridge made on one side: those that stand, those that nobody looks after any more (of logs,
    /// of an earlier counterpart, of a lost original), and those that it deleted itself.
    pub fn made_on(&self, side: Side) -> impl Iterator<Item = u64> {
        let deleted = self.files.deleted.iter().filter(move |(on, _)| *on == side).map(|(_, id)| *id);
        let logs = self.logs.iter().filter(move |log| log.from == side.other());
        let left_behind = self.files.left_behind.iter().filter(move |_| side == Side::External);
        let orphaned = self.files.orphaned.iter().filter(move |(on, _)| *on == side).map(|(_, id)| *id);
        let logs = logs.flat_map(|log| &log.files);
        self.standing_on(side).chain(deleted).chain(logs.chain(left_behind).copied()).chain(orphaned)
    }

    /// The files with this pair's mark on one side, as far as is known: files taken over with the pair have none.
    pub fn marked_on(&self, side: Side) -> impl Iterator<Item = u64> {
        let taken_over = self.files.copies.iter().filter(|copy| copy.taken_over && copy.from == side.other());
        let taken_over = taken_over.filter_map(|copy| copy.state.standing());
        let taken_over: Vec<u64> = taken_over.collect();
        let logs = self.logs.iter().filter(move |log| log.from == side.other()).flat_map(|log| &log.files).copied();
        self.standing_on(side).filter(move |id| !taken_over.contains(id)).chain(logs)
    }

    /// The copies, documents and enclosures on one side, and the files of batches that were sent.
    pub fn standing_on(&self, side: Side) -> impl Iterator<Item = u64> {
        self.file_states_on(side).filter_map(CopyState::standing)
    }

    /// Whether a call for the files of this side has an unknown outcome.
    pub fn has_open_files_on(&self, side: Side) -> bool {
        self.file_states_on(side).any(|state| matches!(state, CopyState::InDoubt { .. }))
            || self
                .in_flight
                .late
                .iter()
                .any(|late| matches!(late.what, Late::File { from, .. } if from == side.other()))
    }

    pub(super) fn file_states_on(&self, side: Side) -> impl Iterator<Item = &CopyState> {
        let logs = self.logs.iter().filter(move |log| log.from == side.other());
        let batches = logs.flat_map(|log| log.batches()).flat_map(|batch| &batch.files);
        kept_on(side, &self.files.copies, &self.files.documents, &self.files.enclosures)
            .chain(batches.filter_map(|file| file.state.as_ref()))
    }

    pub(super) fn change_copy(&mut self, from: Side, original: u64, change: impl FnOnce(&mut Copy)) {
        if let Some(copy) = self.files.copies.iter_mut().find(|copy| (copy.from, copy.original) == (from, original)) {
            change(copy);
        }
    }
}

/// More than enough: their webhooks come within seconds.
const MAX_DELETED: usize = 50;

/// A copy of an attachment that the bridge made, or is making.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Copy {
    /// The side that the original is on.
    pub from: Side,
    /// The original's attachment id.
    pub original: u64,
    /// The original's content when it was last copied.
    pub content: FileContent,
    pub state: CopyState,
    /// Since when the original counts as missing, in ms since the epoch; in the future while the whole ticket may be
    /// going.
    pub missing_since_ms: Option<i64>,
    /// A small text file stands in for one that was too large.
    pub substituted: bool,
    /// Both files existed when the pair was taken over: the copy has no mark, and is not the bridge's to delete.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub taken_over: bool,
    /// The original must be read, hint or none: it may have changed while nobody knew whether the copy was made.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub original_due: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CopyState {
    /// The attachment's id on the other side.
    Stands(u64),
    /// The copy is gone, so a person deleted it, and it stays deleted; or the account could not see it, and it is listed
    /// again.
    RemovedByPerson,
    /// The create was sent and not answered; it may land until this moment, and is not sent again before.
    InDoubt { until_ms: i64 },
}

impl CopyState {
    /// The attachment's id, where it stands.
    pub fn standing(&self) -> Option<u64> {
        match self {
            CopyState::Stands(id) => Some(*id),
            CopyState::RemovedByPerson | CopyState::InDoubt { .. } => None,
        }
    }
}

/// The states of the copies, documents and enclosures on one side.
pub fn kept_on<'a>(
    side: Side,
    copies: &'a [Copy],
    documents: &'a [Document],
    enclosures: &'a [Enclosure],
) -> impl Iterator<Item = &'a CopyState> {
    let copies = copies.iter().filter(move |copy| copy.from == side.other()).map(|copy| &copy.state);
    let documents = documents.iter().filter(move |document| document.kind.on() == side);
    let enclosures = enclosures.iter().filter(move |enclosure| enclosure.from == side.other());
    let enclosures = enclosures.filter_map(|enclosure| enclosure.state.as_ref());
    copies.chain(documents.filter_map(|document| document.state.as_ref())).chain(enclosures)
}
