//! Bringing fields of the counterpart up to date, and turning a value of one iTop into what the other
//! is sent.

use std::collections::BTreeMap;

use base64::Engine as _;
use itop_bridge_core::link::{Edit, Late};
use itop_bridge_core::plan::{FieldWrite, Value};
use itop_bridge_core::text::NO_DESCRIPTION;
use itop_bridge_core::{Link, Ticket};
use itop_client::Fields;

use super::failure::Failure;
use super::html::{self, Embedded};
use super::pass::Pass;
use super::unreadable::Loaded;
use super::write::is_too_large;

impl Pass<'_> {
    /// Brings fields of the counterpart up to date.
    pub(super) async fn update_fields(
        &mut self,
        fields: &[FieldWrite],
        target: &Ticket,
        reason: &str,
    ) -> Result<(), Failure> {
        let (fields, mut sent, unread) = self.rendered(fields).await?;
        if sent.is_empty() {
            return unread.map_or(Ok(()), Err);
        }
        let answer = loop {
            match self.send_fields(&fields, &sent, target).await? {
                Err(error) if self.leave_pictures_out(&mut sent, &error) => {}
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
    async fn rendered<'f>(
        &mut self,
        fields: &'f [FieldWrite],
    ) -> Result<(Vec<&'f FieldWrite>, Vec<(String, String)>, Option<Failure>), Failure> {
        let (mut whole, mut sent, mut unread) = (Vec::new(), Vec::new(), None);
        for field in fields {
            match self.render(&field.value).await {
                Ok(value) => {
                    whole.push(field);
                    sent.push((field.code.clone(), value));
                }
                Err(failure) if failure.ends_the_pass() => return Err(failure),
                Err(failure) => unread = Some(failure),
            }
        }
        Ok((whole, sent, unread))
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

    /// The value as it is sent: inline images are fetched from the external's configured address, by
    /// id and secret, and embedded.
    pub(super) async fn render(&mut self, value: &Value) -> Result<String, Failure> {
        let html = match value {
            Value::Text(text) => return Ok(text.clone()),
            Value::Html(html) => html,
        };
        let external = &self.lane.external;
        let max_bytes = self.lane.settings.sync.max_attachment_bytes;
        let (mut images, mut unread) = (BTreeMap::new(), Vec::new());
        for image in html::inline_images(html) {
            // Of the memory that this pass may hold already: it never waits for more.
            let client = self.with_file_memory(external).await?;
            let answer = self.reading(client.inline_image(image.id, &image.secret, max_bytes)).await?;
            match answer {
                Ok(loaded) => {
                    external.could_read(Loaded::InlineImage, image.id);
                    let base64 = base64::engine::general_purpose::STANDARD.encode(&loaded.bytes);
                    images.insert(image, Embedded { mimetype: loaded.mime.to_owned(), base64 });
                }
                Err(error) => {
                    let why = self.shared.picture_not_read(external, image.id, &error)?;
                    self.did(format!("inline image {} could not be had and became its description: {why}", image.id));
                    unread.push(image);
                }
            }
        }
        let html = html::embed(&html::with_words_for(html, &unread), &images);
        // iTop refuses an empty text, and a picture without a word may have left nothing.
        Ok(if html.trim().is_empty() { NO_DESCRIPTION.to_owned() } else { html })
    }
}
