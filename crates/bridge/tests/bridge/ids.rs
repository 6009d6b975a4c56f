//! Which ticket a hook of the provider's means. It names an `id` alone, and the same number is a ticket of
//! every customer's, a deleted ticket's, or a server's: the link says whose it is, and the look at both sides
//! what is to be done.

use axum::body::Body;
use axum::http::Request;
use itop_bridge_core::plan::HaltKind;
use itop_bridge_testkit::world::*;
use itop_sim::{FirstIds, Sim};
use serde_json::Value as Json;
use tower::ServiceExt as _;

use crate::status::{end, go, status};

each_version![
    an_id_that_is_also_another_externals_ticket_tells_of_the_linked_pair_alone,
    an_id_of_a_ticket_born_inside_is_no_customers_ticket,
    an_id_of_a_deleted_ticket_writes_nothing,
    an_id_of_a_server_writes_nothing,
    one_key_for_both_sides_carries_tickets_files_logs_and_states_both_ways,
];

/// Where all sides count their tickets and attachments from 1, and no sweep or audit runs.
fn colliding(versions: Versions) -> Setup {
    let quiet = "sweep_seconds = 86400\naudit_seconds = 86400";
    Setup { internal_ids: FirstIds::default(), ..Setup::between(versions) }.sync(quiet)
}

/// The provider's iTop says this; answers what the bridge said, once nothing is left to do.
async fn tell(world: &World, route: &str, payload: Json) -> Json {
    let request = Request::post(format!("/api/v1/{route}"))
        .header("Content-type", "application/json")
        .header("X-API-Key", INTERNAL_KEY)
        .body(Body::from(payload.to_string()))
        .unwrap();
    let answer = world.router().oneshot(request).await.unwrap();
    assert_eq!(answer.status(), 202, "{route}");
    let body = axum::body::to_bytes(answer.into_body(), 10_000).await.unwrap();
    world.settle().await;
    serde_json::from_slice(&body).unwrap()
}

/// All that the provider's iTop can say of this id.
async fn tell_everything(world: &World, id: u64) -> Vec<Json> {
    let (text, file) = (id.to_string(), json!({ "event": "attachment.update", "source": "elitery" }));
    let mut answers = vec![
        tell(world, "ticket-state-change", json!({ "event": "ticket assigned", "id": text })).await,
        tell(world, "ticket-update-private-log", json!({ "event": "update private log", "id": text })).await,
    ];
    for route in ["create-attachment", "update-attachment", "delete-attachment"] {
        let mut payload = file.clone();
        payload["attachment_id"] = "1".into();
        payload["item_class"] = "UserRequest".into();
        payload["item_id"] = text.clone().into();
        answers.push(tell(world, route, payload).await);
    }
    answers
}

async fn create(world: &World, sim: &Sim, title: &str) -> u64 {
    let id = sim.create_ticket("UserRequest", ticket(title)).await.unwrap();
    world.settle().await;
    id
}

/// A ticket's files by name, a log's without its time.
fn names(sim: &Sim, ticket: u64) -> Vec<String> {
    let untimed = |name: String| match name.split_once(" private log ") {
        Some((reference, _)) => format!("{reference} private log"),
        None => name,
    };
    let mut names: Vec<String> = sim.attachments(ticket).into_iter().map(|file| untimed(file.filename)).collect();
    names.sort();
    names
}

/// What the customers' tickets look like from outside: states, and files by name.
fn outside(world: &World) -> Vec<(String, u64, String, Vec<String>)> {
    let mut seen = Vec::new();
    for sim in &world.externals {
        for ticket in sim.tickets("Ticket") {
            seen.push((sim.base_url(), ticket.id, ticket.status().to_owned(), names(sim, ticket.id)));
        }
    }
    seen
}

fn hold_hooks_back(world: &World) {
    for sim in world.externals.iter().chain([&world.internal]) {
        sim.drop_hooks(true);
    }
}

async fn an_id_that_is_also_another_externals_ticket_tells_of_the_linked_pair_alone(versions: Versions) {
    let externals = vec![versions.external, versions.internal];
    let world = Setup { externals, ..colliding(versions) }.start().await;
    // The provider's 2 is the copy of acme's 1, and acme and beta have a 2 as well.
    create(&world, world.beta(), "beta's first").await;
    create(&world, world.acme(), "acme's first").await;
    create(&world, world.beta(), "beta's second").await;
    create(&world, world.acme(), "acme's second").await;
    assert_eq!(world.copy_of(1).await.id, 2);
    hold_hooks_back(&world);
    go(&world.internal, 2, &["ev_assign"]).await;
    world.internal.add_log_entry(2, "private_log", "<p>we look into it</p>").await.unwrap();
    let mut expected = outside(&world);
    world.clear_calls();

    for answer in tell_everything(&world, 2).await {
        assert_eq!(answer, json!({ "accepted": true, "ticket": 2 }));
    }
    let of_acme_1 = expected.iter_mut().find(|(url, id, ..)| url == "http://acme" && *id == 1).unwrap();
    of_acme_1.3 = vec!["R-000002 private log".into(), "elitery R-000002 assigned.txt".into()];
    assert_eq!(outside(&world), expected);
    assert_eq!((world.acme().writes(), world.beta().writes(), world.internal.writes()), (2, 0, 0));
    end(world).await;
}

