//! Values that the provider's iTop does not take: the ticket crosses without them, and every other field of an edit.

use std::time::Duration;

use itop_bridge_testkit::world::*;
use itop_sim::{Check, Language, Version};

const NO_SHOUTING: &str = "A title must not shout";

pub async fn world(versions: Versions) -> World {
    let world = Setup::between(versions).start().await;
    world.acme().allow_value("impact", "4");
    let says = NO_SHOUTING.to_owned();
    let (class, code, forbids) = ("UserRequest".to_owned(), "title".to_owned(), "!!".to_owned());
    world.internal.add_check(Check { class, code, forbids, says });
    world
}

async fn created(world: &World, title: &str, impact: &str) -> u64 {
    let mut fields = ticket(title);
    fields["impact"] = json!(impact);
    let id = world.acme().create_ticket("UserRequest", fields).await.unwrap();
    world.settle().await;
    id
}

async fn conflicts(world: &World, id: u64) -> Vec<String> {
    world.link(id).await.link.open.conflicts.iter().map(ToString::to_string).collect()
}

async fn has_one_conflict(world: &World, id: u64, about: &str, words: &str) {
    let conflicts = conflicts(world, id).await;
    assert_eq!(conflicts.len(), 1, "{conflicts:#?}");
    assert!(conflicts[0].starts_with(&format!("{about}: elitery does not take this value: {words}")), "{conflicts:#?}");
}

async fn a_create_goes_without_a_value_that_the_inside_does_not_know(versions: Versions) {
    let world = world(versions).await;
    let id = created(&world, "Printer on fire", "4").await;
    let copy = world.copy_of(id).await;
    assert_eq!(copy.field("title"), "[R-000001] Printer on fire");
    assert_eq!(copy.field("description"), "<p>Printer on fire</p>");
    has_one_conflict(&world, id, "impact", "Value not allowed [4]").await;
    world.acme().update(id, json!({ "impact": "2" })).await.unwrap();
    world.settle().await;
    assert_eq!((world.copy_of(id).await.field("impact"), conflicts(&world, id).await.len()), ("2", 0));
    world.one_more_pass_writes_nothing().await;
}

async fn an_update_writes_the_other_fields(versions: Versions) {
    let world = world(versions).await;
    world.internal.with_account("bridge", |account| account.language = Language::French);
    let id = created(&world, "Printer on fire", "1").await;
    world.acme().update(id, json!({ "impact": "4", "title": "Printer flooded", "urgency": "3" })).await.unwrap();
    world.settle().await;
    let copy = world.copy_of(id).await;
    assert_eq!((copy.field("title"), copy.field("urgency")), ("[R-000001] Printer flooded", "3"));
    assert_eq!(copy.field("impact"), "1");
    has_one_conflict(&world, id, "impact", "Value not allowed [4]").await;
    // Back outside to what was agreed on: there is nothing to tell any more.
    world.acme().update(id, json!({ "impact": "1" })).await.unwrap();
    world.settle().await;
    assert_eq!(conflicts(&world, id).await, [""; 0]);
    world.one_more_pass_writes_nothing().await;
}

async fn a_check_of_their_own_that_names_no_field_costs_that_field_alone(versions: Versions) {
    let world = world(versions).await;
    let id = created(&world, "fire!!", "1").await;
    let copy = world.copy_of(id).await;
    assert_eq!((copy.field("title"), copy.field("description")), ("[R-000001]", "<p>fire!!</p>"));
    has_one_conflict(&world, id, "title", NO_SHOUTING).await;
    world.acme().update(id, json!({ "title": "flood!!", "description": "<p>wet</p>", "impact": "2" })).await.unwrap();
    world.settle().await;
    let copy = world.copy_of(id).await;
    assert_eq!(
        (copy.field("title"), copy.field("description"), copy.field("impact")),
        ("[R-000001]", "<p>wet</p>", "2")
    );
    has_one_conflict(&world, id, "title", NO_SHOUTING).await;
    world.acme().update(id, json!({ "title": "flood" })).await.unwrap();
    world.settle().await;
    assert_eq!((world.copy_of(id).await.field("title"), conflicts(&world, id).await.len()), ("[R-000001] flood", 0));
    world.one_more_pass_writes_nothing().await;
}

/// Known by its number: a trigger says what its author wrote, and names no column.
async fn a_check_of_the_databases_own_costs_that_field_alone(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let (class, code, forbids) = ("UserRequest".to_owned(), "title".to_owned(), "!!".to_owned());
    world.internal.add_database_check(Check { class, code, forbids, says: NO_SHOUTING.to_owned() });
    let id = created(&world, "fire!!", "1").await;
    let copy = world.copy_of(id).await;
    assert_eq!((copy.field("title"), copy.field("description")), ("[R-000001]", "<p>fire!!</p>"));
    let said = format!("the database does not take the value: {NO_SHOUTING} (SQL error 1644)");
    has_one_conflict(&world, id, "title", &said).await;
    world.acme().update(id, json!({ "title": "flood!!", "impact": "2" })).await.unwrap();
    world.settle().await;
    let copy = world.copy_of(id).await;
    assert_eq!((copy.field("title"), copy.field("impact")), ("[R-000001]", "2"));
    has_one_conflict(&world, id, "title", &said).await;
    world.acme().update(id, json!({ "title": "flood" })).await.unwrap();
    world.settle().await;
    assert_eq!((world.copy_of(id).await.field("title"), conflicts(&world, id).await.len()), ("[R-000001] flood", 0));
    world.one_more_pass_writes_nothing().await;
}

