//! What the other iTop has no room for: pictures and texts that are too large, characters that its database lacks. The
//! ticket crosses at once, and so does all else of it; the rest follows as files.

use itop_bridge_core::Side;
use itop_bridge_testkit::world::*;
use itop_sim::{Attachment, Fault, Sim, Version};

use crate::files::lost_answers;

/// The files that the bridge made on a ticket, of a kind.
fn made(sim: &Sim, ticket: u64, kind: &str) -> Vec<Attachment> {
    let is_it = |file: &Attachment| file.temp_id.contains(&format!(":{kind}:"));
    sim.attachments(ticket).into_iter().filter(is_it).collect()
}

fn text_of(file: &Attachment) -> String {
    String::from_utf8(file.data.to_vec()).expect("a text")
}

fn png(bytes: usize) -> Vec<u8> {
    let mut data = b"\x89PNG\r\n\x1a\n".to_vec();
    data.resize(bytes, 7);
    data
}

async fn linked(world: &World) -> (u64, u64) {
    let id = world.acme().create_ticket("UserRequest", ticket("Printer on fire")).await.unwrap();
    world.settle().await;
    (id, world.copy_of(id).await.id)
}

/// Pastes pictures of these sizes into a ticket's description.
async fn paste(sim: &Sim, id: u64, sizes: &[usize], more: serde_json::Value) {
    let mut html = "<p>before</p>".to_owned();
    for (n, size) in sizes.iter().enumerate() {
        let image = sim.add_inline_image(id, &format!("5ec2e{n}"), "image/png", &png(*size)).await.unwrap();
        html.push_str(&format!("<p>{}</p>", image.html));
    }
    let mut fields = more;
    fields["description"] = json!(html + "<p>after</p>");
    sim.update(id, fields).await.unwrap();
}

/// Words that one pass must still find after the cut.
fn long_text(characters: usize) -> String {
    let text = "one two three ".repeat(characters / 14 + 1);
    text[..characters - 4].trim_end().to_owned() + " end"
}

async fn a_picture_that_does_not_fit_crosses_as_a_file_and_all_else_of_the_edit_too(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let (id, copy) = linked(&world).await;
    paste(world.acme(), id, &[200_000], json!({ "title": "Printer flooded", "urgency": "3" })).await;
    world.settle().await;
    let inside = world.internal.ticket(copy).unwrap();
    assert_eq!((inside.field("title"), inside.field("urgency")), ("[R-000001] Printer flooded", "3"));
    let description = inside.field("description");
    assert!(description.contains("before") && description.contains("after"), "{description}");
    assert!(description.contains("[picture: see the file \"R-000001 image 1.png\"]"), "{description}");
    let files = made(&world.internal, copy, "image");
    assert_eq!(files.len(), 1);
    assert_eq!((files[0].filename.as_str(), files[0].data.len()), ("R-000001 image 1.png", 200_000));
    assert!(world.internal.calls_containing("5ec2e").is_empty(), "no secret crosses");
    world.one_more_pass_writes_nothing().await;
}

async fn a_ticket_that_is_born_with_a_large_picture_is_created_at_once(versions: Versions) {
    let world = Setup::between(versions).start().await;
    world.acme().hold_hooks(true);
    let id = world.acme().create_ticket("UserRequest", ticket("Printer on fire")).await.unwrap();
    paste(world.acme(), id, &[200_000], json!({})).await;
    world.acme().hold_hooks(false);
    world.acme().release_hooks(itop_sim::Release::InOrder).await;
    world.settle().await;
    let copy = world.copy_of(id).await;
    assert!(copy.field("description").contains("[picture: see the file"), "{}", copy.field("description"));
    assert_eq!(made(&world.internal, copy.id, "image").len(), 1);
    world.one_more_pass_writes_nothing().await;
}

