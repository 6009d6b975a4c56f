//! The report: one file on the customer's ticket names each state of the provider's, newest first.

use std::time::Duration;

use itop_bridge_core::Lifecycles;
use itop_bridge_core::lifecycle::Lifecycle;
use itop_bridge_testkit::world::*;
use itop_sim::{Effect, Fault, Version};

use super::{files_outside, lines, report, reports, text_of, told};
use crate::files::{amend, creates_a_file, rewrites_a_file};
use crate::status::{bridged, end, go, status};

each_version![
    every_state_of_the_specification_is_told_on_every_class_that_has_it,
    a_state_that_comes_again_is_told_again,
    the_solution_is_told_as_text_and_nobodys_name_with_it,
    a_report_that_a_customer_deleted_is_made_again_at_the_next_state,
    a_download_of_the_report_and_a_new_organisation_write_nothing,
    a_state_that_no_hook_told_is_found,
];

any_version![
    the_report_is_made_with_the_link,
    a_state_passed_through_between_two_passes_is_not_invented,
    a_report_whose_answer_is_lost_is_made_once,
    a_rewrite_whose_answer_is_lost_leaves_one_file_with_the_right_text,
    a_rewrite_that_lands_late_over_a_newer_one_does_not_stay,
    a_report_that_the_store_forgot_is_known_by_its_mark,
];

/// The internal ticket goes, and the bridge follows.
async fn inside_goes(world: &World, copy: u64, stimulus: &str) {
    go(&world.internal, copy, &[stimulus]).await;
    world.settle().await;
}

async fn the_report_is_made_with_the_link(versions: Versions) {
    let world = Setup::between(versions).without_a_start_date().start().await;
    let (id, copy) = bridged(&world, "UserRequest", &[]).await;
    let report = report(&world, id);
    assert_eq!((&*report.filename, &*report.mimetype), ("elitery R-001001 new.txt", "text/plain"));
    assert_eq!(report.temp_id, format!("itop-bridge:7f3a:acme:UserRequest:{id}:internal:status:report"));
    assert_eq!(report.item_org_id, sample::DEMO);
    let made = world.internal.ticket(copy).unwrap().field("start_date").to_owned();
    assert_eq!(text_of(&report), format!("The status of R-001001 (elitery), newest first\n\nnew  {made} +01:00\n"));
    end(world).await;
}

/// The states of the specification's notifications on every class that has them, and where iTop keeps the time
/// of each. Of those without it keeps none: then the report says when the bridge saw the state.
const STATES: [(&str, &str, &str); 33] = [
    ("UserRequest", "escalated_tto", ""),
    ("UserRequest", "assigned", "assignment_date"),
    ("UserRequest", "escalated_ttr", ""),
    ("UserRequest", "waiting_for_approval", ""),
    ("UserRequest", "approved", ""),
    ("UserRequest", "rejected", ""),
    ("UserRequest", "pending", "last_pending_date"),
    ("UserRequest", "resolved", "resolution_date"),
    ("UserRequest", "closed", "close_date"),
    ("Incident", "escalated_tto", ""),
    ("Incident", "assigned", "assignment_date"),
    ("Incident", "escalated_ttr", ""),
    ("Incident", "pending", "last_pending_date"),
    ("Incident", "resolved", "resolution_date"),
    ("Incident", "closed", "close_date"),
    ("RoutineChange", "validated", ""),
    ("RoutineChange", "rejected", ""),
    ("RoutineChange", "assigned", ""),
    ("RoutineChange", "approved", ""),
    ("RoutineChange", "notapproved", ""),
    ("RoutineChange", "closed", "close_date"),
    ("NormalChange", "validated", "acceptance_date"),
    ("NormalChange", "rejected", ""),
    ("NormalChange", "assigned", ""),
    ("NormalChange", "approved", "approval_date"),
    ("NormalChange", "notapproved", ""),
    ("NormalChange", "closed", "close_date"),
    ("EmergencyChange", "validated", ""),
    ("EmergencyChange", "rejected", ""),
    ("EmergencyChange", "assigned", ""),
    ("EmergencyChange", "approved", "approval_date"),
    ("EmergencyChange", "notapproved", ""),
    ("EmergencyChange", "closed", "close_date"),
];

/// What a person does to bring a new ticket there, a clock's stimulus last; `None` where no stimulus leads there.
fn way_to(lifecycle: &Lifecycle, state: &str) -> Option<Vec<String>> {
    let by_clock = lifecycle.escalated_from(state).next();
    let path = lifecycle.path(&lifecycle.initial, by_clock.unwrap_or(state))?;
    let clock = by_clock.map(|_| "ev_timeout".to_owned());
    Some(path.iter().map(|step| step.stimulus.clone()).chain(clock).collect())
}

