//! People's deeds on files, and the bridge's copies of them.

use itop_bridge_core::Side;
use itop_bridge_core::mark::is_made_by_a_bridge;
use itop_bridge_store::Stored;
use itop_sim::{Attachment, Outcome, Sim, Ticket};

use super::ground::{Ground, name, sim_at};
use super::memory::{Given, LeftStanding, Memory};
use super::{Deed, picked};
use crate::history::Place;

pub(super) async fn act_on_files(sim: &Sim, memory: &mut Memory, at: Place, deed: Deed, pick: u64) {
    let word = memory.word();
    if deed == Deed::Attach {
        return attach(sim, memory, at, word, pick).await;
    }
    let hooks_from = sim.deliveries().len();
    if matches!(deed, Deed::DeleteFile | Deed::DeleteCopy) && !memory.may_delete_files(at, 1) {
        return;
    }
    let Some(file) = picked_file(sim, deed == Deed::DeleteCopy, pick) else { return };
    let data = file.data.to_vec();
    let version = match deed {
        Deed::Replace => (file.filename, word.into_bytes()),
        Deed::Rename => (format!("{word}.txt"), data),
        Deed::Download => return drop(sim.download_attachment(file.id).await.expect("it stands")),
        Deed::DeleteCopy => {
            memory.left_standing.retain(|left| (left.on, left.file) != (at, file.id));
            memory.removed_marks.push(file.temp_id);
            memory.count_deleted_files(at, 1);
            return sim.delete_attachment(file.id).await;
        }
        _ => {
            memory.deleted_files.insert((at, file.id));
            memory.count_deleted_files(at, 1);
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

async fn attach(sim: &Sim, memory: &mut Memory, at: Place, word: String, pick: u64) {
    let hooks_from = sim.deliveries().len();
    // A file added while its ticket's deletion is held would turn the earlier file deletions into separate ones.
    let stays = |ticket: &Ticket| !memory.deleted_tickets.contains(&(at, ticket.id));
    let Some(one) = picked(sim.tickets("Ticket").into_iter().filter(stays).collect(), pick) else { return };
    let name = format!("{word}.txt");
    let id = sim.attach(one.id, &name, "text/plain", word.as_bytes()).await.expect("a file");
    let versions = vec![(name, word.into_bytes())];
    memory.given.insert((at, id), Given { ticket: one.id, versions, hooks_from });
}

/// A file that a bridge, or a person, has made.
fn picked_file(sim: &Sim, by_a_bridge: bool, pick: u64) -> Option<Attachment> {
    let all = sim.all_attachments();
    picked(all.into_iter().filter(|file| is_made_by_a_bridge(&file.temp_id) == by_a_bridge).collect(), pick)
}

/// The bridge's copies on the other side of the files that people added to this ticket.
pub(super) async fn copies_of_its_files<G: Ground>(world: &G, at: Place, ticket: u64) -> Vec<LeftStanding> {
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
    let copies = stored.link.files.copies.iter().filter(|copy| copy.from == from && there(copy.original));
    let standing = copies.filter_map(|copy| copy.state.standing());
    let shown = standing.filter_map(|id| sim_at(world, on).attachment(id));
    shown.map(|file| LeftStanding { on, ticket: file.item_id, file: file.id }).collect()
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
