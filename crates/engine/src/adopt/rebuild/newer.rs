//! A store restored from a backup, beside iTops of today: takes in the pairs made since then before anything is
//! carried, since each would otherwise be created once more.
//!
//! An internal ticket is created only after its intent is in the store. So every counterpart that a restored store does
//! not know has a higher id than any that it knows: one search above that is enough. A store that knows no pair of an
//! external is new, or was lost: see `lost`.

use super::{PAGE, Rebuilt};
use crate::adopt::rebuild::lost::halt_if_pairs_are_lost;
use crate::adopt::rebuild::marks::tickets_marked_after;
use crate::adopt::rebuild::pairs::take_page;
use crate::adopt::rebuild::unknown_pairs;
use crate::halt::went_back::halt_if_restored;
use crate::side::failure::Failure;
use crate::side::halting::{go_on, halts_so_far};
use crate::watch::sweep::may_call;
use crate::{Lane, Shared};

/// Takes in the newer pairs of this lane, once per process; another external's problems do not delay it. Returns
/// false if a side is down or stopped, since then they are not known.
pub(crate) async fn find_newer_pairs(shared: &Shared, lane: &Lane) -> Result<bool, Failure> {
    let mut known = lane.newer_pairs_taken_in.lock().await;
    if *known {
        return Ok(true);
    }
    let halts = halts_so_far(shared, lane);
    if may_call(shared, &lane.external).await && may_call(shared, &shared.internal).await {
        // The store has just said that neither side has halted: an operator has resumed any halt of this process's
        // start.
        go_on(shared, lane, halts);
        // An iTop may have been restored while no process was running.
        if halt_if_restored(shared, &lane.external).await? || halt_if_restored(shared, &shared.internal).await? {
            return Ok(false);
        }
        *known = take_in_newer_pairs(shared, lane).await?;
    }
    Ok(*known)
}

/// The highest counterpart that the store knew when the process began: new tickets of another lane must not raise
/// it.
async fn highest_at_start(shared: &Shared) -> Result<Option<u64>, Failure> {
    let read = || shared.store.call(|store| store.highest_counterpart());
    Ok(*shared.highest_at_start.get_or_try_init(read).await?)
}

/// Returns whether the lane may go on.
async fn take_in_newer_pairs(shared: &Shared, lane: &Lane) -> Result<bool, Failure> {
    let highest = highest_at_start(shared).await?;
    if halt_if_pairs_are_lost(shared, lane, highest).await? {
        return Ok(false);
    }
    let Some(highest) = highest else { return Ok(true) };
    let marked = tickets_marked_after(shared, highest, lane).await?;
    let mut rebuilt = Rebuilt::default();
    let candidates = unknown_pairs(shared, marked, &mut rebuilt).await?;
    for ((_, class), of_class) in candidates {
        for page in of_class.chunks(PAGE) {
            take_page(shared, lane, &class, page, false, &mut rebuilt).await?;
        }
    }
    for pair in &rebuilt.pairs {
        let ticket = format!("{}:{}", pair.external_name, pair.external.reference);
        tracing::warn!(
            ticket,
            counterpart = pair.internal.reference,
            "a pair that the store did not know was taken in by its mark: was the store restored from a backup?"
        );
    }
    for left in &rebuilt.left {
        tracing::warn!(external = %lane.name, what = left.what, why = left.why, "a ticket with this bridge's mark is no counterpart that the store knows");
    }
    Ok(true)
}
