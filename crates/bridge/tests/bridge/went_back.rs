//! An iTop is restored from yesterday's backup, beside the store of today. Nothing is lost, nothing is there twice: the
//! side halts until an operator goes on with it, and then what it lost is made again.

use std::time::Duration;

use itop_bridge_core::Side;
use itop_bridge_core::mark::FileKind;
use itop_bridge_core::plan::HaltKind;
use itop_bridge_store::Instance;
use itop_bridge_testkit::world::*;
use itop_sim::Sim;

each_version![a_restored_internal_gets_again_what_it_lost, a_restored_external_loses_nothing_that_was_carried];

any_version![
    what_went_with_a_ticket_that_a_restore_brings_back_is_made_again,
    an_entry_that_was_lost_sends_none_before_it_again,
    a_restore_is_seen_by_a_bridge_that_was_not_running,
    a_ticket_that_somebody_deletes_is_no_restore,
    a_ticket_that_stands_again_is_not_made_a_second_time,
    people_work_on_at_once_after_the_restore,
    a_resumed_side_does_not_halt_over_the_same_restore_again,
    a_pair_that_has_the_id_of_a_lost_one_is_followed,
    a_restore_is_not_forgotten_while_the_store_takes_nothing,
    the_witnesses_are_asked_for_until_the_store_has_told_them,
    a_clone_that_calls_the_bridge_changes_nothing,
];

fn of(world: &World, side: Side) -> &Sim {
    if side == Side::External { world.acme() } else { &world.internal }
}

fn instance(side: Side) -> Instance {
    if side == Side::External { Instance::External("acme".into()) } else { Instance::Internal }
}

fn names(sim: &Sim, ticket: u64) -> Vec<String> {
    let mut names: Vec<String> = sim.attachments(ticket).into_iter().map(|file| file.filename).collect();
    names.sort();
    names
}

/// What people do on both sides of one pair in a day.
async fn a_day_goes_by(world: &World, outside: u64, word: &str) {
    let inside = world.copy_of(outside).await.id;
    for (sim, id, place) in [(world.acme(), outside, "outside"), (&world.internal, inside, "inside")] {
        sim.attach(id, &format!("{place} {word}.txt"), "text/plain", word.as_bytes()).await.unwrap();
        sim.add_log_entry(id, "private_log", &format!("<p>{word} {place}</p>")).await.unwrap();
    }
    world.pass_seconds(600).await;
    world.settle().await;
}

/// A pair of yesterday, one of today, and the backup between them: hours old, as the hour that repeats in autumn
/// would not tell less.
async fn yesterday_and_today(world: &World, side: Side) -> (u64, u64, itop_sim::Backup) {
    let old = world.acme().create_ticket("UserRequest", ticket("Old")).await.unwrap();
    world.settle().await;
    a_day_goes_by(world, old, "yesterday").await;
    let backup = of(world, side).back_up();
    world.pass_seconds(3 * 3600).await;
    let new = world.acme().create_ticket("UserRequest", ticket("New")).await.unwrap();
    world.settle().await;
    a_day_goes_by(world, old, "today").await;
    world.pass_seconds(700).await;
    world.settle().await;
    (old, new, backup)
}

async fn halted_over_the_restore(world: &World, side: Side) -> String {
    world.pass_seconds(310).await;
    let reason = world.stopped(instance(side)).await.expect("the side has halted");
    assert!(reason.contains("was this iTop restored from a backup"), "{reason}");
    reason
}

/// An operator resumes the side, and all that follows from it is done. Answers what he is told.
async fn goes_on(world: &World, side: Side) -> String {
    let said = world.resume(if side == Side::External { "acme" } else { "elitery" }, false).await.unwrap();
    world.pass_seconds(4_000).await;
    world.settle().await;
    said
}

