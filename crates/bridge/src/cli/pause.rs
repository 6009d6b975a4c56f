//! `pause`: stops a side until `resume`.

use std::io::Write;
use std::path::Path;

use anyhow::bail;
use clap::Args;
use itop_bridge_store::{Stop, Store};

use super::{Outcome, say_dry_run, store, ticket};
use crate::config::Config;

/// Pause a side: no pass, no sweep and no audit of it, until `resume`.
///
/// An external's name pauses that external; the internal side's name pauses all of them. Works while `serve` runs, and ends
/// a pass that is under way. A running `serve` still accepts webhooks, and their tickets wait.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  itop-bridge pause acme\n  itop-bridge resume acme")]
pub struct Pause {
    /// The name of a side: an external's, or the internal one's.
    #[arg(value_name = "NAME")]
    pub name: String,
}

pub(super) fn run(pause: &Pause, config: &Path, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let config = Config::load_to_look(config)?;
    let mut store = store::to_change(&config)?;
    in_store(pause, &mut store, &config, out)
}

/// Carries out the command on a store.
pub fn in_store(pause: &Pause, store: &mut dyn Store, config: &Config, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let name = &pause.name;
    if let Some((side, _)) = name.split_once(':') {
        bail!(
            "only a side can be paused, and {name} is a ticket: run `itop-bridge pause {side}`, or `itop-bridge links unlink {name}` to end the pair"
        );
    }
    let Some(instance) = ticket::side(config, name) else {
        bail!("there is no side {name:?}{}", ticket::sides(config));
    };
    // A halt stays a halt: `resume` must be able to say why the side was stopped.
    if let Some(stop) = store.stopped(&instance)? {
        match stop {
            Stop::Paused => writeln!(out, "{name} is paused already. Nothing was changed.")?,
            halt => writeln!(out, "{name} is halted already, because {halt}. Nothing was changed.")?,
        }
        return Ok(Outcome::Fine);
    }
    store.set_stopped(&instance, Some(&Stop::Paused))?;
    match store.is_served()? {
        Some(false) => writeln!(
            out,
            "{name} is paused. `serve` does not run, so webhooks are not accepted now; the changes of the meantime are found once `serve` runs and `itop-bridge resume {name}` has ended the pause."
        )?,
        Some(true) | None => {
            writeln!(out, "{name} is paused. Webhooks are still accepted; `itop-bridge resume {name}` goes on.")?;
        }
    }
    say_dry_run(store, out)?;
    Ok(Outcome::Fine)
}
