//! Parts that are held up are left out of a plan until their time comes, and forgotten when nothing more is to be
//! written for them.

use crate::link::{CopyState, Late, Link, Part, sent};
use crate::plan::{Note, Plan, Write};
use crate::ticket::{Side, Ticket};

pub fn leave_out(link: &Link, external: &Ticket, internal: &Ticket, plan: &mut Plan) {
    if link.open.held.is_empty() {
        return;
    }
    let over =
        link.open.held.iter().map(|held| &held.part).filter(|part| is_over(part, link, external, internal, plan));
    let over: Vec<Note> = over.cloned().map(Note::NoLongerHeld).collect();
    plan.notes.extend(over);
    let now_ms = external.read_at_ms.min(internal.read_at_ms);
    for step in &mut plan.writes {
        if let Write::UpdateFields { fields } = &mut step.write {
            fields.retain(|field| {
                let of = field.source.as_deref().map(sent).unwrap_or_default();
                !link.waits(&Part::Field { code: field.code.clone() }, &of, now_ms)
            });
        }
    }
    plan.writes.retain(|step| match &step.write {
        Write::UpdateFields { fields } => !fields.is_empty(),
        Write::WalkStatus { on, wanted, .. } => !link.waits(&Part::Status { on: *on }, wanted, now_ms),
        write => part_of(write).is_none_or(|part| !link.waits(&part, "", now_ms)),
    });
}

/// The part that a write is about, where it is about one alone.
pub fn part_of(write: &Write) -> Option<Part> {
    Some(match write {
        Write::CreateTicket { .. } => Part::Creation,
        Write::WalkStatus { on, .. } => Part::Status { on: *on },
        Write::CopyFile { from, original }
        | Write::RewriteFile { from, original, .. }
        | Write::DeleteCopy { from, original, .. } => Part::File { from: *from, original: *original },
        Write::Enclose { from, kind, key, .. } => Part::Enclosure { from: *from, kind: *kind, key: key.clone() },
        Write::SendAside { from, log, key } => Part::Entries { from: *from, log: *log, key: key.clone() },
        Write::WriteDocument { kind, .. } => Part::Document { kind: *kind },
        Write::UpdateFields { .. } | Write::SendLog { .. } | Write::SendBatch { .. } | Write::WriteText { .. } => {
            return None;
        }
    })
}

/// Whether nothing is to be written for the part, and nothing sent for it may still land.
fn is_over(part: &Part, link: &Link, external: &Ticket, internal: &Ticket, plan: &Plan) -> bool {
    let is_planned = |part: &Part| {
        plan.writes.iter().any(|step| match (&step.write, part) {
            (Write::UpdateFields { fields }, Part::Field { code }) => fields.iter().any(|field| field.code == *code),
            (write, part) => part_of(write).as_ref() == Some(part),
        })
    };
    if is_planned(part) {
        return false;
    }
    let may_land = |is_it: &dyn Fn(&Late) -> bool| link.in_flight.late.iter().any(|late| is_it(&late.what));
    match part {
        Part::Creation => true,
        // Decided by the target's present text, which is read where the text is written.
        Part::Text(_) | Part::AsHtml { .. } => false,
        Part::Field { code } => !may_land(&|late| late.is_of_field(code)),
        Part::Status { on } => !may_land(&|late| matches!(late, Late::Status { on: side, .. } if side == on)),
        Part::File { from, original } => {
            let (source, _) = from.source_and_target(external, internal);
            let in_doubt = |copy: &crate::link::Copy| matches!(copy.state, CopyState::InDoubt { .. });
            source.files.is_some()
                && !link.copy_of(*from, *original).is_some_and(in_doubt)
                && !may_land(&|late| late.is_of_file(*from, *original))
        }
        Part::Enclosure { from, kind, key } => {
            let (_, target) = from.source_and_target(external, internal);
            let is_open = |enclosure: &crate::link::Enclosure| {
                matches!(enclosure.state, Some(CopyState::InDoubt { .. })) || enclosure.again_at_ms.is_some()
            };
            target.files.is_some() && !link.enclosure(*from, *kind, key).is_some_and(is_open)
        }
        Part::Entries { from, log, key } => {
            let batches = link.log(*from, *log).into_iter().flat_map(|state| state.batches());
            !batches.into_iter().any(|batch| batch.key() == Some(key))
        }
        Part::Document { kind } => {
            let target: &Ticket = if kind.on() == Side::External { external } else { internal };
            let is_open = |document: &crate::document::Document| {
                matches!(document.state, Some(CopyState::InDoubt { .. })) || document.again_at_ms.is_some()
            };
            target.files.is_some() && !link.document(*kind).is_some_and(is_open)
        }
    }
}
