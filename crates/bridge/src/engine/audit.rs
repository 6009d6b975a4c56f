//! The audit: lists the linked tickets and their attachments, hundreds a call, and marks what does not
//! fit what is known. It finds what no hook and no `last_update` tells: files added or deleted
//! without a word, tickets that vanished, ids that were used again.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use itop_bridge_core::link::CopyState;
use itop_bridge_core::{Link, Side};
use itop_client::{Query, oql_quote};
use tokio::sync::watch;

use super::failure::Failure;
use super::itop::Itop;
use super::sweep::may_call;
use super::{Lane, Shared, read, wait_or_stop};
use crate::store::{About, DirtyMark, Look, Stored, TicketOf};

/// Links looked at together.
const PAGE: usize = 200;

/// The store's name for the tickets that were gone when a side halted.
const GONE: &str = "gone";

/// Links closed longer than this are left to themselves.
const CLOSED_MS: i64 = 7 * 24 * 3_600_000;

pub async fn run(shared: Arc<Shared>, lane: Arc<Lane>, mut stop: watch::Receiver<bool>) {
    let period_ms = lane.settings.sync.audit_ms;
    loop {
        // Spread out: the lanes do not all audit at the same moment.
        if !wait_or_stop(&*shared.clock, shared.random.jitter_ms(period_ms), &mut stop).await {
            return;
        }
        if may_call(&shared, &lane.external).await && may_call(&shared, &shared.internal).await {
            match shared.audit(&lane).await {
                Ok(marked) => tracing::info!(lane = %lane.name, marked, "audit"),
                Err(failure) => {
                    tracing::warn!(lane = %lane.name, error = %failure.text, "audit failed; it is made again")
                }
            }
        }
    }
}

/// What the audit found of one side.
#[derive(Default)]
struct Found {
    /// Ticket id to reference.
    tickets: HashMap<u64, String>,
    /// Ticket id to its attachments.
    files: HashMap<u64, HashSet<u64>>,
}

impl Shared {
    pub(super) async fn audit(&self, lane: &Lane) -> Result<usize, Failure> {
        let mut after = 0;
        let mut marked = 0;
        loop {
            let (name, closed_after) = (lane.name.clone(), self.now_ms() - CLOSED_MS);
            let links = self.store.call(move |store| store.links(Some(&name), after, PAGE, Some(closed_after))).await?;
            let Some(last) = links.last() else { return Ok(marked) };
            after = last.id;
            marked += self.audit_page(lane, &links).await?;
        }
    }

    async fn audit_page(&self, lane: &Lane, links: &[Stored]) -> Result<usize, Failure> {
        let live: Vec<&Stored> = links.iter().filter(|stored| is_audited(&stored.link)).collect();
        let (external, internal) = tokio::join!(
            self.list(&lane.external, &live, Side::External),
            self.list(&self.internal, &live, Side::Internal),
        );
        let (external, internal) = (external?, internal?);
        let limits = lane.settings.sync.halt;
        for (itop, found, side) in
            [(&lane.external, &external, Side::External), (&self.internal, &internal, Side::Internal)]
        {
            let gone = gone(&live, found, side);
            if self.is_news(itop, &gone).await? && limits.exceeded(gone.len(), live.len()) {
                return self.halt_side(itop, &gone, live.len()).await.map(|()| 0);
            }
        }
        let differs = |stored: &&&Stored| differs(&stored.link, &external, &internal);
        let marks = live.iter().filter(differs).map(|stored| DirtyMark {
            about: About::External {
                of: TicketOf { external: lane.name.clone(), ticket: stored.link.external.id },
                class: Some(stored.link.external.class.clone()),
            },
            look: Look { internal_attachments: copies_gone(&stored.link, &internal), ..Look::everything() },
            due_ms: self.now_ms(),
        });
        self.mark_all(marks.collect()).await
    }

