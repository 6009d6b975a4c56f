//! Pairs that an operator names, or that another program kept in step: both tickets are read as they are, and the link
//! takes their contents as delivered. Nothing is written to either iTop.

pub(crate) mod backfill;
pub(crate) mod rebuild;

use std::collections::{BTreeMap, HashMap};

use itop_bridge_core::event::{AdoptedBy, Event};
use itop_bridge_core::{Adopted, FileContent, Link, Side, Ticket, TicketMark, taken_over};
use itop_bridge_store::{Activity, StoreError};
use itop_client::{Object, Query, oql_quote};

use crate::adopt::rebuild::pairs::{Both, PairIds, documents_of, one, read_pairs};
use crate::scope::only::only;
use crate::scope::policies::policy_without_defaults;
use crate::side::call::{self, all_contents};
use crate::side::failure::Failure;
use crate::side::instants::dates_abroad;
use crate::side::itop::Itop;
use crate::side::read::{fingerprint, ticket_where};
use crate::{Engine, Lane, Shared};

/// Tickets read together.
const PAGE: usize = 200;

/// Two tickets that are to become a pair.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PairOf {
    /// The external's name, and its ticket's class and id.
    pub external: String,
    pub class: String,
    pub ticket: u64,
    /// The internal ticket's class and id.
    pub internal_class: String,
    pub internal: u64,
}

/// A pair ready to be stored.
#[derive(Debug, Clone)]
pub struct ReadyPair {
    pub external: String,
    pub link: Link,
    /// Differences that stay until the external value changes.
    pub conflicts: Vec<String>,
    /// Files that exist on both sides.
    pub files: usize,
    /// Files that exist on one side only, and stay there.
    pub alone: usize,
}

/// Why two tickets cannot become a pair.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CannotAdopt(pub String);

impl From<Failure> for CannotAdopt {
    fn from(failure: Failure) -> CannotAdopt {
        CannotAdopt(failure.text)
    }
}

impl From<StoreError> for CannotAdopt {
    fn from(error: StoreError) -> CannotAdopt {
        CannotAdopt(error.to_string())
    }
}

impl Engine {
    /// Finds an internal ticket by its reference: its id and class.
    pub async fn internal_ticket(&self, reference: &str) -> Result<Option<(u64, String)>, CannotAdopt> {
        let condition = format!("ref = {}", oql_quote(reference));
        Ok(ticket_where(&self.shared, &self.shared.internal, &condition).await?)
    }

    /// Finds a ticket by its id: its id and class. Without an external's name, on the internal side.
    pub async fn ticket_with_id(&self, external: Option<&str>, id: u64) -> Result<Option<(u64, String)>, CannotAdopt> {
        let itop = match external {
            Some(name) => &self.shared.lane(name)?.external,
            None => &self.shared.internal,
        };
        Ok(ticket_where(&self.shared, itop, &format!("id = {id}")).await?)
    }

    /// Whether `only` lets this ticket leave its external.
    pub async fn may_leave(&self, pair: &PairOf) -> Result<bool, CannotAdopt> {
        let lane = self.shared.lane(&pair.external)?;
        let Some(condition) = only(lane, &pair.class) else { return Ok(true) };
        let query = Query::oql(format!("SELECT {} WHERE id = {} AND {condition}", pair.class, pair.ticket));
        let found = call::get(&self.shared, &lane.external, &pair.class, &query, &["id"]).await?;
        Ok(!found.objects.is_empty())
    }

    /// Reads the tickets of these pairs, hundreds per call, and the files that exist on both sides. Returns for each,
    /// in order, the pair to store, or why there is none. The outer error: a side is down.
    ///
    /// `tell` gets the number of pairs done, and of all.
    pub async fn read_to_adopt(
        &self,
        pairs: &[PairOf],
        tell: crate::adopt::rebuild::Tell<'_>,
    ) -> Result<Vec<Result<ReadyPair, CannotAdopt>>, CannotAdopt> {
        let mut by_class: BTreeMap<(&str, &str), Vec<&PairOf>> = BTreeMap::new();
        for pair in pairs {
            by_class.entry((&pair.external, &pair.class)).or_default().push(pair);
        }
        let mut read = HashMap::new();
        for ((external, class), of_class) in by_class {
            let lane = self.shared.lane(external)?;
            for page in of_class.chunks(PAGE) {
                let ready = read_page(&self.shared, lane, class, page).await?;
                read.extend(page.iter().map(|pair| (*pair).clone()).zip(ready));
                tell(read.len(), pairs.len());
            }
        }
        let missing = || Err(CannotAdopt("it is named twice".to_owned()));
        Ok(pairs.iter().map(|pair| read.get(pair).cloned().unwrap_or_else(missing)).collect())
    }

