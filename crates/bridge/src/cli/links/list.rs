//! `links list`: every pair, and every waiting ticket without a pair.

use std::io::Write;

use anyhow::bail;
use clap::Args;
use comfy_table::{Table, presets};
use itop_bridge_store::{Instance, MAX_ROWS, Store};
use serde_json::Value as Json;

use super::row::{Row, Unlinked, as_json};
use crate::cli::{Outcome, print_json, ticket};
use crate::config::Config;
use crate::sentences;
use crate::standing::{Sides, Standing, Word};

/// List every pair: its number, its tickets, their states, and its problems. List also each ticket that waits
/// and has no pair yet, by its id. The lines above the table name the problems of the sides.
#[derive(Debug, Default, Args)]
#[command(after_help = "\
Examples:
  itop-bridge links list
  itop-bridge links list --side acme --state halted,conflict
  itop-bridge links list --json | jq '.[] | select(.state == \"halted\")'

States:
  ok          in step
  halted      the pair, or a log of it, waits for `resume`
  parked      refused for an hour; tried again after 1 h, 6 h, then daily
  kept-back   something in front of an iTop refuses a part of it
  refused     an iTop does not take a value; also found as conflict
  conflict    the two differ, and the bridge leaves that to a person
  failing     its passes fail, and are tried again
  unanswered  something was sent without an answer, and may still be carried out
  waiting     for a side, or for its first pass
  paused      with its side, until `resume`
  ended       neither ticket is written any more")]
pub struct List {
    /// Only tickets of this external. The name of the internal side means all of them.
    #[arg(long, value_name = "NAME")]
    pub side: Option<String>,
    /// Only tickets in one of these states; several with commas.
    #[arg(long = "state", value_name = "STATE", value_enum, value_delimiter = ',', hide_possible_values = true)]
    pub states: Vec<Word>,
    /// Print an array of {number, external, internal, external_status, internal_status, state, states, why,
    /// settles_at_ms, next_ms}.
    #[arg(long)]
    pub json: bool,
}

pub(super) fn list(
    list: &List,
    store: &mut dyn Store,
    config: &Config,
    now_ms: i64,
    out: &mut dyn Write,
) -> anyhow::Result<Outcome> {
    let of = match list.side.as_ref().map(|name| (name, ticket::side(config, name))) {
        None | Some((_, Some(Instance::Internal))) => None,
        Some((_, Some(Instance::External(name)))) => Some(name),
        // The pairs of a customer that has left are kept, as ended.
        Some((name, None)) if !store.links(Some(name), 0, 1, None)?.is_empty() => Some(name.clone()),
        Some((name, None)) => bail!("there is no side {name:?}{}", ticket::sides(config)),
    };
    let sides = Sides::read(store, config)?;
    let is_wanted =
        |standing: &Standing| list.states.is_empty() || list.states.iter().any(|word| standing.is_word(*word));
    let (mut rows, mut after) = (Vec::new(), 0);
    loop {
        let page = store.links(of.as_deref(), after, MAX_ROWS, None)?;
        let Some(last) = page.last() else { break };
        after = last.id;
        for stored in page {
            let row = Row::of(store, stored, &sides, config, now_ms)?;
            rows.extend(is_wanted(&row.standing).then_some(row));
        }
    }
    let mut unlinked = unlinked(store, of.as_deref(), &sides, config, now_ms)?;
    unlinked.retain(|ticket| is_wanted(&ticket.standing));
    if list.json {
        let pairs = rows.iter().map(|row| as_json(row, config));
        let all: Vec<Json> = pairs.chain(unlinked.iter().map(|ticket| ticket.as_json(config))).collect();
        print_json(&all, out)?;
        return Ok(Outcome::Fine);
    }
    for line in sentences::of_sides(&sides, of.as_deref(), now_ms) {
        writeln!(out, "{line}")?;
    }
    match (rows.is_empty() && unlinked.is_empty(), list.side.is_none() && list.states.is_empty()) {
        (true, true) => writeln!(out, "There is no pair yet.")?,
        (true, false) => writeln!(out, "No ticket matches.")?,
        (false, _) => writeln!(out, "{}", table(&rows, &unlinked, config))?,
    }
    let all = rows.iter().map(|row| &row.standing).chain(unlinked.iter().map(|ticket| &ticket.standing));
    if all.into_iter().any(Standing::needs_a_person) {
        writeln!(
            out,
            "`itop-bridge status` lists the steps that a person can take; `itop-bridge links show TICKET` those of one ticket."
        )?;
    }
    Ok(Outcome::Fine)
}

/// Waiting tickets without a counterpart and without a link.
fn unlinked(
    store: &mut dyn Store,
    of: Option<&str>,
    sides: &Sides,
    config: &Config,
    now_ms: i64,
) -> anyhow::Result<Vec<Unlinked>> {
    let mut all = Vec::new();
    for external in config.externals.iter().map(|external| external.name()) {
        if of.is_some_and(|of| of != external) {
            continue;
        }
        let mut after = 0;
        loop {
            let page = store.unlinked(external, after, MAX_ROWS, now_ms)?;
            let Some(last) = page.last() else { break };
            after = last.of.ticket;
            all.extend(page.into_iter().map(|row| Unlinked::of(row, sides, config, now_ms)));
        }
    }
    Ok(all)
}

fn table(rows: &[Row], unlinked: &[Unlinked], config: &Config) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["LINK", "EXTERNAL", "STATUS", "INTERNAL", "STATUS", "STATE"]);
    for row in rows {
        table.add_row(row.cells(config));
    }
    for ticket in unlinked {
        table.add_row(ticket.cells(config));
    }
    table.trim_fmt()
}
