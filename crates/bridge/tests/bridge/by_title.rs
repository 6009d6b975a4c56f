//! `backfill --match title`: a counterpart that stands already is adopted, and no second ticket is made.

mod like;

use itop_bridge::cli::Outcome;
use itop_bridge_engine::BackfillRequest;
use itop_bridge_store::LinkState;
use itop_bridge_testkit::world::*;
use serde_json::Value as Json;
use tokio::sync::Notify;

use crate::backfill::with_older;
use crate::status::go;

any_version![
    a_ticket_that_a_title_names_is_adopted_and_the_others_are_carried,
    what_titles_leave_unclear_is_left_alone_and_said,
    what_is_linked_unlinked_or_somebodys_copy_is_no_counterpart,
    a_title_that_names_a_ticket_of_another_run_is_left_alone,
    a_title_that_stands_for_its_own_copy_is_taken_by_its_mark,
    a_stopped_adoption_goes_on,
    hundreds_are_looked_for_in_a_few_calls,
    a_pair_that_cannot_be_adopted_is_said_and_gets_no_copy,
    a_ticket_of_another_customer_is_no_counterpart,
    of_a_ticket_newer_than_the_connection_it_is_said_that_a_copy_comes,
];

const HOUR: u64 = 3600;
const WANTED: &str = "--side acme --since 2026-11-24 --match title --yes";

/// Acme's tickets with the ids 1, 2, …, older than the bridge.
async fn older(versions: Versions, titles: &[&str]) -> World {
    let tickets: Vec<_> = titles.iter().map(|title| ("UserRequest", ticket(title))).collect();
    with_older(Setup::between(versions), &tickets).await
}

async fn inside(world: &World, title: &str) -> u64 {
    world.internal.create_ticket("UserRequest", ticket(title)).await.unwrap()
}

fn titles(world: &World) -> Vec<String> {
    world.internal.tickets("Ticket").iter().map(|ticket| ticket.field("title").to_owned()).collect()
}

async fn a_ticket_that_a_title_names_is_adopted_and_the_others_are_carried(versions: Versions) {
    let mut world = older(versions, &["Printer on fire", "No network", "Laptop"]).await;
    let known = inside(&world, "(r-000001) Printer\u{7} burns, says acme").await;
    inside(&world, "R-0000021 and XR-000002 are others").await;
    world.acme().add_log_entry(1, "private_log", "<p>From before</p>").await.unwrap();
    world.internal.attach(known, "ours.txt", "text/plain", b"ours").await.unwrap();
    world.settle().await;
    world.clear_calls();

    let dry = "--side acme --since 2026-11-24 --match title --dry-run";
    let (outcome, said) = world.backfill(dry).await.unwrap();
    assert_eq!(outcome, Outcome::Fine);
    let (_, found) = said.split_once("named in the title").unwrap();
    assert_eq!(
        found,
        " of a ticket of elitery, each with its counterpart:\n\
         TICKET         COUNTERPART       ORGANISATION  ITS TITLE\n\
         acme:R-000001  elitery:R-001001  Demo          (r-000001) Printer burns, says acme\n\
         \n\
         made since 2026-11-24 and not in elitery yet: 2 tickets\n\
         named in one title, whose ticket is the counterpart: 1 ticket\n\
         Nothing was marked: this was a dry run.\n"
    );
    assert!(world.links().await.is_empty() && world.queue().await.is_empty());
    let (_, said) = world.backfill(&format!("{dry} --json")).await.unwrap();
    let shown: Json = serde_json::from_str(&said).unwrap();
    assert_eq!(shown["pairs"][0]["ticket"]["reference"], json!("R-000001"));
    assert_eq!(shown["pairs"][0]["counterpart"]["id"], json!(known));
    assert_eq!((&shown["adopted"], &shown["unclear"]), (&json!([]), &json!([])));
    assert_eq!(shown["tickets"].as_array().unwrap().len(), 2);

    let no = |question: &str| {
        assert_eq!(question, "Adopt 1 pair and mark 2 tickets?");
        Ok(false)
    };
    world.backfill_asking("--side acme --since 2026-11-24 --match title", &no).await.unwrap();
    assert!(world.links().await.is_empty() && world.queue().await.is_empty());

    let (outcome, said) = world.backfill(WANTED).await.unwrap();
    assert_eq!(outcome, Outcome::Fine);
    let (_, did) = said.split_once("counterpart: 1 ticket\n").unwrap();
    let pair = "acme:R-000001 with elitery:R-001001: left as it is:";
    let differed = "it differed when the two became a pair; it is left so until it changes in the external iTop";
    assert_eq!(
        did,
        format!(
            "{pair} description: {differed}\n{pair} title: {differed}\nAdopted: 1 pair, as they stand.\n\
             Marked: 2 tickets. `serve` carries them, after the tickets that webhooks announce.\n"
        )
    );
    assert_eq!(world.acme().writes() + world.internal.writes(), 0, "adopting writes nothing");
    assert!(world.did(1, "the internal ticket's title names the external one").await);
    world.settle().await;
    world.pass_seconds(3 * HOUR).await;
    assert_eq!(titles(&world).len(), 4);
    assert_eq!(world.link(1).await.link.internal.unwrap().id, known);
    assert_eq!(world.internal.ticket(known).unwrap().field("title"), "(r-000001) Printer\u{7} burns, says acme");
    assert!(world.acme().attachments(1).is_empty(), "what stood counts as delivered");
    assert_eq!(world.copy_of(2).await.field("title"), "[R-000002] No network");
    world.one_more_pass_writes_nothing().await;

    let (outcome, said) = world.backfill(WANTED).await.unwrap();
    let nothing = "made since 2026-11-24 and not in elitery yet: 0 tickets\n\
                   left as they are, since they have a pair: 3 tickets\n\
                   Nothing was marked.\n";
    assert_eq!((outcome, said.as_str()), (Outcome::Fine, nothing));
    assert_eq!(world.queue().await, []);
    let shown = world.show("acme:R-000001").await;
    let report =
        "report of the status (new): none was made, as the pair was adopted with this state; the next one makes it";
    assert!(shown.contains(report), "{shown}");
    // Then changes cross.
    world.acme().update(1, json!({ "title": "Printer still on fire" })).await.unwrap();
    go(&world.internal, known, &["ev_assign"]).await;
    world.settle().await;
    assert_eq!(world.internal.ticket(known).unwrap().field("title"), "[R-000001] Printer still on fire");
    assert_eq!(world.acme().attachments(1)[0].filename, "elitery R-001001 assigned.txt");
    world.one_more_pass_writes_nothing().await;
}

