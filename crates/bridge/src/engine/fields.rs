//! Bringing fields of the counterpart up to date, and turning a value of one iTop into what the other
//! is sent.

use std::collections::BTreeMap;

use itop_bridge_core::link::{Edit, Late};
use itop_bridge_core::plan::{FieldWrite, Value};
use itop_bridge_core::text::NO_DESCRIPTION;
use itop_bridge_core::{Link, Side, Ticket};
use itop_client::{Fields, Object};

use super::crossing::{Crossed, Target};
use super::failure::Failure;
use super::html;
use super::itop::Format;
use super::pass::Pass;
use super::write::is_too_large;

/// The fields that are sent, as they are sent; those of unknown format, as HTML; and what could not be read.
type Rendered<'f> = (Vec<&'f FieldWrite>, Vec<(String, String)>, BTreeMap<String, String>, Option<Failure>);

impl Pass<'_> {
    /// Brings fields of the counterpart up to date.
    pub(super) async fn update_fields(
        &mut self,
        fields: &[FieldWrite],
        target: &Ticket,
        reason: &str,
    ) -> Result<(), Failure> {
        let (fields, mut sent, mut unsure, unread) = self.rendered(fields, target).await?;
        if sent.is_empty() {
            return unread.map_or(Ok(()), Err);
        }
        let answer = loop {
            match self.send_fields(&fields, &sent, target).await? {
                Err(error) if self.leave_pictures_out(&mut sent, &error) => {}
                Ok(written) if self.became_html(&mut sent, &mut unsure, &written.object) => {}
                answer => break answer,
            }
        };
        let internal = &self.shared.internal;
        let outcome = answer.map_err(|error| Failure::of(internal, &error));
        if let Ok(written) = &outcome {
            for (field, (_, value)) in fields.iter().zip(&sent) {
                let answered = written.object.text(&field.code).unwrap_or(value);
                let stored = internal.as_stored(&target.class, target.id, &field.code, answered).await;
                self.field_written(field, &stored.unwrap_or_else(|_| answered.to_owned()));
            }
            let codes = fields.iter().map(|field| field.code.as_str()).collect::<Vec<_>>().join(", ");
            self.wrote(&codes, reason);
        }
        self.save().await?;
        outcome?;
        unread.map_or(Ok(()), Err)
    }

    /// The fields as they are sent. One with a picture that cannot be read, and is not given up yet, holds the
    /// others not up: it is left out, and answered as a failure.
    async fn rendered<'f>(&mut self, fields: &'f [FieldWrite], target: &Ticket) -> Result<Rendered<'f>, Failure> {
        let (mut whole, mut sent, mut unsure, mut unread) = (Vec::new(), Vec::new(), BTreeMap::new(), None);
        for field in fields {
            match self.render(field, &target.class, Some(target)).await {
                Ok(crossed) => {
                    whole.push(field);
                    unsure.extend(crossed.as_html_if_unsure());
                    sent.push((crossed.code, crossed.value));
                }
                Err(failure) if failure.ends_the_pass() => return Err(failure),
                Err(failure) => unread = Some(failure),
            }
        }
        Ok((whole, sent, unsure, unread))
    }

    /// Texts that were sent plain, while nobody knew the target's format, and of which iTop made HTML: what followed
    /// a `<` is lost, and line breaks are. Answers whether there were any, to be sent again as HTML.
    pub(super) fn became_html(
        &self,
        sent: &mut [(String, String)],
        unsure: &mut BTreeMap<String, String>,
        answered: &Object,
    ) -> bool {
        let mut any = false;
        for (code, value) in sent {
            let Some(html) = unsure.remove(code) else { continue };
            let is_html = answered.text(code).is_some_and(html::begins_with_tag) && !html::begins_with_tag(value);
            if is_html {
                self.shared.internal.learn_format(&answered.class, code, Format::Html);
                (*value, any) = (html, true);
            }
        }
        any
    }

    async fn send_fields(
        &mut self,
        fields: &[&FieldWrite],
        sent: &[(String, String)],
        target: &Ticket,
    ) -> Result<Result<itop_client::Written, itop_client::Error>, Failure> {
        let mut body = Fields::new();
        for (code, value) in sent {
            body.set(code.clone(), value.clone());
        }
        let at_stake = fields.iter().filter_map(|field| field.lost_edit.clone());
        let intend = |link: &mut Link, until_ms| {
            link.edits_at_stake.retain(|edit| !sent.iter().any(|(code, _)| *code == edit.code));
            link.edits_at_stake.extend(at_stake);
            for (code, value) in sent {
                link.may_land(Late::Field { code: code.clone(), value: value.clone() }, until_ms);
            }
        };
        let internal = &self.shared.internal;
        let (client, comment) = (internal.client.clone(), self.comment());
        let output: Vec<&str> = sent.iter().map(|(code, _)| code.as_str()).collect();
        let call = client.update(&target.class, target.id, &body, &comment, &output);
        self.write(internal, &target.class, intend, call).await
    }

    /// Pictures that make a text too large for the other iTop become words: the text must arrive. Answers
    /// whether there were any, and it is worth sending again.
    pub(super) fn leave_pictures_out(&mut self, sent: &mut [(String, String)], error: &itop_client::Error) -> bool {
        let mut left_out = Vec::new();
        if is_too_large(error) {
            for (code, value) in sent {
                if let Some(words) = html::without_pictures(value) {
                    *value = words;
                    left_out.push(code.as_str());
                }
            }
        }
        if left_out.is_empty() {
            return false;
        }
        let (codes, side) = (left_out.join(", "), &self.shared.internal.name);
        tracing::warn!(ticket = %self.name(), fields = codes, %error, "the pictures are too large; words are sent in their place");
        self.did(format!("{codes}: the pictures are larger than {side} takes and became words ({error})"));
        true
    }

    /// What a person wrote inside is kept in the record, and so is what a person may have written.
    pub(super) fn edit_overwritten(&mut self, edit: &Edit) {
        let code = &edit.code;
        // Whoever reads the activity log is not to have the secret of a picture with it.
        let lost = html::without_image_addresses(&edit.value);
        if edit.may_be_ours {
            return self.did(format!(
                "written over: {code} was {lost:?}, by an update of the bridge's that landed late or by a person who wrote the same"
            ));
        }
        tracing::warn!(ticket = %self.name(), field = code, "an edit made inside was overwritten; the activity log has the old value");
        self.did(format!("an edit made inside was overwritten: {code} was {lost:?}"));
    }

    fn field_written(&mut self, field: &FieldWrite, answered: &str) {
        self.link.edits_at_stake.retain(|edit| edit.code != field.code);
        if let Some(lost) = &field.lost_edit {
            self.edit_overwritten(lost);
        }
        if let Some(source) = &field.source {
            self.link.field_agreed(&field.code, source, answered);
        }
    }

    /// The field as it is sent.
    pub(super) async fn render(
        &mut self,
        field: &FieldWrite,
        class: &str,
        target: Option<&Ticket>,
    ) -> Result<Crossed, Failure> {
        let FieldWrite { code, value, source, .. } = field;
        let holds = target.and_then(|target| target.filled(code));
        let place = Target { on: Side::Internal, class, code, holds };
        match value {
            // A default is the operator's own; a title, and the words for an empty description, are nobody's markup.
            Value::Text(text) if source.is_none() || matches!(code.as_str(), "title" | "description") => {
                Ok(Crossed::as_it_is(code, text))
            }
            Value::Text(text) => self.crossed(text, place).await,
            Value::Html(html) => {
                let mut crossed = self.crossed(html, place).await?;
                // iTop refuses an empty text, and a picture without a word may have left nothing.
                if crossed.value.trim().is_empty() && code == "description" {
                    NO_DESCRIPTION.clone_into(&mut crossed.value);
                }
                Ok(crossed)
            }
        }
    }
}
