//! The notice: a move outside that the internal ticket cannot follow is told there in one file.

use std::time::Duration;

use itop_bridge::cli::links::LinksVerb;
use itop_bridge::cli::links::list::List;
use itop_bridge_store::Instance;
use itop_bridge_testkit::world::*;
use itop_sim::{Attachment, Effect, Fault};

use super::text_of;
use crate::files::{creates_a_file, rewrites_a_file};
use crate::status::{bridged, end, go, status};

each_version![
    a_re_opening_of_what_the_provider_closed_is_told_inside_in_one_file,
    a_notice_that_an_agent_deleted_is_made_again_at_the_next_move,
];

any_version![a_restore_inside_tells_no_re_opening_twice, a_notice_whose_answer_is_lost_is_made_once];

/// The files inside that tell of moves outside.
fn notices(world: &World, copy: u64) -> Vec<Attachment> {
    let files = world.internal.attachments(copy).into_iter();
    files.filter(|file| file.temp_id.contains(":external:notice:")).collect()
}

/// A pair that the provider has closed while it stands resolved outside.
async fn closed_inside(world: &World) -> (u64, u64) {
    let (id, copy) = bridged(world, "UserRequest", &["ev_assign", "ev_resolve"]).await;
    go(&world.internal, copy, &["ev_close"]).await;
    world.settle().await;
    (id, copy)
}

/// The customer goes, and the bridge looks.
async fn outside_goes(world: &World, id: u64, stimulus: &str) {
    go(world.acme(), id, &[stimulus]).await;
    world.settle().await;
}

async fn a_re_opening_of_what_the_provider_closed_is_told_inside_in_one_file(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let (id, copy) = closed_inside(&world).await;
    outside_goes(&world, id, "ev_reopen").await;
    let [first] = &notices(&world, copy)[..] else { panic!("{:?}", notices(&world, copy)) };
    assert_eq!((&*first.filename, &*first.mimetype), ("R-000001 re-opened.txt", "text/plain"));
    assert_eq!(first.temp_id, format!("itop-bridge:7f3a:acme:UserRequest:{id}:external:notice:notice"));
    assert_eq!(text_of(first).matches("re-opened: assigned").count(), 1, "{}", text_of(first));
    assert_eq!(status(&world.internal, copy), "closed");
    world.one_more_pass_writes_nothing().await;
    // It does not come back to the customer, and a second re-opening is told in the same file.
    assert!(super::files_outside(&world, id).is_empty());
    for stimulus in ["ev_resolve", "ev_reopen"] {
        outside_goes(&world, id, stimulus).await;
    }
    let [second] = &notices(&world, copy)[..] else { panic!("{:?}", notices(&world, copy)) };
    assert_eq!((second.id, &*second.filename), (first.id, "R-000001 re-opened.txt"));
    assert_eq!(text_of(second).matches("re-opened: assigned").count(), 2, "{}", text_of(second));
    end(world).await;
}

/// What was told of the customer's move is no news, also where it is looked at once more.
async fn a_restore_inside_tells_no_re_opening_twice(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let other = world.acme().create_ticket("UserRequest", ticket("Another")).await.unwrap();
    world.settle().await;
    let (id, copy) = closed_inside(&world).await;
    outside_goes(&world, id, "ev_reopen").await;
    assert_eq!(notices(&world, copy).len(), 1);
    let backup = world.internal.back_up();
    world.pass_seconds(3 * 3600).await;
    world.acme().update(other, json!({ "title": "Changed since" })).await.unwrap();
    world.pass_seconds(700).await;
    world.internal.restore(&backup);
    world.pass_seconds(700).await;
    assert!(world.stopped(Instance::Internal).await.is_some(), "the restore is seen");
    world.resume("elitery", false).await.unwrap();
    world.pass_seconds(4_000).await;
    world.settle().await;
    let [notice] = &notices(&world, copy)[..] else { panic!("{:?}", notices(&world, copy)) };
    assert_eq!(text_of(notice).matches("re-opened: assigned").count(), 1, "{}", text_of(notice));
    let shown = world.show(&format!("acme:R-{other:06}")).await;
    assert!(shown.contains("title: it differed when its iTop had been restored"), "{shown}");
    let all = LinksVerb::List(List::default());
    let listed = world.links_verb(all).await.unwrap().1;
    assert!(listed.contains("ok: differs, and is left so: title"), "{listed}");
    end(world).await;
}

async fn a_notice_that_an_agent_deleted_is_made_again_at_the_next_move(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let (id, copy) = closed_inside(&world).await;
    outside_goes(&world, id, "ev_reopen").await;
    world.internal.delete_attachment(notices(&world, copy)[0].id).await;
    world.settle().await;
    outside_goes(&world, id, "ev_pending").await;
    world.pass_seconds(2 * 3600).await;
    world.settle().await;
    assert!(notices(&world, copy).is_empty(), "{:?}", notices(&world, copy));
    for stimulus in ["ev_assign", "ev_resolve", "ev_reopen"] {
        outside_goes(&world, id, stimulus).await;
    }
    assert_eq!(notices(&world, copy).len(), 1);
    end(world).await;
}

async fn a_notice_whose_answer_is_lost_is_made_once(versions: Versions) {
    let faults = [
        Fault::Hang(Effect::Committed),
        Fault::Hang(Effect::None),
        Fault::Cut { after_bytes: 5, effect: Effect::Committed },
        Fault::LandLate(Duration::from_secs(200)),
    ];
    for fault in faults {
        let world = Setup::between(versions).start().await;
        let (id, copy) = closed_inside(&world).await;
        world.internal.fail_when(1, fault.clone(), creates_a_file);
        outside_goes(&world, id, "ev_reopen").await;
        assert_eq!(notices(&world, copy).len(), 1, "{fault:?}");
        world.internal.fail_when(1, fault.clone(), rewrites_a_file);
        for stimulus in ["ev_resolve", "ev_reopen"] {
            outside_goes(&world, id, stimulus).await;
        }
        world.pass_seconds(400).await;
        let [notice] = &notices(&world, copy)[..] else { panic!("{:?}", notices(&world, copy)) };
        assert_eq!(text_of(notice).matches("re-opened: assigned").count(), 2, "{fault:?}: {}", text_of(notice));
        end(world).await;
    }
}
