//! The answers. iTop shows them in its log of webhooks, so they say what an administrator of that iTop can do.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use axum::Json;
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use itop_bridge_core::Side;
use itop_bridge_store::StoreError;
use serde_json::json;

use super::Owner;

pub(super) fn accepted(ticket: u64) -> Response {
    (StatusCode::ACCEPTED, Json(json!({ "accepted": true, "ticket": ticket }))).into_response()
}

/// A hook of an object that is not bridged is answered with success too: iTop logs anything else as a failure.
pub(super) fn ignored(reason: &str) -> Response {
    (StatusCode::ACCEPTED, Json(json!({ "accepted": false, "ignored": reason }))).into_response()
}

pub(super) fn key_is_valid(owner: &Owner) -> Response {
    let (side, name) = match owner {
        Owner::Internal { name } => ("internal", Some(name)),
        Owner::External { name } => ("external", Some(name)),
        Owner::Both { .. } => ("both", None),
    };
    Json(json!({ "message": "the API key is valid", "side": side, "name": name })).into_response()
}

pub(super) fn healthy() -> Response {
    Json(json!({ "status": "ok" })).into_response()
}

pub(super) fn ready() -> Response {
    Json(json!({ "status": "ready" })).into_response()
}

/// `why` is the store's own message.
pub(super) fn not_ready(why: &str) -> Response {
    let (status, error, _) = Refusal::StoreUnavailable.parts();
    (status, Json(json!({ "error": error, "message": why }))).into_response()
}

/// An error answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    NoTicketId,
    NoItemId,
    /// The id is a placeholder, or iTop's text for an attribute without a value.
    NotFilledIn,
    NotJson,
    CutOff,
    MissingApiKey,
    InvalidApiKey,
    /// This key is wrong, as were several before it from this address; after this many seconds, wrong keys are
    /// answered normally again.
    TooManyWrongKeys {
        seconds: u64,
    },
    /// The key of one side on a route of the other.
    WrongSide(Side),
    NotFound,
    MethodNotAllowed,
    TooSlow,
    TooLarge,
    InternalError,
    StoreUnavailable,
}

impl Refusal {
    /// The bridge's own failure, not the caller's.
    pub fn is_ours(self) -> bool {
        matches!(self, Refusal::StoreUnavailable | Refusal::InternalError)
    }

    /// The webhook carries no key, an unknown one, or the other side's.
    pub fn is_about_the_key(self) -> bool {
        use Refusal::*;
        matches!(self, MissingApiKey | InvalidApiKey | TooManyWrongKeys { .. } | WrongSide(_))
    }

    /// The possible refusals of a webhook.
    pub fn of_webhooks() -> [Refusal; 14] {
        use Refusal::*;
        [
            NoTicketId,
            NoItemId,
            NotFilledIn,
            NotJson,
            CutOff,
            MissingApiKey,
            InvalidApiKey,
            TooManyWrongKeys { seconds: 0 },
            WrongSide(Side::External),
            WrongSide(Side::Internal),
            TooSlow,
            TooLarge,
            InternalError,
            StoreUnavailable,
        ]
    }

    /// The status, a stable word for programs, and a sentence for people.
    pub fn parts(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Refusal::NoTicketId => (StatusCode::BAD_REQUEST, "no_id", "no id: `id` must be the ticket's number"),
            Refusal::NoItemId => (StatusCode::BAD_REQUEST, "no_id", "no id: `item_id` must be the ticket's number"),
            Refusal::NotFilledIn => (
                StatusCode::BAD_REQUEST,
                "no_id",
                "no id: iTop did not fill in the placeholder that stands in its place; check the payload of this action, and that its trigger is on the right class",
            ),
            Refusal::NotJson => (
                StatusCode::BAD_REQUEST,
                "no_id",
                "no id: the body is not JSON and names none; check the payload of this action",
            ),
            Refusal::CutOff => (StatusCode::BAD_REQUEST, "cut_off", "the request's body did not arrive whole"),
            Refusal::MissingApiKey => {
                (StatusCode::UNAUTHORIZED, "missing_api_key", "send one of the configured keys in the header X-API-Key")
            }
            Refusal::InvalidApiKey => (
                StatusCode::UNAUTHORIZED,
                "invalid_api_key",
                "this key is not in the bridge's configuration (api_keys)",
            ),
            Refusal::TooManyWrongKeys { .. } => (
                StatusCode::TOO_MANY_REQUESTS,
                "too_many_wrong_keys",
                "this key is not in the bridge's configuration (api_keys), or there is none in the header X-API-Key, and many such requests came from this address; a right key is always let in",
            ),
            Refusal::WrongSide(Side::External) => (
                StatusCode::FORBIDDEN,
                "wrong_side",
                "this route is for an external iTop, and the key is the internal's",
            ),
            Refusal::WrongSide(Side::Internal) => (
                StatusCode::FORBIDDEN,
                "wrong_side",
                "this route is for the internal iTop, and the key is an external's",
            ),
            Refusal::NotFound => {
                (StatusCode::NOT_FOUND, "not_found", "there is no such route; the webhooks are under /api/v1/")
            }
            Refusal::MethodNotAllowed => (
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "this route takes another method: webhooks are POST, the others GET",
            ),
            Refusal::TooSlow => (StatusCode::REQUEST_TIMEOUT, "too_slow", "the request's body did not arrive in time"),
            Refusal::TooLarge => {
                (StatusCode::PAYLOAD_TOO_LARGE, "too_large", "the body is over 1 MiB; a webhook needs only the ids")
            }
            Refusal::InternalError => {
                (StatusCode::INTERNAL_SERVER_ERROR, "internal_error", "the bridge failed; its log says more")
            }
            Refusal::StoreUnavailable => (
                StatusCode::SERVICE_UNAVAILABLE,
                "store_unavailable",
                "the bridge could not write this down; its sweep will find the change later",
            ),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, error, message) = self.parts();
        let mut response = (status, Json(json!({ "error": error, "message": message }))).into_response();
        if let Refusal::TooManyWrongKeys { seconds } = self {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// The store's answer; if it fails or takes too long, the reason.
pub(super) async fn within<T>(ms: i64, answer: impl Future<Output = Result<T, StoreError>>) -> Result<T, String> {
    let limit = Duration::from_millis(ms.unsigned_abs());
    match tokio::time::timeout(limit, answer).await {
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(_) => Err(format!("the store did not commit within {ms} ms")),
    }
}

/// Logs when the store begins to fail and when it commits again, not at every request.
#[derive(Default)]
pub(super) struct StoreWatch {
    failing: AtomicBool,
    said_ms: AtomicI64,
}

/// A store that fails intermittently is reported once in this time.
const SAY_AGAIN_MS: i64 = 10_000;

impl StoreWatch {
    pub fn saw(&self, failure: Option<&String>, now_ms: i64) {
        let Some(why) = failure else {
            if self.failing.swap(false, Ordering::Relaxed) {
                tracing::warn!("the store commits again");
            }
            return;
        };
        let is_new = !self.failing.load(Ordering::Relaxed);
        if is_new && now_ms.saturating_sub(self.said_ms.load(Ordering::Relaxed)) >= SAY_AGAIN_MS {
            self.said_ms.store(now_ms, Ordering::Relaxed);
            self.failing.store(true, Ordering::Relaxed);
            tracing::error!(error = %why, "webhooks are refused until the store can commit; the sweep finds their changes");
        }
    }
}
