//! Keeps the source iTop's own references out of HTML: links in iTop's notation, mentions, and links into its console
//! become their words. `itop_bridge_core::words` does the same for plain text and chooses the words; here they are
//! found in a text that is split by tags.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;

use itop_bridge_core::words::{Journey, Replacement, resolved_with_parent};
use lol_html::html_content::{ContentType, Element, TextType};
use lol_html::{RewriteStrSettings, doc_comments, doc_text, element, rewrite_str};

use crate::html::{escape_unfinished_tag, html_to_text, text_to_html};

/// HTML as it may be told. Images are left to `html::embed`.
pub fn told_in_html(html: &str, journey: &Journey<'_>) -> String {
    // After a removal the rest may parse differently.
    const MOST_ROUNDS: usize = 8;
    let mut told = html.to_owned();
    for _ in 0..MOST_ROUNDS {
        let Some(again) = once(&told, journey) else { break };
        if again == told {
            return told;
        }
        told = again;
    }
    text_to_html(&journey.words_of(&html_to_text(html)))
}

/// `None` where it cannot be parsed.
fn once(html: &str, journey: &Journey<'_>) -> Option<String> {
    let text = Text::of(html, journey)?;
    if resolved_with_parent(&text.characters) {
        return Some(text_to_html(&journey.words_of(&text.characters)));
    }
    let mut replacements = journey.replacements(&text.characters);
    let anchors = text.anchors_to_replace(journey, &replacements);
    // An anchor's words are replaced with everything in them.
    replacements.retain(|inner| {
        let next = anchors.partition_point(|anchor| anchor.at.end <= inner.at.start);
        anchors.get(next).is_none_or(|anchor| inner.at.end <= anchor.at.start)
    });
    replacements.extend(anchors);
    replacements.sort_by_key(|replacement| replacement.at.start);
    rewritten(html, journey, &text.edits(&replacements))
}

