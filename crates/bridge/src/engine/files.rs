//! Attachments: looked at when a hint names them, copied, rewritten and deleted. Contents pass as the
//! base64 text that iTop answered, without being decoded.

use std::collections::BTreeSet;

use itop_bridge_core::link::{Copy, CopyState, Late};
use itop_bridge_core::{FileKind, FileMark, Link, Side, Sight, Ticket, text};
use itop_client::{Contents, Fields, Query};

use super::failure::{Failure, Kind};
use super::in_hand::InHand;
use super::itop::Itop;
use super::pass::{Pass, Sights};
use super::read::{self, ReadContents};
use super::write::is_too_large;
use super::{Lane, Shared};
use crate::store::{Claim, Look, Next};

impl Shared {
    /// A claim that names only known attachments: these alone are read. A person's download fires an
    /// update hook, and an organisation change one for each file: both end here. Answers the claim
    /// again, with what was read, where the whole picture is needed.
    pub(super) async fn look_at_named(
        &self,
        lane: &Lane,
        mut claim: Claim,
        mut files: InHand,
    ) -> Option<(Claim, InHand)> {
        match self.named_are_as_copied(lane, &mut claim, &mut files).await {
            Ok(true) => {
                let next = match self.second_look(&claim.look, self.now_ms()) {
                    Some((due_ms, look)) => Next::Look { due_ms, look },
                    None => Next::Done,
                };
                self.finish(&claim, next).await;
                None
            }
            Ok(false) => {
                claim.look.ticket = true;
                claim.look.files = true;
                Some((claim, files))
            }
            Err(failure) => {
                self.fail(lane, &claim, failure).await;
                None
            }
        }
    }

