//! The memory of people's deeds, by which the laws judge the end.

use std::collections::{BTreeMap, BTreeSet};

use crate::history::Place;

/// A ticket or a file, by side and id.
pub type ObjectAt = (Place, u64);

/// A person's log entry.
#[derive(Debug)]
pub struct Spoken {
    pub at: Place,
    pub ticket: u64,
    pub word: String,
    /// Its earlier texts, before rewordings.
    pub earlier: Vec<String>,
    /// It was reworded before the bridge could tell that from a lost entry and a new one: each text crosses.
    pub is_told_anew: bool,
    /// It was written on a ticket of the provider's own.
    pub stays: bool,
}

impl Spoken {
    /// How often this text contains the entry, in any of its wordings.
    pub fn times_in(&self, text: &str) -> usize {
        self.earlier.iter().chain([&self.word]).map(|word| text.matches(word.as_str()).count()).sum()
    }

    pub fn most(&self) -> usize {
        if self.is_told_anew { self.earlier.len() + 1 } else { 1 }
    }
}

/// A file that a person added, with all its versions.
#[derive(Debug)]
pub struct Given {
    pub ticket: u64,
    pub versions: Vec<(String, Vec<u8>)>,
    /// The first webhook of its last change.
    pub hooks_from: usize,
}

/// The last edit of a field in the internal.
#[derive(Debug)]
pub struct InternalEdit {
    pub value: String,
    /// The field was edited in the external since.
    pub is_outdated: bool,
    /// Both sides agreed on this field, and nothing was under way: only a change in the external undoes the edit.
    pub over_agreement: bool,
}

/// A file's copy that existed when somebody deleted the file's whole ticket: it stays.
#[derive(Debug)]
pub struct LeftStanding {
    pub on: Place,
    pub ticket: u64,
    pub file: u64,
}

#[derive(Debug, Default)]
pub struct Memory {
    /// The number of words drawn.
    pub(super) counter: u64,
    /// Long waits are possible: time is virtual.
    pub holds_deletions: bool,
    /// Tickets that people made, on any side.
    pub born: BTreeMap<ObjectAt, &'static str>,
    pub deleted_tickets: BTreeSet<ObjectAt>,
    pub left_standing: Vec<LeftStanding>,
    pub internal_edits: BTreeMap<(u64, &'static str), InternalEdit>,
    pub moved_by_people: BTreeSet<ObjectAt>,
    /// Tickets whose start somebody corrected.
    pub corrected: BTreeSet<ObjectAt>,
    /// The provider's own tickets that have children.
    pub parents: BTreeSet<u64>,
    /// The provider's tickets that have, or had, one of these as their parent.
    pub children: BTreeSet<u64>,
    /// The words of entries that an operator keeps where they are.
    pub kept_by_an_operator: BTreeSet<String>,
    pub spoken: Vec<Spoken>,
    pub lost: BTreeMap<ObjectAt, usize>,
    pub given: BTreeMap<ObjectAt, Given>,
    pub deleted_files: BTreeSet<ObjectAt>,
    /// Marks of the bridge's files that people deleted.
    pub removed_marks: Vec<String>,
    /// How many files people deleted at each place, whoever had made them.
    deleted_at: BTreeMap<Place, usize>,
}

/// If five of one side's files vanish at once, the bridge takes it for an accident.
const MOST_DELETED: usize = 4;

impl Memory {
    /// Whether the bridge would not take `count` more vanished files for an accident. While iTop deletes a ticket, the
    /// ticket stands without its files.
    pub(super) fn may_delete_files(&self, at: Place, count: usize) -> bool {
        self.deleted_at.get(&at).copied().unwrap_or_default() + count <= MOST_DELETED
    }

    pub(super) fn count_deleted_files(&mut self, at: Place, count: usize) {
        *self.deleted_at.entry(at).or_default() += count;
    }

    /// A word that nobody has written yet.
    pub(super) fn word(&mut self) -> String {
        self.counter += 1;
        format!("w{:05}", self.counter)
    }
}
