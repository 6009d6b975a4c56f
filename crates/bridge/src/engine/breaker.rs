//! Who may call what, after failures.
//!
//! A side that is down is left alone by all but its prober (the [`Breaker`]). A refusal suspends the
//! smallest thing that explains it (the [`Suspensions`]): a read-only iTop answers every write as if
//! rights were missing, and iTop's code 100 is any PHP exception, so neither may be taken for one
//! ticket's own fault. The probe is the oldest waiting write itself.

use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Failures in a row before a side is probed and, where the probe fails too, counts as down.
const FAILURES_BEFORE_PROBE: u32 = 3;

/// Tickets of one external refused with one text before that external is suspended.
const REFUSED_TICKETS: usize = 3;

/// A ticket that was refused itself leaves the probe so long to those that were not.
const AFTER_OTHERS_MS: i64 = 1_000;

/// One side's state.
#[derive(Debug, Default)]
pub struct Breaker {
    failures: u32,
    state: State,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Up,
    /// Calls fail again and again: a probe must show whether the side is down.
    Suspected,
    Down(Down),
}

/// Since when a side is down, and what its last probe met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Down {
    pub since_ms: i64,
    pub reason: String,
}

impl Breaker {
    pub fn down(&self) -> Option<&Down> {
        if let State::Down(down) = &self.state { Some(down) } else { None }
    }

    /// Nobody but the probe calls a side that is down.
    pub fn is_down(&self) -> bool {
        self.down().is_some()
    }

    /// How long until the side is to be probed; `None` while nothing is amiss.
    pub fn next_probe_ms(&self, probe_ms: i64) -> Option<i64> {
        match self.state {
            State::Up => None,
            State::Suspected => Some(0),
            State::Down(_) => Some(probe_ms),
        }
    }

    /// A call came back. Answers whether the side was down until now.
    pub fn succeeded(&mut self) -> bool {
        self.failures = 0;
        matches!(std::mem::take(&mut self.state), State::Down(_))
    }

    /// A call failed on the way. Answers whether the side is to be probed from now on.
    pub fn failed(&mut self) -> bool {
        self.failures = self.failures.saturating_add(1);
        let suspected = matches!(self.state, State::Up) && self.failures >= FAILURES_BEFORE_PROBE;
        if suspected {
            self.state = State::Suspected;
        }
        suspected
    }

    /// The probe failed, or a log-in was refused. Answers whether that is news.
    pub fn goes_down(&mut self, now_ms: i64, reason: String) -> bool {
        let since_ms = self.down().map_or(now_ms, |down| down.since_ms);
        let is_news = self.down().is_none_or(|down| down.reason != reason);
        self.state = State::Down(Down { since_ms, reason });
        is_news
    }
}

/// What waits because a write was refused.
#[derive(Debug, Default)]
pub struct Suspensions {
    /// Instance and class, for a message about rights.
    classes: HashMap<(String, String), Wait>,
    /// External lanes, for one text on several of their tickets.
    lanes: HashMap<String, Wait>,
    /// The internal side, for one text on tickets of several externals.
    internal: Option<Wait>,
    texts: BTreeMap<String, BTreeSet<TicketName>>,
    /// Tickets that stayed refused when another got through: what they meet is their own.
    own_fault: BTreeSet<TicketName>,
    /// Since when a ticket has been refused and nothing else explained it.
    alone_since_ms: BTreeMap<TicketName, i64>,
}

/// An external and the id of its ticket.
type TicketName = (String, u64);

#[derive(Debug)]
struct Wait {
    until_ms: i64,
    reason: String,
}

/// What a refusal means for the ticket that met it.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing else explains it: the ticket's own fault, until shown otherwise, and since when. After a
    /// restart that is counted anew.
    Alone { since_ms: i64 },
    /// Others wait for the same reason: this ticket is not to blame, and never parked for it.
    Shared,
}

impl Suspensions {
    /// Until when this ticket waits, with all of its external or of its classes; and why. When that is
    /// over one gets through as the probe: rather one that was not refused itself, so that tickets which
    /// are refused for good do not keep the others waiting for ever.
    pub fn take_turn(
        &mut self,
        (external, ticket): (&str, u64),
        internal: &str,
        classes: [&str; 2],
        now_ms: i64,
        probe_ms: i64,
    ) -> Option<(i64, String)> {
        let name = (external.to_owned(), ticket);
        let was_refused = self.texts.values().any(|tickets| tickets.contains(&name));
        let later_ms = if was_refused { AFTER_OTHERS_MS } else { 0 };
        let waits = self.waits(external, internal, classes);
        if let Some(wait) = waits.iter().filter(|w| now_ms < w.until_ms + later_ms).max_by_key(|w| w.until_ms) {
            return Some((wait.until_ms + later_ms, wait.reason.clone()));
        }
        for wait in waits {
            wait.until_ms = now_ms + probe_ms;
        }
        None
    }

