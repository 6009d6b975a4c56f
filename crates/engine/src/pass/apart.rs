//! Sends fields of a ticket: together, and one by one if the failure may lie in one of them. A refused value becomes a
//! conflict of its own field; the others are written.

use std::collections::BTreeMap;

use itop_bridge_core::event::{Event, Written};
use itop_bridge_core::link::{self, Enclosure, Part, RefusedField};
use itop_bridge_core::plan::FieldWrite;
use itop_bridge_core::text::{self, NO_DESCRIPTION};
use itop_bridge_core::{Side, Ticket};
use itop_bridge_text::fit::{Fitted, Words};
use itop_bridge_text::room::{Room, What};
use itop_client::{BadValue, Effect, Error, ErrorClass, Object, ValueFault};

use crate::pass::barred::hold;
use crate::pass::crossing::{Crossed, Unsure, words_as_html};
use crate::pass::enclosures::{enclosed_in, file_of_text, say_how_it_fits};
use crate::pass::fields::{field_written, send_fields};
use crate::pass::work::Work;
use crate::pass::write::is_too_large;
use crate::side::escaping::as_stored;
use crate::side::failure::{Failure, Kind};
use crate::side::model::Format;
use crate::side::room::learn_room;

/// A field ready to be sent.
#[derive(Clone)]
pub(crate) struct Outgoing<'f> {
    pub field: &'f FieldWrite,
    words: Words,
    /// Set if the text is sent plain without knowing whether the internal attribute holds HTML.
    unsure: Option<Unsure>,
    /// How much of the text the attribute is known to take.
    room: Room,
    pub fitted: Fitted,
    /// The files that it owes.
    pub enclosed: Vec<Enclosure>,
    /// The value, however it is cut, stands for the whole external one: it is not sent again before that changes.
    pub is_whole: bool,
}

impl Outgoing<'_> {
    pub fn code(&self) -> &str {
        &self.field.code
    }

    pub fn value(&self) -> &str {
        &self.fitted.value
    }
}

/// A field that was not written, and why.
type NotTaken<'f> = (Outgoing<'f>, Error);

/// Updates the counterpart with these fields, in one call if possible. If that fails and one field may be to blame,
/// that field is left out, or each is sent by itself. Successful writes are recorded at once; returns the fields
/// that were not written. A failure that no single field explains ends the update.
pub(crate) async fn update_apart<'f>(
    work: &mut Work<'_>,
    mut fields: Vec<Outgoing<'f>>,
    target: &Ticket,
    reason: &str,
) -> Result<Vec<NotTaken<'f>>, Failure> {
    let mut not_taken = Vec::new();
    while !fields.is_empty() {
        let answer = match send_fields(work, &fields, target).await {
            Err(failure) if matches!(failure.kind, Kind::Barred { .. }) => {
                let others = Box::pin(send_one_by_one(work, fields, target, reason, failure)).await?;
                not_taken.extend(others);
                break;
            }
            answer => answer?,
        };
        let error = match answer {
            Ok(written) if turn_into_html(work, &mut fields, &written.object) => continue,
            Ok(mut written) => {
                work.shared.internal.to_iso(&mut written.object);
                fields_written(work, &fields, &written, target, reason).await?;
                break;
            }
            Err(error) => error,
        };
        if send_less(work, &target.class, &mut fields, &error).await? {
            look_at_what_it_did(work, &error);
            continue;
        }
        let (named, rest): (Vec<_>, Vec<_>) = fields.into_iter().partition(|field| names(&error, field.code()));
        fields = rest;
        if !named.is_empty() {
            not_taken.extend(named.into_iter().map(|field| (field, error.clone())));
        } else if !may_lie_in_one_field(&error) {
            work.save().await?;
            return Err(Failure::of(&work.shared.internal, &error));
        } else if fields.len() == 1 {
            not_taken.extend(fields.drain(..).map(|field| (field, error.clone())));
        } else {
            let (all, before) = (fields.len(), not_taken.len());
            for field in fields.drain(..) {
                not_taken.extend(Box::pin(update_apart(work, vec![field], target, reason)).await?);
            }
            if not_taken.len() - before < all {
                look_at_what_it_did(work, &error);
            }
        }
    }
    Ok(not_taken)
}

