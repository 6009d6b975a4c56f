//! `status_to_external = "apply"`: a move inside drives the customer's ticket, by stimuli.

use std::time::Duration;

use itop_bridge_testkit::world::*;
use itop_sim::{Effect, Fault, Sim, Version};

use super::{files_outside, reports};
use crate::status::{bridged, end, go, status};

each_version![
    the_external_ticket_follows_through_the_states_inside,
    team_agent_and_service_are_the_external_tickets_own,
    what_agents_wrote_with_a_move_crosses_with_it,
    what_agents_wrote_with_a_change_crosses_with_it,
    an_escalation_inside_moves_nobody,
    a_state_that_no_stimulus_reaches_is_a_conflict_of_the_status_alone,
    moves_on_both_sides_in_turn_do_not_come_back,
];

any_version![
    a_stimulus_outside_whose_answer_is_lost_is_not_repeated,
    a_stimulus_that_lands_late_outside_does_not_stay,
    a_move_inside_before_the_create_is_answered_crosses,
];

const CLASS: &str = "UserRequest";

/// What the customer's side needs for the stimuli that are sent to it.
pub const OUTSIDE: &str = "only = \"all\"\ndefaults = { team = \"Helpdesk\", agent = 9, service = \"Software\", \
                           servicesubcategory = \"Installation\", supervisor_group_id = 37, supervisor_id = 9, \
                           manager_group_id = 37, manager_id = 9, impact = \"see there\", outage = \"no\", fallback = \"undo\", \
                           start_date = \"2026-11-25 12:00:00\", end_date = \"2026-11-26 12:00:00\", \
                           acceptance_comment = \"ok\", acceptance_date = \"2026-11-24 12:00:00\", \
                           approval_comment = \"ok\", approval_date = \"2026-11-24 12:00:00\", reason = \"see there\" }";

fn setup(versions: Versions) -> Setup {
    Setup::between(versions).acme(OUTSIDE).sync("status_to_external = \"apply\"")
}

/// The stimuli that the bridge has sent to a side since the record was cleared.
fn stimuli(sim: &Sim) -> Vec<String> {
    let sent = sim.calls().into_iter().filter(|call| call.operation == "core/apply_stimulus");
    sent.map(|call| call.request()["stimulus"].as_str().unwrap().to_owned()).collect()
}

fn both(world: &World, id: u64, copy: u64) -> (String, String) {
    (status(world.acme(), id), status(&world.internal, copy))
}

fn pair(outside: &str, inside: &str) -> (String, String) {
    (outside.into(), inside.into())
}

async fn the_external_ticket_follows_through_the_states_inside(versions: Versions) {
    let world = setup(versions).start().await;
    let tours: [(&str, &[&str]); 6] = [
        (CLASS, &["ev_assign", "ev_pending", "ev_assign", "ev_resolve", "ev_reopen", "ev_resolve", "ev_close"]),
        ("Incident", &["ev_assign", "ev_pending", "ev_assign", "ev_resolve", "ev_close"]),
        (
            "EmergencyChange",
            &["ev_assign", "ev_plan", "ev_notapprove", "ev_replan", "ev_approve", "ev_implement", "ev_finish"],
        ),
        (
            "NormalChange",
            &[
                "ev_validate",
                "ev_assign",
                "ev_plan",
                "ev_notapprove",
                "ev_replan",
                "ev_approve",
                "ev_implement",
                "ev_finish",
            ],
        ),
        ("NormalChange", &["ev_reject", "ev_reopen", "ev_validate"]),
        ("RoutineChange", &["ev_assign", "ev_plan", "ev_implement", "ev_monitor", "ev_finish"]),
    ];
    for (class, tour) in tours {
        let (id, copy) = bridged(&world, class, &[]).await;
        for stimulus in tour {
            world.clear_calls();
            go(&world.internal, copy, &[stimulus]).await;
            world.pass_seconds(310).await;
            world.settle().await;
            let inside = status(&world.internal, copy);
            assert_eq!(status(world.acme(), id), inside, "{class} after {stimulus}");
            assert_eq!(stimuli(&world.internal), Vec::<String>::new(), "{class} after {stimulus}: nothing comes back");
        }
        assert!(world.link(id).await.link.open.conflicts.is_empty());
        assert!(reports(&world, id).is_empty() && files_outside(&world, id).is_empty());
    }
    end(world).await;
}

