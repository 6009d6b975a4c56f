//! Counts what a store commits, and refuses it: a full disk, or a process that dies between two commits.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use itop_bridge_store::{CommitGate, Result, StoreError};

#[derive(Debug)]
pub struct Commits {
    made: AtomicU64,
    last: AtomicU64,
    refused: AtomicBool,
}

impl Default for Commits {
    fn default() -> Commits {
        Commits { made: AtomicU64::new(0), last: AtomicU64::new(u64::MAX), refused: AtomicBool::new(false) }
    }
}

impl Commits {
    /// How many commits have changed something.
    pub fn made(&self) -> u64 {
        self.made.load(Ordering::Relaxed)
    }

    /// Allows so many more commits and none after, as when the process dies there.
    pub fn only(&self, more: u64) {
        self.last.store(self.made() + more, Ordering::Relaxed);
    }

    /// Allows any number of commits.
    pub fn without_end(&self) {
        self.last.store(u64::MAX, Ordering::Relaxed);
    }

    /// Whether no more commits are allowed.
    pub fn are_over(&self) -> bool {
        self.made() >= self.last.load(Ordering::Relaxed)
    }

    /// Refuses all commits until this is taken back, as when the disk is full.
    pub fn refuse(&self, refused: bool) {
        self.refused.store(refused, Ordering::Relaxed);
    }
}

impl CommitGate for Commits {
    fn may_commit(&self) -> Result<()> {
        let refused = self.are_over() || self.refused.load(Ordering::Relaxed);
        if refused { Err(StoreError::Unavailable("the disk takes nothing more".to_owned())) } else { Ok(()) }
    }

    fn committed(&self) {
        self.made.fetch_add(1, Ordering::Relaxed);
    }
}
