//! Ownership: nothing of the provider's goes out, the bridge writes no text to an external, and no deletion spreads.

use itop_bridge_core::mark::is_made_by_a_bridge;

use super::Judge;
use crate::history::Place;
use crate::people::{Ground, SECRET_ID, Spoken, sim_at};

impl<G: Ground> Judge<'_, G> {
    pub(super) fn nothing_of_the_provider_goes_out(&mut self) {
        for place in [Place::Acme, Place::Beta] {
            if place == Place::Beta && !self.scene.has_beta {
                continue;
            }
            for ticket in sim_at(self.world, place).tickets("Ticket") {
                self.demand(self.memory.born.contains_key(&(place, ticket.id)), || {
                    format!("ownership: the bridge made {} at {place:?}", ticket.field("ref"))
                });
            }
        }
    }

    /// In an external the bridge creates only files; if it drives the status, it also writes what a stimulus asks
    /// for.
    pub(super) fn no_text_is_written_to_an_external(&mut self) {
        for place in self.scene.places().iter().filter(|place| **place != Place::Elitery) {
            let calls = sim_at(self.world, *place).calls().into_iter();
            let writes = calls.filter(|call| call.is_write() && call.class != "Attachment");
            for write in writes {
                let json = &write.json;
                let driven = self.scene.applies && write.operation != "core/create";
                let texts = ["title", "description", "private_log", "public_log"].map(|code| format!("\"{code}\":"));
                let says_more = texts.iter().any(|code| json.contains(code.as_str()));
                self.demand(driven && !says_more, || format!("ownership: at {place:?} the bridge wrote {json}"));
            }
        }
    }

    /// No iTop's links reach another, in a field or in a file.
    pub(super) fn no_link_crosses(&mut self) {
        for place in self.scene.places() {
            let sim = sim_at(self.world, *place);
            let calls = sim.calls_containing(SECRET_ID);
            let write = calls.into_iter().find(|call| call.is_write());
            self.demand(write.is_none(), || format!("words: {place:?} was told of a link: {write:?}"));
            let made = sim.all_attachments().into_iter().filter(|file| is_made_by_a_bridge(&file.temp_id));
            let file = made.into_iter().find(|file| String::from_utf8_lossy(&file.data).contains(SECRET_ID));
            self.demand(file.is_none(), || format!("words: {place:?} was told of a link in {file:?}"));
        }
    }

    /// This holds wherever iTop copied the entry. If iTop has lost the entry itself, its copy cannot be told from an
    /// entry of the child's own.
    pub(super) fn what_was_said_on_a_ticket_of_the_providers_own_stays(&mut self) {
        let stands = |spoken: &&Spoken| {
            let ticket = sim_at(self.world, spoken.at).ticket(spoken.ticket);
            ticket.is_some_and(|ticket| ticket.log("private_log").iter().any(|entry| entry.html.contains(&spoken.word)))
        };
        let said: Vec<&Spoken> = self.memory.spoken.iter().filter(|spoken| spoken.stays).filter(stands).collect();
        for spoken in said {
            let externals = self.scene.places().iter().filter(|place| **place != Place::Elitery);
            let files = externals.flat_map(|place| sim_at(self.world, *place).all_attachments());
            let times: usize = files.map(|file| spoken.times_in(&String::from_utf8_lossy(&file.data))).sum();
            self.demand(times == 0, || {
                format!("ownership: {} was said on {} of the provider's own, and went out", spoken.word, spoken.ticket)
            });
        }
    }

    pub(super) fn a_deleted_ticket_takes_no_copy_with_it(&mut self) {
        for left in &self.memory.left_standing {
            let went_too = self.memory.deleted_tickets.contains(&(left.on, left.ticket));
            let stands = sim_at(self.world, left.on).attachment(left.file).is_some();
            self.demand(went_too || stands, || format!("ownership: {left:?} went with a ticket that somebody deleted"));
        }
    }
}
