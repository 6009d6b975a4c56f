//! Walking one side's ticket through its lifecycle, a stimulus at a time. The path is stored before
//! the first stimulus and each answered state after it: after a crash the walk goes on.

use itop_bridge_core::link::{Enclosure, Held, Late, LeftOut, Part, PlainText};
use itop_bridge_core::plan::{Stimulus, StimulusAttribute, TakenFrom};
use itop_bridge_core::policy::StatusToExternal;
use itop_bridge_core::ticket::is_external_key;
use itop_bridge_core::{Link, Side, Ticket};
use itop_client::Fields;

use super::apart::{Sizes, less_room, names};
use super::barred::KEPT_BACK;
use super::crossing::{Crossed, Target, Unsure, is_prose};
use super::failure::{Failure, Kind};
use super::fit::{Fitted, Words};
use super::html;
use super::pass::Pass;
use super::plain::AsHtml;
use super::room::Room;

impl Pass<'_> {
    pub(super) async fn walk(
        &mut self,
        on: Side,
        wanted: &str,
        walk: &[Stimulus],
        target: &Ticket,
        reason: &str,
    ) -> Result<(), Failure> {
        self.link.set_out(on, wanted, walk.iter().map(|stimulus| stimulus.to.clone()));
        for stimulus in walk {
            self.stimulate(on, stimulus, target, reason).await?;
        }
        Ok(())
    }

    async fn stimulate(&mut self, on: Side, stimulus: &Stimulus, target: &Ticket, reason: &str) -> Result<(), Failure> {
        let itop = self.shared.itop(self.lane, on);
        let mut sent = Vec::new();
        for attribute in &stimulus.attributes {
            if itop.has_attribute(&target.class, &attribute.code) {
                sent.push(self.formatted_for_a_walk(on, attribute, target).await?);
            }
        }
        let enclosures = self.link.enclosures.clone();
        let answer = loop {
            match self.send_stimulus(on, stimulus, &sent, target).await? {
                Err(error) if self.stimulate_with_less(on, &target.class, &mut sent, &error).await? => {
                    self.look_at_what_it_did(&error);
                }
                answer => break answer,
            }
        };
        let is_sent = |text: &PlainText| text.on == on && sent.iter().any(|sent| sent.code == text.code);
        let state = match answer {
            Err(error) => {
                if error.had_no_effect() {
                    self.link.plain.retain(|text| !is_sent(text));
                }
                self.save().await?;
                return Err(Failure::of(itop, &error));
            }
            // Answered ok and not applied: a person was faster.
            Ok(None) => {
                self.link.plain.retain(|text| !is_sent(text));
                self.link.enclosures = enclosures;
                String::new()
            }
            Ok(Some(object)) => {
                let shows = |code: &str| object.text(code).or(target.attributes.get(code).map(String::as_str));
                self.learn_of_plain_texts(on, &target.class, self.shared.now_ms(), shows);
                object.text("status").unwrap_or_default().to_owned()
            }
        };
        if state != stimulus.to {
            // Code 0 and no move to where it leads: a person was faster, or a rule of this iTop's own.
            self.save().await?;
            let (code, wanted) = (&stimulus.code, &stimulus.to);
            let text = format!("{code} did not lead to {wanted} (the ticket stands in {state:?})");
            return Err(Failure::at(itop, Kind::Stale, text));
        }
        self.link.state_answered(on, &state);
        self.is_to_be_told |= on == Side::Internal && self.policy.status_to_external == StatusToExternal::Report;
        self.wrote(&format!("{} to {state} in {}", stimulus.code, self.shared.itop(self.lane, on).name), reason);
        for sent in &sent {
            self.say_how_it_fits(on, &sent.code, &sent.fitted);
        }
        if self.link.owes_enclosures() {
            // What was planned does not know of them.
            self.look_again(self.shared.now_ms());
        }
        self.save().await?;
        self.write_plain_texts_again(on, target).await
    }

    /// Writes the texts that stimuli left out, where nobody has written something else since.
    pub(super) async fn write_texts_left_out(&mut self, on: Side, target: &Ticket) -> Result<(), Failure> {
        let now_ms = self.shared.now_ms();
        let due = self.link.held.iter().filter(|held| held.not_before_ms <= now_ms).map(|held| held.part.clone());
        for part in due.collect::<Vec<_>>() {
            let Part::Text(LeftOut { on: side, code, value }) = &part else { continue };
            if *side != on {
                continue;
            }
            if !target.filled(code).is_some_and(|shown| html::html_to_text(shown).contains(KEPT_BACK)) {
                // A move without the text may still come.
                if !self.link.status_may_land(on, target.read_at_ms) {
                    self.release(&part).await?;
                }
                continue;
            }
            let attribute =
                StimulusAttribute { code: code.clone(), value: value.clone(), taken_from: TakenFrom::Source };
            match self.write_text_left_out(on, &attribute, target).await {
                Ok(()) => self.release(&part).await?,
                Err(failure) => {
                    let outcome = self.hold(part, "", failure).await;
                    self.go_on_after(outcome)?;
                }
            }
        }
        Ok(())
    }

    /// As much of it as there is room for.
    async fn write_text_left_out(
        &mut self,
        on: Side,
        attribute: &StimulusAttribute,
        target: &Ticket,
    ) -> Result<(), Failure> {
        let itop = self.shared.itop(self.lane, on);
        let mut sent = vec![self.formatted(on, attribute, target).await?];
        // Where no words are left to be sent, the others stay.
        while let [Sent { code, fitted, enclosed, .. }] = sent.as_slice() {
            let (client, comment) = (itop.client.clone(), self.comment());
            let fields = Fields::new().with(code.clone(), fitted.value.clone());
            let late = Late::Field { code: code.clone(), value: fitted.value.clone() };
            let intend = |link: &mut Link, until_ms| {
                link.may_land(late, until_ms);
                link.enclose(on.other(), code, enclosed);
            };
            let call = client.update(&target.class, target.id, &fields, &comment, &["id"]);
            let error = match self.write(itop, &target.class, intend, call).await? {
                Ok(_) => {
                    self.wrote(code, "it was kept back before");
                    self.say_how_it_fits(on, code, fitted);
                    // What was planned does not know of its files.
                    self.look_again(self.shared.now_ms());
                    break;
                }
                Err(error) => error,
            };
            if !self.stimulate_with_less(on, &target.class, &mut sent, &error).await? {
                self.save().await?;
                return Err(Failure::of(itop, &error));
            }
            self.look_at_what_it_did(&error);
        }
        Ok(())
    }

    async fn send_stimulus(
        &mut self,
        on: Side,
        stimulus: &Stimulus,
        sent: &[Sent],
        target: &Ticket,
    ) -> Result<Result<Option<itop_client::Object>, itop_client::Error>, Failure> {
        let mut fields = Fields::new();
        for sent in sent {
            fields.set(sent.code.clone(), sent.fitted.value.clone());
        }
        let itop = self.shared.itop(self.lane, on);
        let (client, comment) = (itop.client.clone(), self.comment());
        let texts = sent.iter().filter(|sent| sent.unsure.is_some()).map(|sent| sent.code.clone());
        let output: Vec<String> = ["status".to_owned()].into_iter().chain(texts).collect();
        let output: Vec<&str> = output.iter().map(String::as_str).collect();
        let late = Late::Status { on, to: stimulus.to.clone() };
        let call = client.apply_stimulus(&target.class, target.id, &stimulus.code, &fields, &comment, &output);
        let plain = sent.iter().filter_map(|sent| {
            let AsHtml { value, encloses } = sent.as_html.clone()?;
            let (code, html) = (sent.code.clone(), Some(value));
            Some(PlainText { on, code, value: sent.fitted.value.clone(), html, encloses })
        });
        let intend = |link: &mut Link, until_ms| {
            link.may_land(late, until_ms);
            link.plain.retain(|text| text.on != on || !sent.iter().any(|sent| sent.code == text.code));
            link.plain.extend(plain);
            for sent in sent {
                link.enclose(on.other(), &sent.code, &sent.enclosed);
            }
            keep_texts_left_out(link, on, sent);
        };
        let answer = self.write(itop, &target.class, intend, call).await?;
        let answer = match answer {
            Err(error) => match Box::pin(self.read_after_memory_ran_out(itop, &error, target, &output)).await? {
                // Where it stands tells whether it was moved.
                Some(object) => Ok(Some(itop_client::Written { object, date: None })),
                None => Err(error),
            },
            answer => answer,
        };
        Ok(answer.map(|applied| applied.map(|written| written.object)))
    }

    /// The value as a walk sends it: where the walk was kept from that iTop, other words stand in place of what
    /// somebody wrote.
    async fn formatted_for_a_walk(
        &mut self,
        on: Side,
        attribute: &StimulusAttribute,
        target: &Ticket,
    ) -> Result<Sent, Failure> {
        let StimulusAttribute { code, value, .. } = attribute;
        if self.link.held(&Part::Status { on }).is_none() || !is_of_the_source(attribute) || !is_prose(value) {
            return self.formatted(on, attribute, target).await;
        }
        let sent = self.as_sent(on, target, Crossed::as_it_is(code, KEPT_BACK), false);
        Ok(Sent { left_out: Some(value.clone()), ..sent })
    }

    /// The value in the form that the target holds, as much as it has room for: text that crosses is converted, the
    /// target's own is sent back unchanged.
    async fn formatted(&mut self, on: Side, attribute: &StimulusAttribute, target: &Ticket) -> Result<Sent, Failure> {
        let StimulusAttribute { code, value, .. } = attribute;
        let from_source = is_of_the_source(attribute);
        let crossed = if from_source {
            let place = Target { on, class: &target.class, code, holds: target.filled(code) };
            self.crossed_at_once(value, place).await?
        } else {
            Crossed::as_it_is(code, value)
        };
        Ok(self.as_sent(on, target, crossed, from_source))
    }

    fn as_sent(&self, on: Side, target: &Ticket, crossed: Crossed, from_source: bool) -> Sent {
        let Crossed { code, words, unsure } = crossed;
        let room = self.shared.itop(self.lane, on).room(&target.class, &code);
        let (fitted, enclosed) = (Fitted::default(), Vec::new());
        let mut sent = Sent { code, words, unsure, room, fitted, as_html: None, enclosed, from_source, left_out: None };
        self.fit_attribute(on, &mut sent);
        sent
    }

    fn fit_attribute(&self, on: Side, sent: &mut Sent) {
        let (from, code) = (on.other(), sent.code.as_str());
        let file = self.file_of_text(from, code);
        sent.fitted = sent.words.fit(sent.room, &file);
        sent.as_html = sent.unsure.as_ref().map(|unsure| {
            let words = self.words_as_html(from, &sent.words, unsure);
            let fitted = words.fit(sent.room, &file);
            let encloses = self.enclosed_in(from, code, &words, &fitted);
            AsHtml { value: fitted.value, encloses }
        });
        if sent.from_source {
            sent.enclosed = self.enclosed_in(from, code, &sent.words, &sent.fitted);
        }
    }

    /// Less of the attributes that iTop did not take: a shorter text, or the side's own default in place of a value
    /// that it does not know. Answers whether it is worth sending again.
    async fn stimulate_with_less(
        &mut self,
        on: Side,
        class: &str,
        sent: &mut Vec<Sent>,
        error: &itop_client::Error,
    ) -> Result<bool, Failure> {
        let mut is_less = false;
        let mut not_known = Vec::new();
        let sizes = Sizes::of(sent.iter().map(|attribute| (attribute.code.as_str(), attribute.fitted.value.as_str())));
        for attribute in sent.iter_mut().filter(|attribute| attribute.from_source) {
            let before = attribute.fitted.value.clone();
            if let Some((room, learnt)) = less_room(attribute.room, (&attribute.code, &before), &sizes, error) {
                attribute.room = room;
                self.fit_attribute(on, attribute);
                if attribute.fitted.value != before {
                    is_less = true;
                    if let Some(learnt) = learnt {
                        self.shared.learn_room(self.shared.itop(self.lane, on), class, &attribute.code, learnt).await?;
                    }
                    continue;
                }
            }
            if error.had_no_effect() && names(error, &attribute.code) {
                not_known.push(attribute.code.clone());
            }
        }
        for code in not_known {
            let default = self.policy.defaults(on).get(&code).cloned();
            let side = &self.shared.itop(self.lane, on).name;
            self.did(format!("{code}: {side} does not take this value, and the stimulus goes without it: {error}"));
            match (default, sent.iter_mut().find(|attribute| attribute.code == code)) {
                (Some(default), Some(attribute)) => {
                    (attribute.words, attribute.unsure) = (Words::Plain(default), None);
                    (attribute.from_source, attribute.enclosed) = (false, Vec::new());
                    self.fit_attribute(on, attribute);
                }
                _ => sent.retain(|attribute| attribute.code != code),
            }
            is_less = true;
        }
        Ok(is_less)
    }
}

