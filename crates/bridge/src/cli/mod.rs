//! The command line: one file per command.
//!
//! A command ends with 0, with 1 when it found or met a fault, or with 2 when it was called wrongly. Its result goes
//! to standard output; faults and their fixes go to standard error.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{CommandFactory, Parser, Subcommand};
use itop_bridge_engine::clock::SystemClock;
use itop_bridge_engine::random::SystemRandom;
use itop_bridge_store::Store;
use serde::Serialize;

use crate::telemetry::{self, Speaker};
use crate::{running, sentences};

mod ask;
pub mod backfill;
pub mod backup;
mod check;
mod completions;
mod config;
#[cfg(feature = "demo")]
mod demo;
pub mod external;
pub mod init;
mod keys;
pub mod links;
pub mod pause;
pub mod plan;
mod private_file;
pub mod progress;
pub mod resume;
pub mod retry;
mod serve;
pub mod setup;
pub mod status;
mod store;
mod ticket;

/// A line of the examples, if the program includes the demo.
const DEMO: &str = "  itop-bridge demo                        see it work, without any iTop\n";

fn after_help() -> String {
    format!("Examples:\n{}{AFTER_HELP}", if cfg!(feature = "demo") { DEMO } else { "" })
}

const AFTER_HELP: &str = "  itop-bridge init                        ask both iTops, and write itop-bridge.toml
  itop-bridge keys new                    draw a key for a side's webhooks
  itop-bridge check                       check every requirement of the bridge
  itop-bridge setup --side acme           make the webhooks in a side's iTop
  itop-bridge serve                       keep the tickets in step
  itop-bridge status                      show the state of the bridge, and the tickets that need a person
  itop-bridge links list                  list the pairs, and the tickets without one
  itop-bridge links rebuild               find the pairs of a lost store again
  itop-bridge backfill --side acme --since 2026-01-01
                                          bring in older tickets
  itop-bridge plan acme:R-000123          show the next writes to a pair, with reasons
  itop-bridge external remove acme        end the pairs of a customer that has left
  itop-bridge retry                       try parked tickets again now
  itop-bridge pause acme                  pause a side, until it is resumed
  itop-bridge resume acme:R-000123        go on with a pair that has halted
  itop-bridge backup copy.db              copy the store, while `serve` runs
  itop-bridge config show                 show each value in force, with its origin
  itop-bridge completions bash            let the shell complete verbs and options
Each verb's own --help says more.

Environment:
  RUST_LOG  The level of the log on standard error: error, warn, info or debug. Without it `serve` logs from
            info on, and every other verb reports its work in its own words.
  NAME      Every variable that the configuration has as ${NAME}.

Exit codes:
  0  it was done
  1  a fault was found, or it could not be done; standard error says why
  2  wrong usage";

/// A bridge between customers' iTops and a provider's iTop.
#[derive(Debug, Parser)]
#[command(name = "itop-bridge", version, arg_required_else_help = true, after_help = after_help())]
struct Cli {
    /// The configuration file.
    #[arg(long, global = true, value_name = "FILE", default_value = "itop-bridge.toml")]
    config: PathBuf,

    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    #[cfg(feature = "demo")]
    Demo(demo::Demo),
    Init(Box<init::Init>),
    Check(check::Check),
    Setup(setup::Setup),
    Serve(serve::Serve),
    Status(status::Status),
    Backfill(backfill::Backfill),
    Plan(plan::Plan),
    Links(links::Links),
    External(external::External),
    Retry(retry::Retry),
    Pause(pause::Pause),
    Resume(resume::Resume),
    Keys(keys::Keys),
    Backup(backup::Backup),
    Config(config::ConfigVerbs),
    Completions(completions::Completions),
}

impl Verb {
    /// Why the command ends with 1 although it did its work: its output has the details.
    fn fault(&self) -> &'static str {
        match self {
            Verb::Check(_) => "at least one requirement is not met; the lines that begin with `fault` say which",
            Verb::Plan(_) => "the pair has halted, or the next pass halts it",
            Verb::Status(_) => "something needs a person",
            Verb::Backfill(_) => "tickets were left alone, or could not be linked; the lines above say which",
            Verb::Links(_) => "something was left alone; the lines above name it",
            Verb::Setup(_) => "some webhooks are missing or wrong; the lines above name them",
            _ => "a fault was found; the lines above say which",
        }
    }
}

