//! Walks one side's ticket through its lifecycle, one stimulus at a time. The path is stored before the first stimulus
//! and each answered state after it, so that the walk goes on after a crash.

use itop_bridge_core::link::{Enclosure, Held, Late, LeftOut, Part, PlainText, RefusedField};
use itop_bridge_core::plan::{Stimulus, StimulusAttribute, TakenFrom};
use itop_bridge_core::policy::StatusToExternal;
use itop_bridge_core::ticket::is_external_key;
use itop_bridge_core::{Link, Side, Ticket};
use itop_bridge_text::fit::{Fitted, Words};
use itop_bridge_text::html;
use itop_bridge_text::room::Room;
use itop_client::{Error, Fields, Object};

use crate::pass::apart::{
    Sizes, blames_an_unnamed_value, less_room, look_at_what_it_did, names, value_refused, words_for,
};
use crate::pass::barred::{KEPT_BACK, NOT_TAKEN, hold, release};
use crate::pass::crossing::{Crossed, Target, Unsure, crossed_at_once, is_prose, words_as_html};
use crate::pass::enclosures::{enclosed_in, file_of_text, say_how_it_fits};
use crate::pass::heavy::read_after_memory_ran_out;
use crate::pass::plain::{AsHtml, learn_of_plain_texts, write_plain_texts_again};
use crate::pass::work::{Route, Work};
use crate::pass::write::write;
use crate::side::failure::{Failure, Kind};
use crate::side::room::learn_room;
use crate::side::send::{Stimulate, Update};

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
        if itop.has_attribute(&target.class, &attribute.code) {
            sent.push(formatted_for_a_walk(work, on, attribute, target).await?);
        }
    }
    let enclosures = work.link.enclosures.clone();
    let answer = send_what_is_taken(work, on, stimulus, &mut sent, target).await?;
    let is_sent = |text: &PlainText| text.on == on && sent.iter().any(|sent| sent.code == text.code);
    let state = match answer {
        Err(error) => {
            if error.had_no_effect() {
                work.link.plain.retain(|text| !is_sent(text));
            }
            work.save().await?;
            return Err(Failure::of(itop, &error));
        }
        // Answered ok but not applied: a person was faster.
        Ok(None) => {
            work.link.plain.retain(|text| !is_sent(text));
            work.link.enclosures = enclosures;
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
    work.wrote(&format!("{} to {state} in {}", stimulus.code, work.shared.itop(work.lane, on).name), reason);
    for sent in &sent {
        if sent.from_source {
            work.link.is_refused_no_more(on, &sent.code);
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
) -> Result<Result<Option<Object>, Error>, Failure> {
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
) -> Result<Result<Option<Object>, Error>, Failure> {
    let all: Vec<usize> = (0..sent.len()).filter(|at| sent[*at].from_source).collect();
    let trials = all.iter().map(|at| vec![*at]).chain((all.len() > 1).then(|| all.clone()));
    let known = (work.link.refused.clone(), work.link.conflicts.clone());
    for left_out in trials {
        let mut less = sent.clone();
        for at in left_out {
            put_other_words(work, on, &mut less[at], &refused);
        }
        match send_stimulus(work, on, stimulus, &less, target).await? {
            Err(error) if error.had_no_effect() && blames_an_unnamed_value(&error) => {
                (work.link.refused, work.link.conflicts) = (known.0.clone(), known.1.clone());
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

fn say_instead(work: &Work<'_>, on: Side, sent: &mut Sent, words: String) {
    (sent.words, sent.unsure) = (Words::Plain(words), None);
    (sent.from_source, sent.enclosed) = (false, Vec::new());
    sent.in_place = true;
    fit_attribute(work, on, sent);
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

/// Writes the texts that stimuli left out, unless somebody has written something else since.
pub(crate) async fn write_texts_left_out(work: &mut Work<'_>, on: Side, target: &Ticket) -> Result<(), Failure> {
    let now_ms = work.shared.now_ms();
    let due = work.link.held.iter().filter(|held| held.not_before_ms <= now_ms).map(|held| held.part.clone());
    for part in due.collect::<Vec<_>>() {
        let Part::Text(LeftOut { on: side, code, value }) = &part else { continue };
        if *side != on {
            continue;
        }
        if !target.filled(code).is_some_and(|shown| html::html_to_text(shown).contains(KEPT_BACK)) {
            // A move without the text may still take effect.
            if !work.link.status_may_land(on, target.read_at_ms) {
                release(work, &part).await?;
            }
            continue;
        }
        match write_text(work, on, (code, value), Some(KEPT_BACK), target, "it was kept back before").await {
            Ok(()) => release(work, &part).await?,
            Err(failure) => {
                let outcome = hold(work, part, "", failure).await;
                work.go_on_after(outcome)?;
            }
        }
    }
    Ok(())
}

/// Writes a text that no stimulus carried by itself, as much of it as fits. A refused text becomes a conflict;
/// `in_place` is what stands there then, unless an earlier refusal says it.
pub(crate) async fn write_text(
    work: &mut Work<'_>,
    on: Side,
    (code, value): (&str, &str),
    in_place: Option<&str>,
    target: &Ticket,
    reason: &str,
) -> Result<(), Failure> {
    let itop = work.shared.itop(work.lane, on);
    let taken_from = TakenFrom::Source;
    let attribute = StimulusAttribute { code: code.to_owned(), value: value.to_owned(), taken_from };
    let mut sent = vec![formatted(work, on, &attribute, target).await?];
    while let [Sent { fitted, enclosed, .. }] = sent.as_slice() {
        let fields = Fields::new().with(code, fitted.value.clone());
        let late = Late::Field { code: code.to_owned(), value: fitted.value.clone() };
        let intend = |link: &mut Link, until_ms| {
            link.may_land(late, until_ms);
            link.enclose(on.other(), code, enclosed);
        };
        let update = Update { class: &target.class, id: target.id, fields: &fields, output: &["id"] };
        let error = match write(work, itop, update, intend).await? {
            Ok(_) => {
                work.link.is_refused_no_more(on, code);
                work.wrote(code, reason);
                work.is_reported(on, code);
                say_how_it_fits(work, on, code, fitted);
                // The plan does not know of its files.
                work.look_again(work.shared.now_ms());
                break;
            }
            Err(error) => error,
        };
        if stimulate_with_less(work, on, &target.class, &mut sent, &error).await? {
            look_at_what_it_did(work, &error);
            continue;
        }
        if error.had_no_effect() && !error.bad_values().is_empty() {
            let refused = RefusedField::new(on, code, value, words_for(&error, code), work.shared.now_ms());
            value_refused(
                work,
                match in_place {
                    Some(words) => refused.instead(words),
                    None => refused,
                },
            );
            break;
        }
        work.save().await?;
        return Err(Failure::of(itop, &error));
    }
    work.save().await
}

async fn send_stimulus(
    work: &mut Work<'_>,
    on: Side,
    stimulus: &Stimulus,
    sent: &[Sent],
    target: &Ticket,
) -> Result<Result<Option<Object>, Error>, Failure> {
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
        link.plain.retain(|text| text.on != on || !sent.iter().any(|sent| sent.code == text.code));
        link.plain.extend(plain);
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

/// The value as a walk sends it: if the walk was blocked in front of that iTop, a placeholder replaces what
/// somebody wrote.
async fn formatted_for_a_walk(
    work: &mut Work<'_>,
    on: Side,
    attribute: &StimulusAttribute,
    target: &Ticket,
) -> Result<Sent, Failure> {
    let StimulusAttribute { code, value, .. } = attribute;
    if is_of_the_source(attribute)
        && let Some(known) = work.link.refused_value(on, code, value).cloned()
        && target.read_at_ms < known.again_at_ms
    {
        return Ok(instead_of_what_is_known(work, on, known, value, target));
    }
    if work.link.held(&Part::Status { on }).is_none() || !is_of_the_source(attribute) || !is_prose(value) {
        return formatted(work, on, attribute, target).await;
    }
    let sent = as_sent(work, on, target, Crossed::as_it_is(code, KEPT_BACK), attribute);
    Ok(Sent { left_out: Some(value.clone()), from_source: false, ..sent })
}

/// The replacement for a value that this iTop has already refused.
fn instead_of_what_is_known(work: &mut Work<'_>, on: Side, known: RefusedField, value: &str, target: &Ticket) -> Sent {
    let code = known.code.clone();
    let words = work.policy.defaults(on).get(&code).map_or(NOT_TAKEN, String::as_str).to_owned();
    let (taken_from, source) = (TakenFrom::Source, value.to_owned());
    let attribute = StimulusAttribute { code: code.clone(), value: source, taken_from };
    let mut sent = as_sent(work, on, target, Crossed::as_it_is(&code, value), &attribute);
    work.link.is_refused_no_more(on, &code);
    work.link.refused.push(known.instead(&words));
    say_instead(work, on, &mut sent, words);
    sent
}

/// The value in the target's format, as much of it as fits: text that crosses is converted, the target's own is
/// sent back unchanged.
async fn formatted(
    work: &mut Work<'_>,
    on: Side,
    attribute: &StimulusAttribute,
    target: &Ticket,
) -> Result<Sent, Failure> {
    let StimulusAttribute { code, value, .. } = attribute;
    let crossed = if is_of_the_source(attribute) {
        let place = Target { on, class: &target.class, code, holds: target.filled(code) };
        crossed_at_once(work, value, place).await?
    } else {
        Crossed::as_it_is(code, value)
    };
    Ok(as_sent(work, on, target, crossed, attribute))
}

fn as_sent(work: &Work<'_>, on: Side, target: &Ticket, crossed: Crossed, attribute: &StimulusAttribute) -> Sent {
    let Crossed { code, words, unsure } = crossed;
    let room = work.shared.itop(work.lane, on).room(&target.class, &code);
    let mut sent = Sent {
        code,
        source: attribute.value.clone(),
        words,
        unsure,
        room,
        fitted: Fitted::default(),
        as_html: None,
        enclosed: Vec::new(),
        from_source: is_of_the_source(attribute),
        in_place: false,
        left_out: None,
    };
    fit_attribute(work, on, &mut sent);
    sent
}

fn fit_attribute(work: &Work<'_>, on: Side, sent: &mut Sent) {
    let (from, code) = (on.other(), sent.code.as_str());
    let file = file_of_text(work, from, code);
    sent.fitted = sent.words.fit(sent.room, &file);
    sent.as_html = sent.unsure.as_ref().map(|unsure| {
        let words = words_as_html(work, from, &sent.words, unsure);
        let fitted = words.fit(sent.room, &file);
        let encloses = enclosed_in(work, from, code, &words, &fitted);
        AsHtml { value: fitted.value, encloses }
    });
    if sent.from_source {
        sent.enclosed = enclosed_in(work, from, code, &sent.words, &sent.fitted);
    }
}

/// Shortens texts if iTop's error shows that this can help. Returns whether to send again.
async fn stimulate_with_less(
    work: &mut Work<'_>,
    on: Side,
    class: &str,
    sent: &mut [Sent],
    error: &Error,
) -> Result<bool, Failure> {
    let mut is_less = false;
    let sizes = Sizes::of(sent.iter().map(|attribute| (attribute.code.as_str(), attribute.fitted.value.as_str())));
    for attribute in sent.iter_mut().filter(|attribute| attribute.from_source) {
        let before = attribute.fitted.value.clone();
        let Some((room, learnt)) = less_room(attribute.room, (&attribute.code, &before), &sizes, error) else {
            continue;
        };
        attribute.room = room;
        fit_attribute(work, on, attribute);
        if attribute.fitted.value == before {
            continue;
        }
        is_less = true;
        if let Some(learnt) = learnt {
            learn_room(work.shared, work.shared.itop(work.lane, on), class, &attribute.code, learnt).await?;
        }
    }
    Ok(is_less)
}

/// Before the ticket is moved without the texts that were blocked in front of its iTop, stores them: they follow,
/// whatever the answer.
fn keep_texts_left_out(link: &mut Link, on: Side, sent: &[Sent]) {
    let Some(held) = link.held(&Part::Status { on }).cloned() else { return };
    for (code, value) in sent.iter().filter_map(|sent| Some((sent.code.clone(), sent.left_out.clone()?))) {
        link.hold(Held { part: Part::Text(LeftOut { on, code, value }), of: String::new(), ..held.clone() });
    }
}

/// Whether the value is the other ticket's text, and no key of its iTop.
fn is_of_the_source(attribute: &StimulusAttribute) -> bool {
    attribute.taken_from == TakenFrom::Source && !is_external_key(&attribute.code)
}

/// An attribute of a stimulus ready to be sent.
#[derive(Clone)]
struct Sent {
    code: String,
    /// The value as its origin holds it.
    source: String,
    words: Words,
    /// Set if the text is sent plain without knowing whether the target holds HTML.
    unsure: Option<Unsure>,
    room: Room,
    fitted: Fitted,
    /// While the text is sent plain, its second version in case iTop makes HTML of it.
    as_html: Option<AsHtml>,
    /// The files that it owes.
    enclosed: Vec<Enclosure>,
    /// Whether this is the other ticket's text: a default, or the target's own text, must not be cut.
    from_source: bool,
    /// Whether other words replace a refused value.
    in_place: bool,
    /// The source's text, if other words are sent in its place.
    left_out: Option<String>,
}
