//! `backup`: a copy of the store, while `serve` runs.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use clap::Args;

use super::{Outcome, store};
use crate::config::Config;

/// Copy the store to a file, while `serve` runs.
///
/// The copy is complete and of one moment. It has mode 0600, and never overwrites a file. It holds the text of customers'
/// tickets: protect it as you protect the store. To put it back, stop `serve`, put the copy in the store's place, remove
/// the -wal and -shm files, and start `serve`. By the marks it finds the changes since the backup, and makes nothing twice.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  itop-bridge backup /var/backups/itop-bridge-$(date +%F).db")]
pub struct Backup {
    /// A file that does not exist yet.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

pub fn run(backup: &Backup, config: &Path, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let config = Config::load_to_look(config)?;
    let store = store::to_read(&config)?;
    let (file, shown) = (&backup.file, backup.file.display());
    if file.exists() {
        bail!("{shown} exists already, and a backup overwrites no file: name another");
    }
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !folder.is_dir() {
        bail!("no backup was made at {shown}: there is no folder {}; make it, or name another", folder.display());
    }
    let part = part_of(file)?;
    let copied = store.backup_to(&part).map_err(|error| anyhow!("{error}")).and_then(|()| {
        std::fs::File::open(&part)?.sync_all()?;
        // Unlike a rename, a link never replaces a file that appeared meanwhile.
        Ok(std::fs::hard_link(&part, file)?)
    });
    // An incomplete copy is worthless.
    let removed = std::fs::remove_file(&part);
    copied.with_context(|| format!("no backup was made at {shown}"))?;
    removed.with_context(|| format!("the backup is made, but {} could not be removed", part.display()))?;
    let bytes = std::fs::metadata(file).map(|found| found.len())?;
    writeln!(out, "{shown}: {bytes} bytes")?;
    Ok(Outcome::Fine)
}

/// The path where the copy is made: beside the file, so that it appears there all at once.
fn part_of(file: &Path) -> anyhow::Result<PathBuf> {
    let name = file.file_name().ok_or_else(|| anyhow!("{} names no file", file.display()))?;
    let mut name = name.to_owned();
    name.push(format!(".part-{}", std::process::id()));
    Ok(file.with_file_name(name))
}
