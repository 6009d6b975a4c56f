//! The status outside moves the internal ticket, by stimuli and by the shortest path.

use std::time::Duration;

use itop_bridge_core::Lifecycles;
use itop_bridge_testkit::world::*;
use itop_sim::{Call, Effect, Fault, Sim, Version};

each_version![
    the_internal_ticket_follows_through_every_state_of_every_class,
    a_ticket_that_went_far_before_the_bridge_looked_is_followed_by_the_shortest_path,
    pending_is_left_by_assigning_before_it_is_resolved,
    team_agent_and_service_are_the_internal_tickets_own_and_defaults_only_where_it_has_none,
    what_people_wrote_with_a_move_crosses_with_it,
    a_solution_keeps_its_text_whether_either_side_holds_plain_text_or_html,
    an_escalation_on_either_side_is_no_move_and_writes_nothing,
    an_escalation_tells_that_the_ticket_was_moved_before_it,
    closed_inside_and_re_opened_outside_is_a_conflict_of_the_status_alone,
    code_0_without_a_move_is_planned_anew_three_times_and_then_shown_as_refused,
    a_text_that_must_be_written_again_is_owed_until_it_is,
    a_solution_that_a_person_wrote_meanwhile_is_not_written_over,
    the_first_solution_keeps_its_markup,
];

any_version![
    with_the_status_off_no_stimulus_is_sent,
    a_stimulus_whose_answer_is_lost_is_neither_repeated_nor_taken_for_a_persons,
    a_stimulus_that_lands_late_does_not_stay_where_the_customer_has_moved_on,
];

// Only where the inside holds HTML is a text written again.

const SECOND: Duration = Duration::from_millis(1_000);

/// What a person fills in with each stimulus.
pub fn form(class: &str, stimulus: &str) -> serde_json::Value {
    let is_change = class.ends_with("Change");
    match stimulus {
        "ev_assign" if is_change => json!({
            "team_id": sample::HELPDESK, "agent_id": 9, "supervisor_group_id": 37, "supervisor_id": 9,
            "manager_group_id": 37, "manager_id": 9
        }),
        "ev_validate" => json!({
            "team_id": 37, "supervisor_group_id": 37, "manager_group_id": 37,
            "acceptance_date": "2026-11-24 12:30:00", "acceptance_comment": "we shall do that"
        }),
        "ev_plan" | "ev_replan" => json!({
            "start_date": "2026-12-01 08:00:00", "end_date": "2026-12-01 18:00:00", "impact": "half an hour",
            "outage": "yes", "fallback": "put the old one back"
        }),
        "ev_approve" if is_change => {
            json!({"approval_date": "2026-11-24 12:40:00", "approval_comment": "go on then"})
        }
        "ev_notapprove" => json!({"reason": "not in December"}),
        "ev_reject" if is_change => json!({"reason": "not needed"}),
        "ev_assign" => json!({"team_id": sample::HELPDESK, "agent_id": 9}),
        "ev_wait_for_approval" => json!({"approver_id": sample::HUGO}),
        "ev_pending" => json!({"pending_reason": "a spare part is on its way"}),
        "ev_resolve" => json!({"resolution_code": "hardware_repair", "solution": "replaced the fuser",
                               "service_id": sample::SOFTWARE, "servicesubcategory_id": 4}),
        "ev_close" => json!({"user_satisfaction": "2", "user_comment": "took its time"}),
        _ => json!({}),
    }
}

/// A person moves a ticket.
pub async fn go(sim: &Sim, id: u64, stimuli: &[&str]) {
    for stimulus in stimuli {
        let class = sim.ticket(id).unwrap().class;
        sim.stimulus(id, stimulus, form(&class, stimulus))
            .await
            .unwrap_or_else(|error| panic!("{stimulus}: {error:?}"));
    }
}

/// The internal counterpart's id.
async fn copy(world: &World, id: u64) -> u64 {
    world.copy_of(id).await.id
}