async fn of_two_pictures_of_which_one_fits_the_first_stays_in_the_text(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let (id, copy) = linked(&world).await;
    paste(world.acme(), id, &[40_000, 40_000], json!({})).await;
    world.settle().await;
    let description = world.internal.ticket(copy).unwrap().field("description").to_owned();
    assert_eq!(description.matches("data:image/png;base64,").count(), 1);
    assert!(description.find("data:image").unwrap() < description.find("[picture: see").unwrap());
    assert_eq!(made(&world.internal, copy, "image")[0].filename, "R-000001 image 2.png");
    // The log shows the same picture: one image is one file.
    let shown = world.acme().ticket(id).unwrap().field("description").to_owned();
    world.acme().add_log_entry(id, "private_log", &shown).await.unwrap();
    world.settle().await;
    assert_eq!(made(&world.internal, copy, "image").len(), 2, "the other one is no file yet");
    world.one_more_pass_writes_nothing().await;
}

async fn a_text_that_is_too_long_is_cut_and_crosses_whole(versions: Versions) {
    for text in [long_text(65_000) + "&&&&&& &&& <x> end", "字".repeat(21_700) + " 字 end"] {
        let world = Setup::between(versions).start().await;
        world.acme().drop_hooks(true);
        let id = world.acme().create_ticket("UserRequest", ticket("Printer on fire")).await.unwrap();
        world.acme().drop_hooks(false);
        // As an older iTop, or a changed data model, lets it be.
        world.acme().overwrite(
            id,
            "description",
            &format!("<p>{}</p>", text.repeat(2).replace('&', "&amp;").replace("<x>", "&lt;x&gt;")),
        );
        world.acme().update(id, json!({ "urgency": "3" })).await.unwrap();
        world.settle().await;
        let copy = world.copy_of(id).await;
        let description = copy.field("description");
        assert!(description.ends_with("[cut here: the whole text is in the file \"R-000001 description.txt\"]</p>"));
        assert!((60_000..=65_535).contains(&description.len()), "{}", description.len());
        let files = made(&world.internal, copy.id, "text");
        assert_eq!((files.len(), files[0].filename.as_str()), (1, "R-000001 description.txt"));
        let whole = text_of(&files[0]);
        assert!(whole.starts_with("The description of R-000001 (acme)\n\n") && whole.ends_with(" end\n"));
        assert!(whole.contains(&text), "all of it, as people read it");
        // It is brought up to date in place, and stays true when the text fits again.
        for (words, is_cut) in [("another ".repeat(10_000), true), ("short".to_owned(), false)] {
            world.acme().overwrite(id, "description", &format!("<p>{words}</p>"));
            world.acme().update(id, json!({ "urgency": if is_cut { "2" } else { "1" } })).await.unwrap();
            world.settle().await;
            assert_eq!(world.copy_of(id).await.field("description").contains("[cut here"), is_cut);
            let now = made(&world.internal, copy.id, "text");
            assert_eq!((now.len(), now[0].id), (1, files[0].id));
            assert!(text_of(&now[0]).contains(words.trim_end()) && !text_of(&now[0]).contains("字"));
        }
        world.one_more_pass_writes_nothing().await;
    }
}

async fn a_solution_and_a_pending_reason_that_are_too_long_are_cut_and_cross_whole(versions: Versions) {
    // Only its own iTop's limit is the same: entities count there for more than on the other side, or the reverse.
    let world = Setup::between(versions).start().await;
    let (id, copy) = linked(&world).await;
    let team = json!({ "team_id": sample::HELPDESK, "agent_id": 9 });
    world.acme().stimulus(id, "ev_assign", team).await.unwrap();
    world.settle().await;
    let reason = "a < b & c ".repeat(6_500);
    world.acme().stimulus(id, "ev_pending", json!({ "pending_reason": reason })).await.unwrap();
    world.settle().await;
    assert_eq!(world.internal.ticket(copy).unwrap().field("status"), "pending");
    world.acme().stimulus(id, "ev_assign", json!({})).await.unwrap();
    world.acme().overwrite(id, "solution", &"solved 字 ".repeat(8_000));
    let solve = json!({ "resolution_code": "assistance", "service_id": sample::SOFTWARE });
    world.acme().overwrite(id, "status", "resolved");
    drop(solve);
    world.acme().update(id, json!({ "urgency": "3" })).await.unwrap();
    world.settle().await;
    let inside = world.internal.ticket(copy).unwrap();
    assert_eq!(inside.field("status"), "resolved");
    assert!(inside.field("solution").contains("[cut here: the whole text is in the file \"R-000001 solution.txt\"]"));
    let files = made(&world.internal, copy, "text");
    assert!(files.iter().any(|file| text_of(file).contains(&"solved 字 ".repeat(7_999))), "{}", files.len());
    world.one_more_pass_writes_nothing().await;
}

