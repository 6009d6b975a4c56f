//! What a world holds at this moment: its iTops, and what the bridge's store, metrics and engine say.

use itop_bridge::config::Config;
use itop_bridge_engine::Engine;
use itop_bridge_engine::clock::Clock as _;
use itop_bridge_store::{Activity, Instance, LinkState, MAX_ROWS, QueueRow, Store, Stored, TicketOf};
use itop_sim::{Sim, Ticket};

use super::World;

impl World {
    pub fn acme(&self) -> &Sim {
        &self.externals[0]
    }

    pub fn beta(&self) -> &Sim {
        &self.externals[1]
    }

    pub fn router(&self) -> axum::Router {
        self.running.as_ref().expect("the bridge runs").router.clone()
    }

    /// The reasons why tickets wait, as the operator sees them.
    pub fn issues(&self) -> Vec<String> {
        let issues = self.running.as_ref().expect("the bridge runs").engine.issues();
        issues.iter().map(ToString::to_string).collect()
    }

    pub fn clear_calls(&self) {
        for sim in self.externals.iter().chain([&self.internal]) {
            sim.clear_calls();
        }
    }

    pub async fn queue(&self) -> Vec<QueueRow> {
        let now = self.clock.now_ms();
        self.store.call(move |store| store.queue(None, 200, now)).await.expect("the queue")
    }

    pub async fn links(&self) -> Vec<Stored> {
        self.store.call(|store| Ok(all_links(store))).await.expect("the links")
    }

    pub async fn link(&self, external: u64) -> Stored {
        self.link_of("acme", external).await.expect("the ticket is linked")
    }

    pub async fn link_of(&self, name: &str, external: u64) -> Option<Stored> {
        let of = TicketOf { external: name.into(), ticket: external };
        self.store.call(move |store| store.link_of_external(&of)).await.expect("the link")
    }

    /// The internal counterpart of acme's ticket `external`.
    pub async fn copy_of(&self, external: u64) -> Ticket {
        let link = self.link(external).await.link;
        let id = link.internal.expect("it has a counterpart").id;
        self.internal.ticket(id).expect("the counterpart stands")
    }

    pub async fn activity(&self, external: u64) -> Vec<Activity> {
        let id = self.link(external).await.id;
        self.store.call(move |store| store.activity(id, 200)).await.expect("the activity")
    }

    /// Whether the activity log contains this.
    pub async fn did(&self, external: u64, text: &str) -> bool {
        self.activity(external).await.iter().any(|line| line.text.contains(text))
    }

    /// Another process ends the pair of acme's ticket `external` in the store.
    pub async fn end_pair(&self, external: u64) {
        let (id, now) = (self.link(external).await.id, self.clock.now_ms());
        let did = Activity::in_words(now, "ended beside the bridge");
        let end = move |store: &mut dyn Store| store.amend_link(id, &|_, state| *state = LinkState::Ended, &did, now);
        self.store.call(end).await.expect("the pair ends");
    }

    pub fn config(&self) -> Config {
        self.config.clone()
    }

    pub fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    pub fn engine(&self) -> Engine {
        self.running.as_ref().expect("the bridge runs").engine.clone()
    }

    /// The value of this metric in `/metrics`, named with its labels.
    pub async fn metric(&self, name: &str) -> f64 {
        let shown = self.engine().show_metrics().await;
        let found = shown.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        found.unwrap_or_else(|| panic!("{name} is missing in\n{shown}")).parse().expect("a number")
    }

    pub async fn stopped(&self, instance: Instance) -> Option<String> {
        let stop = self.store.call(move |store| store.stopped(&instance)).await.expect("the state of a side");
        stop.map(|stop| stop.to_string())
    }
}

/// Every link of a store, in the order of their numbers.
pub fn all_links(store: &mut dyn Store) -> Vec<Stored> {
    let mut links: Vec<Stored> = Vec::new();
    loop {
        let after = links.last().map_or(0, |stored| stored.id);
        let more = store.links(None, after, MAX_ROWS, None).expect("the links can be read");
        if more.is_empty() {
            return links;
        }
        links.extend(more);
    }
}
