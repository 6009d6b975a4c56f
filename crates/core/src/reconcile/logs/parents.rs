//! New entries of a ticket that has a parent: whether they are its own.

use std::collections::BTreeSet;

use super::One;
use crate::caselog::{Entry, EntryKey, LogName};
use crate::link::{Conflict, Link, LogNote};
use crate::parents::{Family, Kept, ParentKey, Waiting};
use crate::plan::{Note, Plan};
use crate::policy::{ParentEntries, Policy};
use crate::ticket::{Side, Ticket};

/// What becomes of new entries.
#[derive(Default)]
struct Sorted {
    cross: Vec<EntryKey>,
    kept: Vec<Kept>,
    held: Vec<EntryKey>,
    waiting: Vec<Waiting>,
}

impl One<'_> {
    /// The new entries without those that iTop copied from a parent which is no part of a pair, and without those of
    /// which that is not yet known.
    pub(super) fn without_a_parents(&self, entries: &[Entry], new: Vec<EntryKey>, plan: &mut Plan) -> Vec<EntryKey> {
        let has_parents = known(self.link, self.state.from, self.source).next().is_some();
        let sorted = match &self.source.family {
            _ if new.is_empty() || !has_parents || self.policy.parent_entries == ParentEntries::Send => {
                Sorted { cross: new, ..Sorted::default() }
            }
            None => {
                // Here the plan is made once more, with the parents.
                plan.parents_of.insert(self.state.from);
                return Vec::new();
            }
            Some(family) if family.crosses() => Sorted { cross: new, ..Sorted::default() },
            Some(family) => self.sort(family, entries, new),
        };
        if !sorted.kept.is_empty() {
            self.note(LogNote::Kept(sorted.kept), plan);
        }
        if !sorted.held.is_empty() {
            plan.conflicts.push(self.held_back(sorted.held.len()));
        }
        sorted.waiting.iter().for_each(|waiting| plan.look_again(waiting.until_ms));
        if (&self.state.held, &self.state.waiting) != (&sorted.held, &sorted.waiting) {
            self.note(LogNote::OfUnknownOrigin { held: sorted.held, waiting: sorted.waiting }, plan);
        }
        sorted.cross
    }

    fn sort(&self, family: &Family, entries: &[Entry], mut new: Vec<EntryKey>) -> Sorted {
        let kept = family.copied(self.state.log, entries, &new, &self.state.kept);
        new.retain(|key| !kept.iter().any(|kept| kept.key == *key));
        let mut sorted = Sorted { kept, ..Sorted::default() };
        let unreadable = family.unreadable.iter().map(|(key, _)| key);
        let (present, former): (Vec<&ParentKey>, Vec<&ParentKey>) =
            unreadable.partition(|key| self.source.parents.contains(key));
        if !present.is_empty() {
            sorted.held = new;
        } else if let Some(parent) = former.first() {
            // It may never be read again, and what it wrote must not cross.
            let keep = |key| Kept { key, parent: (*parent).clone(), reference: None };
            sorted.kept.extend(new.into_iter().map(keep));
        } else {
            self.wait(new, &mut sorted);
        }
        sorted
    }

    /// In the log's order: the mark of a later one would say that those before it are delivered.
    fn wait(&self, new: Vec<EntryKey>, sorted: &mut Sorted) {
        let read_at_ms = self.source.read_at_ms;
        for key in new {
            let known = self.state.waiting.iter().find(|waiting| waiting.key == key);
            let until_ms = known.map_or(read_at_ms + self.policy.waits.parent_ms, |waiting| waiting.until_ms);
            if sorted.waiting.is_empty() && read_at_ms >= until_ms {
                sorted.cross.push(key);
            } else {
                sorted.waiting.push(Waiting { key, until_ms });
            }
        }
    }

    fn held_back(&self, held: usize) -> Conflict {
        let unreadable = self.source.family.iter().flat_map(|family| &family.unreadable);
        let parents = unreadable.map(|(key, why)| format!("{} {} ({why})", key.class, key.id));
        let entries = if held == 1 { "1 new entry is" } else { "new entries are" };
        let count = if held == 1 { String::new() } else { format!("{held} ") };
        Conflict {
            about: format!("{} {}", self.state.log.attribute(), self.state.from.place()),
            text: format!(
                "{count}{entries} kept back: they may be copies from the parent {}, which cannot be read; they cross when it can, or with parent_entries = \"send\"",
                parents.collect::<Vec<_>>().join(", ")
            ),
            is_older: false,
        }
    }
}

/// The parents that the ticket has, and those that it had when it was last looked at.
fn known<'a>(link: &'a Link, side: Side, ticket: &'a Ticket) -> impl Iterator<Item = &'a ParentKey> {
    ticket.parents.iter().chain(link.parents_on(side))
}

/// Whether it is still unknown of some entry whose it is.
fn has_open_entries(side: Side, name: LogName, link: &Link, plan: &Plan) -> bool {
    let noted = plan.notes.iter().find_map(|note| match note {
        Note::Log { from, log, what: LogNote::OfUnknownOrigin { held, waiting } } if (*from, *log) == (side, name) => {
            Some(!(held.is_empty() && waiting.is_empty()))
        }
        _ => None,
    });
    let known = || link.log(side, name).is_some_and(|log| !(log.held.is_empty() && log.waiting.is_empty()));
    noted.unwrap_or_else(known)
}

/// A copy stands in the child before a person can take the child from its parent: once all new entries are sorted out,
/// a parent that is none any more has no part in what comes.
pub(super) fn remember(side: Side, policy: &Policy, link: &Link, ticket: &Ticket, plan: &mut Plan) {
    let is_asked = policy.logs.iter().any(|(from, log)| *from == side && ticket.logs.contains_key(log));
    if !is_asked || policy.parent_entries == ParentEntries::Send || plan.parents_of.contains(&side) {
        return;
    }
    let is_open = policy.logs.iter().any(|(from, log)| *from == side && has_open_entries(side, *log, link, plan));
    let are: BTreeSet<&ParentKey> =
        if is_open { known(link, side, ticket).collect() } else { ticket.parents.iter().collect() };
    if !are.iter().copied().eq(link.parents_on(side)) {
        plan.notes.push(Note::Parents { of: side, are: are.into_iter().cloned().collect() });
    }
}
