//! Attributes that stimuli demand but that never cross: persons, teams and services, and, towards the external, the
//! fields that are synchronised only towards the internal. Where a ticket has none, only a default can supply one.
//! Judged from the configuration alone.

use std::collections::BTreeSet;

use itop_bridge_core::lifecycle::Lifecycle;
use itop_bridge_core::policy::StatusToInternal;
use itop_bridge_core::ticket::is_external_key;

use super::table::Part;
use super::{Verdict, by_external, ending, listed, place_of_internal};
use crate::config::{Defaults, ExternalConfig};

/// One line per internal class that an external's status moves.
pub(super) fn internal(externals: &[ExternalConfig]) -> Vec<Part> {
    let moving: Vec<&ExternalConfig> =
        externals.iter().filter(|e| e.sync.status_to_internal == StatusToInternal::Apply).collect();
    let classes: BTreeSet<&String> = moving.iter().flat_map(|e| e.sync.classes.values()).collect();
    let mut parts = Vec::new();
    for class in classes {
        let of_class = moving.iter().filter(|e| e.sync.classes.values().any(|internal| internal == class));
        let lacks: Vec<_> =
            of_class.map(|e| (e.name(), Lacks::of(e.sync.lifecycles.of(class), &e.internal_defaults, &[]))).collect();
        let count = lacks.len();
        for (names, lacks) in by_external(lacks) {
            let check = format!("stimuli {class}{}", ending(&names, count));
            let place = place_of_internal(&names, externals.len());
            parts.push(Part::Told { check, verdict: lacks.verdict(&place) });
        }
    }
    parts
}

/// One line per external class that the internal status drives.
pub(super) fn external(external: &ExternalConfig) -> Vec<Part> {
    let place = format!("[external.{}].defaults", external.name());
    let line = |class: &String| {
        let lacks = Lacks::of(external.sync.lifecycles.of(class), &external.side.defaults, &external.sync.fields);
        Part::Told { check: format!("stimuli {class}"), verdict: lacks.verdict(&place) }
    };
    external.sync.classes.keys().map(line).collect()
}

/// The attributes that a class's stimuli demand and no default supplies.
#[derive(PartialEq)]
enum Lacks {
    Lifecycle,
    Attributes { codes: BTreeSet<String>, stimuli: BTreeSet<String> },
}

impl Lacks {
    /// `stays`: the attributes that do not cross to this side, besides persons, teams and services.
    fn of(lifecycle: Option<&Lifecycle>, defaults: &Defaults, stays: &[String]) -> Lacks {
        let Some(lifecycle) = lifecycle else { return Lacks::Lifecycle };
        let (mut codes, mut stimuli) = (BTreeSet::new(), BTreeSet::new());
        let by_people =
            |stimulus: &String| lifecycle.stimuli.get(stimulus).is_some_and(|kind| kind == "StimulusUserAction");
        for transition in lifecycle.transitions.iter().filter(|transition| by_people(&transition.stimulus)) {
            for (code, flags) in &transition.attributes {
                let mandatory = flags.split('|').any(|flag| flag == "mandatory");
                let crosses = !is_external_key(code) && !stays.contains(code);
                // A ticket has an organisation and a title from its creation on.
                let is_there = matches!(code.as_str(), "org_id" | "title" | "description");
                if mandatory && !crosses && !is_there && !defaults.contains_key(code) {
                    codes.insert(code.clone());
                    stimuli.insert(transition.stimulus.clone());
                }
            }
        }
        Lacks::Attributes { codes, stimuli }
    }

    fn verdict(&self, place: &str) -> Verdict {
        let words = |set: &BTreeSet<String>| listed(&set.iter().map(String::as_str).collect::<Vec<_>>());
        match self {
            Lacks::Lifecycle => Verdict::note(
                "there is no lifecycle for this class: its status does not cross",
                "add the class to a `lifecycle_file`, if its status is to cross",
            ),
            Lacks::Attributes { codes, .. } if codes.is_empty() => {
                Verdict::ok("the defaults name every person, team and service that the stimuli ask for")
            }
            Lacks::Attributes { codes, stimuli } => {
                let (is_empty, them) = if codes.len() > 1 { ("one of them", "them") } else { ("it", "it") };
                Verdict::note(
                    format!(
                        "no default for {}: if {is_empty} is empty, iTop may refuse {}",
                        words(codes),
                        words(stimuli)
                    ),
                    format!("add {them} to {place}, or let people fill {them} in before the other side's ticket moves"),
                )
            }
        }
    }
}
