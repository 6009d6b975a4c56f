//! The state of one ticket: everything true of it now, the most pressing first.

use itop_bridge_core::Link;
use itop_bridge_core::link::{Conflict, Ending, Held, RefusedField, Unanswered};
use itop_bridge_core::plan::Halt;
use itop_bridge_engine::{AfterResume, Cause};
use itop_bridge_store::{LinkState, QueueRow, Stop, Stored};

use super::sides::Sides;
use crate::config::Config;

/// The known facts about a ticket, with or without a pair.
#[derive(Clone, Copy)]
pub struct Ticket<'a> {
    pub external: &'a str,
    pub stored: Option<&'a Stored>,
    pub row: Option<&'a QueueRow>,
    pub sides: &'a Sides,
    pub config: &'a Config,
    pub now_ms: i64,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    /// Everything true of it, the most pressing first. Empty if it is in step.
    pub is: Vec<Is>,
    /// The time of the next pass, if part of it waits, nothing holds it back, and no pass is under way.
    pub next_ms: Option<i64>,
    /// The time since which part of it has waited.
    pub waits_since_ms: Option<i64>,
}

/// One fact.
#[derive(Debug, Clone, PartialEq)]
pub enum Is {
    Ended {
        how: Option<Ending>,
        since_ms: Option<i64>,
    },
    Halted(Halt),
    /// Only one log is halted.
    LogHalted(String),
    /// Refused for so long that it is left alone for a while.
    Parked(Failing),
    Waits(Waits),
    /// A write sent to the deleted internal ticket may still take effect; the new one is made after that.
    AnewAfter {
        from_ms: i64,
    },
    /// Sent, but not answered.
    Unanswered(Unanswered),
    KeptBack(KeptBack),
    Failing(Failing),
    Refused(Refused),
    Conflict(Conflict),
    /// No internal ticket was made for it yet.
    NoCounterpart,
    UnderWay,
    Due {
        at_ms: i64,
    },
    /// It differed when the two tickets became a pair, and is left so.
    Differs(Conflict),
}

/// A reason to wait that is not the ticket's own fault.
#[derive(Debug, Clone, PartialEq)]
pub enum Waits {
    /// The side is stopped until it is resumed.
    Stopped {
        side: String,
        stop: Stop,
    },
    NotServed,
    Down {
        side: String,
        since_ms: i64,
        reason: String,
    },
    Slowed {
        side: String,
        until_ms: i64,
    },
    Suspended {
        cause: Cause,
        reason: String,
    },
    /// For this reason, about which `serve` has not reported more yet.
    Others {
        reason: String,
    },
}

/// Passes that failed in a row.
#[derive(Debug, Clone, PartialEq)]
pub struct Failing {
    pub tries: u32,
    pub words: String,
    /// `None` while the ticket is not tried: a side is stopped or down, or `serve` does not run.
    pub next_ms: Option<i64>,
}

/// A part that something in front of an iTop keeps from it.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptBack {
    pub held: Held,
    /// As in [`Failing`].
    pub next_ms: Option<i64>,
    pub is_parked: bool,
}

/// A value that the internal iTop refuses.
#[derive(Debug, Clone, PartialEq)]
pub struct Refused {
    pub code: String,
    pub words: String,
    /// The first pass after that retries it.
    pub after_ms: i64,
}

/// The state in one word: a column of a list, and what a list is filtered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Word {
    Ok,
    Halted,
    Parked,
    KeptBack,
    Refused,
    Conflict,
    Failing,
    Unanswered,
    Waiting,
    Paused,
    Ended,
}

