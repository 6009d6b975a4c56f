use super::*;

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;

fn suspensions() -> Suspensions {
    Suspensions::new(&Timing::default())
}

fn asks(external: &'static str, ticket: u64, class: &'static str) -> Asks<'static> {
    Asks { external, ticket, external_class: class, internal: "elitery", internal_class: class }
}

fn acme(ticket: u64) -> Asks<'static> {
    asks("acme", ticket, "UserRequest")
}

/// Whether a ticket's pass may begin.
fn goes(all: &mut Suspensions, asks: Asks<'_>, now_ms: i64) -> bool {
    all.take_turn(asks, now_ms).is_none()
}

fn refuse(all: &mut Suspensions, external: &str, ticket: u64, text: &str, now_ms: i64) -> Verdict {
    all.refused(external, ticket, "elitery", text, now_ms)
}

fn class(instance: &str, class: &str, access: Access) -> Cause {
    Cause::Class { instance: instance.into(), class: class.into(), access }
}

/// A ticket of acme lacks a right.
fn lacks(all: &mut Suspensions, ticket: u64, missing: Cause, now_ms: i64) -> bool {
    all.rights("acme", ticket, missing, now_ms, "not enough permissions".into())
}

fn of_acme() -> Cause {
    Cause::External { external: "acme".into() }
}

/// Three tickets of acme are refused with one text, at 0.
fn acme_suspended() -> Suspensions {
    let mut all = suspensions();
    for ticket in 1..=2 {
        assert_eq!(refuse(&mut all, "acme", ticket, "too long", 0), Verdict::Alone { since_ms: 0 });
    }
    let verdict = refuse(&mut all, "acme", 3, "too long", 0);
    assert_eq!(verdict, Verdict::Shared { cause: of_acme(), is_news: true });
    all
}

#[test]
fn one_text_on_three_tickets_of_one_external_suspends_that_external_only() {
    let mut all = suspensions();
    for (ticket, text) in [(1, "Not allowed [7] for 'x'"), (1, "Not allowed [7] for 'x'"), (2, "Not allowed [8]")] {
        refuse(&mut all, "acme", ticket, text, 0);
    }
    assert_eq!(all.issues(), []);
    let mut all = acme_suspended();
    assert!(!goes(&mut all, acme(9), SECOND));
    assert!(goes(&mut all, asks("other", 9, "UserRequest"), SECOND));
    assert!(goes(&mut all, acme(9), MINUTE), "the probe");
    assert!(!goes(&mut all, acme(8), MINUTE), "one probe at a time");
    assert_eq!(all.was_written("acme", 9, "elitery", "UserRequest"), [of_acme()]);
    assert!(goes(&mut all, acme(8), MINUTE));
}

#[test]
fn one_text_on_tickets_of_two_externals_suspends_all() {
    let mut all = suspensions();
    refuse(&mut all, "acme", 1, "disk full", 0);
    let verdict = refuse(&mut all, "other", 1, "disk full", 0);
    assert_eq!(verdict, Verdict::Shared { cause: Cause::Internal, is_news: true });
    let again = refuse(&mut all, "other", 1, "disk full", SECOND);
    assert_eq!(again, Verdict::Shared { cause: Cause::Internal, is_news: false });
    assert!(!goes(&mut all, asks("third", 9, "Incident"), 10));
}

#[test]
fn missing_rights_suspend_the_class_on_that_instance() {
    let mut all = suspensions();
    assert!(lacks(&mut all, 1, class("elitery", "NormalChange", Access::Write), 0));
    assert!(!lacks(&mut all, 1, class("elitery", "NormalChange", Access::Write), 0), "no news");
    assert!(!goes(&mut all, asks("acme", 9, "NormalChange"), SECOND));
    assert!(goes(&mut all, acme(9), SECOND));
    assert_eq!(all.was_written("acme", 5, "elitery", "NormalChange").len(), 1);
    assert!(goes(&mut all, asks("acme", 9, "NormalChange"), SECOND));
}

#[test]
fn a_right_to_read_that_is_back_is_shown_by_a_read_and_one_to_write_only_by_a_write() {
    let mut all = suspensions();
    lacks(&mut all, 1, class("acme", "UserRequest", Access::Read), 0);
    assert!(!goes(&mut all, acme(1), SECOND));
    assert_eq!(all.was_read("elitery", "UserRequest"), None, "another side's");
    assert!(all.was_read("acme", "UserRequest").is_some());
    assert!(goes(&mut all, acme(1), SECOND));
    lacks(&mut all, 1, class("elitery", "UserRequest", Access::Write), 0);
    assert_eq!(all.was_read("elitery", "UserRequest"), None, "a read-only iTop reads well");
    assert!(!goes(&mut all, acme(1), SECOND));
}

#[test]
fn a_ticket_that_stays_refused_when_another_gets_through_is_to_blame_itself() {
    let mut all = acme_suspended();
    assert!(!goes(&mut all, acme(1), MINUTE), "it was refused: others first");
    assert!(goes(&mut all, acme(9), MINUTE));
    all.was_written("acme", 9, "elitery", "UserRequest");
    for ticket in 1..=3 {
        let since_ms = if ticket == 3 { 2 * MINUTE } else { 0 };
        assert_eq!(refuse(&mut all, "acme", ticket, "too long", 2 * MINUTE), Verdict::Alone { since_ms });
    }
    assert!(goes(&mut all, acme(9), 2 * MINUTE));
}

