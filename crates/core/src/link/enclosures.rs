//! Enclosures: files for content that does not fit into a text attribute of the other side's ticket. There is one
//! file per image, whatever shows it, and one per field whose text was cut, rewritten in place as long as it stands.

use serde::{Deserialize, Serialize};

use super::shrink::fingerprint;
use super::{CopyState, Link};
use crate::mark::{FileKind, FileMark};
use crate::ticket::Side;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Enclosure {
    /// The side that the content comes from.
    pub from: Side,
    /// The attribute that has no room for it.
    pub code: String,
    pub name: String,
    pub holds: Enclosed,
    /// `None` until it is sent.
    pub state: Option<CopyState>,
    /// Until then an unanswered rewrite may land over a newer one; after it the file is written once more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again_at_ms: Option<i64>,
}

#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Enclosed {
    /// An inline image of the side that it comes from.
    Image { id: u64, secret: String },
    Text {
        /// The wanted text; empty if the file was found by its mark and there is nothing new to say.
        text: String,
        /// A fingerprint of the text in the last answered write.
        written: Option<String>,
    },
}

impl Enclosure {
    /// An inline image still to be sent.
    pub fn image(from: Side, code: &str, id: u64, secret: &str, name: &str) -> Enclosure {
        Enclosure::owed(from, code, name, Enclosed::Image { id, secret: secret.to_owned() })
    }

    /// A whole text still to be sent.
    pub fn text(from: Side, code: &str, text: String, name: &str) -> Enclosure {
        Enclosure::owed(from, code, name, Enclosed::Text { text, written: None })
    }

    /// An enclosure that was found by its mark.
    pub fn found(from: Side, code: &str, id: u64) -> Enclosure {
        let holds = Enclosed::Text { text: String::new(), written: Some(fingerprint("")) };
        Enclosure { state: Some(CopyState::Stands(id)), ..Enclosure::owed(from, code, "", holds) }
    }

    fn owed(from: Side, code: &str, name: &str, holds: Enclosed) -> Enclosure {
        Enclosure { from, code: code.to_owned(), name: name.to_owned(), holds, state: None, again_at_ms: None }
    }

    pub fn kind(&self) -> FileKind {
        match self.holds {
            Enclosed::Image { .. } => FileKind::Image,
            Enclosed::Text { .. } => FileKind::Text,
        }
    }

    /// The key of its mark.
    pub fn key(&self) -> String {
        match &self.holds {
            Enclosed::Image { id, .. } => id.to_string(),
            Enclosed::Text { .. } => self.code.clone(),
        }
    }

    pub fn is(&self, from: Side, kind: FileKind, key: &str) -> bool {
        self.from == from && self.kind() == kind && self.key() == key
    }

    pub fn is_marked_by(&self, mark: &FileMark) -> bool {
        self.is(mark.from, mark.kind, &mark.key)
    }

    /// Whether the file's text differs from the wanted one.
    pub fn is_outdated(&self) -> bool {
        match &self.holds {
            Enclosed::Image { .. } => false,
            Enclosed::Text { text, written } => written.as_deref() != Some(&fingerprint(text)),
        }
    }

    /// Whether everything is known that is needed to make it once more.
    pub fn can_be_made(&self) -> bool {
        match &self.holds {
            Enclosed::Image { secret, .. } => !secret.is_empty(),
            Enclosed::Text { text, .. } => !text.is_empty(),
        }
    }

    /// A write of the file was answered.
    pub fn is_written(&mut self, id: u64) {
        self.state = Some(CopyState::Stands(id));
        if let Enclosed::Text { text, written } = &mut self.holds {
            *written = Some(fingerprint(text));
        }
    }

    /// A person deleted the file. Its text counts as told: only another text makes another file.
    pub fn removed_by_person(&mut self) {
        self.state = Some(CopyState::RemovedByPerson);
        self.again_at_ms = None;
        if let Enclosed::Text { text, written } = &mut self.holds {
            written.get_or_insert_with(|| fingerprint(text));
        }
    }

    /// Drops the content: the pair has long been closed, and nothing of it is written any more.
    pub(super) fn shrink(&mut self) {
        match &mut self.holds {
            Enclosed::Image { secret, .. } => secret.clear(),
            Enclosed::Text { text, written } => {
                text.clear();
                *written = Some(fingerprint(text));
            }
        }
    }

    /// The file's content is no longer known. Without a text of its own there is nothing to write in its place.
    pub fn may_hold_anything(&mut self) {
        if let Enclosed::Text { text, written } = &mut self.holds
            && !text.is_empty()
        {
            *written = None;
        }
    }
}

impl Link {
    pub fn enclosure(&self, from: Side, kind: FileKind, key: &str) -> Option<&Enclosure> {
        self.files.enclosures.iter().find(|known| known.is(from, kind, key))
    }

    /// A text that comprises these files is about to be sent. Files that only an earlier try needed are dropped;
    /// those that stand, or that a person removed, are not made again.
    pub fn enclose(&mut self, from: Side, code: &str, files: &[Enclosure]) {
        let is_needed = |known: &Enclosure| files.iter().any(|file| file.is(from, known.kind(), &known.key()));
        self.files
            .enclosures
            .retain(|known| known.state.is_some() || known.from != from || known.code != code || is_needed(known));
        for file in files {
            match self.files.enclosures.iter_mut().find(|known| known.is(from, file.kind(), &file.key())) {
                Some(known) => known.becomes(file),
                None => self.files.enclosures.push(file.clone()),
            }
        }
    }

    /// The text was not written after all: files that only it needed are not sent.
    pub fn owe_no_enclosures(&mut self, from: Side, code: &str) {
        self.owe_enclosures_of(from, |owing| owing != code);
    }

    /// Only the texts of these attributes are written: files of other texts are not sent.
    pub fn owe_enclosures_of(&mut self, from: Side, is_written: impl Fn(&str) -> bool) {
        self.files.enclosures.retain(|known| known.state.is_some() || known.from != from || is_written(&known.code));
    }

    /// Whether a file of a field is still to be made or brought up to date.
    pub fn owes_enclosures(&self) -> bool {
        self.files.enclosures.iter().any(|known| match known.state {
            None => true,
            Some(CopyState::Stands(_) | CopyState::RemovedByPerson) => known.is_outdated(),
            Some(CopyState::InDoubt { .. }) => false,
        })
    }

    pub fn keep_enclosure(&mut self, enclosure: Enclosure) {
        match self
            .files
            .enclosures
            .iter_mut()
            .find(|known| known.is(enclosure.from, enclosure.kind(), &enclosure.key()))
        {
            Some(known) => *known = enclosure,
            None => self.files.enclosures.push(enclosure),
        }
    }
}

impl Enclosure {
    fn becomes(&mut self, newer: &Enclosure) {
        match (&mut self.holds, &newer.holds) {
            // The newest secret grants access to the image.
            (Enclosed::Image { secret, .. }, Enclosed::Image { secret: now, .. }) => secret.clone_from(now),
            (Enclosed::Text { text, .. }, Enclosed::Text { text: now, .. }) => text.clone_from(now),
            _ => {}
        }
        self.name.clone_from(&newer.name);
    }
}

impl std::fmt::Debug for Enclosed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Enclosed::Image { id, .. } => write!(f, "Image({id})"),
            Enclosed::Text { text, .. } => write!(f, "Text({} bytes)", text.len()),
        }
    }
}