async fn a_restored_internal_gets_again_what_it_lost(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let (old, new, backup) = yesterday_and_today(&world, Side::Internal).await;
    let copy = world.copy_of(old).await.id;
    let outside = names(world.acme(), old);
    let before = names(&world.internal, copy);
    world.internal.restore(&backup);
    world.clear_calls();
    halted_over_the_restore(&world, Side::Internal).await;
    assert_eq!(world.acme().writes() + world.internal.writes(), 0, "nothing is written meanwhile");
    let said = goes_on(&world, Side::Internal).await;
    assert!(said.contains("2 pairs will be compared with the restored iTop"), "{said}");
    // The provider's own file of today is lost; the customer's is there again, and so are his words.
    let own = |name: &&String| *name != "inside today.txt";
    assert_eq!(names(&world.internal, copy).iter().collect::<Vec<_>>(), before.iter().filter(own).collect::<Vec<_>>());
    let words = |word: &str| {
        let files = world.internal.attachments(copy);
        files.iter().filter(|file| String::from_utf8_lossy(&file.data).contains(word)).count()
    };
    assert_eq!((words("yesterday outside"), words("today outside")), (1, 1), "each entry crossed once");
    assert_eq!(names(world.acme(), old), outside, "what was carried outside stays");
    assert_eq!(
        world.link(new).await.link.course.halt.expect("its counterpart is gone").kind,
        HaltKind::InternalVanished
    );
    world.one_more_pass_writes_nothing().await;
    // Life goes on, also for the ticket whose counterpart was lost.
    world.resume(&format!("acme:R-{new:06}"), true).await.unwrap();
    world.pass_seconds(400).await;
    a_day_goes_by(&world, old, "after").await;
    a_day_goes_by(&world, new, "after").await;
    for (ticket, title) in [(old, "Old"), (new, "New")] {
        let copy = world.copy_of(ticket).await;
        assert_eq!(copy.field("title"), format!("[R-{ticket:06}] {title}"));
        assert!(names(&world.internal, copy.id).contains(&"outside after.txt".to_owned()));
        assert!(names(world.acme(), ticket).contains(&"inside after.txt".to_owned()));
    }
    world.one_more_pass_writes_nothing().await;
}

/// iTop deletes a ticket's files first, and the bridge looks in between: for a while they count as deleted by a person.
async fn what_went_with_a_ticket_that_a_restore_brings_back_is_made_again(versions: Versions) {
    for side in Side::BOTH {
        let world = Setup::between(versions).start().await;
        let other = world.acme().create_ticket("UserRequest", ticket("Another")).await.unwrap();
        let (old, _, backup) = yesterday_and_today(&world, side).await;
        a_day_goes_by(&world, other, "today").await;
        let ticket = if side == Side::External { old } else { world.copy_of(old).await.id };
        let before = names(of(&world, side), ticket);
        of(&world, side).hold_deletion(Duration::from_secs(120));
        let deleting = of(&world, side).clone();
        let deletion = tokio::spawn(async move { deleting.delete_ticket(ticket).await });
        world.pass_seconds(60).await;
        assert!(of(&world, side).ticket(ticket).is_some() && names(of(&world, side), ticket).is_empty());
        let removed = world.link(old).await.link.files.removed;
        assert!(removed.iter().any(|file| file.on == side && file.kind == FileKind::File), "{removed:?}");
        world.pass_seconds(4_000).await;
        deletion.await.unwrap().unwrap();
        assert!(world.link(old).await.link.course.halt.is_some(), "the ticket is gone");
        of(&world, side).restore(&backup);
        halted_over_the_restore(&world, side).await;
        goes_on(&world, side).await;
        let own = if side == Side::External { "outside today.txt" } else { "inside today.txt" };
        let expected: Vec<&String> = before.iter().filter(|name| *name != own).collect();
        assert_eq!(names(of(&world, side), ticket).iter().collect::<Vec<_>>(), expected);
        world.one_more_pass_writes_nothing().await;
    }
}

