//! `links list`: every pair, and every parked ticket that has none yet.

use std::io::Write;

use comfy_table::{Table, presets};
use itop_bridge_core::Side;
use serde_json::{Value as Json, json};

use super::row::{Row, as_json, names};
use crate::cli::standstill::Standstill;
use crate::cli::{Outcome, print_json};
use crate::config::Config;
use crate::store::{MAX_ROWS, Parked, Store, Stored};

pub(super) fn list(
    json: bool,
    store: &mut dyn Store,
    config: &Config,
    now_ms: i64,
    out: &mut dyn Write,
) -> anyhow::Result<Outcome> {
    let still = Standstill::all(store, config)?;
    let mut rows = Vec::new();
    let mut after = 0;
    loop {
        let page = store.links(None, after, MAX_ROWS, None)?;
        let Some(last) = page.last() else { break };
        after = last.id;
        for stored in page {
            rows.push(Row::of(store, stored, &still, config, now_ms)?);
        }
    }
    let parked = parked_without_pair(store, config)?;
    if json {
        let pairs = rows.iter().map(|row| as_json(row, config));
        let all: Vec<Json> = pairs.chain(parked.iter().map(parked_as_json)).collect();
        print_json(&all, out)?;
    } else if rows.is_empty() && parked.is_empty() {
        writeln!(out, "There is no pair yet.")?;
    } else {
        writeln!(out, "{}", table(&rows, &parked, config))?;
    }
    Ok(Outcome::Fine)
}

/// Tickets whose creation inside was refused. No pair names their references, so they are called by their ids.
fn parked_without_pair(store: &mut dyn Store, config: &Config) -> anyhow::Result<Vec<Parked>> {
    let mut all = Vec::new();
    for external in &config.externals {
        let parked = store.parked(external.name(), usize::MAX)?;
        all.extend(parked.into_iter().filter(|ticket| ticket.reference.is_none()));
    }
    Ok(all)
}

fn parked_name(ticket: &Parked) -> String {
    format!("{}:{}", ticket.of.external, ticket.of.ticket)
}

fn parked_as_json(ticket: &Parked) -> Json {
    json!({
        "number": null,
        "external": parked_name(ticket),
        "internal": null,
        "external_status": null,
        "internal_status": null,
        "state": "parked",
        "why": ticket.error,
        "settles_at_ms": null,
    })
}

fn table(rows: &[Row], parked: &[Parked], config: &Config) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["LINK", "OUTSIDE", "STATUS", "INSIDE", "STATUS", "STATE"]);
    for row in rows {
        let Stored { id, link, .. } = &row.stored;
        let (outside, inside) = names(&row.stored, config);
        let state = if row.why.is_empty() { row.state.to_owned() } else { format!("{}: {}", row.state, row.why) };
        let status = |side| link.ancestor.side(side).stands_at().to_owned();
        table.add_row([
            id.to_string(),
            outside,
            status(Side::External),
            inside.unwrap_or_default(),
            status(Side::Internal),
            state,
        ]);
    }
    for ticket in parked {
        let state = format!("parked: {}", ticket.error);
        table.add_row(["", &parked_name(ticket), "", "", "", &state]);
    }
    table.trim_fmt()
}
