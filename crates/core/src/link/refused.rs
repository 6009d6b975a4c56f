//! Values that the inside does not take: a conflict of their field, and of nothing else.

use serde::{Deserialize, Serialize};

use super::shrink::fingerprint;
use super::{Conflict, Link};

/// A value of the external side that the inside has refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedField {
    pub code: String,
    /// A fingerprint of what stands outside: another value is tried at once.
    source: String,
    /// iTop's own words.
    pub words: String,
    /// When it was refused for the first time.
    pub since_ms: i64,
    /// A pass from then on tries it again.
    pub again_at_ms: i64,
}

impl RefusedField {
    pub fn new(code: &str, source: &str, words: &str, now_ms: i64) -> RefusedField {
        RefusedField {
            code: code.to_owned(),
            source: fingerprint(source),
            words: words.to_owned(),
            since_ms: now_ms,
            again_at_ms: now_ms,
        }
    }

    pub fn is_of(&self, code: &str, source: &str) -> bool {
        self.code == code && self.source == fingerprint(source)
    }

    /// As it is shown to the operator.
    pub fn conflict(&self, internal: &str) -> Conflict {
        let text = format!(
            "{internal} does not take this value: {}; it is written when it changes outside, and tried again meanwhile",
            self.words
        );
        Conflict { about: self.code.clone(), text, is_older: false }
    }
}

impl Link {
    /// The refusal of just this value, where there was one.
    pub fn refused_value(&self, code: &str, source: &str) -> Option<&RefusedField> {
        self.refused.iter().find(|refused| refused.is_of(code, source))
    }

    /// Keeps a refusal in place of an earlier one of the same field. Of the same value, the time of its first counts.
    pub fn keep_refusal(&mut self, mut refused: RefusedField, wait_ms: impl FnOnce(i64) -> i64) {
        let now_ms = refused.since_ms;
        let earlier = self.refused.iter().find(|known| known.code == refused.code && known.source == refused.source);
        refused.since_ms = earlier.map_or(now_ms, |earlier| earlier.since_ms);
        refused.again_at_ms = now_ms + wait_ms(now_ms - refused.since_ms);
        self.refused.retain(|known| known.code != refused.code);
        self.refused.push(refused);
    }

    /// An operator wants them tried at once.
    pub fn try_refused_again(&mut self) {
        self.refused.iter_mut().for_each(|refused| refused.again_at_ms = i64::MIN);
    }
}
