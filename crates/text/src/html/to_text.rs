//! The readable text of HTML, and text as HTML.

use std::panic;

use lol_html::html_content::ContentType;
use lol_html::{RewriteStrSettings, element, rewrite_str};

use super::escape::no_tag_begins_in_text;
use super::links;

/// Text as HTML: escaped, with a paragraph per blank line and a break per line.
pub fn text_to_html(text: &str) -> String {
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace("\r\n", "\n");
    let paragraphs = escaped.split("\n\n").map(|paragraph| format!("<p>{}</p>", paragraph.replace('\n', "<br>")));
    paragraphs.collect::<Vec<_>>().join("\n")
}

/// The readable text of HTML, with lines as long as people wrote them. It is at most some twenty times as long as the
/// HTML, and takes time in proportion to it.
pub fn html_to_text(html: &str) -> String {
    // All rows of a table are as wide as the widest, and a line has one sign per quotation around it.
    const MOST_TAGS_TIMES_BYTES: usize = 4 << 20;
    let marked = links::marked(html, laid_out);
    let html = marked.html.as_str();
    let tags = html.bytes().filter(|byte| *byte == b'<').count();
    let text = match tags.saturating_mul(html.len()) > MOST_TAGS_TIMES_BYTES {
        true => laid_out(&without_layout(html)),
        false => Some(laid_out(html))
            .filter(|text| text.len() <= 16 * html.len() + 1024)
            .unwrap_or_else(|| laid_out(&without_layout(html))),
    };
    marked.with_addresses(text)
}

fn laid_out(html: &str) -> String {
    // The library panics on some tables (found by fuzzing): no text may end the bridge.
    let without_tables = || panic::catch_unwind(|| with_its_layout(&without_layout(html)));
    panic::catch_unwind(|| with_its_layout(html)).or_else(|_| without_tables()).unwrap_or_else(|_| html.to_owned())
}

fn with_its_layout(html: &str) -> String {
    let plain = html2text::config::plain_no_decorate().no_link_wrapping();
    // No character is wider than its bytes, and no line prefix longer than the tag that asks for it: so nothing has
    // to be broken.
    let width = html.len().max(10_000);
    let text = plain.string_from_read(html.as_bytes(), width).unwrap_or_else(|_| html.to_owned());
    text.trim_end().to_owned()
}

/// The same words with a line break where a block begins or ends, and no other markup.
fn without_layout(html: &str) -> String {
    let flatten = element!("*", |tag| {
        let (before, after) = match &*tag.tag_name() {
            "script" | "style" | "title" => {
                tag.remove();
                return Ok(());
            }
            "br" => return Ok(()),
            "li" => ("<br>* ", ""),
            "td" | "th" => ("", " "),
            "p" | "div" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "ul" | "ol" | "dl" | "dt" | "dd" | "table"
            | "tr" | "blockquote" | "pre" | "hr" | "figure" | "figcaption" | "section" | "article" => ("<br>", "<br>"),
            _ => ("", ""),
        };
        tag.before(before, ContentType::Html);
        tag.after(after, ContentType::Html);
        tag.remove_and_keep_content();
        Ok(())
    });
    let settings = RewriteStrSettings::new()
        .with_strict(false)
        .append_element_content_handler(flatten)
        .append_document_content_handler(no_tag_begins_in_text());
    rewrite_str(html, settings).unwrap_or_else(|_| text_to_html(html))
}
