//! The state of one log of one side: which of its entries were delivered, are on their way, or wait for a decision.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Batch, EntryKey, LogFile, LogName, Reworded};
use crate::parents::{Kept, KeptBack, ParentKey, Waiting};
use crate::ticket::Side;

/// One log of one side of a pair: what has been delivered of it to the other side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogState {
    /// The side that the log is read on.
    pub from: Side,
    pub log: LogName,
    pub delivered: Vec<EntryKey>,
    /// Entries that disappeared after they were delivered or put into a batch: one that reappears unchanged is not
    /// new.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub vanished: Vec<EntryKey>,
    /// The entries being sent: fixed before the first call, and sent unchanged after a crash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<Batch>,
    /// Batches that something in front of the other iTop rejected: each is retried by itself, and later entries do
    /// not wait for them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aside: Vec<Batch>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub halt: Option<LogHalt>,
    /// The attachments that carried the delivered entries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<u64>,
    /// The entries that each of these attachments carried, where that is known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub carried: Vec<LogFile>,
    /// Entries whose words were changed in place after they were sent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reworded: Vec<Reworded>,
    /// Reworded entries that were never sent: a parent's entry is recognised by the words that it first had.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unsent_reworded: Vec<Reworded>,
    /// Entries that iTop copied from a parent and that stay on their side. They are also listed in `delivered`: they
    /// are handled, and never sent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<Kept>,
    /// New entries that may be copies from a parent that cannot be read: kept back until it can be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held: Vec<KeptBack>,
    /// New entries that may be copies from a parent that is still being saved.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waiting: Vec<Waiting>,
    /// Entries of unknown origin that an operator lets cross, until they have crossed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub own: Vec<EntryKey>,
    /// The entry that the bridge wrote when it created the internal ticket, as it stands now: recognised even if
    /// somebody changed the words that hold its mark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own_entry: Option<EntryKey>,
    /// Attachments of this log that a person deleted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<u64>,
    /// An operator resumed this log after a halt: entries dated up to then count as delivered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resumed_after: Option<String>,
}

/// Too many entries disappeared from a log at once. Nothing more of it is sent until an operator resumes the link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogHalt {
    pub text: String,
    /// The date of the newest entry at that time, as iTop prints it: entries dated after it are new.
    pub newest: String,
}

impl LogState {
    /// The subject of this log's conflicts.
    pub fn subject(&self) -> String {
        format!("{} {}", self.log.attribute(), self.from.place())
    }

    pub fn new(from: Side, log: LogName) -> LogState {
        LogState {
            from,
            log,
            delivered: Vec::new(),
            vanished: Vec::new(),
            batch: None,
            aside: Vec::new(),
            halt: None,
            files: Vec::new(),
            carried: Vec::new(),
            reworded: Vec::new(),
            unsent_reworded: Vec::new(),
            kept: Vec::new(),
            held: Vec::new(),
            waiting: Vec::new(),
            own: Vec::new(),
            own_entry: None,
            removed: Vec::new(),
            resumed_after: None,
        }
    }

    /// Entries that count as delivered or are being sent, in the order in which they came.
    pub(super) fn known(&self) -> impl Iterator<Item = &EntryKey> {
        self.delivered.iter().chain(self.batches().flat_map(|batch| &batch.entries))
    }

    /// Entries not yet decided on, or allowed to cross but not sent yet.
    pub(super) fn pending(&self) -> impl Iterator<Item = &EntryKey> {
        let held = self.held.iter().map(|held| &held.key);
        held.chain(self.waiting.iter().map(|waiting| &waiting.key)).chain(&self.own)
    }

    fn all_keys(&mut self) -> impl Iterator<Item = &mut EntryKey> {
        let on_its_way = self.batch.iter_mut().chain(&mut self.aside).flat_map(|batch| &mut batch.entries);
        let kept = self.kept.iter_mut().map(|kept| &mut kept.key);
        let held = self.held.iter_mut().map(|held| &mut held.key);
        let waiting = self.waiting.iter_mut().map(|waiting| &mut waiting.key);
        self.delivered.iter_mut().chain(on_its_way).chain(kept).chain(held).chain(waiting).chain(&mut self.own)
    }

    /// An operator lets the entries that are kept back cross.
    pub(crate) fn let_cross(&mut self) {
        self.own.extend(std::mem::take(&mut self.held).into_iter().map(|held| held.key));
    }

    /// An operator keeps the entries that are kept back on their side, for good.
    pub(crate) fn keep_back_for_good(&mut self) {
        for KeptBack { key, of, .. } in std::mem::take(&mut self.held) {
            self.kept.extend(of.into_iter().next().map(|parent| Kept { key: key.clone(), parent, reference: None }));
            self.delivered.push(key);
        }
    }

