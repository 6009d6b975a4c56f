//! HTML that crosses from one iTop to the other: its inline images, and its conversion to text and back.
//!
//! No URL in a text is ever fetched. An inline image's id and secret are taken from its tag and requested from that
//! side's configured address; every other image becomes its alt text, with its address if that is another site's. No
//! image source of the other iTop and no secret crosses. Links that people wrote stay word for word.

mod links;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::panic;

use lol_html::html_content::{ContentType, Element, TextType};
use lol_html::{RewriteStrSettings, doc_text, element, rewrite_str};

/// An inline image of an iTop: seen on 3.1.2 and 3.2.0 as
/// `<img src="{base}/pages/ajax.document.php?operation=download_inlineimage&id=N&s=SECRET"
/// data-img-id="N" data-img-secret="SECRET">`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct InlineImage {
    pub id: u64,
    /// Hexadecimal digits. The secret loads the image without a log-in.
    pub secret: String,
}

impl std::fmt::Debug for InlineImage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "InlineImage({})", self.id)
    }
}

/// The inline images of a text, each once.
pub fn inline_images(html: &str) -> Vec<InlineImage> {
    let found = RefCell::new(Vec::new());
    let collect = element!("img", |img| {
        if let Some(image) = inline_image(img)
            && !found.borrow().contains(&image)
        {
            found.borrow_mut().push(image);
        }
        Ok(())
    });
    // HTML that cannot be parsed has no images to tell apart; `embed` then sends plain text.
    let settings = RewriteStrSettings::new().with_strict(false).append_element_content_handler(collect);
    let parsed = rewrite_str(html, settings);
    if parsed.is_err() {
        return Vec::new();
    }
    found.into_inner()
}

/// The addresses with which an iTop refers to its own images in its HTML, cut to its root. Only iTop writes
/// `data-img-id`, beside an address of its own.
pub fn roots_of_pictures(html: &str) -> Vec<String> {
    let found = RefCell::new(Vec::new());
    let collect = element!("img[data-img-id]", |img| {
        let source = img.get_attribute("src").unwrap_or_default();
        if let Some((root, _)) = source.split_once("/pages/ajax.document.php?operation=download_inlineimage")
            && root.contains("//")
        {
            found.borrow_mut().push(root.to_owned());
        }
        Ok(())
    });
    let settings = RewriteStrSettings::new().with_strict(false).append_element_content_handler(collect);
    match rewrite_str(html, settings) {
        Ok(_) => found.into_inner(),
        Err(_) => Vec::new(),
    }
}

fn inline_image(img: &Element<'_, '_>) -> Option<InlineImage> {
    let by_attributes = || {
        let id = img.get_attribute("data-img-id")?;
        checked(&id, &img.get_attribute("data-img-secret")?)
    };
    let by_source = || {
        let source = unescape_amps(&img.get_attribute("src")?);
        let (path, query) = source.split_once('?')?;
        if !path.ends_with("ajax.document.php") {
            return None;
        }
        let mut values: BTreeMap<&str, &str> = BTreeMap::new();
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=')?;
            values.entry(name).or_insert(value);
        }
        (values.get("operation") == Some(&"download_inlineimage")).then_some(())?;
        checked(values.get("id")?, values.get("s")?)
    };
    by_attributes().or_else(by_source)
}

fn checked(id: &str, secret: &str) -> Option<InlineImage> {
    let digits = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
    let hexadecimal = !secret.is_empty() && secret.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    (digits && hexadecimal).then_some(())?;
    Some(InlineImage { id: id.parse().ok()?, secret: secret.to_owned() })
}

fn unescape_amps(value: &str) -> String {
    let mut out = value.to_owned();
    while out.contains("&amp;") {
        out = out.replace("&amp;", "&");
    }
    out
}

/// The text with each image replaced: an inline image by its data in `images`; an image with its own data stays; any
/// other becomes its alt text, and the address if it is another site's. iTop 3.1 drops a `<figure>` with its content
/// when the image is a `data:` one (seen on 3.1.2), so figures are unwrapped.
pub fn embed(html: &str, images: &BTreeMap<InlineImage, Embedded>) -> String {
    // After a removal the rest may parse differently, and hold one more image.
    const MOST_ROUNDS: usize = 8;
    let mut embedded = embed_once(html, images);
    for _ in 0..MOST_ROUNDS {
        let again = embed_once(&embedded, images);
        if again == embedded {
            return embedded;
        }
        embedded = again;
    }
    text_to_html(&html_to_text(html))
}

