//! Reads the dirty tickets of one side and class together, with chosen attributes, and lists their attachments without
//! contents.

use std::collections::{BTreeSet, HashMap};

use itop_bridge_core::document::report_attributes;
use itop_bridge_core::parents::{PARENT_ATTRIBUTES, ParentKey, parent_attributes};
use itop_bridge_core::policy::{ParentEntries, Policy, StatusToExternal};
use itop_bridge_core::text::hex;
use itop_bridge_core::ticket::is_external_key;
use itop_bridge_core::{File, FileContent, LogName, MadeBy, Side, Ticket, TicketMark};
use itop_bridge_text::log_entries::entries;
use itop_client::{Contents, Error, ErrorClass, Object, Query};
use sha2::{Digest, Sha256};

use crate::side::call::{self, ReadContents};
use crate::side::escaping::texts_as_stored;
use crate::side::failure::Failure;
use crate::side::instants::tickets_in_iso;
use crate::side::itop::Itop;
use crate::{Lane, Shared};

/// A ticket as it was read, with the first entry that only a ticket without a link needs.
#[derive(Debug, Clone)]
pub struct Read {
    pub ticket: Ticket,
    /// The first entry of the private log, if requested.
    pub first_entry: Option<String>,
}

/// By ticket id; `None` for a ticket that is not there.
pub type Reads = HashMap<u64, Result<Option<Read>, Error>>;

/// A ticket that shows an earlier `last_update` than an earlier read did: its iTop may have been restored.
#[derive(Debug)]
pub(crate) struct WentBack {
    pub ticket: u64,
    pub reference: String,
    pub before: String,
    pub now: String,
}

/// Which tickets and attributes to read.
#[derive(Debug, Clone)]
pub struct Wanted<'a> {
    pub class: &'a str,
    pub attributes: BTreeSet<String>,
    /// An OQL condition that the tickets must fit.
    pub condition: Option<String>,
}

const ALWAYS: [&str; 4] = ["id", "ref", "status", "last_update"];

/// A pass needs of an external ticket: the bridged fields, and the values that a stimulus may carry over.
pub fn external_attributes(policy: &Policy, class: &str) -> BTreeSet<String> {
    let asked = policy.internal_lifecycle.iter().flat_map(|lifecycle| lifecycle.asked_anywhere());
    let told = asked.filter(|code| !is_external_key(code)).map(str::to_owned);
    // Its organisation, for its attachments; and, if the bridge drives it, its own persons and teams.
    let driven = policy.external_lifecycle.iter().filter(|_| policy.status_to_external == StatusToExternal::Apply);
    let own = driven.flat_map(|lifecycle| lifecycle.asked_anywhere()).map(str::to_owned).chain(["org_id".to_owned()]);
    policy
        .fields
        .iter()
        .cloned()
        .chain(mandatory())
        .chain(told)
        .chain(own)
        .chain(logs(policy, Side::External))
        .chain(made(policy, Side::External))
        .chain(parents(policy, Side::External, class))
        .collect()
}

fn logs(policy: &Policy, side: Side) -> impl Iterator<Item = String> {
    policy.logs.iter().filter(move |(from, _)| *from == side).map(|(_, log)| log.attribute().to_owned())
}

/// A pass needs of an internal ticket: the bridged fields, its own persons and teams, and its organisation, for its
/// attachments.
pub fn internal_attributes(policy: &Policy) -> BTreeSet<String> {
    let asked = policy.internal_lifecycle.iter().flat_map(|lifecycle| lifecycle.asked_anywhere());
    let own = asked.map(str::to_owned).chain(["org_id".to_owned()]);
    let reports = policy.status_to_external == StatusToExternal::Report;
    let reported = policy.internal_lifecycle.iter().filter(|_| reports).flat_map(report_attributes);
    let reported = reported.map(str::to_owned);
    let told = policy.fields.iter().cloned().chain(mandatory()).chain(own);
    let told = told.chain(reported).chain(logs(policy, Side::Internal)).chain(made(policy, Side::Internal));
    told.chain(parents(policy, Side::Internal, &policy.internal_class)).collect()
}

/// The attributes that name the tickets from which iTop copies entries into this one's logs.
fn parents<'a>(policy: &'a Policy, side: Side, class: &'a str) -> impl Iterator<Item = String> + 'a {
    let asks = policy.parent_entries == ParentEntries::Keep && logs(policy, side).next().is_some();
    let attributes = if asks { parent_attributes(class) } else { &[] };
    attributes.iter().map(|(code, _)| (*code).to_owned())
}

