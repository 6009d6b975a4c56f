//! The entries of a case log cross as files, both ways: each once, none back, and none is withdrawn.

use std::time::Duration;

use itop_bridge_core::{Link, LogName, Side};
use itop_bridge_engine::clock::Clock as _;
use itop_bridge_store::{Activity, LinkState};
use itop_bridge_testkit::world::*;
use itop_sim::{Account, Attachment, Call, Effect, Fault, Limits, Sim, Version};

use crate::files::lost_answers;

mod gone_on_the_way;
mod images;
mod restored;
mod reworded;

each_version![
    entries_arrive_as_one_file_a_batch,
    the_marked_entry_stays_and_all_others_cross,
    the_log_of_a_change_crosses_too,
    two_equal_entries_of_one_second_are_two,
    an_entry_with_a_long_word_and_a_long_line_stays_word_for_word,
    an_equal_entry_of_the_same_second_that_comes_during_the_pass_crosses_too,
    an_entry_that_vanishes_withdraws_nothing,
    an_entry_that_is_written_again_after_a_loss_crosses_again,
    a_parents_entry_crosses_once_a_ticket,
    inline_images_become_files_of_their_own,
    an_image_that_cannot_be_had_becomes_words,
    a_log_that_is_off_stays_at_home,
    a_public_log_stays_at_home_unless_it_is_on,
    without_authors_nobody_is_named,
    times_are_told_with_their_zone_once_it_is_known,
    times_are_told_in_the_zone_of_the_configuration,
    a_server_whose_zone_changes_sends_nothing_again,
    what_the_target_refuses_for_its_size_becomes_words,
    an_entry_that_no_hook_told_of_is_found,
    a_log_file_that_a_person_deleted_stays_deleted,
    an_entry_that_is_lost_while_it_is_on_its_way_arrives_once,
    much_text_goes_out_in_several_files_and_no_entry_is_cut,
];

any_version![
    entries_written_while_a_pass_runs_go_into_a_next_file,
    a_zone_that_changes_while_a_batch_is_in_doubt_sends_nothing_again,
    many_entries_gone_at_once_halt_that_log_alone,
    a_log_that_is_switched_off_with_a_batch_in_doubt_sends_nothing_more,
    a_log_that_the_store_forgot_is_known_by_its_files,
    forty_people_on_both_sides_lose_no_entry,
    a_crash_at_any_step_sends_each_entry_once,
    a_crash_between_image_and_text_sends_both_once,
    a_batch_whose_answer_is_lost_goes_out_once_and_unchanged,
    a_log_of_twenty_mebibytes_crosses,
    a_large_image_over_a_slow_line_crosses_once,
    a_target_that_takes_no_files_gets_each_entry_later,
];

const BOTH_WAYS: [Side; 2] = [Side::External, Side::Internal];
const PRIVATE: &str = "private_log";
const PUBLIC: &str = "public_log";
const PAIR: &str = "acme:R-000001";

/// One direction of a linked pair: where the log is, and where its files go.
struct Way {
    from: Side,
    source: Sim,
    source_ticket: u64,
    target: Sim,
    target_ticket: u64,
}

impl Way {
    async fn of(world: &World, external: u64, from: Side) -> Way {
        let internal = world.copy_of(external).await.id;
        let (acme, inside) = ((world.acme().clone(), external), (world.internal.clone(), internal));
        let (source, target) = if from == Side::External { (acme, inside) } else { (inside, acme) };
        Way { from, source: source.0, source_ticket: source.1, target: target.0, target_ticket: target.1 }
    }

    fn external_ticket(&self) -> u64 {
        if self.from == Side::External { self.source_ticket } else { self.target_ticket }
    }

    async fn write(&self, html: &str) {
        self.source.add_log_entry(self.source_ticket, PRIVATE, html).await.unwrap();
    }

    fn files(&self, kind: &str) -> Vec<Attachment> {
        let mark = format!(":{}:{kind}:", self.from.word());
        let files = self.target.attachments(self.target_ticket).into_iter();
        files.filter(|file| file.temp_id.contains(&mark)).collect()
    }

    /// What the files of the log say, oldest first.
    fn texts(&self) -> Vec<String> {
        self.files("log").iter().map(text_of).collect()
    }

    fn all_text(&self) -> String {
        self.texts().join("\n")
    }

    fn lose(&self, text: &str) -> usize {
        self.source.lose_log_entries(self.source_ticket, PRIVATE, text)
    }

    fn reference(&self) -> String {
        self.source.ticket(self.source_ticket).unwrap().field("ref").to_owned()
    }

    fn side_name(&self) -> &'static str {
        if self.from == Side::External { "acme" } else { "elitery" }
    }
}

fn text_of(file: &Attachment) -> String {
    String::from_utf8(file.data.to_vec()).expect("a text file")
}

fn count(text: &str, word: &str) -> usize {
    text.matches(word).count()
}

/// A pair, and one direction of it.
async fn linked(world: &World, from: Side) -> Way {
    let id = world.acme().create_ticket("UserRequest", ticket("Printer on fire")).await.unwrap();
    world.settle().await;
    Way::of(world, id, from).await
}

