//! Whether an iTop was restored from a backup: then a ticket shows an earlier `last_update` than was seen before. No
//! hook tells of it, and what the bridge made there since is gone as if people had removed it.

use itop_client::{Object, Query};
use jiff::civil::DateTime;

use super::Shared;
use super::audit::PAGE;
use super::failure::Failure;
use super::itop::Itop;
use super::sweep::earlier;
use crate::store::WENT_BACK;

/// The store's name for the tickets whose last change was seen last: a process that just began knows of no other.
const WITNESSES: &str = "witnesses";

/// So many of them are kept.
const MOST_WITNESSES: usize = 20;

impl Shared {
    /// Looks for those tickets that a sweep should list again and does not. One that is gone was deleted, for all
    /// that is known here; one that stands as it did before stops the side.
    pub(super) async fn went_back(&self, itop: &Itop, listed: &[Object]) -> Result<bool, Failure> {
        for (ticket, last_update) in self.witnesses(itop).await? {
            itop.stood_at(ticket, &last_update, self.now_ms());
        }
        let mut missing = itop.seen_but(listed.iter().map(|object| object.id));
        missing.truncate(PAGE);
        if missing.is_empty() {
            return Ok(false);
        }
        let ids: Vec<u64> = missing.iter().map(|(ticket, _)| *ticket).collect();
        let answer = itop.client.get("Ticket", &Query::ids(&ids), &["id", "ref", "last_update"]).await;
        let found = self.noted(itop, "Ticket", answer).map_err(|error| Failure::of(itop, &error))?;
        for object in &found.objects {
            let now = object.text("last_update").unwrap_or_default();
            let Some((_, before)) = missing.iter().find(|(ticket, _)| *ticket == object.id) else { continue };
            // An hour repeats when summer time ends.
            if is_time(now) && is_time(before) && now < earlier(before, self.timing.cursor_overlap_seconds).as_str() {
                let reference = object.text("ref").unwrap_or_default();
                let reason = format!(
                    "its ticket {reference} was last changed at {before}, and shows {now} now: was this iTop restored from a backup, or its clock set back?"
                );
                self.stop_restored(itop, reason).await?;
                return Ok(true);
            }
        }
        itop.forget_seen(&ids);
        Ok(false)
    }

    /// Kept by the store, and asked once in the life of a process.
    async fn witnesses(&self, itop: &Itop) -> Result<Vec<(u64, String)>, Failure> {
        if !itop.asks_for_witnesses() {
            return Ok(Vec::new());
        }
        let instance = itop.instance.clone();
        let kept = self.store.call(move |store| store.cursor(&instance, WITNESSES)).await?.unwrap_or_default();
        let read = |line: &str| {
            let (ticket, last_update) = line.split_once(' ')?;
            Some((ticket.parse().ok()?, last_update.to_owned()))
        };
        Ok(kept.lines().filter_map(read).collect())
    }

    pub(super) async fn remember_witnesses(&self, itop: &Itop, listed: &[Object]) -> Result<(), Failure> {
        let mut latest: Vec<(&str, u64)> =
            listed.iter().filter_map(|object| Some((object.text("last_update")?, object.id))).collect();
        latest.sort_unstable();
        let kept =
            latest.iter().rev().take(MOST_WITNESSES).map(|(last_update, ticket)| format!("{ticket} {last_update}"));
        let (instance, kept) = (itop.instance.clone(), kept.collect::<Vec<_>>().join("\n"));
        Ok(self.store.call(move |store| store.set_cursor(&instance, WITNESSES, &kept)).await?)
    }

    async fn stop_restored(&self, itop: &Itop, reason: String) -> Result<(), Failure> {
        tracing::error!(itop = %itop.name, reason, "halted: nothing is written until `resume`");
        itop.ids_may_start_over();
        let instance = itop.instance.clone();
        let stop = move |store: &mut dyn crate::store::Store| {
            store.set_cursor(&instance, WENT_BACK, "yes")?;
            store.set_stopped(&instance, Some(&reason))
        };
        Ok(self.store.call(stop).await?)
    }
}

fn is_time(text: &str) -> bool {
    text.parse::<DateTime>().is_ok()
}
