//! How a ticket and a side stand, as each verb tells it: the same in all of them at the same moment, with the next step.

use itop_bridge::cli::Outcome;
use itop_bridge::cli::links::LinksVerb;
use itop_bridge::cli::links::list::List;
use itop_bridge::standing::Word;
use itop_bridge_testkit::world::*;
use itop_sim::{Effect, Fault};
use serde_json::Value as Json;

use crate::verbs::contains_all;

any_version![
    what_is_kept_back_is_told_alike_by_every_verb_and_retry_tries_it_now,
    a_failing_ticket_has_one_count_and_one_next_time,
    an_ended_pair_is_told_as_ended_and_how_it_is_linked_again,
    resume_says_what_it_will_do_and_what_ends_a_halt_is_named,
    a_refused_value_names_its_next_try_and_the_verb_that_hurries_it,
    a_pause_hides_neither_a_halt_nor_a_conflict,
    of_a_write_without_an_answer_it_is_told_which_and_what_becomes_of_it,
    why_a_ticket_is_not_carried_is_told_with_the_text_of_only,
    what_is_older_is_told_by_links_show_and_plan,
    a_side_that_is_down_is_told_by_status_and_list,
    whether_a_side_answers_is_told_at_once,
    status_ends_with_one_where_a_person_is_needed,
    lists_are_filtered_by_side_and_state,
    a_plain_reference_names_a_ticket_where_one_is_called_so,
    a_ticket_whose_create_is_kept_back_is_not_told_as_well,
    what_serve_tells_is_written_when_it_changes,
];

const WORD: &str = "forbidden-word";
const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const PAIR: &str = "acme:R-000001";

async fn create(world: &World, title: &str) -> u64 {
    world.acme().create_ticket("UserRequest", ticket(title)).await.unwrap()
}

async fn linked(world: &World) -> u64 {
    let id = create(world, "Printer on fire").await;
    world.settle().await;
    id
}

async fn list(world: &World) -> String {
    world.links_verb(listed(false)).await.unwrap().1
}

/// What stands after these words in the text, up to the end of the line or the next `;`.
#[track_caller]
fn after(text: &str, words: &str) -> String {
    let Some((_, rest)) = text.split_once(words) else { panic!("{words:?} in:\n{text}") };
    rest.split(['\n', ';', ':']).next().unwrap_or_default().trim_end_matches('.').to_owned()
}

/// What stands after these words, up to the end of a moment.
#[track_caller]
fn moment_after(text: &str, words: &str) -> String {
    let Some((_, rest)) = text.split_once(words) else { panic!("{words:?} in:\n{text}") };
    let end = rest.find("UTC").unwrap_or_else(|| panic!("a moment after {words:?} in:\n{text}"));
    rest[..end + "UTC".len()].to_owned()
}

async fn what_is_kept_back_is_told_alike_by_every_verb_and_retry_tries_it_now(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let id = linked(&world).await;
    world.internal.bar_word(WORD, Fault::barred(403));
    world.acme().update(id, json!({"description": format!("<p>a {WORD}</p>")})).await.unwrap();
    world.pass_seconds(20 * MINUTE).await;
    let (shown, planned, listed) = (world.show(PAIR).await, world.plan(PAIR).await.unwrap().1, list(&world).await);
    let status = world.status().await.1;
    let what = "description: 403 by what stands before elitery; tried ";
    let tried = after(&shown, what);
    for said in [&shown, &planned, &listed, &status] {
        let lower = said.replace("Kept back", "kept back");
        assert!(lower.contains(&format!("kept back: {what}{tried}")), "{tried} in:\n{said}");
        assert!(!said.contains("in a row"), "{said}");
    }
    let next = moment_after(&shown, ", tried again at ");
    for said in [&planned, &listed, &status] {
        assert_eq!(moment_after(said, ", tried again at "), next);
    }
    let looked = moment_after(&shown, "queue: looked at next at ");
    assert_eq!(moment_after(&planned, "It is looked at next at "), looked);
    contains_all(&planned, &["`itop-bridge retry acme:R-000001` tries it now"]);
    world.internal.heal();
    let said = world.retry(Some(PAIR)).await.unwrap().1;
    contains_all(&said, &["acme:R-000001 is due now:\n", "kept back: description: 403 by what stands before elitery"]);
    world.pass_seconds(5).await;
    assert!(world.copy_of(id).await.field("description").contains(WORD), "it was tried at once");
    world.settle().await;
    world.pass_seconds(10 * MINUTE).await;
    assert!(list(&world).await.trim_end().ends_with("ok"), "{}", list(&world).await);
    world.one_more_pass_writes_nothing().await;
}

