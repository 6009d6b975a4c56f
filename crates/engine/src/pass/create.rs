//! Creates the internal counterpart, once. The intent is stored before the call; if a call's end is not known, its
//! ticket is looked for by the mark before anything is created again.

use std::collections::BTreeSet;

use itop_bridge_core::event::Event;
use itop_bridge_core::link::{Creation, Part};
use itop_bridge_core::plan::{FieldWrite, Value};
use itop_bridge_core::text::{self, NO_DESCRIPTION};
use itop_bridge_core::{Link, Side, Ticket, is_another};
use itop_bridge_text::html;
use itop_client::{Fields, Object};

use crate::Shared;
use crate::halt::went_back::read_and_watch;
use crate::pass::apart::{Outgoing, blames_an_unnamed_value, field_refused, fitted, names, send_less, turn_into_html};
use crate::pass::barred::KEPT_BACK;
use crate::pass::created::{counterpart_attributes, create_failed, created, found_after};
use crate::pass::crossing::Crossed;
use crate::pass::enclosures::say_how_it_fits;
use crate::pass::fields::render;
use crate::pass::given_again::other_pair_of;
use crate::pass::work::Work;
use crate::pass::write::{WriteEnd, write};
use crate::side::call::highest_ticket;
use crate::side::dates::in_iso;
use crate::side::failure::{Failure, Kind};
use crate::side::read::{self, Wanted};
use crate::side::send::Create;
use crate::side::zone::learn_offset;

/// The highest known internal ticket id: asked once, then raised by each read.
async fn highest_internal(shared: &Shared) -> Result<u64, Failure> {
    if shared.internal.highest_ticket() == 0 {
        highest_ticket(shared, &shared.internal).await?;
    }
    Ok(shared.internal.highest_ticket())
}

/// Creates the counterpart. `None`: it was not created, or that is not known.
pub(crate) async fn create(
    work: &mut Work<'_>,
    class: &str,
    fields: &[FieldWrite],
    external: &Ticket,
) -> Result<Option<Ticket>, Failure> {
    go_on_with_counterpart(work).await?;
    let mut draft = draft(work, class, fields).await?;
    let mut creation = creation_of(work, &draft, external).await?;
    loop {
        draft.retain(|part| work.shared.internal.model().has(class, part.code()));
        let error = match Box::pin(try_to_create(work, class, &creation, &draft, external)).await? {
            Ok(ticket) => {
                for part in &draft {
                    say_how_it_fits(work, Side::Internal, part.code(), &part.fitted);
                }
                return Ok(Some(ticket));
            }
            Err(error) => error,
        };
        // The answer asks for attributes that were not sent, and iTop refuses unknown ones there too.
        let asked = work.shared.internal.model().present(class, &counterpart_attributes(work));
        let codes: Vec<&str> = draft.iter().map(Outgoing::code).chain(asked.iter().map(String::as_str)).collect();
        if work.shared.internal.learn_missing(class, &error, &codes) {
            continue;
        }
        if send_less(work, class, &mut draft, &error).await?
            || leave_out(work, class, &mut draft, &mut creation, &error)
        {
            // The create may have been carried out all the same.
            match found_after(work, &error).await? {
                Some(ticket) => return Ok(Some(ticket)),
                None => continue,
            }
        }
        if blames_an_unnamed_value(&error) {
            if let Some(ticket) = found_after(work, &error).await? {
                return Ok(Some(ticket));
            }
            return Box::pin(create_without_one(work, class, &creation, &draft, external, error)).await;
        }
        return create_failed(work, &error).await;
    }
}

/// The fields as they are sent.
async fn draft<'f>(work: &mut Work<'_>, class: &str, fields: &'f [FieldWrite]) -> Result<Vec<Outgoing<'f>>, Failure> {
    let mut draft = Vec::new();
    // The creation was blocked over a word in it: the ticket is made without its texts, which follow one by one.
    let is_kept_back = work.link.held(&Part::Creation).is_some();
    for field in fields {
        if is_kept_back && is_text(field) {
            draft.extend(kept_back(work, class, field));
            continue;
        }
        let (crossed, is_whole) = match (render(work, field, class, None).await, &field.value) {
            (Ok(crossed), _) => (crossed, true),
            // The ticket does not wait for a picture: the next round writes the field with it.
            (Err(failure), Value::Html(html)) if matches!(failure.kind, Kind::Unreadable { .. }) => {
                let words = Value::Html(html::with_words_for_all(html));
                let field = FieldWrite { value: words, ..field.clone() };
                (render(work, &field, class, None).await?, false)
            }
            (Err(failure), _) => return Err(failure),
        };
        draft.push(fitted(work, class, field, crossed, is_whole));
    }
    Ok(draft)
}

