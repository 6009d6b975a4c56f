//! A plan: what a pass would write, and why.

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
    /// What is to be remembered whether or not there are writes.
    pub notes: Vec<Note>,
    /// Every conflict that stands now; one that is no longer here has ended.
    pub conflicts: Vec<Conflict>,
    pub halt: Option<Halt>,
    /// The pair is over, since an operator resumed it although a ticket is gone; nothing is written.
    pub end: Option<Halt>,
    /// The sides on which a ticket's parents must be read before anything is decided of its new log entries.
    pub parents_of: BTreeSet<Side>,
    /// The sides on which, after these, the other tickets below them must be read too.
    pub kin_of: BTreeSet<Side>,
    /// A date is held back: how it is printed is not known, or what it is on the other server's clock.
    pub waits_for_date: bool,
    /// When to look again although nothing new was heard, in ms since the epoch.
    pub look_again_at_ms: Option<i64>,
}

impl Plan {
    pub fn writes_nothing(&self) -> bool {
        self.writes.is_empty()
    }

    /// Notes what a late write overwrote, once.
    pub(crate) fn owe(&mut self, link: &Link, late: &Late) {
        if !link.owed.contains(late) {
            self.notes.push(Note::Owed(late.clone()));
        }
    }

    /// A date waits until it can be told to the other side: shown, and looked at once the zone or the format is learnt.
    pub(crate) fn wait_for_date(&mut self, about: &str, why: &str) {
        self.conflicts.push(Conflict { about: about.to_owned(), text: why.to_owned(), is_older: false });
        self.waits_for_date = true;
    }

    /// Asks for another look then; the earliest asked for counts.
    pub fn look_again(&mut self, at_ms: i64) {
        self.look_again_at_ms = Some(self.look_again_at_ms.map_or(at_ms, |known| known.min(at_ms)));
    }
}

/// One write and the sentence that explains it.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    pub write: Write,
    pub reason: String,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Write {
    /// Make the internal counterpart.
    CreateTicket { class: String, fields: Vec<FieldWrite> },
    /// Bring fields of the internal ticket up to date.
    UpdateFields { fields: Vec<FieldWrite> },
    /// Walk one side's ticket to a state, a stimulus at a time.
    WalkStatus { on: Side, wanted: String, walk: Vec<Stimulus> },
    /// Write a text once more that a stimulus was to carry and that was refused: other words stand in its place.
    WriteText { on: Side, code: String, value: String },
    /// Copy an attachment to the other side.
    CopyFile { from: Side, original: u64 },
    /// Bring a copy's data, name and type up to date, in place.
    RewriteFile { from: Side, original: u64, copy: u64 },
    /// Delete a copy whose original is gone.
    DeleteCopy { from: Side, original: u64, copy: u64 },
    /// Give the other side new entries of a log, as files.
    SendLog { from: Side, log: LogName, entries: Vec<EntryKey> },
    /// Send what is not sent yet of a batch that was fixed earlier.
    SendBatch { from: Side, log: LogName },
    /// Make the file that carries what a field has no room for, or bring it up to date in place where it stands.
    Enclose { from: Side, kind: FileKind, key: String, copy: Option<u64> },
    /// Send once more what was set aside of a log, since something before that iTop kept it from it.
    SendAside { from: Side, log: LogName, key: String },
    /// Make a document, or bring it up to date in place where it stands.
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

    /// The side whose list of files must be known before this is carried out: what it would make may be there
    /// already. What is rewritten in place answers itself whether it still stands.
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
    /// What the source showed: what the external's ancestor becomes once the write is answered.
    pub source: Option<String>,
    /// The internal value that a person wrote, or may have written, over the bridge's, and that is lost now.
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

/// Where a stimulus attribute's value was found, which decides whether its format must be converted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TakenFrom {
    /// The other iTop's ticket: text that crosses.
    Source,
    /// The target ticket's own value, sent back unchanged.
    Target,
    /// The side's default.
    Default,
}

/// Something to remember.
#[derive(Debug, Clone, PartialEq)]
pub enum Note {
    /// Both sides agree on the field as it stands.
    Field {
        code: String,
        external: String,
        internal: String,
    },
    /// What was refused of this attribute does not matter any more: the source says what was agreed on again, or what
    /// was sent in its place is gone.
    NoLongerRefused {
        on: Side,
        code: String,
    },
    Status {
        external: String,
        internal: String,
    },
    /// When iTop says that the ticket of this side was made.
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
    /// Neither the original nor the copy is left, or the doubt is over without a trace.
    ForgetCopy {
        from: Side,
        original: u64,
    },
    /// The original was touched but holds what was copied.
    SameContent {
        from: Side,
        original: u64,
        content: FileContent,
    },
    /// The external ticket carries this reference now, and an operator has accepted that.
    ExternalReference(String),
    /// These files outside were made for an earlier counterpart, in whose place another stands or is to be made.
    LeftBehind(Vec<u64>),
    /// What an operator resumed is as it should be again.
    ResumeIsOver,
    /// The parents that the ticket of this side has, or had when entries came of which it is not yet known whose they are.
    Parents {
        of: Side,
        are: Vec<ParentKey>,
    },
    /// The ticket of this side vanished, which halted the pair, and both stand again as they were linked.
    ThereAgain(Side),
    /// The link without what an iTop lost that was restored from a backup.
    Restored(Box<Link>),
    /// A write that may have landed late has settled, and was looked at.
    LateSettled(LateWrite),
    /// What a late write put in place of something newer: the newer is owed until it is written again.
    Owed(Late),
    /// What a late write put there is gone, and nobody of the bridge's took it away.
    NoLongerOwed(Late),
    /// A person wrote this inside while an earlier update may still land over it.
    EditAtStake(Edit),
    /// An update without an answer has overwritten this edit.
    EditOverwritten(Edit),
    /// It has not, or a person has changed the field since.
    EditStands(Edit),
    /// Nothing is to be written any more for a part that was held up.
    NoLongerHeld(Part),
    /// What a document is to say from now on, or what became of it.
    Document(Document),
    /// What became of a file that carries what a field has no room for.
    Enclosure(Enclosure),
    Log {
        from: Side,
        log: LogName,
        what: LogNote,
    },
}

/// Why a link stopped. Nothing is written until an operator resumes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Halt {
    pub kind: HaltKind,
    pub text: String,
}

impl HaltKind {
    /// The side whose ticket is gone. It may come back: an account may lose its right to see a ticket, and get it again.
    pub fn vanished(self) -> Option<Side> {
        match self {
            HaltKind::ExternalVanished => Some(Side::External),
            HaltKind::InternalVanished => Some(Side::Internal),
            HaltKind::ExternalReferenceChanged | HaltKind::InternalReferenceChanged | HaltKind::FilesGone => None,
        }
    }

    /// The internal ticket is gone, or another stands in its place.
    pub fn is_of_a_lost_counterpart(self) -> bool {
        matches!(self, HaltKind::InternalVanished | HaltKind::InternalReferenceChanged)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HaltKind {
    ExternalVanished,
    InternalVanished,
    /// The external ticket's id now carries another reference, or is another ticket's: a restored or cloned iTop.
    #[serde(alias = "reference_changed")]
    ExternalReferenceChanged,
    /// The same of the internal ticket.
    InternalReferenceChanged,
    /// Too many files gone at once.
    FilesGone,
}
