//! `links import`: adopts the pairs of the original program.

mod table;

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Args;
use comfy_table::{Table, presets};
use itop_bridge_core::event::AdoptedBy;
use itop_bridge_engine::{Engine, PairOf, ReadyPair};
use itop_bridge_store::{LinkState, StoreHandle, TicketOf};
use serde_json::json;

use self::table::{Line, at};
use crate::app;
use crate::cli::{Outcome, block_on, print_json, progress, store};
use crate::config::{Config, ExternalConfig};

/// Adopt the pairs of the original program, from its table as CSV.
///
/// The file has the columns external_ticket_id, elitery_ticket_id and ticket_class, named in its first line
/// (`SELECT … FROM ticket_mappings`). Writes only to the store. The present contents of both sides count as
/// delivered: both logs, the status, and the files. Two files with the same name and content count as one. Differences are
/// shown, and left until the value changes in the external ticket.
///
/// If one line is wrong, or names tickets that cannot be a pair, nothing is adopted and each such line is listed. You may
/// run it again: a pair that is linked already stays. Works while `serve` runs; at a change-over, run it before.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  itop-bridge links import ticket_mappings.csv --dry-run\n  itop-bridge links import ticket_mappings.csv --external acme"
)]
pub struct Import {
    /// The table.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The external that the tickets belong to. May be left out if the configuration has only one.
    #[arg(long, value_name = "NAME")]
    pub external: Option<String>,
    /// Skip lines whose tickets cannot be a pair, and adopt the others.
    #[arg(long)]
    pub skip: bool,
    /// Show the pairs that would be adopted, and store nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Print an object {pairs, left, known}.
    #[arg(long)]
    pub json: bool,
}

pub(super) fn run(import: &Import, config: &Config, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    // Faults of the file are reported before a store is created.
    let lines = read(import)?;
    let external = external(import, config)?;
    config.need(&[&external.side.name, &config.internal.name])?;
    let store = StoreHandle::inline(store::to_fill(config, import.dry_run)?);
    let app = app::over(config, store.clone(), &app::http_transport)?;
    let verb = Verb { import, external, engine: &app.engine, store: &store, config };
    block_on(verb.tell(lines, &progress::Bar::new("pairs"), out))?
}

fn read(import: &Import) -> anyhow::Result<Vec<Line>> {
    let file = import.file.display();
    let text = std::fs::read_to_string(&import.file).with_context(|| format!("cannot read {file}"))?;
    table::read(&text).with_context(|| format!("{file}; nothing was adopted"))
}

/// The command, with an engine over the same store.
pub async fn tell(
    import: &Import,
    engine: &Engine,
    store: &StoreHandle,
    config: &Config,
    bar: &progress::Bar,
    out: &mut dyn Write,
) -> anyhow::Result<Outcome> {
    let lines = read(import)?;
    let external = external(import, config)?;
    Verb { import, external, engine, store, config }.tell(lines, bar, out).await
}

fn external<'a>(import: &Import, config: &'a Config) -> anyhow::Result<&'a ExternalConfig> {
    let names: Vec<&str> = config.externals.iter().map(ExternalConfig::name).collect();
    match (&import.external, config.externals.as_slice()) {
        (None, [only]) => Ok(only),
        (None, _) => bail!("there are several externals; name one with --external: {}", names.join(", ")),
        (Some(name), externals) => externals
            .iter()
            .find(|external| external.name() == name)
            .with_context(|| format!("there is no external {name:?}. The configuration has {}", names.join(", "))),
    }
}

struct Verb<'a> {
    import: &'a Import,
    external: &'a ExternalConfig,
    engine: &'a Engine,
    store: &'a StoreHandle,
    config: &'a Config,
}

/// The results of the lines.
#[derive(Default)]
struct Imported {
    pairs: Vec<(Option<i64>, ReadyPair)>,
    /// The fault, with the number of its line.
    left: Vec<(usize, String)>,
    /// Pairs that are linked already.
    known: usize,
}

/// The store's knowledge of a line's tickets.
enum InStore {
    Free,
    Known,
    Taken(String),
}