/// Something in front of that iTop blocked an update, over a word in one of the fields: each is sent alone, and a
/// field that is blocked again waits by itself.
async fn send_one_by_one<'f>(
    work: &mut Work<'_>,
    fields: Vec<Outgoing<'f>>,
    target: &Ticket,
    reason: &str,
    failure: Failure,
) -> Result<Vec<NotTaken<'f>>, Failure> {
    if let [one] = fields.as_slice() {
        let of = one.field.source.as_deref().map(link::sent).unwrap_or_default();
        let part = Part::Field { code: one.code().to_owned() };
        return hold(work, part, &of, failure).await.map(|()| Vec::new());
    }
    let (mut not_taken, mut failed) = (Vec::new(), None);
    for field in fields {
        match Box::pin(update_apart(work, vec![field], target, reason)).await {
            Ok(others) => not_taken.extend(others),
            Err(failure) if !failure.ends_the_pass() => failed = Some(failure),
            Err(failure) => return Err(failure),
        }
    }
    failed.map_or(Ok(not_taken), Err)
}

async fn fields_written(
    work: &mut Work<'_>,
    fields: &[Outgoing<'_>],
    written: &itop_client::Written,
    target: &Ticket,
    reason: &str,
) -> Result<(), Failure> {
    let internal = &work.shared.internal;
    for outgoing in fields {
        let code = outgoing.code();
        work.link.release(&Part::Field { code: code.to_owned() });
        let answered = written.object.text(code).unwrap_or(outgoing.value());
        let stored = as_stored(work.shared, internal, &target.class, target.id, code, answered).await;
        work.note_write_for_report(Side::Internal, code);
        field_written(work, outgoing.field, &stored.unwrap_or_else(|_| answered.to_owned()));
        say_how_it_fits(work, Side::Internal, code, &outgoing.fitted);
    }
    if work.link.owes_enclosures() {
        // The plan does not know of these files.
        work.look_again(work.shared.now_ms());
    }
    let codes = fields.iter().map(|sent| sent.code().to_owned()).collect();
    work.wrote(Written::Fields { codes }, reason);
    work.save().await
}

/// A field with as much of its text as fits.
pub(crate) fn fitted<'f>(
    work: &Work<'_>,
    class: &str,
    field: &'f FieldWrite,
    crossed: Crossed,
    is_whole: bool,
) -> Outgoing<'f> {
    let room = work.shared.internal.room(class, &field.code);
    let Crossed { words, unsure, .. } = crossed;
    let (fitted, enclosed) = (Fitted::default(), Vec::new());
    let mut outgoing = Outgoing { field, words, unsure, room, fitted, enclosed, is_whole };
    fit(work, &mut outgoing);
    outgoing
}

/// Turns into HTML those texts that were sent plain while the target's format was unknown, and that iTop took as HTML:
/// everything after a `<` is lost, and so are line breaks. Returns whether there were any, to be sent again.
pub(crate) fn turn_into_html(work: &Work<'_>, fields: &mut [Outgoing<'_>], answered: &Object) -> bool {
    let mut any = false;
    for outgoing in fields {
        let Some(unsure) = outgoing.unsure.take() else { continue };
        if outgoing.value().is_empty() || text::could_be_html(outgoing.value()) {
            continue;
        }
        let Some(shown) = answered.text(outgoing.code()).filter(|shown| !shown.is_empty()) else { continue };
        if !text::could_be_html(shown) {
            work.shared.internal.model().learn_format(&answered.class, outgoing.code(), Format::Plain);
        } else {
            work.shared.internal.model().learn_format(&answered.class, outgoing.code(), Format::Html);
            outgoing.words = words_as_html(work, Side::External, &outgoing.words, &unsure);
            fit(work, outgoing);
            any = true;
        }
    }
    any
}

fn fit(work: &Work<'_>, outgoing: &mut Outgoing<'_>) {
    let code = &outgoing.field.code;
    outgoing.fitted = outgoing.words.fit(outgoing.room, &file_of_text(work, Side::External, code));
    // iTop refuses an empty text, and a lone picture that was left out leaves one.
    if outgoing.fitted.value.trim().is_empty() && code == "description" {
        NO_DESCRIPTION.clone_into(&mut outgoing.fitted.value);
    }
    outgoing.enclosed = enclosed_in(work, Side::External, code, &outgoing.words, &outgoing.fitted);
}

