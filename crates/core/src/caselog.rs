//! Case logs: which entries of one side's log the other side has been given.
//!
//! iTop gives an entry no id, and loses one when two people save at the same moment. So an entry is known
//! by what it says, and what the other side was given is remembered entry by entry: neither a lost entry
//! nor a late one shifts the rest.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::link::CopyState;
use crate::mark::FileKind;
use crate::ticket::Side;

/// Which of a ticket's logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogName {
    Private,
    Public,
}

impl LogName {
    pub const ALL: [LogName; 2] = [LogName::Private, LogName::Public];

    /// The attribute that holds it.
    pub fn attribute(self) -> &'static str {
        match self {
            LogName::Private => "private_log",
            LogName::Public => "public_log",
        }
    }

    /// The word that stands in marks and in file names.
    pub fn word(self) -> &'static str {
        match self {
            LogName::Private => "private",
            LogName::Public => "public",
        }
    }
}

/// What tells one entry from another.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct EntryKey {
    /// iTop's time of it, as iTop prints it: it moves when the server's zone is changed.
    pub date: String,
    pub user_id: u64,
    /// A hash of its `message_html`, with image addresses reduced to their id.
    pub hash: String,
    /// Which one of those that are equal in all this, from 0.
    pub nth: u32,
}

impl EntryKey {
    fn says_the_same(&self, other: &EntryKey) -> bool {
        (self.user_id, &self.hash) == (other.user_id, &other.hash)
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

/// One log of one side of a pair: what of it the other side has been given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogState {
    /// The side that the log is read on.
    pub from: Side,
    pub log: LogName,
    pub delivered: Vec<EntryKey>,
    /// Entries that went, and were delivered before or are on their way in the batch: should one come back just as it
    /// was, it is no new one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub vanished: Vec<EntryKey>,
    /// What is being sent: fixed before its first call, and sent unchanged after a crash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<Batch>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub halt: Option<LogHalt>,
    /// The attachments that carried it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<u64>,
    /// Those of them that a person deleted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<u64>,
    /// An operator resumed this log after a halt: what is dated up to then counts as delivered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resumed_after: Option<String>,
}

impl LogState {
    pub fn new(from: Side, log: LogName) -> LogState {
        LogState {
            from,
            log,
            delivered: Vec::new(),
            vanished: Vec::new(),
            batch: None,
            halt: None,
            files: Vec::new(),
            removed: Vec::new(),
            resumed_after: None,
        }
    }

    /// The files of the batch arrived, or their fate is known: its entries are delivered. Those that went meanwhile
    /// stay with the others that went.
    pub fn batch_is_over(&mut self) {
        let entries = self.keep_files_of_batch().into_iter();
        let (vanished, delivered) = (&self.vanished, &mut self.delivered);
        delivered.extend(entries.filter(|key| !vanished.contains(key)));
    }

    /// The batch will not be sent any more: its entries are as new as they were.
    pub fn batch_is_given_up(&mut self) {
        let entries = self.keep_files_of_batch();
        self.vanished.retain(|key| !entries.contains(key));
    }

    /// Entries that went stand in the log again, just as they were.
    pub fn are_back(&mut self, keys: &[EntryKey]) {
        self.vanished.retain(|key| !keys.contains(key));
        let on_its_way = |key: &&EntryKey| self.batch.iter().any(|batch| batch.entries.contains(key));
        let delivered: Vec<EntryKey> = keys.iter().filter(|key| !on_its_way(key)).cloned().collect();
        self.delivered.extend(delivered);
    }

    fn keep_files_of_batch(&mut self) -> Vec<EntryKey> {
        let Some(batch) = self.batch.take() else { return Vec::new() };
        self.files.extend(batch.files.iter().filter_map(|file| file.state.as_ref()?.standing()));
        batch.entries
    }
}

/// Too much of a log went at once. Nothing more of it is sent until an operator resumes the link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogHalt {
    pub text: String,
    /// The date of the newest entry then, as iTop prints it: what is dated after it is new.
    pub newest: String,
}

