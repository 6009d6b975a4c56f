//! Sends new entries of a case log to the other side as files: one per inline image, then the text. A batch is fixed
//! before its first call and goes out unchanged after a crash.

use base64::Engine as _;
use itop_bridge_core::caselog::{Batch, BatchContent, BatchFile, BatchKey, Entry, EntryKey};
use itop_bridge_core::event::{Event, Written};
use itop_bridge_core::link::{CopyState, Held, Part};
use itop_bridge_core::{FileKind, Link, LogName, Side, crossing_entries, text};
use itop_bridge_text::html;
use itop_client::Contents;

use crate::pass::attach::{attach, text_contents};
use crate::pass::barred::hold;
use crate::pass::crossing::told_log_entry;
use crate::pass::work::{Route, Work};
use crate::pass::write::{WriteEnd, is_too_large};
use crate::side::call;
use crate::side::failure::{Failure, Kind};
use crate::side::unreadable::{Loaded, picture_not_read};

/// Longer text goes into a further file; a single entry is never cut.
pub(crate) const MAX_TEXT_BYTES: usize = 1024 * 1024;

/// Sends new entries, in as many batches as their size requires.
pub(crate) async fn send_log(
    work: &mut Work<'_>,
    route: Route<'_>,
    log: LogName,
    entries: &[EntryKey],
) -> Result<(), Failure> {
    let Route { from, source, .. } = route;
    let policy = work.policy.clone();
    let all = source.logs.get(&log).map(Vec::as_slice).unwrap_or_default();
    let all = crossing_entries(&policy, &work.link, from, log, all);
    let numbered = all.iter().enumerate().map(|(at, entry)| (at + 1, entry));
    let new: Vec<(usize, &Entry)> = numbered.filter(|(_, entry)| entries.contains(&entry.key)).collect();
    // A look after that settles these entries, and nothing else may ask for one.
    let fresh = entries.iter().filter_map(|key| key.fresh_until_ms);
    fresh.min().into_iter().for_each(|until_ms| work.look_again(until_ms));
    for some in portions(&new) {
        let mut batch = batch(work, route, log, some);
        for key in &mut batch.entries {
            key.fresh_until_ms = entries.iter().find(|new| *new == key).and_then(|new| new.fresh_until_ms);
            // A file without authors cannot hold an old name if an author is renamed.
            key.author.take_if(|_| !work.lane.settings.sync.log_authors);
        }
        work.link.log_mut(from, log).batch = Some(batch);
        send_batch(work, route, log).await?;
        // A later batch's mark would claim this batch as delivered too. A batch that was set aside is kept in `aside`,
        // and holds up nothing.
        if work.link.log_mut(from, log).batch.is_some() {
            break;
        }
    }
    Ok(())
}

fn batch(work: &Work<'_>, route: Route<'_>, log: LogName, entries: &[(usize, &Entry)]) -> Batch {
    let Route { from, source, target, .. } = route;
    let mut files: Vec<BatchFile> = Vec::new();
    for image in entries.iter().flat_map(|(_, entry)| html::inline_images(&entry.html)) {
        let key = image.id.to_string();
        let mut there = target.files.iter().flatten().filter_map(|file| file.mark());
        let stands = there.any(|mark| mark.is(from, FileKind::Image, &key));
        if stands || work.files.images.contains_key(&(from, key.clone())) || files.iter().any(|file| file.key == key) {
            continue;
        }
        files.push(BatchFile {
            kind: FileKind::Image,
            name: format!("{} image {}", source.reference, image.id),
            key,
            holds: BatchContent::Image { id: image.id, secret: image.secret },
            state: None,
        });
    }
    if let Some((number, last)) = entries.last() {
        let when = last.key.date.replace(':', ".");
        files.push(BatchFile {
            kind: FileKind::Log,
            key: BatchKey::of(log, *number, &last.key).to_key(),
            name: format!("{} {} log {when}.txt", source.reference, log.word()),
            holds: BatchContent::Text(text_of(work, route, log, entries)),
            state: None,
        });
    }
    Batch { entries: entries.iter().map(|(_, entry)| entry.key.clone()).collect(), files }
}