async fn several_unnamed_culprits_are_found_by_the_next_round(versions: Versions) {
    let world = world(versions).await;
    let says = "No curses".to_owned();
    let (class, code, forbids) = ("UserRequest".to_owned(), "description".to_owned(), "!!".to_owned());
    world.internal.add_check(Check { class, code, forbids, says });
    let id = created(&world, "fire!!", "2").await;
    let copy = world.copy_of(id).await;
    assert_eq!((copy.field("title"), copy.field("impact")), ("[R-000001]", "2"));
    assert_eq!(copy.field("description"), "<p>(no description)</p>");
    assert_eq!(conflicts(&world, id).await.len(), 2);
    world.one_more_pass_writes_nothing().await;
}

async fn a_refused_value_puts_no_edit_of_the_inside_at_stake(versions: Versions) {
    let world = world(versions).await;
    let id = created(&world, "Printer on fire", "1").await;
    let copy = world.copy_of(id).await.id;
    world.internal.update(copy, json!({ "impact": "3" })).await.unwrap();
    world.settle().await;
    world.acme().update(id, json!({ "impact": "4" })).await.unwrap();
    world.settle().await;
    has_one_conflict(&world, id, "impact", "Value not allowed [4]").await;
    assert_eq!(world.copy_of(id).await.field("impact"), "3", "the person's");
    assert_eq!(world.link(id).await.link.in_flight.contested_edits, []);
    world.one_more_pass_writes_nothing().await;
}

each_version![
    a_refused_value_puts_no_edit_of_the_inside_at_stake,
    a_create_goes_without_a_value_that_the_inside_does_not_know,
    an_update_writes_the_other_fields,
    a_check_of_their_own_that_names_no_field_costs_that_field_alone,
    a_check_of_the_databases_own_costs_that_field_alone,
    several_unnamed_culprits_are_found_by_the_next_round,
];

#[tokio::test(start_paused = true)]
async fn tickets_with_values_that_are_refused_suspend_and_park_nothing() {
    let world = world(PAIRS[1]).await;
    for _ in 0..4 {
        created(&world, "Printer on fire", "4").await;
    }
    assert_eq!(world.issues(), [""; 0]);
    assert_eq!(world.queue().await, []);
    let title = created(&world, "late", "1").await;
    assert_eq!(world.copy_of(title).await.field("title"), "[R-000005] late");
    world.one_more_pass_writes_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_value_is_tried_again_in_its_time_and_taken_when_the_inside_knows_it() {
    let world = world(PAIRS[1]).await;
    let id = created(&world, "Printer on fire", "4").await;
    let sent = |world: &World| world.internal.calls_containing("\"impact\":\"4\"").len();
    world.clear_calls();
    world.look_at_everything().await;
    assert_eq!(sent(&world), 0, "not at every pass");
    world.pass_seconds(3700).await;
    world.look_at_everything().await;
    assert_eq!(sent(&world), 1, "after an hour a pass tries it once");
    world.look_at_everything().await;
    assert_eq!(sent(&world), 1);
    world.internal.allow_value("impact", "4");
    tokio::time::sleep(Duration::from_secs(7 * 3600)).await;
    world.look_at_everything().await;
    assert_eq!((world.copy_of(id).await.field("impact"), conflicts(&world, id).await.len()), ("4", 0));
    world.one_more_pass_writes_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn what_was_refused_outlives_a_restart() {
    let mut world = world(Versions { external: Version::V3_2, internal: Version::V3_2 }).await;
    let id = created(&world, "fire!!", "4").await;
    world.crash().await;
    world.boot();
    world.pass_seconds(5).await;
    assert_eq!(conflicts(&world, id).await.len(), 2);
    world.one_more_pass_writes_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn an_operator_sees_what_was_refused_and_has_it_tried_again() {
    let world = world(PAIRS[1]).await;
    let id = created(&world, "Printer on fire", "4").await;
    let conflict = "conflict: impact: elitery does not take this value: Value not allowed [4]";
    let (shown, planned) = (world.show("acme:R-000001").await, world.plan("acme:R-000001").await.unwrap().1);
    assert!(shown.contains(conflict) && planned.contains("Value not allowed [4]"), "{shown}\n{planned}");
    world.internal.allow_value("impact", "4");
    let said = world.retry(Some("acme:R-000001")).await.unwrap().1;
    assert_eq!(
        said,
        "acme:R-000001 is due now:\n  conflict: impact: elitery did not take this value: Value not allowed [4]\n"
    );
    world.settle().await;
    assert_eq!((world.copy_of(id).await.field("impact"), conflicts(&world, id).await.len()), ("4", 0));
    world.one_more_pass_writes_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn what_was_refused_first_does_not_matter_afterwards() {
    let world = world(PAIRS[1]).await;
    let id = created(&world, "Printer on fire", "4").await;
    world.acme().update(id, json!({ "title": "Printer on fire!!" })).await.unwrap();
    world.settle().await;
    let conflicts = conflicts(&world, id).await;
    assert!(matches!(&conflicts[..], [one, other] if one.starts_with("impact: ") && other.starts_with("title: ")));
    world.one_more_pass_writes_nothing().await;
}
