//! The bridge's memory: the queue of dirty tickets, the links, cursors and an activity log.
//!
//! [`Store`] is a set of domain verbs, each one transaction of at most [`MAX_ROWS`] rows unless it says otherwise, so
//! that a webhook never waits behind a bulk change. The verbs are plain functions; [`StoreHandle`] decides where they
//! run: on one writer thread in `serve`, inline in the simulation, so that a seed decides everything.
//!
//! Guarantees: a verb answered with `Ok` is on disk. A verb that takes a [`Lease`] does nothing and answers
//! [`StoreError::LeaseLost`] unless the row still has that lease. Assumption: one `serve` per store (enforced by a
//! lock on a file); the verbs of the command line may write beside it.

mod dirtied;
mod error;
mod handle;
mod instance;
mod links;
mod look;
mod queue;
mod row;
mod sqlite;
mod stop;
mod watch;

use itop_bridge_core::Link;

pub use error::{Result, StoreError};
pub use handle::StoreHandle;
pub use instance::{External, Instance, WENT_BACK};
pub use links::{Activity, LinkState, Pair, Stored};
pub use look::Look;
pub use queue::{About, Claim, DirtyMark, Lease, Marked, Next, QueueRow, TicketOf};
pub use sqlite::{CommitGate, SqliteStore};
pub use stop::{LINKS_REBUILD, Stop};
pub use watch::{Halted, HookCount, Parked, Tally, Uncarried};

/// The most rows that one transaction touches.
pub const MAX_ROWS: usize = 200;

/// The store's verbs. All times are passed in, in ms since the epoch: a store has no clock.
pub trait Store: Send {
    /// Stores the server's id at the first start, and refuses another one later.
    fn adopt_server_id(&mut self, id: &str) -> Result<()>;

    /// Commits something: `Ok` means that the store can.
    fn probe(&mut self) -> Result<()>;

    /// Whether it was opened only for reading: then nothing learnt on the way is kept, nor needed later.
    fn is_to_read(&self) -> bool {
        false
    }

    // ---- the queue -------------------------------------------------------------------------

    /// Marks tickets dirty: upserts the row, merges the look, keeps the earlier due time, bumps the generation. A
    /// parked ticket is due again. All marks share one transaction, so there are at most [`MAX_ROWS`] of them. A
    /// ticket whose link has ended is ignored.
    fn mark_dirty(&mut self, marks: &[DirtyMark], now_ms: i64) -> Result<Vec<Marked>>;

    /// Claims up to `limit` due rows of one external without a live lease, oldest due first; each with its link where
    /// there is one. Rows that only a backfill wants come last.
    fn claim(&mut self, external: &str, limit: usize, now_ms: i64, lease_ms: i64) -> Result<Vec<Claim>>;

    /// Ends every lease, and returns how many there were. Only for a start of `serve`: it holds the store alone, so
    /// every lease holder is dead, and its tickets need not wait for the lease to run out. The tokens stay: if a
    /// holder lives after all, its lease is lost with the next claim.
    fn expire_leases(&mut self, now_ms: i64) -> Result<usize>;

    /// Extends a lease to this time. A lease that ran out but was not taken by another is renewed.
    fn renew(&mut self, lease: &Lease, until_ms: i64) -> Result<()>;

    /// Ends a pass. Hints that came meanwhile (another generation) stay in the row, merged with `next`, and are not
    /// parked. What the pass has read no longer counts as dirty, unless it is tried again.
    fn finish(&mut self, claim: &Claim, next: &Next, now_ms: i64) -> Result<()>;

    /// When a row of one external can next be claimed: it is due, and its lease, if any, has run out. So a worker
    /// that waits for it also takes over what a crash left.
    fn next_due(&mut self, external: &str, now_ms: i64) -> Result<Option<i64>>;

    /// The rows of the queue, oldest hint first; at most `limit`.
    fn queue(&mut self, external: Option<&str>, limit: usize, now_ms: i64) -> Result<Vec<QueueRow>>;

