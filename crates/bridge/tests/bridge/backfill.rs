//! `backfill`: tickets older than the connection come under the bridge because an operator wants them there.

use std::time::Duration;

use itop_bridge::cli::Outcome;
use itop_bridge_store::{Activity, LinkState};
use itop_bridge_testkit::world::*;
use serde_json::Value as Json;

any_version![
    older_tickets_come_under_the_bridge,
    a_ticket_that_started_before_since_is_left_to_backfill,
    a_change_that_was_made_after_since_is_carried,
    what_was_unlinked_stays_so,
    nothing_is_marked_unless_it_is_wanted,
    a_stopped_backfill_goes_on_and_what_hooks_tell_of_goes_first,
    hundreds_are_read_in_one_call,
    what_cannot_be_done_is_said_and_nothing_is_marked,
];

const HELPDESK: &str = "only = \"team_id_friendlyname = 'Helpdesk'\"";
const ONE_CLASS: &str = "classes = { UserRequest = \"UserRequest\" }";

fn of_helpdesk(title: &str) -> Json {
    let mut fields = ticket(title);
    fields["team_id"] = json!(sample::HELPDESK);
    fields
}

/// A bridge that first starts when these tickets have stood for ten minutes; acme's have the ids 1, 2, …
pub async fn with_older(setup: Setup, tickets: &[(&str, Json)]) -> World {
    let mut world = setup.start().await;
    world.crash().await;
    for (class, fields) in tickets {
        world.acme().create_ticket(class, fields.clone()).await.unwrap();
    }
    world.pass_seconds(600).await;
    world.start_anew().await;
    world
}

async fn older_tickets_come_under_the_bridge(versions: Versions) {
    let tickets = [
        ("UserRequest", of_helpdesk("Printer on fire")),
        ("UserRequest", ticket("Internal affairs")),
        ("Incident", of_helpdesk("No\u{7} network")),
        ("UserRequest", of_helpdesk("New laptop")),
        ("NormalChange", of_helpdesk("Move the rack")),
    ];
    let mut world = with_older(Setup::between(versions).acme(HELPDESK), &tickets).await;
    world.acme().drop_hooks(true);
    world.acme().attach(1, "old.txt", "text/plain", b"old").await.unwrap();
    world.acme().drop_hooks(false);
    world.pass_seconds(700).await;
    world.settle().await;
    assert_eq!(world.internal_count(), 0, "they are older than the connection");

    let (outcome, said) = world.backfill("--side acme --since 2026-11-24 --yes").await.unwrap();
    let expected = "\
CLASS         STATE  TICKETS
Incident      new    1
NormalChange  new    1
UserRequest   new    2

These:
TICKET         STATE  LAST UPDATE          TITLE
acme:R-000001  new    DATE  Printer on fire
acme:I-000003  new    DATE  No network
acme:R-000004  new    DATE  New laptop
acme:C-000005  new    DATE  Move the rack

made since 2026-11-24 and not in elitery yet: 4 tickets
Marked: 4 tickets. `serve` carries them, after the tickets that webhooks announce.
";
    let date = world.acme().ticket(1).unwrap().field("last_update").to_owned();
    let shown = |id: u64| world.acme().ticket(id).unwrap().field("last_update").to_owned();
    let said = [1, 3, 4, 5].map(shown).iter().fold(said, |said, date| said.replace(date.as_str(), "DATE"));
    assert!(date.starts_with("2026-11-24"), "{date}");
    assert_eq!((outcome, said.as_str()), (Outcome::Fine, expected));

    world.settle().await;
    assert_eq!(world.internal_count(), 4);
    assert!(world.link_of("acme", 2).await.is_none(), "`only` holds");
    assert_eq!(world.copy_of(5).await.field("title"), "[C-000005] Move the rack");
    let copy = world.copy_of(1).await;
    assert_eq!(copy.field("title"), "[R-000001] Printer on fire");
    assert_eq!(world.internal.attachments(copy.id).len(), 1, "with its file");
    world.one_more_pass_writes_nothing().await;

    let (_, said) = world.backfill("--side acme --since 2026-11-24 --yes").await.unwrap();
    let expected = "made since 2026-11-24 and not in elitery yet: 0 tickets\n\
                    left as they are, since they have a pair: 4 tickets\n\
                    Nothing was marked.\n";
    assert_eq!(said, expected);
    assert_eq!(world.queue().await, []);
    world.acme().update(1, json!({ "title": "Printer still on fire" })).await.unwrap();
    world.settle().await;
    assert_eq!(world.copy_of(1).await.field("title"), "[R-000001] Printer still on fire");
    world.one_more_pass_writes_nothing().await;
}

