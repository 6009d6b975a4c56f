//! Renders a text of one iTop for the other: in the target's format, with its pictures, and without references that
//! must not leave their iTop (`words`). Every text that leaves a side passes through here, except titles, which the
//! core cuts.
//!
//! Whether an attribute is plain text or HTML differs between iTop's versions and models, and REST does not say. A
//! value that does not begin and end with a tag is plain text, and so is one that iTop's sanitiser would not have left
//! so: with a tag that it removes, or a bare `<` or `&`. Any other value is HTML if it consists of an editor's blocks,
//! or if most of the newest values are HTML. How iTop answered a text of the bridge's own settles the question, and is
//! remembered.

use base64::Engine as _;
use itop_bridge_core::event::Event;
use itop_bridge_core::text::could_be_html;
use itop_bridge_core::{Policy, Side};
use itop_bridge_text::fit::{Picture, Way, Words};
use itop_bridge_text::html::{self, Embedded};
use itop_bridge_text::references::told_in_html;
use itop_bridge_text::room::Room;
use itop_client::Query;

use crate::pass::enclosures::file_of_picture;
use crate::pass::work::Work;
use crate::side::call;
use crate::side::failure::{Failure, Kind};
use crate::side::itop::Itop;
use crate::side::model::Format;
use crate::side::unreadable::{Loaded, picture_not_read};

/// An attribute of the target ticket.
#[derive(Clone, Copy)]
pub(crate) struct Target<'t> {
    pub on: Side,
    pub class: &'t str,
    pub code: &'t str,
    /// The present value, if any.
    pub holds: Option<&'t str>,
}

/// A crossing text, in the target's format.
pub(crate) struct Crossed {
    pub code: String,
    pub words: Words,
    /// Set if the text is sent plain without knowing whether the target holds HTML.
    pub unsure: Option<Unsure>,
}

#[derive(Clone)]
pub(crate) struct Unsure {
    /// The source's markup, if it had any.
    pub markup: Option<Words>,
}

impl Crossed {
    pub(crate) fn as_it_is(code: &str, value: &str) -> Crossed {
        Crossed { code: code.to_owned(), words: Words::Plain(value.to_owned()), unsure: None }
    }
}

/// Renders the text in the target's format. A picture that does not come, and is not given up yet, is a failure.
pub(crate) async fn crossed(work: &mut Work<'_>, value: &str, target: Target<'_>) -> Result<Crossed, Failure> {
    let Target { on, code, .. } = target;
    let from = on.other();
    if !is_prose(value) {
        return Ok(Crossed::as_it_is(code, &way(work, from).journey().words_of(value)));
    }
    if Policy::is_html(code) {
        see_what_it_calls_itself(work, from, value);
    }
    let markup = match source_format(work, from, code, value).await? {
        Format::Plain => None,
        Format::Html => Some(with_pictures(work, from, value).await?),
    };
    let text = match &markup {
        None => Words::Plain(way(work, from).journey().words_of(value)),
        Some(markup) => markup.as_text(),
    };
    let (words, unsure) = match target_format(work, target).await? {
        Some(Format::Html) => {
            let as_html = || html_words(work, from, html::text_to_html(&text.readable()), Vec::new());
            (markup.unwrap_or_else(as_html), None)
        }
        Some(Format::Plain) => (text, None),
        // Not known yet: the text is sent plain, and iTop's answer shows the format.
        None => (text, Some(Unsure { markup })),
    };
    Ok(Crossed { code: code.to_owned(), words, unsure })
}

/// The HTML with its inline images, fetched by id and secret from the configured address of their side.
async fn with_pictures(work: &mut Work<'_>, from: Side, html: &str) -> Result<Words, Failure> {
    let itop = work.shared.itop(work.lane, from);
    let max_bytes = work.lane.settings.sync.max_attachment_bytes;
    let (mut pictures, mut unread) = (Vec::new(), Vec::new());
    for image in html::inline_images(html) {
        // Uses the memory that this pass may already hold: a pass never waits for more.
        let memory = work.file_memory().await?;
        let answer = work.reading(call::inline_image(itop, Some(&memory), image.id, &image.secret, max_bytes)).await?;
        match answer {
            Ok(loaded) => {
                itop.unreadables().read(Loaded::InlineImage, image.id);
                let file = file_of_picture(work, from, image.id, loaded.mime);
                // No text has room for a larger picture: it crosses as a file.
                let may_fit = loaded.bytes.len() < Room::default().bytes;
                let data = may_fit.then(|| Embedded {
                    mimetype: loaded.mime.to_owned(),
                    base64: base64::engine::general_purpose::STANDARD.encode(&loaded.bytes),
                });
                pictures.push(Picture { image, file, data });
            }
            Err(error) => {
                let why = picture_not_read(work.shared, itop, image.id, &error)?;
                work.did(Event::PictureNotRead { image: image.id, is_described: true, why });
                unread.push(image);
            }
        }
    }
    Ok(html_words(work, from, html::with_words_for(html, &unread), pictures))
}

fn html_words(work: &Work<'_>, from: Side, html: String, pictures: Vec<Picture>) -> Words {
    let way = way(work, from);
    Words::Html { html, pictures, way }
}

/// The second version of a text sent plain, once the target proves to hold HTML.
pub(crate) fn words_as_html(work: &Work<'_>, from: Side, plain: &Words, unsure: &Unsure) -> Words {
    let escaped = || html_words(work, from, html::text_to_html(&plain.readable()), Vec::new());
    unsure.markup.clone().unwrap_or_else(escaped)
}

/// A text's route from this side to the other.
fn way(work: &Work<'_>, from: Side) -> Way {
    let console = |side| work.shared.itop(work.lane, side).console();
    let ticket = work.link.key(from).unwrap_or(&work.link.external).clone();
    Way { from: console(from), to: console(from.other()), ticket }
}

