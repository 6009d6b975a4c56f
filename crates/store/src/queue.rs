//! The queue of dirty tickets, as its verbs see it: hints, leases, claims and rows.

use itop_bridge_core::Link;
use serde::{Deserialize, Serialize};

use crate::Look;

/// A ticket of one external, as the queue and the links know it. An iTop's ticket ids are unique across all its
/// ticket classes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TicketOf {
    /// The external's name.
    pub external: String,
    /// The external ticket's id.
    pub ticket: u64,
}

/// A hint that a ticket may have changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirtyMark {
    pub about: About,
    pub look: Look,
    /// When a pass may read it, ms since the epoch. An earlier time that is already set is kept.
    pub due_ms: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    /// A ticket of an external, linked or not. `class` comes from the payload and is not yet checked with iTop; it is
    /// needed only while there is no link.
    External { of: TicketOf, class: Option<String> },
    /// A ticket of the internal side: found by its link, ignored without one.
    Internal { ticket: u64 },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Marked {
    Accepted,
    /// Nothing was written, for this reason.
    Ignored(&'static str),
}

/// The right to work on one ticket until `until_ms`, with a fencing token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    pub of: TicketOf,
    pub token: i64,
    pub until_ms: i64,
}

/// A dirty ticket that a worker has claimed.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    pub lease: Lease,
    /// The row's generation at the claim: `finish` clears the row only if it is unchanged.
    pub generation: i64,
    pub class: Option<String>,
    pub look: Look,
    /// When the oldest hint in this row came.
    pub dirty_since_ms: i64,
    /// Consecutive failed passes, and the time of the first.
    pub attempts: u32,
    pub failing_since_ms: Option<i64>,
    /// Why the last pass failed, or what the ticket waited for.
    pub error: Option<String>,
    /// The ticket is parked, and neither a hint nor an operator has asked for it since.
    pub parked: bool,
    pub link: Option<(i64, Link)>,
}

/// The row's next state in the queue, for `finish`.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// Nothing: the row goes, unless hints came meanwhile.
    Done,
    /// A recheck at this time. Not a failure: attempts are reset.
    Look { due_ms: i64, look: Look },
    /// There was no pass: others' failures hold the ticket back, for this reason. The row stays as it was, and
    /// becomes due at this time. Its own last error is shown, if it has one.
    Wait { due_ms: i64, reason: String },
    /// The pass went well, except for parts that something in front of an iTop rejects (listed in the link): they are
    /// tried again at this time. Not a failure of the ticket: attempts are reset.
    Held { due_ms: i64, error: String, parked: bool, look: Look },
    /// The pass failed; it is tried again at this time with everything that it had to read, or with `look` if it got
    /// far enough to know what is left.
    Retry { due_ms: i64, error: String, parked: bool, look: Option<Look> },
}

/// A row of the queue as an operator sees it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct QueueRow {
    pub of: TicketOf,
    /// The class that a hint named; needed only while there is no link.
    pub class: Option<String>,
    pub due_ms: i64,
    pub dirty_since_ms: i64,
    /// Consecutive failed passes. Zero if the ticket only waits, or parts of it are kept back.
    pub attempts: u32,
    /// Why the last pass failed, or what the ticket waits for.
    pub error: Option<String>,
    pub parked: bool,
    pub leased: bool,
}
