//! The verb `resume`: what an operator's word does to a halt, and what it may not do.

use itop_bridge_core::plan::HaltKind;
use itop_bridge_store::LinkState;
use itop_bridge_testkit::world::*;
use itop_sim::{FirstIds, Sim};

any_version![
    a_counterpart_that_stands_is_not_made_anew,
    an_external_ticket_goes_on_with_its_new_reference,
    another_ticket_in_the_internal_ones_place_is_left_alone_and_a_new_one_made,
    what_is_not_halted_is_left_as_it_is,
];

const PAIR: &str = "acme:R-000001";

async fn linked(world: &World) -> u64 {
    let id = world.acme().create_ticket("UserRequest", ticket("Printer on fire")).await.unwrap();
    world.settle().await;
    id
}

/// A backup without the ticket was restored, and its id went to another.
async fn replace(world: &World, sim: &Sim, id: u64) {
    sim.erase("UserRequest", id);
    sim.set_next_ids(FirstIds { ticket: id, ..sim.next_ids() });
    sim.drop_hooks(true);
    assert_eq!(sim.create_ticket("UserRequest", ticket("Another ticket")).await.unwrap(), id);
    world.pass_seconds(310).await;
    sim.drop_hooks(false);
}

/// No hook tells of a ticket without files: the audit finds that it is gone.
async fn delete_outside(world: &World, id: u64) {
    world.acme().delete_ticket(id).await.unwrap();
    world.pass_seconds(2 * 3600).await;
}

async fn halt_of(world: &World, id: u64) -> HaltKind {
    world.link(id).await.link.course.halt.expect("the pair has halted").kind
}

async fn a_counterpart_that_stands_is_not_made_anew(versions: Versions) {
    for kind in [HaltKind::ExternalReferenceChanged, HaltKind::ExternalVanished, HaltKind::FilesGone] {
        let world = Setup::between(versions).start().await;
        let id = linked(&world).await;
        match kind {
            HaltKind::ExternalReferenceChanged => replace(&world, world.acme(), id).await,
            HaltKind::ExternalVanished => delete_outside(&world, id).await,
            _ => {
                let mut files = Vec::new();
                for name in ["1", "2", "3", "4", "5"] {
                    files.push(world.acme().attach(id, name, "text/plain", name.as_bytes()).await.unwrap());
                }
                world.settle().await;
                for file in files {
                    world.acme().delete_attachment(file).await;
                }
            }
        }
        world.settle().await;
        assert_eq!(halt_of(&world, id).await, kind);
        let before = world.link(id).await.link;
        let refused = world.resume(PAIR, true).await.unwrap_err();
        let why = if kind == HaltKind::ExternalVanished { "nothing to copy" } else { "would make a second one" };
        assert!(refused.contains(why), "{refused}");
        assert_eq!(world.link(id).await.link, before);
        world.one_more_pass_writes_nothing().await;
        assert_eq!(world.internal.tickets("UserRequest").len(), 1);
    }
}

async fn an_external_ticket_goes_on_with_its_new_reference(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let id = linked(&world).await;
    let copy = world.copy_of(id).await.id;
    replace(&world, world.acme(), id).await;
    assert_eq!(halt_of(&world, id).await, HaltKind::ExternalReferenceChanged);
    assert!(world.resume(PAIR, false).await.unwrap().contains("was R-000001 and is now R-000002"));
    world.settle().await;
    let stored = world.link(id).await;
    assert_eq!((stored.state, &*stored.link.external.reference), (LinkState::Live, "R-000002"));
    assert!(!stored.link.course.resumed, "the next accident halts again");
    assert!(world.did(id, "R-000001 is R-000002 from now on").await);
    assert_eq!(world.internal.ticket(copy).unwrap().field("title"), "[R-000002] Another ticket");
    assert_eq!(world.internal.tickets("UserRequest").len(), 1);
    world.one_more_pass_writes_nothing().await;
    // It is found by its new name, and is an ordinary pair.
    assert!(world.resume("acme:R-000002", false).await.unwrap().contains("is not halted"));
    world.acme().update(id, json!({ "title": "Changed later" })).await.unwrap();
    world.settle().await;
    assert_eq!(world.internal.ticket(copy).unwrap().field("title"), "[R-000002] Changed later");
    world.one_more_pass_writes_nothing().await;
}

async fn another_ticket_in_the_internal_ones_place_is_left_alone_and_a_new_one_made(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let id = linked(&world).await;
    let first = world.copy_of(id).await.id;
    replace(&world, &world.internal, first).await;
    assert_eq!(halt_of(&world, id).await, HaltKind::InternalReferenceChanged);
    world.resume(PAIR, true).await.unwrap();
    world.settle().await;
    let second = world.copy_of(id).await;
    assert_ne!(second.id, first);
    assert_eq!(second.field("title"), "[R-000001] Printer on fire");
    assert_eq!(world.internal.ticket(first).unwrap().field("title"), "Another ticket");
    world.one_more_pass_writes_nothing().await;
}

async fn what_is_not_halted_is_left_as_it_is(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let id = linked(&world).await;
    let before = world.link(id).await.link;
    for what in ["acme", "elitery", PAIR] {
        let said = world.resume(what, false).await.unwrap();
        assert!(said.ends_with("is not halted. Nothing was changed.\n"), "{said}");
    }
    let refused = world.resume(PAIR, true).await.unwrap_err();
    assert!(refused.contains("is not halted; --create makes a new internal ticket only if a halt"), "{refused}");
    let refused = world.resume("acme", true).await.unwrap_err();
    assert!(refused.contains("--create goes with a ticket"), "{refused}");
    assert_eq!(world.link(id).await.link, before);
    world.one_more_pass_writes_nothing().await;
    // A pair that has ended says so.
    delete_outside(&world, id).await;
    world.settle().await;
    world.resume(PAIR, false).await.unwrap();
    world.settle().await;
    let said = world.resume(PAIR, false).await.unwrap();
    assert!(said.contains("has ended: neither ticket is written any more"), "{said}");
    world.one_more_pass_writes_nothing().await;
}
