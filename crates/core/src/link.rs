//! A link: an external ticket, its internal counterpart, and what the two last agreed on (`ancestor`).
//!
//! Of the submodules, `copies`, `enclosures` and `removed` hold its files; `late` and `unanswered` the calls in flight;
//! `status_path` the walk to another status; `refused`, `held` and `plain` the values and parts that an iTop did not
//! take as they were; `conflict` and `halts` the trouble that people are shown; `anew` the replacement of a
//! counterpart; `remember` the notes of a plan; and `shrink` the remainder that is kept in the end.

mod ancestor;
mod anew;
mod conflict;
mod copies;
mod enclosures;
mod halts;
mod held;
mod late;
mod plain;
mod refused;
mod remember;
mod removed;
mod shrink;
mod status_path;
mod unanswered;

use serde::{Deserialize, Serialize};

use crate::caselog::{LogName, LogState};
use crate::document::{Document, DocumentKind};
use crate::parents::ParentKey;
use crate::plan::Halt;
use crate::ticket::Side;

pub use ancestor::{Ancestor, SideAncestor};
pub use conflict::{Conflict, ConflictKind};
pub use copies::{Copy, CopyState, kept_on};
pub use enclosures::{Enclosed, Enclosure};
pub use halts::Ending;
pub use held::{Heavy, Held, LeftOut, Part, sent};
pub use late::{Creation, Edit, Late, LateWrite, Sending};
pub use plain::PlainText;
pub use refused::RefusedField;
pub use remember::LogNote;
pub use removed::Removed;
pub use shrink::is_as_agreed;
pub use status_path::StatusPath;
pub use unanswered::Unanswered;

/// Identifies a ticket of one iTop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TicketKey {
    pub class: String,
    pub id: u64,
    pub reference: String,
}

/// A pair of tickets, with all that is remembered of it. It is stored flat: the groups are for the reader.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Link {
    pub external: TicketKey,
    /// `None` until the counterpart was created.
    pub internal: Option<TicketKey>,
    pub ancestor: Ancestor,
    #[serde(flatten)]
    pub in_flight: InFlight,
    #[serde(flatten)]
    pub files: Files,
    /// The deliveries of each log to the other side.
    #[serde(default)]
    pub logs: Vec<LogState>,
    /// The parents of either ticket when it was last read: entries copied from a parent that the ticket no longer has
    /// are recognised by these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parents: Vec<(Side, ParentKey)>,
    #[serde(flatten)]
    pub open: Open,
    #[serde(flatten)]
    pub course: Course,
}

/// The writes whose outcome is not known, or not final yet.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct InFlight {
    /// The create call whose outcome is unknown. Where there is a counterpart, the call was repeated, and its earlier
    /// try may have landed too.
    pub creation: Option<Creation>,
    /// The path of states that is being walked on one side: a state on it is the bridge's own move, not a person's.
    pub path: Option<StatusPath>,
    /// Unanswered writes that may still land.
    pub late: Vec<LateWrite>,
    /// Late writes that landed over something newer. Until the newer value has been written again, the late value must
    /// not pass for a person's, even if that write is refused at first.
    #[serde(default)]
    pub owed: Vec<Late>,
    /// People's edits to the internal ticket that an update may overwrite, whether it was sent before or after them.
    /// They are stored so that the record of a lost edit depends neither on an answer nor on the moment of reading.
    #[serde(rename = "edits_at_stake", default, skip_serializing_if = "Vec::is_empty")]
    pub contested_edits: Vec<Edit>,
    /// Texts that stimuli carried as plain text to attributes that may hold HTML. Each is kept until that is known
    /// and, where it does, until the text has been written again as HTML.
    #[serde(default)]
    pub plain: Vec<PlainText>,
    /// The call that is being sent, or whose outcome nobody recorded.
    #[serde(default)]
    pub sending: Option<Sending>,
}

/// The files that the bridge made on either ticket.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Files {
    pub copies: Vec<Copy>,
    /// The copies that the bridge deleted most recently: each deletion comes back as a webhook.
    #[serde(default)]
    pub deleted: Vec<(Side, u64)>,
    /// The report and the notice, once there is something to say.
    #[serde(default)]
    pub documents: Vec<Document>,
    /// The files for content that does not fit into a field.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub enclosures: Vec<Enclosure>,
    /// The external files that were made for an earlier counterpart, which is gone. They stay, and their marks count
    /// no more: the new counterpart's files may have the same ids, and its log the same words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_behind: Vec<u64>,
    /// Copies, with their side, whose originals were lost in a restore. They stay, and their marks count no more:
    /// iTop assigns the originals' ids again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub orphaned: Vec<(Side, u64)>,
    /// When files of the bridge were deleted that may have gone with their ticket.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<Removed>,
}

