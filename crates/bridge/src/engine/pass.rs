//! One pass on one ticket: both sides as they were just read, the plan, the writes, the record.
//!
//! Each write's intent is stored before the call and its own result after it, so that a crash between
//! any two steps leaves nothing to guess: what was sent and may still land is in the link.

use std::sync::Arc;

use itop_bridge_core::link::{CopyState, Late};
use itop_bridge_core::plan::{Note, Plan, Write};
use itop_bridge_core::{Link, Policy, Side, Sight, Ticket, TicketMark, reconcile};

use super::failure::{Failure, Kind, news};
use super::in_hand::InHand;
use super::itop::Itop;
use super::read::{self, Wanted};
use super::suspensions::say_over;
use super::{Lane, Shared};
use crate::store::{Activity, Claim, LinkState, Look, Next};

/// What both sides showed when the pass began.
#[derive(Debug, Clone)]
pub struct Sights {
    pub external: Sight,
    pub internal: Sight,
    /// The external log's first entry, read only while there is no link.
    pub first_entry: Option<String>,
}

/// A ticket that keeps moving between read and write is given up after this many plans.
const MAX_PLANS: usize = 4;

pub struct Pass<'a> {
    pub(super) shared: &'a Shared,
    pub(super) lane: &'a Lane,
    pub(super) policy: Arc<Policy>,
    pub(super) claim: Claim,
    pub(super) link_id: Option<i64>,
    pub(super) link: Link,
    /// What the activity log is told with the next save.
    pub(super) did: Vec<Activity>,
    wrote: Vec<String>,
    pub(super) failures: Vec<Failure>,
    /// The planned writes of the present round that failed. A later round plans anew.
    failed_writes: Vec<Failure>,
    /// Why there was nothing to plan, for the log.
    idle_because: Option<&'static str>,
    /// The pair is over: its row in the queue is gone already.
    ended: bool,
    pub(super) files: InHand,
}

/// What the writes of a plan led to.
#[derive(Debug)]
enum Applied {
    Done,
    /// The counterpart was made: this is what it looks like, and the rest can be planned.
    Created(Ticket),
    /// Something moved between the read and the write: read and plan again.
    Stale(Failure),
}

