//! The sweep: marks what changed since its cursor, so that a lost webhook costs latency only.
//!
//! A cursor is a time of the server's own clock, without a zone, and is only ever compared with times
//! of that server. It reaches back over the hour that repeats when summer time ends, and a ticket is
//! marked only if its `last_update` differs from the one that a pass has seen.

use std::sync::Arc;

use itop_client::{Error, Query, oql_quote};
use jiff::ToSpan;
use jiff::civil::DateTime;
use tokio::sync::watch;

use super::failure::Failure;
use super::itop::Itop;
use super::{Lane, Shared, wait_or_stop};
use crate::store::{About, DirtyMark, Instance, Look, MAX_ROWS, TicketOf};

/// A server time before any ticket's.
const BEFORE_ALL: &str = "1970-01-01 00:00:00";

pub async fn run_external(shared: Arc<Shared>, lane: Arc<Lane>, mut stop: watch::Receiver<bool>) {
    let period_ms = lane.settings.sync.sweep_ms;
    loop {
        if may_call(&shared, &lane.external).await {
            report(&lane.external, shared.sweep_external(&lane).await);
        }
        if !wait_or_stop(&*shared.clock, period_ms, &mut stop).await {
            return;
        }
    }
}

pub async fn run_internal(shared: Arc<Shared>, mut stop: watch::Receiver<bool>) {
    let period_ms = shared.lanes.iter().map(|lane| lane.settings.sync.sweep_ms).min().unwrap_or(shared.timing.sweep_ms);
    loop {
        if may_call(&shared, &shared.internal).await {
            report(&shared.internal, shared.sweep_tickets(&shared.internal, None).await);
        }
        if !wait_or_stop(&*shared.clock, period_ms, &mut stop).await {
            return;
        }
    }
}

/// Neither a side that is down nor one that an operator stopped is swept.
pub(super) async fn may_call(shared: &Shared, itop: &Itop) -> bool {
    let instance = itop.instance.clone();
    let stopped = shared.store.call(move |store| store.stopped(&instance)).await;
    !itop.breaker().is_down() && matches!(stopped, Ok(None))
}

fn report(itop: &Itop, swept: Result<usize, Failure>) {
    match swept {
        Ok(0) => tracing::debug!(itop = %itop.name, "sweep found nothing new"),
        Ok(marked) => tracing::info!(itop = %itop.name, marked, "sweep"),
        Err(failure) => tracing::warn!(itop = %itop.name, error = %failure.text, "sweep failed; it is made again"),
    }
}

impl Shared {
    async fn sweep_external(&self, lane: &Lane) -> Result<usize, Failure> {
        // What is older than the connection is settled before anything is carried.
        self.since(lane).await?;
        let tickets = self.sweep_tickets(&lane.external, Some(lane)).await?;
        Ok(tickets + self.sweep_attachments(lane).await?)
    }

    /// Tickets changed since the cursor.
    async fn sweep_tickets(&self, itop: &Itop, lane: Option<&Lane>) -> Result<usize, Failure> {
        let cursor = self.cursor(itop, "last_update").await?;
        let Some(cursor) = cursor else {
            let known_to = match lane {
                Some(lane) => self.since(lane).await?,
                None => u64::MAX,
            };
            return self.start_cursor(itop, known_to).await.map(|()| 0);
        };
        let from = earlier(&cursor, self.timing.cursor_overlap_seconds);
        itop.forget_seen_before(&from);
        let oql = format!("SELECT Ticket WHERE last_update >= {}", oql_quote(&from));
        let answer = itop.client.get("Ticket", &Query::oql(oql), &["id", "finalclass", "last_update"]).await;
        let found = self.noted(itop, "Ticket", answer).map_err(|error| Failure::of(itop, &error))?;
        let mut marks = Vec::new();
        let mut latest = cursor.clone();
        for object in &found.objects {
            itop.met_ticket(object.id);
            let last_update = object.text("last_update").unwrap_or_default();
            if last_update > latest.as_str() {
                last_update.clone_into(&mut latest);
            }
            let class = object.text("finalclass").unwrap_or(&object.class);
            if !itop.meets(object.id, last_update, self.now_ms()) {
                marks.extend(self.mark(lane, object.id, class, Look::ticket()));
            }
        }
        let marked = self.mark_all(marks).await?;
        if latest != cursor {
            self.set_cursor(itop, "last_update", latest).await?;
        }
        Ok(marked)
    }

    /// The first start: from the latest change on. What stands changed before is older than the
    /// connection. iTop cannot be asked for the latest change, so it is searched among what changed since
    /// the newest ticket did. A ticket with an id above `known_to` came after the connection.
    async fn start_cursor(&self, itop: &Itop, known_to: u64) -> Result<(), Failure> {
        let failed = |error: Error| Failure::of(itop, &error);
        let highest = itop.find_highest_ticket().await;
        let highest = self.noted(itop, "Ticket", highest).map_err(failed)?;
        let answer = itop.client.get("Ticket", &Query::ids(&[highest]), &["last_update"]).await;
        let newest = self.noted(itop, "Ticket", answer).map_err(failed)?;
        let mut latest =
            newest.objects.first().and_then(|object| object.text("last_update")).unwrap_or_default().to_owned();
        if latest.is_empty() {
            // No ticket at all.
            return self.set_cursor(itop, "last_update", BEFORE_ALL.to_owned()).await;
        }
        let from = earlier(&latest, self.timing.cursor_overlap_seconds);
        let query = Query::oql(format!("SELECT Ticket WHERE last_update >= {}", oql_quote(&from)));
        let answer = itop.client.get("Ticket", &query, &["id", "last_update"]).await;
        for object in &self.noted(itop, "Ticket", answer).map_err(failed)?.objects {
            let last_update = object.text("last_update").unwrap_or_default();
            if object.id <= known_to {
                itop.stood_before(object.id, last_update);
            }
            if last_update > latest.as_str() {
                last_update.clone_into(&mut latest);
            }
        }
        self.set_cursor(itop, "last_update", latest).await
    }