async fn every_state_of_the_specification_is_told_on_every_class_that_has_it(versions: Versions) {
    let lifecycles = Lifecycles::built_in();
    for class in lifecycles.classes() {
        let lifecycle = lifecycles.of(class).unwrap();
        let states: Vec<_> = STATES.iter().filter(|(of, ..)| *of == class).collect();
        let others = ["new", "plannedscheduled", "implemented", "monitored"];
        let known: Vec<&str> = lifecycle.states.iter().map(String::as_str).collect();
        let notified = known.into_iter().filter(|state| !others.contains(state));
        assert_eq!(states.iter().map(|(_, state, _)| *state).collect::<Vec<_>>(), notified.collect::<Vec<_>>());

        let world = Setup::between(versions).start().await;
        for (_, state, time) in states {
            let (id, copy) = bridged(&world, class, &[]).await;
            let made = report(&world, id).id;
            match way_to(lifecycle, state) {
                Some(way) => go(&world.internal, copy, &way.iter().map(String::as_str).collect::<Vec<_>>()).await,
                // The class has the state, and only an import or a rule of this iTop's own brings a ticket there.
                None => world.internal.update(copy, json!({ "status": state })).await.unwrap(),
            }
            world.settle().await;
            let inside = world.internal.ticket(copy).unwrap();
            assert!(time.is_empty() || !inside.field(time).is_empty(), "{class} {state}");
            let line = match *time {
                "" => format!("{state}  seen 2026-11-24 "),
                time => format!("{state}  {} +01:00", inside.field(time)),
            };
            let (report, newest) = (report(&world, id), &lines(&world, id)[0]);
            assert!(newest.starts_with(&line) && newest.ends_with(" +01:00"), "{class}: {newest}");
            let reference = inside.field("ref");
            assert_eq!((report.id, report.filename), (made, format!("elitery {reference} {state}.txt")), "{class}");
            assert_eq!(status(world.acme(), id), "new", "its own lifecycle stays its own");
            assert!(files_outside(&world, id).is_empty(), "{class}");
        }
        end(world).await;
    }
}

async fn a_state_passed_through_between_two_passes_is_not_invented(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let (id, copy) = bridged(&world, "UserRequest", &[]).await;
    go(&world.internal, copy, &["ev_assign", "ev_pending", "ev_assign", "ev_resolve"]).await;
    world.settle().await;
    // Although iTop tells when it was assigned and when it was pending.
    let inside = world.internal.ticket(copy).unwrap();
    assert!(!inside.field("assignment_date").is_empty() && !inside.field("last_pending_date").is_empty());
    assert_eq!(told(&world, id), ["resolved", "new"]);
    end(world).await;
}

async fn a_state_that_comes_again_is_told_again(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let (id, copy) = bridged(&world, "UserRequest", &["ev_assign"]).await;
    for stimulus in ["ev_pending", "ev_assign", "ev_pending"] {
        world.pass_seconds(60).await;
        inside_goes(&world, copy, stimulus).await;
    }
    let states = ["pending", "assigned", "pending", "assigned"];
    assert_eq!(told(&world, id)[..4], states);
    // Each with iTop's own time of it; the second `assigned` has none of its own.
    let text = text_of(&report(&world, id));
    let states = text.lines().skip(2).filter(|line| !line.starts_with("  "));
    let times: Vec<&str> = states.map(|line| line.split_once("  ").unwrap().1).collect();
    assert!(times[0] != times[2] && !text.contains("pending  seen"), "{text}");
    assert!(times[1].starts_with("seen ") && times[3].starts_with("2026-"), "{text}");
    end(world).await;
}

async fn the_solution_is_told_as_text_and_nobodys_name_with_it(versions: Versions) {
    let inside = versions.internal;
    let world = Setup::between(versions).start().await;
    let (id, copy) = bridged(&world, "UserRequest", &["ev_assign"]).await;
    let solution = if inside == Version::V3_2 {
        "<p>new fuser, 2 &lt; 3 &amp; <b>done</b></p>"
    } else {
        "new fuser, 2 < 3 & done"
    };
    let fields = json!({ "resolution_code": "hardware_repair", "solution": solution, "service_id": sample::SOFTWARE });
    world.internal.act_as("jules");
    world.internal.stimulus(copy, "ev_resolve", fields).await.unwrap();
    world.settle().await;
    let text = text_of(&report(&world, id));
    assert!(text.contains("new fuser, 2 < 3 & ") && text.contains("done"), "{text}");
    for hidden in ["<p>", "<b>", "&lt;", "Verne", "Jules", "Helpdesk", "hardware_repair"] {
        assert!(!text.contains(hidden), "{hidden:?} is in {text}");
    }
    // A solution that is amended is told anew, in the same line.
    world.internal.update(copy, json!({ "solution": "another fuser" })).await.unwrap();
    world.pass_seconds(310).await;
    let text = text_of(&report(&world, id));
    assert!(text.contains("another fuser") && !text.contains("new fuser"), "{text}");
    assert_eq!(text.matches("resolved").count(), 1);
    end(world).await;
}

