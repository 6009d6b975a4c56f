//! `links show` for a ticket without a pair: its waiting changes, and why it is not bridged.

use std::io::Write;

use anyhow::bail;
use itop_bridge_store::{MAX_ROWS, Store, TicketOf};
use serde_json::json;

use super::Asks;
use super::show::{say_queue, say_standing};
use crate::cli::{Outcome, print_json};
use crate::config::Config;
use crate::sentences::{self, Names};
use crate::standing::{Sides, Standing, Ticket};

/// This many waiting tickets are named.
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
        asks: &Asks<'_>,
        now_ms: i64,
        out: &mut dyn Write,
    ) -> anyhow::Result<Outcome> {
        let Unpaired { external, reference } = self;
        let of = self.id(store, asks, now_ms)?;
        let row = store.queue_row(&of, now_ms)?;
        let sides = Sides::read(store, config)?;
        let ticket = Ticket { external, stored: None, row: row.as_ref(), sides: &sides, config, now_ms };
        let standing = Standing::of(ticket);
        let names = Names::unlinked(external, reference, config);
        let why_not = (asks.why_not)(&of, row.as_ref().and_then(|row| row.class.as_deref()));
        let told = why_not.as_ref().map(|why_not| why_not.as_ref().map(|why| names.not_carried(why, config, None)));
        if in_json {
            let why_not = told.as_ref().ok().cloned().flatten();
            print_json(
                &json!({
                    "number": null, "external": names.external_ticket, "internal": null, "state": sentences::state(&standing),
                    "why": names.why(&standing), "not_carried": why_not, "next_ms": standing.next_ms, "queue": row,
                }),
                out,
            )?;
            return Ok(Outcome::Fine);
        }
        writeln!(out, "{external}:{reference} has no pair yet")?;
        for line in sentences::of_sides(&sides, Some(external), now_ms) {
            writeln!(out, "{line}")?;
        }
        say_standing(&standing, &names, out)?;
        match &told {
            Ok(Some(why)) => writeln!(out, "not carried: {why}")?,
            Ok(None) => {}
            Err(why) => writeln!(out, "{external} does not say now whether it fits: {why:#}")?,
        }
        say_queue(&standing, row.as_ref(), out)?;
        if let (None, Some(line)) = (&row, sentences::next_sweep(&sides, external, now_ms)) {
            writeln!(out, "{line}")?;
        }
        Ok(Outcome::Fine)
    }

    /// Only its iTop can turn a reference that no pair has into an id.
    fn id(&self, store: &mut dyn Store, asks: &Asks<'_>, now_ms: i64) -> anyhow::Result<TicketOf> {
        let Unpaired { external, reference } = self;
        if let Ok(ticket) = reference.parse() {
            return Ok(TicketOf { external: external.clone(), ticket });
        }
        let why = match (asks.id)(external, reference) {
            Ok(of) => return Ok(of),
            Err(why) => why,
        };
        let waiting = store.unlinked(external, 0, MAX_ROWS, now_ms)?;
        let mut waiting: Vec<String> = waiting.iter().map(|row| format!("{external}:{}", row.of.ticket)).collect();
        let more = if waiting.len() > NAMED { ", …" } else { "" };
        waiting.truncate(NAMED);
        match waiting.first() {
            None => bail!("no pair has the ticket {reference} of {external}, and none without a pair waits: {why}"),
            Some(first) => bail!(
                "no pair has the ticket {reference} of {external}, and its id was not found: {why}. These tickets wait without a pair, by their ids: {}{more}; `itop-bridge links show {first}` says why",
                waiting.join(", ")
            ),
        }
    }
}
