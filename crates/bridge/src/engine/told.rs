//! What only the running `serve` knows of the sides, kept in the store for the verbs beside it: which is down or asks
//! for fewer calls, what is suspended, when each was swept. Looked at every `watch_ms`,
//! and at once where a side goes down or answers; written where it has changed.

use std::sync::Arc;

use super::breaker::Down;
use super::itop::Itop;
use super::{Cause, Shared, Trouble};
use crate::standing::{Since, Slowed, Suspended, Told};
use crate::store::{Instance, Result};

/// Runs for ever. Where the store does not answer, it is written the next time.
pub async fn run(shared: Arc<Shared>) {
    let mut told = Vec::new();
    loop {
        let now = shared.to_be_told();
        if now != told && shared.tell_the_verbs(&told, &now).await.is_ok() {
            told = now;
        }
        tokio::select! {
            () = shared.clock.sleep(shared.timing.watch_ms) => {}
            () = shared.sides_changed.notified() => {}
        }
    }
}

type OfSides = Vec<(Instance, Told)>;

impl Shared {
    fn to_be_told(&self) -> OfSides {
        let suspended = self.suspensions().troubles();
        self.itops().map(|itop| (itop.instance.clone(), self.told_of(itop, &suspended))).collect()
    }

    fn told_of(&self, itop: &Itop, suspended: &[Trouble]) -> Told {
        let (down, answers) = {
            let breaker = itop.breaker();
            let down =
                breaker.down().map(|Down { since_ms, reason }| Since { at_ms: *since_ms, reason: reason.clone() });
            (down, breaker.has_answered())
        };
        let is_of_it = |cause: &Cause| match cause {
            Cause::Class { instance, .. } => *instance == itop.name,
            Cause::External { external } => *external == itop.name,
            Cause::Internal => itop.instance == Instance::Internal,
            Cause::Down { .. } | Cause::Throttled { .. } => false,
        };
        let suspended = suspended.iter().filter(|trouble| is_of_it(&trouble.cause)).map(|trouble| Suspended {
            cause: trouble.cause.clone(),
            since_ms: trouble.since_ms,
            reason: trouble.reason.clone(),
        });
        let slowed =
            itop.throttled().map(|throttled| Slowed { since_ms: throttled.since_ms, until_ms: throttled.until_ms });
        let sweeps = itop.sweeps();
        Told {
            answers,
            down,
            slowed,
            suspended: suspended.collect(),
            swept_ms: sweeps.last_ms,
            next_sweep_ms: sweeps.next_ms,
        }
    }

    async fn tell_the_verbs(&self, before: &OfSides, now: &OfSides) -> Result<()> {
        let news: OfSides = now.iter().filter(|one| !before.contains(one)).cloned().collect();
        self.store.call(move |store| news.iter().try_for_each(|(of, told)| told.keep(store, of))).await
    }
}
