//! Makes a text fit the other iTop's limits: images first become words that name the file in which they cross, in the
//! text's order; then the text is cut at a word, and its last line names the file with the whole text.

use std::collections::BTreeMap;

use itop_bridge_core::TicketKey;
use itop_bridge_core::text::{CUT_HERE, SEE_THE_FILE};
use itop_bridge_core::words::{Console, Journey};

use crate::html::{self, Embedded, InlineImage};
use crate::references::told_in_html;
use crate::room::{Room, in_the_basic_plane, is_a_line};

/// An attribute with at most this many characters is a single line.
const ONE_LINE: usize = 512;

/// A text to be sent, before it is known how much of it fits.
#[derive(Clone)]
pub enum Words {
    /// Sent as it stands.
    Plain(String),
    /// HTML of the other side as plain text: it names the files in which the images cross.
    Text { text: String, pictures: Vec<(InlineImage, String)> },
    /// The other side's HTML and its images, with data where they were loaded.
    Html { html: String, pictures: Vec<Picture>, way: Way },
}

/// The source and destination of a text; they decide what of it may be told.
#[derive(Clone)]
pub struct Way {
    pub from: Console,
    pub to: Console,
    pub ticket: TicketKey,
}

impl Way {
    pub fn journey(&self) -> Journey<'_> {
        Journey { from: &self.from, to: &self.to, ticket: &self.ticket }
    }
}

#[derive(Clone)]
pub struct Picture {
    pub image: InlineImage,
    /// The name of the file in which it crosses if the text has no room for it.
    pub file: String,
    /// `None` where no text has room for it.
    pub data: Option<Embedded>,
}

/// A text as it fits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fitted {
    pub value: String,
    /// The images that cross as files.
    pub left_out: Vec<(InlineImage, String)>,
    /// The text crosses whole as a file.
    pub is_cut: bool,
    /// Some of its characters became `?`.
    pub lost_characters: bool,
}

impl Words {
    /// As much as there is room for. `file` names the file with the whole text, if the text is cut.
    pub fn fit(&self, room: Room, file: &str) -> Fitted {
        let (Words::Plain(all) | Words::Text { text: all, .. } | Words::Html { html: all, .. }) = self;
        let narrow = if room.basic_plane_only { in_the_basic_plane(all) } else { all.clone() };
        let fitted = match self {
            Words::Plain(_) => fit_text(&narrow, room, file),
            Words::Text { pictures, .. } => Fitted { left_out: pictures.clone(), ..fit_text(&narrow, room, file) },
            Words::Html { pictures, way, .. } => fit_html(&narrow, pictures, way, room, file),
        };
        Fitted { lost_characters: narrow != *all, ..fitted }
    }

    /// The whole text in readable form; images as the words that name their files.
    pub fn readable(&self) -> String {
        match self {
            Words::Plain(text) | Words::Text { text, .. } => text.clone(),
            Words::Html { html, pictures, way } => {
                let told = with_pictures(&html::with_words_for_own_pictures(html), pictures, way, &BTreeMap::new());
                way.journey().words_of(&html::html_to_text(&told))
            }
        }
    }

    /// The same text for attributes that cannot hold images.
    pub fn as_text(&self) -> Words {
        let pictures: &[Picture] = if let Words::Html { pictures, .. } = self { pictures } else { &[] };
        let pictures = pictures.iter().map(|picture| (picture.image.clone(), picture.file.clone()));
        Words::Text { text: self.readable(), pictures: pictures.collect() }
    }
}

fn fit_text(text: &str, room: Room, file: &str) -> Fitted {
    match room.holds(text) {
        true => Fitted { value: text.to_owned(), ..Fitted::default() },
        false => Fitted { value: cut(text, room, file), is_cut: true, ..Fitted::default() },
    }
}

fn fit_html(html: &str, pictures: &[Picture], way: &Way, room: Room, file: &str) -> Fitted {
    let mut shown = BTreeMap::new();
    let mut value = with_pictures(html, pictures, way, &shown);
    for picture in pictures {
        let Some(data) = &picture.data else { continue };
        shown.insert(picture.image.clone(), data.clone());
        let with_it = with_pictures(html, pictures, way, &shown);
        if room.holds(&with_it) {
            value = with_it;
        } else {
            shown.remove(&picture.image);
        }
    }
    let left_out = |shown: &BTreeMap<InlineImage, Embedded>| {
        let hidden = pictures.iter().filter(|picture| !shown.contains_key(&picture.image));
        hidden.map(|picture| (picture.image.clone(), picture.file.clone())).collect()
    };
    if room.holds(&value) {
        return Fitted { value, left_out: left_out(&shown), ..Fitted::default() };
    }
    // Here none of the ticket's images is shown; those that the text itself contains go next.
    if let Some(value) = html::without_pictures(&value).filter(|value| room.holds(value)) {
        return Fitted { value, left_out: left_out(&shown), ..Fitted::default() };
    }
    let text = way.journey().words_of(&html::html_to_text(&value));
    let value = cut_to_html(&text, room, file);
    Fitted { value, left_out: left_out(&shown), is_cut: true, ..Fitted::default() }
}

/// The text as it may be told, with these images in it, and words for the others.
fn with_pictures(html: &str, pictures: &[Picture], way: &Way, shown: &BTreeMap<InlineImage, Embedded>) -> String {
    let named = |image: &InlineImage| pictures.iter().find(|picture| picture.image == *image);
    let words = |image: &InlineImage, alt: &str| {
        let picture = named(image).filter(|_| !shown.contains_key(image))?;
        let what = if alt.is_empty() { "picture" } else { alt };
        Some(format!("[{what}{SEE_THE_FILE}{}\"]", picture.file))
    };
    told_in_html(&html::embed(&html::with_words_of(html, words), shown), &way.journey())
}

