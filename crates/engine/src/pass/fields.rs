//! Updates fields of the counterpart, and renders a value of one iTop for the other.

use itop_bridge_core::event::Event;
use itop_bridge_core::link::{Edit, Late};
use itop_bridge_core::plan::{FieldWrite, Value};
use itop_bridge_core::{Lifecycle, Link, Side, Ticket};
use itop_bridge_text::html;
use itop_client::Fields;

use crate::pass::apart::{Outgoing, fitted, keep_not_taken, update_apart};
use crate::pass::crossing::{Crossed, Target, crossed};
use crate::pass::heavy::{read_after_memory_ran_out, took_effect};
use crate::pass::work::Work;
use crate::pass::write::{WriteEnd, write};
use crate::side::escaping::as_stored;
use crate::side::failure::Failure;
use crate::side::send::Update;

/// Renders and sends the fields. A refused value becomes a conflict of its field, and the others are written.
pub(crate) async fn update_fields(
    work: &mut Work<'_>,
    fields: &[FieldWrite],
    target: &Ticket,
    reason: &str,
) -> Result<(), Failure> {
    let (fields, unread) = rendered(work, fields, target).await?;
    let all = fields.len();
    let not_taken = Box::pin(update_apart(work, fields, target, reason)).await?;
    let others_were_written = not_taken.len() < all;
    let failure = keep_not_taken(work, not_taken, others_were_written);
    work.save().await?;
    failure.or(unread).map_or(Ok(()), Err)
}

/// Renders the fields. A field whose image cannot be fetched yet is left out and reported; the other fields are
/// still sent.
async fn rendered<'f>(
    work: &mut Work<'_>,
    fields: &'f [FieldWrite],
    target: &Ticket,
) -> Result<(Vec<Outgoing<'f>>, Option<Failure>), Failure> {
    let (mut whole, mut unread) = (Vec::new(), None);
    for field in fields {
        match render(work, field, &target.class, Some(target)).await {
            Ok(crossed) => whole.push(fitted(work, &target.class, field, crossed, true)),
            Err(failure) if failure.ends_the_pass() => return Err(failure),
            Err(failure) => unread = Some(failure),
        }
    }
    Ok((whole, unread))
}

pub(crate) async fn send_fields(
    work: &mut Work<'_>,
    fields: &[Outgoing<'_>],
    target: &Ticket,
) -> WriteEnd<itop_client::Written> {
    let mut body = Fields::new();
    for sent in fields {
        body.set(sent.code(), sent.value().to_owned());
    }
    let contested = fields.iter().filter_map(|sent| sent.field.lost_edit.clone());
    let intend = |link: &mut Link, until_ms| {
        link.in_flight.contested_edits.retain(|edit| !fields.iter().any(|sent| sent.code() == edit.code));
        link.in_flight.contested_edits.extend(contested);
        for sent in fields {
            link.may_land(Late::Field { code: sent.code().to_owned(), value: sent.value().to_owned() }, until_ms);
            link.enclose(Side::External, sent.code(), &sent.enclosed);
        }
    };
    let internal = &work.shared.internal;
    let output: Vec<&str> = fields.iter().map(Outgoing::code).collect();
    let update = Update { class: &target.class, id: target.id, fields: &body, output: &output };
    let answer = write(work, internal, update, intend).await?;
    let Err(error) = answer else { return Ok(answer) };
    let Some(object) = Box::pin(read_after_memory_ran_out(work, internal, &error, target, &output)).await? else {
        return Ok(Err(error));
    };
    let mut took = Vec::new();
    for (code, value) in fields.iter().map(|sent| (sent.code(), sent.value())) {
        let Some(now) = object.text(code) else { continue };
        let stored = as_stored(work.shared, internal, &target.class, target.id, code, now).await;
        let stored = stored.map_err(|error| Failure::of(internal, &error))?;
        took.push(took_effect(target.attributes.get(code).map(String::as_str), value, &stored));
    }
    let is_done = took.iter().all(|took| *took);
    Ok(if is_done { Ok(itop_client::Written { object, date: None }) } else { Err(error) })
}

/// Records an overwritten internal edit, or a value that may have been one.
pub(crate) fn record_edit_overwritten(work: &mut Work<'_>, edit: &Edit) {
    let code = &edit.code;
    // Readers of the activity log must not learn the secret of a picture.
    let lost = html::without_image_addresses(&edit.value);
    if !edit.may_be_ours {
        tracing::warn!(ticket = %work.name(), field = code, "an edit in the internal iTop was overwritten; the activity log has the old value");
    }
    work.did(Event::EditOverwritten { code: code.clone(), value: lost.into_owned(), may_be_ours: edit.may_be_ours });
}

pub(crate) fn field_written(work: &mut Work<'_>, field: &FieldWrite, answered: &str) {
    work.link.in_flight.contested_edits.retain(|edit| edit.code != field.code);
    if let Some(lost) = &field.lost_edit {
        record_edit_overwritten(work, lost);
    }
    if let Some(source) = &field.source {
        work.link.field_agreed(&field.code, source, answered);
        // The bridge's own write must not count as a person's correction of the start.
        if work.policy.lifecycle(Side::Internal).and_then(Lifecycle::made_attribute) == Some(&field.code) {
            work.link.ancestor.internal.was_made(answered);
        }
    }
}

/// The field's value in the form that the internal iTop takes. There is no `target` while the counterpart is created.
pub(crate) async fn render(
    work: &mut Work<'_>,
    field: &FieldWrite,
    class: &str,
    target: Option<&Ticket>,
) -> Result<Crossed, Failure> {
    let FieldWrite { code, value, source, .. } = field;
    let holds = target.and_then(|target| target.filled(code));
    let place = Target { on: Side::Internal, class, code, holds };
    match value {
        // A default is the operator's own text; a title and the placeholder of an empty description have no markup.
        Value::Text(text) if source.is_none() || matches!(code.as_str(), "title" | "description") => {
            Ok(Crossed::as_it_is(code, text))
        }
        Value::Text(words) | Value::Html(words) => crossed(work, words, place).await,
    }
}
