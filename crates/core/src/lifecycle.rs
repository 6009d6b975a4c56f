//! The lifecycle of each ticket class, as data: states, stimuli, transitions and the attributes that a transition
//! asks for. The built-in one is the ITIL model, which is the same in iTop 3.1.2 and 3.2.0.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::Deserialize;

/// The lifecycles by class.
#[derive(Debug, Clone, Deserialize)]
#[serde(transparent)]
pub struct Lifecycles(BTreeMap<String, Lifecycle>);

impl Lifecycles {
    /// The ITIL classes as recorded from real iTops.
    pub fn built_in() -> Lifecycles {
        serde_json::from_str(include_str!("../data/lifecycle.json")).expect("the built-in lifecycle is whole")
    }

    pub fn from_json(text: &str) -> Result<Lifecycles, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    pub fn of(&self, class: &str) -> Option<&Lifecycle> {
        self.0.get(class)
    }

    pub fn classes(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

#[derive(Debug, Clone, Deserialize)]
pub struct Lifecycle {
    pub initial: String,
    pub states: Vec<String>,
    pub transitions: Vec<Transition>,
    /// Stimulus to its kind: `StimulusUserAction` or `StimulusInternal`.
    pub stimuli: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Transition {
    pub from: String,
    pub stimulus: String,
    pub to: String,
    /// Attribute code to its flags, joined by `|`: `mandatory`, `must_prompt`, `must_change`.
    #[serde(default, deserialize_with = "map_or_empty_list")]
    pub attributes: BTreeMap<String, String>,
}

/// PHP writes an empty map as `[]`, in the recording and in any export of iTop's model.
fn map_or_empty_list<'de, D: serde::Deserializer<'de>>(input: D) -> Result<BTreeMap<String, String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum MapOrList {
        Map(BTreeMap<String, String>),
        Empty([String; 0]),
    }
    match MapOrList::deserialize(input)? {
        MapOrList::Map(map) => Ok(map),
        MapOrList::Empty([]) => Ok(BTreeMap::new()),
    }
}

impl Transition {
    /// The attributes that accompany the stimulus: those that iTop demands, and those that it would ask a person for.
    pub fn asked(&self) -> impl Iterator<Item = &str> {
        self.attributes.keys().map(String::as_str)
    }
}

impl Lifecycle {
    fn is_user_action(&self, stimulus: &str) -> bool {
        self.stimuli.get(stimulus).is_some_and(|kind| kind == "StimulusUserAction")
    }

    pub fn knows(&self, state: &str) -> bool {
        self.states.iter().any(|known| known == state)
    }

    /// The shortest path of user stimuli from one state to another; empty when they are equal, `None`
    /// when there is none. Among paths of one length the lifecycle's own order decides.
    pub fn path(&self, from: &str, to: &str) -> Option<Vec<&Transition>> {
        let mut came_by: BTreeMap<&str, &Transition> = BTreeMap::new();
        let mut next = VecDeque::from([from]);
        while let Some(state) = next.pop_front() {
            if state == to {
                return Some(self.walk_back(&came_by, from, to));
            }
            for transition in self.transitions.iter().filter(|t| t.from == state && self.is_user_action(&t.stimulus)) {
                let target = transition.to.as_str();
                if target != from && !came_by.contains_key(target) {
                    came_by.insert(target, transition);
                    next.push_back(target);
                }
            }
        }
        None
    }

    fn walk_back<'a>(&self, came_by: &BTreeMap<&str, &'a Transition>, from: &str, to: &str) -> Vec<&'a Transition> {
        let mut path = Vec::new();
        let mut state = to;
        while state != from {
            let transition = came_by[state];
            path.push(transition);
            state = transition.from.as_str();
        }
        path.reverse();
        path
    }

    /// The state that was left by escalation (a clock moved the ticket, nobody did). Any other state is returned
    /// unchanged.
    pub fn before_escalation<'a>(&'a self, state: &'a str) -> &'a str {
        self.escalated_from(state).next().unwrap_or(state)
    }

