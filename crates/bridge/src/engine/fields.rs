//! Bringing fields of the counterpart up to date, and turning a value of one iTop into what the other
//! is sent.

use std::collections::BTreeMap;

use base64::Engine as _;
use itop_bridge_core::link::Late;
use itop_bridge_core::plan::{FieldWrite, Value};
use itop_bridge_core::text::NO_DESCRIPTION;
use itop_bridge_core::{Link, Ticket};
use itop_client::Fields;

use super::failure::{Failure, Kind};
use super::html::{self, Embedded};
use super::pass::Pass;

impl Pass<'_> {
    /// Brings fields of the counterpart up to date.
    pub(super) async fn update_fields(
        &mut self,
        fields: &[FieldWrite],
        target: &Ticket,
        reason: &str,
    ) -> Result<(), Failure> {
        let mut sent = Vec::new();
        for field in fields {
            sent.push((field, self.render(&field.value).await?));
        }
        let mut body = Fields::new();
        for (field, value) in &sent {
            body.set(field.code.clone(), value.clone());
        }
        let intend = |link: &mut Link, until_ms| {
            for (field, value) in &sent {
                link.may_land(Late::Field { code: field.code.clone(), value: value.clone() }, until_ms);
            }
        };
        let internal = &self.shared.internal;
        let (client, comment) = (internal.client.clone(), self.comment());
        let output: Vec<&str> = fields.iter().map(|field| field.code.as_str()).collect();
        let call = client.update(&target.class, target.id, &body, &comment, &output);
        let answer = self.write(internal, &target.class, intend, call).await?;
        let outcome = answer.map_err(|error| Failure::of(internal, &error));
        if let Ok(written) = &outcome {
            for (field, value) in &sent {
                let answered = written.object.text(&field.code).unwrap_or(value);
                let stored = internal.as_stored(&target.class, target.id, &field.code, answered).await;
                self.field_written(field, &stored.unwrap_or_else(|_| answered.to_owned()));
            }
            let codes = fields.iter().map(|field| field.code.as_str()).collect::<Vec<_>>().join(", ");
            self.wrote(&codes, reason);
        }
        self.save().await?;
        outcome.map(|_| ())
    }

    fn field_written(&mut self, field: &FieldWrite, answered: &str) {
        if let Some(lost) = &field.lost_edit {
            tracing::warn!(ticket = %self.name(), field = %field.code, "an edit made inside was overwritten; the activity log has the old value");
            self.did(format!("an edit made inside was overwritten: {} was {lost:?}", field.code));
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
        let mut images = BTreeMap::new();
        for image in html::inline_images(html) {
            // Of the memory that this pass may hold already: it never waits for more.
            let client = self.with_file_memory(external).await?;
            let answer = self.reading(client.inline_image(image.id, &image.secret, max_bytes)).await?;
            match answer {
                Ok(loaded) => {
                    let base64 = base64::engine::general_purpose::STANDARD.encode(&loaded.bytes);
                    images.insert(image, Embedded { mimetype: loaded.mime.to_owned(), base64 });
                }
                Err(error) => {
                    let failure = Failure::of(external, &error);
                    if matches!(failure.kind, Kind::Transient | Kind::Login) {
                        return Err(failure);
                    }
                    self.did(format!(
                        "inline image {} could not be had and became its description: {}",
                        image.id, failure.text
                    ));
                }
            }
        }
        let html = html::embed(html, &images);
        // iTop refuses an empty text, and a picture without a word may have left nothing.
        Ok(if html.trim().is_empty() { NO_DESCRIPTION.to_owned() } else { html })
    }
}
