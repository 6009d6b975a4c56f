//! The triggers that the bridge's specification asks for, in the version whose payloads carry
//! ids only and in the one printed in the specification.

use super::{Action, On, Trigger};

/// Which payloads the actions carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payloads {
    /// Class, id and event: never a title, so never broken JSON.
    IdsOnly,
    /// Word for word as the specification prints them.
    AsPrinted,
}

/// Where the hooks go and how they are authorised.
#[derive(Debug, Clone)]
pub struct Receiver {
    /// Without a slash at the end.
    pub url: String,
    pub key: String,
    pub payloads: Payloads,
}

const IDS: &str = r#"{ "class":"$this->finalclass$", "id":"$this->id$"}"#;

const CREATED_AS_PRINTED: &str = r#"{
    "event": "ticket.create",
    "class": "$this->finalclass$",
    "id": "$this->id$",
    "ref": "$this->ref$",
    "title": "$this->title$",
    "description": "$this->description$",
    "status": "$this->status$",
    "caller_id": "$this->caller_id->name$",
    "org_id": "$this->org_id->name$",
    "team_id": "$this->team_id->name$",
    "operator_id": "$this->agent_id->name$",
    "priority": "$this->priority$"
}"#;

const CREATED_IDS: &str =
    r#"{ "event":"ticket.create", "class":"$this->finalclass$", "id":"$this->id$", "ref":"$this->ref$"}"#;

/// The state's name in the specification's list of notifications.
const STATES: [(&str, &str); 10] = [
    ("assigned", "ticket assigned"),
    ("pending", "ticket pending"),
    ("escalated_tto", "ticket escalated tto"),
    ("escalated_ttr", "ticket escalated ttr"),
    ("resolved", "ticket resolved"),
    ("closed", "ticket closed"),
    ("waiting_for_approval", "ticket waiting for approval"),
    ("approved", "ticket approved"),
    ("rejected", "ticket rejected"),
    ("notapproved", "ticket not approved"),
];

impl Receiver {
    fn trigger(&self, description: &str, on: On, class: &str, path: &str, payload: &str) -> Trigger {
        Trigger {
            description: description.into(),
            on,
            class: class.into(),
            target_attcodes: None,
            filter_oql: None,
            actions: vec![Action {
                name: description.into(),
                method: "post".into(),
                base_url: self.url.trim_end_matches('/').into(),
                path: path.into(),
                headers: format!("Content-type: application/json\nX-API-Key: {}", self.key),
                payload: payload.into(),
                enabled: true,
            }],
        }
    }

    /// The specification has no hook for a new attachment: it comes as the update that gives a
    /// draft its ticket. One made by REST or mail fires create only, so `IdsOnly` has it.
    fn attachments(&self, source: &str) -> Vec<Trigger> {
        let payload = |event: &str| {
            format!(
                r#"{{ "event":"{event}", "source":"{source}", "attachment_id":"$this->id$", "item_class":"$this->item_class$", "item_id":"$this->item_id$"}}"#
            )
        };
        let trigger = |name: &str, on: On, event: &str| {
            self.trigger(name, on, "Attachment", "/api/v1/update-attachment", &payload(event))
        };
        let deleted = match self.payloads {
            Payloads::IdsOnly => "attachment.delete",
            Payloads::AsPrinted => "attachment.update",
        };
        let mut triggers = vec![
            trigger("attachment update", On::Update, "attachment.update"),
            trigger("attachment delete", On::Delete, deleted),
        ];
        if self.payloads == Payloads::IdsOnly {
            triggers.push(trigger("attachment create", On::Create, "attachment.create"));
        }
        triggers
    }

    /// What a customer's iTop sends.
    pub fn external(&self) -> Vec<Trigger> {
        let created = match self.payloads {
            Payloads::IdsOnly => CREATED_IDS,
            Payloads::AsPrinted => CREATED_AS_PRINTED,
        };
        let mut triggers = self.attachments("external");
        triggers.push(self.trigger("ticket created", On::Create, "Ticket", "/api/v1/create-ticket", created));
        triggers.push(self.trigger("ticket update", On::Update, "Ticket", "/api/v1/update-ticket", IDS));
        triggers
    }

    /// What the provider's iTop sends; `name` is what it calls itself in `source`.
    pub fn internal(&self, name: &str) -> Vec<Trigger> {
        let mut triggers = self.attachments(name);
        let payload = r#"{ "event":"update private log", "id":"$this->id$"}"#;
        let path = "/api/v1/ticket-update-private-log";
        let mut log = self.trigger("private log update", On::Update, "Ticket", path, payload);
        log.target_attcodes = Some(vec!["private_log".into()]);
        triggers.push(log);
        for (state, event) in STATES.into_iter().chain([("validated", "ticket validated")]) {
            let payload = format!(r#"{{ "event":"{event}", "id":"$this->id$"}}"#);
            let on = On::StateEnter(state.into());
            triggers.push(self.trigger(event, on, "Ticket", "/api/v1/ticket-state-change", &payload));
        }
        triggers
    }
}