/// The attribute that distinguishes a ticket from another with the same id and reference.
fn made(policy: &Policy, side: Side) -> Option<String> {
    Some(policy.lifecycle(side)?.made_attribute()?.to_owned())
}

fn mandatory() -> [String; 2] {
    ["title".to_owned(), "description".to_owned()]
}

/// Reads tickets of one class together. A failed batch is halved down to the one ticket whose data iTop cannot
/// answer, so that it does not stop the others.
pub(crate) async fn read_tickets(
    shared: &Shared,
    itop: &Itop,
    wanted: &Wanted<'_>,
    ids: &[u64],
) -> (Reads, Vec<WentBack>) {
    if ids.is_empty() {
        return (Reads::new(), Vec::new());
    }
    let mut attributes = wanted.attributes.clone();
    attributes.extend(ALWAYS.map(str::to_owned));
    // Taken before the call, which may take long: the data is at least as old as the question.
    let now = shared.now_ms();
    let is_divided = |error: &Error| ids.len() > 1 && may_be_of_one(error) && itop.breaker().down().is_none();
    let query = query(wanted, ids);
    match call::get_batch(shared, itop, wanted.class, &query, &attributes, is_divided).await {
        Ok(mut found) => {
            tickets_in_iso(shared, itop, &mut found).await;
            let mut reads: Reads = ids.iter().map(|id| (*id, Ok(None))).collect();
            let mut went_back = Vec::new();
            for object in &found.objects {
                went_back.extend(saw(shared, itop, object, now));
                let read = ticket(shared, itop, object, &attributes, now).await;
                reads.insert(object.id, read.map(Some));
            }
            let settle_ms = shared.timing.seen_settle_ms + itop.unseen_for_ms();
            for id in reads.iter().filter_map(|(id, read)| matches!(read, Ok(None)).then_some(*id)) {
                itop.seen().does_not_fit(id, now, settle_ms);
            }
            (reads, went_back)
        }
        Err(error) if is_divided(&error) => {
            let (left, right) = ids.split_at(ids.len() / 2);
            let (mut reads, mut went_back) = Box::pin(read_tickets(shared, itop, wanted, left)).await;
            let (others, more) = Box::pin(read_tickets(shared, itop, wanted, right)).await;
            reads.extend(others);
            went_back.extend(more);
            (reads, went_back)
        }
        Err(error) => (ids.iter().map(|id| (*id, Err(error.clone()))).collect(), Vec::new()),
    }
}

fn saw(shared: &Shared, itop: &Itop, object: &Object, now_ms: i64) -> Option<WentBack> {
    let text = |code: &str| object.text(code).unwrap_or_default().to_owned();
    let (reference, now) = (text("ref"), text("last_update"));
    let (settle_ms, overlap) =
        (shared.timing.seen_settle_ms + itop.unseen_for_ms(), shared.timing.cursor_overlap_seconds);
    let before = itop.seen().saw(object.id, &now, now_ms, settle_ms, overlap)?;
    Some(WentBack { ticket: object.id, reference, before, now })
}

async fn ticket(
    shared: &Shared,
    itop: &Itop,
    object: &Object,
    attributes: &BTreeSet<String>,
    now_ms: i64,
) -> Result<Read, Error> {
    let text = |code: &str| object.text(code).unwrap_or_default().to_owned();
    itop.met_ticket(object.id);
    let logs = LogName::ALL.into_iter().filter(|log| attributes.contains(log.attribute()));
    let logs = logs.filter_map(|log| Some((log, entries(object.log(log.attribute())?))));
    Ok(Read {
        first_entry: first_entry(object),
        ticket: Ticket {
            class: object.class.clone(),
            id: object.id,
            reference: text("ref"),
            status: text("status"),
            attributes: texts_as_stored(shared, itop, object, attributes).await?,
            abroad: itop.unread_dates(object, attributes),
            files: None,
            logs: logs.collect(),
            parents: named_by(object, attributes),
            family: None,
            read_at_ms: now_ms,
        },
    })
}

