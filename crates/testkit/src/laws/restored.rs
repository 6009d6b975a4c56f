//! The laws that remain if a restored backup lost people's deeds.

use itop_bridge_core::Side;
use itop_bridge_store::{LinkState, Stored};

use super::{Judge, files_of_tickets};
use crate::history::Place;
use crate::people::{Ground, Spoken, mark_of, name, sim_at};

impl<G: Ground> Judge<'_, G> {
    /// A copy whose original the backup lacks stays, and so do files made for a counterpart that is gone: the
    /// original's id may be another file's by now.
    pub(super) fn nothing_is_there_twice(&mut self, links: &[Stored]) {
        let left_behind = links.iter().flat_map(|stored| stored.link.files.left_behind.clone());
        let left_behind = left_behind.map(|file| (Side::External, file));
        let orphaned = links.iter().flat_map(|stored| stored.link.files.orphaned.clone());
        let stays: Vec<(Side, u64)> = orphaned.chain(left_behind).collect();
        for place in self.scene.places() {
            let side = if *place == Place::Elitery { Side::Internal } else { Side::External };
            let files = files_of_tickets(sim_at(self.world, *place)).into_iter();
            let files = files.filter(|file| !stays.contains(&(side, file.id)));
            let mut marks: Vec<String> = files.map(|file| file.temp_id).collect();
            marks.retain(|mark| mark.starts_with("itop-bridge:") && !mark.contains(":log:"));
            marks.sort();
            let twice = marks.windows(2).find(|two| two[0] == two[1]).map(|two| two[0].clone());
            self.demand(twice.is_none(), || format!("no duplicates: {twice:?} at {place:?}"));
        }
        let tickets = sim_at(self.world, Place::Elitery).tickets("Ticket");
        let mut marks: Vec<String> =
            tickets.iter().filter_map(mark_of).map(|mark| format!("{}:{}", mark.external, mark.ticket)).collect();
        marks.sort();
        let twice = marks.windows(2).find(|two| two[0] == two[1]).map(|two| two[0].clone());
        self.demand(twice.is_none(), || format!("no duplicates: two copies of {twice:?}"));
    }

    /// A person's entry crosses once, even if the file that carried it was lost.
    pub(super) fn no_entry_is_there_twice(&mut self) {
        for spoken in &self.memory.spoken {
            let Spoken { at, ticket, word, .. } = spoken;
            let others = self.scene.places().iter().filter(|place| *place != at);
            let times: usize = others
                .flat_map(|place| files_of_tickets(sim_at(self.world, *place)))
                .filter(|file| file.temp_id.contains(":log:"))
                .map(|file| spoken.times_in(&String::from_utf8_lossy(&file.data)))
                .sum();
            self.demand(times <= spoken.most(), || {
                format!("no duplicates: {word} of {at:?} {ticket} crossed {times} times")
            });
        }
    }

    /// For every pair that goes on: each existing file has its copy, unless a person removed that.
    pub(super) fn what_stands_was_carried(&mut self, links: &[Stored]) {
        let goes_on = |stored: &&Stored| stored.state == LinkState::Live && stored.link.course.halt.is_none();
        for stored in links.iter().filter(goes_on) {
            let place = if stored.external_name == name(Place::Acme) { Place::Acme } else { Place::Beta };
            let Some(internal) = &stored.link.internal else { continue };
            let ways = [
                (place, stored.link.external.id, Place::Elitery, "external"),
                (Place::Elitery, internal.id, place, "internal"),
            ];
            let token =
                format!("itop-bridge:7f3a:{}:{}:{}", name(place), stored.link.external.class, stored.link.external.id);
            for (from, ticket, to, side) in ways {
                for file in sim_at(self.world, from).attachments(ticket) {
                    let mark = format!("{token}:{side}:file:{}", file.id);
                    let copies = self.marked(sim_at(self.world, to), &mark).len();
                    let is_carried = !file.temp_id.is_empty() || copies > 0 || self.removed(&mark);
                    self.demand(is_carried, || {
                        format!("no loss: the file {} of {from:?} {ticket} has no copy", file.id)
                    });
                }
            }
        }
    }
}
