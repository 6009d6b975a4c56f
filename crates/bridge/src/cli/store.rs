//! Opening the store: why that failed, and what to do about it.

use std::path::Path;

use anyhow::{anyhow, bail};
use itop_bridge_store::{Result, SqliteStore, Store as _, StoreError};

use crate::checks;
use crate::config::Config;
use crate::sides::{self, Compared};

/// For a verb that changes something beside a running `serve`.
pub(super) fn to_change(config: &Config) -> anyhow::Result<SqliteStore> {
    is_there(config)?;
    open(config, |path| SqliteStore::open(path))
}

/// For a verb that only shows.
pub(super) fn to_read(config: &Config) -> anyhow::Result<SqliteStore> {
    is_there(config)?;
    open(config, |path| SqliteStore::open_to_read(path))
}

/// For a verb that fills a store: the one before may be lost, or there has been none. Then a new one is made, but
/// not to look only.
pub(super) fn to_fill(config: &Config, to_look_only: bool) -> anyhow::Result<SqliteStore> {
    match (to_look_only, config.store.path.exists()) {
        (true, true) => to_read(config),
        (true, false) => Ok(SqliteStore::open_in_memory()?),
        (false, _) => open(config, |path| SqliteStore::open(path)),
    }
}

/// A verb beside `serve` never makes a store: an empty one would look as if the bridge knew no pair.
pub(super) fn is_there(config: &Config) -> anyhow::Result<()> {
    let path = &config.store.path;
    if !path.exists() {
        bail!(
            "there is no store at {}: is [store].url the one that `serve` uses? Where `serve` never ran, start it once",
            path.display()
        );
    }
    Ok(())
}

/// For a verb that reads or writes iTops: by the names of a configuration that the store contradicts, it would take one
/// customer's tickets for another's.
pub(super) fn agrees(config: &Config) -> anyhow::Result<()> {
    if config.store.path.exists() {
        refuse_contradictions(&sides::compare(&mut to_read(config)?, config)?)?;
    }
    Ok(())
}

/// The same, for a verb that asks one side alone, and may be run by a user to whom the store is closed.
pub(super) fn agrees_on(side: &str, config: &Config) -> anyhow::Result<()> {
    let Ok(mut store) = to_read(config) else { return Ok(()) };
    let mut compared = sides::compare(&mut store, config)?;
    compared.contradictions.retain(|found| found.is_about(side));
    refuse_contradictions(&compared)
}

/// Every contradiction, and the way out of each.
pub(super) fn refuse_contradictions(compared: &Compared) -> anyhow::Result<()> {
    let told: Vec<String> =
        compared.contradictions.iter().map(|found| format!("{found}. Mend: {}", found.mend())).collect();
    match told.is_empty() {
        true => Ok(()),
        false => bail!("nothing was done, since the store contradicts the configuration: {}", told.join("\n")),
    }
}

/// The store of the configuration, opened by `open`, where it belongs to this bridge.
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
            // It names the file itself.
            StoreError::Locked(_) => error.to_string(),
            _ => format!("the store {}: {error}", path.display()),
        };
        anyhow!("{what}. Mend: {}", checks::mend(&error))
    })
}
