//! The scene of people's work: the iTops, and the bridge's links between their tickets.

use itop_bridge_core::TicketKey;
use itop_bridge_core::mark::TicketMark;
use itop_bridge_store::{SqliteStore, Stored};
use itop_sim::{Sim, Ticket};

use crate::history::Place;
use crate::site::Site;
use crate::world::{World, all_links};

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

/// A side's name in the configuration.
pub fn name(place: Place) -> String {
    match place {
        Place::Acme => "acme",
        Place::Beta => "beta",
        Place::Elitery => "elitery",
    }
    .into()
}

/// The link of an internal ticket.
pub async fn link_of_internal<G: Ground>(world: &G, id: u64) -> Option<Stored> {
    let is_it = |key: &TicketKey| key.id == id;
    world.links().await.into_iter().find(|stored| stored.link.internal.as_ref().is_some_and(is_it))
}
