//! `external`: renames or removes a customer. One file per command.

use std::io::Write;
use std::path::Path;

use clap::{Args, Subcommand};
use itop_bridge_engine::clock::Clock;
use itop_bridge_store::{SqliteStore, Store};

use super::ask::is_agreed_or_refused;
use super::{Outcome, store, ticket};
use crate::config::Config;

pub mod remove;
pub mod rename;

/// Give a customer another name, or end the pairs of one that has left.
///
/// Both work only on the store, while `serve` is stopped. They call no iTop.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  itop-bridge external rename acme acme2\n  itop-bridge external remove acme")]
pub struct External {
    #[command(subcommand)]
    pub verb: ExternalVerb,
}

#[derive(Debug, Subcommand)]
pub enum ExternalVerb {
    Rename(rename::Rename),
    Remove(remove::Remove),
}

/// Asks a yes-or-no question.
pub type Ask<'a> = &'a dyn Fn(&str) -> anyhow::Result<bool>;

pub(super) fn run(
    external: &External,
    config: &Path,
    clock: &dyn Clock,
    out: &mut dyn Write,
) -> anyhow::Result<Outcome> {
    let config = Config::load_to_look(config)?;
    store::is_there(&config)?;
    // No other process may work on the store: the work in progress of a `serve` uses the names that it started with.
    let mut store = store::open(&config, |path| SqliteStore::open_exclusive(path))?;
    in_store(external, &mut store, &config, &is_agreed_or_refused, clock.now_ms(), out)
}

/// Carries out the command on a store.
pub fn in_store(
    external: &External,
    store: &mut dyn Store,
    config: &Config,
    ask: Ask<'_>,
    now_ms: i64,
    out: &mut dyn Write,
) -> anyhow::Result<Outcome> {
    match &external.verb {
        ExternalVerb::Rename(verb) => rename::rename(verb, store, config, out),
        ExternalVerb::Remove(verb) => remove::remove(verb, store, config, ask, now_ms, out),
    }
}

/// The error for an external that the store does not know.
fn not_known(store: &mut dyn Store, name: &str) -> anyhow::Error {
    match store.externals() {
        Ok(known) if known.is_empty() => anyhow::anyhow!("the store knows no external yet"),
        Ok(known) => {
            let names: Vec<&str> = known.iter().map(|external| external.name.as_str()).collect();
            anyhow::anyhow!("the store knows no external {name:?}. It knows {}", names.join(", "))
        }
        Err(error) => error.into(),
    }
}

fn is_configured(config: &Config, name: &str) -> bool {
    ticket::side(config, name).is_some()
}