async fn a_smaller_limit_is_learnt_from_the_refusal_and_kept(versions: Versions) {
    let mut world = Setup::between(versions).start().await;
    let (id, copy) = linked(&world).await;
    world.internal.limit_text("description", 1_000);
    for text in [long_text(5_000), long_text(4_000)] {
        world.acme().update(id, json!({ "description": format!("<p>{text}</p>") })).await.unwrap();
        world.settle().await;
        let description = world.internal.ticket(copy).unwrap().field("description").to_owned();
        assert!(description.len() <= 1_000 && description.contains("[cut here"), "{description}");
        assert!(text_of(&made(&world.internal, copy, "text")[0]).contains(&text));
        world.clear_calls();
        world.crash().await;
        world.boot();
        world.pass_seconds(5).await;
    }
    world.acme().update(id, json!({ "description": format!("<p>{}</p>", long_text(3_000)) })).await.unwrap();
    world.settle().await;
    let updates = world
        .internal
        .calls()
        .iter()
        .filter(|call| call.operation == "core/update" && call.class == "UserRequest")
        .count();
    assert_eq!(updates, 1, "after a restart nothing is refused any more");
    world.one_more_pass_writes_nothing().await;
}

async fn whatever_becomes_of_a_call_there_is_one_file_and_none_is_lost(versions: Versions) {
    for fault in lost_answers().into_iter().chain([Fault::Refuse]) {
        for nth in 1..=3 {
            let world = Setup::between(versions).start().await;
            let (id, copy) = linked(&world).await;
            let mut seen = 0;
            let fault = fault.clone();
            world.internal.fail_with(move |call| {
                seen += usize::from(call.is_write());
                (call.is_write() && seen == nth).then(|| fault.clone())
            });
            let image = world.acme().add_inline_image(id, "5ec2e7", "image/png", &png(90_000)).await.unwrap();
            world.acme().overwrite(id, "description", &format!("<p>{} {}</p>", image.html, long_text(70_000)));
            world.acme().update(id, json!({ "urgency": "3" })).await.unwrap();
            world.settle().await;
            world.internal.heal();
            assert_eq!(made(&world.internal, copy, "image").len(), 1);
            assert_eq!(made(&world.internal, copy, "text").len(), 1);
            assert!(world.internal.ticket(copy).unwrap().field("description").contains("[cut here"));
            world.one_more_pass_writes_nothing().await;
        }
    }
}

async fn a_crash_between_the_field_and_its_files_leaves_the_files_owed(versions: Versions) {
    for nth in 0..4 {
        let mut world = Setup::between(versions).start().await;
        let (id, copy) = linked(&world).await;
        let image = world.acme().add_inline_image(id, "5ec2e7", "image/png", &png(90_000)).await.unwrap();
        world.acme().overwrite(id, "description", &format!("<p>{} {}</p>", image.html, long_text(70_000)));
        world.acme().update(id, json!({ "urgency": "3" })).await.unwrap();
        let mut waited = 0;
        while world.internal.writes() < nth && waited < 60_000 {
            world.pass_milliseconds(10).await;
            waited += 10;
        }
        world.crash().await;
        world.boot();
        world.pass_seconds(400).await;
        world.settle().await;
        assert_eq!(made(&world.internal, copy, "image").len(), 1, "after {nth} writes");
        assert_eq!(made(&world.internal, copy, "text").len(), 1, "after {nth} writes");
        world.one_more_pass_writes_nothing().await;
    }
}

