//! Fields cross from the external side to the internal one.

use super::restored::When;
use crate::link::{Conflict, Edit, Late, Link, is_as_agreed};
use crate::plan::{FieldWrite, Note, Plan, Step, Value, Write};
use crate::policy::Policy;
use crate::text::{self, NO_DESCRIPTION};
use crate::ticket::{Side, Ticket, is_external_key};
use crate::words::Journey;

/// Creates the counterpart: the bridged fields come from the external ticket; every field that names a person, a
/// team, an organisation or a service comes from the internal side's defaults.
pub fn create(policy: &Policy, external: &Ticket) -> Step {
    let mut fields: Vec<FieldWrite> = codes_at_create(policy)
        .filter_map(|code| {
            let source = external.attributes.get(code).filter(|source| !source.is_empty() || is_mandatory(code))?;
            Some(FieldWrite {
                code: code.to_owned(),
                value: wanted(policy, external, code, source)?,
                source: Some(source.clone()),
                lost_edit: None,
            })
        })
        .collect();
    for (code, value) in &policy.internal_defaults {
        let set = fields.iter().any(|field| field.code == *code);
        if !set && belongs_to_create(policy, code) {
            let value = Value::Text(value.clone());
            fields.push(FieldWrite { code: code.clone(), value, source: None, lost_edit: None });
        }
    }
    Step {
        write: Write::CreateTicket { class: policy.internal_class.clone(), fields },
        reason: format!("{} has no counterpart yet", external.reference),
    }
}

/// Title and description are mandatory in iTop, whatever the operator keeps up to date afterwards.
fn codes_at_create(policy: &Policy) -> impl Iterator<Item = &str> {
    let others = policy.fields.iter().map(String::as_str).filter(|code| !is_mandatory(code));
    ["title", "description"].into_iter().chain(others)
}

fn is_mandatory(code: &str) -> bool {
    matches!(code, "title" | "description")
}

/// A default for an attribute that a later stimulus asks for (a pending reason, a solution) waits for that stimulus.
fn belongs_to_create(policy: &Policy, code: &str) -> bool {
    let asked_later = policy.internal_lifecycle.as_ref().is_some_and(|l| l.asked_anywhere().contains(code));
    is_external_key(code) || !asked_later
}

/// The internal value for this external value; `None` for a date whose internal equivalent is unknown.
fn wanted(policy: &Policy, external: &Ticket, code: &str, source: &str) -> Option<Value> {
    let value = match code {
        "title" => Value::Text(title(policy, external, source)),
        _ if Policy::is_html(code) && source.trim().is_empty() => Value::Text(NO_DESCRIPTION.to_owned()),
        _ if is_markup(code, source) => Value::Html(source.to_owned()),
        _ if external.abroad.contains_key(code) && !source.is_empty() => {
            Value::Text(external.abroad_at(code)?.to_owned())
        }
        _ => Value::Text(source.to_owned()),
    };
    Some(value)
}

/// The title as it is told internally: converted to words first, so that no link is cut in two.
fn title(policy: &Policy, external: &Ticket, title: &str) -> String {
    text::title(&policy.title, &external.reference, &told(policy, external, title))
}

/// A plain text of the external without what only its own iTop understands.
fn told(policy: &Policy, external: &Ticket, text: &str) -> String {
    let (from, to) = (&policy.external_console, &policy.internal_console);
    Journey { from, to, ticket: &external.key() }.words_of(text)
}

/// Whether this value of the field is HTML, or looks like it. A title never is: it is always text.
fn is_markup(code: &str, value: &str) -> bool {
    Policy::is_html(code) || (code != "title" && text::could_be_html(value))
}

