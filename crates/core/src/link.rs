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

/// A pair of tickets. `internal` is `None` until the counterpart was created.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Link {
    pub external: TicketKey,
    pub internal: Option<TicketKey>,
    /// The create call whose outcome is unknown. Where there is a counterpart, the call was repeated, and its earlier
    /// try may have landed too.
    pub creation: Option<Creation>,
    pub ancestor: Ancestor,
    pub copies: Vec<Copy>,
    /// The deliveries of each log to the other side.
    #[serde(default)]
    pub logs: Vec<LogState>,
    /// The copies that the bridge deleted most recently: each deletion comes back as a webhook.
    #[serde(default)]
    pub deleted: Vec<(Side, u64)>,
    /// The report and the notice, once there is something to say.
    #[serde(default)]
    pub documents: Vec<Document>,
    /// The files for content that does not fit into a field.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub enclosures: Vec<Enclosure>,
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
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edits_at_stake: Vec<Edit>,
    /// Texts that stimuli carried as plain text to attributes that may hold HTML. Each is kept until that is known
    /// and, where it does, until the text has been written again as HTML.
    #[serde(default)]
    pub plain: Vec<PlainText>,
    /// The call that is being sent, or whose outcome nobody recorded.
    #[serde(default)]
    pub sending: Option<Sending>,
    pub conflicts: Vec<Conflict>,
    /// Values that an iTop refused, each until it changes on the other side or is accepted after all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<RefusedField>,
    pub halt: Option<Halt>,
    /// An operator ended a halt and accepted its cause: a ticket that is still gone ends the pair, and the copies of
    /// files that are still gone are deleted. Cleared as soon as nothing is wrong any more.
    #[serde(default)]
    pub resumed: bool,
    /// The external files that were made for an earlier counterpart, which is gone. They stay, and their marks count
    /// no more: the new counterpart's files may have the same ids, and its log the same words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_behind: Vec<u64>,
    /// Copies, with their side, whose originals were lost in a restore. They stay, and their marks count no more:
    /// iTop assigns the originals' ids again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub orphaned: Vec<(Side, u64)>,
    /// Set where an operator asked for a new internal ticket to replace one that is gone. Until this moment, calls for
    /// the old ticket may land on either side, and nothing is created. The external files that bear the pair's marks
    /// by then are left behind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anew_from_ms: Option<i64>,
    /// The link as it was with the old ticket, until the new one is created: if the old one reappears, the pair
    /// continues with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before_anew: Option<Box<Link>>,
    /// The parents of either ticket when it was last read: entries copied from a parent that the ticket no longer has
    /// are recognised by these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parents: Vec<(Side, ParentKey)>,
    /// The sides whose iTop was restored from a backup, after an operator has continued: what the link remembers of
    /// them is compared with what stands, before anything else.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub restored: Vec<Side>,
    /// One of the ticket's dates waits until a server's time zone, or its date format, is known.
    #[serde(default, alias = "waits_for_zone", skip_serializing_if = "std::ops::Not::not")]
    pub waits_for_date: bool,
    /// Parts that something in front of an iTop rejects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held: Vec<Held>,
    /// The sides whose PHP has too little memory for the ticket's files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub heavy: Vec<Heavy>,
    /// When files of the bridge were deleted that may have gone with their ticket.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<Removed>,
    /// How the pair ended, if it has and that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ending: Option<Ending>,
}

impl Link {
    /// A link whose internal ticket is still to be created.
    pub fn unborn(external: TicketKey) -> Link {
        Link {
            external,
            internal: None,
            creation: None,
            ancestor: Ancestor::default(),
            copies: Vec::new(),
            logs: Vec::new(),
            deleted: Vec::new(),
            documents: Vec::new(),
            enclosures: Vec::new(),
            path: None,
            late: Vec::new(),
            owed: Vec::new(),
            edits_at_stake: Vec::new(),
            plain: Vec::new(),
            sending: None,
            conflicts: Vec::new(),
            refused: Vec::new(),
            halt: None,
            resumed: false,
            left_behind: Vec::new(),
            orphaned: Vec::new(),
            anew_from_ms: None,
            before_anew: None,
            parents: Vec::new(),
            restored: Vec::new(),
            waits_for_date: false,
            held: Vec::new(),
            heavy: Vec::new(),
            removed: Vec::new(),
            ending: None,
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
        self.documents.iter().find(|document| document.kind == kind)
    }

    /// Stores a document, replacing the one of the same kind.
    pub fn keep_document(&mut self, document: Document) {
        self.documents.retain(|known| known.kind != document.kind);
        self.documents.push(document);
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
        if !self.restored.contains(&side) {
            self.restored.push(side);
        }
    }
}
