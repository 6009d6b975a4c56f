//! Counters of the bridge's work, and their output for Prometheus.
//!
//! Counters begin at 0 with the process, as Prometheus expects. Present values (waiting tickets, sides that are down)
//! are read when the metrics are requested.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use itop_bridge_store::HookCount;
use itop_client::{CallEnd, ErrorClass, Observer, Operation};
use metrics::{Counter, Gauge, Key, KeyName, Label, Level, Metadata, Recorder, Unit};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use crate::refused::{self, ByRoute, Refused};

const HOOKS: &str = "itop_bridge_hooks_total";
const PASSES: &str = "itop_bridge_passes_total";
const WRITES: &str = "itop_bridge_writes_total";
const CALLS: &str = "itop_bridge_calls_total";
const CALL_SECONDS: &str = "itop_bridge_call_duration_seconds";
const SWEPT: &str = "itop_bridge_sweep_tickets_total";
const ALERTS: &str = "itop_bridge_alerts_total";
const BUILD: &str = "itop_bridge_build_info";
const WRONG_KEYS: &str = "itop_bridge_wrong_keys_total";

/// Upper bounds in seconds: iTop's start-up alone costs 0.08 s, a call is given up after 30 s of silence.
const BUCKETS: [f64; 10] = [0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 120.0];

const COUNTERS: [(&str, &str); 7] = [
    (HOOKS, "Webhooks that came, by side, kind (the end of the route) and answer."),
    (PASSES, "Passes over a ticket that ended, by external and result."),
    (WRITES, "Writes into an iTop, by side, kind and result."),
    (CALLS, "REST calls to an iTop, by side, operation and result."),
    (SWEPT, "Tickets that a sweep or an audit marked, by side."),
    (ALERTS, "Alerts posted, by result."),
    (
        WRONG_KEYS,
        "Requests without a valid key, by key (wrong, or missing as in a call of `check`) and status: 401, or 429 where many came from one address.",
    ),
];

/// Gauges, which the engine sets when the metrics are requested.
pub(crate) mod gauge {
    pub const WAITING: &str = "itop_bridge_queue_tickets";
    pub const OLDEST: &str = "itop_bridge_queue_oldest_seconds";
    pub const UNCARRIED: &str = "itop_bridge_uncarried_tickets";
    pub const PARKED: &str = "itop_bridge_parked_tickets";
    pub const LINKS: &str = "itop_bridge_links";
    pub const HALTED: &str = "itop_bridge_halted_links";
    pub const CONFLICTS: &str = "itop_bridge_conflicts";
    pub const THROUGH: &str = "itop_bridge_last_pass_timestamp_seconds";
    pub const UP: &str = "itop_bridge_side_up";
    pub const STOPPED: &str = "itop_bridge_side_stopped";
    pub const SUSPENDED: &str = "itop_bridge_suspensions";
    pub const LAST_HOOK: &str = "itop_bridge_last_hook_timestamp_seconds";
    pub const STORE_UP: &str = "itop_bridge_store_up";

    pub(crate) const ALL: [(&str, &str); 13] = [
        (WAITING, "Tickets in the queue that are not parked, by external."),
        (OLDEST, "Age of the oldest hint of a ticket that waits and is not parked, by external; 0 where none waits."),
        (UNCARRIED, "Tickets that wait, are not parked and have no counterpart yet, by external and class."),
        (PARKED, "Tickets that were refused for so long that they are left alone for a while, by external."),
        (LINKS, "Pairs, by external and state (live, ended)."),
        (HALTED, "Live pairs that have halted, or one of whose logs has, by external."),
        (
            CONFLICTS,
            "Conflicts of live pairs that nobody has settled yet, by external; what differed already when two became a pair is none.",
        ),
        (THROUGH, "When a pass last went through, by external; the process's start where none has."),
        (UP, "1 while the side answers, 0 while it is down (its breaker is open)."),
        (STOPPED, "1 while the side is halted, or paused by an operator."),
        (SUSPENDED, "Kinds of writes or reads that wait because they were refused."),
        (LAST_HOOK, "When the last webhook came, by side."),
        (STORE_UP, "1 while the store answers."),
    ];
}

/// The counters of one bridge. Nothing is global: two bridges in one process do not mix.
pub struct Metrics {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
    lately: Mutex<Lately>,
}

#[derive(Default)]
struct Lately {
    /// Webhooks that are not in the store yet.
    hooks: BTreeMap<(String, String), (u64, i64)>,
    /// Webhooks that were refused for their key and are not in the store yet.
    refused: ByRoute,
    /// External to the time of its last successful pass.
    through_ms: BTreeMap<String, i64>,
}

impl Lately {
    fn came(&mut self, side: &str, kind: &str, count: u64, last_ms: i64) {
        let (sum, latest_ms) = self.hooks.entry((side.to_owned(), kind.to_owned())).or_default();
        *sum += count;
        *latest_ms = last_ms.max(*latest_ms);
    }
}

