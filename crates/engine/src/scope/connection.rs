//! The start of a lane's connection. Tickets that existed in the customer's iTop by then are older. They stay there
//! until an operator or a hint of their creation brings them over, or, if `older` says so, a change does.

use std::sync::PoisonError;

use itop_bridge_core::{Reading, Ticket, TicketMark};
use itop_bridge_store::{Instance, Look, Result, Store, TicketOf};

use crate::settings::OlderTickets;
use crate::side::call::highest_attachment;
use crate::side::dates;
use crate::side::failure::Failure;
use crate::side::inventory::latest_changes;
use crate::side::snapshot::Snapshot;
use crate::{Lane, Shared};

/// The start of a connection: found once, when the customer's iTop first answers, and kept.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Connection {
    /// Tickets with this id or a lower one are older.
    pub ticket: u64,
    /// Attachments with this id or a lower one are no news.
    pub attachment: u64,
    /// The latest `last_update` at that time, by the server's own clock.
    pub last_update: String,
}

const TICKET: &str = "since_id";
const ATTACHMENT: &str = "since_attachment";
const LAST_UPDATE: &str = "since_last_update";

/// The start of the lane's connection; starts it if needed.
pub(crate) async fn connection(shared: &Shared, lane: &Lane) -> std::result::Result<Connection, Failure> {
    connection_up_to(shared, lane, u64::MAX).await
}

/// The start of the connection, if it has begun; starts nothing.
pub(crate) async fn connection_so_far(
    shared: &Shared,
    lane: &Lane,
) -> std::result::Result<Option<Connection>, Failure> {
    let instance = lane.external.instance.clone();
    Ok(shared.store.call(move |store| kept(store, &instance)).await?)
}

/// If the connection starts now, `last` is the newest ticket that may count as older.
async fn connection_up_to(shared: &Shared, lane: &Lane, last: u64) -> std::result::Result<Connection, Failure> {
    if let Some(kept) = connection_so_far(shared, lane).await? {
        return Ok(kept);
    }
    let itop = &lane.external;
    let changes = latest_changes(shared, itop).await?;
    let attachment = highest_attachment(shared, itop).await?;
    let found = Connection { ticket: changes.highest.min(last), attachment, last_update: changes.latest };
    let name = lane.name.clone();
    let begun = shared.store.call(move |store| begin(store, &name, found)).await?;
    say_begun(lane, &begun);
    for (id, last_update) in changes.tickets.iter().filter(|(id, _)| *id <= begun.ticket) {
        itop.seen().stood_before(*id, last_update);
    }
    Ok(begun)
}

/// Logs the start of a connection that began before this process.
pub(crate) async fn say_where_the_connection_began(shared: &Shared, lane: &Lane) {
    if let Ok(Some(begun)) = connection_so_far(shared, lane).await {
        say_begun(lane, &begun);
    }
}

/// Called after the store was lost: the marks say up to which ticket the lane was carried. A connection that began
/// earlier stays as it is.
pub(crate) async fn connection_began_at(shared: &Shared, lane: &Lane, ticket: u64) -> std::result::Result<(), Failure> {
    let begun = connection_up_to(shared, lane, ticket).await?;
    let of = lane.external.instance.clone();
    let move_back = begun.ticket > ticket;
    if move_back {
        shared.store.call(move |store| store.set_cursor(&of, TICKET, &ticket.to_string())).await?;
    }
    Ok(())
}

/// Why a ticket without a pair is left where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LeftAlone {
    /// It was not found, or does not fit; why, as the read tells.
    NotRead(&'static str),
    /// It bears a bridge's mark.
    Copy,
    /// It is older than the connection; why that keeps it.
    Older(&'static str),
}

impl LeftAlone {
    pub fn text(self) -> &'static str {
        match self {
            LeftAlone::NotRead(why) | LeftAlone::Older(why) => why,
            LeftAlone::Copy => "it is a bridge's copy",
        }
    }
}

