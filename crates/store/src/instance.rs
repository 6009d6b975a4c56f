//! The iTops of a configuration: whose cursors, stops and tickets are stored.

use itop_bridge_core::Side;

/// The owner of a cursor or a stop: the internal side, or one external by name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Instance {
    Internal,
    External(String),
}

impl Instance {
    pub fn key(&self) -> String {
        match self {
            Instance::Internal => "internal".to_owned(),
            Instance::External(name) => format!("external.{name}"),
        }
    }

    pub fn side(&self) -> Side {
        match self {
            Instance::Internal => Side::Internal,
            Instance::External(_) => Side::External,
        }
    }
}

/// How much is stored for an external.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct External {
    pub name: String,
    pub live: u64,
    pub ended: u64,
    /// Tickets in the queue.
    pub waiting: u64,
}

/// The cursor of a side that halted because its iTop was restored from a backup: `resume` then has its links compared
/// with what stands.
pub const WENT_BACK: &str = "went_back";