async fn what_a_person_deletes_stays_deleted_and_a_lost_store_finds_the_rest(versions: Versions) {
    let mut world = Setup::between(versions).start().await;
    let (id, copy) = linked(&world).await;
    let image = world.acme().add_inline_image(id, "5ec2e7", "image/png", &png(90_000)).await.unwrap();
    let shows = |words: &str| format!("<p>{} {words}</p>", image.html);
    world.acme().overwrite(id, "description", &shows(&long_text(70_000)));
    world.acme().update(id, json!({ "urgency": "3" })).await.unwrap();
    world.settle().await;
    world.internal.delete_attachment(made(&world.internal, copy, "image")[0].id).await;
    world.settle().await;
    world.look_at_everything().await;
    assert_eq!(made(&world.internal, copy, "image").len(), 0);
    let text = made(&world.internal, copy, "text")[0].id;
    world.lose_the_store().await;
    let engine = world.app().engine;
    engine.rebuild(false, &|_, _| {}).await.expect("found again");
    world.boot();
    world.settle().await;
    world.acme().overwrite(id, "description", &shows(&"anew ".repeat(20_000)));
    world.acme().update(id, json!({ "urgency": "2" })).await.unwrap();
    world.settle().await;
    let files = made(&world.internal, copy, "text");
    assert_eq!(files.iter().map(|file| file.id).collect::<Vec<_>>(), [text]);
    assert!(text_of(&files[0]).contains("anew anew"));
    world.one_more_pass_writes_nothing().await;
}

async fn a_database_in_utf8mb3_gets_question_marks_and_is_told_once(versions: Versions) {
    let world = Setup::between(versions).start().await;
    world.internal.three_byte_characters(true);
    let mut fields = ticket("fire 🔥");
    fields["description"] = json!("<p>hot 🔥 &#128293; 字</p>");
    let id = world.acme().create_ticket("UserRequest", fields).await.unwrap();
    world.acme().attach(id, "burning 🔥.txt", "text/plain", b"x").await.unwrap();
    world.acme().add_log_entry(id, "private_log", "<p>still 🔥</p>").await.unwrap();
    world.settle().await;
    let copy = world.copy_of(id).await;
    assert_eq!(copy.field("title"), "[R-000001] fire ?");
    assert_eq!(copy.field("description"), "<p>hot ? ? 字</p>");
    let files = world.internal.attachments(copy.id);
    assert!(files.iter().any(|file| file.filename == "burning ?.txt"));
    let log = made(&world.internal, copy.id, "log");
    assert!(text_of(&log[0]).contains("still 🔥"), "a file holds what it holds");
    assert!(world.did(id, "title: characters that the database of elitery does not have became `?`").await);
    world.clear_calls();
    let id = world.acme().create_ticket("UserRequest", ticket("again 🔥")).await.unwrap();
    world.settle().await;
    assert_eq!(world.copy_of(id).await.field("title"), "[R-000002] again ?");
    let creates = world
        .internal
        .calls()
        .iter()
        .filter(|call| call.operation == "core/create" && call.class == "UserRequest")
        .count();
    assert_eq!(creates, 1, "it is known by now");
    world.acme().stimulus(id, "ev_assign", json!({ "team_id": sample::HELPDESK, "agent_id": 9 })).await.unwrap();
    world.acme().stimulus(id, "ev_pending", json!({ "pending_reason": "wait for the 🔥" })).await.unwrap();
    world.settle().await;
    let copy = world.copy_of(id).await;
    assert_eq!((copy.field("status"), copy.field("pending_reason")), ("pending", "wait for the ?"));
    world.one_more_pass_writes_nothing().await;
}

/// Two long texts and a title, which are more together than a firewall lets pass.
async fn a_call_that_is_too_large_as_a_whole_costs_no_short_text(versions: Versions) {
    const FIREWALL: usize = 100_000;
    let world = Setup::between(versions).sync(FIELDS_WITH_A_SOLUTION).start().await;
    let too_large = Fault::Status(413, itop_sim::Effect::None);
    world.internal.fail_with(move |call| (call.bytes_in > FIREWALL).then(|| too_large.clone()));
    world.acme().drop_hooks(true);
    let id = world.acme().create_ticket("UserRequest", ticket("Printer")).await.unwrap();
    world.acme().drop_hooks(false);
    for (title, words) in [("Printer on floor 3 is broken", "字 "), ("Printer on floor 3 burns", "火 ")] {
        // Each of them has room: as many bytes as a column holds, or nearly so.
        let text = words.repeat(15_000) + "end";
        world.acme().overwrite(id, "description", &format!("<p>{text}</p>"));
        world.acme().overwrite(id, "solution", &text);
        world.acme().update(id, json!({ "title": title })).await.unwrap();
        world.settle().await;
        let copy = world.copy_of(id).await;
        assert_eq!(copy.field("title"), format!("[R-000001] {title}"));
        let texts = made(&world.internal, copy.id, "text");
        for code in ["description", "solution"] {
            let (shown, name) = (copy.field(code), format!("R-000001 {code}.txt"));
            // A solution of which iTop made HTML is written once more, alone, and then has room.
            if code == "solution" && shown.contains(&text) {
                continue;
            }
            assert!(shown.contains(&format!("[cut here: the whole text is in the file \"{name}\"]")), "{code}");
            let file = texts.iter().find(|file| file.filename == name).expect(code);
            assert!(text_of(file).contains(&text), "{code}");
        }
    }
    world.one_more_pass_writes_nothing().await;
}

