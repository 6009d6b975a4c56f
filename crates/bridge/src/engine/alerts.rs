//! Alerts: each trouble is posted once, when it begins, and a side's once more when it is over.
//!
//! What is wrong is read anew each time and compared with what was told, which the store keeps: so a restart
//! tells nothing twice, a post that failed is made again, and nothing depends on who noticed what when.
//! After a crash between a post and its record, that one post is made twice.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use itop_client::{Body, MaxAnswerBytes, Progress, Transport};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use super::standing::{LaneStanding, Standing, long};
use super::{Cause, PAUSED, Shared};
use crate::store::{Halted, MAX_ROWS, Parked, QueueRow, Result};

/// Tickets of one external named in alerts at a time; of the others the number is said.
const NAMED: usize = 20;

/// Of what is posted to, at most so much is read.
const ANSWER_BYTES: u64 = 1 << 20;

const POST_TIMEOUT: Duration = Duration::from_secs(10);

/// Where alerts go.
pub struct Alerts {
    /// A chat's hook address is itself a key to the chat: it is shown nowhere.
    pub webhook_url: SecretString,
    /// Nothing has got through for longer than this, although tickets wait.
    pub silence_ms: i64,
    pub transport: Arc<dyn Transport>,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Alert {
    event: &'static str,
    text: String,
}

/// By subject, which stays the same while the trouble lasts.
type Wrong = BTreeMap<String, Alert>;

/// Runs for ever.
pub async fn run(shared: Arc<Shared>) {
    let mut failing = false;
    loop {
        shared.clock.sleep(shared.timing.watch_ms).await;
        shared.metrics.upkeep();
        let watched = match shared.store_hooks().await {
            Ok(()) => shared.alert().await,
            Err(error) => Err(error.to_string()),
        };
        match watched {
            Ok(()) => failing = false,
            Err(error) if !failing => {
                failing = true;
                tracing::warn!(error, "an alert could not be posted; it is tried again");
            }
            Err(_) => {}
        }
    }
}

impl Shared {
    /// Posts what is new, and what is over.
    async fn alert(&self) -> std::result::Result<(), String> {
        let Some(alerts) = &self.alerts else { return Ok(()) };
        let told = self.store.call(|store| store.told()).await.map_err(|error| error.to_string())?;
        let (standing, wrong) = self.wrong(alerts.silence_ms, &told).await.map_err(|error| error.to_string())?;
        let news: Vec<(&String, &Alert)> = wrong.iter().filter(|(subject, _)| !told.contains(subject)).collect();
        let is_over = |subject: &String| !wrong.contains_key(subject) && self.is_over(subject, &standing);
        let over: Vec<String> = told.iter().filter(|subject| is_over(subject)).cloned().collect();
        if news.is_empty() && over.is_empty() {
            return Ok(());
        }
        let mut lines: Vec<(&str, &str, String)> =
            news.iter().map(|(subject, alert)| (alert.event, subject.as_str(), alert.text.clone())).collect();
        lines.extend(over.iter().filter_map(|subject| Some(("over", subject.as_str(), said_when_over(subject)?))));
        if !lines.is_empty() {
            let posted = self.post(alerts, &lines).await;
            self.metrics.alert(posted.is_ok());
            posted?;
        }
        let told: Vec<String> = news.iter().map(|(subject, _)| (*subject).clone()).collect();
        let now = self.now_ms();
        let record = self.store.call(move |store| {
            for told in told.chunks(MAX_ROWS) {
                store.tell(told, &[], now)?;
            }
            for over in over.chunks(MAX_ROWS) {
                store.tell(&[], over, now)?;
            }
            Ok(())
        });
        record.await.map_err(|error| error.to_string())
    }

    /// All that is wrong at this moment.
    async fn wrong(&self, silence_ms: i64, told: &[String]) -> Result<(Standing, Wrong)> {
        let standing = self.standing().await?;
        let mut wrong = Wrong::new();
        sides(&standing, &mut wrong);
        for lane in &standing.lanes {
            let name = lane.external.clone();
            let some = self.store.call(move |store| Ok((store.parked(&name, NAMED)?, store.halted(&name, NAMED)?)));
            let (parked, halted) = some.await?;
            tickets(lane, &parked, &halted, &mut wrong);
            let silent_ms = self.silent_ms(lane).await?;
            let subject = format!("silent {}", lane.external);
            let is_explained = self.is_explained(&standing, lane) && !told.contains(&subject);
            if silent_ms > silence_ms && !is_explained {
                wrong.insert(subject, silence(lane, silent_ms));
            }
        }
        Ok((standing, wrong))
    }

    /// For how long tickets have waited without that any got through. One that alone is refused says nothing
    /// of the others: it is parked in its time.
    async fn silent_ms(&self, lane: &LaneStanding) -> Result<i64> {
        let alone = self.suspensions().refused_alone(&lane.external);
        let (name, now_ms) = (lane.external.clone(), self.now_ms());
        let limit = alone.len() + lane.tally.parked as usize + 1;
        let rows = self.store.call(move |store| store.queue(Some(&name), limit.min(MAX_ROWS), now_ms)).await?;
        let waits = |row: &&QueueRow| !row.parked && !alone.contains(&row.of.ticket);
        let waits_ms = rows.iter().find(waits).map_or(0, |row| now_ms - row.dirty_since_ms);
        Ok(waits_ms.min(now_ms - lane.through_ms.unwrap_or(self.started_ms)))
    }

