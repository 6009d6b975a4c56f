//! Carries out the writes of a plan.

use itop_bridge_core::link::Part;
use itop_bridge_core::plan::{Plan, Step, Write};
use itop_bridge_core::{Side, Ticket, part_of};

use crate::pass::barred::{hold, release};
use crate::pass::create::create;
use crate::pass::documents::write_document;
use crate::pass::enclosures::send_enclosure;
use crate::pass::fields::update_fields;
use crate::pass::files::{copy_file, delete_copy, rewrite_file};
use crate::pass::logs::{send_aside, send_batch, send_log};
use crate::pass::status::walk_status;
use crate::pass::walk_texts::write_text;
use crate::pass::work::{Route, Work};
use crate::side::failure::{Failure, Kind};
use crate::side::snapshot::Snapshot;

/// The outcome of a plan's writes.
#[derive(Debug)]
pub(crate) enum Applied {
    Done,
    /// The counterpart was created, and looks like this: the rest can be planned.
    Created(Ticket),
    /// A ticket changed between the read and the write: read and plan again.
    Stale(Failure),
}

/// Carries the writes out in order. A refused write does not hold back the others; a side that is down does.
pub(crate) async fn apply(work: &mut Work<'_>, plan: &Plan, snapshot: &Snapshot) -> Result<Applied, Failure> {
    let mut applied = Applied::Done;
    for step in &plan.writes {
        let outcome = match (Box::pin(carry_out(work, step, snapshot)).await, whole_part_of(&step.write)) {
            (Ok(None), Some(part)) => release(work, &part).await.map(|()| None),
            (Err(failure), Some(part)) => hold(work, part, content_of(&step.write), failure).await.map(|()| None),
            (outcome, _) => outcome,
        };
        match outcome {
            Ok(Some(created)) => applied = created,
            Ok(None) => {}
            Err(failure) if failure.kind == Kind::Stale => applied = Applied::Stale(failure),
            Err(failure) if failure.ends_the_pass() => return Err(failure),
            Err(failure) => work.failed_writes.push(failure),
        }
    }
    Ok(applied)
}

async fn carry_out(work: &mut Work<'_>, step: &Step, snapshot: &Snapshot) -> Result<Option<Applied>, Failure> {
    let Some(external) = snapshot.ticket(Side::External) else { return Ok(None) };
    if let Write::CreateTicket { class, fields } = &step.write {
        return Ok(create(work, class, fields, external).await?.map(Applied::Created));
    }
    let Some(internal) = snapshot.ticket(Side::Internal) else { return Ok(None) };
    let reason = &step.reason;
    let route = |from: Side| {
        let (source, target) = from.source_and_target(external, internal);
        Route { from, source, target, reason }
    };
    match &step.write {
        Write::CreateTicket { .. } => {}
        Write::UpdateFields { fields } => update_fields(work, fields, internal, reason).await?,
        Write::WalkStatus { on, wanted, walk } => walk_status(work, route(on.other()), wanted, walk).await?,
        Write::WriteText { on, code, value } => {
            write_text(work, *on, (code, value), None, route(on.other()).target, reason).await?;
        }
        Write::CopyFile { from, original } => copy_file(work, route(*from), *original).await?,
        Write::RewriteFile { from, original, copy } => rewrite_file(work, route(*from), *original, *copy).await?,
        Write::DeleteCopy { from, original, copy } => delete_copy(work, route(*from), *original, *copy).await?,
        Write::SendLog { from, log, entries } => send_log(work, route(*from), *log, entries).await?,
        Write::SendBatch { from, log } => send_batch(work, route(*from), *log).await?,
        Write::Enclose { from, kind, key, copy } => send_enclosure(work, route(*from), *kind, key, *copy).await?,
        Write::SendAside { from, log, key } => send_aside(work, route(*from), *log, key).await?,
        Write::WriteDocument { kind, copy } => {
            write_document(work, *kind, *copy, route(kind.from()).target, reason).await?;
        }
    }
    Ok(None)
}

/// The part that a write is about, if the write's own outcome settles it.
fn whole_part_of(write: &Write) -> Option<Part> {
    // Entries that were set aside become several parts once they are sent in halves; `send_aside` holds each itself.
    part_of(write).filter(|part| !matches!(part, Part::Entries { .. }))
}

/// Tells one content of the part from another: for a walk, its destination.
fn content_of(write: &Write) -> &str {
    if let Write::WalkStatus { wanted, .. } = write { wanted } else { "" }
}
