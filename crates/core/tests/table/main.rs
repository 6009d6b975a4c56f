//! The decision as a table. A row says what was agreed, what each side shows, and all that the plan then
//! holds: what a row does not expect must not be there. A bug found in the field becomes a row.

mod anew;
mod apply;
mod dates;
mod documents;
mod enclosures;
mod fields;
mod files;
#[path = "../fixtures/mod.rs"]
mod fixtures;
mod halts;
mod held;
mod identity;
mod logs;
mod outward;
mod parents;
mod refused;
mod restored;
mod reworded;
mod status;

use fixtures::{note_in_words, policy, write_in_words};
use itop_bridge_core::plan::HaltKind;
use itop_bridge_core::{Link, Plan, Policy, Reading, Side, reconcile};

/// One row.
struct Case {
    name: String,
    policy: Policy,
    link: Link,
    external: Reading,
    internal: Reading,
    expected: Seen,
}

/// A plan in words.
#[derive(Debug, Default, PartialEq)]
struct Seen {
    writes: Vec<String>,
    notes: Vec<String>,
    conflicts: Vec<String>,
    halt: Option<HaltKind>,
    end: Option<HaltKind>,
    look_again_at_ms: Option<i64>,
    reads_parents_of: Vec<Side>,
    reads_kin_of: Vec<Side>,
}

fn case(name: &str, link: Link, external: impl Into<Reading>, internal: impl Into<Reading>) -> Case {
    let (external, internal) = (external.into(), internal.into());
    Case { name: name.to_owned(), policy: policy(), link, external, internal, expected: Seen::default() }
}

impl Case {
    fn policy(mut self, change: impl FnOnce(&mut Policy)) -> Case {
        change(&mut self.policy);
        self
    }

    fn writes<const N: usize>(mut self, writes: [&str; N]) -> Case {
        self.expected.writes = writes.map(str::to_owned).to_vec();
        self
    }

    fn notes<const N: usize>(mut self, notes: [impl Into<String>; N]) -> Case {
        self.expected.notes = notes.map(Into::into).to_vec();
        self
    }

    fn conflict(mut self, text: &str) -> Case {
        self.expected.conflicts.push(text.to_owned());
        self
    }

    fn halts(mut self, kind: HaltKind) -> Case {
        self.expected.halt = Some(kind);
        self
    }

    fn ends(mut self, kind: HaltKind) -> Case {
        self.expected.end = Some(kind);
        self
    }

    fn looks_again_at(mut self, ms: i64) -> Case {
        self.expected.look_again_at_ms = Some(ms);
        self
    }

    fn reads_parents(mut self, of: Side) -> Case {
        self.expected.reads_parents_of.push(of);
        self
    }

    fn reads_kin(mut self, of: Side) -> Case {
        self.expected.reads_kin_of.push(of);
        self
    }

    /// Nothing is written, noted, shown or waited for.
    fn does_nothing(self) -> Case {
        self
    }

    fn failure(&self) -> Option<String> {
        let plan = reconcile(&self.policy, &self.link, &self.external, &self.internal);
        let seen = seen(&plan);
        (seen != self.expected)
            .then(|| format!("{}\n    expected {:?}\n    but got  {seen:?}", self.name, self.expected))
    }
}

fn seen(plan: &Plan) -> Seen {
    Seen {
        writes: plan.writes.iter().map(|step| write_in_words(&step.write)).collect(),
        notes: plan.notes.iter().map(note_in_words).collect(),
        conflicts: plan.conflicts.iter().map(|conflict| format!("{}: {}", conflict.about, conflict.text)).collect(),
        halt: plan.halt.as_ref().map(|halt| halt.kind),
        end: plan.end.as_ref().map(|end| end.kind),
        look_again_at_ms: plan.look_again_at_ms,
        reads_parents_of: plan.parents_of.iter().copied().collect(),
        reads_kin_of: plan.kin_of.iter().copied().collect(),
    }
}

#[test]
fn every_row_holds() {
    let rows: Vec<Case> = [
        held::held(),
        fields::creation(),
        fields::fields(),
        fields::late_fields(),
        status::status(),
        status::walks(),
        status::late_stimuli(),
        apply::outward(),
        apply::late_stimuli(),
        files::files(),
        files::missing_files(),
        outward::mirrored(),
        outward::both_ways(),
        logs::new_entries(),
        logs::batches(),
        logs::switched_off(),
        logs::gone_entries(),
        parents::entries(),
        reworded::entries(),
        reworded::lost_or_reworded(),
        reworded::unsent(),
        reworded::authors(),
        reworded::the_bridges_own(),
        documents::reports(),
        documents::notices(),
        enclosures::enclosures(),
        halts::halts(),
        identity::corrected(),
        identity::given_again(),
        dates::fields(),
        dates::stimuli(),
        anew::in_doubt(),
        anew::left_behind(),
        refused::refused(),
        restored::restored(),
    ]
    .into_iter()
    .flatten()
    .collect();
    let failures: Vec<String> = rows.iter().filter_map(Case::failure).collect();
    assert!(failures.is_empty(), "{} of {} rows fail:\n\n{}", failures.len(), rows.len(), failures.join("\n\n"));
    assert!(rows.len() >= 300, "{} rows", rows.len());
}