/// Lists the attachments of tickets of one class, without contents, each with its mark if it is this pair's own.
pub(crate) async fn list_files(
    shared: &Shared,
    itop: &Itop,
    class: &str,
    marks: &HashMap<u64, TicketMark>,
) -> Result<HashMap<u64, Vec<File>>, Error> {
    let mut files: HashMap<u64, Vec<File>> = marks.keys().map(|id| (*id, Vec::new())).collect();
    if marks.is_empty() {
        return Ok(files);
    }
    let ids: BTreeSet<u64> = marks.keys().copied().collect();
    let oql = format!(
        "SELECT Attachment WHERE item_class = {} AND item_id IN ({})",
        itop_client::oql_quote(class),
        join(ids.iter())
    );
    let found = call::asked(shared, itop, "Attachment", &Query::oql(oql), &["id", "item_id", "temp_id"]).await?;
    for object in &found.objects {
        let Some(of) = object.number("item_id") else { continue };
        let (Some(mark), Some(list)) = (marks.get(&of), files.get_mut(&of)) else { continue };
        let made_by = MadeBy::of(object.text("temp_id").unwrap_or_default(), mark);
        list.push(File { id: object.id, made_by, content: None, announced: false });
    }
    for list in files.values_mut() {
        list.sort_by_key(|file| file.id);
    }
    Ok(files)
}

/// The id and class of a ticket of any class.
pub(crate) async fn ticket_where(
    shared: &Shared,
    itop: &Itop,
    condition: &str,
) -> Result<Option<(u64, String)>, Failure> {
    let query = Query::oql(format!("SELECT Ticket WHERE {condition}"));
    let found = call::get(shared, itop, "Ticket", &query, &["id", "finalclass"]).await?;
    let class = |object: &Object| object.text("finalclass").unwrap_or(&object.class).to_owned();
    Ok(found.objects.first().map(|object| (object.id, class(object))))
}

/// The parents that these attributes of a ticket name.
pub(crate) fn named_by(object: &Object, attributes: &BTreeSet<String>) -> Vec<ParentKey> {
    let asked = PARENT_ATTRIBUTES.iter().filter(|(code, _)| attributes.contains(*code));
    let key = |(code, class): &(&str, &str)| {
        let id = object.number(code).filter(|id| *id > 0)?;
        Some(ParentKey { class: (*class).to_owned(), id })
    };
    asked.filter_map(key).collect()
}

/// Whether one ticket of a batch may be to blame: iTop refused the read, broke over it, or there was too much to read
/// at once. An unreachable side, or one under maintenance, has no such ticket.
fn may_be_of_one(error: &Error) -> bool {
    const UNAVAILABLE: u16 = 503;
    match error.class {
        ErrorClass::Refused | ErrorClass::TooLarge | ErrorClass::WrongAddress { .. } => true,
        ErrorClass::Transient => error.http_status.is_some_and(|status| status != UNAVAILABLE),
        _ => false,
    }
}

/// The first entry of the private log, if requested.
pub fn first_entry(object: &Object) -> Option<String> {
    Some(object.log("private_log")?.into_iter().next()?.message)
}

/// The mark in that entry.
pub fn first_mark(object: &Object) -> Option<TicketMark> {
    TicketMark::find(&first_entry(object)?)
}

impl ReadContents {
    pub fn fingerprint(&self) -> FileContent {
        fingerprint(&self.contents)
    }
}

/// Identifies these contents. The data is hashed as base64, without decoding: iTop always writes the one canonical
/// form.
pub fn fingerprint(contents: &Contents) -> FileContent {
    let hash = Sha256::digest(contents.data.as_str().as_bytes());
    FileContent { hash: hex(&hash[..16]), name: contents.filename.clone(), mimetype: contents.mimetype.clone() }
}

fn query(wanted: &Wanted<'_>, ids: &[u64]) -> Query {
    match &wanted.condition {
        None => Query::ids(ids),
        Some(condition) => {
            let class = wanted.class;
            Query::oql(format!("SELECT {class} WHERE id IN ({}) AND ({condition})", join(ids.iter())))
        }
    }
}

pub fn join<'a>(ids: impl Iterator<Item = &'a u64>) -> String {
    ids.map(u64::to_string).collect::<Vec<_>>().join(",")
}

/// The marks of pairs, by the id of the ticket on the given side.
pub fn marks_of<'a>(
    lane: &Lane,
    server: &str,
    links: impl Iterator<Item = &'a itop_bridge_core::Link>,
    side: Side,
) -> HashMap<u64, TicketMark> {
    links
        .filter_map(|link| {
            let key = link.key(side)?;
            Some((key.id, lane.mark(server, &link.external.class, link.external.id)))
        })
        .collect()
}