#[test]
fn a_write_that_goes_through_blames_no_ticket_of_another_text_or_external() {
    let mut all = acme_suspended();
    refuse(&mut all, "acme", 4, "quota", 0);
    refuse(&mut all, "beta", 5, "closed", 0);
    all.was_written("acme", 9, "elitery", "UserRequest");
    // If these had been blamed, they would no longer count.
    for ticket in 6..=7 {
        refuse(&mut all, "acme", ticket, "quota", SECOND);
    }
    assert_eq!(all.issues().len(), 1, "{:?}", all.issues());
    refuse(&mut all, "acme", 8, "closed", SECOND);
    assert_eq!(all.issues().len(), 2, "{:?}", all.issues());
}

#[test]
fn a_write_on_another_side_says_nothing_of_a_text() {
    let mut all = acme_suspended();
    assert_eq!(all.was_written("acme", 9, "acme", "UserRequest"), []);
    assert!(!goes(&mut all, acme(9), SECOND));
}

#[test]
fn refusals_long_ago_or_of_a_ticket_that_is_well_again_do_not_count() {
    let mut all = suspensions();
    for (ticket, minute) in [(1, 0), (2, 11), (3, 22), (4, 33)] {
        refuse(&mut all, "acme", ticket, "too long", minute * MINUTE);
    }
    refuse(&mut all, "acme", 5, "too long", 34 * MINUTE);
    assert_eq!(all.record_well("acme", 5), []);
    refuse(&mut all, "acme", 6, "too long", 35 * MINUTE);
    assert_eq!(all.issues(), []);
    refuse(&mut all, "acme", 7, "too long", 36 * MINUTE);
    assert_eq!(all.issues().len(), 1);
}

#[test]
fn a_suspension_that_stands_for_long_does_not_forget_who_made_it() {
    let mut all = acme_suspended();
    for minute in 1..60 {
        let verdict = refuse(&mut all, "acme", 1, "too long", minute * MINUTE);
        assert_eq!(verdict, Verdict::Shared { cause: of_acme(), is_news: false }, "minute {minute}");
    }
    all.was_written("acme", 9, "elitery", "UserRequest");
    refuse(&mut all, "acme", 1, "too long", 61 * MINUTE);
    refuse(&mut all, "acme", 2, "too long", 61 * MINUTE);
    assert!(matches!(refuse(&mut all, "acme", 3, "too long", 61 * MINUTE), Verdict::Alone { .. }));
}

#[test]
fn a_suspension_ends_when_every_ticket_that_made_it_is_well() {
    let mut all = acme_suspended();
    assert_eq!((all.record_well("acme", 1), all.record_well("acme", 2)), (vec![], vec![]));
    assert_eq!(all.record_well("acme", 3), [of_acme()]);
    assert!(goes(&mut all, acme(9), SECOND));
}

#[test]
fn a_missing_right_is_over_when_nobody_is_left_who_waits_for_it() {
    let mut all = suspensions();
    let missing = class("elitery", "UserRequest", Access::Write);
    lacks(&mut all, 1, missing.clone(), 0);
    lacks(&mut all, 2, missing.clone(), 0);
    assert!(!goes(&mut all, acme(3), SECOND));
    assert!(!goes(&mut all, asks("other", 3, "UserRequest"), SECOND));
    assert_eq!((all.known("acme"), all.known("other")), ([1, 2, 3].into(), [3].into()));
    for (external, ticket) in [("acme", 1), ("acme", 9), ("acme", 3), ("other", 3)] {
        assert_eq!(all.record_well(external, ticket), [], "{external}:{ticket}");
    }
    assert_eq!(all.record_well("acme", 2), [missing]);
    assert_eq!(all.known("acme"), [].into());
}

#[test]
fn a_probe_that_has_shown_nothing_leaves_its_place_to_the_next_which_waits_near_by() {
    let mut all = suspensions();
    lacks(&mut all, 1, class("elitery", "UserRequest", Access::Write), 0);
    assert_eq!(all.take_turn(acme(1), 30 * SECOND).map(|(until_ms, _)| until_ms), Some(MINUTE));
    assert!(goes(&mut all, acme(1), MINUTE));
    assert_eq!(all.take_turn(acme(2), MINUTE).map(|(until_ms, _)| until_ms), Some(MINUTE + SECOND));
    all.hand_back("acme", 7, MINUTE);
    assert!(!goes(&mut all, acme(2), MINUTE), "another's pass hands nothing back");
    all.hand_back("acme", 1, MINUTE);
    assert!(goes(&mut all, acme(2), MINUTE));
    lacks(&mut all, 1, class("elitery", "UserRequest", Access::Write), MINUTE);
    all.hand_back("acme", 2, MINUTE);
    let next = all.take_turn(acme(3), MINUTE).map(|(until_ms, _)| until_ms);
    assert_eq!(next, Some(2 * MINUTE), "it was refused: that has shown enough");
}
