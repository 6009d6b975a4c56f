//! Attachments cross in both directions, with changes and deletions.

use crate::link::{Copy, CopyState, Late, LateWrite, Link};
use crate::mark::FileKind;
use crate::plan::{Deferred, Note, Plan, Step, Write};
use crate::policy::{AttachmentDeletes, Policy};
use crate::text;
use crate::ticket::{File, FileContent, Side, Ticket};

/// Both directions: files that a person added on either side are copied to the other.
pub fn plan(policy: &Policy, link: &Link, external: &Ticket, internal: &Ticket, plan: &mut Plan) {
    for from in Side::BOTH {
        let way = Way::new(from, external, internal);
        way.plan(policy, link, plan);
        if too_much_gone(policy, link, from, external, internal).is_some() {
            // The pass that would delete them halts.
            let is_of_it =
                |deferred: &Deferred| matches!(deferred, Deferred::DeleteCopy { from: of, .. } if *of == from);
            plan.deferred.retain(|deferred| !is_of_it(deferred));
        }
    }
}

/// One direction: the side of the originals, and the side of their copies.
struct Way<'a> {
    from: Side,
    source: &'a Ticket,
    target: &'a Ticket,
}

impl<'a> Way<'a> {
    fn new(from: Side, external: &'a Ticket, internal: &'a Ticket) -> Way<'a> {
        let (source, target) = from.source_and_target(external, internal);
        Way { from, source, target }
    }

    fn plan(&self, policy: &Policy, link: &Link, plan: &mut Plan) {
        let Some(listed) = &self.source.files else { return };
        let originals: Vec<&File> = listed.iter().filter(|file| file.is_original()).collect();
        for original in &originals {
            match link.copy_of(self.from, original.id) {
                None => self.unknown(original, plan),
                Some(copy) => self.known(policy, link, copy, original, plan),
            }
        }
        for copy in link.files.copies.iter().filter(|copy| copy.from == self.from) {
            if !originals.iter().any(|file| file.id == copy.original) {
                self.missing(policy, link, copy, &originals, plan);
            } else if copy.missing_since_ms.is_some() {
                plan.notes.push(Note::OriginalMissing { from: copy.from, original: copy.original, since_ms: None });
            }
        }
    }

    /// The attachment on the other side with this original's mark, if the files were listed. The later of two is
    /// taken: the earlier was made for an original of an earlier counterpart, whose id was assigned again.
    fn marked(&self, original: u64) -> Option<&'a File> {
        let copies = self.target.files.as_ref()?.iter().filter(|file| is_copy_of(file, self.from, original));
        copies.max_by_key(|file| file.id)
    }

    fn unknown(&self, original: &File, plan: &mut Plan) {
        match self.marked(original.id) {
            // The store was restored from a backup: the iTop shows that the copy exists.
            Some(file) => plan.notes.push(Note::Adopt(Copy {
                from: self.from,
                original: original.id,
                content: original.content.clone().unwrap_or_else(unknown_content),
                state: CopyState::Stands(file.id),
                missing_since_ms: None,
                substituted: false,
                taken_over: false,
                original_due: false,
            })),
            None => plan.writes.push(self.copy_file(original.id, &format!("a file was added {}", self.from.place()))),
        }
    }

    fn copy_file(&self, original: u64, reason: &str) -> Step {
        Step { write: Write::CopyFile { from: self.from, original }, reason: reason.to_owned() }
    }

    fn known(&self, policy: &Policy, link: &Link, copy: &Copy, original: &File, plan: &mut Plan) {
        match copy.state {
            CopyState::RemovedByPerson => {
                // It was hidden from the account, or a backup brought it back.
                if let Some(file) = self.marked(original.id) {
                    self.found(link, copy, file, original, plan);
                }
            }
            CopyState::InDoubt { until_ms } => match self.marked(original.id) {
                Some(file) => self.found(link, copy, file, original, plan),
                None if has_settled(self.target, until_ms) => {
                    plan.writes.push(self.copy_file(original.id, "an unanswered copy never arrived"));
                }
                None => plan.look_again(doubt_look(policy, self.target, until_ms)),
            },
            CopyState::Stands(id) => self.stands(link, copy, id, original, plan),
        }
    }

    /// The copy is there. It holds what was sent; the original may have changed since.
    fn found(&self, link: &Link, copy: &Copy, file: &File, original: &File, plan: &mut Plan) {
        let original_due = original.content.as_ref() != Some(&copy.content);
        let found = Copy { state: CopyState::Stands(file.id), original_due, ..copy.clone() };
        plan.notes.push(Note::Adopt(found.clone()));
        self.stands(link, &found, file.id, original, plan);
    }

    fn stands(&self, link: &Link, copy: &Copy, id: u64, original: &File, plan: &mut Plan) {
        if self.is_gone(copy.original, id) {
            plan.notes.push(Note::CopyRemovedByPerson { from: copy.from, original: copy.original });
            return;
        }
        let rewrite = |reason: &str| Step {
            write: Write::RewriteFile { from: copy.from, original: copy.original, copy: id },
            reason: reason.to_owned(),
        };
        if let Some(content) = original.content.clone().filter(|content| copy.original_due && *content == copy.content)
        {
            plan.notes.push(Note::SameContent { from: copy.from, original: copy.original, content });
        }
        match &original.content {
            Some(content) if copy.content.hash.is_empty() => match content_of(self.target, id) {
                Some(held) if !is_copy_with(held, content) => {
                    plan.writes.push(rewrite(&format!("a file changed {}", self.from.place())));
                }
                _ => plan.notes.push(Note::SameContent {
                    from: copy.from,
                    original: copy.original,
                    content: content.clone(),
                }),
            },
            Some(content) if *content != copy.content => {
                plan.writes.push(rewrite(&format!("a file changed {}", self.from.place())));
            }
            _ => match self.overwritten_late(link, copy, id) {
                Some(late) => {
                    plan.owe(link, late);
                    plan.writes.push(rewrite("an earlier content landed late"));
                }
                None => {
                    let gone =
                        link.in_flight.owed.iter().filter(|late| late.is_of_file(self.from, copy.original)).cloned();
                    plan.notes.extend(gone.map(Note::NoLongerOwed));
                }
            },
        }
    }

    /// A rewrite without an answer that landed over a newer one. One that is already owed was seen to: it counts unless
    /// the contents were read and show otherwise.
    fn overwritten_late<'l>(&self, link: &'l Link, copy: &Copy, id: u64) -> Option<&'l Late> {
        let now = content_of(self.target, id);
        link.settled_late(self.target.read_at_ms).find(|late| {
            let shows = now.map_or_else(|| link.in_flight.owed.contains(late), |now| carries(late, now));
            late.is_of_file(self.from, copy.original) && shows && !carries(late, &copy.content)
        })
    }

    /// Whether the copy is no longer listed. A file with this id but without this original's mark is another file: a
    /// restored iTop assigns ids again.
    fn is_gone(&self, original: u64, id: u64) -> bool {
        let listed = |file: &File| file.id == id && is_copy_of(file, self.from, original);
        self.target.files.as_ref().is_some_and(|files| !files.iter().any(listed))
    }

    /// The original is not listed. Deleting a ticket deletes its attachments first, one by one, while the ticket
    /// still exists: so one read proves nothing, and the last original's absence even less.
    fn missing(&self, policy: &Policy, link: &Link, copy: &Copy, originals: &[&File], plan: &mut Plan) {
        let (from, original) = (copy.from, copy.original);
        let standing = match copy.state {
            CopyState::InDoubt { until_ms } => return self.missing_in_doubt(policy, copy, until_ms, plan),
            CopyState::Stands(id) if !self.is_gone(original, id) => Some(id),
            // Here the copy is gone too. If the original is listed again, it must still be known that a person
            // removed the copy: so forgetting waits as long as deleting does.
            _ => match self.marked(original) {
                None => None,
                // It was hidden. The next plan judges it like any that stands, also against the limits of a halt.
                Some(file) => {
                    let found = Copy { state: CopyState::Stands(file.id), ..copy.clone() };
                    plan.notes.push(Note::Adopt(found));
                    return plan.look_again(self.target.read_at_ms);
                }
            },
        };
        let now = self.source.read_at_ms;
        if standing.is_some() && (policy.attachment_deletes == AttachmentDeletes::Never || copy.taken_over) {
            // Noted once, so that it is no news to the next audit.
            if copy.missing_since_ms.is_none() {
                plan.notes.push(Note::OriginalMissing { from, original, since_ms: Some(now) });
            }
            return;
        }
        let since = copy.missing_since_ms.unwrap_or(now);
        if originals.iter().any(|file| file.announced) {
            // Here another original may be about to go too, as when the whole ticket goes, file by file: the time
            // until a missing file counts as deleted starts only when that is known.
            let known = now.saturating_add(policy.waits.last_file_missing_ms);
            let since_ms = Some(known.saturating_sub(policy.waits.file_missing_ms));
            plan.notes.push(Note::OriginalMissing { from, original, since_ms });
            if standing.is_some() {
                plan.deferred.push(Deferred::DeleteCopy { from, original, until_ms: known });
            }
            return plan.look_again(known);
        }
        let due = if originals.is_empty() {
            let of_this_side = link.files.copies.iter().filter(|copy| copy.from == from);
            let last_went = of_this_side.filter_map(|copy| copy.missing_since_ms).max().unwrap_or(now).max(since);
            last_went.saturating_add(policy.waits.last_file_missing_ms)
        } else {
            since.saturating_add(policy.waits.file_missing_ms)
        };
        if now >= due && copy.missing_since_ms.is_some() {
            match standing {
                Some(copy) => plan.writes.push(Step {
                    write: Write::DeleteCopy { from, original, copy },
                    reason: format!("the original was deleted {}", from.place()),
                }),
                None => plan.notes.push(Note::ForgetCopy { from, original }),
            }
            return;
        }
        if copy.missing_since_ms.is_none() {
            plan.notes.push(Note::OriginalMissing { from, original, since_ms: Some(since) });
        }
        if standing.is_some() {
            plan.deferred.push(Deferred::DeleteCopy { from, original, until_ms: due });
        }
        plan.look_again(due);
    }

    fn missing_in_doubt(&self, policy: &Policy, copy: &Copy, until_ms: i64, plan: &mut Plan) {
        match self.marked(copy.original) {
            Some(file) => {
                let found = Copy { state: CopyState::Stands(file.id), original_due: true, ..copy.clone() };
                plan.notes.push(Note::Adopt(found));
                plan.look_again(self.target.read_at_ms);
            }
            None if has_settled(self.target, until_ms) => {
                plan.notes.push(Note::ForgetCopy { from: copy.from, original: copy.original });
            }
            None => plan.look_again(doubt_look(policy, self.target, until_ms)),
        }
    }
}

