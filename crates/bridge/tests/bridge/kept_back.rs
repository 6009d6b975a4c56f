//! Something before an iTop (a proxy, a firewall) answers in its place, over one word in one request. What is
//! concerned waits by itself; all else goes on.

use std::time::Duration;

use itop_bridge_core::Side;
use itop_bridge_core::link::Part;
use itop_bridge_store::QueueRow;
use itop_bridge_testkit::world::*;
use itop_sim::{Call, Effect, Fault, Sim, Version};

use crate::listen::Log;

each_version![a_text_that_was_kept_back_is_cut_where_there_is_no_room_for_it];

any_version![
    a_word_in_one_field_keeps_back_that_field_alone,
    a_field_that_is_kept_back_crosses_as_soon_as_its_words_are_others,
    a_ticket_whose_description_is_kept_back_is_made_without_it,
    a_create_that_was_carried_out_behind_a_page_is_not_made_twice,
    a_file_that_is_kept_back_holds_up_nothing_else,
    an_entry_that_is_kept_back_lets_the_others_and_later_ones_pass,
    a_state_that_is_kept_back_lets_the_rest_pass,
    a_deletion_crosses_while_something_else_is_kept_back,
    a_text_that_was_kept_back_arrives_though_its_walk_does_not_end,
    a_text_that_was_kept_back_arrives_though_a_later_walk_is_kept_back,
    a_text_that_was_kept_back_arrives_though_nobody_heard_that_the_ticket_was_moved,
    of_two_texts_that_were_kept_back_the_later_arrives,
    what_is_kept_back_is_known_after_a_restart,
    a_side_that_answers_so_to_every_call_is_down,
];

const WORD: &str = "forbidden-word";
const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;

/// A firewall's page, a redirect to one, a server's error, and a request for fewer calls.
const STATUSES: [u16; 4] = [403, 302, 500, 429];

async fn create(sim: &Sim, title: &str) -> u64 {
    sim.create_ticket("UserRequest", ticket(title)).await.unwrap()
}

async fn row(world: &World, id: u64) -> Option<QueueRow> {
    world.queue().await.into_iter().find(|row| (row.of.external.as_str(), row.of.ticket) == ("acme", id))
}

async fn a_new_ticket_crosses_at_once(world: &World) {
    let other = create(world.acme(), "another").await;
    world.pass_seconds(3).await;
    assert!(world.link_of("acme", other).await.is_some_and(|stored| stored.link.internal.is_some()));
}

/// The texts of the log files that stand on a ticket, oldest first.
fn log_texts(sim: &Sim, ticket: u64) -> Vec<String> {
    let files = sim.attachments(ticket).into_iter().filter(|file| file.temp_id.contains(":log:"));
    files.map(|file| String::from_utf8_lossy(&file.data).into_owned()).collect()
}

fn events(world: &World) -> Vec<(String, String)> {
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let of = |body: serde_json::Value| {
        let alerts = body["alerts"].as_array().cloned().unwrap_or_default();
        alerts.into_iter().map(|alert| (text(&alert["event"]), text(&alert["text"]))).collect::<Vec<_>>()
    };
    world.posted.take().into_iter().flat_map(of).collect()
}

