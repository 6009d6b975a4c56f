//! `status`: the bridge's present state on one screen: each side, the waiting tickets and why they wait, and the
//! problems that need a person, with their fixes.

use std::io::{IsTerminal as _, Write};
use std::path::Path;

use clap::Args;
use itop_bridge_engine::clock::Clock;
use itop_bridge_engine::refused;
use itop_bridge_engine::wording::count::counted;
use itop_bridge_engine::wording::moment::moment;
use itop_bridge_engine::wording::span::span;
use itop_bridge_store::{Instance, Store};
use serde::Serialize;

use super::{Outcome, block_on, print_json, store};
use crate::config::Config;
use crate::running::Running;
use crate::sentences;
use crate::sides::{self, Compared, Contradiction};
use crate::standing::{SideStands, Sides};

mod tickets;

use tickets::{Of, OfTicket};

/// This many tickets are named on the screen; `--json` has all of them.
const NAMED: usize = 20;

/// Webhooks refused longer ago than this need no attention: the key was corrected, or their sender has stopped.
const LATELY_MS: i64 = 3_600_000;

/// How often `--watch` redraws.
const EVERY_MS: i64 = 3_000;

/// Show how the bridge is doing now: each side, the oldest ticket that waits, the tickets that are halted, parked, kept
/// back, refused or in conflict, when each is tried again, and the steps that a person has to take.
///
/// Reads only the store, where `serve` keeps what it knows of the sides. Calls no iTop.
#[derive(Debug, Default, Args)]
#[command(after_help = "\
Examples:
  itop-bridge status
  itop-bridge status --watch
  itop-bridge status --json | jq '.tickets[] | select(.needs_a_person)'

Exit codes:
  0  all is well, or goes on by itself
  1  something needs a person
  2  it cannot be told (the configuration, the store), or wrong usage; standard error says why")]
pub struct Status {
    /// Print an object {at_ms, well, serve, wrong, sides, queues, tickets}; docs/reference/command-line.md describes each.
    #[arg(long, conflicts_with = "watch")]
    pub json: bool,
    /// Draw it anew every three seconds, until Ctrl-C.
    #[arg(long)]
    pub watch: bool,
}

pub(super) fn run(status: &Status, config: &Path, clock: &dyn Clock, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let config = Config::load_to_look(config)?;
    loop {
        let mut shown = Vec::new();
        let outcome = in_store(status, &mut store::to_read(&config)?, &config, clock.now_ms(), &mut shown)?;
        let is_drawn = status.watch && std::io::stdout().is_terminal();
        if is_drawn {
            // From the top of an empty screen.
            write!(out, "\x1b[2J\x1b[H")?;
        }
        out.write_all(&shown)?;
        out.flush()?;
        if !status.watch {
            return Ok(outcome);
        }
        block_on(clock.sleep(EVERY_MS))?;
        if !is_drawn {
            writeln!(out)?;
        }
    }
}

/// Prints the status of a store.
pub fn in_store(
    status: &Status,
    store: &mut dyn Store,
    config: &Config,
    now_ms: i64,
    out: &mut dyn Write,
) -> anyhow::Result<Outcome> {
    let screen = Screen::read(store, config, now_ms)?;
    match status.json {
        true => print_json(&screen, out)?,
        false => screen.draw(out)?,
    }
    Ok(if screen.well { Outcome::Fine } else { Outcome::FaultFound })
}

/// The content of the screen. Its fields are those that `--json` prints.
#[derive(Debug, Serialize)]
struct Screen {
    at_ms: i64,
    /// Nothing needs a person.
    well: bool,
    serve: Serve,
    /// The problems of the bridge itself, one sentence each with its fix.
    wrong: Vec<String>,
    sides: Vec<Side>,
    queues: Vec<Queue>,
    tickets: Vec<OfTicket>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Serve {
    Running,
    /// It runs, and writes to no iTop.
    DryRun,
    Stopped,
    Unknown,
}

#[derive(Debug, Serialize)]
struct Side {
    name: String,
    internal: bool,
    state: SideState,
    /// The problems, one sentence each.
    wrong: Vec<String>,
    answered_ms: Option<i64>,
    swept_ms: Option<i64>,
    next_sweep_ms: Option<i64>,
    needs_a_person: bool,
    step: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum SideState {
    Up,
    Down,
    Paused,
    Halted,
    /// It asks for fewer calls.
    Throttled,
    /// Part of it waits: a right is missing, or several tickets are refused alike.
    Suspended,
    /// No `serve` reports it.
    Unknown,
}

#[derive(Debug, Serialize)]
struct Queue {
    external: String,
    /// Waiting tickets, without the parked ones.
    waiting: u64,
    oldest_since_ms: Option<i64>,
    /// The oldest of them, …
    oldest: Option<String>,
    /// … and the reason why it waits.
    why: Option<String>,
    in_step: u64,
    parked: u64,
    halted: u64,
}

impl Screen {
    fn read(store: &mut dyn Store, config: &Config, now_ms: i64) -> anyhow::Result<Screen> {
        let sides = Sides::read(store, config)?;
        let (mut queues, mut tickets) = (Vec::new(), Vec::new());
        for external in config.externals.iter().map(|external| external.name()) {
            let of = Of { external, sides: &sides, config, now_ms };
            let troubled = of.tickets(store)?;
            queues.push(of.queue(store, &troubled)?);
            tickets.extend(troubled);
        }
        tickets.sort_by_key(|ticket| (!ticket.needs_a_person, ticket.word));
        let serve = match sides.is_served {
            _ if sides.is_dry_run => Serve::DryRun,
            Some(true) => Serve::Running,
            Some(false) => Serve::Stopped,
            None => Serve::Unknown,
        };
        let wrong = of_the_bridge(store, config, now_ms)?;
        let shown: Vec<Side> = sides.all.iter().map(|side| Side::of(side, &sides, now_ms)).collect();
        // Without a customer there is nothing to serve.
        let is_missed = serve == Serve::Stopped && !config.externals.is_empty();
        let is_well = !is_missed
            && wrong.is_empty()
            && shown.iter().all(|side| !side.needs_a_person)
            && tickets.iter().all(|ticket| !ticket.needs_a_person);
        Ok(Screen { at_ms: now_ms, well: is_well, serve, wrong, sides: shown, queues, tickets })
    }

