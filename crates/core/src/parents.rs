//! Parents: iTop copies an entry of a parent's log into the logs of its children, under the same author and with the
//! same words. An entry written on a ticket that is in no pair does not cross by way of that ticket's children.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::caselog::{Entry, EntryKey, LogName, LogState};
use crate::text;

/// A copy is dated when the child is saved, one child after the other and each with its hooks. This is the longest
/// delay assumed where nothing shows a longer one.
const LATEST_SECONDS: i64 = 15 * 60;

/// The longest time assumed between an entry on the parent and the save of its first child, where only the time
/// suggests a copy. Nobody writes on two tickets within it and makes one the child of the other in between.
const AT_ONCE_SECONDS: i64 = 30;

/// The longest time assumed between the saves of two successive children.
const ONE_SAVE_SECONDS: i64 = 150;

const HOUR_SECONDS: i64 = 3600;

/// The attributes by which a ticket names a parent that iTop copies entries from, and that parent's class. A problem
/// or a change may be a parent too, but iTop copies nothing from these (seen on 3.1.2 and 3.2.0).
pub const PARENT_ATTRIBUTES: [(&str, &str); 2] =
    [("parent_request_id", "UserRequest"), ("parent_incident_id", "Incident")];

/// The parent attributes of this class; a class that is not iTop's own may lack them.
pub fn parent_attributes(class: &str) -> &'static [(&'static str, &'static str)] {
    match class {
        "Incident" => &PARENT_ATTRIBUTES[1..],
        "RoutineChange" | "NormalChange" | "EmergencyChange" => &[],
        _ => &PARENT_ATTRIBUTES,
    }
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ParentKey {
    pub class: String,
    pub id: u64,
}

/// A ticket's parents, and theirs, as they were read.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Family {
    pub elders: Vec<Elder>,
    /// The parents that could not be read, with the reason.
    pub unreadable: Vec<(ParentKey, String)>,
    /// `None` where they were not read.
    pub kin: Option<Kin>,
}

/// The other children of a ticket's parents. iTop saves the children one after the other, each with its hooks, and
/// then the parent: while children still get copies, the parent is not saved yet.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Kin {
    pub logs: BTreeMap<LogName, Vec<EntryKey>>,
    pub read_at_ms: i64,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Elder {
    pub key: ParentKey,
    pub reference: String,
    /// It is itself part of a pair of the same external: its log entries cross anyway.
    pub is_paired: bool,
    /// Its parents now, and those that it had when its own pair was last read.
    pub parents: Vec<ParentKey>,
    pub logs: BTreeMap<LogName, Vec<Entry>>,
}

/// An entry that stays on its side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    pub key: EntryKey,
    pub parent: ParentKey,
    /// The parent's reference; `None` where the entry may as well be the ticket's own: an operator keeps it here, or
    /// an older version could not read the parent.
    pub reference: Option<String>,
}

/// An entry that may be a copy: from a ticket that cannot be read, or of an entry that was reworded before it was
/// read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptBack {
    #[serde(flatten)]
    pub key: EntryKey,
    /// The tickets from which iTop may have copied it, as first determined: a copy stands in the child before a
    /// person can remove the child from its parent, and later parents cannot be its origin.
    #[serde(default)]
    pub of: Vec<ParentKey>,
    /// The parent that had an entry of the same author and moment in other words. That entry may be gone by now: the
    /// doubt stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doubt: Option<ParentKey>,
}

/// An entry that is not yet known to be the ticket's own, because iTop saves the children before the parent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    pub key: EntryKey,
    pub until_ms: i64,
    /// As in [`KeptBack`].
    #[serde(default)]
    pub of: Vec<ParentKey>,
    /// The number of other children of these parents seen to have received the same entry.
    #[serde(default)]
    pub equals: usize,
}

/// A new entry, and the tickets from which iTop may have copied it.
pub type Suspect = (EntryKey, Vec<ParentKey>);

