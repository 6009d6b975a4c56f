//! Opens the store; a failure comes with its reason and the fix.

use std::path::Path;

use anyhow::{anyhow, bail};
use itop_bridge_store::{Result, SqliteStore, Store as _, StoreError};

use crate::checks;
use crate::config::Config;
use crate::sides::{self, Compared};

/// For a command that changes something beside a running `serve`.
pub(super) fn to_change(config: &Config) -> anyhow::Result<SqliteStore> {
    is_there(config)?;
    open(config, |path| SqliteStore::open(path))
}

/// For a command that only shows.
pub(super) fn to_read(config: &Config) -> anyhow::Result<SqliteStore> {
    is_there(config)?;
    open(config, |path| SqliteStore::open_to_read(path))
}

/// For a command that fills a store: the former store may be lost, or there was none. Then a new one is made, in
/// memory if the command only looks.
pub(super) fn to_fill(config: &Config, to_look_only: bool) -> anyhow::Result<SqliteStore> {
    match (to_look_only, config.store.path.exists()) {
        (true, true) => to_read(config),
        (true, false) => Ok(SqliteStore::open_in_memory()?),
        (false, _) => open(config, |path| SqliteStore::open(path)),
    }
}

/// A command beside `serve` never creates a store: an empty one would look as if the bridge knew no pair.
pub(super) fn is_there(config: &Config) -> anyhow::Result<()> {
    let path = &config.store.path;
    if !path.exists() {
        bail!(
            "there is no store at {}: is [store].url the one that `serve` uses? If `serve` has never run, start it once",
            path.display()
        );
    }
    Ok(())
}

/// For a command that reads or writes iTops: with a configuration that the store contradicts, it would take one
/// customer's tickets for another's.
pub(super) fn agrees(config: &Config) -> anyhow::Result<()> {
    if config.store.path.exists() {
        refuse_contradictions(&sides::compare(&mut to_read(config)?, config)?)?;
    }
    Ok(())
}

/// The same, for a command that asks one side alone, and whose user may lack access to the store.
pub(super) fn agrees_on(side: &str, config: &Config) -> anyhow::Result<()> {
    let Ok(mut store) = to_read(config) else { return Ok(()) };
    let mut compared = sides::compare(&mut store, config)?;
    compared.contradictions.retain(|found| found.is_about(side));
    refuse_contradictions(&compared)
}

/// Fails with every contradiction and its fix.
pub(super) fn refuse_contradictions(compared: &Compared) -> anyhow::Result<()> {
    let told: Vec<String> =
        compared.contradictions.iter().map(|found| format!("{found}. Fix: {}", found.fix())).collect();
    match told.is_empty() {
        true => Ok(()),
        false => bail!("nothing was done, since the store contradicts the configuration: {}", told.join("\n")),
    }
}

/// The configured store, opened by `open`, if it belongs to this bridge.
pub(super) fn open(config: &Config, open: impl Fn(&Path) -> Result<SqliteStore>) -> anyhow::Result<SqliteStore> {
    let path = &config.store.path;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !folder.is_dir() {
        bail!(
            "there is no folder {} for the store {}. Make it for the user that runs `serve`, or correct [store].url",
            folder.display(),
            path.display()
        );
    }
    let opened = open(path).and_then(|mut store| store.adopt_server_id(&config.server.id).map(|()| store));
    opened.map_err(|error| {
        let what = match &error {
            // The error names the file itself.
            StoreError::Locked(_) => error.to_string(),
            _ => format!("the store {}: {error}", path.display()),
        };
        anyhow!("{what}. Fix: {}", checks::fix(&error))
    })
}
