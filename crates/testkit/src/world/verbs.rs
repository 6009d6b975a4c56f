//! The commands, called beside a bridge.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use itop_bridge::checks::{self, Finding};
use itop_bridge::cli::backfill::{self, Backfill};
use itop_bridge::cli::external::remove::Remove;
use itop_bridge::cli::external::rename::Rename;
use itop_bridge::cli::external::{self, External, ExternalVerb};
use itop_bridge::cli::links::import::{self, Import};
use itop_bridge::cli::links::link::{self, LinkTwo};
use itop_bridge::cli::links::list::List;
use itop_bridge::cli::links::rebuild::{self, Rebuild};
use itop_bridge::cli::links::unlink::Unlink;
use itop_bridge::cli::links::{self, Asks, Links, LinksVerb};
use itop_bridge::cli::pause::{self, Pause};
use itop_bridge::cli::resume::{self, Resume};
use itop_bridge::cli::retry::{self, Retry};
use itop_bridge::cli::status::{self, Status};
use itop_bridge::cli::{Outcome, plan, progress, setup};
use itop_bridge::config::{Config, SideConfig};
use itop_bridge::setup::Admin;
use itop_bridge::sides::{self, Compared, Contradiction};
use itop_bridge_store::{Instance, Store, TicketOf};
use serde_json::Value as Json;

use super::World;

/// A command's outcome and output, or its error.
pub type Said = Result<(Outcome, String), String>;

const HOUR: u64 = 3600;

/// `links list`, of all.
pub fn listed(json: bool) -> LinksVerb {
    LinksVerb::List(List { json, ..List::default() })
}

#[derive(clap::Parser)]
struct Line {
    #[command(flatten)]
    backfill: Backfill,
}

/// The arguments of `backfill`.
pub fn parsed(arguments: &str) -> Result<Backfill, clap::Error> {
    let words = ["backfill"].into_iter().chain(arguments.split_whitespace());
    <Line as clap::Parser>::try_parse_from(words).map(|line| line.backfill)
}

/// For the stories of `setup` and `check`.
impl World {
    /// The command `setup` with these arguments, as an administrator: its outcome and output, or its error.
    pub async fn setup(&self, arguments: &[&str], user: &str, password: &str) -> Said {
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            setup: setup::Setup,
        }
        let line = <Line as clap::Parser>::parse_from([&["setup"], arguments].concat());
        let env = |name: &str| match name {
            "ITOP_BRIDGE_ADMIN_USER" => Some(user.to_owned()),
            "ITOP_BRIDGE_ADMIN_PASSWORD" => Some(password.to_owned()),
            _ => None,
        };
        let mut out = Vec::new();
        let transport = |side: &SideConfig| Ok(self.way_to(side));
        let outcome = setup::in_itop(&line.setup, &self.config, &env, &transport, &mut out).await;
        let said = String::from_utf8(out).expect("a verb says words");
        assert!(!said.contains("sk_"), "a key in {said}");
        outcome.map(|outcome| (outcome, said)).map_err(|error| format!("{error:#}"))
    }

    /// The findings of `check` about the bridge itself, from its store.
    pub async fn check_own(&self) -> Vec<Finding> {
        let (config, now_ms) = (self.config(), self.now_ms());
        let read = self.store.call(move |store| checks::Remembered::read(store, &config, now_ms));
        read.await.expect("the store").of_the_bridge(&self.config())
    }

    /// The findings of `check` about a side's webhooks, read with an administrator's account.
    pub async fn check_webhooks(&self, side: &str) -> Vec<Finding> {
        let admin = Admin { user: "admin".into(), password: "admin".into() };
        let transport = |side: &SideConfig| Ok(self.way_to(side));
        checks::webhooks(&self.config, side, Some(&admin), &transport).await
    }
}

/// For the stories of `rebuild`.
impl World {
    pub async fn rebuild(&mut self, dry_run: bool) -> Said {
        self.rebuild_as(Rebuild { dry_run, json: false }).await
    }

    pub async fn rebuild_as(&mut self, verb: Rebuild) -> Said {
        let (app, config, mut out) = (self.app(), self.config(), Vec::new());
        let outcome = rebuild::tell(&verb, &app.engine, &config, &progress::Bar::hidden(), &mut out).await;
        said(outcome, out)
    }

    /// The store is lost, the pairs are found again, and the bridge runs.
    pub async fn loses_and_rebuilds(&mut self) -> String {
        self.lose_the_store().await;
        self.clear_calls();
        let (outcome, said) = self.rebuild(false).await.unwrap();
        assert_eq!(outcome, Outcome::Fine, "{said}");
        self.boot();
        said
    }

    pub fn writes(&self) -> Vec<String> {
        let sims = self.externals.iter().chain([&self.internal]);
        let calls = sims.flat_map(|sim| sim.calls());
        calls.filter(|call| call.is_write()).map(|call| call.json).collect()
    }

