//! `setup`: the connection, actions and triggers that one side's iTop must have.

use std::io::Write;
use std::path::Path;

use anyhow::bail;
use clap::Args;
use itop_bridge_engine::wording::count::counted;

use super::{Outcome, block_on, store, ticket};
use crate::app::{self, MakeTransport};
use crate::checks::{self, KeyTaken, State};
use crate::config::{Config, SideConfig};
use crate::running::Running;
use crate::setup::apply::{Made, apply};
use crate::setup::compare::{Change, removal};
use crate::setup::page::{Lang, page};
use crate::setup::{Admin, Comparison, Installed, OfAnother, Step, Wanted, admin, compare};

/// Make the webhooks in one side's iTop: the connection, the actions and the triggers.
///
/// Works as an administrator of that iTop. It takes the account from the environment (ITOP_BRIDGE_ADMIN_USER and
/// ITOP_BRIDGE_ADMIN_PASSWORD) and keeps it nowhere. Start `serve` first. Run `setup` again after each change of the
/// configuration: it makes what is missing, repairs what was changed, and leaves webhooks alone that a person made by the
/// specification.
#[derive(Debug, Args)]
#[command(after_help = "Environment:\n  ITOP_BRIDGE_ADMIN_USER, ITOP_BRIDGE_ADMIN_PASSWORD\n    \
                  An account of that iTop with the profiles Administrator and REST Services User.\n\n\
                  Examples:\n  itop-bridge setup --side acme --dry-run\n  itop-bridge setup --side acme\n  \
                  itop-bridge setup --side acme --print --lang id > acme.md\n  itop-bridge setup --side acme --remove")]
pub struct Setup {
    /// The internal's name, or an external's.
    #[arg(long, value_name = "NAME")]
    pub side: String,
    /// Only show the steps.
    #[arg(long)]
    pub dry_run: bool,
    /// Remove what `setup` made in that iTop, and nothing else.
    #[arg(long)]
    pub remove: bool,
    /// Print a page (Markdown) for an administrator who does it by hand. Calls no iTop.
    #[arg(long, conflicts_with_all = ["dry_run", "remove"])]
    pub print: bool,
    /// The language of that page.
    #[arg(long, requires = "print", value_enum, default_value_t = Lang::En)]
    pub lang: Lang,
}

pub(super) fn run(setup: &Setup, config: &Path, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let config = Config::load_to_look(config)?;
    store::agrees_on(&setup.side, &config)?;
    if !setup.print && !setup.remove {
        config.need_keys(&setup.side)?;
    }
    let env = |name: &str| std::env::var(name).ok();
    block_on(in_itop(setup, &config, &env, &app::http_transport, out))?
}

/// The command, with an environment and a transport to the iTop.
pub async fn in_itop(
    setup: &Setup,
    config: &Config,
    env: &dyn Fn(&str) -> Option<String>,
    transport: MakeTransport<'_>,
    out: &mut dyn Write,
) -> anyhow::Result<Outcome> {
    let Some(wanted) = Wanted::of(config, &setup.side) else {
        bail!("there is no side {:?}{}", setup.side, ticket::sides(config));
    };
    if setup.print {
        write!(out, "{}", page(&wanted, &setup.side, setup.lang))?;
        return Ok(Outcome::Fine);
    }
    let Some(account) = Admin::from(env) else {
        bail!(
            "setup works as an administrator of {}: put an account of that iTop into {} and {}. For an administrator \
             who does it by hand there is `setup --side {} --print`",
            setup.side,
            admin::USER,
            admin::PASSWORD,
            setup.side
        );
    };
    let side = side(config, &setup.side);
    let client = account.client(side, transport)?;
    let mut run = Run { setup, config, transport, wanted: &wanted, account: &account, side, client, out };
    if setup.remove { run.remove().await } else { run.make().await }
}

fn side<'a>(config: &'a Config, name: &str) -> &'a SideConfig {
    let external = config.externals.iter().find(|external| external.name() == name);
    external.map_or(&config.internal, |external| &external.side)
}

/// One run on one iTop.
struct Run<'a> {
    setup: &'a Setup,
    config: &'a Config,
    transport: MakeTransport<'a>,
    wanted: &'a Wanted,
    account: &'a Admin,
    side: &'a SideConfig,
    client: itop_client::Client,
    out: &'a mut dyn Write,
}