fn text_of(work: &Work<'_>, route: Route<'_>, log: LogName, entries: &[(usize, &Entry)]) -> String {
    let Route { from, source, .. } = route;
    let itop = work.shared.itop(work.lane, from);
    let names = work.lane.settings.sync.log_authors;
    let mut out = format!("The {} log of {} ({})\n", log.word(), source.reference, itop.name);
    for (_, entry) in entries {
        let when = itop.print_time(&entry.key.date);
        let author = if names { format!(", {}", entry.author) } else { String::new() };
        out.push_str(&format!("\n--- {when}{author} ---\n{}\n", told_log_entry(work, from, &entry.html)));
    }
    out
}

/// Sends the unsent files of a batch, in order.
pub(crate) async fn send_batch(work: &mut Work<'_>, route: Route<'_>, log: LogName) -> Result<(), Failure> {
    let Route { from, reason, .. } = route;
    let Some(batch) = work.link.log_mut(from, log).batch.clone() else { return Ok(()) };
    match send_files(work, route, log, batch.files.clone()).await {
        Ok(false) => return work.save().await,
        Ok(true) => {}
        Err(failure) => return set_batch_aside(work, from, log, batch.key(), failure).await,
    }
    if work.link.log_mut(from, log).batch_shares_a_second() {
        work.look_again(work.shared.now_ms());
    }
    work.link.log_mut(from, log).finish_batch();
    if let Some(key) = batch.key() {
        work.link.release(&Part::Entries { from, log, key: key.to_owned() });
    }
    work.wrote(entries_to(work, from, log), reason);
    work.save().await
}

/// The written entries, for the log and the activity.
fn entries_to(work: &Work<'_>, from: Side, log: LogName) -> Written {
    Written::Entries { log, instance: work.instance(from.other()) }
}

/// Sets a kept-back batch aside, so that later entries do not wait for it. A server's error may be momentary: after
/// the first one the batch keeps its place.
async fn set_batch_aside(
    work: &mut Work<'_>,
    from: Side,
    log: LogName,
    key: Option<&str>,
    failure: Failure,
) -> Result<(), Failure> {
    let (Kind::Barred { status, .. }, Some(key)) = (&failure.kind, key) else { return Err(failure) };
    let part = Part::Entries { from, log, key: key.to_owned() };
    if (300..500).contains(status) || work.link.held(&part).is_some() {
        work.link.log_mut(from, log).set_aside();
    }
    hold(work, part, "", failure).await
}

/// Sends a set-aside batch again, in halves, until the blocked entry is alone.
pub(crate) async fn send_aside(work: &mut Work<'_>, route: Route<'_>, log: LogName, key: &str) -> Result<(), Failure> {
    let Route { from, reason, .. } = route;
    for batch in halves(work, route, log, key) {
        let Some(key) = batch.key().map(str::to_owned) else { continue };
        let part = Part::Entries { from, log, key: key.clone() };
        match send_files(work, route, log, batch.files).await {
            Ok(false) => {}
            Ok(true) => {
                work.link.log_mut(from, log).finish_aside(&key);
                // The next look records entries that went meanwhile as gone.
                work.look_again(work.shared.now_ms());
                work.link.release(&part);
                work.wrote(entries_to(work, from, log), reason);
            }
            Err(failure) => hold(work, part, "", failure).await?,
        }
        work.save().await?;
    }
    Ok(())
}

