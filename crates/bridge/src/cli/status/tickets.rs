//! The tickets of one external that have a problem, and its queue.

use itop_bridge_store::{MAX_ROWS, QueueRow, Store, Stored, Tally};
use serde::Serialize;

use super::Queue;
use crate::cli::ticket;
use crate::config::Config;
use crate::sentences::{self, Names};
use crate::standing::{Is, Sides, Standing, Ticket, Waits, Word};

#[derive(Debug, Serialize)]
pub(super) struct OfTicket {
    pub external: String,
    pub internal: Option<String>,
    /// The link's number, if there is one.
    pub number: Option<i64>,
    pub state: &'static str,
    pub why: String,
    pub next_ms: Option<i64>,
    pub needs_a_person: bool,
    /// What a person can do, in order.
    pub steps: Vec<String>,
    #[serde(skip)]
    pub lines: Vec<String>,
    #[serde(skip)]
    pub word: Word,
}

/// The tickets of one external.
pub(super) struct Of<'a> {
    pub external: &'a str,
    pub sides: &'a Sides,
    pub config: &'a Config,
    pub now_ms: i64,
}

impl Of<'_> {
    fn standing(&self, stored: Option<&Stored>, row: Option<&QueueRow>) -> Standing {
        let Of { external, sides, config, now_ms } = *self;
        Standing::of(Ticket { external, stored, row, sides, config, now_ms })
    }

    /// The tickets that have a problem.
    pub fn tickets(&self, store: &mut dyn Store) -> anyhow::Result<Vec<OfTicket>> {
        let (mut all, mut after) = (Vec::new(), 0);
        loop {
            let page = store.troubled(self.external, after, MAX_ROWS)?;
            let Some(last) = page.last() else { break };
            after = last.id;
            for stored in page {
                let row = store.queue_row(&ticket::of(&stored), self.now_ms)?;
                let standing = self.standing(Some(&stored), row.as_ref());
                all.extend(OfTicket::of(&standing, &Names::of(&stored, self.config), Some(stored.id)));
            }
        }
        let mut after = 0;
        loop {
            let page = store.unlinked(self.external, after, MAX_ROWS, self.now_ms)?;
            let Some(last) = page.last() else { return Ok(all) };
            after = last.of.ticket;
            for row in page.iter().filter(|row| row.error.is_some() || row.parked) {
                let names = Names::unlinked(self.external, &row.of.ticket.to_string(), self.config);
                all.extend(OfTicket::of(&self.standing(None, Some(row)), &names, None));
            }
        }
    }

    pub fn queue(&self, store: &mut dyn Store, troubled: &[OfTicket]) -> anyhow::Result<Queue> {
        let Tally { waiting, oldest_ms, parked, live, halted, .. } = store.tally(self.external)?;
        let rows = store.queue(Some(self.external), MAX_ROWS, self.now_ms)?;
        let oldest = rows.iter().find(|row| !row.parked);
        let (mut name, mut why) = (None, None);
        if let Some(row) = oldest {
            let stored = store.link_of_external(&row.of)?;
            let standing = self.standing(stored.as_ref(), Some(row));
            let names = match &stored {
                Some(stored) => Names::of(stored, self.config),
                None => Names::unlinked(self.external, &row.of.ticket.to_string(), self.config),
            };
            let said: Vec<String> =
                standing.is.iter().filter(|is| !matches!(is, Is::Differs(_))).map(|is| names.told(is)).collect();
            (name, why) = (Some(names.external_ticket), Some(said.join("; ")));
        }
        let out_of_step = troubled.iter().filter(|ticket| ticket.number.is_some()).count() as u64;
        Ok(Queue {
            external: self.external.to_owned(),
            waiting,
            oldest_since_ms: oldest_ms,
            oldest: name,
            why: why.filter(|why| !why.is_empty()),
            in_step: live.saturating_sub(out_of_step),
            parked,
            halted,
        })
    }
}

impl OfTicket {
    /// `None` if nothing is wrong with the ticket itself.
    fn of(standing: &Standing, names: &Names<'_>, number: Option<i64>) -> Option<OfTicket> {
        // The sides' problems are printed above.
        let is_own = |is: &&Is| match is {
            Is::Waits(waits) => matches!(waits, Waits::Others { .. }),
            Is::NoCounterpart | Is::UnderWay | Is::Due { .. } | Is::Differs(_) => false,
            _ => true,
        };
        let own: Vec<&Is> = standing.is.iter().filter(is_own).collect();
        let first = own.first()?;
        let mut steps: Vec<String> = Vec::new();
        for step in own.iter().filter_map(|is| names.step(is)) {
            if !steps.contains(&step) {
                steps.push(step);
            }
        }
        Some(OfTicket {
            external: names.external_ticket.clone(),
            internal: names.internal_ticket.clone(),
            number,
            state: sentences::label(first),
            why: own.iter().map(|is| names.told(is)).collect::<Vec<_>>().join("; "),
            next_ms: standing.next_ms,
            needs_a_person: standing.needs_a_person(),
            steps,
            lines: own.iter().map(|is| names.line(is)).collect(),
            word: first.word(),
        })
    }
}
