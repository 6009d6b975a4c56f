//! Marks that stand twice are found where they stand, in a few calls, and what the bridge keeps is told from the rest.

use itop_bridge_core::TicketMark;
use itop_bridge_engine::Duplicate;
use itop_bridge_testkit::world::*;
use itop_sim::Sim;

use crate::setup::admin;
use crate::status::{bridged, go};

any_version![
    a_second_ticket_with_a_mark_is_named_beside_the_one_that_is_kept,
    a_second_file_with_a_mark_is_named_beside_the_one_that_is_kept,
    hundreds_are_looked_at_in_a_few_calls,
];

fn mark(ticket: u64) -> TicketMark {
    TicketMark { server: "7f3a".into(), external: "acme".into(), class: "UserRequest".into(), ticket }
}

async fn inside_with(world: &World, title: &str, entry: &str) -> u64 {
    let mut fields = ticket(title);
    fields["private_log"] = json!(entry);
    world.internal.create_ticket("UserRequest", fields).await.unwrap()
}

async fn attach_with(sim: &Sim, ticket: u64, temp_id: &str) -> u64 {
    let contents = json!({"data": "YQ==", "filename": "again.txt", "mimetype": "text/plain"});
    let fields = json!({"item_class": "UserRequest", "item_id": ticket, "item_org_id": 3, "temp_id": temp_id, "contents": contents});
    let request = json!({"operation": "core/create", "class": "Attachment", "comment": "a person", "fields": fields});
    let answer = admin(sim, request).await;
    let objects = answer["objects"].as_object().unwrap_or_else(|| panic!("{answer}"));
    objects.values().next().unwrap()["key"].as_str().unwrap().parse().unwrap()
}

async fn a_second_ticket_with_a_mark_is_named_beside_the_one_that_is_kept(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let (id, copy) = bridged(&world, "UserRequest", &[]).await;
    let (other, _) = bridged(&world, "UserRequest", &[]).await;
    let ended = bridged(&world, "UserRequest", &[]).await.0;
    world.end_pair(ended).await;
    assert_eq!(world.engine().duplicate_tickets().await.unwrap(), []);

    let twin = inside_with(&world, "A twin", &mark(id).entry("R-000001")).await;
    // No mark of this bridge at its beginning: whatever else is said of one.
    inside_with(&world, "Another bridge's", &mark(other).entry("R-000002").replace("7f3a", "beef")).await;
    let talks = inside_with(&world, "Talks of it", "Look:").await;
    world.internal.add_log_entry(talks, "private_log", &mark(other).entry("R-000002")).await.unwrap();
    // The store knows neither of these.
    let lost: Vec<u64> = vec![
        inside_with(&world, "Lost", &mark(99).entry("R-000099")).await,
        inside_with(&world, "Lost too", &mark(99).entry("R-000099")).await,
    ];
    world.settle().await;
    let name = |id: u64| world.internal.ticket(id).unwrap().field("ref").to_owned();
    let expected = [
        Duplicate { mark: mark(id), kept: Some(name(copy)), others: vec![name(twin)] },
        Duplicate { mark: mark(99), kept: None, others: lost.into_iter().map(name).collect() },
    ];
    world.clear_calls();
    assert_eq!(world.engine().duplicate_tickets().await.unwrap(), expected);
    assert_eq!(world.internal.writes() + world.acme().writes(), 0);
    // Once it is closed, as `check` says, it is none any more.
    go(&world.internal, twin, &["ev_assign", "ev_resolve", "ev_close"]).await;
    assert_eq!(world.engine().duplicate_tickets().await.unwrap(), expected[1..]);
    world.settle().await;
    world.one_more_pass_writes_nothing().await;
}

async fn a_second_file_with_a_mark_is_named_beside_the_one_that_is_kept(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let (id, copy) = bridged(&world, "UserRequest", &[]).await;
    world.acme().attach(id, "a.txt", "text/plain", b"a").await.unwrap();
    world.acme().add_log_entry(id, "private_log", "<p>Entry</p>").await.unwrap();
    world.settle().await;
    for side in [None, Some("acme")] {
        assert_eq!(world.engine().duplicate_files(side).await.unwrap(), []);
    }
    let mut expected = Vec::new();
    for file in world.internal.attachments(copy) {
        let again = attach_with(&world.internal, copy, &file.temp_id).await;
        let name = |file: u64| format!("attachment {file} of ticket {copy}");
        expected.push(Duplicate { mark: mark(id), kept: Some(name(file.id)), others: vec![name(again)] });
    }
    assert_eq!(expected.len(), 2, "a copy and a log's file");
    attach_with(&world.internal, copy, "itop-bridge:beef:acme:UserRequest:1:external:file:9").await;
    attach_with(&world.internal, copy, "itop-bridge:beef:acme:UserRequest:1:external:file:9").await;
    assert_eq!(world.engine().duplicate_files(None).await.unwrap(), expected);
    let report = world.acme().attachments(id).into_iter().find(|file| file.temp_id.contains(":status:")).unwrap();
    let again = attach_with(world.acme(), id, &report.temp_id).await;
    let name = |file: u64| format!("attachment {file} of ticket {id}");
    let expected = Duplicate { mark: mark(id), kept: Some(name(report.id)), others: vec![name(again)] };
    assert_eq!(world.engine().duplicate_files(Some("acme")).await.unwrap(), [expected]);
    world.settle().await;
    world.one_more_pass_writes_nothing().await;
}

async fn hundreds_are_looked_at_in_a_few_calls(versions: Versions) {
    let world = Setup::between(versions).acme("only = \"title LIKE 'Carried%'\"").start().await;
    let (first, second) = (
        inside_with(&world, "First", &mark(1).entry("R-000001")).await,
        inside_with(&world, "Second", &mark(1).entry("R-000001")).await,
    );
    for number in 0..400 {
        world.internal.create_ticket("UserRequest", ticket(&format!("Not of ours {number}"))).await.unwrap();
    }
    world.clear_calls();
    let found = world.engine().duplicate_tickets().await.unwrap();
    let name = |id: u64| world.internal.ticket(id).unwrap().field("ref").to_owned();
    assert_eq!(found, [Duplicate { mark: mark(1), kept: None, others: vec![name(first), name(second)] }]);
    let calls = world.internal.calls().len();
    assert!(calls < 25, "{calls} calls");
    world.one_more_pass_writes_nothing().await;
}
