//! `serve --dry-run`: it takes up and plans all that a bridge does, logs what it would write, and writes nothing; over
//! its store a bridge that writes goes on.

use itop_bridge_testkit::world::*;

use crate::listen::Log;

any_version![
    it_writes_nothing_and_the_real_one_goes_on_over_its_store,
    what_is_older_stays_and_is_counted_so,
    a_pair_is_planned_and_left_as_it_is,
];

/// What it writes to either iTop.
fn writes(world: &World) -> usize {
    world.externals.iter().chain([&world.internal]).flat_map(|sim| sim.calls()).filter(|call| call.is_write()).count()
}

/// As `serve` starts over a store, with or without the flag.
async fn starts_again(world: &mut World, dry_run: bool) {
    world.stop().await;
    let now_ms = world.now_ms();
    world.store.call(move |store| store.hurry(now_ms)).await.unwrap();
    world.dry_run = dry_run;
    world.boot();
}

async fn it_writes_nothing_and_the_real_one_goes_on_over_its_store(versions: Versions) {
    let mut world = Setup { dry_run: true, ..Setup::between(versions) }.start().await;
    let acme = world.acme().clone();
    let log = Log::kept();
    let id = acme.create_ticket("UserRequest", ticket("Printer on fire")).await.unwrap();
    acme.attach(id, "photo.txt", "text/plain", b"smoke").await.unwrap();
    acme.add_log_entry(id, "private_log", "<p>it burns</p>").await.unwrap();
    world.pass_seconds(60).await;
    let said = log.lines("dry run").join("\n");
    for part in [
        "R-000001",
        "elitery: make a UserRequest",
        "copy a file",
        "attach 1 entry of the private log, as a file",
        "acme: attach the report of the status",
    ] {
        assert!(said.contains(part), "{part} is missing in\n{said}");
    }
    assert!(log.lines("created").is_empty());
    let told = || log.lines("R-000001").iter().filter(|line| line.contains("dry run")).count();
    let before = told();

    // It is looked at again each day, and told where that changed.
    world.pass_seconds(50 * 3600).await;
    let days = log.lines("the day is over");
    assert!(days[0].contains("1 ticket: would make 1 UserRequest in the internal iTop"), "{days:?}");
    assert!((2..=3).contains(&days.len()), "{days:?}");
    assert_eq!(told(), before);
    starts_again(&mut world, true).await;
    world.pass_seconds(60).await;
    let [summary] = &world.engine().dry_run_summaries()[..] else { panic!("one external") };
    assert_eq!((summary.tickets, summary.made["UserRequest"], summary.files, summary.entries), (1, 1, 1, 1));
    assert_eq!((writes(&world), world.internal.tickets("Ticket").len()), (0, 0));

    starts_again(&mut world, false).await;
    world.settle().await;
    let copy = world.copy_of(id).await.id;
    let files: Vec<String> = world.internal.attachments(copy).into_iter().map(|file| file.filename).collect();
    assert!(files.contains(&"photo.txt".to_owned()) && files.len() == 2, "{files:?}");
    world.one_more_pass_writes_nothing().await;
}

async fn what_is_older_stays_and_is_counted_so(versions: Versions) {
    let mut world = Setup { dry_run: true, ..Setup::between(versions) }.start().await;
    world.crash().await;
    let old = world.acme().create_ticket("UserRequest", ticket("From before")).await.unwrap();
    world.pass_seconds(600).await;
    world.start_anew().await;
    world.pass_seconds(60).await;
    world.acme().update(old, json!({"title": "From before, changed"})).await.unwrap();
    world.pass_seconds(400).await;
    let [summary] = &world.engine().dry_run_summaries()[..] else { panic!("one external") };
    assert_eq!((summary.tickets, summary.left_alone.values().sum::<usize>()), (1, 1), "{summary}");
    starts_again(&mut world, false).await;
    world.settle().await;
    assert_eq!((writes(&world), world.links().await.len()), (0, 0));
    world.one_more_pass_writes_nothing().await;
}

async fn a_pair_is_planned_and_left_as_it_is(versions: Versions) {
    let mut world = Setup::between(versions).start().await;
    let id = world.acme().create_ticket("UserRequest", ticket("Printer on fire")).await.unwrap();
    let file = world.acme().attach(id, "a.txt", "text/plain", b"first").await.unwrap();
    world.settle().await;
    let before = world.links().await;
    starts_again(&mut world, true).await;
    world.clear_calls();
    world.acme().update(id, json!({"title": "Printer on ice"})).await.unwrap();
    world.acme().replace_attachment(file, b"second").await.unwrap();
    world.pass_seconds(600).await;
    assert_eq!((writes(&world), world.links().await), (0, before));
    let [summary] = &world.engine().dry_run_summaries()[..] else { panic!("one external") };
    assert_eq!((summary.updated, summary.files, summary.made.len()), (1, 1, 0), "{summary}");

    starts_again(&mut world, false).await;
    world.settle().await;
    let copy = world.copy_of(id).await;
    assert!(copy.field("title").contains("Printer on ice"));
    let copies = world.internal.attachments(copy.id);
    assert_eq!(copies.iter().find(|copy| copy.filename == "a.txt").unwrap().data, &b"second"[..]);
    world.one_more_pass_writes_nothing().await;
}
