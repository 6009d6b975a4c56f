//! Whether a side is up. Only its prober calls a side that is down. A side counts as down only after a probe failed
//! too, since single calls may fail for reasons of their own.

/// Failures in a row before a side is probed; it counts as down if the probe fails too.
const FAILURES_BEFORE_PROBE: u32 = 3;

/// One side's state.
#[derive(Debug, Default)]
pub struct Breaker {
    failures: u32,
    state: State,
    answered_ms: Option<i64>,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Up,
    /// Calls fail again and again: a probe must show whether the side is down.
    Suspected,
    Down(Down),
}

/// Since when a side is down, and the error of its last probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Down {
    pub since_ms: i64,
    pub reason: String,
}

impl Breaker {
    pub fn down(&self) -> Option<&Down> {
        if let State::Down(down) = &self.state { Some(down) } else { None }
    }

    /// Only the probe calls a side that is down.
    pub fn is_down(&self) -> bool {
        self.down().is_some()
    }

    /// Time until the side must be probed; `None` while nothing is amiss.
    pub fn next_probe_ms(&self, probe_ms: i64) -> Option<i64> {
        match self.state {
            State::Up => None,
            State::Suspected => Some(0),
            State::Down(_) => Some(probe_ms),
        }
    }

    /// When a call was last answered.
    pub fn answered_ms(&self) -> Option<i64> {
        self.answered_ms
    }

    /// A call was answered. Returns whether the side was down until now.
    pub fn succeeded(&mut self, now_ms: i64) -> bool {
        self.failures = 0;
        self.answered_ms = Some(now_ms);
        matches!(std::mem::take(&mut self.state), State::Down(_))
    }

    /// A call failed on the way. Returns whether the side must be probed from now on.
    pub fn failed(&mut self) -> bool {
        self.failures = self.failures.saturating_add(1);
        let suspected = matches!(self.state, State::Up) && self.failures >= FAILURES_BEFORE_PROBE;
        if suspected {
            self.state = State::Suspected;
        }
        suspected
    }

    /// The probe was throttled: the side is there, so the suspicion is dropped.
    pub fn is_slowed(&mut self) {
        if matches!(self.state, State::Suspected) {
            self.failures = 0;
            self.state = State::Up;
        }
    }

    /// The probe failed, or a log-in was refused. Returns whether that is news.
    pub fn goes_down(&mut self, now_ms: i64, reason: String) -> bool {
        let since_ms = self.down().map_or(now_ms, |down| down.since_ms);
        let is_news = self.down().is_none_or(|down| down.reason != reason);
        self.state = State::Down(Down { since_ms, reason });
        is_news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_side_is_down_only_after_its_probe_failed_too() {
        let mut breaker = Breaker::default();
        assert!(!breaker.failed() && !breaker.failed());
        assert_eq!(breaker.next_probe_ms(60), None);
        assert!(breaker.failed());
        assert!(!breaker.failed(), "suspected already");
        assert_eq!((breaker.next_probe_ms(60), breaker.down()), (Some(0), None));
        assert!(breaker.goes_down(5, "no connection".into()));
        assert!(!breaker.goes_down(65, "no connection".into()), "no news");
        assert!(breaker.goes_down(125, "the log-in is refused".into()), "another reason is news");
        let down = Down { since_ms: 5, reason: "the log-in is refused".into() };
        assert_eq!((breaker.next_probe_ms(60), breaker.down()), (Some(60), Some(&down)));
        assert!(breaker.succeeded(130));
        assert!(!breaker.succeeded(140), "it was up");
        assert_eq!(breaker.answered_ms(), Some(140));
        assert_eq!((breaker.next_probe_ms(60), breaker.is_down()), (None, false));
    }

    #[test]
    fn a_call_that_comes_back_ends_a_suspicion() {
        let mut breaker = Breaker::default();
        assert!(!breaker.failed() && !breaker.failed() && breaker.failed());
        assert!(!breaker.succeeded(1), "it was never down");
        assert_eq!(breaker.next_probe_ms(60), None);
        assert!(!breaker.failed(), "counted anew");
    }
}
