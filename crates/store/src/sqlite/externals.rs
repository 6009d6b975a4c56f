//! Externals as a whole, in SQL: listing them, renaming one, removing one.

use rusqlite::{Connection, params};

use super::values::from_column;
use crate::{External, Instance, Result, StoreError};

/// An external that has only cursors or a stop is known by its instance's key.
const LIST: &str = "\
    SELECT name, SUM(live) AS live, SUM(ended) AS ended, SUM(waiting) AS waiting FROM ( \
        SELECT external AS name, SUM(state = 'live') AS live, SUM(state = 'ended') AS ended, 0 AS waiting \
            FROM links GROUP BY external \
        UNION ALL SELECT external, 0, 0, COUNT(*) FROM dirty GROUP BY external \
        UNION ALL SELECT SUBSTR(instance, LENGTH('external.') + 1), 0, 0, 0 FROM cursors \
            WHERE instance LIKE 'external.%' GROUP BY instance \
        UNION ALL SELECT SUBSTR(instance, LENGTH('external.') + 1), 0, 0, 0 FROM stopped WHERE instance LIKE 'external.%' \
    ) GROUP BY name ORDER BY name";

pub(super) fn list(db: &Connection) -> Result<Vec<External>> {
    let mut statement = db.prepare_cached(LIST)?;
    let rows = statement.query_map([], |row| {
        Ok(External {
            name: row.get("name")?,
            live: from_column(row.get("live")?),
            ended: from_column(row.get("ended")?),
            waiting: from_column(row.get("waiting")?),
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn rename(db: &Connection, old: &str, new: &str) -> Result<()> {
    if list(db)?.iter().any(|external| external.name == new) {
        return Err(StoreError::KnownExternal(new.to_owned()));
    }
    for table in ["links", "dirty"] {
        db.execute(&format!("UPDATE {table} SET external = ?2 WHERE external = ?1"), params![old, new])?;
    }
    let (old_key, new_key) = (key(old), key(new));
    for table in ["cursors", "stopped"] {
        db.execute(&format!("UPDATE {table} SET instance = ?2 WHERE instance = ?1"), params![old_key, new_key])?;
    }
    // Webhooks that were counted under a name that no external had.
    db.execute("DELETE FROM hooks WHERE side = ?1", [new])?;
    db.execute("UPDATE hooks SET side = ?2 WHERE side = ?1", params![old, new])?;
    Ok(())
}

pub(super) fn forget(db: &Connection, name: &str, kept: &[&str]) -> Result<()> {
    let key = key(name);
    db.execute("DELETE FROM dirty WHERE external = ?1", [name])?;
    db.execute("DELETE FROM stopped WHERE instance = ?1", [&key])?;
    db.execute("DELETE FROM hooks WHERE side = ?1", [name])?;
    let mut cursors = db.prepare("SELECT name FROM cursors WHERE instance = ?1")?;
    let cursors = cursors.query_map([&key], |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>()?;
    for cursor in cursors.iter().filter(|cursor| !kept.contains(&cursor.as_str())) {
        db.execute("DELETE FROM cursors WHERE instance = ?1 AND name = ?2", params![key, cursor])?;
    }
    Ok(())
}

fn key(external: &str) -> String {
    Instance::External(external.to_owned()).key()
}
