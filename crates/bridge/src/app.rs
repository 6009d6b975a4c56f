//! Assembles the bridge: the configuration and the seams (store, clock, randomness, transport) become an engine and
//! the routes. `serve` passes the real seams, tests and `demo` their own.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use itop_bridge_engine::clock::{Clock, SystemClock};
use itop_bridge_engine::metrics::{self, Metrics};
use itop_bridge_engine::random::{Random, SystemRandom};
use itop_bridge_engine::timing::Timing;
use itop_bridge_engine::{Alerts, Broken, Engine, Itop, LaneSettings, Parts};
use itop_bridge_store::{Instance, SqliteStore, StoreHandle};
use itop_client::{
    Body, Client, ClientConfig, HttpOptions, HttpTransport, Memory, Observer, Progress, Transport, TransportError,
};
use secrecy::{ExposeSecret, SecretString};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::config::{Config, Login, SideConfig};
use crate::http::{HttpState, router};
use crate::login_file::ConfiguredLogin;

/// Memory for the contents of files in transit, for all sides together.
const FILE_MEMORY_BYTES: u64 = 512 << 20;

/// The parts that differ between `serve`, `demo` and a test.
pub struct Seams {
    pub store: StoreHandle,
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
    pub timing: Timing,
    /// The transport for alerts; `None` for a bridge that posts none, whatever the configuration says.
    pub post: Option<Arc<dyn Transport>>,
    /// Nothing is ever written to an iTop; each write is logged instead.
    pub dry_run: bool,
}

/// Makes the transport to one side's iTop.
pub type MakeTransport<'a> = &'a dyn Fn(&SideConfig) -> Result<Arc<dyn Transport>, SideError>;

#[derive(Debug, thiserror::Error)]
pub enum SideError {
    #[error("{side}: {problem}")]
    Side { side: String, problem: String },
}

/// The bridge, ready to run.
pub struct App {
    pub engine: Engine,
    pub router: axum::Router,
    store: StoreHandle,
    timing: Timing,
}

impl App {
    pub fn new(config: &Config, seams: Seams, transport: MakeTransport<'_>) -> Result<App, SideError> {
        let metrics = Arc::new(Metrics::default());
        let itop = |side: &SideConfig, instance: Instance, memory: &Memory| {
            let observer = Some(metrics::observer(metrics.clone(), &side.name));
            let client = client(side, memory, transport(side)?, observer, seams.dry_run)?;
            let section = instance.key();
            let itop = Itop::new(side.name.clone(), instance, client, side.settle_ms, side.timeout_ms);
            let login = ConfiguredLogin { section, from: side.login_from.clone() };
            let itop = itop.with_login_from(Arc::new(login));
            Ok(itop.in_time_zone(side.time_zone.clone()).in_date_format(side.date_format.clone()))
        };
        let internal = itop(&config.internal, Instance::Internal, &Memory::new(FILE_MEMORY_BYTES))?;
        let mut lanes = Vec::new();
        for external in &config.externals {
            let settings = LaneSettings {
                name_in_marks: external.name_in_marks.clone(),
                only: external.only.clone(),
                internal_defaults: external.internal_defaults.clone(),
                external_defaults: external.side.defaults.clone(),
                sync: external.sync.clone(),
            };
            let memory = lane_memory(config.externals.len(), settings.sync.max_attachment_bytes);
            lanes.push((itop(&external.side, Instance::External(external.name().to_owned()), &memory)?, settings));
        }
        let keep_closed_ms = i64::from(config.store.keep_closed_days) * 24 * 3_600_000;
        let timing = Timing { keep_closed_ms, ..seams.timing };
        let store = seams.store.clone();
        let inbox = Arc::new(store.clone());
        let state = HttpState::new(config, inbox, seams.clock.clone(), timing.clone(), metrics.clone());
        let alerts = config.alerts.as_ref().zip(seams.post);
        let alerts = alerts.map(|(alerts, transport)| Alerts {
            webhook_url: alerts.webhook_url.clone(),
            silence_ms: alerts.silence_ms,
            transport,
        });
        let engine = Engine::new(Parts {
            store: seams.store,
            clock: seams.clock,
            random: seams.random,
            timing: timing.clone(),
            server: config.server.id.clone(),
            internal,
            lanes,
            metrics,
            alerts,
            dry_run: seams.dry_run,
        });
        let router = router(Arc::new(state)).merge(crate::http::metrics_route(engine.clone()));
        Ok(App { engine, router, store, timing })
    }

    /// Takes webhooks and works until `stop` says so; then finishes the work in progress. If a part of the bridge
    /// breaks, the whole bridge ends, so that the process's supervisor restarts it. The store stays open.
    pub async fn run(self, listener: TcpListener, mut stop: watch::Receiver<bool>) -> Result<(), Broken> {
        let (end, ending) = watch::channel(false);
        let is_ending = || {
            let mut ending = ending.clone();
            async move { drop(ending.wait_for(|ending| *ending).await) }
        };
        let engine = async {
            let outcome = self.engine.run(ending.clone()).await;
            let _ = end.send(true);
            outcome
        };
        let watched = async {
            let outcome = tokio::select! {
                _ = stop.wait_for(|stopped| *stopped) => Ok(()),
                () = is_ending() => Ok(()),
                () = self.store.lost() => Err(Broken("nothing can be stored any more".to_owned())),
            };
            let _ = end.send(true);
            outcome
        };
        let http = crate::http::serve(listener, self.router, &self.timing, is_ending());
        let ((), engine, watched) = tokio::join!(http, engine, watched);
        engine.and(watched)
    }
}

