//! `links show` of a ticket that has no pair yet: what of it waits, and why.

use std::io::Write;

use anyhow::bail;
use serde_json::json;

use super::show::say_queue;
use crate::cli::retry::Ask;
use crate::cli::standstill::Standstill;
use crate::cli::{Outcome, print_json};
use crate::config::Config;
use crate::store::{MAX_ROWS, QueueRow, Store, TicketOf};

/// A row that is due for so long, and was not taken, waits for more than its turn.
const OVERDUE_MS: i64 = 60_000;

/// So many of those that wait are named.
const NAMED: usize = 10;

pub(super) struct Unpaired {
    pub external: String,
    pub reference: String,
}

impl Unpaired {
    pub fn show(
        &self,
        in_json: bool,
        store: &mut dyn Store,
        config: &Config,
        ask: Ask<'_>,
        now_ms: i64,
        out: &mut dyn Write,
    ) -> anyhow::Result<Outcome> {
        let Unpaired { external, reference } = self;
        let of = self.id(store, ask, now_ms)?;
        let Some(row) = store.queue_row(&of, now_ms)? else {
            bail!(
                "no pair has the ticket {reference} of {external}, and nothing of it waits; `itop-bridge plan {external}:{reference}` says what a pass would do"
            );
        };
        if in_json {
            let name = format!("{external}:{reference}");
            print_json(&json!({ "number": null, "external": name, "internal": null, "queue": row }), out)?;
            return Ok(Outcome::Fine);
        }
        writeln!(out, "{external}:{reference} has no pair yet")?;
        let still = Standstill::all(store, config)?;
        let still: Vec<&Standstill> =
            still.iter().filter(|still| [external, &config.internal.name].contains(&&still.side)).collect();
        for still in &still {
            writeln!(out, "{still}")?;
        }
        say_queue(Some(&row), out)?;
        if still.is_empty() && is_overdue(&row, now_ms) {
            writeln!(out, "  `serve` does not run, or a side is down: its log and `itop-bridge check` say which")?;
        }
        Ok(Outcome::Fine)
    }

    /// Only its iTop knows the id of a reference that no pair has.
    fn id(&self, store: &mut dyn Store, ask: Ask<'_>, now_ms: i64) -> anyhow::Result<TicketOf> {
        let Unpaired { external, reference } = self;
        if let Ok(ticket) = reference.parse() {
            return Ok(TicketOf { external: external.clone(), ticket });
        }
        let why = match ask(external, reference) {
            Ok(of) => return Ok(of),
            Err(why) => why,
        };
        let mut waiting = Vec::new();
        for row in store.queue(Some(external), MAX_ROWS, now_ms)? {
            if store.link_of_external(&row.of)?.is_none() {
                waiting.push(format!("{external}:{}", row.of.ticket));
            }
        }
        let more = if waiting.len() > NAMED { ", …" } else { "" };
        waiting.truncate(NAMED);
        match waiting.first() {
            None => bail!("no pair has the ticket {reference} of {external}, and none without a pair waits: {why}"),
            Some(first) => bail!(
                "no pair has the ticket {reference} of {external}, and its id was not found: {why}. Without a pair wait, by their ids: {}{more}; `itop-bridge links show {first}` says why",
                waiting.join(", ")
            ),
        }
    }
}

fn is_overdue(row: &QueueRow, now_ms: i64) -> bool {
    !row.leased && !row.parked && row.due_ms + OVERDUE_MS < now_ms
}
