//! An entry that its iTop loses while the file that carries it is on the way: the file arrives once, and afterwards the
//! bridge remembers the entry as gone, without waiting for anybody to change the ticket.

use std::time::Duration;

use itop_bridge_core::Side;
use itop_bridge_store::Instance;
use itop_bridge_testkit::world::*;
use itop_sim::{Effect, Fault};

use super::{BOTH_WAYS, Way, count, creates_a_log_file, linked};

any_version![
    an_entry_that_goes_while_it_is_on_its_way_is_remembered_as_gone,
    an_entry_that_goes_while_it_is_kept_back_is_remembered_as_gone,
    an_entry_whose_side_is_restored_while_it_is_on_its_way_arrives_once,
];

/// Writes an entry whose file's create gets no answer.
async fn send(world: &World, way: &Way, word: &str, fault: Fault) {
    let before = way.target.calls().len();
    way.target.fail_when(1, fault, creates_a_log_file);
    way.write(&format!("<p>{word}</p>")).await;
    while !way.target.calls()[before..].iter().any(creates_a_log_file) {
        world.pass_milliseconds(10).await;
    }
}

/// Nobody writes into that log afterwards, so no hook follows that would ask for another pass.
async fn an_entry_that_goes_while_it_is_on_its_way_is_remembered_as_gone(versions: Versions) {
    let faults = [Fault::LandLate(Duration::from_secs(65)), Fault::Hang(Effect::Committed), Fault::Hang(Effect::None)];
    for from in BOTH_WAYS {
        for fault in &faults {
            let world = Setup::between(versions).start().await;
            let way = linked(&world, from).await;
            way.write("<p>alpha</p>").await;
            world.settle().await;
            send(&world, &way, "beta", fault.clone()).await;
            assert_eq!(way.lose("beta"), 1);
            world.pass_seconds(700).await;
            world.settle().await;
            assert_eq!(count(&way.all_text(), "beta"), 1, "{fault:?}");
            world.one_more_pass_writes_nothing().await;
        }
    }
}

/// It was set aside, since something before the other iTop kept it, while the log went on.
async fn an_entry_that_goes_while_it_is_kept_back_is_remembered_as_gone(versions: Versions) {
    for from in BOTH_WAYS {
        let world = Setup::between(versions).start().await;
        let way = linked(&world, from).await;
        let page = Fault::Page("<html><body>Please log in</body></html>".into(), Effect::None);
        way.target.fail_when(2, page, creates_a_log_file);
        way.write("<p>alpha</p>").await;
        world.pass_seconds(290).await;
        assert_eq!(way.lose("alpha"), 1);
        way.write("<p>beta</p>").await;
        world.pass_seconds(1_000).await;
        world.settle().await;
        for word in ["alpha", "beta"] {
            assert_eq!(count(&way.all_text(), word), 1, "{word}");
        }
        world.one_more_pass_writes_nothing().await;
    }
}

async fn an_entry_whose_side_is_restored_while_it_is_on_its_way_arrives_once(versions: Versions) {
    for from in BOTH_WAYS {
        let world = Setup::between(versions).start().await;
        let way = linked(&world, from).await;
        let witness = way.source.create_ticket("Incident", ticket("Not bridged")).await.unwrap();
        let backup = way.source.back_up();
        world.pass_seconds(3 * 3600).await;
        way.source.update(witness, json!({"title": "Changed since the backup"})).await.unwrap();
        world.pass_seconds(700).await;
        for word in ["beta", "gamma", "delta"] {
            way.write(&format!("<p>{word}</p>")).await;
        }
        send(&world, &way, "epsilon", Fault::Hang(Effect::Committed)).await;
        way.source.restore(&backup);
        world.pass_seconds(700).await;
        let side = if from == Side::External { Instance::External("acme".into()) } else { Instance::Internal };
        assert!(world.stopped(side).await.is_some(), "the restore is noticed");
        world.resume(way.side_name(), false).await.unwrap();
        world.pass_seconds(4_000).await;
        world.settle().await;
        for word in ["beta", "gamma", "delta", "epsilon"] {
            assert_eq!(count(&way.all_text(), word), 1, "{word}");
        }
        let link = world.link(way.external_ticket()).await.link;
        assert_eq!(link.why_halted(), None, "what a restore took is no accident");
        world.one_more_pass_writes_nothing().await;
    }
}
