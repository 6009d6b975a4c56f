//! Finds and adopts the internal ticket that a create made, also one whose answer was lost.

use std::collections::BTreeSet;

use itop_bridge_core::event::{Event, Written};
use itop_bridge_core::link::Creation;
use itop_bridge_core::{LogName, Side, Ticket};
use itop_bridge_text::log_entries::entries;
use itop_client::{Effect, Object, Query, oql_quote};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::pass::given_again::is_still_of;
use crate::pass::work::Work;
use crate::side::dates::in_iso;
use crate::side::escaping::texts_as_stored;
use crate::side::failure::Failure;
use crate::side::{call, read};

/// Makes the ticket of an answered create the counterpart, or the ticket of an earlier create that was not answered.
pub(crate) async fn created(work: &mut Work<'_>, object: &Object, sent_ms: i64) -> Result<Ticket, Failure> {
    // An earlier create may have taken effect after all: of two tickets the lower is the counterpart.
    if let Some(creation) = work.link.in_flight.creation.clone()
        && creation.tries > 1
        && let Some(first) = find_marked(work, &creation).await?.into_iter().next()
        && first.id != object.id
    {
        return adopt(work, first).await;
    }
    let mut ticket = ticket_of(work, object, sent_ms).await?;
    // A reused id has the files that arrived late for the ticket which had it before.
    ticket.files = work.link.course.anew_from_ms.is_none().then(Vec::new);
    let (internal, external) = (&work.shared.internal.name, &work.lane.name);
    let of = format!("{external}:{}", work.link.external.reference);
    work.wrote(Written::Counterpart, &format!("{internal}:{} is the copy of {of}", ticket.reference));
    adopt(work, ticket).await
}

/// Makes the internal ticket the counterpart: the ancestor is what was sent and what iTop answered.
pub(crate) async fn adopt(work: &mut Work<'_>, ticket: Ticket) -> Result<Ticket, Failure> {
    work.shared.internal.met_ticket(ticket.id);
    work.link.course.before_anew = None;
    work.link.ancestor.internal.made = work.made(Side::Internal, &ticket);
    let creation = work.link.in_flight.creation.take();
    let sent = creation.iter().flat_map(|creation| &creation.fields);
    work.link.gets_counterpart(&work.policy, &ticket, sent);
    // After a second create both may take effect: others are looked for until that has settled.
    work.link.in_flight.creation = creation.filter(|creation| creation.tries > 1);
    work.save().await?;
    Ok(ticket)
}

/// Reports other tickets with this pair's mark, once nothing sent for it can take effect any more.
pub(crate) async fn report_twins(work: &mut Work<'_>, creation: &Creation) -> Result<(), Failure> {
    if work.shared.now_ms() < creation.until_ms {
        return Ok(());
    }
    let linked = work.link.internal.as_ref().map_or_else(String::new, |key| key.reference.clone());
    for twin in find_marked(work, creation).await? {
        tracing::error!(ticket = %work.name(), kept = linked, twin = twin.reference, "two creates landed: two internal tickets carry the mark; close the one that is not linked");
        work.did(Event::CreatedTwice { linked: linked.clone(), other: twin.reference });
    }
    work.link.in_flight.creation = None;
    work.save().await
}

async fn ticket_of(work: &Work<'_>, object: &Object, read_at_ms: i64) -> Result<Ticket, Failure> {
    let text = |code: &str| object.text(code).unwrap_or_default().to_owned();
    let internal = &work.shared.internal;
    let asked = counterpart_attributes(work);
    let attributes = texts_as_stored(work.shared, internal, object, &asked).await;
    let logs = LogName::ALL.into_iter().filter(|log| asked.contains(log.attribute()));
    Ok(Ticket {
        class: object.class.clone(),
        id: object.id,
        reference: text("ref"),
        status: text("status"),
        attributes: attributes.map_err(|error| Failure::of(internal, &error))?,
        abroad: internal.unread_dates(object, &asked),
        files: None,
        logs: logs.filter_map(|log| Some((log, entries(object.log(log.attribute())?)))).collect(),
        parents: crate::side::read::named_by(object, &asked),
        family: None,
        read_at_ms,
    })
}

