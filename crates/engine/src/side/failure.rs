//! The failures of a pass, and their effect on the queue.

use itop_bridge_core::Side;
use itop_bridge_store::StoreError;
use itop_client::{Effect, Error, ErrorClass};

use crate::issue::Access;
use crate::side::itop::Itop;

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
                Kind::Throttled { until_ms: itop.throttled().as_ref().map_or(0, |throttled| throttled.until_ms) }
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