async fn a_ticket_that_started_before_since_is_left_to_backfill(versions: Versions) {
    let mut world = Setup::between(versions).sync("since = 2026-12-01").start().await;
    let id = world.acme().create_ticket("UserRequest", ticket("Printer on fire")).await.unwrap();
    // What is planned for later was made now.
    let mut planned = ticket("Move the rack");
    planned["start_date"] = json!("2026-12-05 08:00:00");
    let change = world.acme().create_ticket("NormalChange", planned).await.unwrap();
    world.settle().await;
    assert_eq!(world.internal_count(), 0);
    let (_, said) = world.backfill("--side acme --since 2026-11-25 --yes").await.unwrap();
    assert!(said.starts_with("made since 2026-11-25 and not in elitery yet: 0 tickets\n"), "{said}");
    world.backfill("--side acme --since 2026-11-24 --yes").await.unwrap();
    world.settle().await;
    assert_eq!(world.copy_of(id).await.field("title"), "[R-000001] Printer on fire");
    assert_eq!(world.copy_of(change).await.field("title"), "[C-000002] Move the rack");
    world.one_more_pass_writes_nothing().await;
}

/// Nothing is planned of a change when it is made: its `start_date` is empty.
async fn a_change_that_was_made_after_since_is_carried(versions: Versions) {
    let world = Setup::between(versions).sync("since = 2026-11-24").start().await;
    for class in ["RoutineChange", "NormalChange", "EmergencyChange", "Incident"] {
        let id = world.acme().create_ticket(class, ticket(class)).await.unwrap();
        world.settle().await;
        assert_eq!(world.copy_of(id).await.class, class);
    }
    world.one_more_pass_writes_nothing().await;
}

async fn what_was_unlinked_stays_so(versions: Versions) {
    let mut world = with_older(Setup::between(versions), &[("UserRequest", ticket("Printer on fire"))]).await;
    world.backfill("--side acme --since 2026-11-24 --yes").await.unwrap();
    world.settle().await;
    let (link, now) = (world.link(1).await.id, world.now_ms());
    let did = Activity::in_words(now, "unlinked");
    let end = move |store: &mut dyn itop_bridge_store::Store| {
        store.amend_link(link, &|_, state| *state = LinkState::Ended, &did, now)
    };
    world.store.call(end).await.unwrap();
    let (_, said) = world.backfill("--side acme --since 2026-11-24 --yes").await.unwrap();
    let expected = "made since 2026-11-24 and not in elitery yet: 0 tickets\n\
                    left alone, since their pair was ended: 1 ticket\n\
                    Nothing was marked.\n";
    assert_eq!(said, expected);
    world.settle().await;
    assert_eq!(world.internal_count(), 1);
    world.one_more_pass_writes_nothing().await;
}

async fn nothing_is_marked_unless_it_is_wanted(versions: Versions) {
    let tickets = [("UserRequest", ticket("Printer on fire")), ("Incident", ticket("No network"))];
    let mut world = with_older(Setup::between(versions), &tickets).await;
    let dry = "--side acme --since 2026-11-24 --dry-run --class Incident";
    let (_, said) = world.backfill(dry).await.unwrap();
    assert!(said.contains("Incident  new    1\n") && !said.contains("UserRequest"), "{said}");
    assert!(said.ends_with("1 ticket\nNothing was marked: this was a dry run.\n"), "{said}");
    let (_, said) = world.backfill(&format!("{dry} --json")).await.unwrap();
    let shown: Json = serde_json::from_str(&said).unwrap();
    assert_eq!(shown["counts"], json!([{ "class": "Incident", "state": "new", "tickets": 1 }]));
    assert_eq!((&shown["tickets"][0]["reference"], &shown["marked"]), (&json!("I-000002"), &json!(0)));
    let no = |question: &str| {
        assert_eq!(question, "Mark 2 tickets?");
        Ok(false)
    };
    let (_, said) = world.backfill_asking("--side acme --since 2026-11-24 --state new", &no).await.unwrap();
    assert!(said.ends_with("2 tickets\nNothing was marked.\n"), "{said}");
    let (_, said) = world.backfill("--side acme --since 2026-11-24 --state resolved --yes").await.unwrap();
    assert_eq!(said, "made since 2026-11-24 and not in elitery yet: 0 tickets\nNothing was marked.\n");
    assert_eq!(world.queue().await, []);
    world.backfill_asking("--side acme --since 2026-11-24 --state new", &|_| Ok(true)).await.unwrap();
    world.settle().await;
    assert_eq!(world.internal_count(), 2);
    world.one_more_pass_writes_nothing().await;
}

