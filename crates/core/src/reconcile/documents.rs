//! The report of the provider's states to the external ticket, and the notice of an external move that the internal
//! ticket cannot follow.

use crate::document::{Document, DocumentKind, Line, PENDING, PENDING_REASON, date_attribute};
use crate::link::{CopyState, Late, Link};
use crate::plan::{Note, Plan, Step, Write};
use crate::policy::{Policy, StatusToExternal, StatusToInternal};
use crate::reconcile::files::{doubt_look, has_settled};
use crate::text::same_html;
use crate::ticket::{Side, Ticket};

/// Plans both documents. `refused` is a new external move that the internal ticket cannot follow: the notice tells the
/// internal people of it.
pub fn plan(
    policy: &Policy,
    link: &Link,
    external: &Ticket,
    internal: &Ticket,
    refused: Option<Line>,
    plan: &mut Plan,
) {
    if policy.internal_lifecycle.is_some() {
        if is_kept(policy, DocumentKind::Report) {
            let see = |document: &mut Document| see(policy, link, document, external, internal);
            one(policy, link, DocumentKind::Report, see, external, plan);
        } else if link.document(DocumentKind::Report).is_some_and(|report| {
            let is_back =
                report.state == Some(CopyState::RemovedByPerson) && marked(external, report.kind).next().is_some();
            is_back || grows_stale(report, internal)
        }) {
            let end = |document: &mut Document| end(document, internal);
            one(policy, link, DocumentKind::Report, end, external, plan);
        }
    }
    let add = |document: &mut Document| document.lines.splice(0..0, refused).for_each(drop);
    one(policy, link, DocumentKind::Notice, add, internal, plan);
}

/// Whether the policy still wants the document.
fn is_kept(policy: &Policy, kind: DocumentKind) -> bool {
    kind == DocumentKind::Notice || policy.status_to_external == StatusToExternal::Report
}

/// Whether a report that is no longer kept names a past state, or says already that it has ended.
fn grows_stale(report: &Document, internal: &Ticket) -> bool {
    let is_there = matches!(report.state, Some(CopyState::Stands(_) | CopyState::InDoubt { .. }));
    let is_past = report.lines.first().is_some_and(|newest| newest.state != internal.status);
    is_there && is_past
}

fn end(document: &mut Document, internal: &Ticket) {
    if !document.is_over() && grows_stale(document, internal) {
        document.lines.insert(0, Line::last(internal.read_at_ms));
    }
}

/// Adds a line to the report if the present state differs from the newest line. A state passed through between two
/// passes is not invented.
pub fn see(policy: &Policy, link: &Link, document: &mut Document, external: &Ticket, internal: &Ticket) {
    document.lines.retain(|line| !line.is_last);
    let solution = internal.filled("solution").filter(|_| is_end(&internal.status));
    // A line in words has been said already, unless a text has changed since.
    let says_it = |newest: &Line| {
        let reason = newest.seen_ms.is_none() || newest.reason.as_deref() == pending_reason(internal);
        newest.words.is_none() || (newest.solution.as_deref() == solution && reason)
    };
    if !document.lines.first().is_some_and(|newest| newest.state == internal.status && says_it(newest)) {
        let line = Line {
            date: date_of(policy, document, internal),
            seen_ms: Some(internal.read_at_ms),
            reason_of_ours: pending_reason(internal)
                .filter(|_| was_brought(policy, link, external, internal))
                .map(str::to_owned),
            ..Line::of(&internal.status)
        };
        document.lines.insert(0, line);
        date_the_beginning(policy, document, internal);
    }
    tell_reason(document, external, internal);
    tell_solution(document, solution);
}

pub fn is_end(state: &str) -> bool {
    matches!(state, "resolved" | "closed")
}

/// Why the ticket is pending. In any other state the attribute holds an earlier reason.
pub fn pending_reason(internal: &Ticket) -> Option<&str> {
    internal.filled(PENDING_REASON).filter(|reason| internal.status == PENDING && !reason.trim().is_empty())
}

