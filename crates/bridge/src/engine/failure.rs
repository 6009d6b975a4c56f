//! What went wrong in a pass, and what the queue makes of it.

use itop_client::{Effect, Error, ErrorClass};

use super::breaker::Verdict;
use super::itop::Itop;
use super::{Lane, Shared};
use crate::store::{Claim, Next, StoreError};

/// A failure of one call or of one step before it.
#[derive(Debug, Clone)]
pub struct Failure {
    pub kind: Kind,
    /// What failed, on which side, in iTop's words.
    pub text: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// On the way, or no answer of iTop's own: tried again without end.
    Transient,
    /// The log-in was refused.
    Login,
    /// iTop refused this write.
    Refused,
    /// The account may not do this to that class, or the whole iTop is read-only.
    Rights {
        instance: String,
        class: String,
    },
    /// The configuration names something that the iTop does not have.
    Setup,
    /// The object moved between the read and the write.
    Stale,
    /// The object is not there.
    Gone,
    /// The body was too large for that iTop.
    TooLarge,
    Store,
    /// Another worker has the ticket now.
    LeaseLost,
}

impl Failure {
    pub fn of(itop: &Itop, class: &str, error: &Error) -> Failure {
        let kind = match &error.class {
            ErrorClass::Transient => Kind::Transient,
            ErrorClass::Login => Kind::Login,
            ErrorClass::Rights { .. } => Kind::Rights { instance: itop.name.clone(), class: class.to_owned() },
            ErrorClass::Stale => Kind::Stale,
            ErrorClass::Gone => Kind::Gone,
            ErrorClass::TooLarge => Kind::TooLarge,
            ErrorClass::WrongAddress { .. } => Kind::Transient,
            _ if matches!(error.effect, Effect::Unknown { answered: false }) => Kind::Transient,
            _ => Kind::Refused,
        };
        Failure { kind, text: format!("{}: {error}", itop.name) }
    }

    pub fn setup(text: String) -> Failure {
        Failure { kind: Kind::Setup, text }
    }

    /// Nothing more can be tried in this pass.
    pub fn ends_the_pass(&self) -> bool {
        matches!(self.kind, Kind::Transient | Kind::Login | Kind::Store | Kind::LeaseLost)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Failure {
        let kind = if matches!(error, StoreError::LeaseLost) { Kind::LeaseLost } else { Kind::Store };
        Failure { kind, text: error.to_string() }
    }
}

impl Shared {
    /// Notes a failed call with the side's breaker; a side that fails again and again is probed.
    pub fn call_failed(&self, itop: &Itop, error: &Error) {
        match error.class {
            ErrorClass::Login => self.goes_down(itop, error),
            ErrorClass::Transient | ErrorClass::WrongAddress { .. } => {
                if itop.breaker().failed() {
                    itop.trouble.notify_one();
                }
            }
            _ => self.answered(itop),
        }
    }

    /// From now on only the prober calls this side.
    pub(super) fn goes_down(&self, itop: &Itop, error: &Error) {
        let is_news = itop.breaker().goes_down(self.now_ms(), error.to_string());
        if !is_news {
            return;
        }
        itop.trouble.notify_one();
        if error.class == ErrorClass::Login {
            tracing::error!(itop = %itop.name, %error, "the log-in is refused; mend user and password or token, it is tried again every minute");
        } else {
            tracing::error!(itop = %itop.name, %error, "the side is down; it is tried again every minute");
        }
    }

    /// What the queue keeps of a failed pass.
    pub fn after_failure(&self, lane: &Lane, claim: &Claim, failures: &[Failure]) -> Next {
        let now = self.now_ms();
        let probe = now + self.timing.probe_ms;
        let ticket = claim.lease.of.ticket;
        let mut due = now + self.random.jitter_ms(self.backoff_ms(claim.attempts));
        let mut refused_since = None;
        for failure in failures {
            match &failure.kind {
                Kind::Rights { instance, class } => {
                    if self.suspensions().rights(instance, class, probe, failure.text.clone()) {
                        tracing::error!(%instance, class, error = %failure.text, "writes of this class wait: the account lacks the right, or this iTop is read-only");
                    }
                    due = due.max(probe);
                }
                Kind::Refused | Kind::Stale | Kind::Gone | Kind::TooLarge => {
                    match self.suspensions().refused(&lane.name, ticket, &failure.text, now, probe) {
                        Verdict::Alone { since_ms } => refused_since = Some(since_ms),
                        Verdict::Shared => {
                            tracing::error!(lane = %lane.name, error = %failure.text, "several tickets are refused with one text; they wait and are tried every minute");
                            due = due.max(probe);
                        }
                    }
                }
                Kind::Setup | Kind::Login => due = due.max(probe),
                Kind::Transient | Kind::Store | Kind::LeaseLost => {}
            }
        }
        let error = failures.iter().map(|failure| failure.text.as_str()).collect::<Vec<_>>().join("; ");
        // What waited for a side that was down, or for a right, has not been refused so long.
        let refused_for_ms = refused_since.map_or(0, |since| now - since);
        let park = refused_for_ms >= self.timing.park_after_ms;
        if park {
            due = now + self.parked_retry_ms(refused_for_ms);
        }
        Next::Retry { due_ms: due, error, parked: park }
    }

    fn backoff_ms(&self, attempts: u32) -> i64 {
        let doubled = self.timing.backoff_first_ms.saturating_mul(1 << attempts.min(20));
        doubled.min(self.timing.backoff_max_ms)
    }

    /// A parked ticket is tried again by itself after 1 h, 6 h, then daily.
    fn parked_retry_ms(&self, refused_for_ms: i64) -> i64 {
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
