//! The laws, checked once all faults have ended and the queue is empty. Each breach is a sentence.

use std::collections::BTreeMap;

use itop_bridge_store::{LinkState, Stored};
use itop_sim::{Attachment, Sim, Ticket};

use crate::history::{Place, Scene};
use crate::people::{Ground, Memory, ObjectAt, mark_of, name, sim_at};

mod converge;
mod files;
mod ownership;
mod restored;

/// A customer's ticket, its copy and the bridge's link of the two.
struct Pair {
    external: Ticket,
    internal: Ticket,
    place: Place,
    stored: Stored,
}

impl Pair {
    fn key(&self) -> ObjectAt {
        (self.place, self.external.id)
    }

    /// The prefix of the marks of its files.
    fn token(&self) -> String {
        format!("itop-bridge:7f3a:{}:{}:{}", name(self.place), self.external.class, self.external.id)
    }
}

struct Judge<'a, G> {
    world: &'a G,
    memory: &'a Memory,
    scene: &'a Scene,
    breaches: Vec<String>,
}

pub async fn breaches<G: Ground>(world: &G, memory: &Memory, scene: &Scene) -> Vec<String> {
    let mut judge = Judge { world, memory, scene, breaches: Vec::new() };
    let links = world.links().await;
    judge.nothing_of_the_provider_goes_out();
    judge.no_text_is_written_to_an_external();
    judge.no_link_crosses();
    judge.what_was_said_on_a_ticket_of_the_providers_own_stays();
    if scene.restored.is_some() {
        judge.nothing_is_there_twice(&links);
        judge.no_entry_is_there_twice();
        judge.what_stands_was_carried(&links);
        return judge.breaches;
    }
    judge.a_deleted_ticket_takes_no_copy_with_it();
    for pair in judge.pairs(links) {
        judge.fields_converge(&pair);
        judge.status_follows(&pair);
        judge.one_report(&pair);
        judge.files_converge(&pair);
        judge.entries_cross_once(&pair);
    }
    judge.breaches
}

impl<G: Ground> Judge<'_, G> {
    fn demand(&mut self, holds: bool, breach: impl FnOnce() -> String) {
        if !holds {
            self.breaches.push(breach());
        }
    }

    /// Checks that each ticket has one copy; returns the pairs of which both tickets exist.
    fn pairs(&mut self, links: Vec<Stored>) -> Vec<Pair> {
        let mut links: BTreeMap<(String, u64), Stored> =
            links.into_iter().map(|stored| ((stored.external_name.clone(), stored.link.external.id), stored)).collect();
        let born = self.memory.born.keys().filter(|(place, _)| *place != Place::Elitery);
        born.filter_map(|&(place, id)| self.pair_of(place, id, links.remove(&(name(place), id)))).collect()
    }

    /// The pair of an external ticket; none if one of its tickets was deleted, or if it halted with a reason.
    fn pair_of(&mut self, place: Place, id: u64, stored: Option<Stored>) -> Option<Pair> {
        let is_copy =
            |ticket: &Ticket| mark_of(ticket).is_some_and(|mark| (mark.external, mark.ticket) == (name(place), id));
        let mut copies: Vec<Ticket> =
            sim_at(self.world, Place::Elitery).tickets("Ticket").into_iter().filter(is_copy).collect();
        self.demand(copies.len() <= 1, || format!("no duplicates: {} copies of {place:?} {id}", copies.len()));
        let internal_known = stored.as_ref().and_then(|stored| stored.link.internal.as_ref()).map(|key| key.id);
        let gone = |place, id| self.memory.deleted_tickets.contains(&(place, id));
        if gone(place, id) || internal_known.is_some_and(|id| gone(Place::Elitery, id)) {
            let stands_still = |stored: &Stored| stored.link.course.halt.is_some() || stored.state != LinkState::Live;
            let halts = internal_known.is_none() || stored.as_ref().is_some_and(stands_still);
            self.demand(halts, || format!("halt: {place:?} {id} goes on without one of its tickets"));
            return None;
        }
        let Some(stored) = stored else {
            self.breaches.push(format!("no loss: {place:?} {id} has no link"));
            return None;
        };
        if let Some(halt) = halt_of(&stored) {
            // If everything else that identifies it has changed too, a corrected ticket cannot be told from another
            // one; nor can one that was corrected while hidden: the bridge halts rather than guess.
            let is_corrected = |place, id| self.memory.corrected.contains(&(place, id));
            let is_in_doubt = ["is another ticket now", "is no longer there"].iter().any(|doubt| halt.contains(doubt))
                && (is_corrected(place, id) || internal_known.is_some_and(|id| is_corrected(Place::Elitery, id)));
            self.demand(is_in_doubt, || format!("halted without a reason: {place:?} {id}: {halt}"));
            return None;
        }
        let (Some(internal), Some(external)) = (copies.pop(), sim_at(self.world, place).ticket(id)) else {
            self.breaches.push(format!("no loss: {place:?} {id} has no copy"));
            return None;
        };
        Some(Pair { external, internal, place, stored })
    }

    fn marked(&self, on: &Sim, mark: &str) -> Vec<Attachment> {
        on.all_attachments().into_iter().filter(|file| file.temp_id == mark).collect()
    }

    fn removed(&self, mark: &str) -> bool {
        self.memory.removed_marks.iter().any(|removed| removed == mark)
    }
}

/// The reason why a pair, or one of its logs, is halted.
fn halt_of(stored: &Stored) -> Option<String> {
    let halt = stored.link.course.halt.as_ref().map(|halt| halt.text.clone());
    halt.or_else(|| stored.link.halted_logs().next().map(|(_, halt)| format!("log: {halt:?}")))
}

/// A file made while its ticket was being deleted is left without a ticket: nobody sees it.
fn files_of_tickets(sim: &Sim) -> Vec<Attachment> {
    let mut files = sim.all_attachments();
    files.retain(|file| sim.ticket(file.item_id).is_some());
    files
}