async fn a_word_in_one_field_keeps_back_that_field_alone(versions: Versions) {
    for status in STATUSES {
        let log = Log::kept();
        let world = Setup::between(versions).start().await;
        let id = create(world.acme(), "calm").await;
        world.settle().await;
        world.internal.bar_word(WORD, Fault::barred(status));
        let acme = world.acme();
        acme.update(id, json!({"title": "newer", "description": format!("<p>a {WORD}</p>")})).await.unwrap();
        acme.attach(id, "a.txt", "text/plain", b"a").await.unwrap();
        acme.add_log_entry(id, "private_log", "an entry").await.unwrap();
        acme.stimulus(id, "ev_assign", json!({"team_id": 37, "agent_id": 9})).await.unwrap();
        world.pass_seconds(10).await;
        let copy = world.copy_of(id).await;
        assert_eq!((copy.field("title"), copy.status()), ("[R-000001] newer", "assigned"), "{status}");
        assert!(copy.field("description").contains("calm"), "{status}");
        assert!(world.internal.attachments(copy.id).iter().any(|file| file.filename == "a.txt"), "{status}");
        assert_eq!(log_texts(&world.internal, copy.id).len(), 1, "{status}");
        a_new_ticket_crosses_at_once(&world).await;
        world.pass_seconds(30 * MINUTE).await;
        assert!(!row(&world, id).await.expect("it waits").parked, "{status}");
        assert_eq!(world.issues(), [""; 0], "{status}");
        world.pass_seconds(31 * MINUTE).await;
        let waits = row(&world, id).await.expect("it waits");
        let told = format!("description: {status} by what stands before elitery");
        assert!(waits.parked && waits.error.as_deref() == Some(told.as_str()), "{waits:?}");
        let events = events(&world);
        assert!(
            matches!(events.as_slice(), [(event, text)] if event == "parked" && text.contains(&told)),
            "{events:?}"
        );
        assert_eq!(log.lines("is tried again, and the rest of the ticket goes on").len(), 1, "{status}");
        // It is left alone now, and what comes later crosses.
        world.clear_calls();
        world.pass_seconds(30 * MINUTE).await;
        assert!(world.internal.writes() <= 1, "{status}");
        world.acme().attach(id, "b.txt", "text/plain", b"b").await.unwrap();
        world.acme().stimulus(id, "ev_pending", json!({"pending_reason": "we wait"})).await.unwrap();
        world.pass_seconds(5).await;
        assert_eq!(world.copy_of(id).await.status(), "pending", "{status}");
        assert!(world.internal.attachments(copy.id).iter().any(|file| file.filename == "b.txt"), "{status}");
        world.internal.heal();
        world.pass_seconds(HOUR + 5 * MINUTE).await;
        assert!(world.copy_of(id).await.field("description").contains(WORD), "{status}");
        assert_eq!(world.link(id).await.link.open.held, [], "{status}");
        world.one_more_pass_writes_nothing().await;
    }
}

async fn a_field_that_is_kept_back_crosses_as_soon_as_its_words_are_others(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let id = create(world.acme(), "calm").await;
    world.settle().await;
    world.internal.bar_word(WORD, Fault::barred(403));
    world.acme().update(id, json!({"description": format!("<p>a {WORD}</p>")})).await.unwrap();
    world.pass_seconds(2 * HOUR).await;
    assert!(row(&world, id).await.is_some_and(|row| row.parked));
    world.acme().update(id, json!({"description": "<p>other words</p>"})).await.unwrap();
    world.pass_seconds(3).await;
    assert!(world.copy_of(id).await.field("description").contains("other words"));
    world.settle().await;
    assert_eq!(world.link(id).await.link.open.held, []);
    world.one_more_pass_writes_nothing().await;
}

async fn a_ticket_whose_description_is_kept_back_is_made_without_it(versions: Versions) {
    for status in STATUSES {
        let world = Setup::between(versions).start().await;
        world.internal.bar_word(WORD, Fault::barred(status));
        let mut fields = ticket("calm");
        fields["description"] = json!(format!("<p>a {WORD}</p>"));
        let id = world.acme().create_ticket("UserRequest", fields).await.unwrap();
        world.acme().attach(id, "a.txt", "text/plain", b"a").await.unwrap();
        world.pass_seconds(2).await;
        a_new_ticket_crosses_at_once(&world).await;
        // What was sent may have been carried out: it settles first.
        world.pass_seconds(6 * MINUTE).await;
        let copy = world.copy_of(id).await;
        assert_eq!(copy.field("title"), "[R-000001] calm", "{status}");
        assert!(
            copy.field("description").contains("could not be delivered yet"),
            "{status}: {}",
            copy.field("description")
        );
        assert!(world.internal.attachments(copy.id).iter().any(|file| file.filename == "a.txt"), "{status}");
        assert_eq!(world.internal.tickets("UserRequest").len(), 2, "{status}");
        world.pass_seconds(HOUR + 5 * MINUTE).await;
        assert!(!world.did(id, "changed in the external iTop").await, "nobody changed anything");
        let waits = row(&world, id).await.expect("it waits");
        assert!(waits.parked && waits.error.unwrap_or_default().starts_with(&format!("description: {status} by")));
        world.internal.heal();
        world.pass_seconds(HOUR + 5 * MINUTE).await;
        assert!(world.copy_of(id).await.field("description").contains(WORD), "{status}");
        world.one_more_pass_writes_nothing().await;
    }
}