async fn start(versions: Versions, from: Side) -> (World, Way) {
    let world = Setup::between(versions).start().await;
    let way = linked(&world, from).await;
    (world, way)
}

/// A change that no log has part in, and that brings a pass.
async fn touch(world: &World, way: &Way) {
    let id = way.external_ticket();
    let urgency = if world.acme().ticket(id).unwrap().field("urgency") == "1" { "2" } else { "1" };
    world.acme().update(id, json!({ "urgency": urgency })).await.unwrap();
}

fn creates_a_log_file(call: &Call) -> bool {
    call.operation == "core/create" && call.class == "Attachment" && call.json.contains(":log:")
}

async fn entries_arrive_as_one_file_a_batch(versions: Versions) {
    for from in BOTH_WAYS {
        let (world, way) = start(versions, from).await;
        way.write("<p>The <b>first</b> &lt;entry&gt; &amp; more</p><p>of it</p>").await;
        let date = way.source.now_text();
        way.write("<ul><li>The second entry</li></ul>").await;
        world.settle().await;
        let files = way.files("log");
        let [file] = &files[..] else { panic!("{files:?}") };
        let when = date.replace(':', ".");
        assert_eq!(file.filename, format!("{} private log {when}.txt", way.reference()));
        assert_eq!(file.mimetype, "text/plain");
        let text = text_of(file);
        assert!(text.starts_with(&format!("The private log of {} ({})\n", way.reference(), way.side_name())), "{text}");
        assert_eq!(count(&text, &format!("--- {date}")), 2, "{text}");
        assert_eq!(count(&text, "Jules Verne"), 2, "{text}");
        assert!(text.contains("The first <entry> & more\n\nof it\n"), "{text}");
        assert!(text.contains("The second entry\n"), "{text}");
        assert_eq!(file.item_org_id.to_string(), way.target.ticket(way.target_ticket).unwrap().field("org_id"));

        way.write("<p>The third entry</p>").await;
        world.settle().await;
        let texts = way.texts();
        let [before, next] = &texts[..] else { panic!("{texts:?}") };
        assert_eq!(*before, text);
        assert!(next.contains("The third entry") && !next.contains("second"), "{next}");
        world.one_more_pass_writes_nothing().await;
    }
}

async fn the_marked_entry_stays_and_all_others_cross(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let mut fields = ticket("Printer on fire");
    fields[PRIVATE] = json!("<p>written with the ticket</p>");
    let id = world.acme().create_ticket("UserRequest", fields).await.unwrap();
    world.settle().await;
    let [out, inwards] = [Way::of(&world, id, Side::Internal).await, Way::of(&world, id, Side::External).await];
    assert!(out.texts().is_empty(), "the mark went out: {:?}", out.texts());
    assert_eq!(count(&inwards.all_text(), "written with the ticket"), 1);
    // Whoever wrote it: another program may work under the bridge's own account.
    for login in ["admin", "bridge", "jules"] {
        out.source.act_as(login);
        out.write(&format!("<p>by {login}, see [itop-bridge:7f3a:acme:UserRequest:{id}]</p>")).await;
    }
    world.settle().await;
    let text = out.all_text();
    for login in ["admin", "bridge", "jules"] {
        assert_eq!(count(&text, &format!("by {login},")), 1, "{text}");
    }
    assert!(!text.contains("This ticket is a copy of"), "{text}");
    assert_eq!(inwards.texts().len(), 1, "a file came back as an entry");
    world.one_more_pass_writes_nothing().await;
}

async fn entries_written_while_a_pass_runs_go_into_a_next_file(versions: Versions) {
    for from in BOTH_WAYS {
        let (world, way) = start(versions, from).await;
        way.write("<p>word-0-</p>").await;
        // A pass takes some 400 ms here.
        for number in 1..12 {
            world.pass_milliseconds(70).await;
            way.write(&format!("<p>word-{number}-</p>")).await;
        }
        world.settle().await;
        let text = way.all_text();
        for number in 0..12 {
            assert_eq!(count(&text, &format!("word-{number}-")), 1, "word {number}: {text}");
        }
        assert!(way.texts().len() > 1, "no pass ran meanwhile");
        world.one_more_pass_writes_nothing().await;
    }
}

