//! SIGTERM and Ctrl-C while there is work: what was begun ends, what was accepted stays.

use std::time::Duration;

use itop_bridge_testkit::site::{EXTERNAL_KEY, Site};
use itop_sim::{Effect, Fault};
use tokio::time::Instant;

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_under_load_ends_cleanly_and_the_next_start_goes_on() {
    let site = Site::new(crate::PROGRAM, "sigterm").await;
    site.elitery.set_latency(Duration::from_millis(100));
    let bridge = site.serve().await;
    for n in 0..10 {
        site.ticket("UserRequest", &format!("load {n}")).await;
    }
    let status = bridge.terminate().await;
    assert!(status.success(), "{status}: {}", site.log());
    assert!(site.log().contains("\"message\":\"stopped\""), "{}", site.log());
    let _bridge = site.serve().await;
    site.every_ticket_has_one_copy().await;
    site.goes_on_without_writing().await;
}

/// Hooks without end from many sides at once: each that was sent whole is answered, or was never taken.
#[tokio::test(flavor = "multi_thread")]
async fn hooks_in_flight_at_sigterm_are_answered_and_what_was_accepted_is_carried() {
    let site = std::sync::Arc::new(Site::new(crate::PROGRAM, "in-flight").await);
    site.elitery.set_latency(Duration::from_millis(50));
    let bridge = site.serve().await;
    site.acme.drop_hooks(true);
    for n in 0..60 {
        site.ticket("UserRequest", &format!("flight {n}")).await;
    }
    let senders: Vec<_> = (0..6u64).map(|first| tokio::spawn(hooks(site.clone(), first, 6))).collect();
    tokio::time::sleep(Duration::from_millis(150)).await;
    let status = bridge.terminate().await;
    assert!(status.success(), "{status}: {}", site.log());
    let mut accepted = Vec::new();
    for sender in senders {
        accepted.extend(sender.await.unwrap());
    }
    assert!(!accepted.is_empty(), "some came before the signal");

    // Nothing but the store tells the next process of them: what the start's sweep finds is away.
    let waits = waiting(&site);
    let carried = |id: u64| {
        let copies = site.elitery.tickets("Ticket");
        copies.iter().any(|copy| copy.field("title").starts_with(&format!("[R-{id:06}]")))
    };
    for id in accepted {
        assert!(waits.contains(&id) || carried(id), "ticket {id} was accepted, and is neither carried nor waits");
    }
    let _bridge = site.serve().await;
    site.every_ticket_has_one_copy().await;
    site.goes_on_without_writing().await;
}

/// Sends update hooks of every `step`th ticket until nobody answers; the tickets of those that were accepted.
/// An answer is whole, or there is none.
async fn hooks(site: std::sync::Arc<Site>, first: u64, step: usize) -> Vec<u64> {
    let mut accepted = Vec::new();
    for id in (1..=60).skip(usize::try_from(first).expect("small")).step_by(step).cycle() {
        let body = format!(r#"{{"class":"UserRequest","id":"{id}"}}"#);
        let request = format!(
            "POST /api/v1/update-ticket HTTP/1.1\r\nhost: bridge\r\nconnection: close\r\nx-api-key: {EXTERNAL_KEY}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        match site.send(&request).await {
            None => break,
            Some(answer) if answer.is_empty() => break,
            Some(answer) => {
                let whole = answer.starts_with("HTTP/1.1 202 ") && answer.ends_with('}');
                assert!(whole, "half an answer: {answer:?}");
                accepted.push(id);
            }
        }
    }
    accepted
}

/// The tickets that the store knows to be dirty or linked.
fn waiting(site: &Site) -> Vec<u64> {
    use itop_bridge_store::{SqliteStore, Store as _};
    let mut store = SqliteStore::open_to_read(site.store()).unwrap();
    let rows = store.queue(None, 200, 0).unwrap();
    rows.into_iter().map(|row| row.of.ticket).collect()
}

/// An iTop that never answers holds no stop up for longer than is said.
#[tokio::test(flavor = "multi_thread")]
async fn a_silent_itop_holds_a_stop_up_for_ten_seconds_and_no_longer() {
    let site = Site::new(crate::PROGRAM, "silent-stop").await;
    site.rewrite("timeout_seconds = 2\nsettle_seconds = 4", "timeout_seconds = 60\nsettle_seconds = 4");
    let bridge = site.serve().await;
    site.elitery.fail_when(1, Fault::Hang(Effect::Committed), |call| call.is_write());
    site.ticket("UserRequest", "held").await;
    site.until("the create is on its way", |site| site.elitery.writes() > 0).await;
    let began = Instant::now();
    let status = bridge.terminate().await;
    let took = began.elapsed();
    assert!(status.success(), "{status}: {}", site.log());
    assert!((Duration::from_secs(8)..Duration::from_secs(18)).contains(&took), "{took:?}");
    assert!(site.log().contains("taken up again at the next start"), "{}", site.log());
    // The create was carried out and never answered: its end is found by its mark.
    let _bridge = site.serve().await;
    site.every_ticket_has_one_copy().await;
    site.goes_on_without_writing().await;
    site.every_ticket_has_one_copy().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_stops_at_once_and_nothing_is_lost() {
    let site = Site::new(crate::PROGRAM, "second-signal").await;
    site.rewrite("timeout_seconds = 2\nsettle_seconds = 4", "timeout_seconds = 60\nsettle_seconds = 4");
    for second in ["TERM", "INT"] {
        let mut bridge = site.serve().await;
        let written = site.elitery.writes();
        site.elitery.fail_when(1, Fault::Hang(Effect::Committed), |call| call.is_write());
        site.ticket("UserRequest", second).await;
        site.until("the create is on its way", |site| site.elitery.writes() > written).await;
        bridge.signal("TERM");
        site.until("it says that it stops", |site| site.log().contains("a second signal stops at once")).await;
        assert!(bridge.child.try_wait().unwrap().is_none(), "it ends what is in hand");
        let began = Instant::now();
        bridge.signal(second);
        assert_eq!(bridge.ended().await.code(), Some(1), "{}", site.log());
        assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
        std::fs::remove_file(site.folder.join("log")).unwrap();
    }
    let _bridge = site.serve().await;
    site.every_ticket_has_one_copy().await;
    site.goes_on_without_writing().await;
    site.every_ticket_has_one_copy().await;
}
