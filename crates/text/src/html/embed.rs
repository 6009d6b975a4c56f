//! HTML as another iTop may hold it: images are embedded or become words, and no tag is left that an iTop drops with
//! its content.

use std::borrow::Cow;
use std::collections::BTreeMap;

use lol_html::html_content::{ContentType, Element};
use lol_html::{ElementContentHandlers, RewriteStrSettings, Selector, element, rewrite_str};

use super::InlineImage;
use super::escape::{escape_unfinished_tag, no_tag_begins_in_text};
use super::inline_images::inline_image;
use super::picture_words::{put_in_place_of, words_in_place_of};
use super::{html_to_text, text_to_html};

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
    let settings = refused_tags()
        .into_iter()
        .chain([replace, secrets])
        .fold(RewriteStrSettings::new().with_strict(false), RewriteStrSettings::append_element_content_handler)
        .append_document_content_handler(no_tag_begins_in_text());
    let embedded = rewrite_str(html, settings).unwrap_or_else(|_| text_to_html(&html_to_text(html)));
    escape_unfinished_tag(embedded)
}

type TagHandler<'h> = (Cow<'static, Selector>, ElementContentHandlers<'h>);

/// The handlers that remove or rename the tags which an iTop drops with their content, and those which change how the
/// rest is parsed.
fn refused_tags<'h>() -> [TagHandler<'h>; 5] {
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
    let drawings = element!("picture, source, svg, math", |tag| {
        tag.remove_and_keep_content();
        Ok(())
    });
    [odd, figures, highlights, captions, drawings]
}

/// An inline image's data, to be written into the text itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Embedded {
    pub mimetype: String,
    pub base64: String,
}

pub(super) fn embed_one(img: &mut Element<'_, '_>, with: Option<&Embedded>) -> lol_html::HandlerResult {
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

pub(super) fn is_image_data(source: &str) -> bool {
    source.get(..11).is_some_and(|start| start.eq_ignore_ascii_case("data:image/"))
}
