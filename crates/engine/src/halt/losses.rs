//! The halt of a whole side: if many linked tickets or files suddenly seem gone, the side is not believed. It halts at
//! once, and nothing is written until `resume`, which accepts the losses up to then, or until all missing tickets are
//! there again.

use std::collections::{BTreeSet, HashMap, HashSet};

use itop_bridge_core::Side;
use itop_bridge_core::link::{Copy, CopyState};
use itop_bridge_core::policy::AttachmentDeletes;
use itop_bridge_store::{Instance, LinkState, Pair, Stop, Store, TicketOf};
use itop_client::Query;

use crate::halt::went_back::halt_if_restored;
use crate::side::failure::Failure;
use crate::side::inventory::{self, Found, PAGE, is_audited, key, list_tickets, page};
use crate::side::itop::Itop;
use crate::side::{call, read};
use crate::{Lane, Shared};

/// The name of the store's cursor for the tickets that were gone at any halt of the side.
const TICKETS: &str = "gone";

/// The same for files.
const FILES: &str = "gone_files";

/// For the tickets missed by the present halt, after its reason: if all of them are there again, it ends by itself.
const MISSED: &str = "missed";

/// If fewer tickets than this lost files, each link handles its own.
const TICKETS_WITHOUT_FILES: usize = 3;

/// The missing files of linked tickets that were not yet gone when the side last halted.
#[derive(Default)]
struct FilesGone {
    files: BTreeSet<u64>,
    of_tickets: usize,
    known: usize,
}

impl FilesGone {
    fn stop(&self) -> Stop {
        Stop::FilesGone { gone: self.files.len(), known: self.known, tickets: self.of_tickets }
    }
}

/// Halts the side if too many tickets or files of these pairs are gone by the audit's list; returns whether it did.
pub(crate) async fn halt_if_too_much_is_gone(
    shared: &Shared,
    lane: &Lane,
    side: Side,
    audited: &[&Pair],
    found: &Found,
) -> Result<bool, Failure> {
    let gone = newly_gone(shared, shared.itop(lane, side), audited, &found.tickets).await?;
    if lane.settings.sync.halt.exceeded(gone.len(), audited.len()) {
        return halt_over_tickets(shared, lane, side, &gone, audited.len()).await.map(|()| true);
    }
    halt_if_files_are_gone(shared, lane, side, audited, found).await
}

/// Before a pass treats a file as deleted: halts the side if files of other tickets are gone too, as when an
/// account loses its right to see them. Asks nothing if few files are known.
pub(crate) async fn halt_if_files_of_the_side_are_gone(
    shared: &Shared,
    lane: &Lane,
    side: Side,
    link: i64,
) -> Result<bool, Failure> {
    let half_a_page = i64::try_from(PAGE / 2).unwrap_or_default();
    let pairs = page(shared, Some(&lane.name), link.saturating_sub(half_a_page)).await?;
    let audited: Vec<&Pair> = pairs.iter().filter(|pair| is_audited(pair)).collect();
    let with_files = audited.iter().map(|pair| known_files(lane, pair, side).len()).filter(|known| *known > 0);
    let known: Vec<usize> = with_files.collect();
    if known.len() < TICKETS_WITHOUT_FILES || known.iter().sum::<usize>() < lane.settings.sync.halt.min {
        return Ok(false);
    }
    let found = inventory::list(shared, shared.itop(lane, side), &audited, side).await?;
    halt_if_files_are_gone(shared, lane, side, &audited, &found).await
}

async fn halt_if_files_are_gone(
    shared: &Shared,
    lane: &Lane,
    side: Side,
    audited: &[&Pair],
    found: &Found,
) -> Result<bool, Failure> {
    let gone = files_gone(shared, lane, side, audited, found).await?;
    let halts =
        gone.of_tickets >= TICKETS_WITHOUT_FILES && lane.settings.sync.halt.exceeded(gone.files.len(), gone.known);
    if halts {
        halt_over_files(shared, lane, side, gone).await?;
    }
    Ok(halts)
}

/// The linked tickets that are gone, or whose id has another reference now, and that were not so when the side last
/// halted. Resuming the side has accepted earlier losses; each of those links halts for itself.
async fn newly_gone(
    shared: &Shared,
    itop: &Itop,
    pairs: &[&Pair],
    found: &HashMap<u64, String>,
) -> Result<BTreeSet<u64>, Failure> {
    let accepted = accepted(shared, itop, TICKETS).await?;
    let keys = pairs.iter().filter_map(|pair| key(pair, itop.side()));
    let gone = keys.filter(|key| found.get(&key.id) != Some(&key.reference)).map(|key| key.id);
    Ok(gone.filter(|id| !accepted.contains(id)).collect())
}