/// Entries on their way, as files: one with the text, one an inline image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    pub entries: Vec<EntryKey>,
    /// In the order in which they are sent; the text is the last, so that all up to its mark is there.
    pub files: Vec<BatchFile>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchFile {
    pub kind: FileKind,
    /// The mark's key.
    pub key: String,
    pub name: String,
    pub holds: BatchContent,
    /// `None` before it was sent.
    pub state: Option<CopyState>,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BatchContent {
    Text(String),
    /// An inline image of the side that the log is on.
    Image {
        id: u64,
        secret: String,
    },
}

/// The key of a log file's mark: the number and the hash of the last entry that it carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchKey {
    pub log: LogName,
    /// The entry's place in the log when it was read, from 1.
    pub number: usize,
    pub hash: String,
}

impl BatchKey {
    pub fn of(log: LogName, number: usize, entry: &EntryKey) -> BatchKey {
        BatchKey { log, number, hash: entry.hash.clone() }
    }

    pub fn to_key(&self) -> String {
        format!("{}:{}:{}", self.log.word(), self.number, self.hash)
    }

    pub fn read(key: &str) -> Option<BatchKey> {
        let mut parts = key.split(':');
        let word = parts.next()?;
        let log = LogName::ALL.into_iter().find(|log| log.word() == word)?;
        let key = BatchKey { log, number: parts.next()?.parse().ok()?, hash: parts.next()?.to_owned() };
        parts.next().is_none().then_some(key)
    }

    /// The place of the entry that it names: the one with this hash that stands nearest to where it
    /// stood, since entries before it may have gone.
    pub fn place_in(&self, entries: &[Entry]) -> Option<usize> {
        let said = entries.iter().enumerate().filter(|(_, entry)| entry.key.hash == self.hash);
        said.map(|(at, _)| at).min_by_key(|at| (at + 1).abs_diff(self.number))
    }
}

/// How a log as it stands differs from what was delivered of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Neither delivered nor on its way, in the log's order.
    pub new: Vec<EntryKey>,
    /// Delivered, and no longer there.
    pub gone: Vec<EntryKey>,
    /// On its way in the batch, and no longer there, which is not remembered yet.
    pub gone_on_the_way: Vec<EntryKey>,
    /// Gone once, and there again.
    pub back: Vec<EntryKey>,
    /// The same entry under another date.
    pub moved: Vec<(EntryKey, EntryKey)>,
}

impl Difference {
    /// A vanished and an unknown entry with equal author and words are one entry whose date moved.
    pub fn of(state: &LogState, present: &[EntryKey]) -> Difference {
        let there: BTreeSet<&EntryKey> = present.iter().collect();
        let known: BTreeSet<&EntryKey> = state.delivered.iter().collect();
        let vanished: BTreeSet<&EntryKey> = state.vanished.iter().collect();
        let on_its_way: BTreeSet<&EntryKey> = state.batch.iter().flat_map(|batch| &batch.entries).collect();
        let sent = state.delivered.iter().chain(on_its_way.iter().copied());
        let mut gone: Vec<&EntryKey> = sent.filter(|key| !there.contains(key)).collect();
        let mut difference = Difference::default();
        for key in present {
            if known.contains(key) {
                continue;
            }
            if vanished.contains(key) {
                difference.back.push(key.clone());
                continue;
            }
            if on_its_way.contains(key) {
                continue;
            }
            match gone.iter().position(|gone| gone.says_the_same(key)) {
                Some(at) => difference.moved.push((gone.remove(at).clone(), key.clone())),
                None => difference.new.push(key.clone()),
            }
        }
        let (delivered, on_the_way): (Vec<&EntryKey>, Vec<&EntryKey>) =
            gone.into_iter().partition(|key| known.contains(key));
        difference.gone = delivered.into_iter().cloned().collect();
        difference.gone_on_the_way = on_the_way.into_iter().filter(|key| !vanished.contains(key)).cloned().collect();
        difference
    }
}