async fn an_entry_that_was_lost_sends_none_before_it_again(versions: Versions) {
    let mut world = Setup::between(versions).start().await;
    let acme = world.acme().clone();
    let id = acme.create_ticket("UserRequest", ticket("Printer on fire")).await.unwrap();
    let other = acme.create_ticket("UserRequest", ticket("Another")).await.unwrap();
    world.settle().await;
    world.crash().await;
    for word in ["alpha", "beta"] {
        acme.add_log_entry(id, "private_log", &format!("<p>{word}</p>")).await.unwrap();
        world.pass_seconds(5).await;
    }
    world.boot();
    world.pass_seconds(700).await;
    let backup = world.internal.back_up();
    world.pass_seconds(3 * 3600).await;
    // Somebody else's save did not know of it, and overwrote it.
    assert_eq!(acme.lose_log_entries(id, "private_log", "beta"), 1);
    acme.add_log_entry(id, "private_log", "<p>gamma</p>").await.unwrap();
    world.settle().await;
    a_day_goes_by(&world, other, "today").await;
    world.internal.restore(&backup);
    halted_over_the_restore(&world, Side::Internal).await;
    goes_on(&world, Side::Internal).await;
    let told = world.internal.attachments(world.copy_of(id).await.id);
    for word in ["alpha", "beta", "gamma"] {
        let times = told.iter().filter(|file| String::from_utf8_lossy(&file.data).contains(word)).count();
        assert_eq!(times, 1, "{word}");
    }
    world.one_more_pass_writes_nothing().await;
}

/// Whoever forgot what was seen before the halt is on disk would take what is lost for deleted.
async fn a_restore_is_not_forgotten_while_the_store_takes_nothing(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let (old, _, backup) = yesterday_and_today(&world, Side::Internal).await;
    let copy = world.copy_of(old).await.id;
    let before = names(&world.internal, copy);
    world.commits.refuse(true);
    world.internal.restore(&backup);
    world.pass_seconds(700).await;
    assert_eq!(world.stopped(Instance::Internal).await, None, "nothing can be stored");
    world.clear_calls();
    world.commits.refuse(false);
    halted_over_the_restore(&world, Side::Internal).await;
    assert_eq!(world.acme().writes() + world.internal.writes(), 0, "nothing is written meanwhile");
    goes_on(&world, Side::Internal).await;
    let own = |name: &&String| *name != "inside today.txt";
    assert_eq!(names(&world.internal, copy).iter().collect::<Vec<_>>(), before.iter().filter(own).collect::<Vec<_>>());
    world.one_more_pass_writes_nothing().await;
}

/// A process that just began knows of a restore by the store's witnesses alone.
async fn the_witnesses_are_asked_for_until_the_store_has_told_them(versions: Versions) {
    let mut world = Setup::between(versions).start().await;
    let (_, _, backup) = yesterday_and_today(&world, Side::External).await;
    world.crash().await;
    world.acme().restore(&backup);
    world.commits.refuse(true);
    world.boot();
    world.pass_seconds(700).await;
    assert_eq!(world.stopped(instance(Side::External)).await, None, "nothing can be stored");
    world.clear_calls();
    world.commits.refuse(false);
    halted_over_the_restore(&world, Side::External).await;
    assert_eq!(world.acme().writes() + world.internal.writes(), 0, "nothing is written meanwhile");
    goes_on(&world, Side::External).await;
    world.one_more_pass_writes_nothing().await;
}

async fn a_restored_external_loses_nothing_that_was_carried(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let (old, new, backup) = yesterday_and_today(&world, Side::External).await;
    let copy = world.copy_of(old).await.id;
    let (inside, outside) = (names(&world.internal, copy), names(world.acme(), old));
    world.acme().restore(&backup);
    world.clear_calls();
    halted_over_the_restore(&world, Side::External).await;
    assert_eq!(world.acme().writes() + world.internal.writes(), 0, "nothing is written meanwhile");
    goes_on(&world, Side::External).await;
    assert_eq!(names(&world.internal, copy), inside, "the copy of what the customer lost stays");
    let own = |name: &&String| *name != "outside today.txt";
    assert_eq!(names(world.acme(), old).iter().collect::<Vec<_>>(), outside.iter().filter(own).collect::<Vec<_>>());
    assert_eq!(world.link(new).await.link.course.halt.expect("it is gone outside").kind, HaltKind::ExternalVanished);
    world.one_more_pass_writes_nothing().await;
    // The id and the reference of the lost ticket are given out again: it is another ticket.
    let again = world.acme().create_ticket("UserRequest", ticket("Another")).await.unwrap();
    assert_eq!(again, new);
    world.pass_seconds(4_000).await;
    assert!(world.link(new).await.link.course.halt.is_some());
    a_day_goes_by(&world, old, "after").await;
    assert!(names(&world.internal, copy).contains(&"outside after.txt".to_owned()));
    world.one_more_pass_writes_nothing().await;
}

