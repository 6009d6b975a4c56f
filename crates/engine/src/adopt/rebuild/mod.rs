//! Finds the pairs of a lost store again by the bridge's traces in both iTops: the internal ticket's first log entry
//! and, if that is missing, the marks of files and the report of the status.
//!
//! Nothing is written to an iTop. Marks of other bridges are ignored. A ticket with a link is left as it is, even if
//! the link has ended: an ended link in the same store still counts.

mod duplicates;
pub(crate) mod lost;
mod marks;
pub(crate) mod newer;
pub(crate) mod pairs;

use std::collections::BTreeMap;

use itop_bridge_core::event::AdoptedBy;
use itop_bridge_core::{TicketKey, TicketMark};
use itop_bridge_store::{LinkState, TicketOf};
use itop_client::{Object, Query};

use crate::adopt::rebuild::lost::end_halt_over_lost_pairs;
use crate::adopt::rebuild::marks::marked_pairs;
use crate::adopt::rebuild::pairs::{mark_newer, take_page};
use crate::scope::connection::connection_began_at;
use crate::scope::name_in_marks::keep_name_in_marks;
use crate::side::call::{self, highest_attachment, highest_ticket};
use crate::side::dates::in_iso;
use crate::side::failure::{Failure, Kind};
use crate::side::itop::Itop;
use crate::{Engine, Lane, Shared};

pub use duplicates::Duplicate;

/// Tickets read together.
const PAGE: usize = 200;

/// Marked files listed together, without contents.
const FILES: usize = 1000;

/// Ids searched by one call: a search through the texts of all tickets of a large iTop would take longer than any
/// time-out.
const MOST_IDS: u64 = 20_000;

/// The result of a rebuild.
#[derive(Debug, Default)]
pub struct Rebuilt {
    /// Pairs taken into the store; in a dry run, those that would be.
    pub pairs: Vec<FoundPair>,
    /// Bearers of marks that could not be taken as pairs.
    pub left: Vec<Left>,
    /// Pairs that the store knows.
    pub known: usize,
    /// The highest ticket of each external that a mark names: newer ones were not carried yet.
    pub since: BTreeMap<String, u64>,
    /// Tickets newer than that, which are marked now.
    pub newer: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub struct FoundPair {
    /// The link's number; `None` in a dry run.
    pub number: Option<i64>,
    pub external_name: String,
    pub external: TicketKey,
    pub internal: TicketKey,
    pub by: FoundBy,
    /// The number of copied files found.
    pub files: usize,
    /// Differences that stay until the external value changes.
    pub conflicts: Vec<String>,
    /// Undelivered parts that the next pass writes.
    pub due: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FoundBy {
    /// The mark in the internal ticket's log.
    Ticket,
    /// The marks of the files on the internal ticket.
    Files,
    /// The report of the status on the external ticket.
    Report,
}

impl FoundBy {
    pub(crate) fn adopted_by(self) -> AdoptedBy {
        match self {
            FoundBy::Ticket => AdoptedBy::Mark,
            FoundBy::Files => AdoptedBy::FileMarks,
            FoundBy::Report => AdoptedBy::Report,
        }
    }

    pub fn words(self) -> &'static str {
        match self {
            FoundBy::Ticket => "its mark",
            FoundBy::Files => "its files' marks",
            FoundBy::Report => "the report of the status",
        }
    }
}

/// A bearer of a mark that was left as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    pub what: String,
    pub why: String,
}

/// A pair named by marks, before its tickets are read.
#[derive(Debug, Clone)]
struct Candidate {
    mark: TicketMark,
    internal: u64,
    /// The external ticket's reference in the first log entry.
    reference: Option<String>,
    by: FoundBy,
}

/// Why the rebuild stopped. The store is consistent, and the next run continues.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Stopped(pub(crate) String);

impl From<Failure> for Stopped {
    fn from(failure: Failure) -> Stopped {
        Stopped(failure.text)
    }
}

