//! The files for content that does not fit into its field: a picture, or a whole text.

use itop_bridge_core::caselog::{BatchContent, BatchFile};
use itop_bridge_core::link::{CopyState, Enclosed, Enclosure};
use itop_bridge_core::{FileKind, Link, Side, Ticket};
use itop_bridge_text::fit::{Fitted, Words};

use crate::pass::Pass;
use crate::pass::files::text_contents;
use crate::pass::write::is_too_large;
use crate::side::failure::{Failure, Kind};

impl Pass<'_> {
    /// The name of the file with a whole text.
    pub(crate) fn file_of_text(&self, from: Side, code: &str) -> String {
        format!("{} {code}.txt", self.reference(from))
    }

    pub(crate) fn file_of_picture(&self, from: Side, id: u64, mimetype: &str) -> String {
        let extension = mimetype.rsplit('/').next().unwrap_or_default();
        format!("{} image {id}.{extension}", self.reference(from))
    }

    fn reference(&self, side: Side) -> &str {
        self.link.key(side).map_or("", |key| &key.reference)
    }

    /// The files that belong to a fitted text. A file with the whole text, once made, is kept up to date even when the
    /// text fits again: nobody is to read an old version.
    pub(crate) fn enclosed_in(&self, from: Side, code: &str, words: &Words, fitted: &Fitted) -> Vec<Enclosure> {
        let pictures = fitted.left_out.iter();
        let mut files: Vec<Enclosure> =
            pictures.map(|(image, name)| Enclosure::image(from, code, image.id, &image.secret, name)).collect();
        let known = self.link.enclosure(from, FileKind::Text, code);
        if fitted.is_cut || known.is_some_and(|known| matches!(known.state, Some(CopyState::Stands(_)))) {
            let side = &self.shared.itop(self.lane, from).name;
            let whole = format!("The {code} of {} ({side})\n\n{}\n", self.reference(from), words.readable());
            files.push(Enclosure::text(from, code, whole, &self.file_of_text(from, code)));
        }
        files
    }

    /// Reports how a text was made to fit the other side, once that side has accepted it.
    pub(crate) fn say_how_it_fits(&mut self, on: Side, code: &str, fitted: &Fitted) {
        let side = self.shared.itop(self.lane, on).name.clone();
        let pictures = fitted.left_out.len();
        if fitted.is_cut || pictures > 0 {
            tracing::info!(ticket = %self.name(), field = code, cut = fitted.is_cut, pictures, "{side} has no room for all of it; the rest crosses as files");
        }
        if pictures > 0 {
            self.did(format!("{code}: {side} has no room for {pictures} of its pictures; they cross as files"));
        }
        if fitted.is_cut {
            self.did(format!("{code}: {side} has no room for all of it; it is cut, and crosses whole as a file"));
        }
        if fitted.lost_characters {
            self.did(format!("{code}: characters that the database of {side} does not have became `?`"));
        }
    }

    /// Creates the file, or rewrites it in place.
    #[allow(clippy::too_many_arguments, reason = "a step of a plan and the two tickets")]
    pub(crate) async fn send_enclosure(
        &mut self,
        from: Side,
        kind: FileKind,
        key: &str,
        copy: Option<u64>,
        source: &Ticket,
        target: &Ticket,
        reason: &str,
    ) -> Result<(), Failure> {
        let Some(before) = self.link.enclosure(from, kind, key).cloned() else { return Ok(()) };
        if let Some(state) = self.sent_with_a_log(&before, target) {
            let stands = state.standing().is_some();
            change(&mut self.link, &before, |enclosure| enclosure.state = Some(state));
            if !stands {
                self.look_again(self.shared.now_ms());
            }
            return self.save().await;
        }
        let answer = match (&before.holds, copy) {
            (Enclosed::Text { text, .. }, Some(id)) => {
                let intend = |link: &mut Link, until_ms| {
                    change(link, &before, |enclosure| enclosure.again_at_ms = Some(until_ms))
                };
                self.replace(from, id, text_contents(text, &before.name), intend).await?.map(|()| id)
            }
            (Enclosed::Text { text, .. }, None) => {
                self.attach_enclosure(&before, text_contents(text, &before.name), target).await?
            }
            (Enclosed::Image { id, secret }, _) => {
                let file = as_batch_file(&before, *id, secret);
                let contents = self.contents_of_batch_file(from, &file, source).await?;
                match self.attach_enclosure(&before, contents, target).await? {
                    Err(error) if is_too_large(&error) => {
                        let words = self.words_for_batch_file(&file, "it is larger than this iTop takes", from, source);
                        self.attach_enclosure(&before, words, target).await?
                    }
                    answer => answer,
                }
            }
        };
        match answer {
            Ok(id) => self.enclosure_written(before, id, reason).await,
            Err(error) => self.enclosure_refused(before, copy, &error).await,
        }
    }

    async fn attach_enclosure(
        &mut self,
        enclosure: &Enclosure,
        contents: itop_client::Contents,
        target: &Ticket,
    ) -> Result<Result<u64, itop_client::Error>, Failure> {
        let intend = |link: &mut Link, until_ms| {
            change(link, enclosure, |enclosure| enclosure.state = Some(CopyState::InDoubt { until_ms }));
        };
        let answer = self.attach(enclosure.from, enclosure.kind(), enclosure.key(), contents, target, intend).await?;
        Ok(answer.map(|written| written.object.id))
    }

    async fn enclosure_written(&mut self, before: Enclosure, id: u64, reason: &str) -> Result<(), Failure> {
        if before.kind() == FileKind::Image {
            self.files.images.insert((before.from, before.key()), id);
        }
        // An earlier rewrite without an answer may still take effect over this one.
        let again_at_ms = before.again_at_ms.filter(|at| *at > self.shared.now_ms());
        let file = self.file_to(before.from.other(), &before.name);
        let mut written = Enclosure { again_at_ms, ..before };
        written.is_written(id);
        self.link.keep_enclosure(written);
        self.wrote(&file, reason);
        self.save().await
    }

    async fn enclosure_refused(
        &mut self,
        before: Enclosure,
        copy: Option<u64>,
        error: &itop_client::Error,
    ) -> Result<(), Failure> {
        let itop = self.shared.itop(self.lane, before.from.other());
        let failure = Failure::of(itop, error);
        if failure.kind == Kind::Gone && copy.is_some() {
            // A deletion by a person is no failure.
            self.did(format!("the file {:?} was deleted by a person", before.name));
            change(&mut self.link, &before, Enclosure::removed_by_person);
            self.look_again(self.shared.now_ms());
            return self.save().await;
        }
        if error.had_no_effect() {
            self.link.keep_enclosure(before);
        } else if copy.is_some() {
            let earlier = before.again_at_ms;
            change(&mut self.link, &before, |enclosure| enclosure.again_at_ms = enclosure.again_at_ms.max(earlier));
        }
        self.save().await?;
        Err(failure)
    }

    /// One image is one file, even if a log shows it too: finds the state of a file that a log's batch has sent.
    fn sent_with_a_log(&self, enclosure: &Enclosure, target: &Ticket) -> Option<CopyState> {
        if enclosure.kind() != FileKind::Image {
            return None;
        }
        if let Some(id) = self.files.images.get(&(enclosure.from, enclosure.key())) {
            return Some(CopyState::Stands(*id));
        }
        let logs = self.link.logs.iter().filter(|log| log.from == enclosure.from);
        let same = logs
            .flat_map(|log| &log.batch)
            .flat_map(|batch| &batch.files)
            .filter(|file| file.kind == FileKind::Image && file.key == enclosure.key());
        let may_stand =
            |state: &&CopyState| matches!(state, CopyState::InDoubt { until_ms } if *until_ms > target.read_at_ms);
        same.filter_map(|file| file.state.as_ref()).find(may_stand).cloned()
    }
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
