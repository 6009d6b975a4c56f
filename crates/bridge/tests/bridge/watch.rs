//! What an operator watches: the metrics, and the alerts, which tell each trouble once.

use itop_bridge_testkit::world::*;
use itop_sim::{Effect, Fault, Version};

any_version![
    a_side_that_is_down_is_told_once_and_once_more_when_it_is_back,
    a_parked_ticket_is_told_once_with_itops_own_words,
    a_halted_pair_is_told_once,
];

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;

async fn end(mut world: World) {
    world.one_more_pass_writes_nothing().await;
    world.stop().await;
}

/// The events posted since the last look, with their texts.
pub fn told(world: &World) -> Vec<(String, String)> {
    let word = |alert: &serde_json::Value, key: &str| alert[key].as_str().expect("a text").to_owned();
    let of = |post: serde_json::Value| {
        let alerts = post["alerts"].as_array().expect("a list").clone();
        alerts.iter().map(|alert| (word(alert, "event"), word(alert, "text"))).collect::<Vec<_>>()
    };
    world.posted.take().into_iter().flat_map(of).collect()
}

pub fn events(told: &[(String, String)]) -> Vec<&str> {
    told.iter().map(|(event, _)| event.as_str()).collect()
}

async fn a_side_that_is_down_is_told_once_and_once_more_when_it_is_back(versions: Versions) {
    let mut world = Setup::between(versions).start().await;
    world.internal.fail_with(|_| Some(Fault::Status(503, Effect::None)));
    world.acme().create_ticket("UserRequest", ticket("waits")).await.unwrap();
    world.pass_seconds(2 * MINUTE).await;
    let first = told(&world);
    assert_eq!(events(&first), ["side_down"], "{first:?}");
    assert!(first[0].1.starts_with("elitery is down: ") && first[0].1.contains("503"), "{first:?}");
    // Neither time nor a restart tells it again; nor does anybody hear that it is back while it is not.
    world.pass_seconds(3 * HOUR).await;
    world.crash().await;
    world.boot();
    world.pass_seconds(HOUR).await;
    assert_eq!(told(&world), []);
    world.internal.heal();
    world.pass_seconds(2 * MINUTE).await;
    assert_eq!(told(&world), [("over".to_owned(), "elitery is back.".to_owned())]);
    end(world).await;
}

async fn a_parked_ticket_is_told_once_with_itops_own_words(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let refused = || Fault::error("Unexpected value for attribute 'Impact' (impact) : Value not allowed [7]");
    world.internal.fail_with(move |call| call.is_write().then(refused));
    world.acme().create_ticket("UserRequest", ticket("bad")).await.unwrap();
    world.pass_seconds(50 * MINUTE).await;
    assert_eq!(told(&world), []);
    world.pass_seconds(2 * HOUR).await;
    let told = told(&world);
    assert_eq!(events(&told), ["parked"], "{told:?}");
    assert!(told[0].1.starts_with("acme:1 is parked: elitery: "), "{told:?}");
    assert!(told[0].1.contains("Value not allowed [7]") && told[0].1.contains("itop-bridge retry acme:1"), "{told:?}");
    world.internal.heal();
    world.pass_seconds(6 * HOUR).await;
    assert!(world.link(1).await.link.internal.is_some(), "it went on by itself");
    end(world).await;
}

async fn a_halted_pair_is_told_once(versions: Versions) {
    let world = Setup::between(versions).start().await;
    let id = world.acme().create_ticket("UserRequest", ticket("printer")).await.unwrap();
    world.settle().await;
    world.acme().delete_ticket(id).await.unwrap();
    world.pass_seconds(2 * HOUR).await;
    let told = told(&world);
    assert_eq!(events(&told), ["halted"], "{told:?}");
    assert!(told[0].1.starts_with("acme:R-000001 has halted: "), "{told:?}");
    assert!(told[0].1.contains("itop-bridge resume acme:R-000001"), "{told:?}");
    end(world).await;
}

