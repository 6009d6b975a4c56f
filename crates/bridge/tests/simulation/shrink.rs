//! A shorter history that still fails: events are left out, many at once and then one by one.

use crate::history::History;

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
