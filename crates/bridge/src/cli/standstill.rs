//! Sides that stand still, paused by an operator or halted: nothing of theirs is written until they are resumed.

use std::fmt;

use crate::config::Config;
use crate::engine::{PAUSED, is_over_lost_pairs};
use crate::store::{Instance, Result, Store};

/// A side that stands still.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standstill {
    pub side: String,
    reason: String,
}

impl Standstill {
    pub fn all(store: &mut dyn Store, config: &Config) -> Result<Vec<Standstill>> {
        let externals = config.externals.iter().map(|external| external.name());
        let externals = externals.map(|name| (name.to_owned(), Instance::External(name.to_owned())));
        let mut all = Vec::new();
        for (side, instance) in std::iter::once((config.internal.name.clone(), Instance::Internal)).chain(externals) {
            all.extend(store.stopped(&instance)?.map(|reason| Standstill { side, reason }));
        }
        Ok(all)
    }

    pub fn is_over(&self, reason: &str) -> bool {
        self.reason == reason
    }

    pub fn is_pause(&self) -> bool {
        self.reason == PAUSED
    }
}

impl fmt::Display for Standstill {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Standstill { side, reason } = self;
        let it = if is_over_lost_pairs(reason) { "without them it" } else { "it" };
        write!(out, "{side} stands still: {reason}; {it} goes on by `itop-bridge resume {side}`")
    }
}
