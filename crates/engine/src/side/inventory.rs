//! Lists of a side: the linked tickets with their files, and the side's latest change.

use std::collections::{BTreeMap, HashMap, HashSet};

use itop_bridge_core::mark::is_made_by_a_bridge;
use itop_bridge_core::{FileMark, Side, TicketKey};
use itop_bridge_store::{LinkState, Pair, Store};
use itop_client::{Object, Query, oql_quote};

use crate::Shared;
use crate::side::call::{self, highest_ticket};
use crate::side::dates::{earlier, in_iso};
use crate::side::failure::Failure;
use crate::side::itop::Itop;
use crate::side::read;

/// Links checked together.
pub(crate) const PAGE: usize = 200;

/// The attribute, and the name of the store's cursor for a sweep.
pub(crate) const LAST_UPDATE: &str = "last_update";

/// Links closed for longer than this are not audited.
const CLOSED_MS: i64 = 7 * 24 * 3_600_000;

/// A server time earlier than any ticket's.
const BEFORE_ALL: &str = "1970-01-01 00:00:00";

/// The tickets and files that the audit found on one side.
#[derive(Default)]
pub(crate) struct Found {
    /// Ticket id to reference.
    pub tickets: HashMap<u64, String>,
    /// Ticket id to its attachments.
    pub files: HashMap<u64, HashSet<u64>>,
    /// Those of the attachments that no bridge made.
    pub originals: HashMap<u64, HashSet<u64>>,
    /// The others, with their marks.
    pub marked: HashMap<u64, Vec<(u64, FileMark)>>,
}

/// A side's present position.
pub(crate) struct Changes {
    /// The highest ticket id.
    pub highest: u64,
    /// The latest `last_update`.
    pub latest: String,
    /// The tickets with a `last_update` within the overlap of a sweep that begins here.
    pub tickets: Vec<(u64, String)>,
}

/// Whether the audit looks at the pair: not while it waits for an operator, and not before it has a counterpart.
pub(crate) fn is_audited(pair: &Pair) -> bool {
    pair.state == LinkState::Live && !pair.halted && !pair.restored && pair.internal.is_some()
}

/// The next pairs of one external, or of all, without those closed long ago.
pub(crate) async fn page(shared: &Shared, external: Option<&str>, after: i64) -> Result<Vec<Pair>, Failure> {
    let (external, closed_after) = (external.map(str::to_owned), shared.now_ms() - CLOSED_MS);
    let pairs = move |store: &mut dyn Store| store.pairs(external.as_deref(), after, PAGE, Some(closed_after));
    Ok(shared.store.call(pairs).await?)
}

pub(crate) async fn list(shared: &Shared, itop: &Itop, pairs: &[&Pair], side: Side) -> Result<Found, Failure> {
    let mut found = Found { tickets: list_tickets(shared, itop, pairs, side).await?, ..Found::default() };
    let mut by_class: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for key in pairs.iter().filter_map(|pair| key(pair, side)) {
        by_class.entry(&key.class).or_default().push(key.id);
    }
    for (class, ids) in by_class {
        let oql = format!(
            "SELECT Attachment WHERE item_class = {} AND item_id IN ({})",
            oql_quote(class),
            read::join(ids.iter())
        );
        let files = call::get(shared, itop, "Attachment", &Query::oql(oql), &["id", "item_id", "temp_id"]).await?;
        for object in files.objects {
            let ticket = object.number("item_id").unwrap_or_default();
            found.files.entry(ticket).or_default().insert(object.id);
            let temp_id = object.text("temp_id").unwrap_or_default();
            if !is_made_by_a_bridge(temp_id) {
                found.originals.entry(ticket).or_default().insert(object.id);
            }
            let mark = FileMark::find(temp_id).map(|mark| (object.id, mark));
            found.marked.entry(ticket).or_default().extend(mark);
        }
    }
    Ok(found)
}

/// Ticket id to reference, for the tickets that are there.
pub(crate) async fn list_tickets(
    shared: &Shared,
    itop: &Itop,
    pairs: &[&Pair],
    side: Side,
) -> Result<HashMap<u64, String>, Failure> {
    let ids: Vec<u64> = pairs.iter().filter_map(|pair| Some(key(pair, side)?.id)).collect();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let tickets = call::get(shared, itop, "Ticket", &Query::ids(&ids), &["id", "ref"]).await?;
    let of = |object: &Object| (object.id, object.text("ref").unwrap_or_default().to_owned());
    Ok(tickets.objects.iter().map(of).collect())
}

/// iTop cannot be asked for the latest change, so this searches the changes since the newest ticket's own last
/// change.
pub(crate) async fn latest_changes(shared: &Shared, itop: &Itop) -> Result<Changes, Failure> {
    let highest = highest_ticket(shared, itop).await?;
    let mut newest = call::get(shared, itop, "Ticket", &Query::ids(&[highest]), &["last_update"]).await?;
    in_iso(shared, itop, &mut newest.objects).await;
    let newest = newest.objects.first().and_then(|object| object.text("last_update")).unwrap_or_default();
    if newest.is_empty() {
        // There is no ticket at all.
        return Ok(Changes { highest, latest: BEFORE_ALL.to_owned(), tickets: Vec::new() });
    }
    let from = earlier(newest, shared.timing.cursor_overlap_seconds);
    let query = Query::oql(format!("SELECT Ticket WHERE last_update >= {}", oql_quote(&from)));
    let mut found = call::get(shared, itop, "Ticket", &query, &["id", "last_update"]).await?;
    in_iso(shared, itop, &mut found.objects).await;
    let of = |object: &itop_client::Object| object.text("last_update").unwrap_or_default().to_owned();
    let tickets: Vec<(u64, String)> = found.objects.iter().map(|object| (object.id, of(object))).collect();
    let latest = tickets.iter().map(|(_, last_update)| last_update.as_str()).max().unwrap_or(newest).to_owned();
    Ok(Changes { highest, latest, tickets })
}

/// The ticket of a pair on this side.
pub(crate) fn key(pair: &Pair, side: Side) -> Option<&TicketKey> {
    match side {
        Side::External => Some(&pair.external),
        Side::Internal => pair.internal.as_ref(),
    }
}
