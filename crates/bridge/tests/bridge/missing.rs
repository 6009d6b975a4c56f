//! A file that is missing may be the first sign of a deletion of its whole ticket: its copy stands for minutes, whoever
//! sets the bridge's clock meanwhile.

use std::time::Duration;

use itop_bridge_core::plan::HaltKind;
use itop_bridge_testkit::world::*;

any_version![
    a_clock_that_is_set_forward_takes_no_copy_of_a_deleted_ticket,
    a_file_that_is_deleted_while_the_clock_is_set_goes_in_its_time,
    a_file_that_changes_while_another_ones_absence_is_watched_anew_is_carried,
];

const TWO_MINUTES_MS: i64 = 130_000;

async fn with_files(world: &World, names: &[&str]) -> (u64, Vec<u64>) {
    let id = world.acme().create_ticket("UserRequest", ticket("Printer on fire")).await.unwrap();
    let mut files = Vec::new();
    for name in names {
        files.push(world.acme().attach(id, name, "text/plain", name.as_bytes()).await.unwrap());
    }
    world.settle().await;
    (id, files)
}

async fn copies(world: &World, id: u64) -> Vec<String> {
    let files = world.internal.attachments(world.copy_of(id).await.id).into_iter();
    let mut names: Vec<String> =
        files.filter(|file| file.temp_id.contains(":file:")).map(|file| file.filename).collect();
    names.sort();
    names
}

/// While the process runs, or while it does not.
async fn a_clock_that_is_set_forward_takes_no_copy_of_a_deleted_ticket(versions: Versions) {
    for dies in [false, true] {
        let mut world = Setup::between(versions).start().await;
        let (id, _) = with_files(&world, &["a.txt", "b.txt"]).await;
        world.acme().hold_deletion(Duration::from_secs(120));
        let acme = world.acme().clone();
        let deleting = tokio::spawn(async move { acme.delete_ticket(id).await });
        world.pass_seconds(20).await;
        assert!(
            world.link(id).await.link.files.copies.iter().all(|copy| copy.missing_since_ms.is_some()),
            "both are missed"
        );
        if dies {
            world.crash().await;
        }
        world.clock.jump(TWO_MINUTES_MS);
        if dies {
            world.expire_leases().await;
            world.boot();
        }
        deleting.await.unwrap().unwrap();
        world.pass_seconds(1_000).await;
        world.settle().await;
        assert_eq!(copies(&world, id).await, ["a.txt", "b.txt"], "dies: {dies}");
        assert_eq!(world.link(id).await.link.course.halt.expect("halted").kind, HaltKind::ExternalVanished);
        world.one_more_pass_writes_nothing().await;
    }
}

async fn a_file_that_is_deleted_while_the_clock_is_set_goes_in_its_time(versions: Versions) {
    for dies in [false, true] {
        let mut world = Setup::between(versions).start().await;
        let (id, files) = with_files(&world, &["a.txt", "b.txt"]).await;
        world.acme().delete_attachment(files[0]).await;
        world.pass_seconds(3).await;
        if dies {
            world.crash().await;
        }
        world.clock.jump(TWO_MINUTES_MS);
        if dies {
            world.expire_leases().await;
            world.boot();
        }
        world.pass_seconds(600).await;
        world.settle().await;
        assert_eq!(copies(&world, id).await, ["b.txt"], "dies: {dies}");
        world.one_more_pass_writes_nothing().await;
    }
}

/// The pass that begins to watch anew writes nothing of its plan.
async fn a_file_that_changes_while_another_ones_absence_is_watched_anew_is_carried(versions: Versions) {
    let mut world = Setup::between(versions).start().await;
    let (id, files) = with_files(&world, &["b.txt"]).await;
    let copy = world.copy_of(id).await.id;
    let inside = world.internal.attach(copy, "in.txt", "text/plain", b"in").await.unwrap();
    world.internal.attach(copy, "too.txt", "text/plain", b"too").await.unwrap();
    world.settle().await;
    world.internal.delete_attachment(inside).await;
    while world.link(id).await.link.files.copies.iter().all(|copy| copy.missing_since_ms.is_none()) {
        world.pass_seconds(1).await;
    }
    // The process dies over the change of the other one, and the next one did not see the first go. Calls are slow, so
    // that no sweep names the changed file once more.
    world.acme().set_latency(Duration::from_secs(20));
    world.acme().replace_attachment(files[0], b"changed").await.unwrap();
    world.pass_seconds(30).await;
    world.crash().await;
    world.pass_seconds(200).await;
    world.expire_leases().await;
    world.boot();
    world.pass_seconds(600).await;
    world.settle().await;
    assert_eq!(copies(&world, id).await, ["b.txt"]);
    let copy = world.copy_of(id).await.id;
    let files = world.internal.attachments(copy).into_iter();
    let contents: Vec<_> = files.filter(|file| file.temp_id.contains(":file:")).map(|file| file.data).collect();
    assert_eq!(contents, [&b"changed"[..]]);
    world.one_more_pass_writes_nothing().await;
}
