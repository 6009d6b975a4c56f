//! The embedded store: one SQLite file, in WAL mode, every commit on disk before it is answered.
//!
//! There is one connection. Every verb that writes is one `BEGIN IMMEDIATE` transaction, so that it never has to be
//! tried again half-way; `retry_parked` and `hurry` are several, of [`MAX_ROWS`] rows each.

mod error;
mod externals;
mod gate;
mod link_rows;
mod links;
mod open;
mod queue;
mod shrink;
mod sweep;
mod values;
mod watch;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use itop_bridge_core::Link;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use crate::{
    Activity, Claim, DirtyMark, External, Halted, HookCount, Instance, Lease, LinkState, MAX_ROWS, Marked, Next, Pair,
    Parked, QueueRow, Result, Stop, Store, StoreError, Stored, Tally, TicketOf, Uncarried,
};

pub use gate::CommitGate;

/// A store in a SQLite file.
///
/// *Guarantee*: a verb answered with `Ok` survives `kill -9` and, as far as the disk keeps its promises, a power cut.
/// *Assumption*: the file lies on a local disk; WAL does not work over NFS.
pub struct SqliteStore {
    db: Connection,
    /// Only tests have one.
    gate: Option<Arc<dyn CommitGate>>,
    /// Held while `serve` runs; the system releases it when the process ends, however it ends.
    serve_lock: Option<std::fs::File>,
    /// `None` for a store in memory.
    path: Option<PathBuf>,
}

impl SqliteStore {
    /// Opens the store beside a running `serve`, for a verb of the command line. Creates the file (mode 0600) if
    /// there is none, and brings an older schema up to date.
    pub fn open(path: impl AsRef<Path>) -> Result<SqliteStore> {
        let path = open::real(path.as_ref());
        Ok(SqliteStore::over(open::file(&path)?, None, Some(path)))
    }

    /// Opens the store beside a running `serve`, for a verb that only shows: SQLite itself refuses every write.
    /// Neither creates a file nor changes an older schema.
    pub fn open_to_read(path: impl AsRef<Path>) -> Result<SqliteStore> {
        let path = open::real(path.as_ref());
        Ok(SqliteStore::over(open::to_read(&path)?, None, Some(path)))
    }

    /// Opens the store for `serve`, after reading all of it: [`StoreError::Damaged`] if a page is broken,
    /// [`StoreError::Locked`] while another `serve` has it open. The lock is on `<path>.lock`.
    pub fn open_exclusive(path: impl AsRef<Path>) -> Result<SqliteStore> {
        let path = open::real(path.as_ref());
        let lock = open::serve_lock(&path)?;
        open::read_whole(&path)?;
        let db = open::file(&path)?;
        open::close_to_others(&path);
        Ok(SqliteStore::over(db, Some(lock), Some(path)))
    }

    /// Reads every page of a store, as a start of `serve` does: [`StoreError::Damaged`] if one is broken.
    pub fn is_whole(path: impl AsRef<Path>) -> Result<()> {
        open::read_whole(&open::real(path.as_ref()))
    }

    /// Whether a `serve` works on it now; `true` where this user cannot tell.
    pub fn is_served(path: impl AsRef<Path>) -> bool {
        open::is_served(&open::real(path.as_ref())).unwrap_or(true)
    }

    /// A store that is forgotten when it is dropped.
    pub fn open_in_memory() -> Result<SqliteStore> {
        Ok(SqliteStore::over(open::prepare(Connection::open_in_memory()?)?, None, None))
    }

    /// Writes a consistent copy to a file (mode 0600) that must not exist yet, beside a running `serve`.
    pub fn backup_to(&self, copy: impl AsRef<Path>) -> Result<()> {
        let copy = copy.as_ref();
        open::new_file(copy)?;
        self.db.execute("VACUUM INTO ?1", [copy.to_string_lossy()])?;
        Ok(())
    }

