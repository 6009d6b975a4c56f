//! A pair with a restored iTop: on that side the ticket is as it was at the backup, and everything that the bridge
//! has done there since is gone, though nobody undid it.
//!
//! Losses of the bridge's own files there are made good: copies, log files, the report. Originals lost there leave
//! their copies on the other side, since nobody deleted them. Fields and states are taken as they stand, since
//! people's changes cannot be told from the restored values; differences are shown.

use super::{both_stand, fields, files, logs, status};
use crate::link::{Copy, CopyState, InFlight, Link};
use crate::plan::{Note, Plan};
use crate::policy::Policy;
use crate::ticket::{File, Side, Ticket};

pub fn plan(policy: &Policy, link: &Link, external: &Ticket, internal: &Ticket) -> Plan {
    let read_at_ms = external.read_at_ms.min(internal.read_at_ms);
    let waits_until_ms = link.settles_at_ms().unwrap_or_default();
    if waits_until_ms > read_at_ms || external.files.is_none() || internal.files.is_none() {
        let mut plan = Plan { conflicts: link.open.conflicts.clone(), ..Plan::default() };
        plan.look_again(waits_until_ms.max(read_at_ms));
        return plan;
    }
    let link = without_what_is_lost(policy, link, external, internal);
    let [external, internal] = files::recognized(policy, &link, external, internal);
    let mut plan = both_stand(policy, &link, &external, &internal);
    plan.notes.insert(0, Note::Restored(Box::new(link)));
    plan
}

/// When two tickets were compared that the link's memory could not judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    Paired,
    Restored,
}

impl When {
    /// Completes a phrase that begins with "when".
    pub fn in_words(self) -> &'static str {
        match self {
            When::Paired => "the two became a pair",
            When::Restored => "its iTop had been restored",
        }
    }
}

fn without_what_is_lost(policy: &Policy, before: &Link, external: &Ticket, internal: &Ticket) -> Link {
    let mut link = before.clone();
    link.course.restored.clear();
    let InFlight { creation, plain, sending, .. } = link.in_flight;
    link.in_flight = InFlight { creation, plain, sending, ..InFlight::default() };
    as_they_stand(policy, &mut link, external, internal, When::Restored);
    for side in Side::BOTH.into_iter().filter(|side| !before.course.restored.contains(side)) {
        keep_the_moves(side, before, &mut link, external, internal);
    }
    for side in &before.course.restored {
        forget_files(*side, policy, &mut link, external, internal);
    }
    link
}

/// Changes that people made on the side that was not restored, compared with the ancestor, are carried across.
fn keep_the_moves(side: Side, before: &Link, link: &mut Link, external: &Ticket, internal: &Ticket) {
    let (ticket, _) = side.source_and_target(external, internal);
    let known = before.ancestor.side(side);
    let now = link.ancestor.side_mut(side);
    if !known.status.is_empty() && now.status != known.status {
        now.status.clone_from(&known.status);
        link.open.conflicts.retain(|conflict| !conflict.is_of_the_status());
        // A move that was told already is no news.
        let told = before.open.conflicts.iter().filter(|conflict| conflict.is_of_the_status() && !conflict.is_older);
        link.open.conflicts.extend(told.cloned());
    }
    if side == Side::Internal {
        // Internal fields do not cross.
        return;
    }
    for (code, agreed) in &known.fields {
        if ticket.attributes.get(code).is_some_and(|value| value != agreed) {
            link.ancestor.external.fields.insert(code.clone(), agreed.clone());
            link.open.conflicts.retain(|conflict| conflict.about != *code);
        }
    }
}

fn forget_files(side: Side, policy: &Policy, link: &mut Link, external: &Ticket, internal: &Ticket) {
    let (restored, other) = side.source_and_target(external, internal);
    link.forget_what_went_with_its_ticket(side);
    for copy in std::mem::take(&mut link.files.copies) {
        let kept = if copy.from == side {
            with_its_original(&copy, restored)
        } else {
            where_it_stands(&copy, restored, other)
        };
        match kept {
            Some(copy) => link.files.copies.push(copy),
            // Its original is gone: the copy stays, and its mark counts no more.
            None if copy.from == side => link.files.orphaned.extend(copy.state.standing().map(|id| (side.other(), id))),
            None => {}
        }
    }
    for document in link.files.documents.iter_mut().filter(|document| document.kind.on() == side) {
        let is_it = |file: &&File| file.mark().is_some_and(|mark| mark.kind == document.kind.file_kind());
        let there = restored.files.iter().flatten().find(is_it).map(|file| CopyState::Stands(file.id));
        let was_removed = document.state == Some(CopyState::RemovedByPerson);
        document.holds = None;
        document.state = there.or(was_removed.then_some(CopyState::RemovedByPerson));
    }
    for enclosure in link.files.enclosures.iter_mut().filter(|enclosure| enclosure.from == side.other()) {
        let is_it = |file: &&File| file.mark().is_some_and(|mark| enclosure.is_marked_by(mark));
        let there = restored.files.iter().flatten().find(is_it).map(|file| CopyState::Stands(file.id));
        let was_removed = enclosure.state == Some(CopyState::RemovedByPerson);
        enclosure.state = there.or(was_removed.then_some(CopyState::RemovedByPerson));
        enclosure.again_at_ms = None;
        if !was_removed {
            enclosure.may_hold_anything();
        }
    }
    link.files.enclosures.retain(|enclosure| enclosure.state.is_some() || enclosure.can_be_made());
    logs::forget_what_is_lost(side, policy, link, restored, other);
}

/// A copy whose original is on the restored side. A file with its id but neither its name nor its contents is another
/// file; if only the contents differ, the copy is the newer version, and stays as it is.
fn with_its_original(copy: &Copy, restored: &Ticket) -> Option<Copy> {
    let original = restored.files.iter().flatten().find(|file| file.id == copy.original && file.is_original())?;
    let Some(now) = &original.content else { return Some(copy.clone()) };
    let is_it = now.hash == copy.content.hash || now.name == copy.content.name || copy.content.hash.is_empty();
    is_it.then(|| Copy { content: now.clone(), ..copy.clone() })
}

/// A copy that was made on the restored side: its content there may be older than the last write.
fn where_it_stands(copy: &Copy, restored: &Ticket, other: &Ticket) -> Option<Copy> {
    let stands = restored.files.iter().flatten().find(|file| files::is_its_copy(file, copy));
    // A copy that a person removed may be back.
    let Some(stands) = stands else { return (copy.state == CopyState::RemovedByPerson).then(|| copy.clone()) };
    let original = other.files.iter().flatten().find(|file| file.id == copy.original);
    let (held, original) = (stands.content.as_ref(), original.and_then(|file| file.content.as_ref()));
    let is_older = held.zip(original).is_some_and(|(held, original)| !files::is_copy_with(held, original));
    let content = held.filter(|_| is_older).unwrap_or(&copy.content).clone();
    Some(Copy { content, state: CopyState::Stands(stands.id), ..copy.clone() })
}

/// Takes fields and states as they stand on both sides, and records each difference as an older conflict.
pub fn as_they_stand(policy: &Policy, link: &mut Link, external: &Ticket, internal: &Ticket, when: When) {
    let (notes, mut conflicts) = fields::as_they_stand(policy, external, internal, when);
    notes.iter().for_each(|note| link.remember(note));
    if let Some((note, conflict)) = status::as_it_stands(policy, external, internal, when) {
        link.remember(&note);
        conflicts.extend(conflict);
    }
    link.set_conflicts(conflicts);
}
