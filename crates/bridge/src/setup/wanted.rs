//! The one table of the webhooks that a side's iTop must send: made from the configuration alone, and used by
//! `setup`, by `check` and by the page for an administrator.
//!
//! - A payload carries ids only. With a title or a description in it, iTop 3.1 sends nothing at all if the text has a
//!   quote (seen on 3.1.2), and the bridge would not trust the text anyway.
//! - The header's first line is spelt exactly so: only then does iTop 3.2 escape the values that it puts into a
//!   payload.
//! - Only the creation trigger has `only` as its filter: a ticket that is handed over later crosses by its update.

use std::collections::{BTreeMap, BTreeSet};

use secrecy::SecretString;

use crate::config::{Condition, Config, ExternalConfig, LogCopy, Login, SideConfig};

/// The webhooks that one side must have.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The name prefix of everything that `setup` makes: `itop-bridge 7f3a`.
    pub name: String,
    /// The target of the webhooks, without a trailing slash.
    pub url: String,
    /// The keys that they may carry. The first is written.
    pub keys: Vec<SecretString>,
    /// The keys of each other side.
    pub others: Vec<(String, Vec<SecretString>)>,
    pub role: Role,
    pub account: Account,
    pub notifications: Vec<Notification>,
}

/// The bridge's account in that iTop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its login; none if the bridge logs in with a token.
    pub user: Option<String>,
    /// The profiles that it needs, by iTop's names.
    pub profiles: Vec<&'static str>,
}

