//! How a pair halts or ends.

use itop_bridge_core::Side;
use itop_bridge_core::event::Event;
use itop_bridge_core::link::Ending;
use itop_bridge_core::plan::Halt;
use itop_bridge_store::{Activity, LinkState};
use itop_client::Query;

use crate::pass::work::Work;
use crate::side::call;
use crate::side::failure::Failure;
use crate::wording::{self, AfterResume};

/// Whether this side's ticket is still there. iTop is asked again, since much depends on it: the files of a hidden
/// ticket look deleted.
pub(crate) async fn ticket_stands(work: &mut Work<'_>, side: Side) -> Result<bool, Failure> {
    let Some(key) = work.link.key(side).cloned() else { return Ok(false) };
    let itop = work.shared.itop(work.lane, side);
    let query = Query::ids(&[key.id]);
    let shared = work.shared;
    let found = work.reading(call::get(shared, itop, &key.class, &query, &["id"])).await??;
    Ok(!found.objects.is_empty())
}

pub(crate) async fn stop(work: &mut Work<'_>, halt: Halt) -> Result<(), Failure> {
    if work.link.course.halt.as_ref() != Some(&halt) {
        let step = how_it_goes_on(work, AfterResume::of(Some(halt.kind)));
        tracing::error!(ticket = %work.name(), reason = %halt.text, "halted: nothing is written to this pair; to do: {step}");
        work.did(Event::Halted { kind: Some(halt.kind), log: None, text: halt.text.clone() });
        if halt.kind.is_of_a_lost_counterpart() {
            work.shared.internal.ids_may_start_over();
        }
        if let Some(side) = halt.kind.vanished() {
            work.link.takes_down_removed(work.shared.now_ms());
            work.link.lost_its_ticket(side, work.shared.now_ms());
        }
        work.link.course.halt = Some(halt);
        work.save().await?;
    }
    Ok(())
}

pub(crate) fn how_it_goes_on(work: &Work<'_>, after: AfterResume) -> String {
    wording::resume(&work.name(), after, &work.shared.internal.name)
}

/// Ends the pair over a halt that an operator resumed while its cause still stood.
pub(crate) async fn end_pair(work: &mut Work<'_>, over: &Halt) -> Result<(), Failure> {
    let (why, ending) = (&over.text, over.clone());
    tracing::warn!(ticket = %work.name(), why, "the pair has ended");
    let Some(id) = work.link_id else { return Ok(()) };
    work.ended = true;
    let did = Activity::of(work.shared.now_ms(), Event::Ended { kind: over.kind, text: why.clone() });
    let now = work.shared.now_ms();
    let end = move |store: &mut dyn itop_bridge_store::Store| {
        store.amend_link(
            id,
            &|link, state| {
                link.course.resumed = false;
                link.course.ending = Some(Ending::Resumed(ending.clone()));
                *state = LinkState::Ended
            },
            &did,
            now,
        )
    };
    Ok(work.shared.store.call(end).await?)
}
