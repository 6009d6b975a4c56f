//! `links list` and `links show`: the pairs, and what the bridge knows of one.

use std::io::Write;
use std::path::Path;

use clap::{Args, Subcommand};
use comfy_table::{Table, presets};
use itop_bridge_core::document::DocumentKind;
use itop_bridge_core::link::{Copy, CopyState};
use itop_bridge_core::{Link, Side};
use serde_json::{Value as Json, json};

use super::times::moment;
use super::{Outcome, store, ticket};
use crate::clock::Clock;
use crate::config::Config;
use crate::store::{Activity, LinkState, MAX_ROWS, QueueRow, Store, Stored};

/// The pairs of tickets, and what is known of each.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  itop-bridge links list\n  itop-bridge links show acme:R-000123")]
pub struct Links {
    #[command(subcommand)]
    pub verb: LinksVerb,
}

#[derive(Debug, Subcommand)]
pub enum LinksVerb {
    /// List every pair: its number, its tickets, their states, and whether something is wrong.
    #[command(
        after_help = "Examples:\n  itop-bridge links list\n  itop-bridge links list --json | jq '.[] | select(.state == \"halted\")'"
    )]
    List {
        /// Print an array of {number, external, internal, external_status, internal_status, state, why}.
        #[arg(long)]
        json: bool,
    },
    /// Show one pair: its files, the logs delivered, conflicts, a halt, what waits, and what the bridge did.
    #[command(after_help = "Examples:\n  itop-bridge links show acme:R-000123\n  itop-bridge links show 12 --json")]
    Show {
        /// A ticket: `acme:R-000123`, `elitery:R-000077`, or a link's number.
        #[arg(value_name = "TICKET", value_parser = ticket::ticket)]
        ticket: String,
        /// Print an object with all of it.
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(links: &Links, config: &Path, clock: &dyn Clock, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let config = Config::load(config)?;
    let mut store = store::to_read(&config)?;
    in_store(links, &mut store, &config, clock.now_ms(), out)
}

/// What the verb does with a store.
pub fn in_store(
    links: &Links,
    store: &mut dyn Store,
    config: &Config,
    now_ms: i64,
    out: &mut dyn Write,
) -> anyhow::Result<Outcome> {
    match &links.verb {
        LinksVerb::List { json } => list(*json, store, config, now_ms, out),
        LinksVerb::Show { ticket, json } => show(ticket, *json, store, config, now_ms, out),
    }
}

/// One line of the list.
struct Row {
    stored: Stored,
    queued: Option<QueueRow>,
    /// What an operator asks first: is it well?
    state: &'static str,
    why: String,
}

impl Row {
    fn of(store: &mut dyn Store, stored: Stored, now_ms: i64) -> anyhow::Result<Row> {
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

fn conflicts(link: &Link) -> Vec<String> {
    link.conflicts.iter().map(|conflict| format!("{}: {}", conflict.about, conflict.text)).collect()
}

fn list(
    as_json: bool,
    store: &mut dyn Store,
    config: &Config,
    now_ms: i64,
    out: &mut dyn Write,
) -> anyhow::Result<Outcome> {
    let mut rows = Vec::new();
    let mut after = 0;
    loop {
        let page = store.links(None, after, MAX_ROWS, None)?;
        let Some(last) = page.last() else { break };
        after = last.id;
        for stored in page {
            rows.push(Row::of(store, stored, now_ms)?);
        }
    }
    if as_json {
        let all: Vec<Json> = rows.iter().map(|row| row_as_json(row, config)).collect();
        serde_json::to_writer_pretty(&mut *out, &all)?;
        writeln!(out)?;
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

/// The two tickets as people call them.
fn names(stored: &Stored, config: &Config) -> (String, Option<String>) {
    let internal = stored.link.internal.as_ref().map(|key| format!("{}:{}", config.internal.name, key.reference));
    (format!("{}:{}", stored.external_name, stored.link.external.reference), internal)
}

fn row_as_json(row: &Row, config: &Config) -> Json {
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

fn show(
    name: &str,
    as_json: bool,
    store: &mut dyn Store,
    config: &Config,
    now_ms: i64,
    out: &mut dyn Write,
) -> anyhow::Result<Outcome> {
    let stored = ticket::find(store, config, name)?;
    let activity = store.activity(stored.id, MAX_ROWS)?;
    let row = Row::of(store, stored, now_ms)?;
    if as_json {
        let mut shown = row_as_json(&row, config);
        let link = &row.stored.link;
        shown["files"] = link.copies.iter().map(file_as_json).collect();
        shown["documents"] = link
            .documents
            .iter()
            .map(|document| {
                json!({
                    "kind": document.kind, "states": document.lines, "file": document.state,
                })
            })
            .collect();
        shown["logs"] = link
            .logs
            .iter()
            .map(|log| {
                json!({
                    "log": log.log, "from": log.from, "delivered": log.delivered.len(), "vanished": log.vanished.len(),
                    "files": log.files, "on_its_way": log.batch.as_ref().map(|batch| batch.entries.len()),
                    "halt": log.halt.as_ref().map(|halt| &halt.text),
                })
            })
            .collect();
        shown["conflicts"] = json!(link.conflicts);
        shown["halt"] = json!(link.halt);
        shown["queue"] = json!(row.queued);
        shown["activity"] = json!(activity);
        serde_json::to_writer_pretty(&mut *out, &shown)?;
        writeln!(out)?;
        return Ok(Outcome::Fine);
    }
    writeln!(out, "link {}: {}\nstate: {}", row.stored.id, ticket::pair_name(config, &row.stored), row.state)?;
    say_link(&row.stored.link, out)?;
    say_queue(row.queued.as_ref(), out)?;
    say_activity(&activity, out)?;
    Ok(Outcome::Fine)
}

fn file_as_json(copy: &Copy) -> Json {
    json!({
        "from": copy.from, "original": copy.original, "name": copy.content.name, "type": copy.content.mimetype,
        "copy": copy.state, "substituted": copy.substituted, "missing_since_ms": copy.missing_since_ms,
    })
}

fn say_link(link: &Link, out: &mut dyn Write) -> anyhow::Result<()> {
    let status = |side: Side| format!("{} {}", link.ancestor.side(side).status, side.place());
    writeln!(out, "status: {}, {}", status(Side::External), status(Side::Internal))?;
    if let Some(halt) = &link.halt {
        writeln!(out, "halted: {}", halt.text)?;
    }
    for conflict in conflicts(link) {
        writeln!(out, "conflict: {conflict}")?;
    }
    heading("files", link.copies.is_empty() && link.documents.is_empty(), out)?;
    for copy in &link.copies {
        let missing = if copy.missing_since_ms.is_some() { "; the original is missing" } else { "" };
        let instead = if copy.substituted { "; a text stands in for it" } else { "" };
        let state = file_state(Some(&copy.state));
        let way = way(copy.from);
        writeln!(out, "  {way}  {} (attachment {}): {state}{instead}{missing}", copy.content.name, copy.original)?;
    }
    for document in &link.documents {
        let what = if document.kind == DocumentKind::Report { "report of the status" } else { "notice" };
        let newest = document.lines.first().map_or("nothing yet", |line| line.state.as_str());
        let (way, state) = (way(document.kind.from()), file_state(document.state.as_ref()));
        writeln!(out, "  {way}  {what} ({newest}): {state}")?;
    }
    heading("logs", link.logs.is_empty(), out)?;
    for log in &link.logs {
        let (delivered, gone) = (log.delivered.len(), log.vanished.len());
        let gone = if gone > 0 { format!(", {gone} of the log's are gone since") } else { String::new() };
        let batch = log.batch.as_ref().map(|batch| format!(", {} on their way", batch.entries.len()));
        let halt = log.halt.as_ref().map(|halt| format!("; halted: {}", halt.text));
        let rest = batch.unwrap_or_default() + &halt.unwrap_or_default();
        writeln!(out, "  {}  {} log: entries delivered: {delivered}{gone}{rest}", way(log.from), log.log.word())?;
    }
    Ok(())
}

fn heading(what: &str, nothing: bool, out: &mut dyn Write) -> std::io::Result<()> {
    writeln!(out, "{what}:{}", if nothing { " none" } else { "" })
}

fn way(from: Side) -> &'static str {
    match from {
        Side::External => "outside -> inside",
        Side::Internal => "inside -> outside",
    }
}

fn file_state(state: Option<&CopyState>) -> String {
    match state {
        Some(CopyState::Stands(id)) => format!("stands as attachment {id}"),
        Some(CopyState::RemovedByPerson) => "a person deleted the copy; it stays deleted".to_owned(),
        Some(CopyState::InDoubt { until_ms }) => {
            format!("sent without an answer; it may still land until {}", moment(*until_ms))
        }
        None => "not sent yet".to_owned(),
    }
}

fn say_queue(row: Option<&QueueRow>, out: &mut dyn Write) -> std::io::Result<()> {
    let Some(row) = row else { return writeln!(out, "queue: nothing waits") };
    let how = match (row.leased, row.parked) {
        (true, _) => "a pass is under way".to_owned(),
        (false, true) => format!("parked; tried again at {}, or by `itop-bridge retry`", moment(row.due_ms)),
        (false, false) => format!("due at {}", moment(row.due_ms)),
    };
    writeln!(out, "queue: {how}; waits since {}", moment(row.dirty_since_ms))?;
    match &row.error {
        Some(error) => writeln!(out, "  failed {} times in a row: {error}", row.attempts),
        None => Ok(()),
    }
}

fn say_activity(activity: &[Activity], out: &mut dyn Write) -> std::io::Result<()> {
    heading("what the bridge did, newest first", activity.is_empty(), out)?;
    for line in activity {
        writeln!(out, "  {}  {}", moment(line.at_ms), line.text)?;
    }
    Ok(())
}
