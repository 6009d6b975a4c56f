//! Pictures or files whose contents do not come although their iTop answers everything else: a broken row, a file lost
//! on that server, a proxy that rejects it. They must not hold back the rest.
//!
//! The first failure ends the pass like any other on the way: the side may be going down. If that iTop has answered
//! other calls since, and the same contents fail again, the pass goes on without them. After several failures over some
//! minutes a picture is given up, and words replace it. A file is never given up: it is retried, and its ticket is
//! parked, where an operator sees it.

use std::collections::HashMap;

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

/// The contents of one side that fail.
#[derive(Debug, Default)]
pub(crate) struct Unreadables {
    /// How many calls this iTop itself has answered.
    answers: u64,
    of: HashMap<(Loaded, u64), Unreadable>,
}

impl Unreadables {
    /// Counts a call with iTop's own answer.
    pub fn count_answer(&mut self) {
        self.answers = self.answers.wrapping_add(1);
    }

    /// Records a failure to load an object's contents. At most `most_ms` counts between two tries.
    pub fn failed(&mut self, what: Loaded, id: u64, now_ms: i64, most_ms: i64) -> Unreadable {
        let answers_before = self.answers;
        let fresh = Unreadable { since_ms: now_ms, last_ms: now_ms, waited_ms: 0, times: 1, answers_before };
        let known = self.of.entry((what, id)).or_insert(fresh);
        if known.answers_before != answers_before {
            // The first failure may have begun an outage: that time does not count.
            if known.times == 1 {
                (known.since_ms, known.last_ms) = (now_ms, now_ms);
            }
            known.waited_ms += (now_ms - known.last_ms).clamp(0, most_ms);
            known.last_ms = now_ms;
            (known.times, known.answers_before) = (known.times.saturating_add(1), answers_before);
        }
        *known
    }

    /// The object could be read.
    pub fn read(&mut self, what: Loaded, id: u64) {
        self.of.remove(&(what, id));
    }
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
    let known = itop.unreadables().failed(what, id, now, given_up_after_ms / i64::from(TIMES));
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Each step is a failure at that time, or an answer of that iTop to another call; then the failures that count and
    /// the time waited.
    #[test]
    fn a_failure_counts_once_between_two_answers_and_only_time_between_tries_counts() {
        const ANSWER: i64 = -1;
        for (steps, times, waited_ms) in [
            (&[0][..], 1, 0),
            // While that iTop answers nothing, a failure says nothing about the object.
            (&[0, 10, 20], 1, 0),
            // The first failure may have begun an outage.
            (&[0, ANSWER, 5_000], 2, 0),
            (&[0, ANSWER, 100, ANSWER, 200], 3, 100),
            // A clock that is set forward must not turn a moment into minutes.
            (&[0, ANSWER, 100, ANSWER, 9_000_000], 3, 1_000),
            (&[0, ANSWER, 100, ANSWER, 50], 3, 0),
        ] {
            let mut of = Unreadables::default();
            let mut last = None;
            for step in steps {
                match *step {
                    ANSWER => of.count_answer(),
                    at_ms => last = Some(of.failed(Loaded::InlineImage, 7, at_ms, 1_000)),
                }
            }
            let last = last.unwrap();
            assert_eq!((last.times, last.waited_ms), (times, waited_ms), "{steps:?}");
        }
    }

    #[test]
    fn an_object_that_was_read_begins_anew() {
        let mut of = Unreadables::default();
        of.failed(Loaded::Attachment, 7, 0, 1_000);
        of.count_answer();
        assert_eq!(of.failed(Loaded::Attachment, 7, 10, 1_000).times, 2);
        assert_eq!(of.failed(Loaded::Ticket, 7, 10, 1_000).times, 1, "another kind of object");
        of.read(Loaded::Attachment, 7);
        assert_eq!(of.failed(Loaded::Attachment, 7, 20, 1_000).times, 1);
    }
}
