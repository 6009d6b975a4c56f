//! `resume`: ends the halt of a ticket, or the halt or pause of a whole side.

use std::io::Write;
use std::path::Path;

use anyhow::bail;
use clap::Args;
use itop_bridge_core::Link;
use itop_bridge_core::event::Event;
use itop_bridge_core::plan::HaltKind;
use itop_bridge_engine::clock::Clock;
use itop_bridge_engine::wording::count::counted;
use itop_bridge_engine::wording::moment::moment;
use itop_bridge_engine::{AfterResume, wording};
use itop_bridge_store::{Activity, Instance, LINKS_REBUILD, LinkState, MAX_ROWS, Store, Stored, WENT_BACK};

use super::{Outcome, ask, say_dry_run, store, ticket};
use crate::config::Config;
use crate::sentences::{self, Names};
use crate::standing::{Is, Sides, Standing, Ticket};

/// End the halt of a ticket's pair, or the halt or pause of a side.
///
/// A pair halts when one of its tickets vanished, when an id has another reference or belongs to another ticket, or when
/// too many files went at once. A log of a pair halts alone when too many of its entries went at once. The command says
/// first what will follow, and asks before a pair ends or an entry that was kept back crosses; --yes does not ask.
///
/// If all is well again, the pair goes on: with the external ticket's new reference, and without the copies of the files
/// that are gone. If a ticket is still gone, or the internal one's id belongs to another ticket, the pair ends, and the
/// bridge writes to neither ticket any more. With --create it makes a new internal ticket instead, as soon as nothing that
/// was sent for the old one can still arrive.
///
/// A halted log is taken as delivered, except for entries dated after the halt. If nothing has halted, the command lets
/// log entries cross that are kept back because they may be copies from a parent. With --keep they stay where they are for
/// good.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  itop-bridge resume acme:R-000123\n  itop-bridge resume acme:R-000123 --create\n  itop-bridge resume acme:R-000123 --keep\n  itop-bridge resume elitery"
)]
pub struct Resume {
    /// A ticket (`acme:R-000123`, `elitery:R-000077`, `R-000123` if only one ticket has it, a link's number), or the name
    /// of a side.
    #[arg(value_name = "NAME or TICKET", value_parser = ticket::side_or_ticket)]
    pub what: String,
    /// Make a new internal counterpart in place of the one that is gone.
    #[arg(long)]
    pub create: bool,
    /// Keep the log entries that are kept back where they are, for good.
    #[arg(long, conflicts_with = "create")]
    pub keep: bool,
    /// Do not ask.
    #[arg(long)]
    pub yes: bool,
}

pub(super) fn run(resume: &Resume, config: &Path, clock: &dyn Clock, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let config = Config::load_to_look(config)?;
    let mut store = store::to_change(&config)?;
    let what = match ticket::side(&config, &resume.what) {
        Some(_) => resume.what.clone(),
        None => ticket::settled(&mut store, &config, &resume.what)?,
    };
    let resume = Resume { what, ..*resume };
    if !is_wanted(&resume, &mut store, &config)? {
        writeln!(out, "Nothing was changed.")?;
        return Ok(Outcome::Fine);
    }
    in_store(&resume, &mut store, &config, clock.now_ms(), out)
}

/// Asks a person before a pair ends, which only `links link` can undo, and before an entry crosses that may not be
/// meant for the other side.
fn is_wanted(resume: &Resume, store: &mut dyn Store, config: &Config) -> anyhow::Result<bool> {
    if resume.yes || resume.create || resume.keep || ticket::side(config, &resume.what).is_some() {
        return Ok(true);
    }
    let stored = ticket::find(store, config, &resume.what)?;
    if stored.state != LinkState::Live {
        return Ok(true);
    }
    let name = ticket::pair_name(config, &stored);
    let kept_back = stored.link.entries_kept_back();
    let question = match &stored.link.course.halt {
        Some(halt) if matches!(AfterResume::of(Some(halt.kind)), AfterResume::Ends { .. }) => {
            format!("{name} has halted: {}\nIf that is still so, the pair ends for good. Go on?", halt.text)
        }
        None if kept_back > 0 && stored.link.why_halted().is_none() => {
            let entries = counted(kept_back, "log entry", "log entries");
            format!("{entries} of {name} may be copies from a parent that has no pair. Shall they cross?")
        }
        _ => return Ok(true),
    };
    ask::is_agreed_or_refused(&question)
}

/// Carries out the command on a store.
pub fn in_store(
    resume: &Resume,
    store: &mut dyn Store,
    config: &Config,
    now_ms: i64,
    out: &mut dyn Write,
) -> anyhow::Result<Outcome> {
    match ticket::side(config, &resume.what) {
        Some(_) if resume.create || resume.keep => {
            let option = if resume.create { "--create" } else { "--keep" };
            bail!("{option} goes with a ticket, and {} is a side", resume.what)
        }
        Some(instance) => {
            let outcome = resume_side(store, &instance, &resume.what, now_ms, out)?;
            say_that_the_internal_is_stopped(store, &instance, config, out)?;
            Ok(outcome)
        }
        None => resume_pair(resume, store, config, now_ms, out),
    }
}

