//! A new counterpart in place of one that is gone: the files that the old one's story left outside stay, and
//! never pass for the new one's, although ids are given out again and people use the same words.

use itop_bridge_core::plan::HaltKind;
use itop_bridge_testkit::world::*;
use itop_sim::{Attachment, Call, Fault, FirstIds};

mod in_doubt;

any_version![
    the_new_counterparts_files_and_entries_cross_beside_those_of_the_old_one,
    what_the_old_one_left_is_known_although_the_new_one_is_refused_at_first,
];

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n and so on";

/// A pair whose inside lost all that had come since a backup, and halted.
pub struct Lost {
    pub world: World,
    pub outside: u64,
    /// What the bridge had made outside.
    pub old: Vec<Attachment>,
    pub old_original: u64,
    pub old_image: u64,
}

pub async fn lost(versions: Versions) -> Lost {
    let world = Setup::between(versions).start().await;
    let backup = world.internal.next_ids();
    let outside = world.acme().create_ticket("UserRequest", ticket("Printer on fire")).await.unwrap();
    world.settle().await;
    let (old_original, old_image) = tell(&world, outside, "old.txt").await;
    let old = world.acme().attachments(outside);
    assert_eq!(kinds(&old), ["status", "file", "image", "log"]);
    let inside = world.copy_of(outside).await.id;
    for (class, id) in [("UserRequest", inside), ("Attachment", old_original), ("InlineImage", old_image)] {
        assert!(world.internal.erase(class, id));
    }
    // Its references go on, so that the report's name shows whose it is.
    world.internal.set_next_ids(FirstIds { reference: backup.reference + 1, ..backup });
    world.acme().update(outside, json!({ "title": "Still on fire" })).await.unwrap();
    world.settle().await;
    assert_eq!(world.link(outside).await.link.course.halt.unwrap().kind, HaltKind::InternalVanished);
    Lost { world, outside, old, old_original, old_image }
}

/// A file, an entry and a picture of the inside, which cross: the ids of the file and of the picture.
pub async fn tell(world: &World, outside: u64, name: &str) -> (u64, u64) {
    let inside = world.copy_of(outside).await.id;
    let file = world.internal.attach(inside, name, "text/plain", name.as_bytes()).await.unwrap();
    world.settle().await;
    let image = world.internal.add_inline_image(inside, "5ec2e7", "image/png", PNG).await.unwrap();
    let html = format!("<p>we look into it {}</p>", image.html);
    world.internal.add_log_entry(inside, "private_log", &html).await.unwrap();
    world.settle().await;
    (file, image.id)
}

pub fn kinds(files: &[Attachment]) -> Vec<&str> {
    files.iter().map(|file| file.temp_id.split(':').nth(6).unwrap_or_default()).collect()
}

async fn the_new_counterparts_files_and_entries_cross_beside_those_of_the_old_one(versions: Versions) {
    let Lost { world, outside, old, old_original, old_image } = lost(versions).await;
    world.resume("acme:R-000001", true).await.unwrap();
    world.settle().await;
    let files = world.acme().attachments(outside);
    assert_eq!(files.len(), old.len(), "the report is one a pair");
    let reference = world.copy_of(outside).await.field("ref").to_owned();
    assert!(files[0].filename.contains(&reference) && !old[0].filename.contains(&reference), "{files:?}");
    assert!(String::from_utf8_lossy(&files[0].data).contains(&reference));
    let (original, image) = tell(&world, outside, "new.txt").await;
    assert_eq!((original, image), (old_original, old_image), "ids are given out again");
    let now = world.acme().attachments(outside);
    assert_eq!(kinds(&now), ["status", "file", "image", "log", "file", "image", "log"]);
    assert_eq!(now[1..4], old[1..], "the old copies stay as they are");
    assert_eq!((&*now[1].filename, &*now[4].filename), ("old.txt", "new.txt"));
    // What was left behind is no duplicate of the new one's.
    assert_eq!(world.engine().duplicate_files(Some("acme")).await.unwrap(), []);
    world.one_more_pass_writes_nothing().await;
    // From now on the new one's copies follow it, and the old ones follow nobody.
    let inside = world.copy_of(outside).await.id;
    world.internal.delete_attachment(original).await;
    world.internal.update(inside, json!({ "urgency": "2" })).await.unwrap();
    world.settle().await;
    let left: Vec<u64> = world.acme().attachments(outside).iter().map(|file| file.id).collect();
    let but_the_deleted: Vec<u64> = now.iter().map(|file| file.id).filter(|id| *id != now[4].id).collect();
    assert_eq!(left, but_the_deleted);
    world.one_more_pass_writes_nothing().await;
}

async fn what_the_old_one_left_is_known_although_the_new_one_is_refused_at_first(versions: Versions) {
    let Lost { world, outside, old, .. } = lost(versions).await;
    let creates_a_ticket = |call: &Call| call.operation == "core/create" && call.class == "UserRequest";
    world.internal.fail_when(2, Fault::error("Unexpected value for attribute 'title'"), creates_a_ticket);
    world.resume("acme:R-000001", true).await.unwrap();
    world.settle().await;
    tell(&world, outside, "new.txt").await;
    let now = world.acme().attachments(outside);
    assert_eq!(kinds(&now), ["status", "file", "image", "log", "file", "image", "log"]);
    assert_eq!(now[1..4], old[1..]);
    world.one_more_pass_writes_nothing().await;
}
