//! Tickets without a pair that were announced, or had failed before, and were not there when their pass read them:
//! deleted, or hidden from the account. If the account may see such a ticket again, the ticket itself does not change,
//! so no sweep finds it. Each audit therefore asks for these tickets, in one call, for a week.

use std::collections::BTreeMap;

use itop_bridge_core::Reading;
use itop_bridge_store::{About, Claim, DirtyMark, Instance, Look, Result, Store, TicketOf};
use itop_client::Query;

use crate::side::call;
use crate::side::failure::Failure;
use crate::side::snapshot::Snapshot;
use crate::{Lane, Shared};

/// The name of the store's cursor with these tickets.
const CURSOR: &str = "unseen";

/// A ticket that is missing for this long counts as deleted.
const FORGOTTEN_MS: i64 = 7 * 24 * 3_600_000;

/// At most this many tickets are asked for; beyond it, the lowest ids are dropped.
const MOST: usize = 500;

/// Ticket id to the time since when it is missing.
type Unseen = BTreeMap<u64, i64>;

/// Remembers a claimed ticket without a pair that was not there, if it was announced or had failed before.
pub(crate) async fn note_unseen(shared: &Shared, claim: &Claim) -> std::result::Result<(), Failure> {
    // For any other hint the ticket may just not fit `only`, and asking would be in vain.
    let is_wanted = claim.look.created || claim.error.is_some();
    if !is_wanted {
        return Ok(());
    }
    let (of, now_ms) = (claim.lease.of.clone(), shared.now_ms());
    let note = move |store: &mut dyn Store| {
        let instance = Instance::External(of.external);
        let mut unseen = kept(store, &instance)?;
        unseen.entry(of.ticket).or_insert(now_ms);
        while unseen.len() > MOST {
            unseen.pop_first();
        }
        keep(store, &instance, &unseen)
    };
    Ok(shared.store.call(note).await?)
}

/// The same, if the snapshot shows that the ticket was not there.
pub(crate) async fn note_if_unseen(
    shared: &Shared,
    claim: &Claim,
    snapshot: &Snapshot,
) -> std::result::Result<(), Failure> {
    match snapshot.external {
        Reading::Here(_) => Ok(()),
        Reading::Gone | Reading::NotCreated => note_unseen(shared, claim).await,
    }
}

/// Marks those that are there now. Their passes decide whether they fit `only`; they are not asked for again.
pub(crate) async fn look_for_unseen(shared: &Shared, lane: &Lane) -> std::result::Result<usize, Failure> {
    let instance = lane.external.instance.clone();
    let unseen = shared.store.call(move |store| kept(store, &instance)).await?;
    if unseen.is_empty() {
        return Ok(0);
    }
    let ids: Vec<u64> = unseen.keys().copied().collect();
    let found = call::get(shared, &lane.external, "Ticket", &Query::ids(&ids), &["id", "finalclass"]).await?;
    let mark = |object: &itop_client::Object| DirtyMark {
        about: About::External {
            of: TicketOf { external: lane.name.clone(), ticket: object.id },
            class: object.text("finalclass").map(str::to_owned),
        },
        look: Look::everything(),
        due_ms: shared.now_ms(),
    };
    let there: Vec<u64> = found.objects.iter().map(|object| object.id).collect();
    let marked = shared.store.mark_all(found.objects.iter().map(mark).collect(), shared.now_ms()).await?;
    let (instance, before_ms) = (lane.external.instance.clone(), shared.now_ms() - FORGOTTEN_MS);
    let forget = move |store: &mut dyn Store| {
        let mut unseen = kept(store, &instance)?;
        let known = unseen.len();
        unseen.retain(|ticket, since_ms| !there.contains(ticket) && *since_ms > before_ms);
        if unseen.len() == known { Ok(()) } else { keep(store, &instance, &unseen) }
    };
    shared.store.call(forget).await?;
    Ok(marked)
}

fn kept(store: &mut dyn Store, instance: &Instance) -> Result<Unseen> {
    // A value written by another version is dropped: the next hint finds the ticket.
    Ok(store.cursor(instance, CURSOR)?.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
}

fn keep(store: &mut dyn Store, instance: &Instance, unseen: &Unseen) -> Result<()> {
    match unseen.is_empty() {
        true => store.drop_cursor(instance, CURSOR),
        false => store.set_cursor(instance, CURSOR, &serde_json::to_string(unseen).unwrap_or_default()),
    }
}
