//! Batches: entries on their way to the other side as files, and the end of that way.

use serde::{Deserialize, Serialize};

use super::{EntryKey, LogState};
use crate::link::CopyState;
use crate::mark::FileKind;

/// Entries being sent as files: one with the text, and one per inline image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    pub entries: Vec<EntryKey>,
    /// In sending order; the text is last, so that all entries up to its mark are there.
    pub files: Vec<BatchFile>,
}

impl Batch {
    /// The key of the text file.
    pub fn key(&self) -> Option<&str> {
        self.files.iter().find(|file| file.kind == FileKind::Log).map(|file| file.key.as_str())
    }
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

/// An attachment with the text of some entries, and the keys that they had when it was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogFile {
    pub id: u64,
    pub name: String,
    pub entries: Vec<EntryKey>,
}

impl LogState {
    /// The batch being sent, and those that were set aside.
    pub fn batches(&self) -> impl Iterator<Item = &Batch> {
        self.batch.iter().chain(&self.aside)
    }

    pub fn batches_mut(&mut self) -> impl Iterator<Item = &mut Batch> {
        self.batch.iter_mut().chain(&mut self.aside)
    }

    /// Whether an entry of the batch shares its author and second with a delivered one: once both are delivered, a look
    /// remembers their order.
    pub fn batch_shares_a_second(&self) -> bool {
        let entries = self.batch.iter().flat_map(|batch| &batch.entries);
        entries.into_iter().any(|key| self.delivered.iter().any(|known| known.is_of_the_same_moment(key)))
    }

    /// The batch's files arrived, or their fate is known: its entries count as delivered, except those that have
    /// disappeared meanwhile, which stay in `vanished`.
    pub fn finish_batch(&mut self) {
        let batch = self.batch.take();
        self.deliver(batch);
    }

    /// The batch will not be sent any more: its entries are new again.
    pub fn give_up_batch(&mut self) {
        let batch = self.batch.take();
        self.take_back(batch);
    }

    /// Later entries no longer wait for the batch.
    pub fn set_aside(&mut self) {
        self.aside.extend(self.batch.take());
    }

    /// Removes and returns the set-aside batch with this key.
    pub fn take_aside(&mut self, key: &str) -> Option<Batch> {
        let at = self.aside.iter().position(|batch| batch.key() == Some(key))?;
        Some(self.aside.remove(at))
    }

    /// [`LogState::finish_batch`] for a batch that was set aside.
    pub fn finish_aside(&mut self, key: &str) {
        let batch = self.take_aside(key);
        self.deliver(batch);
    }

    /// [`LogState::give_up_batch`] for a batch that was set aside.
    pub fn give_up_aside(&mut self, key: &str) {
        let batch = self.take_aside(key);
        self.take_back(batch);
    }

    /// Counts the entries of a batch as delivered.
    fn deliver(&mut self, batch: Option<Batch>) {
        let entries = self.keep_files_of(batch).into_iter();
        let (vanished, delivered) = (&self.vanished, &mut self.delivered);
        delivered.extend(entries.filter(|key| !vanished.contains(key)));
    }

    /// Makes the entries of a batch new again.
    fn take_back(&mut self, batch: Option<Batch>) {
        let entries = self.keep_files_of(batch);
        self.vanished.retain(|key| !entries.contains(key));
    }

    /// Remembers the files of a batch that stand on the other side, and returns its entries.
    fn keep_files_of(&mut self, batch: Option<Batch>) -> Vec<EntryKey> {
        let Some(batch) = batch else { return Vec::new() };
        self.own.retain(|key| !batch.entries.contains(key));
        for file in &batch.files {
            let Some(id) = file.state.as_ref().and_then(CopyState::standing) else { continue };
            self.files.push(id);
            if file.kind == FileKind::Log {
                let entries = batch.entries.iter().map(|key| self.as_sent(key).clone()).collect();
                self.carried.push(LogFile { id, name: file.name.clone(), entries });
            }
        }
        batch.entries
    }

    /// The key that the entry had when it was sent.
    fn as_sent<'k>(&'k self, now: &'k EntryKey) -> &'k EntryKey {
        self.reworded.iter().find(|reworded| reworded.now == *now).map_or(now, |reworded| &reworded.was)
    }
}
