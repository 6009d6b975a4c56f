//! The tickets and attachments of one side that were read lately, within a sweep's overlap: a sweep looks only at those
//! that differ, and a ticket that went back shows a restored iTop.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::side::dates::is_back;

#[derive(Debug, Default)]
pub(crate) struct SeenLately {
    tickets: HashMap<u64, Seen>,
    /// Attachments that a sweep has seen.
    attachments: BTreeSet<u64>,
}

/// The last `last_update` that a pass or a sweep has read.
#[derive(Debug)]
struct Seen {
    last_update: String,
    first_met_ms: i64,
    settled: bool,
}

impl Seen {
    fn settles(&mut self, now_ms: i64, settle_ms: i64) {
        self.settled |= now_ms - self.first_met_ms >= settle_ms;
    }
}

impl SeenLately {
    /// A pass has read this `last_update`. iTop's times are whole seconds, and a second change may hide in the same
    /// one: so the value counts as seen only if it was read `settle_ms` after it first appeared. If the time went back
    /// by more than `overlap` seconds, returns the one seen before, which stays.
    pub fn saw(&mut self, ticket: u64, last_update: &str, now_ms: i64, settle_ms: i64, overlap: i64) -> Option<String> {
        match self.tickets.get_mut(&ticket) {
            Some(seen) if seen.last_update == last_update => seen.settles(now_ms, settle_ms),
            Some(seen) if is_back(&seen.last_update, last_update, overlap) => return Some(seen.last_update.clone()),
            _ => self.insert(ticket, last_update, now_ms, false),
        }
        None
    }

    /// A sweep has read this `last_update` and marked the ticket.
    pub fn met(&mut self, ticket: u64, last_update: &str, now_ms: i64) {
        if self.last(ticket) != Some(last_update) {
            self.insert(ticket, last_update, now_ms, false);
        }
    }

    /// A pass asked for the ticket, and it does not fit: the change that a sweep saw counts as seen.
    pub fn does_not_fit(&mut self, ticket: u64, now_ms: i64, settle_ms: i64) {
        if let Some(seen) = self.tickets.get_mut(&ticket) {
            seen.settles(now_ms, settle_ms);
        }
    }

    /// A ticket's state at the start of the connection needs no look.
    pub fn stood_before(&mut self, ticket: u64, last_update: &str) {
        self.insert(ticket, last_update, 0, true);
    }

    /// Loads a witness of an earlier process, before anything else is seen.
    pub fn stood_at(&mut self, ticket: u64, last_update: &str, now_ms: i64) {
        if self.last(ticket).is_none() {
            self.insert(ticket, last_update, now_ms, false);
        }
    }

    fn insert(&mut self, ticket: u64, last_update: &str, first_met_ms: i64, settled: bool) {
        self.tickets.insert(ticket, Seen { last_update: last_update.to_owned(), first_met_ms, settled });
    }

    /// Whether a pass has seen this `last_update`, and it has settled.
    pub fn has(&self, ticket: u64, last_update: &str) -> bool {
        let is_it = |seen: &Seen| seen.settled && seen.last_update == last_update;
        // An unreadable date may be any.
        !last_update.is_empty() && self.tickets.get(&ticket).is_some_and(is_it)
    }

    /// The last known `last_update` of this ticket.
    pub fn last(&self, ticket: u64) -> Option<&str> {
        self.tickets.get(&ticket).map(|seen| seen.last_update.as_str())
    }

    /// The tickets with their last known `last_update`.
    pub fn all(&self) -> BTreeMap<u64, String> {
        self.tickets.iter().map(|(ticket, seen)| (*ticket, seen.last_update.clone())).collect()
    }

    pub fn forget(&mut self, gone: &BTreeMap<u64, String>) {
        self.tickets.retain(|ticket, _| !gone.contains_key(ticket));
    }

    /// Forgets tickets with an earlier `last_update`.
    pub fn forget_before(&mut self, last_update: &str) {
        self.tickets.retain(|_, seen| seen.last_update.as_str() >= last_update);
    }

    /// Earlier reads are no measure any more: the side was restored, or its dates were read in another format.
    pub fn forget_tickets(&mut self) {
        self.tickets.clear();
    }

    pub fn has_attachment(&self, id: u64) -> bool {
        self.attachments.contains(&id)
    }

