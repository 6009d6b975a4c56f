//! itop-bridge: keeps customers' iTops (each an *external*) and a provider's iTop (the *internal*) in step.
//! `docs/design/architecture.md` says how the parts fit together and what each must not know.

pub mod app;
pub mod checks;
pub mod cli;
pub mod config;
pub mod http;
mod login_file;
pub mod running;
mod sentences;
pub mod setup;
mod shell;
pub mod sides;
pub mod standing;
pub mod telemetry;