async fn a_restore_is_seen_by_a_bridge_that_was_not_running(versions: Versions) {
    for side in Side::BOTH {
        let mut world = Setup::between(versions).start().await;
        let (old, _, backup) = yesterday_and_today(&world, side).await;
        world.crash().await;
        of(&world, side).restore(&backup);
        world.boot();
        let before = (names(world.acme(), old), names(&world.internal, world.copy_of(old).await.id));
        halted_over_the_restore(&world, side).await;
        let now = (names(world.acme(), old), names(&world.internal, world.copy_of(old).await.id));
        assert_eq!(now, before);
        goes_on(&world, side).await;
        a_day_goes_by(&world, old, "after").await;
        world.one_more_pass_writes_nothing().await;
        world.stop().await;
    }
}

async fn a_ticket_that_somebody_deletes_is_no_restore(versions: Versions) {
    for side in Side::BOTH {
        let world = Setup::between(versions).start().await;
        let (old, new, _) = yesterday_and_today(&world, side).await;
        let gone = if side == Side::External { new } else { world.copy_of(new).await.id };
        of(&world, side).delete_ticket(gone).await.unwrap();
        world.pass_seconds(4_000).await;
        assert_eq!(world.stopped(instance(side)).await, None);
        assert!(world.link(new).await.link.course.halt.is_some());
        a_day_goes_by(&world, old, "after").await;
        world.one_more_pass_writes_nothing().await;
    }
}

/// Somebody deleted it, the backup has it, and an operator does not know of that.
async fn a_ticket_that_stands_again_is_not_made_a_second_time(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let (old, _, _) = yesterday_and_today(&world, Side::Internal).await;
    let copy = world.copy_of(old).await.id;
    let before = (names(world.acme(), old), names(&world.internal, copy));
    let backup = world.internal.back_up();
    world.internal.delete_ticket(copy).await.unwrap();
    world.pass_seconds(4_000).await;
    assert_eq!(world.link(old).await.link.course.halt.expect("halted").kind, HaltKind::InternalVanished);
    world.internal.restore(&backup);
    // Meanwhile the customer goes on.
    world.acme().add_log_entry(old, "private_log", "<p>meanwhile</p>").await.unwrap();
    world.resume("acme:R-000001", true).await.unwrap();
    world.pass_seconds(400).await;
    world.settle().await;
    assert_eq!(world.copy_of(old).await.id, copy);
    assert_eq!(world.internal.tickets("UserRequest").len(), 2, "one for each");
    assert!(world.did(old, "stands again: the pair goes on with it").await);
    assert_eq!(names(world.acme(), old), before.0);
    assert!(before.1.iter().all(|name| names(&world.internal, copy).contains(name)));
    assert_eq!(names(&world.internal, copy).len(), before.1.len() + 1, "and one file with the entry");
    a_day_goes_by(&world, old, "after").await;
    assert!(names(&world.internal, copy).contains(&"outside after.txt".to_owned()));
    world.one_more_pass_writes_nothing().await;
}

/// Nobody waits for a sweep: the first pass after the restore must not take what is lost for deleted.
async fn people_work_on_at_once_after_the_restore(versions: Versions) {
    for side in Side::BOTH {
        let world = Setup::between(versions).sync("status_to_external = \"apply\"").start().await;
        let own = of(&world, side).create_ticket("Incident", ticket("Nobody's")).await.unwrap();
        let (old, _, backup) = yesterday_and_today(&world, side).await;
        // Somewhere in that iTop something else was changed since the backup: without, nothing tells.
        of(&world, side).update(own, json!({"title": "Changed today"})).await.unwrap();
        world.pass_seconds(310).await;
        let copy = world.copy_of(old).await.id;
        let other = |world: &World| {
            let (sim, id) = if side == Side::External { (&world.internal, copy) } else { (world.acme(), old) };
            names(sim, id)
        };
        let before = other(&world);
        of(&world, side).restore(&backup);
        world.acme().add_log_entry(old, "private_log", "<p>at once outside</p>").await.unwrap();
        world.internal.add_log_entry(copy, "private_log", "<p>at once inside</p>").await.unwrap();
        world.acme().attach(old, "at once.txt", "text/plain", b"at once").await.unwrap();
        world.pass_seconds(250).await;
        assert!(world.stopped(instance(side)).await.is_some(), "{side:?} has halted");
        assert!(before.iter().all(|name| other(&world).contains(name)), "{side:?}: nothing was deleted");
        goes_on(&world, side).await;
        assert!(before.iter().all(|name| other(&world).contains(name)), "{side:?}: what was carried stays");
        let inside = names(&world.internal, copy);
        let lost = if side == Side::Internal { "outside today.txt" } else { "inside today.txt" };
        let sides = [names(world.acme(), old), inside.clone()];
        assert!(sides.iter().all(|names| names.contains(&lost.to_owned())), "{side:?}: made again: {sides:?}");
        assert!(inside.contains(&"at once.txt".to_owned()), "{side:?}: {inside:?}");
        world.one_more_pass_writes_nothing().await;
    }
}

