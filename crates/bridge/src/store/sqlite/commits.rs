//! The transactions that a store brings to disk.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::store::{Result, StoreError};

/// Counts them, and ends them where somebody wants to see what stands if the process dies there.
#[derive(Debug)]
pub struct Commits {
    made: AtomicU64,
    last: AtomicU64,
}

impl Default for Commits {
    fn default() -> Commits {
        Commits { made: AtomicU64::new(0), last: AtomicU64::new(u64::MAX) }
    }
}

impl Commits {
    /// How many have changed something.
    pub fn made(&self) -> u64 {
        self.made.load(Ordering::Relaxed)
    }

    /// So many more, and none after: each is refused and changes nothing.
    pub fn only(&self, more: u64) {
        self.last.store(self.made() + more, Ordering::Relaxed);
    }

    /// As many as come.
    pub fn without_end(&self) {
        self.last.store(u64::MAX, Ordering::Relaxed);
    }

    /// Whether none comes any more.
    pub fn are_over(&self) -> bool {
        self.made() >= self.last.load(Ordering::Relaxed)
    }

    pub(super) fn may_come(&self) -> Result<()> {
        if self.are_over() { Err(StoreError::Unavailable("nothing more is written".to_owned())) } else { Ok(()) }
    }

    pub(super) fn one_more(&self) {
        self.made.fetch_add(1, Ordering::Relaxed);
    }
}
