//! A whole bridge between simulated iTops, in one process, on one thread, in virtual time.
//!
//! Everything is real except four seams: the transport goes to a simulator in this process, webhooks go straight into
//! the router, the clock is tokio's paused one, and randomness has a seed.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use itop_bridge::app::{App, Seams};
use itop_bridge::checks::{self, Finding};
use itop_bridge::cli::resume::{self, Resume};
use itop_bridge::cli::{Outcome, setup};
use itop_bridge::config::{Config, SideConfig};
use itop_bridge::setup::Admin;
use itop_bridge_core::{Link, Side};
use itop_bridge_engine::clock::{Clock, VirtualClock};
use itop_bridge_engine::random::SeededRandom;
use itop_bridge_engine::timing::Timing;
use itop_bridge_engine::{Broken, Engine};
use itop_bridge_store::{
    About, Activity, Commits, DirtyMark, Instance, LinkState, Look, MAX_ROWS, QueueRow, SqliteStore, Store,
    StoreHandle, Stored, TicketOf,
};
use itop_client::{Body, MaxAnswerBytes, Progress, Transport, TransportError};
use itop_sim::{FirstIds, HookSender, NotDelivered, Sim, SimConfig, Ticket, Version, WallClock, Wire};
use tokio::sync::watch;
use tower::ServiceExt as _;

mod verbs;

pub use serde_json::json;
pub use verbs::*;

/// 2026-11-24 11:00:00 UTC.
const START_MS: i64 = 1_795_518_000_000;

pub const EXTERNAL_KEY: &str = "sk_external_acme";
pub const INTERNAL_KEY: &str = "sk_internal";

/// The versions that an external may have.
pub const BOTH: [Version; 2] = [Version::V3_1, Version::V3_2];

/// The versions of a customer's iTop and of the provider's.
#[derive(Debug, Clone, Copy)]
pub struct Versions {
    pub outside: Version,
    pub inside: Version,
}

/// Every pair of versions.
pub const PAIRS: [Versions; 4] = [
    Versions { outside: Version::V3_1, inside: Version::V3_1 },
    Versions { outside: Version::V3_1, inside: Version::V3_2 },
    Versions { outside: Version::V3_2, inside: Version::V3_1 },
    Versions { outside: Version::V3_2, inside: Version::V3_2 },
];

/// The parameters of a world.
pub struct Setup {
    /// The versions of the externals, in order: `acme`, `beta`.
    pub externals: Vec<Version>,
    pub internal: Version,
    /// Lines for `[external.acme]`, instead of `only = "all"`.
    pub acme: String,
    /// Lines for `[sync]`.
    pub sync: String,
    /// Lines for `[alerts]`.
    pub alerts: String,
    pub internal_defaults: String,
    /// Lines for `[internal]`.
    pub internal_lines: String,
    /// Lines for `[external.beta]`.
    pub beta: String,
    /// The speed of every line, for both directions together.
    pub line_bits_per_second: Option<u64>,
    /// The time of all clocks at the start, in ms since the epoch.
    pub start_ms: i64,
    pub server_id: &'static str,
    /// The host in the bridge's address.
    pub host: &'static str,
    /// Existing iTops to use in place of new ones.
    pub acme_is: Option<Sim>,
    pub internal_is: Option<Sim>,
    /// The provider's first ids.
    pub internal_ids: FirstIds,
    /// The key of acme's webhooks.
    pub acme_key: &'static str,
    /// The configuration's line for acme's password.
    pub acme_password: String,
    pub bridges: Bridges,
    /// The names of the externals in the configuration, …
    pub names: [&'static str; 2],
    /// … that of the internal, …
    pub internal_name: &'static str,
    /// … and the hosts of the externals and the internal there.
    pub hosts: [&'static str; 3],
    /// Externals missing from the configuration, by name.
    pub left_out: &'static [&'static str],
    pub dry_run: bool,
}

impl Setup {
    pub fn outside(version: Version) -> Setup {
        Setup {
            externals: vec![version],
            internal: Version::V3_2,
            acme: "only = \"all\"".into(),
            sync: String::new(),
            alerts: String::new(),
            internal_defaults: DEFAULTS.into(),
            internal_lines: String::new(),
            beta: "only = \"all\"".into(),
            line_bits_per_second: None,
            start_ms: START_MS,
            server_id: "7f3a",
            host: "bridge",
            acme_is: None,
            internal_is: None,
            // The ids of the externals collide with each other, but not with these, so that a mix-up shows.
            internal_ids: FirstIds { ticket: 1001, reference: 1001, attachment: 501, inline_image: 301 },
            acme_key: EXTERNAL_KEY,
            acme_password: "password = \"Bridge.1234\"".into(),
            bridges: Bridges::default(),
            names: NAMES,
            internal_name: "elitery",
            hosts: ["acme", "beta", "elitery"],
            left_out: &[],
            dry_run: false,
        }
    }