fn resume_pair(
    resume: &Resume,
    store: &mut dyn Store,
    config: &Config,
    now_ms: i64,
    out: &mut dyn Write,
) -> anyhow::Result<Outcome> {
    let stored = ticket::find(store, config, &resume.what)?;
    let name = format!("the pair {}", ticket::pair_name(config, &stored));
    let why = why_halted(&stored.link).filter(|_| stored.link.course.halt.is_some() || stored.state == LinkState::Live);
    let Some(why) = why else {
        let kept_back = if stored.state == LinkState::Live { stored.link.entries_kept_back() } else { 0 };
        if kept_back == 0 || resume.create {
            return nothing_is_halted(resume, &stored, &name, store, config, now_ms, out);
        }
        let were = counted(kept_back, "log entry was", "log entries were");
        if resume.keep {
            let did = Activity::of(now_ms, Event::EntriesKeptForGood { entries: kept_back });
            store.amend_link(stored.id, &|link, _| link.keep_back_for_good(), &did, now_ms)?;
            writeln!(out, "{name}: {were} kept back; they stay where they are, for good.")?;
            return Ok(Outcome::Fine);
        }
        let did = Activity::of(now_ms, Event::EntriesLetCross { entries: kept_back });
        store.amend_link(stored.id, &|link, _| link.resume(), &did, now_ms)?;
        writeln!(out, "{name}: {were} kept back; they cross now.")?;
        return Ok(Outcome::Fine);
    };
    if resume.create {
        can_be_made_anew(&stored.link)?;
    }
    if resume.keep {
        bail!("{name} has halted: --keep is for log entries that are kept back while nothing has halted");
    }
    let did = Activity::of(now_ms, Event::ResumedByOperator { anew: resume.create, why: why.clone() });
    let create = resume.create;
    let after = AfterResume::of(stored.link.course.halt.as_ref().map(|halt| halt.kind));
    writeln!(
        out,
        "{name} had stopped because {}{}",
        wording::ended(&why),
        what_follows(after, create, &config.internal.name)
    )?;
    out.flush()?;
    store.amend_link(stored.id, &move |link, state| amend(link, state, create), &did, now_ms)?;
    writeln!(out, "It is resumed: the next pass does that.")?;
    if stored.link.entries_kept_back() > 0 && !create {
        writeln!(
            out,
            "Log entries that are kept back stay so (`links show`); the same command once more lets them cross."
        )?;
    }
    for line in sentences::of_sides(&Sides::read(store, config)?, Some(&stored.external_name), now_ms) {
        writeln!(out, "But {line}. Until then the pair waits.")?;
    }
    if let Some(from_ms) =
        store.link(stored.id)?.and_then(|now| now.link.course.anew_from_ms).filter(|from| *from > now_ms)
    {
        writeln!(
            out,
            "A call for the old internal ticket may still land; the new ticket is made after {}.",
            moment(from_ms)
        )?;
    }
    Ok(Outcome::Fine)
}

/// Why the pair, or one of its logs, is halted.
fn why_halted(link: &Link) -> Option<String> {
    let logs = link.halted_logs().map(|(_, halt)| halt.text.as_str());
    let all: Vec<&str> = link.course.halt.iter().map(|halt| halt.text.as_str()).chain(logs).collect();
    (!all.is_empty()).then(|| all.join("; "))
}

fn amend(link: &mut Link, state: &mut LinkState, create: bool) {
    *state = LinkState::Live;
    if create { link.make_anew() } else { link.resume() }
}

/// The next action of a resumed pair.
fn what_follows(after: AfterResume, create: bool, internal: &str) -> String {
    match after {
        AfterResume::Ends { .. } if create => format!("A new ticket is made in {internal}, in place of the one that is gone."),
        AfterResume::Ends { .. } => {
            "If that is still so, the pair ends for good: the bridge writes to neither ticket any more, and only `itop-bridge links link` makes a pair of the ticket again. If both tickets are there again, the pair goes on.".to_owned()
        }
        AfterResume::GoesOnWithTheNewReference => "It goes on with the external ticket's new reference.".to_owned(),
        AfterResume::DeletesTheCopies => "It goes on, and the copies of the files that are still gone are deleted.".to_owned(),
        AfterResume::TakesTheLogAsDelivered => {
            "It goes on, and the log is taken as delivered, except for the entries dated after the halt.".to_owned()
        }
    }
}

