//! Plans and writes in rounds: a plan is made from a snapshot, what it needs is read, its writes are carried out, and if
//! a ticket changed meanwhile or the counterpart was just created, the next round begins.

use std::borrow::Cow;

use itop_bridge_core::plan::Plan;
use itop_bridge_core::{Reading, Side, reconcile};

use crate::pass::apply::{Applied, apply};
use crate::pass::ending::{end_pair, stop};
use crate::pass::gone::{halt_if_files_are_lost, reread_tickets_of_lost_files};
use crate::pass::identity::look_closer;
use crate::pass::missing::restart_missing_watches;
use crate::pass::notes::{saw, take_notes};
use crate::pass::parents::read_parents;
use crate::pass::plain::settle_plain_texts;
use crate::pass::snapshot::{list_what_is_written_to, read_again};
use crate::pass::walk_texts::write_texts_left_out;
use crate::pass::work::Work;
use crate::side::failure::{Failure, Kind};
use crate::side::instants::see_abroad;
use crate::side::snapshot::Snapshot;
use crate::wording::moment::moment;

/// The pass gives up on a ticket that keeps changing between read and write after this many rounds.
const MAX_ROUNDS: usize = 4;

/// How the rounds of a pass ended.
pub(crate) struct RoundsEnd {
    /// When the plan wants another look even without a new hint.
    pub look_again_at_ms: Option<i64>,
    /// No plan was dropped, so the hints are dealt with. Otherwise the next pass looks at everything again.
    pub is_carried_out: bool,
}

impl RoundsEnd {
    fn at(look_again_at_ms: Option<i64>) -> RoundsEnd {
        RoundsEnd { look_again_at_ms, is_carried_out: true }
    }
}

/// What follows a plan.
enum After {
    /// The snapshot has changed: plan again.
    Plan,
    End(RoundsEnd),
}

pub(crate) struct Rounds<'w, 'a> {
    work: &'w mut Work<'a>,
    snapshot: Snapshot,
    /// How many rounds have begun to write.
    begun: usize,
    /// The snapshot was read in this round.
    is_fresh: bool,
}

impl<'w, 'a> Rounds<'w, 'a> {
    pub(crate) fn new(work: &'w mut Work<'a>, snapshot: Snapshot) -> Rounds<'w, 'a> {
        Rounds { work, snapshot, begun: 0, is_fresh: false }
    }

    pub(crate) async fn run(mut self) -> Result<RoundsEnd, Failure> {
        loop {
            let plan = self.plan().await?;
            if let After::End(end) = self.follow(&plan).await? {
                return Ok(end);
            }
        }
    }

    async fn plan(&mut self) -> Result<Plan, Failure> {
        let Rounds { work, snapshot, .. } = self;
        see_abroad(work.shared, work.lane, &work.policy, &work.link, snapshot);
        look_closer(work, snapshot).await?;
        Ok(reconcile(&work.policy, &work.link, &snapshot.external, &snapshot.internal))
    }

    async fn follow(&mut self, plan: &Plan) -> Result<After, Failure> {
        if let Some(halt) = &plan.halt {
            take_notes(self.work, plan);
            return stop(self.work, halt.clone()).await.map(|()| After::End(RoundsEnd::at(None)));
        }
        if let Some(end) = &plan.end {
            return end_pair(self.work, end).await.map(|()| After::End(RoundsEnd::at(None)));
        }
        if self.reads_more(plan).await? {
            return Ok(After::Plan);
        }
        if let Some(why) = self.why_dropped(plan).await? {
            self.work.idle_because = Some(why.into());
            return Ok(After::End(RoundsEnd { look_again_at_ms: None, is_carried_out: false }));
        }
        if self.begun == 0 {
            self.write_what_is_owed().await?;
        }
        let has_changed = self.record(plan);
        self.work.failed_writes.clear();
        if plan.writes_nothing() {
            self.work.idle_because.get_or_insert_with(|| why_nothing(plan));
            if has_changed {
                self.work.save().await?;
            }
            return Ok(After::End(RoundsEnd::at(plan.look_again_at_ms)));
        }
        self.write(plan).await
    }

