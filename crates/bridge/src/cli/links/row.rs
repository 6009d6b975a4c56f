//! One line of the list: a ticket, with or without a pair, and its state.

use itop_bridge_core::Side;
use itop_bridge_store::{QueueRow, Store, Stored};
use serde_json::{Value as Json, json};

use crate::cli::ticket;
use crate::config::Config;
use crate::sentences::{self, Names};
use crate::standing::{Sides, Standing, Ticket, Word};

/// One line of the list.
pub(super) struct Row {
    pub stored: Stored,
    pub queued: Option<QueueRow>,
    pub standing: Standing,
    /// The time until which a sent but unanswered write may still take effect.
    pub settles_at_ms: Option<i64>,
}

impl Row {
    pub fn of(
        store: &mut dyn Store,
        stored: Stored,
        sides: &Sides,
        config: &Config,
        now_ms: i64,
    ) -> anyhow::Result<Row> {
        let queued = store.queue_row(&ticket::of(&stored), now_ms)?;
        let external = &stored.external_name;
        let of = Ticket { external, stored: Some(&stored), row: queued.as_ref(), sides, config, now_ms };
        let standing = Standing::of(of);
        // A pass that is under way has always sent something.
        let is_in_hand = queued.as_ref().is_some_and(|row| row.leased);
        let settles_at_ms = stored.link.settles_at_ms().filter(|at_ms| *at_ms > now_ms && !is_in_hand);
        Ok(Row { stored, queued, standing, settles_at_ms })
    }

    pub fn names<'a>(&'a self, config: &'a Config) -> Names<'a> {
        Names::of(&self.stored, config)
    }

    pub fn cells(&self, config: &Config) -> [String; 6] {
        let names = self.names(config);
        let status = |side| self.stored.link.status_on(side).to_owned();
        [
            self.stored.id.to_string(),
            names.external_ticket.clone(),
            status(Side::External),
            names.internal_ticket.clone().unwrap_or_default(),
            status(Side::Internal),
            names.cell(&self.standing),
        ]
    }
}

/// A waiting ticket without a pair. No pair names its reference, so it is called by its id.
pub(super) struct Unlinked {
    row: QueueRow,
    pub standing: Standing,
}

impl Unlinked {
    pub fn of(row: QueueRow, sides: &Sides, config: &Config, now_ms: i64) -> Unlinked {
        let external = &row.of.external;
        let standing = Standing::of(Ticket { external, stored: None, row: Some(&row), sides, config, now_ms });
        Unlinked { row, standing }
    }

    fn names<'a>(&'a self, config: &'a Config) -> Names<'a> {
        Names::unlinked(&self.row.of.external, &self.row.of.ticket.to_string(), config)
    }

    pub fn cells(&self, config: &Config) -> [String; 6] {
        let names = self.names(config);
        let none = String::new;
        [none(), names.external_ticket.clone(), none(), none(), none(), names.cell(&self.standing)]
    }

    pub fn as_json(&self, config: &Config) -> Json {
        let names = self.names(config);
        json!({
            "number": null,
            "external": names.external_ticket,
            "internal": null,
            "external_status": null,
            "internal_status": null,
            "state": sentences::state(&self.standing),
            "states": words(&self.standing),
            "why": names.why(&self.standing),
            "settles_at_ms": null,
            "next_ms": self.standing.next_ms,
        })
    }
}

/// All its states, for scripts; `ok` if there are no others.
fn words(standing: &Standing) -> Vec<&'static str> {
    let mut words: Vec<Word> =
        standing.is.iter().map(crate::standing::Is::word).filter(|word| *word != Word::Ok).collect();
    words.sort_unstable();
    words.dedup();
    if words.is_empty() {
        words.push(Word::Ok);
    }
    words.into_iter().map(Word::as_str).collect()
}

pub(super) fn as_json(row: &Row, config: &Config) -> Json {
    let names = row.names(config);
    let link = &row.stored.link;
    json!({
        "number": row.stored.id,
        "external": names.external_ticket,
        "internal": names.internal_ticket,
        "external_status": link.status_on(Side::External),
        "internal_status": link.status_on(Side::Internal),
        "state": sentences::state(&row.standing),
        "states": words(&row.standing),
        "why": names.why(&row.standing),
        "settles_at_ms": row.settles_at_ms,
        "next_ms": row.standing.next_ms,
    })
}