async fn forty_people_on_both_sides_lose_no_entry(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let id = world.acme().create_ticket("UserRequest", ticket("Printer on fire")).await.unwrap();
    world.settle().await;
    let ways = [Way::of(&world, id, Side::External).await, Way::of(&world, id, Side::Internal).await];
    for way in &ways {
        for person in 0..40 {
            let (login, name) = (format!("person{person}"), format!("Person Number {person}"));
            way.source.add_account(Account::new(&login, "x", 1000 + person, 9, &name));
        }
    }
    for round in 0..3 {
        for person in 0..40 {
            for way in &ways {
                way.source.act_as(&format!("person{person}"));
                way.write(&format!("<p>{}-{round}-{person}-</p>", way.from.word())).await;
            }
            world.pass_milliseconds((person * 37 + round * 11) % 140).await;
        }
    }
    world.settle().await;
    for way in &ways {
        let text = way.all_text();
        for round in 0..3 {
            for person in 0..40 {
                let word = format!("{}-{round}-{person}-", way.from.word());
                assert_eq!(count(&text, &word), 1, "{word}");
                assert!(text.contains(&format!("Person Number {person} ---")), "{text}");
            }
        }
        assert_eq!(count(&text, &format!("\n{}-", way.from.word())), 120, "nothing comes back");
        assert_eq!(count(&text, "\n--- "), 120);
        assert!(way.files("file").is_empty(), "a log file was taken for a person's");
    }
    world.one_more_pass_writes_nothing().await;
}

async fn a_crash_at_any_step_sends_each_entry_once(versions: Versions) {
    for from in BOTH_WAYS {
        let mut met_between = false;
        // From the hook to the last save: the calls of a pass take 80 ms each.
        for step in 0..30 {
            let (mut world, way) = start(versions, from).await;
            world.clear_calls();
            way.write("<p>the first entry</p>").await;
            world.pass_milliseconds(step * 40 + 10).await;
            let sent = way.target.calls().iter().any(creates_a_log_file);
            world.crash().await;
            let link = world.link(way.external_ticket()).await.link;
            met_between |= link.log(from, LogName::Private).is_some_and(|log| log.batch.is_some());
            way.write("<p>the second entry</p>").await;
            world.pass_seconds(1).await;
            world.boot();
            world.settle().await;
            // Where the ticket was not marked any more, the sweep finds the second entry.
            world.pass_seconds(700).await;
            world.settle().await;
            let texts = way.texts();
            let text = texts.join("\n");
            assert_eq!((count(&text, "the first entry"), count(&text, "the second entry")), (1, 1), "{step}: {text}");
            if sent {
                assert!(texts[0].contains("the first entry") && !texts[0].contains("second"), "{step}: {texts:?}");
            }
            world.one_more_pass_writes_nothing().await;
        }
        assert!(met_between, "{from:?}: no crash came between the batch's intent and what became of it");
    }
}

async fn a_crash_between_image_and_text_sends_both_once(versions: Versions) {
    for from in BOTH_WAYS {
        let mut met_between = false;
        for step in 6..20 {
            let (mut world, way) = start(versions, from).await;
            let image = way.source.add_inline_image(way.source_ticket, "5ec2e7", "image/png", PNG).await.unwrap();
            way.write(&format!("<p>see {} here</p>", image.html)).await;
            world.pass_milliseconds(step * 40 + 10).await;
            world.crash().await;
            met_between |= way.files("image").len() == 1 && way.texts().is_empty();
            world.boot();
            world.settle().await;
            assert_eq!(way.files("image").len(), 1, "{step}");
            assert_eq!(way.texts().len(), 1, "{step}");
            assert_eq!(count(&way.all_text(), "see [image"), 1, "{step}");
            world.one_more_pass_writes_nothing().await;
        }
        assert!(met_between, "no crash came between the two");
    }
}

/// Of two people who write at one moment iTop keeps one: the other's entry was read, and is gone at the next
/// read. What was read goes out, whatever becomes of the process meanwhile.
async fn an_entry_that_is_lost_while_it_is_on_its_way_arrives_once(versions: Versions) {
    for from in BOTH_WAYS {
        for dies in [false, true] {
            let (mut world, way) = start(versions, from).await;
            way.write("<p>alpha</p>").await;
            world.settle().await;
            way.target.fail_when(1, Fault::Hang(Effect::None), creates_a_log_file);
            way.write("<p>beta</p>").await;
            while !way.target.calls().iter().any(|call| creates_a_log_file(call) && !call.wrote) {
                world.pass_milliseconds(10).await;
            }
            if dies {
                world.crash().await;
            }
            assert_eq!(way.lose("beta"), 1);
            way.write("<p>gamma</p>").await;
            if dies {
                world.boot();
            }
            world.settle().await;
            world.pass_seconds(700).await;
            world.settle().await;
            let text = way.all_text();
            for word in ["alpha", "beta", "gamma"] {
                assert_eq!(count(&text, word), 1, "dies: {dies}: {word}: {text}");
            }
            assert_eq!(way.texts().len(), 3, "dies: {dies}: {text}");
            world.one_more_pass_writes_nothing().await;
        }
    }
}

async fn a_batch_whose_answer_is_lost_goes_out_once_and_unchanged(versions: Versions) {
    let faults: Vec<Fault> = lost_answers().into_iter().chain([Fault::Refuse]).collect();
    for from in BOTH_WAYS {
        for fault in &faults {
            let (world, way) = start(versions, from).await;
            way.target.fail_when(1, fault.clone(), creates_a_log_file);
            way.write("<p>the first entry</p>").await;
            world.pass_seconds(1).await;
            way.write("<p>the second entry</p>").await;
            world.settle().await;
            world.pass_seconds(400).await;
            let texts = way.texts();
            let [first, second] = &texts[..] else { panic!("{fault:?}: {texts:?}") };
            assert!(first.contains("the first entry") && !first.contains("second"), "{fault:?}: {first}");
            assert!(second.contains("the second entry") && !second.contains("first"), "{fault:?}: {second}");
            world.one_more_pass_writes_nothing().await;
        }
    }
}

