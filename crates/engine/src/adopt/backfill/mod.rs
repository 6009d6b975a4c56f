//! Tickets that are older than the connection, brought under the bridge because an operator wants them there.
//!
//! They are listed, a page a call, and marked in the queue: a pass then carries each as it carries a new one,
//! and `only` still holds. What is linked, or was unlinked, is left as it is. A cursor says up to which ticket
//! a run has marked, so that the next one with the same wish goes on. Where that is wanted, those whose counterpart
//! stands already are taken as they are (`title`).

mod title;

use std::collections::{BTreeMap, BTreeSet};

use itop_bridge_store::{About, DirtyMark, LinkState, Look, MAX_ROWS, TicketOf};
use itop_client::{ErrorClass, Object, Query};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::adopt::rebuild::{Stopped, Tell};
use crate::scope::only::{made_since, only};
use crate::side::failure::{Failure, Kind};
use crate::side::itop::Itop;
use crate::{Engine, Lane, Shared};
pub use title::{TitleAdopted, TitlePair, Titled, Unclear};

/// Tickets listed together.
const LISTED: usize = 500;

/// How long the store is left alone between two transactions: webhooks are written by then.
const PAUSE_MS: i64 = 50;

/// The store's name for the cursor.
const CURSOR: &str = "backfill";

/// Told the class whose tickets are looked through.
pub type TellClass<'a> = &'a (dyn Fn(&str) + Send + Sync);

/// Which tickets of an external an operator wants.
#[derive(Debug, Clone)]
pub struct Wish {
    pub external: String,
    /// The first day on which they were made, of the external's own clock.
    pub since: Date,
    /// Every bridged class where none is named.
    pub classes: BTreeSet<String>,
    /// Every state where none is named.
    pub states: BTreeSet<String>,
    /// An internal ticket whose title names the external one is its counterpart.
    pub match_title: bool,
}

/// What is there of a wish.
#[derive(Debug, Default)]
pub struct Wished {
    /// Not linked, in the order of their ids.
    pub tickets: Vec<Older>,
    /// Not linked, each with the internal ticket whose title names it.
    pub pairs: Vec<TitlePair>,
    /// Not linked, and left so: titles do not tell the counterpart.
    pub unclear: Vec<Unclear>,
    /// Those that a pair has already.
    pub linked: usize,
    /// Those whose pair has ended: they stay so.
    pub ended: usize,
    /// Where an earlier run of the same wish stopped, how many of its tickets it had marked. They still wait.
    pub marked_before: usize,
}

/// A ticket that stands outside and is not linked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Older {
    pub id: u64,
    pub class: String,
    pub reference: String,
    pub title: String,
    pub status: String,
    pub last_update: String,
}

/// How far a run with this wish has come.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Cursor {
    wish: String,
    marked_up_to: u64,
}

impl Wish {
    /// Tells one wish from another.
    fn words(&self) -> String {
        let Wish { since, classes, states, match_title, .. } = self;
        let by_title = if *match_title { ", matched by title" } else { "" };
        format!("since {since}, classes {classes:?}, states {states:?}{by_title}")
    }
}

impl Engine {
    /// Reads what there is of a wish; writes nothing. `tell` is told the class that is looked through.
    pub async fn wished(&self, wish: &Wish, tell: TellClass<'_>) -> Result<Wished, Stopped> {
        let (shared, lane) = (&*self.shared, &**self.shared.lane(&wish.external)?);
        if let Some(lost) = shared.has_pairs_to_find(lane).await? {
            return Err(Failure::setup(lost.to_string()).into());
        }
        let known = shared.linked_tickets(lane).await?;
        let up_to = shared.backfill_cursor(lane, wish).await?;
        let (mut wished, mut free) = (Wished::default(), Vec::new());
        for ticket in shared.list_wished(lane, wish, tell).await? {
            match known.get(&ticket.id) {
                Some(LinkState::Live) => wished.linked += 1,
                Some(LinkState::Ended) => wished.ended += 1,
                None => free.push(ticket),
            }
        }
        if wish.match_title {
            // Before what is marked is told apart: what an earlier run left unclear was not marked by it.
            let found = shared.match_by_title(lane, free).await?;
            (wished.pairs, wished.unclear, free) = (found.pairs, found.unclear, found.rest);
        }
        let all = free.len();
        wished.tickets = free.into_iter().filter(|ticket| ticket.id > up_to).collect();
        wished.marked_before = all - wished.tickets.len();
        Ok(wished)
    }