impl Run<'_> {
    async fn make(&mut self) -> anyhow::Result<Outcome> {
        self.is_the_key_taken().await?;
        let before = self.compare().await?;
        self.say_by_hand(&before)?;
        self.take(&before.steps).await?;
        if self.setup.dry_run {
            return self.end(before.steps.len(), &before).await;
        }
        let after = if before.steps.is_empty() { None } else { Some(self.compare().await?) };
        if let Some(step) = after.as_ref().and_then(|after| after.steps.first()) {
            // iTop answered each write with ok.
            bail!(
                "{} ({}): iTop did not keep these values: {}. Fix: look into log/error.log of that iTop",
                self.side.name,
                self.side.url,
                shown(step)
            );
        }
        self.end(before.steps.len(), after.as_ref().unwrap_or(&before)).await
    }

    async fn remove(&mut self) -> anyhow::Result<Outcome> {
        let installed = self.read().await?;
        let (steps, kept) = removal(self.wanted, &installed);
        self.take(&steps).await?;
        for kept in &kept {
            writeln!(self.out, "note    {kept}")?;
        }
        let side = &self.side.name;
        match (steps.len(), self.setup.dry_run) {
            (0, _) => writeln!(self.out, "{side} has nothing that setup made.")?,
            (n, true) => writeln!(self.out, "{n} would be removed from {side}. Nothing was changed.")?,
            (n, false) => writeln!(
                self.out,
                "{} removed from {side}. It sends the bridge no webhooks of setup's any more.",
                counted(n, "was", "were")
            )?,
        }
        Ok(Outcome::Fine)
    }

    async fn compare(&self) -> anyhow::Result<Comparison> {
        Ok(compare(self.wanted, &self.read().await?))
    }

    /// An error where `setup` has made webhooks for another side: they would be taken from it.
    async fn read(&self) -> anyhow::Result<Installed> {
        let installed = self.account.read(&self.client, self.side, self.wanted).await?;
        if let Some(found) = OfAnother::among(&installed, self.wanted) {
            let SideConfig { name, url, .. } = self.side;
            bail!("{name} ({url}): {found}. Nothing was changed. Fix: {}", found.fix(name));
        }
        Ok(installed)
    }

    /// Carries out each step, or in a dry run only prints it.
    async fn take(&mut self, steps: &[Step]) -> anyhow::Result<()> {
        let mut made = Made::default();
        for (done, step) in steps.iter().enumerate() {
            if !self.setup.dry_run {
                let outcome = apply(&self.client, step, &mut made).await;
                let what = || {
                    format!(
                        "{done} of {} done, then this was not: {}",
                        counted(steps.len(), "step was", "steps were"),
                        shown(step)
                    )
                };
                outcome.map_err(|error| self.account.refused(self.side, error, &what()))?;
            }
            let word = if self.setup.dry_run { "would" } else { "done" };
            writeln!(self.out, "{word:<7} {}", shown(step))?;
        }
        Ok(())
    }

    fn say_by_hand(&mut self, comparison: &Comparison) -> anyhow::Result<()> {
        for judged in &comparison.judged {
            for by_hand in &judged.by_hand {
                writeln!(self.out, "by hand {}: {by_hand}", judged.name)?;
            }
        }
        for note in &comparison.notes {
            writeln!(self.out, "note    {note}")?;
        }
        Ok(())
    }

    async fn end(&mut self, steps: usize, comparison: &Comparison) -> anyhow::Result<Outcome> {
        let side = &self.side.name;
        let faults: Vec<String> = comparison
            .judged
            .iter()
            .flat_map(|judged| judged.faults.iter().map(|f| format!("{}: {f}", judged.name)))
            .collect();
        for fault in &faults {
            writeln!(self.out, "fault   {fault}")?;
        }
        match (steps, self.setup.dry_run) {
            (0, _) => writeln!(self.out, "Nothing to do in {side}.")?,
            (n, true) => {
                let steps = counted(n, "step", "steps");
                writeln!(self.out, "{steps} would be taken in {side}. Nothing was changed.")?
            }
            (n, false) => {
                let steps = counted(n, "step was", "steps were");
                writeln!(self.out, "{steps} taken in {side}, and it has all the webhooks that it needs from setup.")?
            }
        }
        if !self.setup.dry_run {
            let internal = &self.config.internal.name;
            if steps > 0 && self.side.name != *internal {
                writeln!(
                    self.out,
                    "Next: `itop-bridge setup --side {internal}`, which makes what {side} needs there."
                )?;
            }
            self.say_public_url().await?;
        }
        if faults.is_empty() {
            return Ok(Outcome::Fine);
        }
        writeln!(self.out, "Correct the hand-made webhooks, or delete them there and run setup again.")?;
        Ok(Outcome::FaultFound)
    }
}

impl Run<'_> {
    /// A webhook with a key that `serve` refuses fails forever, and nothing in that iTop says so.
    async fn is_the_key_taken(&mut self) -> anyhow::Result<()> {
        let (side, url) = (&self.side.name, &self.config.server.public_url);
        let section = self.config.section(side);
        let running = Running::of_store(self.config);
        let why = if running.is_older() { format!(": {running}") } else { String::new() };
        match checks::key_is_taken(self.config, self.side, self.transport).await {
            KeyTaken::No => bail!(
                "the `serve` at {url} refuses the first key of [{section}], which the webhooks would carry{why}. \
                 Nothing was changed. Fix: restart `serve`, then run `itop-bridge setup --side {side}` again"
            ),
            KeyTaken::OfAnother(other) => bail!(
                "the `serve` at {url} takes the first key of [{section}] for a key of {other}{why}. Nothing was \
                 changed. Fix: see that `public_url` of [server] leads to this bridge, restart `serve`, then run \
                 `itop-bridge setup --side {side}` again"
            ),
            KeyTaken::Yes | KeyTaken::Unknown => {}
        }
        let is_dry = matches!(running, Running::Current { dry_run: true, .. });
        if let (true, Some(fix)) = (running.is_older() || is_dry, running.fix()) {
            writeln!(self.out, "note    {running}. Fix: {fix}.")?;
        }
        Ok(())
    }

    /// Prints the finding about the webhooks' target address if it does not answer from here.
    async fn say_public_url(&mut self) -> anyhow::Result<()> {
        let found = checks::public_url(self.config, self.transport).await;
        if found.state != State::Ok {
            let fix = found.fix.map(|fix| format!(". Fix: {fix}")).unwrap_or_default();
            writeln!(self.out, "note    {}{fix}.", found.detail)?;
        }
        Ok(())
    }
}

fn shown(step: &Step) -> String {
    let what = format!("{} \"{}\"", step.class, step.name);
    match &step.change {
        Change::Create(_) => format!("make {what}"),
        Change::Update { id, why, .. } => format!("correct {what} ({id}): {}", why.join("; ")),
        Change::Delete { id, why } => format!("remove {what} ({id}): {why}"),
    }
}
