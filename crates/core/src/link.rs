//! A link: an external ticket, its internal counterpart, and what the two last agreed on.

mod shrink;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::caselog::{EntryKey, LogHalt, LogName, LogState};
use crate::document::{Document, DocumentKind};
use crate::mark::{FileKind, FileMark, TicketMark};
use crate::plan::{Halt, Note};
use crate::ticket::{File, FileContent, MadeBy, Side};
pub use shrink::is_as_agreed;

/// Which ticket of one iTop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TicketKey {
    pub class: String,
    pub id: u64,
    pub reference: String,
}

/// A pair of tickets. `internal` is `None` until the counterpart was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Link {
    pub external: TicketKey,
    pub internal: Option<TicketKey>,
    /// The create call that was sent and whose end is not known; beside a counterpart, a repeated one
    /// whose earlier try may have landed too.
    pub creation: Option<Creation>,
    pub ancestor: Ancestor,
    pub copies: Vec<Copy>,
    /// What of each log the other side was given.
    #[serde(default)]
    pub logs: Vec<LogState>,
    /// The copies that the bridge deleted last: their deletion comes back as a hook.
    #[serde(default)]
    pub deleted: Vec<(Side, u64)>,
    /// The report and the notice, once there is something to say.
    #[serde(default)]
    pub documents: Vec<Document>,
    /// The path of states that is being walked on one side: a state on it is the bridge's own move, not a
    /// person's.
    pub path: Option<StatusPath>,
    /// Writes without an answer that may still land.
    pub late: Vec<LateWrite>,
    /// Late writes that landed over something newer, which stays owed until it is written again: the
    /// late value must not pass for a person's, even where that write is refused at first.
    #[serde(default)]
    pub owed: Vec<Late>,
    /// People's edits inside over which an update was sent whose end is not known: the record of what is lost
    /// must not depend on an answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edits_at_stake: Vec<Edit>,
    /// Texts that stimuli carried as plain text, to attributes that may be HTML: until that is known, and
    /// what is HTML has been written again, escaped.
    #[serde(default)]
    pub plain: Vec<PlainText>,
    /// The call that is being sent, or whose end nobody recorded.
    #[serde(default)]
    pub sending: Option<Sending>,
    pub conflicts: Vec<Conflict>,
    pub halt: Option<Halt>,
    /// An operator has ended a halt, and what caused it is accepted: a ticket that is still gone ends
    /// the pair, files that are still gone are deleted. Over as soon as nothing is wrong any more.
    #[serde(default)]
    pub resumed: bool,
    /// The files outside that were made for an earlier counterpart, which is gone. They stay, and their marks
    /// are nobody's: the new counterpart's files may have the same ids, and its log the same words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_behind: Vec<u64>,
    /// An operator wanted another internal ticket in place of one that is gone: what was sent for that one may
    /// land until then, on either side. Nothing is made before; and what bears the pair's marks outside when the
    /// new one begins is left behind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anew_from_ms: Option<i64>,
}

impl Link {
    /// A link whose internal ticket is still to be made.
    pub fn unborn(external: TicketKey) -> Link {
        Link {
            external,
            internal: None,
            creation: None,
            ancestor: Ancestor::default(),
            copies: Vec::new(),
            logs: Vec::new(),
            deleted: Vec::new(),
            documents: Vec::new(),
            path: None,
            late: Vec::new(),
            owed: Vec::new(),
            edits_at_stake: Vec::new(),
            plain: Vec::new(),
            sending: None,
            conflicts: Vec::new(),
            halt: None,
            resumed: false,
            left_behind: Vec::new(),
            anew_from_ms: None,
        }
    }

    /// An operator ends a halt: what caused it is accepted where it still stands, and the pair goes on
    /// where it does not. Where only a log had halted, nothing else is accepted by that.
    pub fn resume(&mut self) {
        self.resumed |= self.halt.take().is_some();
        for log in &mut self.logs {
            if let Some(halt) = log.halt.take() {
                log.resumed_after = Some(halt.newest);
            }
        }
    }