    async fn list(&self, itop: &Itop, links: &[&Stored], side: Side) -> Result<Found, Failure> {
        let mut by_class: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
        for stored in links {
            if let Some((class, id, _)) = key(&stored.link, side) {
                by_class.entry(class).or_default().push(id);
            }
        }
        let mut found = Found::default();
        let ids: Vec<u64> = by_class.values().flatten().copied().collect();
        if ids.is_empty() {
            return Ok(found);
        }
        let answer = itop.client.get("Ticket", &Query::ids(&ids), &["id", "ref"]).await;
        let tickets = self.noted(itop, "Ticket", answer).map_err(|error| Failure::of(itop, &error))?;
        for object in tickets.objects {
            found.tickets.insert(object.id, object.text("ref").unwrap_or_default().to_owned());
        }
        for (class, ids) in by_class {
            let oql = format!(
                "SELECT Attachment WHERE item_class = {} AND item_id IN ({})",
                oql_quote(class),
                read::join(ids.iter())
            );
            let answer = itop.client.get("Attachment", &Query::oql(oql), &["id", "item_id"]).await;
            let files = self.noted(itop, "Attachment", answer).map_err(|error| Failure::of(itop, &error))?;
            for object in files.objects {
                found.files.entry(object.number("item_id").unwrap_or_default()).or_default().insert(object.id);
            }
        }
        Ok(found)
    }

    /// Whether something is gone that was not when the side last halted. Who resumed it nevertheless has
    /// accepted that: then each of these links halts for itself.
    async fn is_news(&self, itop: &Itop, gone: &BTreeSet<u64>) -> Result<bool, Failure> {
        let instance = itop.instance.clone();
        let accepted = self.store.call(move |store| store.cursor(&instance, GONE)).await?.unwrap_or_default();
        let accepted: HashSet<u64> = accepted.split(',').filter_map(|id| id.parse().ok()).collect();
        Ok(!gone.iter().all(|id| accepted.contains(id)))
    }

    /// Law 6: a side that suddenly shows little of what was linked is not believed.
    async fn halt_side(&self, itop: &Itop, gone: &BTreeSet<u64>, linked: usize) -> Result<(), Failure> {
        let reason = format!(
            "{} of {linked} linked tickets are gone or changed their reference at once: was this iTop restored, emptied or cloned?",
            gone.len()
        );
        tracing::error!(itop = %itop.name, reason, "halted: nothing is written until `resume`");
        let (instance, gone) = (itop.instance.clone(), read::join(gone.iter()));
        let halt = move |store: &mut dyn crate::store::Store| {
            store.set_cursor(&instance, GONE, &gone)?;
            store.set_stopped(&instance, Some(&reason))
        };
        Ok(self.store.call(halt).await?)
    }
}

/// A link that waits for an operator, or whose counterpart is still to be made, is looked at elsewhere.
fn is_audited(link: &Link) -> bool {
    link.halt.is_none() && link.internal.is_some()
}

fn key(link: &Link, side: Side) -> Option<(&str, u64, &str)> {
    let key = match side {
        Side::External => &link.external,
        Side::Internal => link.internal.as_ref()?,
    };
    Some((&key.class, key.id, &key.reference))
}

/// The linked tickets that are not there, or whose id carries another reference now.
fn gone(links: &[&Stored], found: &Found, side: Side) -> BTreeSet<u64> {
    links
        .iter()
        .filter_map(|stored| key(&stored.link, side))
        .filter(|(_, id, reference)| found.tickets.get(id).is_none_or(|there| there != reference))
        .map(|(_, id, _)| id)
        .collect()
}

fn differs(link: &Link, external: &Found, internal: &Found) -> bool {
    let same_ticket = |found: &Found, side| {
        key(link, side).is_some_and(|(_, id, reference)| found.tickets.get(&id).is_some_and(|there| there == reference))
    };
    if !same_ticket(external, Side::External) || !same_ticket(internal, Side::Internal) {
        return true;
    }
    let no_files = HashSet::new();
    let originals = external.files.get(&link.external.id).unwrap_or(&no_files);
    // What is missing already is no news: a look at it is due, or its copy stays for good.
    let copies = link.copies.iter().filter(|copy| copy.from == Side::External && copy.missing_since_ms.is_none());
    let known: HashSet<u64> = copies.map(|copy| copy.original).collect();
    *originals != known || !copies_gone(link, internal).is_empty()
}

/// The copies that somebody deleted inside without a word.
fn copies_gone(link: &Link, internal: &Found) -> BTreeSet<u64> {
    let there = link.internal.as_ref().and_then(|key| internal.files.get(&key.id));
    let copies = link.copies.iter().filter(|copy| copy.from == Side::External);
    let standing = copies.filter_map(|copy| match copy.state {
        CopyState::Stands(id) => Some(id),
        _ => None,
    });
    standing.filter(|id| there.is_none_or(|there| !there.contains(id))).collect()
}
