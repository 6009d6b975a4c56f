//! Parts of a ticket that are held up: by something in front of an iTop that rejects them, or by iTop's own memory
//! limit. The rest of the ticket goes on.

use serde::{Deserialize, Serialize};

use super::Link;
use super::shrink::fingerprint;
use crate::caselog::LogName;
use crate::document::DocumentKind;
use crate::mark::FileKind;
use crate::ticket::Side;

/// A part of a ticket whose write is answered with a foreign page, while other calls to that iTop pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    pub part: Part,
    /// The side that it is written to.
    pub to: Side,
    /// The HTTP status of the last such page.
    pub status: u16,
    pub since_ms: i64,
    /// How many times it was tried.
    pub tries: u32,
    /// When it was last tried.
    pub tried_ms: i64,
    /// Not tried again before this moment.
    pub not_before_ms: i64,
    /// Not tried before this moment even on request: the answer named it (`Retry-After`).
    #[serde(default)]
    pub asked_ms: i64,
    /// A fingerprint of what was sent: different content is tried at once.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub of: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The internal ticket itself, which is still to be created.
    Creation,
    Field {
        code: String,
    },
    Status {
        on: Side,
    },
    /// A text that a stimulus was to carry: the ticket was moved without it.
    Text(LeftOut),
    /// A text that a stimulus carried as plain text, to be written once more as HTML.
    AsHtml {
        on: Side,
        code: String,
    },
    /// The copy of an attachment.
    File {
        from: Side,
        original: u64,
    },
    /// A file with content that does not fit into a field.
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
    /// A newer text of an attribute replaces an older one.
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

/// The files of a ticket together exceed PHP's memory limit: iTop answers each write to the ticket with an error, but
/// carries it out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heavy {
    pub on: Side,
    /// PHP's own notation of its memory limit, such as `128M`.
    pub limit: String,
    pub since_ms: i64,
    pub files: usize,
    /// The size of all files together, where they could be read.
    pub bytes: Option<u64>,
}

impl Link {
    pub fn held(&self, part: &Part) -> Option<&Held> {
        self.open.held.iter().find(|held| held.part == *part)
    }

    /// Whether this part is not to be sent again yet. `of` is the fingerprint of what would be sent.
    pub fn waits(&self, part: &Part, of: &str, now_ms: i64) -> bool {
        self.held(part).is_some_and(|held| now_ms < held.not_before_ms && held.of == of)
    }

    /// Stores a part that is held up, replacing what was known of it before.
    pub fn hold(&mut self, held: Held) {
        self.open.held.retain(|known| !known.part.is_replaced_by(&held.part));
        self.open.held.push(held);
    }

    /// The part was answered, or is no longer to be sent.
    pub fn release(&mut self, part: &Part) {
        self.open.held.retain(|held| held.part != *part);
    }

    /// An operator wants everything that is held up tried at once.
    pub fn try_held_again(&mut self) {
        self.open.held.iter_mut().for_each(|held| held.not_before_ms = i64::MIN);
    }

    pub fn heavy_on(&self, side: Side) -> Option<&Heavy> {
        self.open.heavy.iter().find(|heavy| heavy.on == side)
    }
}

/// A fingerprint of what is sent, short enough to keep.
pub fn sent(text: &str) -> String {
    fingerprint(text)
}
