//! The defaults: each named object must exist exactly once and fit the object that another default names.

use itop_bridge_engine::target_of;
use itop_client::{Client, Error, Object, Query, oql_quote};

use super::table::has_attribute;
use super::{Verdict, by_external, ending, listed, place_of_internal};
use crate::config::{Config, DefaultValue, Defaults, ExternalConfig};

/// This many names are read to find the nearest ones.
const NAMES: u32 = 500;
/// Names less alike than this are no help.
const ALIKE: f64 = 0.75;

/// iTop's triggers on entering a state do not fire when a ticket is created (seen on 3.1.2 and 3.2.0).
const UNTOLD: &str = "; tickets are created as new with this agent, so iTop sends no notification of an assignment";

/// One default and its use.
pub(super) struct DefaultOf {
    /// The name of its line.
    pub check: String,
    code: String,
    named: Named,
    /// The place of the default in the configuration.
    place: String,
    /// The classes; at least one must have the attribute.
    classes: Vec<String>,
    /// New tickets are created with it.
    is_created_with: bool,
}

/// A default with the default that it must fit.
#[derive(Clone, PartialEq)]
struct Named {
    value: DefaultValue,
    within: Option<(&'static str, DefaultValue)>,
}

/// The object that a name stands for.
struct Thing {
    class: &'static str,
    id: u64,
    name: String,
    object: Object,
}

impl DefaultOf {
    /// The defaults of the internal side, which may differ between customers.
    pub fn internal(config: &Config, classes: &[String]) -> Vec<DefaultOf> {
        let externals = &config.externals;
        let mut codes: Vec<&String> = externals.iter().flat_map(|external| external.internal_defaults.keys()).collect();
        codes.sort();
        codes.dedup();
        let mut all = Vec::new();
        for code in codes {
            let values: Vec<_> = externals
                .iter()
                .filter_map(|external| Some((external.name(), named(&external.internal_defaults, code)?)))
                .collect();
            for (names, named) in by_external(values) {
                all.push(DefaultOf {
                    check: format!("default {code}{}", ending(&names, externals.len())),
                    code: code.clone(),
                    named,
                    place: place(config, code, &names),
                    classes: classes.to_vec(),
                    is_created_with: true,
                });
            }
        }
        all
    }

    /// `place`: their section in the configuration.
    pub fn external(external: &ExternalConfig, place: &str, classes: &[String]) -> Vec<DefaultOf> {
        let defaults = &external.side.defaults;
        let of = |code: &String| {
            Some(DefaultOf {
                check: format!("default {code}"),
                code: code.clone(),
                named: named(defaults, code)?,
                place: place.to_owned(),
                classes: classes.to_vec(),
                is_created_with: false,
            })
        };
        defaults.keys().filter_map(of).collect()
    }

    pub async fn judge(&self, client: &Client) -> Verdict {
        self.asked(client).await.unwrap_or_else(|error| Verdict::unclear(&error))
    }

    async fn asked(&self, client: &Client) -> Result<Verdict, Error> {
        if !has_attribute(client, &self.classes, &self.code).await? {
            return Ok(Verdict::fault(
                format!("no bridged class has the attribute {}", self.code),
                format!("correct the attribute's code in {}, or take it out", self.place),
            ));
        }
        let value = &self.named.value;
        if let (DefaultValue::Text(text), false) = (value, self.code.ends_with("_id")) {
            return Ok(Verdict::ok(format!("{text:?}")));
        }
        if !self.code.ends_with("_id") {
            return Ok(Verdict::ok(shown(value)));
        }
        let whole = match &self.named.within {
            Some((code, value)) => find(client, code, value, None).await?.ok(),
            None => None,
        };
        let thing = match find(client, &self.code, value, whole.as_ref()).await? {
            Ok(thing) => thing,
            Err(Missing { detail, fix }) => return Ok(Verdict::fault(detail, format!("{fix} in {}", self.place))),
        };
        match &whole {
            Some(whole) => self.fit(client, &thing, whole).await,
            None => Ok(Verdict::ok(thing.to_string())),
        }
    }

    /// Whether the object belongs to the object of another default. iTop's REST accepts a mismatch, and its console
    /// then shows an empty choice.
    async fn fit(&self, client: &Client, thing: &Thing, whole: &Thing) -> Result<Verdict, Error> {
        match self.code.as_str() {
            "caller_id" if thing.object.number("org_id") != Some(whole.id) => Ok(Verdict::note(
                format!("{thing} is no person of the organisation \"{}\"", whole.name),
                format!("name a caller of that organisation in {}, if iTop's console should offer it", self.place),
            )),
            "servicesubcategory_id" if thing.object.number("service_id") != Some(whole.id) => Ok(Verdict::fault(
                format!("{thing} does not belong to the service \"{}\"", whole.name),
                format!("name a subcategory of that service in {}", self.place),
            )),
            "caller_id" | "servicesubcategory_id" => Ok(Verdict::ok(format!("{thing}, of \"{}\"", whole.name))),
            _ => self.member(client, thing, whole).await,
        }
    }

