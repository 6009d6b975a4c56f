//! One pass over one ticket: read both sides, plan, write, record.
//!
//! Each write's intent is stored before the call and its result after it. So a crash between any two steps leaves
//! nothing to guess: the link names every write that was sent and may still take effect. Only a deletion has no intent:
//! it may be sent twice.

pub(crate) mod apart;
pub(crate) mod apply;
pub(crate) mod attach;
pub(crate) mod barred;
pub(crate) mod create;
pub(crate) mod created;
pub(crate) mod crossing;
pub(crate) mod documents;
pub(crate) mod enclosures;
pub(crate) mod ending;
pub(crate) mod fields;
pub(crate) mod file_budget;
pub(crate) mod files;
pub(crate) mod given_again;
pub(crate) mod gone;
pub(crate) mod heavy;
pub(crate) mod hinted;
pub(crate) mod identity;
pub(crate) mod logs;
pub(crate) mod looks;
pub(crate) mod missing;
pub(crate) mod next;
pub(crate) mod notes;
pub(crate) mod parents;
pub(crate) mod plain;
pub(crate) mod reworded;
pub(crate) mod rounds;
pub(crate) mod snapshot;
pub(crate) mod status;
pub(crate) mod unseen;
pub(crate) mod walk_texts;
pub(crate) mod work;
pub(crate) mod write;

use std::borrow::Cow;

use itop_bridge_core::event::Event;
use itop_bridge_core::plan::Note;
use itop_bridge_core::{Link, Reading, Side, reconcile};
use itop_bridge_store::{About, DirtyMark, Next};

use crate::pass::barred::{try_what_is_parked, with_what_is_held};
use crate::pass::created::{find_created, report_twins};
use crate::pass::given_again::{give_way_to, other_pair_of};
use crate::pass::heavy::note_heavy;
use crate::pass::hinted::read_named_contents;
use crate::pass::looks::after_an_absence;
use crate::pass::next::next_look;
use crate::pass::rounds::Rounds;
use crate::pass::unseen::note_if_unseen;
use crate::pass::work::Work;
use crate::pass::write::settle_what_was_being_sent;
use crate::queue::finish::{self, end_waiting, hand_back};
use crate::queue::retry::{after_failure, and_look, news};
use crate::scope::connection::{LeftAlone, say_that_it_is_a_copy, why_not_carried};
use crate::side::failure::{Failure, Kind};
use crate::side::snapshot::Snapshot;

/// Gives a claimed ticket its pass, and puts it back into the queue.
pub(crate) async fn run(mut work: Work<'_>, snapshot: Result<Snapshot, Failure>, started_ms: i64) {
    let (ended, has_looked) = match snapshot {
        Ok(snapshot) => {
            let ended = Box::pin(look(&mut work, snapshot)).await;
            let has_looked = ended.is_ok();
            (ended, has_looked)
        }
        Err(failure) => (Err(failure), false),
    };
    let next = ended.unwrap_or_else(|failure| {
        work.failures.push(failure);
        Next::Done
    });
    work.failures.append(&mut work.failed_writes);
    let (shared, lane) = (work.shared, work.lane);
    if work.ended {
        return end_waiting(shared, &work.claim);
    }
    if work.failures.iter().any(|failure| failure.kind == Kind::LeaseLost) {
        tracing::warn!(ticket = %work.name(), "another worker took the ticket over");
        return hand_back(shared, &work.claim);
    }
    note_heavy(shared, lane, work.link_id, &work.link);
    let next = if work.failures.is_empty() {
        next
    } else {
        let retry = after_failure(shared, lane, &work.claim, &work.failures);
        let mut had = work.claim.look.clone();
        if has_looked {
            had.nothing_is_announced();
        }
        and_the_unread(&work, and_look(retry, next, had))
    };
    let next = with_what_is_held(&work, next);
    log(&work, &next, started_ms);
    shared.metrics.pass(&lane.name, work.failures.is_empty(), shared.now_ms());
    finish::finish(shared, &work.claim, next).await;
}

/// Settles what earlier passes left open, then plans and writes. Returns the ticket's next step in the queue.
async fn look(work: &mut Work<'_>, mut snapshot: Snapshot) -> Result<Next, Failure> {
    if work.lane.external.halts.is_halted() || work.shared.internal.halts.is_halted() {
        work.idle_because = Some("the side has halted over what was just read".into());
        return Ok(Next::Look { due_ms: work.shared.now_ms(), look: work.claim.look.clone() });
    }
    if work.link.course.halt.is_some() {
        return resume_if_there_again(work, &snapshot).await.map(|()| Next::Done);
    }
    if work.link_id.is_none() && !take_up(work, &snapshot).await? {
        return Ok(Next::Done);
    }
    try_what_is_parked(work);
    settle_what_was_being_sent(work).await?;
    if let Some(next) = settle_creation(work, &mut snapshot).await? {
        return Ok(next);
    }
    if work.link.course.halt.is_none()
        && let Reading::Here(internal) = &snapshot.internal
        && let Some(other) = other_pair_of(work, internal).await?
    {
        return give_way_to(work, &other, internal).await;
    }
    read_named_contents(work, &mut snapshot).await?;
    if work.link.course.anew_from_ms.is_some_and(|from_ms| work.shared.now_ms() < from_ms) {
        work.idle_because = Some("what was sent for the internal ticket that is gone may still land".into());
    }
    let ended = Rounds::new(work, snapshot).run().await?;
    Ok(next_look(work, ended))
}

