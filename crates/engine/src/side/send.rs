//! The one way to change an object of an iTop. A change is sent under its ticket's lease, and its end is reported to the
//! side's breaker and to the suspensions, and classified: some answers come from something in front of that iTop.

use std::future::Future;

use itop_bridge_store::Claim;
use itop_client::{Client, Deleted, Error, ErrorClass, Fields, Reservation, Written};

use crate::Shared;
use crate::side::call::is_there;
use crate::side::failure::{Failure, Kind};
use crate::side::heard::{heard, was_written};
use crate::side::itop::Itop;
use crate::side::lease::call_under_lease;
use crate::side::refused_size::note_refused_size;
use crate::side::throttle::asked_to_wait_ms;

/// A change of one object.
pub(crate) trait Change: Send {
    type Answer: Send;

    fn class(&self) -> &str;

    /// Whether success shows that the account may write this class: the right to delete is another.
    fn shows_the_right(&self) -> bool {
        true
    }

    /// Makes the call. `comment` stands in the object's history.
    fn make(self, client: &Client, comment: &str) -> impl Future<Output = Result<Self::Answer, Error>> + Send;
}

pub(crate) struct Create<'a> {
    pub class: &'a str,
    pub fields: &'a Fields,
    /// The attributes to return.
    pub output: &'a [&'a str],
}

pub(crate) struct Update<'a> {
    pub class: &'a str,
    pub id: u64,
    pub fields: &'a Fields,
    pub output: &'a [&'a str],
}

pub(crate) struct Stimulate<'a> {
    pub class: &'a str,
    pub id: u64,
    pub stimulus: &'a str,
    pub fields: &'a Fields,
    pub output: &'a [&'a str],
}

pub(crate) struct Delete<'a> {
    pub class: &'a str,
    pub id: u64,
}

impl Change for Create<'_> {
    type Answer = Written;

    fn class(&self) -> &str {
        self.class
    }

    async fn make(self, client: &Client, comment: &str) -> Result<Written, Error> {
        client.create(self.class, self.fields, comment, self.output).await
    }
}

impl Change for Update<'_> {
    type Answer = Written;

    fn class(&self) -> &str {
        self.class
    }

    async fn make(self, client: &Client, comment: &str) -> Result<Written, Error> {
        client.update(self.class, self.id, self.fields, comment, self.output).await
    }
}

impl Change for Stimulate<'_> {
    /// `None`: iTop answered ok and did not apply the stimulus.
    type Answer = Option<Written>;

    fn class(&self) -> &str {
        self.class
    }

    async fn make(self, client: &Client, comment: &str) -> Result<Option<Written>, Error> {
        let Stimulate { class, id, stimulus, fields, output } = self;
        client.apply_stimulus(class, id, stimulus, fields, comment, output).await
    }
}

impl Change for Delete<'_> {
    type Answer = Deleted;

    fn class(&self) -> &str {
        self.class
    }

    fn shows_the_right(&self) -> bool {
        false
    }

    async fn make(self, client: &Client, comment: &str) -> Result<Deleted, Error> {
        client.delete(self.class, self.id, comment).await
    }
}

/// The end of a change's call.
pub(crate) enum Sent<T> {
    Ended(Result<T, Error>),
    /// Answered 429 while the lightest call passes at the same moment: this call alone was refused, and had no effect.
    /// It holds back no other.
    ThrottledAlone(Failure),
}

/// Sends a change while keeping the ticket's lease. `memory` is the pass's own, for contents.
pub(crate) async fn send<C: Change>(
    shared: &Shared,
    claim: &mut Claim,
    itop: &Itop,
    memory: Option<&Reservation>,
    comment: &str,
    change: C,
) -> Result<Sent<C::Answer>, Failure> {
    let (client, class) = (itop.client_within(memory), change.class().to_owned());
    let shows_the_right = change.shows_the_right();
    let answer = call_under_lease(shared, claim, itop, change.make(&client, comment)).await?;
    if let Err(error) = &answer
        && let Some(failure) = throttled_alone(shared, claim, itop, error).await?
    {
        return Ok(Sent::ThrottledAlone(failure));
    }
    heard(shared, itop, &answer);
    match &answer {
        Ok(_) if shows_the_right => was_written(shared, itop, &claim.lease.of, &class),
        Ok(_) => {}
        Err(error) if error.class == ErrorClass::TooLarge => note_refused_size(shared, itop).await?,
        Err(_) => {}
    }
    Ok(Sent::Ended(answer))
}

async fn throttled_alone(
    shared: &Shared,
    claim: &mut Claim,
    itop: &Itop,
    error: &Error,
) -> Result<Option<Failure>, Failure> {
    let ErrorClass::Throttled { retry_after } = &error.class else { return Ok(None) };
    let Some(status) = error.http_status else { return Ok(None) };
    if call_under_lease(shared, claim, itop, is_there(itop)).await?.is_err() {
        return Ok(None);
    }
    let now_ms = shared.now_ms();
    let wait_ms = retry_after.as_ref().and_then(|after| asked_to_wait_ms(after, now_ms)).unwrap_or_default();
    let kind = Kind::Barred { status, to: itop.side(), not_before_ms: now_ms + wait_ms };
    Ok(Some(Failure::at(itop, kind, error.to_string())))
}

/// Classifies a change that ended without iTop's answer. If a page came in its place, the lightest call tells whether
/// that concerns this change alone.
pub(crate) async fn unanswered(
    shared: &Shared,
    claim: &mut Claim,
    itop: &Itop,
    error: &Error,
) -> Result<Failure, Failure> {
    let Some(status) = error.page_status() else { return Ok(Failure::of(itop, error)) };
    let others_pass = call_under_lease(shared, claim, itop, is_there(itop)).await?;
    heard(shared, itop, &others_pass);
    if others_pass.is_err() {
        return Ok(Failure::of(itop, error));
    }
    let kind = Kind::Barred { status, to: itop.side(), not_before_ms: shared.now_ms() };
    Ok(Failure::at(itop, kind, error.to_string()))
}
