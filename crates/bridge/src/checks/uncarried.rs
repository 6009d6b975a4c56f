//! Tickets that came, fit `only` and have no counterpart yet: how many per class, asked in batches.

use itop_bridge_engine::wording::span::span;
use itop_bridge_store::{MAX_ROWS, Result, Store};
use itop_client::{Client, Query};

use super::remembered::LONG_WAIT_MS;
use super::{Verdict, listed};
use crate::config::{Condition, Only};

/// Tickets per call.
const TOGETHER: usize = 500;

/// If a class has more, the iTop is not asked which fit.
const MOST: usize = 2000;

/// The tickets of one class that wait without a counterpart, whether or not they fit `only`.
#[derive(Debug, Clone)]
pub(super) struct Waiting {
    class: String,
    count: u64,
    oldest_ms: i64,
    /// None if there are too many.
    tickets: Option<Vec<u64>>,
}

impl Waiting {
    pub fn class(&self) -> &str {
        &self.class
    }
}

pub(super) fn read(store: &mut dyn Store, external: &str) -> Result<Vec<Waiting>> {
    let mut all = Vec::new();
    for uncarried in store.uncarried(external)? {
        let few = uncarried.tickets <= MOST as u64;
        let tickets = if few { Some(tickets(store, external, &uncarried.class)?) } else { None };
        let (class, count, oldest_ms) = (uncarried.class, uncarried.tickets, uncarried.oldest_ms);
        all.push(Waiting { class, count, oldest_ms, tickets });
    }
    Ok(all)
}

fn tickets(store: &mut dyn Store, external: &str, class: &str) -> Result<Vec<u64>> {
    let mut all = Vec::new();
    loop {
        let after = all.last().copied().unwrap_or(0);
        let page = store.uncarried_tickets(external, class, after, MAX_ROWS)?;
        let is_last = page.len() < MAX_ROWS;
        all.extend(page);
        if is_last || all.len() > MOST {
            return Ok(all);
        }
    }
}

pub(super) async fn judge(client: &Client, waiting: &[Waiting], only: &Only, now_ms: i64) -> Verdict {
    let (mut said, mut oldest_ms) = (Vec::new(), None::<i64>);
    for of_class in waiting {
        let Some(condition) = only.of(&of_class.class) else { continue };
        let words = match &of_class.tickets {
            None => format!("{} of {}, not compared with `only`", of_class.count, of_class.class),
            Some(tickets) => match fitting(client, &of_class.class, tickets, condition).await {
                Ok(0) => continue,
                Ok(count) => format!("{count} of {}", of_class.class),
                Err(error) => return Verdict::unclear(&error),
            },
        };
        said.push(words);
        oldest_ms = Some(oldest_ms.map_or(of_class.oldest_ms, |oldest| oldest.min(of_class.oldest_ms)));
    }
    let Some(oldest_ms) = oldest_ms else { return Verdict::ok("no ticket that fits waits for its counterpart") };
    let age_ms = now_ms - oldest_ms;
    let said: Vec<&str> = said.iter().map(String::as_str).collect();
    let detail = format!("wait for their counterpart: {}; the oldest hint came {} ago", listed(&said), span(age_ms));
    match age_ms > LONG_WAIT_MS {
        true => Verdict::note(detail, "see whether `serve` runs, and look for these tickets in its log"),
        false => Verdict::ok(detail),
    }
}

async fn fitting(
    client: &Client,
    class: &str,
    tickets: &[u64],
    condition: &Condition,
) -> std::result::Result<u64, itop_client::Error> {
    let fits = match condition {
        Condition::All => String::new(),
        Condition::Oql(condition) => format!(" AND ({condition})"),
    };
    let mut count = 0;
    for some in tickets.chunks(TOGETHER) {
        let ids: Vec<String> = some.iter().map(u64::to_string).collect();
        let oql = format!("SELECT {class} WHERE id IN ({}){fits}", ids.join(","));
        count += client.get(class, &Query::oql(oql).limit(1), &["id"]).await?.total;
    }
    Ok(count)
}