const FIELDS_WITH_A_SOLUTION: &str = "fields = [\"title\", \"description\", \"impact\", \"urgency\", \"solution\"]";

/// iTop makes more of a text than was sent, and has no room for that.
async fn a_smaller_limit_is_learnt_where_what_was_sent_would_fit(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let (id, copy) = linked(&world).await;
    world.internal.limit_text("description", 300);
    for (n, text) in ["a > b ".repeat(48), "one two ".repeat(60)].into_iter().enumerate() {
        world.acme().overwrite(id, "description", &format!("<p>{text}</p>"));
        world.clear_calls();
        world.acme().update(id, json!({ "urgency": (n + 1).to_string() })).await.unwrap();
        world.settle().await;
        assert_eq!(world.link(id).await.link.open.conflicts, []);
        let description = world.internal.ticket(copy).unwrap().field("description").to_owned();
        assert!(description.len() <= 300 && description.contains("[cut here"), "{description}");
        assert!(text_of(&made(&world.internal, copy, "text")[0]).contains(text.trim_end()));
        let is_update = |call: &&itop_sim::Call| call.operation == "core/update" && call.class == "UserRequest";
        assert_eq!(world.internal.calls().iter().filter(is_update).count(), 2 - n, "it is known by then");
    }
    world.one_more_pass_writes_nothing().await;
}

/// The refused text is a conflict of its field; a file would tell it all the same.
async fn what_a_create_leaves_out_crosses_as_no_file(versions: Versions) {
    for named in ["Unexpected value for attribute 'Solution' (solution) : ", ""] {
        let world = Setup::between(versions).sync(FIELDS_WITH_A_SOLUTION).start().await;
        let says = format!("{named}No curses");
        let (class, code, forbids) = ("UserRequest".to_owned(), "solution".to_owned(), "curse".to_owned());
        world.internal.add_check(itop_sim::Check { class, code, forbids, says });
        world.acme().drop_hooks(true);
        let id = world.acme().create_ticket("UserRequest", ticket("Printer on fire")).await.unwrap();
        world.acme().drop_hooks(false);
        world.acme().overwrite(id, "description", &format!("<p>{}</p>", long_text(70_000)));
        world.acme().overwrite(id, "solution", &format!("a curse {}", long_text(70_000)));
        world.acme().update(id, json!({ "urgency": "3" })).await.unwrap();
        world.settle().await;
        let copy = world.copy_of(id).await;
        let names = made(&world.internal, copy.id, "text").into_iter().map(|file| file.filename);
        assert_eq!(names.collect::<Vec<_>>(), ["R-000001 description.txt"]);
        let conflicts = world.link(id).await.link.open.conflicts;
        assert!(matches!(conflicts.as_slice(), [one] if one.about == "solution"), "{conflicts:?}");
        assert_eq!(copy.field("solution"), "");
        world.one_more_pass_writes_nothing().await;
    }
}