/// The differences and parts that did not cross, as people are shown them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Open {
    pub conflicts: Vec<Conflict>,
    /// Values that an iTop refused, each until it changes on the other side or is accepted after all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<RefusedField>,
    /// Parts that something in front of an iTop rejects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held: Vec<Held>,
    /// The sides whose PHP has too little memory for the ticket's files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub heavy: Vec<Heavy>,
    /// One of the ticket's dates waits until a server's time zone, or its date format, is known.
    #[serde(default, alias = "waits_for_zone", skip_serializing_if = "std::ops::Not::not")]
    pub waits_for_date: bool,
}

/// Whether the pair goes on: halts, restores, the replacement of its counterpart, and its end.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Course {
    pub halt: Option<Halt>,
    /// An operator ended a halt and accepted its cause: a ticket that is still gone ends the pair, and the copies of
    /// files that are still gone are deleted. Cleared as soon as nothing is wrong any more.
    #[serde(default)]
    pub resumed: bool,
    /// Set where an operator asked for a new internal ticket to replace one that is gone. Until this moment, calls for
    /// the old ticket may land on either side, and nothing is created. The external files that bear the pair's marks
    /// by then are left behind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anew_from_ms: Option<i64>,
    /// The link as it was with the old ticket, until the new one is created: if the old one reappears, the pair
    /// continues with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before_anew: Option<Box<Link>>,
    /// The sides whose iTop was restored from a backup, after an operator has continued: what the link remembers of
    /// them is compared with what stands, before anything else.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub restored: Vec<Side>,
    /// How the pair ended, if it has and that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ending: Option<Ending>,
}

impl Link {
    /// A link whose internal ticket is still to be created.
    pub fn without_counterpart(external: TicketKey) -> Link {
        Link {
            external,
            internal: None,
            ancestor: Ancestor::default(),
            in_flight: InFlight::default(),
            files: Files::default(),
            logs: Vec::new(),
            parents: Vec::new(),
            open: Open::default(),
            course: Course::default(),
        }
    }

    pub fn key(&self, side: Side) -> Option<&TicketKey> {
        match side {
            Side::External => Some(&self.external),
            Side::Internal => self.internal.as_ref(),
        }
    }

    pub fn log(&self, from: Side, log: LogName) -> Option<&LogState> {
        self.logs.iter().find(|state| (state.from, state.log) == (from, log))
    }

    pub fn log_mut(&mut self, from: Side, log: LogName) -> &mut LogState {
        let at = match self.logs.iter().position(|state| (state.from, state.log) == (from, log)) {
            Some(at) => at,
            None => {
                self.logs.push(LogState::new(from, log));
                self.logs.len() - 1
            }
        };
        &mut self.logs[at]
    }

    pub fn document(&self, kind: DocumentKind) -> Option<&Document> {
        self.files.documents.iter().find(|document| document.kind == kind)
    }

    /// Stores a document, replacing the one of the same kind.
    pub fn keep_document(&mut self, document: Document) {
        self.files.documents.retain(|known| known.kind != document.kind);
        self.files.documents.push(document);
    }

    /// The parents that the ticket of this side had when it was last read.
    pub fn parents_on(&self, side: Side) -> impl Iterator<Item = &ParentKey> {
        self.parents.iter().filter(move |(of, _)| *of == side).map(|(_, parent)| parent)
    }

    /// These parents, and the tickets from which log entries of still unknown origin may have been copied.
    pub fn origins_on(&self, side: Side) -> impl Iterator<Item = &ParentKey> {
        let logs = self.logs.iter().filter(move |log| log.from == side);
        self.parents_on(side).chain(logs.flat_map(LogState::origins))
    }

    /// Records that the iTop of that side was restored from a backup.
    pub fn mark_restored(&mut self, side: Side) {
        if !self.course.restored.contains(&side) {
            self.course.restored.push(side);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_stored_flat_and_read_under_earlier_names() {
        let key = TicketKey { class: "Incident".into(), id: 7, reference: "I-000007".into() };
        let mut link = Link::without_counterpart(key);
        link.open.waits_for_date = true;
        link.files.deleted.push((Side::Internal, 9));
        let stored = serde_json::to_value(&link).unwrap();
        assert_eq!(
            (&stored["waits_for_date"], &stored["deleted"]),
            (&true.into(), &serde_json::json!([["internal", 9]]))
        );
        let earlier = stored.to_string().replace("waits_for_date", "waits_for_zone");
        assert_eq!(serde_json::from_str::<Link>(&earlier).unwrap(), link);
        let mut lacking = stored;
        lacking.as_object_mut().unwrap().remove("copies");
        assert!(serde_json::from_value::<Link>(lacking).is_err(), "a record without its copies is damaged, not empty");
    }
}
