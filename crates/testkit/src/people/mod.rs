//! People's deeds on both sides, and the memory of them that is needed to judge the end.

use std::time::Duration;

use fields::{edit, linked};
use files::{act_on_files, copies_of_its_files};
use itop_sim::{Sim, Ticket};
use logs::{lose, say, say_on_a_parent};
use moves::go;
use serde_json::json;

use crate::history::{Draw, Place};
use crate::world::{sample, ticket};

mod fields;
mod files;
mod ground;
mod logs;
mod memory;
mod moves;

pub use fields::{LINKS, SECRET_ID, UNKNOWN_TO_INTERNAL, told};
pub use files::download_what_no_hook_told;
pub use ground::{Ground, link_of_internal, mark_of, name, sim_at};
pub use logs::kept_back;
pub use memory::{Given, InternalEdit, LeftStanding, Memory, ObjectAt, Spoken};

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
        Deed::Reword => logs::reword(world, memory, at, one, word, pick).await,
        Deed::SayOnParent => say_on_a_parent(world, memory, one, word, pick).await,
        Deed::Move => {
            if go(sim, one, pick, &word).await {
                memory.moved_by_people.insert((at, one.id));
            }
        }
        Deed::CorrectStart => correct_start(sim, memory, at, one, pick).await,
        Deed::ChangeOrganization => change_organization(world, at, one).await,
        _ => delete(world, memory, at, one, pick).await,
    }
}

async fn correct_start(sim: &Sim, memory: &mut Memory, at: Place, one: &Ticket, pick: u64) {
    // A change has a planned start, not a beginning.
    if !one.class.ends_with("Change") {
        let start = format!("2026-11-{:02} {:02}:{:02}:00", 20 + pick % 8, pick / 8 % 24, pick / 256 % 60);
        memory.corrected.insert((at, one.id));
        sim.update(one.id, json!({ "start_date": start })).await.expect("a date");
    }
}

async fn change_organization<G: Ground>(world: &G, at: Place, one: &Ticket) {
    // A ticket that was just created, and cannot be seen, would be created again.
    if at == Place::Elitery
        && link_of_internal(world, one.id).await.is_none_or(|stored| stored.link.in_flight.creation.is_some())
    {
        return;
    }
    let other = if one.field("org_id") == sample::DEMO.to_string() { sample::IT } else { sample::DEMO };
    sim_at(world, at).change_org(one.id, other).await.expect("an organisation");
}

async fn delete<G: Ground>(world: &G, memory: &mut Memory, at: Place, one: &Ticket, pick: u64) {
    if at == Place::Elitery && memory.parents.contains(&one.id) {
        return;
    }
    let sim = sim_at(world, at);
    let left = copies_of_its_files(world, at, one.id).await;
    memory.deleted_tickets.insert((at, one.id));
    let files = sim.attachments(one.id).len();
    if memory.holds_deletions && memory.may_delete_files(at, files) {
        memory.count_deleted_files(at, files);
        delete_held(sim, one.id, [0, 20, 60, 125][usize::try_from(pick % 4).expect("small")]).await;
    } else {
        sim.delete_ticket(one.id).await.expect("it stands");
    }
    memory.left_standing.extend(left);
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

fn picked<T>(all: Vec<T>, pick: u64) -> Option<T> {
    let at = usize::try_from(pick % all.len().max(1) as u64).expect("an index");
    all.into_iter().nth(at)
}