async fn a_zone_that_changes_while_a_batch_is_in_doubt_sends_nothing_again(versions: Versions) {
    for from in BOTH_WAYS {
        for fault in [Fault::LandLate(Duration::from_secs(200)), Fault::Hang(Effect::None)] {
            let (world, way) = start(versions, from).await;
            way.target.fail_when(1, fault.clone(), creates_a_log_file);
            way.write("<p>alpha</p>").await;
            world.pass_seconds(60).await;
            way.source.set_time_zone("Asia/Jakarta");
            way.write("<p>beta</p>").await;
            world.settle().await;
            let texts = way.texts();
            let [first, second] = &texts[..] else { panic!("{fault:?}: {texts:?}") };
            assert!(first.contains("alpha") && !first.contains("beta"), "{fault:?}: {first}");
            assert!(second.contains("beta") && !second.contains("alpha"), "{fault:?}: {second}");
            world.one_more_pass_writes_nothing().await;
        }
    }
}

async fn the_log_of_a_change_crosses_too(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let fields = json!({
        "org_id": sample::DEMO, "caller_id": sample::MONET, "title": "New cables", "description": "<p>all of them</p>",
    });
    let id = world.acme().create_ticket("NormalChange", fields).await.unwrap();
    world.settle().await;
    for from in BOTH_WAYS {
        let way = Way::of(&world, id, from).await;
        way.write("<p>by night</p>").await;
        world.settle().await;
        assert_eq!(count(&way.all_text(), "by night"), 1, "{}", way.all_text());
        assert_eq!(way.texts().len(), 1);
    }
    world.one_more_pass_writes_nothing().await;
}

async fn two_equal_entries_of_one_second_are_two(versions: Versions) {
    for from in BOTH_WAYS {
        let (world, way) = start(versions, from).await;
        way.write("<p>ok</p>").await;
        way.write("<p>ok</p>").await;
        let entries = way.source.ticket(way.source_ticket).unwrap().log(PRIVATE).to_vec();
        assert_eq!(entries[entries.len() - 2], entries[entries.len() - 1], "they are equal");
        world.settle().await;
        assert_eq!(count(&way.all_text(), "\nok\n"), 2, "{}", way.all_text());
        world.one_more_pass_writes_nothing().await;
    }
}

async fn an_equal_entry_of_the_same_second_that_comes_during_the_pass_crosses_too(versions: Versions) {
    for from in BOTH_WAYS {
        let mut met_during = false;
        for after_ms in (150..850).step_by(100) {
            let (world, way) = start(versions, from).await;
            world.pass_milliseconds(1000 - world.now_ms().rem_euclid(1000) as u64).await;
            way.write("<p>ok</p>").await;
            world.pass_milliseconds(after_ms).await;
            way.write("<p>ok</p>").await;
            let entries = way.source.ticket(way.source_ticket).unwrap().log(PRIVATE).to_vec();
            assert_eq!(entries[entries.len() - 2], entries[entries.len() - 1], "they are equal");
            world.settle().await;
            assert_eq!(count(&way.all_text(), "\nok\n"), 2, "after {after_ms} ms: {}", way.all_text());
            met_during |= way.texts().len() == 2;
            world.one_more_pass_writes_nothing().await;
        }
        assert!(met_during, "the second was never read later than the first");
    }
}

async fn an_entry_with_a_long_word_and_a_long_line_stays_word_for_word(versions: Versions) {
    for from in BOTH_WAYS {
        let (world, way) = start(versions, from).await;
        let (word, line) = ("0123456789".repeat(3_000), "one two three ".repeat(3_000) + "four");
        way.write(&format!("<p>{word}</p><p>{line}</p>")).await;
        world.settle().await;
        assert!(way.all_text().contains(&format!(" ---\n{word}\n\n{line}\n")), "a line is broken");
        world.one_more_pass_writes_nothing().await;
    }
}

async fn an_entry_that_vanishes_withdraws_nothing(versions: Versions) {
    for from in BOTH_WAYS {
        let (world, way) = start(versions, from).await;
        for word in ["alpha", "beta", "gamma"] {
            way.write(&format!("<p>{word}</p>")).await;
            world.settle().await;
        }
        let before = way.files("log");
        assert_eq!(way.lose("beta"), 1);
        touch(&world, &way).await;
        world.settle().await;
        assert_eq!(way.files("log"), before);
        world.one_more_pass_writes_nothing().await;
        way.write("<p>delta</p>").await;
        world.settle().await;
        assert_eq!(way.files("log")[..3], before[..]);
        for word in ["alpha", "beta", "gamma", "delta"] {
            assert_eq!(count(&way.all_text(), word), 1, "{}", way.all_text());
        }
        world.one_more_pass_writes_nothing().await;
    }
}

