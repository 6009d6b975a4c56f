//! The waits of the bridge in one place, so that a test or `demo` can shorten them together. Not here: a side's own
//! `timeout_seconds` and `settle_seconds` (the configuration), and bounds that no test shortens, which stand beside
//! their use.

const SECOND_MS: i64 = 1_000;
const MINUTE_MS: i64 = 60 * SECOND_MS;
const HOUR_MS: i64 = 60 * MINUTE_MS;

/// All waits, in milliseconds unless the name says otherwise. `serve` uses `Default`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timing {
    /// A ticket becomes due this long after its first hint: hints in between share the pass.
    pub coalesce_ms: i64,
    /// How often a worker checks the queue when nothing wakes it.
    pub poll_ms: i64,
    /// How long a worker may hold a ticket without renewing the lease.
    pub lease_ms: i64,
    /// A call starts only while its lease outlives the call's time-out by this.
    pub call_margin_ms: i64,
    /// A named attachment that is unchanged is rechecked after these: the delete hook comes before the deletion.
    pub second_looks_ms: [i64; 2],
    /// A missing file counts as deleted if it is still missing after this.
    pub file_missing_ms: i64,
    /// The same for the last original of a ticket: the ticket may be about to go too, and one hook of its deletion can
    /// delay that for 125 s.
    pub last_file_missing_ms: i64,
    /// A new entry of a ticket with a parent outside any pair crosses if, after this, the parent's log lacks it and no
    /// other child has received it: iTop saves the children first, one after the other, and a hook of each can delay
    /// the next save for 125 s.
    pub parent_ms: i64,
    /// A write without an answer may take effect until this long after it was sent. The default of `settle_seconds`; a
    /// side's own value takes precedence.
    pub settle_ms: i64,
    /// The default of `sweep_seconds`; an external's own value takes precedence.
    pub sweep_ms: i64,
    /// The default of `audit_seconds`; an external's own value takes precedence.
    pub audit_ms: i64,
    /// A pair closed on both sides for longer than this keeps only fingerprints of its long texts: `keep_closed_days`.
    pub keep_closed_ms: i64,
    /// How often a side that is down, or a suspended write, is tried.
    pub probe_ms: i64,
    /// How often alerts are checked.
    pub watch_ms: i64,
    /// Tickets that are refused with the same text within this time count as having the same cause.
    pub refused_together_ms: i64,
    /// How long a ticket that alone is refused is retried before it is parked.
    pub park_after_ms: i64,
    /// How long a picture may be unreadable, while its iTop answers otherwise, before words replace it.
    pub unreadable_after_ms: i64,
    /// When a parked ticket is retried by itself; the last wait repeats.
    pub parked_retries_ms: [i64; 3],
    /// The wait after the first failed pass; it doubles with each further one …
    pub backoff_first_ms: i64,
    /// … up to this.
    pub backoff_max_ms: i64,
    /// The longest wait between two tries of a kept-back part, until it is parked.
    pub kept_back_max_ms: i64,
    /// A read older than this when the ticket's first write starts is repeated.
    pub stale_read_ms: i64,
    /// A `last_update` counts as seen if a pass read it at least this long after it first appeared: iTop's times are
    /// whole seconds, and a second change may hide in the same one.
    pub seen_settle_ms: i64,
    /// How far a sweep reaches back from its cursor, in seconds of the server's clock: an hour repeats when summer time
    /// ends.
    pub cursor_overlap_seconds: i64,
    /// How many attachment ids a sweep reaches back: ids become visible out of order.
    pub attachment_overlap_ids: u64,
    /// A webhook is answered within this, with 503 if its commit is not on disk by then: a person's save in iTop waits
    /// for it.
    pub hook_commit_ms: i64,
    /// A client that has not sent its whole request by then is cut off.
    pub request_read_ms: i64,
    /// How long work under way may take to end at a shutdown.
    pub shutdown_ms: i64,
}

impl Default for Timing {
    fn default() -> Timing {
        Timing {
            coalesce_ms: 150,
            poll_ms: SECOND_MS,
            lease_ms: 2 * MINUTE_MS,
            call_margin_ms: 10 * SECOND_MS,
            second_looks_ms: [2 * SECOND_MS, 30 * SECOND_MS],
            file_missing_ms: 10 * SECOND_MS,
            last_file_missing_ms: 150 * SECOND_MS,
            parent_ms: 150 * SECOND_MS,
            settle_ms: 5 * MINUTE_MS,
            sweep_ms: 5 * MINUTE_MS,
            audit_ms: HOUR_MS,
            keep_closed_ms: 400 * 24 * HOUR_MS,
            probe_ms: MINUTE_MS,
            watch_ms: 10 * SECOND_MS,
            refused_together_ms: 10 * MINUTE_MS,
            park_after_ms: HOUR_MS,
            unreadable_after_ms: 10 * MINUTE_MS,
            parked_retries_ms: [HOUR_MS, 6 * HOUR_MS, 24 * HOUR_MS],
            backoff_first_ms: SECOND_MS,
            backoff_max_ms: MINUTE_MS,
            kept_back_max_ms: 5 * MINUTE_MS,
            stale_read_ms: 2 * SECOND_MS,
            seen_settle_ms: 2 * SECOND_MS,
            cursor_overlap_seconds: 65 * 60,
            attachment_overlap_ids: 200,
            hook_commit_ms: SECOND_MS,
            request_read_ms: 5 * SECOND_MS,
            shutdown_ms: 10 * SECOND_MS,
        }
    }
}

impl Timing {
    /// For `demo`, where a person watches and both iTops are simulated: they answer in milliseconds, and their hooks
    /// delay nothing.
    pub fn demo() -> Timing {
        Timing {
            coalesce_ms: 50,
            poll_ms: 100,
            second_looks_ms: [200, 600],
            file_missing_ms: 300,
            last_file_missing_ms: 1_000,
            parent_ms: 1_000,
            settle_ms: 2 * SECOND_MS,
            sweep_ms: 2 * SECOND_MS,
            audit_ms: 3 * SECOND_MS,
            probe_ms: SECOND_MS,
            park_after_ms: 5 * SECOND_MS,
            backoff_first_ms: 100,
            backoff_max_ms: SECOND_MS,
            kept_back_max_ms: 2 * SECOND_MS,
            shutdown_ms: 2 * SECOND_MS,
            ..Timing::default()
        }
    }

    /// The wait after this many failed passes in a row.
    pub(crate) fn backoff_ms(&self, attempts: u32) -> i64 {
        let doubled = self.backoff_first_ms.saturating_mul(1 << attempts.min(20));
        doubled.min(self.backoff_max_ms)
    }

    /// The wait after this many tries of a kept-back part: whatever counts such requests must not take the bridge for
    /// an attacker.
    pub(crate) fn kept_back_ms(&self, tries: u32) -> i64 {
        let doubled = self.backoff_first_ms.saturating_mul(1 << tries.min(20));
        doubled.min(self.kept_back_max_ms)
    }

    /// A parked ticket is retried by itself after 1 h, 6 h, then daily.
    pub(crate) fn parked_retry_ms(&self, refused_for_ms: i64) -> i64 {
        let mut since = self.park_after_ms;
        for wait in self.parked_retries_ms {
            since += wait;
            if refused_for_ms < since {
                return wait;
            }
        }
        self.parked_retries_ms[self.parked_retries_ms.len() - 1]
    }

    /// How long a value that was refused for so long is left alone: as long as a parked ticket.
    pub(crate) fn refused_value_waits_ms(&self, refused_for_ms: i64) -> i64 {
        self.parked_retry_ms(self.park_after_ms + refused_for_ms)
    }
}
