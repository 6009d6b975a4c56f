//! The verbs of the queue in SQL. Their effect on a row is defined in [`Row`].

use rusqlite::{Connection, OptionalExtension, named_params, params};

use super::values::{bounded, column, from_column, from_json, to_json};
use super::{link_rows, next_number};
use crate::row::{Held, Hint, Row};
use crate::{
    About, Claim, DirtyMark, Lease, LinkState, MAX_ROWS, Marked, Next, QueueRow, Result, StoreError, TicketOf,
};

const NO_LINK: &str = "no link for this internal ticket";
const LINK_ENDED: &str = "the link of this ticket has ended";

pub(super) fn mark_dirty(db: &Connection, mark: &DirtyMark, now_ms: i64) -> Result<Marked> {
    let (of, class, state) = match &mark.about {
        About::External { of, class } => (of.clone(), class.clone(), link_rows::state_of_external(db, of)?),
        About::Internal { ticket } => match link_rows::pair_of_internal(db, *ticket)? {
            Some((of, state)) => (of, None, Some(state)),
            None => return Ok(Marked::Ignored(NO_LINK)),
        },
    };
    if state == Some(LinkState::Ended) {
        return Ok(Marked::Ignored(LINK_ENDED));
    }
    let hint = Hint { look: mark.look.clone(), due_ms: mark.due_ms, since_ms: now_ms };
    let row = match load(db, &of)? {
        Some(mut row) => {
            row.mark(class, &hint);
            row
        }
        None => Row::new(of, class, hint),
    };
    store(db, &row)?;
    Ok(Marked::Accepted)
}

pub(super) fn claim(db: &Connection, external: &str, limit: usize, now_ms: i64, lease_ms: i64) -> Result<Vec<Claim>> {
    let mut rows = due(db, external, limit, now_ms, false)?;
    let room = limit.saturating_sub(rows.len());
    if room > 0 {
        rows.extend(due(db, external, room, now_ms, true)?);
    }
    rows.into_iter().map(|row| take(db, row, now_ms, now_ms + lease_ms)).collect()
}

