//! Tickets that wait because of a refusal.
//!
//! A refusal suspends the smallest scope that explains it: a read-only iTop answers every write as if rights were
//! missing, and iTop's code 100 is any PHP exception, so neither may be blamed on one ticket. Missing rights suspend
//! that class on that side; the same text on three tickets of one external suspends that external; on tickets of two
//! externals, all of them.
//!
//! The probe is a waiting ticket itself, once per `probe_ms`; those that were not refused go first. A probe that proves
//! nothing hands its turn back, so that the next one goes at once. A suspension ends when the refused operation
//! succeeds: for a read, a read or a write; for a write, only a write, since a read-only iTop still reads well. It also
//! ends when no ticket is left that it concerns: the customer took the change back, or the pair has ended.

use std::collections::{BTreeMap, BTreeSet};

use crate::issue::{Access, Cause, Issue};
use crate::timing::Timing;

#[cfg(test)]
mod tests;

/// Tickets of one external refused with one text before that external is suspended.
const REFUSED_TICKETS: usize = 3;

/// A ticket that was refused itself lets the others probe first for this long.
const AFTER_OTHERS_MS: i64 = 1_000;

#[derive(Debug)]
pub struct Suspensions {
    probe_ms: i64,
    poll_ms: i64,
    together_ms: i64,
    held: BTreeMap<Cause, Wait>,
    /// By the text without its values: the tickets refused with it, and when last.
    texts: BTreeMap<String, BTreeMap<TicketName, i64>>,
    /// Tickets that stayed refused when another succeeded: their refusals are their own.
    own_fault: BTreeSet<TicketName>,
    /// Since when a ticket has been refused without any other explanation.
    alone_since_ms: BTreeMap<TicketName, i64>,
}

/// An external and the id of its ticket.
type TicketName = (String, u64);

#[derive(Debug)]
struct Wait {
    since_ms: i64,
    /// When the next ticket may go as the probe.
    until_ms: i64,
    reason: String,
    /// The instance that refused, and the text without its values; `None` for missing rights.
    refused: Option<(String, String)>,
    /// The ticket that went as the probe and has not ended yet.
    probe: Option<TicketName>,
    /// The tickets that were refused or held back, and have not recovered since.
    waiting: BTreeSet<TicketName>,
}

/// The classes and sides that a ticket's pass would touch.
#[derive(Debug, Clone, Copy)]
pub struct Asks<'a> {
    pub external: &'a str,
    pub ticket: u64,
    pub external_class: &'a str,
    pub internal: &'a str,
    pub internal_class: &'a str,
}

/// The meaning of a refusal for its ticket.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing else explains it: the ticket's own fault until shown otherwise, and since when. A restart begins that
    /// count again.
    Alone { since_ms: i64 },
    /// Others wait for the same reason: this ticket is not to blame, and is never parked for it.
    Shared { cause: Cause, is_news: bool },
}

impl Suspensions {
    pub fn new(timing: &Timing) -> Suspensions {
        Suspensions {
            probe_ms: timing.probe_ms,
            poll_ms: timing.poll_ms,
            together_ms: timing.refused_together_ms,
            held: BTreeMap::new(),
            texts: BTreeMap::new(),
            own_fault: BTreeSet::new(),
            alone_since_ms: BTreeMap::new(),
        }
    }

    /// Until when this ticket waits, with its external or its classes, and why. While a probe is under way the wait is
    /// short, since the probe may prove nothing. Records the ticket as waiting.
    pub fn wait(&mut self, asks: Asks<'_>, now_ms: i64) -> Option<(i64, String)> {
        let told = self.until(asks, now_ms);
        if told.is_some() {
            for (_, wait) in self.held.iter_mut().filter(|(cause, _)| asks.meets(cause)) {
                wait.waiting.insert(asks.name());
            }
        }
        told
    }

    fn until(&self, asks: Asks<'_>, now_ms: i64) -> Option<(i64, String)> {
        // Tickets that were not refused go first: the others may be refused for good.
        let later_ms = if self.was_refused(&asks.name()) { AFTER_OTHERS_MS } else { 0 };
        let waits = self.held.iter().filter(|(cause, _)| asks.meets(cause)).map(|(_, wait)| {
            let until_ms = wait.until_ms + later_ms;
            (if wait.probe.is_some() { until_ms.min(now_ms + self.poll_ms) } else { until_ms }, wait)
        });
        let (until_ms, wait) = waits.max_by_key(|(until_ms, _)| *until_ms)?;
        (now_ms < until_ms).then(|| (until_ms, wait.reason.clone()))
    }

