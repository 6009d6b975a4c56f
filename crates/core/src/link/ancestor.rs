//! The values that the two tickets of a pair last agreed on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Link;
use crate::policy::Policy;
use crate::text;
use crate::ticket::{Side, Ticket};

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

impl Link {
    /// The last known status of this side's ticket; empty where none was read.
    pub fn status_on(&self, side: Side) -> &str {
        let known = self.ancestor.side(side).stands_at();
        let read = self.in_flight.creation.as_ref().filter(|_| side == Side::External && known.is_empty());
        read.map_or(known, |creation| &creation.status)
    }

    /// Sets the ancestor of a field on both sides together: the value read externally, and the one that the internal
    /// side shows or answered.
    pub fn field_agreed(&mut self, code: &str, external: &str, internal: &str) {
        self.ancestor.external.fields.insert(code.to_owned(), external.to_owned());
        self.ancestor.internal.fields.insert(code.to_owned(), internal.to_owned());
        self.in_flight.owed.retain(|late| !late.is_of_field(code));
        self.forget_refusal(Side::Internal, code);
    }

    /// The internal ticket was made: both sides agree on the values that were sent, each as the ticket shows it, and on
    /// the states in which tickets begin.
    pub fn gets_counterpart<'v>(
        &mut self,
        policy: &Policy,
        ticket: &Ticket,
        sent: impl Iterator<Item = (&'v String, &'v String)>,
    ) {
        self.internal = Some(ticket.key());
        for (code, source) in sent {
            if let Some(target) = ticket.attributes.get(code)
                && !has_lost_words(code, source, target)
            {
                self.field_agreed(code, source, target);
            }
        }
        // The value of a field that was not sent counts as the bridge's own: a later edit of it is a person's.
        for code in &policy.fields {
            if let Some(target) = ticket.attributes.get(code) {
                self.ancestor.internal.fields.entry(code.clone()).or_insert_with(|| target.clone());
            }
        }
        if let Some(lifecycle) = &policy.external_lifecycle {
            self.ancestor.external.status.clone_from(&lifecycle.initial);
        }
        // A ticket found after a lost answer may have been moved by then: that is a person's move.
        let begins = policy.internal_lifecycle.as_ref().map_or(&ticket.status, |lifecycle| &lifecycle.initial);
        self.ancestor.internal.status.clone_from(begins);
    }
}

/// Whether the plain text became HTML with other words. An unanswered create could not tell; the text is then written
/// once more.
fn has_lost_words(code: &str, source: &str, target: &str) -> bool {
    let turn_into_html = !text::could_be_html(source) && text::could_be_html(target);
    turn_into_html && !matches!(code, "title" | "description") && !text::same_words_in_any_form(source, target)
}
