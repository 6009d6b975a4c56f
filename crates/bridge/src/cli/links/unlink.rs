//! `links unlink`: ends a pair.

use std::io::Write;

use clap::Args;
use itop_bridge_core::Link;
use itop_bridge_core::document::DocumentKind;
use itop_bridge_core::event::Event;
use itop_bridge_core::link::Ending;
use itop_bridge_store::{Activity, LinkState, Store};

use crate::cli::{Outcome, ticket};
use crate::config::Config;

/// End a pair: neither ticket is written any more, and both stay as they are.
///
/// The ended link stays in the store, so that no webhook, sweep, backfill or rebuild makes the pair anew; only
/// `links link` does. Works while `serve` runs: a pass that is under way is ended.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  itop-bridge links unlink acme:R-000123")]
pub struct Unlink {
    /// A ticket: `acme:R-000123`, `elitery:R-000077`, or a link's number.
    #[arg(value_name = "TICKET", value_parser = ticket::ticket)]
    pub ticket: String,
}

/// Carries out the command on a store.
pub(super) fn unlink(
    unlink: &Unlink,
    store: &mut dyn Store,
    config: &Config,
    now_ms: i64,
    out: &mut dyn Write,
) -> anyhow::Result<Outcome> {
    let stored = ticket::find(store, config, &unlink.ticket)?;
    let (name, number) = (ticket::pair_name(config, &stored), stored.id);
    if stored.state == LinkState::Ended {
        writeln!(out, "The pair {name} has ended already: link {number}. Nothing was changed.")?;
        return Ok(Outcome::Fine);
    }
    let did = Activity::of(now_ms, Event::UnlinkedByOperator);
    store.amend_link(number, &end, &did, now_ms)?;
    writeln!(
        out,
        "The pair {name} has ended: link {number}. Both tickets stay as they are, and neither is written any more."
    )?;
    if let Some(report) =
        stored.link.document(DocumentKind::Report).and_then(|report| report.state.as_ref()?.standing())
    {
        let ticket = format!("{}:{}", stored.external_name, stored.link.external.reference);
        writeln!(
            out,
            "The report of the status stays on {ticket} too, as attachment {report}: delete it there, or link {ticket} with another ticket."
        )?;
    }
    Ok(Outcome::Fine)
}

/// Ends the link together with its halts: otherwise `resume` would bring it back to life.
pub(in crate::cli) fn end(link: &mut Link, state: &mut LinkState) {
    *state = LinkState::Ended;
    link.course.ending = Some(Ending::Unlinked);
    link.course.halt = None;
    link.course.resumed = false;
    link.logs.iter_mut().for_each(|log| log.halt = None);
}
