//! An entry of a log, and its identity: iTop gives it no id.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};

/// The longest time between dating an entry and the end of its save: by then an entry lost to a race is gone, and the
/// entry that replaced it is there.
pub const ENTRY_SETTLES_MS: i64 = 10_000;

/// The identity of an entry.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EntryKey {
    /// The entry's time, as iTop prints it: it moves when the server's time zone is changed.
    pub date: String,
    pub user_id: u64,
    /// A hash of its `message_html`, with image addresses reduced to their id.
    pub hash: String,
    /// The index among entries equal in all of the above, from 0.
    pub nth: u32,
    /// A hash of the author's name; not part of the comparison of keys. Absent in keys that an older version stored,
    /// and in those of a log whose files name nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// Until then a save that began before the entry was read may still make iTop lose it. `None` once the entry was
    /// seen after that. Not part of the comparison of keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fresh_until_ms: Option<i64>,
}

impl EntryKey {
    pub(super) fn says(&self) -> (u64, &str) {
        (self.user_id, &self.hash)
    }

    pub(crate) fn says_the_same(&self, other: &EntryKey) -> bool {
        self.says() == other.says()
    }

    pub(super) fn is_of_the_same_moment(&self, other: &EntryKey) -> bool {
        self.moment() == other.moment()
    }

    /// The author and the second: the entries that share them keep their order.
    pub(crate) fn moment(&self) -> (u64, &str) {
        (self.user_id, &self.date)
    }

    /// Whether iTop shows another author's name than before.
    pub(super) fn has_another_author_than(&self, before: &EntryKey) -> bool {
        self.author.as_ref().zip(before.author.as_ref()).is_some_and(|(is, was)| is != was)
    }

    /// This key, first read at `read_at_ms`.
    pub(crate) fn seen_at(&self, read_at_ms: i64) -> EntryKey {
        EntryKey { fresh_until_ms: Some(read_at_ms.saturating_add(ENTRY_SETTLES_MS)), ..self.clone() }
    }

    /// Takes the values of the entry as read again, and keeps how long it counts as fresh.
    pub(super) fn becomes(&mut self, now: &EntryKey) {
        *self = EntryKey { fresh_until_ms: self.fresh_until_ms, ..now.clone() };
    }

    fn compared(&self) -> (&str, u64, &str, u32) {
        (&self.date, self.user_id, &self.hash, self.nth)
    }
}

impl PartialEq for EntryKey {
    fn eq(&self, other: &EntryKey) -> bool {
        self.compared() == other.compared()
    }
}

impl Eq for EntryKey {}

impl Hash for EntryKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.compared().hash(state);
    }
}

impl PartialOrd for EntryKey {
    fn partial_cmp(&self, other: &EntryKey) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for EntryKey {
    fn cmp(&self, other: &EntryKey) -> Ordering {
        self.compared().cmp(&other.compared())
    }
}

/// An entry as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub key: EntryKey,
    /// The author's name, as iTop shows it.
    pub author: String,
    pub html: String,
}
