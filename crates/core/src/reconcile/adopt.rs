//! Adopting a pair that exists in both iTops and of which the store knows nothing: its link is made from the tickets
//! and their marks.

use std::collections::BTreeSet;

use crate::document::{Document, DocumentKind};
use crate::link::{Copy, CopyState, Link, LogNote};
use crate::plan::{Note, Plan, Step};
use crate::policy::{Policy, StatusToExternal};
use crate::reconcile::{crossing_entries, documents, files, reconcile, restored};
use crate::ticket::{File, FileContent, Reading, Side, Ticket};

/// A link made from the tickets as they stand.
#[derive(Debug, Clone, PartialEq)]
pub struct Adopted {
    pub link: Link,
    /// The writes of the next pass: what was not delivered yet.
    pub due: Vec<Step>,
}

/// A pair found by the bridge's own marks. Fields and states are taken as they stand: differences are shown, and
/// written when the external value changes. Copies, delivered entries and documents are recognised by the files'
/// marks, so both tickets' files must be listed.
///
/// A copy whose original is gone is left where it is: the deletion was not seen.
pub fn found_by_marks(policy: &Policy, external: &Ticket, internal: &Ticket, found: Vec<Document>) -> Adopted {
    let mut link = as_they_stand(policy, external, internal);
    for document in found {
        link.keep_document(with_the_texts(document, internal));
    }
    let plan = take_in(policy, &mut link, external, internal);
    Adopted { link, due: plan.writes }
}

/// A pair that an operator names, or that another program kept in step. As [`found_by_marks`], but everything that
/// exists counts as delivered: both logs, the status, and every file. Files of the same name and content on both
/// sides are one, where contents were read; the others stay where they are.
pub fn taken_over(policy: &Policy, external: &Ticket, internal: &Ticket, found: Vec<Document>) -> Adopted {
    let Adopted { mut link, .. } = found_by_marks(policy, external, internal, found);
    take_logs(policy, &mut link, external, internal);
    take_status(policy, &mut link, external, internal);
    take_files(&mut link, external, internal);
    let [external, internal] = files::recognized(policy, &link, external, internal);
    let plan = take_in(policy, &mut link, &external, &internal);
    Adopted { link, due: plan.writes }
}

fn take_logs(policy: &Policy, link: &mut Link, external: &Ticket, internal: &Ticket) {
    for &(from, log) in &policy.logs {
        let (source, _) = from.source_and_target(external, internal);
        let entries = source.logs.get(&log).map(Vec::as_slice).unwrap_or_default();
        let entries = crossing_entries(policy, link, from, log, entries).iter().map(|entry| entry.key.clone());
        let known: BTreeSet<_> = link.log_mut(from, log).delivered.iter().cloned().collect();
        let what = LogNote::Delivered(entries.filter(|key| !known.contains(key)).collect());
        link.remember(&Note::Log { from, log, what });
    }
}

/// The present state needs no report: the next one starts it.
fn take_status(policy: &Policy, link: &mut Link, external: &Ticket, internal: &Ticket) {
    let is_told = policy.status_to_external == StatusToExternal::Report && policy.internal_lifecycle.is_some();
    let stands = link.document(DocumentKind::Report).is_some_and(|document| document.state.is_some());
    if !is_told || stands {
        return;
    }
    let mut report = Document::new(DocumentKind::Report);
    documents::see(policy, link, &mut report, external, internal);
    report.removed_by_person();
    link.keep_document(report);
}

fn take_files(link: &mut Link, external: &Ticket, internal: &Ticket) {
    let originals = |ticket: &Ticket, side| -> Vec<File> {
        let files = ticket.files.iter().flatten().filter(|file| file.is_original());
        files.filter(|file| link.copy_of(side, file.id).is_none()).cloned().collect()
    };
    let external = originals(external, Side::External);
    let mut internal = originals(internal, Side::Internal);
    for file in external {
        let same = |other: &File| is_same(file.content.as_ref(), other.content.as_ref());
        let other = internal.iter().position(same).map(|at| internal.remove(at).id);
        link.keep_copy(taken(Side::External, file, other));
    }
    for file in internal {
        link.keep_copy(taken(Side::Internal, file, None));
    }
}

fn is_same(one: Option<&FileContent>, other: Option<&FileContent>) -> bool {
    let tells = |content: &FileContent| (content.hash.clone(), content.name.clone());
    one.is_some() && one.map(tells) == other.map(tells)
}

/// A file without a counterpart is treated like one whose copy a person removed.
fn taken(from: Side, file: File, counterpart: Option<u64>) -> Copy {
    let nothing = FileContent { hash: String::new(), name: String::new(), mimetype: String::new() };
    Copy {
        from,
        original: file.id,
        content: file.content.unwrap_or(nothing),
        state: counterpart.map_or(CopyState::RemovedByPerson, CopyState::Stands),
        missing_since_ms: None,
        substituted: false,
        taken_over: counterpart.is_some(),
        original_due: false,
    }
}

fn as_they_stand(policy: &Policy, external: &Ticket, internal: &Ticket) -> Link {
    let mut link = Link { internal: Some(internal.key()), ..Link::without_counterpart(external.key()) };
    restored::as_they_stand(policy, &mut link, external, internal, restored::When::Paired);
    link.ancestor.external.seen.clone_from(&external.status);
    link.ancestor.internal.seen.clone_from(&internal.status);
    link
}

/// A found report that ends with the present state already tells its solution, or why it is pending.
fn with_the_texts(mut document: Document, internal: &Ticket) -> Document {
    if document.kind != DocumentKind::Report {
        return document;
    }
    let solution = internal.filled("solution").filter(|_| documents::is_end(&internal.status));
    let reason = documents::pending_reason(internal);
    for lines in [Some(&mut document.lines), document.holds.as_mut()].into_iter().flatten() {
        for line in lines.iter_mut().filter(|line| line.state == internal.status) {
            line.solution = solution.map(str::to_owned);
            line.reason = reason.map(str::to_owned);
            line.seen_ms = Some(internal.read_at_ms);
        }
    }
    document
}

/// Takes in, as any pass does, marks that the store does not know.
fn take_in(policy: &Policy, link: &mut Link, external: &Ticket, internal: &Ticket) -> Plan {
    let plan = reconcile(policy, link, &Reading::Here(external.clone()), &Reading::Here(internal.clone()));
    plan.notes.iter().for_each(|note| link.remember(note));
    link.set_conflicts(plan.conflicts.clone());
    plan
}