    pub fn two_externals() -> Setup {
        Setup { externals: vec![Version::V3_1, Version::V3_2], ..Setup::outside(Version::V3_1) }
    }

    pub fn between(versions: Versions) -> Setup {
        Setup { internal: versions.inside, ..Setup::outside(versions.outside) }
    }

    /// A bridge of another provider beside the first: its sides have the same names, its `server.id` differs.
    /// [`Setup::acme_is`] or [`Setup::internal_is`] names the iTop that the two share.
    pub fn beside(self, first: &World) -> Setup {
        let (start_ms, bridges) = (first.now_ms(), first.bridges.clone());
        Setup { server_id: "beef", host: "second-bridge", start_ms, bridges, ..self }
    }

    pub fn acme_is(self, sim: &Sim) -> Setup {
        Setup { acme_is: Some(sim.clone()), ..self }
    }

    pub fn internal_is(self, sim: &Sim) -> Setup {
        Setup { internal_is: Some(sim.clone()), ..self }
    }

    /// Without the default that gives every internal ticket the same start.
    pub fn without_a_start_date(mut self) -> Setup {
        self.internal_defaults = self.internal_defaults.replace("start_date", "plan_date");
        self
    }

    pub fn acme(self, lines: &str) -> Setup {
        Setup { acme: lines.into(), ..self }
    }

    pub fn sync(self, lines: &str) -> Setup {
        Setup { sync: lines.into(), ..self }
    }

    pub async fn start(self) -> World {
        World::start(self).await
    }

    fn key_of(&self, external: &str) -> String {
        if external == "acme" { self.acme_key.to_owned() } else { format!("sk_external_{external}") }
    }

