//! A ticket created outside makes one internal ticket.

use std::time::Duration;

use itop_bridge_testkit::world::*;
use itop_sim::{Call, Effect, Fault, Limits, Outcome, Sim, Ticket, Version};

use crate::listen::Log;

const CLASSES: [&str; 5] = ["UserRequest", "Incident", "RoutineChange", "NormalChange", "EmergencyChange"];

/// A picture of one pixel.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89";

const SECRET: &str = "5ec2e7f00d0123456789abcdef";

fn only_ticket(sim: &Sim) -> Ticket {
    let tickets = sim.tickets("Ticket");
    assert_eq!(tickets.len(), 1, "one ticket, not {tickets:#?}");
    tickets.into_iter().next().unwrap()
}

fn is_create(call: &Call) -> bool {
    call.operation == "core/create" && call.class != "Attachment"
}

fn creates(world: &World) -> Vec<Call> {
    world.internal.calls().into_iter().filter(is_create).collect()
}

fn fail_create(world: &World, fault: Fault) {
    world.internal.fail_when(1, fault, is_create);
}

/// With defaults that every request has, so that no attribute is refused first: a create is one call.
fn simple(versions: Versions) -> Setup {
    let internal_defaults = "org = \"Demo\", caller = 6, team = \"Helpdesk\", agent = 9, service = \"Software\"".into();
    Setup { internal_defaults, ..Setup::between(versions) }
}

#[tokio::test(start_paused = true)]
async fn a_ticket_created_outside_makes_one_internal_ticket_of_each_class() {
    for &versions in each_pair() {
        let world = Setup::between(versions).start().await;
        for (n, class) in CLASSES.iter().enumerate() {
            let id = world.acme().create_ticket(class, ticket("Printer on fire")).await.unwrap();
            world.settle().await;
            assert_eq!(world.internal.tickets("Ticket").len(), n + 1, "one internal ticket for each");
            let (original, copy) = (world.acme().ticket(id).unwrap(), world.copy_of(id).await);
            assert_eq!(copy.class, *class);
            assert_eq!(copy.field("title"), format!("[{}] Printer on fire", original.field("ref")));
            assert_eq!(copy.field("description"), "<p>Printer on fire</p>");
            let entries = copy.log("private_log");
            assert_eq!(entries.len(), 1);
            let mark = format!("[itop-bridge:7f3a:acme:{class}:{id}]</p>");
            assert!(entries[0].html.ends_with(&mark), "{}", entries[0].html);
            assert!(entries[0].html.contains(original.field("ref")), "readable by people: {}", entries[0].html);
        }
        world.one_more_pass_writes_nothing().await;
    }
}

