//! Cursors, what was seen, and sides that stand still, in SQL.

use rusqlite::{Connection, OptionalExtension, params};

use super::{bounded, column};
use crate::store::{Instance, MAX_ROWS, Result, Seen};

pub(super) fn cursor(db: &Connection, instance: &Instance, name: &str) -> Result<Option<String>> {
    let value = db
        .prepare_cached("SELECT value FROM cursors WHERE instance = ?1 AND name = ?2")?
        .query_row(params![instance.key(), name], |row| row.get(0))
        .optional()?;
    Ok(value)
}

pub(super) fn set_cursor(db: &Connection, instance: &Instance, name: &str, value: &str) -> Result<()> {
    let set = "INSERT INTO cursors (instance, name, value) VALUES (?1, ?2, ?3) \
               ON CONFLICT (instance, name) DO UPDATE SET value = excluded.value";
    db.prepare_cached(set)?.execute(params![instance.key(), name, value])?;
    Ok(())
}

pub(super) fn seen(db: &Connection, instance: &Instance, tickets: &[u64]) -> Result<Vec<Seen>> {
    let mut one =
        db.prepare_cached("SELECT last_update, first_met_ms, settled FROM seen WHERE instance = ?1 AND ticket = ?2")?;
    let key = instance.key();
    let mut found = Vec::new();
    for &ticket in tickets {
        let seen = one.query_row(params![key, column(ticket)], |row| {
            let (last_update, first_met_ms) = (row.get(0)?, row.get(1)?);
            Ok(Seen { ticket, last_update, first_met_ms, settled: row.get(2)? })
        });
        found.extend(seen.optional()?);
    }
    Ok(found)
}

/// For a value that stands already, the sweep and a pass may both report: the earlier meeting and
/// the settled reading are true whoever comes last.
pub(super) fn record_seen(db: &Connection, instance: &Instance, seen: &[Seen]) -> Result<()> {
    let mut upsert = db.prepare_cached(
        "INSERT INTO seen (instance, ticket, last_update, first_met_ms, settled) \
         VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (instance, ticket) DO UPDATE SET \
         first_met_ms = CASE WHEN last_update = excluded.last_update \
             THEN MIN(first_met_ms, excluded.first_met_ms) ELSE excluded.first_met_ms END, \
         settled = excluded.settled OR (settled AND last_update = excluded.last_update), \
         last_update = excluded.last_update",
    )?;
    let key = instance.key();
    for Seen { ticket, last_update, first_met_ms, settled } in seen {
        upsert.execute(params![key, column(*ticket), last_update, first_met_ms, settled])?;
    }
    Ok(())
}

/// iTop's times sort as text.
pub(super) fn prune_seen(db: &Connection, instance: &Instance, before: &str) -> Result<usize> {
    let prune = "DELETE FROM seen WHERE instance = ?1 AND ticket IN (SELECT ticket FROM seen \
                 WHERE instance = ?1 AND last_update < ?2 ORDER BY last_update LIMIT ?3)";
    Ok(db.execute(prune, params![instance.key(), before, bounded(MAX_ROWS)])?)
}

pub(super) fn stopped(db: &Connection, instance: &Instance) -> Result<Option<String>> {
    let reason = db
        .prepare_cached("SELECT reason FROM stopped WHERE instance = ?1")?
        .query_row([instance.key()], |row| row.get(0))
        .optional()?;
    Ok(reason)
}

pub(super) fn set_stopped(db: &Connection, instance: &Instance, reason: Option<&str>) -> Result<()> {
    match reason {
        Some(reason) => {
            let stop = "INSERT OR REPLACE INTO stopped (instance, reason) VALUES (?1, ?2)";
            db.execute(stop, params![instance.key(), reason])?
        }
        None => db.execute("DELETE FROM stopped WHERE instance = ?1", [instance.key()])?,
    };
    Ok(())
}
