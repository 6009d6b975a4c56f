//! The bridge's part: it does with a plan what the engine does. Intents are remembered before a write,
//! answers after it.

use itop_bridge_core::caselog::{Batch, BatchContent, BatchFile, BatchKey, EntryKey};
use itop_bridge_core::document::{Document, DocumentKind, Line};
use itop_bridge_core::link::{Copy, CopyState, Late, TicketKey};
use itop_bridge_core::plan::{FieldWrite, Note, Plan, Stimulus, Value, Write};
use itop_bridge_core::{FileContent, FileKind, Link, LogName, Reading, Side, reconcile};

use super::laws::amps_apart;
use super::{Attached, Author, CODES, Call, Fate, Mark, SETTLE_MS, SIDES, World, known, states};
use crate::fixtures::content;

impl World {
    pub fn create(&mut self) {
        let plan = reconcile(&self.policy, &self.link, &self.show(Side::External, true, false), &Reading::NotCreated);
        let [step] = plan.writes.as_slice() else { panic!("one create: {plan:?}") };
        let Write::CreateTicket { fields, .. } = &step.write else { panic!("a create: {plan:?}") };
        for field in fields.iter().filter(|field| CODES.contains(&field.code.as_str())) {
            let code = known(&field.code);
            self.inside.fields.insert(code, text(&field.value));
            self.field_answered(code, field.source.as_deref().unwrap());
        }
        self.link.internal = Some(TicketKey { class: "UserRequest".into(), id: 9, reference: "U-9".into() });
        self.link.ancestor.external.status.clone_from(&self.outside.status);
        self.link.ancestor.internal.status.clone_from(&self.inside.status);
    }

    /// One pass; the plan that was carried out.
    pub fn pass(&mut self, files: bool, contents: bool, fates: &[Fate]) -> Plan {
        let mut listed = SIDES.map(|side| (side, files || self.must_list(side)));
        let plan = loop {
            let [external, internal] = listed.map(|(side, files)| self.show(side, files, contents));
            let plan = reconcile(&self.policy, &self.link, &external, &internal);
            let needed: Vec<Side> = plan.writes.iter().filter_map(|step| step.write.needs_the_files_of()).collect();
            let mut unlisted = listed.iter_mut().filter(|(side, files)| !files && needed.contains(side)).peekable();
            if unlisted.peek().is_none() {
                break plan;
            }
            unlisted.for_each(|(_, files)| *files = true);
        };
        for side in SIDES {
            let side = self.side_mut(side);
            (side.zone_seen, side.unseen_change) = (side.zone, false);
        }
        if let Some(halt) = &plan.halt {
            self.link.course.halt = Some(halt.clone());
            return plan;
        }
        self.see_edits();
        plan.notes.iter().for_each(|note| self.remember(note));
        self.link.open.conflicts.clone_from(&plan.conflicts);
        let mut fates = fates.iter().copied().chain(std::iter::repeat(Fate::Answered));
        for step in &plan.writes {
            self.carry_out(&step.write, &mut fates);
        }
        plan
    }

    /// What has an open end on this side, or an original there that is missing.
    fn must_list(&self, side: Side) -> bool {
        let missing = |copy: &Copy| copy.from == side && copy.missing_since_ms.is_some();
        self.link.has_open_files_on(side) || self.link.files.copies.iter().any(missing)
    }

    fn carry_out(&mut self, write: &Write, fates: &mut impl Iterator<Item = Fate>) {
        match write {
            Write::CreateTicket { .. } => panic!("no duplicates: a second ticket"),
            Write::UpdateFields { fields } => self.update(fields, fates.next().unwrap()),
            Write::WalkStatus { on, wanted, walk } => self.walk(*on, wanted, walk, fates),
            Write::CopyFile { from, original } => self.copy_file(*from, *original, fates.next().unwrap()),
            Write::RewriteFile { from, original, copy } => {
                self.rewrite(*from, *original, *copy, fates.next().unwrap());
            }
            Write::DeleteCopy { from, original, copy } => self.delete(*from, *original, *copy, fates.next().unwrap()),
            Write::SendLog { from, log, entries } => {
                self.fix_batch(*from, *log, entries);
                self.send_batch(*from, *log, fates);
            }
            Write::SendBatch { from, log } => self.send_batch(*from, *log, fates),
            Write::Enclose { .. } => panic!("every text of the model has room"),
            Write::WriteText { .. } => unreachable!("these iTops refuse no text"),
            Write::SendAside { .. } => unreachable!("nothing stands before these iTops"),
            Write::WriteDocument { kind, copy } => self.write_document(*kind, *copy, fates.next().unwrap()),
        }
    }