async fn a_create_that_was_carried_out_behind_a_page_is_not_made_twice(versions: Versions) {
    let world = Setup::between(versions).start().await;
    // Which attributes this iTop lacks is learnt by the first create.
    create(world.acme(), "calm").await;
    world.settle().await;
    let spoilt = Fault::Proxy { status: 403, header: None, effect: Effect::Committed };
    world.internal.bar_word(WORD, spoilt);
    let id = create(world.acme(), WORD).await;
    world.pass_seconds(MINUTE).await;
    assert!(world.copy_of(id).await.field("title").ends_with(WORD));
    world.acme().attach(id, "a.txt", "text/plain", WORD.as_bytes()).await.unwrap();
    world.acme().add_log_entry(id, "private_log", WORD).await.unwrap();
    world.pass_seconds(10 * MINUTE).await;
    assert_eq!(world.internal.tickets("UserRequest").len(), 2);
    let copy = world.copy_of(id).await.id;
    assert_eq!(world.internal.attachments(copy).len(), 2);
    world.internal.heal();
    world.settle().await;
    assert_eq!(world.link(id).await.link.open.held, []);
    world.one_more_pass_writes_nothing().await;
}

async fn a_file_that_is_kept_back_holds_up_nothing_else(versions: Versions) {
    for from in Side::BOTH {
        let world = Setup::between(versions).start().await;
        let id = create(world.acme(), "calm").await;
        world.settle().await;
        let copy = world.copy_of(id).await.id;
        let (acme, inside) = ((world.acme(), id), (&world.internal, copy));
        let (source, target) = if from == Side::External { (acme, inside) } else { (inside, acme) };
        target.0.bar_word(WORD, Fault::barred(403));
        source.0.attach(source.1, "bad.txt", "text/plain", WORD.as_bytes()).await.unwrap();
        source.0.attach(source.1, "good.txt", "text/plain", b"good").await.unwrap();
        source.0.add_log_entry(source.1, "private_log", "an entry").await.unwrap();
        world.pass_seconds(10).await;
        let names = || {
            let files = target.0.attachments(target.1).into_iter();
            let files = files.filter(|file| file.temp_id.contains(":file:"));
            files.map(|file| file.filename).collect::<Vec<String>>()
        };
        assert_eq!(names(), ["good.txt"]);
        assert_eq!(log_texts(target.0, target.1).len(), 1);
        a_new_ticket_crosses_at_once(&world).await;
        world.pass_seconds(HOUR + 10 * MINUTE).await;
        let side = if from == Side::External { "elitery" } else { "acme" };
        let waits = row(&world, id).await.expect("it waits");
        let told = format!("file \"bad.txt\": 403 by what stands before {side}");
        assert!(waits.parked && waits.error.as_deref() == Some(told.as_str()), "{waits:?}");
        source.0.attach(source.1, "later.txt", "text/plain", b"later").await.unwrap();
        world.pass_seconds(5).await;
        assert_eq!(names(), ["good.txt", "later.txt"]);
        target.0.heal();
        world.pass_seconds(HOUR + 10 * MINUTE).await;
        assert_eq!(names().len(), 3);
        world.one_more_pass_writes_nothing().await;
    }
}

async fn an_entry_that_is_kept_back_lets_the_others_and_later_ones_pass(versions: Versions) {
    for from in Side::BOTH {
        let mut world = Setup::between(versions).start().await;
        let id = create(world.acme(), "calm").await;
        world.settle().await;
        let copy = world.copy_of(id).await.id;
        let (acme, inside) = ((world.acme().clone(), id), (world.internal.clone(), copy));
        let (source, target) = if from == Side::External { (acme, inside) } else { (inside, acme) };
        target.0.bar_word(WORD, Fault::barred(403));
        // All of these go into one file.
        world.crash().await;
        for entry in ["one", "two", WORD, "four", "five"] {
            source.0.add_log_entry(source.1, "private_log", &format!("<p>entry {entry}</p>")).await.unwrap();
            world.pass_seconds(2).await;
        }
        world.boot();
        world.pass_seconds(6 * MINUTE).await;
        source.0.add_log_entry(source.1, "private_log", "<p>entry six</p>").await.unwrap();
        world.pass_seconds(5).await;
        let text = || log_texts(&target.0, target.1).join("\n");
        assert!(text().contains("entry six"), "{}", text());
        world.pass_seconds(25 * MINUTE).await;
        for entry in ["one", "two", "four", "five", "six"] {
            assert_eq!(text().matches(&format!("entry {entry}")).count(), 1, "{entry}: {}", text());
        }
        assert!(!text().contains(WORD));
        world.pass_seconds(HOUR).await;
        let waits = row(&world, id).await.expect("it waits");
        let error = waits.error.unwrap_or_default();
        assert!(waits.parked && error.contains("an entry of the private log"), "{error}");
        target.0.heal();
        world.pass_seconds(HOUR + 10 * MINUTE).await;
        assert_eq!(text().matches(WORD).count(), 1, "{}", text());
        assert_eq!(world.link(id).await.link.open.held, []);
        world.one_more_pass_writes_nothing().await;
    }
}