/// Gets the number of pairs done, and of all.
pub type Tell<'a> = &'a (dyn Fn(usize, usize) + Send + Sync);

impl Engine {
    /// Finds the pairs again. A dry run does not write to the store either.
    pub async fn rebuild(&self, dry_run: bool, tell: Tell<'_>) -> Result<Rebuilt, Stopped> {
        let shared = &*self.shared;
        let mut rebuilt = Rebuilt::default();
        // Both sides must answer before anything begins.
        let marked = marked_pairs(shared, &mut rebuilt).await?;
        let candidates = unknown_pairs(shared, marked, &mut rebuilt).await?;
        for lane in &shared.lanes {
            if let Some(highest) = rebuilt.since.get(&lane.name).copied() {
                rebuilt.newer += begin_after(shared, lane, highest, dry_run).await?;
            }
        }
        if !dry_run {
            keep_names_in_marks(shared).await?;
        }
        let all = candidates.values().map(Vec::len).sum();
        let mut done = 0;
        tell(done, all);
        for ((external, class), of_class) in candidates {
            let lane = shared.lane(&external)?;
            for page in of_class.chunks(PAGE) {
                take_page(shared, lane, &class, page, dry_run, &mut rebuilt).await?;
                done += page.len();
                tell(done, all);
            }
        }
        if !dry_run {
            for lane in &shared.lanes {
                end_halt_over_lost_pairs(shared, lane).await?;
            }
        }
        Ok(rebuilt)
    }
}

/// Candidates by external and class, in the order of the external tickets.
type Candidates = BTreeMap<(String, String), Vec<Candidate>>;

/// Those that the store does not know, one per external ticket.
async fn unknown_pairs(shared: &Shared, marked: Vec<Candidate>, rebuilt: &mut Rebuilt) -> Result<Candidates, Failure> {
    let mut by_ticket: BTreeMap<(String, String, u64), Vec<Candidate>> = BTreeMap::new();
    for candidate in marked {
        let TicketMark { external, class, ticket, .. } = candidate.mark.clone();
        let external = shared.marked_external(&external).to_owned();
        by_ticket.entry((external, class, ticket)).or_default().push(candidate);
    }
    let mut unknown = Candidates::new();
    for ((external, class, ticket), mut all) in by_ticket {
        if let Some(why) = not_bridged(shared, &external, &class) {
            rebuilt.left.extend(all.iter().map(|one| left(shared, one, why.clone())));
            continue;
        }
        // A ticket's own mark outranks its files' marks, and of two tickets the lower id is the counterpart.
        all.sort_by_key(|candidate| (candidate.by, candidate.internal));
        let of = TicketOf { external: external.clone(), ticket };
        match shared.store.call(move |store| store.link_of_external(&of)).await? {
            Some(stored) => {
                // If a create's answer was lost, the pass will adopt the first marked ticket: that one is the
                // counterpart.
                let linked = stored.link.internal.as_ref().map_or(all[0].internal, |key| key.id);
                let ended = stored.state == LinkState::Ended;
                rebuilt.known += usize::from(!ended);
                if ended {
                    let why = format!("its link {} has ended; `links link` makes it anew", stored.id);
                    rebuilt.left.push(left(shared, &all[0], why));
                }
                all.retain(|other| !ended && other.internal != linked);
                rebuilt.left.extend(all.iter().map(|other| twin(shared, other, linked)));
            }
            None => {
                let mut free = Vec::new();
                for candidate in all {
                    let id = candidate.internal;
                    match shared.store.call(move |store| store.link_of_internal(id)).await? {
                        Some(other) => {
                            let why = format!("it is linked with another ticket: link {}", other.id);
                            rebuilt.left.push(left(shared, &candidate, why));
                        }
                        None => free.push(candidate),
                    }
                }
                let mut free = free.into_iter();
                let Some(first) = free.next() else { continue };
                rebuilt.left.extend(free.map(|other| twin(shared, &other, first.internal)));
                unknown.entry((external, class)).or_default().push(first);
            }
        }
    }
    Ok(unknown)
}

