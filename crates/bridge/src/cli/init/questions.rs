//! The questions in their order. A flag answers its question; otherwise a person is asked until the answer is valid;
//! without a person, a missing required answer is an error that names its flag.

use std::sync::Arc;

use anyhow::anyhow;
use itop_client::{Client, ErrorClass, Memory, Query, oql_quote};

use super::account::{Other, Others, Role};
use super::answers::{Answers, Chosen, Customer, Sync};
use super::defaults::General;
use super::dialogue::Dialogue;
use super::flags::{Init, Log, Status};
use super::lookup::{self, Choice, NONE_SEEN};
use super::repeated::{Known, Repeated};
use crate::app::{self, MakeTransport};
use crate::config::{Defaults, SideConfig};

/// The classes bridged in a new configuration: changes would need defaults of their own.
pub const CLASSES: [&str; 2] = ["UserRequest", "Incident"];

const STATUS: [(Status, &str); 3] = [
    (Status::Report, "report: a file on the customer's ticket shows it; the ticket keeps its own status"),
    (Status::Apply, "apply: the customer's ticket is moved by stimuli, as by a person"),
    (Status::Off, "off: the customer does not see it"),
];

const WHO_SEES: &str = "Private log entries cross as text files. Files are visible in iTop's user portal, so the \
    ticket's caller can read them there, and iTop copies a parent request's entries into its children.";

pub struct Questions<'a> {
    /// Without the refused ones.
    pub flags: Init,
    pub dialogue: Dialogue<'a>,
    pub env: &'a dyn Fn(&str) -> Option<String>,
    pub transport: MakeTransport<'a>,
    pub known: Known,
}

