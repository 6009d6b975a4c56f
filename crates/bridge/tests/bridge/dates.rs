//! Dates: printed in any format, and of two servers in two zones. People correct when a ticket began.

use itop_bridge_core::Side;
use itop_bridge_engine::unread_date;
use itop_bridge_store::Instance;
use itop_bridge_testkit::world::*;
use itop_sim::Sim;

each_version![
    any_format_of_dates_is_read,
    a_format_may_be_that_of_the_accounts_language,
    a_format_that_changes_while_the_bridge_runs_halts_nothing,
    a_format_may_be_stated,
    a_second_change_in_a_printed_minute_is_not_missed,
    a_restore_is_told_from_a_change_of_format,
    a_date_that_cannot_be_read_empties_nothing,
    a_format_without_seconds_is_no_edit,
    a_date_that_reads_alike_in_all_formats_empties_nothing,
];

/// 2026-06-05 10:00:00 UTC: nothing tells the day from the month.
const FIFTH_OF_JUNE_MS: i64 = 1_780_653_600_000;

const FORMATS: [&str; 6] =
    ["d/m/Y H:i:s", "m/d/Y h:i:s A", "d.m.Y H:i", "j.n.y G:i", "H:i d/m/Y", "\\l\\e d-m-Y, g:i a"];

fn both(world: &World) -> [&Sim; 2] {
    [world.acme(), &world.internal]
}

fn printing(world: &World, format: &str) {
    both(world).into_iter().for_each(|sim| sim.set_date_format(format));
}

async fn nothing_has_halted(world: &World) {
    for instance in [Instance::Internal, Instance::External("acme".into())] {
        assert_eq!(world.stopped(instance).await, None);
    }
    for stored in world.links().await {
        assert_eq!(stored.link.why_halted(), None);
    }
}

/// A hook that is lost costs latency only: what it should have told is found by the sweep.
async fn a_lost_hook_is_made_good(world: &World, outside: u64, title: &str) {
    for sim in both(world) {
        sim.drop_hooks(true);
    }
    world.acme().update(outside, json!({ "title": title })).await.unwrap();
    world.pass_seconds(660).await;
    world.settle().await;
    for sim in both(world) {
        sim.drop_hooks(false);
    }
    assert!(world.copy_of(outside).await.field("title").ends_with(title), "{title}");
}

async fn a_ticket_lives(world: &World, title: &str) -> u64 {
    let acme = world.acme();
    let id = acme.create_ticket("UserRequest", ticket(title)).await.unwrap();
    world.settle().await;
    acme.attach(id, "smoke.txt", "text/plain", b"smoke").await.unwrap();
    acme.add_log_entry(id, "private_log", "<p>it burns</p>").await.unwrap();
    world.settle().await;
    world.pass_seconds(90).await;
    let inside = world.copy_of(id).await.id;
    let people = json!({ "team_id": sample::HELPDESK, "agent_id": sample::HUGO });
    world.internal.stimulus(inside, "ev_assign", people).await.unwrap();
    world.settle().await;
    a_lost_hook_is_made_good(world, id, &format!("{title} again")).await;
    id
}

async fn report_of(world: &World, outside: u64) -> String {
    let files = world.acme().attachments(outside);
    let report = files.iter().find(|file| file.filename.starts_with("elitery")).expect("a report");
    String::from_utf8(report.data.to_vec()).unwrap()
}

async fn any_format_of_dates_is_read(versions: Versions) {
    for format in FORMATS {
        let mut world = Setup { start_ms: FIFTH_OF_JUNE_MS, ..Setup::between(versions) }.start().await;
        printing(&world, format);
        let id = a_ticket_lives(&world, "Printer on fire").await;
        nothing_has_halted(&world).await;
        let report = report_of(&world, id).await;
        assert!(report.contains("assigned  2026-06-05 12:"), "{format}: {report}");
        world.crash().await;
        world.boot();
        a_lost_hook_is_made_good(&world, id, "After a crash").await;
        nothing_has_halted(&world).await;
        world.one_more_pass_writes_nothing().await;
    }
}

