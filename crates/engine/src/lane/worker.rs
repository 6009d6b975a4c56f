//! A lane's worker: claims dirty tickets, reads them together, and gives each its pass.
//!
//! Several batches may be under way, so that a ticket with a large file does not delay the others. The lease ensures
//! that no ticket has two passes at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use itop_bridge_store::{Claim, Instance, Next, Store};
use tokio::sync::{Semaphore, watch};

use crate::adopt::rebuild::newer::find_newer_pairs;
use crate::foresee::dry_run::look_only;
use crate::lane::read_both::read_both;
use crate::pass::file_budget::{FileBudget, Place};
use crate::pass::hinted::look_at_named;
use crate::pass::unseen::note_unseen;
use crate::pass::work::Work;
use crate::pass::{self, looks};
use crate::queue::finish::finish;
use crate::queue::retry;
use crate::scope::policies;
use crate::side::failure::Failure;
use crate::side::halting::{go_on, halts_so_far};
use crate::side::lease::keep_leases;
use crate::side::read::ticket_where;
use crate::side::throttle::throttled_until_ms;
use crate::suspension::Asks;
use crate::{Lane, Shared};

/// Tickets read together.
const BATCH: usize = 20;

/// Batches under way at once, not counting those with only file transfers left …
const BATCHES: usize = 4;

/// … and counting those.
const MOST_BATCHES: usize = 64;

pub async fn run(shared: Arc<Shared>, lane: Arc<Lane>, mut stop: watch::Receiver<bool>) {
    let mut running = FuturesUnordered::new();
    let places = Arc::new(Semaphore::new(BATCHES));
    let mut dirtied = shared.store.dirtied();
    let mut cannot_claim = false;
    loop {
        if *stop.borrow() {
            break;
        }
        let place = places.clone().try_acquire_owned().ok().filter(|_| running.len() < MOST_BATCHES);
        let has_place = place.is_some();
        let mut idle_ms = shared.timing.poll_ms;
        if let Some(place) = place {
            let claimed = claim(&shared, &lane).await;
            let begins = claimed.is_err() && !cannot_claim;
            cannot_claim = claimed.is_err();
            match claimed {
                Ok(Claimable::Now(claims)) => {
                    running.push(batch(&shared, &lane, claims, Arc::new(place)));
                    continue;
                }
                Ok(Claimable::In(wait_ms)) => idle_ms = idle_ms.min(wait_ms),
                Ok(Claimable::Not) => {}
                Err(failure) if begins => {
                    tracing::error!(external = %lane.name, error = %failure.text, "no ticket can be taken up; it is tried again")
                }
                Err(_) => {}
            }
        }
        tokio::select! {
            // In this order, so that a seed reproduces a run. Stop comes first: no flood of hints may delay it.
            biased;
            // A dropped sender can never say stop: it counts as said.
            _ = stop.wait_for(|stopped| *stopped) => break,
            _ = running.next(), if !running.is_empty() => {}
            _ = places.acquire(), if !has_place && running.len() < MOST_BATCHES => {}
            () = dirtied.changed() => {}
            () = shared.clock.sleep(idle_ms) => {}
        }
    }
    // The passes in hand are ended; slower ones are left to their leases.
    let rest = async { while running.next().await.is_some() {} };
    tokio::select! {
        biased;
        () = rest => {}
        () = shared.clock.sleep(shared.timing.shutdown_ms) => {
            tracing::warn!(external = %lane.name, "stopped with passes under way; they are taken up again at the next start");
        }
    }
}

enum Claimable {
    Now(Vec<Claim>),
    /// No ticket is due for this long.
    In(i64),
    /// Nothing waits; a side is down, throttled or stopped; or the pairs of a restored store are not known yet.
    Not,
}