impl Questions<'_> {
    /// All questions of a new configuration, from the first to the last.
    pub async fn ask(&mut self) -> anyhow::Result<Answers> {
        let (internal, itop) = self.account(Role::Internal, &Other(None)).await?;
        let defaults = self.defaults(&itop, &Defaults::new()).await?;
        let customer = self.customer(&Other(Some(&internal)), Sync::default(), &CLASSES).await?;
        let (public_url, mut notes) = self.public_url(&[&internal.url, &customer.account.url]).await?;
        let listen = self.listen(&public_url, &mut notes)?.to_string();
        Ok(Answers { internal, defaults, customer, listen, public_url, notes })
    }

    /// All questions about one customer. `offered`: the settings if no others are given; `classes`: the classes of
    /// its tickets.
    pub async fn customer(&mut self, others: &dyn Others, offered: Sync, classes: &[&str]) -> anyhow::Result<Customer> {
        let (account, itop) = self.account(Role::External, others).await?;
        let only = self.only(&itop, classes).await?;
        let status_to_external = self.status(offered.status_to_external)?;
        let defaults = match status_to_external {
            Status::Apply => self.external_defaults(&itop).await?,
            Status::Report | Status::Off => Vec::new(),
        };
        self.dialogue.say(WHO_SEES)?;
        let private_log_to_internal = self.log(
            self.flags.private_log_to_internal,
            offered.private_log_to_internal,
            "--private-log-to-internal",
            "Shall the customer's private log go to the provider?",
        )?;
        let private_log_to_external = self.log(
            self.flags.private_log_to_external,
            offered.private_log_to_external,
            "--private-log-to-external",
            "Shall the provider's private log go to the customer?",
        )?;
        let sync = Sync { status_to_external, private_log_to_internal, private_log_to_external };
        Ok(Customer { account, defaults, only, sync })
    }

    async fn external_defaults(&mut self, itop: &Client) -> anyhow::Result<Chosen> {
        self.dialogue
            .say("A stimulus needs a team and an agent: these are for the customer's tickets that have none.")?;
        let (team, agent) = (self.flags.external_team.clone(), self.flags.external_agent.clone());
        self.team_and_agent(itop, team.as_deref(), agent.as_deref(), "external-", General::none()).await
    }

    /// The condition for tickets to cross, one that iTop accepts.
    async fn only(&mut self, itop: &Client, classes: &[&str]) -> anyhow::Result<String> {
        if let Some(team) = &self.flags.only_team {
            let teams = lookup::all(itop, "team_id", None).await?;
            let team = lookup::named(&teams, team).map_err(|wrong| anyhow!("--only-team: {wrong}"))?;
            return Ok(of_team(&team));
        }
        if let Some(only) = &self.flags.only {
            fits(itop, only, classes).await.map_err(|wrong| anyhow!("--only: {wrong}"))?;
            return Ok(only.clone());
        }
        let ways = ["all tickets", "those of a team", "those that an OQL condition fits"].map(str::to_owned);
        match self.dialogue.choose("--only", "Which tickets may leave the customer's iTop?", &ways, 0)? {
            0 => Ok("all".to_owned()),
            1 => {
                let teams = lookup::all(itop, "team_id", None).await?;
                Ok(of_team(&self.needed(None, "--only-team", "Which team's?", &teams, None)?))
            }
            _ => loop {
                let only = self.dialogue.text("--only, condition", "The condition after WHERE", None)?;
                match fits(itop, &only, classes).await {
                    Ok(()) => return Ok(only),
                    Err(wrong) => self.refuse_text("--only, condition", &wrong)?,
                }
            },
        }
    }

    fn status(&mut self, offered: Status) -> anyhow::Result<Status> {
        match self.flags.status_to_external {
            Some(status) => Ok(status),
            None if !self.dialogue.has_person() => Ok(offered),
            None => {
                let words = STATUS.map(|(_, words)| words.to_owned());
                let at = STATUS.iter().position(|(status, _)| *status == offered).unwrap_or_default();
                let question = "How does the customer learn the provider's status?";
                Ok(STATUS[self.dialogue.choose("--status-to-external", question, &words, at)?].0)
            }
        }
    }

    fn log(&mut self, given: Option<Log>, offered: Log, flag: &str, question: &str) -> anyhow::Result<Log> {
        match given {
            Some(log) => Ok(log),
            None if !self.dialogue.has_person() => Ok(offered),
            None => {
                let agreed = self.dialogue.agree(flag, question, offered == Log::Attachment)?;
                Ok(if agreed { Log::Attachment } else { Log::Off })
            }
        }
    }

    /// One of `choices`.
    pub fn needed(
        &mut self,
        given: Option<&str>,
        flag: &str,
        question: &str,
        choices: &[Choice],
        offered: Option<&Choice>,
    ) -> anyhow::Result<Choice> {
        match (given, offered) {
            (Some(given), _) => return lookup::named(choices, given).map_err(|wrong| anyhow!("{flag}: {wrong}")),
            (None, Some(offered)) if !self.dialogue.has_person() => return Ok(offered.clone()),
            (None, _) => {}
        }
        if choices.is_empty() {
            self.dialogue.say(&format!("{question}: {NONE_SEEN}."))?;
            let offered = offered.map(|offered| offered.id.to_string());
            return self.text(None, flag, &format!("{question}, by its id"), offered.as_deref(), lookup::unseen);
        }
        let names: Vec<String> = choices.iter().map(shown).collect();
        let at = offered.and_then(|offered| choices.iter().position(|choice| choice.id == offered.id));
        let chosen = self.dialogue.choose(flag, question, &names, at.unwrap_or_default())?;
        Ok(choices[chosen].clone())
    }

    /// One of `choices`, or none; `none` describes the effect of that.
    pub fn wanted(
        &mut self,
        given: Option<&str>,
        flag: &str,
        question: &str,
        choices: &[Choice],
        offered: Option<&Choice>,
        none: &str,
    ) -> anyhow::Result<Option<Choice>> {
        if given.is_some() {
            return self.needed(given, flag, question, choices, offered).map(Some);
        }
        if !self.dialogue.has_person() {
            return Ok(offered.cloned());
        }
        if choices.is_empty() {
            self.dialogue.say(&format!("{question}: {NONE_SEEN}."))?;
            let by_id = |text: &str| if text == "none" { Ok(None) } else { lookup::unseen(text).map(Some) };
            return self.text(None, flag, &format!("{question}, by its id"), Some("none"), by_id);
        }
        let names: Vec<String> = std::iter::once(none.to_owned()).chain(choices.iter().map(shown)).collect();
        let at = offered.and_then(|offered| choices.iter().position(|choice| choice.id == offered.id));
        let chosen = self.dialogue.choose(flag, question, &names, at.map_or(0, |at| at + 1))?;
        Ok(chosen.checked_sub(1).map(|at| choices[at].clone()))
    }

    /// A text that `parse` accepts.
    pub fn text<T>(
        &mut self,
        given: Option<String>,
        flag: &str,
        question: &str,
        offered: Option<&str>,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> anyhow::Result<T> {
        let given = given.or_else(|| offered.filter(|_| !self.dialogue.has_person()).map(str::to_owned));
        if let Some(given) = given {
            return parse(&given).map_err(|wrong| anyhow!("{flag}: {wrong}"));
        }
        loop {
            match parse(&self.dialogue.text(flag, question, offered)?) {
                Ok(value) => return Ok(value),
                Err(wrong) => self.refuse_text(flag, &wrong)?,
            }
        }
    }

    fn refuse_text(&mut self, flag: &str, wrong: &str) -> anyhow::Result<()> {
        self.dialogue.refuse(flag);
        self.dialogue.say(wrong)
    }

    pub fn client(&self, side: &SideConfig) -> anyhow::Result<Client> {
        let inner = (self.transport)(side)?;
        let (known, is_repeating) = (self.known.clone(), self.dialogue.is_repeating());
        Ok(app::client(side, &Memory::default(), Arc::new(Repeated { inner, known, is_repeating }), None, false)?)
    }
}

fn of_team(team: &Choice) -> String {
    format!("team_id_friendlyname = {}", oql_quote(&team.name))
}

/// Tries the condition on each class, as the engine will send it.
async fn fits(itop: &Client, only: &str, classes: &[&str]) -> Result<(), String> {
    if only == "all" {
        return Ok(());
    }
    for class in classes {
        let query = Query::oql(format!("SELECT {class} WHERE ({only})")).limit(1);
        match itop.get(class, &query, &["id"]).await {
            Ok(_) => {}
            // `check` reports what the account lacks.
            Err(error) if matches!(error.class, ErrorClass::Rights { .. } | ErrorClass::UnknownClass { .. }) => {}
            Err(error) => return Err(format!("iTop does not take this condition: {}", error.message)),
        }
    }
    Ok(())
}

pub fn shown(choice: &Choice) -> String {
    format!("{} ({})", choice.name, choice.id)
}