/// What iTop's default costs no call more than before is in `calls`; another format costs one or two, once.
async fn a_format_may_be_that_of_the_accounts_language(versions: Versions) {
    let world = Setup { start_ms: FIFTH_OF_JUNE_MS, ..Setup::between(versions) }.start().await;
    for sim in both(&world) {
        sim.set_date_format_of("FR FR", "d.m.Y H:i");
        sim.with_account("bridge", |account| account.language = itop_sim::Language::French);
    }
    a_ticket_lives(&world, "Imprimante en feu").await;
    let asked = |sim: &Sim| {
        let keys = sim.calls().into_iter().map(|call| call.key.to_string());
        keys.filter(|key| key.contains("<=")).collect::<Vec<_>>()
    };
    let questions = asked(world.acme());
    assert!((1..=3).contains(&questions.len()), "{questions:#?}");
    // Inside a default is the 25th, which is no month.
    assert_eq!(asked(&world.internal), [""; 0]);
    world.one_more_pass_writes_nothing().await;
}

async fn a_format_that_changes_while_the_bridge_runs_halts_nothing(versions: Versions) {
    let world = Setup { start_ms: FIFTH_OF_JUNE_MS, ..Setup::between(versions) }.start().await;
    let id = a_ticket_lives(&world, "Printer on fire").await;
    for (n, format) in ["d/m/Y H:i:s", "m/d/Y H:i:s", "d/m/Y H:i:s", "Y-m-d H:i:s", "m/d/Y h:i A", "d/m/Y h:i A"]
        .into_iter()
        .enumerate()
    {
        printing(&world, format);
        world.look_at_everything().await;
        a_lost_hook_is_made_good(&world, id, &format!("Title {n}")).await;
        nothing_has_halted(&world).await;
        printing(&world, format);
        world.pass_seconds(4000).await;
        a_ticket_lives(&world, &format!("Another {n}")).await;
        nothing_has_halted(&world).await;
    }
    world.one_more_pass_writes_nothing().await;
}

async fn a_format_may_be_stated(versions: Versions) {
    let acme = "only = \"all\"\ndate_format = \"YmdHis\"";
    let world = Setup { start_ms: FIFTH_OF_JUNE_MS, ..Setup::between(versions).acme(acme) }.start().await;
    world.acme().set_date_format("YmdHis");
    a_ticket_lives(&world, "Printer on fire").await;
    nothing_has_halted(&world).await;
    world.one_more_pass_writes_nothing().await;
}

/// The sweep met the first change and not the second, which is printed alike.
async fn a_second_change_in_a_printed_minute_is_not_missed(versions: Versions) {
    let world = Setup::between(versions).start().await;
    printing(&world, "d/m/Y H:i");
    let id = a_ticket_lives(&world, "Printer on fire").await;
    // At the beginning of a minute.
    world.pass_seconds(u64::try_from(60 - world.now_ms() / 1000 % 60).unwrap() + 2).await;
    world.acme().update(id, json!({ "title": "First" })).await.unwrap();
    world.pass_seconds(20).await;
    assert!(world.copy_of(id).await.field("title").ends_with("First"));
    world.acme().drop_hooks(true);
    world.acme().update(id, json!({ "title": "Second" })).await.unwrap();
    world.acme().drop_hooks(false);
    world.pass_seconds(660).await;
    world.settle().await;
    assert!(world.copy_of(id).await.field("title").ends_with("Second"));
    world.one_more_pass_writes_nothing().await;
}

async fn a_restore_is_told_from_a_change_of_format(versions: Versions) {
    let world = Setup { start_ms: FIFTH_OF_JUNE_MS, ..Setup::between(versions) }.start().await;
    printing(&world, "d/m/Y H:i");
    let id = a_ticket_lives(&world, "Printer on fire").await;
    let backup = world.acme().back_up();
    world.pass_seconds(3 * 3600).await;
    a_lost_hook_is_made_good(&world, id, "Still on fire").await;
    world.acme().restore(&backup);
    world.pass_seconds(660).await;
    let reason = world.stopped(Instance::External("acme".into())).await.expect("the side has halted");
    assert!(reason.contains("was this iTop restored from a backup"), "{reason}");
    world.ends_without_one_more_pass("the side stands still");
}

const FIELDS: &str = "fields = [\"title\", \"description\", \"end_date\"]";

