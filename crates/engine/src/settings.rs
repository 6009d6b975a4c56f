//! An operator's decisions for one external, complete with every default. Only the names in [`Defaults`] must still be
//! looked up in an iTop.

use std::collections::BTreeMap;
use std::sync::Arc;

use itop_bridge_core::Lifecycles;
use itop_bridge_core::policy::{AttachmentDeletes, HaltLimits, ParentEntries, StatusToExternal, StatusToInternal};

/// The operator's decisions for one external.
#[derive(Debug, Clone)]
pub struct LaneSettings {
    /// The external's name in marks.
    pub name_in_marks: String,
    pub only: Only,
    pub internal_defaults: Defaults,
    /// The external's own defaults, for the stimuli that the bridge sends there.
    pub external_defaults: Defaults,
    pub sync: SyncConfig,
}

/// Attribute code, such as `team_id`, to the value of an object when nothing else sets it. The short forms `org`,
/// `caller`, `team`, `agent`, `service` and `servicesubcategory` are expanded.
pub type Defaults = BTreeMap<String, DefaultValue>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DefaultValue {
    /// An id, or the number that codes an enumeration's value.
    Number(u64),
    /// For an external key (`…_id`) a name, looked up when first needed; else the value itself.
    Text(String),
}

/// Which tickets may leave the external.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Only {
    Every(Condition),
    /// A class that is not named lets no ticket out.
    ByClass(BTreeMap<String, Condition>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    All,
    /// The condition after `WHERE`.
    Oql(String),
}

impl Only {
    /// The condition for tickets of a class; `None` lets none out.
    pub fn of(&self, class: &str) -> Option<&Condition> {
        match self {
            Only::Every(condition) => Some(condition),
            Only::ByClass(conditions) => conditions.get(class),
        }
    }
}

/// `[sync]` as it applies to one external.
#[derive(Debug, Clone)]
pub struct SyncConfig {
    /// External class to the class of its counterpart.
    pub classes: BTreeMap<String, String>,
    /// Tickets that were made before this day are left to `backfill`.
    pub since: Option<jiff::civil::Date>,
    pub older: OlderTickets,
    pub title: String,
    /// The attributes kept up to date from the external side, in order.
    pub fields: Vec<String>,
    pub status_to_internal: StatusToInternal,
    pub status_to_external: StatusToExternal,
    pub private_log_to_internal: LogCopy,
    pub private_log_to_external: LogCopy,
    pub public_log_to_internal: LogCopy,
    pub public_log_to_external: LogCopy,
    pub log_authors: bool,
    pub parent_entries: ParentEntries,
    pub attachment_deletes: AttachmentDeletes,
    pub max_attachment_bytes: u64,
    pub sweep_ms: i64,
    pub audit_ms: i64,
    pub halt: HaltLimits,
    pub lifecycles: Arc<Lifecycles>,
}

/// The treatment of tickets older than the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OlderTickets {
    Stay,
    CrossWhenChanged,
}

impl OlderTickets {
    /// The reason not to carry such a ticket.
    pub fn why_not(self) -> &'static str {
        match self {
            OlderTickets::Stay => {
                "it is older than the connection, and stays where it is until `itop-bridge backfill` or `itop-bridge links link`"
            }
            OlderTickets::CrossWhenChanged => "it is older than the connection, and crosses when it is changed",
        }
    }
}

impl SyncConfig {
    /// Describes which tickets are older, and how they are treated. `up_to`: the last ticket that existed when the
    /// connection began; `None` if it has not begun yet.
    pub fn older_tickets(&self, up_to: Option<u64>) -> String {
        if let Some(date) = self.since {
            return format!("tickets made before {date} (`since`) stay where they are until `itop-bridge backfill`");
        }
        let which = match up_to {
            Some(id) => format!("tickets up to id {id}"),
            None => "tickets that stand there when `serve` first reaches that iTop".to_owned(),
        };
        match self.older {
            OlderTickets::Stay => {
                format!(
                    "{which} are older than the connection, unless a webhook announced them, and stay where they are until `itop-bridge backfill`"
                )
            }
            OlderTickets::CrossWhenChanged => {
                format!(
                    "{which} are older than the connection, unless a webhook announced them, and one that fits `only` crosses when it is changed (`older`)"
                )
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogCopy {
    Attachment,
    Off,
}
