//! The bridge's process: started, stopped, killed, broken, joined by a second one, and given another store.

use std::sync::Arc;

use itop_bridge::app::{App, Seams};
use itop_bridge::config::SideConfig;
use itop_bridge_engine::clock::{Clock, VirtualClock};
use itop_bridge_engine::random::SeededRandom;
use itop_bridge_engine::timing::Timing;
use itop_bridge_engine::{Broken, Engine};
use itop_bridge_store::{SqliteStore, StoreHandle};
use tokio::sync::watch;

use super::World;
use super::setup::Setup;

pub(super) struct Running {
    pub(super) stop: watch::Sender<bool>,
    pub(super) task: tokio::task::JoinHandle<Result<(), Broken>>,
    pub(super) engine: Engine,
    pub(super) router: axum::Router,
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

    /// As at the start of `serve`: any holder of a lease is dead.
    pub async fn expire_leases(&self) {
        let now = self.clock.now_ms();
        // On a full disk the leases expire by themselves.
        let _ = self.store.call(move |store| store.expire_leases(now)).await;
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
        self.commits = Arc::default();
        self.start_over(StoreHandle::inline(store.behind(self.commits.clone()))).await;
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
}
