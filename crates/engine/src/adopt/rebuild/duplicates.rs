//! Marks that occur twice: two internal tickets, or two files of one side, that claim to be the same copy. A crash can
//! leave such duplicates, and so can a person who restores or clones a ticket.
//!
//! Only the newest ids are listed, in a few calls, and only tickets unknown to the store are read.

use std::collections::{BTreeMap, HashMap, HashSet};

use itop_bridge_core::{FileMark, Side, TicketMark};
use itop_bridge_store::{MAX_ROWS, TicketOf};
use itop_client::{Object, Query, oql_quote};

use super::{FILES, PAGE, Stopped};
use crate::adopt::rebuild::list_after;
use crate::side::call::{self, highest_attachment, highest_ticket};
use crate::side::failure::Failure;
use crate::side::itop::Itop;
use crate::side::read;
use crate::{Engine, Shared};

/// How many of the newest ids are searched.
const NEWEST: u64 = 20_000;

/// One mark, and all its bearers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Duplicate {
    pub mark: TicketMark,
    /// The bearer that the bridge works with, if the store knows one.
    pub kept: Option<String>,
    /// The others.
    pub others: Vec<String>,
}

impl Engine {
    /// Internal tickets that share a mark of this bridge.
    pub async fn duplicate_tickets(&self) -> Result<Vec<Duplicate>, Stopped> {
        Ok(duplicate_tickets(&self.shared).await?)
    }

    /// Files of one side that share a mark of this bridge. Without an external's name, of the internal side.
    pub async fn duplicate_files(&self, external: Option<&str>) -> Result<Vec<Duplicate>, Stopped> {
        let itop = match external {
            Some(name) => &self.shared.lane(name)?.external,
            None => &self.shared.internal,
        };
        Ok(duplicate_files(&self.shared, itop).await?)
    }
}

async fn duplicate_tickets(shared: &Shared) -> Result<Vec<Duplicate>, Failure> {
    let like = oql_quote(&format!("%[itop-bridge:{}:%", shared.server));
    let condition = format!("private_log LIKE {like}");
    let itop = &shared.internal;
    let highest = highest_ticket(shared, itop).await?;
    let after = highest.saturating_sub(NEWEST);
    let found = list_after(shared, itop, "Ticket", after, &condition, &["id", "ref"], FILES).await?;
    let linked = counterparts(shared).await?;
    let unknown: Vec<u64> = found.iter().map(|ticket| ticket.id).filter(|id| !linked.contains(id)).collect();
    let unknown = marks_of(shared, &unknown).await?;
    // Two unknown tickets may share a mark, or an unknown one may share it with a known one.
    let known = known_counterparts(shared, &unknown).await?;
    let known = marks_of(shared, &known).await?;
    let names: HashMap<u64, &str> = found.iter().filter_map(|ticket| Some((ticket.id, ticket.text("ref")?))).collect();
    let name = |id: &u64| names.get(id).map_or_else(|| format!("ticket {id}"), |name| (*name).to_owned());
    let mut by_mark: BTreeMap<&TicketMark, (Option<u64>, Vec<u64>)> = BTreeMap::new();
    for (id, mark) in known.iter().chain(&unknown) {
        let (kept, others) = by_mark.entry(mark).or_default();
        match linked.contains(id) {
            true => *kept = Some(*id),
            false => others.push(*id),
        }
    }
    by_mark.retain(|_, (kept, others)| others.len() + usize::from(kept.is_some()) > 1);
    let twins: HashSet<u64> = by_mark.values().flat_map(|(_, others)| others).copied().collect();
    let closed = closed_of(shared, found.iter().filter(|ticket| twins.contains(&ticket.id))).await?;
    let duplicate = |(mark, (kept, others)): (&TicketMark, (Option<u64>, Vec<u64>))| Duplicate {
        mark: mark.clone(),
        kept: kept.as_ref().map(name),
        others: others.iter().filter(|id| !closed.contains(id)).map(name).collect(),
    };
    Ok(by_mark.into_iter().map(duplicate).filter(Duplicate::is_one).collect())
}

/// The closed tickets: a person has already dealt with them.
async fn closed_of(shared: &Shared, tickets: impl Iterator<Item = &Object>) -> Result<HashSet<u64>, Failure> {
    let mut by_class: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for ticket in tickets {
        by_class.entry(&ticket.class).or_default().push(ticket.id);
    }
    let mut closed = HashSet::new();
    for (class, ids) in by_class {
        for page in ids.chunks(PAGE) {
            let read = call::get(shared, &shared.internal, class, &Query::ids(page), &["id", "status"]).await?;
            let is_closed = |ticket: &&Object| ticket.text("status") == Some("closed");
            closed.extend(read.objects.iter().filter(is_closed).map(|ticket| ticket.id));
        }
    }
    Ok(closed)
}

