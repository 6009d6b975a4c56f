//! The laws, asked at each write and after all has healed.

use std::collections::BTreeSet;

use itop_bridge_core::document::DocumentKind;
use itop_bridge_core::link::{Edit, Late};
use itop_bridge_core::plan::{FieldWrite, Stimulus, TakenFrom};
use itop_bridge_core::policy::StatusToExternal;
use itop_bridge_core::{FileKind, Side};

use super::bridge::words_of;
use super::log::Spoken;
use super::states::rank;
use super::{Attached, Author, CODES, Mark, SIDES, World, as_inside, known};

impl World {
    /// Ownership: a person's edit inside is overwritten only where the external changed since the two were
    /// last brought together, and then it is reported; nothing else is reported.
    pub fn assert_may_overwrite(&self, field: &FieldWrite) {
        let code = known(&field.code);
        let target = &self.inside.fields[code];
        if self.authors[code] == Author::Person && !self.sent.contains(target) {
            let changed = amps_apart(&self.synced[code]) != amps_apart(&self.outside.fields[code]);
            assert!(changed, "ownership: {code} {target:?} is a person's and did not change outside");
            let is_it = |lost: &Edit| lost.value == *target && !lost.may_be_ours;
            assert!(field.lost_edit.as_ref().is_some_and(is_it), "ownership: the lost edit of {code} is reported");
        } else if self.authors[code] == Author::Bridge {
            let is_surely_lost = field.lost_edit.as_ref().is_some_and(|lost| !lost.may_be_ours);
            assert!(!is_surely_lost, "the bridge's own {code} is no person's edit");
        }
    }

    /// The outside is driven only where the policy says so, and nobody's name and no field goes along.
    pub fn assert_may_walk(&self, on: Side, walk: &[Stimulus]) {
        if on == Side::External {
            assert_eq!(self.policy.status_to_external, StatusToExternal::Apply, "ownership: the outside is driven");
        }
        // What the bridge did itself on one side is no reason to move a person's ticket on the other. A person
        // who goes where a stimulus may still land cannot be told from it.
        let (moved, driven) = (self.side(on.other()).moved_by, self.side(on).moved_by);
        let mut unanswered = self.link.in_flight.late.iter().map(|late| &late.what).chain(&self.link.in_flight.owed);
        let may_be_own = unanswered.any(|late| matches!(late, Late::Status { on: side, .. } if *side == on));
        assert!(
            moved == Author::Person || driven == Author::Bridge || may_be_own,
            "ownership: the bridge's own move drives a person's on the {on:?} side: {walk:?}"
        );
        for attribute in walk.iter().flat_map(|stimulus| &stimulus.attributes) {
            let from_the_other = attribute.taken_from == TakenFrom::Source;
            assert!(!(from_the_other && attribute.code.ends_with("_id")), "a name crosses: {attribute:?}");
            let goes_out = on == Side::External && CODES.contains(&attribute.code.as_str());
            assert!(!goes_out, "a field goes outside: {attribute:?}");
        }
    }

    pub fn assert_is_own_copy(&self, from: Side, original: u64, copy: u64) {
        let file = self.side(from.other()).files.iter().find(|file| file.id == copy).expect("a copy that stands");
        assert!(file.is_copy_of(from, original), "ownership: file {copy} is no copy of {original}");
    }

    /// No duplicates. Log files may share a mark: an entry may go, and equal words come in its place.
    pub fn assert_stands_once(&self, on: Side, mark: &Mark) {
        let count = self.side(on).files.iter().filter(|file| file.made.as_ref() == Some(mark)).count();
        assert!(count == 1 || mark.1 == FileKind::Log, "no duplicates: {count} of {mark:?}");
    }

    /// All is answered from now on, and time passes until nothing is left to look at.
    pub fn heal(&mut self) {
        for _ in 0..200 {
            if self.link.course.halt.is_some() || self.link.logs.iter().any(|log| log.halt.is_some()) {
                // An operator looks and resumes.
                self.waive_what_halted_logs_hold();
                self.link.resume();
            }
            let before = self.link.clone();
            let plan = self.pass(true, true, &[]);
            let due = plan
                .look_again_at_ms
                .into_iter()
                .chain(self.link.in_flight.late.iter().map(|late| late.until_ms))
                .min();
            match due {
                Some(due) => self.wait_until(due.max(self.now)),
                None if plan.writes_nothing() && plan.halt.is_none() && self.link == before => return,
                None => {}
            }
        }
        panic!("convergence: still not at rest: {:?}", self.link);
    }

    pub fn assert_converged(&self) {
        let unrecorded: Vec<_> = self.to_be_recorded.difference(&self.recorded).collect();
        assert!(unrecorded.is_empty(), "ownership: these edits were seen, and lost without a record: {unrecorded:?}");
        self.assert_fields_agree();
        self.assert_states_agree();
        for from in SIDES {
            self.assert_files_agree(from);
            self.assert_log_was_delivered(from);
        }
        self.assert_documents_are_true();
        let payable = self.link.in_flight.owed.iter().filter(|late| !matches!(late, Late::Status { .. })).count();
        assert_eq!(payable, 0, "convergence: {:?} is still owed", self.link.in_flight.owed);
    }