    /// A sweep has seen these attachments and marked their tickets where needed.
    pub fn met_attachments(&mut self, ids: impl IntoIterator<Item = u64>) {
        self.attachments.extend(ids);
    }

    /// Forgets attachments with a lower id.
    pub fn forget_attachments_below(&mut self, id: u64) {
        self.attachments = self.attachments.split_off(&id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: &str = "2026-11-24 12:00:00";
    const LATER: &str = "2026-11-24 14:00:00";
    const SETTLE_MS: i64 = 2_000;
    const HOUR: i64 = 3_600;

    /// Reads by passes, each with its time, and whether the last one counts as seen.
    #[test]
    fn a_change_counts_as_seen_once_it_was_read_a_while_after_it_appeared() {
        for (reads, is_seen) in [
            (&[(NOON, 0)][..], false),
            (&[(NOON, 0), (NOON, 1_999)], false),
            (&[(NOON, 0), (NOON, 2_000)], true),
            (&[(NOON, 0), (LATER, 2_000)], false),
            (&[(NOON, 0), (NOON, 2_000), (LATER, 2_100), (LATER, 4_100)], true),
            (&[("", 0), ("", 9_000)], false),
        ] {
            let mut seen = SeenLately::default();
            for (last_update, at_ms) in reads {
                assert_eq!(seen.saw(7, last_update, *at_ms, SETTLE_MS, HOUR), None, "{reads:?}");
            }
            let (last, _) = reads.last().unwrap();
            assert_eq!(seen.has(7, last), is_seen, "{reads:?}");
        }
    }

    #[test]
    fn a_ticket_that_goes_back_tells_the_time_seen_before() {
        let mut seen = SeenLately::default();
        seen.saw(7, LATER, 0, SETTLE_MS, HOUR);
        // Within the overlap an hour may have repeated.
        assert_eq!(seen.saw(7, "2026-11-24 13:30:00", 10, SETTLE_MS, HOUR), None);
        seen.saw(7, LATER, 20, SETTLE_MS, HOUR);
        assert_eq!(seen.saw(7, NOON, 30, SETTLE_MS, HOUR).as_deref(), Some(LATER));
        assert_eq!(seen.last(7), Some(LATER), "it stays");
        seen.forget_tickets();
        assert_eq!(seen.saw(7, NOON, 40, SETTLE_MS, HOUR), None);
    }

    #[test]
    fn what_a_sweep_met_is_no_news_to_it_only_after_a_pass() {
        let mut seen = SeenLately::default();
        seen.met(7, NOON, 0);
        assert!(!seen.has(7, NOON));
        seen.does_not_fit(7, 1_000, SETTLE_MS);
        assert!(!seen.has(7, NOON));
        seen.does_not_fit(7, 3_000, SETTLE_MS);
        assert!(seen.has(7, NOON));
        seen.met(7, NOON, 4_000);
        assert!(seen.has(7, NOON), "the same change again");
        seen.met(7, LATER, 5_000);
        assert!(!seen.has(7, LATER));
    }

    #[test]
    fn the_state_before_the_connection_counts_as_seen_and_a_witness_yields_to_a_read() {
        let mut seen = SeenLately::default();
        seen.stood_before(1, NOON);
        assert!(seen.has(1, NOON));
        seen.saw(2, LATER, 0, SETTLE_MS, HOUR);
        seen.stood_at(2, NOON, 1);
        seen.stood_at(3, NOON, 1);
        assert_eq!((seen.last(2), seen.last(3)), (Some(LATER), Some(NOON)));
        assert!(!seen.has(3, NOON));
    }

    #[test]
    fn what_lies_beyond_the_overlap_is_forgotten() {
        let mut seen = SeenLately::default();
        for (ticket, last_update) in [(1, NOON), (2, LATER), (3, LATER)] {
            seen.stood_before(ticket, last_update);
        }
        seen.forget_before(LATER);
        seen.forget(&BTreeMap::from([(3, LATER.to_owned())]));
        assert_eq!(seen.all(), BTreeMap::from([(2, LATER.to_owned())]));
        seen.met_attachments([4, 9]);
        seen.forget_attachments_below(5);
        assert!(!seen.has_attachment(4) && seen.has_attachment(9));
    }
}