async fn what_titles_leave_unclear_is_left_alone_and_said(versions: Versions) {
    let mut world = older(versions, &["Printer", "Network", "Laptop", "Mouse"]).await;
    let first = inside(&world, "R-000001 Printer").await;
    inside(&world, "again R-000001").await;
    let both = inside(&world, "R-000002, R-000003: Network and laptop").await;
    let (outcome, said) = world.backfill(WANTED).await.unwrap();
    assert_eq!(outcome, Outcome::FaultFound);
    let right = |name: &str, other: &str| {
        let link = format!("`itop-bridge links link {name} {other}`");
        let how = match other {
            "TICKET" => format!("{link} makes a pair with the right one"),
            _ => format!("If these two belong together, {link} makes them a pair"),
        };
        format!(
            "{how}; if it has no counterpart, take its reference out of the titles and run this again. Until then it stays where it is, also when it is changed\n"
        )
    };
    let both_name = format!("elitery:{}", world.internal.ticket(both).unwrap().field("ref"));
    let expected = format!(
        "left alone: acme:R-000001: several titles name it: elitery:R-001001, elitery:R-001002. {}\
         left alone: acme:R-000002: the title of {both_name} names acme:R-000003 too. {}\
         left alone: acme:R-000003: the title of {both_name} names acme:R-000002 too. {}\
         \n\
         made since 2026-11-24 and not in elitery yet: 1 ticket\n\
         left alone, since the titles do not identify the counterpart: 3 tickets\n\
         Marked: 1 ticket. `serve` carries them, after the tickets that webhooks announce.\n",
        right("acme:R-000001", "TICKET"),
        right("acme:R-000002", &both_name),
        right("acme:R-000003", &both_name),
    );
    assert!(said.ends_with(&expected), "{said}");
    world.settle().await;
    assert_eq!(titles(&world).len(), 4, "only the mouse got a copy");
    for id in 1..=3 {
        assert!(world.link_of("acme", id).await.is_none());
    }
    // What was said to be done is done.
    world.internal.update(first, json!({ "title": "Printer" })).await.unwrap();
    world.internal.update(both, json!({ "title": "R-000002: Network" })).await.unwrap();
    let (outcome, said) = world.backfill(WANTED).await.unwrap();
    assert_eq!(outcome, Outcome::Fine, "{said}");
    assert!(said.contains("Adopted: 2 pairs, as they stand.\nMarked: 1 ticket."), "{said}");
    world.settle().await;
    assert_eq!(world.copy_of(3).await.field("title"), "[R-000003] Laptop");
    assert_eq!(world.link(2).await.link.internal.unwrap().id, both);
    world.one_more_pass_writes_nothing().await;
}