    /// An operator ends a halt and wants another internal ticket: of the old one nothing is remembered but
    /// which files outside were made for it, and until when what was sent for it may land. The report is not one
    /// of them: there is one a pair, and the one that stands is found by its mark and rewritten with the new
    /// ticket's name and states.
    pub fn make_anew(&mut self) {
        let reports: Vec<u64> = kept_on(Side::External, &[], &self.documents).filter_map(CopyState::standing).collect();
        let left_behind = self.made_on(Side::External).filter(|id| !reports.contains(id)).collect();
        let anew_from_ms = Some(self.settles_at_ms());
        let sending = self.sending.take();
        *self = Link { anew_from_ms, sending, ..Link::unborn(self.external.clone()) };
        self.leave_behind(left_behind);
    }

    fn leave_behind(&mut self, files: Vec<u64>) {
        self.left_behind.extend(files);
        self.left_behind.sort_unstable();
        self.left_behind.dedup();
    }

    /// When nothing that was sent without an answer can land any more.
    fn settles_at_ms(&self) -> i64 {
        let creation = self.creation.iter().map(|creation| creation.until_ms);
        let late = self.late.iter().map(|late| late.until_ms);
        let in_doubt = |state: &CopyState| match state {
            CopyState::InDoubt { until_ms } => Some(*until_ms),
            _ => None,
        };
        let made = Side::BOTH.into_iter().flat_map(|side| self.file_states_on(side)).filter_map(in_doubt);
        let rewritten = self.documents.iter().filter_map(|document| document.again_at_ms);
        let sending = self.sending.iter().map(|sending| sending.until_ms);
        let all = creation.chain(late).chain(made).chain(rewritten).chain(sending).chain(self.anew_from_ms);
        all.max().unwrap_or_default()
    }

    /// Takes their marks from the files that were made for an earlier counterpart, and gives those that were
    /// taken over with the pair the marks that they would have.
    pub fn recognize_files(&self, side: Side, ticket: &TicketMark, files: &mut [File]) {
        if side == Side::External {
            let left = files.iter_mut().filter(|file| self.left_behind.contains(&file.id));
            left.for_each(|file| file.made_by = MadeBy::OtherPair);
        }
        for copy in self.copies.iter().filter(|copy| copy.taken_over && copy.from == side.other()) {
            let is_it = |file: &&mut File| file.is_original() && Some(file.id) == copy.state.standing();
            if let Some(file) = files.iter_mut().find(is_it) {
                let (ticket, key) = (ticket.clone(), copy.original.to_string());
                file.made_by = MadeBy::ThisPair(FileMark { ticket, from: copy.from, kind: FileKind::File, key });
            }
        }
    }

    /// Remembers what a plan noted.
    pub fn remember(&mut self, note: &Note) {
        match note {
            Note::Field { code, external, internal } => self.field_agreed(code, external, internal),
            Note::Status { external, internal } => {
                self.ancestor.external.status.clone_from(external);
                self.ancestor.internal.status.clone_from(internal);
                self.path = None;
                self.owed.retain(|late| !matches!(late, Late::Status { .. }));
            }
            Note::Adopt(copy) => self.keep_copy(copy.clone()),
            Note::CopyRemovedByPerson { from, original } => {
                self.change_copy(*from, *original, |copy| copy.state = CopyState::RemovedByPerson);
                self.owed.retain(|late| !late.is_of_file(*from, *original));
            }
            Note::OriginalMissing { from, original, since_ms } => {
                self.change_copy(*from, *original, |copy| copy.missing_since_ms = *since_ms);
            }
            Note::ForgetCopy { from, original } => self.forget_copy(*from, *original),
            Note::SameContent { from, original, content } => {
                self.change_copy(*from, *original, |copy| copy.content = content.clone());
            }
            Note::ExternalReference(reference) => {
                self.external.reference.clone_from(reference);
                // The title inside carries the reference: it is written anew.
                self.ancestor.external.fields.remove("title");
                self.resumed = false;
            }
            Note::ResumeIsOver => self.resumed = false,
            Note::LeftBehind(files) => {
                self.leave_behind(files.clone());
                // Before it stands it may be refused, or its create may go unanswered.
                self.anew_from_ms.take_if(|_| self.internal.is_some());
            }
            Note::LateSettled(settled) => self.late.retain(|late| late != settled),
            Note::Owed(late) => self.owed.push(late.clone()),
            Note::NoLongerOwed(gone) => self.owed.retain(|late| late != gone),
            Note::EditOverwritten(edit) | Note::EditStands(edit) => self.edits_at_stake.retain(|known| known != edit),
            Note::Document(document) => self.keep_document(document.clone()),
            Note::Log { from, log, what } => self.remember_of_log(*from, *log, what),
        }
    }