/// New entries that are not, or may not be, the ticket's own.
#[derive(Debug, Default)]
pub struct ToldApart {
    pub copied: Vec<Kept>,
    /// Possible copies, from this parent, of entries with other words: somebody reworded the original or the copy
    /// before the bridge read them.
    pub perhaps: Vec<(EntryKey, ParentKey)>,
}

impl Family {
    /// The tickets from which an entry may have come down by way of these parents and whose entries stay on their
    /// side: they are in no pair, or cannot be read.
    pub fn origins<'a>(&'a self, parents: impl IntoIterator<Item = &'a ParentKey>) -> Vec<ParentKey> {
        let mut left: Vec<&ParentKey> = parents.into_iter().collect();
        let (mut met, mut origins) = (BTreeSet::new(), BTreeSet::new());
        while let Some(key) = left.pop() {
            if !met.insert(key) {
                continue;
            }
            match self.elders.iter().find(|elder| elder.key == *key) {
                Some(elder) if elder.is_paired => left.extend(&elder.parents),
                Some(_) => _ = origins.insert(key),
                None if self.why_unreadable(key).is_some() => _ = origins.insert(key),
                None => {}
            }
        }
        origins.into_iter().cloned().collect()
    }

    pub fn why_unreadable(&self, key: &ParentKey) -> Option<&str> {
        self.unreadable.iter().find(|(unreadable, _)| unreadable == key).map(|(_, why)| why.as_str())
    }

    /// Sorts out which suspects are copies. Each entry of a parent has one copy per child, and entries already kept
    /// count.
    pub fn tell_apart(&self, state: &LogState, entries: &[Entry], suspects: &[Suspect]) -> ToldApart {
        let mut told = ToldApart::default();
        for elder in self.elders.iter().filter(|elder| !elder.is_paired) {
            let mut theirs: Vec<&Entry> = elder.logs.get(&state.log).into_iter().flatten().collect();
            let mut take = |is_it: &dyn Fn(&Entry) -> bool| {
                let at = theirs.iter().position(|their| is_it(their))?;
                Some(theirs.remove(at))
            };
            let is_kept = |key: &EntryKey| state.kept.iter().any(|kept| kept.key == *key && kept.parent == elder.key);
            let suspect = |key: &EntryKey| suspects.iter().find(|(of, from)| of == key && from.contains(&elder.key));
            let mut others = Vec::new();
            for entry in entries {
                let key = &entry.key;
                let suspect = suspect(key).map(|(key, _)| key);
                let suspect = suspect.filter(|_| !told.copied.iter().any(|kept| kept.key == *key));
                if suspect.is_none() && !is_kept(key) {
                    continue;
                }
                match (take(&|their| self.is_copy(state, entry, their)), suspect) {
                    (None, _) => others.push((key, suspect)),
                    (Some(_), None) => {}
                    (Some(_), Some(key)) => {
                        let reference = Some(elder.reference.clone());
                        told.copied.push(Kept { key: key.clone(), parent: elder.key.clone(), reference });
                    }
                }
            }
            // Without words to compare, known copies are matched first.
            others.sort_by_key(|(_, suspect)| suspect.is_some());
            for (key, suspect) in others {
                let may_be = |their: &Entry| {
                    their.key.user_id == key.user_id && self.came_down(state.log, key, &their.key, AT_ONCE_SECONDS)
                };
                if take(&may_be).is_some() {
                    told.perhaps.extend(suspect.map(|key| (key.clone(), elder.key.clone())));
                }
            }
        }
        told.perhaps.retain(|(key, _)| !told.copied.iter().any(|kept| kept.key == *key));
        told
    }

    /// Whether an entry of the child is a copy of a parent's. A reworded one is recognised by its first words or, if
    /// the parent's was reworded too, by its present ones.
    fn is_copy(&self, state: &LogState, entry: &Entry, their: &Entry) -> bool {
        let (key, first) = (&entry.key, state.first_words_of(&entry.key));
        let came_down = |key| self.came_down(state.log, key, &their.key, LATEST_SECONDS);
        (says_what(entry, their) && came_down(key)) || (first.says_the_same(&their.key) && came_down(first))
    }

    /// Whether the times allow an entry to be a copy of another: dated at most `within` seconds later. Where many
    /// children are saved with slow hooks, each copy is dated soon after the one before it, and the last long after
    /// the parent's entry.
    fn came_down(&self, log: LogName, entry: &EntryKey, of: &EntryKey, mut within: i64) -> bool {
        if is_dated_after(entry, of, within) {
            return true;
        }
        let mut between = self.equals(log, entry);
        let mut reached = vec![of];
        while let Some(last) = reached.pop() {
            if is_dated_after(entry, last, within) {
                return true;
            }
            let next;
            (next, between) = between.into_iter().partition(|key| is_dated_after(key, last, within));
            reached.extend::<Vec<_>>(next);
            within = ONE_SAVE_SECONDS;
        }
        false
    }

    /// The entries of the kin's logs with the same author and words.
    fn equals(&self, log: LogName, entry: &EntryKey) -> Vec<&EntryKey> {
        let keys = self.kin.iter().filter_map(|kin| kin.logs.get(&log)).flatten();
        keys.filter(|key| key.says_the_same(entry)).collect()
    }

    /// The number of such entries that iTop may have copied after this entry.
    pub fn equals_since(&self, log: LogName, entry: &EntryKey) -> usize {
        self.equals(log, entry).into_iter().filter(|key| is_dated_after(key, entry, i64::MAX)).count()
    }
}

