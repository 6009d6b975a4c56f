//! A plan: the writes of a pass, and their reasons.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::caselog::{EntryKey, LogName};
use crate::document::{Document, DocumentKind};
use crate::link::{Conflict, Copy, Edit, Enclosure, Late, LateWrite, Link, LogNote, Part};
use crate::mark::FileKind;
use crate::parents::ParentKey;
use crate::ticket::{FileContent, Side};

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    /// The writes, in order. A write that fails does not hold back the others.
    pub writes: Vec<Step>,
    /// Things to remember whether or not there are writes.
    pub notes: Vec<Note>,
    /// Writes of a later pass, unless something changes before.
    pub deferred: Vec<Deferred>,
    /// Every conflict that exists now; a conflict missing here has ended.
    pub conflicts: Vec<Conflict>,
    pub halt: Option<Halt>,
    /// The pair has ended: an operator resumed it although a ticket is gone. Nothing is written.
    pub end: Option<Halt>,
    /// The sides on which a ticket's parents must be read before its new log entries are decided on.
    pub parents_of: BTreeSet<Side>,
    /// The sides on which the parents' other children must be read next.
    pub kin_of: BTreeSet<Side>,
    /// A date is held back: its printed format, or its value on the other server's clock, is not known.
    pub waits_for_date: bool,
    /// When to read the pair again without a new hint, in ms since the epoch.
    pub look_again_at_ms: Option<i64>,
}

impl Plan {
    pub fn writes_nothing(&self) -> bool {
        self.writes.is_empty()
    }

    /// Notes, once, that a late write overwrote something newer.
    pub(crate) fn owe(&mut self, link: &Link, late: &Late) {
        if !link.in_flight.owed.contains(late) {
            self.notes.push(Note::Owed(late.clone()));
        }
    }

    /// A date waits until it can be told to the other side: this is shown, and the date is read again once the time
    /// zone or the format is learnt.
    pub(crate) fn wait_for_date(&mut self, about: &str, why: &str) {
        self.conflicts.push(Conflict::new(about, why));
        self.waits_for_date = true;
    }

    /// Asks for another pass at that time; the earliest request counts.
    pub fn look_again(&mut self, at_ms: i64) {
        self.look_again_at_ms = Some(self.look_again_at_ms.map_or(at_ms, |known| known.min(at_ms)));
    }
}

/// A write that waits, in case its cause is withdrawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deferred {
    /// The original is missing: its copy is deleted if it still is then.
    DeleteCopy { from: Side, original: u64, until_ms: i64 },
    /// An entry that may be a parent's: it is sent if the parent's log still lacks it then.
    SendEntry { from: Side, log: LogName, key: EntryKey, until_ms: i64 },
}

/// One write and the sentence that explains it.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    pub write: Write,
    pub reason: String,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Write {
    /// Create the internal counterpart.
    CreateTicket { class: String, fields: Vec<FieldWrite> },
    /// Bring fields of the internal ticket up to date.
    UpdateFields { fields: Vec<FieldWrite> },
    /// Walk one side's ticket to a state, one stimulus at a time.
    WalkStatus { on: Side, wanted: String, walk: Vec<Stimulus> },
    /// Write again a text that was refused with its stimulus: other words stand in its place.
    WriteText { on: Side, code: String, value: String },
    /// Copy an attachment to the other side.
    CopyFile { from: Side, original: u64 },
    /// Bring a copy's data, name and type up to date, in place.
    RewriteFile { from: Side, original: u64, copy: u64 },
    /// Delete a copy whose original is gone.
    DeleteCopy { from: Side, original: u64, copy: u64 },
    /// Send new entries of a log to the other side, as files.
    SendLog { from: Side, log: LogName, entries: Vec<EntryKey> },
    /// Send the unsent files of a batch that was fixed earlier.
    SendBatch { from: Side, log: LogName },
    /// Create the file for content that does not fit into a field, or update it in place where it stands.
    Enclose { from: Side, kind: FileKind, key: String, copy: Option<u64> },
    /// Send again a batch of a log that was set aside, because something in front of that iTop rejected it.
    SendAside { from: Side, log: LogName, key: String },
    /// Create a document, or update it in place where it stands.
    WriteDocument { kind: DocumentKind, copy: Option<u64> },
}

impl Write {
    /// The side that is written to.
    pub fn on(&self) -> Side {
        match self {
            Write::CreateTicket { .. } | Write::UpdateFields { .. } => Side::Internal,
            Write::WalkStatus { on, .. } | Write::WriteText { on, .. } => *on,
            Write::CopyFile { from, .. }
            | Write::RewriteFile { from, .. }
            | Write::DeleteCopy { from, .. }
            | Write::SendLog { from, .. }
            | Write::SendBatch { from, .. }
            | Write::Enclose { from, .. }
            | Write::SendAside { from, .. } => from.other(),
            Write::WriteDocument { kind, .. } => kind.on(),
        }
    }

