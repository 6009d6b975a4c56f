//! A walk through the states of one side's ticket, by which the bridge brings it to the other's status.

use serde::{Deserialize, Serialize};

use super::Link;
use super::late::{Late, internal};
use crate::ticket::Side;

/// A walk through one side's lifecycle, stored before its first stimulus.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StatusPath {
    /// The side that is walked.
    #[serde(default = "internal")]
    pub on: Side,
    /// The other side's status that the walk follows.
    pub wanted: String,
    /// The states on the way, the wanted one last; first, where there is one, the state that an earlier walk reached.
    pub states: Vec<String>,
}

impl Link {
    /// A walk begins. If an earlier one was broken off, the state that it reached stays known as the bridge's own: if
    /// this walk is refused at once, nobody else has brought the ticket there.
    pub fn set_out(&mut self, on: Side, wanted: &str, states: impl IntoIterator<Item = String>) {
        let present = &self.ancestor.side(on).status;
        let is_own = self.in_flight.path.as_ref().is_some_and(|path| path.on == on && path.states.contains(present));
        let states = is_own.then(|| present.clone()).into_iter().chain(states).collect();
        self.in_flight.path = Some(StatusPath { on, wanted: wanted.to_owned(), states });
    }

    /// A stimulus was answered with this state. The walk ends at the wanted state.
    pub fn state_answered(&mut self, on: Side, state: &str) {
        state.clone_into(&mut self.ancestor.side_mut(on).status);
        state.clone_into(&mut self.ancestor.side_mut(on).seen);
        let ends_here = |path: &mut StatusPath| path.on == on && path.states.last().is_some_and(|last| last == state);
        if let Some(path) = self.in_flight.path.take_if(ends_here) {
            self.ancestor.side_mut(on.other()).status = path.wanted;
            self.in_flight.owed.retain(|late| !matches!(late, Late::Status { .. }));
        }
    }
}
