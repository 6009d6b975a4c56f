//! The files on the disk: each whole or not there, and for their owner alone.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use secrecy::{ExposeSecret, SecretString};

use super::answers::{Account, Answers, Password};
use super::text::password_file;
use crate::cli::private_file;
use crate::config::Config;

/// Whether the file of a password may be overwritten: a bridge may run by it.
pub type MayOverwrite<'a> = &'a mut dyn FnMut(&Path) -> anyhow::Result<()>;

/// Writes the passwords that were typed, then the configuration. Before any file takes its place, the text is read
/// as `serve` will, each file that would be overwritten is asked for, and all stand whole beside their places.
pub fn write(
    path: &Path,
    text: &str,
    answers: &Answers,
    env: &dyn Fn(&str) -> Option<String>,
    may_overwrite: MayOverwrite<'_>,
) -> anyhow::Result<Vec<PathBuf>> {
    let mut files: Vec<(PathBuf, SecretString)> =
        [&answers.internal, &answers.external].into_iter().filter_map(|account| typed(path, account)).collect();
    let read = |file: &Path| match files.iter().find(|(new, _)| new == file) {
        Some((_, contents)) => Ok(contents.expose_secret().to_owned()),
        None => std::fs::read_to_string(file),
    };
    Config::parse_with(text, &path.to_string_lossy(), env, &read)
        .context("what init would write is no configuration; nothing was written")?;
    for (file, contents) in &files {
        if std::fs::symlink_metadata(file).is_ok() && !holds(file, contents) {
            may_overwrite(file)?;
        }
    }
    files.push((path.to_owned(), SecretString::from(text)));
    has_its_folder(path)?;
    replace_all(&files)?;
    Ok(files.into_iter().map(|(file, _)| file).collect())
}

fn has_its_folder(path: &Path) -> anyhow::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
        bail!("there is no folder {}: make it, and run the same again; nothing was written", folder.display());
    }
    Ok(())
}

/// The file of a password that was typed, and its contents.
fn typed(config: &Path, account: &Account) -> Option<(PathBuf, SecretString)> {
    let Password::Typed(secret) = &account.password else { return None };
    let contents = SecretString::from(format!("{}\n", secret.expose_secret()));
    Some((config.with_file_name(password_file(account)), contents))
}

fn holds(file: &Path, contents: &SecretString) -> bool {
    std::fs::read_to_string(file).is_ok_and(|there| there == contents.expose_secret())
}

/// All of them, or, where one cannot be written, none.
fn replace_all(files: &[(PathBuf, SecretString)]) -> anyhow::Result<()> {
    let written = files.iter().try_for_each(|(file, contents)| {
        let cannot = || format!("cannot write {}; nothing was written", file.display());
        if file.is_dir() {
            bail!("{}: it is a folder", cannot());
        }
        write_private(&beside(file), contents.expose_secret()).with_context(cannot)
    });
    let moved = written.and_then(|()| {
        files.iter().try_for_each(|(file, _)| {
            std::fs::rename(beside(file), file).with_context(|| format!("cannot write {}", file.display()))
        })
    });
    if moved.is_err() {
        for (file, _) in files {
            // What is half there is of no use; the error of the write is the one to tell.
            let _ = std::fs::remove_file(beside(file));
        }
    }
    moved
}

fn beside(file: &Path) -> PathBuf {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    file.with_file_name(name)
}

fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    // A left-over would keep its own mode.
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    private_file::write_new(path, text)
}