    /// Sweeps, audits and passes over everything write nothing.
    pub async fn nothing_is_written(&self) {
        self.settle().await;
        self.pass_seconds(3 * HOUR).await;
        self.settle().await;
        // The first pass over a copy learns its contents.
        self.look_at_everything().await;
        assert!(self.writes().is_empty(), "{:#?}", self.writes());
        self.one_more_pass_writes_nothing().await;
    }

    /// Lets each copy have its first pass, then makes the usual check.
    pub async fn ends_well(&self) {
        self.look_at_everything().await;
        self.one_more_pass_writes_nothing().await;
    }

    pub async fn since(&self) -> Option<String> {
        let acme = Instance::External("acme".into());
        self.store.call(move |store| store.cursor(&acme, "since_id")).await.unwrap()
    }
}

/// For the stories of `linking`.
impl World {
    pub async fn link_two(&mut self, a: &str, b: &str) -> Said {
        let (app, store, config) = (self.app(), self.store.clone(), self.config());
        let (verb, mut out) = (LinkTwo { a: a.into(), b: b.into() }, Vec::new());
        let outcome = link::tell(&verb, &app.engine, &store, &config, &mut out).await;
        said(outcome, out)
    }

    pub async fn unlink(&self, name: &str) -> Said {
        self.links_said(LinksVerb::Unlink(Unlink { ticket: name.into() })).await
    }

    pub async fn verb_list(&self) -> String {
        self.links_said(listed(false)).await.unwrap().1
    }

    pub async fn links_said(&self, verb: LinksVerb) -> Said {
        let verb = Links { verb };
        self.verb(move |store, config, now, out| {
            let asks = Asks { id: &|_, _| panic!("asked"), why_not: &|_, _| panic!("asked") };
            links::in_store(&verb, store, config, &asks, now, out)
        })
        .await
    }
}

/// For the stories of `backfill`.
impl World {
    /// The command with these arguments, from a process beside the bridge.
    pub async fn backfill(&mut self, arguments: &str) -> Said {
        self.backfill_asking(arguments, &|question| panic!("asked: {question}")).await
    }

    pub async fn backfill_asking(&mut self, arguments: &str, ask: backfill::Ask<'_>) -> Said {
        let verb = parsed(arguments).map_err(|error| error.to_string())?;
        let (app, config, mut out) = (self.app(), self.config(), Vec::new());
        let bar = progress::Bar::hidden();
        let outcome = backfill::tell(&verb, &app.engine, &config, &bar, ask, &mut out).await;
        said(outcome, out)
    }

    /// How many tickets the internal has.
    pub fn internal_count(&self) -> usize {
        self.internal.tickets("Ticket").len()
    }
}

/// For the stories of `verbs`.
impl World {
    pub async fn verb(
        &self,
        verb: impl FnOnce(&mut dyn Store, &Config, i64, &mut dyn Write) -> anyhow::Result<Outcome> + Send + 'static,
    ) -> Said {
        let (config, now_ms) = (self.config(), self.now_ms());
        let run = move |store: &mut dyn Store| {
            let mut out = Vec::new();
            Ok(said(verb(store, &config, now_ms, &mut out), out))
        };
        self.store.call(run).await.expect("the store")
    }

    pub async fn plan(&self, ticket: &str) -> Said {
        let (mut out, verb) = (Vec::new(), plan::Plan { ticket: ticket.into() });
        let outcome = plan::show(&verb, &self.engine(), &self.store, &self.config(), &mut out).await;
        said(outcome, out)
    }

    pub async fn pause(&self, name: &str) -> Said {
        let verb = Pause { name: name.into() };
        self.verb(move |store, config, _, out| pause::in_store(&verb, store, config, out)).await
    }

    pub async fn retry(&self, ticket: Option<&str>) -> Said {
        let verb = Retry { ticket: ticket.map(str::to_owned) };
        let ask = |external: &str, reference: &str| {
            anyhow::ensure!(reference == "R-000001", "{external} has no ticket {reference}");
            Ok(TicketOf { external: external.into(), ticket: 1 })
        };
        self.verb(move |store, config, now, out| retry::in_store(&verb, store, config, &ask, now, out)).await
    }

