//! Requests that something in front of an iTop (a proxy, a firewall) answers in its place because of their contents,
//! while other calls pass. The part of the ticket concerned is retried by itself with growing waits, and reported as
//! parked after an hour; the rest of the ticket goes on. Such a call may have been carried out: a write that must not
//! be doubled settles first, as after any other end without an answer.

use itop_bridge_core::Link;
use itop_bridge_core::document::DocumentKind;
use itop_bridge_core::event::Event;
use itop_bridge_core::link::{Held, LeftOut, Part};
use itop_bridge_store::{Look, Next};

use crate::pass::work::Work;
use crate::queue::retry::is_parked;
use crate::side::failure::{Failure, Kind};

/// Replaces a text that is kept from that iTop, until the text arrives.
pub(crate) const KEPT_BACK: &str = "(this text could not be delivered yet; it stands in the other ticket)";

/// Replaces a text that the iTop refuses, until it accepts that text or gets another.
pub(crate) const NOT_TAKEN: &str = "(this text was not taken here; it stands in the other ticket)";

/// Keeps this part back if the failure concerns it alone: then the part waits, and the pass has not failed. Any
/// other failure is returned. `of` tells one content of the part from another.
pub(crate) async fn hold(work: &mut Work<'_>, part: Part, of: &str, failure: Failure) -> Result<(), Failure> {
    let Kind::Barred { status, to, not_before_ms: asked_ms } = failure.kind else { return Err(failure) };
    let now_ms = work.shared.now_ms();
    let known = work.link.held(&part).cloned();
    let (since_ms, tries) = known.as_ref().map_or((now_ms, 1), |known| (known.since_ms, known.tries + 1));
    let shared = work.shared;
    let wait_ms = match is_parked(shared, since_ms) {
        true => shared.timing.parked_retry_ms(now_ms - since_ms),
        false => shared.random.jitter_ms(shared.timing.kept_back_ms(tries)),
    };
    let not_before_ms = asked_ms.max(now_ms + wait_ms);
    let (tried_ms, of) = (now_ms, of.to_owned());
    let held = Held { part, to, status, since_ms, tries, tried_ms, not_before_ms, asked_ms, of };
    if known.is_none() {
        let told = told(&work.link, &held, &work.shared.itop(work.lane, to).name);
        let rest = match held.part {
            Part::Creation => "nothing of the ticket crosses until then",
            _ => "the rest of the ticket goes on",
        };
        tracing::warn!(ticket = %work.name(), error = %failure.text, "{told}; it is tried again, and {rest}");
        work.did(Event::KeptBack { to, status, text: told });
    }
    work.link.hold(held);
    work.save().await
}

/// A hint or an operator asked for the ticket: parked parts are tried now, unless they were tried a moment ago.
pub(crate) fn try_what_is_parked(work: &mut Work<'_>) {
    if work.claim.parked {
        return;
    }
    let soonest = work.shared.timing.probe_ms;
    for held in &mut work.link.open.held {
        held.not_before_ms = held.not_before_ms.min(held.tried_ms + soonest).max(held.asked_ms);
    }
}

/// The part got through: it is kept back no longer.
pub(crate) async fn release(work: &mut Work<'_>, part: &Part) -> Result<(), Failure> {
    if work.link.held(part).is_none() {
        return Ok(());
    }
    work.link.release(part);
    work.save().await
}

/// Adds the next try of the kept-back parts to the queue's next step.
pub(crate) fn with_what_is_held(work: &Work<'_>, next: Next) -> Next {
    if work.link.course.halt.is_some() {
        // Nothing is written to a halted pair: kept-back parts are tried once it resumes.
        return next;
    }
    let now_ms = work.shared.now_ms();
    let due = work.link.open.held.iter().map(|held| {
        let next_ms = match held.not_before_ms > now_ms {
            true => held.not_before_ms,
            // Not tried, as an earlier call may still take effect: the plan says when to look.
            false => now_ms + work.shared.timing.kept_back_max_ms,
        };
        let parked_ms = held.since_ms + work.shared.timing.park_after_ms;
        if now_ms < parked_ms { next_ms.min(parked_ms) } else { next_ms }
    });
    let Some(held_due_ms) = due.min() else { return next };
    let side = |to| work.shared.itop(work.lane, to).name.as_str();
    let texts = work.link.open.held.iter().map(|held| told(&work.link, held, side(held.to)));
    let texts = texts.collect::<Vec<_>>().join("; ");
    let is_parked = work.link.open.held.iter().any(|held| is_parked(work.shared, held.since_ms));
    match next {
        Next::Retry { due_ms, error, parked, look } => Next::Retry {
            due_ms: due_ms.min(held_due_ms),
            // The link has the kept-back parts; but the queue parks no ticket without its reason.
            error: if is_parked && !parked { format!("{texts}; {error}") } else { error },
            parked: parked || is_parked,
            look,
        },
        next => {
            let mut look = look_at_what_is_held(work);
            let mut due_ms = held_due_ms;
            if let Next::Look { due_ms: wanted_ms, look: wanted } = next {
                due_ms = due_ms.min(wanted_ms);
                look.merge(&wanted);
            }
            Next::Held { due_ms, error: texts, parked: is_parked, look }
        }
    }
}

/// The claim's other looks are done: a hint that was handled does not count again at each try.
fn look_at_what_is_held(work: &Work<'_>) -> Look {
    let Look { created, backfilled, .. } = work.claim.look;
    // Kept-back files are not rechecked more often than they are tried.
    let (second_looks, internal_second_looks) = (u32::MAX, u32::MAX);
    let all = Look::everything();
    let mut look = Look { unwritten: true, created, backfilled, second_looks, internal_second_looks, ..all };
    for held in &work.link.open.held {
        if let Part::File { from, original } = held.part {
            look.name(from, original);
        }
    }
    look
}

/// Which part is kept back, by whom, and with which answer.
pub fn told(link: &Link, held: &Held, instance: &str) -> String {
    format!("{}: {} by what stands before {instance}", name_of(link, &held.part), held.status)
}

/// A part of a ticket in people's words.
pub fn name_of(link: &Link, part: &Part) -> String {
    match part {
        Part::Creation => "the ticket's creation".to_owned(),
        Part::Field { code } => code.clone(),
        Part::Text(LeftOut { on, code, .. }) => format!("{code} {}", on.place()),
        Part::AsHtml { on, code } => format!("{code} {} as HTML", on.place()),
        Part::Status { on } => format!("the status {}", on.place()),
        Part::File { from, original } => match link.copy_of(*from, *original).map(|copy| &copy.content.name) {
            Some(name) if !name.is_empty() => format!("file {name:?}"),
            _ => format!("attachment {original} {}", from.place()),
        },
        Part::Entries { from, log, key } => {
            let batch = link.log(*from, *log).and_then(|state| state.batches().find(|it| it.key() == Some(key)));
            let entries = batch.map_or(1, |batch| batch.entries.len());
            let entries = if entries == 1 { "an entry".to_owned() } else { format!("{entries} entries") };
            format!("{entries} of the {} log {}", log.word(), from.place())
        }
        Part::Enclosure { from, kind, key } => match link.enclosure(*from, *kind, key) {
            Some(enclosure) => format!("file {:?}", enclosure.name),
            None => format!("a file {}", from.place()),
        },
        Part::Document { kind } => match kind {
            DocumentKind::Report => "the report of the status".to_owned(),
            DocumentKind::Notice => "the notice".to_owned(),
        },
    }
}
