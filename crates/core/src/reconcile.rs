//! The decision. Each comment "here …" states what is known at that point.
//!
//! Guarantees: total (any input gives a plan); idempotent (the state that a plan leads to gives a plan that writes
//! nothing); the bridge never overwrites a person's internal edit unless the same external field changed, and never
//! deletes a file that it did not make.

mod adopt;
mod documents;
mod enclosures;
mod fields;
mod files;
mod held;
mod identity;
mod logs;
mod refused;
mod restored;
mod status;

pub use adopt::{Adopted, found_by_marks, taken_over};
pub use held::part_of;
use identity::is_surely_the_same;
pub use identity::{is_another, is_in_doubt};
pub use logs::crossing_entries;

use crate::link::{Late, LateWrite, Link, Part};
use crate::mark::FileKind;
use crate::plan::{Halt, HaltKind, Note, Plan, Write};
use crate::policy::Policy;
use crate::ticket::{File, Reading, Side, Ticket};

/// The writes that bring both sides into agreement with the policy again.
pub fn reconcile(policy: &Policy, link: &Link, external: &Reading, internal: &Reading) -> Plan {
    if let Some(halt) = &link.course.halt {
        if let Some(side) = halt.kind.vanished().filter(|_| both_are_there(policy, link, external, internal)) {
            return with_the_ticket_that_vanished(side, policy, link, external, internal);
        }
        return Plan { halt: Some(halt.clone()), conflicts: link.open.conflicts.clone(), ..Plan::default() };
    }
    let external = match external {
        Reading::Here(ticket) => ticket,
        Reading::Gone => return halted(link, HaltKind::ExternalVanished, vanished(link, "external")),
        Reading::NotCreated => return Plan { conflicts: link.open.conflicts.clone(), ..Plan::default() },
    };
    if let Some(text) = is_another(policy, link, Side::External, external) {
        // Resuming accepts a ticket with another reference as the same one, but not one with the same reference
        // created later.
        if link.course.resumed && external.reference != link.external.reference {
            return with_the_reference_of(external, policy, link, internal);
        }
        return halted(link, HaltKind::ExternalReferenceChanged, text);
    }
    if let Some(from_ms) = link.course.anew_from_ms {
        return anew(from_ms, policy, link, external, internal);
    }
    if link.internal.is_none() {
        // Here the external ticket exists and nothing was ever made for it.
        if link.waits(&Part::Creation, "", external.read_at_ms) {
            return Plan::default();
        }
        return Plan { writes: vec![fields::create(policy, external)], ..Plan::default() };
    }
    let internal = match internal {
        Reading::Here(ticket) => ticket,
        Reading::Gone => return halted(link, HaltKind::InternalVanished, vanished(link, "internal")),
        Reading::NotCreated => return Plan { conflicts: link.open.conflicts.clone(), ..Plan::default() },
    };
    if let Some(text) = is_another(policy, link, Side::Internal, internal) {
        return halted(link, HaltKind::InternalReferenceChanged, text);
    }
    // Here both tickets exist and are the ones that were linked.
    if !link.course.restored.is_empty() {
        return restored::plan(policy, link, external, internal);
    }
    both_stand(policy, link, external, internal)
}

/// Whether each ticket of the pair exists and is the one that was linked, beyond doubt.
fn both_are_there(policy: &Policy, link: &Link, external: &Reading, internal: &Reading) -> bool {
    let is_there = |side: Side| match side.source_and_target(external, internal).0 {
        Reading::Here(ticket) => is_surely_the_same(policy, link, side, ticket),
        Reading::NotCreated => link.key(side).is_none(),
        Reading::Gone => false,
    };
    Side::BOTH.into_iter().all(is_there)
}

/// The ticket was not deleted: the account could not see it for a while. The pair goes on from where it stood.
fn with_the_ticket_that_vanished(
    side: Side,
    policy: &Policy,
    link: &Link,
    external: &Reading,
    internal: &Reading,
) -> Plan {
    let note = Note::ThereAgain(side);
    let mut link = link.clone();
    link.remember(&note);
    let mut plan = reconcile(policy, &link, external, internal);
    plan.notes.insert(0, note);
    plan
}

/// An operator has accepted the external ticket's new reference: the pair goes on with it. Nothing else is accepted
/// by that, so anything else that is wrong halts again.
fn with_the_reference_of(external: &Ticket, policy: &Policy, link: &Link, internal: &Reading) -> Plan {
    let note = Note::ExternalReference(external.reference.clone());
    let mut link = link.clone();
    link.remember(&note);
    let mut plan = reconcile(policy, &link, &Reading::Here(external.clone()), internal);
    plan.notes.insert(0, note);
    plan
}

/// Replaces a counterpart that is gone. Calls for the old one settle first: external files that bear the pair's marks
/// by then were made for it, since nothing was made for the new one before. The report is an exception: there is one
/// per pair.
fn anew(from_ms: i64, policy: &Policy, link: &Link, external: &Ticket, internal: &Reading) -> Plan {
    if !files::has_settled(external, from_ms) {
        let mut plan = Plan { conflicts: link.open.conflicts.clone(), ..Plan::default() };
        plan.look_again(from_ms.max(external.read_at_ms));
        return plan;
    }
    let is_left = |file: &&File| file.mark().is_some_and(|mark| mark.kind != FileKind::Status);
    let left: Vec<u64> = external.files.iter().flatten().filter(is_left).map(|file| file.id).collect();
    let note = (link.internal.is_some() || !left.is_empty()).then_some(Note::LeftBehind(left));
    let (mut link, mut external) = (link.clone(), external.clone());
    note.iter().for_each(|note| link.remember(note));
    link.course.anew_from_ms = None;
    link.recognize_files(Side::External, &policy.mark(&link), external.files.as_deref_mut().unwrap_or_default());
    let mut plan = reconcile(policy, &link, &Reading::Here(external), internal);
    plan.notes.splice(0..0, note);
    plan
}

