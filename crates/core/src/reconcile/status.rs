//! The external status moves the internal ticket, by stimuli.

use crate::lifecycle::{Lifecycle, Transition, is_escalation, is_refusal};
use crate::link::{Conflict, Late, Link};
use crate::plan::{Note, Plan, Step, Stimulus, StimulusAttribute, TakenFrom, Write};
use crate::policy::{Policy, StatusToInternal};
use crate::ticket::{Ticket, is_external_key};

pub fn plan(policy: &Policy, link: &Link, external: &Ticket, internal: &Ticket, plan: &mut Plan) {
    let (Some(outside), Some(inside)) = (&policy.external_lifecycle, &policy.internal_lifecycle) else { return };
    if policy.status_to_internal == StatusToInternal::Off {
        return;
    }
    let agreed =
        if link.ancestor.external.status.is_empty() { &outside.initial } else { &link.ancestor.external.status };
    let wanted = without_escalation(outside, agreed, &external.status).to_owned();
    let present = without_escalation(inside, &link.ancestor.internal.status, &internal.status).to_owned();

    if wanted == present {
        return note(link, wanted, present, plan);
    }
    let moved = wanted != *agreed;
    let late = landed_late(link, inside, &present);
    let settled = late.filter(|late| link.settled_late(internal.read_at_ms).any(|settled| settled == *late));
    if !moved && late.is_some() && settled.is_none() {
        // Here a stimulus of the bridge's own may have moved the ticket: until it has settled, that must
        // not be remembered as a person's move.
        return;
    }
    let own = late.is_some() || stopped_on_own_walk(link, &present);
    if !own && (!moved || is_absorbed(outside, inside, agreed, &wanted, internal)) {
        // Here the external ticket did not move, or only catches up: the inside goes its own way.
        return note(link, wanted, present, plan);
    }
    if let Some(late) = settled {
        plan.owe(link, late);
    }
    match inside.path(&internal.status, &wanted) {
        Some(path) if !path.is_empty() => {
            let walk = path.iter().map(|t| stimulus(policy, t, external, internal)).collect();
            let reason = reason(link, agreed, &wanted, &present, own);
            plan.writes.push(Step { write: Write::WalkStatus { wanted, walk }, reason });
        }
        Some(_) => note(link, wanted, present, plan),
        None => plan.conflicts.push(Conflict {
            about: "status".to_owned(),
            text: format!(
                "{} went to {wanted} outside; the internal ticket stands at {} and no stimulus leads there",
                link.external.reference, internal.status
            ),
        }),
    }
}

fn note(link: &Link, external: String, internal: String, plan: &mut Plan) {
    let ancestor = &link.ancestor;
    // A walk that was given up is over: a person who goes there later goes there himself.
    let open = link.path.is_some() || link.owed.iter().any(|late| matches!(late, Late::Status { .. }));
    if open || ancestor.external.status != external || ancestor.internal.status != internal {
        plan.notes.push(Note::Status { external, internal });
    }
}

/// Entering an escalation is no move: the last state that was none stays. Only where no clock leads from
/// there to this escalation did the ticket move before it, unseen; and only where that can have been to
/// one state alone is it taken for known. Nobody's approval is guessed.
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

/// A customer who catches up does not re-open what the provider has resolved: where the inside is
/// further along, a move outside writes nothing. A re-opening (the external's own rank fell) and a
/// refusal are no catching up.
fn is_absorbed(outside: &Lifecycle, inside: &Lifecycle, agreed: &str, wanted: &str, internal: &Ticket) -> bool {
    let reopened = outside.rank(wanted) < outside.rank(agreed);
    inside.rank(&internal.status) > outside.rank(wanted) && !reopened && !is_refusal(wanted)
}

/// A stimulus that was given up has moved the ticket after all, away from what was agreed since. From
/// there it may lead elsewhere than where it was sent to: `ev_reopen` leads from rejected to new, and from
/// resolved to assigned.
fn landed_late<'a>(link: &'a Link, inside: &Lifecycle, present: &str) -> Option<&'a Late> {
    let agreed = &link.ancestor.internal.status;
    if agreed == present {
        return None;
    }
    let leads_here = |stimulus: &str| {
        inside.transitions.iter().any(|t| t.stimulus == stimulus && t.from == *agreed && t.to == present)
    };
    let came_here =
        |to: &str| to == present || inside.transitions.iter().any(|sent| sent.to == to && leads_here(&sent.stimulus));
    let mut given_up = link.owed.iter().chain(link.late.iter().map(|late| &late.what));
    given_up.find(|late| matches!(late, Late::Status { to } if came_here(to)))
}

/// The bridge's own walk brought the ticket here and was broken off.
fn stopped_on_own_walk(link: &Link, present: &str) -> bool {
    let answered = link.ancestor.internal.status == present;
    answered && link.path.as_ref().is_some_and(|path| path.states.iter().any(|state| state == present))
}

fn reason(link: &Link, agreed: &str, wanted: &str, present: &str, own: bool) -> String {
    if wanted == agreed {
        return format!("the bridge itself moved the ticket to {present}; the status outside is {wanted}");
    }
    let before = &link.ancestor.internal.status;
    if !before.is_empty() && before != present && !own {
        format!("status went from {agreed} to {wanted} outside, which wins over {present} inside")
    } else {
        format!("status went from {agreed} to {wanted} outside")
    }
}

fn stimulus(policy: &Policy, transition: &Transition, external: &Ticket, internal: &Ticket) -> Stimulus {
    Stimulus {
        code: transition.stimulus.clone(),
        from: transition.from.clone(),
        to: transition.to.clone(),
        attributes: transition.asked().filter_map(|code| attribute(policy, code, external, internal)).collect(),
    }
}

/// A person, team, organisation or service is the internal ticket's own, sent back unchanged (on PHP 8
/// iTop takes an empty external key for present), the default only where it is empty. Anything else is
/// the external ticket's word, else what stands, else the default.
fn attribute(policy: &Policy, code: &str, external: &Ticket, internal: &Ticket) -> Option<StimulusAttribute> {
    let own = internal.filled(code).map(|value| (value, TakenFrom::Target));
    let default = policy.internal_defaults.get(code).map(|value| (value.as_str(), TakenFrom::Default));
    let found = if is_external_key(code) {
        own.or(default)
    } else if own.is_some() && (code == "title" || policy.fields.iter().any(|field| field == code)) {
        None
    } else {
        let source = external.filled(code).map(|value| (value, TakenFrom::Source));
        source.or(if own.is_some() { None } else { default })
    };
    found.map(|(value, taken_from)| StimulusAttribute { code: code.to_owned(), value: value.to_owned(), taken_from })
}
