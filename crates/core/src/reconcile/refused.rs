//! Texts that a stimulus was to carry and that the target refused. The ticket was moved with other words in their
//! place: the text follows when it changes, or when its retry is due. A text that is also kept up to date as a field
//! follows as a field.

use crate::link::{Link, RefusedField};
use crate::plan::{Note, Plan, Step, Write};
use crate::policy::Policy;
use crate::ticket::{Side, Ticket};

pub fn plan(policy: &Policy, link: &Link, external: &Ticket, internal: &Ticket, plan: &mut Plan) {
    let of_stimuli = link.open.refused.iter().filter(|refused| refused.in_place.is_some());
    for refused in of_stimuli.filter(|refused| !(refused.on == Side::Internal && is_field(policy, &refused.code))) {
        let (source, target) = refused.on.other().source_and_target(external, internal);
        one(policy, link, refused, source, target, plan);
    }
}

fn one(policy: &Policy, link: &Link, refused: &RefusedField, source: &Ticket, target: &Ticket, plan: &mut Plan) {
    let (on, code) = (refused.on, &refused.code);
    let said = source.filled(code).map(|value| source.abroad_at(code).unwrap_or(value));
    let stands = target.attributes.get(code).is_some_and(|shown| refused.stands_in(shown));
    // Here the stimulus without the text is still to come, or may still land.
    let is_on_its_way =
        link.in_flight.path.as_ref().is_some_and(|path| path.on == on) || link.status_may_land(on, target.read_at_ms);
    let same = said.is_some_and(|said| refused.is_of(on, code, said));
    let Some(said) = said.filter(|_| stands || (is_on_its_way && same)) else {
        if !is_on_its_way {
            plan.notes.push(Note::NoLongerRefused { on, code: code.clone() });
        }
        return;
    };
    if same {
        let instance = if on == Side::External { &policy.external } else { &policy.internal };
        plan.conflicts.push(refused.conflict(instance));
    }
    if !stands || (same && target.read_at_ms < refused.again_at_ms) {
        return;
    }
    let reason = if same { "it was refused before" } else { "it was refused before, and has changed since" };
    let write = Write::WriteText { on, code: code.clone(), value: said.to_owned() };
    plan.writes.push(Step { write, reason: reason.to_owned() });
}

fn is_field(policy: &Policy, code: &str) -> bool {
    policy.fields.iter().any(|field| field == code)
}
