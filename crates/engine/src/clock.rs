//! Time as a parameter. Nothing in the bridge asks the machine for the time: it asks a [`Clock`], so
//! that a test decides what time it is and a settling of 300 s costs it nothing.
//!
//! A clock's time is used for due times, leases and settling, and may jump (an operator sets it, a
//! virtual machine is paused). It is never compared with a time that an iTop printed: that is in the
//! server's zone and only compared with times of the same server.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::Instant;

pub trait Clock: Send + Sync {
    /// Milliseconds since the epoch.
    fn now_ms(&self) -> i64;

    /// Waits this many milliseconds; not at all if zero or less. A jump of the clock does not shorten it.
    fn sleep(&self, ms: i64) -> BoxFuture<'static, ()>;
}

/// The machine's own clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "the one place where the machine is asked for the time")]
    fn now_ms(&self) -> i64 {
        jiff::Timestamp::now().as_millisecond()
    }

    fn sleep(&self, ms: i64) -> BoxFuture<'static, ()> {
        sleep(ms)
    }
}

/// Tokio's time, counted from a moment that the test names. With the runtime's time paused it advances only while every
/// task waits, so a run depends only on its seed.
#[derive(Debug)]
pub struct VirtualClock {
    start: Instant,
    /// The clock's time at `start`, moved by every jump.
    shown_at_start_ms: AtomicI64,
}

impl VirtualClock {
    pub fn starting_at(epoch_ms: i64) -> VirtualClock {
        VirtualClock { start: Instant::now(), shown_at_start_ms: AtomicI64::new(epoch_ms) }
    }

    /// Sets the clock forward or back, as an operator would: running sleeps are not affected.
    pub fn jump(&self, ms: i64) {
        self.shown_at_start_ms.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for VirtualClock {
    fn now_ms(&self) -> i64 {
        let elapsed_ms = i64::try_from(self.start.elapsed().as_millis()).unwrap_or(i64::MAX);
        self.shown_at_start_ms.load(Ordering::SeqCst).saturating_add(elapsed_ms)
    }

    fn sleep(&self, ms: i64) -> BoxFuture<'static, ()> {
        sleep(ms)
    }
}

fn sleep(ms: i64) -> BoxFuture<'static, ()> {
    let wait = Duration::from_millis(u64::try_from(ms).unwrap_or(0));
    Box::pin(async move {
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn virtual_time_moves_by_sleeping_and_by_jumps() {
        let clock = VirtualClock::starting_at(1_000_000);
        assert_eq!(clock.now_ms(), 1_000_000);
        clock.sleep(300_000).await;
        assert_eq!(clock.now_ms(), 1_300_000);
        clock.jump(-200_000);
        assert_eq!(clock.now_ms(), 1_100_000);
        clock.sleep(-5).await;
        assert_eq!(clock.now_ms(), 1_100_000);
    }

    #[test]
    fn the_system_clock_is_past_the_day_this_was_written() {
        assert!(SystemClock.now_ms() > 1_760_000_000_000);
    }
}