/// Why a ticket without a link does not cross: it does not fit `only` (the read checked that), it is a bridge's
/// copy, or it is older than the connection.
pub(crate) async fn why_not_carried(
    shared: &Shared,
    lane: &Lane,
    snapshot: &Snapshot,
    look: &Look,
) -> std::result::Result<Option<LeftAlone>, Failure> {
    let Reading::Here(ticket) = &snapshot.external else { return Ok(Some(LeftAlone::NotRead(snapshot.unread))) };
    if snapshot.first_entry.as_deref().is_some_and(|entry| TicketMark::find(entry).is_some()) {
        return Ok(Some(LeftAlone::Copy));
    }
    let left_alone = is_left_alone(shared, lane, ticket, look).await?;
    Ok(left_alone.then(|| LeftAlone::Older(lane.settings.sync.older.why_not())))
}

/// Logs, once per process, that a ticket with a bridge's mark does not cross, whoever wrote the mark there.
pub(crate) fn say_that_it_is_a_copy(shared: &Shared, of: &TicketOf, snapshot: &Snapshot) {
    let mark = snapshot.first_entry.as_deref().and_then(TicketMark::find);
    let (Reading::Here(ticket), Some(mark)) = (&snapshot.external, mark) else { return };
    if shared.told_as_copies.lock().unwrap_or_else(PoisonError::into_inner).insert(of.clone()) {
        let (name, mark) = (format!("{}:{}", of.external, ticket.reference), mark.token());
        tracing::warn!(
            ticket = name,
            mark,
            "not carried to the internal iTop: its first private entry bears a bridge's mark, so it is that bridge's copy"
        );
    }
}

/// Whether a ticket that fits `only` is older than the connection, and nothing brings it over.
async fn is_left_alone(
    shared: &Shared,
    lane: &Lane,
    ticket: &Ticket,
    look: &Look,
) -> std::result::Result<bool, Failure> {
    if look.backfilled {
        return Ok(false);
    }
    if lane.settings.sync.since.is_some() {
        // A date counts instead; the read's condition has checked it.
        return Ok(false);
    }
    let begun = connection(shared, lane).await?;
    let last_update = ticket.attributes.get("last_update").map_or("", String::as_str);
    let has_changed = look.changed || last_update > begun.last_update.as_str();
    let crosses = lane.settings.sync.older == OlderTickets::CrossWhenChanged && has_changed;
    Ok(ticket.id <= begun.ticket && !look.created && !crosses)
}

/// Logs that new tickets cross from now on: an operator waits for this line before opening tickets.
fn say_begun(lane: &Lane, begun: &Connection) {
    let older = lane.settings.sync.older_tickets(Some(begun.ticket));
    tracing::info!(external = %lane.name, id = begun.ticket, older, "the connection has begun");
}

/// The last ticket that existed in an external's iTop when its connection began.
pub fn connection_began_after(store: &mut dyn Store, external: &Instance) -> Result<Option<u64>> {
    Ok(kept(store, external)?.map(|begun| begun.ticket))
}

fn kept(store: &mut dyn Store, of: &Instance) -> Result<Option<Connection>> {
    // This one is written last: if it exists, the others do.
    let Some(ticket) = store.cursor(of, TICKET)?.and_then(|id| id.parse().ok()) else { return Ok(None) };
    let attachment = store.cursor(of, ATTACHMENT)?.and_then(|id| id.parse().ok()).unwrap_or_default();
    let last_update = store.cursor(of, LAST_UPDATE)?.as_deref().and_then(dates::earliest).unwrap_or_default();
    Ok(Some(Connection { ticket, attachment, last_update }))
}

/// Stores the start, unless another task was faster. Hooks may have announced tickets before iTop answered: the
/// connection begins before the first of them.
fn begin(store: &mut dyn Store, lane: &str, mut found: Connection) -> Result<Connection> {
    let of = Instance::External(lane.to_owned());
    if let Some(kept) = kept(store, &of)? {
        return Ok(kept);
    }
    if let Some(announced) = store.lowest_created(lane)? {
        found.ticket = found.ticket.min(announced - 1);
    }
    store.set_cursor(&of, ATTACHMENT, &found.attachment.to_string())?;
    store.set_cursor(&of, LAST_UPDATE, &found.last_update)?;
    store.set_cursor(&of, TICKET, &found.ticket.to_string())?;
    Ok(found)
}