    fn config(&self) -> Config {
        let mut text = format!(
            "[server]\nid = \"{}\"\nlisten = \"127.0.0.1:0\"\npublic_url = \"http://{}\"\n\
             [store]\nurl = \"sqlite:unused.db\"\n\
             [internal]\nname = \"{}\"\nurl = \"http://{}\"\nuser = \"bridge\"\npassword = \"Bridge.1234\"\n\
             api_keys = [\"{INTERNAL_KEY}\"]\ndefaults = {{ {} }}\n{}\n",
            self.server_id, self.host, self.internal_name, self.hosts[2], self.internal_defaults, self.internal_lines
        );
        let sides = NAMES.iter().zip(self.names).zip(self.hosts).zip([&self.acme, &self.beta]);
        for (((first, name), host), lines) in sides.take(self.externals.len()) {
            let password = if *first == "acme" { &self.acme_password } else { "password = \"Bridge.1234\"" };
            text.push_str(&format!(
                "[external.{name}]\nurl = \"http://{host}\"\nuser = \"bridge\"\n{password}\n\
                 api_keys = [\"{}\"]\n{lines}\n",
                self.key_of(first)
            ));
        }
        text.push_str(&format!("[sync]\n{}\n", self.sync));
        text.push_str(&format!("[alerts]\nwebhook_url = \"http://chat/hook?key=sk_chat\"\n{}\n", self.alerts));
        let mut config = Config::parse(&text, "test.toml", &|_| None).unwrap_or_else(|error| panic!("{error}"));
        config.externals.retain(|external| !self.left_out.contains(&external.name()));
        config
    }
}

/// The parts of a link that differ, with their values before and after.
fn what_differs(before: &Link, after: &Link) -> Vec<(String, [serde_json::Value; 2])> {
    let [before, after] = [before, after].map(|link| serde_json::to_value(link).expect("a link is JSON"));
    let parts = before.as_object().into_iter().chain(after.as_object()).flat_map(|parts| parts.keys());
    let parts: std::collections::BTreeSet<&String> = parts.collect();
    let differs = parts.into_iter().filter(|part| before[part.as_str()] != after[part.as_str()]);
    differs.map(|part| (part.clone(), [before[part].clone(), after[part].clone()])).collect()
}

/// Each story as two tests: an external iTop 3.1 and a 3.2, each with an internal 3.2.
#[macro_export]
macro_rules! outside_both_versions {
    ($($story:ident),+ $(,)?) => {$(
        $crate::tests_of!($story {
            outside_3_1: itop_sim::Version::V3_1;
            outside_3_2: itop_sim::Version::V3_2;
        });
    )+};
}
pub use crate::outside_both_versions;

/// Each story as two tests: either version on either side.
#[macro_export]
macro_rules! either_version_on_either_side {
    ($($story:ident),+ $(,)?) => {$(
        $crate::tests_of!($story {
            from_3_1_to_3_2: $crate::world::PAIRS[1];
            from_3_2_to_3_1: $crate::world::PAIRS[2];
        });
    )+};
}
pub use crate::either_version_on_either_side;

/// Each story as four tests.
#[macro_export]
macro_rules! every_pair_of_versions {
    ($($story:ident),+ $(,)?) => {$(
        $crate::tests_of!($story {
            from_3_1_to_3_1: $crate::world::PAIRS[0];
            from_3_1_to_3_2: $crate::world::PAIRS[1];
            from_3_2_to_3_1: $crate::world::PAIRS[2];
            from_3_2_to_3_2: $crate::world::PAIRS[3];
        });
    )+};
}
pub use crate::every_pair_of_versions;

/// A story, as one test per argument.
#[macro_export]
macro_rules! tests_of {
    ($story:ident { $($name:ident: $with:expr;)+ }) => {
        mod $story {
            $(
                #[tokio::test(start_paused = true)]
                async fn $name() {
                    super::$story($with).await;
                }
            )+
        }
    };
}
pub use crate::tests_of;

const NAMES: [&str; 2] = ["acme", "beta"];

/// The internal side's defaults: names that the sample data has.
pub const DEFAULTS: &str = "org = \"Demo\", caller = 6, team = \"Helpdesk\", agent = 9, service = \"Software\", \
                            servicesubcategory = \"Installation\", supervisor_group_id = 38, supervisor_id = 10, \
                            manager_group_id = 38, manager_id = 11, pending_reason = \"waiting for the customer\", \
                            acceptance_comment = \"accepted outside\", acceptance_date = \"2026-11-24 12:00:00\", \
                            approval_comment = \"approved outside\", approval_date = \"2026-11-24 12:00:00\", \
                            outage = \"no\", fallback = \"undo\", reason = \"see outside\", \
                            start_date = \"2026-11-25 12:00:00\", end_date = \"2026-11-26 12:00:00\"";

/// The ids of the sample data.
pub mod sample {
    pub const DEMO: u64 = 3;
    pub const IT: u64 = 2;
    pub const MONET: u64 = 6;
    pub const HUGO: u64 = 10;
    pub const HELPDESK: u64 = 37;
    pub const HARDWARE: u64 = 38;
    pub const SOFTWARE: u64 = 2;
    pub const COMPUTERS: u64 = 1;
}

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

/// The receiver of alerts.
#[derive(Clone, Default)]
pub struct Posted {
    bodies: Arc<Mutex<Vec<serde_json::Value>>>,
    fails: Arc<Mutex<bool>>,
}

impl Posted {
    pub fn take(&self) -> Vec<serde_json::Value> {
        std::mem::take(&mut self.bodies.lock().unwrap())
    }