/// Acme's ticket of this class, with these stimuli behind it on both sides.
pub async fn bridged(world: &World, class: &str, stimuli: &[&str]) -> (u64, u64) {
    let id = world.acme().create_ticket(class, ticket("Printer on fire")).await.unwrap();
    go(world.acme(), id, stimuli).await;
    world.settle().await;
    let copy = copy(world, id).await;
    assert_eq!(world.internal.ticket(copy).unwrap().status(), world.acme().ticket(id).unwrap().status());
    (id, copy)
}

pub fn status(sim: &Sim, id: u64) -> String {
    sim.ticket(id).unwrap().status().to_owned()
}

/// The stimuli that the bridge has sent to the internal side since the record was cleared.
fn stimuli(world: &World) -> Vec<String> {
    let sent = world.internal.calls();
    let sent = sent.iter().filter(|call| call.operation == "core/apply_stimulus");
    sent.map(|call| call.request()["stimulus"].as_str().unwrap().to_owned()).collect()
}

/// The values that went with the first of these stimuli.
fn sent_with(world: &World, stimulus: &str) -> serde_json::Value {
    let calls = world.internal.calls();
    let call = calls.iter().find(|call| call.request()["stimulus"] == stimulus).expect("it was sent");
    call.request()["fields"].clone()
}

pub async fn end(mut world: World) {
    world.one_more_pass_writes_nothing().await;
    world.stop().await;
}

/// Every state that people can reach, class by class.
const TOURS: [(&str, &[&str]); 6] = [
    (
        "UserRequest",
        &[
            "ev_wait_for_approval",
            "ev_reject",
            "ev_reopen",
            "ev_wait_for_approval",
            "ev_approve",
            "ev_assign",
            "ev_pending",
            "ev_assign",
            "ev_resolve",
            "ev_reopen",
            "ev_resolve",
            "ev_close",
        ],
    ),
    ("Incident", &["ev_assign", "ev_pending", "ev_assign", "ev_resolve", "ev_reopen", "ev_resolve", "ev_close"]),
    ("RoutineChange", &["ev_assign", "ev_plan", "ev_implement", "ev_monitor", "ev_finish"]),
    ("RoutineChange", &["ev_assign", "ev_plan", "ev_implement", "ev_finish"]),
    (
        "NormalChange",
        &[
            "ev_reject",
            "ev_reopen",
            "ev_validate",
            "ev_assign",
            "ev_plan",
            "ev_notapprove",
            "ev_replan",
            "ev_approve",
            "ev_implement",
            "ev_monitor",
            "ev_finish",
        ],
    ),
    (
        "EmergencyChange",
        &[
            "ev_assign",
            "ev_plan",
            "ev_notapprove",
            "ev_replan",
            "ev_approve",
            "ev_implement",
            "ev_monitor",
            "ev_finish",
        ],
    ),
];

async fn the_internal_ticket_follows_through_every_state_of_every_class(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let mut seen = std::collections::BTreeSet::new();
    for (class, tour) in TOURS {
        let (id, copy) = bridged(&world, class, &[]).await;
        for stimulus in tour {
            go(world.acme(), id, &[stimulus]).await;
            world.settle().await;
            let reached = status(world.acme(), id);
            assert_eq!(status(&world.internal, copy), reached, "{class} after {stimulus}");
            seen.insert((class.to_owned(), reached));
        }
        assert!(world.link(id).await.link.open.conflicts.is_empty());
    }
    for class in Lifecycles::built_in().classes() {
        let lifecycle = Lifecycles::built_in().of(class).unwrap().clone();
        for state in lifecycle.states.iter().filter(|state| !state.starts_with("escalated_")) {
            let reachable = lifecycle.path(&lifecycle.initial, state).is_some_and(|path| !path.is_empty());
            assert!(!reachable || seen.contains(&(class.to_owned(), state.clone())), "{class}: {state} unseen");
        }
    }
    end(world).await;
}

