//! Facts in the store of `serve` that `check` shows: the webhooks that came, the waiting tickets, the stopped sides.

use itop_bridge_engine::refused::{self, ByRoute};
use itop_bridge_engine::wording::count::counted;
use itop_bridge_engine::wording::span::span;
use itop_bridge_engine::{
    Learnt, LearntRoom, Offsets, RefusedSize, connection_began_after, kept_date_format, unread_date,
};
use itop_bridge_store::{
    HookCount, Instance, LINKS_REBUILD, MAX_ROWS, Parked, Result, SqliteStore, Stop, Store, Tally, TicketOf,
};
use itop_bridge_text::date_format::DateFormat;

use super::learnt;
use super::uncarried::{self, Waiting};
use super::{Finding, OWN, State, Verdict};
use crate::config::{Config, SideConfig};
use crate::sentences::{self, Names};
use crate::setup::Wanted;
use crate::standing::{Is, Sides, Standing, Ticket, Waits, Word};

/// A ticket that waits longer is held by more than a busy iTop or a settling write.
pub(super) const LONG_WAIT_MS: i64 = 3_600_000;

/// Read once, for all lines.
#[derive(Debug, Clone)]
pub struct Remembered {
    now_ms: i64,
    hooks: Vec<HookCount>,
    refused: ByRoute,
    sides: Vec<Side>,
}

#[derive(Debug, Clone)]
struct Side {
    name: String,
    /// Why the side is stopped.
    stopped: Option<Stop>,
    /// Offset of its times from UTC.
    offset: Option<Learnt>,
    offsets: Offsets,
    /// How it prints dates.
    date_format: Option<DateFormat>,
    unread_date: Option<String>,
    refused: Option<RefusedSize>,
    room: LearntRoom,
    /// For an external: the id of its last ticket when the connection began.
    began_after: Option<u64>,
    /// For an external.
    tickets: Option<Tickets>,
}

#[derive(Debug, Clone)]
struct Tickets {
    tally: Tally,
    /// The first parked ticket.
    parked: Option<Parked>,
    /// The pairs that are not in step, each with its state and the fix; the most pressing first.
    out_of_step: Vec<OutOfStep>,
    /// The tickets that wait without a counterpart.
    uncarried: Vec<Waiting>,
}

/// A pair that is not in step.
#[derive(Debug, Clone)]
struct OutOfStep {
    word: Word,
    label: &'static str,
    name: String,
    told: String,
    step: Option<String>,
}

impl OutOfStep {
    fn all(store: &mut dyn Store, config: &Config, external: &str, now_ms: i64) -> Result<Vec<OutOfStep>> {
        let sides = Sides::read(store, config)?;
        let (mut all, mut after) = (Vec::new(), 0);
        loop {
            let page = store.troubled(external, after, MAX_ROWS)?;
            let Some(last) = page.last() else { break };
            after = last.id;
            for stored in &page {
                let of = TicketOf { external: external.to_owned(), ticket: stored.link.external.id };
                let row = store.queue_row(&of, now_ms)?;
                let known = Ticket { external, stored: Some(stored), row: row.as_ref(), sides: &sides, config, now_ms };
                let (standing, names) = (Standing::of(known), Names::of(stored, config));
                // The line `work` reports a stopped side.
                let own = standing
                    .is
                    .iter()
                    .find(|is| is.word() != Word::Ok && !matches!(is, Is::Waits(Waits::Stopped { .. })));
                all.extend(own.map(|is| OutOfStep {
                    word: is.word(),
                    label: sentences::label(is),
                    name: names.external_ticket.clone(),
                    told: names.told(is),
                    step: names.step(is),
                }));
            }
        }
        all.sort_by_key(|one| one.word);
        Ok(all)
    }
}

impl Remembered {
    /// None if there is no store yet, or it does not open: the store's own line reports that.
    pub fn of(config: &Config, now_ms: i64) -> Option<Remembered> {
        let path = &config.store.path;
        if !path.exists() {
            return None;
        }
        let mut store = SqliteStore::open_to_read(path).ok()?;
        store.adopt_server_id(&config.server.id).ok()?;
        Remembered::read(&mut store, config, now_ms).ok()
    }

    pub fn read(store: &mut dyn Store, config: &Config, now_ms: i64) -> Result<Remembered> {
        let mut sides = vec![Side::read(store, &config.internal.name, &Instance::Internal, None)?];
        for name in config.externals.iter().map(|external| external.name()) {
            let tickets = Tickets {
                tally: store.tally(name)?,
                parked: store.parked(name, 1)?.pop(),
                out_of_step: OutOfStep::all(store, config, name, now_ms)?,
                uncarried: uncarried::read(store, name)?,
            };
            sides.push(Side::read(store, name, &Instance::External(name.to_owned()), Some(tickets))?);
        }
        Ok(Remembered { now_ms, hooks: store.hooks()?, refused: refused::kept(store)?, sides })
    }

