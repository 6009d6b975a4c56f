//! An iTop restored from a backup gives out again what was given since: an id, and with it the reference. Only the
//! time at which a ticket was made tells the two apart.

use itop_bridge_core::Side;
use itop_bridge_core::plan::HaltKind;
use itop_bridge_store::Instance;
use itop_bridge_testkit::world::*;
use itop_sim::{Effect, Fault};

any_version![
    another_ticket_under_the_same_id_and_reference_halts_the_pair,
    a_counterpart_with_the_id_and_reference_of_a_lost_one_is_made_once,
    a_counterpart_with_the_id_of_one_whose_pair_has_halted_is_made_once,
    a_ticket_that_waited_for_the_restore_does_not_become_another_pairs,
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
        let halt = world.link(outside).await.link.course.halt.expect("halted");
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
    assert_eq!(world.link(first).await.link.course.halt.expect("halted").kind, HaltKind::InternalReferenceChanged);
    world.one_more_pass_writes_nothing().await;
}

/// A first pair, and time enough for a restore to be noticed.
async fn yesterday(world: &World) -> itop_sim::Backup {
    let first = world.acme().create_ticket("UserRequest", ticket("First")).await.unwrap();
    world.settle().await;
    let backup = world.internal.back_up();
    world.pass_seconds(3 * 3600).await;
    let copy = world.copy_of(first).await.id;
    world.internal.update(copy, json!({"title": "Changed since the backup"})).await.unwrap();
    world.pass_seconds(700).await;
    backup
}

async fn restored(world: &World, backup: &itop_sim::Backup) {
    world.internal.restore(backup);
    world.pass_seconds(700).await;
    assert!(world.stopped(Instance::Internal).await.is_some(), "the restore is noticed");
}

/// The customer's ticket of each internal one, by its mark.
fn marks(world: &World) -> Vec<String> {
    let tickets = world.internal.tickets("Ticket");
    let mark = |ticket: &itop_sim::Ticket| itop_bridge_core::TicketMark::find(&ticket.log("private_log").first()?.html);
    let mut marks: Vec<String> = tickets.iter().filter_map(mark).map(|mark| mark.ticket.to_string()).collect();
    marks.sort();
    marks
}

/// Every ticket inside has one and the same start, so that neither its reference nor its time tells it from the one
/// that was lost. The pair that had the lost one stands still, because its ticket outside is gone.
async fn a_counterpart_with_the_id_of_one_whose_pair_has_halted_is_made_once(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let backup = yesterday(&world).await;
    let second = world.acme().create_ticket("UserRequest", ticket("Second")).await.unwrap();
    world.settle().await;
    let lost = world.copy_of(second).await.id;
    let third = world.acme().create_ticket("UserRequest", ticket("Third")).await.unwrap();
    world.settle().await;
    world.acme().delete_ticket(second).await.unwrap();
    world.pass_seconds(1_800).await;
    assert_eq!(world.link(second).await.link.course.halt.expect("halted").kind, HaltKind::ExternalVanished);
    restored(&world, &backup).await;
    world.resume("elitery", false).await.unwrap();
    world.pass_seconds(1_800).await;
    assert_eq!(world.link(third).await.link.course.halt.expect("halted").kind, HaltKind::InternalVanished);
    world.resume(&format!("acme:R-{third:06}"), true).await.unwrap();
    world.pass_seconds(1_800).await;
    world.settle().await;
    assert_eq!(world.copy_of(third).await.id, lost, "the id is given out again");
    assert_eq!(marks(&world), ["1", "3"], "one copy of each");
    world.acme().update(third, json!({"title": "Third, changed"})).await.unwrap();
    world.settle().await;
    assert_eq!(world.copy_of(third).await.field("title"), format!("[R-{third:06}] Third, changed"));
    world.one_more_pass_writes_nothing().await;
    // An operator ends the pair that lost both its tickets.
    world.resume(&format!("acme:R-{second:06}"), false).await.unwrap();
    world.pass_seconds(600).await;
    assert_eq!(world.copy_of(third).await.id, lost);
    world.one_more_pass_writes_nothing().await;
}

/// The customer's new ticket and the pair that lost its counterpart come up at the same moment.
async fn a_ticket_that_waited_for_the_restore_does_not_become_another_pairs(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let backup = yesterday(&world).await;
    let second = world.acme().create_ticket("UserRequest", ticket("Second")).await.unwrap();
    world.settle().await;
    restored(&world, &backup).await;
    let third = world.acme().create_ticket("UserRequest", ticket("Third")).await.unwrap();
    world.pass_seconds(10).await;
    world.resume("elitery", false).await.unwrap();
    world.pass_seconds(1_800).await;
    world.settle().await;
    // The second pair has halted over a ticket that was gone: the next look finds whose stands there now.
    world.look_at_everything().await;
    assert_eq!(world.copy_of(third).await.field("title"), format!("[R-{third:06}] Third"));
    let halt = world.link(second).await.link.course.halt.expect("its counterpart is lost");
    assert!(halt.kind.is_of_a_lost_counterpart(), "{halt:?}");
    assert_eq!(marks(&world), ["1", "3"], "one copy of each");
    world.one_more_pass_writes_nothing().await;
    world.resume(&format!("acme:R-{second:06}"), true).await.unwrap();
    world.pass_seconds(1_800).await;
    world.settle().await;
    assert_eq!(world.copy_of(second).await.field("title"), format!("[R-{second:06}] Second"));
    assert_eq!(world.copy_of(third).await.field("title"), format!("[R-{third:06}] Third"));
    assert_eq!(marks(&world), ["1", "2", "3"]);
    world.one_more_pass_writes_nothing().await;
}