async fn an_entry_that_is_written_again_after_a_loss_crosses_again(versions: Versions) {
    for from in BOTH_WAYS {
        let (world, way) = start(versions, from).await;
        way.write("<p>please wait</p>").await;
        way.write("<p>ok</p>").await;
        world.settle().await;
        assert_eq!(way.lose("please wait"), 1);
        touch(&world, &way).await;
        world.settle().await;
        // It stands where the first one stood, and says the same: it is another one all the same.
        way.write("<p>ok</p>").await;
        world.settle().await;
        assert_eq!(count(&way.all_text(), "\nok\n"), 2, "{}", way.all_text());
        world.one_more_pass_writes_nothing().await;
    }
}

async fn a_parents_entry_crosses_once_a_ticket(versions: Versions) {
    for from in BOTH_WAYS {
        let (world, parent) = start(versions, from).await;
        let child = linked(&world, from).await;
        let to_parent = json!({ "parent_request_id": parent.source_ticket });
        child.source.update(child.source_ticket, to_parent).await.unwrap();
        parent.write("<p>for the whole family</p>").await;
        world.settle().await;
        for way in [&parent, &child] {
            assert_eq!(count(&way.all_text(), "for the whole family"), 1, "{}", way.all_text());
            assert_eq!(way.texts().len(), 1);
        }
        world.one_more_pass_writes_nothing().await;
    }
}

async fn many_entries_gone_at_once_halt_that_log_alone(versions: Versions) {
    for from in BOTH_WAYS {
        let (world, way) = start(versions, from).await;
        let id = way.external_ticket();
        let back = Way::of(&world, id, from.other()).await;
        for word in ["alpha", "beta", "gamma", "delta"] {
            way.write(&format!("<p>old {word}</p>")).await;
            world.pass_seconds(3).await;
        }
        world.settle().await;
        let before = way.files("log");
        for word in ["alpha", "beta", "gamma"] {
            assert_eq!(way.lose(word), 1);
        }
        touch(&world, &way).await;
        world.settle().await;
        let conflicts = world.link(id).await.link.open.conflicts;
        let [conflict] = &conflicts[..] else { panic!("{conflicts:?}") };
        assert_eq!(conflict.about, format!("private_log {}", from.place()));
        assert!(conflict.text.contains("3 of 4 entries"), "{conflict:?}");
        assert!(world.did(id, "3 of 4 entries").await);
        world.one_more_pass_writes_nothing().await;

        // All else flows: the other log, files, fields.
        world.pass_seconds(3).await;
        way.write("<p>written after the halt</p>").await;
        back.write("<p>the other log</p>").await;
        world.acme().update(id, json!({ "title": "Printer in flames" })).await.unwrap();
        way.source.attach(way.source_ticket, "a.txt", "text/plain", b"a").await.unwrap();
        world.settle().await;
        assert_eq!(way.files("log"), before);
        assert_eq!(count(&back.all_text(), "the other log"), 1);
        assert_eq!(way.files("file").len(), 1);
        assert!(world.copy_of(id).await.field("title").ends_with("Printer in flames"));
        world.one_more_pass_writes_nothing().await;

        let said = world.resume(PAIR, false).await.unwrap();
        assert!(said.contains("is resumed") && said.contains("3 of 4 entries"), "{said}");
        world.settle().await;
        let text = way.all_text();
        assert_eq!(count(&text, "written after the halt"), 1, "{text}");
        assert_eq!(way.files("log").len(), before.len() + 1);
        let link = world.link(id).await.link;
        assert_eq!((link.open.conflicts.as_slice(), link.course.resumed), (&[][..], false));
        assert!(link.log(from, LogName::Private).unwrap().halt.is_none());
        world.one_more_pass_writes_nothing().await;
        assert!(world.resume(PAIR, false).await.unwrap().contains("is not halted"));
    }
}

/// The bytes of a picture, as far as anybody looks.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n and so on";

async fn inline_images_become_files_of_their_own(versions: Versions) {
    for from in BOTH_WAYS {
        let (world, way) = start(versions, from).await;
        let image = way.source.add_inline_image(way.source_ticket, "5ec2e7", "image/png", PNG).await.unwrap();
        way.write(&format!("<p>see {} here</p>", image.html)).await;
        world.settle().await;
        way.write(&format!("<p>as said, {}</p>", image.html)).await;
        world.settle().await;
        let files = way.files("image");
        let [file] = &files[..] else { panic!("{files:?}") };
        assert_eq!(file.filename, format!("{} image {}.png", way.reference(), image.id));
        assert_eq!((&*file.mimetype, &file.data[..]), ("image/png", PNG));
        assert!(file.id < way.files("log")[0].id, "the text is the last");
        let text = way.all_text();
        assert_eq!(count(&text, &format!("see [image {}] here", image.id)), 1, "{text}");
        assert_eq!(count(&text, &format!("as said, [image {}]", image.id)), 1, "{text}");
        for secret in ["5ec2e7", "ajax.document.php", &*way.source.base_url()] {
            assert!(!text.contains(secret), "{text}");
            assert!(way.target.calls_containing(secret).is_empty(), "{secret} crossed");
        }
        world.one_more_pass_writes_nothing().await;
    }
}

