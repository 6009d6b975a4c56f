//! A link: an external ticket, its internal counterpart, and what the two last agreed on.
//!
//! The submodules hold its files (`copies`, `enclosures`), refused values (`refused`), calls in flight (`late`,
//! `unanswered`), the notes of a plan (`remember`), the replacement of a counterpart (`anew`), files that people
//! deleted (`removed`), and the remainder kept in the end (`shrink`).

mod anew;
mod copies;
mod enclosures;
mod held;
mod late;
mod refused;
mod remember;
mod removed;
mod shrink;
mod unanswered;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::caselog::{LogHalt, LogName, LogState};
use crate::document::{Document, DocumentKind};
use crate::parents::ParentKey;
use crate::plan::Halt;
use crate::ticket::Side;
use late::inside;

pub use copies::{Copy, CopyState, kept_on};
pub use enclosures::{Enclosed, Enclosure};
pub use held::{Heavy, Held, LeftOut, Part, sent};
pub use late::{Late, LateWrite, Sending};
pub use refused::RefusedField;
pub use remember::LogNote;
pub use removed::Removed;
pub use shrink::is_as_agreed;
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
    /// The create call that was sent and whose outcome is unknown; if there is a counterpart, a repeated call whose
    /// earlier try may have landed too.
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
    /// Late writes that landed over something newer, which must be written again: until then the late value must not
    /// pass for a person's, even if that write is refused at first.
    #[serde(default)]
    pub owed: Vec<Late>,
    /// People's edits to the internal ticket that an update may overwrite, whether it was sent before or after them:
    /// the record of what is lost must not depend on an answer, nor on the moment of reading.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edits_at_stake: Vec<Edit>,
    /// Texts that stimuli carried as plain text to attributes that may be HTML: kept until that is known and, where
    /// HTML, the text has been written again, escaped.
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
    /// An operator ended a halt and accepted its cause: a ticket that is still gone ends the pair, files that are
    /// still gone are deleted. Cleared as soon as nothing is wrong any more.
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
    /// An operator asked for a new internal ticket to replace one that is gone: until then calls sent for the old one
    /// may land on either side, and nothing is created. External files that bear the pair's marks when the new one
    /// begins are left behind.
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

