//! The verbs that bring tickets and pairs in, each a process of its own beside a running bridge, on one store.

use std::process::Stdio;
use std::time::Duration;

use itop_bridge_store::{Instance, SqliteStore, Store as _};
use itop_bridge_testkit::site::{Bridge, Site};
use serde_json::json;

/// The simulators' clocks start on this day.
const SINCE: &str = "2026-11-24";

#[tokio::test(flavor = "multi_thread")]
async fn tickets_and_pairs_are_brought_in_beside_a_running_bridge() {
    let site = Site::new(crate::PROGRAM, "brought-in").await;
    let older = [site.ticket("UserRequest", "Printer").await, site.ticket("Incident", "Network").await];
    let stands = site.ticket("UserRequest", "Laptop").await;
    let fields = json!({"org_id": 3, "caller_id": 6, "title": "Laptop", "description": "<p>d</p>"});
    let its_own = site.elitery.create_ticket("UserRequest", fields).await.unwrap();
    let bridge = site.serve().await;
    assert_eq!(site.copies(), ["Laptop"], "all are older than the connection");

    let table = site.folder.join("ticket_mappings.csv");
    let lines = format!("external_ticket_id,elitery_ticket_id,ticket_class\n{stands},{its_own},UserRequest\n");
    std::fs::write(&table, lines).unwrap();
    let said = site.verb(&["links", "import", table.to_str().unwrap()]).await;
    assert!(said.ends_with("pairs adopted: 1; linked before: 0\n"), "{said}");
    let said = site.verb(&["backfill", "--side", "acme", "--since", SINCE, "--yes"]).await;
    assert!(
        said.ends_with(
            "since they have a pair: 1 ticket\nMarked: 2 tickets. `serve` carries them, after the tickets that webhooks announce.\n"
        ),
        "{said}"
    );
    site.until("both are carried", |site| site.copies().len() == 3).await;
    let said = site.verb(&["links", "rebuild"]).await;
    assert!(said.contains("pairs found again: 0; known before: "), "{said}");

    let copies = site.elitery.tickets("UserRequest");
    let printer = copies.iter().find(|copy| copy.field("title") == "[R-000001] Printer").unwrap();
    let printer = format!("elitery:{}", printer.field("ref"));
    let said = site.verb(&["links", "unlink", "acme:R-000001"]).await;
    assert!(said.starts_with(&format!("The pair acme:R-000001 with {printer} has ended: ")), "{said}");
    site.acme.update(older[0], json!({"title": "Printer on fire"})).await.unwrap();
    site.acme.update(older[1], json!({"title": "No network"})).await.unwrap();
    site.until("the other goes on", |site| site.copies().contains(&"[I-000002] No network".to_owned())).await;
    assert!(site.copies().contains(&"[R-000001] Printer".to_owned()), "{:?}", site.copies());
    let said = site.verb(&["links", "link", "acme:R-000001", &printer]).await;
    assert!(said.starts_with(&format!("acme:R-000001 and {printer} are a pair now: ")), "{said}");
    site.acme.update(older[0], json!({"title": "Printer still on fire"})).await.unwrap();
    site.acme.update(stands, json!({"title": "Laptop lost"})).await.unwrap();
    let crossed = ["[R-000001] Printer still on fire", "[R-000003] Laptop lost"].map(str::to_owned);
    site.until("both changes cross", |site| crossed.iter().all(|title| site.copies().contains(title))).await;
    site.every_ticket_has_one_copy().await;
    site.goes_on_without_writing().await;
    assert!(bridge.terminate().await.success());
}

/// Where nobody can be asked, a verb that ends a pair for good wants `--yes`.
#[tokio::test(flavor = "multi_thread")]
async fn resume_ends_no_pair_unasked() {
    let site = Site::new(crate::PROGRAM, "unasked").await;
    let bridge = site.serve().await;
    let ticket = site.ticket("UserRequest", "Printer").await;
    site.every_ticket_has_one_copy().await;
    let copy = site.elitery.tickets("UserRequest")[0].id;
    site.elitery.delete_ticket(copy).await.unwrap();
    site.acme.update(ticket, json!({"title": "Printer on fire"})).await.unwrap();
    site.until("the pair halts", |site| site.log().contains("has halted")).await;
    let before = site.verb(&["links", "show", "acme:R-000001"]).await;

    let why = site.refused_verb(&["resume", "acme:R-000001"]).await;
    assert!(why.contains("nothing was changed: nobody can be asked here. Add --yes"), "{why}");
    assert_eq!(site.verb(&["links", "show", "acme:R-000001"]).await, before);

    let said = site.verb(&["resume", "acme:R-000001", "--yes"]).await;
    assert!(said.contains("the pair ends for good"), "{said}");
    let ended = |site: &Site| SqliteStore::open_to_read(site.store()).unwrap().tally("acme").unwrap().ended == 1;
    site.until("the pair ends", ended).await;
    site.goes_on_without_writing().await;
    assert!(bridge.terminate().await.success());
}

/// How many tickets of acme wait in the store.
fn waiting(site: &Site) -> u64 {
    let mut store = SqliteStore::open_to_read(site.store()).unwrap();
    store.tally("acme").unwrap().waiting
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_stops_a_backfill_and_the_same_command_goes_on() {
    const TICKETS: u64 = 1500;
    let site = Site::new(crate::PROGRAM, "ctrl-c").await;
    for number in 1..=TICKETS {
        site.ticket("UserRequest", &format!("Old {number}")).await;
    }
    let bridge = site.serve().await;
    // They are to be marked here, and not carried.
    site.verb(&["pause", "acme"]).await;
    let wanted = ["backfill", "--side", "acme", "--since", SINCE, "--yes"];
    let mut command = site.command(&wanted);
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut backfill = Bridge { child };
    while waiting(&site) == 0 {
        assert!(backfill.child.try_wait().unwrap().is_none(), "it ended before it could be stopped");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    backfill.signal("INT");
    assert_eq!(backfill.ended().await.code(), Some(1));
    let mut said = String::new();
    std::io::Read::read_to_string(&mut backfill.child.stderr.take().unwrap(), &mut said).unwrap();
    assert!(said.contains("error: stopped") && said.contains("the same command goes on"), "{said}");
    let marked = waiting(&site);
    assert!(marked > 0 && marked < TICKETS && marked.is_multiple_of(200), "{marked}");

    let said = site.verb(&wanted).await;
    assert!(said.contains(&format!("by an earlier run that was stopped: {marked} tickets\n")), "{said}");
    assert!(said.contains(&format!("Marked: {} tickets. ", TICKETS - marked)), "{said}");
    assert_eq!(waiting(&site), TICKETS);
    let stopped = SqliteStore::open_to_read(site.store()).unwrap().stopped(&Instance::External("acme".into()));
    assert!(stopped.unwrap().is_some(), "`serve` carried none meanwhile");
    assert!(site.copies().is_empty());
    assert!(bridge.terminate().await.success());
}
