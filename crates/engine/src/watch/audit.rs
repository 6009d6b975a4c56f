//! The audit: lists the linked tickets and their attachments, hundreds per call, and marks those that differ from the
//! links. It finds changes that neither a hook nor `last_update` shows: files added or deleted silently, tickets that
//! vanished, ids that were reused.

use std::collections::HashSet;
use std::sync::Arc;

use itop_bridge_core::{Side, TicketMark};
use itop_bridge_store::{About, DirtyMark, LinkState, Look, Pair, TicketOf};

use crate::halt::losses::{end_halt_if_all_is_there, halt_if_too_much_is_gone};
use crate::pass::unseen::look_for_unseen;
use crate::side::failure::Failure;
use crate::side::inventory::{self, Found, PAGE, is_audited, key, list_tickets, page};
use crate::side::room::forget_old_room;
use crate::suspension::say_over;
use crate::watch::sweep::may_call;
use crate::{Lane, Shared};

/// Runs forever. An audit only marks tickets or halts a side, so it may be dropped at any point.
pub async fn run(shared: Arc<Shared>, lane: Arc<Lane>) {
    let period_ms = lane.settings.sync.audit_ms;
    loop {
        // Jitter spreads the lanes' audits over time.
        shared.clock.sleep(shared.random.jitter_ms(period_ms)).await;
        if let Err(error) = forget_who_left_the_queue(&shared, &lane).await {
            tracing::warn!(external = %lane.name, %error, "the store does not say who still waits; it is asked again");
        }
        if let Err(error) = shrink_closed(&shared, &lane).await {
            tracing::warn!(external = %lane.name, %error, "pairs that were closed long ago keep their texts for now");
        }
        for itop in [&lane.external, &shared.internal].into_iter().filter(|itop| !itop.breaker().is_down()) {
            if let Err(failure) = end_halt_if_all_is_there(&shared, itop).await {
                tracing::warn!(itop = %itop.name, error = %failure.text, "whether what was gone is there again is asked once more");
            }
        }
        if may_call(&shared, &lane.external).await && may_call(&shared, &shared.internal).await {
            forget_old_room(&shared);
            match audit(&shared, &lane).await {
                Ok(0) => tracing::debug!(external = %lane.name, "the audit found nothing amiss"),
                Ok(marked) => {
                    tracing::info!(external = %lane.name, tickets = marked, "the audit found differences; these tickets are looked at");
                }
                Err(failure) => {
                    tracing::warn!(external = %lane.name, error = %failure.text, "audit failed; it is made again")
                }
            }
        }
    }
}

async fn audit(shared: &Shared, lane: &Lane) -> Result<usize, Failure> {
    let mut after = 0;
    let mut marked = look_for_unseen(shared, lane).await?;
    loop {
        let pairs = page(shared, Some(&lane.name), after).await?;
        let Some(last) = pairs.last() else { return Ok(marked) };
        after = last.id;
        match audit_page(shared, lane, &pairs).await? {
            Some(more) => marked += more,
            // A side has halted: its lists prove nothing more.
            None => return Ok(marked),
        }
    }
}

/// In steps, so that hints never wait behind more than one of them.
async fn shrink_closed(shared: &Shared, lane: &Lane) -> itop_bridge_store::Result<()> {
    loop {
        let (name, now) = (lane.name.clone(), shared.now_ms());
        let before = now - shared.timing.keep_closed_ms;
        if shared.store.call(move |store| store.shrink_closed(&name, before, now)).await? == 0 {
            return Ok(());
        }
    }
}

/// A ticket that left the queue gets no pass that would clear its suspension, so clear it here: its pair was ended
/// by a verb beside `serve`.
async fn forget_who_left_the_queue(shared: &Shared, lane: &Lane) -> itop_bridge_store::Result<()> {
    let known: Vec<u64> = shared.suspensions().known(&lane.name).into_iter().collect();
    let now = shared.now_ms();
    for page in known.chunks(PAGE) {
        let of = |ticket: &u64| TicketOf { external: lane.name.clone(), ticket: *ticket };
        let tickets: Vec<TicketOf> = page.iter().map(of).collect();
        let left = shared.store.call(move |store| {
            let mut left = Vec::new();
            for of in tickets {
                if store.queue_row(&of, now)?.is_none() {
                    left.push(of);
                }
            }
            Ok(left)
        });
        for of in left.await? {
            say_over(&shared.suspensions().record_well(&of.external, of.ticket));
        }
    }
    Ok(())
}

