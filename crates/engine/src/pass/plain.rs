//! Texts that a stimulus carries while it is unknown whether the attribute holds plain text or HTML, which differs
//! between iTop's versions. They are sent plain. If iTop took the text as HTML, everything after a `<` is lost. The
//! text is then written once more as HTML (with the source's own markup if it had some, else escaped), and stays owed
//! until that write is answered ok.

use itop_bridge_core::event::Written;
use itop_bridge_core::link::{self, CopyState, Enclosure, Late, Part, PlainText};
use itop_bridge_core::text::could_be_html;
use itop_bridge_core::{FileKind, Link, Side, Ticket};
use itop_bridge_text::fit::{Fitted, Words, cut_to_html};
use itop_bridge_text::html;
use itop_client::Fields;

use crate::pass::barred::{hold, release};
use crate::pass::enclosures::{enclosed_in, file_of_text};
use crate::pass::heavy::read_after_memory_ran_out;
use crate::pass::work::Work;
use crate::pass::write::write;
use crate::side::failure::Failure;
use crate::side::model::Format;
use crate::side::send::Update;

/// Judges by the present values how iTop took the texts. Only those that must be written again stay in the link; a text
/// that somebody has changed since is left alone.
pub(crate) fn learn_of_plain_texts<'t>(
    work: &mut Work<'_>,
    on: Side,
    class: &str,
    read_at_ms: i64,
    shows: impl Fn(&str) -> Option<&'t str>,
) {
    let itop = work.shared.itop(work.lane, on);
    let may_come = work.link.status_may_land(on, read_at_ms);
    work.link.in_flight.plain.retain(|sent| {
        if sent.on != on {
            return true;
        }
        let shown = shows(&sent.code).unwrap_or_default();
        if shown.is_empty() || could_be_html(&sent.value) {
            // Cannot be told yet, or ever.
            return shown.is_empty() && may_come;
        }
        let is_html = could_be_html(shown);
        itop.model().learn_format(class, &sent.code, if is_html { Format::Html } else { Format::Plain });
        let is_written = sent.html.as_deref() == Some(shown);
        is_html && !is_written && came_of(&sent.value, shown)
    });
}

/// The same from a read, after a lost answer or a failed second write; then writes again what must be.
pub(crate) async fn settle_plain_texts(work: &mut Work<'_>, on: Side, target: &Ticket) -> Result<(), Failure> {
    let before = (work.link.in_flight.plain.len(), work.link.open.held.len());
    let shows = |code: &str| target.attributes.get(code).map(String::as_str);
    learn_of_plain_texts(work, on, &target.class, target.read_at_ms, shows);
    let (plain, held) = (&work.link.in_flight.plain, &mut work.link.open.held);
    let is_owed = |side, of: &String| plain.iter().any(|text| text.on == side && text.code == *of);
    held.retain(|held| !matches!(&held.part, Part::AsHtml { on, code } if !is_owed(*on, code)));
    if before != (work.link.in_flight.plain.len(), work.link.open.held.len()) {
        work.save().await?;
    }
    write_plain_texts_again(work, on, target).await
}

fn as_html(work: &Work<'_>, text: &PlainText, class: &str) -> AsHtml {
    let PlainText { on, code, value, html, encloses } = text;
    let room = work.shared.itop(work.lane, *on).room(class, code);
    let html = html.clone().unwrap_or_else(|| html::text_to_html(value));
    let mut encloses = encloses.clone();
    if room.holds(&html) {
        return AsHtml { value: html, encloses };
    }
    // There is less room than was known at the first write: send as much of the plain text as fits.
    let from = on.other();
    let cut = cut_to_html(value, room, &file_of_text(work, from, code));
    let known = work.link.enclosure(from, FileKind::Text, code);
    let is_removed = known.is_some_and(|known| known.state == Some(CopyState::RemovedByPerson));
    if (known.is_none() || is_removed) && !encloses.iter().any(|file| file.kind() == FileKind::Text) {
        let fitted = Fitted { is_cut: true, ..Fitted::default() };
        encloses.extend(enclosed_in(work, from, code, &Words::Plain(value.clone()), &fitted));
    }
    AsHtml { value: cut, encloses }
}

