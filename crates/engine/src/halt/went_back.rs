//! Detects an iTop that was restored from a backup: a ticket shows an earlier `last_update` than was seen before. No
//! hook tells of a restore, and files that the bridge made there since look as if people had removed them.

use std::collections::BTreeMap;

use itop_bridge_store::{Stop, Store, WENT_BACK};
use itop_client::{Object, Query, oql_quote};

use crate::Shared;
use crate::side::call;
use crate::side::dates::{earlier, in_iso, is_back};
use crate::side::failure::Failure;
use crate::side::inventory::{LAST_UPDATE, PAGE};
use crate::side::itop::Itop;
use crate::side::read::{Reads, Wanted, WentBack, read_tickets};

/// The name of the store's cursor for the latest changes seen: a newly started process knows no others.
const WITNESSES: &str = "witnesses";

/// The number of witnesses that are kept.
const MOST_WITNESSES: usize = 20;

/// Compares a sweep's list with the known changes, and asks for known tickets that are missing from the list.
pub(crate) async fn went_back(shared: &Shared, itop: &Itop, listed: &[Object]) -> Result<bool, Failure> {
    ask_for_witnesses(shared, itop).await?;
    let mut seen = itop.seen().all();
    if halt_if_shown_earlier(shared, itop, listed, &seen).await? {
        return Ok(true);
    }
    listed.iter().for_each(|object| drop(seen.remove(&object.id)));
    halt_if_any_went_back(shared, itop, seen.into_iter().take(PAGE).collect()).await
}

/// The same without a sweep, when much depends on it: asks for the tickets that changed last.
pub(crate) async fn halt_if_restored(shared: &Shared, itop: &Itop) -> Result<bool, Failure> {
    ask_for_witnesses(shared, itop).await?;
    if itop.halts.is_halted() {
        return Ok(true);
    }
    let mut seen: Vec<(u64, String)> = itop.seen().all().into_iter().collect();
    seen.sort_by(|(_, one), (_, other)| other.cmp(one));
    halt_if_any_went_back(shared, itop, seen.into_iter().take(MOST_WITNESSES).collect()).await
}

/// A missing ticket counts as deleted here; a ticket with an earlier state halts the side.
async fn halt_if_any_went_back(shared: &Shared, itop: &Itop, mut seen: BTreeMap<u64, String>) -> Result<bool, Failure> {
    if seen.is_empty() {
        return Ok(false);
    }
    let ids: Vec<u64> = seen.keys().copied().collect();
    let mut found = call::get(shared, itop, "Ticket", &Query::ids(&ids), &["id", "ref", "last_update"]).await?;
    in_iso(shared, itop, &mut found.objects).await;
    if halt_if_shown_earlier(shared, itop, &found.objects, &seen).await? {
        return Ok(true);
    }
    found.objects.iter().for_each(|object| drop(seen.remove(&object.id)));
    itop.seen().forget(&seen);
    Ok(false)
}

async fn halt_if_shown_earlier(
    shared: &Shared,
    itop: &Itop,
    shown: &[Object],
    seen: &BTreeMap<u64, String>,
) -> Result<bool, Failure> {
    for object in shown {
        let now = object.text("last_update").unwrap_or_default();
        let Some(before) = seen.get(&object.id) else { continue };
        if is_back(before, now, shared.timing.cursor_overlap_seconds)
            && is_held_before(shared, itop, object.id, before).await?
        {
            // Not every list includes references.
            let name = object.text("ref").map_or_else(|| format!("{}", object.id), str::to_owned);
            stop_restored(shared, itop, &name, before, now).await?;
            return Ok(true);
        }
    }
    Ok(false)
}

