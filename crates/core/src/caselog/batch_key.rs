//! The key in the mark of a log file: it names the last entry that the file carries.

use super::{Entry, EntryKey, LogName};

/// The key of a log file's mark: the number, the hash and the moment of the last entry that it carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchKey {
    pub log: LogName,
    /// The entry's place in the log when it was read, from 1.
    pub number: usize,
    pub hash: String,
    /// The entry's date and author. Absent in marks of older versions.
    pub moment: Option<String>,
}

impl BatchKey {
    pub fn of(log: LogName, number: usize, entry: &EntryKey) -> BatchKey {
        BatchKey { log, number, hash: entry.hash.clone(), moment: Some(moment_of(entry)) }
    }

    pub fn to_key(&self) -> String {
        let moment = self.moment.as_ref().map_or_else(String::new, |moment| format!(":{moment}"));
        format!("{}:{}:{}{moment}", self.log.word(), self.number, self.hash)
    }

    pub fn read(key: &str) -> Option<BatchKey> {
        let mut parts = key.split(':');
        let word = parts.next()?;
        let log = LogName::ALL.into_iter().find(|log| log.word() == word)?;
        let (number, hash) = (parts.next()?.parse().ok()?, parts.next()?.to_owned());
        let key = BatchKey { log, number, hash, moment: parts.next().map(str::to_owned) };
        parts.next().is_none().then_some(key)
    }

    /// The place of the entry that this key names, tried in this order: the entry with this hash nearest to its old
    /// place, since earlier entries may have disappeared; if none (the entry may have been reworded), the one of this
    /// moment; if none, the last entry before it, which this file or the file before it also carries. If the mark has
    /// no moment, the entry with its number.
    pub fn place_in(&self, entries: &[Entry]) -> Option<usize> {
        let nearest = |is_it: &dyn Fn(&EntryKey) -> bool| {
            let fit = entries.iter().enumerate().filter(|(_, entry)| is_it(&entry.key));
            fit.map(|(at, _)| at).min_by_key(|at| (at + 1).abs_diff(self.number))
        };
        nearest(&|key| key.hash == self.hash).or_else(|| match &self.moment {
            Some(moment) => nearest(&|key| moment_of(key) == *moment).or_else(|| {
                let mut before = entries.iter().take(self.number.saturating_sub(1));
                before
                    .rposition(|entry| digits(&entry.key.date) <= digits(moment.split('-').next().unwrap_or_default()))
            }),
            None => self.number.checked_sub(1).filter(|at| *at < entries.len()),
        })
    }
}

/// The form used in a mark: `20261124120000-7`.
fn moment_of(entry: &EntryKey) -> String {
    format!("{}-{}", digits(&entry.date), entry.user_id)
}

fn digits(date: &str) -> String {
    date.chars().filter(char::is_ascii_digit).collect()
}