async fn an_image_that_cannot_be_had_becomes_words(versions: Versions) {
    for from in BOTH_WAYS {
        let (world, way) = start(versions, from).await;
        let image = way.source.add_inline_image(way.source_ticket, "5ec2e7", "image/png", PNG).await.unwrap();
        way.write(&format!("<p>see {} here</p>", image.html.replace("5ec2e7", "badbad"))).await;
        world.settle().await;
        let files = way.files("image");
        let [file] = &files[..] else { panic!("{files:?}") };
        assert_eq!(file.filename, format!("{} image {}.txt", way.reference(), image.id));
        let words = text_of(file);
        assert!(
            words.contains("It was not copied: it could not be read") && words.contains(way.side_name()),
            "{words}"
        );
        assert!(!words.contains("badbad") && !words.contains(&way.source.base_url()), "{words}");
        assert!(way.all_text().contains(&format!("see [image {}] here", image.id)));
        world.one_more_pass_writes_nothing().await;
    }
}

async fn a_log_that_is_off_stays_at_home(versions: Versions) {
    for (from, line) in
        [(Side::External, "private_log_to_internal = \"off\""), (Side::Internal, "private_log_to_external = \"off\"")]
    {
        let world = Setup::between(versions).sync(line).start().await;
        let way = linked(&world, from).await;
        let id = way.external_ticket();
        let back = Way::of(&world, id, from.other()).await;
        way.write("<p>stays at home</p>").await;
        back.write("<p>goes out</p>").await;
        world.settle().await;
        assert!(way.files("log").is_empty());
        assert!(way.target.calls_containing("stays at home").is_empty());
        assert_eq!(count(&back.all_text(), "goes out"), 1);
        world.one_more_pass_writes_nothing().await;
    }
}

async fn a_log_that_is_switched_off_with_a_batch_in_doubt_sends_nothing_more(versions: Versions) {
    for from in BOTH_WAYS {
        for (fault, lands) in [(Fault::LandLate(Duration::from_secs(200)), true), (Fault::Hang(Effect::None), false)] {
            let (mut world, way) = start(versions, from).await;
            way.target.fail_when(1, fault, creates_a_log_file);
            way.write("<p>alpha</p>").await;
            world.pass_seconds(60).await;
            world.crash().await;
            let off = "private_log_to_internal = \"off\"\nprivate_log_to_external = \"off\"";
            world.configure(&Setup::between(versions).sync(off));
            world.boot();
            way.write("<p>beta</p>").await;
            world.settle().await;
            world.pass_seconds(400).await;
            assert_eq!((way.texts().len(), count(&way.all_text(), "alpha")), (usize::from(lands), usize::from(lands)));
            let link = world.link(way.external_ticket()).await.link;
            assert!(link.log(from, LogName::Private).unwrap().batch.is_none(), "the batch is open for ever");
            world.one_more_pass_writes_nothing().await;
            // What did not arrive crosses if the log is switched on again.
            world.crash().await;
            world.configure(&Setup::between(versions));
            world.boot();
            touch(&world, &way).await;
            world.settle().await;
            assert_eq!((count(&way.all_text(), "alpha"), count(&way.all_text(), "beta")), (1, 1), "{lands}");
            world.one_more_pass_writes_nothing().await;
        }
    }
}

async fn a_public_log_stays_at_home_unless_it_is_on(versions: Versions) {
    for from in BOTH_WAYS {
        let (world, way) = start(versions, from).await;
        way.source.add_log_entry(way.source_ticket, PUBLIC, "<p>for everybody</p>").await.unwrap();
        world.settle().await;
        assert!(way.target.calls_containing("for everybody").is_empty());
        assert!(way.files("log").is_empty());
        world.one_more_pass_writes_nothing().await;

        let on = "public_log_to_internal = \"attachment\"\npublic_log_to_external = \"attachment\"";
        let world = Setup::between(versions).sync(on).start().await;
        let way = linked(&world, from).await;
        way.source.add_log_entry(way.source_ticket, PUBLIC, "<p>for everybody</p>").await.unwrap();
        way.write("<p>among us</p>").await;
        world.settle().await;
        let files = way.files("log");
        let [private, public] = &files[..] else { panic!("{files:?}") };
        assert!(private.filename.contains(" private log ") && public.filename.contains(" public log "));
        let [private, public] = [text_of(private), text_of(public)];
        assert!(private.contains("among us") && !private.contains("for everybody"), "{private}");
        assert!(public.starts_with("The public log of ") && public.contains("for everybody"), "{public}");
        assert!(!public.contains("among us"), "{public}");
        world.one_more_pass_writes_nothing().await;
    }
}