/// Both tickets, with the marks of their files as this link counts them.
pub fn recognized(policy: &Policy, link: &Link, external: &Ticket, internal: &Ticket) -> [Ticket; 2] {
    [(Side::External, external), (Side::Internal, internal)].map(|(side, ticket)| {
        let mut ticket = ticket.clone();
        link.recognize_files(side, &policy.mark(link), ticket.files.as_deref_mut().unwrap_or_default());
        ticket
    })
}

/// Whether this attachment has that copy's mark.
pub fn is_its_copy(file: &File, copy: &Copy) -> bool {
    is_copy_of(file, copy.from, copy.original)
}

fn is_copy_of(file: &File, from: Side, original: u64) -> bool {
    file.mark().is_some_and(|mark| mark.is(from, FileKind::File, &original.to_string()))
}

/// An adopted copy's content is not known: it is read together with the original, when a hint names that.
fn unknown_content() -> FileContent {
    FileContent { hash: String::new(), name: String::new(), mimetype: String::new() }
}

/// Whether a copy has this original's content, or is the small text that stands in for it.
pub fn is_copy_with(held: &FileContent, original: &FileContent) -> bool {
    let is_named = |name: &str| held.name == text::file_name(name);
    let stands_in = held.mimetype == "text/plain" && is_named(&format!("{}.txt", original.name));
    let same = (&held.hash, &held.mimetype) == (&original.hash, &original.mimetype) && is_named(&original.name);
    same || stands_in
}

