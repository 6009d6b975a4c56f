//! The remainder of a pair that has long been closed: its keys, the identities of its files and log entries, and a
//! fingerprint of each long text. Later decisions about the pair come out as before: the texts are only ever
//! compared.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::Link;
use crate::text;

/// Values up to this length are no longer than their fingerprint.
const SHORT: usize = 80;

const PREFIX: &str = "sha256:";

impl Link {
    /// Shrinks a pair that ended long ago: whatever was open then has settled, and nobody waits for it.
    pub fn shrink_ended(&mut self) {
        (self.in_flight.late, self.in_flight.owed, self.in_flight.contested_edits, self.in_flight.plain) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        (self.in_flight.path, self.in_flight.sending, self.in_flight.creation) = (None, None, None);
        (self.open.held, self.open.heavy) = (Vec::new(), Vec::new());
        self.shrink_agreed();
    }

    /// Replaces the long texts that both sides agreed on by their fingerprints. A pair with anything open stays as it
    /// is; returns whether it was shrunk.
    pub fn shrink(&mut self) -> bool {
        if self.has_anything_open() {
            return false;
        }
        self.shrink_agreed();
        true
    }

    fn shrink_agreed(&mut self) {
        for side in [&mut self.ancestor.external, &mut self.ancestor.internal] {
            shrink_texts(&mut side.fields);
        }
        for enclosure in &mut self.files.enclosures {
            enclosure.shrink();
        }
        // Their webhooks came long ago.
        self.files.deleted.clear();
        self.files.removed.clear();
    }

    fn has_anything_open(&self) -> bool {
        self.internal.is_none()
            || self.in_flight.creation.is_some()
            || self.in_flight.path.is_some()
            || self.in_flight.sending.is_some()
            || self.course.halt.is_some()
            || self.course.resumed
            || !self.in_flight.late.is_empty()
            || !self.in_flight.owed.is_empty()
            || !self.in_flight.contested_edits.is_empty()
            || !self.in_flight.plain.is_empty()
            || self.owes_enclosures()
            || self.logs.iter().any(|log| log.batches().next().is_some() || log.halt.is_some())
            || !self.open.held.is_empty()
    }
}

/// A title is short, and only the part of it that is not cut off is compared.
fn shrink_texts(fields: &mut BTreeMap<String, String>) {
    for (code, value) in fields.iter_mut() {
        if code != "title" && value.len() > SHORT && !is_fingerprint(value) {
            *value = fingerprint(value);
        }
    }
}

/// Whether `now` is the agreed text of which only the fingerprint is kept.
pub fn is_as_agreed(agreed: &str, now: &str) -> bool {
    is_fingerprint(agreed) && agreed == fingerprint(now)
}

fn is_fingerprint(value: &str) -> bool {
    value.strip_prefix(PREFIX).is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

pub(super) fn fingerprint(value: &str) -> String {
    format!("{PREFIX}{}", text::hex(&Sha256::digest(text::unescaped_amps(value).as_bytes())))
}