    fn draw(&self, out: &mut dyn Write) -> std::io::Result<()> {
        writeln!(out, "{}", moment(self.at_ms))?;
        match self.serve {
            Serve::Running => writeln!(out, "serve: runs")?,
            Serve::DryRun => writeln!(
                out,
                "serve: runs as a dry run, and writes nothing; the tickets that wait are those that it would write to"
            )?,
            Serve::Stopped if self.queues.is_empty() => writeln!(out, "serve: does not run; nobody needs it now")?,
            Serve::Stopped => writeln!(out, "serve: {}. Start it: `itop-bridge serve`", sentences::NOT_SERVED)?,
            Serve::Unknown => {}
        }
        for wrong in &self.wrong {
            writeln!(out, "  {wrong}")?;
        }
        for side in &self.sides {
            side.draw(out)?;
        }
        for queue in &self.queues {
            queue.draw(self.at_ms, self.serve, out)?;
        }
        let of_people = self.tickets.iter().filter(|ticket| ticket.needs_a_person).count();
        let (of_people, others) = self.tickets.split_at(of_people);
        say_tickets("needs a person", of_people, out)?;
        say_tickets("goes on by itself", others, out)?;
        let silent = self.sides.iter().filter(|side| side.state == SideState::Unknown && self.serve != Serve::Stopped);
        let silent: Vec<&str> = silent.map(|side| side.name.as_str()).collect();
        match self.well {
            true if self.sides.iter().all(|side| side.internal) => {
                writeln!(out, "\nThere is no customer. `itop-bridge init` adds one.")
            }
            true if !silent.is_empty() => {
                let who = silent.join(" and ");
                writeln!(out, "\nNothing is known to be wrong; no answer of {who} yet since `serve` began.")
            }
            true => writeln!(out, "\nAll is well."),
            false => {
                let sides = self.sides.iter().filter(|side| side.needs_a_person).count();
                let count = of_people.len()
                    + sides
                    + self.wrong.len()
                    + usize::from(self.serve == Serve::Stopped && !self.queues.is_empty());
                writeln!(out, "\n{} a person.", counted(count, "thing needs", "things need"))
            }
        }
    }
}

/// A configuration that the store contradicts or that `serve` did not load, and webhooks refused lately.
fn of_the_bridge(store: &mut dyn Store, config: &Config, now_ms: i64) -> anyhow::Result<Vec<String>> {
    let running = Running::of(store, config)?;
    let older = running.fix().filter(|_| running.is_older()).map(|fix| format!("{running}; {fix}"));
    let refused = refused::kept(store)?;
    let heard = store.hooks()?;
    let sides: Vec<&str> = config.sides().map(|side| side.name.as_str()).collect();
    // Once every side has sent a webhook with the right key since, no side has a wrong one.
    let is_mended = |at_ms: i64| sides.iter().all(|side| heard.iter().any(|of| of.side == *side && of.last_ms > at_ms));
    let is_missed = |at_ms: i64| now_ms - at_ms <= LATELY_MS && !config.externals.is_empty() && !is_mended(at_ms);
    let lately = || refused.values().filter(|refused| is_missed(refused.last_ms));
    let last_ms = lately().map(|refused| refused.last_ms).max();
    let refused = last_ms.map(|last_ms| {
        let count: u64 = lately().map(|refused| refused.count).sum();
        let those = counted(count as usize, "webhook was", "webhooks were");
        let ago = span(now_ms - last_ms);
        format!("{those} refused for the key, the last one {ago} ago; `itop-bridge check` shows the sender and the fix")
    });
    let Compared { contradictions, .. } = sides::compare(store, config)?;
    // The absence of customers is reported separately.
    let contradictions = contradictions
        .iter()
        .filter(|found| **found != Contradiction::None)
        .map(|found| format!("{found}; {}", found.fix()));
    Ok(contradictions.chain(older).chain(refused).collect())
}

fn say_tickets(heading: &str, tickets: &[OfTicket], out: &mut dyn Write) -> std::io::Result<()> {
    if tickets.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{heading}:")?;
    for ticket in tickets.iter().take(NAMED) {
        let with = ticket.internal.as_ref().map_or(String::new(), |internal| format!(" with {internal}"));
        writeln!(out, "  {}{with}", ticket.external)?;
        for line in &ticket.lines {
            writeln!(out, "    {line}")?;
        }
    }
    if tickets.len() > NAMED {
        writeln!(out, "  … and {} more: `itop-bridge links list`", tickets.len() - NAMED)?;
    }
    Ok(())
}

impl Side {
    fn of(side: &SideStands, sides: &Sides, now_ms: i64) -> Side {
        let is_told = side.told.as_ref().filter(|_| !sides.is_not_served());
        let state = match (&side.stop, is_told) {
            (Some(itop_bridge_store::Stop::Paused), _) => SideState::Paused,
            (Some(_), _) => SideState::Halted,
            (None, None) => SideState::Unknown,
            (None, Some(told)) if told.down.is_some() => SideState::Down,
            (None, Some(_)) if side.slowed(now_ms).is_some() => SideState::Throttled,
            (None, Some(told)) if !told.suspended.is_empty() => SideState::Suspended,
            (None, Some(told)) if told.answered_ms.is_some() => SideState::Up,
            (None, Some(_)) => SideState::Unknown,
        };
        let is_up = matches!(state, SideState::Up | SideState::Throttled | SideState::Unknown);
        let step = match (&side.stop, state) {
            (Some(stop), _) => Some(sentences::go_on(&side.name, stop)),
            (None, SideState::Down) => Some(
                "repair that iTop, the network path to it or its log-in; `itop-bridge check` shows its answer"
                    .to_owned(),
            ),
            (None, SideState::Suspended) => Some(
                "correct the cause that the iTop names; `itop-bridge check` lists the rights that the account lacks"
                    .to_owned(),
            ),
            _ => None,
        };
        Side {
            name: side.name.clone(),
            internal: side.instance == Instance::Internal,
            state,
            wrong: sentences::of_side(side, sides, now_ms),
            answered_ms: is_told.and_then(|told| told.answered_ms),
            swept_ms: side.told.as_ref().and_then(|told| told.swept_ms),
            next_sweep_ms: side.next_sweep_ms(now_ms).filter(|_| !sides.is_not_served()),
            needs_a_person: !is_up,
            step,
        }
    }

