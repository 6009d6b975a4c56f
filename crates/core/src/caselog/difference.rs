//! The difference between a log as it stands and what was delivered of it.

use std::collections::{BTreeMap, BTreeSet};

use super::reworded::Places;
use super::{EntryKey, LogState};

/// How a log as it stands differs from what was delivered of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Neither delivered nor being sent, in the log's order; includes entries that are kept back or waiting.
    pub new: Vec<EntryKey>,
    /// Delivered, and no longer there.
    pub gone: Vec<EntryKey>,
    /// In a batch, no longer there, and not yet remembered as vanished.
    pub gone_on_the_way: Vec<EntryKey>,
    /// Vanished earlier, and there again.
    pub back: Vec<EntryKey>,
    /// The same entry under another date.
    pub moved: Vec<(EntryKey, EntryKey)>,
    /// The same entry with other words, or another author's name.
    pub reworded: Vec<(EntryKey, EntryKey)>,
}

/// Known entries that do not stand in the log.
struct Missing<'a> {
    /// Those that stood there when it was last read.
    gone: Vec<&'a EntryKey>,
    /// Those that had vanished before.
    lost: Vec<&'a EntryKey>,
}

impl Difference {
    /// A missing and an unknown entry with equal author and words are one entry whose date moved; [`Places`] decides
    /// which are one entry that was reworded.
    pub fn of(state: &LogState, present: &[EntryKey]) -> Difference {
        let there: BTreeSet<&EntryKey> = present.iter().collect();
        let sent: BTreeSet<&EntryKey> = state.known().collect();
        let pending: BTreeSet<&EntryKey> = state.pending().filter(|key| !sent.contains(key)).collect();
        let mut known_keys = BTreeSet::new();
        let all_known = state.known().chain(state.pending());
        let known: Vec<&EntryKey> = all_known.filter(|key| known_keys.insert(*key)).collect();
        let mut missing = Missing {
            gone: known.iter().copied().filter(|key| !there.contains(key)).collect(),
            lost: state.vanished.iter().filter(|key| !there.contains(key)).collect(),
        };
        let mut difference = Difference::default();
        let mut unknown = difference.take_known(state, present, &known_keys, &mut missing);
        if !unknown.is_empty() {
            unknown = difference.take_changed(&Places::of(&known, present), &mut missing, unknown);
        }
        difference.new = difference.undecided(present, &unknown, &pending);
        let gone = missing.gone.into_iter().filter(|key| !pending.contains(key));
        difference.take_gone(state, gone);
        difference
    }

    /// Compares by key: finds entries that are back, and known ones under another author's name. Returns the entries
    /// that are not known.
    fn take_known<'a>(
        &mut self,
        state: &LogState,
        present: &'a [EntryKey],
        known: &BTreeSet<&EntryKey>,
        missing: &mut Missing<'_>,
    ) -> Vec<&'a EntryKey> {
        let delivered: BTreeSet<&EntryKey> = state.delivered.iter().collect();
        let vanished: BTreeSet<&EntryKey> = state.vanished.iter().collect();
        let mut unknown = Vec::new();
        for key in present {
            if vanished.contains(key) && !delivered.contains(key) {
                self.back.push(key.clone());
                continue;
            }
            if let Some(before) = known.get(key) {
                if key.has_another_author_than(before) {
                    self.reworded.push(((*before).clone(), key.clone()));
                }
                continue;
            }
            // Another of the entries that were equal may have been reworded: then this entry's index has changed.
            let is_it = |lost: &&EntryKey| lost.says_the_same(key) && lost.date == key.date;
            match missing.lost.iter().position(is_it) {
                Some(at) => self.moved.push((missing.lost.remove(at).clone(), key.clone())),
                None => unknown.push(key),
            }
        }
        unknown
    }

    /// Pairs missing and unknown entries that are one entry, moved or reworded. Returns the entries that stay unknown.
    fn take_changed<'a>(
        &mut self,
        places: &Places<'a>,
        missing: &mut Missing<'a>,
        unknown: Vec<&'a EntryKey>,
    ) -> Vec<&'a EntryKey> {
        let Missing { gone, lost } = missing;
        // An unknown entry with a missing entry's words is more likely that entry under another date; the others
        // cannot be.
        let said: BTreeSet<(u64, &str)> = gone.iter().map(|key| key.says()).collect();
        let (mut may_be_moved, mut others): (Vec<&EntryKey>, Vec<&EntryKey>) =
            unknown.into_iter().partition(|key| said.contains(&key.says()));
        self.reworded.extend(places.take_reworded(gone, &mut others));
        may_be_moved.retain(|key| {
            let Some(at) = gone.iter().position(|gone| gone.says_the_same(key)) else { return true };
            self.moved.push((gone.remove(at).clone(), (*key).clone()));
            false
        });
        let mut unknown = others.into_iter().chain(may_be_moved).collect();
        self.reworded.extend(places.take_reworded(gone, &mut unknown));
        let is_left = |key: &&EntryKey| !self.reworded.iter().any(|(before, _)| before == *key);
        lost.retain(is_left);
        self.reworded.extend(places.take_reworded(lost, &mut unknown));
        unknown
    }

    /// Divides the entries that are gone: delivered ones, and those on their way that were not known to have vanished.
    fn take_gone<'a>(&mut self, state: &LogState, gone: impl Iterator<Item = &'a EntryKey>) {
        let delivered: BTreeSet<&EntryKey> = state.delivered.iter().collect();
        let vanished: BTreeSet<&EntryKey> = state.vanished.iter().collect();
        let (gone, on_the_way): (Vec<&EntryKey>, Vec<&EntryKey>) = gone.partition(|key| delivered.contains(key));
        self.gone = gone.into_iter().cloned().collect();
        self.gone_on_the_way = on_the_way.into_iter().filter(|key| !vanished.contains(key)).cloned().collect();
    }

    /// New entries, and known ones that were not decided on, in the log's order.
    fn undecided(&self, present: &[EntryKey], unknown: &[&EntryKey], pending: &BTreeSet<&EntryKey>) -> Vec<EntryKey> {
        let changed: BTreeMap<&EntryKey, &EntryKey> =
            self.moved.iter().chain(&self.reworded).map(|(before, now)| (now, before)).collect();
        let unknown: BTreeSet<&EntryKey> = unknown.iter().copied().collect();
        let as_known = |key: &EntryKey| {
            if unknown.contains(key) {
                return Some(key.clone());
            }
            let before = pending.get(changed.get(key).copied().unwrap_or(key))?;
            let mut known = (*before).clone();
            known.becomes(key);
            Some(known)
        };
        present.iter().filter_map(as_known).collect()
    }
}
