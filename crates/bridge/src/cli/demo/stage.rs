//! Two simulated iTops behind sockets and the real bridge between them.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use itop_bridge_core::TicketMark;
use itop_bridge_engine::Broken;
use itop_bridge_engine::clock::{Clock, SystemClock};
use itop_bridge_engine::random::SystemRandom;
use itop_bridge_engine::timing::Timing;
use itop_bridge_store::{Instance, QueueRow, SqliteStore, Store, StoreHandle, Stored, TicketOf};
use itop_sim::{Call, Delivery, FirstIds, Outcome, Sim, SimConfig, SocketSender, Ticket, Version, WallClock};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::app::{self, App, Seams};
use crate::cli::keys;
use crate::config::Config;

pub(super) const ACME: &str = "acme";
pub(super) const ELITERY: &str = "elitery";

/// The cost of a call to a real iTop, nearly all of it PHP's start.
pub(super) const CALL_MS: u64 = 80;

const SERVER_ID: &str = "demo";

/// An effect that has not shown after this never will.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) struct Stage {
    pub acme: Sim,
    pub elitery: Sim,
    pub store: StoreHandle,
    pub timing: Timing,
    pub bridge_url: String,
    pub config_file: PathBuf,
    pub store_file: PathBuf,
    pub sweep_ms: i64,
    pub acme_key: String,
    pub elitery_key: String,
    stop: watch::Sender<bool>,
    bridge: JoinHandle<Result<(), Broken>>,
    sims: Vec<JoinHandle<std::io::Result<Infallible>>>,
}

/// The cost of a step.
pub(super) struct Cost {
    /// From the person's click until the effect showed on the other side.
    pub ms: u128,
    /// Calls to each side, of any kind.
    pub acme: usize,
    pub elitery: usize,
    pub writes: usize,
    /// How many of the calls were a sweep's first one.
    pub sweeps: usize,
    /// Webhooks that the bridge answered, including the echoes of its own writes.
    pub hooks: usize,
}

impl Stage {
    pub async fn start(folder: &Path) -> anyhow::Result<Stage> {
        let (acme_door, elitery_door, bridge_door) = (listen().await?, listen().await?, listen().await?);
        let ids = FirstIds { ticket: 118, reference: 118, attachment: 41, inline_image: 7 };
        let acme = sim(Version::V3_1, acme_door.local_addr()?, "Asia/Jakarta", ids);
        let ids = FirstIds { ticket: 1001, reference: 1001, attachment: 501, inline_image: 301 };
        let elitery = sim(Version::V3_2, elitery_door.local_addr()?, "Europe/Paris", ids);
        let (acme_key, elitery_key) = (keys::draw(&SystemRandom), keys::draw(&SystemRandom));

        let config_file = folder.join("itop-bridge.toml");
        let bridge_address = bridge_door.local_addr()?;
        let text = configuration(bridge_address, (&acme, &acme_key), (&elitery, &elitery_key));
        write_private(&config_file, &text)?;
        let config = Config::load(&config_file)?;
        let timing = Timing::demo();
        let sims = vec![tokio::spawn(acme.clone().serve(acme_door)), tokio::spawn(elitery.clone().serve(elitery_door))];
        for sim in [&acme, &elitery] {
            sim.connect_hooks(SocketSender);
        }
        acme.install_external_hooks(&config.server.public_url, &acme_key);
        elitery.install_internal_hooks(&config.server.public_url, &elitery_key);

        let (stop, stopped) = watch::channel(false);
        let (store, bridge) = bridge(&config, timing.clone(), bridge_door, stopped)?;
        let stage = Stage {
            acme,
            elitery,
            store,
            timing,
            bridge_url: config.server.public_url.clone(),
            config_file,
            store_file: config.store.path.clone(),
            sweep_ms: config.externals[0].sync.sweep_ms,
            acme_key,
            elitery_key,
            stop,
            bridge,
            sims,
        };
        stage.until("the bridge's first look at both iTops", async || stage.is_connected().await).await?;
        Ok(stage)
    }

