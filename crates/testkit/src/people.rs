//! People's deeds on both sides, and the memory of them that is needed to judge the end.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use itop_bridge_core::mark::{TicketMark, is_made_by_a_bridge};
use itop_bridge_core::parents::ParentKey;
use itop_bridge_core::{Lifecycles, LogName, Side, TicketKey};
use itop_bridge_store::{SqliteStore, Stored};
use itop_bridge_text::log_entries::entries;
use itop_client::LogEntry;
use itop_sim::{Attachment, Outcome, Sim, Ticket};
use serde_json::{Value as Json, json};

use crate::history::{Draw, Place};
use crate::site::Site;
use crate::world::{World, all_links, sample, ticket};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    Create(&'static str),
    Edit(&'static str),
    Attach,
    Replace,
    Rename,
    /// A file that a person added.
    DeleteFile,
    /// A file that the bridge made.
    DeleteCopy,
    Download,
    Say,
    /// Any stimulus that the ticket's state permits.
    Move,
    ChangeOrganization,
    DeleteTicket,
    /// Corrects when the ticket began.
    CorrectStart,
    /// iTop's own race: if two people append at once, one entry is lost.
    LoseEntry,
    /// A moderator rewrites an entry in place.
    Reword,
    /// The provider makes a bridged ticket the child of one of their own, and writes on the parent: iTop copies the
    /// entry down.
    SayOnParent,
}

impl Deed {
    pub fn of(draw: &Draw) -> Deed {
        match draw.below(64) {
            0..7 => Deed::Create(draw.one_of(&["UserRequest", "UserRequest", "Incident", "NormalChange"])),
            7..18 => Deed::Edit(draw.one_of(&["title", "description", "urgency"])),
            18..26 => Deed::Attach,
            26..30 => Deed::Replace,
            30..33 => Deed::Rename,
            33..37 => Deed::DeleteFile,
            37..39 => Deed::DeleteCopy,
            39..41 => Deed::Download,
            41..48 => Deed::Say,
            48..56 => Deed::Move,
            56..58 => Deed::ChangeOrganization,
            58 => Deed::LoseEntry,
            60..62 => Deed::Reword,
            62..64 => Deed::SayOnParent,
            _ => Deed::DeleteTicket,
        }
    }
}

/// A ticket, by side and id.
pub type Outside = (Place, u64);

/// A person's log entry.
#[derive(Debug)]
pub struct Spoken {
    pub at: Place,
    pub ticket: u64,
    pub word: String,
    /// Its earlier texts, before rewordings.
    pub earlier: Vec<String>,
    /// It was reworded before the bridge could tell that from a lost entry and a new one: each text crosses.
    pub is_told_anew: bool,
    /// It was written on a ticket of the provider's own.
    pub stays: bool,
}

impl Spoken {
    /// How often this text contains the entry, in any of its wordings.
    pub fn times_in(&self, text: &str) -> usize {
        self.earlier.iter().chain([&self.word]).map(|word| text.matches(word.as_str()).count()).sum()
    }

    pub fn most(&self) -> usize {
        if self.is_told_anew { self.earlier.len() + 1 } else { 1 }
    }
}

/// A file that a person added, with all its versions.
#[derive(Debug)]
pub struct Given {
    pub ticket: u64,
    pub versions: Vec<(String, Vec<u8>)>,
    /// The first webhook of its last change.
    pub hooks_from: usize,
}

/// The last edit of a field in the internal.
#[derive(Debug)]
pub struct InsideEdit {
    pub value: String,
    /// The field was edited in the external since.
    pub is_outdated: bool,
    /// Both sides agreed on this field, and nothing was under way: only a change in the external undoes the edit.
    pub over_agreement: bool,
}

/// A file's copy that existed when somebody deleted the file's whole ticket: it stays.
#[derive(Debug)]
pub struct LeftStanding {
    pub on: Place,
    pub ticket: u64,
    pub file: u64,
}

#[derive(Debug, Default)]
pub struct Memory {
    counter: u64,
    /// Long waits are possible: time is virtual.
    pub holds_deletions: bool,
    /// Tickets that people made, on any side.
    pub born: BTreeMap<Outside, &'static str>,
    pub deleted_tickets: BTreeSet<Outside>,
    pub left_standing: Vec<LeftStanding>,
    pub edits_inside: BTreeMap<(u64, &'static str), InsideEdit>,
    pub moved_by_people: BTreeSet<Outside>,
    /// Tickets whose start somebody corrected.
    pub corrected: BTreeSet<Outside>,
    /// The provider's own tickets that have children.
    pub parents: BTreeSet<u64>,
    /// The provider's tickets that have, or had, one of these as their parent.
    pub children: BTreeSet<u64>,
    /// The words of entries that an operator keeps where they are.
    pub kept_by_an_operator: BTreeSet<String>,
    pub spoken: Vec<Spoken>,
    pub lost: BTreeMap<Outside, usize>,
    pub given: BTreeMap<Outside, Given>,
    pub deleted_files: BTreeSet<Outside>,
    /// Marks of the bridge's files that people deleted.
    pub removed_marks: Vec<String>,
    /// How many files people deleted at each place, whoever had made them.
    deleted_at: BTreeMap<Place, usize>,
}

/// If five of one side's files vanish at once, the bridge takes it for an accident.
const MOST_DELETED: usize = 4;

impl Memory {
    fn may_delete_a_file(&self, at: Place) -> bool {
        self.may_delete_files(at, 1)
    }

    /// While iTop deletes a ticket, the ticket stands without its files.
    fn may_delete_files(&self, at: Place, count: usize) -> bool {
        self.deleted_at.get(&at).copied().unwrap_or_default() + count <= MOST_DELETED
    }

    fn word(&mut self) -> String {
        self.counter += 1;
        format!("w{:05}", self.counter)
    }
}

/// The scene of people's work: the iTops, and the bridge's links between them.
#[allow(async_fn_in_trait, reason = "only the tests of this workspace use it, each on one thread")]
pub trait Ground {
    fn sim(&self, place: Place) -> &Sim;
    async fn links(&self) -> Vec<Stored>;
}

impl Ground for World {
    fn sim(&self, place: Place) -> &Sim {
        match place {
            Place::Acme => self.acme(),
            Place::Beta => self.beta(),
            Place::Elitery => &self.internal,
        }
    }

    async fn links(&self) -> Vec<Stored> {
        World::links(self).await
    }
}

impl Ground for Site {
    fn sim(&self, place: Place) -> &Sim {
        match place {
            Place::Elitery => &self.elitery,
            _ => &self.acme,
        }
    }

    async fn links(&self) -> Vec<Stored> {
        let Ok(mut store) = SqliteStore::open_to_read(self.store()) else { return Vec::new() };
        all_links(&mut store)
    }
}

pub fn sim_at<G: Ground>(ground: &G, place: Place) -> &Sim {
    ground.sim(place)
}

/// The mark in the first entry of an internal ticket's log.
pub fn mark_of(ticket: &Ticket) -> Option<TicketMark> {
    TicketMark::find(&ticket.log("private_log").first()?.html)
}

fn picked<T>(all: Vec<T>, pick: u64) -> Option<T> {
    let at = usize::try_from(pick % all.len().max(1) as u64).expect("an index");
    all.into_iter().nth(at)
}

fn files(sim: &Sim, by_a_bridge: bool, pick: u64) -> Option<Attachment> {
    let all = sim.all_attachments();
    picked(all.into_iter().filter(|file| is_made_by_a_bridge(&file.temp_id) == by_a_bridge).collect(), pick)
}

/// Carries out the deed if there is an object for it; a deed that iTop refuses is skipped.
pub async fn act<G: Ground>(world: &G, memory: &mut Memory, at: Place, deed: Deed, pick: u64) {
    let sim = sim_at(world, at);
    match deed {
        Deed::Create(class) => {
            let word = memory.word();
            let id = sim.create_ticket(class, ticket(&word)).await.expect("a whole ticket");
            memory.born.insert((at, id), class);
        }
        Deed::Attach | Deed::Replace | Deed::Rename | Deed::DeleteFile | Deed::DeleteCopy | Deed::Download => {
            act_on_files(sim, memory, at, deed, pick).await;
        }
        _ => {
            let Some(one) = picked(sim.tickets("Ticket"), pick) else { return };
            act_on_ticket(world, memory, at, deed, &one, pick / 64).await;
        }
    }
}

async fn act_on_files(sim: &Sim, memory: &mut Memory, at: Place, deed: Deed, pick: u64) {
    let word = memory.word();
    let hooks_from = sim.deliveries().len();
    if deed == Deed::Attach {
        // A file added while its ticket's deletion is held would turn the earlier file deletions into separate ones.
        let stays = |ticket: &Ticket| !memory.deleted_tickets.contains(&(at, ticket.id));
        let Some(one) = picked(sim.tickets("Ticket").into_iter().filter(stays).collect(), pick) else { return };
        let name = format!("{word}.txt");
        let id = sim.attach(one.id, &name, "text/plain", word.as_bytes()).await.expect("a file");
        let versions = vec![(name, word.into_bytes())];
        memory.given.insert((at, id), Given { ticket: one.id, versions, hooks_from });
        return;
    }
    if matches!(deed, Deed::DeleteFile | Deed::DeleteCopy) && !memory.may_delete_a_file(at) {
        return;
    }
    let Some(file) = files(sim, deed == Deed::DeleteCopy, pick) else { return };
    let data = file.data.to_vec();
    let version = match deed {
        Deed::Replace => (file.filename, word.into_bytes()),
        Deed::Rename => (format!("{word}.txt"), data),
        Deed::Download => return drop(sim.download_attachment(file.id).await.expect("it stands")),
        Deed::DeleteCopy => {
            memory.left_standing.retain(|left| (left.on, left.file) != (at, file.id));
            memory.removed_marks.push(file.temp_id);
            *memory.deleted_at.entry(at).or_default() += 1;
            return sim.delete_attachment(file.id).await;
        }
        _ => {
            memory.deleted_files.insert((at, file.id));
            *memory.deleted_at.entry(at).or_default() += 1;
            return sim.delete_attachment(file.id).await;
        }
    };
    if deed == Deed::Replace {
        sim.replace_attachment(file.id, &version.1).await.expect("it stands");
    } else {
        sim.rename_attachment(file.id, &version.0).await.expect("it stands");
    }
    let given = memory.given.get_mut(&(at, file.id)).expect("a person gave it");
    given.versions.push(version);
    given.hooks_from = hooks_from;
}

async fn act_on_ticket<G: Ground>(world: &G, memory: &mut Memory, at: Place, deed: Deed, one: &Ticket, pick: u64) {
    let sim = sim_at(world, at);
    let word = memory.word();
    match deed {
        Deed::Edit(code) => edit(world, memory, at, one, code, &word, pick).await,
        Deed::Say | Deed::LoseEntry => {
            if deed == Deed::LoseEntry {
                // The other writer's save announces the loss.
                lose(sim, memory, at, one.id, pick);
            }
            say(world, memory, at, one.id, word, linked(pick)).await;
        }
        Deed::Reword => {
            let here = |spoken: &&mut Spoken| (spoken.at, spoken.ticket) == (at, one.id);
            let is_settled = is_log_settled(world, at, one).await;
            if let Some(spoken) = picked(memory.spoken.iter_mut().filter(here).collect(), pick)
                && sim.reword_log_entries(one.id, "private_log", &spoken.word, &word) > 0
            {
                spoken.is_told_anew |= !is_settled;
                spoken.earlier.push(std::mem::replace(&mut spoken.word, word));
            }
        }
        Deed::SayOnParent => say_on_a_parent(world, memory, one, word, pick).await,
        Deed::Move => {
            if go(sim, one, pick, &word).await {
                memory.moved_by_people.insert((at, one.id));
            }
        }
        Deed::CorrectStart => {
            // A change has a planned start, not a beginning.
            if !one.class.ends_with("Change") {
                let start = format!("2026-11-{:02} {:02}:{:02}:00", 20 + pick % 8, pick / 8 % 24, pick / 256 % 60);
                memory.corrected.insert((at, one.id));
                sim.update(one.id, json!({ "start_date": start })).await.expect("a date");
            }
        }
        Deed::ChangeOrganization => {
            // A ticket that was just created, and cannot be seen, would be created again.
            if at == Place::Elitery
                && link_inside(world, one.id).await.is_none_or(|stored| stored.link.creation.is_some())
            {
                return;
            }
            let other = if one.field("org_id") == sample::DEMO.to_string() { sample::IT } else { sample::DEMO };
            sim.change_org(one.id, other).await.expect("an organisation");
        }
        _ => {
            if at == Place::Elitery && memory.parents.contains(&one.id) {
                return;
            }
            let left = copies_of_its_files(world, at, one.id).await;
            memory.deleted_tickets.insert((at, one.id));
            let files = sim.attachments(one.id).len();
            if memory.holds_deletions && memory.may_delete_files(at, files) {
                *memory.deleted_at.entry(at).or_default() += files;
                delete_held(sim, one.id, [0, 20, 60, 125][usize::try_from(pick % 4).expect("small")]).await;
            } else {
                sim.delete_ticket(one.id).await.expect("it stands");
            }
            memory.left_standing.extend(left);
        }
    }
}

/// Whether every entry of a log has crossed, and was seen to exist after that.
async fn is_log_settled<G: Ground>(world: &G, at: Place, ticket: &Ticket) -> bool {
    let side = if at == Place::Elitery { Side::Internal } else { Side::External };
    let is_it = |stored: &&Stored| {
        let is_there = side == Side::Internal || stored.external_name == name(at);
        is_there && stored.link.key(side).is_some_and(|key| key.id == ticket.id)
    };
    let links = world.links().await;
    let Some(log) = links.iter().find(is_it).and_then(|stored| stored.link.log(side, LogName::Private)) else {
        return false;
    };
    let settled = log.delivered.iter().filter(|key| key.fresh_until_ms.is_none()).count();
    let marked = usize::from(mark_of(ticket).is_some());
    settled == log.delivered.len()
        && log.batches().next().is_none()
        && settled + marked >= ticket.log("private_log").len()
}

/// Writes an entry. Entries differ in length, as people's usually do.
async fn say<G: Ground>(world: &G, memory: &mut Memory, at: Place, ticket: u64, word: String, link: &str) {
    let sim = sim_at(world, at);
    let stays = at == Place::Elitery && link_inside(world, ticket).await.is_none() && !is_a_copy(sim, ticket);
    let more = ".".repeat(usize::try_from(memory.counter % 97).expect("small"));
    sim.add_log_entry(ticket, "private_log", &format!("<p>{word} {more}{link}</p>")).await.expect("an entry");
    memory.spoken.push(Spoken { at, ticket, word, earlier: Vec::new(), is_told_anew: false, stays });
}

fn is_a_copy(sim: &Sim, ticket: u64) -> bool {
    sim.ticket(ticket).is_some_and(|ticket| mark_of(&ticket).is_some())
}

/// A ticket of the provider's own that was chosen as a parent is not deleted: iTop refuses that.
async fn say_on_a_parent<G: Ground>(world: &G, memory: &mut Memory, parent: &Ticket, word: String, pick: u64) {
    let sim = sim_at(world, Place::Elitery);
    let is_own = memory.born.get(&(Place::Elitery, parent.id)) == Some(&"UserRequest")
        && !memory.deleted_tickets.contains(&(Place::Elitery, parent.id))
        // In a restored iTop the id may belong to another ticket, even a counterpart.
        && sim.ticket(parent.id).is_some_and(|ticket| ticket.class == "UserRequest" && mark_of(&ticket).is_none());
    if !is_own {
        return;
    }
    let is_bridged = |ticket: &Ticket| mark_of(ticket).is_some() && ticket.id != parent.id;
    let children = sim.tickets("UserRequest").into_iter().filter(is_bridged).collect();
    if let Some(child) = picked(children, pick) {
        if !has_seen_its_parent(world, &child, parent.id).await {
            return;
        }
        memory.parents.insert(parent.id);
        memory.children.insert(child.id);
        sim.update(child.id, json!({ "parent_request_id": parent.id })).await.expect("a parent");
        say(world, memory, Place::Elitery, parent.id, word, "").await;
    }
}

/// Copies from a parent that the bridge never saw cannot be told apart, as `docs/guide/operate.md` says: before a child
/// gets another parent, the bridge has read the present one.
async fn has_seen_its_parent<G: Ground>(world: &G, child: &Ticket, next: u64) -> bool {
    let present: u64 = child.field("parent_request_id").parse().unwrap_or_default();
    let is_it = |(side, key): &(Side, ParentKey)| *side == Side::Internal && key.id == present;
    present == 0
        || present == next
        || link_inside(world, child.id).await.is_some_and(|stored| stored.link.parents.iter().any(is_it))
}

/// What stands in the entries of an internal ticket that the bridge keeps back.
pub fn kept_back<G: Ground>(world: &G, stored: &Stored) -> Vec<String> {
    let ticket = stored.link.internal.as_ref().and_then(|key| sim_at(world, Place::Elitery).ticket(key.id));
    let Some(ticket) = ticket else { return Vec::new() };
    let log = ticket.log("private_log").iter().map(|entry| LogEntry {
        date: entry.at.to_string(),
        user_login: entry.user_login.clone(),
        user_id: entry.user_id,
        message: entry.html.clone(),
        message_html: entry.html.clone(),
    });
    let held: BTreeSet<&str> =
        stored.link.logs.iter().flat_map(|log| &log.held).map(|held| held.key.hash.as_str()).collect();
    let kept_back = entries(log.collect()).into_iter().filter(|entry| held.contains(entry.key.hash.as_str()));
    kept_back.map(|entry| entry.html).collect()
}

/// The ticket's files are deleted first, one by one; then another action delays its own deletion by this time, while
/// others work on.
async fn delete_held(sim: &Sim, ticket: u64, seconds: u64) {
    sim.hold_deletion(Duration::from_secs(seconds));
    let deleting = sim.clone();
    tokio::spawn(async move { deleting.delete_ticket(ticket).await });
    // Until the deletion has begun, which is when it reads the delay.
    tokio::task::yield_now().await;
    sim.hold_deletion(Duration::ZERO);
}

/// The bridge's copies on the other side of the files that people added to this ticket.
async fn copies_of_its_files<G: Ground>(world: &G, at: Place, ticket: u64) -> Vec<LeftStanding> {
    let is_it = |stored: &Stored| match at {
        Place::Elitery => stored.link.internal.as_ref().is_some_and(|key| key.id == ticket),
        _ => (&stored.external_name, stored.link.external.id) == (&name(at), ticket),
    };
    let Some(stored) = world.links().await.into_iter().find(is_it) else { return Vec::new() };
    let (from, on) = match at {
        Place::Elitery if stored.external_name == name(Place::Acme) => (Side::Internal, Place::Acme),
        Place::Elitery => (Side::Internal, Place::Beta),
        _ => (Side::External, Place::Elitery),
    };
    let there = |original: u64| sim_at(world, at).attachment(original).is_some();
    let copies = stored.link.copies.iter().filter(|copy| copy.from == from && there(copy.original));
    let standing = copies.filter_map(|copy| copy.state.standing());
    let shown = standing.filter_map(|id| sim_at(world, on).attachment(id));
    shown.map(|file| LeftStanding { on, ticket: file.item_id, file: file.id }).collect()
}

async fn edit<G: Ground>(
    world: &G,
    memory: &mut Memory,
    at: Place,
    one: &Ticket,
    code: &'static str,
    word: &str,
    pick: u64,
) {
    let value = match code {
        "description" if at != Place::Elitery => {
            described(sim_at(world, at), one.id, &format!("{word}{}", linked(pick)), pick).await
        }
        "description" => format!("<p>{word}{}</p>", linked(pick)),
        "urgency" if at != Place::Elitery && pick.is_multiple_of(5) => unknown_inside(sim_at(world, at)).into(),
        "urgency" => (1 + pick % 4).to_string(),
        _ => word.to_owned(),
    };
    let has_none = code == "urgency" && one.class.ends_with("Change");
    if has_none || value == one.field(code) {
        return;
    }
    let over_agreement = at == Place::Elitery && agreed(world, one, code).await;
    sim_at(world, at).update(one.id, json!({ code: value })).await.expect("a field");
    if at == Place::Elitery {
        memory.edits_inside.insert((one.id, code), InsideEdit { value, is_outdated: false, over_agreement });
        return;
    }
    // Whatever was agreed: this side wins now.
    for ticket in sim_at(world, Place::Elitery).tickets("Ticket") {
        let is_copy = mark_of(&ticket).is_some_and(|mark| (mark.external, mark.ticket) == (name(at), one.id));
        if let (true, Some(edit)) = (is_copy, memory.edits_inside.get_mut(&(ticket.id, code))) {
            (edit.over_agreement, edit.is_outdated) = (false, true);
        }
    }
}

/// Most write a word, some write much, and some paste an image.
async fn described(sim: &Sim, ticket: u64, word: &str, pick: u64) -> String {
    let bytes = match pick % 8 {
        0 => return format!("<p>{}</p>", vec![word; 600].join(" ")),
        1 => 600,
        2 => 5_000,
        _ => return format!("<p>{word}</p>"),
    };
    let mut data = b"\x89PNG\r\n\x1a\n".to_vec();
    data.resize(bytes, 7);
    let image = sim.add_inline_image(ticket, "5ec2e7", "image/png", &data).await.expect("a picture");
    format!("<p>{word} {}</p>", image.html)
}

/// A value that the customer's iTop may know and the provider's does not.
pub const UNKNOWN_INSIDE: &str = "9";

fn unknown_inside(sim: &Sim) -> &'static str {
    if sim.allows_value("urgency", UNKNOWN_INSIDE) { UNKNOWN_INSIDE } else { "1" }
}

/// The id of a ticket that must not be revealed to any other iTop.
pub const SECRET_ID: &str = "471147";

/// Links that people write after their words, which mean something in their own iTop only, and their form in the
/// other.
pub const LINKS: [(&str, &str); 3] = [
    (" [[UserRequest:471147]]", " (link to another ticket)"),
    (" [[Person:471147|Agatha]]", " Agatha"),
    (" <a href=\"http://itop.example/pages/UI.php?id=471147\">there</a>", " there"),
];

fn linked(pick: u64) -> &'static str {
    let at = usize::try_from(pick / 4 % 8).expect("small");
    LINKS.get(at).map_or("", |(written, _)| written)
}