    fn remember_of_log(&mut self, from: Side, log: LogName, what: &LogNote) {
        let state = self.log_mut(from, log);
        match what {
            LogNote::Delivered(entries) => state.delivered.extend(entries.iter().cloned()),
            LogNote::Found { entries, files } => {
                state.delivered.extend(entries.iter().cloned());
                state.files.extend(files);
            }
            LogNote::Vanished(keys) => {
                state.delivered.retain(|key| !keys.contains(key));
                state.vanished.extend(keys.iter().cloned());
            }
            LogNote::Back(keys) => {
                state.vanished.retain(|key| !keys.contains(key));
                state.delivered.extend(keys.iter().cloned());
            }
            LogNote::Moved { before, now } => {
                let on_its_way = state.batch.iter_mut().flat_map(|batch| &mut batch.entries);
                for key in state.delivered.iter_mut().chain(on_its_way).filter(|key| *key == before) {
                    key.clone_from(now);
                }
            }
            LogNote::Halted(halt) => state.halt = Some(halt.clone()),
            LogNote::ResumeIsOver => state.resumed_after = None,
            LogNote::FileArrived { key, id } => {
                for file in state.batch.iter_mut().flat_map(|batch| &mut batch.files).filter(|file| file.key == *key) {
                    file.state = Some(CopyState::Stands(*id));
                }
            }
            LogNote::BatchIsOver => state.batch_is_over(),
            LogNote::BatchGivenUp => state.batch_is_given_up(),
        }
    }

    /// The logs of which nothing more is sent until an operator resumes the link.
    pub fn halted_logs(&self) -> impl Iterator<Item = (&LogState, &LogHalt)> {
        self.logs.iter().filter_map(|state| Some((state, state.halt.as_ref()?)))
    }

    /// Why the pair, or one of its logs, stands still.
    pub fn why_halted(&self) -> Option<&str> {
        let log = || self.halted_logs().next().map(|(_, halt)| halt.text.as_str());
        self.halt.as_ref().map(|halt| halt.text.as_str()).or_else(log)
    }

    pub fn log(&self, from: Side, log: LogName) -> Option<&LogState> {
        self.logs.iter().find(|state| (state.from, state.log) == (from, log))
    }

    pub fn log_mut(&mut self, from: Side, log: LogName) -> &mut LogState {
        let at = match self.logs.iter().position(|state| (state.from, state.log) == (from, log)) {
            Some(at) => at,
            None => {
                self.logs.push(LogState::new(from, log));
                self.logs.len() - 1
            }
        };
        &mut self.logs[at]
    }

    pub fn document(&self, kind: DocumentKind) -> Option<&Document> {
        self.documents.iter().find(|document| document.kind == kind)
    }

    /// Keeps a document in place of what was known of it.
    pub fn keep_document(&mut self, document: Document) {
        self.documents.retain(|known| known.kind != document.kind);
        self.documents.push(document);
    }

    /// A copy on that side was deleted, since its original went.
    pub fn copy_deleted(&mut self, from: Side, original: u64, copy: u64) {
        self.forget_copy(from, original);
        self.deleted.push((from.other(), copy));
        let all = self.deleted.len();
        self.deleted.drain(..all.saturating_sub(MAX_DELETED));
    }

    /// The files that the bridge made on one side: those that stand, those of logs and of an earlier
    /// counterpart, which nobody looks after any more, and those that it deleted itself.
    pub fn made_on(&self, side: Side) -> impl Iterator<Item = u64> {
        let deleted = self.deleted.iter().filter(move |(on, _)| *on == side).map(|(_, id)| *id);
        let logs = self.logs.iter().filter(move |log| log.from == side.other());
        let left_behind = self.left_behind.iter().filter(move |_| side == Side::External);
        let logs = logs.flat_map(|log| &log.files);
        self.standing_on(side).chain(deleted).chain(logs.chain(left_behind).copied())
    }

