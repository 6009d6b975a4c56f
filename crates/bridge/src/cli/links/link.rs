//! `links link`: makes a pair of two existing tickets.

use std::io::Write;

use anyhow::{Context as _, bail};
use clap::Args;
use itop_bridge_core::Side;
use itop_bridge_core::document::{Document, DocumentKind};
use itop_bridge_core::event::AdoptedBy;
use itop_bridge_engine::wording::count::counted;
use itop_bridge_engine::{Engine, PairOf};
use itop_bridge_store::{Instance, LinkState, StoreHandle, Stored, TicketOf};

use crate::app;
use crate::cli::{Outcome, block_on, store, ticket};
use crate::config::Config;

/// Make a pair of an external and an internal ticket that both exist already.
///
/// Writes only to the store. The present contents of both sides count as delivered: both logs, the status, and the files.
/// Two files with the same name and content count as one. Differences are shown, and left until the value changes in the
/// external ticket. Later changes cross, even if the ticket does not fit `only` (the command says so). Works while `serve` runs.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  itop-bridge links link acme:R-000123 elitery:R-000077")]
pub struct LinkTwo {
    /// A ticket of an external: `acme:R-000123`, or the number of a link that has ended.
    #[arg(value_name = "A", value_parser = ticket::ticket)]
    pub a: String,
    /// A ticket of the internal side: `elitery:R-000077`. The order does not matter.
    #[arg(value_name = "B", value_parser = ticket::ticket)]
    pub b: String,
}

pub(super) fn run(link: &LinkTwo, config: &Config, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let named = [&link.a, &link.b].into_iter().filter_map(|name| Some(name.split_once(':')?.0));
    config.need(&named.chain([&*config.internal.name]).collect::<Vec<_>>())?;
    let store = StoreHandle::inline(store::to_change(config)?);
    let app = app::over(config, store.clone(), &app::http_transport)?;
    block_on(tell(link, &app.engine, &store, config, out))?
}

/// The command, with an engine over the same store.
pub async fn tell(
    link: &LinkTwo,
    engine: &Engine,
    store: &StoreHandle,
    config: &Config,
    out: &mut dyn Write,
) -> anyhow::Result<Outcome> {
    let find = Find { engine, store, config };
    let (external, internal) = find.sides(link).await?;
    let (external, internal) = (find.external(&external).await?, find.internal(&internal).await?);
    let pair = PairOf {
        external: external.external,
        class: external.class,
        ticket: external.id,
        internal_class: internal.class,
        internal: internal.id,
    };
    let earlier = find.are_free(&pair).await?;
    let ready = engine.read_to_adopt(std::slice::from_ref(&pair), &|_, _| {}).await?;
    let mut ready = ready.into_iter().next().context("no answer for the pair")??;
    let may_leave = engine.may_leave(&pair).await?;
    let mut left = earlier.as_ref().map(left_behind).unwrap_or_default();
    // Files of an earlier pairing with this counterpart may be among them.
    let own: Vec<u64> = ready.link.standing_on(Side::External).collect();
    left.retain(|id| !own.contains(id));
    ready.link.files.left_behind.clone_from(&left);
    let number = engine.adopt(&ready, true, AdoptedBy::Operator).await?;
    let of = store.call(move |store| store.link(number)).await?.context("the link is gone already")?;
    writeln!(out, "{} are a pair now: link {number}.", ticket::pair_name(config, &of).replace(" with ", " and "))?;
    writeln!(out, "files on both sides: {}; on one side alone, and left there: {}", ready.files, ready.alone)?;
    if !may_leave {
        let ticket = format!("{}:{}", of.external_name, of.link.external.reference);
        writeln!(
            out,
            "note: {ticket} does not fit `only` of {}; its changes cross all the same, because it has a pair",
            pair.external
        )?;
    }
    for conflict in &ready.conflicts {
        writeln!(out, "left as it is: {conflict}")?;
    }
    if let Some(earlier) = earlier.and_then(|earlier| earlier.link.internal) {
        let (external, internal) = (&pair.external, &config.internal.name);
        let was = format!("{internal}:{}", earlier.reference);
        if ready.link.document(DocumentKind::Report).is_some_and(Document::is_due) {
            writeln!(out, "the report in {external} is still about {was}: the next pass rewrites it")?;
        }
        if !left.is_empty() {
            let ids: Vec<String> = left.iter().map(u64::to_string).collect();
            let what = counted(left.len(), "file", "files");
            writeln!(
                out,
                "left in {external}, made for {was}: {what} (attachments {}); delete those that people there should not see any more",
                ids.join(", ")
            )?;
        }
    }
    Ok(Outcome::Fine)
}

/// The external files made for the earlier counterpart, without the report: there is one per pair, and it is
/// rewritten.
fn left_behind(earlier: &Stored) -> Vec<u64> {
    let link = &earlier.link;
    let report = link.document(DocumentKind::Report).and_then(|report| report.state.as_ref()?.standing());
    let deleted: Vec<u64> = link.files.deleted.iter().map(|(_, id)| *id).collect();
    let mut left: Vec<u64> = link.made_on(Side::External).filter(|id| Some(*id) != report).collect();
    left.retain(|id| !deleted.contains(id));
    left
}

/// How a ticket was named.
enum Said {
    External { external: String, reference: String },
    Internal { reference: String },
    Number(Box<Stored>),
}

/// A ticket that was found; `external` is empty for an internal one.
struct Found {
    external: String,
    id: u64,
    class: String,
}

