//! Values that an iTop does not take: a conflict of their attribute, and of nothing else.

use serde::{Deserialize, Serialize};

use super::late::inside;
use super::shrink::fingerprint;
use super::{Conflict, Link};
use crate::text;
use crate::ticket::Side;

/// A value of one side's ticket that the other iTop has refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedField {
    /// The side that refused it.
    #[serde(default = "inside")]
    pub on: Side,
    pub code: String,
    /// A fingerprint of what stands on the other side: another value is tried at once.
    source: String,
    /// iTop's own words.
    pub words: String,
    /// When it was refused for the first time.
    pub since_ms: i64,
    /// A pass from then on tries it again.
    pub again_at_ms: i64,
    /// What was sent in its place with the stimulus that was to carry it.
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

    /// The same, where this was sent in its place.
    pub fn instead(self, in_place: &str) -> RefusedField {
        RefusedField { in_place: Some(in_place.to_owned()), ..self }
    }

    pub fn is_of(&self, on: Side, code: &str, source: &str) -> bool {
        self.is_at(on, code) && self.source == fingerprint(source)
    }

    pub fn is_at(&self, on: Side, code: &str) -> bool {
        self.on == on && self.code == code
    }

    /// Whether that stands there which was sent in its place: nobody has written anything else since.
    pub fn stands_in(&self, target: &str) -> bool {
        self.in_place.as_ref().is_some_and(|words| text::same_words_in_any_form(words, target))
    }

    /// As it is shown to the operator. `instance` is the iTop that refused it.
    pub fn conflict(&self, instance: &str) -> Conflict {
        let (words, place) = (&self.words, self.on.other().place());
        let text = format!(
            "{instance} does not take this value: {words}; it is written when it changes {place}, and tried again meanwhile"
        );
        Conflict { about: self.code.clone(), text, is_older: false }
    }
}

impl Link {
    /// The refusal of just this value, where there was one.
    pub fn refused_value(&self, on: Side, code: &str, source: &str) -> Option<&RefusedField> {
        self.refused.iter().find(|refused| refused.is_of(on, code, source))
    }

    /// The attribute holds what it should, or something that is not the bridge's.
    pub fn is_refused_no_more(&mut self, on: Side, code: &str) {
        self.refused.retain(|refused| !refused.is_at(on, code));
    }

    /// Keeps a refusal in place of an earlier one of the same attribute. Of the same value, the time of its first
    /// counts; and what was sent in the place of either still stands there.
    pub fn keep_refusal(&mut self, mut refused: RefusedField, wait_ms: impl FnOnce(i64) -> i64) {
        let now_ms = refused.since_ms;
        let earlier = self.refused.iter().find(|known| known.is_at(refused.on, &refused.code));
        let of_this_value = earlier.filter(|earlier| earlier.source == refused.source);
        refused.since_ms = of_this_value.map_or(now_ms, |earlier| earlier.since_ms);
        refused.in_place = refused.in_place.or_else(|| earlier.and_then(|earlier| earlier.in_place.clone()));
        refused.again_at_ms = now_ms + wait_ms(now_ms - refused.since_ms);
        self.is_refused_no_more(refused.on, &refused.code);
        self.refused.push(refused);
    }

    /// An operator wants them tried at once.
    pub fn try_refused_again(&mut self) {
        self.refused.iter_mut().for_each(|refused| refused.again_at_ms = i64::MIN);
    }
}
