//! The private logs of the model: entries with an identity that iTop does not show.

use itop_bridge_core::caselog::{Entry, EntryKey};
use itop_bridge_core::link::CopyState;
use itop_bridge_core::{LogName, Side};
use proptest::prelude::prop::sample::Index;

use super::{Instance, World};
use crate::fixtures;

#[derive(Debug, Clone)]
pub struct Spoken {
    /// What iTop does not give.
    pub identity: u64,
    pub second: i64,
    pub user: u64,
    pub words: &'static str,
    /// Those that it had before anybody reworded it.
    pub first_words: &'static str,
}

/// An entry that iTop lost, and the zone in which it was last read.
#[derive(Debug, Clone)]
pub struct Lost {
    pub entry: Spoken,
    zone: i64,
}

impl World {
    pub fn say(&mut self, on: Side, user: u64, words: &'static str) {
        self.counter += 1;
        let spoken = Spoken { identity: self.counter, second: self.now / 1000, user, words, first_words: words };
        self.side_mut(on).log.push(spoken);
    }

    pub fn lose(&mut self, on: Side, pick: &Index, count: usize) {
        let side = self.side_mut(on);
        for _ in 0..count.min(side.log.len()) {
            let entry = side.log.remove(pick.index(side.log.len()));
            side.lost.push(Lost { entry, zone: side.zone_seen });
        }
    }

    /// Seconds after its first look a reworded entry looks like a lost one and a new one, and what comes back among
    /// others of its author and second may stand at another place: these stay.
    pub fn reword(&mut self, on: Side, pick: &Index) {
        let known = self.link.log(on, LogName::Private).map_or(&[][..], |log| &log.delivered);
        let side = self.side(on);
        let is_settled = |key: &EntryKey| known.iter().any(|known| known == key && known.fresh_until_ms.is_none());
        let keys = side.keys();
        let is_alone = |one: &Spoken| {
            let all = side.log.iter().chain(side.lost_entries());
            all.filter(|other| (other.user, other.second) == (one.user, one.second)).count() == 1
        };
        let may_be = |at: &usize| is_settled(&keys[*at]) && is_alone(&side.log[*at]);
        let may_be: Vec<usize> = (0..keys.len()).filter(may_be).collect();
        if may_be.is_empty() || side.zone != side.zone_seen {
            return;
        }
        self.counter += 1;
        let words: &'static str = format!("*{}", self.counter).leak();
        let side = self.side_mut(on);
        side.log[*pick.get(&may_be)].words = words;
        side.unseen_change = true;
    }

    /// The identities of these entries, as the log stands.
    pub fn identities(&self, on: Side, keys: &[EntryKey]) -> Vec<u64> {
        let side = self.side(on);
        let known = side.keys().into_iter().zip(&side.log);
        known.filter(|(key, _)| keys.contains(key)).map(|(_, spoken)| spoken.identity).collect()
    }

    /// A person removed a log file. One that nobody knew to be there is sent again: that is no second time.
    pub fn log_file_removed(&mut self, from: Side, id: u64, key: &str) {
        let Some(log) = self.link.log(from, LogName::Private).filter(|log| !log.files.contains(&id)) else { return };
        let Some(batch) = &log.batch else { return };
        let in_doubt = |state: &Option<CopyState>| matches!(state, Some(CopyState::InDoubt { .. }));
        if batch.files.iter().any(|file| file.key == key && in_doubt(&file.state)) {
            for carried in self.batches[&from].clone() {
                let last = self.given.iter().rposition(|given| *given == (from, carried));
                last.map(|at| self.given.remove(at));
            }
        }
    }

    /// An operator resumes: what stood there at the halt is not delivered any more.
    pub fn waive_what_halted_logs_hold(&mut self) {
        for log in self.link.logs.clone() {
            let Some(halt) = log.halt else { continue };
            let keys: Vec<EntryKey> =
                self.side(log.from).keys().into_iter().filter(|key| key.date <= halt.newest).collect();
            let waived = self.identities(log.from, &keys).into_iter().map(|identity| (log.from, identity));
            self.waived.extend(waived.collect::<Vec<_>>());
        }
    }
}

impl Instance {
    /// What was lost last is there again, just as it was: unless the zone was changed meanwhile.
    pub fn come_back(&mut self) {
        if self.unseen_change {
            return;
        }
        if let Some(lost) = self.lost.pop_if(|lost| lost.zone == self.zone) {
            let at = self.log.iter().position(|entry| entry.second > lost.entry.second).unwrap_or(self.log.len());
            self.log.insert(at, lost.entry);
            self.unseen_change = true;
        }
    }

    /// An entry that went and comes under another date is a new one, unless it was seen back, or with its other words, before.
    pub fn change_zone(&mut self, hours: i64) {
        if !self.unseen_change {
            self.zone += hours;
        }
    }

    pub fn lost_entries(&self) -> impl Iterator<Item = &Spoken> {
        self.lost.iter().map(|lost| &lost.entry)
    }

    pub fn keys(&self) -> Vec<EntryKey> {
        let mut keys: Vec<EntryKey> = Vec::new();
        for spoken in &self.log {
            let date = format!("{:012}", 1_000_000_000 + spoken.second + self.zone * 3600);
            let hash = spoken.words.to_owned();
            let mut key = EntryKey { date, user_id: spoken.user, hash, nth: 0, author: None, fresh_until_ms: None };
            while keys.contains(&key) {
                key.nth += 1;
            }
            keys.push(key);
        }
        keys
    }

    /// The inside's begins with the entry that the bridge wrote at its creation.
    pub fn entries(&self, on: Side) -> Vec<Entry> {
        let spoken = self.keys().into_iter().zip(&self.log).map(|(key, spoken)| Entry {
            key,
            author: String::new(),
            html: spoken.words.to_owned(),
        });
        let marked = (on == Side::Internal).then(|| fixtures::marked_entry("7f3a").0);
        marked.into_iter().chain(spoken).collect()
    }
}
