//! Tickets older than the connection that an operator wants under the bridge.
//!
//! They are listed, one page per call, and marked in the queue: a pass then carries each like a new one, and `only`
//! still holds. Tickets that are linked, or were unlinked, are left as they are. A cursor keeps the last ticket that a
//! run has marked, so that the next run with the same request continues. On request, tickets whose counterpart exists
//! already are paired with it (`title`).

mod title;

use std::collections::{BTreeMap, BTreeSet};

use itop_bridge_store::{About, DirtyMark, LinkState, Look, MAX_ROWS, TicketOf};
use itop_client::{ErrorClass, Object, Query};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::adopt::backfill::title::match_by_title;
use crate::adopt::rebuild::lost::has_pairs_to_find;
use crate::adopt::rebuild::{Stopped, Tell, list_all};
use crate::scope::only::{made_since, only};
use crate::side::call;
use crate::side::failure::{Failure, Kind};
use crate::side::itop::Itop;
use crate::{Engine, Lane, Shared};

pub use title::{TitleAdopted, TitlePair, Titled, Unclear};

/// Tickets listed together.
const LISTED: usize = 500;

/// The pause between two transactions, in which webhooks are written.
const PAUSE_MS: i64 = 50;

/// The name of the store's cursor.
const CURSOR: &str = "backfill";

/// Gets the class whose tickets are being searched.
pub type TellClass<'a> = &'a (dyn Fn(&str) + Send + Sync);

/// The tickets of an external that an operator wants.
#[derive(Debug, Clone)]
pub struct BackfillRequest {
    pub external: String,
    /// The first day of creation, by the external's own clock.
    pub since: Date,
    /// Every bridged class if empty.
    pub classes: BTreeSet<String>,
    /// Every state if empty.
    pub states: BTreeSet<String>,
    /// Pair a ticket with the internal ticket whose title names it.
    pub match_title: bool,
}

/// The tickets that match a request.
#[derive(Debug, Default)]
pub struct Requested {
    /// Not linked, ordered by id.
    pub tickets: Vec<Older>,
    /// Not linked, each with the internal ticket whose title names it.
    pub pairs: Vec<TitlePair>,
    /// Not linked, and left so: titles do not identify the counterpart.
    pub unclear: Vec<Unclear>,
    /// The number of tickets that are linked.
    pub linked: usize,
    /// The number of tickets whose pair has ended; these stay so.
    pub ended: usize,
    /// How many tickets an earlier, interrupted run of the same request had marked. They still wait.
    pub marked_before: usize,
}

/// An external ticket that is not linked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Older {
    pub id: u64,
    pub class: String,
    pub reference: String,
    pub title: String,
    pub status: String,
    pub last_update: String,
}

/// The progress of a run with this request.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Cursor {
    request: String,
    marked_up_to: u64,
}

impl BackfillRequest {
    /// Identifies the request.
    fn words(&self) -> String {
        let BackfillRequest { since, classes, states, match_title, .. } = self;
        let by_title = if *match_title { ", matched by title" } else { "" };
        format!("since {since}, classes {classes:?}, states {states:?}{by_title}")
    }
}

impl Engine {
    /// Finds the tickets of a request; writes nothing. `tell` gets the class being searched.
    pub async fn find_requested(&self, request: &BackfillRequest, tell: TellClass<'_>) -> Result<Requested, Stopped> {
        let (shared, lane) = (&*self.shared, &**self.shared.lane(&request.external)?);
        if let Some(lost) = has_pairs_to_find(shared, lane).await? {
            return Err(Failure::setup(lost.to_string()).into());
        }
        let known = linked_tickets(shared, lane).await?;
        let up_to = backfill_cursor(shared, lane, request).await?;
        let (mut requested, mut free) = (Requested::default(), Vec::new());
        for ticket in list_requested(shared, lane, request, tell).await? {
            match known.get(&ticket.id) {
                Some(LinkState::Live) => requested.linked += 1,
                Some(LinkState::Ended) => requested.ended += 1,
                None => free.push(ticket),
            }
        }
        if request.match_title {
            // Before the marked ones are split off: an earlier run did not mark the tickets that it left unclear.
            let found = match_by_title(shared, lane, free).await?;
            (requested.pairs, requested.unclear, free) = (found.pairs, found.unclear, found.rest);
        }
        let all = free.len();
        requested.tickets = free.into_iter().filter(|ticket| ticket.id > up_to).collect();
        requested.marked_before = all - requested.tickets.len();
        Ok(requested)
    }

