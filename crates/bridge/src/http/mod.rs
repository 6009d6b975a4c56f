//! The HTTP server: it receives iTop's webhooks, marks their tickets in the store, and answers.
//!
//! A webhook is a hint that a ticket may have changed, never data to apply. So this module only identifies the caller
//! and the ticket, marks the ticket dirty, and answers once the mark is on disk.
//!
//! Invariants of absence: nothing here calls an iTop, and an answer waits for nothing but the store's commit,
//! [`Timing::hook_commit_ms`] at most. In iTop, a person's save waits for the answer.

use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use itop_bridge_engine::Engine;
use itop_bridge_engine::clock::Clock;
use itop_bridge_engine::metrics::Metrics;
use itop_bridge_engine::refused::Refused;
use itop_bridge_engine::timing::Timing;
use itop_bridge_store::{DirtyMark, Marked, StoreError, StoreHandle};
use tower_http::catch_panic::CatchPanicLayer;

use crate::config::Config;
use crate::running;

mod answer;
mod auth;
mod bridged;
mod hooks;
mod openapi;
mod serve;
mod wrong_keys;

pub use auth::{KeyTable, KeyUse, NewKeys, Owner};
pub use bridged::Bridged;
pub use serve::{Peer, serve};

use answer::{Refusal, StoreWatch};
use hooks::Hook;
use wrong_keys::{Verdict, WrongKeys};

/// The store as this module needs it.
#[async_trait]
pub trait Inbox: Send + Sync {
    /// Answers once the marks are on disk, one answer per mark.
    async fn mark_dirty(&self, marks: Vec<DirtyMark>, now_ms: i64) -> Result<Vec<Marked>, StoreError>;

    /// Commits a test value: `Ok` means that the store can commit.
    async fn probe(&self) -> Result<(), StoreError>;

    /// Keys of this section were reread and are accepted from now on.
    async fn keys_were_read(&self, keys: NewKeys) -> Result<(), StoreError>;
}

#[async_trait]
impl Inbox for StoreHandle {
    async fn mark_dirty(&self, marks: Vec<DirtyMark>, now_ms: i64) -> Result<Vec<Marked>, StoreError> {
        StoreHandle::mark_dirty(self, marks, now_ms).await
    }

    async fn probe(&self) -> Result<(), StoreError> {
        self.call(|store| store.probe()).await
    }

    async fn keys_were_read(&self, (section, keys): NewKeys) -> Result<(), StoreError> {
        self.call(move |store| running::keys_were_read(store, &section, &keys)).await
    }
}

/// State shared by the routes.
pub struct HttpState {
    pub inbox: Arc<dyn Inbox>,
    pub clock: Arc<dyn Clock>,
    pub keys: KeyTable,
    pub bridged: Bridged,
    pub timing: Timing,
    pub metrics: Arc<Metrics>,
    internal_name: String,
    wrong_keys: WrongKeys,
    store: StoreWatch,
}

impl HttpState {
    pub fn new(
        config: &Config,
        inbox: Arc<dyn Inbox>,
        clock: Arc<dyn Clock>,
        timing: Timing,
        metrics: Arc<Metrics>,
    ) -> HttpState {
        HttpState {
            inbox,
            clock,
            keys: KeyTable::new(config),
            bridged: Bridged::new(config),
            timing,
            metrics,
            internal_name: config.internal.name.clone(),
            wrong_keys: WrongKeys::default(),
            store: StoreWatch::default(),
        }
    }

    /// The owner of the request's key, or why it is refused.
    async fn caller(&self, request: &Parts) -> Result<Owner, Refusal> {
        let now_ms = self.clock.now_ms();
        let refusal = match self.owner(&request.headers, now_ms).await {
            Ok(owner) => return Ok(owner),
            Err(refusal) => refusal,
        };
        let from = request.extensions.get::<Peer>().map(|peer| peer.0);
        let is_missing = refusal == Refusal::MissingApiKey;
        let refusal = match self.wrong_keys.one_more(from, now_ms) {
            Verdict::AsEver => refusal,
            Verdict::Wait { seconds, first } => {
                if first {
                    let from = from.map_or("many addresses".to_owned(), |address| address.to_string());
                    tracing::warn!(%from, last = refusal.parts().1, "many requests without a valid key; until they stop they are answered 429, and logged no more");
                }
                Refusal::TooManyWrongKeys { seconds }
            }
        };
        self.metrics.wrong_key(is_missing, refusal.parts().0.as_u16());
        Err(refusal)
    }

