//! Sends new entries of a case log to the other side as files: one per inline image, then the text. A batch is fixed
//! before its first call and goes out unchanged after a crash.

use base64::Engine as _;
use itop_bridge_core::caselog::{Batch, BatchContent, BatchFile, BatchKey, Entry, EntryKey};
use itop_bridge_core::link::{CopyState, Held, Part};
use itop_bridge_core::{FileKind, Link, LogName, Side, Ticket, crossing_entries, text};
use itop_bridge_text::html;
use itop_client::Contents;

use crate::pass::Pass;
use crate::pass::files::text_contents;
use crate::pass::write::is_too_large;
use crate::side::call;
use crate::side::failure::{Failure, Kind};
use crate::side::unreadable::{Loaded, picture_not_read};

/// Longer text goes into a further file; a single entry is never cut.
pub(crate) const MAX_TEXT_BYTES: usize = 1024 * 1024;

impl Pass<'_> {
    /// Sends new entries, in as many batches as their size requires.
    pub(crate) async fn send_log(
        &mut self,
        from: Side,
        log: LogName,
        entries: &[EntryKey],
        source: &Ticket,
        target: &Ticket,
        reason: &str,
    ) -> Result<(), Failure> {
        let policy = self.policy.clone();
        let all = source.logs.get(&log).map(Vec::as_slice).unwrap_or_default();
        let all = crossing_entries(&policy, &self.link, from, log, all);
        let numbered = all.iter().enumerate().map(|(at, entry)| (at + 1, entry));
        let new: Vec<(usize, &Entry)> = numbered.filter(|(_, entry)| entries.contains(&entry.key)).collect();
        // The next look settles these entries; nothing else may cause one.
        let fresh = entries.iter().filter_map(|key| key.fresh_until_ms);
        fresh.min().into_iter().for_each(|until_ms| self.look_again(until_ms));
        for some in portions(&new) {
            let mut batch = self.batch(from, log, some, source, target);
            for key in &mut batch.entries {
                key.fresh_until_ms = entries.iter().find(|new| *new == key).and_then(|new| new.fresh_until_ms);
                // A file without authors cannot hold an old name if an author is renamed.
                key.author.take_if(|_| !self.lane.settings.sync.log_authors);
            }
            self.link.log_mut(from, log).batch = Some(batch);
            self.send_batch(from, log, source, target, reason).await?;
            // A later batch's mark would claim this batch as delivered too. A batch that was set aside is remembered
            // there, so it blocks nothing.
            if self.link.log_mut(from, log).batch.is_some() {
                break;
            }
        }
        Ok(())
    }

    fn batch(&self, from: Side, log: LogName, entries: &[(usize, &Entry)], source: &Ticket, target: &Ticket) -> Batch {
        let mut files: Vec<BatchFile> = Vec::new();
        for image in entries.iter().flat_map(|(_, entry)| html::inline_images(&entry.html)) {
            let key = image.id.to_string();
            let mut there = target.files.iter().flatten().filter_map(|file| file.mark());
            let stands = there.any(|mark| mark.is(from, FileKind::Image, &key));
            if stands
                || self.files.images.contains_key(&(from, key.clone()))
                || files.iter().any(|file| file.key == key)
            {
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
                holds: BatchContent::Text(self.text_of(from, log, entries, source)),
                state: None,
            });
        }
        Batch { entries: entries.iter().map(|(_, entry)| entry.key.clone()).collect(), files }
    }

    fn text_of(&self, from: Side, log: LogName, entries: &[(usize, &Entry)], source: &Ticket) -> String {
        let itop = self.shared.itop(self.lane, from);
        let names = self.lane.settings.sync.log_authors;
        let mut out = format!("The {} log of {} ({})\n", log.word(), source.reference, itop.name);
        for (_, entry) in entries {
            let when = itop.print_time(&entry.key.date);
            let author = if names { format!(", {}", entry.author) } else { String::new() };
            out.push_str(&format!("\n--- {when}{author} ---\n{}\n", self.told_log_entry(from, &entry.html)));
        }
        out
    }

    /// Sends the unsent files of a batch, in order.
    pub(crate) async fn send_batch(
        &mut self,
        from: Side,
        log: LogName,
        source: &Ticket,
        target: &Ticket,
        reason: &str,
    ) -> Result<(), Failure> {
        let Some(batch) = self.link.log_mut(from, log).batch.clone() else { return Ok(()) };
        match self.send_files(from, log, batch.files.clone(), source, target).await {
            Ok(false) => return self.save().await,
            Ok(true) => {}
            Err(failure) => return self.batch_is_kept_back(from, log, batch.key(), failure).await,
        }
        if self.link.log_mut(from, log).batch_shares_a_second() {
            self.look_again(self.shared.now_ms());
        }
        self.link.log_mut(from, log).finish_batch();
        if let Some(key) = batch.key() {
            self.link.release(&Part::Entries { from, log, key: key.to_owned() });
        }
        self.wrote(&self.entries_to(from, log), reason);
        self.save().await
    }

    /// Names the written entries for the log and the activity.
    fn entries_to(&self, from: Side, log: LogName) -> String {
        format!("{} log entries to {}", log.word(), self.shared.itop(self.lane, from.other()).name)
    }

    /// Sets a kept-back batch aside, so that later entries do not wait for it. A server's error may be momentary: after
    /// the first one the batch keeps its place.
    async fn batch_is_kept_back(
        &mut self,
        from: Side,
        log: LogName,
        key: Option<&str>,
        failure: Failure,
    ) -> Result<(), Failure> {
        let (Kind::Barred { status, .. }, Some(key)) = (&failure.kind, key) else { return Err(failure) };
        let part = Part::Entries { from, log, key: key.to_owned() };
        if (300..500).contains(status) || self.link.held(&part).is_some() {
            self.link.log_mut(from, log).set_aside();
        }
        self.hold(part, "", failure).await
    }

    /// Sends a set-aside batch again, in halves, until the blocked entry is alone.
    pub(crate) async fn send_aside(
        &mut self,
        from: Side,
        log: LogName,
        key: &str,
        source: &Ticket,
        target: &Ticket,
        reason: &str,
    ) -> Result<(), Failure> {
        for batch in self.halves(from, log, key, source, target) {
            let Some(key) = batch.key().map(str::to_owned) else { continue };
            let part = Part::Entries { from, log, key: key.clone() };
            match self.send_files(from, log, batch.files, source, target).await {
                Ok(false) => {}
                Ok(true) => {
                    self.link.log_mut(from, log).finish_aside(&key);
                    // The next look records entries that went meanwhile as gone.
                    self.look_again(self.shared.now_ms());
                    self.link.release(&part);
                    self.wrote(&self.entries_to(from, log), reason);
                }
                Err(failure) => self.hold(part, "", failure).await?,
            }
            self.save().await?;
        }
        Ok(())
    }

    /// Replaces the batch with this key by its halves; a batch of one entry stays.
    fn halves(&mut self, from: Side, log: LogName, key: &str, source: &Ticket, target: &Ticket) -> Vec<Batch> {
        let Some(whole) = self.link.log_mut(from, log).take_aside(key) else { return Vec::new() };
        let policy = self.policy.clone();
        let all = source.logs.get(&log).map(Vec::as_slice).unwrap_or_default();
        let all = crossing_entries(&policy, &self.link, from, log, all);
        let numbered = all.iter().enumerate().map(|(at, entry)| (at + 1, entry));
        let entries: Vec<(usize, &Entry)> = numbered.filter(|(_, it)| whole.entries.contains(&it.key)).collect();
        let batches = match entries.len() {
            0 | 1 => vec![whole],
            all => {
                let (some, others) = entries.split_at(all / 2);
                let halves = [some, others].map(|half| self.batch(from, log, half, source, target));
                let stand = whole.files.iter().filter_map(|file| file.state.as_ref()?.standing());
                self.link.log_mut(from, log).files.extend(stand);
                halves.into()
            }
        };
        let known = self.link.held(&Part::Entries { from, log, key: key.to_owned() }).cloned();
        for (batch, held) in batches.iter().filter_map(|batch| Some((batch, known.clone()?))) {
            let Some(key) = batch.key().map(str::to_owned) else { continue };
            self.link.hold(Held { part: Part::Entries { from, log, key }, ..held });
        }
        self.link.log_mut(from, log).aside.extend(batches.iter().cloned());
        batches
    }

    /// Sends the unsent ones of these files, in order; returns whether all were sent.
    async fn send_files(
        &mut self,
        from: Side,
        log: LogName,
        files: Vec<BatchFile>,
        source: &Ticket,
        target: &Ticket,
    ) -> Result<bool, Failure> {
        for file in files.into_iter().filter(|file| !matches!(file.state, Some(CopyState::Stands(_)))) {
            match self.sent_with_another_log(from, log, &file, target) {
                None => self.send_batch_file(from, log, &file, source, target).await?,
                Some(state) => {
                    let stands = state.standing().is_some();
                    set_state(&mut self.link, from, log, &file.key, Some(state));
                    if !stands {
                        // The next plan knows the outcome; the text goes out after it.
                        self.look_again(self.shared.now_ms());
                        return Ok(false);
                    }
                }
            }
        }
        Ok(true)
    }

    /// One image is one file, even if both logs show it: finds the state of a file that this pass has made, or that was
    /// sent without an answer and may be too late for this pass's list.
    fn sent_with_another_log(&self, from: Side, log: LogName, file: &BatchFile, target: &Ticket) -> Option<CopyState> {
        if file.kind != FileKind::Image {
            return None;
        }
        if let Some(id) = self.files.images.get(&(from, file.key.clone())) {
            return Some(CopyState::Stands(*id));
        }
        let others = self.link.logs.iter().filter(|other| other.from == from && other.log != log);
        let same =
            others.flat_map(|other| other.batches()).flat_map(|batch| &batch.files).filter(|it| it.key == file.key);
        let may_stand =
            |state: &&CopyState| matches!(state, CopyState::InDoubt { until_ms } if *until_ms > target.read_at_ms);
        let of_a_field = self.link.enclosure(from, FileKind::Image, &file.key).and_then(|known| known.state.as_ref());
        same.filter_map(|it| it.state.as_ref()).chain(of_a_field).find(may_stand).cloned()
    }

    async fn send_batch_file(
        &mut self,
        from: Side,
        log: LogName,
        file: &BatchFile,
        source: &Ticket,
        target: &Ticket,
    ) -> Result<(), Failure> {
        let contents = self.contents_of_batch_file(from, file, source).await?;
        let instead = self.words_for_batch_file(file, "it is larger than this iTop takes", from, source);
        let mut answer = self.attach_batch_file(from, log, file, contents, target).await?;
        if answer.as_ref().is_err_and(is_too_large) {
            tracing::warn!(ticket = %self.name(), side = from.other().word(), file = %file.name, "this size is refused; a small text file is sent instead");
            answer = self.attach_batch_file(from, log, file, instead, target).await?;
        }
        let itop = self.shared.itop(self.lane, from.other());
        match answer {
            Ok(written) => {
                if file.kind == FileKind::Image {
                    self.files.images.insert((from, file.key.clone()), written.object.id);
                }
                set_state(&mut self.link, from, log, &file.key, Some(CopyState::Stands(written.object.id)));
                self.save().await
            }
            Err(error) => {
                // Otherwise the next look, at once, finds the file by its mark or sends it again.
                if error.had_no_effect() {
                    set_state(&mut self.link, from, log, &file.key, None);
                }
                self.save().await?;
                Err(Failure::of(itop, &error))
            }
        }
    }

    async fn attach_batch_file(
        &mut self,
        from: Side,
        log: LogName,
        file: &BatchFile,
        contents: Contents,
        target: &Ticket,
    ) -> Result<Result<itop_client::Written, itop_client::Error>, Failure> {
        let key = file.key.clone();
        let intend = move |link: &mut Link, until_ms| {
            set_state(link, from, log, &key, Some(CopyState::InDoubt { until_ms }));
        };
        self.attach(from, file.kind, file.key.clone(), contents, target, intend).await
    }

    pub(crate) async fn contents_of_batch_file(
        &mut self,
        from: Side,
        file: &BatchFile,
        source: &Ticket,
    ) -> Result<Contents, Failure> {
        let (id, secret) = match &file.holds {
            BatchContent::Text(words) => return Ok(text_contents(words, &file.name)),
            BatchContent::Image { id, secret } => (*id, secret),
        };
        let itop = self.shared.itop(self.lane, from);
        let max_bytes = self.lane.settings.sync.max_attachment_bytes;
        let memory = self.file_memory().await?;
        match self.reading(call::inline_image(itop, Some(&memory), id, secret, max_bytes)).await? {
            Ok(image) => {
                itop.could_read(Loaded::InlineImage, id);
                let data = base64::engine::general_purpose::STANDARD.encode(&image.bytes);
                let extension = image.mime.rsplit('/').next().unwrap_or_default();
                let name = text::file_name(&format!("{}.{extension}", file.name));
                Ok(Contents::new(data.into(), name, image.mime))
            }
            Err(error) => {
                let why = picture_not_read(self.shared, itop, id, &error)?;
                self.did(format!("inline image {id} could not be had: {why}"));
                Ok(self.words_for_batch_file(file, "it could not be read", from, source))
            }
        }
    }

    pub(crate) fn words_for_batch_file(&self, file: &BatchFile, why: &str, from: Side, source: &Ticket) -> Contents {
        let side = &self.shared.itop(self.lane, from).name;
        let words = format!("\"{}\" stands in {} in {side}. It was not copied: {why}.\n", file.name, source.reference);
        let name = if file.kind == FileKind::Image { format!("{}.txt", file.name) } else { file.name.clone() };
        text_contents(&words, &name)
    }
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
