//! HTML on its way from one iTop to the other.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use itop_bridge_core::TicketKey;
use itop_bridge_core::text::begins_with_tag;
use itop_bridge_core::words::{Console, Journey};
use itop_bridge_text::html::{
    Embedded, InlineImage, embed, html_to_text, inline_images, log_text, text_to_html, with_words_for_all,
    without_image_addresses, without_pictures,
};
use itop_bridge_text::references::{is_block, told_in_html};
use lol_html::html_content::TextType;
use lol_html::{RewriteStrSettings, doc_text, element, rewrite_str};

/// No image's address and no secret crosses, all text outside of images does, and nothing grows without bound.
pub fn html(bytes: &[u8]) {
    let html = String::from_utf8_lossy(bytes);
    let images = inline_images(&html);
    for image in &images {
        assert!(html.contains(&image.secret) && html.contains(&image.id.to_string()), "{image:?} is not in the text");
    }
    let none = embed(&html, &BTreeMap::new());
    no_image_is_left_but_its_own_data(&none);
    all_text_is_kept(&html, &none);
    assert_eq!(embed(&none, &BTreeMap::new()), none, "once more changes it");
    let all = images.iter().map(|image| (image.clone(), picture())).collect();
    let embedded = embed(&html, &all);
    no_image_is_left_but_its_own_data(&embedded);
    all_text_is_kept(&html, &embedded);
    no_image_is_left_but_its_own_data(&with_words_for_all(&html));
    if let Some(words) = without_pictures(&embedded) {
        assert_eq!(without_pictures(&words), None, "a picture is left in {words:?}");
    }
    an_entry_is_known_whatever_its_images_secrets_are(&html, &images);
    let text = log_text(&html);
    assert!(text.len() <= 100 * html.len() + 4096, "{} of {}", text.len(), html.len());
    as_text_it_is_read_back(&html);
    nothing_is_told_that_must_not_be(&html);
}

/// No link in iTop's notation, no address of the console and no mention is left, neither in HTML nor in plain text;
/// and what may be told is left as it is.
fn nothing_is_told_that_must_not_be(text: &str) {
    let (from, to) = (Console::at("https://acme.example/itop"), Console::at("https://provider.example"));
    let ticket = TicketKey { class: "UserRequest".into(), id: 7, reference: "R-000012".into() };
    let journey = Journey { from: &from, to: &to, ticket: &ticket };
    let plain = journey.words_of(text);
    assert_eq!(journey.replacements(&plain), [], "of {text:?}");
    assert_eq!(journey.words_of(&plain), plain, "once more changes it");
    let html = told_in_html(text, &journey);
    assert_eq!(told_in_html(&html, &journey), html, "once more changes it");
    let shown = text_in_blocks(&html);
    assert_eq!(journey.replacements(&shown), [], "in {html:?} of {text:?}");
    assert!(!has(&html, "*[data-role]") && !has(&html, "*[data-object-id]"), "a mention in {html:?}");
    let anchors = RefCell::new(Vec::new());
    let look = element!("a[href]", |tag| {
        anchors.borrow_mut().extend(tag.get_attribute("href"));
        Ok(())
    });
    let settings = RewriteStrSettings::new().with_strict(false).append_element_content_handler(look);
    rewrite_str(&html, settings).expect("it is parsed");
    let leading_in = |href: &&String| journey.leads_into_console(href);
    assert_eq!(anchors.borrow().iter().find(leading_in), None, "in {html:?}");
    assert!(html.len() <= 40 * text.len() + 4096, "{} of {}", html.len(), text.len());
}

fn picture() -> Embedded {
    Embedded { mimetype: "image/png".into(), base64: "iVBOR".into() }
}

