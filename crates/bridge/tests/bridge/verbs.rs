//! The command line's verbs, called beside a running bridge: what they show, and that those that show
//! change nothing.

use itop_bridge::cli::Outcome;
use itop_bridge::cli::links::LinksVerb;
use itop_bridge_core::caselog::{LogHalt, LogName};
use itop_bridge_core::{Link, Side};
use itop_bridge_store::Activity;
use itop_bridge_testkit::world::*;
use itop_sim::{Effect, Fault};
use serde_json::Value as Json;

each_version![a_plan_shows_a_picture_without_its_secret, a_pair_is_shown_with_its_files_logs_and_history];

any_version![
    a_plan_is_what_the_next_pass_writes_and_itself_writes_nothing,
    a_plan_names_what_a_later_pass_writes,
    a_plan_of_a_ticket_without_a_pair_shows_what_would_be_made,
    a_plan_says_why_nothing_is_written,
    what_a_person_deleted_on_the_other_side_is_shown_so,
    a_pause_and_a_write_without_an_answer_are_shown,
    of_a_ticket_without_a_pair_it_is_shown_what_waits_and_why,
    a_parked_ticket_is_tried_again_when_told,
    a_paused_external_is_not_called_and_its_hooks_are_kept,
    a_paused_internal_is_not_called_and_no_ticket_moves,
    a_link_of_which_only_a_log_has_halted_is_resumed,
];

const HOUR: u64 = 3600;
const PAIR: &str = "acme:R-000001";

#[track_caller]
pub fn contains_all(said: &str, lines: &[&str]) {
    for line in lines {
        assert!(said.contains(line), "{line:?} in:\n{said}");
    }
}

async fn linked(world: &World) -> u64 {
    let id = world.acme().create_ticket("UserRequest", ticket("Printer on fire")).await.unwrap();
    world.settle().await;
    id
}

async fn a_plan_is_what_the_next_pass_writes_and_itself_writes_nothing(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let id = linked(&world).await;
    let kept = world.acme().attach(id, "kept.log", "text/plain", b"before").await.unwrap();
    world.settle().await;
    let (inside, internal) = (world.copy_of(id).await.id, "elitery:R-001001");
    // What changes while no hook comes through waits for the sweep.
    for sim in [world.acme(), &world.internal] {
        sim.drop_hooks(true);
    }
    world.acme().update(id, json!({"title": "Printer still on fire"})).await.unwrap();
    world.acme().add_log_entry(id, "private_log", "<p>It is the <b>big</b> one</p>").await.unwrap();
    world.acme().replace_attachment(kept, b"after").await.unwrap();
    world.acme().attach(id, "photo.png", "image/png", b"photo").await.unwrap();
    world.internal.add_log_entry(inside, "private_log", "<p>On our way</p>").await.unwrap();
    world.internal.attach(inside, "quote.pdf", "application/pdf", b"quote").await.unwrap();
    let (links, queue) = (world.links().await, world.queue().await);
    world.clear_calls();
    for name in [PAIR, internal, "1", "acme:1"] {
        let (outcome, said) = world.plan(name).await.unwrap();
        assert_eq!(outcome, Outcome::Fine);
        contains_all(
            &said,
            &[
                "acme:R-000001 and elitery:R-001001 (link 1)",
                "elitery: update title\n  because ",
                "  - title: [R-000001] Printer on fire\n  + title: [R-000001] Printer still on fire\n",
                "elitery: copy a file\n",
                "  + photo.png (image/png)\n",
                "elitery: bring a copy up to date, in place\n",
                "  - kept.log (text/plain)\n  + kept.log (text/plain)\n",
                "acme: copy a file\n",
                "  + quote.pdf (application/pdf)\n",
                "elitery: attach 1 entry of the private log, as a file\n  because the private log has new entries in the external iTop",
                ": It is the big one\n",
                "acme: attach 1 entry of the private log, as a file\n  because the private log has new entries in the internal iTop",
                ": On our way\n",
            ],
        );
    }
    for sim in [world.acme(), &world.internal] {
        assert_eq!(sim.writes(), 0, "a plan writes nothing");
        assert!(!sim.calls().is_empty(), "both sides are read");
        sim.drop_hooks(false);
    }
    assert_eq!(world.links().await, links);
    assert_eq!(world.queue().await, queue);
    // It comes true with the next sweep, and then there is nothing to plan.
    world.acme().update(id, json!({"urgency": "1"})).await.unwrap();
    world.acme().download_attachment(kept).await.unwrap();
    world.pass_seconds(HOUR).await;
    world.settle().await;
    assert_eq!(world.copy_of(id).await.field("title"), "[R-000001] Printer still on fire");
    let (_, said) = world.plan(PAIR).await.unwrap();
    assert!(said.ends_with("\nA pass writes nothing.\n"), "{said}");
    world.one_more_pass_writes_nothing().await;
}

