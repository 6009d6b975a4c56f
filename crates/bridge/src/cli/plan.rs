//! `plan`: what a pass would write, as a diff, and why.

use std::io::Write;
use std::path::Path;

use anyhow::bail;
use clap::Args;
use itop_bridge_core::caselog::EntryKey;
use itop_bridge_core::document::{Document, DocumentKind};
use itop_bridge_core::plan::{self, FieldWrite, Note, Step, Stimulus, Value};
use itop_bridge_core::{FileContent, LogName, Side, Sight, Ticket};

use super::standstill::Standstill;
use super::ticket::Named;
use super::times::moment;
use super::{Outcome, block_on, store, ticket};
use crate::app;
use crate::config::Config;
use crate::count::counted;
use crate::engine::{Engine, Preview, log_text, without_image_addresses};
use crate::store::{StoreHandle, TicketOf};

/// A value is cut after so many lines …
const MOST_LINES: usize = 8;

/// … and a line after so many characters.
const MOST_CHARACTERS: usize = 200;

/// Show what a pass would write to a ticket's pair, and why. Writes nothing.
///
/// Reads both iTops as they are now. A line that begins with `-` is what stands, with `+` what would
/// stand there after the pass. Ends with 1 where the pair is halted.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  itop-bridge plan acme:R-000123")]
pub struct Plan {
    /// A ticket: `acme:R-000123`, `elitery:R-000077`, or a link's number.
    #[arg(value_name = "TICKET", value_parser = ticket::ticket)]
    pub ticket: String,
}

pub(super) fn run(plan: &Plan, config: &Path, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let config = Config::load(config)?;
    let store = StoreHandle::inline(store::to_read(&config)?);
    let app = app::to_look(&config, store::to_read(&config)?, &app::http_transport)?;
    block_on(show(plan, &app.engine, &store, &config, out))?
}

/// What the verb does, with an engine that looks at the same store.
pub async fn show(
    plan: &Plan,
    engine: &Engine,
    store: &StoreHandle,
    config: &Config,
    out: &mut dyn Write,
) -> anyhow::Result<Outcome> {
    let (of, class) = find(plan, engine, store, config).await?;
    let preview = engine.preview(&of, class).await?;
    let known = config.clone();
    let still = store.call(move |store| Standstill::all(store, &known)).await?;
    let down = if preview.number.is_none() { engine.why_no_answer_inside().await } else { None };
    Shown { asked: &plan.ticket, preview: &preview, down, still: &still, config, out }.all()
}

async fn find(
    plan: &Plan,
    engine: &Engine,
    store: &StoreHandle,
    config: &Config,
) -> anyhow::Result<(TicketOf, Option<String>)> {
    let (name, known) = (plan.ticket.clone(), config.clone());
    let named = store.call(move |store| Ok(ticket::find_any(store, &known, &name))).await??;
    match named {
        Named::Pair(stored) => Ok((ticket::of(&stored), None)),
        Named::Unlinked { external, reference } => match reference.parse() {
            Ok(ticket) => Ok((TicketOf { external, ticket }, None)),
            Err(_) => match engine.external_ticket(&external, &reference).await? {
                Some((of, class)) => Ok((of, Some(class))),
                None => bail!("{external} has no ticket {reference}"),
            },
        },
    }
}

struct Shown<'a> {
    /// How the ticket was named.
    asked: &'a str,
    preview: &'a Preview,
    /// Why the internal does not answer, of whom a ticket without a pair asks nothing yet.
    down: Option<String>,
    still: &'a [Standstill],
    config: &'a Config,
    out: &'a mut dyn Write,
}

impl Shown<'_> {
    fn all(mut self) -> anyhow::Result<Outcome> {
        let preview = self.preview;
        let link = &preview.link;
        let internal = &self.config.internal.name;
        let outside = match &*link.external.reference {
            "" => self.asked.to_owned(),
            reference => format!("{}:{reference}", preview.of.external),
        };
        let number = preview.number.map_or(String::new(), |number| format!(" (link {number})"));
        match &link.internal {
            Some(key) => writeln!(self.out, "{outside} and {internal}:{}{number}", key.reference)?,
            None => writeln!(self.out, "{outside}, which has no ticket in {internal} yet{number}")?,
        }
        for still in self.still.iter().filter(|still| [&preview.of.external, internal].contains(&&still.side)) {
            writeln!(self.out, "\n{still}.")?;
        }
        if let Some(why) = &self.down {
            writeln!(self.out, "\n{internal} does not answer: {why}. A pass waits until it does.")?;
        }
        if let Some(at_ms) = preview.settles_at_ms {
            writeln!(
                self.out,
                "\nSent without an answer, settles at {}: what it was about waits until then.",
                moment(at_ms)
            )?;
        }
        let plan = match &preview.planned {
            Ok(plan) => plan,
            Err(why) => {
                writeln!(self.out, "\nA pass writes nothing: {why}.")?;
                return Ok(Outcome::Fine);
            }
        };
        if let Some(halt) = &plan.halt {
            writeln!(self.out, "\nHalted: {}. Nothing is written until `itop-bridge resume`.", halt.text)?;
            return Ok(Outcome::FaultFound);
        }
        if let Some(end) = &plan.end {
            writeln!(self.out, "\nThe pair ends, as an operator resumed it: {}.", end.text)?;
            return Ok(Outcome::Fine);
        }
        self.steps(plan)?;
        for conflict in &plan.conflicts {
            writeln!(self.out, "\nconflict, left as it is: {conflict}")?;
        }
        if let Some(at_ms) = plan.look_again_at_ms {
            writeln!(self.out, "\nIt is looked at again at {}.", moment(at_ms))?;
        }
        Ok(Outcome::Fine)
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
        let new = lines.iter().filter(|line| !held(line));
        new.map(|line| format!("+ {} {}", line.state, line.date.as_deref().unwrap_or_default()).trim_end().to_owned())
            .collect()
    }
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
