//! A side that asks for fewer calls (HTTP 429): nothing calls it before the moment that it named. It is throttled, not
//! down: the refused calls had no effect, and are sent again as soon as they may.

use std::time::Duration;

use itop_client::{Error, ErrorClass, RetryAfter};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;

use crate::Shared;
use crate::issue::{Cause, Issue};
use crate::side::itop::Itop;

/// However long the side asks for, it is called again after this.
const LONGEST_MS: i64 = 3_600_000;

const SHORTEST_MS: i64 = 1_000;

/// A side that asked for fewer calls and has not answered since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Throttled {
    pub since_ms: i64,
    /// Nothing is sent before this.
    pub until_ms: i64,
    /// How often in a row the side has asked.
    pub times: u32,
}

impl Throttled {
    pub fn issue(&self, instance: &str) -> Issue {
        let until = Timestamp::from_millisecond(self.until_ms).unwrap_or(Timestamp::UNIX_EPOCH);
        let reason = format!("asks for fewer calls; the next one is made at {}", until.strftime("%Y-%m-%d %H:%M:%SZ"));
        Issue { cause: Cause::Throttled { instance: instance.to_owned() }, since_ms: self.since_ms, reason }
    }
}

/// A call was answered 429. A call that was therefore not sent says nothing new.
pub(crate) fn slow_down(shared: &Shared, itop: &Itop, error: &Error) {
    let ErrorClass::Throttled { retry_after } = &error.class else { return };
    if error.http_status.is_none() {
        return;
    }
    let now_ms = shared.now_ms();
    let known = itop.throttled().clone();
    let times = known.as_ref().map_or(1, |known| known.times.saturating_add(1));
    let asked_ms = retry_after.as_ref().and_then(|after| asked_to_wait_ms(after, now_ms));
    let wait_ms = asked_ms.unwrap_or_else(|| shared.timing.backoff_ms(times).max(SHORTEST_MS));
    let until_ms = (now_ms + wait_ms).max(known.as_ref().map_or(0, |known| known.until_ms));
    let wait = Duration::from_millis((until_ms - now_ms).unsigned_abs());
    itop.client.hold_back_until(tokio::time::Instant::now() + wait);
    let since_ms = known.as_ref().map_or(now_ms, |known| known.since_ms);
    if known.is_none() {
        tracing::warn!(itop = %itop.name, wait_seconds = wait.as_secs(), %error, "the side asks to slow down; nothing calls it before that, and what waits goes on then");
    }
    *itop.throttled() = Some(Throttled { since_ms, until_ms, times });
}

/// The time before which this side must not be called.
pub(crate) fn throttled_until_ms(shared: &Shared, itop: &Itop) -> Option<i64> {
    itop.throttled().as_ref().map(|throttled| throttled.until_ms).filter(|until_ms| shared.now_ms() < *until_ms)
}

pub(crate) fn end_throttling(shared: &Shared, itop: &Itop) {
    // The answer to an earlier call does not lift the wait that the side has asked for since.
    if itop.throttled().as_ref().is_some_and(|throttled| throttled.until_ms <= shared.now_ms()) {
        *itop.throttled() = None;
        tracing::info!(itop = %itop.name, "the side takes calls again");
    }
}

/// How long an answer asks to wait: at least a second, at most an hour.
pub(crate) fn asked_to_wait_ms(after: &RetryAfter, now_ms: i64) -> Option<i64> {
    Some(wait_ms(after, now_ms)?.clamp(SHORTEST_MS, LONGEST_MS))
}

/// A date is compared with the answer's own: the two clocks may differ.
fn wait_ms(after: &RetryAfter, now_ms: i64) -> Option<i64> {
    let (date, answered) = match after {
        RetryAfter::Seconds(seconds) => return Some(i64::try_from(*seconds).ok()?.saturating_mul(1_000)),
        RetryAfter::At { date, answered } => (date, answered),
    };
    let read = |date: &str| DateTimeParser::new().parse_timestamp(date).ok().map(Timestamp::as_millisecond);
    let now_ms = answered.as_deref().and_then(read).unwrap_or(now_ms);
    Some(read(date)?.saturating_sub(now_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn when_to_come_back_is_told_in_seconds_or_as_a_date_by_the_other_clock() {
        let at = |date: &str, answered: Option<&str>| RetryAfter::At {
            date: date.to_owned(),
            answered: answered.map(str::to_owned),
        };
        let (noon, later) = ("Tue, 24 Nov 2026 12:00:00 GMT", "Tue, 24 Nov 2026 12:02:30 GMT");
        let noon_ms = 1_795_521_600_000;
        assert_eq!(wait_ms(&RetryAfter::Seconds(120), 0), Some(120_000));
        assert_eq!(wait_ms(&at(later, Some(noon)), 77), Some(150_000));
        assert_eq!(wait_ms(&at(later, None), noon_ms), Some(150_000));
        assert_eq!(wait_ms(&at("soon", None), 0), None);
        assert_eq!(wait_ms(&RetryAfter::Seconds(u64::MAX), 0), None);
    }
}