async fn a_plan_names_what_a_later_pass_writes(versions: Versions) {
    let world = Setup::between(versions).acme("only = \"title NOT LIKE 'Ours%'\"").start().await;
    let id = linked(&world).await;
    let parent = world.acme().create_ticket("UserRequest", ticket("Ours: fire")).await.unwrap();
    world.acme().update(id, json!({ "parent_request_id": parent })).await.unwrap();
    let deleted = world.acme().attach(id, "deleted.log", "text/plain", b"d").await.unwrap();
    world.acme().attach(id, "kept.log", "text/plain", b"k").await.unwrap();
    world.settle().await;
    world.acme().delete_attachment(deleted).await;
    world.acme().add_log_entry(id, "private_log", "Written on the child").await.unwrap();
    world.pass_seconds(4).await;
    let (_, said) = world.plan(PAIR).await.unwrap();
    contains_all(
        &said,
        &[
            "\nA pass writes nothing.\n",
            "\nLater, in elitery: delete the copy of deleted.log (text/plain), if the original is still missing in acme at 2026-",
            "\nLater, in elitery: send the entry of 2026-",
            " in the private log, if the log of the ticket's parent still lacks it at 2026-",
        ],
    );
    world.settle().await;
    let (_, said) = world.plan(PAIR).await.unwrap();
    assert!(said.ends_with("\nA pass writes nothing.\n"), "{said}");
    world.one_more_pass_writes_nothing().await;
}

async fn a_plan_of_a_ticket_without_a_pair_shows_what_would_be_made(versions: Versions) {
    let world = Setup::between(versions).acme("only = \"org_id = 3\"").start().await;
    world.pause("acme").await.unwrap();
    world.acme().create_ticket("UserRequest", ticket("Printer on fire")).await.unwrap();
    for name in [PAIR, "acme:1"] {
        let (outcome, said) = world.plan(name).await.unwrap();
        assert_eq!(outcome, Outcome::Fine);
        let lines = [
            "acme:R-000001, which has no ticket in elitery yet\n",
            "elitery: make a UserRequest\n",
            "  + title: [R-000001] Printer on fire\n",
        ];
        contains_all(&said, &lines);
    }
    assert!(world.links().await.is_empty());
    let unknown = world.plan("acme:R-000099").await.unwrap_err();
    assert_eq!(unknown, "acme has no ticket R-000099");
    let unknown = world.plan("acme:99").await.unwrap_err();
    assert_eq!(unknown, "acme has no ticket with the id 99");
    let unknown = world.plan("elitery:R-000099").await.unwrap_err();
    assert_eq!(unknown, "no pair has the ticket R-000099 of elitery");
    world.resume("acme", false).await.unwrap();
    world.settle().await;
    assert_eq!(world.internal.tickets("UserRequest").len(), 1);
    world.one_more_pass_writes_nothing().await;
}

async fn a_plan_shows_a_picture_without_its_secret(versions: Versions) {
    const SECRET: &str = "5ec2e7f00d";
    let world = Setup::between(versions).start().await;
    let id = linked(&world).await;
    let copy = world.copy_of(id).await.id;
    world.pause("acme").await.unwrap();
    for (sim, ticket) in [(world.acme(), id), (&world.internal, copy)] {
        let image = sim.add_inline_image(ticket, SECRET, "image/png", b"\x89PNG").await.unwrap();
        let description = format!("<p>look at {} here</p>", image.html);
        sim.update(ticket, json!({ "description": description })).await.unwrap();
    }
    let (_, said) = world.plan(PAIR).await.unwrap();
    contains_all(
        &said,
        &["- description: <p>look at [image 301] here</p>\n", "+ description: <p>look at [image 1] here</p>\n"],
    );
    assert!(!said.contains(SECRET), "{said}");
    world.resume("acme", false).await.unwrap();
    world.one_more_pass_writes_nothing().await;
}