    /// Marks these tickets, so that passes carry them. If this is dropped midway, marks made so far remain.
    pub async fn backfill(
        &self,
        request: &BackfillRequest,
        tickets: &[Older],
        tell: Tell<'_>,
    ) -> Result<usize, Stopped> {
        let (shared, lane) = (&*self.shared, &**self.shared.lane(&request.external)?);
        let mut marked = 0;
        tell(0, tickets.len());
        for (page, at) in tickets.chunks(MAX_ROWS).zip(1..) {
            marked += mark_older(shared, lane, page).await?;
            let up_to = page.last().map_or(0, |ticket| ticket.id);
            keep_backfill_cursor(shared, lane, Some(Cursor { request: request.words(), marked_up_to: up_to })).await?;
            tell(tickets.len().min(at * MAX_ROWS), tickets.len());
            shared.clock.sleep(PAUSE_MS).await;
        }
        keep_backfill_cursor(shared, lane, None).await?;
        Ok(marked)
    }
}

async fn list_requested(
    shared: &Shared,
    lane: &Lane,
    request: &BackfillRequest,
    tell: TellClass<'_>,
) -> Result<Vec<Older>, Failure> {
    let mut tickets = Vec::new();
    let bridged = lane.settings.sync.classes.keys();
    for class in bridged.filter(|class| request.classes.is_empty() || request.classes.contains(*class)) {
        if lane.settings.only.of(class).is_none() {
            continue;
        }
        tell(class);
        let condition = condition(lane, request, class);
        let fields = ["id", "ref", "title", "status", "last_update"];
        match list_all(shared, &lane.external, class, &condition, &fields, LISTED).await {
            Ok(found) => tickets.extend(found.iter().map(|object| older(class, object))),
            // Not every iTop has every class that could be bridged.
            Err(failure) => {
                let is_asked_for = request.classes.contains(class);
                if failure.kind != Kind::Refused || is_asked_for || !lacks(shared, &lane.external, class).await {
                    return Err(failure);
                }
            }
        }
    }
    tickets.sort_by_key(|ticket| ticket.id);
    Ok(tickets)
}

/// The lane's linked tickets, each with its link's state.
async fn linked_tickets(shared: &Shared, lane: &Lane) -> Result<BTreeMap<u64, LinkState>, Failure> {
    let (mut known, mut after) = (BTreeMap::new(), 0);
    loop {
        let name = lane.name.clone();
        let page = shared.store.call(move |store| store.pairs(Some(&name), after, MAX_ROWS, None)).await?;
        let Some(last) = page.last() else { return Ok(known) };
        after = last.id;
        known.extend(page.iter().map(|pair| (pair.external.id, pair.state)));
    }
}

async fn mark_older(shared: &Shared, lane: &Lane, page: &[Older]) -> Result<usize, Failure> {
    let due_ms = shared.now_ms();
    let marks = page.iter().map(|ticket| {
        let of = TicketOf { external: lane.name.clone(), ticket: ticket.id };
        let look = Look { backfilled: true, ..Look::everything() };
        DirtyMark { about: About::External { of, class: Some(ticket.class.clone()) }, look, due_ms }
    });
    Ok(shared.store.mark_all(marks.collect(), shared.now_ms()).await?)
}

/// The last ticket that an earlier, interrupted run of this request has marked.
async fn backfill_cursor(shared: &Shared, lane: &Lane, request: &BackfillRequest) -> Result<u64, Failure> {
    let of = lane.external.instance.clone();
    let kept = shared.store.call(move |store| store.cursor(&of, CURSOR)).await?.unwrap_or_default();
    let cursor = serde_json::from_str::<Cursor>(&kept).ok().filter(|cursor| cursor.request == request.words());
    Ok(cursor.map_or(0, |cursor| cursor.marked_up_to))
}

/// `None`: a run is complete.
async fn keep_backfill_cursor(shared: &Shared, lane: &Lane, cursor: Option<Cursor>) -> Result<(), Failure> {
    let of = lane.external.instance.clone();
    let kept = cursor.map(|cursor| serde_json::to_string(&cursor)).transpose();
    let kept = kept.map_err(|error| Failure::setup(error.to_string()))?.unwrap_or_default();
    Ok(shared.store.call(move |store| store.set_cursor(&of, CURSOR, &kept)).await?)
}

async fn lacks(shared: &Shared, itop: &Itop, class: &str) -> bool {
    let answer = call::asked(shared, itop, class, &Query::ids(&[0]), &["id"]).await;
    answer.is_err_and(|error| matches!(error.class, ErrorClass::UnknownClass { .. }))
}

fn condition(lane: &Lane, request: &BackfillRequest, class: &str) -> String {
    let states = request.states.iter().map(|state| itop_client::oql_quote(state)).collect::<Vec<_>>();
    let states = (!states.is_empty()).then(|| format!("status IN ({})", states.join(",")));
    let all = [Some(made_since(lane, class, request.since)), states, only(lane, class)];
    all.into_iter().flatten().collect::<Vec<_>>().join(" AND ")
}

fn older(class: &str, object: &Object) -> Older {
    let text = |code: &str| object.text(code).unwrap_or_default().to_owned();
    Older {
        id: object.id,
        class: class.to_owned(),
        reference: text("ref"),
        title: text("title"),
        status: text("status"),
        last_update: text("last_update"),
    }
}