async fn a_state_that_is_kept_back_lets_the_rest_pass(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let id = create(world.acme(), "calm").await;
    world.acme().stimulus(id, "ev_assign", json!({"team_id": 37, "agent_id": 9})).await.unwrap();
    world.settle().await;
    world.internal.bar_word(WORD, Fault::barred(403));
    world.acme().stimulus(id, "ev_pending", json!({"pending_reason": format!("a {WORD}")})).await.unwrap();
    world.acme().update(id, json!({"title": "newer"})).await.unwrap();
    world.acme().attach(id, "a.txt", "text/plain", b"a").await.unwrap();
    world.pass_seconds(10).await;
    let copy = world.copy_of(id).await;
    assert_eq!(copy.field("title"), "[R-000001] newer");
    assert!(world.internal.attachments(copy.id).iter().any(|file| file.filename == "a.txt"));
    world.pass_seconds(10 * MINUTE).await;
    assert_eq!(world.copy_of(id).await.status(), "pending", "the state goes on without the words");
    world.acme().stimulus(id, "ev_assign", json!({"team_id": 37, "agent_id": 9})).await.unwrap();
    world.pass_seconds(10).await;
    assert_eq!(world.copy_of(id).await.status(), "assigned");
    world.internal.heal();
    world.settle().await;
    assert_eq!(world.link(id).await.link.open.held, []);
    world.one_more_pass_writes_nothing().await;
}

/// A stimulus does not reach this iTop, whatever it carries.
fn bar_stimulus(sim: &Sim, stimulus: &'static str) {
    sim.fail_with(move |call| (call.request()["stimulus"] == stimulus).then(|| Fault::barred(502)));
}

async fn assigned(world: &World) -> u64 {
    let id = create(world.acme(), "calm").await;
    world.acme().stimulus(id, "ev_assign", json!({"team_id": 37, "agent_id": 9})).await.unwrap();
    world.settle().await;
    id
}

async fn waits_for_its_text(world: &World, id: u64, code: &str) {
    let copy = world.copy_of(id).await;
    assert!(copy.field(code).contains("could not be delivered yet"), "{}", copy.field(code));
    let held = world.link(id).await.link.open.held;
    let texts = held.iter().filter(|held| matches!(&held.part, Part::Text(text) if text.code == code));
    assert_eq!(texts.count(), 1, "{held:?}");
}

async fn a_text_that_was_kept_back_arrives_though_its_walk_does_not_end(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let id = assigned(&world).await;
    world.internal.bar_word(WORD, Fault::barred(403));
    bar_stimulus(&world.internal, "ev_close");
    let solution = json!({"solution": format!("a {WORD}"), "resolution_code": "assistance", "service_id": 2});
    world.acme().drop_hooks(true);
    world.acme().stimulus(id, "ev_resolve", solution).await.unwrap();
    world.acme().drop_hooks(false);
    world.acme().stimulus(id, "ev_close", json!({})).await.unwrap();
    world.pass_seconds(HOUR / 2).await;
    assert_eq!(world.copy_of(id).await.status(), "resolved");
    waits_for_its_text(&world, id, "solution").await;
    // The text's way is free, and that of the last stimulus is not.
    world.internal.heal();
    bar_stimulus(&world.internal, "ev_close");
    world.pass_seconds(HOUR).await;
    let copy = world.copy_of(id).await;
    assert!(copy.status() == "resolved" && copy.field("solution").contains(WORD), "{}", copy.field("solution"));
    world.internal.heal();
    world.pass_seconds(HOUR + 10 * MINUTE).await;
    let copy = world.copy_of(id).await;
    assert!(copy.status() == "closed" && copy.field("solution").contains(WORD), "{}", copy.field("solution"));
    assert_eq!(world.link(id).await.link.open.held, []);
    world.one_more_pass_writes_nothing().await;
}