    pub fn fail(&self, fails: bool) {
        *self.fails.lock().unwrap() = fails;
    }
}

impl Transport for Posted {
    fn send<'a>(
        &'a self,
        request: http::Request<Body>,
        _progress: &'a Progress,
    ) -> BoxFuture<'a, Result<http::Response<Bytes>, TransportError>> {
        assert_eq!(request.uri(), "http://chat/hook?key=sk_chat");
        let body = request.body().to_bytes();
        let status = if *self.fails.lock().unwrap() { 500 } else { 200 };
        if status == 200 {
            self.bodies.lock().unwrap().push(serde_json::from_slice(&body).expect("JSON"));
        }
        Box::pin(async move {
            let answer = http::Response::builder().status(status).body(Bytes::new());
            Ok(answer.expect("an answer"))
        })
    }
}

struct Running {
    stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<Result<(), Broken>>,
    engine: Engine,
    router: axum::Router,
}

impl Running {
    fn of(app: App) -> Running {
        let (stop, stopped) = watch::channel(false);
        let engine = app.engine.clone();
        let task = tokio::spawn(async move { engine.run(stopped).await });
        Running { stop, task, engine: app.engine, router: app.router }
    }
}

impl World {
    async fn start(setup: Setup) -> World {
        let config = setup.config();
        let clock = Arc::new(VirtualClock::starting_at(setup.start_ms));
        let sim = |version, name: &str, ids| {
            let mut config = SimConfig::new(version, &format!("http://{name}"));
            config.first_ids = ids;
            config.latency = Duration::from_millis(80);
            config.line_bits_per_second = setup.line_bits_per_second;
            config.clock = WallClock::from(setup.start_ms / 1000);
            let sim = Sim::new(config);
            for class in ["RoutineChange", "NormalChange", "EmergencyChange"] {
                sim.allow(class);
            }
            sim
        };
        let internal = setup.internal_is.clone().unwrap_or_else(|| sim(setup.internal, "elitery", setup.internal_ids));
        let mut externals: Vec<Sim> =
            setup.externals.iter().zip(NAMES).map(|(version, name)| sim(*version, name, FirstIds::default())).collect();
        if let Some(acme) = &setup.acme_is {
            externals[0] = acme.clone();
        }
        let sqlite = SqliteStore::open_in_memory().expect("a store in memory");
        let commits = sqlite.commits();
        let store = StoreHandle::inline(sqlite);
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

    /// The bridge over the present store, not started.
    pub fn app(&mut self) -> App {
        self.app_by(self.clock.clone())
    }

    fn app_by(&mut self, clock: Arc<VirtualClock>) -> App {
        let seams = Seams {
            store: self.store.clone(),
            clock,
            random: Arc::new(SeededRandom::new(self.seed)),
            timing: Timing::default(),
            post: Some(Arc::new(self.posted.clone())),
            dry_run: self.dry_run,
        };
        self.seed += 1;
        let transport = |side: &SideConfig| Ok(self.way_to(side));
        App::new(&self.config, seams, &transport).expect("the bridge starts")
    }

    /// Starts the bridge over the present store.
    pub fn boot(&mut self) {
        let app = self.app();
        self.bridges.connect(self.host, app.router.clone());
        for sim in self.externals.iter().chain([&self.internal]) {
            sim.connect_hooks(self.bridges.clone());
        }
        self.running = Some(Running::of(app));
    }

    /// A second process works over the same store, which a real store's lock would prevent: only leases keep them
    /// apart. Its clock is ahead by `ahead_ms`.
    pub fn join_in(&mut self, ahead_ms: i64) {
        if self.second.is_some() {
            return;
        }
        let clock = VirtualClock::starting_at(self.clock.now_ms() + ahead_ms);
        let app = self.app_by(Arc::new(clock));
        self.second = Some(Running::of(app));
    }

    #[allow(dead_code, reason = "the simulation's")]
    /// The first of the two processes dies at once; from then on iTop's webhooks go to the other.
    pub async fn one_dies(&mut self) {
        let (Some(first), Some(second)) = (self.running.take_if(|_| self.second.is_some()), self.second.take()) else {
            return;
        };
        first.task.abort();
        let _ = first.task.await;
        self.bridges.connect(self.host, second.router.clone());
        self.running = Some(second);
    }

    #[allow(dead_code, reason = "the simulation's")]
    /// As at the start of `serve`: any holder of a lease is dead.
    pub async fn expire_leases(&self) {
        let now = self.clock.now_ms();
        // On a full disk the leases expire by themselves.
        let _ = self.store.call(move |store| store.expire_leases(now)).await;
    }

    fn way_to(&self, side: &SideConfig) -> Arc<dyn Transport> {
        if side.name == checks::OWN {
            return Arc::new(ToBridge(self.bridges.clone()));
        }
        let host = side.url.trim_start_matches("http://");
        let sim = match NAMES.iter().position(|name| *name == host) {
            Some(position) => self.externals[position].clone(),
            None => self.internal.clone(),
        };
        let (side, panic_at, garbled) = (side.name.clone(), self.panic_at.clone(), self.garbled.clone());
        Arc::new(ToSim { sim, slow_line: self.slow_line, side, panic_at, garbled, commits: self.commits.clone() })
    }

    /// The command `setup` with these arguments, as an administrator: its outcome and output, or its error.
    pub async fn setup(&self, arguments: &[&str], user: &str, password: &str) -> Result<(Outcome, String), String> {
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            setup: setup::Setup,
        }
        let line = <Line as clap::Parser>::parse_from([&["setup"], arguments].concat());
        let env = |name: &str| match name {
            "ITOP_BRIDGE_ADMIN_USER" => Some(user.to_owned()),
            "ITOP_BRIDGE_ADMIN_PASSWORD" => Some(password.to_owned()),
            _ => None,
        };
        let mut out = Vec::new();
        let transport = |side: &SideConfig| Ok(self.way_to(side));
        let outcome = setup::in_itop(&line.setup, &self.config, &env, &transport, &mut out).await;
        let said = String::from_utf8(out).expect("a verb says words");
        assert!(!said.contains("sk_"), "a key in {said}");
        outcome.map(|outcome| (outcome, said)).map_err(|error| format!("{error:#}"))
    }

