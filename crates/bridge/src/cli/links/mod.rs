//! `links`: the pairs. One verb, one file.

use std::io::Write;
use std::path::Path;

use clap::{Args, Subcommand};

use super::retry::{self, Ask};
use super::{Outcome, store, ticket};
use crate::clock::Clock;
use crate::config::Config;
use crate::store::Store;
use ticket::Named;
use unpaired::Unpaired;

pub mod import;
pub mod link;
mod list;
pub mod rebuild;
mod row;
mod show;
pub mod unlink;
mod unpaired;

/// The pairs of tickets, and what is known of each.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  itop-bridge links list\n  itop-bridge links show acme:R-000123\n  itop-bridge links rebuild --dry-run"
)]
pub struct Links {
    #[command(subcommand)]
    pub verb: LinksVerb,
}

#[derive(Debug, Subcommand)]
pub enum LinksVerb {
    /// List every pair: its number, its tickets, their states, and whether something is wrong; and every parked ticket
    /// that has no pair yet, by its id.
    #[command(
        after_help = "Examples:\n  itop-bridge links list\n  itop-bridge links list --json | jq '.[] | select(.state == \"halted\")'"
    )]
    List {
        /// Print an array of {number, external, internal, external_status, internal_status, state, why}.
        #[arg(long)]
        json: bool,
    },
    /// Show one pair: its files, the logs delivered, conflicts, a halt, what waits, and what the bridge did. Of a ticket
    /// without a pair: what waits, and why.
    #[command(after_help = "Examples:\n  itop-bridge links show acme:R-000123\n  itop-bridge links show 12 --json")]
    Show {
        /// A ticket: `acme:R-000123`, `elitery:R-000077`, or a link's number.
        #[arg(value_name = "TICKET", value_parser = ticket::ticket)]
        ticket: String,
        /// Print an object with all of it.
        #[arg(long)]
        json: bool,
    },
    Link(link::LinkTwo),
    Unlink(unlink::Unlink),
    Rebuild(rebuild::Rebuild),
    Import(import::Import),
}

pub(super) fn run(links: &Links, config: &Path, clock: &dyn Clock, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let config = Config::load_to_look(config)?;
    let ask = |external: &str, reference: &str| retry::ask(&config, external, reference);
    match &links.verb {
        LinksVerb::List { .. } | LinksVerb::Show { .. } => {
            in_store(links, &mut store::to_read(&config)?, &config, &ask, clock.now_ms(), out)
        }
        LinksVerb::Unlink(_) => in_store(links, &mut store::to_change(&config)?, &config, &ask, clock.now_ms(), out),
        LinksVerb::Link(link) => link::run(link, &config, out),
        LinksVerb::Rebuild(rebuild) => rebuild::run(rebuild, &config, out),
        LinksVerb::Import(import) => import::run(import, &config, out),
    }
}

/// What a verb does with a store; `ask` finds a ticket that no pair names.
pub fn in_store(
    links: &Links,
    store: &mut dyn Store,
    config: &Config,
    ask: Ask<'_>,
    now_ms: i64,
    out: &mut dyn Write,
) -> anyhow::Result<Outcome> {
    match &links.verb {
        LinksVerb::List { json } => list::list(*json, store, config, now_ms, out),
        LinksVerb::Show { ticket, json } => match ticket::find_any(store, config, ticket)? {
            Named::Pair(stored) => show::show(*stored, *json, store, config, now_ms, out),
            Named::Unlinked { external, reference } => {
                let unpaired = Unpaired { external, reference };
                unpaired.show(*json, store, config, ask, now_ms, out)
            }
        },
        LinksVerb::Unlink(unlink) => unlink::unlink(unlink, store, config, now_ms, out),
        LinksVerb::Link(_) | LinksVerb::Rebuild(_) | LinksVerb::Import(_) => anyhow::bail!("this verb asks the iTops"),
    }
}