    /// Marks these, so that passes carry them. What is marked is kept when this is dropped on the way.
    pub async fn backfill(&self, wish: &Wish, tickets: &[Older], tell: Tell<'_>) -> Result<usize, Stopped> {
        let (shared, lane) = (&*self.shared, &**self.shared.lane(&wish.external)?);
        let mut marked = 0;
        tell(0, tickets.len());
        for (page, at) in tickets.chunks(MAX_ROWS).zip(1..) {
            marked += shared.mark_older(lane, page).await?;
            let up_to = page.last().map_or(0, |ticket| ticket.id);
            shared.keep_backfill_cursor(lane, Some(Cursor { wish: wish.words(), marked_up_to: up_to })).await?;
            tell(tickets.len().min(at * MAX_ROWS), tickets.len());
            shared.clock.sleep(PAUSE_MS).await;
        }
        shared.keep_backfill_cursor(lane, None).await?;
        Ok(marked)
    }
}

impl Shared {
    async fn list_wished(&self, lane: &Lane, wish: &Wish, tell: TellClass<'_>) -> Result<Vec<Older>, Failure> {
        let mut tickets = Vec::new();
        let bridged = lane.settings.sync.classes.keys();
        for class in bridged.filter(|class| wish.classes.is_empty() || wish.classes.contains(*class)) {
            if lane.settings.only.of(class).is_none() {
                continue;
            }
            tell(class);
            let condition = condition(lane, wish, class);
            let fields = ["id", "ref", "title", "status", "last_update"];
            match self.list_all(&lane.external, class, &condition, &fields, LISTED).await {
                Ok(found) => tickets.extend(found.iter().map(|object| older(class, object))),
                // Not each iTop has each class that could be bridged.
                Err(failure) => {
                    let is_asked_for = wish.classes.contains(class);
                    if failure.kind != Kind::Refused || is_asked_for || !lacks(&lane.external, class).await {
                        return Err(failure);
                    }
                }
            }
        }
        tickets.sort_by_key(|ticket| ticket.id);
        Ok(tickets)
    }

    /// The tickets of a lane that have a link, each with its state.
    async fn linked_tickets(&self, lane: &Lane) -> Result<BTreeMap<u64, LinkState>, Failure> {
        let (mut known, mut after) = (BTreeMap::new(), 0);
        loop {
            let name = lane.name.clone();
            let page = self.store.call(move |store| store.pairs(Some(&name), after, MAX_ROWS, None)).await?;
            let Some(last) = page.last() else { return Ok(known) };
            after = last.id;
            known.extend(page.iter().map(|pair| (pair.external.id, pair.state)));
        }
    }

    async fn mark_older(&self, lane: &Lane, page: &[Older]) -> Result<usize, Failure> {
        let due_ms = self.now_ms();
        let marks = page.iter().map(|ticket| {
            let of = TicketOf { external: lane.name.clone(), ticket: ticket.id };
            let look = Look { backfilled: true, ..Look::everything() };
            DirtyMark { about: About::External { of, class: Some(ticket.class.clone()) }, look, due_ms }
        });
        self.mark_all(marks.collect()).await
    }

    /// Up to which ticket an earlier run of this wish has marked, where it stopped on the way.
    async fn backfill_cursor(&self, lane: &Lane, wish: &Wish) -> Result<u64, Failure> {
        let of = lane.external.instance.clone();
        let kept = self.store.call(move |store| store.cursor(&of, CURSOR)).await?.unwrap_or_default();
        let cursor = serde_json::from_str::<Cursor>(&kept).ok().filter(|cursor| cursor.wish == wish.words());
        Ok(cursor.map_or(0, |cursor| cursor.marked_up_to))
    }

    /// `None`: a run came to its end.
    async fn keep_backfill_cursor(&self, lane: &Lane, cursor: Option<Cursor>) -> Result<(), Failure> {
        let of = lane.external.instance.clone();
        let kept = cursor.map(|cursor| serde_json::to_string(&cursor)).transpose();
        let kept = kept.map_err(|error| Failure::setup(error.to_string()))?.unwrap_or_default();
        Ok(self.store.call(move |store| store.set_cursor(&of, CURSOR, &kept)).await?)
    }
}

async fn lacks(itop: &Itop, class: &str) -> bool {
    let answer = itop.client.get(class, &Query::ids(&[0]), &["id"]).await;
    answer.is_err_and(|error| matches!(error.class, ErrorClass::UnknownClass { .. }))
}

fn condition(lane: &Lane, wish: &Wish, class: &str) -> String {
    let states = wish.states.iter().map(|state| itop_client::oql_quote(state)).collect::<Vec<_>>();
    let states = (!states.is_empty()).then(|| format!("status IN ({})", states.join(",")));
    let all = [Some(made_since(lane, class, wish.since)), states, only(lane, class)];
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
