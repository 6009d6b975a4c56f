//! `links link` and `links unlink`: two tickets that stand are made a pair by hand, and a pair is ended for good.

use itop_bridge::cli::Outcome;
use itop_bridge_store::LinkState;
use itop_bridge_testkit::world::*;
use itop_sim::{Fault, Sim};

use crate::status::{bridged, go, status};

any_version![
    two_tickets_are_a_pair_by_hand_and_only_what_comes_then_crosses,
    files_of_one_name_and_content_are_one_and_none_is_deleted,
    an_unlinked_pair_is_left_alone_by_hooks_sweep_audit_and_rebuild,
    an_unlinked_pair_is_linked_again,
    an_unlinked_ticket_is_linked_with_another,
    what_cannot_be_linked_is_said_and_nothing_is_stored,
];

const HOUR: u64 = 3600;

fn names(sim: &Sim, ticket: u64) -> Vec<String> {
    let mut names: Vec<String> = sim.attachments(ticket).into_iter().map(|file| file.filename).collect();
    names.sort();
    names
}

/// Two tickets of one matter that no bridge made, with a log on each side and the same file; the customer's has
/// one more, and the provider's another.
async fn two_tickets(world: &World) -> (u64, u64) {
    let (acme, inside) = (world.acme(), &world.internal);
    let id = acme.create_ticket("UserRequest", ticket("Printer on fire")).await.unwrap();
    let copy = inside.create_ticket("UserRequest", ticket("Printer on fire, says acme")).await.unwrap();
    for (sim, ticket, own) in [(acme, id, "theirs.txt"), (inside, copy, "ours.txt")] {
        sim.attach(ticket, "same.txt", "text/plain", b"same").await.unwrap();
        sim.attach(ticket, own, "text/plain", own.as_bytes()).await.unwrap();
        sim.attach(ticket, "namesake.txt", "text/plain", own.as_bytes()).await.unwrap();
        sim.add_log_entry(ticket, "private_log", "<p>Before they were a pair</p>").await.unwrap();
    }
    go(inside, copy, &["ev_assign"]).await;
    world.settle().await;
    (id, copy)
}

/// Nothing is carried by itself: all tickets are older than this.
fn none_by_itself(versions: Versions) -> Setup {
    Setup::between(versions).acme("only = \"title LIKE 'Carried%'\"")
}

async fn two_tickets_are_a_pair_by_hand_and_only_what_comes_then_crosses(versions: Versions) {
    let mut world = none_by_itself(versions).start().await;
    let (id, copy) = two_tickets(&world).await;
    world.clear_calls();
    let (outcome, said) = world.link_two("elitery:R-001001", "acme:R-000001").await.unwrap();
    assert_eq!(outcome, Outcome::Fine);
    assert_eq!(
        said,
        "acme:R-000001 and elitery:R-001001 are a pair now: link 1.\n\
         files on both sides: 1; on one side alone, and left there: 4\n\
         note: acme:R-000001 does not fit `only` of acme; its changes cross all the same, because it has a pair\n\
         left as it is: description: it differed when the two became a pair; it is left so until it changes in the external iTop\n\
         left as it is: title: it differed when the two became a pair; it is left so until it changes in the external iTop\n"
    );
    let older = world.verb_list().await;
    assert!(older.contains("ok: differs, and is left so: description, title"), "{older}");
    world.settle().await;
    world.pass_seconds(3 * HOUR).await;
    world.look_at_everything().await;
    assert!(world.engine().show_metrics().await.contains("itop_bridge_conflicts{external=\"acme\"} 0\n"));
    assert_eq!(world.acme().writes() + world.internal.writes(), 0, "adopting writes nothing");
    world.one_more_pass_writes_nothing().await;
    // Then changes cross.
    world.acme().update(id, json!({ "title": "Printer still on fire" })).await.unwrap();
    world.acme().attach(id, "new.txt", "text/plain", b"new").await.unwrap();
    world.acme().add_log_entry(id, "private_log", "<p>A new one</p>").await.unwrap();
    world.internal.attach(copy, "answer.txt", "text/plain", b"answer").await.unwrap();
    go(&world.internal, copy, &["ev_pending"]).await;
    world.settle().await;
    assert_eq!(world.internal.ticket(copy).unwrap().field("title"), "[R-000001] Printer still on fire");
    let outside = names(world.acme(), id);
    let [answer, report, rest @ ..] = &outside[..] else { panic!("{outside:?}") };
    assert_eq!((&**answer, &**report), ("answer.txt", "elitery R-001001 pending.txt"));
    assert_eq!(rest, ["namesake.txt", "new.txt", "same.txt", "theirs.txt"]);
    let inside = names(&world.internal, copy);
    assert!(inside[0].starts_with("R-000001 private log "), "{inside:?}");
    assert_eq!(inside[1..], ["answer.txt", "namesake.txt", "new.txt", "ours.txt", "same.txt"]);
    world.one_more_pass_writes_nothing().await;
}

