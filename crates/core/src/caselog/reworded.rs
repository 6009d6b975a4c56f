//! Recognises known entries whose words changed: an anonymiser or a moderator changes words in place.
//!
//! **The rule.** An unknown entry is a missing known one if author and date (to the second) agree, if it stands at
//! the same place among the entries of that author and second, and if it cannot be new. Its words and length do not
//! matter.
//!
//! **When it cannot be new.** iTop loses an entry when two people save at once: each save adds its entry to the log
//! as it was read, and the later save wins. So an entry may be lost, and a new one of the same author and second
//! stand in its place. That is excluded once the missing entry was seen after all saves of its second had ended,
//! which is [`ENTRY_SETTLES_MS`] after it was first read: it was dated before that, and so was every entry of its
//! second. A new entry of that second would have been there at that reading, and the reading counts only if every
//! entry of that second that stood there was known. The entry is then no longer **fresh**.
//!
//! Where a fresh entry is missing, nobody can tell: the unknown entry is sent, and the missing one counts as gone. An
//! entry that was reworded within seconds is then sent twice; the other guess could lose one. A known entry that
//! stands after it proves nothing: that one, fresh too, may have been lost and written again.
//!
//! Where an iTop was restored and its people wrote again, the new entries have later dates, so they match no known
//! ones.
//!
//! **The place.** The entries of one author and second keep their order, and each reading remembers the order of
//! those that stand. Unchanged entries separate the others: the missing and the unknown between two of them
//! correspond, in order. If more are missing than unknown, the last of the missing are gone; if more are unknown,
//! nobody can tell which of them is new, and all are sent. Entries that are on their way or held back are known after
//! the delivered ones of their second, wherever they stand: one of these that is reworded then may be sent twice.
//!
//! [`ENTRY_SETTLES_MS`]: super::ENTRY_SETTLES_MS

use std::collections::{BTreeMap, BTreeSet};

use super::EntryKey;

type Moment<'a> = (u64, &'a str);

/// The known entries of a log in order, and the entries that stand in it.
pub(super) struct Places<'a> {
    was_at: BTreeMap<&'a EntryKey, usize>,
    /// The entries of each author and second, in order.
    known: BTreeMap<Moment<'a>, Vec<&'a EntryKey>>,
    present: &'a [EntryKey],
    now: BTreeMap<Moment<'a>, Vec<usize>>,
}

/// A missing key, the position of the unknown entry that takes its place, and the known entry whose place that is
/// (one with the same words as the missing one).
struct Pair<'a> {
    place: &'a EntryKey,
    before: &'a EntryKey,
    at: usize,
}

impl<'a> Places<'a> {
    pub(super) fn of(known: &[&'a EntryKey], present: &'a [EntryKey]) -> Places<'a> {
        let was_at: BTreeMap<&EntryKey, usize> = known.iter().enumerate().map(|(at, key)| (*key, at)).collect();
        let mut places = Places { was_at, known: BTreeMap::new(), present, now: BTreeMap::new() };
        for key in known {
            places.known.entry(key.moment()).or_default().push(key);
        }
        for (at, key) in present.iter().enumerate() {
            places.now.entry(key.moment()).or_default().push(at);
        }
        places
    }

    /// Pairs missing and unknown entries that are one entry, and removes them from both lists.
    pub(super) fn take_reworded(
        &self,
        gone: &mut Vec<&'a EntryKey>,
        unknown: &mut Vec<&'a EntryKey>,
    ) -> Vec<(EntryKey, EntryKey)> {
        let mut missing: BTreeMap<Moment<'_>, Vec<&EntryKey>> = BTreeMap::new();
        for key in gone.iter() {
            missing.entry(key.moment()).or_default().push(key);
        }
        let new: BTreeSet<&EntryKey> = unknown.iter().copied().collect();
        let moments: BTreeSet<Moment<'_>> = unknown.iter().map(|key| key.moment()).collect();
        let mut pairs = Vec::new();
        for (moment, missing) in moments.iter().filter_map(|moment| Some((moment, missing.get(moment)?))) {
            pairs.extend(self.pairs_of(*moment, missing, &new));
        }
        gone.retain(|key| !pairs.iter().any(|(before, _)| before == key));
        unknown.retain(|key| !pairs.iter().any(|(_, now)| now == key));
        pairs.sort_by_key(|(_, now)| self.present.iter().position(|key| key == *now));
        pairs.into_iter().map(|(before, now)| (before.clone(), now.clone())).collect()
    }