/// Files of a ticket that is itself gone are not counted.
async fn files_gone(
    shared: &Shared,
    lane: &Lane,
    side: Side,
    pairs: &[&Pair],
    found: &Found,
) -> Result<FilesGone, Failure> {
    let (accepted, none) = (accepted(shared, shared.itop(lane, side), FILES).await?, HashSet::new());
    let mut all = FilesGone::default();
    for pair in pairs {
        let Some(key) = key(pair, side).filter(|key| found.tickets.get(&key.id) == Some(&key.reference)) else {
            continue;
        };
        let there = found.files.get(&key.id).unwrap_or(&none);
        let before = all.files.len();
        for file in known_files(lane, pair, side) {
            all.known += 1;
            if !there.contains(&file) && !accepted.contains(&file) {
                all.files.insert(file);
            }
        }
        all.of_tickets += usize::from(all.files.len() > before);
    }
    Ok(all)
}

/// Halts the side at once, then gathers all its losses, so that one `resume` accepts them together.
async fn halt_over_tickets(
    shared: &Shared,
    lane: &Lane,
    side: Side,
    gone: &BTreeSet<u64>,
    linked: usize,
) -> Result<(), Failure> {
    let itop = shared.itop(lane, side);
    if halt_if_restored(shared, itop).await? {
        return Ok(());
    }
    stop_side(shared, itop, TICKETS, &BTreeSet::new(), Stop::TicketsGone { gone: gone.len(), linked }).await?;
    let (mut all, mut linked, mut after) = (gone.clone(), 0, 0);
    while let Some(pairs) = next_page(shared, lane, side, &mut after).await? {
        let audited: Vec<&Pair> = pairs.iter().filter(|pair| is_audited(pair)).collect();
        let found = list_tickets(shared, itop, &audited, side).await?;
        all.extend(newly_gone(shared, itop, &audited, &found).await?);
        linked += audited.len();
    }
    stop_side(shared, itop, TICKETS, &all, Stop::TicketsGone { gone: all.len(), linked }).await
}

/// The same for files.
async fn halt_over_files(shared: &Shared, lane: &Lane, side: Side, gone: FilesGone) -> Result<(), Failure> {
    let itop = shared.itop(lane, side);
    if halt_if_restored(shared, itop).await? {
        return Ok(());
    }
    stop_side(shared, itop, FILES, &BTreeSet::new(), gone.stop()).await?;
    let (mut all, mut after) = (FilesGone { known: 0, of_tickets: 0, ..gone }, 0);
    while let Some(pairs) = next_page(shared, lane, side, &mut after).await? {
        let audited: Vec<&Pair> = pairs.iter().filter(|pair| is_audited(pair)).collect();
        let found = inventory::list(shared, itop, &audited, side).await?;
        let more = files_gone(shared, lane, side, &audited, &found).await?;
        all.files.extend(more.files);
        (all.known, all.of_tickets) = (all.known + more.known, all.of_tickets + more.of_tickets);
    }
    stop_side(shared, itop, FILES, &all.files, all.stop()).await
}

/// Internal losses concern the pairs of every external.
async fn next_page(shared: &Shared, lane: &Lane, side: Side, after: &mut i64) -> Result<Option<Vec<Pair>>, Failure> {
    let external = (side == Side::External).then_some(lane.name.as_str());
    let pairs = page(shared, external, *after).await?;
    Ok(pairs.last().map(|last| last.id).map(|last| {
        *after = last;
        pairs
    }))
}

/// The losses of this kind at any halt of the side so far.
async fn accepted(shared: &Shared, itop: &Itop, of: &'static str) -> Result<BTreeSet<u64>, Failure> {
    let instance = itop.instance.clone();
    Ok(shared.store.call(move |store| kept_as_accepted(store, &instance, of)).await?)
}

async fn stop_side(
    shared: &Shared,
    itop: &Itop,
    of: &'static str,
    gone: &BTreeSet<u64>,
    stop: Stop,
) -> Result<(), Failure> {
    let (instance, gone, said) = (itop.instance.clone(), gone.clone(), stop.clone());
    let halt = move |store: &mut dyn Store| {
        let all: BTreeSet<u64> = kept_as_accepted(store, &instance, of)?.union(&gone).copied().collect();
        let before = store.stopped(&instance)?;
        let missed =
            if of == TICKETS { format!("{}\n{}", said.stored(), read::join(gone.iter())) } else { String::new() };
        store.halt(&instance, &said, &[(of, &read::join(all.iter())), (MISSED, &missed)])?;
        Ok(before.is_none_or(|before| before != said))
    };
    if shared.store.call(halt).await? {
        tracing::error!(itop = %itop.name, reason = %stop, "halted: nothing is written until `itop-bridge resume {}`", itop.name);
    }
    Ok(())
}