/// The result of a command that could do its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Fine,
    /// It did its work, and what it found must be fixed.
    FaultFound,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> ExitCode {
        match outcome {
            Outcome::Fine => ExitCode::SUCCESS,
            Outcome::FaultFound => ExitCode::from(1),
        }
    }
}

/// The command line's definitions.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Runs the command that the process was called with. Wrong usage ends the process with 2.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    telemetry::init(if matches!(cli.verb, Verb::Serve(_)) { Speaker::Service } else { Speaker::Verb });
    let mut out = std::io::stdout().lock();
    let outcome = match &cli.verb {
        #[cfg(feature = "demo")]
        Verb::Demo(verb) => demo::run(verb, &mut out),
        Verb::Init(verb) => init::run(verb, &cli.config, &mut out),
        Verb::Check(verb) => check::run(verb, &cli.config, &mut out),
        Verb::Setup(verb) => setup::run(verb, &cli.config, &mut out),
        Verb::Serve(serve) => serve::run(serve, &cli.config),
        Verb::Status(verb) => status::run(verb, &cli.config, &SystemClock, &mut out),
        Verb::Backfill(verb) => backfill::run(verb, &cli.config, &mut out),
        Verb::Plan(verb) => plan::run(verb, &cli.config, &mut out),
        Verb::Links(verb) => links::run(verb, &cli.config, &SystemClock, &mut out),
        Verb::External(verb) => external::run(verb, &cli.config, &SystemClock, &mut out),
        Verb::Retry(verb) => retry::run(verb, &cli.config, &SystemClock, &mut out),
        Verb::Pause(verb) => pause::run(verb, &cli.config, &mut out),
        Verb::Resume(verb) => resume::run(verb, &cli.config, &SystemClock, &mut out),
        Verb::Keys(verb) => keys::run(verb, &SystemRandom, &mut out),
        Verb::Backup(verb) => backup::run(verb, &cli.config, &mut out),
        Verb::Config(verb) => config::run(verb, &cli.config, &mut out),
        Verb::Completions(verb) => completions::run(verb, &mut command(), &mut out),
    };
    match outcome.and_then(|outcome| Ok(out.flush().map(|()| outcome)?)) {
        Ok(outcome) => {
            if outcome == Outcome::FaultFound {
                eprintln!("ends with 1: {}", cli.verb.fault());
            }
            outcome.into()
        }
        // The reader has read enough and closed the pipe, as `head` does.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            // For `status`, 1 means that something needs a person.
            ExitCode::from(if matches!(cli.verb, Verb::Status(_)) { 2 } else { 1 })
        }
    }
}

/// Runs a command's work with the iTops on this thread.
fn block_on<T>(work: impl Future<Output = T>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    Ok(runtime.context("cannot start the runtime")?.block_on(work))
}

/// Says that the bridge is in a dry run, which carries out no change that an iTop would see.
fn say_dry_run(store: &mut dyn Store, out: &mut dyn Write) -> anyhow::Result<()> {
    if running::is_dry_run(store)? {
        writeln!(out, "But {}.", sentences::DRY_RUN)?;
    }
    Ok(())
}

/// Prints the output of `--json`.
fn print_json(value: &impl Serialize, out: &mut dyn Write) -> anyhow::Result<()> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    Ok(writeln!(out)?)
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let is_it = |kind: Option<std::io::ErrorKind>| kind == Some(std::io::ErrorKind::BrokenPipe);
    error.chain().any(|cause| {
        is_it(cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind))
            || is_it(cause.downcast_ref::<serde_json::Error>().and_then(serde_json::Error::io_error_kind))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent_and_every_verb_has_an_example() {
        let mut cli = Cli::command();
        cli.build();
        cli.clone().debug_assert();
        for verb in cli.get_subcommands().filter(|verb| verb.get_name() != "help") {
            let help = verb.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Example"), "{} has no example", verb.get_name());
            let example = format!("\n  itop-bridge {}", verb.get_name());
            assert!(after_help().contains(&example), "the top-level help has no example of {}", verb.get_name());
        }
        let serve = cli.find_subcommand("serve").and_then(|serve| serve.get_after_help()).map(ToString::to_string);
        for help in [after_help().as_str(), &serve.unwrap_or_default()] {
            for part in ["Exit codes:", "RUST_LOG"] {
                assert!(help.contains(part), "{part} in {help}");
            }
        }
    }
}
