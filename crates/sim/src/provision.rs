//! Triggers, actions and connections as objects: what iTop checks of them, how a trigger's list of actions is
//! stored, what goes with a deletion, and the triggers that fire.

use crate::config::Version;
use crate::hooks::{Action, On, Trigger};
use crate::oql;
use crate::value::{Object, Value};
use crate::world::World;

const LINK: &str = "lnkTriggerAction";

/// What iTop says against an object as a whole, before it is written.
pub fn issue(world: &World, object: &Object) -> Option<String> {
    let text = |code: &str| object.get(code).text();
    if object.class == "ActionWebhook" && world.version == Version::V3_2 {
        let payload = text("payload");
        let broken = !payload.is_empty() && serde_json::from_str::<serde_json::Value>(payload).is_err();
        return broken.then(|| "Invalid JSON format for Payload".to_owned());
    }
    if !world.schema().is_a(&object.class, "TriggerOnObject") || text("filter").is_empty() {
        return None;
    }
    let class = text("target_class");
    match oql::parse(text("filter")) {
        Ok(query) if world.schema().is_a(&query.class, class) => None,
        Ok(_) => Some(format!("The filter query must return objects of class \"{class}\"")),
        Err(fault) => Some(format!("Wrong filter query: {}", fault.message)),
    }
}

/// Stores an object, and the links that were written into its list: a link that is there already stays, one
/// that is not named goes.
pub fn store(world: &mut World, object: &mut Object) {
    let written = match object.get("action_list") {
        Value::Links(links) => Some(links.clone()),
        _ => None,
    };
    let Some(written) = written else {
        world.put(object.clone());
        return;
    };
    object.set("action_list", Value::Null);
    world.put(object.clone());
    let standing: Vec<Object> = world.pointing_at(LINK, "trigger_id", object).into_iter().cloned().collect();
    for link in &standing {
        if !written.iter().any(|(action, _)| *action == link.get("action_id").key()) {
            world.remove(LINK, link.id);
        }
    }
    for (action, order) in written {
        let known = standing.iter().find(|link| link.get("action_id").key() == action);
        let id = known.map_or_else(|| world.next_id(LINK), |link| link.id);
        let values =
            [("action_id", Value::Key(action)), ("trigger_id", Value::Key(object.id)), ("order", Value::Number(order))];
        let values = values.into_iter().map(|(code, value)| (code.to_owned(), value)).collect();
        world.put(Object { class: LINK.to_owned(), id, values });
    }
}

/// What iTop deletes with an object, so that nothing points at what is gone.
pub fn deleted_with(world: &World, object: &Object) -> Vec<Object> {
    let is = |class: &str| world.schema().is_a(&object.class, class);
    if is("RemoteApplicationConnection") {
        let actions: Vec<Object> =
            world.pointing_at("ActionWebhook", "remoteapplicationconnection_id", object).into_iter().cloned().collect();
        let links = actions.iter().flat_map(|action| deleted_with(world, action));
        return by_id(links.collect()).into_iter().fold(actions.clone(), |all, link| [all, vec![link]].concat());
    }
    let key = match () {
        () if is("Action") => "action_id",
        () if is("Trigger") => "trigger_id",
        () => return Vec::new(),
    };
    by_id(world.pointing_at(LINK, key, object).into_iter().cloned().collect())
}

fn by_id(mut objects: Vec<Object>) -> Vec<Object> {
    objects.sort_by_key(|object| object.id);
    objects
}

/// The triggers among the objects. One with a context is left out: what people and REST do is not told
/// apart here.
pub fn triggers(world: &World) -> Vec<Trigger> {
    world
        .all("TriggerOnObject")
        .filter(|object| object.get("context").is_null())
        .filter_map(|o| trigger(world, o))
        .collect()
}

fn trigger(world: &World, object: &Object) -> Option<Trigger> {
    let text = |code: &str| object.get(code).text().to_owned();
    let on = match object.class.as_str() {
        "TriggerOnObjectCreate" => On::Create,
        "TriggerOnObjectUpdate" => On::Update,
        "TriggerOnObjectDelete" => On::Delete,
        "TriggerOnStateEnter" => On::StateEnter(text("state")),
        _ => return None,
    };
    let codes = text("target_attcodes");
    let mut links = world.pointing_at(LINK, "trigger_id", object);
    links.sort_by_key(|link| (link.get("order").key(), link.id));
    Some(Trigger {
        description: text("description"),
        on,
        class: text("target_class"),
        target_attcodes: (!codes.is_empty()).then(|| codes.split(", ").map(str::to_owned).collect()),
        filter_oql: Some(text("filter")).filter(|filter| !filter.is_empty()),
        actions: links.into_iter().filter_map(|link| action(world, link.get("action_id").key())).collect(),
    })
}

fn action(world: &World, id: u64) -> Option<Action> {
    let object = world.find("ActionWebhook", id)?;
    let text = |code: &str| object.get(code).text().to_owned();
    let connection = world.find("RemoteApplicationConnection", object.get("remoteapplicationconnection_id").key())?;
    Some(Action {
        name: text("name"),
        method: text("method"),
        base_url: connection.get("url").text().trim_end_matches('/').to_owned(),
        path: text("path"),
        headers: text("headers"),
        payload: text("payload"),
        enabled: text("status") == "enabled",
    })
}
