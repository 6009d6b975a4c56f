//! Conflicts: disagreements of a pair that the bridge leaves as they are, and shows.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Link;
use crate::ticket::Side;

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

    /// Whether people read the same, whatever is stored beside it, and whichever version stored it.
    pub fn says_the_same(&self, other: &Conflict) -> bool {
        let (one, other) = (self.in_words_of_today(), other.in_words_of_today());
        (one.about, one.text) == (other.about, other.text)
    }

    /// Earlier versions called the external side "outside" and the internal one "inside".
    pub fn in_words_of_today(&self) -> Conflict {
        let today = |words: &str| {
            let words = words.replace(" outside", &format!(" {}", Side::External.place()));
            words.replace(" inside", &format!(" {}", Side::Internal.place()))
        };
        Conflict { about: today(&self.about), text: today(&self.text), ..self.clone() }
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

impl Link {
    /// Replaces all conflicts. They are sorted by subject; the order says nothing of which was met first.
    pub fn set_conflicts(&mut self, mut conflicts: Vec<Conflict>) {
        conflicts.sort_by(|one, other| one.about.cmp(&other.about));
        self.open.conflicts = conflicts;
    }

    /// Stores a conflict, replacing the one of the same attribute.
    pub fn keep_conflict(&mut self, conflict: Conflict) {
        let mut conflicts = std::mem::take(&mut self.open.conflicts);
        conflicts.retain(|known| known.about != conflict.about);
        conflicts.push(conflict);
        self.set_conflicts(conflicts);
    }

    /// A disagreement on an attribute, or on the status, that existed when the pair was found.
    pub fn older_conflict(&self, about: &str) -> Option<&Conflict> {
        self.open.conflicts.iter().find(|conflict| conflict.is_older && conflict.about == about)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conflict_in_an_earlier_versions_words_says_the_same() {
        let rows = [
            (
                ("private_log outside", "1 new entry is kept back"),
                ("private_log in the external iTop", "1 new entry is kept back"),
            ),
            (
                ("status", "it was new outside and assigned inside when the two became a pair"),
                (
                    "status",
                    "it was new in the external iTop and assigned in the internal iTop when the two became a pair",
                ),
            ),
        ];
        for ((about, text), (about_today, text_today)) in rows {
            let (before, today) = (Conflict::new(about, text), Conflict::new(about_today, text_today));
            assert!(before.says_the_same(&today) && today.says_the_same(&before), "{text}");
            assert!(!before.says_the_same(&Conflict::new("private_log in the internal iTop", text_today)));
        }
    }
}
