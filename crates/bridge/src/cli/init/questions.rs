//! The questions in their order. A flag answers its question; else a person is asked, and asked again until the
//! answer holds; without a person, what is needed and not given is an error that names its flag.

use anyhow::anyhow;
use itop_client::{Client, ErrorClass, Memory, Query, oql_quote};

use super::account::Role;
use super::answers::Answers;
use super::flags::{Init, Log, Status};
use super::lookup::{self, Choice, NONE_SEEN};
use super::prompt::Prompt;
use crate::app::{self, MakeTransport};
use crate::config::SideConfig;

/// The classes that are bridged to begin with: changes need defaults of their own.
pub const CLASSES: [&str; 2] = ["UserRequest", "Incident"];

const STATUS: [(Status, &str); 3] = [
    (Status::Report, "report: a file on the customer's ticket tells it; its own status stays"),
    (Status::Apply, "apply: the customer's ticket is moved by stimuli, as by a person"),
    (Status::Off, "off: the customer is told nothing"),
];

const WHO_SEES: &str = "Private log entries cross as text files. Files are visible in iTop's user portal, so the \
    ticket's caller can read them there, and iTop copies a parent request's entries into its children.";

pub struct Questions<'a> {
    pub flags: &'a Init,
    pub person: Option<&'a mut dyn Prompt>,
    pub env: &'a dyn Fn(&str) -> Option<String>,
    pub transport: MakeTransport<'a>,
}

