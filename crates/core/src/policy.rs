//! The operator's decisions: which parts of a ticket cross, and how. There is one policy per pair of classes of one
//! external, with every default already looked up.

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
    /// The external's name in marks: the first one that it had.
    pub name_in_marks: String,
    /// The internal side's name in the configuration.
    pub internal: String,
    /// Where each iTop's own links lead: neither address is passed on to the other iTop.
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
    /// The logs that cross, each with the side on which it is read.
    pub logs: Vec<(Side, LogName)>,
    pub parent_entries: ParentEntries,
    pub attachment_deletes: AttachmentDeletes,
    /// The internal side's defaults by attribute code, names already replaced by ids.
    pub internal_defaults: BTreeMap<String, String>,
    /// The external side's defaults, for the stimuli that move its tickets.
    pub external_defaults: BTreeMap<String, String>,
    /// The lifecycles of the external class and of its counterpart; where a class has none (`None`), its status does
    /// not cross.
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

/// How the external ticket is told of the internal status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusToExternal {
    /// One file names each state that was seen; the external ticket keeps its own lifecycle.
    Report,
    /// The external ticket is moved by stimuli.
    Apply,
    Off,
}

/// How entries that iTop copied from an unpaired parent are treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParentEntries {
    /// They stay on their side.
    Keep,
    /// They cross like any other.
    Send,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttachmentDeletes {
    /// A copy is deleted when the side that added the original deletes it.
    Owner,
    Never,
}

/// How much may be missing at once before it is taken for an accident.
#[derive(Debug, Clone, Copy)]
pub struct HaltLimits {
    /// Share of the known items, 0 to 1.
    pub share: f64,
    /// Fewer missing than this never cause a halt.
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

/// Fewer missing entries than this never halt a log.
const LOG_HALT_MIN: usize = 3;

/// How long something must be missing before it counts as deleted.
#[derive(Debug, Clone, Copy)]
pub struct Waits {
    /// For a file that is missing while other originals remain.
    pub file_missing_ms: i64,
    /// For a missing file that was the last original: the ticket itself may be about to go, and one hook of its
    /// deletion may delay it for 125 s.
    pub last_file_missing_ms: i64,
    /// After this, an entry that no parent's log has, while no other child got the same, is the ticket's own: iTop
    /// saves the children, one after the other and each with its hooks, before the parent.
    pub parent_ms: i64,
    /// Between two checks for a file whose create was never answered.
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

    /// When iTop says that this ticket was created, where that was read.
    pub fn made<'a>(&self, side: Side, ticket: &'a Ticket) -> Option<&'a str> {
        ticket.filled(self.lifecycle(side)?.made_attribute()?)
    }

    /// Whether the field is HTML in every iTop's data model. For other fields the value shows it.
    pub fn is_html(code: &str) -> bool {
        code == "description"
    }
}
