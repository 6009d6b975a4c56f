//! Pictures or files whose contents do not come although their iTop answers everything else: a broken row, a file lost
//! on that server, a proxy that rejects it. They must not hold back the rest.
//!
//! The first failure ends the pass like any other on the way: the side may be going down. If that iTop has answered
//! other calls since, and the same contents fail again, the pass goes on without them. After several failures over some
//! minutes a picture is given up, and words replace it. A file is never given up: it is retried, and its ticket is
//! parked, where an operator sees it.

use itop_client::Error;

use crate::Shared;
use crate::side::failure::{Failure, Kind};
use crate::side::itop::Itop;

/// This many failures, with other answers of that iTop in between, count as often.
const TIMES: u32 = 5;

/// Kinds of objects that are loaded one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Loaded {
    Attachment,
    InlineImage,
    Ticket,
}

/// Contents that fail again and again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unreadable {
    pub since_ms: i64,
    pub last_ms: i64,
    /// The sum of the times between the tries. A clock that is set forward must not turn a moment into minutes.
    pub waited_ms: i64,
    /// Counted once between two answers of that iTop: while it answers nothing at all, a failure says nothing about the
    /// object.
    pub times: u32,
    pub answers_before: u64,
}

/// Classifies a failure to load an attachment's contents.
pub(crate) fn file_not_read(shared: &Shared, itop: &Itop, id: u64, error: &Error) -> Failure {
    let failure = Failure::of(itop, error);
    if failure.kind != Kind::Transient {
        return failure;
    }
    let (failure, _) = not_read(shared, itop, Loaded::Attachment, id, failure, error);
    failure
}

/// Classifies a failure to read a ticket by itself; only a page in place of iTop's answer counts.
pub(crate) fn ticket_not_read(shared: &Shared, itop: &Itop, id: u64, error: &Error) -> Failure {
    let failure = Failure::of(itop, error);
    if error.page_status().is_none() {
        return failure;
    }
    let (failure, _) = not_read(shared, itop, Loaded::Ticket, id, failure, error);
    failure
}

/// Classifies a failure to load an inline image: why words are to replace it, or the failure until then.
pub(crate) fn picture_not_read(shared: &Shared, itop: &Itop, id: u64, error: &Error) -> Result<String, Failure> {
    let failure = Failure::of(itop, error);
    match failure.kind {
        // iTop itself says that the picture does not exist, is no picture, or is too large for that iTop.
        Kind::Refused | Kind::Gone | Kind::TooLarge => return Ok(failure.text),
        // This says nothing about the picture.
        Kind::Throttled { .. } => return Err(failure),
        // Pictures are requested without a log-in: a refusal for lack of one does not concern the account.
        _ => {}
    }
    let (failure, is_given_up) = not_read(shared, itop, Loaded::InlineImage, id, failure, error);
    if is_given_up { Ok(failure.text) } else { Err(failure) }
}

fn not_read(shared: &Shared, itop: &Itop, what: Loaded, id: u64, failure: Failure, error: &Error) -> (Failure, bool) {
    let now = shared.now_ms();
    let given_up_after_ms = shared.timing.unreadable_after_ms;
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
