//! Detects a lost store: it knows no pair of an external, although internal tickets bear this bridge's marks for it.
//! Going on with an empty store would create everything a second time. The external halts until its pairs are found
//! again.

use itop_bridge_store::{Instance, Stop, Store};

use super::{Candidate, Lane, Shared};
use crate::adopt::rebuild::marks::tickets_marked_after;
use crate::side::failure::Failure;

/// The name of the store's cursor for the reason of that halt.
const LOST: &str = "lost_store";

/// Whether this external's pairs were lost; if so, halts it. Marked tickets above `highest`, the store's highest
/// counterpart, were made since a backup and are taken in without a halt.
pub(super) async fn halt_if_pairs_are_lost(
    shared: &Shared,
    lane: &Lane,
    highest: Option<u64>,
) -> Result<bool, Failure> {
    let Some(reason) = lost_pairs(shared, lane, highest).await? else { return Ok(false) };
    let (instance, name, said) = (lane.external.instance.clone(), lane.name.clone(), reason.clone());
    let halt = move |store: &mut dyn Store| {
        // The pairs may have been found during the search for marks.
        let lost = !knows_its_pairs(store, &instance, &name)?;
        if lost {
            store.halt(&instance, &said, &[(LOST, &said.stored())])?;
        }
        Ok(lost)
    };
    let halted = shared.store.call(halt).await?;
    if halted {
        tracing::error!(itop = %lane.name, %reason, "halted: nothing is written until `links rebuild`, or `resume`");
    }
    Ok(halted)
}

/// Why this external's pairs count as lost, in the words of the halt; `None` if the store knows them, or nothing is
/// marked. Halts nothing.
async fn lost_pairs(shared: &Shared, lane: &Lane, highest: Option<u64>) -> Result<Option<Stop>, Failure> {
    let (instance, name) = (lane.external.instance.clone(), lane.name.clone());
    if shared.store.call(move |store| knows_its_pairs(store, &instance, &name)).await? {
        return Ok(None);
    }
    let mut marked = tickets_marked_after(shared, 0, lane).await?;
    marked.retain(|one| highest.is_none_or(|highest| one.internal <= highest));
    Ok(marked.first().map(|first| reason(shared, lane, marked.len(), first)))
}

/// The same for a verb, which may run before or after `serve` has halted over it.
pub(crate) async fn has_pairs_to_find(shared: &Shared, lane: &Lane) -> Result<Option<Stop>, Failure> {
    let instance = lane.external.instance.clone();
    let stopped = shared.store.call(move |store| store.stopped(&instance)).await?;
    match stopped.filter(Stop::is_over_lost_pairs) {
        Some(reason) => Ok(Some(reason)),
        None => {
            let highest = shared.store.call(|store| store.highest_counterpart()).await?;
            lost_pairs(shared, lane, highest).await
        }
    }
}

fn reason(shared: &Shared, lane: &Lane, marked: usize, first: &Candidate) -> Stop {
    let reference = first.reference.clone().unwrap_or_else(|| first.mark.ticket.to_string());
    let of = format!("{}:{reference}", lane.name);
    Stop::PairsLost { marked, internal: shared.internal.name.clone(), first: first.internal, of }
}

/// The pairs were found: ends the halt over their loss.
pub(super) async fn end_halt_over_lost_pairs(shared: &Shared, lane: &Lane) -> Result<(), Failure> {
    let instance = lane.external.instance.clone();
    Ok(shared.store.call(move |store| end_the_halt(store, &instance)).await?)
}

/// Also true if somebody has resumed the external without its pairs, and so accepted the loss. A first create that was
/// still under way when the last process died counts as a pair.
fn knows_its_pairs(store: &mut dyn Store, external: &Instance, name: &str) -> itop_bridge_store::Result<bool> {
    Ok(store.cursor(external, LOST)?.is_some() || !store.pairs(Some(name), 0, 1, None)?.is_empty())
}

fn end_the_halt(store: &mut dyn Store, external: &Instance) -> itop_bridge_store::Result<()> {
    let reason = store.cursor(external, LOST)?.map(|kept| Stop::read(&kept));
    if reason.is_some() && store.stopped(external)? == reason {
        store.set_stopped(external, None)?;
    }
    Ok(())
}