async fn a_failing_ticket_has_one_count_and_one_next_time(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let id = linked(&world).await;
    let text = "Unexpected value for attribute 'Team' (team_id) : Value not allowed [7]";
    world.internal.fail_with(move |call| (call.operation == "core/apply_stimulus").then(|| Fault::error(text)));
    world.acme().stimulus(id, "ev_assign", json!({"team_id": 37, "agent_id": 9})).await.unwrap();
    world.pass_seconds(5 * MINUTE).await;
    let (shown, planned) = (world.show(PAIR).await, world.plan(PAIR).await.unwrap().1);
    let tries = after(&shown, "failing: failed ");
    assert!(planned.contains(&format!("Failing: failed {tries}")), "{tries} in:\n{planned}");
    let next = moment_after(&shown, "tried again at ");
    assert_eq!(moment_after(&planned, "tried again at "), next);
    assert_eq!(moment_after(&planned, "It is looked at next at "), next);
    assert_eq!(moment_after(&list(&world).await, "tried again at "), next);
    world.internal.heal();
    let said = world.retry(Some(PAIR)).await.unwrap().1;
    contains_all(&said, &["is due now:\n  failing: ", "Value not allowed"]);
    world.pass_seconds(3).await;
    assert_eq!(world.copy_of(id).await.status(), "assigned");
    world.settle().await;
    world.one_more_pass_writes_nothing().await;
}

async fn an_ended_pair_is_told_as_ended_and_how_it_is_linked_again(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let first = linked(&world).await;
    let second = create(&world, "Another").await;
    world.settle().await;
    world.acme().delete_ticket(first).await.unwrap();
    world.pass_seconds(2 * HOUR).await;
    world.resume(PAIR, false).await.unwrap();
    world.settle().await;
    let unlink = LinksVerb::Unlink(itop_bridge::cli::links::unlink::Unlink { ticket: "acme:R-000002".into() });
    world.links_verb(unlink).await.unwrap();
    let resumed = "an operator resumed it, and the pair ended at 2026-";
    for (pair, how) in [(PAIR, resumed), ("acme:R-000002", "an operator ended the pair at 2026-")] {
        let inside = pair.replace("acme:R-00000", "elitery:R-00100");
        let again = format!("`itop-bridge links link {pair} {inside}` makes a pair again");
        let (outcome, planned) = world.plan(pair).await.unwrap();
        assert_eq!(outcome, Outcome::Fine);
        assert!(!planned.contains("Halted") && !planned.contains("resume`"), "{planned}");
        for said in [planned, world.show(pair).await, world.resume(pair, false).await.unwrap()] {
            contains_all(&said, &[how, &again]);
        }
        assert!(list(&world).await.contains(how), "{}", list(&world).await);
    }
    assert_eq!(world.link(second).await.link.course.halt, None);
    world.one_more_pass_writes_nothing().await;
}

