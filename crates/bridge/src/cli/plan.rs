//! `plan`: the writes of a pass, as a diff, with their reasons.

use std::io::Write;
use std::path::Path;

use anyhow::bail;
use clap::Args;
use itop_bridge_core::caselog::{BatchFile, EntryKey};
use itop_bridge_core::document::{Document, DocumentKind, Line, PENDING_REASON};
use itop_bridge_core::plan::{self, Deferred, FieldWrite, Note, Step, Stimulus, Value};
use itop_bridge_core::{FileContent, Link, LogName, Reading, Side, Ticket};
use itop_bridge_engine::wording;
use itop_bridge_engine::wording::count::counted;
use itop_bridge_engine::wording::moment::moment;
use itop_bridge_engine::{Engine, NoPlan, Preview};
use itop_bridge_store::{LinkState, Store, StoreHandle, Stored, TicketOf};
use itop_bridge_text::html::{log_text, without_image_addresses};

use super::ticket::Named;
use super::{Outcome, block_on, store, ticket};
use crate::app;
use crate::config::Config;
use crate::running::Running;
use crate::sentences::{self, Names};
use crate::standing::{self, Is, Sides, Standing, Waits};

/// A value is cut after this many lines …
const MOST_LINES: usize = 8;

/// … and a line after this many characters.
const MOST_CHARACTERS: usize = 200;

/// Show what a pass would write to a ticket's pair, and why. Writes nothing.
///
/// Reads both iTops as they are now. A line that begins with `-` shows the present value; a line with `+`, the value after
/// the pass. Also shows the parts of the ticket that wait, failed or are kept back, and when each is tried again. Ends with
/// 1 if the pair is halted.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  itop-bridge plan acme:R-000123")]
pub struct Plan {
    /// A ticket: `acme:R-000123`, `elitery:R-000077`, `R-000123` if only one ticket has it, or a link's number.
    #[arg(value_name = "TICKET", value_parser = ticket::ticket)]
    pub ticket: String,
}

pub(super) fn run(plan: &Plan, config: &Path, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let config = Config::load_to_look(config)?;
    store::agrees(&config)?;
    let mut store = store::to_read(&config)?;
    let plan = Plan { ticket: ticket::settled(&mut store, &config, &plan.ticket)? };
    let store = StoreHandle::inline(store);
    let app = app::to_look(&config, store::to_read(&config)?, &app::http_transport)?;
    block_on(show(&plan, &app.engine, &store, &config, out))?
}

/// The command, with an engine that reads the same store.
pub async fn show(
    plan: &Plan,
    engine: &Engine,
    store: &StoreHandle,
    config: &Config,
    out: &mut dyn Write,
) -> anyhow::Result<Outcome> {
    let (name, known) = (plan.ticket.clone(), config.clone());
    let named = store.call(move |store| Ok(ticket::find_any(store, &known, &name))).await??;
    let now_ms = engine.now_ms();
    if let Named::Pair(stored) = &named
        && stored.state == LinkState::Ended
    {
        return say_ended(stored, config, now_ms, store, out).await;
    }
    let (of, class) = find(named, engine, config).await?;
    config.need(&[&of.external, &config.internal.name])?;
    let preview = engine.preview(&of, class).await?;
    let (known, asked) = (config.clone(), of.clone());
    let read = move |store: &mut dyn Store| {
        let sides = Sides::read(store, &known)?;
        let running = Running::of(store, &known)?;
        Ok((sides, running, store.queue_row(&asked, now_ms)?, store.link_of_external(&asked)?))
    };
    let (sides, running, row, stored) = store.call(read).await?;
    let stored = stored.map(|stored| as_the_pass_finds_it(stored, &preview));
    let down = if preview.number.is_none() { engine.why_internal_is_silent().await } else { None };
    let standing = Standing::of(standing::Ticket {
        external: &of.external,
        stored: stored.as_ref(),
        row: row.as_ref(),
        sides: &sides,
        config,
        now_ms,
    });
    let reference = match &*preview.link.external.reference {
        "" => plan.ticket.split_once(':').map_or(&*plan.ticket, |(_, reference)| reference).to_owned(),
        reference => reference.to_owned(),
    };
    let names = match &stored {
        Some(stored) => Names::of(stored, config),
        None => Names::unlinked(&of.external, &reference, config),
    };
    let is_queued = row.is_some();
    let (preview, sides, standing, running) = (&preview, &sides, &standing, &running);
    Shown { preview, down, sides, standing, names, is_queued, now_ms, running, config, out }.all()
}