fn embed_once(html: &str, images: &BTreeMap<InlineImage, Embedded>) -> String {
    // `<b x/="y">`: rewritten with one attribute more or less, the tag would take the text behind it into a value.
    let odd = element!("*", |tag| {
        if tag.attributes().iter().any(|attribute| attribute.name().starts_with('=')) {
            tag.remove_and_keep_content();
        }
        Ok(())
    });
    let figures = element!("figure", |figure| {
        figure.remove_and_keep_content();
        Ok(())
    });
    // iTop 3.1 drops these with all their content (seen on 3.1.2).
    let highlights = element!("mark", |mark| {
        mark.set_tag_name("span")?;
        mark.set_attribute("style", "background-color:#ffff00")?;
        Ok(())
    });
    let captions = element!("figcaption", |caption| Ok(caption.set_tag_name("p")?));
    // Within a drawing other rules of HTML hold; no iTop keeps drawings.
    let pictures = element!("picture, source, svg, math", |tag| {
        tag.remove_and_keep_content();
        Ok(())
    });
    // Browsers treat `<image>` as `<img>`.
    let replace = element!("img, image", |img| {
        if let Some(image) = inline_image(img) {
            return embed_one(img, images.get(&image));
        }
        img.remove_attribute("srcset");
        match img.get_attribute("src") {
            Some(source) if is_image_data(&source) => Ok(()),
            _ => embed_one(img, None),
        }
    });
    // iTop writes these into images only; a look-alike must not leak a secret either.
    let secrets = element!("*[data-img-id], *[data-img-secret]", |tag| {
        tag.remove_attribute("data-img-id");
        tag.remove_attribute("data-img-secret");
        Ok(())
    });
    let settings = RewriteStrSettings::new()
        .with_strict(false)
        .append_element_content_handler(odd)
        .append_element_content_handler(figures)
        .append_element_content_handler(highlights)
        .append_element_content_handler(captions)
        .append_element_content_handler(pictures)
        .append_element_content_handler(replace)
        .append_element_content_handler(secrets)
        .append_document_content_handler(no_tag_begins_in_text());
    let embedded = rewrite_str(html, settings).unwrap_or_else(|_| text_to_html(&html_to_text(html)));
    escape_unfinished_tag(embedded)
}

/// `<<figure>img src=…>`: a bare `<` before a removed tag must not form a tag with the text behind it. The content of
/// a drawing's `<![CDATA[`, which without the drawing is a comment up to its first `>`, must not end that comment.
fn no_tag_begins_in_text<'h>() -> lol_html::DocumentContentHandlers<'h> {
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
pub fn escape_unfinished_tag(mut html: String) -> String {
    let ended = html.rfind('>').map_or(0, |last| last + 1);
    if html[ended..].contains('<') {
        let tail = html.split_off(ended);
        html.push_str(&tail.replace('<', "&lt;"));
    }
    html
}

/// The text with words for each of these inline images that has no alt text.
pub fn with_words_for(html: &str, unread: &[InlineImage]) -> String {
    let is_unread = |img: &Element<'_, '_>| inline_image(img).is_some_and(|image| unread.contains(&image));
    described(html, is_unread, NOT_READ)
}

/// The text with words for its own images, for attributes that cannot hold any: each becomes its alt text, or a note
/// that there was one.
pub fn with_words_for_own_pictures(html: &str) -> String {
    let described = described(html, |img| inline_image(img).is_none(), "(picture)");
    without_pictures(&described).unwrap_or(described)
}

fn described(html: &str, these: impl Fn(&Element<'_, '_>) -> bool, words: &str) -> String {
    let describe = element!("img", |img| {
        if these(img) && img.get_attribute("alt").is_none_or(|alt| alt.trim().is_empty()) {
            img.set_attribute("alt", words)?;
        }
        Ok(())
    });
    let settings = RewriteStrSettings::new().with_strict(false).append_element_content_handler(describe);
    rewrite_str(html, settings).unwrap_or_else(|_| html.to_owned())
}

/// The text with these words in place of inline images.
pub fn with_words_of(html: &str, words: impl Fn(&InlineImage, &str) -> Option<String>) -> String {
    let replace = element!("img", |img| {
        let alt = img.get_attribute("alt").unwrap_or_default();
        if let Some(words) = inline_image(img).and_then(|image| words(&image, html_to_text(&alt).trim())) {
            put_in_place_of(img, &words, ContentType::Text);
        }
        Ok(())
    });
    let settings = RewriteStrSettings::new().with_strict(false).append_element_content_handler(replace);
    rewrite_str(html, settings).unwrap_or_else(|_| html.to_owned())
}

/// The text with words in place of all its images, none of which is embedded.
pub fn with_words_for_all(html: &str) -> String {
    let described = with_words_for(html, &inline_images(html));
    embed(&described, &BTreeMap::new())
}

/// The text with the images that it contains replaced by words; `None` where it contains none.
pub fn without_pictures(html: &str) -> Option<String> {
    let brings_any = Cell::new(false);
    let replace = element!("img", |img| {
        if img.get_attribute("src").is_some_and(|source| is_image_data(&source)) {
            brings_any.set(true);
            if img.get_attribute("alt").is_none_or(|alt| alt.trim().is_empty()) {
                img.set_attribute("alt", "(picture left out: too large)")?;
            }
            return embed_one(img, None);
        }
        Ok(())
    });
    let settings = RewriteStrSettings::new().with_strict(false).append_element_content_handler(replace);
    let words = rewrite_str(html, settings).ok()?;
    brings_any.get().then_some(words)
}

/// An inline image's data, to be written into the text itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Embedded {
    pub mimetype: String,
    pub base64: String,
}

