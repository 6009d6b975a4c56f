//! Creates the internal counterpart, once. The intent is stored before the call; if a call's end is not known, its
//! ticket is looked for by the mark before anything is created again.

use std::collections::BTreeSet;

use itop_bridge_core::link::{Creation, Part};
use itop_bridge_core::plan::{FieldWrite, Value};
use itop_bridge_core::text::{self, NO_DESCRIPTION};
use itop_bridge_core::{Link, LogName, Side, Ticket, TicketMark, is_another};
use itop_bridge_text::html;
use itop_bridge_text::log_entries::entries;
use itop_client::{Effect, Fields, Object, Query, oql_quote};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::Shared;
use crate::halt::went_back::read_and_watch;
use crate::pass::Pass;
use crate::pass::apart::{Outgoing, blames_an_unnamed_value, names};
use crate::pass::barred::KEPT_BACK;
use crate::pass::crossing::Crossed;
use crate::pass::given_again::is_still_of;
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

impl Pass<'_> {
    /// Creates the counterpart. `None`: it was not created, or that is not known.
    pub(crate) async fn create(
        &mut self,
        class: &str,
        fields: &[FieldWrite],
        external: &Ticket,
    ) -> Result<Option<Ticket>, Failure> {
        self.go_on_with_counterpart().await?;
        let mut draft = self.draft(class, fields).await?;
        let mut creation = self.creation_of(&draft, external).await?;
        loop {
            draft.retain(|part| self.shared.internal.has_attribute(class, part.code()));
            let error = match Box::pin(self.try_to_create(class, &creation, &draft, external)).await? {
                Ok(ticket) => {
                    for part in &draft {
                        self.say_how_it_fits(Side::Internal, part.code(), &part.fitted);
                    }
                    return Ok(Some(ticket));
                }
                Err(error) => error,
            };
            // The answer asks for attributes that were not sent, and iTop refuses unknown ones there too.
            let asked = self.shared.internal.present(class, &self.counterpart_attributes());
            let codes: Vec<&str> = draft.iter().map(Outgoing::code).chain(asked.iter().map(String::as_str)).collect();
            if self.shared.internal.learn_missing(class, &error, &codes) {
                continue;
            }
            if self.send_less(class, &mut draft, &error).await?
                || self.leave_out(class, &mut draft, &mut creation, &error)
            {
                // The create may have been carried out all the same.
                match self.found_after(&error).await? {
                    Some(ticket) => return Ok(Some(ticket)),
                    None => continue,
                }
            }
            if blames_an_unnamed_value(&error) {
                if let Some(ticket) = self.found_after(&error).await? {
                    return Ok(Some(ticket));
                }
                return Box::pin(self.create_without_one(class, &creation, &draft, external, error)).await;
            }
            return self.create_failed(&error).await;
        }
    }

    /// The fields as they are sent.
    async fn draft<'f>(&mut self, class: &str, fields: &'f [FieldWrite]) -> Result<Vec<Outgoing<'f>>, Failure> {
        let mut draft = Vec::new();
        // The creation was blocked over a word in it: the ticket is made without its texts, which follow one by one.
        let is_kept_back = self.link.held(&Part::Creation).is_some();
        for field in fields {
            if is_kept_back && is_text(field) {
                draft.extend(self.kept_back(class, field));
                continue;
            }
            let (crossed, is_whole) = match (self.render(field, class, None).await, &field.value) {
                (Ok(crossed), _) => (crossed, true),
                // The ticket does not wait for a picture: the next round writes the field with it.
                (Err(failure), Value::Html(html)) if matches!(failure.kind, Kind::Unreadable { .. }) => {
                    let words = Value::Html(html::with_words_for_all(html));
                    let field = FieldWrite { value: words, ..field.clone() };
                    (self.render(&field, class, None).await?, false)
                }
                (Err(failure), _) => return Err(failure),
            };
            draft.push(self.fitted(class, field, crossed, is_whole));
        }
        Ok(draft)
    }

    /// The placeholder for a text that is kept back, if the attribute is mandatory.
    fn kept_back<'f>(&self, class: &str, field: &'f FieldWrite) -> Option<Outgoing<'f>> {
        let words = match field.code.as_str() {
            "title" => text::title(&self.policy.title, &self.link.external.reference, KEPT_BACK),
            "description" => KEPT_BACK.to_owned(),
            _ => return None,
        };
        Some(self.fitted(class, field, Crossed::as_it_is(&field.code, &words), false))
    }

    /// Sends one create, and returns the ticket that it made.
    async fn try_to_create(
        &mut self,
        class: &str,
        creation: &Creation,
        draft: &[Outgoing<'_>],
        external: &Ticket,
    ) -> Result<Result<Ticket, itop_client::Error>, Failure> {
        let asked = self.shared.internal.present(class, &self.counterpart_attributes());
        let sent_ms = self.shared.now_ms();
        match self.send_create(class, creation, draft, &asked, external).await? {
            Ok(mut written) => {
                in_iso(self.shared, &self.shared.internal, std::slice::from_mut(&mut written.object)).await;
                self.leave_to_an_update(draft, &written.object);
                learn_offset(self.shared, &self.shared.internal, &written, "last_update").await?;
                Ok(Ok(self.created(&written.object, sent_ms).await?))
            }
            Err(error) => Ok(Err(error)),
        }
    }

    /// A text that was sent plain and came back as HTML may have lost words: it does not count as agreed, so that the
    /// next round writes it as HTML.
    fn leave_to_an_update(&mut self, draft: &[Outgoing<'_>], created: &Object) {
        for part in draft {
            if self.became_html(&mut [part.clone()], created)
                && let Some(creation) = &mut self.link.creation
            {
                creation.fields.remove(part.code());
                self.look_again(self.shared.now_ms());
            }
        }
    }

    /// Leaves out the external ticket's fields that the error names. Returns whether it named any.
    fn leave_out(
        &mut self,
        class: &str,
        draft: &mut Vec<Outgoing<'_>>,
        creation: &mut Creation,
        error: &itop_client::Error,
    ) -> bool {
        let named = |part: &Outgoing<'_>| part.field.source.is_some() && part.is_whole && names(error, part.code());
        let codes: Vec<String> = draft.iter().filter(|part| named(part)).map(|part| part.code().to_owned()).collect();
        for code in &codes {
            if let Some(part) = draft.iter().find(|part| part.code() == code) {
                self.field_refused(part.field, error);
            }
            self.without(class, draft, creation, code);
        }
        !codes.is_empty()
    }

    /// Replaces an external field: by a placeholder if it is mandatory, else by the side's default; without one, drops
    /// it.
    fn without(&self, class: &str, draft: &mut Vec<Outgoing<'_>>, creation: &mut Creation, code: &str) {
        let reference = &self.link.external.reference;
        let placeholder = match code {
            "title" => Some(text::title(&self.policy.title, reference, "").trim().to_owned()),
            "description" => Some(NO_DESCRIPTION.to_owned()),
            _ => self.policy.internal_defaults.get(code).cloned(),
        };
        let placeholder = placeholder.map(|words| if words.is_empty() { reference.clone() } else { words });
        creation.fields.remove(code);
        draft.retain_mut(|part| match &placeholder {
            Some(words) if part.code() == code => {
                *part = self.fitted(class, part.field, Crossed::as_it_is(code, words), false);
                true
            }
            _ => part.code() != code,
        });
    }

    /// iTop refuses without naming a value: leaves out the external ticket's fields one at a time, then all of them.
    /// The next round writes fields that were left out without being to blame.
    async fn create_without_one(
        &mut self,
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
            left_out.iter().for_each(|code| self.without(class, &mut less, &mut creation, code));
            match Box::pin(self.try_to_create(class, &creation, &less, external)).await? {
                Ok(ticket) => {
                    if let [code] = left_out.as_slice()
                        && let Some(part) = from_outside.iter().find(|part| part.code() == *code)
                    {
                        self.field_refused(part.field, &refused);
                        self.save().await?;
                    }
                    return Ok(Some(ticket));
                }
                Err(error) if blames_an_unnamed_value(&error) => {
                    if let Some(ticket) = self.found_after(&error).await? {
                        return Ok(Some(ticket));
                    }
                }
                Err(error) => return self.create_failed(&error).await,
            }
        }
        self.create_failed(&refused).await
    }

    /// An operator wanted a new internal ticket in place of a lost one. If its iTop was restored since, the old one may
    /// be there again, and a create would leave two. So it is read once more under the link as it was.
    async fn go_on_with_counterpart(&mut self) -> Result<(), Failure> {
        let Some(before) = self.link.before_anew.clone() else { return Ok(()) };
        let Some(key) = before.internal.clone() else { return Ok(()) };
        let internal = &self.shared.internal;
        let class = &self.policy.internal_class;
        let wanted = Wanted { class, attributes: read::internal_attributes(&self.policy), condition: None };
        let mut reads = read_and_watch(self.shared, internal, &wanted, &[key.id]).await;
        let read = reads.remove(&key.id).transpose().map_err(|error| Failure::of(internal, &error))?.flatten();
        let Some(ticket) = read.map(|read| read.ticket) else { return Ok(()) };
        if is_another(&self.policy, &before, Side::Internal, &ticket).is_some()
            || self.other_pair_of(&ticket).await?.is_some()
        {
            return Ok(());
        }
        self.link = *before;
        self.link.mark_restored(Side::Internal);
        self.did(format!("{} stands again: the pair goes on with it", ticket.reference));
        self.save().await?;
        let text = format!("{} stands again", ticket.reference);
        Err(Failure::at(internal, Kind::Stale, text))
    }

    /// The intent; each call sets until when it may take effect.
    async fn creation_of(&self, draft: &[Outgoing<'_>], external: &Ticket) -> Result<Creation, Failure> {
        let fields = draft.iter().filter(|part| part.is_whole).map(|part| part.field);
        let sources = fields.filter_map(|field| Some((field.code.clone(), field.source.clone()?)));
        let earlier = self.link.creation.as_ref();
        let tries = earlier.map_or(1, |earlier| earlier.tries + 1);
        // The ticket of an earlier try is still looked for.
        let (highest_before, since_ms) = match earlier {
            Some(earlier) => (earlier.highest_before, earlier.since_ms),
            None => (highest_internal(self.shared).await?, self.shared.now_ms()),
        };
        let (fields, status) = (sources.collect(), external.status.clone());
        Ok(Creation { until_ms: 0, highest_before, since_ms, fields, tries, status })
    }

    async fn send_create(
        &mut self,
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
        fields.set("private_log", html::text_to_html(&self.mark().entry(&external.reference)));
        let output: Vec<&str> = asked.iter().map(String::as_str).collect();
        let internal = &self.shared.internal;
        let intend = |link: &mut Link, until_ms| {
            link.creation = Some(Creation { until_ms, ..creation.clone() });
            // An earlier try may have sent more fields.
            link.owe_enclosures_of(Side::External, |code| draft.iter().any(|part| part.code() == code));
            for part in draft {
                link.enclose(Side::External, part.code(), &part.enclosed);
            }
        };
        self.write(internal, Create { class, fields: &fields, output: &output }, intend).await
    }

    pub(crate) fn mark(&self) -> TicketMark {
        self.policy.mark(&self.link)
    }

    fn counterpart_attributes(&self) -> BTreeSet<String> {
        let mut attributes = read::internal_attributes(&self.policy);
        attributes.extend(["id", "ref", "status", "last_update"].map(str::to_owned));
        attributes
    }

    async fn created(&mut self, object: &Object, sent_ms: i64) -> Result<Ticket, Failure> {
        // An earlier create may have taken effect after all: of two tickets the lower is the counterpart.
        if let Some(creation) = self.link.creation.clone()
            && creation.tries > 1
            && let Some(first) = self.find_marked(&creation).await?.into_iter().next()
            && first.id != object.id
        {
            return self.adopt(first).await;
        }
        let mut ticket = self.ticket_of(object, sent_ms).await?;
        // A reused id has the files that arrived late for the ticket which had it before.
        ticket.files = self.link.anew_from_ms.is_none().then(Vec::new);
        let (inside, outside) = (&self.shared.internal.name, &self.lane.name);
        let of = format!("{outside}:{}", self.link.external.reference);
        self.wrote("created", &format!("{inside}:{} is the copy of {of}", ticket.reference));
        self.adopt(ticket).await
    }

    /// Makes the internal ticket the counterpart: the ancestor is what was sent and what iTop answered.
    async fn adopt(&mut self, ticket: Ticket) -> Result<Ticket, Failure> {
        self.shared.internal.met_ticket(ticket.id);
        self.link.internal = Some(ticket.key());
        self.link.before_anew = None;
        self.link.ancestor.internal.made = self.made(Side::Internal, &ticket);
        let creation = self.link.creation.take();
        for (code, source) in creation.iter().flat_map(|creation| &creation.fields) {
            if let Some(target) = ticket.attributes.get(code)
                && !lost_words(code, source, target)
            {
                self.link.field_agreed(code, source, target);
            }
        }
        // The value of a field that was not sent counts as the bridge's own: a later edit of it is a person's.
        for code in &self.policy.fields {
            if let Some(target) = ticket.attributes.get(code) {
                let agreed = &mut self.link.ancestor.internal.fields;
                agreed.entry(code.clone()).or_insert_with(|| target.clone());
            }
        }
        if let Some(lifecycle) = &self.policy.external_lifecycle {
            self.link.ancestor.external.status.clone_from(&lifecycle.initial);
        }
        // A ticket found after a lost answer may have been moved by then: that is a person's move.
        let born = self.policy.internal_lifecycle.as_ref().map_or(&ticket.status, |lifecycle| &lifecycle.initial);
        self.link.ancestor.internal.status.clone_from(born);
        // After a second create both may take effect: others are looked for until that has settled.
        self.link.creation = creation.filter(|creation| creation.tries > 1);
        self.save().await?;
        Ok(ticket)
    }

    /// Reports other tickets with this pair's mark, once nothing sent for it can take effect any more.
    pub(crate) async fn report_twins(&mut self, creation: &Creation) -> Result<(), Failure> {
        if self.shared.now_ms() < creation.until_ms {
            return Ok(());
        }
        let linked = self.link.internal.as_ref().map_or_else(String::new, |key| key.reference.clone());
        for twin in self.find_marked(creation).await? {
            tracing::error!(ticket = %self.name(), kept = linked, twin = twin.reference, "two creates landed: two internal tickets carry the mark; close the one that is not linked");
            self.did(format!(
                "two internal tickets carry this mark: {linked} is linked, {} is not; close it",
                twin.reference
            ));
        }
        self.link.creation = None;
        self.save().await
    }

    async fn ticket_of(&self, object: &Object, read_at_ms: i64) -> Result<Ticket, Failure> {
        let text = |code: &str| object.text(code).unwrap_or_default().to_owned();
        let internal = &self.shared.internal;
        let asked = self.counterpart_attributes();
        let attributes = texts_as_stored(self.shared, internal, object, &asked).await;
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
    async fn create_failed(&mut self, error: &itop_client::Error) -> Result<Option<Ticket>, Failure> {
        if error.effect == (Effect::Unknown { answered: false }) {
            return Err(Failure::of(&self.shared.internal, error));
        }
        let found = self.found_after(error).await?;
        if found.is_some() {
            return Ok(found);
        }
        self.forget_creation().await?;
        Err(Failure::of(&self.shared.internal, error))
    }

    /// Finds the ticket of a create that iTop answered with an error: the call is over, so it is there now.
    async fn found_after(&mut self, error: &itop_client::Error) -> Result<Option<Ticket>, Failure> {
        match self.link.creation.clone() {
            Some(creation) if error.effect == (Effect::Unknown { answered: true }) => {
                self.find_created(&creation).await
            }
            _ => Ok(None),
        }
    }

    async fn forget_creation(&mut self) -> Result<(), Failure> {
        self.link.creation = None;
        if self.link.anew_from_ms.is_some() {
            // Only this link knows which files an earlier counterpart left on the external ticket.
            return self.save().await;
        }
        let lease = self.claim.lease.clone();
        if let Some(id) = self.link_id.take() {
            self.shared.store.call(move |store| store.drop_unborn_link(&lease, id)).await?;
        }
        Ok(())
    }

    /// The ticket that an unanswered create made, if it is there by now.
    pub(crate) async fn find_created(&mut self, creation: &Creation) -> Result<Option<Ticket>, Failure> {
        match self.find_marked(creation).await?.into_iter().next() {
            Some(ticket) => {
                self.wrote("found what an earlier create made", &format!("{} carries the mark", ticket.reference));
                self.adopt(ticket).await.map(Some)
            }
            None => Ok(None),
        }
    }

    /// The internal tickets with this pair's mark in their log's first entry that are no pair's counterpart, the lowest
    /// first.
    async fn find_marked(&mut self, creation: &Creation) -> Result<Vec<Ticket>, Failure> {
        let mark = self.mark();
        let class = self.policy.internal_class.clone();
        let oql = format!(
            "SELECT {class} WHERE (id > {} OR last_update >= {}) AND private_log LIKE {}",
            creation.highest_before,
            oql_quote(&anywhere_after(creation.since_ms)),
            oql_quote(&format!("%{}]%", mark.token()))
        );
        let mut attributes = self.counterpart_attributes();
        attributes.insert("private_log".to_owned());
        let internal = &self.shared.internal;
        let asked_ms = self.shared.now_ms();
        let answer =
            self.reading(call::get_known(self.shared, internal, &class, &Query::oql(oql), &attributes)).await?;
        let mut found = answer.map_err(|error| Failure::of(internal, &error))?;
        in_iso(self.shared, internal, &mut found.objects).await;
        let carries = |object: &&Object| read::first_mark(object).as_ref() == Some(&mark);
        let mut marked: Vec<&Object> = found.objects.iter().filter(carries).collect();
        marked.sort_by_key(|object| object.id);
        let mut tickets = Vec::new();
        for object in marked {
            let id = object.id;
            let other = self.shared.store.call(move |store| store.link_of_internal(id)).await?;
            let ticket = self.ticket_of(object, asked_ms).await?;
            // After a restore an id proves nothing: another pair may have had it, for another ticket.
            if !other.is_some_and(|other| is_still_of(&self.policy, &other.link, &ticket)) {
                tickets.push(ticket);
            }
        }
        Ok(tickets)
    }
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
