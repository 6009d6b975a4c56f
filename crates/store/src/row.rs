//! The rules of a queue row, apart from any database: how a hint, a claim and the end of a pass change it. A backend
//! loads a row, applies one of these, and stores it, in one transaction.

use super::{Lease, Look, Next, TicketOf};

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    pub of: TicketOf,
    pub class: Option<String>,
    /// Counts the hints.
    pub generation: i64,
    /// The scope of the next pass; while a worker has the row, of its pass.
    pub hint: Hint,
    /// Hints since the row was taken. Kept apart, so that the end of the pass clears what it has read and nothing
    /// else.
    pub fresh: Option<Hint>,
    pub held: Option<Held>,
    pub attempts: u32,
    pub failing_since_ms: Option<i64>,
    pub error: Option<String>,
    pub parked: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Hint {
    pub look: Look,
    pub due_ms: i64,
    pub since_ms: i64,
}

/// The worker that has the row. It stays after its lease ran out, until another takes the row: it may still renew the
/// lease.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Held {
    pub token: i64,
    pub until_ms: i64,
    pub taken_ms: i64,
}

impl Hint {
    fn merge(&mut self, other: &Hint) {
        self.look.merge(&other.look);
        self.due_ms = self.due_ms.min(other.due_ms);
        self.since_ms = self.since_ms.min(other.since_ms);
    }
}

impl Row {
    pub fn new(of: TicketOf, class: Option<String>, hint: Hint) -> Row {
        Row {
            of,
            class,
            generation: 1,
            hint,
            fresh: None,
            held: None,
            attempts: 0,
            failing_since_ms: None,
            error: None,
            parked: false,
        }
    }

    pub fn is_held_by(&self, lease: &Lease) -> bool {
        self.held.is_some_and(|held| held.token == lease.token)
    }

    pub fn is_leased(&self, now_ms: i64) -> bool {
        self.held.is_some_and(|held| held.until_ms > now_ms)
    }

    /// Adds a hint. A worker that has the row does not see it in this pass.
    pub fn mark(&mut self, class: Option<String>, hint: &Hint) {
        self.generation += 1;
        self.class = class.or(self.class.take());
        self.parked = false;
        match (&mut self.fresh, self.held) {
            (Some(fresh), _) => fresh.merge(hint),
            (none, Some(_)) => *none = Some(hint.clone()),
            (_, None) => self.hint.merge(hint),
        }
    }

    /// A worker takes the row, including what an earlier worker took and did not finish.
    pub fn take(&mut self, held: Held) {
        if let Some(fresh) = self.fresh.take() {
            self.hint.merge(&fresh);
        }
        self.held = Some(held);
    }

    /// The worker that has the row loses it, but nobody takes the row before the lease runs out: a call of the loser
    /// may still be in flight.
    pub fn revoke(&mut self, token: i64) {
        if let Some(held) = &mut self.held {
            held.token = token;
        }
    }

    /// The row after a pass; `None` when nothing is left to read.
    pub fn finish(mut self, generation: i64, next: &Next, now_ms: i64) -> Option<Row> {
        let fresh = if self.generation == generation { None } else { self.fresh.take() };
        self.held = None;
        match next {
            Next::Done => {
                self.hint = fresh?;
                self.succeeded();
            }
            Next::Look { due_ms, look } => {
                self.hint = Hint { look: look.clone(), due_ms: *due_ms, since_ms: now_ms };
                if let Some(fresh) = fresh {
                    self.hint.merge(&fresh);
                }
                self.succeeded();
            }
            Next::Wait { due_ms, reason } => {
                self.hint.due_ms = *due_ms;
                if let Some(fresh) = fresh {
                    self.hint.merge(&fresh);
                }
                self.error.get_or_insert_with(|| reason.clone());
            }
            Next::Held { due_ms, error, parked, look } => {
                self.hint = Hint { look: look.clone(), due_ms: *due_ms, since_ms: self.hint.since_ms };
                self.succeeded();
                self.parked = *parked && fresh.is_none();
                if let Some(fresh) = fresh {
                    self.hint.merge(&fresh);
                }
                self.error = Some(error.clone());
            }
            Next::Retry { due_ms, error, parked, look } => {
                self.hint.due_ms = *due_ms;
                if let Some(look) = look {
                    self.hint.look = look.clone();
                }
                self.parked = *parked && fresh.is_none();
                if let Some(fresh) = fresh {
                    self.hint.merge(&fresh);
                }
                self.attempts = self.attempts.saturating_add(1);
                self.failing_since_ms.get_or_insert(now_ms);
                self.error = Some(error.clone());
            }
        }
        Some(self)
    }

    fn succeeded(&mut self) {
        self.attempts = 0;
        self.failing_since_ms = None;
        self.error = None;
        self.parked = false;
    }
}
