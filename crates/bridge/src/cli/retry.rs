//! `retry`: parked tickets are due now.

use std::io::Write;
use std::path::Path;

use anyhow::bail;
use clap::Args;

use super::ticket::Named;
use super::{Outcome, block_on, store, ticket};
use crate::app;
use crate::clock::Clock;
use crate::config::Config;
use crate::store::{Activity, QueueRow, Store, TicketOf};

/// Try parked tickets again now: one, or every one.
///
/// A ticket is parked when its iTop has refused it alone for an hour. It is also tried again by the
/// next webhook, and by itself after 1 h, 6 h, then daily. Of a ticket that is named, the values that its
/// iTop has refused are tried again too. Works while `serve` runs.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  itop-bridge retry acme:R-000123\n  itop-bridge retry")]
pub struct Retry {
    /// A ticket (`acme:R-000123`, `elitery:R-000077`, a link's number). Left out: every parked ticket.
    #[arg(value_name = "TICKET", value_parser = ticket::ticket)]
    pub ticket: Option<String>,
}

/// Finds the id of an external ticket that has no pair: name of the external, and reference.
pub type Ask<'a> = &'a dyn Fn(&str, &str) -> anyhow::Result<TicketOf>;

pub(super) fn run(retry: &Retry, config: &Path, clock: &dyn Clock, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let config = Config::load_to_look(config)?;
    let mut store = store::to_change(&config)?;
    let ask = |external: &str, reference: &str| ask(&config, external, reference);
    in_store(retry, &mut store, &config, &ask, clock.now_ms(), out)
}

/// What the verb does to a store.
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
        return Ok(Outcome::Fine);
    };
    let of = match ticket::find_any(store, config, name)? {
        Named::Pair(stored) => ticket::of(&stored),
        Named::Unlinked { external, reference } => match reference.parse() {
            Ok(ticket) => TicketOf { external, ticket },
            Err(_) => ask(&external, &reference)?,
        },
    };
    let row = store.queue_row(&of, now_ms)?;
    let refused = try_refused_again(store, &of, now_ms)?;
    if !refused.is_empty() {
        writeln!(out, "{name} is due now, with what was refused of it: {}.", refused.join(", "))?;
    } else if store.retry_parked(Some(&of), now_ms)? > 0 {
        let error = row.and_then(|row| row.error).unwrap_or_default();
        writeln!(out, "{name} is due now. It was parked because {error}")?;
    } else {
        writeln!(out, "{name} is not parked{}. Nothing was changed.", what_it_does(row))?;
    }
    Ok(Outcome::Fine)
}

/// The fields of which a value was refused; they are tried again now.
fn try_refused_again(store: &mut dyn Store, of: &TicketOf, now_ms: i64) -> anyhow::Result<Vec<String>> {
    let Some(stored) = store.link_of_external(of)? else { return Ok(Vec::new()) };
    let codes: Vec<String> = stored.link.refused.iter().map(|refused| refused.code.clone()).collect();
    if !codes.is_empty() {
        let did = Activity { at_ms: now_ms, text: format!("an operator wants {} tried again", codes.join(", ")) };
        store.amend_link(stored.id, &|link, _| link.try_refused_again(), &did, now_ms)?;
        store.retry_parked(Some(of), now_ms)?;
    }
    Ok(codes)
}

fn what_it_does(row: Option<QueueRow>) -> String {
    match row {
        None => ": nothing of it waits".to_owned(),
        Some(QueueRow { error: Some(error), .. }) => format!("; it is tried again by itself ({error})"),
        Some(_) => "; its pass is to come".to_owned(),
    }
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
