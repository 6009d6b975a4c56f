//! `init`: from two addresses and two accounts to a configuration that works.

use std::io::{IsTerminal as _, Write};
use std::path::Path;

use anyhow::bail;

use super::{Outcome, block_on, keys};
use crate::app::{self, MakeTransport};
use crate::random::{Random, SystemRandom};
use crate::shell;

mod account;
mod address;
mod answers;
mod flags;
mod lookup;
mod prompt;
mod public_url;
mod questions;
mod text;
mod write;

use answers::Answers;
pub use flags::{Init, Log, Status};
use prompt::Terminal;
pub use prompt::{Back, Prompt};
use questions::Questions;
use text::Drawn;

/// Bytes of a server id: short in every mark, and hardly ever another bridge's.
const ID_BYTES: usize = 3;

pub(super) fn run(init: &Init, config: &Path, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let mut terminal = Terminal;
    let is_terminal = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    let person = if is_terminal && !init.is_complete() { Some(&mut terminal as &mut dyn Prompt) } else { None };
    let program = std::env::args().next().filter(|name| !name.is_empty());
    let seams = Seams {
        env: &|name| std::env::var(name).ok(),
        transport: &app::http_transport,
        random: &SystemRandom,
        program: &program.unwrap_or_else(|| "itop-bridge".to_owned()),
    };
    block_on(with(init, config, person, seams, out))?
}

/// What the verb takes from outside.
pub struct Seams<'a> {
    pub env: &'a dyn Fn(&str) -> Option<String>,
    pub transport: MakeTransport<'a>,
    pub random: &'a dyn Random,
    /// As it was called: what is to be done next is printed so that it can be pasted.
    pub program: &'a str,
}

/// What the verb does; without a `person` nothing is asked.
pub async fn with(
    init: &Init,
    config: &Path,
    mut person: Option<&mut dyn Prompt>,
    seams: Seams<'_>,
    out: &mut dyn Write,
) -> anyhow::Result<Outcome> {
    let old_id = overwrite(init, config, &mut person)?;
    let Seams { env, transport, random, program } = seams;
    let asked = person.as_mut().map(|person| &mut **person as &mut dyn Prompt);
    let answers = Questions { flags: init, person: asked, env, transport }.ask().await?;
    let drawn = Drawn {
        server_id: old_id.unwrap_or_else(|| server_id(random)),
        internal_key: keys::draw(random),
        external_key: keys::draw(random),
    };
    let mut may_overwrite = |file: &Path| overwrite_password(init, file, &mut person);
    for file in write::write(config, &text::text(&answers, &drawn), &answers, env, &mut may_overwrite)? {
        writeln!(out, "Wrote {}.", file.display())?;
    }
    for note in &answers.notes {
        writeln!(out, "note    {note}")?;
    }
    let shown = config.display().to_string();
    let option =
        if shown == "itop-bridge.toml" { String::new() } else { format!(" --config {}", shell::quoted(&shown)) };
    say_next(&format!("{}{option}", shell::quoted(program)), &answers, out)?;
    Ok(Outcome::Fine)
}

/// The steps of the README that follow, in its order.
fn say_next(call: &str, answers: &Answers, out: &mut dyn Write) -> std::io::Result<()> {
    let (internal, external) = (&answers.internal.name, &answers.external.name);
    write!(
        out,
        "\nNext:\n  \
         {call} check    what is still missing\n  \
         {call} serve    leave it running: setup wants it so; its log says \"the connection has begun\"\n  \
         {call} setup --side {external}\n  \
         {call} setup --side {internal}\n\
         setup works as an administrator of that iTop, by ITOP_BRIDGE_ADMIN_USER and ITOP_BRIDGE_ADMIN_PASSWORD.\n\
         Tickets of {external} that are opened before the connection has begun stay where they are, also when they are changed,\n\
         until {call} backfill --side {external} --since DATE. `older` in the configuration can say otherwise.\n"
    )
}

/// Whether the file may be written; the id of the bridge that it was for, which its store holds fast to.
fn overwrite(init: &Init, config: &Path, person: &mut Option<&mut dyn Prompt>) -> anyhow::Result<Option<String>> {
    if !config.exists() {
        return Ok(None);
    }
    let path = config.display();
    let agreed = match person {
        _ if init.force => true,
        Some(person) => person.agree(&format!("{path} is there already. Overwrite it, with new keys?"), false)?,
        None => bail!("{path} is there already; --force overwrites it, with new keys"),
    };
    if !agreed {
        bail!("{path} was left as it is");
    }
    let old = std::fs::read_to_string(config).ok().and_then(|text| text.parse::<toml::Table>().ok());
    let id = old.as_ref().and_then(|old| old.get("server")?.get("id")?.as_str());
    Ok(id.filter(|id| !id.contains("${")).map(str::to_owned))
}

/// A password's file that is there holds another password, which a bridge may run by.
fn overwrite_password(init: &Init, file: &Path, person: &mut Option<&mut dyn Prompt>) -> anyhow::Result<()> {
    let file = file.display();
    let agreed = match person {
        _ if init.force => true,
        Some(person) => {
            let question = format!("{file} is there already, with another password. Overwrite it?");
            person.agree(&question, false)?
        }
        None => bail!("{file} is there already, with another password; --force overwrites it"),
    };
    if !agreed {
        bail!("{file} was left as it is, and nothing was written; another name of that side gets a file of its own");
    }
    Ok(())
}

fn server_id(random: &dyn Random) -> String {
    let mut bytes = [0; ID_BYTES];
    random.fill(&mut bytes);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
