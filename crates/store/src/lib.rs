//! The bridge's memory: the queue of dirty tickets, the links, cursors and an activity log.
//!
//! [`Store`] is a set of domain verbs, each one transaction of at most [`MAX_ROWS`] rows unless it says otherwise, so
//! that a webhook never waits behind a bulk change. The verbs are plain functions; [`StoreHandle`] decides where they
//! run: on one writer thread in `serve`, inline in the simulation, so that a seed decides everything.
//!
//! Guarantees: a verb answered with `Ok` is on disk. A verb that takes a [`Lease`] does nothing and answers
//! [`StoreError::LeaseLost`] unless the row still has that lease. Assumption: one `serve` per store (enforced by a
//! lock on a file); the verbs of the command line may write beside it.

use itop_bridge_core::link::{CopyState, kept_on};
use itop_bridge_core::{Link, Side, TicketKey};
use serde::{Deserialize, Serialize};

mod dirtied;
mod handle;
mod look;
mod row;
mod sqlite;
mod stop;
mod watch;

pub use handle::StoreHandle;
pub use look::Look;
pub use sqlite::{Commits, SqliteStore};
pub use stop::{LINKS_REBUILD, Stop};
pub use watch::{Halted, HookCount, Parked, Tally, Uncarried};

/// The most rows that one transaction touches.
pub const MAX_ROWS: usize = 200;

#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// Another worker has the ticket now; this one's result was not recorded.
    #[error("the lease on this ticket was lost to another worker")]
    LeaseLost,
    /// Disk full, read-only file, corrupt page: in the store's own words.
    #[error("the store cannot commit: {0}")]
    Unavailable(String),
    #[error("the store belongs to server id {found}, the configuration says {wanted}")]
    OtherServer { found: String, wanted: String },
    #[error("the store was written by a newer version of itop-bridge (schema {found}, this one knows {known})")]
    Newer { found: i64, known: i64 },
    #[error("another itop-bridge holds the store {0}")]
    Locked(String),
    /// A folder, another program's database, or no database. It is left as it is.
    #[error("{0}")]
    NoStore(String),
    /// Pages cannot be read, or contradict each other. The file is left as it is.
    #[error("the file is damaged: {0}")]
    Damaged(String),
    /// The pair's keys are unique. Not transient: the same call fails again.
    #[error("{reference} is linked already: link {link}")]
    AlreadyLinked { reference: String, link: i64 },
    /// No link has this number, it is not the lease's ticket's, or it cannot be dropped because it has a counterpart.
    #[error("there is no link {0} that could be changed so")]
    NoLink(i64),
    #[error("something is stored of an external {0} already")]
    KnownExternal(String),
    /// A mistake of the caller, who has to ask in portions.
    #[error("{rows} rows in one call; a transaction takes {max}", max = MAX_ROWS)]
    TooMany { rows: usize },
}

pub type Result<T> = std::result::Result<T, StoreError>;

/// A ticket of one external, as the queue and the links know it. An iTop's ticket ids are unique across all its
/// ticket classes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TicketOf {
    /// The external's name.
    pub external: String,
    /// The external ticket's id.
    pub ticket: u64,
}

/// A hint that a ticket may have changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirtyMark {
    pub about: About,
    pub look: Look,
    /// When a pass may read it, ms since the epoch. An earlier time that is already set is kept.
    pub due_ms: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    /// A ticket of an external, linked or not. `class` comes from the payload and is not yet checked with iTop; it is
    /// needed only while there is no link.
    External { of: TicketOf, class: Option<String> },
    /// A ticket of the internal side: found by its link, ignored without one.
    Internal { ticket: u64 },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Marked {
    Accepted,
    /// Nothing was written, for this reason.
    Ignored(&'static str),
}

/// The right to work on one ticket until `until_ms`, with a fencing token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    pub of: TicketOf,
    pub token: i64,
    pub until_ms: i64,
}

/// A dirty ticket that a worker has claimed.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    pub lease: Lease,
    /// The row's generation at the claim: `finish` clears the row only if it is unchanged.
    pub generation: i64,
    pub class: Option<String>,
    pub look: Look,
    /// When the oldest hint in this row came.
    pub dirty_since_ms: i64,
    /// Consecutive failed passes, and the time of the first.
    pub attempts: u32,
    pub failing_since_ms: Option<i64>,
    /// Why the last pass failed, or what the ticket waited for.
    pub error: Option<String>,
    /// The ticket is parked, and neither a hint nor an operator has asked for it since.
    pub parked: bool,
    pub link: Option<(i64, Link)>,
}