fn both_stand(policy: &Policy, link: &Link, external: &Ticket, internal: &Ticket) -> Plan {
    let mut plan = Plan { notes: made_when(policy, link, external, internal), ..Plan::default() };
    fields::plan(policy, link, external, internal, &mut plan);
    let seen = status::plan(policy, link, external, internal, &mut plan);
    refused::plan(policy, link, external, internal, &mut plan);
    files::plan(policy, link, external, internal, &mut plan);
    // Before the logs: an image that both show is one file.
    enclosures::plan(policy, link, external, internal, &mut plan);
    logs::plan(policy, link, external, internal, &mut plan);
    documents::plan(policy, link, external, internal, seen, &mut plan);
    settle_late_writes(link, external, internal, &mut plan);
    held::leave_out(link, external, internal, &mut plan);
    let gone = Side::BOTH.into_iter().filter_map(|from| files_gone(policy, link, from, external, internal));
    let gone: Vec<FilesGone> = gone.collect();
    // Only a deletion that is due does harm.
    let due = gone.iter().find(|gone| gone.are_due(&plan));
    match due {
        Some(gone) if !link.course.resumed => {
            return Plan { halt: Some(gone.halt(link)), conflicts: link.open.conflicts.clone(), ..Plan::default() };
        }
        // Once these are deleted, as an operator wants it, the next accident must halt again.
        Some(_) => plan.look_again(external.read_at_ms),
        None if link.course.resumed && gone.is_empty() => plan.notes.push(Note::ResumeIsOver),
        None => {}
    }
    plan
}

/// A late write that has settled was judged above and is forgotten; the others are judged when they settle.
fn settle_late_writes(link: &Link, external: &Ticket, internal: &Ticket, plan: &mut Plan) {
    for late in &link.in_flight.late {
        let read_at_ms = if went_to_the_external(late) { external.read_at_ms } else { internal.read_at_ms };
        if read_at_ms < late.until_ms {
            plan.look_again(late.until_ms);
        } else if files::can_judge(link, late, external, internal) {
            plan.notes.push(Note::LateSettled(late.clone()));
        } else if matches!(late.what, Late::File { .. }) {
            // The files were not listed, or the copy's contents not read: the next pass reads them.
            plan.look_again(read_at_ms);
        }
    }
}

/// Whether the write went to the external side.
fn went_to_the_external(late: &LateWrite) -> bool {
    match &late.what {
        Late::Field { .. } => false,
        Late::Status { on, .. } => *on == Side::External,
        Late::File { from, .. } => *from == Side::Internal,
    }
}

/// Too many of one side's files are gone at once.
struct FilesGone {
    from: Side,
    gone: usize,
    all: usize,
}

fn files_gone(policy: &Policy, link: &Link, from: Side, external: &Ticket, internal: &Ticket) -> Option<FilesGone> {
    let (gone, all) = files::too_much_gone(policy, link, from, external, internal)?;
    Some(FilesGone { from, gone, all })
}

impl FilesGone {
    fn are_due(&self, plan: &Plan) -> bool {
        plan.writes.iter().any(|step| matches!(step.write, Write::DeleteCopy { from, .. } if from == self.from))
    }

    fn halt(&self, link: &Link) -> Halt {
        let FilesGone { from, gone, all } = self;
        let reference = link.key(*from).map_or("", |key| &key.reference);
        let text = format!(
            "{gone} of the {all} attachments of {reference} are gone at once; their copies are left alone until you resume the link"
        );
        Halt { kind: HaltKind::FilesGone, text }
    }
}

/// A ticket is gone, or another stands in its place. If an operator resumed the link nevertheless, that is accepted,
/// and the pair ends.
fn halted(link: &Link, kind: HaltKind, text: String) -> Plan {
    let halt = Some(Halt { kind, text });
    let (halt, end) = if link.course.resumed { (None, halt) } else { (halt, None) };
    Plan { halt, end, conflicts: link.open.conflicts.clone(), ..Plan::default() }
}

fn vanished(link: &Link, side: &str) -> String {
    let (reference, id) = match (&link.internal, side) {
        (Some(internal), "internal") => (&internal.reference, internal.id),
        _ => (&link.external.reference, link.external.id),
    };
    format!(
        "the {side} ticket {reference} (id {id}) is no longer there; its counterpart and the copied files are left as they are"
    )
}

/// The time of creation, where it is news: not known yet, or corrected by a person.
fn made_when(policy: &Policy, link: &Link, external: &Ticket, internal: &Ticket) -> Vec<Note> {
    let both = [(Side::External, external), (Side::Internal, internal)].into_iter();
    let news = both.filter(|(side, ticket)| {
        link.ancestor.side(*side).made.is_empty() || is_in_doubt(policy, link, *side, ticket).is_some()
    });
    news.filter_map(|(of, ticket)| Some(Note::Made { of, at: policy.made(of, ticket)?.to_owned() })).collect()
}