/// How a webhook was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookAnswer {
    Accepted,
    /// It was valid, but there is nothing to do for it.
    Ignored,
    /// The caller did something wrong.
    Refused,
    /// The bridge could not take it.
    Unavailable,
}

impl Default for Metrics {
    fn default() -> Metrics {
        let builder = PrometheusBuilder::new();
        let builder = builder.set_buckets_for_metric(Matcher::Full(CALL_SECONDS.to_owned()), &BUCKETS);
        let recorder = builder.expect("there are buckets").build_recorder();
        for (name, text) in COUNTERS {
            recorder.describe_counter(name.into(), None, text.into());
        }
        for (name, text) in gauge::ALL {
            recorder.describe_gauge(name.into(), None, text.into());
        }
        let text = "How long calls to an iTop took, from sending to the answer's end, by side and operation.";
        recorder.describe_histogram(CALL_SECONDS.into(), Some(Unit::Seconds), text.into());
        recorder.describe_gauge(BUILD.into(), None, "1; `version` is the program's.".into());
        let build = [("version", env!("CARGO_PKG_VERSION"))];
        recorder.register_gauge(&key(BUILD, &build), &METADATA).set(1.0);
        Metrics { handle: recorder.handle(), recorder, lately: Mutex::default() }
    }
}

impl Metrics {
    /// In Prometheus' text format.
    pub fn render(&self) -> String {
        self.handle.run_upkeep();
        self.handle.render()
    }

    /// Keeps the data gathered between two renderings small.
    pub fn upkeep(&self) {
        self.handle.run_upkeep();
    }

    /// A webhook was answered. `side` is `None` if its key did not identify one.
    pub fn hook(&self, side: Option<&str>, kind: &'static str, answer: HookAnswer, now_ms: i64) {
        let word = match answer {
            HookAnswer::Accepted => "accepted",
            HookAnswer::Ignored => "ignored",
            HookAnswer::Refused => "refused",
            HookAnswer::Unavailable => "unavailable",
        };
        self.count(HOOKS, &[("side", side.unwrap_or("unknown")), ("kind", kind), ("answer", word)], 1);
        if let (Some(side), HookAnswer::Accepted | HookAnswer::Ignored) = (side, answer) {
            self.lately().came(side, kind, 1, now_ms);
        }
    }

    /// A webhook was refused for its key.
    pub fn refused_hook(&self, kind: &'static str, refused: Refused) {
        refused::merge(&mut self.lately().refused, ByRoute::from([(kind.to_owned(), refused)]));
    }

    /// Takes the refused webhooks that are not in the store yet.
    pub fn take_refused(&self) -> ByRoute {
        std::mem::take(&mut self.lately().refused)
    }

    /// Returns them after the store failed.
    pub fn put_refused_back(&self, earlier: ByRoute) {
        let mut lately = self.lately();
        let later = std::mem::replace(&mut lately.refused, earlier);
        refused::merge(&mut lately.refused, later);
    }

    /// Takes the webhooks that are not in the store yet.
    pub fn take_hooks(&self) -> Vec<HookCount> {
        let taken = std::mem::take(&mut self.lately().hooks);
        let count = |((side, kind), (count, last_ms))| HookCount { side, kind, count, last_ms };
        taken.into_iter().map(count).collect()
    }

    /// Returns them after the store failed.
    pub fn put_back(&self, hooks: &[HookCount]) {
        let mut lately = self.lately();
        for hooks in hooks {
            lately.came(&hooks.side, &hooks.kind, hooks.count, hooks.last_ms);
        }
    }

    /// A pass ended; `through` means that nothing in it failed.
    pub fn pass(&self, external: &str, through: bool, now_ms: i64) {
        self.count(PASSES, &[("external", external), ("result", if through { "ok" } else { "failed" })], 1);
        if through {
            self.lately().through_ms.insert(external.to_owned(), now_ms);
        }
    }

    /// When a pass of this external last succeeded, in this process.
    pub fn last_through_ms(&self, external: &str) -> Option<i64> {
        self.lately().through_ms.get(external).copied()
    }

    pub fn swept(&self, side: &str, tickets: usize) {
        self.count(SWEPT, &[("side", side)], tickets as u64);
    }

    pub fn alert(&self, posted: bool) {
        self.count(ALERTS, &[("result", if posted { "ok" } else { "failed" })], 1);
    }

