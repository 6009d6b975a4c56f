//! `links list`: every pair.

use std::io::Write;

use comfy_table::{Table, presets};
use itop_bridge_core::Side;
use serde_json::Value as Json;

use super::row::{Row, as_json, names};
use crate::cli::standstill::Standstill;
use crate::cli::{Outcome, print_json};
use crate::config::Config;
use crate::store::{MAX_ROWS, Store, Stored};

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
    if json {
        let all: Vec<Json> = rows.iter().map(|row| as_json(row, config)).collect();
        print_json(&all, out)?;
    } else if rows.is_empty() {
        writeln!(out, "There is no pair yet.")?;
    } else {
        writeln!(out, "{}", table(&rows, config))?;
    }
    Ok(Outcome::Fine)
}

fn table(rows: &[Row], config: &Config) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["LINK", "OUTSIDE", "STATUS", "INSIDE", "STATUS", "STATE"]);
    for row in rows {
        let Stored { id, link, .. } = &row.stored;
        let (outside, inside) = names(&row.stored, config);
        let state = if row.why.is_empty() { row.state.to_owned() } else { format!("{}: {}", row.state, row.why) };
        let status = |side| link.ancestor.side(side).status.clone();
        table.add_row([
            id.to_string(),
            outside,
            status(Side::External),
            inside.unwrap_or_default(),
            status(Side::Internal),
            state,
        ]);
    }
    table.trim_fmt()
}