async fn a_report_that_a_customer_deleted_is_made_again_at_the_next_state(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let (id, copy) = bridged(&world, "UserRequest", &["ev_assign"]).await;
    world.acme().delete_attachment(report(&world, id).id).await;
    world.settle().await;
    // Neither another change nor a sweep nor an audit brings it back.
    world.internal.attach(copy, "a.txt", "text/plain", b"a").await.unwrap();
    world.pass_seconds(3 * 3600).await;
    world.settle().await;
    assert!(reports(&world, id).is_empty());
    world.one_more_pass_writes_nothing().await;
    inside_goes(&world, copy, "ev_pending").await;
    assert_eq!(told(&world, id)[..2], ["pending", "assigned"]);
    // Deleted without a word, just before the next state.
    world.acme().erase("Attachment", report(&world, id).id);
    inside_goes(&world, copy, "ev_assign").await;
    assert_eq!(told(&world, id)[..2], ["assigned", "pending"]);
    end(world).await;
}

async fn a_download_of_the_report_and_a_new_organisation_write_nothing(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let (id, _) = bridged(&world, "UserRequest", &[]).await;
    world.clear_calls();
    world.acme().download_attachment(report(&world, id).id).await.unwrap();
    world.settle().await;
    world.acme().change_org(id, sample::IT).await.unwrap();
    world.settle().await;
    assert_eq!(world.acme().writes() + world.internal.writes(), 0);
    end(world).await;
}

const LOST: [Fault; 6] = [
    Fault::Cut { after_bytes: 5, effect: Effect::Committed },
    Fault::Hang(Effect::Committed),
    Fault::Hang(Effect::None),
    Fault::Status(500, Effect::Committed),
    Fault::LandLate(Duration::from_secs(40)),
    Fault::LandLate(Duration::from_secs(290)),
];

async fn a_report_whose_answer_is_lost_is_made_once(versions: Versions) {
    for fault in LOST {
        let world = Setup::between(versions).start().await;
        world.acme().fail_when(1, fault.clone(), creates_a_file);
        let (id, copy) = bridged(&world, "UserRequest", &[]).await;
        world.pass_seconds(400).await;
        assert_eq!(told(&world, id), ["new"], "{fault:?}");
        inside_goes(&world, copy, "ev_assign").await;
        assert_eq!(told(&world, id), ["assigned", "new"], "{fault:?}");
        end(world).await;
    }
}

async fn a_rewrite_whose_answer_is_lost_leaves_one_file_with_the_right_text(versions: Versions) {
    for fault in LOST {
        let world = Setup::between(versions).start().await;
        let (id, copy) = bridged(&world, "UserRequest", &[]).await;
        world.acme().fail_when(1, fault.clone(), rewrites_a_file);
        inside_goes(&world, copy, "ev_assign").await;
        world.pass_seconds(400).await;
        assert_eq!(told(&world, id), ["assigned", "new"], "{fault:?}");
        assert_eq!(report(&world, id).filename, "elitery R-001001 assigned.txt");
        end(world).await;
    }
}

async fn a_rewrite_that_lands_late_over_a_newer_one_does_not_stay(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let (id, copy) = bridged(&world, "UserRequest", &[]).await;
    world.acme().fail_when(1, Fault::LandLate(Duration::from_secs(100)), rewrites_a_file);
    go(&world.internal, copy, &["ev_assign"]).await;
    world.pass_seconds(5).await;
    go(&world.internal, copy, &["ev_pending"]).await;
    world.pass_seconds(60).await;
    assert_eq!(told(&world, id), ["pending", "assigned", "new"]);
    world.pass_seconds(45).await;
    assert_eq!(told(&world, id), ["assigned", "new"], "it landed");
    world.settle().await;
    assert_eq!(told(&world, id), ["pending", "assigned", "new"]);
    end(world).await;
}

async fn a_report_that_the_store_forgot_is_known_by_its_mark(versions: Versions) {
    let mut world = Setup::between(versions).start().await;
    let (id, copy) = bridged(&world, "UserRequest", &[]).await;
    let made = report(&world, id).id;
    world.crash().await;
    amend(&world, id, |link, _| link.files.documents.clear()).await;
    world.boot();
    inside_goes(&world, copy, "ev_assign").await;
    assert_eq!((report(&world, id).id, &told(&world, id)[0][..]), (made, "assigned"));
    end(world).await;
}

async fn a_state_that_no_hook_told_is_found(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let (id, copy) = bridged(&world, "UserRequest", &["ev_assign"]).await;
    world.internal.drop_hooks(true);
    go(&world.internal, copy, &["ev_pending"]).await;
    world.pass_seconds(310).await;
    assert_eq!(told(&world, id)[..2], ["pending", "assigned"]);
    end(world).await;
}
