//! itop-bridge: keeps customers' iTops (each an *external*) and a provider's iTop (the *internal*)
//! in step. `docs/ARCHITECTURE.md` says how the parts fit and what each must not know.

pub mod app;
pub mod checks;
pub mod cli;
pub mod clock;
pub mod config;
mod count;
pub mod engine;
pub mod http;
pub mod metrics;
mod moment;
pub mod random;
pub mod refused;
pub mod running;
mod sentences;
pub mod setup;
mod shell;
pub mod sides;
mod span;
pub mod standing;
pub use itop_bridge_store as store;
pub mod telemetry;
pub mod timing;