/// Adds the present conflicts, which the next pass will record.
fn as_the_pass_finds_it(mut stored: Stored, preview: &Preview) -> Stored {
    if let Ok(plan) = &preview.planned {
        stored.link.set_conflicts(plan.conflicts.clone());
    }
    stored
}

async fn say_ended(
    stored: &Stored,
    config: &Config,
    now_ms: i64,
    store: &StoreHandle,
    out: &mut dyn Write,
) -> anyhow::Result<Outcome> {
    let known = config.clone();
    let sides = store.call(move |store| Sides::read(store, &known)).await?;
    let external = &stored.external_name;
    let of = standing::Ticket { external, stored: Some(stored), row: None, sides: &sides, config, now_ms };
    let names = Names::of(stored, config);
    let internal = names.internal_ticket.as_ref().map_or(String::new(), |ticket| format!(" and {ticket}"));
    writeln!(out, "{}{internal} (link {})", names.external_ticket, stored.id)?;
    for is in &Standing::of(of).is {
        writeln!(out, "\n{}.", wording::capital(&names.line(is)))?;
    }
    writeln!(out, "\nA pass writes nothing.")?;
    Ok(Outcome::Fine)
}

async fn find(named: Named, engine: &Engine, config: &Config) -> anyhow::Result<(TicketOf, Option<String>)> {
    match named {
        Named::Pair(stored) => Ok((ticket::of(&stored), None)),
        Named::Unlinked { external, reference } => match reference.parse() {
            Ok(ticket) => Ok((TicketOf { external, ticket }, None)),
            Err(_) => {
                config.need(&[&external])?;
                match engine.external_ticket(&external, &reference).await? {
                    Some((of, class)) => Ok((of, Some(class))),
                    None => bail!("{external} has no ticket {reference}"),
                }
            }
        },
    }
}

struct Shown<'a> {
    preview: &'a Preview,
    /// Why the internal does not answer. A ticket without a pair asks it nothing yet.
    down: Option<String>,
    sides: &'a Sides,
    standing: &'a Standing,
    names: Names<'a>,
    is_queued: bool,
    now_ms: i64,
    running: &'a Running,
    config: &'a Config,
    out: &'a mut dyn Write,
}

/// A plan, and the link that it was made from.
struct Planned<'a> {
    plan: &'a plan::Plan,
    link: &'a Link,
}

