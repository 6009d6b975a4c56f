//! A store that an earlier version wrote: it opens, all that it knows is there, and the bridge goes on with it.
//!
//! `stored/0.1.0.db` was written by 0.1.0 at the end of [`story`]. A version that changes what is stored gets a file of
//! its own beside it: `WRITE_STORE=FILE cargo test -p itop-bridge --test bridge stored` writes one.

use std::path::{Path, PathBuf};

use itop_bridge_store::{SqliteStore, StoreHandle, Stored};
use itop_bridge_testkit::world::*;
use itop_sim::Version;

use crate::status::go;

const FILES: [&str; 1] = ["stored/0.1.0.db"];

fn setup() -> Setup {
    let versions = Versions { external: Version::V3_1, internal: Version::V3_2 };
    Setup::between(versions).sync("public_log_to_internal = \"attachment\"")
}

fn file(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("itop-bridge-stored-{}-{name}.db", std::process::id()))
}

/// A bridge over this file, in place of the one that its world began with.
async fn over(file: &Path, world: &mut World) {
    world.crash().await;
    let store = SqliteStore::open_exclusive(file).expect("the store opens");
    world.start_over(StoreHandle::inline(store)).await;
}

/// Something of each kind that a link holds: files, logs, documents, a conflict, a halt, and a pair that has ended.
async fn story(world: &World) {
    let (acme, inside) = (world.acme(), &world.internal);
    for (title, class) in [("Printer", "UserRequest"), ("Network", "Incident"), ("Laptop", "UserRequest")] {
        acme.create_ticket(class, ticket(title)).await.unwrap();
        world.settle().await;
    }
    let copies = [world.copy_of(1).await.id, world.copy_of(2).await.id, world.copy_of(3).await.id];
    acme.attach(1, "photo.png", "image/png", b"photo").await.unwrap();
    acme.attach(1, "gone.txt", "text/plain", b"gone").await.unwrap();
    inside.attach(copies[0], "quote.pdf", "application/pdf", b"quote").await.unwrap();
    acme.add_log_entry(1, "private_log", "<p>It is <b>loud</b></p>").await.unwrap();
    acme.add_log_entry(1, "public_log", "<p>For all to see</p>").await.unwrap();
    inside.add_log_entry(copies[0], "private_log", "<p>On our way</p>").await.unwrap();
    world.settle().await;
    // A person deletes a copy, and another edits inside what comes from outside.
    let copy = inside.attachments(copies[0]).into_iter().find(|file| file.filename == "gone.txt").unwrap();
    inside.delete_attachment(copy.id).await;
    inside.update(copies[0], json!({"urgency": "1"})).await.unwrap();
    world.settle().await;
    world.pass_seconds(700).await;
    for (at, copy) in copies.iter().enumerate().take(2) {
        go(inside, *copy, &["ev_assign"]).await;
        world.settle().await;
        if at == 1 {
            go(inside, *copy, &["ev_resolve"]).await;
            world.settle().await;
        }
    }
    inside.delete_ticket(copies[2]).await.unwrap();
    acme.update(3, json!({"title": "Laptop lost"})).await.unwrap();
    world.settle().await;
    // An audit meets what no hook tells.
    world.pass_seconds(2 * 3600).await;
    world.settle().await;
}

/// What a person is shown of each pair, but for its record, which goes on.
async fn shown(world: &World) -> Vec<String> {
    let mut all = Vec::new();
    for stored in world.links().await {
        let shown = world.show(&stored.id.to_string()).await;
        let (now, _) = shown.split_once("\nwhat the bridge did").expect("a pair has a record");
        all.push(now.to_owned());
    }
    all
}

fn linked(links: &[Stored]) -> Vec<(u64, Option<u64>, usize, bool)> {
    let of = |stored: &Stored| {
        let link = &stored.link;
        (
            link.external.id,
            link.internal.as_ref().map(|key| key.id),
            link.files.copies.len(),
            link.course.halt.is_some(),
        )
    };
    links.iter().map(of).collect()
}

#[tokio::test(start_paused = true)]
async fn a_store_of_an_earlier_version_opens_and_goes_on() {
    if let Ok(written) = std::env::var("WRITE_STORE") {
        let own = file("written");
        let mut world = setup().start().await;
        over(&own, &mut world).await;
        story(&world).await;
        world.ends_without_one_more_pass("it only writes the file");
        world.crash().await;
        SqliteStore::open_to_read(&own).unwrap().backup_to(&written).unwrap();
        return std::fs::remove_file(&own).unwrap();
    }
    for name in FILES {
        let mut world = setup().start().await;
        let own = file("own");
        over(&own, &mut world).await;
        story(&world).await;
        let (links, before) = (world.links().await, shown(&world).await);
        world.clear_calls();

        let earlier = file("earlier");
        std::fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bridge").join(name), &earlier).unwrap();
        over(&earlier, &mut world).await;
        assert_eq!(linked(&world.links().await), linked(&links), "{name}");
        world.settle().await;
        world.pass_seconds(2 * 3600).await;
        world.settle().await;
        assert_eq!((world.acme().writes(), world.internal.writes()), (0, 0), "{name}: nothing is new");
        let after = shown(&world).await;
        assert_eq!(after, before, "{name}");

        world.acme().update(1, json!({"title": "Printer still on fire"})).await.unwrap();
        world.acme().add_log_entry(1, "private_log", "<p>Hurry</p>").await.unwrap();
        world.settle().await;
        assert_eq!(world.copy_of(1).await.field("title"), "[R-000001] Printer still on fire");
        let copy = world.copy_of(1).await.id;
        let log_files = world.internal.attachments(copy).into_iter().filter(|file| file.temp_id.contains(":log:"));
        assert_eq!(log_files.count(), 3, "{name}: two of before, and one more");
        let halted: Vec<u64> = linked(&world.links().await).iter().filter(|link| link.3).map(|link| link.0).collect();
        assert_eq!(halted, [3], "{name}: what had halted stands still");
        world.one_more_pass_writes_nothing().await;
        drop(world);
        for file in [own, earlier] {
            let _ = std::fs::remove_file(file);
        }
    }
}
