//! Wakes the tasks that wait for a dirty mark, in the order in which they began to wait: tokio's channels wake
//! several in a random order, so that a seed would not give the same run twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

#[derive(Debug, Default)]
struct Shared {
    count: AtomicU64,
    changed: Notify,
}

/// The marking end.
#[derive(Debug, Clone, Default)]
pub(super) struct Dirtying(Arc<Shared>);

impl Dirtying {
    pub fn tell(&self) {
        self.0.count.fetch_add(1, Ordering::SeqCst);
        self.0.changed.notify_waiters();
    }

    pub fn listen(&self) -> Dirtied {
        Dirtied { shared: self.0.clone(), seen: self.0.count.load(Ordering::SeqCst) }
    }
}

/// The waiting end. A mark between two waits is not lost.
#[derive(Debug)]
pub struct Dirtied {
    shared: Arc<Shared>,
    seen: u64,
}

impl Dirtied {
    pub fn has_changed(&self) -> bool {
        self.shared.count.load(Ordering::SeqCst) != self.seen
    }

    /// Safe to drop at any await point.
    pub async fn changed(&mut self) {
        loop {
            let notified = self.shared.changed.notified();
            let count = self.shared.count.load(Ordering::SeqCst);
            if count != self.seen {
                self.seen = count;
                return;
            }
            notified.await;
        }
    }
}