fn nothing_is_halted(
    resume: &Resume,
    stored: &Stored,
    name: &str,
    store: &mut dyn Store,
    config: &Config,
    now_ms: i64,
    out: &mut dyn Write,
) -> anyhow::Result<Outcome> {
    let ended = stored.state == LinkState::Ended;
    let why = if ended { "has ended: neither ticket is written any more" } else { "is not halted" };
    if resume.create {
        bail!("{name} {why}; --create makes a new internal ticket only if a halt says that it is gone");
    }
    writeln!(out, "{name} {why}. Nothing was changed.")?;
    let sides = Sides::read(store, config)?;
    let row = store.queue_row(&ticket::of(stored), now_ms)?;
    let external = &stored.external_name;
    let known = Ticket { external, stored: Some(stored), row: row.as_ref(), sides: &sides, config, now_ms };
    let names = Names::of(stored, config);
    for is in Standing::of(known).is.iter().filter(|is| !matches!(is, Is::UnderWay | Is::Due { .. } | Is::Differs(_))) {
        let line = names.line(is);
        writeln!(out, "{}", wording::capital(wording::ended(&line).trim_end()))?;
    }
    Ok(Outcome::Fine)
}

/// If the internal ticket still exists, --create would make a second one beside it.
fn can_be_made_anew(link: &Link) -> anyhow::Result<()> {
    let external = &link.external.reference;
    let Some(halt) = &link.course.halt else {
        bail!("only a log is halted, and the internal ticket still stands: --create would make a second one");
    };
    match halt.kind {
        HaltKind::InternalVanished | HaltKind::InternalReferenceChanged => Ok(()),
        HaltKind::ExternalVanished => {
            bail!(
                "the external ticket {external} is gone: there is nothing to copy. Without --create the pair is ended"
            )
        }
        HaltKind::ExternalReferenceChanged => bail!(
            "the internal ticket still stands: --create would make a second one. Without --create the pair goes on with the external ticket's new reference"
        ),
        HaltKind::FilesGone => bail!(
            "the internal ticket still stands: --create would make a second one. Without --create the copies of the files that are gone are deleted"
        ),
    }
}

/// Prints that the internal is stopped, which stops all externals too.
fn say_that_the_internal_is_stopped(
    store: &mut dyn Store,
    resumed: &Instance,
    config: &Config,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let sides = Sides::read(store, config)?;
    let internal = sides.internal().and_then(|side| Some((side, side.stop.as_ref()?)));
    if let (Instance::External(name), Some((internal, stop))) = (resumed, internal) {
        let internal = sentences::is_stopped(&internal.name, stop);
        writeln!(out, "But {internal}. Until then nothing of {name} is written either.")?;
    }
    Ok(())
}

fn resume_side(
    store: &mut dyn Store,
    instance: &Instance,
    name: &str,
    now_ms: i64,
    out: &mut dyn Write,
) -> anyhow::Result<Outcome> {
    let Some(reason) = store.stopped(instance)? else {
        writeln!(out, "{name} is not halted. Nothing was changed.")?;
        return Ok(Outcome::Fine);
    };
    if store.cursor(instance, WENT_BACK)?.is_some_and(|said| !said.is_empty()) {
        let pairs = compare_with_the_restored(store, instance, name, now_ms)?;
        writeln!(
            out,
            "{pairs} pairs will be compared with the restored iTop: copies, log files and reports that {name} lost are made again then; \
             texts and states are left as they are, and `links list` shows the differences."
        )?;
        store.set_cursor(instance, WENT_BACK, "")?;
    }
    store.set_stopped(instance, None)?;
    let why = wording::ended(&reason.to_string());
    writeln!(out, "{name} is resumed. It had stopped because {}", why.trim_end())?;
    if reason.is_over_lost_pairs() {
        writeln!(
            out,
            "It goes on without these pairs: if `backfill` marks one of their tickets, its counterpart is made a second time. To find them after all, run `itop-bridge pause {name}`, then {LINKS_REBUILD}."
        )?;
    }
    say_dry_run(store, out)?;
    Ok(Outcome::Fine)
}

/// One transaction per pair, while the side is stopped: if interrupted, the next `resume` repeats it.
fn compare_with_the_restored(
    store: &mut dyn Store,
    instance: &Instance,
    name: &str,
    now_ms: i64,
) -> anyhow::Result<usize> {
    let side = instance.side();
    let external = match instance {
        Instance::External(name) => Some(name.as_str()),
        Instance::Internal => None,
    };
    let (mut after, mut compared) = (0, 0);
    loop {
        let pairs = store.pairs(external, after, MAX_ROWS, None)?;
        let Some(last) = pairs.last() else { return Ok(compared) };
        after = last.id;
        for pair in pairs.iter().filter(|pair| pair.state == LinkState::Live && pair.internal.is_some()) {
            let did = Activity::of(now_ms, Event::ComparedAfterRestore { instance: name.to_owned() });
            store.amend_link(pair.id, &move |link, _| link.mark_restored(side), &did, now_ms)?;
            compared += 1;
        }
    }
}
