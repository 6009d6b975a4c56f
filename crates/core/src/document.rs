//! Documents: the two files that the bridge writes itself and rewrites in place. The report tells the
//! external ticket which states the provider's ticket went through; the notice tells the provider's
//! agents of a move outside that the internal ticket cannot follow.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::lifecycle::Lifecycle;
use crate::link::CopyState;
use crate::mark::FileKind;
use crate::ticket::Side;

/// One of the two files, and what it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    pub kind: DocumentKind,
    /// What it is to say, newest first.
    pub lines: Vec<Line>,
    /// What the last answered write put there; `None` where no write was answered.
    pub holds: Option<Vec<Line>>,
    /// Where it is, once a create was sent.
    pub state: Option<CopyState>,
    /// A rewrite without an answer may land until then, over a newer one: it is written once more after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again_at_ms: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DocumentKind {
    Report,
    Notice,
}

impl DocumentKind {
    /// The side that it tells of.
    pub fn from(self) -> Side {
        match self {
            DocumentKind::Report => Side::Internal,
            DocumentKind::Notice => Side::External,
        }
    }

    /// The side that it stands on.
    pub fn on(self) -> Side {
        self.from().other()
    }

    pub fn file_kind(self) -> FileKind {
        match self {
            DocumentKind::Report => FileKind::Status,
            DocumentKind::Notice => FileKind::Notice,
        }
    }
}

/// A state that was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    pub state: String,
    /// iTop's own time of it, as iTop prints it, where it has one.
    pub date: Option<String>,
    /// The solution, where the state is an end and there is one, as iTop holds it: HTML or plain.
    pub solution: Option<String>,
    /// The move went back: a re-opening.
    #[serde(default)]
    pub reopened: bool,
    /// What a file that was found again says of this state and of all before it, word for word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<String>,
}

impl Document {
    pub fn new(kind: DocumentKind) -> Document {
        Document { kind, lines: Vec::new(), holds: None, state: None, again_at_ms: None }
    }

    /// A person deleted the file: only a new line makes another. Where it is not known what it held, all that
    /// is known by now counts as told; and what may still land has nowhere to land any more.
    pub fn removed_by_person(&mut self) {
        self.state = Some(CopyState::RemovedByPerson);
        self.again_at_ms = None;
        self.holds.get_or_insert_with(|| self.lines.clone());
    }

    /// One that stands and was found by its mark: it holds what it is to say.
    pub fn found(kind: DocumentKind, id: u64, line: Line) -> Document {
        let lines = vec![line];
        let (holds, state) = (Some(lines.clone()), Some(CopyState::Stands(id)));
        Document { lines, holds, state, ..Document::new(kind) }
    }

    /// Whether there is more to say than was written, not only to correct.
    pub fn has_new_lines(&self) -> bool {
        self.lines.len() > self.holds.as_ref().map_or(0, Vec::len)
    }

    /// Whether the file does not say what it is to say.
    pub fn is_due(&self) -> bool {
        !self.lines.is_empty() && self.holds.as_ref() != Some(&self.lines)
    }
}

/// The attribute in which iTop keeps the time of a state, where the class has one (ITIL model of 3.1.2 and
/// 3.2.0; asking for one that a class lacks is an error).
pub fn date_attribute(lifecycle: &Lifecycle, state: &str) -> Option<&'static str> {
    let is_request = lifecycle.knows("resolved");
    Some(match state {
        "closed" => "close_date",
        "assigned" if is_request => "assignment_date",
        "pending" if is_request => "last_pending_date",
        "resolved" => "resolution_date",
        "validated" | "rejected" if !is_request => "acceptance_date",
        "approved" | "notapproved" if !is_request => "approval_date",
        _ => return None,
    })
}

/// What a report needs of a ticket: the times of its states, and the solution.
pub fn report_attributes(lifecycle: &Lifecycle) -> BTreeSet<&'static str> {
    let dates = lifecycle.states.iter().filter_map(|state| date_attribute(lifecycle, state));
    dates.chain(lifecycle.knows("resolved").then_some("solution")).collect()
}
