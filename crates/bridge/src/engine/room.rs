//! How much of a text an iTop takes. Its checks count characters and its columns hold bytes; tables in `utf8mb3` lack
//! the characters beyond the basic plane. The usual limits are known; those of a changed data model or an old database
//! are learnt from the first refusal, and kept in the store.

use std::collections::BTreeMap;

use itop_client::ValueFault;
use serde::{Deserialize, Serialize};

use super::Shared;
use super::failure::Failure;
use super::itop::Itop;
use crate::store::{Instance, Store, StoreError};

/// The store's name of what was learnt.
const CURSOR: &str = "room";

/// What iTop and MySQL give a long text, in characters and in bytes (recorded on 3.1.2 and 3.2.0).
const LONG_TEXT: usize = 65_535;

/// Learning it again costs one refused call.
const KEPT_MS: i64 = 24 * 60 * 60 * 1000;

/// Less is no text that is worth cutting.
const LEAST: usize = 16;

/// Between what is sent and what iTop makes of it there may be so much more: a tag around it, an entity.
const MARGIN: usize = 64;

/// What iTop gives a text of one line, such as a title.
const LINE: usize = 255;

/// A text that an attribute of one line may have.
pub fn is_a_line(text: &str) -> bool {
    text.chars().take(LINE + 1).count() <= LINE
}

/// What one attribute takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    pub chars: usize,
    pub bytes: usize,
    /// Characters beyond the basic plane become `?`.
    pub basic_plane_only: bool,
}

impl Default for Room {
    fn default() -> Room {
        Room { chars: LONG_TEXT, bytes: LONG_TEXT, basic_plane_only: false }
    }
}

impl Room {
    pub fn holds(&self, text: &str) -> bool {
        text.len() <= self.bytes && (text.len() <= self.chars || text.chars().count() <= self.chars)
    }

    /// What is left of the room after a value was refused, and what that shows of the attribute. `None` where less
    /// of the value would not help.
    pub fn after(self, sent: &str, fault: ValueFault) -> Option<(Room, Option<What>)> {
        let chars = sent.chars().count();
        let (room, learnt) = match fault {
            ValueFault::TooLong { found, limit } => {
                let left = if limit < chars {
                    limit
                } else {
                    // iTop makes more of it than was sent: `&` becomes `&amp;`.
                    (limit.saturating_mul(chars) / found.max(1)).min(chars - chars / 32)
                };
                (Room { chars: left, ..self }, (limit < self.chars).then_some(What::Chars(limit)))
            }
            ValueFault::TooManyBytes => {
                let bytes = sent.len() / 4 * 3;
                let grows = sent.bytes().filter(|byte| matches!(byte, b'&' | b'<' | b'>')).count() * 4;
                (Room { bytes, ..self }, (sent.len() + grows <= self.bytes).then_some(What::Bytes(bytes)))
            }
            ValueFault::Characters if !self.basic_plane_only => {
                (Room { basic_plane_only: true, ..self }, Some(What::BasicPlaneOnly))
            }
            ValueFault::Characters | ValueFault::NotAllowed => return None,
        };
        (room != self && room.chars >= LEAST && room.bytes >= LEAST).then_some((room, learnt))
    }

    /// The same where the whole call was too large, of which the longest text has so many bytes. Less of the longest
    /// makes it smaller; less of a short one would not.
    pub fn after_too_large(self, sent: &str, longest: usize) -> Option<Room> {
        let bytes = sent.len() / 2;
        let is_worth_it = !is_a_line(sent) && sent.len() > longest / 2;
        (is_worth_it && bytes < self.bytes).then_some(Room { bytes, ..self })
    }

    /// As much as a text that has to be cut may have.
    pub fn to_cut_to(self) -> Room {
        let less = |limit: usize| limit.saturating_sub(MARGIN.min(limit / 8));
        Room { chars: less(self.chars), bytes: less(self.bytes), ..self }
    }
}

/// What was learnt of the attributes of a side, by class and code.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LearntRoom(BTreeMap<String, Learnt>);

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Learnt {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    chars: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bytes: Option<usize>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    basic_plane_only: bool,
    /// When it was met last.
    at_ms: i64,
}