/// The characters of an HTML text without its tags, and the position of each.
#[derive(Default)]
struct Text {
    characters: String,
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
type Edits = BTreeMap<usize, Vec<(Range<usize>, String)>>;

impl Text {
    fn of(html: &str, journey: &Journey<'_>) -> Option<Text> {
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
    fn anchors_to_replace(&self, journey: &Journey<'_>, others: &[Replacement]) -> Vec<Replacement> {
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

    fn edits(&self, replacements: &[Replacement]) -> Edits {
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

/// Whether the tag is a mention, or a link into the console: the tag is removed, its words stay.
fn is_anchor_that_goes(tag: &Element<'_, '_>, journey: &Journey<'_>) -> bool {
    let is_mention = || tag.attributes().iter().any(|attribute| is_of_a_mention(&attribute.name()));
    let leads_in = || tag.get_attribute("href").is_some_and(|href| journey.leads_into_console(&decoded(&href)));
    tag.tag_name() == "a" && (is_mention() || leads_in())
}

fn is_of_a_mention(attribute: &str) -> bool {
    attribute == "data-role" || attribute.starts_with("data-object")
}

fn decoded(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    while let Some(first) = rest.chars().next() {
        let (character, length) = reference(rest).unwrap_or((first, first.len_utf8()));
        out.push(character);
        rest = &rest[length..];
    }
    out
}

fn rewritten(html: &str, journey: &Journey<'_>, edits: &Edits) -> Option<String> {
    let tags = element!("*", |tag| {
        // `<b x/="y">`: rewritten with one attribute less, the tag would take the text behind it into a value.
        let is_odd = tag.attributes().iter().any(|attribute| attribute.name().starts_with('='));
        if is_odd || is_anchor_that_goes(tag, journey) {
            tag.remove_and_keep_content();
            return Ok(());
        }
        without_what_is_not_told(tag, journey)
    });
    let comments = doc_comments!(|comment| {
        comment.remove();
        Ok(())
    });
    let chunks = Cell::new(0);
    let texts = doc_text!(|chunk| {
        let number = chunks.replace(chunks.get() + 1);
        let escapes = matches!(chunk.text_type(), TextType::Data | TextType::CDataSection);
        let edits = edits.get(&number).map_or(&[][..], Vec::as_slice);
        if edits.is_empty() && !(escapes && chunk.as_str().contains('<')) {
            return Ok(());
        }
        let text = edited(chunk.as_str(), edits);
        // A bare `<` before a removed tag must not form a tag with the text behind it.
        chunk.replace(&text.replace('<', "&lt;"), ContentType::Html);
        Ok(())
    });
    let settings = RewriteStrSettings::new()
        .with_strict(false)
        .append_element_content_handler(tags)
        .append_document_content_handler(comments)
        .append_document_content_handler(texts);
    rewrite_str(html, settings).ok().map(escape_unfinished_tag)
}

fn edited(chunk: &str, edits: &[(Range<usize>, String)]) -> String {
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

/// The attributes of a tag that stays: descriptions of images and links are told in words, anything else that names
/// the other iTop is removed.
fn without_what_is_not_told(tag: &mut Element<'_, '_>, journey: &Journey<'_>) -> lol_html::HandlerResult {
    let name = tag.tag_name();
    let attributes = tag.attributes().iter().map(|attribute| (attribute.name(), attribute.value()));
    let attributes: Vec<(String, String)> = attributes.collect();
    for (attribute, value) in attributes {
        let of_a_picture = matches!(&*name, "img" | "image")
            && (attribute == "src" || attribute == "srcset" || attribute.starts_with("data-img-"));
        if of_a_picture {
            continue;
        }
        if is_of_a_mention(&attribute) {
            tag.remove_attribute(&attribute);
            continue;
        }
        let value = decoded(&value);
        let told = journey.words_of(&value);
        if told == value && !journey.leads_into_console(&value) {
            continue;
        }
        match &*attribute {
            "alt" | "title" | "summary" => {
                tag.set_attribute(&attribute, &told.replace('&', "&amp;").replace('"', "&quot;"))?
            }
            // A link elsewhere, with brackets that are not iTop's: written so, the other iTop does not take them for
            // its own.
            "href" if !journey.leads_into_console(&value) => tag.set_attribute(
                &attribute,
                &value.replace('[', "%5B").replace(']', "%5D").replace('&', "&amp;").replace('"', "&quot;"),
            )?,
            _ => tag.remove_attribute(&attribute),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use itop_bridge_core::TicketKey;
    use itop_bridge_core::words::Console;

    use super::*;

    fn told_here(html: &str) -> String {
        let (from, to) = (Console::at("https://acme.example/itop"), Console::at("https://provider.example"));
        let ticket = TicketKey { class: "UserRequest".into(), id: 7, reference: "R-000012".into() };
        let journey = Journey { from: &from, to: &to, ticket: &ticket };
        let told = told_in_html(html, &journey);
        assert_eq!(told_in_html(&told, &journey), told, "once more changes it: {html}");
        told
    }

    #[test]
    fn links_and_mentions_become_their_words() {
        let mention = r#"<a data-role="object-mention" data-object-class="Person" data-object-id="3" href="https://acme.example/itop/pages/UI.php?operation=details&amp;class=Person&amp;id=3">@Anna</a>"#;
        let console = "https://acme.example/itop/pages/UI.php?operation=details&amp;class=UserRequest&amp;id=9";
        let rows = [
            ("<p>see [[UserRequest:1]] and [[Person:1|Agatha]]</p>", "<p>see (link to another ticket) and Agatha</p>"),
            (&format!("<p>ask {mention}!</p>"), "<p>ask @Anna!</p>"),
            (&format!("<p>see <a href=\"{console}\">the <b>other</b> one</a></p>"), "<p>see the <b>other</b> one</p>"),
            (&format!("<p>see <a href=\"{console}\">R-000009</a></p>"), "<p>see (link to another ticket)</p>"),
            (&format!("<p>see <a href=\"{console}\">{console}</a></p>"), "<p>see (link into the other iTop)</p>"),
            (&format!("<p>see {console}, please</p>"), "<p>see (link into the other iTop), please</p>"),
            (
                &format!("<a href=\"{console}\">R-000009 of [[Person:1|Agatha]]</a>, [[Person:1|Agatha]]"),
                "(link to another ticket), Agatha",
            ),
            (r#"<a href="UI.php?operation=details&amp;class=Team&amp;id=9">us</a>"#, "us"),
            (r#"<a href="/pages/exec.php/object/edit/UserRequest/5?exec_module=x">this</a>"#, "this"),
            (r#"<a href="&#104;ttps://acme.example/itop/&#112;ages/x">this</a>"#, "this"),
            (
                "<p>Automatically resolved from [[UserRequest:6|R-000009]]</p>",
                "<p>Automatically resolved with its parent</p>",
            ),
            ("<p>[[UserRequest:5|a &lt;b&gt; &amp; c]]</p>", "<p>a &lt;b&gt; &amp; c</p>"),
        ];
        for (html, expected) in rows {
            assert_eq!(told_here(html), expected, "{html}");
        }
    }

    #[test]
    fn a_link_that_is_broken_over_tags_is_one_all_the_same() {
        let other = "(link to another ticket)";
        let rows = [
            ("<p>[[User<b>Request:5</b>]]</p>", format!("<p>{other}<b></b></p>")),
            ("<p>[<i>[</i>UserRequest:<b>5|R-000009]</b>]</p>", format!("<p>{other}<i></i><b></b></p>")),
            ("<p>[[UserRequest<!-- x -->:5]]</p>", format!("<p>{other}</p>")),
            ("<p>&#91;&#x5b;UserRequest&colon;5&rsqb;]</p>", format!("<p>{other}</p>")),
            ("<p>[[User\nRequest:5]]</p>", format!("<p>{other}</p>")),
            (
                "<p>https://acme.example/<b>itop/pages</b>/UI.php?id=5 now</p>",
                "<p>(link into the other iTop)<b></b> now</p>".to_owned(),
            ),
        ];
        for (html, expected) in rows {
            assert_eq!(told_here(html), expected, "{html}");
        }
    }

    #[test]
    fn no_attribute_tells_what_the_words_do_not() {
        let rows = [
            (
                r#"<img src="data:image/png;base64,AA//AA" alt="[[UserRequest:5|x]]">"#,
                r#"<img src="data:image/png;base64,AA//AA" alt="x">"#,
            ),
            (r#"<p data-object-id="5" data-role="x" style="color:red">x</p>"#, r#"<p style="color:red">x</p>"#),
            (r#"<p style="background:url(https://acme.example/itop/x.png)">x</p>"#, "<p>x</p>"),
            (
                r#"<a href="https://x.example/" title="at https://acme.example/itop/">x</a>"#,
                r#"<a href="https://x.example/" title="at (link into the other iTop)">x</a>"#,
            ),
            (
                r#"<a href="https://x.example/?q=[[UserRequest:5]]">x</a>"#,
                r#"<a href="https://x.example/?q=%5B%5BUserRequest:5%5D%5D">x</a>"#,
            ),
        ];
        for (html, expected) in rows {
            assert_eq!(told_here(html), expected, "{html}");
        }
    }

    #[test]
    fn everything_else_stays_word_for_word() {
        for html in [
            "<p>a &lt; b &amp; c, see R-000009 and <a href=\"https://x.example/?a=1&amp;b=[2]\" target=\"_blank\">here</a></p>",
            "<figure class=\"image\"><img src=\"https://acme.example/itop/pages/ajax.document.php?operation=download_inlineimage&amp;id=5&amp;s=ab\" data-img-id=\"5\" data-img-secret=\"ab\"></figure>",
            "<pre>if [[ $x == \"a:b\" ]]; then\n[[:space:]]</pre>",
            "<p>[[</p><p>UserRequest:5]]</p>",
            "<a href=\"https://provider.example/pages/UI.php?operation=details&amp;class=UserRequest&amp;id=77\">yours</a>",
            "<a href=\"mailto:anna@acme.example\">Anna</a><a href=\"#top\">up</a>",
        ] {
            assert_eq!(told_here(html), html);
        }
    }

    #[test]
    fn no_tag_comes_out_of_pieces_that_were_none() {
        let console = "href=\"https://acme.example/itop/pages/UI.php\"";
        for html in [
            format!("<<a {console}>img src=x></a>"),
            "<[[UserRequest:5|img src=x]]>".into(),
            format!("<b><<a {console}>/b></a>"),
        ] {
            let told = told_here(&html);
            assert!(!told.contains("<img") && told.matches("<b>").count() <= 1, "{html} became {told}");
        }
    }
}