/// A text in the form that the other iTop receives.
pub fn told(text: &str) -> String {
    LINKS.iter().fold(text.to_owned(), |text, (written, told)| text.replace(written, told))
}

/// Whether the bridge has nothing more to write to this internal field.
async fn agreed<G: Ground>(world: &G, one: &Ticket, code: &str) -> bool {
    let Some(stored) = link_inside(world, one.id).await else { return false };
    let link = stored.link;
    let place = if stored.external_name == name(Place::Acme) { Place::Acme } else { Place::Beta };
    let Some(outside) = sim_at(world, place).ticket(link.external.id) else { return false };
    let known = link.ancestor.external.fields.get(code);
    let nothing_under_way = link.sending.is_none() && link.late.is_empty() && link.owed.is_empty();
    nothing_under_way && known.is_some_and(|known| known == outside.field(code))
}

/// A change of contents in place whose webhook was lost is not found: the one stated exception. The file's next
/// webhook brings it across, and a download is enough.
pub async fn download_what_no_hook_told<G: Ground>(world: &G, memory: &Memory) {
    for ((at, id), given) in &memory.given {
        let sim = sim_at(world, *at);
        let hooks = sim.deliveries();
        let told = hooks
            .iter()
            .skip(given.hooks_from)
            .any(|hook| hook.class == "Attachment" && hook.id == *id && hook.outcome == Outcome::Answered(202));
        if !told && given.versions.len() > 1 && sim.attachment(*id).is_some() {
            sim.download_attachment(*id).await.expect("it stands");
        }
    }
}

