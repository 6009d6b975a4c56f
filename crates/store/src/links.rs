//! Links as they are stored, whole and in part, and their activity.

use itop_bridge_core::caselog::LogState;
use itop_bridge_core::document::Document;
use itop_bridge_core::event::Event;
use itop_bridge_core::link::{Copy, CopyState, Enclosure, kept_on};
use itop_bridge_core::{FileKind, FileMark, Link, Side, TicketKey};
use serde::{Deserialize, Serialize};

/// A link as lists show it.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    pub id: i64,
    pub external_name: String,
    pub link: Link,
    pub state: LinkState,
    /// Since when both sides are closed, or the pair has ended, ms since the epoch.
    pub closed_since_ms: Option<i64>,
}

/// A link as an audit needs it, without the agreed texts: those of one page of links may be hundreds of MiB, where
/// descriptions hold images.
#[derive(Debug, Clone, PartialEq)]
pub struct Pair {
    pub id: i64,
    pub external_name: String,
    pub external: TicketKey,
    pub internal: Option<TicketKey>,
    pub copies: Vec<Copy>,
    pub documents: Vec<Document>,
    pub enclosures: Vec<Enclosure>,
    pub logs: Vec<LogState>,
    /// The files whose marks count no more; see [`Link::is_nobodys`].
    pub nobodys: Vec<(Side, u64)>,
    /// When the first refused value is to be tried again.
    pub refused_again_at_ms: Option<i64>,
    pub halted: bool,
    /// It halted because one of its tickets was gone; that ticket may be there again.
    pub vanished: bool,
    /// It is still to be compared with an iTop that was restored from a backup.
    pub restored: bool,
    /// One of its dates waits until a server's time zone, or its date format, is known.
    pub waits_for_date: bool,
    pub state: LinkState,
}

impl Pair {
    /// Whether this file of one side, with a mark of this pair, seemed to be removed by a person.
    pub fn has_lost(&self, side: Side, file: u64, mark: &FileMark) -> bool {
        let lost = |state: Option<&CopyState>| state == Some(&CopyState::RemovedByPerson);
        let is = |from, kind, key: &str| mark.is(from, kind, key);
        let is_copy =
            |copy: &Copy| lost(Some(&copy.state)) && is(copy.from, FileKind::File, &copy.original.to_string());
        let is_document = |document: &Document| {
            let kind = document.kind;
            lost(document.state.as_ref()) && mark.from == kind.from() && mark.kind == kind.file_kind()
        };
        let is_enclosure = |file: &Enclosure| lost(file.state.as_ref()) && file.is_marked_by(mark);
        !self.nobodys.contains(&(side, file))
            && mark.from == side.other()
            && (self.copies.iter().any(is_copy)
                || self.documents.iter().any(is_document)
                || self.enclosures.iter().any(is_enclosure))
    }

    /// The files that the bridge made on one side and that still exist, as far as is known.
    pub fn standing_on(&self, side: Side) -> impl Iterator<Item = u64> {
        let of_logs = self.logs.iter().filter(move |log| log.from == side.other()).flat_map(|log| &log.files);
        let kept = kept_on(side, &self.copies, &self.documents, &self.enclosures);
        kept.filter_map(CopyState::standing).chain(of_logs.copied())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LinkState {
    Live,
    /// Ended by an operator or because a ticket is gone for good: hints are ignored, nothing is written, and the
    /// external ticket is never linked again automatically.
    Ended,
}

/// One line of the record of the bridge's actions and their reasons.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Activity {
    /// ms since the epoch.
    pub at_ms: i64,
    /// The event as a sentence.
    pub text: String,
    /// `None` in a line of an older version, or of a newer one with events that this one does not know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<Event>,
}

impl Activity {
    pub fn of(at_ms: i64, event: Event) -> Activity {
        Activity { at_ms, text: event.to_string(), event: Some(event) }
    }

    /// A line without an event, as older versions wrote it.
    pub fn in_words(at_ms: i64, text: &str) -> Activity {
        Activity { at_ms, text: text.to_owned(), event: None }
    }
}
