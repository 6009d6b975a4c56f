//! What a person does in iTop's console. Each returns after the hooks were answered, as the
//! person's browser does. Refusals are iTop's own.

use bytes::Bytes;
use serde_json::{Value as Json, json};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::change::{self, Event};
use crate::refusal::Refusal;
use crate::rest::Service;
use crate::sim::Sim;
use crate::value::{Entry, Object, Value};

/// A picture in a text: what stands in the markup is `html`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InlineImage {
    pub id: u64,
    pub secret: String,
    /// The `<img>` as the console writes it, for a description or a log entry.
    pub html: String,
}

impl Sim {
    /// Who the person is from now on; the account must exist.
    pub fn act_as(&self, login: &str) {
        self.with(|state| state.person = login.into());
    }

    /// Fields as REST takes them: `{"org_id": 3, "title": "…", "description": "…"}`.
    pub async fn create_ticket(&self, class: &str, fields: Json) -> Result<u64, Refusal> {
        self.work(|service| service.insert(class, &fields)).await
    }

    pub async fn update(&self, ticket: u64, fields: Json) -> Result<(), Refusal> {
        let began = self.save_children_first(ticket, &fields).await?;
        self.work(|service| {
            // The entries and `last_update` are dated before the children are saved.
            service.now = began;
            let object = one(service, "Ticket", ticket)?;
            let draft = service.drafted(object, &fields)?;
            change::update_alone(service.world, draft, service.now)
        })
        .await?;
        Ok(())
    }

    /// iTop copies new log entries into the children, and saves these, each with its hooks, before the ticket itself.
    async fn save_children_first(&self, ticket: u64, fields: &Json) -> Result<i64, Refusal> {
        let (before, draft, hold, began) = self.with(|state| {
            let (person, hold) = (state.person.clone(), state.hold_parent);
            let service = state.service(&person);
            let before = one(&service, "Ticket", ticket)?;
            let draft = service.drafted(before.clone(), fields)?;
            Ok((before, draft, hold, service.now))
        })?;
        if self.save_children(&before, &draft).await? && !hold.is_zero() {
            tokio::time::sleep(hold).await;
        }
        Ok(began)
    }