fn no_image_is_left_but_its_own_data(html: &str) {
    let left = RefCell::new(Vec::new());
    let look = element!("img, image", |tag| {
        let source = tag.get_attribute("src").unwrap_or_default().to_ascii_lowercase();
        if !source.starts_with("data:image/") || tag.has_attribute("srcset") {
            left.borrow_mut().push(source);
        }
        Ok(())
    });
    let settings = RewriteStrSettings::new().with_strict(false).append_element_content_handler(look);
    rewrite_str(html, settings).expect("it is parsed");
    assert!(!has(html, "*[data-img-secret]"), "a secret in {html:?}");
    assert!(left.borrow().is_empty(), "{:?} in {html:?}", left.borrow());
    assert_eq!(inline_images(html), []);
    let after_last = html.rsplit_once('>').map_or(html, |(_, tail)| tail);
    assert!(!after_last.contains('<'), "an unfinished tag at the end of {html:?}");
}

/// What was text before is text after, in its order; what comes in between stood in for an image.
fn all_text_is_kept(before: &str, after: &str) {
    // What never comes to rest is sent as its plain words.
    if after == text_to_html(&html_to_text(before)) {
        return;
    }
    // Without a drawing around it a title's text is of another kind: it is there all the same.
    let (before, after) = (text_of(before, |kind| kind == TextType::Data), text_of(after, |_| true));
    let mut there = after.chars();
    for character in before.chars() {
        assert!(there.any(|it| it == character), "{character:?} of {before:?} is lost in {after:?}");
    }
}

/// The text with a line per block: what stands in two cells of a table is not read together.
fn text_in_blocks(html: &str) -> String {
    let text = RefCell::new(String::new());
    let blocks = element!("*", |tag| {
        if is_block(&tag.tag_name()) {
            text.borrow_mut().push('\n');
        }
        Ok(())
    });
    let collect = doc_text!(|chunk| {
        text.borrow_mut().push_str(chunk.as_str());
        Ok(())
    });
    let settings = RewriteStrSettings::new()
        .with_strict(false)
        .append_element_content_handler(blocks)
        .append_document_content_handler(collect);
    rewrite_str(html, settings).expect("it is parsed");
    text.into_inner().replace('<', "&lt;")
}

fn text_of(html: &str, counts: impl Fn(TextType) -> bool) -> String {
    let text = RefCell::new(String::new());
    let collect = doc_text!(|chunk| {
        if counts(chunk.text_type()) {
            text.borrow_mut().push_str(chunk.as_str());
        }
        Ok(())
    });
    let settings = RewriteStrSettings::new().with_strict(false).append_document_content_handler(collect);
    rewrite_str(html, settings).expect("it is parsed");
    text.into_inner().replace('<', "&lt;")
}

fn an_entry_is_known_whatever_its_images_secrets_are(html: &str, images: &[InlineImage]) {
    let without = without_image_addresses(html);
    if without.contains("<img") || without.contains("<IMG") {
        return;
    }
    assert!(images.is_empty() || !has(&without, "img[data-img-secret]"), "{without}");
    for image in images {
        assert!(without.contains(&format!("[image {}]", image.id)), "{without}");
    }
}

fn has(html: &str, selector: &str) -> bool {
    let found = Cell::new(false);
    let look = element!(selector, |_| {
        found.set(true);
        Ok(())
    });
    let settings = RewriteStrSettings::new().with_strict(false).append_element_content_handler(look);
    rewrite_str(html, settings).expect("it is parsed");
    found.get()
}

/// Text that is sent as HTML says the same words.
fn as_text_it_is_read_back(text: &str) {
    let html = text_to_html(text);
    assert!(begins_with_tag(&html));
    assert!(html.len() <= 8 * text.len() + 16);
    let printable = |c: &char| !c.is_whitespace() && !c.is_control() && !is_invisible(*c);
    let words = |text: &str| text.chars().filter(printable).collect::<String>();
    assert_eq!(words(&html_to_text(&html)), words(text));
}

/// What has no width, and what HTML does not allow.
fn is_invisible(character: char) -> bool {
    matches!(character, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{feff}' | '\u{fffd}')
}
