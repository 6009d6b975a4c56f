//! The sentences for a standing, shared by every command, `check` and the alerts. `standing` decides the facts; this
//! module only words them.

use itop_bridge_core::link::{Conflict, Ending, Part, Unanswered};
use itop_bridge_core::{Link, Side};
use itop_bridge_engine::wording::count::counted;
use itop_bridge_engine::wording::moment::moment;
use itop_bridge_engine::wording::{capital, ended, resume};
use itop_bridge_engine::{AfterResume, NotCarried, Slowed, Suspended, kept_back, part_name};
use itop_bridge_store::{LINKS_REBUILD, Stop, Stored};

use crate::config::{Condition, Config};
use crate::standing::{Is, SideStands, Sides, Standing, Waits, Word};

/// A ticket and its relatives, by the names that people use.
pub struct Names<'a> {
    /// `acme:R-000123`.
    pub external_ticket: String,
    /// `elitery:R-000077`, if there is one.
    pub internal_ticket: Option<String>,
    pub external: &'a str,
    pub internal: &'a str,
    pub link: Option<&'a Link>,
}

impl<'a> Names<'a> {
    pub fn of(stored: &'a Stored, config: &'a Config) -> Names<'a> {
        let (external, internal) = (stored.external_name.as_str(), config.internal.name.as_str());
        Names {
            external_ticket: format!("{external}:{}", stored.link.external.reference),
            internal_ticket: stored.link.internal.as_ref().map(|key| format!("{internal}:{}", key.reference)),
            external,
            internal,
            link: Some(&stored.link),
        }
    }

    /// The names of a ticket without a pair.
    pub fn unlinked(external: &'a str, reference: &str, config: &'a Config) -> Names<'a> {
        let internal = config.internal.name.as_str();
        let external_ticket = format!("{external}:{reference}");
        Names { external_ticket, internal_ticket: None, external, internal, link: None }
    }

    fn side(&self, side: Side) -> &str {
        match side {
            Side::External => self.external,
            Side::Internal => self.internal,
        }
    }

    /// The fact, without its label.
    pub fn told(&self, is: &Is) -> String {
        match is {
            Is::Ended { how, since_ms } => self.ended(how.as_ref(), *since_ms),
            Is::Halted(halt) => halt.text.clone(),
            Is::LogHalted(text) => text.clone(),
            Is::Parked(parked) => {
                let tries = times(parked.tries);
                format!("refused {tries} in a row; tried again {}: {}", when(parked.next_ms), parked.words)
            }
            Is::Waits(waits) => self.waits(waits),
            Is::AnewAfter { from_ms } => format!(
                "a call for the internal ticket that is gone may still land; the new one is made after {}",
                moment(*from_ms)
            ),
            Is::Unanswered(unanswered) => self.unanswered(unanswered),
            Is::KeptBack(kept) => {
                let held = &kept.held;
                let what = match self.link {
                    Some(link) => kept_back(link, held, self.side(held.to)),
                    None => format!("{} by what stands before {}", held.status, self.side(held.to)),
                };
                let (tries, since) = (times(held.tries), moment(held.since_ms));
                format!("{what}; tried {tries} since {since}, tried again {}", when(kept.next_ms))
            }
            Is::Failing(failing) => {
                let tries = times(failing.tries);
                format!("failed {tries} in a row; tried again {}: {}", when(failing.next_ms), failing.words)
            }
            Is::Refused(refused) => format!(
                "{}: {} does not take this value: {}; tried again when it changes in {}, or at the first look after {}",
                refused.code,
                self.internal,
                refused.words,
                self.external,
                moment(refused.after_ms)
            ),
            Is::Conflict(conflict) | Is::Differs(conflict) => conflict.to_string(),
            Is::NoCounterpart => format!("it has no ticket in {} yet", self.internal),
            Is::UnderWay => "a pass is under way".to_owned(),
            Is::Due { at_ms } => format!("its pass is due at {}", moment(*at_ms)),
        }
    }

    /// The former problem of a ticket that is tried again, without its time, which no longer counts.
    pub fn tried(&self, is: &Is) -> String {
        let label = label(is);
        match is {
            Is::Parked(failing) | Is::Failing(failing) => {
                format!("{label}: it was refused or failed {} in a row: {}", times(failing.tries), failing.words)
            }
            Is::KeptBack(kept) => match self.link {
                Some(link) => format!("{label}: {}", kept_back(link, &kept.held, self.side(kept.held.to))),
                None => label.to_owned(),
            },
            Is::Refused(refused) => {
                format!("{label}: {}: {} did not take this value: {}", refused.code, self.internal, refused.words)
            }
            is => format!("{label}: {}", self.told(is)),
        }
    }

    fn ended(&self, how: Option<&Ending>, since_ms: Option<i64>) -> String {
        let at = since_ms.map_or(String::new(), |at_ms| format!(" at {}", moment(at_ms)));
        match how {
            None => format!("the pair has ended{at}"),
            Some(Ending::Unlinked) => format!("an operator ended the pair{at}"),
            Some(Ending::Resumed(over)) => {
                format!("an operator resumed it, and the pair ended{at}: {}", over.text)
            }
        }
    }

    fn waits(&self, waits: &Waits) -> String {
        match waits {
            Waits::Stopped { side, stop } => is_stopped(side, stop),
            Waits::NotServed => "it goes on once `serve` is started".to_owned(),
            Waits::Down { side, since_ms, reason } => is_down(side, *since_ms, reason),
            Waits::Slowed { side, until_ms } => is_slowed(side, *until_ms),
            Waits::Suspended { cause, reason } => format!("{cause} waits: {reason}"),
            Waits::Others { reason } => reason.clone(),
        }
    }

    fn unanswered(&self, unanswered: &Unanswered) -> String {
        let Unanswered { part, until_ms, is_tried_meanwhile } = unanswered;
        let what = match (part, self.link) {
            (Some(part), Some(link)) => part_name(link, part),
            _ => "a write".to_owned(),
        };
        let until = moment(*until_ms);
        if part.as_ref() == Some(&Part::Creation) && self.internal_ticket.is_some() {
            return format!(
                "{what}: an earlier try had no answer, and the bridge looks for a second ticket from it until {until}"
            );
        }
        let rest = match is_tried_meanwhile {
            true => "if that undoes a newer change, the bridge writes the change again",
            false => "the bridge looks for its effect, and sends it again only after that",
        };
        format!("{what}: a call without an answer may still be carried out until {until}; {rest}")
    }

    /// Why a ticket without a pair is not bridged, and what would bring it across; `made`: the day of its creation.
    pub fn not_carried(&self, why: &NotCarried, config: &Config, made: Option<&str>) -> String {
        let external = config.externals.iter().find(|external| external.name() == self.external);
        match why {
            NotCarried::Gone => "it is gone".to_owned(),
            NotCarried::Copy => "it is a bridge's copy, and is never copied on".to_owned(),
            NotCarried::DoesNotFit { class, or_before_since } => {
                let only = match external.and_then(|external| external.only.of(class)) {
                    Some(Condition::Oql(condition)) => format!(", which says of {class}: {condition}"),
                    Some(Condition::All) => String::new(),
                    None => format!(", which does not name {class}"),
                };
                let since = external.and_then(|external| external.sync.since).filter(|_| *or_before_since);
                match (since, only.is_empty()) {
                    (Some(since), true) => format!("it was made before `since`, {since}"),
                    (Some(since), false) => {
                        format!("it was made before `since`, {since}, or does not fit `only`{only}")
                    }
                    (None, _) => format!("it does not fit `only`{only}"),
                }
            }
            NotCarried::Older(words) => {
                let day = made.unwrap_or("DATE");
                format!("{words}; `itop-bridge backfill --side {} --since {day}` brings it", self.external)
            }
        }
    }

    /// What a person can do, with the whole command.
    pub fn step(&self, is: &Is) -> Option<String> {
        let name = &self.external_ticket;
        match is {
            Is::Ended { how, .. } => {
                let is_gone = matches!(how, Some(Ending::Resumed(over)) if over.kind.is_of_a_lost_counterpart());
                let internal = self.internal_ticket.clone().filter(|_| !is_gone);
                let internal = internal.unwrap_or_else(|| format!("{}:REFERENCE", self.internal));
                Some(format!(
                    "neither ticket is written any more; `itop-bridge links link {name} {internal}` makes a pair again"
                ))
            }
            Is::Halted(halt) => Some(resume(name, AfterResume::of(Some(halt.kind)), self.internal)),
            Is::LogHalted(_) => Some(resume(name, AfterResume::of(None), self.internal)),
            Is::Parked(_) => {
                Some(format!("correct the cause that the message names; `itop-bridge retry {name}` tries again now"))
            }
            Is::KeptBack(kept) => Some(format!(
                "let the proxy or firewall in front of {} pass the bridge's calls, or change the words in the ticket; `itop-bridge retry {name}` tries it now",
                self.side(kept.held.to)
            )),
            Is::Refused(_) => Some(format!(
                "change the value in {}, or the rule in {}; `itop-bridge retry {name}` tries it now",
                self.external, self.internal
            )),
            Is::Conflict(conflict) if conflict.is_of_the_status() => Some(format!(
                "it ends when either ticket moves to a state that the other can reach; if neither will, `itop-bridge links unlink {name}` ends the pair, and the remaining work needs a new ticket"
            )),
            Is::Conflict(conflict) if self.is_of_entries_kept_back(conflict) => Some(format!(
                "`itop-bridge resume {name}` lets them cross, and `itop-bridge resume {name} --keep` keeps them where they are for good"
            )),
            _ => None,
        }
    }

    fn is_of_entries_kept_back(&self, conflict: &Conflict) -> bool {
        let about = conflict.in_words_of_today().about;
        let goes_on = self.link.iter().filter(|link| link.why_halted().is_none());
        let logs = goes_on.flat_map(|link| &link.logs).filter(|log| !log.held.is_empty());
        logs.into_iter().any(|log| log.subject() == about)
    }

    /// A line of `links show` and of `plan`.
    pub fn line(&self, is: &Is) -> String {
        let label = label(is);
        let told = format!("{label}: {}", self.told(is));
        match self.step(is) {
            Some(step) => format!("{}{}", ended(&told), capital(&step)),
            None => told,
        }
    }

    /// The cell of a list. The reason why a side is stopped stands once, above the list.
    pub fn cell(&self, standing: &Standing) -> String {
        let shown = standing.is.iter().filter(|is| !matches!(is, Is::UnderWay | Is::Due { .. } | Is::Differs(_)));
        let mut cells: Vec<String> = Vec::new();
        for is in shown {
            let cell = match is {
                Is::Waits(Waits::Stopped { .. }) => label(is).to_owned(),
                is => format!("{}: {}", label(is), self.told(is)),
            };
            if !cells.contains(&cell) {
                cells.push(cell);
            }
        }
        let differs: Vec<&str> = differing(standing).collect();
        match (cells.is_empty(), differs.is_empty()) {
            (true, true) => Word::Ok.as_str().to_owned(),
            (true, false) => format!("ok: differs, and is left so: {}", differs.join(", ")),
            (false, _) => cells.join("; "),
        }
    }

    /// The reasons for the state, for lists that scripts read.
    pub fn why(&self, standing: &Standing) -> String {
        let told: Vec<String> = standing
            .is
            .iter()
            .filter(|is| !matches!(is, Is::UnderWay | Is::Due { .. } | Is::Differs(_) | Is::Ended { .. }))
            .map(|is| self.told(is))
            .collect();
        let differs: Vec<&str> = differing(standing).collect();
        match (told.is_empty(), differs.is_empty()) {
            (true, false) => format!("differs, and is left so: {}", differs.join(", ")),
            _ => told.join("; "),
        }
    }
}