    pub async fn links_verb(&self, verb: LinksVerb) -> Said {
        let verb = Links { verb };
        let ask = |external: &str, reference: &str| match reference.trim_start_matches(['R', 'I', '-']).parse::<u64>() {
            Ok(ticket) if ticket < 99 => Ok(TicketOf { external: external.into(), ticket }),
            _ => anyhow::bail!("{external} has no ticket {reference}"),
        };
        // Asked before, since a command in the store cannot await.
        let mut why_not = BTreeMap::new();
        if let LinksVerb::Show { ticket, .. } = &verb.verb
            && let Some((side, reference)) = ticket.split_once(':')
            && let Ok(of) = ask(side, reference)
            && side != "elitery"
        {
            let answer = self.engine().why_not_carried(&of, None).await.map_err(|why| why.to_string());
            why_not.insert(of, answer);
        }
        let why_not = move |of: &TicketOf, _: Option<&str>| match why_not.get(of) {
            Some(Ok(why)) => Ok(why.clone()),
            Some(Err(why)) => anyhow::bail!("{why}"),
            None => Ok(None),
        };
        self.verb(move |store, config, now, out| {
            links::in_store(&verb, store, config, &Asks { id: &ask, why_not: &why_not }, now, out)
        })
        .await
    }

    pub async fn status(&self) -> (Outcome, String) {
        let verb = |store: &mut dyn Store, config: &Config, now, out: &mut dyn Write| {
            status::in_store(&Status::default(), store, config, now, out)
        };
        self.verb(verb).await.expect("the store is there")
    }

    pub async fn status_json(&self) -> Json {
        let verb = |store: &mut dyn Store, config: &Config, now, out: &mut dyn Write| {
            status::in_store(&Status { json: true, watch: false }, store, config, now, out)
        };
        serde_json::from_str(&self.verb(verb).await.expect("the store is there").1).unwrap()
    }

    pub async fn show(&self, ticket: &str) -> String {
        self.links_verb(LinksVerb::Show { ticket: ticket.into(), json: false }).await.unwrap().1
    }

    pub async fn show_json(&self, ticket: &str) -> Json {
        let said = self.links_verb(LinksVerb::Show { ticket: ticket.into(), json: true }).await.unwrap().1;
        serde_json::from_str(&said).unwrap()
    }
}

/// For the stories of `sides`.
impl World {
    pub async fn compared(&self) -> Compared {
        let config = self.config();
        self.store.call(move |store| sides::compare(store, &config)).await.expect("the store")
    }

    pub async fn contradictions(&self) -> Vec<Contradiction> {
        self.compared().await.contradictions
    }

    /// The contradictions' messages, each with its fix.
    pub async fn told(&self) -> Vec<[String; 2]> {
        self.contradictions().await.iter().map(|found| [found.to_string(), found.fix()]).collect()
    }

    /// As `serve` starts.
    pub async fn begins(&mut self) {
        assert_eq!(self.contradictions().await, []);
        let config = self.config();
        self.store.call(move |store| sides::remember(store, &config)).await.expect("the store");
        self.boot();
    }

    pub async fn external(&self, verb: ExternalVerb, answer: bool) -> Said {
        let verb = External { verb };
        self.verb(move |store, config, now, out| external::in_store(&verb, store, config, &|_| Ok(answer), now, out))
            .await
    }

    pub async fn rename(&self, old: &str, new: &str) -> Said {
        self.external(ExternalVerb::Rename(Rename { old: old.into(), new: new.into() }), false).await
    }

    pub async fn remove(&self, name: &str) -> Said {
        self.external(ExternalVerb::Remove(Remove { name: name.into(), yes: true }), false).await
    }

    /// Every internal ticket's title.
    pub fn internal_titles(&self) -> BTreeSet<String> {
        let tickets = self.internal.tickets("Ticket");
        let titles: BTreeSet<String> = tickets.iter().map(|ticket| ticket.field("title").to_owned()).collect();
        assert_eq!(titles.len(), tickets.len(), "a ticket stands twice");
        titles
    }
}

/// For the stories of `resume`, and every other that ends a halt.
impl World {
    /// The command `resume`, as an operator runs it beside the running bridge: its output, or its error.
    pub async fn resume(&self, what: &str, create: bool) -> Result<String, String> {
        self.resumes(Resume { what: what.into(), create, keep: false, yes: true }).await
    }

    pub async fn resumes(&self, resume: Resume) -> Result<String, String> {
        let verb = move |store: &mut dyn Store, config: &Config, now, out: &mut dyn Write| {
            resume::in_store(&resume, store, config, now, out)
        };
        self.verb(verb).await.map(|(_, words)| words)
    }
}

/// For the stories of `import`.
impl World {
    pub async fn import(&mut self, verb: &Import) -> Said {
        let (app, store, config, mut out) = (self.app(), self.store.clone(), self.config(), Vec::new());
        let bar = progress::Bar::hidden();
        let outcome = import::tell(verb, &app.engine, &store, &config, &bar, &mut out).await;
        let named = verb.file.display().to_string();
        said(outcome, out).map_err(|error| error.replace(&named, "FILE"))
    }
}

fn said(outcome: anyhow::Result<Outcome>, out: Vec<u8>) -> Said {
    let words = String::from_utf8(out).expect("a verb says words");
    outcome.map(|outcome| (outcome, words)).map_err(|error| format!("{error:#}"))
}