    async fn named_are_as_copied(&self, lane: &Lane, claim: &mut Claim, files: &mut InHand) -> Result<bool, Failure> {
        let Some((_, link)) = claim.link.clone() else { return Ok(false) };
        let failed = |error| Failure::of(&lane.external, &error);
        let named: Vec<u64> = claim.look.external_attachments.iter().copied().collect();
        if named.is_empty() {
            // Internal attachments of ours: the bridge's own writes come back as hooks.
            return Ok(true);
        }
        if claim.look.second_looks > 0 {
            // Only whether they still stand: a change in place is announced after it happened.
            let answer = lane.external.client.get("Attachment", &Query::ids(&named), &["id", "item_id"]).await;
            let found = self.noted(&lane.external, "Attachment", answer).map_err(failed)?;
            let standing = found.objects.iter().filter(|object| object.number("item_id") == Some(link.external.id));
            return Ok(standing.count() == named.len());
        }
        let max_bytes = lane.settings.sync.max_attachment_bytes;
        for id in named {
            // One at a time: two large files in one answer would need the memory of both.
            let client = files.client(self, lane, &lane.external, claim).await?;
            let read = self.read_contents(&lane.external, &client, id, max_bytes);
            let read = self.calling(claim, &lane.external, read).await?.map_err(failed)?;
            let (Some(read), Some(copy)) = (read, link.copy_of(Side::External, id)) else { return Ok(false) };
            let removed = copy.state == CopyState::RemovedByPerson;
            let (item, content) = (read.item, read.fingerprint());
            files.took(id, read, &copy.content);
            if item != link.external.id || !(removed || content == copy.content) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Attachments that a hint named and that still stand are looked at twice more: iTop announces a
    /// deletion before it happens.
    pub(super) fn second_look(&self, look: &Look, now_ms: i64) -> Option<(i64, Look)> {
        let wait = self.timing.second_looks_ms.get(look.second_looks as usize)?;
        if look.external_attachments.is_empty() {
            return None;
        }
        let next = Look {
            external_attachments: look.external_attachments.clone(),
            second_looks: look.second_looks + 1,
            ..Look::default()
        };
        Some((now_ms + wait, next))
    }
}

impl Pass<'_> {
    /// Reads the contents of the attachments that a hint named and that were copied before, of those whose
    /// copy was in doubt and is there (the hint of a change meanwhile was spent on waiting), and of copies over
    /// which an earlier rewrite may have landed.
    pub(super) async fn read_named_contents(&mut self, sights: &mut Sights) -> Result<(), Failure> {
        let max_bytes = self.lane.settings.sync.max_attachment_bytes;
        let look = &self.claim.look;
        let is_wanted = |copy: &&Copy| match copy.state {
            CopyState::RemovedByPerson => false,
            CopyState::InDoubt { .. } => has_copy_of(&sights.internal, copy.original),
            CopyState::Stands(_) => look.second_looks == 0 && look.external_attachments.contains(&copy.original),
        };
        let copied_before = |id| {
            let before = self.claim.link.as_ref();
            before.is_some_and(|(_, link)| link.copy_of(Side::External, id).is_some())
        };
        if let Sight::Here(Ticket { files: Some(files), .. }) = &mut sights.external {
            for file in files {
                file.announced = look.announced.contains(&file.id) && copied_before(file.id);
            }
        }
        let wanted: Vec<u64> = self.link.copies.iter().filter(is_wanted).map(|copy| copy.original).collect();
        if let Sight::Here(ticket) = &mut sights.external {
            self.contents_of(ticket, &wanted, max_bytes, Side::External).await?;
        }
        if let Sight::Here(ticket) = &mut sights.internal {
            let now = self.shared.now_ms();
            let settled: BTreeSet<u64> = self
                .link
                .late
                .iter()
                .filter(|late| late.until_ms <= now)
                .filter_map(|late| if let Late::File { original, .. } = late.what { Some(original) } else { None })
                .collect();
            let copies: Vec<u64> = settled
                .iter()
                .filter_map(|original| match self.link.copy_of(Side::External, *original)?.state {
                    CopyState::Stands(id) => Some(id),
                    _ => None,
                })
                .collect();
            self.contents_of(ticket, &copies, max_bytes, Side::Internal).await?;
        }
        Ok(())
    }

    async fn contents_of(
        &mut self,
        ticket: &mut Ticket,
        ids: &[u64],
        max_bytes: u64,
        side: Side,
    ) -> Result<(), Failure> {
        let (lane, shared) = (self.lane, self.shared);
        let itop = if side == Side::External { &lane.external } else { &shared.internal };
        let Some(files) = &mut ticket.files else { return Ok(()) };
        for file in files.iter_mut().filter(|file| ids.contains(&file.id)) {
            // What this pass has read of an original, it has read: a change since then has a hint of its own.
            if side == Side::External
                && let Some(known) = self.files.read.get(&file.id)
            {
                file.content = Some(known.clone());
                continue;
            }
            let client = self.with_file_memory(itop).await?;
            let read = self.leased(itop, async { shared.fetch_contents(&client, file.id, max_bytes).await }).await?;
            let Some(read) = read.map_err(|error| Failure::of(itop, &error))? else { continue };
            file.content = Some(read.fingerprint());
            if side == Side::External
                && let Some(copy) = self.link.copy_of(Side::External, file.id)
            {
                self.files.took(file.id, read, &copy.content);
            }
        }
        Ok(())
    }

    /// A client whose calls share this pass's memory for one file.
    pub(super) async fn with_file_memory(&mut self, itop: &Itop) -> Result<itop_client::Client, Failure> {
        self.files.client(self.shared, self.lane, itop, &mut self.claim).await
    }

    /// Copies an attachment to the internal ticket.
    pub(super) async fn copy_file(&mut self, original: u64, external: &Ticket, target: &Ticket) -> Result<(), Failure> {
        let Some(source) = self.source(original).await? else { return Ok(()) };
        let content = source.fingerprint();
        let (contents, substituted) = self.sendable(source, external);
        // The state is the call's to say.
        let state = CopyState::InDoubt { until_ms: 0 };
        let copy = Copy { from: Side::External, original, content, state, missing_since_ms: None, substituted };
        match self.send_copy(&copy, contents.clone(), target).await? {
            Err(error) if is_too_large(&error) && !substituted => {
                tracing::warn!(ticket = %self.name(), attachment = original, bytes = contents.data.decoded_len(), "the internal side refuses this size; a small text file is sent instead");
                let words = self.words_instead(&contents, TOO_LARGE, external);
                let copy = Copy { substituted: true, ..copy };
                let answer = self.send_copy(&copy, words, target).await?;
                self.copy_answered(copy, answer, &contents.filename).await
            }
            answer => self.copy_answered(copy, answer, &contents.filename).await,
        }
    }

    async fn copy_answered(
        &mut self,
        copy: Copy,
        answer: Result<itop_client::Written, itop_client::Error>,
        name: &str,
    ) -> Result<(), Failure> {
        match answer {
            Ok(written) => {
                self.link.keep_copy(Copy { state: CopyState::Stands(written.object.id), ..copy });
                self.wrote(&format!("file {name:?}"), "a file was added outside");
                self.save().await
            }
            Err(error) => {
                // Else the next look, at once, finds the copy by its mark or makes it.
                if error.had_no_effect() {
                    self.link.forget_copy(copy.from, copy.original);
                }
                self.save().await?;
                Err(Failure::of(&self.shared.internal, &error))
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
        let mark = FileMark { ticket: self.mark(), from: copy.from, kind: FileKind::File, key };
        let mut fields = Fields::new();
        fields.set("item_class", target.class.clone());
        fields.set("item_id", target.id);
        if let Some(org) = target.filled("org_id") {
            fields.set("item_org_id", org.to_owned());
        }
        fields.set("temp_id", mark.temp_id());
        fields.set("contents", contents);
        let internal = &self.shared.internal;
        let (client, comment) = (self.with_file_memory(internal).await?, self.comment());
        let intend = |link: &mut Link, until_ms| {
            link.keep_copy(Copy { state: CopyState::InDoubt { until_ms }, ..copy.clone() });
        };
        let call = client.create("Attachment", &fields, &comment, &["id"]);
        self.write(internal, "Attachment", intend, call).await
    }

    /// Brings a copy's data, name and type up to date, in place.
    pub(super) async fn rewrite_file(
        &mut self,
        original: u64,
        copy: u64,
        external: &Ticket,
        reason: &str,
    ) -> Result<(), Failure> {
        let Some(source) = self.source(original).await? else { return Ok(()) };
        let Some(known) = self.link.copy_of(Side::External, original).cloned() else { return Ok(()) };
        let content = source.fingerprint();
        let name = source.contents.filename.clone();
        let (mut contents, mut substituted) = self.sendable(source, external);
        loop {
            match self.send_rewrite(original, copy, contents.clone()).await? {
                Ok(()) => {
                    self.link.keep_copy(Copy { content, substituted, ..known });
                    self.wrote(&format!("file {name:?}"), reason);
                    return self.save().await;
                }
                Err(error) if is_too_large(&error) && !substituted => {
                    contents = self.words_instead(&contents, TOO_LARGE, external);
                    substituted = true;
                }
                Err(error) => {
                    let failure = Failure::of(&self.shared.internal, &error);
                    if failure.kind == Kind::Gone {
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

    async fn send_rewrite(
        &mut self,
        original: u64,
        copy: u64,
        contents: Contents,
    ) -> Result<Result<(), itop_client::Error>, Failure> {
        let late = Late::File { original, content: read::fingerprint(&contents) };
        let fields = Fields::new().with("contents", contents);
        let internal = &self.shared.internal;
        let (client, comment) = (self.with_file_memory(internal).await?, self.comment());
        let call = client.update("Attachment", copy, &fields, &comment, &["id"]);
        let intend = |link: &mut Link, until_ms| link.may_land(late, until_ms);
        Ok(self.write(internal, "Attachment", intend, call).await?.map(|_| ()))
    }

    /// Deletes a copy whose original is gone. The plan saw it listed with this bridge's own mark.
    pub(super) async fn delete_copy(&mut self, original: u64, copy: u64, reason: &str) -> Result<(), Failure> {
        let internal = &self.shared.internal;
        let (client, comment) = (internal.client.clone(), self.comment());
        let answer = self.leased(internal, async move { client.delete("Attachment", copy, &comment).await }).await?;
        // An unanswered deletion is simply sent again: deleting what is gone does no harm.
        answer.map_err(|error| Failure::of(internal, &error))?;
        self.went_through(&self.shared.internal, "Attachment");
        self.link.forget_copy(Side::External, original);
        self.wrote(&format!("deleted the copy of attachment {original}"), reason);
        self.save().await
    }

    /// The original's contents; `None` where it went meanwhile, which the next look sees.
    async fn source(&mut self, original: u64) -> Result<Option<ReadContents>, Failure> {
        if let Some((_, read)) = self.files.contents.take_if(|(id, _)| *id == original) {
            return Ok(Some(read));
        }
        let external = &self.lane.external;
        let client = self.with_file_memory(external).await?;
        let max_bytes = self.lane.settings.sync.max_attachment_bytes;
        let shared = self.shared;
        let read = self.leased(external, async { shared.fetch_contents(&client, original, max_bytes).await }).await?;
        read.map_err(|error| Failure::of(external, &error))
    }

    /// What is sent for these contents: themselves, with a name that iTop takes, or a small text file
    /// where they are too large or not whole.
    fn sendable(&mut self, source: ReadContents, external: &Ticket) -> (Contents, bool) {
        let contents = source.contents;
        if source.too_large || contents.data.decoded_len() > self.lane.settings.sync.max_attachment_bytes {
            return (self.words_instead(&contents, TOO_LARGE, external), true);
        }
        if !contents.data.is_whole() {
            // iTop would turn it into an empty file without a word.
            tracing::error!(ticket = %self.name(), name = %contents.filename, "the file's data is not whole base64; a small text file is sent instead");
            return (self.words_instead(&contents, "its data is not whole", external), true);
        }
        let name = text::file_name(&contents.filename);
        (Contents { filename: name, ..contents }, false)
    }

    fn words_instead(&self, contents: &Contents, why: &str, external: &Ticket) -> Contents {
        use base64::Engine as _;
        let (name, reference, side) = (&contents.filename, &external.reference, &self.lane.name);
        let size = match contents.data.decoded_len() {
            // Too large to be read at all.
            0 => format!("more than {}", self.lane.settings.sync.max_attachment_bytes),
            bytes => bytes.to_string(),
        };
        let words = format!(
            "The file \"{name}\" ({size} bytes) is attached to {reference} in {side}. It was not copied: {why}.\n"
        );
        let data = base64::engine::general_purpose::STANDARD.encode(words);
        Contents::new(data.into(), text::file_name(&format!("{}.txt", contents.filename)), "text/plain")
    }
}

/// Whether the internal ticket lists a file with the mark of this original.
fn has_copy_of(internal: &Sight, original: u64) -> bool {
    let Sight::Here(ticket) = internal else { return false };
    ticket
        .files
        .iter()
        .flatten()
        .filter_map(|file| file.mark.as_ref())
        .any(|mark| mark.from == Side::External && mark.kind == FileKind::File && mark.key == original.to_string())
}

const TOO_LARGE: &str = "it is larger than this iTop or the bridge takes";
