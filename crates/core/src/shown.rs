//! The `Debug` output of iTop's data. The secret of an inline image loads it without a log-in, so no secret is shown,
//! neither one stored by itself nor one in an image's address.

use std::collections::BTreeMap;
use std::fmt::{Debug, Formatter, Result};

use crate::caselog::BatchContent;
use crate::document::Line;
use crate::link::{Creation, Edit, LeftOut, SideAncestor};

impl Debug for BatchContent {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            BatchContent::Text(text) => f.debug_tuple("Text").field(text).finish(),
            BatchContent::Image { id, .. } => f.debug_struct("Image").field("id", id).finish_non_exhaustive(),
        }
    }
}

impl Debug for SideAncestor {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let SideAncestor { made, made_before, status, seen, fields } = self;
        let fields = shown(fields);
        f.debug_struct("SideAncestor")
            .field("made", made)
            .field("made_before", made_before)
            .field("status", status)
            .field("seen", seen)
            .field("fields", &fields)
            .finish()
    }
}

impl Debug for Creation {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let Creation { until_ms, highest_before, since_ms, fields, tries, status } = self;
        f.debug_struct("Creation")
            .field("until_ms", until_ms)
            .field("highest_before", highest_before)
            .field("since_ms", since_ms)
            .field("fields", &shown(fields))
            .field("tries", tries)
            .field("status", status)
            .finish()
    }
}

impl Debug for Edit {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let Edit { code, value, may_be_ours } = self;
        let value = without_secrets(value);
        f.debug_struct("Edit").field("code", code).field("value", &value).field("may_be_ours", may_be_ours).finish()
    }
}

impl Debug for LeftOut {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let LeftOut { on, code, value } = self;
        let value = without_secrets(value);
        f.debug_struct("LeftOut").field("on", on).field("code", code).field("value", &value).finish()
    }
}

impl Debug for Line {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let Line { state, date, seen_ms, solution, reason, reason_of_ours, reopened, is_last, words } = self;
        let shown = |text: &Option<String>| text.as_deref().map(without_secrets);
        f.debug_struct("Line")
            .field("state", state)
            .field("date", date)
            .field("seen_ms", seen_ms)
            .field("solution", &shown(solution))
            .field("reason", &shown(reason))
            .field("reason_of_ours", &shown(reason_of_ours))
            .field("reopened", reopened)
            .field("is_last", is_last)
            .field("words", words)
            .finish()
    }
}

fn shown(fields: &BTreeMap<String, String>) -> BTreeMap<&str, String> {
    fields.iter().map(|(code, text)| (code.as_str(), without_secrets(text))).collect()
}

/// An image's tag as iTop writes it holds its secret twice: in an attribute and in the address
/// (`…download_inlineimage&id=5&s=SECRET`, with `&amp;` where it is escaped; 3.1.2 and 3.2.0). A piece from a `<` to
/// the last `>` before the next `<` is left out if it holds one.
fn without_secrets(text: &str) -> String {
    let mut pieces = text.split('<');
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let lower = piece.to_ascii_lowercase();
        let after = if lower.contains("data-img-") || lower.contains("download_inlineimage") {
            out.push_str("<…>");
            piece.rsplit_once('>').map_or("", |(_, after)| after)
        } else {
            out.push('<');
            piece
        };
        out.push_str(after);
    }
    out
}