impl Verb<'_> {
    async fn tell(&self, lines: Vec<Line>, bar: &progress::Bar, out: &mut dyn Write) -> anyhow::Result<Outcome> {
        let mut imported = Imported::default();
        let (mut numbers, mut pairs) = (Vec::new(), Vec::new());
        for line in &lines {
            match self.in_store(line).await? {
                InStore::Known => imported.known += 1,
                InStore::Taken(why) => imported.left.push((line.number, why)),
                InStore::Free => match self.pair_of(line) {
                    Ok(pair) => {
                        numbers.push(line.number);
                        pairs.push(pair);
                    }
                    Err(why) => imported.left.push((line.number, why)),
                },
            }
        }
        bar.look("reading the pairs' tickets…");
        let read = self.engine.read_to_adopt(&pairs, &|done, all| bar.tell(done, all)).await;
        bar.end();
        for (number, ready) in numbers.into_iter().zip(read.context("nothing was adopted")?) {
            match ready {
                Ok(ready) => imported.pairs.push((None, ready)),
                Err(why) => imported.left.push((number, why.to_string())),
            }
        }
        imported.left.sort();
        if !self.import.skip && !imported.left.is_empty() {
            let said: Vec<String> =
                imported.left.iter().map(|(number, why)| format!("{}: {why}", at(*number))).collect();
            bail!(
                "{}: nothing was adopted. Correct these lines, or leave them out with --skip:\n{}",
                self.import.file.display(),
                said.join("\n")
            );
        }
        if !self.import.dry_run {
            for (number, ready) in &mut imported.pairs {
                let stored = self.engine.adopt(ready, false, AdoptedBy::Table).await;
                *number = Some(stored.context("the pairs before this one are adopted; run it again for the others")?);
            }
        }
        self.say(&imported, out)?;
        Ok(if imported.left.is_empty() { Outcome::Fine } else { Outcome::FaultFound })
    }

    async fn in_store(&self, line: &Line) -> anyhow::Result<InStore> {
        let of = TicketOf { external: self.external.name().to_owned(), ticket: line.external };
        let internal = line.internal;
        let both = self.store.call(move |store| Ok([store.link_of_external(&of)?, store.link_of_internal(internal)?]));
        let [external, internal] = both.await?;
        let is_live = |stored: &itop_bridge_store::Stored| stored.state == LinkState::Live;
        let same =
            external.as_ref().zip(internal.as_ref()).is_some_and(|(one, other)| one.id == other.id && is_live(one));
        if same {
            return Ok(InStore::Known);
        }
        Ok(match (external, internal) {
            (Some(stored), _) | (None, Some(stored)) if !is_live(&stored) => {
                let why = format!("its link {} has ended; `itop-bridge links link` makes it anew", stored.id);
                InStore::Taken(why)
            }
            (Some(stored), _) => InStore::Taken(format!("the external ticket is linked already: link {}", stored.id)),
            (None, Some(stored)) => {
                InStore::Taken(format!("the internal ticket is linked already: link {}", stored.id))
            }
            (None, None) => InStore::Free,
        })
    }

    fn pair_of(&self, line: &Line) -> Result<PairOf, String> {
        let external = self.external.name();
        let internal_class = self.external.sync.classes.get(&line.class);
        let internal_class =
            internal_class.ok_or_else(|| format!("{} is no class that is bridged for {external}", line.class))?;
        Ok(PairOf {
            external: external.to_owned(),
            class: line.class.clone(),
            ticket: line.external,
            internal_class: internal_class.clone(),
            internal: line.internal,
        })
    }

    fn say(&self, imported: &Imported, out: &mut dyn Write) -> anyhow::Result<()> {
        if self.import.json {
            return print_json(&self.as_json(imported), out);
        }
        if !imported.pairs.is_empty() {
            writeln!(out, "{}\n", self.table(&imported.pairs))?;
        }
        for (_, ready) in &imported.pairs {
            for conflict in &ready.conflicts {
                writeln!(out, "{}: left as it is: {conflict}", self.external_ticket(ready))?;
            }
        }
        for (number, why) in &imported.left {
            writeln!(out, "left out: {}: {why}", at(*number))?;
        }
        let adopted = if self.import.dry_run { "that would be adopted" } else { "adopted" };
        writeln!(out, "pairs {adopted}: {}; linked before: {}", imported.pairs.len(), imported.known)?;
        if self.import.dry_run {
            writeln!(out, "Nothing was stored: this was a dry run.")?;
        }
        Ok(())
    }

    fn table(&self, pairs: &[(Option<i64>, ReadyPair)]) -> String {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header(["LINK", "EXTERNAL", "INTERNAL", "FILES ON BOTH", "ON ONE ALONE"]);
        for (number, ready) in pairs {
            let number = number.map_or_else(|| "-".to_owned(), |number| number.to_string());
            let (files, alone) = (ready.files.to_string(), ready.alone.to_string());
            table.add_row([number, self.external_ticket(ready), self.internal_ticket(ready), files, alone]);
        }
        table.trim_fmt()
    }

    fn external_ticket(&self, ready: &ReadyPair) -> String {
        format!("{}:{}", ready.external, ready.link.external.reference)
    }

    fn internal_ticket(&self, ready: &ReadyPair) -> String {
        let reference = ready.link.internal.as_ref().map_or("", |key| &key.reference);
        format!("{}:{reference}", self.config.internal.name)
    }

    fn as_json(&self, imported: &Imported) -> serde_json::Value {
        let pair = |(number, ready): &(Option<i64>, ReadyPair)| {
            json!({
                "number": number,
                "external": self.external_ticket(ready),
                "internal": self.internal_ticket(ready),
                "files_on_both": ready.files,
                "files_on_one_alone": ready.alone,
                "conflicts": ready.conflicts,
            })
        };
        let left = |(number, why): &(usize, String)| json!({ "line": number, "why": why });
        json!({
            "pairs": imported.pairs.iter().map(pair).collect::<Vec<_>>(),
            "left": imported.left.iter().map(left).collect::<Vec<_>>(),
            "known": imported.known,
        })
    }
}
