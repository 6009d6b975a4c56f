//! Links that have long been closed lose their texts and their earlier activity.

use itop_bridge_core::event::Event;
use rusqlite::{Connection, params};

use super::link_rows;
use super::links::log;
use super::values::{bounded, to_json};
use crate::{Activity, LinkState, MAX_ROWS, Result, Stored};

/// Few, because each is read as a whole, and a hint waits behind them.
const SHRUNK_AT_ONCE: i64 = 10;

/// The rows besides a link's history: the link itself, and the line about its dropped history.
const OWN_ROWS: usize = 2;

/// Removes texts and earlier activity from links that have long been closed.
pub(super) fn shrink_closed(db: &Connection, external: &str, closed_before_ms: i64, now_ms: i64) -> Result<usize> {
    let sql = "SELECT * FROM links WHERE external = ?1 AND closed_since_ms < ?2 AND shrunk = 0 LIMIT ?3";
    let mut statement = db.prepare_cached(sql)?;
    let found = statement.query_map(params![external, closed_before_ms, SHRUNK_AT_ONCE], link_rows::read)?;
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
        log(db, id, &[Activity::of(now_ms, Event::Shrunk)])?;
    }
    Ok(forgotten + OWN_ROWS)
}