    fn assert_fields_agree(&self) {
        for code in CODES {
            let (outside, inside) = (&self.outside.fields[code], &self.inside.fields[code]);
            if self.authors[code] == Author::Bridge {
                assert_eq!(amps_apart(inside), amps_apart(&as_inside(code, outside)), "convergence: {code}");
            } else {
                assert_eq!(amps_apart(&self.synced[code]), amps_apart(outside), "convergence: {code} changed outside");
            }
        }
    }

    fn assert_states_agree(&self) {
        // A ticket that was approved, or re-opened, and late before anyone looked: which, nothing shows.
        let unknowable = |side: Side| self.side(side).status == "escalated_tto";
        let (outside, inside) = (&self.outside, &self.inside);
        if !self.link.open.conflicts.is_empty() || unknowable(Side::External) {
            return;
        }
        if inside.moved_by == Author::Bridge {
            assert_eq!(inside.calm, outside.calm, "convergence: the bridge moved the status last");
        }
        if self.policy.status_to_external == StatusToExternal::Apply && !unknowable(Side::Internal) {
            let is_request = self.policy.lifecycle(Side::Internal).unwrap().knows("resolved");
            let caught_up =
                outside.moved_by == Author::Person && rank(&inside.calm, is_request) > rank(&outside.calm, is_request);
            assert!(
                inside.calm == outside.calm || caught_up,
                "convergence: {} outside by {:?}, {} inside by {:?}",
                outside.calm,
                outside.moved_by,
                inside.calm,
                inside.moved_by
            );
        }
    }

    fn assert_files_agree(&self, from: Side) {
        let copies_of = |original: u64| -> Vec<&Attached> {
            self.side(from.other()).files.iter().filter(|file| file.is_copy_of(from, original)).collect()
        };
        for original in self.side(from).files.iter().filter(|file| file.made.is_none()) {
            match copies_of(original.id).as_slice() {
                [copy] => assert_eq!(copy.content, original.content, "convergence: contents of {}", original.id),
                [] => {
                    let removed = self.removed.contains(&(from, original.id));
                    assert!(removed, "convergence: {} has no copy", original.id);
                }
                copies => panic!("no duplicates: {copies:?}"),
            }
        }
        for (_, gone) in self.deleted.iter().filter(|(side, _)| *side == from) {
            assert!(copies_of(*gone).is_empty(), "convergence: {gone} was deleted, its copy stands");
        }
    }

    /// Each entry is given once. iTop does not show which of equal words of one person came and went: these
    /// are counted together.
    fn assert_log_was_delivered(&self, from: Side) {
        let side = self.side(from);
        for spoken in &side.log {
            let equals = |other: &&Spoken| (other.user, other.first_words) == (spoken.user, spoken.first_words);
            let present: Vec<u64> = side.log.iter().filter(equals).map(|other| other.identity).collect();
            let lost = side.lost_entries().filter(equals).map(|other| other.identity);
            let ever: BTreeSet<u64> = present.iter().copied().chain(lost).collect();
            let given = self.given.iter().filter(|(side, one)| *side == from && ever.contains(one)).count();
            let owed = present.iter().filter(|one| !self.waived.contains(&(from, **one))).count();
            assert!(given >= owed, "no loss: {spoken:?} of {from:?}: {given} of {owed} were given");
            assert!(given <= ever.len(), "no duplicates: {spoken:?} of {from:?}: {given} of {} were given", ever.len());
        }
    }

    fn assert_documents_are_true(&self) {
        let is_report = self.policy.status_to_external == StatusToExternal::Report;
        assert_eq!(self.link.document(DocumentKind::Report).is_some(), is_report, "a report where the policy says so");
        for document in &self.link.files.documents {
            let kind = document.kind;
            let stands = self.side(kind.on()).files.iter().filter(|file| {
                file.made.as_ref().is_some_and(|(from, of, _)| *from == kind.from() && *of == kind.file_kind())
            });
            match stands.collect::<Vec<_>>().as_slice() {
                [] => assert!(self.removed_documents.contains(&kind), "convergence: no {kind:?}"),
                [file] => assert_eq!(file.content, words_of(&document.lines), "convergence: the {kind:?}"),
                files => panic!("no duplicates: {files:?}"),
            }
            if kind == DocumentKind::Report {
                assert_eq!(document.lines[0].state, self.inside.status, "convergence: the report's newest line");
            }
        }
    }

    pub fn assert_idempotent(&mut self) {
        self.wait_until(self.now + 1_000_000);
        let plan = self.pass(true, true, &[]);
        assert!(plan.writes_nothing() && plan.notes.is_empty(), "idempotence: one more pass: {plan:?}");
    }
}

pub fn amps_apart(value: &str) -> String {
    let mut value = value.to_owned();
    while value.contains("&amp;amp;") {
        value = value.replace("&amp;amp;", "&amp;");
    }
    value
}
