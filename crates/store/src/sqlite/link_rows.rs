//! The rows of links and of their activity: how they are found and read.

use itop_bridge_core::caselog::LogState;
use itop_bridge_core::document::Document;
use itop_bridge_core::link::{Copy, Enclosure, RefusedField};
use itop_bridge_core::plan::HaltKind;
use itop_bridge_core::{Side, TicketKey};
use rusqlite::{Connection, OptionalExtension, Params, params};

use super::values::{bounded, column, from_column, from_json};
use crate::{Activity, LinkState, Pair, Result, Stored, TicketOf};

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

fn one(db: &Connection, sql: &str, params: impl Params) -> Result<Option<Stored>> {
    Ok(db.prepare_cached(sql)?.query_row(params, read).optional()?)
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

pub(super) fn activity(db: &Connection, link: i64, limit: usize) -> Result<Vec<Activity>> {
    let newest_first = "SELECT at_ms, text, event FROM activity WHERE link = ?1 ORDER BY id DESC LIMIT ?2";
    let mut statement = db.prepare_cached(newest_first)?;
    let lines = statement.query_map(params![link, bounded(limit)], |row| {
        // The sentence tells people what this version cannot read.
        let event = row.get_ref(2)?.as_str_or_null()?.and_then(|json| serde_json::from_str(json).ok());
        Ok(Activity { at_ms: row.get(0)?, text: row.get(1)?, event })
    })?;
    Ok(lines.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Stored> {
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
    left_behind: Vec<u64>,
    #[serde(default)]
    orphaned: Vec<(Side, u64)>,
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
    let left_behind = body.left_behind.into_iter().map(|file| (Side::External, file));
    Ok(Pair {
        id: row.get("id")?,
        external_name: row.get("external")?,
        external: body.external,
        internal: body.internal,
        copies: body.copies,
        documents: body.documents,
        enclosures: body.enclosures,
        logs: body.logs,
        nobodys: left_behind.chain(body.orphaned).collect(),
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

pub(super) fn state_word(state: LinkState) -> &'static str {
    match state {
        LinkState::Live => "live",
        LinkState::Ended => "ended",
    }
}
