//! Two iTops, people, and a bridge, as small as the laws allow.
//!
//! Assumption, as in the design: a write lands within `SETTLE_MS` of being sent, or never.

mod bridge;
mod laws;
mod log;
pub mod states;

use std::collections::{BTreeMap, BTreeSet};

use itop_bridge_core::document::DocumentKind;
use itop_bridge_core::policy::StatusToExternal;
use itop_bridge_core::{File, FileContent, FileKind, FileMark, LogName, MadeBy, Reading, Side, Ticket};
use itop_bridge_core::{Link, Policy};
use proptest::prelude::prop::sample::Index;

use crate::fixtures::{self, content};
use log::{Lost, Spoken};

pub const SETTLE_MS: i64 = 300_000;

const SIDES: [Side; 2] = Side::BOTH;

/// What happens next.
#[derive(Debug, Clone)]
pub enum Act {
    EditOutside(&'static str),
    EditInside(&'static str),
    EditBothAlike(&'static str),
    Move(Side, Index),
    AddFile(Side),
    ChangeFile(Side, Index),
    /// A person deletes any file: his own, or one that the bridge made.
    DeleteFile(Side, Index),
    /// A person writes into the private log: who, and what.
    Say(Side, u64, &'static str),
    /// iTop loses so many entries.
    Lose(Side, Index, usize),
    /// What was lost last is there again.
    ComeBack(Side),
    /// A moderator puts other words into an entry, in place.
    Reword(Side, Index),
    /// The server's zone is changed by so many hours.
    ChangeZone(Side, i64),
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

/// Who wrote something last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Author {
    Person,
    Bridge,
}

/// What the bridge's mark on a file says.
type Mark = (Side, FileKind, String);

#[derive(Debug, Clone)]
struct Attached {
    id: u64,
    made: Option<Mark>,
    content: FileContent,
}

impl Attached {
    fn is_copy_of(&self, from: Side, original: u64) -> bool {
        self.made == Some((from, FileKind::File, original.to_string()))
    }
}

#[derive(Debug)]
struct Instance {
    fields: BTreeMap<&'static str, String>,
    solution: String,
    status: String,
    /// The last status that was no escalation.
    calm: String,
    moved_by: Author,
    files: Vec<Attached>,
    log: Vec<Spoken>,
    lost: Vec<Lost>,
    /// Hours that this server's clock is ahead.
    zone: i64,
    zone_seen: i64,
    /// An entry came back or was reworded, and nobody has looked since.
    unseen_change: bool,
}

/// A write as it reaches an iTop.
#[derive(Debug, Clone)]
enum Call {
    Update(Vec<(&'static str, String)>),
    Stimulus { code: String, solution: Option<String> },
    Attach { mark: Mark, content: FileContent, carries: Vec<u64> },
    Rewrite { id: u64, content: FileContent },
    Delete { id: u64 },
}

pub struct World {
    policy: Policy,
    link: Link,
    now: i64,
    counter: u64,
    outside: Instance,
    inside: Instance,
    /// Calls that land later.
    under_way: Vec<(i64, Side, Call)>,
    /// Who wrote each field inside last.
    authors: BTreeMap<&'static str, Author>,
    /// The external value of each field that the internal side was last brought up to.
    synced: BTreeMap<&'static str, String>,
    /// Every value that the bridge ever sent.
    sent: BTreeSet<String>,
    /// People's edits inside that a pass has seen, and those that the record has.
    seen: BTreeSet<String>,
    recorded: BTreeSet<String>,
    /// Of those seen: what an update overwrote since the last pass, and before it.
    overwritten: BTreeMap<&'static str, String>,
    to_be_recorded: BTreeSet<String>,
    /// Originals whose copy a person removed, by the side of the original.
    removed: BTreeSet<(Side, u64)>,
    deleted: BTreeSet<(Side, u64)>,
    removed_documents: Vec<DocumentKind>,
    /// The entries that each log file carried when it arrived, and those whose delivery an operator gave up.
    given: Vec<(Side, u64)>,
    waived: BTreeSet<(Side, u64)>,
    /// Which entries a batch under way carries.
    batches: BTreeMap<Side, Vec<u64>>,
}

const CODES: [&str; 4] = ["title", "description", "impact", "urgency"];

impl World {
    /// A ticket made outside and copied inside.
    pub fn new(class: &str, status_to_external: StatusToExternal) -> World {
        let mut policy = fixtures::policy();
        fixtures::changes_policy(&mut policy, class);
        fixtures::private_logs(&mut policy);
        policy.status_to_external = status_to_external;
        let initial = fixtures::lifecycle(class).unwrap().initial;
        let side = || Instance {
            fields: fixtures::ext().0.attributes.iter().map(|(code, value)| (known(code), value.clone())).collect(),
            solution: String::new(),
            status: initial.clone(),
            calm: initial.clone(),
            moved_by: Author::Bridge,
            files: Vec::new(),
            log: Vec::new(),
            lost: Vec::new(),
            zone: 0,
            zone_seen: 0,
            unseen_change: false,
        };
        let mut world = World {
            policy,
            link: fixtures::without_counterpart(),
            now: 1_000_000,
            counter: 100,
            outside: side(),
            inside: side(),
            under_way: Vec::new(),
            authors: CODES.map(|code| (code, Author::Bridge)).into(),
            synced: BTreeMap::new(),
            sent: BTreeSet::new(),
            seen: BTreeSet::new(),
            recorded: BTreeSet::new(),
            overwritten: BTreeMap::new(),
            to_be_recorded: BTreeSet::new(),
            removed: BTreeSet::new(),
            deleted: BTreeSet::new(),
            removed_documents: Vec::new(),
            given: Vec::new(),
            waived: BTreeSet::new(),
            batches: BTreeMap::new(),
        };
        world.create();
        world
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
            Act::Move(on, pick) => self.person_moves(*on, pick),
            Act::AddFile(on) => {
                let (id, content) = self.fresh_file();
                self.side_mut(*on).files.push(Attached { id, made: None, content });
            }
            Act::ChangeFile(on, pick) => {
                let (_, content) = self.fresh_file();
                let mut own: Vec<_> = self.side_mut(*on).files.iter_mut().filter(|file| file.made.is_none()).collect();
                if !own.is_empty() {
                    pick.get_mut(&mut own).content = content;
                }
            }
            Act::DeleteFile(on, pick) => self.person_deletes(*on, pick),
            Act::Say(on, user, words) => self.say(*on, *user, words),
            Act::Lose(on, pick, count) => self.lose(*on, pick, *count),
            Act::ComeBack(on) => self.side_mut(*on).come_back(),
            Act::Reword(on, pick) => self.reword(*on, pick),
            Act::ChangeZone(on, hours) => self.side_mut(*on).change_zone(*hours),
            Act::Wait(ms) => self.wait_until(self.now + ms),
            Act::Pass { files, contents, fates } => {
                self.pass(*files, *contents, fates);
            }
        }
    }

    fn side(&self, side: Side) -> &Instance {
        match side {
            Side::External => &self.outside,
            Side::Internal => &self.inside,
        }
    }

    fn side_mut(&mut self, side: Side) -> &mut Instance {
        match side {
            Side::External => &mut self.outside,
            Side::Internal => &mut self.inside,
        }
    }

    fn edit_inside(&mut self, code: &'static str, value: String) {
        // Whether an update came between two edits of people, nothing shows.
        self.overwritten.remove(code);
        self.inside.fields.insert(code, value);
        self.authors.insert(code, Author::Person);
        self.inside.save();
    }

    /// A person, or a clock, takes any transition that leads on from here.
    fn person_moves(&mut self, on: Side, pick: &Index) {
        let lifecycle = self.policy.lifecycle(on).unwrap().clone();
        self.counter += 1;
        let solution = format!("solution {}", self.counter);
        let side = self.side_mut(on);
        let from_here: Vec<&str> =
            lifecycle.transitions.iter().filter(|t| t.from == side.status).map(|t| t.to.as_str()).collect();
        if from_here.is_empty() {
            return;
        }
        let calm = side.calm.clone();
        let to = *pick.get(&from_here);
        side.stands(to);
        if side.status == "resolved" {
            side.solution = solution;
        }
        if calm != side.calm {
            side.moved_by = Author::Person;
        }
    }

    fn person_deletes(&mut self, on: Side, pick: &Index) {
        let files = &self.side(on).files;
        if files.is_empty() {
            return;
        }
        let gone = pick.get(files).clone();
        self.side_mut(on).files.retain(|file| file.id != gone.id);
        match gone.made {
            None => drop(self.deleted.insert((on, gone.id))),
            Some((from, FileKind::File, original)) => drop(self.removed.insert((from, original.parse().unwrap()))),
            Some((_, FileKind::Status, _)) => self.removed_documents.push(DocumentKind::Report),
            Some((_, FileKind::Notice, _)) => self.removed_documents.push(DocumentKind::Notice),
            Some((from, FileKind::Log, key)) => self.log_file_removed(from, gone.id, &key),
            Some((_, FileKind::Image | FileKind::Text, _)) => {}
        }
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
        self.under_way.sort_by_key(|(at, ..)| *at);
        while self.under_way.first().is_some_and(|(at, ..)| *at <= until) {
            let (at, on, call) = self.under_way.remove(0);
            self.now = self.now.max(at);
            self.land_unanswered(on, &call);
        }
        self.now = self.now.max(until);
    }

    // What a read shows.

    /// Contents are read of originals, where asked for, and of copies over which a settled rewrite may have
    /// landed.
    fn show(&self, on: Side, files: bool, contents: bool) -> Reading {
        let side = self.side(on);
        let settled = |from: Side, original: &str| {
            let original = original.parse().unwrap_or_default();
            self.link
                .in_flight
                .late
                .iter()
                .any(|late| late.until_ms <= self.now && late.what.is_of_file(from, original))
        };
        let read = |file: &Attached| match &file.made {
            None => contents,
            Some((from, FileKind::File, original)) => settled(*from, original),
            Some(_) => false,
        };
        let file = |file: &Attached| File {
            id: file.id,
            made_by: file.made.as_ref().map_or(MadeBy::Person, |mark| MadeBy::ThisPair(file_mark(mark))),
            content: read(file).then(|| file.content.clone()),
            announced: false,
        };
        let (reference, id) = if on == Side::External { ("R-1", 1) } else { ("U-9", 9) };
        let attributes = side.fields.iter().map(|(code, value)| ((*code).to_owned(), value.clone()));
        let solution = ("solution".to_owned(), side.solution.clone());
        Reading::Here(Ticket {
            class: "UserRequest".into(),
            id,
            reference: reference.into(),
            status: side.status.clone(),
            attributes: attributes.chain([solution]).collect(),
            abroad: Default::default(),
            files: files.then(|| side.files.iter().map(file).collect()),
            logs: [(LogName::Private, side.entries(on))].into(),
            parents: Vec::new(),
            family: None,
            read_at_ms: self.now,
        })
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

fn file_mark((from, kind, key): &Mark) -> FileMark {
    FileMark { ticket: fixtures::ticket_mark("7f3a"), from: *from, kind: *kind, key: key.clone() }
}

fn known(code: &str) -> &'static str {
    CODES.into_iter().find(|known| *known == code).expect("a field of the model")
}

/// What the internal side is to hold for an external value.
fn as_inside(code: &str, outside: &str) -> String {
    match code {
        "title" => format!("[R-1] {outside}").chars().take(255).collect(),
        _ => outside.to_owned(),
    }
}
