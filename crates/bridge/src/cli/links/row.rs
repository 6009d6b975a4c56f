//! One line of the list: a pair and whether it is well.

use itop_bridge_core::Link;
use serde_json::{Value as Json, json};

use crate::cli::standstill::Standstill;
use crate::cli::ticket;
use crate::cli::times::moment;
use crate::config::Config;
use crate::store::{LinkState, QueueRow, Store, Stored};

/// One line of the list.
pub(super) struct Row {
    pub stored: Stored,
    pub queued: Option<QueueRow>,
    /// What an operator asks first: is it well?
    pub state: &'static str,
    pub why: String,
    /// Until when a write may land that was sent without an answer.
    pub settles_at_ms: Option<i64>,
}

impl Row {
    /// `still`: the sides that stand still.
    pub fn of(
        store: &mut dyn Store,
        stored: Stored,
        still: &[Standstill],
        config: &Config,
        now_ms: i64,
    ) -> anyhow::Result<Row> {
        let queued = store.queue_row(&ticket::of(&stored), now_ms)?;
        let link = &stored.link;
        let concerns = |still: &&Standstill| [&stored.external_name, &config.internal.name].contains(&&still.side);
        let still = still.iter().find(concerns);
        // A pass that is under way has always sent something.
        let is_in_hand = queued.as_ref().is_some_and(|row| row.leased);
        let settles_at_ms = link.settles_at_ms().filter(|at_ms| *at_ms > now_ms && !is_in_hand);
        let halted_log = link.halted_logs().next().map(|(_, halt)| halt.text.clone());
        let (state, why) = match (&link.halt, halted_log, &queued) {
            _ if stored.state == LinkState::Ended => ("ended", String::new()),
            (Some(halt), _, _) => ("halted", halt.text.clone()),
            (None, Some(log), _) => ("log halted", log),
            (None, None, Some(QueueRow { parked: true, error, .. })) => ("parked", error.clone().unwrap_or_default()),
            _ if still.is_some_and(Standstill::is_pause) => {
                ("paused", still.map(ToString::to_string).unwrap_or_default())
            }
            (None, None, _) if still.is_some() => ("side halted", still.map(ToString::to_string).unwrap_or_default()),
            (None, None, row) => match (settles_at_ms, row.as_ref().and_then(|row| row.error.clone())) {
                (Some(at_ms), None) => ("unanswered", unanswered(at_ms)),
                (Some(at_ms), Some(error)) => ("unanswered", format!("{}; {error}", unanswered(at_ms))),
                (None, Some(error)) => ("waits", error),
                (None, None) => match newer_conflicts(link) {
                    conflicts if conflicts.is_empty() => ("ok", older_differences(link)),
                    conflicts => ("conflict", conflicts.join("; ")),
                },
            },
        };
        Ok(Row { stored, queued, state, why, settles_at_ms })
    }
}

/// A write that was sent, and of which nobody knows yet what it did.
pub fn unanswered(settles_at_ms: i64) -> String {
    format!("sent without an answer, settles at {}", moment(settles_at_ms))
}

fn newer_conflicts(link: &Link) -> Vec<String> {
    link.conflicts.iter().filter(|conflict| !conflict.is_older).map(ToString::to_string).collect()
}

/// What differed when the two became a pair is no conflict of today.
fn older_differences(link: &Link) -> String {
    let older = link.conflicts.iter().filter(|conflict| conflict.is_older);
    let about: Vec<&str> = older.map(|conflict| conflict.about.as_str()).collect();
    if about.is_empty() { String::new() } else { format!("differs since the two became a pair: {}", about.join(", ")) }
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
        "external_status": ancestor.external.stands_at(),
        "internal_status": ancestor.internal.stands_at(),
        "state": row.state,
        "why": row.why,
        "settles_at_ms": row.settles_at_ms,
    })
}