async fn a_plan_says_why_nothing_is_written(versions: Versions) {
    let world = Setup::between(versions).acme("only = \"title LIKE 'Printer%'\"").start().await;
    world.acme().create_ticket("UserRequest", ticket("A mouse")).await.unwrap();
    world.settle().await;
    let (_, said) = world.plan(PAIR).await.unwrap();
    assert!(
        said.ends_with(
            "\nA pass writes nothing: it does not fit `only`, which says of UserRequest: title LIKE 'Printer%'.\n"
        ),
        "{said}"
    );
    world.acme().delete_ticket(1).await.unwrap();
    assert_eq!(world.plan("acme:1").await.unwrap_err(), "acme has no ticket with the id 1");
    let id = linked(&world).await;
    let inside = world.copy_of(id).await.id;
    world.internal.delete_ticket(inside).await.unwrap();
    world.pass_seconds(2 * HOUR).await;
    world.settle().await;
    let (outcome, said) = world.plan("acme:R-000002").await.unwrap();
    assert_eq!(outcome, Outcome::FaultFound);
    contains_all(&said, &["\nHalted: the internal ticket R-001001 (id 1001) is no longer there"]);
    world.one_more_pass_writes_nothing().await;
}

async fn a_pair_is_shown_with_its_files_logs_and_history(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let none = world.links_verb(listed(false)).await.unwrap().1;
    assert_eq!(none, "There is no pair yet.\n");
    let id = linked(&world).await;
    let inside = world.copy_of(id).await.id;
    world.acme().attach(id, "photo.png", "image/png", b"photo").await.unwrap();
    world.acme().add_log_entry(id, "private_log", "<p>Hello</p>").await.unwrap();
    world.internal.attach(inside, "quote.pdf", "application/pdf", b"quote").await.unwrap();
    world.settle().await;
    for name in [PAIR, "elitery:R-001001", "1"] {
        contains_all(
            &world.show(name).await,
            &[
                "link 1: acme:R-000001 with elitery:R-001001\nstate: ok\n",
                "  external -> internal  photo.png (attachment ",
                "  internal -> external  quote.pdf (attachment ",
                ": stands as attachment ",
                "  internal -> external  report of the status (new): stands as attachment ",
                "files, as last seen:\n",
                "  external -> internal  private log: entries delivered: 1, in 1 file\n",
                "queue: nothing waits\n",
                "what the bridge did, newest first:\n  20",
            ],
        );
    }
    let shown = world.show_json(PAIR).await;
    assert_eq!((&shown["number"], &shown["external"], &shown["state"]), (&json!(1), &json!(PAIR), &json!("ok")));
    assert_eq!(shown["files"][0]["name"], "photo.png");
    assert_eq!(shown["logs"][0]["delivered"], 1);
    assert!(shown["activity"].as_array().is_some_and(|lines| !lines.is_empty()), "{shown}");
    let list = world.links_verb(listed(false)).await.unwrap().1;
    assert!(list.contains("acme:R-000001") && list.contains("elitery:R-001001"), "{list}");
    let list = world.links_verb(listed(true)).await.unwrap().1;
    let list: Json = serde_json::from_str(&list).unwrap();
    assert_eq!(list[0]["internal"], "elitery:R-001001");
    let unknown = world.links_verb(LinksVerb::Show { ticket: "acme:R-000099".into(), json: false }).await;
    let why = "no pair has the ticket R-000099 of acme, and none without a pair waits: acme has no ticket R-000099";
    assert_eq!(unknown.unwrap_err(), why);
    world.one_more_pass_writes_nothing().await;
}