    /// A pass wrote nothing: if it went as the probe, it has shown nothing, and the next one may go.
    pub fn wrote_nothing(&mut self, external: &str, internal: &str, classes: [&str; 2], now_ms: i64) {
        for wait in self.waits(external, internal, classes) {
            wait.until_ms = wait.until_ms.min(now_ms);
        }
    }

    /// All that holds tickets of this external back, whose classes on both sides are these.
    fn waits(&mut self, external: &str, internal: &str, classes: [&str; 2]) -> Vec<&mut Wait> {
        let keys = [(external.to_owned(), classes[0].to_owned()), (internal.to_owned(), classes[1].to_owned())];
        let mut waits: Vec<&mut Wait> = Vec::new();
        if let Some(wait) = &mut self.internal {
            waits.push(wait);
        }
        waits.extend(self.lanes.get_mut(external));
        waits.extend(self.classes.iter_mut().filter(|(key, _)| keys.contains(key)).map(|(_, wait)| wait));
        waits
    }

    /// A write was answered as if rights were missing. Answers whether that is news.
    pub fn rights(&mut self, instance: &str, class: &str, until_ms: i64, reason: String) -> bool {
        self.classes.insert((instance.to_owned(), class.to_owned()), Wait { until_ms, reason }).is_none()
    }

    /// A write was refused with this text. A suspension that this explains holds until `until_ms`.
    pub fn refused(&mut self, external: &str, ticket: u64, text: &str, now_ms: i64, until_ms: i64) -> Verdict {
        let name = (external.to_owned(), ticket);
        let tickets = self.texts.entry(without_values(text)).or_default();
        if !self.own_fault.contains(&name) {
            tickets.insert(name.clone());
        }
        let of_this_external = tickets.iter().filter(|(name, _)| name == external).count();
        let externals: BTreeSet<&str> = tickets.iter().map(|(name, _)| name.as_str()).collect();
        let reason = text.to_owned();
        if externals.len() >= 2 {
            self.internal = Some(Wait { until_ms, reason });
        } else if of_this_external >= REFUSED_TICKETS {
            self.lanes.insert(external.to_owned(), Wait { until_ms, reason });
        } else {
            return Verdict::Alone { since_ms: *self.alone_since_ms.entry(name).or_insert(now_ms) };
        }
        self.alone_since_ms.remove(&name);
        Verdict::Shared
    }

    /// A pass on this ticket went to its end.
    pub fn is_well(&mut self, external: &str, ticket: u64) {
        let name = (external.to_owned(), ticket);
        self.own_fault.remove(&name);
        self.alone_since_ms.remove(&name);
    }

    /// A write of this class went through: whatever held it back is over.
    pub fn succeeded(&mut self, external: &str, ticket: u64, instance: &str, class: &str) {
        self.classes.remove(&(instance.to_owned(), class.to_owned()));
        let name = (external.to_owned(), ticket);
        let freed = self.lanes.remove(external).is_some() | self.internal.take().is_some();
        for tickets in self.texts.values_mut() {
            tickets.remove(&name);
            if freed {
                self.own_fault.append(tickets);
            }
        }
        self.texts.retain(|_, tickets| !tickets.is_empty());
    }

    /// What is suspended, for the operator.
    pub fn reasons(&self) -> Vec<String> {
        let classes =
            self.classes.iter().map(|((instance, class), wait)| format!("{class} on {instance}: {}", wait.reason));
        let lanes = self.lanes.iter().map(|(external, wait)| format!("{external}: {}", wait.reason));
        let internal = self.internal.iter().map(|wait| format!("the internal side: {}", wait.reason));
        classes.chain(lanes).chain(internal).collect()
    }
}

