//! A dry run claims, reads and plans tickets as usual, logs what a pass would write, and writes nothing to an iTop.
//!
//! A ticket with pending writes stays in the queue with all that its hints named, so that a later `serve` on the same
//! store carries them out. Until then a dry run looks at it again once a day, and at each hint.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use itop_bridge_core::plan::{Plan, Write};
use itop_bridge_core::{Policy, Side};
use itop_bridge_store::{Claim, Look, Next, TicketOf};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::foresee::plan::{Contents, Preview, foresee};
use crate::foresee::why_not::{NoPlan, why_not};
use crate::pass::unseen::note_if_unseen;
use crate::queue::{finish, retry};
use crate::scope::connection::why_not_carried;
use crate::side::failure::Failure;
use crate::side::snapshot::Snapshot;
use crate::wording::count::counted;
use crate::{Engine, Lane, Shared, wording};

/// A plan is made again after this time.
const AGAIN_MS: i64 = 24 * 3_600_000;

/// The findings of this process so far.
#[derive(Default)]
pub(crate) struct DryRun {
    found: Mutex<Found>,
}

#[derive(Default)]
struct Found {
    /// The latest finding per ticket.
    all: BTreeMap<TicketOf, Would>,
    /// The tickets looked at since the last daily summary.
    of_day: BTreeSet<TicketOf>,
}

/// What a pass would do with one ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Would {
    LeaveAlone(&'static str),
    /// The writes, as text for people and as kinds for the counts.
    Write {
        line: String,
        writes: Vec<Kind>,
        conflicts: usize,
    },
    Halt(String),
    Wait(String),
    Nothing,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Create(String),
    Update,
    Move,
    File,
    Entries(usize),
    Document,
}

impl Kind {
    fn of(write: &Write) -> Kind {
        match write {
            Write::CreateTicket { class, .. } => Kind::Create(class.clone()),
            Write::UpdateFields { .. } | Write::WriteText { .. } => Kind::Update,
            Write::WalkStatus { .. } => Kind::Move,
            Write::CopyFile { .. } | Write::RewriteFile { .. } | Write::DeleteCopy { .. } | Write::Enclose { .. } => {
                Kind::File
            }
            Write::SendLog { entries, .. } => Kind::Entries(entries.len()),
            Write::SendBatch { .. } | Write::SendAside { .. } => Kind::Entries(1),
            Write::WriteDocument { .. } => Kind::Document,
        }
    }
}

/// The pending writes of one external's tickets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    pub external: String,
    /// Tickets looked at.
    pub tickets: usize,
    /// Internal tickets to be created, by class.
    pub made: BTreeMap<String, usize>,
    /// The numbers of pending writes, by kind.
    pub updated: usize,
    pub moved: usize,
    pub files: usize,
    pub entries: usize,
    pub documents: usize,
    pub conflicts: usize,
    pub halted: usize,
    pub waiting: usize,
    /// By reason.
    pub left_alone: BTreeMap<&'static str, usize>,
    /// Tickets without anything to write.
    pub in_step: usize,
}

impl Summary {
    fn add(&mut self, would: &Would) {
        self.tickets += 1;
        match would {
            Would::LeaveAlone(why) => *self.left_alone.entry(why).or_default() += 1,
            Would::Halt(_) => self.halted += 1,
            Would::Wait(_) => self.waiting += 1,
            Would::Nothing => self.in_step += 1,
            Would::Write { writes, conflicts, .. } => {
                self.conflicts += conflicts;
                for kind in writes {
                    match kind {
                        Kind::Create(class) => *self.made.entry(class.clone()).or_default() += 1,
                        Kind::Update => self.updated += 1,
                        Kind::Move => self.moved += 1,
                        Kind::File => self.files += 1,
                        Kind::Entries(number) => self.entries += number,
                        Kind::Document => self.documents += 1,
                    }
                }
            }
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if !self.made.is_empty() {
            let classes: Vec<String> = self.made.iter().map(|(class, number)| format!("{number} {class}")).collect();
            parts.push(format!("would make {} in the internal iTop", classes.join(", ")));
        }
        let mut would = |number: usize, what: &str, one: &str, many: &str| {
            if number > 0 {
                parts.push(format!("would {what} {}", counted(number, one, many)));
            }
        };
        would(self.updated, "update the fields of", "ticket", "tickets");
        would(self.moved, "move the status of", "ticket", "tickets");
        would(self.files, "copy, rewrite or delete", "file", "files");
        would(self.entries, "attach", "log entry", "log entries");
        would(self.documents, "write", "report or notice", "reports or notices");
        if self.conflicts > 0 {
            parts.push(counted(self.conflicts, "conflict, named in the log", "conflicts, named in the log"));
        }
        let mut say = |number: usize, what: &str| {
            if number > 0 {
                parts.push(format!("{number} {what}"));
            }
        };
        say(self.halted, "would halt");
        say(self.waiting, "wait for something");
        say(self.in_step, "with nothing to write");
        for (why, number) in &self.left_alone {
            parts.push(format!("{number} left alone: {why}"));
        }
        match parts.is_empty() {
            true => write!(out, "no ticket was looked at"),
            false => write!(out, "{}: {}", counted(self.tickets, "ticket", "tickets"), parts.join("; ")),
        }
    }
}

impl DryRun {
    fn found(&self) -> MutexGuard<'_, Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records a finding; returns whether it is news.
    fn note(&self, of: &TicketOf, would: &Would) -> bool {
        let mut found = self.found();
        found.of_day.insert(of.clone());
        found.all.insert(of.clone(), would.clone()).as_ref() != Some(would)
    }