    /// Whether the bridge has recorded which tickets are older than the connection.
    async fn is_connected(&self) -> anyhow::Result<Option<()>> {
        let external = Instance::External(ACME.to_owned());
        let since = self.store.call(move |store| store.cursor(&external, "since_id")).await?;
        Ok(since.map(|_| ()))
    }

    pub async fn stop(self) {
        // The receivers live as long as the bridge.
        let _ = self.stop.send(true);
        let _ = self.bridge.await;
        self.store.close().await;
        for sim in self.sims {
            sim.abort();
        }
    }

    /// Called just before a person's click: calls and time are counted from here.
    pub fn begin(&self) -> Instant {
        for sim in [&self.acme, &self.elitery] {
            sim.clear_calls();
            sim.clear_deliveries();
        }
        Instant::now()
    }

    /// The cost since `begin`, measured once the queue is empty. `seen` is when the effect showed.
    pub async fn cost(&self, began: Instant, seen: Instant) -> anyhow::Result<Cost> {
        self.settled().await?;
        let (acme, elitery) = (self.acme.calls(), self.elitery.calls());
        let all = || acme.iter().chain(&elitery);
        let hooks = self.acme.deliveries().into_iter().chain(self.elitery.deliveries());
        let answered = |hook: &Delivery| matches!(hook.outcome, Outcome::Answered(_));
        Ok(Cost {
            ms: (seen - began).as_millis(),
            acme: acme.len(),
            elitery: elitery.len(),
            writes: all().filter(|call| call.is_write()).count(),
            sweeps: all().filter(|call| is_of_a_sweep(call)).count(),
            hooks: hooks.filter(answered).count(),
        })
    }