async fn team_agent_and_service_are_the_external_tickets_own(versions: Versions) {
    let world = setup(versions).start().await;
    let (id, copy) = bridged(&world, CLASS, &[]).await;
    // The customer's ticket has a team of its own already; the rest comes from the customer's defaults.
    world.acme().update(id, json!({ "team_id": sample::HARDWARE })).await.unwrap();
    world.settle().await;
    let theirs = json!({ "team_id": 37, "agent_id": 12 });
    world.internal.stimulus(copy, "ev_assign", theirs).await.unwrap();
    world.settle().await;
    let resolved = json!({ "resolution_code": "training", "solution": "explained", "service_id": 3 });
    world.internal.stimulus(copy, "ev_resolve", resolved).await.unwrap();
    world.settle().await;
    let outside = world.acme().ticket(id).unwrap();
    assert_eq!(outside.status(), "resolved");
    assert_eq!((outside.field("team_id"), outside.field("agent_id"), outside.field("service_id")), ("38", "9", "2"));
    assert_eq!((outside.field("org_id"), outside.field("title")), ("3", "Printer on fire"));
    assert_eq!(outside.field("resolution_code"), "training");
    end(world).await;
}

async fn what_agents_wrote_with_a_move_crosses_with_it(versions: Versions) {
    let Versions { external: outside, internal: inside } = versions;
    let world = setup(versions).start().await;
    let (id, copy) = bridged(&world, CLASS, &["ev_assign"]).await;
    let waits = json!({ "pending_reason": "waits for a part & a person" });
    world.internal.stimulus(copy, "ev_pending", waits).await.unwrap();
    world.settle().await;
    let there = world.acme().ticket(id).unwrap();
    assert_eq!((there.status(), there.field("pending_reason")), ("pending", "waits for a part & a person"));
    let solution = if inside == Version::V3_2 { "<p>new fuser, <b>all</b> done</p>" } else { "new fuser, all done" };
    world.internal.stimulus(copy, "ev_assign", json!({})).await.unwrap();
    let fields = json!({ "resolution_code": "hardware_repair", "solution": solution, "service_id": 2 });
    world.internal.stimulus(copy, "ev_resolve", fields).await.unwrap();
    world.settle().await;
    let there = world.acme().ticket(id).unwrap();
    assert_eq!((there.status(), there.field("resolution_code")), ("resolved", "hardware_repair"));
    // Although no solution has shown before that this side holds HTML.
    let expected = match (outside, inside) {
        (Version::V3_1, _) => "new fuser, all done",
        (Version::V3_2, Version::V3_1) => "<p>new fuser, all done</p>",
        (Version::V3_2, Version::V3_2) => "<p>new fuser, <b>all</b> done</p>",
    };
    assert_eq!(there.field("solution"), expected);
    go(&world.internal, copy, &["ev_close"]).await;
    world.settle().await;
    let there = world.acme().ticket(id).unwrap();
    assert_eq!((there.status(), there.field("user_comment")), ("closed", "took its time"));
    end(world).await;
}

async fn what_agents_wrote_with_a_change_crosses_with_it(versions: Versions) {
    let world = setup(versions).start().await;
    let (id, copy) = bridged(&world, "NormalChange", &[]).await;
    go(&world.internal, copy, &["ev_validate", "ev_assign", "ev_plan", "ev_approve"]).await;
    world.settle().await;
    let there = world.acme().ticket(id).unwrap();
    assert_eq!((there.status(), there.field("acceptance_comment")), ("approved", "we shall do that"));
    assert!(there.field("approval_comment").contains("go on then"), "{}", there.field("approval_comment"));
    assert_eq!(there.field("fallback"), "put the old one back");
    end(world).await;
}

async fn an_escalation_inside_moves_nobody(versions: Versions) {
    let world = setup(versions).start().await;
    let (id, copy) = bridged(&world, CLASS, &[]).await;
    world.clear_calls();
    go(&world.internal, copy, &["ev_timeout"]).await;
    world.settle().await;
    assert_eq!(world.acme().writes(), 0);
    go(&world.internal, copy, &["ev_assign", "ev_timeout"]).await;
    world.settle().await;
    assert_eq!(both(&world, id, copy), pair("assigned", "escalated_ttr"));
    end(world).await;
}