async fn resume_says_what_it_will_do_and_what_ends_a_halt_is_named(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let id = linked(&world).await;
    let copy = world.copy_of(id).await.id;
    world.internal.delete_ticket(copy).await.unwrap();
    world.pass_seconds(2 * HOUR).await;
    world.settle().await;
    let step = "ook at both its tickets; if that is still so, `itop-bridge resume acme:R-000001` ends the pair for good, \
                and `itop-bridge resume acme:R-000001 --create` makes a new ticket in elitery instead";
    let (outcome, planned) = world.plan(PAIR).await.unwrap();
    assert_eq!(outcome, Outcome::FaultFound);
    for said in [planned, world.show(PAIR).await, world.status().await.1] {
        contains_all(&said, &[step]);
    }
    assert_eq!(
        world.status_json().await["tickets"][0]["steps"][0].as_str().unwrap().split_once("ook").unwrap().1,
        &step[3..]
    );
    let said = world.resume(PAIR, false).await.unwrap();
    let order = ["had stopped because", "the pair ends for good", "It is resumed"].map(|words| said.find(words));
    assert!(order.iter().all(Option::is_some) && order.is_sorted(), "{said}");
    world.settle().await;
    world.one_more_pass_writes_nothing().await;
}

async fn a_refused_value_names_its_next_try_and_the_verb_that_hurries_it(versions: Versions) {
    let world = crate::refused::world(versions).await;
    let id = linked(&world).await;
    world.acme().update(id, json!({"impact": "4"})).await.unwrap();
    world.pass_seconds(MINUTE).await;
    world.settle().await;
    let told = "impact: elitery does not take this value: ";
    let (shown, planned, status) = (world.show(PAIR).await, world.plan(PAIR).await.unwrap().1, world.status().await.1);
    let next = moment_after(&shown, "at the first look after ");
    for said in [&shown, &planned, &status, &list(&world).await] {
        assert!(said.to_lowercase().contains(&format!("conflict: {told}")), "{said}");
        assert_eq!(moment_after(said, "at the first look after "), next);
    }
    for said in [&shown, &planned, &status] {
        contains_all(said, &["`itop-bridge retry acme:R-000001` tries it now"]);
    }
    world.internal.allow_value("impact", "4");
    contains_all(&world.retry(Some(PAIR)).await.unwrap().1, &["is due now:\n  conflict: impact: elitery did not take"]);
    world.settle().await;
    assert_eq!(world.copy_of(id).await.field("impact"), "4");
    assert!(list(&world).await.trim_end().ends_with("ok"));
    world.one_more_pass_writes_nothing().await;
}

async fn a_pause_hides_neither_a_halt_nor_a_conflict(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let id = linked(&world).await;
    world.internal.delete_ticket(world.copy_of(id).await.id).await.unwrap();
    world.pass_seconds(2 * HOUR).await;
    world.settle().await;
    world.pause("acme").await.unwrap();
    let listed = list(&world).await;
    assert!(listed.starts_with("acme is paused by an operator; it goes on by `itop-bridge resume acme`\n"));
    contains_all(&listed, &["halted: the internal ticket R-001001", "; paused"]);
    let (outcome, status) = world.status().await;
    assert_eq!(outcome, Outcome::FaultFound);
    contains_all(&status, &["acme (external): paused", "halted: the internal ticket", "2 things need a person."]);
    world.resume("acme", false).await.unwrap();
    world.settle().await;
    world.one_more_pass_writes_nothing().await;
}

