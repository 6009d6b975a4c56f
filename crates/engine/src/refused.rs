//! Webhooks that were refused for their key, as the store keeps them for `check`.
//!
//! One entry per route, of which there are eight, so that a sender of wrong keys cannot make the store grow.

use std::collections::BTreeMap;

use itop_bridge_store::{Instance, Result, Store};
use serde::{Deserialize, Serialize};

/// The name of the store's cursor for them.
const CURSOR: &str = "refused_webhooks";

/// After this long without a refusal, `check` reports none, and the count begins again.
pub const QUIET_MS: i64 = 24 * 3_600_000;

/// The refused webhooks of one route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    pub count: u64,
    pub since_ms: i64,
    pub last_ms: i64,
    /// The sender's address of the last one, as this machine saw it.
    pub last_from: String,
    /// The reason of the last refusal, as a word.
    pub last_why: String,
}

impl Refused {
    pub fn one(from: String, why: &str, now_ms: i64) -> Refused {
        Refused { count: 1, since_ms: now_ms, last_ms: now_ms, last_from: from, last_why: why.to_owned() }
    }

    /// Adds later ones.
    fn add(&mut self, later: Refused) {
        let since_ms = if later.since_ms - self.last_ms > QUIET_MS { later.since_ms } else { self.since_ms };
        let count = if since_ms == self.since_ms { self.count + later.count } else { later.count };
        *self = Refused { count, since_ms, ..later };
    }
}

/// By the last part of the route.
pub type ByRoute = BTreeMap<String, Refused>;

pub fn merge(all: &mut ByRoute, later: ByRoute) {
    for (route, refused) in later {
        match all.get_mut(&route) {
            Some(known) => known.add(refused),
            None => drop(all.insert(route, refused)),
        }
    }
}

pub fn kept(store: &mut dyn Store) -> Result<ByRoute> {
    let text = store.cursor(&Instance::Internal, CURSOR)?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
}

/// Adds recent ones to those stored before.
pub fn keep(store: &mut dyn Store, lately: ByRoute) -> Result<()> {
    let mut all = kept(store)?;
    merge(&mut all, lately);
    store.set_cursor(&Instance::Internal, CURSOR, &serde_json::to_string(&all).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_lately_is_added_and_after_a_quiet_day_the_count_begins_anew() {
        let of = |count, since_ms, last_ms| Refused { count, since_ms, last_ms, ..Refused::one("a".into(), "w", 0) };
        let mut all = ByRoute::from([("update-ticket".to_owned(), of(2, 10, 20))]);
        merge(&mut all, ByRoute::from([("update-ticket".to_owned(), of(3, 30, 40))]));
        assert_eq!(all["update-ticket"], of(5, 10, 40));
        let later = 40 + QUIET_MS + 1;
        merge(&mut all, ByRoute::from([("update-ticket".to_owned(), of(1, later, later))]));
        assert_eq!(all["update-ticket"], of(1, later, later));
    }
}
