//! The entries of a case log: iTop gives them no id, so their content identifies them.

use std::collections::HashMap;

use itop_bridge_core::caselog::{Entry, EntryKey};
use itop_bridge_core::text::hex;
use itop_client::LogEntry;
use sha2::{Digest, Sha256};

use crate::html;

/// A log's entries, each with its key.
pub fn entries(log: Vec<LogEntry>) -> Vec<Entry> {
    let mut met: HashMap<(String, u64, String), u32> = HashMap::new();
    let keyed = log.into_iter().map(|entry| {
        let words = html::without_image_addresses(&entry.message_html);
        let hash = short_hash(words.as_bytes());
        let nth = met.entry((entry.date.clone(), entry.user_id, hash.clone())).or_default();
        let author = Some(short_hash(entry.user_login.as_bytes()));
        let key = EntryKey { date: entry.date, user_id: entry.user_id, hash, nth: *nth, author, fresh_until_ms: None };
        *nth += 1;
        Entry { key, author: entry.user_login, html: entry.message_html }
    });
    keyed.collect()
}

/// Long enough to tell the entries of one log apart, and short: it stands in marks.
fn short_hash(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes)[..8])
}
