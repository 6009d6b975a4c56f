//! The files on disk: each complete or absent, and readable for their owner only.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use secrecy::{ExposeSecret, SecretString};

use super::answers::{Account, Answers, Password};
use super::existing::Existing;
use super::text::password_file;
use crate::cli::private_file;
use crate::config::Config;

/// Decides whether a password file, which a bridge may be using, may be overwritten.
pub type MayOverwrite<'a> = &'a mut dyn FnMut(&Path) -> anyhow::Result<()>;

/// A file to be written.
struct File {
    path: PathBuf,
    contents: SecretString,
    /// The file whose owner it gets; its access rights are the upper limit.
    like: Option<PathBuf>,
}

/// Writes the typed passwords, then the configuration. Before any file takes its place, the text is parsed as `serve`
/// will parse it, each overwriting is confirmed, and all files are complete beside their places.
pub fn write(
    path: &Path,
    text: &str,
    answers: &Answers,
    env: &dyn Fn(&str) -> Option<String>,
    may_overwrite: MayOverwrite<'_>,
) -> anyhow::Result<Vec<PathBuf>> {
    let accounts = [&answers.internal, &answers.customer.account];
    let mut files: Vec<File> = accounts.into_iter().filter_map(|account| typed(path, account, None)).collect();
    Config::parse_with(text, &path.to_string_lossy(), env, &|file| read(&files, file))
        .context("the new text would not be a valid configuration; nothing was written")?;
    ask_before_overwriting(&files, may_overwrite)?;
    files.push(File { path: path.to_owned(), contents: SecretString::from(text), like: None });
    has_its_folder(path)?;
    replace_all(&files)?;
    Ok(files.into_iter().map(|file| file.path).collect())
}

/// Adds sections to an existing configuration, and writes the password if one was typed. A crash leaves the file as
/// it was, or with all of them.
pub fn add(
    named: &Path,
    existing: &Existing,
    account: &Account,
    sections: &str,
    env: &dyn Fn(&str) -> Option<String>,
    may_overwrite: MayOverwrite<'_>,
) -> anyhow::Result<Vec<PathBuf>> {
    let mut files: Vec<File> = typed(named, account, Some(&existing.path)).into_iter().collect();
    let text = existing.with(sections, env, &|file| read(&files, file))?;
    ask_before_overwriting(&files, may_overwrite)?;
    let (path, like) = (existing.path.clone(), Some(existing.path.clone()));
    files.push(File { path, contents: SecretString::from(text), like });
    replace_all(&files)?;
    files.pop();
    Ok(files.into_iter().map(|file| file.path).collect())
}

/// A file that a configuration names, which may be one that is still to be written.
fn read(files: &[File], path: &Path) -> std::io::Result<String> {
    match files.iter().find(|file| file.path == path) {
        Some(new) => Ok(new.contents.expose_secret().to_owned()),
        None => std::fs::read_to_string(path),
    }
}

fn ask_before_overwriting(files: &[File], may_overwrite: MayOverwrite<'_>) -> anyhow::Result<()> {
    let holds =
        |file: &File| std::fs::read_to_string(&file.path).is_ok_and(|there| there == file.contents.expose_secret());
    let is_there = |file: &&File| std::fs::symlink_metadata(&file.path).is_ok();
    files.iter().filter(is_there).filter(|file| !holds(file)).try_for_each(|file| may_overwrite(&file.path))
}

fn has_its_folder(path: &Path) -> anyhow::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
        bail!("there is no folder {}: make it, and run the same again; nothing was written", folder.display());
    }
    Ok(())
}

/// The file for a typed password, and its contents.
fn typed(config: &Path, account: &Account, like: Option<&Path>) -> Option<File> {
    let Password::Typed(secret) = &account.password else { return None };
    let contents = SecretString::from(format!("{}\n", secret.expose_secret()));
    let like = like.map(Path::to_owned);
    Some(File { path: config.with_file_name(password_file(account)), contents, like })
}

/// Writes all of them or, if one cannot be written, none.
fn replace_all(files: &[File]) -> anyhow::Result<()> {
    let written = files.iter().try_for_each(|File { path, contents, like }| {
        let cannot = || format!("cannot write {}; nothing was written", path.display());
        if path.is_dir() {
            bail!("{}: it is a folder", cannot());
        }
        write_private(&beside(path), contents.expose_secret()).with_context(cannot)?;
        like.as_deref().map_or(Ok(()), |like| belongs_to_the_same(path, like)).with_context(cannot)
    });
    let moved = written.and_then(|()| {
        files.iter().try_for_each(|File { path, .. }| {
            std::fs::rename(beside(path), path).with_context(|| format!("cannot write {}", path.display()))
        })
    });
    if moved.is_err() {
        for file in files {
            // A half-written file is of no use; the error to report is the write's.
            let _ = std::fs::remove_file(beside(&file.path));
        }
    }
    moved
}

/// `serve` will read the file as the user that reads the configuration now.
#[cfg(unix)]
fn belongs_to_the_same(path: &Path, like: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    let (new, owned) = (beside(path), std::fs::metadata(like)?);
    let made = std::fs::metadata(&new)?;
    if (made.uid(), made.gid()) != (owned.uid(), owned.gid()) {
        std::os::unix::fs::chown(&new, Some(owned.uid()), Some(owned.gid()))
            .context("it cannot get the owner that the configuration has: run this as that user")?;
    }
    // The configuration keeps its mode. A file with only a secret is never readable for all.
    let mode = if path == like { owned.mode() & 0o7777 } else { owned.mode() & 0o660 };
    Ok(std::fs::set_permissions(&new, std::fs::Permissions::from_mode(mode))?)
}

#[cfg(not(unix))]
fn belongs_to_the_same(_: &Path, _: &Path) -> anyhow::Result<()> {
    Ok(())
}

fn beside(file: &Path) -> PathBuf {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    file.with_file_name(name)
}

fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    // A left-over file would keep its own mode.
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    private_file::write_new(path, text)
}
