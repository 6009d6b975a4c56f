//! The words that reworded entries had before, and where those stand on the other side.

use serde::{Deserialize, Serialize};

use super::{EntryKey, LogFile, LogState};

/// An entry whose words or author's name changed: as it was sent, and as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reworded {
    pub was: EntryKey,
    pub now: EntryKey,
}

/// Where the old words of a reworded entry stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OldWords<'a> {
    /// The entry's date.
    pub date: &'a str,
    /// The words are unchanged; only the author's name differs.
    pub only_the_author: bool,
    pub stand: Stand<'a>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stand<'a> {
    In(&'a LogFile),
    /// A file with the old words is being sent: it was fixed before the change.
    OnTheirWay,
    /// One of these files, whose entries were not recorded.
    InOneOf(Vec<u64>),
}

impl LogState {
    /// The entry has other words now, or its author another name. The copy that was sent keeps the old ones.
    pub(crate) fn record_reworded(&mut self, before: &EntryKey, now: &EntryKey) {
        self.record_back_as(before, now);
        self.update_key(before, now);
        let is_unsent = self.was_never_sent(now);
        let records = if is_unsent { &mut self.unsent_reworded } else { &mut self.reworded };
        let known = records.iter().position(|reworded| reworded.now == *before);
        let was = known.map_or_else(|| before.clone(), |at| records.remove(at).was);
        // Somebody may have put the old words back.
        if was != *now || now.has_another_author_than(&was) {
            records.push(Reworded { was, now: now.clone() });
        }
    }

    fn was_never_sent(&self, key: &EntryKey) -> bool {
        let is_on_its_way = || self.batches().any(|batch| batch.entries.contains(key));
        self.kept.iter().any(|kept| kept.key == *key)
            || (self.pending().any(|pending| pending == key) && !is_on_its_way())
    }

    /// The entry as it was first seen, if it was never sent.
    pub(crate) fn first_words_of<'k>(&'k self, now: &'k EntryKey) -> &'k EntryKey {
        self.unsent_reworded.iter().find(|reworded| reworded.now == *now).map_or(now, |reworded| &reworded.was)
    }

    /// Forgets the first words of entries that crossed or disappeared: they are of no more use.
    pub(crate) fn forget_first_words(&mut self) {
        let records = std::mem::take(&mut self.unsent_reworded);
        self.unsent_reworded = records.into_iter().filter(|reworded| self.was_never_sent(&reworded.now)).collect();
    }

    /// Where the old words of reworded entries stand on the other side. Files that a person deleted are left out.
    pub fn old_words(&self) -> Vec<OldWords<'_>> {
        self.reworded.iter().filter_map(|reworded| self.old_words_of(reworded)).collect()
    }

    fn old_words_of<'a>(&'a self, Reworded { was, now }: &'a Reworded) -> Option<OldWords<'a>> {
        let is_on_its_way = || self.batches().any(|batch| batch.entries.contains(now));
        let stand = match self.carried.iter().find(|file| file.entries.contains(was)) {
            Some(file) if self.removed.contains(&file.id) => return None,
            Some(file) => Stand::In(file),
            None if is_on_its_way() => Stand::OnTheirWay,
            None => Stand::InOneOf(self.files_of_unknown_entries()),
        };
        Some(OldWords { date: &now.date, only_the_author: was.hash == now.hash, stand })
    }

    fn files_of_unknown_entries(&self) -> Vec<u64> {
        let is_known = |id: &u64| self.carried.iter().any(|file| file.id == *id);
        self.files.iter().filter(|id| !is_known(id)).copied().collect()
    }
}