async fn what_a_person_deleted_on_the_other_side_is_shown_so(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let id = linked(&world).await;
    let inside = world.copy_of(id).await.id;
    for entry in ["<p>One</p>", "<p>Two</p>"] {
        world.acme().add_log_entry(id, "private_log", entry).await.unwrap();
        world.settle().await;
    }
    let files = world.internal.attachments(inside);
    assert_eq!(files.len(), 2, "{files:?}");
    contains_all(&world.show(PAIR).await, &["private log: entries delivered: 2, in 2 files\n"]);
    world.internal.delete_attachment(files[0].id).await;
    world.acme().delete_attachment(world.acme().attachments(id)[0].id).await;
    world.pass_seconds(3 * HOUR).await;
    world.settle().await;
    contains_all(
        &world.show(PAIR).await,
        &[
            "private log: entries delivered: 2, in 1 file (1 more deleted by a person)\n",
            "report of the status (new): a person deleted it; the next state makes another\n",
            "1 file with the private log in the external iTop deleted by a person\n",
        ],
    );
    assert_eq!(world.internal.attachments(inside).len(), 1, "it stays deleted");
    world.clear_calls();
    world.pass_seconds(3 * HOUR).await;
    let listed = world.internal.calls().iter().filter(|call| call.output_fields.contains("contents_type")).count();
    assert_eq!(listed, 0, "it is no news to the next audit");
    world.one_more_pass_writes_nothing().await;
}

async fn of_a_ticket_without_a_pair_it_is_shown_what_waits_and_why(versions: Versions) {
    let world = Setup::between(versions).start().await;
    world.pause("acme").await.unwrap();
    world.acme().create_ticket("Incident", ticket("Printer on fire")).await.unwrap();
    world.pass_seconds(60).await;
    let still = "acme is paused by an operator; it goes on by `itop-bridge resume acme`\n\
                 waits: it has no ticket in elitery yet\nqueue: waits since ";
    for name in [PAIR, "acme:1"] {
        let shown = world.show(name).await;
        assert!(shown.starts_with(&format!("{name} has no pair yet\n{still}")), "{shown}");
    }
    assert_eq!(world.show_json(PAIR).await["queue"]["of"]["ticket"], json!(1));
    let show = |ticket: &str| LinksVerb::Show { ticket: ticket.into(), json: false };
    assert_eq!(
        world.links_verb(show("acme:R-000099")).await.unwrap_err(),
        "no pair has the ticket R-000099 of acme, and its id was not found: acme has no ticket R-000099. These tickets wait without a pair, by their ids: acme:1; `itop-bridge links show acme:1` says why"
    );
    let gone = world.links_verb(show("acme:R-000007")).await.unwrap().1;
    contains_all(
        &gone,
        &["acme:R-000007 has no pair yet\n", "acme has no ticket with the id 7\n", "queue: nothing waits\n"],
    );
    contains_all(&world.plan("acme:I-000001").await.unwrap().1, &["elitery: make an Incident\n"]);
    // Whose side is down is not told by a pause.
    world.internal.down(true);
    world.resume("acme", false).await.unwrap();
    world.pass_seconds(600).await;
    let shown = world.show(PAIR).await;
    assert!(shown.contains("elitery") || shown.contains("or a side is down"), "{shown}");
    contains_all(&world.plan("acme:I-000001").await.unwrap().1, &["\nelitery does not answer: "]);
    world.internal.down(false);
    world.pass_seconds(600).await;
    world.settle().await;
    world.one_more_pass_writes_nothing().await;
}

