//! Pairs that were closed long ago: little is kept of them, and it is enough.

use itop_bridge_testkit::world::*;
use serde_json::json;

any_version![a_pair_that_was_closed_long_ago_is_small_and_still_in_step];

const DAY_MS: i64 = 24 * 3_600_000;
const HOUR: u64 = 3_600;

async fn a_pair_that_was_closed_long_ago_is_small_and_still_in_step(versions: Versions) {
    let mut world = Setup::between(versions).start().await;
    let text = "<p>It does not print, on any floor, since the move.</p>".repeat(20);
    let mut fields = ticket("old");
    fields["description"] = json!(text);
    let id = world.acme().create_ticket("Incident", fields).await.unwrap();
    let file = world.acme().attach(id, "a.txt", "text/plain", b"a").await.unwrap();
    world.acme().add_log_entry(id, "private_log", "<p>seen</p>").await.unwrap();
    world.settle().await;
    world.acme().stimulus(id, "ev_assign", json!({"team_id": 37, "agent_id": 9})).await.unwrap();
    let solved = json!({"resolution_code": "other", "solution": "new toner", "service_id": 2});
    world.acme().stimulus(id, "ev_resolve", solved).await.unwrap();
    world.acme().stimulus(id, "ev_close", json!({})).await.unwrap();
    world.settle().await;
    let copy = world.copy_of(id).await;
    assert_eq!(copy.status(), "closed");
    let before = serde_json::to_string(&world.link(id).await.link).unwrap();

    world.clock.jump(399 * DAY_MS);
    world.pass_seconds(3 * HOUR).await;
    assert!(world.did(id, "created").await, "not yet: {:?}", world.activity(id).await);
    world.clock.jump(2 * DAY_MS);
    world.pass_seconds(3 * HOUR).await;
    let after = serde_json::to_string(&world.link(id).await.link).unwrap();
    assert!(
        after.len() + 2 * text.len() < before.len() + 200,
        "{} of {} bytes are left: {after}",
        after.len(),
        before.len()
    );
    assert_eq!(world.activity(id).await.len(), 1);
    world.clear_calls();
    world.look_at_everything().await;
    world.settle().await;
    assert_eq!(world.internal.writes(), 0, "nothing is new");

    // A person inside had changed the text; a customer changes the title, and adds and takes away.
    world.internal.update(copy.id, json!({"description": "<p>mine</p>"})).await.unwrap();
    world.acme().update(id, json!({"title": "older than old"})).await.unwrap();
    world.acme().add_log_entry(id, "private_log", "<p>one more</p>").await.unwrap();
    world.acme().attach(id, "b.txt", "text/plain", b"b").await.unwrap();
    world.acme().delete_attachment(file).await;
    world.pass_seconds(60).await;
    world.settle().await;
    let copy = world.internal.ticket(copy.id).unwrap();
    assert_eq!(copy.field("title"), "[I-000001] older than old");
    assert_eq!(copy.field("description"), "<p>mine</p>", "what did not change outside is left alone");
    let names: Vec<String> = world.internal.attachments(copy.id).into_iter().map(|file| file.filename).collect();
    assert_eq!(names.iter().filter(|name| name.contains("log")).count(), 2, "{names:?}");
    assert_eq!(names.iter().filter(|name| !name.contains("log")).collect::<Vec<_>>(), ["b.txt"]);
    world.one_more_pass_writes_nothing().await;
    world.stop().await;
}