async fn an_id_of_a_ticket_born_inside_is_no_customers_ticket(versions: Versions) {
    let world = colliding(versions).start().await;
    let own = create(&world, &world.internal, "our own").await;
    let id = create(&world, world.acme(), "theirs").await;
    assert_eq!(own, id, "one number, two tickets");
    hold_hooks_back(&world);
    go(&world.internal, own, &["ev_assign"]).await;
    world.internal.add_log_entry(own, "private_log", "<p>between us</p>").await.unwrap();
    world.internal.attach(own, "own.txt", "text/plain", b"own").await.unwrap();
    world.clear_calls();
    for answer in tell_everything(&world, own).await {
        assert_eq!(answer, json!({ "accepted": false, "ignored": "no link for this internal ticket" }));
    }
    assert!(world.acme().calls().is_empty() && world.internal.calls().is_empty(), "nothing is even read");
    end(world).await;
}

async fn an_id_of_a_deleted_ticket_writes_nothing(versions: Versions) {
    let world = colliding(versions).start().await;
    let id = create(&world, world.acme(), "Printer on fire").await;
    let copy = world.copy_of(id).await.id;
    world.internal.attach(copy, "a.txt", "text/plain", b"a").await.unwrap();
    world.settle().await;
    let (before, own) = (outside(&world), create(&world, &world.internal, "our own").await);
    hold_hooks_back(&world);
    for deleted in [copy, own] {
        world.internal.delete_ticket(deleted).await.unwrap();
        world.clear_calls();
        tell_everything(&world, deleted).await;
        assert_eq!((outside(&world), world.acme().writes() + world.internal.writes()), (before.clone(), 0));
    }
    let halt = world.link(id).await.link.course.halt.expect("the pair is halted");
    assert_eq!(halt.kind, HaltKind::InternalVanished);
    // Whoever resumes it wants no new counterpart: the pair is over, and its id means nobody.
    world.resume("acme:R-000001", false).await.unwrap();
    world.settle().await;
    for answer in tell_everything(&world, copy).await {
        assert_eq!(answer["accepted"], json!(false), "{answer}");
    }
    assert_eq!((outside(&world), world.internal.tickets("Ticket").len()), (before, 0));
    end(world).await;
}

/// A trigger may stand on a class that is none of ours, and the payload of a state or a log tells no class.
async fn an_id_of_a_server_writes_nothing(versions: Versions) {
    let world = colliding(versions).start().await;
    let id = create(&world, world.acme(), "Printer on fire").await;
    let copy = world.copy_of(id).await.id;
    let before = outside(&world);
    world.clear_calls();
    // The server's number is a linked ticket's, or nobody's.
    tell_everything(&world, copy).await;
    for answer in tell_everything(&world, 4711).await {
        assert_eq!(answer, json!({ "accepted": false, "ignored": "no link for this internal ticket" }));
    }
    for route in ["create-attachment", "update-attachment", "delete-attachment"] {
        let file = json!({ "attachment_id": "1", "item_class": "Server", "item_id": copy.to_string() });
        let answer = tell(&world, route, file).await;
        assert_eq!(answer, json!({ "accepted": false, "ignored": "this class is not bridged" }));
    }
    assert_eq!((outside(&world), world.acme().writes() + world.internal.writes()), (before, 0));
    end(world).await;
}

/// As with the original program: the routes say which side calls, and a file's hook may mean either.
async fn one_key_for_both_sides_carries_tickets_files_logs_and_states_both_ways(versions: Versions) {
    let world = Setup { acme_key: INTERNAL_KEY, ..colliding(versions) }.start().await;
    // The provider's 2 and 3 are the copies of acme's 1 and 2.
    create(&world, &world.internal, "our own").await;
    let first = create(&world, world.acme(), "first").await;
    let second = create(&world, world.acme(), "second").await;
    let (copy, other) = (world.copy_of(first).await.id, world.copy_of(second).await.id);
    assert_eq!((first, copy, second, other), (1, 2, 2, 3));

    world.acme().update(first, json!({ "title": "first, changed" })).await.unwrap();
    world.acme().add_log_entry(first, "private_log", "<p>it smokes</p>").await.unwrap();
    let smoke = world.acme().attach(first, "smoke.txt", "text/plain", b"smoke").await.unwrap();
    world.settle().await;
    assert_eq!(world.internal.ticket(copy).unwrap().field("title"), "[R-000001] first, changed");
    assert_eq!(names(&world.internal, copy), ["R-000001 private log", "smoke.txt"]);

    world.internal.add_log_entry(copy, "private_log", "<p>we look into it</p>").await.unwrap();
    let plan = world.internal.attach(copy, "plan.txt", "text/plain", b"plan").await.unwrap();
    go(&world.internal, copy, &["ev_assign"]).await;
    world.settle().await;
    let told = ["R-000002 private log", "elitery R-000002 assigned.txt", "plan.txt", "smoke.txt"];
    assert_eq!(names(world.acme(), first), told);
    assert_eq!(status(world.acme(), first), "new");

    world.internal.rename_attachment(plan, "plan B.txt").await.unwrap();
    world.acme().delete_attachment(smoke).await;
    go(world.acme(), first, &["ev_assign", "ev_resolve"]).await;
    world.settle().await;
    assert_eq!((status(world.acme(), first), status(&world.internal, copy)), ("resolved".into(), "resolved".into()));
    assert_eq!(
        names(&world.internal, copy),
        ["R-000001 private log", "plan B.txt"],
        "what is deleted is gone inside too"
    );
    let told = ["R-000002 private log", "elitery R-000002 resolved.txt", "plan B.txt"];
    assert_eq!(names(world.acme(), first), told);

    // Whose numbers are the same has had nothing of it.
    assert_eq!(
        (names(world.acme(), second), names(&world.internal, other).len()),
        (vec!["elitery R-000003 new.txt".into()], 0)
    );
    assert_eq!(names(&world.internal, 1), Vec::<String>::new());
    assert_eq!((world.acme().tickets("Ticket").len(), world.internal.tickets("Ticket").len()), (2, 3));
    end(world).await;
}
