//! `retry`: makes parked tickets due now.

use std::io::Write;
use std::path::Path;

use anyhow::bail;
use clap::Args;
use itop_bridge_core::Link;
use itop_bridge_core::event::Event;
use itop_bridge_engine::clock::Clock;
use itop_bridge_engine::wording::moment::moment;
use itop_bridge_engine::{part_name, wording};
use itop_bridge_store::{About, Activity, DirtyMark, LinkState, Look, Store, TicketOf};

use super::ticket::{self, Named};
use super::{Outcome, block_on, say_dry_run, store};
use crate::app;
use crate::config::Config;
use crate::sentences::{self, Names};
use crate::standing::{Is, Sides, Standing, Ticket};

/// Try again now: one ticket, or every ticket that is parked.
///
/// A ticket is parked when its iTop has refused it alone for an hour. The next webhook also tries it again, and so does the
/// bridge itself after 1 h, 6 h, then daily. If you name a ticket, the bridge also tries again the values that an iTop
/// refused, the parts that something in front of an iTop refuses, and a pass that failed. Works while `serve` runs.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  itop-bridge retry acme:R-000123\n  itop-bridge retry")]
pub struct Retry {
    /// A ticket (`acme:R-000123`, `elitery:R-000077`, `R-000123` if only one ticket has it, a link's number). Without it:
    /// every parked ticket.
    #[arg(value_name = "TICKET", value_parser = ticket::ticket)]
    pub ticket: Option<String>,
}

/// Finds the id of an external ticket without a pair, by the external's name and the reference.
pub type Ask<'a> = &'a dyn Fn(&str, &str) -> anyhow::Result<TicketOf>;

pub(super) fn run(retry: &Retry, config: &Path, clock: &dyn Clock, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let config = Config::load_to_look(config)?;
    let mut store = store::to_change(&config)?;
    let ask = |external: &str, reference: &str| ask(&config, external, reference);
    let ticket = retry.ticket.as_ref().map(|name| ticket::settled(&mut store, &config, name)).transpose()?;
    in_store(&Retry { ticket }, &mut store, &config, &ask, clock.now_ms(), out)
}

/// Carries out the command on a store.
pub fn in_store(
    retry: &Retry,
    store: &mut dyn Store,
    config: &Config,
    ask: Ask<'_>,
    now_ms: i64,
    out: &mut dyn Write,
) -> anyhow::Result<Outcome> {
    let Some(name) = &retry.ticket else {
        match store.retry_parked(None, now_ms)? {
            0 => writeln!(out, "No ticket is parked. Nothing was changed.")?,
            1 => writeln!(out, "1 parked ticket is due now.")?,
            tickets => writeln!(out, "{tickets} parked tickets are due now.")?,
        }
        say_dry_run(store, out)?;
        return Ok(Outcome::Fine);
    };
    let of = match ticket::find_any(store, config, name)? {
        Named::Pair(stored) => ticket::of(&stored),
        Named::Unlinked { external, reference } => match reference.parse() {
            Ok(ticket) => TicketOf { external, ticket },
            Err(_) => ask(&external, &reference)?,
        },
    };
    let stored = store.link_of_external(&of)?;
    let row = store.queue_row(&of, now_ms)?;
    let sides = Sides::read(store, config)?;
    let external = &of.external;
    let known = Ticket { external, stored: stored.as_ref(), row: row.as_ref(), sides: &sides, config, now_ms };
    let standing = Standing::of(known);
    let names = match &stored {
        Some(stored) => Names::of(stored, config),
        None => Names::unlinked(external, name, config),
    };
    let tried: Vec<&Is> = standing
        .is
        .iter()
        .filter(|is| matches!(is, Is::Parked(_) | Is::KeptBack(_) | Is::Failing(_) | Is::Refused(_)))
        .collect();
    let is_ended = stored.as_ref().is_some_and(|stored| stored.state == LinkState::Ended);
    if tried.is_empty() || is_ended {
        let why = match standing.is.as_slice() {
            [] => "nothing of it waits".to_owned(),
            all => all.iter().map(|is| names.told(is)).collect::<Vec<_>>().join("; "),
        };
        writeln!(out, "{name} has nothing to try again: {}Nothing was changed.", wording::ended(&why))?;
        return Ok(Outcome::Fine);
    }
    if let Some(stored) = stored.as_ref().filter(|stored| has_parts(&stored.link)) {
        let did = Activity::of(now_ms, Event::RetriedByOperator { parts: parts(&stored.link) });
        let again = |link: &mut Link, _: &mut LinkState| {
            link.try_refused_again();
            link.try_held_again();
        };
        store.amend_link(stored.id, &again, &did, now_ms)?;
    }
    store.retry_parked(Some(&of), now_ms)?;
    let about = About::External { of: of.clone(), class: None };
    store.mark_dirty(&[DirtyMark { about, look: Look::default(), due_ms: now_ms }], now_ms)?;
    writeln!(out, "{name} is due now:")?;
    for is in &tried {
        let settles_ms = match (is, &stored) {
            (Is::KeptBack(kept), Some(stored)) => stored.link.not_sent_before_ms(&kept.held.part),
            _ => None,
        };
        let after = settles_ms.filter(|at_ms| *at_ms > now_ms);
        let after = after.map_or(String::new(), |at_ms| {
            format!(". An earlier try of it may still be carried out: it follows after {}", moment(at_ms))
        });
        writeln!(out, "  {}{after}", names.tried(is))?;
    }
    for line in sentences::of_sides(&sides, Some(external), now_ms) {
        writeln!(out, "But {line}.")?;
    }
    Ok(Outcome::Fine)
}

fn has_parts(link: &Link) -> bool {
    !link.open.refused.is_empty() || !link.open.held.is_empty()
}

fn parts(link: &Link) -> String {
    let refused = link.open.refused.iter().map(|refused| refused.code.clone());
    let held = link.open.held.iter().map(|held| part_name(link, &held.part));
    refused.chain(held).collect::<Vec<_>>().join(", ")
}

/// A ticket whose create is refused has no pair, so only its iTop knows its reference.
pub(super) fn ask(config: &Config, external: &str, reference: &str) -> anyhow::Result<TicketOf> {
    config.need(&[external])?;
    let app = app::to_look(config, store::to_read(config)?, &app::http_transport)?;
    match block_on(app.engine.external_ticket(external, reference))?? {
        Some((of, _)) => Ok(of),
        None => bail!("{external} has no ticket {reference}"),
    }
}
