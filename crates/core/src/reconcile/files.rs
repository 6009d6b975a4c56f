//! Attachments cross from the external side to the internal one, with changes and deletions.

use crate::link::{Copy, CopyState, Late, LateWrite, Link};
use crate::mark::FileKind;
use crate::plan::{Note, Plan, Step, Write};
use crate::policy::{AttachmentDeletes, Policy};
use crate::ticket::{File, FileContent, Side, Ticket};

pub fn plan(policy: &Policy, link: &Link, external: &Ticket, internal: &Ticket, plan: &mut Plan) {
    let Some(listed) = &external.files else { return };
    // A file with a mark of this pair is a copy; every other file, another bridge's too, is an original.
    let originals: Vec<&File> = listed.iter().filter(|file| file.mark.is_none()).collect();
    for original in &originals {
        match copy_of(link, original.id) {
            None => unknown(original, internal, plan),
            Some(copy) => known(policy, link, copy, original, internal, plan),
        }
    }
    for copy in link.copies.iter().filter(|copy| copy.from == Side::External) {
        if !originals.iter().any(|file| file.id == copy.original) {
            missing(policy, link, copy, &originals, external, internal, plan);
        } else if copy.missing_since_ms.is_some() {
            plan.notes.push(Note::OriginalMissing { from: copy.from, original: copy.original, since_ms: None });
        }
    }
}

fn copy_of(link: &Link, original: u64) -> Option<&Copy> {
    link.copies.iter().find(|copy| copy.from == Side::External && copy.original == original)
}

/// The internal attachment that carries this original's mark, where they were listed.
fn marked(internal: &Ticket, original: u64) -> Option<&File> {
    internal.files.as_ref()?.iter().find(|file| is_copy_of(file, original))
}

fn is_copy_of(file: &File, original: u64) -> bool {
    file.mark.as_ref().is_some_and(|mark| {
        mark.from == Side::External && mark.kind == FileKind::File && mark.key == original.to_string()
    })
}

fn unknown(original: &File, internal: &Ticket, plan: &mut Plan) {
    match marked(internal, original.id) {
        // A store that was restored from a backup: the iTop says that the copy exists.
        Some(file) => plan.notes.push(Note::Adopt(Copy {
            from: Side::External,
            original: original.id,
            content: original.content.clone().unwrap_or_else(unknown_content),
            state: CopyState::Stands(file.id),
            missing_since_ms: None,
            substituted: false,
        })),
        None => plan.writes.push(copy_file(original.id, "a file was added outside")),
    }
}

/// What an adopted copy holds is not known: the original's next content is taken as it.
fn unknown_content() -> FileContent {
    FileContent { hash: String::new(), name: String::new(), mimetype: String::new() }
}

fn copy_file(original: u64, reason: &str) -> Step {
    Step { write: Write::CopyFile { from: Side::External, original }, reason: reason.to_owned() }
}

fn known(policy: &Policy, link: &Link, copy: &Copy, original: &File, internal: &Ticket, plan: &mut Plan) {
    match copy.state {
        CopyState::RemovedByPerson => {}
        CopyState::InDoubt { until_ms } => match marked(internal, original.id) {
            Some(file) => {
                let found = Copy { state: CopyState::Stands(file.id), ..copy.clone() };
                plan.notes.push(Note::Adopt(found.clone()));
                // Here it holds what was sent; the original may have changed since.
                stands(link, &found, file.id, original, internal, plan);
            }
            None if internal.files.is_some() && internal.read_at_ms >= until_ms => {
                plan.writes.push(copy_file(original.id, "an unanswered copy never arrived"));
            }
            None => plan.look_again(
                until_ms.min(internal.read_at_ms.saturating_add(policy.waits.doubt_look_ms)).max(internal.read_at_ms),
            ),
        },
        CopyState::Stands(id) => stands(link, copy, id, original, internal, plan),
    }
}

fn stands(link: &Link, copy: &Copy, id: u64, original: &File, internal: &Ticket, plan: &mut Plan) {
    if is_gone(internal, copy.original, id) {
        plan.notes.push(Note::CopyRemovedByPerson { from: copy.from, original: copy.original });
        return;
    }
    let rewrite = |reason: &str| Step {
        write: Write::RewriteFile { from: copy.from, original: copy.original, copy: id },
        reason: reason.to_owned(),
    };
    match &original.content {
        Some(content) if copy.content.hash.is_empty() => {
            plan.notes.push(Note::SameContent { from: copy.from, original: copy.original, content: content.clone() });
        }
        Some(content) if *content != copy.content => plan.writes.push(rewrite("a file changed outside")),
        _ => match overwritten_late(link, copy, id, internal) {
            Some(late) => {
                plan.owe(link, late);
                plan.writes.push(rewrite("an earlier content landed late"));
            }
            None => {
                let gone = link.owed.iter().filter(|late| late.is_of_file(copy.original)).cloned();
                plan.notes.extend(gone.map(Note::NoLongerOwed));
            }
        },
    }
}