/// An iTop may print its own pictures with another address than the configured one: learns it.
fn see_what_it_calls_itself(work: &Work<'_>, side: Side, html: &str) {
    let other = work.shared.itop(work.lane, side.other()).console();
    for root in html::roots_of_pictures(html) {
        work.shared.itop(work.lane, side).learn_address(&root, &other);
    }
}

/// Renders a log entry of this side for a file on the other.
pub(crate) fn told_log_entry(work: &Work<'_>, from: Side, html: &str) -> String {
    see_what_it_calls_itself(work, from, html);
    let way = way(work, from);
    way.journey().words_of(&html::log_text(&told_in_html(html, &way.journey())))
}

/// Renders a value of this side, in either format, for a file on the other.
pub(crate) fn told_in_a_file(work: &Work<'_>, from: Side, value: &str) -> String {
    if could_be_html(value) { told_log_entry(work, from, value) } else { way(work, from).journey().words_of(value) }
}

/// Like `crossed`, for a write that must not wait for pictures: words replace one that does not come.
pub(crate) async fn crossed_at_once(work: &mut Work<'_>, value: &str, target: Target<'_>) -> Result<Crossed, Failure> {
    match crossed(work, value, target).await {
        Err(failure) if matches!(failure.kind, Kind::Unreadable { .. }) => {
            crossed(work, &html::with_words_for_all(value), target).await
        }
        crossed => crossed,
    }
}

async fn source_format(work: &mut Work<'_>, from: Side, code: &str, value: &str) -> Result<Format, Failure> {
    if Policy::is_html(code) {
        return Ok(Format::Html);
    }
    if !looks_like_html(value) {
        return Ok(Format::Plain);
    }
    let class = match (from, &work.link.internal) {
        (Side::External, _) => work.link.external.class.clone(),
        (Side::Internal, Some(key)) => key.class.clone(),
        (Side::Internal, None) => work.policy.internal_class.clone(),
    };
    let itop = work.shared.itop(work.lane, from);
    if let Some(known) = itop.model().format(&class, code) {
        return Ok(known);
    }
    if is_of_an_editor(value) {
        // If the other values are plain, they are from before an upgrade.
        return Ok(Format::Html);
    }
    let others = others(work, itop, &class, code).await?;
    Ok(if others.are_mostly_plain() { Format::Plain } else { Format::Html })
}

/// `None` if nothing shows HTML: only iTop's answer to a text of the bridge proves that it is not.
async fn target_format(work: &mut Work<'_>, target: Target<'_>) -> Result<Option<Format>, Failure> {
    let Target { on, class, code, holds } = target;
    if Policy::is_html(code) {
        return Ok(Some(Format::Html));
    }
    let itop = work.shared.itop(work.lane, on);
    if let Some(known) = itop.model().format(class, code) {
        return Ok(Some(known));
    }
    let others = others(work, itop, class, code).await?;
    let is_html = match holds.filter(|holds| !holds.is_empty()) {
        Some(holds) => looks_like_html(holds) && !others.are_mostly_plain(),
        None => others.html > 0 && !others.are_mostly_plain(),
    };
    Ok(is_html.then_some(Format::Html))
}

/// Counts the formats of this attribute in other tickets of the class, the newest first (iTop's own order). In an
/// upgraded iTop, plain texts of former years stand in an attribute that is HTML now.
async fn others(work: &Work<'_>, itop: &Itop, class: &str, code: &str) -> Result<Others, Failure> {
    let own = work.link.key(itop.side()).map_or(0, |key| key.id);
    let query = Query::oql(format!("SELECT {class} WHERE {code} != '' AND id != {own}")).limit(EXAMPLES);
    let answer = call::asked(work.shared, itop, class, &query, &[code]).await;
    let mut others = Others::default();
    match answer {
        Ok(found) => {
            let values = found.objects.iter().filter_map(|object| object.text(code));
            values.for_each(|value| *(if looks_like_html(value) { &mut others.html } else { &mut others.plain }) += 1);
        }
        Err(error) => {
            let failure = Failure::of(itop, &error);
            // iTop may refuse the question, such as for an attribute that the class lacks.
            if failure.ends_the_pass() {
                return Err(failure);
            }
        }
    }
    if others.html > 0 && others.plain == 0 {
        itop.model().learn_format(class, code, Format::Html);
    }
    Ok(others)
}

/// This many of the newest values tell whether an attribute is HTML.
const EXAMPLES: u32 = 5;

#[derive(Default)]
struct Others {
    html: usize,
    plain: usize,
}

impl Others {
    fn are_mostly_plain(&self) -> bool {
        self.plain > self.html
    }
}

/// iTop's editor writes blocks. Nobody types those into a plain text field.
fn is_of_an_editor(value: &str) -> bool {
    const BLOCKS: [&str; 15] =
        ["p", "div", "ul", "ol", "table", "figure", "pre", "blockquote", "hr", "h1", "h2", "h3", "h4", "h5", "h6"];
    let tag = value.trim_start().trim_start_matches('<');
    let end = tag.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(tag.len());
    looks_like_html(value) && BLOCKS.contains(&tag[..end].to_ascii_lowercase().as_str())
}

/// Looks as iTop answers HTML. A plain text may look so too.
fn looks_like_html(value: &str) -> bool {
    could_be_html(value) && value.trim_end().ends_with('>')
}

/// Whether the value has a format to convert: not a code of an enumeration, a number or a date.
pub(crate) fn is_prose(value: &str) -> bool {
    value.contains(|c: char| c.is_whitespace() || matches!(c, '<' | '&')) && !is_date(value)
}

fn is_date(value: &str) -> bool {
    value.len() == 19 && value.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b':' | b' '))
}