async fn without_authors_nobody_is_named(versions: Versions) {
    for from in BOTH_WAYS {
        let world = Setup::between(versions).sync("log_authors = false").start().await;
        let way = linked(&world, from).await;
        way.write("<p>somebody says</p>").await;
        world.settle().await;
        let text = way.all_text();
        assert!(text.contains("somebody says") && !text.contains("Jules"), "{text}");
        world.one_more_pass_writes_nothing().await;
    }
}

/// An entry is written, and told with this zone.
async fn assert_told(world: &World, way: &Way, zone: &str) {
    let date = way.source.now_text();
    way.write("<p>what time is it</p>").await;
    world.settle().await;
    let text = way.texts().pop().unwrap();
    assert!(text.contains(&format!("--- {date} {zone}, Jules Verne ---")), "{zone}: {text}");
}

async fn times_are_told_with_their_zone_once_it_is_known(versions: Versions) {
    for from in BOTH_WAYS {
        let (mut world, way) = start(versions, from).await;
        let back = Way::of(&world, way.external_ticket(), from.other()).await;
        // The making of the pair has told both: a ticket was created inside, and its report outside.
        assert_told(&world, &way, "+01:00").await;
        world.crash().await;
        world.boot();
        world.pass_seconds(5).await;
        // A restart forgets nothing of it.
        assert_told(&world, &way, "+01:00").await;
        // A create on the log's own side tells of a change.
        way.source.set_time_zone("Asia/Kathmandu");
        back.write("<p>noon here too</p>").await;
        world.settle().await;
        assert_told(&world, &way, "+05:45").await;
        world.one_more_pass_writes_nothing().await;
    }
}

async fn times_are_told_in_the_zone_of_the_configuration(versions: Versions) {
    let lines = "only = \"all\"\ntime_zone = \"Asia/Jakarta\"";
    let world = Setup::between(versions).acme(lines).start().await;
    let way = linked(&world, Side::External).await;
    assert_told(&world, &way, "+07:00").await;
    world.one_more_pass_writes_nothing().await;
}

async fn a_server_whose_zone_changes_sends_nothing_again(versions: Versions) {
    for from in BOTH_WAYS {
        let (world, way) = start(versions, from).await;
        for word in ["alpha", "beta", "gamma", "beta"] {
            way.write(&format!("<p>{word}</p>")).await;
            world.pass_seconds(2).await;
        }
        world.settle().await;
        let before = way.files("log");
        way.source.set_time_zone("Asia/Jakarta");
        touch(&world, &way).await;
        world.settle().await;
        assert_eq!(way.files("log"), before);
        world.one_more_pass_writes_nothing().await;
        way.write("<p>beta</p>").await;
        world.settle().await;
        assert_eq!(count(&way.all_text(), "beta"), 3, "{}", way.all_text());
        // A zone to the west looks like a restored backup: an operator is asked.
        way.source.set_time_zone("Europe/Paris");
        touch(&world, &way).await;
        world.pass_seconds(310).await;
        let side = if from == Side::External { "acme" } else { "elitery" };
        let said = world.resume(side, false).await.unwrap();
        assert!(said.contains("or its clock set back?"), "{said}");
        world.settle().await;
        assert_eq!(count(&way.all_text(), "beta"), 3, "{}", way.all_text());
        world.one_more_pass_writes_nothing().await;
    }
}

async fn what_the_target_refuses_for_its_size_becomes_words(versions: Versions) {
    for from in BOTH_WAYS {
        let (world, way) = start(versions, from).await;
        way.target.set_limits(Limits { attachment_max_bytes: Some(1000), ..Limits::default() });
        way.write(&format!("<p>{}</p>", "a long story. ".repeat(100))).await;
        world.settle().await;
        let files = way.files("log");
        let [file] = &files[..] else { panic!("{files:?}") };
        let words = text_of(file);
        assert!(words.contains(&way.reference()) && words.contains("It was not copied: it is larger than"), "{words}");
        way.write("<p>a short one</p>").await;
        world.settle().await;
        assert_eq!(way.texts().len(), 2);
        assert!(way.texts()[1].contains("a short one"));
        world.one_more_pass_writes_nothing().await;
    }
}

async fn much_text_goes_out_in_several_files_and_no_entry_is_cut(versions: Versions) {
    for from in BOTH_WAYS {
        let (world, way) = start(versions, from).await;
        let lines = |word: &str| vec![format!("{word} {}", "x".repeat(1000)); 600];
        for word in ["alpha", "beta"] {
            way.write(&format!("<p>{}</p>", lines(word).join("<br>"))).await;
        }
        world.settle().await;
        let texts = way.texts();
        assert_eq!(texts.len(), 2, "each within a mebibyte");
        assert!(texts[0].contains(&lines("alpha").join("\n")) && texts[1].contains(&lines("beta").join("\n")));
        world.one_more_pass_writes_nothing().await;
    }
}