    fn draw(&self, out: &mut dyn Write) -> std::io::Result<()> {
        let role = if self.internal { "internal" } else { "external" };
        let state = match self.state {
            SideState::Up => "up",
            SideState::Down => "down",
            SideState::Paused => "paused",
            SideState::Halted => "halted",
            SideState::Throttled => "slowed down",
            SideState::Suspended => "up, and some of it waits",
            SideState::Unknown => "not known to answer",
        };
        let swept =
            self.swept_ms.map_or("not swept yet".to_owned(), |at_ms| format!("last swept at {}", moment(at_ms)));
        let next = self.next_sweep_ms.map_or(String::new(), |at_ms| format!(", next at {}", moment(at_ms)));
        // A side may have ended since its last answer.
        let as_of = self.answered_ms.filter(|_| self.state == SideState::Up);
        let as_of = as_of.map_or(String::new(), |at_ms| format!(" at {}", moment(at_ms)));
        writeln!(out, "{} ({role}): {state}{as_of}; {swept}{next}", self.name)?;
        for wrong in &self.wrong {
            writeln!(out, "  {wrong}")?;
        }
        match &self.step {
            Some(step) => writeln!(out, "  to do: {step}"),
            None => Ok(()),
        }
    }
}

impl Queue {
    fn draw(&self, now_ms: i64, serve: Serve, out: &mut dyn Write) -> std::io::Result<()> {
        let Queue { external, waiting, in_step, .. } = self;
        let pairs = counted(*in_step as usize, "pair", "pairs");
        let Some(since_ms) = self.oldest_since_ms.filter(|_| *waiting > 0) else {
            return writeln!(out, "tickets of {external}: {pairs} in step; none waits");
        };
        let waits = match serve {
            Serve::DryRun => format!("{waiting} for a `serve` that writes"),
            _ => counted(*waiting as usize, "waits", "wait"),
        };
        let oldest = self.oldest.as_deref().unwrap_or("one");
        let age = span(now_ms - since_ms);
        writeln!(out, "tickets of {external}: {pairs} in step; {waits}, the oldest for {age}: {oldest}")?;
        match &self.why {
            Some(why) => writeln!(out, "  {why}"),
            None => Ok(()),
        }
    }
}
