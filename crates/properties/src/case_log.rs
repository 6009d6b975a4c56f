//! The value of a case log, and the marks in its entries.

use std::collections::{BTreeMap, BTreeSet};

use itop_bridge_core::caselog::{BatchKey, Difference, Entry, EntryKey, LogName, LogState};
use itop_bridge_core::{Side, TicketMark};
use itop_bridge_text::log_entries::entries;
use itop_client::{FieldValue, LogEntry, Object};
use serde_json::Value;

/// Each entry has a key of its own that stays the same; what was delivered is not new, whatever else went, came or
/// moved; and what a mark says is read back.
pub fn case_log(attribute: &[u8]) {
    let log = read(attribute);
    for entry in &log {
        a_mark_is_read_back(&entry.message);
    }
    let present = entries(log.clone());
    assert_eq!(present.len(), log.len());
    let keys: Vec<EntryKey> = present.iter().map(|entry| entry.key.clone()).collect();
    assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), keys.len(), "two entries have one key");
    what_differs_is_told(&log, &keys);
    a_batch_key_names_its_entry(&present);
}

/// JSON as iTop answers it; of anything else each line is an entry, in which `|` parts date, author and text.
fn read(attribute: &[u8]) -> Vec<LogEntry> {
    let text = String::from_utf8_lossy(attribute);
    if let Ok(json) = serde_json::from_str::<Value>(&text) {
        let fields = BTreeMap::from([("private_log".to_owned(), FieldValue::Json(json))]);
        let object = Object { class: "UserRequest".into(), id: 1, fields };
        return object.log("private_log").unwrap_or_default();
    }
    let entry = |line: &str| {
        let mut parts = line.splitn(3, '|');
        let date = parts.next().unwrap_or_default().to_owned();
        let user_id = parts.next().and_then(|id| id.parse().ok()).unwrap_or_default();
        let html = parts.next().unwrap_or_default().to_owned();
        LogEntry { date, user_login: "Claude Monet".into(), user_id, message: html.clone(), message_html: html }
    };
    text.lines().map(entry).collect()
}

fn delivered(keys: &[EntryKey]) -> LogState {
    LogState { delivered: keys.to_vec(), ..LogState::new(Side::External, LogName::Private) }
}

fn keys_of(log: Vec<LogEntry>) -> Vec<EntryKey> {
    entries(log).into_iter().map(|entry| entry.key).collect()
}

fn what_differs_is_told(log: &[LogEntry], keys: &[EntryKey]) {
    let nothing = Difference::of(&delivered(keys), keys);
    assert_eq!(nothing, Difference::default(), "what was delivered differs from itself");
    let all = Difference::of(&delivered(&[]), keys);
    assert_eq!((all.new.as_slice(), all.gone.len()), (keys, 0));
    let moved = log.iter().map(|entry| LogEntry { date: format!("{} +1", entry.date), ..entry.clone() }).collect();
    let moved = Difference::of(&delivered(keys), &keys_of(moved));
    assert_eq!((moved.new.len(), moved.gone.len()), (0, 0), "another zone makes an entry new");
    // iTop's own race loses one: any of them, so the middle one too.
    for lost in [0, log.len() / 2, log.len().saturating_sub(1)].into_iter().filter(|at| *at < log.len()) {
        let mut left = log.to_vec();
        left.remove(lost);
        let without = keys_of(left);
        let one_gone = Difference::of(&delivered(keys), &without);
        assert_eq!((one_gone.new.len(), one_gone.gone.len()), (0, 1), "entry {lost} went");
        let one_new = Difference::of(&delivered(&without), keys);
        assert_eq!((one_new.new.len(), one_new.gone.len()), (1, 0), "entry {lost} came");
    }
}

fn a_batch_key_names_its_entry(present: &[Entry]) {
    for (at, entry) in present.iter().enumerate() {
        let key = BatchKey::of(LogName::Private, at + 1, &entry.key);
        let read = BatchKey::read(&key.to_key()).expect("a key is read back");
        assert_eq!(read, key);
        assert_eq!(read.place_in(present), Some(at));
    }
}

fn a_mark_is_read_back(message: &str) {
    let Some(mark) = TicketMark::find(message) else { return };
    assert!(message.contains("[itop-bridge:"));
    assert_eq!(TicketMark::find(&mark.entry("R-000001")), Some(mark));
}
