//! What a running bridge takes in without a restart, and what it tells of webhooks that it refuses.

use axum::body::Body;
use http::Request;
use itop_bridge::checks::Finding;
use itop_bridge::cli::Outcome;
use itop_bridge_testkit::world::*;
use tower::ServiceExt as _;

use crate::listen::Log;

any_version![
    a_password_file_that_is_corrected_is_read_again_while_the_log_in_is_refused,
    a_log_in_that_comes_from_no_file_is_tried_again_as_it_is,
    webhooks_with_a_wrong_key_are_counted_for_check_and_plan_names_the_next_sweep,
];

async fn refused_log_in(world: &World) {
    world.acme().with_account("bridge", |account| account.password = "Other.5678".into());
    let id = world.acme().create_ticket("UserRequest", ticket("Printer")).await.unwrap();
    assert_eq!(id, 1);
    world.pass_seconds(400).await;
    assert!(world.issues().iter().any(|trouble| trouble.contains("acme")), "{:?}", world.issues());
    assert!(world.internal.tickets("UserRequest").is_empty());
}

async fn a_password_file_that_is_corrected_is_read_again_while_the_log_in_is_refused(versions: Versions) {
    let name = format!("itop-bridge-password-{}-{:?}", std::process::id(), versions.external);
    let file = std::env::temp_dir().join(name);
    std::fs::write(&file, "Bridge.1234\n").unwrap();
    let setup = Setup { acme_password: format!("password_file = \"{}\"", file.display()), ..Setup::between(versions) };
    let log = Log::kept();
    let world = setup.start().await;
    refused_log_in(&world).await;
    let (refused, how) = (log.lines("the log-in is refused"), format!("reads {} again each minute", file.display()));
    assert!(!refused.is_empty() && refused.iter().all(|line| line.contains(&how)), "{refused:#?}");
    std::fs::write(&file, "Other.5678\n").unwrap();
    world.pass_seconds(61).await;
    world.settle().await;
    std::fs::remove_file(&file).unwrap();
    let [read] = &log.lines("holds another password now")[..] else { panic!("told once: {:?}", log.lines("log-in")) };
    assert!(read.contains(&file.display().to_string()), "{read}");
    assert_eq!(world.copy_of(1).await.field("title"), "[R-000001] Printer");
    world.one_more_pass_writes_nothing().await;
}

async fn a_log_in_that_comes_from_no_file_is_tried_again_as_it_is(versions: Versions) {
    let world = Setup::between(versions).start().await;
    refused_log_in(&world).await;
    world.acme().with_account("bridge", |account| account.password = "Bridge.1234".into());
    world.pass_seconds(61).await;
    world.settle().await;
    world.copy_of(1).await;
    world.one_more_pass_writes_nothing().await;
}

async fn hook(world: &World, route: &str, key: Option<&str>) -> u16 {
    let mut request = Request::post(format!("/api/v1/{route}"));
    if let Some(key) = key {
        request = request.header("X-API-Key", key);
    }
    let body = Body::from(r#"{"class":"UserRequest","id":"1"}"#);
    world.router().oneshot(request.body(body).unwrap()).await.unwrap().status().as_u16()
}

/// The line of `check` about refused webhooks.
async fn refused(world: &World) -> Option<String> {
    let found = world.check_own().await;
    found.iter().find(|finding| finding.check == "webhook keys").map(Finding::to_string)
}

async fn webhooks_with_a_wrong_key_are_counted_for_check_and_plan_names_the_next_sweep(versions: Versions) {
    let world = Setup::between(versions).start().await;
    world.acme().create_ticket("UserRequest", ticket("Printer")).await.unwrap();
    world.settle().await;
    assert_eq!(refused(&world).await, None);
    world.acme().drop_hooks(true);
    world.acme().update(1, json!({"title": "Printer on fire"})).await.unwrap();
    assert_eq!(hook(&world, "update-ticket", Some("sk_of_before_0123456789")).await, 401);
    assert_eq!(hook(&world, "update-ticket", None).await, 401);
    assert_eq!(hook(&world, "create-ticket", Some(INTERNAL_KEY)).await, 403);
    world.pass_seconds(11).await;
    let line = refused(&world).await.expect("a line");
    let start = "note    itop-bridge webhook keys: 3 webhooks were refused for the key in the last ";
    assert!(line.starts_with(start) && line.contains("/api/v1/"), "{line}");
    for side in ["acme", "elitery"] {
        assert!(line.contains(&format!("`itop-bridge setup --side {side}`")), "{line}");
    }
    assert!(!line.contains("sk_"), "{line}");
    let (outcome, said) = world.status().await;
    let told = "3 webhooks were refused for the key, the last one ";
    assert!(
        outcome == Outcome::FaultFound && said.contains(told) && said.contains("\n1 thing needs a person."),
        "{said}"
    );

    let (outcome, said) = world.plan("acme:R-000001").await.unwrap();
    assert_eq!(outcome, Outcome::Fine);
    let told = "\nNo webhook has announced a change that waits; the next sweep of acme is at 2026-11-24 ";
    assert!(said.contains("update title") && said.contains(told), "{said}");
    world.acme().drop_hooks(false);
    assert_eq!(hook(&world, "update-ticket", Some(EXTERNAL_KEY)).await, 202);
    let (_, said) = world.plan("acme:R-000001").await.unwrap();
    assert!(said.contains("update title") && !said.contains("No webhook has announced"), "{said}");
    world.settle().await;
    let (_, said) = world.plan("acme:R-000001").await.unwrap();
    assert!(!said.contains("No webhook has announced"), "nothing is to be written: {said}");
    let (outcome, said) = world.status().await;
    assert_eq!(outcome, Outcome::FaultFound, "one side may still have the wrong key: {said}");
    let copy = world.copy_of(1).await.id;
    world.internal.attach(copy, "a.txt", "text/plain", b"a").await.unwrap();
    world.pass_seconds(11).await;
    let (outcome, said) = world.status().await;
    assert_eq!(outcome, Outcome::Fine, "every side has sent one with the right key since: {said}");
    world.settle().await;
    world.one_more_pass_writes_nothing().await;
    world.pass_seconds(25 * 3600).await;
    assert_eq!(refused(&world).await, None, "a day has passed");
}
