//! The answers. iTop shows them in its log of webhooks, so they say what an administrator there can do.

use std::time::Duration;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use itop_bridge_core::Side;
use serde_json::json;

use super::Owner;
use crate::store::StoreError;

pub(super) fn accepted(ticket: u64) -> Response {
    (StatusCode::ACCEPTED, Json(json!({ "accepted": true, "ticket": ticket }))).into_response()
}

/// What is no ticket of ours is answered well all the same: iTop logs anything else as a failure.
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

/// An answer that something was wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    NoTicketId,
    NoItemId,
    /// In the id's place stands a placeholder, or what iTop writes for an attribute without a value.
    NotFilledIn,
    NotJson,
    CutOff,
    MissingApiKey,
    InvalidApiKey,
    /// The key of the other side, on a route of this one.
    WrongSide(Side),
    NotFound,
    MethodNotAllowed,
    TooSlow,
    TooLarge,
    InternalError,
    StoreUnavailable,
}

impl Refusal {
    /// The bridge's own trouble, not the caller's.
    pub fn is_ours(self) -> bool {
        matches!(self, Refusal::StoreUnavailable | Refusal::InternalError)
    }

    /// What a webhook may be refused with.
    pub fn of_webhooks() -> [Refusal; 13] {
        use Refusal::*;
        [
            NoTicketId,
            NoItemId,
            NotFilledIn,
            NotJson,
            CutOff,
            MissingApiKey,
            InvalidApiKey,
            WrongSide(Side::External),
            WrongSide(Side::Internal),
            TooSlow,
            TooLarge,
            InternalError,
            StoreUnavailable,
        ]
    }

    /// The status, a word for programs, which stays, and a sentence for people.
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
        (status, Json(json!({ "error": error, "message": message }))).into_response()
    }
}

/// The store's answer, or 503 when it fails or takes too long.
pub(super) async fn within<T>(ms: i64, answer: impl Future<Output = Result<T, StoreError>>) -> Result<T, Refusal> {
    let limit = Duration::from_millis(ms.unsigned_abs());
    match tokio::time::timeout(limit, answer).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => {
            tracing::error!(%error, "a request was refused: the store cannot commit");
            Err(Refusal::StoreUnavailable)
        }
        Err(_) => {
            tracing::error!(limit_ms = ms, "a request was refused: the store did not commit in time");
            Err(Refusal::StoreUnavailable)
        }
    }
}
