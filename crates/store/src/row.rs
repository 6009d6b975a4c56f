//! The rules of a row of the queue, apart from any database: what a hint, a claim and the end of a
//! pass make of it. A backend loads a row, applies one of these, and stores it, in one transaction.

use super::{Lease, Look, Next, TicketOf};

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    pub of: TicketOf,
    pub class: Option<String>,
    /// Counts the hints.
    pub generation: i64,
    /// What is to be looked at; while a worker has the row, what that worker took.
    pub hint: Hint,
    /// What came since the row was taken. Kept apart, so that the end of the pass clears what it
    /// looked at and nothing else.
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

/// Who has the row. It stays after the lease ran out, until another takes the row: the owner may
/// still renew it.
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

    /// One more hint. Who has the row does not see it in this pass.
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

    /// A worker takes the row, with all that an earlier one took and did not finish.
    pub fn take(&mut self, held: Held) {
        if let Some(fresh) = self.fresh.take() {
            self.hint.merge(&fresh);
        }
        self.held = Some(held);
    }

    /// Whoever has the row loses it, but nobody takes it before the lease runs out: a call of the
    /// loser may still be on its way.
    pub fn revoke(&mut self, token: i64) {
        if let Some(held) = &mut self.held {
            held.token = token;
        }
    }

    /// The row as the end of a pass leaves it; `None` when nothing is left to look at.
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