    /// The same store, whose commits this gate sees and may refuse.
    pub fn behind(self, gate: Arc<dyn CommitGate>) -> SqliteStore {
        SqliteStore { gate: Some(gate), ..self }
    }

    fn over(db: Connection, serve_lock: Option<std::fs::File>, path: Option<PathBuf>) -> SqliteStore {
        SqliteStore { db, gate: None, serve_lock, path }
    }

    /// Runs a verb in one transaction: all of it is on disk or, on an error, none of it.
    fn write<R>(&mut self, verb: impl FnOnce(&Transaction<'_>) -> Result<R>) -> Result<R> {
        let before = self.db.total_changes();
        let transaction = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let answer = verb(&transaction)?;
        if transaction.total_changes() == before {
            return Ok(answer);
        }
        if let Some(gate) = &self.gate {
            gate.may_commit()?;
        }
        transaction.commit()?;
        if let Some(gate) = &self.gate {
            gate.committed();
        }
        Ok(answer)
    }
}

impl Store for SqliteStore {
    fn adopt_server_id(&mut self, id: &str) -> Result<()> {
        // A store opened for reading was adopted before: then this writes nothing.
        if belongs_to(&self.db, id)? {
            return Ok(());
        }
        self.write(|db| {
            if !belongs_to(db, id)? {
                db.execute("INSERT INTO server (only_row, id) VALUES (1, ?1)", [id])?;
            }
            Ok(())
        })
    }

    fn probe(&mut self) -> Result<()> {
        self.write(|db| next_number(db, "probe")).map(|_| ())
    }

    fn is_to_read(&self) -> bool {
        self.db.is_readonly("main").unwrap_or(false)
    }

    fn mark_dirty(&mut self, marks: &[DirtyMark], now_ms: i64) -> Result<Vec<Marked>> {
        within_bounds(marks.len())?;
        self.write(|db| marks.iter().map(|mark| queue::mark_dirty(db, mark, now_ms)).collect())
    }

    fn claim(&mut self, external: &str, limit: usize, now_ms: i64, lease_ms: i64) -> Result<Vec<Claim>> {
        self.write(|db| queue::claim(db, external, limit, now_ms, lease_ms))
    }

    fn expire_leases(&mut self, now_ms: i64) -> Result<usize> {
        self.write(|db| queue::expire_leases(db, now_ms))
    }

    fn renew(&mut self, lease: &Lease, until_ms: i64) -> Result<()> {
        self.write(|db| queue::renew(db, lease, until_ms))
    }

    fn finish(&mut self, claim: &Claim, next: &Next, now_ms: i64) -> Result<()> {
        self.write(|db| queue::finish(db, claim, next, now_ms))
    }

    fn next_due(&mut self, external: &str, now_ms: i64) -> Result<Option<i64>> {
        queue::next_due(&self.db, external, now_ms)
    }

    fn queue(&mut self, external: Option<&str>, limit: usize, now_ms: i64) -> Result<Vec<QueueRow>> {
        queue::list(&self.db, external, limit, now_ms)
    }

    fn unlinked(&mut self, external: &str, after: u64, limit: usize, now_ms: i64) -> Result<Vec<QueueRow>> {
        queue::unlinked(&self.db, external, after, limit, now_ms)
    }

    fn queue_row(&mut self, of: &TicketOf, now_ms: i64) -> Result<Option<QueueRow>> {
        queue::one(&self.db, of, now_ms)
    }

    fn lowest_created(&mut self, external: &str) -> Result<Option<u64>> {
        queue::lowest_created(&self.db, external)
    }

    fn retry_parked(&mut self, of: Option<&TicketOf>, now_ms: i64) -> Result<usize> {
        if let Some(of) = of {
            return self.write(|db| queue::retry_parked_one(db, of, now_ms));
        }
        let mut total = 0;
        loop {
            let retried = self.write(|db| queue::retry_parked_some(db, now_ms))?;
            total += retried;
            if retried < MAX_ROWS {
                return Ok(total);
            }
        }
    }

