//! How much text an attribute takes: iTop's checks count characters and its columns hold bytes; tables in `utf8mb3`
//! lack the characters beyond the basic plane.

use itop_client::ValueFault;

/// The limit of a long text in iTop and MySQL, in characters and in bytes (recorded on 3.1.2 and 3.2.0).
const LONG_TEXT: usize = 65_535;

/// A cut to less than this is not worth making.
const LEAST: usize = 16;

/// The most that iTop is expected to add to what is sent: a tag around it, an entity.
const MARGIN: usize = 64;

/// iTop's limit of a single-line text, such as a title.
const LINE: usize = 255;

/// Whether a single-line attribute can hold the text.
pub fn is_a_line(text: &str) -> bool {
    text.chars().take(LINE + 1).count() <= LINE
}

/// The limits of one attribute.
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

    /// The room after a value was refused, and what the refusal shows of the attribute. `None` if a shorter value
    /// would not help.
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

    /// The room after the whole call was too large; `longest` is the size of its longest text in bytes. Shortening
    /// the longest makes the call smaller; shortening a short one would not.
    pub fn after_too_large(self, sent: &str, longest: usize) -> Option<Room> {
        let bytes = sent.len() / 2;
        let is_worth_it = !is_a_line(sent) && sent.len() > longest / 2;
        (is_worth_it && bytes < self.bytes).then_some(Room { bytes, ..self })
    }

    /// The limit for a text that has to be cut.
    pub fn to_cut_to(self) -> Room {
        let less = |limit: usize| limit.saturating_sub(MARGIN.min(limit / 8));
        Room { chars: less(self.chars), bytes: less(self.bytes), ..self }
    }
}

/// A limit of an attribute that a refusal has shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    Chars(usize),
    Bytes(usize),
    BasicPlaneOnly,
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

/// The length of a `&#128293;` or `&#x1F525;` at the beginning of the text, if it is beyond the basic plane.
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
        // iTop makes more of it than was sent.
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
}
