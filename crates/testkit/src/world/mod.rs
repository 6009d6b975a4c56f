//! A whole bridge between simulated iTops, in one process, on one thread, in virtual time.
//!
//! Everything is real except four seams: the transport goes to a simulator in this process, webhooks go straight into
//! the router, the clock is tokio's paused one, and randomness has a seed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use itop_bridge::config::Config;
use itop_bridge_engine::clock::VirtualClock;
use itop_bridge_store::{SqliteStore, StoreHandle};
use itop_sim::{FirstIds, Sim};
use process::Running;
use setup::NAMES;
use transport::Garbled;

use crate::commits::Commits;

mod looks;
mod process;
mod rest;
mod setup;
mod transport;
mod verbs;
mod versions;

pub use looks::all_links;
pub use serde_json::json;
pub use setup::{DEFAULTS, EXTERNAL_KEY, INTERNAL_KEY, Setup, sample};
pub use transport::{Bridges, Posted, SLOW_RECEIVER, ToRouter};
pub use verbs::*;
pub use versions::*;

pub struct World {
    pub externals: Vec<Sim>,
    pub internal: Sim,
    pub store: StoreHandle,
    /// Once they run out, the process is dead: it sends nothing more either.
    pub commits: Arc<Commits>,
    pub clock: Arc<VirtualClock>,
    config: Config,
    running: Option<Running>,
    /// Another process over the same store.
    second: Option<Running>,
    /// Bridges started from then on write to no iTop.
    pub dry_run: bool,
    seed: u64,
    slow_line: bool,
    panic_at: Arc<Mutex<Option<&'static str>>>,
    garbled: Garbled,
    host: &'static str,
    bridges: Bridges,
    /// The alerts posted.
    pub posted: Posted,
    /// The final extra pass was made, or the test said why not.
    has_ended_well: AtomicBool,
}

impl World {
    async fn start(setup: Setup) -> World {
        let config = setup.config();
        let clock = Arc::new(VirtualClock::starting_at(setup.start_ms));
        let internal = setup.internal_is.clone();
        let internal = internal.unwrap_or_else(|| setup.new_itop(setup.internal, "elitery", setup.internal_ids));
        let externals = setup.externals.iter().zip(NAMES);
        let mut externals: Vec<Sim> =
            externals.map(|(version, name)| setup.new_itop(*version, name, FirstIds::default())).collect();
        if let Some(acme) = &setup.acme_is {
            externals[0] = acme.clone();
        }
        let commits = Arc::new(Commits::default());
        let sqlite = SqliteStore::open_in_memory().expect("a store in memory");
        let store = StoreHandle::inline(sqlite.behind(commits.clone()));
        let slow_line = setup.line_bits_per_second.is_some();
        let mut world = World {
            externals,
            internal,
            store,
            commits,
            clock,
            config,
            running: None,
            second: None,
            seed: 1,
            dry_run: setup.dry_run,
            slow_line,
            panic_at: Arc::default(),
            garbled: Garbled::default(),
            host: setup.host,
            bridges: setup.bridges.clone(),
            posted: Posted::default(),
            has_ended_well: AtomicBool::new(false),
        };
        world.boot();
        let url = format!("http://{}", world.host);
        world.internal.install_internal_hooks(&url, INTERNAL_KEY);
        for (sim, name) in world.externals.iter().zip(NAMES) {
            sim.install_external_hooks(&url, &setup.key_of(name));
        }
        // The first sweep finds the state of the sides, before anybody works in them.
        tokio::time::sleep(Duration::from_secs(5)).await;
        world.clear_calls();
        world
    }

    /// An operator gives a customer the address of another's iTop.
    pub fn give_the_address_of_acme(&mut self, name: &str) {
        let url = self.config.externals[0].side.url.clone();
        let of = self.config.externals.iter_mut().find(|external| external.name() == name);
        of.expect("there is such an external").side.url = url;
    }

    /// Puts a new key before the present keys of every side.
    pub fn put_before_the_keys(&mut self, key: &str) {
        let sides = self.config.externals.iter_mut().map(|external| &mut external.side);
        for side in sides.chain([&mut self.config.internal]) {
            side.api_keys.insert(0, key.to_owned().into());
        }
    }

    /// Virtual time passes.
    pub async fn pass_seconds(&self, seconds: u64) {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }

    pub async fn pass_milliseconds(&self, milliseconds: u64) {
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
    }
}

/// A test may make several worlds, one after the other.
impl Drop for World {
    fn drop(&mut self) {
        for running in [&self.running, &self.second].into_iter().flatten() {
            running.task.abort();
        }
        // A bridge holds its iTops, and they hold the route of their webhooks to it.
        self.bridges.disconnect_all();
        assert!(
            std::thread::panicking() || self.has_ended_well.load(Ordering::Relaxed),
            "a story ends with one more pass that writes nothing, or says why not"
        );
    }
}

/// A ticket's fields as a person at acme gives them.
pub fn ticket(title: &str) -> serde_json::Value {
    json!({ "org_id": sample::DEMO, "caller_id": sample::MONET, "title": title, "description": format!("<p>{title}</p>") })
}
