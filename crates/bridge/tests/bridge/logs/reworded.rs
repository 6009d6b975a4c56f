//! An anonymiser or a moderator puts other words into entries, in place: the entries stay what they are. Nothing is
//! sent again, nothing halts, and the operator is told where the old words can still be read.

use itop_bridge::cli::Outcome;
use itop_bridge_core::Side;
use itop_bridge_testkit::world::*;
use itop_sim::{Effect, Fault};

use super::{BOTH_WAYS, PAIR, PRIVATE, PUBLIC, Way, count, creates_a_log_file, linked, start, touch};

each_version![
    all_entries_reworded_at_once_send_nothing_again_and_halt_nothing,
    an_entry_reworded_by_rest_is_the_same_whatever_its_length,
    all_entries_anonymised_by_rest_are_the_same,
    an_author_who_is_renamed_is_told,
    an_entry_that_took_a_lost_ones_place_in_its_second_crosses,
    the_second_of_a_second_is_the_same_though_the_first_was_reworded_at_once,
    an_entry_that_is_reworded_on_its_way_goes_out_with_its_old_words,
    an_entry_that_is_reworded_before_it_was_ever_sent_crosses_as_it_stands,
    the_entry_with_the_mark_stays_inside_though_its_mark_is_gone,
];

any_version![after_the_store_was_lost_reworded_entries_are_not_sent_again];

impl Way {
    fn reword(&self, words: &str, others: &str) {
        let reworded = self.source.reword_log_entries(self.source_ticket, PRIVATE, words, others);
        assert!(reworded > 0, "no entry holds {words:?}");
    }

    fn target_reference(&self) -> String {
        let reference = self.target.ticket(self.target_ticket).unwrap().field("ref").to_owned();
        format!("{}:{reference}", if self.from == Side::External { "elitery" } else { "acme" })
    }
}

async fn told(world: &World, way: &Way) -> Vec<String> {
    let all = world.activity(way.external_ticket()).await.into_iter().map(|line| line.text);
    all.filter(|text| text.contains("got other words")).collect()
}

/// Waits until the source's clock shows another second: this one.
async fn a_second_begins(world: &World, way: &Way) -> String {
    let second = way.source.now_text();
    while way.source.now_text() == second {
        world.pass_milliseconds(10).await;
    }
    way.source.now_text()
}

async fn all_entries_reworded_at_once_send_nothing_again_and_halt_nothing(versions: Versions) {
    for from in BOTH_WAYS {
        let (mut world, way) = start(versions, from).await;
        for pair in [["first", "second"], ["third", "fourth"]] {
            for number in pair {
                way.write(&format!("<p>the {number} by Claude Monet</p>")).await;
            }
            world.settle().await;
        }
        let before = way.files("log");
        assert_eq!(before.len(), 2);
        way.reword("Claude Monet", "************");
        touch(&world, &way).await;
        world.settle().await;
        assert_eq!(way.files("log"), before);
        let link = world.link(way.external_ticket()).await.link;
        assert_eq!((link.why_halted(), &link.open.conflicts[..]), (None, &[][..]));
        let names: Vec<String> =
            before.iter().map(|file| format!("\"{}\" (attachment {})", file.filename, file.id)).collect();
        let expected = format!(
            "4 entries of the private log {} got other words after the bridge took them over; {} still has the old \
             words, in {}, {}",
            from.place(),
            way.target_reference(),
            names[0],
            names[1]
        );
        assert_eq!(told(&world, &way).await, [expected]);
        let shown = world.show(PAIR).await;
        assert_eq!(count(&shown, "was reworded since: "), 4, "{shown}");
        assert_eq!(count(&shown, &format!("still has the old words, in {}\n", names[0])), 2, "{shown}");

        // Twice, and after a new start; and a new entry crosses alone.
        way.reword("************", "------------");
        world.crash().await;
        world.boot();
        way.write("<p>the fifth</p>").await;
        world.settle().await;
        let texts = way.texts();
        assert_eq!(texts.len(), 3, "{texts:?}");
        assert!(texts[2].contains("the fifth") && !texts[2].contains("the fourth"), "{texts:?}");
        assert_eq!(told(&world, &way).await.len(), 2);

        // Where a person has deleted the file, nobody reads the old words any more.
        way.target.delete_attachment(before[0].id).await;
        world.settle().await;
        world.pass_seconds(2 * 3600).await;
        world.settle().await;
        let shown = world.show(PAIR).await;
        assert_eq!(count(&shown, "was reworded since: "), 2, "{shown}");

        // More than a third that is gone still halts.
        for number in ["second", "third", "fourth"] {
            assert_eq!(way.lose(&format!("the {number}")), 1);
        }
        touch(&world, &way).await;
        world.settle().await;
        let why = world.link(way.external_ticket()).await.link.why_halted().map(str::to_owned);
        assert!(why.as_ref().is_some_and(|why| why.contains("3 of 5 entries")), "{why:?}");
        world.one_more_pass_writes_nothing().await;
    }
}

