//! Whether new entries of a ticket that has a parent are its own.

use std::collections::BTreeSet;

use super::One;
use crate::caselog::{Entry, EntryKey, LogState};
use crate::link::{Conflict, Link, LogNote};
use crate::parents::{Family, Kept, KeptBack, ParentKey, Suspect, ToldApart, Waiting};
use crate::plan::{Deferred, Note, Plan};
use crate::policy::{ParentEntries, Policy};
use crate::ticket::{Side, Ticket};

/// New entries, sorted by what is to be done with them.
#[derive(Default)]
struct Sorted {
    cross: Vec<EntryKey>,
    kept: Vec<Kept>,
    held: Vec<KeptBack>,
    /// The parents whose logs may have a held entry in other words.
    reworded_in: BTreeSet<ParentKey>,
    waiting: Vec<Waiting>,
    /// Whether an entry has waited long enough, unless another child of its parents has received the same meanwhile.
    asks_kin: bool,
}

impl Sorted {
    fn hold(&mut self, key: EntryKey, of: Vec<ParentKey>, doubt: Option<&ParentKey>) {
        self.held.push(KeptBack { key, of, doubt: doubt.cloned() });
        self.reworded_in.extend(doubt.cloned());
    }
}

impl One<'_> {
    /// The new entries, except those that iTop copied from an unpaired parent, or may have.
    pub(super) fn without_a_parents(&self, entries: &[Entry], new: Vec<EntryKey>, plan: &mut Plan) -> Vec<EntryKey> {
        let suspects: Vec<EntryKey> = new.iter().filter(|key| !self.state.own.contains(key)).cloned().collect();
        let has_parents = known(self.link, self.state.from, self.source).next().is_some();
        let has_open = !self.state.held.is_empty() || !self.state.waiting.is_empty();
        let asks = self.policy.parent_entries == ParentEntries::Keep && (has_parents || has_open);
        let sorted = match &self.source.family {
            _ if suspects.is_empty() || !asks => Sorted { cross: suspects, ..Sorted::default() },
            None => {
                // Here the plan is made once more, with the parents.
                plan.parents_of.insert(self.state.from);
                return Vec::new();
            }
            Some(family) => self.sort(family, entries, suspects),
        };
        if sorted.asks_kin {
            plan.kin_of.insert(self.state.from);
            return Vec::new();
        }
        // Entries that cross are read again after they were sent.
        let stay = sorted.kept.iter().map(|kept| &kept.key).chain(sorted.held.iter().map(|held| &held.key));
        let fresh = stay.filter_map(|key| key.fresh_until_ms);
        fresh.for_each(|until_ms| plan.look_again(until_ms.max(self.source.read_at_ms)));
        if !sorted.held.is_empty() {
            plan.conflicts.push(self.held_back(&sorted));
        }
        if !sorted.kept.is_empty() {
            self.note(LogNote::Kept(sorted.kept), plan);
        }
        let LogState { from, log, .. } = *self.state;
        let to_come = sorted.waiting.iter().filter(|waiting| waiting.until_ms > self.source.read_at_ms);
        plan.deferred.extend(to_come.map(|Waiting { key, until_ms, .. }| Deferred::SendEntry {
            from,
            log,
            key: key.clone(),
            until_ms: *until_ms,
        }));
        // An entry whose time has come waits for those before it, and asks for no pass of its own.
        let moments = || sorted.waiting.iter().map(|waiting| waiting.until_ms);
        let to_come = moments().filter(|until_ms| *until_ms > self.source.read_at_ms).min();
        to_come.or_else(|| moments().min()).into_iter().for_each(|until_ms| plan.look_again(until_ms));
        let (mut own, mut cross) = (self.state.own.clone(), new);
        own.retain(|key| cross.contains(key) || self.state.batches().any(|batch| batch.entries.contains(key)));
        cross.retain(|key| sorted.cross.contains(key) || own.contains(key));
        if (&self.state.held, &self.state.waiting, &self.state.own) != (&sorted.held, &sorted.waiting, &own) {
            self.note(LogNote::OfUnknownOrigin { held: sorted.held, waiting: sorted.waiting, own }, plan);
        }
        cross
    }

    fn sort(&self, family: &Family, entries: &[Entry], new: Vec<EntryKey>) -> Sorted {
        let present = family.origins(known(self.link, self.state.from, self.source));
        let origins = |key: &EntryKey| match self.known_origins(key) {
            Some(of) => family.origins(of),
            None => present.clone(),
        };
        let mut suspects: Vec<Suspect> = new.into_iter().map(|key| (key.clone(), origins(&key))).collect();
        let ToldApart { copied: kept, perhaps } = family.tell_apart(self.state, entries, &suspects);
        suspects.retain(|(key, _)| !kept.iter().any(|kept| kept.key == *key));
        let mut sorted = Sorted { kept, ..Sorted::default() };
        for (key, of) in suspects {
            let known = self.state.held.iter().find(|held| held.key == key && held.doubt.is_some());
            let doubt = perhaps.iter().find(|(doubtful, _)| *doubtful == key).map(|(_, parent)| parent);
            if let Some(KeptBack { key, of, doubt }) = known {
                sorted.hold(key.clone(), of.clone(), doubt.as_ref());
            } else if of.iter().any(|origin| family.why_unreadable(origin).is_some()) {
                sorted.hold(key, of, doubt);
            } else {
                self.wait(family, key, of, doubt, &mut sorted);
            }
        }
        sorted
    }

    /// The tickets that this entry may have come from, as first determined.
    fn known_origins(&self, key: &EntryKey) -> Option<&[ParentKey]> {
        let held = self.state.held.iter().map(|held| (&held.key, &held.of));
        let mut known = held.chain(self.state.waiting.iter().map(|waiting| (&waiting.key, &waiting.of)));
        let (_, of) = known.find(|(known, of)| *known == key && !of.is_empty())?;
        Some(of)
    }

    /// Decides whether an entry waits, crosses or is held. Entries cross in the log's order, because a later entry's
    /// mark says that those before it are delivered.
    fn wait(&self, family: &Family, key: EntryKey, of: Vec<ParentKey>, doubt: Option<&ParentKey>, sorted: &mut Sorted) {
        let read_at_ms = self.source.read_at_ms;
        let known = self.state.waiting.iter().find(|waiting| waiting.key == key);
        let wait_ms = if of.is_empty() { 0 } else { self.policy.waits.parent_ms };
        let until_ms = known.map_or(read_at_ms + wait_ms, |waiting| waiting.until_ms);
        let equals = known.map_or(0, |waiting| waiting.equals);
        if !sorted.waiting.is_empty() || (read_at_ms < until_ms && !of.is_empty()) {
            return sorted.waiting.push(Waiting { key, until_ms, of, equals });
        }
        if of.is_empty() {
            return sorted.cross.push(key);
        }
        let Some(kin) = &family.kin else {
            sorted.asks_kin = true;
            return sorted.waiting.push(Waiting { key, until_ms, of, equals });
        };
        let are = family.equals_since(self.state.log, self.state.first_words_of(&key));
        if are > equals {
            // The next child, or the parent, is saved within the wait.
            sorted.waiting.push(Waiting { key, until_ms: kin.read_at_ms + wait_ms, of, equals: are });
        } else if doubt.is_some() {
            sorted.hold(key, of, doubt);
        } else {
            sorted.cross.push(key);
        }
    }

    fn held_back(&self, Sorted { held, reworded_in, .. }: &Sorted) -> Conflict {
        let of: BTreeSet<&ParentKey> = held.iter().flat_map(|held| &held.of).collect();
        let unreadable: Vec<String> = of.into_iter().filter_map(|key| self.unreadable_in_words(key)).collect();
        let reworded_in: Vec<String> =
            reworded_in.iter().map(|key| format!("{} {} {}", self.whose(key), key.class, key.id)).collect();
        let (count, entries) = match held.len() {
            1 => (String::new(), "1 new entry is"),
            several => (format!("{several} "), "new entries are"),
        };
        let (mut why, mut when) = (Vec::new(), "");
        if !unreadable.is_empty() {
            why.push(format!("they may be copies from the {}, which cannot be read", unreadable.join(" or the ")));
            when = " when it can, or";
        }
        if !reworded_in.is_empty() {
            let of = reworded_in.join(" or the ");
            why.push(format!("the {of} has an entry of the same author and moment in other words: somebody may have reworded it, or its copy"));
            when = if unreadable.is_empty() { "" } else { " when the origin of all is known, or" };
        }
        self.conflict(&format!(
            "{count}{entries} kept back: {}; they cross{when} with parent_entries = \"send\"",
            why.join("; ")
        ))
    }

    fn unreadable_in_words(&self, key: &ParentKey) -> Option<String> {
        let family = self.source.family.as_ref()?;
        let why = family.why_unreadable(key)?;
        Some(format!("{} {} {} ({why})", self.whose(key), key.class, key.id))
    }

    /// The parent's relation to the ticket.
    fn whose(&self, key: &ParentKey) -> &'static str {
        let above = || self.source.family.as_ref().map(|family| family.origins(&self.source.parents));
        if self.source.parents.contains(key) {
            "parent"
        } else if above().is_some_and(|above| above.contains(key)) {
            "parent's parent"
        } else {
            "former parent"
        }
    }
}

