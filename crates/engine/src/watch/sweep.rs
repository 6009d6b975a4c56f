//! The sweep: marks tickets that changed since its cursor, so that a lost webhook costs latency only.
//!
//! A cursor is a time of the server's own clock, without a zone, and is only ever compared with times of that server. A
//! sweep reaches back over the hour that repeats when summer time ends, and marks a ticket only if its `last_update`
//! differs from the one that a pass has seen.

use std::collections::BTreeMap;
use std::sync::Arc;

use itop_bridge_core::mark::is_made_by_a_bridge;
use itop_bridge_store::{About, DirtyMark, Instance, Look, TicketOf};
use itop_client::{Query, oql_quote};

use crate::halt::went_back::{remember_witnesses, went_back};
use crate::scope::connection::{self, say_where_the_connection_began};
use crate::side::call::{self, highest_attachment};
use crate::side::dates::{self, earlier};
use crate::side::failure::Failure;
use crate::side::instants::{offset_was_shown, tickets_in_iso};
use crate::side::inventory::{LAST_UPDATE, latest_changes};
use crate::side::itop::Itop;
use crate::{Lane, Shared};

/// The name of the store's cursor for attachments.
const ATTACHMENT: &str = "attachment";

/// Runs forever. A sweep only marks tickets, so it may be dropped at any point.
pub async fn run_external(shared: Arc<Shared>, lane: Arc<Lane>) {
    let period_ms = lane.settings.sync.sweep_ms;
    say_where_the_connection_began(&shared, &lane).await;
    loop {
        let swept = match may_call(&shared, &lane.external).await {
            true => report(&shared, &lane.external, sweep_external(&shared, &lane).await),
            false => None,
        };
        lane.external.sweeps().swept(swept, shared.now_ms() + period_ms);
        shared.clock.sleep(period_ms).await;
    }
}

pub async fn run_internal(shared: Arc<Shared>) {
    let period_ms = shared.lanes.iter().map(|lane| lane.settings.sync.sweep_ms).min().unwrap_or(shared.timing.sweep_ms);
    loop {
        let swept = match may_call(&shared, &shared.internal).await {
            true => report(&shared, &shared.internal, sweep_internal(&shared).await),
            false => None,
        };
        shared.internal.sweeps().swept(swept, shared.now_ms() + period_ms);
        shared.clock.sleep(period_ms).await;
    }
}

/// Whether the side may be swept: it is neither down nor halted nor paused.
pub(crate) async fn may_call(shared: &Shared, itop: &Itop) -> bool {
    let instance = itop.instance.clone();
    let stopped = shared.store.call(move |store| store.stopped(&instance)).await;
    !itop.breaker().is_down() && matches!(stopped, Ok(None))
}

/// Returns the time of the sweep, if it succeeded.
fn report(shared: &Shared, itop: &Itop, swept: Result<usize, Failure>) -> Option<i64> {
    let at_ms = swept.is_ok().then(|| shared.now_ms());
    match swept {
        Ok(0) => tracing::debug!(itop = %itop.name, "sweep found nothing new"),
        Ok(marked) => {
            shared.metrics.swept(&itop.name, marked);
            tracing::info!(itop = %itop.name, tickets = marked, "the sweep marked tickets that may have changed; each is looked at");
        }
        Err(failure) => tracing::warn!(itop = %itop.name, error = %failure.text, "sweep failed; it is made again"),
    }
    at_ms
}

async fn sweep_external(shared: &Shared, lane: &Lane) -> Result<usize, Failure> {
    // The connection must have begun before anything is carried.
    let begun = connection::connection(shared, lane).await?;
    let itop = &lane.external;
    let cursor = change_cursor(shared, itop).await?.unwrap_or(begun.last_update);
    let tickets = sweep_tickets(shared, itop, Some(lane), cursor).await?;
    Ok(tickets + sweep_attachments(shared, itop, Some(lane), begun.attachment).await?)
}

/// The first start begins with the latest change.
async fn sweep_internal(shared: &Shared) -> Result<usize, Failure> {
    let itop = &shared.internal;
    let Some(cursor) = change_cursor(shared, itop).await? else {
        let changes = latest_changes(shared, itop).await?;
        for (id, last_update) in &changes.tickets {
            itop.seen().stood_before(*id, last_update);
        }
        let highest = highest_attachment(shared, itop).await?;
        set_cursor(shared, itop, ATTACHMENT, highest.to_string()).await?;
        return set_cursor(shared, itop, LAST_UPDATE, changes.latest).await.map(|()| 0);
    };
    let tickets = sweep_tickets(shared, itop, None, cursor).await?;
    Ok(tickets + sweep_attachments(shared, itop, None, 0).await?)
}

