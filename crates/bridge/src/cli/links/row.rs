//! One line of the list: a pair and whether it is well.

use itop_bridge_core::Link;
use serde_json::{Value as Json, json};

use crate::cli::ticket;
use crate::config::Config;
use crate::store::{LinkState, QueueRow, Store, Stored};

/// One line of the list.
pub(super) struct Row {
    pub stored: Stored,
    pub queued: Option<QueueRow>,
    /// What an operator asks first: is it well?
    pub state: &'static str,
    pub why: String,
}

impl Row {
    pub fn of(store: &mut dyn Store, stored: Stored, now_ms: i64) -> anyhow::Result<Row> {
        let queued = store.queue_row(&ticket::of(&stored), now_ms)?;
        let link = &stored.link;
        let halted_log = link.halted_logs().next().map(|(_, halt)| halt.text.clone());
        let (state, why) = match (&link.halt, halted_log, &queued) {
            _ if stored.state == LinkState::Ended => ("ended", String::new()),
            (Some(halt), _, _) => ("halted", halt.text.clone()),
            (None, Some(log), _) => ("log halted", log),
            (None, None, Some(QueueRow { parked: true, error, .. })) => ("parked", error.clone().unwrap_or_default()),
            (None, None, Some(QueueRow { error: Some(error), .. })) => ("waits", error.clone()),
            _ if !link.conflicts.is_empty() => ("conflict", conflicts(link).join("; ")),
            _ => ("ok", String::new()),
        };
        Ok(Row { stored, queued, state, why })
    }
}

pub(super) fn conflicts(link: &Link) -> Vec<String> {
    link.conflicts.iter().map(ToString::to_string).collect()
}

/// The two tickets as people call them.
pub(super) fn names(stored: &Stored, config: &Config) -> (String, Option<String>) {
    let internal = stored.link.internal.as_ref().map(|key| format!("{}:{}", config.internal.name, key.reference));
    (format!("{}:{}", stored.external_name, stored.link.external.reference), internal)
}

pub(super) fn as_json(row: &Row, config: &Config) -> Json {
    let (external, internal) = names(&row.stored, config);
    let ancestor = &row.stored.link.ancestor;
    json!({
        "number": row.stored.id,
        "external": external,
        "internal": internal,
        "external_status": ancestor.external.status,
        "internal_status": ancestor.internal.status,
        "state": row.state,
        "why": row.why,
    })
}
