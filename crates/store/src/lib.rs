//! What the bridge remembers: the queue of dirty tickets, the links, cursors and an activity log.
//!
//! [`Store`] is about twenty verbs of the domain, each one transaction of at most
//! [`MAX_ROWS`] rows, so that a webhook never waits behind a bulk change. The verbs are plain
//! functions; [`StoreHandle`] decides where they run: on one writer thread in `serve`, inline in
//! the simulation, so that a seed decides everything.
//!
//! Guarantees: what a verb has answered `Ok` for is on disk. A verb that takes a [`Lease`] does
//! nothing and answers [`StoreError::LeaseLost`] unless the lease is still the row's own.
//! Assumption: one `serve` a store (a lock on the file keeps it so); the verbs of the command line
//! may write beside it.

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
    /// Another worker has the ticket now; what this one wanted to record is not recorded.
    #[error("the lease on this ticket was lost to another worker")]
    LeaseLost,
    /// Disk full, read-only file, corrupt page: the store's own words.
    #[error("the store cannot commit: {0}")]
    Unavailable(String),
    #[error("the store belongs to server id {found}, the configuration says {wanted}")]
    OtherServer { found: String, wanted: String },
    #[error("the store was written by a newer version of itop-bridge (schema {found}, this one knows {known})")]
    Newer { found: i64, known: i64 },
    #[error("another itop-bridge holds the store {0}")]
    Locked(String),
    /// A folder, another program's database, no database. It is left as it is.
    #[error("{0}")]
    NoStore(String),
    /// Pages of it cannot be read, or contradict each other. It is left as it is.
    #[error("the file is damaged: {0}")]
    Damaged(String),
    /// The pair's keys are unique. Not transient: the same call fails again.
    #[error("{reference} is linked already: link {link}")]
    AlreadyLinked { reference: String, link: i64 },
    /// Not this number, not of this lease's ticket, or, to be dropped, with a counterpart.
    #[error("there is no link {0} that could be changed so")]
    NoLink(i64),
    #[error("something is stored of an external {0} already")]
    KnownExternal(String),
    /// A mistake of the caller, who has to ask in portions.
    #[error("{rows} rows in one call; a transaction takes {max}", max = MAX_ROWS)]
    TooMany { rows: usize },
}

pub type Result<T> = std::result::Result<T, StoreError>;

/// A ticket of one external, as the queue and the links know it. An iTop's ticket ids are unique
/// over all its ticket classes.
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
    /// When it may be looked at, ms since the epoch. An earlier time that stands already is kept.
    pub due_ms: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    /// A ticket of an external, linked or not. `class` is the payload's word, not yet checked with
    /// iTop; it is needed only while there is no link.
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

/// A dirty ticket that a worker took.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    pub lease: Lease,
    /// The row's generation at the claim: `finish` clears the row only if it still is.
    pub generation: i64,
    pub class: Option<String>,
    pub look: Look,
    /// When the oldest hint that this row holds came.
    pub dirty_since_ms: i64,
    /// Failed passes in a row, and since when.
    pub attempts: u32,
    pub failing_since_ms: Option<i64>,
    /// What the last pass failed with, or what the ticket waited for.
    pub error: Option<String>,
    /// It is parked, and no hint and no operator has asked for it since.
    pub parked: bool,
    pub link: Option<(i64, Link)>,
}

/// What `finish` leaves in the queue.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// Nothing: the row goes, unless hints came meanwhile.
    Done,
    /// A second look at this time. Not a failure: attempts are reset.
    Look { due_ms: i64, look: Look },
    /// There was no pass: others' failures hold the ticket back, for this reason. It is as it was, and
    /// becomes due at this time. Shown is its own last error, where it has one.
    Wait { due_ms: i64, reason: String },
    /// The pass went well, but for parts that something before an iTop keeps from it (the link says which): they are
    /// tried again at this time. No failure of the ticket's: attempts are reset.
    Held { due_ms: i64, error: String, parked: bool, look: Look },
    /// The pass failed; it is tried again, at this time, with all that it had to look at, or with `look` where
    /// it got so far that it knows what is left.
    Retry { due_ms: i64, error: String, parked: bool, look: Option<Look> },
}

/// A row of the queue as an operator sees it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct QueueRow {
    pub of: TicketOf,
    /// As a hint called it; it is needed only while there is no link.
    pub class: Option<String>,
    pub due_ms: i64,
    pub dirty_since_ms: i64,
    /// Failed passes in a row. None where it only waits, or parts of it are kept back.
    pub attempts: u32,
    /// What the last pass failed with, or what the ticket waits for.
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

/// A link as an audit needs it, without the texts that were agreed on: those of one page together may be
/// hundreds of MiB, where descriptions hold images.
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
    /// When the first of the values that the inside refused is to be tried again.
    pub refused_again_at_ms: Option<i64>,
    pub halted: bool,
    /// It halted since one of its tickets was gone: that one may be there again.
    pub vanished: bool,
    /// It is still to be compared with an iTop that was restored from a backup.
    pub restored: bool,
    /// A date of it waits until the zone of a server, or how it prints dates, is known.
    pub waits_for_date: bool,
    pub state: LinkState,
}

