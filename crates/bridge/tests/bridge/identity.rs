//! People correct when a ticket began. That makes no other ticket of it, and a restored iTop's is still told apart.

use itop_bridge_core::Side;
use itop_bridge_core::plan::HaltKind;
use itop_bridge_testkit::world::*;

each_version![
    a_corrected_start_is_the_same_tickets,
    a_start_among_the_fields_is_corrected_on_both_sides,
    a_corrected_start_does_not_hide_another_ticket,
    a_restored_itop_shows_the_start_before_its_correction,
];

any_version![
    a_start_corrected_while_the_bridge_was_down_halts_nothing,
    a_start_kept_as_an_older_version_printed_it_is_read,
];

const EARLIER: &str = "2026-11-24 07:30:00";
const LATER: &str = "2026-11-24 13:30:00";

async fn a_pair(world: &World) -> (u64, u64) {
    let id = world.acme().create_ticket("UserRequest", ticket("Printer on fire")).await.unwrap();
    world.settle().await;
    (id, world.copy_of(id).await.id)
}

async fn goes_on(world: &World, id: u64, title: &str) {
    world.acme().update(id, json!({ "title": title })).await.unwrap();
    world.settle().await;
    assert_eq!(world.link(id).await.link.course.halt, None);
    assert!(world.copy_of(id).await.field("title").ends_with(title), "{title}");
}

/// In each mode, with and without logs: what the pair has to be known by differs.
async fn a_corrected_start_is_the_same_tickets(versions: Versions) {
    let bare = "private_log_to_internal = \"off\"\nprivate_log_to_external = \"off\"\nstatus_to_external = \"off\"";
    for sync in ["", "status_to_external = \"apply\"", bare] {
        for start in [EARLIER, LATER] {
            let world = Setup::between(versions).without_a_start_date().sync(sync).start().await;
            let (outside, inside) = a_pair(&world).await;
            world.acme().update(outside, json!({ "start_date": start })).await.unwrap();
            world.settle().await;
            goes_on(&world, outside, "Corrected outside").await;
            world.internal.update(inside, json!({ "start_date": start })).await.unwrap();
            world.settle().await;
            goes_on(&world, outside, "Corrected inside").await;
            assert!(world.did(outside, &format!("to {start}: it is the same ticket")).await);
            world.one_more_pass_writes_nothing().await;
        }
    }
}

async fn a_start_corrected_while_the_bridge_was_down_halts_nothing(versions: Versions) {
    let mut world = Setup::between(versions).without_a_start_date().start().await;
    let (outside, inside) = a_pair(&world).await;
    world.stop().await;
    world.acme().update(outside, json!({ "start_date": LATER, "title": "Other words" })).await.unwrap();
    world.internal.update(inside, json!({ "start_date": EARLIER, "title": "And others" })).await.unwrap();
    world.boot();
    world.pass_seconds(660).await;
    world.settle().await;
    goes_on(&world, outside, "On it goes").await;
    world.one_more_pass_writes_nothing().await;
}

async fn a_start_among_the_fields_is_corrected_on_both_sides(versions: Versions) {
    let fields = "fields = [\"title\", \"description\", \"start_date\"]";
    let world = Setup::between(versions).without_a_start_date().sync(fields).start().await;
    let (outside, _) = a_pair(&world).await;
    world.pass_seconds(660).await;
    for start in [EARLIER, LATER] {
        world.acme().update(outside, json!({ "start_date": start })).await.unwrap();
        world.settle().await;
        assert_eq!(world.copy_of(outside).await.field("start_date"), start);
        goes_on(&world, outside, start).await;
    }
    world.one_more_pass_writes_nothing().await;
}

async fn a_corrected_start_does_not_hide_another_ticket(versions: Versions) {
    for side in Side::BOTH {
        let world = Setup::between(versions).without_a_start_date().start().await;
        let sim = if side == Side::External { world.acme().clone() } else { world.internal.clone() };
        let backup = sim.back_up();
        let (outside, inside) = a_pair(&world).await;
        let id = if side == Side::External { outside } else { inside };
        sim.update(id, json!({ "start_date": EARLIER })).await.unwrap();
        world.settle().await;
        sim.restore(&backup);
        world.pass_seconds(60).await;
        // The same alarm of the same monitoring.
        let other = sim.create_ticket("UserRequest", ticket("Printer on fire")).await.unwrap();
        assert_eq!(other, id);
        world.acme().update(outside, json!({ "impact": "2" })).await.unwrap();
        world.settle().await;
        let halt = world.link(outside).await.link.course.halt.expect("halted");
        let kind = match side {
            Side::External => HaltKind::ExternalReferenceChanged,
            Side::Internal => HaltKind::InternalReferenceChanged,
        };
        assert_eq!(halt.kind, kind, "{side:?}");
        world.one_more_pass_writes_nothing().await;
    }
}

async fn a_restored_itop_shows_the_start_before_its_correction(versions: Versions) {
    let world = Setup::between(versions).without_a_start_date().start().await;
    let (outside, _) = a_pair(&world).await;
    let backup = world.acme().back_up();
    world.pass_seconds(60).await;
    world.acme().update(outside, json!({ "start_date": EARLIER })).await.unwrap();
    world.settle().await;
    world.acme().restore(&backup);
    world.look_at_everything().await;
    goes_on(&world, outside, "As before").await;
    world.one_more_pass_writes_nothing().await;
}

async fn a_start_kept_as_an_older_version_printed_it_is_read(versions: Versions) {
    let world = Setup::between(versions).without_a_start_date().start().await;
    world.acme().set_date_format("d/m/Y H:i:s");
    let (outside, _) = a_pair(&world).await;
    let stored = world.link(outside).await;
    let printed = |iso: &str| format!("{}/{}/{} {}", &iso[8..10], &iso[5..7], &iso[..4], &iso[11..]);
    let made = printed(&stored.link.ancestor.external.made);
    let (now, did) = (world.now_ms(), itop_bridge_store::Activity::in_words(0, "kept by an older version"));
    let keep = move |store: &mut dyn itop_bridge_store::Store| {
        store.amend_link(stored.id, &|link, _| link.ancestor.external.made.clone_from(&made), &did, now)
    };
    world.store.call(keep).await.unwrap();
    goes_on(&world, outside, "Printer still on fire").await;
    assert!(!world.did(outside, "was corrected").await);
    world.one_more_pass_writes_nothing().await;
}
