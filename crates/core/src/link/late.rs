//! Writing calls, from before they are sent until they can no longer land.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{CopyState, Link};
use crate::ticket::{FileContent, Side};

impl Link {
    /// A write is about to be sent; it may land until then, whatever becomes of its answer.
    pub fn may_land(&mut self, what: Late, until_ms: i64) {
        self.in_flight.late.push(LateWrite { what, until_ms });
    }

    /// The call being sent is over, or its sender is gone: it may land until then.
    pub fn may_land_until(&mut self, until_ms: i64) {
        let Some(sending) = self.in_flight.sending.take() else { return };
        // Before the new ticket's own create, only calls for the old ticket can be in flight.
        if let Some(anew_from_ms) = self.course.anew_from_ms.as_mut().filter(|_| self.in_flight.creation.is_none()) {
            *anew_from_ms = until_ms.max(*anew_from_ms);
        }
        let creation = self.in_flight.creation.iter_mut().map(|creation| &mut creation.until_ms);
        let late = self.in_flight.late.iter_mut().map(|late| &mut late.until_ms);
        let copies = self.files.copies.iter_mut().filter_map(|copy| match &mut copy.state {
            CopyState::InDoubt { until_ms } => Some(until_ms),
            _ => None,
        });
        let batches = self.logs.iter_mut().flat_map(|log| log.batches_mut()).flat_map(|batch| &mut batch.files);
        let documents = self.files.documents.iter_mut().map(|document| &mut document.state);
        let enclosures = self.files.enclosures.iter_mut().map(|enclosure| &mut enclosure.state);
        let files = batches.map(|file| &mut file.state).chain(documents).chain(enclosures);
        let files = files.filter_map(|state| match state {
            Some(CopyState::InDoubt { until_ms }) => Some(until_ms),
            _ => None,
        });
        for until in creation.chain(late).chain(copies).chain(files).filter(|until| **until == sending.until_ms) {
            *until = until_ms;
        }
        let enclosures = self.files.enclosures.iter_mut().filter_map(|enclosure| enclosure.again_at_ms.as_mut());
        let documents = self.files.documents.iter_mut().filter_map(|document| document.again_at_ms.as_mut());
        for again in documents.chain(enclosures) {
            if *again == sending.until_ms {
                *again = until_ms;
            }
        }
    }

    /// The call being sent is over, and can no longer land late.
    pub fn record_sent(&mut self) {
        if let Some(sending) = self.in_flight.sending.take() {
            self.in_flight.late.retain(|late| late.until_ms != sending.until_ms);
        }
    }

    /// Whether an unanswered stimulus may have landed after that side was read.
    pub fn status_may_land(&self, side: Side, read_at_ms: i64) -> bool {
        let is_it = |late: &LateWrite| matches!(late.what, Late::Status { on, .. } if on == side);
        self.in_flight.late.iter().any(|late| is_it(late) && late.until_ms > read_at_ms)
    }

    /// All unanswered writes: those that landed over something newer, may still land, or have settled.
    pub fn given_up(&self) -> impl Iterator<Item = &Late> {
        self.in_flight.owed.iter().chain(self.in_flight.late.iter().map(|late| &late.what))
    }

    /// Writes that can no longer land, and those that landed over something newer.
    pub fn settled_late(&self, now_ms: i64) -> impl Iterator<Item = &Late> {
        self.in_flight
            .late
            .iter()
            .filter(move |late| late.until_ms <= now_ms)
            .map(|late| &late.what)
            .chain(&self.in_flight.owed)
    }
}

/// A writing call, from before it is sent until its outcome is recorded: it may take long, and its sender may die
/// meanwhile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sending {
    /// The side that it writes to.
    pub to: Side,
    pub since_ms: i64,
    /// The `until_ms` of this call's intents: the earliest moment at which it can settle.
    pub until_ms: i64,
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

/// An unanswered write: what was sent, and until when it may still land.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LateWrite {
    pub what: Late,
    pub until_ms: i64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Late {
    Field {
        code: String,
        value: String,
    },
    /// A stimulus that leads to this state.
    Status {
        #[serde(default = "internal")]
        on: Side,
        to: String,
    },
    /// A copy's contents rewritten to this.
    File {
        #[serde(default = "external")]
        from: Side,
        original: u64,
        content: FileContent,
    },
}

impl Late {
    pub fn is_of_field(&self, of: &str) -> bool {
        matches!(self, Late::Field { code, .. } if code == of)
    }

    pub fn is_of_file(&self, side: Side, of: u64) -> bool {
        matches!(self, Late::File { from, original, .. } if (*from, *original) == (side, of))
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

/// The default of a stored side: versions that never wrote to an external did not name it.
pub(super) fn internal() -> Side {
    Side::Internal
}

fn external() -> Side {
    Side::External
}