    /// The copies and documents on one side, and what is sent of a batch.
    pub fn standing_on(&self, side: Side) -> impl Iterator<Item = u64> {
        self.file_states_on(side).filter_map(CopyState::standing)
    }

    /// Whether something was sent to the files of this side that has no known end.
    pub fn has_open_files_on(&self, side: Side) -> bool {
        self.file_states_on(side).any(|state| matches!(state, CopyState::InDoubt { .. }))
            || self.late.iter().any(|late| matches!(late.what, Late::File { from, .. } if from == side.other()))
    }

    fn file_states_on(&self, side: Side) -> impl Iterator<Item = &CopyState> {
        let logs = self.logs.iter().filter(move |log| log.from == side.other());
        let batches = logs.flat_map(|log| &log.batch).flat_map(|batch| &batch.files);
        kept_on(side, &self.copies, &self.documents).chain(batches.filter_map(|file| file.state.as_ref()))
    }

    /// A disagreement of an attribute, or of the status, that stood when the pair was found.
    pub fn older_conflict(&self, about: &str) -> Option<&Conflict> {
        self.conflicts.iter().find(|conflict| conflict.is_older && conflict.about == about)
    }

    pub fn key(&self, side: Side) -> Option<&TicketKey> {
        match side {
            Side::External => Some(&self.external),
            Side::Internal => self.internal.as_ref(),
        }
    }

    /// The ancestor of a field, on both sides together: what was read outside, and what the internal
    /// side shows or answered.
    pub fn field_agreed(&mut self, code: &str, external: &str, internal: &str) {
        self.ancestor.external.fields.insert(code.to_owned(), external.to_owned());
        self.ancestor.internal.fields.insert(code.to_owned(), internal.to_owned());
        self.owed.retain(|late| !late.is_of_field(code));
    }

    /// A walk begins. Where an earlier one was broken off, the state that it came to stays known as the
    /// bridge's own: should this one be refused at once, nobody else has brought the ticket there.
    pub fn set_out(&mut self, on: Side, wanted: &str, states: impl IntoIterator<Item = String>) {
        let present = &self.ancestor.side(on).status;
        let is_own = self.path.as_ref().is_some_and(|path| path.on == on && path.states.contains(present));
        let states = is_own.then(|| present.clone()).into_iter().chain(states).collect();
        self.path = Some(StatusPath { on, wanted: wanted.to_owned(), states });
    }

    /// A stimulus was answered with this state. The walk ends at the state that was wanted.
    pub fn state_answered(&mut self, on: Side, state: &str) {
        state.clone_into(&mut self.ancestor.side_mut(on).status);
        let ends_here = |path: &mut StatusPath| path.on == on && path.states.last().is_some_and(|last| last == state);
        if let Some(path) = self.path.take_if(ends_here) {
            self.ancestor.side_mut(on.other()).status = path.wanted;
            self.owed.retain(|late| !matches!(late, Late::Status { .. }));
        }
    }

    /// A write is about to be sent; until then it may land, whatever becomes of its answer.
    pub fn may_land(&mut self, what: Late, until_ms: i64) {
        self.late.push(LateWrite { what, until_ms });
    }

