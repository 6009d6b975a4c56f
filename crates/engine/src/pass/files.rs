//! Attachments: checked when a hint names them, copied, rewritten and deleted. Contents pass as the base64 text that
//! iTop answered, without being decoded.

use std::collections::BTreeSet;

use base64::Engine as _;
use itop_bridge_core::link::{Copy, CopyState, Late};
use itop_bridge_core::{FileKind, FileMark, Link, Side, Sight, Ticket, text};
use itop_bridge_store::{Claim, Look, Next};
use itop_bridge_text::room::{What, in_the_basic_plane};
use itop_client::{Contents, ErrorClass, Fields, Query, ValueFault};

use crate::pass::ending::ticket_stands;
use crate::pass::file_budget::FileBudget;
use crate::pass::heavy::find_attached;
use crate::pass::looks;
use crate::pass::work::{Route, Work};
use crate::pass::write::{is_too_large, write};
use crate::queue::{finish, retry};
use crate::side::call::{self, ReadContents};
use crate::side::dates::in_iso;
use crate::side::failure::{Failure, Kind};
use crate::side::itop::Itop;
use crate::side::lease::calling;
use crate::side::read;
use crate::side::room::learn_room;
use crate::side::send::{Create, Delete, Sent, Update, send, unanswered};
use crate::side::snapshot::Snapshot;
use crate::side::unreadable::{Loaded, file_not_read};
use crate::side::zone::learn_offset;
use crate::{Lane, Shared};

/// For a claim that names only known attachments, reads only these. A person's download fires an update hook, and a
/// change of the organisation fires one per file: both end here. Returns the claim with the contents read so far if
/// a whole pass is needed.
pub(crate) async fn look_at_named(
    shared: &Shared,
    lane: &Lane,
    mut claim: Claim,
    mut files: FileBudget,
) -> Option<(Claim, FileBudget)> {
    match named_are_as_copied(shared, lane, &mut claim, &mut files).await {
        Ok(true) => {
            let next = match second_look(shared, &claim) {
                Some((due_ms, look)) => Next::Look { due_ms, look },
                None => Next::Done,
            };
            finish::finish(shared, &claim, next).await;
            None
        }
        Ok(false) => {
            claim.look.ticket = true;
            Some((claim, files))
        }
        Err(failure) => {
            retry::fail(shared, lane, &claim, failure).await;
            None
        }
    }
}

