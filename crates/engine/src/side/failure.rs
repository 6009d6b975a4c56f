//! The failures of a pass, and their effect on the queue.

use std::sync::atomic::Ordering;

use itop_bridge_core::Side;
use itop_bridge_store::{Claim, Look, Next, StoreError};
use itop_client::{Effect, Error, ErrorClass};

use crate::issue::{Access, Cause};
use crate::side::itop::Itop;
use crate::suspension::Verdict;
use crate::{Lane, Shared};

/// A failure of one call or of one step before it.
#[derive(Debug, Clone)]
pub struct Failure {
    pub kind: Kind,
    /// What failed, on which side, in iTop's words.
    pub text: String,
    /// The side concerned, if any.
    pub instance: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Failed on the way, or without iTop's own answer: retried without end.
    Transient,
    /// The log-in was refused.
    Login,
    /// iTop refused this write.
    Refused,
    /// The account may not do this to that class, or the whole iTop is read-only.
    Rights {
        class: String,
        access: Access,
    },
    /// The configuration names something that the iTop lacks.
    Setup,
    /// The object changed between the read and the write.
    Stale,
    /// The object is not there.
    Gone,
    /// The body was too large for that iTop.
    TooLarge,
    /// This side asks for fewer calls: nothing is sent to it before then.
    Throttled {
        until_ms: i64,
    },
    /// Something in front of that iTop answered this one write, while other calls pass.
    Barred {
        status: u16,
        to: Side,
        /// `Retry-After` forbids a retry before this.
        not_before_ms: i64,
    },
    /// The contents of one object have not come since then, while its iTop answers otherwise: retried without end, and
    /// nothing else waits for it.
    Unreadable {
        since_ms: i64,
    },
    Store,
    /// Another worker has the ticket now.
    LeaseLost,
}

impl Failure {
    pub fn of(itop: &Itop, error: &Error) -> Failure {
        let kind = match &error.class {
            ErrorClass::Transient => Kind::Transient,
            ErrorClass::Login => Kind::Login,
            ErrorClass::Rights { .. } => {
                let access = if error.asked.operation.writes() { Access::Write } else { Access::Read };
                Kind::Rights { class: error.asked.class.clone(), access }
            }
            ErrorClass::Stale => Kind::Stale,
            ErrorClass::Gone => Kind::Gone,
            ErrorClass::TooLarge => Kind::TooLarge,
            ErrorClass::Throttled { .. } => {
                Kind::Throttled { until_ms: itop.throttled().map_or(0, |throttled| throttled.until_ms) }
            }
            ErrorClass::WrongAddress { .. } => Kind::Transient,
            _ if matches!(error.effect, Effect::Unknown { answered: false }) => Kind::Transient,
            _ => Kind::Refused,
        };
        Failure::at(itop, kind, error.to_string())
    }

    pub fn at(itop: &Itop, kind: Kind, what: String) -> Failure {
        Failure { kind, text: format!("{}: {what}", itop.name), instance: itop.name.clone() }
    }

    pub fn setup(text: String) -> Failure {
        Failure { kind: Kind::Setup, text, instance: String::new() }
    }