#[tokio::test(start_paused = true)]
async fn any_title_crosses_and_is_cut_to_255_characters() {
    let titles = [
        "é".repeat(255),
        format!("{}🖨️🔥", "日".repeat(240)),
        r#"say "hi" \ 'there' {"id":"99"}"#.to_owned(),
        "a\u{1}b\tc\nd\u{7f}".to_owned(),
        "nul\0 inside".to_owned(),
        "\u{202e}gpj.exe\u{202c} \u{200f}שלום\u{2067}mixed\u{2069}".to_owned(),
        "{ref} and {title} and $this->id$".to_owned(),
        "<b>bold</b> &amp; more".to_owned(),
    ];
    for &versions in each_pair() {
        let world = Setup::between(versions).start().await;
        for title in &titles {
            let fields = json!({ "org_id": sample::DEMO, "title": title, "description": "<p>x</p>" });
            let id = world.acme().create_ticket("UserRequest", fields).await.unwrap();
            // What breaks a payload is found by the sweep.
            world.pass_seconds(301).await;
            world.settle().await;
            let whole = format!("[{}] {title}", world.acme().ticket(id).unwrap().field("ref"));
            let expected: String = whole.chars().take(255).collect();
            assert_eq!(world.copy_of(id).await.field("title"), expected);
        }
        assert_eq!(world.internal.tickets("Ticket").len(), titles.len());
        world.one_more_pass_writes_nothing().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_template_keeps_the_reference_wherever_it_stands() {
    for &versions in each_pair() {
        let world = Setup::between(versions).sync("title = \"{title} ({ref})\"").start().await;
        let id = world.acme().create_ticket("UserRequest", ticket(&"é".repeat(255))).await.unwrap();
        world.settle().await;
        assert_eq!(world.copy_of(id).await.field("title"), format!("{} (R-000001)", "é".repeat(244)));
        world.one_more_pass_writes_nothing().await;
    }
}

#[tokio::test(start_paused = true)]
async fn inline_images_are_fetched_by_id_and_secret_and_embedded() {
    for &versions in each_pair() {
        let world = Setup::between(versions).start().await;
        world.acme().drop_hooks(true);
        let id = world.acme().create_ticket("UserRequest", ticket("with a picture")).await.unwrap();
        let image = world.acme().add_inline_image(id, SECRET, "image/png", PNG).await.unwrap();
        let own = &image.html;
        let elsewhere = r#"<img src="https://elsewhere.example/chart.png" alt="a &lt;chart&gt;">"#;
        let wrong = own.replace(SECRET, "badbadbad").replace("<img", r#"<img alt="lost""#);
        let description = format!("<p>before {own} between {elsewhere} after {wrong}</p>");
        world.acme().update(id, json!({ "description": description })).await.unwrap();
        world.acme().drop_hooks(false);
        world.acme().update(id, json!({ "impact": "2" })).await.unwrap();
        world.settle().await;

        let copy = only_ticket(&world.internal);
        let description = copy.field("description");
        assert!(description.contains(r#"<img src="data:image/png;base64,iVBORw0KGgo"#), "{description}");
        assert_eq!(description.matches("<img").count(), 1, "{description}");
        assert!(
            description.contains("between a &lt;chart&gt; (https://elsewhere.example/chart.png) after lost</p>"),
            "{description}"
        );
        let fetched = |sim: &Sim| sim.calls().iter().filter(|call| call.operation.contains("ajax.document")).count();
        assert_eq!((fetched(world.acme()), fetched(&world.internal)), (2, 0), "one image and one wrong secret");
        for secret in [SECRET, "badbadbad", "download_inlineimage"] {
            let calls = world.internal.calls_containing(secret);
            assert!(calls.is_empty(), "{secret} crossed: {calls:#?}");
        }
        assert!(world.did(id, "inline image").await, "what could not be had is recorded");
        world.one_more_pass_writes_nothing().await;
    }
}

#[tokio::test(start_paused = true)]
async fn pictures_that_are_too_large_for_the_target_become_words_and_the_ticket_arrives() {
    const MIB: usize = 1 << 20;
    let page = "<b>Fatal error</b>: Allowed memory size of 134217728 bytes exhausted (tried to allocate 9 bytes)";
    let answers = [Fault::Status(413, Effect::None), Fault::Page(page.into(), Effect::None)];
    for &versions in each_pair() {
        for answer in answers.iter().map(Some).chain([None]) {
            let world = simple(versions).start().await;
            match answer.cloned() {
                Some(answer) => {
                    world.internal.fail_with(move |call| (call.bytes_in > 2 * MIB).then(|| answer.clone()));
                }
                None => world.internal.set_limits(Limits { post_max_bytes: 2 * MIB, ..Limits::default() }),
            }
            world.acme().drop_hooks(true);
            let id = world.acme().create_ticket("UserRequest", ticket("with a picture")).await.unwrap();
            let large = [PNG, &vec![0; 2 * MIB]].concat();
            let image = world.acme().add_inline_image(id, SECRET, "image/png", &large).await.unwrap();
            let named = image.html.replace("<img", "<img alt=\"the printer\"");
            let pictured = |word: &str, image: &str| json!({ "description": format!("<p>{word} {image} after</p>") });
            world.acme().update(id, pictured("before", &image.html)).await.unwrap();
            world.acme().drop_hooks(false);
            world.acme().update(id, json!({ "impact": "2" })).await.unwrap();
            world.pass_seconds(30).await;
            let words = "<p>before [picture: see the file \"R-000001 image 1.png\"] after</p>";
            assert_eq!(only_ticket(&world.internal).field("description"), words);
            world.acme().update(id, pictured("later", &named)).await.unwrap();
            world.pass_seconds(30).await;
            let words = "<p>later [the printer: see the file \"R-000001 image 1.png\"] after</p>";
            assert_eq!(only_ticket(&world.internal).field("description"), words);
            assert!(
                world.did(id, "description: elitery has no room for 1 of its pictures").await,
                "{:#?}",
                world.activity(id).await
            );
            world.one_more_pass_writes_nothing().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_picture_in_a_figure_is_embedded_too() {
    // A 3.1 outside would not hold it.
    for inside in BOTH {
        let world = Setup::between(Versions { external: Version::V3_2, internal: inside }).start().await;
        world.acme().drop_hooks(true);
        let id = world.acme().create_ticket("UserRequest", ticket("with a figure")).await.unwrap();
        let image = world.acme().add_inline_image(id, SECRET, "image/png", PNG).await.unwrap();
        let figure = format!("<p>a</p><figure class=\"image\">{}</figure><p>b</p>", image.html);
        world.acme().update(id, json!({ "description": figure })).await.unwrap();
        world.acme().drop_hooks(false);
        world.acme().update(id, json!({ "impact": "2" })).await.unwrap();
        world.settle().await;
        let copy = only_ticket(&world.internal);
        assert!(
            copy.field("description").contains("<img src=\"data:image/png;base64,"),
            "{}",
            copy.field("description")
        );
        world.one_more_pass_writes_nothing().await;
    }
}

#[tokio::test(start_paused = true)]
async fn links_and_text_that_people_wrote_stay_word_for_word() {
    let written = "<p><a href=\"https://wiki.example/pages/view?operation=details&amp;class=UserRequest&amp;id=5\">\
                   https://wiki.example/pages/view?a=1&amp;b=2</a> a &lt; b &amp;&amp; c&nbsp;d &amp;lt; \"quoted\" \\n</p>";
    for &versions in each_pair() {
        let world = Setup::between(versions).start().await;
        let fields = json!({ "org_id": sample::DEMO, "title": "x", "description": written });
        let id = world.acme().create_ticket("UserRequest", fields).await.unwrap();
        world.settle().await;
        let original = world.acme().ticket(id).unwrap();
        assert_eq!(only_ticket(&world.internal).field("description"), original.field("description"));
        world.one_more_pass_writes_nothing().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_description_that_is_empty_or_becomes_empty_is_replaced_by_words() {
    for &versions in each_pair() {
        let world = Setup::between(versions).start().await;
        world.acme().drop_hooks(true);
        let empty = world.acme().create_ticket("UserRequest", ticket("empty")).await.unwrap();
        world.acme().overwrite(empty, "description", "");
        let picture = "<img alt=\"\">";
        let fields = json!({ "org_id": sample::DEMO, "title": "only a picture", "description": picture });
        let pictured = world.acme().create_ticket("Incident", fields).await.unwrap();
        world.acme().drop_hooks(false);
        world.pass_seconds(301).await;
        world.settle().await;
        assert_eq!(world.copy_of(empty).await.field("description"), "<p>(no description)</p>");
        assert_eq!(world.copy_of(pictured).await.field("description"), "<p>(no description)</p>");
        world.one_more_pass_writes_nothing().await;
    }
}

#[tokio::test(start_paused = true)]
async fn impact_and_urgency_cross_and_who_and_where_never_do() {
    for &versions in each_pair() {
        let world = Setup::between(versions).start().await;
        let told = json!({
            "org_id": sample::IT, "caller_id": sample::HUGO, "team_id": sample::HARDWARE, "agent_id": 12,
            "title": "who and where", "description": "<p>x</p>", "impact": "2",
        });
        for class in CLASSES {
            let mut fields = told.clone();
            if !class.ends_with("Change") {
                fields["urgency"] = json!("3");
                fields["service_id"] = json!(sample::COMPUTERS);
                fields["servicesubcategory_id"] = json!(2);
            }
            let id = world.acme().create_ticket(class, fields).await.unwrap();
            world.settle().await;
            let copy = world.copy_of(id).await;
            let defaults = [("org_id", "3"), ("caller_id", "6"), ("team_id", "37"), ("agent_id", "9"), ("impact", "2")];
            for (code, value) in defaults {
                assert_eq!(copy.field(code), value, "{code} of {class}");
            }
            if !class.ends_with("Change") {
                assert_eq!(copy.field("urgency"), "3");
                assert_eq!((copy.field("service_id"), copy.field("servicesubcategory_id")), ("2", "4"));
            }
        }
        let sent: Vec<Call> = world.internal.calls().into_iter().filter(Call::is_write).collect();
        assert!(sent.len() >= CLASSES.len());
        for name in ["IT Department", "Hugo", "Hardware support", "Agatha", "Computers", "Repair"] {
            let calls = world.internal.calls_containing(name);
            assert!(calls.is_empty(), "{name} crossed: {calls:#?}");
        }
        for call in sent {
            let fields = &call.request()["fields"];
            for (code, external) in
                [("org_id", 2), ("caller_id", 10), ("team_id", 38), ("agent_id", 12), ("service_id", 1)]
            {
                assert_ne!(fields[code].as_str(), Some(external.to_string().as_str()), "{code} in {}", call.json);
                assert_ne!(fields[code].as_u64(), Some(external), "{code} in {}", call.json);
            }
        }
        world.one_more_pass_writes_nothing().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_payload_that_breaks_or_never_comes_still_makes_the_ticket() {
    for &versions in each_pair() {
        let world = Setup::between(versions).start().await;
        world.acme().clear_triggers();
        world.acme().install_external_hooks_as_printed("http://bridge", EXTERNAL_KEY);
        let title = "a \"quoted\" \\ title";
        let id = world.acme().create_ticket("UserRequest", ticket(title)).await.unwrap();
        if versions.external == Version::V3_1 {
            let created = &world.acme().deliveries()[0];
            assert_eq!(created.outcome, Outcome::WrongJson, "3.1 never sends it");
            world.settle().await;
            assert!(world.internal.tickets("Ticket").is_empty(), "nobody has said a word yet");
        }
        world.pass_seconds(301).await;
        world.settle().await;
        assert_eq!(only_ticket(&world.internal).id, world.copy_of(id).await.id);
        world.one_more_pass_writes_nothing().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_broken_payload_is_searched_for_its_ids_at_once() {
    for &versions in each_pair() {
        let world = Setup::between(versions).start().await;
        world.acme().clear_triggers();
        world.acme().install_external_hooks_as_printed("http://bridge", EXTERNAL_KEY);
        // With this spelling both versions paste the values raw.
        world.acme().with_triggers(|triggers| {
            for action in triggers.iter_mut().flat_map(|trigger| &mut trigger.actions) {
                action.headers = action.headers.replace("Content-type", "Content-Type");
            }
        });
        let mut fields = ticket(r#"", "class":"Server", "id":"4711", "x":""#);
        fields["description"] = json!("<p style=\"color:red\">\"x\"</p>");
        let id = world.acme().create_ticket("UserRequest", fields).await.unwrap();
        world.settle().await;
        let created = &world.acme().deliveries()[0];
        assert!(serde_json::from_str::<serde_json::Value>(&created.body).is_err(), "it is broken: {}", created.body);
        assert_eq!(created.outcome, Outcome::Answered(202));
        assert_eq!(only_ticket(&world.internal).id, world.copy_of(id).await.id);
        world.one_more_pass_writes_nothing().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_create_that_worked_without_an_answer_makes_one_ticket() {
    let faults = [
        Fault::Hang(Effect::Committed),
        Fault::Cut { after_bytes: 0, effect: Effect::Committed },
        Fault::Cut { after_bytes: 60, effect: Effect::Committed },
        Fault::Status(500, Effect::Committed),
        Fault::Status(504, Effect::Committed),
        Fault::Page("<b>Fatal error</b>: out of memory".into(), Effect::Committed),
    ];
    for &versions in each_pair() {
        for fault in &faults {
            let world = simple(versions).start().await;
            fail_create(&world, fault.clone());
            let id = world.acme().create_ticket("UserRequest", ticket("once")).await.unwrap();
            world.settle().await;
            assert_eq!(only_ticket(&world.internal).id, world.copy_of(id).await.id, "{fault:?}");
            assert_eq!(creates(&world).len(), 1, "{fault:?}");
            assert!(world.did(id, "carries the mark").await, "{fault:?}");
            world.one_more_pass_writes_nothing().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_create_that_lands_after_the_client_gave_up_makes_one_ticket() {
    for &versions in each_pair() {
        for seconds in [40, 120, 290] {
            let world = simple(versions).start().await;
            fail_create(&world, Fault::LandLate(Duration::from_secs(seconds)));
            let id = world.acme().create_ticket("UserRequest", ticket("late")).await.unwrap();
            // Hints meanwhile do not make a second one.
            for second in [31, 35, 60] {
                world.pass_seconds(second).await;
                world.acme().update(id, json!({ "title": format!("late {second}") })).await.unwrap();
            }
            world.settle().await;
            let copy = only_ticket(&world.internal);
            assert_eq!(copy.id, world.copy_of(id).await.id, "{seconds} s");
            assert!(
                copy.field("title").ends_with("late 60"),
                "what changed meanwhile came too: {}",
                copy.field("title")
            );
            assert_eq!(creates(&world).len(), 1, "{seconds} s");
            world.one_more_pass_writes_nothing().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_create_that_never_had_an_effect_is_made_again_and_not_before_it_has_settled() {
    let faults = [
        (Fault::Refuse, false),
        (Fault::Hang(Effect::None), true),
        (Fault::Cut { after_bytes: 0, effect: Effect::None }, true),
        (Fault::Status(502, Effect::None), true),
        (Fault::Page("<html>log in first</html>".into(), Effect::None), true),
    ];
    for &versions in each_pair() {
        for (fault, ambiguous) in &faults {
            let world = simple(versions).start().await;
            fail_create(&world, fault.clone());
            let id = world.acme().create_ticket("UserRequest", ticket("again")).await.unwrap();
            world.settle().await;
            assert_eq!(only_ticket(&world.internal).id, world.copy_of(id).await.id, "{fault:?}");
            let made = creates(&world);
            assert_eq!(made.len(), 2, "{fault:?}");
            let waited = made[1].at - made[0].at;
            assert_eq!(waited >= 300, *ambiguous, "{fault:?} was sent again after {waited} s");
            assert!(waited < 420, "{fault:?} was sent again after {waited} s");
            world.one_more_pass_writes_nothing().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn of_two_creates_that_both_landed_the_lower_is_linked_and_the_other_reported() {
    for &versions in each_pair() {
        let world = simple(versions).start().await;
        // The first lands beyond what is assumed of iTop, while the second is under way.
        fail_create(&world, Fault::LandLate(Duration::from_secs(345)));
        fail_create(&world, Fault::LandLate(Duration::from_secs(35)));
        let id = world.acme().create_ticket("UserRequest", ticket("twice")).await.unwrap();
        world.settle().await;
        let tickets = world.internal.tickets("Ticket");
        assert_eq!(tickets.len(), 2);
        assert_eq!(world.copy_of(id).await.id, tickets[0].id, "the lower");
        let other = tickets[1].field("ref").to_owned();
        assert!(world.did(id, &other).await, "{other} is reported: {:#?}", world.activity(id).await);
        world.one_more_pass_writes_nothing().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_crash_between_intent_and_answer_makes_one_ticket() {
    let faults = [
        Fault::Hang(Effect::Committed),
        Fault::Hang(Effect::None),
        Fault::LandLate(Duration::from_secs(40)),
        Fault::LandLate(Duration::from_secs(200)),
    ];
    for &versions in each_pair() {
        for fault in &faults {
            let mut world = simple(versions).start().await;
            fail_create(&world, fault.clone());
            let id = world.acme().create_ticket("UserRequest", ticket("crash")).await.unwrap();
            while creates(&world).is_empty() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            world.crash().await;
            world.pass_seconds(3).await;
            world.boot();
            world.settle().await;
            assert_eq!(only_ticket(&world.internal).id, world.copy_of(id).await.id, "{fault:?}");
            world.one_more_pass_writes_nothing().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_create_answered_by_an_error_after_its_commit_is_found_by_its_mark_at_once() {
    let answers = [
        r#"{"code":1406,"message":"Error: Failed to issue SQL query: query = UPDATE `x` SET `y`='secret', mysql_errno = 1406, mysql_error = Data too long for column 'y' at row 1"}"#,
        r#"{"code":100,"message":"Error: the trigger's script has failed"}"#,
        r#"{"code":1213,"message":"Error: mysql_errno = 1213, mysql_error = Deadlock found"}"#,
    ];
    for &versions in each_pair() {
        for answer in answers {
            let world = simple(versions).start().await;
            fail_create(&world, Fault::Page(answer.into(), Effect::Committed));
            let id = world.acme().create_ticket("UserRequest", ticket("an error after all")).await.unwrap();
            world.pass_seconds(5).await;
            assert_eq!(only_ticket(&world.internal).id, world.copy_of(id).await.id, "{answer}");
            world.settle().await;
            assert_eq!(creates(&world).len(), 1, "{answer}");
            world.one_more_pass_writes_nothing().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_create_refused_without_an_effect_is_tried_again_and_makes_one_ticket() {
    for &versions in each_pair() {
        let world = simple(versions).start().await;
        world.internal.fail_when(3, Fault::error("the trigger's script has failed"), is_create);
        let id = world.acme().create_ticket("UserRequest", ticket("refused")).await.unwrap();
        world.settle().await;
        assert_eq!(only_ticket(&world.internal).id, world.copy_of(id).await.id);
        world.one_more_pass_writes_nothing().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_ticket_created_twice_over_by_hooks_makes_one_ticket() {
    for &versions in each_pair() {
        let world = Setup::between(versions).start().await;
        world.acme().duplicate_hooks(5);
        let id = world.acme().create_ticket("UserRequest", ticket("many words")).await.unwrap();
        for n in 0..5 {
            world.acme().update(id, json!({ "title": format!("many words {n}") })).await.unwrap();
            world.pass_seconds(n % 2).await;
        }
        world.settle().await;
        assert_eq!(only_ticket(&world.internal).id, world.copy_of(id).await.id);
        world.one_more_pass_writes_nothing().await;
    }
}

/// The process dies before it has the answer: the copy is found, and nobody is told to close it.
#[tokio::test(start_paused = true)]
async fn a_counterpart_whose_create_was_not_answered_passes_for_no_second_one() {
    for &versions in each_pair() {
        let log = Log::kept();
        let mut world = simple(versions).start().await;
        world.acme().create_ticket("UserRequest", ticket("Printer on fire")).await.unwrap();
        world.settle().await;
        fail_create(&world, Fault::Hang(Effect::Committed));
        let id = world.acme().create_ticket("UserRequest", ticket("Printer flooded")).await.unwrap();
        world.pass_seconds(5).await;
        world.crash().await;
        world.boot();
        world.pass_seconds(600).await;
        world.settle().await;
        assert_eq!(world.copy_of(id).await.field("title"), "[R-000002] Printer flooded");
        assert_eq!(log.lines("close this one"), [""; 0], "{versions:?}");
        world.one_more_pass_writes_nothing().await;
    }
}
