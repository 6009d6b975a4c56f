//! Documents: the two files that the bridge writes itself and rewrites in place. The report tells the external ticket
//! which states the provider's ticket went through; the notice tells the provider's agents of an external move that
//! the internal ticket cannot follow.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::lifecycle::Lifecycle;
use crate::link::CopyState;
use crate::mark::FileKind;
use crate::ticket::Side;

/// One of the two files and its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    pub kind: DocumentKind,
    /// The wanted content, newest first.
    pub lines: Vec<Line>,
    /// The content of the last answered write; `None` where no write was answered.
    pub holds: Option<Vec<Line>>,
    /// Where the file is, once a create was sent.
    pub state: Option<CopyState>,
    /// Until then an unanswered rewrite may land over a newer one; after it the file is written once more.
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
    /// The word used in marks and messages.
    pub fn word(self) -> &'static str {
        match self {
            DocumentKind::Report => "report",
            DocumentKind::Notice => "notice",
        }
    }

    /// The side that the document tells of.
    pub fn from(self) -> Side {
        match self {
            DocumentKind::Report => Side::Internal,
            DocumentKind::Notice => Side::External,
        }
    }

    /// The side that the document stands on.
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
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Empty in the last line of a report that is no longer kept up to date.
    pub state: String,
    /// iTop's own time of the state, as iTop prints it, where it has one.
    pub date: Option<String>,
    /// When the bridge first saw the state. `None` in a line that an earlier version wrote: such a line stays as it
    /// is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen_ms: Option<i64>,
    /// The solution, where the state is final and no other line tells it, as iTop holds it: HTML or plain.
    pub solution: Option<String>,
    /// Why the ticket is pending, as its agent wrote it, in the same form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The text in the reason attribute that the bridge itself wrote when it followed the customer's move; no agent's
    /// word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason_of_ours: Option<String>,
    /// A move back: a re-opening.
    #[serde(default)]
    pub reopened: bool,
    /// The report ends here: `status_to_external` no longer asks for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_last: bool,
    /// The wording of this state and all before it in a file that was found again, verbatim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<String>,
}

impl Line {
    pub fn of(state: &str) -> Line {
        Line {
            state: state.to_owned(),
            date: None,
            seen_ms: None,
            solution: None,
            reason: None,
            reason_of_ours: None,
            reopened: false,
            is_last: false,
            words: None,
        }
    }

    /// Whether a file that holds this line also says what the other line says.
    fn says(&self, other: &Line) -> bool {
        let reason_of_ours = self.reason_of_ours.clone();
        *self == Line { reason_of_ours, ..other.clone() }
    }

    /// The line that ends a report: it is not kept up to date any more.
    pub fn last(seen_ms: i64) -> Line {
        Line { seen_ms: Some(seen_ms), is_last: true, ..Line::of("") }
    }
}

impl Document {
    pub fn new(kind: DocumentKind) -> Document {
        Document { kind, lines: Vec::new(), holds: None, state: None, again_at_ms: None }
    }

    /// A person deleted the file: only a new line makes another. If its content is unknown, all lines known by now
    /// count as told; and a write in flight has nowhere to land any more.
    pub fn removed_by_person(&mut self) {
        self.state = Some(CopyState::RemovedByPerson);
        self.again_at_ms = None;
        self.holds.get_or_insert_with(|| self.lines.clone());
    }

    /// A document that was found by its mark: its content is taken to be the wanted one.
    pub fn found(kind: DocumentKind, id: u64, line: Line) -> Document {
        let lines = vec![line];
        let (holds, state) = (Some(lines.clone()), Some(CopyState::Stands(id)));
        Document { lines, holds, state, ..Document::new(kind) }
    }

    /// Whether there are states that were not written yet, not only corrections.
    pub fn has_new_lines(&self) -> bool {
        let states = |lines: &[Line]| lines.iter().filter(|line| !line.is_last).count();
        states(&self.lines) > self.holds.as_deref().map_or(0, states)
    }

    /// Whether the report has ended, and says so.
    pub fn is_over(&self) -> bool {
        self.lines.first().is_some_and(|newest| newest.is_last)
    }

    /// Whether the file's content differs from the wanted one.
    pub fn is_due(&self) -> bool {
        let says_all = |holds: &Vec<Line>| {
            holds.len() == self.lines.len() && holds.iter().zip(&self.lines).all(|(holds, line)| holds.says(line))
        };
        !self.lines.is_empty() && !self.holds.as_ref().is_some_and(says_all)
    }
}

/// The attribute in which iTop keeps the time of a state, where the class has one (ITIL model of 3.1.2 and 3.2.0;
/// asking for an attribute that a class lacks is an error).
pub fn date_attribute(lifecycle: &Lifecycle, state: &str) -> Option<&'static str> {
    let is_request = lifecycle.knows("resolved");
    Some(match state {
        _ if state == lifecycle.initial => return lifecycle.made_attribute(),
        "closed" => "close_date",
        "assigned" if is_request => "assignment_date",
        "pending" if is_request => "last_pending_date",
        "resolved" => "resolution_date",
        "validated" | "rejected" if !is_request => "acceptance_date",
        "approved" | "notapproved" if !is_request => "approval_date",
        _ => return None,
    })
}

/// The state in which a request or an incident waits.
pub const PENDING: &str = "pending";
/// The attribute in which the agent says why it is pending.
pub const PENDING_REASON: &str = "pending_reason";

/// The attributes that a report needs: the times of the states, why the ticket is pending, and the solution. No
/// change has either of the two texts.
pub fn report_attributes(lifecycle: &Lifecycle) -> BTreeSet<&'static str> {
    let dates = lifecycle.states.iter().filter_map(|state| date_attribute(lifecycle, state));
    let is_request = lifecycle.knows("resolved");
    let reason = (is_request && lifecycle.knows(PENDING)).then_some(PENDING_REASON);
    dates.chain(reason).chain(is_request.then_some("solution")).collect()
}