impl Shown<'_> {
    fn all(mut self) -> anyhow::Result<Outcome> {
        let preview = self.preview;
        let internal = &self.config.internal.name;
        let (external, ticket) = (&preview.of.external, &self.names.external_ticket);
        let number = preview.number.map_or(String::new(), |number| format!(" (link {number})"));
        match &preview.link.internal {
            Some(key) => writeln!(self.out, "{ticket} and {internal}:{}{number}", key.reference)?,
            None if preview.is_lost() => {
                writeln!(self.out, "{ticket}: the store does not know whether it has a ticket in {internal}")?;
            }
            None => writeln!(self.out, "{ticket}, which has no ticket in {internal} yet{number}")?,
        }
        let sides = sentences::of_sides(self.sides, Some(external), self.now_ms);
        for line in &sides {
            writeln!(self.out, "\n{line}.")?;
        }
        if let (Running::Older { .. }, Some(fix)) = (self.running, self.running.fix()) {
            writeln!(self.out, "\n{}; {fix}.", self.running)?;
        }
        if let Some(why) = &self.down {
            writeln!(self.out, "\n{internal} does not answer: {why}. A pass waits until it does.")?;
        }
        self.stands()?;
        let plan = match &preview.planned {
            Ok(plan) => plan,
            Err(why) => {
                match why {
                    NoPlan::Lost(why) if sides.iter().any(|line| line.contains(&why.to_string())) => {
                        writeln!(self.out, "\nA pass writes nothing until then.")?;
                    }
                    why => writeln!(self.out, "\nA pass writes nothing: {}.", self.why_not(why))?,
                }
                if preview.is_lost() {
                    return Ok(Outcome::FaultFound);
                }
                return self.when_next(None).map(|()| Outcome::Fine);
            }
        };
        if let Some(halt) = &plan.halt {
            if preview.link.course.halt.is_none() {
                let step = self.names.step(&Is::Halted(halt.clone())).unwrap_or_default();
                let halts = wording::ended(&format!("A pass halts the pair: {}", halt.text));
                writeln!(self.out, "\n{halts}{}.", wording::capital(&step))?;
            }
            return Ok(Outcome::FaultFound);
        }
        if let Some(end) = &plan.end {
            writeln!(self.out, "\nThe pair ends, as an operator resumed it: {}.", end.text)?;
            return Ok(Outcome::Fine);
        }
        self.steps(plan)?;
        self.when_next(Some(plan))?;
        Ok(Outcome::Fine)
    }

    /// Prints everything true of the ticket, with the fix. The sides' faults were printed before.
    fn stands(&mut self) -> anyhow::Result<()> {
        for is in &self.standing.is {
            match is {
                Is::Waits(Waits::Stopped { .. } | Waits::NotServed | Waits::Down { .. } | Waits::Slowed { .. })
                | Is::NoCounterpart
                | Is::Due { .. } => {}
                is => {
                    let line = wording::capital(&self.names.line(is));
                    writeln!(self.out, "\n{}", wording::ended(&line).trim_end())?;
                }
            }
        }
        Ok(())
    }

    fn why_not(&self, why: &NoPlan) -> String {
        match why {
            NoPlan::Lost(why) => why.to_string(),
            NoPlan::NotCarried(why) => self.names.not_carried(why, self.config, self.preview.made.as_deref()),
            NoPlan::OldMayLand { until_ms } => self.names.told(&Is::AnewAfter { from_ms: *until_ms }),
            NoPlan::IsLookedFor => {
                "a create without an answer may have made its counterpart, which is looked for first".to_owned()
            }
        }
    }

    /// Prints when `serve` looks at the ticket next. Without a row in the queue, the next sweep does, if it finds
    /// something.
    fn when_next(&mut self, plan: Option<&plan::Plan>) -> anyhow::Result<()> {
        if let Some(at_ms) = self.standing.next_ms {
            writeln!(self.out, "\nIt is looked at next at {}.", moment(at_ms))?;
        } else if let (false, Some(plan)) = (self.is_queued, plan)
            && !plan.writes_nothing()
            && let Some(line) = sentences::next_sweep(self.sides, &self.preview.of.external, self.now_ms)
        {
            writeln!(self.out, "\n{}.", wording::capital(&line))?;
        }
        Ok(())
    }

    fn steps(&mut self, plan: &plan::Plan) -> anyhow::Result<()> {
        if plan.writes.is_empty() {
            writeln!(self.out, "\nA pass writes nothing.")?;
        }
        for deferred in &plan.deferred {
            writeln!(self.out, "\nLater, in {}", self.deferred(deferred))?;
        }
        let preview = self.preview;
        self.each(&Planned { plan, link: &preview.link })?;
        match &preview.once_made {
            Some((link, plan)) if !plan.writes.is_empty() => {
                writeln!(self.out, "\nThen, once it is made:")?;
                self.each(&Planned { plan, link })
            }
            _ => Ok(()),
        }
    }

    fn each(&mut self, planned: &Planned<'_>) -> anyhow::Result<()> {
        for step in &planned.plan.writes {
            let (on, what, lines) = self.step(step, planned);
            let name = self.name(on).to_owned();
            writeln!(self.out, "\n{name}: {what}\n  because {}", step.reason)?;
            for line in lines {
                writeln!(self.out, "  {line}")?;
            }
        }
        Ok(())
    }

    /// The side to be written to, the write, its time, and what would make it needless.
    fn deferred(&self, deferred: &Deferred) -> String {
        match deferred {
            Deferred::DeleteCopy { from, original, until_ms } => {
                let file = self.copied(*from, *original).map_or("a file".to_owned(), described);
                let (target, source, at) = (self.name(from.other()), self.name(*from), moment(*until_ms));
                format!("{target}: delete the copy of {file}, if the original is still missing in {source} at {at}.")
            }
            Deferred::SendEntry { from, log, key, until_ms } => {
                let (target, log, date, at) = (self.name(from.other()), log.word(), &key.date, moment(*until_ms));
                format!(
                    "{target}: send the entry of {date} in the {log} log, if the log of the ticket's parent still lacks it at {at}."
                )
            }
        }
    }

    fn name(&self, side: Side) -> &str {
        match side {
            Side::External => &self.preview.of.external,
            Side::Internal => &self.config.internal.name,
        }
    }

    /// The side to be written to, the action there, and the diff.
    fn step(&self, step: &Step, of: &Planned<'_>) -> (Side, String, Vec<String>) {
        use plan::Write::*;
        let files = |files: &[BatchFile]| files.iter().map(|file| format!("+ {}", file.name)).collect();
        let lines = match &step.write {
            CreateTicket { fields, .. } | UpdateFields { fields } => self.fields(fields),
            WalkStatus { walk, .. } => walk.iter().flat_map(stimulus).collect(),
            WriteText { code, value, .. } => marked('+', code, value),
            CopyFile { from, original } => vec![format!("+ {}", self.file(*from, *original))],
            RewriteFile { from, original, .. } => {
                let before = self.copied(*from, *original).map_or("the copy".to_owned(), described);
                vec![format!("- {before}"), format!("+ {}", self.file(*from, *original))]
            }
            DeleteCopy { from, original, .. } => {
                let before = self.copied(*from, *original).map_or("the copy".to_owned(), described);
                vec![format!("- {before}")]
            }
            SendLog { from, log, entries } => self.entries(*from, *log, entries),
            SendBatch { from, log } => {
                let batch = of.link.log(*from, *log).and_then(|state| state.batch.as_ref());
                files(batch.map_or(&[], |batch| &batch.files))
            }
            Enclose { from, kind, key, .. } => {
                let file = of.link.enclosure(*from, *kind, key);
                file.iter().map(|file| format!("+ {}", file.name)).collect()
            }
            SendAside { from, log, key } => {
                let mut batches = of.link.log(*from, *log).into_iter().flat_map(|state| state.batches());
                files(batches.find(|batch| batch.key() == Some(key)).map_or(&[], |batch| &batch.files))
            }
            WriteDocument { kind, .. } => self.document(*kind, of),
        };
        (step.write.on(), wording::write(&step.write), lines)
    }

    fn ticket(&self, side: Side) -> Option<&Ticket> {
        let reading = if side == Side::External { &self.preview.external } else { &self.preview.internal };
        match reading {
            Reading::Here(ticket) => Some(ticket),
            Reading::Gone | Reading::NotCreated => None,
        }
    }

    fn fields(&self, fields: &[FieldWrite]) -> Vec<String> {
        let internal = &self.config.internal.name;
        let before = self.ticket(Side::Internal);
        let mut lines = Vec::new();
        for field in fields {
            let (Value::Text(value) | Value::Html(value)) = &field.value;
            let stood = before.and_then(|ticket| ticket.attributes.get(&field.code));
            lines.extend(stood.into_iter().flat_map(|stood| marked('-', &field.code, stood)));
            lines.extend(marked('+', &field.code, value));
            let code = &field.code;
            match field.lost_edit.as_ref().map(|edit| edit.may_be_ours) {
                None => {}
                Some(false) => {
                    lines.push(format!("! {code} was edited in {internal}; that edit is overwritten, and recorded"));
                }
                Some(true) => lines.push(format!(
                    "! {code} was edited in {internal}, or an earlier update landed late; the present value is overwritten, and recorded"
                )),
            }
        }
        lines
    }

    fn file(&self, from: Side, original: u64) -> String {
        let read = self.preview.contents.iter().find(|(side, id, _)| (*side, *id) == (from, original));
        read.map_or_else(|| format!("attachment {original}"), |(_, _, content)| described(content))
    }

    fn copied(&self, from: Side, original: u64) -> Option<&FileContent> {
        self.preview.link.copy_of(from, original).map(|copy| &copy.content)
    }

    fn entries(&self, from: Side, log: LogName, keys: &[EntryKey]) -> Vec<String> {
        let all = self.ticket(from).and_then(|ticket| ticket.logs.get(&log)).into_iter().flatten();
        let sent = all.filter(|entry| keys.contains(&entry.key));
        sent.flat_map(|entry| marked('+', &format!("{} {}", entry.key.date, entry.author), &log_text(&entry.html)))
            .collect()
    }

    fn document(&self, kind: DocumentKind, of: &Planned<'_>) -> Vec<String> {
        let noted = of.plan.notes.iter().rev().find_map(|note| match note {
            Note::Document(document) if document.kind == kind => Some(document),
            _ => None,
        });
        let Some(Document { lines, holds, .. }) = noted.or(of.link.document(kind)) else {
            return Vec::new();
        };
        let held = |line| holds.as_ref().is_some_and(|held| held.contains(line));
        lines.iter().filter(|line| !held(line)).flat_map(told).collect()
    }
}