    /// The facts learnt about a side's server, and the state of its tickets.
    ///
    /// `takes`: whether a call of the refused size gets through now, where known.
    pub(super) fn standing(
        &self,
        config: &Config,
        side: &SideConfig,
        section: &str,
        takes: Option<bool>,
    ) -> Vec<(String, Verdict)> {
        let Some(known) = self.sides.iter().find(|known| known.name == side.name) else { return Vec::new() };
        let mut lines = vec![
            (
                "time zone".to_owned(),
                learnt::time_zone(side, known.offset.as_ref(), &known.offsets, section, self.now_ms),
            ),
            (
                "date format".to_owned(),
                learnt::date_format(side, known.date_format.as_ref(), known.unread_date.as_deref(), section),
            ),
            ("post_max_size".to_owned(), learnt::post_max_size(config, side, known.refused, takes, self.now_ms)),
        ];
        lines.extend(learnt::room(&known.room));
        let side = known;
        lines.push(("work".to_owned(), work(side)));
        if let Some(tickets) = &side.tickets {
            lines.push(("queue".to_owned(), self.queue(tickets)));
            lines.push(("pairs".to_owned(), pairs(tickets)));
        }
        lines
    }

    fn queue(&self, tickets: &Tickets) -> Verdict {
        let Tally { waiting, oldest_ms, parked: count, .. } = &tickets.tally;
        if let Some(first) = &tickets.parked {
            let id = first.of.ticket.to_string();
            let name = format!("{}:{}", first.of.external, first.reference.as_deref().unwrap_or(&id));
            let those = counted(*count as usize, "ticket is", "tickets are");
            return Verdict::note(
                format!("{those} parked, after an hour of refusals; the first is {name}: {}", first.error),
                format!("correct the cause that the message names, then run `itop-bridge retry {name}`"),
            );
        }
        let Some(oldest_ms) = oldest_ms.filter(|_| *waiting > 0) else { return Verdict::ok("no ticket waits") };
        let age_ms = self.now_ms - oldest_ms;
        let those = counted(*waiting as usize, "ticket waits", "tickets wait");
        let detail = format!("{those}, the oldest for {}", span(age_ms));
        match age_ms > LONG_WAIT_MS {
            true => Verdict::note(detail, "see whether `serve` runs, and look for these tickets in its log"),
            false => Verdict::ok(detail),
        }
    }

    /// The size of a call that was refused there, if that holds back a file.
    pub(super) fn refused_bytes(&self, config: &Config, side: &SideConfig) -> Option<u64> {
        let refused = self.sides.iter().find(|known| known.name == side.name)?.refused?;
        Some(refused.bytes).filter(|bytes| *bytes <= learnt::needed(config, side))
    }

    /// The tickets of an external that wait without a counterpart.
    pub(super) fn uncarried(&self, external: &str) -> Option<&[Waiting]> {
        let side = self.sides.iter().find(|known| known.name == external)?;
        Some(&side.tickets.as_ref()?.uncarried)
    }

    pub(super) fn connection_began_after(&self, external: &str) -> Option<u64> {
        self.sides.iter().find(|known| known.name == external)?.began_after
    }

    pub(super) fn now_ms(&self) -> i64 {
        self.now_ms
    }

