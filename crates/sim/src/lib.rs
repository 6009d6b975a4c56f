//! An iTop (Combodo's ITSM) in a process: the part of its REST service, its OQL, its lifecycles
//! and its webhooks that a ticket bridge meets, as recorded on iTop 3.1.2 and 3.2.0.
//!
//! It shares no type with any client, so that a misreading is not made twice, and it has no
//! clock and no randomness of its own: with tokio's paused time a whole story costs nothing.
//!
//! - [`Sim::handle`] takes an HTTP request and returns how it ended ([`Wire`]); [`Sim::serve`]
//!   does so behind a socket.
//! - [`Sim::create_ticket`] and its like are what *people* do in the console.
//! - [`Sim::connect_hooks`], [`Sim::add_trigger`] and `install_…_hooks` make it call back.
//! - [`Sim::fail_next`] and its like break calls; [`Sim::ticket`], [`Sim::calls`] and
//!   [`Sim::deliveries`] show what came of it.
//!
//! Connections, actions and triggers can be made by REST too, as an administrator; they fire as those do that
//! a test adds.
//!
//! Not simulated: linked sets but for those of actions and triggers (answered empty), history,
//! OQL's joins and functions, the stop watches of service levels.

mod account;
mod call;
mod change;
mod config;
mod fault;
mod form;
mod hooks;
mod html;
mod inspect;
mod intake;
mod knobs;
mod lifecycle;
mod oql;
mod people;
mod provision;
mod refusal;
mod reply;
mod rest;
mod rules;
mod sample;
mod schema;
mod serve;
mod sim;
mod value;
mod wire;
mod world;

pub use account::{Account, Right};
pub use call::Call;
pub use config::{FirstIds, Limits, SimConfig, Version, WallClock};
pub use fault::{Effect, Fault};
pub use hooks::specification::{Payloads, Receiver};
pub use hooks::{Action, Delivery, HookSender, NotDelivered, On, Outcome, SocketSender, Trigger};
pub use inspect::{Attachment, LogEntry, Ticket};
pub use knobs::Release;
pub use people::InlineImage;
pub use refusal::Refusal;
pub use rules::{Check, Language};
pub use serve::serve;
pub use sim::{Backup, Sim};
pub use wire::Wire;
