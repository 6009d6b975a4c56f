//! Questions to the person at the terminal. They go to standard error: standard output is for a command's result.

use std::io::{self, IsTerminal as _};

/// Whether somebody can read a question and answer it.
pub(super) fn is_somebody_there() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// The typed line, trimmed.
pub(super) fn answer(question: &str) -> io::Result<String> {
    eprint!("{question} ");
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(answer.trim().to_owned())
}

/// Anything but a yes counts as a no.
pub(super) fn is_agreed(question: &str) -> io::Result<bool> {
    Ok(matches!(answer(&format!("{question} [y/N]"))?.to_lowercase().as_str(), "y" | "yes"))
}

/// The same for a command with `--yes`: if nobody can be asked, it changes nothing.
pub(super) fn is_agreed_or_refused(question: &str) -> anyhow::Result<bool> {
    if !io::stdin().is_terminal() {
        anyhow::bail!("nothing was changed: nobody can be asked here. Add --yes");
    }
    Ok(is_agreed(question)?)
}
