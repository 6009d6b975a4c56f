//! `external remove`: ends the pairs of a customer that has left.

use std::io::Write;

use anyhow::bail;
use clap::Args;
use itop_bridge_core::event::Event;
use itop_bridge_engine::wording::count::counted;
use itop_bridge_store::{Activity, LinkState, MAX_ROWS, Store};

use super::{Ask, is_configured, not_known};
use crate::cli::Outcome;
use crate::cli::links::unlink;
use crate::config::Config;
use crate::sides;

/// End all pairs of a customer that has left.
///
/// First take its webhooks out of its iTop (`setup --side NAME --remove`), take its section out of the configuration, and
/// stop `serve`. Its tickets stay as they are in both iTops, with their files, reports and marks; the bridge no longer
/// writes to them. The store remembers the ended pairs, so that it knows the customer's name and iTop if the customer
/// comes back.
///
/// After Ctrl-C the same command goes on where it stopped.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  itop-bridge external remove acme\n  itop-bridge external remove acme --yes")]
pub struct Remove {
    /// The external's name.
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Do not ask.
    #[arg(long)]
    pub yes: bool,
}

/// Carries out the command on a store.
pub(super) fn remove(
    remove: &Remove,
    store: &mut dyn Store,
    config: &Config,
    ask: Ask<'_>,
    now_ms: i64,
    out: &mut dyn Write,
) -> anyhow::Result<Outcome> {
    let (name, internal) = (&remove.name, &config.internal.name);
    if name == internal {
        bail!("{name} is the internal side, which all pairs have");
    }
    if is_configured(config, name) {
        bail!(
            "[external.{name}] stands in the configuration still, and `serve` would begin it anew: take its webhooks out of its iTop (`itop-bridge setup --side {name} --remove`), then take that section out"
        );
    }
    let Some(known) = store.externals()?.into_iter().find(|external| external.name == *name) else {
        return Err(not_known(store, name));
    };
    let pairs = counted(known.live as usize, "live pair", "live pairs");
    writeln!(
        out,
        "{name} has {pairs}, {} that ended before, and {} in the queue.",
        known.ended,
        counted(known.waiting as usize, "ticket", "tickets")
    )?;
    writeln!(
        out,
        "Its tickets stay as they are in {name} and in {internal}, with their files, reports and marks; nobody keeps them in step any more, and the tickets in the queue are not carried."
    )?;
    out.flush()?;
    if !remove.yes && !ask(&format!("End all pairs of {name}?"))? {
        writeln!(out, "Nothing was changed.")?;
        return Ok(Outcome::Fine);
    }
    let ended = end_all(store, name, now_ms)?;
    let has_pairs = ended > 0 || known.ended > 0;
    store.forget_external(name, if has_pairs { &sides::KEPT_OF_A_REMOVED } else { &[] })?;
    if has_pairs {
        sides::mark_removed(store, name)?;
    }
    writeln!(out, "Ended: {}. {name} is removed.", counted(ended, "pair", "pairs"))?;
    match config.externals.is_empty() {
        true => writeln!(out, "The configuration has no external any more, and `serve` has nothing to do.")?,
        false => writeln!(out, "Start `serve`.")?,
    }
    Ok(Outcome::Fine)
}

/// One by one: pairs that a crash leaves live are ended by the next run.
fn end_all(store: &mut dyn Store, name: &str, now_ms: i64) -> anyhow::Result<usize> {
    let (mut ended, mut after) = (0, 0);
    loop {
        let page = store.pairs(Some(name), after, MAX_ROWS, None)?;
        let Some(last) = page.last() else { return Ok(ended) };
        after = last.id;
        for pair in page.iter().filter(|pair| pair.state == LinkState::Live) {
            let did = Activity::of(now_ms, Event::EndedWithExternal { external: name.to_owned() });
            store.amend_link(pair.id, &unlink::end, &did, now_ms)?;
            ended += 1;
        }
    }
}
