//! The backends that the suite runs on.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use futures_util::FutureExt as _;
use itop_bridge_core::Link;
use itop_bridge_store::*;

use crate::fixtures::hint;

pub trait Backend {
    fn empty() -> impl Store + 'static;
}

pub struct Memory;

impl Backend for Memory {
    fn empty() -> impl Store + 'static {
        SqliteStore::open_in_memory().unwrap()
    }
}

/// A file that is closed and opened again before every verb: whatever was answered `Ok` must be in
/// the file, and nothing may live in the process alone.
pub struct ReopenedFile;

impl Backend for ReopenedFile {
    fn empty() -> impl Store + 'static {
        Reopening(Folder::new())
    }
}

/// A folder that goes when the test ends.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Folder {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("store-{}-{number}", std::process::id());
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        // What a killed run with the same process id has left.
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        Folder(folder)
    }

    pub fn path(&self, file: &str) -> PathBuf {
        self.0.join(file)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

struct Reopening(Folder);

/// Writes a store whose verbs run on another one, which an expression gives for each verb.
macro_rules! delegate {
    ($store:ty, $this:ident => $inner:expr) => {
        delegate! {
            verbs $store, $this => $inner;
            adopt_server_id(id: &str) -> ();
            probe() -> ();
            mark_dirty(marks: &[DirtyMark], now_ms: i64) -> Vec<Marked>;
            claim(external: &str, limit: usize, now_ms: i64, lease_ms: i64) -> Vec<Claim>;
            expire_leases(now_ms: i64) -> usize;
            renew(lease: &Lease, until_ms: i64) -> ();
            finish(claim: &Claim, next: &Next, now_ms: i64) -> ();
            next_due(external: &str, now_ms: i64) -> Option<i64>;
            queue(external: Option<&str>, limit: usize, now_ms: i64) -> Vec<QueueRow>;
            unlinked(external: &str, after: u64, limit: usize, now_ms: i64) -> Vec<QueueRow>;
            queue_row(of: &TicketOf, now_ms: i64) -> Option<QueueRow>;
            lowest_created(external: &str) -> Option<u64>;
            retry_parked(of: Option<&TicketOf>, now_ms: i64) -> usize;
            hurry(now_ms: i64) -> usize;
            insert_link(lease: &Lease, link: &Link, did: &[Activity]) -> i64;
            save_link(lease: &Lease, id: i64, link: &Link, did: &[Activity]) -> ();
            adopt_link(external: &str, link: &Link, over_ended: bool, did: &[Activity], now_ms: i64) -> i64;
            drop_link_without_counterpart(lease: &Lease, id: i64) -> ();
            link(id: i64) -> Option<Stored>;
            link_of_external(of: &TicketOf) -> Option<Stored>;
            link_of_internal(ticket: u64) -> Option<Stored>;
            highest_counterpart() -> Option<u64>;
            links(external: Option<&str>, after: i64, limit: usize, closed_after_ms: Option<i64>) -> Vec<Stored>;
            pairs(external: Option<&str>, after: i64, limit: usize, closed_after_ms: Option<i64>) -> Vec<Pair>;
            amend_link(id: i64, amend: &dyn Fn(&mut Link, &mut LinkState), did: &Activity, now_ms: i64) -> ();
            shrink_closed(external: &str, closed_before_ms: i64, now_ms: i64) -> usize;
            activity(link: i64, limit: usize) -> Vec<Activity>;
            cursor(instance: &Instance, name: &str) -> Option<String>;
            set_cursor(instance: &Instance, name: &str, value: &str) -> ();
            set_cursors(cursors: &[(Instance, &str, &str)]) -> ();
            drop_cursor(instance: &Instance, name: &str) -> ();
            externals() -> Vec<External>;
            rename_external(old: &str, new: &str) -> ();
            forget_external(name: &str, kept: &[&str]) -> ();
            stopped(instance: &Instance) -> Option<Stop>;
            set_stopped(instance: &Instance, stop: Option<&Stop>) -> ();
            halt(instance: &Instance, stop: &Stop, cursors: &[(&str, &str)]) -> ();
            tally(external: &str) -> Tally;
            uncarried(external: &str) -> Vec<Uncarried>;
            uncarried_tickets(external: &str, class: &str, after: u64, limit: usize) -> Vec<u64>;
            parked(external: &str, limit: usize) -> Vec<Parked>;
            halted(external: &str, limit: usize) -> Vec<Halted>;
            troubled(external: &str, after: i64, limit: usize) -> Vec<Stored>;
            is_served() -> Option<bool>;
            count_hooks(came: &[HookCount]) -> ();
            hooks() -> Vec<HookCount>;
            told() -> Vec<String>;
            tell(told: &[String], over: &[String], now_ms: i64) -> ();
        }
    };
    (verbs $store:ty, $this:ident => $inner:expr; $($verb:ident($($name:ident: $type:ty),*) -> $answer:ty;)*) => {
        impl Store for $store {
            $(fn $verb(&mut self, $($name: $type),*) -> Result<$answer> {
                let $this = self;
                $inner.$verb($($name),*)
            })*
        }
    };
}

delegate!(Reopening, this => SqliteStore::open_exclusive(this.0.path("store.db"))?);

/// A store at which one more hint waits whenever a verb begins: its writer never runs out of them.
pub struct NeverIdle {
    store: SqliteStore,
    handle: Arc<OnceLock<StoreHandle>>,
}

impl NeverIdle {
    pub fn on_a_thread() -> StoreHandle {
        let own = Arc::new(OnceLock::new());
        let store = SqliteStore::open_in_memory().unwrap();
        let handle = StoreHandle::thread(NeverIdle { store, handle: Arc::clone(&own) });
        own.set(handle.clone()).ok().unwrap();
        handle
    }

    fn one_more_hint(&self) {
        let Some(handle) = self.handle.get() else { return };
        // The first poll puts it in the queue; nobody waits for the answer.
        assert!(handle.mark_dirty(vec![hint(7, 0)], 0).now_or_never().is_none());
    }
}

delegate!(NeverIdle, this => {
    this.one_more_hint();
    &mut this.store
});