/// Replaces the batch with this key by its halves; a batch of one entry stays.
fn halves(work: &mut Work<'_>, route: Route<'_>, log: LogName, key: &str) -> Vec<Batch> {
    let Route { from, source, .. } = route;
    let Some(whole) = work.link.log_mut(from, log).take_aside(key) else { return Vec::new() };
    let policy = work.policy.clone();
    let all = source.logs.get(&log).map(Vec::as_slice).unwrap_or_default();
    let all = crossing_entries(&policy, &work.link, from, log, all);
    let numbered = all.iter().enumerate().map(|(at, entry)| (at + 1, entry));
    let entries: Vec<(usize, &Entry)> = numbered.filter(|(_, it)| whole.entries.contains(&it.key)).collect();
    let batches = match entries.len() {
        0 | 1 => vec![whole],
        all => {
            let (some, others) = entries.split_at(all / 2);
            let halves = [some, others].map(|half| batch(work, route, log, half));
            let stand = whole.files.iter().filter_map(|file| file.state.as_ref()?.standing());
            work.link.log_mut(from, log).files.extend(stand);
            halves.into()
        }
    };
    let known = work.link.held(&Part::Entries { from, log, key: key.to_owned() }).cloned();
    for (batch, held) in batches.iter().filter_map(|batch| Some((batch, known.clone()?))) {
        let Some(key) = batch.key().map(str::to_owned) else { continue };
        work.link.hold(Held { part: Part::Entries { from, log, key }, ..held });
    }
    work.link.log_mut(from, log).aside.extend(batches.iter().cloned());
    batches
}

/// Sends the unsent ones of these files, in order; returns whether all were sent.
async fn send_files(
    work: &mut Work<'_>,
    route: Route<'_>,
    log: LogName,
    files: Vec<BatchFile>,
) -> Result<bool, Failure> {
    let Route { from, .. } = route;
    for file in files.into_iter().filter(|file| !matches!(file.state, Some(CopyState::Stands(_)))) {
        match sent_with_another_log(work, route, log, &file) {
            None => send_batch_file(work, route, log, &file).await?,
            Some(state) => {
                let stands = state.standing().is_some();
                set_state(&mut work.link, from, log, &file.key, Some(state));
                if !stands {
                    // The next plan knows the outcome; the text goes out after it.
                    work.look_again(work.shared.now_ms());
                    return Ok(false);
                }
            }
        }
    }
    Ok(true)
}

/// One image is one file, even if both logs show it: finds the state of a file that this pass has made, or that was
/// sent without an answer and may be too late for this pass's list.
fn sent_with_another_log(work: &Work<'_>, route: Route<'_>, log: LogName, file: &BatchFile) -> Option<CopyState> {
    let Route { from, target, .. } = route;
    if file.kind != FileKind::Image {
        return None;
    }
    if let Some(id) = work.files.images.get(&(from, file.key.clone())) {
        return Some(CopyState::Stands(*id));
    }
    let others = work.link.logs.iter().filter(|other| other.from == from && other.log != log);
    let same = others.flat_map(|other| other.batches()).flat_map(|batch| &batch.files).filter(|it| it.key == file.key);
    let may_stand =
        |state: &&CopyState| matches!(state, CopyState::InDoubt { until_ms } if *until_ms > target.read_at_ms);
    let of_a_field = work.link.enclosure(from, FileKind::Image, &file.key).and_then(|known| known.state.as_ref());
    same.filter_map(|it| it.state.as_ref()).chain(of_a_field).find(may_stand).cloned()
}

async fn send_batch_file(work: &mut Work<'_>, route: Route<'_>, log: LogName, file: &BatchFile) -> Result<(), Failure> {
    let Route { from, .. } = route;
    let contents = contents_of_batch_file(work, route, file).await?;
    let instead = words_for_batch_file(work, route, file, "it is larger than this iTop takes");
    let mut answer = attach_batch_file(work, route, log, file, contents).await?;
    if answer.as_ref().is_err_and(is_too_large) {
        tracing::warn!(ticket = %work.name(), side = from.other().word(), file = %file.name, "this size is refused; a small text file is sent instead");
        answer = attach_batch_file(work, route, log, file, instead).await?;
    }
    let itop = work.shared.itop(work.lane, from.other());
    match answer {
        Ok(written) => {
            if file.kind == FileKind::Image {
                work.files.images.insert((from, file.key.clone()), written.object.id);
            }
            set_state(&mut work.link, from, log, &file.key, Some(CopyState::Stands(written.object.id)));
            work.save().await
        }
        Err(error) => {
            // Otherwise the next look, at once, finds the file by its mark or sends it again.
            if error.had_no_effect() {
                set_state(&mut work.link, from, log, &file.key, None);
            }
            work.save().await?;
            Err(Failure::of(itop, &error))
        }
    }
}

