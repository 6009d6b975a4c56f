//! Links in HTML that becomes text: their words, and their address where the words do not contain it. During layout a
//! link is enclosed in characters that Unicode keeps out of every text.

use std::cell::RefCell;
use std::rc::Rc;

use lol_html::html_content::ContentType;
use lol_html::{EndTagHandler, RewriteStrSettings, element, rewrite_str};

const BEGINS: char = '\u{FDD0}';
const ADDRESS: char = '\u{FDD1}';
const ENDS: char = '\u{FDD2}';

/// HTML in which each link that people can follow is enclosed in these characters, with the number of its address. A
/// text may itself contain such characters, also as references: they are dropped, and lead to no other address.
pub struct Marked {
    pub html: String,
    addresses: Vec<String>,
}

/// `read` converts HTML without links to text.
pub fn marked(html: &str, read: impl Fn(&str) -> String) -> Marked {
    if !html.as_bytes().windows(4).any(|letters| letters.eq_ignore_ascii_case(b"href")) {
        return Marked { html: html.to_owned(), addresses: Vec::new() };
    }
    let found = Rc::new(RefCell::new(Vec::new()));
    let mark = element!("a[href]", |link| {
        let written = link.get_attribute("href").unwrap_or_default();
        link.remove_attribute("href");
        let Some(ends) = link.end_tag_handlers().filter(|_| can_be_followed(&written)) else { return Ok(()) };
        let mut found = found.borrow_mut();
        let number = found.len();
        found.push(written);
        let end: EndTagHandler<'_> = Box::new(move |tag| {
            tag.before(&format!("{ADDRESS}{number}{ENDS}"), ContentType::Text);
            Ok(())
        });
        ends.push(end);
        link.prepend(&BEGINS.to_string(), ContentType::Text);
        Ok(())
    });
    let settings = RewriteStrSettings::new().with_strict(false).append_element_content_handler(mark);
    let rewritten = rewrite_str(html, settings);
    // A written address may hold references, such as `&amp;`.
    let plain = |written: &String| match written.contains('&') {
        true => read(&written.replace('<', "&lt;").replace('>', "&gt;")),
        false => written.clone(),
    };
    let addresses = found.borrow().iter().map(|written| without_login(plain(written).trim())).collect();
    Marked { html: rewritten.unwrap_or_else(|_| html.to_owned()), addresses }
}

fn can_be_followed(address: &str) -> bool {
    let address = address.trim_start();
    ["http://", "https://", "ftp://", "mailto:"]
        .iter()
        .any(|scheme| address.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)))
}

/// Removes name and password.
fn without_login(address: &str) -> String {
    let address: String = address.split_whitespace().collect();
    let Some((scheme, rest)) = address.split_once("//") else { return address };
    let host = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    match rest[..host].rsplit_once('@') {
        Some((login, _)) => format!("{scheme}//{}", &rest[login.len() + 1..]),
        None => address,
    }
}

impl Marked {
    /// The text made from the HTML, with `words (address)` for each link.
    pub fn with_addresses(&self, text: String) -> String {
        if !text.contains([BEGINS, ADDRESS, ENDS]) {
            return text;
        }
        let (mut out, mut open): (String, Vec<usize>) = (String::with_capacity(text.len()), Vec::new());
        let mut rest = text.as_str();
        while let Some(at) = rest.find([BEGINS, ADDRESS, ENDS]) {
            out.push_str(&rest[..at]);
            let mut characters = rest[at..].chars();
            let mark = characters.next();
            rest = characters.as_str();
            match mark {
                Some(BEGINS) => open.push(out.len()),
                Some(ADDRESS) => {
                    let Some((address, after)) = self.address(rest) else { continue };
                    rest = after;
                    let words = open.pop().map_or("", |from| &out[from..]).trim();
                    let bare = address.strip_prefix("mailto:").unwrap_or(address).trim_end_matches('/');
                    if words.is_empty() {
                        out.push_str(address);
                    } else if !words.contains(bare) {
                        out.extend([" (", address, ")"]);
                    }
                }
                _ => {}
            }
        }
        out.push_str(rest);
        out
    }

    /// The address whose number stands here, and the rest of the text.
    fn address<'a>(&'a self, rest: &'a str) -> Option<(&'a str, &'a str)> {
        let (number, after) = rest.split_once(ENDS)?;
        let address = self.addresses.get(number.parse::<usize>().ok()?)?;
        Some((address, after))
    }
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
            ("\u{FDD0}a\u{FDD1}b\u{FDD2} <a href=\"https://w.example/\">c</a>", "ab c (https://w.example/)"),
            (
                "one &#xFDD1; two words &#xFDD2; and <a href=\"https://w.example/x\">c</a> &#xFDD1;7&#xFDD2;",
                "one  two words  and c (https://w.example/x) 7",
            ),
            ("<a Href=\"https://anna:secret@w.example/x@y\">c</a>", "c (https://w.example/x@y)"),
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