async fn a_text_that_was_kept_back_arrives_though_a_later_walk_is_kept_back(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let id = assigned(&world).await;
    world.internal.bar_word(WORD, Fault::barred(403));
    world.acme().stimulus(id, "ev_pending", json!({"pending_reason": format!("a {WORD}")})).await.unwrap();
    world.pass_seconds(10 * MINUTE).await;
    waits_for_its_text(&world, id, "pending_reason").await;
    bar_stimulus(&world.internal, "ev_assign");
    world.acme().stimulus(id, "ev_assign", json!({"team_id": 37, "agent_id": 9})).await.unwrap();
    world.pass_seconds(2 * HOUR).await;
    assert_eq!(world.copy_of(id).await.status(), "pending");
    waits_for_its_text(&world, id, "pending_reason").await;
    world.internal.heal();
    world.pass_seconds(7 * HOUR).await;
    let copy = world.copy_of(id).await;
    assert!(copy.field("pending_reason").contains(WORD), "{}", copy.field("pending_reason"));
    assert_eq!((copy.status(), world.link(id).await.link.open.held.as_slice()), ("assigned", [].as_slice()));
    world.one_more_pass_writes_nothing().await;
}

async fn a_text_that_was_kept_back_arrives_though_nobody_heard_that_the_ticket_was_moved(versions: Versions) {
    let late = Duration::from_secs(100);
    for fault in [Fault::Status(502, Effect::Committed), Fault::Hang(Effect::Committed), Fault::LandLate(late)] {
        let world = Setup::between(versions).start().await;
        let id = assigned(&world).await;
        world.internal.bar_word(WORD, Fault::barred(403));
        // The move without the text.
        world.internal.fail_when(1, fault.clone(), |call| call.says("could not be delivered yet"));
        world.acme().stimulus(id, "ev_pending", json!({"pending_reason": format!("a {WORD}")})).await.unwrap();
        world.pass_seconds(15 * MINUTE).await;
        assert_eq!(world.copy_of(id).await.status(), "pending", "{fault:?}");
        waits_for_its_text(&world, id, "pending_reason").await;
        world.internal.heal();
        world.settle().await;
        assert_eq!(world.copy_of(id).await.field("pending_reason"), format!("a {WORD}"), "{fault:?}");
        assert_eq!(world.link(id).await.link.open.held, [], "{fault:?}");
        world.one_more_pass_writes_nothing().await;
    }
}

async fn of_two_texts_that_were_kept_back_the_later_arrives(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let id = assigned(&world).await;
    for word in ["first-word", "second-word"] {
        world.internal.bar_word(word, Fault::barred(403));
        world.acme().stimulus(id, "ev_pending", json!({"pending_reason": format!("a {word}")})).await.unwrap();
        world.pass_seconds(10 * MINUTE).await;
        waits_for_its_text(&world, id, "pending_reason").await;
        if word == "first-word" {
            world.acme().stimulus(id, "ev_assign", json!({"team_id": 37, "agent_id": 9})).await.unwrap();
            world.pass_seconds(10).await;
            assert_eq!(world.copy_of(id).await.status(), "assigned");
        }
    }
    world.internal.heal();
    world.internal.bar_word("second-word", Fault::barred(403));
    world.pass_seconds(2 * HOUR).await;
    waits_for_its_text(&world, id, "pending_reason").await;
    world.internal.heal();
    world.pass_seconds(7 * HOUR).await;
    assert_eq!(world.copy_of(id).await.field("pending_reason"), "a second-word");
    assert_eq!(world.link(id).await.link.open.held, []);
    world.one_more_pass_writes_nothing().await;
}

async fn a_text_that_was_kept_back_is_cut_where_there_is_no_room_for_it(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let id = assigned(&world).await;
    world.internal.bar_word(WORD, Fault::barred(403));
    world.internal.limit_text("pending_reason", 600);
    let reason = format!("{} {WORD}", "one two three ".repeat(100));
    world.acme().stimulus(id, "ev_pending", json!({"pending_reason": reason})).await.unwrap();
    world.pass_seconds(10 * MINUTE).await;
    waits_for_its_text(&world, id, "pending_reason").await;
    world.internal.heal();
    world.settle().await;
    let copy = world.copy_of(id).await;
    assert!(copy.field("pending_reason").contains("[cut here"), "{}", copy.field("pending_reason"));
    let files = world.internal.attachments(copy.id);
    assert!(files.len() == 1 && String::from_utf8_lossy(&files[0].data).contains(&reason), "{files:?}");
    assert_eq!(world.link(id).await.link.open.held, []);
    world.one_more_pass_writes_nothing().await;
}