    fn hurry(&mut self, now_ms: i64) -> Result<usize> {
        let mut total = 0;
        loop {
            let hurried = self.write(|db| queue::hurry_some(db, now_ms))?;
            total += hurried;
            if hurried < MAX_ROWS {
                return Ok(total);
            }
        }
    }

    fn insert_link(&mut self, lease: &Lease, link: &Link, did: &[Activity]) -> Result<i64> {
        within_bounds(did.len())?;
        self.write(|db| links::insert(db, lease, link, did))
    }

    fn save_link(&mut self, lease: &Lease, id: i64, link: &Link, did: &[Activity]) -> Result<()> {
        within_bounds(did.len())?;
        self.write(|db| links::save(db, lease, id, link, did))
    }

    fn adopt_link(
        &mut self,
        external: &str,
        link: &Link,
        over_ended: bool,
        did: &[Activity],
        now_ms: i64,
    ) -> Result<i64> {
        within_bounds(did.len())?;
        self.write(|db| links::adopt(db, external, link, over_ended, did, now_ms))
    }

    fn drop_link_without_counterpart(&mut self, lease: &Lease, id: i64) -> Result<()> {
        self.write(|db| links::drop_without_counterpart(db, lease, id))
    }

    fn link(&mut self, id: i64) -> Result<Option<Stored>> {
        link_rows::by_id(&self.db, id)
    }

    fn link_of_external(&mut self, of: &TicketOf) -> Result<Option<Stored>> {
        link_rows::by_external(&self.db, of)
    }

    fn link_of_internal(&mut self, ticket: u64) -> Result<Option<Stored>> {
        link_rows::by_internal(&self.db, ticket)
    }

    fn highest_counterpart(&mut self) -> Result<Option<u64>> {
        link_rows::highest_counterpart(&self.db)
    }

    fn links(
        &mut self,
        external: Option<&str>,
        after: i64,
        limit: usize,
        closed_after_ms: Option<i64>,
    ) -> Result<Vec<Stored>> {
        link_rows::list(&self.db, external, after, limit, closed_after_ms)
    }

    fn pairs(
        &mut self,
        external: Option<&str>,
        after: i64,
        limit: usize,
        closed_after_ms: Option<i64>,
    ) -> Result<Vec<Pair>> {
        link_rows::pairs(&self.db, external, after, limit, closed_after_ms)
    }

    fn amend_link(
        &mut self,
        id: i64,
        amend: &dyn Fn(&mut Link, &mut LinkState),
        did: &Activity,
        now_ms: i64,
    ) -> Result<()> {
        self.write(|db| links::amend(db, id, amend, did, now_ms))
    }

    fn shrink_closed(&mut self, external: &str, closed_before_ms: i64, now_ms: i64) -> Result<usize> {
        self.write(|db| shrink::shrink_closed(db, external, closed_before_ms, now_ms))
    }

    fn activity(&mut self, link: i64, limit: usize) -> Result<Vec<Activity>> {
        link_rows::activity(&self.db, link, limit)
    }

    fn cursor(&mut self, instance: &Instance, name: &str) -> Result<Option<String>> {
        sweep::cursor(&self.db, instance, name)
    }

    fn set_cursor(&mut self, instance: &Instance, name: &str, value: &str) -> Result<()> {
        self.write(|db| sweep::set_cursor(db, instance, name, value))
    }

    fn set_cursors(&mut self, cursors: &[(Instance, &str, &str)]) -> Result<()> {
        within_bounds(cursors.len())?;
        self.write(|db| cursors.iter().try_for_each(|(of, name, value)| sweep::set_cursor(db, of, name, value)))
    }

    fn drop_cursor(&mut self, instance: &Instance, name: &str) -> Result<()> {
        self.write(|db| sweep::drop_cursor(db, instance, name))
    }