/// Plans the update of the fields that changed outside, or that a late write set back.
pub fn plan(policy: &Policy, link: &Link, external: &Ticket, internal: &Ticket, plan: &mut Plan) {
    plan.notes.extend(link.in_flight.contested_edits.iter().filter_map(|edit| end_of(link, edit, internal)));
    let mut fields = Vec::new();
    let mut why = Vec::new();
    for code in &policy.fields {
        let unread = [external, internal].into_iter().filter(|ticket| !ticket.attributes.contains_key(code));
        if let Some(why) = unread.filter_map(|ticket| ticket.unknown_abroad(code)).next() {
            plan.wait_for_date(code, why);
        }
        // A field that one of the classes does not have is skipped.
        let (Some(source), Some(target)) = (external.attributes.get(code), internal.attributes.get(code)) else {
            continue;
        };
        let agreed = link.ancestor.external.fields.get(code);
        let moved = agreed.is_none_or(|agreed| !says_the_same(policy, external, code, agreed, source));
        let landed_late = landed_late(link, internal, code, target);
        if !moved && landed_late.is_none() {
            leave(link, internal, code, target, plan);
            if differs(policy, external, internal, code) {
                plan.conflicts.extend(link.older_conflict(code).cloned());
            }
            continue;
        }
        if agreed.is_none() && source.is_empty() && !is_mandatory(code) {
            // The external ticket never had a value here: there is nothing to take back.
            continue;
        }
        if let Some(why) = external.unknown_abroad(code) {
            plan.wait_for_date(code, why);
        }
        let Some(value) = wanted(policy, external, code, source) else { continue };
        if already_says(&value, target) {
            plan.notes.push(Note::Field { code: code.clone(), external: source.clone(), internal: target.clone() });
            continue;
        }
        if let Some(refused) = link.refused_value(Side::Internal, code, source)
            && internal.read_at_ms < refused.again_at_ms
        {
            // Here the very same value would only be refused again.
            plan.conflicts.push(refused.conflict(&policy.internal));
            continue;
        }
        why.push(reason(code, agreed.is_some(), moved));
        let lost_edit =
            lost_edit(link, code, target).filter(|edit| !(edit.may_be_ours && says_as_much(&value, target)));
        if let Some(late) = landed_late {
            plan.owe(link, late);
        }
        fields.push(FieldWrite { code: code.clone(), value, source: Some(source.clone()), lost_edit });
    }
    if !fields.is_empty() {
        plan.writes.push(Step { write: Write::UpdateFields { fields }, reason: why.join(", ") });
    }
}

/// The external value did not change: the internal one stays, whatever it is.
fn leave(link: &Link, internal: &Ticket, code: &str, target: &str, plan: &mut Plan) {
    plan.notes.extend(newly_contested(link, internal, code, target).map(Note::EditContested));
    if link.open.refused.iter().any(|refused| refused.is_at(Side::Internal, code)) {
        plan.notes.push(Note::NoLongerRefused { on: Side::Internal, code: code.to_owned() });
    }
    let gone = link.in_flight.owed.iter().filter(|late| late.is_of_field(code)).cloned();
    plan.notes.extend(gone.map(Note::NoLongerOwed));
}

/// Why a field is written, in words.
fn reason(code: &str, was_delivered: bool, moved: bool) -> String {
    match (was_delivered, moved) {
        // The counterpart was created without it.
        (false, _) => format!("{code} is still to be delivered"),
        (true, true) => format!("{code} changed {}", Side::External.place()),
        (true, false) => format!("an earlier {code} landed late"),
    }
}

/// For a pair that the store knows nothing of: notes both sides' fields as they stand, and the differences as
/// conflicts.
pub fn as_they_stand(policy: &Policy, external: &Ticket, internal: &Ticket, when: When) -> (Vec<Note>, Vec<Conflict>) {
    let (mut notes, mut conflicts) = (Vec::new(), Vec::new());
    for code in &policy.fields {
        let (Some(source), Some(target)) = (external.attributes.get(code), internal.attributes.get(code)) else {
            continue;
        };
        notes.push(Note::Field { code: code.clone(), external: source.clone(), internal: target.clone() });
        if differs(policy, external, internal, code) {
            let text = format!(
                "it differed when {}; it is left so until it changes {}",
                when.in_words(),
                Side::External.place()
            );
            conflicts.push(Conflict { is_older: true, ..Conflict::new(code, text) });
        }
    }
    (notes, conflicts)
}

/// Whether the internal value differs in words from the wanted one. Images, markup and content that does not fit do
/// not count: they are not the same on two sides.
fn differs(policy: &Policy, external: &Ticket, internal: &Ticket, code: &str) -> bool {
    let (Some(source), Some(target)) = (external.attributes.get(code), internal.attributes.get(code)) else {
        return false;
    };
    let says_nothing = source.is_empty() && !is_mandatory(code);
    let Some(wanted) = wanted(policy, external, code, source) else { return false };
    let is_said = match wanted {
        Value::Html(words) | Value::Text(words) if Policy::is_html(code) => text::says_what_fits(&words, target),
        Value::Text(words) if !is_markup(code, target) => words == *target,
        Value::Html(words) | Value::Text(words) => {
            text::same_words_in_any_form(&words, target) || text::says_what_fits(&words, target)
        }
    };
    // Links to the external iTop appear internally as words.
    let is_told = || text::same_words_in_any_form(&told(policy, external, &text::shown(source)), target);
    !(says_nothing || is_said || (code != "title" && is_told()))
}