    /// The same for a ticket whose pass begins now: if it is due, it becomes the probe.
    pub fn take_turn(&mut self, asks: Asks<'_>, now_ms: i64) -> Option<(i64, String)> {
        let wait = self.wait(asks, now_ms);
        if wait.is_none() {
            for (_, wait) in self.held.iter_mut().filter(|(cause, _)| asks.meets(cause)) {
                wait.until_ms = now_ms + self.probe_ms;
                wait.probe = Some(asks.name());
            }
        }
        wait
    }

    /// A pass has ended. If it was a probe that neither succeeded nor was refused, it has proved nothing, and the next
    /// one may go.
    pub fn hand_back(&mut self, external: &str, ticket: u64, now_ms: i64) {
        let name = (external.to_owned(), ticket);
        for wait in self.held.values_mut().filter(|wait| wait.probe.as_ref() == Some(&name)) {
            wait.until_ms = wait.until_ms.min(now_ms);
            wait.probe = None;
        }
    }

    /// A call for this ticket was answered as if that right were missing. Returns whether that is news.
    pub fn rights(&mut self, external: &str, ticket: u64, missing: Cause, now_ms: i64, reason: String) -> bool {
        self.hold(missing, (external.to_owned(), ticket), now_ms, reason, None)
    }

    /// A ticket was refused with this text.
    pub fn refused(&mut self, external: &str, ticket: u64, instance: &str, text: &str, now_ms: i64) -> Verdict {
        self.forget_what_is_long_ago(now_ms);
        let (name, key) = ((external.to_owned(), ticket), without_values(text));
        if !self.own_fault.contains(&name) {
            self.texts.entry(key.clone()).or_default().insert(name.clone(), now_ms);
        }
        let Some(cause) = self.explanation(external, &key) else {
            return Verdict::Alone { since_ms: *self.alone_since_ms.entry(name).or_insert(now_ms) };
        };
        self.alone_since_ms.remove(&name);
        let refused = Some((instance.to_owned(), key));
        let is_news = self.hold(cause.clone(), name, now_ms, text.to_owned(), refused);
        Verdict::Shared { cause, is_news }
    }

    /// The cause that explains this text on a ticket of this external, if others met it too.
    fn explanation(&self, external: &str, key: &str) -> Option<Cause> {
        let stands = |cause: &Cause| self.held.get(cause).is_some_and(|wait| wait.is_for(key));
        let of_external = Cause::External { external: external.to_owned() };
        let tickets = self.texts.get(key);
        let names = || tickets.into_iter().flat_map(BTreeMap::keys);
        let of_others = names().any(|(name, _)| name != external);
        let of_own = names().filter(|(name, _)| name == external).count();
        if stands(&Cause::Internal) || (of_others && of_own > 0) {
            return Some(Cause::Internal);
        }
        (stands(&of_external) || of_own >= REFUSED_TICKETS).then_some(of_external)
    }

    fn hold(
        &mut self,
        cause: Cause,
        name: TicketName,
        now_ms: i64,
        reason: String,
        refused: Option<(String, String)>,
    ) -> bool {
        let before = self.held.remove(&cause);
        let is_news = before.is_none();
        let (since_ms, mut waiting) = before.map_or((now_ms, BTreeSet::new()), |wait| (wait.since_ms, wait.waiting));
        waiting.insert(name);
        let until_ms = now_ms + self.probe_ms;
        self.held.insert(cause, Wait { since_ms, until_ms, reason, refused, probe: None, waiting });
        is_news
    }

    /// Refusals count together only if they come at about the same time. Those that caused a suspension are kept while
    /// it lasts: their tickets wait, and cannot be refused again.
    fn forget_what_is_long_ago(&mut self, now_ms: i64) {
        let (held, together_ms) = (&self.held, self.together_ms);
        self.texts.retain(|key, tickets| {
            let stands = held.values().any(|wait| wait.is_for(key));
            tickets.retain(|_, refused_ms| stands || now_ms - *refused_ms < together_ms);
            !tickets.is_empty()
        });
    }

    fn was_refused(&self, name: &TicketName) -> bool {
        self.own_fault.contains(name) || self.texts.values().any(|tickets| tickets.contains_key(name))
    }

    /// A pass over this ticket succeeded, or there will be none: its refusals count no more, and it waits no more. A
    /// suspension without any remaining ticket ends too. Returns the suspensions that ended.
    pub fn record_well(&mut self, external: &str, ticket: u64) -> Vec<Cause> {
        let name = (external.to_owned(), ticket);
        self.own_fault.remove(&name);
        self.alone_since_ms.remove(&name);
        self.forget(&name);
        let texts = &self.texts;
        let mut ended = Vec::new();
        self.held.retain(|cause, wait| {
            wait.waiting.remove(&name);
            let explained = match &wait.refused {
                Some((_, key)) => texts.get(key).is_some_and(|tickets| cause.concerns_any(tickets)),
                None => !wait.waiting.is_empty(),
            };
            if !explained {
                ended.push(cause.clone());
            }
            explained
        });
        ended
    }