/// Whether the files were listed after every earlier call had settled.
pub fn has_settled(target: &Ticket, until_ms: i64) -> bool {
    target.files.is_some() && target.read_at_ms >= until_ms
}

/// When to check again for a file whose create was never answered.
pub fn doubt_look(policy: &Policy, target: &Ticket, until_ms: i64) -> i64 {
    until_ms.min(target.read_at_ms.saturating_add(policy.waits.doubt_look_ms)).max(target.read_at_ms)
}

fn carries(late: &Late, now: &FileContent) -> bool {
    matches!(late, Late::File { content, .. } if content == now)
}

fn content_of(ticket: &Ticket, id: u64) -> Option<&FileContent> {
    ticket.files.as_ref()?.iter().find(|file| file.id == id)?.content.as_ref()
}

/// Many originals of one side missing at once are an accident until an operator says otherwise. All missing ones count,
/// not only those whose deletion is due: they may have gone one by one. Returns how many of how many are gone.
pub fn too_much_gone(
    policy: &Policy,
    link: &Link,
    from: Side,
    external: &Ticket,
    internal: &Ticket,
) -> Option<(usize, usize)> {
    let way = Way::new(from, external, internal);
    let copies = link.files.copies.iter().filter(|copy| copy.from == from);
    let (gone, all) = (copies.clone().filter(|copy| way.stands_without_original(copy)).count(), copies.count());
    policy.halt.exceeded(gone, all).then_some((gone, all))
}

impl Way<'_> {
    /// Whether the copy stands although its original is not listed, or was not when the files were last listed.
    fn stands_without_original(&self, copy: &Copy) -> bool {
        let CopyState::Stands(id) = copy.state else { return false };
        let listed = |files: &Vec<File>| files.iter().any(|file| file.id == copy.original && file.is_original());
        let lost = self.source.files.as_ref().map_or(copy.missing_since_ms.is_some(), |files| !listed(files));
        lost && !self.is_gone(copy.original, id)
    }
}

/// Whether this read shows the effect of a late write; for a file, only if its contents were read or the copy is
/// gone.
pub fn can_judge(link: &Link, late: &LateWrite, external: &Ticket, internal: &Ticket) -> bool {
    let Late::File { from, original, .. } = &late.what else { return true };
    let way = Way::new(*from, external, internal);
    if way.source.files.is_none() {
        // Here nothing was planned for files.
        return false;
    }
    match link.copy_of(*from, *original).map(|copy| &copy.state) {
        Some(CopyState::Stands(id)) => content_of(way.target, *id).is_some() || way.is_gone(*original, *id),
        _ => true,
    }
}