/// How a pair came to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// An operator ended it.
    Unlinked,
    /// An operator resumed it, and this halt's cause still stood.
    Resumed(Halt),
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

    /// An operator ends a halt: its cause is accepted where it still stands, and the pair goes on where it does not.
    /// If only a log had halted, nothing else is accepted; if nothing had, the operator lets the entries that are
    /// kept back cross.
    pub fn resume(&mut self) {
        if self.why_halted().is_none() {
            return self.logs.iter_mut().for_each(LogState::let_cross);
        }
        self.resumed |= self.halt.take().is_some();
        for log in &mut self.logs {
            if let Some(halt) = log.halt.take() {
                log.resumed_after = Some(halt.newest);
            }
        }
    }

    /// An operator wants none of the entries that are kept back to cross.
    pub fn keep_back_for_good(&mut self) {
        self.logs.iter_mut().for_each(LogState::keep_back_for_good);
    }

    /// The number of new log entries kept back because nobody can tell whether they are the ticket's own.
    pub fn entries_kept_back(&self) -> usize {
        self.logs.iter().map(|log| log.held.len()).sum()
    }

    /// Records that the iTop of that side was restored from a backup.
    pub fn mark_restored(&mut self, side: Side) {
        if !self.restored.contains(&side) {
            self.restored.push(side);
        }
    }

    /// The logs of which nothing more is sent until an operator resumes the link.
    pub fn halted_logs(&self) -> impl Iterator<Item = (&LogState, &LogHalt)> {
        self.logs.iter().filter_map(|state| Some((state, state.halt.as_ref()?)))
    }

    /// Why the pair, or one of its logs, is halted.
    pub fn why_halted(&self) -> Option<&str> {
        let log = || self.halted_logs().next().map(|(_, halt)| halt.text.as_str());
        self.halt.as_ref().map(|halt| halt.text.as_str()).or_else(log)
    }

    /// The last known status of this side's ticket; empty where none was read.
    pub fn status_on(&self, side: Side) -> &str {
        let known = self.ancestor.side(side).stands_at();
        let read = self.creation.as_ref().filter(|_| side == Side::External && known.is_empty());
        read.map_or(known, |creation| &creation.status)
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

    /// Replaces all conflicts. They are sorted by subject; the order says nothing of which was met first.
    pub fn set_conflicts(&mut self, mut conflicts: Vec<Conflict>) {
        conflicts.sort_by(|one, other| one.about.cmp(&other.about));
        self.conflicts = conflicts;
    }

    /// Stores a conflict, replacing the one of the same attribute.
    pub fn keep_conflict(&mut self, conflict: Conflict) {
        let mut conflicts = std::mem::take(&mut self.conflicts);
        conflicts.retain(|known| known.about != conflict.about);
        conflicts.push(conflict);
        self.set_conflicts(conflicts);
    }

    /// A disagreement on an attribute, or on the status, that existed when the pair was found.
    pub fn older_conflict(&self, about: &str) -> Option<&Conflict> {
        self.conflicts.iter().find(|conflict| conflict.is_older && conflict.about == about)
    }

    pub fn key(&self, side: Side) -> Option<&TicketKey> {
        match side {
            Side::External => Some(&self.external),
            Side::Internal => self.internal.as_ref(),
        }
    }

    /// Sets the ancestor of a field on both sides together: the value read externally, and the one that the internal
    /// side shows or answered.
    pub fn field_agreed(&mut self, code: &str, external: &str, internal: &str) {
        self.ancestor.external.fields.insert(code.to_owned(), external.to_owned());
        self.ancestor.internal.fields.insert(code.to_owned(), internal.to_owned());
        self.owed.retain(|late| !late.is_of_field(code));
        self.is_refused_no_more(Side::Internal, code);
    }

    /// A walk begins. If an earlier one was broken off, the state that it reached stays known as the bridge's own: if
    /// this walk is refused at once, nobody else has brought the ticket there.
    pub fn set_out(&mut self, on: Side, wanted: &str, states: impl IntoIterator<Item = String>) {
        let present = &self.ancestor.side(on).status;
        let is_own = self.path.as_ref().is_some_and(|path| path.on == on && path.states.contains(present));
        let states = is_own.then(|| present.clone()).into_iter().chain(states).collect();
        self.path = Some(StatusPath { on, wanted: wanted.to_owned(), states });
    }

    /// A stimulus was answered with this state. The walk ends at the wanted state.
    pub fn state_answered(&mut self, on: Side, state: &str) {
        state.clone_into(&mut self.ancestor.side_mut(on).status);
        state.clone_into(&mut self.ancestor.side_mut(on).seen);
        let ends_here = |path: &mut StatusPath| path.on == on && path.states.last().is_some_and(|last| last == state);
        if let Some(path) = self.path.take_if(ends_here) {
            self.ancestor.side_mut(on.other()).status = path.wanted;
            self.owed.retain(|late| !matches!(late, Late::Status { .. }));
        }
    }
}

/// A person's edit to a field of the internal ticket.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edit {
    pub code: String,
    pub value: String,
    /// An unanswered update carried the same value: nothing tells whether it landed late, or a person wrote the
    /// value.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub may_be_ours: bool,
}

/// A text as it was sent, without knowing whether the attribute holds HTML.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlainText {
    /// The side whose ticket was moved.
    #[serde(default = "inside")]
    pub on: Side,
    pub code: String,
    pub value: String,
    /// The text to write if the attribute holds HTML: the source's own markup, where it had some. `None` where an
    /// older version sent it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub html: Option<String>,
    /// The files that belong to the text in that case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub encloses: Vec<Enclosure>,
}