/// A line of a document, and the agent's text for that state.
fn told(line: &Line) -> Vec<String> {
    if line.is_last {
        return vec!["+ (it is no longer kept up to date)".to_owned()];
    }
    let seen = || line.seen_ms.map(|seen_ms| format!("seen {}", moment(seen_ms)));
    let when = line.date.clone().or_else(seen).unwrap_or_default();
    let texts = [(PENDING_REASON, &line.reason), ("solution", &line.solution)];
    let texts = texts.into_iter().filter_map(|(code, text)| Some(marked('+', code, text.as_deref()?)));
    [format!("+ {} {when}", line.state).trim_end().to_owned()].into_iter().chain(texts.flatten()).collect()
}

fn stimulus(stimulus: &Stimulus) -> Vec<String> {
    let mut lines = vec![format!("- {}", stimulus.from), format!("+ {}  by {}", stimulus.to, stimulus.code)];
    for attribute in &stimulus.attributes {
        lines.extend(marked('+', &attribute.code, &attribute.value));
    }
    lines
}

fn described(content: &FileContent) -> String {
    format!("{} ({})", content.name, content.mimetype)
}

/// A value with its sign and name, cut if it is long. Image addresses contain a secret, which the reader of the
/// output must not get.
fn marked(sign: char, name: &str, value: &str) -> Vec<String> {
    let value = without_image_addresses(value);
    let mut lines: Vec<String> = Vec::new();
    for line in value.lines().take(MOST_LINES) {
        let cut: String = line.chars().take(MOST_CHARACTERS).collect();
        let more = if cut.len() < line.len() { " …" } else { "" };
        let head = if lines.is_empty() { format!("{name}: ") } else { " ".repeat(4) };
        lines.push(format!("{sign} {head}{cut}{more}"));
    }
    let left = value.lines().count().saturating_sub(MOST_LINES);
    if left > 0 {
        lines.push(format!("{sign}     … and {}", counted(left, "more line", "more lines")));
    }
    if lines.is_empty() {
        lines.push(format!("{sign} {name}:"));
    }
    lines
}