    async fn member(&self, client: &Client, person: &Thing, team: &Thing) -> Result<Verdict, Error> {
        let members = format!("SELECT lnkPersonToTeam WHERE team_id = {}", team.id);
        let this = Query::oql(format!("{members} AND person_id = {}", person.id)).limit(1);
        if client.get("lnkPersonToTeam", &this, &["id"]).await?.total > 0 {
            let untold = if self.is_created_with && self.code == "agent_id" { UNTOLD } else { "" };
            return Ok(Verdict::ok(format!("{person}, in the team \"{}\"{untold}", team.name)));
        }
        let some = client.get("lnkPersonToTeam", &Query::oql(members).limit(3), &["person_id_friendlyname"]).await?;
        let names: Vec<String> =
            some.objects.iter().filter_map(|one| Some(format!("{:?}", one.text("person_id_friendlyname")?))).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let fix = match (names.is_empty(), some.total > names.len() as u64) {
            (true, _) => format!("add a person to the team \"{}\" in iTop, which has none", team.name),
            (false, true) => {
                format!("name one of its {} members in {}, such as {}", some.total, self.place, listed(&names))
            }
            (false, false) => format!("name one of its members in {}: {}", self.place, listed(&names)),
        };
        Ok(Verdict::fault(format!("{person} is not in the team \"{}\"", team.name), fix))
    }
}

/// The place to correct this default for the internal tickets of these externals, chosen so that other customers'
/// defaults do not change.
fn place(config: &Config, code: &str, names: &[&str]) -> String {
    let short = code.strip_suffix("_id").unwrap_or(code);
    let has_own = |name: &str| {
        let key = |code: &str| format!("external.{name}.internal_defaults.{code}");
        config.origins.contains_key(&key(code)) || config.origins.contains_key(&key(short))
    };
    let inherit: Vec<&str> = config.externals.iter().map(ExternalConfig::name).filter(|name| !has_own(name)).collect();
    place_of_internal(names, if inherit == names { names.len() } else { usize::MAX })
}

fn named(defaults: &Defaults, code: &str) -> Option<Named> {
    let within = belongs_to(code).and_then(|whole| Some((whole, defaults.get(whole)?.clone())));
    Some(Named { value: defaults.get(code)?.clone(), within })
}

/// The default that this one must fit, by the filters of iTop's ITIL model.
fn belongs_to(code: &str) -> Option<&'static str> {
    Some(match code {
        "agent_id" => "team_id",
        "supervisor_id" => "supervisor_group_id",
        "manager_id" => "manager_group_id",
        "caller_id" => "org_id",
        "servicesubcategory_id" => "service_id",
        _ => return None,
    })
}

/// Why a default names nothing, and the fix, without the place.
struct Missing {
    detail: String,
    fix: String,
}

/// The object that a default names. A subcategory is looked up by name within its service, as the engine does.
async fn find(
    client: &Client,
    code: &str,
    value: &DefaultValue,
    whole: Option<&Thing>,
) -> Result<Result<Thing, Missing>, Error> {
    let (class, attribute) = target_of(code);
    let fields: &[&str] = match class {
        "Person" => &["friendlyname", "org_id"],
        "ServiceSubcategory" => &["friendlyname", "service_id"],
        _ => &["friendlyname"],
    };
    let service = whole.filter(|_| class == "ServiceSubcategory");
    let within = service.map(|service| format!(" AND service_id = {}", service.id)).unwrap_or_default();
    let query = match value {
        DefaultValue::Number(id) => Query::id(*id),
        DefaultValue::Text(name) => {
            Query::oql(format!("SELECT {class} WHERE {attribute} = {}{within}", oql_quote(name))).limit(3)
        }
    };
    let mut found = client.get(class, &query, fields).await?;
    let of = service.map(|service| format!(" of the service \"{}\"", service.name)).unwrap_or_default();
    match (found.total, found.objects.len(), value) {
        (1, 1, _) => {
            let object = found.objects.remove(0);
            let name = object.text("friendlyname").unwrap_or_default().to_owned();
            Ok(Ok(Thing { class, id: object.id, name, object }))
        }
        (0, _, DefaultValue::Number(id)) => Ok(Err(Missing {
            detail: format!("there is no {class} {id}, or the account may not see it"),
            fix: "correct the id".to_owned(),
        })),
        (0, _, DefaultValue::Text(name)) => {
            let near = nearest(client, class, attribute, name, service).await?;
            Ok(Err(Missing {
                detail: format!("there is no {class} \"{name}\"{of}{near}"),
                fix: match name.bytes().all(|byte| byte.is_ascii_digit()) {
                    true => format!("write {name} without quotes if it is an id, or correct the name,"),
                    false => "correct the name, or give its id,".to_owned(),
                },
            }))
        }
        (several, _, _) => {
            let ids: Vec<String> = found.objects.iter().map(|object| object.id.to_string()).collect();
            Ok(Err(Missing {
                detail: format!("there are {several} {class} {}{of}: ids {}", shown(value), ids.join(", ")),
                fix: "give the id instead of the name".to_owned(),
            }))
        }
    }
}

/// `; the nearest is …`, or nothing.
async fn nearest(
    client: &Client,
    class: &str,
    attribute: &str,
    name: &str,
    service: Option<&Thing>,
) -> Result<String, Error> {
    let within = service.map(|service| format!(" WHERE service_id = {}", service.id)).unwrap_or_default();
    let all = client.get(class, &Query::oql(format!("SELECT {class}{within}")).limit(NAMES), &[attribute]).await?;
    let wanted = name.to_lowercase();
    let mut ranked: Vec<(f64, &str)> = all
        .objects
        .iter()
        .filter_map(|object| object.text(attribute))
        .map(|known| (strsim::jaro_winkler(&wanted, &known.to_lowercase()), known))
        .filter(|(alike, _)| *alike >= ALIKE)
        .collect();
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    let names: Vec<String> = ranked.iter().take(3).map(|(_, known)| format!("\"{known}\"")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    Ok(match names.len() {
        0 => String::new(),
        1 => format!("; the nearest is {}", names[0]),
        _ => format!("; the nearest are {}", listed(&names)),
    })
}

fn shown(value: &DefaultValue) -> String {
    match value {
        DefaultValue::Number(number) => number.to_string(),
        DefaultValue::Text(text) => format!("\"{text}\""),
    }
}

impl std::fmt::Display for Thing {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "\"{}\" ({} {})", self.name, self.class, self.id)
    }
}