async fn a_ticket_that_went_far_before_the_bridge_looked_is_followed_by_the_shortest_path(versions: Versions) {
    let world = Setup::between(versions).start().await;
    for (class, tour) in TOURS {
        let id = world.acme().create_ticket(class, ticket("In a hurry")).await.unwrap();
        world.clear_calls();
        go(world.acme(), id, tour).await;
        world.settle().await;
        assert_eq!(world.copy_of(id).await.status(), "closed", "{class}");
        let lifecycle = Lifecycles::built_in().of(class).unwrap().clone();
        let shortest: Vec<String> =
            lifecycle.path("new", "closed").unwrap().iter().map(|step| step.stimulus.clone()).collect();
        assert_eq!(stimuli(&world), shortest, "{class}");
    }
    end(world).await;
}

async fn pending_is_left_by_assigning_before_it_is_resolved(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let (id, copy) = bridged(&world, "UserRequest", &["ev_assign", "ev_pending"]).await;
    assert_eq!(world.internal.ticket(copy).unwrap().field("pending_reason"), "a spare part is on its way");
    world.clear_calls();
    go(world.acme(), id, &["ev_assign", "ev_resolve"]).await;
    world.settle().await;
    assert_eq!(stimuli(&world), ["ev_assign", "ev_resolve"]);
    assert_eq!(status(&world.internal, copy), "resolved");
    end(world).await;
}

async fn team_agent_and_service_are_the_internal_tickets_own_and_defaults_only_where_it_has_none(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let (id, copy) = bridged(&world, "UserRequest", &[]).await;
    let fields = json!({"team_id": sample::HARDWARE, "agent_id": sample::HUGO, "service_id": sample::COMPUTERS,
                        "servicesubcategory_id": 2, "caller_id": 7});
    world.internal.update(copy, fields).await.unwrap();
    world.settle().await;
    world.clear_calls();
    go(world.acme(), id, &["ev_assign", "ev_pending", "ev_assign", "ev_resolve"]).await;
    world.settle().await;
    let ticket = world.internal.ticket(copy).unwrap();
    assert_eq!(ticket.status(), "resolved");
    for (code, value) in
        [("team_id", "38"), ("agent_id", "10"), ("service_id", "1"), ("servicesubcategory_id", "2"), ("caller_id", "7")]
    {
        assert_eq!(ticket.field(code), value, "{code}");
    }
    let assigned = sent_with(&world, "ev_assign");
    assert_eq!((&assigned["team_id"], &assigned["agent_id"]), (&json!("38"), &json!("10")), "sent back unchanged");

    // Another one, whose team and agent a person has emptied: there the defaults count.
    let (second, copy) = bridged(&world, "UserRequest", &[]).await;
    world.internal.update(copy, json!({"team_id": 0, "agent_id": 0, "service_id": 0})).await.unwrap();
    go(world.acme(), second, &["ev_assign", "ev_resolve"]).await;
    world.settle().await;
    let ticket = world.internal.ticket(copy).unwrap();
    assert_eq!(ticket.status(), "resolved");
    assert_eq!((ticket.field("team_id"), ticket.field("agent_id"), ticket.field("service_id")), ("37", "9", "2"));
    end(world).await;
}

async fn what_people_wrote_with_a_move_crosses_with_it(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let (id, copy) = bridged(&world, "UserRequest", &["ev_assign", "ev_pending"]).await;
    go(world.acme(), id, &["ev_assign", "ev_resolve"]).await;
    world.settle().await;
    go(world.acme(), id, &["ev_close"]).await;
    world.settle().await;
    let ticket = world.internal.ticket(copy).unwrap();
    assert_eq!(ticket.status(), "closed");
    assert_eq!(ticket.field("pending_reason"), "a spare part is on its way");
    assert_eq!(ticket.field("resolution_code"), "hardware_repair");
    assert!(ticket.field("solution").contains("replaced the fuser"), "{}", ticket.field("solution"));
    assert_eq!((ticket.field("user_satisfaction"), ticket.field("user_comment")), ("2", "took its time"));

    let (_, copy) = bridged(&world, "NormalChange", &["ev_validate", "ev_assign", "ev_plan", "ev_notapprove"]).await;
    let change = world.internal.ticket(copy).unwrap();
    assert_eq!(change.field("acceptance_comment"), "we shall do that");
    assert_eq!(change.field("fallback"), "put the old one back");
    assert_eq!(change.field("outage"), "yes");
    assert_eq!(change.field("reason"), "not in December");
    assert_eq!(change.field("start_date"), "2026-12-01 08:00:00");
    end(world).await;
}