#[tokio::test(start_paused = true)]
async fn a_post_that_fails_is_made_again() {
    let world = Setup::with_external(Version::V3_2).start().await;
    world.posted.fail(true);
    world.acme().fail_with(|_| Some(Fault::Status(503, Effect::None)));
    world.pass_seconds(20 * MINUTE).await;
    assert_eq!(told(&world), []);
    world.posted.fail(false);
    world.pass_seconds(MINUTE).await;
    assert_eq!(events(&told(&world)), ["side_down"]);
    world.acme().heal();
    world.pass_seconds(2 * MINUTE).await;
    assert_eq!(events(&told(&world)), ["over"]);
    end(world).await;
}

#[tokio::test(start_paused = true)]
async fn tickets_that_wait_while_none_gets_through_are_told_after_the_configured_time() {
    let defaults = DEFAULTS.replace("team = \"Helpdesk\"", "team = \"No such team\"");
    let setup = Setup { internal_defaults: defaults, ..Setup::with_external(Version::V3_2) };
    let world = setup.start().await;
    world.acme().create_ticket("UserRequest", ticket("waits")).await.unwrap();
    world.pass_seconds(50 * MINUTE).await;
    assert_eq!(told(&world), []);
    world.pass_seconds(5 * HOUR).await;
    let told = told(&world);
    assert_eq!(events(&told), ["silence"], "{told:?}");
    assert!(told[0].1.starts_with("Nothing of acme has got through for 60 min, and 1 ticket waits"), "{told:?}");
    assert_eq!(world.internal.writes(), 0);
    world.ends_without_one_more_pass("the ticket waits for a configuration that can be carried out");
}

