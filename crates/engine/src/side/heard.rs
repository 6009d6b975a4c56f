//! The end of a call, as the side's breaker and the suspensions hear of it.

use std::sync::atomic::Ordering;

use itop_bridge_store::TicketOf;
use itop_client::{Error, ErrorClass};

use crate::Shared;
use crate::side::itop::Itop;
use crate::side::throttle::{end_throttling, slow_down};
use crate::suspension::say_over;

/// A call on this side was answered by iTop itself.
pub(crate) fn answered(shared: &Shared, itop: &Itop) {
    itop.login_is_refused.store(false, Ordering::Relaxed);
    itop.unreadables().count_answer();
    end_throttling(shared, itop);
    let (is_first, was_down) = {
        let mut breaker = itop.breaker();
        (breaker.answered_ms().is_none(), breaker.succeeded(shared.now_ms()))
    };
    if was_down {
        tracing::warn!(itop = %itop.name, "the side is back");
    }
    if was_down || is_first {
        shared.sides_changed.notify_one();
    }
}

/// Reports the end of a call to the side's breaker.
pub(crate) fn heard<T>(shared: &Shared, itop: &Itop, answer: &Result<T, Error>) {
    match answer {
        Ok(_) => answered(shared, itop),
        Err(error) => call_failed(shared, itop, error),
    }
}

/// Records how a read of objects of this class ended.
pub(crate) fn report_read<T>(shared: &Shared, itop: &Itop, class: &str, answer: Result<T, Error>) -> Result<T, Error> {
    heard(shared, itop, &answer);
    if answer.is_ok() {
        may_read(shared, itop, class);
    }
    answer
}

/// Objects of this class could be read: ends any suspension of its reads.
fn may_read(shared: &Shared, itop: &Itop, class: &str) {
    say_over(shared.suspensions().was_read(&itop.name, class).as_slice());
}

/// A write of this class succeeded on that side, for this ticket: ends any suspension of it.
pub(crate) fn was_written(shared: &Shared, itop: &Itop, of: &TicketOf, class: &str) {
    say_over(&shared.suspensions().was_written(&of.external, of.ticket, &itop.name, class));
}

/// Reports a failed call to the side's breaker; a side that keeps failing is probed.
fn call_failed(shared: &Shared, itop: &Itop, error: &Error) {
    match error.class {
        ErrorClass::Login => goes_down(shared, itop, error),
        ErrorClass::Throttled { .. } => slow_down(shared, itop, error),
        // If only this call is concerned, the next one shows that the side is up.
        _ if error.is_transient() || error.page_status().is_some() => {
            if itop.breaker().failed() {
                itop.trouble.notify_one();
            }
        }
        _ => answered(shared, itop),
    }
}

/// From now on only the prober calls this side.
pub(crate) fn goes_down(shared: &Shared, itop: &Itop, error: &Error) {
    itop.login_is_refused.store(error.class == ErrorClass::Login, Ordering::Relaxed);
    let is_news = itop.breaker().goes_down(shared.now_ms(), error.to_string());
    if !is_news {
        return;
    }
    itop.trouble.notify_one();
    shared.sides_changed.notify_one();
    if error.class == ErrorClass::Login {
        let how = itop.login_source.as_ref().map(|source| source.how_to_correct()).unwrap_or_default();
        tracing::error!(itop = %itop.name, %error, "the log-in is refused, and tried again every minute; correct user and password, or the token: {how}");
    } else {
        tracing::error!(itop = %itop.name, %error, "the side is down; it is tried again every minute");
    }
}
