//! Every wait of the bridge, in one place, so that a test or `demo` shortens them together and
//! nothing waits by a number of its own.

const SECOND_MS: i64 = 1_000;
const MINUTE_MS: i64 = 60 * SECOND_MS;
const HOUR_MS: i64 = 60 * MINUTE_MS;

/// All waits, in milliseconds unless the name says otherwise. `Default` is what `serve` uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timing {
    /// A ticket becomes due so long after its first hint: what comes meanwhile shares the pass.
    pub coalesce_ms: i64,
    /// How often a worker looks into the queue when nothing woke it.
    pub poll_ms: i64,
    /// How long a worker may hold a ticket without renewing.
    pub lease_ms: i64,
    /// A call starts only while its lease outlives the call's time-out by this.
    pub call_margin_ms: i64,
    /// An attachment that a hint named and that is unchanged is looked at again after these: the
    /// delete hook comes before the deletion.
    pub second_looks_ms: [i64; 2],
    /// A missing file counts as deleted when it is still missing after this.
    pub file_missing_ms: i64,
    /// The same for the last original of a ticket: the ticket may be going too, and one hook of its
    /// deletion can hold that for 125 s.
    pub last_file_missing_ms: i64,
    /// A new entry of a ticket with a parent that is no part of a pair crosses when, after this, it is not in the
    /// parent's log and no other child has got the same meanwhile: iTop saves the children first, one after the other,
    /// and a hook of each can hold the next save for 125 s.
    pub parent_ms: i64,
    /// A write without an answer may land until so long after it was sent. The default of
    /// `settle_seconds`; a side's own value counts.
    pub settle_ms: i64,
    /// The default of `sweep_seconds`; an external's own value counts.
    pub sweep_ms: i64,
    /// The default of `audit_seconds`; an external's own value counts.
    pub audit_ms: i64,
    /// A pair that has been closed on both sides for longer is shrunk to what it is known by. `keep_closed_days`.
    pub keep_closed_ms: i64,
    /// A side that is down, or a write that is suspended, is tried this often.
    pub probe_ms: i64,
    /// How often alerts are thought of.
    pub watch_ms: i64,
    /// Tickets that are refused in one text within this time are taken to meet the same trouble.
    pub refused_together_ms: i64,
    /// A ticket that alone is refused is tried for so long before it is parked.
    pub park_after_ms: i64,
    /// A picture that cannot be read, while its iTop answers otherwise, becomes words after this.
    pub unreadable_after_ms: i64,
    /// When a parked ticket is tried again by itself; the last one repeats.
    pub parked_retries_ms: [i64; 3],
    /// The wait after the first failed pass; it doubles with each further one …
    pub backoff_first_ms: i64,
    /// … up to this.
    pub backoff_max_ms: i64,
    /// The longest wait between two tries of a part that something before its iTop keeps from it, until it is parked.
    pub kept_back_max_ms: i64,
    /// A read older than this when the ticket's first write starts is made again.
    pub stale_read_ms: i64,
    /// A `last_update` counts as seen when a pass read it at least so long after it first appeared:
    /// iTop's times are whole seconds, and a second change may hide in the same one.
    pub seen_settle_ms: i64,
    /// How far a sweep's cursor reaches back, in seconds of the server's clock: an hour repeats when
    /// summer time ends.
    pub cursor_overlap_seconds: i64,
    /// How many attachment ids a sweep reaches back: ids become visible out of order.
    pub attachment_overlap_ids: u64,
    /// A webhook is answered within this, with 503 if its commit is not on disk by then: in iTop a
    /// person's save waits for it.
    pub hook_commit_ms: i64,
    /// A client that has not sent its whole request after this is cut off.
    pub request_read_ms: i64,
    /// At a shutdown, work under way has so long to end.
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
    /// For `demo`, where a person watches and both iTops are simulated: they answer in milliseconds,
    /// and a hook of theirs holds nothing up.
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
}
