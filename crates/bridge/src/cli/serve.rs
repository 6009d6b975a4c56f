//! `serve`: the service.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use tokio::sync::watch;

use super::Outcome;
use crate::app::{self, App, Seams};
use crate::clock::{Clock as _, SystemClock};
use crate::config::Config;
use crate::random::SystemRandom;
use crate::store::{SqliteStore, Store as _, StoreHandle};

/// Take webhooks and keep the tickets in step, until SIGTERM or Ctrl-C.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  itop-bridge --config /etc/itop-bridge/itop-bridge.toml serve")]
pub(super) struct Serve {}

pub(super) fn run(config: &Path) -> anyhow::Result<Outcome> {
    let config = Config::load(config)?;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    if config.alerts.is_some() {
        tracing::warn!("[alerts] is read and has no effect yet: watch the log for errors");
    }
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?
        .block_on(serve(&config))
}

async fn serve(config: &Config) -> anyhow::Result<Outcome> {
    let mut sqlite = SqliteStore::open_exclusive(&config.store.path)
        .with_context(|| format!("the store {}", config.store.path.display()))?;
    sqlite.adopt_server_id(&config.server.id)?;
    // The lock says that no other process works on this store: whoever held a lease is dead.
    sqlite.expire_leases(SystemClock.now_ms())?;
    let store = StoreHandle::thread(sqlite);
    let seams = Seams {
        store: store.clone(),
        clock: Arc::new(SystemClock),
        random: Arc::new(SystemRandom),
        timing: config.timing(),
    };
    let app = App::new(config, seams, &app::http_transport)?;
    let listener = tokio::net::TcpListener::bind(config.server.listen).await.with_context(|| {
        format!("cannot listen on {} ([server].listen): is another program using it?", config.server.listen)
    })?;
    tracing::info!(listen = %listener.local_addr()?, externals = config.externals.len(), "itop-bridge serves");

    let (stop, stopped) = watch::channel(false);
    tokio::spawn(async move {
        signalled().await;
        tracing::info!("stopping: the passes in hand are ended");
        let _ = stop.send(true);
    });
    let outcome = app.run(listener, stopped).await;
    store.close().await;
    outcome?;
    tracing::info!("stopped");
    Ok(Outcome::Fine)
}

/// Waits for SIGTERM or Ctrl-C.
pub(super) async fn signalled() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        },
        Err(_) => drop(tokio::signal::ctrl_c().await),
    }
}