impl Standing {
    pub fn of(ticket: Ticket<'_>) -> Standing {
        let Ticket { stored, row, .. } = ticket;
        if let Some(ended) = stored.filter(|stored| stored.state == LinkState::Ended) {
            let how = ended.link.course.ending.clone();
            return Standing {
                is: vec![Is::Ended { how, since_ms: ended.closed_since_ms }],
                next_ms: None,
                waits_since_ms: None,
            };
        }
        let link = stored.map(|stored| &stored.link);
        let waits = ticket.waits();
        let next_ms = ticket.next_ms(&waits);
        // A side that is down already explains why the ticket's calls fail.
        let is_down = waits.iter().any(|waits| matches!(waits, Waits::Down { .. }));
        let is_served = !waits.contains(&Waits::NotServed);
        let mut is = Vec::new();
        is.extend(link.into_iter().flat_map(halts));
        is.extend(row.filter(|row| row.parked && is_own(row, link)).map(|row| Is::Parked(failing(row, next_ms))));
        is.extend(waits.into_iter().map(Is::Waits));
        let is_leased = row.is_some_and(|row| row.leased);
        if let Some(link) = link {
            let anew_ms = link.course.anew_from_ms.filter(|from_ms| *from_ms > ticket.now_ms);
            is.extend(anew_ms.map(|from_ms| Is::AnewAfter { from_ms }));
            if !is_leased {
                // A pass that is under way has always sent something.
                is.extend(link.unanswered(ticket.now_ms).into_iter().map(Is::Unanswered));
            }
            is.extend(link.open.held.iter().map(|held| Is::KeptBack(ticket.kept_back(link, held, next_ms))));
        }
        let failed = row.filter(|row| !row.parked && row.attempts > 0 && !is_down);
        is.extend(failed.map(|row| Is::Failing(failing(row, next_ms))));
        is.extend(link.into_iter().flat_map(|link| ticket.disagreements(link)));
        if link.map_or(row.is_some(), |link| link.internal.is_none()) {
            is.push(Is::NoCounterpart);
        }
        match row {
            // The lease of a killed process runs on.
            Some(row) if row.leased && is_served => is.push(Is::UnderWay),
            Some(row) if is.iter().all(|is| matches!(is, Is::NoCounterpart)) => is.push(Is::Due { at_ms: row.due_ms }),
            _ => {}
        }
        is.extend(link.into_iter().flat_map(older_differences));
        Standing { is, next_ms, waits_since_ms: row.map(|row| row.dirty_since_ms) }
    }

    /// The most pressing fact, in one word.
    pub fn word(&self) -> Word {
        self.is.iter().map(Is::word).find(|word| *word != Word::Ok).unwrap_or(Word::Ok)
    }

    pub fn is_word(&self, word: Word) -> bool {
        match word {
            Word::Ok => self.word() == Word::Ok,
            // A refused value is a conflict too.
            Word::Conflict => self.is.iter().any(|is| matches!(is.word(), Word::Conflict | Word::Refused)),
            word => self.is.iter().any(|is| is.word() == word),
        }
    }

    /// Whether a person has to act, the sides' own state aside.
    pub fn needs_a_person(&self) -> bool {
        self.is.iter().any(Is::needs_a_person)
    }

    /// What resuming does, if there is a halt.
    pub fn after_resume(&self) -> Option<AfterResume> {
        self.is.iter().find_map(|is| match is {
            Is::Halted(halt) => Some(AfterResume::of(Some(halt.kind))),
            Is::LogHalted(_) => Some(AfterResume::of(None)),
            _ => None,
        })
    }
}

impl Is {
    pub fn word(&self) -> Word {
        match self {
            Is::Ended { .. } => Word::Ended,
            Is::Halted(_) | Is::LogHalted(_) => Word::Halted,
            Is::Parked(_) | Is::KeptBack(KeptBack { is_parked: true, .. }) => Word::Parked,
            Is::Waits(Waits::Stopped { stop: Stop::Paused, .. }) => Word::Paused,
            Is::Waits(_) | Is::AnewAfter { .. } | Is::NoCounterpart => Word::Waiting,
            Is::Unanswered(_) => Word::Unanswered,
            Is::KeptBack(_) => Word::KeptBack,
            Is::Failing(_) => Word::Failing,
            Is::Refused(_) => Word::Refused,
            Is::Conflict(_) => Word::Conflict,
            Is::UnderWay | Is::Due { .. } | Is::Differs(_) => Word::Ok,
        }
    }

    pub fn needs_a_person(&self) -> bool {
        matches!(
            self,
            Is::Halted(_) | Is::LogHalted(_) | Is::Parked(_) | Is::KeptBack(_) | Is::Refused(_) | Is::Conflict(_)
        )
    }
}

impl Word {
    pub fn as_str(self) -> &'static str {
        match self {
            Word::Ok => "ok",
            Word::Halted => "halted",
            Word::Parked => "parked",
            Word::KeptBack => "kept-back",
            Word::Refused => "refused",
            Word::Conflict => "conflict",
            Word::Failing => "failing",
            Word::Unanswered => "unanswered",
            Word::Waiting => "waiting",
            Word::Paused => "paused",
            Word::Ended => "ended",
        }
    }
}

