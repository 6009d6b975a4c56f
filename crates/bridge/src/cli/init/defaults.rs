//! The defaults of internal tickets: for all customers, or those in which one customer differs.

use itop_client::Client;

use super::answers::Chosen;
use super::lookup::{self, Choice};
use super::questions::Questions;
use crate::config::{DefaultValue, Defaults};

/// The present values of `[internal.defaults]`.
#[derive(Clone, Copy)]
pub struct General<'a>(Option<&'a Defaults>);

impl<'a> General<'a> {
    pub fn none() -> General<'a> {
        General(None)
    }

    fn value(self, code: &str) -> Option<&'a DefaultValue> {
        self.0?.get(&format!("{code}_id"))
    }

    /// The choice that the default names; none if it is not among those that fit the earlier answers.
    fn choice(self, code: &str, choices: &[Choice]) -> Option<Choice> {
        let value = self.value(code)?;
        if let (DefaultValue::Number(id), true) = (value, choices.is_empty()) {
            // The account sees none of them.
            return lookup::unseen(&id.to_string()).ok();
        }
        choices.iter().find(|choice| is(choice, value)).cloned()
    }

    /// Whether there is a default that matches none of the choices, so that another is needed.
    fn misfits(self, code: &str, choices: &[Choice]) -> bool {
        self.value(code).is_some() && !choices.is_empty() && self.choice(code, choices).is_none()
    }

    fn none_means(self, code: &str) -> &'static str {
        if self.value(code).is_some() { "(as [internal.defaults] says)" } else { "(none)" }
    }
}

fn is(choice: &Choice, value: &DefaultValue) -> bool {
    match value {
        DefaultValue::Number(id) => choice.id == *id,
        DefaultValue::Text(name) => choice.name == *name,
    }
}

fn written((code, value): (&String, &DefaultValue)) -> String {
    match value {
        DefaultValue::Number(id) => format!("{code} = {id}"),
        DefaultValue::Text(text) => format!("{code} = \"{text}\""),
    }
}

impl Questions<'_> {
    /// The defaults in which the tickets of one customer differ from `general`.
    pub async fn own_defaults(&mut self, itop: &Client, general: &Defaults) -> anyhow::Result<Chosen> {
        if !self.flags.has_internal_defaults() {
            if !self.dialogue.has_person() {
                return Ok(Vec::new());
            }
            let all: Vec<String> = general.iter().map(written).collect();
            let question = format!("Shall its tickets get the defaults of all customers ({})?", all.join(", "));
            // The general organisation and caller may belong to another customer.
            if !general.is_empty() && self.dialogue.agree("--org, of all", &question, false)? {
                return Ok(Vec::new());
            }
        }
        let chosen = self.defaults(itop, general).await?;
        let all = General(Some(general));
        Ok(chosen
            .into_iter()
            .filter(|(code, choice)| !all.value(code).is_some_and(|value| is(choice, value)))
            .collect())
    }

    /// The values without which iTop refuses a ticket or a stimulus, and those that its console would ask a person
    /// for.
    pub async fn defaults(&mut self, itop: &Client, general: &Defaults) -> anyhow::Result<Chosen> {
        let (flags, general) = (self.flags.clone(), General(Some(general)));
        let mut defaults = Vec::new();
        let orgs = lookup::all(itop, "org_id", None).await?;
        let question = "The organisation of the tickets in the provider's iTop";
        let offered = general.choice("org", &orgs);
        let org = self.needed(flags.org.as_deref(), "--org", question, &orgs, offered.as_ref())?;
        let callers = lookup::all(itop, "caller_id", Some(format!("org_id = {}", org.id))).await?;
        let caller = self.optional(flags.caller.as_deref(), "caller", "--caller", "Their caller", &callers, general)?;
        defaults.push(("org", org));
        defaults.extend(caller.map(|caller| ("caller", caller)));
        let (team, agent) = (flags.team.as_deref(), flags.agent.as_deref());
        defaults.extend(self.team_and_agent(itop, team, agent, "", general).await?);
        let services = lookup::all(itop, "service_id", None).await?;
        let service =
            self.optional(flags.service.as_deref(), "service", "--service", "Their service", &services, general)?;
        let Some(service) = service.or_else(|| general.choice("service", &services)) else {
            return Ok(defaults);
        };
        let within = format!("service_id = {}", service.id);
        let subcategories = lookup::all(itop, "servicesubcategory_id", Some(within)).await?;
        let question = "Their service subcategory";
        let given = flags.subcategory.as_deref();
        let subcategory =
            self.optional(given, "servicesubcategory", "--subcategory", question, &subcategories, general)?;
        defaults.push(("service", service));
        defaults.extend(subcategory.map(|subcategory| ("servicesubcategory", subcategory)));
        Ok(defaults)
    }

    pub async fn team_and_agent(
        &mut self,
        itop: &Client,
        team: Option<&str>,
        agent: Option<&str>,
        flag: &str,
        general: General<'_>,
    ) -> anyhow::Result<Chosen> {
        let teams = lookup::all(itop, "team_id", None).await?;
        let offered = general.choice("team", &teams);
        let team = self.needed(team, &format!("--{flag}team"), "Their team", &teams, offered.as_ref())?;
        let members = lookup::members(itop, team.id).await?;
        if members.is_empty() && agent.is_none() {
            let name = &team.name;
            self.dialogue
                .say(&format!("The team \"{name}\" has no members that the account sees: add one in iTop."))?;
        }
        // A default of all customers stays in force where this one names no other.
        let is_optional = flag.is_empty() && general.value("agent").is_none();
        let goes_without = is_optional && general.value("team").is_some();
        let (flag, question) = (format!("--{flag}agent"), "Their agent, of that team");
        let agent = match agent {
            Some("none") if is_optional => None,
            None if goes_without && !self.dialogue.has_person() => None,
            None if is_optional && self.dialogue.has_person() => {
                let offered = members.first().filter(|_| !goes_without);
                self.wanted(None, &flag, question, &members, offered, "(none: somebody assigns each ticket)")?
            }
            agent => {
                let offered = general.choice("agent", &members);
                Some(self.needed(agent, &flag, question, &members, offered.as_ref())?)
            }
        };
        Ok(std::iter::once(("team", team)).chain(agent.map(|agent| ("agent", agent))).collect())
    }

    /// One of `choices`, or none if the value is optional.
    fn optional(
        &mut self,
        given: Option<&str>,
        code: &str,
        flag: &str,
        question: &str,
        choices: &[Choice],
        general: General<'_>,
    ) -> anyhow::Result<Option<Choice>> {
        if given.is_none() && general.misfits(code, choices) {
            return self.needed(None, flag, question, choices, None).map(Some);
        }
        let offered = general.choice(code, choices);
        self.wanted(given, flag, question, choices, offered.as_ref(), general.none_means(code))
    }
}
