//! Which tickets of a class are asked for, as OQL.

use itop_bridge_core::Lifecycle;

use crate::Lane;
use crate::settings::Condition;

/// What `only` says of this class, as OQL.
pub(crate) fn only(lane: &Lane, class: &str) -> Option<String> {
    match lane.settings.only.of(class) {
        Some(Condition::All) => None,
        Some(Condition::Oql(condition)) => Some(format!("({condition})")),
        // A class that `only` does not name lets none out.
        None => Some("id = 0".to_owned()),
    }
}

/// Asked of one class at a time: iTop refuses a query by an attribute that its class lacks, and so does `Ticket` for
/// the `creation_date` of a change (both seen on 3.1.2 and 3.2.0).
pub(crate) fn made_since(lane: &Lane, class: &str, date: jiff::civil::Date) -> String {
    let lifecycle = lane.settings.sync.lifecycles.of(class);
    let made = lifecycle.and_then(Lifecycle::made_attribute).unwrap_or("start_date");
    format!("{made} >= '{date} 00:00:00'")
}