    /// The side whose list of files must be read before this write: the file to be made may be there already. A
    /// rewrite in place itself shows whether its file still stands.
    pub fn needs_the_files_of(&self) -> Option<Side> {
        match self {
            Write::CopyFile { from, .. }
            | Write::SendLog { from, .. }
            | Write::SendBatch { from, .. }
            | Write::SendAside { from, .. }
            | Write::Enclose { from, copy: None, .. } => Some(from.other()),
            Write::RewriteFile { from, .. } | Write::DeleteCopy { from, .. } => Some(from.other()),
            Write::WriteDocument { kind, copy: None } => Some(kind.on()),
            Write::WriteDocument { copy: Some(_), .. }
            | Write::Enclose { copy: Some(_), .. }
            | Write::CreateTicket { .. }
            | Write::UpdateFields { .. }
            | Write::WriteText { .. }
            | Write::WalkStatus { .. } => None,
        }
    }
}

/// A field to be sent, and a person's edit that is lost by it.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldWrite {
    pub code: String,
    pub value: Value,
    /// The source's value: it becomes the external ancestor once the write is answered.
    pub source: Option<String>,
    /// The internal value that a person wrote, or may have written, over the bridge's, and that is now lost.
    pub lost_edit: Option<Edit>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Sent as it stands.
    Text(String),
    /// HTML of the other side: its inline images must be fetched and embedded before it is sent.
    Html(String),
}

/// One stimulus of a walk.
#[derive(Debug, Clone, PartialEq)]
pub struct Stimulus {
    pub code: String,
    pub from: String,
    pub to: String,
    pub attributes: Vec<StimulusAttribute>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct StimulusAttribute {
    pub code: String,
    pub value: String,
    pub taken_from: TakenFrom,
}

/// Where a stimulus attribute's value was found; this decides whether its format must be converted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TakenFrom {
    /// The other iTop's ticket: text that crosses.
    Source,
    /// The target ticket's own value, sent back unchanged.
    Target,
    /// The side's default.
    Default,
}

/// Something for the link to remember.
#[derive(Debug, Clone, PartialEq)]
pub enum Note {
    /// Both sides agree on the field as it stands.
    Field {
        code: String,
        external: String,
        internal: String,
    },
    /// The refusal of this attribute no longer matters: the source has the agreed value again, or the text that was
    /// sent in its place is gone.
    NoLongerRefused {
        on: Side,
        code: String,
    },
    Status {
        external: String,
        internal: String,
    },
    /// When iTop says that this side's ticket was created.
    Made {
        of: Side,
        at: String,
    },
    /// A copy that an unanswered create made after all, found by its mark.
    Adopt(Copy),
    CopyRemovedByPerson {
        from: Side,
        original: u64,
    },
    OriginalMissing {
        from: Side,
        original: u64,
        since_ms: Option<i64>,
    },
    /// Neither the original nor the copy is left, or an uncertain create left no trace.
    ForgetCopy {
        from: Side,
        original: u64,
    },
    /// The original was touched, but its content is the one that was copied.
    SameContent {
        from: Side,
        original: u64,
        content: FileContent,
    },
    /// The external ticket has this reference now, and an operator has accepted that.
    ExternalReference(String),
    /// These external files were made for an earlier counterpart that has been, or will be, replaced.
    LeftBehind(Vec<u64>),
    /// Whatever an operator resumed is in order again.
    ResumeIsOver,
    /// The parents that this side's ticket has, or had when entries of still unknown origin came.
    Parents {
        of: Side,
        are: Vec<ParentKey>,
    },
    /// This side's ticket vanished, which halted the pair; both tickets stand again as they were linked.
    ThereAgain(Side),
    /// The link without what a restored iTop has lost.
    Restored(Box<Link>),
    /// A write that may have landed late has settled, and its effect was checked.
    LateSettled(LateWrite),
    /// A late write replaced something newer, which must be written again.
    Owed(Late),
    /// A late write's value is gone, and not through the bridge.
    NoLongerOwed(Late),
    /// A person made this internal edit while an earlier update may still land over it.
    EditContested(Edit),
    /// An unanswered update has overwritten this edit.
    EditOverwritten(Edit),
    /// This edit was not overwritten, or a person has changed the field since.
    EditStands(Edit),
    /// Nothing more is to be written for a part that was held up.
    NoLongerHeld(Part),
    /// The new content of a document, or what happened to its file.
    Document(Document),
    /// The new state of a file for content that does not fit into a field.
    Enclosure(Enclosure),
    Log {
        from: Side,
        log: LogName,
        what: LogNote,
    },
}

/// Why a link halted. Nothing is written until an operator resumes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Halt {
    pub kind: HaltKind,
    pub text: String,
}

impl HaltKind {
    /// The side whose ticket is gone. It may reappear: an account may lose its right to see a ticket, and regain it.
    pub fn vanished(self) -> Option<Side> {
        match self {
            HaltKind::ExternalVanished => Some(Side::External),
            HaltKind::InternalVanished => Some(Side::Internal),
            HaltKind::ExternalReferenceChanged | HaltKind::InternalReferenceChanged | HaltKind::FilesGone => None,
        }
    }

    /// Whether the internal ticket is gone, or another stands in its place.
    pub fn is_of_a_lost_counterpart(self) -> bool {
        matches!(self, HaltKind::InternalVanished | HaltKind::InternalReferenceChanged)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HaltKind {
    ExternalVanished,
    InternalVanished,
    /// The external ticket's id now has another reference, or is another ticket's: a restored or cloned iTop.
    #[serde(alias = "reference_changed")]
    ExternalReferenceChanged,
    /// The same for the internal ticket.
    InternalReferenceChanged,
    /// Too many files went at once.
    FilesGone,
}