impl Questions<'_> {
    /// All questions, from the first to the last.
    pub async fn ask(&mut self) -> anyhow::Result<Answers> {
        let (internal, inside) = self.account(Role::Internal, None).await?;
        let defaults = self.defaults(&inside).await?;
        let (external, outside) = self.account(Role::External, Some(&internal)).await?;
        let only = self.only(&outside).await?;
        let status_to_external = self.status()?;
        let external_defaults = match status_to_external {
            Status::Apply => self.external_defaults(&outside).await?,
            Status::Report | Status::Off => Vec::new(),
        };
        self.say(WHO_SEES)?;
        let log = "Shall the customer's private log go to the provider?";
        let private_log_to_internal = self.log(self.flags.private_log_to_internal, log)?;
        let log = "Shall the provider's private log go to the customer?";
        let private_log_to_external = self.log(self.flags.private_log_to_external, log)?;
        let (public_url, mut notes) = self.public_url(&[&internal.url, &external.url]).await?;
        let listen = self.listen(&public_url, &mut notes)?.to_string();
        Ok(Answers {
            internal,
            external,
            defaults,
            external_defaults,
            only,
            status_to_external,
            private_log_to_internal,
            private_log_to_external,
            listen,
            public_url,
            notes,
        })
    }

    /// What iTop refuses a ticket or a stimulus without, and what its console would ask a person for.
    async fn defaults(&mut self, itop: &Client) -> anyhow::Result<Vec<(&'static str, Choice)>> {
        let flags = self.flags;
        let mut defaults = Vec::new();
        let orgs = lookup::all(itop, "org_id", None).await?;
        let org = self.needed(&flags.org, "--org", "The organisation of the tickets inside", &orgs)?;
        let callers = lookup::all(itop, "caller_id", Some(format!("org_id = {}", org.id))).await?;
        let caller = self.wanted(&flags.caller, "--caller", "Their caller", &callers)?;
        defaults.push(("org", org));
        defaults.extend(caller.map(|caller| ("caller", caller)));
        defaults.extend(self.team_and_agent(itop, &flags.team, &flags.agent, "").await?);
        let services = lookup::all(itop, "service_id", None).await?;
        let Some(service) = self.wanted(&flags.service, "--service", "Their service", &services)? else {
            return Ok(defaults);
        };
        let within = format!("service_id = {}", service.id);
        let subcategories = lookup::all(itop, "servicesubcategory_id", Some(within)).await?;
        let subcategory =
            self.wanted(&flags.subcategory, "--subcategory", "Their service subcategory", &subcategories)?;
        defaults.push(("service", service));
        defaults.extend(subcategory.map(|subcategory| ("servicesubcategory", subcategory)));
        Ok(defaults)
    }

    async fn external_defaults(&mut self, itop: &Client) -> anyhow::Result<Vec<(&'static str, Choice)>> {
        self.say("A stimulus needs a team and an agent: these are for the customer's tickets that have none.")?;
        let flags = self.flags;
        self.team_and_agent(itop, &flags.external_team, &flags.external_agent, "external-").await
    }

    async fn team_and_agent(
        &mut self,
        itop: &Client,
        team: &Option<String>,
        agent: &Option<String>,
        flag: &str,
    ) -> anyhow::Result<Vec<(&'static str, Choice)>> {
        let teams = lookup::all(itop, "team_id", None).await?;
        let team = self.needed(team, &format!("--{flag}team"), "Their team", &teams)?;
        let members = lookup::members(itop, team.id).await?;
        if members.is_empty() && agent.is_none() {
            self.say(&format!("The team \"{}\" has no members that the account sees: add one in iTop.", team.name))?;
        }
        let agent = self.needed(agent, &format!("--{flag}agent"), "Their agent, of that team", &members)?;
        Ok(vec![("team", team), ("agent", agent)])
    }

    async fn only(&mut self, itop: &Client) -> anyhow::Result<String> {
        if let Some(team) = &self.flags.only_team {
            let teams = lookup::all(itop, "team_id", None).await?;
            let team = lookup::named(&teams, team).map_err(|wrong| anyhow!("--only-team: {wrong}"))?;
            return Ok(of_team(&team));
        }
        if let Some(only) = &self.flags.only {
            fits(itop, only).await.map_err(|wrong| anyhow!("--only: {wrong}"))?;
            return Ok(only.clone());
        }
        loop {
            let ways = ["all tickets", "those of a team", "those that an OQL condition fits"].map(str::to_owned);
            let person = self.person("--only", "Which tickets may leave the customer's iTop?")?;
            let only = match person.choose("Which tickets may leave the customer's iTop?", &ways)? {
                0 => "all".to_owned(),
                1 => {
                    let teams = lookup::all(itop, "team_id", None).await?;
                    of_team(&self.needed(&None, "--only-team", "Which team's?", &teams)?)
                }
                _ => person.text("What stands after WHERE", None)?,
            };
            match fits(itop, &only).await {
                Ok(()) => return Ok(only),
                Err(wrong) => self.say(&wrong)?,
            }
        }
    }

    fn status(&mut self) -> anyhow::Result<Status> {
        match (self.flags.status_to_external, &mut self.person) {
            (Some(status), _) => Ok(status),
            (None, None) => Ok(Status::Report),
            (None, Some(person)) => {
                let words = STATUS.map(|(_, words)| words.to_owned());
                Ok(STATUS[person.choose("How is the customer told the provider's status?", &words)?].0)
            }
        }
    }

    fn log(&mut self, given: Option<Log>, question: &str) -> anyhow::Result<Log> {
        match (given, &mut self.person) {
            (Some(log), _) => Ok(log),
            (None, None) => Ok(Log::Attachment),
            (None, Some(person)) => Ok(if person.agree(question, true)? { Log::Attachment } else { Log::Off }),
        }
    }

    /// One of `choices`.
    fn needed(
        &mut self,
        given: &Option<String>,
        flag: &str,
        question: &str,
        choices: &[Choice],
    ) -> anyhow::Result<Choice> {
        if let Some(given) = given {
            return lookup::named(choices, given).map_err(|wrong| anyhow!("{flag}: {wrong}"));
        }
        if choices.is_empty() {
            self.person(flag, question)?.say(&format!("{question}: {NONE_SEEN}."))?;
            return self.text(None, flag, &format!("{question}, by its id"), None, lookup::unseen);
        }
        let names: Vec<String> = choices.iter().map(shown).collect();
        let chosen = self.person(flag, question)?.choose(question, &names)?;
        Ok(choices[chosen].clone())
    }

    /// One of `choices`, or none.
    fn wanted(
        &mut self,
        given: &Option<String>,
        flag: &str,
        question: &str,
        choices: &[Choice],
    ) -> anyhow::Result<Option<Choice>> {
        if given.is_some() {
            return self.needed(given, flag, question, choices).map(Some);
        }
        let Some(person) = self.person.as_deref_mut() else { return Ok(None) };
        if choices.is_empty() {
            person.say(&format!("{question}: {NONE_SEEN}."))?;
            let by_id = |text: &str| if text.is_empty() { Ok(None) } else { lookup::unseen(text).map(Some) };
            return self.text(None, flag, &format!("{question}, by its id (empty: none)"), None, by_id);
        }
        let names: Vec<String> = std::iter::once("(none)".to_owned()).chain(choices.iter().map(shown)).collect();
        let chosen = person.choose(question, &names)?;
        Ok(chosen.checked_sub(1).map(|at| choices[at].clone()))
    }

    /// A text that `parse` takes.
    pub fn text<T>(
        &mut self,
        given: Option<String>,
        flag: &str,
        question: &str,
        default: Option<&str>,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> anyhow::Result<T> {
        match (given, &self.person, default) {
            (Some(given), ..) => return parse(&given).map_err(|wrong| anyhow!("{flag}: {wrong}")),
            (None, None, Some(default)) => return parse(default).map_err(|wrong| anyhow!("{flag}: {wrong}")),
            _ => {}
        }
        let mut before = default.map(str::to_owned);
        loop {
            let person = self.person(flag, question)?;
            let typed = person.text(question, before.as_deref())?.trim().to_owned();
            match parse(&typed) {
                Ok(value) => return Ok(value),
                Err(wrong) => person.say(&wrong)?,
            }
            // Most of it was right.
            before = Some(typed).filter(|typed| !typed.is_empty()).or(before);
        }
    }

    /// Who is asked what `flag` would have said.
    pub fn person(&mut self, flag: &str, question: &str) -> anyhow::Result<&mut (dyn Prompt + '_)> {
        match &mut self.person {
            Some(person) => Ok(&mut **person),
            None => Err(anyhow!("{flag} is missing ({question}), and there is no terminal to ask on")),
        }
    }

    /// What a person should know before the next question.
    pub fn say(&mut self, text: &str) -> anyhow::Result<()> {
        self.person.as_deref_mut().map_or(Ok(()), |person| person.say(text))
    }

    pub fn client(&self, side: &SideConfig) -> anyhow::Result<Client> {
        Ok(app::client(side, &Memory::default(), (self.transport)(side)?, None, false)?)
    }
}

fn of_team(team: &Choice) -> String {
    format!("team_id_friendlyname = {}", oql_quote(&team.name))
}

/// Tries the condition on each class, as the engine will send it.
async fn fits(itop: &Client, only: &str) -> Result<(), String> {
    if only == "all" {
        return Ok(());
    }
    for class in CLASSES {
        let query = Query::oql(format!("SELECT {class} WHERE ({only})")).limit(1);
        match itop.get(class, &query, &["id"]).await {
            Ok(_) => {}
            // `check` says what the account lacks.
            Err(error) if matches!(error.class, ErrorClass::Rights { .. } | ErrorClass::UnknownClass { .. }) => {}
            Err(error) => return Err(format!("iTop does not take this condition: {}", error.message)),
        }
    }
    Ok(())
}

fn shown(choice: &Choice) -> String {
    format!("{} ({})", choice.name, choice.id)
}
