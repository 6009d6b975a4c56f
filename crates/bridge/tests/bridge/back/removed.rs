//! A report that a person deletes stays deleted until the next state, and is no failure: neither of a
//! write, nor of a look that would never end.

use std::time::Duration;

use itop_bridge_core::document::{Document, DocumentKind};
use itop_bridge_core::link::CopyState;
use itop_bridge_testkit::world::*;
use itop_sim::{Effect, Fault};

use super::{report, reports, told};
use crate::files::{amend, rewrites_a_file};
use crate::status::{bridged, end, go};

any_version![
    a_report_that_goes_while_its_rewrite_may_land_leaves_nothing_in_the_queue,
    a_report_that_is_no_longer_wanted_leaves_nothing_in_the_queue,
    an_answered_error_does_not_shorten_the_settling_of_an_earlier_rewrite,
    reports_that_customers_deleted_are_no_refusals,
    a_report_deleted_between_its_finding_and_its_rewrite_stays_deleted_until_the_next_state,
];

async fn a_report_that_goes_while_its_rewrite_may_land_leaves_nothing_in_the_queue(versions: Versions) {
    // With its hook before the rewrite has settled, or unheard of until the rewrite finds it gone.
    for is_heard in [true, false] {
        let world = Setup::between(versions).start().await;
        let (id, copy) = bridged(&world, "UserRequest", &["ev_assign"]).await;
        world.acme().fail_when(1, Fault::Hang(Effect::None), rewrites_a_file);
        go(&world.internal, copy, &["ev_pending"]).await;
        world.pass_seconds(40).await;
        let report = report(&world, id).id;
        if is_heard {
            world.acme().delete_attachment(report).await;
        } else {
            world.acme().erase("Attachment", report);
        }
        world.pass_seconds(400).await;
        assert!(world.queue().await.is_empty(), "heard: {is_heard}, {:?}", world.queue().await);
        let known = world.link(id).await.link.document(DocumentKind::Report).cloned().expect("it is remembered");
        assert_eq!((known.state, known.again_at_ms), (Some(CopyState::RemovedByPerson), None));
        go(&world.internal, copy, &["ev_assign"]).await;
        world.settle().await;
        assert_eq!(told(&world, id)[..2], ["assigned", "pending"]);
        end(world).await;
    }
}

async fn a_report_that_is_no_longer_wanted_leaves_nothing_in_the_queue(versions: Versions) {
    for mode in ["off", "apply"] {
        let mut world = Setup::between(versions).start().await;
        let (id, copy) = bridged(&world, "UserRequest", &["ev_assign"]).await;
        world.acme().fail_when(1, Fault::LandLate(Duration::from_secs(100)), rewrites_a_file);
        go(&world.internal, copy, &["ev_pending"]).await;
        world.pass_seconds(40).await;
        world.crash().await;
        world.configure(&Setup::between(versions).sync(&format!("status_to_external = \"{mode}\"")));
        world.boot();
        world.acme().update(id, json!({ "title": "Still on fire" })).await.unwrap();
        world.pass_seconds(400).await;
        assert!(world.queue().await.is_empty(), "{mode}: {:?}", world.queue().await);
        world.one_more_pass_writes_nothing().await;
        // Wanted again, it says what it should.
        world.crash().await;
        world.configure(&Setup::between(versions));
        world.boot();
        go(&world.internal, copy, &["ev_assign"]).await;
        world.settle().await;
        assert_eq!(told(&world, id)[..2], ["assigned", "pending"]);
        end(world).await;
    }
}

async fn an_answered_error_does_not_shorten_the_settling_of_an_earlier_rewrite(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let (id, copy) = bridged(&world, "UserRequest", &["ev_assign"]).await;
    world.acme().fail_when(1, Fault::LandLate(Duration::from_secs(200)), rewrites_a_file);
    go(&world.internal, copy, &["ev_pending"]).await;
    world.pass_seconds(40).await;
    // iTop's own words, which may come from after the write.
    world.acme().fail_when(1, Fault::error("a trigger failed"), rewrites_a_file);
    go(&world.internal, copy, &["ev_assign"]).await;
    world.pass_seconds(60).await;
    assert_eq!(told(&world, id)[..2], ["assigned", "pending"]);
    world.pass_seconds(105).await;
    assert_eq!(told(&world, id)[..2], ["pending", "assigned"], "it landed");
    world.settle().await;
    assert_eq!(told(&world, id)[..2], ["assigned", "pending"]);
    end(world).await;
}

async fn reports_that_customers_deleted_are_no_refusals(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let mut pairs = Vec::new();
    for _ in 0..3 {
        pairs.push(bridged(&world, "UserRequest", &["ev_assign"]).await);
    }
    for (id, _) in &pairs {
        world.acme().erase("Attachment", report(&world, *id).id);
    }
    for (_, copy) in &pairs {
        go(&world.internal, *copy, &["ev_pending"]).await;
    }
    for _ in 0..100 {
        world.pass_milliseconds(100).await;
        let failed: Vec<_> = world.queue().await.into_iter().filter_map(|row| row.error).collect();
        assert_eq!((failed, world.issues()), (vec![], vec![]));
    }
    for (id, _) in &pairs {
        assert_eq!(told(&world, *id)[..2], ["pending", "assigned"]);
        assert!(world.did(*id, "the report was deleted by a person").await, "{:?}", world.activity(*id).await);
    }
    end(world).await;
}

async fn a_report_deleted_between_its_finding_and_its_rewrite_stays_deleted_until_the_next_state(versions: Versions) {
    let mut world = Setup::between(versions).start().await;
    let (id, copy) = bridged(&world, "UserRequest", &["ev_assign"]).await;
    world.crash().await;
    // A pass found it by its mark, and ended before it was rewritten.
    amend(&world, id, |link, _| {
        let report = link.document(DocumentKind::Report).expect("the report").clone();
        link.keep_document(Document { holds: None, ..report });
    })
    .await;
    world.acme().erase("Attachment", report(&world, id).id);
    world.boot();
    world.acme().update(id, json!({ "title": "Still on fire" })).await.unwrap();
    world.settle().await;
    assert!(reports(&world, id).is_empty(), "a person deleted it");
    world.one_more_pass_writes_nothing().await;
    go(&world.internal, copy, &["ev_pending"]).await;
    world.settle().await;
    assert_eq!(told(&world, id)[..2], ["pending", "assigned"]);
    end(world).await;
}
