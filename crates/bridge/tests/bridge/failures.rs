//! What fails, whom it delays, and that nothing is lost or doubled by it.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use itop_bridge_engine::clock::Clock;
use itop_bridge_engine::random::{Random, SeededRandom};
use itop_bridge_store::{LinkState, QueueRow};
use itop_bridge_testkit::world::*;
use itop_sim::{Call, Effect, Fault, Release, Right, Sim, Version};

use crate::listen::Log;

each_version![
    a_class_without_rights_delays_no_other_and_crosses_when_the_right_is_given,
    a_class_that_may_not_be_read_outside_waits_and_crosses_when_the_right_is_back,
    a_ticket_over_which_itop_breaks_does_not_stop_its_batch,
];

any_version![
    tickets_with_nothing_to_write_do_not_spend_the_turn_of_those_that_wait,
    a_suspension_ends_when_what_was_refused_is_taken_back,
    a_suspension_ends_when_the_tickets_that_wait_are_gone,
    a_suspension_ends_when_the_pair_that_waits_is_ended_beside_the_bridge,
    the_log_tells_a_refusal_when_it_begins_and_when_it_ends_and_not_at_every_try,
    a_read_only_internal_parks_nothing,
    a_ticket_that_waits_for_others_keeps_its_own_failures,
    an_internal_that_is_away_for_an_hour_loses_and_doubles_nothing,
    a_wrong_password_is_tried_once_a_minute_until_it_is_mended,
    a_ticket_that_alone_is_refused_is_parked_after_an_hour_and_delays_no_other,
    a_write_that_failed_first_and_succeeded_in_the_same_pass_is_no_failure,
    a_refused_update_is_parked_and_the_rest_of_the_ticket_flows,
    a_file_that_is_deleted_while_its_ticket_is_parked_goes_in_its_time,
    a_file_that_changed_while_its_copy_could_not_be_written_arrives_afterwards,
    an_outage_before_a_refusal_does_not_count_towards_parking,
    tickets_that_are_refused_for_good_do_not_starve_the_healthy_ones,
    a_ticket_that_cannot_be_read_does_not_stop_its_batch,
    a_graceful_stop_ends_the_passes_in_hand,
    a_panic_of_one_part_ends_the_bridge_and_loses_nothing,
    two_processes_over_one_store_lose_and_double_nothing,
    crashes_at_any_moment_lose_and_double_nothing,
];

const MINUTE: u64 = 60;

const HOUR: u64 = 60 * MINUTE;

async fn end(mut world: World) {
    world.one_more_pass_writes_nothing().await;
    world.stop().await;
}

async fn create(sim: &Sim, class: &str, title: &str) -> u64 {
    sim.create_ticket(class, ticket(title)).await.unwrap()
}

async fn is_bridged(world: &World, name: &str, id: u64) -> bool {
    world.link_of(name, id).await.is_some_and(|stored| stored.link.internal.is_some())
}

/// How many whole seconds pass until the ticket has its counterpart.
async fn seconds_until_bridged(world: &World, name: &str, id: u64) -> u64 {
    for seconds in 0..2 * HOUR {
        if is_bridged(world, name, id).await {
            return seconds;
        }
        world.pass_seconds(1).await;
    }
    panic!("{name}:{id} never got its counterpart: {:#?}", world.queue().await)
}

async fn row(world: &World, name: &str, id: u64) -> Option<QueueRow> {
    world.queue().await.into_iter().find(|row| (row.of.external.as_str(), row.of.ticket) == (name, id))
}

fn titles(sim: &Sim) -> Vec<String> {
    let mut titles: Vec<String> = sim.tickets("Ticket").iter().map(|ticket| ticket.field("title").into()).collect();
    titles.sort();
    titles
}

/// Names and contents of a ticket's files, in order.
fn files(sim: &Sim, ticket: u64) -> Vec<(String, Bytes)> {
    let files = sim.attachments(ticket).into_iter().filter(|file| !file.temp_id.contains(":status:"));
    let mut files: Vec<(String, Bytes)> = files.map(|file| (file.filename, file.data)).collect();
    files.sort();
    files
}

/// Whether the call writes on account of this ticket of acme's: its reference stands in the comment.
fn writes_for(call: &Call, reference: &str) -> bool {
    call.is_write() && call.request()["comment"].as_str().unwrap_or_default().contains(&format!("{reference} of acme"))
}

fn not_allowed() -> Fault {
    Fault::error("Unexpected value for attribute 'Impact' (impact) : Value not allowed [7]")
}

/// Every call of the side fails as if a proxy in front of it were overloaded.
fn overloaded(_: &Call) -> Option<Fault> {
    Some(Fault::Status(503, Effect::None))
}

// ---- two externals ---------------------------------------------------------------------------