/// The parents that the ticket has, and those that it had when it was last read.
fn known<'a>(link: &'a Link, side: Side, ticket: &'a Ticket) -> impl Iterator<Item = &'a ParentKey> {
    ticket.parents.iter().chain(link.parents_on(side))
}

/// A copy stands in the child before a person can remove the child from its parent: once all new entries are sorted,
/// a former parent has no part in later ones. The entries of a halted log are not sorted.
pub(super) fn remember(side: Side, policy: &Policy, link: &Link, ticket: &Ticket, plan: &mut Plan) {
    let logs = || policy.logs.iter().filter(|(from, log)| *from == side && ticket.logs.contains_key(log));
    let is_asked = logs().next().is_some();
    if !is_asked
        || policy.parent_entries == ParentEntries::Send
        || plan.parents_of.contains(&side)
        || plan.kin_of.contains(&side)
    {
        return;
    }
    let halts = |note: &Note| matches!(note, Note::Log { from, what: LogNote::Halted(_), .. } if *from == side);
    let has_halted = logs().any(|(_, log)| link.log(side, *log).is_some_and(|state| state.halt.is_some()))
        || plan.notes.iter().any(halts);
    let are: BTreeSet<&ParentKey> =
        if has_halted { known(link, side, ticket).collect() } else { ticket.parents.iter().collect() };
    if !are.iter().copied().eq(link.parents_on(side)) {
        plan.notes.push(Note::Parents { of: side, are: are.into_iter().cloned().collect() });
    }
}