/// It was opened while `serve` was stopped: no operator is waited for.
async fn of_a_ticket_newer_than_the_connection_it_is_said_that_a_copy_comes(versions: Versions) {
    let mut world = older(versions, &["Printer"]).await;
    world.crash().await;
    world.acme().create_ticket("UserRequest", ticket("Network")).await.unwrap();
    for title in ["R-000001 and R-000002", "R-000002 too"] {
        inside(&world, title).await;
    }
    let (outcome, said) = world.backfill(WANTED).await.unwrap();
    assert_eq!(outcome, Outcome::FaultFound);
    let expected = "newer than the connection: acme:R-000002: several titles name it: elitery:R-001001, elitery:R-001002. \
                    `serve` makes a copy of it; if one of these is its counterpart, link it first, while `serve` is \
                    stopped or acme is paused: `itop-bridge links link acme:R-000002 TICKET`\n";
    assert!(said.contains(expected) && said.starts_with("left alone: acme:R-000001: "), "{said}");
    assert!(
        said.contains(
            "left alone, since the titles do not identify the counterpart: 1 ticket\n\
             newer than the connection, copied by `serve` unless they are linked first: 1 ticket\n"
        ),
        "{said}"
    );
    let (_, said) = world.backfill(&format!("{WANTED} --json")).await.unwrap();
    let shown: Json = serde_json::from_str(&said).unwrap();
    assert_eq!((&shown["unclear"][0]["newer"], &shown["unclear"][1]["newer"]), (&json!(false), &json!(true)));
    world.boot();
    world.pass_seconds(600).await;
    world.settle().await;
    assert_eq!(world.copy_of(2).await.field("title"), "[R-000002] Network");
    assert!(world.link_of("acme", 1).await.is_none());
    world.one_more_pass_writes_nothing().await;
}

async fn what_is_linked_unlinked_or_somebodys_copy_is_no_counterpart(versions: Versions) {
    let mut world = older(versions, &["Printer", "Network", "Laptop", "Mouse", "Screen", "O'Brien \\ % _"]).await;
    // Two that are carried by themselves; then a person names older ones in their titles.
    let mut copies = Vec::new();
    for title in ["New one", "New two"] {
        let id = world.acme().create_ticket("UserRequest", ticket(title)).await.unwrap();
        world.settle().await;
        copies.push(world.copy_of(id).await.id);
    }
    world.internal.update(copies[0], json!({ "title": "R-000001" })).await.unwrap();
    world.internal.update(copies[1], json!({ "title": "R-000002" })).await.unwrap();
    world.end_pair(8).await;
    world.internal.create_ticket("Incident", ticket("R-000003")).await.unwrap();
    for (title, mark) in [("R-000004", "7f3a:acme:UserRequest:99"), ("R-000005", "beef:acme:UserRequest:5")] {
        let mut copy = ticket(title);
        copy["private_log"] = json!(format!("A copy. [itop-bridge:{mark}]"));
        world.internal.create_ticket("UserRequest", copy).await.unwrap();
    }
    world.settle().await;
    let before = titles(&world).len();
    let (outcome, said) = world.backfill(WANTED).await.unwrap();
    assert_eq!(outcome, Outcome::Fine, "{said}");
    assert!(said.contains("not in elitery yet: 6 tickets\n") && !said.contains("counterpart"), "{said}");
    world.settle().await;
    assert_eq!(titles(&world).len(), before + 6);
    assert_eq!(world.link_of("acme", 8).await.unwrap().state, LinkState::Ended);
    world.one_more_pass_writes_nothing().await;
}

