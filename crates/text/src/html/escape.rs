//! Escapes what would become a tag when tags around it are removed.

use lol_html::doc_text;
use lol_html::html_content::{ContentType, TextType};

/// `<<figure>img src=…>`: a bare `<` before a removed tag must not form a tag with the text behind it. The content of
/// a drawing's `<![CDATA[`, which without the drawing is a comment up to its first `>`, must not end that comment.
pub(super) fn no_tag_begins_in_text<'h>() -> lol_html::DocumentContentHandlers<'h> {
    doc_text!(|chunk| {
        let escaped = match chunk.text_type() {
            TextType::Data if chunk.as_str().contains('<') => chunk.as_str().replace('<', "&lt;"),
            TextType::CDataSection => chunk.as_str().replace('<', "&lt;").replace('>', "&gt;"),
            _ => return Ok(()),
        };
        chunk.replace(&escaped, ContentType::Html);
        Ok(())
    })
}

/// A tag cut off by the text's end is no tag here, but might be one to a later reader.
pub(crate) fn escape_unfinished_tag(mut html: String) -> String {
    let ended = html.rfind('>').map_or(0, |last| last + 1);
    if html[ended..].contains('<') {
        let tail = html.split_off(ended);
        html.push_str(&tail.replace('<', "&lt;"));
    }
    html
}