    fn see_edits(&mut self) {
        let theirs = CODES.into_iter().filter(|code| self.authors[code] == Author::Person);
        self.seen.extend(theirs.map(|code| amps_apart(&self.inside.fields[code])));
        self.to_be_recorded.extend(std::mem::take(&mut self.overwritten).into_values());
    }

    fn remember(&mut self, note: &Note) {
        if let Note::EditOverwritten(edit) = note {
            self.recorded.insert(amps_apart(&edit.value));
        }
        if let Note::Field { code, external, .. } = note {
            // What both sides say alike is agreed, whoever wrote it.
            self.authors.insert(known(code), Author::Bridge);
            self.synced.insert(known(code), external.clone());
        }
        self.link.remember(note);
    }

    fn until(&self) -> i64 {
        self.now + SETTLE_MS
    }

    /// Sends a call. Answers whether iTop answered that it was done; `None` without an answer.
    fn send(&mut self, on: Side, call: Call, fate: Fate) -> Option<bool> {
        match fate {
            Fate::Answered => self.land(on, &call),
            Fate::Refused => return Some(false),
            Fate::LostOnTheWay => return None,
            Fate::AnswerLost => {
                self.land_unanswered(on, &call);
                return None;
            }
            Fate::Late(ms) => {
                self.under_way.push((self.now + ms, on, call));
                return None;
            }
        }
        Some(true)
    }