/// Each run is shown one of the two: the title leaves it open all the same. So does one whose other ticket has a pair.
async fn a_title_that_names_a_ticket_of_another_run_is_left_alone(versions: Versions) {
    let mut world = older(versions, &["Printer", "Network", "O'Brien"]).await;
    world.acme().create_ticket("Incident", ticket("Carried")).await.unwrap();
    world.settle().await;
    let copy = world.copy_of(4).await.id;
    go(world.acme(), 2, &["ev_assign"]).await;
    let both = inside(&world, "R-000001 and R-000002, O'R-99 (R-000098)").await;
    let with_paired = inside(&world, "R-000003: like i-000004").await;
    for (state, ticket, named) in [("new", 1, "acme:R-000002"), ("assigned", 2, "acme:R-000001")] {
        let (outcome, said) = world.backfill(&format!("{WANTED} --class UserRequest --state {state}")).await.unwrap();
        assert_eq!(outcome, Outcome::FaultFound, "{said}");
        let name = format!("elitery:{}", world.internal.ticket(both).unwrap().field("ref"));
        let left = format!("left alone: acme:R-00000{ticket}: the title of {name} names {named} too.");
        assert!(said.contains(&left) && !said.contains("Adopted"), "{said}");
        if state == "new" {
            assert!(
                said.contains("left alone: acme:R-000003: ") && said.contains(" names acme:I-000004 too."),
                "{said}"
            );
        }
    }
    world.settle().await;
    assert_eq!(world.links().await.len(), 1, "nothing was taken, and nothing marked");
    // What the person meant is said in the titles; what the first run took is offered to nobody again.
    world.internal.update(both, json!({ "title": "R-000001" })).await.unwrap();
    world.internal.update(with_paired, json!({ "title": "R-000003" })).await.unwrap();
    let (outcome, said) = world.backfill(&format!("{WANTED} --state new")).await.unwrap();
    assert!(outcome == Outcome::Fine && said.contains("Adopted: 2 pairs, as they stand."), "{said}");
    world.internal.update(both, json!({ "title": "R-000002" })).await.unwrap();
    let (outcome, said) = world.backfill(&format!("{WANTED} --state assigned")).await.unwrap();
    assert!(outcome == Outcome::Fine && !said.contains("Adopted") && said.contains("Marked: 1 ticket."), "{said}");
    world.settle().await;
    assert_eq!(world.link(1).await.link.internal.unwrap().id, both);
    assert_eq!(world.copy_of(4).await.id, copy);
    assert_eq!(world.copy_of(2).await.field("title"), "[R-000002] Network");
    world.one_more_pass_writes_nothing().await;
}

/// Of two titles that name the ticket, one is the bridge's own copy of it: its store was lost.
async fn a_title_that_stands_for_its_own_copy_is_taken_by_its_mark(versions: Versions) {
    let mut world = older(versions, &["Printer"]).await;
    // Of a store that knows no pair at all it would be asked whether it was lost.
    world.acme().create_ticket("UserRequest", ticket("newer")).await.unwrap();
    world.settle().await;
    inside(&world, "what became of R-000001?").await;
    let mut copy = ticket("[R-000001] Printer");
    copy["private_log"] = json!("This ticket is a copy of R-000001 in acme. [itop-bridge:7f3a:acme:UserRequest:1]");
    let copy = world.internal.create_ticket("UserRequest", copy).await.unwrap();
    let (outcome, said) = world.backfill(WANTED).await.unwrap();
    assert_eq!(outcome, Outcome::Fine, "{said}");
    world.settle().await;
    assert_eq!(world.link(1).await.link.internal.unwrap().id, copy);
    assert_eq!(titles(&world).len(), 3);
    world.one_more_pass_writes_nothing().await;
}

async fn a_stopped_adoption_goes_on(versions: Versions) {
    let named: Vec<String> = (1..=120).map(|number| format!("Named {number}")).collect();
    let mut all: Vec<&str> = named.iter().map(String::as_str).collect();
    all.extend(["Not named"; 3]);
    let mut world = older(versions, &all).await;
    for number in 1..=120 {
        inside(&world, &format!("R-{number:06}")).await;
    }
    world.crash().await;
    let engine = world.app().engine;
    let request = BackfillRequest {
        external: "acme".into(),
        since: "2026-11-24".parse().unwrap(),
        classes: [].into(),
        states: [].into(),
        match_title: true,
    };
    let requested = engine.find_requested(&request, &|_| {}).await.unwrap();
    assert_eq!((requested.pairs.len(), requested.unclear.len(), requested.tickets.len()), (120, 0, 3));
    let one_page = Notify::new();
    let tell = |done: usize, _| {
        if done > 0 {
            one_page.notify_one();
        }
    };
    tokio::select! {
        biased;
        () = one_page.notified() => {}
        done = engine.adopt_by_title("acme", &requested.pairs, &tell) => panic!("it is stopped on the way: {done:?}"),
    }
    let adopted = world.links().await.len();
    assert!((100..120).contains(&adopted), "{adopted}");

    let (outcome, said) = world.backfill(WANTED).await.unwrap();
    assert_eq!(outcome, Outcome::Fine);
    assert!(said.contains(&format!("since they have a pair: {adopted} tickets\n")), "{said}");
    assert!(said.contains(&format!("Adopted: {} pairs, as they stand.\nMarked: 3 tickets.", 120 - adopted)), "{said}");
    world.clear_calls();
    world.boot();
    world.settle().await;
    assert_eq!(titles(&world).len(), 123);
    let calls = world.internal.calls();
    let written: Vec<&str> = calls.iter().filter(|call| call.wrote).map(|call| call.json.as_str()).collect();
    assert_eq!(written.len(), 3, "{written:#?}");
    let (_, said) = world.backfill(WANTED).await.unwrap();
    assert!(said.ends_with("since they have a pair: 123 tickets\nNothing was marked.\n"), "{said}");
    world.one_more_pass_writes_nothing().await;
}