impl<'a> Pass<'a> {
    pub fn new(shared: &'a Shared, lane: &'a Lane, policy: Arc<Policy>, claim: Claim, files: InHand) -> Pass<'a> {
        let (link_id, link) = match &claim.link {
            Some((id, link)) => (Some(*id), link.clone()),
            None => (None, Link::unborn(no_ticket())),
        };
        Pass {
            shared,
            lane,
            policy,
            claim,
            link_id,
            link,
            did: Vec::new(),
            wrote: Vec::new(),
            failures: Vec::new(),
            failed_writes: Vec::new(),
            idle_because: None,
            ended: false,
            files,
        }
    }

    /// A claim that names only attachments which are known, on a link with nothing open: these alone
    /// are looked at first.
    pub fn looks_only_at_named_files(claim: &Claim) -> bool {
        let Some((_, link)) = &claim.link else { return false };
        let look = &claim.look;
        let known = |id: &u64| link.copy_of(Side::External, *id).is_some_and(|copy| copy.missing_since_ms.is_none());
        let named = !look.external_attachments.is_empty() || !look.internal_attachments.is_empty();
        let open = Pass::has_open_files(link) || link.creation.is_some() || link.halt.is_some();
        !look.ticket && named && !open && link.internal.is_some() && look.external_attachments.iter().all(known)
    }

    pub fn needs_external_files(claim: &Claim) -> bool {
        let doubtful = |link: &Link| {
            link.internal.is_none()
                || link
                    .copies
                    .iter()
                    .any(|copy| copy.missing_since_ms.is_some() || matches!(copy.state, CopyState::InDoubt { .. }))
        };
        let named = !claim.look.external_attachments.is_empty();
        claim.look.files || named || claim.link.as_ref().is_none_or(|(_, link)| doubtful(link))
    }

    /// Whether the internal side's files are to be listed: the audit misses some of them, or something
    /// was sent to them that has no known end.
    pub fn needs_internal_files(claim: &Claim) -> bool {
        let missed = claim.look.ticket && claim.look.files && !claim.look.internal_attachments.is_empty();
        claim.link.as_ref().is_some_and(|(_, link)| missed || Pass::has_open_files(link))
    }

    fn has_open_files(link: &Link) -> bool {
        link.copies.iter().any(|copy| matches!(copy.state, CopyState::InDoubt { .. }))
            || link.late.iter().any(|late| matches!(late.what, Late::File { .. }))
    }

    pub async fn run(mut self, sights: Result<Sights, Failure>, started_ms: i64) {
        let next = match sights {
            Ok(sights) => match self.work(sights).await {
                Ok(next) => next,
                Err(failure) => {
                    self.failures.push(failure);
                    Next::Done
                }
            },
            Err(failure) => {
                self.failures.push(failure);
                Next::Done
            }
        };
        self.failures.append(&mut self.failed_writes);
        if self.ended {
            return self.shared.hand_back(&self.claim);
        }
        if self.failures.iter().any(|failure| failure.kind == Kind::LeaseLost) {
            tracing::warn!(ticket = %self.name(), "another worker took the ticket over");
            return self.shared.hand_back(&self.claim);
        }
        let next = if self.failures.is_empty() {
            self.is_well();
            next
        } else {
            self.shared.after_failure(self.lane, &self.claim, &self.failures)
        };
        self.log(&next, started_ms);
        self.shared.finish(&self.claim, next).await;
    }

    fn is_well(&self) {
        let ended = self.shared.suspensions().is_well(&self.lane.name, self.claim.lease.of.ticket);
        say_over(&ended);
    }

    /// How people call the ticket.
    pub(super) fn name(&self) -> String {
        let reference = &self.link.external.reference;
        let id = self.claim.lease.of.ticket;
        if reference.is_empty() {
            format!("{}:{id}", self.lane.name)
        } else {
            format!("{}:{reference}", self.lane.name)
        }
    }

    fn log(&self, next: &Next, started_ms: i64) {
        let ticket = self.name();
        let ms = self.shared.now_ms() - started_ms;
        let wrote = match (self.wrote.as_slice(), self.idle_because) {
            ([], Some(why)) => format!("nothing: {why}"),
            ([], None) => "nothing".to_owned(),
            (wrote, _) => wrote.join(", "),
        };
        match (next, news(&self.claim, next)) {
            (_, Some((error, parked))) => tracing::warn!(ticket, wrote, ms, parked, error, "pass failed"),
            (Next::Retry { error, .. }, None) => tracing::debug!(ticket, wrote, ms, error, "pass failed again"),
            _ => tracing::info!(ticket, wrote, ms, "pass"),
        }
    }

    async fn work(&mut self, mut sights: Sights) -> Result<Next, Failure> {
        if self.link_id.is_none() {
            match &sights.external {
                Sight::Here(ticket) => {
                    self.idle_because = self.why_not(ticket, sights.first_entry.as_deref()).await?;
                    if self.idle_because.is_some() {
                        return Ok(Next::Done);
                    }
                    self.link = Link::unborn(itop_bridge_core::TicketKey {
                        class: ticket.class.clone(),
                        id: ticket.id,
                        reference: ticket.reference.clone(),
                    });
                }
                _ => {
                    self.idle_because = Some("it does not fit `only`, or is gone");
                    return Ok(Next::Done);
                }
            }
        }
        self.settle_what_was_being_sent().await?;
        if let (Some(creation), Some(_)) = (self.link.creation.clone(), &self.link.internal) {
            self.report_twins(&creation).await?;
        } else if let (Some(creation), Sight::Here(_)) = (self.link.creation.clone(), &sights.external) {
            let asked_ms = self.shared.now_ms();
            match self.find_created(&creation).await? {
                Some(ticket) => sights.internal = Sight::Here(ticket),
                None if asked_ms < creation.until_ms => {
                    self.idle_because = Some("a create without an answer may still land");
                    let due_ms = creation.until_ms.min(self.shared.now_ms() + self.policy.waits.doubt_look_ms);
                    return Ok(Next::Look { due_ms, look: self.claim.look.clone() });
                }
                None => {}
            }
        }
        self.read_named_contents(&mut sights).await?;
        let look_again = self.plan_and_write(sights).await?;
        Ok(self.next_look(look_again))
    }

    /// Why a ticket without a link, which fits `only` (the read saw to that), is not carried inside: it is
    /// somebody's copy, or older than the connection.
    async fn why_not(&self, ticket: &Ticket, first_entry: Option<&str>) -> Result<Option<&'static str>, Failure> {
        if first_entry.is_some_and(|entry| TicketMark::find(entry).is_some()) {
            return Ok(Some("it is a bridge's copy"));
        }
        let left_alone = self.shared.is_left_alone(self.lane, ticket, &self.claim.look).await?;
        Ok(left_alone.then_some("it is older than the connection"))
    }

    /// The rounds of plan and writes. Answers when to look again though nothing new was heard.
    async fn plan_and_write(&mut self, mut sights: Sights) -> Result<Option<i64>, Failure> {
        let (mut rounds, mut fresh) = (0, false);
        loop {
            let plan = reconcile(&self.policy, &self.link, &sights.external, &sights.internal);
            if let Some(halt) = &plan.halt {
                self.take_notes(&plan);
                return self.stop(halt.clone()).await.map(|()| None);
            }
            if let Some(end) = &plan.end {
                return self.end(&end.text).await.map(|()| None);
            }
            if touches_files(&plan) && self.list_internal_files(&mut sights).await? {
                continue;
            }
            // Once a round: where reading itself takes long, nothing is ever fresh.
            if !plan.writes_nothing() && !fresh && self.is_stale(&sights) {
                self.read_again(&mut sights).await?;
                fresh = true;
                continue;
            }
            if rounds == 0
                && let Sight::Here(target) = &sights.internal
            {
                self.settle_plain_texts(target).await?;
            }
            let changed = self.take_notes(&plan);
            self.failed_writes.clear();
            if plan.writes_nothing() {
                if changed {
                    self.save().await?;
                }
                return Ok(plan.look_again_at_ms);
            }
            rounds += 1;
            match self.apply(&plan, &sights).await? {
                Applied::Done => return Ok(plan.look_again_at_ms),
                Applied::Stale(stale) if rounds == MAX_PLANS => {
                    let text = format!("the ticket moved each time the bridge wrote to it: {}", stale.text);
                    self.failures.push(Failure { kind: Kind::Refused, text, ..stale });
                    return Ok(None);
                }
                Applied::Created(ticket) => {
                    sights.internal = Sight::Here(ticket);
                    fresh = false;
                }
                Applied::Stale(_) => {
                    self.read_again(&mut sights).await?;
                    fresh = true;
                }
            }
        }
    }

    fn is_stale(&self, sights: &Sights) -> bool {
        let oldest = [&sights.external, &sights.internal]
            .into_iter()
            .filter_map(|sight| if let Sight::Here(ticket) = sight { Some(ticket.read_at_ms) } else { None })
            .min();
        oldest.is_some_and(|read_at| self.shared.now_ms() - read_at > self.shared.timing.stale_read_ms)
    }

    async fn stop(&mut self, halt: itop_bridge_core::plan::Halt) -> Result<(), Failure> {
        if self.link.halt.as_ref() != Some(&halt) {
            tracing::error!(ticket = %self.name(), reason = %halt.text, "halted: nothing is written to this pair until `resume`");
            self.did(format!("halted: {}", halt.text));
            self.link.halt = Some(halt);
            self.save().await?;
        }
        Ok(())
    }

    /// The pair is over: an operator resumed it although a ticket is gone.
    async fn end(&mut self, why: &str) -> Result<(), Failure> {
        tracing::warn!(ticket = %self.name(), why, "the pair has ended");
        let Some(id) = self.link_id else { return Ok(()) };
        self.ended = true;
        let did = Activity { at_ms: self.shared.now_ms(), text: format!("ended: {why}") };
        let now = self.shared.now_ms();
        let end = move |store: &mut dyn crate::store::Store| {
            store.amend_link(
                id,
                &|link, state| {
                    link.resumed = false;
                    *state = LinkState::Ended
                },
                &did,
                now,
            )
        };
        Ok(self.shared.store.call(end).await?)
    }

    /// Takes what the plan noted into the link; answers whether that changed anything.
    fn take_notes(&mut self, plan: &Plan) -> bool {
        let before = self.link.clone();
        for note in &plan.notes {
            match note {
                Note::Adopt(copy) => self.did(format!("found the copy of attachment {} by its mark", copy.original)),
                Note::CopyRemovedByPerson { original, .. } => {
                    self.did(format!("the copy of attachment {original} was deleted by a person; it stays deleted"));
                }
                Note::ExternalReference(reference) => {
                    self.did(format!("{} is {reference} from now on", self.link.external.reference));
                }
                _ => {}
            }
            self.link.remember(note);
        }
        for conflict in &plan.conflicts {
            if !self.link.conflicts.contains(conflict) {
                tracing::warn!(ticket = %self.name(), conflict = %conflict.text, "conflict");
                self.did(format!("conflict: {}", conflict.text));
            }
        }
        self.link.conflicts.clone_from(&plan.conflicts);
        self.link != before
    }

    /// Carries the writes out in order. One that is refused does not hold back the others; one that
    /// says that the side is down does.
    async fn apply(&mut self, plan: &Plan, sights: &Sights) -> Result<Applied, Failure> {
        let (Sight::Here(external), internal) = (&sights.external, &sights.internal) else { return Ok(Applied::Done) };
        let mut applied = Applied::Done;
        for step in &plan.writes {
            let target = if let Sight::Here(ticket) = internal { Some(ticket) } else { None };
            let outcome = match (&step.write, target) {
                (Write::CreateTicket { class, fields }, _) => {
                    self.create(class, fields, external).await.map(|created| created.map(Applied::Created))
                }
                (Write::UpdateFields { fields }, Some(target)) => {
                    self.update_fields(fields, target, &step.reason).await.map(|()| None)
                }
                (Write::WalkStatus { wanted, walk }, Some(target)) => {
                    self.walk(wanted, walk, target, &step.reason).await.map(|()| None)
                }
                (Write::CopyFile { original, .. }, Some(target)) => {
                    self.copy_file(*original, external, target).await.map(|()| None)
                }
                (Write::RewriteFile { original, copy, .. }, Some(_)) => {
                    self.rewrite_file(*original, *copy, external, &step.reason).await.map(|()| None)
                }
                (Write::DeleteCopy { original, copy, .. }, Some(_)) => {
                    self.delete_copy(*original, *copy, &step.reason).await.map(|()| None)
                }
                (_, None) => Ok(None),
            };
            match outcome {
                Ok(Some(created)) => applied = created,
                Ok(None) => {}
                Err(failure) if failure.kind == Kind::Stale => applied = Applied::Stale(failure),
                Err(failure) if failure.ends_the_pass() => return Err(failure),
                Err(failure) => self.failed_writes.push(failure),
            }
        }
        Ok(applied)
    }

    /// What failed holds back nothing else, unless the side is down.
    pub(super) fn go_on_after(&mut self, outcome: Result<(), Failure>) -> Result<(), Failure> {
        match outcome {
            Err(failure) if !failure.ends_the_pass() => self.failures.push(failure),
            outcome => return outcome,
        }
        Ok(())
    }

    /// Both sides again, as a whole.
    async fn read_again(&mut self, sights: &mut Sights) -> Result<(), Failure> {
        let class = self.link.external.class.clone();
        let wanted = Wanted { class: &class, attributes: read::external_attributes(&self.policy), condition: None };
        let external_id = self.link.external.id;
        let external_ids = [external_id];
        let (lane, shared, policy) = (self.lane, self.shared, self.policy.clone());
        let counterpart = self.link.internal.clone();
        let counterparts =
            Wanted { class: &policy.internal_class, attributes: read::internal_attributes(&policy), condition: None };
        let internal_ids: Vec<u64> = counterpart.iter().map(|key| key.id).collect();
        let reads = async {
            tokio::join!(
                shared.read_tickets(&lane.external, &wanted, &external_ids),
                shared.read_tickets(&shared.internal, &counterparts, &internal_ids),
            )
        };
        let (mut external, mut internal) = self.reading(reads).await?;
        let external = one(&mut external, external_id, &lane.external)?;
        sights.external = self.list_as_before(&sights.external, external, Side::External).await?;
        if let Some(key) = counterpart {
            let internal = one(&mut internal, key.id, &shared.internal)?;
            sights.internal = self.list_as_before(&sights.internal, internal, Side::Internal).await?;
        }
        self.read_named_contents(sights).await
    }

    /// Files that were listed before are listed again.
    async fn list_as_before(&mut self, before: &Sight, mut now: Sight, side: Side) -> Result<Sight, Failure> {
        if let (Sight::Here(Ticket { files: Some(_), .. }), Sight::Here(ticket)) = (before, &mut now) {
            ticket.files = Some(self.list(ticket, side).await?);
        }
        Ok(now)
    }

    async fn list(&mut self, ticket: &Ticket, side: Side) -> Result<Vec<itop_bridge_core::File>, Failure> {
        let (shared, lane) = (self.shared, self.lane);
        let itop = shared.itop(lane, side);
        let marks = read::marks_of(lane, &shared.server, [&self.link].into_iter(), side);
        let files = self.reading(shared.list_files(itop, &ticket.class, &marks)).await?;
        let mut files = files.map_err(|error| Failure::of(itop, &error))?;
        Ok(files.remove(&ticket.id).unwrap_or_default())
    }

    /// Before files are written the internal list is read, so that a copy which is already there, or
    /// which a person removed, is known. Answers whether that was news.
    async fn list_internal_files(&mut self, sights: &mut Sights) -> Result<bool, Failure> {
        let Sight::Here(ticket) = &mut sights.internal else { return Ok(false) };
        if ticket.files.is_some() {
            return Ok(false);
        }
        ticket.files = Some(self.list(ticket, Side::Internal).await?);
        Ok(true)
    }

    /// When to look again: what the plan asked for, what may still land, and the attachments that a
    /// hint named, since a delete hook comes before the deletion.
    fn next_look(&self, plan_ms: Option<i64>) -> Next {
        let now = self.shared.now_ms();
        let doubt = self.link.copies.iter().filter_map(|copy| match copy.state {
            CopyState::InDoubt { until_ms } => Some(until_ms.min(now + self.policy.waits.doubt_look_ms)),
            _ => None,
        });
        let late = self.link.late.iter().map(|late| late.until_ms);
        let twins = self.link.creation.iter().map(|creation| creation.until_ms);
        // Never at once: what this pass could not tell, the next one tells no sooner than a while later.
        let soonest = now + self.shared.timing.backoff_first_ms;
        let planned = plan_ms.into_iter().chain(doubt).chain(late).chain(twins).min().map(|due| due.max(soonest));
        let mut look = self.claim.look.clone();
        // What is missing already is not announced any more: the plan says when to look again.
        let missing =
            |id: &u64| self.link.copy_of(Side::External, *id).is_some_and(|copy| copy.missing_since_ms.is_some());
        look.external_attachments.retain(|id| !missing(id));
        let second = self.shared.second_look(&look, now);
        match (planned, second) {
            (None, None) => Next::Done,
            (Some(due), None) => Next::Look { due_ms: due, look: Look::everything() },
            (None, Some((due_ms, look))) => Next::Look { due_ms, look },
            (Some(planned), Some((due_ms, mut look))) => {
                // Which of the two comes first does not matter: the look that is left covers both.
                look.ticket = true;
                look.files = true;
                Next::Look { due_ms: due_ms.min(planned), look }
            }
        }
    }

    pub(super) fn did(&mut self, text: String) {
        self.did.push(Activity { at_ms: self.shared.now_ms(), text });
    }

    pub(super) fn wrote(&mut self, what: &str, why: &str) {
        self.wrote.push(what.to_owned());
        self.did(format!("{what}: {why}"));
    }

    /// Stores the link as it is now.
    pub(super) async fn save(&mut self) -> Result<(), Failure> {
        let (lease, link, did) = (self.claim.lease.clone(), self.link.clone(), std::mem::take(&mut self.did));
        match self.link_id {
            Some(id) => self.shared.store.call(move |store| store.save_link(&lease, id, &link, &did)).await?,
            None => {
                let insert = self.shared.store.call(move |store| store.insert_link(&lease, &link, &did));
                self.link_id = Some(insert.await?);
            }
        }
        Ok(())
    }

    /// What stands in iTop's history for each of the bridge's changes.
    pub(super) fn comment(&self) -> String {
        format!("itop-bridge: {} of {}", self.link.external.reference, self.lane.name)
    }

    /// A write of this class went through on that side: whatever suspended it is over.
    pub(super) fn went_through(&self, itop: &Itop, class: &str) {
        let (external, ticket) = (&self.lane.name, self.claim.lease.of.ticket);
        say_over(&self.shared.suspensions().was_written(external, ticket, &itop.name, class));
    }
}

fn touches_files(plan: &Plan) -> bool {
    plan.writes
        .iter()
        .any(|step| matches!(step.write, Write::CopyFile { .. } | Write::RewriteFile { .. } | Write::DeleteCopy { .. }))
}

fn one(reads: &mut read::Reads, id: u64, itop: &Itop) -> Result<Sight, Failure> {
    match reads.remove(&id) {
        Some(Ok(Some(read))) => Ok(Sight::Here(read.ticket)),
        Some(Err(error)) => Err(Failure::of(itop, &error)),
        Some(Ok(None)) | None => Ok(Sight::Gone),
    }
}

fn no_ticket() -> itop_bridge_core::TicketKey {
    itop_bridge_core::TicketKey { class: String::new(), id: 0, reference: String::new() }
}
