//! The files on the disk: each whole or not there, and for their owner alone.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use secrecy::ExposeSecret;

use super::answers::{Answers, Password};
use super::text::password_file;
use crate::config::Config;

/// Writes the passwords that were typed, then the configuration, each beside its place and then moved there.
/// The text is read as `serve` will before it takes that place.
pub fn write(
    path: &Path,
    text: &str,
    answers: &Answers,
    env: &dyn Fn(&str) -> Option<String>,
) -> anyhow::Result<Vec<PathBuf>> {
    let mut written = Vec::new();
    for account in [&answers.internal, &answers.external] {
        if let Password::Typed(secret) = &account.password {
            let file = path.with_file_name(password_file(account));
            replace(&file, &format!("{}\n", secret.expose_secret()))?;
            written.push(file);
        }
    }
    Config::parse(text, &path.to_string_lossy(), env).context("what init would write is no configuration")?;
    replace(path, text)?;
    written.push(path.to_owned());
    Ok(written)
}

fn replace(path: &Path, text: &str) -> anyhow::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    let written = write_private(&new, text).and_then(|()| std::fs::rename(&new, path));
    if written.is_err() {
        // What is half there is of no use; the error of the write is the one to tell.
        let _ = std::fs::remove_file(&new);
    }
    written.with_context(|| format!("cannot write {}", path.display()))
}

fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    // A left-over would keep its own mode.
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