    /// Puts a new key before the present keys of every side.
    pub fn put_before_the_keys(&mut self, key: &str) {
        let sides = self.config.externals.iter_mut().map(|external| &mut external.side);
        for side in sides.chain([&mut self.config.internal]) {
            side.api_keys.insert(0, key.to_owned().into());
        }
    }

    #[allow(dead_code, reason = "not the simulation's")]
    /// The findings of `check` about the bridge itself, from its store.
    pub async fn check_own(&self) -> Vec<Finding> {
        let (config, now_ms) = (self.config(), self.now_ms());
        let read = self.store.call(move |store| checks::Remembered::read(store, &config, now_ms));
        read.await.expect("the store").of_the_bridge(&self.config())
    }

    /// The findings of `check` about a side's webhooks, read with an administrator's account.
    pub async fn check_webhooks(&self, side: &str) -> Vec<Finding> {
        let admin = Admin { user: "admin".into(), password: "admin".into() };
        let transport = |side: &SideConfig| Ok(self.way_to(side));
        checks::webhooks(&self.config, side, Some(&admin), &transport).await
    }

    /// Sets the configuration that the next start reads.
    pub fn configure(&mut self, setup: &Setup) {
        self.config = setup.config();
    }

    /// The bridge goes down and loses its store: an empty one takes its place.
    pub async fn lose_the_store(&mut self) {
        let store = SqliteStore::open_in_memory().expect("a store in memory");
        self.crash().await;
        self.store = StoreHandle::inline(store);
    }

    /// A first start: the iTops have their tickets, and the bridge knows nothing yet.
    pub async fn start_anew(&mut self) {
        let store = SqliteStore::open_in_memory().expect("a store in memory");
        self.commits = store.commits();
        self.start_over(StoreHandle::inline(store)).await;
    }