impl LearntRoom {
    pub fn kept(store: &mut dyn Store, of: &Instance) -> Result<LearntRoom, StoreError> {
        // What an older version wrote, or a newer one, is learnt again.
        Ok(store.cursor(of, CURSOR)?.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
    }

    pub fn of(&self, class: &str, code: &str) -> Room {
        let learnt = self.0.get(&name(class, code)).copied().unwrap_or_default();
        let usual = Room::default();
        Room {
            chars: learnt.chars.unwrap_or(usual.chars),
            bytes: learnt.bytes.unwrap_or(usual.bytes),
            basic_plane_only: learnt.basic_plane_only,
        }
    }

    fn learn(&mut self, class: &str, code: &str, what: What, now_ms: i64) {
        let learnt = self.0.entry(name(class, code)).or_default();
        learnt.at_ms = now_ms;
        match what {
            What::Chars(limit) => learnt.chars = Some(limit),
            What::Bytes(limit) => learnt.bytes = Some(limit),
            What::BasicPlaneOnly => learnt.basic_plane_only = true,
        }
    }

    /// A limit may have been raised, and a database converted: what was met long ago is tried once more.
    fn forget_before(&mut self, ms: i64) {
        self.0.retain(|_, learnt| learnt.at_ms >= ms);
    }

    /// The attributes that hold less than is usual, for the operator.
    pub fn smaller(&self) -> Vec<String> {
        let told = self.0.iter().filter_map(|(name, learnt)| match (learnt.chars, learnt.bytes) {
            (None, None) => None,
            (Some(chars), _) => Some(format!("{name} takes {chars} characters")),
            (None, Some(bytes)) => Some(format!("{name} takes no more than about {bytes} bytes")),
        });
        told.collect()
    }

    /// The attributes that hold the basic plane alone.
    pub fn without_wide_characters(&self) -> Vec<&str> {
        self.0.iter().filter(|(_, learnt)| learnt.basic_plane_only).map(|(name, _)| name.as_str()).collect()
    }
}

fn name(class: &str, code: &str) -> String {
    format!("{class}.{code}")
}

/// What a refusal has shown of an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    Chars(usize),
    Bytes(usize),
    BasicPlaneOnly,
}

impl Shared {
    pub(super) async fn learn_room(
        &self,
        itop: &Itop,
        class: &str,
        code: &str,
        what: What,
    ) -> std::result::Result<(), Failure> {
        let now = self.now_ms();
        let learnt = itop.learn_room(|room| room.learn(class, code, what, now));
        let side = &itop.name;
        match what {
            What::Chars(limit) => {
                tracing::warn!(itop = %side, class, code, limit, "this attribute takes fewer characters than is usual; longer texts are cut, and cross whole as files");
            }
            What::Bytes(limit) => {
                tracing::warn!(itop = %side, class, code, limit, "this attribute takes fewer bytes than is usual; longer texts are cut, and cross whole as files");
            }
            What::BasicPlaneOnly => {
                tracing::warn!(itop = %side, class, code, "this iTop's database (utf8mb3) does not have every character, such as emoji; they become `?` there");
            }
        }
        let (instance, text) = (itop.instance.clone(), serde_json::to_string(&learnt).unwrap_or_default());
        Ok(self.store.call(move |store| store.set_cursor(&instance, CURSOR, &text)).await?)
    }

    /// What an earlier process learnt.
    pub(super) async fn remember_room(&self) -> std::result::Result<(), Failure> {
        for itop in self.lanes.iter().map(|lane| &lane.external).chain([&self.internal]) {
            let instance = itop.instance.clone();
            let kept = self.store.call(move |store| LearntRoom::kept(store, &instance)).await?;
            itop.learn_room(|room| *room = kept);
        }
        self.forget_old_room();
        Ok(())
    }

    pub(super) fn forget_old_room(&self) {
        let before = self.now_ms() - KEPT_MS;
        for itop in self.lanes.iter().map(|lane| &lane.external).chain([&self.internal]) {
            itop.learn_room(|room| room.forget_before(before));
        }
    }
}

