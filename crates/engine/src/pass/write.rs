//! One write to one iTop, of whichever side: its intent is stored, the call is sent, and what its end says
//! is taken into the link.
//!
//! A call may land until `settle_seconds` after its last byte was sent, and it may take long to send it:
//! so the settling begins when the call ends without an answer. Whoever died while it was being sent has
//! sent nothing after his death.

use std::future::Future;

use itop_bridge_core::Link;
use itop_bridge_core::link::Sending;
use itop_client::{Effect, Error, ErrorClass};

use crate::pass::Pass;
use crate::side::failure::{Failure, Kind};
use crate::side::itop::Itop;

impl Pass<'_> {
    /// Sends a write that may land although no answer comes. `intend` enters into the link what is sent,
    /// and until when it may land.
    ///
    /// An end without an answer of iTop's is recorded here, and is a failure; but for a body that is too
    /// large, which the caller may send smaller. Any other end is the caller's to record and to save: of what
    /// was entered, `late` writes are forgotten, or have settled where iTop answered with an error that may
    /// come from after the write; and of a call without effect the enclosures are as they were before.
    pub(crate) async fn write<T>(
        &mut self,
        itop: &Itop,
        class: &str,
        intend: impl FnOnce(&mut Link, i64),
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<Result<T, Error>, Failure> {
        let enclosures = self.link.enclosures.clone();
        let since_ms = self.shared.now_ms();
        let mut until_ms = since_ms + itop.settle_ms;
        // What is known of this call is told from an earlier one's by its time.
        while self.link.late.iter().any(|late| late.until_ms == until_ms) {
            until_ms += 1;
        }
        self.link.sending = Some(Sending { to: itop.side(), since_ms, until_ms });
        intend(&mut self.link, until_ms);
        self.save().await?;
        let answer = self.shared.calling(&mut self.claim, itop, call).await?;
        if let Err(error) = &answer
            && let Some(failure) = self.throttled_alone(itop, error).await?
        {
            // It had no effect, and nothing has to settle.
            self.link.may_land_until(self.shared.now_ms());
            self.link.is_sent();
            self.link.enclosures = enclosures;
            self.save().await?;
            return Err(failure);
        }
        self.shared.heard(itop, &answer);
        if answer.as_ref().is_err_and(is_too_large) {
            self.shared.note_refused_size(itop).await?;
        }
        let now = self.shared.now_ms();
        match &answer {
            Err(error) if error.effect == (Effect::Unknown { answered: false }) => {
                let until_ms = now + itop.settle_ms;
                self.link.may_land_until(until_ms);
                // The plan did not see it; where the caller sends less and that is answered, nothing else asks.
                self.look_again(until_ms);
                self.save().await?;
                if is_too_large(error) {
                    return Ok(answer);
                }
                let failure = Box::pin(self.failed_write(itop, error)).await?;
                // What is kept back is told when that begins, and not at every try.
                if !matches!(failure.kind, Kind::Barred { .. }) {
                    tracing::warn!(ticket = %self.name(), error = %failure.text, "no answer to a write; until it has settled it may be carried out all the same");
                }
                return Err(failure);
            }
            // The call is over: what it did, if anything, is there now.
            Err(error) if error.effect == (Effect::Unknown { answered: true }) => self.link.may_land_until(now),
            Ok(_) => {
                self.went_through(itop, class);
                self.is_light_again(itop, class);
                self.link.is_sent();
            }
            Err(_) => {
                self.link.is_sent();
                self.link.enclosures = enclosures;
            }
        }
        Ok(answer)
    }

    /// An earlier pass never recorded how its call ended: its process died, or it lost the lease. It has
    /// sent nothing since this process began, or since another pass took the ticket over.
    pub(crate) async fn settle_what_was_being_sent(&mut self) -> Result<(), Failure> {
        let Some(sending) = self.link.sending.clone() else { return Ok(()) };
        let shared = self.shared;
        let gone_ms = if sending.since_ms < shared.started_ms { shared.started_ms } else { shared.now_ms() };
        let settle_ms = shared.itop(self.lane, sending.to).settle_ms;
        self.link.may_land_until(sending.until_ms.max(gone_ms + settle_ms));
        self.save().await
    }
}

/// Refused for its size: by PHP's limit of a body, by a proxy, by iTop, or by the database's limit of a packet.
pub(crate) fn is_too_large(error: &Error) -> bool {
    error.class == ErrorClass::TooLarge
}
