//! An anonymiser or a moderator puts other words into entries, in place: the entries stay what they are. Nothing is
//! sent again, nothing halts, and the operator is told where the old words can still be read.

use itop_bridge::cli::Outcome;
use itop_bridge_core::Side;
use itop_sim::{Effect, Fault};

use super::{BOTH_WAYS, PAIR, PRIVATE, Way, count, creates_a_log_file, linked, start, touch};
use crate::world::*;

either_version_on_either_side![
    all_entries_reworded_at_once_send_nothing_again_and_halt_nothing,
    an_entry_that_is_reworded_on_its_way_goes_out_with_its_old_words,
    an_entry_that_is_reworded_before_it_was_ever_sent_crosses_as_it_stands,
    the_entry_with_the_mark_stays_inside_though_its_mark_is_gone,
    after_the_store_was_lost_reworded_entries_are_not_sent_again,
];

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
        assert_eq!((link.why_halted(), &link.conflicts[..]), (None, &[][..]));
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

async fn an_entry_that_is_reworded_on_its_way_goes_out_with_its_old_words(versions: Versions) {
    for from in BOTH_WAYS {
        let (mut world, way) = start(versions, from).await;
        way.target.fail_when(1, Fault::Hang(Effect::None), creates_a_log_file);
        way.write("<p>alpha</p>").await;
        while !way.target.calls().iter().any(|call| creates_a_log_file(call) && !call.wrote) {
            world.pass_milliseconds(10).await;
        }
        world.crash().await;
        way.reword("alpha", "*****");
        world.boot();
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
            let did = itop_bridge::store::Activity { at_ms: now, text: "an older version".into() };
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