async fn of_a_write_without_an_answer_it_is_told_which_and_what_becomes_of_it(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let id = linked(&world).await;
    world.internal.fail_next_write(Fault::Cut { after_bytes: 0, effect: Effect::None });
    world.acme().update(id, json!({"title": "Printer still on fire"})).await.unwrap();
    world.pass_seconds(5).await;
    let told = "nanswered: title: a call without an answer may still be carried out until 2026-11-24 11:";
    for said in [world.show(PAIR).await, world.plan(PAIR).await.unwrap().1] {
        contains_all(&said, &[told, "; if that undoes a newer change, the bridge writes the change again"]);
    }
    assert_eq!(world.copy_of(id).await.field("title"), "[R-000001] Printer still on fire", "and it was");
    world.pass_seconds(10 * MINUTE).await;
    world.internal.fail_next_write(Fault::Cut { after_bytes: 0, effect: Effect::None });
    world.acme().attach(id, "a.txt", "text/plain", b"a").await.unwrap();
    world.pass_seconds(20).await;
    let told = "unanswered: file \"a.txt\": a call without an answer may still be carried out until 2026-11-24 11:";
    contains_all(
        &world.show(PAIR).await,
        &[told, "; the bridge looks for its effect, and sends it again only after that"],
    );
    let inside = world.copy_of(id).await.id;
    assert!(world.internal.attachments(inside).is_empty(), "nor was it");
    world.settle().await;
    world.pass_seconds(10 * MINUTE).await;
    assert_eq!(world.internal.attachments(inside).len(), 1);
    world.one_more_pass_writes_nothing().await;
}

async fn why_a_ticket_is_not_carried_is_told_with_the_text_of_only(versions: Versions) {
    let world = Setup::between(versions).acme("only = \"title LIKE 'Printer%'\"").start().await;
    create(&world, "A mouse").await;
    world.settle().await;
    world.pass_seconds(20).await;
    let why = "it does not fit `only`, which says of UserRequest: title LIKE 'Printer%'";
    contains_all(&world.plan(PAIR).await.unwrap().1, &[&format!("A pass writes nothing: {why}.\n")]);
    let shown = world.show(PAIR).await;
    contains_all(
        &shown,
        &[&format!("not carried: {why}\n"), "queue: nothing waits\n", "the next sweep of acme is at 2026-"],
    );
    assert_eq!(world.show_json(PAIR).await["not_carried"], json!(why));
    world.one_more_pass_writes_nothing().await;
}

async fn what_is_older_is_told_by_links_show_and_plan(versions: Versions) {
    let world = Setup::between(versions).start().await;
    // The connection is moved over the next tickets, as if it had begun later.
    linked(&world).await;
    let of = itop_bridge_store::Instance::External("acme".into());
    world.store.call(move |store| store.set_cursor(&of, "since_id", "50")).await.unwrap();
    world.acme().drop_hooks(true);
    let older = create(&world, "Older").await;
    world.acme().drop_hooks(false);
    let why = "it is older than the connection";
    let name = format!("acme:R-00000{older}");
    let planned = world.plan(&name).await.unwrap().1;
    contains_all(&planned, &[why, "`itop-bridge backfill --side acme --since 2026-11-24` brings it"]);
    contains_all(&world.show(&name).await, &[why, "`itop-bridge backfill --side acme --since "]);
    world.settle().await;
    world.one_more_pass_writes_nothing().await;
}

async fn a_side_that_is_down_is_told_by_status_and_list(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let id = linked(&world).await;
    world.pass_seconds(20).await;
    let (outcome, status) = world.status().await;
    assert_eq!(outcome, Outcome::Fine, "{status}");
    contains_all(
        &status,
        &["elitery (internal): up at 2026-", "acme (external): up at 2026-", "; last swept at ", "All is well."],
    );
    world.internal.down(true);
    world.acme().update(id, json!({"title": "Changed meanwhile"})).await.unwrap();
    create(&world, "New meanwhile").await;
    world.pass_seconds(3 * MINUTE).await;
    let (outcome, status) = world.status().await;
    assert_eq!(outcome, Outcome::FaultFound);
    contains_all(
        &status,
        &[
            "elitery (internal): down",
            "  elitery is down since 2026-11-24 11:",
            "2 wait, the oldest for ",
            "to do: repair that iTop",
        ],
    );
    let listed = list(&world).await;
    assert!(listed.starts_with("elitery is down since 2026-11-24 11:"), "{listed}");
    contains_all(&listed, &["acme:R-000001", "waits: elitery is down since", "acme:2 "]);
    let told = world.status_json().await;
    assert_eq!((&told["sides"][0]["state"], &told["well"]), (&json!("down"), &json!(false)), "{told}");
    contains_all(&world.show(PAIR).await, &["state: waits\n", "elitery is down since 2026-11-24 11:"]);
    contains_all(&world.plan("acme:2").await.unwrap_or_else(|why| (Outcome::Fine, why)).1, &["elitery"]);
    world.internal.down(false);
    world.pass_seconds(3 * MINUTE).await;
    world.settle().await;
    world.pass_seconds(20).await;
    assert_eq!(world.status().await.0, Outcome::Fine, "{}", world.status().await.1);
    world.one_more_pass_writes_nothing().await;
}

