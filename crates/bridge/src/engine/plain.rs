//! Texts that a stimulus carries while nobody knows whether the attribute holds plain text or HTML (it
//! differs between iTop's versions). They are sent plain. Where HTML came of it, what followed a `<` is
//! lost: the text is written once more as HTML (with the source's own markup, where it had some, else
//! escaped), and stays owed until that is answered ok.

use itop_bridge_core::link::{Enclosure, Late, PlainText};
use itop_bridge_core::{FileKind, Link, Side, Ticket};
use itop_client::Fields;

use super::failure::Failure;
use super::fit::{Fitted, Words, cut_to_html};
use super::html;
use super::itop::Format;
use super::pass::Pass;

impl Pass<'_> {
    /// Takes in what became of the texts, by what the attributes show. Only those stay that must be written
    /// again; a text that somebody wrote since is left alone.
    pub(super) fn learn_of_plain_texts<'t>(
        &mut self,
        on: Side,
        class: &str,
        read_at_ms: i64,
        shows: impl Fn(&str) -> Option<&'t str>,
    ) {
        let itop = self.shared.itop(self.lane, on);
        let may_come = self.link.status_may_land(on, read_at_ms);
        self.link.plain.retain(|sent| {
            if sent.on != on {
                return true;
            }
            let shown = shows(&sent.code).unwrap_or_default();
            if shown.is_empty() || html::begins_with_tag(&sent.value) {
                // Here nothing can be told yet, or ever.
                return shown.is_empty() && may_come;
            }
            let is_html = html::begins_with_tag(shown);
            itop.learn_format(class, &sent.code, if is_html { Format::Html } else { Format::Plain });
            is_html && came_of(&sent.value, shown)
        });
    }

    /// The same by what was read: the answer was lost, or writing again failed.
    pub(super) async fn settle_plain_texts(&mut self, on: Side, target: &Ticket) -> Result<(), Failure> {
        let before = self.link.plain.len();
        let shows = |code: &str| target.attributes.get(code).map(String::as_str);
        self.learn_of_plain_texts(on, &target.class, target.read_at_ms, shows);
        if self.link.plain.len() < before {
            self.save().await?;
        }
        let outcome = self.write_plain_texts_again(on, target).await;
        self.go_on_after(outcome)
    }

    /// Its characters are longer in HTML: what had room as plain text may have none so.
    fn as_html(&self, text: &PlainText, class: &str) -> AsHtml {
        let PlainText { on, code, value, .. } = text;
        let room = self.shared.itop(self.lane, *on).room(class, code);
        let html = text.html.clone().unwrap_or_else(|| html::text_to_html(value));
        if room.holds(&html) {
            return AsHtml { code: code.clone(), value: html, encloses: None };
        }
        let from = on.other();
        let cut = Fitted {
            value: cut_to_html(value, room, &self.file_of_text(from, code)),
            is_cut: true,
            ..Fitted::default()
        };
        let is_owed = self.link.enclosure(from, FileKind::Text, code).is_some();
        let files = if is_owed { Vec::new() } else { self.enclosed_in(from, code, &Words::Plain(value.clone()), &cut) };
        AsHtml { code: code.clone(), value: cut.value, encloses: files.into_iter().next() }
    }

    pub(super) async fn write_plain_texts_again(&mut self, on: Side, target: &Ticket) -> Result<(), Failure> {
        let itop = self.shared.itop(self.lane, on);
        let is_html = |text: &&PlainText| text.on == on && itop.format(&target.class, &text.code) == Some(Format::Html);
        let texts: Vec<PlainText> = self.link.plain.iter().filter(is_html).cloned().collect();
        if texts.is_empty() {
            return Ok(());
        }
        let forms: Vec<AsHtml> = texts.iter().map(|text| self.as_html(text, &target.class)).collect();
        let mut again = Fields::new();
        for form in &forms {
            again.set(form.code.clone(), form.value.clone());
        }
        let intend = |link: &mut Link, until_ms| {
            for AsHtml { code, value, encloses } in &forms {
                link.may_land(Late::Field { code: code.clone(), value: value.clone() }, until_ms);
                encloses.iter().for_each(|file| link.enclose(on.other(), code, std::slice::from_ref(file)));
            }
        };
        let (client, comment) = (itop.client.clone(), self.comment());
        let call = client.update(&target.class, target.id, &again, &comment, &["id"]);
        let mut answer = self.write(itop, &target.class, intend, call).await?;
        if let Err(error) = &answer
            && let Some(object) = Box::pin(self.read_after_memory_ran_out(itop, error, target, &["id"])).await?
        {
            answer = Ok(itop_client::Written { object, date: None });
        }
        if answer.is_ok() {
            self.link.plain.retain(|text| !texts.contains(text));
            self.wrote("text as HTML", "iTop showed that it is held as HTML");
            // What this pass planned, it planned by the text as it was.
            self.look_again(self.shared.now_ms());
        }
        self.save().await?;
        answer.map(|_| ()).map_err(|error| Failure::of(itop, &error))
    }
}

/// A text as it is written again.
struct AsHtml {
    code: String,
    value: String,
    /// The file that has all of it, where the stimulus did not already owe one.
    encloses: Option<Enclosure>,
}

/// Whether this HTML is what iTop made of the text: read as HTML, or cut at one of its `<`.
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
