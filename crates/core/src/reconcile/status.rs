//! The status, by stimuli. An external move drives the internal ticket; an internal move drives the external one
//! where the policy says `apply`. When both moved, the external status wins.

use crate::document::Line;
use crate::lifecycle::{Lifecycle, Transition, is_escalation, is_refusal};
use crate::link::{Conflict, ConflictKind, Late, Link};
use crate::plan::{Note, Plan, Step, Stimulus, StimulusAttribute, TakenFrom, Write};
use crate::policy::{Policy, StatusToExternal, StatusToInternal};
use crate::reconcile::documents::refused_line;
use crate::reconcile::restored::When;
use crate::ticket::{Side, Ticket, is_external_key};

/// Plans the walk of one side to the other's state. Returns an external move that the internal ticket cannot follow,
/// if it is news: the notice tells the internal people of it.
pub fn plan(policy: &Policy, link: &Link, external: &Ticket, internal: &Ticket, plan: &mut Plan) -> Option<Line> {
    let (external_lifecycle, internal_lifecycle) = lifecycles(policy)?;
    let to_internal = policy.status_to_internal == StatusToInternal::Apply;
    let to_external = policy.status_to_external == StatusToExternal::Apply;
    if !to_internal && !to_external {
        return None;
    }
    let external = Standing::of(link, Side::External, external_lifecycle, external);
    let internal = Standing::of(link, Side::Internal, internal_lifecycle, internal);
    if !external.moved && external.calm != internal.calm {
        plan.conflicts.extend(link.older_conflict(Conflict::STATUS).cloned());
    }
    if external.calm == internal.calm {
        note(link, &external, &internal, plan);
        return None;
    }
    if (!external.moved && internal.waits_for_its_own_late(link))
        || (!internal.moved && external.waits_for_its_own_late(link))
    {
        // Here a stimulus of the bridge's own may have moved the ticket: until it has settled, that must not be
        // remembered as a person's move.
        return None;
    }
    let drives_internal =
        internal.is_own() || (external.moved && !external.is_own() && !is_absorbed(&external, &internal));
    let drives_external = external.is_own() || (internal.moved && !internal.is_own());
    if to_internal && drives_internal {
        drive(policy, link, &external, &internal, plan)
    } else if to_external && drives_external {
        drive(policy, link, &internal, &external, plan)
    } else {
        // Here neither has to follow the other.
        note(link, &external, &internal, plan);
        None
    }
}

/// The status of a pair of which nothing is remembered: each side's state, and a conflict if one should have followed
/// the other.
pub fn as_it_stands(
    policy: &Policy,
    external: &Ticket,
    internal: &Ticket,
    when: When,
) -> Option<(Note, Option<Conflict>)> {
    let (external_lifecycle, internal_lifecycle) = lifecycles(policy)?;
    let external = without_escalation(external_lifecycle, "", &external.status);
    let internal = without_escalation(internal_lifecycle, "", &internal.status);
    let note = Note::Status { external: external.to_owned(), internal: internal.to_owned() };
    let goes_ahead = internal_lifecycle.rank(internal) > external_lifecycle.rank(external);
    let external_is_driven = policy.status_to_external == StatusToExternal::Apply;
    let internal_is_driven = policy.status_to_internal == StatusToInternal::Apply;
    let differs = external != internal && if goes_ahead { external_is_driven } else { internal_is_driven };
    let conflict = differs.then(|| {
        let text = format!(
            "it was {external} {there} and {internal} {} when {}; it is left so until it moves {there}",
            Side::Internal.place(),
            when.in_words(),
            there = Side::External.place()
        );
        Conflict { is_older: true, ..Conflict::new(Conflict::STATUS, text) }
    });
    Some((note, conflict))
}

/// The external lifecycle and the internal one, if the policy has both.
fn lifecycles(policy: &Policy) -> Option<(&Lifecycle, &Lifecycle)> {
    Some((policy.external_lifecycle.as_ref()?, policy.internal_lifecycle.as_ref()?))
}

/// One side's state compared with the agreed one.
struct Standing<'a> {
    side: Side,
    lifecycle: &'a Lifecycle,
    ticket: &'a Ticket,
    agreed: &'a str,
    /// The ticket's state, or the one that an escalation left.
    calm: &'a str,
    moved: bool,
    /// A given-up stimulus that has moved the ticket after all.
    late: Option<&'a Late>,
    /// The bridge's own walk brought the ticket here and was broken off.
    stopped_on_own_walk: bool,
}