/// Shortens the fields if iTop's error shows that this can help, and learns the limits that it shows. Returns
/// whether to send again.
pub(crate) async fn send_less(
    work: &mut Work<'_>,
    class: &str,
    fields: &mut [Outgoing<'_>],
    error: &Error,
) -> Result<bool, Failure> {
    let mut is_less = false;
    let sent = Sizes::of(fields.iter().map(|outgoing| (outgoing.code(), outgoing.value())));
    for outgoing in fields {
        let value = (outgoing.code(), outgoing.value());
        let Some((room, learnt)) = less_room(outgoing.room, value, &sent, error) else { continue };
        let before = outgoing.fitted.value.clone();
        outgoing.room = room;
        fit(work, outgoing);
        if outgoing.fitted.value == before {
            continue;
        }
        is_less = true;
        if let Some(learnt) = learnt {
            learn_room(work.shared, &work.shared.internal, class, &outgoing.field.code, learnt).await?;
        }
    }
    Ok(is_less)
}

/// If a failed call may have had an effect, asks for a look at once: the call is over, so its effect is there.
pub(crate) fn look_at_what_it_did(work: &mut Work<'_>, error: &Error) {
    if !error.had_no_effect() {
        work.look_again(work.shared.now_ms());
    }
}

/// Keeps refused values as conflicts of their fields. If the error blames no value and no other field was written
/// either, iTop refuses the ticket itself.
pub(crate) fn keep_not_taken(
    work: &mut Work<'_>,
    not_taken: Vec<NotTaken<'_>>,
    others_were_written: bool,
) -> Option<Failure> {
    let mut failure = None;
    for (outgoing, error) in not_taken {
        if error.had_no_effect() {
            // A person's edit there was not overwritten.
            work.link.in_flight.contested_edits.retain(|edit| edit.code != outgoing.code());
        } else {
            work.link.owe_no_enclosures(Side::External, outgoing.code());
        }
        if others_were_written || !error.bad_values().is_empty() {
            field_refused(work, outgoing.field, &error);
            look_at_what_it_did(work, &error);
        } else {
            failure = Some(Failure::of(&work.shared.internal, &error));
        }
    }
    failure
}

/// The internal iTop refuses this field's value.
pub(crate) fn field_refused(work: &mut Work<'_>, field: &FieldWrite, error: &Error) {
    let source = field.source.as_deref().unwrap_or_default();
    value_refused(
        work,
        RefusedField::new(Side::Internal, &field.code, source, words_for(error, &field.code), work.shared.now_ms()),
    );
}

/// A value was refused: it is not sent again before it changes on the other side, or its retry is due.
pub(crate) fn value_refused(work: &mut Work<'_>, refused: RefusedField) {
    let (on, code, words) = (refused.on, refused.code.clone(), refused.words.clone());
    let conflict = refused.conflict(&work.shared.itop(work.lane, on).name);
    work.link.keep_refusal(refused, |refused_for_ms| work.shared.timing.refused_value_waits_ms(refused_for_ms));
    if !work.link.open.conflicts.iter().any(|known| known.says_the_same(&conflict)) {
        tracing::warn!(ticket = %work.name(), field = code, error = words, "a value is not taken; the rest of the ticket goes on");
        work.did(Event::Conflict { code: Some(code), text: conflict.text.clone() });
    }
    work.link.keep_conflict(conflict);
}

/// The attributes of a call with the lengths of their values.
pub(crate) struct Sizes(BTreeMap<String, usize>);

impl Sizes {
    pub fn of<'v>(sent: impl Iterator<Item = (&'v str, &'v str)>) -> Sizes {
        Sizes(sent.map(|(code, value)| (code.to_owned(), value.len())).collect())
    }

    fn longest(&self) -> usize {
        self.0.values().copied().max().unwrap_or_default()
    }
}

/// The room left for a value after this error, and the limit that the error shows, if any.
pub(crate) fn less_room(
    room: Room,
    (code, value): (&str, &str),
    sent: &Sizes,
    error: &Error,
) -> Option<(Room, Option<What>)> {
    if is_too_large(error) {
        return room.after_too_large(value, sent.longest()).map(|room| (room, None));
    }
    let is_it = |bad: &&BadValue| match &bad.attribute {
        Some(attribute) if sent.0.contains_key(attribute) => attribute == code,
        // The column belongs to iTop's history: any value with such characters may be meant.
        _ => bad.fault == ValueFault::Characters,
    };
    room.after(value, error.bad_values().iter().find(is_it)?.fault)
}

/// iTop's message about this attribute.
pub(crate) fn words_for<'e>(error: &'e Error, code: &str) -> &'e str {
    let values = error.bad_values();
    let named = values.iter().find(|value| value.attribute.as_deref() == Some(code));
    named.or(values.first()).map_or(&error.message, |value| &value.words)
}

/// Whether a check of iTop or of its database refuses a value without naming it.
pub(crate) fn blames_an_unnamed_value(error: &Error) -> bool {
    error.effect != (Effect::Unknown { answered: false })
        && error.bad_values().iter().any(|value| value.attribute.is_none())
}

/// Whether the error says that this attribute's value is to blame.
pub(crate) fn names(error: &Error, code: &str) -> bool {
    error.bad_values().iter().any(|value| value.attribute.as_deref() == Some(code))
}

/// Whether one of the values may be to blame, so that the others may pass without it.
fn may_lie_in_one_field(error: &Error) -> bool {
    matches!(error.class, ErrorClass::BadValues(_) | ErrorClass::Refused | ErrorClass::TooLarge)
        && error.effect != (Effect::Unknown { answered: false })
}
