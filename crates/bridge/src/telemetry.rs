//! The log: for people on a terminal, one JSON object per line for everything else. It goes to standard error, so
//! that a command's own output can be piped.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// The migrations' own log is of no use to an operator: it names files of the machine that built the program.
const WITHOUT_MIGRATIONS: &str = "refinery_core=warn";

/// The level of a service's log if `RUST_LOG` does not set one.
const DEFAULT_LEVEL: &str = "info";

/// The kind of process that logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaker {
    /// `serve`, whose only output is the log.
    Service,
    /// A command that runs once. The engine's messages are true of a service only ("it is tried again every minute"),
    /// so the command reports its own outcome.
    Verb,
}

/// Starts the log, once per process. `RUST_LOG` says what is logged (`debug`, or `itop_bridge=debug,warn`); without
/// it a service logs from `info` on, and a command nothing.
pub fn init(speaker: Speaker) {
    let asked = std::env::var("RUST_LOG").ok().filter(|asked| !asked.is_empty());
    if speaker == Speaker::Verb && asked.is_none() {
        return;
    }
    let (filter, mistake) = filter(asked);
    // A line that cannot be written, for example on a full disk, is lost: complaining on standard error would panic.
    let log = tracing_subscriber::fmt().log_internal_errors(false);
    let log = log.with_env_filter(filter).with_writer(std::io::stderr);
    if std::io::stderr().is_terminal() || speaker == Speaker::Verb {
        log.with_target(false).with_ansi(std::io::stderr().is_terminal()).init();
    } else {
        log.json().flatten_event(true).init();
    }
    if let Some(mistake) = mistake {
        tracing::warn!("RUST_LOG cannot be read, so the level is {DEFAULT_LEVEL}: {mistake}");
    }
}

/// The filter, and the mistake in the requested one. The migrations' log appears only if the request names it.
fn filter(asked: Option<String>) -> (EnvFilter, Option<String>) {
    let with = |levels: &str| format!("{WITHOUT_MIGRATIONS},{levels}");
    match asked.map(|asked| if asked.contains("refinery") { asked } else { with(&asked) }).map(EnvFilter::try_new) {
        Some(Ok(filter)) => (filter, None),
        Some(Err(mistake)) => (EnvFilter::new(with(DEFAULT_LEVEL)), Some(mistake.to_string())),
        None => (EnvFilter::new(with(DEFAULT_LEVEL)), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_rust_log_does_not_silence_the_log_and_the_migrations_speak_only_where_they_are_named() {
        for (asked, filtered, wrong) in [
            (None, "refinery_core=warn,info", false),
            (Some("info"), "refinery_core=warn,info", false),
            (Some("debug"), "refinery_core=warn,debug", false),
            (Some("refinery_core=info,warn"), "refinery_core=info,warn", false),
            (Some("a=b=c"), "refinery_core=warn,info", true),
        ] {
            let (filter, mistake) = filter(asked.map(str::to_owned));
            assert_eq!((filter.to_string().as_str(), mistake.is_some()), (filtered, wrong), "{asked:?}");
        }
    }
}
