//! A shorter history that still fails: events are left out, many at once and then one by one.

use itop_bridge_testkit::history::History;

/// At most so many runs, so that a failure is told soon.
const MOST_RUNS: usize = 200;

pub fn shrink(history: &History, fails: impl Fn(&History) -> bool) -> History {
    let mut shortest = history.clone();
    let mut runs = 0;
    let mut chunk = shortest.events.len().div_ceil(2);
    while chunk > 0 {
        let mut at = 0;
        let mut is_shorter = false;
        while at < shortest.events.len() && runs < MOST_RUNS {
            let mut without = shortest.clone();
            without.events.drain(at..(at + chunk).min(without.events.len()));
            runs += 1;
            if fails(&without) {
                (shortest, is_shorter) = (without, true);
            } else {
                at += chunk;
            }
        }
        if chunk > 1 || !is_shorter || runs >= MOST_RUNS {
            chunk /= 2;
        }
    }
    shortest
}

#[test]
fn what_has_no_part_in_a_failure_is_left_out() {
    use itop_bridge_testkit::faults::Trouble;
    use itop_bridge_testkit::history::What;
    let crashes = |history: &History| {
        let is_crash =
            |event: &&itop_bridge_testkit::history::Event| matches!(event.what, What::Trouble(Trouble::Crash));
        history.events.iter().filter(is_crash).count()
    };
    let mut shrunk = 0;
    for history in (0..100).map(History::of).filter(|history| crashes(history) >= 2) {
        let shortest = shrink(&history, |history| crashes(history) >= 2);
        assert_eq!((shortest.events.len(), crashes(&shortest)), (2, 2), "seed {}", history.seed);
        shrunk += 1;
    }
    assert!(shrunk > 3, "{shrunk} histories crash twice");
}