async fn a_pause_and_a_write_without_an_answer_are_shown(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let id = linked(&world).await;
    let list = async || world.links_verb(listed(false)).await.unwrap().1;
    let still = "is paused by an operator; it goes on by `itop-bridge resume";
    for side in ["acme", "elitery"] {
        world.pause(side).await.unwrap();
        assert!(list().await.starts_with(&format!("{side} {still} {side}`\n")), "{}", list().await);
        assert!(list().await.trim_end().ends_with(" paused"), "{}", list().await);
        contains_all(&world.show(PAIR).await, &["state: paused\n", &format!("{side} {still} {side}`\n")]);
        contains_all(&world.plan(PAIR).await.unwrap().1, &[&format!("\n{side} {still} {side}`.\n")]);
        world.resume(side, false).await.unwrap();
    }
    world.settle().await;
    assert!(list().await.trim_end().ends_with("ok"), "{}", list().await);
    world.internal.fail_next_write(Fault::Cut { after_bytes: 0, effect: Effect::None });
    world.acme().update(id, json!({"title": "Printer still on fire"})).await.unwrap();
    world.pass_seconds(5).await;
    let settles = " call without an answer may still be carried out until 2026-11-24 11:";
    assert!(list().await.contains(&format!("unanswered: title: a{settles}")), "{}", list().await);
    contains_all(&world.show(PAIR).await, &["state: unanswered\n", &format!("\nunanswered: title: a{settles}")]);
    contains_all(&world.plan(PAIR).await.unwrap().1, &[&format!("\nUnanswered: title: a{settles}")]);
    assert!(world.show_json(PAIR).await["settles_at_ms"].is_i64());
    world.settle().await;
    world.pass_seconds(600).await;
    assert!(list().await.trim_end().ends_with("ok"), "{}", list().await);
    world.one_more_pass_writes_nothing().await;
}

async fn a_parked_ticket_is_tried_again_when_told(versions: Versions) {
    let world = Setup::between(versions).start().await;
    world.internal.fail_with(|call| {
        let text = "Unexpected value for attribute 'Impact' (impact) : Value not allowed [7]";
        call.is_write().then(|| Fault::error(text))
    });
    world.acme().create_ticket("UserRequest", ticket("Printer on fire")).await.unwrap();
    world.pass_seconds(HOUR + 10 * 60).await;
    assert!(world.queue().await[0].parked);
    let list = |json| world.links_verb(listed(json));
    let listed = list(false).await.unwrap().1;
    assert!(
        listed.contains("acme:1") && listed.contains(" parked: ") && listed.contains("Value not allowed"),
        "{listed}"
    );
    let listed: Json = serde_json::from_str(&list(true).await.unwrap().1).unwrap();
    assert_eq!((&listed[0]["external"], &listed[0]["state"]), (&json!("acme:1"), &json!("parked")), "{listed}");
    assert_eq!(listed[0]["number"], Json::Null);
    world.internal.heal();
    let nothing = world.retry(Some("acme:7")).await.unwrap().1;
    assert_eq!(nothing, "acme:7 has nothing to try again: nothing of it waits. Nothing was changed.\n");
    // It has no pair, so that only its iTop knows its reference; the log calls it by its id.
    let said = world.retry(Some(PAIR)).await.unwrap().1;
    assert!(said.starts_with("acme:R-000001 is due now:\n  parked: ") && said.contains("Value not allowed"), "{said}");
    world.pass_seconds(5).await;
    assert_eq!(world.internal.tickets("UserRequest").len(), 1, "long before it tries by itself");
    world.settle().await;
    assert_eq!(world.retry(None).await.unwrap().1, "No ticket is parked. Nothing was changed.\n");
    let nothing = world.retry(Some(PAIR)).await.unwrap().1;
    assert_eq!(nothing, "acme:R-000001 has nothing to try again: nothing of it waits. Nothing was changed.\n");
    world.one_more_pass_writes_nothing().await;
}