fn embed_one(img: &mut Element<'_, '_>, with: Option<&Embedded>) -> lol_html::HandlerResult {
    match with {
        Some(Embedded { mimetype, base64 }) => {
            img.remove_attribute("srcset");
            img.set_attribute("src", &format!("data:{mimetype};base64,{base64}"))?;
        }
        None => {
            let words = words_in_place_of(img);
            put_in_place_of(img, &words, ContentType::Html);
        }
    }
    Ok(())
}

/// An image's alt text, and its address if that is another site's. iTop's own readable images were loaded before: an
/// unreadable one leaves nothing but words.
fn words_in_place_of(img: &Element<'_, '_>) -> String {
    // An attribute's value is still escaped, except for characters that an attribute need not escape.
    let escaped = |name| img.get_attribute(name).unwrap_or_default().replace('<', "&lt;").replace('>', "&gt;");
    let (alt, source) = (escaped("alt"), escaped("src"));
    let is_of_an_itop = img.has_attribute("data-img-id") || source.to_ascii_lowercase().contains(".document.php");
    let lower = source.trim().to_ascii_lowercase();
    let is_address = ["http://", "https://"].iter().any(|scheme| lower.starts_with(scheme));
    match (alt.trim().is_empty(), is_address && !is_of_an_itop) {
        (true, true) => source,
        (false, true) => format!("{alt} ({source})"),
        (false, false) => alt,
        (true, false) if source.is_empty() && !is_of_an_itop => alt,
        (true, false) => NOT_READ.to_owned(),
    }
}

const NOT_READ: &str = "(picture left out: it could not be read)";

/// Removes only the tag: an unclosed one, as `<image>` or within `<svg>`, would take all text behind it along.
fn put_in_place_of(tag: &mut Element<'_, '_>, words: &str, content: ContentType) {
    tag.before(words, content);
    tag.remove_and_keep_content();
}

fn is_image_data(source: &str) -> bool {
    source.get(..11).is_some_and(|start| start.eq_ignore_ascii_case("data:image/"))
}

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

/// A log entry as text: an inline image becomes a word that names its file, any other its alt text.
pub fn log_text(html: &str) -> String {
    let replaced = with_inline_images(html, |image| format!("[image {}]", image.id));
    html_to_text(&embed(&with_words_for_data(&replaced), &BTreeMap::new()))
}

/// Replaces an image that is itself part of a log entry.
const ONLY_THERE: &str = "(a picture, which is in the other ticket alone)";

/// The text with each `data:` image replaced by its alt text, or by words that say where it is.
fn with_words_for_data(html: &str) -> String {
    let replace = element!("img", |img| {
        if inline_image(img).is_none() && img.get_attribute("src").is_some_and(|source| is_image_data(&source)) {
            let alt = html_to_text(&img.get_attribute("alt").unwrap_or_default());
            let words = if alt.trim().is_empty() { ONLY_THERE.to_owned() } else { format!("({})", alt.trim()) };
            put_in_place_of(img, &words, ContentType::Text);
        }
        Ok(())
    });
    let settings = RewriteStrSettings::new().with_strict(false).append_element_content_handler(replace);
    rewrite_str(html, settings).unwrap_or_else(|_| html.to_owned())
}