    /// The owner of the key. A refused key may have been written into a file since, so the files are reread.
    async fn owner(&self, headers: &HeaderMap, now_ms: i64) -> Result<Owner, Refusal> {
        let owner = self.keys.owner(headers, now_ms);
        if owner != Err(Refusal::InvalidApiKey) {
            return owner;
        }
        let new = self.keys.read_files_again(now_ms);
        if new.is_empty() {
            return owner;
        }
        for keys in new {
            if let Err(error) = self.stored(self.inbox.keys_were_read(keys)).await {
                tracing::warn!(
                    error,
                    "cannot store that a key was read again: `check` takes the configuration for changed"
                );
            }
        }
        self.keys.owner(headers, now_ms)
    }

    /// A webhook was refused for its key. `check` reports all of them, the log only the first per hour from an
    /// address to a route.
    fn refused_for_its_key(&self, from: Option<IpAddr>, kind: &'static str, refusal: Refusal) {
        let now_ms = self.clock.now_ms();
        let (_, word, why) = refusal.parts();
        let address = from.map_or("an address that is not known".to_owned(), |address| address.to_string());
        if self.wrong_keys.is_news(from, kind, now_ms) {
            tracing::warn!(from = %address, route = %format!("/api/v1/{kind}"), why, "a webhook is refused for its key; if one of the iTops sends it, `itop-bridge setup --side NAME` gives its webhooks the right one");
        }
        self.metrics.refused_hook(kind, Refused::one(address, word, now_ms));
    }

    /// The store's answer; if it fails or takes too long, the reason.
    async fn stored<T>(&self, answer: impl Future<Output = Result<T, StoreError>>) -> Result<T, String> {
        let answer = answer::within(self.timing.hook_commit_ms, answer).await;
        self.store.saw(answer.as_ref().err(), self.clock.now_ms());
        answer
    }

    /// The side that sent a webhook. If both share a key, a file's webhook counts as the external's.
    fn sender<'a>(&'a self, owner: &'a Owner, hook: Hook) -> &'a str {
        match owner {
            Owner::Internal { name } | Owner::External { name } => name,
            Owner::Both { .. } if hook == Hook::InternalTicket => &self.internal_name,
            Owner::Both { external } => external,
        }
    }
}

/// The webhooks: the end of each route, and the event that it reports.
const HOOKS: [(&str, Hook); 8] = [
    ("create-ticket", Hook::ExternalTicketCreated),
    ("update-ticket", Hook::ExternalTicketChanged),
    ("update-private-log", Hook::ExternalTicketChanged),
    ("ticket-state-change", Hook::InternalTicket),
    ("ticket-update-private-log", Hook::InternalTicket),
    ("create-attachment", Hook::Attachment),
    ("update-attachment", Hook::Attachment),
    ("delete-attachment", Hook::Attachment),
];

/// The routes except `/metrics`. Every answer is JSON, whatever went wrong.
pub fn router(state: Arc<HttpState>) -> Router {
    let hook = |hook: Hook, kind: &'static str| {
        post(move |State(state): State<Arc<HttpState>>, request: Request| async move {
            hooks::receive(&state, hook, kind, request).await
        })
    };
    let hooks = HOOKS
        .into_iter()
        .fold(Router::new(), |router, (kind, of)| router.route(&format!("/api/v1/{kind}"), hook(of, kind)));
    hooks
        .route("/api/v1/test", get(test))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/openapi.json", get(async || Json(openapi::document())))
        .fallback(async || Refusal::NotFound)
        .method_not_allowed_fallback(async || Refusal::MethodNotAllowed)
        .layer(CatchPanicLayer::custom(|_| Refusal::InternalError.into_response()))
        .with_state(state)
}

/// The route of the engine's metrics.
pub fn metrics_route(engine: Engine) -> Router {
    let text = "text/plain; version=0.0.4; charset=utf-8";
    Router::new()
        .route("/metrics", get(async move || ([(CONTENT_TYPE, text)], engine.show_metrics().await)))
        .method_not_allowed_fallback(async || Refusal::MethodNotAllowed)
        .layer(CatchPanicLayer::custom(|_| Refusal::InternalError.into_response()))
}

/// Says which side the caller's key belongs to.
async fn test(State(state): State<Arc<HttpState>>, request: Request) -> Result<Response, Refusal> {
    let (request, _) = request.into_parts();
    Ok(answer::key_is_valid(&state.caller(&request).await?))
}

async fn healthz() -> Response {
    answer::healthy()
}

async fn readyz(State(state): State<Arc<HttpState>>) -> Response {
    match state.stored(state.inbox.probe()).await {
        Ok(()) => answer::ready(),
        Err(why) => answer::not_ready(&why),
    }
}
