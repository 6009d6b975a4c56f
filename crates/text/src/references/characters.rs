//! The characters of an HTML text without its tags, each with its place in the source.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;

use itop_bridge_core::words::{Journey, Replacement};
use lol_html::{RewriteStrSettings, doc_text, element, rewrite_str};

use super::is_anchor_that_goes;

/// The characters of an HTML text without its tags, and the position of each.
#[derive(Default)]
pub(super) struct Text {
    pub(super) characters: String,
    /// In order; between two there may be the line break of a block.
    pieces: Vec<Piece>,
    chunks: usize,
    /// The content of removed anchors, as ranges of `characters`.
    anchors: Vec<Range<usize>>,
}

/// Characters that stand in one chunk of the text as they are, or one that stands there as a reference (`&#91;`).
struct Piece {
    /// In `Text::characters`.
    at: Range<usize>,
    /// The number of the chunk of text that it is in.
    chunk: usize,
    /// In that chunk.
    source: Range<usize>,
}

impl Piece {
    /// The range in its chunk of these of its characters.
    fn source_of(&self, at: &Range<usize>) -> Range<usize> {
        if self.at.len() != self.source.len() {
            return self.source.clone();
        }
        let (start, end) = (self.at.start.max(at.start), self.at.end.min(at.end));
        self.source.start + (start - self.at.start)..self.source.start + (end - self.at.start)
    }
}

/// The edits per chunk: ranges to remove, each with the words that replace it.
pub(super) type Edits = BTreeMap<usize, Vec<(Range<usize>, String)>>;

impl Text {
    pub(super) fn of(html: &str, journey: &Journey<'_>) -> Option<Text> {
        let text = Rc::new(RefCell::new(Text::default()));
        let tags = element!("*", |tag| {
            let mut now = text.borrow_mut();
            if is_block(&tag.tag_name()) {
                now.characters.push('\n');
            }
            if is_anchor_that_goes(tag, journey) {
                let (at, starts) = (now.anchors.len(), now.characters.len());
                now.anchors.push(starts..starts);
                let text = text.clone();
                // An anchor that never ends encloses nothing.
                let _ = tag.on_end_tag(Box::new(move |_| {
                    let mut now = text.borrow_mut();
                    now.anchors[at].end = now.characters.len();
                    Ok(())
                }));
            }
            Ok(())
        });
        let collect = doc_text!(|chunk| {
            text.borrow_mut().push(chunk.as_str());
            Ok(())
        });
        let settings = RewriteStrSettings::new()
            .with_strict(false)
            .append_element_content_handler(tags)
            .append_document_content_handler(collect);
        rewrite_str(html, settings).ok()?;
        Some(text.take())
    }

    fn push(&mut self, chunk: &str) {
        let mut from = 0;
        while from < chunk.len() {
            if let Some((character, length)) = reference(&chunk[from..]) {
                self.push_piece(character.encode_utf8(&mut [0; 4]), from..from + length);
                from += length;
                continue;
            }
            let after_first = from + chunk[from..].chars().next().map_or(1, char::len_utf8);
            let end = chunk[after_first..].find('&').map_or(chunk.len(), |at| after_first + at);
            self.push_piece(&chunk[from..end], from..end);
            from = end;
        }
        self.chunks += 1;
    }

    fn push_piece(&mut self, shown: &str, source: Range<usize>) {
        let start = self.characters.len();
        // A line break in the source is not one in the shown text.
        self.characters.extend(shown.chars().map(|c| if matches!(c, '\n' | '\r' | '\t') { ' ' } else { c }));
        self.pieces.push(Piece { at: start..self.characters.len(), chunk: self.chunks, source });
    }

    /// The anchors whose own words name a ticket, except where a link in iTop's notation extends beyond them.
    pub(super) fn anchors_to_replace(&self, journey: &Journey<'_>, others: &[Replacement]) -> Vec<Replacement> {
        let mut found: Vec<Replacement> = Vec::new();
        for at in &self.anchors {
            let words = &self.characters[at.clone()];
            let told = journey.words_of_anchor(words);
            let next = others.partition_point(|other| other.at.end <= at.start);
            let mut overlapping = others[next..].iter().take_while(|other| other.at.start < at.end);
            let holds = |other: &Replacement| at.start <= other.at.start && other.at.end <= at.end;
            let is_apart = overlapping.all(holds) && found.last().is_none_or(|before| before.at.end <= at.start);
            if told != words && is_apart {
                found.push(Replacement { at: at.clone(), words: told.to_owned() });
            }
        }
        found
    }

    pub(super) fn edits(&self, replacements: &[Replacement]) -> Edits {
        let mut edits = Edits::new();
        for Replacement { at, words } in replacements {
            let mut words = Some(words.clone());
            let first = self.pieces.partition_point(|piece| piece.at.end <= at.start);
            for piece in self.pieces[first..].iter().take_while(|piece| piece.at.start < at.end) {
                let edit = (piece.source_of(at), words.take().unwrap_or_default());
                edits.entry(piece.chunk).or_default().push(edit);
            }
        }
        edits
    }
}

/// The character that a reference at the beginning of the text stands for, and the reference's length.
fn reference(text: &str) -> Option<(char, usize)> {
    let body = text.strip_prefix('&')?;
    let end = body.bytes().take(12).position(|byte| byte == b';')?;
    let name = &body[..end];
    let character = match name {
        "nbsp" => '\u{a0}',
        "lbrack" | "lsqb" => '[',
        "rbrack" | "rsqb" => ']',
        "colon" => ':',
        "vert" | "verbar" | "VerticalLine" => '|',
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)?
        }
    };
    Some((character, end + 2))
}

pub(super) fn decoded(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    while let Some(first) = rest.chars().next() {
        let (character, length) = reference(rest).unwrap_or((first, first.len_utf8()));
        out.push(character);
        rest = &rest[length..];
    }
    out
}

pub fn is_block(tag: &str) -> bool {
    matches!(
        tag,
        "p" | "br"
            | "div"
            | "li"
            | "td"
            | "th"
            | "tr"
            | "pre"
            | "blockquote"
            | "hr"
            | "h1"
            | "h2"
            | "h3"
            | "h4"
            | "h5"
            | "h6"
            | "ul"
            | "ol"
            | "table"
    )
}

pub(super) fn edited(chunk: &str, edits: &[(Range<usize>, String)]) -> String {
    let mut out = String::with_capacity(chunk.len());
    let mut from = 0;
    for (range, words) in edits {
        out.push_str(&chunk[from..range.start]);
        out.push_str(&words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"));
        from = range.end;
    }
    out.push_str(&chunk[from..]);
    out
}
