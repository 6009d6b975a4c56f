//! A ticket whose files are larger together than PHP's memory: its iTop carries each write out and answers it with an
//! error.

use itop_bridge_testkit::world::*;
use itop_sim::{Call, Limits};

use crate::listen::Log;

each_version![
    a_ticket_over_whose_files_php_runs_out_of_memory_goes_on_and_nothing_is_written_twice,
    a_heavy_ticket_is_told_once_over_a_restart,
];

const MINUTE: u64 = 60;
const MB: usize = 1_000_000;

/// A ticket in step, with files of 4 MB together inside, and no memory for them there.
async fn heavy_ticket(world: &World) -> u64 {
    let id = world.acme().create_ticket("UserRequest", ticket("calm")).await.unwrap();
    for name in ["a.bin", "b.bin"] {
        world.acme().attach(id, name, "application/octet-stream", &vec![7; 2 * MB]).await.unwrap();
    }
    world.settle().await;
    world.internal.set_limits(Limits { files_memory_bytes: Some(3 * MB), ..Limits::default() });
    id
}

fn writes(world: &World, class: &str) -> Vec<Call> {
    let calls = world.internal.calls().into_iter();
    calls.filter(|call| call.is_write() && call.class == class).collect()
}

async fn a_ticket_over_whose_files_php_runs_out_of_memory_goes_on_and_nothing_is_written_twice(versions: Versions) {
    let log = Log::kept();
    let world = Setup::between(versions).start().await;
    let id = heavy_ticket(&world).await;
    world.clear_calls();
    let acme = world.acme();
    acme.update(id, json!({"title": "newer", "description": "<p>newer words</p>"})).await.unwrap();
    acme.stimulus(id, "ev_assign", json!({"team_id": 37, "agent_id": 9})).await.unwrap();
    acme.attach(id, "c.txt", "text/plain", b"c").await.unwrap();
    acme.add_log_entry(id, "private_log", "an entry").await.unwrap();
    world.settle().await;
    let copy = world.copy_of(id).await;
    assert_eq!((copy.field("title"), copy.status()), ("[R-000001] newer", "assigned"));
    assert!(copy.field("description").contains("newer words"));
    assert_eq!(world.internal.attachments(copy.id).len(), 4);
    acme.stimulus(id, "ev_pending", json!({"pending_reason": "we wait"})).await.unwrap();
    world.settle().await;
    assert_eq!(world.copy_of(id).await.status(), "pending");
    assert_eq!(writes(&world, "UserRequest").len(), 3, "{:#?}", writes(&world, "UserRequest"));
    let told =
        "the files of elitery R-001001 are 4 MB together, more than PHP's memory there takes (memory_limit 128M)";
    assert_eq!(log.lines(told).len(), 1);
    assert!(world.did(id, told).await);
    assert_eq!(world.issues(), [""; 0]);
    assert_eq!(world.queue().await, []);
    world.pass_seconds(MINUTE).await;
    let posted = world.posted.take();
    assert!(posted.len() == 1 && posted[0].to_string().contains(told), "{posted:?}");
    world.one_more_pass_writes_nothing().await;
    // The memory was raised.
    world.internal.set_limits(Limits::default());
    acme.update(id, json!({"title": "newest"})).await.unwrap();
    world.settle().await;
    assert_eq!(world.link(id).await.link.open.heavy, []);
    assert!(world.did(id, "elitery answers writes to this ticket again").await);
    world.one_more_pass_writes_nothing().await;
}

async fn a_heavy_ticket_is_told_once_over_a_restart(versions: Versions) {
    let mut world = Setup::between(versions).start().await;
    let id = heavy_ticket(&world).await;
    world.acme().update(id, json!({"title": "newer"})).await.unwrap();
    world.settle().await;
    world.pass_seconds(MINUTE).await;
    assert_eq!(world.posted.take().len(), 1);
    world.crash().await;
    world.boot();
    world.pass_seconds(5 * MINUTE).await;
    world.acme().update(id, json!({"title": "newest"})).await.unwrap();
    world.settle().await;
    world.pass_seconds(MINUTE).await;
    assert_eq!(world.posted.take(), Vec::<serde_json::Value>::new(), "told already");
    assert_eq!(world.copy_of(id).await.field("title"), "[R-000001] newest");
    world.one_more_pass_writes_nothing().await;
}