/// Stores the names in marks before the first pair, since pairs are found by them.
async fn keep_names_in_marks(shared: &Shared) -> Result<(), Failure> {
    let names: Vec<(String, String)> =
        shared.lanes.iter().map(|lane| (lane.name.clone(), lane.settings.name_in_marks.clone())).collect();
    let keep = move |store: &mut dyn itop_bridge_store::Store| {
        names.iter().try_for_each(|(name, in_marks)| keep_name_in_marks(store, name, in_marks))
    };
    Ok(shared.store.call(keep).await?)
}

fn not_bridged(shared: &Shared, external: &str, class: &str) -> Option<String> {
    let Ok(lane) = shared.lane(external) else {
        return Some(format!(
            "its mark names {external}, which the configuration does not have; where that customer is called otherwise now, write `name_in_marks = \"{external}\"` in its section"
        ));
    };
    let bridged = lane.settings.sync.classes.contains_key(class);
    (!bridged).then(|| format!("the class {class} of {external} is not bridged"))
}

fn left(shared: &Shared, candidate: &Candidate, why: String) -> Left {
    let Candidate { mark, internal, .. } = candidate;
    let what = format!(
        "ticket {internal} of {}, the copy of {} {} of {}",
        shared.internal.name, mark.class, mark.ticket, mark.external
    );
    Left { what, why }
}

fn twin(shared: &Shared, candidate: &Candidate, linked: u64) -> Left {
    left(shared, candidate, format!("ticket {linked} carries the same mark and is its counterpart; close this one"))
}

/// Lists all objects that fit the condition.
pub(crate) async fn list_all(
    shared: &Shared,
    itop: &Itop,
    class: &str,
    condition: &str,
    fields: &[&str],
    most: usize,
) -> Result<Vec<Object>, Failure> {
    list_after(shared, itop, class, 0, condition, fields, most).await
}

/// Lists those with a higher id, in ranges of ids with at most `most` of them.
async fn list_after(
    shared: &Shared,
    itop: &Itop,
    class: &str,
    mut after: u64,
    condition: &str,
    fields: &[&str],
    most: usize,
) -> Result<Vec<Object>, Failure> {
    let highest = match class {
        "Attachment" => highest_attachment(shared, itop).await?,
        _ => highest_ticket(shared, itop).await?,
    };
    let mut objects = Vec::new();
    let mut step = most as u64;
    while after < highest {
        let to = after.saturating_add(step).min(highest);
        let oql = format!("SELECT {class} WHERE id > {after} AND id <= {to} AND {condition}");
        match call::get(shared, itop, class, &Query::oql(oql).limit(most as u32), fields).await {
            Ok(found) if found.total > most as u64 => step = (step / 2).max(most as u64),
            Err(failure) if failure.kind == Kind::TooLarge && step > 1 => step /= 2,
            answer => {
                let mut found = answer?;
                in_iso(shared, itop, &mut found.objects).await;
                after = to;
                if found.total <= most as u64 / 2 {
                    step = step.saturating_mul(2).min(MOST_IDS);
                }
                objects.extend(found.objects);
            }
        }
    }
    Ok(objects)
}

/// Lets the connection begin at the last ticket that a mark names. Later tickets were never carried, and no hook
/// announces them again.
async fn begin_after(shared: &Shared, lane: &Lane, highest: u64, dry_run: bool) -> Result<usize, Failure> {
    let condition = format!("id > {highest}");
    let newer = list_all(shared, &lane.external, "Ticket", &condition, &["id", "finalclass"], FILES).await?;
    let newer: Vec<(u64, String)> = newer
        .iter()
        .map(|object| (object.id, object.text("finalclass").unwrap_or(&object.class).to_owned()))
        .filter(|(_, class)| lane.settings.sync.classes.contains_key(class))
        .collect();
    if dry_run {
        return Ok(newer.len());
    }
    connection_began_at(shared, lane, highest).await?;
    mark_newer(shared, lane, newer).await
}