/// The text with a `?` for each character beyond the basic plane, also where it stands as a number in HTML.
pub fn in_the_basic_plane(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(|character| character > '\u{ffff}' || character == '&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let width =
            wide_reference(rest).or_else(|| rest.chars().next().filter(|it| *it > '\u{ffff}').map(char::len_utf8));
        match width {
            Some(width) => {
                out.push('?');
                rest = &rest[width..];
            }
            None => {
                out.push('&');
                rest = &rest[1..];
            }
        }
    }
    out + rest
}

/// The length of a `&#128293;` or `&#x1F525;` with which the text begins, where that is beyond the basic plane.
fn wide_reference(text: &str) -> Option<usize> {
    let digits = text.strip_prefix("&#")?;
    let end = digits.find(';').filter(|end| *end <= 9)?;
    let number = match digits[..end].strip_prefix(['x', 'X']) {
        Some(hexadecimal) => u32::from_str_radix(hexadecimal, 16),
        None => digits[..end].parse(),
    };
    number.ok().filter(|number| *number > 0xffff).map(|_| 2 + end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_beyond_the_basic_plane_becomes_a_question_mark() {
        assert_eq!(in_the_basic_plane("a 🔥 b &amp; 字 &#128293;&#x1F525;&#233; &# &"), "a ? b &amp; 字 ??&#233; &# &");
        assert_eq!(in_the_basic_plane("plain"), "plain");
    }

    #[test]
    fn a_text_has_room_by_its_characters_and_by_its_bytes() {
        let room = Room { chars: 10, bytes: 12, basic_plane_only: false };
        assert!(room.holds("abcdefghij") && room.holds("字字字字"));
        assert!(!room.holds("abcdefghijk") && !room.holds("字字字字字"));
    }

    #[test]
    fn what_is_left_after_a_text_was_too_long_is_less_than_was_sent_and_the_limit_is_learnt() {
        let after = |room: Room, chars: usize, found, limit| {
            let (room, learnt) = room.after(&"x".repeat(chars), ValueFault::TooLong { found, limit }).unwrap();
            (room.chars, learnt)
        };
        let of_300 = Room { chars: 300, ..Room::default() };
        assert_eq!(after(Room::default(), 5_000, 5_007, 1_000), (1_000, Some(What::Chars(1_000))));
        // iTop makes more of what was sent.
        assert_eq!(after(Room::default(), 295, 340, 300), (260, Some(What::Chars(300))));
        assert_eq!(after(of_300, 295, 340, 300), (260, None));
        assert_eq!(after(Room::default(), 65_000, 65_536, 65_535), (62_969, None));
    }

    #[test]
    fn of_a_call_that_is_too_large_the_longest_texts_give_way() {
        let left = |length: usize| {
            let room = Room::default().after_too_large(&"x".repeat(length), 60_000)?;
            Some(room.bytes)
        };
        let lengths = [60_000, 30_001, 30_000, 40, 255];
        assert_eq!(lengths.map(left), [Some(30_000), Some(15_000), None, None, None]);
        assert_eq!(Room::default().after_too_large(&"字".repeat(255), 765), None);
        assert_eq!(Room::default().after_too_large(&"字".repeat(256), 768).map(|room| room.bytes), Some(384));
    }

    #[test]
    fn what_was_learnt_is_read_again() {
        let mut learnt = LearntRoom::default();
        learnt.learn("UserRequest", "description", What::Chars(300), 7);
        learnt.learn("UserRequest", "title", What::BasicPlaneOnly, 8);
        let read: LearntRoom = serde_json::from_str(&serde_json::to_string(&learnt).unwrap()).unwrap();
        assert_eq!(
            (read.of("UserRequest", "description").chars, read.of("Incident", "description").chars),
            (300, 65_535)
        );
        assert_eq!((read.without_wide_characters(), read.smaller().len()), (vec!["UserRequest.title"], 1));
        learnt.forget_before(8);
        assert_eq!((learnt.without_wide_characters().len(), learnt.smaller().len()), (1, 0));
    }
}
