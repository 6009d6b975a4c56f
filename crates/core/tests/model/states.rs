//! Lifecycles, walked by their own rows: another reading than the one under test.

use std::collections::{BTreeSet, VecDeque};

use itop_bridge_core::plan::{Stimulus, Write};
use itop_bridge_core::{Lifecycle, Side, Step};

/// The state that a stimulus leads to from here.
pub fn stimulate(lifecycle: &Lifecycle, state: &str, stimulus: &str) -> Option<String> {
    lifecycle.transitions.iter().find(|t| t.from == state && t.stimulus == stimulus).map(|t| t.to.clone())
}

pub fn walk_of(step: &Step) -> Option<(Side, &str, &[Stimulus])> {
    match &step.write {
        Write::WalkStatus { on, wanted, walk } => Some((*on, wanted, walk)),
        _ => None,
    }
}

/// How many transitions lead from one state to another: people's alone, or clocks' too.
pub fn distance(lifecycle: &Lifecycle, from: &str, to: &str, clocks: bool) -> Option<usize> {
    let mut seen = BTreeSet::from([from]);
    let mut next = VecDeque::from([(from, 0)]);
    while let Some((state, steps)) = next.pop_front() {
        if state == to {
            return Some(steps);
        }
        for t in lifecycle.transitions.iter().filter(|t| t.from == state) {
            let people = lifecycle.stimuli[&t.stimulus] == "StimulusUserAction";
            if (people || clocks) && seen.insert(&t.to) {
                next.push_back((&t.to, steps + 1));
            }
        }
    }
    None
}

/// An escalation is no move: only assigned tickets miss their time to resolve, new and approved ones their
/// time to own. Which of the two it was is not guessed.
pub fn calm_state<'a>(known: &'a str, state: &'a str) -> &'a str {
    match state {
        "escalated_ttr" => "assigned",
        "escalated_tto" => known,
        _ => state,
    }
}

pub fn rank(state: &str, is_request: bool) -> usize {
    let rows: &[&[&str]] = if is_request {
        &[
            &["new", "waiting_for_approval", "approved", "rejected"],
            &["assigned", "pending"],
            &["resolved"],
            &["closed"],
        ]
    } else {
        &[
            &["new"],
            &["validated", "rejected"],
            &["assigned"],
            &["plannedscheduled"],
            &["approved", "notapproved"],
            &["implemented"],
            &["monitored"],
            &["closed"],
        ]
    };
    rows.iter().position(|row| row.contains(&state)).unwrap()
}