    /// Reads what the plan needs and the snapshot lacks. Returns whether it read anything: then the plan is made again.
    async fn reads_more(&mut self, plan: &Plan) -> Result<bool, Failure> {
        let Rounds { work, snapshot, is_fresh, .. } = self;
        if read_parents(work, plan, snapshot).await? || list_what_is_written_to(work, plan, snapshot).await? {
            return Ok(true);
        }
        // Once per round: if the read itself takes long, no snapshot would ever be fresh enough.
        if !plan.writes_nothing() && !*is_fresh && is_stale(work, snapshot) {
            read_again(work, snapshot).await?;
            *is_fresh = true;
            return Ok(true);
        }
        reread_tickets_of_lost_files(work, plan, snapshot).await
    }

    /// Why the plan is dropped, if it is: too much is gone, or what is missing was not watched long enough.
    async fn why_dropped(&mut self, plan: &Plan) -> Result<Option<&'static str>, Failure> {
        Ok(if halt_if_files_are_lost(self.work, plan).await? {
            Some("the side has halted over what is gone of it")
        } else if restart_missing_watches(self.work, plan).await? {
            Some("what is missing has not been watched long enough")
        } else {
            None
        })
    }

    /// Writes the texts that earlier passes sent in the wrong format or left out.
    async fn write_what_is_owed(&mut self) -> Result<(), Failure> {
        for side in Side::BOTH {
            if let Some(target) = self.snapshot.ticket(side) {
                settle_plain_texts(self.work, side, target).await?;
                let outcome = write_texts_left_out(self.work, side, target).await;
                self.work.go_on_after(outcome)?;
            }
        }
        Ok(())
    }

    /// Records in the link what the plan and the snapshot tell. Returns whether there is anything to save.
    fn record(&mut self, plan: &Plan) -> bool {
        let Rounds { work, snapshot, .. } = self;
        let has_changed = take_notes(work, plan) | saw(work, snapshot);
        let mark = work.mark();
        for side in Side::BOTH {
            let listed = snapshot.ticket_mut(side).and_then(|ticket| ticket.files.as_mut());
            work.link.recognize_files(side, &mark, listed.map_or(&mut [], Vec::as_mut_slice));
        }
        has_changed
    }

    async fn write(&mut self, plan: &Plan) -> Result<After, Failure> {
        self.begun += 1;
        match apply(self.work, plan, &self.snapshot).await? {
            Applied::Done => return Ok(After::End(RoundsEnd::at(plan.look_again_at_ms))),
            Applied::Stale(stale) if self.begun == MAX_ROUNDS => {
                let text = format!("the ticket moved each time the bridge wrote to it: {}", stale.text);
                self.work.failures.push(Failure { kind: Kind::Refused, text, ..stale });
                return Ok(After::End(RoundsEnd::at(None)));
            }
            Applied::Created(ticket) => {
                self.snapshot.internal = Reading::Here(ticket);
                self.is_fresh = false;
            }
            Applied::Stale(_) => {
                read_again(self.work, &mut self.snapshot).await?;
                self.is_fresh = true;
            }
        }
        Ok(After::Plan)
    }
}

fn why_nothing(plan: &Plan) -> Cow<'static, str> {
    match (plan.conflicts.is_empty(), plan.look_again_at_ms) {
        (false, _) => "what differs is a conflict, and left as it is".into(),
        (true, Some(at_ms)) => format!("what is to follow waits until {}", moment(at_ms)).into(),
        (true, None) => "there is nothing new to carry".into(),
    }
}

fn is_stale(work: &Work<'_>, snapshot: &Snapshot) -> bool {
    let oldest = [&snapshot.external, &snapshot.internal]
        .into_iter()
        .filter_map(|reading| if let Reading::Here(ticket) = reading { Some(ticket.read_at_ms) } else { None })
        .min();
    oldest.is_some_and(|read_at| work.shared.now_ms() - read_at > work.shared.timing.stale_read_ms)
}
