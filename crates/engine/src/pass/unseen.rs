//! Tickets without a pair that were announced, or had failed before, and were not there when their pass read them. They
//! were deleted, or the account may not see them for a while. An account that may see a ticket again changes nothing
//! in it, so no sweep finds it: each audit asks for these tickets, in one call, for a week.

use std::collections::BTreeMap;

use itop_bridge_core::Sight;
use itop_bridge_store::{About, Claim, DirtyMark, Instance, Look, Result, Store, TicketOf};
use itop_client::Query;

use crate::side::failure::Failure;
use crate::side::sights::Sights;
use crate::{Lane, Shared};

/// The store's name for them.
const CURSOR: &str = "unseen";

/// One that is not there for so long is taken for deleted.
const FORGOTTEN_MS: i64 = 7 * 24 * 3_600_000;

/// The most that are asked for; of more, the latest.
const MOST: usize = 500;

/// Ticket to the time since when it is not there.
type Unseen = BTreeMap<u64, i64>;

impl Shared {
    /// To be called of a ticket without a pair, of which nothing was read.
    pub(crate) async fn note_unseen(&self, claim: &Claim) -> std::result::Result<(), Failure> {
        // A hint of any other ticket that does not fit `only` would be asked for in vain.
        let is_wanted = claim.look.created || claim.error.is_some();
        if !is_wanted {
            return Ok(());
        }
        let (of, now_ms) = (claim.lease.of.clone(), self.now_ms());
        let note = move |store: &mut dyn Store| {
            let instance = Instance::External(of.external);
            let mut unseen = kept(store, &instance)?;
            unseen.entry(of.ticket).or_insert(now_ms);
            while unseen.len() > MOST {
                unseen.pop_first();
            }
            keep(store, &instance, &unseen)
        };
        Ok(self.store.call(note).await?)
    }

    /// The same, where the ticket was read.
    pub(crate) async fn note_if_unseen(&self, claim: &Claim, sights: &Sights) -> std::result::Result<(), Failure> {
        match sights.external {
            Sight::Here(_) => Ok(()),
            Sight::Gone | Sight::Unborn => self.note_unseen(claim).await,
        }
    }

    /// Marks those that are there now. Whether one fits `only` is its pass's to say, and is not asked again.
    pub(crate) async fn look_for_unseen(&self, lane: &Lane) -> std::result::Result<usize, Failure> {
        let instance = lane.external.instance.clone();
        let unseen = self.store.call(move |store| kept(store, &instance)).await?;
        if unseen.is_empty() {
            return Ok(0);
        }
        let ids: Vec<u64> = unseen.keys().copied().collect();
        let found = self.get(&lane.external, "Ticket", &Query::ids(&ids), &["id", "finalclass"]).await?;
        let mark = |object: &itop_client::Object| DirtyMark {
            about: About::External {
                of: TicketOf { external: lane.name.clone(), ticket: object.id },
                class: object.text("finalclass").map(str::to_owned),
            },
            look: Look::everything(),
            due_ms: self.now_ms(),
        };
        let there: Vec<u64> = found.objects.iter().map(|object| object.id).collect();
        let marked = self.mark_all(found.objects.iter().map(mark).collect()).await?;
        let (instance, before_ms) = (lane.external.instance.clone(), self.now_ms() - FORGOTTEN_MS);
        let forget = move |store: &mut dyn Store| {
            let mut unseen = kept(store, &instance)?;
            let known = unseen.len();
            unseen.retain(|ticket, since_ms| !there.contains(ticket) && *since_ms > before_ms);
            if unseen.len() == known { Ok(()) } else { keep(store, &instance, &unseen) }
        };
        self.store.call(forget).await?;
        Ok(marked)
    }
}

fn kept(store: &mut dyn Store, instance: &Instance) -> Result<Unseen> {
    // What another version wrote otherwise is found by the next hint.
    Ok(store.cursor(instance, CURSOR)?.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
}

fn keep(store: &mut dyn Store, instance: &Instance, unseen: &Unseen) -> Result<()> {
    match unseen.is_empty() {
        true => store.drop_cursor(instance, CURSOR),
        false => store.set_cursor(instance, CURSOR, &serde_json::to_string(unseen).unwrap_or_default()),
    }
}
