//! `/openapi.json`: every route, generated from the tables that the routes themselves are generated from.

use serde_json::{Map, Value, json};

use super::HOOKS;
use super::answer::Refusal;
use super::hooks::Hook;

/// The document, in OpenAPI 3.1.
pub(super) fn document() -> Value {
    let mut paths = Map::new();
    for (kind, hook) in HOOKS {
        paths.insert(format!("/api/v1/{kind}"), json!({ "post": webhook(kind, hook) }));
    }
    for (path, operation) in [
        ("/api/v1/test", test()),
        ("/healthz", plain("healthz", "Whether the process answers.", "It does.", &[])),
        ("/readyz", plain("readyz", "Whether the store can commit.", "It can.", &[Refusal::StoreUnavailable])),
        ("/metrics", metrics()),
        ("/openapi.json", plain("openapi", "This document.", "The document.", &[])),
    ] {
        paths.insert(path.to_owned(), json!({ "get": operation }));
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "itop-bridge",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Webhooks of iTops. Each is a hint that a ticket may have changed: of its payload only \
                            the ids count, and the bridge reads the rest itself.",
        },
        "paths": paths,
        "components": { "schemas": schemas(), "securitySchemes": {
            "ApiKey": { "type": "apiKey", "in": "header", "name": "X-API-Key" },
            "Bearer": { "type": "http", "scheme": "bearer" },
        } },
    })
}

fn webhook(kind: &str, hook: Hook) -> Value {
    let (about, schema) = match hook {
        Hook::ExternalTicketCreated => ("A ticket was created in an external iTop.", "Ticket"),
        Hook::ExternalTicketChanged => ("A ticket of an external iTop changed.", "Ticket"),
        Hook::InternalTicket => ("A ticket of the internal iTop changed; its id says which.", "Ticket"),
        Hook::Attachment => {
            ("A file was added, changed or deleted, on the side that the key belongs to.", "Attachment")
        }
    };
    let mut answers = refusals(&Refusal::of_webhooks());
    answers.insert(
        "202".into(),
        json!({
            "description": "Taken and on disk, or there is nothing to do for it.",
            "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Taken" } } },
        }),
    );
    json!({
        "operationId": kind,
        "summary": about,
        "security": [{ "ApiKey": [] }, { "Bearer": [] }],
        "requestBody": {
            "required": true,
            "description": "At most 1 MiB. A body that is not JSON is searched for the ids.",
            "content": { "application/json": { "schema": { "$ref": format!("#/components/schemas/{schema}") } } },
        },
        "responses": answers,
    })
}

fn test() -> Value {
    let mut answers =
        refusals(&[Refusal::MissingApiKey, Refusal::InvalidApiKey, Refusal::TooManyWrongKeys { seconds: 0 }]);
    answers.insert(
        "200".into(),
        json!({
            "description": "The key is valid.",
            "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Key" } } },
        }),
    );
    json!({
        "operationId": "test",
        "summary": "Whose key this is.",
        "security": [{ "ApiKey": [] }, { "Bearer": [] }],
        "responses": answers,
    })
}

fn plain(id: &str, about: &str, well: &str, refused: &[Refusal]) -> Value {
    let mut answers = refusals(refused);
    answers.insert(
        "200".into(),
        json!({
            "description": well,
            "content": { "application/json": { "schema": { "type": "object" } } },
        }),
    );
    json!({ "operationId": id, "summary": about, "responses": answers })
}

fn metrics() -> Value {
    json!({
        "operationId": "metrics",
        "summary": "The counters and gauges, for Prometheus.",
        "responses": { "200": {
            "description": "Prometheus' text format.",
            "content": { "text/plain": { "schema": { "type": "string" } } },
        } },
    })
}

/// By status; refusals with the same status share an entry.
fn refusals(refused: &[Refusal]) -> Map<String, Value> {
    let mut said: Map<String, Value> = Map::new();
    for refusal in refused {
        let (status, word, message) = refusal.parts();
        let line = format!("`{word}`: {message}");
        let entry = said.entry(status.as_str().to_owned()).or_insert_with(|| {
            json!({
                "description": "",
                "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Refusal" } } },
            })
        });
        let before = entry["description"].as_str().unwrap_or_default();
        entry["description"] = json!(if before.is_empty() { line } else { format!("{before}. {line}") });
    }
    said
}

fn schemas() -> Value {
    let text = json!({ "type": "string" });
    let id = json!({ "type": ["string", "integer"], "description": "A number, also as text." });
    json!({
        "Ticket": {
            "type": "object",
            "required": ["id"],
            "properties": { "id": id, "class": text },
        },
        "Attachment": {
            "type": "object",
            "required": ["item_id"],
            "properties": { "item_id": id, "item_class": text, "attachment_id": id, "source": text },
        },
        "Taken": {
            "type": "object",
            "required": ["accepted"],
            "properties": {
                "accepted": { "type": "boolean" },
                "ticket": { "type": "integer" },
                "ignored": { "type": "string", "description": "Why there is nothing to do." },
            },
        },
        "Key": {
            "type": "object",
            "properties": { "message": text, "side": { "enum": ["internal", "external", "both"] }, "name": { "type": ["string", "null"] } },
        },
        "Refusal": {
            "type": "object",
            "required": ["error", "message"],
            "properties": { "error": text, "message": text },
        },
    })
}
