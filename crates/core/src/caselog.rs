//! Case logs: which entries of one side's log have been delivered to the other side.
//!
//! iTop gives an entry no id, and loses one when two people save at the same moment. So an entry is identified by its
//! content, and deliveries are remembered entry by entry: neither a lost entry nor a late one shifts the rest.

mod batch;
mod batch_key;
mod difference;
mod entry;
mod old_words;
mod reworded;
mod state;

use serde::{Deserialize, Serialize};

pub use batch::{Batch, BatchContent, BatchFile, LogFile};
pub use batch_key::BatchKey;
pub use difference::Difference;
pub use entry::{ENTRY_SETTLES_MS, Entry, EntryKey};
pub use old_words::{OldWords, Reworded, Stand};
pub use state::{LogHalt, LogState};

/// One of a ticket's logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogName {
    Private,
    Public,
}

impl LogName {
    pub const ALL: [LogName; 2] = [LogName::Private, LogName::Public];

    /// The attribute that holds this log.
    pub fn attribute(self) -> &'static str {
        match self {
            LogName::Private => "private_log",
            LogName::Public => "public_log",
        }
    }

    /// The word used in marks and in file names.
    pub fn word(self) -> &'static str {
        match self {
            LogName::Private => "private",
            LogName::Public => "public",
        }
    }
}
