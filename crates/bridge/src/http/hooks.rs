//! A webhook: identify the caller and the ticket, mark it, answer.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::Request;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_LENGTH;
use axum::response::Response;
use itop_bridge_core::Side;
use itop_bridge_engine::metrics::HookAnswer;
use itop_bridge_store::{About, DirtyMark, Look, Marked, TicketOf};
use itop_bridge_text::payload::{NULL, Payload, class as class_of, id};
use serde::de::IgnoredAny;

use super::answer::Refusal;
use super::{HttpState, Owner, Peer, answer, auth};

/// A description can be long; a payload with a file in it is not one of ours.
const MAX_BODY: usize = 1024 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hook {
    ExternalTicketCreated,
    ExternalTicketChanged,
    InternalTicket,
    /// From either side: the key says which.
    Attachment,
}

/// The meaning of a payload: tickets to mark, or why there is nothing to do.
enum Meaning {
    Marks { ticket: u64, marks: Vec<(About, Look)> },
    Nothing(&'static str),
}

/// `kind` is the end of the route.
pub(super) async fn receive(
    state: &HttpState,
    hook: Hook,
    kind: &'static str,
    request: Request,
) -> Result<Response, Refusal> {
    // The key comes first: a body is read only for a valid key.
    let (head, body) = request.into_parts();
    let from = head.extensions.get::<Peer>().map(|peer| peer.0);
    let owner = state.caller(&head).await;
    let side = owner.as_ref().ok().map(|owner| state.sender(owner, hook).to_owned());
    let answer = match owner {
        Ok(owner) => taken(state, hook, &owner, Request::from_parts(head, body)).await,
        Err(refusal) => Err(refusal),
    };
    if let Err(refusal) = &answer
        && refusal.is_about_the_key()
    {
        state.refused_for_its_key(from, kind, *refusal);
    }
    let word = match &answer {
        Ok((_, word)) => *word,
        Err(refusal) if refusal.is_ours() => HookAnswer::Unavailable,
        Err(_) => HookAnswer::Refused,
    };
    state.metrics.hook(side.as_deref(), kind, word, state.clock.now_ms());
    answer.map(|(response, _)| response)
}

async fn taken(
    state: &HttpState,
    hook: Hook,
    owner: &Owner,
    request: Request,
) -> Result<(Response, HookAnswer), Refusal> {
    match hook {
        Hook::ExternalTicketCreated | Hook::ExternalTicketChanged => auth::fits(owner, Side::External)?,
        Hook::InternalTicket => auth::fits(owner, Side::Internal)?,
        Hook::Attachment => {}
    }
    let body = body(state, request).await?;
    let payload = Payload::read(&body);
    match meaning(state, hook, owner, &payload).map_err(|missing| no_id(missing, hook, &payload, &body))? {
        Meaning::Nothing(reason) => Ok((answer::ignored(reason), HookAnswer::Ignored)),
        Meaning::Marks { ticket, marks } => mark(state, ticket, marks).await,
    }
}

async fn body(state: &HttpState, request: Request) -> Result<Bytes, Refusal> {
    let announced = request.headers().get(CONTENT_LENGTH).map(HeaderValue::to_str);
    let announced = announced.and_then(|length| length.ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > MAX_BODY as u64) {
        return Err(Refusal::TooLarge);
    }
    let limit = Duration::from_millis(state.timing.request_read_ms.unsigned_abs());
    let read = axum::body::to_bytes(request.into_body(), MAX_BODY);
    match tokio::time::timeout(limit, read).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(error)) if is_over_the_limit(&error) => Err(Refusal::TooLarge),
        Ok(Err(_)) => Err(Refusal::CutOff),
        Err(_) => Err(Refusal::TooSlow),
    }
}

fn is_over_the_limit(error: &axum::Error) -> bool {
    std::error::Error::source(error).is_some_and(|source| source.is::<http_body_util::LengthLimitError>())
}

fn meaning(state: &HttpState, hook: Hook, owner: &Owner, payload: &Payload) -> Result<Meaning, Refusal> {
    let (ticket, class, missing) = match hook {
        Hook::Attachment => (&payload.item_id, &payload.item_class, Refusal::NoItemId),
        _ => (&payload.id, &payload.class, Refusal::NoTicketId),
    };
    let ticket = id(ticket.as_deref()).ok_or(missing)?;
    let class = class_of(class.as_deref());
    if ticket == 0 {
        // A file uploaded in an unsaved form has no ticket yet; saving the form sends one more hook.
        return Ok(Meaning::Nothing("draft"));
    }
    let attachment = id(payload.attachment_id.as_deref()).filter(|id| *id > 0);
    let look = |side| match hook {
        Hook::Attachment => at_file(side, attachment),
        Hook::ExternalTicketCreated => Look { created: true, ..Look::ticket() },
        Hook::ExternalTicketChanged => Look { changed: true, ..Look::ticket() },
        Hook::InternalTicket => Look::ticket(),
    };

    let mut marks = Vec::new();
    let external = owner.external().filter(|_| hook != Hook::InternalTicket);
    if let Some(name) = external.filter(|name| class.is_none_or(|class| state.bridged.external(name, class))) {
        let of = TicketOf { external: name.to_owned(), ticket };
        marks.push((About::External { of, class: class.map(str::to_owned) }, look(Side::External)));
    }
    let internal = owner.is_internal() && matches!(hook, Hook::InternalTicket | Hook::Attachment);
    if internal && class.is_none_or(|class| state.bridged.internal(class)) {
        marks.push((About::Internal { ticket }, look(Side::Internal)));
    }
    Ok(match marks.is_empty() {
        true => Meaning::Nothing("this class is not bridged"),
        false => Meaning::Marks { ticket, marks },
    })
}

/// Why there is no id, as far as the body shows.
fn no_id(missing: Refusal, hook: Hook, payload: &Payload, body: &[u8]) -> Refusal {
    let value = if hook == Hook::Attachment { &payload.item_id } else { &payload.id };
    match value.as_deref() {
        Some(value) if value.contains('$') || value == NULL => Refusal::NotFilledIn,
        None if serde_json::from_slice::<IgnoredAny>(body).is_err() => Refusal::NotJson,
        _ => missing,
    }
}

/// A named file is the only one to check; if the hint names none, all files are listed.
fn at_file(side: Side, attachment: Option<u64>) -> Look {
    let named: BTreeSet<u64> = attachment.into_iter().collect();
    let look = Look { files: named.is_empty(), ..Look::default() };
    match side {
        Side::External => Look { external_attachments: named.clone(), announced: named, ..look },
        Side::Internal => Look { internal_attachments: named.clone(), internal_announced: named, ..look },
    }
}

async fn mark(state: &HttpState, ticket: u64, marks: Vec<(About, Look)>) -> Result<(Response, HookAnswer), Refusal> {
    let now_ms = state.clock.now_ms();
    let due_ms = now_ms.saturating_add(state.timing.coalesce_ms);
    let marks = marks.into_iter().map(|(about, look)| DirtyMark { about, look, due_ms }).collect();
    let marked = state.stored(state.inbox.mark_dirty(marks, now_ms)).await;
    let marked = marked.map_err(|_| Refusal::StoreUnavailable)?;
    let reason = marked.iter().find_map(|marked| match marked {
        Marked::Ignored(reason) => Some(*reason),
        Marked::Accepted => None,
    });
    Ok(match reason {
        Some(reason) if !marked.contains(&Marked::Accepted) => (answer::ignored(reason), HookAnswer::Ignored),
        _ => (answer::accepted(ticket), HookAnswer::Accepted),
    })
}