    /// The attribute with the ticket's creation time that people leave alone: a change's `start_date` is the planned
    /// start.
    pub fn made_attribute(&self) -> Option<&'static str> {
        if self.knows("plannedscheduled") {
            Some("creation_date")
        } else {
            self.knows("resolved").then_some("start_date")
        }
    }

    /// The states from which a clock leads to this escalation; none if the state is not an escalation.
    pub fn escalated_from<'a>(&'a self, escalation: &'a str) -> impl Iterator<Item = &'a str> {
        let clock = move |t: &&Transition| t.to == escalation && !self.is_user_action(&t.stimulus);
        let transitions = self.transitions.iter().filter(move |_| is_escalation(escalation));
        transitions.filter(clock).map(|t| t.from.as_str())
    }

    /// How far a state is along the lifecycle. For requests and incidents: new, escalated and the approval states 0,
    /// assigned and pending 1, resolved 2, closed 3. For changes the order of the lifecycle, where the two outcomes
    /// of one decision share a rank.
    pub fn rank(&self, state: &str) -> usize {
        let state = self.before_escalation(state);
        if self.knows("resolved") {
            return match state {
                "assigned" | "pending" => 1,
                "resolved" => 2,
                "closed" => 3,
                _ => 0,
            };
        }
        match state {
            "new" => 0,
            "validated" | "rejected" => 1,
            "assigned" => 2,
            "plannedscheduled" => 3,
            "approved" | "notapproved" => 4,
            "implemented" => 5,
            "monitored" => 6,
            "closed" => 7,
            // A lifecycle defined by the operator: its own order.
            other => self.states.iter().position(|known| known == other).unwrap_or(0),
        }
    }

    /// Every attribute that some transition of this class asks for.
    pub fn asked_anywhere(&self) -> BTreeSet<&str> {
        self.transitions.iter().filter(|t| self.is_user_action(&t.stimulus)).flat_map(Transition::asked).collect()
    }
}

/// Whether the state is an escalation: entering it is not a person's move.
pub fn is_escalation(state: &str) -> bool {
    state.starts_with("escalated_")
}

/// Whether the state is a refusal: entering it is a decision that is never absorbed, whatever the other side's rank.
pub fn is_refusal(state: &str) -> bool {
    matches!(state, "rejected" | "notapproved")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stimuli(class: &str, from: &str, to: &str) -> Option<Vec<String>> {
        let all = Lifecycles::built_in();
        let path = all.of(class).unwrap().path(from, to)?;
        Some(path.iter().map(|t| t.stimulus.clone()).collect())
    }

    #[test]
    fn pending_is_left_by_assigning_before_it_is_resolved() {
        assert_eq!(stimuli("UserRequest", "pending", "resolved").unwrap(), ["ev_assign", "ev_resolve"]);
    }

    #[test]
    fn closed_has_no_way_back() {
        assert_eq!(stimuli("UserRequest", "closed", "assigned"), None);
        assert_eq!(stimuli("UserRequest", "closed", "closed").unwrap(), Vec::<String>::new());
    }

    #[test]
    fn every_path_of_every_class_starts_where_it_should_and_joins_and_is_the_shortest() {
        let all = Lifecycles::built_in();
        assert_eq!(all.classes().count(), 5);
        for class in all.classes() {
            let lifecycle = all.of(class).unwrap();
            for from in &lifecycle.states {
                let steps = distances(lifecycle, from);
                for to in &lifecycle.states {
                    let path = lifecycle.path(from, to);
                    assert_eq!(path.as_ref().map(Vec::len), steps.get(to.as_str()).copied(), "{class}: {from} to {to}");
                    let Some(path) = path else { continue };
                    let mut state = from.as_str();
                    for transition in path {
                        assert_eq!(transition.from, state);
                        assert_eq!(lifecycle.stimuli[&transition.stimulus], "StimulusUserAction");
                        state = &transition.to;
                    }
                    assert_eq!(state, to);
                }
            }
        }
    }

    /// The distances by plain relaxation: a different algorithm from the one under test.
    fn distances<'a>(lifecycle: &'a Lifecycle, from: &'a str) -> BTreeMap<&'a str, usize> {
        let mut steps = BTreeMap::from([(from, 0)]);
        for _ in 0..lifecycle.states.len() {
            for t in lifecycle.transitions.iter().filter(|t| lifecycle.stimuli[&t.stimulus] == "StimulusUserAction") {
                if let Some(&before) = steps.get(t.from.as_str()) {
                    let known = steps.entry(t.to.as_str()).or_insert(usize::MAX);
                    *known = (*known).min(before + 1);
                }
            }
        }
        steps
    }

    #[test]
    fn an_escalation_is_the_state_that_it_left() {
        let all = Lifecycles::built_in();
        let request = all.of("UserRequest").unwrap();
        assert_eq!(request.before_escalation("escalated_tto"), "new");
        assert_eq!(request.before_escalation("escalated_ttr"), "assigned");
        assert_eq!(request.rank("escalated_ttr"), 1);
    }

    #[test]
    fn both_outcomes_of_a_decision_share_a_rank() {
        let all = Lifecycles::built_in();
        let change = all.of("NormalChange").unwrap();
        assert_eq!(change.rank("approved"), change.rank("notapproved"));
        assert_eq!(change.rank("validated"), change.rank("rejected"));
        assert!(change.rank("closed") > change.rank("monitored"));
    }
}
