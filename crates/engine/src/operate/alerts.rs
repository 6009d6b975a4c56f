//! Alerts: each issue is posted once when it begins, and a side's once more when it is over.
//!
//! Each round reads the present issues and compares them with those already told, which the store keeps. So a restart
//! tells nothing twice, a failed post is repeated, and nothing depends on which task noticed what when. After a crash
//! between a post and its record, that one post is made twice.

mod post;
mod subject;
mod wrong;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use itop_bridge_store::MAX_ROWS;
use itop_client::Transport;
use secrecy::SecretString;

use crate::Shared;
use crate::operate::alerts::post::post;
use crate::operate::alerts::subject::Subject;
use crate::operate::alerts::wrong::is_over;
use crate::operate::measure::store_hooks;
use crate::operate::stops::tell_of_stops;

/// The most tickets of one external that alerts name at a time; beyond it they give the number.
const NAMED: usize = 20;

/// The target of alerts.
pub struct Alerts {
    /// A chat's webhook address is itself a key to the chat: it is shown nowhere.
    pub webhook_url: SecretString,
    /// Alert if tickets wait and none has got through for longer than this.
    pub silence_ms: i64,
    pub transport: Arc<dyn Transport>,
}

/// One present issue.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Alert {
    event: &'static str,
    text: String,
}

/// One post about an issue.
struct Line<'a> {
    event: &'a str,
    subject: &'a Subject,
    text: String,
}

/// What this process has seen and told.
#[derive(Default)]
struct Watcher {
    /// Already told, even if the store could not record it.
    told: BTreeSet<Subject>,
    /// When another issue last explained why nothing of this external gets through.
    explained_ms: BTreeMap<String, i64>,
}

/// Runs forever.
pub async fn run(shared: Arc<Shared>) {
    let (mut failing, mut watcher, mut stops) = (false, Watcher::default(), None);
    loop {
        shared.clock.sleep(shared.timing.watch_ms).await;
        shared.metrics.upkeep();
        let stored = store_hooks(&shared).await.map_err(|error| error.to_string());
        // If the store does not answer, the next step reports it.
        let _ = tell_of_stops(&shared, &mut stops).await;
        let watched = alert(&shared, &mut watcher).await.and(stored);
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

/// Posts new issues, and those that are over.
async fn alert(shared: &Shared, watcher: &mut Watcher) -> Result<(), String> {
    let Some(alerts) = &shared.alerts else { return Ok(()) };
    let told = shared.store.call(|store| store.told()).await.map_err(|error| error.to_string())?;
    watcher.told.extend(told.iter().flat_map(|subject| subject.parse()));
    let wrong = wrong::wrong(shared, alerts.silence_ms, watcher).await;
    let (standing, wrong) = wrong.map_err(|error| error.to_string())?;
    let mut over = Vec::new();
    let lasts = |told: &&Subject| wrong.keys().any(|subject| subject.is_told_by(told));
    for subject in watcher.told.iter().filter(|told| !lasts(told)) {
        if is_over(shared, subject, &standing).await.map_err(|error| error.to_string())? {
            over.push(subject.clone());
        }
    }
    let is_told = |subject: &&Subject| watcher.told.iter().any(|told| subject.is_told_by(told));
    let news: Vec<Subject> = wrong.keys().filter(|subject| !is_told(subject)).cloned().collect();
    let mut lines: Vec<Line<'_>> = Vec::new();
    for subject in &news {
        let Alert { event, text } = wrong[subject].clone();
        lines.push(Line { event, subject, text });
    }
    for subject in &over {
        lines.extend(subject.said_when_over().map(|text| Line { event: "over", subject, text }));
    }
    if !lines.is_empty() {
        let posted = post(shared, alerts, &lines).await;
        shared.metrics.alert(posted.is_ok());
        posted?;
    }
    watcher.told.extend(news.iter().cloned());
    watcher.told.retain(|subject| !over.contains(subject));
    record(shared, news, over).await
}

async fn record(shared: &Shared, news: Vec<Subject>, over: Vec<Subject>) -> Result<(), String> {
    let kept = |subjects: Vec<Subject>| subjects.iter().map(Subject::to_string).collect::<Vec<String>>();
    let (news, over) = (kept(news), kept(over));
    let now = shared.now_ms();
    let record = shared.store.call(move |store| {
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