async fn claim(shared: &Shared, lane: &Lane) -> Result<Claimable, Failure> {
    let rests = |itop: &&crate::Itop| itop.breaker().is_down() || throttled_until_ms(shared, itop).is_some();
    let sides = [&lane.external, &shared.internal];
    if sides.iter().any(rests) {
        return Ok(Claimable::Not);
    }
    if !find_newer_pairs(shared, lane).await? {
        return Ok(Claimable::Not);
    }
    let halts = halts_so_far(shared, lane);
    // Whether an operator has resumed the side is asked even if no ticket is due.
    let was_halted = sides.iter().any(|itop| itop.halts.is_halted());
    let (name, now, lease_ms) = (lane.name.clone(), shared.now_ms(), shared.timing.lease_ms);
    let claimable = shared.store.call(move |store| {
        // An idle worker asks this once a second, and nothing else.
        let due_ms = store.next_due(&name, now)?;
        if !was_halted && due_ms.is_none_or(|due_ms| due_ms > now) {
            return Ok(due_ms.map_or(Claimable::Not, |due_ms| Claimable::In(due_ms - now)));
        }
        if stands_still(store, &name)? {
            return Ok(Claimable::Not);
        }
        store.claim(&name, BATCH, now, lease_ms).map(Claimable::Now)
    });
    let claimable = claimable.await?;
    if let Claimable::Now(claims) = &claimable {
        go_on(shared, lane, halts);
        if claims.is_empty() {
            return Ok(Claimable::Not);
        }
    }
    Ok(claimable)
}

fn stands_still(store: &mut dyn Store, external: &str) -> itop_bridge_store::Result<bool> {
    let external = store.stopped(&Instance::External(external.to_owned()))?;
    Ok(external.is_some() || store.stopped(&Instance::Internal)?.is_some())
}

async fn batch(shared: &Shared, lane: &Lane, claims: Vec<Claim>, place: Place) {
    let mut ready = Vec::new();
    for claim in claims {
        let halt = claim.link.as_ref().and_then(|(_, link)| link.course.halt.as_ref());
        if halt.is_some_and(|halt| halt.kind.vanished().is_none()) {
            // Nothing is read or written until an operator resumes the pair, which marks it dirty again. Only a
            // vanished ticket may be there again.
            say_nothing_was_written(lane, &claim, "the pair has halted, until it is resumed");
            finish(shared, &claim, Next::Done).await;
            continue;
        }
        ready.push(claim);
    }
    // A look at named files alone may lead to writes: a dry run plans every ticket instead.
    let is_look = |claim: &Claim| shared.dry_run.is_none() && looks::only_at_named_files(claim);
    let (named, full): (Vec<Claim>, Vec<Claim>) = ready.into_iter().partition(is_look);
    let work = |claims: Vec<Claim>| claims.into_iter().map(|claim| (claim, FileBudget::nothing(place.clone())));
    let (named, full): (Vec<Claimed>, Vec<Claimed>) = (work(named).collect(), work(full).collect());
    drop(place);
    let looks = named.into_iter().map(|(claim, files)| async move {
        // The look may lead to a write: before the ticket's turn it would be in vain.
        let class = claim.link.as_ref().map(|(_, link)| link.external.class.clone()).unwrap_or_default();
        if let Some(wait) = wait(shared, lane, &claim, &class) {
            return finish(shared, &claim, wait).await;
        }
        // A named file that changed or vanished needs a whole pass. Each ticket by itself: the next one's look may take
        // minutes over a slow line.
        if let Some(work) = look_at_named(shared, lane, claim, files).await {
            full_passes(shared, lane, vec![work]).await;
        }
    });
    tokio::join!(join_all(looks), full_passes(shared, lane, full));
}

/// Why a ticket without a link gets no pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NoClass {
    Gone,
    NotBridged(String),
}

impl std::fmt::Display for NoClass {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            NoClass::Gone => write!(out, "there is no ticket with this id, or the account may not see it"),
            NoClass::NotBridged(class) => write!(out, "it is of the class {class}, which `classes` does not bridge"),
        }
    }
}

/// Logs a ticket that got no pass like a pass that wrote nothing.
fn say_nothing_was_written(lane: &Lane, claim: &Claim, why: &str) {
    let reference = claim.link.as_ref().map(|(_, link)| link.external.reference.as_str()).filter(|it| !it.is_empty());
    let id = claim.lease.of.ticket.to_string();
    let ticket = format!("{}:{}", lane.name, reference.unwrap_or(&id));
    tracing::info!(ticket, wrote = %format!("nothing: {why}"), "pass");
}

/// A ticket with the file contents read so far.
type Claimed = (Claim, FileBudget);