    fn pairs_of(
        &self,
        moment: Moment<'_>,
        missing: &[&'a EntryKey],
        new: &BTreeSet<&EntryKey>,
    ) -> Vec<(&'a EntryKey, &'a EntryKey)> {
        let is_missing = |key: &EntryKey| missing.contains(&key);
        // Entries that vanished long ago are not in `known`; then only the missing ones are compared.
        let known = self.known.get(&moment).filter(|known| missing.iter().all(|key| known.contains(key)));
        let were: Vec<&EntryKey> = match known {
            Some(known) => known.iter().copied().filter(|key| is_missing(key) || self.stands(key)).collect(),
            None => missing.to_vec(),
        };
        let stands = |at: &usize| {
            let key = &self.present[*at];
            if new.contains(key) { self.is_in_order(*at, missing[0], new) } else { were.contains(&key) }
        };
        let are: Vec<usize> = self.now[&moment].iter().copied().filter(stands).collect();
        let is_unknown = |at: usize| new.contains(&self.present[at]);
        let unknown = || are.iter().copied().filter(|at| is_unknown(*at));
        // Entries with the same words are interchangeable: which key is missing says nothing about the place.
        let both = were.iter().copied().zip(&are);
        let differ: Vec<&EntryKey> =
            both.filter(|(was, is)| was.hash != self.present[**is].hash).map(|(was, _)| was).collect();
        let pairs: Vec<Pair<'_>> = if were.len() == are.len() && differ.len() == missing.len() {
            let places = differ.into_iter().zip(missing.iter().copied().zip(unknown()));
            places.map(|(place, (before, at))| Pair { place, before, at }).collect()
        } else {
            let pairs = self.between_those_that_stand(&were, &are, &is_missing, &is_unknown).into_iter();
            pairs.map(|(before, at)| Pair { place: before, before, at }).collect()
        };
        let settled = pairs.into_iter().filter(|pair| pair.place.fresh_until_ms.is_none());
        settled.map(|pair| (pair.before, &self.present[pair.at])).collect()
    }

    fn between_those_that_stand(
        &self,
        were: &[&'a EntryKey],
        are: &[usize],
        is_missing: &dyn Fn(&EntryKey) -> bool,
        is_unknown: &dyn Fn(usize) -> bool,
    ) -> Vec<(&'a EntryKey, usize)> {
        let stood = were.iter().copied().filter(|key| !is_missing(key));
        let stand = are.iter().copied().filter(|at| !is_unknown(*at)).map(|at| &self.present[at]);
        if !stood.eq(stand) {
            return Vec::new();
        }
        let missing = were.split(|key| !is_missing(key));
        let unknown = are.split(|at| !is_unknown(*at));
        let belong = missing.zip(unknown).filter(|(missing, unknown)| unknown.len() <= missing.len());
        belong.flat_map(|(missing, unknown)| missing.iter().copied().zip(unknown.iter().copied())).collect()
    }

    fn stands(&self, key: &EntryKey) -> bool {
        self.now.get(&key.moment()).is_some_and(|at| at.iter().any(|at| self.present[*at] == *key))
    }

    /// A log is in the order of its dates, except in a repeated hour or after a clock was set back: there it has the
    /// order in which it was known. An unknown entry says nothing about that order.
    fn is_in_order(&self, at: usize, before: &EntryKey, new: &BTreeSet<&EntryKey>) -> bool {
        let now = &self.present[at];
        let is_other = |key: &&EntryKey| !key.is_of_the_same_moment(now) && !new.contains(key);
        let was_at = self.was_at.get(before);
        let knew = |key: &EntryKey| self.known.get(&key.moment()).and_then(|known| self.was_at.get(known[0]));
        let stood_before = |key: &EntryKey| knew(key).zip(was_at).is_some_and(|(other, was_at)| other < was_at);
        let stood_after = |key: &EntryKey| knew(key).zip(was_at).is_some_and(|(other, was_at)| other > was_at);
        let earlier = self.present[..at].iter().rev().find(is_other);
        let later = self.present[at + 1..].iter().find(is_other);
        earlier.is_none_or(|key| key.date <= now.date || stood_before(key))
            && later.is_none_or(|key| key.date >= now.date || stood_after(key))
    }
}
