//! Attachments: checked when a hint names them, copied, rewritten and deleted. Contents pass as the base64 text that
//! iTop answered, without being decoded.

use std::collections::BTreeSet;

use base64::Engine as _;
use itop_bridge_core::link::{Copy, CopyState, Late};
use itop_bridge_core::{FileKind, FileMark, Link, Side, Sight, Ticket, text};
use itop_bridge_store::{Claim, Look, Next};
use itop_bridge_text::room::{What, in_the_basic_plane};
use itop_client::{Contents, ErrorClass, Fields, Query, Reservation, ValueFault};

use crate::pass::file_budget::FileBudget;
use crate::pass::write::is_too_large;
use crate::pass::{Pass, looks};
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

impl Pass<'_> {
    /// Reads the contents of three kinds of files: attachments named by a hint and copied before; originals whose copy
    /// was in doubt and is there (a hint of a change may have been used up by the wait); and copies over which an
    /// earlier rewrite may have taken effect.
    pub(crate) async fn read_named_contents(&mut self, snapshot: &mut Snapshot) -> Result<(), Failure> {
        for from in Side::BOTH {
            self.take_announced(snapshot, from);
            let wanted = self.originals_to_read(snapshot, from);
            if let Some(ticket) = snapshot.ticket_mut(from) {
                self.contents_of(ticket, &wanted, from, true).await?;
            }
            let mut rewritten = self.copies_to_read(from);
            rewritten.extend(unknown_copies(&self.link, from, &wanted));
            if let Some(ticket) = snapshot.ticket_mut(from.other()) {
                self.contents_of(ticket, &rewritten, from.other(), false).await?;
            }
        }
        Ok(())
    }

    /// Only a file that was copied before can announce the deletion of the whole ticket.
    fn take_announced(&self, snapshot: &mut Snapshot, side: Side) {
        let before = self.claim.link.as_ref();
        let copied_before = |id| before.is_some_and(|(_, link)| link.copy_of(side, id).is_some());
        let announced = self.claim.look.announced(side);
        for file in snapshot.ticket_mut(side).and_then(|ticket| ticket.files.as_mut()).into_iter().flatten() {
            file.announced = announced.contains(&file.id) && copied_before(file.id);
        }
    }

    fn originals_to_read(&self, snapshot: &Snapshot, from: Side) -> Vec<u64> {
        let look = &self.claim.look;
        let reads_contents = look.unwritten || look.second_looks(from) == 0;
        let came_back = !self.link.restored.is_empty();
        let is_wanted = |copy: &&Copy| match copy.state {
            CopyState::RemovedByPerson => came_back,
            CopyState::InDoubt { .. } => has_copy_of(snapshot.of(from.other()), from, copy.original),
            CopyState::Stands(_) => came_back || reads_contents && look.named(from).contains(&copy.original),
        };
        let copies = self.link.copies.iter().filter(|copy| copy.from == from);
        copies.filter(is_wanted).map(|copy| copy.original).collect()
    }

    /// The copies over which an abandoned rewrite may have taken effect by now.
    fn copies_to_read(&self, from: Side) -> Vec<u64> {
        let now = self.shared.now_ms();
        let settled = self.link.late.iter().filter(|late| late.until_ms <= now);
        let originals: BTreeSet<u64> = settled
            .filter_map(|late| match late.what {
                Late::File { from: of, original, .. } if of == from => Some(original),
                _ => None,
            })
            .collect();
        let copies = originals.iter().filter_map(|original| match self.link.copy_of(from, *original)?.state {
            CopyState::Stands(id) => Some(id),
            _ => None,
        });
        copies.collect()
    }

    async fn contents_of(&mut self, ticket: &mut Ticket, ids: &[u64], side: Side, keep: bool) -> Result<(), Failure> {
        let (lane, shared) = (self.lane, self.shared);
        let max_bytes = lane.settings.sync.max_attachment_bytes;
        let itop = shared.itop(lane, side);
        let Some(files) = &mut ticket.files else { return Ok(()) };
        for file in files.iter_mut().filter(|file| ids.contains(&file.id)) {
            // This pass reads an original once: a later change has a hint of its own.
            if keep && let Some(known) = self.files.read.get(&(side, file.id)) {
                file.content = Some(known.clone());
                continue;
            }
            let memory = self.file_memory().await?;
            let read = self.reading(call::contents(shared, itop, Some(&memory), file.id, max_bytes)).await?;
            let read = match read {
                Ok(read) => read,
                Err(error) => {
                    let failure = file_not_read(shared, itop, file.id, &error);
                    if failure.ends_the_pass() {
                        return Err(failure);
                    }
                    if self.unread.insert((side, file.id)) {
                        self.failures.push(failure);
                    }
                    continue;
                }
            };
            itop.could_read(Loaded::Attachment, file.id);
            let Some(read) = read else { continue };
            file.content = Some(read.fingerprint());
            if keep && let Some(copy) = self.link.copy_of(side, file.id) {
                self.files.took(side, file.id, read, &copy.content);
            }
        }
        Ok(())
    }

    /// This pass's memory for one file.
    pub(crate) async fn file_memory(&mut self) -> Result<Reservation, Failure> {
        self.files.reserve(self.shared, self.lane, &mut self.claim).await
    }

    /// Copies an attachment to the other side's ticket.
    pub(crate) async fn copy_file(
        &mut self,
        from: Side,
        original: u64,
        source: &Ticket,
        target: &Ticket,
        reason: &str,
    ) -> Result<(), Failure> {
        let Some(read) = self.source(from, original).await? else { return Ok(()) };
        let content = read.fingerprint();
        let (contents, substituted) = self.sendable(read, from, source);
        // Each call sets the state.
        let state = CopyState::InDoubt { until_ms: 0 };
        let copy = Copy { from, original, content, state, missing_since_ms: None, substituted, taken_over: false };
        match self.send_copy(&copy, contents.clone(), target).await? {
            Err(error) if is_too_large(&error) && !substituted => {
                tracing::warn!(ticket = %self.name(), side = from.other().word(), attachment = original, bytes = contents.data.decoded_len(), "this size is refused; a small text file is sent instead");
                let words = self.words_instead(&contents, TOO_LARGE, from, source);
                let copy = Copy { substituted: true, ..copy };
                let answer = self.send_copy(&copy, words, target).await?;
                self.copy_answered(copy, answer, &contents.filename, reason).await
            }
            answer => self.copy_answered(copy, answer, &contents.filename, reason).await,
        }
    }

    async fn copy_answered(
        &mut self,
        copy: Copy,
        answer: Result<itop_client::Written, itop_client::Error>,
        name: &str,
        reason: &str,
    ) -> Result<(), Failure> {
        let itop = self.shared.itop(self.lane, copy.from.other());
        match answer {
            Ok(written) => {
                let file = self.file_to(copy.from.other(), name);
                self.link.keep_copy(Copy { state: CopyState::Stands(written.object.id), ..copy });
                self.wrote(&file, reason);
                self.save().await
            }
            Err(error) => {
                // Otherwise the next look, at once, finds the copy by its mark or makes it.
                if error.had_no_effect() {
                    self.link.forget_copy(copy.from, copy.original);
                }
                self.save().await?;
                Err(Failure::of(itop, &error))
            }
        }
    }

    async fn send_copy(
        &mut self,
        copy: &Copy,
        contents: Contents,
        target: &Ticket,
    ) -> Result<Result<itop_client::Written, itop_client::Error>, Failure> {
        let key = copy.original.to_string();
        let intend = |link: &mut Link, until_ms| {
            link.keep_copy(Copy { state: CopyState::InDoubt { until_ms }, ..copy.clone() });
        };
        self.attach(copy.from, FileKind::File, key, contents, target, intend).await
    }

    /// Creates an attachment on the other side's ticket, with the mark that identifies it.
    pub(crate) async fn attach(
        &mut self,
        from: Side,
        kind: FileKind,
        key: String,
        contents: Contents,
        target: &Ticket,
        intend: impl FnOnce(&mut Link, i64) + Clone,
    ) -> Result<Result<itop_client::Written, itop_client::Error>, Failure> {
        let mark = FileMark { ticket: self.mark(), from, kind, key };
        let mut fields = Fields::new();
        fields.set("item_class", target.class.clone());
        fields.set("item_id", target.id);
        if let Some(org) = target.filled("org_id") {
            fields.set("item_org_id", org.to_owned());
        }
        fields.set("temp_id", mark.temp_id());
        let itop = self.shared.itop(self.lane, from.other());
        // Its own write takes the memory from here.
        self.file_memory().await?;
        let mut contents = with_a_name_for(itop, contents);
        let mut answer = loop {
            fields.set("contents", contents.clone());
            let create = Create { class: "Attachment", fields: &fields, output: &["id", "creation_date"] };
            match self.write(itop, create, intend.clone()).await? {
                Err(error) if self.name_loses_characters(itop, &mut contents, &error).await? => {}
                answer => break answer,
            }
        };
        if let Err(error) = &mut answer
            && matches!(error.class, ErrorClass::OutOfMemory { .. })
        {
            match self.find_attached(itop, &mark).await? {
                Some(written) => return Ok(Ok(written)),
                // The file alone exceeds PHP's memory.
                None => error.class = ErrorClass::TooLarge,
            }
        }
        if let Ok(written) = &mut answer {
            in_iso(self.shared, itop, std::slice::from_mut(&mut written.object)).await;
            learn_offset(self.shared, itop, written, "creation_date").await?;
        }
        Ok(answer)
    }

    /// Updates a copy's data, name and type in place.
    pub(crate) async fn rewrite_file(
        &mut self,
        from: Side,
        original: u64,
        copy: u64,
        source: &Ticket,
        reason: &str,
    ) -> Result<(), Failure> {
        let Some(read) = self.source(from, original).await? else { return Ok(()) };
        let Some(known) = self.link.copy_of(from, original).cloned() else { return Ok(()) };
        let itop = self.shared.itop(self.lane, from.other());
        let content = read.fingerprint();
        let name = read.contents.filename.clone();
        let (mut contents, mut substituted) = self.sendable(read, from, source);
        loop {
            let late = Late::File { from, original, content: read::fingerprint(&contents) };
            let intend = |link: &mut Link, until_ms| link.may_land(late, until_ms);
            match self.replace(from, copy, contents.clone(), intend).await? {
                Ok(()) => {
                    self.link.keep_copy(Copy { content, substituted, ..known });
                    self.wrote(&self.file_to(from.other(), &name), reason);
                    return self.save().await;
                }
                Err(error) if is_too_large(&error) && !substituted => {
                    contents = self.words_instead(&contents, TOO_LARGE, from, source);
                    substituted = true;
                }
                Err(error) => {
                    let failure = Failure::of(itop, &error);
                    if failure.kind == Kind::Gone {
                        if !self.ticket_stands(from.other()).await? {
                            return Err(Failure { kind: Kind::Stale, ..failure });
                        }
                        self.link.keep_copy(Copy { state: CopyState::RemovedByPerson, ..known });
                        self.did(format!(
                            "the copy of attachment {original} was deleted by a person; it stays deleted"
                        ));
                        return self.save().await;
                    }
                    self.save().await?;
                    return Err(failure);
                }
            }
        }
    }

    /// Replaces the contents of an attachment on the other side.
    pub(crate) async fn replace(
        &mut self,
        from: Side,
        id: u64,
        contents: Contents,
        intend: impl FnOnce(&mut Link, i64) + Clone,
    ) -> Result<Result<(), itop_client::Error>, Failure> {
        let itop = self.shared.itop(self.lane, from.other());
        // Its own write takes the memory from here.
        self.file_memory().await?;
        let mut contents = with_a_name_for(itop, contents);
        loop {
            let fields = Fields::new().with("contents", contents.clone());
            let update = Update { class: "Attachment", id, fields: &fields, output: &["id"] };
            match self.write(itop, update, intend.clone()).await? {
                Err(error) if self.name_loses_characters(itop, &mut contents, &error).await? => {}
                answer => return Ok(answer.map(|_| ())),
            }
        }
    }

    /// A `utf8mb3` database lacks some characters of a file's name: they are replaced by `?`.
    async fn name_loses_characters(
        &mut self,
        itop: &Itop,
        contents: &mut Contents,
        error: &itop_client::Error,
    ) -> Result<bool, Failure> {
        let name = in_the_basic_plane(&contents.filename);
        let is_it = error.bad_values().iter().any(|value| value.fault == ValueFault::Characters);
        if !is_it || name == contents.filename {
            return Ok(false);
        }
        learn_room(self.shared, itop, "Attachment", FILE_NAME, What::BasicPlaneOnly).await?;
        self.did(format!(
            "the name of {:?} has characters that the database of {} does not have; they became `?`",
            contents.filename, itop.name
        ));
        contents.filename = name;
        Ok(true)
    }

    /// Deletes a copy whose original is gone. The plan saw it listed with this bridge's own mark.
    pub(crate) async fn delete_copy(
        &mut self,
        from: Side,
        original: u64,
        copy: u64,
        reason: &str,
    ) -> Result<(), Failure> {
        let itop = self.shared.itop(self.lane, from.other());
        let (memory, comment) = (self.files.memory(), self.comment());
        let delete = Delete { class: "Attachment", id: copy };
        // An unanswered deletion is sent again: deleting a file that is gone does no harm.
        match send(self.shared, &mut self.claim, itop, memory, &comment, delete).await? {
            Sent::Ended(Ok(_)) => {}
            Sent::Ended(Err(error)) => return Err(unanswered(self.shared, &mut self.claim, itop, &error).await?),
            Sent::ThrottledAlone(failure) => return Err(failure),
        }
        self.link.copy_deleted(from, original, copy);
        let side = &self.shared.itop(self.lane, from.other()).name;
        self.wrote(&format!("deleted the copy of attachment {original} in {side}"), reason);
        self.save().await
    }

    /// The original's contents; `None` if it went meanwhile, which the next look sees.
    async fn source(&mut self, from: Side, original: u64) -> Result<Option<ReadContents>, Failure> {
        if let Some((_, _, read)) = self.files.contents.take_if(|(side, id, _)| (*side, *id) == (from, original)) {
            return Ok(Some(read));
        }
        let (lane, shared) = (self.lane, self.shared);
        let itop = shared.itop(lane, from);
        let memory = self.file_memory().await?;
        let max_bytes = lane.settings.sync.max_attachment_bytes;
        let read = self.reading(call::contents(shared, itop, Some(&memory), original, max_bytes)).await?;
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
    fn sendable(&mut self, read: ReadContents, from: Side, source: &Ticket) -> (Contents, bool) {
        let contents = read.contents;
        if read.too_large || contents.data.decoded_len() > self.lane.settings.sync.max_attachment_bytes {
            return (self.words_instead(&contents, TOO_LARGE, from, source), true);
        }
        if !contents.data.is_whole() {
            // iTop would silently turn it into an empty file.
            tracing::error!(ticket = %self.name(), name = %contents.filename, "the file's data is not whole base64; a small text file is sent instead");
            return (self.words_instead(&contents, "its data is not whole", from, source), true);
        }
        let name = text::file_name(&contents.filename);
        (Contents { filename: name, ..contents }, false)
    }

    fn words_instead(&self, contents: &Contents, why: &str, from: Side, source: &Ticket) -> Contents {
        let (name, reference) = (&contents.filename, &source.reference);
        let side = &self.shared.itop(self.lane, from).name;
        let size = match contents.data.decoded_len() {
            // Too large to be read at all.
            0 => format!("more than {}", self.lane.settings.sync.max_attachment_bytes),
            bytes => bytes.to_string(),
        };
        let words = format!(
            "The file \"{name}\" ({size} bytes) is attached to {reference} in {side}. It was not copied: {why}.\n"
        );
        text_contents(&words, &format!("{name}.txt"))
    }
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
