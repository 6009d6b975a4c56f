//! The report of the provider's states to the external ticket, and the notice of a move outside that the
//! internal ticket cannot follow.

use crate::document::{Document, DocumentKind, Line, date_attribute};
use crate::link::{CopyState, Link};
use crate::plan::{Note, Plan, Step, Write};
use crate::policy::{Policy, StatusToExternal};
use crate::reconcile::files::{doubt_look, has_settled};
use crate::ticket::Ticket;

/// `refused` is a move outside that the inside cannot follow and that its people must see, on the day it
/// is met.
pub fn plan(
    policy: &Policy,
    link: &Link,
    external: &Ticket,
    internal: &Ticket,
    refused: Option<Line>,
    plan: &mut Plan,
) {
    if policy.status_to_external == StatusToExternal::Report && policy.internal_lifecycle.is_some() {
        one(policy, link, DocumentKind::Report, |document| see(policy, document, internal), external, plan);
    }
    let add = |document: &mut Document| document.lines.splice(0..0, refused).for_each(drop);
    one(policy, link, DocumentKind::Notice, add, internal, plan);
}

/// What the report says of the state that stands now: a new line where it differs from the newest one. A
/// state passed through between two passes is not invented.
pub fn see(policy: &Policy, document: &mut Document, internal: &Ticket) {
    let state = &internal.status;
    let solution = || internal.filled("solution").filter(|_| is_end(state)).map(str::to_owned);
    match document.lines.first_mut() {
        // What stands in words is said already, but for a solution that changed since.
        Some(newest) if newest.state == *state && (newest.words.is_none() || newest.solution == solution()) => {
            newest.solution = solution();
        }
        _ => {
            let line = Line {
                state: state.clone(),
                date: date_of(policy, document, internal),
                solution: solution(),
                reopened: false,
                words: None,
            };
            document.lines.insert(0, line);
        }
    }
}

pub fn is_end(state: &str) -> bool {
    matches!(state, "resolved" | "closed")
}

/// iTop's own time of the state. One that an earlier line has already shown belongs to that earlier time, and so
/// does one before what the newest line tells: a re-opened ticket keeps the time of its first assignment.
fn date_of(policy: &Policy, document: &Document, internal: &Ticket) -> Option<String> {
    let lifecycle = policy.internal_lifecycle.as_ref()?;
    let date = internal.filled(date_attribute(lifecycle, &internal.status)?)?;
    let shown = document.lines.iter().any(|line| line.state == internal.status && line.date.as_deref() == Some(date));
    let is_older = document.lines.iter().filter_map(|line| line.date.as_deref()).any(|told| date < told);
    (!shown && !is_older).then(|| date.to_owned())
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
    // First what became of it, then what is new: what a removed one had told does not count as new.
    find(&mut document, target);
    change(&mut document);
    let write = next(policy, &mut document, target, plan);
    if before != Some(&document) && (before.is_some() || !document.lines.is_empty()) {
        plan.notes.push(Note::Document(document));
    }
    plan.writes.extend(write);
}

/// Where the target lists it, if its files were listed.
fn find(document: &mut Document, target: &Ticket) {
    let marked = marked(target, document.kind);
    if let (None | Some(CopyState::InDoubt { .. }), Some(id)) = (&document.state, marked) {
        // Found by its mark: what it holds is not known.
        document.state = Some(CopyState::Stands(id));
        document.holds = None;
    }
    if let Some(CopyState::Stands(id)) = document.state
        && target.files.is_some()
        && marked != Some(id)
    {
        document.removed_by_person();
    }
}

fn next(policy: &Policy, document: &mut Document, target: &Ticket, plan: &mut Plan) -> Option<Step> {
    let kind = document.kind;
    let write =
        |copy, reason: &str| Some(Step { write: Write::WriteDocument { kind, copy }, reason: reason.to_owned() });
    match document.state {
        None if document.is_due() => write(None, reason(kind)),
        // A person removed it: only a new line makes another.
        Some(CopyState::RemovedByPerson) if document.has_new_lines() => write(None, reason(kind)),
        Some(CopyState::InDoubt { until_ms }) if has_settled(target, until_ms) => {
            document.state = None;
            write(None, "an unanswered file never arrived")
        }
        Some(CopyState::InDoubt { until_ms }) => {
            plan.look_again(doubt_look(policy, target, until_ms));
            None
        }
        Some(CopyState::Stands(id)) => {
            let settles_at_ms = document.again_at_ms.filter(|at| *at > target.read_at_ms);
            settles_at_ms.into_iter().for_each(|at| plan.look_again(at));
            if document.is_due() {
                write(Some(id), reason(kind))
            } else if document.again_at_ms.is_some() && settles_at_ms.is_none() {
                write(Some(id), "an earlier content may have landed late")
            } else {
                None
            }
        }
        None | Some(CopyState::RemovedByPerson) => None,
    }
}

fn reason(kind: DocumentKind) -> &'static str {
    match kind {
        DocumentKind::Report => "the status inside is told outside",
        DocumentKind::Notice => "the inside cannot follow a move outside",
    }
}

fn marked(target: &Ticket, kind: DocumentKind) -> Option<u64> {
    let files = target.files.as_ref()?;
    let is_it = |mark: &crate::mark::FileMark| mark.from == kind.from() && mark.kind == kind.file_kind();
    files.iter().find(|file| file.mark().is_some_and(is_it)).map(|file| file.id)
}

/// A move outside that went back, or a refusal, which the inside cannot follow.
pub fn refused_line(external: &Ticket, state: &str, reopened: bool) -> Line {
    let date = external.filled("last_update").map(str::to_owned);
    Line { state: state.to_owned(), date, solution: None, reopened, words: None }
}
