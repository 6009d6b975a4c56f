//! The changes of links in SQL. A link is stored whole as JSON; the columns beside it serve to find it.

use itop_bridge_core::Link;
use itop_bridge_core::event::Event;
use rusqlite::{Connection, named_params, params};

use super::link_rows::{by_external, by_id, by_internal, state_word};
use super::queue;
use super::values::{bounded, column, to_json};
use crate::{About, Activity, DirtyMark, Lease, LinkState, Look, Result, StoreError, Stored, TicketOf};

pub(super) fn insert(db: &Connection, lease: &Lease, link: &Link, did: &[Activity]) -> Result<i64> {
    let taken_ms = held_since(db, lease)?;
    if let Some(other) = by_external(db, &lease.of)? {
        return Err(already_linked(&link.external.reference, &other));
    }
    refuse_other_pair(db, link, None)?;
    let id = insert_row(db, &lease.of, link, closed_since(link, LinkState::Live, None, did, taken_ms))?;
    log(db, id, did)?;
    Ok(id)
}

fn insert_row(db: &Connection, of: &TicketOf, link: &Link, closed_since_ms: Option<i64>) -> Result<i64> {
    let sql = "INSERT INTO links (external, external_class, external_id, external_ref, \
               internal_class, internal_id, internal_ref, state, closed_since_ms, halt, conflicts, body) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'live', ?8, ?9, ?10, ?11)";
    let internal = link.internal.as_ref();
    db.prepare_cached(sql)?.execute(params![
        of.external,
        link.external.class,
        column(of.ticket),
        link.external.reference,
        internal.map(|key| &key.class),
        internal.map(|key| column(key.id)),
        internal.map(|key| &key.reference),
        closed_since_ms,
        link.why_halted(),
        conflicts_of_now(link),
        to_json(link)?,
    ])?;
    Ok(db.last_insert_rowid())
}

/// Stores a pair that already exists. Only an ended link gives way, and only if `over_ended` is set.
pub(super) fn adopt(
    db: &Connection,
    external: &str,
    link: &Link,
    over_ended: bool,
    did: &[Activity],
    now_ms: i64,
) -> Result<i64> {
    let of = TicketOf { external: external.to_owned(), ticket: link.external.id };
    let gives_way = |other: &Stored| over_ended && other.state == LinkState::Ended;
    let own = by_external(db, &of)?;
    if let Some(other) = own.as_ref().filter(|own| !gives_way(own)) {
        return Err(already_linked(&link.external.reference, other));
    }
    let other = link.internal.as_ref().map(|key| by_internal(db, key.id)).transpose()?.flatten();
    if let Some(mut other) = other.filter(|other| own.as_ref().is_none_or(|own| own.id != other.id)) {
        let Some(internal) = link.internal.as_ref().filter(|_| gives_way(&other)) else {
            return Err(already_linked(link.internal.as_ref().map_or("", |key| &key.reference), &other));
        };
        other.link.internal = None;
        replace(db, &other)?;
        let to = format!("{}:{}", of.external, link.external.reference);
        let given = Event::CounterpartGiven { counterpart: internal.reference.clone(), to };
        log(db, other.id, &[Activity::of(now_ms, given)])?;
    }
    let closed_since_ms = closed_since(link, LinkState::Live, None, did, now_ms);
    let id = match own {
        Some(own) => {
            replace(db, &Stored { link: link.clone(), state: LinkState::Live, closed_since_ms, ..own.clone() })?;
            own.id
        }
        None => insert_row(db, &of, link, closed_since_ms)?,
    };
    log(db, id, did)?;
    have_a_fresh_look(db, of, now_ms)?;
    Ok(id)
}

/// A worker that has the ticket read the link as it was before, and would put that back; so it loses its lease.
fn have_a_fresh_look(db: &Connection, of: TicketOf, now_ms: i64) -> Result<()> {
    queue::revoke(db, &of)?;
    let about = About::External { of, class: None };
    let mark = DirtyMark { about, look: Look::everything(), due_ms: now_ms };
    queue::mark_dirty(db, &mark, now_ms).map(|_| ())
}

pub(super) fn save(db: &Connection, lease: &Lease, id: i64, link: &Link, did: &[Activity]) -> Result<()> {
    let taken_ms = held_since(db, lease)?;
    let old = of_lease(db, lease, id)?;
    let closed_since_ms = closed_since(link, old.state, old.closed_since_ms, did, taken_ms);
    replace(db, &Stored { link: link.clone(), closed_since_ms, ..old })?;
    log(db, id, did)
}

pub(super) fn drop_without_counterpart(db: &Connection, lease: &Lease, id: i64) -> Result<()> {
    queue::held(db, lease)?;
    if of_lease(db, lease, id)?.link.internal.is_some() {
        return Err(StoreError::NoLink(id));
    }
    db.execute("DELETE FROM links WHERE id = ?1", [id])?;
    db.execute("DELETE FROM activity WHERE link = ?1", [id])?;
    Ok(())
}