async fn hundreds_are_looked_for_in_a_few_calls(versions: Versions) {
    let named: Vec<String> = (1..=600).map(|number| format!("Old {number}")).collect();
    let mut world = older(versions, &named.iter().map(String::as_str).collect::<Vec<_>>()).await;
    for number in 1..=400 {
        inside(&world, &format!("[R-{number:06}] Old {number}")).await;
    }
    world.crash().await;
    world.clear_calls();
    let (_, said) = world.backfill("--side acme --since 2026-11-24 --match title --dry-run").await.unwrap();
    assert!(said.contains("whose ticket is the counterpart: 400 tickets\n"), "{said}");
    let calls = world.internal.calls().len();
    assert!(calls < 30, "{calls} calls");
    assert_eq!(world.internal.writes() + world.acme().writes(), 0);
    assert!(world.links().await.is_empty() && world.queue().await.is_empty());
    world.ends_without_one_more_pass("nothing was linked");
}

async fn a_pair_that_cannot_be_adopted_is_said_and_gets_no_copy(versions: Versions) {
    let mut world = older(versions, &["Printer", "Network"]).await;
    let mut copy = ticket("A copy of somebody's");
    copy["private_log"] = json!("A copy. [itop-bridge:beef:other:UserRequest:9]");
    world.acme().create_ticket("UserRequest", copy).await.unwrap();
    inside(&world, "R-000001").await;
    inside(&world, "R-000003").await;
    world.settle().await;
    let (outcome, said) = world.backfill(WANTED).await.unwrap();
    assert_eq!(outcome, Outcome::FaultFound);
    let why = "ticket 3 of acme is a bridge's copy itself, and never copied on";
    assert!(said.contains(&format!("not adopted: acme:R-000003 with elitery:R-001002: {why}\n")), "{said}");
    assert!(said.contains("Adopted: 1 pair, as they stand.\nMarked: 1 ticket."), "{said}");
    world.settle().await;
    assert!(world.link_of("acme", 3).await.is_none());
    assert_eq!(titles(&world).len(), 3);

    for down in [world.acme().clone(), world.internal.clone()] {
        let links = world.links().await;
        down.down(true);
        let error = world.backfill(WANTED).await.unwrap_err();
        let name = if down.base_url().contains("acme") { "acme: " } else { "elitery: " };
        assert!(error.starts_with(&format!("nothing was marked: {name}")), "{error}");
        down.down(false);
        assert_eq!(world.links().await, links);
    }
    world.pass_seconds(120).await;
    world.one_more_pass_writes_nothing().await;
}

/// Both customers have a R-000001.
async fn a_ticket_of_another_customer_is_no_counterpart(versions: Versions) {
    let of = |organisation: &str| format!("only = \"all\"\ninternal_defaults = {{ org = {organisation} }}");
    let externals = vec![versions.external; 2];
    let setup = Setup { externals, beta: of("2"), ..Setup::between(versions).acme(&of("\"Demo\"")) };
    let mut world = with_older(setup, &[("UserRequest", ticket("Printer"))]).await;
    let mut theirs = ticket("R-000001 of beta");
    theirs["org_id"] = json!(2);
    world.internal.create_ticket("UserRequest", theirs).await.unwrap();
    let (_, said) = world.backfill(WANTED).await.unwrap();
    assert!(
        said.ends_with(
            "not in elitery yet: 1 ticket\nMarked: 1 ticket. `serve` carries them, after the tickets that webhooks announce.\n"
        ),
        "{said}"
    );
    world.settle().await;
    assert_eq!(world.copy_of(1).await.field("title"), "[R-000001] Printer");
    world.one_more_pass_writes_nothing().await;
}
