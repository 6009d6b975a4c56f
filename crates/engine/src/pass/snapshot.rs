//! The snapshots of both sides: as the pass found them, and as it reads them again before it writes.

use itop_bridge_core::plan::Plan;
use itop_bridge_core::{Side, Sight, Ticket};

use crate::halt::went_back::read_and_watch;
use crate::pass::Pass;
use crate::side::failure::Failure;
use crate::side::itop::Itop;
use crate::side::read::{self, Wanted, list_files};
use crate::side::snapshot::Snapshot;

impl Pass<'_> {
    /// Reads both sides again, in full.
    pub(crate) async fn read_again(&mut self, snapshot: &mut Snapshot) -> Result<(), Failure> {
        let class = self.link.external.class.clone();
        let wanted =
            Wanted { class: &class, attributes: read::external_attributes(&self.policy, &class), condition: None };
        let external_id = self.link.external.id;
        let external_ids = [external_id];
        let (lane, shared, policy) = (self.lane, self.shared, self.policy.clone());
        let counterpart = self.link.internal.clone();
        let counterparts =
            Wanted { class: &policy.internal_class, attributes: read::internal_attributes(&policy), condition: None };
        let internal_ids: Vec<u64> = counterpart.iter().map(|key| key.id).collect();
        let reads = async {
            tokio::join!(
                read_and_watch(shared, &lane.external, &wanted, &external_ids),
                read_and_watch(shared, &shared.internal, &counterparts, &internal_ids),
            )
        };
        let (mut external, mut internal) = Box::pin(self.reading(reads)).await?;
        let external = one(&mut external, external_id, &lane.external)?;
        snapshot.external = self.list_as_before(&snapshot.external, external, Side::External).await?;
        if let Some(key) = counterpart {
            let internal = one(&mut internal, key.id, &shared.internal)?;
            snapshot.internal = self.list_as_before(&snapshot.internal, internal, Side::Internal).await?;
        }
        self.read_named_contents(snapshot).await
    }

    /// Lists the files again if they were listed before.
    async fn list_as_before(&mut self, before: &Sight, mut now: Sight, side: Side) -> Result<Sight, Failure> {
        if let (Sight::Here(Ticket { files: Some(_), .. }), Sight::Here(ticket)) = (before, &mut now) {
            ticket.files = Some(self.list(ticket, side).await?);
        }
        Ok(now)
    }

    pub(crate) async fn list(&mut self, ticket: &Ticket, side: Side) -> Result<Vec<itop_bridge_core::File>, Failure> {
        let (shared, lane) = (self.shared, self.lane);
        let itop = shared.itop(lane, side);
        let marks = read::marks_of(lane, &shared.server, [&self.link].into_iter(), side);
        let files = self.reading(list_files(shared, itop, &ticket.class, &marks)).await?;
        let mut files = files.map_err(|error| Failure::of(itop, &error))?;
        let mut files = files.remove(&ticket.id).unwrap_or_default();
        self.link.recognize_files(side, &self.mark(), &mut files);
        Ok(files)
    }

    /// Before files are written, lists that side's files, so that the plan knows those already there and those that a
    /// person removed. Returns whether a list was read.
    pub(crate) async fn list_what_is_written_to(
        &mut self,
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
                ticket.files = Some(self.list(ticket, side).await?);
                news = true;
            }
        }
        Ok(news)
    }
}

fn one(reads: &mut read::Reads, id: u64, itop: &Itop) -> Result<Sight, Failure> {
    match reads.remove(&id) {
        Some(Ok(Some(read))) => Ok(Sight::Here(read.ticket)),
        Some(Err(error)) => Err(Failure::of(itop, &error)),
        Some(Ok(None)) | None => Ok(Sight::Gone),
    }
}
