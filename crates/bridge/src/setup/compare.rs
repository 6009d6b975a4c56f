//! Compares an iTop's webhooks with the wanted ones: judges each webhook, and lists the steps that fix what `setup`
//! may fix.
//!
//! # Guarantees
//! - Only objects that `setup` made, recognised by name, are changed or removed.
//! - Objects that a person made after the specification are recognised by their effect, and never made a second time.
//!   Their faults are reported and left to the person.
//! - Actions that a person added to a trigger of `setup` stay there.
//! - No text contains a key.

use std::collections::BTreeSet;

use secrecy::{ExposeSecret, SecretString};

use super::by_hand;
use super::installed::{Action, CALLBACKS, Connection, Installed, Trigger as Found};
use super::wanted::{CONTENT_TYPE, KEY_HEADER, Notification, Trigger, Wanted};

#[derive(Debug)]
pub struct Comparison {
    /// The connection, if one is needed, then each notification of the table, in its order.
    pub judged: Vec<Judged>,
    /// In an order in which they can be carried out.
    pub steps: Vec<Step>,
    /// Facts worth knowing that need no step.
    pub notes: Vec<String>,
}

/// The present state of one webhook.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Judged {
    pub name: String,
    /// How many of its correct triggers `setup` has made.
    pub made: usize,
    /// Triggers made by hand with the same effect.
    pub by_hand: Vec<String>,
    /// The faults that `setup` will fix.
    pub wrong: Vec<String>,
    /// The faults of triggers made by hand: a person must fix them.
    pub faults: Vec<String>,
}

impl Judged {
    pub fn is_well(&self) -> bool {
        self.wrong.is_empty() && self.faults.is_empty()
    }
}

#[derive(Debug)]
pub struct Step {
    pub class: String,
    pub name: String,
    pub change: Change,
}

#[derive(Debug)]
pub enum Change {
    Create(Values),
    /// With the differences found.
    Update {
        id: u64,
        values: Values,
        why: Vec<String>,
    },
    Delete {
        id: u64,
        why: &'static str,
    },
}

