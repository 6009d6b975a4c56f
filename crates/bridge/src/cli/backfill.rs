//! `backfill`: brings tickets that are older than the connection under the bridge.

mod title;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{IsTerminal as _, Write};
use std::path::Path;

use anyhow::{Context as _, bail};
use clap::{ArgGroup, Args, ValueEnum};
use comfy_table::{Table, presets};
use itop_bridge_engine::wording::count::counted;
use itop_bridge_engine::{BackfillRequest, Engine, Older, Requested, TitleAdopted};
use jiff::civil::Date;
use serde_json::json;

use super::ask::is_agreed;
use super::serve::signalled;
use super::{Outcome, block_on, print_json, progress, store, ticket};
use crate::app;
use crate::config::{Config, ExternalConfig};

/// Bring in tickets that are older than the connection.
///
/// Shows how many there are and ten of them, asks, and marks them. `serve` then carries them like new tickets, after the
/// tickets that webhooks announce, and only those that fit `only`. Tickets that have a pair, or were unlinked, are left as they are.
/// Works while `serve` runs; while it does not, the tickets wait.
///
/// With `--match title` the bridge first looks for counterparts that people have opened already. If exactly one internal
/// title names the ticket's reference, the two become a pair as they are, and no copy is made. If several titles do, or
/// that title names another ticket too, the ticket is left alone and listed. If such a ticket is newer than the
/// connection, `serve` copies it, unless you link it first.
///
/// After Ctrl-C the same command goes on where it stopped. Ends with 1 if `--match title` left a ticket alone, or could
/// not link one.
#[derive(Debug, Args)]
#[command(
    group(ArgGroup::new("decided").args(["yes", "dry_run"])),
    after_help = "Examples:\n  itop-bridge backfill --side acme --since 2026-01-01 --dry-run\n  \
                  itop-bridge backfill --side acme --since 2026-01-01 --class UserRequest,Incident --state new,assigned\n  \
                  itop-bridge backfill --side acme --since 2026-01-01 --match title"
)]
pub struct Backfill {
    /// An external's name.
    #[arg(long, value_name = "NAME")]
    pub side: String,
    /// Tickets that were made on this day or later, such as 2026-01-31.
    #[arg(long, value_name = "DATE", value_parser = day)]
    pub since: Date,
    /// Only tickets of these classes of the external.
    #[arg(long = "class", value_name = "CLASS", value_delimiter = ',')]
    pub classes: Vec<String>,
    /// Only tickets in these states.
    #[arg(long = "state", value_name = "STATE", value_delimiter = ',')]
    pub states: Vec<String>,
    /// Look for counterparts that exist already, and adopt them instead of making copies.
    #[arg(long = "match", value_name = "BY", value_enum)]
    pub match_by: Option<MatchBy>,
    /// Do not ask.
    #[arg(long)]
    pub yes: bool,
    /// Show the tickets, and store nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Print an object {counts, tickets, linked, ended, marked_before, marked}, and {pairs, unclear, adopted} of
    /// --match. With --yes or --dry-run.
    #[arg(long, requires = "decided")]
    pub json: bool,
}

/// How a counterpart is recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MatchBy {
    /// Its title contains the external ticket's reference, as a word of its own.
    Title,
}

/// The number of tickets shown.
const SHOWN: usize = 10;

/// Asks a yes-or-no question.
pub type Ask<'a> = &'a (dyn Fn(&str) -> anyhow::Result<bool> + Sync);

pub(super) fn run(backfill: &Backfill, config: &Path, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let config = Config::load_to_look(config)?;
    // Before anything is opened or asked.
    to_request(backfill, &config)?;
    store::agrees(&config)?;
    config.need(&[&backfill.side, &config.internal.name])?;
    let store = if backfill.dry_run { store::to_read(&config)? } else { store::to_change(&config)? };
    let app = app::to_look(&config, store, &app::http_transport)?;
    let bar = progress::Bar::new("marked");
    let work = tell(backfill, &app.engine, &config, &bar, &ask, out);
    block_on(work)?
}

/// A day, in the format of the configuration.
fn day(text: &str) -> Result<Date, String> {
    let is_day = text.len() == "2026-01-31".len();
    text.parse().ok().filter(|_| is_day).ok_or_else(|| "write a day as year-month-day, such as 2026-01-31".to_owned())
}

