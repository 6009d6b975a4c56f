//! Opening the store: why that failed, and what to do about it.

use std::path::Path;

use anyhow::{anyhow, bail};

use crate::checks;
use crate::config::Config;
use crate::store::{Result, SqliteStore, Store as _, StoreError};

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
