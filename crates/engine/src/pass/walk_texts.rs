//! The texts that a walk's stimuli carry, as the other side takes them.

use itop_bridge_core::event::Written;
use itop_bridge_core::link::{Enclosure, Late, LeftOut, Part, RefusedField};
use itop_bridge_core::plan::{StimulusAttribute, TakenFrom};
use itop_bridge_core::ticket::is_external_key;
use itop_bridge_core::{Link, Side, Ticket};
use itop_bridge_text::fit::{Fitted, Words};
use itop_bridge_text::html;
use itop_bridge_text::room::Room;
use itop_client::{Error, Fields};

use crate::pass::apart::{Sizes, less_room, look_at_what_it_did, value_refused, words_for};
use crate::pass::barred::{KEPT_BACK, NOT_TAKEN, hold, release};
use crate::pass::crossing::{Crossed, Target, Unsure, crossed_at_once, is_prose, words_as_html};
use crate::pass::enclosures::{enclosed_in, file_of_text, say_how_it_fits};
use crate::pass::plain::AsHtml;
use crate::pass::work::Work;
use crate::pass::write::write;
use crate::side::failure::Failure;
use crate::side::room::learn_room;
use crate::side::send::Update;

/// Writes the texts that stimuli left out, unless somebody has written something else since.
pub(crate) async fn write_texts_left_out(work: &mut Work<'_>, on: Side, target: &Ticket) -> Result<(), Failure> {
    let now_ms = work.shared.now_ms();
    let due = work.link.open.held.iter().filter(|held| held.not_before_ms <= now_ms).map(|held| held.part.clone());
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

/// Writes, by itself, a text that no stimulus carried, as much of it as fits. A refused text becomes a conflict;
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
                work.link.forget_refusal(on, code);
                work.wrote(Written::Fields { codes: vec![code.to_owned()] }, reason);
                work.note_write_for_report(on, code);
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

/// The value as a walk sends it: if the walk was blocked in front of that iTop, a placeholder replaces what
/// somebody wrote.
pub(crate) async fn formatted_for_a_walk(
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
    work.link.forget_refusal(on, &code);
    work.link.open.refused.push(known.instead(&words));
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

pub(crate) fn as_sent(
    work: &Work<'_>,
    on: Side,
    target: &Ticket,
    crossed: Crossed,
    attribute: &StimulusAttribute,
) -> Sent {
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
pub(crate) async fn stimulate_with_less(
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

/// An attribute of a stimulus ready to be sent.
#[derive(Clone)]
pub(crate) struct Sent {
    pub code: String,
    /// The value as its origin holds it.
    pub source: String,
    pub words: Words,
    /// Set if the text is sent plain without knowing whether the target holds HTML.
    pub unsure: Option<Unsure>,
    pub room: Room,
    pub fitted: Fitted,
    /// For a text that is sent plain: its second version, if iTop makes HTML of it.
    pub as_html: Option<AsHtml>,
    /// The files that it owes.
    pub enclosed: Vec<Enclosure>,
    /// Whether this is the other ticket's text: a default, or the target's own text, must not be cut.
    pub from_source: bool,
    /// Whether other words replace a refused value.
    pub in_place: bool,
    /// The source's text, if other words are sent in its place.
    pub left_out: Option<String>,
}

/// Whether the value is the other ticket's text, and not a key, which only its own iTop understands.
fn is_of_the_source(attribute: &StimulusAttribute) -> bool {
    attribute.taken_from == TakenFrom::Source && !is_external_key(&attribute.code)
}

pub(crate) fn say_instead(work: &Work<'_>, on: Side, sent: &mut Sent, words: String) {
    (sent.words, sent.unsure) = (Words::Plain(words), None);
    (sent.from_source, sent.enclosed) = (false, Vec::new());
    sent.in_place = true;
    fit_attribute(work, on, sent);
}