/// Neither a try, nor a restart, nor a hint ends what was told, as long as the ticket is refused.
#[tokio::test(start_paused = true)]
async fn a_parked_ticket_that_is_tried_again_is_not_told_again() {
    let mut world = Setup::with_external(Version::V3_2).start().await;
    let refused = || Fault::error("Unexpected value for attribute 'Impact' (impact) : Value not allowed [7]");
    world.internal.fail_with(move |call| call.is_write().then(refused));
    let id = world.acme().create_ticket("UserRequest", ticket("bad")).await.unwrap();
    world.pass_seconds(2 * HOUR).await;
    assert_eq!(events(&told(&world)), ["parked"]);
    world.crash().await;
    world.boot();
    world.pass_seconds(3 * HOUR).await;
    for number in 0..30 {
        world.acme().update(id, json!({"title": format!("bad {number}")})).await.unwrap();
        world.pass_seconds(17).await;
    }
    world.pass_seconds(2 * HOUR).await;
    assert_eq!(told(&world), []);
    world.internal.heal();
    // By itself it is tried again only hours later.
    world.acme().update(id, json!({"title": "good"})).await.unwrap();
    end(world).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_suspended_is_told_once_and_is_no_silence() {
    let world = Setup::with_external(Version::V3_2).start().await;
    world.internal.deny("UserRequest");
    world.acme().create_ticket("UserRequest", ticket("waits")).await.unwrap();
    world.pass_seconds(5 * HOUR).await;
    let told = told(&world);
    assert_eq!(events(&told), ["suspended"], "{told:?}");
    world.internal.allow("UserRequest");
    end(world).await;
}

/// The first tick after a long pause finds tickets that waited all the while.
#[tokio::test(start_paused = true)]
async fn what_waited_for_a_pause_is_no_silence_afterwards() {
    let world = Setup::with_external(Version::V3_2).start().await;
    let acme = || itop_bridge_store::Instance::External("acme".to_owned());
    for number in 0..20 {
        let pause = |reason| world.store.call(move |store| store.set_stopped(&acme(), reason));
        pause(Some(&itop_bridge_store::Stop::Paused)).await.unwrap();
        world.acme().create_ticket("UserRequest", ticket("waits")).await.unwrap();
        world.pass_milliseconds(2 * HOUR * 1000 + number * 500).await;
        pause(None).await.unwrap();
        world.pass_seconds(60).await;
    }
    assert_eq!(told(&world), []);
    end(world).await;
}

#[tokio::test(start_paused = true)]
async fn what_an_operator_paused_is_no_alert() {
    let world = Setup::with_external(Version::V3_2).start().await;
    world
        .store
        .call(|store| {
            let instance = itop_bridge_store::Instance::External("acme".to_owned());
            store.set_stopped(&instance, Some(&itop_bridge_store::Stop::Paused))
        })
        .await
        .unwrap();
    world.acme().create_ticket("UserRequest", ticket("waits")).await.unwrap();
    world.pass_seconds(5 * HOUR).await;
    assert_eq!(told(&world), []);
    world.resume("acme", false).await.unwrap();
    end(world).await;
}

#[tokio::test(start_paused = true)]
async fn the_configured_silence_is_told_and_so_is_its_end() {
    let defaults = DEFAULTS.replace("team = \"Helpdesk\"", "team = \"Night shift\"");
    let setup = Setup { internal_defaults: defaults, ..Setup::with_external(Version::V3_2) };
    let world = Setup { alerts: "silence_minutes = 10".into(), ..setup }.start().await;
    world.acme().create_ticket("UserRequest", ticket("waits")).await.unwrap();
    world.pass_seconds(9 * MINUTE).await;
    assert_eq!(told(&world), []);
    world.pass_seconds(2 * MINUTE).await;
    let first = told(&world);
    assert_eq!(events(&first), ["silence"], "{first:?}");
    assert!(first[0].1.starts_with("Nothing of acme has got through for 10 min"), "{first:?}");
    world.internal.create_ticket("Team", json!({"name": "Night shift", "org_id": 2})).await.unwrap();
    world.pass_seconds(2 * MINUTE).await;
    assert_eq!(told(&world), [("over".to_owned(), "Tickets of acme get through again.".to_owned())]);
    end(world).await;
}

/// What the operator's alarms look at.
#[tokio::test(start_paused = true)]
async fn the_metrics_say_what_is_wrong_and_when_it_is_over() {
    const DOWN: &str = "itop_bridge_side_up{side=\"elitery\"}";
    const SUSPENDED: &str = "itop_bridge_suspensions";
    const PARKED: &str = "itop_bridge_parked_tickets{external=\"acme\"}";
    let world = Setup::with_external(Version::V3_2).start().await;
    for (name, well) in [(DOWN, 1.0), (SUSPENDED, 0.0), (PARKED, 0.0)] {
        assert_eq!(world.metric(name).await, well, "{name}");
    }
    world.internal.fail_with(|_| Some(Fault::Status(503, Effect::None)));
    world.acme().create_ticket("Incident", ticket("waits")).await.unwrap();
    world.pass_seconds(2 * MINUTE).await;
    assert_eq!(world.metric(DOWN).await, 0.0);
    world.internal.heal();
    world.settle().await;
    assert_eq!(world.metric(DOWN).await, 1.0);

    world.internal.deny("Incident");
    world.acme().update(1, json!({"title": "may not be written"})).await.unwrap();
    world.pass_seconds(2 * MINUTE).await;
    assert_eq!(world.metric(SUSPENDED).await, 1.0);
    world.internal.allow("Incident");
    world.settle().await;
    assert_eq!(world.metric(SUSPENDED).await, 0.0);

    let refused = || Fault::error("Unexpected value for attribute 'Impact' (impact) : Value not allowed [7]");
    world.internal.fail_with(move |call| call.is_write().then(refused));
    world.acme().update(1, json!({"title": "refused"})).await.unwrap();
    world.pass_seconds(2 * HOUR).await;
    assert_eq!((world.metric(PARKED).await, world.metric(SUSPENDED).await), (1.0, 0.0));
    world.internal.heal();
    world.pass_seconds(2 * HOUR).await;
    assert_eq!(world.metric(PARKED).await, 0.0);
    end(world).await;
}

#[tokio::test(start_paused = true)]
async fn the_metrics_say_what_came_what_was_written_and_what_waits() {
    let world = Setup::two_externals().start().await;
    let id = world.acme().create_ticket("UserRequest", ticket("printer")).await.unwrap();
    world.acme().attach(id, "a.txt", "text/plain", b"a").await.unwrap();
    world.settle().await;
    world.internal.fail_with(|call| call.is_write().then(|| Fault::error("An exception was thrown")));
    world.beta().create_ticket("UserRequest", ticket("waits")).await.unwrap();
    world.pass_seconds(90).await;
    let shown = world.engine().show_metrics().await;
    let value = |line: &str| -> f64 {
        let found = shown.lines().find_map(|shown| shown.strip_prefix(line)?.strip_prefix(' '));
        found.unwrap_or_else(|| panic!("{line} is missing in\n{shown}")).parse().unwrap()
    };
    assert_eq!(value("itop_bridge_hooks_total{side=\"acme\",kind=\"create-ticket\",answer=\"accepted\"}"), 1.0);
    assert!(value("itop_bridge_passes_total{external=\"acme\",result=\"ok\"}") >= 1.0);
    assert!(value("itop_bridge_passes_total{external=\"beta\",result=\"failed\"}") >= 1.0);
    assert_eq!(value("itop_bridge_writes_total{side=\"elitery\",kind=\"ticket_create\",result=\"ok\"}"), 1.0);
    assert!(value("itop_bridge_writes_total{side=\"elitery\",kind=\"attachment_create\",result=\"ok\"}") >= 1.0);
    assert!(value("itop_bridge_calls_total{side=\"acme\",operation=\"core/get\",result=\"ok\"}") >= 1.0);
    let in_time = "itop_bridge_call_duration_seconds_bucket{side=\"acme\",operation=\"core/get\",le=\"0.1\"}";
    assert!(value(in_time) >= 1.0, "the simulator answers in 80 ms");
    assert_eq!(value("itop_bridge_queue_tickets{external=\"acme\"}"), 0.0);
    assert_eq!(value("itop_bridge_queue_tickets{external=\"beta\"}"), 1.0);
    let oldest = value("itop_bridge_queue_oldest_seconds{external=\"beta\"}");
    assert!((89.0..95.0).contains(&oldest), "{oldest}");
    assert_eq!(value("itop_bridge_links{external=\"acme\",state=\"live\"}"), 1.0);
    assert_eq!(value("itop_bridge_uncarried_tickets{external=\"beta\",class=\"UserRequest\"}"), 1.0);
    assert_eq!(value("itop_bridge_uncarried_tickets{external=\"beta\",class=\"Incident\"}"), 0.0);
    assert_eq!(value("itop_bridge_uncarried_tickets{external=\"acme\",class=\"UserRequest\"}"), 0.0);
    assert_eq!(value("itop_bridge_side_up{side=\"elitery\"}"), 1.0);
    let last_hook = value("itop_bridge_last_hook_timestamp_seconds{side=\"beta\"}");
    let age = world.now_ms() as f64 / 1000.0 - last_hook;
    assert!((89.0..95.0).contains(&age), "{age}");
    for secret in ["Bridge.1234", "sk_external", "sk_internal"] {
        assert!(!shown.contains(secret), "{secret}");
    }
    // Which kinds of webhooks came outlives a restart, for `check`.
    let hooks = world.store.call(|store| store.hooks()).await.unwrap();
    assert!(hooks.iter().any(|hooks| hooks.side == "beta" && hooks.kind == "create-ticket" && hooks.count == 1));
    world.internal.heal();
    world.settle().await;
    let shown = world.engine().show_metrics().await;
    assert!(shown.contains("itop_bridge_uncarried_tickets{external=\"beta\",class=\"UserRequest\"} 0\n"), "{shown}");
    end(world).await;
}