/// A plain text, cut at a word.
pub fn cut(text: &str, room: Room, file: &str) -> String {
    // A single-line attribute has no room for a sentence.
    let is_short = room.chars <= ONE_LINE || is_a_line(text);
    let last_line = if is_short { "…".to_owned() } else { format!("\n\n{}", last_line(file)) };
    cut_so_that(text, |text| format!("{text}{last_line}"), room)
}

/// The cut text as HTML.
pub fn cut_to_html(text: &str, room: Room, file: &str) -> String {
    cut_so_that(text, |text| html::text_to_html(&format!("{text}\n\n{}", last_line(file))), room)
}

fn last_line(file: &str) -> String {
    format!("{CUT_HERE}{file}\"]")
}

/// The longest beginning, up to a word's end, that fits in this form.
fn cut_so_that(text: &str, form: impl Fn(&str) -> String, room: Room) -> String {
    let room = room.to_cut_to();
    let ends: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
    // The longer the beginning, the longer its form.
    let fitting = ends.partition_point(|end| room.holds(&form(&text[..*end])));
    let end = ends[fitting.saturating_sub(1)];
    let begun = &text[..end];
    // A word longer than the rest of the text is cut where it must be.
    let word_end = begun.rfind(char::is_whitespace).filter(|at| end < text.len() && *at > end / 2);
    form(begun[..word_end.unwrap_or(end)].trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(chars: usize) -> Room {
        Room { chars, bytes: chars, basic_plane_only: false }
    }

    fn picture(id: u64, bytes: usize) -> Picture {
        let image = InlineImage { id, secret: "0f".into() };
        let data = Some(Embedded { mimetype: "image/png".into(), base64: "A".repeat(bytes) });
        Picture { image, file: format!("R-1 image {id}.png"), data }
    }

    fn way() -> Way {
        let ticket = TicketKey { class: "UserRequest".into(), id: 1, reference: "R-1".into() };
        Way { from: Console::at("https://acme.example"), to: Console::at("https://elitery.example"), ticket }
    }

    fn shown(ids: &[u64]) -> String {
        let tag = |id: &u64| format!("<img data-img-id=\"{id}\" data-img-secret=\"0f\">");
        ids.iter().map(tag).collect::<Vec<_>>().join(" and ")
    }

    #[test]
    fn pictures_stay_in_the_texts_order_while_there_is_room() {
        let words = Words::Html {
            html: shown(&[1, 2, 3]),
            pictures: vec![picture(1, 500), picture(2, 600), picture(3, 100)],
            way: way(),
        };
        let fitted = words.fit(room(1_000), "R-1 description.txt");
        assert!(fitted.value.contains("[picture: see the file \"R-1 image 2.png\"]") && !fitted.is_cut);
        assert_eq!(fitted.value.matches("data:image/png").count(), 2, "{}", fitted.value);
        assert_eq!(fitted.left_out.iter().map(|(image, _)| image.id).collect::<Vec<_>>(), [2]);
        assert!(!fitted.value.contains("secret") && fitted.value.len() <= 1_000);
    }

    #[test]
    fn a_text_is_cut_at_a_word_and_its_last_line_names_the_file() {
        let text = "one two three ".repeat(100);
        for (words, end) in [
            (Words::Plain(text.clone()), "\n\n[cut here: the whole text is in the file \"R-1 x.txt\"]"),
            (
                Words::Html { html: format!("<p>{text}</p>"), pictures: Vec::new(), way: way() },
                "</p>\n<p>[cut here: the whole text is in the file \"R-1 x.txt\"]</p>",
            ),
        ] {
            let fitted = words.fit(room(1_000), "R-1 x.txt");
            let begun = fitted.value.strip_suffix(end).unwrap_or_else(|| panic!("{}", fitted.value));
            assert!(["one", "two", "three"].iter().any(|word| begun.ends_with(word)), "{begun}");
            assert!(fitted.is_cut && (800..=1_000).contains(&fitted.value.len()), "{}", fitted.value.len());
        }
    }

    #[test]
    fn bytes_count_as_characters_do_and_a_line_ends_with_a_sign() {
        let wide = Words::Plain("字".repeat(1_000)).fit(Room { chars: 2_000, bytes: 2_000, ..room(0) }, "f");
        assert!(wide.is_cut && wide.value.len() <= 2_000 && wide.value.len() > 1_800, "{}", wide.value.len());
        let title = Words::Plain("long ".repeat(30)).fit(room(100), "f");
        assert!(title.value.ends_with("long…") && title.value.chars().count() <= 100, "{}", title.value);
        let wide = Words::Plain("長い ".repeat(50)).fit(Room { bytes: 200, ..Room::default() }, "f");
        assert!(wide.value.ends_with("長い…") && wide.value.len() <= 200, "{}", wide.value);
        let whole = Words::Plain("short".into()).fit(room(100), "f");
        assert_eq!(whole, Fitted { value: "short".into(), ..Fitted::default() });
    }

    #[test]
    fn however_small_the_room_the_work_ends() {
        for chars in 0..70 {
            Words::Plain("one two 🔥 ".repeat(20)).fit(room(chars), "f");
            Words::Html { html: shown(&[1]), pictures: vec![picture(1, 50)], way: way() }.fit(room(chars), "f");
        }
    }
}
