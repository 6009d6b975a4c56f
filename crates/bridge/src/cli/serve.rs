//! `serve`: the service.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use clap::Args;
use itop_bridge_engine::clock::{Clock as _, SystemClock};
use itop_bridge_engine::random::SystemRandom;
use itop_bridge_store::{SqliteStore, Store as _, StoreHandle};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use super::{Outcome, store, ticket};
use crate::app::{self, App, Seams};
use crate::config::Config;
use crate::running::{self, Loaded};
use crate::sides::{self, Moved};

/// Take webhooks and keep the tickets in step, until SIGTERM or Ctrl-C.
///
/// Run `check` first. The iTops need not be up: a read or write that fails is tried again. The log goes to standard
/// error, as JSON if that is not a terminal. Only one `serve` can work on a store.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  itop-bridge serve
  itop-bridge serve --dry-run
  RUST_LOG=itop_bridge=debug itop-bridge --config /etc/itop-bridge/itop-bridge.toml serve

Environment:
  RUST_LOG  What is logged: error, warn, info (the default) or debug; itop_bridge=debug,warn for one part more.

Signals:
  SIGTERM, Ctrl-C  Take no more webhooks, end the passes in hand, for at most 10 seconds, and stop.
                   A second one stops at once. Nothing is lost either way: the next start goes on.

Exit codes:
  0  stopped by SIGTERM or Ctrl-C; the passes in hand were ended
  1  could not start (the configuration, the store or the port), or was stopped at once by a second signal
  2  wrong usage")]
pub(super) struct Serve {
    /// Write to no iTop: take webhooks, sweep and plan as ever, and log the writes that would be made.
    ///
    /// The line of a ticket is "dry run", with the writes that would be made; `plan TICKET` shows it as a diff. Each day ends
    /// with a summary per external, and so does the run. The connection begins with the dry run: once `serve` starts
    /// over the same store without this flag, it writes all that was planned. For a trial that leaves no trace, let
    /// the configuration name a store of its own, and delete that afterwards.
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(serve: &Serve, config: &Path) -> anyhow::Result<Outcome> {
    let config = Config::load(config)?;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?
        .block_on(until_stopped(&config, serve.dry_run))
}

async fn until_stopped(config: &Config, dry_run: bool) -> anyhow::Result<Outcome> {
    let mut signals = Signals::new().context("cannot listen for signals")?;
    let mut sqlite = store::open(config, |path| SqliteStore::open_exclusive(path))?;
    let compared = sides::compare(&mut sqlite, config)?;
    store::refuse_contradictions(&compared)?;
    for Moved { side, was } in &compared.moved {
        tracing::warn!(side, was, "this side is at another address than before: its iTop must be the same one");
    }
    sides::remember(&mut sqlite, config)?;
    if config.externals.is_empty() {
        tracing::warn!("the configuration has no external: nothing crosses");
    }
    // The lock guarantees that no other process works on this store: any holder of a lease is dead.
    sqlite.expire_leases(SystemClock.now_ms())?;
    say_what_is_stopped(&mut sqlite, config)?;
    if dry_run || running::was_dry_run(&mut sqlite)? {
        // Writes planned by a dry run wait for the ticket's next pass; they become due now, to be written or logged
        // again.
        sqlite.hurry(SystemClock.now_ms())?;
    }
    Loaded::now(config, dry_run, &SystemClock, &SystemRandom).keep(&mut sqlite)?;
    let store = StoreHandle::thread(sqlite);
    let seams = Seams {
        store: store.clone(),
        clock: Arc::new(SystemClock),
        random: Arc::new(SystemRandom),
        timing: config.timing(),
        post: config.alerts.is_some().then(app::post_transport).transpose()?,
        dry_run,
    };
    let app = App::new(config, seams, &app::http_transport)?;
    let engine = app.engine.clone();
    let listen = config.server.listen;
    let listener = tokio::net::TcpListener::bind(listen).await.map_err(|error| cannot_listen(listen, &error))?;
    tracing::info!(listen = %listener.local_addr()?, externals = config.externals.len(), "itop-bridge serves");
    if dry_run {
        tracing::warn!("a dry run: nothing is written to any iTop");
    }

    let (stop, stopped) = watch::channel(false);
    tokio::spawn(async move {
        signals.next().await;
        tracing::info!("stopping: the passes in hand are finished; a second signal stops at once");
        let _ = stop.send(true);
        signals.next().await;
        tracing::warn!("stopped at once; the passes in hand are taken up again at the next start");
        // As `kill -9` would: every answered webhook is on disk.
        std::process::exit(1);
    });
    let outcome = app.run(listener, stopped).await;
    for summary in engine.dry_run_summaries() {
        tracing::info!(external = %summary.external, would = %summary, "the dry run is over");
    }
    store.close().await;
    outcome?;
    tracing::info!("stopped");
    Ok(Outcome::Fine)
}

/// The failure, the system's message, and a fix that fits.
fn cannot_listen(listen: SocketAddr, error: &io::Error) -> anyhow::Error {
    let port = listen.port();
    let fix = match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            ". Another program has this port: `ss -ltnp 'sport = :{port}'` names it. Stop it, or write another port"
        ),
        io::ErrorKind::PermissionDenied => format!(
            ". A port below 1024 needs a right of its own: write one above, such as {}:8080, and let a web server in front pass it on",
            listen.ip()
        ),
        io::ErrorKind::AddrNotAvailable => {
            ". This machine has no such address: write one of its own, or 0.0.0.0 for all of them".to_owned()
        }
        _ => String::new(),
    };
    anyhow!("cannot listen on {listen} ([server].listen): {error}{fix}")
}

/// Logs each pause and halt: they outlive a restart, and must not be forgotten.
fn say_what_is_stopped(store: &mut SqliteStore, config: &Config) -> anyhow::Result<()> {
    let externals = config.externals.iter().map(|external| external.name());
    for name in externals.chain([&*config.internal.name]) {
        let Some(instance) = ticket::side(config, name) else { continue };
        if let Some(reason) = store.stopped(&instance)? {
            tracing::warn!(side = name, %reason, "stopped until `itop-bridge resume {name}`");
        }
    }
    Ok(())
}

/// Waits for SIGTERM or Ctrl-C.
pub(super) async fn signalled() {
    match Signals::new() {
        Ok(mut signals) => signals.next().await,
        Err(_) => drop(tokio::signal::ctrl_c().await),
    }
}

/// Listens for SIGTERM and Ctrl-C from now on: a signal that comes before it is awaited is not lost.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> io::Result<Signals> {
        Ok(Signals { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