/// Due rows, oldest due first: those that only a backfill wants, or the others. Each query follows the order of the
/// index, so that a long queue is not sorted.
fn due(db: &Connection, external: &str, limit: usize, now_ms: i64, backfilled: bool) -> Result<Vec<Row>> {
    let due = "SELECT * FROM dirty WHERE external = ?1 AND due_ms <= ?2 \
               AND (lease_until_ms IS NULL OR lease_until_ms <= ?2) \
               AND (coalesce(look ->> 'backfilled', 0) AND NOT look ->> 'created' AND NOT look ->> 'changed') = ?4 \
               ORDER BY due_ms, ticket LIMIT ?3";
    let mut statement = db.prepare_cached(due)?;
    let rows = statement.query_map(params![external, now_ms, bounded(limit), backfilled], read)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn take(db: &Connection, mut row: Row, now_ms: i64, until_ms: i64) -> Result<Claim> {
    let token = next_number(db, "lease_token")?;
    row.take(Held { token, until_ms, taken_ms: now_ms });
    store(db, &row)?;
    let link = link_rows::by_external(db, &row.of)?.map(|stored| (stored.id, stored.link));
    Ok(Claim {
        lease: Lease { of: row.of, token, until_ms },
        generation: row.generation,
        class: row.class,
        look: row.hint.look,
        dirty_since_ms: row.hint.since_ms,
        attempts: row.attempts,
        failing_since_ms: row.failing_since_ms,
        error: row.error,
        parked: row.parked,
        link,
    })
}

pub(super) fn expire_leases(db: &Connection, now_ms: i64) -> Result<usize> {
    Ok(db.execute("UPDATE dirty SET lease_until_ms = ?1 WHERE lease_until_ms > ?1", [now_ms])?)
}

pub(super) fn renew(db: &Connection, lease: &Lease, until_ms: i64) -> Result<()> {
    let mut row = held(db, lease)?;
    if let Some(held) = &mut row.held {
        held.until_ms = until_ms;
    }
    store(db, &row)
}

pub(super) fn finish(db: &Connection, claim: &Claim, next: &Next, now_ms: i64) -> Result<()> {
    let row = held(db, &claim.lease)?;
    match row.finish(claim.generation, next, now_ms) {
        Some(row) => store(db, &row),
        None => remove(db, &claim.lease.of),
    }
}

pub(super) fn next_due(db: &Connection, external: &str, now_ms: i64) -> Result<Option<i64>> {
    let free = "SELECT due_ms FROM dirty WHERE external = ?1 \
                AND (lease_until_ms IS NULL OR lease_until_ms <= ?2) \
                ORDER BY due_ms, ticket LIMIT 1";
    let leased = "SELECT MIN(MAX(due_ms, lease_until_ms)) FROM dirty \
                  WHERE external = ?1 AND lease_until_ms > ?2";
    let free: Option<i64> =
        db.prepare_cached(free)?.query_row(params![external, now_ms], |row| row.get(0)).optional()?;
    let leased: Option<i64> = db.prepare_cached(leased)?.query_row(params![external, now_ms], |row| row.get(0))?;
    Ok(free.into_iter().chain(leased).min())
}

pub(super) fn list(db: &Connection, external: Option<&str>, limit: usize, now_ms: i64) -> Result<Vec<QueueRow>> {
    let oldest_first = "SELECT * FROM dirty WHERE (?1 IS NULL OR external = ?1) \
                        ORDER BY dirty_since_ms, external, ticket LIMIT ?2";
    let mut statement = db.prepare_cached(oldest_first)?;
    let rows = statement.query_map(params![external, bounded(limit)], read)?;
    let shown = rows.map(|row| row.map(|row| shown(row, now_ms)));
    Ok(shown.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn unlinked(
    db: &Connection,
    external: &str,
    after: u64,
    limit: usize,
    now_ms: i64,
) -> Result<Vec<QueueRow>> {
    let without = "SELECT * FROM dirty WHERE external = ?1 AND ticket > ?2 AND NOT EXISTS \
                   (SELECT 1 FROM links WHERE links.external = dirty.external AND links.external_id = dirty.ticket) \
                   ORDER BY ticket LIMIT ?3";
    let mut statement = db.prepare_cached(without)?;
    let rows = statement.query_map(params![external, column(after), bounded(limit)], read)?;
    let shown = rows.map(|row| row.map(|row| shown(row, now_ms)));
    Ok(shown.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn one(db: &Connection, of: &TicketOf, now_ms: i64) -> Result<Option<QueueRow>> {
    Ok(load(db, of)?.map(|row| shown(row, now_ms)))
}

/// An id that no iTop has, from a forged hint, is negative in its column: it hides no other.
pub(super) fn lowest_created(db: &Connection, external: &str) -> Result<Option<u64>> {
    let lowest = "SELECT MIN(ticket) FROM dirty WHERE external = ?1 AND ticket > 0 \
                  AND (look ->> 'created' OR fresh_look ->> 'created')";
    let ticket: Option<i64> = db.query_row(lowest, [external], |row| row.get(0))?;
    Ok(ticket.map(from_column))
}

fn shown(row: Row, now_ms: i64) -> QueueRow {
    QueueRow {
        leased: row.is_leased(now_ms),
        of: row.of,
        class: row.class,
        due_ms: row.hint.due_ms,
        dirty_since_ms: row.hint.since_ms,
        attempts: row.attempts,
        error: row.error,
        parked: row.parked,
    }
}

pub(super) fn retry_parked_one(db: &Connection, of: &TicketOf, now_ms: i64) -> Result<usize> {
    let retry = "UPDATE dirty SET parked = 0, due_ms = MIN(due_ms, ?3) \
                 WHERE external = ?1 AND ticket = ?2 AND parked = 1";
    Ok(db.execute(retry, params![of.external, column(of.ticket), now_ms])?)
}

/// Retries some of the parked rows, as many as one transaction takes.
pub(super) fn retry_parked_some(db: &Connection, now_ms: i64) -> Result<usize> {
    let retry = "UPDATE dirty SET parked = 0, due_ms = MIN(due_ms, ?1) \
                 WHERE (external, ticket) IN \
                 (SELECT external, ticket FROM dirty WHERE parked = 1 LIMIT ?2)";
    Ok(db.execute(retry, params![now_ms, bounded(MAX_ROWS)])?)
}

/// Hurries some of the rows that wait for a later time, as many as one transaction takes.
pub(super) fn hurry_some(db: &Connection, now_ms: i64) -> Result<usize> {
    let hurry = "UPDATE dirty SET due_ms = ?1 \
                 WHERE (external, ticket) IN \
                 (SELECT external, ticket FROM dirty WHERE parked = 0 AND due_ms > ?1 LIMIT ?2)";
    Ok(db.execute(hurry, params![now_ms, bounded(MAX_ROWS)])?)
}

/// The row, if it still has this lease: called in the transaction that relies on it.
pub(super) fn held(db: &Connection, lease: &Lease) -> Result<Row> {
    load(db, &lease.of)?.filter(|row| row.is_held_by(lease)).ok_or(StoreError::LeaseLost)
}

/// From now on the worker that has the ticket can record nothing more.
pub(super) fn revoke(db: &Connection, of: &TicketOf) -> Result<()> {
    let Some(mut row) = load(db, of)? else { return Ok(()) };
    row.revoke(next_number(db, "lease_token")?);
    store(db, &row)
}

pub(super) fn remove(db: &Connection, of: &TicketOf) -> Result<()> {
    db.prepare_cached("DELETE FROM dirty WHERE external = ?1 AND ticket = ?2")?
        .execute(params![of.external, column(of.ticket)])?;
    Ok(())
}

fn load(db: &Connection, of: &TicketOf) -> Result<Option<Row>> {
    let row = db
        .prepare_cached("SELECT * FROM dirty WHERE external = ?1 AND ticket = ?2")?
        .query_row(params![of.external, column(of.ticket)], read)
        .optional()?;
    Ok(row)
}

fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    Ok(Row {
        of: TicketOf { external: row.get("external")?, ticket: from_column(row.get("ticket")?) },
        class: row.get("class")?,
        generation: row.get("generation")?,
        hint: Hint {
            look: from_json(row.get_ref("look")?.as_str()?)?,
            due_ms: row.get("due_ms")?,
            since_ms: row.get("dirty_since_ms")?,
        },
        fresh: read_fresh(row)?,
        held: read_held(row)?,
        attempts: row.get("attempts")?,
        failing_since_ms: row.get("failing_since_ms")?,
        error: row.get("error")?,
        parked: row.get("parked")?,
    })
}

fn read_fresh(row: &rusqlite::Row<'_>) -> rusqlite::Result<Option<Hint>> {
    let Some(look) = row.get_ref("fresh_look")?.as_str_or_null()? else { return Ok(None) };
    Ok(Some(Hint { look: from_json(look)?, due_ms: row.get("fresh_due_ms")?, since_ms: row.get("fresh_since_ms")? }))
}

fn read_held(row: &rusqlite::Row<'_>) -> rusqlite::Result<Option<Held>> {
    let Some(token) = row.get("lease_token")? else { return Ok(None) };
    let (until_ms, taken_ms) = (row.get("lease_until_ms")?, row.get("lease_taken_ms")?);
    Ok(Some(Held { token, until_ms, taken_ms }))
}

fn store(db: &Connection, row: &Row) -> Result<()> {
    let replace = "INSERT OR REPLACE INTO dirty (external, ticket, class, generation, look, due_ms, \
                   dirty_since_ms, fresh_look, fresh_due_ms, fresh_since_ms, lease_token, \
                   lease_until_ms, lease_taken_ms, attempts, failing_since_ms, error, parked) \
                   VALUES (:external, :ticket, :class, :generation, :look, :due_ms, \
                   :dirty_since_ms, :fresh_look, :fresh_due_ms, :fresh_since_ms, :lease_token, \
                   :lease_until_ms, :lease_taken_ms, :attempts, :failing_since_ms, :error, :parked)";
    let fresh = row.fresh.as_ref();
    db.prepare_cached(replace)?.execute(named_params! {
        ":external": row.of.external,
        ":ticket": column(row.of.ticket),
        ":class": row.class,
        ":generation": row.generation,
        ":look": to_json(&row.hint.look)?,
        ":due_ms": row.hint.due_ms,
        ":dirty_since_ms": row.hint.since_ms,
        ":fresh_look": fresh.map(|hint| to_json(&hint.look)).transpose()?,
        ":fresh_due_ms": fresh.map(|hint| hint.due_ms),
        ":fresh_since_ms": fresh.map(|hint| hint.since_ms),
        ":lease_token": row.held.map(|held| held.token),
        ":lease_until_ms": row.held.map(|held| held.until_ms),
        ":lease_taken_ms": row.held.map(|held| held.taken_ms),
        ":attempts": row.attempts,
        ":failing_since_ms": row.failing_since_ms,
        ":error": row.error,
        ":parked": row.parked,
    })?;
    Ok(())
}