/// Begins the link of a ticket that is bridged from now on. Returns whether it is.
async fn take_up(work: &mut Work<'_>, snapshot: &Snapshot) -> Result<bool, Failure> {
    let why_not = why_not_carried(work.shared, work.lane, snapshot, &work.claim.look).await?;
    if why_not == Some(LeftAlone::Copy) {
        say_that_it_is_a_copy(work.shared, &work.claim.lease.of, snapshot);
    }
    work.idle_because = why_not.map(|why| Cow::Borrowed(why.text()));
    match &snapshot.external {
        Reading::Here(ticket) if why_not.is_none() => {
            work.link = Link::without_counterpart(ticket.key());
            work.link.ancestor.external.made = work.made(Side::External, ticket);
            Ok(true)
        }
        _ => note_if_unseen(work.shared, &work.claim, snapshot).await.map(|()| false),
    }
}

/// An earlier pass sent a create and never saw its end: looks for the ticket. While the create may still take effect,
/// the pass ends here, with this next step.
async fn settle_creation(work: &mut Work<'_>, snapshot: &mut Snapshot) -> Result<Option<Next>, Failure> {
    let Some(creation) = work.link.in_flight.creation.clone() else { return Ok(None) };
    if work.link.internal.is_some() {
        return report_twins(work, &creation).await.map(|()| None);
    }
    if snapshot.ticket(Side::External).is_none() {
        return Ok(None);
    }
    let asked_ms = work.shared.now_ms();
    match find_created(work, &creation).await? {
        Some(ticket) => snapshot.internal = Reading::Here(ticket),
        None if asked_ms < creation.until_ms => {
            work.idle_because = Some("a create without an answer may still land".into());
            let due_ms = creation.until_ms.min(work.shared.now_ms() + work.policy.waits.doubt_look_ms);
            return Ok(Some(Next::Look { due_ms, look: work.claim.look.clone() }));
        }
        None => {}
    }
    Ok(None)
}

/// Names the files that could not be read, as a hint would, so that the next pass reads them; and puts it off until
/// their own wait is over.
fn and_the_unread(work: &Work<'_>, mut next: Next) -> Next {
    if let Next::Retry { due_ms, look, .. } = &mut next
        && !work.unread.is_empty()
    {
        let look = look.get_or_insert_with(|| work.claim.look.clone());
        look.unwritten = true;
        work.unread.iter().for_each(|(side, id)| look.name(*side, *id));
        *due_ms = (*due_ms).max(work.shared.now_ms() + work.shared.timing.backoff_ms(work.claim.attempts));
    }
    next
}

fn log(work: &Work<'_>, next: &Next, started_ms: i64) {
    let ticket = work.name();
    let ms = work.shared.now_ms() - started_ms;
    let wrote = match (work.wrote.as_slice(), work.idle_because.as_deref()) {
        ([], Some(why)) => format!("nothing: {why}"),
        ([], None) => match &work.link.course.halt {
            // The halt's own line says why.
            Some(_) => "nothing: the pair has halted".to_owned(),
            // The same line has the error, if a write failed.
            None => "nothing".to_owned(),
        },
        (wrote, _) => wrote.join(", "),
    };
    match (next, news(&work.claim, next)) {
        (_, Some((error, parked))) => tracing::warn!(ticket, wrote, ms, parked, error, "pass failed"),
        (Next::Retry { error, .. } | Next::Held { error, .. }, None) => {
            tracing::debug!(ticket, wrote, ms, error, "pass failed again")
        }
        _ => tracing::info!(ticket, wrote, ms, "pass"),
    }
}

/// The pair halted because one of its tickets vanished. If both are there again, it resumes with a full look.
async fn resume_if_there_again(work: &mut Work<'_>, snapshot: &Snapshot) -> Result<(), Failure> {
    let plan = reconcile(&work.policy, &work.link, &snapshot.external, &snapshot.internal);
    let Some(Note::ThereAgain(side)) = plan.notes.first() else {
        work.idle_because = Some("it has halted, as one of its tickets is gone".into());
        return Ok(());
    };
    // Mark before the halt ends, so that a crash between the two loses no look.
    let of = work.claim.lease.of.clone();
    let about = About::External { of, class: Some(work.link.external.class.clone()) };
    let mark = DirtyMark { about, look: after_an_absence(&work.link), due_ms: work.shared.now_ms() };
    work.shared.store.mark_all(vec![mark], work.shared.now_ms()).await?;
    let reference = work.link.key(*side).map_or_else(String::new, |key| key.reference.clone());
    let event = Event::ThereAgain { side: *side, reference };
    tracing::warn!(ticket = %work.name(), "{event}");
    work.did(event);
    work.link.remember(&Note::ThereAgain(*side));
    work.save().await
}
