//! Finds the present issues, and which of those already told are over.

use std::collections::BTreeMap;

use itop_bridge_store::{Halted, MAX_ROWS, Parked, QueueRow, Result, Stop, TicketOf};

use super::subject::{HaltedWhat, ManyWhat, Subject};
use super::{Alert, NAMED, Watcher};
use crate::operate::health::{self, LaneStanding, SideStanding, Standing};
use crate::pass::heavy::heavy_tickets;
use crate::wording::count::counted;
use crate::wording::span::span;
use crate::wording::{self, AfterResume};
use crate::{Cause, Shared};

pub(super) type Wrong = BTreeMap<Subject, Alert>;

/// All present issues.
pub(super) async fn wrong(shared: &Shared, silence_ms: i64, watcher: &mut Watcher) -> Result<(Standing, Wrong)> {
    let standing = health::standing(shared).await?;
    let mut wrong = Wrong::new();
    sides(&standing, &mut wrong);
    for (number, text) in heavy_tickets(shared) {
        wrong.insert(Subject::Heavy { link: number }, Alert { event: "heavy_ticket", text });
    }
    for lane in &standing.lanes {
        let name = lane.external.clone();
        let some = shared.store.call(move |store| Ok((store.parked(&name, NAMED)?, store.halted(&name, NAMED)?)));
        let (parked, halted) = some.await?;
        tickets(lane, &shared.internal.name, &parked, &halted, &mut wrong);
        if is_explained(shared, &standing, lane) {
            watcher.explained_ms.insert(lane.external.clone(), shared.now_ms());
        }
        let silent_ms = silent_ms(shared, lane, watcher).await?;
        if silent_ms > silence_ms {
            wrong.insert(Subject::Silent { external: lane.external.clone() }, silence(lane, silent_ms));
        }
    }
    Ok((standing, wrong))
}

/// How long tickets have waited without any getting through or any other explanation. A ticket that alone is
/// refused says nothing about the others: it is parked in its time.
async fn silent_ms(shared: &Shared, lane: &LaneStanding, watcher: &Watcher) -> Result<i64> {
    let alone = shared.suspensions().refused_alone(&lane.external);
    let (name, now_ms) = (lane.external.clone(), shared.now_ms());
    let limit = alone.len() + lane.tally.parked as usize + 1;
    let rows = shared.store.call(move |store| store.queue(Some(&name), limit.min(MAX_ROWS), now_ms)).await?;
    let waits = |row: &&QueueRow| !row.parked && !alone.contains(&row.of.ticket);
    let waits_ms = rows.iter().find(waits).map_or(0, |row| now_ms - row.dirty_since_ms);
    let explained_ms = watcher.explained_ms.get(&lane.external).copied().unwrap_or(i64::MIN);
    let since_ms = lane.through_ms.unwrap_or(shared.started_ms).max(explained_ms);
    Ok(waits_ms.min(now_ms - since_ms))
}

/// Whether another alert explains it: a side that is down, halted or paused, or a suspension.
fn is_explained(shared: &Shared, standing: &Standing, lane: &LaneStanding) -> bool {
    let concerns = |name: &String| *name == lane.external || *name == shared.internal.name;
    let is_suspended = standing.suspended.iter().any(|issue| match &issue.cause {
        Cause::External { external } => *external == lane.external,
        Cause::Down { instance } | Cause::Throttled { instance } | Cause::Class { instance, .. } => concerns(instance),
        Cause::Internal => true,
    });
    let stands = |side: &SideStanding| side.down.is_some() || side.stopped.is_some();
    is_suspended || standing.sides.iter().any(|side| concerns(&side.name) && stands(side))
}

/// Whether a told issue that is no longer seen is over. Not if this process has had no chance to see it, or if it
/// is only being retried.
pub(super) async fn is_over(shared: &Shared, subject: &Subject, standing: &Standing) -> Result<bool> {
    Ok(match subject {
        Subject::Down { side } => standing.sides.iter().find(|of| of.name == *side).is_none_or(|side| side.answers),
        Subject::Silent { external } => standing
            .lanes
            .iter()
            .find(|lane| lane.external == *external)
            .is_none_or(|lane| lane.through_ms.is_some() || lane.tally.waiting == 0),
        Subject::Suspended { .. } => {
            let has_tried = shared.now_ms() - shared.started_ms > shared.timing.refused_together_ms;
            has_tried && standing.sides.iter().all(|side| side.down.is_none() && side.stopped.is_none())
        }
        Subject::Parked(of) => is_parked_no_more(shared, of.clone()).await?,
        Subject::Halted { link, what } => goes_again(shared, *link, what.clone()).await?,
        Subject::Heavy { link } => is_light(shared, *link).await?,
        Subject::Stopped { .. } | Subject::Many { .. } | Subject::Unknown(_) => true,
    })
}