impl Pair {
    /// The files that the bridge made on one side and that stand, as far as is known.
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
    /// Ended by an operator or because a ticket is gone for good: hints are ignored, nothing is
    /// written, and the external ticket is never linked again by itself.
    Ended,
}

/// One line of what the bridge did and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activity {
    pub at_ms: i64,
    pub text: String,
}

/// The cursor that says that a side halted since its iTop was restored from a backup: `resume` has its links compared
/// with what stands.
pub const WENT_BACK: &str = "went_back";

/// Whose cursor, and whose standstill: the internal side, or one external by name.
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

/// How much is stored of an external.
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
    /// Keeps the server's id at the first start, refuses another one later.
    fn adopt_server_id(&mut self, id: &str) -> Result<()>;

    /// Commits something: `Ok` says that the store can.
    fn probe(&mut self) -> Result<()>;

    /// Whether it was opened to look only: then nothing that was learnt on the way is kept, and nobody misses it.
    fn is_to_read(&self) -> bool {
        false
    }

    // ---- the queue -------------------------------------------------------------------------

    /// Marks tickets dirty: upserts the row, merges what to look at, keeps the earlier due time,
    /// bumps the generation. A parked ticket is due again. All marks share one transaction, so there
    /// are at most [`MAX_ROWS`] of them.
    /// A ticket whose link has ended is ignored.
    fn mark_dirty(&mut self, marks: &[DirtyMark], now_ms: i64) -> Result<Vec<Marked>>;

    /// Takes up to `limit` due rows of one external, oldest due first, that nobody has a live lease
    /// on; each with its link where there is one. Those that only a backfill wants come after all others.
    fn claim(&mut self, external: &str, limit: usize, now_ms: i64, lease_ms: i64) -> Result<Vec<Claim>>;

    /// Ends every lease, and says how many there were. Only for a start of `serve`: it holds the store
    /// alone, so whoever had a lease is dead, and what it had in hand need not wait for its time. The
    /// tokens stay what they were: should a holder live after all, its lease is lost with the next claim.
    fn expire_leases(&mut self, now_ms: i64) -> Result<usize>;

    /// Lets a lease last until then. A lease that ran out but was not taken by another is renewed.
    fn renew(&mut self, lease: &Lease, until_ms: i64) -> Result<()>;

    /// Ends a pass. What came meanwhile (another generation) stays in the row, merged with `next`,
    /// and is not parked. What a pass looked at counts as dirty no longer, unless it is tried again.
    fn finish(&mut self, claim: &Claim, next: &Next, now_ms: i64) -> Result<()>;

    /// When a row of one external can be claimed next: is due, and its lease, if there is one, has
    /// run out. So whoever waits for it also takes over what a crash left.
    fn next_due(&mut self, external: &str, now_ms: i64) -> Result<Option<i64>>;

    /// The rows of the queue, oldest hint first; at most `limit`.
    fn queue(&mut self, external: Option<&str>, limit: usize, now_ms: i64) -> Result<Vec<QueueRow>>;

    /// The rows of one external's tickets that have no link, after a ticket, in order; at most `limit`.
    fn unlinked(&mut self, external: &str, after: u64, limit: usize, now_ms: i64) -> Result<Vec<QueueRow>>;

    /// The row of one ticket; `None` where nothing waits to be looked at.
    fn queue_row(&mut self, of: &TicketOf, now_ms: i64) -> Result<Option<QueueRow>>;

    /// The lowest ticket of one external that waits because a hook said that it was created. Looks at the
    /// whole queue: for once, when the connection begins.
    fn lowest_created(&mut self, external: &str) -> Result<Option<u64>>;

    /// Makes every parked ticket, or one, due now; says how many. Every one is several transactions
    /// if need be.
    fn retry_parked(&mut self, of: Option<&TicketOf>, now_ms: i64) -> Result<usize>;

    /// Makes every ticket that waits for a later time due now, but for those that are parked; says how many. Several
    /// transactions if need be.
    fn hurry(&mut self, now_ms: i64) -> Result<usize>;

    // ---- links -----------------------------------------------------------------------------

    /// Stores a new link under a lease; answers its number. Refuses nothing else: the pair's keys
    /// are unique, and an existing link of either ticket is [`StoreError::AlreadyLinked`].
    fn insert_link(&mut self, lease: &Lease, link: &Link, did: &[Activity]) -> Result<i64>;

    /// Replaces a link under a lease, with lines for its activity log.
    fn save_link(&mut self, lease: &Lease, id: i64, link: &Link, did: &[Activity]) -> Result<()>;

    /// Stores a pair that stands in both iTops already, as marks or an operator say, without a lease, and marks
    /// its ticket dirty: what was not delivered follows. Whoever has the ticket loses its lease. A ticket that
    /// is linked is [`StoreError::AlreadyLinked`], but for a link that has ended where `over_ended` says so:
    /// then the external ticket's own is replaced, under its number, and another's lets go of the internal ticket.
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

    /// The highest internal ticket that is, or was, anybody's counterpart.
    fn highest_counterpart(&mut self) -> Result<Option<u64>>;

    /// Links after a number, in order; at most `limit`. `closed_after_ms` leaves out those closed,
    /// or ended, before.
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

    /// An operator's change to a link (a halt's end, an end): applied to the link as it is stored now,
    /// in one transaction, without a lease; marks the ticket dirty. A worker that has the ticket loses
    /// its lease, for it would put back the link that it read; nobody else gets the ticket before
    /// that lease has run out. An ended link's ticket leaves the queue.
    fn amend_link(
        &mut self,
        id: i64,
        amend: &dyn Fn(&mut Link, &mut LinkState),
        did: &Activity,
        now_ms: i64,
    ) -> Result<()>;

    /// Shrinks links of one external that were closed on both sides, or ended, before then ([`Link::shrink`]), and
    /// drops what their activity tells of the time before; says at how many it was. Few at a time, and at most
    /// [`MAX_ROWS`] rows: 0 when nothing is left to do. One of which anything is open keeps all. A link that is stored
    /// again counts anew.
    fn shrink_closed(&mut self, external: &str, closed_before_ms: i64, now_ms: i64) -> Result<usize>;

    /// A link's activity, newest first; at most `limit`, as for every list at most [`MAX_ROWS`].
    fn activity(&mut self, link: i64, limit: usize) -> Result<Vec<Activity>>;

    // ---- sweep and audit -------------------------------------------------------------------

    fn cursor(&mut self, instance: &Instance, name: &str) -> Result<Option<String>>;
    fn set_cursor(&mut self, instance: &Instance, name: &str, value: &str) -> Result<()>;
    /// All of them, or none.
    fn set_cursors(&mut self, cursors: &[(Instance, &str, &str)]) -> Result<()>;
    fn drop_cursor(&mut self, instance: &Instance, name: &str) -> Result<()>;

    // ---- a whole side ----------------------------------------------------------------------

    /// An instance or lane that stands still: paused by an operator, or halted, with the reason.
    fn stopped(&mut self, instance: &Instance) -> Result<Option<Stop>>;
    fn set_stopped(&mut self, instance: &Instance, stop: Option<&Stop>) -> Result<()>;

    /// It halts, and these of its cursors stand so: all of that, or nothing.
    fn halt(&mut self, instance: &Instance, stop: &Stop, cursors: &[(&str, &str)]) -> Result<()>;

    // ---- externals -------------------------------------------------------------------------

    /// Every external of which anything is stored, in the order of their names.
    fn externals(&mut self) -> Result<Vec<External>>;

    /// All that is stored of an external is stored under another name from then on: one transaction, whatever its
    /// size, so that no crash leaves half of it. Only while no `serve` works: nobody's hint waits behind it.
    /// [`StoreError::KnownExternal`] where anything is stored under the new name.
    fn rename_external(&mut self, old: &str, new: &str) -> Result<()>;

    /// Drops what is stored of an external but its links and these of its cursors: what waits, what stands still,
    /// cursors, counts of webhooks. One transaction, and only while no `serve` works.
    fn forget_external(&mut self, name: &str, kept: &[&str]) -> Result<()>;

    // ---- what an operator watches ------------------------------------------------------------

    /// How one external's tickets stand.
    fn tally(&mut self, external: &str) -> Result<Tally>;

    /// Tickets of one external that wait and have no counterpart yet: how many, by class. Those that are parked
    /// are counted as such, and one whose class nobody has told yet is left out.
    fn uncarried(&mut self, external: &str) -> Result<Vec<Uncarried>>;

    /// Those of one class after a ticket, in order; at most `limit`.
    fn uncarried_tickets(&mut self, external: &str, class: &str, after: u64, limit: usize) -> Result<Vec<u64>>;

    /// Tickets of one external that are parked; at most `limit`.
    fn parked(&mut self, external: &str, limit: usize) -> Result<Vec<Parked>>;

    /// Live pairs of one external that have halted, or one of whose logs has; at most `limit`.
    fn halted(&mut self, external: &str, limit: usize) -> Result<Vec<Halted>>;

    /// Live pairs of one external of which something is wrong: halted, in conflict, parked, or waiting with an error;
    /// after a number, in order; at most `limit`.
    fn troubled(&mut self, external: &str, after: i64, limit: usize) -> Result<Vec<Stored>>;

    /// Whether a `serve` works on this store now; `None` where nobody can tell.
    fn is_served(&mut self) -> Result<Option<bool>>;

    /// Adds webhooks that came to those that came before.
    fn count_hooks(&mut self, came: &[HookCount]) -> Result<()>;

    /// The webhooks that came, by side and kind.
    fn hooks(&mut self) -> Result<Vec<HookCount>>;

    /// What alerts have told and is not over.
    fn told(&mut self) -> Result<Vec<String>>;

    /// An alert has told the ones; the others are over, and would be told again.
    fn tell(&mut self, told: &[String], over: &[String], now_ms: i64) -> Result<()>;
}