async fn while_an_edit_is_refused_its_text_crosses_as_no_file(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let (id, copy) = linked(&world).await;
    let texts = || made(&world.internal, copy, "text").iter().map(text_of).collect::<Vec<_>>();
    for (n, words) in ["first", "second"].into_iter().enumerate() {
        world.internal.deny("UserRequest");
        world.acme().overwrite(id, "description", &format!("<p>{words} {}</p>", long_text(70_000)));
        world.acme().update(id, json!({ "urgency": (n + 1).to_string() })).await.unwrap();
        world.pass_seconds(600).await;
        assert!(texts().len() == n && !texts().iter().any(|text| text.contains(words)), "{words}");
        world.internal.allow("UserRequest");
        world.settle().await;
        let description = world.copy_of(id).await.field("description").to_owned();
        assert!(description.contains(words) && description.contains("[cut here"), "{words}");
        assert!(matches!(texts().as_slice(), [text] if text.contains(words)), "{words}");
    }
    world.one_more_pass_writes_nothing().await;
}

async fn while_a_stimulus_moves_nothing_its_text_crosses_as_no_file(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let (id, copy) = linked(&world).await;
    world.acme().stimulus(id, "ev_assign", json!({ "team_id": 37, "agent_id": 9 })).await.unwrap();
    world.settle().await;
    world.internal.limit_text("pending_reason", 1_000);
    let unmoved = Fault::Answer { code: 0, message: String::new() };
    // The limit is learnt by the first call.
    let mut first = true;
    world.internal.fail_with(move |call| {
        let is_one_more = call.operation == "core/apply_stimulus" && !std::mem::take(&mut first);
        is_one_more.then(|| unmoved.clone())
    });
    let pending = json!({ "pending_reason": long_text(5_000) });
    world.acme().stimulus(id, "ev_pending", pending).await.unwrap();
    world.pass_seconds(600).await;
    assert_eq!(world.internal.ticket(copy).unwrap().field("status"), "assigned");
    assert_eq!(made(&world.internal, copy, "text").len(), 0);
    world.internal.heal();
    world.settle().await;
    let inside = world.internal.ticket(copy).unwrap();
    assert_eq!(inside.field("status"), "pending");
    assert!(inside.field("pending_reason").contains("[cut here"), "{}", inside.field("pending_reason"));
    assert!(text_of(&made(&world.internal, copy, "text")[0]).contains(&long_text(5_000)));
    world.one_more_pass_writes_nothing().await;
}

each_version![
    a_call_that_is_too_large_as_a_whole_costs_no_short_text,
    a_smaller_limit_is_learnt_where_what_was_sent_would_fit,
    what_a_create_leaves_out_crosses_as_no_file,
    while_an_edit_is_refused_its_text_crosses_as_no_file,
    while_a_stimulus_moves_nothing_its_text_crosses_as_no_file,
    a_picture_that_does_not_fit_crosses_as_a_file_and_all_else_of_the_edit_too,
    a_ticket_that_is_born_with_a_large_picture_is_created_at_once,
    of_two_pictures_of_which_one_fits_the_first_stays_in_the_text,
    a_text_that_is_too_long_is_cut_and_crosses_whole,
    a_solution_and_a_pending_reason_that_are_too_long_are_cut_and_cross_whole,
    a_smaller_limit_is_learnt_from_the_refusal_and_kept,
    a_database_in_utf8mb3_gets_question_marks_and_is_told_once,
];

any_version![
    whatever_becomes_of_a_call_there_is_one_file_and_none_is_lost,
    a_crash_between_the_field_and_its_files_leaves_the_files_owed,
    what_a_person_deletes_stays_deleted_and_a_lost_store_finds_the_rest,
];

/// Outwards only what a stimulus carries crosses: a solution from inside.
#[tokio::test(start_paused = true)]
async fn a_solution_from_inside_is_cut_for_the_customer_too() {
    for version in BOTH {
        let world = Setup::with_external(version).sync("status_to_external = \"apply\"").start().await;
        let (id, copy) = linked(&world).await;
        let team = json!({ "team_id": sample::HELPDESK, "agent_id": 9 });
        world.internal.stimulus(copy, "ev_assign", team.clone()).await.unwrap();
        world.settle().await;
        world.acme().limit_text("solution", 600);
        let solve =
            json!({ "solution": long_text(5_000), "resolution_code": "assistance", "service_id": sample::SOFTWARE });
        world.internal.stimulus(copy, "ev_resolve", solve).await.unwrap();
        world.settle().await;
        let outside = world.acme().ticket(id).unwrap();
        assert_eq!(outside.field("status"), "resolved", "{version:?}");
        assert!(
            outside.field("solution").contains("[cut here: the whole text is in the file \"R-001001 solution.txt\"]")
        );
        assert!(text_of(&made(world.acme(), id, "text")[0]).contains(&long_text(5_000)));
        world.one_more_pass_writes_nothing().await;
    }
}

