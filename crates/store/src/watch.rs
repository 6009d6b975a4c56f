//! The figures and lists that an operator watches.

use itop_bridge_core::plan::HaltKind;
use serde::{Deserialize, Serialize};

use super::TicketOf;

/// The numbers of one external's tickets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Tickets in the queue that are not parked.
    pub waiting: u64,
    /// When the oldest of their hints came, ms since the epoch.
    pub oldest_ms: Option<i64>,
    pub parked: u64,
    /// Pairs that are kept in step.
    pub live: u64,
    /// Pairs that have ended.
    pub ended: u64,
    /// Pairs that have halted, or one of whose logs has.
    pub halted: u64,
    /// The conflicts of all live pairs together, without differences from before they became pairs.
    pub conflicts: u64,
}

/// Tickets of one class that wait and have no counterpart yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uncarried {
    pub class: String,
    pub tickets: u64,
    /// When the oldest of their hints came, ms since the epoch.
    pub oldest_ms: i64,
}

/// A ticket that was refused for so long that it is left alone for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parked {
    pub of: TicketOf,
    /// Its reference, if it is linked.
    pub reference: Option<String>,
    pub error: String,
}

/// A pair that has halted, or one of whose logs has, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Halted {
    pub link: i64,
    pub reference: String,
    /// `None` where only a log has halted.
    pub kind: Option<HaltKind>,
    pub why: String,
}

/// The webhooks of one kind from one side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookCount {
    /// Its name in the configuration.
    pub side: String,
    /// The last part of its route.
    pub kind: String,
    pub count: u64,
    /// When the last one came, ms since the epoch.
    pub last_ms: i64,
}