    /// All tickets of one external that are recorded here.
    pub fn known(&self, external: &str) -> BTreeSet<u64> {
        let waiting = self.held.values().flat_map(|wait| &wait.waiting);
        let refused = self.texts.values().flat_map(BTreeMap::keys);
        let alone = self.own_fault.iter().chain(self.alone_since_ms.keys());
        let of_external = waiting.chain(refused).chain(alone).filter(|(name, _)| name == external);
        of_external.map(|(_, ticket)| *ticket).collect()
    }

    fn forget(&mut self, name: &TicketName) {
        self.texts.retain(|_, tickets| {
            tickets.remove(name);
            !tickets.is_empty()
        });
    }

    /// Objects of this class could be read. Returns the suspension that ended, if any.
    pub fn was_read(&mut self, instance: &str, class: &str) -> Option<Cause> {
        self.end_class(instance, class, Access::Read)
    }

    /// A write to an object of this class succeeded for this ticket: ends the suspensions that concern it on that
    /// instance. Tickets that stay refused with the same text are to blame themselves. Returns the suspensions that
    /// ended.
    pub fn was_written(&mut self, external: &str, ticket: u64, instance: &str, class: &str) -> Vec<Cause> {
        self.forget(&(external.to_owned(), ticket));
        let mut ended: Vec<Cause> = self.end_class(instance, class, Access::Read).into_iter().collect();
        ended.extend(self.end_class(instance, class, Access::Write));
        for cause in [Cause::External { external: external.to_owned() }, Cause::Internal] {
            let key = match self.held.get(&cause).and_then(|wait| wait.refused.as_ref()) {
                Some((refused_by, key)) if refused_by == instance => key.clone(),
                _ => continue,
            };
            self.held.remove(&cause);
            let own_fault = &mut self.own_fault;
            self.texts.retain(|text, tickets| {
                let to_blame = |name: &TicketName| *text == key && cause.concerns(name);
                own_fault.extend(tickets.keys().filter(|name| to_blame(name)).cloned());
                tickets.retain(|name, _| !to_blame(name));
                !tickets.is_empty()
            });
            ended.push(cause);
        }
        ended
    }

    fn end_class(&mut self, instance: &str, class: &str, access: Access) -> Option<Cause> {
        let cause = Cause::Class { instance: instance.to_owned(), class: class.to_owned(), access };
        self.held.remove(&cause).map(|_| cause)
    }

    /// The tickets of one external whose refusals nothing else explains.
    pub fn refused_alone(&self, external: &str) -> BTreeSet<u64> {
        self.alone_since_ms.keys().filter(|(name, _)| name == external).map(|(_, ticket)| *ticket).collect()
    }

    /// The suspensions, for the operator.
    pub fn issues(&self) -> Vec<Issue> {
        let issue = |(cause, wait): (&Cause, &Wait)| Issue {
            cause: cause.clone(),
            since_ms: wait.since_ms,
            reason: wait.reason.clone(),
        };
        self.held.iter().map(issue).collect()
    }
}

impl Cause {
    /// Whether a refusal of this ticket may have led to this cause.
    fn concerns(&self, (name, _): &TicketName) -> bool {
        match self {
            Cause::Internal => true,
            Cause::External { external } => external == name,
            Cause::Down { .. } | Cause::Throttled { .. } | Cause::Class { .. } => false,
        }
    }

    fn concerns_any(&self, tickets: &BTreeMap<TicketName, i64>) -> bool {
        tickets.keys().any(|name| self.concerns(name))
    }
}

impl Wait {
    fn is_for(&self, key: &str) -> bool {
        self.refused.as_ref().is_some_and(|(_, text)| text == key)
    }
}

impl Asks<'_> {
    fn name(&self) -> TicketName {
        (self.external.to_owned(), self.ticket)
    }

    fn meets(&self, cause: &Cause) -> bool {
        match cause {
            Cause::Down { .. } | Cause::Throttled { .. } => false,
            Cause::Internal => true,
            Cause::External { external } => external == self.external,
            Cause::Class { instance, class, .. } => {
                (instance == self.external && class == self.external_class)
                    || (instance == self.internal && class == self.internal_class)
            }
        }
    }
}

/// Logs that these suspensions have ended.
pub fn say_over(ended: &[Cause]) {
    for cause in ended {
        tracing::warn!("{cause}: waits no more");
    }
}

/// A message without the parts that differ per ticket: numbers, and text in quotes or brackets.
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