async fn a_paused_external_is_not_called_and_its_hooks_are_kept(versions: Versions) {
    let world = Setup { externals: vec![versions.external; 2], ..Setup::between(versions) }.start().await;
    let id = linked(&world).await;
    let inside = world.copy_of(id).await.id;
    let said = world.pause("acme").await.unwrap().1;
    assert_eq!(said, "acme is paused. Webhooks are still accepted; `itop-bridge resume acme` goes on.\n");
    assert!(world.pause("acme").await.unwrap().1.starts_with("acme is paused already"));
    world.clear_calls();
    world.acme().update(id, json!({"title": "Changed meanwhile"})).await.unwrap();
    world.internal.add_log_entry(inside, "private_log", "<p>Meanwhile</p>").await.unwrap();
    world.beta().create_ticket("UserRequest", ticket("Of beta")).await.unwrap();
    world.pass_seconds(3 * HOUR).await;
    let calls = world.acme().calls();
    assert!(calls.is_empty(), "neither passed nor swept nor audited: {calls:#?}");
    assert!(world.link_of("beta", 1).await.is_some(), "another external goes on");
    assert_eq!(world.queue().await.len(), 1, "the hooks are kept");
    assert_eq!(
        world.resume("acme", false).await.unwrap(),
        "acme is resumed. It had stopped because an operator paused it.\n"
    );
    world.settle().await;
    assert_eq!(world.copy_of(id).await.field("title"), "[R-000001] Changed meanwhile");
    assert!(world.acme().attachments(id).iter().any(|file| file.temp_id.contains(":internal:log:")));
    world.one_more_pass_writes_nothing().await;
    let refused = world.pause("nobody").await.unwrap_err();
    for side in ["acme", "elitery"] {
        world.pause(side).await.unwrap();
    }
    let said = world.resume("acme", false).await.unwrap();
    assert!(
        said.ends_with(
            "But elitery is paused by an operator; it goes on by `itop-bridge resume elitery`. Until then \
             nothing of acme is written either.\n"
        ),
        "{said}"
    );
    world.resume("elitery", false).await.unwrap();
    let a_ticket = world.pause(PAIR).await.unwrap_err();
    assert!(
        a_ticket.starts_with("only a side can be paused, and acme:R-000001 is a ticket: run `itop-bridge pause acme`"),
        "{a_ticket}"
    );
    assert_eq!(refused, "there is no side \"nobody\". The configuration has acme, beta and elitery");
}

async fn a_paused_internal_is_not_called_and_no_ticket_moves(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let id = linked(&world).await;
    world.pause("elitery").await.unwrap();
    world.clear_calls();
    world.acme().update(id, json!({"title": "Changed meanwhile"})).await.unwrap();
    world.pass_seconds(3 * HOUR).await;
    assert!(world.internal.calls().is_empty(), "neither passed nor swept nor audited");
    assert_eq!(world.acme().writes(), 0);
    world.resume("elitery", false).await.unwrap();
    world.settle().await;
    assert_eq!(world.copy_of(id).await.field("title"), "[R-000001] Changed meanwhile");
    world.one_more_pass_writes_nothing().await;
}

async fn a_link_of_which_only_a_log_has_halted_is_resumed(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let id = linked(&world).await;
    let number = world.link(id).await.id;
    world.acme().add_log_entry(id, "private_log", "<p>Known</p>").await.unwrap();
    world.settle().await;
    let now = world.now_ms();
    let halt = |link: &mut Link| {
        let newest = link.log(Side::External, LogName::Private).expect("delivered").delivered[0].date.clone();
        let text = "4 of 5 entries of the private log of R-000001 are gone at once".to_owned();
        link.log_mut(Side::External, LogName::Private).halt = Some(LogHalt { text, newest });
    };
    let did = Activity::in_words(now, "halted");
    world.store.call(move |store| store.amend_link(number, &|link, _| halt(link), &did, now)).await.unwrap();
    world.settle().await;
    world.pass_seconds(5).await;
    world.acme().add_log_entry(id, "private_log", "<p>After the halt</p>").await.unwrap();
    world.settle().await;
    let files = world.internal.attachments(world.copy_of(id).await.id).len();
    assert_eq!(files, 1, "nothing more of it is sent");
    contains_all(&world.show(PAIR).await, &["state: log halted\n", "; halted: 4 of 5 entries"]);
    let refused = world.resume(PAIR, true).await.unwrap_err();
    assert!(refused.contains("only a log is halted, and the internal ticket still stands"), "{refused}");
    let said = world.resume(PAIR, false).await.unwrap();
    let after = "the log is taken as delivered, except for the entries dated after the halt.";
    contains_all(&said, &["had stopped because 4 of 5 entries", after, "It is resumed"]);
    assert!(!world.link(id).await.link.course.resumed, "nothing but the log is accepted");
    world.settle().await;
    assert_eq!(world.internal.attachments(world.copy_of(id).await.id).len(), 2);
    assert!(world.did(id, "resumed by an operator: 4 of 5").await);
    world.one_more_pass_writes_nothing().await;
}
