//! Values that an iTop refuses: a conflict of their attribute, and of nothing else.

use serde::{Deserialize, Serialize};

use super::late::internal;
use super::shrink::fingerprint;
use super::{Conflict, Link};
use crate::text;
use crate::ticket::Side;

/// A value of one side's ticket that the other iTop has refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedField {
    /// The side that refused it.
    #[serde(default = "internal")]
    pub on: Side,
    pub code: String,
    /// A fingerprint of the value on the other side: another value is tried at once.
    source: String,
    /// iTop's own words.
    pub words: String,
    /// When the value was first refused.
    pub since_ms: i64,
    /// A pass tries it again from this moment on.
    pub again_at_ms: i64,
    /// The text that was sent in its place, with the stimulus that was to carry the value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_place: Option<String>,
}

impl RefusedField {
    pub fn new(on: Side, code: &str, source: &str, words: &str, now_ms: i64) -> RefusedField {
        RefusedField {
            on,
            code: code.to_owned(),
            source: fingerprint(source),
            words: words.to_owned(),
            since_ms: now_ms,
            again_at_ms: now_ms,
            in_place: None,
        }
    }

    /// This refusal, with the text that was sent in place of the value.
    pub fn instead(self, in_place: &str) -> RefusedField {
        RefusedField { in_place: Some(in_place.to_owned()), ..self }
    }

    pub fn is_of(&self, on: Side, code: &str, source: &str) -> bool {
        self.is_at(on, code) && self.source == fingerprint(source)
    }

    pub fn is_at(&self, on: Side, code: &str) -> bool {
        self.on == on && self.code == code
    }

    /// Whether the replacement still stands there: nobody has written anything else since.
    pub fn stands_in(&self, target: &str) -> bool {
        self.in_place.as_ref().is_some_and(|words| text::same_words_in_any_form(words, target))
    }

    /// The conflict as shown to the operator. `instance` is the iTop that refused the value.
    pub fn conflict(&self, instance: &str) -> Conflict {
        let (words, place) = (&self.words, self.on.other().place());
        let text = format!(
            "{instance} does not take this value: {words}; it is written when it changes {place}, and tried again meanwhile"
        );
        Conflict::new(&self.code, text)
    }
}

impl Link {
    /// The refusal of exactly this value, if there is one.
    pub fn refused_value(&self, on: Side, code: &str, source: &str) -> Option<&RefusedField> {
        self.open.refused.iter().find(|refused| refused.is_of(on, code, source))
    }

    /// The attribute holds the wanted value, or one that is not the bridge's.
    pub fn forget_refusal(&mut self, on: Side, code: &str) {
        self.open.refused.retain(|refused| !refused.is_at(on, code));
    }

    /// Stores a refusal, replacing an earlier one of the same attribute. For the same value, the time of its first
    /// refusal is kept; and a text that was sent in place of either value still stands there.
    pub fn keep_refusal(&mut self, mut refused: RefusedField, wait_ms: impl FnOnce(i64) -> i64) {
        let now_ms = refused.since_ms;
        let earlier = self.open.refused.iter().find(|known| known.is_at(refused.on, &refused.code));
        let of_this_value = earlier.filter(|earlier| earlier.source == refused.source);
        refused.since_ms = of_this_value.map_or(now_ms, |earlier| earlier.since_ms);
        refused.in_place = refused.in_place.or_else(|| earlier.and_then(|earlier| earlier.in_place.clone()));
        refused.again_at_ms = now_ms + wait_ms(now_ms - refused.since_ms);
        self.forget_refusal(refused.on, &refused.code);
        self.open.refused.push(refused);
    }

    /// An operator wants all refused values tried at once.
    pub fn try_refused_again(&mut self) {
        self.open.refused.iter_mut().for_each(|refused| refused.again_at_ms = i64::MIN);
    }
}
