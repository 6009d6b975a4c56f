//! The links and their activity log in SQL. A link is stored whole as JSON; the columns beside it serve to find it.

use itop_bridge_core::caselog::LogState;
use itop_bridge_core::document::Document;
use itop_bridge_core::link::{Copy, Enclosure, RefusedField};
use itop_bridge_core::plan::HaltKind;
use itop_bridge_core::{Link, TicketKey};
use rusqlite::{Connection, OptionalExtension, Params, named_params, params};

use super::{bounded, column, from_column, from_json, queue, to_json};
use crate::{About, Activity, DirtyMark, Lease, LinkState, Look, MAX_ROWS, Pair, Result, StoreError, Stored, TicketOf};

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
        let text =
            format!("{} was linked with {}:{} instead", internal.reference, of.external, link.external.reference);
        log(db, other.id, &[Activity { at_ms: now_ms, text }])?;
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

pub(super) fn troubled(db: &Connection, external: &str, after: i64, limit: usize) -> Result<Vec<Stored>> {
    let sql = "SELECT * FROM links WHERE external = ?1 AND state = 'live' AND id > ?2 AND id IN ( \
               SELECT id FROM links WHERE external = ?1 AND halt IS NOT NULL \
               UNION SELECT id FROM links WHERE external = ?1 AND conflicts > 0 \
               UNION SELECT links.id FROM dirty JOIN links \
               ON links.external = dirty.external AND links.external_id = dirty.ticket \
               WHERE dirty.external = ?1 AND (dirty.error IS NOT NULL OR dirty.parked = 1)) \
               ORDER BY id LIMIT ?3";
    let mut statement = db.prepare_cached(sql)?;
    let found = statement.query_map(params![external, after, bounded(limit)], read)?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn drop_unborn(db: &Connection, lease: &Lease, id: i64) -> Result<()> {
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
    amend(&mut stored.link, &mut stored.state);
    let did = std::slice::from_ref(did);
    stored.closed_since_ms = closed_since(&stored.link, stored.state, stored.closed_since_ms, did, now_ms);
    replace(db, &stored)?;
    log(db, id, did)?;
    match stored.state {
        LinkState::Ended => queue::remove(db, &of),
        LinkState::Live => have_a_fresh_look(db, of, now_ms),
    }
}

/// Few, because each is read as a whole, and a hint waits behind them.
const SHRUNK_AT_ONCE: i64 = 10;

/// The rows besides a link's history: the link itself, and the line about its dropped history.
const OWN_ROWS: usize = 2;

/// Removes texts and earlier activity from links that have long been closed.
pub(super) fn shrink_closed(db: &Connection, external: &str, closed_before_ms: i64, now_ms: i64) -> Result<usize> {
    let sql = "SELECT * FROM links WHERE external = ?1 AND closed_since_ms < ?2 AND shrunk = 0 LIMIT ?3";
    let mut statement = db.prepare_cached(sql)?;
    let found = statement.query_map(params![external, closed_before_ms, SHRUNK_AT_ONCE], read)?;
    let (mut rows, mut links) = (MAX_ROWS, 0);
    for stored in found.collect::<rusqlite::Result<Vec<Stored>>>()? {
        if rows <= OWN_ROWS {
            break;
        }
        rows -= shrink(db, stored, closed_before_ms, now_ms, rows)?;
        links += 1;
    }
    Ok(links)
}

/// Touches at most `rows` rows, and returns how many. A long history goes first, over several transactions. A link
/// with anything open keeps everything, unless it has ended: only a pass can close what is open, and saving the link
/// then makes it a candidate again.
fn shrink(db: &Connection, stored: Stored, closed_before_ms: i64, now_ms: i64, rows: usize) -> Result<usize> {
    let Stored { id, mut link, state, .. } = stored;
    if state == LinkState::Ended {
        link.shrink_ended();
    } else if !link.shrink() {
        db.prepare_cached("UPDATE links SET shrunk = 1 WHERE id = ?1")?.execute([id])?;
        return Ok(1);
    }
    let old = "SELECT id FROM activity WHERE link = ?1 AND at_ms < ?2 ORDER BY id LIMIT ?3";
    let mut forget = db.prepare_cached(&format!("DELETE FROM activity WHERE id IN ({old})"))?;
    let forgotten = forget.execute(params![id, closed_before_ms, bounded(rows - OWN_ROWS)])?;
    if db.prepare_cached(old)?.exists(params![id, closed_before_ms, 1])? {
        return Ok(forgotten);
    }
    db.prepare_cached("UPDATE links SET body = ?2, shrunk = 1 WHERE id = ?1")?.execute(params![id, to_json(&link)?])?;
    if forgotten > 0 {
        let text = "closed for long: its texts and what was done before are no longer kept".to_owned();
        log(db, id, &[Activity { at_ms: now_ms, text }])?;
    }
    Ok(forgotten + OWN_ROWS)
}

pub(super) fn by_id(db: &Connection, id: i64) -> Result<Option<Stored>> {
    one(db, "SELECT * FROM links WHERE id = ?1", [id])
}

pub(super) fn by_external(db: &Connection, of: &TicketOf) -> Result<Option<Stored>> {
    let sql = "SELECT * FROM links WHERE external = ?1 AND external_id = ?2";
    one(db, sql, params![of.external, column(of.ticket)])
}

pub(super) fn by_internal(db: &Connection, ticket: u64) -> Result<Option<Stored>> {
    one(db, "SELECT * FROM links WHERE internal_id = ?1", [column(ticket)])
}

/// The state alone: a hint does not need the link's body.
pub(super) fn state_of_external(db: &Connection, of: &TicketOf) -> Result<Option<LinkState>> {
    let state = db
        .prepare_cached("SELECT state FROM links WHERE external = ?1 AND external_id = ?2")?
        .query_row(params![of.external, column(of.ticket)], read_state)
        .optional()?;
    Ok(state)
}

pub(super) fn pair_of_internal(db: &Connection, ticket: u64) -> Result<Option<(TicketOf, LinkState)>> {
    let pair = db
        .prepare_cached("SELECT external, external_id, state FROM links WHERE internal_id = ?1")?
        .query_row([column(ticket)], |row| {
            let ticket = from_column(row.get("external_id")?);
            Ok((TicketOf { external: row.get("external")?, ticket }, read_state(row)?))
        })
        .optional()?;
    Ok(pair)
}

pub(super) fn highest_counterpart(db: &Connection) -> Result<Option<u64>> {
    let highest = "SELECT MAX(internal_id) FROM links WHERE internal_id IS NOT NULL";
    let id: Option<i64> = db.prepare_cached(highest)?.query_row([], |row| row.get(0))?;
    Ok(id.map(from_column))
}

pub(super) fn list(
    db: &Connection,
    external: Option<&str>,
    after: i64,
    limit: usize,
    closed_after_ms: Option<i64>,
) -> Result<Vec<Stored>> {
    many(db, external, after, limit, closed_after_ms, read)
}

pub(super) fn pairs(
    db: &Connection,
    external: Option<&str>,
    after: i64,
    limit: usize,
    closed_after_ms: Option<i64>,
) -> Result<Vec<Pair>> {
    many(db, external, after, limit, closed_after_ms, read_pair)
}

fn many<T>(
    db: &Connection,
    external: Option<&str>,
    after: i64,
    limit: usize,
    closed_after_ms: Option<i64>,
    read: fn(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>> {
    let closed_after_ms = closed_after_ms.unwrap_or(i64::MIN);
    let open = "(closed_since_ms IS NULL OR closed_since_ms >= ?3)";
    let of = if external.is_some() { "external = ?4 AND" } else { "" };
    let sql = format!("SELECT * FROM links WHERE {of} id > ?1 AND {open} ORDER BY id LIMIT ?2");
    let mut statement = db.prepare_cached(&sql)?;
    let rows = match external {
        Some(external) => statement.query_map(params![after, bounded(limit), closed_after_ms, external], read)?,
        None => statement.query_map(params![after, bounded(limit), closed_after_ms], read)?,
    };
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn activity(db: &Connection, link: i64, limit: usize) -> Result<Vec<Activity>> {
    let newest_first = "SELECT at_ms, text FROM activity WHERE link = ?1 ORDER BY id DESC LIMIT ?2";
    let mut statement = db.prepare_cached(newest_first)?;
    let lines = statement
        .query_map(params![link, bounded(limit)], |row| Ok(Activity { at_ms: row.get(0)?, text: row.get(1)? }))?;
    Ok(lines.collect::<rusqlite::Result<_>>()?)
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
    bounded(link.conflicts.iter().filter(|conflict| !conflict.is_older).count())
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
    if !is_lost && stored.state == LinkState::Live && !stored.link.resumed {
        return Ok(true);
    }
    let Some(internal) = &stored.link.internal else { return Ok(true) };
    Ok(by_internal(db, internal.id)?.is_none_or(|other| other.id == stored.id))
}

fn already_linked(reference: &str, other: &Stored) -> StoreError {
    StoreError::AlreadyLinked { reference: reference.to_owned(), link: other.id }
}

fn log(db: &Connection, link: i64, did: &[Activity]) -> Result<()> {
    let mut insert = db.prepare_cached("INSERT INTO activity (link, at_ms, text) VALUES (?1, ?2, ?3)")?;
    for line in did {
        insert.execute(params![link, line.at_ms, line.text])?;
    }
    Ok(())
}

fn one(db: &Connection, sql: &str, params: impl Params) -> Result<Option<Stored>> {
    Ok(db.prepare_cached(sql)?.query_row(params, read).optional()?)
}

fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Stored> {
    Ok(Stored {
        id: row.get("id")?,
        external_name: row.get("external")?,
        link: from_json(row.get_ref("body")?.as_str()?)?,
        state: read_state(row)?,
        closed_since_ms: row.get("closed_since_ms")?,
    })
}

/// The parts of a link's body that an audit needs. Its texts are skipped without being copied.
#[derive(serde::Deserialize)]
struct Body {
    external: TicketKey,
    internal: Option<TicketKey>,
    copies: Vec<Copy>,
    #[serde(default)]
    documents: Vec<Document>,
    #[serde(default)]
    enclosures: Vec<Enclosure>,
    #[serde(default)]
    logs: Vec<LogState>,
    #[serde(default)]
    refused: Vec<RefusedField>,
    halt: Option<HaltOfBody>,
    #[serde(default)]
    restored: Vec<serde::de::IgnoredAny>,
    #[serde(default)]
    waits_for_date: bool,
}

#[derive(serde::Deserialize)]
struct HaltOfBody {
    kind: HaltKind,
}

fn read_pair(row: &rusqlite::Row<'_>) -> rusqlite::Result<Pair> {
    let body: Body = from_json(row.get_ref("body")?.as_str()?)?;
    Ok(Pair {
        id: row.get("id")?,
        external_name: row.get("external")?,
        external: body.external,
        internal: body.internal,
        copies: body.copies,
        documents: body.documents,
        enclosures: body.enclosures,
        logs: body.logs,
        refused_again_at_ms: body.refused.iter().map(|refused| refused.again_at_ms).min(),
        halted: body.halt.is_some(),
        vanished: body.halt.is_some_and(|halt| halt.kind.vanished().is_some()),
        restored: !body.restored.is_empty(),
        waits_for_date: body.waits_for_date,
        state: read_state(row)?,
    })
}

fn read_state(row: &rusqlite::Row<'_>) -> rusqlite::Result<LinkState> {
    let ended = row.get_ref("state")?.as_str()? == state_word(LinkState::Ended);
    Ok(if ended { LinkState::Ended } else { LinkState::Live })
}

fn state_word(state: LinkState) -> &'static str {
    match state {
        LinkState::Live => "live",
        LinkState::Ended => "ended",
    }
}