/// Whether the bridge itself moved the internal ticket there, after the customer. The reason that it wrote then is
/// the customer's own, a default, or left from an earlier time: no agent's word.
fn was_brought(policy: &Policy, link: &Link, external: &Ticket, internal: &Ticket) -> bool {
    let state = &internal.status;
    let is_agreed = link.ancestor.external.status == *state && link.ancestor.internal.status == *state;
    let is_late = |late: &Late| matches!(late, Late::Status { on: Side::Internal, to } if to == state);
    policy.status_to_internal == StatusToInternal::Apply
        && (is_agreed || (external.status == *state && link.given_up().any(is_late)))
}

/// Updates the reason of the present state: an agent may reword it while the ticket waits. A line that an earlier
/// version wrote has no reason, and gets none.
fn tell_reason(document: &mut Document, external: &Ticket, internal: &Ticket) {
    let newest = document.lines.first_mut().filter(|newest| newest.seen_ms.is_some() && newest.words.is_none());
    let Some(newest) = newest else { return };
    let stands = pending_reason(internal);
    let same = |other: Option<&str>| other.zip(stands).is_some_and(|(other, stands)| same_html(other, stands));
    if newest.reason_of_ours.is_some() && same(external.filled(PENDING_REASON)) {
        // The customer's words were refused, or kept back, and have arrived since.
        newest.reason_of_ours = stands.map(str::to_owned);
    }
    let is_ours = same(newest.reason_of_ours.as_deref());
    newest.reason = stands.filter(|_| !is_ours).map(str::to_owned);
}

/// The solution is told once: with the state that brought it, although the ticket was closed since. Where an earlier
/// version told it with both states, that stays until it changes.
fn tell_solution(document: &mut Document, solution: Option<&str>) {
    let run = document.lines.iter().take_while(|line| is_end(&line.state)).count();
    let (ends, earlier) = document.lines.split_at_mut(run);
    let told: Vec<usize> = (0..run).filter(|at| ends[*at].solution.is_some()).collect();
    let is_told = |at: &usize| ends[*at].solution.as_deref() == solution;
    if ends.is_empty() || (told.iter().all(is_told) && told.is_empty() == solution.is_none()) {
        return;
    }
    let at = told.iter().rev().copied().find(|at| ends[*at].words.is_none()).unwrap_or(0);
    // If a ticket was re-opened and resolved again as before, the newest line tells the solution.
    let before = earlier.iter_mut().filter(|line| line.solution.as_deref() == solution);
    ends.iter_mut().chain(before).filter(|line| line.words.is_none()).for_each(|line| line.solution = None);
    ends[at].solution = solution.map(str::to_owned);
}

/// iTop's own time of the state. A time that an earlier line of this state has shown belongs to that earlier
/// occasion, and so does a time before another line's: a re-opened ticket keeps the time of its first assignment. The
/// creation time is no measure: people correct it.
fn date_of(policy: &Policy, document: &Document, internal: &Ticket) -> Option<String> {
    let lifecycle = policy.internal_lifecycle.as_ref()?;
    let date = match internal.status == lifecycle.initial {
        true => made(policy, internal)?,
        false => internal.filled(date_attribute(lifecycle, &internal.status)?)?,
    };
    let shown = document.lines.iter().any(|line| line.state == internal.status && line.date.as_deref() == Some(date));
    let moves = document.lines.iter().filter(|line| line.state != lifecycle.initial);
    let is_older = moves.filter_map(|line| line.date.as_deref()).any(|told| date < told);
    (!shown && !is_older).then(|| date.to_owned())
}

/// When the internal iTop says that the ticket was created; `None` where the bridge itself fills that attribute, with
/// a default or an external field.
fn made<'t>(policy: &Policy, internal: &'t Ticket) -> Option<&'t str> {
    let code = policy.internal_lifecycle.as_ref()?.made_attribute()?;
    let is_ours = policy.internal_defaults.contains_key(code) || policy.fields.iter().any(|field| field == code);
    internal.filled(code).filter(|_| !is_ours)
}

