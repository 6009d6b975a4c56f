//! A picture or a file whose contents do not come, while its iTop answers everything else: a broken row, a lost
//! file on that server, a proxy that does not like it. It must not hold up what else there is to carry.
//!
//! The first failure ends the pass as any other on the way: the side may be going down. Where that iTop has answered
//! other calls since and it fails again, the pass goes on without it. When it has failed so several times, over some
//! minutes, a picture is given up: words stand in its place. A file is not: it is tried on, and its ticket is
//! parked, where an operator sees it.

use itop_client::Error;

use crate::Shared;
use crate::side::failure::{Failure, Kind};
use crate::side::itop::Itop;

/// So often that iTop must have answered other calls in between.
const TIMES: u32 = 5;

/// What is loaded one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Loaded {
    Attachment,
    InlineImage,
    Ticket,
}

/// Contents that did not come, again and again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unreadable {
    pub since_ms: i64,
    pub last_ms: i64,
    /// The time between the tries. A clock that was set forward makes no minutes of a moment.
    pub waited_ms: i64,
    /// Counted once between two answers of that iTop's: while it answers nothing at all, a failure says nothing of
    /// the object.
    pub times: u32,
    pub answers_before: u64,
}

impl Shared {
    /// An attachment's contents did not come.
    pub(crate) fn file_not_read(&self, itop: &Itop, id: u64, error: &Error) -> Failure {
        let failure = Failure::of(itop, error);
        if failure.kind != Kind::Transient {
            return failure;
        }
        let (failure, _) = self.not_read(itop, Loaded::Attachment, id, failure, error);
        failure
    }

    /// A ticket could not be read by itself, for a page that came in place of iTop's answer.
    pub(crate) fn ticket_not_read(&self, itop: &Itop, id: u64, error: &Error) -> Failure {
        let failure = Failure::of(itop, error);
        if error.page_status().is_none() {
            return failure;
        }
        let (failure, _) = self.not_read(itop, Loaded::Ticket, id, failure, error);
        failure
    }

    /// An inline image did not come: why words are to stand in its place, or the failure that it is until then.
    pub(crate) fn picture_not_read(&self, itop: &Itop, id: u64, error: &Error) -> Result<String, Failure> {
        let failure = Failure::of(itop, error);
        match failure.kind {
            // iTop itself says that there is no such picture, or it is none, or too large for that iTop.
            Kind::Refused | Kind::Gone | Kind::TooLarge => return Ok(failure.text),
            // It says nothing of the picture.
            Kind::Throttled { .. } => return Err(failure),
            // It is asked for without a log-in: where one is wanted, it is not the account's that is refused.
            _ => {}
        }
        let (failure, is_given_up) = self.not_read(itop, Loaded::InlineImage, id, failure, error);
        if is_given_up { Ok(failure.text) } else { Err(failure) }
    }

    fn not_read(&self, itop: &Itop, what: Loaded, id: u64, failure: Failure, error: &Error) -> (Failure, bool) {
        let now = self.now_ms();
        let given_up_after_ms = self.timing.unreadable_after_ms;
        let known = itop.could_not_read(what, id, now, given_up_after_ms / i64::from(TIMES));
        if known.times == 1 {
            return (failure, false);
        }
        let name = match what {
            Loaded::Attachment => "attachment",
            Loaded::InlineImage => "inline image",
            Loaded::Ticket => "ticket",
        };
        let is_often = known.times >= TIMES;
        let since_ms = if is_often { known.since_ms } else { now };
        let text = format!("{name} {id} cannot be read: {error}");
        let is_given_up = is_often && known.waited_ms >= given_up_after_ms;
        (Failure::at(itop, Kind::Unreadable { since_ms }, text), is_given_up)
    }
}