/// By attribute code.
pub type Values = Vec<(&'static str, Value)>;

#[derive(Debug)]
pub enum Value {
    Text(String),
    /// Text with a key in it.
    Secret(SecretString),
    /// The remote application's type that fits any application.
    GenericType,
    Connection(Target),
    /// The action of a trigger, and those that a person added, each with its place in the order.
    Actions {
        own: Target,
        others: Vec<(u64, u64)>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    Standing(u64),
    /// Made by an earlier step, under this name.
    Made(String),
}

pub const CONNECTION: &str = "RemoteApplicationConnection";
pub const ACTION: &str = "ActionWebhook";
const PRODUCTION: &str = "3-production";
const CONNECTION_LINE: &str = "connection";
const TWICE: &str = "it is there twice";
const NOT_WANTED: &str = "the configuration does not ask for it any more";

/// Compares the wanted objects with the installed ones.
pub fn compare(wanted: &Wanted, installed: &Installed) -> Comparison {
    let wanted = &wanted.without(&installed.lacks);
    let mut work = Work { wanted, installed, steps: Vec::new(), kept: BTreeSet::new() };
    let connection = work.connection();
    let mut judged: Vec<Judged> = wanted
        .notifications
        .iter()
        .map(|notification| work.notification(notification, connection.as_ref().map(|(target, _)| target)))
        .collect();
    judged.splice(0..0, connection.map(|(_, judged)| judged));
    work.remove_the_rest();
    let lacking = installed.lacks.iter().map(|class| lacking(class));
    let notes = lacking.chain(by_hand::notes(wanted, installed)).collect();
    Comparison { judged, steps: work.steps, notes }
}

/// The note on a missing class; the other classes work without it.
fn lacking(class: &str) -> String {
    format!(
        "this iTop has no class {class}, so no webhook is made for it: take it out of `classes` of [sync], or install the \
         module that brings it and run setup again"
    )
}

/// The steps that remove everything that `setup` made, and notes on what must stay.
pub fn removal(wanted: &Wanted, installed: &Installed) -> (Vec<Step>, Vec<String>) {
    let mut work = Work { wanted, installed, steps: Vec::new(), kept: BTreeSet::new() };
    let kept = work.remove_the_rest();
    for step in &mut work.steps {
        if let Change::Delete { why, .. } = &mut step.change {
            *why = "`setup` made it";
        }
    }
    (work.steps, kept)
}

struct Work<'a> {
    wanted: &'a Wanted,
    installed: &'a Installed,
    steps: Vec<Step>,
    /// Class and id of the objects that are right, or will be.
    kept: BTreeSet<(String, u64)>,
}

impl<'a> Work<'a> {
    /// The connection of the actions that `setup` makes; none if a person made everything needed.
    fn connection(&mut self) -> Option<(Target, Judged)> {
        let needed = self.wanted.notifications.iter().any(|notification| self.needs_action(notification));
        if !needed {
            return None;
        }
        let Wanted { name, url, .. } = self.wanted;
        let mut judged = Judged { name: CONNECTION_LINE.to_owned(), ..Judged::default() };
        let Some(found) = self.installed.connections.iter().find(|connection| connection.name == *name) else {
            judged.wrong.push(format!("there is no connection to {url}"));
            self.create(
                CONNECTION,
                name,
                vec![
                    ("name", text(name)),
                    ("remoteapplicationtype_id", Value::GenericType),
                    ("environment", text(PRODUCTION)),
                    ("url", text(url)),
                ],
            );
            return Some((Target::Made(name.clone()), judged));
        };
        judged.made = 1;
        self.keep(CONNECTION, found.id);
        if found.url.trim_end_matches('/') != url {
            judged.wrong.push(format!("its URL is {}, not {url}", found.url));
            self.update(CONNECTION, found.id, name, vec![("url", text(url))], judged.wrong.clone());
        }
        Some((Target::Standing(found.id), judged))
    }

    fn notification(&mut self, notification: &Notification, connection: Option<&Target>) -> Judged {
        let mut judged = Judged { name: notification.name.clone(), ..Judged::default() };
        let needed = self.needs_action(notification);
        let action = connection.filter(|_| needed).map(|connection| self.action(notification, connection, &mut judged));
        for trigger in &notification.triggers {
            let own = self.own_trigger(notification, trigger);
            match (own, by_hand::find(self.wanted, self.installed, notification, trigger), &action) {
                (Some(found), _, Some(action)) => self.trigger(notification, trigger, found, action, &mut judged),
                (None, Some(hand), _) => {
                    judged.by_hand.push(hand.name());
                    let known = std::mem::take(&mut judged.faults);
                    let new: Vec<String> = hand.faults.into_iter().filter(|fault| !known.contains(fault)).collect();
                    judged.faults = [known, new].concat();
                }
                (None, None, Some(action)) => {
                    judged.wrong.push(format!("{} has no trigger", trigger.class));
                    self.create_trigger(notification, trigger, action);
                }
                (_, _, None) => unreachable!("a trigger that nobody made by hand needs the action"),
            }
        }
        judged
    }

    /// Whether one of its triggers is `setup`'s, or must be made.
    fn needs_action(&self, notification: &Notification) -> bool {
        notification.triggers.iter().any(|trigger| {
            self.own_trigger(notification, trigger).is_some()
                || by_hand::find(self.wanted, self.installed, notification, trigger).is_none()
        })
    }

    fn own_trigger(&self, notification: &Notification, trigger: &Trigger) -> Option<&'a Found> {
        let (name, kind) = (self.wanted.trigger_name(notification, trigger), trigger.on.trigger_class());
        self.installed.triggers.iter().find(|found| found.kind == kind && found.name == name)
    }

    fn action(&mut self, notification: &Notification, connection: &Target, judged: &mut Judged) -> Target {
        let name = self.wanted.action_name(notification);
        let Some(found) = self.installed.actions.iter().find(|action| action.name == name) else {
            judged.wrong.push("there is no action".to_owned());
            let mut values =
                vec![("name", text(&name)), ("remoteapplicationconnection_id", Value::Connection(connection.clone()))];
            values.extend(self.of_an_action(notification).into_iter().map(|(code, wanted, _)| (code, wanted)));
            self.create(ACTION, &name, values);
            return Target::Made(name);
        };
        self.keep(ACTION, found.id);
        let mut values = Values::new();
        let mut why = Vec::new();
        for (code, wanted, drift) in self.of_an_action(notification) {
            if let Some(drift) = drift(found) {
                values.push((code, wanted));
                why.push(drift);
            }
        }
        for (code, callback) in CALLBACKS.into_iter().zip(&found.callbacks).filter(|(_, callback)| !callback.is_empty())
        {
            values.push((code, text("")));
            why.push(format!("its {code} is {}", cut(callback)));
        }
        if *connection != Target::Standing(found.connection) {
            values.push(("remoteapplicationconnection_id", Value::Connection(connection.clone())));
            why.push("it uses another connection".to_owned());
        }
        judged.wrong.extend(why.iter().map(|drift| format!("action: {drift}")));
        self.update(ACTION, found.id, &name, values, why);
        Target::Standing(found.id)
    }

    /// The attributes of an action: code, value, and a check whether an existing action differs.
    fn of_an_action(&self, notification: &'a Notification) -> Vec<(&'static str, Value, Drift<'a>)> {
        let Wanted { keys, .. } = self.wanted;
        let key = keys.first().map(ExposeSecret::expose_secret).unwrap_or_default();
        let headers = format!("{CONTENT_TYPE}\n{KEY_HEADER}: {key}");
        let (path, payload) = (notification.path, notification.payload.as_str());
        vec![
            ("status", text("enabled"), Box::new(|found| differs("status", &found.status, "enabled"))),
            ("method", text("post"), Box::new(|found| differs("method", &found.method, "post"))),
            ("path", text(path), Box::new(move |found| differs("path", &found.path, path))),
            ("payload", text(payload), Box::new(move |found| differs("payload", &found.payload, payload))),
            (
                "headers",
                Value::Secret(headers.clone().into()),
                Box::new(move |found| {
                    let says = if keys.iter().skip(1).any(|key| found.headers.contains(key.expose_secret())) {
                        "its headers carry an older key of this side"
                    } else {
                        "its headers are not as they must be"
                    };
                    (found.headers != headers).then(|| says.to_owned())
                }),
            ),
        ]
    }

    fn create_trigger(&mut self, notification: &Notification, trigger: &Trigger, action: &Target) {
        let name = self.wanted.trigger_name(notification, trigger);
        let mut values = vec![
            ("description", text(&name)),
            ("target_class", text(&trigger.class)),
            ("action_list", Value::Actions { own: action.clone(), others: Vec::new() }),
        ];
        values.extend((!trigger.filter.is_empty()).then(|| ("filter", text(&trigger.filter))));
        let own = trigger.on.own_attribute().filter(|(_, value)| !value.is_empty());
        values.extend(own.map(|(code, value)| (code, text(value))));
        self.create(trigger.on.trigger_class(), &name, values);
    }

    /// Compares a trigger that `setup` made earlier.
    fn trigger(
        &mut self,
        notification: &Notification,
        trigger: &Trigger,
        found: &Found,
        action: &Target,
        judged: &mut Judged,
    ) {
        self.keep(&found.kind, found.id);
        let own = trigger.on.own_attribute().map(|(code, value)| (code, found.own.as_str(), value));
        let attributes = [
            Some(("target_class", found.class.as_str(), trigger.class.as_str())),
            Some(("filter", &found.filter, &trigger.filter)),
            Some(("context", &found.context, "")),
            own,
        ];
        let mut values = Values::new();
        let mut why = Vec::new();
        for (code, is, must) in attributes.into_iter().flatten() {
            if let Some(drift) = differs(code, is, must) {
                values.push((code, text(must)));
                why.push(drift);
            }
        }
        if !found.actions.iter().any(|(id, _)| *action == Target::Standing(*id)) {
            let others = found.actions.iter().copied().filter(|(id, _)| !self.is_own_action(*id)).collect();
            values.push(("action_list", Value::Actions { own: action.clone(), others }));
            why.push("its action is not on it".to_owned());
        }
        match why.is_empty() {
            true => judged.made += 1,
            false => judged.wrong.extend(why.iter().map(|drift| format!("trigger of {}: {drift}", trigger.class))),
        }
        self.update(&found.kind, found.id, &self.wanted.trigger_name(notification, trigger), values, why);
    }

    fn is_own_action(&self, id: u64) -> bool {
        self.installed.actions.iter().any(|action| action.id == id && self.wanted.owns(&action.name))
    }

    /// Removes the objects that `setup` made and that are no longer wanted; returns notes on those that stay because
    /// a person uses them.
    fn remove_the_rest(&mut self) -> Vec<String> {
        let (wanted, installed) = (self.wanted, self.installed);
        let mut kept = Vec::new();
        for found in installed.triggers.iter().filter(|found| wanted.owns(&found.name)) {
            self.delete(&found.kind, found.id, &found.name);
        }
        for found in installed.actions.iter().filter(|found| wanted.owns(&found.name)) {
            self.delete(ACTION, found.id, &found.name);
        }
        for found in installed.connections.iter().filter(|found| wanted.owns(&found.name)) {
            match used_by(found, wanted, installed) {
                // iTop deletes a connection's actions with it.
                Some(action) => kept.push(format!(
                    "the connection \"{}\" stays: the action \"{}\", which setup did not make, uses it",
                    found.name, action.name
                )),
                None => self.delete(CONNECTION, found.id, &found.name),
            }
        }
        kept
    }

    fn keep(&mut self, class: &str, id: u64) {
        self.kept.insert((class.to_owned(), id));
    }

    fn delete(&mut self, class: &str, id: u64, name: &str) {
        if self.kept.contains(&(class.to_owned(), id)) {
            return;
        }
        // A create that was answered too late, and was sent again.
        let twice = self.steps.iter().any(|step| step.name == name && !matches!(step.change, Change::Delete { .. }))
            || self.kept.iter().any(|(kept, id)| kept == class && self.name_of(class, *id) == Some(name));
        let why = if twice { TWICE } else { NOT_WANTED };
        self.step(class, name, Change::Delete { id, why });
    }

    fn name_of(&self, class: &str, id: u64) -> Option<&str> {
        match class {
            CONNECTION => {
                self.installed.connections.iter().find(|found| found.id == id).map(|found| found.name.as_str())
            }
            ACTION => self.installed.actions.iter().find(|found| found.id == id).map(|found| found.name.as_str()),
            _ => self.installed.triggers.iter().find(|found| found.id == id).map(|found| found.name.as_str()),
        }
    }

    fn create(&mut self, class: &str, name: &str, values: Values) {
        self.step(class, name, Change::Create(values));
    }

    fn update(&mut self, class: &str, id: u64, name: &str, values: Values, why: Vec<String>) {
        if !values.is_empty() {
            self.step(class, name, Change::Update { id, values, why });
        }
    }

    fn step(&mut self, class: &str, name: &str, change: Change) {
        self.steps.push(Step { class: class.to_owned(), name: name.to_owned(), change });
    }
}

/// Describes how an existing action differs; none if it does not.
type Drift<'a> = Box<dyn Fn(&Action) -> Option<String> + 'a>;

fn used_by<'a>(connection: &Connection, wanted: &Wanted, installed: &'a Installed) -> Option<&'a Action> {
    installed.actions.iter().find(|action| action.connection == connection.id && !wanted.owns(&action.name))
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn differs(code: &str, is: &str, must: &str) -> Option<String> {
    (is != must).then(|| match (is, must) {
        ("", _) => format!("its {code} is empty, not {}", cut(must)),
        (_, "") => format!("its {code} is {}, not empty", cut(is)),
        _ => format!("its {code} is {}, not {}", cut(is), cut(must)),
    })
}

/// Enough to recognise a text.
fn cut(text: &str) -> String {
    const SHOWN: usize = 100;
    match text.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("\"{}…\"", &text[..at]),
        None => format!("\"{text}\""),
    }
}