impl<'a> Ticket<'a> {
    fn waits(self) -> Vec<Waits> {
        let mut all = Vec::new();
        for side in self.sides.of(self.external) {
            let stop = side.stop.clone();
            all.extend(stop.map(|stop| Waits::Stopped { side: side.name.clone(), stop }));
        }
        // The other reasons hold back only a waiting ticket.
        let Some(row) = self.row.filter(|row| !row.leased) else { return all };
        if self.sides.is_not_served() {
            all.push(Waits::NotServed);
            return all;
        }
        for side in self.sides.of(self.external) {
            let name = || side.name.clone();
            all.extend(side.down().map(|down| Waits::Down {
                side: name(),
                since_ms: down.at_ms,
                reason: down.reason.clone(),
            }));
            all.extend(
                side.slowed(self.now_ms).map(|slowed| Waits::Slowed { side: name(), until_ms: slowed.until_ms }),
            );
            for suspended in side.suspended().iter().filter(|suspended| self.meets(&suspended.cause, row)) {
                all.push(Waits::Suspended { cause: suspended.cause.clone(), reason: suspended.reason.clone() });
            }
        }
        let link = self.stored.map(|stored| &stored.link);
        let only_waits = row.attempts == 0 && !row.parked && link.is_none_or(|link| link.open.held.is_empty());
        if let Some(reason) = row.error.as_ref().filter(|_| only_waits && all.is_empty()) {
            all.push(Waits::Others { reason: reason.clone() });
        }
        all
    }

    fn next_ms(self, waits: &[Waits]) -> Option<i64> {
        let row = self.row.filter(|row| !row.leased)?;
        let mut next_ms = row.due_ms.max(self.now_ms);
        for one in waits {
            match one {
                Waits::Stopped { .. } | Waits::NotServed | Waits::Down { .. } => return None,
                Waits::Slowed { until_ms, .. } => next_ms = next_ms.max(*until_ms),
                Waits::Suspended { .. } | Waits::Others { .. } => {}
            }
        }
        Some(next_ms)
    }

    fn meets(self, cause: &Cause, row: &'a QueueRow) -> bool {
        let link = self.stored.map(|stored| &stored.link);
        match cause {
            Cause::Internal => true,
            Cause::External { external } => external == self.external,
            Cause::Class { instance, class, .. } if instance == self.external => {
                link.map(|link| &link.external.class).or(row.class.as_ref()) == Some(class)
            }
            Cause::Class { class, .. } => {
                let known = link.and_then(|link| Some(link.internal.as_ref()?.class.as_str()));
                known.or_else(|| self.class_to_be(row)) == Some(class)
            }
            Cause::Down { .. } | Cause::Throttled { .. } => false,
        }
    }

    /// Class of the counterpart that is still to be made.
    fn class_to_be(self, row: &'a QueueRow) -> Option<&'a str> {
        let external = self.config.externals.iter().find(|external| external.name() == self.external)?;
        let class = self.stored.map(|stored| &stored.link.external.class).or(row.class.as_ref())?;
        external.sync.classes.get(class).map(String::as_str)
    }

    /// The present conflicts; for a refused value, when it is retried. Log halts are left out: they are reported as
    /// halts.
    fn disagreements(self, link: &Link) -> Vec<Is> {
        let is_a_halt = |conflict: &Conflict| link.halted_logs().any(|(_, halt)| halt.text == conflict.text);
        let of_now = link.open.conflicts.iter().filter(|conflict| !conflict.is_older && !is_a_halt(conflict));
        let is_of = |refused: &&RefusedField, conflict: &Conflict| {
            refused.conflict(&self.config.internal.name).says_the_same(conflict)
        };
        let told = of_now.map(|conflict| match link.open.refused.iter().find(|refused| is_of(refused, conflict)) {
            Some(refused) => Is::Refused(Refused {
                code: refused.code.clone(),
                words: refused.words.clone(),
                after_ms: refused.again_at_ms.max(self.now_ms),
            }),
            None => Is::Conflict(conflict.clone()),
        });
        told.collect()
    }

    /// `next_ms`: the time of the ticket's next pass.
    fn kept_back(self, link: &Link, held: &Held, next_ms: Option<i64>) -> KeptBack {
        let not_before_ms = held.not_before_ms.max(link.not_sent_before_ms(&held.part).unwrap_or(i64::MIN));
        KeptBack {
            held: held.clone(),
            next_ms: next_ms.map(|at_ms| at_ms.max(not_before_ms)),
            is_parked: self.now_ms - held.since_ms >= self.config.timing().park_after_ms,
        }
    }
}

/// Whether the row reports a failure of the ticket's own, not of parts that are kept back, which the link reports.
fn is_own(row: &QueueRow, link: Option<&Link>) -> bool {
    row.attempts > 0 || link.is_none_or(|link| link.open.held.is_empty())
}

fn failing(row: &QueueRow, next_ms: Option<i64>) -> Failing {
    Failing { tries: row.attempts, words: row.error.clone().unwrap_or_default(), next_ms }
}

fn halts(link: &Link) -> impl Iterator<Item = Is> {
    let logs = link.halted_logs().map(|(_, halt)| Is::LogHalted(halt.text.clone()));
    link.course.halt.clone().map(Is::Halted).into_iter().chain(logs)
}

fn older_differences(link: &Link) -> impl Iterator<Item = Is> {
    link.open.conflicts.iter().filter(|conflict| conflict.is_older).cloned().map(Is::Differs)
}