async fn attach_batch_file(
    work: &mut Work<'_>,
    route: Route<'_>,
    log: LogName,
    file: &BatchFile,
    contents: Contents,
) -> WriteEnd<itop_client::Written> {
    let Route { from, target, .. } = route;
    let key = file.key.clone();
    let intend = move |link: &mut Link, until_ms| {
        set_state(link, from, log, &key, Some(CopyState::InDoubt { until_ms }));
    };
    attach(work, from, file.kind, file.key.clone(), contents, target, intend).await
}

pub(crate) async fn contents_of_batch_file(
    work: &mut Work<'_>,
    route: Route<'_>,
    file: &BatchFile,
) -> Result<Contents, Failure> {
    let Route { from, .. } = route;
    let (id, secret) = match &file.holds {
        BatchContent::Text(words) => return Ok(text_contents(words, &file.name)),
        BatchContent::Image { id, secret } => (*id, secret),
    };
    let itop = work.shared.itop(work.lane, from);
    let max_bytes = work.lane.settings.sync.max_attachment_bytes;
    let memory = work.file_memory().await?;
    match work.reading(call::inline_image(itop, Some(&memory), id, secret, max_bytes)).await? {
        Ok(image) => {
            itop.unreadables().read(Loaded::InlineImage, id);
            let data = base64::engine::general_purpose::STANDARD.encode(&image.bytes);
            let extension = image.mime.rsplit('/').next().unwrap_or_default();
            let name = text::file_name(&format!("{}.{extension}", file.name));
            Ok(Contents::new(data.into(), name, image.mime))
        }
        Err(error) => {
            let why = picture_not_read(work.shared, itop, id, &error)?;
            work.did(Event::PictureNotRead { image: id, is_described: false, why });
            Ok(words_for_batch_file(work, route, file, "it could not be read"))
        }
    }
}

pub(crate) fn words_for_batch_file(work: &Work<'_>, route: Route<'_>, file: &BatchFile, why: &str) -> Contents {
    let Route { from, source, .. } = route;
    let side = &work.shared.itop(work.lane, from).name;
    let words = format!("\"{}\" stands in {} in {side}. It was not copied: {why}.\n", file.name, source.reference);
    let name = if file.kind == FileKind::Image { format!("{}.txt", file.name) } else { file.name.clone() };
    text_contents(&words, &name)
}

fn set_state(link: &mut Link, from: Side, log: LogName, key: &str, state: Option<CopyState>) {
    let batches = link.log_mut(from, log).batches_mut();
    for file in batches.flat_map(|batch| &mut batch.files).filter(|file| file.key == key) {
        file.state.clone_from(&state);
    }
}

/// Splits the entries into portions of at most [`MAX_TEXT_BYTES`], or of one entry.
fn portions<'a, 'e>(entries: &'a [(usize, &'e Entry)]) -> Vec<&'a [(usize, &'e Entry)]> {
    let mut portions = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (at, (_, entry)) in entries.iter().enumerate() {
        if at > start && bytes + entry.html.len() > MAX_TEXT_BYTES {
            portions.push(&entries[start..at]);
            (start, bytes) = (at, 0);
        }
        bytes += entry.html.len();
    }
    if start < entries.len() {
        portions.push(&entries[start..]);
    }
    portions
}