async fn a_stopped_backfill_goes_on_and_what_hooks_tell_of_goes_first(versions: Versions) {
    let tickets: Vec<_> = (0..230).map(|number| ("UserRequest", ticket(&format!("Old {number}")))).collect();
    let mut world = with_older(Setup::between(versions).sync(ONE_CLASS), &tickets).await;
    world.crash().await;
    let wanted = "--side acme --since 2026-11-24 --yes";
    let engine = world.app().engine;
    let request = itop_bridge_engine::BackfillRequest {
        external: "acme".into(),
        since: "2026-11-24".parse().unwrap(),
        classes: [].into(),
        states: [].into(),
        match_title: false,
    };
    let requested = engine.find_requested(&request, &|_| {}).await.unwrap();
    let marking = engine.backfill(&request, &requested.tickets, &|_, _| {});
    tokio::time::timeout(Duration::from_millis(10), marking).await.expect_err("it is stopped on the way");
    assert_eq!(world.queue().await.len(), 200);

    let (_, said) = world.backfill("--side acme --since 2026-11-23 --dry-run").await.unwrap();
    assert!(said.contains("not in elitery yet: 230 tickets\n"), "another request is another run: {said}");
    let (_, said) = world.backfill(wanted).await.unwrap();
    let (_, counted) = said.split_once("\nmade since").unwrap();
    let expected = " 2026-11-24 and not in elitery yet: 30 tickets\n\
                    marked already by an earlier run that was stopped: 200 tickets\n\
                    Marked: 30 tickets. `serve` carries them, after the tickets that webhooks announce.\n";
    assert_eq!(counted, expected);

    world.boot();
    world.pass_seconds(1).await;
    let new = world.acme().create_ticket("UserRequest", ticket("Just now")).await.unwrap();
    world.settle().await;
    assert_eq!(world.internal_count(), 231);
    let copy = world.copy_of(new).await.id;
    let later = world.internal.tickets("Ticket").iter().filter(|ticket| ticket.id > copy).count();
    assert!(later > 100, "the new ticket waited for all but {later} of the older ones");
    world.one_more_pass_writes_nothing().await;
    let (_, said) = world.backfill(wanted).await.unwrap();
    assert!(said.ends_with("since they have a pair: 231 tickets\nNothing was marked.\n"), "{said}");
}

async fn hundreds_are_read_in_one_call(versions: Versions) {
    let tickets: Vec<_> = (0..1200).map(|number| ("UserRequest", ticket(&format!("Old {number}")))).collect();
    let mut world = with_older(Setup::between(versions).sync(ONE_CLASS), &tickets).await;
    world.crash().await;
    world.clear_calls();
    let (_, said) = world.backfill("--side acme --since 2026-11-24 --dry-run").await.unwrap();
    assert!(said.contains("UserRequest  new    1200\n") && said.contains("\n10 of them:\n"), "{said}");
    assert!(said.contains("acme:R-000001") && said.contains("acme:R-001200"), "{said}");
    let calls = world.acme().calls();
    let reads = calls.iter().filter(|call| call.class == "UserRequest");
    let fields: Vec<String> = reads
        .map(|call| serde_json::from_str::<Json>(&call.json).unwrap()["output_fields"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(fields, vec!["id,ref,title,status,last_update"; 3]);
    assert!(calls.len() < 40, "{} calls", calls.len());
    world.ends_without_one_more_pass("nothing was linked");
}

async fn what_cannot_be_done_is_said_and_nothing_is_marked(versions: Versions) {
    let setup = Setup::between(versions).acme("only = { UserRequest = \"all\" }").sync("");
    let mut world = with_older(setup, &[("UserRequest", ticket("Printer on fire"))]).await;
    let since = "--since 2026-11-24 --yes";
    for (arguments, said) in [
        ("--side umbrella", "there is no side \"umbrella\". The configuration has acme and elitery"),
        ("--side elitery", "elitery is the internal side: its tickets are the copies. --side names an external"),
        ("--side acme --class Person", "the class Person of acme is not bridged. Those that are: "),
        ("--side acme --class Incident", "no ticket of the class Incident leaves acme: `only` does not name it"),
        ("--side acme --state rejcted", "no bridged class of acme has the state rejcted"),
    ] {
        let error = world.backfill(&format!("{since} {arguments}")).await.unwrap_err();
        assert!(error.starts_with(said), "{error}");
    }
    for wrong in ["--side acme", "--side acme --since 2026-02-30", "--side acme --since yesterday"] {
        assert_eq!(parsed(wrong).unwrap_err().exit_code(), 2, "{wrong}");
    }
    let said = parsed("--side acme --since yesterday").unwrap_err().to_string();
    assert!(said.contains("write a day as year-month-day, such as 2026-01-31"), "{said}");
    assert_eq!(parsed("--side acme --since 2026-11-24 --json").unwrap_err().exit_code(), 2, "nobody could be asked");
    let nobody = |_: &str| Err(anyhow::anyhow!("nothing was marked: nobody can be asked here"));
    let error = world.backfill_asking("--side acme --since 2026-11-24", &nobody).await.unwrap_err();
    assert_eq!(error, "nothing was marked: nobody can be asked here");
    world.acme().down(true);
    let error = world.backfill(&format!("--side acme {since}")).await.unwrap_err();
    assert!(error.starts_with("nothing was marked: acme: ") && error.contains("connection refused"), "{error}");
    world.acme().down(false);
    world.pass_seconds(120).await;
    assert_eq!(world.queue().await, []);
    assert_eq!(world.internal_count(), 0);
    world.one_more_pass_writes_nothing().await;
}
