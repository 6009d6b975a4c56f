//! Cursors and stops of sides, in SQL.

use rusqlite::{Connection, OptionalExtension, params};

use crate::{Instance, Result, Stop};

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

pub(super) fn stopped(db: &Connection, instance: &Instance) -> Result<Option<Stop>> {
    let stored: Option<String> = db
        .prepare_cached("SELECT reason FROM stopped WHERE instance = ?1")?
        .query_row([instance.key()], |row| row.get(0))
        .optional()?;
    Ok(stored.as_deref().map(Stop::read))
}

pub(super) fn set_stopped(db: &Connection, instance: &Instance, stop: Option<&Stop>) -> Result<()> {
    match stop {
        Some(stop) => {
            let insert = "INSERT OR REPLACE INTO stopped (instance, reason) VALUES (?1, ?2)";
            db.execute(insert, params![instance.key(), stop.stored()])?
        }
        None => db.execute("DELETE FROM stopped WHERE instance = ?1", [instance.key()])?,
    };
    Ok(())
}