impl<'a> Standing<'a> {
    fn of(link: &'a Link, side: Side, lifecycle: &'a Lifecycle, ticket: &'a Ticket) -> Standing<'a> {
        let known = link.ancestor.side(side).status.as_str();
        let calm = without_escalation(lifecycle, known, &ticket.status);
        let calm =
            came_there_late(link, side, lifecycle, known, &ticket.status).filter(|_| calm == known).unwrap_or(calm);
        let agreed = match side {
            _ if !known.is_empty() => known,
            Side::External => lifecycle.initial.as_str(),
            // Created by the bridge: its state before anything was agreed is its beginning.
            Side::Internal => calm,
        };
        Standing {
            side,
            lifecycle,
            ticket,
            agreed,
            calm,
            moved: calm != agreed,
            late: landed_late(link, side, lifecycle, known, calm),
            stopped_on_own_walk: stopped_on_own_walk(link, side, known, calm),
        }
    }

    fn is_own(&self) -> bool {
        self.late.is_some() || self.stopped_on_own_walk
    }

    fn settled(&self, link: &'a Link) -> Option<&'a Late> {
        self.late.filter(|late| link.settled_late(self.ticket.read_at_ms).any(|settled| settled == *late))
    }

    fn waits_for_its_own_late(&self, link: &'a Link) -> bool {
        self.late.is_some() && self.settled(link).is_none()
    }
}

/// Moves one side to the other's state.
fn drive(policy: &Policy, link: &Link, source: &Standing<'_>, target: &Standing<'_>, plan: &mut Plan) -> Option<Line> {
    if let Some(late) = target.settled(link) {
        plan.owe(link, late);
    }
    match target.lifecycle.path(&target.ticket.status, source.calm) {
        Some(path) if !path.is_empty() => {
            let unknown = path.iter().flat_map(|transition| transition.asked());
            if let Some(why) = unknown.filter_map(|code| source.ticket.unknown_abroad(code)).next() {
                plan.wait_for_date(Conflict::STATUS, why);
                return None;
            }
            let walk = path.iter().map(|transition| stimulus(policy, transition, source, target)).collect();
            let write = Write::WalkStatus { on: target.side, wanted: source.calm.to_owned(), walk };
            plan.writes.push(Step { write, reason: reason(link, source, target) });
            None
        }
        Some(_) => {
            let (external, internal) = if source.side == Side::External { (source, target) } else { (target, source) };
            note(link, external, internal, plan);
            None
        }
        None => unreachable(link, source, target, plan),
    }
}

fn unreachable(link: &Link, source: &Standing<'_>, target: &Standing<'_>, plan: &mut Plan) -> Option<Line> {
    let went = format!("{} went to ", link.key(source.side).map_or("", |key| &key.reference));
    let this_move = format!("{went}{} {};", source.calm, source.side.place());
    let known = || link.open.conflicts.iter().filter(|known| known.is_of_the_status());
    let is_told = |to: Option<&str>| {
        known().any(|known| match &known.kind {
            Some(ConflictKind::CannotFollow { by, to: told }) => *by == source.side && to.is_none_or(|to| to == told),
            // As an earlier version stored it.
            _ => known.in_words_of_today().text.starts_with(if to.is_some() { &this_move } else { &went }),
        })
    };
    let reopened = source.lifecycle.rank(source.calm) < source.lifecycle.rank(source.agreed);
    // A refusal is the same wherever the target went meanwhile; and a ticket that goes on after its re-opening is not
    // re-opened once more.
    let is_news = if is_refusal(source.calm) { !is_told(Some(source.calm)) } else { reopened && !is_told(None) };
    let (word, stands) = (target.side.word(), &target.ticket.status);
    let text = format!("{this_move} the {word} ticket stands at {stands} and no stimulus leads there");
    let kind = Some(ConflictKind::CannotFollow { by: source.side, to: source.calm.to_owned() });
    plan.conflicts.push(Conflict { kind, ..Conflict::new(Conflict::STATUS, text) });
    let must_be_seen = source.side == Side::External && is_news;
    must_be_seen.then(|| refused_line(source.ticket, source.calm, reopened))
}

fn note(link: &Link, external: &Standing<'_>, internal: &Standing<'_>, plan: &mut Plan) {
    let ancestor = &link.ancestor;
    // A given-up walk is over: a later move to its states is a person's.
    let open =
        link.in_flight.path.is_some() || link.in_flight.owed.iter().any(|late| matches!(late, Late::Status { .. }));
    if open || ancestor.external.status != external.calm || ancestor.internal.status != internal.calm {
        plan.notes.push(Note::Status { external: external.calm.to_owned(), internal: internal.calm.to_owned() });
    }
}

/// The state without the escalation, which is no move. It is the state that the escalation left, if only one that the
/// ticket can have reached leads to it; otherwise the known state stays, since nobody's approval is guessed.
fn without_escalation<'a>(lifecycle: &'a Lifecycle, agreed: &'a str, state: &'a str) -> &'a str {
    if !is_escalation(state) {
        return state;
    }
    let known = if agreed.is_empty() { &lifecycle.initial } else { lifecycle.before_escalation(agreed) };
    let left: Vec<&str> =
        lifecycle.escalated_from(state).filter(|from| lifecycle.path(known, from).is_some()).collect();
    match left.as_slice() {
        [only] => only,
        _ => known,
    }
}

