//! Texts that go with a move and that the other iTop does not take: the ticket is moved, with other words in their
//! place.

use itop_bridge_testkit::world::*;
use itop_sim::{Check, Sim};

use crate::back::OUTSIDE;
use crate::status::{bridged, status};

const CLASS: &str = "UserRequest";
const REFUSAL: &str = "Raison refusee";
const HOUR: u64 = 60 * 60;
const IN_PLACE: &str = "(this text was not taken here; it stands in the other ticket)";

/// This iTop does not take the word there; what it says then names the attribute, or does not.
fn forbid(sim: &Sim, code: &str, names_it: bool) {
    let says = match names_it {
        true => format!("Unexpected value for attribute 'Some label' ({code}) : {REFUSAL}"),
        false => REFUSAL.to_owned(),
    };
    sim.add_check(Check { class: CLASS.into(), code: code.into(), forbids: "verboten".into(), says });
}

async fn conflicts(world: &World, id: u64) -> Vec<String> {
    world.link(id).await.link.open.conflicts.iter().map(ToString::to_string).collect()
}

fn conflict_of(code: &str, side: &str, place: &str) -> String {
    format!(
        "{code}: {side} does not take this value: {REFUSAL}; it is written when it changes {place}, and tried again meanwhile"
    )
}

/// The provider has no default for a reason.
fn without_a_default(versions: Versions) -> Setup {
    let mut setup = Setup::between(versions);
    setup.internal_defaults = setup.internal_defaults.replace("pending_reason = \"waiting for the customer\", ", "");
    setup
}

/// Resolves a ticket with this solution.
async fn resolve(sim: &Sim, id: u64, solution: &str) {
    let form =
        json!({"solution": solution, "resolution_code": "assistance", "service_id": 2, "servicesubcategory_id": 4});
    sim.stimulus(id, "ev_resolve", form).await.unwrap();
}

async fn a_reason_that_is_refused_does_not_hold_the_state(versions: Versions) {
    for names_it in [true, false] {
        let world = without_a_default(versions).start().await;
        let (id, copy) = bridged(&world, CLASS, &["ev_assign"]).await;
        forbid(&world.internal, "pending_reason", names_it);
        world.acme().stimulus(id, "ev_pending", json!({"pending_reason": "verbotenpend reason"})).await.unwrap();
        world.acme().update(id, json!({"title": "newer"})).await.unwrap();
        world.settle().await;
        let inside = world.copy_of(id).await;
        assert_eq!((inside.status(), inside.field("pending_reason")), ("pending", IN_PLACE), "{names_it}");
        assert_eq!(inside.field("title"), "[R-000001] newer");
        assert_eq!(conflicts(&world, id).await, [conflict_of("pending_reason", "elitery", "in the external iTop")]);
        assert_eq!((world.queue().await.len(), world.issues()), (0, Vec::new()));
        world.one_more_pass_writes_nothing().await;
        // Back and there again: what is known to be refused is not sent.
        world.acme().stimulus(id, "ev_assign", json!({"team_id": 37, "agent_id": 9})).await.unwrap();
        world.settle().await;
        world.clear_calls();
        world.acme().stimulus(id, "ev_pending", json!({})).await.unwrap();
        world.settle().await;
        assert_eq!(status(&world.internal, copy), "pending");
        assert_eq!(world.internal.calls_containing("verboten").len(), 0);
        assert_eq!(conflicts(&world, id).await.len(), 1);
        // Another text is tried at once.
        world.acme().update(id, json!({"pending_reason": "we wait for a part"})).await.unwrap();
        world.settle().await;
        assert_eq!(world.copy_of(id).await.field("pending_reason"), "we wait for a part");
        assert_eq!((conflicts(&world, id).await, world.link(id).await.link.open.refused.len()), (Vec::new(), 0));
        world.one_more_pass_writes_nothing().await;
    }
}

async fn a_text_of_the_providers_that_is_refused_does_not_hold_the_state_outside(versions: Versions) {
    for names_it in [true, false] {
        let world = Setup::between(versions).acme(OUTSIDE).sync("status_to_external = \"apply\"").start().await;
        let (id, copy) = bridged(&world, CLASS, &["ev_assign"]).await;
        forbid(world.acme(), "solution", names_it);
        resolve(&world.internal, copy, "verboten words").await;
        world.settle().await;
        let outside = world.acme().ticket(id).unwrap();
        assert_eq!(outside.status(), "resolved", "{names_it}");
        assert!(outside.field("solution").contains(IN_PLACE), "{}", outside.field("solution"));
        assert_eq!(conflicts(&world, id).await, [conflict_of("solution", "acme", "in the internal iTop")]);
        world.one_more_pass_writes_nothing().await;
        // It is tried again in its time.
        world.clear_calls();
        world.look_at_everything().await;
        assert_eq!(world.acme().calls_containing("verboten").len(), 0);
        world.acme().clear_checks();
        world.pass_seconds(HOUR + 60).await;
        world.look_at_everything().await;
        world.settle().await;
        assert!(world.acme().ticket(id).unwrap().field("solution").contains("verboten words"));
        assert_eq!((conflicts(&world, id).await, world.link(id).await.link.open.refused.len()), (Vec::new(), 0));
        world.one_more_pass_writes_nothing().await;
    }
}

