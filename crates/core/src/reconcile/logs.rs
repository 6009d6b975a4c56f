//! New entries of a case log cross as files, in both directions where the policy says so.

use crate::caselog::{Batch, BatchFile, BatchKey, Difference, Entry, EntryKey, LogHalt, LogName, LogState};
use crate::link::{Conflict, ConflictKind, CopyState, Link, LogNote};
use crate::mark::{FileKind, TicketMark};
use crate::plan::{Note, Plan, Step, Write};
use crate::policy::Policy;
use crate::reconcile::files::{doubt_look, has_settled};
use crate::ticket::{File, Side, Ticket};

mod parents;

pub fn plan(policy: &Policy, link: &Link, external: &Ticket, internal: &Ticket, plan: &mut Plan) {
    for state in &link.logs {
        let (source, target) = state.from.source_and_target(external, internal);
        One { policy, link, state, source, target }.notice_removed_files(plan);
    }
    for &(from, log) in &policy.logs {
        let (source, target) = from.source_and_target(external, internal);
        let Some(entries) = source.logs.get(&log) else { continue };
        let fresh = LogState::new(from, log);
        let state = link.log(from, log).unwrap_or(&fresh);
        let crossing = crossing_entries(policy, link, from, log, entries);
        let one = One { policy, link, state, source, target };
        if let Some(own) = entries.first().filter(|_| crossing.len() < entries.len()).map(|entry| &entry.key)
            && state.own_entry.as_ref() != Some(own)
        {
            one.note(LogNote::OwnEntry(own.clone()), plan);
        }
        one.plan(crossing, plan);
    }
    for state in link.logs.iter().filter(|state| !policy.logs.contains(&(state.from, state.log))) {
        let (source, target) = state.from.source_and_target(external, internal);
        let one = One { policy, link, state, source, target };
        if let Some(batch) = &state.batch {
            one.close(batch, plan);
        }
        state.aside.iter().for_each(|batch| one.close_aside(batch, plan));
    }
    for side in Side::BOTH {
        let (source, _) = side.source_and_target(external, internal);
        parents::remember(side, policy, link, source, plan);
    }
}

/// The one entry that the bridge wrote when it created the internal ticket never crosses; all others do, whoever
/// wrote them.
pub fn crossing_entries<'a>(
    policy: &Policy,
    link: &Link,
    from: Side,
    log: LogName,
    entries: &'a [Entry],
) -> &'a [Entry] {
    match entries.split_first() {
        Some((first, others))
            if from == Side::Internal && log == LogName::Private && is_own_entry(policy, link, first) =>
        {
            others
        }
        _ => entries,
    }
}

/// Recognised by its mark or, where somebody changed the words that hold it, by `own_entry`. Links of older versions
/// have none: there it is the first entry, dated when the ticket was created, that was never sent.
fn is_own_entry(policy: &Policy, link: &Link, first: &Entry) -> bool {
    if TicketMark::find(&first.html) == Some(policy.mark(link)) {
        return true;
    }
    let state = link.log(Side::Internal, LogName::Private);
    match state.and_then(|state| state.own_entry.as_ref()) {
        Some(own) => (own.user_id, &own.date) == (first.key.user_id, &first.key.date),
        None => {
            let was_sent = |state: &LogState| state.delivered.iter().any(|key| key.date == first.key.date);
            first.key.date == link.ancestor.internal.made && !state.is_some_and(was_sent)
        }
    }
}

/// A side was restored from a backup. Its missing entries were lost, not removed; and entries in log files that are
/// missing there are sent again: all after the last entry that a remaining file carries.
pub fn forget_what_is_lost(side: Side, policy: &Policy, link: &mut Link, restored: &Ticket, other: &Ticket) {
    let mut states = std::mem::take(&mut link.logs);
    for state in &mut states {
        let source = if state.from == side { restored } else { other };
        let Some(entries) = source.logs.get(&state.log) else { continue };
        let entries = crossing_entries(policy, link, state.from, state.log, entries);
        if state.from == side {
            let present: Vec<EntryKey> = entries.iter().map(|entry| entry.key.clone()).collect();
            let Difference { gone, gone_on_the_way, .. } = Difference::of(state, &present);
            state.delivered.retain(|key| !gone.contains(key));
            state.vanished.extend(gone.into_iter().chain(gone_on_the_way));
        } else {
            forget_lost_files(state, entries, restored);
        }
    }
    link.logs = states;
}

