//! The whole bridge under every fault, by seeds: people work on both sides at the same moment, calls and
//! hooks break, the process dies, clocks jump. Then all is well again, the queue empties, and the laws of
//! the design must hold.
//!
//! `cargo test --release -p itop-bridge --test simulation`; `SEEDS` says how many, `SEED_START` the first.
//! A seed that fails is told with the line that runs it again and with a shorter history that fails too;
//! `MOST_FAILURES` ends the run after so many, and `SHRINK=no` tells them as they were drawn.

mod faults;
mod history;
mod laws;
mod people;
mod run;
mod shrink;
#[path = "../bridge/world.rs"]
#[allow(dead_code, unused_imports, unused_macros, reason = "the stories of tests/bridge use all of it")]
mod world;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use history::History;
use run::{Outcome, collect_panics, run};
use shrink::shrink;

/// A tenth of a second each; a build that is not optimised takes ten times as long.
const SEEDS: u64 = if cfg!(debug_assertions) { 20 } else { 2_000 };

/// So many failures are enough to look at.
const MOST_FAILURES: u64 = 5;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} is a number: {text:?}")))
}

#[test]
fn the_laws_hold_whatever_breaks() {
    collect_panics();
    let (first, count) = (number("SEED_START", 0), number("SEEDS", SEEDS));
    let most_failures = number("MOST_FAILURES", MOST_FAILURES);
    let next = AtomicU64::new(first);
    let failed = Mutex::new(Vec::new());
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::SeqCst);
            let failed_yet = || failed.lock().unwrap_or_else(PoisonError::into_inner).len() as u64;
            if seed >= first + count || failed_yet() >= most_failures {
                return;
            }
            let history = History::of(seed);
            if !run(&history).breaches.is_empty() {
                let told = tell(&history);
                println!("{told}");
                failed.lock().unwrap_or_else(PoisonError::into_inner).push(seed);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    let failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    assert!(failed.is_empty(), "these seeds break a law: {failed:?}");
}

#[test]
fn a_seed_gives_the_same_run_twice() {
    collect_panics();
    for seed in (0..100).step_by(10) {
        let (once, twice) = (run(&History::of(seed)), run(&History::of(seed)));
        let differs = once.trace.iter().zip(&twice.trace).find(|(one, other)| one != other);
        assert!(differs.is_none(), "seed {seed}: {differs:#?}");
        assert_eq!(once.trace.len(), twice.trace.len(), "seed {seed}");
        assert!(once.trace.len() > 50, "seed {seed}: a trace of the whole run");
    }
}

/// What a person needs to look for the mistake.
fn tell(history: &History) -> String {
    let is_shrunk = std::env::var("SHRINK").as_deref() != Ok("no");
    let shortest =
        if is_shrunk { shrink(history, |history| !run(history).breaches.is_empty()) } else { history.clone() };
    let Outcome { breaches, trace } = run(&shortest);
    let mut told = format!(
        "seed {seed} breaks a law. Again: SEED_START={seed} SEEDS=1 cargo test --release -p itop-bridge --test \
         simulation -- --nocapture\n{:?}\n",
        shortest.scene,
        seed = history.seed
    );
    for event in &shortest.events {
        told.push_str(&format!("  {:>8} ms  {:?}\n", event.at_ms, event.what));
    }
    for breach in &breaches {
        told.push_str(&format!("  BROKEN: {}\n", breach.chars().take(2_000).collect::<String>()));
    }
    let file = std::env::temp_dir().join(format!("itop-bridge-seed-{}.trace", history.seed));
    if std::fs::write(&file, trace.join("\n")).is_ok() {
        told.push_str(&format!("  every call and hook of it: {}\n", file.display()));
    }
    told
}
