//! Fields cross from the outside in, and never the other way.

use std::time::Duration;

use itop_bridge_testkit::world::*;
use itop_sim::{Call, Effect, Fault, Version};

use crate::status::go;

const OVERWRITTEN: &str = "an edit in the internal iTop was overwritten";

async fn linked(world: &World, description: &str) -> (u64, u64) {
    let mut fields = ticket("Printer on fire");
    fields["description"] = json!(description);
    let id = world.acme().create_ticket("UserRequest", fields).await.unwrap();
    world.settle().await;
    let copy = world.copy_of(id).await.id;
    world.clear_calls();
    (id, copy)
}

/// The updates that were sent inside.
fn updates(world: &World) -> Vec<Call> {
    world.internal.calls().into_iter().filter(Call::is_write).collect()
}

fn is_update(call: &Call) -> bool {
    call.operation == "core/update" && call.class != "Attachment"
}

#[tokio::test(start_paused = true)]
async fn a_field_changed_outside_changes_inside() {
    let changes = [
        ("title", "Printer flooded", "[R-000001] Printer flooded"),
        ("description", "<p>now <b>wet</b> &amp; cold</p>", "<p>now <b>wet</b> &amp; cold</p>"),
        ("impact", "2", "2"),
        ("urgency", "3", "3"),
    ];
    for &versions in each_pair() {
        let world = Setup::between(versions).start().await;
        let (id, copy) = linked(&world, "<p>x</p>").await;
        for (code, value, expected) in changes {
            world.clear_calls();
            world.acme().update(id, json!({ code: value })).await.unwrap();
            world.settle().await;
            assert_eq!(world.internal.ticket(copy).unwrap().field(code), expected);
            let sent = updates(&world);
            assert_eq!(sent.len(), 1, "{code}: {sent:#?}");
            let fields = &sent[0].request()["fields"];
            assert_eq!(fields.as_object().unwrap().len(), 1, "{code} alone is sent: {fields}");
        }
        assert!(!world.did(id, OVERWRITTEN).await);
        world.one_more_pass_writes_nothing().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_whose_hook_was_lost_comes_by_the_sweep() {
    for &versions in each_pair() {
        let world = Setup::between(versions).start().await;
        let (id, copy) = linked(&world, "<p>x</p>").await;
        world.acme().drop_hooks(true);
        world.acme().update(id, json!({ "title": "unheard" })).await.unwrap();
        world.pass_seconds(301).await;
        world.settle().await;
        assert_eq!(world.internal.ticket(copy).unwrap().field("title"), "[R-000001] unheard");
        world.one_more_pass_writes_nothing().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_edit_inside_stays_until_the_same_field_changes_outside_and_its_loss_is_recorded() {
    for &versions in each_pair() {
        let world = Setup::between(versions).start().await;
        let (id, copy) = linked(&world, "<p>as it was</p>").await;
        let edits = json!({ "title": "edited inside", "description": "<p>edited, too</p>", "urgency": "2" });
        world.internal.update(copy, edits).await.unwrap();
        world.settle().await;
        // Neither a pass nor another field's change takes them back.
        world.acme().update(id, json!({ "impact": "2" })).await.unwrap();
        world.pass_seconds(2 * 3600).await;
        world.settle().await;
        let ticket = world.internal.ticket(copy).unwrap();
        assert_eq!(ticket.field("title"), "edited inside");
        assert_eq!(ticket.field("description"), "<p>edited, too</p>");
        assert_eq!((ticket.field("urgency"), ticket.field("impact")), ("2", "2"));
        assert!(!world.did(id, OVERWRITTEN).await);

        world.acme().update(id, json!({ "title": "changed outside" })).await.unwrap();
        world.settle().await;
        let ticket = world.internal.ticket(copy).unwrap();
        assert_eq!(ticket.field("title"), "[R-000001] changed outside");
        assert_eq!(ticket.field("description"), "<p>edited, too</p>", "the others stay");
        assert!(world.did(id, &format!("{OVERWRITTEN}: title was \"edited inside\"")).await);
        let activity = world.activity(id).await;
        assert_eq!(activity.iter().filter(|line| line.text.contains(OVERWRITTEN)).count(), 1);

        world.acme().update(id, json!({ "description": "<p>changed outside</p>" })).await.unwrap();
        world.settle().await;
        assert_eq!(world.internal.ticket(copy).unwrap().field("description"), "<p>changed outside</p>");
        assert!(world.did(id, "<p>edited, too</p>").await, "the old text is kept in the record");
        world.one_more_pass_writes_nothing().await;
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_that_is_edited_inside_crosses_to_the_outside() {
    for &versions in each_pair() {
        let world = Setup::between(versions).start().await;
        let (id, copy) = linked(&world, "<p>x</p>").await;
        let before = world.acme().ticket(id).unwrap();
        let edits = json!({ "title": "edited", "description": "<p>edited</p>", "urgency": "2", "impact": "3" });
        world.internal.update(copy, edits).await.unwrap();
        world.pass_seconds(2 * 3600).await;
        world.settle().await;
        assert_eq!(world.acme().ticket(id).unwrap(), before);
        assert_eq!(world.acme().writes(), 0);
        world.one_more_pass_writes_nothing().await;
    }
}

#[tokio::test(start_paused = true)]
async fn both_sides_changed_to_the_same_is_no_write_and_no_loss() {
    for &versions in each_pair() {
        let world = Setup::between(versions).start().await;
        let (id, copy) = linked(&world, "<p>x</p>").await;
        world.internal.update(copy, json!({ "impact": "3", "title": "[R-000001] agreed" })).await.unwrap();
        world.acme().update(id, json!({ "impact": "3", "title": "agreed" })).await.unwrap();
        world.settle().await;
        assert!(updates(&world).is_empty());
        assert!(!world.did(id, OVERWRITTEN).await);
        world.one_more_pass_writes_nothing().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_not_what_was_sent_costs_no_second_write_and_no_false_loss() {
    // 3.1 answers with one `amp;` more and drops what 3.2 keeps; what was pasted by SQL is sanitised.
    let texts = [
        "<p>R&amp;D a &lt; b <a href=\"https://x.example/?a=1&amp;b=2\">x</a></p>",
        "<p class=\"note\"><em class=\"x\">classes</em> and <mark>marks</mark></p>",
        "<p>a table</p><figure class=\"table\"><table><colgroup><col></colgroup><tbody><tr><td>1</td></tr></tbody></table></figure>",
    ];
    for &versions in each_pair() {
        let world = Setup::between(versions).start().await;
        let (id, copy) = linked(&world, "<p>first</p>").await;
        let raw = "<p onclick=\"x()\">raw<script>x()</script><o-x>y</o-x></p>";
        for text in texts.iter().chain([&raw]) {
            world.clear_calls();
            if *text == raw {
                world.acme().overwrite(id, "description", text);
                world.acme().update(id, json!({ "origin": "mail" })).await.unwrap();
            } else {
                world.acme().update(id, json!({ "description": text })).await.unwrap();
            }
            world.settle().await;
            let sent = updates(&world);
            assert_eq!(sent.len(), 1, "{text} with {versions:?}: {sent:#?}");
            // What happens elsewhere in the ticket, and every look again, finds nothing to do.
            world.internal.update(copy, json!({ "urgency": if *text == raw { "2" } else { "3" } })).await.unwrap();
            world.acme().update(id, json!({ "origin": "portal" })).await.unwrap();
            world.pass_seconds(301).await;
            world.settle().await;
            assert_eq!(updates(&world).len(), 1, "{text} with {versions:?}: {:#?}", updates(&world));
        }
        assert!(!world.did(id, OVERWRITTEN).await, "{:#?}", world.activity(id).await);
        world.one_more_pass_writes_nothing().await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_highlight_or_a_caption_says_is_not_lost_inside() {
    for inside in BOTH {
        let world = Setup::between(Versions { external: Version::V3_2, internal: inside }).start().await;
        let text = "<p>a <mark class=\"pen-red\">highlight</mark></p>\
                    <figure><table><tbody><tr><td>1</td></tr></tbody></table><figcaption>a caption</figcaption></figure>";
        let (_, copy) = linked(&world, text).await;
        let description = world.internal.ticket(copy).unwrap().field("description").to_owned();
        assert!(description.contains("highlight") && description.contains("a caption"), "{description}");
        world.one_more_pass_writes_nothing().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_save_of_another_field_that_grows_amps_outside_writes_nothing_inside() {
    for inside in BOTH {
        let world = Setup::between(Versions { external: Version::V3_1, internal: inside }).start().await;
        let (id, copy) = linked(&world, "<p>a &amp; b &lt; c</p>").await;
        let before = world.internal.ticket(copy).unwrap();
        let mut grown = world.acme().ticket(id).unwrap().field("description").to_owned();
        for n in 0..3 {
            // The form holds each `&` escaped once more, and is saved so.
            grown = grown.replace('&', "&amp;");
            let fields = json!({ "description": grown, "escalation_reason": format!("another field {n}") });
            world.acme().update(id, fields).await.unwrap();
            world.settle().await;
        }
        assert!(updates(&world).is_empty(), "{:#?}", updates(&world));
        assert_eq!(world.internal.ticket(copy).unwrap(), before);
        world.one_more_pass_writes_nothing().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_of_the_title_beyond_the_cut_writes_nothing() {
    for &versions in each_pair() {
        for edited_inside in [false, true] {
            let world = Setup::between(versions).start().await;
            let (id, copy) = linked(&world, "<p>x</p>").await;
            let long = "日".repeat(250);
            world.acme().update(id, json!({ "title": format!("{long}abc") })).await.unwrap();
            world.settle().await;
            if edited_inside {
                world.internal.update(copy, json!({ "title": "a short one" })).await.unwrap();
                world.settle().await;
            }
            let before = world.internal.ticket(copy).unwrap();
            world.clear_calls();
            world.acme().update(id, json!({ "title": format!("{long}xyz") })).await.unwrap();
            world.settle().await;
            assert!(updates(&world).is_empty(), "{:#?}", updates(&world));
            assert_eq!(world.internal.ticket(copy).unwrap(), before);
            // Within the cut it is a change.
            world.acme().update(id, json!({ "title": format!("!{long}xyz") })).await.unwrap();
            world.settle().await;
            assert!(world.internal.ticket(copy).unwrap().field("title").starts_with("[R-000001] !日"));
            world.one_more_pass_writes_nothing().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_field_that_a_class_does_not_have_is_skipped() {
    for &versions in each_pair() {
        // A change has no urgency, and nothing has this one.
        let fields = "fields = [\"title\", \"urgency\", \"impact\", \"flavour\", \"description\"]";
        let world = Setup::between(versions).sync(fields).start().await;
        for class in ["NormalChange", "RoutineChange", "EmergencyChange", "UserRequest"] {
            let id = world.acme().create_ticket(class, ticket("a change")).await.unwrap();
            world.settle().await;
            world.acme().update(id, json!({ "title": "changed", "impact": "2" })).await.unwrap();
            world.settle().await;
            let copy = world.copy_of(id).await;
            assert!(copy.field("title").ends_with("] changed"));
            assert_eq!(copy.field("impact"), "2");
        }
        world.one_more_pass_writes_nothing().await;
    }
}

#[tokio::test(start_paused = true)]
async fn only_the_fields_of_the_configuration_are_kept_up_to_date() {
    for &versions in each_pair() {
        let world = Setup::between(versions).sync("fields = [\"impact\"]").start().await;
        let (id, copy) = linked(&world, "<p>first</p>").await;
        world.acme().update(id, json!({ "title": "changed", "description": "<p>changed</p>" })).await.unwrap();
        world.settle().await;
        assert!(updates(&world).is_empty());
        world.acme().update(id, json!({ "impact": "2" })).await.unwrap();
        world.settle().await;
        let ticket = world.internal.ticket(copy).unwrap();
        assert_eq!((ticket.field("title"), ticket.field("impact")), ("[R-000001] Printer on fire", "2"));
        assert_eq!(ticket.field("description"), "<p>first</p>");
        world.one_more_pass_writes_nothing().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_description_emptied_outside_is_replaced_by_words_inside() {
    for &versions in each_pair() {
        let world = Setup::between(versions).start().await;
        let (id, copy) = linked(&world, "<p>first</p>").await;
        world.acme().overwrite(id, "description", "");
        world.acme().update(id, json!({ "impact": "2" })).await.unwrap();
        world.settle().await;
        assert_eq!(world.internal.ticket(copy).unwrap().field("description"), "<p>(no description)</p>");
        assert!(!world.did(id, OVERWRITTEN).await);
        world.one_more_pass_writes_nothing().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_update_without_an_answer_ends_in_what_stands_outside() {
    let faults = [
        Fault::Hang(Effect::Committed),
        Fault::Hang(Effect::None),
        Fault::Status(500, Effect::Committed),
        Fault::Status(502, Effect::None),
        Fault::Refuse,
        Fault::Cut { after_bytes: 10, effect: Effect::Committed },
        Fault::Page(r#"{"code":100,"message":"Error: a trigger failed"}"#.into(), Effect::Committed),
    ];
    for &versions in each_pair() {
        for fault in &faults {
            let world = Setup::between(versions).start().await;
            let (id, copy) = linked(&world, "<p>x</p>").await;
            world.internal.fail_when(1, fault.clone(), is_update);
            world.acme().update(id, json!({ "title": "A", "description": "<p>A &amp; A</p>" })).await.unwrap();
            world.settle().await;
            let ticket = world.internal.ticket(copy).unwrap();
            assert_eq!((ticket.field("title"), ticket.field("description")), ("[R-000001] A", "<p>A &amp; A</p>"));
            assert!(!world.did(id, OVERWRITTEN).await, "{fault:?}: {:#?}", world.activity(id).await);
            world.one_more_pass_writes_nothing().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_stands_after_an_update_that_was_answered_with_an_error_is_nobodys_edit() {
    let answers = [
        r#"{"code":100,"message":"Error: the trigger's script has failed"}"#,
        r#"{"code":1213,"message":"Error: mysql_errno = 1213, mysql_error = Deadlock found"}"#,
    ];
    for &versions in each_pair() {
        for answer in answers {
            let world = Setup::between(versions).start().await;
            let (id, copy) = linked(&world, "<p>first</p>").await;
            world.internal.fail_when(1, Fault::Page(answer.into(), Effect::Committed), is_update);
            world.acme().update(id, json!({ "title": "A", "description": "<p>A</p>" })).await.unwrap();
            while updates(&world).is_empty() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            world.acme().update(id, json!({ "title": "B", "description": "<p>B</p>" })).await.unwrap();
            world.settle().await;
            let ticket = world.internal.ticket(copy).unwrap();
            assert_eq!((ticket.field("title"), ticket.field("description")), ("[R-000001] B", "<p>B</p>"));
            assert!(!world.did(id, OVERWRITTEN).await, "{answer}: {:#?}", world.activity(id).await);
            world.one_more_pass_writes_nothing().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_update_that_lands_late_does_not_stay() {
    // Into 3.1, what lands is not what was sent.
    let (a, b) = ("<p class=\"a\">A &amp; <mark>A</mark></p>", "<p class=\"b\">B &amp; B</p>");
    for &versions in each_pair() {
        for back in [false, true] {
            let world = Setup::between(versions).start().await;
            let (id, copy) = linked(&world, "<p>first</p>").await;
            let first = world.acme().ticket(id).unwrap();
            world.internal.fail_when(1, Fault::LandLate(Duration::from_secs(40)), is_update);
            world.acme().update(id, json!({ "title": "A", "description": a })).await.unwrap();
            world.pass_seconds(10).await;
            let then = if back { (first.field("title"), first.field("description")) } else { ("B", b) };
            world.acme().update(id, json!({ "title": then.0, "description": then.1 })).await.unwrap();
            world.pass_seconds(60).await;
            let ticket = world.internal.ticket(copy).unwrap();
            assert_eq!(ticket.field("title"), "[R-000001] A", "it has landed late");
            world.settle().await;
            let ticket = world.internal.ticket(copy).unwrap();
            assert_eq!(ticket.field("title"), format!("[R-000001] {}", then.0));
            let letter = if back { "first" } else { "B" };
            assert!(ticket.field("description").contains(letter), "{}", ticket.field("description"));
            assert!(!world.did(id, OVERWRITTEN).await, "{:#?}", world.activity(id).await);
            world.one_more_pass_writes_nothing().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_persons_edit_is_not_mistaken_for_a_late_value() {
    for &versions in each_pair() {
        let world = Setup::between(versions).start().await;
        let (id, copy) = linked(&world, "<p>first</p>").await;
        world.internal.fail_when(1, Fault::LandLate(Duration::from_secs(40)), is_update);
        world.acme().update(id, json!({ "title": "A" })).await.unwrap();
        world.pass_seconds(10).await;
        world.acme().update(id, json!({ "title": "B" })).await.unwrap();
        world.pass_seconds(60).await;
        assert_eq!(world.internal.ticket(copy).unwrap().field("title"), "[R-000001] A");
        world.internal.update(copy, json!({ "title": "a person's" })).await.unwrap();
        world.settle().await;
        assert_eq!(world.internal.ticket(copy).unwrap().field("title"), "a person's");
        // And once it is lost to a change outside, it is recorded.
        world.acme().update(id, json!({ "title": "C" })).await.unwrap();
        world.settle().await;
        assert_eq!(world.internal.ticket(copy).unwrap().field("title"), "[R-000001] C");
        assert!(world.did(id, "title was \"a person's\"").await);
        world.one_more_pass_writes_nothing().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_crash_between_an_update_and_its_answer_loses_nothing() {
    for &versions in each_pair() {
        for fault in
            [Fault::Hang(Effect::Committed), Fault::Hang(Effect::None), Fault::LandLate(Duration::from_secs(40))]
        {
            let mut world = Setup::between(versions).start().await;
            let (id, copy) = linked(&world, "<p>first</p>").await;
            world.internal.fail_when(1, fault.clone(), is_update);
            world.acme().update(id, json!({ "title": "A" })).await.unwrap();
            while updates(&world).is_empty() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            world.crash().await;
            world.acme().update(id, json!({ "title": "B" })).await.unwrap();
            world.boot();
            world.settle().await;
            // The hook of B was lost with the process.
            world.pass_seconds(301).await;
            world.settle().await;
            assert_eq!(world.internal.ticket(copy).unwrap().field("title"), "[R-000001] B", "{fault:?}");
            assert!(!world.did(id, OVERWRITTEN).await, "{fault:?}: {:#?}", world.activity(id).await);
            world.one_more_pass_writes_nothing().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_edit_that_an_unanswered_update_overwrote_is_recorded_once() {
    let page = Fault::Page(r#"{"code":100,"message":"Error: a trigger failed"}"#.into(), Effect::Committed);
    let faults = [
        Fault::Hang(Effect::Committed),
        Fault::Hang(Effect::None),
        Fault::Cut { after_bytes: 10, effect: Effect::Committed },
        Fault::LandLate(Duration::from_secs(200)),
        page,
        Fault::error("Invalid value"),
    ];
    for &versions in each_pair() {
        for (fault, crashes) in faults.iter().flat_map(|fault| [(fault, false), (fault, true)]) {
            let mut world = Setup::between(versions).start().await;
            let (id, copy) = linked(&world, "<p>x</p>").await;
            let edits = json!({ "title": "edited inside", "description": "<p>edited, too</p>" });
            world.internal.update(copy, edits).await.unwrap();
            world.settle().await;
            world.internal.fail_when(1, fault.clone(), is_update);
            world.acme().update(id, json!({ "title": "A", "description": "<p>A</p>" })).await.unwrap();
            world.pass_seconds(5).await;
            if crashes {
                world.crash().await;
                world.boot();
            }
            world.settle().await;
            let ticket = world.internal.ticket(copy).unwrap();
            assert_eq!((ticket.field("title"), ticket.field("description")), ("[R-000001] A", "<p>A</p>"));
            let activity = world.activity(id).await;
            for lost in ["title was \"edited inside\"", "description was \"<p>edited, too</p>\""] {
                let lines = activity.iter().filter(|line| line.text == format!("{OVERWRITTEN}: {lost}")).count();
                assert_eq!(lines, 1, "{fault:?}, {crashes}: {activity:#?}");
            }
            assert!(world.link(id).await.link.in_flight.contested_edits.is_empty(), "{fault:?}, {crashes}");
            world.one_more_pass_writes_nothing().await;
        }
    }
}

/// The update is sent, the customer goes on, and so does an agent, before the update lands over both.
#[tokio::test(start_paused = true)]
async fn an_edit_over_which_an_earlier_update_lands_late_is_recorded() {
    for &versions in each_pair() {
        let world = Setup::between(versions).start().await;
        let (id, copy) = linked(&world, "<p>x</p>").await;
        world.internal.fail_when(1, Fault::LandLate(Duration::from_secs(200)), is_update);
        world.acme().update(id, json!({ "title": "A" })).await.unwrap();
        world.pass_seconds(40).await;
        world.acme().update(id, json!({ "title": "B" })).await.unwrap();
        world.pass_seconds(20).await;
        assert_eq!(world.internal.ticket(copy).unwrap().field("title"), "[R-000001] B");
        world.internal.update(copy, json!({ "title": "edited inside" })).await.unwrap();
        // Somebody looks while the edit stands.
        world.acme().update(id, json!({ "urgency": "1" })).await.unwrap();
        world.pass_seconds(100).await;
        assert_eq!(world.internal.ticket(copy).unwrap().field("title"), "edited inside");
        world.pass_seconds(60).await;
        assert_eq!(world.internal.ticket(copy).unwrap().field("title"), "[R-000001] A", "it has landed late");
        world.settle().await;
        assert_eq!(world.internal.ticket(copy).unwrap().field("title"), "[R-000001] B");
        let activity = world.activity(id).await;
        for lost in [format!("{OVERWRITTEN}: title was \"edited inside\""), written_over("[R-000001] A")] {
            assert_eq!(activity.iter().filter(|line| line.text == lost).count(), 1, "{lost}: {activity:#?}");
        }
        assert!(world.link(id).await.link.in_flight.contested_edits.is_empty());
        world.one_more_pass_writes_nothing().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_edit_that_says_what_an_unanswered_update_said_is_recorded_when_it_is_written_over() {
    for &versions in each_pair() {
        let world = Setup::between(versions).start().await;
        let (id, copy) = linked(&world, "<p>x</p>").await;
        world.internal.fail_when(1, Fault::Hang(Effect::None), is_update);
        world.acme().update(id, json!({ "title": "A" })).await.unwrap();
        world.pass_seconds(40).await;
        world.acme().update(id, json!({ "title": "B" })).await.unwrap();
        world.pass_seconds(20).await;
        world.internal.update(copy, json!({ "title": "[R-000001] A" })).await.unwrap();
        world.settle().await;
        assert_eq!(world.internal.ticket(copy).unwrap().field("title"), "[R-000001] B");
        let activity = world.activity(id).await;
        let lost = written_over("[R-000001] A");
        assert_eq!(activity.iter().filter(|line| line.text == lost).count(), 1, "{activity:#?}");
        assert!(!world.did(id, OVERWRITTEN).await, "{activity:#?}");
        world.one_more_pass_writes_nothing().await;
    }
}

fn written_over(title: &str) -> String {
    let by = "by an update of the bridge's that landed late or by a person who wrote the same";
    format!("written over: title was {title:?}, {by}")
}

#[tokio::test(start_paused = true)]
async fn an_overwritten_edit_is_recorded_without_the_secret_of_its_picture() {
    const SECRET: &str = "5ec2e7f00d";
    for &versions in each_pair() {
        let world = Setup::between(versions).start().await;
        let (id, copy) = linked(&world, "<p>x</p>").await;
        let image = world.internal.add_inline_image(copy, SECRET, "image/png", b"\x89PNG").await.unwrap();
        let edit = format!("<p>look at {} here</p>", image.html);
        world.internal.update(copy, json!({ "description": edit })).await.unwrap();
        world.acme().update(id, json!({ "description": "<p>y</p>" })).await.unwrap();
        world.settle().await;
        assert!(world.did(id, &format!("look at [image {}] here", image.id)).await, "{:?}", world.activity(id).await);
        assert!(!world.did(id, SECRET).await);
        world.one_more_pass_writes_nothing().await;
    }
}

/// In whatever attribute a picture stands: whoever has its secret can load it without a log-in.
#[tokio::test(start_paused = true)]
async fn a_picture_in_any_html_field_crosses_without_its_address_and_its_secret() {
    const SECRET: &str = "5ec2e7f00d";
    const PNG: &[u8] = b"\x89PNG\r\n\x1a\nscreen";
    for inside in BOTH {
        let versions = Versions { external: Version::V3_2, internal: inside };
        for at_creation in [false, true] {
            let fields = "fields = [\"title\", \"description\", \"solution\"]";
            let world = Setup::between(versions).sync(fields).start().await;
            world.acme().drop_hooks(at_creation);
            let id = world.acme().create_ticket("UserRequest", ticket("with a picture")).await.unwrap();
            world.settle().await;
            let image = world.acme().add_inline_image(id, SECRET, "image/png", PNG).await.unwrap();
            let solution = format!("<p>press <b>this</b>: {} &lt;here&gt;</p>", image.html);
            world.acme().update(id, json!({ "solution": solution })).await.unwrap();
            world.acme().drop_hooks(false);
            world.acme().update(id, json!({ "title": "changed" })).await.unwrap();
            world.settle().await;
            let copy = world.copy_of(id).await;
            match inside {
                // No picture can stand in a plain text: it crosses as a file.
                Version::V3_1 => {
                    let name = format!("R-000001 image {}.png", image.id);
                    let told = format!("press this: [picture: see the file \"{name}\"] <here>");
                    assert_eq!(copy.field("solution"), told);
                    let files = world.internal.attachments(copy.id);
                    assert!(files.len() == 1 && files[0].filename == name && &files[0].data[..] == PNG, "{files:?}");
                }
                Version::V3_2 => {
                    let start = "<p>press <b>this</b>: <img src=\"data:image/png;base64,iVBORw0KGgpz";
                    assert!(copy.field("solution").starts_with(start), "{}", copy.field("solution"));
                    assert!(copy.field("solution").ends_with("&lt;here&gt;</p>"), "{}", copy.field("solution"));
                }
            }
            for told in [SECRET, "download_inlineimage", "data-img-"] {
                let calls = world.internal.calls_containing(told);
                assert!(calls.is_empty(), "{told} crossed: {calls:#?}");
            }
            world.one_more_pass_writes_nothing().await;
        }
    }
}

/// The one iTop holds the field as plain text, the other as HTML.
#[tokio::test(start_paused = true)]
async fn a_text_field_crosses_in_the_format_that_the_inside_holds() {
    let fields = "fields = [\"title\", \"description\", \"solution\"]";
    for &versions in each_pair() {
        let plain = "a <b> & c\nd";
        let written = |version, words: &str| match version {
            Version::V3_1 => words.to_owned(),
            Version::V3_2 => {
                format!("<p>{}</p>", words.replace('&', "&amp;").replace('<', "&lt;").replace('\n', "</p><p>"))
            }
        };
        let world = Setup::between(versions).sync(fields).start().await;
        let mut at_creation = ticket("formats");
        at_creation["solution"] = json!(written(versions.external, plain));
        let id = world.acme().create_ticket("UserRequest", at_creation).await.unwrap();
        world.settle().await;
        let seen = |solution: &str| match versions.internal {
            Version::V3_1 => solution.to_owned(),
            Version::V3_2 => itop_bridge_text::html::log_text(solution),
        };
        let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let copy = world.copy_of(id).await;
        assert_eq!(squeezed(&seen(copy.field("solution"))), squeezed(plain), "{versions:?}");
        for words in ["x < y\n<script> fails", "<script> fails", "one", ""] {
            world.acme().update(id, json!({ "solution": written(versions.external, words) })).await.unwrap();
            world.settle().await;
            let copy = world.copy_of(id).await;
            assert_eq!(squeezed(&seen(copy.field("solution"))), squeezed(words), "{versions:?}");
        }
        assert!(!world.did(id, OVERWRITTEN).await, "{:#?}", world.activity(id).await);
        world.one_more_pass_writes_nothing().await;
    }
}

/// An iTop that was upgraded holds plain texts of former years in an attribute that is HTML now, and a plain text may
/// look like HTML.
#[tokio::test(start_paused = true)]
async fn a_text_is_not_judged_by_what_another_ticket_has_held_for_years() {
    for &versions in each_pair() {
        let fields = "fields = [\"title\", \"description\", \"solution\"]";
        let world = Setup::between(versions).sync(fields).start().await;
        let mut tickets = Vec::new();
        for n in 0..7 {
            let id = world.acme().create_ticket("UserRequest", ticket(&format!("Printer {n}"))).await.unwrap();
            world.settle().await;
            tickets.push((id, world.copy_of(id).await.id));
        }
        for (id, copy) in tickets.drain(..3) {
            world.acme().overwrite(id, "solution", "Lamp replaced");
            world.internal.overwrite(copy, "solution", "Lamp replaced");
        }
        let is_html = |version| version == Version::V3_2;
        for (id, copy) in tickets {
            let said = if is_html(versions.external) {
                "<p>I <b>replaced</b> it: 5 &lt; 7</p>\n<p>So.</p>"
            } else {
                "I replaced it: 5 < 7\n\nSo."
            };
            world.acme().update(id, json!({ "solution": said })).await.unwrap();
            world.settle().await;
            let copy = world.internal.ticket(copy).unwrap();
            let told = if !is_html(versions.internal) {
                "I replaced it: 5 < 7\n\nSo."
            } else if is_html(versions.external) {
                said
            } else {
                "<p>I replaced it: 5 &lt; 7</p>\n<p>So.</p>"
            };
            assert_eq!(copy.field("solution"), told, "{versions:?}, {}", copy.field("ref"));
        }
        // No hook told of what stands there for years.
        world.look_at_everything().await;
        world.one_more_pass_writes_nothing().await;
    }
}

/// Plain texts that look like HTML, in attributes that are plain text on both sides: iTop keeps no such tag in HTML.
#[tokio::test(start_paused = true)]
async fn a_plain_text_keeps_what_looks_like_tags() {
    const TEXTS: [&str; 3] = [
        "<config><server>db01</server> down</config>",
        "<p>a <b>bold</b> & <script>x</script> 5 < 6</p>",
        "<p>an <x-own>element</x-own></p>",
    ];
    for &versions in each_pair() {
        let fields = "fields = [\"title\", \"description\", \"user_comment\"]";
        let world = Setup::between(versions).sync(fields).start().await;
        for text in TEXTS {
            // Others hold what is HTML by its looks.
            for n in 0..3 {
                let id = world.acme().create_ticket("UserRequest", ticket(&format!("Printer {n}"))).await.unwrap();
                world.acme().update(id, json!({ "pending_reason": "<p>one <b>two</b></p>" })).await.unwrap();
            }
            let mut said = ticket("down");
            said["user_comment"] = json!(text);
            let id = world.acme().create_ticket("UserRequest", said).await.unwrap();
            world.settle().await;
            assert_eq!(world.copy_of(id).await.field("user_comment"), text, "{versions:?}");
            let assigned = json!({"team_id": 37, "agent_id": 9});
            world.acme().stimulus(id, "ev_assign", assigned).await.unwrap();
            world.acme().stimulus(id, "ev_pending", json!({ "pending_reason": text })).await.unwrap();
            world.acme().update(id, json!({ "user_comment": format!("{text} again") })).await.unwrap();
            world.settle().await;
            let copy = world.copy_of(id).await;
            assert_eq!(copy.field("pending_reason"), text, "{versions:?}");
            assert_eq!(copy.field("user_comment"), format!("{text} again"), "{versions:?}");
        }
        world.one_more_pass_writes_nothing().await;
    }
}

/// Pictures of other sites are no files of the ticket, and are not loaded: their address is said. One of iTop's own that
/// cannot be read is named as such.
#[tokio::test(start_paused = true)]
async fn a_picture_that_does_not_cross_is_said_in_words() {
    for &versions in each_pair() {
        let world = Setup::between(versions).start().await;
        let base = world.acme().base_url();
        let own = format!("{base}/pages/ajax.document.php?operation=download_inlineimage&amp;id=4711&amp;s=wrong");
        let description = format!(
            "<p>see <img src=\"https://example.org/x.png?a=1&amp;b=2\" alt=\"ext\"> and \
             <img src=\"https://example.org/y.png\"> and <img src=\"{own}\">.</p>"
        );
        let mut said = ticket("pictures");
        said["description"] = json!(description);
        let id = world.acme().create_ticket("UserRequest", said).await.unwrap();
        world.settle().await;
        assert_eq!(
            world.copy_of(id).await.field("description"),
            "<p>see ext (https://example.org/x.png?a=1&amp;b=2) and https://example.org/y.png and \
             (picture left out: it could not be read).</p>",
            "{versions:?}"
        );
        world.one_more_pass_writes_nothing().await;
    }
}

/// The same where a stimulus carries the text, before it is known how the inside holds it.
#[tokio::test(start_paused = true)]
async fn a_picture_in_a_solution_that_a_stimulus_carries_crosses() {
    const PNG: &[u8] = b"\x89PNG\r\n\x1a\nscreen";
    for inside in BOTH {
        let world = Setup::between(Versions { external: Version::V3_2, internal: inside }).start().await;
        let id = world.acme().create_ticket("UserRequest", ticket("with a picture")).await.unwrap();
        go(world.acme(), id, &["ev_assign"]).await;
        world.settle().await;
        let image = world.acme().add_inline_image(id, "5ec2e7f00d", "image/png", PNG).await.unwrap();
        let solution = format!("<p>press <b>this</b>: {}</p>", image.html);
        let form = json!({"solution": solution, "resolution_code": "assistance", "service_id": 2});
        world.acme().stimulus(id, "ev_resolve", form).await.unwrap();
        world.settle().await;
        let copy = world.copy_of(id).await;
        let files = world.internal.attachments(copy.id);
        let name = format!("R-000001 image {}.png", image.id);
        match inside {
            Version::V3_1 => {
                assert_eq!(copy.field("solution"), format!("press this: [picture: see the file \"{name}\"]"));
                assert!(files.len() == 1 && files[0].filename == name && &files[0].data[..] == PNG, "{files:?}");
            }
            Version::V3_2 => {
                assert!(copy.field("solution").contains("data:image/png"), "{}", copy.field("solution"));
                assert!(files.is_empty(), "{files:?}");
            }
        }
        world.one_more_pass_writes_nothing().await;
    }
}