/// Marks the tickets changed since the cursor.
async fn sweep_tickets(shared: &Shared, itop: &Itop, lane: Option<&Lane>, cursor: String) -> Result<usize, Failure> {
    let from = earlier(&cursor, shared.timing.cursor_overlap_seconds);
    itop.seen().forget_before(&from);
    let oql = format!("SELECT Ticket WHERE last_update >= {}", oql_quote(&from));
    let now_ms = shared.now_ms();
    let mut found = call::get(shared, itop, "Ticket", &Query::oql(oql), &["id", "finalclass", "last_update"]).await?;
    tickets_in_iso(shared, itop, &mut found).await;
    if went_back(shared, itop, &found.objects).await? {
        return Ok(0);
    }
    if let Some(shown) = itop.offset_shown_by(&found, &from) {
        offset_was_shown(shared, itop, &shown).await?;
    }
    let (mut marks, mut met) = (Vec::new(), Vec::new());
    let mut latest = cursor.as_str();
    for object in &found.objects {
        itop.met_ticket(object.id);
        let last_update = object.text("last_update").unwrap_or_default();
        latest = latest.max(last_update);
        let class = object.text("finalclass").unwrap_or(&object.class);
        if !itop.seen().has(object.id, last_update) {
            marks.extend(mark(shared, lane, object.id, class, Look::ticket()));
            met.push((object.id, last_update));
        }
    }
    let marked = shared.store.mark_all(marks, shared.now_ms()).await?;
    for (id, last_update) in met {
        itop.seen().met(id, last_update, now_ms);
    }
    if latest != cursor {
        remember_witnesses(shared, itop, &found.objects).await?;
        set_cursor(shared, itop, LAST_UPDATE, latest.to_owned()).await?;
    }
    Ok(marked)
}

/// A mark for a ticket of a bridged class: of the lane's external, or of the internal side.
fn mark(shared: &Shared, lane: Option<&Lane>, ticket: u64, class: &str, look: Look) -> Option<DirtyMark> {
    let about = match lane {
        Some(lane) => {
            lane.settings.sync.classes.contains_key(class).then_some(())?;
            let of = TicketOf { external: lane.name.clone(), ticket };
            About::External { of, class: Some(class.to_owned()) }
        }
        None => About::Internal { ticket },
    };
    Some(DirtyMark { about, look, due_ms: shared.now_ms() })
}

/// Marks for attachments with a higher id than the cursor: adding one does not change the ticket's `last_update`.
/// Attachments from before the connection are no news.
async fn sweep_attachments(shared: &Shared, itop: &Itop, lane: Option<&Lane>, stood: u64) -> Result<usize, Failure> {
    let cursor = cursor(shared, itop, ATTACHMENT).await?.and_then(|text| text.parse().ok()).unwrap_or(stood);
    let from = cursor.saturating_sub(shared.timing.attachment_overlap_ids).max(stood);
    itop.seen().forget_attachments_below(from);
    let query = Query::oql(format!("SELECT Attachment WHERE id > {from}"));
    let found = call::get(shared, itop, "Attachment", &query, &["id", "item_class", "item_id", "temp_id"]).await?;
    let latest = found.objects.iter().map(|object| object.id).fold(cursor, u64::max);
    let marked = mark_unknown(shared, itop, lane, &found.objects).await?;
    if latest != cursor {
        set_cursor(shared, itop, ATTACHMENT, latest.to_string()).await?;
    }
    Ok(marked)
}

/// Marks the tickets of attachments that no bridge made and that are not known as originals.
async fn mark_unknown(
    shared: &Shared,
    itop: &Itop,
    lane: Option<&Lane>,
    attachments: &[itop_client::Object],
) -> Result<usize, Failure> {
    let mut by_ticket: BTreeMap<u64, (&str, Vec<u64>)> = BTreeMap::new();
    for object in attachments {
        let (Some(ticket), Some(class)) = (object.number("item_id"), object.text("item_class")) else { continue };
        let made = is_made_by_a_bridge(object.text("temp_id").unwrap_or_default());
        // An attachment of a draft is seen once its form is saved.
        if ticket > 0 && !made && !itop.seen().has_attachment(object.id) {
            by_ticket.entry(ticket).or_insert_with(|| (class, Vec::new())).1.push(object.id);
        }
    }
    let mut marks = Vec::new();
    for (ticket, (class, ids)) in &by_ticket {
        let (of, ticket) = (lane.map(|lane| TicketOf { external: lane.name.clone(), ticket: *ticket }), *ticket);
        let link = shared.store.call(move |store| match &of {
            Some(of) => store.link_of_external(of),
            None => store.link_of_internal(ticket),
        });
        let link = link.await?;
        let known = |id: &u64| link.as_ref().is_some_and(|stored| stored.link.copy_of(itop.side(), *id).is_some());
        if !ids.iter().all(known) {
            marks.extend(mark(shared, lane, ticket, class, Look::everything()));
        }
    }
    let marked = shared.store.mark_all(marks, shared.now_ms()).await?;
    itop.seen().met_attachments(by_ticket.into_values().flat_map(|(_, ids)| ids));
    Ok(marked)
}

/// The change up to which that side was swept.
async fn change_cursor(shared: &Shared, itop: &Itop) -> Result<Option<String>, Failure> {
    Ok(cursor(shared, itop, LAST_UPDATE).await?.as_deref().and_then(dates::earliest))
}

async fn cursor(shared: &Shared, itop: &Itop, name: &'static str) -> Result<Option<String>, Failure> {
    let instance: Instance = itop.instance.clone();
    Ok(shared.store.call(move |store| store.cursor(&instance, name)).await?)
}

async fn set_cursor(shared: &Shared, itop: &Itop, name: &'static str, value: String) -> Result<(), Failure> {
    let instance: Instance = itop.instance.clone();
    Ok(shared.store.call(move |store| store.set_cursor(&instance, name, &value)).await?)
}
