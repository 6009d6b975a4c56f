//! The end of a story: the queue empties, and one more pass over everything writes nothing.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use itop_bridge_core::{Link, Side};
use itop_bridge_engine::clock::Clock as _;
use itop_bridge_store::{About, DirtyMark, Instance, LinkState, Look, MAX_ROWS, TicketOf};

use super::World;

impl World {
    /// Waits until no ticket has a row in the queue, rechecks and settling included.
    pub async fn settle(&self) {
        for _ in 0..4 * 3600 {
            if self.queue().await.is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        panic!("the queue never emptied: {:#?}", self.queue().await);
    }

    /// This world's story does not end at rest, or leaves nothing for a pass to look at, for this reason.
    pub fn ends_without_one_more_pass(&self, why: &str) {
        assert!(!why.is_empty());
        self.has_ended_well.store(true, Ordering::Relaxed);
    }

    /// Law 2: one more pass over everything writes nothing at all.
    pub async fn one_more_pass_writes_nothing(&self) {
        self.has_ended_well.store(true, Ordering::Relaxed);
        self.settle().await;
        self.try_what_is_due().await;
        self.clear_calls();
        let before = self.links().await;
        if before.is_empty() {
            // A sweep and an audit go by.
            self.pass_seconds(2 * 3600).await;
        }
        self.look_at_everything().await;
        let goes_on = before.is_empty()
            || before.iter().any(|stored| stored.state == LinkState::Live && stored.link.course.halt.is_none());
        let stands_still = self.stopped(Instance::Internal).await.is_some();
        if goes_on && !stands_still && self.running.is_some() {
            let sims = self.externals.iter().chain([&self.internal]);
            assert!(sims.map(|sim| sim.calls().len()).sum::<usize>() > 0, "nothing was read");
        }
        for sim in self.externals.iter().chain([&self.internal]) {
            let writes: Vec<String> =
                sim.calls().iter().filter(|call| call.is_write()).map(|call| call.json.clone()).collect();
            assert!(writes.is_empty(), "one more pass wrote to {}: {writes:#?}", sim.base_url());
        }
        let after = self.links().await;
        assert_eq!(after.len(), before.len(), "one more pass changed how many pairs there are");
        for (after, before) in after.iter().zip(&before) {
            let changed = what_differs(&before.link, &after.link);
            assert!(changed.is_empty(), "one more pass changed what is remembered: {changed:#?}");
            assert_eq!(after.link, before.link);
        }
    }

    /// A refused value is retried after a while: if that comes soon, it comes before one more pass.
    async fn try_what_is_due(&self) {
        const SOON_MS: i64 = 20 * 60 * 1000;
        let now = self.now_ms();
        let links = self.links().await;
        let due = links.iter().flat_map(|stored| &stored.link.open.refused).map(|refused| refused.again_at_ms);
        if let Some(last) = due.filter(|at| *at <= now + SOON_MS).max() {
            self.pass_seconds(u64::try_from((last - now).max(0) / 1000 + 1).expect("it is to come")).await;
            self.look_at_everything().await;
        }
    }

    /// A pass over every pair, as if a hint had named it and each of its files.
    pub async fn look_at_everything(&self) {
        let mut marks = Vec::new();
        for stored in &self.links().await {
            let mut look = Look::everything();
            for copy in &stored.link.files.copies {
                match copy.from {
                    Side::External => look.external_attachments.insert(copy.original),
                    Side::Internal => look.internal_attachments.insert(copy.original),
                };
            }
            let of = TicketOf { external: stored.external_name.clone(), ticket: stored.link.external.id };
            let about = About::External { of, class: Some(stored.link.external.class.clone()) };
            marks.push(DirtyMark { about, look, due_ms: self.clock.now_ms() });
        }
        for marks in marks.chunks(MAX_ROWS) {
            self.store.mark_dirty(marks.to_vec(), self.clock.now_ms()).await.expect("marked");
        }
        self.settle().await;
    }
}

/// The parts of a link that differ, with their values before and after.
fn what_differs(before: &Link, after: &Link) -> Vec<(String, [serde_json::Value; 2])> {
    let [before, after] = [before, after].map(|link| serde_json::to_value(link).expect("a link is JSON"));
    let parts = before.as_object().into_iter().chain(after.as_object()).flat_map(|parts| parts.keys());
    let parts: BTreeSet<&String> = parts.collect();
    let differs = parts.into_iter().filter(|part| before[part.as_str()] != after[part.as_str()]);
    differs.map(|part| (part.clone(), [before[part].clone(), after[part].clone()])).collect()
}