/// A bridge that is never run, for a command that queries the iTops.
pub fn to_look(config: &Config, store: SqliteStore, transport: MakeTransport<'_>) -> Result<App, SideError> {
    over(config, StoreHandle::inline(store), transport)
}

/// The same, over a store that the command itself also uses.
pub fn over(config: &Config, store: StoreHandle, transport: MakeTransport<'_>) -> Result<App, SideError> {
    let seams = Seams {
        store,
        clock: Arc::new(SystemClock),
        random: Arc::new(SystemRandom),
        timing: config.timing(),
        post: None,
        dry_run: false,
    };
    App::new(config, seams, transport)
}

/// Memory for the files of one external, in both directions. Each external has its own share, so that a slow one
/// never holds what another needs. Enough for one copy of the largest file.
fn lane_memory(lanes: usize, max_file_bytes: u64) -> Memory {
    let share = FILE_MEMORY_BYTES / lanes.max(1) as u64;
    Memory::new(share.max(Memory::needed_to_copy(max_file_bytes).min(FILE_MEMORY_BYTES)))
}

/// A client of one side, with its log-in and limits.
pub fn client(
    side: &SideConfig,
    memory: &Memory,
    transport: Arc<dyn Transport>,
    observer: Option<Observer>,
    only_reads: bool,
) -> Result<Client, SideError> {
    let transport = match side.absent.first() {
        Some(absent) => Arc::new(Unasked(absent.to_string())),
        None => transport,
    };
    let login = match &side.login {
        Login::Password { user, password } => {
            itop_client::Login::Password { user: user.clone(), password: password.clone() }
        }
        Login::Token(token) => itop_client::Login::Token(token.clone()),
    };
    let config = ClientConfig {
        timeout: Duration::from_millis(side.timeout_ms.max(0) as u64),
        max_calls: side.max_calls,
        secrets: side.proxy.as_ref().map(passwords_of).unwrap_or_default(),
        memory: memory.clone(),
        only_reads,
        observer,
        ..ClientConfig::new(side.url.clone(), login)
    };
    Client::new(config, transport).map_err(|error| problem(side, &error))
}

/// The transport of a side whose secret is missing here: it sends nothing.
struct Unasked(String);

impl Transport for Unasked {
    fn send<'a>(
        &'a self,
        _request: http::Request<Body>,
        _progress: &'a Progress,
    ) -> BoxFuture<'a, Result<http::Response<Bytes>, TransportError>> {
        let why = TransportError::NotConnected(self.0.clone());
        Box::pin(async { Err(why) })
    }
}

/// The password in a proxy's URL, both as written and decoded.
fn passwords_of(proxy: &SecretString) -> Vec<SecretString> {
    let url = url::Url::parse(proxy.expose_secret()).ok();
    let Some(written) = url.as_ref().and_then(url::Url::password) else { return Vec::new() };
    let form = format!("p={}", written.replace('+', "%2B"));
    let meant = url::form_urlencoded::parse(form.as_bytes()).next().map(|(_, value)| value.into_owned());
    [Some(written.to_owned()), meant].into_iter().flatten().map(SecretString::from).collect()
}

/// The real transport: HTTP with the side's certificates and proxy.
pub fn http_transport(side: &SideConfig) -> Result<Arc<dyn Transport>, SideError> {
    let options = HttpOptions {
        ca_file: side.ca_file.clone(),
        proxy: side.proxy.as_ref().map(|proxy| proxy.expose_secret().to_owned()),
        ..HttpOptions::default()
    };
    let transport = HttpTransport::new(&options).map_err(|error| problem(side, &error))?;
    Ok(Arc::new(transport))
}

/// The transport for alerts.
pub fn post_transport() -> anyhow::Result<Arc<dyn Transport>> {
    Ok(Arc::new(HttpTransport::new(&HttpOptions::default())?))
}

fn problem(side: &SideConfig, error: &dyn std::fmt::Display) -> SideError {
    SideError::Side { side: side.name.clone(), problem: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxys_password_is_known_as_written_and_as_meant() {
        let known = |url: &str| -> Vec<String> {
            let passwords = passwords_of(&SecretString::from(url.to_owned()));
            passwords.iter().map(|password| password.expose_secret().to_owned()).collect()
        };
        assert_eq!(known("http://user:p%40ss+w@proxy.example:3128"), ["p%40ss+w", "p@ss+w"]);
        assert_eq!(known("http://proxy.example:3128"), [""; 0]);
        assert_eq!(known("no address"), [""; 0]);
    }
}
