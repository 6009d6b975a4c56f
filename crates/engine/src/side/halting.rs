//! A side that halts because of what was just read: passes that have already read it write nothing, even before the
//! store knows of the halt. From then on the store says whether the side has halted.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::{Lane, Shared};

/// This process's halts of one side.
#[derive(Default)]
pub(crate) struct Halts(Mutex<State>);

#[derive(Default)]
struct State {
    halted: Halted,
    /// How many halts have begun and reached the store.
    so_far: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Halted {
    #[default]
    No,
    /// The store does not know it yet.
    BeingStored,
    /// From here on the store decides. If it refused the halt, the next look at the ticket finds the cause again.
    ByStore,
}

impl Halts {
    /// Begins a halt that lasts at least until the guard is dropped.
    pub(crate) fn begin(&self) -> Halting<'_> {
        self.state().halted = Halted::BeingStored;
        Halting(self)
    }

    pub(crate) fn is_halted(&self) -> bool {
        self.state().halted != Halted::No
    }

    pub(crate) fn so_far(&self) -> u64 {
        self.state().so_far
    }

    /// The store said that the side has not halted; the count is from before that question.
    pub(crate) fn go_on_unless_halted_since(&self, so_far: u64) {
        let mut state = self.state();
        if state.halted == Halted::ByStore && state.so_far == so_far {
            state.halted = Halted::No;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A halt on its way to the store; that step ends when the guard is dropped, whatever the store said.
#[must_use]
pub(crate) struct Halting<'h>(&'h Halts);

impl Drop for Halting<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.halted = Halted::ByStore;
        // An answer that the store gave earlier is outdated.
        state.so_far += 1;
    }
}

/// How often each side of the lane has halted; pass it to [`go_on`].
pub(crate) fn halts_so_far(shared: &Shared, lane: &Lane) -> [u64; 2] {
    [&lane.external, &shared.internal].map(|itop| itop.halts.so_far())
}

/// The store said that neither side has halted; the counts are from before that question.
pub(crate) fn go_on(shared: &Shared, lane: &Lane, halts: [u64; 2]) {
    for (itop, halts) in [&lane.external, &shared.internal].into_iter().zip(halts) {
        itop.halts.go_on_unless_halted_since(halts);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_from_before_a_halt_does_not_end_it() {
        let halts = Halts::default();
        let before = halts.so_far();
        let halting = halts.begin();
        halts.go_on_unless_halted_since(halts.so_far());
        assert!(halts.is_halted(), "the store was asked before it knew");
        drop(halting);
        halts.go_on_unless_halted_since(before);
        assert!(halts.is_halted(), "the store had answered before it knew");
        halts.go_on_unless_halted_since(halts.so_far());
        assert!(!halts.is_halted());
    }
}