    /// The rows of one external's tickets that have no link, after a ticket, in order; at most `limit`.
    fn unlinked(&mut self, external: &str, after: u64, limit: usize, now_ms: i64) -> Result<Vec<QueueRow>>;

    /// The row of one ticket; `None` where it is not in the queue.
    fn queue_row(&mut self, of: &TicketOf, now_ms: i64) -> Result<Option<QueueRow>>;

    /// The lowest queued ticket of one external for which a webhook reported a creation. Scans the whole queue: meant
    /// to be called once, when the connection begins.
    fn lowest_created(&mut self, external: &str) -> Result<Option<u64>>;

    /// Makes every parked ticket, or one, due now; returns how many. For all tickets this takes several transactions
    /// if need be.
    fn retry_parked(&mut self, of: Option<&TicketOf>, now_ms: i64) -> Result<usize>;

    /// Makes every ticket that waits for a later time due now, except parked ones; returns how many. Several
    /// transactions if need be.
    fn hurry(&mut self, now_ms: i64) -> Result<usize>;

    // ---- links -----------------------------------------------------------------------------

    /// Stores a new link under a lease; returns its number. The pair's keys are unique: an existing link of either
    /// ticket is [`StoreError::AlreadyLinked`].
    fn insert_link(&mut self, lease: &Lease, link: &Link, did: &[Activity]) -> Result<i64>;

    /// Replaces a link under a lease, with lines for its activity log.
    fn save_link(&mut self, lease: &Lease, id: i64, link: &Link, did: &[Activity]) -> Result<()>;

    /// Stores, without a lease, a pair that already exists in both iTops, as marks or an operator say, and marks its
    /// ticket dirty, so that undelivered parts follow. A worker that has the ticket loses its lease. A linked ticket
    /// is [`StoreError::AlreadyLinked`], except that `over_ended` lets an ended link give way: the external ticket's
    /// own is replaced, under its number, and another's releases the internal ticket.
    fn adopt_link(
        &mut self,
        external: &str,
        link: &Link,
        over_ended: bool,
        did: &[Activity],
        now_ms: i64,
    ) -> Result<i64>;

    /// Removes a link that never got a counterpart.
    fn drop_link_without_counterpart(&mut self, lease: &Lease, id: i64) -> Result<()>;

    fn link(&mut self, id: i64) -> Result<Option<Stored>>;
    fn link_of_external(&mut self, of: &TicketOf) -> Result<Option<Stored>>;
    fn link_of_internal(&mut self, ticket: u64) -> Result<Option<Stored>>;

    /// The highest internal ticket that is, or was, any link's counterpart.
    fn highest_counterpart(&mut self) -> Result<Option<u64>>;

    /// Links after a number, in order; at most `limit`. `closed_after_ms` leaves out links closed, or ended, before
    /// it.
    fn links(
        &mut self,
        external: Option<&str>,
        after: i64,
        limit: usize,
        closed_after_ms: Option<i64>,
    ) -> Result<Vec<Stored>>;

    /// The same links, each without its texts. They are read one at a time.
    fn pairs(
        &mut self,
        external: Option<&str>,
        after: i64,
        limit: usize,
        closed_after_ms: Option<i64>,
    ) -> Result<Vec<Pair>>;

    /// An operator's change to a link (ending a halt, ending the pair): applied to the link as it is stored now, in
    /// one transaction, without a lease; marks the ticket dirty. A worker that has the ticket loses its lease,
    /// because it would put back the link that it read; nobody else gets the ticket before that lease has run out. An
    /// ended link's ticket leaves the queue.
    fn amend_link(
        &mut self,
        id: i64,
        amend: &dyn Fn(&mut Link, &mut LinkState),
        did: &Activity,
        now_ms: i64,
    ) -> Result<()>;

    /// Shrinks links of one external that were closed on both sides, or ended, before that time ([`Link::shrink`]),
    /// and drops their earlier activity; returns the number of links handled. Few at a time, and at most [`MAX_ROWS`]
    /// rows: 0 when nothing is left to do. A link with anything open keeps everything. A link that is saved again
    /// counts again.
    fn shrink_closed(&mut self, external: &str, closed_before_ms: i64, now_ms: i64) -> Result<usize>;