    /// The same over the test's own store.
    pub async fn start_over(&mut self, store: StoreHandle) {
        self.crash().await;
        self.store = store;
        self.boot();
        self.pass_seconds(5).await;
        self.clear_calls();
    }

    /// The process dies between any two steps: nothing is finished or reported.
    pub async fn crash(&mut self) {
        for running in [self.running.take(), self.second.take()].into_iter().flatten() {
            running.task.abort();
            let _ = running.task.await;
            drop(running.stop);
        }
        // Webhooks that iTop sends meanwhile are lost.
        self.bridges.disconnect(self.host);
    }

    /// SIGTERM: work in progress is finished.
    pub async fn stop(&mut self) {
        for running in [self.running.take(), self.second.take()].into_iter().flatten() {
            let _ = running.stop.send(true);
            running.task.await.expect("the engine ends").expect("no part of it broke");
        }
    }

    /// Waits until the engine has ended by itself.
    pub async fn breaks(&mut self) -> Broken {
        let running = self.running.take().expect("the bridge runs");
        let broken = running.task.await.expect("the engine ends").expect_err("a part of it broke");
        self.crash().await;
        broken
    }

    /// The next call of the bridge to that side panics.
    pub fn panic_at(&self, side: &'static str) {
        *self.panic_at.lock().unwrap() = Some(side);
    }

    /// In every answer of either side, these bytes replace that word.
    pub fn garble(&self, word: &'static str, bytes: &'static [u8]) {
        *self.garbled.lock().unwrap() = Some((word, bytes));
    }

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
    pub fn troubles(&self) -> Vec<String> {
        let troubles = self.running.as_ref().expect("the bridge runs").engine.troubles();
        troubles.iter().map(ToString::to_string).collect()
    }

    pub fn clear_calls(&self) {
        for sim in self.externals.iter().chain([&self.internal]) {
            sim.clear_calls();
        }
    }

    /// Virtual time passes.
    pub async fn pass_seconds(&self, seconds: u64) {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }

    pub async fn pass_milliseconds(&self, milliseconds: u64) {
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
    }

    pub async fn queue(&self) -> Vec<QueueRow> {
        let now = self.clock.now_ms();
        self.store.call(move |store| store.queue(None, 200, now)).await.expect("the queue")
    }