fn differing(standing: &Standing) -> impl Iterator<Item = &str> {
    standing.is.iter().filter_map(|is| match is {
        Is::Differs(conflict) => Some(conflict.about.as_str()),
        _ => None,
    })
}

/// The label of a fact.
pub fn label(is: &Is) -> &'static str {
    match is {
        Is::Ended { .. } => "ended",
        Is::Halted(_) => "halted",
        Is::LogHalted(_) => "log halted",
        Is::Parked(_) => "parked",
        Is::Waits(Waits::Stopped { stop: Stop::Paused, .. }) => "paused",
        Is::Waits(Waits::Stopped { .. }) => "side halted",
        Is::Waits(_) | Is::AnewAfter { .. } | Is::NoCounterpart => "waits",
        Is::Unanswered(_) => "unanswered",
        Is::KeptBack(kept) if kept.is_parked => "parked",
        Is::KeptBack(_) => "kept back",
        Is::Failing(_) => "failing",
        Is::Refused(_) | Is::Conflict(_) => "conflict",
        Is::UnderWay | Is::Due { .. } => "queue",
        Is::Differs(_) => "differs",
    }
}

/// The state in a list: the most pressing fact.
pub fn state(standing: &Standing) -> &'static str {
    let first = standing.is.iter().find(|is| !matches!(is, Is::UnderWay | Is::Due { .. } | Is::Differs(_)));
    first.map_or(Word::Ok.as_str(), label)
}

