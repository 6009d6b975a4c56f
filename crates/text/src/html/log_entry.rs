//! A log entry's HTML: as text, and in the form in which entries are compared.

use std::borrow::Cow;
use std::collections::BTreeMap;

use lol_html::html_content::ContentType;
use lol_html::{RewriteStrSettings, element, rewrite_str};

use super::InlineImage;
use super::embed::{embed, is_image_data};
use super::inline_images::inline_image;
use super::picture_words::put_in_place_of;
use super::to_text::html_to_text;

/// A log entry as text: an inline image becomes a word that names its file, any other its alt text.
pub fn log_text(html: &str) -> String {
    let replaced = with_inline_images(html, |image| format!("[image {}]", image.id));
    html_to_text(&embed(&with_words_for_data(&replaced), &BTreeMap::new()))
}

/// Replaces an image that is itself part of a log entry.
pub(super) const ONLY_THERE: &str = "(a picture, which is in the other ticket alone)";

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
pub fn without_image_addresses(html: &str) -> Cow<'_, str> {
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
