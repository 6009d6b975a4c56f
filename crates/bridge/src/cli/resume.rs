//! `resume`: ends the halt of a ticket, or of a whole side.

use std::io::Write;
use std::path::Path;

use anyhow::{Context as _, bail};
use clap::Args;
use itop_bridge_core::Link;
use itop_bridge_core::plan::HaltKind;

use super::{Outcome, ticket};
use crate::clock::Clock;
use crate::config::Config;
use crate::store::{Activity, Instance, LinkState, SqliteStore, Store, Stored};

/// End the halt of a ticket's pair, or of a side.
///
/// A pair halts when one of its tickets vanished, when an id now carries another reference, or when
/// too many files went at once. Resumed, it goes on where all is well again; where a ticket is still
/// gone it ends, and neither ticket is written any more. With --create a vanished internal ticket is
/// made anew.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  itop-bridge resume acme:R-000123\n  itop-bridge resume acme:R-000123 --create\n  itop-bridge resume elitery"
)]
pub(super) struct Resume {
    /// A ticket (`acme:R-000123`, `elitery:R-000077`, a link's number), or the name of a side.
    #[arg(value_name = "NAME or TICKET")]
    what: String,
    /// Make a new internal counterpart in place of the one that is gone.
    #[arg(long)]
    create: bool,
}

pub(super) fn run(resume: &Resume, config: &Path, clock: &dyn Clock, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let config = Config::load(config)?;
    if !config.store.path.exists() {
        bail!("there is no store at {}: is [store].url the one that `serve` uses?", config.store.path.display());
    }
    let mut store =
        SqliteStore::open(&config.store.path).with_context(|| format!("the store {}", config.store.path.display()))?;
    store.adopt_server_id(&config.server.id)?;
    if let Some(instance) = side(&config, &resume.what) {
        return resume_side(&mut store, &instance, &resume.what, out);
    }
    let stored = ticket::find(&mut store, &config, &resume.what)?;
    let Some(halt) = stored.link.halt.clone() else {
        bail!("{} is not halted; nothing was changed", resume.what);
    };
    if resume.create && halt.kind == HaltKind::ExternalVanished {
        bail!(
            "the external ticket {} is gone: there is nothing to copy. Without --create the pair is ended",
            stored.link.external.reference
        );
    }
    let text =
        format!("resumed by an operator{}: {}", if resume.create { ", with a new counterpart" } else { "" }, halt.text);
    let did = Activity { at_ms: clock.now_ms(), text };
    let create = resume.create;
    store.amend_link(stored.id, &move |link, state| amend(link, state, create), &did, clock.now_ms())?;
    writeln!(out, "{} is resumed. It had stopped because {}.", name(&config, &stored), halt.text)?;
    Ok(Outcome::Fine)
}

fn amend(link: &mut Link, state: &mut LinkState, create: bool) {
    *state = LinkState::Live;
    if create { link.make_anew() } else { link.resume() }
}

fn side(config: &Config, name: &str) -> Option<Instance> {
    if name == config.internal.name {
        return Some(Instance::Internal);
    }
    config.externals.iter().any(|external| external.name() == name).then(|| Instance::External(name.to_owned()))
}

fn resume_side(store: &mut dyn Store, instance: &Instance, name: &str, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    match store.stopped(instance)? {
        None => bail!("{name} is not halted; nothing was changed"),
        Some(reason) => {
            store.set_stopped(instance, None)?;
            writeln!(out, "{name} is resumed. It had stopped because {reason}.")?;
            Ok(Outcome::Fine)
        }
    }
}

fn name(config: &Config, stored: &Stored) -> String {
    let internal = stored.link.internal.as_ref().map(|key| format!(" with {}:{}", config.internal.name, key.reference));
    format!("the pair {}:{}{}", stored.external_name, stored.link.external.reference, internal.unwrap_or_default())
}