    /// Waits until no ticket has a row in the queue, rechecks and settling included.
    pub async fn settle(&self) {
        for _ in 0..4 * 3600 {
            if self.queue().await.is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        panic!("the queue never emptied: {:#?}", self.queue().await);
    }

    /// This world's story does not end at rest, or leaves nothing for a pass to look at, for this reason.
    pub fn ends_without_one_more_pass(&self, why: &str) {
        assert!(!why.is_empty());
        self.has_ended_well.store(true, Ordering::Relaxed);
    }

    /// Law 2: one more pass over everything writes nothing at all.
    pub async fn one_more_pass_writes_nothing(&self) {
        self.has_ended_well.store(true, Ordering::Relaxed);
        self.settle().await;
        self.try_what_is_due().await;
        self.clear_calls();
        let before = self.links().await;
        if before.is_empty() {
            // A sweep and an audit go by.
            self.pass_seconds(2 * 3600).await;
        }
        self.look_at_everything().await;
        let goes_on = before.is_empty()
            || before.iter().any(|stored| stored.state == LinkState::Live && stored.link.halt.is_none());
        let stands_still = self.stopped(Instance::Internal).await.is_some();
        if goes_on && !stands_still && self.running.is_some() {
            let sims = self.externals.iter().chain([&self.internal]);
            assert!(sims.map(|sim| sim.calls().len()).sum::<usize>() > 0, "nothing was read");
        }
        for sim in self.externals.iter().chain([&self.internal]) {
            let writes: Vec<String> =
                sim.calls().iter().filter(|call| call.is_write()).map(|call| call.json.clone()).collect();
            assert!(writes.is_empty(), "one more pass wrote to {}: {writes:#?}", sim.base_url());
        }
        let after = self.links().await;
        assert_eq!(after.len(), before.len(), "one more pass changed how many pairs there are");
        for (after, before) in after.iter().zip(&before) {
            let changed = what_differs(&before.link, &after.link);
            assert!(changed.is_empty(), "one more pass changed what is remembered: {changed:#?}");
            assert_eq!(after.link, before.link);
        }
    }

    /// A refused value is retried after a while: if that comes soon, it comes before one more pass.
    async fn try_what_is_due(&self) {
        const SOON_MS: i64 = 20 * 60 * 1000;
        let now = self.now_ms();
        let links = self.links().await;
        let due = links.iter().flat_map(|stored| &stored.link.refused).map(|refused| refused.again_at_ms);
        if let Some(last) = due.filter(|at| *at <= now + SOON_MS).max() {
            self.pass_seconds(u64::try_from((last - now).max(0) / 1000 + 1).expect("it is to come")).await;
            self.look_at_everything().await;
        }
    }

    /// A pass over every pair, as if a hint had named it and each of its files.
    pub async fn look_at_everything(&self) {
        let mut marks = Vec::new();
        for stored in &self.links().await {
            let mut look = Look::everything();
            for copy in &stored.link.copies {
                match copy.from {
                    Side::External => look.external_attachments.insert(copy.original),
                    Side::Internal => look.internal_attachments.insert(copy.original),
                };
            }
            let of = TicketOf { external: stored.external_name.clone(), ticket: stored.link.external.id };
            let about = About::External { of, class: Some(stored.link.external.class.clone()) };
            marks.push(DirtyMark { about, look, due_ms: self.clock.now_ms() });
        }
        for marks in marks.chunks(MAX_ROWS) {
            self.store.mark_dirty(marks.to_vec(), self.clock.now_ms()).await.expect("marked");
        }
        self.settle().await;
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

    /// The command `resume`, as an operator runs it beside the running bridge: its output, or its error.
    pub async fn resume(&self, what: &str, create: bool) -> Result<String, String> {
        self.resumes(Resume { what: what.into(), create, keep: false, yes: true }).await
    }

    pub async fn resumes(&self, resume: Resume) -> Result<String, String> {
        let verb = move |store: &mut dyn Store, config: &Config, now, out: &mut dyn Write| {
            resume::in_store(&resume, store, config, now, out)
        };
        self.verb(verb).await.map(|(_, words)| words)
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

/// A test may make several worlds, one after the other. The simulation, which makes worlds too, has its own checks.
impl Drop for World {
    fn drop(&mut self) {
        for running in [&self.running, &self.second].into_iter().flatten() {
            running.task.abort();
        }
        // A bridge holds its iTops, and they hold the route of their webhooks to it.
        self.bridges.disconnect_all();
        let is_a_story = module_path!() == "bridge::world" && !std::thread::panicking();
        assert!(
            !is_a_story || self.has_ended_well.load(Ordering::Relaxed),
            "a story ends with one more pass that writes nothing, or says why not"
        );
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

/// A ticket's fields as a person at acme gives them.
pub fn ticket(title: &str) -> serde_json::Value {
    json!({ "org_id": sample::DEMO, "caller_id": sample::MONET, "title": title, "description": format!("<p>{title}</p>") })
}

/// The transport from the client to a simulator.
struct ToSim {
    sim: Sim,
    slow_line: bool,
    side: String,
    panic_at: Arc<Mutex<Option<&'static str>>>,
    garbled: Garbled,
    commits: Arc<Commits>,
}

/// A word, and the bytes that replace it.
type Garbled = Arc<Mutex<Option<(&'static str, &'static [u8])>>>;

impl ToSim {
    fn garble(&self, answer: http::Response<Bytes>) -> http::Response<Bytes> {
        let Some((word, bytes)) = *self.garbled.lock().unwrap() else { return answer };
        answer.map(|body| {
            let mut out = Vec::new();
            let mut rest = &body[..];
            while let Some(at) = rest.windows(word.len()).position(|window| window == word.as_bytes()) {
                out.extend_from_slice(&rest[..at]);
                out.extend_from_slice(bytes);
                rest = &rest[at + word.len()..];
            }
            out.extend_from_slice(rest);
            Bytes::from(out)
        })
    }
}

impl Transport for ToSim {
    fn send<'a>(
        &'a self,
        request: http::Request<Body>,
        progress: &'a Progress,
    ) -> BoxFuture<'a, Result<http::Response<Bytes>, TransportError>> {
        let panics = self.panic_at.lock().unwrap().take_if(|side| *side == self.side).is_some();
        Box::pin(async move {
            assert!(!panics, "a mistake in the bridge");
            if self.commits.are_over() {
                return std::future::pending().await;
            }
            let (head, body) = request.into_parts();
            let limit = head.extensions.get::<MaxAnswerBytes>().map_or(u64::MAX, |max| max.0);
            let request = http::Request::from_parts(head, body.to_bytes());
            let handled = self.sim.handle(request);
            tokio::pin!(handled);
            let wire = loop {
                tokio::select! {
                    wire = &mut handled => break wire,
                    // Over a slow line bytes trickle all the time.
                    () = tokio::time::sleep(Duration::from_secs(1)), if self.slow_line => progress.add_received(1),
                }
            };
            match wire {
                Wire::Answer(answer) if answer.body().len() as u64 > limit => {
                    Err(TransportError::AnswerTooLarge { limit })
                }
                Wire::Answer(answer) => {
                    progress.add_received(answer.body().len() as u64);
                    Ok(self.garble(answer))
                }
                Wire::Refused => Err(TransportError::NotConnected("connection refused".into())),
                Wire::Cut(_) => Err(TransportError::Broken("the connection was cut".into())),
                Wire::Hang => std::future::pending().await,
            }
        })
    }
}

/// The transport to the bridge's own address.
struct ToBridge(Bridges);

impl Transport for ToBridge {
    fn send<'a>(
        &'a self,
        request: http::Request<Body>,
        _: &'a Progress,
    ) -> BoxFuture<'a, Result<http::Response<Bytes>, TransportError>> {
        Box::pin(async move {
            let router = self.0.0.lock().unwrap().get(request.uri().host().unwrap_or_default()).cloned();
            let router = router.ok_or_else(|| TransportError::NotConnected("connection refused".into()))?;
            let (head, body) = request.into_parts();
            let request = http::Request::from_parts(head, axum::body::Body::from(body.to_bytes()));
            let answer = router.oneshot(request).await.expect("a router always answers");
            let (head, body) = answer.into_parts();
            let body = axum::body::to_bytes(body, 1 << 20).await.expect("a short answer");
            Ok(http::Response::from_parts(head, body))
        })
    }
}

/// The target of another action of the customer's, whose receiver takes 25 s to answer.
pub const SLOW_RECEIVER: &str = "/slow";

/// Delivers webhooks into the bridge.
pub struct ToRouter(pub axum::Router);

#[async_trait]
impl HookSender for ToRouter {
    async fn send(&self, request: http::Request<Bytes>) -> Result<u16, NotDelivered> {
        if request.uri().path() == SLOW_RECEIVER {
            tokio::time::sleep(Duration::from_secs(25)).await;
            return Ok(200);
        }
        let request = request.map(axum::body::Body::from);
        let answer = self.0.clone().oneshot(request).await.map_err(|_| NotDelivered)?;
        Ok(answer.status().as_u16())
    }
}

/// Delivers webhooks to the bridge that their address names; a bridge that does not run gets none.
#[derive(Clone, Default)]
pub struct Bridges(Arc<Mutex<BTreeMap<String, axum::Router>>>);

impl Bridges {
    fn connect(&self, host: &str, router: axum::Router) {
        self.0.lock().unwrap().insert(host.to_owned(), router);
    }

    fn disconnect(&self, host: &str) {
        self.0.lock().unwrap().remove(host);
    }

    fn disconnect_all(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

#[async_trait]
impl HookSender for Bridges {
    async fn send(&self, request: http::Request<Bytes>) -> Result<u16, NotDelivered> {
        let host = request.uri().host().unwrap_or_default();
        let router = self.0.lock().unwrap().get(host).cloned().ok_or(NotDelivered)?;
        ToRouter(router).send(request).await
    }
}