    /// Stores a pair. With `over_ended`, it replaces a pair that was unlinked.
    pub async fn adopt(&self, pair: &ReadyPair, over_ended: bool, by: AdoptedBy) -> Result<i64, CannotAdopt> {
        let now = self.shared.now_ms();
        let did = Activity::of(now, Event::Adopted { by });
        let (name, link) = (pair.external.clone(), pair.link.clone());
        let adopt = self.shared.store.call(move |store| store.adopt_link(&name, &link, over_ended, &[did], now));
        Ok(adopt.await?)
    }
}

async fn read_page(
    shared: &Shared,
    lane: &Lane,
    class: &str,
    page: &[&PairOf],
) -> Result<Vec<Result<ReadyPair, CannotAdopt>>, Failure> {
    if !lane.settings.sync.classes.contains_key(class) {
        let why = format!("{class} is no class that is bridged for {}", lane.name);
        return Ok(page.iter().map(|_| Err(CannotAdopt(why.clone()))).collect());
    }
    let policy = policy_without_defaults(shared, lane, class)?;
    let fits = |pair: &PairOf| pair.internal_class == policy.internal_class;
    let ids = page.iter().filter(|pair| fits(pair));
    let ids: Vec<PairIds> = ids.map(|pair| PairIds { external: pair.ticket, internal: pair.internal }).collect();
    let mut both = read_pairs(shared, lane, class, &policy, &ids).await?;
    let mut ready = Vec::new();
    for pair in page {
        ready.push(if !fits(pair) {
            Err(CannotAdopt(format!(
                "the counterpart of {class} of {} is {}, and ticket {} of {} is {}",
                lane.name, policy.internal_class, pair.internal, shared.internal.name, pair.internal_class
            )))
        } else {
            ready_pair(shared, lane, &policy, &mut both, pair).await?
        });
    }
    Ok(ready)
}

async fn ready_pair(
    shared: &Shared,
    lane: &Lane,
    policy: &itop_bridge_core::Policy,
    both: &mut Both,
    pair: &PairOf,
) -> Result<Result<ReadyPair, CannotAdopt>, Failure> {
    if is_a_copy(both, pair.ticket) {
        let why = format!("ticket {} of {} is a bridge's copy itself, and never copied on", pair.ticket, lane.name);
        return Ok(Err(CannotAdopt(why)));
    }
    let external = one(&mut both.external, pair.ticket, &lane.external)?;
    let internal = one(&mut both.internal, pair.internal, &shared.internal)?;
    let (mut external, mut internal) = match (external, internal) {
        (Ok(external), Ok(internal)) => (external, internal),
        (Err(why), _) | (_, Err(why)) => return Ok(Err(CannotAdopt(why))),
    };
    dates_abroad(shared, lane, policy, Side::External, &mut external);
    dates_abroad(shared, lane, policy, Side::Internal, &mut internal);
    if has_originals(&external) && has_originals(&internal) {
        read_originals(shared, lane, &lane.external, &mut external).await?;
        read_originals(shared, lane, &shared.internal, &mut internal).await?;
    }
    let documents = documents_of(&external, &internal, &both.texts);
    let Adopted { link, .. } = taken_over(policy, &external, &internal, documents);
    let conflicts = link.open.conflicts.iter().map(ToString::to_string).collect();
    let files = link.files.copies.iter().filter(|copy| copy.state.standing().is_some()).count();
    let alone = link.files.copies.len() - files;
    Ok(Ok(ReadyPair { external: lane.name.clone(), link, conflicts, files, alone }))
}

/// Reads the contents of files that no bridge made. A file too large to be read stays unknown.
async fn read_originals(shared: &Shared, lane: &Lane, itop: &Itop, ticket: &mut Ticket) -> Result<(), Failure> {
    let originals = ticket.files.iter().flatten().filter(|file| file.is_original());
    let ids: Vec<u64> = originals.map(|file| file.id).collect();
    let read = all_contents(shared, itop, &ids, lane.settings.sync.max_attachment_bytes).await?;
    let print = |object: &Object| Some((object.id, fingerprint(object.contents("contents")?)));
    let contents: HashMap<u64, FileContent> = read.iter().filter_map(print).collect();
    for file in ticket.files.iter_mut().flatten() {
        file.content = contents.get(&file.id).cloned();
    }
    Ok(())
}

/// Whether the ticket has people's files: only these are compared.
fn has_originals(ticket: &Ticket) -> bool {
    ticket.files.iter().flatten().any(|file| file.is_original())
}

/// Whether the ticket's log begins with a mark of this or any other bridge.
fn is_a_copy(both: &Both, external: u64) -> bool {
    let Some(Ok(Some(read))) = both.external.get(&external) else { return false };
    read.first_entry.as_deref().is_some_and(|entry| TicketMark::find(entry).is_some())
}
