//! `init`: makes a working configuration from two addresses and two accounts, or adds a customer to an existing one.

use std::io::Write;
use std::path::Path;

use anyhow::bail;
use itop_bridge_core::text::hex;
use itop_bridge_engine::random::{Random, SystemRandom};

use super::ask::is_somebody_there;
use super::{Outcome, block_on, keys};
use crate::app::{self, MakeTransport};

mod account;
mod address;
mod answers;
mod defaults;
mod dialogue;
mod existing;
mod flags;
mod lookup;
mod next;
mod prompt;
mod public_url;
mod questions;
mod repeated;
mod terminal;
mod text;
mod write;

use dialogue::Dialogue;
use existing::Existing;
pub use flags::{Init, Log, Status};
use next::Call;
pub use prompt::{Back, Prompt};
use questions::Questions;
use repeated::Known;
use terminal::Terminal;
use text::Drawn;

/// Bytes of a server id: short in every mark, and unlikely to be another bridge's.
const ID_BYTES: usize = 3;

pub(super) fn run(init: &Init, config: &Path, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let mut terminal = Terminal;
    let is_asked = is_somebody_there() && !init.is_complete(config.exists());
    let person = if is_asked { Some(&mut terminal as &mut dyn Prompt) } else { None };
    let program = std::env::args().next().filter(|name| !name.is_empty());
    let seams = Seams {
        env: &|name| std::env::var(name).ok(),
        transport: &app::http_transport,
        random: &SystemRandom,
        program: &program.unwrap_or_else(|| "itop-bridge".to_owned()),
    };
    block_on(with(init, config, person, seams, out))?
}

/// The outer dependencies of the command.
pub struct Seams<'a> {
    pub env: &'a dyn Fn(&str) -> Option<String>,
    pub transport: MakeTransport<'a>,
    pub random: &'a dyn Random,
    /// The program's name as it was called, so that the printed next steps can be pasted.
    pub program: &'a str,
}

/// The command; without a `person` nothing is asked.
pub async fn with(
    init: &Init,
    config: &Path,
    mut person: Option<&mut dyn Prompt>,
    seams: Seams<'_>,
    out: &mut dyn Write,
) -> anyhow::Result<Outcome> {
    let Seams { env, transport, random, program } = seams;
    let existing = Existing::load(config, env)?;
    if let (Some(_), Some(flag)) = (&existing, init.of_the_provider()) {
        bail!(
            "{} is there already, and `init` adds a customer to it: that file has its own value for {flag}. Leave the flag out, or \
             name a new file with --config",
            config.display()
        );
    }
    let drawn =
        Drawn { server_id: server_id(random), internal_key: keys::draw(random), external_key: keys::draw(random) };
    let person = person.as_mut().map(|person| &mut **person as &mut dyn Prompt);
    let (dialogue, known) = (Dialogue::new(person), Known::default());
    let questions = Questions { flags: init.clone(), dialogue, env, transport, known };
    let mut run = Run { config, questions, drawn, call: Call::of(program, config) };
    run.questions.dialogue.say(dialogue::KEYS)?;
    loop {
        let said = match &existing {
            None => run.new_file().await,
            Some(existing) => run.customer(existing).await,
        };
        match said {
            Ok(said) => {
                out.write_all(said.as_bytes())?;
                return Ok(Outcome::Fine);
            }
            Err(error) if error.is::<Back>() => run.questions.dialogue.go_back()?,
            Err(error) => return Err(error),
        }
    }
}

/// One run of the command, from the first question to the files.
struct Run<'a> {
    config: &'a Path,
    questions: Questions<'a>,
    drawn: Drawn,
    call: Call,
}

impl Run<'_> {
    /// Returns the text to print.
    async fn new_file(&mut self) -> anyhow::Result<String> {
        let answers = self.questions.ask().await?;
        let text = text::text(&answers, &self.drawn);
        let (dialogue, force, env) = (&mut self.questions.dialogue, self.questions.flags.force, self.questions.env);
        let mut may_overwrite = |file: &Path| overwrite_password(force, file, dialogue);
        let files = write::write(self.config, &text, &answers, env, &mut may_overwrite)?;
        Ok(self.call.after_a_new_file(&files, &answers))
    }

    async fn customer(&mut self, existing: &Existing) -> anyhow::Result<String> {
        let customer = self.questions.customer(existing, existing.sync(), &existing.classes()).await?;
        let internal = self.questions.client(&existing.config.internal)?;
        let internal_defaults = self.questions.own_defaults(&internal, &existing.config.internal.defaults).await?;
        let doubt = public_url::doubt(&existing.config.server.public_url, &[&customer.account.url]).await;
        let sections = text::sections(&customer, &internal_defaults, existing.sync(), &self.drawn.external_key);
        let (dialogue, force, env) = (&mut self.questions.dialogue, self.questions.flags.force, self.questions.env);
        let mut may_overwrite = |file: &Path| overwrite_password(force, file, dialogue);
        let files = write::add(self.config, existing, &customer.account, &sections, env, &mut may_overwrite)?;
        let said = self.call.after_a_customer(self.config, existing, &files, &customer.account, doubt);
        let name = &customer.account.name;
        let shares = internal_defaults.is_empty() && !existing.config.internal.defaults.is_empty();
        Ok(if shares { said + &shares_the_defaults(name) } else { said })
    }
}

fn shares_the_defaults(name: &str) -> String {
    format!(
        "\nThe tickets of {name} get the organisation and the caller that all customers get, [internal.defaults]. If people \
         of another customer may see tickets of that organisation, write others into [external.{name}.internal_defaults] first.\n"
    )
}

/// Fails unless a file with another password, which a bridge may be using, may be overwritten.
fn overwrite_password(force: bool, file: &Path, dialogue: &mut Dialogue<'_>) -> anyhow::Result<()> {
    let shown = file.display();
    let question = format!("{shown} is there already, with another password. Overwrite it?");
    let agreed = match dialogue.has_person() {
        _ if force => true,
        true => dialogue.agree(&question, &question, false)?,
        false => bail!("{shown} is there already, with another password; --force overwrites it"),
    };
    if !agreed {
        bail!("{shown} was left as it is, and nothing was written; another name of that side gets a file of its own");
    }
    Ok(())
}

fn server_id(random: &dyn Random) -> String {
    let mut bytes = [0; ID_BYTES];
    random.fill(&mut bytes);
    hex(&bytes)
}