/// A rewrite that was given up has landed over a newer one. What is owed already was seen so: it counts
/// unless the contents were read and say otherwise.
fn overwritten_late<'a>(link: &'a Link, copy: &Copy, id: u64, internal: &Ticket) -> Option<&'a Late> {
    let now = content_of(internal, id);
    link.settled_late(internal.read_at_ms).find(|late| {
        let shows = now.map_or_else(|| link.owed.contains(late), |now| carries(late, now));
        late.is_of_file(copy.original) && shows && !carries(late, &copy.content)
    })
}

fn carries(late: &Late, now: &FileContent) -> bool {
    matches!(late, Late::File { content, .. } if content == now)
}

fn content_of(ticket: &Ticket, id: u64) -> Option<&FileContent> {
    ticket.files.as_ref()?.iter().find(|file| file.id == id)?.content.as_ref()
}

/// The copy is no longer listed. An id that stands without this original's mark is another file: an iTop
/// restored from a backup gives ids out again.
fn is_gone(internal: &Ticket, original: u64, id: u64) -> bool {
    internal.files.as_ref().is_some_and(|files| !files.iter().any(|file| file.id == id && is_copy_of(file, original)))
}

/// A copy stands whose original is not listed, or was not when the files were last listed.
pub fn has_lost_original(copy: &Copy, external: &Ticket, internal: &Ticket) -> bool {
    let CopyState::Stands(id) = copy.state else { return false };
    let listed = |files: &Vec<File>| files.iter().any(|file| file.id == copy.original && file.mark.is_none());
    let lost = external.files.as_ref().map_or(copy.missing_since_ms.is_some(), |files| !listed(files));
    lost && copy.from == Side::External && !is_gone(internal, copy.original, id)
}

/// Whether this read shows what became of a late write: a file's only where its contents were read,
/// or the copy is gone.
pub fn can_judge(link: &Link, late: &LateWrite, external: &Ticket, internal: &Ticket) -> bool {
    let Late::File { original, .. } = &late.what else { return true };
    if external.files.is_none() {
        // Here nothing was planned for files.
        return false;
    }
    match copy_of(link, *original).map(|copy| &copy.state) {
        Some(CopyState::Stands(id)) => content_of(internal, *id).is_some() || is_gone(internal, *original, *id),
        _ => true,
    }
}

/// The original is not listed. A ticket's deletion takes its attachments first, one by one, while the
/// ticket still stands: so one read proves nothing, and the last original's absence even less.
fn missing(
    policy: &Policy,
    link: &Link,
    copy: &Copy,
    originals: &[&File],
    external: &Ticket,
    internal: &Ticket,
    plan: &mut Plan,
) {
    let (from, original) = (copy.from, copy.original);
    let standing = match copy.state {
        CopyState::InDoubt { until_ms } => return missing_in_doubt(policy, copy, until_ms, internal, plan),
        CopyState::Stands(id) if !is_gone(internal, original, id) => Some(id),
        // Here the copy is gone too. Should the original be listed again, it must still be known that a
        // person removed the copy: so forgetting waits as long as deleting does.
        _ => None,
    };
    let now = external.read_at_ms;
    if standing.is_some() && policy.attachment_deletes == AttachmentDeletes::Never {
        // Noted once, so that it is no news to the next audit.
        if copy.missing_since_ms.is_none() {
            plan.notes.push(Note::OriginalMissing { from, original, since_ms: Some(now) });
        }
        return;
    }
    let since = copy.missing_since_ms.unwrap_or(now);
    if originals.iter().any(|file| file.announced) {
        // Here another original may be about to go too, as when the whole ticket goes, file by file: what is
        // missing counts as missing only from when that is known.
        let known = now.saturating_add(policy.waits.last_file_missing_ms);
        let since_ms = Some(known.saturating_sub(policy.waits.file_missing_ms));
        plan.notes.push(Note::OriginalMissing { from, original, since_ms });
        return plan.look_again(known);
    }
    let due = if originals.is_empty() {
        let last_went = link.copies.iter().filter_map(|copy| copy.missing_since_ms).max().unwrap_or(now).max(since);
        last_went.saturating_add(policy.waits.last_file_missing_ms)
    } else {
        since.saturating_add(policy.waits.file_missing_ms)
    };
    if now >= due && copy.missing_since_ms.is_some() {
        match standing {
            Some(copy) => plan.writes.push(Step {
                write: Write::DeleteCopy { from, original, copy },
                reason: "the original was deleted outside".to_owned(),
            }),
            None => plan.notes.push(Note::ForgetCopy { from, original }),
        }
        return;
    }
    if copy.missing_since_ms.is_none() {
        plan.notes.push(Note::OriginalMissing { from, original, since_ms: Some(since) });
    }
    plan.look_again(due);
}

fn missing_in_doubt(policy: &Policy, copy: &Copy, until_ms: i64, internal: &Ticket, plan: &mut Plan) {
    match marked(internal, copy.original) {
        Some(file) => {
            plan.notes.push(Note::Adopt(Copy { state: CopyState::Stands(file.id), ..copy.clone() }));
            plan.look_again(internal.read_at_ms);
        }
        None if internal.files.is_some() && internal.read_at_ms >= until_ms => {
            plan.notes.push(Note::ForgetCopy { from: copy.from, original: copy.original });
        }
        None => plan.look_again(
            until_ms.min(internal.read_at_ms.saturating_add(policy.waits.doubt_look_ms)).max(internal.read_at_ms),
        ),
    }
}