fn ask(question: &str) -> anyhow::Result<bool> {
    if !std::io::stdin().is_terminal() {
        bail!("nothing was marked: nobody can be asked here. Add --yes, or --dry-run");
    }
    Ok(is_agreed(question)?)
}

/// The command, with an engine over the store.
pub async fn tell(
    backfill: &Backfill,
    engine: &Engine,
    config: &Config,
    bar: &progress::Bar,
    ask: Ask<'_>,
    out: &mut dyn Write,
) -> anyhow::Result<Outcome> {
    let request = to_request(backfill, config)?;
    let look = |class: &str| bar.look(&format!("looking for tickets… ({class})"));
    let requested = engine.find_requested(&request, &look).await;
    bar.end();
    let requested = requested.context("nothing was marked")?;
    if !backfill.json {
        say(&request, &requested, config, out)?;
        out.flush()?;
    }
    let is_nothing = requested.tickets.is_empty() && requested.pairs.is_empty();
    let is_wanted = !backfill.dry_run && (backfill.yes || is_nothing || ask(&title::question(&requested))?);
    let adopted = match is_wanted && !requested.pairs.is_empty() {
        true => title::adopt(engine, &request, &requested.pairs, bar).await?,
        false => Vec::new(),
    };
    let marked = if is_wanted { Some(mark(engine, &request, &requested.tickets, bar).await?) } else { None };
    let is_well = requested.unclear.is_empty() && adopted.iter().all(|pair| pair.link.is_some());
    let outcome = if is_well { Outcome::Fine } else { Outcome::FaultFound };
    if backfill.json {
        print_json(&as_json(&request, &requested, &adopted, marked), out)?;
        return Ok(outcome);
    }
    if !adopted.is_empty() {
        title::say_adopted(&request, &adopted, config, out)?;
    }
    match (marked, backfill.dry_run) {
        (Some(0), _) if !adopted.is_empty() => {}
        (Some(0), _) | (None, false) => writeln!(out, "Nothing was marked.")?,
        (Some(n), _) => {
            writeln!(out, "Marked: {}. `serve` carries them, after the tickets that webhooks announce.", tickets(n))?
        }
        (None, true) => writeln!(out, "Nothing was marked: this was a dry run.")?,
    }
    Ok(outcome)
}

/// Marks tickets until Ctrl-C. Ctrl-C is caught only here: earlier, even at the question, there is nothing to keep,
/// and it ends the process at once.
async fn mark(
    engine: &Engine,
    request: &BackfillRequest,
    tickets: &[Older],
    bar: &progress::Bar,
) -> anyhow::Result<usize> {
    let tell = |done, all| bar.tell(done, all);
    let marked = tokio::select! {
        marked = engine.backfill(request, tickets, &tell) => Some(marked),
        () = signalled() => None,
    };
    bar.end();
    let Some(marked) = marked else {
        bail!("stopped; the marked tickets stay marked, and the same command goes on from there");
    };
    marked.context("not all were marked; the same command goes on")
}

/// The arguments, if they fit the configuration.
fn to_request(backfill: &Backfill, config: &Config) -> anyhow::Result<BackfillRequest> {
    let Backfill { side, since, classes, states, .. } = backfill;
    if *side == config.internal.name {
        bail!("{side} is the internal side: its tickets are the copies. --side names an external");
    }
    let Some(external) = config.externals.iter().find(|external| external.name() == side) else {
        bail!("there is no side {side:?}{}", ticket::sides(config));
    };
    for class in classes {
        let bridged = &external.sync.classes;
        if !bridged.contains_key(class) {
            let known: Vec<&str> = bridged.keys().map(String::as_str).collect();
            bail!("the class {class} of {side} is not bridged. Those that are: {}", known.join(", "));
        }
        if external.only.of(class).is_none() {
            bail!("no ticket of the class {class} leaves {side}: `only` does not name it");
        }
    }
    let (classes, states): (BTreeSet<String>, BTreeSet<String>) =
        (classes.iter().cloned().collect(), states.iter().cloned().collect());
    for state in &states {
        if !is_known(state, &classes, external) {
            bail!("no bridged class of {side} has the state {state}");
        }
    }
    let match_title = backfill.match_by == Some(MatchBy::Title);
    Ok(BackfillRequest { external: side.clone(), since: *since, classes, states, match_title })
}

