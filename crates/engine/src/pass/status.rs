//! Walks one side's ticket through its lifecycle, one stimulus at a time. The path is stored before the first stimulus
//! and each answered state after it, so that the walk goes on after a crash.

use itop_bridge_core::event::Written;
use itop_bridge_core::link::{Held, Late, LeftOut, Part, PlainText, RefusedField};
use itop_bridge_core::plan::Stimulus;
use itop_bridge_core::policy::StatusToExternal;
use itop_bridge_core::{Link, Side, Ticket};
use itop_client::{Error, Fields, Object};

use crate::pass::apart::{blames_an_unnamed_value, look_at_what_it_did, names, value_refused, words_for};
use crate::pass::barred::NOT_TAKEN;
use crate::pass::enclosures::say_how_it_fits;
use crate::pass::heavy::read_after_memory_ran_out;
use crate::pass::plain::{AsHtml, learn_of_plain_texts, write_plain_texts_again};
use crate::pass::walk_texts::{Sent, formatted_for_a_walk, say_instead, stimulate_with_less};
use crate::pass::work::{Route, Work};
use crate::pass::write::{WriteEnd, write};
use crate::side::failure::{Failure, Kind};
use crate::side::send::Stimulate;

pub(crate) async fn walk_status(
    work: &mut Work<'_>,
    route: Route<'_>,
    wanted: &str,
    walk: &[Stimulus],
) -> Result<(), Failure> {
    let (on, target, reason) = (route.from.other(), route.target, route.reason);
    work.link.set_out(on, wanted, walk.iter().map(|stimulus| stimulus.to.clone()));
    for stimulus in walk {
        stimulate(work, on, stimulus, target, reason).await?;
    }
    Ok(())
}

async fn stimulate(
    work: &mut Work<'_>,
    on: Side,
    stimulus: &Stimulus,
    target: &Ticket,
    reason: &str,
) -> Result<(), Failure> {
    let itop = work.shared.itop(work.lane, on);
    let mut sent = Vec::new();
    for attribute in &stimulus.attributes {
        if itop.model().has(&target.class, &attribute.code) {
            sent.push(formatted_for_a_walk(work, on, attribute, target).await?);
        }
    }
    let enclosures = work.link.files.enclosures.clone();
    let answer = send_what_is_taken(work, on, stimulus, &mut sent, target).await?;
    let is_sent = |text: &PlainText| text.on == on && sent.iter().any(|sent| sent.code == text.code);
    let state = match answer {
        Err(error) => {
            if error.had_no_effect() {
                work.link.in_flight.plain.retain(|text| !is_sent(text));
            }
            work.save().await?;
            return Err(Failure::of(itop, &error));
        }
        // Answered ok but not applied: a person was faster.
        Ok(None) => {
            work.link.in_flight.plain.retain(|text| !is_sent(text));
            work.link.files.enclosures = enclosures;
            String::new()
        }
        Ok(Some(object)) => {
            let shows = |code: &str| object.text(code).or(target.attributes.get(code).map(String::as_str));
            learn_of_plain_texts(work, on, &target.class, work.shared.now_ms(), shows);
            object.text("status").unwrap_or_default().to_owned()
        }
    };
    if state != stimulus.to {
        // Code 0, but the ticket is in another state: a person was faster, or this iTop has a rule of its own.
        work.save().await?;
        let (code, wanted) = (&stimulus.code, &stimulus.to);
        let text = format!("{code} did not lead to {wanted} (the ticket stands in {state:?})");
        return Err(Failure::at(itop, Kind::Stale, text));
    }
    work.link.state_answered(on, &state);
    work.is_to_be_told |= on == Side::Internal && work.policy.status_to_external == StatusToExternal::Report;
    let (stimulus, instance) = (stimulus.code.clone(), work.instance(on));
    work.wrote(Written::State { stimulus, to: state, instance }, reason);
    for sent in &sent {
        if sent.from_source {
            work.link.forget_refusal(on, &sent.code);
        }
        say_how_it_fits(work, on, &sent.code, &sent.fitted);
    }
    if work.link.owes_enclosures() {
        // The plan does not know of these files.
        work.look_again(work.shared.now_ms());
    }
    work.save().await?;
    write_plain_texts_again(work, on, target).await
}

/// Sends the stimulus; if values from the other ticket are refused, sends it again without them.
async fn send_what_is_taken(
    work: &mut Work<'_>,
    on: Side,
    stimulus: &Stimulus,
    sent: &mut Vec<Sent>,
    target: &Ticket,
) -> WriteEnd<Option<Object>> {
    let mut answer = send_stimulus(work, on, stimulus, sent, target).await?;
    let mut is_searched = false;
    while let Err(error) = &answer {
        let error = error.clone();
        if stimulate_with_less(work, on, &target.class, sent, &error).await?
            || without_what_is_named(work, on, sent, &error)
        {
            look_at_what_it_did(work, &error);
            answer = send_stimulus(work, on, stimulus, sent, target).await?;
        } else if error.had_no_effect() && blames_an_unnamed_value(&error) && !is_searched {
            is_searched = true;
            answer = without_what_is_to_blame(work, on, stimulus, sent, target, error).await?;
        } else {
            break;
        }
    }
    Ok(answer)
}