    /// Waits until `look` finds something.
    pub async fn until<T>(&self, what: &str, look: impl AsyncFn() -> anyhow::Result<Option<T>>) -> anyhow::Result<T> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = look().await? {
                return Ok(found);
            }
            if Instant::now() > deadline {
                bail!("{what} has not come within {} s{}", PATIENCE.as_secs(), self.waiting().await?);
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Waits until no ticket is left in the queue, rechecks included.
    pub async fn settled(&self) -> anyhow::Result<()> {
        self.until("an empty queue", async || Ok(self.waiting().await?.is_empty().then_some(()))).await
    }

    /// The waiting tickets of the bridge's queue, in its own words; empty if there are none.
    async fn waiting(&self) -> anyhow::Result<String> {
        let row = |row: &QueueRow| {
            format!("; ticket {} waits: {}", row.of.ticket, row.error.as_deref().unwrap_or("its pass is to come"))
        };
        Ok(self.queue().await?.iter().map(row).collect())
    }

    /// Why the last pass of each waiting ticket failed, if it did.
    pub async fn failures(&self) -> anyhow::Result<Vec<String>> {
        Ok(self.queue().await?.into_iter().filter_map(|row| row.error).collect())
    }

    async fn queue(&self) -> anyhow::Result<Vec<QueueRow>> {
        let now_ms = SystemClock.now_ms();
        Ok(self.store.call(move |store| store.queue(None, 200, now_ms)).await?)
    }

    /// The counterpart of an external ticket, found by the mark in its log and not by the bridge's own records.
    pub fn copy_of(&self, original: &Ticket) -> Option<Ticket> {
        let mark = TicketMark {
            server: SERVER_ID.to_owned(),
            external: ACME.to_owned(),
            class: original.class.clone(),
            ticket: original.id,
        };
        let marked = |ticket: &Ticket| {
            ticket.log("private_log").first().is_some_and(|entry| TicketMark::find(&entry.html).as_ref() == Some(&mark))
        };
        self.elitery.tickets("Ticket").into_iter().find(marked)
    }

    pub fn original(&self, id: u64) -> anyhow::Result<Ticket> {
        self.acme.ticket(id).with_context(|| format!("{ACME}'s ticket {id} is gone"))
    }

    /// The counterpart, as soon as its attribute satisfies `wanted`.
    pub async fn until_copy(&self, id: u64, code: &str, wanted: impl Fn(&str) -> bool) -> anyhow::Result<Ticket> {
        let what = format!("{code} of the copy of ticket {id}");
        self.until(&what, async || {
            let copy = self.copy_of(&self.original(id)?);
            Ok(copy.filter(|copy| wanted(copy.field(code))))
        })
        .await
    }

    pub async fn link(&self, ticket: u64) -> anyhow::Result<Stored> {
        let of = TicketOf { external: ACME.to_owned(), ticket };
        let link = self.store.call(move |store| store.link_of_external(&of)).await?;
        link.with_context(|| format!("the bridge has no link for {ACME}'s ticket {ticket}"))
    }
}

async fn listen() -> anyhow::Result<TcpListener> {
    TcpListener::bind("127.0.0.1:0").await.context("cannot open a port on 127.0.0.1")
}

fn sim(version: Version, address: SocketAddr, time_zone: &str, first_ids: FirstIds) -> Sim {
    Sim::new(SimConfig {
        time_zone: time_zone.to_owned(),
        clock: WallClock::new(|| SystemClock.now_ms().div_euclid(1_000)),
        first_ids,
        latency: Duration::from_millis(CALL_MS),
        ..SimConfig::new(version, &format!("http://{address}"))
    })
}

fn bridge(
    config: &Config,
    timing: Timing,
    door: TcpListener,
    stopped: watch::Receiver<bool>,
) -> anyhow::Result<(StoreHandle, JoinHandle<Result<(), Broken>>)> {
    let mut sqlite = SqliteStore::open_exclusive(&config.store.path)?;
    sqlite.adopt_server_id(&config.server.id)?;
    let store = StoreHandle::thread(sqlite);
    let seams = Seams {
        store: store.clone(),
        clock: Arc::new(SystemClock),
        random: Arc::new(SystemRandom),
        timing,
        post: None,
        dry_run: false,
    };
    let app = App::new(config, seams, &app::http_transport)?;
    let running = tokio::spawn(app.run(door, stopped));
    Ok((store, running))
}

/// An ordinary configuration file, so that the other commands can be tried on the demo that `--keep` leaves running.
fn configuration(bridge: SocketAddr, acme: (&Sim, &str), elitery: (&Sim, &str)) -> String {
    let ((acme, acme_key), (elitery, elitery_key)) = (acme, elitery);
    let (acme, elitery) = (acme.base_url(), elitery.base_url());
    format!(
        r#"[server]
id = "{SERVER_ID}"
listen = "{bridge}"

[store]
url = "sqlite:itop-bridge.db"

[internal]
name = "{ELITERY}"
url = "{elitery}"
user = "bridge"
password = "Bridge.1234"
api_keys = ["{elitery_key}"]
defaults = {{ org = "Demo", caller = 6, team = "Helpdesk", agent = 9, service = "Software", servicesubcategory = "Installation" }}
settle_seconds = 2

[external.{ACME}]
url = "{acme}"
user = "bridge"
password = "Bridge.1234"
api_keys = ["{acme_key}"]
only = "all"
settle_seconds = 2

[sync]
classes = {{ UserRequest = "UserRequest", Incident = "Incident" }}
sweep_seconds = 4
audit_seconds = 60
"#
    )
}

/// The file holds keys and a password.
fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    use std::io::Write as _;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(file.write_all(text.as_bytes())?)
}

/// A sweep asks for changes since its cursor, at any point of the story.
fn is_of_a_sweep(call: &Call) -> bool {
    call.key.as_str().is_some_and(|oql| oql.contains("last_update >="))
}