    /// Summaries per external: of all tickets, or only of those since the last daily summary.
    fn summaries<'a>(&self, externals: impl Iterator<Item = &'a str>, of_day: bool) -> Vec<Summary> {
        let found = self.found();
        let of = |external: &'a str| {
            let mut summary = Summary { external: external.to_owned(), ..Summary::default() };
            let of_it = found.all.iter().filter(|(of, _)| of.external == external);
            let looked_at = of_it.filter(|(of, _)| !of_day || found.of_day.contains(*of));
            looked_at.for_each(|(_, would)| summary.add(would));
            summary
        };
        externals.map(of).collect()
    }
}

impl Engine {
    /// One summary per external of what a dry run would have written by now; empty if this is no dry run.
    pub fn dry_run_summaries(&self) -> Vec<Summary> {
        let Some(dry_run) = &self.shared.dry_run else { return Vec::new() };
        dry_run.summaries(externals(&self.shared), false)
    }
}

/// Logs a summary at the end of each day; days are those of UTC.
pub(crate) async fn run(shared: std::sync::Arc<Shared>) {
    let Some(dry_run) = &shared.dry_run else { return };
    loop {
        let today = day_of(shared.now_ms());
        shared.clock.sleep(ms_to_the_end_of(today, shared.now_ms())).await;
        if day_of(shared.now_ms()) == today {
            continue;
        }
        for summary in dry_run.summaries(externals(&shared), true) {
            tracing::info!(external = %summary.external, day = %today, would = %summary, "dry run: the day is over");
        }
        dry_run.found().of_day.clear();
    }
}

fn day_of(now_ms: i64) -> Date {
    let moment = Timestamp::from_millisecond(now_ms).unwrap_or(Timestamp::UNIX_EPOCH);
    TimeZone::UTC.to_datetime(moment).date()
}

/// At least one millisecond.
fn ms_to_the_end_of(day: Date, now_ms: i64) -> i64 {
    let tomorrow = day.tomorrow().ok().and_then(|day| TimeZone::UTC.to_timestamp(day.at(0, 0, 0, 0)).ok());
    tomorrow.map_or(AGAIN_MS, |at| at.as_millisecond() - now_ms).max(1)
}

fn externals(shared: &Shared) -> impl Iterator<Item = &str> {
    shared.lanes.iter().map(|lane| lane.name.as_str())
}

/// What a dry run does in place of a pass: looks, logs, and puts the ticket back into the queue.
pub(crate) async fn look_only(
    shared: &Shared,
    lane: &Lane,
    dry_run: &DryRun,
    policy: &Policy,
    claim: &Claim,
    snapshot: Result<Snapshot, Failure>,
) {
    let looked = match snapshot {
        Ok(snapshot) => what_it_would(shared, lane, policy, claim, snapshot).await,
        Err(failure) => Err(failure),
    };
    let (name, would, look_ms) = match looked {
        Ok(looked) => looked,
        Err(failure) => return retry::fail(shared, lane, claim, failure).await,
    };
    if dry_run.note(&claim.lease.of, &would) {
        would.log(&name);
    }
    let next = match (&would, look_ms) {
        (Would::LeaveAlone(_), _) | (Would::Nothing, None) => Next::Done,
        (_, due_ms) => {
            let again_ms = shared.now_ms() + AGAIN_MS;
            let due_ms = due_ms.map_or(again_ms, |due_ms| due_ms.min(again_ms));
            Next::Look { due_ms, look: Look { unwritten: true, ..claim.look.clone() } }
        }
    };
    finish::finish(shared, claim, next).await;
}