    /// A link's activity, newest first; at most `limit`, as for every list at most [`MAX_ROWS`].
    fn activity(&mut self, link: i64, limit: usize) -> Result<Vec<Activity>>;

    // ---- sweep and audit -------------------------------------------------------------------

    fn cursor(&mut self, instance: &Instance, name: &str) -> Result<Option<String>>;
    fn set_cursor(&mut self, instance: &Instance, name: &str, value: &str) -> Result<()>;
    /// Sets all of them, or none.
    fn set_cursors(&mut self, cursors: &[(Instance, &str, &str)]) -> Result<()>;
    fn drop_cursor(&mut self, instance: &Instance, name: &str) -> Result<()>;

    // ---- a whole side ----------------------------------------------------------------------

    /// The stop of an instance: paused by an operator, or halted, with the reason.
    fn stopped(&mut self, instance: &Instance) -> Result<Option<Stop>>;
    fn set_stopped(&mut self, instance: &Instance, stop: Option<&Stop>) -> Result<()>;

    /// Halts the instance and sets these of its cursors: all of that, or nothing.
    fn halt(&mut self, instance: &Instance, stop: &Stop, cursors: &[(&str, &str)]) -> Result<()>;

    // ---- externals -------------------------------------------------------------------------

    /// Every external for which anything is stored, ordered by name.
    fn externals(&mut self) -> Result<Vec<External>>;

    /// Moves everything stored for an external to another name: one transaction, whatever its size, so that no crash
    /// leaves half of it. Only while no `serve` works: no hint waits behind it. [`StoreError::KnownExternal`] if
    /// anything is stored under the new name.
    fn rename_external(&mut self, old: &str, new: &str) -> Result<()>;

    /// Drops everything stored for an external except its links and these of its cursors: queue rows, stops, cursors,
    /// counts of webhooks. One transaction, and only while no `serve` works.
    fn forget_external(&mut self, name: &str, kept: &[&str]) -> Result<()>;

    // ---- what an operator watches ------------------------------------------------------------

    /// The numbers of one external's tickets.
    fn tally(&mut self, external: &str) -> Result<Tally>;

    /// Waiting tickets of one external that have no counterpart yet, counted per class. Parked tickets, and those
    /// whose class is not known yet, are left out.
    fn uncarried(&mut self, external: &str) -> Result<Vec<Uncarried>>;

    /// Such tickets of one class after a ticket, in order; at most `limit`.
    fn uncarried_tickets(&mut self, external: &str, class: &str, after: u64, limit: usize) -> Result<Vec<u64>>;

    /// Parked tickets of one external; at most `limit`.
    fn parked(&mut self, external: &str, limit: usize) -> Result<Vec<Parked>>;

    /// Live pairs of one external that have halted, or one of whose logs has; at most `limit`.
    fn halted(&mut self, external: &str, limit: usize) -> Result<Vec<Halted>>;

    /// Live pairs of one external with a problem: halted, in conflict, parked, or waiting with an error; after a
    /// number, in order; at most `limit`.
    fn troubled(&mut self, external: &str, after: i64, limit: usize) -> Result<Vec<Stored>>;

    /// Whether a `serve` works on this store now; `None` where that cannot be told.
    fn is_served(&mut self) -> Result<Option<bool>>;

    /// Adds newly received webhooks to the counts.
    fn count_hooks(&mut self, came: &[HookCount]) -> Result<()>;

    /// The counts of received webhooks, by side and kind.
    fn hooks(&mut self) -> Result<Vec<HookCount>>;

    /// The subjects of alerts that were sent and are not over.
    fn told(&mut self) -> Result<Vec<String>>;

    /// Records that alerts were sent for `told`; subjects in `over` have ended, and would be alerted again.
    fn tell(&mut self, told: &[String], over: &[String], now_ms: i64) -> Result<()>;
}
