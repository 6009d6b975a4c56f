//! Facts about the sides that only the running `serve` knows, stored for the verbs beside it: which sides are down or
//! throttled, what is suspended, when each was swept. Checked every `watch_ms`, and at once when a side goes down or
//! answers; written only on changes.

use std::collections::BTreeMap;
use std::sync::Arc;

use itop_bridge_store::{Instance, Result, Store};
use serde::{Deserialize, Serialize};

use crate::side::breaker::Down;
use crate::side::itop::Itop;
use crate::{Cause, Issue, Shared};

/// The name of the store's cursor for a side's facts.
const CURSOR: &str = "told";

/// A side's facts as `serve` knows them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// When the side last answered a call of that process, as far as it was worth a write to the store: a sweep is.
    #[serde(default)]
    pub answered_ms: Option<i64>,
    pub down: Option<Since>,
    pub slowed: Option<Slowed>,
    /// The causes that keep tickets of it waiting and are no ticket's own fault.
    #[serde(default)]
    pub suspended: Vec<Suspended>,
    pub swept_ms: Option<i64>,
    pub next_sweep_ms: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Since {
    pub at_ms: i64,
    pub reason: String,
}

/// The side asks for fewer calls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slowed {
    pub since_ms: i64,
    pub until_ms: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suspended {
    pub cause: Cause,
    pub since_ms: i64,
    pub reason: String,
}

impl Told {
    pub fn keep(&self, store: &mut dyn Store, of: &Instance) -> Result<()> {
        store.set_cursor(of, CURSOR, &serde_json::to_string(self).unwrap_or_default())
    }

    /// Whether more is new than the time of the last answer, which each call renews.
    fn is_news_after(&self, before: &Told) -> bool {
        let answers = |told: &Told| told.answered_ms.is_some();
        answers(self) != answers(before) || *self != Told { answered_ms: self.answered_ms, ..before.clone() }
    }

    pub fn kept(store: &mut dyn Store, of: &Instance) -> Result<Option<Told>> {
        // A value written by another version is ignored: `serve` writes a new one.
        Ok(store.cursor(of, CURSOR)?.and_then(|text| serde_json::from_str(&text).ok()))
    }
}

/// Runs forever. If the store does not answer, the next round writes.
pub async fn run(shared: Arc<Shared>) {
    let mut told = BTreeMap::new();
    let swept_before = swept_before(&shared).await.unwrap_or_default();
    loop {
        let news = news(&shared, &swept_before, &told);
        if tell_the_verbs(&shared, news.clone()).await.is_ok() {
            told.extend(news);
        }
        tokio::select! {
            () = shared.clock.sleep(shared.timing.watch_ms) => {}
            () = shared.sides_changed.notified() => {}
        }
    }
}

type OfSides = BTreeMap<Instance, Told>;

/// When an earlier process last swept each side.
async fn swept_before(shared: &Shared) -> Result<BTreeMap<Instance, i64>> {
    let instances: Vec<Instance> = shared.itops().map(|itop| itop.instance.clone()).collect();
    let kept = shared.store.call(move |store| {
        let kept = instances.into_iter().map(|of| Ok((Told::kept(store, &of)?, of)));
        kept.collect::<Result<Vec<_>>>()
    });
    let kept = kept.await?.into_iter();
    Ok(kept.filter_map(|(told, of)| Some((of, told?.swept_ms?))).collect())
}

fn news(shared: &Shared, swept_before: &BTreeMap<Instance, i64>, before: &OfSides) -> OfSides {
    let suspended = shared.suspensions().issues();
    let now = shared.itops().map(|itop| {
        let told = told_of(itop, &suspended);
        let swept_ms = told.swept_ms.or_else(|| swept_before.get(&itop.instance).copied());
        (itop.instance.clone(), Told { swept_ms, ..told })
    });
    now.filter(|(of, now)| before.get(of).is_none_or(|before| now.is_news_after(before))).collect()
}

fn told_of(itop: &Itop, suspended: &[Issue]) -> Told {
    let (down, answered_ms) = {
        let breaker = itop.breaker();
        let down = breaker.down().map(|Down { since_ms, reason }| Since { at_ms: *since_ms, reason: reason.clone() });
        (down, breaker.answered_ms())
    };
    let is_of_it = |cause: &Cause| match cause {
        Cause::Class { instance, .. } => *instance == itop.name,
        Cause::External { external } => *external == itop.name,
        Cause::Internal => itop.instance == Instance::Internal,
        Cause::Down { .. } | Cause::Throttled { .. } => false,
    };
    let suspended = suspended.iter().filter(|issue| is_of_it(&issue.cause)).map(|issue| Suspended {
        cause: issue.cause.clone(),
        since_ms: issue.since_ms,
        reason: issue.reason.clone(),
    });
    let slowed = itop
        .throttled()
        .as_ref()
        .map(|throttled| Slowed { since_ms: throttled.since_ms, until_ms: throttled.until_ms });
    let sweeps = *itop.sweeps();
    Told {
        answered_ms,
        down,
        slowed,
        suspended: suspended.collect(),
        swept_ms: sweeps.last_ms,
        next_sweep_ms: sweeps.next_ms,
    }
}

async fn tell_the_verbs(shared: &Shared, news: OfSides) -> Result<()> {
    if news.is_empty() {
        return Ok(());
    }
    shared.store.call(move |store| news.iter().try_for_each(|(of, told)| told.keep(store, of))).await
}

#[cfg(test)]
mod tests {
    use itop_bridge_store::SqliteStore;

    use super::*;

    #[test]
    fn what_serve_tells_of_a_side_is_read_as_it_was_kept() {
        let mut store = SqliteStore::open_in_memory().unwrap();
        assert_eq!(Told::kept(&mut store, &Instance::Internal).unwrap(), None);
        let cause = Cause::Class { instance: "elitery".into(), class: "Incident".into(), access: crate::Access::Write };
        let told = Told {
            answered_ms: Some(7),
            down: Some(Since { at_ms: 1, reason: "no answer".into() }),
            slowed: Some(Slowed { since_ms: 2, until_ms: 3 }),
            suspended: vec![Suspended { cause, since_ms: 4, reason: "no right".into() }],
            swept_ms: Some(5),
            next_sweep_ms: Some(6),
        };
        told.keep(&mut store, &Instance::Internal).unwrap();
        assert_eq!(Told::kept(&mut store, &Instance::Internal).unwrap(), Some(told.clone()));
        let later = Told { answered_ms: Some(8), ..Told::kept(&mut store, &Instance::Internal).unwrap().unwrap() };
        assert!(!later.is_news_after(&told) && later.is_news_after(&Told { answered_ms: None, ..told.clone() }));
        assert!(Told { swept_ms: Some(9), ..later }.is_news_after(&told));
        store.set_cursor(&Instance::Internal, CURSOR, "of another version").unwrap();
        assert_eq!(Told::kept(&mut store, &Instance::Internal).unwrap(), None);
    }
}
