//! Whether this process has watched a missing original for as long as its copy must stay.
//!
//! iTop deletes a ticket's files first, and may take minutes until it deletes the ticket. A plan waits that time by the
//! machine's clock. A clock set forward would end the wait early, and copies would vanish with a ticket that somebody
//! deleted. So a copy is deleted only if this process has seen its original missing since the wait began, and its clock
//! was not set forward meanwhile. Otherwise the wait begins again.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use itop_bridge_core::Side;
use itop_bridge_core::plan::{Note, Plan, Write};
use tokio::time::Instant;

use crate::pass::work::Work;
use crate::side::failure::Failure;

/// A clock correction up to this size does not count as setting the clock.
const SLACK_MS: i64 = 1_000;

/// Beyond this number all watches begin again, which costs one wait each.
const MOST_WATCHED: usize = 10_000;

pub struct Missing {
    began: Instant,
    watched: Mutex<HashMap<Original, i64>>,
}

/// A file: its link, its side and its id.
type Original = (i64, Side, u64);

impl Missing {
    pub fn new() -> Missing {
        Missing { began: Instant::now(), watched: Mutex::default() }
    }

    /// How far the clock is ahead of this process's running time: it grows when the clock is set forward.
    fn ahead_ms(&self, now_ms: i64) -> i64 {
        now_ms.saturating_sub(i64::try_from(self.began.elapsed().as_millis()).unwrap_or(i64::MAX))
    }

    fn watch(&self, original: Original, now_ms: i64) {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        if watched.len() >= MOST_WATCHED {
            watched.clear();
        }
        watched.insert(original, self.ahead_ms(now_ms));
    }

    fn is_watched(&self, original: Original, now_ms: i64) -> bool {
        let watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        watched.get(&original).is_some_and(|ahead_ms| self.ahead_ms(now_ms) <= ahead_ms.saturating_add(SLACK_MS))
    }
}

/// Starts a watch when a plan notes that an original is missing.
pub(crate) fn watch_what_is_missing(work: &Work<'_>, note: &Note) {
    if let (Some(link), Note::OriginalMissing { from, original, since_ms: Some(_) }) = (work.link_id, note) {
        work.shared.missing.watch((link, *from, *original), work.shared.now_ms());
    }
}

/// Whether this plan would delete copies whose originals this process has not watched since they went missing. If so,
/// their watches and their waits begin now.
pub(crate) async fn restart_missing_watches(work: &mut Work<'_>, plan: &Plan) -> Result<bool, Failure> {
    let (Some(link), now_ms) = (work.link_id, work.shared.now_ms()) else { return Ok(false) };
    let deleted = plan.writes.iter().filter_map(|step| match step.write {
        Write::DeleteCopy { from, original, .. } => Some((from, original)),
        _ => None,
    });
    let is_watched = |(from, original)| work.shared.missing.is_watched((link, from, original), now_ms);
    let unwatched: Vec<(Side, u64)> = deleted.filter(|file| !is_watched(*file)).collect();
    for (from, original) in &unwatched {
        let note = Note::OriginalMissing { from: *from, original: *original, since_ms: Some(now_ms) };
        watch_what_is_missing(work, &note);
        work.link.remember(&note);
    }
    if unwatched.is_empty() {
        return Ok(false);
    }
    work.save().await?;
    Ok(true)
}