/// How many tickets were marked; `None` if a side has halted.
async fn audit_page(shared: &Shared, lane: &Lane, pairs: &[Pair]) -> Result<Option<usize>, Failure> {
    let audited: Vec<&Pair> = pairs.iter().filter(|pair| is_audited(pair)).collect();
    let (external, internal) = tokio::join!(
        inventory::list(shared, &lane.external, &audited, Side::External),
        inventory::list(shared, &shared.internal, &audited, Side::Internal),
    );
    let (external, internal) = (external?, internal?);
    for (found, side) in [(&external, Side::External), (&internal, Side::Internal)] {
        if halt_if_too_much_is_gone(shared, lane, side, &audited, found).await? {
            return Ok(None);
        }
    }
    let now = shared.now_ms();
    let may_go_on = lane.external.may_tell_instants() && shared.internal.may_tell_instants();
    let is_due =
        |pair: &Pair| pair.refused_again_at_ms.is_some_and(|at_ms| at_ms <= now) || (pair.waits_for_date && may_go_on);
    let is_marked = |pair: &&&Pair| {
        let mark = lane.mark(&shared.server, &pair.external.class, pair.external.id);
        differs(pair, &mark, &external, &internal) || is_due(pair)
    };
    let there_again = there_again(shared, lane, pairs).await?;
    let marks = audited.iter().filter(is_marked).chain(&there_again).map(|pair| DirtyMark {
        about: About::External {
            of: TicketOf { external: lane.name.clone(), ticket: pair.external.id },
            class: Some(pair.external.class.clone()),
        },
        look: Look::everything(),
        due_ms: shared.now_ms(),
    });
    Ok(Some(shared.store.mark_all(marks.collect(), shared.now_ms()).await?))
}

/// The pairs that halted because a ticket was gone, and of which both tickets are there now. When an account may
/// see a ticket again, the ticket itself does not change, so only this finds it.
async fn there_again<'p>(shared: &Shared, lane: &Lane, pairs: &'p [Pair]) -> Result<Vec<&'p Pair>, Failure> {
    let mut gone: Vec<&Pair> =
        pairs.iter().filter(|pair| pair.state == LinkState::Live && pair.vanished && !pair.restored).collect();
    for side in Side::BOTH {
        let found = list_tickets(shared, shared.itop(lane, side), &gone, side).await?;
        gone.retain(|pair| key(pair, side).is_none_or(|key| found.get(&key.id) == Some(&key.reference)));
    }
    Ok(gone)
}

fn differs(pair: &Pair, mark: &TicketMark, external: &Found, internal: &Found) -> bool {
    let same_ticket =
        |found: &Found, side| key(pair, side).is_some_and(|key| found.tickets.get(&key.id) == Some(&key.reference));
    if !same_ticket(external, Side::External) || !same_ticket(internal, Side::Internal) {
        return true;
    }
    // Held entries wait for a parent that can be read again, and only a pass can tell.
    if pair.logs.iter().any(|log| !log.held.is_empty()) {
        return true;
    }
    Side::BOTH.iter().any(|side| {
        let (found, _) = side.source_and_target(external, internal);
        files_differ(pair, mark, found, *side)
    })
}

/// Whether originals came or went silently, somebody deleted a file of the bridge's, or one that seemed to be deleted is
/// there.
fn files_differ(pair: &Pair, mark: &TicketMark, found: &Found, side: Side) -> bool {
    let none = HashSet::new();
    let Some(key) = key(pair, side) else { return false };
    let originals = found.originals.get(&key.id).unwrap_or(&none);
    // Files already missing are no news: a look at them is due, or their copies stay for good.
    let copies = pair.copies.iter().filter(|copy| copy.from == side && copy.missing_since_ms.is_none());
    let known: HashSet<u64> = copies.map(|copy| copy.original).collect();
    let there = found.files.get(&key.id).unwrap_or(&none);
    let made: HashSet<u64> = pair.standing_on(side).collect();
    // Files that were taken over with the pair bear no mark.
    let originals: HashSet<u64> = originals.difference(&made).copied().collect();
    let marked = found.marked.get(&key.id).into_iter().flatten();
    let mut own = marked.filter(|(_, of)| of.ticket == *mark);
    originals != known
        || made.iter().any(|id| !there.contains(id))
        || own.any(|(file, mark)| pair.has_lost(side, *file, mark))
}