    /// A mark for a ticket of a bridged class, on the side that the lane says.
    fn mark(&self, lane: Option<&Lane>, ticket: u64, class: &str, look: Look) -> Option<DirtyMark> {
        let about = match lane {
            Some(lane) => {
                lane.settings.sync.classes.contains_key(class).then_some(())?;
                let of = TicketOf { external: lane.name.clone(), ticket };
                About::External { of, class: Some(class.to_owned()) }
            }
            None => About::Internal { ticket },
        };
        Some(DirtyMark { about, look, due_ms: self.now_ms() })
    }

    /// Marks in transactions of a bounded size: a webhook must not wait behind a bulk change.
    pub(super) async fn mark_all(&self, marks: Vec<DirtyMark>) -> Result<usize, Failure> {
        let mut accepted = 0;
        for chunk in marks.chunks(MAX_ROWS) {
            let answers = self.store.mark_dirty(chunk.to_vec(), self.now_ms()).await?;
            accepted += answers.iter().filter(|answer| **answer == crate::store::Marked::Accepted).count();
        }
        Ok(accepted)
    }

    /// Attachments with a higher id than the cursor: adding one does not move the ticket's `last_update`.
    async fn sweep_attachments(&self, lane: &Lane) -> Result<usize, Failure> {
        let itop = &lane.external;
        let cursor: u64 = self.cursor(itop, "attachment").await?.and_then(|text| text.parse().ok()).unwrap_or(0);
        let first = cursor == 0;
        let from = cursor.saturating_sub(self.timing.attachment_overlap_ids);
        itop.forget_attachments_below(from);
        let failed = |error: Error| Failure::of(itop, &error);
        let query = Query::oql(format!("SELECT Attachment WHERE id > {from}"));
        let query = if first { query.limit(1) } else { query };
        let answer = itop.client.get("Attachment", &query, &["id", "item_class", "item_id"]).await;
        let found = self.noted(itop, "Attachment", answer).map_err(failed)?;
        let latest = found.objects.iter().map(|object| object.id).max().unwrap_or(0).max(cursor).max(1);
        let mut marked = 0;
        if !first {
            marked = self.mark_unknown(lane, &found.objects).await?;
        }
        if latest != cursor {
            self.set_cursor(itop, "attachment", latest.to_string()).await?;
        }
        Ok(marked)
    }

    /// Marks the tickets of those attachments that are not known as originals, nor as copies of ours.
    pub(super) async fn mark_unknown(
        &self,
        lane: &Lane,
        attachments: &[itop_client::Object],
    ) -> Result<usize, Failure> {
        let mut by_ticket: std::collections::BTreeMap<u64, (String, Vec<u64>)> = Default::default();
        for object in attachments {
            let (Some(ticket), Some(class)) = (object.number("item_id"), object.text("item_class")) else { continue };
            // A draft is met when its form is saved.
            if ticket > 0 && lane.external.meets_attachment(object.id) {
                by_ticket.entry(ticket).or_insert_with(|| (class.to_owned(), Vec::new())).1.push(object.id);
            }
        }
        let mut marks = Vec::new();
        for (ticket, (class, ids)) in by_ticket {
            let of = TicketOf { external: lane.name.clone(), ticket };
            let link = self.store.call(move |store| store.link_of_external(&of)).await?;
            let known = |id: &u64| {
                link.as_ref().is_some_and(|stored| stored.link.copy_of(itop_bridge_core::Side::External, *id).is_some())
            };
            if !ids.iter().all(known) {
                marks.extend(self.mark(Some(lane), ticket, &class, Look::everything()));
            }
        }
        self.mark_all(marks).await
    }

    async fn cursor(&self, itop: &Itop, name: &'static str) -> Result<Option<String>, Failure> {
        let instance: Instance = itop.instance.clone();
        Ok(self.store.call(move |store| store.cursor(&instance, name)).await?)
    }

    async fn set_cursor(&self, itop: &Itop, name: &'static str, value: String) -> Result<(), Failure> {
        let instance: Instance = itop.instance.clone();
        Ok(self.store.call(move |store| store.set_cursor(&instance, name, &value)).await?)
    }
}

/// A server time so many seconds before; as it stands where it is no time.
fn earlier(server_time: &str, seconds: i64) -> String {
    let Ok(time) = server_time.parse::<DateTime>() else { return server_time.to_owned() };
    let earlier = time.checked_sub(seconds.seconds()).unwrap_or(time);
    earlier.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_cursor_reaches_back_over_the_hour_that_repeats() {
        assert_eq!(super::earlier("2026-10-25 02:30:00", 65 * 60), "2026-10-25 01:25:00");
        assert_eq!(super::earlier("never", 60), "never");
    }
}