    /// The call that was being sent is over, or whoever sent it is gone: what it carries may land until then.
    pub fn may_land_until(&mut self, until_ms: i64) {
        let Some(sending) = self.sending.take() else { return };
        if let Some(anew_from_ms) = &mut self.anew_from_ms
            && *anew_from_ms == sending.until_ms
        {
            *anew_from_ms = until_ms;
        }
        let creation = self.creation.iter_mut().map(|creation| &mut creation.until_ms);
        let late = self.late.iter_mut().map(|late| &mut late.until_ms);
        let copies = self.copies.iter_mut().filter_map(|copy| match &mut copy.state {
            CopyState::InDoubt { until_ms } => Some(until_ms),
            _ => None,
        });
        let batches = self.logs.iter_mut().flat_map(|log| &mut log.batch).flat_map(|batch| &mut batch.files);
        let documents = self.documents.iter_mut();
        let files = batches.map(|file| &mut file.state).chain(documents.map(|document| &mut document.state));
        let files = files.filter_map(|state| match state {
            Some(CopyState::InDoubt { until_ms }) => Some(until_ms),
            _ => None,
        });
        for until in creation.chain(late).chain(copies).chain(files).filter(|until| **until == sending.until_ms) {
            *until = until_ms;
        }
        for again in self.documents.iter_mut().filter_map(|document| document.again_at_ms.as_mut()) {
            if *again == sending.until_ms {
                *again = until_ms;
            }
        }
    }

    /// The call that was being sent is over, and nothing of it can land late.
    pub fn is_sent(&mut self) {
        if let Some(sending) = self.sending.take() {
            self.late.retain(|late| late.until_ms != sending.until_ms);
        }
    }

    /// Keeps a copy in place of what was known of the same original.
    pub fn keep_copy(&mut self, copy: Copy) {
        self.forget_copy(copy.from, copy.original);
        self.copies.push(copy);
    }

    pub fn forget_copy(&mut self, from: Side, original: u64) {
        self.copies.retain(|copy| (copy.from, copy.original) != (from, original));
        self.owed.retain(|late| !late.is_of_file(from, original));
    }

    /// What can no longer land, and what landed over something newer.
    pub fn settled_late(&self, now_ms: i64) -> impl Iterator<Item = &Late> {
        self.late.iter().filter(move |late| late.until_ms <= now_ms).map(|late| &late.what).chain(&self.owed)
    }

    pub fn copy_of(&self, from: Side, original: u64) -> Option<&Copy> {
        self.copies.iter().find(|copy| (copy.from, copy.original) == (from, original))
    }

    fn change_copy(&mut self, from: Side, original: u64, change: impl FnOnce(&mut Copy)) {
        if let Some(copy) = self.copies.iter_mut().find(|copy| (copy.from, copy.original) == (from, original)) {
            change(copy);
        }
    }
}

/// The states of the copies and documents on one side.
pub fn kept_on<'a>(side: Side, copies: &'a [Copy], documents: &'a [Document]) -> impl Iterator<Item = &'a CopyState> {
    let copies = copies.iter().filter(move |copy| copy.from == side.other()).map(|copy| &copy.state);
    let documents = documents.iter().filter(move |document| document.kind.on() == side);
    copies.chain(documents.filter_map(|document| document.state.as_ref()))
}

/// What a person wrote into a field of the internal ticket.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edit {
    pub code: String,
    pub value: String,
}

/// A text as it was sent, without knowing whether the attribute holds HTML.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlainText {
    /// The side whose ticket was moved.
    #[serde(default = "inside")]
    pub on: Side,
    pub code: String,
    pub value: String,
    /// What is to be written if it holds HTML: the source's own markup, where it had some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub html: Option<String>,
}

/// A call that writes, from before it is sent until its end is recorded: it may take long, and whoever
/// sends it may die meanwhile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sending {
    /// The side that is written to.
    pub to: Side,
    pub since_ms: i64,
    /// What the intents of this call hold for now: the earliest that it can settle.
    pub until_ms: i64,
}

/// Their hooks come within seconds.
const MAX_DELETED: usize = 50;

/// The intent of a create, stored before the call: enough to find the ticket that it made.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Creation {
    /// The call may land until then; nothing is created again before.
    pub until_ms: i64,
    /// The highest internal ticket id known before the call: what it made has a higher one.
    pub highest_before: u64,
    /// What was read outside and sent: the external's ancestor, once the ticket is found.
    pub fields: BTreeMap<String, String>,
    /// How often a create was sent for this link.
    pub tries: u32,
}

/// What was last agreed: a side, what was read before the plan was made, plus what each write's own
/// answer said of the attributes that it set.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Ancestor {
    pub external: SideAncestor,
    pub internal: SideAncestor,
}

