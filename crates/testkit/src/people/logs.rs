//! People's log entries: written, reworded, lost in iTop's own race, and copied down from a parent.

use std::collections::BTreeSet;

use itop_bridge_core::caselog::Entry;
use itop_bridge_core::parents::ParentKey;
use itop_bridge_core::{LogName, Side, TicketMark};
use itop_bridge_store::Stored;
use itop_bridge_text::log_entries::entries;
use itop_client::LogEntry;
use itop_sim::{Sim, Ticket};
use serde_json::json;

use super::ground::{Ground, link_of_internal, mark_of, name, sim_at};
use super::memory::{Memory, Spoken};
use super::picked;
use crate::history::Place;

/// Writes an entry. Entries differ in length, as people's usually do.
pub(super) async fn say<G: Ground>(world: &G, memory: &mut Memory, at: Place, ticket: u64, word: String, link: &str) {
    let sim = sim_at(world, at);
    let stays = at == Place::Elitery && link_of_internal(world, ticket).await.is_none() && !is_a_copy(sim, ticket);
    let more = ".".repeat(usize::try_from(memory.counter % 97).expect("small"));
    sim.add_log_entry(ticket, "private_log", &format!("<p>{word} {more}{link}</p>")).await.expect("an entry");
    memory.spoken.push(Spoken { at, ticket, word, earlier: Vec::new(), is_told_anew: false, stays });
}

fn is_a_copy(sim: &Sim, ticket: u64) -> bool {
    sim.ticket(ticket).is_some_and(|ticket| mark_of(&ticket).is_some())
}

/// Puts this word in the place of an entry's.
pub(super) async fn reword<G: Ground>(
    world: &G,
    memory: &mut Memory,
    at: Place,
    one: &Ticket,
    word: String,
    pick: u64,
) {
    let here = |spoken: &&mut Spoken| (spoken.at, spoken.ticket) == (at, one.id);
    let is_settled = is_log_settled(world, at, one).await;
    if let Some(spoken) = picked(memory.spoken.iter_mut().filter(here).collect(), pick)
        && sim_at(world, at).reword_log_entries(one.id, "private_log", &spoken.word, &word) > 0
    {
        spoken.is_told_anew |= !is_settled;
        spoken.earlier.push(std::mem::replace(&mut spoken.word, word));
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
    let is_known = |entry: &Entry| {
        log.delivered.iter().any(|key| key.hash == entry.key.hash) || TicketMark::find(&entry.html).is_some()
    };
    log.delivered.iter().all(|key| key.fresh_until_ms.is_none())
        && log.batches().next().is_none()
        && read(ticket).iter().all(is_known)
}

/// A ticket's private log as the bridge reads it.
fn read(ticket: &Ticket) -> Vec<Entry> {
    let log = ticket.log("private_log").iter().map(|entry| LogEntry {
        date: entry.at.to_string(),
        user_login: entry.user_login.clone(),
        user_id: entry.user_id,
        message: entry.html.clone(),
        message_html: entry.html.clone(),
    });
    entries(log.collect())
}

/// Loses at most two entries per ticket: three at once are taken for an accident.
pub(super) fn lose(sim: &Sim, memory: &mut Memory, at: Place, ticket: u64, pick: u64) {
    let lost = memory.lost.entry((at, ticket)).or_default();
    let here: Vec<&Spoken> = memory.spoken.iter().filter(|spoken| (spoken.at, spoken.ticket) == (at, ticket)).collect();
    if *lost < 2
        && let Some(spoken) = picked(here, pick)
    {
        *lost += sim.lose_log_entries(ticket, "private_log", &spoken.word);
    }
}

/// A ticket of the provider's own that was chosen as a parent is not deleted: iTop refuses that.
pub(super) async fn say_on_a_parent<G: Ground>(
    world: &G,
    memory: &mut Memory,
    parent: &Ticket,
    word: String,
    pick: u64,
) {
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
        || link_of_internal(world, child.id).await.is_some_and(|stored| stored.link.parents.iter().any(is_it))
}

/// What stands in the entries of an internal ticket that the bridge keeps back.
pub fn kept_back<G: Ground>(world: &G, stored: &Stored) -> Vec<String> {
    let ticket = stored.link.internal.as_ref().and_then(|key| sim_at(world, Place::Elitery).ticket(key.id));
    let Some(ticket) = ticket else { return Vec::new() };
    let held: BTreeSet<&str> =
        stored.link.logs.iter().flat_map(|log| &log.held).map(|held| held.key.hash.as_str()).collect();
    let kept_back = read(&ticket).into_iter().filter(|entry| held.contains(entry.key.hash.as_str()));
    kept_back.map(|entry| entry.html).collect()
}