/// Nobody waits for the next look at what is to be told.
async fn whether_a_side_answers_is_told_at_once(versions: Versions) {
    let mut world = Setup::between(versions).start().await;
    linked(&world).await;
    world.crash().await;
    world.internal.down(true);
    world.boot();
    world.pass_seconds(1).await;
    let (outcome, status) = world.status().await;
    assert_eq!(outcome, Outcome::FaultFound, "{status}");
    contains_all(&status, &["elitery (internal): down", "acme (external): up"]);
    world.internal.down(false);
    world.pass_seconds(70).await;
    world.settle().await;
    contains_all(&world.status().await.1, &["elitery (internal): up", "All is well."]);
    world.one_more_pass_writes_nothing().await;
}

async fn status_ends_with_one_where_a_person_is_needed(versions: Versions) {
    let world = Setup::between(versions).start().await;
    world.internal.fail_with(|call| {
        let text = "Unexpected value for attribute 'Impact' (impact) : Value not allowed [7]";
        call.is_write().then(|| Fault::error(text))
    });
    create(&world, "Printer on fire").await;
    world.pass_seconds(2 * MINUTE).await;
    let (outcome, status) = world.status().await;
    assert_eq!(outcome, Outcome::Fine, "{status}");
    contains_all(&status, &["goes on by itself:\n  acme:1\n    failing: failed ", "All is well."]);
    world.pass_seconds(HOUR + 10 * MINUTE).await;
    let (outcome, status) = world.status().await;
    assert_eq!(outcome, Outcome::FaultFound);
    contains_all(
        &status,
        &[
            "needs a person:\n  acme:1\n    parked: refused ",
            "`itop-bridge retry acme:1` tries again now",
            "1 thing needs a person.",
        ],
    );
    let told = world.status_json().await;
    assert_eq!((&told["tickets"][0]["state"], &told["tickets"][0]["external"]), (&json!("parked"), &json!("acme:1")));
    assert_eq!(told["queues"][0]["parked"], json!(1));
    world.internal.heal();
    world.retry(None).await.unwrap();
    world.settle().await;
    assert_eq!(world.status().await.0, Outcome::Fine);
    world.one_more_pass_writes_nothing().await;
}

async fn lists_are_filtered_by_side_and_state(versions: Versions) {
    let world = Setup { externals: vec![versions.external; 2], ..Setup::between(versions) }.start().await;
    let id = linked(&world).await;
    world.beta().create_ticket("UserRequest", ticket("Of beta")).await.unwrap();
    world.settle().await;
    world.internal.delete_ticket(world.copy_of(id).await.id).await.unwrap();
    world.pass_seconds(2 * HOUR).await;
    world.settle().await;
    let filtered = async |side: Option<&str>, states: &[Word]| {
        let list = List { side: side.map(str::to_owned), states: states.to_vec(), json: true };
        let said = world.links_verb(LinksVerb::List(list)).await?.1;
        let listed: Vec<Json> = serde_json::from_str(&said).unwrap();
        Ok::<_, String>(listed.iter().map(|row| row["external"].as_str().unwrap().to_owned()).collect::<Vec<_>>())
    };
    assert_eq!(filtered(Some("beta"), &[]).await.unwrap(), ["beta:R-000001"]);
    assert_eq!(filtered(None, &[Word::Halted]).await.unwrap(), ["acme:R-000001"]);
    assert_eq!(filtered(Some("elitery"), &[Word::Halted, Word::Ok]).await.unwrap().len(), 2);
    assert_eq!(filtered(Some("beta"), &[Word::Halted]).await.unwrap(), [""; 0]);
    let refused = filtered(Some("nobody"), &[]).await.unwrap_err();
    assert!(refused.starts_with("there is no side \"nobody\""), "{refused}");
    world.one_more_pass_writes_nothing().await;
}

