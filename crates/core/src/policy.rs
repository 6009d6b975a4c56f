//! What the operator decided: which parts of a ticket cross, and how. One policy a pair of classes
//! of one external, with every default already looked up.

use std::collections::BTreeMap;

use crate::caselog::LogName;
use crate::lifecycle::Lifecycle;
use crate::link::Link;
use crate::mark::TicketMark;
use crate::ticket::{Side, Ticket};
use crate::words::Console;

/// The policy for one class of one external.
#[derive(Debug, Clone)]
pub struct Policy {
    /// `server.id`: part of every mark.
    pub server: String,
    /// The external's name in the configuration.
    pub external: String,
    /// Its name in marks: the one that it had first.
    pub name_in_marks: String,
    /// The internal side's name in the configuration.
    pub internal: String,
    /// Where each iTop's own links lead: none is told to the other.
    pub external_console: Console,
    pub internal_console: Console,
    /// The class of the internal counterpart.
    pub internal_class: String,
    /// `[{ref}] {title}` unless the operator chose another.
    pub title: String,
    /// The attributes kept up to date from the external side, in order.
    pub fields: Vec<String>,
    pub status_to_internal: StatusToInternal,
    pub status_to_external: StatusToExternal,
    /// The logs that cross, each with the side that they are read on.
    pub logs: Vec<(Side, LogName)>,
    pub parent_entries: ParentEntries,
    pub attachment_deletes: AttachmentDeletes,
    /// The internal side's defaults by attribute code, names already replaced by ids.
    pub internal_defaults: BTreeMap<String, String>,
    /// The external side's own, for the stimuli that drive it.
    pub external_defaults: BTreeMap<String, String>,
    /// The lifecycle of the external class and of its counterpart; `None` where the class has none,
    /// and then its status does not cross.
    pub external_lifecycle: Option<Lifecycle>,
    pub internal_lifecycle: Option<Lifecycle>,
    pub halt: HaltLimits,
    pub waits: Waits,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusToInternal {
    Apply,
    Off,
}

/// What the external ticket is told of the internal one's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusToExternal {
    /// One file names each state that was seen; the external's own lifecycle stays its own.
    Report,
    /// The external ticket is moved by stimuli.
    Apply,
    Off,
}

/// What becomes of an entry that iTop copied from a parent which is no part of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParentEntries {
    /// It stays on its side.
    Keep,
    /// It crosses like any other.
    Send,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttachmentDeletes {
    /// A copy goes when the side that added the original deletes it.
    Owner,
    Never,
}

/// How much may be gone at once before it is taken for an accident.
#[derive(Debug, Clone, Copy)]
pub struct HaltLimits {
    /// Share of what is known, 0 to 1.
    pub share: f64,
    /// Fewer than this many never halt.
    pub min: usize,
}

impl HaltLimits {
    pub fn exceeded(&self, gone: usize, known: usize) -> bool {
        gone >= self.min && gone as f64 > known as f64 * self.share
    }

    /// The same for the entries of one log.
    pub fn exceeded_in_log(&self, gone: usize, known: usize) -> bool {
        HaltLimits { min: LOG_HALT_MIN, ..*self }.exceeded(gone, known)
    }
}

/// Fewer entries than this gone from a log never halt it.
const LOG_HALT_MIN: usize = 3;

/// How long something must be missing before it counts as deleted.
#[derive(Debug, Clone, Copy)]
pub struct Waits {
    /// A file that is missing while other originals remain.
    pub file_missing_ms: i64,
    /// A file that is missing and was the last original: the ticket itself may be about to go, and
    /// one hook of its deletion may hold it for 125 s.
    pub last_file_missing_ms: i64,
    /// An entry that is not in a parent's log after this, while no other child got the same, is the ticket's own: iTop
    /// saves the children, one after the other and each with its hooks, before the parent.
    pub parent_ms: i64,
    /// Between two looks for a file whose create was never answered.
    pub doubt_look_ms: i64,
}

impl Policy {
    pub fn lifecycle(&self, side: Side) -> Option<&Lifecycle> {
        match side {
            Side::External => self.external_lifecycle.as_ref(),
            Side::Internal => self.internal_lifecycle.as_ref(),
        }
    }

    pub fn defaults(&self, side: Side) -> &BTreeMap<String, String> {
        match side {
            Side::External => &self.external_defaults,
            Side::Internal => &self.internal_defaults,
        }
    }

    /// The mark of a pair.
    pub fn mark(&self, link: &Link) -> TicketMark {
        let (server, external) = (self.server.clone(), self.name_in_marks.clone());
        TicketMark { server, external, class: link.external.class.clone(), ticket: link.external.id }
    }

    /// When iTop says that this ticket was made, where it was read.
    pub fn made<'a>(&self, side: Side, ticket: &'a Ticket) -> Option<&'a str> {
        ticket.filled(self.lifecycle(side)?.made_attribute()?)
    }

    /// A field whose value is HTML in every iTop's data model. Of the others a value tells.
    pub fn is_html(code: &str) -> bool {
        code == "description"
    }
}
