//! The next step of a ticket whose pass failed.

use itop_bridge_store::{Claim, Look, Next};

use crate::issue::{Access, Cause};
use crate::queue::finish;
use crate::side::failure::{Failure, Kind};
use crate::suspension::Verdict;
use crate::{Lane, Shared};

/// Ends a claim that failed before its pass began.
pub(crate) async fn fail(shared: &Shared, lane: &Lane, claim: &Claim, failure: Failure) {
    let next = after_failure(shared, lane, claim, &[failure]);
    if let Some((error, parked)) = news(claim, &next) {
        let ticket = format!("{}:{}", lane.name, claim.lease.of.ticket);
        tracing::warn!(ticket, parked, error, "a ticket cannot be looked at; it is tried again");
    }
    finish::finish(shared, claim, next).await;
}

/// The queue's next step after a failed pass.
pub(crate) fn after_failure(shared: &Shared, lane: &Lane, claim: &Claim, failures: &[Failure]) -> Next {
    let now = shared.now_ms();
    let probe = now + shared.timing.probe_ms;
    let mut due = now + shared.random.jitter_ms(shared.timing.backoff_ms(claim.attempts));
    let mut refused_since = None;
    for failure in failures {
        match &failure.kind {
            Kind::Rights { class, access } => {
                lacks_rights(shared, lane, claim, failure, class, *access);
                due = due.max(probe);
            }
            Kind::Refused | Kind::Stale | Kind::Gone | Kind::TooLarge => {
                match judge_refusal(shared, lane, claim, failure) {
                    Verdict::Alone { since_ms } => refused_since = Some(since_ms),
                    Verdict::Shared { .. } => due = due.max(probe),
                }
            }
            Kind::Unreadable { since_ms } => {
                refused_since = Some(refused_since.map_or(*since_ms, |since: i64| since.min(*since_ms)));
            }
            Kind::Setup | Kind::Login => due = due.max(probe),
            Kind::Throttled { until_ms } => due = due.max(*until_ms),
            Kind::Transient | Kind::Barred { .. } | Kind::Store | Kind::LeaseLost => {}
        }
    }
    let error = failures.iter().map(|failure| failure.text.as_str()).collect::<Vec<_>>().join("; ");
    // Time spent waiting for a side that was down, or for a right, does not count as refused.
    let refused_for_ms = refused_since.map_or(0, |since| now - since);
    let park = refused_for_ms >= shared.timing.park_after_ms;
    if park {
        due = now + shared.timing.parked_retry_ms(refused_for_ms);
    }
    Next::Retry { due_ms: due, error, parked: park, look: None }
}

fn lacks_rights(shared: &Shared, lane: &Lane, claim: &Claim, failure: &Failure, class: &str, access: Access) {
    let (instance, error, ticket) = (&failure.instance, &failure.text, claim.lease.of.ticket);
    let missing = Cause::Class { instance: instance.clone(), class: class.to_owned(), access };
    if shared.suspensions().rights(&lane.name, ticket, missing, shared.now_ms(), error.clone()) {
        tracing::error!(%instance, class, error, "tickets of this class wait: the account lacks the right, or this iTop is read-only");
    }
}

fn judge_refusal(shared: &Shared, lane: &Lane, claim: &Claim, failure: &Failure) -> Verdict {
    let (instance, error) = (&failure.instance, &failure.text);
    let verdict = shared.suspensions().refused(&lane.name, claim.lease.of.ticket, instance, error, shared.now_ms());
    if let Verdict::Shared { cause, is_news: true } = &verdict {
        tracing::error!(external = %lane.name, error, "several tickets are refused in one text: {cause} wait, and one is tried every minute");
    }
    verdict
}

/// Whether a ticket or a part that was refused since then counts as parked.
pub(crate) fn is_parked(shared: &Shared, since_ms: i64) -> bool {
    shared.now_ms() - since_ms >= shared.timing.park_after_ms
}

/// The error of a failed pass, and whether it parks the ticket. An error that is already known is not logged at every
/// try.
pub fn news<'a>(claim: &Claim, next: &'a Next) -> Option<(&'a str, bool)> {
    match next {
        Next::Retry { error, parked, .. } | Next::Held { error, parked, .. }
            if *parked || claim.error.as_ref() != Some(error) =>
        {
            Some((error, *parked))
        }
        _ => None,
    }
}

/// Merges a failed write's retry with the look that the pass wanted: the look keeps its time, however long the write
/// must wait. The claim's own look (`had`) is kept too, since its write is still to come.
pub fn and_look(retry: Next, wanted: Next, had: Look) -> Next {
    match (retry, wanted) {
        (Next::Retry { due_ms, error, parked, .. }, Next::Look { due_ms: look_ms, look: wanted }) => {
            let mut look = Look { ticket: true, files: true, unwritten: true, ..wanted.clone() };
            look.merge(&had);
            look.second_looks = wanted.second_looks.max(had.second_looks);
            look.internal_second_looks = wanted.internal_second_looks.max(had.internal_second_looks);
            Next::Retry { due_ms: due_ms.min(look_ms), error, parked, look: Some(look) }
        }
        (Next::Retry { due_ms, error, parked, .. }, _) => Next::Retry { due_ms, error, parked, look: Some(had) },
        (next, _) => next,
    }
}