struct Find<'a> {
    engine: &'a Engine,
    store: &'a StoreHandle,
    config: &'a Config,
}

impl Find<'_> {
    /// The external ticket and the internal one. A link's number stands for the side that the other argument does not name.
    async fn sides(&self, link: &LinkTwo) -> anyhow::Result<(Said, Said)> {
        let (a, b) = (self.said(&link.a).await?, self.said(&link.b).await?);
        match (&a, &b) {
            (Said::External { .. }, Said::External { .. }) | (Said::Internal { .. }, Said::Internal { .. }) => bail!(
                "{} and {} are on one side: name a ticket of an external and one of {}",
                link.a,
                link.b,
                self.config.internal.name
            ),
            (Said::Number(_), Said::Number(_)) => bail!("two links' numbers name no pair: name at least one ticket"),
            (Said::Internal { .. }, _) | (_, Said::External { .. }) => Ok((b, a)),
            _ => Ok((a, b)),
        }
    }

    async fn said(&self, name: &str) -> anyhow::Result<Said> {
        if let Ok(number) = name.parse::<i64>() {
            let stored = self.store.call(move |store| store.link(number)).await?;
            let stored = stored
                .with_context(|| format!("there is no link number {number}; `itop-bridge links list` shows all"))?;
            return Ok(Said::Number(Box::new(stored)));
        }
        let Some((side, reference)) = name.split_once(':') else { return self.plain(name).await };
        match ticket::side(self.config, side) {
            Some(Instance::Internal) => Ok(Said::Internal { reference: reference.to_owned() }),
            Some(Instance::External(external)) => Ok(Said::External { external, reference: reference.to_owned() }),
            None => bail!("there is no side {side:?}{}", ticket::sides(self.config)),
        }
    }

    /// A reference without its side: the iTops are asked which of them has it.
    async fn plain(&self, reference: &str) -> anyhow::Result<Said> {
        let mut found = Vec::new();
        for external in self.config.externals.iter().map(|external| external.name()) {
            if self.engine.external_ticket(external, reference).await?.is_some() {
                let said = Said::External { external: external.to_owned(), reference: reference.to_owned() };
                found.push((format!("{external}:{reference}"), said));
            }
        }
        if self.engine.internal_ticket(reference).await?.is_some() {
            let name = format!("{}:{reference}", self.config.internal.name);
            found.push((name, Said::Internal { reference: reference.to_owned() }));
        }
        let names: Vec<String> = found.iter().map(|(name, _)| name.clone()).collect();
        match names.len() {
            0 => bail!("no iTop has a ticket {reference}{}", ticket::sides(self.config)),
            1 => Ok(found.remove(0).1),
            _ => bail!("several tickets are called {reference}; write one of {}", names.join(", ")),
        }
    }

    async fn external(&self, said: &Said) -> anyhow::Result<Found> {
        let (external, name, found) = match said {
            Said::External { external, reference } => {
                let found = match reference.parse() {
                    Ok(id) => self.engine.ticket_with_id(Some(external), id).await?,
                    Err(_) => {
                        let found = self.engine.external_ticket(external, reference).await?;
                        found.map(|(of, class)| (of.ticket, class))
                    }
                };
                (external.clone(), reference.clone(), found)
            }
            Said::Number(stored) => {
                let key = &stored.link.external;
                (stored.external_name.clone(), key.reference.clone(), Some((key.id, key.class.clone())))
            }
            Said::Internal { reference } => bail!("{reference} is an internal ticket"),
        };
        let (id, class) = found.with_context(|| format!("{external} has no ticket {name}"))?;
        Ok(Found { external, id, class })
    }

    async fn internal(&self, said: &Said) -> anyhow::Result<Found> {
        let internal = &self.config.internal.name;
        let (name, found) = match said {
            Said::Internal { reference } => {
                let found = match reference.parse() {
                    Ok(id) => self.engine.ticket_with_id(None, id).await?,
                    Err(_) => self.engine.internal_ticket(reference).await?,
                };
                (reference.clone(), found)
            }
            Said::Number(stored) => {
                let key = stored.link.internal.as_ref();
                let key = key.with_context(|| format!("link {} has no internal ticket", stored.id))?;
                (key.reference.clone(), Some((key.id, key.class.clone())))
            }
            Said::External { reference, .. } => bail!("{reference} is an external ticket"),
        };
        let (id, class) = found.with_context(|| format!("{internal} has no ticket {name}"))?;
        Ok(Found { external: String::new(), id, class })
    }

    /// Both must be unlinked, or only in an ended pair. Returns the external ticket's ended pair, if that was with
    /// another internal ticket.
    async fn are_free(&self, pair: &PairOf) -> anyhow::Result<Option<Stored>> {
        let (of, internal) = (TicketOf { external: pair.external.clone(), ticket: pair.ticket }, pair.internal);
        let both = self.store.call(move |store| Ok([store.link_of_external(&of)?, store.link_of_internal(internal)?]));
        let [of_external, of_internal] = both.await?;
        let is_live = |linked: &&Stored| linked.state == LinkState::Live;
        if let Some(linked) = of_external.iter().chain(&of_internal).find(is_live) {
            let name = ticket::pair_name(self.config, linked);
            bail!("{name} is a pair already: link {}. `itop-bridge links unlink {}` ends it", linked.id, linked.id);
        }
        let is_other = |linked: &Stored| linked.link.internal.as_ref().is_some_and(|key| key.id != internal);
        Ok(of_external.filter(is_other))
    }
}
