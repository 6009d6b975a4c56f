//! HTML that crosses from one iTop to the other: its inline images, and its conversion to text and back.
//!
//! No URL in a text is ever fetched. An inline image's id and secret are taken from its tag and requested from that
//! side's configured address; every other image becomes its alt text, with its address if that is another site's. No
//! image source of the other iTop and no secret crosses. Links that people wrote stay word for word.

mod embed;
mod escape;
mod inline_images;
mod links;
mod log_entry;
mod picture_words;
#[cfg(test)]
mod tests;
mod to_text;

pub use embed::{Embedded, embed};
pub(crate) use escape::escape_unfinished_tag;
pub use inline_images::{InlineImage, inline_images, roots_of_pictures};
pub use log_entry::{log_text, without_image_addresses};
pub use picture_words::{
    with_words_for, with_words_for_all, with_words_for_own_pictures, with_words_of, without_pictures,
};
pub use to_text::{html_to_text, text_to_html};
