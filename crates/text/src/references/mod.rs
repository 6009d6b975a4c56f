//! Keeps the source iTop's own references out of HTML: links in iTop's notation, mentions, and links into its console
//! become their words.
//!
//! `itop_bridge_core::words` does the same for plain text, and chooses the words. Here they are found in a text that tags
//! divide.

mod characters;
#[cfg(test)]
mod tests;

use std::cell::Cell;

use itop_bridge_core::words::{Journey, resolved_with_parent};
use lol_html::html_content::{ContentType, Element, TextType};
use lol_html::{RewriteStrSettings, doc_comments, doc_text, element, rewrite_str};

use crate::html::{escape_unfinished_tag, html_to_text, text_to_html};
use characters::{Edits, Text, decoded, edited};

pub use characters::is_block;

/// The HTML with these references replaced. Images are left to [`crate::html::embed`].
pub fn told_in_html(html: &str, journey: &Journey<'_>) -> String {
    // After a removal the rest may parse differently.
    const MOST_ROUNDS: usize = 8;
    let mut told = html.to_owned();
    for _ in 0..MOST_ROUNDS {
        let Some(again) = told_once(&told, journey) else { break };
        if again == told {
            return told;
        }
        told = again;
    }
    text_to_html(&journey.words_of(&html_to_text(html)))
}

/// One round of replacements. `None` where the HTML cannot be parsed.
fn told_once(html: &str, journey: &Journey<'_>) -> Option<String> {
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

/// Whether the tag is a mention, or a link into the console: the tag is removed, its words stay.
fn is_anchor_that_goes(tag: &Element<'_, '_>, journey: &Journey<'_>) -> bool {
    let is_mention = || tag.attributes().iter().any(|attribute| is_of_a_mention(&attribute.name()));
    let leads_in = || tag.get_attribute("href").is_some_and(|href| journey.leads_into_console(&decoded(&href)));
    tag.tag_name() == "a" && (is_mention() || leads_in())
}

fn is_of_a_mention(attribute: &str) -> bool {
    attribute == "data-role" || attribute.starts_with("data-object")
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