/// A retry under way, or refused again, ends nothing.
async fn is_parked_no_more(shared: &Shared, of: TicketOf) -> Result<bool> {
    let now_ms = shared.now_ms();
    let row = shared.store.call(move |store| store.queue_row(&of, now_ms)).await?;
    Ok(row.is_none_or(|row| !row.parked && row.error.is_none()))
}

/// The link also has what an earlier process has told.
async fn is_light(shared: &Shared, link: i64) -> Result<bool> {
    let stored = shared.store.call(move |store| store.link(link)).await?;
    Ok(stored.is_none_or(|stored| stored.link.open.heavy.is_empty()))
}

/// Whether that halt has ended. Another one of the same pair has its own alert.
async fn goes_again(shared: &Shared, link: i64, what: HaltedWhat) -> Result<bool> {
    let stored = shared.store.call(move |store| store.link(link)).await?;
    Ok(stored.is_none_or(|stored| {
        let link = &stored.link;
        let kind = link.course.halt.as_ref().map(|halt| halt.kind);
        let is_halted = kind.is_some() || link.halted_logs().next().is_some();
        !is_halted || !matches!(&what, HaltedWhat::Unknown(_)) && what != HaltedWhat::of(kind)
    }))
}

fn sides(standing: &Standing, wrong: &mut Wrong) {
    for side in &standing.sides {
        let name = &side.name;
        if let Some(down) = &side.down {
            let text =
                format!("{name} is down: {}. It is tried once a minute; nothing is lost meanwhile.", down.reason);
            wrong.insert(Subject::Down { side: name.clone() }, Alert { event: "side_down", text });
        }
        // An operator knows of a pause that he made himself.
        if let Some(reason) = side.stopped.as_ref().filter(|stop| **stop != Stop::Paused) {
            let goes_on = if reason.is_over_lost_pairs() {
                "Then it goes on by itself.".to_owned()
            } else {
                format!("It goes on by `itop-bridge resume {name}`.")
            };
            let text = format!("{name} has halted: {reason}. {goes_on}");
            wrong.insert(Subject::Stopped { side: name.clone() }, Alert { event: "side_halted", text });
        }
    }
    for issue in &standing.suspended {
        // A side that is down was reported above.
        if !matches!(issue.cause, Cause::Down { .. }) {
            let subject = Subject::Suspended { cause: issue.cause.to_string() };
            wrong.insert(subject, Alert { event: "suspended", text: issue.to_string() });
        }
    }
}

fn tickets(lane: &LaneStanding, internal: &str, parked: &[Parked], halted: &[Halted], wrong: &mut Wrong) {
    let external = &lane.external;
    for ticket in parked {
        let name = format!("{external}:{}", ticket.reference.clone().unwrap_or(ticket.of.ticket.to_string()));
        let text = format!(
            "{name} is parked: {}. It is tried again by itself after 1 h, 6 h, then daily, or now by `itop-bridge retry {name}`.",
            ticket.error
        );
        wrong.insert(Subject::Parked(ticket.of.clone()), Alert { event: "parked", text });
    }
    for pair in halted {
        let name = format!("{external}:{}", pair.reference);
        let text = format!(
            "{name} has halted: {}{}. `itop-bridge links show {name}` tells the rest.",
            wording::ended(&pair.why),
            wording::capital(&wording::resume(&name, AfterResume::of(pair.kind), internal))
        );
        let subject = Subject::Halted { link: pair.link, what: HaltedWhat::of(pair.kind) };
        wrong.insert(subject, Alert { event: "halted", text });
    }
    for (what, count) in [(ManyWhat::Parked, lane.tally.parked), (ManyWhat::Halted, lane.tally.halted)] {
        if count > NAMED as u64 {
            let event = what.word();
            let text = format!("{count} tickets of {external} are {event}: `itop-bridge links list` names them.");
            wrong.insert(Subject::Many { what, external: external.clone() }, Alert { event, text });
        }
    }
}

/// The alert that tickets wait and none gets through, without any other explanation.
fn silence(lane: &LaneStanding, silent_ms: i64) -> Alert {
    let text = format!(
        "Nothing of {} has got through for {}, and {}: `itop-bridge links list` and the log say why.",
        lane.external,
        span(silent_ms),
        counted(lane.tally.waiting as usize, "ticket waits", "tickets wait")
    );
    Alert { event: "silence", text }
}
