//! `completions`: a shell's completion script for commands and options, generated from the parser's definitions.

use std::io::Write;

use clap::error::ErrorKind;
use clap::{Args, ValueEnum as _};
use clap_complete::Shell;

use super::Outcome;

/// Print the completions of a shell.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  itop-bridge completions bash > ~/.local/share/bash-completion/completions/itop-bridge\n  \
                  itop-bridge completions fish > ~/.config/fish/completions/itop-bridge.fish"
)]
pub(super) struct Completions {
    /// The shell.
    #[arg(value_enum, value_name = "SHELL")]
    shell: Option<Shell>,
}

pub(super) fn run(verb: &Completions, cli: &mut clap::Command, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let Some(shell) = verb.shell else {
        let known: Vec<String> = Shell::value_variants().iter().map(ToString::to_string).collect();
        cli.error(ErrorKind::MissingRequiredArgument, format!("name the shell: {}", known.join(", "))).exit();
    };
    let name = cli.get_name().to_owned();
    // Into memory first: the generator panics if its output is closed.
    let mut text = Vec::new();
    clap_complete::generate(shell, cli, name, &mut text);
    out.write_all(&text)?;
    Ok(Outcome::Fine)
}
