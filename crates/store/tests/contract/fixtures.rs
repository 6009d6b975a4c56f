//! Short names for what the tests store.

use std::sync::atomic::{AtomicU64, Ordering};

use itop_bridge_core::{FileContent, Link, Side, TicketKey, link};
use itop_bridge_store::{
    About, Activity, Claim, CommitGate, DirtyMark, Lease, Look, Next, QueueRow, Result, Store, TicketOf,
};

pub const LEASE_MS: i64 = 60_000;

pub fn acme(ticket: u64) -> TicketOf {
    TicketOf { external: "acme".to_owned(), ticket }
}

pub fn key(id: u64) -> TicketKey {
    TicketKey { class: "UserRequest".to_owned(), id, reference: format!("R-{id:06}") }
}

/// A hint about a ticket of acme, due at that time.
pub fn hint(ticket: u64, due_ms: i64) -> DirtyMark {
    about(acme(ticket), due_ms)
}

pub fn about(of: TicketOf, due_ms: i64) -> DirtyMark {
    DirtyMark { about: About::External { of, class: None }, look: Look::ticket(), due_ms }
}

pub fn internal_hint(ticket: u64) -> DirtyMark {
    DirtyMark { about: About::Internal { ticket }, look: Look::ticket(), due_ms: 0 }
}

pub fn attachments(ids: &[u64]) -> Look {
    Look { external_attachments: ids.iter().copied().collect(), ..Look::default() }
}

pub fn without_counterpart(ticket: u64) -> Link {
    Link::without_counterpart(key(ticket))
}

pub fn pair(external: u64, internal: u64) -> Link {
    Link { internal: Some(key(internal)), ..without_counterpart(external) }
}

/// With a text long enough to be dropped.
pub fn closed_pair(external: u64, internal: u64) -> Link {
    let text = "<p>it does not print</p>".repeat(9);
    let mut link = pair(external, internal);
    link.field_agreed("description", &text, &text);
    with_statuses(link, "closed", "closed")
}

pub fn is_shrunk(link: &Link) -> bool {
    link.ancestor.external.fields["description"].starts_with("sha256:")
}

pub fn copy(original: u64) -> link::Copy {
    let content = FileContent { hash: "00".to_owned(), name: "a.txt".to_owned(), mimetype: "text/plain".to_owned() };
    let state = link::CopyState::Stands(original * 10);
    link::Copy {
        from: Side::External,
        original,
        content,
        state,
        missing_since_ms: None,
        substituted: false,
        taken_over: false,
        original_due: false,
    }
}

pub fn with_statuses(mut link: Link, external: &str, internal: &str) -> Link {
    link.ancestor.external.status = external.to_owned();
    link.ancestor.internal.status = internal.to_owned();
    link
}

pub fn did(at_ms: i64, text: &str) -> Activity {
    Activity::in_words(at_ms, text)
}

pub fn failed(due_ms: i64, parked: bool) -> Next {
    Next::Retry { due_ms, error: "refused".to_owned(), parked, look: None }
}

pub fn waits(due_ms: i64) -> Next {
    Next::Wait { due_ms, reason: "others are refused".to_owned() }
}

/// Marks a ticket of acme dirty, due now, and claims it.
pub fn work_on(store: &mut dyn Store, ticket: u64, now_ms: i64) -> Claim {
    store.mark_dirty(&[hint(ticket, now_ms)], now_ms).unwrap();
    claim_one(store, now_ms)
}

/// Claims all that is due of acme, which must be one ticket.
pub fn claim_one(store: &mut dyn Store, now_ms: i64) -> Claim {
    let mut claims = store.claim("acme", 10, now_ms, LEASE_MS).unwrap();
    assert_eq!(claims.len(), 1, "one ticket is due: {claims:?}");
    claims.remove(0)
}

/// Tickets of acme that are due, in the order of the claim. Their leases run out at once.
pub fn due(store: &mut dyn Store, now_ms: i64) -> Vec<u64> {
    let claims = store.claim("acme", 100, now_ms, 0).unwrap();
    claims.into_iter().map(|claim| claim.lease.of.ticket).collect()
}

/// Stores a link for a ticket of acme, and leaves the queue empty.
pub fn linked(store: &mut dyn Store, link: &Link) -> i64 {
    let claim = work_on(store, link.external.id, 0);
    let id = store.insert_link(&claim.lease, link, &[]).unwrap();
    store.finish(&claim, &Next::Done, 0).unwrap();
    id
}

/// The whole queue.
pub fn queue(store: &mut dyn Store, now_ms: i64) -> Vec<QueueRow> {
    store.queue(None, 100, now_ms).unwrap()
}

pub fn stale(lease: &Lease) -> Lease {
    Lease { token: lease.token - 1, ..lease.clone() }
}

/// Counts commits, and refuses none.
#[derive(Default)]
pub struct Counted(AtomicU64);

impl Counted {
    pub fn made(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl CommitGate for Counted {
    fn may_commit(&self) -> Result<()> {
        Ok(())
    }

    fn committed(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}