impl Account {
    fn of(side: &SideConfig, classes: &BTreeSet<&String>) -> Account {
        let user = match &side.login {
            Login::Password { user, .. } => Some(user.clone()),
            Login::Token(_) => None,
        };
        let mut profiles = vec!["REST Services User", "Support Agent"];
        if classes.iter().any(|class| class.ends_with("Change")) {
            profiles.extend(["Change Supervisor", "Change Implementor", "Change Approver"]);
        }
        Account { user, profiles }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    External,
    Internal,
}

/// One webhook call (an *action*), and the triggers that call it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// The name in the specification, such as `ticket assigned`.
    pub name: String,
    pub path: &'static str,
    pub payload: String,
    pub triggers: Vec<Trigger>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trigger {
    pub on: On,
    /// The *target class*.
    pub class: String,
    /// An OQL query that must find the object; empty for every object.
    pub filter: String,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum On {
    Create,
    /// With the code of the one attribute that must have changed; `None` for any attribute.
    Update(Option<&'static str>),
    Delete,
    StateEnter(String),
}

impl On {
    /// iTop's class of such a trigger.
    pub fn trigger_class(&self) -> &'static str {
        match self {
            On::Create => "TriggerOnObjectCreate",
            On::Update(_) => "TriggerOnObjectUpdate",
            On::Delete => "TriggerOnObjectDelete",
            On::StateEnter(_) => "TriggerOnStateEnter",
        }
    }

    /// The attribute that a trigger of this class has besides the common ones, and its value.
    pub fn own_attribute(&self) -> Option<(&'static str, &str)> {
        match self {
            On::Create | On::Delete => None,
            On::Update(code) => Some(("target_attcodes", code.unwrap_or_default())),
            On::StateEnter(state) => Some(("state", state)),
        }
    }
}

pub const CONTENT_TYPE: &str = "Content-type: application/json";
pub const KEY_HEADER: &str = "X-API-Key";
const ATTACHMENT: &str = "Attachment";
const STATE_CHANGE: &str = "/api/v1/ticket-state-change";

impl Wanted {
    /// The table of the side with this name; none if no side has it.
    pub fn of(config: &Config, side: &str) -> Option<Wanted> {
        let (role, of, classes, notifications) = if side == config.internal.name {
            let classes = config.externals.iter().flat_map(|external| external.sync.classes.values()).collect();
            (Role::Internal, &config.internal, classes, internal(config))
        } else {
            let found = config.externals.iter().find(|external| external.name() == side)?;
            (Role::External, &found.side, found.sync.classes.keys().collect(), external(found))
        };
        let others =
            config.sides().filter(|other| other.name != side).map(|other| (other.name.clone(), other.api_keys.clone()));
        Some(Wanted {
            name: format!("itop-bridge {}", config.server.id),
            url: config.server.public_url.clone(),
            keys: of.api_keys.clone(),
            others: others.collect(),
            role,
            account: Account::of(of, &classes),
            notifications,
        })
    }

    /// The name of a notification's action in iTop.
    pub fn action_name(&self, notification: &Notification) -> String {
        format!("{}: {}", self.name, notification.name)
    }

    /// The *description* of a trigger in iTop, by which iTop sorts them.
    pub fn trigger_name(&self, notification: &Notification, trigger: &Trigger) -> String {
        format!("{}: {}, {}", self.name, notification.name, trigger.class)
    }

    /// The classes of its triggers.
    pub fn classes(&self) -> BTreeSet<&str> {
        self.notifications.iter().flat_map(|of| &of.triggers).map(|trigger| trigger.class.as_str()).collect()
    }

    /// The table for an iTop that lacks these classes.
    pub fn without(&self, classes: &BTreeSet<String>) -> Wanted {
        let mut wanted = self.clone();
        for notification in &mut wanted.notifications {
            notification.triggers.retain(|trigger| !classes.contains(&trigger.class));
        }
        wanted.notifications.retain(|notification| !notification.triggers.is_empty());
        wanted
    }

    /// Whether `setup` made the object of this name for this bridge.
    pub fn owns(&self, name: &str) -> bool {
        name.strip_prefix(&self.name).is_some_and(|rest| rest.is_empty() || rest.starts_with(": "))
    }
}

fn external(external: &ExternalConfig) -> Vec<Notification> {
    let leaving: Vec<(&String, &Condition)> =
        external.sync.classes.keys().filter_map(|class| Some((class, external.only.of(class)?))).collect();
    let created = leaving.iter().map(|(class, condition)| Trigger {
        on: On::Create,
        class: (*class).clone(),
        filter: filter(class, condition),
    });
    let updated = leaving.iter().map(|(class, _)| Trigger::every(On::Update(None), class));
    let mut notifications = vec![
        Notification {
            name: "ticket created".to_owned(),
            path: "/api/v1/create-ticket",
            payload: r#"{"event":"ticket.create","class":"$this->finalclass$","id":"$this->id$","ref":"$this->ref$"}"#
                .to_owned(),
            triggers: created.collect(),
        },
        Notification {
            name: "ticket update".to_owned(),
            path: "/api/v1/update-ticket",
            payload: r#"{"class":"$this->finalclass$","id":"$this->id$"}"#.to_owned(),
            triggers: updated.collect(),
        },
    ];
    notifications.extend(attachments("external"));
    notifications
}

fn internal(config: &Config) -> Vec<Notification> {
    let mut notifications: Vec<Notification> =
        states(&config.externals).into_iter().map(|(state, classes)| state_change(&state, &classes)).collect();
    let classes: BTreeSet<&String> =
        config.externals.iter().flat_map(|external| external.sync.classes.values()).collect();
    let told = |copy: fn(&ExternalConfig) -> LogCopy| config.externals.iter().any(|e| copy(e) == LogCopy::Attachment);
    if told(|external| external.sync.private_log_to_external) {
        notifications.push(log("private log", "private_log", classes.iter().copied()));
    }
    if told(|external| external.sync.public_log_to_external) {
        // iTop refuses an attribute that the class lacks, and a change has no public log.
        let with_one = classes.iter().copied().filter(|class| !class.ends_with("Change"));
        notifications.push(log("public log", "public_log", with_one));
    }
    notifications.extend(attachments(&config.internal.name));
    notifications
}

/// Every state that an internal ticket can be moved into, by a person, a stimulus or a clock, with the classes that
/// have it. A state that no transition leads to is never entered (`approved` of a routine change), or only by the
/// ticket's creation (`new` of an incident), which the bridge made itself.
fn states(externals: &[ExternalConfig]) -> BTreeMap<String, BTreeSet<String>> {
    let mut states: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for external in externals {
        for class in external.sync.classes.values() {
            for transition in external.sync.lifecycles.of(class).into_iter().flat_map(|cycle| &cycle.transitions) {
                states.entry(transition.to.clone()).or_default().insert(class.clone());
            }
        }
    }
    states
}

fn state_change(state: &str, classes: &BTreeSet<String>) -> Notification {
    let words = match state {
        "notapproved" => "not approved".to_owned(),
        state => state.replace('_', " "),
    };
    let name = format!("ticket {words}");
    let trigger = |class: &String| Trigger::every(On::StateEnter(state.to_owned()), class);
    Notification {
        payload: format!(r#"{{"event":"{name}","id":"$this->id$"}}"#),
        name,
        path: STATE_CHANGE,
        triggers: classes.iter().map(trigger).collect(),
    }
}

fn log<'a>(name: &str, code: &'static str, classes: impl Iterator<Item = &'a String>) -> Notification {
    Notification {
        name: format!("{name} update"),
        path: "/api/v1/ticket-update-private-log",
        payload: format!(r#"{{"event":"update {name}","id":"$this->id$"}}"#),
        triggers: classes.map(|class| Trigger::every(On::Update(Some(code)), class)).collect(),
    }
}

/// The specification has no trigger for a new attachment: one uploaded in a form is announced by the update that
/// gives the draft its ticket. An attachment made by REST or by mail fires only the creation trigger.
fn attachments(source: &str) -> [Notification; 3] {
    [("create", On::Create), ("update", On::Update(None)), ("delete", On::Delete)].map(|(event, on)| Notification {
        name: format!("attachment {event}"),
        path: "/api/v1/update-attachment",
        payload: format!(
            r#"{{"event":"attachment.{event}","source":"{source}","attachment_id":"$this->id$","item_class":"$this->item_class$","item_id":"$this->item_id$"}}"#
        ),
        triggers: vec![Trigger::every(on, ATTACHMENT)],
    })
}

impl Trigger {
    fn every(on: On, class: &str) -> Trigger {
        Trigger { on, class: class.to_owned(), filter: String::new() }
    }
}

/// In a trigger, `:current_…` is whoever saves the ticket; in `only`, the bridge's account. So such a condition
/// cannot be a filter.
fn filter(class: &str, condition: &Condition) -> String {
    match condition {
        Condition::Oql(condition) if !condition.contains(":current") => format!("SELECT {class} WHERE ({condition})"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(side: &str, acme: &str, sync: &str) -> Wanted {
        let account = "user = \"bridge\"\npassword = \"p\"\napi_keys = [\"sk_0123456789abcdef\"]\n";
        let text = format!(
            "[server]\nid = \"7f3a\"\npublic_url = \"http://bridge\"\n\
             [internal]\nname = \"elitery\"\nurl = \"http://elitery\"\n{account}\
             [external.acme]\nurl = \"http://acme\"\n{account}{acme}\n[sync]\n{sync}\n"
        );
        let config = Config::parse(&text, "test.toml", &|_| None).unwrap_or_else(|error| panic!("{error}"));
        Wanted::of(&config, side).expect("a known side")
    }

    fn names(wanted: &Wanted) -> Vec<&str> {
        wanted.notifications.iter().map(|notification| notification.name.as_str()).collect()
    }

    #[test]
    fn an_external_announces_its_tickets_and_files() {
        let wanted = wanted("acme", "only = \"all\"", "");
        assert_eq!(
            names(&wanted),
            ["ticket created", "ticket update", "attachment create", "attachment update", "attachment delete"]
        );
        for notification in &wanted.notifications[..2] {
            assert_eq!(notification.triggers.len(), 5, "{}: a trigger a class", notification.name);
        }
    }

    /// The specification's fifteen, "Pending" counted once, and the states that it does not name.
    #[test]
    fn the_internal_announces_every_state_that_a_ticket_can_be_moved_into() {
        let wanted = wanted("elitery", "only = \"all\"", "");
        let specified = [
            "ticket approved",
            "ticket assigned",
            "ticket closed",
            "ticket pending",
            "ticket escalated tto",
            "ticket escalated ttr",
            "ticket not approved",
            "ticket rejected",
            "ticket resolved",
            "ticket waiting for approval",
            "ticket validated",
            "attachment delete",
            "attachment update",
            "private log update",
        ];
        let more =
            ["ticket new", "ticket implemented", "ticket monitored", "ticket plannedscheduled", "attachment create"];
        let expected: BTreeSet<&str> = specified.into_iter().chain(more).collect();
        assert_eq!(names(&wanted).into_iter().collect::<BTreeSet<_>>(), expected);
        let of = |name: &str| wanted.notifications.iter().find(|found| found.name == name).expect("it is there");
        let classes: Vec<&str> = of("ticket escalated tto").triggers.iter().map(|t| t.class.as_str()).collect();
        assert_eq!(classes, ["Incident", "UserRequest"]);
        let log = &of("private log update").triggers;
        assert!(log.len() == 5 && log.iter().all(|trigger| trigger.on == On::Update(Some("private_log"))));
    }

    #[test]
    fn the_creation_trigger_alone_has_only_as_its_filter() {
        let acme = "only = { UserRequest = \"team_id_friendlyname = 'Helpdesk' OR id = 1\", Incident = \"all\" }";
        let wanted = wanted("acme", acme, "");
        let filters = |n: usize| -> Vec<(&str, &str)> {
            let triggers = wanted.notifications[n].triggers.iter();
            triggers.map(|trigger| (trigger.class.as_str(), trigger.filter.as_str())).collect()
        };
        let helpdesk = "SELECT UserRequest WHERE (team_id_friendlyname = 'Helpdesk' OR id = 1)";
        assert_eq!(filters(0), [("Incident", ""), ("UserRequest", helpdesk)]);
        assert_eq!(filters(1), [("Incident", ""), ("UserRequest", "")]);
    }

    #[test]
    fn a_condition_about_whoever_asks_is_no_filter() {
        let wanted = wanted("acme", "only = \"agent_id = :current_contact_id\"", "");
        assert!(wanted.notifications[0].triggers.iter().all(|trigger| trigger.filter.is_empty()));
    }

    #[test]
    fn what_does_not_cross_is_not_announced() {
        let off = wanted("elitery", "only = \"all\"", "private_log_to_external = \"off\"");
        assert!(!names(&off).contains(&"private log update"));
        let public = wanted("elitery", "only = \"all\"", "public_log_to_external = \"attachment\"");
        let log = public.notifications.iter().find(|found| found.name == "public log update").expect("it is there");
        assert!(log.triggers.iter().all(|trigger| trigger.on == On::Update(Some("public_log"))));
        assert_eq!(log.triggers.len(), 2, "changes have no public log");
    }

    #[test]
    fn payloads_carry_ids_only_and_are_json_before_they_are_filled_in() {
        for side in ["acme", "elitery"] {
            for notification in wanted(side, "only = \"all\"", "").notifications {
                let payload: serde_json::Value = serde_json::from_str(&notification.payload).unwrap();
                for (key, value) in payload.as_object().unwrap() {
                    let placeholder = value.as_str().unwrap().starts_with('$');
                    assert!(placeholder || ["event", "source"].contains(&key.as_str()), "{}", notification.payload);
                }
            }
        }
    }

    #[test]
    fn names_of_another_bridge_are_not_its_own() {
        let wanted = wanted("acme", "only = \"all\"", "");
        assert!(wanted.owns("itop-bridge 7f3a") && wanted.owns("itop-bridge 7f3a: ticket created"));
        assert!(!wanted.owns("itop-bridge 7f3abc: ticket created") && !wanted.owns("itop-bridge"));
    }
}
