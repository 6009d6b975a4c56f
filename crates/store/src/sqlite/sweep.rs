//! Cursors, and sides that stand still, in SQL.

use rusqlite::{Connection, OptionalExtension, params};

use crate::{Instance, Result};

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

pub(super) fn drop_cursor(db: &Connection, instance: &Instance, name: &str) -> Result<()> {
    db.execute("DELETE FROM cursors WHERE instance = ?1 AND name = ?2", params![instance.key(), name])?;
    Ok(())
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