async fn files_of_one_name_and_content_are_one_and_none_is_deleted(versions: Versions) {
    let mut world = none_by_itself(versions).start().await;
    let (id, copy) = two_tickets(&world).await;
    world.link_two("acme:1", "elitery:1001").await.unwrap();
    world.settle().await;
    let file = |sim: &Sim, ticket: u64, name: &str| {
        let found = sim.attachments(ticket).into_iter().find(|file| file.filename == name);
        found.unwrap_or_else(|| panic!("{name} in {:?}", names(sim, ticket)))
    };
    let (theirs, ours) = (file(world.acme(), id, "same.txt").id, file(&world.internal, copy, "same.txt").id);
    world.acme().replace_attachment(theirs, b"changed").await.unwrap();
    world.settle().await;
    let held = file(&world.internal, copy, "same.txt");
    assert_eq!((held.id, &*held.data), (ours, &b"changed"[..]), "in place");
    // Whoever made it, the bridge did not.
    world.acme().delete_attachment(theirs).await;
    world.pass_seconds(3 * HOUR).await;
    world.settle().await;
    assert_eq!(file(&world.internal, copy, "same.txt").id, ours);
    assert!(!names(world.acme(), id).contains(&"same.txt".to_owned()), "and it does not go back");
    world.one_more_pass_writes_nothing().await;
}

async fn an_unlinked_pair_is_left_alone_by_hooks_sweep_audit_and_rebuild(versions: Versions) {
    let mut world = Setup::between(versions).start().await;
    let (id, copy) = bridged(&world, "UserRequest", &[]).await;
    let said = world.unlink("elitery:R-001001").await.unwrap();
    let report = world.acme().attachments(id)[0].id;
    let words = format!(
        "The pair acme:R-000001 with elitery:R-001001 has ended: link 1. Both tickets stay as they are, and neither is written any more.\n\
         The report of the status stays on acme:R-000001 too, as attachment {report}: delete it there, or link acme:R-000001 with another ticket.\n"
    );
    assert_eq!(said, (Outcome::Fine, words));
    world.clear_calls();
    world.acme().update(id, json!({ "title": "Nobody hears" })).await.unwrap();
    world.acme().attach(id, "a.txt", "text/plain", b"a").await.unwrap();
    world.internal.add_log_entry(copy, "private_log", "<p>Nobody either</p>").await.unwrap();
    go(&world.internal, copy, &["ev_assign"]).await;
    world.pass_seconds(3 * HOUR).await;
    world.settle().await;
    let (outcome, said) = world.rebuild(false).await.unwrap();
    assert_eq!(outcome, Outcome::FaultFound);
    assert!(said.contains("its link 1 has ended; `links link` makes it anew\n"), "{said}");
    assert!(said.contains("pairs found again: 0; known before: 0\n"), "{said}");
    world.settle().await;
    assert_eq!(world.acme().writes() + world.internal.writes(), 0);
    assert_eq!(world.internal.tickets("UserRequest").len(), 1);
    let again = world.unlink("1").await.unwrap().1;
    assert_eq!(again, "The pair acme:R-000001 with elitery:R-001001 has ended already: link 1. Nothing was changed.\n");
    let resumed = world.resume("1", false).await.unwrap();
    assert!(resumed.contains("has ended: neither ticket is written any more. Nothing was changed."), "{resumed}");
    world.one_more_pass_writes_nothing().await;
}

async fn an_unlinked_pair_is_linked_again(versions: Versions) {
    let mut world = Setup::between(versions).start().await;
    let (id, copy) = bridged(&world, "UserRequest", &[]).await;
    world.acme().attach(id, "a.txt", "text/plain", b"a").await.unwrap();
    world.settle().await;
    world.unlink("1").await.unwrap();
    world.acme().add_log_entry(id, "private_log", "<p>Between</p>").await.unwrap();
    world.acme().update(id, json!({ "title": "Between" })).await.unwrap();
    world.settle().await;
    world.clear_calls();
    let (_, said) = world.link_two("1", "elitery:R-001001").await.unwrap();
    assert!(
        said.starts_with("acme:R-000001 and elitery:R-001001 are a pair now: link 1.\nfiles on both sides: 1;"),
        "{said}"
    );
    world.settle().await;
    world.look_at_everything().await;
    assert_eq!(world.acme().writes() + world.internal.writes(), 0, "what stood counts as delivered");
    world.acme().update(id, json!({ "title": "After" })).await.unwrap();
    go(&world.internal, copy, &["ev_assign"]).await;
    let file = world.acme().attachments(id).into_iter().find(|file| file.filename == "a.txt").unwrap().id;
    world.acme().delete_attachment(file).await;
    world.settle().await;
    assert_eq!(world.internal.ticket(copy).unwrap().field("title"), "[R-000001] After");
    assert!(names(&world.internal, copy).is_empty(), "the bridge's own copy follows its original");
    assert!(names(world.acme(), id).contains(&"elitery R-001001 assigned.txt".to_owned()));
    world.one_more_pass_writes_nothing().await;
}