async fn a_plain_reference_names_a_ticket_where_one_is_called_so(versions: Versions) {
    let world = Setup { externals: vec![versions.external; 2], ..Setup::between(versions) }.start().await;
    linked(&world).await;
    contains_all(&world.show("R-001001").await, &["link 1: acme:R-000001 with elitery:R-001001\n"]);
    contains_all(&world.plan("R-000001").await.unwrap().1, &["acme:R-000001 and elitery:R-001001 (link 1)\n"]);
    let unknown = world.plan("R-000077").await.unwrap_err();
    assert_eq!(unknown, "no pair has a ticket R-000077; name its side: acme:R-000077 or beta:R-000077");
    world.beta().create_ticket("UserRequest", ticket("Of beta")).await.unwrap();
    world.settle().await;
    let both = "several tickets are called R-000001; write one of acme:R-000001 (link 1: acme:R-000001 with \
                elitery:R-001001), beta:R-000001 (link 2: beta:R-000001 with elitery:R-001002)";
    let show = LinksVerb::Show { ticket: "R-000001".into(), json: false };
    let unlink = LinksVerb::Unlink(itop_bridge::cli::links::unlink::Unlink { ticket: "R-000001".into() });
    assert_eq!(world.links_verb(show).await.unwrap_err(), both);
    assert_eq!(world.links_verb(unlink).await.unwrap_err(), both);
    assert_eq!(world.retry(Some("R-000001")).await.unwrap_err(), both);
    assert_eq!(world.resume("R-000001", false).await.unwrap_err(), both);
    assert_eq!(world.plan("R-000001").await.unwrap_err(), both);
    world.one_more_pass_writes_nothing().await;
}

async fn a_ticket_whose_create_is_kept_back_is_not_told_as_well(versions: Versions) {
    let world = Setup::between(versions).start().await;
    world.internal.fail_with(|call| (call.operation == "core/create").then(|| Fault::barred(403)));
    create(&world, "Printer on fire").await;
    world.pass_seconds(2).await;
    let shown = world.show(PAIR).await;
    contains_all(
        &shown,
        &["status: new in acme, no ticket in elitery yet\n", "kept back: the ticket's creation: 403 by"],
    );
    let listed = list(&world).await;
    contains_all(&listed, &[" new ", "kept back: the ticket's creation: 403 by", "it has no ticket in elitery yet"]);
    assert!(!listed.trim_end().ends_with("ok"), "{listed}");
    assert_eq!(world.status().await.0, Outcome::FaultFound);
    let said = world.retry(Some(PAIR)).await.unwrap().1;
    contains_all(&said, &["An earlier try of it may still be carried out: it follows after 2026-11-24 11:"]);
    world.internal.heal();
    world.pass_seconds(10 * MINUTE).await;
    world.settle().await;
    assert_eq!(world.internal.tickets("UserRequest").len(), 1);
    world.pass_seconds(10 * MINUTE).await;
    assert_eq!(world.status().await.0, Outcome::Fine, "{}", world.status().await.1);
    world.one_more_pass_writes_nothing().await;
}

async fn what_serve_tells_is_written_when_it_changes(versions: Versions) {
    let world = Setup::between(versions).start().await;
    linked(&world).await;
    world.pass_seconds(20).await;
    let before = world.commits.made();
    world.pass_seconds(4 * MINUTE).await;
    assert!(world.commits.made() - before <= 2, "between two sweeps nothing changes");
    world.one_more_pass_writes_nothing().await;
}