fn already_says(value: &Value, target: &str) -> bool {
    match value {
        Value::Text(text) => text == target,
        Value::Html(html) => text::same_html(html, target),
    }
}

/// Whether the agreed external value and the present one say the same; only the part of a title that is not cut off
/// counts.
fn says_the_same(policy: &Policy, external: &Ticket, code: &str, agreed: &str, now: &str) -> bool {
    let title = |text| title(policy, external, text);
    if code == "title" { title(agreed) == title(now) } else { same(code, agreed, now) }
}

fn same(code: &str, agreed: &str, now: &str) -> bool {
    let are_html = is_markup(code, agreed) && is_markup(code, now);
    let same = if are_html { text::same_html(agreed, now) } else { agreed == now };
    same || is_as_agreed(agreed, now)
}

/// The internal value, where it differs from the answer to the bridge's last write: a person's, or that of an
/// unanswered write.
fn lost_edit(link: &Link, code: &str, target: &str) -> Option<Edit> {
    let agreed = link.ancestor.internal.fields.get(code)?;
    if link.open.refused.iter().any(|refused| refused.is_at(Side::Internal, code) && refused.stands_in(target)) {
        return None;
    }
    let may_be_ours = link.given_up().any(|late| carries(late, code, target));
    (!same(code, agreed, target)).then(|| Edit { code: code.to_owned(), value: target.to_owned(), may_be_ours })
}

/// Nothing of the present text is lost: iTop stored the same markup in another form.
fn says_as_much(value: &Value, target: &str) -> bool {
    matches!(value, Value::Html(html) if text::same_words(html, target) || text::same_words_in_any_form(html, target))
}

/// An edit seen while an earlier update may land over it: afterwards it may be too late to see.
fn newly_contested(link: &Link, internal: &Ticket, code: &str, target: &str) -> Option<Edit> {
    let edit = lost_edit(link, code, target).filter(|edit| !edit.may_be_ours)?;
    (may_land(link, internal, code) && !link.in_flight.contested_edits.contains(&edit)).then_some(edit)
}

/// Whether an update of the field was sent that has not settled.
fn may_land(link: &Link, internal: &Ticket, code: &str) -> bool {
    link.in_flight.late.iter().any(|late| late.what.is_of_field(code) && internal.read_at_ms < late.until_ms)
}

/// The outcome of an edit that an update may overwrite; `None` while that update may still land.
fn end_of(link: &Link, edit: &Edit, internal: &Ticket) -> Option<Note> {
    let over = || Some(Note::EditStands(edit.clone()));
    let Some(now) = internal.attributes.get(&edit.code) else { return over() };
    if same(&edit.code, &edit.value, now) {
        return if may_land(link, internal, &edit.code) { None } else { over() };
    }
    let is_ours = link.given_up().any(|late| carries(late, &edit.code, now));
    if is_ours { Some(Note::EditOverwritten(edit.clone())) } else { over() }
}

/// A settled write whose value stands where something newer was agreed.
fn landed_late<'a>(link: &'a Link, internal: &Ticket, code: &str, target: &str) -> Option<&'a Late> {
    let replaced = link.ancestor.internal.fields.get(code).is_some_and(|agreed| !same(code, agreed, target));
    link.settled_late(internal.read_at_ms).find(|late| replaced && carries(late, code, target))
}

/// No answer showed what iTop made of an unanswered write: sanitising may have removed some of its markup.
fn carries(late: &Late, code: &str, target: &str) -> bool {
    let same = |sent: &str| match Policy::is_html(code) {
        true => text::same_words(sent, target),
        false if is_markup(code, sent) || is_markup(code, target) => text::same_words_in_any_form(sent, target),
        false => sent == target,
    };
    matches!(late, Late::Field { code: sent, value } if sent == code && same(value))
}
