//! `links`: the pairs. One file per command.

use std::io::Write;
use std::path::Path;

use clap::{Args, Subcommand};
use itop_bridge_engine::NotCarried;
use itop_bridge_engine::clock::Clock;
use itop_bridge_store::{Store, TicketOf};
use ticket::Named;
use unpaired::Unpaired;

use super::retry::{self, Ask};
use super::{Outcome, block_on, store, ticket};
use crate::app;
use crate::config::Config;

pub mod import;
pub mod link;
pub mod list;
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
    List(list::List),
    /// Show one pair: its files, the logs delivered, conflicts, a halt, its waiting parts, and the activity of the bridge.
    /// For a ticket without a pair: its waiting parts, and why it is not carried.
    #[command(after_help = "Examples:\n  itop-bridge links show acme:R-000123\n  itop-bridge links show 12 --json")]
    Show {
        /// A ticket: `acme:R-000123`, `elitery:R-000077`, `R-000123` if only one ticket has it, or a link's number.
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
    let asks = Asks {
        id: &|external, reference| retry::ask(&config, external, reference),
        why_not: &|of, class| ask_why_not(&config, of, class),
    };
    if matches!(links.verb, LinksVerb::Link(_) | LinksVerb::Rebuild(_) | LinksVerb::Import(_)) {
        store::agrees(&config)?;
    }
    match &links.verb {
        LinksVerb::List(_) => in_store(links, &mut store::to_read(&config)?, &config, &asks, clock.now_ms(), out),
        LinksVerb::Show { ticket, json } => {
            let mut store = store::to_read(&config)?;
            let ticket = ticket::settled(&mut store, &config, ticket)?;
            let verb = Links { verb: LinksVerb::Show { ticket, json: *json } };
            in_store(&verb, &mut store, &config, &asks, clock.now_ms(), out)
        }
        LinksVerb::Unlink(unlink) => {
            let mut store = store::to_change(&config)?;
            let ticket = ticket::settled(&mut store, &config, &unlink.ticket)?;
            let verb = Links { verb: LinksVerb::Unlink(unlink::Unlink { ticket }) };
            in_store(&verb, &mut store, &config, &asks, clock.now_ms(), out)
        }
        LinksVerb::Link(link) => link::run(link, &config, out),
        LinksVerb::Rebuild(rebuild) => rebuild::run(rebuild, &config, out),
        LinksVerb::Import(import) => import::run(import, &config, out),
    }
}

/// Questions to an iTop about a ticket that no pair names.
#[derive(Clone, Copy)]
pub struct Asks<'a> {
    pub id: Ask<'a>,
    pub why_not: AskWhyNot<'a>,
}

/// Asks why a ticket is not bridged, by its id and the class that a hint named.
pub type AskWhyNot<'a> = &'a dyn Fn(&TicketOf, Option<&str>) -> anyhow::Result<Option<NotCarried>>;

fn ask_why_not(config: &Config, of: &TicketOf, class: Option<&str>) -> anyhow::Result<Option<NotCarried>> {
    let app = app::to_look(config, store::to_read(config)?, &app::http_transport)?;
    Ok(block_on(app.engine.why_not_carried(of, class.map(str::to_owned)))??)
}

/// Carries out the command on a store.
pub fn in_store(
    links: &Links,
    store: &mut dyn Store,
    config: &Config,
    asks: &Asks<'_>,
    now_ms: i64,
    out: &mut dyn Write,
) -> anyhow::Result<Outcome> {
    match &links.verb {
        LinksVerb::List(list) => list::list(list, store, config, now_ms, out),
        LinksVerb::Show { ticket, json } => match ticket::find_any(store, config, ticket)? {
            Named::Pair(stored) => show::show(*stored, *json, store, config, now_ms, out),
            Named::Unlinked { external, reference } => {
                let unpaired = Unpaired { external, reference };
                unpaired.show(*json, store, config, asks, now_ms, out)
            }
        },
        LinksVerb::Unlink(unlink) => unlink::unlink(unlink, store, config, now_ms, out),
        LinksVerb::Link(_) | LinksVerb::Rebuild(_) | LinksVerb::Import(_) => anyhow::bail!("this verb asks the iTops"),
    }
}
