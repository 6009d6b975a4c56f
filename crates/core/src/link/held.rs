//! What is held up: parts of a ticket that whatever stands before an iTop keeps from it, and that iTop's own
//! memory. The rest of the ticket goes on.

use serde::{Deserialize, Serialize};

use super::Link;
use super::shrink::fingerprint;
use crate::caselog::LogName;
use crate::document::DocumentKind;
use crate::mark::FileKind;
use crate::ticket::Side;

/// A part of a ticket whose write is answered by a page of somebody else's, while other calls to that iTop pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    pub part: Part,
    /// The side that it is written to.
    pub to: Side,
    /// The HTTP status of the last such page.
    pub status: u16,
    pub since_ms: i64,
    /// How often it was tried.
    pub tries: u32,
    /// When it was tried last.
    pub tried_ms: i64,
    /// It is not tried again before.
    pub not_before_ms: i64,
    /// Nor then, whoever asks for it: the answer named this moment (`Retry-After`).
    #[serde(default)]
    pub asked_ms: i64,
    /// What was sent, as a fingerprint: where something else is to be sent, that is tried at once.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub of: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The internal ticket itself, which is still to be made.
    Creation,
    Field {
        code: String,
    },
    Status {
        on: Side,
    },
    /// A text that a stimulus was to carry: the ticket was moved without it.
    Text(LeftOut),
    /// A text that a stimulus carried as plain text, and that is to be written once more as HTML.
    AsHtml {
        on: Side,
        code: String,
    },
    /// The copy of an attachment.
    File {
        from: Side,
        original: u64,
    },
    /// A file that carries what a field has no room for.
    Enclosure {
        from: Side,
        kind: FileKind,
        key: String,
    },
    /// Entries of a log, by the key of the file that carries them.
    Entries {
        from: Side,
        log: LogName,
        key: String,
    },
    Document {
        kind: DocumentKind,
    },
}

impl Part {
    /// Of two texts of one attribute the newer counts.
    fn is_replaced_by(&self, newer: &Part) -> bool {
        match (self, newer) {
            (Part::Text(old), Part::Text(new)) => (old.on, &old.code) == (new.on, &new.code),
            _ => self == newer,
        }
    }
}

/// A text of the other side's ticket, as it stands there.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    pub on: Side,
    pub code: String,
    pub value: String,
}

/// The files of a ticket are larger together than PHP's memory there: its iTop answers each write to the ticket
/// with an error, and carries it out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heavy {
    pub on: Side,
    /// PHP's own word for its memory, such as `128M`.
    pub limit: String,
    pub since_ms: i64,
    pub files: usize,
    /// Of all files together, where they could be read.
    pub bytes: Option<u64>,
}

impl Link {
    pub fn held(&self, part: &Part) -> Option<&Held> {
        self.held.iter().find(|held| held.part == *part)
    }

    /// Whether this part is not to be sent again yet. `of` is the fingerprint of what would be sent.
    pub fn waits(&self, part: &Part, of: &str, now_ms: i64) -> bool {
        self.held(part).is_some_and(|held| now_ms < held.not_before_ms && held.of == of)
    }

    /// Keeps what is known of a part that is held up in place of what was known before.
    pub fn hold(&mut self, held: Held) {
        self.held.retain(|known| !known.part.is_replaced_by(&held.part));
        self.held.push(held);
    }

    /// The part was answered, or is no longer to be sent.
    pub fn release(&mut self, part: &Part) {
        self.held.retain(|held| held.part != *part);
    }

    /// An operator wants what is held up tried at once.
    pub fn try_held_again(&mut self) {
        self.held.iter_mut().for_each(|held| held.not_before_ms = i64::MIN);
    }

    pub fn heavy_on(&self, side: Side) -> Option<&Heavy> {
        self.heavy.iter().find(|heavy| heavy.on == side)
    }
}

/// What is sent, short enough to be kept.
pub fn sent(text: &str) -> String {
    fingerprint(text)
}