/// The state from which the ticket was escalated to `state`, where given-up stimuli alone explain how it came there
/// from the known one.
fn came_there_late<'a>(link: &'a Link, side: Side, lifecycle: &Lifecycle, known: &str, state: &str) -> Option<&'a str> {
    let given_up = || {
        link.given_up().filter_map(|late| match late {
            Late::Status { on, to } if *on == side => Some(to.as_str()),
            _ => None,
        })
    };
    let leads = |from: &str, to: &str| lifecycle.transitions.iter().any(|t| t.from == from && t.to == to);
    let may_have_led = |to: &str| leads(known, to) || given_up().any(|from| from != to && leads(from, to));
    given_up().find(|to| lifecycle.escalated_from(state).any(|from| from == *to) && may_have_led(to))
}

/// A customer who catches up does not re-open a ticket that the provider has resolved: where the internal ticket is
/// further along, an external move writes nothing. A re-opening (the external rank fell) and a refusal are not
/// catching up.
fn is_absorbed(external: &Standing<'_>, internal: &Standing<'_>) -> bool {
    let wanted = external.lifecycle.rank(external.calm);
    let reopened = wanted < external.lifecycle.rank(external.agreed);
    internal.lifecycle.rank(&internal.ticket.status) > wanted && !reopened && !is_refusal(external.calm)
}

/// A given-up stimulus that has moved the ticket after all, away from the state agreed since. From there it may lead
/// to another state than intended: `ev_reopen` leads from rejected to new, and from resolved to assigned.
fn landed_late<'a>(link: &'a Link, side: Side, lifecycle: &Lifecycle, agreed: &str, present: &str) -> Option<&'a Late> {
    if agreed == present {
        return None;
    }
    let leads_here = |stimulus: &str| {
        lifecycle.transitions.iter().any(|t| t.stimulus == stimulus && t.from == *agreed && t.to == present)
    };
    let came_here = |to: &str| {
        to == present || lifecycle.transitions.iter().any(|sent| sent.to == to && leads_here(&sent.stimulus))
    };
    link.given_up().find(|late| matches!(late, Late::Status { on, to } if *on == side && came_here(to)))
}

fn stopped_on_own_walk(link: &Link, side: Side, agreed: &str, present: &str) -> bool {
    let is_on = |path: &crate::link::StatusPath| path.on == side && path.states.iter().any(|state| state == present);
    agreed == present && link.in_flight.path.as_ref().is_some_and(is_on)
}

fn reason(link: &Link, source: &Standing<'_>, target: &Standing<'_>) -> String {
    let (agreed, wanted, place) = (source.agreed, source.calm, source.side.place());
    if wanted == agreed {
        return format!("the bridge itself moved the ticket to {}; the status {place} is {wanted}", target.calm);
    }
    let before = &link.ancestor.side(target.side).status;
    if !before.is_empty() && before != target.calm && !target.is_own() {
        format!(
            "status went from {agreed} to {wanted} {place}, which wins over {} {}",
            target.calm,
            target.side.place()
        )
    } else {
        format!("status went from {agreed} to {wanted} {place}")
    }
}

fn stimulus(policy: &Policy, transition: &Transition, source: &Standing<'_>, target: &Standing<'_>) -> Stimulus {
    Stimulus {
        code: transition.stimulus.clone(),
        from: transition.from.clone(),
        to: transition.to.clone(),
        attributes: transition.asked().filter_map(|code| attribute(policy, code, source, target)).collect(),
    }
}

/// For a person, team, organisation or service: the target ticket's own value, sent back unchanged (on PHP 8 iTop
/// takes an empty external key for present), or the side's default if it is empty. For anything else: the source
/// ticket's value, else the target's present one (not sent), else the default. Bridged fields never cross to the
/// external side.
fn attribute(policy: &Policy, code: &str, source: &Standing<'_>, target: &Standing<'_>) -> Option<StimulusAttribute> {
    let own = target.ticket.filled(code).map(|value| (value, TakenFrom::Target));
    let default = policy.defaults(target.side).get(code).map(|value| (value.as_str(), TakenFrom::Default));
    let is_field = matches!(code, "title" | "description") || policy.fields.iter().any(|field| field == code);
    let found = if is_external_key(code) {
        own.or(default)
    } else if own.is_some() && is_field {
        None
    } else if is_field && target.side == Side::External {
        default
    } else {
        let source = source.ticket.filled(code).map(|value| source.ticket.abroad_at(code).unwrap_or(value));
        let source = source.map(|value| (value, TakenFrom::Source));
        source.or(if own.is_some() { None } else { default })
    };
    found.map(|(value, taken_from)| StimulusAttribute { code: code.to_owned(), value: value.to_owned(), taken_from })
}
