//! Attachments: checked when a hint names them, copied, rewritten and deleted. Contents pass as the base64 text that
//! iTop answered, without being decoded.

use itop_bridge_core::event::{Event, Written};
use itop_bridge_core::link::{Copy, CopyState, Late};
use itop_bridge_core::plan::Note;
use itop_bridge_core::{FileKind, Link, Side, Ticket, text};
use itop_client::Contents;

use crate::pass::attach::{attach, replace, text_contents};
use crate::pass::ending::ticket_stands;
use crate::pass::work::{Route, Work};
use crate::pass::write::{WriteEnd, is_too_large};
use crate::side::call::{self, ReadContents};
use crate::side::failure::{Failure, Kind};
use crate::side::read;
use crate::side::send::{Delete, Sent, send, unanswered};
use crate::side::unreadable::{Loaded, file_not_read};

/// Copies an attachment to the other side's ticket.
pub(crate) async fn copy_file(work: &mut Work<'_>, route: Route<'_>, original: u64) -> Result<(), Failure> {
    let Route { from, target, reason, .. } = route;
    let Some(read) = read_original(work, from, original).await? else { return Ok(()) };
    let content = read.fingerprint();
    let (contents, substituted) = sendable(work, route, read);
    // Each call sets the state.
    let state = CopyState::InDoubt { until_ms: 0 };
    let copy = Copy {
        from,
        original,
        content,
        state,
        missing_since_ms: None,
        substituted,
        taken_over: false,
        original_due: false,
    };
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
            work.wrote(file, reason);
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
) -> WriteEnd<itop_client::Written> {
    let key = copy.original.to_string();
    let intend = |link: &mut Link, until_ms| {
        link.keep_copy(Copy { state: CopyState::InDoubt { until_ms }, ..copy.clone() });
    };
    attach(work, copy.from, FileKind::File, key, contents, target, intend).await
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
                work.link.keep_copy(Copy { content, substituted, original_due: false, ..known });
                work.wrote(work.file_to(from.other(), &name), reason);
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
                    work.link.remember(&Note::CopyRemovedByPerson { from, original });
                    work.did(Event::CopyDeleted { attachment: original });
                    return work.save().await;
                }
                work.save().await?;
                return Err(failure);
            }
        }
    }
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
    work.wrote(Written::CopyDeleted { attachment: original, instance: work.instance(from.other()) }, reason);
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
            itop.unreadables().read(Loaded::Attachment, original);
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

const TOO_LARGE: &str = "it is larger than this iTop or the bridge takes";