    fn stopped(&mut self, instance: &Instance) -> Result<Option<Stop>> {
        sweep::stopped(&self.db, instance)
    }

    fn set_stopped(&mut self, instance: &Instance, stop: Option<&Stop>) -> Result<()> {
        self.write(|db| sweep::set_stopped(db, instance, stop))
    }

    fn halt(&mut self, instance: &Instance, stop: &Stop, cursors: &[(&str, &str)]) -> Result<()> {
        within_bounds(cursors.len())?;
        self.write(|db| {
            cursors.iter().try_for_each(|(name, value)| sweep::set_cursor(db, instance, name, value))?;
            sweep::set_stopped(db, instance, Some(stop))
        })
    }

    fn externals(&mut self) -> Result<Vec<External>> {
        externals::list(&self.db)
    }

    fn rename_external(&mut self, old: &str, new: &str) -> Result<()> {
        self.write(|db| externals::rename(db, old, new))
    }

    fn forget_external(&mut self, name: &str, kept: &[&str]) -> Result<()> {
        self.write(|db| externals::forget(db, name, kept))
    }

    fn tally(&mut self, external: &str) -> Result<Tally> {
        watch::tally(&self.db, external)
    }

    fn uncarried(&mut self, external: &str) -> Result<Vec<Uncarried>> {
        watch::uncarried(&self.db, external)
    }

    fn uncarried_tickets(&mut self, external: &str, class: &str, after: u64, limit: usize) -> Result<Vec<u64>> {
        watch::uncarried_tickets(&self.db, external, class, after, limit)
    }

    fn parked(&mut self, external: &str, limit: usize) -> Result<Vec<Parked>> {
        watch::parked(&self.db, external, limit)
    }

    fn halted(&mut self, external: &str, limit: usize) -> Result<Vec<Halted>> {
        watch::halted(&self.db, external, limit)
    }

    fn troubled(&mut self, external: &str, after: i64, limit: usize) -> Result<Vec<Stored>> {
        link_rows::troubled(&self.db, external, after, limit)
    }

    fn is_served(&mut self) -> Result<Option<bool>> {
        match (&self.serve_lock, &self.path) {
            (Some(_), _) => Ok(Some(true)),
            (None, Some(path)) => open::is_served(path).map(Some),
            (None, None) => Ok(None),
        }
    }

    fn count_hooks(&mut self, came: &[HookCount]) -> Result<()> {
        within_bounds(came.len())?;
        self.write(|db| watch::count_hooks(db, came))
    }

    fn hooks(&mut self) -> Result<Vec<HookCount>> {
        watch::hooks(&self.db)
    }

    fn told(&mut self) -> Result<Vec<String>> {
        watch::told(&self.db)
    }

    fn tell(&mut self, told: &[String], over: &[String], now_ms: i64) -> Result<()> {
        within_bounds(told.len() + over.len())?;
        self.write(|db| watch::tell(db, told, over, now_ms))
    }
}

/// Whether the store has this server's id; `false` where it has none yet.
fn belongs_to(db: &Connection, id: &str) -> Result<bool> {
    let found: Option<String> = db.query_row("SELECT id FROM server", [], |row| row.get(0)).optional()?;
    match found {
        Some(found) if found != id => Err(StoreError::OtherServer { found, wanted: id.to_owned() }),
        found => Ok(found.is_some()),
    }
}

/// The next value of a counter that outlives restarts: no value is given twice.
fn next_number(db: &Connection, counter: &str) -> Result<i64> {
    let value = db
        .prepare_cached("UPDATE counters SET value = value + 1 WHERE name = ?1 RETURNING value")?
        .query_row(params![counter], |row| row.get(0))?;
    Ok(value)
}

fn within_bounds(rows: usize) -> Result<()> {
    if rows > MAX_ROWS { Err(StoreError::TooMany { rows }) } else { Ok(()) }
}
