//! Words that mean something in iTop: links in its own notation, mentions and addresses of its console cross as plain
//! words, in whatever text they stand. The other iTop would make links of its own of them, and its people are told of
//! no other ticket.

use itop_bridge_core::Side;
use itop_bridge_testkit::world::*;
use itop_sim::{Sim, Version};

use crate::status::go;

each_version![
    links_in_the_fields_of_a_ticket_cross_as_words,
    links_in_what_a_stimulus_carries_cross_as_words,
    links_in_log_entries_cross_as_words,
    a_resolution_with_the_parent_is_told_inside_without_the_parent,
    a_resolution_with_the_parent_is_told_outside_without_the_parent,
];

/// What a person at `sim` may write in an editor: each with what is left of it in the other iTop.
fn written(sim: &Sim) -> [(String, &'static str); 6] {
    let console = format!("{}/pages/UI.php?operation=details&amp;class=Person&amp;id=3", sim.base_url());
    [
        ("see [[UserRequest:4711]] and [[Person:1|Agatha]]".into(), "see (link to another ticket) and Agatha"),
        ("as in [[UserRequest:4711|R-004711]]".into(), "as in (link to another ticket)"),
        ("broken [[User<b>Request:4711</b>]] over tags".into(), "broken (link to another ticket) over tags"),
        (
            format!(
                "ask <a data-role=\"object-mention\" data-object-class=\"Person\" data-object-id=\"4711\" \
                 href=\"{console}\">@Anna</a>"
            ),
            "ask @Anna",
        ),
        (format!("<a href=\"{console}\">our <i>page</i></a>, {console}"), "our page, (link into the other iTop)"),
        (
            "see R-000123 on <a href=\"https://wiki.example/x?a=1\">wiki</a>".into(),
            "see R-000123 on wiki (https://wiki.example/x?a=1)",
        ),
    ]
}

fn markup(sim: &Sim) -> String {
    written(sim).iter().map(|(html, _)| format!("<p>{html}</p>")).collect()
}

/// The same in a plain text, where the editor has no tags.
const PLAIN: &str = "see [[UserRequest:4711]], [[Person:1|Agatha]]\nand pages/UI.php?operation=details&id=4711";
const PLAIN_TOLD: &str = "see (link to another ticket), Agatha\nand (link into the other iTop)";

fn seen(value: &str) -> String {
    let text =
        if value.trim_start().starts_with('<') { itop_bridge_text::html::log_text(value) } else { value.to_owned() };
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Nothing was sent to `target` that names what stands in the other iTop alone.
fn nothing_was_told(source: &Sim, target: &Sim) {
    let console = format!("{}/pages", source.base_url());
    for told in ["4711", "[[", "data-object", "data-role", &console] {
        let calls = target.calls_containing(told);
        let writes: Vec<_> = calls.iter().filter(|call| call.is_write()).collect();
        assert!(writes.is_empty(), "{told} crossed: {writes:#?}");
    }
}

async fn links_in_the_fields_of_a_ticket_cross_as_words(versions: Versions) {
    let fields = "fields = [\"title\", \"description\", \"solution\", \"pending_reason\"]";
    for at_creation in [true, false] {
        let world = Setup::between(versions).sync(fields).start().await;
        let acme = world.acme();
        let mut said = ticket("[[UserRequest:4711|the printer]] and [[UserRequest:4711]]");
        said["description"] = json!(markup(acme));
        said["solution"] = match versions.external {
            Version::V3_1 => json!(PLAIN),
            Version::V3_2 => json!(markup(acme)),
        };
        said["pending_reason"] = json!(PLAIN);
        let id = if at_creation {
            acme.create_ticket("UserRequest", said).await.unwrap()
        } else {
            let id = acme.create_ticket("UserRequest", ticket("x")).await.unwrap();
            world.settle().await;
            acme.update(id, said).await.unwrap();
            id
        };
        world.settle().await;
        let copy = world.copy_of(id).await;
        assert_eq!(copy.field("title"), "[R-000001] the printer and (link to another ticket)");
        assert_eq!(seen(copy.field("pending_reason")), seen(PLAIN_TOLD));
        let told: Vec<&str> = written(acme).iter().map(|(_, told)| *told).collect();
        let told = told.join(" ");
        assert_eq!(seen(copy.field("description")), told);
        assert!(copy.field("description").contains("https://wiki.example/x?a=1"), "other links stay");
        let solution = if versions.external == Version::V3_1 { seen(PLAIN_TOLD) } else { told };
        assert_eq!(seen(copy.field("solution")), solution);
        nothing_was_told(acme, &world.internal);
        assert!(!world.did(id, "overwritten").await, "{:#?}", world.activity(id).await);
        world.one_more_pass_writes_nothing().await;
    }
}

async fn links_in_what_a_stimulus_carries_cross_as_words(versions: Versions) {
    for from in Side::BOTH {
        let world = Setup::between(versions).sync("status_to_external = \"apply\"").acme(APPLY).start().await;
        let id = world.acme().create_ticket("UserRequest", ticket("Printer on fire")).await.unwrap();
        world.settle().await;
        go(world.acme(), id, &["ev_assign"]).await;
        world.settle().await;
        let copy = world.copy_of(id).await.id;
        let ((source, ticket), (target, other)) = from.source_and_target((world.acme(), id), (&world.internal, copy));
        source.stimulus(ticket, "ev_pending", json!({ "pending_reason": PLAIN })).await.unwrap();
        world.settle().await;
        assert_eq!(target.ticket(other).unwrap().field("pending_reason"), PLAIN_TOLD);
        nothing_was_told(source, target);
        world.one_more_pass_writes_nothing().await;
    }
}

/// The customer's own team and agent, for the stimuli that drive their tickets.
const APPLY: &str = "only = \"all\"\ndefaults = { team = \"Helpdesk\", agent = 9, service = \"Software\" }";

async fn links_in_log_entries_cross_as_words(versions: Versions) {
    for from in Side::BOTH {
        let world = Setup::between(versions).start().await;
        let id = world.acme().create_ticket("UserRequest", ticket("Printer on fire")).await.unwrap();
        world.settle().await;
        let copy = world.copy_of(id).await.id;
        let ((source, ticket), (target, other)) = from.source_and_target((world.acme(), id), (&world.internal, copy));
        source.add_log_entry(ticket, "private_log", &markup(source)).await.unwrap();
        world.settle().await;
        let files = target.attachments(other);
        let file = files.iter().find(|file| file.filename.contains("private log")).expect("the entry's file");
        let text = String::from_utf8(file.data.to_vec()).unwrap();
        for (_, told) in written(source) {
            assert!(seen(&text).contains(told), "{told:?} in {text}");
        }
        for told in ["4711", "[[", source.base_url().as_str()] {
            assert!(!text.contains(told), "{told:?} in {text}");
        }
        world.one_more_pass_writes_nothing().await;
    }
}

/// A parent of the same iTop takes its child along.
async fn resolve_with_parent(sim: &Sim, child: u64) -> String {
    let parent = sim.create_ticket("UserRequest", ticket("Many printers on fire")).await.unwrap();
    sim.update(child, json!({ "parent_request_id": parent })).await.unwrap();
    go(sim, parent, &["ev_assign", "ev_resolve"]).await;
    assert_eq!(sim.ticket(child).unwrap().status(), "resolved");
    sim.ticket(parent).unwrap().field("ref").to_owned()
}

async fn a_resolution_with_the_parent_is_told_inside_without_the_parent(versions: Versions) {
    // The parent was there before the bridge, and stays outside.
    let world = Setup::between(versions).acme("only = \"title = 'Printer on fire'\"").start().await;
    let id = world.acme().create_ticket("UserRequest", ticket("Printer on fire")).await.unwrap();
    world.settle().await;
    let parent = resolve_with_parent(world.acme(), id).await;
    world.settle().await;
    let copy = world.copy_of(id).await;
    assert_eq!(copy.status(), "resolved");
    assert_eq!(seen(copy.field("solution")), "Automatically resolved with its parent");
    assert!(world.internal.calls_containing(&parent).is_empty(), "{parent} crossed");
    nothing_was_told(world.acme(), &world.internal);
    world.one_more_pass_writes_nothing().await;
}

async fn a_resolution_with_the_parent_is_told_outside_without_the_parent(versions: Versions) {
    for mode in ["report", "apply"] {
        let sync = format!("status_to_external = \"{mode}\"");
        let world = Setup::between(versions).sync(&sync).acme(APPLY).start().await;
        let id = world.acme().create_ticket("UserRequest", ticket("Printer on fire")).await.unwrap();
        world.settle().await;
        let copy = world.copy_of(id).await.id;
        let parent = resolve_with_parent(&world.internal, copy).await;
        world.settle().await;
        let outside = world.acme().ticket(id).unwrap();
        let solution = if mode == "apply" {
            assert_eq!(outside.status(), "resolved");
            outside.field("solution").to_owned()
        } else {
            let files = world.acme().attachments(id);
            let report = files.iter().find(|file| file.filename.contains("resolved")).expect("the report");
            String::from_utf8(report.data.to_vec()).unwrap()
        };
        assert!(seen(&solution).contains("Automatically resolved with its parent"), "{solution}");
        assert!(!solution.contains(&parent) && !solution.contains("[["), "{solution}");
        nothing_was_told(&world.internal, world.acme());
        world.one_more_pass_writes_nothing().await;
    }
}

/// The customer's iTop calls itself by another address than the one by which the bridge reaches it.
#[tokio::test(start_paused = true)]
async fn an_address_below_what_an_itop_calls_itself_is_not_told() {
    const OWN: &str = "http://10.0.0.7/own";
    for &versions in each_pair() {
        let world = Setup::between(versions).start().await;
        let acme = world.acme();
        acme.call_itself(OWN);
        let id = acme.create_ticket("UserRequest", ticket("Printer on fire")).await.unwrap();
        world.settle().await;
        let image = acme.add_inline_image(id, "5ec2e7f00d", "image/png", b"\x89PNG\r\n\x1a\nscreen").await.unwrap();
        let said = format!(
            "<p>{} {OWN}/env-production/x.html, <a href=\"{OWN}/data/9\">there</a>, \
             http://other.example//pages//UI.php?operation=details&amp;class=UserRequest&amp;id=4711 \
             http://other.example/?operation=details&amp;class=UserRequest&amp;id=4711 \
             http://other.example/synchro/synchro_import.php?auth_pwd=4711</p>",
            image.html
        );
        acme.update(id, json!({ "description": said })).await.unwrap();
        acme.add_log_entry(id, "private_log", &format!("<p>{OWN}/z</p><p>{said}</p>")).await.unwrap();
        acme.update(id, json!({ "pending_reason": format!("see {OWN}/y") })).await.unwrap();
        acme.stimulus(id, "ev_assign", json!({"team_id": 37, "agent_id": 9})).await.unwrap();
        acme.stimulus(id, "ev_pending", json!({})).await.unwrap();
        world.settle().await;
        let copy = world.copy_of(id).await;
        assert_eq!(copy.field("pending_reason"), "see (link into the other iTop)", "{versions:?}");
        let description = seen(copy.field("description"));
        assert_eq!(description.matches("(link into the other iTop)").count(), 4, "{description}");
        for told in ["10.0.0.7", "4711", "5ec2e7f00d"] {
            let calls = world.internal.calls_containing(told);
            assert!(calls.iter().all(|call| !call.is_write()), "{told} crossed: {calls:#?}");
            let files = world.internal.attachments(copy.id);
            assert!(
                files.iter().all(|file| !String::from_utf8_lossy(&file.data).contains(told)),
                "{told} in {files:?}"
            );
        }
        world.one_more_pass_writes_nothing().await;
    }
}
