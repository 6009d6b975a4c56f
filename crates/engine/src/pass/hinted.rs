//! Reads the files that a hint named, and those whose contents are in doubt. A hint that names only known files, none
//! of them changed, ends here without a whole pass.

use std::collections::BTreeSet;

use itop_bridge_core::link::{Copy, CopyState, Late};
use itop_bridge_core::{FileKind, FileMark, Link, Reading, Side, Ticket};
use itop_bridge_store::{Claim, Look, Next};
use itop_client::Query;

use crate::pass::file_budget::FileBudget;
use crate::pass::looks;
use crate::pass::work::Work;
use crate::queue::{finish, retry};
use crate::side::call;
use crate::side::failure::Failure;
use crate::side::lease::call_under_lease;
use crate::side::snapshot::Snapshot;
use crate::side::unreadable::{Loaded, file_not_read};
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
            let read = match call_under_lease(shared, claim, itop, read).await? {
                Ok(read) => read,
                Err(error) => {
                    let failure = file_not_read(shared, itop, id, &error);
                    // A whole pass goes on without it.
                    return if failure.ends_the_pass() { Err(failure) } else { Ok(false) };
                }
            };
            itop.unreadables().read(Loaded::Attachment, id);
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
    let (external, internal) = (wait(Side::External), wait(Side::Internal));
    let due_ms = now_ms + external.into_iter().chain(internal).min()?;
    let mut next = Look::default();
    if external.is_some() {
        next.external_attachments.clone_from(&look.external_attachments);
        next.second_looks = look.second_looks + 1;
    }
    if internal.is_some() {
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
    let came_back = !work.link.course.restored.is_empty();
    let is_wanted = |copy: &&Copy| match copy.state {
        CopyState::RemovedByPerson if came_back => true,
        CopyState::RemovedByPerson | CopyState::InDoubt { .. } => {
            has_copy_of(snapshot.of(from.other()), from, copy.original)
        }
        CopyState::Stands(_) => {
            came_back || copy.original_due || reads_contents && look.named(from).contains(&copy.original)
        }
    };
    let copies = work.link.files.copies.iter().filter(|copy| copy.from == from);
    copies.filter(is_wanted).map(|copy| copy.original).collect()
}

/// The copies over which an abandoned rewrite may have taken effect by now.
fn copies_to_read(work: &Work<'_>, from: Side) -> Vec<u64> {
    let now = work.shared.now_ms();
    let settled = work.link.in_flight.late.iter().filter(|late| late.until_ms <= now);
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
        itop.unreadables().read(Loaded::Attachment, file.id);
        let Some(read) = read else { continue };
        file.content = Some(read.fingerprint());
        if keep && let Some(copy) = work.link.copy_of(side, file.id) {
            work.files.took(side, file.id, read, &copy.content);
        }
    }
    Ok(())
}

/// The copies of these originals whose contents are not known: they were found by their marks, or their iTop was
/// restored from a backup.
pub(crate) fn unknown_copies(link: &Link, from: Side, originals: &[u64]) -> Vec<u64> {
    let came_back = link.course.restored.contains(&from.other());
    let is_unknown = |copy: &&Copy| came_back || copy.content.hash.is_empty();
    let unknown = |original: &u64| link.copy_of(from, *original).filter(is_unknown);
    originals.iter().filter_map(unknown).filter_map(|copy| copy.state.standing()).collect()
}

/// Whether the other side's ticket lists a file with the mark of this original.
pub(crate) fn has_copy_of(target: &Reading, from: Side, original: u64) -> bool {
    let Reading::Here(ticket) = target else { return false };
    let is_it = |mark: &FileMark| mark.is(from, FileKind::File, &original.to_string());
    ticket.files.iter().flatten().filter_map(|file| file.mark()).any(is_it)
}
