//! The files for content that does not fit into its field: a picture, or a whole text.

use itop_bridge_core::caselog::{BatchContent, BatchFile};
use itop_bridge_core::event::{Event, NoRoom};
use itop_bridge_core::link::{CopyState, Enclosed, Enclosure};
use itop_bridge_core::{FileKind, Link, Side, Ticket};
use itop_bridge_text::fit::{Fitted, Words};

use crate::pass::attach::{attach, replace, text_contents};
use crate::pass::logs::{contents_of_batch_file, words_for_batch_file};
use crate::pass::work::{Route, Work};
use crate::pass::write::{WriteEnd, is_too_large};
use crate::side::failure::{Failure, Kind};

/// The name of the file with a whole text.
pub(crate) fn file_of_text(work: &Work<'_>, from: Side, code: &str) -> String {
    format!("{} {code}.txt", reference(work, from))
}

pub(crate) fn file_of_picture(work: &Work<'_>, from: Side, id: u64, mimetype: &str) -> String {
    let extension = mimetype.rsplit('/').next().unwrap_or_default();
    format!("{} image {id}.{extension}", reference(work, from))
}

fn reference<'w>(work: &'w Work<'_>, side: Side) -> &'w str {
    work.link.key(side).map_or("", |key| &key.reference)
}

/// The files that belong to a fitted text. A file with the whole text, once made, is kept up to date even when the
/// text fits again: nobody is to read an old version.
pub(crate) fn enclosed_in(work: &Work<'_>, from: Side, code: &str, words: &Words, fitted: &Fitted) -> Vec<Enclosure> {
    let pictures = fitted.left_out.iter();
    let mut files: Vec<Enclosure> =
        pictures.map(|(image, name)| Enclosure::image(from, code, image.id, &image.secret, name)).collect();
    let known = work.link.enclosure(from, FileKind::Text, code);
    if fitted.is_cut || known.is_some_and(|known| matches!(known.state, Some(CopyState::Stands(_)))) {
        let side = &work.shared.itop(work.lane, from).name;
        let whole = format!("The {code} of {} ({side})\n\n{}\n", reference(work, from), words.readable());
        files.push(Enclosure::text(from, code, whole, &file_of_text(work, from, code)));
    }
    files
}

/// Reports how a text was made to fit the other side, once that side has accepted it.
pub(crate) fn say_how_it_fits(work: &mut Work<'_>, on: Side, code: &str, fitted: &Fitted) {
    let side = work.shared.itop(work.lane, on).name.clone();
    let pictures = fitted.left_out.len();
    if fitted.is_cut || pictures > 0 {
        tracing::info!(ticket = %work.name(), field = code, cut = fitted.is_cut, pictures, "{side} has no room for all of it; the rest crosses as files");
    }
    let mut no_room = |what| work.did(Event::NoRoom { code: code.to_owned(), instance: side.clone(), what });
    if pictures > 0 {
        no_room(NoRoom::Pictures(pictures));
    }
    if fitted.is_cut {
        no_room(NoRoom::WholeText);
    }
    if fitted.lost_characters {
        no_room(NoRoom::Characters);
    }
}

/// Creates the file, or rewrites it in place.
pub(crate) async fn send_enclosure(
    work: &mut Work<'_>,
    route: Route<'_>,
    kind: FileKind,
    key: &str,
    copy: Option<u64>,
) -> Result<(), Failure> {
    let Route { from, target, reason, .. } = route;
    let Some(before) = work.link.enclosure(from, kind, key).cloned() else { return Ok(()) };
    if let Some(state) = sent_with_a_log(work, &before, target) {
        let stands = state.standing().is_some();
        change(&mut work.link, &before, |enclosure| enclosure.state = Some(state));
        if !stands {
            work.look_again(work.shared.now_ms());
        }
        return work.save().await;
    }
    let answer = match (&before.holds, copy) {
        (Enclosed::Text { text, .. }, Some(id)) => {
            let intend =
                |link: &mut Link, until_ms| change(link, &before, |enclosure| enclosure.again_at_ms = Some(until_ms));
            replace(work, from, id, text_contents(text, &before.name), intend).await?.map(|()| id)
        }
        (Enclosed::Text { text, .. }, None) => {
            attach_enclosure(work, &before, text_contents(text, &before.name), target).await?
        }
        (Enclosed::Image { id, secret }, _) => {
            let file = as_batch_file(&before, *id, secret);
            let contents = contents_of_batch_file(work, route, &file).await?;
            match attach_enclosure(work, &before, contents, target).await? {
                Err(error) if is_too_large(&error) => {
                    let words = words_for_batch_file(work, route, &file, "it is larger than this iTop takes");
                    attach_enclosure(work, &before, words, target).await?
                }
                answer => answer,
            }
        }
    };
    match answer {
        Ok(id) => enclosure_written(work, before, id, reason).await,
        Err(error) => enclosure_refused(work, before, copy, &error).await,
    }
}