    /// One after the other, each after its own children. Answers whether there are any.
    async fn save_children(&self, before: &Object, draft: &Object) -> Result<bool, Refusal> {
        let (children, hold) = self.with(|state| {
            let (person, hold) = (state.person.clone(), state.hold_children);
            (change::children_of(state.service(&person).world, draft), hold)
        });
        for child in &children {
            let copied = |service: &Service<'_>| {
                let is = service.world.find(&child.0, child.1).cloned();
                is.zip(change::with_copied_entries(service.world, before, draft, child, service.now))
            };
            let found = self.with(|state| {
                let person = state.person.clone();
                copied(&state.service(&person))
            });
            let Some((child_before, child_draft)) = found.filter(|(is, will_be)| is != will_be) else { continue };
            Box::pin(self.save_children(&child_before, &child_draft)).await?;
            let events = self.with(|state| {
                let person = state.person.clone();
                let service = state.service(&person);
                let Some((_, child)) = copied(&service) else { return Ok(Vec::new()) };
                Ok(change::update_alone(service.world, child, service.now)?.1)
            })?;
            self.fire_all(&events).await;
            if !hold.is_zero() {
                tokio::time::sleep(hold).await;
            }
        }
        Ok(!children.is_empty())
    }

    pub async fn stimulus(&self, ticket: u64, stimulus: &str, fields: Json) -> Result<(), Refusal> {
        self.work(|service| {
            let object = one(service, "Ticket", ticket)?;
            service.stimulate(object, stimulus, &fields)
        })
        .await?;
        Ok(())
    }

    /// `log` is `private_log` or `public_log`; `html` is what the editor holds.
    pub async fn add_log_entry(&self, ticket: u64, log: &str, html: &str) -> Result<(), Refusal> {
        self.update(ticket, json!({log: html})).await
    }

    /// Writes a whole log anew by `items`, as an administrator's program does it that anonymises or moderates: each
    /// entry as it was read, with what `reword` makes of its markup. Hooks fire, and `last_update` moves.
    pub async fn reword_by_items(
        &self,
        ticket: u64,
        log: &str,
        reword: impl Fn(&str) -> String,
    ) -> Result<(), Refusal> {
        let items = self.with(|state| {
            let (person, zone) = (state.person.clone(), state.world.zone.clone());
            let object = one(&state.service(&person), "Ticket", ticket)?;
            let item = |entry: &Entry| {
                json!({
                    "date": zone.print(entry.at), "user_login": entry.user_login,
                    "user_id": entry.user_id.to_string(), "message": reword(&entry.text), "format": "html",
                })
            };
            Ok::<Vec<Json>, Refusal>(object.get(log).log().iter().map(item).collect())
        })?;
        self.update(ticket, json!({ log: { "items": items } })).await
    }

    pub async fn change_org(&self, ticket: u64, organization: u64) -> Result<(), Refusal> {
        self.update(ticket, json!({"org_id": organization})).await
    }

    /// Uploads into an open form (a draft without a ticket), then saves the form.
    pub async fn attach(&self, ticket: u64, name: &str, mimetype: &str, data: &[u8]) -> Result<u64, Refusal> {
        let draft = self.attach_draft(ticket, name, mimetype, data).await?;
        self.save_draft(draft, ticket).await?;
        Ok(draft)
    }

    /// Only the first half: the file is a draft until the form is saved or cancelled.
    pub async fn attach_draft(&self, ticket: u64, name: &str, mimetype: &str, data: &[u8]) -> Result<u64, Refusal> {
        let class = self.class_of_ticket(ticket)?;
        let contents = contents(name, mimetype, data);
        let fields = json!({"item_class": class, "item_id": 0, "temp_id": "draft", "contents": contents});
        self.work(|service| service.insert("Attachment", &fields)).await
    }

    /// The form is saved: the draft gets its ticket.
    pub async fn save_draft(&self, attachment: u64, ticket: u64) -> Result<(), Refusal> {
        self.work(|service| {
            let organization = one(service, "Ticket", ticket)?.get("org_id").key();
            let draft = one(service, "Attachment", attachment)?;
            service.change(draft, &json!({"item_id": ticket, "item_org_id": organization, "temp_id": ""}))
        })
        .await?;
        Ok(())
    }

    pub async fn rename_attachment(&self, attachment: u64, name: &str) -> Result<(), Refusal> {
        self.change_file(attachment, |file| file.filename = name.into()).await
    }

    pub async fn replace_attachment(&self, attachment: u64, data: &[u8]) -> Result<(), Refusal> {
        self.change_file(attachment, |file| file.data = Bytes::copy_from_slice(data)).await
    }

    /// A person's download counts, and so updates the attachment.
    pub async fn download_attachment(&self, attachment: u64) -> Result<Bytes, Refusal> {
        self.change_file(attachment, |file| file.downloads += 1).await?;
        let file = self.attachment(attachment);
        file.map(|file| file.data).ok_or_else(|| Refusal::error(format!("Invalid object Attachment::{attachment}")))
    }

    async fn change_file(
        &self,
        attachment: u64,
        change: impl FnOnce(&mut crate::value::Document),
    ) -> Result<(), Refusal> {
        self.work(|service| {
            let mut object = one(service, "Attachment", attachment)?;
            if let Some(Value::File(file)) = object.values.get_mut("contents") {
                change(file);
            }
            change::update(service.world, object, service.now)
        })
        .await?;
        Ok(())
    }

    pub async fn delete_attachment(&self, attachment: u64) {
        self.delete_all(vec![("Attachment".into(), attachment)]).await;
    }

    /// As an administrator: its attachments go first, one by one.
    pub async fn delete_ticket(&self, ticket: u64) -> Result<(), Refusal> {
        let class = self.class_of_ticket(ticket)?;
        self.delete_all(vec![(class, ticket)]).await;
        Ok(())
    }

    /// Pastes a picture into a ticket's text; `secret` is drawn by iTop, given here.
    pub async fn add_inline_image(
        &self,
        ticket: u64,
        secret: &str,
        mimetype: &str,
        data: &[u8],
    ) -> Result<InlineImage, Refusal> {
        let class = self.class_of_ticket(ticket)?;
        let contents = contents("image.png", mimetype, data);
        let fields = json!({"item_class": class, "item_id": ticket, "secret": secret, "contents": contents});
        let id = self.work(|service| service.insert("InlineImage", &fields)).await?;
        let base_url = self.with(|state| state.world.base_url.clone());
        let html = format!(
            "<img src=\"{base_url}/pages/ajax.document.php?operation=download_inlineimage&amp;id={id}&amp;s={secret}\">"
        );
        Ok(InlineImage { id, secret: secret.into(), html })
    }

    fn class_of_ticket(&self, ticket: u64) -> Result<String, Refusal> {
        self.with(|state| {
            let found = state.world.find("Ticket", ticket).map(|object| object.class.clone());
            found.ok_or_else(|| Refusal::error(format!("Invalid object Ticket::{ticket}")))
        })
    }

    /// One save by the person, and its hooks.
    async fn work(
        &self,
        step: impl FnOnce(&mut Service<'_>) -> Result<(Object, Vec<Event>), Refusal>,
    ) -> Result<u64, Refusal> {
        let (object, events) = self.with(|state| {
            let person = state.person.clone();
            step(&mut state.service(&person))
        })?;
        self.fire_all(&events).await;
        Ok(object.id)
    }
}

fn one(service: &Service<'_>, class: &str, id: u64) -> Result<Object, Refusal> {
    let found = service.world.find(class, id).cloned();
    found.ok_or_else(|| Refusal::error(format!("Invalid object {class}::{id}")))
}

fn contents(name: &str, mimetype: &str, data: &[u8]) -> Json {
    json!({"data": STANDARD.encode(data), "filename": name, "mimetype": mimetype})
}
