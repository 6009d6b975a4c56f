//! One pass over one ticket: read both sides, plan, write, record.
//!
//! Each write's intent is stored before the call and its result after it. So a crash between any two steps leaves
//! nothing to guess: the link names every write that was sent and may still take effect.

pub(crate) mod apart;
pub(crate) mod barred;
pub(crate) mod create;
pub(crate) mod crossing;
pub(crate) mod documents;
pub(crate) mod enclosures;
pub(crate) mod fields;
pub(crate) mod file_budget;
pub(crate) mod files;
pub(crate) mod given_again;
pub(crate) mod heavy;
pub(crate) mod identity;
pub(crate) mod logs;
pub(crate) mod looks;
pub(crate) mod missing;
pub(crate) mod parents;
pub(crate) mod plain;
pub(crate) mod reworded;
pub(crate) mod snapshot;
pub(crate) mod status;
pub(crate) mod unseen;
pub(crate) mod write;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use itop_bridge_core::document::{Document, report_attributes};
use itop_bridge_core::link::{ConflictKind, CopyState, Ending, LogNote, Part};
use itop_bridge_core::plan::{Halt, Note, Plan, Step, Write};
use itop_bridge_core::policy::StatusToExternal;
use itop_bridge_core::{Link, Policy, Side, Sight, Ticket, TicketKey, part_of, reconcile};
use itop_bridge_store::{About, Activity, Claim, DirtyMark, LinkState, Look, Next};
use itop_client::Query;

use crate::halt::halts::halt_if_files_of_the_side_are_gone;
use crate::halt::went_back::halt_if_restored;
use crate::pass::file_budget::FileBudget;
use crate::pass::files::next_second_look;
use crate::pass::heavy::note_heavy;
use crate::pass::identity::with_iso_dates;
use crate::pass::looks::after_an_absence;
use crate::pass::unseen::note_if_unseen;
use crate::queue::finish::{self, end_waiting, hand_back};
use crate::queue::retry::{after_failure, and_look, news};
use crate::scope::connection::{A_COPY, say_that_it_is_a_copy, why_not_carried};
use crate::side::call;
use crate::side::failure::{Failure, Kind};
use crate::side::instants::{note_waiting_for_date, see_abroad};
use crate::side::lease::keep_lease;
use crate::side::snapshot::Snapshot;
use crate::wording::count::counted;
use crate::wording::moment::moment;
use crate::wording::{self, AfterResume};
use crate::{Lane, Shared};

/// The pass gives up on a ticket that keeps changing between read and write after this many plans.
const MAX_PLANS: usize = 4;

pub struct Pass<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) lane: &'a Lane,
    pub(crate) policy: Arc<Policy>,
    pub(crate) claim: Claim,
    pub(crate) link_id: Option<i64>,
    pub(crate) link: Link,
    /// The activity entries that the next save stores.
    pub(crate) did: Vec<Activity>,
    wrote: Vec<String>,
    pub(crate) failures: Vec<Failure>,
    /// The planned writes of the present round that failed. A later round plans afresh.
    failed_writes: Vec<Failure>,
    /// Why there was nothing to plan, for the log.
    pub(crate) idle_because: Option<Cow<'static, str>>,
    /// The pair has ended: its row in the queue is gone already.
    ended: bool,
    pub(crate) files: FileBudget,
    /// The files whose contents this pass requested and did not get: the next pass requests them again.
    pub(crate) unread: BTreeSet<(Side, u64)>,
    /// When another pass must follow because of something that this pass did after its plan was made.
    look_again_at_ms: Option<i64>,
    /// No plan was dropped, so the hints are dealt with. Otherwise the next pass looks at everything again.
    is_carried_out: bool,
    /// This pass has changed the internal ticket's state: the report must still be updated.
    pub(crate) is_to_be_told: bool,
}