/// A side that was paused or has halted.
pub fn is_stopped(side: &str, stop: &Stop) -> String {
    let it = if stop.is_over_lost_pairs() { "without them it" } else { "it" };
    let state = match stop {
        Stop::Paused => "paused by an operator".to_owned(),
        stop => format!("halted: {stop}"),
    };
    format!("{side} is {state}; {it} goes on by `itop-bridge resume {side}`")
}

pub fn is_down(side: &str, since_ms: i64, reason: &str) -> String {
    format!("{side} is down since {}: {reason}; it is tried once a minute", moment(since_ms))
}

pub fn is_slowed(side: &str, until_ms: i64) -> String {
    format!("{side} asks for fewer calls; the next one is made at {}", moment(until_ms))
}

/// `serve` is known not to run.
pub const NOT_SERVED: &str = "`serve` does not run: waiting tickets go on once it is started";

pub const DRY_RUN: &str = "`serve` is a dry run: it writes nothing until it is started without `--dry-run`";

/// The problems of the sides that a ticket of this external depends on, or of any side; one line each.
pub fn of_sides(sides: &Sides, external: Option<&str>, now_ms: i64) -> Vec<String> {
    let mut lines = Vec::new();
    if sides.is_not_served() {
        lines.push(NOT_SERVED.to_owned());
    }
    if sides.is_dry_run {
        lines.push(DRY_RUN.to_owned());
    }
    let concerns = |side: &&SideStands| {
        external.is_none_or(|external| side.name == external || side.instance == itop_bridge_store::Instance::Internal)
    };
    for side in sides.all.iter().filter(concerns) {
        lines.extend(of_side(side, sides, now_ms));
    }
    lines
}