const LOGS: [&str; 2] = [PRIVATE, PUBLIC];

/// A pair whose logs cross, both ways.
async fn with_logs(versions: Versions, from: Side) -> (World, Way) {
    let on = "public_log_to_internal = \"attachment\"\npublic_log_to_external = \"attachment\"";
    let world = Setup::between(versions).sync(on).start().await;
    let way = linked(&world, from).await;
    (world, way)
}

impl Way {
    async fn write_to(&self, log: &str, html: &str) {
        self.source.add_log_entry(self.source_ticket, log, html).await.unwrap();
    }

    async fn reword_by_items(&self, log: &str, reword: impl Fn(&str) -> String) {
        self.source.act_as("admin");
        self.source.reword_by_items(self.source_ticket, log, reword).await.unwrap();
    }
}

async fn an_entry_reworded_by_rest_is_the_same_whatever_its_length(versions: Versions) {
    for (from, log) in BOTH_WAYS.into_iter().flat_map(|from| LOGS.map(|log| (from, log))) {
        let (world, way) = with_logs(versions, from).await;
        for number in 1..=6 {
            way.write_to(log, &format!("<p>number {number}</p>")).await;
            touch(&world, &way).await;
            world.settle().await;
        }
        let before = way.files("log");
        assert_eq!(before.len(), 6);
        let long = "<p>A moderator took away what stood here, since it named a person.</p>";
        // In the middle, and the last one.
        for (number, words) in [(3, "<p>***</p>"), (6, long)] {
            let is_it = format!("number {number}<");
            way.reword_by_items(log, |html| if html.contains(&is_it) { words.to_owned() } else { html.to_owned() })
                .await;
            touch(&world, &way).await;
            world.settle().await;
            assert_eq!(way.files("log"), before, "{from:?} {log} {number}");
        }
        let shown = world.show(PAIR).await;
        for file in [&before[2], &before[5]] {
            let named = format!(
                "was reworded since: {} still has the old words, in \"{}\" (attachment {})\n",
                way.target_reference(),
                file.filename,
                file.id
            );
            assert_eq!(count(&shown, &named), 1, "{named}: {shown}");
        }
        assert_eq!(count(&shown, "was reworded since: "), 2, "{shown}");
        assert!(!shown.contains("gone since"), "{shown}");
        assert_eq!(told(&world, &way).await.len(), 2);
        world.one_more_pass_writes_nothing().await;
    }
}

async fn all_entries_anonymised_by_rest_are_the_same(versions: Versions) {
    for (from, log) in BOTH_WAYS.into_iter().flat_map(|from| LOGS.map(|log| (from, log))) {
        let (world, way) = with_logs(versions, from).await;
        for number in 1..=8 {
            way.write_to(log, &format!("<p>Herr Mustermann, {number}</p>")).await;
            world.pass_milliseconds(number * 300).await;
        }
        touch(&world, &way).await;
        world.settle().await;
        let before = way.files("log");
        way.reword_by_items(log, |html| html.replace("Herr Mustermann", "[anonymised person]")).await;
        touch(&world, &way).await;
        world.settle().await;
        assert_eq!(way.files("log"), before);
        let link = world.link(way.external_ticket()).await.link;
        assert_eq!((link.why_halted(), &link.open.conflicts[..]), (None, &[][..]));
        assert_eq!(count(&world.show(PAIR).await, "was reworded since: "), 8);

        // All alike; and a later entry crosses alone.
        way.reword_by_items(log, |_| "<p>***</p>".to_owned()).await;
        way.write_to(log, "<p>a later one</p>").await;
        touch(&world, &way).await;
        world.settle().await;
        let texts = way.texts();
        assert_eq!(texts.len(), before.len() + 1, "{texts:?}");
        let last = texts.last().unwrap();
        assert!(last.contains("a later one") && !last.contains("***"), "{last}");
        world.one_more_pass_writes_nothing().await;
    }
}