/// Applies an operator's change.
pub(super) fn amend(
    db: &Connection,
    id: i64,
    amend: &dyn Fn(&mut Link, &mut LinkState),
    did: &Activity,
    now_ms: i64,
) -> Result<()> {
    let mut stored = by_id(db, id)?.ok_or(StoreError::NoLink(id))?;
    let of = of(&stored);
    let before = stored.state;
    amend(&mut stored.link, &mut stored.state);
    let did = std::slice::from_ref(did);
    // A closed pair that ends has ended from now on.
    let stands = stored.closed_since_ms.filter(|_| stored.state == before);
    stored.closed_since_ms = closed_since(&stored.link, stored.state, stands, did, now_ms);
    replace(db, &stored)?;
    log(db, id, did)?;
    match stored.state {
        LinkState::Ended => queue::remove(db, &of),
        LinkState::Live => have_a_fresh_look(db, of, now_ms),
    }
}

/// When the pass that holds this lease began.
fn held_since(db: &Connection, lease: &Lease) -> Result<i64> {
    let row = queue::held(db, lease)?;
    Ok(row.held.ok_or(StoreError::LeaseLost)?.taken_ms)
}

/// The link that a lease gives the right to change.
fn of_lease(db: &Connection, lease: &Lease, id: i64) -> Result<Stored> {
    by_external(db, &lease.of)?.filter(|stored| stored.id == id).ok_or(StoreError::NoLink(id))
}

fn of(stored: &Stored) -> TicketOf {
    TicketOf { external: stored.external_name.clone(), ticket: stored.link.external.id }
}

/// Since when both sides have been closed, or the pair has ended: the time already stored, else that of the last
/// activity, else `now_ms`.
fn closed_since(link: &Link, state: LinkState, stands: Option<i64>, did: &[Activity], now_ms: i64) -> Option<i64> {
    let both = [&link.ancestor.external, &link.ancestor.internal];
    let closed = state == LinkState::Ended || both.iter().all(|side| side.status == "closed");
    let at_ms = did.last().map_or(now_ms, |line| line.at_ms);
    closed.then(|| stands.unwrap_or(at_ms))
}

fn replace(db: &Connection, stored: &Stored) -> Result<()> {
    let holds_its_ticket = holds_its_internal_ticket(db, stored)?;
    if holds_its_ticket {
        refuse_other_pair(db, &stored.link, Some(stored.id))?;
    }
    let sql = "UPDATE links SET external_class = :external_class, external_ref = :external_ref, \
               internal_class = :internal_class, internal_id = :internal_id, \
               internal_ref = :internal_ref, state = :state, closed_since_ms = :closed_since_ms, \
               halt = :halt, conflicts = :conflicts, body = :body, shrunk = 0 WHERE id = :id";
    let internal = stored.link.internal.as_ref();
    db.prepare_cached(sql)?.execute(named_params! {
        ":id": stored.id,
        ":external_class": stored.link.external.class,
        ":external_ref": stored.link.external.reference,
        ":internal_class": internal.map(|key| &key.class),
        ":internal_id": internal.filter(|_| holds_its_ticket).map(|key| column(key.id)),
        ":internal_ref": internal.map(|key| &key.reference),
        ":state": state_word(stored.state),
        ":closed_since_ms": stored.closed_since_ms,
        ":halt": stored.link.why_halted(),
        ":conflicts": conflicts_of_now(&stored.link),
        ":body": to_json(&stored.link)?,
    })?;
    Ok(())
}

/// The number of conflicts for a person to settle; differences from before the two became a pair do not count.
fn conflicts_of_now(link: &Link) -> i64 {
    bounded(link.open.conflicts.iter().filter(|conflict| !conflict.is_older).count())
}

/// An internal ticket has at most one external one. A ticket with another reference or creation time under the same
/// id is another ticket: a restored iTop assigns ids again, and the ticket read last is the one that exists. The same
/// holds if the other pair has not been compared with the restored iTop yet.
fn refuse_other_pair(db: &Connection, link: &Link, id: Option<i64>) -> Result<()> {
    let Some(internal) = &link.internal else { return Ok(()) };
    match by_internal(db, internal.id)? {
        Some(other) if Some(other.id) == id => Ok(()),
        Some(other) if !link.has_the_internal_ticket_of(&other.link) || other.link.may_have_lost_its_counterpart() => {
            // Its body still says which ticket it had.
            db.execute("UPDATE links SET internal_id = NULL WHERE id = ?1", [other.id])?;
            Ok(())
        }
        Some(other) => Err(already_linked(&internal.reference, &other)),
        None => Ok(()),
    }
}

/// A pair that has ended, or whose internal ticket is or may be lost, leaves the id to the pair that now has it.
fn holds_its_internal_ticket(db: &Connection, stored: &Stored) -> Result<bool> {
    let is_lost = stored.link.may_have_lost_its_counterpart();
    if !is_lost && stored.state == LinkState::Live && !stored.link.course.resumed {
        return Ok(true);
    }
    let Some(internal) = &stored.link.internal else { return Ok(true) };
    Ok(by_internal(db, internal.id)?.is_none_or(|other| other.id == stored.id))
}

fn already_linked(reference: &str, other: &Stored) -> StoreError {
    StoreError::AlreadyLinked { reference: reference.to_owned(), link: other.id }
}

pub(super) fn log(db: &Connection, link: i64, did: &[Activity]) -> Result<()> {
    let mut insert = db.prepare_cached("INSERT INTO activity (link, at_ms, text, event) VALUES (?1, ?2, ?3, ?4)")?;
    for line in did {
        let event = line.event.as_ref().map(to_json).transpose()?;
        insert.execute(params![link, line.at_ms, line.text, event])?;
    }
    Ok(())
}