/// All internal tickets that are or were counterparts.
async fn counterparts(shared: &Shared) -> Result<HashSet<u64>, Failure> {
    let (mut all, mut after) = (HashSet::new(), 0);
    loop {
        let page = shared.store.call(move |store| store.pairs(None, after, MAX_ROWS, None)).await?;
        let Some(last) = page.last() else { return Ok(all) };
        after = last.id;
        all.extend(page.iter().filter_map(|pair| Some(pair.internal.as_ref()?.id)));
    }
}

/// The counterparts in the store of the external tickets that these marks name.
async fn known_counterparts(shared: &Shared, marked: &BTreeMap<u64, TicketMark>) -> Result<Vec<u64>, Failure> {
    let mut known = Vec::new();
    for mark in marked.values() {
        let of = TicketOf { external: shared.marked_external(&mark.external).to_owned(), ticket: mark.ticket };
        let stored = shared.store.call(move |store| store.link_of_external(&of)).await?;
        known.extend(stored.and_then(|stored| Some(stored.link.internal?.id)));
    }
    known.sort_unstable();
    known.dedup();
    Ok(known)
}

/// The mark at the start of each ticket's log, if it is this bridge's.
async fn marks_of(shared: &Shared, ids: &[u64]) -> Result<BTreeMap<u64, TicketMark>, Failure> {
    let mut marks = BTreeMap::new();
    for page in ids.chunks(PAGE) {
        let found = call::get(shared, &shared.internal, "Ticket", &Query::ids(page), &["id", "private_log"]).await?;
        let own = |mark: &TicketMark| mark.server == shared.server;
        marks
            .extend(found.objects.iter().filter_map(|object| Some((object.id, read::first_mark(object).filter(own)?))));
    }
    Ok(marks)
}

async fn duplicate_files(shared: &Shared, itop: &Itop) -> Result<Vec<Duplicate>, Failure> {
    let condition = format!("temp_id LIKE {}", oql_quote(&format!("itop-bridge:{}:%", shared.server)));
    let highest = highest_attachment(shared, itop).await?;
    let after = highest.saturating_sub(NEWEST);
    let fields = ["id", "item_id", "temp_id"];
    let found = list_after(shared, itop, "Attachment", after, &condition, &fields, FILES).await?;
    let mut by_mark: BTreeMap<&str, Vec<&Object>> = BTreeMap::new();
    for file in &found {
        if let Some(mark) = file.text("temp_id") {
            by_mark.entry(mark).or_default().push(file);
        }
    }
    let mut duplicates = Vec::new();
    for (temp_id, files) in by_mark {
        let mark = FileMark::find(temp_id).filter(|mark| mark.ticket.server == shared.server);
        if let (Some(mark), true) = (mark, files.len() > 1) {
            duplicates.push(duplicate_file(shared, itop.side(), mark.ticket, &files).await?);
        }
    }
    Ok(duplicates.into_iter().filter(Duplicate::is_one).collect())
}

async fn duplicate_file(shared: &Shared, on: Side, mark: TicketMark, files: &[&Object]) -> Result<Duplicate, Failure> {
    let of = TicketOf { external: shared.marked_external(&mark.external).to_owned(), ticket: mark.ticket };
    let link = shared.store.call(move |store| store.link_of_external(&of)).await?.map(|stored| stored.link);
    let made: Vec<u64> = link.iter().flat_map(|link| link.made_on(on)).collect();
    let counts = |file: &&&Object| !link.as_ref().is_some_and(|link| link.is_nobodys(on, file.id));
    let mut duplicate = Duplicate { mark, kept: None, others: Vec::new() };
    for file in files.iter().filter(counts) {
        let name = format!("attachment {} of ticket {}", file.id, file.number("item_id").unwrap_or_default());
        match made.contains(&file.id) && duplicate.kept.is_none() {
            true => duplicate.kept = Some(name),
            false => duplicate.others.push(name),
        }
    }
    Ok(duplicate)
}

impl Duplicate {
    fn is_one(&self) -> bool {
        self.others.len() + usize::from(self.kept.is_some()) > 1
    }
}
