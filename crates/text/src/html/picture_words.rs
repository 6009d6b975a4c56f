//! Words in place of images.

use std::cell::Cell;
use std::collections::BTreeMap;

use lol_html::html_content::{ContentType, Element};
use lol_html::{RewriteStrSettings, element, rewrite_str};

use super::InlineImage;
use super::embed::{embed, embed_one, is_image_data};
use super::html_to_text;
use super::inline_images::{inline_image, inline_images};

pub(super) const NOT_READ: &str = "(picture left out: it could not be read)";

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

/// An image's alt text, and its address if that is another site's. iTop's own readable images were loaded before: an
/// unreadable one leaves nothing but words.
pub(super) fn words_in_place_of(img: &Element<'_, '_>) -> String {
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

/// Removes only the tag: an unclosed one, as `<image>` or within `<svg>`, would take all text behind it along.
pub(super) fn put_in_place_of(tag: &mut Element<'_, '_>, words: &str, content: ContentType) {
    tag.before(words, content);
    tag.remove_and_keep_content();
}
