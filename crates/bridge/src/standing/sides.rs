//! The state of the sides: the store's own knowledge (paused, halted) and the state that the running `serve` keeps
//! there.

use itop_bridge_engine::{Since, Slowed, Suspended, Told};
use itop_bridge_store::{Instance, Result, Stop, Store};

use crate::config::Config;
use crate::running;

/// One side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SideStands {
    pub name: String,
    pub instance: Instance,
    pub stop: Option<Stop>,
    /// `None` where no `serve` has reported yet.
    pub told: Option<Told>,
}

/// All sides, the internal first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sides {
    pub all: Vec<SideStands>,
    /// Whether `serve` runs; `None` if that cannot be determined.
    pub is_served: Option<bool>,
    /// `serve` writes to no iTop.
    pub is_dry_run: bool,
}

impl Sides {
    pub fn read(store: &mut dyn Store, config: &Config) -> Result<Sides> {
        let externals = config.externals.iter().map(|external| external.name());
        let externals = externals.map(|name| (name.to_owned(), Instance::External(name.to_owned())));
        let internal = (config.internal.name.clone(), Instance::Internal);
        let mut all = Vec::new();
        for (name, instance) in std::iter::once(internal).chain(externals) {
            let (stop, told) = (store.stopped(&instance)?, Told::kept(store, &instance)?);
            all.push(SideStands { name, instance, stop, told });
        }
        let is_served = store.is_served()?;
        let is_dry_run = running::is_dry_run(store)?;
        Ok(Sides { all, is_served, is_dry_run })
    }

    /// The sides that a ticket of this external depends on: its own and the internal.
    pub fn of<'s>(&'s self, external: &'s str) -> impl Iterator<Item = &'s SideStands> {
        self.all.iter().filter(move |side| side.instance == Instance::Internal || side.name == external)
    }

    pub fn internal(&self) -> Option<&SideStands> {
        self.all.iter().find(|side| side.instance == Instance::Internal)
    }

    pub fn external(&self, name: &str) -> Option<&SideStands> {
        self.all.iter().find(|side| side.name == name)
    }

    /// `serve` is known not to run: its report is out of date.
    pub fn is_not_served(&self) -> bool {
        self.is_served == Some(false)
    }
}

impl SideStands {
    pub fn down(&self) -> Option<&Since> {
        self.told.as_ref()?.down.as_ref()
    }

    /// Only if that moment has not passed.
    pub fn slowed(&self, now_ms: i64) -> Option<&Slowed> {
        self.told.as_ref()?.slowed.as_ref().filter(|slowed| slowed.until_ms > now_ms)
    }

    pub fn suspended(&self) -> &[Suspended] {
        self.told.as_ref().map_or(&[], |told| &told.suspended)
    }

    /// The time of the next sweep, if there will be one.
    pub fn next_sweep_ms(&self, now_ms: i64) -> Option<i64> {
        if self.stop.is_some() || self.down().is_some() {
            return None;
        }
        self.told.as_ref()?.next_sweep_ms.filter(|at_ms| *at_ms >= now_ms)
    }
}
