//! Walking one side's ticket through its lifecycle, a stimulus at a time. The path is stored before
//! the first stimulus and each answered state after it: after a crash the walk goes on.

use itop_bridge_core::link::{Enclosure, Held, Late, LeftOut, Part, PlainText};
use itop_bridge_core::plan::{Stimulus, StimulusAttribute, TakenFrom};
use itop_bridge_core::policy::StatusToExternal;
use itop_bridge_core::ticket::is_external_key;
use itop_bridge_core::{Link, Side, Ticket};
use itop_client::Fields;

use super::apart::{less_room, names};
use super::barred::KEPT_BACK;
use super::crossing::{Crossed, Target, Unsure, is_prose};
use super::failure::{Failure, Kind};
use super::fit::{Fitted, Words};
use super::html;
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
        self.wrote(&format!("{} to {state} in {}", stimulus.code, self.shared.itop(self.lane, on).name), reason);
        for sent in &sent {
            self.say_how_it_fits(on, &sent.code, &sent.fitted);
        }
        if self.link.owes_enclosures() {
            // What was planned does not know of them.
            self.look_again(self.shared.now_ms());
        }
        self.keep_texts_left_out(on, &sent);
        self.save().await?;
        let outcome = self.write_plain_texts_again(on, target).await;
        self.go_on_after(outcome)
    }

    /// The ticket was moved without these texts, which something before its iTop kept from it: they follow.
    fn keep_texts_left_out(&mut self, on: Side, sent: &[Sent]) {
        let Some(held) = self.link.held(&Part::Status { on }).cloned() else { return };
        for (code, value) in sent.iter().filter_map(|sent| Some((sent.code.clone(), sent.left_out.clone()?))) {
            self.link.hold(Held { part: Part::Text(LeftOut { on, code, value }), of: String::new(), ..held.clone() });
        }
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
                self.release(&part).await?;
                continue;
            }
            let attribute =
                StimulusAttribute { code: code.clone(), value: value.clone(), taken_from: TakenFrom::Source };
            let Sent { fitted, enclosed, .. } = self.formatted(on, &attribute, target).await?;
            let value = fitted.value;
            let itop = self.shared.itop(self.lane, on);
            let (client, comment) = (itop.client.clone(), self.comment());
            let fields = Fields::new().with(code.clone(), value.clone());
            let late = Late::Field { code: code.clone(), value };
            let intend = |link: &mut Link, until_ms| {
                link.may_land(late, until_ms);
                link.enclose(on.other(), code, &enclosed);
            };
            let call = client.update(&target.class, target.id, &fields, &comment, &["id"]);
            match self.write(itop, &target.class, intend, call).await {
                Ok(Ok(_)) => {
                    self.wrote(code, "it was kept back before");
                    self.release(&part).await?;
                }
                Ok(Err(error)) => return Err(Failure::of(itop, &error)),
                Err(failure) => self.hold(part, "", failure).await?,
            }
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

    /// The value in the form that the target holds, as much as it has room for: text that crosses is converted, the
    /// target's own is sent back unchanged.
    async fn formatted(&mut self, on: Side, attribute: &StimulusAttribute, target: &Ticket) -> Result<Sent, Failure> {
        let StimulusAttribute { code, value, taken_from } = attribute;
        let from_source = *taken_from == TakenFrom::Source && !is_external_key(code);
        // The walk was kept from that iTop, and this is what somebody wrote.
        let is_kept_back = from_source && is_prose(value) && self.link.held(&Part::Status { on }).is_some();
        let crossed = if is_kept_back {
            Crossed::as_it_is(code, KEPT_BACK)
        } else if from_source {
            let place = Target { on, class: &target.class, code, holds: target.filled(code) };
            self.crossed_at_once(value, place).await?
        } else {
            Crossed::as_it_is(code, value)
        };
        let left_out = is_kept_back.then(|| value.clone());
        let room = self.shared.itop(self.lane, on).room(&target.class, code);
        let Crossed { code, words, unsure } = crossed;
        let (fitted, enclosed, from_source) = (Fitted::default(), Vec::new(), from_source && !is_kept_back);
        let mut sent = Sent { code, words, unsure, room, fitted, fitted_markup: None, enclosed, from_source, left_out };
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
        let codes: Vec<String> = sent.iter().map(|attribute| attribute.code.clone()).collect();
        for attribute in sent.iter_mut().filter(|attribute| attribute.from_source) {
            let before = attribute.fitted.value.clone();
            if let Some((room, learnt)) = less_room(attribute.room, (&attribute.code, &before), &codes, error) {
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
    /// The source's text, where other words are sent in its place.
    left_out: Option<String>,
}
