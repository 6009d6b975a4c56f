//! Opening the store: why that failed, and what to do about it.

use std::path::Path;

use anyhow::{anyhow, bail};

use crate::checks;
use crate::config::Config;
use crate::store::{Result, SqliteStore, Store as _, StoreError};

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
fn is_there(config: &Config) -> anyhow::Result<()> {
    let path = &config.store.path;
    if !path.exists() {
        bail!(
            "there is no store at {}: is [store].url the one that `serve` uses? Where `serve` never ran, start it once",
            path.display()
        );
    }
    Ok(())
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