    /// The tickets from which entries of still unknown origin may have been copied.
    pub(crate) fn origins(&self) -> impl Iterator<Item = &ParentKey> {
        self.held.iter().map(|held| &held.of).chain(self.waiting.iter().map(|waiting| &waiting.of)).flatten()
    }

    /// Vanished entries stand in the log again, unchanged.
    pub fn record_back(&mut self, keys: &[EntryKey]) {
        self.vanished.retain(|key| !keys.contains(key));
        let on_its_way = |key: &&EntryKey| self.batches().any(|batch| batch.entries.contains(key));
        let delivered: Vec<EntryKey> = keys.iter().filter(|key| !on_its_way(key)).cloned().collect();
        self.delivered.extend(delivered);
    }

    /// The entry may have vanished and be there again.
    pub(super) fn record_back_as(&mut self, before: &EntryKey, now: &EntryKey) {
        if self.vanished.contains(before) {
            self.vanished.retain(|key| key != before);
            let is_on_its_way = self.batches().any(|batch| batch.entries.contains(before));
            self.delivered.extend((!is_on_its_way).then(|| now.clone()));
        }
    }

    /// The same entry under another date, or one that was lost and written again: not all saves of that second may
    /// have ended yet, so the entry counts as fresh as `now` says.
    pub(crate) fn record_moved(&mut self, before: &EntryKey, now: &EntryKey) {
        self.record_back_as(before, now);
        self.all_keys().filter(|key| *key == before).for_each(|key| key.clone_from(now));
        let carried = self.carried.iter_mut().flat_map(|file| &mut file.entries);
        let reworded = self.reworded.iter_mut().chain(&mut self.unsent_reworded).map(|reworded| &mut reworded.now);
        carried.chain(reworded).filter(|key| *key == before).for_each(|key| key.becomes(now));
    }

    /// Updates the key of an entry wherever it is remembered, except in `carried`: that holds the keys as sent.
    pub(super) fn update_key(&mut self, before: &EntryKey, now: &EntryKey) {
        self.all_keys().filter(|key| *key == before).for_each(|key| key.becomes(now));
    }

    /// These entries were seen after any save that could replace them had ended.
    pub(crate) fn record_settled(&mut self, keys: &[EntryKey]) {
        self.all_keys().filter(|key| keys.contains(key)).for_each(|key| key.fresh_until_ms = None);
    }

    /// The known entries that stand in the log and may still be lost to another save, each with the end of that time.
    pub(crate) fn fresh<'a>(&'a self, present: &'a [EntryKey]) -> impl Iterator<Item = (&'a EntryKey, i64)> {
        let there: BTreeSet<&EntryKey> = present.iter().collect();
        let known = self.known().chain(self.pending()).filter(move |key| there.contains(key));
        known.filter_map(|key| Some((key, key.fresh_until_ms?)))
    }

    /// Whether the log holds an unremembered entry of the same author and second: if `key` disappeared, that entry
    /// would look like it.
    pub(crate) fn may_be_mistaken(&self, key: &EntryKey, new: &[EntryKey]) -> bool {
        new.iter().any(|new| new.is_of_the_same_moment(key) && !self.pending().any(|pending| pending == new))
    }

    /// The delivered entries of each author and second whose remembered order differs from the log's, in the log's
    /// order. An entry that was reworded while it was fresh is delivered last, wherever it stands.
    pub(crate) fn out_of_order(&self, present: &[EntryKey]) -> Vec<Vec<EntryKey>> {
        let places: BTreeMap<&EntryKey, usize> = present.iter().enumerate().map(|(at, key)| (key, at)).collect();
        let mut moments: BTreeMap<(u64, &str), Vec<usize>> = BTreeMap::new();
        for key in &self.delivered {
            moments.entry(key.moment()).or_default().extend(places.get(key));
        }
        let unsorted = moments.into_values().filter(|places| !places.is_sorted());
        let sorted = unsorted.map(|mut places| {
            places.sort_unstable();
            places.into_iter().map(|at| present[at].clone()).collect()
        });
        sorted.collect()
    }

    /// Reorders these delivered entries to the order in which they stand in the log.
    pub(crate) fn record_order(&mut self, keys: &[EntryKey]) {
        let known = |key: &EntryKey| self.delivered.iter().find(|known| *known == key).cloned();
        let ordered: Vec<EntryKey> = keys.iter().filter_map(known).collect();
        let places = self.delivered.iter_mut().filter(|known| keys.contains(known));
        places.zip(ordered).for_each(|(place, key)| *place = key);
    }
}
