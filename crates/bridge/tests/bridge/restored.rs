//! Yesterday's store beside today's iTops: what the bridge made since is found by its marks, and nothing is
//! made twice.

use itop_bridge_store::{SqliteStore, StoreHandle};
use itop_bridge_testkit::world::*;
use itop_sim::{Effect, Fault, Sim};

any_version![
    what_was_made_since_the_backup_is_taken_in_and_nothing_is_doubled,
    a_pair_that_was_being_made_at_the_backup_is_made_once,
];

/// A store in a file, of which a backup can be taken.
struct Kept {
    folder: std::path::PathBuf,
}

impl Kept {
    fn new(name: &str, versions: Versions) -> Kept {
        let name = format!("{name}-{:?}-{:?}", versions.external, versions.internal);
        let folder = std::env::temp_dir().join(format!("itop-bridge-backup-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        Kept { folder }
    }

    fn store(&self) -> StoreHandle {
        StoreHandle::inline(SqliteStore::open(self.folder.join("store.db")).expect("a store"))
    }

    fn back_up(&self) {
        let store = SqliteStore::open_to_read(self.folder.join("store.db")).expect("a store");
        store.backup_to(self.folder.join("backup.db")).expect("a backup");
    }

    fn backup(&self) -> StoreHandle {
        StoreHandle::inline(SqliteStore::open(self.folder.join("backup.db")).expect("the backup"))
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Every ticket with its state and title, and every file with its contents.
fn everything(sim: &Sim) -> Vec<String> {
    let tickets = sim.tickets("Ticket");
    let mut all = Vec::new();
    for ticket in tickets {
        all.push(format!("{} {} {}", ticket.field("ref"), ticket.field("status"), ticket.field("title")));
        let files = sim.attachments(ticket.id);
        let text = |data: &[u8]| String::from_utf8_lossy(data).into_owned();
        all.extend(files.iter().map(|file| format!("  {} {}", file.filename, text(&file.data))));
    }
    all.sort();
    all
}

async fn both_sides_work_on(world: &World, id: u64, word: &str) {
    let acme = world.acme();
    acme.attach(id, &format!("outside {word}.txt"), "text/plain", word.as_bytes()).await.unwrap();
    acme.add_log_entry(id, "private_log", &format!("<p>outside {word}</p>")).await.unwrap();
    world.settle().await;
    let copy = world.copy_of(id).await.id;
    let inside = &world.internal;
    inside.attach(copy, &format!("inside {word}.txt"), "text/plain", word.as_bytes()).await.unwrap();
    inside.add_log_entry(copy, "private_log", &format!("<p>inside {word}</p>")).await.unwrap();
    world.settle().await;
}

async fn what_was_made_since_the_backup_is_taken_in_and_nothing_is_doubled(versions: Versions) {
    let kept = Kept::new("since", versions);
    let mut world = Setup::between(versions).start().await;
    world.start_over(kept.store()).await;
    let old = world.acme().create_ticket("UserRequest", ticket("before")).await.unwrap();
    both_sides_work_on(&world, old, "before").await;
    kept.back_up();

    let new = world.acme().create_ticket("UserRequest", ticket("since")).await.unwrap();
    both_sides_work_on(&world, new, "of the new one").await;
    both_sides_work_on(&world, old, "since").await;
    world.acme().create_ticket("Incident", ticket("one more")).await.unwrap();
    world.acme().update(old, json!({"title": "changed since"})).await.unwrap();
    world.settle().await;
    let copy = world.copy_of(old).await.id;
    world.internal.stimulus(copy, "ev_assign", json!({"team_id": 37, "agent_id": 9})).await.unwrap();
    world.settle().await;
    let before = (everything(world.acme()), everything(&world.internal));

    world.start_over(kept.backup()).await;
    world.pass_seconds(3 * 3600).await;
    // Of what was found by marks the contents are not known until they are read once.
    world.look_at_everything().await;
    assert_eq!((everything(world.acme()), everything(&world.internal)), before, "nothing was made or changed");
    assert_eq!(world.links().await.len(), 3);
    // And all of them are kept in step.
    world.acme().update(new, json!({"title": "and goes on"})).await.unwrap();
    both_sides_work_on(&world, new, "afterwards").await;
    assert_eq!(world.copy_of(new).await.field("title"), "[R-000002] and goes on");
    let copy = world.copy_of(new).await.id;
    for (sim, id) in [(world.acme(), new), (&world.internal, copy)] {
        for name in ["outside afterwards.txt", "inside afterwards.txt"] {
            let found = sim.attachments(id).into_iter().filter(|file| file.filename == name).count();
            assert_eq!(found, 1, "{name} on {id}");
        }
    }
    world.one_more_pass_writes_nothing().await;
    world.stop().await;
}

/// Another external's trouble is no reason to wait, and what was made for it is found when it is back.
#[tokio::test(start_paused = true)]
async fn an_external_that_is_away_holds_no_other_up_after_a_restore() {
    let kept = Kept::new("away", PAIRS[0]);
    let mut world = Setup::two_externals().start().await;
    world.start_over(kept.store()).await;
    world.acme().create_ticket("UserRequest", ticket("before")).await.unwrap();
    world.settle().await;
    kept.back_up();
    world.beta().create_ticket("UserRequest", ticket("since")).await.unwrap();
    world.settle().await;
    world.beta().fail_with(|_| Some(Fault::Status(503, Effect::None)));
    world.start_over(kept.backup()).await;
    let id = world.acme().create_ticket("UserRequest", ticket("goes at once")).await.unwrap();
    world.pass_seconds(60).await;
    assert!(world.link_of("acme", id).await.is_some_and(|stored| stored.link.internal.is_some()));
    world.beta().heal();
    world.pass_seconds(600).await;
    world.settle().await;
    assert_eq!(world.internal.tickets("UserRequest").len(), 3, "each has one counterpart");
    world.one_more_pass_writes_nothing().await;
    world.stop().await;
}

/// The intent is in the backup, and how the call ended is not.
async fn a_pair_that_was_being_made_at_the_backup_is_made_once(versions: Versions) {
    let kept = Kept::new("intent", versions);
    let mut world = Setup::between(versions).start().await;
    world.start_over(kept.store()).await;
    world.acme().create_ticket("UserRequest", ticket("before")).await.unwrap();
    world.settle().await;
    let id = world.acme().create_ticket("UserRequest", ticket("being made")).await.unwrap();
    while world.link_of("acme", id).await.is_none_or(|stored| stored.link.in_flight.creation.is_none()) {
        world.pass_milliseconds(10).await;
    }
    kept.back_up();
    world.settle().await;
    world.start_over(kept.backup()).await;
    world.settle().await;
    assert_eq!(world.internal.tickets("UserRequest").len(), 2);
    assert_eq!(world.copy_of(id).await.field("title"), "[R-000002] being made");
    world.one_more_pass_writes_nothing().await;
    world.stop().await;
}