async fn an_author_who_is_renamed_is_told(versions: Versions) {
    for names in [true, false] {
        for from in BOTH_WAYS {
            let world = Setup::between(versions).sync(&format!("log_authors = {names}")).start().await;
            let way = linked(&world, from).await;
            way.write("<p>alpha</p>").await;
            world.settle().await;
            let before = way.files("log");
            assert_eq!(way.source.rename_log_author(way.source_ticket, PRIVATE, "Jules Verne", "[anonymised]"), 1);
            touch(&world, &way).await;
            world.settle().await;
            assert_eq!(way.files("log"), before);
            let shown = world.show(PAIR).await;
            let named = format!(
                "has another author's name since: {} still has the old name, in \"{}\"",
                way.target_reference(),
                before[0].filename
            );
            assert_eq!(count(&shown, &named), usize::from(names), "{shown}");
            assert_eq!(count(&shown, "got another author's name"), usize::from(names), "{shown}");
            world.one_more_pass_writes_nothing().await;
        }
    }
}

/// The same author, twice at once: iTop keeps the later save, and nothing shows that it is another entry.
async fn an_entry_that_took_a_lost_ones_place_in_its_second_crosses(versions: Versions) {
    for from in BOTH_WAYS {
        let (world, way) = start(versions, from).await;
        let second = a_second_begins(&world, &way).await;
        way.write("<p>alpha</p>").await;
        while !way.target.calls().iter().any(creates_a_log_file) {
            world.pass_milliseconds(10).await;
        }
        assert_eq!(way.lose("alpha"), 1);
        way.write("<p>omega</p>").await;
        assert_eq!(way.source.now_text(), second, "the two are of one second");
        world.settle().await;
        let text = way.all_text();
        assert_eq!((count(&text, "alpha"), count(&text, "omega")), (1, 1), "{text}");
        assert_eq!(told(&world, &way).await, [""; 0]);
        world.one_more_pass_writes_nothing().await;
    }
}

/// What was reworded within seconds is sent as a new entry, and delivered after the one that it stands before.
async fn the_second_of_a_second_is_the_same_though_the_first_was_reworded_at_once(versions: Versions) {
    // Whether the answer to the new entry's file comes, or is lost.
    for (from, is_lost) in BOTH_WAYS.into_iter().flat_map(|from| [(from, false), (from, true)]) {
        let (world, way) = start(versions, from).await;
        let second = a_second_begins(&world, &way).await;
        way.write("<p>alpha</p>").await;
        world.pass_milliseconds(300).await;
        way.write("<p>omega</p>").await;
        assert_eq!(way.source.now_text(), second, "the two are of one second");
        world.pass_milliseconds(4_000).await;
        if is_lost {
            way.target.fail_when(1, Fault::Hang(Effect::Committed), creates_a_log_file);
        }
        way.reword("alpha", "gamma");
        touch(&world, &way).await;
        world.settle().await;
        world.pass_seconds(60).await;
        world.settle().await;
        way.reword("omega", "delta");
        touch(&world, &way).await;
        world.settle().await;
        let text = way.all_text();
        let times = ["alpha", "omega", "gamma", "delta"].map(|word| count(&text, word));
        assert_eq!(times, [1, 1, 1, 0], "{text}");
        assert_eq!(told(&world, &way).await.len(), 1);
        world.one_more_pass_writes_nothing().await;
    }
}

