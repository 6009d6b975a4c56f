//! `plan`: what a pass would write, as a diff, and why.

use std::io::Write;
use std::path::Path;

use anyhow::bail;
use clap::Args;
use itop_bridge_core::caselog::EntryKey;
use itop_bridge_core::document::{Document, DocumentKind, Line, PENDING_REASON};
use itop_bridge_core::plan::{self, FieldWrite, Note, Step, Stimulus, Value};
use itop_bridge_core::{FileContent, LogName, Side, Sight, Ticket};

use super::ticket::Named;
use super::{Outcome, block_on, store, ticket};
use crate::app;
use crate::config::Config;
use crate::count::counted;
use crate::engine::{Engine, NoPlan, Preview, log_text, without_image_addresses};
use crate::moment::moment;
use crate::running::Running;
use crate::sentences::{self, Names};
use crate::standing::{self, Is, Sides, Standing, Waits};
use crate::store::{LinkState, Store, StoreHandle, Stored, TicketOf};

/// A value is cut after so many lines …
const MOST_LINES: usize = 8;

/// … and a line after so many characters.
const MOST_CHARACTERS: usize = 200;

/// Show what a pass would write to a ticket's pair, and why. Writes nothing.
///
/// Reads both iTops as they are now. A line that begins with `-` is what stands, with `+` what would
/// stand there after the pass. Says too what waits, failed or is kept back of it, and when it is tried again. Ends with
/// 1 where the pair is halted.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  itop-bridge plan acme:R-000123")]
pub struct Plan {
    /// A ticket: `acme:R-000123`, `elitery:R-000077`, `R-000123` where one is called so, or a link's number.
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

/// What the verb does, with an engine that looks at the same store.
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
    let down = if preview.number.is_none() { engine.why_no_answer_inside().await } else { None };
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

/// With the conflicts of this moment, which the next pass notes.
fn as_the_pass_finds_it(mut stored: Stored, preview: &Preview) -> Stored {
    if let Ok(plan) = &preview.planned {
        stored.link.conflicts_are(plan.conflicts.clone());
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
    let inside = names.inside.as_ref().map_or(String::new(), |inside| format!(" and {inside}"));
    writeln!(out, "{}{inside} (link {})", names.outside, stored.id)?;
    for is in &Standing::of(of).is {
        writeln!(out, "\n{}.", sentences::capital(&names.line(is)))?;
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
    /// Why the internal does not answer, of whom a ticket without a pair asks nothing yet.
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

impl Shown<'_> {
    fn all(mut self) -> anyhow::Result<Outcome> {
        let preview = self.preview;
        let internal = &self.config.internal.name;
        let (external, outside) = (&preview.of.external, &self.names.outside);
        let number = preview.number.map_or(String::new(), |number| format!(" (link {number})"));
        match &preview.link.internal {
            Some(key) => writeln!(self.out, "{outside} and {internal}:{}{number}", key.reference)?,
            None if preview.is_lost() => {
                writeln!(self.out, "{outside}: the store does not know whether it has a ticket in {internal}")?;
            }
            None => writeln!(self.out, "{outside}, which has no ticket in {internal} yet{number}")?,
        }
        let sides = sentences::of_sides(self.sides, Some(external), self.now_ms);
        for line in &sides {
            writeln!(self.out, "\n{line}.")?;
        }
        if let (Running::Older { .. }, Some(mend)) = (self.running, self.running.mend()) {
            writeln!(self.out, "\n{}; {mend}.", self.running)?;
        }
        if let Some(why) = &self.down {
            writeln!(self.out, "\n{internal} does not answer: {why}. A pass waits until it does.")?;
        }
        self.stands()?;
        let plan = match &preview.planned {
            Ok(plan) => plan,
            Err(why) => {
                match why {
                    NoPlan::Lost(why) if sides.iter().any(|line| line.contains(why)) => {
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
            if preview.link.halt.is_none() {
                let step = self.names.step(&Is::Halted(halt.clone())).unwrap_or_default();
                let halts = sentences::ended(&format!("A pass halts the pair: {}", halt.text));
                writeln!(self.out, "\n{halts}{}.", sentences::capital(&step))?;
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

    /// All that is so of the ticket, with what to do. What is wrong with a side was said.
    fn stands(&mut self) -> anyhow::Result<()> {
        for is in &self.standing.is {
            match is {
                Is::Waits(Waits::Stopped { .. } | Waits::NotServed | Waits::Down { .. } | Waits::Slowed { .. })
                | Is::NoCounterpart
                | Is::Due { .. } => {}
                is => {
                    let line = sentences::capital(&self.names.line(is));
                    writeln!(self.out, "\n{}", sentences::ended(&line).trim_end())?;
                }
            }
        }
        Ok(())
    }

    fn why_not(&self, why: &NoPlan) -> String {
        match why {
            NoPlan::Lost(why) => why.clone(),
            NoPlan::NotCarried(why) => self.names.not_carried(why, self.config, self.preview.made.as_deref()),
            NoPlan::OldMayLand { until_ms } => self.names.told(&Is::AnewAfter { from_ms: *until_ms }),
            NoPlan::IsLookedFor => {
                "a create without an answer may have made its counterpart, which is looked for first".to_owned()
            }
        }
    }

    /// When `serve` looks at it next. Without a row it does by the sweep, where there is something to find.
    fn when_next(&mut self, plan: Option<&plan::Plan>) -> anyhow::Result<()> {
        if let Some(at_ms) = self.standing.next_ms {
            writeln!(self.out, "\nIt is looked at next at {}.", moment(at_ms))?;
        } else if let (false, Some(plan)) = (self.is_queued, plan)
            && !plan.writes_nothing()
            && let Some(line) = sentences::next_sweep(self.sides, &self.preview.of.external, self.now_ms)
        {
            writeln!(self.out, "\n{}.", sentences::capital(&line))?;
        }
        Ok(())
    }

    fn steps(&mut self, plan: &plan::Plan) -> anyhow::Result<()> {
        if plan.writes.is_empty() {
            writeln!(self.out, "\nA pass writes nothing.")?;
        }
        for step in &plan.writes {
            let (on, what, lines) = self.step(step, plan);
            let name = self.name(on).to_owned();
            writeln!(self.out, "\n{name}: {what}\n  because {}", step.reason)?;
            for line in lines {
                writeln!(self.out, "  {line}")?;
            }
        }
        if plan.writes.iter().any(|step| matches!(step.write, plan::Write::CreateTicket { .. })) {
            writeln!(self.out, "\nThen, once it stands, its status, files and log entries follow.")?;
        }
        Ok(())
    }

    fn name(&self, side: Side) -> &str {
        match side {
            Side::External => &self.preview.of.external,
            Side::Internal => &self.config.internal.name,
        }
    }

    /// The side that is written to, what is done there, and the diff.
    fn step(&self, step: &Step, plan: &plan::Plan) -> (Side, String, Vec<String>) {
        use plan::Write::*;
        match &step.write {
            CreateTicket { class, fields } => {
                (Side::Internal, format!("make {} {class}", article(class)), self.fields(fields))
            }
            UpdateFields { fields } => (Side::Internal, "update fields".to_owned(), self.fields(fields)),
            WalkStatus { on, walk, .. } => {
                (*on, "move the status".to_owned(), walk.iter().flat_map(stimulus).collect())
            }
            WriteText { on, code, value } => {
                (*on, "write a text that was refused before".to_owned(), marked('+', code, value))
            }
            CopyFile { from, original } => {
                let line = format!("+ {}", self.file(*from, *original));
                (from.other(), "copy a file".to_owned(), vec![line])
            }
            RewriteFile { from, original, .. } => {
                let before = self.copied(*from, *original).map_or("the copy".to_owned(), described);
                let lines = vec![format!("- {before}"), format!("+ {}", self.file(*from, *original))];
                (from.other(), "bring a copy up to date, in place".to_owned(), lines)
            }
            DeleteCopy { from, original, .. } => {
                let before = self.copied(*from, *original).map_or("the copy".to_owned(), described);
                (from.other(), "delete a copy".to_owned(), vec![format!("- {before}")])
            }
            SendLog { from, log, entries } => {
                let what = format!("attach {} of the {} log, as a file", entries_of(entries.len()), log.word());
                (from.other(), what, self.entries(*from, *log, entries))
            }
            SendBatch { from, log } => {
                let state = self.preview.link.log(*from, *log);
                let files = state.and_then(|state| state.batch.as_ref()).map(|batch| &batch.files);
                let lines = files.into_iter().flatten().map(|file| format!("+ {}", file.name)).collect();
                (from.other(), format!("attach what is not sent yet of the {} log", log.word()), lines)
            }
            Enclose { from, kind, key, copy } => {
                let what = match copy {
                    None => "attach what a field has no room for",
                    Some(_) => "bring up to date what a field has no room for",
                };
                let file = self.preview.link.enclosure(*from, *kind, key);
                let lines = file.iter().map(|file| format!("+ {}", file.name)).collect();
                (from.other(), what.to_owned(), lines)
            }
            SendAside { from, log, key } => {
                let batches = self.preview.link.log(*from, *log).into_iter().flat_map(|state| state.batches());
                let files = batches.filter(|batch| batch.key() == Some(key)).flat_map(|batch| &batch.files);
                let lines = files.map(|file| format!("+ {}", file.name)).collect();
                (from.other(), format!("attach what was kept back of the {} log", log.word()), lines)
            }
            WriteDocument { kind, copy } => {
                let what = match (kind, copy) {
                    (DocumentKind::Report, None) => "attach the report of the status",
                    (DocumentKind::Report, Some(_)) => "bring the report of the status up to date",
                    (DocumentKind::Notice, None) => "attach the notice",
                    (DocumentKind::Notice, Some(_)) => "bring the notice up to date",
                };
                (kind.on(), what.to_owned(), self.document(*kind, plan))
            }
        }
    }

    fn ticket(&self, side: Side) -> Option<&Ticket> {
        let sight = if side == Side::External { &self.preview.external } else { &self.preview.internal };
        match sight {
            Sight::Here(ticket) => Some(ticket),
            Sight::Gone | Sight::Unborn => None,
        }
    }

    fn fields(&self, fields: &[FieldWrite]) -> Vec<String> {
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
                Some(false) => lines.push(format!("! {code} was edited inside; that edit is overwritten, and recorded")),
                Some(true) => lines.push(format!(
                    "! {code} was edited inside, or an earlier update landed late; what stands is overwritten, and recorded"
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

    fn document(&self, kind: DocumentKind, plan: &plan::Plan) -> Vec<String> {
        let noted = plan.notes.iter().rev().find_map(|note| match note {
            Note::Document(document) if document.kind == kind => Some(document),
            _ => None,
        });
        let Some(Document { lines, holds, .. }) = noted.or(self.preview.link.document(kind)) else {
            return Vec::new();
        };
        let held = |line| holds.as_ref().is_some_and(|held| held.contains(line));
        lines.iter().filter(|line| !held(line)).flat_map(told).collect()
    }
}

/// A line of a document, and what an agent wrote of that state.
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

/// Incident and EmergencyChange begin with a vowel; so does UserRequest, but not to the ear.
fn article(class: &str) -> &'static str {
    if class.starts_with(['A', 'E', 'I', 'O']) { "an" } else { "a" }
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

fn entries_of(number: usize) -> String {
    counted(number, "entry", "entries")
}

/// A value with its sign and name, cut where it is long. Whoever sees it is not to have the secret of a
/// picture with it.
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
