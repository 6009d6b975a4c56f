//! The possible choices, as an iTop lists them.

use itop_bridge_engine::target_of;
use itop_client::{Client, Error, ErrorClass, Query};

/// Why there is nothing to choose from.
pub const NONE_SEEN: &str = "this iTop shows the account none to choose from: there is none, or the account's profiles or its allowed organisations hide them";

/// An object that a default can name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    pub id: u64,
    pub name: String,
}

/// All objects that the default `code` can name; `within` is the condition that they must satisfy.
pub async fn all(client: &Client, code: &str, within: Option<String>) -> Result<Vec<Choice>, Error> {
    let (class, _) = target_of(code);
    let condition = within.map(|within| format!(" WHERE {within}")).unwrap_or_default();
    read(client, class, format!("SELECT {class}{condition}"), None, "friendlyname").await
}

/// The persons of a team.
pub async fn members(client: &Client, team: u64) -> Result<Vec<Choice>, Error> {
    let oql = format!("SELECT lnkPersonToTeam WHERE team_id = {team}");
    read(client, "lnkPersonToTeam", oql, Some("person_id"), "person_id_friendlyname").await
}

/// `id`: the attribute that holds the choice's id, if that is not the object's own.
async fn read(client: &Client, class: &str, oql: String, id: Option<&str>, name: &str) -> Result<Vec<Choice>, Error> {
    let fields: Vec<&str> = id.into_iter().chain([name]).collect();
    let found = match client.get(class, &Query::oql(oql), &fields).await {
        // To the person who must choose, this is the same as no objects.
        Err(error) if matches!(error.class, ErrorClass::Rights { .. } | ErrorClass::UnknownClass { .. }) => {
            return Ok(Vec::new());
        }
        found => found?,
    };
    let choice = |object: &itop_client::Object| {
        let id = id.map_or(Some(object.id), |id| object.number(id))?;
        Some(Choice { id, name: object.text(name)?.to_owned() })
    };
    let mut choices: Vec<Choice> = found.objects.iter().filter_map(choice).collect();
    choices.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
    choices.dedup();
    Ok(choices)
}

/// An object that the account does not see, but whose id a person knows.
pub fn unseen(written: &str) -> Result<Choice, String> {
    match written.parse() {
        Ok(id) if id > 0 => Ok(Choice { id, name: "not looked up: the account sees none".to_owned() }),
        _ => Err("write its id, a number: it stands in the address of its page in iTop".to_owned()),
    }
}

/// The choice that a flag means: an id, or an unambiguous name.
pub fn named(choices: &[Choice], written: &str) -> Result<Choice, String> {
    let id: Option<u64> = written.parse().ok();
    if choices.is_empty() {
        return unseen(written).map_err(|wrong| format!("{NONE_SEEN}. {wrong}"));
    }
    let fits = |choice: &&Choice| Some(choice.id) == id || choice.name == written;
    let found: Vec<&Choice> = choices.iter().filter(fits).collect();
    match found.as_slice() {
        [one] => Ok((*one).clone()),
        [] => {
            let known: Vec<String> = choices.iter().take(10).map(|one| format!("\"{}\"", one.name)).collect();
            let more = if choices.len() > 10 { ", …" } else { "" };
            Err(format!("there is no \"{written}\" here; there are: {}{more}", known.join(", ")))
        }
        several => {
            let ids: Vec<String> = several.iter().map(|one| one.id.to_string()).collect();
            Err(format!("several are called \"{written}\"; give one of the ids {}", ids.join(", ")))
        }
    }
}