/// What a person of an iTop of this version writes into `solution`, and its text.
const SOLUTION: &str = "if a < b && b > c\nthen <reboot> & wait";

fn written_in(version: Version, text: &str) -> String {
    match version {
        Version::V3_1 => text.to_owned(),
        Version::V3_2 => {
            let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            format!("<p>{}</p>", escaped.replace('\n', "<br>"))
        }
    }
}

/// The text that a person sees.
fn seen_in(version: Version, value: &str) -> String {
    match version {
        Version::V3_1 => value.to_owned(),
        Version::V3_2 => {
            let lines = value.replace("<br>", "\n").replace("<br/>", "\n").replace("<br />", "\n");
            let plain = lines.replace("<p>", "").replace("</p>", "");
            plain.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
        }
    }
}

async fn resolve_with(sim: &Sim, id: u64, solution: &str) {
    let mut fields = form("UserRequest", "ev_resolve");
    fields["solution"] = solution.into();
    sim.stimulus(id, "ev_resolve", fields).await.unwrap();
}

async fn until_rewritten(world: &World) {
    for _ in 0..1_000 {
        if world.internal.calls().iter().any(|call| call.operation == "core/update") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("nothing was written again");
}

/// Nobody knows that `solution` is HTML inside: it is sent plain, and what follows its `<` is lost.
async fn a_text_that_must_be_written_again_is_owed_until_it_is(versions: Versions) {
    let outside = versions.external;
    let rewrites = |call: &Call| call.operation == "core/update";
    let resolves = |call: &Call| call.operation == "core/apply_stimulus" && call.json.contains("ev_resolve");
    let page = Fault::Page("{\"code\":100,\"message\":\"Error: a trigger failed\"}".into(), Effect::Committed);
    for case in ["refused", "no answer", "lost with the stimulus", "an error with the stimulus", "crash"] {
        let mut world = Setup::with_external(outside).start().await;
        let (id, copy) = bridged(&world, "UserRequest", &["ev_assign"]).await;
        world.clear_calls();
        match case {
            "refused" => world.internal.fail_when(2, Fault::error("a trigger failed"), rewrites),
            "no answer" => world.internal.fail_when(1, Fault::Hang(Effect::None), rewrites),
            "lost with the stimulus" => world.internal.fail_when(1, Fault::Hang(Effect::Committed), resolves),
            "an error with the stimulus" => world.internal.fail_when(1, page.clone(), resolves),
            _ => world.internal.fail_when(1, Fault::Hang(Effect::None), rewrites),
        }
        resolve_with(world.acme(), id, &written_in(outside, SOLUTION)).await;
        if case == "crash" {
            until_rewritten(&world).await;
            world.crash().await;
            world.boot();
        }
        world.settle().await;
        let ticket = world.internal.ticket(copy).unwrap();
        assert_eq!(ticket.status(), "resolved", "{case}");
        let solution = ticket.field("solution");
        assert_eq!(seen_in(Version::V3_2, solution).trim(), SOLUTION, "{case}: {solution:?}");
        end(world).await;
    }
}

/// Between two sides that hold HTML the first solution arrives as it was written, too, with its pictures, but for what
/// never crosses: where a picture stands outside.
async fn the_first_solution_keeps_its_markup(versions: Versions) {
    let outside = versions.external;
    let world = Setup::with_external(outside).start().await;
    let (id, copy) = bridged(&world, "UserRequest", &["ev_assign"]).await;
    world.clear_calls();
    let image = world.acme().add_inline_image(id, "5ec2e7", "image/png", b"\x89PNG\r\n\x1a\n").await.unwrap();
    let markup = "<ul><li>if a &lt; b</li><li><b>then</b> reboot</li></ul>";
    let solution = match outside {
        Version::V3_1 => "if a < b\nthen reboot".to_owned(),
        Version::V3_2 => format!("{markup}<p>{}</p>", image.html),
    };
    resolve_with(world.acme(), id, &solution).await;
    world.settle().await;
    let inside = world.internal.ticket(copy).unwrap().field("solution").to_owned();
    match outside {
        Version::V3_1 => assert_eq!(seen_in(Version::V3_2, &inside), "if a < b\nthen reboot"),
        Version::V3_2 => {
            assert!(inside.starts_with(markup), "{inside}");
            assert!(inside.ends_with("<p><img src=\"data:image/png;base64,iVBORw0KGgo=\"></p>"), "{inside}");
        }
    }
    assert!(world.internal.calls_containing("5ec2e7").is_empty(), "{inside}");
    assert_eq!(world.internal.writes(), 2, "the move, and the text once more");
    end(world).await;
}

async fn a_solution_that_a_person_wrote_meanwhile_is_not_written_over(versions: Versions) {
    let outside = versions.external;
    let world = Setup::with_external(outside).start().await;
    let (id, copy) = bridged(&world, "UserRequest", &["ev_assign"]).await;
    world.internal.fail_when(2, Fault::error("a trigger failed"), |call| call.operation == "core/update");
    resolve_with(world.acme(), id, &written_in(outside, SOLUTION)).await;
    until_rewritten(&world).await;
    world.internal.update(copy, json!({ "solution": "<p>a person's</p>" })).await.unwrap();
    world.settle().await;
    assert_eq!(world.internal.ticket(copy).unwrap().field("solution"), "<p>a person's</p>");
    end(world).await;
}

async fn a_solution_keeps_its_text_whether_either_side_holds_plain_text_or_html(versions: Versions) {
    let Versions { external: outside, internal: inside } = versions;
    for known_before in [false, true] {
        let world = Setup::between(versions).start().await;
        if known_before {
            // Some other ticket tells the format: one read, and nothing is written twice.
            let other = world.internal.create_ticket("UserRequest", ticket("Old")).await.unwrap();
            go(&world.internal, other, &["ev_assign"]).await;
            resolve_with(&world.internal, other, &written_in(inside, "done & dusted")).await;
        }
        let (id, copy) = bridged(&world, "UserRequest", &["ev_assign"]).await;
        world.clear_calls();
        resolve_with(world.acme(), id, &written_in(outside, SOLUTION)).await;
        world.settle().await;
        let solution = world.internal.ticket(copy).unwrap().field("solution").to_owned();
        let case = format!("{outside:?} to {inside:?}, known before: {known_before}: {solution:?}");
        assert_eq!(seen_in(inside, &solution).trim(), SOLUTION, "{case}");
        let learnt_by_answer = inside == Version::V3_2 && !known_before;
        assert_eq!(world.internal.writes(), if learnt_by_answer { 2 } else { 1 }, "{case}");

        // The next one needs no lesson.
        let (next, copy) = bridged(&world, "UserRequest", &["ev_assign"]).await;
        world.clear_calls();
        resolve_with(world.acme(), next, &written_in(outside, SOLUTION)).await;
        world.settle().await;
        let solution = world.internal.ticket(copy).unwrap().field("solution").to_owned();
        assert_eq!(seen_in(inside, &solution).trim(), SOLUTION, "{case}");
        assert_eq!(world.internal.writes(), 1, "{case}");
        end(world).await;
    }
}

async fn an_escalation_on_either_side_is_no_move_and_writes_nothing(versions: Versions) {
    let world = Setup::between(versions).start().await;
    for class in ["UserRequest", "Incident"] {
        // A clock moves the new ticket outside, then the assigned one on both sides.
        let (id, copy) = bridged(&world, class, &[]).await;
        world.clear_calls();
        go(world.acme(), id, &["ev_timeout"]).await;
        world.settle().await;
        assert_eq!((status(world.acme(), id), status(&world.internal, copy)), ("escalated_tto".into(), "new".into()));
        go(&world.internal, copy, &["ev_timeout"]).await;
        world.settle().await;
        assert_eq!(world.internal.writes(), 0, "{class}");
        go(world.acme(), id, &["ev_assign"]).await;
        world.settle().await;
        assert_eq!(status(&world.internal, copy), "assigned");
        world.clear_calls();
        go(world.acme(), id, &["ev_timeout"]).await;
        go(&world.internal, copy, &["ev_timeout"]).await;
        world.settle().await;
        assert_eq!(world.internal.writes(), 0, "{class}");
        assert_eq!(status(&world.internal, copy), "escalated_ttr");
        // Resolved outside, from the escalation inside, in one step.
        go(world.acme(), id, &["ev_resolve"]).await;
        world.settle().await;
        assert_eq!(stimuli(&world), ["ev_resolve"]);
        assert_eq!(status(&world.internal, copy), "resolved");
        assert!(world.link(id).await.link.open.conflicts.is_empty());
    }
    end(world).await;
}

async fn an_escalation_tells_that_the_ticket_was_moved_before_it(versions: Versions) {
    let world = Setup::between(versions).start().await;
    // Only an assigned ticket escalates so: it left pending, and the bridge was not looking.
    let (id, copy) = bridged(&world, "UserRequest", &["ev_assign", "ev_pending"]).await;
    go(world.acme(), id, &["ev_assign", "ev_timeout"]).await;
    world.settle().await;
    assert_eq!((status(world.acme(), id), status(&world.internal, copy)), ("escalated_ttr".into(), "assigned".into()));
    // Two states lead to this one, and an approval is nobody's to guess: it shows with the next move.
    let (id, copy) = bridged(&world, "UserRequest", &["ev_wait_for_approval"]).await;
    go(world.acme(), id, &["ev_approve", "ev_timeout"]).await;
    world.settle().await;
    let seen = (status(world.acme(), id), status(&world.internal, copy));
    assert_eq!(seen, ("escalated_tto".into(), "waiting_for_approval".into()));
    go(world.acme(), id, &["ev_assign"]).await;
    world.settle().await;
    assert_eq!(status(&world.internal, copy), "assigned");
    end(world).await;
}

async fn closed_inside_and_re_opened_outside_is_a_conflict_of_the_status_alone(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let (id, copy) = bridged(&world, "UserRequest", &["ev_assign", "ev_resolve"]).await;
    go(&world.internal, copy, &["ev_close"]).await;
    world.settle().await;
    go(world.acme(), id, &["ev_reopen"]).await;
    world.settle().await;
    assert_eq!(status(&world.internal, copy), "closed");
    let conflicts = world.link(id).await.link.open.conflicts;
    assert!(conflicts.len() == 1 && conflicts[0].about == "status", "{conflicts:?}");
    assert!(world.did(id, "no stimulus leads there").await);
    const CONFLICTS: &str = "itop_bridge_conflicts{external=\"acme\"}";
    assert_eq!(world.metric(CONFLICTS).await, 1.0);
    // Everything else goes on.
    world.acme().update(id, json!({"title": "Printer still on fire"})).await.unwrap();
    world.acme().attach(id, "smoke.txt", "text/plain", b"smoke").await.unwrap();
    world.settle().await;
    let inside = world.copy_of(id).await;
    assert!(inside.field("title").ends_with("Printer still on fire"), "{}", inside.field("title"));
    assert_eq!(world.internal.attachments(copy).iter().filter(|file| file.filename == "smoke.txt").count(), 1);
    world.one_more_pass_writes_nothing().await;
    // Resolved and closed outside as well: over.
    go(world.acme(), id, &["ev_resolve"]).await;
    world.settle().await;
    assert!(world.link(id).await.link.open.conflicts.is_empty());
    assert_eq!(world.metric(CONFLICTS).await, 0.0);
    go(world.acme(), id, &["ev_close"]).await;
    end(world).await;
}

async fn with_the_status_off_no_stimulus_is_sent(versions: Versions) {
    let world = Setup::between(versions).sync("status_to_internal = \"off\"").start().await;
    let id = world.acme().create_ticket("UserRequest", ticket("Quiet")).await.unwrap();
    go(world.acme(), id, &["ev_assign", "ev_resolve"]).await;
    world.settle().await;
    world.acme().update(id, json!({"title": "Quieter"})).await.unwrap();
    world.settle().await;
    let inside = world.copy_of(id).await;
    assert_eq!((inside.status(), inside.field("title")), ("new", "[R-000001] Quieter"));
    assert!(stimuli(&world).is_empty());
    end(world).await;
}

async fn a_stimulus_whose_answer_is_lost_is_neither_repeated_nor_taken_for_a_persons(versions: Versions) {
    let faults = [
        Fault::Hang(Effect::Committed),
        Fault::Status(502, Effect::Committed),
        Fault::Page("<html>oops</html>".into(), Effect::Committed),
        Fault::Cut { after_bytes: 10, effect: Effect::Committed },
        Fault::Warning("Deprecated: strlen() in /var/www on line 1\n".into()),
    ];
    for fault in faults {
        let world = Setup::between(versions).start().await;
        let (id, copy) = bridged(&world, "UserRequest", &["ev_assign", "ev_pending"]).await;
        world.clear_calls();
        world.internal.fail_next_write(fault.clone());
        go(world.acme(), id, &["ev_assign", "ev_resolve"]).await;
        world.settle().await;
        assert_eq!(status(&world.internal, copy), "resolved", "{fault:?}");
        assert_eq!(stimuli(&world), ["ev_assign", "ev_resolve"], "{fault:?}");
        end(world).await;
    }
}

async fn a_stimulus_that_lands_late_does_not_stay_where_the_customer_has_moved_on(versions: Versions) {
    for late_seconds in [10, 40, 200, 290] {
        let world = Setup::between(versions).start().await;
        let (id, copy) = bridged(&world, "UserRequest", &["ev_assign"]).await;
        world.internal.fail_next_write(Fault::LandLate(late_seconds * SECOND));
        go(world.acme(), id, &["ev_pending"]).await;
        world.pass_seconds(45).await;
        go(world.acme(), id, &["ev_assign"]).await;
        world.settle().await;
        assert_eq!(status(&world.internal, copy), "assigned", "landed after {late_seconds} s");
        assert!(world.link(id).await.link.in_flight.late.is_empty());
        end(world).await;
    }
}

async fn code_0_without_a_move_is_planned_anew_three_times_and_then_shown_as_refused(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let (id, copy) = bridged(&world, "UserRequest", &["ev_assign"]).await;
    let unmoved = || Fault::Answer { code: 0, message: String::new() };
    let is_stimulus = |call: &itop_sim::Call| call.operation == "core/apply_stimulus";
    // Twice nothing moves: planned again, and done in the same pass.
    world.clear_calls();
    world.internal.fail_when(2, unmoved(), is_stimulus);
    go(world.acme(), id, &["ev_pending"]).await;
    world.pass_seconds(2).await;
    assert_eq!((status(&world.internal, copy), stimuli(&world).len()), ("pending".into(), 3));
    world.settle().await;
    // It never moves: the rest of the pass is written, and the queue shows why.
    world.internal.fail_when(usize::MAX, unmoved(), is_stimulus);
    world.clear_calls();
    go(world.acme(), id, &["ev_assign"]).await;
    world.acme().update(id, json!({"title": "Still on fire"})).await.unwrap();
    world.pass_seconds(600).await;
    let row = world.queue().await.into_iter().next().expect("it waits");
    assert!(row.error.as_deref().unwrap_or_default().contains("ev_assign did not lead to assigned"), "{row:?}");
    assert!(world.copy_of(id).await.field("title").ends_with("Still on fire"));
    assert!(stimuli(&world).len() < 100, "{}", stimuli(&world).len());
    world.internal.heal();
    world.settle().await;
    assert_eq!(status(&world.internal, copy), "assigned");
    end(world).await;
}
