//! HTTP 429: a side that asks for fewer calls is slowed down, and not down.

use itop_bridge_testkit::world::*;
use itop_sim::{Fault, Sim};

use crate::listen::Log;

any_version![
    a_throttled_create_waits_as_long_as_it_is_asked_to_and_not_for_its_settling,
    a_side_that_throttles_every_call_is_slowed_down_and_not_down,
    a_word_that_is_throttled_slows_down_nothing_else,
];

const MINUTE: u64 = 60;

async fn create(sim: &Sim, title: &str) -> u64 {
    sim.create_ticket("UserRequest", ticket(title)).await.unwrap()
}

async fn seconds_until_bridged(world: &World, id: u64) -> u64 {
    for seconds in 0..3600 {
        if world.link_of("acme", id).await.is_some_and(|stored| stored.link.internal.is_some()) {
            return seconds;
        }
        world.pass_seconds(1).await;
    }
    panic!("never bridged: {:#?}", world.queue().await)
}

async fn a_throttled_create_waits_as_long_as_it_is_asked_to_and_not_for_its_settling(versions: Versions) {
    // The date is two minutes after the moment at which the story comes to the call.
    for (after, least) in [(Some("120"), 118), (Some("Tue, 24 Nov 2026 11:02:05 GMT"), 118), (None, 0)] {
        let log = Log::kept();
        let world = Setup::between(versions).start().await;
        // Every call, from the first write on.
        let until = world.internal.now() + 1 + least.max(1) as i64;
        let mut begun = false;
        world.internal.fail_with(move |call| {
            begun |= call.is_write();
            (begun && call.at < until).then(|| Fault::throttled(after))
        });
        let id = create(world.acme(), "calm").await;
        world.pass_seconds(2).await;
        let told = "elitery asks for fewer calls; the next one is made at 2026-11-24 11:0";
        if least > 0 {
            assert!(matches!(world.issues().as_slice(), [one] if one.starts_with(told)), "{:?}", world.issues());
            world.clear_calls();
            world.pass_seconds(least - 10).await;
            assert_eq!(world.internal.calls(), [], "{after:?}");
        }
        let seconds = seconds_until_bridged(&world, id).await;
        assert!(seconds <= 15, "{after:?}: {seconds} s");
        assert_eq!(log.lines("asks to slow down").len(), 1);
        assert_eq!(world.issues(), [""; 0]);
        assert_eq!(world.internal.tickets("UserRequest").len(), 1);
        world.one_more_pass_writes_nothing().await;
    }
}

async fn a_side_that_throttles_every_call_is_slowed_down_and_not_down(versions: Versions) {
    let log = Log::kept();
    let world = Setup::between(versions).start().await;
    let old = create(world.acme(), "old").await;
    world.settle().await;
    world.internal.fail_with(|_| Some(Fault::throttled(None)));
    world.acme().update(old, json!({"title": "newer"})).await.unwrap();
    let new = create(world.acme(), "new").await;
    world.pass_seconds(MINUTE).await;
    world.clear_calls();
    for _ in 0..45 {
        world.pass_seconds(MINUTE).await;
        let issues = world.issues();
        assert!(matches!(issues.as_slice(), [one] if one.starts_with("elitery asks for fewer calls")), "{issues:?}");
    }
    let calls = world.internal.calls().len();
    assert!(calls <= 100, "{calls} calls in 45 minutes");
    assert_eq!(log.lines("asks to slow down").len(), 1);
    assert_eq!(world.posted.take(), Vec::<serde_json::Value>::new(), "no alarm");
    assert!(world.queue().await.iter().all(|row| !row.parked));
    world.internal.heal();
    assert!(seconds_until_bridged(&world, new).await <= 2 * MINUTE);
    world.settle().await;
    assert_eq!(world.copy_of(old).await.field("title"), "[R-000001] newer");
    assert_eq!(world.issues(), [""; 0]);
    world.one_more_pass_writes_nothing().await;
}

/// A firewall that answers 429 to one word: the ticket that says it waits as long as it is asked to, and no other one.
async fn a_word_that_is_throttled_slows_down_nothing_else(versions: Versions) {
    let world = Setup::between(versions).start().await;
    world.internal.bar_word("throttled-word", Fault::throttled(Some("600")));
    let mut fields = ticket("throttled");
    fields["description"] = json!("<p>a throttled-word</p>");
    let throttled = world.acme().create_ticket("UserRequest", fields).await.unwrap();
    for title in ["one", "two", "three"] {
        let other = create(world.acme(), title).await;
        assert!(seconds_until_bridged(&world, other).await <= 3, "{title}");
    }
    assert_eq!(world.issues(), [""; 0]);
    let said = || world.internal.calls_containing("throttled-word").len();
    let before = said();
    world.pass_seconds(580).await;
    assert_eq!(said(), before, "it is not tried before it may be");
    // The second time it goes without the words, which follow when they may.
    world.pass_seconds(30).await;
    assert!(world.link_of("acme", throttled).await.is_some_and(|stored| stored.link.internal.is_some()));
    world.internal.heal();
    world.pass_seconds(2 * 3600).await;
    assert!(world.copy_of(throttled).await.field("description").contains("throttled-word"));
    assert_eq!(world.internal.tickets("UserRequest").len(), 4);
    world.one_more_pass_writes_nothing().await;
}