#[tokio::test(start_paused = true)]
async fn externals_whose_ids_and_references_collide_do_not_mix() {
    let world = Setup::two_externals().start().await;
    let sides = [("acme", world.acme()), ("beta", world.beta())];
    for (name, sim) in sides {
        for number in 1..=2 {
            let id = create(sim, "UserRequest", &format!("{name} {number}")).await;
            assert_eq!((id, sim.ticket(id).unwrap().field("ref")), (number, format!("R-{number:06}").as_str()));
            sim.attach(id, "log.txt", "text/plain", format!("file of {name} {number}").as_bytes()).await.unwrap();
        }
    }
    world.settle().await;
    let counterpart = async |name: &str, id| world.link_of(name, id).await.unwrap().link.internal.unwrap().id;
    world.acme().update(1, json!({"title": "acme only"})).await.unwrap();
    world.beta().stimulus(1, "ev_assign", json!({"team_id": 37, "agent_id": 9})).await.unwrap();
    world.acme().delete_attachment(1).await;
    world.beta().replace_attachment(2, b"beta's second thought").await.unwrap();
    world.settle().await;

    let look = async |name, id| {
        let copy = world.internal.ticket(counterpart(name, id).await).unwrap();
        let mark = format!("[itop-bridge:7f3a:{name}:UserRequest:{id}]");
        assert!(copy.log("private_log")[0].html.contains(&mark), "{:?}", copy.log("private_log"));
        let files: Vec<String> = files(&world.internal, copy.id)
            .iter()
            .map(|(_, data)| String::from_utf8_lossy(data).into_owned())
            .collect();
        (copy.field("title").to_owned(), copy.status().to_owned(), files)
    };
    let expected = |title: &str, status: &str, file: &[&str]| {
        (title.to_owned(), status.to_owned(), file.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
    };
    assert_eq!(look("acme", 1).await, expected("[R-000001] acme only", "new", &[]));
    assert_eq!(look("acme", 2).await, expected("[R-000002] acme 2", "new", &["file of acme 2"]));
    assert_eq!(look("beta", 1).await, expected("[R-000001] beta 1", "assigned", &["file of beta 1"]));
    assert_eq!(look("beta", 2).await, expected("[R-000002] beta 2", "new", &["beta's second thought"]));
    assert_eq!(world.internal.tickets("Ticket").len(), 4);
    end(world).await;
}

#[tokio::test(start_paused = true)]
async fn an_external_that_is_down_or_hangs_does_not_delay_another() {
    for weather in ["down", "hangs", "answers pages", "maintenance"] {
        let world = Setup::two_externals().start().await;
        let old = create(world.beta(), "UserRequest", "before").await;
        world.settle().await;
        // Forty of beta's tickets are dirty, and it cannot be read.
        for number in 0..40 {
            create(world.beta(), "UserRequest", &format!("beta {number}")).await;
        }
        match weather {
            "down" => world.beta().down(true),
            "maintenance" => world.beta().maintenance(true),
            "hangs" => world.beta().fail_with(|_| Some(Fault::Hang(Effect::None))),
            _ => world.beta().fail_with(|_| Some(Fault::Page("<html>captive</html>".into(), Effect::None))),
        }
        for minute in 0..20 {
            let id = create(world.acme(), "Incident", &format!("acme {minute}")).await;
            let seconds = seconds_until_bridged(&world, "acme", id).await;
            assert!(seconds <= 3, "{weather}, minute {minute}: {seconds} s");
            world.pass_seconds(MINUTE).await;
        }
        // Nor is it asked for its tickets again and again.
        world.clear_calls();
        world.pass_seconds(10 * MINUTE).await;
        let calls = world.beta().calls().len();
        assert!(calls <= 10 * 8, "{weather}: {calls} calls in ten minutes");
        let rows = world.queue().await;
        assert!(rows.len() >= 40 && rows.iter().all(|row| !row.parked), "{weather}: {rows:#?}");
        world.beta().heal();
        world.beta().update(old, json!({"title": "after"})).await.unwrap();
        world.settle().await;
        assert_eq!(world.internal.tickets("UserRequest").len(), 41, "{weather}");
        assert_eq!(world.internal.tickets("Incident").len(), 20, "{weather}");
        end(world).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_external_whose_defaults_are_wrong_delays_no_other_and_goes_on_when_they_are_right() {
    let beta = "only = \"all\"\ninternal_defaults = { team = \"Night shift\" }";
    let world = Setup { beta: beta.into(), ..Setup::two_externals() }.start().await;
    let waiting = create(world.beta(), "UserRequest", "for the night").await;
    for minute in 0..90 {
        let id = create(world.acme(), "UserRequest", &format!("acme {minute}")).await;
        let seconds = seconds_until_bridged(&world, "acme", id).await;
        assert!(seconds <= 2, "minute {minute}: {seconds} s");
        world.pass_seconds(MINUTE).await;
    }
    let shown = row(&world, "beta", waiting).await.expect("it waits");
    assert!(shown.error.as_deref().unwrap_or_default().contains("\"Night shift\""), "{shown:?}");
    assert!(!shown.parked);
    world.internal.create_ticket("Team", json!({"name": "Night shift", "org_id": 2})).await.unwrap();
    assert!(seconds_until_bridged(&world, "beta", waiting).await <= 2 * MINUTE);
    end(world).await;
}

#[tokio::test(start_paused = true)]
async fn one_text_on_three_tickets_of_one_external_suspends_that_external_alone() {
    let world = Setup::two_externals().start().await;
    world.internal.fail_with(|call| {
        let comment = call.request()["comment"].as_str().unwrap_or_default().to_owned();
        (call.is_write() && comment.ends_with("of acme")).then(|| Fault::error("Failed: quota of customer exceeded"))
    });
    for number in 0..5 {
        create(world.acme(), "UserRequest", &format!("acme {number}")).await;
    }
    world.pass_seconds(MINUTE).await;
    world.clear_calls();
    for minute in 0..90 {
        let id = create(world.beta(), "UserRequest", &format!("beta {minute}")).await;
        let seconds = seconds_until_bridged(&world, "beta", id).await;
        assert!(seconds <= 2, "minute {minute}: {seconds} s");
        world.pass_seconds(MINUTE).await;
    }
    let probes = world.internal.calls_containing("of acme").len();
    assert!((60..=130).contains(&probes), "the probe is one write a minute: {probes} in 90 minutes");
    assert!(world.queue().await.iter().all(|row| !row.parked), "what others meet too is nobody's own fault");
    world.internal.heal();
    world.settle().await;
    assert_eq!(world.internal.tickets("UserRequest").len(), 5 + 90);
    end(world).await;
}

// ---- a side that is down ----------------------------------------------------------------------

#[tokio::test(start_paused = true)]
async fn a_side_that_is_down_is_called_by_its_prober_alone_and_is_noticed_when_it_is_back() {
    let world = Setup::two_externals().start().await;
    for outage in 0..10 {
        world.internal.fail_with(overloaded);
        let waiting = create(world.acme(), "UserRequest", &format!("outage {outage}")).await;
        world.pass_seconds(5 * MINUTE + 7 * outage).await;
        world.clear_calls();
        world.pass_seconds(10 * MINUTE).await;
        let calls: Vec<String> = world.internal.calls().iter().map(|call| call.operation.clone()).collect();
        assert_eq!(calls, ["list_operations"; 10], "outage {outage}");
        // The other external has no work: it must not stand in the way of the one that has.
        world.internal.heal();
        let seconds = seconds_until_bridged(&world, "acme", waiting).await;
        assert!(seconds <= MINUTE + 5, "outage {outage}: back for {seconds} s");
    }
    end(world).await;
}

// ---- rights ----------------------------------------------------------------------------------

async fn a_class_without_rights_delays_no_other_and_crosses_when_the_right_is_given(versions: Versions) {
    let world = Setup::between(versions).start().await;
    world.internal.deny("NormalChange");
    let changes =
        [create(world.acme(), "NormalChange", "one").await, create(world.acme(), "NormalChange", "two").await];
    for minute in 0..90 {
        let id = create(world.acme(), "UserRequest", &format!("request {minute}")).await;
        let seconds = seconds_until_bridged(&world, "acme", id).await;
        assert!(seconds <= 2, "minute {minute}: {seconds} s");
        world.pass_seconds(MINUTE).await;
    }
    let rows = world.queue().await;
    assert_eq!(rows.len(), 2, "{rows:#?}");
    assert!(rows.iter().all(|row| !row.parked), "{rows:#?}");
    let asked = world.internal.calls().iter().filter(|call| call.is_write() && call.class == "NormalChange").count();
    assert!(asked <= 100, "{asked} tries in 90 minutes");
    world.internal.allow("NormalChange");
    for id in changes {
        assert!(seconds_until_bridged(&world, "acme", id).await <= 2 * MINUTE);
    }
    world.settle().await;
    assert_eq!(world.internal.tickets("NormalChange").len(), 2);
    end(world).await;
}

async fn a_class_that_may_not_be_read_outside_waits_and_crosses_when_the_right_is_back(versions: Versions) {
    for class in ["UserRequest", "Attachment"] {
        let world = Setup::between(versions).start().await;
        let acme = world.acme();
        let old = create(acme, "UserRequest", "old").await;
        world.settle().await;
        acme.set_right("bridge", class, Right::Read, false);
        let mut ids = Vec::new();
        for number in 0..5 {
            ids.push(create(acme, "UserRequest", &format!("new {number}")).await);
        }
        acme.update(old, json!({"title": "newer"})).await.unwrap();
        acme.attach(old, "a.txt", "text/plain", b"a").await.unwrap();
        let incident = create(acme, "Incident", "another class").await;
        world.pass_seconds(10 * MINUTE).await;
        assert_eq!(is_bridged(&world, "acme", incident).await, class == "UserRequest");
        let issues = world.issues();
        let told = format!("reading {class} on acme waits: acme: core/get {class}");
        assert!(issues.len() == 1 && issues[0].starts_with(&told), "{issues:?}");
        if class == "UserRequest" {
            world.clear_calls();
            world.pass_seconds(10 * MINUTE).await;
            let tries = acme.calls().iter().filter(|call| call.class == class).count();
            assert!(tries <= 11, "one try a minute for all of them: {tries}");
        }
        acme.set_right("bridge", class, Right::Read, true);
        world.pass_seconds(2 * MINUTE).await;
        for id in ids.into_iter().chain([incident]) {
            assert!(is_bridged(&world, "acme", id).await, "{class}: {:#?}", world.queue().await);
        }
        world.settle().await;
        assert_eq!(world.copy_of(old).await.field("title"), "[R-000001] newer");
        assert_eq!(files(&world.internal, world.copy_of(old).await.id), files(acme, old));
        assert_eq!(world.issues(), [""; 0]);
        end(world).await;
    }
}

async fn tickets_with_nothing_to_write_do_not_spend_the_turn_of_those_that_wait(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let acme = world.acme();
    let mut idle = Vec::new();
    for number in 0..30 {
        idle.push(create(acme, "UserRequest", &format!("idle {number}")).await);
    }
    world.settle().await;
    world.internal.read_only(true);
    for number in 0..3 {
        create(acme, "UserRequest", &format!("waiting {number}")).await;
    }
    let waiting = create(acme, "UserRequest", "waiting").await;
    world.pass_seconds(10).await;
    // Fields that do not cross: each of these passes reads, and has nothing to write.
    for id in &idle {
        acme.update(*id, json!({"servicesubcategory_id": 4})).await.unwrap();
    }
    world.clear_calls();
    world.pass_seconds(10 * MINUTE).await;
    let tries = world.internal.calls().iter().filter(|call| call.is_write()).count();
    assert!((9..=11).contains(&tries), "what is read well ends no refusal to write: {tries} writes in ten minutes");
    for id in &idle {
        acme.update(*id, json!({"servicesubcategory_id": 3})).await.unwrap();
    }
    world.internal.read_only(false);
    let seconds = seconds_until_bridged(&world, "acme", waiting).await;
    assert!(seconds <= MINUTE + 45, "{seconds} s");
    assert_eq!(world.issues(), [""; 0]);
    end(world).await;
}

/// Tickets of acme's that are in step, and whose new titles may not be written inside.
async fn refused_updates(world: &World, count: u64) -> Vec<u64> {
    let mut ids = Vec::new();
    for number in 0..count {
        ids.push(create(world.acme(), "UserRequest", &format!("ticket {number}")).await);
    }
    world.settle().await;
    world.internal.deny("UserRequest");
    for id in &ids {
        world.acme().update(*id, json!({"title": "refused"})).await.unwrap();
    }
    world.pass_seconds(3 * MINUTE).await;
    let told = "writing UserRequest on elitery waits: ";
    assert!(matches!(world.issues().as_slice(), [one] if one.starts_with(told)), "{:?}", world.issues());
    ids
}

async fn a_suspension_ends_when_what_was_refused_is_taken_back(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let ids = refused_updates(&world, 2).await;
    world.acme().update(ids[0], json!({"title": "ticket 0"})).await.unwrap();
    world.pass_seconds(5 * MINUTE).await;
    assert_eq!(world.issues().len(), 1, "one still waits");
    world.acme().update(ids[1], json!({"title": "ticket 1"})).await.unwrap();
    world.pass_seconds(5 * MINUTE).await;
    assert_eq!(world.issues(), [""; 0]);
    end(world).await;
}

async fn a_suspension_ends_when_the_tickets_that_wait_are_gone(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let ids = refused_updates(&world, 3).await;
    // This one halts, and waits again when it is resumed. Its pair then ends without a word on rights.
    world.acme().delete_ticket(ids[0]).await.unwrap();
    world.pass_seconds(10 * MINUTE).await;
    world.resume("acme:R-000001", false).await.unwrap();
    world.pass_seconds(2).await;
    for (number, id) in ids.iter().enumerate().skip(1) {
        world.acme().update(*id, json!({"title": format!("ticket {number}")})).await.unwrap();
    }
    world.settle().await;
    assert_eq!(world.link(ids[0]).await.state, LinkState::Ended);
    assert_eq!(world.issues(), [""; 0]);
    end(world).await;
}

async fn a_suspension_ends_when_the_pair_that_waits_is_ended_beside_the_bridge(versions: Versions) {
    let world = Setup::between(versions).sync("audit_seconds = 600").start().await;
    let ids = refused_updates(&world, 1).await;
    world.end_pair(ids[0]).await;
    world.pass_seconds(20 * MINUTE).await;
    assert_eq!(world.issues(), [""; 0]);
    end(world).await;
}

async fn the_log_tells_a_refusal_when_it_begins_and_when_it_ends_and_not_at_every_try(versions: Versions) {
    let log = Log::kept();
    // A class that the account may not write, and one text on three tickets of another.
    let world = Setup::between(versions).start().await;
    world.internal.deny("NormalChange");
    world.internal.fail_with(|call| {
        let incident = call.is_write() && call.class == "Incident";
        incident.then(|| Fault::error("Failed: quota of customer exceeded"))
    });
    for class in ["NormalChange", "Incident"] {
        for number in 0..4 {
            create(world.acme(), class, &format!("{class} {number}")).await;
        }
    }
    world.pass_seconds(HOUR).await;
    let began = [log.lines("tickets of this class wait"), log.lines("several tickets are refused in one text")];
    assert_eq!(began.each_ref().map(Vec::len), [1, 1], "{began:#?}");
    let tries = log.lines("pass failed");
    assert!(tries.len() <= 8, "once a ticket at most: {tries:#?}");
    world.internal.allow("NormalChange");
    world.internal.heal();
    world.settle().await;
    let ended = log.lines("waits no more");
    assert_eq!(ended.len(), 2, "{ended:#?}");
    end(world).await;
}

/// Asked for by its id alone, what is not found is gone; where a condition was asked too, it may as well not fit.
#[tokio::test(start_paused = true)]
async fn why_a_ticket_is_not_carried_is_told_as_far_as_it_is_known() {
    let helpdesk = "only = \"team_id_friendlyname = 'Helpdesk'\"";
    for (acme, sync, why) in [
        ("only = \"all\"", "", "nothing: it is gone\""),
        (helpdesk, "", "nothing: it does not fit `only`, is gone, or the account may not see it\""),
        (
            "only = \"all\"",
            "since = 2026-11-23",
            "nothing: it was made before `since`, is gone, or the account may not see it\"",
        ),
        (
            helpdesk,
            "since = 2026-11-23",
            "nothing: it does not fit `only`, was made before `since`, is gone, or the account may not see it\"",
        ),
    ] {
        let log = Log::kept();
        let world = Setup::with_external(Version::V3_2).acme(acme).sync(sync).start().await;
        let id = world.acme().create_ticket("UserRequest", ticket("Taken back")).await.unwrap();
        assert!(world.acme().erase("UserRequest", id));
        world.settle().await;
        assert_eq!(log.lines(why).len(), 1, "{why} in {:#?}", log.lines("pass"));
        end(world).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_ticket_whose_pass_cannot_begin_is_told_in_the_log_once() {
    let log = Log::kept();
    let acme = "only = \"all\"\ninternal_defaults = { team = \"Night shift\" }";
    let world = Setup::with_external(Version::V3_2).acme(acme).start().await;
    create(world.acme(), "UserRequest", "for the night").await;
    world.pass_seconds(HOUR).await;
    let told = log.lines("Night shift");
    assert_eq!(told.len(), 1, "{told:#?}");
    world.internal.create_ticket("Team", json!({"name": "Night shift", "org_id": 2})).await.unwrap();
    world.settle().await;
    end(world).await;
}

async fn a_ticket_that_waits_for_others_keeps_its_own_failures(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let bad = create(world.acme(), "UserRequest", "bad").await;
    world.internal.fail_with(|call| writes_for(call, "R-000001").then(not_allowed));
    world.pass_seconds(5 * MINUTE).await;
    let before = row(&world, "acme", bad).await.expect("it waits");
    world.internal.heal();
    world.internal.read_only(true);
    let next = create(world.acme(), "UserRequest", "next").await;
    world.pass_seconds(5).await;
    world.acme().update(bad, json!({"title": "still bad"})).await.unwrap();
    world.pass_seconds(5).await;
    let after = row(&world, "acme", bad).await.expect("it waits");
    assert_eq!((after.error, after.attempts), (before.error, before.attempts));
    assert!(after.attempts > 3 && after.due_ms > world.clock.now_ms() + 30_000, "due at the probe: {}", after.due_ms);
    let shown = row(&world, "acme", next).await.expect("it waits");
    assert!(shown.error.as_deref().unwrap_or_default().contains("enough permissions"), "{shown:?}");
    world.internal.read_only(false);
    world.settle().await;
    end(world).await;
}

async fn a_read_only_internal_parks_nothing(versions: Versions) {
    for waiting in [1, 25] {
        for minutes in [2, 120] {
            let world = Setup::between(versions).start().await;
            let old = create(world.acme(), "UserRequest", "old").await;
            world.settle().await;
            let copy = world.copy_of(old).await.id;
            world.internal.read_only(true);
            let mut ids = Vec::new();
            for number in 0..waiting {
                ids.push(create(world.acme(), "UserRequest", &format!("new {number}")).await);
            }
            if waiting > 1 {
                world.acme().update(old, json!({"title": "newer"})).await.unwrap();
                world.acme().stimulus(old, "ev_assign", json!({"team_id": 37, "agent_id": 9})).await.unwrap();
                world.acme().attach(old, "a.txt", "text/plain", b"a").await.unwrap();
            }
            for _ in 0..minutes {
                world.pass_seconds(MINUTE).await;
                let rows = world.queue().await;
                assert!(!rows.is_empty() && rows.iter().all(|row| !row.parked), "{rows:#?}");
            }
            world.internal.read_only(false);
            world.clear_calls();
            world.pass_seconds(3 * MINUTE).await;
            let case = format!("{waiting} waiting for {minutes} minutes");
            for id in ids {
                assert!(is_bridged(&world, "acme", id).await, "{case}: {:#?}", world.queue().await);
            }
            world.settle().await;
            assert_eq!(world.internal.tickets("Ticket").len(), waiting + 1, "{case}");
            if waiting > 1 {
                let inside = world.internal.ticket(copy).unwrap();
                assert_eq!((inside.field("title"), inside.status()), ("[R-000001] newer", "assigned"), "{case}");
                assert_eq!(files(&world.internal, copy), files(world.acme(), old), "{case}");
            }
            end(world).await;
        }
    }
}

// ---- an internal that is away ----------------------------------------------------------------

const AWAY: [&str; 9] = [
    "down",
    "maintenance",
    "pages",
    "pages after the write",
    "warnings",
    "500",
    "502 after the write",
    "hangs",
    "hangs after the write",
];

fn send_away(sim: &Sim, how: &str) {
    let page = "<br /><b>Fatal error</b>: Allowed memory size exhausted in /var/www/itop";
    let fault = match how {
        "down" => return sim.down(true),
        "maintenance" => return sim.maintenance(true),
        "pages" => Fault::Page(page.into(), Effect::None),
        "pages after the write" => Fault::Page(page.into(), Effect::Committed),
        "warnings" => Fault::Warning("Deprecated: strlen(): Passing null in {main} on line 1\n".into()),
        "500" => Fault::Status(500, Effect::None),
        "502 after the write" => Fault::Status(502, Effect::Committed),
        "hangs" => Fault::Hang(Effect::None),
        _ => Fault::Hang(Effect::Committed),
    };
    sim.fail_with(move |_| Some(fault.clone()));
}

async fn an_internal_that_is_away_for_an_hour_loses_and_doubles_nothing(versions: Versions) {
    for how in AWAY {
        let world = Setup::between(versions).start().await;
        let old = create(world.acme(), "UserRequest", "old").await;
        let file = world.acme().attach(old, "old.txt", "text/plain", b"old").await.unwrap();
        world.acme().stimulus(old, "ev_assign", json!({"team_id": 37, "agent_id": 9})).await.unwrap();
        // The class is known by now: creates are sent into the storm.
        create(world.acme(), "Incident", "incident before").await;
        world.settle().await;
        let copy = world.copy_of(old).await.id;

        send_away(&world.internal, how);
        for number in 0..6 {
            create(world.acme(), "Incident", &format!("incident {number}")).await;
            world.acme().update(old, json!({"title": format!("title {number}")})).await.unwrap();
            world.acme().attach(old, &format!("{number}.txt"), "text/plain", b"new").await.unwrap();
            world.pass_seconds(2 * MINUTE).await;
        }
        world.acme().rename_attachment(file, "renamed.txt").await.unwrap();
        let form = json!({"resolution_code": "other", "solution": "done it", "service_id": 2});
        world.acme().stimulus(old, "ev_resolve", form).await.unwrap();
        world.clear_calls();
        world.pass_seconds(48 * MINUTE).await;
        let calls = world.internal.calls().len();
        assert!(how == "warnings" || calls <= 48 * 12, "{how}: {calls} calls in 48 minutes");

        world.internal.heal();
        world.settle().await;
        assert!(world.queue().await.is_empty());
        let inside = world.internal.ticket(copy).unwrap();
        assert_eq!((inside.field("title"), inside.status()), ("[R-000001] title 5", "resolved"), "{how}");
        assert_eq!(files(&world.internal, copy), files(world.acme(), old), "{how}");
        let during = (0..6).map(|number| format!("[I-{:06}] incident {number}", number + 3));
        let expected: Vec<String> = ["[I-000002] incident before".to_owned()].into_iter().chain(during).collect();
        let incidents: Vec<String> =
            titles(&world.internal).into_iter().filter(|title| title.starts_with("[I-")).collect();
        assert_eq!(incidents, expected, "{how}");
        end(world).await;
    }
}

async fn a_wrong_password_is_tried_once_a_minute_until_it_is_mended(versions: Versions) {
    for inside in [true, false] {
        let world = Setup::between(versions).start().await;
        let side = if inside { &world.internal } else { world.acme() };
        side.with_account("bridge", |account| account.password = "changed".into());
        for number in 0..30 {
            create(world.acme(), "UserRequest", &format!("request {number}")).await;
        }
        world.pass_seconds(MINUTE).await;
        world.clear_calls();
        for minute in 0..60 {
            create(world.acme(), "UserRequest", &format!("later {minute}")).await;
            let before = side.calls().len();
            world.pass_seconds(MINUTE).await;
            let calls = side.calls().len() - before;
            assert!(calls <= 4, "minute {minute}: {calls} calls with the wrong password");
        }
        let calls = side.calls().len();
        assert!((50..=130).contains(&calls), "it is tried about every minute: {calls} in an hour");
        assert!(world.queue().await.iter().all(|row| !row.parked));
        side.with_account("bridge", |account| account.password = "Bridge.1234".into());
        world.pass_seconds(2 * MINUTE + 10).await;
        let left = world.queue().await;
        assert_eq!(world.internal.tickets("UserRequest").len(), 90, "{left:#?}");
        end(world).await;
    }
}

// ---- one ticket's own fault ------------------------------------------------------------------

async fn a_ticket_that_alone_is_refused_is_parked_after_an_hour_and_delays_no_other(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let bad = create(world.acme(), "UserRequest", "bad").await;
    world.internal.fail_with(|call| writes_for(call, "R-000001").then(not_allowed));
    for minute in 0..58 {
        let id = create(world.acme(), "UserRequest", &format!("good {minute}")).await;
        let seconds = seconds_until_bridged(&world, "acme", id).await;
        assert!(seconds <= 2, "minute {minute}: {seconds} s");
        assert!(!row(&world, "acme", bad).await.expect("it waits").parked, "minute {minute}");
        world.pass_seconds(MINUTE).await;
    }
    world.pass_seconds(10 * MINUTE).await;
    let shown = row(&world, "acme", bad).await.expect("it waits");
    assert!(shown.parked, "{shown:?}");
    assert!(shown.error.as_deref().unwrap_or_default().contains("Value not allowed [7]"), "{shown:?}");
    // Parked: it is left alone …
    world.clear_calls();
    world.pass_seconds(20 * MINUTE).await;
    assert_eq!(world.internal.writes(), 0);
    // … but for a hint, which tries again at once.
    world.acme().update(bad, json!({"title": "still bad"})).await.unwrap();
    world.pass_seconds(3).await;
    assert!(world.internal.writes() >= 1);
    assert!(row(&world, "acme", bad).await.is_some_and(|row| row.parked), "an hour of refusals is behind it");
    // Mended, it goes on by itself, an hour later at the latest.
    world.internal.heal();
    assert!(!is_bridged(&world, "acme", bad).await);
    world.pass_seconds(HOUR + MINUTE).await;
    assert_eq!(world.copy_of(bad).await.field("title"), "[R-000001] still bad");
    end(world).await;
}

async fn a_write_that_failed_first_and_succeeded_in_the_same_pass_is_no_failure(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let id = create(world.acme(), "UserRequest", "old").await;
    world.settle().await;
    // The update is refused, and the stimulus finds the ticket moved: both are planned again at once.
    let mut seen = BTreeSet::new();
    world.internal.fail_with(move |call| {
        if !call.is_write() || !seen.insert(call.operation.clone()) {
            return None;
        }
        let moved = "Invalid stimulus: 'ev_assign' on the object R-001001 in state 'pending'";
        Some(if call.operation == "core/update" { not_allowed() } else { Fault::error(moved) })
    });
    world.clear_calls();
    world.acme().update(id, json!({"title": "new"})).await.unwrap();
    world.acme().stimulus(id, "ev_assign", json!({"team_id": 37, "agent_id": 9})).await.unwrap();
    for _ in 0..300 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        let error = row(&world, "acme", id).await.and_then(|row| row.error);
        assert_eq!(error, None, "nothing fails at the end");
    }
    assert_eq!(world.internal.calls().iter().filter(|call| call.is_write()).count(), 4, "each was sent twice");
    let copy = world.copy_of(id).await;
    assert_eq!((copy.field("title"), copy.status()), ("[R-000001] new", "assigned"));
    end(world).await;
}

async fn a_refused_update_is_parked_and_the_rest_of_the_ticket_flows(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let id = create(world.acme(), "UserRequest", "old").await;
    world.settle().await;
    let copy = world.copy_of(id).await.id;
    world.internal.fail_with(|call| (call.operation == "core/update" && call.class == "UserRequest").then(not_allowed));
    world.acme().update(id, json!({"impact": "2"})).await.unwrap();
    world.pass_seconds(HOUR + 5 * MINUTE).await;
    assert!(row(&world, "acme", id).await.is_some_and(|row| row.parked));
    world.acme().stimulus(id, "ev_assign", json!({"team_id": 37, "agent_id": 9})).await.unwrap();
    world.acme().attach(id, "a.txt", "text/plain", b"a").await.unwrap();
    world.pass_seconds(10).await;
    assert_eq!(world.internal.ticket(copy).unwrap().status(), "assigned");
    assert_eq!(files(&world.internal, copy), files(world.acme(), id));
    assert_eq!(world.internal.ticket(copy).unwrap().field("impact"), "1");
    world.internal.heal();
    world.acme().add_log_entry(id, "public_log", "any news?").await.unwrap();
    world.pass_seconds(10).await;
    assert_eq!(world.internal.ticket(copy).unwrap().field("impact"), "2");
    end(world).await;
}

async fn a_file_that_is_deleted_while_its_ticket_is_parked_goes_in_its_time(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let id = create(world.acme(), "UserRequest", "old").await;
    let gone = world.acme().attach(id, "gone.txt", "text/plain", b"g").await.unwrap();
    world.acme().attach(id, "stays.txt", "text/plain", b"s").await.unwrap();
    world.settle().await;
    world.internal.fail_with(|call| (call.operation == "core/update").then(not_allowed));
    world.acme().update(id, json!({"title": "refused"})).await.unwrap();
    world.pass_seconds(90 * MINUTE).await;
    assert!(row(&world, "acme", id).await.expect("it waits").parked);
    world.acme().delete_attachment(gone).await;
    world.pass_seconds(MINUTE).await;
    let copy = world.copy_of(id).await.id;
    assert_eq!(files(&world.internal, copy), [("stays.txt".to_owned(), Bytes::from_static(b"s"))]);
    world.clear_calls();
    world.pass_seconds(50 * MINUTE).await;
    assert!(world.internal.writes() <= 2, "it is left alone otherwise: {}", world.internal.writes());
    world.internal.heal();
    world.pass_seconds(7 * HOUR).await;
    assert_eq!(world.copy_of(id).await.field("title"), "[R-000001] refused");
    end(world).await;
}

async fn a_file_that_changed_while_its_copy_could_not_be_written_arrives_afterwards(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let id = create(world.acme(), "UserRequest", "old").await;
    let file = world.acme().attach(id, "a.txt", "text/plain", b"first").await.unwrap();
    world.settle().await;
    world.internal.fail_with(|call| (call.class == "Attachment" && call.operation == "core/update").then(not_allowed));
    world.acme().replace_attachment(file, b"second").await.unwrap();
    world.pass_seconds(20 * MINUTE).await;
    let copy = world.copy_of(id).await.id;
    assert_eq!(files(&world.internal, copy), [("a.txt".to_owned(), Bytes::from_static(b"first"))]);
    world.internal.heal();
    world.pass_seconds(10 * MINUTE).await;
    assert_eq!(files(&world.internal, copy), [("a.txt".to_owned(), Bytes::from_static(b"second"))]);
    end(world).await;
}

async fn an_outage_before_a_refusal_does_not_count_towards_parking(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let id = create(world.acme(), "UserRequest", "unlucky").await;
    world.internal.down(true);
    world.pass_seconds(2 * HOUR).await;
    // Back, with a dead-lock of the database for three minutes.
    world.internal.heal();
    world.internal.fail_with(|call| call.is_write().then_some(Fault::Deadlock));
    world.pass_seconds(3 * MINUTE).await;
    let shown = row(&world, "acme", id).await.expect("it waits");
    assert!(shown.error.as_deref().unwrap_or_default().contains("Deadlock") && !shown.parked, "{shown:?}");
    world.internal.heal();
    assert!(seconds_until_bridged(&world, "acme", id).await <= 2 * MINUTE);
    end(world).await;
}

async fn tickets_that_are_refused_for_good_do_not_starve_the_healthy_ones(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let bad: Vec<u64> = vec![
        create(world.acme(), "UserRequest", "bad 1").await,
        create(world.acme(), "UserRequest", "bad 2").await,
        create(world.acme(), "UserRequest", "bad 3").await,
    ];
    let is_bad = |call: &Call| ["R-000001", "R-000002", "R-000003"].iter().any(|bad| writes_for(call, bad));
    world.internal.fail_with(move |call| is_bad(call).then(not_allowed));
    world.pass_seconds(5 * MINUTE).await;
    for hour in 0..4 {
        let mut slowest = 0;
        for number in 0..5 {
            let id = create(world.acme(), "UserRequest", &format!("good {hour} {number}")).await;
            slowest = slowest.max(seconds_until_bridged(&world, "acme", id).await);
        }
        assert!(slowest <= 10 * MINUTE, "hour {hour}: a healthy ticket waited {slowest} s");
        world.pass_seconds(HOUR).await;
    }
    world.internal.heal();
    for id in bad {
        world.acme().update(id, json!({"impact": "2"})).await.unwrap();
    }
    world.settle().await;
    assert_eq!(world.internal.tickets("UserRequest").len(), 3 + 4 * 5);
    end(world).await;
}

async fn a_ticket_over_which_itop_breaks_does_not_stop_its_batch(versions: Versions) {
    let pages = [
        Fault::Page("<b>Fatal error</b>: Uncaught TypeError in ormdocument.class.inc.php".into(), Effect::None),
        Fault::Status(500, Effect::None),
        Fault::Status(504, Effect::None),
    ];
    for page in pages {
        let world = Setup::between(versions).start().await;
        let fault = page.clone();
        world.acme().fail_with(move |call| {
            let asks = call.json.split(|c: char| !c.is_ascii_digit()).any(|id| id == "7");
            (call.operation == "core/get" && call.class == "UserRequest" && asks).then(|| fault.clone())
        });
        world.acme().hold_hooks(true);
        for number in 0..20 {
            create(world.acme(), "UserRequest", &format!("ticket {number}")).await;
        }
        world.acme().hold_hooks(false);
        world.acme().release_hooks(Release::InOrder).await;
        for _ in 0..100 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let failed: Vec<QueueRow> = world.queue().await.into_iter().filter(|row| row.error.is_some()).collect();
            assert!(failed.iter().all(|row| row.of.ticket == 7), "{page:?}: {failed:#?}");
        }
        for id in (1..=20).filter(|id| *id != 7) {
            assert!(is_bridged(&world, "acme", id).await, "{page:?}: {id}");
        }
        assert!(!is_bridged(&world, "acme", 7).await, "{page:?}");
        world.acme().heal();
        assert!(seconds_until_bridged(&world, "acme", 7).await <= 2 * MINUTE, "{page:?}");
        end(world).await;
    }
}

async fn a_ticket_that_cannot_be_read_does_not_stop_its_batch(versions: Versions) {
    for linked in [false, true] {
        for inside in [false, true] {
            if inside && !linked {
                continue;
            }
            let world = Setup::between(versions).start().await;
            let mut ids = Vec::new();
            let make = async |ids: &mut Vec<u64>| {
                for number in 0..20 {
                    ids.push(create(world.acme(), "UserRequest", &format!("ticket {number}")).await);
                }
            };
            if linked {
                make(&mut ids).await;
                world.settle().await;
            }
            let side = if inside { &world.internal } else { world.acme() };
            let unreadable = if inside { world.copy_of(7).await.id } else { 7 };
            side.fail_with(move |call| {
                let reads = call.operation == "core/get" && call.class == "UserRequest";
                let key = call.key.as_str().map_or_else(|| call.key.to_string(), str::to_owned);
                let asks = key.split(|c: char| !c.is_ascii_digit()).any(|id| id == unreadable.to_string());
                (reads && asks).then(|| Fault::error("htmlspecialchars(): charset not supported"))
            });
            if linked {
                for id in &ids {
                    world.acme().update(*id, json!({"title": format!("changed {id}")})).await.unwrap();
                }
            } else {
                make(&mut ids).await;
            }
            world.pass_seconds(15).await;
            let case = format!("linked: {linked}, unreadable inside: {inside}");
            for id in ids.iter().filter(|id| **id != 7) {
                assert!(is_bridged(&world, "acme", *id).await, "{case}: {id}");
                let wanted = if linked { format!("changed {id}") } else { format!("ticket {}", id - 1) };
                let title = world.copy_of(*id).await.field("title").to_owned();
                assert!(title.ends_with(&wanted), "{case}: {title}");
            }
            world.pass_seconds(HOUR + 5 * MINUTE).await;
            let shown = row(&world, "acme", 7).await.expect("it waits");
            assert!(shown.parked && shown.error.clone().unwrap_or_default().contains("htmlspecialchars"), "{shown:?}");
            assert_eq!(world.queue().await.len(), 1, "{case}");
            side.heal();
            world.settle().await;
            assert!(is_bridged(&world, "acme", 7).await);
            end(world).await;
        }
    }
}

// ---- the end of the process ------------------------------------------------------------------

async fn a_graceful_stop_ends_the_passes_in_hand(versions: Versions) {
    for after_ms in [0, 100, 200, 300, 400, 500, 700, 1_000] {
        let mut world = Setup::between(versions).start().await;
        let old = create(world.acme(), "UserRequest", "old").await;
        world.settle().await;
        for number in 0..15 {
            let id = create(world.acme(), "Incident", &format!("incident {number}")).await;
            world.acme().attach(id, "a.txt", "text/plain", b"a").await.unwrap();
        }
        let form = json!({"team_id": 37, "agent_id": 9});
        world.acme().stimulus(old, "ev_assign", form).await.unwrap();
        world.acme().stimulus(old, "ev_pending", json!({"pending_reason": "so be it"})).await.unwrap();
        tokio::time::sleep(Duration::from_millis(after_ms)).await;
        world.stop().await;
        assert!(world.queue().await.iter().all(|row| !row.leased), "stopped after {after_ms} ms");
        for stored in world.links().await {
            let link = stored.link;
            assert!(
                link.in_flight.late.is_empty() && link.in_flight.creation.is_none(),
                "stopped after {after_ms} ms: {link:#?}"
            );
        }
        world.clear_calls();
        world.pass_seconds(MINUTE).await;
        assert_eq!(world.internal.calls().len() + world.acme().calls().len(), 0, "stopped is stopped");
        world.boot();
        world.settle().await;
        assert_eq!(world.internal.tickets("Incident").len(), 15);
        assert_eq!(world.copy_of(old).await.status(), "pending");
        end(world).await;
    }
}

async fn a_panic_of_one_part_ends_the_bridge_and_loses_nothing(versions: Versions) {
    for side in ["acme", "elitery"] {
        let mut world = Setup { externals: vec![versions.external; 2], ..Setup::between(versions) }.start().await;
        for number in 0..30 {
            create(world.beta(), "Incident", &format!("beta {number}")).await;
        }
        let id = create(world.acme(), "UserRequest", "unlucky").await;
        world.panic_at(side);
        let broken = world.breaks().await.to_string();
        assert!(broken.contains("a mistake in the bridge") && broken.contains("report"), "{broken}");
        let leased = world.queue().await.iter().filter(|row| row.leased).count();
        assert!(leased <= 20, "the other passes in hand were ended: {leased}");
        // As the service manager starts it again.
        let now = world.clock.now_ms();
        world.store.call(move |store| store.expire_leases(now)).await.unwrap();
        world.boot();
        world.settle().await;
        assert!(is_bridged(&world, "acme", id).await);
        assert_eq!(world.internal.tickets("Incident").len(), 30);
        end(world).await;
    }
}

/// A seeded choice among so many.
struct Dice(SeededRandom);

impl Dice {
    fn below(&self, bound: usize) -> usize {
        let mut bytes = [0; 4];
        self.0.fill(&mut bytes);
        u32::from_le_bytes(bytes) as usize % bound
    }

    fn of<T: Copy>(&self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }
}

/// Something that people at acme do. While nobody hears the hooks they leave files' contents and names
/// alone: that is the one change that is found by its hook only.
async fn people_work(sim: &Sim, dice: &Dice, step: usize, heard: bool) {
    let tickets = sim.tickets("Ticket");
    if tickets.is_empty() || (dice.below(5) == 0 && tickets.len() < 25) {
        let id = create(sim, dice.of(&["UserRequest", "Incident"]), &format!("ticket {step}")).await;
        sim.attach(id, "first.txt", "text/plain", format!("{step}").as_bytes()).await.unwrap();
        return;
    }
    let ticket = &tickets[dice.below(tickets.len())];
    let (id, attachments) = (ticket.id, sim.attachments(ticket.id));
    let attachment = (!attachments.is_empty()).then(|| attachments[dice.below(attachments.len())].id);
    match (dice.below(8), attachment) {
        (0, _) => sim.update(id, json!({"title": format!("title {step}")})).await.unwrap(),
        (1, _) => sim.update(id, json!({"description": format!("<p>text {step}</p>")})).await.unwrap(),
        (2, _) => drop(sim.attach(id, &format!("{step}.txt"), "text/plain", b"more").await.unwrap()),
        (3, Some(file)) if heard => sim.rename_attachment(file, &format!("renamed {step}.txt")).await.unwrap(),
        (4, Some(file)) if heard => {
            sim.replace_attachment(file, format!("replaced {step}").as_bytes()).await.unwrap();
        }
        (5, Some(file)) if attachments.len() > 1 => sim.delete_attachment(file).await,
        _ => {
            let (stimulus, form) = match ticket.status() {
                "new" => ("ev_assign", json!({"team_id": 37, "agent_id": 9})),
                "assigned" if dice.below(2) == 0 => ("ev_pending", json!({"pending_reason": format!("reason {step}")})),
                "assigned" => {
                    ("ev_resolve", json!({"resolution_code": "other", "solution": "it is done", "service_id": 2}))
                }
                "pending" => ("ev_assign", json!({"team_id": 37, "agent_id": 9})),
                "resolved" => ("ev_reopen", json!({"team_id": 37, "agent_id": 9})),
                _ => return,
            };
            sim.stimulus(id, stimulus, form).await.unwrap();
        }
    }
}

/// The internal iTop is slow, or its answers get lost.
fn bad_luck(sim: &Sim, dice: &Dice) {
    let fault = match dice.below(7) {
        0 => Fault::Hang(Effect::Committed),
        1 => Fault::LandLate(Duration::from_millis(500 + dice.below(280_000) as u64)),
        2 => Fault::Status(502, Effect::Committed),
        3 => Fault::Cut { after_bytes: dice.below(200), effect: Effect::Committed },
        _ => return,
    };
    let nth = 1 + dice.below(3);
    let mut seen = 0;
    sim.fail_with(move |call| {
        seen += usize::from(call.is_write());
        (call.is_write() && seen == nth).then(|| fault.clone())
    });
}

/// The store's lock forbids it; should a file system not keep the lock, the leases do.
async fn two_processes_over_one_store_lose_and_double_nothing(versions: Versions) {
    let mut world = Setup::between(versions).start().await;
    world.join_in(0);
    for number in 0..6 {
        let id = create(world.acme(), "UserRequest", &format!("ticket {number}")).await;
        world.acme().attach(id, "a.txt", "text/plain", format!("{number}").as_bytes()).await.unwrap();
        world.pass_milliseconds(200).await;
        world.acme().update(id, json!({"title": format!("later {number}")})).await.unwrap();
        world.acme().add_log_entry(id, "private_log", "<p>seen</p>").await.unwrap();
    }
    world.settle().await;
    for ticket in world.acme().tickets("Ticket") {
        let copy = world.copy_of(ticket.id).await;
        assert_eq!(copy.field("title"), format!("[{}] {}", ticket.field("ref"), ticket.field("title")));
        let names: Vec<String> = files(&world.internal, copy.id).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), 2, "the file and the entry, once each: {names:?}");
    }
    assert_eq!(world.internal.tickets("Ticket").len(), 6);
    end(world).await;
}

async fn crashes_at_any_moment_lose_and_double_nothing(versions: Versions) {
    // `SEED=7 cargo test -p itop-bridge --test bridge crashes` runs one again, `SEEDS=100` more of them.
    let number = |name| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let seeds = match number("SEED") {
        Some(seed) => seed..=seed,
        None => 1..=number("SEEDS").unwrap_or(2),
    };
    for seed in seeds {
        println!("seed {seed}");
        let dice = Dice(SeededRandom::new(seed));
        let mut world = Setup::between(versions).start().await;
        for crash in 0..30 {
            bad_luck(&world.internal, &dice);
            for step in 0..1 + dice.below(6) {
                people_work(world.acme(), &dice, crash * 10 + step, true).await;
                tokio::time::sleep(Duration::from_millis(dice.below(300) as u64)).await;
            }
            tokio::time::sleep(Duration::from_millis(dice.below(1_500) as u64)).await;
            world.crash().await;
            for step in 6..6 + dice.below(3) {
                people_work(world.acme(), &dice, crash * 10 + step, false).await;
            }
            tokio::time::sleep(Duration::from_millis(dice.below(20_000) as u64)).await;
            // As `serve` starts: what the dead process had in hand need not wait.
            let now = world.clock.now_ms();
            world.store.call(move |store| store.expire_leases(now)).await.unwrap();
            world.boot();
            if dice.below(4) == 0 {
                tokio::time::sleep(Duration::from_secs(dice.below(400) as u64)).await;
            }
        }
        world.internal.heal();
        // What was deleted or added while nobody listened is found by the audit.
        world.pass_seconds(2 * HOUR + MINUTE).await;
        world.settle().await;
        let outside = world.acme().tickets("Ticket");
        assert_eq!(world.internal.tickets("Ticket").len(), outside.len(), "seed {seed}: tickets");
        for ticket in &outside {
            let copy = world.copy_of(ticket.id).await;
            let name = format!("seed {seed}: {}", ticket.field("ref"));
            assert_eq!(copy.field("title"), format!("[{}] {}", ticket.field("ref"), ticket.field("title")), "{name}");
            assert_eq!(copy.field("description"), ticket.field("description"), "{name}");
            assert_eq!(copy.status(), ticket.status(), "{name}: {:#?}", world.activity(ticket.id).await);
            assert_eq!(files(&world.internal, copy.id), files(world.acme(), ticket.id), "{name}");
        }
        end(world).await;
    }
}