/// The placeholder for a text that is kept back, if the attribute is mandatory.
fn kept_back<'f>(work: &Work<'_>, class: &str, field: &'f FieldWrite) -> Option<Outgoing<'f>> {
    let words = match field.code.as_str() {
        "title" => text::title(&work.policy.title, &work.link.external.reference, KEPT_BACK),
        "description" => KEPT_BACK.to_owned(),
        _ => return None,
    };
    Some(fitted(work, class, field, Crossed::as_it_is(&field.code, &words), false))
}

/// Sends one create, and returns the ticket that it made.
async fn try_to_create(
    work: &mut Work<'_>,
    class: &str,
    creation: &Creation,
    draft: &[Outgoing<'_>],
    external: &Ticket,
) -> WriteEnd<Ticket> {
    let asked = work.shared.internal.model().present(class, &counterpart_attributes(work));
    let sent_ms = work.shared.now_ms();
    match send_create(work, class, creation, draft, &asked, external).await? {
        Ok(mut written) => {
            in_iso(work.shared, &work.shared.internal, std::slice::from_mut(&mut written.object)).await;
            leave_to_an_update(work, draft, &written.object);
            learn_offset(work.shared, &work.shared.internal, &written, "last_update").await?;
            Ok(Ok(created(work, &written.object, sent_ms).await?))
        }
        Err(error) => Ok(Err(error)),
    }
}

/// A text that was sent plain and came back as HTML may have lost words: it does not count as agreed, so that the
/// next round writes it as HTML.
fn leave_to_an_update(work: &mut Work<'_>, draft: &[Outgoing<'_>], created: &Object) {
    for part in draft {
        if turn_into_html(work, &mut [part.clone()], created)
            && let Some(creation) = &mut work.link.in_flight.creation
        {
            creation.fields.remove(part.code());
            work.look_again(work.shared.now_ms());
        }
    }
}

/// Leaves out the external ticket's fields that the error names. Returns whether it named any.
fn leave_out(
    work: &mut Work<'_>,
    class: &str,
    draft: &mut Vec<Outgoing<'_>>,
    creation: &mut Creation,
    error: &itop_client::Error,
) -> bool {
    let named = |part: &Outgoing<'_>| part.field.source.is_some() && part.is_whole && names(error, part.code());
    let codes: Vec<String> = draft.iter().filter(|part| named(part)).map(|part| part.code().to_owned()).collect();
    for code in &codes {
        if let Some(part) = draft.iter().find(|part| part.code() == code) {
            field_refused(work, part.field, error);
        }
        without(work, class, draft, creation, code);
    }
    !codes.is_empty()
}

/// Replaces an external field: by a placeholder if it is mandatory, else by the side's default; without one, drops
/// it.
fn without(work: &Work<'_>, class: &str, draft: &mut Vec<Outgoing<'_>>, creation: &mut Creation, code: &str) {
    let reference = &work.link.external.reference;
    let placeholder = match code {
        "title" => Some(text::title(&work.policy.title, reference, "").trim().to_owned()),
        "description" => Some(NO_DESCRIPTION.to_owned()),
        _ => work.policy.internal_defaults.get(code).cloned(),
    };
    let placeholder = placeholder.map(|words| if words.is_empty() { reference.clone() } else { words });
    creation.fields.remove(code);
    draft.retain_mut(|part| match &placeholder {
        Some(words) if part.code() == code => {
            *part = fitted(work, class, part.field, Crossed::as_it_is(code, words), false);
            true
        }
        _ => part.code() != code,
    });
}

