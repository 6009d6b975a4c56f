//! `links rebuild`: finds the pairs of a lost store again.

use std::io::Write;

use anyhow::Context as _;
use clap::Args;
use comfy_table::{Table, presets};
use itop_bridge_engine::{Engine, FoundPair, Rebuilt};
use serde_json::json;

use crate::app;
use crate::cli::{Outcome, block_on, print_json, progress, store};
use crate::config::Config;

/// Find the pairs of a lost store again, by the marks that the bridge left in both iTops.
///
/// Writes only to the store: neither iTop is changed, and nothing that both sides have is written again. Differences are
/// shown, and left until the value changes in the external ticket. A pair that the store knows stays as it is, even one that was
/// unlinked. Works while `serve` runs, which halts by itself after a loss. You may run it again.
///
/// A new store does not know which files people deleted and which pairs they unlinked. So such a copy is made again, and
/// such a pair is found again. Ends with 1 if something with a mark could not be adopted.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  itop-bridge links rebuild --dry-run\n  itop-bridge links rebuild")]
pub struct Rebuild {
    /// Show the pairs that would be found, and store nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Print an object {pairs, left, known, since, newer}.
    #[arg(long)]
    pub json: bool,
}

pub(super) fn run(rebuild: &Rebuild, config: &Config, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    config.need_every_side()?;
    let app = app::to_look(config, store::to_fill(config, rebuild.dry_run)?, &app::http_transport)?;
    let bar = progress::Bar::new("pairs");
    block_on(tell(rebuild, &app.engine, config, &bar, out))?
}

/// The command, with an engine over the store.
pub async fn tell(
    rebuild: &Rebuild,
    engine: &Engine,
    config: &Config,
    bar: &progress::Bar,
    out: &mut dyn Write,
) -> anyhow::Result<Outcome> {
    bar.look("looking for this bridge's marks…");
    let found = engine.rebuild(rebuild.dry_run, &|done, all| bar.tell(done, all)).await;
    bar.end();
    let found = found.context(match rebuild.dry_run {
        true => "the search stopped; nothing was stored, this was a dry run",
        false => "the search stopped; the stored pairs are complete, and the next run goes on",
    })?;
    if rebuild.json {
        print_json(&as_json(&found, config), out)?;
    } else {
        say(rebuild, &found, config, out)?;
    }
    Ok(if found.left.is_empty() { Outcome::Fine } else { Outcome::FaultFound })
}

fn say(rebuild: &Rebuild, found: &Rebuilt, config: &Config, out: &mut dyn Write) -> anyhow::Result<()> {
    if !found.pairs.is_empty() {
        writeln!(out, "{}\n", table(&found.pairs, config))?;
    }
    for pair in &found.pairs {
        for conflict in &pair.conflicts {
            writeln!(out, "{}: left as it is: {conflict}", name(pair))?;
        }
        for due in &pair.due {
            writeln!(out, "{}: the next pass writes, since {due}", name(pair))?;
        }
    }
    for left in &found.left {
        writeln!(out, "left alone: {}: {}", left.what, left.why)?;
    }
    writeln!(out, "pairs found again: {}; known before: {}", found.pairs.len(), found.known)?;
    for (external, highest) in &found.since {
        let lane = config.externals.iter().find(|lane| lane.name() == external);
        let older = lane.map_or(String::new(), |lane| format!("; {}", lane.sync.older_tickets(Some(*highest))));
        writeln!(out, "{external}: carried up to ticket {highest}{older}")?;
    }
    if found.newer > 0 {
        writeln!(out, "newer tickets, which passes look at next: {}", found.newer)?;
    }
    if rebuild.dry_run {
        writeln!(out, "Nothing was stored: this was a dry run.")?;
    }
    Ok(())
}

fn table(pairs: &[FoundPair], config: &Config) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["LINK", "EXTERNAL", "INTERNAL", "FOUND BY", "FILES"]);
    for pair in pairs {
        let number = pair.number.map_or_else(|| "-".to_owned(), |number| number.to_string());
        let internal = format!("{}:{}", config.internal.name, pair.internal.reference);
        table.add_row([number, name(pair), internal, pair.by.words().to_owned(), pair.files.to_string()]);
    }
    table.trim_fmt()
}

fn name(pair: &FoundPair) -> String {
    format!("{}:{}", pair.external_name, pair.external.reference)
}

fn as_json(found: &Rebuilt, config: &Config) -> serde_json::Value {
    let pair = |pair: &FoundPair| {
        json!({
            "number": pair.number,
            "external": name(pair),
            "internal": format!("{}:{}", config.internal.name, pair.internal.reference),
            "found_by": pair.by.words(),
            "files": pair.files,
            "conflicts": pair.conflicts,
            "due": pair.due,
        })
    };
    let left = |left: &itop_bridge_engine::Left| json!({ "what": left.what, "why": left.why });
    json!({
        "pairs": found.pairs.iter().map(pair).collect::<Vec<_>>(),
        "left": found.left.iter().map(left).collect::<Vec<_>>(),
        "known": found.known,
        "since": found.since,
        "newer": found.newer,
    })
}