/// The outcome of a plan's writes.
#[derive(Debug)]
enum Applied {
    Done,
    /// The counterpart was created, and looks like this: the rest can be planned.
    Created(Ticket),
    /// A ticket changed between the read and the write: read and plan again.
    Stale(Failure),
}

impl<'a> Pass<'a> {
    pub fn new(shared: &'a Shared, lane: &'a Lane, policy: Arc<Policy>, claim: Claim, files: FileBudget) -> Pass<'a> {
        let (link_id, mut link) = match &claim.link {
            Some((id, link)) => (Some(*id), with_iso_dates(link, &shared.internal, &lane.external)),
            None => (None, Link::unborn(no_ticket())),
        };
        // An older link has no time for its removed files: count them as removed long ago.
        link.takes_down_removed(0);
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
            unread: BTreeSet::new(),
            look_again_at_ms: None,
            is_carried_out: true,
            is_to_be_told: false,
        }
    }

    pub async fn run(mut self, snapshot: Result<Snapshot, Failure>, started_ms: i64) {
        let mut has_looked = false;
        let next = match snapshot {
            Ok(snapshot) => match Box::pin(self.work(snapshot)).await {
                Ok(next) => {
                    has_looked = true;
                    next
                }
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
            return end_waiting(self.shared, &self.claim);
        }
        if self.failures.iter().any(|failure| failure.kind == Kind::LeaseLost) {
            tracing::warn!(ticket = %self.name(), "another worker took the ticket over");
            return hand_back(self.shared, &self.claim);
        }
        note_heavy(self.shared, self.lane, self.link_id, &self.link);
        let next = if self.failures.is_empty() {
            next
        } else {
            let retry = after_failure(self.shared, self.lane, &self.claim, &self.failures);
            let mut had = self.claim.look.clone();
            if has_looked {
                had.nothing_is_announced();
            }
            self.and_the_unread(and_look(retry, next, had))
        };
        let next = self.with_what_is_held(next);
        self.log(&next, started_ms);
        self.shared.metrics.pass(&self.lane.name, self.failures.is_empty(), self.shared.now_ms());
        finish::finish(self.shared, &self.claim, next).await;
    }

    /// Names the files that could not be read, as a hint would, and keeps other due looks from retrying them early.
    fn and_the_unread(&self, mut next: Next) -> Next {
        if let Next::Retry { due_ms, look, .. } = &mut next
            && !self.unread.is_empty()
        {
            let look = look.get_or_insert_with(|| self.claim.look.clone());
            look.unwritten = true;
            self.unread.iter().for_each(|(side, id)| look.name(*side, *id));
            *due_ms = (*due_ms).max(self.shared.now_ms() + self.shared.timing.backoff_ms(self.claim.attempts));
        }
        next
    }

    /// The ticket's name for people.
    pub(crate) fn name(&self) -> String {
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
        let wrote = match (self.wrote.as_slice(), self.idle_because.as_deref()) {
            ([], Some(why)) => format!("nothing: {why}"),
            ([], None) => match &self.link.halt {
                // The halt's own line says why.
                Some(_) => "nothing: the pair has halted".to_owned(),
                // The log line says what failed.
                None => "nothing".to_owned(),
            },
            (wrote, _) => wrote.join(", "),
        };
        match (next, news(&self.claim, next)) {
            (_, Some((error, parked))) => tracing::warn!(ticket, wrote, ms, parked, error, "pass failed"),
            (Next::Retry { error, .. } | Next::Held { error, .. }, None) => {
                tracing::debug!(ticket, wrote, ms, error, "pass failed again")
            }
            _ => tracing::info!(ticket, wrote, ms, "pass"),
        }
    }

    async fn work(&mut self, mut snapshot: Snapshot) -> Result<Next, Failure> {
        if self.lane.external.halts.is_halted() || self.shared.internal.halts.is_halted() {
            self.idle_because = Some("the side has halted over what was just read".into());
            return Ok(Next::Look { due_ms: self.shared.now_ms(), look: self.claim.look.clone() });
        }
        if self.link.halt.is_some() {
            return self.is_there_again(&snapshot).await.map(|()| Next::Done);
        }
        if self.link_id.is_none() {
            self.idle_because =
                why_not_carried(self.shared, self.lane, &snapshot, &self.claim.look).await?.map(Cow::Borrowed);
            if self.idle_because.as_deref() == Some(A_COPY) {
                say_that_it_is_a_copy(self.shared, &self.claim.lease.of, &snapshot);
            }
            match &snapshot.external {
                Sight::Here(ticket) if self.idle_because.is_none() => {
                    self.link = Link::unborn(ticket.key());
                    self.link.ancestor.external.made = self.made(Side::External, ticket);
                }
                _ => {
                    note_if_unseen(self.shared, &self.claim, &snapshot).await?;
                    return Ok(Next::Done);
                }
            }
        }
        self.try_what_is_parked();
        self.settle_what_was_being_sent().await?;
        if let (Some(creation), Some(_)) = (self.link.creation.clone(), &self.link.internal) {
            self.report_twins(&creation).await?;
        } else if let (Some(creation), Sight::Here(_)) = (self.link.creation.clone(), &snapshot.external) {
            let asked_ms = self.shared.now_ms();
            match self.find_created(&creation).await? {
                Some(ticket) => snapshot.internal = Sight::Here(ticket),
                None if asked_ms < creation.until_ms => {
                    self.idle_because = Some("a create without an answer may still land".into());
                    let due_ms = creation.until_ms.min(self.shared.now_ms() + self.policy.waits.doubt_look_ms);
                    return Ok(Next::Look { due_ms, look: self.claim.look.clone() });
                }
                None => {}
            }
        }
        if self.link.halt.is_none()
            && let Sight::Here(internal) = &snapshot.internal
            && let Some(other) = self.other_pair_of(internal).await?
        {
            return self.give_way_to(&other, internal).await;
        }
        self.read_named_contents(&mut snapshot).await?;
        if self.link.anew_from_ms.is_some_and(|from_ms| self.shared.now_ms() < from_ms) {
            self.idle_because = Some("what was sent for the internal ticket that is gone may still land".into());
        }
        let look_again = self.plan_and_write(snapshot).await?;
        Ok(self.next_look(look_again))
    }

    /// The pair halted because one of its tickets vanished. If both are there again, it resumes with a full look.
    async fn is_there_again(&mut self, snapshot: &Snapshot) -> Result<(), Failure> {
        let plan = reconcile(&self.policy, &self.link, &snapshot.external, &snapshot.internal);
        let Some(Note::ThereAgain(side)) = plan.notes.first() else {
            self.idle_because = Some("it has halted, as one of its tickets is gone".into());
            return Ok(());
        };
        // Mark before the halt ends, so that a crash between the two loses no look.
        let of = self.claim.lease.of.clone();
        let about = About::External { of, class: Some(self.link.external.class.clone()) };
        let mark = DirtyMark { about, look: after_an_absence(&self.link), due_ms: self.shared.now_ms() };
        self.shared.store.mark_all(vec![mark], self.shared.now_ms()).await?;
        let reference = self.link.key(*side).map_or("", |key| &key.reference);
        let text = format!("the {} ticket {reference} is there again: the pair goes on", side.word());
        tracing::warn!(ticket = %self.name(), "{text}");
        self.did(text);
        self.link.remember(&Note::ThereAgain(*side));
        self.save().await
    }

    /// Plans and writes in rounds. Returns when to look again even without a new hint.
    async fn plan_and_write(&mut self, mut snapshot: Snapshot) -> Result<Option<i64>, Failure> {
        let (mut rounds, mut fresh) = (0, false);
        loop {
            see_abroad(self.shared, self.lane, &self.policy, &self.link, &mut snapshot);
            self.look_closer(&mut snapshot).await?;
            let plan = reconcile(&self.policy, &self.link, &snapshot.external, &snapshot.internal);
            if let Some(halt) = &plan.halt {
                self.take_notes(&plan);
                return self.stop(halt.clone()).await.map(|()| None);
            }
            if let Some(end) = &plan.end {
                return self.end(end).await.map(|()| None);
            }
            if self.read_parents(&plan, &mut snapshot).await?
                || self.list_what_is_written_to(&plan, &mut snapshot).await?
            {
                continue;
            }
            // Once per round: if the read itself takes long, no snapshot would ever be fresh enough.
            if !plan.writes_nothing() && !fresh && self.is_stale(&snapshot) {
                self.read_again(&mut snapshot).await?;
                fresh = true;
                continue;
            }
            if self.has_lost_a_ticket(&plan, &mut snapshot).await? {
                continue;
            }
            if self.lost_files_are_many(&plan).await? {
                self.idle_because = Some("the side has halted over what is gone of it".into());
                self.is_carried_out = false;
                return Ok(None);
            }
            if self.watches_again(&plan).await? {
                self.idle_because = Some("what is missing has not been watched long enough".into());
                self.is_carried_out = false;
                return Ok(None);
            }
            if rounds == 0 {
                for side in Side::BOTH {
                    if let Some(target) = snapshot.ticket(side) {
                        self.settle_plain_texts(side, target).await?;
                        let outcome = self.write_texts_left_out(side, target).await;
                        self.go_on_after(outcome)?;
                    }
                }
            }
            let changed = self.take_notes(&plan) | self.saw(&snapshot);
            for side in Side::BOTH {
                let listed = snapshot.ticket_mut(side).and_then(|ticket| ticket.files.as_mut());
                self.link.recognize_files(side, &self.mark(), listed.map_or(&mut [], Vec::as_mut_slice));
            }
            self.failed_writes.clear();
            if plan.writes_nothing() {
                self.idle_because.get_or_insert_with(|| match (plan.conflicts.is_empty(), plan.look_again_at_ms) {
                    (false, _) => "what differs is a conflict, and left as it is".into(),
                    (true, Some(at_ms)) => format!("what is to follow waits until {}", moment(at_ms)).into(),
                    (true, None) => "there is nothing new to carry".into(),
                });
                if changed {
                    self.save().await?;
                }
                return Ok(plan.look_again_at_ms);
            }
            rounds += 1;
            match self.apply(&plan, &snapshot).await? {
                Applied::Done => return Ok(plan.look_again_at_ms),
                Applied::Stale(stale) if rounds == MAX_PLANS => {
                    let text = format!("the ticket moved each time the bridge wrote to it: {}", stale.text);
                    self.failures.push(Failure { kind: Kind::Refused, text, ..stale });
                    return Ok(None);
                }
                Applied::Created(ticket) => {
                    snapshot.internal = Sight::Here(ticket);
                    fresh = false;
                }
                Applied::Stale(_) => {
                    self.read_again(&mut snapshot).await?;
                    fresh = true;
                }
            }
        }
    }

    /// If this plan treats a file as deleted, original or copy, asks whether that whole side was restored or lost its
    /// files.
    async fn lost_files_are_many(&self, plan: &Plan) -> Result<bool, Failure> {
        let sides = self.sides_without_a_file(plan);
        let Some(link) = self.link_id else { return Ok(false) };
        for side in sides {
            if halt_if_restored(self.shared, self.shared.itop(self.lane, side)).await?
                || halt_if_files_of_the_side_are_gone(self.shared, self.lane, side, link).await?
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The sides on which this plan treats a file as gone, original or copy.
    fn sides_without_a_file(&self, plan: &Plan) -> BTreeSet<Side> {
        let deleted = plan.writes.iter().filter_map(|step| match step.write {
            Write::DeleteCopy { from, .. } => Some(from),
            _ => None,
        });
        let removed = plan.notes.iter().filter_map(|note| match note {
            Note::CopyRemovedByPerson { from, .. } | Note::Log { from, what: LogNote::FilesRemoved(_), .. } => {
                Some(from.other())
            }
            Note::Document(document) if self.is_taken_for_removed(document) => Some(document.kind.on()),
            Note::Enclosure(enclosure) if enclosure.state == Some(CopyState::RemovedByPerson) => {
                Some(enclosure.from.other())
            }
            _ => None,
        });
        deleted.chain(removed).collect()
    }

    fn is_taken_for_removed(&self, document: &Document) -> bool {
        let known = self.link.document(document.kind).and_then(|known| known.state.as_ref());
        known.is_some_and(|state| state.standing().is_some()) && document.state.as_ref() != known
    }

    /// Asks iTop again, since much depends on it: the files of a hidden ticket look deleted.
    pub(crate) async fn ticket_stands(&mut self, side: Side) -> Result<bool, Failure> {
        let Some(key) = self.link.key(side).cloned() else { return Ok(false) };
        let itop = self.shared.itop(self.lane, side);
        let query = Query::ids(&[key.id]);
        let shared = self.shared;
        let found = self.reading(call::get(shared, itop, &key.class, &query, &["id"])).await??;
        Ok(!found.objects.is_empty())
    }

    /// Once the account loses sight of a ticket, its files look deleted too. So if this plan treats a file as gone, the
    /// ticket itself is read once more. Returns whether it is gone; then the pass plans again.
    async fn has_lost_a_ticket(&mut self, plan: &Plan, snapshot: &mut Snapshot) -> Result<bool, Failure> {
        let mut lost = false;
        for side in self.sides_without_a_file(plan) {
            if !self.ticket_stands(side).await? {
                match side {
                    Side::External => snapshot.external = Sight::Gone,
                    Side::Internal => snapshot.internal = Sight::Gone,
                }
                lost = true;
            }
        }
        Ok(lost)
    }

    fn is_stale(&self, snapshot: &Snapshot) -> bool {
        let oldest = [&snapshot.external, &snapshot.internal]
            .into_iter()
            .filter_map(|sight| if let Sight::Here(ticket) = sight { Some(ticket.read_at_ms) } else { None })
            .min();
        oldest.is_some_and(|read_at| self.shared.now_ms() - read_at > self.shared.timing.stale_read_ms)
    }

    pub(crate) async fn stop(&mut self, halt: Halt) -> Result<(), Failure> {
        if self.link.halt.as_ref() != Some(&halt) {
            let step = self.how_it_goes_on(AfterResume::of(Some(halt.kind)));
            tracing::error!(ticket = %self.name(), reason = %halt.text, "halted: nothing is written to this pair; to do: {step}");
            self.did(format!("halted: {}", halt.text));
            if halt.kind.is_of_a_lost_counterpart() {
                self.shared.internal.ids_may_start_over();
            }
            if let Some(side) = halt.kind.vanished() {
                self.link.takes_down_removed(self.shared.now_ms());
                self.link.lost_its_ticket(side, self.shared.now_ms());
            }
            self.link.halt = Some(halt);
            self.save().await?;
        }
        Ok(())
    }

    fn how_it_goes_on(&self, after: AfterResume) -> String {
        wording::resume(&self.name(), after, &self.shared.internal.name)
    }

    /// Ends the pair.
    pub(crate) async fn end(&mut self, over: &Halt) -> Result<(), Failure> {
        let (why, ending) = (&over.text, over.clone());
        tracing::warn!(ticket = %self.name(), why, "the pair has ended");
        let Some(id) = self.link_id else { return Ok(()) };
        self.ended = true;
        let did = Activity { at_ms: self.shared.now_ms(), text: format!("ended: {why}") };
        let now = self.shared.now_ms();
        let end = move |store: &mut dyn itop_bridge_store::Store| {
            store.amend_link(
                id,
                &|link, state| {
                    link.resumed = false;
                    link.ending = Some(Ending::Resumed(ending.clone()));
                    *state = LinkState::Ended
                },
                &did,
                now,
            )
        };
        Ok(self.shared.store.call(end).await?)
    }

    /// Applies the plan's notes to the link; returns whether the link changed.
    fn take_notes(&mut self, plan: &Plan) -> bool {
        let before = self.link.clone();
        for note in &plan.notes {
            match note {
                Note::Adopt(copy) => self.did(format!("found the copy of attachment {} by its mark", copy.original)),
                Note::CopyRemovedByPerson { original, .. } => {
                    self.did(format!("the copy of attachment {original} was deleted by a person; it stays deleted"));
                }
                Note::Log { from, log, what: LogNote::FilesRemoved(files) } => {
                    let files = counted(files.len(), "file", "files");
                    self.did(format!("{files} with the {} log {} deleted by a person", log.word(), from.place()));
                }
                Note::Log { from, log, what: LogNote::Kept(kept) } => self.are_kept(*from, *log, kept),
                Note::Log { from, log, what: LogNote::Reworded(entries) } => self.are_reworded(*from, *log, entries),
                Note::Log { what: LogNote::Halted(halt), .. } => {
                    let step = self.how_it_goes_on(AfterResume::of(None));
                    tracing::error!(ticket = %self.name(), reason = %halt.text, "halted: nothing more of this log is sent; to do: {step}");
                    self.did(format!("halted: {}", halt.text));
                }
                Note::Enclosure(enclosure) if enclosure.state == Some(CopyState::RemovedByPerson) => {
                    self.did(format!("the file {:?} was deleted by a person", enclosure.name));
                }
                Note::EditOverwritten(edit) => self.edit_overwritten(edit),
                Note::Made { of, at } => self.start_corrected(*of, at),
                Note::ExternalReference(reference) => {
                    self.did(format!("{} is {reference} from now on", self.link.external.reference));
                }
                _ => {}
            }
            self.watch_what_is_missing(note);
            self.link.remember(note);
        }
        for conflict in &plan.conflicts {
            let is_a_halt = conflict.kind == Some(ConflictKind::LogHalted);
            if !is_a_halt && !self.link.conflicts.iter().any(|known| known.says_the_same(conflict)) {
                tracing::warn!(ticket = %self.name(), conflict = %conflict.text, "conflict");
                self.did(format!("conflict: {}", conflict.text));
            }
        }
        self.link.set_conflicts(plan.conflicts.clone());
        self.link.waits_for_date = plan.waits_for_date;
        note_waiting_for_date(self.shared, &self.claim.lease.of, plan.waits_for_date);
        // Keys of entries compare equal whether settled or not, so a settled entry does not show in the comparison.
        let settles = |note: &Note| matches!(note, Note::Log { what: LogNote::Settled(_), .. });
        self.link != before || plan.notes.iter().any(settles)
    }

    /// Records both tickets' states for display; returns whether one changed and the pair is in the store.
    fn saw(&mut self, snapshot: &Snapshot) -> bool {
        let mut is_news = false;
        for side in Side::BOTH {
            let (Some(ticket), seen) = (snapshot.ticket(side), &mut self.link.ancestor.side_mut(side).seen) else {
                continue;
            };
            is_news |= ticket.status != *seen;
            seen.clone_from(&ticket.status);
        }
        is_news && self.link_id.is_some()
    }

    /// Carries the writes out in order. A refused write does not hold back the others; a side that is down does.
    async fn apply(&mut self, plan: &Plan, snapshot: &Snapshot) -> Result<Applied, Failure> {
        let mut applied = Applied::Done;
        for step in &plan.writes {
            let outcome = match (Box::pin(self.carry_out(step, snapshot)).await, whole_part_of(&step.write)) {
                (Ok(None), Some(part)) => self.release(&part).await.map(|()| None),
                (Err(failure), Some(part)) => self.hold(part, content_of(&step.write), failure).await.map(|()| None),
                (outcome, _) => outcome,
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

    /// A failure holds back nothing else, unless the side is down.
    pub(crate) fn go_on_after(&mut self, outcome: Result<(), Failure>) -> Result<(), Failure> {
        match outcome {
            Err(failure) if !failure.ends_the_pass() => self.failures.push(failure),
            outcome => return outcome,
        }
        Ok(())
    }

    async fn carry_out(&mut self, step: &Step, snapshot: &Snapshot) -> Result<Option<Applied>, Failure> {
        let Some(external) = snapshot.ticket(Side::External) else { return Ok(None) };
        if let Write::CreateTicket { class, fields } = &step.write {
            return Ok(self.create(class, fields, external).await?.map(Applied::Created));
        }
        let Some(internal) = snapshot.ticket(Side::Internal) else { return Ok(None) };
        let from_and_to = |from: Side| from.source_and_target(external, internal);
        let reason = &step.reason;
        match &step.write {
            Write::CreateTicket { .. } => {}
            Write::UpdateFields { fields } => self.update_fields(fields, internal, reason).await?,
            Write::WalkStatus { on, wanted, walk } => {
                let (_, target) = from_and_to(on.other());
                self.walk(*on, wanted, walk, target, reason).await?;
            }
            Write::WriteText { on, code, value } => {
                let (_, target) = from_and_to(on.other());
                self.write_text(*on, (code, value), None, target, reason).await?;
            }
            Write::CopyFile { from, original } => {
                let (source, target) = from_and_to(*from);
                self.copy_file(*from, *original, source, target, reason).await?;
            }
            Write::RewriteFile { from, original, copy } => {
                let (source, _) = from_and_to(*from);
                self.rewrite_file(*from, *original, *copy, source, reason).await?;
            }
            Write::DeleteCopy { from, original, copy } => self.delete_copy(*from, *original, *copy, reason).await?,
            Write::SendLog { from, log, entries } => {
                let (source, target) = from_and_to(*from);
                self.send_log(*from, *log, entries, source, target, reason).await?;
            }
            Write::SendBatch { from, log } => {
                let (source, target) = from_and_to(*from);
                self.send_batch(*from, *log, source, target, reason).await?;
            }
            Write::Enclose { from, kind, key, copy } => {
                let (source, target) = from_and_to(*from);
                self.send_enclosure(*from, *kind, key, *copy, source, target, reason).await?;
            }
            Write::SendAside { from, log, key } => {
                let (source, target) = from_and_to(*from);
                self.send_aside(*from, *log, key, source, target, reason).await?;
            }
            Write::WriteDocument { kind, copy } => {
                let (_, target) = from_and_to(kind.from());
                self.write_document(*kind, *copy, target, reason).await?;
            }
        }
        Ok(None)
    }

    /// Requests another look at that time; the earliest request counts.
    pub(crate) fn look_again(&mut self, at_ms: i64) {
        self.look_again_at_ms = Some(self.look_again_at_ms.map_or(at_ms, |known| known.min(at_ms)));
    }

    /// When to look again even without a new hint.
    fn next_look(&self, plan_ms: Option<i64>) -> Next {
        let now = self.shared.now_ms();
        if !self.is_carried_out {
            let look = Look { ticket: true, files: true, unwritten: true, ..self.still_to_be_seen_twice() };
            return Next::Look { due_ms: now, look };
        }
        let next = self.asked_or_seen_twice(plan_ms, now);
        if !self.is_to_be_told {
            return next;
        }
        // Not every state has a webhook that would trigger the report.
        let soon = self.soonest(now);
        match next {
            Next::Look { due_ms, look } => Next::Look { due_ms: due_ms.min(soon), look: Look { ticket: true, ..look } },
            _ => Next::Look { due_ms: soon, look: Look::ticket() },
        }
    }

    fn asked_or_seen_twice(&self, plan_ms: Option<i64>, now: i64) -> Next {
        let second = next_second_look(self.shared, &self.still_to_be_seen_twice(), now);
        match (self.asked_for(plan_ms, now), second) {
            (None, None) => Next::Done,
            (Some(due), None) => Next::Look { due_ms: due, look: Look::everything() },
            (None, Some((due_ms, look))) => Next::Look { due_ms, look },
            (Some(asked), Some((due_ms, look))) => {
                // Either order is fine: the resulting look covers both.
                Next::Look { due_ms: due_ms.min(asked), look: Look { ticket: true, files: true, ..look } }
            }
        }
    }

    /// The next look requested by the plan or by this pass's own writes, or needed because a second internal ticket may
    /// still appear. Open intents alone never schedule a pass: one that no plan resolves would re-queue itself forever.
    fn asked_for(&self, plan_ms: Option<i64>, now_ms: i64) -> Option<i64> {
        let twin = self.link.creation.iter().map(|creation| creation.until_ms);
        let asked = plan_ms.into_iter().chain(self.look_again_at_ms).chain(twin);
        asked.min().map(|due| due.max(self.soonest(now_ms)))
    }

    /// Never at once: the next pass would know no more than this one did.
    fn soonest(&self, now_ms: i64) -> i64 {
        now_ms + self.shared.timing.backoff_first_ms
    }

    /// The named attachments to recheck, since a delete hook comes before the deletion. The bridge's own are left out,
    /// and so are those already missing: for these the plan says when to look again.
    fn still_to_be_seen_twice(&self) -> Look {
        let mut look = self.claim.look.clone();
        for (side, named) in
            [(Side::External, &mut look.external_attachments), (Side::Internal, &mut look.internal_attachments)]
        {
            let own = self.link.made_on(side).collect::<BTreeSet<u64>>();
            let missing = |id| self.link.copy_of(side, id).is_some_and(|copy| copy.missing_since_ms.is_some());
            named.retain(|id| !missing(*id) && !own.contains(id));
        }
        look
    }

    pub(crate) fn made(&self, side: Side, ticket: &Ticket) -> String {
        self.policy.made(side, ticket).unwrap_or_default().to_owned()
    }

    /// Notes a write of this attribute: if the report shows it, the report must be updated.
    pub(crate) fn is_reported(&mut self, on: Side, code: &str) {
        let reports = on == Side::Internal && self.policy.status_to_external == StatusToExternal::Report;
        let told = self.policy.internal_lifecycle.iter().filter(|_| reports).flat_map(report_attributes);
        self.is_to_be_told |= told.into_iter().any(|told| told == code);
    }

    pub(crate) fn did(&mut self, text: String) {
        self.did.push(Activity { at_ms: self.shared.now_ms(), text });
    }

    pub(crate) fn wrote(&mut self, what: &str, why: &str) {
        self.wrote.push(what.to_owned());
        self.did(format!("{what}: {why}"));
    }

    /// Names a written file for the log and the activity.
    pub(crate) fn file_to(&self, on: Side, name: &str) -> String {
        format!("file {name:?} to {}", self.shared.itop(self.lane, on).name)
    }

    /// Stores the link as it is now.
    pub(crate) async fn save(&mut self) -> Result<(), Failure> {
        self.link.takes_down_removed(self.shared.now_ms());
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

    /// The comment that iTop's history shows with each of the bridge's changes.
    /// Waits for reads while renewing the ticket's lease.
    pub(crate) async fn reading<T>(&mut self, reads: impl Future<Output = T>) -> Result<T, Failure> {
        keep_lease(self.shared, &mut self.claim, reads).await
    }

    pub(crate) fn comment(&self) -> String {
        format!("itop-bridge: {} of {}", self.link.external.reference, self.lane.name)
    }
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

fn no_ticket() -> TicketKey {
    TicketKey { class: String::new(), id: 0, reference: String::new() }
}