async fn a_log_of_twenty_mebibytes_crosses(versions: Versions) {
    // So large a log takes seconds: of either version once, and each way.
    let ways: &[Side] = if versions.external == Version::V3_1 { &[Side::Internal] } else { &BOTH_WAYS };
    for from in ways {
        twenty_mebibytes_cross(versions, *from).await;
    }
}

async fn twenty_mebibytes_cross(versions: Versions, from: Side) {
    let (world, way) = start(versions, from).await;
    for sim in [&way.source, &way.target] {
        sim.set_limits(Limits { post_max_bytes: 256 << 20, ..Limits::default() });
    }
    way.source.drop_hooks(true);
    for number in 0..20 {
        way.write(&format!("<p>{}</p><p>end-{number}-</p>", "0123456789abcdef".repeat(1 << 16))).await;
    }
    way.source.drop_hooks(false);
    way.write("<p>the last</p>").await;
    world.settle().await;
    let text = way.all_text();
    assert!(text.len() > 20 << 20, "{} bytes", text.len());
    for number in 0..20 {
        assert_eq!(count(&text, &format!("end-{number}-")), 1);
    }
    assert_eq!(count(&text, "the last"), 1);
    world.one_more_pass_writes_nothing().await;
}

async fn a_large_image_over_a_slow_line_crosses_once(versions: Versions) {
    for from in BOTH_WAYS {
        // Two minutes each way: longer than the lease of a ticket.
        let slow = Setup { line_bits_per_second: Some(256_000), ..Setup::between(versions) };
        let world = slow.start().await;
        let way = linked(&world, from).await;
        let large = [PNG, &vec![7; 4 << 20][..]].concat();
        let image = way.source.add_inline_image(way.source_ticket, "5ec2e7", "image/png", &large).await.unwrap();
        way.write(&format!("<p>see {} here</p>", image.html)).await;
        world.clear_calls();
        world.settle().await;
        let files = way.files("image");
        let [file] = &files[..] else { panic!("{files:?}") };
        assert!(file.data == large);
        assert_eq!(count(&way.all_text(), "see [image"), 1);
        let asked = way.source.calls().iter().filter(|call| call.operation.ends_with("ajax.document.php")).count();
        assert_eq!(asked, 1, "the image was loaded again");
        world.one_more_pass_writes_nothing().await;
    }
}

async fn a_target_that_takes_no_files_gets_each_entry_later(versions: Versions) {
    for from in BOTH_WAYS {
        let (world, way) = start(versions, from).await;
        way.target.read_only(true);
        way.write("<p>alpha</p>").await;
        world.pass_seconds(3 * 3600).await;
        way.write("<p>beta</p>").await;
        world.pass_seconds(10).await;
        assert!(way.files("log").is_empty());
        way.target.read_only(false);
        world.settle().await;
        let text = way.all_text();
        assert_eq!((count(&text, "alpha"), count(&text, "beta")), (1, 1), "{text}");
        world.one_more_pass_writes_nothing().await;
    }
}

async fn an_entry_that_no_hook_told_of_is_found(versions: Versions) {
    for from in BOTH_WAYS {
        let (world, way) = start(versions, from).await;
        way.source.drop_hooks(true);
        way.write("<p>unheard</p>").await;
        way.source.drop_hooks(false);
        world.pass_seconds(310).await;
        world.settle().await;
        assert_eq!(count(&way.all_text(), "unheard"), 1);
        world.one_more_pass_writes_nothing().await;
    }
}

async fn a_log_that_the_store_forgot_is_known_by_its_files(versions: Versions) {
    for from in BOTH_WAYS {
        let (world, way) = start(versions, from).await;
        for word in ["alpha", "beta"] {
            way.write(&format!("<p>{word}</p>")).await;
            world.settle().await;
        }
        let before = way.files("log");
        // The store of before is restored; then people go on.
        let id = world.link(way.external_ticket()).await.id;
        let did = Activity::in_words(world.clock.now_ms(), "a backup was restored");
        let now = world.clock.now_ms();
        let forget = |link: &mut Link, _: &mut LinkState| link.logs.clear();
        world.store.call(move |store| store.amend_link(id, &forget, &did, now)).await.unwrap();
        way.write("<p>gamma</p>").await;
        world.settle().await;
        let files = way.files("log");
        assert_eq!(files[..2], before[..]);
        assert_eq!(files.len(), 3);
        assert!(text_of(&files[2]).contains("gamma") && !text_of(&files[2]).contains("beta"));
        world.one_more_pass_writes_nothing().await;
    }
}

async fn a_log_file_that_a_person_deleted_stays_deleted(versions: Versions) {
    for from in BOTH_WAYS {
        let (world, way) = start(versions, from).await;
        way.write("<p>alpha</p>").await;
        world.settle().await;
        way.target.delete_attachment(way.files("log")[0].id).await;
        world.settle().await;
        way.write("<p>beta</p>").await;
        world.settle().await;
        let texts = way.texts();
        assert!(texts.len() == 1 && texts[0].contains("beta") && !texts[0].contains("alpha"), "{texts:?}");
        world.one_more_pass_writes_nothing().await;
    }
}