/// Of a format that the bridge cannot read, on either side: the date waits, and all else crosses.
async fn a_date_that_cannot_be_read_empties_nothing(versions: Versions) {
    for side in Side::BOTH {
        let world = Setup::between(versions).sync(FIELDS).start().await;
        let mut fields = ticket("Move the rack");
        fields["end_date"] = json!("2026-12-01 08:00:00");
        let id = world.acme().create_ticket("UserRequest", fields).await.unwrap();
        world.settle().await;
        world.pass_seconds(4000).await;
        let end = world.copy_of(id).await.field("end_date").to_owned();
        assert!(end.starts_with("2026-12-01"), "{end}");
        let sim = if side == Side::External { world.acme() } else { &world.internal };
        sim.set_date_format("YmdHis");
        world.acme().update(id, json!({ "title": "Move the racks", "end_date": "2026-12-02 08:00:00" })).await.unwrap();
        world.settle().await;
        let copy = world.copy_of(id).await;
        assert_eq!((copy.field("title"), copy.field("end_date")), ("[R-000001] Move the racks", end.as_str()));
        let link = world.link(id).await.link;
        let [conflict] = &link.open.conflicts[..] else { panic!("{:?}", link.open.conflicts) };
        assert_eq!(conflict.about, "end_date");
        assert!(conflict.text.contains("prints dates is not known: set `date_format` under ["), "{conflict:?}");
        let instance = if side == Side::External { Instance::External("acme".into()) } else { Instance::Internal };
        let of = instance.clone();
        let unread = world.store.call(move |store| unread_date(store, &of)).await.unwrap();
        assert!(unread.is_some_and(|text| text.starts_with("2026")), "`check` tells it");
        sim.set_date_format("Y-m-d H:i:s");
        world.pass_seconds(4000).await;
        world.settle().await;
        assert_eq!(world.copy_of(id).await.field("end_date"), end.replace("12-01", "12-02"));
        assert!(world.link(id).await.link.open.conflicts.is_empty());
        assert_eq!(world.store.call(move |store| unread_date(store, &instance)).await.unwrap(), None);
        world.one_more_pass_writes_nothing().await;
    }
}

/// 05/05 is one day in every format, so nothing has to be known of the format.
async fn a_date_that_reads_alike_in_all_formats_empties_nothing(versions: Versions) {
    // 2026-05-05 10:00:00 UTC.
    let world = Setup { start_ms: 1_777_975_200_000, ..Setup::between(versions).sync(FIELDS) }.start().await;
    let mut fields = ticket("Move the rack");
    fields["end_date"] = json!("2026-06-06 08:00:00");
    let id = world.acme().create_ticket("UserRequest", fields).await.unwrap();
    world.settle().await;
    let end = world.copy_of(id).await.field("end_date").to_owned();
    world.acme().set_date_format("d/m/Y H:i:s");
    world.acme().update(id, json!({ "title": "Move the racks" })).await.unwrap();
    world.settle().await;
    let copy = world.copy_of(id).await;
    assert_eq!((copy.field("title"), copy.field("end_date")), ("[R-000001] Move the racks", end.as_str()));
    assert!(world.link(id).await.link.open.conflicts.is_empty());
    world.acme().update(id, json!({ "end_date": "2026-07-07 08:00:00" })).await.unwrap();
    world.settle().await;
    assert_eq!(world.copy_of(id).await.field("end_date"), end.replace("06-06", "07-07"));
    world.one_more_pass_writes_nothing().await;
}

/// On either side, and back again: what a person wrote inside meanwhile stays.
async fn a_format_without_seconds_is_no_edit(versions: Versions) {
    for side in Side::BOTH {
        let world = Setup::between(versions).sync(FIELDS).start().await;
        let mut ids = Vec::new();
        for title in ["edited", "untouched"] {
            let mut fields = ticket(title);
            fields["end_date"] = json!("2026-12-10 08:00:30");
            ids.push(world.acme().create_ticket("UserRequest", fields).await.unwrap());
            world.settle().await;
        }
        world.pass_seconds(4000).await;
        world.settle().await;
        let ends = async || {
            [world.copy_of(ids[0]).await, world.copy_of(ids[1]).await].map(|copy| copy.field("end_date").to_owned())
        };
        assert!(ends().await[0].ends_with(":00:30"), "{:?}", ends().await);
        let edited = world.copy_of(ids[0]).await.id;
        world.internal.update(edited, json!({ "end_date": "2026-12-11 05:05:05" })).await.unwrap();
        world.settle().await;
        let before = ends().await;
        let sim = if side == Side::External { world.acme() } else { &world.internal };
        for format in ["d/m/Y H:i", "Y-m-d H:i:s"] {
            sim.set_date_format(format);
            for id in &ids {
                world.acme().update(*id, json!({ "title": format!("printed as {format}") })).await.unwrap();
            }
            world.settle().await;
            assert_eq!(ends().await, before, "{side:?}, {format}");
        }
        assert!(!world.did(ids[0], "overwritten").await);
        world.acme().update(ids[0], json!({ "end_date": "2026-12-12 08:00:00" })).await.unwrap();
        world.settle().await;
        assert!(ends().await[0].starts_with("2026-12-12"), "{:?}", ends().await);
        world.one_more_pass_writes_nothing().await;
    }
}