async fn a_solution_that_is_refused_as_a_field_too_does_not_hold_the_state(versions: Versions) {
    for names_it in [true, false] {
        let setup = Setup::between(versions).sync("fields = [\"title\", \"description\", \"impact\", \"solution\"]");
        let world = setup.start().await;
        let (id, _) = bridged(&world, CLASS, &["ev_assign"]).await;
        forbid(&world.internal, "solution", names_it);
        // It is refused before the ticket is moved.
        world.acme().update(id, json!({"solution": "verboten words"})).await.unwrap();
        world.settle().await;
        assert_eq!(conflicts(&world, id).await, [conflict_of("solution", "elitery", "in the external iTop")]);
        resolve(world.acme(), id, "verboten words").await;
        world.settle().await;
        let inside = world.copy_of(id).await;
        assert_eq!(inside.status(), "resolved", "{names_it}");
        assert!(inside.field("solution").contains(IN_PLACE), "{}", inside.field("solution"));
        assert_eq!(conflicts(&world, id).await, [conflict_of("solution", "elitery", "in the external iTop")]);
        world.one_more_pass_writes_nothing().await;
        world.internal.clear_checks();
        world.retry(Some("acme:R-000001")).await.unwrap();
        world.settle().await;
        assert!(world.copy_of(id).await.field("solution").contains("verboten words"));
        let link = world.link(id).await.link;
        assert_eq!(
            (conflicts(&world, id).await, link.open.refused.len(), link.in_flight.contested_edits.len()),
            (Vec::new(), 0, 0)
        );
        assert!(world.activity(id).await.iter().all(|did| !did.text.contains("overwr")), "no person wrote there");
        world.one_more_pass_writes_nothing().await;
    }
}

async fn a_default_stands_in_place_of_a_text_that_is_refused(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let (id, copy) = bridged(&world, CLASS, &["ev_assign"]).await;
    forbid(&world.internal, "pending_reason", true);
    world.acme().stimulus(id, "ev_pending", json!({"pending_reason": "verboten"})).await.unwrap();
    world.settle().await;
    let inside = world.copy_of(id).await;
    assert_eq!((inside.status(), inside.field("pending_reason")), ("pending", "waiting for the customer"));
    world.one_more_pass_writes_nothing().await;
    // What a person writes there is theirs.
    world.internal.update(copy, json!({"pending_reason": "a person's"})).await.unwrap();
    world.look_at_everything().await;
    assert_eq!(world.copy_of(id).await.field("pending_reason"), "a person's");
    assert_eq!((conflicts(&world, id).await, world.link(id).await.link.open.refused.len()), (Vec::new(), 0));
    world.one_more_pass_writes_nothing().await;
}

async fn of_several_values_only_those_to_blame_are_left_out(versions: Versions) {
    for codes in [&["user_comment"][..], &["user_comment", "solution"]] {
        let world = Setup::between(versions).start().await;
        let (id, _) = bridged(&world, CLASS, &["ev_assign"]).await;
        codes.iter().for_each(|code| forbid(&world.internal, code, false));
        world.acme().drop_hooks(true);
        resolve(world.acme(), id, "verboten words").await;
        let form = json!({"user_satisfaction": "2", "user_comment": "verboten comment"});
        world.acme().drop_hooks(false);
        world.acme().stimulus(id, "ev_close", form).await.unwrap();
        world.settle().await;
        let inside = world.copy_of(id).await;
        assert_eq!((inside.status(), inside.field("resolution_code")), ("closed", "assistance"), "{codes:?}");
        assert_eq!((inside.field("user_comment"), inside.field("user_satisfaction")), (IN_PLACE, "2"), "{codes:?}");
        let shows = if codes.len() == 1 { "verboten words" } else { IN_PLACE };
        assert!(inside.field("solution").contains(shows), "{codes:?}: {}", inside.field("solution"));
        assert_eq!(conflicts(&world, id).await.len(), codes.len());
        world.one_more_pass_writes_nothing().await;
    }
}

each_version![
    a_reason_that_is_refused_does_not_hold_the_state,
    a_text_of_the_providers_that_is_refused_does_not_hold_the_state_outside,
    a_solution_that_is_refused_as_a_field_too_does_not_hold_the_state,
    a_default_stands_in_place_of_a_text_that_is_refused,
    of_several_values_only_those_to_blame_are_left_out,
];

/// A rule of that iTop's own forbids the move, whatever goes with it.
#[tokio::test(start_paused = true)]
async fn a_move_that_is_forbidden_itself_blames_no_text() {
    let world = Setup::between(PAIRS[1]).start().await;
    let (id, copy) = bridged(&world, CLASS, &["ev_assign"]).await;
    let (class, code, says) = (CLASS.to_owned(), "status".to_owned(), "Not on a Sunday".to_owned());
    world.internal.add_check(Check { class, code, forbids: "resolved".into(), says });
    resolve(world.acme(), id, "words").await;
    world.pass_seconds(10).await;
    assert_eq!(status(&world.internal, copy), "assigned");
    assert_eq!((conflicts(&world, id).await, world.link(id).await.link.open.refused.len()), (Vec::new(), 0));
    // Where the tickets stand is told as it was read.
    let shown = world.show("acme:R-000001").await;
    assert!(shown.contains("status: resolved in acme, assigned in elitery"), "{shown}");
    world.internal.clear_checks();
    world.pass_seconds(HOUR).await;
    world.settle().await;
    let inside = world.copy_of(id).await;
    assert!(inside.status() == "resolved" && inside.field("solution").contains("words"));
    world.one_more_pass_writes_nothing().await;
}