    /// Whether nothing more can be tried in this pass.
    pub fn ends_the_pass(&self) -> bool {
        use Kind::*;
        matches!(self.kind, Transient | Throttled { .. } | Login | Store | LeaseLost)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Failure {
        let kind = if matches!(error, StoreError::LeaseLost) { Kind::LeaseLost } else { Kind::Store };
        Failure { kind, text: error.to_string(), instance: String::new() }
    }
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

impl Shared {
    /// Reports a failed call to the side's breaker; a side that keeps failing is probed.
    pub fn call_failed(&self, itop: &Itop, error: &Error) {
        match error.class {
            ErrorClass::Login => self.goes_down(itop, error),
            ErrorClass::Throttled { .. } => self.slow_down(itop, error),
            // If only this call is concerned, the next one shows that the side is up.
            _ if error.is_transient() || error.page_status().is_some() => {
                if itop.breaker().failed() {
                    itop.trouble.notify_one();
                }
            }
            _ => self.answered(itop),
        }
    }

    /// From now on only the prober calls this side.
    pub(crate) fn goes_down(&self, itop: &Itop, error: &Error) {
        itop.login_is_refused.store(error.class == ErrorClass::Login, Ordering::Relaxed);
        let is_news = itop.breaker().goes_down(self.now_ms(), error.to_string());
        if !is_news {
            return;
        }
        itop.trouble.notify_one();
        self.sides_changed.notify_one();
        if error.class == ErrorClass::Login {
            let how = itop.login_source.as_ref().map(|source| source.how_to_correct()).unwrap_or_default();
            tracing::error!(itop = %itop.name, %error, "the log-in is refused, and tried again every minute; mend user and password or token: {how}");
        } else {
            tracing::error!(itop = %itop.name, %error, "the side is down; it is tried again every minute");
        }
    }

    /// Ends a claim that failed before its pass began.
    pub async fn fail(&self, lane: &Lane, claim: &Claim, failure: Failure) {
        let next = self.after_failure(lane, claim, &[failure]);
        if let Some((error, parked)) = news(claim, &next) {
            let ticket = format!("{}:{}", lane.name, claim.lease.of.ticket);
            tracing::warn!(ticket, parked, error, "a ticket cannot be looked at; it is tried again");
        }
        self.finish(claim, next).await;
    }

    /// The queue's next step after a failed pass.
    pub fn after_failure(&self, lane: &Lane, claim: &Claim, failures: &[Failure]) -> Next {
        let now = self.now_ms();
        let probe = now + self.timing.probe_ms;
        let mut due = now + self.random.jitter_ms(self.backoff_ms(claim.attempts));
        let mut refused_since = None;
        for failure in failures {
            match &failure.kind {
                Kind::Rights { class, access } => {
                    self.lacks_rights(lane, claim, failure, class, *access);
                    due = due.max(probe);
                }
                Kind::Refused | Kind::Stale | Kind::Gone | Kind::TooLarge => {
                    match self.judge_refusal(lane, claim, failure) {
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
        let park = refused_for_ms >= self.timing.park_after_ms;
        if park {
            due = now + self.parked_retry_ms(refused_for_ms);
        }
        Next::Retry { due_ms: due, error, parked: park, look: None }
    }

    fn lacks_rights(&self, lane: &Lane, claim: &Claim, failure: &Failure, class: &str, access: Access) {
        let (instance, error, ticket) = (&failure.instance, &failure.text, claim.lease.of.ticket);
        let missing = Cause::Class { instance: instance.clone(), class: class.to_owned(), access };
        if self.suspensions().rights(&lane.name, ticket, missing, self.now_ms(), error.clone()) {
            tracing::error!(%instance, class, error, "tickets of this class wait: the account lacks the right, or this iTop is read-only");
        }
    }

    fn judge_refusal(&self, lane: &Lane, claim: &Claim, failure: &Failure) -> Verdict {
        let (instance, error) = (&failure.instance, &failure.text);
        let verdict = self.suspensions().refused(&lane.name, claim.lease.of.ticket, instance, error, self.now_ms());
        if let Verdict::Shared { cause, is_news: true } = &verdict {
            tracing::error!(external = %lane.name, error, "several tickets are refused in one text: {cause} wait, and one is tried every minute");
        }
        verdict
    }

    /// Whether it has been refused for so long that it counts as parked.
    pub(crate) fn is_parked(&self, since_ms: i64) -> bool {
        self.now_ms() - since_ms >= self.timing.park_after_ms
    }

    /// The wait after this many tries of a kept-back part: whatever counts such requests must not take the bridge for
    /// an attacker.
    pub(crate) fn kept_back_ms(&self, tries: u32) -> i64 {
        let doubled = self.timing.backoff_first_ms.saturating_mul(1 << tries.min(20));
        doubled.min(self.timing.kept_back_max_ms)
    }

    pub(crate) fn backoff_ms(&self, attempts: u32) -> i64 {
        let doubled = self.timing.backoff_first_ms.saturating_mul(1 << attempts.min(20));
        doubled.min(self.timing.backoff_max_ms)
    }

    /// How long a value that was refused for so long is left alone: as long as a parked ticket.
    pub(crate) fn refused_value_waits_ms(&self, refused_for_ms: i64) -> i64 {
        self.parked_retry_ms(self.timing.park_after_ms + refused_for_ms)
    }

    /// A parked ticket is retried by itself after 1 h, 6 h, then daily.
    pub(crate) fn parked_retry_ms(&self, refused_for_ms: i64) -> i64 {
        let mut since = self.timing.park_after_ms;
        for wait in self.timing.parked_retries_ms {
            since += wait;
            if refused_for_ms < since {
                return wait;
            }
        }
        self.timing.parked_retries_ms[self.timing.parked_retries_ms.len() - 1]
    }
}