async fn an_entry_that_is_reworded_on_its_way_goes_out_with_its_old_words(versions: Versions) {
    for from in BOTH_WAYS {
        let (mut world, way) = start(versions, from).await;
        way.target.fail_when(1, Fault::Hang(Effect::None), creates_a_log_file);
        way.write("<p>alpha</p>").await;
        while !way.target.calls().iter().any(|call| creates_a_log_file(call) && !call.wrote) {
            world.pass_milliseconds(10).await;
        }
        world.crash().await;
        world.boot();
        // Until the create has settled it is not sent again.
        world.pass_seconds(200).await;
        assert!(way.texts().is_empty());
        way.reword("alpha", "an alias");
        world.settle().await;
        let texts = way.texts();
        assert!(texts.len() == 1 && texts[0].contains("alpha"), "{texts:?}");
        let [told] = &told(&world, &way).await[..] else { panic!("it is told once") };
        assert!(told.ends_with("still has the old words, in a file that is being sent"), "{told}");
        let shown = world.show(PAIR).await;
        assert_eq!(count(&shown, &format!("(attachment {})", way.files("log")[0].id)), 1, "{shown}");
        world.one_more_pass_writes_nothing().await;
    }
}

async fn an_entry_that_is_reworded_before_it_was_ever_sent_crosses_as_it_stands(versions: Versions) {
    for from in BOTH_WAYS {
        let (mut world, way) = start(versions, from).await;
        world.crash().await;
        way.write("<p>alpha</p>").await;
        way.reword("alpha", "*****");
        world.boot();
        world.pass_seconds(700).await;
        world.settle().await;
        let texts = way.texts();
        assert!(texts.len() == 1 && texts[0].contains("*****"), "{texts:?}");
        assert_eq!(told(&world, &way).await, [""; 0]);
        world.one_more_pass_writes_nothing().await;
    }
}

async fn the_entry_with_the_mark_stays_inside_though_its_mark_is_gone(versions: Versions) {
    for remembers in [true, false] {
        let world = Setup::between(versions).without_a_start_date().start().await;
        let way = linked(&world, Side::Internal).await;
        way.write("<p>alpha</p>").await;
        world.settle().await;
        if !remembers {
            // As an older version left it.
            let (id, now) = (world.link(way.external_ticket()).await.id, world.now_ms());
            let did = itop_bridge_store::Activity::in_words(now, "an older version");
            let forget = |link: &mut itop_bridge_core::Link, _: &mut _| {
                link.logs.iter_mut().for_each(|log| log.own_entry = None);
            };
            world.store.call(move |store| store.amend_link(id, &forget, &did, now)).await.unwrap();
        }
        way.reword("itop-bridge:7f3a", "****************");
        way.reword("This ticket is a copy of", "************************");
        way.write("<p>beta</p>").await;
        world.settle().await;
        let texts = way.texts();
        assert_eq!(texts.len(), 2, "{texts:?}");
        assert!(!texts[1].contains("***") && texts[1].contains("beta"), "{texts:?}");
        assert_eq!(told(&world, &way).await, [""; 0], "it was never sent");
        world.one_more_pass_writes_nothing().await;
    }
}

async fn after_the_store_was_lost_reworded_entries_are_not_sent_again(versions: Versions) {
    for from in BOTH_WAYS {
        let (mut world, way) = start(versions, from).await;
        for number in ["first", "second"] {
            way.write(&format!("<p>the {number} by Claude Monet</p>")).await;
            world.settle().await;
        }
        way.reword("Claude Monet", "************");
        way.write("<p>the third</p>").await;
        world.settle().await;
        let before = way.files("log");
        way.reword("the third", "*** *****");
        world.lose_the_store().await;
        let (outcome, said) = world.rebuild(false).await.unwrap();
        assert_eq!(outcome, Outcome::Fine, "{said}");
        world.boot();
        world.settle().await;
        assert_eq!(way.files("log"), before);
        way.write("<p>the fourth</p>").await;
        world.settle().await;
        let texts = way.texts();
        assert!(texts.len() == 4 && texts[3].contains("the fourth") && !texts[3].contains("***"), "{texts:?}");
        world.one_more_pass_writes_nothing().await;
    }
}
