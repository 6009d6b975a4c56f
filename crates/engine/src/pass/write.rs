//! One write to one iTop, on either side: the intent is stored, the call is sent, and its end is recorded in the link.
//!
//! A call may take effect until `settle_seconds` after its last byte was sent, and sending may take long. So settling
//! begins when the call ends without an answer. A process that died while sending has sent nothing since its death.

use itop_bridge_core::Link;
use itop_bridge_core::link::Sending;
use itop_client::{Effect, Error, ErrorClass};

use crate::pass::heavy::end_heavy;
use crate::pass::work::Work;
use crate::side::failure::{Failure, Kind};
use crate::side::itop::Itop;
use crate::side::send::{Change, Sent, send, unanswered};

/// The end of a write: iTop's own answer, good or bad, which the caller records and saves; or a failure that is recorded
/// already.
pub(crate) type WriteEnd<T> = Result<Result<T, Error>, Failure>;

/// Sends a write that may take effect although no answer comes. `intend` enters into the link what is sent, and
/// until when it may take effect.
///
/// A call that ends without iTop's answer is recorded here and returned as a failure, except for a body that is too
/// large, which the caller may send smaller. The caller records and saves any other end. By then the entered `late`
/// writes are forgotten, or have settled if iTop's error may come from after the write; and after a call without
/// effect the enclosures are as before.
pub(crate) async fn write<C: Change>(
    work: &mut Work<'_>,
    itop: &Itop,
    change: C,
    intend: impl FnOnce(&mut Link, i64),
) -> WriteEnd<C::Answer> {
    let (class, comment) = (change.class().to_owned(), work.comment());
    let enclosures = work.link.files.enclosures.clone();
    let since_ms = work.shared.now_ms();
    let mut until_ms = since_ms + itop.settle_ms;
    // The time identifies this call, so it must differ from an earlier call's.
    while work.link.in_flight.late.iter().any(|late| late.until_ms == until_ms) {
        until_ms += 1;
    }
    work.link.in_flight.sending = Some(Sending { to: itop.side(), since_ms, until_ms });
    intend(&mut work.link, until_ms);
    work.save().await?;
    let memory = work.files.memory();
    let answer = match send(work.shared, &mut work.claim, itop, memory, &comment, change).await? {
        Sent::Ended(answer) => answer,
        Sent::ThrottledAlone(failure) => {
            // The call had no effect, and nothing has to settle.
            work.link.may_land_until(work.shared.now_ms());
            work.link.record_sent();
            work.link.files.enclosures = enclosures;
            work.save().await?;
            return Err(failure);
        }
    };
    let now = work.shared.now_ms();
    match &answer {
        Err(error) if error.effect == (Effect::Unknown { answered: false }) => {
            let until_ms = now + itop.settle_ms;
            work.link.may_land_until(until_ms);
            // The plan did not see this call; if the caller sends less and gets an answer, nothing else asks for a
            // look.
            work.look_again(until_ms);
            work.save().await?;
            if is_too_large(error) {
                return Ok(answer);
            }
            let failure = unanswered(work.shared, &mut work.claim, itop, error).await?;
            // Kept-back parts are logged when that begins, not at every try.
            if !matches!(failure.kind, Kind::Barred { .. }) {
                tracing::warn!(ticket = %work.name(), error = %failure.text, "no answer to a write; until it has settled it may be carried out all the same");
            }
            return Err(failure);
        }
        // The call is over: its effect, if any, is visible now.
        Err(error) if error.effect == (Effect::Unknown { answered: true }) => work.link.may_land_until(now),
        Ok(_) => {
            end_heavy(work, itop, &class);
            work.link.record_sent();
        }
        Err(_) => {
            work.link.record_sent();
            work.link.files.enclosures = enclosures;
        }
    }
    Ok(answer)
}

/// An earlier pass never recorded how its call ended: its process died, or it lost the lease. It has sent nothing
/// since this process started, or since this pass took the ticket over.
pub(crate) async fn settle_what_was_being_sent(work: &mut Work<'_>) -> Result<(), Failure> {
    let Some(sending) = work.link.in_flight.sending.clone() else { return Ok(()) };
    let shared = work.shared;
    let gone_ms = if sending.since_ms < shared.started_ms { shared.started_ms } else { shared.now_ms() };
    let settle_ms = shared.itop(work.lane, sending.to).settle_ms;
    work.link.may_land_until(sending.until_ms.max(gone_ms + settle_ms));
    work.save().await
}

/// Refused for its size: by PHP's body limit, by a proxy, by iTop, or by the database's packet limit.
pub(crate) fn is_too_large(error: &Error) -> bool {
    error.class == ErrorClass::TooLarge
}
