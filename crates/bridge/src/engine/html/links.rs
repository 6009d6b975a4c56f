//! Links in what becomes text: their words, and their address where the words do not say it. On the way through the layout
//! a link is held by characters that Unicode keeps out of every text.

use std::borrow::Cow;

use lol_html::html_content::ContentType;
use lol_html::{EndTagHandler, RewriteStrSettings, element, rewrite_str};

const BEGINS: char = '\u{FDD0}';
const ADDRESS: char = '\u{FDD1}';
const ENDS: char = '\u{FDD2}';

/// The HTML with each link that people can follow held by these characters, and no such character of its own.
pub fn marked(html: &str) -> Cow<'_, str> {
    let html: Cow<'_, str> = match html.contains([BEGINS, ADDRESS, ENDS]) {
        true => html.replace([BEGINS, ADDRESS, ENDS], "").into(),
        false => html.into(),
    };
    if !html.contains("href") && !html.contains("HREF") {
        return html;
    }
    let mark = element!("a[href]", |link| {
        // As it is written: an entity in it is read where it stands then.
        let address = link.get_attribute("href").unwrap_or_default();
        let address = address.trim().replace('<', "&lt;").replace('>', "&gt;");
        let can_be_followed = ["http://", "https://", "ftp://", "mailto:"]
            .iter()
            .any(|scheme| address.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)));
        link.remove_attribute("href");
        let Some(ends) = link.end_tag_handlers().filter(|_| can_be_followed) else { return Ok(()) };
        let end: EndTagHandler<'_> = Box::new(move |tag| {
            tag.before(&format!("{ADDRESS}{address}{ENDS}"), ContentType::Html);
            Ok(())
        });
        ends.push(end);
        link.prepend(&BEGINS.to_string(), ContentType::Text);
        Ok(())
    });
    let settings = RewriteStrSettings::new().with_strict(false).append_element_content_handler(mark);
    rewrite_str(&html, settings).map_or(html, Cow::Owned)
}

/// The text with `words (address)` for each link.
pub fn with_addresses(text: String) -> String {
    if !text.contains(BEGINS) {
        return text;
    }
    let (mut out, mut open): (String, Vec<usize>) = (String::with_capacity(text.len()), Vec::new());
    let mut rest = text.as_str();
    while let Some(at) = rest.find([BEGINS, ADDRESS, ENDS]) {
        let (before, mark) = rest.split_at(at);
        out.push_str(before);
        let mut characters = mark.chars();
        let mark = characters.next();
        rest = characters.as_str();
        if mark == Some(BEGINS) {
            open.push(out.len());
        } else if let (Some(ADDRESS), Some((address, after))) = (mark, rest.split_once(ENDS)) {
            rest = after;
            let address: String = address.split_whitespace().collect();
            let words = open.pop().map_or("", |from| &out[from..]).trim().to_owned();
            let bare = address.split_once("mailto:").map_or(&*address, |(_, bare)| bare).trim_end_matches('/');
            match words.is_empty() {
                true => out.push_str(&address),
                false if words.contains(bare) => {}
                false => out.extend([" (", &address, ")"]),
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::super::html_to_text;

    #[test]
    fn a_link_is_told_with_its_address_unless_its_words_say_it() {
        for (html, text) in [
            (
                "see <a href=\"https://w.example/x?a=1&amp;b=2\">the <b>wiki</b></a>!",
                "see the wiki (https://w.example/x?a=1&b=2)!",
            ),
            ("<a href=\"https://w.example/\">https://w.example</a>", "https://w.example"),
            ("<a href='https://w.example/x'></a>", "https://w.example/x"),
            (
                "<a href=\"mailto:a@b.example\">a@b.example</a>, <a href=\"mailto:a@b.example\">Anna</a>",
                "a@b.example, Anna (mailto:a@b.example)",
            ),
            ("<a href=\"#top\">up</a> <a href=\"javascript:x()\">run</a> <a name=\"n\">here</a>", "up run here"),
            ("<a href=\"https://w.example/<b>\">x</a>", "x (https://w.example/<b>)"),
            ("<p><a href=\"https://w.example\">never closed</p>", "never closed (https://w.example)"),
            ("\u{FDD0}a\u{FDD1}b\u{FDD2} <a href=\"https://w.example/\u{FDD2}\">c</a>", "ab c (https://w.example/)"),
        ] {
            assert_eq!(html_to_text(html).trim(), text, "{html}");
        }
    }

    #[test]
    fn in_a_table_and_a_list_too() {
        let cell = "<a href=\"https://w.example/long/address\">x</a>";
        let text = html_to_text(&format!("<ul><li>{cell}</li></ul><table><tr><td>{cell}</td><td>y</td></tr></table>"));
        assert_eq!(text.matches("x (https://w.example/long/address)").count(), 2, "{text}");
    }
}
