//! `links show`: everything known about one pair.

use std::io::Write;

use itop_bridge_core::caselog::{LogState, OldWords, Stand};
use itop_bridge_core::document::{Document, DocumentKind, Line};
use itop_bridge_core::link::{Copy, CopyState};
use itop_bridge_core::{Link, Side};
use itop_bridge_engine::wording::count::counted;
use itop_bridge_engine::wording::moment::moment;
use itop_bridge_engine::{kept_back, too_heavy, where_they_stand, words_of};
use itop_bridge_store::{Activity, MAX_ROWS, QueueRow, Store, Stored};
use itop_bridge_text::html::without_image_addresses;
use serde_json::{Value as Json, json};

use super::row::{Row, as_json};
use crate::cli::{Outcome, print_json, ticket};
use crate::config::Config;
use crate::sentences::{self, Names};
use crate::standing::{Is, Sides, Standing, Waits};

pub(super) fn show(
    stored: Stored,
    in_json: bool,
    store: &mut dyn Store,
    config: &Config,
    now_ms: i64,
    out: &mut dyn Write,
) -> anyhow::Result<Outcome> {
    let activity = store.activity(stored.id, MAX_ROWS)?;
    let sides = Sides::read(store, config)?;
    let row = Row::of(store, stored, &sides, config, now_ms)?;
    if in_json {
        let mut shown = as_json(&row, config);
        let link = &row.stored.link;
        shown["files"] = link.files.copies.iter().map(file_as_json).collect();
        shown["documents"] = link
            .files
            .documents
            .iter()
            .map(|document| {
                let states: Vec<Json> = document.lines.iter().map(line_as_json).collect();
                json!({ "kind": document.kind, "states": states, "file": document.state })
            })
            .collect();
        shown["enclosures"] = link
            .files
            .enclosures
            .iter()
            .map(|file| {
                let (kind, state) = (file.kind(), &file.state);
                json!({"from": file.from, "field": file.code, "kind": kind, "name": file.name, "file": state})
            })
            .collect();
        shown["refused"] = json!(link.open.refused);
        shown["logs"] = told_logs(link)
            .into_iter()
            .map(|log| {
                json!({
                    "log": log.log, "from": log.from, "delivered": log.delivered.len().saturating_sub(log.kept.len()), "vanished": log.vanished.len(),
                    "files": log.files, "files_removed": log.removed, "on_its_way": log.batch.as_ref().map(|batch| batch.entries.len()),
                    "halt": log.halt.as_ref().map(|halt| &halt.text), "reworded": reworded_as_json(log),
                    "kept": log.kept, "kept_back": log.held, "waiting": log.waiting, "let_cross": log.own,
                })
            })
            .collect();
        shown["conflicts"] = json!(link.open.conflicts);
        let (external, internal) = (&row.stored.external_name, &config.internal.name);
        let instance = |side| if side == Side::External { external } else { internal };
        shown["kept_back"] = link
            .open
            .held
            .iter()
            .map(|held| {
                json!({
                    "what": kept_back(link, held, instance(held.to)), "to": held.to, "status": held.status,
                    "since_ms": held.since_ms, "tries": held.tries, "not_before_ms": held.not_before_ms,
                })
            })
            .collect();
        shown["heavy"] = json!(link.open.heavy);
        shown["halt"] = json!(link.course.halt);
        shown["queue"] = json!(row.queued);
        shown["activity"] = json!(activity);
        print_json(&shown, out)?;
        return Ok(Outcome::Fine);
    }
    let state = sentences::state(&row.standing);
    writeln!(out, "link {}: {}\nstate: {state}", row.stored.id, ticket::pair_name(config, &row.stored))?;
    for line in sentences::of_sides(&sides, Some(&row.stored.external_name), now_ms) {
        writeln!(out, "{line}")?;
    }
    let link = &row.stored.link;
    let instance = |side| match side {
        Side::External => row.stored.external_name.as_str(),
        Side::Internal => config.internal.name.as_str(),
    };
    let status = |side| status(link, side, instance(side));
    writeln!(out, "status: {}, {}", status(Side::External), status(Side::Internal))?;
    say_standing(&row.standing, &row.names(config), out)?;
    let internal = link.internal.as_ref().map_or("", |key| &key.reference);
    let names = [
        format!("{}:{}", row.stored.external_name, link.external.reference),
        format!("{}:{internal}", config.internal.name),
    ];
    say_link(link, &names, instance, &activity, out)?;
    say_queue(&row.standing, row.queued.as_ref(), out)?;
    say_activity(&activity, out)?;
    Ok(Outcome::Fine)
}

