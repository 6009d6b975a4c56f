//! What the operator decided: which parts of a ticket cross, and how. One policy a pair of classes
//! of one external, with every default already looked up.

use std::collections::BTreeMap;

use crate::lifecycle::Lifecycle;

/// The policy for one class of one external.
#[derive(Debug, Clone)]
pub struct Policy {
    /// `server.id`: part of every mark.
    pub server: String,
    /// The external's name in the configuration.
    pub external: String,
    /// The class of the internal counterpart.
    pub internal_class: String,
    /// `[{ref}] {title}` unless the operator chose another.
    pub title: String,
    /// The attributes kept up to date from the external side, in order.
    pub fields: Vec<String>,
    pub status_to_internal: StatusToInternal,
    pub attachment_deletes: AttachmentDeletes,
    /// The internal side's defaults by attribute code, names already replaced by ids.
    pub internal_defaults: BTreeMap<String, String>,
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
}

/// How long something must be missing before it counts as deleted.
#[derive(Debug, Clone, Copy)]
pub struct Waits {
    /// A file that is missing while other originals remain.
    pub file_missing_ms: i64,
    /// A file that is missing and was the last original: the ticket itself may be about to go, and
    /// one hook of its deletion may hold it for 125 s.
    pub last_file_missing_ms: i64,
    /// Between two looks for a file whose create was never answered.
    pub doubt_look_ms: i64,
}

impl Policy {
    /// A field whose value is HTML in iTop's data model.
    pub fn is_html(code: &str) -> bool {
        code == "description"
    }
}