/// Ends a failed create. If iTop itself answered, the call is over: a ticket that it made is there now.
pub(crate) async fn create_failed(work: &mut Work<'_>, error: &itop_client::Error) -> Result<Option<Ticket>, Failure> {
    if error.effect == (Effect::Unknown { answered: false }) {
        return Err(Failure::of(&work.shared.internal, error));
    }
    let found = found_after(work, error).await?;
    if found.is_some() {
        return Ok(found);
    }
    forget_creation(work).await?;
    Err(Failure::of(&work.shared.internal, error))
}

/// Finds the ticket of a create that iTop answered with an error: the call is over, so it is there now.
pub(crate) async fn found_after(work: &mut Work<'_>, error: &itop_client::Error) -> Result<Option<Ticket>, Failure> {
    match work.link.in_flight.creation.clone() {
        Some(creation) if error.effect == (Effect::Unknown { answered: true }) => find_created(work, &creation).await,
        _ => Ok(None),
    }
}

async fn forget_creation(work: &mut Work<'_>) -> Result<(), Failure> {
    work.link.in_flight.creation = None;
    if work.link.course.anew_from_ms.is_some() {
        // Only this link knows which files an earlier counterpart left on the external ticket.
        return work.save().await;
    }
    let lease = work.claim.lease.clone();
    if let Some(id) = work.link_id.take() {
        work.shared.store.call(move |store| store.drop_link_without_counterpart(&lease, id)).await?;
    }
    Ok(())
}

/// The ticket that an unanswered create made, if it is there by now.
pub(crate) async fn find_created(work: &mut Work<'_>, creation: &Creation) -> Result<Option<Ticket>, Failure> {
    match find_marked(work, creation).await?.into_iter().next() {
        Some(ticket) => {
            work.wrote(Written::CounterpartFound, &format!("{} carries the mark", ticket.reference));
            adopt(work, ticket).await.map(Some)
        }
        None => Ok(None),
    }
}

/// The internal tickets with this pair's mark in their log's first entry that are no pair's counterpart, the lowest
/// first.
async fn find_marked(work: &mut Work<'_>, creation: &Creation) -> Result<Vec<Ticket>, Failure> {
    let mark = work.mark();
    let class = work.policy.internal_class.clone();
    let oql = format!(
        "SELECT {class} WHERE (id > {} OR last_update >= {}) AND private_log LIKE {}",
        creation.highest_before,
        oql_quote(&anywhere_after(creation.since_ms)),
        oql_quote(&format!("%{}]%", mark.token()))
    );
    let mut attributes = counterpart_attributes(work);
    attributes.insert("private_log".to_owned());
    let internal = &work.shared.internal;
    let asked_ms = work.shared.now_ms();
    let answer = work.reading(call::get_known(work.shared, internal, &class, &Query::oql(oql), &attributes)).await?;
    let mut found = answer.map_err(|error| Failure::of(internal, &error))?;
    in_iso(work.shared, internal, &mut found.objects).await;
    let carries = |object: &&Object| read::first_mark(object).as_ref() == Some(&mark);
    let mut marked: Vec<&Object> = found.objects.iter().filter(carries).collect();
    marked.sort_by_key(|object| object.id);
    let mut tickets = Vec::new();
    for object in marked {
        let id = object.id;
        let other = work.shared.store.call(move |store| store.link_of_internal(id)).await?;
        let ticket = ticket_of(work, object, asked_ms).await?;
        // After a restore an id proves nothing: another pair may have had it, for another ticket.
        if !other.is_some_and(|other| is_still_of(&work.policy, &other.link, &ticket)) {
            tickets.push(ticket);
        }
    }
    Ok(tickets)
}

/// A server time that, in whatever zone, is no later than this moment.
fn anywhere_after(ms: i64) -> String {
    let moment = Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH);
    let local = TimeZone::UTC.to_datetime(moment);
    local.checked_sub(FARTHEST_WEST).unwrap_or(local).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// Twelve hours, plus one for a slow clock.
const FARTHEST_WEST: SignedDuration = SignedDuration::from_hours(13);

pub(crate) fn counterpart_attributes(work: &Work<'_>) -> BTreeSet<String> {
    let mut attributes = read::internal_attributes(&work.policy);
    attributes.extend(["id", "ref", "status", "last_update"].map(str::to_owned));
    attributes
}