fn file_as_json(copy: &Copy) -> Json {
    json!({
        "from": copy.from, "original": copy.original, "name": copy.content.name, "type": copy.content.mimetype,
        "copy": copy.state, "substituted": copy.substituted, "missing_since_ms": copy.missing_since_ms,
    })
}

fn say_link<'n>(
    link: &Link,
    names: &[String; 2],
    instance: impl Fn(Side) -> &'n str,
    activity: &[Activity],
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    for heavy in &link.open.heavy {
        writeln!(out, "heavy: {}, since {}", too_heavy(link, heavy, instance(heavy.on)), moment(heavy.since_ms))?;
    }
    heading(
        "files, as last seen",
        link.files.copies.is_empty() && link.files.documents.is_empty() && link.files.enclosures.is_empty(),
        out,
    )?;
    for copy in &link.files.copies {
        let missing = if copy.missing_since_ms.is_some() { "; the original is missing" } else { "" };
        let instead = if copy.substituted { "; a text stands in for it" } else { "" };
        let state = file_state(Some(&copy.state));
        let way = way(copy.from);
        writeln!(out, "  {way}  {} (attachment {}): {state}{instead}{missing}", copy.content.name, copy.original)?;
    }
    for document in &link.files.documents {
        let what = if document.kind == DocumentKind::Report { "report of the status" } else { "notice" };
        let newest = match document.lines.first() {
            None => "nothing yet",
            Some(newest) if newest.is_last => "no longer kept up to date",
            Some(newest) => &newest.state,
        };
        let (way, state) = (way(document.kind.from()), document_state(document, activity));
        writeln!(out, "  {way}  {what} ({newest}): {state}")?;
    }
    for file in &link.files.enclosures {
        let state = match &file.state {
            Some(CopyState::RemovedByPerson) => "a person deleted it; another text makes another".to_owned(),
            state => file_state(state.as_ref()),
        };
        writeln!(out, "  {way}  {} (has no room in {}): {state}", file.name, file.code, way = way(file.from))?;
    }
    let logs = told_logs(link);
    heading("logs", logs.is_empty(), out)?;
    for log in logs {
        let (delivered, gone) = (log.delivered.len().saturating_sub(log.kept.len()), log.vanished.len());
        let (stand, removed) = (log.files.len(), log.removed.len());
        let files = counted(stand, "file", "files");
        let removed = if removed > 0 { format!(" ({removed} more deleted by a person)") } else { String::new() };
        let gone = if gone > 0 { format!(", {gone} of the log's are gone since") } else { String::new() };
        let batch = log.batch.as_ref().map(|batch| format!(", {} on their way", batch.entries.len()));
        let aside: usize = log.aside.iter().map(|batch| batch.entries.len()).sum();
        let aside = if aside > 0 { format!(", {aside} kept back") } else { String::new() };
        let halt = log.halt.as_ref().map(|halt| format!("; halted: {}", halt.text));
        let rest = batch.unwrap_or_default() + &aside + &halt.unwrap_or_default();
        writeln!(
            out,
            "  {}  {} log: entries delivered: {delivered}{gone}, in {files}{removed}{rest}",
            way(log.from),
            log.log.word()
        )?;
        say_parents(log, out)?;
        say_reworded(log, &names[usize::from(log.from == Side::External)], out)?;
    }
    Ok(())
}

/// The logs worth showing: a log may have no entries but the bridge's own.
fn told_logs(link: &Link) -> Vec<&LogState> {
    let has_entries = |log: &&LogState| {
        let open = [log.held.len(), log.waiting.len(), log.own.len()].iter().any(|count| *count > 0)
            || log.batch.is_some()
            || log.halt.is_some();
        open || !log.delivered.is_empty() || !log.vanished.is_empty() || !log.files.is_empty()
    };
    let mut logs: Vec<&LogState> = link.logs.iter().filter(has_entries).collect();
    logs.sort_by_key(|log| (log.from, log.log));
    logs
}

/// Prints the entries that did not cross, or not yet, because the ticket has a parent.
fn say_parents(log: &LogState, out: &mut dyn Write) -> std::io::Result<()> {
    for kept in &log.kept {
        writeln!(out, "    the entry of {} stays {}: {}", kept.key.date, log.from.place(), words_of(kept))?;
    }
    for waiting in &log.waiting {
        let until = moment(waiting.until_ms);
        writeln!(
            out,
            "    the entry of {} crosses at {until}, unless a parent turns out to hold it too",
            waiting.key.date
        )?;
    }
    for held in &log.held {
        writeln!(out, "    the entry of {} is kept back: see the conflict above", held.key.date)?;
    }
    for key in &log.own {
        writeln!(out, "    the entry of {} crosses: an operator let it", key.date)?;
    }
    Ok(())
}