/// iTop refuses without naming a value: leaves out the external ticket's fields one at a time, then all of them.
/// The next round writes fields that were left out without being to blame.
async fn create_without_one(
    work: &mut Work<'_>,
    class: &str,
    creation: &Creation,
    draft: &[Outgoing<'_>],
    external: &Ticket,
    refused: itop_client::Error,
) -> Result<Option<Ticket>, Failure> {
    let from_external: Vec<&Outgoing<'_>> =
        draft.iter().filter(|part| part.field.source.is_some() && part.is_whole).collect();
    let all: Vec<&str> = from_external.iter().map(|part| part.code()).collect();
    let trials = all.iter().map(|code| vec![*code]).chain((all.len() > 1).then(|| all.clone()));
    for left_out in trials {
        let (mut less, mut creation) = (draft.to_vec(), creation.clone());
        left_out.iter().for_each(|code| without(work, class, &mut less, &mut creation, code));
        match Box::pin(try_to_create(work, class, &creation, &less, external)).await? {
            Ok(ticket) => {
                if let [code] = left_out.as_slice()
                    && let Some(part) = from_external.iter().find(|part| part.code() == *code)
                {
                    field_refused(work, part.field, &refused);
                    work.save().await?;
                }
                return Ok(Some(ticket));
            }
            Err(error) if blames_an_unnamed_value(&error) => {
                if let Some(ticket) = found_after(work, &error).await? {
                    return Ok(Some(ticket));
                }
            }
            Err(error) => return create_failed(work, &error).await,
        }
    }
    create_failed(work, &refused).await
}

/// An operator wanted a new internal ticket in place of a lost one. If its iTop was restored since, the old one may
/// be there again, and a create would leave two. So it is read once more under the link as it was.
async fn go_on_with_counterpart(work: &mut Work<'_>) -> Result<(), Failure> {
    let Some(before) = work.link.course.before_anew.clone() else { return Ok(()) };
    let Some(key) = before.internal.clone() else { return Ok(()) };
    let internal = &work.shared.internal;
    let class = &work.policy.internal_class;
    let wanted = Wanted { class, attributes: read::internal_attributes(&work.policy), condition: None };
    let mut reads = read_and_watch(work.shared, internal, &wanted, &[key.id]).await;
    let read = reads.remove(&key.id).transpose().map_err(|error| Failure::of(internal, &error))?.flatten();
    let Some(ticket) = read.map(|read| read.ticket) else { return Ok(()) };
    if is_another(&work.policy, &before, Side::Internal, &ticket).is_some()
        || other_pair_of(work, &ticket).await?.is_some()
    {
        return Ok(());
    }
    work.link = *before;
    work.link.mark_restored(Side::Internal);
    work.did(Event::CounterpartStandsAgain { reference: ticket.reference.clone() });
    work.save().await?;
    let text = format!("{} stands again", ticket.reference);
    Err(Failure::at(internal, Kind::Stale, text))
}

/// The intent; each call sets until when it may take effect.
async fn creation_of(work: &Work<'_>, draft: &[Outgoing<'_>], external: &Ticket) -> Result<Creation, Failure> {
    let fields = draft.iter().filter(|part| part.is_whole).map(|part| part.field);
    let sources = fields.filter_map(|field| Some((field.code.clone(), field.source.clone()?)));
    let earlier = work.link.in_flight.creation.as_ref();
    let tries = earlier.map_or(1, |earlier| earlier.tries + 1);
    // The ticket of an earlier try is still looked for.
    let (highest_before, since_ms) = match earlier {
        Some(earlier) => (earlier.highest_before, earlier.since_ms),
        None => (highest_internal(work.shared).await?, work.shared.now_ms()),
    };
    let (fields, status) = (sources.collect(), external.status.clone());
    Ok(Creation { until_ms: 0, highest_before, since_ms, fields, tries, status })
}

async fn send_create(
    work: &mut Work<'_>,
    class: &str,
    creation: &Creation,
    draft: &[Outgoing<'_>],
    asked: &BTreeSet<String>,
    external: &Ticket,
) -> WriteEnd<itop_client::Written> {
    let mut fields = Fields::new();
    for part in draft {
        fields.set(part.code(), part.value().to_owned());
    }
    // The one log entry that the bridge ever writes: part of the create, so it cannot race.
    fields.set("private_log", html::text_to_html(&work.mark().entry(&external.reference)));
    let output: Vec<&str> = asked.iter().map(String::as_str).collect();
    let internal = &work.shared.internal;
    let intend = |link: &mut Link, until_ms| {
        link.in_flight.creation = Some(Creation { until_ms, ..creation.clone() });
        // An earlier try may have sent more fields.
        link.owe_enclosures_of(Side::External, |code| draft.iter().any(|part| part.code() == code));
        for part in draft {
            link.enclose(Side::External, part.code(), &part.enclosed);
        }
    };
    write(work, internal, Create { class, fields: &fields, output: &output }, intend).await
}

/// Whether the field holds what a person wrote: not a code of an enumeration, a number or a date.
fn is_text(field: &FieldWrite) -> bool {
    match &field.value {
        Value::Html(_) => true,
        Value::Text(text) => field.code == "title" || field.source.is_some() && text.contains(char::is_alphabetic),
    }
}