async fn what_is_kept_back_is_known_after_a_restart(versions: Versions) {
    let mut world = Setup::between(versions).start().await;
    let id = create(world.acme(), "calm").await;
    world.settle().await;
    world.internal.bar_word(WORD, Fault::barred(403));
    world.acme().update(id, json!({"description": format!("<p>a {WORD}</p>")})).await.unwrap();
    world.pass_seconds(2 * HOUR).await;
    world.crash().await;
    world.boot();
    world.clear_calls();
    world.pass_seconds(MINUTE).await;
    assert!(world.internal.writes() <= 1);
    let held = world.link(id).await.link.open.held;
    let part = Part::Field { code: "description".into() };
    assert!(matches!(held.as_slice(), [held] if held.part == part && held.status == 403), "{held:?}");
    assert!(row(&world, id).await.is_some_and(|row| row.parked));
    world.internal.heal();
    // An operator's `retry`.
    let now = world.now_ms();
    world.store.call(move |store| store.retry_parked(None, now)).await.unwrap();
    // It may have been tried a moment ago by itself.
    world.pass_seconds(MINUTE + 3).await;
    assert!(world.copy_of(id).await.field("description").contains(WORD));
    world.one_more_pass_writes_nothing().await;
}

async fn a_side_that_answers_so_to_every_call_is_down(versions: Versions) {
    // One that asks for fewer calls is not: `slowed_down`.
    for status in STATUSES.into_iter().filter(|status| *status != 429) {
        let world = Setup::between(versions).start().await;
        let id = create(world.acme(), "calm").await;
        world.settle().await;
        world.internal.fail_with(move |_| Some(Fault::barred(status)));
        world.acme().update(id, json!({"title": "newer"})).await.unwrap();
        world.pass_seconds(5 * MINUTE).await;
        let issues = world.issues();
        assert!(matches!(issues.as_slice(), [one] if one.starts_with("elitery is down")), "{status}: {issues:?}");
        assert_eq!(world.link(id).await.link.open.held, [], "{status}");
        world.internal.heal();
        world.pass_seconds(2 * MINUTE).await;
        assert_eq!(world.copy_of(id).await.field("title"), "[R-000001] newer", "{status}");
        world.one_more_pass_writes_nothing().await;
    }
}

/// A hint of a file is taken in once, however long something else of the ticket is kept back.
async fn a_deletion_crosses_while_something_else_is_kept_back(versions: Versions) {
    for side in Side::BOTH {
        let world = Setup::between(versions).start().await;
        let id = create(world.acme(), "calm").await;
        world.settle().await;
        let copy = world.copy_of(id).await.id;
        let (sim, ticket, other, counterpart) = match side {
            Side::External => (world.acme(), id, &world.internal, copy),
            Side::Internal => (&world.internal, copy, world.acme(), id),
        };
        let deleted = sim.attach(ticket, "deleted.txt", "text/plain", b"deleted").await.unwrap();
        world.settle().await;
        world.internal.bar_word(WORD, Fault::barred(403));
        world.acme().update(id, json!({"description": format!("<p>a {WORD}</p>")})).await.unwrap();
        world.pass_seconds(10).await;
        sim.attach(ticket, "later.txt", "text/plain", b"later").await.unwrap();
        world.pass_seconds(3 * MINUTE).await;
        let names = || {
            let files = other.attachments(counterpart).into_iter().map(|file| file.filename);
            files.filter(|name| ["deleted.txt", "later.txt"].contains(&name.as_str())).collect::<Vec<_>>()
        };
        assert_eq!(names(), ["deleted.txt", "later.txt"], "{side:?}");
        sim.delete_attachment(deleted).await;
        world.pass_seconds(10 * MINUTE).await;
        assert_eq!(names(), ["later.txt"], "{side:?}");
        assert!(world.link(id).await.link.held(&Part::Field { code: "description".into() }).is_some(), "{side:?}");
        // Each try of what is kept back is one write, and reads no file again.
        sim.clear_calls();
        world.pass_seconds(2 * HOUR).await;
        let reads = sim.calls().into_iter().filter(|call| call.class == "Attachment" && call.json.contains("contents"));
        assert_eq!(reads.count(), 0, "{side:?}");
        world.internal.heal();
        world.pass_seconds(7 * HOUR).await;
        world.settle().await;
        assert!(world.copy_of(id).await.field("description").contains(WORD), "{side:?}");
        world.one_more_pass_writes_nothing().await;
    }
}