/// The ticket is about to be moved without these texts, which something before its iTop kept from it: they follow,
/// whatever becomes of the answer.
fn keep_texts_left_out(link: &mut Link, on: Side, sent: &[Sent]) {
    let Some(held) = link.held(&Part::Status { on }).cloned() else { return };
    for (code, value) in sent.iter().filter_map(|sent| Some((sent.code.clone(), sent.left_out.clone()?))) {
        link.hold(Held { part: Part::Text(LeftOut { on, code, value }), of: String::new(), ..held.clone() });
    }
}

/// The other ticket's words, and no key of its iTop's.
fn is_of_the_source(attribute: &StimulusAttribute) -> bool {
    attribute.taken_from == TakenFrom::Source && !is_external_key(&attribute.code)
}

/// An attribute of a stimulus as it is sent.
struct Sent {
    code: String,
    words: Words,
    /// Sent as plain text without knowing whether the target holds HTML.
    unsure: Option<Unsure>,
    room: Room,
    fitted: Fitted,
    /// What is to be sent if iTop makes HTML of it, where it is sent as plain text for now.
    as_html: Option<AsHtml>,
    /// The files that it owes.
    enclosed: Vec<Enclosure>,
    /// The other ticket's words: a default, or the target's own, is nobody's to cut.
    from_source: bool,
    /// The source's text, where other words are sent in its place.
    left_out: Option<String>,
}