/// The link of an internal ticket.
pub async fn link_inside<G: Ground>(world: &G, id: u64) -> Option<Stored> {
    let is_it = |key: &TicketKey| key.id == id;
    world.links().await.into_iter().find(|stored| stored.link.internal.as_ref().is_some_and(is_it))
}

/// A side's name in the configuration.
pub fn name(place: Place) -> String {
    match place {
        Place::Acme => "acme",
        Place::Beta => "beta",
        Place::Elitery => "elitery",
    }
    .into()
}

/// Loses at most two entries per ticket: three at once are taken for an accident.
fn lose(sim: &Sim, memory: &mut Memory, at: Place, ticket: u64, pick: u64) {
    let lost = memory.lost.entry((at, ticket)).or_default();
    let here: Vec<&Spoken> = memory.spoken.iter().filter(|spoken| (spoken.at, spoken.ticket) == (at, ticket)).collect();
    if *lost < 2
        && let Some(spoken) = picked(here, pick)
    {
        *lost += sim.lose_log_entries(ticket, "private_log", &spoken.word);
    }
}

/// Applies a stimulus that the present state permits, with every field that its form asks for. Returns whether iTop
/// accepted it.
async fn go(sim: &Sim, one: &Ticket, pick: u64, word: &str) -> bool {
    let lifecycles = Lifecycles::built_in();
    let Some(lifecycle) = lifecycles.of(&one.class) else { return false };
    let by_people = |stimulus: &str| lifecycle.stimuli.get(stimulus).is_some_and(|kind| kind == "StimulusUserAction");
    let from_here = lifecycle.transitions.iter().filter(|t| t.from == one.status() && by_people(&t.stimulus));
    let Some(transition) = picked(from_here.collect(), pick) else { return false };
    let fields: serde_json::Map<String, Json> =
        transition.asked().filter_map(|code| Some((code.to_owned(), answer(&one.class, code, word)?))).collect();
    sim.stimulus(one.id, &transition.stimulus, Json::Object(fields)).await.is_ok()
}

/// The value that a person fills into a form; none if the ticket's own value will do.
fn answer(class: &str, code: &str, word: &str) -> Option<Json> {
    Some(match code {
        "team_id" | "supervisor_group_id" | "manager_group_id" => json!(sample::HELPDESK),
        "agent_id" | "supervisor_id" | "manager_id" => json!(9),
        "approver_id" => json!(sample::HUGO),
        "service_id" => json!(sample::SOFTWARE),
        "servicesubcategory_id" => json!(4),
        "resolution_code" => json!("hardware_repair"),
        "user_satisfaction" => json!("2"),
        "outage" => json!("yes"),
        "start_date" => json!("2026-12-01 08:00:00"),
        "end_date" => json!("2026-12-01 18:00:00"),
        _ if code.ends_with("_date") => json!("2026-11-24 10:00:00"),
        "impact" if !class.ends_with("Change") => return None,
        "title" | "description" => return None,
        _ if code.ends_with("_id") => return None,
        _ => json!(word),
    })
}