/// Whether one of the requested classes has the state. A class without a lifecycle counts as having it.
fn is_known(state: &str, classes: &BTreeSet<String>, external: &ExternalConfig) -> bool {
    let bridged = external.sync.classes.keys().filter(|class| classes.is_empty() || classes.contains(*class));
    let mut lifecycles = bridged.map(|class| external.sync.lifecycles.of(class));
    lifecycles.any(|lifecycle| lifecycle.is_none_or(|lifecycle| lifecycle.knows(state)))
}

fn say(request: &BackfillRequest, requested: &Requested, config: &Config, out: &mut dyn Write) -> anyhow::Result<()> {
    let Requested { tickets: found, linked, ended, marked_before, .. } = requested;
    let (external, internal) = (&request.external, &config.internal.name);
    if !found.is_empty() {
        writeln!(out, "{}\n", counts_table(found))?;
        let some = sample(found);
        let heading = if some.len() < found.len() { format!("{} of them:", some.len()) } else { "These:".to_owned() };
        writeln!(out, "{heading}\n{}\n", sample_table(external, &some))?;
    }
    title::say(request, requested, config, out)?;
    writeln!(out, "made since {} and not in {internal} yet: {}", request.since, tickets(found.len()))?;
    let others = [
        (*linked, "left as they are, since they have a pair"),
        (*ended, "left alone, since their pair was ended"),
        (*marked_before, "marked already by an earlier run that was stopped"),
    ];
    for (count, what) in title::counts(requested).into_iter().chain(others) {
        if count > 0 {
            writeln!(out, "{what}: {}", tickets(count))?;
        }
    }
    Ok(())
}

fn counts(found: &[Older]) -> BTreeMap<(&str, &str), usize> {
    let mut counts = BTreeMap::new();
    for ticket in found {
        *counts.entry((ticket.class.as_str(), ticket.status.as_str())).or_default() += 1;
    }
    counts
}

fn counts_table(found: &[Older]) -> String {
    let mut table = table(["CLASS", "STATE", "TICKETS"]);
    for ((class, state), count) in counts(found) {
        table.add_row([class.to_owned(), state.to_owned(), count.to_string()]);
    }
    lines(table)
}

/// At most ten, spread evenly from the first to the last.
fn sample(found: &[Older]) -> Vec<&Older> {
    let many = found.len().min(SHOWN);
    (0..many).filter_map(|at| found.get(at * (found.len() - 1) / (many - 1).max(1))).collect()
}

fn sample_table(external: &str, sample: &[&Older]) -> String {
    let mut table = table(["TICKET", "STATE", "LAST UPDATE", "TITLE"]);
    for ticket in sample {
        let Older { reference, status, last_update, title, .. } = ticket;
        table.add_row([format!("{external}:{reference}"), status.clone(), last_update.clone(), one_line(title)]);
    }
    lines(table)
}

fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(header);
    table
}

/// The table as text; the first column is not indented.
fn lines(mut table: Table) -> String {
    if let Some(first) = table.column_mut(0) {
        first.set_padding((0, 1));
    }
    table.trim_fmt()
}

/// A title may contain anything: control characters, which could move a terminal's cursor, are left out.
fn one_line(title: &str) -> String {
    title.chars().filter(|character| !character.is_control()).collect()
}

fn tickets(count: usize) -> String {
    counted(count, "ticket", "tickets")
}

fn as_json(
    request: &BackfillRequest,
    requested: &Requested,
    adopted: &[TitleAdopted],
    marked: Option<usize>,
) -> serde_json::Value {
    let counts = counts(&requested.tickets);
    let count =
        |((class, state), count): ((&str, &str), usize)| json!({ "class": class, "state": state, "tickets": count });
    let mut shown = json!({
        "counts": counts.into_iter().map(count).collect::<Vec<_>>(),
        "tickets": requested.tickets,
        "linked": requested.linked,
        "ended": requested.ended,
        "marked_before": requested.marked_before,
        "marked": marked.unwrap_or_default(),
    });
    if let (true, Some(shown), serde_json::Value::Object(of_titles)) =
        (request.match_title, shown.as_object_mut(), title::as_json(requested, adopted))
    {
        shown.extend(of_titles);
    }
    shown
}
