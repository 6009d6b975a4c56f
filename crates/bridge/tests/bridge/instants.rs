//! A date that crosses is the same instant on both servers, whose clocks show different local times.

use itop_bridge_core::Side;
use itop_bridge_testkit::world::*;

each_version![
    a_date_is_the_same_instant_on_both_servers,
    the_planned_window_of_a_change_is_the_same_instant,
    a_zone_that_is_not_known_is_learnt_first,
    a_date_of_a_season_that_nothing_tells_waits_until_the_zone_is_stated,
    a_server_that_is_moved_to_another_zone_rewrites_nothing,
];

const FIELDS: &str = "fields = [\"title\", \"description\", \"end_date\"]";

async fn jakarta_and_paris(setup: Setup) -> World {
    let world = setup.start().await;
    world.acme().set_time_zone("Asia/Jakarta");
    world.internal.set_time_zone("Europe/Paris");
    world
}

fn stated(versions: Versions) -> Setup {
    let mut setup = Setup::between(versions).acme("only = \"all\"\ntime_zone = \"Asia/Jakarta\"");
    setup.internal_lines = "time_zone = \"Europe/Paris\"".into();
    setup
}

async fn ending(world: &World, end: &str) -> u64 {
    let mut fields = ticket("Move the rack");
    fields["end_date"] = json!(end);
    let id = world.acme().create_ticket("UserRequest", fields).await.unwrap();
    world.settle().await;
    id
}

async fn a_date_is_the_same_instant_on_both_servers(versions: Versions) {
    let world = jakarta_and_paris(stated(versions).sync(FIELDS)).await;
    for (here, there) in [
        ("2026-12-01 08:00:00", "2026-12-01 02:00:00"),
        ("2027-07-01 08:00:00", "2027-07-01 03:00:00"),
        ("2027-07-01 04:00:00", "2027-06-30 23:00:00"),
    ] {
        let id = ending(&world, here).await;
        assert_eq!(world.copy_of(id).await.field("end_date"), there);
        world.acme().update(id, json!({ "end_date": "2026-12-24 18:00:00" })).await.unwrap();
        world.settle().await;
        assert_eq!(world.copy_of(id).await.field("end_date"), "2026-12-24 12:00:00");
    }
    world.one_more_pass_writes_nothing().await;
}

async fn the_planned_window_of_a_change_is_the_same_instant(versions: Versions) {
    let world = jakarta_and_paris(stated(versions)).await;
    let acme = world.acme();
    let id = acme.create_ticket("RoutineChange", ticket("Move the rack")).await.unwrap();
    world.settle().await;
    let people = json!({ "team_id": sample::HELPDESK, "agent_id": sample::HUGO, "supervisor_group_id": sample::HARDWARE,
        "supervisor_id": sample::HUGO, "manager_group_id": sample::HARDWARE, "manager_id": sample::HUGO });
    acme.stimulus(id, "ev_assign", people).await.unwrap();
    world.settle().await;
    let window = json!({ "start_date": "2027-07-01 08:00:00", "end_date": "2027-07-01 10:00:00", "outage": "no", "fallback": "undo", "impact": "none" });
    acme.stimulus(id, "ev_plan", window).await.unwrap();
    world.settle().await;
    let copy = world.copy_of(id).await;
    assert_eq!(copy.status(), "plannedscheduled");
    assert_eq!((copy.field("start_date"), copy.field("end_date")), ("2027-07-01 03:00:00", "2027-07-01 05:00:00"));
    world.one_more_pass_writes_nothing().await;
}

/// Nothing is ever written outside, so that only what people do there tells its zone.
async fn a_zone_that_is_not_known_is_learnt_first(versions: Versions) {
    // Where no sweep helps, a ticket tells when it is changed between two looks.
    let quiet =
        format!("{FIELDS}\nsweep_seconds = 86400\nprivate_log_to_external = \"off\"\nstatus_to_external = \"off\"");
    let world = jakarta_and_paris(Setup::between(versions).sync(&quiet)).await;
    world.pass_seconds(3600).await;
    let waits = ending(&world, "2026-12-01 07:00:00").await;
    let copy = world.copy_of(waits).await;
    assert_eq!(copy.field("title"), "[R-000001] Move the rack", "all else crosses at once");
    assert_ne!(copy.field("end_date"), "2026-12-01 07:00:00");
    assert!(world.did(waits, "the zone of acme is not known yet").await);
    world.pass_seconds(60).await;
    world.acme().update(waits, json!({ "impact": "2" })).await.unwrap();
    world.settle().await;
    assert_eq!(world.copy_of(waits).await.field("end_date"), "2026-12-01 01:00:00");
    let id = ending(&world, "2026-12-01 08:00:00").await;
    let copy = world.copy_of(id).await;
    assert_eq!(copy.field("end_date"), "2026-12-01 02:00:00", "and now it is known");
    assert!(world.acme().writes() == 0);
    assert!(world.link(id).await.link.open.conflicts.is_empty());
    world.one_more_pass_writes_nothing().await;
}

async fn a_date_of_a_season_that_nothing_tells_waits_until_the_zone_is_stated(versions: Versions) {
    let mut world = jakarta_and_paris(Setup::between(versions).sync(FIELDS)).await;
    let id = ending(&world, "2027-07-01 08:00:00").await;
    world.pass_seconds(4000).await;
    world.settle().await;
    assert_ne!(world.copy_of(id).await.field("end_date"), "2027-07-01 03:00:00");
    let conflicts = world.link(id).await.link.open.conflicts;
    let words =
        "the zone of elitery in July 2027 is not known: set `time_zone` under [internal]; until then this date waits";
    assert_eq!(conflicts.iter().map(|conflict| conflict.text.as_str()).collect::<Vec<_>>(), [words]);
    world.one_more_pass_writes_nothing().await;
    world.configure(&stated(versions).sync(FIELDS));
    world.crash().await;
    world.boot();
    world.pass_seconds(4000).await;
    world.settle().await;
    assert_eq!(world.copy_of(id).await.field("end_date"), "2027-07-01 03:00:00");
    assert!(world.link(id).await.link.open.conflicts.is_empty());
    world.one_more_pass_writes_nothing().await;
}

async fn a_server_that_is_moved_to_another_zone_rewrites_nothing(versions: Versions) {
    for side in Side::BOTH {
        let world = jakarta_and_paris(Setup::between(versions).sync(FIELDS)).await;
        let id = ending(&world, "2026-12-01 08:00:00").await;
        world.settle().await;
        assert_eq!(world.copy_of(id).await.field("end_date"), "2026-12-01 02:00:00");
        let moved = if side == Side::External { world.acme() } else { &world.internal };
        moved.set_time_zone("America/New_York");
        world.pass_seconds(4000).await;
        let other = world.acme().create_ticket("UserRequest", ticket("Another")).await.unwrap();
        world.settle().await;
        assert_eq!(world.copy_of(other).await.field("title"), "[R-000002] Another");
        assert_eq!(world.copy_of(id).await.field("end_date"), "2026-12-01 02:00:00", "{side:?}");
        world.ends_without_one_more_pass("clocks that go back halt a side, as a restore does");
    }
}
