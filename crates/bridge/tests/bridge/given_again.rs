//! An iTop restored from a backup gives out again what was given since: an id, and with it the reference. Only the
//! time at which a ticket was made tells the two apart.

use itop_bridge_core::Side;
use itop_bridge_core::plan::HaltKind;
use itop_sim::{Effect, Fault};

use crate::world::*;

either_version_on_either_side![
    another_ticket_under_the_same_id_and_reference_halts_the_pair,
    a_counterpart_with_the_id_and_reference_of_a_lost_one_is_made_once,
];

/// The iTop lost the ticket, and gave its id and its reference to another.
async fn another_ticket_under_the_same_id_and_reference_halts_the_pair(versions: Versions) {
    for side in Side::BOTH {
        let world = Setup::between(versions).start().await;
        let sim = if side == Side::External { world.acme().clone() } else { world.internal.clone() };
        let backup = sim.back_up();
        let outside = world.acme().create_ticket("UserRequest", ticket("Printer on fire")).await.unwrap();
        world.settle().await;
        let inside = world.copy_of(outside).await.id;
        let id = if side == Side::External { outside } else { inside };
        let lost = sim.ticket(id).unwrap();
        sim.restore(&backup);
        let other = sim.create_ticket("UserRequest", ticket("Another ticket")).await.unwrap();
        assert_eq!((other, sim.ticket(id).unwrap().field("ref")), (id, lost.field("ref")));
        if side == Side::Internal {
            world.acme().update(outside, json!({"title": "Still on fire"})).await.unwrap();
        }
        let other_side = if side == Side::External { &world.internal } else { world.acme() };
        other_side.clear_calls();
        world.settle().await;
        let halt = world.link(outside).await.link.halt.expect("halted");
        let kind = match side {
            Side::External => HaltKind::ExternalReferenceChanged,
            Side::Internal => HaltKind::InternalReferenceChanged,
        };
        assert_eq!(halt.kind, kind, "{side:?}");
        assert!(halt.text.contains("is another ticket now"), "{halt:?}");
        assert_eq!(sim.ticket(id).unwrap().field("title"), "Another ticket", "{side:?}");
        assert_eq!(other_side.writes(), 0, "{side:?}");
        world.one_more_pass_writes_nothing().await;
        if side == Side::Internal {
            world.resume("acme:R-000001", true).await.unwrap();
            world.pass_seconds(400).await;
            world.settle().await;
            assert_ne!(world.copy_of(outside).await.id, other);
            assert_eq!(world.copy_of(outside).await.field("title"), "[R-000001] Still on fire");
            assert_eq!(world.internal.ticket(other).unwrap().field("title"), "Another ticket");
            world.one_more_pass_writes_nothing().await;
        }
    }
}

/// And its answer is lost: it is found by its mark, whoever had that id before.
async fn a_counterpart_with_the_id_and_reference_of_a_lost_one_is_made_once(versions: Versions) {
    let world = Setup::between(versions).without_a_start_date().start().await;
    let backup = world.internal.back_up();
    let first = world.acme().create_ticket("UserRequest", ticket("First")).await.unwrap();
    world.settle().await;
    let lost = world.copy_of(first).await;
    world.internal.restore(&backup);
    world.internal.fail_when(1, Fault::Hang(Effect::Committed), |call| call.json.contains("core/create"));
    let second = world.acme().create_ticket("UserRequest", ticket("Second")).await.unwrap();
    world.pass_seconds(1_000).await;
    world.settle().await;
    let copy = world.copy_of(second).await;
    assert_eq!((copy.id, copy.field("ref")), (lost.id, lost.field("ref")));
    assert_eq!(world.internal.tickets("UserRequest").len(), 1, "one ticket for the second");
    assert_eq!(world.link(first).await.link.halt.expect("halted").kind, HaltKind::InternalReferenceChanged);
    world.one_more_pass_writes_nothing().await;
}