async fn named_are_as_copied(
    shared: &Shared,
    lane: &Lane,
    claim: &mut Claim,
    files: &mut FileBudget,
) -> Result<bool, Failure> {
    let Some((_, link)) = claim.link.clone() else { return Ok(false) };
    for side in Side::BOTH {
        // The bridge's own writes come back as hooks and need no look.
        let named: Vec<u64> = looks::foreign(&link, &claim.look, side).into_iter().collect();
        let Some(key) = link.key(side).filter(|_| !named.is_empty()) else { continue };
        let itop = shared.itop(lane, side);
        if claim.look.second_looks(side) > 0 {
            // Only checks that they still stand: a change in place is announced after it happened.
            let found = call::get(shared, itop, "Attachment", &Query::ids(&named), &["id", "item_id"]).await?;
            let standing = found.objects.iter().filter(|object| object.number("item_id") == Some(key.id));
            if standing.count() != named.len() {
                return Ok(false);
            }
            continue;
        }
        let max_bytes = lane.settings.sync.max_attachment_bytes;
        for id in named {
            // One at a time: two large files in one answer would need the memory of both.
            let memory = files.reserve(shared, lane, claim).await?;
            let read = call::contents(shared, itop, Some(&memory), id, max_bytes);
            let read = match calling(shared, claim, itop, read).await? {
                Ok(read) => read,
                Err(error) => {
                    let failure = file_not_read(shared, itop, id, &error);
                    // A whole pass goes on without it.
                    return if failure.ends_the_pass() { Err(failure) } else { Ok(false) };
                }
            };
            itop.could_read(Loaded::Attachment, id);
            let (Some(read), Some(copy)) = (read, link.copy_of(side, id)) else { return Ok(false) };
            let removed = copy.state == CopyState::RemovedByPerson;
            let (item, content) = (read.item, read.fingerprint());
            files.took(side, id, read, &copy.content);
            if item != key.id || !(removed || content == copy.content) {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// Named attachments that still stand are rechecked twice: iTop announces a deletion before it happens.
fn second_look(shared: &Shared, claim: &Claim) -> Option<(i64, Look)> {
    let mut look = claim.look.clone();
    if let Some((_, link)) = &claim.link {
        look.external_attachments = looks::foreign(link, &look, Side::External);
        look.internal_attachments = looks::foreign(link, &look, Side::Internal);
    }
    next_second_look(shared, &look, shared.now_ms())
}

pub(crate) fn next_second_look(shared: &Shared, look: &Look, now_ms: i64) -> Option<(i64, Look)> {
    let wait = |side| {
        let named = !look.named(side).is_empty();
        named.then(|| shared.timing.second_looks_ms.get(look.second_looks(side) as usize)).flatten()
    };
    let (outside, inside) = (wait(Side::External), wait(Side::Internal));
    let due_ms = now_ms + outside.into_iter().chain(inside).min()?;
    let mut next = Look::default();
    if outside.is_some() {
        next.external_attachments.clone_from(&look.external_attachments);
        next.second_looks = look.second_looks + 1;
    }
    if inside.is_some() {
        next.internal_attachments.clone_from(&look.internal_attachments);
        next.internal_second_looks = look.internal_second_looks + 1;
    }
    Some((due_ms, next))
}

/// Reads the contents of three kinds of files: attachments named by a hint and copied before; originals whose copy
/// was in doubt and is there (a hint of a change may have been used up by the wait); and copies over which an
/// earlier rewrite may have taken effect.
pub(crate) async fn read_named_contents(work: &mut Work<'_>, snapshot: &mut Snapshot) -> Result<(), Failure> {
    for from in Side::BOTH {
        take_announced(work, snapshot, from);
        let wanted = originals_to_read(work, snapshot, from);
        if let Some(ticket) = snapshot.ticket_mut(from) {
            contents_of(work, ticket, &wanted, from, true).await?;
        }
        let mut rewritten = copies_to_read(work, from);
        rewritten.extend(unknown_copies(&work.link, from, &wanted));
        if let Some(ticket) = snapshot.ticket_mut(from.other()) {
            contents_of(work, ticket, &rewritten, from.other(), false).await?;
        }
    }
    Ok(())
}

/// Only a file that was copied before can announce the deletion of the whole ticket.
fn take_announced(work: &Work<'_>, snapshot: &mut Snapshot, side: Side) {
    let before = work.claim.link.as_ref();
    let copied_before = |id| before.is_some_and(|(_, link)| link.copy_of(side, id).is_some());
    let announced = work.claim.look.announced(side);
    for file in snapshot.ticket_mut(side).and_then(|ticket| ticket.files.as_mut()).into_iter().flatten() {
        file.announced = announced.contains(&file.id) && copied_before(file.id);
    }
}

fn originals_to_read(work: &Work<'_>, snapshot: &Snapshot, from: Side) -> Vec<u64> {
    let look = &work.claim.look;
    let reads_contents = look.unwritten || look.second_looks(from) == 0;
    let came_back = !work.link.restored.is_empty();
    let is_wanted = |copy: &&Copy| match copy.state {
        CopyState::RemovedByPerson => came_back,
        CopyState::InDoubt { .. } => has_copy_of(snapshot.of(from.other()), from, copy.original),
        CopyState::Stands(_) => came_back || reads_contents && look.named(from).contains(&copy.original),
    };
    let copies = work.link.copies.iter().filter(|copy| copy.from == from);
    copies.filter(is_wanted).map(|copy| copy.original).collect()
}

/// The copies over which an abandoned rewrite may have taken effect by now.
fn copies_to_read(work: &Work<'_>, from: Side) -> Vec<u64> {
    let now = work.shared.now_ms();
    let settled = work.link.late.iter().filter(|late| late.until_ms <= now);
    let originals: BTreeSet<u64> = settled
        .filter_map(|late| match late.what {
            Late::File { from: of, original, .. } if of == from => Some(original),
            _ => None,
        })
        .collect();
    let copies = originals.iter().filter_map(|original| match work.link.copy_of(from, *original)?.state {
        CopyState::Stands(id) => Some(id),
        _ => None,
    });
    copies.collect()
}

async fn contents_of(
    work: &mut Work<'_>,
    ticket: &mut Ticket,
    ids: &[u64],
    side: Side,
    keep: bool,
) -> Result<(), Failure> {
    let (lane, shared) = (work.lane, work.shared);
    let max_bytes = lane.settings.sync.max_attachment_bytes;
    let itop = shared.itop(lane, side);
    let Some(files) = &mut ticket.files else { return Ok(()) };
    for file in files.iter_mut().filter(|file| ids.contains(&file.id)) {
        // This pass reads an original once: a later change has a hint of its own.
        if keep && let Some(known) = work.files.read.get(&(side, file.id)) {
            file.content = Some(known.clone());
            continue;
        }
        let memory = work.file_memory().await?;
        let read = work.reading(call::contents(shared, itop, Some(&memory), file.id, max_bytes)).await?;
        let read = match read {
            Ok(read) => read,
            Err(error) => {
                let failure = file_not_read(shared, itop, file.id, &error);
                if failure.ends_the_pass() {
                    return Err(failure);
                }
                if work.unread.insert((side, file.id)) {
                    work.failures.push(failure);
                }
                continue;
            }
        };
        itop.could_read(Loaded::Attachment, file.id);
        let Some(read) = read else { continue };
        file.content = Some(read.fingerprint());
        if keep && let Some(copy) = work.link.copy_of(side, file.id) {
            work.files.took(side, file.id, read, &copy.content);
        }
    }
    Ok(())
}

/// Copies an attachment to the other side's ticket.
pub(crate) async fn copy_file(work: &mut Work<'_>, route: Route<'_>, original: u64) -> Result<(), Failure> {
    let Route { from, target, reason, .. } = route;
    let Some(read) = read_original(work, from, original).await? else { return Ok(()) };
    let content = read.fingerprint();
    let (contents, substituted) = sendable(work, route, read);
    // Each call sets the state.
    let state = CopyState::InDoubt { until_ms: 0 };
    let copy = Copy { from, original, content, state, missing_since_ms: None, substituted, taken_over: false };
    match send_copy(work, &copy, contents.clone(), target).await? {
        Err(error) if is_too_large(&error) && !substituted => {
            tracing::warn!(ticket = %work.name(), side = from.other().word(), attachment = original, bytes = contents.data.decoded_len(), "this size is refused; a small text file is sent instead");
            let words = words_instead(work, route, &contents, TOO_LARGE);
            let copy = Copy { substituted: true, ..copy };
            let answer = send_copy(work, &copy, words, target).await?;
            copy_answered(work, copy, answer, &contents.filename, reason).await
        }
        answer => copy_answered(work, copy, answer, &contents.filename, reason).await,
    }
}

async fn copy_answered(
    work: &mut Work<'_>,
    copy: Copy,
    answer: Result<itop_client::Written, itop_client::Error>,
    name: &str,
    reason: &str,
) -> Result<(), Failure> {
    let itop = work.shared.itop(work.lane, copy.from.other());
    match answer {
        Ok(written) => {
            let file = work.file_to(copy.from.other(), name);
            work.link.keep_copy(Copy { state: CopyState::Stands(written.object.id), ..copy });
            work.wrote(&file, reason);
            work.save().await
        }
        Err(error) => {
            // Otherwise the next look, at once, finds the copy by its mark or makes it.
            if error.had_no_effect() {
                work.link.forget_copy(copy.from, copy.original);
            }
            work.save().await?;
            Err(Failure::of(itop, &error))
        }
    }
}

async fn send_copy(
    work: &mut Work<'_>,
    copy: &Copy,
    contents: Contents,
    target: &Ticket,
) -> Result<Result<itop_client::Written, itop_client::Error>, Failure> {
    let key = copy.original.to_string();
    let intend = |link: &mut Link, until_ms| {
        link.keep_copy(Copy { state: CopyState::InDoubt { until_ms }, ..copy.clone() });
    };
    attach(work, copy.from, FileKind::File, key, contents, target, intend).await
}

/// Creates an attachment on the other side's ticket, with the mark that identifies it.
pub(crate) async fn attach(
    work: &mut Work<'_>,
    from: Side,
    kind: FileKind,
    key: String,
    contents: Contents,
    target: &Ticket,
    intend: impl FnOnce(&mut Link, i64) + Clone,
) -> Result<Result<itop_client::Written, itop_client::Error>, Failure> {
    let mark = FileMark { ticket: work.mark(), from, kind, key };
    let mut fields = Fields::new();
    fields.set("item_class", target.class.clone());
    fields.set("item_id", target.id);
    if let Some(org) = target.filled("org_id") {
        fields.set("item_org_id", org.to_owned());
    }
    fields.set("temp_id", mark.temp_id());
    let itop = work.shared.itop(work.lane, from.other());
    // Its own write takes the memory from here.
    work.file_memory().await?;
    let mut contents = with_a_name_for(itop, contents);
    let mut answer = loop {
        fields.set("contents", contents.clone());
        let create = Create { class: "Attachment", fields: &fields, output: &["id", "creation_date"] };
        match write(work, itop, create, intend.clone()).await? {
            Err(error) if name_loses_characters(work, itop, &mut contents, &error).await? => {}
            answer => break answer,
        }
    };
    if let Err(error) = &mut answer
        && matches!(error.class, ErrorClass::OutOfMemory { .. })
    {
        match find_attached(work, itop, &mark).await? {
            Some(written) => return Ok(Ok(written)),
            // The file alone exceeds PHP's memory.
            None => error.class = ErrorClass::TooLarge,
        }
    }
    if let Ok(written) = &mut answer {
        in_iso(work.shared, itop, std::slice::from_mut(&mut written.object)).await;
        learn_offset(work.shared, itop, written, "creation_date").await?;
    }
    Ok(answer)
}

/// Updates a copy's data, name and type in place.
pub(crate) async fn rewrite_file(
    work: &mut Work<'_>,
    route: Route<'_>,
    original: u64,
    copy: u64,
) -> Result<(), Failure> {
    let Route { from, reason, .. } = route;
    let Some(read) = read_original(work, from, original).await? else { return Ok(()) };
    let Some(known) = work.link.copy_of(from, original).cloned() else { return Ok(()) };
    let itop = work.shared.itop(work.lane, from.other());
    let content = read.fingerprint();
    let name = read.contents.filename.clone();
    let (mut contents, mut substituted) = sendable(work, route, read);
    loop {
        let late = Late::File { from, original, content: read::fingerprint(&contents) };
        let intend = |link: &mut Link, until_ms| link.may_land(late, until_ms);
        match replace(work, from, copy, contents.clone(), intend).await? {
            Ok(()) => {
                work.link.keep_copy(Copy { content, substituted, ..known });
                work.wrote(&work.file_to(from.other(), &name), reason);
                return work.save().await;
            }
            Err(error) if is_too_large(&error) && !substituted => {
                contents = words_instead(work, route, &contents, TOO_LARGE);
                substituted = true;
            }
            Err(error) => {
                let failure = Failure::of(itop, &error);
                if failure.kind == Kind::Gone {
                    if !ticket_stands(work, from.other()).await? {
                        return Err(Failure { kind: Kind::Stale, ..failure });
                    }
                    work.link.keep_copy(Copy { state: CopyState::RemovedByPerson, ..known });
                    work.did(format!("the copy of attachment {original} was deleted by a person; it stays deleted"));
                    return work.save().await;
                }
                work.save().await?;
                return Err(failure);
            }
        }
    }
}

/// Replaces the contents of an attachment on the other side.
pub(crate) async fn replace(
    work: &mut Work<'_>,
    from: Side,
    id: u64,
    contents: Contents,
    intend: impl FnOnce(&mut Link, i64) + Clone,
) -> Result<Result<(), itop_client::Error>, Failure> {
    let itop = work.shared.itop(work.lane, from.other());
    // Its own write takes the memory from here.
    work.file_memory().await?;
    let mut contents = with_a_name_for(itop, contents);
    loop {
        let fields = Fields::new().with("contents", contents.clone());
        let update = Update { class: "Attachment", id, fields: &fields, output: &["id"] };
        match write(work, itop, update, intend.clone()).await? {
            Err(error) if name_loses_characters(work, itop, &mut contents, &error).await? => {}
            answer => return Ok(answer.map(|_| ())),
        }
    }
}

/// A `utf8mb3` database lacks some characters of a file's name: they are replaced by `?`.
async fn name_loses_characters(
    work: &mut Work<'_>,
    itop: &Itop,
    contents: &mut Contents,
    error: &itop_client::Error,
) -> Result<bool, Failure> {
    let name = in_the_basic_plane(&contents.filename);
    let is_it = error.bad_values().iter().any(|value| value.fault == ValueFault::Characters);
    if !is_it || name == contents.filename {
        return Ok(false);
    }
    learn_room(work.shared, itop, "Attachment", FILE_NAME, What::BasicPlaneOnly).await?;
    work.did(format!(
        "the name of {:?} has characters that the database of {} does not have; they became `?`",
        contents.filename, itop.name
    ));
    contents.filename = name;
    Ok(true)
}

/// Deletes a copy whose original is gone. The plan saw it listed with this bridge's own mark.
pub(crate) async fn delete_copy(
    work: &mut Work<'_>,
    route: Route<'_>,
    original: u64,
    copy: u64,
) -> Result<(), Failure> {
    let Route { from, reason, .. } = route;
    let itop = work.shared.itop(work.lane, from.other());
    let (memory, comment) = (work.files.memory(), work.comment());
    let delete = Delete { class: "Attachment", id: copy };
    // An unanswered deletion is sent again: deleting a file that is gone does no harm.
    match send(work.shared, &mut work.claim, itop, memory, &comment, delete).await? {
        Sent::Ended(Ok(_)) => {}
        Sent::Ended(Err(error)) => return Err(unanswered(work.shared, &mut work.claim, itop, &error).await?),
        Sent::ThrottledAlone(failure) => return Err(failure),
    }
    work.link.copy_deleted(from, original, copy);
    let side = &work.shared.itop(work.lane, from.other()).name;
    work.wrote(&format!("deleted the copy of attachment {original} in {side}"), reason);
    work.save().await
}

/// The original's contents; `None` if it went meanwhile, which the next look sees.
async fn read_original(work: &mut Work<'_>, from: Side, original: u64) -> Result<Option<ReadContents>, Failure> {
    if let Some((_, _, read)) = work.files.contents.take_if(|(side, id, _)| (*side, *id) == (from, original)) {
        return Ok(Some(read));
    }
    let (lane, shared) = (work.lane, work.shared);
    let itop = shared.itop(lane, from);
    let memory = work.file_memory().await?;
    let max_bytes = lane.settings.sync.max_attachment_bytes;
    let read = work.reading(call::contents(shared, itop, Some(&memory), original, max_bytes)).await?;
    match read {
        Ok(read) => {
            itop.could_read(Loaded::Attachment, original);
            Ok(read)
        }
        Err(error) => Err(file_not_read(shared, itop, original, &error)),
    }
}

/// The contents to send: as they are, with a name that iTop takes, or a small text file if they are too large or
/// incomplete.
fn sendable(work: &mut Work<'_>, route: Route<'_>, read: ReadContents) -> (Contents, bool) {
    let contents = read.contents;
    if read.too_large || contents.data.decoded_len() > work.lane.settings.sync.max_attachment_bytes {
        return (words_instead(work, route, &contents, TOO_LARGE), true);
    }
    if !contents.data.is_whole() {
        // iTop would silently turn it into an empty file.
        tracing::error!(ticket = %work.name(), name = %contents.filename, "the file's data is not whole base64; a small text file is sent instead");
        return (words_instead(work, route, &contents, "its data is not whole"), true);
    }
    let name = text::file_name(&contents.filename);
    (Contents { filename: name, ..contents }, false)
}

fn words_instead(work: &Work<'_>, route: Route<'_>, contents: &Contents, why: &str) -> Contents {
    let Route { from, source, .. } = route;
    let (name, reference) = (&contents.filename, &source.reference);
    let side = &work.shared.itop(work.lane, from).name;
    let size = match contents.data.decoded_len() {
        // Too large to be read at all.
        0 => format!("more than {}", work.lane.settings.sync.max_attachment_bytes),
        bytes => bytes.to_string(),
    };
    let words =
        format!("The file \"{name}\" ({size} bytes) is attached to {reference} in {side}. It was not copied: {why}.\n");
    text_contents(&words, &format!("{name}.txt"))
}

/// The attribute with a file's name.
const FILE_NAME: &str = "contents_filename";

/// The contents with a name that the database of that side is known to hold.
fn with_a_name_for(itop: &Itop, contents: Contents) -> Contents {
    if !itop.room("Attachment", FILE_NAME).basic_plane_only {
        return contents;
    }
    Contents { filename: in_the_basic_plane(&contents.filename), ..contents }
}

/// A text file as iTop takes it.
pub fn text_contents(words: &str, name: &str) -> Contents {
    let data = base64::engine::general_purpose::STANDARD.encode(words);
    Contents::new(data.into(), text::file_name(name), "text/plain")
}

/// The copies of these originals whose contents are not known: they were found by their marks, or their iTop was
/// restored from a backup.
pub(crate) fn unknown_copies(link: &Link, from: Side, originals: &[u64]) -> Vec<u64> {
    let came_back = link.restored.contains(&from.other());
    let is_unknown = |copy: &&Copy| came_back || copy.content.hash.is_empty();
    let unknown = |original: &u64| link.copy_of(from, *original).filter(is_unknown);
    originals.iter().filter_map(unknown).filter_map(|copy| copy.state.standing()).collect()
}

/// Whether the other side's ticket lists a file with the mark of this original.
fn has_copy_of(target: &Sight, from: Side, original: u64) -> bool {
    let Sight::Here(ticket) = target else { return false };
    let is_it = |mark: &FileMark| mark.is(from, FileKind::File, &original.to_string());
    ticket.files.iter().flatten().filter_map(|file| file.mark()).any(is_it)
}

const TOO_LARGE: &str = "it is larger than this iTop or the bridge takes";