/// Writes the texts that became HTML once more, one call each, so that one kept-back text holds back no other.
pub(crate) async fn write_plain_texts_again(work: &mut Work<'_>, on: Side, target: &Ticket) -> Result<(), Failure> {
    let itop = work.shared.itop(work.lane, on);
    let is_html =
        |text: &&PlainText| text.on == on && itop.model().format(&target.class, &text.code) == Some(Format::Html);
    let texts: Vec<PlainText> = work.link.in_flight.plain.iter().filter(is_html).cloned().collect();
    for text in texts {
        let form = as_html(work, &text, &target.class);
        let (part, of) = (Part::AsHtml { on, code: text.code.clone() }, link::sent(&form.value));
        if work.link.waits(&part, &of, work.shared.now_ms()) {
            continue;
        }
        let outcome = match write_as_html(work, text, form, target).await {
            Ok(()) => release(work, &part).await,
            Err(failure) => hold(work, part, &of, failure).await,
        };
        work.go_on_after(outcome)?;
    }
    Ok(())
}

async fn write_as_html(work: &mut Work<'_>, text: PlainText, form: AsHtml, target: &Ticket) -> Result<(), Failure> {
    let (on, code, AsHtml { value, encloses }) = (text.on, text.code.clone(), form);
    let itop = work.shared.itop(work.lane, on);
    let again = Fields::new().with(code.clone(), value.clone());
    let is_known = text.html.is_some();
    let intend = |link: &mut Link, until_ms| {
        // A picture that fits into the HTML need not cross as a file, as it must with plain text.
        if is_known || !encloses.is_empty() {
            link.enclose(on.other(), &code, &encloses);
        }
        link.may_land(Late::Field { code, value }, until_ms);
    };
    let update = Update { class: &target.class, id: target.id, fields: &again, output: &["id"] };
    let mut answer = write(work, itop, update, intend).await?;
    if let Err(error) = &answer
        && let Some(object) = Box::pin(read_after_memory_ran_out(work, itop, error, target, &["id"])).await?
    {
        answer = Ok(itop_client::Written { object, date: None });
    }
    if answer.is_ok() {
        work.link.in_flight.plain.retain(|known| *known != text);
        work.wrote(Written::TextAsHtml, "iTop showed that it is held as HTML");
        // The rest of this pass's plan is based on the earlier text.
        work.look_again(work.shared.now_ms());
    }
    work.save().await?;
    answer.map(|_| ()).map_err(|error| Failure::of(itop, &error))
}

/// A text in the form of its second write.
#[derive(Clone)]
pub(crate) struct AsHtml {
    pub value: String,
    /// The files that it owes.
    pub encloses: Vec<Enclosure>,
}

/// Whether iTop made this HTML from the sent text: read as HTML, or cut at one of its `<`.
fn came_of(sent: &str, shown: &str) -> bool {
    let solid = |text: &str| text.split_whitespace().collect::<String>();
    let shown = solid(&html::html_to_text(shown));
    solid(&html::html_to_text(sent)) == shown || solid(sent).starts_with(&shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_itop_made_of_a_text_is_told_from_what_a_person_wrote() {
        let sent = "5 < 7 & so\n\non";
        for made in ["<p>5 </p>", "<p>5 &lt; 7 &amp; so on</p>", "<p>5 &lt; 7 &amp; so<br>\n<br>on</p>"] {
            assert!(came_of(sent, made), "{made}");
        }
        for written in ["<p>5 is less than 7</p>", "<p>no</p>"] {
            assert!(!came_of(sent, written), "{written}");
        }
    }
}
