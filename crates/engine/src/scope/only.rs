//! The conditions that select tickets of a class, as OQL.

use itop_bridge_core::Lifecycle;

use crate::Lane;
use crate::settings::Condition;

/// The OQL condition that `only` sets for this class.
pub(crate) fn only(lane: &Lane, class: &str) -> Option<String> {
    match lane.settings.only.of(class) {
        Some(Condition::All) => None,
        Some(Condition::Oql(condition)) => Some(format!("({condition})")),
        // A class that `only` does not name lets no ticket out.
        None => Some("id = 0".to_owned()),
    }
}

/// For one class at a time: iTop refuses a query by an attribute that its class lacks, and `Ticket` lacks a change's
/// `creation_date` (both seen on 3.1.2 and 3.2.0).
pub(crate) fn made_since(lane: &Lane, class: &str, date: jiff::civil::Date) -> String {
    let lifecycle = lane.settings.sync.lifecycles.of(class);
    let made = lifecycle.and_then(Lifecycle::made_attribute).unwrap_or("start_date");
    format!("{made} >= '{date} 00:00:00'")
}
