//! Far more webhooks at once than the bridge answers in a second: it takes what it can, its memory stays bounded,
//! and whatever it took is done.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::site::*;

const KEY: &str = "sk_flood_0123456789abcdef";
const TICKETS: u64 = 150;
const CLIENTS: u64 = 300;
/// At least; more where the bridge is fast.
const HOOKS_OF_EACH: u64 = 100;
/// So many times what it accepts in a second is offered before it accepts any.
const TIMES: u64 = 10;

/// The most that the process may hold at its peak, as a multiple of what it held before.
const MOST_MEMORY: u64 = 3;

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_webhooks_is_bounded_and_nothing_that_was_accepted_is_lost() {
    let site = Site::new("flood").await;
    // No sweep comes to the rescue of a hint that was lost.
    let login = "user = \"bridge\"\npassword = \"Bridge.1234\"\n";
    site.configure(
        &format!("{login}api_keys = [\"sk_internal_0123456789\"]"),
        &format!("{login}api_keys = [\"{KEY}\"]"),
        "[sync]\nsweep_seconds = 86400\naudit_seconds = 86400",
    );
    let bridge = site.serve().await;
    site.acme.drop_hooks(true);
    for n in 0..TICKETS {
        site.ticket(&format!("flood {n}"), "<p>d</p>").await;
    }
    let alone = one_after_the_other(&site).await;
    let before_kb = memory_kb(bridge.child.id(), "VmRSS");

    let hooks_of_each = HOOKS_OF_EACH.max((TIMES * alone).div_ceil(CLIENTS));
    let offered = CLIENTS * hooks_of_each;
    let start = tokio::time::Instant::now();
    // Somebody else writes into the store: all are there before the first can be accepted.
    let writer = rusqlite::Connection::open(site.folder.join("bridge.db")).unwrap();
    writer.execute_batch("BEGIN IMMEDIATE").unwrap();
    let flood = Arc::new(Flood::default());
    let pours = (0..CLIENTS).map(|client| tokio::spawn(pour(site.port, client, hooks_of_each, flood.clone())));
    let clients: Vec<_> = pours.collect();
    while flood.written.load(Ordering::Relaxed) < offered {
        assert!(start.elapsed() < Duration::from_secs(60), "{} were written", flood.written.load(Ordering::Relaxed));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(flood.accepted.load(Ordering::Relaxed), 0, "of {offered}, of which it accepts {alone} a second");
    writer.execute_batch("ROLLBACK").unwrap();
    let mut accepted = BTreeSet::new();
    let (mut taken, mut refused) = (0, 0);
    for client in clients {
        for (ticket, status) in client.await.unwrap() {
            match status {
                202 => {
                    taken += 1;
                    accepted.insert(ticket);
                }
                429 | 503 => refused += 1,
                other => panic!("HTTP {other}"),
            }
        }
    }
    let (seconds, peak_kb) = (start.elapsed().as_secs_f64(), memory_kb(bridge.child.id(), "VmHWM"));
    println!(
        "{offered} hooks at once; alone {alone} a second; {taken} taken and {refused} refused in {seconds:.1} s; \
         {before_kb} KiB before, {peak_kb} at the peak"
    );
    assert_eq!(taken + refused, offered, "each was answered");
    assert!(taken > 0 && peak_kb < MOST_MEMORY * before_kb, "{before_kb} KiB before, {peak_kb} at the peak");

    let expected: Vec<String> = (1..=TICKETS)
        .filter(|ticket| accepted.contains(ticket))
        .map(|ticket| format!("[R-{ticket:06}] flood {}", ticket - 1))
        .collect();
    let all_there = |site: &Site| {
        let copies: BTreeSet<String> = site.copies().iter().map(|copy| copy.field("title").to_owned()).collect();
        expected.iter().all(|title| copies.contains(title))
    };
    site.until("every ticket of which a hint was accepted has a copy", all_there).await;
    assert!(site.copies().len() <= TICKETS as usize, "a ticket was doubled");
    site.one_more_pass_writes_nothing().await;
    assert!(bridge.terminate().await.success());
}

/// How many hooks a second one client gets answered that waits for each answer.
async fn one_after_the_other(site: &Site) -> u64 {
    let start = tokio::time::Instant::now();
    let head = format!("x-api-key: {KEY}\r\n");
    for n in 0..100 {
        let body = format!(r#"{{"class":"UserRequest","id":"{}"}}"#, 900_000 + n);
        let answer = site.post("/api/v1/update-ticket", &head, &body).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    }
    (100.0 / start.elapsed().as_secs_f64()).ceil() as u64
}

/// How many hooks have left for the bridge, and how many it has accepted.
#[derive(Default)]
struct Flood {
    written: AtomicU64,
    accepted: AtomicU64,
}

/// All hooks of one client, sent without waiting for an answer: every other one of a ticket that is there, the
/// rest of ids that nobody has. Answers the status of each.
async fn pour(port: u16, client: u64, hooks: u64, flood: Arc<Flood>) -> Vec<(u64, u16)> {
    let ids: Vec<u64> = (0..hooks)
        .map(|n| match n % 2 {
            0 => 1 + (client * hooks + n) / 2 % TICKETS,
            _ => 1_000_000 + client % 30 * hooks + n,
        })
        .collect();
    let mut all = String::new();
    for id in &ids {
        let body = format!(r#"{{"class":"UserRequest","id":"{id}"}}"#);
        all += &format!(
            "POST /api/v1/update-ticket HTTP/1.1\r\nhost: bridge\r\nx-api-key: {KEY}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
    }
    let stream = TcpStream::connect(("127.0.0.1", port)).await.expect("a connection");
    let (mut read, mut write) = stream.into_split();
    let counted = flood.clone();
    let writer = tokio::spawn(async move {
        let written = write.write_all(all.as_bytes()).await;
        counted.written.fetch_add(hooks, Ordering::Relaxed);
        written.map(|()| write)
    });
    let mut answers = Vec::new();
    let mut buffer = [0; 8192];
    loop {
        let text = String::from_utf8_lossy(&answers);
        let statuses: Vec<u16> =
            text.split("HTTP/1.1 ").skip(1).filter_map(|answer| answer.get(..3)?.parse().ok()).collect();
        if statuses.len() == ids.len() && text.ends_with('}') {
            drop(writer.await);
            return ids.into_iter().zip(statuses).collect();
        }
        let wait = tokio::time::timeout(Duration::from_secs(60), read.read(&mut buffer)).await;
        let count = wait.expect("answers come").expect("the connection stands");
        assert!(count > 0, "the bridge closed after {} of {} answers", statuses.len(), ids.len());
        let accepted = statuses.iter().filter(|status| **status == 202).count();
        answers.extend_from_slice(&buffer[..count]);
        let now = String::from_utf8_lossy(&answers).matches("HTTP/1.1 202").count();
        flood.accepted.fetch_add((now - accepted) as u64, Ordering::Relaxed);
    }
}

/// A line of the process's own account: `VmRSS` now, `VmHWM` at its peak.
fn memory_kb(process: u32, what: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("the process lives");
    let line = status.lines().find(|line| line.starts_with(what)).expect("the system tells it");
    line.split_whitespace().nth(1).and_then(|kb| kb.parse().ok()).expect("a number")
}
