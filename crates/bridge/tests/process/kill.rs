//! The built binary under `kill -9`: it is started and killed at random moments, hundreds of times, while people
//! work on both sides. Then it is left to run until all is quiet, and the laws of the simulation must hold:
//! nothing lost, nothing doubled, both sides agree, and one more pass writes nothing.
//!
//! `cargo test -p itop-bridge --test process kill`; `KILL_ROUNDS` says how many, `KILL_SEED` chooses the moments and
//! what people do. A seed repeats those, not what the machine makes of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use itop_bridge_store::{About, DirtyMark, Look, SqliteStore, Store as _, TicketOf};
use itop_bridge_testkit::history::{Draw, Place, Scene};
use itop_bridge_testkit::people::{self, Deed, Ground, Memory};
use itop_bridge_testkit::site::{Bridge, EXTERNAL_KEY, Site};
use itop_bridge_testkit::{laws, world};
use itop_sim::Version;

const ROUNDS: u64 = 300;
const SEED: u64 = 20_261_127;

/// After this all must be quiet: a changed file is looked at once more half a minute later.
const QUIET_WITHIN: Duration = Duration::from_secs(150);

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} is a number: {text:?}")))
}

fn draw(seed: u64) -> Draw {
    Draw::new(Draw::new(seed).number())
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_hundreds_of_times_it_loses_nothing_and_doubles_nothing() {
    let (seed, rounds) = (number("KILL_SEED", SEED), number("KILL_ROUNDS", ROUNDS));
    println!("again: KILL_SEED={seed} KILL_ROUNDS={rounds} cargo test -p itop-bridge --test kill -- --nocapture");
    let site = Arc::new(quick_site("kill-rounds").await);
    // What was there before its first start is none of the bridge's business.
    assert!(site.serves(spawn).await.terminate().await.success());
    let over = Arc::new(AtomicBool::new(false));
    let people = tokio::spawn(work(site.clone(), draw(seed), over.clone()));
    let moments = draw(seed + 1);
    for round in 0..rounds {
        let mut bridge = spawn(&site);
        live(&site, &moments).await;
        let ended = bridge.child.try_wait().unwrap();
        assert!(ended.is_none(), "round {round}: it ended by itself, {ended:?}: {}", site.log());
        bridge.kill();
    }
    over.store(true, Ordering::SeqCst);
    let memory = people.await.expect("people do what they can");

    let _bridge = site.serves(spawn).await;
    people::download_what_no_hook_told(&*site, &memory).await;
    all_is_quiet(&site).await;
    println!(
        "{} tickets outside, {} files inside",
        site.acme.tickets("Ticket").len(),
        site.elitery.all_attachments().len()
    );
    let scene = Scene {
        external: Version::V3_1,
        internal: Version::V3_2,
        has_beta: false,
        applies: false,
        begins_after_summers_end: None,
        clock_jumps: false,
        troubles: 0,
        restored: None,
        emptied: None,
    };
    let breaches = laws::breaches(&*site, &memory, &scene).await;
    assert!(breaches.is_empty(), "seed {seed}: {breaches:#?}");
    one_more_pass_writes_nothing(&site).await;
}

/// What a webhook was answered 202 for stands in the store, whenever the process dies.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_was_accepted_is_in_the_store_after_each_of_many_kills() {
    let site = Arc::new(quick_site("kill-accepted").await);
    // The queue keeps what comes: no iTop answers.
    site.acme.down(true);
    site.elitery.down(true);
    let moments = draw(number("KILL_SEED", SEED));
    let mut total = 0;
    for round in 0..40u64 {
        let mut bridge = spawn(&site);
        while site.get("/healthz").await.is_none() {
            assert!(bridge.child.try_wait().unwrap().is_none(), "round {round}: {}", site.log());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let senders: Vec<_> = (0..16)
            .map(|sender| tokio::spawn(send_hooks(site.clone(), 1 + round * 1_000_000 + sender * 10_000)))
            .collect();
        tokio::time::sleep(Duration::from_millis(5 + moments.below(80))).await;
        bridge.kill();
        let mut store = SqliteStore::open(site.store()).unwrap();
        for sender in senders {
            for ticket in sender.await.unwrap() {
                total += 1;
                let row = store.queue_row(&TicketOf { external: "acme".into(), ticket }, 0).unwrap();
                assert!(row.is_some(), "round {round}: ticket {ticket} was accepted, and the store does not know it");
            }
        }
    }
    println!("{total} hooks were accepted");
    assert!(total > 200, "{total}: too few to show anything");
}

/// Two iTops and a bridge whose waits are short.
async fn quick_site(name: &str) -> Site {
    let site = Site::new(crate::PROGRAM, name).await;
    let defaults = world::DEFAULTS;
    site.configure(&format!(
        "user = \"bridge\"\npassword = \"Bridge.1234\"\nonly = \"all\"\nsettle_seconds = 2\ndefaults = {{ {defaults} }}"
    ));
    site.rewrite("settle_seconds = 4", "settle_seconds = 2");
    site.rewrite(
        "defaults = { org = \"Demo\", caller = 6, team = \"Helpdesk\", agent = 9, service = \"Software\" }",
        &format!("defaults = {{ {defaults} }}"),
    );
    site.rewrite("sweep_seconds = 5", "sweep_seconds = 2\naudit_seconds = 5");
    std::fs::create_dir(site.folder.join("no-certificates")).unwrap();
    for sim in [&site.acme, &site.elitery] {
        sim.allow("NormalChange");
        // What a process was sending when it died is carried out after its death.
        sim.set_latency(Duration::from_millis(15));
    }
    site.connect_hooks();
    site
}

/// The process without the certificates of all the world, whose reading takes most of a start. Their folder is
/// one of its own: to read it is to open and close each file in it, which lets go of SQLite's locks on a store.
fn spawn(site: &Site) -> Bridge {
    let mut command = site.command(&["serve"]);
    command.env("SSL_CERT_DIR", site.folder.join("no-certificates"));
    site.spawn_as(command)
}

/// How long a process lives: some die while they start, most at their work, some after it.
async fn live(site: &Site, moments: &Draw) {
    let ms = match moments.below(10) {
        0 => return tokio::time::sleep(Duration::from_millis(moments.below(100))).await,
        1 => 150 + moments.below(450),
        _ => moments.below(120),
    };
    let patience = tokio::time::Instant::now() + Duration::from_secs(10);
    while site.get("/healthz").await.is_none() && tokio::time::Instant::now() < patience {
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    tokio::time::sleep(Duration::from_millis(ms)).await;
}

/// People on both sides, until it is over. What they save while no bridge listens, no hook tells.
async fn work(site: Arc<Site>, draw: Draw, over: Arc<AtomicBool>) -> Memory {
    let mut memory = Memory::default();
    people::act(&*site, &mut memory, Place::Acme, Deed::Create("UserRequest"), 0).await;
    while !over.load(Ordering::SeqCst) {
        tokio::time::sleep(Duration::from_millis(draw.below(160))).await;
        let at = if draw.below(10) < 6 { Place::Acme } else { Place::Elitery };
        // What is deleted holds its pass for minutes: the simulation does that.
        let deed = match Deed::of(&draw) {
            Deed::DeleteFile | Deed::DeleteCopy | Deed::DeleteTicket | Deed::LoseEntry | Deed::SayOnParent => Deed::Say,
            deed => deed,
        };
        people::act(&*site, &mut memory, at, deed, draw.number()).await;
    }
    memory
}

/// Sends hooks of ticket after ticket until nobody answers; the tickets of those that were accepted.
async fn send_hooks(site: Arc<Site>, first: u64) -> Vec<u64> {
    let mut accepted = Vec::new();
    for ticket in first.. {
        let body = format!(r#"{{"class":"UserRequest","id":"{ticket}"}}"#);
        let request = format!(
            "POST /api/v1/create-ticket HTTP/1.1\r\nhost: bridge\r\nconnection: close\r\nx-api-key: {EXTERNAL_KEY}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        match site.send(&request).await {
            Some(answer) if answer.starts_with("HTTP/1.1 202 ") => accepted.push(ticket),
            Some(answer) if !answer.is_empty() => assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}"),
            _ => break,
        }
    }
    accepted
}

/// Waits until two sweeps and an audit went by and nothing waits in the queue.
async fn all_is_quiet(site: &Site) {
    tokio::time::sleep(Duration::from_secs(6)).await;
    let waits = || SqliteStore::open_to_read(site.store()).unwrap().queue(None, 200, 0).unwrap();
    let end = tokio::time::Instant::now() + QUIET_WITHIN;
    let mut quiet = 0;
    while quiet < 3 {
        assert!(tokio::time::Instant::now() < end, "never quiet: {:#?}\n{}", waits(), site.log());
        quiet = if waits().is_empty() { quiet + 1 } else { 0 };
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Every pair and the list of its files is looked at once more, on both sides.
async fn one_more_pass_writes_nothing(site: &Site) {
    site.acme.clear_calls();
    site.elitery.clear_calls();
    let mut store = SqliteStore::open(site.store()).unwrap();
    for stored in site.links().await {
        let of = TicketOf { external: stored.external_name.clone(), ticket: stored.link.external.id };
        let about = About::External { of, class: Some(stored.link.external.class.clone()) };
        store.mark_dirty(&[DirtyMark { about, look: Look::everything(), due_ms: 0 }], 0).unwrap();
    }
    all_is_quiet(site).await;
    assert!(site.acme.calls().len() > 2 && site.elitery.calls().len() > 2, "it looked");
    assert_eq!((site.acme.writes(), site.elitery.writes()), (0, 0), "one more pass wrote");
}