/// iTop refuses without naming a value: leaves out the other ticket's values one at a time, then all of them.
async fn without_what_is_to_blame(
    work: &mut Work<'_>,
    on: Side,
    stimulus: &Stimulus,
    sent: &mut Vec<Sent>,
    target: &Ticket,
    refused: Error,
) -> WriteEnd<Option<Object>> {
    let all: Vec<usize> = (0..sent.len()).filter(|at| sent[*at].from_source).collect();
    let trials = all.iter().map(|at| vec![*at]).chain((all.len() > 1).then(|| all.clone()));
    let known = (work.link.open.refused.clone(), work.link.open.conflicts.clone());
    for left_out in trials {
        let mut less = sent.clone();
        for at in left_out {
            put_other_words(work, on, &mut less[at], &refused);
        }
        match send_stimulus(work, on, stimulus, &less, target).await? {
            Err(error) if error.had_no_effect() && blames_an_unnamed_value(&error) => {
                (work.link.open.refused, work.link.open.conflicts) = (known.0.clone(), known.1.clone());
            }
            answer => {
                *sent = less;
                return Ok(answer);
            }
        }
    }
    Ok(Err(refused))
}

/// Replaces a refused value with other words: the side's own default, if it has one.
fn put_other_words(work: &mut Work<'_>, on: Side, sent: &mut Sent, error: &Error) {
    let words = work.policy.defaults(on).get(&sent.code).map_or(NOT_TAKEN, String::as_str).to_owned();
    let (code, source, now_ms) = (&sent.code, &sent.source, work.shared.now_ms());
    let refused = RefusedField::new(on, code, source, words_for(error, code), now_ms).instead(&words);
    value_refused(work, refused);
    say_instead(work, on, sent, words);
}

/// Replaces the other ticket's values that the error names, and drops those whose replacement is refused too.
/// Returns whether the error named any.
fn without_what_is_named(work: &mut Work<'_>, on: Side, sent: &mut Vec<Sent>, error: &Error) -> bool {
    let is_named = |sent: &Sent| (sent.from_source || sent.in_place) && names(error, &sent.code);
    if !error.had_no_effect() || !sent.iter().any(is_named) {
        return false;
    }
    let mut left = Vec::new();
    for mut attribute in std::mem::take(sent) {
        if is_named(&attribute) && attribute.in_place {
            let (code, source) = (&attribute.code, &attribute.source);
            let known = work.link.refused_value(on, code, source).map(|known| known.words.clone());
            let words = known.unwrap_or_else(|| words_for(error, code).to_owned());
            value_refused(work, RefusedField::new(on, code, source, &words, work.shared.now_ms()).instead(""));
            continue;
        }
        if is_named(&attribute) {
            put_other_words(work, on, &mut attribute, error);
        }
        left.push(attribute);
    }
    *sent = left;
    true
}

async fn send_stimulus(
    work: &mut Work<'_>,
    on: Side,
    stimulus: &Stimulus,
    sent: &[Sent],
    target: &Ticket,
) -> WriteEnd<Option<Object>> {
    let mut fields = Fields::new();
    for sent in sent {
        fields.set(sent.code.clone(), sent.fitted.value.clone());
    }
    let itop = work.shared.itop(work.lane, on);
    let texts = sent.iter().filter(|sent| sent.unsure.is_some()).map(|sent| sent.code.clone());
    let output: Vec<String> = ["status".to_owned()].into_iter().chain(texts).collect();
    let output: Vec<&str> = output.iter().map(String::as_str).collect();
    let late = Late::Status { on, to: stimulus.to.clone() };
    let plain = sent.iter().filter_map(|sent| {
        let AsHtml { value, encloses } = sent.as_html.clone()?;
        let (code, html) = (sent.code.clone(), Some(value));
        Some(PlainText { on, code, value: sent.fitted.value.clone(), html, encloses })
    });
    let intend = |link: &mut Link, until_ms| {
        link.may_land(late, until_ms);
        link.in_flight.plain.retain(|text| text.on != on || !sent.iter().any(|sent| sent.code == text.code));
        link.in_flight.plain.extend(plain);
        for sent in sent {
            link.enclose(on.other(), &sent.code, &sent.enclosed);
        }
        keep_texts_left_out(link, on, sent);
    };
    let (class, id, stimulus) = (&target.class, target.id, &stimulus.code);
    let move_on = Stimulate { class, id, stimulus, fields: &fields, output: &output };
    let answer = write(work, itop, move_on, intend).await?;
    let answer = match answer {
        Err(error) => match Box::pin(read_after_memory_ran_out(work, itop, &error, target, &output)).await? {
            // The ticket's state shows whether it moved.
            Some(object) => Ok(Some(itop_client::Written { object, date: None })),
            None => Err(error),
        },
        answer => answer,
    };
    Ok(answer.map(|applied| applied.map(|written| written.object)))
}

/// Before the ticket is moved without the texts that were blocked in front of its iTop, stores them: they follow,
/// whatever the answer.
fn keep_texts_left_out(link: &mut Link, on: Side, sent: &[Sent]) {
    let Some(held) = link.held(&Part::Status { on }).cloned() else { return };
    for (code, value) in sent.iter().filter_map(|sent| Some((sent.code.clone(), sent.left_out.clone()?))) {
        link.hold(Held { part: Part::Text(LeftOut { on, code, value }), of: String::new(), ..held.clone() });
    }
}