async fn a_state_that_no_stimulus_reaches_is_a_conflict_of_the_status_alone(versions: Versions) {
    let world = setup(versions).start().await;
    let (id, copy) = bridged(&world, CLASS, &["ev_assign", "ev_resolve"]).await;
    // Nothing hears of it; then the inside re-opens, and from closed nothing leads back.
    world.acme().overwrite(id, "status", "closed");
    world.internal.overwrite(copy, "status", "assigned");
    go(&world.internal, copy, &["ev_pending"]).await;
    world.settle().await;
    // The closed outside wins: inside it can be followed, and both agree.
    assert_eq!(both(&world, id, copy), pair("closed", "closed"));
    // Here only the inside moves, to where nothing leads outside.
    world.internal.overwrite(copy, "status", "assigned");
    world.clear_calls();
    go(&world.internal, copy, &["ev_pending"]).await;
    world.settle().await;
    let conflicts = world.link(id).await.link.open.conflicts;
    assert!(conflicts.len() == 1 && conflicts[0].about == "status", "{conflicts:?}");
    assert!(conflicts[0].text.contains("the external ticket stands at closed"), "{conflicts:?}");
    assert_eq!(both(&world, id, copy), pair("closed", "pending"));
    // The rest flows, both ways.
    world.internal.attach(copy, "a.txt", "text/plain", b"a").await.unwrap();
    world.acme().update(id, json!({ "title": "Printer still on fire" })).await.unwrap();
    world.settle().await;
    assert_eq!(super::names_outside(&world, id), ["a.txt"]);
    assert!(world.copy_of(id).await.field("title").ends_with("still on fire"));
    end(world).await;
}

async fn a_stimulus_outside_whose_answer_is_lost_is_not_repeated(versions: Versions) {
    let faults = [
        Fault::Hang(Effect::Committed),
        Fault::Status(502, Effect::Committed),
        Fault::Cut { after_bytes: 10, effect: Effect::Committed },
    ];
    for fault in faults {
        let world = setup(versions).start().await;
        let (id, copy) = bridged(&world, CLASS, &["ev_assign", "ev_pending"]).await;
        world.clear_calls();
        world.acme().fail_next_write(fault.clone());
        go(&world.internal, copy, &["ev_assign", "ev_resolve"]).await;
        world.settle().await;
        assert_eq!(both(&world, id, copy), pair("resolved", "resolved"), "{fault:?}");
        assert_eq!(stimuli(world.acme()), ["ev_assign", "ev_resolve"], "{fault:?}");
        assert!(stimuli(&world.internal).is_empty(), "{fault:?}");
        end(world).await;
    }
}

async fn a_stimulus_that_lands_late_outside_does_not_stay(versions: Versions) {
    for late_seconds in [10, 40, 200, 290] {
        let world = setup(versions).start().await;
        let (id, copy) = bridged(&world, CLASS, &["ev_assign"]).await;
        world.acme().fail_next_write(Fault::LandLate(Duration::from_secs(late_seconds)));
        go(&world.internal, copy, &["ev_pending"]).await;
        world.pass_seconds(45).await;
        go(&world.internal, copy, &["ev_assign"]).await;
        world.settle().await;
        assert_eq!(both(&world, id, copy), pair("assigned", "assigned"), "landed after {late_seconds} s");
        assert!(world.link(id).await.link.in_flight.late.is_empty());
        end(world).await;
    }
}

async fn moves_on_both_sides_in_turn_do_not_come_back(versions: Versions) {
    let world = setup(versions).start().await;
    let (id, copy) = bridged(&world, CLASS, &[]).await;
    for (inside, stimulus) in [
        (true, "ev_assign"),
        (false, "ev_pending"),
        (true, "ev_assign"),
        (false, "ev_resolve"),
        (true, "ev_reopen"),
        (true, "ev_resolve"),
        (false, "ev_close"),
    ] {
        let (from, to, moved) =
            if inside { (&world.internal, world.acme(), copy) } else { (world.acme(), &world.internal, id) };
        world.clear_calls();
        go(from, moved, &[stimulus]).await;
        world.pass_seconds(400).await;
        world.settle().await;
        let (outside, there) = both(&world, id, copy);
        assert_eq!(outside, there, "after {stimulus}");
        assert_eq!((stimuli(from).len(), stimuli(to).len()), (0, 1), "after {stimulus}");
    }
    end(world).await;
}

/// The create's answer is lost, and an agent moves the ticket before the bridge finds it by its mark.
async fn a_move_inside_before_the_create_is_answered_crosses(versions: Versions) {
    let world = setup(versions).start().await;
    // After this, no create is refused over an attribute that the inside lacks.
    bridged(&world, CLASS, &[]).await;
    world.internal.fail_when(1, Fault::Hang(Effect::Committed), |call| call.operation == "core/create");
    let id = world.acme().create_ticket(CLASS, ticket("Printer on fire")).await.unwrap();
    world.pass_seconds(5).await;
    let [_, copy] = &world.internal.tickets(CLASS)[..] else { panic!("it landed") };
    assert!(world.link(id).await.link.internal.is_none(), "its answer is lost");
    go(&world.internal, copy.id, &["ev_wait_for_approval"]).await;
    world.pass_seconds(1_000).await;
    world.settle().await;
    assert_eq!(both(&world, id, copy.id), pair("waiting_for_approval", "waiting_for_approval"));
    end(world).await;
}
