//! `external rename`: moves the store's records of an external to another name.

use std::io::Write;

use anyhow::bail;
use clap::Args;
use itop_bridge_store::Store;

use super::{is_configured, not_known};
use crate::cli::Outcome;
use crate::config::{Config, identity};
use crate::sides;

/// Let an external go on under another name, with its pairs and all that waits.
///
/// First write the new name into the configuration, and the old one beside it as `name_in_marks`: the marks in both iTops
/// keep the first name for good, and the bridge finds its copies by it, even if the store is lost. Then stop `serve`, run
/// this, and start `serve`.
///
/// It is one transaction. After a crash all of it is done, or nothing; the same command goes on.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  itop-bridge external rename acme acme2")]
pub struct Rename {
    /// The name by which the store knows it.
    #[arg(value_name = "OLD")]
    pub old: String,
    /// The name that the configuration has for it now.
    #[arg(value_name = "NEW")]
    pub new: String,
}

/// Carries out the command on a store.
pub(super) fn rename(
    rename: &Rename,
    store: &mut dyn Store,
    config: &Config,
    out: &mut dyn Write,
) -> anyhow::Result<Outcome> {
    let Rename { old, new } = rename;
    let known = store.externals()?;
    let is_known = |name: &str| known.iter().any(|external| external.name == *name);
    let (_, of_new) = sides::remembered(store, new)?;
    if !is_known(old) && is_known(new) && (of_new == *old || of_new != *new) {
        writeln!(out, "{old} is called {new} already. Nothing was changed.")?;
        return Ok(Outcome::Fine);
    }
    if !is_known(old) {
        return Err(not_known(store, old));
    }
    if is_configured(config, old) {
        bail!("[external.{old}] is still in the configuration: rename that section to [external.{new}] first");
    }
    let Some(external) = config.externals.iter().find(|external| external.name() == new) else {
        bail!("the configuration has no [external.{new}]: rename the section [external.{old}] to that first");
    };
    let (address, name_in_marks) = sides::remembered(store, old)?;
    if external.name_in_marks != name_in_marks {
        bail!(
            "the marks of {old}'s tickets carry the name {name_in_marks}, and must not change: write `name_in_marks = \"{name_in_marks}\"` under [external.{new}] first"
        );
    }
    if let Some(address) = address.filter(|address| *address != identity(&external.side.url)) {
        bail!(
            "[external.{new}] is at {}, and {old} was at {address}: is it the same iTop? If it has moved, rename it first, with the old address, and start `serve` once",
            external.side.url
        );
    }
    if is_known(new) {
        bail!("the store already has an external {new}, and two cannot become one: choose another name");
    }
    itop_bridge_engine::keep_name_in_marks(store, old, &name_in_marks)?;
    store.rename_external(old, new)?;
    let pairs = known.iter().find(|external| external.name == *old).map_or(0, |external| external.live);
    writeln!(
        out,
        "{old} is called {new} now, with its live pairs ({pairs}). The marks in both iTops keep the name {name_in_marks}: keep `name_in_marks` in [external.{new}]. Start `serve`."
    )?;
    Ok(Outcome::Fine)
}