/// Earlier versions gave the first state no time. It is added as soon as there is another state to tell.
fn date_the_beginning(policy: &Policy, document: &mut Document, internal: &Ticket) {
    let Some(lifecycle) = &policy.internal_lifecycle else { return };
    let is_bare = |line: &&mut Line| line.words.is_none() && line.seen_ms.is_none() && line.date.is_none();
    if let Some(oldest) = document.lines.last_mut().filter(is_bare).filter(|line| line.state == lifecycle.initial) {
        oldest.date = made(policy, internal).map(str::to_owned);
    }
}

fn one(
    policy: &Policy,
    link: &Link,
    kind: DocumentKind,
    change: impl FnOnce(&mut Document),
    target: &Ticket,
    plan: &mut Plan,
) {
    let before = link.document(kind);
    let mut document = before.cloned().unwrap_or_else(|| Document::new(kind));
    // Find out what happened to the file before adding lines: the lines of a removed file do not count as new.
    find(&mut document, target);
    change(&mut document);
    let write = next(policy, &mut document, target, plan);
    if before != Some(&document) && (before.is_some() || !document.lines.is_empty()) {
        plan.notes.push(Note::Document(document));
    }
    plan.writes.extend(write);
}

/// Looks the document up in the target's list of files, if that was read.
fn find(document: &mut Document, target: &Ticket) {
    let is_lost = document.state.as_ref().is_none_or(|state| state.standing().is_none());
    // Of two, the earlier was hidden while the later was made.
    if let (true, Some(id)) = (is_lost, marked(target, document.kind).max()) {
        // Found by its mark: its content is not known. One that seemed to be removed was hidden from the account.
        document.state = Some(CopyState::Stands(id));
        document.holds = None;
    }
    if let Some(CopyState::Stands(id)) = document.state
        && target.files.is_some()
        && !marked(target, document.kind).any(|there| there == id)
    {
        document.removed_by_person();
    }
}

fn next(policy: &Policy, document: &mut Document, target: &Ticket, plan: &mut Plan) -> Option<Step> {
    let kind = document.kind;
    let write =
        |copy, reason: &str| Some(Step { write: Write::WriteDocument { kind, copy }, reason: reason.to_owned() });
    let is_kept = is_kept(policy, kind);
    match document.state {
        None if is_kept && document.is_due() => write(None, reason(document)),
        // A person removed it: only a new line makes another.
        Some(CopyState::RemovedByPerson) if is_kept && document.has_new_lines() => write(None, reason(document)),
        Some(CopyState::InDoubt { until_ms }) if has_settled(target, until_ms) => {
            document.state = None;
            if is_kept { write(None, "an unanswered file never arrived") } else { None }
        }
        Some(CopyState::InDoubt { until_ms }) => {
            plan.look_again(doubt_look(policy, target, until_ms));
            None
        }
        Some(CopyState::Stands(id)) => {
            let settles_at_ms = document.again_at_ms.filter(|at| *at > target.read_at_ms);
            settles_at_ms.into_iter().for_each(|at| plan.look_again(at));
            if document.is_due() {
                write(Some(id), reason(document))
            } else if document.again_at_ms.is_some() && settles_at_ms.is_none() {
                write(Some(id), "an earlier content may have landed late")
            } else {
                None
            }
        }
        None | Some(CopyState::RemovedByPerson) => None,
    }
}

fn reason(document: &Document) -> &'static str {
    match document.kind {
        DocumentKind::Report if document.is_over() => "the report of the status is no longer kept",
        DocumentKind::Report => "the internal status is reported on the external ticket",
        DocumentKind::Notice => "the internal ticket cannot follow a move of the external one",
    }
}

fn marked(target: &Ticket, kind: DocumentKind) -> impl Iterator<Item = u64> + '_ {
    let is_it = move |mark: &crate::mark::FileMark| mark.from == kind.from() && mark.kind == kind.file_kind();
    let files = target.files.iter().flatten();
    files.filter(move |file| file.mark().is_some_and(is_it)).map(|file| file.id)
}

/// An external move back, or an external refusal, that the internal ticket cannot follow.
pub fn refused_line(external: &Ticket, state: &str, reopened: bool) -> Line {
    let date = external.filled("last_update").map(str::to_owned);
    Line { date, reopened, ..Line::of(state) }
}
