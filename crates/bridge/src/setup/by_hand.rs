//! Triggers that a person made after the specification: recognised by their effect, whatever their names.

use secrecy::ExposeSecret;
use serde_json::Value as Json;

use super::installed::{Action, Installed, Trigger as Found};
use super::wanted::{CONTENT_TYPE, KEY_HEADER, Notification, On, Role, Trigger, Wanted};

/// A trigger with the effect of a wanted one.
pub(super) struct ByHand<'a> {
    trigger: &'a Found,
    action: &'a Action,
    pub faults: Vec<String>,
}

impl ByHand<'_> {
    pub fn name(&self) -> String {
        format!("trigger \"{}\" with action \"{}\"", self.trigger.name, self.action.name)
    }
}

/// The trigger made by hand that covers a wanted one; if there are several, the one with the fewest faults. A
/// disabled action sends nothing, so it covers nothing.
pub(super) fn find<'a>(
    wanted: &Wanted,
    installed: &'a Installed,
    notification: &Notification,
    trigger: &Trigger,
) -> Option<ByHand<'a>> {
    let triggers = installed.triggers.iter().filter(|found| !wanted.owns(&found.name) && fires(found, trigger));
    let pairs = triggers.flat_map(|found| {
        let actions =
            found.actions.iter().filter_map(|(id, _)| installed.actions.iter().find(|action| action.id == *id));
        actions.map(move |action| (found, action))
    });
    let here = pairs.filter(|(_, action)| {
        action.status == "enabled" && address(action, installed) == format!("{}{}", wanted.url, notification.path)
    });
    let judged = here.map(|(found, action)| {
        let faults = faults(wanted, notification, trigger, found, action);
        ByHand { trigger: found, action, faults }
    });
    judged.min_by_key(|hand| hand.faults.len())
}

/// Notes on actions that `setup` did not make: superfluous payload fields, and other programs that receive the same
/// webhooks, perhaps the one that this bridge replaces.
pub(super) fn notes(wanted: &Wanted, installed: &Installed) -> Vec<String> {
    let paths: Vec<&str> = wanted.notifications.iter().map(|notification| notification.path).collect();
    let foreign = installed.actions.iter().filter(|action| action.status == "enabled" && !wanted.owns(&action.name));
    let note = |action: &Action| {
        let address = address(action, installed);
        if !paths.iter().any(|path| address.ends_with(path)) {
            return None;
        }
        if address.starts_with(&format!("{}/", wanted.url)) {
            return too_much(action);
        }
        Some(format!(
            "the action \"{}\" sends the same to {address}: if this bridge replaces the program there, disable the action",
            action.name
        ))
    };
    foreign.filter_map(note).collect()
}

/// If a title contains a quote, iTop 3.1 sends nothing (seen on 3.1.2).
fn too_much(action: &Action) -> Option<String> {
    let harmless = ["id", "finalclass", "ref", "item_class", "item_id"];
    let carried = action.payload.split("$this->").skip(1).filter_map(|rest| rest.split('$').next());
    let more: Vec<&str> = carried.filter(|code| !harmless.contains(code)).collect();
    (!more.is_empty()).then(|| {
        format!(
            "the payload of the action \"{}\" carries {}: iTop 3.1 sends nothing if such a text has a quote, and the bridge reads ids only",
            action.name,
            more.join(", ")
        )
    })
}

/// The address that an action sends to, without a query.
fn address(action: &Action, installed: &Installed) -> String {
    let connection = installed.connections.iter().find(|connection| connection.id == action.connection);
    let url = connection.map(|connection| connection.url.trim_end_matches('/')).unwrap_or_default();
    let path = action.path.split('?').next().unwrap_or_default();
    format!("{url}/{}", path.trim_start_matches('/'))
}

/// Whether it fires when the wanted one would, judged by its kind, class and state. The filter is judged with the
/// faults.
fn fires(found: &Found, wanted: &Trigger) -> bool {
    let class = found.class == wanted.class
        || (found.class == "Ticket" && wanted.class != "Attachment")
        || (found.class == "Change" && wanted.class.ends_with("Change"));
    found.kind == wanted.on.trigger_class()
        && class
        && match &wanted.on {
            On::StateEnter(state) => found.own == *state,
            On::Update(Some(code)) => found.own.is_empty() || found.own.split(',').any(|one| one.trim() == *code),
            On::Update(None) => true,
            On::Create | On::Delete => true,
        }
}

fn faults(
    wanted: &Wanted,
    notification: &Notification,
    trigger: &Trigger,
    found: &Found,
    action: &Action,
) -> Vec<String> {
    let mut faults = Vec::new();
    let mut fault = |of: &str, name: &str, what: String| faults.push(format!("made by hand, {of} \"{name}\": {what}"));
    if !found.context.is_empty() {
        fault("trigger", &found.name, "it has a context, and fires only there".to_owned());
    }
    // The bridge applies `only` too: an empty filter only costs webhooks.
    if !found.filter.is_empty() && found.filter != trigger.filter {
        fault("trigger", &found.name, "its filter may hold back tickets that should cross".to_owned());
    }
    if trigger.on == On::Update(None) && !found.own.is_empty() {
        fault("trigger", &found.name, format!("it fires only for changes of {}", found.own));
    }
    if action.method != "post" {
        fault("action", &action.name, format!("its method is {}, not post", action.method));
    }
    if !carries_key(wanted, action) {
        fault(
            "action",
            &action.name,
            format!("no header {KEY_HEADER} has a key that the configuration gives this side"),
        );
    }
    if !action.headers.lines().any(|line| line.trim() == CONTENT_TYPE) {
        fault(
            "action",
            &action.name,
            format!("no header is spelt exactly `{CONTENT_TYPE}`, so iTop does not escape the values that it puts in"),
        );
    }
    if action.callbacks.iter().any(|callback| !callback.is_empty()) {
        fault("action", &action.name, "a callback changes its payload or its answer".to_owned());
    }
    if let Some(what) = payload(wanted, notification, action) {
        fault("action", &action.name, what);
    }
    faults
}

fn carries_key(wanted: &Wanted, action: &Action) -> bool {
    action.keys().any(|value| wanted.keys.iter().any(|key| key.expose_secret() == value))
}

/// Whether the payload names the object.
fn payload(wanted: &Wanted, notification: &Notification, action: &Action) -> Option<String> {
    let needed: &[(&str, &str)] = match (notification.path.ends_with("-attachment"), wanted.role) {
        (true, _) => {
            &[("item_id", "$this->item_id$"), ("item_class", "$this->item_class$"), ("attachment_id", "$this->id$")]
        }
        (false, Role::External) => &[("id", "$this->id$"), ("class", "$this->finalclass$")],
        (false, Role::Internal) => &[("id", "$this->id$")],
    };
    let Ok(json) = serde_json::from_str::<Json>(&action.payload) else {
        return Some("its payload is no JSON".to_owned());
    };
    let lacking: Vec<&str> = needed.iter().filter(|(key, value)| json[key] != *value).map(|(key, _)| *key).collect();
    (!lacking.is_empty()).then(|| format!("its payload has no {}", lacking.join(", ")))
}