/// The row's next state in the queue, for `finish`.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// Nothing: the row goes, unless hints came meanwhile.
    Done,
    /// A recheck at this time. Not a failure: attempts are reset.
    Look { due_ms: i64, look: Look },
    /// There was no pass: others' failures hold the ticket back, for this reason. The row stays as it was, and
    /// becomes due at this time. Its own last error is shown, if it has one.
    Wait { due_ms: i64, reason: String },
    /// The pass went well, except for parts that something in front of an iTop rejects (listed in the link): they are
    /// tried again at this time. Not a failure of the ticket: attempts are reset.
    Held { due_ms: i64, error: String, parked: bool, look: Look },
    /// The pass failed; it is tried again at this time with everything that it had to read, or with `look` if it got
    /// far enough to know what is left.
    Retry { due_ms: i64, error: String, parked: bool, look: Option<Look> },
}

/// A row of the queue as an operator sees it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct QueueRow {
    pub of: TicketOf,
    /// The class that a hint named; needed only while there is no link.
    pub class: Option<String>,
    pub due_ms: i64,
    pub dirty_since_ms: i64,
    /// Consecutive failed passes. Zero if the ticket only waits, or parts of it are kept back.
    pub attempts: u32,
    /// Why the last pass failed, or what the ticket waits for.
    pub error: Option<String>,
    pub parked: bool,
    pub leased: bool,
}

/// A link as lists show it.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    pub id: i64,
    pub external_name: String,
    pub link: Link,
    pub state: LinkState,
    /// Since when both sides are closed, or the pair has ended, ms since the epoch.
    pub closed_since_ms: Option<i64>,
}

/// A link as an audit needs it, without the agreed texts: those of one page of links may be hundreds of MiB, where
/// descriptions hold images.
#[derive(Debug, Clone, PartialEq)]
pub struct Pair {
    pub id: i64,
    pub external_name: String,
    pub external: TicketKey,
    pub internal: Option<TicketKey>,
    pub copies: Vec<itop_bridge_core::link::Copy>,
    pub documents: Vec<itop_bridge_core::document::Document>,
    pub enclosures: Vec<itop_bridge_core::link::Enclosure>,
    pub logs: Vec<itop_bridge_core::caselog::LogState>,
    /// When the first refused value is to be tried again.
    pub refused_again_at_ms: Option<i64>,
    pub halted: bool,
    /// It halted because one of its tickets was gone; that ticket may be there again.
    pub vanished: bool,
    /// It is still to be compared with an iTop that was restored from a backup.
    pub restored: bool,
    /// One of its dates waits until a server's time zone, or its date format, is known.
    pub waits_for_date: bool,
    pub state: LinkState,
}

impl Pair {
    /// The files that the bridge made on one side and that still exist, as far as is known.
    pub fn standing_on(&self, side: Side) -> impl Iterator<Item = u64> {
        let of_logs = self.logs.iter().filter(move |log| log.from == side.other()).flat_map(|log| &log.files);
        let kept = kept_on(side, &self.copies, &self.documents, &self.enclosures);
        kept.filter_map(CopyState::standing).chain(of_logs.copied())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LinkState {
    Live,
    /// Ended by an operator or because a ticket is gone for good: hints are ignored, nothing is written, and the
    /// external ticket is never linked again automatically.
    Ended,
}

/// One line of the record of the bridge's actions and their reasons.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activity {
    pub at_ms: i64,
    pub text: String,
}

/// The cursor of a side that halted because its iTop was restored from a backup: `resume` then has its links compared
/// with what stands.
pub const WENT_BACK: &str = "went_back";

/// The owner of a cursor or a stop: the internal side, or one external by name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Instance {
    Internal,
    External(String),
}

impl Instance {
    pub fn key(&self) -> String {
        match self {
            Instance::Internal => "internal".to_owned(),
            Instance::External(name) => format!("external.{name}"),
        }
    }

    pub fn side(&self) -> Side {
        match self {
            Instance::Internal => Side::Internal,
            Instance::External(_) => Side::External,
        }
    }
}

/// How much is stored for an external.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct External {
    pub name: String,
    pub live: u64,
    pub ended: u64,
    /// Tickets in the queue.
    pub waiting: u64,
}

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
    fn drop_unborn_link(&mut self, lease: &Lease, id: i64) -> Result<()>;

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
