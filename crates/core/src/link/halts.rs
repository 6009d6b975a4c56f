//! Halts of a pair or of its logs, and an operator's decisions about them.

use serde::{Deserialize, Serialize};

use super::Link;
use crate::caselog::{LogHalt, LogState};
use crate::plan::Halt;

/// How a pair came to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// An operator ended it.
    Unlinked,
    /// An operator resumed it, and this halt's cause still stood.
    Resumed(Halt),
}

impl Link {
    /// Why the pair, or one of its logs, is halted.
    pub fn why_halted(&self) -> Option<&str> {
        let log = || self.halted_logs().next().map(|(_, halt)| halt.text.as_str());
        self.course.halt.as_ref().map(|halt| halt.text.as_str()).or_else(log)
    }

    /// The logs of which nothing more is sent until an operator resumes the link.
    pub fn halted_logs(&self) -> impl Iterator<Item = (&LogState, &LogHalt)> {
        self.logs.iter().filter_map(|state| Some((state, state.halt.as_ref()?)))
    }

    /// An operator ends a halt: its cause is accepted where it still stands, and the pair goes on where it does not.
    /// If only a log had halted, nothing else is accepted; if nothing had, the operator lets the entries that are
    /// kept back cross.
    pub fn resume(&mut self) {
        if self.why_halted().is_none() {
            return self.logs.iter_mut().for_each(LogState::let_cross);
        }
        self.course.resumed |= self.course.halt.take().is_some();
        for log in &mut self.logs {
            if let Some(halt) = log.halt.take() {
                log.resumed_after = Some(halt.newest);
            }
        }
    }

    /// An operator wants none of the entries that are kept back to cross.
    pub fn keep_back_for_good(&mut self) {
        self.logs.iter_mut().for_each(LogState::keep_back_for_good);
    }

    /// The number of new log entries kept back because nobody can tell whether they are the ticket's own.
    pub fn entries_kept_back(&self) -> usize {
        self.logs.iter().map(|log| log.held.len()).sum()
    }
}