/// Whether an entry of a child says what one of the parent's says. An entry that is plain text in the parent's log,
/// as programs write it with `"format": "text"`, is HTML in the children's (seen on 3.1.2 and 3.2.0).
fn says_what(entry: &Entry, of: &Entry) -> bool {
    entry.key.says_the_same(&of.key)
        || (entry.key.user_id == of.key.user_id && text::says_the_same_beside_pictures(&entry.html, &of.html))
}

/// Whether an entry has the other's date, or one at most `within` seconds later.
fn is_dated_after(entry: &EntryKey, of: &EntryKey, within: i64) -> bool {
    let Some((entry_at, of_at)) = seconds(&entry.date).zip(seconds(&of.date)) else { return entry.date == of.date };
    let later = entry_at - of_at;
    // The hour that repeats when summer time ends may begin between the two.
    let is_soon = |later: i64| (0..=within).contains(&later);
    is_soon(later) || is_soon(later + HOUR_SECONDS)
}

/// `YYYY-MM-DD HH:MM:SS` as seconds of the server's own clock.
fn seconds(date: &str) -> Option<i64> {
    let number = |range: std::ops::Range<usize>| date.get(range)?.parse::<i64>().ok();
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    // In years that begin in March the leap day is at the end.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day;
    Some(((days * 24 + hour) * 60 + minute) * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(date: &str) -> EntryKey {
        EntryKey { date: date.into(), user_id: 7, hash: "a".into(), nth: 0, author: None, fresh_until_ms: None }
    }

    #[test]
    fn a_copy_is_dated_a_little_later_than_its_original() {
        let is_copy = |date: &str| is_dated_after(&key(date), &key("2026-02-28 23:59:50"), LATEST_SECONDS);
        assert!(is_copy("2026-02-28 23:59:50") && is_copy("2026-03-01 00:01:00"));
        assert!(!is_copy("2026-02-28 23:59:49") && !is_copy("2026-03-01 00:20:00"));
    }

    #[test]
    fn the_hour_that_repeats_makes_no_entry_an_own_one() {
        assert!(is_dated_after(&key("2026-10-25 02:00:01"), &key("2026-10-25 02:59:59"), LATEST_SECONDS));
    }

    #[test]
    fn dates_of_another_form_are_compared_as_they_are() {
        assert!(is_dated_after(&key("yesterday"), &key("yesterday"), LATEST_SECONDS));
        assert!(!is_dated_after(&key("yesterday"), &key("today"), LATEST_SECONDS));
    }
}
