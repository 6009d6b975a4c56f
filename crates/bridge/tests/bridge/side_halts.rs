//! A side that suddenly shows none of its files is not believed: its copies are left alone, and it stops.

use itop_bridge_core::Side;
use itop_bridge_store::Instance;
use itop_bridge_testkit::world::*;
use itop_sim::{Backup, Sim};

any_version![
    files_that_are_gone_all_over_delete_nothing,
    one_look_is_enough_to_see_that_files_are_gone_all_over,
    who_resumes_the_side_accepts_that_the_files_are_gone,
    files_deleted_on_two_tickets_are_these_pairs_matter,
];

/// Six linked tickets with two files of each side's.
struct Stage {
    world: World,
    side: Side,
    outside: Vec<u64>,
    backup: Backup,
}

impl Stage {
    async fn new(versions: Versions, side: Side) -> Stage {
        let world = Setup::between(versions).start().await;
        let mut outside = Vec::new();
        for number in 0..6 {
            let id = world.acme().create_ticket("UserRequest", ticket(&format!("Ticket {number}"))).await.unwrap();
            world.settle().await;
            let copy = world.copy_of(id).await.id;
            for name in ["1.txt", "2.txt"] {
                world.acme().attach(id, name, "text/plain", name.as_bytes()).await.unwrap();
                world.internal.attach(copy, name, "text/plain", name.as_bytes()).await.unwrap();
            }
            outside.push(id);
        }
        world.pass_seconds(700).await;
        world.settle().await;
        let backup = of(&world, side).back_up();
        Stage { world, side, outside, backup }
    }

    fn sim(&self) -> &Sim {
        of(&self.world, self.side)
    }

    fn other(&self) -> &Sim {
        of(&self.world, self.side.other())
    }

    fn instance(&self) -> Instance {
        if self.side == Side::External { Instance::External("acme".into()) } else { Instance::Internal }
    }

    fn name(&self) -> &'static str {
        if self.side == Side::External { "acme" } else { "elitery" }
    }

    /// No file is shown any more, and no hook told of it.
    fn files_are_not_shown(&self) {
        for file in self.sim().all_attachments() {
            assert!(self.sim().erase("Attachment", file.id));
        }
    }

    async fn files_are_shown_again(&self) {
        for file in self.files_before() {
            self.sim().bring_back(&self.backup, "Attachment", file);
        }
        self.world.resume(self.name(), false).await.unwrap();
        self.world.pass_seconds(4_000).await;
        self.world.settle().await;
    }

    fn files_before(&self) -> Vec<u64> {
        let there: Vec<u64> = self.sim().all_attachments().iter().map(|file| file.id).collect();
        (0..2_000).filter(|id| self.backup.has("Attachment", *id) && !there.contains(id)).collect()
    }
}

fn of(world: &World, side: Side) -> &Sim {
    if side == Side::External { world.acme() } else { &world.internal }
}

async fn files_that_are_gone_all_over_delete_nothing(versions: Versions) {
    for side in Side::BOTH {
        let stage = Stage::new(versions, side).await;
        let before = stage.other().all_attachments().len();
        stage.files_are_not_shown();
        stage.world.pass_seconds(3_700).await;
        let reason = stage.world.stopped(stage.instance()).await.expect("the side has halted");
        assert!(reason.contains("files of linked tickets are gone at once, on 6 tickets"), "{reason}");
        assert_eq!(stage.other().all_attachments().len(), before, "nothing was deleted");
        stage.files_are_shown_again().await;
        assert_eq!(stage.world.stopped(stage.instance()).await, None);
        assert_eq!(stage.other().all_attachments().len(), before);
        // All of them are still known as what they are.
        let files = stage.world.acme().attachments(stage.outside[0]);
        let original = files.iter().find(|file| file.temp_id.is_empty()).unwrap().id;
        stage.world.acme().replace_attachment(original, b"changed").await.unwrap();
        stage.world.settle().await;
        let copy = stage.world.copy_of(stage.outside[0]).await.id;
        let inside = stage.world.internal.attachments(copy);
        assert_eq!(inside.iter().filter(|file| file.data == b"changed"[..]).count(), 1, "{inside:?}");
        stage.world.one_more_pass_writes_nothing().await;
    }
}

/// Long before the next audit, a pass that would take one of them for deleted asks.
async fn one_look_is_enough_to_see_that_files_are_gone_all_over(versions: Versions) {
    for side in Side::BOTH {
        let stage = Stage::new(versions, side).await;
        let before = stage.other().all_attachments().len();
        stage.files_are_not_shown();
        stage.world.acme().attach(stage.outside[0], "new.txt", "text/plain", b"new").await.unwrap();
        stage.world.pass_seconds(200).await;
        assert!(stage.world.stopped(stage.instance()).await.is_some(), "{side:?} has halted");
        assert!(stage.other().all_attachments().len() >= before, "nothing was deleted");
        stage.files_are_shown_again().await;
        assert_eq!(stage.other().all_attachments().len(), before + 1, "{side:?}");
        stage.world.one_more_pass_writes_nothing().await;
    }
}

async fn who_resumes_the_side_accepts_that_the_files_are_gone(versions: Versions) {
    let stage = Stage::new(versions, Side::External).await;
    let originals: usize = stage.outside.len() * 2;
    let before = stage.world.internal.all_attachments().len();
    stage.files_are_not_shown();
    stage.world.pass_seconds(3_700).await;
    stage.world.resume("acme", false).await.unwrap();
    stage.world.pass_seconds(8_000).await;
    stage.world.settle().await;
    assert_eq!(stage.world.stopped(stage.instance()).await, None);
    assert_eq!(stage.world.internal.all_attachments().len(), before - originals, "the copies went with them");
    stage.world.one_more_pass_writes_nothing().await;
}

async fn files_deleted_on_two_tickets_are_these_pairs_matter(versions: Versions) {
    let stage = Stage::new(versions, Side::External).await;
    let before = stage.world.internal.all_attachments().len();
    for ticket in &stage.outside[..2] {
        for file in stage.world.acme().attachments(*ticket) {
            if ["1.txt", "2.txt"].contains(&file.filename.as_str()) && file.temp_id.is_empty() {
                stage.world.acme().delete_attachment(file.id).await;
            }
        }
    }
    stage.world.pass_seconds(4_000).await;
    stage.world.settle().await;
    assert_eq!(stage.world.stopped(stage.instance()).await, None);
    assert_eq!(stage.world.internal.all_attachments().len(), before - 4);
    stage.world.one_more_pass_writes_nothing().await;
}
