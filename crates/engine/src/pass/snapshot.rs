//! Reads both sides again before a pass writes, and lists the files that its plan needs. `lane/worker` made the first
//! snapshot.

use itop_bridge_core::plan::Plan;
use itop_bridge_core::{Reading, Side, Ticket};

use crate::halt::went_back::read_and_watch;
use crate::pass::hinted::read_named_contents;
use crate::pass::work::Work;
use crate::side::failure::Failure;
use crate::side::itop::Itop;
use crate::side::read::{self, Wanted, list_files};
use crate::side::snapshot::Snapshot;

/// Reads both sides again, in full.
pub(crate) async fn read_again(work: &mut Work<'_>, snapshot: &mut Snapshot) -> Result<(), Failure> {
    let class = work.link.external.class.clone();
    let wanted = Wanted { class: &class, attributes: read::external_attributes(&work.policy, &class), condition: None };
    let external_id = work.link.external.id;
    let external_ids = [external_id];
    let (lane, shared, policy) = (work.lane, work.shared, work.policy.clone());
    let counterpart = work.link.internal.clone();
    let counterparts =
        Wanted { class: &policy.internal_class, attributes: read::internal_attributes(&policy), condition: None };
    let internal_ids: Vec<u64> = counterpart.iter().map(|key| key.id).collect();
    let reads = async {
        tokio::join!(
            read_and_watch(shared, &lane.external, &wanted, &external_ids),
            read_and_watch(shared, &shared.internal, &counterparts, &internal_ids),
        )
    };
    let (mut external, mut internal) = Box::pin(work.reading(reads)).await?;
    let external = one(&mut external, external_id, &lane.external)?;
    snapshot.external = list_as_before(work, &snapshot.external, external, Side::External).await?;
    if let Some(key) = counterpart {
        let internal = one(&mut internal, key.id, &shared.internal)?;
        snapshot.internal = list_as_before(work, &snapshot.internal, internal, Side::Internal).await?;
    }
    read_named_contents(work, snapshot).await
}

/// Lists the files again if they were listed before.
async fn list_as_before(
    work: &mut Work<'_>,
    before: &Reading,
    mut now: Reading,
    side: Side,
) -> Result<Reading, Failure> {
    if let (Reading::Here(Ticket { files: Some(_), .. }), Reading::Here(ticket)) = (before, &mut now) {
        ticket.files = Some(list(work, ticket, side).await?);
    }
    Ok(now)
}

pub(crate) async fn list(
    work: &mut Work<'_>,
    ticket: &Ticket,
    side: Side,
) -> Result<Vec<itop_bridge_core::File>, Failure> {
    let (shared, lane) = (work.shared, work.lane);
    let itop = shared.itop(lane, side);
    let marks = read::marks_of(lane, &shared.server, [&work.link].into_iter(), side);
    let files = work.reading(list_files(shared, itop, &ticket.class, &marks)).await?;
    let mut files = files.map_err(|error| Failure::of(itop, &error))?;
    let mut files = files.remove(&ticket.id).unwrap_or_default();
    work.link.recognize_files(side, &work.mark(), &mut files);
    Ok(files)
}

/// Before files are written, lists that side's files, so that the plan knows those already there and those that a
/// person removed. Returns whether a list was read.
pub(crate) async fn list_what_is_written_to(
    work: &mut Work<'_>,
    plan: &Plan,
    snapshot: &mut Snapshot,
) -> Result<bool, Failure> {
    let mut news = false;
    for side in Side::BOTH {
        if !plan.writes.iter().any(|step| step.write.needs_the_files_of() == Some(side)) {
            continue;
        }
        let Some(ticket) = snapshot.ticket_mut(side) else { continue };
        if ticket.files.is_none() {
            ticket.files = Some(list(work, ticket, side).await?);
            news = true;
        }
    }
    Ok(news)
}

fn one(reads: &mut read::Reads, id: u64, itop: &Itop) -> Result<Reading, Failure> {
    match reads.remove(&id) {
        Some(Ok(Some(read))) => Ok(Reading::Here(read.ticket)),
        Some(Err(error)) => Err(Failure::of(itop, &error)),
        Some(Ok(None)) | None => Ok(Reading::Gone),
    }
}