/// Nobody knows that it is HTML on the other side: it is sent as plain text first, and its markup once that shows.
#[tokio::test(start_paused = true)]
async fn the_files_that_the_markup_of_a_first_solution_names_are_made() {
    for from in Side::BOTH {
        for case in ["answered", "lost with the stimulus", "refused"] {
            for is_a_picture in [true, false] {
                let world = Setup::with_external(Version::V3_2).sync("status_to_external = \"apply\"").start().await;
                let (id, copy) = linked(&world).await;
                world.acme().stimulus(id, "ev_assign", json!({ "team_id": 37, "agent_id": 9 })).await.unwrap();
                world.settle().await;
                let (outside, inside) = ((world.acme(), id), (&world.internal, copy));
                let (source, target) = if from == Side::External { (outside, inside) } else { (inside, outside) };
                let (rewrites, resolves) = ("core/update", "core/apply_stimulus");
                match case {
                    "answered" => {}
                    "refused" => target.0.fail_when(2, Fault::error("a trigger failed"), move |call| {
                        call.operation == rewrites && call.class == "UserRequest"
                    }),
                    _ => target
                        .0
                        .fail_when(1, Fault::Hang(itop_sim::Effect::Committed), move |call| call.operation == resolves),
                }
                let words = "<ul><li><b>word</b></li></ul>".repeat(3_000);
                let solution = match is_a_picture {
                    true => {
                        let (data, secret) = (png(200_000), "5ec2e7");
                        let image = source.0.add_inline_image(source.1, secret, "image/png", &data).await.unwrap();
                        format!("<p>before {} after</p>", image.html)
                    }
                    false => words,
                };
                source.0.overwrite(source.1, "solution", &solution);
                source.0.overwrite(source.1, "resolution_code", "assistance");
                source.0.overwrite(source.1, "status", "resolved");
                source.0.update(source.1, json!({ "origin": "mail" })).await.unwrap();
                world.pass_seconds(600).await;
                world.settle().await;
                let ticket = target.0.ticket(target.1).unwrap();
                assert_eq!(ticket.status(), "resolved");
                let reference = if from == Side::External { "R-000001" } else { "R-001001" };
                let (kind, name, says) = match is_a_picture {
                    true => ("image", format!("{reference} image"), "[picture: see the file \""),
                    false => {
                        ("text", format!("{reference} solution.txt"), "[cut here: the whole text is in the file \"")
                    }
                };
                let shown = ticket.field("solution");
                assert!(shown.contains(&format!("{says}{name}")), "{from:?}, {case}: {shown}");
                let files = made(target.0, target.1, kind);
                assert!(matches!(files.as_slice(), [file] if file.filename.starts_with(&name)), "{from:?}, {case}");
                assert_eq!(made(target.0, target.1, if is_a_picture { "text" } else { "image" }).len(), 0);
                if !is_a_picture {
                    assert_eq!(text_of(&files[0]).matches("word").count(), 3_000);
                }
                world.one_more_pass_writes_nothing().await;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_value_that_the_inside_does_not_know_does_not_stop_a_walk() {
    let world = Setup::with_external(Version::V3_1).start().await;
    let (id, copy) = linked(&world).await;
    world.acme().allow_value("resolution_code", "prayed for it");
    world.acme().stimulus(id, "ev_assign", json!({ "team_id": sample::HELPDESK, "agent_id": 9 })).await.unwrap();
    let solve = json!({ "solution": "done so", "resolution_code": "prayed for it", "service_id": sample::SOFTWARE });
    world.acme().stimulus(id, "ev_resolve", solve).await.unwrap();
    world.settle().await;
    assert_eq!(world.internal.ticket(copy).unwrap().field("status"), "resolved");
    assert!(world.did(id, "resolution_code: elitery does not take this value").await);
    world.one_more_pass_writes_nothing().await;
}
