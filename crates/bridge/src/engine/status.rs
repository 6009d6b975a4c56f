//! Walking one side's ticket through its lifecycle, a stimulus at a time. The path is stored before
//! the first stimulus and each answered state after it: after a crash the walk goes on.

use itop_bridge_core::link::{Enclosure, Late, PlainText};
use itop_bridge_core::plan::{Stimulus, StimulusAttribute, TakenFrom};
use itop_bridge_core::policy::StatusToExternal;
use itop_bridge_core::ticket::is_external_key;
use itop_bridge_core::{Link, Side, Ticket};
use itop_client::Fields;

use super::apart::{less_room, names};
use super::crossing::{Crossed, Target, Unsure};
use super::failure::{Failure, Kind};
use super::fit::{Fitted, Words};
use super::pass::Pass;
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
                sent.push(self.formatted(on, attribute, target).await?);
            }
        }
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
                    sent.iter().for_each(|sent| self.link.owe_no_enclosures(on.other(), &sent.code));
                }
                self.save().await?;
                return Err(Failure::of(itop, &error));
            }
            // Answered ok and not applied: a person was faster.
            Ok(None) => {
                self.link.plain.retain(|text| !is_sent(text));
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
        let where_to = if on == Side::External { " outside" } else { "" };
        self.wrote(&format!("{} to {state}{where_to}", stimulus.code), reason);
        for sent in &sent {
            self.say_how_it_fits(on, &sent.code, &sent.fitted);
        }
        if self.link.owes_enclosures() {
            // What was planned does not know of them.
            self.look_again(self.shared.now_ms());
        }
        self.save().await?;
        let outcome = self.write_plain_texts_again(on, target).await;
        self.go_on_after(outcome)
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
            sent.unsure.as_ref()?;
            let html = sent.fitted_markup.clone();
            Some(PlainText { on, code: sent.code.clone(), value: sent.fitted.value.clone(), html })
        });
        let intend = |link: &mut Link, until_ms| {
            link.may_land(late, until_ms);
            link.plain.retain(|text| text.on != on || !sent.iter().any(|sent| sent.code == text.code));
            link.plain.extend(plain);
            for sent in sent {
                link.enclose(on.other(), &sent.code, &sent.enclosed);
            }
        };
        let answer = self.write(itop, &target.class, intend, call).await?;
        Ok(answer.map(|applied| applied.map(|written| written.object)))
    }

    /// The value in the form that the target holds, as much as it has room for: text that crosses is converted, the
    /// target's own is sent back unchanged.
    async fn formatted(&mut self, on: Side, attribute: &StimulusAttribute, target: &Ticket) -> Result<Sent, Failure> {
        let StimulusAttribute { code, value, taken_from } = attribute;
        let from_source = *taken_from == TakenFrom::Source && !is_external_key(code);
        let crossed = if from_source {
            let place = Target { on, class: &target.class, code, holds: target.filled(code) };
            self.crossed_at_once(value, place).await?
        } else {
            Crossed::as_it_is(code, value)
        };
        let room = self.shared.itop(self.lane, on).room(&target.class, code);
        let Crossed { code, words, unsure } = crossed;
        let (fitted, enclosed) = (Fitted::default(), Vec::new());
        let mut sent = Sent { code, words, unsure, room, fitted, fitted_markup: None, enclosed, from_source };
        self.fit_attribute(on, &mut sent);
        Ok(sent)
    }

    fn fit_attribute(&self, on: Side, sent: &mut Sent) {
        let (from, code) = (on.other(), sent.code.as_str());
        let file = self.file_of_text(from, code);
        sent.fitted = sent.words.fit(sent.room, &file);
        let markup = sent.unsure.as_ref().and_then(|unsure| unsure.markup.as_ref());
        sent.fitted_markup = markup.map(|markup| markup.fit(sent.room, &file).value);
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
        for attribute in sent.iter_mut().filter(|attribute| attribute.from_source) {
            let before = attribute.fitted.value.clone();
            if let Some((room, learnt)) = less_room(attribute.room, &attribute.code, &before, error) {
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

/// An attribute of a stimulus as it is sent.
struct Sent {
    code: String,
    words: Words,
    /// Sent as plain text without knowing whether the target holds HTML.
    unsure: Option<Unsure>,
    room: Room,
    fitted: Fitted,
    /// Of the source's markup, where it is sent as plain text for now, as much as there is room for.
    fitted_markup: Option<String>,
    /// The files that it owes.
    enclosed: Vec<Enclosure>,
    /// The other ticket's words: a default, or the target's own, is nobody's to cut.
    from_source: bool,
}