/// Reads tickets for their passes, and halts the side if one of them shows that it was restored. If the store refuses
/// the halt, the next look finds it again.
pub(crate) async fn read_and_watch(shared: &Shared, itop: &Itop, wanted: &Wanted<'_>, ids: &[u64]) -> Reads {
    let (reads, went_back) = read_tickets(shared, itop, wanted, ids).await;
    for WentBack { ticket, reference, before, now } in &went_back {
        match is_held_before(shared, itop, *ticket, before).await {
            Ok(true) => {
                if let Err(failure) = stop_restored(shared, itop, reference, before, now).await {
                    tracing::error!(itop = %itop.name, error = %failure.text, "this side's halt could not be stored");
                }
                break;
            }
            // The dates were misread: what was seen before is forgotten, and proves nothing of the others either.
            Ok(false) => break,
            // The sweep asks again.
            Err(failure) => {
                tracing::warn!(itop = %itop.name, error = %failure.text, "whether this iTop was restored could not be asked");
            }
        }
    }
    reads
}

/// Whether iTop itself has an earlier change than the known one. If the side does not print ISO, a date format that
/// was changed a moment ago can make a later date look earlier.
async fn is_held_before(shared: &Shared, itop: &Itop, ticket: u64, before: &str) -> Result<bool, Failure> {
    if itop.date_format().is_iso() {
        return Ok(true);
    }
    let limit = oql_quote(&earlier(before, shared.timing.cursor_overlap_seconds));
    let oql = format!("SELECT Ticket WHERE id = {ticket} AND last_update < {limit}");
    let found = call::get(shared, itop, "Ticket", &Query::oql(oql), &["id"]).await?;
    if found.objects.is_empty() {
        itop.doubts_its_dates();
    }
    Ok(!found.objects.is_empty())
}

/// Loads the witnesses once per process; other callers wait for that.
async fn ask_for_witnesses(shared: &Shared, itop: &Itop) -> Result<(), Failure> {
    let ask = async || -> Result<(), Failure> {
        for (ticket, last_update) in witnesses(shared, itop).await? {
            itop.seen().stood_at(ticket, &last_update, shared.now_ms());
        }
        Ok(())
    };
    itop.knows_witnesses.get_or_try_init(ask).await?;
    Ok(())
}

async fn witnesses(shared: &Shared, itop: &Itop) -> Result<Vec<(u64, String)>, Failure> {
    let instance = itop.instance.clone();
    let kept = shared.store.call(move |store| store.cursor(&instance, WITNESSES)).await?.unwrap_or_default();
    let read = |line: &str| {
        let (ticket, last_update) = line.split_once(' ')?;
        Some((ticket.parse().ok()?, last_update.to_owned()))
    };
    Ok(kept.lines().filter_map(read).collect())
}

pub(crate) async fn remember_witnesses(shared: &Shared, itop: &Itop, listed: &[Object]) -> Result<(), Failure> {
    let mut latest: Vec<(&str, u64)> =
        listed.iter().filter_map(|object| Some((object.text("last_update")?, object.id))).collect();
    latest.sort_unstable();
    let kept = latest.iter().rev().take(MOST_WITNESSES).map(|(last_update, ticket)| format!("{ticket} {last_update}"));
    let (instance, kept) = (itop.instance.clone(), kept.collect::<Vec<_>>().join("\n"));
    Ok(shared.store.call(move |store| store.set_cursor(&instance, WITNESSES, &kept)).await?)
}

/// Halts the side. Earlier reads no longer count: after `resume` the present state does, and the sweeps look back
/// to it.
async fn stop_restored(shared: &Shared, itop: &Itop, reference: &str, before: &str, now: &str) -> Result<(), Failure> {
    let stop = Stop::Restored { reference: reference.to_owned(), before: before.to_owned(), now: now.to_owned() };
    tracing::error!(itop = %itop.name, reason = %stop, "halted: nothing is written until `itop-bridge resume {}`", itop.name);
    let halting = itop.halts.begin();
    let (instance, now) = (itop.instance.clone(), now.to_owned());
    let halt = move |store: &mut dyn Store| {
        store.halt(&instance, &stop, &[(WENT_BACK, "yes"), (WITNESSES, ""), (LAST_UPDATE, &now)])
    };
    shared.store.call(halt).await?;
    // Only now: if the store refuses the halt, the earlier reads let the next look find it again.
    itop.forget_all_seen();
    drop(halting);
    Ok(())
}
