//! A pair that stands in both iTops already and of which nothing is remembered: its link, as the tickets
//! and their marks say.

use crate::document::{Document, DocumentKind};
use crate::link::Link;
use crate::plan::{Plan, Step};
use crate::policy::Policy;
use crate::reconcile::{documents, fields, reconcile, status};
use crate::ticket::{Sight, Ticket};

/// A link made of what stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Adopted {
    pub link: Link,
    /// What the next pass would write: what was not delivered yet.
    pub due: Vec<Step>,
}

/// A pair found by the bridge's own marks. Fields and states are taken as they stand: what differs is shown, and
/// written when it changes outside. Copies, delivered entries and documents are known by the files' marks, so
/// that both tickets' files must be listed.
///
/// A copy whose original is gone is left where it is: its deletion was not seen.
pub fn found_by_marks(policy: &Policy, external: &Ticket, internal: &Ticket, found: Vec<Document>) -> Adopted {
    let mut link = as_they_stand(policy, external, internal);
    for document in found {
        link.keep_document(with_the_solution(document, internal));
    }
    let plan = take_in(policy, &mut link, external, internal);
    Adopted { link, due: plan.writes }
}

fn as_they_stand(policy: &Policy, external: &Ticket, internal: &Ticket) -> Link {
    let mut link = Link { internal: Some(internal.key()), ..Link::unborn(external.key()) };
    let (notes, mut conflicts) = fields::as_they_stand(policy, external, internal);
    notes.iter().for_each(|note| link.remember(note));
    if let Some((note, conflict)) = status::as_it_stands(policy, external, internal) {
        link.remember(&note);
        conflicts.extend(conflict);
    }
    link.conflicts = conflicts;
    link
}

/// A report that ends with the state that stands tells its solution already.
fn with_the_solution(mut document: Document, internal: &Ticket) -> Document {
    if document.kind != DocumentKind::Report {
        return document;
    }
    let solution = internal.filled("solution").filter(|_| documents::is_end(&internal.status)).map(str::to_owned);
    for lines in [Some(&mut document.lines), document.holds.as_mut()].into_iter().flatten() {
        for line in lines.iter_mut().filter(|line| line.state == internal.status) {
            line.solution.clone_from(&solution);
        }
    }
    document
}

/// What any pass takes in that meets marks which the store does not know.
fn take_in(policy: &Policy, link: &mut Link, external: &Ticket, internal: &Ticket) -> Plan {
    let plan = reconcile(policy, link, &Sight::Here(external.clone()), &Sight::Here(internal.clone()));
    plan.notes.iter().for_each(|note| link.remember(note));
    link.conflicts.clone_from(&plan.conflicts);
    plan
}
