//! Creates the internal counterpart, once. The intent is stored before the call; if a call's end is not known, its
//! ticket is looked for by the mark before anything is created again.

use std::collections::BTreeSet;

use itop_bridge_core::link::{Creation, Part};
use itop_bridge_core::plan::{FieldWrite, Value};
use itop_bridge_core::text::{self, NO_DESCRIPTION};
use itop_bridge_core::{Link, LogName, Side, Ticket, is_another};
use itop_bridge_text::html;
use itop_bridge_text::log_entries::entries;
use itop_client::{Effect, Fields, Object, Query, oql_quote};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::Shared;
use crate::halt::went_back::read_and_watch;
use crate::pass::apart::{Outgoing, became_html, blames_an_unnamed_value, field_refused, fitted, names, send_less};
use crate::pass::barred::KEPT_BACK;
use crate::pass::crossing::Crossed;
use crate::pass::enclosures::say_how_it_fits;
use crate::pass::fields::render;
use crate::pass::given_again::{is_still_of, other_pair_of};
use crate::pass::work::Work;
use crate::pass::write::write;
use crate::side::call::{self, highest_ticket};
use crate::side::dates::in_iso;
use crate::side::escaping::texts_as_stored;
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
        draft.retain(|part| work.shared.internal.has_attribute(class, part.code()));
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
        let asked = work.shared.internal.present(class, &counterpart_attributes(work));
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
) -> Result<Result<Ticket, itop_client::Error>, Failure> {
    let asked = work.shared.internal.present(class, &counterpart_attributes(work));
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
        if became_html(work, &mut [part.clone()], created)
            && let Some(creation) = &mut work.link.creation
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
    let from_outside: Vec<&Outgoing<'_>> =
        draft.iter().filter(|part| part.field.source.is_some() && part.is_whole).collect();
    let all: Vec<&str> = from_outside.iter().map(|part| part.code()).collect();
    let trials = all.iter().map(|code| vec![*code]).chain((all.len() > 1).then(|| all.clone()));
    for left_out in trials {
        let (mut less, mut creation) = (draft.to_vec(), creation.clone());
        left_out.iter().for_each(|code| without(work, class, &mut less, &mut creation, code));
        match Box::pin(try_to_create(work, class, &creation, &less, external)).await? {
            Ok(ticket) => {
                if let [code] = left_out.as_slice()
                    && let Some(part) = from_outside.iter().find(|part| part.code() == *code)
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
    let Some(before) = work.link.before_anew.clone() else { return Ok(()) };
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
    work.did(format!("{} stands again: the pair goes on with it", ticket.reference));
    work.save().await?;
    let text = format!("{} stands again", ticket.reference);
    Err(Failure::at(internal, Kind::Stale, text))
}

/// The intent; each call sets until when it may take effect.
async fn creation_of(work: &Work<'_>, draft: &[Outgoing<'_>], external: &Ticket) -> Result<Creation, Failure> {
    let fields = draft.iter().filter(|part| part.is_whole).map(|part| part.field);
    let sources = fields.filter_map(|field| Some((field.code.clone(), field.source.clone()?)));
    let earlier = work.link.creation.as_ref();
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
) -> Result<Result<itop_client::Written, itop_client::Error>, Failure> {
    let mut fields = Fields::new();
    for part in draft {
        fields.set(part.code(), part.value().to_owned());
    }
    // The one log entry that the bridge ever writes: part of the create, so it cannot race.
    fields.set("private_log", html::text_to_html(&work.mark().entry(&external.reference)));
    let output: Vec<&str> = asked.iter().map(String::as_str).collect();
    let internal = &work.shared.internal;
    let intend = |link: &mut Link, until_ms| {
        link.creation = Some(Creation { until_ms, ..creation.clone() });
        // An earlier try may have sent more fields.
        link.owe_enclosures_of(Side::External, |code| draft.iter().any(|part| part.code() == code));
        for part in draft {
            link.enclose(Side::External, part.code(), &part.enclosed);
        }
    };
    write(work, internal, Create { class, fields: &fields, output: &output }, intend).await
}

fn counterpart_attributes(work: &Work<'_>) -> BTreeSet<String> {
    let mut attributes = read::internal_attributes(&work.policy);
    attributes.extend(["id", "ref", "status", "last_update"].map(str::to_owned));
    attributes
}

async fn created(work: &mut Work<'_>, object: &Object, sent_ms: i64) -> Result<Ticket, Failure> {
    // An earlier create may have taken effect after all: of two tickets the lower is the counterpart.
    if let Some(creation) = work.link.creation.clone()
        && creation.tries > 1
        && let Some(first) = find_marked(work, &creation).await?.into_iter().next()
        && first.id != object.id
    {
        return adopt(work, first).await;
    }
    let mut ticket = ticket_of(work, object, sent_ms).await?;
    // A reused id has the files that arrived late for the ticket which had it before.
    ticket.files = work.link.anew_from_ms.is_none().then(Vec::new);
    let (inside, outside) = (&work.shared.internal.name, &work.lane.name);
    let of = format!("{outside}:{}", work.link.external.reference);
    work.wrote("created", &format!("{inside}:{} is the copy of {of}", ticket.reference));
    adopt(work, ticket).await
}

/// Makes the internal ticket the counterpart: the ancestor is what was sent and what iTop answered.
async fn adopt(work: &mut Work<'_>, ticket: Ticket) -> Result<Ticket, Failure> {
    work.shared.internal.met_ticket(ticket.id);
    work.link.internal = Some(ticket.key());
    work.link.before_anew = None;
    work.link.ancestor.internal.made = work.made(Side::Internal, &ticket);
    let creation = work.link.creation.take();
    for (code, source) in creation.iter().flat_map(|creation| &creation.fields) {
        if let Some(target) = ticket.attributes.get(code)
            && !lost_words(code, source, target)
        {
            work.link.field_agreed(code, source, target);
        }
    }
    // The value of a field that was not sent counts as the bridge's own: a later edit of it is a person's.
    for code in &work.policy.fields {
        if let Some(target) = ticket.attributes.get(code) {
            let agreed = &mut work.link.ancestor.internal.fields;
            agreed.entry(code.clone()).or_insert_with(|| target.clone());
        }
    }
    if let Some(lifecycle) = &work.policy.external_lifecycle {
        work.link.ancestor.external.status.clone_from(&lifecycle.initial);
    }
    // A ticket found after a lost answer may have been moved by then: that is a person's move.
    let born = work.policy.internal_lifecycle.as_ref().map_or(&ticket.status, |lifecycle| &lifecycle.initial);
    work.link.ancestor.internal.status.clone_from(born);
    // After a second create both may take effect: others are looked for until that has settled.
    work.link.creation = creation.filter(|creation| creation.tries > 1);
    work.save().await?;
    Ok(ticket)
}

/// Reports other tickets with this pair's mark, once nothing sent for it can take effect any more.
pub(crate) async fn report_twins(work: &mut Work<'_>, creation: &Creation) -> Result<(), Failure> {
    if work.shared.now_ms() < creation.until_ms {
        return Ok(());
    }
    let linked = work.link.internal.as_ref().map_or_else(String::new, |key| key.reference.clone());
    for twin in find_marked(work, creation).await? {
        tracing::error!(ticket = %work.name(), kept = linked, twin = twin.reference, "two creates landed: two internal tickets carry the mark; close the one that is not linked");
        work.did(format!(
            "two internal tickets carry this mark: {linked} is linked, {} is not; close it",
            twin.reference
        ));
    }
    work.link.creation = None;
    work.save().await
}

async fn ticket_of(work: &Work<'_>, object: &Object, read_at_ms: i64) -> Result<Ticket, Failure> {
    let text = |code: &str| object.text(code).unwrap_or_default().to_owned();
    let internal = &work.shared.internal;
    let asked = counterpart_attributes(work);
    let attributes = texts_as_stored(work.shared, internal, object, &asked).await;
    let logs = LogName::ALL.into_iter().filter(|log| asked.contains(log.attribute()));
    Ok(Ticket {
        class: object.class.clone(),
        id: object.id,
        reference: text("ref"),
        status: text("status"),
        attributes: attributes.map_err(|error| Failure::of(internal, &error))?,
        abroad: internal.unread_dates(object, &asked),
        files: None,
        logs: logs.filter_map(|log| Some((log, entries(object.log(log.attribute())?)))).collect(),
        parents: crate::side::read::named_by(object, &asked),
        family: None,
        read_at_ms,
    })
}

/// Ends a failed create. If iTop itself answered, the call is over: a ticket that it made is there now.
async fn create_failed(work: &mut Work<'_>, error: &itop_client::Error) -> Result<Option<Ticket>, Failure> {
    if error.effect == (Effect::Unknown { answered: false }) {
        return Err(Failure::of(&work.shared.internal, error));
    }
    let found = found_after(work, error).await?;
    if found.is_some() {
        return Ok(found);
    }
    forget_creation(work).await?;
    Err(Failure::of(&work.shared.internal, error))
}

/// Finds the ticket of a create that iTop answered with an error: the call is over, so it is there now.
async fn found_after(work: &mut Work<'_>, error: &itop_client::Error) -> Result<Option<Ticket>, Failure> {
    match work.link.creation.clone() {
        Some(creation) if error.effect == (Effect::Unknown { answered: true }) => find_created(work, &creation).await,
        _ => Ok(None),
    }
}

async fn forget_creation(work: &mut Work<'_>) -> Result<(), Failure> {
    work.link.creation = None;
    if work.link.anew_from_ms.is_some() {
        // Only this link knows which files an earlier counterpart left on the external ticket.
        return work.save().await;
    }
    let lease = work.claim.lease.clone();
    if let Some(id) = work.link_id.take() {
        work.shared.store.call(move |store| store.drop_unborn_link(&lease, id)).await?;
    }
    Ok(())
}

/// The ticket that an unanswered create made, if it is there by now.
pub(crate) async fn find_created(work: &mut Work<'_>, creation: &Creation) -> Result<Option<Ticket>, Failure> {
    match find_marked(work, creation).await?.into_iter().next() {
        Some(ticket) => {
            work.wrote("found what an earlier create made", &format!("{} carries the mark", ticket.reference));
            adopt(work, ticket).await.map(Some)
        }
        None => Ok(None),
    }
}

/// The internal tickets with this pair's mark in their log's first entry that are no pair's counterpart, the lowest
/// first.
async fn find_marked(work: &mut Work<'_>, creation: &Creation) -> Result<Vec<Ticket>, Failure> {
    let mark = work.mark();
    let class = work.policy.internal_class.clone();
    let oql = format!(
        "SELECT {class} WHERE (id > {} OR last_update >= {}) AND private_log LIKE {}",
        creation.highest_before,
        oql_quote(&anywhere_after(creation.since_ms)),
        oql_quote(&format!("%{}]%", mark.token()))
    );
    let mut attributes = counterpart_attributes(work);
    attributes.insert("private_log".to_owned());
    let internal = &work.shared.internal;
    let asked_ms = work.shared.now_ms();
    let answer = work.reading(call::get_known(work.shared, internal, &class, &Query::oql(oql), &attributes)).await?;
    let mut found = answer.map_err(|error| Failure::of(internal, &error))?;
    in_iso(work.shared, internal, &mut found.objects).await;
    let carries = |object: &&Object| read::first_mark(object).as_ref() == Some(&mark);
    let mut marked: Vec<&Object> = found.objects.iter().filter(carries).collect();
    marked.sort_by_key(|object| object.id);
    let mut tickets = Vec::new();
    for object in marked {
        let id = object.id;
        let other = work.shared.store.call(move |store| store.link_of_internal(id)).await?;
        let ticket = ticket_of(work, object, asked_ms).await?;
        // After a restore an id proves nothing: another pair may have had it, for another ticket.
        if !other.is_some_and(|other| is_still_of(&work.policy, &other.link, &ticket)) {
            tickets.push(ticket);
        }
    }
    Ok(tickets)
}

/// Whether a person wrote it: no code of an enumeration, no number and no date.
fn is_text(field: &FieldWrite) -> bool {
    match &field.value {
        Value::Html(_) => true,
        Value::Text(text) => field.code == "title" || field.source.is_some() && text.contains(char::is_alphabetic),
    }
}

/// Whether the plain text became HTML with other words. An unanswered create could not tell; the text is then written
/// once more.
fn lost_words(code: &str, source: &str, target: &str) -> bool {
    let became_html = !text::could_be_html(source) && text::could_be_html(target);
    became_html && !matches!(code, "title" | "description") && !text::same_words_in_any_form(source, target)
}

/// A server time that, in whatever zone, is no later than this moment.
fn anywhere_after(ms: i64) -> String {
    let moment = Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH);
    let local = TimeZone::UTC.to_datetime(moment);
    local.checked_sub(FARTHEST_WEST).unwrap_or(local).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// Twelve hours, plus one for a slow clock.
const FARTHEST_WEST: SignedDuration = SignedDuration::from_hours(13);
