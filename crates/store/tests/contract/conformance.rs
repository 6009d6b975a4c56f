//! The contract of [`Store`], a test a sentence. Every backend must keep all of it.

use itop_bridge_core::event::Event;
use itop_bridge_core::{LogName, Side, TicketKey, link, plan};
use itop_bridge_store::*;

use crate::fixtures::*;

/// Stamps the suite on a backend; every function of this module that takes a store is a test.
macro_rules! stamp {
    ($module:ident, $backend:ty) => {
        mod $module {
            use super::*;
            use crate::backends::Backend as _;
            crate::conformance::tests!($backend);
        }
    };
}
pub(crate) use stamp;

/// Writes the tests as functions, and a macro that stamps all of them, so that none is forgotten.
macro_rules! suite {
    ($dollar:tt $(fn $name:ident($store:ident) $body:block)*) => {
        $(pub fn $name($store: &mut dyn Store) $body)*

        macro_rules! tests {
            ($dollar backend:ty) => {
                $(#[test]
                fn $name() {
                    crate::conformance::$name(&mut <$dollar backend>::empty());
                })*
            };
        }
        pub(crate) use tests;
    };
}

suite! {$

// ---- the server ------------------------------------------------------------------------

fn the_first_server_id_is_kept_and_another_refused(store) {
    store.adopt_server_id("7f3a").unwrap();
    store.adopt_server_id("7f3a").unwrap();
    let refused = store.adopt_server_id("0000");
    assert!(matches!(refused, Err(StoreError::OtherServer { found, wanted })
        if found == "7f3a" && wanted == "0000"));
    store.adopt_server_id("7f3a").unwrap();
}

fn a_probe_commits(store) {
    store.probe().unwrap();
    store.probe().unwrap();
}

// ---- hints -----------------------------------------------------------------------------

fn a_hint_makes_one_row_that_is_due_at_its_time(store) {
    assert_eq!(store.mark_dirty(&[hint(7, 150)], 100).unwrap(), [Marked::Accepted]);
    assert_eq!(due(store, 149), [0; 0]);
    let expected = QueueRow {
        of: acme(7), class: None, due_ms: 150, dirty_since_ms: 100, attempts: 0, error: None, parked: false, leased: false,
    };
    assert_eq!(queue(store, 149), [expected]);
    assert_eq!(due(store, 150), [7]);
}

fn hints_about_one_ticket_merge_into_one_row(store) {
    let mut first = hint(7, 50);
    first.look = Look { external_attachments: [1, 2].into(), second_looks: 2, ..Look::default() };
    let mut second = hint(7, 50);
    second.look = Look {
        files: true,
        external_attachments: [2, 3].into(),
        announced: [3].into(),
        internal_attachments: [9].into(),
        internal_announced: [9].into(),
        created: true,
        changed: true,
        unwritten: true,
        backfilled: true,
        ..Look::ticket()
    };
    store.mark_dirty(&[first], 10).unwrap();
    store.mark_dirty(&[second], 20).unwrap();
    let claim = claim_one(store, 50);
    let expected = Look {
        files: true,
        ticket: true,
        external_attachments: [1, 2, 3].into(),
        announced: [3].into(),
        internal_attachments: [9].into(),
        internal_announced: [9].into(),
        second_looks: 0,
        internal_second_looks: 0,
        created: true,
        changed: true,
        unwritten: true,
        backfilled: true,
    };
    assert_eq!(claim.look, expected);
    assert_eq!(claim.dirty_since_ms, 10, "the oldest hint's time");
}

fn two_hints_in_one_call_are_two_hints(store) {
    store.mark_dirty(&[hint(7, 50), hint(7, 40)], 0).unwrap();
    assert_eq!(queue(store, 0)[0].due_ms, 40);
}

fn the_earlier_due_time_is_kept(store) {
    store.mark_dirty(&[hint(7, 100), hint(8, 100)], 0).unwrap();
    store.mark_dirty(&[hint(7, 50), hint(8, 500)], 0).unwrap();
    let rows = queue(store, 0);
    assert_eq!((rows[0].due_ms, rows[1].due_ms), (50, 100));
}

fn a_hint_keeps_the_class_unless_it_names_one(store) {
    let mut named = hint(7, 0);
    named.about = About::External { of: acme(7), class: Some("Incident".to_owned()) };
    store.mark_dirty(&[named, hint(7, 0)], 0).unwrap();
    assert_eq!(claim_one(store, 0).class.as_deref(), Some("Incident"));
}

fn an_internal_hint_finds_the_ticket_by_its_link(store) {
    let id = linked(store, &pair(7, 70));
    assert_eq!(store.mark_dirty(&[internal_hint(70)], 0).unwrap(), [Marked::Accepted]);
    let claim = claim_one(store, 0);
    assert_eq!(claim.lease.of, acme(7));
    assert_eq!(claim.link, Some((id, pair(7, 70))));
}

fn an_internal_hint_without_a_link_is_ignored(store) {
    let marked = store.mark_dirty(&[internal_hint(70), hint(7, 0)], 0).unwrap();
    assert_eq!(marked, [Marked::Ignored("no link for this internal ticket"), Marked::Accepted]);
    assert_eq!(queue(store, 0).len(), 1);
}

fn hints_about_an_ended_link_are_ignored(store) {
    let id = linked(store, &pair(7, 70));
    store.amend_link(id, &|_, state| *state = LinkState::Ended, &did(5, "unlinked"), 5).unwrap();
    let marked = store.mark_dirty(&[hint(7, 0), internal_hint(70)], 10).unwrap();
    assert_eq!(marked, [const { Marked::Ignored("the link of this ticket has ended") }; 2]);
    assert_eq!(queue(store, 10), []);
}

fn a_forged_id_beyond_all_tickets_is_a_ticket_like_others(store) {
    store.mark_dirty(&[hint(u64::MAX, 0), internal_hint(u64::MAX)], 0).unwrap();
    assert_eq!(claim_one(store, 0).lease.of, acme(u64::MAX));
    assert_eq!(store.link_of_internal(u64::MAX).unwrap(), None);
}

fn more_rows_than_a_transaction_takes_are_refused_as_a_whole(store) {
    let many: Vec<_> = (0..=MAX_ROWS as u64).map(|ticket| hint(ticket, 0)).collect();
    assert!(matches!(store.mark_dirty(&many, 0), Err(StoreError::TooMany { rows: 201 })));
    assert_eq!(queue(store, 0), []);
    assert_eq!(store.mark_dirty(&many[1..], 0).unwrap().len(), MAX_ROWS);
    assert_eq!(store.claim("acme", 1000, 0, 0).unwrap().len(), MAX_ROWS);
    assert_eq!(store.queue(None, 1000, 0).unwrap().len(), MAX_ROWS);
}

fn no_hints_are_no_rows(store) {
    assert_eq!(store.mark_dirty(&[], 0).unwrap(), []);
}

// ---- claims and leases -----------------------------------------------------------------

fn claims_come_oldest_due_first_up_to_the_limit(store) {
    store.mark_dirty(&[hint(1, 30), hint(2, 10), hint(3, 20), hint(4, 99)], 0).unwrap();
    let claims = store.claim("acme", 2, 50, LEASE_MS).unwrap();
    let tickets: Vec<_> = claims.iter().map(|claim| claim.lease.of.ticket).collect();
    assert_eq!(tickets, [2, 3]);
    assert_eq!(due(store, 50), [1]);
}

fn what_only_a_backfill_wants_comes_after_all_that_hooks_told_of(store) {
    let backfilled = |ticket| DirtyMark { look: Look { backfilled: true, ..Look::ticket() }, ..hint(ticket, 0) };
    store.mark_dirty(&[backfilled(1), backfilled(2), backfilled(3), hint(4, 40), hint(5, 30)], 0).unwrap();
    let changed = DirtyMark { look: Look { changed: true, ..Look::ticket() }, ..hint(3, 50) };
    store.mark_dirty(&[changed], 50).unwrap();
    assert_eq!(due(store, 50), [3, 5, 4, 1, 2]);
    assert_eq!(store.claim("acme", 2, 50, LEASE_MS).unwrap().len(), 2);
    assert_eq!(due(store, 50), [4, 1, 2]);
}

fn each_external_has_its_own_lane(store) {
    let umbrella = TicketOf { external: "umbrella".to_owned(), ticket: 7 };
    store.mark_dirty(&[hint(7, 0), about(umbrella.clone(), 5)], 0).unwrap();
    assert_eq!(store.next_due("umbrella", 0).unwrap(), Some(5));
    assert_eq!(store.next_due("nobody", 0).unwrap(), None);
    assert_eq!(store.queue(Some("umbrella"), 10, 0).unwrap()[0].of, umbrella);
    assert_eq!(claim_one(store, 10).lease.of, acme(7));
    assert_eq!(store.claim("umbrella", 10, 10, LEASE_MS).unwrap()[0].lease.of, umbrella);
    assert_eq!(store.claim("nobody", 10, 10, LEASE_MS).unwrap(), []);
}

fn a_leased_ticket_is_not_claimed_again_before_its_lease_ran_out(store) {
    let first = work_on(store, 7, 0);
    assert_eq!(first.lease.until_ms, LEASE_MS);
    store.mark_dirty(&[hint(7, 0)], 10).unwrap();
    assert!(queue(store, LEASE_MS - 1)[0].leased);
    assert_eq!(store.claim("acme", 10, LEASE_MS - 1, LEASE_MS).unwrap(), []);
    assert!(!queue(store, LEASE_MS)[0].leased);
    let second = claim_one(store, LEASE_MS);
    assert!(second.lease.token > first.lease.token);
}

fn whoever_takes_over_gets_all_that_the_first_had_to_look_at(store) {
    let mut named = hint(7, 0);
    named.look = attachments(&[1]);
    store.mark_dirty(&[named.clone()], 0).unwrap();
    claim_one(store, 0);
    named.look = attachments(&[2]);
    store.mark_dirty(&[named], 10).unwrap();
    let second = claim_one(store, LEASE_MS);
    assert_eq!(second.look, attachments(&[1, 2]));
    assert_eq!(second.dirty_since_ms, 0);
    store.finish(&second, &Next::Done, LEASE_MS).unwrap();
    assert_eq!(queue(store, LEASE_MS), []);
}

fn at_a_start_every_lease_is_over_and_its_holder_can_record_nothing_once_the_ticket_is_taken(store) {
    let dead = work_on(store, 7, 0);
    assert_eq!(store.expire_leases(10).unwrap(), 1);
    assert_eq!(store.expire_leases(10).unwrap(), 0);
    assert_eq!(store.next_due("acme", 10).unwrap(), Some(0));
    let next = claim_one(store, 10);
    assert_eq!((next.lease.of.clone(), next.look.clone()), (acme(7), dead.look.clone()));
    assert!(matches!(store.finish(&dead, &Next::Done, 11), Err(StoreError::LeaseLost)));
}

fn a_renewed_lease_lasts_longer(store) {
    let claim = work_on(store, 7, 0);
    store.renew(&claim.lease, 2 * LEASE_MS).unwrap();
    assert_eq!(due(store, 2 * LEASE_MS - 1), [0; 0]);
    assert_eq!(due(store, 2 * LEASE_MS), [7]);
}

fn a_lease_that_ran_out_is_renewed_if_nobody_took_the_ticket(store) {
    let claim = work_on(store, 7, 0);
    store.renew(&claim.lease, 3 * LEASE_MS).unwrap();
    assert_eq!(due(store, 2 * LEASE_MS), [0; 0]);
}

fn a_lost_lease_can_record_nothing(store) {
    let first = work_on(store, 7, 0);
    let id = store.insert_link(&first.lease, &without_counterpart(7), &[]).unwrap();
    let second = claim_one(store, LEASE_MS);
    let lost = |answer: Result<()>| assert!(matches!(answer, Err(StoreError::LeaseLost)), "{answer:?}");
    lost(store.renew(&first.lease, 9 * LEASE_MS));
    lost(store.save_link(&first.lease, id, &pair(7, 70), &[did(1, "late")]));
    lost(store.drop_link_without_counterpart(&first.lease, id));
    lost(store.insert_link(&first.lease, &without_counterpart(7), &[]).map(|_| ()));
    for next in [Next::Done, failed(0, false), waits(0), Next::Look { due_ms: 0, look: Look::ticket() }] {
        lost(store.finish(&first, &next, LEASE_MS));
    }
    lost(store.renew(&stale(&first.lease), 0));
    assert_eq!(store.link(id).unwrap().unwrap().link, without_counterpart(7));
    assert_eq!(store.activity(id, 10).unwrap(), []);
    store.renew(&second.lease, 2 * LEASE_MS).unwrap();
    store.finish(&second, &Next::Done, LEASE_MS).unwrap();
}

fn an_event_is_kept_beside_its_sentence(store) {
    let claim = work_on(store, 7, 0);
    let halted = Event::Halted { kind: None, log: Some((Side::External, LogName::Private)), text: "gone".to_owned() };
    let all = [Activity::in_words(1, "an older line"), Activity::of(2, halted.clone())];
    let id = store.insert_link(&claim.lease, &without_counterpart(7), &all).unwrap();
    let kept = store.activity(id, 10).unwrap();
    let told: Vec<(&str, Option<&Event>)> = kept.iter().map(|line| (line.text.as_str(), line.event.as_ref())).collect();
    assert_eq!(told, [("halted: gone", Some(&halted)), ("an older line", None)]);
}

fn a_lease_ends_with_its_pass(store) {
    let claim = work_on(store, 7, 0);
    store.finish(&claim, &Next::Look { due_ms: 5, look: Look::ticket() }, 0).unwrap();
    assert!(matches!(store.finish(&claim, &Next::Done, 0), Err(StoreError::LeaseLost)));
    assert!(matches!(store.renew(&claim.lease, 9), Err(StoreError::LeaseLost)));
    let claim = claim_one(store, 5);
    store.finish(&claim, &Next::Done, 5).unwrap();
    assert!(matches!(store.finish(&claim, &Next::Done, 5), Err(StoreError::LeaseLost)));
}

fn a_token_is_never_given_twice_not_even_for_a_row_made_anew(store) {
    let first = work_on(store, 7, 0);
    store.finish(&first, &Next::Done, 0).unwrap();
    let second = work_on(store, 7, 0);
    assert!(second.lease.token > first.lease.token);
    assert!(matches!(store.finish(&first, &Next::Done, 0), Err(StoreError::LeaseLost)));
    assert_eq!(queue(store, 0).len(), 1);
}

fn the_next_due_time_counts_a_lease_until_it_runs_out(store) {
    assert_eq!(store.next_due("acme", 0).unwrap(), None);
    store.mark_dirty(&[hint(7, 30), hint(8, 900_000)], 0).unwrap();
    assert_eq!(store.next_due("acme", 0).unwrap(), Some(30));
    claim_one(store, 30);
    assert_eq!(store.next_due("acme", 30).unwrap(), Some(30 + LEASE_MS));
    assert_eq!(store.next_due("acme", 30 + LEASE_MS).unwrap(), Some(30));
}

// ---- the end of a pass -----------------------------------------------------------------

fn done_clears_the_row(store) {
    let claim = work_on(store, 7, 0);
    store.finish(&claim, &Next::Done, 10).unwrap();
    assert_eq!(queue(store, 10), []);
    assert_eq!(store.next_due("acme", 10).unwrap(), None);
}

fn a_hint_during_the_pass_stays_and_nothing_else_does(store) {
    let mut named = hint(7, 0);
    named.look = attachments(&[1]);
    store.mark_dirty(&[named.clone()], 0).unwrap();
    let claim = claim_one(store, 0);
    named.look = attachments(&[2]);
    named.due_ms = 170;
    store.mark_dirty(&[named], 20).unwrap();
    store.finish(&claim, &Next::Done, 100).unwrap();
    assert_eq!(due(store, 169), [0; 0], "the hint's own due time, not that of the pass before");
    let next = claim_one(store, 170);
    assert_eq!(next.look, attachments(&[2]));
    assert_eq!(next.dirty_since_ms, 20);
}

fn a_second_look_comes_at_its_time_and_counts_as_no_failure(store) {
    let claim = work_on(store, 7, 0);
    store.finish(&claim, &failed(10, false), 5).unwrap();
    let claim = claim_one(store, 10);
    let look = Look { second_looks: 1, ..attachments(&[1]) };
    store.finish(&claim, &Next::Look { due_ms: 2_000, look: look.clone() }, 20).unwrap();
    let row = queue(store, 20).remove(0);
    assert_eq!((row.due_ms, row.attempts, row.error), (2_000, 0, None));
    assert_eq!(row.dirty_since_ms, 20, "the hint itself was answered");
    let claim = claim_one(store, 2_000);
    assert_eq!((claim.look, claim.attempts, claim.failing_since_ms), (look, 0, None));
}

fn a_second_look_merges_with_what_came_meanwhile(store) {
    let claim = work_on(store, 7, 0);
    let mut named = hint(7, 150);
    named.look = attachments(&[2]);
    store.mark_dirty(&[named], 10).unwrap();
    let look = Look { second_looks: 2, ..attachments(&[1]) };
    store.finish(&claim, &Next::Look { due_ms: 30_000, look }, 20).unwrap();
    let next = claim_one(store, 150);
    assert_eq!(next.look, attachments(&[1, 2]), "a fresh hint starts the second looks anew");
    assert_eq!(next.dirty_since_ms, 10);
}

fn a_hint_without_an_attachment_leaves_the_second_looks_as_they_are(store) {
    let claim = work_on(store, 7, 0);
    store.mark_dirty(&[hint(7, 150)], 10).unwrap();
    let look = Look { second_looks: 2, ..attachments(&[1]) };
    store.finish(&claim, &Next::Look { due_ms: 30_000, look: look.clone() }, 20).unwrap();
    assert_eq!(claim_one(store, 150).look, Look { ticket: true, ..look });
}

fn a_failed_pass_is_tried_again_with_all_that_it_had_to_look_at(store) {
    let mut named = hint(7, 0);
    named.look = attachments(&[1]);
    store.mark_dirty(&[named], 0).unwrap();
    let claim = claim_one(store, 0);
    store.finish(&claim, &failed(100, false), 50).unwrap();
    let row = queue(store, 50).remove(0);
    assert_eq!((row.attempts, row.error.as_deref(), row.parked), (1, Some("refused"), false));
    let claim = claim_one(store, 100);
    assert_eq!((claim.look.clone(), claim.dirty_since_ms), (attachments(&[1]), 0));
    assert_eq!((claim.attempts, claim.failing_since_ms), (1, Some(50)));
    store.finish(&claim, &failed(400, false), 150).unwrap();
    let claim = claim_one(store, 400);
    assert_eq!((claim.attempts, claim.failing_since_ms), (2, Some(50)));
    store.finish(&claim, &Next::Done, 400).unwrap();
    let claim = work_on(store, 7, 500);
    assert_eq!((claim.attempts, claim.failing_since_ms), (0, None));
}

fn a_failed_pass_merges_with_what_came_meanwhile(store) {
    let mut named = hint(7, 0);
    named.look = attachments(&[1]);
    store.mark_dirty(&[named.clone()], 0).unwrap();
    let claim = claim_one(store, 0);
    named.look = attachments(&[2]);
    named.due_ms = 150;
    store.mark_dirty(&[named], 10).unwrap();
    store.finish(&claim, &failed(60_000, false), 20).unwrap();
    let claim = claim_one(store, 150);
    assert_eq!((claim.look, claim.attempts), (attachments(&[1, 2]), 1));
}

fn a_ticket_that_waits_for_others_keeps_what_it_has_to_look_at_and_its_own_failures(store) {
    let mut named = hint(7, 0);
    named.look = attachments(&[1]);
    store.mark_dirty(&[named.clone()], 0).unwrap();
    let claim = claim_one(store, 0);
    store.finish(&claim, &waits(100), 10).unwrap();
    let row = queue(store, 10).remove(0);
    assert_eq!((row.due_ms, row.attempts, row.error.as_deref()), (100, 0, Some("others are refused")));
    let claim = claim_one(store, 100);
    assert_eq!((claim.look.clone(), claim.dirty_since_ms, claim.attempts), (attachments(&[1]), 0, 0));
    store.finish(&claim, &Next::Done, 100).unwrap();

    let claim = work_on(store, 8, 200);
    store.finish(&claim, &failed(300, true), 200).unwrap();
    let claim = claim_one(store, 300);
    assert_eq!(claim.error.as_deref(), Some("refused"));
    store.finish(&claim, &waits(400), 310).unwrap();
    let row = queue(store, 310).remove(0);
    assert_eq!((row.attempts, row.error.as_deref(), row.parked), (1, Some("refused"), true));
    assert_eq!(row.dirty_since_ms, 200);
    let claim = claim_one(store, 400);
    assert_eq!((claim.attempts, claim.failing_since_ms), (1, Some(200)));
    named = hint(8, 450);
    store.mark_dirty(&[named], 420).unwrap();
    store.finish(&claim, &waits(900), 430).unwrap();
    assert!(!queue(store, 430)[0].parked, "a hint during the claim ends the parking, as ever");
    assert_eq!(due(store, 450), [8], "and makes it due");
}

// ---- parked tickets --------------------------------------------------------------------

fn a_parked_ticket_is_shown_and_tried_at_its_time(store) {
    let claim = work_on(store, 7, 0);
    store.finish(&claim, &failed(3_600_000, true), 0).unwrap();
    let row = queue(store, 0).remove(0);
    assert!(row.parked);
    assert_eq!(row.error.as_deref(), Some("refused"));
    assert_eq!(due(store, 3_599_999), [0; 0]);
    assert_eq!(due(store, 3_600_000), [7]);
}

fn one_tickets_row_is_as_the_list_shows_it(store) {
    store.mark_dirty(&[hint(7, 150), hint(8, 250)], 100).unwrap();
    assert_eq!(store.queue_row(&acme(8), 100).unwrap(), Some(queue(store, 100)[1].clone()));
    assert_eq!(store.queue_row(&acme(9), 100).unwrap(), None);
}

fn the_next_hint_makes_a_parked_ticket_due(store) {
    let claim = work_on(store, 7, 0);
    store.finish(&claim, &failed(3_600_000, true), 0).unwrap();
    store.mark_dirty(&[hint(7, 100)], 50).unwrap();
    assert!(!queue(store, 50)[0].parked);
    let claim = claim_one(store, 100);
    assert_eq!((claim.attempts, claim.failing_since_ms), (1, Some(0)));
}

fn a_hint_that_came_during_the_pass_keeps_it_from_being_parked(store) {
    let claim = work_on(store, 7, 0);
    store.mark_dirty(&[hint(7, 100)], 50).unwrap();
    store.finish(&claim, &failed(3_600_000, true), 60).unwrap();
    assert!(!queue(store, 60)[0].parked);
    assert_eq!(due(store, 100), [7]);
}

fn retry_makes_parked_tickets_due_now_and_no_others(store) {
    for ticket in [1, 2, 3] {
        let claim = work_on(store, ticket, 0);
        store.finish(&claim, &failed(3_600_000, ticket != 3), 0).unwrap();
    }
    assert_eq!(store.retry_parked(Some(&acme(2)), 10).unwrap(), 1);
    assert_eq!(store.retry_parked(Some(&acme(3)), 10).unwrap(), 0);
    assert_eq!(store.retry_parked(Some(&acme(9)), 10).unwrap(), 0);
    assert_eq!(due(store, 10), [2]);
    assert_eq!(store.retry_parked(None, 20).unwrap(), 1);
    assert_eq!(due(store, 20), [2, 1]);
    assert_eq!(store.retry_parked(None, 20).unwrap(), 0);
}

fn retry_reaches_more_tickets_than_one_transaction_takes(store) {
    let mut parked = 0;
    for first in [0, MAX_ROWS as u64] {
        let marks: Vec<_> = (first..first + MAX_ROWS as u64).map(|ticket| hint(ticket, 0)).collect();
        store.mark_dirty(&marks[..150], 0).unwrap();
        for claim in store.claim("acme", MAX_ROWS, 0, LEASE_MS).unwrap() {
            store.finish(&claim, &failed(3_600_000, true), 0).unwrap();
            parked += 1;
        }
    }
    assert_eq!(parked, 300);
    assert_eq!(store.retry_parked(None, 10).unwrap(), 300);
    assert!(store.queue(None, MAX_ROWS, 10).unwrap().iter().all(|row| row.due_ms == 10));
}

fn hurry_makes_due_all_that_wait_and_unparks_none(store) {
    for ticket in [1, 2, 3] {
        let claim = work_on(store, ticket, 0);
        let next = Next::Look { due_ms: 3_600_000, look: Look { created: true, ..Look::everything() } };
        let next = if ticket == 2 { failed(3_600_000, true) } else { next };
        store.finish(&claim, &next, 0).unwrap();
    }
    store.mark_dirty(&[hint(4, 5)], 0).unwrap();
    assert_eq!(store.hurry(10).unwrap(), 2);
    assert_eq!(due(store, 10), [4, 1, 3]);
    assert!(store.queue_row(&acme(2), 10).unwrap().unwrap().parked);
    assert_eq!(store.hurry(10).unwrap(), 0);
    assert_eq!(store.lowest_created("acme").unwrap(), Some(1), "what was to be looked at is kept");
}

fn hurry_reaches_more_tickets_than_one_transaction_takes(store) {
    for first in [0, MAX_ROWS as u64] {
        let marks: Vec<_> = (first..first + 150).map(|ticket| hint(ticket, 3_600_000)).collect();
        store.mark_dirty(&marks, 0).unwrap();
    }
    assert_eq!(store.hurry(10).unwrap(), 300);
    assert!(store.queue(None, MAX_ROWS, 10).unwrap().iter().all(|row| row.due_ms == 10));
}

fn the_lowest_ticket_that_a_create_hook_named_is_found_while_it_waits(store) {
    assert_eq!(store.lowest_created("acme").unwrap(), None);
    let created = |of, created| DirtyMark { look: Look { created, ..Look::ticket() }, ..about(of, LEASE_MS * 9) };
    let beta = TicketOf { external: "beta".to_owned(), ticket: 2 };
    let forged = acme(u64::MAX);
    let marks = [created(acme(3), false), created(acme(8), true), created(beta, true), created(forged, true)];
    store.mark_dirty(&marks, 0).unwrap();
    assert_eq!(store.lowest_created("acme").unwrap(), Some(8));
    let pass = work_on(store, 5, 0);
    store.mark_dirty(&[created(acme(5), true)], 1).unwrap();
    assert_eq!(store.lowest_created("acme").unwrap(), Some(5), "a hint that came during a pass waits too");
    store.finish(&pass, &Next::Done, 2).unwrap();
    let pass = work_on(store, 5, LEASE_MS);
    assert_eq!(store.lowest_created("acme").unwrap(), Some(5), "a pass is not over before it says so");
    store.finish(&pass, &failed(LEASE_MS * 9, true), LEASE_MS).unwrap();
    assert_eq!(store.lowest_created("acme").unwrap(), Some(5), "a ticket that failed waits");
}

fn the_queue_is_listed_oldest_hint_first(store) {
    store.mark_dirty(&[hint(3, 0)], 10).unwrap();
    store.mark_dirty(&[hint(1, 0)], 30).unwrap();
    store.mark_dirty(&[hint(2, 0)], 20).unwrap();
    let tickets = |rows: Vec<QueueRow>| rows.iter().map(|row| row.of.ticket).collect::<Vec<_>>();
    assert_eq!(tickets(queue(store, 30)), [3, 2, 1]);
    assert_eq!(tickets(store.queue(None, 2, 30).unwrap()), [3, 2]);
    assert_eq!(store.queue(Some("umbrella"), 10, 30).unwrap(), []);
}

// ---- links -----------------------------------------------------------------------------

fn a_link_is_found_by_number_and_by_either_ticket(store) {
    let claim = work_on(store, 7, 0);
    assert_eq!(claim.link, None);
    let id = store.insert_link(&claim.lease, &pair(7, 70), &[did(1, "linked")]).unwrap();
    let expected = Stored {
        id, external_name: "acme".to_owned(), link: pair(7, 70), state: LinkState::Live, closed_since_ms: None,
    };
    assert_eq!(store.link(id).unwrap().as_ref(), Some(&expected));
    assert_eq!(store.link_of_external(&acme(7)).unwrap().as_ref(), Some(&expected));
    assert_eq!(store.link_of_internal(70).unwrap(), Some(expected));
    assert_eq!(store.activity(id, 10).unwrap(), [did(1, "linked")]);
}

fn there_is_no_link_where_none_was_stored(store) {
    assert_eq!(store.link(1).unwrap(), None);
    assert_eq!(store.link_of_external(&acme(7)).unwrap(), None);
    assert_eq!(store.link_of_internal(70).unwrap(), None);
    assert_eq!(store.activity(1, 10).unwrap(), []);
}

fn a_ticket_has_one_link(store) {
    let id = linked(store, &pair(7, 70));
    let again = work_on(store, 7, 0);
    let refused = store.insert_link(&again.lease, &pair(7, 71), &[]);
    assert!(matches!(refused, Err(StoreError::AlreadyLinked { link, .. }) if link == id));
    store.finish(&again, &Next::Done, 0).unwrap();
    let other = work_on(store, 8, 0);
    let refused = store.insert_link(&other.lease, &pair(8, 70), &[did(0, "no")]);
    assert!(matches!(refused, Err(StoreError::AlreadyLinked { link, .. }) if link == id));
    let other_id = store.insert_link(&other.lease, &without_counterpart(8), &[]).unwrap();
    let refused = store.save_link(&other.lease, other_id, &pair(8, 70), &[did(0, "no")]);
    assert!(matches!(refused, Err(StoreError::AlreadyLinked { link, .. }) if link == id));
    assert_eq!(store.link(other_id).unwrap().unwrap().link, without_counterpart(8));
    assert_eq!(store.activity(other_id, 10).unwrap(), []);
}

fn tickets_of_two_externals_with_one_id_are_two_tickets(store) {
    linked(store, &pair(7, 70));
    let umbrella = TicketOf { external: "umbrella".to_owned(), ticket: 7 };
    store.mark_dirty(&[about(umbrella.clone(), 0)], 0).unwrap();
    let claim = store.claim("umbrella", 1, 0, LEASE_MS).unwrap().remove(0);
    assert_eq!(claim.link, None);
    let id = store.insert_link(&claim.lease, &pair(7, 71), &[]).unwrap();
    assert_eq!(store.link_of_external(&umbrella).unwrap().unwrap().id, id);
}

fn two_links_may_wait_for_their_counterparts(store) {
    assert_ne!(linked(store, &without_counterpart(7)), linked(store, &without_counterpart(8)));
}

fn a_saved_link_replaces_the_old_one_under_its_keys(store) {
    let claim = work_on(store, 7, 0);
    let id = store.insert_link(&claim.lease, &without_counterpart(7), &[did(1, "linked")]).unwrap();
    let mut link = pair(7, 70);
    link.ancestor.external.fields.insert("title".to_owned(), "Printer on fire \u{1F525}".to_owned());
    store.save_link(&claim.lease, id, &link, &[did(2, "created R-000070"), did(3, "copied a.txt")]).unwrap();
    assert_eq!(store.link_of_internal(70).unwrap().unwrap().link, link);
    link.internal = Some(key(71));
    store.save_link(&claim.lease, id, &link, &[]).unwrap();
    assert_eq!(store.link_of_internal(70).unwrap(), None);
    assert_eq!(store.link_of_internal(71).unwrap().unwrap().id, id);
    let newest = [did(3, "copied a.txt"), did(2, "created R-000070"), did(1, "linked")];
    assert_eq!(store.activity(id, 10).unwrap(), newest);
    assert_eq!(store.activity(id, 2).unwrap(), newest[..2]);
}

fn a_lease_gives_no_right_to_another_ticket_s_link(store) {
    let id = linked(store, &without_counterpart(7));
    let claim = work_on(store, 8, 0);
    let refused = store.save_link(&claim.lease, id, &pair(7, 70), &[]);
    assert!(matches!(refused, Err(StoreError::NoLink(number)) if number == id));
    assert!(matches!(store.drop_link_without_counterpart(&claim.lease, id), Err(StoreError::NoLink(_))));
    assert!(matches!(store.save_link(&claim.lease, 99, &without_counterpart(8), &[]), Err(StoreError::NoLink(99))));
    store.insert_link(&claim.lease, &without_counterpart(8), &[]).unwrap();
    assert!(matches!(store.save_link(&claim.lease, id, &pair(8, 80), &[]), Err(StoreError::NoLink(_))));
    assert!(matches!(store.drop_link_without_counterpart(&claim.lease, id), Err(StoreError::NoLink(_))));
    assert_eq!(store.link(id).unwrap().unwrap().link, without_counterpart(7));
}

fn a_link_without_a_counterpart_is_dropped_and_its_number_not_given_again(store) {
    let claim = work_on(store, 7, 0);
    let id = store.insert_link(&claim.lease, &without_counterpart(7), &[did(1, "linked")]).unwrap();
    store.drop_link_without_counterpart(&claim.lease, id).unwrap();
    assert_eq!(store.link(id).unwrap(), None);
    assert_eq!(store.activity(id, 10).unwrap(), []);
    assert!(store.insert_link(&claim.lease, &without_counterpart(7), &[]).unwrap() > id);
}

fn a_link_with_a_counterpart_is_not_dropped(store) {
    let claim = work_on(store, 7, 0);
    let id = store.insert_link(&claim.lease, &pair(7, 70), &[]).unwrap();
    assert!(matches!(store.drop_link_without_counterpart(&claim.lease, id), Err(StoreError::NoLink(_))));
    assert!(store.link(id).unwrap().is_some());
}

fn a_link_is_closed_since_both_sides_first_were(store) {
    let closed_since = |store: &mut dyn Store, id| store.link(id).unwrap().unwrap().closed_since_ms;
    let claim = work_on(store, 7, 10);
    let open = with_statuses(pair(7, 70), "closed", "resolved");
    let closed = with_statuses(pair(7, 70), "closed", "closed");
    let id = store.insert_link(&claim.lease, &open, &[]).unwrap();
    assert_eq!(closed_since(store, id), None);
    store.save_link(&claim.lease, id, &closed, &[did(50, "closed")]).unwrap();
    assert_eq!(closed_since(store, id), Some(50));
    store.save_link(&claim.lease, id, &closed, &[did(90, "again")]).unwrap();
    assert_eq!(closed_since(store, id), Some(50), "the first time is kept");
    store.save_link(&claim.lease, id, &open, &[]).unwrap();
    assert_eq!(closed_since(store, id), None, "re-opened");
    store.save_link(&claim.lease, id, &closed, &[]).unwrap();
    assert_eq!(closed_since(store, id), Some(10), "nothing was done: the pass's own time");
    store.amend_link(id, &|_, state| *state = LinkState::Ended, &did(70, "unlinked"), 70).unwrap();
    assert_eq!(closed_since(store, id), Some(70), "a closed pair that ends has ended from then on");
}

fn links_are_listed_in_order_by_pages_and_externals(store) {
    let ids: Vec<i64> = (1..=5).map(|ticket| linked(store, &without_counterpart(ticket))).collect();
    let mut listed = |external, after, limit| -> Vec<i64> {
        let links = store.links(external, after, limit, None).unwrap();
        links.into_iter().map(|stored| stored.id).collect()
    };
    assert_eq!(listed(None, 0, 10), ids);
    assert_eq!(listed(Some("acme"), 0, 2), ids[..2]);
    assert_eq!(listed(Some("acme"), ids[1], 2), ids[2..4]);
    assert_eq!(listed(None, ids[4], 2), [0; 0]);
    assert_eq!(listed(Some("umbrella"), 0, 10), [0; 0]);
}

fn links_closed_before_a_time_can_be_left_out(store) {
    let mut ids = Vec::new();
    for (ticket, at_ms) in [(1, 100), (2, 200)] {
        let claim = work_on(store, ticket, 0);
        let closed = with_statuses(without_counterpart(ticket), "closed", "closed");
        ids.push(store.insert_link(&claim.lease, &closed, &[did(at_ms, "closed")]).unwrap());
        store.finish(&claim, &Next::Done, 0).unwrap();
    }
    ids.push(linked(store, &without_counterpart(3)));
    for external in [None, Some("acme")] {
        let mut listed = |after_ms| -> Vec<i64> {
            let links = store.links(external, 0, 10, after_ms).unwrap();
            links.into_iter().map(|stored| stored.id).collect()
        };
        assert_eq!(listed(None), ids);
        assert_eq!(listed(Some(100)), ids);
        assert_eq!(listed(Some(101)), ids[1..]);
        assert_eq!(listed(Some(201)), ids[2..]);
    }
}

fn pairs_are_the_links_without_their_texts(store) {
    let mut halted = pair(7, 70);
    halted.field_agreed("description", "long", "long");
    halted.files.copies.push(copy(5));
    halted.files.left_behind.push(6);
    halted.files.orphaned.push((Side::Internal, 7));
    halted.course.halt = Some(plan::Halt { kind: plan::HaltKind::FilesGone, text: "5 files gone".to_owned() });
    let links = [halted, without_counterpart(8), with_statuses(pair(9, 90), "closed", "closed")];
    let mut ids: Vec<i64> = links.iter().map(|link| linked(store, link)).collect();
    store.amend_link(ids[1], &|_, state| *state = LinkState::Ended, &did(5, "unlinked"), 5).unwrap();
    for closed_after_ms in [None, Some(1_000)] {
        ids.truncate(if closed_after_ms.is_none() { 3 } else { 2 });
        for (external, after, limit) in [(None, 0, 10), (Some("acme"), 0, 2), (Some("acme"), ids[0], 10), (Some("no"), 0, 9)] {
            let stored = store.links(external, after, limit, closed_after_ms).unwrap();
            let expected: Vec<Pair> = stored.into_iter().map(|stored| Pair {
                id: stored.id,
                external_name: stored.external_name,
                external: stored.link.external,
                internal: stored.link.internal,
                copies: stored.link.files.copies,
                documents: stored.link.files.documents,
                enclosures: stored.link.files.enclosures,
                refused_again_at_ms: stored.link.open.refused.iter().map(|refused| refused.again_at_ms).min(),
                logs: stored.link.logs,
                nobodys: [
                    stored.link.files.left_behind.iter().map(|file| (Side::External, *file)).collect(),
                    stored.link.files.orphaned,
                ].concat(),
                halted: stored.link.course.halt.is_some(),
                vanished: stored.link.course.halt.as_ref().is_some_and(|halt| halt.kind.vanished().is_some()),
                restored: !stored.link.course.restored.is_empty(),
                waits_for_date: stored.link.open.waits_for_date,
                state: stored.state,
            }).collect();
            assert_eq!(store.pairs(external, after, limit, closed_after_ms).unwrap(), expected);
        }
    }
    let shown = |store: &mut dyn Store, closed_after_ms| {
        let pairs = store.pairs(None, 0, 10, closed_after_ms).unwrap();
        pairs.iter().map(|pair| (pair.id, pair.halted)).collect::<Vec<_>>()
    };
    assert_eq!(shown(store, Some(5)), [(ids[0], true), (ids[1], false)]);
    assert_eq!(shown(store, Some(1_000)), [(ids[0], true)], "what has ended for long is left out too");
}

fn an_amended_link_is_stored_logged_and_looked_at(store) {
    let mut halted = pair(7, 70);
    halted.course.halt = Some(plan::Halt { kind: plan::HaltKind::FilesGone, text: "5 files gone".to_owned() });
    let id = linked(store, &halted);
    store.amend_link(id, &|link, _| link.course.halt = None, &did(9, "resumed"), 10).unwrap();
    assert_eq!(store.link(id).unwrap().unwrap().link, pair(7, 70));
    assert_eq!(store.activity(id, 10).unwrap(), [did(9, "resumed")]);
    let claim = claim_one(store, 10);
    assert_eq!((claim.look, claim.link), (Look::everything(), Some((id, pair(7, 70)))));
}

fn an_amended_link_keeps_its_ticket_s_one_link(store) {
    linked(store, &pair(7, 70));
    let id = linked(store, &pair(8, 80));
    let steal = |link: &mut itop_bridge_core::Link, _: &mut LinkState| {
        link.internal = Some(key(70));
    };
    let refused = store.amend_link(id, &steal, &did(9, "no"), 10);
    assert!(matches!(refused, Err(StoreError::AlreadyLinked { .. })));
    assert_eq!(store.link(id).unwrap().unwrap().link, pair(8, 80));
    assert_eq!(queue(store, 10), []);
    let missing = store.amend_link(99, &|_, _| {}, &did(9, "no"), 10);
    assert!(matches!(missing, Err(StoreError::NoLink(99))));
}

fn an_id_that_was_given_out_again_belongs_to_who_was_read_last(store) {
    let old = linked(store, &pair(7, 70));
    let mut link = pair(8, 70);
    link.internal = Some(TicketKey { reference: "R-999999".to_owned(), ..key(70) });
    let new = linked(store, &link);
    assert_eq!(store.link_of_internal(70).unwrap().unwrap().id, new);
    assert_eq!(store.link(old).unwrap().unwrap().link, pair(7, 70), "what it had is still known");
    // Its ticket waits, and was carried all the same.
    store.mark_dirty(&[hint(7, 10)], 10).unwrap();
    assert_eq!(store.uncarried("acme").unwrap(), []);
    assert_eq!(store.uncarried_tickets("acme", "UserRequest", 0, 9).unwrap(), [0_u64; 0]);
}

fn a_pair_that_was_not_compared_with_a_restored_side_leaves_its_id_to_another(store) {
    let old = linked(store, &pair(7, 70));
    let was_restored = |link: &mut itop_bridge_core::Link, _: &mut LinkState| link.mark_restored(Side::Internal);
    store.amend_link(old, &was_restored, &did(5, "the internal iTop was restored"), 5).unwrap();
    let new = linked(store, &pair(8, 70));
    assert_eq!(store.link_of_internal(70).unwrap().unwrap().id, new, "by name and time they are the same ticket");
    store.amend_link(old, &|_, _| {}, &did(6, "looked at"), 6).unwrap();
    assert_eq!(store.link_of_internal(70).unwrap().unwrap().id, new);
    let compared = |link: &mut itop_bridge_core::Link, _: &mut LinkState| link.course.restored.clear();
    let refused = store.amend_link(old, &compared, &did(7, "no"), 7);
    assert!(matches!(refused, Err(StoreError::AlreadyLinked { link, .. }) if link == new));
}

fn who_read_a_link_before_it_was_amended_cannot_put_it_back(store) {
    let id = linked(store, &pair(7, 70));
    let reader = work_on(store, 7, 0);
    store.amend_link(id, &|link, _| link.internal = None, &did(5, "resumed"), 5).unwrap();
    let lost = store.save_link(&reader.lease, id, &pair(7, 70), &[]);
    assert!(matches!(lost, Err(StoreError::LeaseLost)));
    assert!(matches!(store.renew(&reader.lease, 9 * LEASE_MS), Err(StoreError::LeaseLost)));
    assert!(matches!(store.finish(&reader, &Next::Done, 5), Err(StoreError::LeaseLost)));
    assert_eq!(due(store, LEASE_MS - 1), [0; 0], "a call of the reader may still be on its way");
    let next = claim_one(store, LEASE_MS);
    assert_eq!((next.look, next.link), (Look::everything(), Some((id, without_counterpart(7)))));
}

fn an_ended_link_takes_its_ticket_out_of_the_queue(store) {
    let id = linked(store, &pair(7, 70));
    let worker = work_on(store, 7, 0);
    store.amend_link(id, &|_, state| *state = LinkState::Ended, &did(5, "unlinked"), 5).unwrap();
    assert_eq!(queue(store, 5), []);
    assert!(matches!(store.save_link(&worker.lease, id, &without_counterpart(7), &[]), Err(StoreError::LeaseLost)));
    let ended = store.link_of_external(&acme(7)).unwrap().unwrap();
    assert_eq!((ended.state, ended.link), (LinkState::Ended, pair(7, 70)));
    store.amend_link(id, &|_, state| *state = LinkState::Live, &did(6, "linked again"), 6).unwrap();
    assert_eq!(store.link_of_internal(70).unwrap().unwrap().state, LinkState::Live);
    assert_eq!(due(store, 6), [7]);
}

fn a_pair_closed_long_ago_is_shrunk_once_and_again_when_it_was_stored_anew(store) {
    let worker = work_on(store, 7, 0);
    let old = store.insert_link(&worker.lease, &closed_pair(7, 70), &[did(10, "closed")]).unwrap();
    let young = store.adopt_link("acme", &closed_pair(8, 80), false, &[did(500, "closed")], 500).unwrap();
    let open = store.adopt_link("acme", &pair(9, 90), false, &[did(10, "made")], 500).unwrap();
    assert_eq!(store.shrink_closed("beta", 500, 1_000).unwrap(), 0);
    assert_eq!(store.shrink_closed("acme", 500, 1_000).unwrap(), 1);
    let stored = store.link(old).unwrap().unwrap();
    assert_eq!((stored.closed_since_ms, stored.state), (Some(10), LinkState::Live));
    assert!(is_shrunk(&stored.link), "{:?}", stored.link);
    assert_eq!(store.activity(old, 10).unwrap(), [Activity::of(1_000, Event::Shrunk)]);
    for (id, link) in [(young, closed_pair(8, 80)), (open, pair(9, 90))] {
        assert_eq!(store.link(id).unwrap().unwrap().link, link);
    }
    assert_eq!(store.shrink_closed("acme", 500, 1_000).unwrap(), 0, "once");
    store.save_link(&worker.lease, old, &closed_pair(7, 70), &[did(1_100, "an edit inside was overwritten")]).unwrap();
    assert_eq!(store.shrink_closed("acme", 500, 1_200).unwrap(), 1, "stored anew");
    let texts: Vec<String> = store.activity(old, 10).unwrap().into_iter().map(|line| line.text).collect();
    assert_eq!(texts, ["an edit inside was overwritten", &Event::Shrunk.to_string()], "what was done since is kept");
}

fn a_long_history_is_dropped_in_pieces_before_its_pair_is_shrunk(store) {
    let id = store.adopt_link("acme", &closed_pair(7, 70), false, &[did(10, "made")], 10).unwrap();
    let worker = claim_one(store, 10);
    for page in 0..5 {
        let lines: Vec<Activity> = (0..100).map(|line| did(10, &format!("{page} {line}"))).collect();
        store.save_link(&worker.lease, id, &closed_pair(7, 70), &lines).unwrap();
    }
    let mut calls = 0;
    while !is_shrunk(&store.link(id).unwrap().unwrap().link) {
        calls += 1;
        assert_eq!(store.shrink_closed("acme", 500, 1_000).unwrap(), 1, "call {calls}");
        let left = store.activity(id, MAX_ROWS).unwrap().len();
        assert!(left >= MAX_ROWS.min(500_usize.saturating_sub(calls * MAX_ROWS)), "{left} lines after {calls} calls");
    }
    assert!(calls >= 3, "{calls} calls for 500 lines");
    assert_eq!(store.activity(id, MAX_ROWS).unwrap(), [Activity::of(1_000, Event::Shrunk)]);
    assert_eq!(store.shrink_closed("acme", 500, 1_000).unwrap(), 0);
}

fn a_closed_pair_of_which_something_is_open_keeps_its_history_and_holds_up_no_other(store) {
    for ticket in 1..=20 {
        let mut link = closed_pair(ticket, 100 + ticket);
        link.may_land(link::Late::Field { code: "title".to_owned(), value: "B".to_owned() }, 9);
        store.adopt_link("acme", &link, false, &[did(10, "closed")], 10).unwrap();
    }
    let last = store.adopt_link("acme", &closed_pair(21, 121), false, &[did(10, "closed")], 10).unwrap();
    while store.shrink_closed("acme", 500, 1_000).unwrap() > 0 {}
    assert!(is_shrunk(&store.link(last).unwrap().unwrap().link));
    let open = store.link_of_external(&acme(1)).unwrap().unwrap();
    assert!(!is_shrunk(&open.link));
    assert_eq!(store.activity(open.id, 10).unwrap(), [did(10, "closed")]);
    // The late write has settled, and that was stored.
    store.amend_link(open.id, &|link, _| link.in_flight.late.clear(), &did(1_000, "settled"), 1_000).unwrap();
    assert_eq!(store.shrink_closed("acme", 500, 1_100).unwrap(), 1);
    assert!(is_shrunk(&store.link(open.id).unwrap().unwrap().link));
}

fn a_pair_that_ended_keeps_no_text_that_was_open(store) {
    let mut link = closed_pair(7, 70);
    link.may_land(link::Late::Field { code: "description".to_owned(), value: "what a customer wrote".to_owned() }, 9);
    let id = store.adopt_link("acme", &link, false, &[did(10, "closed")], 10).unwrap();
    store.amend_link(id, &|_, state| *state = LinkState::Ended, &did(20, "unlinked"), 20).unwrap();
    assert_eq!(store.shrink_closed("acme", 500, 1_000).unwrap(), 1);
    let link = store.link(id).unwrap().unwrap().link;
    assert!(is_shrunk(&link) && link.in_flight.late.is_empty());
}

fn a_pair_that_ended_counts_as_closed_until_it_lives_again(store) {
    let mut link = closed_pair(7, 70);
    link.ancestor.internal.status = "rejected".to_owned();
    let id = store.adopt_link("acme", &link, false, &[did(10, "made")], 10).unwrap();
    assert_eq!(store.shrink_closed("acme", 500, 1_000).unwrap(), 0, "who was rejected may be re-opened");
    store.amend_link(id, &|_, state| *state = LinkState::Ended, &did(20, "unlinked"), 20).unwrap();
    assert_eq!(store.link(id).unwrap().unwrap().closed_since_ms, Some(20));
    store.amend_link(id, &|_, state| *state = LinkState::Live, &did(30, "linked again"), 30).unwrap();
    assert_eq!(store.link(id).unwrap().unwrap().closed_since_ms, None);
    store.amend_link(id, &|_, state| *state = LinkState::Ended, &did(40, "unlinked"), 40).unwrap();
    assert_eq!(store.shrink_closed("acme", 40, 1_000).unwrap(), 0, "not yet");
    assert_eq!(store.shrink_closed("acme", 41, 1_000).unwrap(), 1);
    let stored = store.link(id).unwrap().unwrap();
    assert!(is_shrunk(&stored.link) && stored.state == LinkState::Ended, "{stored:?}");
    assert_eq!(store.activity(id, 10).unwrap(), [Activity::of(1_000, Event::Shrunk)]);
}

fn an_adopted_pair_is_stored_logged_and_looked_at(store) {
    let id = store.adopt_link("acme", &pair(7, 70), false, &[did(9, "found")], 10).unwrap();
    let stored = store.link_of_internal(70).unwrap().unwrap();
    assert_eq!((stored.id, stored.link, stored.state), (id, pair(7, 70), LinkState::Live));
    assert_eq!(store.activity(id, 10).unwrap(), [did(9, "found")]);
    let claim = claim_one(store, 10);
    assert_eq!((claim.look, claim.link), (Look::everything(), Some((id, pair(7, 70)))));
}

fn who_has_an_adopted_ticket_in_hand_loses_it(store) {
    let reader = work_on(store, 7, 0);
    store.adopt_link("acme", &pair(7, 70), false, &[], 5).unwrap();
    assert!(matches!(store.insert_link(&reader.lease, &without_counterpart(7), &[]), Err(StoreError::LeaseLost)));
    assert_eq!(store.link_of_external(&acme(7)).unwrap().unwrap().link, pair(7, 70));
}

fn a_ticket_that_is_linked_is_never_adopted(store) {
    let id = linked(store, &pair(7, 70));
    for again in [pair(7, 71), pair(8, 70)] {
        for over_ended in [false, true] {
            let refused = store.adopt_link("acme", &again, over_ended, &[did(9, "no")], 10);
            assert!(matches!(refused, Err(StoreError::AlreadyLinked { link, .. }) if link == id));
        }
    }
    assert_eq!(store.links(None, 0, 10, None).unwrap().len(), 1);
    assert_eq!(store.activity(id, 10).unwrap(), []);
}

fn an_ended_link_gives_way_only_where_it_is_to(store) {
    let id = linked(store, &pair(7, 70));
    store.amend_link(id, &|_, state| *state = LinkState::Ended, &did(5, "unlinked"), 5).unwrap();
    for again in [pair(7, 71), pair(8, 70), pair(7, 70)] {
        let refused = store.adopt_link("acme", &again, false, &[], 10);
        assert!(matches!(refused, Err(StoreError::AlreadyLinked { link, .. }) if link == id));
    }
    let other = store.adopt_link("acme", &pair(8, 70), true, &[], 10).unwrap();
    let tombstone = store.link(id).unwrap().unwrap();
    assert_eq!((tombstone.link, tombstone.state), (without_counterpart(7), LinkState::Ended));
    assert!(store.activity(id, 10).unwrap()[0].text.contains("linked with acme:R-000008 instead"));
    assert_eq!(store.link_of_internal(70).unwrap().unwrap().id, other);
    assert_eq!(store.adopt_link("acme", &pair(7, 71), true, &[], 11).unwrap(), id, "its number stays");
    assert_eq!(store.link_of_internal(71).unwrap().unwrap().state, LinkState::Live);
}

// ---- sweep and audit -------------------------------------------------------------------

fn cursors_are_kept_by_side_and_name(store) {
    let acme = Instance::External("acme".to_owned());
    // No external's name makes it the internal side.
    let namesake = Instance::External("internal".to_owned());
    assert_eq!(store.cursor(&acme, "tickets").unwrap(), None);
    store.set_cursor(&acme, "tickets", "2026-01-01 00:00:00").unwrap();
    store.set_cursor(&acme, "tickets", "2026-01-02 00:00:00").unwrap();
    store.set_cursor(&Instance::Internal, "tickets", "inside").unwrap();
    assert_eq!(store.cursor(&acme, "tickets").unwrap().as_deref(), Some("2026-01-02 00:00:00"));
    assert_eq!(store.cursor(&acme, "attachments").unwrap(), None);
    assert_eq!(store.cursor(&namesake, "tickets").unwrap(), None);
    assert_eq!(store.cursor(&Instance::Internal, "tickets").unwrap().as_deref(), Some("inside"));
}

fn a_side_stands_still_until_it_is_told_otherwise(store) {
    let acme = Instance::External("acme".to_owned());
    assert_eq!(store.stopped(&acme).unwrap(), None);
    store.set_stopped(&acme, Some(&Stop::Paused)).unwrap();
    let gone = Stop::TicketsGone { gone: 3, linked: 4 };
    store.set_stopped(&acme, Some(&gone)).unwrap();
    assert_eq!(store.stopped(&acme).unwrap(), Some(gone));
    assert_eq!(store.stopped(&Instance::Internal).unwrap(), None);
    store.set_stopped(&acme, None).unwrap();
    store.set_stopped(&acme, None).unwrap();
    assert_eq!(store.stopped(&acme).unwrap(), None);
}

fn a_side_halts_with_its_cursors_or_not_at_all(store) {
    let acme = Instance::External("acme".to_owned());
    store.set_cursor(&acme, "witnesses", "1 2026-01-01 00:00:00").unwrap();
    let too_many: Vec<(&str, &str)> = std::iter::repeat_n(("witnesses", ""), MAX_ROWS + 1).collect();
    let back = Stop::Restored { reference: "R-1".into(), before: "2026-01-02".into(), now: "2026-01-01".into() };
    assert!(store.halt(&acme, &back, &too_many).is_err());
    assert_eq!(store.stopped(&acme).unwrap(), None);
    assert_eq!(store.cursor(&acme, "witnesses").unwrap().as_deref(), Some("1 2026-01-01 00:00:00"));
    store.halt(&acme, &back, &[("witnesses", ""), ("went_back", "yes")]).unwrap();
    assert_eq!(store.stopped(&acme).unwrap(), Some(back));
    assert_eq!(store.cursor(&acme, "witnesses").unwrap().as_deref(), Some(""));
    assert_eq!(store.cursor(&acme, "went_back").unwrap().as_deref(), Some("yes"));
    assert_eq!(store.stopped(&Instance::Internal).unwrap(), None);
}

fn the_highest_counterpart_is_anybody_s(store) {
    assert_eq!(store.highest_counterpart().unwrap(), None);
    linked(store, &without_counterpart(1));
    assert_eq!(store.highest_counterpart().unwrap(), None);
    let ended = linked(store, &pair(2, 30));
    linked(store, &pair(3, 20));
    store.amend_link(ended, &|_, state| *state = LinkState::Ended, &did(5, "unlinked"), 5).unwrap();
    assert_eq!(store.highest_counterpart().unwrap(), Some(30));
}

// ---- what an operator watches ------------------------------------------------------------

fn what_is_kept_back_is_no_failure_of_the_ticket(store) {
    store.mark_dirty(&[hint(7, 0)], 100).unwrap();
    let first = claim_one(store, 100);
    store.finish(&first, &failed(200, false), 100).unwrap();
    let second = claim_one(store, 200);
    let error = "description: 403".to_owned();
    let next = Next::Held { due_ms: 900, error: error.clone(), parked: true, look: Look::everything() };
    store.finish(&second, &next, 300).unwrap();
    let row = store.queue_row(&acme(7), 300).unwrap().unwrap();
    assert_eq!((row.attempts, row.parked, row.due_ms, row.dirty_since_ms), (0, true, 900, 100));
    assert_eq!(row.error, Some(error));
    // A hint that came meanwhile is looked at in its time.
    store.retry_parked(None, 400).unwrap();
    let third = claim_one(store, 400);
    store.mark_dirty(&[hint(7, 450)], 420).unwrap();
    store.finish(&third, &next, 430).unwrap();
    let row = store.queue_row(&acme(7), 430).unwrap().unwrap();
    assert_eq!((row.parked, row.due_ms), (false, 450));
}

fn what_is_in_trouble_and_what_has_no_link_is_listed(store) {
    let mut halted = pair(1, 10);
    halted.course.halt = Some(plan::Halt { kind: plan::HaltKind::FilesGone, text: "all files are gone".to_owned() });
    let mut disputed = pair(2, 20);
    disputed.open.conflicts.push(link::Conflict::new("title", "differs"));
    let (halted, disputed) = (linked(store, &halted), linked(store, &disputed));
    linked(store, &pair(3, 30));
    let waits = linked(store, &pair(4, 40));
    store.mark_dirty(&[hint(4, 0)], 300).unwrap();
    let claim = claim_one(store, 300);
    store.finish(&claim, &failed(1_000, false), 300).unwrap();
    store.mark_dirty(&[hint(5, 0), hint(8, 0)], 400).unwrap();
    let ids = |found: Vec<Stored>| found.iter().map(|stored| stored.id).collect::<Vec<_>>();
    assert_eq!(ids(store.troubled("acme", 0, 9).unwrap()), [halted, disputed, waits]);
    assert_eq!(ids(store.troubled("acme", halted, 1).unwrap()), [disputed]);
    assert_eq!(ids(store.troubled("beta", 0, 9).unwrap()), [0; 0]);
    let tickets = |found: Vec<QueueRow>| found.iter().map(|row| row.of.ticket).collect::<Vec<_>>();
    assert_eq!(tickets(store.unlinked("acme", 0, 9, 400).unwrap()), [5, 8]);
    assert_eq!(tickets(store.unlinked("acme", 5, 9, 400).unwrap()), [8]);
}

fn a_tally_counts_what_waits_and_what_stands_still(store) {
    assert_eq!(store.tally("acme").unwrap(), Tally::default());
    let mut halted = pair(1, 10);
    halted.course.halt = Some(plan::Halt { kind: plan::HaltKind::FilesGone, text: "all files are gone".to_owned() });
    let id = linked(store, &halted);
    let mut disputed = pair(2, 20);
    for (field, is_older) in [("title", false), ("impact", false), ("description", true)] {
        disputed.open.conflicts.push(link::Conflict { about: field.to_owned(), text: "differs".to_owned(), is_older, kind: None });
    }
    linked(store, &disputed);
    let ended = linked(store, &pair(3, 30));
    store.amend_link(ended, &|_, state| *state = LinkState::Ended, &did(5, "unlinked"), 5).unwrap();
    store.mark_dirty(&[hint(9, 0)], 300).unwrap();
    let claim = claim_one(store, 400);
    store.finish(&claim, &failed(1_000, true), 400).unwrap();
    store.mark_dirty(&[hint(8, 500)], 300).unwrap();
    store.mark_dirty(&[about(TicketOf { external: "beta".to_owned(), ticket: 7 }, 0)], 1).unwrap();

    let tally = Tally { waiting: 1, oldest_ms: Some(300), parked: 1, live: 2, ended: 1, halted: 1, conflicts: 2 };
    assert_eq!(store.tally("acme").unwrap(), tally);
    let why = "all files are gone".to_owned();
    assert_eq!(store.halted("acme", 9).unwrap(), [Halted { link: id, reference: "R-000001".to_owned(), kind: Some(plan::HaltKind::FilesGone), why }]);
    let parked = store.parked("acme", 9).unwrap();
    assert_eq!(parked.iter().map(|parked| parked.of.ticket).collect::<Vec<_>>(), [9]);
    assert!(!parked[0].error.is_empty(), "it says why");
    store.amend_link(id, &|link, _| link.resume(), &did(6, "resumed"), 6).unwrap();
    assert_eq!(store.halted("acme", 9).unwrap(), []);
}

fn what_waits_without_a_counterpart_is_counted_by_class(store) {
    assert_eq!(store.uncarried("acme").unwrap(), []);
    let of = |external: &str, ticket| TicketOf { external: external.to_owned(), ticket };
    let told = |ticket, class: Option<&str>| DirtyMark {
        about: About::External { of: of("acme", ticket), class: class.map(str::to_owned) },
        look: Look::ticket(),
        due_ms: 0,
    };
    let incident = Some("Incident");
    // One has a pair, one had, one has a link without a counterpart, and of one nobody knows the class.
    linked(store, &pair(1, 10));
    let ended = linked(store, &pair(2, 20));
    store.amend_link(ended, &|_, state| *state = LinkState::Ended, &did(5, "unlinked"), 5).unwrap();
    linked(store, &without_counterpart(3));
    store.mark_dirty(&[told(1, None), told(2, None), told(3, None), told(4, None)], 300).unwrap();
    store.mark_dirty(&[told(7, incident), told(5, incident)], 200).unwrap();
    store.mark_dirty(&[told(6, incident)], 100).unwrap();
    store.mark_dirty(&[about(of("beta", 9), 0)], 1).unwrap();
    let class = |class: &str, tickets, oldest_ms| Uncarried { class: class.to_owned(), tickets, oldest_ms };
    let its_class = without_counterpart(3).external.class;
    assert_eq!(store.uncarried("acme").unwrap(), [class("Incident", 3, 100), class(&its_class, 1, 300)]);
    assert_eq!(store.uncarried_tickets("acme", "Incident", 0, 2).unwrap(), [5, 6]);
    assert_eq!(store.uncarried_tickets("acme", "Incident", 6, 2).unwrap(), [7]);
    assert_eq!(store.uncarried_tickets("acme", &its_class, 0, 9).unwrap(), [3]);
    assert_eq!(store.uncarried_tickets("acme", "Ticket", 0, 9).unwrap(), [0_u64; 0]);
    // A parked one is told as such.
    let claims = store.claim("acme", 9, 400, 1_000).unwrap();
    let parked = claims.iter().find(|claim| claim.lease.of.ticket == 5).unwrap();
    store.finish(parked, &failed(1_000, true), 400).unwrap();
    assert_eq!(store.uncarried("acme").unwrap(), [class("Incident", 2, 100), class(&its_class, 1, 300)]);
    assert_eq!(store.uncarried_tickets("acme", "Incident", 0, 9).unwrap(), [6, 7]);
    assert_eq!(store.tally("acme").unwrap().parked, 1);
}

fn hooks_are_counted_by_side_and_kind(store) {
    let came = |kind: &str, count, last_ms| HookCount { side: "acme".to_owned(), kind: kind.to_owned(), count, last_ms };
    store.count_hooks(&[came("update-ticket", 2, 20), came("create-ticket", 1, 10)]).unwrap();
    store.count_hooks(&[came("update-ticket", 3, 15)]).unwrap();
    assert_eq!(store.hooks().unwrap(), [came("create-ticket", 1, 10), came("update-ticket", 5, 20)]);
}

// ---- externals -------------------------------------------------------------------------

fn every_external_is_known_of_which_anything_is_stored(store) {
    assert_eq!(store.externals().unwrap(), []);
    linked(store, &pair(7, 70));
    store.mark_dirty(&[hint(8, 0)], 0).unwrap();
    let of = |name: &str| Instance::External(name.to_owned());
    store.set_cursor(&of("beta"), "address", "beta.example").unwrap();
    store.set_stopped(&of("gamma"), Some(&Stop::Paused)).unwrap();
    store.set_cursor(&Instance::Internal, "address", "elitery.example").unwrap();
    let known = |name: &str, live, waiting| External { name: name.to_owned(), live, ended: 0, waiting };
    assert_eq!(store.externals().unwrap(), [known("acme", 1, 1), known("beta", 0, 0), known("gamma", 0, 0)]);
    store.drop_cursor(&of("beta"), "address").unwrap();
    assert_eq!(store.cursor(&of("beta"), "address").unwrap(), None);
    assert_eq!(store.externals().unwrap().len(), 2);
    store.set_cursors(&[(of("beta"), "address", "a"), (of("delta"), "address", "b")]).unwrap();
    assert_eq!(store.cursor(&of("delta"), "address").unwrap().as_deref(), Some("b"));
    assert_eq!(store.externals().unwrap().len(), 4);
}

fn all_of_an_external_goes_on_under_another_name_and_no_other_is_touched(store) {
    let id = linked(store, &pair(7, 70));
    store.mark_dirty(&[hint(8, 0)], 0).unwrap();
    let of = |name: &str| Instance::External(name.to_owned());
    store.set_cursor(&of("acme"), "since_id", "5").unwrap();
    store.set_stopped(&of("acme"), Some(&Stop::Paused)).unwrap();
    store.set_cursor(&of("beta"), "since_id", "6").unwrap();
    let came = |side: &str| HookCount { side: side.to_owned(), kind: "update-ticket".to_owned(), count: 1, last_ms: 1 };
    store.count_hooks(&[came("acme"), came("beta")]).unwrap();
    assert!(matches!(store.rename_external("acme", "beta"), Err(StoreError::KnownExternal(name)) if name == "beta"));
    store.rename_external("acme", "acme2").unwrap();
    let names: Vec<String> = store.externals().unwrap().into_iter().map(|external| external.name).collect();
    assert_eq!(names, ["acme2", "beta"]);
    assert_eq!(store.link(id).unwrap().unwrap().external_name, "acme2");
    assert_eq!(store.queue(Some("acme2"), 9, 0).unwrap().len(), 1);
    assert_eq!(store.cursor(&of("acme2"), "since_id").unwrap().as_deref(), Some("5"));
    assert_eq!(store.stopped(&of("acme2")).unwrap(), Some(Stop::Paused));
    assert_eq!(store.cursor(&of("beta"), "since_id").unwrap().as_deref(), Some("6"));
    assert_eq!(store.hooks().unwrap(), [came("acme2"), came("beta")]);
}

fn of_a_forgotten_external_its_links_and_what_is_wanted_are_left(store) {
    let id = linked(store, &pair(7, 70));
    store.mark_dirty(&[hint(8, 0)], 0).unwrap();
    let of = |name: &str| Instance::External(name.to_owned());
    for (name, value) in [("address", "acme.example"), ("since_id", "5")] {
        store.set_cursor(&of("acme"), name, value).unwrap();
        store.set_cursor(&of("beta"), name, value).unwrap();
    }
    store.set_stopped(&of("acme"), Some(&Stop::Paused)).unwrap();
    store.forget_external("acme", &["address"]).unwrap();
    assert!(store.link(id).unwrap().is_some());
    assert_eq!(store.queue(None, 9, 0).unwrap(), []);
    assert_eq!(store.cursor(&of("acme"), "address").unwrap().as_deref(), Some("acme.example"));
    assert_eq!((store.cursor(&of("acme"), "since_id").unwrap(), store.stopped(&of("acme")).unwrap()), (None, None));
    assert_eq!(store.cursor(&of("beta"), "since_id").unwrap().as_deref(), Some("5"));
}

fn what_was_told_is_kept_until_it_is_over(store) {
    let subjects = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    store.tell(&subjects(&["down acme", "parked acme:7"]), &[], 1).unwrap();
    store.tell(&subjects(&["down acme", "halted 3"]), &subjects(&["parked acme:7"]), 2).unwrap();
    assert_eq!(store.told().unwrap(), subjects(&["down acme", "halted 3"]));
}

}