    pub(crate) fn set(&self, name: &'static str, labels: &[(&'static str, &str)], value: f64) {
        let gauge: Gauge = self.recorder.register_gauge(&key(name, labels), &METADATA);
        gauge.set(value);
    }

    /// A request came with a wrong key or without one; the two are counted apart. A caller without a key may only ask
    /// whether the bridge is there, as `check` does.
    pub fn wrong_key(&self, is_missing: bool, status: u16) {
        let key = if is_missing { "missing" } else { "wrong" };
        self.count(WRONG_KEYS, &[("key", key), ("status", &status.to_string())], 1);
    }

    fn count(&self, name: &'static str, labels: &[(&'static str, &str)], by: u64) {
        let counter: Counter = self.recorder.register_counter(&key(name, labels), &METADATA);
        counter.increment(by);
    }

    fn called(&self, side: &str, end: CallEnd<'_>) {
        let operation = end.asked.operation.name();
        let result = end.error.map_or("ok", word);
        self.count(CALLS, &[("side", side), ("operation", operation), ("result", result)], 1);
        self.took(side, operation, end.took);
        if let Some(kind) = write_kind(&end.asked.operation, &end.asked.class) {
            self.count(WRITES, &[("side", side), ("kind", kind), ("result", result)], 1);
        }
    }

    fn took(&self, side: &str, operation: &str, took: Duration) {
        let key = key(CALL_SECONDS, &[("side", side), ("operation", operation)]);
        self.recorder.register_histogram(&key, &METADATA).record(took.as_secs_f64());
    }

    fn lately(&self) -> MutexGuard<'_, Lately> {
        self.lately.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts the calls of one side's client.
pub fn observer(metrics: std::sync::Arc<Metrics>, side: &str) -> Observer {
    let side = side.to_owned();
    Observer::new(move |end| metrics.called(&side, end))
}

static METADATA: Metadata<'static> = Metadata::new("itop_bridge", Level::INFO, None);

fn key(name: &'static str, labels: &[(&'static str, &str)]) -> Key {
    let labels = labels.iter().map(|(name, value)| Label::new(*name, (*value).to_owned())).collect::<Vec<_>>();
    Key::from_parts(KeyName::from_const_str(name), labels)
}

/// The kind of a call's write; `None` if it only reads.
fn write_kind(operation: &Operation, class: &str) -> Option<&'static str> {
    let attachment = class == "Attachment";
    Some(match operation {
        Operation::Create if attachment => "attachment_create",
        Operation::Create => "ticket_create",
        Operation::Update if attachment => "attachment_update",
        Operation::Update => "ticket_update",
        Operation::ApplyStimulus => "stimulus",
        Operation::Delete => "attachment_delete",
        Operation::Get | Operation::ListOperations | Operation::InlineImage => return None,
        Operation::Other(_) => "other",
    })
}

fn word(class: &ErrorClass) -> &'static str {
    match class {
        ErrorClass::Transient => "transient",
        ErrorClass::Refused => "refused",
        ErrorClass::Rights { .. } => "rights",
        ErrorClass::Login => "login",
        ErrorClass::Stale => "stale",
        ErrorClass::Gone => "gone",
        ErrorClass::TooLarge => "too_large",
        ErrorClass::Throttled { .. } => "throttled",
        ErrorClass::OutOfMemory { .. } => "out_of_memory",
        ErrorClass::WrongAddress { .. } => "wrong_address",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_shown_with_its_help_and_labels() {
        let metrics = Metrics::default();
        metrics.hook(Some("acme"), "update-ticket", HookAnswer::Accepted, 5);
        metrics.hook(Some("acme"), "update-ticket", HookAnswer::Ignored, 9);
        metrics.hook(None, "update-ticket", HookAnswer::Refused, 10);
        metrics.pass("acme", true, 7);
        metrics.took("acme", "core/get", Duration::from_millis(80));
        metrics.set(gauge::UP, &[("side", "acme")], 1.0);
        metrics.wrong_key(true, 401);
        metrics.wrong_key(false, 429);
        let shown = metrics.render();
        for line in [
            "# HELP itop_bridge_build_info 1; `version` is the program's.",
            "itop_bridge_wrong_keys_total{key=\"missing\",status=\"401\"} 1",
            "itop_bridge_wrong_keys_total{key=\"wrong\",status=\"429\"} 1",
            "# TYPE itop_bridge_hooks_total counter",
            "itop_bridge_hooks_total{side=\"acme\",kind=\"update-ticket\",answer=\"accepted\"} 1",
            "itop_bridge_hooks_total{side=\"unknown\",kind=\"update-ticket\",answer=\"refused\"} 1",
            "itop_bridge_passes_total{external=\"acme\",result=\"ok\"} 1",
            "# TYPE itop_bridge_call_duration_seconds histogram",
            "itop_bridge_call_duration_seconds_bucket{side=\"acme\",operation=\"core/get\",le=\"0.1\"} 1",
            "itop_bridge_side_up{side=\"acme\"} 1",
        ] {
            assert!(shown.lines().any(|shown| shown == line), "{line} is missing in\n{shown}");
        }
        let came = HookCount { side: "acme".into(), kind: "update-ticket".into(), count: 2, last_ms: 9 };
        assert_eq!(metrics.take_hooks(), [came], "what was refused is no sign of life");
        assert_eq!(metrics.take_hooks(), [], "taken once");
        assert_eq!(metrics.last_through_ms("acme"), Some(7));
    }
}