/// The intent of a create, stored before the call: enough to find the ticket that it created.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Creation {
    /// The call may land until then; nothing is created again before.
    pub until_ms: i64,
    /// The highest internal ticket id known before the call: the created ticket has a higher one, except in an iTop
    /// that was restored from a backup meanwhile.
    pub highest_before: u64,
    /// When the first create was sent, by the bridge's clock.
    #[serde(default)]
    pub since_ms: i64,
    /// The external values that were read and sent: they become the external ancestor once the ticket is found.
    pub fields: BTreeMap<String, String>,
    /// How many creates were sent for this link.
    pub tries: u32,
    /// The external ticket's status when it was read for the create, for display.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub status: String,
}

/// The last agreed values: per side, the values read before the plan was made, plus the answered values of the
/// attributes that each write set.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Ancestor {
    pub external: SideAncestor,
    pub internal: SideAncestor,
}

impl Ancestor {
    pub fn side(&self, side: Side) -> &SideAncestor {
        match side {
            Side::External => &self.external,
            Side::Internal => &self.internal,
        }
    }

    pub fn side_mut(&mut self, side: Side) -> &mut SideAncestor {
        match side {
            Side::External => &mut self.external,
            Side::Internal => &mut self.internal,
        }
    }
}

#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SideAncestor {
    /// When the ticket was created, as iTop says; empty until that was read.
    #[serde(default)]
    pub made: String,
    /// Earlier creation times that a person corrected: a restored iTop shows one of them again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub made_before: Vec<String>,
    /// The last status that was no escalation; empty before the first.
    pub status: String,
    /// The status as last read or answered. It is only shown to people; nothing is decided by it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub seen: String,
    pub fields: BTreeMap<String, String>,
}

/// The number of earlier creation times that are kept.
const MOST_CORRECTIONS: usize = 8;

impl SideAncestor {
    /// The ticket's status, as far as it is known.
    pub fn stands_at(&self) -> &str {
        if self.seen.is_empty() { &self.status } else { &self.seen }
    }

    /// Records the creation time that iTop shows.
    pub fn was_made(&mut self, at: &str) {
        let before = std::mem::replace(&mut self.made, at.to_owned());
        if !before.is_empty() && before != at {
            self.made_before.retain(|known| *known != before && known != at);
            self.made_before.push(before);
            let too_many = self.made_before.len().saturating_sub(MOST_CORRECTIONS);
            self.made_before.drain(..too_many);
        }
    }
}

/// A walk through one side's lifecycle, stored before its first stimulus.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StatusPath {
    /// The side that is walked.
    #[serde(default = "inside")]
    pub on: Side,
    /// The other side's status that the walk follows.
    pub wanted: String,
    /// The states on the way, the wanted one last; first, where there is one, the state that an earlier walk reached.
    pub states: Vec<String>,
}

/// A disagreement that the bridge leaves as it is, and shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conflict {
    /// The subject: `status`, or an attribute code.
    pub about: String,
    pub text: String,
    /// The disagreement existed when the pair was found again or taken over: it stays until the external value
    /// changes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_older: bool,
    /// An earlier version stored none of these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<ConflictKind>,
}

/// The conflicts by which something is decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConflictKind {
    /// The ticket of that side moved to a state to which no stimulus leads the other one.
    CannotFollow { by: Side, to: String },
    /// A log has halted.
    LogHalted,
}

impl Conflict {
    pub fn new(about: impl Into<String>, text: impl Into<String>) -> Conflict {
        Conflict { about: about.into(), text: text.into(), is_older: false, kind: None }
    }

    /// Whether people read the same, whatever is stored beside it.
    pub fn says_the_same(&self, other: &Conflict) -> bool {
        (&self.about, &self.text) == (&other.about, &other.text)
    }

    /// The `about` of a conflict of the status.
    pub const STATUS: &str = "status";

    pub fn is_of_the_status(&self) -> bool {
        self.about == Conflict::STATUS
    }
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.about, self.text)
    }
}