    fn update(&mut self, fields: &[FieldWrite], fate: Fate) {
        for field in fields {
            self.assert_may_overwrite(field);
        }
        let sent: Vec<(&'static str, String)> =
            fields.iter().map(|field| (known(&field.code), text(&field.value))).collect();
        let until = self.until();
        for (code, value) in &sent {
            self.sent.insert(value.clone());
            self.link.may_land(Late::Field { code: (*code).to_owned(), value: value.clone() }, until);
            self.link.in_flight.contested_edits.retain(|edit| edit.code != *code);
        }
        self.link.in_flight.contested_edits.extend(fields.iter().filter_map(|field| field.lost_edit.clone()));
        let Some(done) = self.send(Side::Internal, Call::Update(sent.clone()), fate) else { return };
        for ((code, value), field) in sent.iter().zip(fields) {
            landed(&mut self.link, &Late::Field { code: (*code).to_owned(), value: value.clone() }, until);
            if done {
                self.recorded.extend(field.lost_edit.iter().map(|edit| amps_apart(&edit.value)));
                self.link.in_flight.contested_edits.retain(|edit| edit.code != *code);
                self.field_answered(code, field.source.as_deref().unwrap());
            }
        }
    }

    fn field_answered(&mut self, code: &'static str, source: &str) {
        self.link.field_agreed(code, source, &self.inside.fields[code]);
        self.synced.insert(code, source.to_owned());
    }

    fn walk(&mut self, on: Side, wanted: &str, walk: &[Stimulus], fates: &mut impl Iterator<Item = Fate>) {
        self.assert_may_walk(on, walk);
        self.link.set_out(on, wanted, walk.iter().map(|stimulus| stimulus.to.clone()));
        for stimulus in walk {
            let late = Late::Status { on, to: stimulus.to.clone() };
            let until = self.until();
            self.link.may_land(late.clone(), until);
            let solution = stimulus.attributes.iter().find(|attribute| attribute.code == "solution");
            let solution = solution.map(|attribute| attribute.value.clone());
            let call = Call::Stimulus { code: stimulus.code.clone(), solution };
            let Some(done) = self.send(on, call, fates.next().unwrap()) else { return };
            landed(&mut self.link, &late, until);
            if !done {
                return;
            }
            assert_eq!(self.side(on).status, stimulus.to, "the stimulus leads where the plan says");
            self.link.state_answered(on, &stimulus.to);
        }
    }

    // Files.

    fn copy_file(&mut self, from: Side, original: u64, fate: Fate) {
        let content = self.original(from, original).content.clone();
        let copy = Copy {
            from,
            original,
            content: content.clone(),
            state: CopyState::InDoubt { until_ms: self.until() },
            missing_since_ms: None,
            substituted: false,
            taken_over: false,
            original_due: false,
        };
        self.link.keep_copy(copy.clone());
        match self.attach((from, FileKind::File, original.to_string()), content, Vec::new(), fate) {
            None => {}
            Some(None) => self.link.forget_copy(from, original),
            Some(Some(id)) => self.link.keep_copy(Copy { state: CopyState::Stands(id), ..copy }),
        }
    }

    /// The new file's id; `Some(None)` where iTop refused it, `None` without an answer.
    fn attach(&mut self, mark: Mark, content: FileContent, carries: Vec<u64>, fate: Fate) -> Option<Option<u64>> {
        let on = mark.0.other();
        let done = self.send(on, Call::Attach { mark, content, carries }, fate)?;
        Some(done.then(|| self.side(on).files.last().unwrap().id))
    }

    fn rewrite(&mut self, from: Side, original: u64, copy: u64, fate: Fate) {
        self.assert_is_own_copy(from, original, copy);
        let content = self.original(from, original).content.clone();
        let known = self.link.copy_of(from, original).unwrap().clone();
        let late = Late::File { from, original, content: content.clone() };
        let until = self.until();
        self.link.may_land(late.clone(), until);
        let call = Call::Rewrite { id: copy, content: content.clone() };
        let Some(done) = self.send(from.other(), call, fate) else { return };
        landed(&mut self.link, &late, until);
        if done {
            self.link.keep_copy(Copy { content, ..known });
        }
    }

    fn delete(&mut self, from: Side, original: u64, copy: u64, fate: Fate) {
        self.assert_is_own_copy(from, original, copy);
        assert!(self.deleted.contains(&(from, original)), "ownership: original {original} was not deleted");
        if self.send(from.other(), Call::Delete { id: copy }, fate) == Some(true) {
            self.link.forget_copy(from, original);
        }
    }

    fn original(&self, from: Side, id: u64) -> &Attached {
        let file = self.side(from).files.iter().find(|file| file.id == id).expect("an original that stands");
        assert_eq!(file.made, None, "what the bridge made crosses no further");
        file
    }

    // Logs.

    fn fix_batch(&mut self, from: Side, log: LogName, entries: &[EntryKey]) {
        let keys = self.side(from).keys();
        let places: Vec<usize> = (0..keys.len()).filter(|at| entries.contains(&keys[*at])).collect();
        assert_eq!(places.len(), entries.len(), "only what stands in the log is sent");
        let file = |kind, key| {
            let holds = BatchContent::Text(String::new());
            BatchFile { kind, key, name: String::new(), holds, state: None }
        };
        let mut files = Vec::new();
        let with_image = places.iter().map(|at| keys[*at].hash.clone()).find(|words| words.starts_with("pic"));
        if let Some(words) = with_image {
            let mark = (from, FileKind::Image, words.clone());
            let stands = self.side(from.other()).files.iter().any(|file| file.made.as_ref() == Some(&mark));
            files.extend((!stands).then(|| file(FileKind::Image, words)));
        }
        let last = *places.last().unwrap();
        files.push(file(FileKind::Log, BatchKey::of(log, last + 1, &keys[last]).to_key()));
        self.batches.insert(from, self.identities(from, entries));
        self.link.log_mut(from, log).batch = Some(Batch { entries: entries.to_vec(), files });
    }

    fn send_batch(&mut self, from: Side, log: LogName, fates: &mut impl Iterator<Item = Fate>) {
        let files = self.link.log(from, log).unwrap().batch.as_ref().unwrap().files.clone();
        for (at, file) in files.into_iter().enumerate() {
            if matches!(file.state, Some(CopyState::Stands(_))) {
                continue;
            }
            let carries = if file.kind == FileKind::Log { self.batches[&from].clone() } else { Vec::new() };
            self.set_batch_file(from, log, at, Some(CopyState::InDoubt { until_ms: self.until() }));
            let mark = (from, file.kind, file.key);
            match self.attach(mark, content("log"), carries, fates.next().unwrap()) {
                None => return,
                Some(None) => return self.set_batch_file(from, log, at, None),
                Some(Some(id)) => self.set_batch_file(from, log, at, Some(CopyState::Stands(id))),
            }
        }
        self.link.log_mut(from, log).finish_batch();
    }

    fn set_batch_file(&mut self, from: Side, log: LogName, at: usize, state: Option<CopyState>) {
        self.link.log_mut(from, log).batch.as_mut().unwrap().files[at].state = state;
    }

    // Documents.

    fn write_document(&mut self, kind: DocumentKind, copy: Option<u64>, fate: Fate) {
        let document = self.link.document(kind).expect("it was noted").clone();
        let content = words_of(&document.lines);
        let until = self.until();
        let holds = Some(document.lines.clone());
        let again_at_ms = document.again_at_ms.filter(|at| *at > self.now);
        match copy {
            None => {
                let state = Some(CopyState::InDoubt { until_ms: until });
                self.link.keep_document(Document { state, ..document.clone() });
                let mark = (kind.from(), kind.file_kind(), "document".to_owned());
                match self.attach(mark, content, Vec::new(), fate) {
                    None => {}
                    Some(None) => self.link.keep_document(document),
                    Some(Some(id)) => {
                        let state = Some(CopyState::Stands(id));
                        self.link.keep_document(Document { holds, state, again_at_ms, ..document });
                    }
                }
            }
            Some(id) => {
                let on = kind.on();
                let Some(file) = self.side(on).files.iter().find(|file| file.id == id) else {
                    let state = Some(CopyState::RemovedByPerson);
                    return self.link.keep_document(Document { state, ..document });
                };
                assert_eq!(file.made.as_ref().map(|mark| mark.1), Some(kind.file_kind()), "ownership: {file:?}");
                self.link.keep_document(Document { again_at_ms: Some(until), ..document.clone() });
                match self.send(on, Call::Rewrite { id, content }, fate) {
                    None => {}
                    Some(false) => self.link.keep_document(document),
                    Some(true) => self.link.keep_document(Document { holds, again_at_ms, ..document }),
                }
            }
        }
    }

    // What becomes of calls.

    /// What an unanswered stimulus makes of a person's move that no pass has remembered counts as that
    /// person's: the ancestor, which would tell the two apart, holds neither.
    pub(super) fn land_unanswered(&mut self, on: Side, call: &Call) {
        let side = self.side(on);
        let unseen = side.moved_by == Author::Person && self.link.ancestor.side(on).status != side.calm;
        self.land(on, call);
        if unseen {
            self.side_mut(on).moved_by = Author::Person;
        }
    }

    fn land(&mut self, on: Side, call: &Call) {
        match call {
            Call::Update(fields) => {
                for (code, value) in fields {
                    let before = amps_apart(&self.inside.fields.insert(code, value.clone()).unwrap());
                    let is_theirs = self.authors[code] == Author::Person && before != amps_apart(value);
                    if is_theirs && self.seen.contains(&before) {
                        self.overwritten.insert(code, before);
                    }
                    self.authors.insert(code, Author::Bridge);
                }
            }
            Call::Stimulus { code, solution } => {
                let lifecycle = self.policy.lifecycle(on).unwrap();
                if let Some(to) = states::stimulate(lifecycle, &self.side(on).status, code) {
                    let side = self.side_mut(on);
                    side.stands(&to);
                    side.moved_by = Author::Bridge;
                    if let Some(solution) = solution {
                        side.solution.clone_from(solution);
                    }
                }
            }
            Call::Attach { mark, content, carries } => {
                let (id, _) = self.fresh_file();
                self.given.extend(carries.iter().map(|identity| (mark.0, *identity)));
                self.side_mut(on).files.push(Attached { id, made: Some(mark.clone()), content: content.clone() });
                self.assert_stands_once(on, mark);
            }
            Call::Rewrite { id, content } => {
                if let Some(file) = self.side_mut(on).files.iter_mut().find(|file| file.id == *id) {
                    file.content = content.clone();
                }
            }
            Call::Delete { id } => self.side_mut(on).files.retain(|file| file.id != *id),
        }
        self.side_mut(on).save();
    }
}

/// What a document's file holds.
pub fn words_of(lines: &[Line]) -> FileContent {
    content(&format!("{lines:?}"))
}

fn text(value: &Value) -> String {
    match value {
        Value::Text(text) | Value::Html(text) => text.clone(),
    }
}

/// The call that carried this write is over. An earlier one with the same value may still land: here the
/// bridge goes on after a call without an answer, at the same moment.
fn landed(link: &mut Link, what: &Late, until_ms: i64) {
    let call = link.in_flight.late.iter().rposition(|late| late.until_ms == until_ms && late.what == *what);
    if let Some(at) = call {
        link.in_flight.late.remove(at);
    }
}