/// Tickets that are nobody's counterpart went back too.
async fn a_resumed_side_does_not_halt_over_the_same_restore_again(versions: Versions) {
    for side in Side::BOTH {
        let world = Setup::between(versions).start().await;
        let own = of(&world, side).create_ticket("Incident", ticket("Nobody's")).await.unwrap();
        let (old, _, backup) = yesterday_and_today(&world, side).await;
        of(&world, side).update(own, json!({"title": "Changed today"})).await.unwrap();
        world.pass_seconds(700).await;
        of(&world, side).restore(&backup);
        halted_over_the_restore(&world, side).await;
        world.resume(if side == Side::External { "acme" } else { "elitery" }, false).await.unwrap();
        world.pass_seconds(4_000).await;
        assert_eq!(world.stopped(instance(side)).await, None, "{side:?}");
        a_day_goes_by(&world, old, "after").await;
        assert_eq!(world.stopped(instance(side)).await, None, "{side:?}");
        world.one_more_pass_writes_nothing().await;
    }
}

/// What is told of the id inside is told of the ticket that has it now, also when an operator ends the lost pair.
async fn a_pair_that_has_the_id_of_a_lost_one_is_followed(versions: Versions) {
    let world = Setup::between(versions).without_a_start_date().start().await;
    let backup = world.internal.back_up();
    let first = world.acme().create_ticket("UserRequest", ticket("First")).await.unwrap();
    world.settle().await;
    let lost = world.copy_of(first).await.id;
    world.internal.restore(&backup);
    let second = world.acme().create_ticket("UserRequest", ticket("Second")).await.unwrap();
    world.settle().await;
    assert_eq!(world.copy_of(second).await.id, lost);
    world.acme().update(first, json!({"title": "First again"})).await.unwrap();
    world.settle().await;
    assert_eq!(world.link(first).await.link.course.halt.expect("halted").kind, HaltKind::InternalReferenceChanged);
    world.resume("acme:R-000001", false).await.unwrap();
    world.settle().await;
    world.internal.attach(lost, "inside.txt", "text/plain", b"inside").await.unwrap();
    world.settle().await;
    assert!(names(world.acme(), second).contains(&"inside.txt".to_owned()), "{:?}", names(world.acme(), second));
    assert_eq!(world.copy_of(second).await.field("title"), "[R-000002] Second");
    world.one_more_pass_writes_nothing().await;
}

/// A clone of production has its triggers, its address of the bridge and its key.
async fn a_clone_that_calls_the_bridge_changes_nothing(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let (old, _, backup) = yesterday_and_today(&world, Side::External).await;
    let acme = world.acme();
    let today = acme.back_up();
    acme.restore(&backup);
    // Nobody reads while the clone stands in for production: only its hooks come.
    acme.hold_hooks(true);
    acme.update(old, json!({"title": "Changed in the clone"})).await.unwrap();
    acme.attach(old, "clone.txt", "text/plain", b"clone").await.unwrap();
    acme.create_ticket("UserRequest", ticket("Born in the clone")).await.unwrap();
    acme.restore(&today);
    world.clear_calls();
    acme.release_hooks(itop_sim::Release::InOrder).await;
    world.pass_seconds(700).await;
    world.settle().await;
    assert_eq!(world.acme().writes() + world.internal.writes(), 0);
    assert_eq!(world.stopped(instance(Side::External)).await, None);
    world.one_more_pass_writes_nothing().await;
}
