//! One write to one iTop, on either side: the intent is stored, the call is sent, and its end is recorded in the link.
//!
//! A call may take effect until `settle_seconds` after its last byte was sent, and sending may take long. So settling
//! begins when the call ends without an answer. A process that died while sending has sent nothing since its death.

use itop_bridge_core::Link;
use itop_bridge_core::link::Sending;
use itop_client::{Effect, Error, ErrorClass};

use crate::pass::Pass;
use crate::side::failure::{Failure, Kind};
use crate::side::itop::Itop;
use crate::side::send::{Change, Sent, send, unanswered};

impl Pass<'_> {
    /// Sends a write that may take effect although no answer comes. `intend` enters into the link what is sent, and
    /// until when it may take effect.
    ///
    /// A call that ends without iTop's answer is recorded here and returned as a failure, except for a body that is too
    /// large, which the caller may send smaller. The caller records and saves any other end. By then the entered `late`
    /// writes are forgotten, or have settled if iTop's error may come from after the write; and after a call without
    /// effect the enclosures are as before.
    pub(crate) async fn write<C: Change>(
        &mut self,
        itop: &Itop,
        change: C,
        intend: impl FnOnce(&mut Link, i64),
    ) -> Result<Result<C::Answer, Error>, Failure> {
        let (class, comment) = (change.class().to_owned(), self.comment());
        let enclosures = self.link.enclosures.clone();
        let since_ms = self.shared.now_ms();
        let mut until_ms = since_ms + itop.settle_ms;
        // The time identifies this call, so it must differ from an earlier call's.
        while self.link.late.iter().any(|late| late.until_ms == until_ms) {
            until_ms += 1;
        }
        self.link.sending = Some(Sending { to: itop.side(), since_ms, until_ms });
        intend(&mut self.link, until_ms);
        self.save().await?;
        let memory = self.files.memory();
        let answer = match send(self.shared, &mut self.claim, itop, memory, &comment, change).await? {
            Sent::Ended(answer) => answer,
            Sent::ThrottledAlone(failure) => {
                // The call had no effect, and nothing has to settle.
                self.link.may_land_until(self.shared.now_ms());
                self.link.record_sent();
                self.link.enclosures = enclosures;
                self.save().await?;
                return Err(failure);
            }
        };
        let now = self.shared.now_ms();
        match &answer {
            Err(error) if error.effect == (Effect::Unknown { answered: false }) => {
                let until_ms = now + itop.settle_ms;
                self.link.may_land_until(until_ms);
                // The plan did not see this call; if the caller sends less and gets an answer, nothing else asks for a
                // look.
                self.look_again(until_ms);
                self.save().await?;
                if is_too_large(error) {
                    return Ok(answer);
                }
                let failure = unanswered(self.shared, &mut self.claim, itop, error).await?;
                // Kept-back parts are logged when that begins, not at every try.
                if !matches!(failure.kind, Kind::Barred { .. }) {
                    tracing::warn!(ticket = %self.name(), error = %failure.text, "no answer to a write; until it has settled it may be carried out all the same");
                }
                return Err(failure);
            }
            // The call is over: its effect, if any, is visible now.
            Err(error) if error.effect == (Effect::Unknown { answered: true }) => self.link.may_land_until(now),
            Ok(_) => {
                self.end_heavy(itop, &class);
                self.link.record_sent();
            }
            Err(_) => {
                self.link.record_sent();
                self.link.enclosures = enclosures;
            }
        }
        Ok(answer)
    }

    /// An earlier pass never recorded how its call ended: its process died, or it lost the lease. It has sent nothing
    /// since this process started, or since this pass took the ticket over.
    pub(crate) async fn settle_what_was_being_sent(&mut self) -> Result<(), Failure> {
        let Some(sending) = self.link.sending.clone() else { return Ok(()) };
        let shared = self.shared;
        let gone_ms = if sending.since_ms < shared.started_ms { shared.started_ms } else { shared.now_ms() };
        let settle_ms = shared.itop(self.lane, sending.to).settle_ms;
        self.link.may_land_until(sending.until_ms.max(gone_ms + settle_ms));
        self.save().await
    }
}

/// Refused for its size: by PHP's body limit, by a proxy, by iTop, or by the database's packet limit.
pub(crate) fn is_too_large(error: &Error) -> bool {
    error.class == ErrorClass::TooLarge
}