/// Also returns the ticket's name, and when the plan wants another look.
async fn what_it_would(
    shared: &Shared,
    lane: &Lane,
    policy: &Policy,
    claim: &Claim,
    snapshot: Snapshot,
) -> Result<(String, Would, Option<i64>), Failure> {
    let reference = snapshot.ticket(Side::External).map(|ticket| ticket.reference.clone());
    let name = reference.unwrap_or_else(|| claim.lease.of.ticket.to_string());
    let name = format!("{}:{name}", lane.name);
    if lane.external.halts.is_halted() || shared.internal.halts.is_halted() {
        let why = "the side has halted over what was just read".to_owned();
        return Ok((name, Would::Wait(why), Some(shared.now_ms())));
    }
    if claim.link.is_none()
        && let Some(why) = why_not_carried(shared, lane, &snapshot, &claim.look).await?
    {
        note_if_unseen(shared, claim, &snapshot).await?;
        return Ok((name, Would::LeaveAlone(why.text()), None));
    }
    let why_not = match &claim.link {
        Some(_) => why_not(shared, lane, claim, &snapshot).await?,
        None => None,
    };
    let contents = Contents::Named(claim.look.clone());
    let preview = foresee(shared, lane, policy, claim, snapshot, (why_not, contents)).await?;
    let look_ms = preview.planned.as_ref().ok().and_then(|plan| plan.look_again_at_ms);
    Ok((name, would(shared, lane, &preview), look_ms))
}

fn would(shared: &Shared, lane: &Lane, preview: &Preview) -> Would {
    let plan = match &preview.planned {
        Ok(plan) => plan,
        Err(NoPlan::OldMayLand { .. }) => {
            return Would::Wait("what was sent for the internal ticket that is gone may still land".to_owned());
        }
        Err(NoPlan::IsLookedFor) => {
            return Would::Wait("a create without an answer may have made its counterpart".to_owned());
        }
        Err(NoPlan::Lost(why)) => return Would::Wait(why.to_string()),
        Err(NoPlan::NotCarried(_)) => return Would::Nothing,
    };
    if let Some(halt) = plan.halt.as_ref().or(preview.link.course.halt.as_ref()) {
        return Would::Halt(halt.text.clone());
    }
    let plans: Vec<&Plan> = std::iter::once(plan).chain(preview.once_made.iter().map(|(_, plan)| plan)).collect();
    let writes: Vec<&Write> = plans.iter().flat_map(|plan| &plan.writes).map(|step| &step.write).collect();
    let conflicts = plans.iter().map(|plan| plan.conflicts.len()).sum();
    if writes.is_empty() && conflicts == 0 {
        return Would::Nothing;
    }
    let on = |side: Side| {
        let there = writes.iter().filter(|write| write.on() == side);
        let told: Vec<String> = counted_alike(there.map(|write| wording::write(write)));
        (!told.is_empty()).then(|| format!("{}: {}", shared.itop(lane, side).name, told.join(", ")))
    };
    let told = [on(Side::Internal), on(Side::External)].into_iter().flatten();
    let conflict = |plan: &&Plan| plan.conflicts.iter().map(|one| format!("conflict: {one}")).collect::<Vec<_>>();
    let line: Vec<String> = told.chain(plans.iter().flat_map(conflict)).collect();
    let writes = writes.into_iter().map(Kind::of).collect();
    Would::Write { line: line.join("; "), writes, conflicts }
}

impl Would {
    fn log(&self, ticket: &str) {
        match self {
            Would::LeaveAlone(why) => tracing::info!(ticket, would = %format!("nothing: {why}"), "dry run"),
            Would::Nothing => tracing::info!(ticket, would = "nothing: there is nothing new to carry", "dry run"),
            Would::Wait(why) => tracing::info!(ticket, would = %format!("wait: {why}"), "dry run"),
            Would::Halt(why) => tracing::warn!(ticket, would = %format!("halt: {why}"), "dry run"),
            Would::Write { line, .. } => tracing::info!(ticket, would = line, "dry run"),
        }
    }
}

/// Joins equal texts: `copy a file (3 times)` instead of three.
fn counted_alike(told: impl Iterator<Item = String>) -> Vec<String> {
    let mut counts: Vec<(String, usize)> = Vec::new();
    for one in told {
        match counts.iter_mut().find(|(known, _)| *known == one) {
            Some((_, count)) => *count += 1,
            None => counts.push((one, 1)),
        }
    }
    counts.into_iter().map(|(one, count)| if count == 1 { one } else { format!("{one} ({count} times)") }).collect()
}