    /// One line per kind of webhook that the side must send, judged by those that came.
    pub(super) fn arrived(&self, config: &Config, side: &str) -> Vec<(String, Verdict)> {
        let Some(wanted) = Wanted::of(config, side) else { return Vec::new() };
        let mut kinds: Vec<&str> = Vec::new();
        for kind in wanted.notifications.iter().filter_map(|wanted| wanted.path.rsplit('/').next()) {
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        kinds.into_iter().map(|kind| (format!("webhook {kind}"), self.came(kind, side))).collect()
    }

    fn came(&self, kind: &str, side: &str) -> Verdict {
        let of_kind = self.of_side(side).filter(|came| told_by(&came.kind) == kind);
        let (count, last_ms) =
            of_kind.fold((0, None), |(count, last), came| (count + came.count, last.max(Some(came.last_ms))));
        match last_ms {
            Some(last_ms) => Verdict::ok(format!("{count} came, the last {} ago", span(self.now_ms - last_ms))),
            None => Verdict::note(
                "none has come yet",
                format!(
                    "{} in {side} and check again; if still none has come, run `itop-bridge setup --side {side}` with an administrator's account",
                    cause(kind)
                ),
            ),
        }
    }

    /// Whether that iTop reaches the bridge cannot be asked: a webhook that came is the proof.
    pub(super) fn reaches(&self, config: &Config, side: &str) -> Verdict {
        let url = &config.server.public_url;
        match self.of_side(side).map(|came| came.last_ms).max() {
            Some(last_ms) => {
                let ago = span(self.now_ms - last_ms);
                Verdict::ok(format!("that iTop reaches the bridge: its last webhook came {ago} ago"))
            }
            None => Verdict {
                state: State::Unknown,
                detail: format!("it is not known whether that iTop reaches {url}: none of its webhooks has come yet"),
                fix: Some(format!(
                    "run `curl {url}/api/v1/test` on that iTop's machine while `serve` runs: itop-bridge answers missing_api_key"
                )),
            },
        }
    }

    /// Findings about the bridge itself.
    pub fn of_the_bridge(&self, config: &Config) -> Vec<Finding> {
        self.refused_webhooks(config).into_iter().collect()
    }

    /// The webhooks recently refused for their key.
    fn refused_webhooks(&self, config: &Config) -> Option<Finding> {
        let lately = self.refused.iter().filter(|(_, refused)| self.now_ms - refused.last_ms <= refused::QUIET_MS);
        let (route, last) = lately.clone().max_by_key(|(_, refused)| refused.last_ms)?;
        let count: u64 = lately.clone().map(|(_, refused)| refused.count).sum();
        let since_ms = lately.map(|(_, refused)| refused.since_ms).min().unwrap_or(last.since_ms);
        let those = counted(count as usize, "webhook was", "webhooks were");
        let detail = format!(
            "{those} refused for the key in the last {}; the last one {} ago, from {} to /api/v1/{route} ({})",
            span(self.now_ms - since_ms),
            span(self.now_ms - last.last_ms),
            last.last_from,
            last.last_why
        );
        let sides = config.sides().map(|side| side.name.as_str());
        let setups: Vec<String> = sides.map(|side| format!("`itop-bridge setup --side {side}`")).collect();
        let fix = format!(
            "if one of the iTops sends from there, give its webhooks the right key: {}, or by hand. Meanwhile the sweep finds their changes",
            setups.join(" or ")
        );
        Some(Verdict::note(detail, fix).at(OWN, "webhook keys"))
    }

    fn of_side(&self, side: &str) -> impl Iterator<Item = &HookCount> {
        self.hooks.iter().filter(move |came| came.side == side)
    }
}

impl Side {
    fn read(store: &mut dyn Store, name: &str, of: &Instance, tickets: Option<Tickets>) -> Result<Side> {
        Ok(Side {
            name: name.to_owned(),
            stopped: store.stopped(of)?,
            offset: Learnt::kept(store, of)?,
            offsets: Offsets::kept(store, of)?,
            date_format: kept_date_format(store, of)?,
            unread_date: unread_date(store, of)?,
            refused: RefusedSize::kept(store, of)?,
            room: LearntRoom::kept(store, of)?,
            began_after: connection_began_after(store, of)?,
            tickets,
        })
    }
}

/// Webhooks made by hand may use other routes than those of `setup`; each proves the same as its counterpart.
fn told_by(kind: &str) -> &str {
    match kind {
        "create-attachment" | "delete-attachment" => "update-attachment",
        "update-private-log" => "update-ticket",
        kind => kind,
    }
}

/// How a person triggers such a webhook.
fn cause(kind: &str) -> &'static str {
    match kind {
        "create-ticket" => "open a ticket that fits `only`",
        "ticket-state-change" => "move a ticket into another state",
        "ticket-update-private-log" => "write into the log of a ticket",
        "update-attachment" => "attach a file to a ticket",
        _ => "save a change of a ticket",
    }
}

fn work(side: &Side) -> Verdict {
    let resume = format!("`itop-bridge resume {}`", side.name);
    match &side.stopped {
        None => Verdict::ok("neither paused nor halted"),
        Some(stop @ Stop::Paused) => Verdict::note(stop.to_string(), format!("run {resume} to let it go on")),
        Some(reason) if reason.is_over_lost_pairs() => Verdict::fault(
            format!("halted: {reason}"),
            format!(
                "run {LINKS_REBUILD}; {resume} goes on without these pairs, and may make their copies a second time"
            ),
        ),
        Some(reason) => Verdict::fault(format!("halted: {reason}"), format!("look into it, then run {resume}")),
    }
}

/// How many are in step, the states of the others, and the fix for the first.
fn pairs(tickets: &Tickets) -> Verdict {
    let live = tickets.tally.live;
    let Some(first) = tickets.out_of_step.first() else { return Verdict::ok(format!("{live} in step")) };
    let in_step = live.saturating_sub(tickets.out_of_step.len() as u64);
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for one in &tickets.out_of_step {
        match counts.iter_mut().find(|(label, _)| *label == one.label) {
            Some((_, count)) => *count += 1,
            None => counts.push((one.label, 1)),
        }
    }
    let others: Vec<String> = counts.iter().map(|(label, count)| format!("{label}: {count}")).collect();
    let detail = format!(
        "{in_step} of {live} in step; {}. The first is {}: {}: {}",
        others.join(", "),
        first.name,
        first.label,
        first.told
    );
    match &first.step {
        Some(step) => Verdict::note(detail, step.clone()),
        None => Verdict::note(detail, format!("`itop-bridge links show {}` shows the rest", first.name)),
    }
}