impl Ancestor {
    pub fn side(&self, side: Side) -> &SideAncestor {
        match side {
            Side::External => &self.external,
            Side::Internal => &self.internal,
        }
    }

    pub fn side_mut(&mut self, side: Side) -> &mut SideAncestor {
        match side {
            Side::External => &mut self.external,
            Side::Internal => &mut self.internal,
        }
    }
}

#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SideAncestor {
    /// The last status that was no escalation; empty before the first.
    pub status: String,
    pub fields: BTreeMap<String, String>,
}

/// A copy of an attachment that the bridge made, or is making.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Copy {
    /// The side that the original is on.
    pub from: Side,
    /// The original's attachment id.
    pub original: u64,
    /// What the original held when it was last copied.
    pub content: FileContent,
    pub state: CopyState,
    /// Since when the original counts as missing, in ms since the epoch; in the future where the whole
    /// ticket may be going.
    pub missing_since_ms: Option<i64>,
    /// A small text file stands in for one that was too large.
    pub substituted: bool,
    /// Both files stood when the pair was taken over: it bears no mark, and is not the bridge's to delete.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub taken_over: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CopyState {
    /// The attachment's id on the other side.
    Stands(u64),
    /// A person deleted the copy: it stays deleted.
    RemovedByPerson,
    /// The create was sent and its answer never came; it may land until this moment, and is not
    /// sent again before.
    InDoubt { until_ms: i64 },
}

impl CopyState {
    /// The attachment's id, where it stands.
    pub fn standing(&self) -> Option<u64> {
        match self {
            CopyState::Stands(id) => Some(*id),
            CopyState::RemovedByPerson | CopyState::InDoubt { .. } => None,
        }
    }
}

/// A walk through one side's lifecycle, stored before its first stimulus.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StatusPath {
    /// The side that is walked.
    #[serde(default = "inside")]
    pub on: Side,
    /// The other side's status that the walk answers.
    pub wanted: String,
    /// The states on the way, the wanted one last; before them the one that an earlier walk came to.
    pub states: Vec<String>,
}

/// A write without an answer: what was sent, and until when it may still land.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LateWrite {
    pub what: Late,
    pub until_ms: i64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Late {
    Field {
        code: String,
        value: String,
    },
    /// A stimulus that leads to this state.
    Status {
        #[serde(default = "inside")]
        on: Side,
        to: String,
    },
    /// A copy's contents rewritten to this.
    File {
        #[serde(default = "outside")]
        from: Side,
        original: u64,
        content: FileContent,
    },
}

impl Late {
    pub fn is_of_field(&self, of: &str) -> bool {
        matches!(self, Late::Field { code, .. } if code == of)
    }

    pub fn is_of_file(&self, side: Side, of: u64) -> bool {
        matches!(self, Late::File { from, original, .. } if (*from, *original) == (side, of))
    }
}

/// Before anything was written outside, the side went without saying.
fn inside() -> Side {
    Side::Internal
}

fn outside() -> Side {
    Side::External
}

/// Something to remember of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogNote {
    /// An operator wants these taken as delivered.
    Delivered(Vec<EntryKey>),
    /// The other side has these, as the marks of these files say, which the store did not know.
    Found {
        entries: Vec<EntryKey>,
        files: Vec<u64>,
    },
    /// iTop lost these, or a person removed them.
    Vanished(Vec<EntryKey>),
    /// Such a one is there again: it counts as delivered, as it was.
    Back(Vec<EntryKey>),
    /// The same entry under another date.
    Moved {
        before: EntryKey,
        now: EntryKey,
    },
    Halted(LogHalt),
    ResumeIsOver,
    /// A file of the batch that an unanswered create made after all, found by its mark.
    FileArrived {
        key: String,
        id: u64,
    },
    /// All files of the batch are there.
    BatchIsOver,
    /// The log was switched off, and the text of the batch is not there: its entries are not delivered.
    BatchGivenUp,
}

/// A disagreement that the bridge leaves as it is, and shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conflict {
    /// What disagrees: `status`, or an attribute code.
    pub about: String,
    pub text: String,
    /// It stood so when the pair was found again or taken over: it stays until that changes outside.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_older: bool,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.about, self.text)
    }
}