async fn full_passes(shared: &Shared, lane: &Lane, work: Vec<Claimed>) {
    if work.is_empty() {
        return;
    }
    let mut by_class: BTreeMap<String, Vec<Claimed>> = BTreeMap::new();
    for (claim, files) in work {
        match class_of(shared, lane, &claim).await {
            Ok(Ok(class)) => match take_turn(shared, lane, &claim, &class) {
                Some(wait) => finish(shared, &claim, wait).await,
                None => by_class.entry(class).or_default().push((claim, files)),
            },
            Ok(Err(none)) => {
                say_nothing_was_written(lane, &claim, &none.to_string());
                let noted = if none == NoClass::Gone { note_unseen(shared, &claim).await } else { Ok(()) };
                match noted {
                    Ok(()) => finish(shared, &claim, Next::Done).await,
                    Err(failure) => retry::fail(shared, lane, &claim, failure).await,
                }
            }
            Err(failure) => retry::fail(shared, lane, &claim, failure).await,
        }
    }
    join_all(by_class.into_iter().map(|(class, work)| class_passes(shared, lane, class, work))).await;
}

/// Reads both sides of tickets of one class at once, then gives each ticket its pass.
async fn class_passes(shared: &Shared, lane: &Lane, class: String, work: Vec<Claimed>) {
    let (mut claims, files): (Vec<Claim>, Vec<FileBudget>) = work.into_iter().unzip();
    let policy = match policies::policy(shared, lane, &class).await {
        Ok(policy) => policy,
        Err(failure) => {
            for claim in claims {
                retry::fail(shared, lane, &claim, failure.clone()).await;
            }
            return;
        }
    };
    let started_ms = shared.now_ms();
    let leases = claims.iter().map(|claim| claim.lease.clone()).collect();
    let read = read_both(shared, lane, &class, &policy, &claims);
    let (snapshot, leases) = Box::pin(keep_leases(shared, leases, read)).await;
    for (claim, lease) in claims.iter_mut().zip(leases) {
        claim.lease = lease;
    }
    if let Some(dry_run) = &shared.dry_run {
        let looks = claims.iter().zip(snapshot);
        let looks = looks.map(|(claim, snapshot)| look_only(shared, lane, dry_run, &policy, claim, snapshot));
        join_all(looks).await;
        return;
    }
    let passes = claims.into_iter().zip(files).zip(snapshot).map(|((claim, files), snapshot)| {
        let policy = policy.clone();
        pass::run(Work::new(shared, lane, policy, claim, files), snapshot, started_ms)
    });
    join_all(passes).await;
}

/// The external class of a claimed ticket: from its link, else from the hint, else from iTop.
pub(crate) async fn class_of(shared: &Shared, lane: &Lane, claim: &Claim) -> Result<Result<String, NoClass>, Failure> {
    if let Some((_, link)) = &claim.link {
        return Ok(Ok(link.external.class.clone()));
    }
    let class = match &claim.class {
        Some(class) => Some(class.clone()),
        None => {
            let found = ticket_where(shared, &lane.external, &format!("id = {}", claim.lease.of.ticket)).await?;
            found.map(|(_, class)| class)
        }
    };
    Ok(match class {
        None => Err(NoClass::Gone),
        Some(class) if lane.settings.sync.classes.contains_key(&class) => Ok(class),
        Some(class) => Err(NoClass::NotBridged(class)),
    })
}

/// The suspension that holds this ticket back, if any.
fn wait(shared: &Shared, lane: &Lane, claim: &Claim, class: &str) -> Option<Next> {
    let wait = shared.suspensions().wait(asks(shared, lane, claim, class), shared.now_ms());
    wait.map(|(due_ms, reason)| Next::Wait { due_ms, reason })
}

/// The same for a ticket whose pass is to begin: it may become the probe until it is finished.
fn take_turn(shared: &Shared, lane: &Lane, claim: &Claim, class: &str) -> Option<Next> {
    let wait = shared.suspensions().take_turn(asks(shared, lane, claim, class), shared.now_ms());
    wait.map(|(due_ms, reason)| Next::Wait { due_ms, reason })
}

fn asks<'a>(shared: &'a Shared, lane: &'a Lane, claim: &Claim, class: &'a str) -> Asks<'a> {
    Asks {
        external: &lane.name,
        ticket: claim.lease.of.ticket,
        external_class: class,
        internal: &shared.internal.name,
        internal_class: lane.settings.sync.classes.get(class).map_or("", String::as_str),
    }
}