/// The text with its inline images reduced to their ids: their addresses and secrets may change.
pub fn without_image_addresses(html: &str) -> std::borrow::Cow<'_, str> {
    if html.contains("<img") || html.contains("<IMG") {
        with_inline_images(html, |image| format!("[image {}]", image.id)).into()
    } else {
        html.into()
    }
}

fn with_inline_images(html: &str, word: impl Fn(&InlineImage) -> String) -> String {
    let replace = element!("img", |img| {
        if let Some(image) = inline_image(img) {
            put_in_place_of(img, &word(&image), ContentType::Text);
        }
        Ok(())
    });
    let settings = RewriteStrSettings::new().with_strict(false).append_element_content_handler(replace);
    rewrite_str(html, settings).unwrap_or_else(|_| html.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const INLINE: &str = r#"<p>see <img src="https://acme.example/pages/ajax.document.php?operation=download_inlineimage&amp;id=5&amp;s=abcdef0123" data-img-id="5" data-img-secret="abcdef0123" alt="a &quot;b&quot;"> here</p>"#;

    fn image(id: u64, secret: &str) -> InlineImage {
        InlineImage { id, secret: secret.into() }
    }

    fn png() -> Embedded {
        Embedded { mimetype: "image/png".into(), base64: "iVBOR".into() }
    }

    #[test]
    fn an_inline_image_is_known_by_its_attributes_or_by_its_source() {
        assert_eq!(inline_images(INLINE), [image(5, "abcdef0123")]);
        let bare = r#"<img src="/x/pages/ajax.document.php?operation=download_inlineimage&amp;amp;id=7&amp;amp;s=0f">"#;
        assert_eq!(inline_images(bare), [image(7, "0f")]);
    }

    #[test]
    fn a_picture_that_is_part_of_a_log_entry_does_not_go_without_a_word() {
        let told = |alt: &str| log_text(&format!(r#"<p>see <img src="data:image/png;base64,iVBORw"{alt}> here</p>"#));
        assert_eq!(told("").trim(), format!("see {ONLY_THERE} here"));
        assert_eq!(told(r#" alt="the <b>lamp</b>""#).trim(), "see (the lamp) here");
    }

    #[test]
    fn what_is_no_plain_id_and_secret_is_no_inline_image() {
        for tag in [
            r#"<img data-img-id="5 OR 1=1" data-img-secret="ab">"#,
            r#"<img data-img-id="5" data-img-secret="../etc">"#,
            r#"<img src="https://evil.example/?operation=download_inlineimage&id=5&s=ab">"#,
            r#"<img src="https://x/ajax.document.php?operation=download_document&id=5&s=ab">"#,
        ] {
            assert_eq!(inline_images(tag), [], "{tag}");
        }
    }

    #[test]
    fn an_embedded_image_leaves_no_source_and_no_secret_of_the_other_side() {
        let html = embed(INLINE, &BTreeMap::from([(image(5, "abcdef0123"), png())]));
        assert!(html.contains(r#"src="data:image/png;base64,iVBOR""#), "{html}");
        assert!(!html.contains("acme.example") && !html.contains("abcdef0123"), "{html}");
    }

    #[test]
    fn an_image_that_could_not_be_had_or_is_from_elsewhere_becomes_its_alt_text() {
        assert_eq!(embed(INLINE, &BTreeMap::new()), "<p>see a &quot;b&quot; here</p>");
        let rows = [
            (r#"<img src="https://x/y.png?a=1&amp;b" alt="<b>">"#, "&lt;b&gt; (https://x/y.png?a=1&amp;b)"),
            (r#"<img src="https://x/y.png">"#, "https://x/y.png"),
            (r#"<img srcset="https://x/y.png 2x">"#, ""),
            (r#"<img src="../x.png" alt="it">"#, "it"),
            (
                r#"<img src="https://x/pages/ajax.document.php?operation=download_inlineimage&amp;id=5&amp;s=zz">"#,
                NOT_READ,
            ),
            (r#"<img src="cid:1234">"#, NOT_READ),
        ];
        for (html, words) in rows {
            assert_eq!(embed(html, &BTreeMap::new()), words, "{html}");
        }
    }

    #[test]
    fn no_image_comes_out_of_pieces_that_were_none() {
        for html in [
            "<<figure>img src=\"https://x/y.png\">",
            "<<img alt=\"img src=https://x/y.png \">>",
            "<<picture>img src='https://x/y.png' <source>>",
            "<i<figure>mg src=https://x/y.png>",
            "a <img src=\"https://x/y.png\"",
            "<image src=\"https://x/y.png\">",
            "<image data-img-id=\"5\" data-img-secret=\"abcdef0123\">",
        ] {
            let out = embed(html, &BTreeMap::new());
            assert!(!out.contains("<im") && !out.contains("abcdef0123"), "{html} became {out}");
            assert_eq!(embed(&out, &BTreeMap::new()), out, "{html}");
        }
    }

    #[test]
    fn figures_are_unwrapped_and_links_and_data_images_stay_word_for_word() {
        let html = r#"<figure class="image"><img src="data:image/png;base64,AAAA"></figure><a href="https://acme.example/pages/UI.php?id=5&amp;x=1">https://acme.example</a>"#;
        let expected = r#"<img src="data:image/png;base64,AAAA"><a href="https://acme.example/pages/UI.php?id=5&amp;x=1">https://acme.example</a>"#;
        assert_eq!(embed(html, &BTreeMap::new()), expected);
    }

    #[test]
    fn a_log_entry_names_its_images_and_is_known_by_their_ids() {
        assert_eq!(log_text(INLINE), "see [image 5] here");
        let elsewhere = INLINE.replace("acme.example", "acme.test").replace("abcdef0123", "0123abcdef");
        assert_eq!(without_image_addresses(INLINE), without_image_addresses(&elsewhere));
        assert_ne!(without_image_addresses(INLINE), without_image_addresses(&INLINE.replace("\"5\"", "\"6\"")));
    }

    #[test]
    fn no_line_of_a_text_is_broken_however_long() {
        let (word, line) = ("x".repeat(30_000), "one two ".repeat(5_000) + "three");
        let wide = "語".repeat(20_000);
        for text in [&word, &line, &wide] {
            assert!(html_to_text(&format!("<p>{text}</p>")) == **text);
            assert!(html_to_text(&format!("<ul><li><b>{text}</b></li></ul>")).contains(&**text));
            assert!(html_to_text(&format!("<blockquote>{text}</blockquote>")).contains(&**text));
            assert!(html_to_text(&format!("<table><tr><td>{text}</td><td>{text}</td></tr></table>")).contains(&**text));
            assert!(html_to_text(&format!("<pre>{text}</pre>")).contains(&**text));
        }
    }

    #[test]
    fn no_layout_makes_a_text_many_times_as_long() {
        let wide = format!("<tr><td>{}</td></tr>", "wide ".repeat(4_000));
        let table = format!("<table>{wide}{}</table>", "<tr><td>x</td></tr>".repeat(4_000));
        let quotes = "<blockquote>".repeat(4_000) + &"x<br>".repeat(4_000);
        let numbers = "<ol start=\"1000000000\"><li>".repeat(60) + &"x<br>".repeat(4_000);
        let deep = "<div>".repeat(100_000) + "x";
        for html in [table, quotes, numbers, deep] {
            let text = html_to_text(&html);
            assert!(text.contains('x') && text.len() <= 20 * html.len(), "{} of {}", text.len(), html.len());
        }
    }

    #[test]
    fn a_long_text_keeps_its_words_lines_and_points() {
        let item = "<ul><li>a <b>bold</b> one</li><li>two &lt; three</li></ul><p>and</p><table><tr><td>x</td><td>y</td></tr></table>";
        let text = html_to_text(&item.repeat(1_000));
        let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).take(4).collect();
        assert_eq!(lines, ["* a bold one", "* two < three", "and", "x y"]);
    }

    #[test]
    fn text_becomes_html_and_html_becomes_text() {
        assert_eq!(text_to_html("a <b> & c\nd\n\ne"), "<p>a &lt;b&gt; &amp; c<br>d</p>\n<p>e</p>");
        assert_eq!(html_to_text("<p>a &lt;b&gt; &amp; c<br>d</p>").trim(), "a <b> & c\nd");
    }
}
