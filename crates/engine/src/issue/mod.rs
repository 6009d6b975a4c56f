//! What keeps tickets waiting and is no ticket's own fault: for the operator, and for whatever watches the
//! bridge.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What is wrong, since when, and in whose words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    pub cause: Cause,
    pub since_ms: i64,
    pub reason: String,
}

/// What is held back. Instances and externals are named as the configuration names them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Nothing but the prober calls this side.
    Down { instance: String },
    /// This side asks for fewer calls.
    Throttled { instance: String },
    /// The account may not do this to this class there, or that iTop is read-only.
    Class { instance: String, class: String, access: Access },
    /// Several tickets of this external are refused in one text.
    External { external: String },
    /// Tickets of several externals are refused in one text.
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

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.cause {
            Cause::Down { .. } => write!(f, "{}: {}", self.cause, self.reason),
            Cause::Throttled { .. } => write!(f, "{} {}", self.cause, self.reason),
            _ => write!(f, "{} waits: {}", self.cause, self.reason),
        }
    }
}