fn forget_lost_files(state: &mut LogState, entries: &[Entry], restored: &Ticket) {
    let listed = || restored.files.iter().flatten();
    let from = state.from;
    // An id that was assigned again is another file.
    let is_of_a_log = |file: &File| {
        file.mark().is_some_and(|mark| mark.from == from && matches!(mark.kind, FileKind::Log | FileKind::Image))
    };
    let is_there = |id: u64| listed().any(|file| file.id == id && is_of_a_log(file));
    for file in state.batches_mut().flat_map(|batch| &mut batch.files) {
        file.state.take_if(|state| state.standing().is_some_and(|id| !is_there(id)));
    }
    // Files that counted as deleted by a person may have been lost instead.
    if state.files.iter().chain(&state.removed).all(|id| is_there(*id)) {
        return;
    }
    state.removed.clear();
    let carried = listed().filter_map(|file| carried_by(state, file)?.place_in(entries)).max();
    let lost = &entries[carried.map_or(0, |place| place + 1)..];
    // Entries kept on their side were in no file, and must not become new.
    let stays = |key: &EntryKey| state.kept.iter().any(|kept| kept.key == *key);
    let is_lost = |key: &EntryKey| lost.iter().any(|entry| entry.key == *key) && !stays(key);
    let delivered = std::mem::take(&mut state.delivered);
    state.delivered = delivered.into_iter().filter(|key| !is_lost(key)).collect();
    state.files.retain(|id| is_there(*id));
}

/// The entry up to which this file carries the log.
fn carried_by(state: &LogState, file: &File) -> Option<BatchKey> {
    let mark = file.mark().filter(|mark| mark.from == state.from && mark.kind == FileKind::Log)?;
    BatchKey::read(&mark.key).filter(|key| key.log == state.log)
}

/// One log on its way to the other side.
struct One<'a> {
    policy: &'a Policy,
    link: &'a Link,
    state: &'a LogState,
    source: &'a Ticket,
    target: &'a Ticket,
}

