//! States, stimuli and transitions, read from `lifecycle.json`, and the dates that a transition
//! sets.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde_json::Value as Json;

#[derive(Debug)]
pub struct Lifecycle {
    pub initial: String,
    pub states: Vec<String>,
    transitions: Vec<Transition>,
}

#[derive(Debug)]
pub struct Transition {
    pub from: String,
    pub stimulus: String,
    pub to: String,
    /// Attributes that must hold something, in iTop's order.
    pub mandatory: Vec<String>,
}

impl Lifecycle {
    pub fn of(class: &str) -> Option<&'static Lifecycle> {
        static ALL: OnceLock<BTreeMap<String, Lifecycle>> = OnceLock::new();
        ALL.get_or_init(|| parse(include_str!("../../core/data/lifecycle.json"))).get(class)
    }

    pub fn transition(&self, from: &str, stimulus: &str) -> Option<&Transition> {
        self.transitions.iter().find(|transition| transition.from == from && transition.stimulus == stimulus)
    }
}

impl Transition {
    /// The date attribute that iTop's transition action sets to now.
    pub fn dated(&self) -> Option<&'static str> {
        match (self.stimulus.as_str(), self.to.as_str()) {
            // Not when a pending ticket goes on, and not for changes, which have no such date.
            ("ev_assign", "assigned") if self.from != "pending" => Some("assignment_date"),
            (_, "pending") => Some("last_pending_date"),
            (_, "resolved") => Some("resolution_date"),
            ("ev_close" | "ev_finish", _) => Some("close_date"),
            _ => None,
        }
    }
}

/// The file is the workspace's own, so a mistake in it is a bug: it panics.
fn parse(text: &str) -> BTreeMap<String, Lifecycle> {
    let json: Json = serde_json::from_str(text).expect("lifecycle.json is JSON");
    let classes = json.as_object().expect("lifecycle.json maps classes");
    classes.iter().map(|(class, cycle)| (class.clone(), parse_class(cycle))).collect()
}

fn parse_class(cycle: &Json) -> Lifecycle {
    let text = |json: &Json, key: &str| json[key].as_str().unwrap_or_default().to_owned();
    let list = |key: &str| cycle[key].as_array().cloned().unwrap_or_default();
    let listed = list("transitions");
    let transitions = listed.iter().map(|transition| Transition {
        from: text(transition, "from"),
        stimulus: text(transition, "stimulus"),
        to: text(transition, "to"),
        mandatory: transition["attributes"]
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(_, flags)| flags.as_str().is_some_and(|flags| flags.contains("mandatory")))
            .map(|(code, _)| code.clone())
            .collect(),
    });
    Lifecycle {
        initial: text(cycle, "initial"),
        states: list("states").iter().filter_map(|state| state.as_str().map(str::to_owned)).collect(),
        transitions: transitions.collect(),
    }
}