/// Nobody knows that `solution` is HTML inside: it is sent plain with the move, which passes. Written once more as HTML
/// it does not.
#[tokio::test(start_paused = true)]
async fn a_text_that_is_kept_back_as_html_waits_by_itself() {
    for (outside, a_person_writes) in [(Version::V3_1, false), (Version::V3_2, false), (Version::V3_1, true)] {
        let log = Log::kept();
        let world = Setup::with_external(outside).start().await;
        let id = assigned(&world).await;
        let is_html = |call: &Call| call.operation == "core/update" && call.says("&lt;");
        world.internal.fail_when(usize::MAX, Fault::barred(403), is_html);
        let words = match outside {
            Version::V3_1 => "if a <b then reboot",
            Version::V3_2 => "<p>if a &lt;b then reboot</p>",
        };
        let solution = json!({"solution": words, "resolution_code": "assistance", "service_id": 2});
        world.acme().stimulus(id, "ev_resolve", solution).await.unwrap();
        world.acme().attach(id, "a.txt", "text/plain", b"a").await.unwrap();
        world.pass_seconds(10).await;
        let copy = world.copy_of(id).await;
        assert_eq!(copy.status(), "resolved");
        assert!(world.internal.attachments(copy.id).iter().any(|file| file.filename == "a.txt"));
        world.pass_seconds(30 * MINUTE).await;
        let told = "solution in the internal iTop as HTML: 403 by what stands before elitery";
        let waits = row(&world, id).await.expect("it waits");
        assert!(!waits.parked && waits.error.as_deref() == Some(told), "{waits:?}");
        world.pass_seconds(31 * MINUTE).await;
        let waits = row(&world, id).await.expect("it waits");
        assert!(waits.parked && waits.error.as_deref() == Some(told), "{waits:?}");
        let events = events(&world);
        let is_told = matches!(events.as_slice(), [(event, text)] if event == "parked" && text.contains(told));
        assert!(is_told, "{events:?}");
        assert_eq!(log.lines("is tried again, and the rest of the ticket goes on").len(), 1);
        world.clear_calls();
        world.pass_seconds(30 * MINUTE).await;
        assert!(world.internal.writes() <= 1);
        if a_person_writes {
            world.internal.update(copy.id, json!({"solution": "<p>a person's</p>"})).await.unwrap();
            world.acme().update(id, json!({"urgency": "2"})).await.unwrap();
            world.pass_seconds(MINUTE).await;
            assert_eq!(world.link(id).await.link.open.held, []);
        }
        world.internal.heal();
        world.pass_seconds(HOUR + 10 * MINUTE).await;
        let shows = if a_person_writes { "<p>a person's</p>" } else { "<p>if a &lt;b then reboot</p>" };
        assert_eq!(world.copy_of(id).await.field("solution"), shows);
        assert_eq!(world.link(id).await.link.open.held, []);
        world.one_more_pass_writes_nothing().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_text_that_was_written_as_html_behind_a_page_waits_no_more() {
    let world = Setup::with_external(Version::V3_2).start().await;
    let id = assigned(&world).await;
    let page = Fault::Proxy { status: 403, header: None, effect: Effect::Committed };
    world.internal.fail_when(usize::MAX, page, |call| call.operation == "core/update" && call.says("&lt;"));
    let words = "<p>if a &lt;b then <b>reboot</b></p>";
    let solution = json!({"solution": words, "resolution_code": "assistance", "service_id": 2});
    world.acme().stimulus(id, "ev_resolve", solution).await.unwrap();
    world.settle().await;
    assert_eq!(world.copy_of(id).await.field("solution"), words);
    assert_eq!(world.link(id).await.link.open.held, []);
    assert!(world.internal.calls().iter().filter(|call| call.operation == "core/update").count() <= 1);
    world.one_more_pass_writes_nothing().await;
}