/// A message without what differs from ticket to ticket: numbers, and whatever stands in quotes or
/// brackets.
fn without_values(text: &str) -> String {
    let mut out = String::new();
    let mut inside: Option<char> = None;
    for character in text.chars() {
        match (inside, character) {
            (Some(end), _) if character == end => inside = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => inside = Some(character),
            (None, '[') => inside = Some(']'),
            (None, _) if character.is_ascii_digit() => {}
            (None, _) => out.push(character),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_side_is_down_only_after_its_probe_failed_too() {
        let mut breaker = Breaker::default();
        assert!(!breaker.failed() && !breaker.failed());
        assert_eq!(breaker.next_probe_ms(60), None);
        assert!(breaker.failed());
        assert!(!breaker.failed(), "suspected already");
        assert_eq!((breaker.next_probe_ms(60), breaker.down()), (Some(0), None));
        assert!(breaker.goes_down(5, "no connection".into()));
        assert!(!breaker.goes_down(65, "no connection".into()), "no news");
        assert!(breaker.goes_down(125, "the log-in is refused".into()), "another reason is news");
        let down = Down { since_ms: 5, reason: "the log-in is refused".into() };
        assert_eq!((breaker.next_probe_ms(60), breaker.down()), (Some(60), Some(&down)));
        assert!(breaker.succeeded());
        assert!(!breaker.succeeded(), "it was up");
        assert_eq!((breaker.next_probe_ms(60), breaker.is_down()), (None, false));
    }

    #[test]
    fn a_call_that_comes_back_ends_a_suspicion() {
        let mut breaker = Breaker::default();
        assert!(!breaker.failed() && !breaker.failed() && breaker.failed());
        assert!(!breaker.succeeded(), "it was never down");
        assert_eq!(breaker.next_probe_ms(60), None);
        assert!(!breaker.failed(), "counted anew");
    }

    #[test]
    fn one_text_on_three_tickets_of_one_external_suspends_that_external_only() {
        let mut all = Suspensions::default();
        assert_eq!(all.refused("acme", 1, "Value not allowed [7] for 'x'", 0, 60), Verdict::Alone { since_ms: 0 });
        assert_eq!(all.refused("acme", 1, "Value not allowed [7] for 'x'", 0, 60), Verdict::Alone { since_ms: 0 });
        assert_eq!(all.refused("acme", 2, "Value not allowed [8] for 'y'", 0, 60), Verdict::Alone { since_ms: 0 });
        assert_eq!(all.refused("acme", 3, "Value not allowed [9] for 'z'", 0, 60), Verdict::Shared);
        assert!(all.take_turn(("acme", 9), "elitery", ["UserRequest"; 2], 10, 60).is_some());
        assert!(all.take_turn(("other", 9), "elitery", ["UserRequest"; 2], 10, 60).is_none());
        assert!(all.take_turn(("acme", 9), "elitery", ["UserRequest"; 2], 60, 60).is_none(), "the probe");
        assert!(all.take_turn(("acme", 9), "elitery", ["UserRequest"; 2], 61, 60).is_some(), "one probe at a time");
        all.succeeded("acme", 1, "elitery", "UserRequest");
        assert!(all.take_turn(("acme", 9), "elitery", ["UserRequest"; 2], 62, 60).is_none());
    }

    #[test]
    fn one_text_on_tickets_of_two_externals_suspends_the_side() {
        let mut all = Suspensions::default();
        assert_eq!(all.refused("acme", 1, "disk full", 0, 60), Verdict::Alone { since_ms: 0 });
        assert_eq!(all.refused("other", 1, "disk full", 0, 60), Verdict::Shared);
        assert!(all.take_turn(("third", 9), "elitery", ["Incident"; 2], 10, 60).is_some());
    }

    #[test]
    fn missing_rights_suspend_the_class_on_that_instance() {
        let mut all = Suspensions::default();
        assert!(all.rights("elitery", "NormalChange", 60, "not enough permissions".into()));
        assert!(!all.rights("elitery", "NormalChange", 60, "not enough permissions".into()), "no news");
        assert!(all.take_turn(("acme", 9), "elitery", ["NormalChange"; 2], 10, 60).is_some());
        assert!(all.take_turn(("acme", 9), "elitery", ["UserRequest"; 2], 10, 60).is_none());
        all.succeeded("acme", 5, "elitery", "NormalChange");
        assert!(all.take_turn(("acme", 9), "elitery", ["NormalChange"; 2], 11, 60).is_none());
    }

    #[test]
    fn a_ticket_that_stays_refused_when_another_gets_through_is_to_blame_itself() {
        let mut all = Suspensions::default();
        for ticket in 1..=2 {
            all.refused("acme", ticket, "too long", 0, 60);
        }
        assert_eq!(all.refused("acme", 3, "too long", 0, 60), Verdict::Shared);
        assert!(
            all.take_turn(("acme", 1), "elitery", ["UserRequest"; 2], 60, 60).is_some(),
            "it was refused: others first"
        );
        assert!(all.take_turn(("acme", 9), "elitery", ["UserRequest"; 2], 60, 60).is_none());
        all.succeeded("acme", 9, "elitery", "UserRequest");
        for ticket in 1..=3 {
            assert_eq!(
                all.refused("acme", ticket, "too long", 70, 130),
                Verdict::Alone { since_ms: if ticket == 3 { 70 } else { 0 } }
            );
        }
        assert!(all.take_turn(("acme", 9), "elitery", ["UserRequest"; 2], 71, 60).is_none());
    }

    #[test]
    fn a_probe_that_wrote_nothing_leaves_its_place_to_the_next() {
        let mut all = Suspensions::default();
        all.rights("elitery", "UserRequest", 60, "read-only".into());
        assert!(all.take_turn(("acme", 1), "elitery", ["UserRequest"; 2], 60, 60).is_none());
        all.wrote_nothing("acme", "elitery", ["UserRequest"; 2], 61);
        assert!(all.take_turn(("acme", 2), "elitery", ["UserRequest"; 2], 61, 60).is_none());
        assert!(all.take_turn(("acme", 3), "elitery", ["UserRequest"; 2], 62, 60).is_some());
    }
}
