//! When a lane's connection began. What stood in the customer's iTop by then is older than it and stays
//! where it is until an operator or the news of its creation brings it, or, where `older` says so, a change.

use std::sync::PoisonError;

use itop_bridge_core::{Sight, Ticket, TicketMark};
use itop_bridge_store::{Instance, Look, Result, Store, TicketOf};

use crate::settings::OlderTickets;
use crate::side::dates;
use crate::side::failure::Failure;
use crate::side::sights::Sights;
use crate::{Lane, Shared};

/// The beginning: found once, when the customer's iTop first answers, and kept.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Connection {
    /// Tickets with this id or a lower one are older.
    pub ticket: u64,
    /// Attachments with this id or a lower one are no news.
    pub attachment: u64,
    /// The latest `last_update` by then, a time of the server's own clock.
    pub last_update: String,
}

const TICKET: &str = "since_id";
const ATTACHMENT: &str = "since_attachment";
const LAST_UPDATE: &str = "since_last_update";

impl Shared {
    /// Where the lane's connection began; begins it where it has not.
    pub(crate) async fn connection(&self, lane: &Lane) -> std::result::Result<Connection, Failure> {
        self.connection_up_to(lane, u64::MAX).await
    }

    /// Where it began, if it has; begins nothing.
    pub(crate) async fn connection_so_far(&self, lane: &Lane) -> std::result::Result<Option<Connection>, Failure> {
        let instance = lane.external.instance.clone();
        Ok(self.store.call(move |store| kept(store, &instance)).await?)
    }

    /// One that begins now begins with `last` at the latest.
    async fn connection_up_to(&self, lane: &Lane, last: u64) -> std::result::Result<Connection, Failure> {
        if let Some(kept) = self.connection_so_far(lane).await? {
            return Ok(kept);
        }
        let itop = &lane.external;
        let changes = self.latest_changes(itop).await?;
        let attachment = itop.find_highest_attachment().await;
        let attachment = self.noted(itop, "Attachment", attachment).map_err(|error| Failure::of(itop, &error))?;
        let found = Connection { ticket: changes.highest.min(last), attachment, last_update: changes.latest };
        let name = lane.name.clone();
        let begun = self.store.call(move |store| begin(store, &name, found)).await?;
        say_begun(lane, &begun);
        for (id, last_update) in changes.tickets.iter().filter(|(id, _)| *id <= begun.ticket) {
            itop.stood_before(*id, last_update);
        }
        Ok(begun)
    }

    /// Says so of a connection that began before this process did.
    pub(crate) async fn say_where_the_connection_began(&self, lane: &Lane) {
        if let Ok(Some(begun)) = self.connection_so_far(lane).await {
            say_begun(lane, &begun);
        }
    }

    /// The store was lost, and the marks say up to which ticket the lane was carried. A connection that began
    /// earlier stays as it is.
    pub(crate) async fn connection_began_at(&self, lane: &Lane, ticket: u64) -> std::result::Result<(), Failure> {
        let begun = self.connection_up_to(lane, ticket).await?;
        let of = lane.external.instance.clone();
        let move_back = begun.ticket > ticket;
        if move_back {
            self.store.call(move |store| store.set_cursor(&of, TICKET, &ticket.to_string())).await?;
        }
        Ok(())
    }

    /// Why a ticket without a link is not carried inside: it does not fit `only` (the read saw to that), it is
    /// somebody's copy, or it is older than the connection.
    pub(crate) async fn why_not_carried(
        &self,
        lane: &Lane,
        sights: &Sights,
        look: &Look,
    ) -> std::result::Result<Option<&'static str>, Failure> {
        let Sight::Here(ticket) = &sights.external else { return Ok(Some(sights.unread)) };
        if sights.first_entry.as_deref().is_some_and(|entry| TicketMark::find(entry).is_some()) {
            return Ok(Some(A_COPY));
        }
        let left_alone = self.is_left_alone(lane, ticket, look).await?;
        Ok(left_alone.then_some(lane.settings.sync.older.why_not()))
    }

    /// A ticket that bears a bridge's mark is not carried, whoever wrote that there: said once in a process.
    pub(crate) fn say_that_it_is_a_copy(&self, of: &TicketOf, sights: &Sights) {
        let mark = sights.first_entry.as_deref().and_then(TicketMark::find);
        let (Sight::Here(ticket), Some(mark)) = (&sights.external, mark) else { return };
        if self.told_as_copies.lock().unwrap_or_else(PoisonError::into_inner).insert(of.clone()) {
            let (name, mark) = (format!("{}:{}", of.external, ticket.reference), mark.token());
            tracing::warn!(
                ticket = name,
                mark,
                "not carried inside: its first private entry bears a bridge's mark, so it is that bridge's copy"
            );
        }
    }

    /// Whether a ticket that fits `only` is older than the connection, and nothing brings it.
    async fn is_left_alone(&self, lane: &Lane, ticket: &Ticket, look: &Look) -> std::result::Result<bool, Failure> {
        if look.backfilled {
            return Ok(false);
        }
        if lane.settings.sync.since.is_some() {
            // A date counts instead, and stood in the condition of the read.
            return Ok(false);
        }
        let begun = self.connection(lane).await?;
        let last_update = ticket.attributes.get("last_update").map_or("", String::as_str);
        let has_changed = look.changed || last_update > begun.last_update.as_str();
        let crosses = lane.settings.sync.older == OlderTickets::CrossWhenChanged && has_changed;
        Ok(ticket.id <= begun.ticket && !look.created && !crosses)
    }
}

/// What is opened from now on crosses: the line to wait for before tickets are opened.
fn say_begun(lane: &Lane, begun: &Connection) {
    let older = lane.settings.sync.older_tickets(Some(begun.ticket));
    tracing::info!(external = %lane.name, id = begun.ticket, older, "the connection has begun");
}

/// The last ticket that stood in an external's iTop when its connection began.
pub fn connection_began_after(store: &mut dyn Store, external: &Instance) -> Result<Option<u64>> {
    Ok(kept(store, external)?.map(|begun| begun.ticket))
}

/// Why a ticket is not carried that bears a bridge's mark.
pub(crate) const A_COPY: &str = "it is a bridge's copy";

fn kept(store: &mut dyn Store, of: &Instance) -> Result<Option<Connection>> {
    // Written last: where it stands, the others do.
    let Some(ticket) = store.cursor(of, TICKET)?.and_then(|id| id.parse().ok()) else { return Ok(None) };
    let attachment = store.cursor(of, ATTACHMENT)?.and_then(|id| id.parse().ok()).unwrap_or_default();
    let last_update = store.cursor(of, LAST_UPDATE)?.as_deref().and_then(dates::earliest).unwrap_or_default();
    Ok(Some(Connection { ticket, attachment, last_update }))
}

/// Keeps the beginning, unless another task was faster. Hooks may have announced tickets while iTop did
/// not answer yet: the connection is no younger than the first of them.
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