impl One<'_> {
    fn plan(&self, entries: &[Entry], plan: &mut Plan) {
        if let Some(halt) = &self.state.halt {
            return plan.conflicts.push(self.halted(halt));
        }
        let read_at_ms = self.source.read_at_ms;
        let present: Vec<EntryKey> = entries.iter().map(|entry| entry.key.seen_at(read_at_ms)).collect();
        let mut difference = Difference::of(self.state, &present);
        let is_resumed = self.state.resumed_after.is_some();
        if !is_resumed && self.policy.halt.exceeded_in_log(difference.gone.len(), self.state.delivered.len()) {
            let newest = entries.iter().map(|entry| entry.key.date.as_str()).max().unwrap_or_default().to_owned();
            let halt = LogHalt { text: self.why_halted(difference.gone.len()), newest };
            plan.conflicts.push(self.halted(&halt));
            return self.note(LogNote::Halted(halt), plan);
        }
        if !difference.gone.is_empty() {
            self.note(LogNote::Vanished(difference.gone.clone()), plan);
        }
        if !difference.back.is_empty() {
            self.note(LogNote::Back(difference.back.clone()), plan);
        }
        self.settle(&present, &mut difference.new, plan);
        for keys in self.state.out_of_order(&present) {
            self.note(LogNote::Ordered(keys), plan);
        }
        let mut after = self.state.clone();
        for (before, now) in std::mem::take(&mut difference.moved) {
            after.record_moved(&before, &now);
            self.note(LogNote::Moved { before, now }, plan);
        }
        if !difference.reworded.is_empty() {
            difference.reworded.iter().for_each(|(before, now)| after.record_reworded(before, now));
            self.note(LogNote::Reworded(std::mem::take(&mut difference.reworded)), plan);
        }
        One { state: &after, ..*self }.go_on_with(entries, difference, plan);
    }

    /// Handles new entries and the batch being sent; the entries have their present keys.
    fn go_on_with(&self, entries: &[Entry], mut difference: Difference, plan: &mut Plan) {
        self.take_in(entries, &mut difference.new, plan);
        self.resume(&mut difference.new, plan);
        difference.new = self.without_a_parents(entries, difference.new, plan);
        // Once the batch is over, its entries count as delivered: the next pass remembers those that are gone.
        let more = !difference.new.is_empty() || !difference.gone_on_the_way.is_empty();
        self.state.aside.iter().for_each(|batch| self.try_aside(batch, plan));
        match &self.state.batch {
            Some(batch) => self.go_on(batch, more, plan),
            None if difference.new.is_empty() => {}
            None => {
                let LogState { from, log, .. } = *self.state;
                let reason = format!("the {} log has new entries {}", log.word(), from.place());
                plan.writes.push(Step { write: Write::SendLog { from, log, entries: difference.new }, reason });
            }
        }
    }

    /// Known entries are read once more, when no save that was under way can replace them any more.
    fn settle(&self, present: &[EntryKey], new: &mut [EntryKey], plan: &mut Plan) {
        let (past, later): (Vec<_>, Vec<_>) =
            self.state.fresh(present).partition(|(_, until_ms)| *until_ms <= self.source.read_at_ms);
        let settled = past.into_iter().filter(|(key, _)| !self.state.may_be_mistaken(key, new));
        let settled: Vec<EntryKey> = settled.map(|(key, _)| key.clone()).collect();
        // This very plan may remember pending entries again.
        new.iter_mut().filter(|key| settled.contains(key)).for_each(|key| key.fresh_until_ms = None);
        if !settled.is_empty() {
            self.note(LogNote::Settled(settled), plan);
        }
        later.into_iter().for_each(|(_, until_ms)| plan.look_again(until_ms));
    }

    /// Also for a log that no longer crosses: the next audit must not find the removal again.
    fn notice_removed_files(&self, plan: &mut Plan) {
        let Some(listed) = &self.target.files else { return };
        let is_gone = |id: &&u64| !listed.iter().any(|file| file.id == **id);
        let gone: Vec<u64> = self.state.files.iter().filter(is_gone).copied().collect();
        if !gone.is_empty() {
            self.note(LogNote::FilesRemoved(gone), plan);
        }
    }

    fn note(&self, what: LogNote, plan: &mut Plan) {
        // An entry that becomes known again is fresh.
        let fresh = match &what {
            LogNote::Back(keys) | LogNote::Delivered(keys) | LogNote::Found { entries: keys, .. } => {
                keys.iter().filter_map(|key| key.fresh_until_ms).min()
            }
            LogNote::Moved { now, .. } => now.fresh_until_ms,
            _ => None,
        };
        fresh.into_iter().for_each(|until_ms| plan.look_again(until_ms.max(self.source.read_at_ms)));
        plan.notes.push(Note::Log { from: self.state.from, log: self.state.log, what });
    }

    fn why_halted(&self, gone: usize) -> String {
        let reference = self.link.key(self.state.from).map_or("", |key| &key.reference);
        format!(
            "{gone} of {} entries of the {} log of {reference} are gone at once; nothing more of it is sent until you resume the link",
            self.state.delivered.len(),
            self.state.log.word()
        )
    }

    fn halted(&self, halt: &LogHalt) -> Conflict {
        Conflict { kind: Some(ConflictKind::LogHalted), ..self.conflict(&halt.text) }
    }

    /// A conflict of this log.
    fn conflict(&self, text: &str) -> Conflict {
        Conflict::new(self.state.subject(), text)
    }

    /// Takes in the entries that files on the other side carry, by their marks, where the store does not know the
    /// files: it may have been restored from a backup. A known file is not asked again: equal words recur, and its
    /// mark would be taken for theirs.
    fn take_in(&self, entries: &[Entry], new: &mut Vec<EntryKey>, plan: &mut Plan) {
        if self.state.batches().next().is_some() {
            // Here the batch's own files are being sent.
            return;
        }
        let unknown = self.target.files.iter().flatten().filter(|file| !self.state.files.contains(&file.id));
        let unknown: Vec<(u64, BatchKey)> =
            unknown.filter_map(|file| Some((file.id, carried_by(self.state, file)?))).collect();
        if unknown.is_empty() {
            return;
        }
        let up_to = unknown.iter().filter_map(|(_, key)| key.place_in(entries)).max();
        let carried = entries.iter().take(up_to.map_or(0, |place| place + 1)).map(|entry| &entry.key);
        let entries: Vec<EntryKey> = carried.filter(|key| new.contains(key)).cloned().collect();
        new.retain(|key| !entries.contains(key));
        self.note(LogNote::Found { entries, files: unknown.into_iter().map(|(id, _)| id).collect() }, plan);
    }

    /// Entries up to a resumed halt count as delivered. Those that are kept back are known not to be.
    fn resume(&self, new: &mut Vec<EntryKey>, plan: &mut Plan) {
        let Some(up_to) = self.state.resumed_after.as_deref() else { return };
        let is_kept_back = |key: &EntryKey| self.state.held.iter().any(|held| held.key == *key);
        let is_delivered = |key: &EntryKey| key.date.as_str() <= up_to && !is_kept_back(key);
        let (delivered, later) = std::mem::take(new).into_iter().partition(is_delivered);
        *new = later;
        if !Vec::is_empty(&delivered) {
            self.note(LogNote::Delivered(delivered), plan);
        }
        self.note(LogNote::ResumeIsOver, plan);
    }

    /// A batch was fixed: it is sent unchanged, whatever the log shows now. Later entries go into the next one.
    fn go_on(&self, batch: &Batch, more: bool, plan: &mut Plan) {
        let Missing { unsent, in_doubt } = self.look_at(batch, plan);
        let LogState { from, log, .. } = *self.state;
        if !in_doubt.is_empty() {
            // Here a call may still land; the files are sent in order.
        } else if !unsent.is_empty() {
            let reason = format!("the {} log has new entries {}", log.word(), from.place());
            plan.writes.push(Step { write: Write::SendBatch { from, log }, reason });
        } else {
            self.note(LogNote::BatchIsOver, plan);
            if self.state.batch_shares_a_second() {
                plan.look_again(self.source.read_at_ms);
            }
        }
        if more && in_doubt.is_empty() {
            plan.look_again(self.target.read_at_ms);
        }
    }

    /// A batch that was set aside is tried again by itself; the time is not decided here.
    fn try_aside(&self, batch: &Batch, plan: &mut Plan) {
        let Some(key) = batch.key() else { return };
        let Missing { unsent, in_doubt } = self.look_at(batch, plan);
        let LogState { from, log, .. } = *self.state;
        if in_doubt.is_empty() && unsent.is_empty() {
            self.note(LogNote::AsideIsOver { key: key.to_owned() }, plan);
            plan.look_again(self.source.read_at_ms);
        } else if in_doubt.is_empty() {
            let reason = format!("entries of the {} log {} were kept back", log.word(), from.place());
            plan.writes.push(Step { write: Write::SendAside { from, log, key: key.to_owned() }, reason });
        }
    }

    fn close_aside(&self, batch: &Batch, plan: &mut Plan) {
        let Some(key) = batch.key().map(str::to_owned) else { return };
        let Missing { unsent, in_doubt } = self.look_at(batch, plan);
        if !in_doubt.is_empty() {
            return;
        }
        let text_arrived = !unsent.iter().any(|file| file.kind == FileKind::Log);
        self.note(if text_arrived { LogNote::AsideIsOver { key } } else { LogNote::AsideGivenUp { key } }, plan);
    }

    /// The log was switched off while its batch was being sent: calls in flight are awaited, and nothing is sent.
    /// Entries whose text did not arrive cross if the log is switched on again.
    fn close(&self, batch: &Batch, plan: &mut Plan) {
        let Missing { unsent, in_doubt } = self.look_at(batch, plan);
        if !in_doubt.is_empty() {
            return;
        }
        let text_arrived = !unsent.iter().any(|file| file.kind == FileKind::Log);
        self.note(if text_arrived { LogNote::BatchIsOver } else { LogNote::BatchGivenUp }, plan);
    }

    /// The state of a batch's files: a file that is in doubt, or that a restored store does not know to be sent, is
    /// found by its mark.
    fn look_at<'b>(&self, batch: &'b Batch, plan: &mut Plan) -> Missing<'b> {
        let mut missing = Missing::default();
        for file in &batch.files {
            let until_ms = match file.state {
                Some(CopyState::Stands(_) | CopyState::RemovedByPerson) => continue,
                Some(CopyState::InDoubt { until_ms }) => Some(until_ms),
                None => None,
            };
            if let Some(id) = self.arrived(file) {
                self.note(LogNote::FileArrived { key: file.key.clone(), id }, plan);
                continue;
            }
            match until_ms.filter(|until_ms| !has_settled(self.target, *until_ms)) {
                Some(until_ms) => {
                    missing.in_doubt.push(file);
                    plan.look_again(doubt_look(self.policy, self.target, until_ms));
                }
                None => missing.unsent.push(file),
            }
        }
        missing
    }

    /// Equal words may have stood at the same place before, and disappeared: an earlier batch's file is not this one.
    fn arrived(&self, file: &BatchFile) -> Option<u64> {
        let listed = self.target.files.as_ref()?;
        let mut unknown = listed.iter().filter(|there| !self.state.files.contains(&there.id));
        let is_it = |there: &&File| there.mark().is_some_and(|mark| mark.is(self.state.from, file.kind, &file.key));
        unknown.find(is_it).map(|there| there.id)
    }
}

/// The files of a batch that are not there.
#[derive(Default)]
struct Missing<'a> {
    /// Never sent, or sent and unable to land any more.
    unsent: Vec<&'a BatchFile>,
    in_doubt: Vec<&'a BatchFile>,
}
