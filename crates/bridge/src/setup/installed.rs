//! The connections, webhook calls and triggers of an iTop, read with an administrator's account.

use std::collections::BTreeSet;

use futures_util::future::try_join_all;
use itop_client::{Client, Error, ErrorClass, Object, Query};
use serde_json::Value as Json;

use super::wanted::{KEY_HEADER, On};

#[derive(Debug, Default)]
pub struct Installed {
    /// Each sorted by id.
    pub connections: Vec<Connection>,
    pub actions: Vec<Action>,
    pub triggers: Vec<Trigger>,
    /// Classes that were asked for and that this iTop lacks: it accepts no trigger on them.
    pub lacks: BTreeSet<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    pub id: u64,
    pub name: String,
    pub url: String,
}

/// No derived `Debug`: the headers contain a key.
#[derive(Clone, PartialEq, Eq)]
pub struct Action {
    pub id: u64,
    pub name: String,
    pub status: String,
    pub method: String,
    pub path: String,
    pub headers: String,
    pub payload: String,
    /// Code in that iTop that processes a payload or an answer; usually empty.
    pub callbacks: [String; 2],
    pub connection: u64,
}

impl std::fmt::Debug for Action {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Action {} {:?}", self.id, self.name)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trigger {
    /// iTop's class of the trigger, such as `TriggerOnStateEnter`.
    pub kind: String,
    pub id: u64,
    pub name: String,
    pub class: String,
    pub filter: String,
    /// The contexts where it fires, such as only the console; empty for all.
    pub context: String,
    /// The value of [`On::own_attribute`]; empty if there is none.
    pub own: String,
    /// The actions, each with its place in the order.
    pub actions: Vec<(u64, u64)>,
}

pub const CALLBACKS: [&str; 2] = ["prepare_payload_callback", "process_response_callback"];

/// Attributes that 3.1 and 3.2 both have: an unknown one would be an error.
const OF_AN_ACTION: [&str; 9] = [
    "name",
    "status",
    "method",
    "path",
    "headers",
    "payload",
    CALLBACKS[0],
    CALLBACKS[1],
    "remoteapplicationconnection_id",
];

impl Installed {
    /// Reads all of it, and which of these classes exist. Nothing is written.
    pub async fn read(client: &Client, classes: &BTreeSet<&str>) -> Result<Installed, Error> {
        let connections = all(client, "RemoteApplicationConnection", &["name", "url"]).await?;
        let actions = all(client, "ActionWebhook", &OF_AN_ACTION).await?;
        let kinds = [On::Create, On::Update(None), On::Delete, On::StateEnter(String::new())];
        let triggers = try_join_all(kinds.iter().map(|on| triggers(client, on))).await?;
        let there = try_join_all(classes.iter().map(|class| has(client, class))).await?;
        let lacks =
            classes.iter().zip(there).filter(|(_, there)| !there).map(|(class, _)| (*class).to_owned()).collect();
        Ok(Installed {
            connections: connections.iter().map(Connection::read).collect(),
            actions: actions.iter().map(Action::read).collect(),
            triggers: triggers.into_iter().flatten().collect(),
            lacks,
        })
    }
}

async fn all(client: &Client, class: &str, codes: &[&str]) -> Result<Vec<Object>, Error> {
    let found = client.get(class, &Query::oql(format!("SELECT {class}")), codes).await?;
    let mut objects = found.objects;
    objects.sort_by_key(|object| object.id);
    Ok(objects)
}

async fn has(client: &Client, class: &str) -> Result<bool, Error> {
    match client.get(class, &Query::ids(&[0]), &["id"]).await {
        Ok(_) => Ok(true),
        Err(error) if matches!(error.class, ErrorClass::UnknownClass { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

async fn triggers(client: &Client, on: &On) -> Result<Vec<Trigger>, Error> {
    let own = on.own_attribute().map(|(code, _)| code);
    let common = ["description", "target_class", "filter", "context", "action_list"];
    let codes: Vec<&str> = common.into_iter().chain(own).collect();
    let found = all(client, on.trigger_class(), &codes).await?;
    Ok(found.iter().map(|object| Trigger::read(object, own)).collect())
}

fn text(object: &Object, code: &str) -> String {
    object.text(code).unwrap_or_default().trim().replace("\r\n", "\n")
}

impl Connection {
    fn read(object: &Object) -> Connection {
        Connection { id: object.id, name: text(object, "name"), url: text(object, "url") }
    }
}

impl Action {
    /// The values of its headers that may hold a key.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.headers.lines().filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            match name.trim() {
                name if name.eq_ignore_ascii_case(KEY_HEADER) => Some(value.trim()),
                name if name.eq_ignore_ascii_case("Authorization") => {
                    value.trim().strip_prefix("Bearer ").map(str::trim)
                }
                _ => None,
            }
        })
    }

    fn read(object: &Object) -> Action {
        Action {
            id: object.id,
            name: text(object, "name"),
            status: text(object, "status"),
            method: text(object, "method"),
            path: text(object, "path"),
            headers: text(object, "headers"),
            payload: text(object, "payload"),
            callbacks: CALLBACKS.map(|code| text(object, code)),
            connection: object.number("remoteapplicationconnection_id").unwrap_or_default(),
        }
    }
}

impl Trigger {
    fn read(object: &Object, own: Option<&str>) -> Trigger {
        let actions = object.json("action_list").and_then(Json::as_array).into_iter().flatten();
        Trigger {
            kind: object.class.clone(),
            id: object.id,
            name: text(object, "description"),
            class: text(object, "target_class"),
            filter: text(object, "filter"),
            context: text(object, "context"),
            own: own.map(|code| text(object, code)).unwrap_or_default(),
            actions: actions.filter_map(link).collect(),
        }
    }
}

fn link(json: &Json) -> Option<(u64, u64)> {
    let number = |name: &str| {
        let value = json.get(name)?;
        value.as_u64().or_else(|| value.as_str()?.parse().ok())
    };
    Some((number("action_id")?, number("order").unwrap_or_default()))
}
