//! Alerts: each trouble is posted once, when it begins, and a side's once more when it is over.
//!
//! What is wrong is read anew each time and compared with what was told, which the store keeps: so a restart
//! tells nothing twice, a post that failed is made again, and nothing depends on who noticed what when.
//! After a crash between a post and its record, that one post is made twice.

mod post;
mod wrong;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use itop_bridge_store::MAX_ROWS;
use itop_client::Transport;
use secrecy::SecretString;

use crate::Shared;

/// Tickets of one external named in alerts at a time; of the others the number is said.
const NAMED: usize = 20;

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

/// What is posted of one trouble.
struct Line<'a> {
    event: &'a str,
    subject: &'a str,
    text: String,
}

/// What one process has seen and told.
#[derive(Default)]
struct Watcher {
    /// Told already, also where the store could not record it.
    told: BTreeSet<String>,
    /// When something else last explained that nothing of this external gets through.
    explained_ms: BTreeMap<String, i64>,
}

/// Runs for ever.
pub async fn run(shared: Arc<Shared>) {
    let (mut failing, mut watcher, mut stops) = (false, Watcher::default(), None);
    loop {
        shared.clock.sleep(shared.timing.watch_ms).await;
        shared.metrics.upkeep();
        let stored = shared.store_hooks().await.map_err(|error| error.to_string());
        // Where the store does not answer, what follows says so.
        let _ = shared.tell_of_stops(&mut stops).await;
        let watched = shared.alert(&mut watcher).await.and(stored);
        match watched {
            Ok(()) => failing = false,
            Err(error) if !failing => {
                failing = true;
                tracing::warn!(error, "an alert could not be posted or recorded; it is tried again");
            }
            Err(_) => {}
        }
    }
}

impl Shared {
    /// Posts what is new, and what is over.
    async fn alert(&self, watcher: &mut Watcher) -> Result<(), String> {
        let Some(alerts) = &self.alerts else { return Ok(()) };
        let told = self.store.call(|store| store.told()).await.map_err(|error| error.to_string())?;
        watcher.told.extend(told);
        let wrong = self.wrong(alerts.silence_ms, watcher).await;
        let (standing, wrong) = wrong.map_err(|error| error.to_string())?;
        let mut over = Vec::new();
        for subject in watcher.told.iter().filter(|subject| !wrong.contains_key(*subject)) {
            if self.is_over(subject, &standing).await.map_err(|error| error.to_string())? {
                over.push(subject.clone());
            }
        }
        let news: Vec<String> = wrong.keys().filter(|subject| !watcher.told.contains(*subject)).cloned().collect();
        let mut lines: Vec<Line<'_>> = Vec::new();
        for subject in &news {
            let Alert { event, text } = wrong[subject].clone();
            lines.push(Line { event, subject, text });
        }
        for subject in &over {
            lines.extend(said_when_over(subject).map(|text| Line { event: "over", subject, text }));
        }
        if !lines.is_empty() {
            let posted = self.post(alerts, &lines).await;
            self.metrics.alert(posted.is_ok());
            posted?;
        }
        watcher.told.extend(news.iter().cloned());
        watcher.told.retain(|subject| !over.contains(subject));
        self.record(news, over).await
    }

    async fn record(&self, news: Vec<String>, over: Vec<String>) -> Result<(), String> {
        let now = self.now_ms();
        let record = self.store.call(move |store| {
            for told in news.chunks(MAX_ROWS) {
                store.tell(told, &[], now)?;
            }
            for over in over.chunks(MAX_ROWS) {
                store.tell(&[], over, now)?;
            }
            Ok(())
        });
        record.await.map_err(|error| error.to_string())
    }
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
