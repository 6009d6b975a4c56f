//! The log: for people on a terminal, one JSON object a line for everything else. It goes to
//! standard error, so that a verb's own output can be piped.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// The migrations' own log is of no use to an operator.
const DEFAULT_LEVEL: &str = "refinery_core=warn,info";

/// Starts the log, once a process. `RUST_LOG` says what is logged (`debug`, or
/// `itop_bridge=debug,warn`); without it, from `info` on.
pub fn init() {
    let (filter, mistake) = filter(std::env::var("RUST_LOG").ok());
    // A line that cannot be written, on a full disk say, is lost: to complain of it on standard error would panic.
    let log = tracing_subscriber::fmt().log_internal_errors(false);
    let log = log.with_env_filter(filter).with_writer(std::io::stderr);
    if std::io::stderr().is_terminal() {
        log.with_target(false).init();
    } else {
        log.json().flatten_event(true).init();
    }
    if let Some(mistake) = mistake {
        tracing::warn!("RUST_LOG cannot be read, so the level is {DEFAULT_LEVEL}: {mistake}");
    }
}

/// The filter, and what is wrong with the one that was asked for.
fn filter(asked: Option<String>) -> (EnvFilter, Option<String>) {
    match asked.filter(|asked| !asked.is_empty()).map(EnvFilter::try_new) {
        Some(Ok(filter)) => (filter, None),
        Some(Err(mistake)) => (EnvFilter::new(DEFAULT_LEVEL), Some(mistake.to_string())),
        None => (EnvFilter::new(DEFAULT_LEVEL), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_rust_log_does_not_silence_the_log() {
        for (asked, filtered, wrong) in [
            (None, DEFAULT_LEVEL, false),
            (Some(""), DEFAULT_LEVEL, false),
            (Some("debug"), "debug", false),
            (Some("a=b=c"), DEFAULT_LEVEL, true),
        ] {
            let (filter, mistake) = filter(asked.map(str::to_owned));
            assert_eq!((filter.to_string().as_str(), mistake.is_some()), (filtered, wrong), "{asked:?}");
        }
    }
}