async fn attach_enclosure(
    work: &mut Work<'_>,
    enclosure: &Enclosure,
    contents: itop_client::Contents,
    target: &Ticket,
) -> WriteEnd<u64> {
    let intend = |link: &mut Link, until_ms| {
        change(link, enclosure, |enclosure| enclosure.state = Some(CopyState::InDoubt { until_ms }));
    };
    let answer = attach(work, enclosure.from, enclosure.kind(), enclosure.key(), contents, target, intend).await?;
    Ok(answer.map(|written| written.object.id))
}

async fn enclosure_written(work: &mut Work<'_>, before: Enclosure, id: u64, reason: &str) -> Result<(), Failure> {
    if before.kind() == FileKind::Image {
        work.files.images.insert((before.from, before.key()), id);
    }
    // An earlier rewrite without an answer may still take effect over this one.
    let again_at_ms = before.again_at_ms.filter(|at| *at > work.shared.now_ms());
    let file = work.file_to(before.from.other(), &before.name);
    let mut written = Enclosure { again_at_ms, ..before };
    written.is_written(id);
    work.link.keep_enclosure(written);
    work.wrote(file, reason);
    work.save().await
}

async fn enclosure_refused(
    work: &mut Work<'_>,
    before: Enclosure,
    copy: Option<u64>,
    error: &itop_client::Error,
) -> Result<(), Failure> {
    let itop = work.shared.itop(work.lane, before.from.other());
    let failure = Failure::of(itop, error);
    if failure.kind == Kind::Gone && copy.is_some() {
        // A deletion by a person is no failure.
        work.did(Event::FileDeleted { name: before.name.clone() });
        change(&mut work.link, &before, Enclosure::removed_by_person);
        work.look_again(work.shared.now_ms());
        return work.save().await;
    }
    if error.had_no_effect() {
        work.link.keep_enclosure(before);
    } else if copy.is_some() {
        let earlier = before.again_at_ms;
        change(&mut work.link, &before, |enclosure| enclosure.again_at_ms = enclosure.again_at_ms.max(earlier));
    }
    work.save().await?;
    Err(failure)
}

/// One image is one file, even if a log shows it too: finds the state of a file that a log's batch has sent.
fn sent_with_a_log(work: &Work<'_>, enclosure: &Enclosure, target: &Ticket) -> Option<CopyState> {
    if enclosure.kind() != FileKind::Image {
        return None;
    }
    if let Some(id) = work.files.images.get(&(enclosure.from, enclosure.key())) {
        return Some(CopyState::Stands(*id));
    }
    let logs = work.link.logs.iter().filter(|log| log.from == enclosure.from);
    let same = logs
        .flat_map(|log| &log.batch)
        .flat_map(|batch| &batch.files)
        .filter(|file| file.kind == FileKind::Image && file.key == enclosure.key());
    let may_stand =
        |state: &&CopyState| matches!(state, CopyState::InDoubt { until_ms } if *until_ms > target.read_at_ms);
    same.filter_map(|file| file.state.as_ref()).find(may_stand).cloned()
}

fn as_batch_file(enclosure: &Enclosure, id: u64, secret: &str) -> BatchFile {
    // The contents add the extension.
    let name = enclosure.name.rsplit_once('.').map_or(enclosure.name.as_str(), |(stem, _)| stem);
    BatchFile {
        kind: FileKind::Image,
        key: enclosure.key(),
        name: name.to_owned(),
        holds: BatchContent::Image { id, secret: secret.to_owned() },
        state: None,
    }
}

fn change(link: &mut Link, which: &Enclosure, change: impl FnOnce(&mut Enclosure)) {
    if let Some(mut enclosure) = link.enclosure(which.from, which.kind(), &which.key()).cloned() {
        change(&mut enclosure);
        link.keep_enclosure(enclosure);
    }
}