/// The problems of one side. A `serve` that no longer runs has left outdated reports, which are skipped.
pub fn of_side(side: &SideStands, sides: &Sides, now_ms: i64) -> Vec<String> {
    let mut lines: Vec<String> = side.stop.iter().map(|stop| is_stopped(&side.name, stop)).collect();
    if sides.is_not_served() {
        return lines;
    }
    lines.extend(side.down().map(|down| is_down(&side.name, down.at_ms, &down.reason)));
    lines.extend(side.slowed(now_ms).map(|Slowed { until_ms, .. }| is_slowed(&side.name, *until_ms)));
    let waits = |Suspended { cause, since_ms, reason }: &Suspended| {
        format!("{cause} waits since {}: {reason}; one is tried every minute", moment(*since_ms))
    };
    lines.extend(side.suspended().iter().map(waits));
    lines
}

/// What a person does about a stopped side.
pub fn go_on(side: &str, stop: &Stop) -> String {
    match stop {
        Stop::Paused => format!("`itop-bridge resume {side}` when it is to go on"),
        stop if stop.is_over_lost_pairs() => format!("run {LINKS_REBUILD}; then it goes on by itself"),
        _ => format!("look into it, then run `itop-bridge resume {side}`"),
    }
}

fn when(next_ms: Option<i64>) -> String {
    next_ms.map_or("as soon as its side takes calls".to_owned(), |at_ms| format!("at {}", moment(at_ms)))
}

fn times(count: u32) -> String {
    counted(count as usize, "time", "times")
}

/// When a side's sweep will find changes that no webhook reported.
pub fn next_sweep(sides: &Sides, external: &str, now_ms: i64) -> Option<String> {
    let at_ms = sides.external(external).filter(|_| !sides.is_not_served())?.next_sweep_ms(now_ms)?;
    Some(format!("no webhook has announced a change that waits; the next sweep of {external} is at {}", moment(at_ms)))
}
