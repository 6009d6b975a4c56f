//! Operators' statistics and lists, in SQL.

use rusqlite::{Connection, named_params, params};

use super::values::{bounded, column, from_column, from_json};
use crate::{Halted, HookCount, Parked, Result, Tally, TicketOf, Uncarried};

pub(super) fn tally(db: &Connection, external: &str) -> Result<Tally> {
    let sql = "SELECT \
        (SELECT COUNT(*) FROM dirty WHERE external = :external AND parked = 0) AS waiting, \
        (SELECT MIN(dirty_since_ms) FROM dirty WHERE external = :external AND parked = 0) AS oldest_ms, \
        (SELECT COUNT(*) FROM dirty WHERE external = :external AND parked = 1) AS parked, \
        (SELECT COUNT(*) FROM links WHERE external = :external AND state = 'live') AS live, \
        (SELECT COUNT(*) FROM links WHERE external = :external AND state = 'ended') AS ended, \
        (SELECT COUNT(*) FROM links WHERE external = :external AND halt IS NOT NULL AND state = 'live') AS halted, \
        (SELECT COALESCE(SUM(conflicts), 0) FROM links \
         WHERE external = :external AND conflicts > 0 AND state = 'live') AS conflicts";
    let number = |row: &rusqlite::Row<'_>, name: &str| row.get(name).map(from_column);
    let tally = db.prepare_cached(sql)?.query_row(named_params! { ":external": external }, |row| {
        Ok(Tally {
            waiting: number(row, "waiting")?,
            oldest_ms: row.get("oldest_ms")?,
            parked: number(row, "parked")?,
            live: number(row, "live")?,
            ended: number(row, "ended")?,
            halted: number(row, "halted")?,
            conflicts: number(row, "conflicts")?,
        })
    });
    Ok(tally?)
}

/// The class is the hint's, or that of a link whose counterpart does not exist yet; a link that left its id to
/// another pair still has `internal_ref`. Parked tickets are listed elsewhere.
const UNCARRIED: &str = "FROM dirty LEFT JOIN links \
     ON links.external = dirty.external AND links.external_id = dirty.ticket \
     WHERE dirty.external = ?1 AND dirty.parked = 0 AND links.internal_ref IS NULL AND COALESCE(links.state, 'live') = 'live'";

pub(super) fn uncarried(db: &Connection, external: &str) -> Result<Vec<Uncarried>> {
    let sql = format!(
        "SELECT COALESCE(dirty.class, links.external_class) AS class, COUNT(*) AS tickets, \
         MIN(dirty.dirty_since_ms) AS oldest_ms {UNCARRIED} \
         AND COALESCE(dirty.class, links.external_class) IS NOT NULL GROUP BY 1 ORDER BY 1"
    );
    let mut statement = db.prepare_cached(&sql)?;
    let rows = statement.query_map([external], |row| {
        Ok(Uncarried {
            class: row.get("class")?,
            tickets: from_column(row.get("tickets")?),
            oldest_ms: row.get("oldest_ms")?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn uncarried_tickets(
    db: &Connection,
    external: &str,
    class: &str,
    after: u64,
    limit: usize,
) -> Result<Vec<u64>> {
    let sql = format!(
        "SELECT dirty.ticket {UNCARRIED} AND COALESCE(dirty.class, links.external_class) = ?2 \
         AND dirty.ticket > ?3 ORDER BY dirty.ticket LIMIT ?4"
    );
    let mut statement = db.prepare_cached(&sql)?;
    let of_class = params![external, class, column(after), bounded(limit)];
    let rows = statement.query_map(of_class, |row| row.get(0).map(from_column))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn parked(db: &Connection, external: &str, limit: usize) -> Result<Vec<Parked>> {
    let sql = "SELECT dirty.ticket, dirty.error, links.external_ref FROM dirty \
               LEFT JOIN links ON links.external = dirty.external AND links.external_id = dirty.ticket \
               WHERE dirty.external = ?1 AND dirty.parked = 1 ORDER BY dirty.ticket LIMIT ?2";
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement.query_map(params![external, bounded(limit)], |row| {
        Ok(Parked {
            of: TicketOf { external: external.to_owned(), ticket: from_column(row.get("ticket")?) },
            reference: row.get("external_ref")?,
            error: row.get::<_, Option<String>>("error")?.unwrap_or_default(),
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn halted(db: &Connection, external: &str, limit: usize) -> Result<Vec<Halted>> {
    let sql = "SELECT id, external_ref, halt, body -> '$.halt.kind' AS kind FROM links \
               WHERE external = ?1 AND halt IS NOT NULL AND state = 'live' ORDER BY id LIMIT ?2";
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement.query_map(params![external, bounded(limit)], |row| {
        let kind: Option<String> = row.get("kind")?;
        Ok(Halted {
            link: row.get("id")?,
            reference: row.get("external_ref")?,
            kind: kind.map(|kind| from_json(&kind)).transpose()?,
            why: row.get("halt")?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn count_hooks(db: &Connection, came: &[HookCount]) -> Result<()> {
    let upsert = "INSERT INTO hooks (side, kind, count, last_ms) VALUES (?1, ?2, ?3, ?4) \
                  ON CONFLICT (side, kind) DO UPDATE SET \
                  count = count + excluded.count, last_ms = MAX(last_ms, excluded.last_ms)";
    let mut statement = db.prepare_cached(upsert)?;
    for hooks in came {
        statement.execute(params![hooks.side, hooks.kind, column(hooks.count), hooks.last_ms])?;
    }
    Ok(())
}

pub(super) fn hooks(db: &Connection) -> Result<Vec<HookCount>> {
    let mut statement = db.prepare_cached("SELECT side, kind, count, last_ms FROM hooks ORDER BY side, kind")?;
    let rows = statement.query_map([], |row| {
        Ok(HookCount {
            side: row.get("side")?,
            kind: row.get("kind")?,
            count: from_column(row.get("count")?),
            last_ms: row.get("last_ms")?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn told(db: &Connection) -> Result<Vec<String>> {
    let mut statement = db.prepare_cached("SELECT subject FROM told ORDER BY subject")?;
    let subjects = statement.query_map([], |row| row.get(0))?;
    Ok(subjects.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn tell(db: &Connection, told: &[String], over: &[String], now_ms: i64) -> Result<()> {
    let mut insert = db.prepare_cached("INSERT OR IGNORE INTO told (subject, at_ms) VALUES (?1, ?2)")?;
    for subject in told {
        insert.execute(params![subject, now_ms])?;
    }
    let mut delete = db.prepare_cached("DELETE FROM told WHERE subject = ?1")?;
    for subject in over {
        delete.execute([subject])?;
    }
    Ok(())
}