    /// A side that is down or stands still is an alert of its own.
    fn is_explained(&self, standing: &Standing, lane: &LaneStanding) -> bool {
        standing.sides.iter().any(|side| {
            let concerns = side.name == lane.external || side.name == self.internal.name;
            concerns && (side.down.is_some() || side.stopped.is_some())
        })
    }

    /// What was told and is not seen any more is over, unless this process has not had the occasion to see it.
    fn is_over(&self, subject: &str, standing: &Standing) -> bool {
        let Some((kind, name)) = subject.split_once(' ') else { return true };
        match kind {
            "down" => standing.sides.iter().find(|side| side.name == name).is_none_or(|side| side.answers),
            "silent" => standing
                .lanes
                .iter()
                .find(|lane| lane.external == name)
                .is_none_or(|lane| lane.through_ms.is_some() || lane.tally.waiting == 0),
            "suspended" => self.now_ms() - self.started_ms > self.timing.refused_together_ms,
            _ => true,
        }
    }

    async fn post(&self, alerts: &Alerts, lines: &[(&str, &str, String)]) -> std::result::Result<(), String> {
        let text = lines.iter().map(|(_, _, text)| text.as_str()).collect::<Vec<_>>().join("\n");
        let each: Vec<_> = lines
            .iter()
            .map(|(event, subject, text)| json!({ "event": event, "subject": subject, "text": text }))
            .collect();
        let body = json!({ "text": text, "bridge": self.server, "alerts": each }).to_string();
        let mut request = http::Request::new(Body::empty());
        *request.method_mut() = http::Method::POST;
        let url = alerts.webhook_url.expose_secret();
        *request.uri_mut() = url.parse().map_err(|_| "[alerts].webhook_url is no URL".to_owned())?;
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        request.extensions_mut().insert(MaxAnswerBytes(ANSWER_BYTES));
        request.body_mut().push(Bytes::from(body));
        let progress = Progress::new();
        let answer = tokio::time::timeout(POST_TIMEOUT, alerts.transport.send(request, &progress)).await;
        match answer {
            Err(_) => Err("[alerts].webhook_url did not answer".to_owned()),
            // The error's words may hold the address, which is a secret.
            Ok(Err(error)) => Err(format!("[alerts].webhook_url: {}", error.to_string().replace(url, "…"))),
            Ok(Ok(answer)) if answer.status().is_success() => Ok(()),
            Ok(Ok(answer)) => Err(format!("[alerts].webhook_url answered HTTP {}", answer.status())),
        }
    }
}

fn sides(standing: &Standing, wrong: &mut Wrong) {
    for side in &standing.sides {
        let name = &side.name;
        if let Some(down) = &side.down {
            let text =
                format!("{name} is down: {}. It is tried once a minute; nothing is lost meanwhile.", down.reason);
            wrong.insert(format!("down {name}"), Alert { event: "side_down", text });
        }
        // What an operator has paused is no news to him.
        if let Some(reason) = side.stopped.as_ref().filter(|reason| *reason != PAUSED) {
            let text = format!("{name} has halted: {reason}. It goes on by `itop-bridge resume {name}`.");
            wrong.insert(format!("stopped {name}"), Alert { event: "side_halted", text });
        }
    }
    for trouble in &standing.suspended {
        // That a side is down is said above.
        if !matches!(trouble.cause, Cause::Down { .. }) {
            let subject = format!("suspended {}", trouble.cause);
            wrong.insert(subject, Alert { event: "suspended", text: trouble.to_string() });
        }
    }
}

fn tickets(lane: &LaneStanding, parked: &[Parked], halted: &[Halted], wrong: &mut Wrong) {
    let external = &lane.external;
    for ticket in parked {
        let name = format!("{external}:{}", ticket.reference.clone().unwrap_or(ticket.of.ticket.to_string()));
        let text = format!(
            "{name} is parked: {}. It is tried again by itself after 1 h, 6 h, then daily, or now by `itop-bridge retry {name}`.",
            ticket.error
        );
        let subject = format!("parked {external}:{}", ticket.of.ticket);
        wrong.insert(subject, Alert { event: "parked", text });
    }
    for pair in halted {
        let name = format!("{external}:{}", pair.reference);
        let text = format!(
            "{name} has halted: {}. Look at it with `itop-bridge links show {name}`; it goes on by `itop-bridge resume {name}`.",
            pair.why
        );
        wrong.insert(format!("halted {}", pair.link), Alert { event: "halted", text });
    }
    for (what, event, count) in [("parked", "parked", lane.tally.parked), ("halted", "halted", lane.tally.halted)] {
        if count > NAMED as u64 {
            let text = format!("{count} tickets of {external} are {what}: `itop-bridge links list` names them.");
            wrong.insert(format!("many {what} {external}"), Alert { event, text });
        }
    }
}

/// Tickets wait and none gets through, while nothing else explains it.
fn silence(lane: &LaneStanding, silent_ms: i64) -> Alert {
    let text = format!(
        "Nothing of {} has got through for {}, and {} tickets wait: `itop-bridge links list` and the log say why.",
        lane.external,
        long(silent_ms),
        lane.tally.waiting
    );
    Alert { event: "silence", text }
}

/// A side that is back, and tickets that get through again, are said; a ticket that goes on is seen in iTop.
fn said_when_over(subject: &str) -> Option<String> {
    let (kind, name) = subject.split_once(' ')?;
    match kind {
        "down" => Some(format!("{name} is back.")),
        "stopped" => Some(format!("{name} goes on.")),
        "silent" => Some(format!("Tickets of {name} get through again.")),
        _ => None,
    }
}
