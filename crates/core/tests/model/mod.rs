//! Two iTops, people, and a bridge, as small as the laws allow. The bridge's part does with a plan what
//! the engine does: intents are remembered before a write, answers after it.
//!
//! Assumption, as in the design: a write lands within `SETTLE_MS` of being sent, or never.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use itop_bridge_core::link::{Copy, CopyState, Late, StatusPath, TicketKey};
use itop_bridge_core::plan::{FieldWrite, Note, Plan, Stimulus, Value, Write};
use itop_bridge_core::{
    File, FileContent, FileKind, FileMark, Lifecycle, Link, Policy, Side, Sight, Ticket, reconcile,
};
use proptest::prelude::prop::sample::Index;

use crate::fixtures::{self, content};

pub const SETTLE_MS: i64 = 300_000;

/// What happens next.
#[derive(Debug, Clone)]
pub enum Act {
    EditOutside(&'static str),
    EditInside(&'static str),
    EditBothAlike(&'static str),
    MoveOutside(Index),
    MoveInside(Index),
    AddFileOutside,
    AddFileInside,
    ChangeFile(Index),
    DeleteOriginal(Index),
    /// A person deletes any file of the internal ticket, a copy or not.
    DeleteInside(Index),
    Wait(i64),
    /// A pass, with what becomes of its writes one after the other (answered, where the list ends).
    Pass {
        files: bool,
        contents: bool,
        fates: Vec<Fate>,
    },
}

/// What becomes of a write.
#[derive(Debug, Clone, Copy)]
pub enum Fate {
    Answered,
    Refused,
    /// No answer, and it never lands.
    LostOnTheWay,
    /// It lands, and its answer is lost.
    AnswerLost,
    /// No answer, and it lands so many ms later.
    Late(i64),
}

/// Who wrote something on the internal side last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Author {
    Person,
    Bridge,
}

#[derive(Debug, Clone)]
struct Attached {
    id: u64,
    /// The original of a copy.
    copy_of: Option<u64>,
    content: FileContent,
}

#[derive(Debug)]
struct Instance {
    fields: BTreeMap<&'static str, String>,
    status: String,
    /// The last status that was no escalation.
    calm: String,
    files: Vec<Attached>,
}

/// A write as it reaches the internal iTop.
#[derive(Debug, Clone)]
enum Call {
    Update(Vec<(&'static str, String)>),
    Stimulus(String),
    Attach { original: u64, content: FileContent },
    Rewrite { copy: u64, content: FileContent },
    Delete { copy: u64 },
}

pub struct World {
    policy: Policy,
    link: Link,
    now: i64,
    counter: u64,
    outside: Instance,
    inside: Instance,
    /// Calls that land later.
    under_way: Vec<(i64, Call)>,
    authors: BTreeMap<&'static str, Author>,
    moved_by: Author,
    /// The external value of each field that the internal side was last brought up to.
    synced: BTreeMap<&'static str, String>,
    /// Every value that the bridge ever sent.
    sent: BTreeSet<String>,
    /// Originals whose copy a person removed.
    removed: BTreeSet<u64>,
    deleted: BTreeSet<u64>,
}

const CODES: [&str; 4] = ["title", "description", "impact", "urgency"];

impl World {
    /// A ticket made outside and copied inside.
    pub fn new(class: &str) -> World {
        let mut policy = fixtures::policy();
        fixtures::changes_policy(&mut policy, class);
        let initial = fixtures::lifecycle(class).unwrap().initial;
        let side = || Instance {
            fields: fixtures::ext().0.attributes.iter().map(|(code, value)| (known(code), value.clone())).collect(),
            status: initial.clone(),
            calm: initial.clone(),
            files: Vec::new(),
        };
        let mut world = World {
            policy,
            link: fixtures::unborn(),
            now: 1_000_000,
            counter: 100,
            outside: side(),
            inside: side(),
            under_way: Vec::new(),
            authors: CODES.map(|code| (code, Author::Bridge)).into(),
            moved_by: Author::Bridge,
            synced: BTreeMap::new(),
            sent: BTreeSet::new(),
            removed: BTreeSet::new(),
            deleted: BTreeSet::new(),
        };
        world.create();
        world
    }

    fn create(&mut self) {
        let plan = reconcile(&self.policy, &self.link, &self.show_outside(true, false), &Sight::Unborn);
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

    pub fn act(&mut self, act: &Act) {
        match act {
            Act::EditOutside(code) => {
                let value = self.fresh(code);
                self.outside.fields.insert(code, value);
            }
            Act::EditInside(code) => {
                let value = self.fresh(code);
                self.edit_inside(code, value);
            }
            Act::EditBothAlike(code) => {
                let value = self.fresh(code);
                self.outside.fields.insert(code, value.clone());
                self.edit_inside(code, as_inside(code, &value));
            }
            Act::MoveOutside(pick) => drop(move_on(self.policy.external_lifecycle.as_ref(), &mut self.outside, pick)),
            Act::MoveInside(pick) => {
                if move_on(self.policy.internal_lifecycle.as_ref(), &mut self.inside, pick) {
                    self.moved_by = Author::Person;
                }
            }
            Act::AddFileOutside => {
                let (id, content) = self.fresh_file();
                self.outside.files.push(Attached { id, copy_of: None, content });
            }
            Act::AddFileInside => {
                let (id, content) = self.fresh_file();
                self.inside.files.push(Attached { id, copy_of: None, content });
            }
            Act::ChangeFile(pick) => {
                let (_, content) = self.fresh_file();
                if let Some(file) = pick_of(&mut self.outside.files, pick) {
                    file.content = content;
                }
            }
            Act::DeleteOriginal(pick) => {
                if let Some(id) = pick_of(&mut self.outside.files, pick).map(|file| file.id) {
                    self.outside.files.retain(|file| file.id != id);
                    self.deleted.insert(id);
                }
            }
            Act::DeleteInside(pick) => {
                if let Some(gone) = pick_of(&mut self.inside.files, pick).cloned() {
                    self.inside.files.retain(|file| file.id != gone.id);
                    self.removed.extend(gone.copy_of);
                }
            }
            Act::Wait(ms) => self.wait_until(self.now + ms),
            Act::Pass { files, contents, fates } => {
                self.pass(*files, *contents, fates);
            }
        }
    }

    fn edit_inside(&mut self, code: &'static str, value: String) {
        self.inside.fields.insert(code, value);
        self.authors.insert(code, Author::Person);
        self.inside.save();
    }

    fn fresh(&mut self, code: &str) -> String {
        self.counter += 1;
        match code {
            "description" => format!("<p>a &amp; {}</p>", self.counter),
            "title" if self.counter.is_multiple_of(5) => format!("{} {}", self.counter, "x".repeat(300)),
            _ => format!("{code} {}", self.counter),
        }
    }

    fn fresh_file(&mut self) -> (u64, FileContent) {
        self.counter += 1;
        (self.counter, content(&format!("hash {}", self.counter)))
    }

    /// Time passes, and what was under way lands in its order.
    fn wait_until(&mut self, until: i64) {
        self.under_way.sort_by_key(|(at, _)| *at);
        while self.under_way.first().is_some_and(|(at, _)| *at <= until) {
            let (at, call) = self.under_way.remove(0);
            self.now = self.now.max(at);
            self.land_unanswered(&call);
        }
        self.now = self.now.max(until);
    }

    // What the bridge does.

    /// One pass as the engine makes it; the plan that was carried out.
    fn pass(&mut self, files: bool, contents: bool, fates: &[Fate]) -> Plan {
        let in_doubt = |copy: &Copy| matches!(copy.state, CopyState::InDoubt { .. });
        let doubtful = self.link.copies.iter().any(|copy| copy.missing_since_ms.is_some() || in_doubt(copy));
        let external = self.show_outside(files || doubtful, contents);
        let late_file = self.link.late.iter().any(|late| matches!(late.what, Late::File { .. }));
        let listed = late_file || self.link.copies.iter().any(in_doubt);
        let mut plan = reconcile(&self.policy, &self.link, &external, &self.show_inside(listed));
        if touches_files(&plan) && !listed {
            plan = reconcile(&self.policy, &self.link, &external, &self.show_inside(true));
        }
        if let Some(halt) = &plan.halt {
            self.link.halt = Some(halt.clone());
            return plan;
        }
        plan.notes.iter().for_each(|note| self.remember(note));
        self.link.conflicts.clone_from(&plan.conflicts);
        let mut fates = fates.iter().copied().chain(std::iter::repeat(Fate::Answered));
        for step in &plan.writes {
            match &step.write {
                Write::CreateTicket { .. } => panic!("no duplicates: a second ticket"),
                Write::UpdateFields { fields } => self.update(fields, fates.next().unwrap()),
                Write::WalkStatus { wanted, walk } => self.walk(wanted, walk, &mut fates),
                Write::CopyFile { original, .. } => self.copy_file(*original, fates.next().unwrap()),
                Write::RewriteFile { original, copy, .. } => self.rewrite(*original, *copy, fates.next().unwrap()),
                Write::DeleteCopy { original, copy, .. } => self.delete(*original, *copy, fates.next().unwrap()),
            }
        }
        plan
    }

    fn remember(&mut self, note: &Note) {
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
    fn send(&mut self, call: Call, fate: Fate) -> Option<bool> {
        match fate {
            Fate::Answered => self.land(&call),
            Fate::Refused => return Some(false),
            Fate::LostOnTheWay => return None,
            Fate::AnswerLost => {
                self.land_unanswered(&call);
                return None;
            }
            Fate::Late(ms) => {
                self.under_way.push((self.now + ms, call));
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
        }
        let Some(done) = self.send(Call::Update(sent.clone()), fate) else { return };
        for ((code, value), field) in sent.iter().zip(fields) {
            self.link.landed(&Late::Field { code: (*code).to_owned(), value: value.clone() }, until);
            if done {
                self.field_answered(code, field.source.as_deref().unwrap());
            }
        }
    }

    fn field_answered(&mut self, code: &'static str, source: &str) {
        self.link.field_agreed(code, source, &self.inside.fields[code]);
        self.synced.insert(code, source.to_owned());
    }

    fn walk(&mut self, wanted: &str, walk: &[Stimulus], fates: &mut impl Iterator<Item = Fate>) {
        let states = walk.iter().map(|stimulus| stimulus.to.clone()).collect();
        self.link.path = Some(StatusPath { wanted: wanted.to_owned(), states });
        for stimulus in walk {
            let late = Late::Status { to: stimulus.to.clone() };
            let until = self.until();
            self.link.may_land(late.clone(), until);
            let Some(done) = self.send(Call::Stimulus(stimulus.code.clone()), fates.next().unwrap()) else { return };
            self.link.landed(&late, until);
            if !done {
                return;
            }
            assert_eq!(self.inside.status, stimulus.to, "the stimulus leads where the plan says");
            self.link.state_answered(&stimulus.to);
        }
    }

    fn copy_file(&mut self, original: u64, fate: Fate) {
        let content = self.original(original).content.clone();
        let copy = Copy {
            from: Side::External,
            original,
            content: content.clone(),
            state: CopyState::InDoubt { until_ms: self.until() },
            missing_since_ms: None,
            substituted: false,
        };
        self.link.keep_copy(copy.clone());
        match self.send(Call::Attach { original, content }, fate) {
            None => {}
            Some(false) => self.link.forget_copy(Side::External, original),
            Some(true) => {
                let id = self.inside.files.last().unwrap().id;
                self.link.keep_copy(Copy { state: CopyState::Stands(id), ..copy });
            }
        }
    }

    fn rewrite(&mut self, original: u64, copy: u64, fate: Fate) {
        self.assert_is_own_copy(original, copy);
        let content = self.original(original).content.clone();
        let known = self.link.copy_of(Side::External, original).unwrap().clone();
        let late = Late::File { original, content: content.clone() };
        let until = self.until();
        self.link.may_land(late.clone(), until);
        let Some(done) = self.send(Call::Rewrite { copy, content: content.clone() }, fate) else { return };
        self.link.landed(&late, until);
        if done {
            self.link.keep_copy(Copy { content, ..known });
        }
    }

    fn delete(&mut self, original: u64, copy: u64, fate: Fate) {
        self.assert_is_own_copy(original, copy);
        assert!(self.deleted.contains(&original), "ownership: original {original} was not deleted");
        if self.send(Call::Delete { copy }, fate) == Some(true) {
            self.link.forget_copy(Side::External, original);
        }
    }

    fn original(&self, id: u64) -> &Attached {
        self.outside.files.iter().find(|file| file.id == id).expect("an original that stands")
    }

    /// What an unanswered stimulus makes of a person's move that no pass has remembered counts as that
    /// person's: the ancestor, which would tell the two apart, holds neither.
    fn land_unanswered(&mut self, call: &Call) {
        let unseen = self.moved_by == Author::Person && self.link.ancestor.internal.status != self.inside.calm;
        self.land(call);
        if unseen {
            self.moved_by = Author::Person;
        }
    }

    fn land(&mut self, call: &Call) {
        match call {
            Call::Update(fields) => {
                for (code, value) in fields {
                    self.inside.fields.insert(code, value.clone());
                    self.authors.insert(code, Author::Bridge);
                }
            }
            Call::Stimulus(code) => {
                let lifecycle = self.policy.internal_lifecycle.as_ref().unwrap();
                if let Some(to) = stimulate(lifecycle, &self.inside.status, code) {
                    self.inside.stands(&to);
                    self.moved_by = Author::Bridge;
                }
            }
            Call::Attach { original, content } => {
                let (id, _) = self.fresh_file();
                self.inside.files.push(Attached { id, copy_of: Some(*original), content: content.clone() });
                assert_eq!(self.copies_of(*original).count(), 1, "no duplicates: copies of {original}");
            }
            Call::Rewrite { copy, content } => {
                if let Some(file) = self.inside.files.iter_mut().find(|file| file.id == *copy) {
                    file.content = content.clone();
                }
            }
            Call::Delete { copy } => self.inside.files.retain(|file| file.id != *copy),
        }
        self.inside.save();
    }

    // What a read shows.

    fn show_outside(&self, files: bool, contents: bool) -> Sight {
        self.show("R-1", 1, &self.outside, files, &|_| contents)
    }

    /// Contents are read only of copies over which a settled rewrite may have landed.
    fn show_inside(&self, files: bool) -> Sight {
        let settled = |original: u64| {
            self.link.late.iter().any(|late| late.until_ms <= self.now && late.what.is_of_file(original))
        };
        self.show("U-9", 9, &self.inside, files, &|file| file.copy_of.is_some_and(settled))
    }

    fn show(&self, reference: &str, id: u64, side: &Instance, files: bool, read: &dyn Fn(&Attached) -> bool) -> Sight {
        let mark = |original: u64| FileMark {
            ticket: fixtures::ticket_mark("7f3a"),
            from: Side::External,
            kind: FileKind::File,
            key: original.to_string(),
        };
        let file = |file: &Attached| File {
            id: file.id,
            mark: file.copy_of.map(mark),
            content: read(file).then(|| file.content.clone()),
            announced: false,
        };
        Sight::Here(Ticket {
            class: "UserRequest".into(),
            id,
            reference: reference.into(),
            status: side.status.clone(),
            attributes: side.fields.iter().map(|(code, value)| ((*code).to_owned(), value.clone())).collect(),
            files: files.then(|| side.files.iter().map(file).collect()),
            read_at_ms: self.now,
        })
    }

    // The laws.

    /// Ownership: a person's edit inside is overwritten only where the external changed since the two were
    /// last brought together, and then it is reported; nothing else is reported.
    fn assert_may_overwrite(&self, field: &FieldWrite) {
        let code = known(&field.code);
        let target = &self.inside.fields[code];
        if self.authors[code] == Author::Person && !self.sent.contains(target) {
            let changed = amps_apart(&self.synced[code]) != amps_apart(&self.outside.fields[code]);
            assert!(changed, "ownership: {code} {target:?} is a person's and did not change outside");
            assert_eq!(field.lost_edit.as_ref(), Some(target), "ownership: the lost edit of {code} is reported");
        } else if self.authors[code] == Author::Bridge {
            assert_eq!(field.lost_edit, None, "the bridge's own {code} is no person's edit");
        }
    }

    fn assert_is_own_copy(&self, original: u64, copy: u64) {
        let file = self.inside.files.iter().find(|file| file.id == copy).expect("a copy that stands");
        assert_eq!(file.copy_of, Some(original), "ownership: file {copy} is no copy of {original}");
    }

    /// All is answered from now on, and time passes until nothing is left to look at.
    pub fn heal(&mut self) {
        for _ in 0..200 {
            if self.link.halt.take().is_some() {
                // An operator looks and resumes.
                self.link.resumed = true;
            }
            let before = self.link.clone();
            let plan = self.pass(true, true, &[]);
            let due = plan.look_again_at_ms.into_iter().chain(self.link.late.iter().map(|late| late.until_ms)).min();
            match due {
                Some(due) => self.wait_until(due.max(self.now)),
                None if plan.writes_nothing() && plan.halt.is_none() && self.link == before => return,
                None => {}
            }
        }
        panic!("convergence: still not at rest: {:?}", self.link);
    }

    pub fn assert_converged(&self) {
        for code in CODES {
            let (outside, inside) = (&self.outside.fields[code], &self.inside.fields[code]);
            if self.authors[code] == Author::Bridge {
                assert_eq!(amps_apart(inside), amps_apart(&as_inside(code, outside)), "convergence: {code}");
            } else {
                assert_eq!(amps_apart(&self.synced[code]), amps_apart(outside), "convergence: {code} changed outside");
            }
        }
        // A ticket that was approved, or re-opened, and late before anyone looked: which, nothing shows.
        let unknowable = self.outside.status == "escalated_tto";
        if self.moved_by == Author::Bridge && self.link.conflicts.is_empty() && !unknowable {
            assert_eq!(self.inside.calm, self.outside.calm, "convergence: the bridge moved the status last");
        }
        for original in &self.outside.files {
            let copies: Vec<&Attached> = self.copies_of(original.id).collect();
            match copies.as_slice() {
                [copy] => assert_eq!(copy.content, original.content, "convergence: contents of {}", original.id),
                [] => assert!(self.removed.contains(&original.id), "convergence: {} has no copy", original.id),
                _ => panic!("no duplicates: {copies:?}"),
            }
        }
        for gone in &self.deleted {
            assert_eq!(self.copies_of(*gone).count(), 0, "convergence: {gone} was deleted, its copy stands");
        }
        let payable = self.link.owed.iter().filter(|late| !matches!(late, Late::Status { .. })).count();
        assert_eq!(payable, 0, "convergence: {:?} is still owed", self.link.owed);
    }

    fn copies_of(&self, original: u64) -> impl Iterator<Item = &Attached> {
        self.inside.files.iter().filter(move |file| file.copy_of == Some(original))
    }

    pub fn assert_idempotent(&mut self) {
        self.wait_until(self.now + 1_000_000);
        let plan = self.pass(true, true, &[]);
        assert!(plan.writes_nothing() && plan.notes.is_empty(), "idempotence: one more pass: {plan:?}");
    }
}

impl Instance {
    /// iTop 3.1 on PHP 8.2 escapes once more at every save, whoever saves whatever.
    fn save(&mut self) {
        let description = self.fields.get_mut("description").unwrap();
        *description = description.replace('&', "&amp;");
    }

    fn stands(&mut self, state: &str) {
        state.clone_into(&mut self.status);
        if !state.starts_with("escalated") {
            state.clone_into(&mut self.calm);
        }
    }
}

fn touches_files(plan: &Plan) -> bool {
    plan.writes
        .iter()
        .any(|step| matches!(step.write, Write::CopyFile { .. } | Write::RewriteFile { .. } | Write::DeleteCopy { .. }))
}

/// A person, or a clock, takes any transition that leads on from here.
fn move_on(lifecycle: Option<&Lifecycle>, side: &mut Instance, pick: &Index) -> bool {
    let from_here: Vec<&str> =
        lifecycle.unwrap().transitions.iter().filter(|t| t.from == side.status).map(|t| t.to.as_str()).collect();
    let Some(to) = (!from_here.is_empty()).then(|| *pick.get(&from_here)) else { return false };
    let calm = side.calm.clone();
    side.stands(to);
    calm != side.calm
}

/// The state that a stimulus leads to from here, by the lifecycle's own rows.
pub fn stimulate(lifecycle: &Lifecycle, state: &str, stimulus: &str) -> Option<String> {
    lifecycle.transitions.iter().find(|t| t.from == state && t.stimulus == stimulus).map(|t| t.to.clone())
}

pub fn walk_of(step: &itop_bridge_core::Step) -> Option<(&str, &[Stimulus])> {
    match &step.write {
        Write::WalkStatus { wanted, walk } => Some((wanted, walk)),
        _ => None,
    }
}

/// How many transitions lead from one state to another: people's alone, or clocks' too.
pub fn distance(lifecycle: &Lifecycle, from: &str, to: &str, clocks: bool) -> Option<usize> {
    let mut seen = BTreeSet::from([from]);
    let mut next = VecDeque::from([(from, 0)]);
    while let Some((state, steps)) = next.pop_front() {
        if state == to {
            return Some(steps);
        }
        for t in lifecycle.transitions.iter().filter(|t| t.from == state) {
            let people = lifecycle.stimuli[&t.stimulus] == "StimulusUserAction";
            if (people || clocks) && seen.insert(&t.to) {
                next.push_back((&t.to, steps + 1));
            }
        }
    }
    None
}

fn pick_of<'a>(files: &'a mut [Attached], pick: &Index) -> Option<&'a mut Attached> {
    if files.is_empty() { None } else { Some(pick.get_mut(files)) }
}

fn known(code: &str) -> &'static str {
    CODES.into_iter().find(|known| *known == code).expect("a field of the model")
}

fn text(value: &Value) -> String {
    match value {
        Value::Text(text) | Value::Html(text) => text.clone(),
    }
}

/// What the internal side is to hold for an external value.
fn as_inside(code: &str, outside: &str) -> String {
    match code {
        "title" => format!("[R-1] {outside}").chars().take(255).collect(),
        _ => outside.to_owned(),
    }
}

fn amps_apart(value: &str) -> String {
    let mut value = value.to_owned();
    while value.contains("&amp;amp;") {
        value = value.replace("&amp;amp;", "&amp;");
    }
    value
}
