//! Files for content that does not fit into a field: what happened to them, and what is still to be sent.

use crate::link::{CopyState, Enclosure, Link};
use crate::mark::FileKind;
use crate::plan::{Note, Plan, Step, Write};
use crate::policy::Policy;
use crate::reconcile::files::{doubt_look, has_settled};
use crate::ticket::{Side, Ticket};

pub fn plan(policy: &Policy, link: &Link, external: &Ticket, internal: &Ticket, plan: &mut Plan) {
    for enclosure in &link.files.enclosures {
        let (_, target) = enclosure.from.source_and_target(external, internal);
        let mut now = enclosure.clone();
        find(&mut now, target);
        let write = next(policy, &mut now, target, plan);
        if now != *enclosure {
            plan.notes.push(Note::Enclosure(now));
        }
        plan.writes.extend(write);
    }
    for from in Side::BOTH {
        let (_, target) = from.source_and_target(external, internal);
        plan.notes.extend(unknown(link, from, target).map(Note::Enclosure));
    }
}

/// Whole texts that the store does not know: it may have been restored from a backup. An image is taken in once a
/// text that shows it is written.
fn unknown<'a>(link: &'a Link, from: Side, target: &'a Ticket) -> impl Iterator<Item = Enclosure> + 'a {
    let marked = target.files.iter().flatten().filter_map(|file| Some((file.id, file.mark()?)));
    let texts = marked.filter(move |(_, mark)| mark.from == from && mark.kind == FileKind::Text);
    let unknown = texts.filter(move |(_, mark)| link.enclosure(from, FileKind::Text, &mark.key).is_none());
    unknown.map(move |(id, mark)| Enclosure::found(from, &mark.key, id))
}

/// Looks the enclosure up in the target's list of files, if that was read.
fn find(enclosure: &mut Enclosure, target: &Ticket) {
    let Some(files) = &target.files else { return };
    let marked = |id: &u64| files.iter().any(|file| file.id == *id && is_it(enclosure, file));
    let there = files.iter().find(|file| is_it(enclosure, file)).map(|file| file.id);
    match (&enclosure.state, there) {
        (None | Some(CopyState::InDoubt { .. } | CopyState::RemovedByPerson), Some(id)) => {
            // Found by its mark: its content is not known. One that seemed to be removed was hidden from the account.
            enclosure.state = Some(CopyState::Stands(id));
            enclosure.may_hold_anything();
        }
        (Some(CopyState::Stands(id)), _) if !marked(id) => enclosure.removed_by_person(),
        _ => {}
    }
}

fn is_it(enclosure: &Enclosure, file: &crate::ticket::File) -> bool {
    file.mark().is_some_and(|mark| enclosure.is_marked_by(mark))
}

fn next(policy: &Policy, enclosure: &mut Enclosure, target: &Ticket, plan: &mut Plan) -> Option<Step> {
    let (from, kind, key) = (enclosure.from, enclosure.kind(), enclosure.key());
    let reason = match kind {
        FileKind::Image => format!("{} has no room for a picture", enclosure.code),
        _ => format!("{} has no room for the whole text", enclosure.code),
    };
    let write = |copy, reason| Some(Step { write: Write::Enclose { from, kind, key, copy }, reason });
    match enclosure.state {
        None => write(None, reason),
        // A person removed the file of an earlier text: the present text stands nowhere yet.
        Some(CopyState::RemovedByPerson) if enclosure.is_outdated() => write(None, reason),
        Some(CopyState::InDoubt { until_ms }) if has_settled(target, until_ms) => {
            enclosure.state = None;
            write(None, "an unanswered file never arrived".to_owned())
        }
        Some(CopyState::InDoubt { until_ms }) => {
            plan.look_again(doubt_look(policy, target, until_ms));
            None
        }
        Some(CopyState::Stands(id)) => {
            let settles_at_ms = enclosure.again_at_ms.filter(|at| *at > target.read_at_ms);
            settles_at_ms.into_iter().for_each(|at| plan.look_again(at));
            if enclosure.is_outdated() {
                write(Some(id), reason)
            } else if enclosure.again_at_ms.is_some() && settles_at_ms.is_none() {
                write(Some(id), "an earlier content may have landed late".to_owned())
            } else {
                None
            }
        }
        Some(CopyState::RemovedByPerson) => None,
    }
}