async fn an_unlinked_ticket_is_linked_with_another(versions: Versions) {
    let mut world = Setup::between(versions).start().await;
    let (id, copy) = bridged(&world, "UserRequest", &[]).await;
    let (other, its_copy) = bridged(&world, "UserRequest", &[]).await;
    world.internal.attach(copy, "quote.pdf", "application/pdf", b"quote").await.unwrap();
    world.settle().await;
    let files = world.acme().attachments(id);
    let made = files.iter().find(|file| file.filename == "quote.pdf").unwrap().id;
    world.unlink("acme:R-000001").await.unwrap();
    world.unlink("acme:R-000002").await.unwrap();
    let (_, said) = world.link_two("acme:R-000001", "elitery:R-001002").await.unwrap();
    let about_before = format!(
        "the report in acme is still about elitery:R-001001: the next pass rewrites it\n\
         left in acme, made for elitery:R-001001: 1 file (attachments {made}); delete those that people there should not see any more\n"
    );
    assert!(said.ends_with(&about_before), "{said}");
    world.settle().await;
    assert_eq!(names(world.acme(), id), ["elitery R-001002 new.txt", "quote.pdf"], "there is one report a pair");
    let report = world.acme().attachments(id).into_iter().find(|file| file.filename.contains("R-001002")).unwrap();
    assert!(report.data.starts_with(b"The status of R-001002 (elitery), newest first\n\nnew"), "{report:?}");
    assert!(names(&world.internal, its_copy).is_empty(), "what was left is nobody's original");
    assert_eq!(world.link(id).await.link.internal.unwrap().id, its_copy);
    let tombstone = world.link(other).await;
    assert_eq!((tombstone.state, tombstone.link.internal), (LinkState::Ended, None));
    world.acme().update(id, json!({ "title": "Crosses" })).await.unwrap();
    world.acme().update(other, json!({ "title": "Does not" })).await.unwrap();
    world.settle().await;
    assert!(world.internal.ticket(its_copy).unwrap().field("title").contains("Crosses"));
    assert!(!world.internal.ticket(copy).unwrap().field("title").contains("Does not"));
    assert_eq!(status(&world.internal, copy), "new");
    world.one_more_pass_writes_nothing().await;
}

async fn what_cannot_be_linked_is_said_and_nothing_is_stored(versions: Versions) {
    let mut world = none_by_itself(versions).start().await;
    let mut carried = ticket("Carried");
    carried["urgency"] = json!("2");
    world.acme().create_ticket("UserRequest", carried).await.unwrap();
    world.settle().await;
    world.acme().create_ticket("UserRequest", ticket("Free")).await.unwrap();
    world.internal.create_ticket("UserRequest", ticket("Free")).await.unwrap();
    world.internal.create_ticket("Incident", ticket("An incident")).await.unwrap();
    let mut copy = ticket("A copy of somebody's");
    copy["private_log"] = json!("A copy. [itop-bridge:beef:other:UserRequest:9]");
    world.acme().create_ticket("UserRequest", copy).await.unwrap();
    world.settle().await;
    let before = world.links().await;
    let linked = "acme:R-000001 with elitery:R-001001 is a pair already: link 1. `itop-bridge links unlink 1` ends it";
    for (a, b, why) in [
        ("acme:R-000001", "elitery:R-001002", linked),
        ("acme:R-000002", "elitery:R-001001", linked),
        ("acme:R-000001", "elitery:R-001001", linked),
        ("acme:R-000099", "elitery:R-001002", "acme has no ticket R-000099"),
        ("acme:R-000002", "elitery:R-009999", "elitery has no ticket R-009999"),
        (
            "acme:R-000002",
            "acme:R-000003",
            "acme:R-000002 and acme:R-000003 are on one side: name a ticket of an external and one of elitery",
        ),
        ("beta:R-000002", "elitery:R-001002", "there is no side \"beta\". The configuration has acme and elitery"),
        ("acme:R-000002", "99", "there is no link number 99; `itop-bridge links list` shows all"),
        ("1", "1", "two links' numbers name no pair: name at least one ticket"),
        (
            "acme:R-000002",
            "elitery:I-001003",
            "the counterpart of UserRequest of acme is UserRequest, and ticket 1003 of elitery is Incident",
        ),
        ("acme:R-000003", "elitery:R-001002", "ticket 3 of acme is a bridge's copy itself, and never copied on"),
    ] {
        assert_eq!(world.link_two(a, b).await.unwrap_err(), why, "{a} {b}");
    }
    for down in [world.acme().clone(), world.internal.clone()] {
        down.fail_with(|_| Some(Fault::Refuse));
        let refused = world.link_two("acme:R-000002", "elitery:R-001002").await.unwrap_err();
        let name = if down.base_url().contains("acme") { "acme: " } else { "elitery: " };
        assert!(refused.starts_with(name), "{refused}");
        down.heal();
    }
    assert_eq!(world.links().await, before);
    let refused = world.unlink("acme:R-000002").await.unwrap_err();
    let why = "no pair has the ticket R-000002 of acme; `itop-bridge links show acme:R-000002` says why";
    assert_eq!(refused, why);
    world.one_more_pass_writes_nothing().await;
}
