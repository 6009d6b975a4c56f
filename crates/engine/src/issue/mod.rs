//! The causes that keep tickets waiting without being a ticket's own fault, for the operator and for monitoring.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A cause, since when, and the reason in the words of whoever refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    pub cause: Cause,
    pub since_ms: i64,
    pub reason: String,
}

/// The tickets that are held back. Instances and externals have their names from the configuration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Only the prober calls this side.
    Down { instance: String },
    /// This side asks for fewer calls.
    Throttled { instance: String },
    /// The account may not do this to this class there, or that iTop is read-only.
    Class { instance: String, class: String, access: Access },
    /// Several tickets of this external were refused with the same text.
    External { external: String },
    /// Tickets of several externals were refused with the same text.
    Internal,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    Read,
    Write,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::Down { instance } => write!(f, "{instance} is down"),
            Cause::Throttled { instance } => f.write_str(instance),
            Cause::Class { instance, class, access: Access::Read } => write!(f, "reading {class} on {instance}"),
            Cause::Class { instance, class, access: Access::Write } => write!(f, "writing {class} on {instance}"),
            Cause::External { external } => write!(f, "tickets of {external}"),
            Cause::Internal => f.write_str("tickets of every external"),
        }
    }
}

impl fmt::Display for Issue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.cause {
            Cause::Down { .. } => write!(f, "{}: {}", self.cause, self.reason),
            Cause::Throttled { .. } => write!(f, "{} {}", self.cause, self.reason),
            _ => write!(f, "{} waits: {}", self.cause, self.reason),
        }
    }
}