/// Prints the entries that were reworded after they were sent, and where the old text stands; `target` is the ticket
/// that has it.
fn say_reworded(log: &LogState, target: &str, out: &mut dyn Write) -> std::io::Result<()> {
    for old in log.old_words() {
        let what = if old.only_the_author { "has another author's name" } else { "was reworded" };
        writeln!(out, "    the entry of {} {what} since: {}", old.date, where_they_stand(&[&old], target))?;
    }
    Ok(())
}

fn reworded_as_json(log: &LogState) -> Json {
    let words = |old: OldWords<'_>| match old.stand {
        Stand::In(file) => json!({ "entry": old.date, "files": [file.id], "name": file.name }),
        Stand::OnTheirWay => json!({ "entry": old.date, "files": [] }),
        Stand::InOneOf(files) => json!({ "entry": old.date, "files": files }),
    };
    log.old_words().into_iter().map(words).collect()
}

/// Image addresses contain a secret, which the reader of the output must not get.
fn line_as_json(line: &Line) -> Json {
    let shown = |text: &Option<String>| text.as_deref().map(|text| without_image_addresses(text).into_owned());
    json!(Line {
        solution: shown(&line.solution),
        reason: shown(&line.reason),
        reason_of_ours: shown(&line.reason_of_ours),
        ..line.clone()
    })
}

fn heading(what: &str, nothing: bool, out: &mut dyn Write) -> std::io::Result<()> {
    writeln!(out, "{what}:{}", if nothing { " none" } else { "" })
}

fn way(from: Side) -> &'static str {
    match from {
        Side::External => "external -> internal",
        Side::Internal => "internal -> external",
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

/// For an adopted pair, the status at that time counts as reported: no report was made for it.
fn document_state(document: &Document, activity: &[Activity]) -> String {
    match &document.state {
        Some(CopyState::RemovedByPerson)
            if activity.iter().any(is_adoption) && !activity.iter().any(is_of_a_report) =>
        {
            "none was made, as the pair was adopted with this state; the next one makes it".to_owned()
        }
        Some(CopyState::RemovedByPerson) => "a person deleted it; the next state makes another".to_owned(),
        state => file_state(state.as_ref()),
    }
}

fn is_adoption(line: &Activity) -> bool {
    match &line.event {
        Some(event) => event.is_adoption(),
        None => ["adopted", "linked by an operator"].iter().any(|words| line.text.contains(words)),
    }
}

fn is_of_a_report(line: &Activity) -> bool {
    match &line.event {
        Some(event) => event.is_of_a_report(),
        None => OF_A_REPORT.iter().any(|words| line.text.contains(words)),
    }
}

/// The sentences of older versions, whose lines have no event.
const OF_A_REPORT: [&str; 2] = ["the status inside is told outside", "the report was deleted"];

/// Prints each fact on a line, with the fix. The reason why a side is stopped is printed above.
pub(super) fn say_standing(standing: &Standing, names: &Names<'_>, out: &mut dyn Write) -> std::io::Result<()> {
    for is in &standing.is {
        match is {
            Is::Waits(Waits::Stopped { .. } | Waits::NotServed | Waits::Down { .. } | Waits::Slowed { .. })
            | Is::UnderWay
            | Is::Due { .. } => {}
            is => writeln!(out, "{}", names.line(is))?,
        }
    }
    Ok(())
}

pub(super) fn say_queue(standing: &Standing, row: Option<&QueueRow>, out: &mut dyn Write) -> std::io::Result<()> {
    let Some(row) = row else { return writeln!(out, "queue: nothing waits") };
    let since = moment(row.dirty_since_ms);
    match standing.next_ms {
        _ if row.leased => writeln!(out, "queue: a pass is under way; waits since {since}"),
        None => writeln!(out, "queue: waits since {since}, until nothing holds it back"),
        Some(at_ms) => writeln!(out, "queue: looked at next at {}; waits since {since}", moment(at_ms)),
    }
}

/// The status that was read last.
fn status(link: &Link, side: Side, name: &str) -> String {
    match (link.status_on(side), link.key(side)) {
        (_, None) => format!("no ticket in {name} yet"),
        ("", Some(_)) => format!("not read yet in {name}"),
        (status, Some(_)) => format!("{status} in {name}"),
    }
}

fn say_activity(activity: &[Activity], out: &mut dyn Write) -> std::io::Result<()> {
    heading("what the bridge did, newest first", activity.is_empty(), out)?;
    for line in activity {
        writeln!(out, "  {}  {}", moment(line.at_ms), line.text)?;
    }
    Ok(())
}
