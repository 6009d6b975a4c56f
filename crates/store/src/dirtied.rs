//! Wakes whoever waits for something to be marked dirty, in the order in which they began to wait: a channel of the
//! runtime's wakes several in a random order, and then a seed would not give the same run twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

#[derive(Debug, Default)]
struct Shared {
    count: AtomicU64,
    changed: Notify,
}

/// What marks.
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

/// What waits. A mark between two waits is not lost.
#[derive(Debug)]
pub struct Dirtied {
    shared: Arc<Shared>,
    seen: u64,
}

impl Dirtied {
    pub fn has_changed(&self) -> bool {
        self.shared.count.load(Ordering::SeqCst) != self.seen
    }

    /// May be dropped wherever it stands.
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
