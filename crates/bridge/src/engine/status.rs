//! Walking one side's ticket through its lifecycle, a stimulus at a time. The path is stored before
//! the first stimulus and each answered state after it: after a crash the walk goes on.

use itop_bridge_core::link::{Late, PlainText};
use itop_bridge_core::plan::{Stimulus, StimulusAttribute, TakenFrom};
use itop_bridge_core::policy::StatusToExternal;
use itop_bridge_core::ticket::is_external_key;
use itop_bridge_core::{Link, Side, Ticket};
use itop_client::Fields;

use super::crossing::{Crossed, Target, Unsure};
use super::failure::{Failure, Kind};
use super::html;
use super::pass::Pass;
use super::write::is_too_large;

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
                Err(error) if leave_pictures_out(&mut sent, &error) => {}
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
        self.save().await?;
        let outcome = self.write_plain_texts_again(on, target).await;
        self.go_on_after(outcome)
    }

    async fn send_stimulus(
        &mut self,
        on: Side,
        stimulus: &Stimulus,
        sent: &[Crossed],
        target: &Ticket,
    ) -> Result<Result<Option<itop_client::Object>, itop_client::Error>, Failure> {
        let mut fields = Fields::new();
        for sent in sent {
            fields.set(sent.code.clone(), sent.value.clone());
        }
        let itop = self.shared.itop(self.lane, on);
        let (client, comment) = (itop.client.clone(), self.comment());
        let texts = sent.iter().filter(|sent| sent.unsure.is_some()).map(|sent| sent.code.clone());
        let output: Vec<String> = ["status".to_owned()].into_iter().chain(texts).collect();
        let output: Vec<&str> = output.iter().map(String::as_str).collect();
        let late = Late::Status { on, to: stimulus.to.clone() };
        let call = client.apply_stimulus(&target.class, target.id, &stimulus.code, &fields, &comment, &output);
        let plain = sent.iter().filter_map(|sent| {
            let Unsure { html } = sent.unsure.clone()?;
            Some(PlainText { on, code: sent.code.clone(), value: sent.value.clone(), html })
        });
        let intend = |link: &mut Link, until_ms| {
            link.may_land(late, until_ms);
            link.plain.retain(|text| text.on != on || !sent.iter().any(|sent| sent.code == text.code));
            link.plain.extend(plain);
        };
        let answer = self.write(itop, &target.class, intend, call).await?;
        Ok(answer.map(|applied| applied.map(|written| written.object)))
    }

    /// The value as it is sent: text that crosses in the form that the target holds, the target's own unchanged.
    async fn formatted(
        &mut self,
        on: Side,
        attribute: &StimulusAttribute,
        target: &Ticket,
    ) -> Result<Crossed, Failure> {
        let StimulusAttribute { code, value, taken_from } = attribute;
        if is_external_key(code) || *taken_from != TakenFrom::Source {
            return Ok(Crossed::as_it_is(code, value));
        }
        let target = Target { on, class: &target.class, code, holds: target.filled(code) };
        self.crossed_at_once(value, target).await
    }
}

/// Pictures that make a text too large for the other iTop become words: the move must not wait for them. Answers
/// whether there were any, and it is worth sending again.
fn leave_pictures_out(sent: &mut [Crossed], error: &itop_client::Error) -> bool {
    let mut any = false;
    if is_too_large(error) {
        for text in sent {
            let in_html = text.unsure.as_mut().and_then(|unsure| unsure.html.as_mut());
            for html in [&mut text.value].into_iter().chain(in_html) {
                if let Some(words) = html::without_pictures(html) {
                    (*html, any) = (words, true);
                }
            }
        }
    }
    any
}