/// Ends a halt over missing tickets once all of them are there again with their references: the account could not
/// see them for a while, or another database was in place. Nothing was written meanwhile, so nothing has to be
/// accepted. Any other fault halts the side again.
pub(crate) async fn end_halt_if_all_is_there(shared: &Shared, itop: &Itop) -> Result<(), Failure> {
    let instance = itop.instance.clone();
    let Some((reason, missed)) = shared.store.call(move |store| missed(store, &instance)).await? else {
        return Ok(());
    };
    for ids in missed.iter().copied().collect::<Vec<u64>>().chunks(PAGE) {
        if !stand_again(shared, itop, ids).await? {
            return Ok(());
        }
    }
    if halt_if_restored(shared, itop).await? {
        return Ok(());
    }
    let (instance, said) = (itop.instance.clone(), reason.clone());
    let end = move |store: &mut dyn Store| {
        let still = store.stopped(&instance)?.as_ref() == Some(&said);
        if still {
            // If they vanish once more, the side must halt once more.
            let left: BTreeSet<u64> =
                kept_as_accepted(store, &instance, TICKETS)?.difference(&missed).copied().collect();
            store.set_cursor(&instance, TICKETS, &read::join(left.iter()))?;
            store.set_cursor(&instance, MISSED, "")?;
            store.set_stopped(&instance, None)?;
        }
        Ok(still)
    };
    if shared.store.call(end).await? {
        tracing::warn!(itop = %itop.name, %reason, "all that was gone is there again: this side goes on");
    }
    Ok(())
}

async fn stand_again(shared: &Shared, itop: &Itop, ids: &[u64]) -> Result<bool, Failure> {
    let (instance, asked) = (itop.instance.clone(), ids.to_vec());
    let references = move |store: &mut dyn Store| {
        asked.iter().map(|id| linked_as(store, &instance, *id)).collect::<itop_bridge_store::Result<Vec<_>>>()
    };
    let references = shared.store.call(references).await?;
    let found = call::get(shared, itop, "Ticket", &Query::ids(ids), &["id", "ref"]).await?;
    let there: HashMap<u64, &str> =
        found.objects.iter().map(|object| (object.id, object.text("ref").unwrap_or_default())).collect();
    let stands = |(id, linked): (&u64, &Option<String>)| there.get(id).copied() == linked.as_deref();
    // A ticket whose pair has ended meanwhile is not missed.
    Ok(ids.iter().zip(&references).filter(|(_, linked)| linked.is_some()).all(stands))
}

/// The reason of the present halt over tickets, and these tickets, if it is such a halt.
fn missed(store: &mut dyn Store, instance: &Instance) -> itop_bridge_store::Result<Option<(Stop, BTreeSet<u64>)>> {
    let kept = store.cursor(instance, MISSED)?.unwrap_or_default();
    let Some((reason, ids)) = kept.split_once('\n').filter(|(_, ids)| !ids.is_empty()) else { return Ok(None) };
    let ids = ids.split(',').filter_map(|id| id.parse().ok()).collect();
    let stop = Stop::read(reason);
    Ok((store.stopped(instance)?.as_ref() == Some(&stop)).then_some((stop, ids)))
}

/// The reference that this ticket is linked with.
fn linked_as(store: &mut dyn Store, instance: &Instance, ticket: u64) -> itop_bridge_store::Result<Option<String>> {
    let stored = match instance {
        Instance::Internal => store.link_of_internal(ticket)?,
        Instance::External(name) => store.link_of_external(&TicketOf { external: name.clone(), ticket })?,
    };
    let live = stored.filter(|stored| stored.state == LinkState::Live);
    Ok(live.and_then(|stored| Some(stored.link.key(instance.side())?.reference.clone())))
}

fn kept_as_accepted(store: &mut dyn Store, instance: &Instance, of: &str) -> itop_bridge_store::Result<BTreeSet<u64>> {
    let gone = store.cursor(instance, of)?.unwrap_or_default();
    Ok(gone.split(',').filter_map(|id| id.parse().ok()).collect())
}

/// The files that should be on that side: originals with a copy, and the bridge's own files. Excludes a deleted
/// original whose copy stays for good.
fn known_files(lane: &Lane, pair: &Pair, side: Side) -> BTreeSet<u64> {
    let never = lane.settings.sync.attachment_deletes == AttachmentDeletes::Never;
    let stays = |copy: &Copy| copy.missing_since_ms.is_some() && (never || copy.taken_over);
    let stands = |copy: &&Copy| matches!(copy.state, CopyState::Stands(_)) && !stays(copy);
    let originals = pair.copies.iter().filter(|copy| copy.from == side).filter(stands);
    originals.map(|copy| copy.original).chain(pair.standing_on(side)).collect()
}
